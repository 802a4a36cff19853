"""One run of a trader among others on the same account: the names that it gives, and whose a name is.  Sends nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

from attrs import define, field

from clients.exchange import Order
from ilp.trading.machine import State

__all__ = ["PREFIX", "Run"]

PREFIX = "ilp-"  # what every name of ours begins with, of whichever run
_USING = frozenset({State.READY, State.TRADING, State.STOPPING})  # the account is used, and was looked through before


@define(eq=False)
class Run:
    """The names of one run.

    :ivar began: when it began (world time); to the microsecond it is part of each name, so that no other run has used it.
    :ivar settled: how long after that no request of an earlier run can reach a venue any more, clocks that differ included.
    """

    began: datetime
    settled: timedelta
    prefix: str = field(init=False)
    _count: int = 0

    def __attrs_post_init__(self) -> None:
        self.prefix = f"{PREFIX}{int(self.began.timestamp() * 1_000_000):x}-"

    def next_name(self) -> str:
        """A name that nobody has used."""
        self._count += 1
        return f"{self.prefix}{self._count}"

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
