"""The convex problems that branch and bound solves: lanes off, on or either, as one quadratic program each.

A lane that may be either is replaced by the convex hull of {off} and {on}; every piecewise-linear function becomes a few
columns of bounded length.  Owns the scaling, the program and its solution; what the duals prove is `ilp.pool.bound`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import daqp
import numpy as np
from attrs import define, field, frozen

from ilp.pool.bound import Duals
from ilp.pool.curves import Lane
from ilp.pool.document import Pool
from ilp.pool.valuation import KNOTS, SLOPES

__all__ = ["Relaxation", "Relaxed"]

Array = np.ndarray[Any, np.dtype[np.float64]]

# Strict convexity, relative to the largest slope, and the tolerance of feasibility, tried in this order: a small epsilon
# needs few proximal steps, a larger one copes with badly scaled pools.
_LADDER = ((1e-7, 1e-11), (1e-7, 1e-9), (1e-6, 1e-9), (1e-5, 1e-9), (1e-4, 1e-8))
_PROXIMAL_STEPS = 12


@frozen(eq=False)
class Relaxed:
    """Solution of one program: amounts by lane (in the lane's unit) and the duals."""

    amounts: list[float]
    duals: Duals


@frozen(eq=False)
class _Pieces:
    """A lane's hull in numeraire: columns of `lengths` with slopes, behind an offset that is always done."""

    offset: float
    offset_use: float
    lengths: list[float]
    costs: list[float]
    uses: list[float]


def _points(lane: Lane) -> list[float]:
    """Amounts where the lane's cost or use bends, from its least to its largest."""
    inner = {x for curve in (lane.cost, lane.use) if len(curve.x) > 2 for x in curve.x if lane.low < x < lane.high}
    return [lane.low, *sorted(inner), lane.high]


def _forced(lane: Lane, unit: float) -> _Pieces:
    """The pieces of a lane that is on; *unit* is numeraire per unit of what it uses."""
    points = _points(lane)
    lengths, costs, uses = [], [], []
    for a, b in pairwise(points):
        width = (b - a) * lane.worth
        if width > 0:
            lengths.append(width)
            costs.append((lane.cost(b) - lane.cost(a)) / width)
            uses.append((lane.use(b) - lane.use(a)) * unit / width)
    return _Pieces(lane.low * lane.worth, (lane.use(lane.low) + lane.use_fixed) * unit, lengths, costs, uses)


def _free(lane: Lane, unit: float) -> _Pieces:
    """The pieces of the hull of off and on: a chord from nothing to where it touches, then the curve itself."""
    points = _points(lane)
    candidates = [x for x in points if x > 0]
    if not candidates:
        return _Pieces(0.0, 0.0, [], [], [])
    touch = min(candidates, key=lambda x: (lane.cost(x) + lane.fixed) / x)
    rest = _forced(lane, unit)
    width = touch * lane.worth
    lengths = [width]
    costs = [(lane.cost(touch) + lane.fixed) / width]
    uses = [(lane.use(touch) + lane.use_fixed) * unit / width]
    reached = rest.offset
    for length, cost, use in zip(rest.lengths, rest.costs, rest.uses, strict=True):
        reached += length
        if reached > width * (1 + 1e-12):
            lengths.append(length)
            costs.append(cost)
            uses.append(use)
    return _Pieces(0.0, 0.0, lengths, costs, uses)


def _solve(
    hessian: Array, f: Array, rows: Array, upper: Array, lower: Array, sense: np.ndarray[Any, Any], linear: int
) -> tuple[Array, Array] | None:
    """Minimum and multipliers of a program whose first *linear* columns have no curvature; None where all tries fail."""
    which = np.arange(linear)
    for epsilon, tolerance in _LADDER:
        hessian[which, which] = epsilon
        model = daqp.Model()
        model.setup(hessian, f, rows, upper, lower, sense)
        model.settings = {"primal_tol": tolerance}
        x, _, flag, info = model.solve()
        for _ in range(_PROXIMAL_STEPS):
            if flag < 1:
                break
            shifted = f.copy()
            shifted[:linear] -= epsilon * x[:linear]
            model.update(f=shifted)
            new, _, flag, info = model.solve()
            done = flag >= 1 and np.abs(new - x).max() < 1e-14
            x = new
            if done:
                break
        if flag >= 1:
            return x, info["lam"]
    return None


@define(eq=False, slots=False)
class Relaxation:
    """The family of programs of one pool; `solve` one of them by saying which lanes may and which must be on."""

    pool: Pool
    lanes: Sequence[Lane]
    _free: list[_Pieces] = field(init=False)
    _forced: list[_Pieces] = field(init=False)

    def __attrs_post_init__(self) -> None:
        pool, lanes = self.pool, self.lanes
        self._marks = np.array([pool.marks[h.asset] for h in pool.holdings])
        nothing = _Pieces(0.0, 0.0, [], [], [])
        units = [float(self._marks[lane.leaves]) for lane in lanes]
        usable = [lane.high >= lane.low for lane in lanes]
        each = list(zip(lanes, units, usable, strict=True))
        self._free = [_free(lane, unit) if ok else nothing for lane, unit, ok in each]
        self._forced = [_forced(lane, unit) if ok else nothing for lane, unit, ok in each]
        n, count = len(pool.holdings), len(lanes)
        self._room = np.array([max(0.0, h.available) for h in pool.holdings]) * self._marks
        flows = np.zeros((n, count))
        for number, lane in enumerate(lanes):
            flows[lane.leaves, number] -= 1.0
            if lane.arrives >= 0:
                flows[lane.arrives, number] += 1.0
        self._flows = flows
        self._start = np.array([h.total for h in pool.holdings]) * self._marks
        highs = np.array([max(lane.high, 0.0) * lane.worth if lane.high >= lane.low else 0.0 for lane in lanes])
        self._scale = max(float(highs.max(initial=0.0)), 1e-12)
        self._lowest = self._start + np.minimum(flows, 0) @ highs
        self._highest = self._start + np.maximum(flows, 0) @ highs
        valuation = pool.valuation
        self._penalty = valuation.deviation_penalty
        # risk = |F Y|², rows of F per factor, columns per asset
        covariance = np.array(valuation.covariance).reshape(len(valuation.assets), len(valuation.assets))
        eigenvalues, vectors = np.linalg.eigh(covariance * valuation.risk_aversion)
        keep = eigenvalues > 0
        factors = np.sqrt(eigenvalues[keep])[:, None] * vectors[:, keep].T
        member = np.zeros((len(valuation.assets), n))
        for h, holding in enumerate(pool.holdings):
            if holding.asset in valuation.assets:
                member[valuation.assets.index(holding.asset), h] = 1.0 / self._marks[h]
        self._member, self._covariance = member, covariance * valuation.risk_aversion
        self._factors = factors @ member  # by holding, in sqrt(numeraire) per numeraire
        self._build_holdings()

    def _build_holdings(self) -> None:
        """Columns of the deviations of holdings with more than one slope within reach."""
        n = len(self.pool.holdings)
        self._base_slopes = np.zeros(n)
        self._segments: list[tuple[int, float, list[float], list[float]]] = []
        for h, holding in enumerate(self.pool.holdings):
            knots = [k * holding.target * self._marks[h] for k in KNOTS]
            low, high = self._lowest[h], self._highest[h]
            first = sum(k <= low for k in knots)
            inside = [k for k in knots if low < k < high]
            edges = [low, *inside, high]
            slopes = [self._penalty * s for s in SLOPES[first : first + len(inside) + 1]]
            self._base_slopes[h] = slopes[0]
            lengths, kept = [], []
            for a, b, s in zip(edges, edges[1:], slopes, strict=False):
                if b > a:
                    lengths.append(b - a)
                    kept.append(s)
            if self._penalty > 0 and len(kept) > 1:
                self._segments.append((h, low, lengths, kept))
            else:
                self._base_slopes[h] = kept[-1] if kept else slopes[0]

    def solve(self, may: Sequence[bool], must: Sequence[bool]) -> Relaxed | None:
        """The optimum with lanes that neither may nor must be on off; None where what must be on cannot all be."""
        lanes, scale = self.lanes, self._scale
        owners, lengths, costs, uses = [], [], [], []
        offsets = np.zeros(len(lanes))
        used = np.zeros(len(self.pool.holdings))
        for number, lane in enumerate(lanes):
            if must[number]:
                pieces = self._forced[number]
                offsets[number] = pieces.offset
                used[lane.leaves] += pieces.offset_use
            elif may[number]:
                pieces = self._free[number]
            else:
                continue
            owners.extend([number] * len(pieces.lengths))
            lengths.extend(pieces.lengths)
            costs.extend(pieces.costs)
            uses.extend(pieces.uses)
        if np.any(used > self._room * (1 + 1e-12) + 1e-300):
            return None
        k = len(owners)
        owner = np.array(owners, dtype=int)
        start = self._start + self._flows @ offsets
        flows = self._flows[:, owner]
        gradient = np.array(costs)
        bent = [h for h, *_ in self._segments]
        straight = self._base_slopes.copy()
        straight[bent] = 0.0
        gradient = gradient + straight @ flows
        # holdings with bends: Σ segments − flows = start − low
        seg_owner = np.array([i for i, (_, _, ls, _) in enumerate(self._segments) for _ in ls], dtype=int)
        seg_lengths = np.array([x for _, _, ls, _ in self._segments for x in ls])
        seg_costs = np.array([x for _, _, _, ss in self._segments for x in ss])
        s, b, q = len(seg_lengths), len(bent), len(self._factors)
        lows = np.array([low for _, low, _, _ in self._segments])
        leaves = np.array([lanes[i].leaves for i in owners], dtype=int)
        most = np.bincount(leaves, np.array(uses) * np.array(lengths), len(used)) if k else np.zeros(len(used))
        tight = [int(h) for h in np.flatnonzero(most > self._room - used)]
        n = k + s + q
        if n == 0:
            return self._answer(offsets, self._base_slopes, np.zeros(len(self.pool.holdings)))
        rows = b + q + len(tight)
        A = np.zeros((rows, n))
        low_row, high_row = np.zeros(rows), np.zeros(rows)
        root = np.sqrt(scale)
        if b:
            A[:b, :k] = -flows[bent]
            A[seg_owner, k + np.arange(s)] = 1.0
            low_row[:b] = high_row[:b] = (start[bent] - lows) / scale
        if q:
            A[b : b + q, :k] = -self._factors @ flows * root
            A[b + np.arange(q), k + s + np.arange(q)] = 1.0
            low_row[b : b + q] = high_row[b : b + q] = self._factors @ start / root
        for i, h in enumerate(tight):
            A[b + q + i, :k] = np.where(leaves == h, uses, 0.0)
            low_row[b + q + i], high_row[b + q + i] = -1e30, (self._room[h] - used[h]) / scale
        f = np.concatenate([gradient, seg_costs, np.zeros(q)])
        size = max(float(np.abs(f).max(initial=0.0)), 1e-12)
        f = f / size
        H = np.zeros((n, n))
        diagonal = np.zeros(n)
        diagonal[k + s :] = 2.0 / size
        H[np.arange(n), np.arange(n)] = diagonal
        upper = np.concatenate([np.array(lengths) / scale, seg_lengths / scale, np.full(q, 1e30), high_row])
        lower = np.concatenate([np.zeros(k + s), np.full(q, -1e30), low_row])
        sense = np.zeros(n + rows, dtype=np.int32)
        sense[n : n + b + q] = 5
        solved = _solve(H, f, A, upper, lower, sense, k + s)
        if solved is None:
            raise ArithmeticError("the convex problem could not be solved")
        x, lam = solved
        amounts = offsets + np.bincount(owner, np.clip(x[:k], 0, upper[:k]) * scale, len(lanes)) if k else offsets
        slopes = self._base_slopes.copy()
        slopes[bent] = -lam[n : n + b] * size
        rents = np.zeros(len(self.pool.holdings))
        rents[tight] = np.maximum(0.0, lam[n + b + q :]) * size
        return self._answer(amounts, slopes, rents)

    def _answer(self, flows: Array, slopes: Array, rents: Array) -> Relaxed:
        holdings = self._start + self._flows @ flows
        amounts = [float(w) / lane.worth for w, lane in zip(flows, self.lanes, strict=True)]
        return Relaxed(amounts, Duals(slopes, rents * self._marks, self._member @ holdings))
