"""The Lagrangian bound: what no plan of a branch can exceed, from any duals.

Owns the derivation in docs/optimizer.md; duals come from wherever they may, the bound is valid all the same.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from functools import cached_property
from itertools import accumulate, chain
from math import inf
from typing import Any

import numpy as np
from attrs import define

from ilp.pool.curves import Lane
from ilp.pool.document import Pool
from ilp.pool.valuation import KNOTS, SLOPES, bends, deviation

__all__ = ["SHORT", "Bounds", "Branch", "Duals", "Priced", "Status"]

Array = np.ndarray[Any, np.dtype[np.float64]]
_Indices = np.ndarray[Any, np.dtype[np.intp]]

_NOTHING, _NONE = np.zeros(0), list[float]()
_AT_KNOTS = [deviation(knot, 1.0) for knot in KNOTS]
#: Grid points of a lane up to which nobody has to know the reduced costs at each of them.
SHORT = 24
_FEW = 10  # lanes up to which the first duals are priced one by one: making a table takes longer
_LISTED = 20  # how many duals


class Status(IntEnum):
    """What a branch says about a lane."""

    OFF = 0
    FREE = 1
    ON = 2


_ON = int(Status.ON)  # plain, for the innermost loop


class Branch(list[int]):
    """What a branch says about each lane (a `Status` each), and sets of lanes of which it says that some are on."""

    __slots__ = ("some",)

    def __init__(self, status: Iterable[int], some: tuple[tuple[int, ...], ...] = ()) -> None:
        super().__init__(status)
        self.some = some

    def changed(self, changes: Mapping[int, int]) -> Branch:
        """The branch with another status of some lanes."""
        found = Branch(self, self.some)
        for number, state in changes.items():
            found[number] = state
        return found


# Values, though not frozen: see `ilp.pool.curves`.
@define(eq=False)
class Duals:
    """What a bound is computed from; any values give a valid one.

    :ivar slopes: by holding: slope of the support of its deviation, in numeraire per numeraire.
    :ivar rents: by holding, ≥ 0: numeraire per unit of what is available.
    :ivar totals: by asset of the valuation: where the risk is linearised, in units of the asset.
    :ivar credits: by set of the branch of which some lane is on, as far as there are, ≥ 0: numeraire.
    """

    slopes: Array
    rents: Array
    totals: Array
    credits: tuple[float, ...] = ()


@define(eq=False)
class Priced:
    """Duals, evaluated: the bound of any branch is a sum of what each move can do at best at their prices.

    :ivar constant: numeraire: what does not depend on the moves.
    :ivar best: by lane: least reduced cost when on, fixed charges included; +∞ for lanes that cannot be on.
    :ivar reduced: by grid point of all lanes (see `Bounds.first`), before anything else: the reduced cost there; nothing
        of a small pool, as long as few duals were priced and `Bounds.tabulate` was not called.
    :ivar prices: there, by holding and at last outside: what a unit of numeraire is worth.
    """

    constant: float
    best: list[float]
    reduced: Array
    groups: Sequence[tuple[int, ...]]
    prices: Sequence[float] = ()

    def loss(self, status: Sequence[int]) -> float:
        """A lower bound of costs + risk + deviation over all plans of the branch, in numeraire."""
        best, found = self.best, self.constant
        for lanes in self.groups:
            least = 0.0
            for lane in lanes:
                state = status[lane]
                if state == _ON:
                    least = best[lane]
                    break
                if state and best[lane] < least:
                    least = best[lane]
            found += least
        return found


# What `Bounds` prices duals with, but for the first ones of a small pool: see there.
@define(eq=False)
class _Table:
    terms: Array
    nothing: Array
    starts: _Indices
    low: Array
    high: Array
    amounts: Array


class Bounds:
    """Bounds of one pool's branches.

    :ivar first: by lane, where its grid of amounts starts in the arrays that span all lanes.
    :ivar flows: by holding and lane: what the lane's amount adds to the holding, 1 or −1; nothing where it cannot be on.
    :ivar asset_flows: by asset of the valuation and lane, in units of the asset: what the lane's amount adds to the total.
    :ivar groups: lanes by move.
    :ivar resting: duals of the pool as it stands: they bound every plan, and close the search where nothing is worth doing.
    """

    def __init__(self, pool: Pool, lanes: Sequence[Lane]) -> None:
        holdings, valuation = pool.holdings, pool.valuation
        self._lanes, self._marks = lanes, [pool.marks[holding.asset] for holding in holdings]
        self._start = [holding.total * mark for holding, mark in zip(holdings, self._marks, strict=True)]
        self._targets = [holding.target * mark for holding, mark in zip(holdings, self._marks, strict=True)]
        self._room = [max(0.0, holding.available) for holding in holdings]
        self.marks, self.start, self.room = np.array(self._marks), np.array(self._start), np.array(self._room)
        self.penalty = valuation.deviation_penalty
        self._steep = [self.penalty * slope for slope in SLOPES]
        count = len(valuation.assets)
        self.covariance = np.array(valuation.covariance).reshape(count, count) * valuation.risk_aversion
        self._pull = self.covariance + self.covariance
        index = {asset: place for place, asset in enumerate(valuation.assets)}
        self._assets = [index.get(holding.asset, -1) for holding in holdings]
        self.member = np.zeros((count, len(holdings)))  # asset totals in units from holdings in numeraire
        for place, asset in enumerate(self._assets):
            if asset >= 0:
                self.member[asset, place] = 1.0 / self._marks[place]
        steep = [self._steep[bisect_left(bends(holding.target), holding.total)] for holding in holdings]
        self.resting = Duals(np.array(steep), np.zeros(len(holdings)), self.member.dot(self.start))
        lengths = [len(lane.grid) for lane in lanes]
        self.first = list(accumulate(lengths, initial=0))
        self._points = self.first.pop()
        self._usable = [number for number, length in enumerate(lengths) if length]
        self.flows = np.zeros((len(holdings), len(lanes)))
        for number in self._usable:
            lane = lanes[number]
            self.flows[lane.leaves, number] = -1.0
            if lane.arrives >= 0:
                self.flows[lane.arrives, number] = 1.0
        self.asset_flows = self.member.dot(self.flows)
        self.groups: dict[int, tuple[int, ...]] = {}
        for number, lane in enumerate(lanes):
            self.groups[lane.move] = (*self.groups.get(lane.move, ()), number)
        self._members = tuple(self.groups.values())
        #: Duals that are priced before the table is made.
        self._listed = _LISTED if len(lanes) <= _FEW and max(lengths, default=0) <= SHORT else 0
        self._moves = [lanes[number] for number in self._usable]
        self._ends, self._middle = (self._steep[0], self._steep[-1]), self._steep[1:-1]

    def tabulate(self) -> Array:
        """The amounts at all grid points, in numeraire, where from now on each bound has its reduced costs.

        The last entry is nothing, which is none of them.
        """
        self._listed = 0
        return self._table.amounts

    @cached_property
    def _table(self) -> _Table:
        """All that a bound is made of, as one matrix: prices of (slopes, totals, rents, 1) times it.

        Columns: the reduced cost at each grid point of each lane, what is linear besides, and the support of each holding
        at each knot.  A bound takes the least of each lane's and each holding's columns.
        """
        lanes, points, held, count = self._lanes, self._points, len(self._targets), len(self.covariance)
        each = np.array([*[len(lane.grid) for lane in lanes], 1, *[len(KNOTS)] * held], dtype=np.intp)
        # What a unit of each lane does, then nothing, then a unit of each holding.
        effects = np.zeros((2 * held + count + 1, len(each)))
        effects[:held, : len(lanes)] = self.flows
        for number in self._usable:
            effects[held + count + lanes[number].leaves, number] = 1.0
        for place in range(held):
            effects[place, len(lanes) + 1 + place] = 1.0
        effects[held : held + count, : len(lanes)] = self._pull.dot(self.asset_flows)
        worths = np.array([*[lane.worth for lane in lanes], *[1.0] * (held + 1)])
        holdings = zip(self._start, self._targets, strict=True)
        knots = [here - target * knot for here, target in holdings for knot in KNOTS]
        amounts = np.array([*chain.from_iterable([lane.grid for lane in lanes]), 0.0, *knots]) * worths.repeat(each)
        apart = [self.penalty * target * at for target in self._targets for at in _AT_KNOTS]
        costs = np.array([*chain.from_iterable([lane.costs for lane in lanes]), 0.0, *apart])
        uses = np.array([*chain.from_iterable([lane.uses for lane in lanes]), *[0.0] * (len(KNOTS) * held + 1)])
        terms = effects.repeat(each, axis=1)
        terms[: held + count] *= amounts
        terms[held + count : -1] *= uses
        terms[-1] = costs
        terms[held : held + count, points] = self._pull.dot(self.resting.totals)
        terms[held + count : -1, points] = -self.room
        starts = [self.first[number] for number in self._usable]
        every = np.array([*starts, points, *range(points + 1, len(amounts), len(KNOTS))], dtype=np.intp)
        low = np.array([self._steep[0]] * held + [-inf] * count + [0.0] * held + [1.0])
        high = np.array([self._steep[-1]] * held + [inf] * (count + held + 1))
        nothing = np.zeros(len(terms))
        nothing[-1] = 1.0
        return _Table(terms, nothing, every, low, high, amounts[: points + 1])

    @cached_property
    def rested(self) -> Priced:
        """`resting`, evaluated."""
        return self.price(self.resting)

    def price(self, duals: Duals, some: Sequence[tuple[int, ...]] = ()) -> Priced:
        """What every lane can do at best at the prices of *duals*.

        :param some: sets of lanes of which one at least is on: it pays for what all of them are credited with.
        """
        reduced, prices = _NOTHING, _NONE
        if self._listed:
            self._listed -= 1
            least, constant, prices = self._by_lists(duals)
        else:
            reduced, least, constant = self._by_table(duals)
        best = least
        if len(least) < len(self._lanes):
            best = [inf] * len(self._lanes)
            for number, value in zip(self._usable, least, strict=True):
                best[number] = value
        if duals.credits:
            constant += sum(duals.credits)
            for members, credit in zip(some, duals.credits, strict=False):
                for number in members if credit else ():
                    best[number] -= credit
        return Priced(constant, best, reduced, self._members, prices)

    def _by_table(self, duals: Duals) -> tuple[Array, list[float], float]:
        """Reduced costs at all grid points, the least of each lane that can be on, and what does not depend on moves."""
        table, held = self._table, len(self._room)
        prices = table.nothing.copy()
        prices[:held], prices[held : -1 - held], prices[-1 - held : -1] = duals.slopes, duals.totals, duals.rents
        np.maximum(prices, table.low, out=prices)
        values = np.minimum(prices, table.high, out=prices).dot(table.terms)
        least: list[float] = np.minimum.reduceat(values, table.starts).tolist()
        lanes = len(self._usable)
        constant = sum(least[lanes:]) - float(duals.totals.dot(self.covariance).dot(duals.totals))
        return values, least[:lanes], constant

    def _by_lists(self, duals: Duals) -> tuple[list[float], float, list[float]]:
        """The least of each lane that can be on, what does not depend on moves, and prices by holding, in less time than it
        takes to make the table."""
        pull = self._pull.dot(duals.totals)
        constant = float(pull.dot(self.resting.totals)) - 0.5 * float(pull.dot(duals.totals))
        pulls = [*pull.tolist(), 0.0]  # the numeraire has none
        prices, rents = duals.slopes.tolist(), duals.rents.tolist()
        for place, asset in enumerate(self._assets):
            slope, support = self._support(place, prices[place])
            constant += support
            prices[place] = slope + pulls[asset] / self._marks[place]
            if rents[place] > 0:
                constant -= rents[place] * self._room[place]
            else:
                rents[place] = 0.0
        prices.append(0.0)  # outside
        return [_least(lane, prices, rents) for lane in self._moves], constant, prices

    def _support(self, place: int, slope: float) -> tuple[float, float]:
        """The slope of a support as far as there is one, and what the holding as it stands has of it."""
        lowest, highest = self._ends
        if not lowest <= slope <= highest:
            slope = min(max(slope, lowest), highest)
        knot, target = bisect_left(self._middle, slope), self._targets[place]
        return slope, self.penalty * target * _AT_KNOTS[knot] + slope * (self._start[place] - target * KNOTS[knot])

    def moved(self, priced: Priced, duals: Duals, place: int, change: float) -> tuple[Duals, Priced]:
        """*duals* with one slope changed, evaluated, from what they were before."""
        slopes = duals.slopes.copy()
        slopes[place] += change
        changed = Duals(slopes, duals.rents, duals.totals)
        if not priced.prices:
            return changed, self.price(changed)
        before, was = self._support(place, float(duals.slopes[place]))
        after, now = self._support(place, float(slopes[place]))
        prices, best, rents = list(priced.prices), priced.best.copy(), np.maximum(duals.rents, 0.0).tolist()
        prices[place] += after - before
        for number, lane in zip(self._usable, self._moves, strict=True):
            if place in (lane.leaves, lane.arrives):
                best[number] = _least(lane, prices, rents)
        return changed, Priced(priced.constant + now - was, best, priced.reduced, priced.groups, prices)


def _least(lane: Lane, prices: Sequence[float], rents: Sequence[float]) -> float:
    """The least reduced cost of a lane."""
    grid, costs, rent = lane.grid, lane.costs, rents[lane.leaves]
    net = (prices[lane.arrives] - prices[lane.leaves]) * lane.worth
    if rent:
        costs = [cost + rent * use for cost, use in zip(costs, lane.uses, strict=True)]
    if len(grid) > 2:
        return min([cost + net * amount for amount, cost in zip(grid, costs, strict=True)])
    first, last = costs[0] + net * grid[0], costs[-1] + net * grid[-1]
    return first if first < last else last
