"""A venue in a dry run: its data are real, our orders and balances exist here only.

What is public comes from a real client that has no key: books, trades, histories, markets, the connection.  What is the
account's own is simulated by `ilp.simulation.live_core` behind the connection of `ilp.simulation.session`, whose latency
every request and every answer takes.  So nothing can reach the venue that is not a question about its market; `Window` is
all that is left of the client.

Where the account's own holdings are to be the start, a second client with the key reads them once and leaves; `Purse` is
all that is left of that one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from attrs import field, frozen
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall
from zope.interface import implementer

from clients.calls import deferring, reported
from clients.events import Emitter
from clients.exchange import (
    OHLCV,
    Book,
    BookRow,
    ExchangeError,
    Fill,
    IExchange,
    Market,
    Order,
    Period,
    Position,
    Refused,
    Side,
    Trade,
    Transaction,
    Transfer,
    Unreachable,
)
from ilp.simulation.inprocess import EVERYTHING, SimulatedExchange
from ilp.simulation.live_core import OWN, LiveCore, live_core
from ilp.simulation.records import BookChanged, Event, Traded
from ilp.simulation.session import Conditions

__all__ = ["DryExchange", "Purse", "Window"]

_BEFORE = timedelta(days=1)  # how long before its first connection the account got what it has
_DEADLINE = 10.0  # seconds of the reactor for a call to what is simulated, its latency besides
_AGAIN = 5.0  # seconds of the reactor until the account is opened again, where something it needs did not answer


@frozen
class Window:
    """All that a dry run sees of a venue: questions about its market."""

    _client: Any = field(repr=False)

    @property
    def name(self) -> str:
        """How errors and logs call the venue."""
        return str(self._client.name)

    @property
    def features(self) -> frozenset[str]:
        """What the venue has, for those who have an account there."""
        return frozenset(self._client.features) - {"public_only"}

    def on(self, event: str, f: Callable[..., Any]) -> None:
        """Listen to an event."""
        self._client.on(event, f)

    def connect(self) -> Deferred[None]:
        """Connect, and stay connected."""
        found: Deferred[None] = self._client.connect()
        return found

    def disconnect(self) -> Deferred[None]:
        """Close in order."""
        found: Deferred[None] = self._client.disconnect()
        return found

    def getMarkets(self) -> Deferred[Mapping[str, Market]]:
        """See `IExchange`."""
        found: Deferred[Mapping[str, Market]] = self._client.getMarkets()
        return found

    def getOrderBook(self, ticker: str) -> Deferred[Book]:
        """See `IExchange`."""
        found: Deferred[Book] = self._client.getOrderBook(ticker)
        return found

    def getTradeHistory(self, ticker: str, start: datetime, end: datetime) -> Deferred[list[Trade]]:
        """See `IExchange`."""
        found: Deferred[list[Trade]] = self._client.getTradeHistory(ticker, start, end)
        return found

    def getOHLCVHistory(
        self, ticker: str, period: Period, start: datetime, end: datetime
    ) -> Deferred[dict[datetime, OHLCV]]:
        """See `IExchange`."""
        found: Deferred[dict[datetime, OHLCV]] = self._client.getOHLCVHistory(ticker, period, start, end)
        return found

    def round_bid(self, ticker: str, price: Decimal) -> Decimal:
        """See `IExchange`."""
        rounded: Decimal = self._client.round_bid(ticker, price)
        return rounded

    def round_ask(self, ticker: str, price: Decimal) -> Decimal:
        """See `IExchange`."""
        rounded: Decimal = self._client.round_ask(ticker, price)
        return rounded

    def round_quantity(self, ticker: str, quantity: Decimal) -> Decimal:
        """See `IExchange`."""
        rounded: Decimal = self._client.round_quantity(ticker, quantity)
        return rounded


@frozen
class Purse:
    """All that a dry run asks of an account: what it holds, once."""

    _client: Any = field(repr=False)

    def read(self) -> Deferred[dict[str, Decimal]]:
        """Holdings by currency; the client is left disconnected, whatever comes of it."""
        return Deferred.fromCoroutine(self._read())

    async def _read(self) -> dict[str, Decimal]:
        try:
            await self._client.connect()
            positions: Mapping[str, Position] = await self._client.getPositions()
        finally:
            await self._client.disconnect()
        return {ticker: position["position"] for ticker, position in positions.items()}


class _Account(SimulatedExchange):
    """The account's own side: the market's events are the real venue's to tell."""

    def _heard(self, event: Event) -> None:
        if not isinstance(event, BookChanged | Traded):
            super()._heard(event)

    def _tell_all(self) -> None:
        self._dirty.update(self.core.currencies)
        self._tell_positions()


