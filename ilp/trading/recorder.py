"""Hands entries to the journal without waiting for it, and knows whether it still keeps them.

An entry that could not be written is kept in order and tried again; until that succeeds the journal counts as failing, and
the trader pulls its quotes.  So it is with what others could not write and keep themselves.  Protective cancels and hedges
never wait for a write; a hedge does not even wait until its fill is handed in, which takes as long as a look at the picture.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.python.failure import Failure

from ilp.journal.entries import Entry
from ilp.journal.interface import Journal, JournalError

__all__ = ["Recorder"]

RETRY = 1.0  # reactor seconds between two tries


@define(eq=False)
class Recorder:
    """The trading code's way to the journal.

    :ivar changed: called when the journal begins or ceases to fail.
    :ivar failing: why it cannot be written; empty while it can.
    :ivar retry_at: reactor seconds of the next try; None while nothing waits.
    :ivar others: begins to write what somebody else could not and keeps; None where there is no such thing.
    """

    journal: Journal
    seconds: Callable[[], float]
    changed: Callable[[], None]
    failing: str = ""
    retry_at: float | None = None
    others: Callable[[], Deferred[None] | None] = lambda: None
    _held: deque[tuple[Entry, ...]] = field(factory=deque)
    _closed: bool = False
    _waiting: list[tuple[int, tuple[Entry, ...]]] = field(factory=list)
    _writing: set[Deferred[None]] = field(factory=set)
    _retrying: bool = False
    _count: int = 0

    @property
    def waiting(self) -> int:
        """How many records have not been written because the journal cannot be."""
        return len(self._waiting)

    def record(self, *entries: Entry) -> None:
        """Keep *entries* together, in the order of the calls."""
        if self._held:
            self._held.append(entries)
        else:
            self._keep(entries)

    def hold(self, *entries: Entry) -> None:
        """Keep *entries* together, but begin only with `flush`; what is recorded until then stays behind them."""
        self._held.append(entries)
        if self._closed:
            self.flush()

    def flush(self) -> None:
        """Begin with all that is held, oldest first; of what raises nothing is tried again, the rest stays held."""
        while self._held:
            self._keep(self._held.popleft())

    def _keep(self, entries: tuple[Entry, ...]) -> None:
        if not entries:
            return
        self._count += 1
        if self.failing:
            self._waiting.append((self._count, entries))
        else:
            self._write(self._count, entries)

    def durable(self, *entries: Entry) -> Deferred[None]:
        """Keep *entries*; fires when they are durable, fails with `JournalError` when not, and tries nothing again."""
        self.flush()
        if self.failing:
            return fail(JournalError(self.failing))
        return self.journal.record(*entries).addErrback(self._doubted)

    def _doubted(self, failure: Failure) -> Failure:
        if failure.value is not None and not failure.check(CancelledError):
            self.suspect(failure.value)
        return failure

    def suspect(self, error: BaseException) -> None:
        """Somebody else's entry could not be written: the journal fails until that is, and a write of ours too."""
        self.failing = self.failing or str(error) or repr(error)
        if self.retry_at is None and not self._retrying:
            self.retry_at = self.seconds() + RETRY
        self.changed()

    def retry(self) -> None:
        """Write what waits, oldest first, if it is time."""
        if self.retry_at is None or self.seconds() < self.retry_at or self._retrying:
            return
        self._retrying, self.retry_at = True, None
        waiting, self._waiting = self._waiting, []
        waiting.sort(key=lambda item: item[0])
        first = waiting[0][0] if waiting else self._count
        self._write(first, tuple(entry for _, entries in waiting for entry in entries))

    def close(self) -> None:
        """Let go of what is still on its way; the journal's own `close` writes what it has taken.  Nothing is held now."""
        self._closed = True
        self.flush()
        for writing in tuple(self._writing):
            writing.cancel()

    def _write(self, number: int, entries: tuple[Entry, ...]) -> None:
        writing = self.journal.record(*entries)
        self._writing.add(writing)
        writing.addCallbacks(self._written, self._failed, errbackArgs=(number, entries))
        writing.addBoth(lambda _: self._writing.discard(writing))

    def _written(self, _: object) -> None:
        if self._retrying:
            others = None if self._waiting else self.others()
            if others is not None:
                others.addCallbacks(self._written, self._others_failed)
                return
            self._retrying = False
            if self._waiting:
                self.retry_at = self.seconds()
            else:
                self.failing = ""
            self.changed()

    def _failed(self, failure: object, number: int, entries: tuple[Entry, ...]) -> None:
        error = getattr(failure, "value", failure)
        if isinstance(error, CancelledError):
            return
        self._waiting.append((number, entries))
        self._again(error)

    def _others_failed(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self._again(failure.value)

    def _again(self, error: object) -> None:
        self._retrying = False
        self.failing = str(error) or repr(error)
        self.retry_at = self.seconds() + RETRY
        self.changed()
