"""Watches inside a venue what nobody outside can prove: how much of an account rests on each side at any moment."""

from __future__ import annotations

from datetime import datetime

from attrs import frozen

from clients.exchange import Side
from ilp.simulation.core import Core
from ilp.simulation.records import Event, OrderChanged

__all__ = ["Breach", "RestingMonitor"]


@frozen
class Breach:
    """More than allowed was resting, in wire units, from *at* on."""

    at: datetime
    side: Side
    resting: int
    limit: int


class RestingMonitor:
    """Sums up what an account has resting in one market, after every change of an order.

    :param limit: most that may rest on a side, in wire units; None only measures.
    :ivar worst: the most that ever rested, by side.
    :ivar breaches: every change that left more than the limit.
    """

    def __init__(self, core: Core, account: str, contract: str, limit: int | None = None) -> None:
        self._core = core
        self._account = account
        self._contract = contract
        self._limit = limit
        self.worst = {Side.BUY: 0, Side.SELL: 0}
        self.breaches: list[Breach] = []
        self._look()
        self.stop = core.subscribe(self._heard)

    def resting(self, side: Side) -> int:
        """What rests now."""
        orders = self._core.open_orders(self._account)
        return sum(o.quantity_left for o in orders if o.side is side and o.contract == self._contract)

    def check(self) -> None:
        """AssertionError naming the first breach, if there was one."""
        if self.breaches:
            first = self.breaches[0]
            raise AssertionError(
                f"{self._account} had {first.resting} of {self._contract} resting to {first.side} at {first.at}, "
                f"allowed {first.limit}; {len(self.breaches)} breaches in all"
            )

    def _heard(self, event: Event) -> None:
        if isinstance(event, OrderChanged) and event.order.account == self._account:
            self._look()

    def _look(self) -> None:
        # The venue's state and not the event's: an order is told as placed in full also when it matched at once, and a
        # core tells of an act only when all of it is done.
        for side in Side:
            resting = self.resting(side)
            self.worst[side] = max(self.worst[side], resting)
            if self._limit is not None and resting > self._limit:
                self.breaches.append(Breach(self._core.now(), side, resting, self._limit))
