"""A real plan near a relaxed one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ilp.pool.curves import Lane
from ilp.pool.document import Pool

__all__ = ["feasible"]


def feasible(pool: Pool, lanes: Sequence[Lane], amounts: Mapping[int, float]) -> dict[int, float]:
    """A plan near *amounts* that satisfies every constraint: dust and what is below its minimum is off, of opposed lanes
    the larger stays, and where a holding is overspent lanes are cut back to what is available."""
    plan: dict[int, float] = {}
    by_move: dict[int, int] = {}
    for number, amount in amounts.items():
        lane = lanes[number]
        amount = min(amount, lane.high)
        if lane.low * (1 - 1e-9) <= amount < lane.low:
            amount = lane.low
        holding = pool.holdings[lane.leaves]
        dust = 1e-9 * abs(holding.total) * pool.marks[holding.asset]
        if amount <= 0 or amount < lane.low or amount > lane.high or amount * lane.worth < dust:
            continue
        rival = by_move.get(lane.move)
        if rival is not None:
            if plan[rival] * lanes[rival].worth >= amount * lane.worth:
                continue
            del plan[rival]
        by_move[lane.move] = number
        plan[number] = amount
    used: dict[int, float] = {}
    for number, amount in plan.items():
        lane = lanes[number]
        used[lane.leaves] = used.get(lane.leaves, 0.0) + lane.use_of(amount)
    for place, spent in used.items():
        room = max(0.0, pool.holdings[place].available)
        if spent > room:
            _cut_back(lanes, plan, place, spent - room)
    return plan


def _cut_back(lanes: Sequence[Lane], plan: dict[int, float], place: int, excess: float) -> None:
    """Reduce what leaves one holding by *excess*, the last lanes first."""
    for number in reversed([number for number in plan if lanes[number].leaves == place]):
        if excess <= 0:
            return
        lane = lanes[number]
        kept = lane.use_of(plan[number]) - excess - lane.use_fixed
        amount = min(plan[number], lane.use.inverse(kept)) if kept > 0 else 0.0
        if amount < lane.low or amount <= 0:
            amount = 0.0
        excess -= lane.use_of(plan[number]) - lane.use_of(amount)
        if amount:
            plan[number] = amount
        else:
            del plan[number]
