"""Keeps the picture of an account and its markets true over ccxt while one session lasts.

Streams where ccxt has them, reads every `poll` seconds where not.  A session ends when a stream fails or when reads are
not answered any more; then everything is read anew by the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Any

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from clients.budget import Priority
from clients.calls import reported
from clients.ccxt_account import Account
from clients.ccxt_calls import Calls
from clients.ccxt_errors import About
from clients.ccxt_options import Options
from clients.ccxt_quirks import Quirk
from clients.ccxt_records import book_of, fill_of, millis, order_of, positions_of, trade_of
from clients.deadman import DeadMan
from clients.exchange import (
    Book,
    ExchangeError,
    Fill,
    Order,
    OrderRejected,
    OutcomeUnknown,
    Position,
    Trade,
    UnknownOrder,
    Unreachable,
)
from clients.provisional import Provisional, placed
from clients.reread import Reread

__all__ = ["Live"]

_BEGINNING_S = 0.3
_ENOUGH_TRADES = 5000


@define(eq=False)
class Live:
    """One session.

    :ivar exchange: the ccxt object, of this session only.
    :ivar since: fills from then on are told; older ones happened before this client was made.
    :ivar ended: called once when the session cannot go on.
    """

    venue: str
    exchange: Any
    calls: Calls
    quirk: Quirk
    options: Options
    clock: Any
    account: Account
    private: bool
    since: datetime
    tell: Callable[..., None]
    trouble: Callable[[Exception], None]
    ended: Callable[[Exception], None]
    books: dict[str, Book] = field(factory=dict)
    positions: dict[str, Position] = field(factory=dict)
    dead_man: DeadMan = field(init=False)
    _loops: list[Deferred[None]] = field(init=False, factory=list)
    _stopped: bool = field(init=False, default=False)
    _heard_at: float = field(init=False, default=0.0)
    _ready: bool = field(init=False, default=False)
    _held: list[tuple[str, tuple[Any, ...]]] = field(init=False, factory=list)
    _trade_ids: dict[str, set[str]] = field(init=False, factory=dict)
    _read_orders: Reread = field(init=False)
    _read_money: Reread = field(init=False)

    def __attrs_post_init__(self) -> None:
        period = self.options.reread
        self._read_orders = Reread(self.clock, self._check_orders, self.trouble, delay=0.3, period=period)
        self._read_money = Reread(self.clock, self._check_money, self.trouble, delay=0.3, period=period)
        seconds = self.options.dead_man if self.has("cancelAllOrdersAfter") else 0.0
        self.dead_man = DeadMan(self.clock, seconds, self.arm, self.trouble)

    def has(self, name: str) -> bool:
        """Whether ccxt has a method for this exchange."""
        return self.exchange.has.get(name) in (True, "emulated")

    # ------------------------------------------------------------------------------------------------ the beginning

    async def prepare(self) -> None:
        """Read markets; begin the streams, then read books, orders and balances: what changes meanwhile is not missed."""
        await self.calls.ask("reading the markets", self.exchange.load_markets)
        for ticker in self.options.tickers:
            if ticker not in self.exchange.markets:
                raise Unreachable(self.venue, "reading the markets", f"{ticker} is not listed")
        if self.private:
            await self.read_positions()
            self._private_streams()
        for ticker in self.options.tickers:
            self._loop(self._follow("watchOrderBook", "fetchOrderBook", partial(self._book, ticker)))
            self._loop(self._follow("watchTrades", "fetchTrades", partial(self._market_trades, ticker)))
            await self.read_book(ticker)
        if self.private:
            await self.read_open_orders()
        await self.calls.ask("connecting the streams", self._connected)

    async def _connected(self) -> None:
        """Every WebSocket that ccxt is opening is open, or a moment has passed."""
        sockets = self.exchange.clients.values()
        opening = [asyncio.shield(socket.connected) for socket in sockets if socket.connecting]
        if opening:
            await asyncio.wait(opening, timeout=_BEGINNING_S)

    def _private_streams(self) -> None:
        self._loop(self._follow("watchOrders", "", self._orders))
        self._loop(self._follow("watchMyTrades", "fetchMyTrades", self._my_trades))
        self._loop(self._follow("watchBalance", "fetchBalance", self._balance))

    def begin(self) -> None:
        """Tell the state as it was read, then what happened since; watch over it."""
        self._ready = True
        held, self._held = self._held, []
        for ticker, book in self.books.items():
            self.tell("book", ticker, book)
        for ticker, position in self.positions.items():
            self.tell("position", ticker, position)
        for event, arguments in held:
            self.tell(event, *arguments)
        self._loop(self._heartbeat())
        self._loop(self._catch_up())
        if self.private:
            self._read_orders.start()
            self._read_money.start()
            if not self.has("watchOrders"):
                self._loop(self._repeat(self._check_orders))
            self.dead_man.watch(bool(self.account.open_orders()))

    def _order(self, row: Any) -> Order:
        order = order_of(row, self.quirk.order_cost)
        order["client_id"] = self.quirk.from_wire(order.get("client_id"))
        return order

    def _say(self, event: str, *arguments: Any) -> None:
        if self._ready:
            self.tell(event, *arguments)
        else:
            self._held.append((event, arguments))

    def look_soon(self) -> None:
        """Something changed: orders and money are read soon, whatever the streams tell."""
        self._read_orders.request()
        self._read_money.request()

    async def _catch_up(self) -> None:
        """Once, a moment later: what happened while the streams were being begun; ccxt does not tell when they stand."""
        await deferLater(self.clock, _BEGINNING_S)
        await self._tolerated(self._read_what_happened)

    async def _read_what_happened(self) -> None:
        for ticker in self.options.tickers:
            if self.has("fetchTrades"):
                await self._market_trades(ticker, stream=False)
        if self.private:
            if self.has("fetchMyTrades"):
                await self._my_trades(stream=False)
            self.look_soon()

    def stop(self) -> None:
        """The session is over; no timer is left behind."""
        self._stopped, self._ready = True, False
        self._read_orders.stop()
        self._read_money.stop()
        self.dead_man.stop()
        loops, self._loops = self._loops, []
        for loop in loops:
            loop.cancel()

    def _loop(self, work: Any) -> None:
        loop = Deferred.fromCoroutine(work)
        self._loops.append(loop)
        loop.addErrback(self._broken)
        reported(loop, self.trouble)

    def _broken(self, failure: Failure) -> None:
        if failure.check(CancelledError) or self._stopped:
            return
        error = failure.value
        self.ended(error if isinstance(error, Exception) else RuntimeError(str(error)))

    async def _follow(self, stream: str, read: str, once: Callable[[], Awaitable[None]]) -> None:
        """Repeat a stream's next message, or a read with pauses; *once* does either, by what ccxt has."""
        if self.has(stream):
            while not self._stopped:
                await once()
                self._heard()
        elif read and self.has(read):
            await self._repeat(once)

    async def _repeat(self, work: Callable[[], Awaitable[None]]) -> None:
        while not self._stopped:
            await self._tolerated(work)
            await deferLater(self.clock, self.options.poll)

    async def _tolerated(self, work: Callable[[], Awaitable[None]]) -> None:
        """A read that may fail: it is repeated, and a venue that answers nothing is noticed by the heartbeat."""
        try:
            await work()
        except Unreachable as error:
            self.trouble(error)
        else:
            self._heard()

    def _heard(self) -> None:
        # No `alive`: an answer, or a message of one stream, says nothing of what another read or stream last told.
        self._heard_at = self.clock.seconds()

    async def _heartbeat(self) -> None:
        """A read now and then shows that the venue is there, and the books are told by it, changed or not."""
        self._heard_at = self.clock.seconds()
        while not self._stopped:
            await deferLater(self.clock, self.options.ping_interval)
            reading = Deferred.fromCoroutine(self._tolerated(self._confirm))
            reading.addTimeout(self.options.ping_timeout, self.clock, lambda *_: None)
            await reading
            quiet = self.clock.seconds() - self._heard_at
            if quiet > self.options.ping_interval + self.options.ping_timeout:
                raise Unreachable(self.venue, "asking for a sign of life", f"nothing heard for {quiet:.1f} s")

    async def _confirm(self) -> None:
        for ticker in self.options.tickers:
            await self._tell_read(ticker)
        if not self.options.tickers:
            await self.calls.ask("asking for a sign of life", self._sign_of_life)

    async def _sign_of_life(self) -> None:
        await (self.exchange.fetch_time() if self.has("fetchTime") else self.exchange.fetch_markets())

    # ------------------------------------------------------------------------------------------------ streams

    async def _stream(self, doing: str, work: Callable[[], Awaitable[Any]]) -> Any:
        """The next message of a stream: no deadline and no budget."""

        async def run() -> Any:
            return await work()

        try:
            return await self.calls.runner.call(run())
        except CancelledError:
            raise
        except Exception as error:
            raise self.calls.translated(doing, error, About.READ) from error

    async def _book(self, ticker: str) -> None:
        if not self.has("watchOrderBook"):
            await self._tell_read(ticker)
            return

        async def watch() -> Book:
            return book_of(ticker, await self.exchange.watch_order_book(ticker), int(self.options.depth))

        self._tell_book(ticker, await self._stream(f"watching the book of {ticker}", watch))

    async def _tell_read(self, ticker: str) -> None:
        """Read a book and tell it; what the stream has told since the reading began is newer, and has confirmed the book."""
        before = self.books.get(ticker)
        book = await self.read_book(ticker)
        if self.books.get(ticker) is before:
            self._tell_book(ticker, book)

    def _tell_book(self, ticker: str, book: Book) -> None:
        """Unchanged ones too: nothing else confirms a book."""
        self.books[ticker] = book
        if self._ready:
            self.tell("book", ticker, book)

    async def _market_trades(self, ticker: str, stream: bool = True) -> None:
        streamed = stream and self.has("watchTrades")

        async def watch() -> list[tuple[str, Trade]]:
            rows = await (self.exchange.watch_trades if streamed else self.exchange.fetch_trades)(ticker)
            return [(str(row.get("id")), trade_of(row)) for row in rows]

        if streamed:
            trades = await self._stream(f"watching trades of {ticker}", watch)
        else:
            trades = await self.calls.ask(f"reading trades of {ticker}", watch, priority=Priority.BULK)
        told = self._trade_ids.setdefault(ticker, set())
        for id, trade in trades:
            if id not in told and trade["timestamp"] >= self.since:
                told.add(id)
                self._say("trade", trade)
        if len(told) > _ENOUGH_TRADES:
            self._trade_ids[ticker] = {id for id, _ in trades}

    async def _orders(self) -> None:
        async def watch() -> list[Order]:
            return [self._order(row) for row in await self.exchange.watch_orders()]

        for order in await self._stream("watching orders", watch):
            self.take_order(order)

    async def _my_trades(self, stream: bool = True) -> None:
        streamed = stream and self.has("watchMyTrades")

        async def watch() -> list[Fill]:
            if streamed:
                return [fill_of(row, self.quirk.fill_price) for row in await self.exchange.watch_my_trades()]
            rows = await self.exchange.fetch_my_trades(None, millis(self.since) - 1000)
            return [fill_of(row, self.quirk.fill_price) for row in rows]

        if streamed:
            fills = await self._stream("watching fills", watch)
        elif self.quirk.newest:
            fills = await self.newest_fills()
        else:
            fills = await self.calls.ask("reading fills", watch, private=True)
        for fill in fills:
            if fill["timestamp"] >= self.since and self.account.is_new(fill):
                self._say("fill", fill)
                self.look_soon()

    async def _balance(self) -> None:
        async def watch() -> dict[str, Position]:
            if self.has("watchBalance"):
                return positions_of(await self.exchange.watch_balance())
            return positions_of(await self.exchange.fetch_balance())

        if not self.has("watchBalance"):
            self._take_positions(await self.calls.ask("reading positions", watch, private=True))
            return
        # What streams tell of what is held by orders differs between exchanges: it is read instead.
        await self._stream("watching balances", watch)
        self._read_money.request()

    def _take_positions(self, positions: dict[str, Position]) -> None:
        before, self.positions = self.positions, positions
        if self._ready:
            for ticker, position in positions.items():
                if position != before.get(ticker):
                    self.tell("position", ticker, position)

    # ------------------------------------------------------------------------------------------------ orders

    def take_order(self, order: Order) -> None:
        """What a stream or a read tells of an order; one that may be on its way is kept until its id is told."""
        known = order["id"] in self.account.orders
        if not known and self.account.provisional:
            claimant = next((p for p in self.account.provisional if p.client_id == order.get("client_id")), None)
            # One that ended without a fill may have been a refusal: that is for the answer to say.
            vanished = order["is_cancelled"] and not order["quantity_filled"]
            if claimant is not None and not vanished:
                self.account.settle(claimant, order["id"])
            else:
                self.account.early.append(order)
                return
        merged = self.account.merge(order)
        if merged is None:
            return
        self._say("order", merged)
        if self._ready:
            self.dead_man.watch(bool(self.account.open_orders()))
            self._read_money.request()

    def release(self) -> None:
        """Tell what came too early, once no order is on its way any more."""
        if not self.account.provisional:
            early, self.account.early = self.account.early, []
            for order in early:
                self.take_order(order)

    def place(
        self,
        ticker: str,
        client_id: str,
        work: Callable[[], Awaitable[Any]],
        doing: str,
        priority: Priority,
        *,
        may_vanish: bool = False,
    ) -> Deferred[str]:
        """Send an order once; fires with its id as soon as the answer, the stream or a lookup tells it.

        :param may_vanish: an answer that shows it cancelled without a fill is no refusal.
        """
        order = self.account.begin(ticker, client_id)
        self.dead_man.watch(True)
        return placed(
            order, self._send(order, work, doing, priority, may_vanish), self.account.settle, self.trouble, self.release
        )

    async def _send(
        self, order: Provisional, work: Callable[[], Awaitable[Any]], doing: str, priority: Priority, may_vanish: bool
    ) -> None:
        async def run() -> Order:
            return self._order(await work())

        try:
            row = await self.calls.ask(doing, run, about=About.PLACE, priority=priority, private=True)
        except OutcomeUnknown as doubt:
            if order.order_id is None:
                await self._recover(order, doing, doubt)
            return
        if row["is_cancelled"] and not row["quantity_filled"] and not may_vanish:
            raise OrderRejected(self.venue, doing, "the venue took it and cancelled it at once")
        self.account.settle(order, row["id"])
        if row["contract"] and row["quantity"]:
            self.take_order(row)
        if not self.has("watchOrders"):
            self._read_orders.request()

    async def _recover(self, order: Provisional, doing: str, doubt: OutcomeUnknown) -> None:
        found = None
        if order.client_id:
            try:
                found = await self.find_by_client_id(f"{doing}: looking for it", order.ticker, order.client_id)
            except (ExchangeError, NotImplementedError):
                found = None
        if found is None:
            if order.order_id is None:
                self._read_orders.request()
                raise doubt
            return
        self.account.settle(order, found["id"])

    # ------------------------------------------------------------------------------------------------ reads

    async def read_book(self, ticker: str) -> Book:
        """The book, freshly read."""

        async def read() -> Book:
            return book_of(ticker, await self.exchange.fetch_order_book(ticker), int(self.options.depth))

        before = self.books.get(ticker)
        book = await self.calls.ask(f"reading the book of {ticker}", read)
        if ticker in self.options.tickers and not self._ready and self.books.get(ticker) is before:
            self.books[ticker] = book
        return book

    async def newest_fills(self) -> list[Fill]:
        """The newest own trades of the pairs that are followed, where an exchange tells no others."""

        async def read(ticker: str) -> list[Fill]:
            rows = await self.exchange.fetch_my_trades(ticker, None, self.quirk.newest)
            return [fill_of(row, self.quirk.fill_price) for row in rows]

        found: list[Fill] = []
        for ticker in self.options.tickers:
            found += await self.calls.ask(f"reading fills of {ticker}", partial(read, ticker), private=True)
        return found

    async def read_positions(self) -> dict[str, Position]:
        """Holdings, freshly read."""

        async def read() -> dict[str, Position]:
            return positions_of(await self.exchange.fetch_balance())

        positions = await self.calls.ask("reading positions", read, private=True)
        self._take_positions(positions)
        return positions

    async def read_open_orders(self) -> list[Order]:
        """Open orders, freshly read; those that were open here and are not any more are looked up."""
        asked_about = [order["id"] for order in self.account.open_orders()]

        async def read(*asked: Any) -> list[Order]:
            return [self._order(row) for row in await self.exchange.fetch_open_orders(*asked)]

        newest = self.quirk.newest
        pages: list[tuple[Any, ...]] = [(ticker, None, newest) for ticker in self.options.tickers] if newest else [()]
        listed: list[Order] = []
        for asked in pages:
            listed += await self.calls.ask("reading open orders", partial(read, *asked), private=True)
        for order in listed:
            self.take_order(order)
        ids = {order["id"] for order in listed}
        for id in asked_about:
            if id not in ids and not self.account.orders[id]["final"]:
                await self.find_order("looking up an order", id)
        return [
            self.account.orders[id] for id in ids if id in self.account.orders and not self.account.orders[id]["final"]
        ]

    async def find_order(self, doing: str, id: str) -> Order | None:
        """One order; None when the venue never had it."""
        known = self.account.orders.get(id)
        symbol = known["contract"] if known is not None else next(iter(self.options.tickers), None)

        async def read() -> Order:
            return self._order(await self.exchange.fetch_order(id, symbol))

        try:
            found = await self.calls.ask(doing, read, private=True)
        except UnknownOrder:
            return None
        self.take_order(found)
        return self.account.orders.get(id, found)

    async def find_by_client_id(self, doing: str, ticker: str | None, client_id: str) -> Order | None:
        """The newest order with a client id among the open and the lately closed; None when there is none."""
        for method in ("fetch_open_orders", "fetch_closed_orders", "fetch_canceled_orders"):
            name = {"fetch_open_orders": "fetchOpenOrders", "fetch_closed_orders": "fetchClosedOrders"}.get(
                method, "fetchCanceledOrders"
            )
            if not self.has(name):
                continue

            async def read(method: str = method) -> list[Order]:
                return [self._order(row) for row in await getattr(self.exchange, method)(ticker)]

            rows = await self.calls.ask(doing, read, private=True)
            mine = [order for order in rows if order.get("client_id") == client_id]
            if mine:
                newest = max(mine, key=lambda order: order["timestamp"])
                self.take_order(newest)
                return self.account.orders.get(newest["id"], newest)
        return None

    async def _check_orders(self) -> None:
        await self.read_open_orders()

    async def _check_money(self) -> None:
        await self.read_positions()

    async def arm(self, seconds: float) -> None:
        """The dead man's switch."""

        async def send() -> Any:
            return await self.exchange.cancel_all_orders_after(int(seconds * 1000))

        doing = "renewing the dead man's switch"
        await self.calls.ask(doing, send, about=About.OTHER, priority=Priority.CANCEL, private=True)
