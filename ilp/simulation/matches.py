"""Who traded with whom at a venue: what the public feed does not tell, for those who check what happened."""

from __future__ import annotations

from collections import deque
from typing import Any

from ilp.simulation.core import Core
from ilp.simulation.records import Event, Match, Matched
from ilp.simulation.truth import plain

__all__ = ["MatchLog"]

_KEPT = 5000


class MatchLog:
    """The newest matches of a core, with both accounts."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._rows: deque[dict[str, Any]] = deque(maxlen=_KEPT)
        self.stop = core.subscribe(self._heard)

    def document(self) -> dict[str, Any]:
        """`{matches: [{id, contract, price, quantity, side, aggressor, resting, timestamp}]}`, oldest first."""
        return {"matches": list(self._rows)}

    def _heard(self, event: Event) -> None:
        if isinstance(event, Matched):
            self._rows.append(self._row(event.match))

    def _row(self, match: Match) -> dict[str, Any]:
        pair = self._core.pairs[match.contract]
        return {
            "id": match.trade_id,
            "contract": match.contract,
            "price": plain(pair.price(match.price)),
            "quantity": plain(pair.quantity(match.quantity)),
            "side": match.side.value,
            "aggressor": self._core.order(match.aggressive_id).account,
            "resting": self._core.order(match.passive_id).account,
            "timestamp": match.timestamp.isoformat(),
        }
