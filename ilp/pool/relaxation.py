"""The convex problems that branch and bound solves, as one quadratic program with changing bounds.

A lane that may be on or off is replaced by the convex hull of both; every piecewise-linear function becomes a few columns of
bounded length, long books only the columns that matter, others being added as prices ask for them.  Owns the scaling, the
program and its solution; what its duals prove is `ilp.pool.bound`'s.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import daqp
import numpy as np
from attrs import frozen

from ilp.pool.bound import Bounds, Duals, Priced, Status
from ilp.pool.curves import Lane
from ilp.pool.document import Pool
from ilp.pool.face import newton, on_face
from ilp.pool.valuation import KNOTS, SLOPES

__all__ = ["Relaxation", "Relaxed"]

Array = np.ndarray[Any, np.dtype[np.float64]]
_Pieces = tuple[list[float], list[float], list[float], list[int], int]  # lengths, costs, uses, clipped, how many lead

# Strict convexity, relative to the largest slope, and the tolerance of feasibility, tried in this order: a small epsilon
# needs few proximal steps, a larger one copes with badly scaled pools.
_LADDER = ((1e-7, 1e-11), (1e-7, 1e-9), (1e-6, 1e-9), (1e-5, 1e-9), (1e-4, 1e-8))
_PROXIMAL_STEPS = 12
_PATIENCE = 2  # proximal steps before exact ones help
_STILL = 1e-13  # of the scale: a proximal step that moves no further has converged
_DUST = 1e-12  # of the scale: what the solver leaves on columns that are off
_FREE = 1e30  # daqp's infinity
_ALL_KNOTS = 24  # grids up to this length are columns at once; longer ones are refined where prices ask for it
_FEW = 8  # lanes that are not worth waiting with
_ROUNDS = 40


@frozen(eq=False)
class Relaxed:
    """Solution of one branch's program.

    :ivar flows: amounts by lane, in numeraire at marks.
    :ivar priced: its duals, evaluated.
    :ivar solved: False where daqp finds no answer, however it is asked: the bound holds, the flows are none.
    :ivar shares: by lane, where that is not what its flow says: how much of it is on.
    """

    flows: Array
    duals: Duals
    priced: Priced
    solved: bool = True
    shares: Mapping[int, float] | None = None


class _Columns:
    """Where the columns of one lane are: `chord` from off to where the hull touches, `lead` up to there when on, `tail`
    beyond."""

    __slots__ = ("chord", "lead", "plain", "tail", "whole")

    def __init__(self, chord: int, lead: slice, tail: slice, plain: bool) -> None:
        self.chord = chord
        self.lead = lead
        self.tail = tail
        self.plain = plain
        self.whole = slice(chord, tail.stop)


def _first_knots(length: int) -> list[int]:
    """Indices into a grid that a lane starts with: all of a short one, ever wider steps into a long one."""
    if length <= _ALL_KNOTS:
        return list(range(length))
    knots, step = [0, 1, 2, 3], 2
    while knots[-1] + step < length - 1:
        knots.append(knots[-1] + step)
        step *= 2
    return [*knots, length - 1]


class Relaxation:
    """The family of programs of one pool; `solve` one of them by the status of every lane."""

    def __init__(self, pool: Pool, lanes: Sequence[Lane], bounds: Bounds) -> None:
        self._lanes, self._bounds = lanes, bounds
        self._count = len(pool.holdings)
        self._plain = [lane.fixed == 0 and lane.use_fixed == 0 and lane.low == 0 for lane in lanes]
        self.touch = [self._touching(lane) for lane in lanes]
        self._knots = [sorted({*_first_knots(len(lane.grid)), t}) for lane, t in zip(lanes, self.touch, strict=True)]
        self._long = [number for number, lane in enumerate(lanes) if len(lane.grid) > _ALL_KNOTS]
        self.flows = np.zeros((self._count, len(lanes)))
        self._highs = np.zeros(len(lanes))
        for number, lane in enumerate(lanes):
            if lane.grid:
                self._highs[number] = lane.high * lane.worth
                self.flows[lane.leaves, number] = -1.0
                if lane.arrives >= 0:
                    self.flows[lane.arrives, number] = 1.0
        self._targets = [holding.target for holding in pool.holdings]
        amounts = np.abs(bounds.start) + 5 * np.array(self._targets) * bounds.marks
        self._focus(4 * float(amounts.sum()))
        self.roots = self._risk_roots()
        self._active = self._first_active()
        self._build()

    @staticmethod
    def _touching(lane: Lane) -> int:
        """Index into the grid where the chord from off touches the curve."""
        grid, costs = lane.grid, lane.costs
        if len(grid) < 2 or (lane.fixed == 0 and lane.low == 0):
            return 0
        return min((k for k in range(len(grid)) if grid[k] > 0), key=lambda k: costs[k] / grid[k])

    def _risk_roots(self) -> Array:
        """F with risk = |F z|², z the holdings in numeraire."""
        bounds = self._bounds
        covariance = bounds.covariance
        if not np.count_nonzero(covariance):
            return np.zeros((0, self._count))
        if np.count_nonzero(covariance - np.diag(covariance.diagonal())):
            eigenvalues, vectors = np.linalg.eigh(covariance)
            return np.asarray(np.sqrt(eigenvalues.clip(0))[:, None] * vectors.T @ bounds.member)
        return np.asarray(np.sqrt(covariance.diagonal())[:, None] * bounds.member)

    def _first_active(self) -> list[int]:
        """Lanes that are worth something at the prices of the pool as it stands: the others wait until prices ask."""
        self._slopes = self._bounds.resting.slopes.copy()
        wanted = [number for number, least in enumerate(self._bounds.rested.best) if least < 0]
        if len(wanted) > 1 and len(self._lanes) <= _FEW:
            return [number for number, lane in enumerate(self._lanes) if lane.grid]  # most of them will be asked for
        return wanted

    def _focus(self, cap: float) -> None:
        """Leave out of the program what a lane could move beyond *cap*, in numeraire, which becomes its scale.

        What is available may exceed all that is worth moving by many orders of magnitude, and the program its precision.
        """
        self._cap = cap
        self._known: dict[int, _Pieces] = {}
        lows = [2 * lane.low * lane.worth if lane.grid else 0.0 for lane in self._lanes]
        self._reach = np.minimum(self._highs, np.maximum(cap, lows))
        self.scale = max(float(self._reach.max(initial=0.0)), 1e-250)

    def finer(self, status: Sequence[int], flows: Array, attempt: int) -> Relaxed | None:
        """Solve a branch once more where its bound did not close: first on its face, exactly, then on the scale of the
        *flows* that were found; None where there is nothing left to try."""
        if attempt == 0:
            return self.solve(status, True)
        most = float(flows.max(initial=0.0))
        cap = 64 * most if most > 0 else self.scale / 1024
        if cap > self.scale / 8 or cap < 1e-200:
            return None
        self._focus(cap)
        self._build()
        return self.solve(status, True)

    def _find_factors(self, active: list[int]) -> None:
        """Rows of the risk factors that active lanes change."""
        roots = self.roots
        if len(roots):
            moved = np.abs(roots @ self.flows[:, active]) @ self._reach[active]
            roots = roots[moved > 1e-14 * np.abs(roots).max(axis=1, initial=0.0) * self.scale]
        self._factors = roots

    def _find_bends(self, active: list[int]) -> None:
        """Columns of the deviation of each holding that has more than one slope within reach."""
        bounds = self._bounds
        flows, highs = self.flows[:, active], self._reach[active]
        lowest = (bounds.start + np.minimum(flows, 0) @ highs).tolist()
        highest = (bounds.start + np.maximum(flows, 0) @ highs).tolist()
        self._bent: list[int] = []
        self._bent_rows: list[int] = []
        self._bent_lengths: list[float] = []
        self._bent_costs: list[float] = []
        self._lowest: list[float] = []
        for place, (target, mark) in enumerate(zip(self._targets, bounds.marks.tolist(), strict=True)):
            low, high = lowest[place], highest[place]
            if low >= high or bounds.penalty == 0:
                continue
            knots = [knot * target * mark for knot in KNOTS]
            first = sum(knot <= low for knot in knots)
            inside = [knot for knot in knots[first:] if knot < high]
            self._slopes[place] = bounds.penalty * SLOPES[first]
            if not inside:
                continue
            # Beyond what is within reach both ends go on, lest a bound there takes over what is the slope's to say.
            low, high = low - self.scale, high + self.scale
            edges = [low, *inside, high]
            row = len(self._bent)
            for index in range(len(inside) + 1):
                if edges[index + 1] > edges[index]:
                    self._bent_rows.append(row)
                    self._bent_lengths.append((edges[index + 1] - edges[index]) / self.scale)
                    self._bent_costs.append(bounds.penalty * SLOPES[first + index])
            self._bent.append(place)
            self._lowest.append(low)
        self._straight = self._slopes.copy()
        self._straight[self._bent] = 0.0

    def _find_tight(self, active: list[int]) -> None:
        """Holdings that several lanes together could overspend."""
        most = [0.0] * self._count
        lanes = [0] * self._count
        for lane in map(self._lanes.__getitem__, active):
            most[lane.leaves] += lane.uses[-1]
            lanes[lane.leaves] += 1
        room = self._bounds.room.tolist()
        self._tight = [h for h in range(self._count) if lanes[h] > 1 and most[h] > room[h]]

    def _pieces(self, number: int) -> _Pieces:
        """The columns of one lane, kept until its knots or the scale change."""
        known = self._known.get(number)
        if known is not None:
            return known
        lane, touch, scale = self._lanes[number], self.touch[number], self.scale
        grid, at, charge, worth = lane.grid, lane.uses, lane.costs, lane.worth
        knots, reach = self._knots[number], float(self._reach[number])
        short = reach < self._highs[number]
        lengths, costs, uses, clipped = [], [], [], []
        spans = list(itertools.pairwise(knots))
        if not self._plain[number]:
            width = grid[touch] * worth
            if short and width > reach:
                clipped.append(0)
            lengths.append((min(width, reach) if short else width) / scale)
            costs.append(charge[touch] / width)
            uses.append(at[touch] / width)
        for a, b in spans:
            width = (grid[b] - grid[a]) * worth
            left = max(0.0, reach - grid[a] * worth) if short else width
            if width > left > 0:
                clipped.append(len(lengths))
            lengths.append(min(width, left) / scale)
            costs.append((charge[b] - charge[a]) / width)
            uses.append((at[b] - at[a]) / width)
        found = lengths, costs, uses, clipped, sum(b <= touch for _, b in spans)
        self._known[number] = found
        return found

    def _build(self) -> None:
        """The program: columns for lanes, bends and risk factors, and daqp's workspace."""
        self._find_factors(self._active)
        self._find_bends(self._active)
        self._find_tight(self._active)
        lengths, costs, uses = self._gather()
        k, s, q, b, t = len(lengths), len(self._bent_lengths), len(self._factors), len(self._bent), len(self._tight)
        self._sizes = k, s, q, b, t
        flows = self.flows[:, self._owners]
        self._set_rows(flows, np.array(uses))
        gradient = np.zeros(k + s + q)
        # The risk is taken around the pool as it stands: |F z|² = |F z₀|² + 2 F z₀ · F (z − z₀) + |F (z − z₀)|².
        pull = 2 * (self._factors @ self._bounds.start) @ self._factors
        gradient[:k] = np.array(costs) + (self._straight + pull) @ flows
        gradient[k : k + s] = self._bent_costs
        self._size = max(float(np.abs(gradient).max(initial=0.0)), 1e-250)
        self._gradient = gradient / self._size
        self._hessian = np.zeros((k + s + q, k + s + q))
        self._hessian[range(k + s, k + s + q), range(k + s, k + s + q)] = 2.0 / self._size
        self._set_limits(lengths)
        self._model: Any = None

    def _gather(self) -> tuple[list[float], list[float], list[float]]:
        """(lengths, costs, uses) of the columns of all active lanes, and which columns are whose."""
        lengths: list[float] = []
        costs: list[float] = []
        uses: list[float] = []
        owners: list[int] = []
        self._clipped: list[int] = []
        self._columns: dict[int, _Columns] = {}
        for number in self._active:
            begin = len(lengths)
            wide, each, taken, cut, leads = self._pieces(number)
            lengths += wide
            costs += each
            uses += taken
            self._clipped += [begin + column for column in cut]
            plain = self._plain[number]
            start = begin + (not plain)
            columns = _Columns(begin, slice(start, start + leads), slice(start + leads, len(lengths)), plain)
            self._columns[number] = columns
            owners += [number] * len(wide)
        self._owners = np.array(owners, dtype=np.intp)
        return lengths, costs, uses

    def _set_rows(self, flows: Array, uses: Array) -> None:
        """Rows: what holdings are made of, what risk factors are, what leaves crowded holdings."""
        k, s, q, b, t = self._sizes
        rows = np.zeros((b + q + t, k + s + q))
        if b:
            rows[:b, :k] = -flows[self._bent]
            rows[self._bent_rows, range(k, k + s)] = 1.0
        if q:
            rows[b : b + q, :k] = self._factors @ flows * -(self.scale**0.5)
            rows[range(b, b + q), range(k + s, k + s + q)] = 1.0
        self._unit = self._bounds.marks[self._tight]  # rows in numeraire, whatever the unit of the asset
        if t:
            leaves = np.array([self._lanes[number].leaves for number in self._owners.tolist()])
            for row, place in enumerate(self._tight):
                rows[b + q + row, :k] = np.where(leaves == place, uses * self._unit[row], 0.0)
        self._rows = rows

    def _set_limits(self, lengths: list[float]) -> None:
        """Limits of columns and rows with every lane free."""
        k, s, q, b, t = self._sizes
        n, m, bounds = k + s + q, b + q + t, self._bounds
        upper, lower = np.zeros(n + m), np.zeros(n + m)
        upper[:k] = lengths
        self._lengths = upper[:k].copy()
        for columns in self._columns.values():
            if not columns.plain:
                upper[columns.lead] = 0.0
        upper[k : k + s] = self._bent_lengths
        upper[k + s : n], lower[k + s : n] = _FREE, -_FREE
        if b:
            upper[n : n + b] = (bounds.start[self._bent] - self._lowest) / self.scale
        lower[n : n + b + q] = upper[n : n + b + q]
        if t:
            upper[n + b + q :] = bounds.room[self._tight] * self._unit / self.scale
            lower[n + b + q :] = -_FREE
        self._upper, self._lower = upper, lower
        self._sense = np.zeros(n + m, dtype=np.int32)
        self._sense[n : n + b + q] = 5

    def solve(self, status: Sequence[int], exact: bool = False) -> Relaxed:
        """The optimum of a branch; where what is on cannot all be, duals that prove it.

        :param exact: take out what tolerances leave, at the price of solving for the whole face.
        """
        missing = [number for number, state in enumerate(status) if state == Status.ON and number not in self._columns]
        if missing:
            self._widen(missing)
        for _ in range(_ROUNDS):
            flows, duals = np.zeros(len(self._lanes)), self._bounds.resting
            offsets, upper, lower, broken = self._limits(status)
            if broken is not None:
                return self.impossible(status, broken)
            found = self._minimum(upper, lower, exact)
            if found is None:
                break
            x, multipliers = found
            if any(0 < upper[column] <= x[column] * (1 + 1e-9) for column in self._clipped):
                self._focus(self._cap * 1024)
                self._build()
                continue
            flows, duals = self._answer(x, multipliers, offsets)
            priced = self._bounds.price(duals)
            if exact:
                linear, limits = len(x) - self._sizes[2], (lower, upper)
                x, multipliers = on_face(self._hessian, linear, self._gradient, self._rows, limits, found)
                flows, other = self._answer(x, multipliers, offsets)
                again = self._bounds.price(other)
                if again.loss(status) > priced.loss(status):
                    duals, priced = other, again
            wanted = self._wanted(priced, status)
            refined = self._refined(priced, status)
            if not wanted and not refined:
                return Relaxed(flows, duals, priced)
            self._widen(wanted)
        return Relaxed(flows, duals, self._bounds.price(duals), False)

    def _widen(self, lanes: list[int]) -> None:
        """Build the program anew with these lanes as well."""
        self._active = sorted([*self._active, *lanes])
        self._build()

    def _wanted(self, priced: Priced, status: Sequence[int]) -> list[int]:
        """Lanes outside the program that would improve it."""
        tolerance = -1e-13 * self._size * self.scale
        return [
            number
            for number, least in enumerate(priced.best)
            if least < tolerance and number not in self._columns and status[number] != Status.OFF
        ]

    def _limits(self, status: Sequence[int]) -> tuple[Array | None, Array, Array, int | None]:
        """(amounts that are done anyway, upper and lower bounds, a holding that is overspent by them)."""
        k, s, q, b, _t = self._sizes
        n = k + s + q
        upper, lower = self._upper.copy(), self._lower.copy()
        offsets: Array | None = None
        used: dict[int, float] = {}
        for number, columns in self._columns.items():
            state = status[number]
            if state == Status.FREE:
                continue
            if state == Status.OFF:
                upper[columns.whole] = 0.0
            elif not columns.plain:
                upper[columns.chord] = 0.0
                upper[columns.lead] = self._lengths[columns.lead]
                lane = self._lanes[number]
                offsets = np.zeros(len(self._lanes)) if offsets is None else offsets
                offsets[number] = lane.low * lane.worth
                used[lane.leaves] = used.get(lane.leaves, 0.0) + lane.uses[0]
        if offsets is None:
            return None, upper, lower, None
        for place, amount in used.items():
            if amount > self._bounds.room[place] * (1 + 1e-12):
                return offsets, upper, lower, place
        change = self.flows @ offsets
        if b:
            upper[n : n + b] += change[self._bent] / self.scale
        if q:
            upper[n + b : n + b + q] += self._factors @ change / self.scale**0.5
        lower[n : n + b + q] = upper[n : n + b + q]
        for row, place in enumerate(self._tight):
            spent = used.get(place, 0.0) * self._unit[row] / self.scale
            upper[n + b + q + row] = max(0.0, upper[n + b + q + row] - spent)
        return offsets, upper, lower, None

    def _minimum(self, upper: Array, lower: Array, exact: bool) -> tuple[Array, Array] | None:
        """Minimum and multipliers; the last workspace is warm, a new one is made where it fails."""
        n = len(self._gradient)
        if n == 0:
            return np.zeros(0), np.zeros(len(upper))
        for attempt, (epsilon, tolerance) in enumerate(_LADDER):
            if self._model is None or attempt:
                linear = range(n - self._sizes[2])
                self._hessian[linear, linear] = epsilon
                self._model = daqp.Model()
                flag, _ = self._model.setup(self._hessian, self._gradient, self._rows, upper, lower, self._sense)
                self._model.settings = {"primal_tol": tolerance}
                if flag < 0:
                    continue
            else:
                self._model.update(f=self._gradient, bupper=upper, blower=lower)
            found = self._proximal(epsilon, upper, lower, exact)
            if found is not None:
                if attempt:
                    self._model = None
                return found
        self._model = None
        return None

    def _proximal(self, epsilon: float, upper: Array, lower: Array, exact: bool) -> tuple[Array, Array] | None:
        """Solve, then again around the solution, until the regularisation has no effect any more, or little."""
        linear = len(self._gradient) - self._sizes[2]
        x, _, flag, info = self._model.solve()
        for step in range(_PROXIMAL_STEPS if exact else _PATIENCE):
            if flag < 1:
                return None
            center = x
            if exact and step >= _PATIENCE:
                center = newton(self._hessian, linear, self._gradient, self._rows, (lower, upper), x, info["lam"])
            shifted = self._gradient.copy()
            shifted[:linear] -= epsilon * center[:linear]
            self._model.update(f=shifted)
            x, _, flag, info = self._model.solve()
            if flag >= 1 and float(np.abs(x - center).max()) <= _STILL:
                break
        return (x, info["lam"]) if flag >= 1 else None

    def _answer(self, x: Array, multipliers: Array, offsets: Array | None) -> tuple[Array, Duals]:
        """Amounts and duals in their own units."""
        k, s, q, b, _ = self._sizes
        n = k + s + q
        columns = np.where(x[:k] > _DUST, x[:k], 0.0) * self.scale
        flows = np.bincount(self._owners, columns, len(self._lanes)) if k else np.zeros(len(self._lanes))
        if offsets is not None:
            flows += offsets
        slopes = self._slopes.copy()
        slopes[self._bent] = multipliers[n : n + b] * -self._size
        rents = np.zeros(self._count)
        rents[self._tight] = np.maximum(0.0, multipliers[n + b + q :]) * self._unit * self._size
        holdings = self._bounds.start + self.flows @ flows
        return np.asarray(flows, dtype=float), Duals(slopes, rents, self._bounds.member @ holdings)

    def impossible(self, status: Sequence[int], place: int) -> Relaxed:
        """Duals that prove a branch empty: a rent on the overspent holding so high that nothing pays for it."""
        resting = self._bounds.resting
        usual = self._bounds.rested.loss(status)
        forced = [
            lane for number, lane in enumerate(self._lanes) if status[number] == Status.ON and lane.leaves == place
        ]
        excess = sum(lane.uses[0] for lane in forced) - self._bounds.room[place]
        duals = Duals(resting.slopes, np.zeros(self._count), resting.totals)
        duals.rents[place] = 1e3 * (1 + abs(usual)) / excess
        return Relaxed(np.zeros(len(self._lanes)), duals, self._bounds.price(duals))

    def _refined(self, priced: Priced, status: Sequence[int]) -> bool:
        """Give long lanes the knots that the prices ask for; False where they have them all."""
        changed = False
        for number in self._long:
            if status[number] == Status.OFF or number not in self._columns:
                continue
            first, lane = self._bounds.first[number], self._lanes[number]
            reduced = priced.reduced[first : first + len(lane.grid)]
            wanted = int(reduced.argmin())
            known = self._knots[number]
            if wanted not in known and reduced[wanted] < reduced[known].min() - 1e-13 * self._size * self.scale:
                near = {k for k in (wanted - 1, wanted, wanted + 1) if 0 <= k < len(lane.grid)}
                self._knots[number] = sorted({*known, *near})
                self._known.pop(number, None)
                changed = True
        return changed
