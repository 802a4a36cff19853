"""A journal in memory for tests: keeps every version, answers on the next turn of its reactor, can be made to fail."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import Clock

from ilp.journal.entries import (
    FINAL_ORDER_STATES,
    FINAL_TRANSFER_STATES,
    ActEntry,
    BookingEntry,
    CheckpointEntry,
    Entry,
    FillEntry,
    FlowEntry,
    HedgeEntry,
    IntentEntry,
    OrderEntry,
    ParameterEntry,
    PlanEntry,
    StateEntry,
    TransferEntry,
)
from ilp.journal.interface import JournalError, Recovered

E = TypeVar("E")


class MemoryJournal:
    """Implements `ilp.journal.interface.Journal`."""

    def __init__(self, reactor: Clock | None = None, lag: float = 0.0) -> None:
        self.written: list[Entry] = []
        self.broken = ""
        self.lag = lag
        self._reactor = reactor
        self._pending: list[IDelayedCall] = []

    def record(self, *entries: Entry) -> Deferred[None]:
        if self.broken:
            return fail(JournalError(self.broken))
        if self._reactor is None:
            self.written.extend(entries)
            return succeed(None)
        done: Deferred[None] = Deferred()
        if not self.lag:
            self.written.extend(entries)
        self._pending.append(self._reactor.callLater(self.lag, self._write, entries if self.lag else (), done))
        return done

    def _write(self, entries: Sequence[Entry], done: Deferred[None]) -> None:
        self.written.extend(entries)
        if not done.called:
            done.callback(None)

    def kill(self) -> None:
        """The process ends: what was not durable never will be."""
        for call in self._pending:
            if call.active():
                call.cancel()
        self._pending.clear()

    def of(self, kind: type[E]) -> list[E]:
        """Every version of that kind, in the order of writing."""
        return [entry for entry in self.written if isinstance(entry, kind)]

    def newest(self, kind: type[E], key: str) -> list[E]:
        """The last version of each."""
        found: dict[Any, E] = {}
        for entry in self.of(kind):
            found[getattr(entry, key)] = entry
        return list(found.values())

    def recovered(self) -> Deferred[Recovered]:
        states, intents = self.of(StateEntry), self.of(IntentEntry)
        halted = None
        for entry in states:
            if entry.state == "HALTED":
                halted = entry
            elif entry.previous == "HALTED" and entry.state != "SHUTDOWN":
                halted = None
        plans = self.of(PlanEntry)
        return succeed(
            Recovered(
                tuple(o for o in self.newest(OrderEntry, "key") if o.state not in FINAL_ORDER_STATES),
                tuple(self._fills()),
                tuple(t for t in self.newest(TransferEntry, "id") if t.state not in FINAL_TRANSFER_STATES),
                {},
                bool(intents and intents[-1].wanted),
                halted,
                plans[-1] if plans else None,
                min((entry.at for entry in states), default=None),
                max((moment for entry in self.written if (moment := getattr(entry, "at", None))), default=None),
                intents[-1].paused if intents else "",
            )
        )

    def transfers(self, since: datetime) -> Deferred[Sequence[TransferEntry]]:
        return succeed(self.newest(TransferEntry, "id"))

    def fills(self, since: datetime) -> Deferred[Sequence[FillEntry]]:
        return succeed([fill for fill in self._fills() if fill.at >= since])

    def _fills(self) -> list[FillEntry]:
        """One that was written twice is there once, as in a database."""
        return list({(fill.venue, fill.key): fill for fill in self.of(FillEntry)}.values())

    def hedges(self, since: datetime) -> Deferred[Sequence[HedgeEntry]]:
        return succeed(self.of(HedgeEntry))

    def plans(self, since: datetime) -> Deferred[Sequence[PlanEntry]]:
        return succeed(self.of(PlanEntry))

    def states(self, since: datetime) -> Deferred[Sequence[StateEntry]]:
        return succeed(self.of(StateEntry))

    def edits(self, since: datetime) -> Deferred[Sequence[ParameterEntry]]:
        return succeed([])

    def acts(self, since: datetime) -> Deferred[Sequence[ActEntry]]:
        return succeed(self.of(ActEntry))

    def latest(self, kind: type, since: datetime, count: int, until: datetime | None = None) -> Deferred[Sequence[Any]]:
        found = self._fills() if kind is FillEntry else self.of(kind)
        return succeed([entry for entry in found if since <= entry.at <= (until or entry.at)][-count:])

    def flows(self, since: datetime) -> Deferred[Sequence[FlowEntry]]:
        return succeed(self.newest(FlowEntry, "key"))

    def bookings(self, since: datetime) -> Deferred[Sequence[BookingEntry]]:
        return succeed(sorted(self.newest(BookingEntry, "key"), key=lambda booking: booking.key))

    def checkpoint(self) -> Deferred[CheckpointEntry | None]:
        return succeed(next(reversed(self.of(CheckpointEntry)), None))

    def bookings_after(self, number: int) -> Deferred[Sequence[BookingEntry]]:
        found = self.newest(BookingEntry, "key")
        return succeed(sorted((b for b in found if int(b.key) > number), key=lambda booking: booking.key))

    def close(self) -> Deferred[None]:
        return succeed(None)
