"""Customers of a thin market: those who trade for their own reasons, and those who know where the price goes next.

Both send immediate orders to a core; what a fair price is they are told by a callable.  Uninformed ones are what a market
maker lives on, informed ones what it has to survive.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from random import Random

from attrs import define, field, frozen
from twisted.internet.interfaces import IDelayedCall

from clients.exchange import Side
from ilp.clock import WorldClock
from ilp.simulation.core import Core
from ilp.simulation.paths import Move, to_tick
from ilp.simulation.records import Order
from ilp.simulation.rejections import Rejection

__all__ = ["Appetite", "FairPrice", "InformedTaker", "UninformedTaker"]

FairPrice = Callable[[], Decimal | None]
"""The fair human price of the market now, None while nobody knows it."""


@frozen
class Appetite:
    """How often and how much a taker wants.

    :ivar every: mean world seconds between two wishes (uninformed).
    :ivar least: smallest size in human units of base; `most` the largest.
    :ivar tolerance: how much worse than fair a price may be, as a fraction (uninformed).
    :ivar buys: share of the uninformed wishes that are buys; 1 makes the flow one-sided.
    :ivar margin: what an informed taker wants beyond its fee, as a fraction.
    :ivar lead: world seconds before a move at which an informed taker acts.
    :ivar attention: share of the moves that an informed taker notices.
    """

    every: float = 20.0
    least: Decimal = Decimal("0.01")
    most: Decimal = Decimal("0.1")
    tolerance: Decimal = Decimal("0.01")
    buys: Decimal = Decimal("0.5")
    margin: Decimal = Decimal("0.0005")
    lead: float = 0.5
    attention: Decimal = Decimal(1)


@define(eq=False)
class _Taker:
    core: Core
    account: str
    contract: str
    appetite: Appetite
    clock: WorldClock
    random: Random
    taken: list[Order] = field(init=False, factory=list)
    """Orders that got something."""
    refused: int = field(init=False, default=0)
    """How often the venue said no, for instance for want of money."""

    def _take(self, side: Side, limit: int) -> None:
        try:
            order = self.core.place(self.account, self.contract, side, limit, self._size(), immediate=True)
        except Rejection:
            self.refused += 1
            return
        if order.quantity_filled:
            self.taken.append(order)
            del self.taken[:-1000]

    def _size(self) -> int:
        pair = self.core.pairs[self.contract]
        least = max(1, int(self.appetite.least * pair.base.denominator / pair.lot))
        most = max(least, int(self.appetite.most * pair.base.denominator / pair.lot))
        return self.random.randint(least, most) * pair.lot

    def _offer(self, side: Side) -> Decimal | None:
        """Best price that an order of *side* would meet."""
        book = self.core.book(self.contract)
        rows = book.asks if side is Side.BUY else book.bids
        return self.core.pairs[self.contract].price(rows[0][0]) if rows else None


@define(eq=False)
class UninformedTaker(_Taker):
    """Wants to buy or sell at random times, and does so when the best price is not too far from fair."""

    fair: FairPrice = field(kw_only=True)
    _call: IDelayedCall | None = field(init=False, default=None)

    def start(self) -> None:
        """Begin to have wishes."""
        self._call = self.clock.call_later(self.random.expovariate(1 / self.appetite.every), self._wish)

    def stop(self) -> None:
        """Have no further wish."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _wish(self) -> None:
        self.start()
        side = Side.BUY if self.random.random() < self.appetite.buys else Side.SELL
        fair, offer = self.fair(), self._offer(side)
        if fair is None or offer is None:
            return
        worst = fair * (1 + self.appetite.tolerance) if side is Side.BUY else fair * (1 - self.appetite.tolerance)
        if offer <= worst if side is Side.BUY else offer >= worst:
            self._take(side, to_tick(self.core.pairs[self.contract], offer))


@define(eq=False)
class InformedTaker(_Taker):
    """Sees the moves of the source that are to come and takes what they make stale, if that pays for more than the fee.

    Wire it with `MarketDriver.watch(taker.foresee, appetite.lead)`.

    :ivar fair_after: the fair human price of this market once the source's price is the given wire price.
    """

    fair_after: Callable[[int], Decimal | None] = field(kw_only=True)
    _calls: set[IDelayedCall] = field(init=False, factory=set)
    _stopped: bool = field(init=False, default=False)

    def foresee(self, move: Move) -> None:
        """Learn of a move that is yet to come."""
        if self._stopped or self.random.random() >= self.appetite.attention:
            return
        act_at = move.at - timedelta(seconds=self.appetite.lead)
        wait = max(0.0, (act_at - self.clock.now()).total_seconds())

        def act() -> None:
            self._calls.discard(call)
            self._pick_off(move.price)

        call = self.clock.call_later(wait, act)
        self._calls.add(call)

    def stop(self) -> None:
        """Act no more."""
        self._stopped = True
        for call in self._calls:
            call.cancel()
        self._calls.clear()

    def _pick_off(self, source_price: int) -> None:
        fair = self.fair_after(source_price)
        if fair is None:
            return
        pair = self.core.pairs[self.contract]
        factor = Decimal(self.core.accounts[self.account].factors.aggressive) / 100
        cost = Decimal(pair.fee_bps) / 10_000 * factor + self.appetite.margin
        ask, bid = self._offer(Side.BUY), self._offer(Side.SELL)
        if ask is not None and ask * (1 + cost) < fair:
            self._take(Side.BUY, to_tick(pair, ask))
        elif bid is not None and bid * (1 - cost) > fair:
            self._take(Side.SELL, to_tick(pair, bid))
