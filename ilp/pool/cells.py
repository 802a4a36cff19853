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

from ilp.pool.bound import Bounds, Duals, Priced, Status
from ilp.pool.curves import Lane
from ilp.pool.document import Pool
from ilp.pool.face import newton
from ilp.pool.relaxation import Relaxation, Relaxed
from ilp.pool.valuation import KNOTS, SLOPES

__all__ = ["Cells"]

Array = np.ndarray[Any, np.dtype[np.float64]]

_EPSILON = 1e-7  # of the largest slope; every step is a proximal step
_STILL = 1e-12  # of the scale
_DUST = 1e-11  # of the scale
_STEPS = 40  # then the bound is what it is, and the branch is divided
_SLOW = 4  # steps within one cell
_INFINITY = 1e30


class _Chain:
    """A convex piecewise-linear function of a lane's flow: knots, and cost and use at them, all in numeraire."""

    __slots__ = ("cost", "use", "w")

    def __init__(self, w: list[float], cost: list[float], use: list[float]) -> None:
        self.w, self.cost, self.use = w, cost, use

    def slope(self, i: int, j: int) -> tuple[float, float]:
        """Cost and use per numeraire between two knots."""
        width = self.w[j] - self.w[i]
        if width <= 0:
            return 0.0, 0.0
        return (self.cost[j] - self.cost[i]) / width, (self.use[j] - self.use[i]) / width

    def cell(self, flow: float) -> tuple[int, int]:
        """The segment that *flow* lies in."""
        last = len(self.w) - 1
        i = min(max(bisect_right(self.w, flow) - 1, 0), max(last - 1, 0))
        return i, min(i + 1, last)


