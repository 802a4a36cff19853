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
from ilp.pool.relaxation import Relaxation, Relaxed, newton
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
        roots = (
            self._roots[np.abs(self._roots @ flows).max(axis=1, initial=0.0) > 0] if len(self._roots) else self._roots
        )
        touched = np.abs(flows).sum(axis=1) > 0
        self._places = [place for place in range(len(self._room)) if touched[place] and self._knots[place]]
        most: dict[int, float] = {}
        for number in lanes:
            most[self._leaves[number]] = most.get(self._leaves[number], 0.0) + self._on[number].use[-1]
        crowd = [self._leaves[number] for number in lanes]
        self._tight = [p for p, amount in most.items() if amount > self._room[p] and crowd.count(p) > 1]
        b, q, t = len(self._places), len(roots), len(self._tight)
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
        self._tight_rows = {place: b + q + row for row, place in enumerate(self._tight)}
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
        chains, cells, places = self._locate(status, flow)
        growth: dict[int, int] = {}
        slow = 0
        for number in range(_STEPS):
            step = self._step(chains, cells, places, flow, slow > 1)
            if step is None:
                return None
            moved, multipliers, rents = step
            duals = self._duals(flow, places, multipliers, rents)
            crossed = self._cross(chains, cells, places, growth, flow, multipliers, rents)
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
            chains, cells, places = self._locate(status, flow)
            slow = 0
        flows = np.array(flow)
        flows[flows < _DUST * self._scale] = 0.0
        return Relaxed(flows, duals, priced)

    def _wanted(self, priced: Priced, status: Sequence[int]) -> list[int]:
        known, tolerance = set(self._active), -1e-13 * self._size * self._scale
        return [
            number
            for number, least in enumerate(priced.best)
            if least < tolerance and status[number] != Status.OFF and number not in known
        ]

    def _locate(
        self, status: Sequence[int], flow: list[float]
    ) -> tuple[list[_Chain], list[tuple[int, int]], list[int]]:
        """Chains and cells of the active lanes, and segments of all holdings, at *flow*."""
        off = _Chain([0.0], [0.0], [0.0])
        chains = [
            off if status[n] == Status.OFF else (self._on[n] if status[n] == Status.ON else self._free[n])
            for n in self._active
        ]
        cells = [chain.cell(flow[number]) for number, chain in zip(self._active, chains, strict=True)]
        holdings = (self._bounds.start + self.flows @ np.array(flow)).tolist()
        places = [bisect_left(knots, z) for knots, z in zip(self._knots, holdings, strict=True)]
        return chains, cells, places

    def _step(
        self, chains: list[_Chain], cells: list[tuple[int, int]], places: list[int], flow: list[float], exact: bool
    ) -> tuple[float, Array, list[float]] | None:
        """Solve within the cells, around *flow*, which becomes the solution: (how far it moved, multipliers, rents)."""
        n, q, _, _ = self._shape
        scale, start = self._scale, self._bounds.start
        upper, lower = self._upper, self._lower
        gradient = np.zeros(n + q)
        steepness = [self._slopes[place][segment] for place, segment in enumerate(places)]
        slopes = np.array(steepness)
        center = np.array([flow[number] for number in self._active])
        costs, highs, lows = [], [], []
        spent = dict.fromkeys(self._tight, 0.0)
        changed = False
        for column, (chain, (i, j)) in enumerate(zip(chains, cells, strict=True)):
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
        gradient[:n] = costs
        gradient[:n] += slopes @ self.flows[:, self._active] + self._pull
        gradient /= self._size
        upper[:n], lower[:n] = highs, lows
        upper[:n] /= scale
        lower[:n] /= scale
        for row, place in enumerate(self._places):
            knots, segment = self._knots[place], places[place]
            lower[n + q + row] = (knots[segment - 1] - start[place]) / scale if segment else -_INFINITY
            upper[n + q + row] = (knots[segment] - start[place]) / scale if segment < len(knots) else _INFINITY
        for place, row in self._tight_rows.items():
            upper[n + q + row] = (self._room[place] - spent[place]) / scale
        if exact and self._last is not None:
            x, multipliers = self._last
            center = newton(self._hessian, n, gradient, self._rows, (lower, upper), x, multipliers)[:n] * scale
        gradient[:n] -= (_EPSILON / scale) * center
        if self._model is None:
            self._model = daqp.Model()
            flag, _ = self._model.setup(self._hessian, gradient, self._rows, upper, lower, self._sense)
            self._model.settings = {"primal_tol": 1e-10}
            if flag < 0:
                self._model = None
                return None
        elif changed:
            self._model.update(f=gradient, A=self._rows, bupper=upper, blower=lower)
        else:
            self._model.update(f=gradient, bupper=upper, blower=lower)
        x, _, flag, info = self._model.solve()
        if flag < 1:
            self._model = None
            return None
        self._last = x, info["lam"]
        new = x[:n] * scale
        moved = float(np.abs(new - center).max(initial=0.0)) / scale
        for number, amount in zip(self._active, new.tolist(), strict=True):
            flow[number] = amount
        multipliers = info["lam"] * self._size
        rents = [0.0] * len(self._room)
        for place, row in self._tight_rows.items():
            rents[place] = max(0.0, float(multipliers[n + q + row]))
        return moved, multipliers, rents

    def _cross(
        self,
        chains: list[_Chain],
        cells: list[tuple[int, int]],
        places: list[int],
        growth: dict[int, int],
        flow: list[float],
        multipliers: Array,
        rents: list[float],
    ) -> bool:
        """Go through the walls that are worth it; whether there was one."""
        n, q, _, _ = self._shape
        tolerance = 1e-11 * self._size
        crossed = False
        fresh = set()
        for column in np.flatnonzero(multipliers[:n]).tolist():
            chain, (i, j) = chains[column], cells[column]
            pressure, last = float(multipliers[column]), len(chain.w) - 1
            rent = rents[self._leaves[self._active[column]]]
            cost, use = chain.slope(i, j)
            if pressure > tolerance and j < last:
                further, taken = chain.slope(j, j + 1)
                if pressure > further - cost + rent * (taken - use) + tolerance:
                    width = growth.get(column, 1)
                    growth[column] = 2 * width if width else 0
                    cells[column] = (j, min(last, j + max(width, 1)))
                    fresh.add(column)
                    crossed = True
            elif pressure < -tolerance and i > 0:
                further, taken = chain.slope(i - 1, i)
                if -pressure > cost - further + rent * (use - taken) + tolerance:
                    width = growth.get(column, 1)
                    growth[column] = 2 * width if width else 0
                    cells[column] = (max(0, i - max(width, 1)), i)
                    fresh.add(column)
                    crossed = True
        for column, (i, j) in enumerate(cells):
            if j - i > 1 and column not in fresh:
                chain, amount = chains[column], flow[self._active[column]]
                at_end = amount >= chain.w[j]
                cells[column] = (j - 1, j) if at_end else ((i, i + 1) if amount <= chain.w[i] else chain.cell(amount))
                growth[column] = 0
                crossed = True
        for row, place in enumerate(self._places):
            pressure = float(multipliers[n + q + row])
            slopes, segment = self._slopes[place], places[place]
            if (
                pressure > slopes[min(segment + 1, len(slopes) - 1)] - slopes[segment] + tolerance
                and pressure > tolerance
            ):
                places[place] += 1
                crossed = True
            elif -pressure > slopes[segment] - slopes[max(segment - 1, 0)] + tolerance and pressure < -tolerance:
                places[place] -= 1
                crossed = True
        return crossed

    def _duals(self, flow: list[float], places: list[int], multipliers: Array, rents: list[float]) -> Duals:
        n, q, _, _ = self._shape
        slopes = np.array([self._slopes[place][segment] for place, segment in enumerate(places)])
        for row, place in enumerate(self._places):
            slopes[place] += multipliers[n + q + row]
        holdings = self._bounds.start + self.flows @ np.array(flow)
        return Duals(slopes, np.array(rents) * self._bounds.marks, self._bounds.member @ holdings)
