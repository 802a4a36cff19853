"""A journal that books what it is given: each fill, transfer and flow becomes durable together with its booking.

It passes everything on and refuses nothing.  Marks and exposure are asked of whoever has them at that moment; the gate asks
here what the day has lost.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeGuard

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from ilp.accounts.books import Books, Result, unvalued_fees
from ilp.accounts.postings import Account
from ilp.accounts.units import Marks, amount_of, fixed, minor, value_of
from ilp.journal.entries import (
    BookingEntry,
    CheckpointEntry,
    Entry,
    FillEntry,
    FlowEntry,
    HedgeEntry,
    StateEntry,
    TransferEntry,
)
from ilp.journal.interface import Journal

__all__ = ["AccountedJournal", "Instant"]

ZERO = Decimal(0)
EVERY = timedelta(hours=1)  # of the world: how far apart bookings of new marks alone are
APART = 1000  # bookings between two checkpoints
# Of the world: a fill that is older than that at a checkpoint is booked.  The others are named in it, and to name those of
# days takes a busy pool a tenth of a second, in which no quote could leave.
RECENT = timedelta(hours=2)
EVER = datetime.min.replace(tzinfo=UTC)


@frozen
class Instant:
    """What bookings need to know of the moment.

    :ivar marks: None while one is missing; then the last known ones serve.
    :ivar balances: what the venues hold of ours, or None while that is not certain; the ledger opens with it.
    """

    at: datetime
    marks: Mapping[str, Decimal] | None
    exposure: Decimal
    balances: Mapping[Account, Decimal] | None = None
    transfers: tuple[TransferEntry, ...] = ()


class AccountedJournal:
    """A `Journal` around another one.

    :ivar books: the ledger.
    :ivar instant: the moment as the trader sees it; None before there is a trader.
    :ivar uncounted: called after a fee was booked in an asset that has no mark.
    :ivar apart: how many bookings there are between two checkpoints.
    """

    _log = Logger()

    def __init__(self, journal: Journal, books: Books) -> None:
        self.books = books
        self.instant: Callable[[], Instant] | None = None
        self.uncounted: Callable[[], None] = lambda: None
        self._journal = journal
        self._lost: list[BookingEntry] = []  # made, but not durable: with the next write
        # By identity: changes of state and links that could not be written and come again.  They were heeded already, but
        # nothing in the books says so, as it does of a fill.
        self._heeded: dict[int, Entry] = {}
        self.apart = APART
        self._writing = 0  # writes that nobody knows to be durable yet
        self._kept = 0  # number of the booking after which the sums were kept last
        self._recent: dict[str, datetime] = {}  # when fills were booked that a start may meet again
        self._forgiven = date.min, Result()  # what the day had come to when a halt was acknowledged

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    # ------------------------------------------------------------------------------------------------------- writing

    def record(self, *entries: Entry) -> Deferred[None]:
        """See `Journal.record`; the bookings that follow from *entries* are in the same transaction."""
        return self._write(entries, self._bookings(entries))

    def look(self) -> None:
        """Open the ledger as soon as that is possible; book new marks when an hour or a day of the world has passed."""
        if self.instant is None:
            return
        now = self.instant()
        if now.marks is None:
            return
        if self.books.opened is None:
            if now.balances is not None:
                opening = self.books.open(now.at, now.balances, now.transfers, now.marks, now.exposure)
                self._write((), opening).addErrback(lambda failure: None)  # kept for the next write
            return
        self._checkpoint()
        # A clock that was set back over midnight begins no day with every look.
        if now.at - self.books.last >= EVERY or now.at.date() > self.books.last.date():
            booking = self.books.revalue(now.at, now.marks, now.exposure)
            if booking is not None:
                self._write((), [booking]).addErrback(lambda failure: None)

    def _write(self, entries: Collection[Entry], bookings: list[BookingEntry]) -> Deferred[None]:
        bookings, self._lost = self._lost + bookings, []
        self._writing += 1

        def written(result: Any) -> Any:
            self._writing -= 1
            if isinstance(result, Failure):
                self._lost = sorted(bookings + self._lost, key=lambda booking: booking.key)
                again = (entry for entry in entries if isinstance(entry, StateEntry | HedgeEntry))
                self._heeded.update((id(entry), entry) for entry in again)
            elif self._heeded:
                for entry in entries:
                    self._heeded.pop(id(entry), None)
            return result

        return self._journal.record(*entries, *bookings).addBoth(written)

    def _bookings(self, entries: Iterable[Entry]) -> list[BookingEntry]:
        found: list[BookingEntry | None] = []
        for entry in entries:
            if id(entry) in self._heeded:
                continue
            if _acknowledges(entry):
                found.append(self._forgive(entry.at))
            if self.books.opened is None or not isinstance(entry, FillEntry | TransferEntry | FlowEntry | HedgeEntry):
                continue
            found += self._booked(entry, self._now(entry))
        bookings = [booking for booking in found if booking is not None]
        if any(map(unvalued_fees, bookings)):
            self.uncounted()
        return bookings

    def _booked(
        self, entry: FillEntry | TransferEntry | FlowEntry | HedgeEntry, now: Instant
    ) -> list[BookingEntry | None]:
        books, marks = self.books, now.marks
        if isinstance(entry, HedgeEntry):
            if not entry.closed_by.startswith("plan:") or marks is None:
                return []
            return [books.revalue(now.at, marks, now.exposure)]
        if isinstance(entry, FillEntry):
            self._recent[f"{entry.venue}/{entry.key}"] = entry.at
        if books.has(entry):
            return []  # no new marks need to be kept for it: what could not be written comes again every second
        before = None if marks is None else books.revalue(now.at, marks, books.exposure)
        if isinstance(entry, FillEntry):
            return [before, books.fill(entry, now.at, now.exposure)]
        if isinstance(entry, TransferEntry):
            return [before, books.transfer(entry, now.at)]
        return [before, books.flow(entry, now.at)]

    def _now(self, entry: Entry) -> Instant:
        if self.instant is not None:
            return self.instant()
        at = entry.since if isinstance(entry, TransferEntry) else getattr(entry, "at", self.books.last)
        return Instant(at, None, self.books.exposure)

    # --------------------------------------------------------------------------------------------------- remembering

    def load(self) -> Deferred[None]:
        """Take up the bookings of earlier runs, and book what they missed."""
        return Deferred.fromCoroutine(self._load())

    async def _load(self) -> None:
        known_from = await self._resume()
        for booking in await self._journal.bookings_after(self.books.count):
            self.books.take(booking)
            if booking.kind == "trade":
                self._recent[booking.reference] = booking.at
        opened = self.books.opened
        if opened is None:
            return
        for change in await self._journal.states(self.books.last - timedelta(days=1)):
            if _acknowledges(change):
                self._forgiven = await self._until(change.at)
        since = max(opened, known_from)
        missed: list[Entry] = [fill for fill in await self._journal.fills(since) if fill.at > opened]
        missed += await self._journal.transfers(since)
        missed += [flow for flow in await self._journal.flows(opened) if flow.at > opened]
        bookings = self._bookings(missed)
        if bookings:
            await self._write((), bookings)

    async def _resume(self) -> datetime:
        """Begin with the newest checkpoint, if there is one that adds up; from when on fills are to be looked through."""
        found = await self._journal.checkpoint()
        if found is None:
            return EVER
        self.books.resume(found.number, found.at, found.sums)
        if fault := self.books.fault():
            self._log.error("the checkpoint after booking {number} is wrong: {fault}", number=found.number, fault=fault)
            self.books.resume(0, EVER, Books("", "").sums(()))
            return EVER
        self._kept = found.number
        self._recent = {reference: found.at for reference, lines in self.books.booked.items() if not lines}
        return found.at - RECENT

    def _checkpoint(self) -> None:
        """Keep the sums, unless something that they contain is not durable yet."""
        if self._lost or self._writing or self.books.count - self._kept < self.apart:
            return
        self._kept, earliest = self.books.count, self.books.last - RECENT
        self._recent = {key: at for key, at in self._recent.items() if at >= earliest}
        self.books.forget(self._recent)
        entry = CheckpointEntry("ledger", self.books.count, self.books.last, self.books.sums(self._recent))
        self._journal.record(entry).addErrback(lambda failure: None)  # the next one will do

    # ------------------------------------------------------------------------------------------------------- the loss

    def day(self) -> date:
        """The day that counts now: the clock's, or the latest that it has shown where it was set back over midnight."""
        return self.books.day(self.books.last if self.instant is None else self.instant().at)

    def loss(self) -> Decimal:
        """What trading lost this world day, in numeraire, since a halt was last acknowledged; never negative."""
        return self._lost_of(lambda result: result.own - self._valued_late(result))

    def fall(self) -> Decimal:
        """What equity fell by likewise, for whatever cause, but for what was brought or taken away."""
        return self._lost_of(lambda result: result.change)

    def unvalued(self) -> dict[str, Decimal]:
        """Fees of this world day in assets that have no mark until now; neither `loss` nor `fall` contains them."""
        fees = self._today()[1].unvalued
        known = self._marks() if fees else {}
        return {asset: amount_of(number) for asset, number in sorted(fees.items()) if number and asset not in known}

    def _valued_late(self, result: Result) -> int:
        """What those fees are worth, in minor units, that had no mark when they were booked and have one now."""
        if not result.unvalued:
            return 0
        marks = self._marks()
        return minor(sum(value_of(asset, number, marks) for asset, number in result.unvalued.items()))[0]

    def _marks(self) -> Marks:
        """Those of now, or else the last ones."""
        marks = self.instant().marks if self.instant is not None else None
        return self.books.marks if marks is None else fixed(marks)

    def _lost_of(self, measure: Callable[[Result], int]) -> Decimal:
        if self.books.opened is None:
            return ZERO
        day, result = self._today()
        forgiven = measure(self._forgiven[1]) if self._forgiven[0] == day else 0
        return max(ZERO, amount_of(forgiven - measure(result)))

    def _today(self) -> tuple[date, Result]:
        now = self.instant() if self.instant is not None else None
        day = self.books.day(self.books.last if now is None else now.at)
        return day, self.books.result(day, None if now is None else now.marks)

    def _forgive(self, at: datetime) -> BookingEntry | None:
        """From now on the day counts anew; what it had come to is booked, so that a later run knows it too."""
        now, booking = self.instant() if self.instant is not None else None, None
        if now is not None and now.marks is not None and self.books.opened is not None:
            booking = self.books.revalue(at, now.marks, now.exposure, always=True)
        day = self.books.day(at)
        self._forgiven = day, self.books.result(day)
        return booking

    async def _until(self, at: datetime) -> tuple[date, Result]:
        """The day of the books at that time, and what it had come to as far as it was booked.

        What `_forgive` booked bears that very time and is the last of it.  Without it only the clock says what was before:
        what may have come after it, because the clock had been set back, is left out, for nobody has looked at it.
        """
        began = at.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
        bookings = sorted(await self._journal.bookings(began), key=lambda booking: booking.key)
        mark = max((booking.key for booking in bookings if booking.at == at), default="")
        latest, found = began, Result()
        for booking in bookings:
            if booking.key > mark and (booking.at > at or booking.at < latest):
                break
            if booking.at.date() > latest.date():
                found = Result()
            latest = max(latest, booking.at)
            found.add(booking.terms, booking.rounding, unvalued_fees(booking))
        day = max(at, latest).date()
        return day, found if day == latest.date() else Result()


def _acknowledges(entry: Entry) -> TypeGuard[StateEntry]:
    """Whether somebody has acknowledged a halt."""
    return isinstance(entry, StateEntry) and entry.previous == "HALTED" and entry.state == "DISCONNECTED"