class _Place:
    """Where a walk is: a cell of each active lane's chain, a segment of each holding, and the flow of every lane.

    A lane that crosses walls again and again takes cells of growing width, which are cut to one segment afterwards.
    """

    __slots__ = ("cells", "chains", "flow", "growth", "segments")

    def __init__(
        self, chains: list[_Chain], cells: list[tuple[int, int]], segments: list[int], flow: list[float]
    ) -> None:
        self.chains, self.cells, self.segments, self.flow = chains, cells, segments, flow
        self.growth: dict[int, int] = {}

    def cross(self, column: int, pressure: float, rent: float, tolerance: float) -> bool:
        """Go on into the next cell of a lane where *pressure* against the wall is more than that one costs."""
        chain, (i, j) = self.chains[column], self.cells[column]
        last = len(chain.w) - 1
        up = pressure > 0
        if (j >= last) if up else (i <= 0):
            return False
        cost, use = chain.slope(i, j)
        further, taken = chain.slope(j, j + 1) if up else chain.slope(i - 1, i)
        rise = further - cost + rent * (taken - use)
        if abs(pressure) <= (rise if up else -rise) + tolerance:
            return False
        width = max(1, self.growth.get(column, 1))
        self.growth[column] = 2 * self.growth.get(column, 1)
        self.cells[column] = (j, min(last, j + width)) if up else (max(0, i - width), i)
        return True

    def shrink(self, column: int, lane: int) -> bool:
        """Cut a wide cell to the segment that the flow is in; whether it was wide."""
        i, j = self.cells[column]
        if j - i <= 1:
            return False
        chain, amount = self.chains[column], self.flow[lane]
        inside = (i, i + 1) if amount <= chain.w[i] else chain.cell(amount)
        self.cells[column] = (j - 1, j) if amount >= chain.w[j] else inside
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
                self._free.append(_Chain([0.0, *w[touch:]], [0.0, *lane.costs[touch:]], [0.0, *use[touch:]]))
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
        self._room = (bounds.room * bounds.marks).tolist()
        self._leaves = [lane.leaves for lane in lanes]
        self.flows = relaxation.flows
        self._scale = relaxation.scale
        self._size = max(bounds.penalty * -SLOPES[0], self._steepest(), 1e-250)
        self._roots = relaxation.roots
        self._active: list[int] = []
        self._model: Any = None
        self._last: tuple[Array, Array] | None = None

    def _steepest(self) -> float:
        chains = [chain for chain in self._free if len(chain.w) > 1]
        return max((abs(c.slope(i, i + 1)[0]) for c in chains for i in (0, len(c.w) - 2)), default=0.0)

    def solve(self, status: Sequence[int], start: Array | None, enough: float) -> Relaxed:
        """The optimum of a branch, or nearly, near the flows *start* by lane (numeraire); see `Relaxation.solve`.

        :param enough: a bound that closes the branch: the walk ends when it has it.
        """
        broken = self._overspent(status)
        if broken is not None:
            return self._relaxation.impossible(status, broken)
        flow = self._feasible_start(status, start)
        found = self._walk(status, flow, enough)
        return self._relaxation.solve(status) if found is None else found

    def _overspent(self, status: Sequence[int]) -> int | None:
        """A holding that what must be on overspends."""
        used: dict[int, float] = {}
        for number, state in enumerate(status):
            if state == Status.ON:
                place = self._leaves[number]
                used[place] = used.get(place, 0.0) + self._on[number].use[0]
        return next((place for place, amount in used.items() if amount > self._room[place] * (1 + 1e-12)), None)

    def _feasible_start(self, status: Sequence[int], start: Array | None) -> list[float]:
        """Flows within the limits of the branch: *start* where it is, lanes of overspent holdings at their least."""
        flow = [0.0] * len(self._lanes)
        used = [0.0] * len(self._room)
        for number, state in enumerate(status):
            if state == Status.OFF or not self._on[number].w:
                continue
            chain = self._on[number] if state == Status.ON else self._free[number]
            wanted = float(start[number]) if start is not None else 0.0
            flow[number] = min(max(wanted, chain.w[0]), chain.w[-1])
            if flow[number] > 0:
                i, j = chain.cell(flow[number])
                used[self._leaves[number]] += chain.use[i] + chain.slope(i, j)[1] * (flow[number] - chain.w[i])
        over = {place for place, amount in enumerate(used) if amount > self._room[place]}
        if over:
            for number, state in enumerate(status):
                if self._leaves[number] in over and flow[number] > 0:
                    flow[number] = self._on[number].w[0] if state == Status.ON else 0.0
        return flow

    def _activate(self, lanes: list[int]) -> None:
        """Build the program for these lanes."""
        self._active, self._last = lanes, None
        n = len(lanes)
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
        b, q, t = len(self._places), len(roots), len(tight)
        root = self._scale**0.5
        rows = np.zeros((b + q + t, n + q))
        rows[:b, :n] = flows[self._places]
        if q:
            rows[b : b + q, :n] = roots @ flows * -root
            rows[range(b, b + q), range(n, n + q)] = 1.0
        self._rows = rows
        hessian = np.zeros((n + q, n + q))
        hessian[range(n), range(n)] = _EPSILON
        if q:
            hessian[range(n, n + q), range(n, n + q)] = 2.0 / self._size
        self._hessian = hessian
        self._sense = np.zeros(n + q + len(rows), dtype=np.int32)
        self._sense[n + q + b : n + q + b + q] = 5
        self._shape = n, q, b, t
        self._tight_rows = {place: b + q + row for row, place in enumerate(tight)}
        self._upper, self._lower = np.full(n + q + len(rows), _INFINITY), np.full(n + q + len(rows), -_INFINITY)
        self._upper[n + q + b : n + q + b + q] = self._lower[n + q + b : n + q + b + q] = 0.0
        # The risk is taken around the pool as it stands, see `Relaxation`.
        self._pull = 2 * (roots @ self._bounds.start) @ roots @ flows
        self._model = None

    def _walk(self, status: Sequence[int], flow: list[float], enough: float) -> Relaxed | None:
        """From cell to cell to the optimum; None where a program fails."""
        used = [number for number, amount in enumerate(flow) if amount > 0 or status[number] == Status.ON]
        known = set(self._active)
        if self._model is None or not known.issuperset(used) or len(known) > 2 * len(used) + 12:
            self._activate(used)
        at = self._locate(status, flow)
        slow = 0
        for number in range(_STEPS):
            step = self._step(at, slow > 1)
            if step is None:
                return None
            moved, multipliers, rents = step
            duals = self._duals(at, multipliers, rents)
            crossed = self._cross(at, multipliers, rents)
            slow = 0 if crossed else slow + 1
            if crossed and number < _STEPS - 1:
                continue
            priced = self._bounds.price(duals)
            if moved > _STILL and slow < _SLOW and priced.loss(status) < enough:
                continue
            wanted = self._wanted(priced, status)
            if not wanted or number >= _STEPS - 1:
                break
            self._activate(sorted([*self._active, *wanted]))
            at, slow = self._locate(status, at.flow), 0
        flows = np.array(at.flow)
        flows[flows < _DUST * self._scale] = 0.0
        return Relaxed(flows, duals, priced)

    def _wanted(self, priced: Priced, status: Sequence[int]) -> list[int]:
        known, tolerance = set(self._active), -1e-13 * self._size * self._scale
        return [
            number
            for number, least in enumerate(priced.best)
            if least < tolerance and status[number] != Status.OFF and number not in known
        ]

    def _locate(self, status: Sequence[int], flow: list[float]) -> _Place:
        """Chains and cells of the active lanes, and segments of all holdings, at *flow*."""
        of = {Status.OFF: self._off, Status.FREE: self._free, Status.ON: self._on}
        chains = [of[Status(status[number])][number] for number in self._active]
        cells = [chain.cell(flow[number]) for number, chain in zip(self._active, chains, strict=True)]
        holdings = (self._bounds.start + self.flows @ np.array(flow)).tolist()
        segments = [bisect_left(knots, z) for knots, z in zip(self._knots, holdings, strict=True)]
        return _Place(chains, cells, segments, flow)

    def _step(self, at: _Place, exact: bool) -> tuple[float, Array, list[float]] | None:
        """Solve within the cells, around the flow, which becomes the solution: (how far it moved, multipliers, rents)."""
        n, q, _, _ = self._shape
        gradient = np.zeros(n + q)
        gradient[:n], changed = self._enter(at)
        slopes = np.array([self._slopes[place][segment] for place, segment in enumerate(at.segments)])
        gradient[:n] += slopes @ self.flows[:, self._active] + self._pull
        gradient /= self._size
        center = np.array([at.flow[number] for number in self._active]) / self._scale
        if exact and self._last is not None:
            x, multipliers = self._last
            limits = self._lower, self._upper
            center = newton(self._hessian, n, gradient, self._rows, limits, x, multipliers)[:n]
        gradient[:n] -= _EPSILON * center
        self._last = self._solved(gradient, changed)
        if self._last is None:
            self._model = None
            return None
        x, multipliers = self._last[0][:n], self._last[1] * self._size
        for number, amount in zip(self._active, (x * self._scale).tolist(), strict=True):
            at.flow[number] = amount
        rents = [0.0] * len(self._room)
        for place, row in self._tight_rows.items():
            rents[place] = max(0.0, float(multipliers[n + q + row]))
        return float(np.abs(x - center).max(initial=0.0)), multipliers, rents

    def _enter(self, at: _Place) -> tuple[list[float], bool]:
        """Set the limits of the cells: (what the lanes cost there, whether what they use has changed)."""
        n, q, _, _ = self._shape
        upper, lower, scale, start = self._upper, self._lower, self._scale, self._bounds.start
        costs, highs, lows = [], [], []
        spent = dict.fromkeys(self._tight_rows, 0.0)
        changed = False
        for column, (chain, (i, j)) in enumerate(zip(at.chains, at.cells, strict=True)):
            cost, use = chain.slope(i, j)
            costs.append(cost)
            lows.append(chain.w[i])
            highs.append(chain.w[j])
            place = self._leaves[self._active[column]]
            if place in spent:
                row = self._tight_rows[place]
                if self._rows[row, column] != use:
                    self._rows[row, column] = use
                    changed = True
                spent[place] += chain.use[i] - use * chain.w[i]
        upper[:n], lower[:n] = highs, lows
        upper[:n] /= scale
        lower[:n] /= scale
        for row, place in enumerate(self._places):
            knots, segment = self._knots[place], at.segments[place]
            lower[n + q + row] = (knots[segment - 1] - start[place]) / scale if segment else -_INFINITY
            upper[n + q + row] = (knots[segment] - start[place]) / scale if segment < len(knots) else _INFINITY
        for place, row in self._tight_rows.items():
            upper[n + q + row] = (self._room[place] - spent[place]) / scale
        return costs, changed

    def _solved(self, gradient: Array, changed: bool) -> tuple[Array, Array] | None:
        """Solution and multipliers of the program as it is set up now; None where daqp has none."""
        upper, lower = self._upper, self._lower
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

    def _cross(self, at: _Place, multipliers: Array, rents: list[float]) -> bool:
        """Go through the walls that are worth it; whether there was one."""
        n, q, _, _ = self._shape
        tolerance = 1e-11 * self._size
        crossed = set()
        for column in np.flatnonzero(np.abs(multipliers[:n]) > tolerance).tolist():
            rent = rents[self._leaves[self._active[column]]]
            if at.cross(column, float(multipliers[column]), rent, tolerance):
                crossed.add(column)
        shrunk = [at.shrink(column, self._active[column]) for column in range(n) if column not in crossed]
        through = False
        for row, place in enumerate(self._places):
            pressure = float(multipliers[n + q + row])
            slopes, segment = self._slopes[place], at.segments[place]
            if (
                pressure > tolerance
                and pressure > slopes[min(segment + 1, len(slopes) - 1)] - slopes[segment] + tolerance
            ):
                at.segments[place] += 1
                through = True
            elif pressure < -tolerance and -pressure > slopes[segment] - slopes[max(segment - 1, 0)] + tolerance:
                at.segments[place] -= 1
                through = True
        return through or bool(crossed) or any(shrunk)

    def _duals(self, at: _Place, multipliers: Array, rents: list[float]) -> Duals:
        n, q, _, _ = self._shape
        slopes = np.array([self._slopes[place][segment] for place, segment in enumerate(at.segments)])
        for row, place in enumerate(self._places):
            slopes[place] += multipliers[n + q + row]
        holdings = self._bounds.start + self.flows @ np.array(at.flow)
        return Duals(slopes, np.array(rents) * self._bounds.marks, self._bounds.member @ holdings)
