"""The journal in a database: durable, ordered, off the reactor's thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.failure import Failure

from ilp.journal import reads, schema
from ilp.journal.columns import canonical
from ilp.journal.database import Database, address, explained
from ilp.journal.entries import (
    ActEntry,
    BookingEntry,
    CheckpointEntry,
    Entry,
    FillEntry,
    FlowEntry,
    HedgeEntry,
    ParameterEntry,
    PlanEntry,
    StateEntry,
    TransferEntry,
)
from ilp.journal.interface import JournalError, Recovered
from ilp.journal.rows import Kind, kind_of, row_of
from ilp.journal.runner import AtOnce, OneThread, Runner

__all__ = ["DatabaseJournal", "memory_journal", "open_journal"]

T = TypeVar("T")

_QUEUE = 10_000  # writes; a disk that is this far behind is not going to catch up


def open_journal(url: str, reactor: IReactorFromThreads) -> Deferred[DatabaseJournal]:
    """Open the journal at *url* with a thread of its own; fails with `JournalError`, leaving nothing behind."""
    try:
        address(url)  # before there is a thread
    except JournalError:
        return fail()
    return DatabaseJournal(url, OneThread(reactor)).open()


def memory_journal(url: str = "sqlite://") -> DatabaseJournal:
    """A journal that answers at once, in memory by default: for virtual time and tests."""
    journal = DatabaseJournal(url, AtOnce())
    opened: list[Any] = []
    journal.open().addBoth(opened.append)
    if not isinstance(opened[0], DatabaseJournal):
        opened[0].raiseException()
    return journal


class _Behind(JournalError):
    """Not written, because an entry before it could not be, and whoever gave both does not know that yet."""


class DatabaseJournal:
    """Implements `ilp.journal.interface.Journal`.

    When a write fails, so does everything that was given before that was heard: else a small entry would be kept where a
    large one before it found no room, and the older version, written again later, would replace the newer one.

    :param queue: how many writes may wait; one more fails, so that a stuck disk is noticed and not hidden in memory.
    """

    def __init__(self, url: str, runner: Runner, *, queue: int = _QUEUE) -> None:
        self._database = Database(url)
        self._runner = runner
        self._queue = queue
        self._waiting = 0
        self._closing = False
        self._failed = 0  # writes that failed of themselves, counted in the journal's thread
        self._heard = 0  # of which the caller's thread has heard
        self._last = 0  # number of the newest line of the history that is ours, or was there when we came
        self._era = 0  # in which connection that was so
        self._doubtful: Sequence[tuple[Kind, Entry]] = ()  # a write whose answer was lost: it may have been made

    def open(self) -> Deferred[DatabaseJournal]:
        """Lock, connect, upgrade; fires with this journal."""

        async def opening() -> DatabaseJournal:
            try:
                await self._runner.run(self._open)
            except BaseException:
                self._closing = True
                await self._runner.stop()
                raise
            return self

        return Deferred.fromCoroutine(opening())

    def record(self, *entries: Entry) -> Deferred[None]:
        """Store *entries* in one transaction; fires when they are durable, fails with `JournalError` when they are not."""
        if self._closing:
            return fail(JournalError("journal: is closed"))
        if self._waiting >= self._queue:
            return fail(
                JournalError(f"journal: {self._waiting} writes are waiting, no more are taken; is the disk stuck?")
            )
        # What an entry looks like is settled now: nobody can change it while it waits.
        rows = [(kind_of(entry), entry) for entry in entries]
        self._waiting += 1
        done: Deferred[None] = Deferred()  # who gives it up does not keep us from hearing what became of it
        writing = self._runner.run_later(self._write, rows, self._heard)
        writing.addBoth(self._written)
        writing.chainDeferred(done)
        return done

    @property
    def queued(self) -> int:
        """How many writes have been taken and are not durable yet."""
        return self._waiting

    def recovered(self) -> Deferred[Recovered]:
        """Read what a start needs."""
        return self._read(reads.recovered)

    def transfers(self, since: datetime) -> Deferred[Sequence[TransferEntry]]:
        """Transfers not final, and those that became final after *since*; oldest first."""
        return self._read(reads.transfers, since)

    def fills(self, since: datetime) -> Deferred[Sequence[FillEntry]]:
        """Fills since then, oldest first."""
        return self._read(reads.since, FillEntry, since)

    def hedges(self, since: datetime) -> Deferred[Sequence[HedgeEntry]]:
        """Fill–hedge links since then, oldest first."""
        return self._read(reads.since, HedgeEntry, since)

    def plans(self, since: datetime) -> Deferred[Sequence[PlanEntry]]:
        """Executed plans since then, oldest first."""
        return self._read(reads.since, PlanEntry, since)

    def states(self, since: datetime) -> Deferred[Sequence[StateEntry]]:
        """State changes since then, oldest first."""
        return self._read(reads.since, StateEntry, since)

    def edits(self, since: datetime) -> Deferred[Sequence[ParameterEntry]]:
        """Parameter edits since then, oldest first."""
        return self._read(reads.since, ParameterEntry, since)

    def acts(self, since: datetime) -> Deferred[Sequence[ActEntry]]:
        """What people did since then, oldest first."""
        return self._read(reads.since, ActEntry, since)

    def latest(self, kind: type, since: datetime, count: int, until: datetime | None = None) -> Deferred[Sequence[Any]]:
        """The last *count* entries of a kind between two times, both included, oldest first."""
        return self._read(reads.latest, kind, since, count, until)

    def flows(self, since: datetime) -> Deferred[Sequence[FlowEntry]]:
        """External flows since then, oldest first."""
        return self._read(reads.since, FlowEntry, since)

    def bookings(self, since: datetime) -> Deferred[Sequence[BookingEntry]]:
        """Bookings of the pool's own ledger since then, in the order made."""
        return self._read(reads.since, BookingEntry, since)

    def checkpoint(self) -> Deferred[CheckpointEntry | None]:
        """The newest sums of the pool's own ledger, None where there are none."""
        return self._read(reads.checkpoint)

    def bookings_after(self, number: int) -> Deferred[Sequence[BookingEntry]]:
        """Bookings with a larger number than that, in the order made."""
        return self._read(reads.bookings_after, number)

    def close(self) -> Deferred[None]:
        """Write what is queued and let go of the database; may be called twice."""

        async def closing() -> None:
            if self._closing:
                return
            self._closing = True
            try:
                await self._runner.run(self._database.close)
            finally:
                await self._runner.stop()

        return Deferred.fromCoroutine(closing())

    # ------------------------------------------------------------------------------------- in the journal's thread

    def _read(self, f: Callable[..., T], *args: Any) -> Deferred[T]:
        if self._closing:
            return fail(JournalError("journal: is closed"))
        return self._runner.run(self._reading, f, args)

    def _reading(self, f: Callable[..., T], args: tuple[Any, ...]) -> T:
        connection = self._database.usable()
        with explained(self._database.url, "cannot be read"), connection.begin():
            return f(connection, *args)

    def _open(self) -> None:
        connection = self._database.open()
        with explained(self._database.url, "cannot be read"), connection.begin():
            self._last, self._era = _newest(connection), self._database.era

    def _take_up(self, tx: Connection) -> None:
        """Go on in a new connection, unless somebody else has written: what we know of the journal is wrong then.

        Its ledger would have two bookings of one number, and the later one would replace the earlier.
        """
        lines = select(schema.history).where(schema.history.c.seq > self._last).order_by(schema.history.c.seq)
        found = [(line.kind, line.key, canonical(line.body)) for line in tx.execute(lines)]
        ours = [(kind.name, kind.key_of(entry), canonical(row_of(entry))) for kind, entry in self._doubtful]
        if found and found != ours:
            raise JournalError("journal: another daemon has written to it since; end this one and start it again")
        self._last, self._era = _newest(tx), self._database.era

    def _write(self, rows: Sequence[tuple[Kind, Entry]], heard: int) -> None:
        if heard != self._failed:
            raise _Behind("journal: an entry before this one could not be written")
        try:
            connection = self._database.usable()
            with explained(self._database.url, "cannot be written"), connection.begin():
                if self._era != self._database.era:
                    self._take_up(connection)
                self._doubtful, last = rows, self._last
                for kind, entry in rows:
                    last = _store(connection, kind, entry)
            self._doubtful, self._last = (), last
        except BaseException:
            self._failed += 1
            raise

    def _written(self, result: T) -> T:
        self._waiting -= 1
        if isinstance(result, Failure) and not isinstance(result.value, _Behind):
            self._heard += 1
        return result


