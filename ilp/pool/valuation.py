"""What a plan is worth: the value of the pool and its terms, for given amounts.

Owns the formula of the value and nothing of how a good plan is found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from attrs import frozen

from ilp.pool.curves import Lane
from ilp.pool.document import Pool, Valuation

__all__ = ["KNOTS", "PIECES", "SLOPES", "Column", "PlannedMove", "bends", "column", "deviation"]

#: Where the deviation of a holding bends, as multiples of its target, and its slope before, between and after.
KNOTS = (0.25, 0.75, 1.25, 5.0)
SLOPES = (-13.0, -3.0, 0.0, 1.0, 4.0)
#: What the straight pieces with these slopes are at an empty holding, in targets: the deviation is the highest of them.
_ORDINATES = (4.75, 2.25, 0.0, -1.25, -16.25)
#: By the first and the last of several pieces: the steepest slope, and all their slopes and ordinates in units of that.
PIECES = {
    (first, last): (
        most,
        [s / most for s in SLOPES[first : last + 1]],
        [o / most for o in _ORDINATES[first : last + 1]],
    )
    for first in range(len(SLOPES))
    for last in range(first + 1, len(SLOPES))
    for most in [max(-SLOPES[first], SLOPES[last])]
}


@frozen
class PlannedMove:
    """A move that is on: `move` is the index in the pool's moves, `amount` the directed amount in the lane's unit."""

    move: int
    direction: str
    amount: float


@frozen
class Column:
    """A plan and what the pool is worth with it; all in numeraire but `holdings`, the gross totals by holding."""

    value: float
    cash: float
    costs: float
    risk: float
    deviation: float
    moves: tuple[PlannedMove, ...]
    holdings: tuple[float, ...]

    @property
    def magnitude(self) -> float:
        """Σ of the absolute terms: what tolerances are relative to."""
        return abs(self.cash) + abs(self.costs) + abs(self.risk) + abs(self.deviation)


def bends(target: float) -> tuple[float, float, float, float]:
    """Where the deviation of a holding with this target bends: at the knots, written out since every pool begins with it."""
    return 0.25 * target, 0.75 * target, 1.25 * target, 5.0 * target


def deviation(total: float, target: float) -> float:
    """D(y, T) of one holding, in units of its asset."""
    short, over = 3 * target / 4 - total, total - 5 * target / 4
    if short > 0:
        return 10 * max(0.0, target / 4 - total) + 3 * short
    return over + 3 * max(0.0, total - 5 * target) if over > 0 else 0.0


def _risk(valuation: Valuation, sums: Mapping[str, float]) -> float:
    """risk_aversion · Yᵀ Σ Y, of the total of each asset."""
    covariance = valuation.covariance
    if valuation.diagonal:
        return valuation.risk_aversion * sum(
            [covariance[i][i] * sums[asset] ** 2 for i, asset in enumerate(valuation.assets)]
        )
    y = np.array([sums[asset] for asset in valuation.assets])
    return valuation.risk_aversion * max(0.0, float(y @ np.array(covariance) @ y))


def column(pool: Pool, lanes: Sequence[Lane], amounts: Mapping[int, float]) -> Column:
    """The value of the plan that gives lane number i the amount `amounts[i]` (in the lane's unit); others are off."""
    holdings, marks = pool.holdings, pool.marks
    totals = [holding.total for holding in holdings]
    moves, costs = [], 0.0
    for number, amount in sorted(amounts.items()) if amounts else ():
        if amount <= 0:
            continue
        lane = lanes[number]
        value = amount * lane.worth
        totals[lane.leaves] -= value / marks[holdings[lane.leaves].asset]
        if lane.arrives >= 0:
            totals[lane.arrives] += value / marks[holdings[lane.arrives].asset]
        costs += lane.cost_of(amount)
        moves.append(PlannedMove(lane.move, lane.direction, amount))
    cash = apart = 0.0
    sums = dict.fromkeys(marks, 0.0)
    for holding, total in zip(holdings, totals, strict=True):
        asset, target = holding.asset, holding.target
        sums[asset] += total
        cash += marks[asset] * holding.total
        if not 0.75 * target <= total <= 1.25 * target:
            apart += marks[asset] * deviation(total, target)
    apart *= pool.valuation.deviation_penalty
    risk = _risk(pool.valuation, sums)
    return Column(cash - costs - risk - apart, cash, costs, risk, apart, tuple(moves), tuple(totals))
