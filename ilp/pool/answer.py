"""The answer of the optimizer as one JSON document: what `solve` prints, the journal keeps and the certificate checks.

Owns its form (docs/optimizer.md); knows nothing of how the answer was found.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ilp.pool.document import Pool
from ilp.pool.optimizer import Solution
from ilp.pool.prices import QuotePrices
from ilp.pool.proof import proof_document
from ilp.pool.valuation import Column

__all__ = ["answer_document"]


def _column_document(found: Column) -> dict[str, float]:
    return {
        "value": found.value,
        "cash": found.cash,
        "costs": found.costs,
        "risk": found.risk,
        "deviation": found.deviation,
    }


def answer_document(
    pool: Pool, solution: Solution, prices: Iterable[QuotePrices] = (), solve_ms: float = 0.0
) -> dict[str, Any]:
    """The answer as one JSON document (docs/optimizer.md); `prices` in the order of the pool's quotes."""
    optimized = solution.optimized
    return {
        "base": _column_document(solution.base),
        "optimized": _column_document(optimized)
        | {
            "bound": solution.bound,
            "moves": [{"move": m.move, "direction": m.direction, "amount": m.amount} for m in optimized.moves],
            "holdings": [
                {"venue": h.venue, "asset": h.asset, "total": total}
                for h, total in zip(pool.holdings, optimized.holdings, strict=True)
            ],
        },
        "quotes": [
            {
                "venue": quote.venue,
                "base": quote.base,
                "quote": quote.quote,
                "reservation_bid": price.reservation_bid,
                "reservation_ask": price.reservation_ask,
                "hedge_bid": price.hedge_bid,
                "hedge_ask": price.hedge_ask,
            }
            for quote, price in zip(pool.quotes, prices, strict=False)
        ],
        "solve_ms": solve_ms,
        "branches": solution.branches,
        "exhausted": solution.exhausted,
        "overdrawn": list(solution.overdrawn),
        "proof": proof_document(solution.proof),
    }
