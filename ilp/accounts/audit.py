"""Recomputes the pool's own ledger from what it booked, by rules that do not ask how it was booked.  Changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from ilp.accounts.books import Books
from ilp.accounts.postings import Account, fill_position, fill_terms, flow_position, own, transfer_position
from ilp.accounts.units import FINE
from ilp.journal.entries import BookingEntry, CheckpointEntry, FillEntry, FlowEntry, TransferEntry

__all__ = ["faults_of_bookings"]

MOST = 2 * FINE // 2  # what rounding may take of a booking: half a minor unit for each of the two terms it may have


def faults_of_bookings(
    bookings: Iterable[BookingEntry],
    fills: Iterable[FillEntry],
    transfers: Iterable[TransferEntry],
    flows: Iterable[FlowEntry],
    checkpoint: CheckpointEntry | None = None,
) -> Iterator[str]:
    """Each thing that does not agree, in a sentence."""
    books, number, by_fill = Books("", ""), 0, {f"{fill.venue}/{fill.key}": fill for fill in fills}
    for booking in bookings:
        number += 1
        if int(booking.key) != number:
            yield f"bookings: number {number} is missing, {booking.key} follows"
            number = int(booking.key)
        before = dict(books.marks)
        books.take(booking)
        yield from _one(booking, books, before)
        if booking.kind == "trade":
            yield from _trade(booking, by_fill.get(booking.reference), before)
        if checkpoint is not None and number == checkpoint.number:
            yield from _checkpoint(checkpoint, books)
    if checkpoint is not None and number < checkpoint.number:
        yield f"checkpoint: it was made after booking {checkpoint.number}, the last one is {number}"
    yield from _unbooked(books, by_fill)
    yield from _moved(books, transfers, flows)


def _one(booking: BookingEntry, books: Books, before: dict[str, int]) -> Iterator[str]:
    name = f"bookings: {booking.key} ({booking.kind} {booking.reference})".replace(" )", ")")
    sums: dict[str, int] = {}
    for _, asset, units in booking.lines:
        sums[asset] = sums.get(asset, 0) + units
    for asset, left in sums.items():
        if left:
            yield f"{name} does not balance: {left} minor units of {asset} came from nowhere"
    if abs(booking.rounding) > MOST:
        yield f"{name} was rounded by {Decimal(booking.rounding) / FINE} minor units, allowed 1"
    if fault := books.fault():
        yield f"{name}: {fault}"
    if booking.kind not in ("revaluation", "opening") and booking.marks != before:
        yield f"{name} changes marks without a revaluation"


def _trade(booking: BookingEntry, fill: FillEntry | None, marks: dict[str, int]) -> Iterator[str]:
    name = f"bookings: {booking.key} books fill {booking.reference}"
    if fill is None:
        yield f"{name}, which is not in the journal"
        return
    wanted = {account: number for account, number in fill_position(fill).items() if number}
    if wanted != {(account, asset): number for account, asset, number in booking.lines}:
        yield f"{name} with other amounts than it has"
    for term, fine in fill_terms(fill, marks).items():
        if abs(booking.terms.get(term, 0) * FINE - fine) * 2 > FINE:
            yield f"{name} with a {term} of {booking.terms.get(term, 0)} minor units, it is {Decimal(fine) / FINE}"


def _unbooked(books: Books, fills: Mapping[str, FillEntry]) -> Iterator[str]:
    """No fill is missing that the ledger should have: one that is older than it is in its opening."""
    if books.opened is None:
        return
    for reference, fill in sorted(fills.items()):
        if fill.at > books.opened and reference not in books.booked:
            yield f"bookings: fill {reference} of {fill.at} is not booked"


def _moved(books: Books, transfers: Iterable[TransferEntry], flows: Iterable[FlowEntry]) -> Iterator[str]:
    """What is booked of a transfer or a flow is where it has come to; of what the opening contains nothing may be."""
    if books.opened is None:
        return
    for entry in transfers:
        if entry.id in books.booked or (entry.departed or entry.created) > books.opened:
            yield from _same(f"transfer {entry.id}", books.booked.get(entry.id, {}), transfer_position(entry))
    for flow in flows:
        reference = f"flow:{flow.key}"
        if reference in books.booked or flow.at > books.opened:
            yield from _same(f"flow {flow.key}", books.booked.get(reference, {}), flow_position(flow))


def _checkpoint(entry: CheckpointEntry, books: Books) -> Iterator[str]:
    """What was kept is what the bookings up to there come to."""
    told = Books("", "")
    told.resume(entry.number, entry.at, entry.sums)
    name = f"checkpoint: after booking {entry.number}"
    for account, asset in sorted({*told.balances, *books.balances}):
        kept, wanted = (found.balances.get((account, asset), 0) for found in (told, books))
        if kept != wanted:
            yield f"{name} {account} {asset} is {kept} minor units, the bookings come to {wanted}"
    if (told.opened, told.last, told.exposure) != (books.opened, books.last, books.exposure):
        yield f"{name} opening, time or exposure are not those of the bookings"
    for what in ("marks", "since", "days"):
        if getattr(told, what) != getattr(books, what):
            yield f"{name} its {what} are not what the bookings come to"
    for reference in sorted({*told.booked, *(key for key, lines in books.booked.items() if lines)}):
        if told.booked.get(reference) != books.booked.get(reference):
            yield f"{name} {reference} is not booked as it was"


def _same(name: str, booked: dict[Account, int], wanted: dict[Account, int]) -> Iterator[str]:
    for account in sorted({*booked, *wanted}):
        if own(account[0]) and booked.get(account, 0) != wanted.get(account, 0):
            numbers = f"{booked.get(account, 0)} minor units booked, not {wanted.get(account, 0)}"
            yield f"bookings: {name} has {numbers} in {' '.join(account)}"
