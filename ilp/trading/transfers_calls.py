"""Asks venues on a transfer's behalf: for an address to send to, and for the withdrawal itself.  Stores nothing.

What a venue answers is turned into an event of `transfers_machine`; an answer that leaves room for doubt is LOST.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from clients.exchange import ExchangeError, OutcomeUnknown, Refused, Unreachable
from ilp.journal.entries import TransferEntry
from ilp.settings import TransferRules
from ilp.trading.gate import Forbidden, TurnedAway
from ilp.trading.reader import MoneyReader
from ilp.trading.transfers_machine import Event
from ilp.trading.transfers_plan import Lane, lane_of

__all__ = ["Answer", "Calls"]

Answer = tuple[Event, str, dict[str, Any]]
"""What came of a call, in words too, and which fields of the entry it changes."""


class Calls:
    """The way to the venues.

    :param withdraw: asks for an entry's withdrawal; see `ilp.trading.transfers.Transfers`.
    :ivar by_hand: lanes on which a client has turned out to be unable to send or to receive.
    """

    def __init__(
        self, venues: Mapping[str, MoneyReader], withdraw: Callable[[TransferEntry], Deferred[str]], log: Logger
    ) -> None:
        self._venues = venues
        self._withdraw = withdraw
        self._log = log
        self.by_hand: set[Lane] = set()

    async def address(self, rules: TransferRules, to_venue: str, to_asset: str) -> str | None:
        """Where to send: empty when only the operator can, None when the venue cannot be asked now."""
        if not to_venue:
            return rules.out_address
        listed = rules.addresses.get((to_venue, to_asset), ())
        try:
            return await self._venues[to_venue].getCurrentAddress(to_asset)
        except NotImplementedError:
            return listed[0] if listed else ""
        except ExchangeError as e:
            self._log.warn("no transfer to {venue} for now: {why}", venue=to_venue, why=e)
            return None

    async def withdraw(self, entry: TransferEntry, sent: Mapping[str, Any]) -> Answer:
        """Ask for the withdrawal of *entry*, once.  *sent* is what else changes when it has left, or may have."""
        uncalled = {"called": False, "departed": None}
        try:
            answer = await self._withdraw(entry)
        except Forbidden as e:
            return Event.UNSENT, f"waits: {e}", uncalled
        except TurnedAway as e:
            return Event.TURNED_AWAY, f"turned away: {e}", uncalled
        except NotImplementedError:
            self.by_hand.add(lane_of(entry))
            return Event.UNSUPPORTED, "made by hand: the client cannot withdraw", {**uncalled, "manual": True}
        except Unreachable as e:
            return Event.UNSENT, f"waits: {e}", uncalled
        except Refused as e:
            return Event.REFUSED, str(e), {}
        except OutcomeUnknown as e:
            return Event.LOST, str(e), dict(sent)
        except CancelledError:
            raise
        except Exception as e:  # noqa: BLE001  whatever else a client raises, the money may have left
            self._log.failure("transfer {id}: unforeseen answer", id=entry.id)
            return Event.LOST, f"unforeseen answer: {e!r}", dict(sent)
        known = "withdrawal_id" in self._venues[entry.from_venue].features
        identity = {"withdrawal_id": answer} if known else {}
        return Event.ACCEPTED, f"accepted by {entry.from_venue} as {answer}", {**identity, **sent}
