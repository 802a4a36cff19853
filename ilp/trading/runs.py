"""One run of a trader among others on the same account: the names that it gives, and whose a name is.  Sends nothing."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from attrs import define, field

from clients.exchange import Order
from ilp.journal.entries import ActEntry, StateEntry
from ilp.trading.machine import State

__all__ = ["PREFIX", "REFUSED", "Run", "placed_until"]

PREFIX = "ilp-"  # what every name of ours begins with, of whichever run
REFUSED = "start refused"  # the act of a run that found orders of somebody else, and placed none
_USING = frozenset({State.READY, State.TRADING, State.STOPPING})  # the account is used, and was looked through before


@define(eq=False)
class Run:
    """The names of one run.

    :ivar began: when it began (world time); to the microsecond it is part of each name, so that no other run has used it.
    :ivar settled: how long after that no request of an earlier run can reach a venue any more, clocks that differ included.
    :ivar starting: until it is READY for the first time; till then it has placed nothing.
    :ivar earlier: until when earlier runs of this journal may have placed orders; None: whatever rests may be theirs.
    """

    began: datetime
    settled: timedelta
    prefix: str = field(init=False)
    starting: bool = True
    earlier: datetime | None = None
    _runs: frozenset[str] = frozenset()  # what names of earlier runs that the journal knows begin with
    _count: int = 0

    def __attrs_post_init__(self) -> None:
        self.prefix = f"{PREFIX}{int(self.began.timestamp() * 1_000_000):x}-"

    def next_name(self) -> str:
        """A name that nobody has used."""
        self._count += 1
        return f"{self.prefix}{self._count}"

    def follows(self, names: Iterable[str], until: datetime | None) -> None:
        """Earlier runs of this journal gave those *names*, and may have placed orders *until* then."""
        self._runs = frozenset(name.rpartition("-")[0] for name in names) - {""}
        self.earlier = until

    def is_foreign(self, record: Order) -> bool:
        """Whether a venue's order is somebody's who may be alive, and not ours to cancel.

        At the start that is one that no earlier run of this journal can have left; later one with the name of another run.
        """
        return (self.starting and self.is_nobodys(record)) or self.is_of_another_daemon(record)

    def is_nobodys(self, record: Order) -> bool:
        """Whether neither this run nor an earlier one of this journal can have placed an order that is not known here."""
        name = record.get("client_id") or ""
        if self.earlier is None or name.startswith(self.prefix):
            return False
        return record["timestamp"] > self.earlier and name.rpartition("-")[0] not in self._runs

    def is_later(self, record: Order) -> bool:
        """Whether a venue's order was placed while this run was under way: what an earlier one left was placed before."""
        return record["timestamp"] > self.began + self.settled

    def is_of_another_daemon(self, record: Order) -> bool:
        """Whether a venue's order has a name like ours, of another run, and was placed while this one was under way."""
        name = record.get("client_id") or ""
        return name.startswith(PREFIX) and not name.startswith(self.prefix) and self.is_later(record)

    def intrusion(self, record: Order, state: State, *, exclusive: bool) -> str:
        """Why an order that nobody here placed means that somebody else uses the account; empty where it does not.

        :param exclusive: the account must be ours alone, as orders there bear no names.
        """
        if not exclusive:
            over = state in (State.HALTED, State.SHUTDOWN)
            other = not over and self.is_of_another_daemon(record)
            return "was placed by another daemon; only one may use the account" if other else ""
        if state in _USING or (state is State.INITIALIZING and self.is_later(record)):
            return "was not placed here; the account must be ours alone"
        return ""


def placed_until(states: Iterable[StateEntry], acts: Iterable[ActEntry], seen: datetime) -> datetime:
    """Until when the runs that a journal tells of may have placed orders; the beginning of time when none can have.

    A run that crashed may have gone on until *seen*, the journal's last entry.  One that was refused placed nothing.
    """
    until = before = datetime.min.replace(tzinfo=UTC)
    last, placing, possible = "", False, False  # possible: it has not ended in order, and entries of it may be missing
    refusals = ((act.at, 1, "", "") for act in acts if act.what == REFUSED)
    for at, refused, state, previous in sorted([*((e.at, 0, e.state, e.previous) for e in states), *refusals]):
        if refused:
            until, placing, possible = before, False, False
            continue
        if placing or (possible and previous != last):
            until = at
        if state == State.INITIALIZING and not possible:
            before = until
        if state == State.TRADING:
            until = at
        placing = state in (State.TRADING, State.STOPPING) or (placing and state == State.DISCONNECTED)
        possible = state in (State.INITIALIZING, *_USING) or (possible and state == State.DISCONNECTED)
        last = state
    return seen if possible else until
