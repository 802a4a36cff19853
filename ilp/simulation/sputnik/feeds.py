"""The core's events as events of topics, in the order in which the core tells them.

Owns the book that was last published (which is what `get_order_book` answers) and the safe prices.  Payloads are made only
for topics that somebody listens to.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from attrs import define, field
from twisted.internet.interfaces import IDelayedCall

from ilp.clock import WorldClock
from ilp.simulation.core import Core
from ilp.simulation.records import (
    BarClosed,
    BookChanged,
    BookSnapshot,
    Event,
    Filled,
    Matched,
    OrderChanged,
    Posted,
    Trade,
    Traded,
)

from .faults import Faults
from .router import Realm, user_hash
from .wire import bar_document, book_document, fill_document, order_document, posting_document, trade_document

__all__ = ["NEVER_TRADED", "REPUBLISH", "Feeds", "SafePrice"]

REPUBLISH = 600.0  # world seconds
NEVER_TRADED = 42
_DECAY = Decimal("0.999")  # a second


@define
class SafePrice:
    """Volume-weighted average of trade prices, older ones fading by 0.999 a second."""

    _value: Decimal = Decimal(0)
    _volume: Decimal = Decimal(0)
    _last: datetime | None = None

    def add(self, price: int, quantity: int, at: datetime) -> None:
        """Count a trade in."""
        seconds = None if self._last is None else Decimal(str((at - self._last).total_seconds()))
        kept = _DECAY if seconds is None else _DECAY**seconds
        self._value = kept * self._value + (1 - kept) * quantity * price
        self._volume = kept * self._volume + (1 - kept) * quantity
        self._last = at

    @property
    def price(self) -> int:
        """The average in wire units, cut off."""
        return int(self._value / self._volume) if self._volume else NEVER_TRADED


def _topic_of(ticker: str) -> str:
    return ticker.replace("/", "_").lower()


@define(eq=False)
class Feeds:
    """Publishes what one core does to one realm.

    :ivar shuffler: puts the rows of books in arbitrary order.
    """

    core: Core
    realm: Realm
    faults: Faults
    world: WorldClock
    shuffler: random.Random
    published: dict[str, BookSnapshot] = field(factory=dict)
    safe_prices: dict[str, SafePrice] = field(factory=dict)
    _hashes: dict[str, str] = field(factory=dict)
    _matched: set[str] = field(factory=set)
    _engine_trade: int = 0
    _timer: IDelayedCall | None = None
    _unsubscribe: Callable[[], None] | None = None

    def start(self) -> None:
        """Listen to the core, publish everything, and again every ten minutes of the world's time."""
        self.safe_prices.update({ticker: SafePrice() for ticker in self.core.pairs if ticker not in self.safe_prices})
        self._unsubscribe = self.core.subscribe(self.on_event)
        self._republish()

    def stop(self) -> None:
        """Stop listening and publishing."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def forget(self) -> None:
        """The books are unknown until they are published again, as after a restart."""
        self.published.clear()

    def _republish(self) -> None:
        self._timer = self.world.call_later(REPUBLISH, self._republish)
        for ticker in self.core.pairs:
            self._book(self.core.book(ticker))
            self._safe_price(ticker)

    def on_event(self, event: Event) -> None:
        """Publish one event of the core."""
        if isinstance(event, BookChanged):
            self._book(event.book)
            if event.contract in self._matched:
                self._matched.discard(event.contract)
                self._safe_price(event.contract)
        elif isinstance(event, Matched):
            match = event.match
            self.safe_prices[match.contract].add(match.price, match.quantity, match.timestamp)
            self._engine_trade = match.trade_id
            self._matched.add(match.contract)
        elif isinstance(event, Traded):
            self._trade(event.trade)
        elif isinstance(event, BarClosed):
            self._market("ohlcv", event.bar.contract, lambda: bar_document(event.bar))
        else:
            self._on_own_event(event)

    def _on_own_event(self, event: Event) -> None:
        if isinstance(event, OrderChanged):
            self._user("orders", event.order.account, lambda: order_document(event.order))
        elif isinstance(event, Posted):
            self._user("transactions", event.posting.account, lambda: posting_document(event.posting))
        elif isinstance(event, Filled):
            self._user("fills", event.fill.account, lambda: fill_document(event.fill))

    def _trade(self, trade: Trade) -> None:
        if trade.id > self._engine_trade:  # printed by a market driver: no match of ours has counted it in yet
            self.safe_prices[trade.contract].add(trade.price, trade.quantity, trade.timestamp)
            self._safe_price(trade.contract)
        self._market("trades", trade.contract, lambda: trade_document(trade))

    def _book(self, book: BookSnapshot) -> None:
        self.published[book.contract] = book
        self._market("book", book.contract, lambda: book_document(book, self.shuffler))

    def _safe_price(self, ticker: str) -> None:
        self._market("safe_prices", ticker, lambda: self.safe_prices[ticker].price)

    def _market(self, kind: str, ticker: str, payload: Callable[[], object]) -> None:
        self._publish(f"feeds.market.{kind}.{_topic_of(ticker)}", payload)

    def _user(self, kind: str, account: str, payload: Callable[[], object]) -> None:
        owner = self._hashes.get(account)
        if owner is None:
            owner = self._hashes[account] = user_hash(account)
        self._publish(f"feeds.user.{kind}.{owner}", payload)

    def _publish(self, topic: str, payload: Callable[[], object]) -> None:
        if self.realm.listened(topic):
            document = payload()
            for _ in range(self.faults.copies(topic)):
                self.realm.publish(topic, document)
