"""Checks that a journal agrees with itself: recomputes what follows from its entries.  Changes nothing.

What is checked here: rows are the newest versions of the history; an order's fills are no more than the order; a record of
a venue clears one transfer only; a transfer that arrived left first, and its amounts fit; every hedge names a fill that
there is, and no fill is closed, or spent on closing others, by more than it brought; the bookings of the pool's own ledger
balance, add up to the change of equity, and say of each fill, transfer and flow since its opening what follows from it.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, func, select

from ilp.accounts.audit import faults_of_bookings
from ilp.journal.columns import canonical
from ilp.journal.entries import BookingEntry, FillEntry, FlowEntry, HedgeEntry, OrderEntry, TransferEntry, TransferState
from ilp.journal.reads import EVER, checkpoint, since, transfers, versions
from ilp.journal.rows import KINDS, entry_of, row_of

__all__ = ["faults"]

_NEGATIVE_ZERO = re.compile(r"-0(\.0+)?")
_LEFT = frozenset({TransferState.REQUESTED, TransferState.SENT, TransferState.ARRIVED})


def faults(tx: Connection) -> Iterator[str]:
    """Each thing that does not agree, in a sentence; none in a sound journal."""
    yield from _history(tx)
    yield from _fills(tx)
    yield from _transfers(tx)
    yield from _hedges(tx)
    yield from _bookings(tx)


def _history(tx: Connection) -> Iterator[str]:
    """The tables are what the history says."""
    newest: dict[tuple[str, str], str] = {}
    counts: dict[str, int] = defaultdict(int)
    last = 0
    for version in versions(tx):
        if version.seq <= last:
            yield f"history: entry {version.seq} follows entry {last}"
        last = version.seq
        counts[version.kind] += 1
        newest[version.kind, version.key] = canonical(version.body)
    for kind in KINDS:
        if not kind.key:
            rows = tx.execute(select(func.count()).select_from(kind.table)).scalar_one()
            if rows != counts[kind.name]:
                yield f"{kind.table.name}: {rows} rows, but the history has {counts[kind.name]} entries"
            continue
        found = {kind.key_of(entry): entry for entry in _all(tx, kind.entry)}
        told = {key for name, key in newest if name == kind.name}
        for key in sorted(told ^ found.keys()):
            yield f"{kind.table.name}: {key} is {'missing' if key in told else 'not in the history'}"
        for key in sorted(told & found.keys()):
            if not _same(found[key], newest[kind.name, key]):
                yield f"{kind.table.name}: {key} differs from its newest version in the history"


def _all(tx: Connection, entry: type) -> tuple[Any, ...]:
    kind = next(kind for kind in KINDS if kind.entry is entry)
    return tuple(entry_of(kind, row) for row in tx.execute(select(kind.table)))


def _same(entry: Any, body: str) -> bool:
    written = json.loads(body)
    now = json.loads(canonical(row_of(entry)))
    # A field that a later schema added is not in what was written before it.
    return all(_unsigned(now.get(name)) == _unsigned(value) for name, value in written.items())


def _unsigned(value: Any) -> Any:
    """*value*, without the sign where it is a zero: PostgreSQL's NUMERIC keeps none."""
    return value[1:] if isinstance(value, str) and _NEGATIVE_ZERO.fullmatch(value) else value


def _fills(tx: Connection) -> Iterator[str]:
    """An order is filled no further than it is large."""
    by_order: dict[tuple[str, str], list[FillEntry]] = defaultdict(list)
    for fill in since(tx, FillEntry, EVER):
        by_order[fill.venue, fill.order_key].append(fill)
    orders: dict[tuple[str, str], OrderEntry] = {(o.venue, o.key): o for o in _all(tx, OrderEntry)}
    for key, fills in sorted(by_order.items()):
        order, total = orders.get(key), sum((fill.quantity for fill in fills), Decimal(0))
        if order is None:
            yield f"fills: order {'/'.join(key)} has fills but is not in the journal"
        elif total > order.quantity:
            yield f"fills: order {'/'.join(key)} filled {total:f} of {order.quantity:f}"


def _transfers(tx: Connection) -> Iterator[str]:
    """One record clears one transfer, and what arrived had left."""
    owners: dict[tuple[str, str, str], str] = {}
    for t in transfers(tx, EVER):
        for record in _records(t):
            if record in owners:
                yield f"transfers: {owners[record]} and {t.id} are both matched to {'/'.join(record)}"
            owners[record] = t.id
        if t.state in _LEFT and not (t.called or t.manual):
            yield f"transfers: {t.id} is {t.state} but nobody sent it"
        if t.state is TransferState.ARRIVED and t.arrived <= 0:
            yield f"transfers: {t.id} arrived with {t.arrived:f} {t.to_asset}"
        if t.asset == t.to_asset and t.debited and t.arrived > t.debited:
            yield f"transfers: {t.id} arrived with {t.arrived:f}, more than the {t.debited:f} {t.asset} that left"


def _records(t: TransferEntry) -> Iterator[tuple[str, str, str]]:
    if t.withdrawal_id is not None:
        yield (t.from_venue, "withdrawal", t.withdrawal_id)
    if t.deposit_id is not None:
        yield (t.to_venue, "deposit", t.deposit_id)


def _hedges(tx: Connection) -> Iterator[str]:
    """No fill is closed by more than it was, and none closes more."""
    fills = {f"{fill.venue}/{fill.key}": fill for fill in since(tx, FillEntry, EVER)}
    closed: dict[str, Decimal] = defaultdict(Decimal)
    for hedge in since(tx, HedgeEntry, EVER):
        closed[hedge.fill_key] += hedge.quantity
        if hedge.closing_fill in fills:
            closed[hedge.closing_fill] += hedge.quantity
    for key, quantity in sorted(closed.items()):
        if key not in fills:
            yield f"hedges: fill {key} is not in the journal"
        elif quantity > abs(fills[key].received):
            yield f"hedges: fill {key} of {abs(fills[key].received):f} has links over {quantity:f}"


def _bookings(tx: Connection) -> Iterator[str]:
    """The ledger agrees with itself and with what it booked."""
    things = (since(tx, FillEntry, EVER), transfers(tx, EVER), since(tx, FlowEntry, EVER))
    yield from faults_of_bookings(since(tx, BookingEntry, EVER), *things, checkpoint(tx))