def _store(tx: Connection, kind: Kind, entry: Entry) -> int:
    """Write it; the number of its line in the history."""
    row = row_of(entry)
    tx.execute(_upsert(tx.dialect.name, kind), row)
    moment = getattr(entry, kind.time)
    line = {"at": moment, "kind": kind.name, "key": kind.key_of(entry), "body": row}
    (number,) = tx.execute(insert(schema.history), line).inserted_primary_key or (0,)
    return int(number)


def _newest(tx: Connection) -> int:
    """The number of the last line of the history, 0 where there is none."""
    return int(tx.execute(select(func.max(schema.history.c.seq))).scalar_one() or 0)


_UPSERTS: dict[tuple[str, str], Any] = {}


def _upsert(dialect: str, kind: Kind) -> Any:
    """The statement that inserts a row of *kind*, or replaces the one under the same key."""
    if (dialect, kind.name) not in _UPSERTS:
        _UPSERTS[dialect, kind.name] = _replacing(dialect, kind.table, kind.key) if kind.key else insert(kind.table)
    return _UPSERTS[dialect, kind.name]


def _replacing(dialect: str, table: Table, key: Sequence[str]) -> Any:
    statement: Any = (postgresql if dialect == "postgresql" else sqlite).insert(table)
    others = {c.name: statement.excluded[c.name] for c in table.columns if c.name not in key}
    return statement.on_conflict_do_update(index_elements=list(key), set_=others)
