"""What the trading code asks of a journal; `ilp.journal.store` keeps it in a database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from attrs import field, frozen
from twisted.internet.defer import Deferred

from ilp.journal.entries import (
    ActEntry,
    BookingEntry,
    CheckpointEntry,
    Entry,
    FillEntry,
    FlowEntry,
    HedgeEntry,
    OrderEntry,
    ParameterEntry,
    PlanEntry,
    StateEntry,
    TransferEntry,
)

__all__ = ["Journal", "JournalError", "Recovered"]


class JournalError(Exception):
    """The journal cannot be read or written; says which file or address and why.  Quotes are pulled on it."""


@frozen
class Recovered:
    """What a starting daemon needs to know of the runs before it.

    :ivar orders: those not known to be final; `transfers`: likewise.
    :ivar fills: of the orders above and of the last day, oldest first.
    :ivar parameters: the last edit of each name in the console; `in_force`: the last entry of each, whatever it is from.
    :ivar halted: the last state change if it was into HALTED and no reset followed.
    :ivar began: time of the first entry there is, None in a fresh journal; `seen` time of the last one.
    :ivar paused: what the last intent has on pause.
    """

    orders: tuple[OrderEntry, ...]
    fills: tuple[FillEntry, ...]
    transfers: tuple[TransferEntry, ...]
    parameters: Mapping[str, ParameterEntry]
    wanted: bool
    halted: StateEntry | None
    last_plan: PlanEntry | None
    began: datetime | None = None
    seen: datetime | None = None
    paused: str = ""
    in_force: Mapping[str, ParameterEntry] = field(factory=dict)


class Journal(Protocol):
    """Durable memory.  Writes are committed in the order in which `record` was called, never on the reactor's thread."""

    def record(self, *entries: Entry) -> Deferred[None]:
        """Store *entries* in one transaction; fires when they are durable, fails with `JournalError` when they are not."""

    def recovered(self) -> Deferred[Recovered]:
        """Read what a start needs."""

    def transfers(self, since: datetime) -> Deferred[Sequence[TransferEntry]]:
        """Transfers not final, and those that became final after *since*; oldest first."""

    def fills(self, since: datetime) -> Deferred[Sequence[FillEntry]]:
        """Fills since then, oldest first."""

    def hedges(self, since: datetime) -> Deferred[Sequence[HedgeEntry]]:
        """Fill–hedge links since then, oldest first."""

    def plans(self, since: datetime) -> Deferred[Sequence[PlanEntry]]:
        """Executed plans since then, oldest first."""

    def states(self, since: datetime) -> Deferred[Sequence[StateEntry]]:
        """State changes since then, oldest first."""

    def edits(self, since: datetime) -> Deferred[Sequence[ParameterEntry]]:
        """Parameter edits since then, oldest first."""

    def acts(self, since: datetime) -> Deferred[Sequence[ActEntry]]:
        """What people did since then, oldest first."""

    def latest(self, kind: type, since: datetime, count: int, until: datetime | None = None) -> Deferred[Sequence[Any]]:
        """The last *count* entries of a kind (fills, hedges, plans, states, edits or acts) since then, oldest first.

        :param until: nothing later than this; None for no bound.
        """

    def flows(self, since: datetime) -> Deferred[Sequence[FlowEntry]]:
        """External flows since then, oldest first."""

    def bookings(self, since: datetime) -> Deferred[Sequence[BookingEntry]]:
        """Bookings of the pool's own ledger since then, in the order made."""

    def checkpoint(self) -> Deferred[CheckpointEntry | None]:
        """The newest sums of the pool's own ledger, None where there are none."""

    def bookings_after(self, number: int) -> Deferred[Sequence[BookingEntry]]:
        """Bookings with a larger number than that, in the order made."""

    def close(self) -> Deferred[None]:
        """Write what is queued and let go of the database."""