@implementer(IExchange)
class DryExchange(Emitter):
    """A venue whose data are real and at which we have nothing.

    :param client: a client of the venue without a key.
    :param fees: what a trade costs, by pair that is traded, as a fraction.
    :param balances: what the account begins with: human units by currency, or what tells them when the venue is there.
    :param latency: reactor seconds that a request takes, and its answer besides.
    :param made: told of the core as soon as there is one.
    :ivar core: what is simulated; None before the first connection.
    """

    def __init__(
        self,
        client: Any,
        *,
        fees: Mapping[str, Decimal],
        balances: Mapping[str, Decimal] | Callable[[], Awaitable[Mapping[str, Decimal]]],
        latency: float,
        reactor: Any,
        now: Callable[[], datetime],
        random: Random | None = None,
        made: Callable[[LiveCore], object] = lambda core: None,
    ) -> None:
        super().__init__()
        self._venue = Window(client)
        self.name = self._venue.name
        self.features = self._venue.features & EVERYTHING
        self._fees, self._balances, self._made = dict(fees), balances, made
        self._conditions = Conditions(latency=latency, deadline=_DEADLINE + 2 * latency)
        self._reactor, self._now, self._random = reactor, now, random or Random()
        self.core: LiveCore | None = None
        self._account: _Account | None = None
        self._ready = False
        self._preparing: Deferred[None] | None = None
        self._again: IDelayedCall | None = None
        self._waiting: list[Deferred[None]] = []
        self._books: dict[str, Book] = {}
        for event, f in (
            ("connect", lambda _: self._prepare()),
            ("disconnect", lambda _: self._lost()),
            ("alive", lambda _, *kinds: self._tell("alive", self, *kinds)),
            ("book", self._on_book),
            ("trade", self._on_trade),
            ("error", lambda error: self.announce("error", error)),
        ):
            self._venue.on(event, f)

    # ------------------------------------------------------------------------------------------------ connection

    @deferring
    async def connect(self) -> None:
        """See `IExchange`.  Ready means: the venue's data are there, and the account has what it begins with."""
        if self._ready:
            return
        ready: Deferred[None] = Deferred()
        self._waiting.append(ready)
        try:
            await self._venue.connect()
        except ExchangeError as error:
            self._end_waiting(error)
        await ready

    @deferring
    async def disconnect(self) -> None:
        """See `IExchange`."""
        self._give_up()
        self._end_waiting(Unreachable(self.name, "connecting", "disconnected on request"))
        await self._venue.disconnect()
        if self._account is not None:
            await self._account.disconnect()

    def _prepare(self) -> None:
        """The venue is there; its first word is kept until the account is, too."""
        self._give_up()
        self._books.clear()
        self._begin()

    def _begin(self) -> None:
        self._again = None
        self._preparing = preparing = Deferred.fromCoroutine(self._prepared())
        preparing.addErrback(self._unprepared)
        reported(preparing, lambda error: self.announce("error", error))

    async def _prepared(self) -> None:
        if self.core is None:
            await self._open_account()
        assert self._account is not None  # opened with the core
        await self._account.connect()
        self._preparing, self._ready = None, True
        self.announce("connect", self)
        self._end_waiting(None)
        for book in tuple(self._books.values()):
            self._on_book(book["contract"], book)
        for ticker, position in (await self._account.getPositions()).items():
            self._tell("position", ticker, position)

    async def _open_account(self) -> None:
        markets = await self._venue.getMarkets()
        told = self._balances if isinstance(self._balances, Mapping) else await self._balances()
        traded = {name for ticker in self._fees for name in ticker.split("/")}
        balances = {ticker: told.get(ticker, Decimal(0)) for ticker in sorted(traded)}
        began = self._now() - _BEFORE
        try:
            self.core = live_core(self._now, markets, self._fees, balances, began, venue=self.name)
        except ValueError as error:
            raise Refused(self.name, "opening the account of the dry run", str(error)) from None
        self._account = account = _Account(
            self.core,
            OWN,
            self._reactor,
            name=self.name,
            features=self.features,
            conditions=self._conditions,
            random=self._random,
        )
        account.on("order", self._on_order)
        account.on("fill", lambda fill: self._tell("fill", fill))
        account.on("position", lambda ticker, position: self._tell("position", ticker, position))
        self._made(self.core)

    def _unprepared(self, failure: Any) -> Any:
        self._preparing = None
        if failure.check(Unreachable):
            self._again = self._reactor.callLater(_AGAIN, self._begin)
        if isinstance(failure.value, ExchangeError):
            self._end_waiting(failure.value)
        return failure

    def _give_up(self) -> None:
        """Open no account any more."""
        if self._preparing is not None:
            self._preparing.cancel()
        if self._again is not None:
            self._again.cancel()
        self._preparing = self._again = None

    def _end_waiting(self, error: Exception | None) -> None:
        waiting, self._waiting = self._waiting, []
        for ready in waiting:
            if error is None:
                ready.callback(None)
            else:
                ready.errback(error)

    def _lost(self) -> None:
        """The data are gone: nothing is told any more, and orders rest where they are."""
        self._give_up()
        if self._ready:
            self._ready = False
            self.announce("disconnect", self)

    def _tell(self, event: str, *arguments: Any) -> None:
        if self._ready:
            self.announce(event, *arguments)

    # ------------------------------------------------------------------------------------------------ events

    def _on_book(self, ticker: str, book: Book) -> None:
        self._books[ticker] = book
        if self._ready and self.core is not None and ticker in self.core.pairs:
            self.core.follow(book)
            self._tell("book", ticker, self._with_own(book))

    def _on_trade(self, trade: Trade) -> None:
        ticker = trade["contract"]
        if self._ready and self.core is not None and ticker in self.core.pairs:
            self.core.printed(ticker, trade["price"], trade["quantity"], trade["timestamp"])
        self._tell("trade", trade)

    def _on_order(self, order: Order) -> None:
        self._tell("order", order)
        book = self._books.get(order["contract"])
        if book is not None:
            self._tell("book", order["contract"], self._with_own(book))

    def _with_own(self, book: Book) -> Book:
        """The live book as it would be if our orders were in it."""
        assert self.core is not None  # asked only while there is one
        pair = self.core.pairs[book["contract"]]
        own: dict[Side, dict[Decimal, Decimal]] = {side: {} for side in Side}
        for order in self.core.open_orders(OWN):
            if order.contract == pair.ticker:
                price, left = pair.price(order.price), pair.quantity(order.quantity_left)
                own[order.side][price] = own[order.side].get(price, Decimal(0)) + left
        return {
            "contract": book["contract"],
            "bids": _merged(book["bids"], own[Side.BUY], best_is_highest=True),
            "asks": _merged(book["asks"], own[Side.SELL], best_is_highest=False),
        }

    # ------------------------------------------------------------------------------------------------ the market

    def getMarkets(self) -> Deferred[Mapping[str, Market]]:
        """See `IExchange`."""
        return self._venue.getMarkets()

    @deferring
    async def getOrderBook(self, ticker: str) -> Book:
        """See `IExchange`.  With our orders in it."""
        book = await self._venue.getOrderBook(ticker)
        if not self._ready or self.core is None or ticker not in self.core.pairs:
            return book
        self._books[ticker] = book
        self.core.follow(book)
        return self._with_own(book)

    def getTradeHistory(self, ticker: str, start: datetime, end: datetime) -> Deferred[list[Trade]]:
        """See `IExchange`."""
        return self._venue.getTradeHistory(ticker, start, end)

    def getOHLCVHistory(
        self, ticker: str, period: Period, start: datetime, end: datetime
    ) -> Deferred[dict[datetime, OHLCV]]:
        """See `IExchange`."""
        return self._venue.getOHLCVHistory(ticker, period, start, end)

    def round_bid(self, ticker: str, price: Decimal) -> Decimal:
        """See `IExchange`."""
        return self._venue.round_bid(ticker, price)

    def round_ask(self, ticker: str, price: Decimal) -> Decimal:
        """See `IExchange`."""
        return self._venue.round_ask(ticker, price)

    def round_quantity(self, ticker: str, quantity: Decimal) -> Decimal:
        """See `IExchange`."""
        return self._venue.round_quantity(ticker, quantity)

    # ------------------------------------------------------------------------------------------------ the account

    def _ask(self, doing: str, call: Callable[[_Account], Deferred[Any]]) -> Deferred[Any]:
        """Ask what is simulated, while the venue is there."""
        if not self._ready or self._account is None:
            return fail(Unreachable(self.name, doing, "not connected; nothing was sent"))
        return call(self._account)

    def getPositions(self) -> Deferred[dict[str, Position]]:
        """See `IExchange`."""
        return self._ask("reading positions", lambda account: account.getPositions())

    def getCurrentAddress(self, ticker: str) -> Deferred[str]:
        """See `IExchange`.  An address that exists here only."""
        return self._ask(f"address of {ticker}", lambda account: account.getCurrentAddress(ticker))

    def getNewAddress(self, ticker: str) -> Deferred[str]:
        """See `IExchange`.  An address that exists here only."""
        return self._ask(f"new address of {ticker}", lambda account: account.getNewAddress(ticker))

    def requestWithdrawal(self, ticker: str, amount: Decimal, address: str) -> Deferred[str]:
        """See `IExchange`.  Nothing leaves but what exists here."""
        doing = f"withdrawing {amount} {ticker}"
        return self._ask(doing, lambda account: account.requestWithdrawal(ticker, amount, address))

    def placeOrder(
        self,
        ticker: str,
        quantity: Decimal,
        price: Decimal,
        side: Side | str,
        *,
        post_only: bool = False,
        immediate: bool = False,
        client_id: str | None = None,
        urgent: bool = False,
    ) -> Deferred[str]:
        """See `IExchange`."""
        return self._ask(
            f"placing {side} {quantity} {ticker} at {price}",
            lambda account: account.placeOrder(
                ticker, quantity, price, side, post_only=post_only, immediate=immediate, client_id=client_id
            ),
        )

    def cancelOrder(self, id: str) -> Deferred[bool]:
        """See `IExchange`."""
        return self._ask(f"cancelling {id}", lambda account: account.cancelOrder(id))

    def cancelAllOrders(self, ticker: str | None = None) -> Deferred[Sequence[str]]:
        """See `IExchange`."""
        return self._ask("cancelling all orders", lambda account: account.cancelAllOrders(ticker))

    def amendOrder(self, id: str, quantity: Decimal | None = None, price: Decimal | None = None) -> Deferred[bool]:
        """See `IExchange`."""
        return self._ask(f"amending {id}", lambda account: account.amendOrder(id, quantity, price))

    def getOpenOrders(self) -> Deferred[dict[str, Order]]:
        """See `IExchange`."""
        return self._ask("reading open orders", lambda account: account.getOpenOrders())

    def getOrder(self, id: str | None = None, client_id: str | None = None) -> Deferred[Order]:
        """See `IExchange`."""
        return self._ask(f"looking up {id or client_id}", lambda account: account.getOrder(id, client_id))

    def getFills(self, start: datetime, end: datetime) -> Deferred[list[Fill]]:
        """See `IExchange`."""
        return self._ask("reading fills", lambda account: account.getFills(start, end))

    def getTransfers(self, start: datetime, end: datetime) -> Deferred[list[Transfer]]:
        """See `IExchange`."""
        return self._ask("reading transfers", lambda account: account.getTransfers(start, end))

    def getTransactionHistory(self, start: datetime, end: datetime) -> Deferred[list[Transaction]]:
        """See `IExchange`."""
        return self._ask("reading transactions", lambda account: account.getTransactionHistory(start, end))

    def cancelAllAfter(self, seconds: float) -> Deferred[None]:
        """See `IExchange`."""
        return self._ask(f"cancel all after {seconds:g} s", lambda account: account.cancelAllAfter(seconds))


def _merged(rows: Sequence[BookRow], own: dict[Decimal, Decimal], *, best_is_highest: bool) -> list[BookRow]:
    """Rows with *own* quantities by price put among them."""
    if not own:
        return list(rows)
    found = {row["price"]: row["quantity"] for row in rows}
    for price, quantity in own.items():
        found[price] = found.get(price, Decimal(0)) + quantity
    return [{"price": price, "quantity": found[price]} for price in sorted(found, reverse=best_is_highest)]
