"""The convex problems that branch and bound solves, as one quadratic program with changing limits.

A lane that may be on or off is replaced by the convex hull of both.  There is a column for the flow of each lane, one for
the cost of each lane that bends and one for each deviation that does; rows keep these above every straight piece.  Lanes
and the pieces of long books enter as prices ask for them.  Owns the scaling, the program and its solution; what its duals
prove is `ilp.pool.bound`'s.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from enum import IntEnum
from itertools import pairwise
from typing import Any

import daqp
import numpy as np
from attrs import define

from ilp.pool.bound import SHORT, Bounds, Duals, Priced, Status
from ilp.pool.curves import Lane
from ilp.pool.document import Pool
from ilp.pool.face import newton, on_face
from ilp.pool.valuation import PIECES, SLOPES, bends

__all__ = ["Precision", "Relaxation", "Relaxed"]

Array = np.ndarray[Any, np.dtype[np.float64]]
_Indices = np.ndarray[Any, np.dtype[np.intp]]

# Strict convexity, relative to the largest slope, and the tolerance of feasibility, tried in this order: a small epsilon
# needs few proximal steps, a larger one copes with badly scaled pools.
_LADDER = ((1e-6, 1e-11), (1e-7, 1e-9), (1e-6, 1e-9), (1e-5, 1e-9), (1e-4, 1e-8))
_STEEP_LADDER = ((1e-4, 1e-11), *_LADDER)  # pieces of nearly the same slope are told apart better, in more steps
_PROXIMAL_STEPS = 12
_PATIENCE = 2  # proximal steps before exact ones help
_STILL = 1e-13  # of the scale: a proximal step that moves no further has converged
_DUST = 1e-12  # of the scale: what the solver leaves on lanes that are off
_FREE = 1e30  # daqp's infinity
_ALL_KNOTS = SHORT  # grids up to this length are rows at once; longer ones are refined where prices ask for it
_FEW = 24  # lanes that are not worth waiting with
_ROUNDS = 40
_ROUGHLY, _TIGHTLY = 1e-9, 1e-13  # of the scales: what is worth less does not enter a rough program, or any
_OFF, _ON = int(Status.OFF), int(Status.ON)


# Values, though not frozen: see `ilp.pool.curves`.
@define(eq=False)
class Relaxed:
    """Solution of one branch's program.

    :ivar flows: amounts by lane, in numeraire at marks.
    :ivar priced: its duals, evaluated.
    :ivar solved: False where daqp finds no answer, however it is asked: the bound holds, the flows are none.
    :ivar shares: by lane, where that is not what its flow says: how much of it is on.
    :ivar rough: whether another solution of the same program may be nearer.
    """

    flows: Array
    duals: Duals
    priced: Priced
    solved: bool = True
    shares: Mapping[int, float] | None = None
    rough: bool = False


class Precision(IntEnum):
    """How far a program is solved.

    `ROUGH` leaves what the regularisation does to it: enough to close a branch, or to see what to divide it by.
    `CONVERGED` goes on until that has no effect any more, `EXACT` takes out what tolerances leave besides, at the price of
    solving for the whole face.
    """

    ROUGH = 0
    CONVERGED = 1
    EXACT = 2


def _touching(lane: Lane) -> int:
    """Index into the grid where the chord from off touches the curve."""
    grid, costs = lane.grid, lane.costs
    if len(grid) < 2 or (lane.fixed == 0 and lane.low == 0):
        return 0
    if len(grid) == 2 and grid[0] > 0:
        return int(costs[1] * grid[0] < costs[0] * grid[1])
    begin = 0 if grid[0] > 0 else 1
    shares = [cost / amount for cost, amount in zip(costs[begin:], grid[begin:], strict=True)]
    return begin + shares.index(min(shares))


def _first_knots(length: int, touch: int) -> list[int]:
    """Indices into a long grid that a lane starts with: ever wider steps, and where the hull touches."""
    knots, step = [0, 1, 2, 3], 2
    while knots[-1] + step < length - 1:
        knots.append(knots[-1] + step)
        step *= 2
    return sorted({*knots, length - 1, touch})


@define(eq=False)
class _Curved:
    """A lane whose cost bends: its number, its column and its rows; up to `early` the pieces before the hull touches, which
    count when it is on, and, where it charges something, the chord from off to there last; their slopes are in units of the
    *steepest*."""

    number: int
    column: int
    rows: slice
    early: int
    steepest: float


@define(eq=False)
class _Levels:
    """The pieces of a holding's deviation within reach: slopes, and how far each lies above what the deviation is now, both
    in units of the *steepest* of them."""

    place: int
    steepest: float
    slopes: list[float]
    above: list[float]


@define(eq=False)
class _Program:
    """What one branch makes of the program; `changed` where its rows are others than before."""

    gradient: Array
    upper: Array
    lower: Array
    changed: bool


class Relaxation:
    """The family of programs of one pool; `solve` one of them by the status of every lane."""

    def __init__(self, pool: Pool, lanes: Sequence[Lane], bounds: Bounds) -> None:
        self._lanes, self._bounds = lanes, bounds
        self._count = len(pool.holdings)
        self._units = bounds.marks.tolist()
        self._plain = [lane.fixed == 0 and lane.use_fixed == 0 and lane.low == 0 for lane in lanes]
        self.touch = [_touching(lane) for lane in lanes]
        #: By lane whose cost bends, indices into its grid: all of a short one.
        self._knots = {
            number: list(range(length)) if length <= _ALL_KNOTS else _first_knots(length, self.touch[number])
            for number, length in enumerate(len(lane.grid) for lane in lanes)
            if length > 2
        }
        self._long = [number for number in self._knots if len(lanes[number].grid) > _ALL_KNOTS]
        self.flows = bounds.flows
        self._lows = [lane.low * lane.worth if lane.grid else 0.0 for lane in lanes]
        self._highs = [lane.high * lane.worth if lane.grid else 0.0 for lane in lanes]
        self._targets = [holding.target * mark for holding, mark in zip(pool.holdings, self._units, strict=True)]
        self._slopes = bounds.resting.slopes.copy()
        factors = self._risk_factors(pool.valuation.diagonal)
        self.roots = factors.dot(bounds.member)  # the risk is |roots · z|², z the holdings in numeraire
        self._root_flows, self._root_start = factors.dot(bounds.asset_flows), factors.dot(bounds.resting.totals)
        self._unfelt = [1e-14 * max(map(abs, row), default=0.0) for row in self.roots.tolist()]  # of the scale
        self._focus(4 * (sum(map(abs, bounds.start.tolist())) + 5 * sum(self._targets)))
        self._active = self._first_active()
        self._build()

    def _risk_factors(self, diagonal: bool) -> Array:
        """F with risk = |F y|², y the totals of the assets."""
        covariance = self._bounds.covariance
        if diagonal:
            return np.sqrt(covariance)
        eigenvalues, vectors = np.linalg.eigh(covariance)
        return np.asarray(np.sqrt(eigenvalues.clip(0))[:, None] * vectors.T)

    def _first_active(self) -> list[int]:
        """Lanes that are worth something at the prices of the pool as it stands: the others wait until prices ask."""
        wanted = [number for number, least in enumerate(self._bounds.rested.best) if least < 0]
        if wanted and len(self._lanes) <= _FEW:
            return [number for number, lane in enumerate(self._lanes) if lane.grid]  # most of them will be asked for
        return wanted

    def _focus(self, cap: float) -> None:
        """Leave out of the program what a lane could move beyond *cap*, in numeraire, which becomes its scale.

        What is available may exceed all that is worth moving by many orders of magnitude, and the program its precision.
        """
        self._cap = cap
        reach = [min(high, max(cap, 2 * low)) for low, high in zip(self._lows, self._highs, strict=True)]
        self._short = {number for number, high in enumerate(self._highs) if reach[number] < high}
        self._reach = reach
        self.scale = max([*reach, 1e-250])

    def finer(self, status: Sequence[int], flows: Array, attempt: int) -> Relaxed | None:
        """Solve a branch once more where its bound did not close: first, where *attempt* is negative, until it converges,
        then on its face, exactly, then on the scale of the *flows* that were found; None where there is nothing left to
        try."""
        if attempt <= 0:
            return self.solve(status, Precision.EXACT if attempt == 0 else Precision.CONVERGED)
        most = float(flows.max(initial=0.0))
        cap = 64 * most if most > 0 else self.scale / 1024
        if cap > self.scale / 8 or cap < 1e-200:
            return None
        self._focus(cap)
        self._build()
        return self.solve(status, Precision.EXACT)

    # The program: columns are flows, bent costs, bent deviations, risk factors; rows are pieces of costs, pieces of
    # deviations, crowded holdings, risk factors.  Amounts are relative to `scale`; bent costs and deviations besides to
    # the steepest piece of each.

    def _find_factors(self, reach: Sequence[float]) -> None:
        """Rows of the risk factors that active lanes change: what the pool as it stands has of them, and flows change."""
        self._factors, self._factor_flows = self._root_start, self._root_flows[:, self._indices]
        felt = [
            row
            for row, (flows, unfelt) in enumerate(zip(self._factor_flows.tolist(), self._unfelt, strict=True))
            if sum([abs(flow) * amount for flow, amount in zip(flows, reach, strict=True)]) > unfelt * self.scale
        ]
        if len(felt) < len(self._factors):
            self._factors, self._factor_flows = self._factors.take(felt), self._factor_flows.take(felt, axis=0)

    def _find_tight(self) -> None:
        """Holdings that several lanes together could overspend."""
        most = [0.0] * self._count
        lanes = [0] * self._count
        for lane in map(self._lanes.__getitem__, self._active):
            most[lane.leaves] += lane.uses[-1]
            lanes[lane.leaves] += 1
        room = self._bounds.room.tolist()
        self._tight = [h for h in range(self._count) if lanes[h] > 1 and most[h] > room[h]]

    def _find_levels(self, reach: Sequence[float]) -> list[_Levels]:
        """The pieces of the deviation of each holding that has several within reach."""
        starts, penalty = self._bounds.start.tolist(), self._bounds.penalty
        lowest, highest = starts.copy(), starts.copy()
        for number, amount in zip(self._active, reach, strict=True):
            lane = self._lanes[number]
            lowest[lane.leaves] -= amount
            if lane.arrives >= 0:
                highest[lane.arrives] += amount
        found: list[_Levels] = []
        for place, (target, here) in enumerate(zip(self._targets, starts, strict=True)):
            low, high = lowest[place], highest[place]
            if low >= high or not penalty:
                continue
            knots = bends(target)
            first, last = bisect_right(knots, low), bisect_left(knots, high)
            self._slopes[place] = penalty * SLOPES[first]
            if last <= first:
                continue
            segment = min(max(bisect_left(knots, here), first), last)
            steepest, slopes, ordinates = PIECES[first, last]
            now = slopes[segment - first] * here + ordinates[segment - first] * target
            above = [slope * here + at * target - now for slope, at in zip(slopes, ordinates, strict=True)]
            found.append(_Levels(place, penalty * steepest, slopes, above))
        self._straight = self._slopes.copy()
        for level in found:
            self._straight[level.place] = 0.0
        return found

    def _find_pieces(self) -> tuple[list[float], list[float]]:
        """The pieces of the costs that bend: (slopes, what limits them at no flow), relative to the steepest of each."""
        slopes: list[float] = []
        limits: list[float] = []
        self._curved = []
        for column, number in enumerate(self._active):
            knots = self._knots.get(number)
            if knots is None:
                continue
            lane, row, touch = self._lanes[number], len(slopes), self.touch[number]
            points = [(lane.grid[knot] * lane.worth, lane.costs[knot]) for knot in knots]
            lines = []
            for (at, low), (end, high) in pairwise(points):
                slope = (high - low) / (end - at) if end > at else 0.0
                lines.append((slope, low - slope * at))
            early = row + bisect_right(knots, touch) - 1
            if not self._plain[number]:
                lines.append((lane.costs[touch] / (lane.grid[touch] * lane.worth), 0.0))
            steepest = max([abs(slope) for slope, _ in lines]) or 1.0
            slopes += [slope / steepest for slope, _ in lines]
            limits += [ordinate / (steepest * -self.scale) for _, ordinate in lines]
            self._curved.append(_Curved(number, column, slice(row, len(slopes)), early, steepest))
        return slopes, limits

    def _find_costs(self, flows: Array) -> None:
        """Gradient of the flows with every lane free, and what changes where a lane whose cost is straight is on."""
        free = [0.0] * len(self._active)
        self._straight_on: dict[int, float] = {}
        for column, number in enumerate(self._active):
            lane = self._lanes[number]
            if number in self._knots:
                continue
            grid, cost = lane.grid, lane.costs
            width = (grid[-1] - grid[0]) * lane.worth
            along = free[column] = (cost[-1] - cost[0]) / width if width > 0 else 0.0
            if not self._plain[number]:
                touch = self.touch[number]
                free[column] = cost[touch] / (grid[touch] * lane.worth)
                self._straight_on[number] = along - free[column]
        # The risk is taken around the pool as it stands: |F z|² = |F z₀|² + 2 F z₀ · F (z − z₀) + |F (z − z₀)|².
        self._slants = np.array(free) + self._straight.dot(flows)
        if len(self._factors):
            self._slants += (self._factors + self._factors).dot(self._factor_flows)

    def _find_uses(self, k: int) -> None:
        """What flows and bent costs use of crowded holdings, and what changes where a lane is on: (row, column, use a unit
        more, use at no flow), all in numeraire.

        What buys uses is its flow and its cost; all else uses in proportion to the flow.
        """
        self._uses: list[tuple[int, int, float]] = []
        self._uses_on: dict[int, tuple[int, int, float, float]] = {}
        rows = {place: row for row, place in enumerate(self._tight)}
        bent = {curve.number: k + each for each, curve in enumerate(self._curved)}
        for column, number in enumerate(self._active) if rows else ():
            lane = self._lanes[number]
            row = rows.get(lane.leaves)
            if row is None:
                continue
            if number in bent and len(lane.use.x) > 2:
                self._uses += [(row, column, 1.0), (row, bent[number], 1.0)]
                continue
            grid, use, worth = lane.grid, lane.uses, lane.worth / self._units[lane.leaves]
            width = (grid[-1] - grid[0]) * worth
            along = free = (use[-1] - use[0]) / width if width > 0 else 0.0
            if not self._plain[number]:
                touch = self.touch[number]
                free = use[touch] / (grid[touch] * worth)
                if lane.use_fixed:
                    spent = (use[0] - along * grid[0] * worth) * self._units[lane.leaves]
                    self._uses_on[number] = row, column, along - free, spent
            self._uses.append((row, column, free))

    def _build(self) -> None:
        """The program with every lane free, and daqp's workspace."""
        every = len(self._active) == len(self._lanes)
        self._indices: _Indices | slice = slice(None) if every else np.array(self._active, dtype=np.intp)
        flows, reach = self.flows[:, self._indices], [self._reach[number] for number in self._active]
        self._cut = [column for column, number in enumerate(self._active) if number in self._short]
        self._find_factors(reach)
        self._find_tight()
        slopes, self._pieces = self._find_pieces()
        levels = self._find_levels(reach)
        self._find_costs(flows)
        k, c, q, t = len(self._active), len(self._curved), len(self._factors), len(self._tight)
        n, f = k + c + len(levels), len(slopes)
        g, wide = f + sum([len(level.slopes) for level in levels]), n + q
        self._sizes = k, n, f, g, t
        self._find_uses(k)
        steepest = [curve.steepest for curve in self._curved] + [level.steepest for level in levels]
        gradient = [*self._slants.tolist(), *steepest, *[0.0] * q]
        self._size = max([*map(abs, gradient), 1e-250])
        upper = [amount / self.scale for amount in reach] + [_FREE] * (wide - k)
        rows, row = np.zeros((g + t + q, wide)), f
        for column, curve in enumerate(self._curved, k):
            rows[curve.rows, curve.column] = slopes[curve.rows]
            rows[curve.rows, column] = -1.0
            upper += [_FREE] * (curve.early - curve.rows.start) + self._pieces[curve.early : curve.rows.stop]
        priced_by = np.zeros((2 * self._count, g - f + t))  # slopes and rents from multipliers
        for column, level in enumerate(levels, k + c):
            end = row + len(level.slopes)
            priced_by[level.place, row - f : end - f] = level.slopes
            rows[row:end, column] = -1.0
            upper += [each / -self.scale for each in level.above]
            row = end
        if levels:
            rows[f:g, :k] = priced_by[: self._count, : g - f].T.dot(flows)
        for row, place in enumerate(self._tight):
            unit = self._units[place]  # rows in numeraire, whatever the unit of the asset
            upper.append(float(self._bounds.room[place]) * unit / self.scale)
            priced_by[self._count + place, g - f + row] = unit
        for row, column, use in self._uses:
            rows[g + row, column] = use * (gradient[column] if column >= k else 1.0)
        if q:
            rows[g + t :, :k] = self._factor_flows * -(self.scale**0.5)
        for row in range(q):
            rows[g + t + row, n + row] = 1.0
        self._upper = np.array(upper + [0.0] * q)
        self._lower = np.zeros(len(self._upper))
        self._lower[k : wide + g + t] = -_FREE
        self._gradient = np.array(gradient) / self._size
        self._prices, self._none = np.zeros(2 * self._count), np.zeros(self._count)
        self._prices[: self._count] = self._straight
        self._priced_by = priced_by * self._size
        self._rows = rows
        self._spending: tuple[int, ...] = ()
        self._hessian = np.zeros((wide, wide))
        self._hessian.reshape(-1)[n * (wide + 1) :: wide + 1] = 2.0 / self._size  # its diagonal
        self._sense = np.zeros(wide + len(rows), dtype=np.int32)
        self._sense[wide + g + t :] = 5
        self._model: Any = None

    def solve(
        self, status: Sequence[int], precision: Precision = Precision.CONVERGED, enough: float = math.inf
    ) -> Relaxed:
        """The optimum of a branch; where what is on cannot all be, duals that prove it.

        :param enough: a bound that closes the branch: where a rough solution has it that is the end.
        """
        if len(self._active) < len(self._lanes):
            missing = [number for number, state in enumerate(status) if state == _ON and number not in self._active]
            if missing:
                self._widen(missing)
        rough = precision == Precision.ROUGH
        flows, duals = np.zeros(len(self._lanes)), self._bounds.resting
        for _ in range(_ROUNDS):
            broken = self._overspent(status)
            if broken is not None:
                return self.impossible(status, broken)
            program = self._limited(status)
            found = self._minimum(program, precision)
            if found is None:
                return Relaxed(np.zeros(len(self._lanes)), self._bounds.resting, self._bounds.rested, False)
            if self._cut and self._clipped(found[0], program):
                self._focus(self._cap * 1024)
                self._build()
                continue
            flows, duals = self._answer(*found)
            priced = self._bounds.price(duals)
            if precision == Precision.EXACT:
                linear, limits = self._sizes[1], (program.lower, program.upper)
                flows, other = self._answer(
                    *on_face(self._hessian, linear, program.gradient, self._rows, limits, found)
                )
                again = self._bounds.price(other)
                if again.loss(status) > priced.loss(status):
                    duals, priced = other, again
            if rough and priced.loss(status) >= enough:
                return Relaxed(flows, duals, priced)
            tolerance = -(_ROUGHLY if rough else _TIGHTLY) * self._size * self.scale
            wanted = self._wanted(priced, status, tolerance)
            refined = self._refined(priced, status, tolerance)
            if not wanted and not refined:
                return Relaxed(flows, duals, priced, rough=rough)
            self._widen(wanted)
        return Relaxed(flows, duals, self._bounds.price(duals), False)

    def _widen(self, lanes: list[int]) -> None:
        """Build the program anew with these lanes as well."""
        self._active = sorted([*self._active, *lanes])
        self._build()

    def _wanted(self, priced: Priced, status: Sequence[int], tolerance: float) -> list[int]:
        """Lanes outside the program that would improve it."""
        if len(self._active) == len(self._lanes):
            return []
        return [
            number
            for number, least in enumerate(priced.best)
            if least < tolerance and status[number] != _OFF and number not in self._active
        ]

    def _overspent(self, status: Sequence[int]) -> int | None:
        """A holding that what must be on overspends."""
        if _ON not in status:
            return None
        used: dict[int, float] = {}
        for number in self._active:
            if status[number] == _ON:
                lane = self._lanes[number]
                used[lane.leaves] = used.get(lane.leaves, 0.0) + lane.uses[0]
        for place, amount in used.items():
            if amount > self._bounds.room[place] * (1 + 1e-12):
                return place
        return None

    def _limited(self, status: Sequence[int]) -> _Program:
        """The program of one branch."""
        g, wide = self._sizes[3], len(self._gradient)
        gradient, upper, lower = self._gradient, self._upper.copy(), self._lower.copy()
        spending = []
        for column, number in enumerate(self._active):
            state = status[number]
            if state == _OFF:
                upper[column] = 0.0
            elif state == _ON and not self._plain[number]:
                lower[column] = self._lows[number] / self.scale
                if number in self._straight_on:
                    gradient = gradient.copy() if gradient is self._gradient else gradient
                    gradient[column] += self._straight_on[number] / self._size
                if number in self._uses_on:
                    spending.append(number)
        for curve in self._curved:
            if status[curve.number] == _ON and not self._plain[curve.number]:
                upper[wide + curve.rows.start : wide + curve.early] = self._pieces[curve.rows.start : curve.early]
                upper[wide + curve.rows.stop - 1] = _FREE  # the chord
        changed = tuple(spending) != self._spending
        for number in self._spending if changed else ():
            row, column, more, _ = self._uses_on[number]
            self._rows[g + row, column] -= more
        for number in spending:
            row, column, more, spent = self._uses_on[number]
            upper[wide + g + row] -= spent / self.scale
            if changed:
                self._rows[g + row, column] += more
        self._spending = tuple(spending)
        return _Program(gradient, upper, lower, changed)

    def _clipped(self, x: Array, program: _Program) -> bool:
        """Whether a lane would go beyond what the program has of it."""
        return any(0 < program.upper[column] <= x[column] * (1 + 1e-9) for column in self._cut)

    def _minimum(self, program: _Program, precision: Precision) -> tuple[Array, Array] | None:
        """Minimum and multipliers; the last workspace is warm, a new one is made where it fails."""
        wide, n = len(self._gradient), self._sizes[1]
        if wide == 0:
            return np.zeros(0), np.zeros(len(program.upper))
        exact = precision == Precision.EXACT
        for attempt, (epsilon, tolerance) in enumerate(_STEEP_LADDER if exact else _LADDER):
            if self._model is None or attempt or exact:
                self._hessian.reshape(-1)[: n * (wide + 1) : wide + 1] = epsilon
                self._softness, self._center = np.zeros(wide), np.zeros(wide)
                self._softness[:n] = epsilon
                self._model = daqp.Model()
                flag, _ = self._model.setup(
                    self._hessian, program.gradient, self._rows, program.upper, program.lower, self._sense
                )
                self._model.settings = {"primal_tol": tolerance}
                if flag < 0:
                    continue
            else:
                gradient = program.gradient - self._softness * self._center
                rows = self._rows if program.changed else None
                self._model.update(f=gradient, A=rows, bupper=program.upper, blower=program.lower)
            found = self._proximal(program, precision)
            if found is not None:
                if attempt or exact:
                    self._model = None
                return found
        self._model = None
        return None

    def _proximal(self, program: _Program, precision: Precision) -> tuple[Array, Array] | None:
        """Solve, then again around the solution, until the regularisation has no effect any more, or little; roughly,
        around the solution before is all."""
        linear, limits = self._sizes[1], (program.lower, program.upper)
        x, _, flag, info = self._model.solve()
        for step in range((0, _PATIENCE, _PROXIMAL_STEPS)[precision]):
            if flag < 1:
                return None
            center = x
            if precision == Precision.EXACT and step >= _PATIENCE:
                center = newton(self._hessian, linear, program.gradient, self._rows, limits, x, info["lam"])
            self._model.update(f=program.gradient - self._softness * center)
            x, _, flag, info = self._model.solve()
            if flag >= 1 and float(np.abs(x - center).max()) <= _STILL:
                break
        if flag < 1:
            return None
        self._center = x
        return x, info["lam"]

    def _answer(self, x: Array, multipliers: Array) -> tuple[Array, Duals]:
        """Amounts and duals in their own units."""
        k, _, f, g, t = self._sizes
        wide, scale = len(x), self.scale
        flows = np.array([amount * scale if amount > _DUST else 0.0 for amount in x[:k].tolist()])
        if k < len(self._lanes):
            amounts, flows = flows, np.zeros(len(self._lanes))
            flows[self._indices] = amounts
        prices = self._prices + self._priced_by.dot(multipliers[wide + f : wide + g + t])
        totals = self._bounds.resting.totals + self._bounds.asset_flows.dot(flows)
        rents = prices[self._count :]
        np.maximum(rents, self._none, out=rents)
        return flows, Duals(prices[: self._count], rents, totals)

    def impossible(self, status: Sequence[int], place: int) -> Relaxed:
        """Duals that prove a branch empty: a rent on the overspent holding so high that nothing pays for it."""
        resting = self._bounds.resting
        usual = self._bounds.rested.loss(status)
        forced = [lane for number, lane in enumerate(self._lanes) if status[number] == _ON and lane.leaves == place]
        excess = sum(lane.uses[0] for lane in forced) - self._bounds.room[place]
        duals = Duals(resting.slopes, np.zeros(self._count), resting.totals)
        duals.rents[place] = 1e3 * (1 + abs(usual)) / excess
        return Relaxed(np.zeros(len(self._lanes)), duals, self._bounds.price(duals))

    def _refined(self, priced: Priced, status: Sequence[int], tolerance: float) -> bool:
        """Give long lanes the knots that the prices ask for; False where they have them all."""
        changed = False
        for number in self._long:
            if status[number] == _OFF or number not in self._active:
                continue
            known, first, length = self._knots[number], self._bounds.first[number], len(self._lanes[number].grid)
            reduced = priced.reduced[first : first + length]
            wanted = int(reduced.argmin())
            if wanted not in known and reduced[wanted] < reduced[known].min() + tolerance:
                near = {k for k in (wanted - 1, wanted, wanted + 1) if 0 <= k < length}
                self._knots[number] = sorted({*known, *near})
                changed = True
        return changed
