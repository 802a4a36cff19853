"""Reads a venue's balances and its transfer records so that they belong together.  Interprets neither.

A venue answers one question at a time, and a debit may fall between two answers.  So the records are read before and
after the balances: equal records on both sides mean that the balances between them are of the same moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from attrs import frozen

from clients.exchange import Position, Unreachable
from ilp.trading.arrivals import Record, interest_of, records_from_ledger, records_of
from ilp.trading.reader import MoneyReader

__all__ = ["Observation", "read"]

_TRIES = 5


@frozen
class Observation:
    """What a venue said of itself at one moment.

    :ivar records: deposits, withdrawals and interest since some time before, oldest first; None where the venue lists none.
    :ivar began: number of the change to our own transfers that was the last one when the reading began.
    """

    venue: str
    positions: Mapping[str, Position]
    records: tuple[Record, ...] | None
    began: int


async def read(name: str, client: MoneyReader, start: datetime, end: datetime, began: int) -> Observation:
    """Observe the venue called *name*, records from *start* to *end*; fails like the client does."""
    before = await _records(name, client, start, end)
    for _ in range(_TRIES):
        positions = await client.getPositions()
        after = await _records(name, client, start, end)
        if after == before:
            return Observation(name, positions, after, began)
        before = after
    raise Unreachable(name, "reading balances", f"its transfers changed during each of {_TRIES} readings")


async def _records(name: str, client: MoneyReader, start: datetime, end: datetime) -> tuple[Record, ...] | None:
    moved = await _moved(name, client, start, end)
    if "interest" not in client.features:
        return moved
    # It changes the balance as a deposit does: read among the records it belongs to the balance that is believed with them,
    # and the ledger never sees one without the other.
    return (*(moved or ()), *interest_of(name, await client.getTransactionHistory(start, end)))


async def _moved(name: str, client: MoneyReader, start: datetime, end: datetime) -> tuple[Record, ...] | None:
    try:
        return records_of(name, await client.getTransfers(start, end))
    except NotImplementedError:
        pass
    try:
        return records_from_ledger(name, await client.getTransactionHistory(start, end))
    except NotImplementedError:
        return None
