"""The Lagrangian bound: what no plan of a branch can exceed, from any duals.

Owns the derivation in docs/optimizer.md; duals come from wherever they may, the bound is valid all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from attrs import define, frozen

from ilp.pool.curves import Lane
from ilp.pool.document import Pool
from ilp.pool.valuation import KNOTS, SLOPES, deviation

__all__ = ["Bounds", "Duals"]

Array = np.ndarray[Any, np.dtype[np.float64]]


@frozen(eq=False)
class Duals:
    """What a bound is computed from; any values give a valid one.

    :ivar slopes: by holding: slope of the support of its deviation, in numeraire per numeraire.
    :ivar rents: by holding, ≥ 0: numeraire per unit of what is available.
    :ivar totals: by asset of the valuation: where the risk is linearised, in units of the asset.
    """

    slopes: Array
    rents: Array
    totals: Array


def points(lane: Lane) -> list[float]:
    """Amounts where the cost or the use of a lane that is on bends, its least and its largest included."""
    if lane.low >= lane.high:
        return [lane.low]
    longer = lane.cost if len(lane.cost.x) >= len(lane.use.x) else lane.use
    return [lane.low, *(x for x in longer.x if lane.low < x < lane.high and len(longer.x) > 2), lane.high]


@define(eq=False, slots=False)
class Bounds:
    """Bounds of one pool's branches."""

    pool: Pool
    lanes: Sequence[Lane]

    def __attrs_post_init__(self) -> None:
        pool, lanes = self.pool, self.lanes
        self._marks = np.array([pool.marks[h.asset] for h in pool.holdings])
        self._start = np.array([h.total for h in pool.holdings]) * self._marks
        self._room = np.array([max(0.0, h.available) for h in pool.holdings])
        penalty = pool.valuation.deviation_penalty
        self._steepest = penalty * SLOPES[0], penalty * SLOPES[-1]
        targets = np.array([h.target for h in pool.holdings]) * self._marks
        knots = np.array(KNOTS)[:, None] * targets
        at_knots = np.array([[deviation(k, t) for k, t in zip(row, targets, strict=True)] for row in knots])
        self._knots, self._at_knots = knots, penalty * at_knots
        valuation = pool.valuation
        n = len(valuation.assets)
        self._covariance = np.array(valuation.covariance).reshape(n, n) * valuation.risk_aversion
        index = {asset: i for i, asset in enumerate(valuation.assets)}
        self._asset = np.array([index.get(h.asset, -1) for h in pool.holdings], dtype=int)
        self._possible = [i for i, lane in enumerate(lanes) if lane.high >= lane.low]
        grid = [points(lanes[i]) for i in self._possible]
        self._first = np.cumsum([0, *map(len, grid)])[:-1]
        self._lane = np.repeat(np.arange(len(self._possible)), [len(g) for g in grid])
        pairs = [(lanes[i], u) for i, g in zip(self._possible, grid, strict=True) for u in g]
        self._cost = np.array([lane.cost(u) + lane.fixed for lane, u in pairs])
        self._use = np.array([lane.use(u) + lane.use_fixed for lane, u in pairs])
        self._worth = np.array([u * lane.worth for lane, u in pairs])
        self._leaves = np.array([lane.leaves for lane, _ in pairs], dtype=int)
        self._arrives = np.array([lane.arrives for lane, _ in pairs], dtype=int)
        self._groups: dict[int, list[int]] = {}
        for place, i in enumerate(self._possible):
            self._groups.setdefault(lanes[i].move, []).append(place)

    def loss(self, duals: Duals, may: Sequence[bool], must: Sequence[bool]) -> float:
        """A lower bound of costs + risk + deviation over all plans of the branch, in numeraire; may be −∞ never."""
        slopes = np.clip(duals.slopes, *self._steepest)
        pull = 2 * self._covariance @ duals.totals
        pressure = np.append(pull, 0.0)[self._asset] / self._marks
        prices = np.append(slopes + pressure, 0.0)  # the last is the outside
        reduced = self._cost + duals.rents[self._leaves] * self._use
        reduced = reduced + self._worth * (prices[self._arrives] - prices[self._leaves])
        best = np.minimum.reduceat(reduced, self._first) if len(reduced) else np.zeros(0)
        total = float(np.min(self._at_knots - slopes * self._knots, axis=0).sum())
        total += float(prices[:-1] @ self._start) - float(duals.totals @ pull) / 2 - float(duals.rents @ self._room)
        for places in self._groups.values():
            forced = [p for p in places if must[self._possible[p]]]
            allowed = forced or [p for p in places if may[self._possible[p]]]
            least = min((float(best[p]) for p in allowed), default=0.0)
            total += least if forced else min(0.0, least)
        return total
