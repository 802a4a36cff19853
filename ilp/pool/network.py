"""Transfers of one asset between many holdings, bounded as a whole.

Where transfers between many holdings charge something each but nothing by amount, it matters little which lanes are on and
much which holdings they join: k holdings that are joined pay k - 1 charges at least, whichever lanes do it, and then share
one price.  Owns the ways to join the holdings of such an asset, a bound of each of them, the convex problem in which what is
joined moves freely, and lanes that join holdings with as few charges as there can be.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from attrs import evolve, frozen

from ilp.pool.bound import Bounds, Branch, Duals, Priced, Status
from ilp.pool.curves import Lane
from ilp.pool.document import Pool
from ilp.pool.relaxation import Relaxation, Relaxed
from ilp.pool.valuation import KNOTS, SLOPES, deviation

__all__ = ["Joined", "Network", "Trial"]

Array = np.ndarray[Any, np.dtype[np.float64]]
_Ways = np.ndarray[Any, np.dtype[np.intp]]

_FEWEST = 5  # holdings that are worth it
_MOST = 8  # holdings: there are 4140 ways to join eight, 115975 to join ten
_TURNS = 8  # orders in which lanes are looked for


_OFF = int(Status.OFF)
_KNOTS = np.array(KNOTS)[:, None]
_AT_KNOTS = np.array([[deviation(knot, 1.0)] for knot in KNOTS])


@lru_cache(maxsize=_MOST)
def _ways(count: int) -> _Ways:
    """Every way to divide so many holdings into sets, a row each: sets as bits, filled up with empty ones."""
    ways: list[list[int]] = [[]]
    for number in range(count):
        bit = 1 << number
        wider = [[*way[:k], way[k] | bit, *way[k + 1 :]] for way in ways for k in range(len(way))]
        ways = wider + [[*way, bit] for way in ways]
    return np.array([way + [0] * (count - len(way)) for way in ways], dtype=np.intp).reshape(-1, count)


@frozen(eq=False)
class Trial:
    """Duals of a branch, and what is tried in the place of those of the network.

    :ivar duals: what they say of the network's territories counts for nothing.
    :ivar losses: by way to join: a lower bound of the loss, in numeraire.
    :ivar prices: of these that bound some set best: what joined holdings share.
    :ivar premiums: by territory and price: how much more its holding is worth, which is also the rent of what is available.
    :ivar beside: by territory and price: the slope of the holding beside, where there is one.
    :ivar best: by territory and price: what it amounts to there.
    :ivar priced: the duals without what they say of the territories, evaluated.
    :ivar status: the branch.
    :ivar joining: what moves between territories earn at most in all, and by set what joining it costs at least.
    """

    duals: Duals
    losses: Array
    prices: Array
    premiums: Array
    beside: Array
    best: Array
    priced: Priced
    status: Branch
    joining: tuple[float, Array]

    def grid(self, kinks: Array) -> tuple[Array, Array, Array]:
        """What there is to choose from for a part of the branch: shared prices, slopes for the holding, and for the one
        beside *kinks* besides, which are better where what leads there is off."""
        single = (self.prices + self.premiums)[self.premiums > 0]
        return self.prices, _distinct(np.append(single, self.prices[:1])), _distinct(np.append(self.beside, kinks))

    @property
    def size(self) -> int:
        """How many characters of JSON it takes, about, and rather fewer."""
        duals = self.duals
        zeros = sum(each.size - np.count_nonzero(each) for each in (self.premiums, self.beside))
        numbers = (duals.slopes, duals.rents, duals.totals, self.prices, self.premiums, self.beside)
        return 100 + 22 * sum(each.size for each in numbers) - 17 * int(zeros)


@frozen(eq=False)
class Joined:
    """What is known of a branch: what was tried, of which the best counts for each way to join."""

    trials: tuple[Trial, ...] = ()

    @cached_property
    def by_way(self) -> Array:
        """The best bound of each way."""
        return np.asarray(np.max([trial.losses for trial in self.trials], axis=0))

    @cached_property
    def loss(self) -> float:
        """A lower bound of the loss, whatever the way."""
        return float(self.by_way.min())

    @property
    def size(self) -> int:
        """How many characters of JSON it takes, about."""
        return sum(trial.size for trial in self.trials)

    def way(self, but: Iterable[int] = ()) -> int:
        """The way that may lose least, of all *but* some."""
        losses = self.by_way.copy()
        losses[[*but]] = np.inf
        return int(losses.argmin())

    def needed(self, enough: float) -> Joined:
        """Without trials that are needed neither for the bound nor for ways whose loss is *enough* to be closed."""
        kept, least = list(self.trials), min(enough, self.loss)
        for trial in self.trials:
            rest = [each.losses for each in kept if each is not trial]
            if rest and np.max(rest, axis=0).min() >= least:
                kept.remove(trial)
        return Joined(tuple(kept))


class Network:
    """The holdings of one asset and the transfers between them.

    :ivar territories: each of the holdings, and beside it the one that only it of them trades with, where there is one.
    :ivar inside: the lanes between them.
    """

    def __init__(self, pool: Pool, lanes: Sequence[Lane], bounds: Bounds, holdings: Sequence[int]) -> None:
        self._pool, self._lanes, self._bounds = pool, lanes, bounds
        self._holdings = list(holdings)
        self._index = {place: n for n, place in enumerate(holdings)}
        self._beside = self._find_beside()
        self.territories = tuple((h, self._beside[h]) if h in self._beside else (h,) for h in holdings)
        self.inside = {n for n, lane in enumerate(lanes) if lane.leaves in self._index and lane.arrives in self._index}
        self._sets = (np.arange(1 << len(holdings))[:, None] >> np.arange(len(holdings)) & 1).astype(float)
        self._covered = [place for territory in self.territories for place in territory]
        self._at_knots, self._surplus = self._supports(self._covered)
        self._kinks = bounds.penalty * np.array(SLOPES)
        self._least_support = float(self._at_knots.min(axis=0).sum())
        self._firsts = [self._covered.index(place) for place in holdings]
        #: No lane between them moves less.
        self._least = min(lanes[number].low * lanes[number].worth for number in self.inside if lanes[number].grid)
        self._every = np.arange(1 << len(holdings))
        self._ways = np.ascontiguousarray(_ways(len(holdings)).T)
        senders = {lanes[number].leaves for number in self.inside if lanes[number].grid}
        #: Whether it can give anything to another one: if not, what it is worth has nothing to do with what they are.
        self.gives = tuple(place in senders for place in holdings)
        self._room = (bounds.room * bounds.marks)[self._holdings] * self.gives
        self._worths = [np.array(lane.grid) * lane.worth for lane in lanes]
        widths = np.diff(bounds.tabulate())
        self._widths = np.where(widths > 0, widths, np.inf)  # what lies between two lanes is no width
        self._sort_moves()

    @staticmethod
    def find(pool: Pool, lanes: Sequence[Lane], bounds: Bounds) -> Network | None:
        """The network of the asset that most charged transfers move; None where there is none that is worth it."""
        found: dict[str, set[int]] = {}
        for lane in lanes:
            asset = pool.holdings[lane.leaves].asset
            if lane.grid and lane.arrives >= 0 and asset == pool.holdings[lane.arrives].asset:
                flat = lane.fixed > 0 and lane.costs[-1] <= lane.fixed * (1 + 1e-9)
                places = found.setdefault(asset, set())
                places |= {lane.leaves, lane.arrives} if flat else {-1}
        fit = [sorted(places) for places in found.values() if _FEWEST <= len(places) <= _MOST and -1 not in places]
        return Network(pool, lanes, bounds, max(fit, key=len)) if fit else None

    def _find_beside(self) -> dict[int, int]:
        """By holding of the network another one that only it and holdings outside trade with."""
        near: dict[int, set[int]] = {}
        for lane in self._lanes:
            if lane.arrives >= 0:
                near.setdefault(lane.leaves, set()).add(lane.arrives)
                near.setdefault(lane.arrives, set()).add(lane.leaves)
        found: dict[int, int] = {}
        for place in sorted(near, key=lambda place: (len(near[place]), place)):
            inside = near[place] & set(self._holdings)
            if place in self._index or len(inside) != 1 or inside & set(found) or near[place] & set(found.values()):
                continue
            found[min(inside)] = place
        return found

    def _supports(self, places: Sequence[int]) -> tuple[Array, Array]:
        """By knot and holding: the deviation there, and what the holding has more than there."""
        targets = np.array([self._pool.holdings[place].target for place in places]) * self._bounds.marks[places]
        return self._bounds.penalty * _AT_KNOTS * targets, self._bounds.start[places] - _KNOTS * targets

    def _sort_moves(self) -> None:
        """Lanes by move: those between territories with what they join, those of one territory, the others."""
        owner = {place: n for n, territory in enumerate(self.territories) for place in territory}
        self._edges: list[tuple[tuple[int, ...], list[int]]] = []
        self._own: list[list[tuple[int, ...]]] = [[] for _ in self.territories]
        self._others: list[tuple[int, ...]] = []
        self._owner = dict.fromkeys(range(len(self._lanes)), -1)
        for members in self._bounds.groups.values():
            lane = self._lanes[members[0]]
            touched = sorted({owner[place] for place in (lane.leaves, lane.arrives) if place in owner})
            if len(touched) == 2:
                self._edges.append((members, touched))
            elif touched:
                self._own[touched[0]].append(members)
                self._owner |= dict.fromkeys(members, touched[0])
            else:
                self._others.append(members)
        reached: dict[int, list[tuple[int, ...]]] = {}
        for members in self._bounds.groups.values():
            for place in {self._lanes[members[0]].leaves, self._lanes[members[0]].arrives}:
                reached.setdefault(place, []).append(members)
        #: Tips: holdings outside the territories that one move alone leads to; and its lanes.
        self._tips = {p: of[0] for p, of in reached.items() if p >= 0 and len(of) == 1 and of[0] in self._others}
        self._tip_of = {number: place for place, members in self._tips.items() for number in members}
        #: What lanes from a territory's holding use beyond what they move, where that is something.
        self._spare: dict[int, Array] = {}
        for number in (number for moves in self._own for members in moves for number in members):
            lane, worths = self._lanes[number], self._worths[number]
            if lane.grid and lane.leaves in self._index:
                spare = np.array(lane.uses) * self._bounds.marks[lane.leaves] - worths
                if np.abs(spare).max() > 1e-12 * worths.max():
                    self._spare[number] = spare
        most = max((len(members) for members, _ in self._edges), default=0)
        #: Lanes between territories by move, filled up with one that is always off, and the two that each move joins.
        self._joining = np.array([[*m, *[len(self._lanes)] * (most - len(m))] for m, _ in self._edges], dtype=np.intp)
        self._ends = np.array([ends for _, ends in self._edges], dtype=np.intp).T
        self._between_territories = {number for members, _ in self._edges for number in members}

    def _reduced(self, priced: Priced, number: int) -> Array:
        first = self._bounds.first[number]
        return priced.reduced[first : first + len(self._worths[number])]

    def _grid(self, duals: Duals, priced: Priced, slopes_of: Array) -> tuple[Array, Array, Array]:
        """What there is to choose from, see `Trial`: where the best that some territory can do changes."""
        kinks = self._kinks
        slopes, premiums = duals.slopes[self._holdings], (duals.rents / self._bounds.marks)[self._holdings]
        shared, single = [kinks, slopes - premiums], slopes
        beside = [kinks, duals.slopes[list(self._beside.values())]]
        for (place, *others), moves in zip(self.territories, self._own, strict=True):
            for number in (number for members in moves for number in members if self._worths[number].size):
                lane, reduced, worths = self._lanes[number], self._reduced(priced, number), self._worths[number]
                point = self._bounds.first[number]
                bends = slopes_of[point : point + len(worths) - 1]
                if place in (lane.leaves, lane.arrives):
                    sign = 1.0 if lane.leaves == place else -1.0
                    moved = duals.slopes[others[0]] if {*others} & {lane.leaves, lane.arrives} else 0.0
                    shared.append(sign * bends + moved)
                else:
                    sign = 1.0 if lane.leaves in others else -1.0
                    beside += [sign * bends, sign * reduced[-1:] / worths[-1:]]
        ends = kinks[0], kinks[-1]
        first, last = (_distinct(np.concatenate(each).clip(*ends)) for each in (shared, beside))
        return first, _distinct(np.concatenate([kinks, single]).clip(*ends)), last

    def _priced(self, duals: Duals) -> Priced:
        """*duals*, evaluated without what they say of the territories."""
        free = evolve(duals, slopes=duals.slopes.copy(), rents=duals.rents.copy())
        free.slopes[self._covered] = 0.0
        free.rents[self._holdings] = 0.0
        return evolve(self._bounds.price(free), groups=self._others)

    def price(self, duals: Duals, status: Branch) -> Trial:
        """A lower bound of the loss by way to join."""
        priced = self._priced(duals)
        bends = self._bends(priced)
        grid = self._grid(duals, priced, bends)
        best, own, beside = self._best(priced, status, grid, range(len(self._own)), bends)
        joining = self._joined(priced, status)
        by_price = self._sets @ best
        asked = by_price.argmax(axis=1)
        by_set = by_price[self._every, asked] + joining[1]
        losses = self._lost(priced, status, joining) + by_set.take(self._ways).sum(axis=0)
        used = sorted({*asked[1:].tolist()})
        prices, best, beside = grid[0][used], best[:, used], beside[:, used]
        return Trial(duals, losses, prices, own[:, used] - prices, beside, best, priced, status, joining)

    def _known(self, trial: Trial, status: Branch, ways: _Ways) -> Trial:
        """What *trial* says of some *ways* in a part of its branch, from what it chose from there: mostly one territory is
        another one, or the holding at the end of a move, for which another slope may be better."""
        changed = [n for n, state in enumerate(status) if state != trial.status[n]]
        best, premiums, beside = trial.best, trial.premiums, trial.beside
        rows = sorted({self._owner[n] for n in changed} - {-1})
        if rows:
            bends, best, premiums, beside = self._bends(trial.priced), best.copy(), premiums.copy(), beside.copy()
            best[rows], own, beside[rows] = self._best(trial.priced, status, trial.grid(self._kinks), rows, bends)
            premiums[rows] = own - trial.prices
        duals, priced = trial.duals, trial.priced
        tips = {self._tip_of[n] for n in changed if n in self._tip_of}
        if tips:
            duals = self._settled(duals, priced, status, tips)
            priced = self._priced(duals)
        apart = self._between_territories.isdisjoint(changed)
        joining = trial.joining if apart else self._joined(priced, status)
        losses, by_set = trial.losses.copy(), (self._sets @ best).max(axis=1) + joining[1]
        losses[ways] = self._lost(priced, status, joining) + by_set.take(self._ways[:, ways]).sum(axis=0)
        return Trial(duals, losses, trial.prices, premiums, beside, best, priced, status, joining)

    def _settled(self, duals: Duals, priced: Priced, status: Branch, tips: Iterable[int]) -> Duals:
        """*duals* with the slopes of some tips that bound most in a branch: but for one move nothing depends on them."""
        slopes, bends = duals.slopes.copy(), self._bends(priced)
        for place in tips:
            now = slopes[place].clip(self._kinks[0], self._kinks[-1])
            usable = [n for n in self._tips[place] if status[n] != Status.OFF and self._worths[n].size]
            on = [number for number in usable if status[number] == Status.ON]
            lines, prices = [], [now[None], self._kinks]
            for number in on or usable:
                sign = 1.0 if self._lanes[number].arrives == place else -1.0
                reduced, worths, first = self._reduced(priced, number), self._worths[number], self._bounds.first[number]
                lines.append((reduced, sign * worths))
                prices.append(now - sign * bends[first : first + len(worths) - 1])
                prices.append(now - sign * np.divide(reduced, worths, out=np.zeros(len(worths)), where=worths > 0))
            tried = np.concatenate(prices).clip(self._kinks[0], self._kinks[-1])
            at_knots, surplus = self._supports([place])
            values = (at_knots + surplus * tried).min(axis=0)
            for reduced, moved in lines:
                least = (reduced[:, None] + moved[:, None] * (tried - now)).min(axis=0)
                values += least if on else np.minimum(0.0, least)
            slopes[place] = tried[values.argmax()]
        return evolve(duals, slopes=slopes)

    def _lost(self, priced: Priced, status: Branch, joining: tuple[float, Array]) -> float:
        """What all ways lose."""
        return priced.loss(status) - self._least_support + joining[0]

    def _joined(self, priced: Priced, status: Branch) -> tuple[float, Array]:
        """See `Trial.joining`."""
        charges = np.full(len(self.territories), np.inf)
        if not self._edges:
            return 0.0, np.zeros(len(self._sets))
        each = np.where(np.array([*status, _OFF]) != _OFF, [*priced.best, np.inf], np.inf)
        least = each[self._joining].min(axis=1)
        for ends in self._ends:  # of each territory: what joining it to any other costs
            np.minimum.at(charges, ends, np.maximum(0.0, least))
        charges[np.isinf(charges)] = 0.0
        return float(np.minimum(0.0, least).sum()), self._sets @ charges - (self._sets * charges).max(axis=1)

    def _bends(self, priced: Priced) -> Array:
        """What the points of each lane cost more than the one before, per numeraire."""
        points = len(self._widths)
        return np.asarray(np.diff(priced.reduced[: points + 1]) / self._widths)

    def _best(
        self,
        priced: Priced,
        status: Branch,
        grid: tuple[Array, Array, Array],
        which: Sequence[int],
        bends: Array,
    ) -> tuple[Array, Array, Array]:
        """The best of some territories at each shared price, and the slopes of holding and the one beside that give it."""
        shared, single, beside = grid
        higher = single > shared[:, None]
        slopes = np.where(higher, single, shared[:, None])
        firsts = [self._firsts[n] for n in which]
        knots, surplus = self._at_knots[:, firsts, None], self._surplus[:, firsts, None]
        at_single, at_shared = (knots + surplus * single).min(axis=0), (knots + surplus * shared).min(axis=0)
        total = np.where(higher, at_single[:, None], at_shared[:, :, None])
        total -= (slopes - shared[:, None]) * self._room[[*which], None, None]
        each = np.arange(len(shared))
        choice = total.argmax(axis=2)
        best, own = total.max(axis=2), slopes[each, choice]
        others = np.zeros(best.shape)
        for row, n in enumerate(which):
            if not self._own[n]:
                continue
            also = beside if len(self.territories[n]) > 1 else np.zeros(1)
            alone = np.zeros(len(also))  # what depends on the slope beside only
            if len(self.territories[n]) > 1:
                at = self._firsts[n] + 1
                alone = (self._at_knots[:, at, None] + self._surplus[:, at, None] * beside).min(axis=0)
            here = total[row][:, :, None]
            for members in self._own[n]:
                gained = self._gained(
                    members, self.territories[n], status, priced, (shared, single, also), higher, slopes, bends
                )
                if gained is None:
                    continue
                if gained.shape[:2] == (1, 1):
                    alone = alone + gained[0, 0]
                else:
                    here = here + gained
            here = here + alone
            flat = here.reshape(len(shared), -1)
            chosen = flat.argmax(axis=1)
            best[row], own[row] = flat[each, chosen], slopes[each, chosen // len(also)]
            others[row] = also[chosen % len(also)]
        return best, own, others

    def _gained(
        self,
        members: tuple[int, ...],
        territory: tuple[int, ...],
        status: Branch,
        priced: Priced,
        grid: tuple[Array, Array, Array],
        higher: Any,
        slopes: Array,
        bends: Array,
    ) -> Array | None:
        """The best that one move of a territory can do, by price, slope of the holding and slope of the one beside."""
        place, others = territory[0], territory[1:]
        shared, single, beside = grid
        on = [number for number in members if status[number] == Status.ON]
        least: Array | None = None
        for number in on or members:
            lane = self._lanes[number]
            if status[number] == Status.OFF or not lane.grid:
                continue
            first, worths = self._bounds.first[number], self._worths[number]
            reduced = priced.reduced[first : first + len(worths)]
            points = reduced, worths, bends[first : first + len(worths) - 1]
            pull = np.zeros(1)
            if lane.leaves in others or lane.arrives in others:
                pull = -beside if lane.leaves in others else beside
            if lane.arrives == place:
                at_shared, at_single = (_least(*points, at[:, None] + pull) for at in (shared, single))
                found = np.where(higher[:, :, None], at_single, at_shared[:, None])
            elif lane.leaves == place:
                found = _least(*points, pull - shared[:, None])[:, None]
                spare = self._spare.get(number)
                if spare is not None:  # it pays the premium for more than it moves
                    moved = reduced[:, None, None] + worths[:, None, None] * (pull - shared[:, None])
                    paid = spare[:, None, None] * (slopes - shared[:, None])
                    found = (moved[:, :, None] + paid[..., None]).min(axis=0)
            else:
                found = _least(*points, pull)[None, None]
            least = found if least is None else np.minimum(least, found)
        return least if least is None or on else np.minimum(0.0, least)

    def tightened(self, before: Joined, status: Branch, duals: Duals) -> Joined:
        """What is known of a branch with some duals more."""
        return Joined((*before.trials, self.price(duals, status)))

    def known(self, before: Joined, status: Branch, enough: float = np.inf) -> Joined:
        """What is known of a branch from that of which it is a part.

        :param enough: a loss that closes a way: of such ways nothing more than of the branch.
        """
        ways = np.flatnonzero(before.by_way < enough)
        return Joined(tuple([self._known(trial, status, ways) for trial in before.trials]))

    @cached_property
    def _free(self) -> Relaxation:
        """The programs in which transfers between joined holdings charge nothing."""
        free = [
            evolve(lane, fixed=0.0, use_fixed=0.0, low=0.0) if number in self.inside else lane
            for number, lane in enumerate(self._lanes)
        ]
        return Relaxation(self._pool, free, Bounds(self._pool, free))

    def sets(self, way: int) -> list[int]:
        """The sets that a way joins, as bits."""
        return [some for some in self._ways[:, way].tolist() if some]

    def way(self, sets: Sequence[int]) -> int:
        """The way that joins *sets*, which cover all territories."""
        return int((np.sort(self._ways, axis=0)[-len(sets) :] == np.sort(sets)[:, None]).all(axis=0).argmax())

    def _parts(self, way: int) -> dict[int, int]:
        """The set, as bits, of each holding."""
        sets = self.sets(way)
        return {place: next(some for some in sets if some >> n & 1) for place, n in self._index.items()}

    def apart(self, status: Branch, way: int) -> Branch:
        """A branch in which nothing moves between holdings that are not joined."""
        part = self._parts(way)
        return status.changed(
            {n: Status.OFF for n in self.inside if part[self._lanes[n].leaves] != part[self._lanes[n].arrives]}
        )

    def solve(self, status: Branch, way: int) -> Relaxed:
        """The convex problem of a branch in which joined holdings share what they have and others do not."""
        return self._free.solve(self.apart(status, way))

    def finer(self, status: Branch, way: int, flows: Array, attempt: int) -> Relaxed | None:
        """The same once more, see `Relaxation.finer`."""
        return self._free.finer(self.apart(status, way), flows, attempt)

    def missed(self, flows: Array) -> dict[int, float]:
        """By lane that *flows* have on beside those between the holdings: what deviates more, in numeraire, where it is left
        out and nothing takes its place, less its charges by amount."""
        at = (self._bounds.start + self._free.flows @ flows) / self._bounds.marks
        found = {}
        for number in [n for n in np.flatnonzero(flows > 0).tolist() if n not in self.inside]:
            lane, more = self._lanes[number], 0.0
            for place, back in ((lane.leaves, float(flows[number])), (lane.arrives, -float(flows[number]))):
                if place >= 0:
                    mark, target, total = self._bounds.marks[place], self._pool.holdings[place].target, float(at[place])
                    more += mark * (deviation(total + back / mark, target) - deviation(total, target))
            charged = lane.cost(max(float(flows[number]) / lane.worth, lane.low))
            found[number] = max(0.0, self._bounds.penalty * more - charged)
        return found

    def plan(self, flows: Array, way: int) -> list[tuple[dict[int, float], float]]:
        """Flows by lane, in numeraire, that move between holdings what *flows* do, with as few lanes as can be had
        easily: some such plans, each with how much its lanes are short of their minima, the best first."""
        net = dict.fromkeys(self._holdings, 0.0)
        for number in self.inside:
            flow = float(flows[number])
            net[self._lanes[number].leaves] += flow
            net[self._lanes[number].arrives] -= flow
        part, room = self._parts(way), dict(zip(self._holdings, self._room.tolist(), strict=True))
        others = {n: flow for n, flow in enumerate(flows.tolist()) if flow > 0 and n not in self.inside}
        for other, flow in ((self._lanes[n], flow) for n, flow in others.items()):
            if other.leaves in room:  # what leaves it otherwise cannot be passed on
                room[other.leaves] -= other.use_of(flow / other.worth) * float(self._bounds.marks[other.leaves])
        found = []
        for turn in range(_TURNS):
            plan, short = dict(others), 0.0
            for some in dict.fromkeys(part.values()):
                pairs = _paired({h: net[h] for h in self._holdings if part[h] == some}, turn)
                for (start, end), amount in _relayed(pairs, self._least, room).items():
                    lane = self._between.get((start, end))
                    if lane is None:
                        short = np.inf
                    else:
                        short += max(0.0, self._lanes[lane].low * self._lanes[lane].worth - amount)
                        plan[lane] = amount
            found.append((plan, short))
        return sorted(found, key=lambda each: (each[1] > 0, len(each[0]), each[1]))

    @cached_property
    def _between(self) -> Mapping[tuple[int, int], int]:
        """The lane from one holding to another."""
        ends = [(self._lanes[n], n) for n in sorted(self.inside, reverse=True) if self._lanes[n].grid]
        return {(lane.leaves, lane.arrives): n for lane, n in ends}


def _distinct(values: Array) -> Array:
    """What is among *values*, once each and ascending (numpy's own takes four times as long)."""
    ordered = np.sort(values, axis=None)
    kept = np.empty(len(ordered), dtype=bool)
    kept[0] = True
    np.not_equal(ordered[1:], ordered[:-1], out=kept[1:])
    return ordered[kept]


def _least(reduced: Array, worths: Array, bends: Array, price: Array) -> Array:
    """The least of reduced + worths · price over the points of a convex lane, which rises by *bends*, for every price."""
    if len(worths) == 1:
        return np.asarray(reduced + worths * price)
    points = np.searchsorted(bends, -price)
    return np.asarray(reduced[points] + worths[points] * price)


def _paired(net: Mapping[int, float], turn: int) -> dict[tuple[int, int], float]:
    """Amounts by (from, to) so that each holding gives what it has too much: one after the other in an order by *turn*,
    with fewer of them than there are holdings."""
    scale = 1e-11 * sum(map(abs, net.values()))
    give = sorted((h for h in net if net[h] > scale), key=lambda h: net[h], reverse=bool(turn & 1))
    take = sorted((h for h in net if net[h] < -scale), key=lambda h: -net[h], reverse=bool(turn & 2))
    if turn & 4:
        give, take = give[1:] + give[:1], take[1:] + take[:1]
    left = {h: abs(net[h]) for h in (*give, *take)}
    found: dict[tuple[int, int], float] = {}
    while give and take:
        amount = min(left[give[0]], left[take[0]])
        if amount > scale:
            found[give[0], take[0]] = amount
        for side in (give, take):
            left[side[0]] -= amount
        if left[give[0]] <= scale:
            del give[0]
        if left[take[0]] <= scale:
            del take[0]
    return found


def _relayed(
    pairs: dict[tuple[int, int], float], least: float, room: Mapping[int, float]
) -> dict[tuple[int, int], float]:
    """The same with as many lanes, of which fewer move less than *least*: who gives too little for a lane passes on what
    another one gives, who takes too little passes on most of what it is given, as far as they have *room* for that."""
    for (start, end), amount in [*pairs.items()]:
        if amount >= least or (start, end) not in pairs:
            continue
        enough = {pair: moved for pair, moved in pairs.items() if moved >= least}
        gives = [pair for pair, moved in enough.items() if pair[1] == end and moved + amount <= room[start]]
        takes = [pair for pair, moved in enough.items() if pair[0] == start and moved <= room[end]]
        if gives and not any(start in pair for pair in pairs if pair != (start, end)):
            other = max(gives, key=pairs.__getitem__)
            pairs[other[0], start] = pairs.pop(other)
            pairs[start, end] += pairs[other[0], start]
        elif takes and not any(end in pair for pair in pairs if pair != (start, end)):
            other = max(takes, key=pairs.__getitem__)
            pairs[end, other[1]] = pairs.pop(other)
            pairs[start, end] += pairs[end, other[1]]
    return pairs
