"""What is read from a journal: statements and the functions that turn their rows into entries.  Writes nothing.

Every function takes an open connection and blocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import frozen
from sqlalchemy import ColumnElement, Connection, func, or_, select

from ilp.journal import schema
from ilp.journal.entries import (
    FINAL_ORDER_STATES,
    FINAL_TRANSFER_STATES,
    ActEntry,
    BookingEntry,
    CheckpointEntry,
    FillEntry,
    FlowEntry,
    HedgeEntry,
    IntentEntry,
    OrderEntry,
    OrderState,
    ParameterEntry,
    PlanEntry,
    StateEntry,
    TransferEntry,
    TransferState,
)
from ilp.journal.interface import Recovered
from ilp.journal.rows import KINDS, entry_of

__all__ = ["EVER", "Version", "latest", "recovered", "since", "transfers", "versions"]

_KIND = {kind.entry: kind for kind in KINDS}
EVER = datetime.min.replace(tzinfo=UTC)  # what is since then is everything
_LAST_FILLS = timedelta(days=1)

# Named one by one, so that an index finds the few that are open among the many that are not.
_OPEN_ORDER = schema.orders.c.state.in_([state.value for state in OrderState if state not in FINAL_ORDER_STATES])
_OPEN_TRANSFER = schema.transfers.c.state.in_(
    [state.value for state in TransferState if state not in FINAL_TRANSFER_STATES]
)

# What breaks ties between entries of one instant, so that two reads never differ.
_ORDER: dict[type, tuple[ColumnElement[Any], ...]] = {
    OrderEntry: (schema.orders.c.at, schema.orders.c.venue, schema.orders.c.key),
    FillEntry: (schema.fills.c.at, schema.fills.c.venue, schema.fills.c.key),
    HedgeEntry: (schema.hedges.c.at, schema.hedges.c.key),
    TransferEntry: (schema.transfers.c.created, schema.transfers.c.id),
    FlowEntry: (schema.flows.c.at, schema.flows.c.key),
    PlanEntry: (schema.plans.c.at, schema.plans.c.id),
    BookingEntry: (schema.bookings.c.key,),
    CheckpointEntry: (schema.checkpoints.c.key,),
    ParameterEntry: (schema.parameters.c.seq,),
    StateEntry: (schema.states.c.seq,),
    IntentEntry: (schema.intents.c.seq,),
    ActEntry: (schema.acts.c.seq,),
}


@frozen
class Version:
    """One line of the history: the *seq*-th entry ever written, as it was then."""

    seq: int
    at: datetime
    kind: str
    key: str
    body: Any


def _read(tx: Connection, entry: type, *where: ColumnElement[bool]) -> tuple[Any, ...]:
    kind = _KIND[entry]
    rows = tx.execute(select(kind.table).where(*where).order_by(*_ORDER[entry]))
    return tuple(entry_of(kind, row) for row in rows)


def since(tx: Connection, entry: type, moment: datetime) -> Sequence[Any]:
    """Entries of one kind made at *moment* or later, oldest first."""
    return _read(tx, entry, _KIND[entry].table.c.at >= moment)


def latest(tx: Connection, entry: type, moment: datetime, count: int, until: datetime | None = None) -> Sequence[Any]:
    """The last *count* entries of one kind made from *moment* to *until*, oldest first; no more than these are read."""
    kind = _KIND[entry]
    wanted = [kind.table.c.at >= moment, *([] if until is None else [kind.table.c.at <= until])]
    newest_first = (column.desc() for column in _ORDER[entry])
    rows = tx.execute(select(kind.table).where(*wanted).order_by(*newest_first).limit(count))
    return tuple(entry_of(kind, row) for row in rows)[::-1]


def checkpoint(tx: Connection) -> CheckpointEntry | None:
    """The newest sums of the ledger."""
    return next(iter(_read(tx, CheckpointEntry)), None)


def bookings_after(tx: Connection, number: int) -> Sequence[BookingEntry]:
    """Bookings with a larger number, in the order made."""
    return _read(tx, BookingEntry, schema.bookings.c.key > f"{number:010d}")


def transfers(tx: Connection, moment: datetime) -> Sequence[TransferEntry]:
    """Transfers that are open, or that became final at *moment* or later, oldest first."""
    return _read(tx, TransferEntry, or_(_OPEN_TRANSFER, schema.transfers.c.since >= moment))


def recovered(tx: Connection) -> Recovered:
    """What a starting daemon needs to know of the runs before it."""
    # One at a time: SQLite takes the first or the last of an index, but reads everything for both.
    began = tx.execute(select(func.min(schema.history.c.at))).scalar_one()
    seen = tx.execute(select(func.max(schema.history.c.at))).scalar_one()
    orders = _read(tx, OrderEntry, _OPEN_ORDER)
    wanted, paused = _intent(tx)
    parameters = _read(tx, ParameterEntry)
    return Recovered(
        orders=orders,
        fills=_recent_fills(tx, orders, seen),
        transfers=_read(tx, TransferEntry, _OPEN_TRANSFER),
        parameters={edit.name: edit for edit in parameters if edit.edited},
        wanted=wanted,
        paused=paused,
        halted=_halted(tx),
        last_plan=_last_plan(tx),
        began=began,
        seen=seen,
        in_force={entry.name: entry for entry in parameters},
    )


def _recent_fills(tx: Connection, orders: Sequence[OrderEntry], seen: datetime | None) -> tuple[FillEntry, ...]:
    if seen is None:
        return ()
    of_open = schema.fills.c.order_key.in_([order.key for order in orders])
    return _read(tx, FillEntry, or_(of_open, schema.fills.c.at >= seen - _LAST_FILLS))


def _intent(tx: Connection) -> tuple[bool, str]:
    """Whether trading is wanted, and what is on pause."""
    intents = schema.intents.c
    row = tx.execute(select(intents.wanted, intents.paused).order_by(intents.seq.desc()).limit(1)).first()
    return (False, "") if row is None else (bool(row.wanted), str(row.paused))


def _halted(tx: Connection) -> StateEntry | None:
    """The last halt, unless HALTED was left again by a reset: a stop of the process does not end it."""
    states = schema.states
    into = select(states).where(states.c.state == "HALTED", states.c.previous != "HALTED")
    halt = tx.execute(into.order_by(states.c.seq.desc()).limit(1)).first()
    if halt is None:
        return None
    left = select(states.c.seq).where(
        states.c.seq > halt.seq, states.c.previous == "HALTED", states.c.state.not_in(("HALTED", "SHUTDOWN"))
    )
    return None if tx.execute(left.limit(1)).first() else entry_of(_KIND[StateEntry], halt)


def _last_plan(tx: Connection) -> PlanEntry | None:
    table = schema.plans
    row = tx.execute(select(table).order_by(table.c.at.desc(), table.c.id.desc()).limit(1)).first()
    return None if row is None else entry_of(_KIND[PlanEntry], row)


def versions(tx: Connection) -> Iterator[Version]:
    """Every version of every entry, in the order written."""
    everything = select(schema.history).order_by(schema.history.c.seq).execution_options(yield_per=500)
    for row in tx.execute(everything):
        yield Version(row.seq, row.at, row.kind, row.key, row.body)
