"""What would change the plan: sensitivities, shadow prices and why a move is off, in words and as a JSON document.

Pure but slow (some tens of optimisations): to be called in a worker, on a pool that nobody changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ilp.figures import figure
from ilp.pool.curves import lanes
from ilp.pool.document import Payout, Pool, Trade
from ilp.pool.optimizer import Solution
from ilp.pool.sensitivity import Sensitivity, ShadowPrice, WhyOff, sensitivities, shadow_prices, why_off
from ilp.pool.valuation import PlannedMove

__all__ = ["insight_document", "move_words", "parameter_words"]

_DRAWN = 40  # stretches of a cost curve


def insight_document(pool: Pool, solution: Solution) -> dict[str, Any]:
    """`{sensitivities, shadow_prices, why_off, curves}` of a solved pool; values in numeraire, as text."""
    return {
        "sensitivities": [
            _sensitivity(pool, found, solution.optimized.moves) for found in sensitivities(pool, solution)
        ],
        "shadow_prices": [_shadow_price(found) for found in shadow_prices(pool, solution)],
        "why_off": [_why_off(pool, found) for found in why_off(pool, solution)],
        "curves": _curves(pool, solution),
    }


def move_words(pool: Pool, number: int, direction: str) -> str:
    """What a move does, for people."""
    move = pool.moves[number]
    if isinstance(move, Trade):
        return f"{direction} {move.base} for {move.quote} on {move.venue}"
    if isinstance(move, Payout):
        return f"pay {move.asset} out from {move.venue}"
    sender, receiver = (move.source, move.target) if direction == "out" else (move.target, move.source)
    becomes = f" as {receiver[1]}" if receiver[1] != sender[1] else ""
    return f"send {sender[1]} from {sender[0]} to {receiver[0]}{becomes}"


def parameter_words(pool: Pool, path: str) -> str:
    """What a path of the pool's document is called by people."""
    if path.startswith("valuation."):
        return path.removeprefix("valuation.").replace("_", " ")
    numbers = [int(number) for number in re.findall(r"\[(\d+)\]", path)]
    if path.startswith("holdings"):
        holding = pool.holdings[numbers[0]]
        return f"target of {holding.asset} on {holding.venue}"
    move = pool.moves[numbers[0]]
    what = "fixed" if numbers[1] == 0 else "proportional"
    if isinstance(move, Trade):
        return f"{what} fee of trades on {move.venue}"
    if isinstance(move, Payout):
        return f"{what} charge of payouts from {move.venue}"
    return f"{what} charge of transfers {move.source[1]}, {move.source[0]} – {move.target[0]}"


def _curves(pool: Pool, solution: Solution) -> list[dict[str, Any]]:
    """Of each direction that may be on: its cost at some amounts, charges included, and the amount that the plan has."""
    chosen = {(move.move, move.direction): move.amount for move in solution.optimized.moves}
    found = []
    for lane in lanes(pool):
        if not lane.grid:
            continue
        taken = chosen.get((lane.move, lane.direction), 0.0)
        found.append(
            {
                "move": lane.move,
                "direction": lane.direction,
                "label": move_words(pool, lane.move, lane.direction),
                "asset": pool.holdings[lane.leaves].asset if lane.direction != "buy" else _base(pool, lane.move),
                "chosen": figure(taken),
                "points": [
                    [figure(u), figure(lane.cost_of(u), places=4)] for u in _amounts(lane.low, lane.high, taken)
                ],
            }
        )
    return found


def _amounts(low: float, high: float, chosen: float) -> list[float]:
    """Where a curve is drawn: evenly, and where the plan stands; a book that is far deeper is not drawn to its end."""
    end = min(high, max(4 * chosen, low + 0.25 * (high - low)))
    even = [low + (end - low) * step / _DRAWN for step in range(_DRAWN + 1)] if end > low else [low]
    return sorted({*even, chosen} if low < chosen < end else {*even})


def _base(pool: Pool, number: int) -> str:
    move = pool.moves[number]
    return move.base if isinstance(move, Trade) else ""


def _sensitivity(pool: Pool, found: Sensitivity, planned: Iterable[PlannedMove]) -> dict[str, Any]:
    """With each move that is on in either plan: its amount with the changed parameter, and `before`, by the plan of now."""
    now = {(move.move, move.direction): move.amount for move in planned}
    then = {(move.move, move.direction): move.amount for move in found.moves}
    return {
        "parameter": found.parameter,
        "label": parameter_words(pool, found.parameter),
        "before": figure(found.before),
        "after": figure(found.after),
        "value": figure(found.value, places=4),
        "changed": found.changed,
        "moves": [
            {
                "label": move_words(pool, *lane),
                "amount": figure(then.get(lane, 0.0)),
                "before": figure(now.get(lane, 0.0)),
            }
            for lane in {**then, **now}
        ],
    }


def _shadow_price(found: ShadowPrice) -> dict[str, Any]:
    return {
        "venue": found.venue,
        "asset": found.asset,
        "more": figure(found.more),
        "less": figure(found.less),
        "mark": figure(found.mark),
    }


def _why_off(pool: Pool, found: WhyOff) -> dict[str, Any]:
    return {
        "move": found.move,
        "direction": found.direction,
        "label": move_words(pool, found.move, found.direction),
        "amount": figure(found.amount),
        "cost": figure(found.cost, places=2),
        "gain": figure(found.gain, places=2),
        "reason": found.reason,
    }
