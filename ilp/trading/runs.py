"""One run of a trader among others on the same account: the names that it gives, and whose a name is.  Sends nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

from attrs import define, field

from clients.exchange import Order

__all__ = ["PREFIX", "Run"]

PREFIX = "ilp-"  # what every name of ours begins with, of whichever run


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
