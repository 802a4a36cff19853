"""Convex problems of large pools, by walking from cell to cell.

Within a cell every piecewise-linear function is linear, so the program has one column a lane and one row a holding, however
deep the books and however many bends.  Multipliers at the walls of a cell say where to go on; no wall worth crossing means
that the optimum is found.  Owns that walk; where it does not end `ilp.pool.relaxation` has the answer.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any

import daqp
import numpy as np
from attrs import frozen

from ilp.pool.bound import Bounds, Branch, Duals, Priced, Status
from ilp.pool.curves import Lane
from ilp.pool.document import Pool
from ilp.pool.face import newton
from ilp.pool.relaxation import Relaxation, Relaxed
from ilp.pool.valuation import KNOTS, SLOPES

__all__ = ["Cells", "Demand"]

Array = np.ndarray[Any, np.dtype[np.float64]]

_EPSILON = 1e-7  # of the largest slope; every step is a proximal step
_STILL = 1e-12  # of the scale
_DUST = 1e-11  # of the scale
_STEPS = 40  # then the bound is what it is, and the branch is divided
_SLOW = 2  # steps within one cell
_INFINITY = 1e30


@frozen(eq=False)
class Demand:
    """One of *lanes* is to be on, or *need*, in numeraire, is paid.

    :ivar place: of the set in the branch.
    :ivar lanes: those of the set that may be on.
    :ivar whole: all lanes of the set.
    """

    place: int
    lanes: tuple[int, ...]
    need: float
    whole: tuple[int, ...]


class _Chain:
    """A convex piecewise-linear function of a lane's flow: knots, and cost and use at them, all in numeraire.

    :ivar chord: up to where the lane is on in part only; 0 where it is on, or for nothing.
    """

    __slots__ = ("chord", "cost", "use", "w")

    def __init__(self, w: list[float], cost: list[float], use: list[float], chord: float = 0.0) -> None:
        self.w, self.cost, self.use, self.chord = w, cost, use, chord

    def slope(self, i: int, j: int) -> tuple[float, float]:
        """Cost and use per numeraire between two knots."""
        width = self.w[j] - self.w[i]
        if width <= 0:
            return 0.0, 0.0
        return (self.cost[j] - self.cost[i]) / width, (self.use[j] - self.use[i]) / width

    def share(self, i: int, j: int) -> float:
        """How much more of the lane is on, per numeraire between two knots."""
        width = self.w[j] - self.w[i]
        if not self.chord or width <= 0:
            return 0.0
        return (min(self.w[j], self.chord) - min(self.w[i], self.chord)) / (self.chord * width)

    def cell(self, flow: float) -> tuple[int, int]:
        """The segment that *flow* lies in."""
        last = len(self.w) - 1
        i = min(max(bisect_right(self.w, flow) - 1, 0), max(last - 1, 0))
        return i, min(i + 1, last)


class _Place:
    """Where a walk is: a cell of each active lane's chain, a segment of each holding, and the flow of every lane.

    A lane that crosses walls again and again takes cells of growing width, which are cut to one segment afterwards.
    """

    __slots__ = (
        "cells",
        "chains",
        "costs",
        "flow",
        "growth",
        "highs",
        "lows",
        "moved",
        "segments",
        "turned",
        "uses",
        "x",
    )

    def __init__(
        self,
        chains: list[_Chain],
        cells: list[tuple[int, int]],
        segments: list[int],
        flow: Array,
        active: Sequence[int],
    ) -> None:
        self.chains, self.cells, self.segments, self.flow = chains, cells, segments, flow
        self.growth: dict[int, int] = {}
        self.turned = self.moved = True
        self.x = flow[active]
        known = [(*chain.slope(i, j), chain.w[i], chain.w[j]) for chain, (i, j) in zip(chains, cells, strict=True)]
        self.costs, self.uses, self.lows, self.highs = np.array(known).reshape(-1, 4).T.copy()

    def enter(self, column: int, cell: tuple[int, int]) -> None:
        """Go into another cell of a lane."""
        chain, (i, j) = self.chains[column], cell
        self.cells[column], self.turned = cell, True
        self.costs[column], self.uses[column] = chain.slope(i, j)
        self.lows[column], self.highs[column] = chain.w[i], chain.w[j]

    def cross(self, column: int, pressure: float, rent: float, credit: float, tolerance: float) -> bool:
        """Go on into the next cell of a lane where *pressure* against the wall is more than that one costs.

        :param credit: what being on is worth, which the chord brings in part and what is beyond it no more.
        """
        chain, (i, j) = self.chains[column], self.cells[column]
        last = len(chain.w) - 1
        up = pressure > 0
        if (j >= last) if up else (i <= 0):
            return False
        cost, use = chain.slope(i, j)
        further, taken = chain.slope(j, j + 1) if up else chain.slope(i - 1, i)
        rise = further - cost + rent * (taken - use)
        if credit:
            rise -= credit * ((chain.share(j, j + 1) if up else chain.share(i - 1, i)) - chain.share(i, j))
        if abs(pressure) <= (rise if up else -rise) + tolerance:
            return False
        width = max(1, self.growth.get(column, 1))
        self.growth[column] = 2 * self.growth.get(column, 1)
        self.enter(column, (j, min(last, j + width)) if up else (max(0, i - width), i))
        return True

    def shrink(self, column: int) -> bool:
        """Cut a wide cell to the segment that the flow is in; whether it was wide."""
        i, j = self.cells[column]
        if j - i <= 1:
            return False
        chain, amount = self.chains[column], float(self.x[column])
        inside = (i, i + 1) if amount <= chain.w[i] else chain.cell(amount)
        self.enter(column, (j - 1, j) if amount >= chain.w[j] else inside)
        self.growth[column] = 0
        return True


class Cells:
    """The programs of one pool's branches; each solve starts where the one before it ended, or where it is told to."""

    def __init__(self, pool: Pool, lanes: Sequence[Lane], bounds: Bounds, relaxation: Relaxation) -> None:
        self._lanes, self._bounds, self._relaxation = lanes, bounds, relaxation
        marks = bounds.marks.tolist()
        self._free: list[_Chain] = []
        self._on: list[_Chain] = []
        for lane, touch in zip(lanes, relaxation.touch, strict=True):
            unit = marks[lane.leaves]
            w, use = [u * lane.worth for u in lane.grid], [u * unit for u in lane.uses]
            self._on.append(_Chain(w, lane.costs, use))
            if lane.grid and not (lane.fixed == 0 and lane.use_fixed == 0 and lane.low == 0):
                self._free.append(_Chain([0.0, *w[touch:]], [0.0, *lane.costs[touch:]], [0.0, *use[touch:]], w[touch]))
            else:
                self._free.append(self._on[-1])
        self._off = [_Chain([0.0], [0.0], [0.0])] * len(lanes)
        self._knots: list[list[float]] = []
        self._slopes: list[list[float]] = []
        for holding, mark in zip(pool.holdings, marks, strict=True):
            knots = [k * holding.target * mark for k in KNOTS] if holding.target > 0 else [0.0]
            slopes = list(SLOPES) if holding.target > 0 else [SLOPES[0], SLOPES[-1]]
            flat = bounds.penalty == 0
            self._knots.append([] if flat else knots)
            self._slopes.append([0.0] if flat else [bounds.penalty * s for s in slopes])
        self._start = bounds.start.tolist()
        self._slope_at = np.array([[*s, *[s[-1]] * (len(SLOPES) - len(s))] for s in self._slopes]).reshape(
            -1, len(SLOPES)
        )
        self._everywhere = np.arange(len(self._knots))
        self._room = (bounds.room * bounds.marks).tolist()
        self._leaves = [lane.leaves for lane in lanes]
        self.flows = relaxation.flows
        self._scale = relaxation.scale
        self._size = max(bounds.penalty * -SLOPES[0], self._steepest(), 1e-250)
        self._roots = relaxation.roots
        self._active: list[int] = []
        self._demands: tuple[Demand, ...] = ()
        self._asked: list[int] = []
        self._model: Any = None
        self._last: tuple[Array, Array] | None = None

    def _steepest(self) -> float:
        chains = [chain for chain in self._free if len(chain.w) > 1]
        return max((abs(c.slope(i, i + 1)[0]) for c in chains for i in (0, len(c.w) - 2)), default=0.0)

    def solve(self, status: Branch, start: Array | None, enough: float, demands: Sequence[Demand] = ()) -> Relaxed:
        """The optimum of a branch, or nearly, near the flows *start* by lane (numeraire); see `Relaxation.solve`.

        :param enough: a bound that closes the branch: the walk ends when it has it.
        :param demands: what has to be on, or is paid for.
        """
        broken = self._overspent(status)
        if broken is not None:
            return self._relaxation.impossible(status, broken)
        flow = self._feasible_start(status, start)
        found = self._walk(status, flow, enough, demands)
        return self._relaxation.solve(status) if found is None else found

    def _overspent(self, status: Branch) -> int | None:
        """A holding that what must be on overspends."""
        used: dict[int, float] = {}
        for number, state in enumerate(status):
            if state == Status.ON:
                place = self._leaves[number]
                used[place] = used.get(place, 0.0) + self._on[number].use[0]
        return next((place for place, amount in used.items() if amount > self._room[place] * (1 + 1e-12)), None)

    def _feasible_start(self, status: Branch, start: Array | None) -> Array:
        """Flows within the limits of the branch: *start* where it is, lanes of overspent holdings at their least."""
        flow = np.zeros(len(self._lanes))
        used = [0.0] * len(self._room)
        near = flow.tolist() if start is None else start.tolist()
        for number, state in enumerate(status):
            wanted = near[number]
            if state == Status.OFF or (state == Status.FREE and wanted == 0.0) or not self._on[number].w:
                continue
            chain = self._on[number] if state == Status.ON else self._free[number]
            amount = flow[number] = min(max(wanted, chain.w[0]), chain.w[-1])
            if amount > 0:
                i, j = chain.cell(amount)
                used[self._leaves[number]] += chain.use[i] + chain.slope(i, j)[1] * (amount - chain.w[i])
        over = {place for place, amount in enumerate(used) if amount > self._room[place]}
        if over:
            for number, state in enumerate(status):
                if self._leaves[number] in over and flow[number] > 0:
                    flow[number] = self._on[number].w[0] if state == Status.ON else 0.0
        return flow

    def _activate(self, lanes: list[int], demands: Sequence[Demand]) -> None:
        """Build the program for these lanes and demands.

        Columns: flows, then what lanes pay to be on beyond their flow's part (in their least amount), then needs that
        are paid instead, then risk factors.  Rows: holdings, risk factors, what leaves crowded holdings, demands.
        """
        self._active, self._last = lanes, None
        self._demands = tuple(demands)
        flows = self.flows[:, lanes]
        roots = self._roots
        roots = roots[np.abs(roots @ flows).max(axis=1, initial=0.0) > 0] if len(roots) else roots
        touched = np.abs(flows).sum(axis=1) > 0
        self._places = [place for place in range(len(self._room)) if touched[place] and self._knots[place]]
        most: dict[int, float] = {}
        for number in lanes:
            most[self._leaves[number]] = most.get(self._leaves[number], 0.0) + self._on[number].use[-1]
        crowd = [self._leaves[number] for number in lanes]
        tight = [p for p, amount in most.items() if amount > self._room[p] and crowd.count(p) > 1]
        asked = {number for demand in demands for number in demand.whole}
        self._paying = [column for column, number in enumerate(lanes) if number in asked and self._free[number].chord]
        n, a, c, b, q, t = len(lanes), len(self._paying), len(demands), len(self._places), len(roots), len(tight)
        k, root = n + a + c, self._scale**0.5
        paying = [lanes[column] for column in self._paying]
        #: Least amount, its cost and use, by unit of the chord's flow.
        self._low = np.array([self._on[number].w[0] / self._free[number].chord for number in paying])
        self._low_cost = np.array([self._on[number].cost[0] / self._free[number].chord for number in paying])
        low_use = [self._on[number].use[0] / self._free[number].chord for number in paying]
        moved = np.hstack([flows, flows[:, self._paying] * self._low]) if a else flows
        rows = np.zeros((b + q + t + c, k + q))
        rows[:b, : n + a] = moved[self._places]
        if q:
            rows[b : b + q, : n + a] = roots @ moved * -root
            rows[range(b, b + q), range(k, k + q)] = 1.0
        self._tight_rows = {place: b + q + row for row, place in enumerate(tight)}
        self._users = {p: [column for column, place in enumerate(crowd) if place == p] for p in tight}
        for column, (number, use) in enumerate(zip(paying, low_use, strict=True)):
            if self._leaves[number] in self._tight_rows:
                rows[self._tight_rows[self._leaves[number]], n + column] = use
        self._unit = []  # of each demand's row: the chord whose whole flow is one lane on
        for row, demand in enumerate(demands):
            chords = [self._free[number].chord for number in paying if number in demand.whole]
            self._unit.append(min(chords, default=self._scale) / self._scale)
            rows[b + q + t + row, n + a + row] = 1.0
            for column, number in enumerate(paying):
                if number in demand.whole:
                    rows[b + q + t + row, n + column] = self._unit[-1] * self._scale / self._free[number].chord
        self._rows = rows
        self._askers = [[column for column, number in enumerate(lanes) if number in d.whole] for d in demands]
        hessian = np.zeros((k + q, k + q))
        hessian[range(k), range(k)] = _EPSILON
        if q:
            hessian[range(k, k + q), range(k, k + q)] = 2.0 / self._size
        self._hessian = hessian
        self._sense = np.zeros(k + q + len(rows), dtype=np.int32)
        self._sense[k + q + b : k + q + b + q] = 5
        self._shape = n, a, c, k + q, b, q, t
        self._upper, self._lower = np.full(k + q + len(rows), _INFINITY), np.full(k + q + len(rows), -_INFINITY)
        self._upper[k + q + b : k + q + b + q] = self._lower[k + q + b : k + q + b + q] = 0.0
        self._lower[n:k] = 0.0
        # The risk is taken around the pool as it stands, see `Relaxation`.
        self._pull = 2 * (roots @ self._bounds.start) @ roots @ moved
        self._moved = moved
        self._beside, self._needs = np.zeros(a + c), np.zeros(c)
        self._model = None

    def _walk(self, status: Branch, flow: Array, enough: float, demands: Sequence[Demand]) -> Relaxed | None:
        """From cell to cell to the optimum; None where a program fails."""
        amounts = enumerate(zip(flow.tolist(), status, strict=True))
        used = [number for number, (amount, state) in amounts if amount > 0 or state == Status.ON]
        known = set(self._active)
        many = len(known) > 2 * len(used) + 12
        if self._model is None or not known.issuperset(used) or many or not self._asks(demands):
            if self._model is not None and not many:
                used = sorted(known.union(used))
            self._activate(used, demands)
        self._ask(demands)
        at = self._locate(status, flow)
        slow = 0
        for number in range(_STEPS):
            step = self._step(at, slow > 1)
            if step is None:
                return None
            moved, multipliers, rents, credits = step
            segments = at.segments.copy()
            crossed = self._cross(at, multipliers, rents, credits)
            slow = 0 if crossed else slow + 1
            if crossed and number < _STEPS - 1:
                continue
            duals = self._duals(at, segments, multipliers, rents, credits)
            priced = self._bounds.price(duals, status.some)
            if moved > _STILL and slow < _SLOW and priced.loss(status) < enough:
                continue
            wanted = self._wanted(priced, status)
            if not wanted or number >= _STEPS - 1:
                break
            self._activate(sorted([*self._active, *wanted]), self._demands)
            self._ask(demands)
            at, slow = self._locate(status, at.flow), 0
        return self._answer(at, duals, priced)

    def _asks(self, demands: Sequence[Demand]) -> bool:
        """Whether the program has rows for *demands*."""
        return {demand.whole for demand in demands}.issubset(demand.whole for demand in self._demands)

    def _ask(self, demands: Sequence[Demand]) -> None:
        """Set needs and limits of the demands; rows of others ask for nothing."""
        n, a, c, wide, b, q, t = self._shape
        self._asked = [-1] * c
        if not c:
            return
        asked = {number for demand in demands for number in demand.lanes}
        for column, number in enumerate(map(self._active.__getitem__, self._paying)):
            self._upper[n + column] = self._free[number].chord / self._scale if number in asked else 0.0
        first = wide + b + q + t
        self._lower[first:], self._upper[n + a : n + a + c], self._needs[:] = -_INFINITY, 0.0, 0.0
        rows = {demand.whole: row for row, demand in enumerate(self._demands)}
        for demand in demands:
            row = rows[demand.whole]
            self._lower[first + row] = self._upper[n + a + row] = self._unit[row]
            self._needs[row] = demand.need / (self._unit[row] * self._scale)
            self._asked[row] = demand.place

    def _answer(self, at: _Place, duals: Duals, priced: Priced) -> Relaxed:
        """Flows, and by lane what share of being on it pays for."""
        _, a, *_ = self._shape
        flows = at.flow.copy()
        flows[flows < _DUST * self._scale] = 0.0
        if not self._demands:
            return Relaxed(flows, duals, priced)
        shares = {}
        for column, number in enumerate(self._active):
            chord = at.chains[column].chord
            shares[number] = min(1.0, flows[number] / chord) if chord else 1.0
        for column, paid in zip(self._paying, (self._beside[:a] * self._scale).tolist(), strict=True):
            number = self._active[column]
            if paid > _DUST * self._scale:
                shares[number] += paid / self._free[number].chord
                flows[number] += paid * self._low[self._paying.index(column)]
        return Relaxed(flows, duals, priced, shares=shares)

    def _wanted(self, priced: Priced, status: Branch) -> list[int]:
        known, tolerance = set(self._active), -1e-13 * self._size * self._scale
        return [
            number
            for number, least in enumerate(priced.best)
            if least < tolerance and status[number] != Status.OFF and number not in known
        ]

    def _locate(self, status: Branch, flow: Array) -> _Place:
        """Chains and cells of the active lanes, and segments of all holdings, at *flow*."""
        of = {Status.OFF: self._off, Status.FREE: self._free, Status.ON: self._on}
        chains = [of[Status(status[number])][number] for number in self._active]
        amounts = flow[self._active].tolist()
        cells = [chain.cell(amount) for amount, chain in zip(amounts, chains, strict=True)]
        holdings = (self._bounds.start + self.flows @ flow).tolist()
        segments = [bisect_left(knots, z) for knots, z in zip(self._knots, holdings, strict=True)]
        self._various = [column for column, chain in enumerate(chains) if len(chain.w) > 2]
        return _Place(chains, cells, segments, flow, self._active)

    def _step(self, at: _Place, exact: bool) -> tuple[float, Array, list[float], list[float]] | None:
        """Solve within the cells, around the flow, which becomes the solution: (how far it moved, multipliers, rents,
        credits by demand)."""
        n, a, c, wide, b, q, t = self._shape
        k = n + a + c
        changed = self._enter(at)
        slopes = self._slope_at[self._everywhere, at.segments]
        gradient = np.zeros(wide)
        gradient[:n] = at.costs
        if a:
            gradient[n : n + a] = self._low_cost
        gradient[: n + a] += slopes @ self._moved + self._pull
        if c:
            gradient[n + a : k] = self._needs
        gradient /= self._size
        center = at.x / self._scale
        if a + c:
            center = np.concatenate([center, self._beside])
        if exact and self._last is not None:
            x, multipliers = self._last
            limits = self._lower, self._upper
            center = newton(self._hessian, k, gradient, self._rows, limits, x, multipliers)[:k]
        gradient[:k] -= _EPSILON * center
        self._last = self._solved(gradient, changed)
        if self._last is None:
            self._model = None
            return None
        x, multipliers = self._last[0][:k], self._last[1] * self._size
        at.x = x[:n] * self._scale
        at.flow[self._active] = at.x
        self._beside = x[n:]
        rents = [0.0] * len(self._room)
        for place, row in self._tight_rows.items():
            rents[place] = max(0.0, float(multipliers[wide + row]))
        prices = multipliers[wide + b + q + t :].tolist()
        credits = [max(0.0, -m) * unit * self._scale for m, unit in zip(prices, self._unit, strict=True)]
        return float(np.abs(x - center).max(initial=0.0)), multipliers, rents, credits

    def _enter(self, at: _Place) -> bool:
        """Set the limits of the cells; whether what the lanes use there has changed."""
        n, _, _, wide, *_ = self._shape
        upper, lower, scale = self._upper, self._lower, self._scale
        if at.moved:
            at.moved = False
            for row, place in enumerate(self._places):
                knots, segment, here = self._knots[place], at.segments[place], self._start[place]
                lower[wide + row] = (knots[segment - 1] - here) / scale if segment else -_INFINITY
                upper[wide + row] = (knots[segment] - here) / scale if segment < len(knots) else _INFINITY
        if not at.turned:
            return False
        at.turned = False
        np.divide(at.highs, scale, out=upper[:n])
        np.divide(at.lows, scale, out=lower[:n])
        changed = bool(self._demands) and self._enter_shares(at)
        for place, row in self._tight_rows.items():
            spent, columns = 0.0, self._users[place]
            uses = at.uses[columns]
            if not np.array_equal(self._rows[row, columns], uses):
                self._rows[row, columns] = uses
                changed = True
            for column in columns:
                i = at.cells[column][0]
                if at.chains[column].use[i]:
                    spent += at.chains[column].use[i] - float(at.uses[column]) * at.chains[column].w[i]
            upper[wide + row] = (self._room[place] - spent) / scale
        return changed

    def _enter_shares(self, at: _Place) -> bool:
        """Set what the cells' flows are on for in the rows of the demands; whether that has changed."""
        _, _, _, wide, b, q, t = self._shape
        changed = False
        for row, asked in enumerate(self._asked):
            if asked < 0:
                continue
            place, full = b + q + t + row, 0.0
            for column in self._askers[row]:
                chain, (i, j) = at.chains[column], at.cells[column]
                share = chain.share(i, j) * self._scale * self._unit[row]
                if chain.chord and i > 0:
                    full += 1.0
                if self._rows[place, column] != share:
                    self._rows[place, column] = share
                    changed = True
            self._lower[wide + place] = self._unit[row] * max(-1.0, 1.0 - full)
        return changed

    def _solved(self, gradient: Array, changed: bool) -> tuple[Array, Array] | None:
        """Solution and multipliers of the program as it is set up now; None where daqp has none."""
        upper, lower = self._upper, self._lower
        if not gradient.size:
            return np.zeros(0), np.zeros(len(upper))
        if self._model is None:
            self._model = daqp.Model()
            flag, _ = self._model.setup(self._hessian, gradient, self._rows, upper, lower, self._sense)
            self._model.settings = {"primal_tol": 1e-10}
            if flag < 0:
                return None
        elif changed:
            self._model.update(f=gradient, A=self._rows, bupper=upper, blower=lower)
        else:
            self._model.update(f=gradient, bupper=upper, blower=lower)
        x, _, flag, info = self._model.solve()
        return (x, info["lam"]) if flag >= 1 else None

    def _cross(self, at: _Place, multipliers: Array, rents: list[float], credits: list[float]) -> bool:
        """Go through the walls that are worth it; whether there was one."""
        _, _, _, wide, _, _, _ = self._shape
        tolerance = 1e-11 * self._size
        credited: dict[int, float] = {}
        for demand, credit in zip(self._demands, credits, strict=True):
            if credit > 0:
                for number in demand.whole:
                    credited[number] = credited.get(number, 0.0) + credit
        crossed = set()
        pressures = multipliers[self._various].tolist()
        for column, against in zip(self._various, pressures, strict=True):
            if abs(against) <= tolerance:
                continue
            number = self._active[column]
            rent, credit = rents[self._leaves[number]], credited.get(number, 0.0)
            if at.cross(column, against, rent, credit, tolerance):
                crossed.add(column)
        shrunk = [at.shrink(column) for column in self._various if column not in crossed]
        through = False
        for place, pressure in zip(self._places, multipliers[wide : wide + len(self._places)].tolist(), strict=True):
            if abs(pressure) <= tolerance:
                continue
            slopes, segment = self._slopes[place], at.segments[place]
            if (
                pressure > tolerance
                and pressure > slopes[min(segment + 1, len(slopes) - 1)] - slopes[segment] + tolerance
            ):
                at.segments[place] += 1
                through = at.moved = True
            elif pressure < -tolerance and -pressure > slopes[segment] - slopes[max(segment - 1, 0)] + tolerance:
                at.segments[place] -= 1
                through = at.moved = True
        return through or bool(crossed) or any(shrunk)

    def _duals(
        self, at: _Place, segments: Sequence[int], multipliers: Array, rents: list[float], credits: list[float]
    ) -> Duals:
        n, a, _, wide, _, _, _ = self._shape
        slopes = self._slope_at[self._everywhere, segments]
        slopes[self._places] += multipliers[wide : wide + len(self._places)]
        holdings = self._bounds.start + self.flows @ at.flow
        if a:
            holdings += self._moved[:, n:] @ self._beside[:a] * self._scale
        rented = np.array(rents) * self._bounds.marks
        totals = self._bounds.member @ holdings
        paid = [0.0] * (max(self._asked, default=-1) + 1)
        for place, credit in zip(self._asked, credits, strict=True):
            if place >= 0:
                paid[place] = credit
        return Duals(slopes, rented, totals, tuple(paid))
