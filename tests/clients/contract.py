"""What every client must do against its venue: one suite for all of them.

A test case mixes in `ExchangeContract` (methods, events, errors) and `ConnectionContract` (lines that are cut, silent,
slow, doubled or full of garbage) and says in `start_bench` how to start its venue.  What a venue lacks is declared in the
client's `features` and asserted here: nothing is skipped.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from decimal import Decimal
from functools import wraps
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from zope.interface.verify import verifyObject

from clients.exchange import (
    ExchangeError,
    IExchange,
    InsufficientFunds,
    NotAuthorised,
    OrderRejected,
    OutcomeUnknown,
    RateLimited,
    Refused,
    Side,
    UnknownOrder,
    Unreachable,
)

__all__ = ["Bench", "ConnectionContract", "ExchangeContract", "Recorder", "asynchronous", "eventually"]

EVENTS = ("connect", "disconnect", "alive", "book", "trade", "order", "fill", "position", "error")
DAY = timedelta(days=1)
ORDER_KEYS = {"id", "contract", "price", "quantity", "quantity_left", "side", "timestamp", "is_cancelled"}


def asynchronous(test: Callable[[Any], Awaitable[None]]) -> Callable[[Any], Deferred[None]]:
    """Let trial run a coroutine function."""

    @wraps(test)
    def run(self: Any) -> Deferred[None]:
        return Deferred.fromCoroutine(test(self))  # type: ignore[arg-type]

    return run


async def eventually(condition: Callable[[], Any], what: str, limit: float = 4.0) -> Any:
    """Wait until *condition* gives something true, and return that."""
    deadline = reactor.seconds() + limit  # type: ignore[attr-defined]
    while not (found := condition()):
        if reactor.seconds() > deadline:  # type: ignore[attr-defined]
            raise AssertionError(f"not within {limit:g} s: {what}")
        await deferLater(reactor, 0.005)  # type: ignore[arg-type]
    return found


class Recorder:
    """All events of a client, in order."""

    def __init__(self, client: Any) -> None:
        self.events: list[tuple[Any, ...]] = []
        for event in EVENTS:
            client.on(event, lambda *arguments, event=event: self.events.append((event, *arguments)))

    def names(self) -> list[str]:
        """What happened, without what it was about."""
        return [event[0] for event in self.events]

    def of(self, name: str) -> list[Any]:
        """The last argument of each event of that name."""
        return [event[-1] for event in self.events if event[0] == name]

    def clear(self) -> None:
        """Forget."""
        self.events.clear()

    async def until(self, name: str, true_of: Callable[[Any], bool] = lambda _: True) -> Any:
        """The first such event, already there or still to come."""
        return await eventually(
            lambda: next((event for event in self.of(name) if true_of(event)), None), f"a {name} event; {self.names()}"
        )


class Bench(ABC):
    """A venue under test: how to start it, trade against it and make it misbehave.

    :ivar pair: a pair to trade, `base` and `quote` its currencies; the accounts have plenty of both.
    :ivar low: a price on the tick far below, `high` far above, where nothing rests; one tick is `tick`.
    :ivar lot: the smallest quantity; orders of up to 100 of them can be paid for.
    """

    pair = "BTC/HUF"
    base = "BTC"
    quote = "HUF"
    low = Decimal(50000)
    high = Decimal(70000)
    tick = Decimal(1)
    lot = Decimal("0.01")

    @abstractmethod
    def client(self, **options: Any) -> Any:
        """A client of the account under test, quick to notice and to reconnect; *options* of its constructor."""

    @abstractmethod
    def stranger(self) -> Any:
        """A client whose credentials are wrong."""

    @abstractmethod
    def lost(self) -> Any:
        """A client of an address where nobody listens, with a short deadline."""

    @abstractmethod
    def now(self) -> datetime:
        """The venue's time."""

    @abstractmethod
    def trade(self, side: Side, quantity: Decimal, price: Decimal) -> str:
        """Somebody else places an order on `pair`; its id."""

    @abstractmethod
    def withdraw_liquidity(self, id: str) -> None:
        """Somebody else cancels that order."""

    @abstractmethod
    def deposit(self, ticker: str, amount: Decimal, address: str) -> None:
        """Money arrives at an address of the account under test."""

    @abstractmethod
    def orders_at_venue(self) -> int:
        """How many orders of the account under test rest, by the venue's own books."""

    @abstractmethod
    def refuse(self, error: type[ExchangeError]) -> None:
        """The next order is refused in a way that means *error*."""

    @abstractmethod
    async def stop(self) -> None:
        """Stop it all."""

    # -- faults of the line

    def drop_line(self) -> None:
        """Every connection is cut, now."""
        raise NotImplementedError

    def freeze(self, on: bool) -> None:
        """Nothing comes and nothing is heard, no pong either."""
        raise NotImplementedError

    def down(self, on: bool) -> None:
        """Connections are cut and refused."""
        raise NotImplementedError

    def lose_answer(self, call: str, effect: bool) -> None:
        """The next *call* (`place`, `cancel`, `withdraw`, `read`) is not answered; *effect*: it is carried out."""
        raise NotImplementedError

    def garble_answer(self, call: str) -> None:
        """The next *call* is carried out and answered with nonsense."""
        raise NotImplementedError

    def repeat_answers(self) -> None:
        """Each answer comes twice."""
        raise NotImplementedError

    def delay_answers(self, seconds: float) -> None:
        """Answers come late."""
        raise NotImplementedError

    def garbage(self) -> None:
        """Something unreadable arrives now."""
        raise NotImplementedError

    def drop_events(self, on: bool) -> None:
        """Own events are lost."""
        raise NotImplementedError

    def repeat_events(self) -> None:
        """Every event comes twice."""
        raise NotImplementedError

    def events_first(self) -> None:
        """Events about an order come before the answer to the call that caused them."""
        raise NotImplementedError


class ContractCase:
    """What both halves share; mixed into a `TestCase`."""

    timeout = 20
    bench: Bench

    async def start_bench(self) -> Bench:
        """Start the venue."""
        raise NotImplementedError

    @asynchronous
    async def setUp(self) -> None:
        self.bench = await self.start_bench()
        self.clients: list[Any] = []

    @asynchronous
    async def tearDown(self) -> None:
        for client in self.clients:
            await client.disconnect()
        await self.bench.stop()

    def made(self, client: Any) -> Any:
        """*client*, disconnected after the test; errors that nobody listens to stay out of the log."""
        client.on("error", lambda error: None)
        self.clients.append(client)
        return client

    async def connected(self, **options: Any) -> tuple[Any, Recorder]:
        """A client that is ready, and what it told since."""
        client = self.made(self.bench.client(**options))
        recorder = Recorder(client)
        await client.connect()
        return client, recorder

    async def failure(self, call: Deferred[Any], kind: type[BaseException]) -> Any:
        """The error that *call* fails with, which must be exactly of *kind*."""
        try:
            result = await call
        except Exception as error:
            assert type(error) is kind, f"{type(error).__name__} instead of {kind.__name__}: {error}"
            return error
        raise AssertionError(f"{kind.__name__} was expected; the call gave {result!r}")

    def rest(self, client: Any, side: Side = Side.BUY, lots: int = 2, ticks: int = 0) -> Deferred[str]:
        """Place an order that rests: a bid far below, an ask far above, nearer to the middle by *ticks*."""
        bench = self.bench
        price = bench.low + ticks * bench.tick if side is Side.BUY else bench.high - ticks * bench.tick
        placed: Deferred[str] = client.placeOrder(bench.pair, lots * bench.lot, price, side)
        return placed


class ExchangeContract(ContractCase):
    """Methods, events and errors of the uniform interface."""

    # ------------------------------------------------------------------------------------------------ connection

    @asynchronous
    async def test_it_offers_the_whole_interface(self) -> None:
        client = self.made(self.bench.client())
        assert verifyObject(IExchange, client)
        assert isinstance(client.features, frozenset)
        assert client.name

    @asynchronous
    async def test_connect_is_told_when_everything_was_read(self) -> None:
        self.bench.trade(Side.SELL, self.bench.lot, self.bench.high)
        client, recorder = await self.connected()
        assert recorder.names().count("connect") == 1
        book = await recorder.until("book", lambda book: book["asks"])
        assert book["asks"] == [{"price": self.bench.high, "quantity": self.bench.lot}]
        assert client.round_bid(self.bench.pair, self.bench.low) == self.bench.low

    @asynchronous
    async def test_calls_before_connect_are_unreachable(self) -> None:
        client = self.made(self.bench.client())
        await self.failure(client.getOrderBook(self.bench.pair), Unreachable)
        await self.failure(self.rest(client), Unreachable)

    @asynchronous
    async def test_wrong_credentials_are_not_authorised_and_not_tried_again(self) -> None:
        client = self.made(self.bench.stranger())
        recorder = Recorder(client)
        await self.failure(client.connect(), NotAuthorised)
        recorder.clear()
        await deferLater(reactor, 0.15)  # type: ignore[arg-type]
        assert recorder.names() == []

    @asynchronous
    async def test_nobody_there_is_unreachable_within_the_deadline(self) -> None:
        client = self.made(self.bench.lost())
        await self.failure(client.connect(), Unreachable)

    @asynchronous
    async def test_disconnect_is_told_and_ends_the_calls(self) -> None:
        client, recorder = await self.connected()
        await client.disconnect()
        assert recorder.names()[-1] == "disconnect"
        await self.failure(client.getPositions(), Unreachable)

    @asynchronous
    async def test_it_connects_again_after_disconnect(self) -> None:
        client, recorder = await self.connected()
        await client.disconnect()
        await client.connect()
        assert recorder.names().count("connect") == 2
        assert (await client.getOrderBook(self.bench.pair))["contract"] == self.bench.pair

    @asynchronous
    async def test_disconnect_without_connect_is_quiet(self) -> None:
        client = self.made(self.bench.client())
        recorder = Recorder(client)
        await client.disconnect()
        assert "disconnect" not in recorder.names()

    @asynchronous
    async def test_it_says_that_it_is_alive_while_nothing_happens(self) -> None:
        _, recorder = await self.connected()
        recorder.clear()
        await recorder.until("alive")

    @asynchronous
    async def test_a_listener_that_raises_does_not_break_it(self) -> None:
        client, recorder = await self.connected()

        def broken(*_: Any) -> None:
            raise ZeroDivisionError("a listener's own fault")

        client.on("order", broken)
        id = await self.rest(client)
        await recorder.until("error", lambda error: isinstance(error, ZeroDivisionError))
        client.remove_listener("order", broken)
        assert await client.cancelOrder(id) is True
        self.flushLoggedErrors(ZeroDivisionError)  # type: ignore[attr-defined]

    # ------------------------------------------------------------------------------------------------ markets

    @asynchronous
    async def test_markets_tell_steps_and_currencies(self) -> None:
        client, _ = await self.connected()
        market = (await client.getMarkets())[self.bench.pair]
        assert (market["kind"], market["base"], market["quote"]) == ("pair", self.bench.base, self.bench.quote)
        assert (market["tick_size"], market["lot_size"]) == (self.bench.tick, self.bench.lot)
        assert market["min_quantity"] > 0

    @asynchronous
    async def test_bids_round_down_and_asks_up(self) -> None:
        client, _ = await self.connected()
        bench = self.bench
        between = bench.low + bench.tick / 3
        assert client.round_bid(bench.pair, between) == bench.low
        assert client.round_ask(bench.pair, between) == bench.low + bench.tick
        assert client.round_quantity(bench.pair, bench.lot * Decimal("1.9")) == bench.lot

    @asynchronous
    async def test_the_book_is_sorted_best_first(self) -> None:
        client, _ = await self.connected()
        bench = self.bench
        for ticks in (2, 0, 1):
            bench.trade(Side.BUY, bench.lot, bench.low + ticks * bench.tick)
            bench.trade(Side.SELL, bench.lot, bench.high + ticks * bench.tick)
        book = await client.getOrderBook(bench.pair)
        assert [row["price"] for row in book["bids"]] == [bench.low + n * bench.tick for n in (2, 1, 0)]
        assert [row["price"] for row in book["asks"]] == [bench.high + n * bench.tick for n in (0, 1, 2)]
        assert all(isinstance(row["quantity"], Decimal) for row in [*book["bids"], *book["asks"]])

    @asynchronous
    async def test_each_change_of_the_book_is_told_completely(self) -> None:
        _, recorder = await self.connected()
        bench = self.bench
        bench.trade(Side.BUY, bench.lot, bench.low)
        first = bench.trade(Side.SELL, bench.lot, bench.high)
        await recorder.until("book", lambda book: book["bids"] and book["asks"])
        bench.withdraw_liquidity(first)
        book = await recorder.until("book", lambda book: book is recorder.of("book")[-1] and not book["asks"])
        assert book["bids"] == [{"price": bench.low, "quantity": bench.lot}]

    @asynchronous
    async def test_an_unknown_ticker_is_refused(self) -> None:
        client, _ = await self.connected()
        await self.failure(client.getOrderBook("BTC/NIL"), Refused)
        await self.failure(client.getTradeHistory("BTC/NIL", self.bench.now() - DAY, self.bench.now()), Refused)
        await self.failure(client.getCurrentAddress("NIL"), Refused)
        await self.failure(client.placeOrder("BTC/NIL", self.bench.lot, self.bench.low, "BUY"), OrderRejected)

    # ------------------------------------------------------------------------------------------------ orders

    @asynchronous
    async def test_a_placed_order_rests_and_is_told(self) -> None:
        client, recorder = await self.connected()
        id = await self.rest(client, lots=3)
        told = await recorder.until("order", lambda order: order["id"] == id)
        orders = await client.getOpenOrders()
        assert list(orders) == [id]
        for order in (told, orders[id]):
            assert set(order) >= ORDER_KEYS
            assert (order["contract"], order["side"], order["price"]) == (self.bench.pair, "BUY", self.bench.low)
            assert order["quantity"] == order["quantity_left"] == 3 * self.bench.lot
            assert order["is_cancelled"] is False
            assert order["timestamp"].tzinfo is not None

    @asynchronous
    async def test_the_id_is_known_before_the_order_is_told(self) -> None:
        client, recorder = await self.connected()
        placed = self.rest(client)
        placed.addCallback(lambda id: recorder.events.append(("placed", id)))
        await recorder.until("order")
        names = recorder.names()
        assert names.index("placed") < names.index("order")

    @asynchronous
    async def test_side_may_be_given_as_text(self) -> None:
        client, _ = await self.connected()
        id = await client.placeOrder(self.bench.pair, self.bench.lot, self.bench.high, "SELL")
        assert (await client.getOpenOrders())[id]["side"] is Side.SELL

    @asynchronous
    async def test_what_is_off_the_steps_is_rejected_and_not_rounded(self) -> None:
        client, _ = await self.connected()
        bench = self.bench
        for quantity, price, side in (
            (bench.lot, bench.low + bench.tick / 2, "BUY"),
            (bench.lot * Decimal("1.5"), bench.low, "BUY"),
            (Decimal(0), bench.low, "BUY"),
            (-bench.lot, bench.low, "BUY"),
            (bench.lot, Decimal(0), "BUY"),
            (bench.lot, -bench.low, "SELL"),
            (bench.lot, bench.low, "HOLD"),
        ):
            await self.failure(client.placeOrder(bench.pair, quantity, price, side), OrderRejected)
        assert bench.orders_at_venue() == 0

    @asynchronous
    async def test_floats_are_refused(self) -> None:
        client, _ = await self.connected()
        await self.failure(client.placeOrder(self.bench.pair, 0.29, self.bench.low, "BUY"), TypeError)

    @asynchronous
    async def test_what_cannot_be_paid_lacks_funds(self) -> None:
        client, _ = await self.connected()
        huge = 10**6 * self.bench.lot * 1000
        error = await self.failure(client.placeOrder(self.bench.pair, huge, self.bench.high, "SELL"), InsufficientFunds)
        assert self.bench.pair in str(error)
        assert self.bench.orders_at_venue() == 0

    @asynchronous
    async def test_an_order_holds_funds(self) -> None:
        client, recorder = await self.connected()
        before = await client.getPositions()
        id = await self.rest(client, Side.SELL, lots=5)
        await recorder.until("order")
        held = await client.getPositions()
        base = self.bench.base
        assert held[base]["position"] == before[base]["position"]
        assert held[base]["available"] == before[base]["available"] - 5 * self.bench.lot
        recorder.clear()
        await client.cancelOrder(id)
        await recorder.until("order", lambda order: order["is_cancelled"])
        assert (await client.getPositions()) == before

    @asynchronous
    async def test_cancelling_takes_the_order_off(self) -> None:
        client, recorder = await self.connected()
        id = await self.rest(client)
        assert await client.cancelOrder(id) is True
        order = await recorder.until("order", lambda order: order["is_cancelled"])
        assert (order["id"], order["final"], order["quantity_filled"]) == (id, True, 0)
        assert await client.getOpenOrders() == {}
        assert self.bench.orders_at_venue() == 0

    @asynchronous
    async def test_cancelling_twice_is_no_error(self) -> None:
        client, _ = await self.connected()
        id = await self.rest(client)
        assert await client.cancelOrder(id) is True
        assert await client.cancelOrder(id) is True

    @asynchronous
    async def test_cancelling_a_filled_order_is_too_late(self) -> None:
        client, recorder = await self.connected()
        id = await self.rest(client, Side.BUY, lots=1)
        self.bench.trade(Side.SELL, self.bench.lot, self.bench.low)
        await recorder.until("order", lambda order: order["quantity_left"] == 0)
        assert await client.cancelOrder(id) is False
        assert await client.cancelOrder(id) is False

    @asynchronous
    async def test_cancelling_what_never_was_is_unknown(self) -> None:
        client, _ = await self.connected()
        await self.failure(client.cancelOrder("999999999"), UnknownOrder)
        await self.failure(client.cancelOrder("no such thing"), UnknownOrder)

    @asynchronous
    async def test_cancelling_somebody_elses_order_is_unknown(self) -> None:
        client, _ = await self.connected()
        foreign = self.bench.trade(Side.BUY, self.bench.lot, self.bench.low)
        await self.failure(client.cancelOrder(foreign), UnknownOrder)

    @asynchronous
    async def test_all_orders_are_cancelled_at_once(self) -> None:
        client, _ = await self.connected()
        ids = {await self.rest(client), await self.rest(client, Side.SELL), await self.rest(client, ticks=1)}
        assert set(await client.cancelAllOrders()) == ids
        assert self.bench.orders_at_venue() == 0

    @asynchronous
    async def test_orders_on_their_way_are_cancelled_too(self) -> None:
        client, _ = await self.connected()
        placed = [self.rest(client), self.rest(client, ticks=1)]
        cancelled = set(await client.cancelAllOrders())
        assert cancelled == {await one for one in placed}
        assert self.bench.orders_at_venue() == 0

    @asynchronous
    async def test_only_orders_of_the_ticker_are_cancelled(self) -> None:
        client, _ = await self.connected()
        id = await self.rest(client)
        assert await client.cancelAllOrders(self.bench.pair) == [id]

    # ------------------------------------------------------------------------------------------------ fills

    @asynchronous
    async def test_a_partial_fill_is_told_by_order_fill_trade_and_positions(self) -> None:
        client, recorder = await self.connected()
        bench = self.bench
        id = await self.rest(client, Side.SELL, lots=3)
        recorder.clear()
        bench.trade(Side.BUY, bench.lot, bench.high)
        fill = await recorder.until("fill")
        assert (fill["order_id"], fill["contract"], fill["side"]) == (id, bench.pair, "SELL")
        assert (fill["price"], fill["quantity"]) == (bench.high, bench.lot)
        order = await recorder.until("order", lambda order: order.get("average_price"))
        assert (order["quantity_filled"], order["quantity_left"]) == (bench.lot, 2 * bench.lot)
        assert (order["average_price"], order["fees"], order["final"]) == (bench.high, fill["fees"], False)
        trade = await recorder.until("trade")
        assert (trade["contract"], trade["price"], trade["quantity"]) == (bench.pair, bench.high, bench.lot)
        await recorder.until("position", lambda position: position["contract"] == bench.base)
        await recorder.until("position", lambda position: position["contract"] == bench.quote)

    @asynchronous
    async def test_an_order_that_crosses_fills_at_the_resting_prices(self) -> None:
        client, recorder = await self.connected()
        bench = self.bench
        bench.trade(Side.SELL, bench.lot, bench.high)
        bench.trade(Side.SELL, bench.lot, bench.high + bench.tick)
        id = await client.placeOrder(bench.pair, 2 * bench.lot, bench.high + 10 * bench.tick, "BUY")
        order = await recorder.until("order", lambda order: order["quantity_left"] == 0 and order["average_price"])
        assert order["id"] == id
        assert order["final"] is True
        assert order["average_price"] == bench.high + bench.tick / 2
        assert [fill["price"] for fill in recorder.of("fill")] == [bench.high, bench.high + bench.tick]

    @asynchronous
    async def test_positions_after_a_fill_add_up(self) -> None:
        client, recorder = await self.connected()
        bench = self.bench
        before = await client.getPositions()
        await self.rest(client, Side.SELL, lots=1)
        bench.trade(Side.BUY, bench.lot, bench.high)
        fill = await recorder.until("fill")
        after = await client.getPositions()
        assert after[bench.base]["position"] == before[bench.base]["position"] - bench.lot
        gained = after[bench.quote]["position"] - before[bench.quote]["position"]
        assert gained == bench.lot * bench.high - fill["fees"].get(bench.quote, 0)

    @asynchronous
    async def test_fills_are_in_the_history(self) -> None:
        client, recorder = await self.connected()
        bench = self.bench
        id = await self.rest(client, Side.BUY, lots=1)
        bench.trade(Side.SELL, bench.lot, bench.low)
        told = await recorder.until("fill")
        (fill,) = await client.getFills(bench.now() - DAY, bench.now() + DAY)
        assert (fill["order_id"], fill["side"], fill["contract"]) == (id, "BUY", bench.pair)
        assert (fill["price"], fill["quantity"], fill["fees"]) == (bench.low, bench.lot, told["fees"])
        assert await client.getFills(bench.now() - 3 * DAY, bench.now() - 2 * DAY) == []

    @asynchronous
    async def test_an_order_can_be_looked_up_when_it_is_final(self) -> None:
        client, recorder = await self.connected()
        bench = self.bench
        id = await self.rest(client, Side.BUY, lots=2)
        bench.trade(Side.SELL, bench.lot, bench.low)
        await recorder.until("fill")
        await client.cancelOrder(id)
        await recorder.until("order", lambda order: order["is_cancelled"])
        order = await client.getOrder(id)
        assert (order["final"], order["quantity_filled"], order["quantity_left"]) == (True, bench.lot, bench.lot)
        assert order["average_price"] == bench.low

    @asynchronous
    async def test_trades_and_bars_of_the_market_are_told(self) -> None:
        client, recorder = await self.connected()
        bench = self.bench
        bench.trade(Side.SELL, 2 * bench.lot, bench.high)
        bench.trade(Side.BUY, 2 * bench.lot, bench.high)
        await recorder.until("trade")
        trades = await client.getTradeHistory(bench.pair, bench.now() - DAY, bench.now() + DAY)
        assert [(trade["price"], trade["quantity"]) for trade in trades] == [(bench.high, 2 * bench.lot)]
        bars = await client.getOHLCVHistory(bench.pair, "minute", bench.now() - DAY, bench.now() + DAY)
        ((opened, bar),) = bars.items()
        assert opened == bar["open_timestamp"] <= bench.now() <= bar["close_timestamp"]
        assert bar["close_timestamp"] - opened == timedelta(minutes=1) - timedelta(microseconds=1)
        assert (bar["open"], bar["high"], bar["low"], bar["close"]) == (bench.high,) * 4
        assert (bar["volume"], bar["period"], bar["contract"]) == (2 * bench.lot, "minute", bench.pair)

    @asynchronous
    async def test_times_without_a_zone_are_refused(self) -> None:
        client, _ = await self.connected()
        naive = self.bench.now().replace(tzinfo=None)
        await self.failure(client.getTradeHistory(self.bench.pair, naive, naive), ValueError)

    # ------------------------------------------------------------------------------------------------ transfers

    @asynchronous
    async def test_the_deposit_address_stays_until_a_new_one_is_asked_for(self) -> None:
        client, _ = await self.connected()
        first = await client.getCurrentAddress(self.bench.base)
        assert first and await client.getCurrentAddress(self.bench.base) == first
        second = await client.getNewAddress(self.bench.base)
        assert second != first
        assert await client.getCurrentAddress(self.bench.base) == second

    @asynchronous
    async def test_a_deposit_changes_the_position_and_is_in_the_records(self) -> None:
        client, recorder = await self.connected()
        bench = self.bench
        before = await client.getPositions()
        address = await client.getCurrentAddress(bench.base)
        recorder.clear()
        bench.deposit(bench.base, Decimal("0.5"), address)
        await recorder.until("position", lambda position: position["position"] > before[bench.base]["position"])
        transfers = await client.getTransfers(bench.now() - DAY, bench.now() + DAY)
        (deposit,) = [one for one in transfers if one["address"] == address]
        assert (deposit["direction"], deposit["ticker"], deposit["status"]) == ("deposit", bench.base, "done")
        assert deposit["amount"] == Decimal("0.5")

    @asynchronous
    async def test_a_withdrawal_is_debited_and_in_the_records(self) -> None:
        client, recorder = await self.connected()
        bench = self.bench
        before = await client.getPositions()
        recorder.clear()
        id = await client.requestWithdrawal(bench.base, Decimal("0.25"), "somewhere else")
        await recorder.until("position", lambda position: position["contract"] == bench.base)
        after = await client.getPositions()
        assert before[bench.base]["position"] - after[bench.base]["position"] == Decimal("0.25")
        transfers = await client.getTransfers(bench.now() - DAY, bench.now() + DAY)
        (withdrawal,) = [one for one in transfers if one["direction"] == "withdrawal"]
        assert (withdrawal["amount"], withdrawal["address"]) == (Decimal("0.25"), "somewhere else")
        assert withdrawal["id"] == id

    @asynchronous
    async def test_the_ledger_tells_each_change_with_its_sign(self) -> None:
        client, _ = await self.connected()
        bench = self.bench
        await client.requestWithdrawal(bench.base, Decimal("0.25"), "somewhere else")
        rows = await client.getTransactionHistory(bench.now() - DAY, bench.now() + DAY)
        debits = [row for row in rows if row["type"] == "Withdrawal" and row["direction"] == "debit"]
        assert sum(row["quantity"] for row in debits) == Decimal("0.25")
        assert rows == sorted(rows, key=lambda row: row["timestamp"])
        assert all(row["quantity"] >= 0 for row in rows)

    @asynchronous
    async def test_withdrawals_that_cannot_be_are_refused(self) -> None:
        client, _ = await self.connected()
        bench = self.bench
        await self.failure(client.requestWithdrawal(bench.base, Decimal("0.000000015"), "x"), Refused)
        await self.failure(client.requestWithdrawal(bench.base, Decimal(0), "x"), Refused)
        await self.failure(client.requestWithdrawal(bench.base, Decimal("0.25"), ""), Refused)
        await self.failure(client.requestWithdrawal(bench.base, Decimal(10**6), "x"), InsufficientFunds)
        assert [t for t in await client.getTransfers(bench.now() - DAY, bench.now() + DAY) if t["address"] == "x"] == []

    # ------------------------------------------------------------------------------------------------ features

    @asynchronous
    async def test_features_that_are_absent_are_not_implemented(self) -> None:
        client, _ = await self.connected()
        bench = self.bench
        order = (bench.pair, bench.lot, bench.low, "BUY")
        calls = {
            "post_only": lambda: client.placeOrder(*order, post_only=True),
            "immediate_or_cancel": lambda: client.placeOrder(*order, immediate=True),
            "client_id": lambda: client.placeOrder(*order, client_id="mine"),
            "amend": lambda: client.amendOrder("1", price=bench.low),
            "cancel_all_after": lambda: client.cancelAllAfter(60),
            "order_lookup": lambda: client.getOrder("999999999"),
        }
        for feature in sorted(set(calls) - client.features):
            await self.failure(calls[feature](), NotImplementedError)
        assert bench.orders_at_venue() == 0

    @asynchronous
    async def test_features_that_are_declared_are_there(self) -> None:
        client, _ = await self.connected()
        bench = self.bench
        bench.trade(Side.SELL, bench.lot, bench.high)
        if "post_only" in client.features:
            await self.failure(
                client.placeOrder(bench.pair, bench.lot, bench.high, "BUY", post_only=True), OrderRejected
            )
        if "immediate_or_cancel" in client.features:
            await client.placeOrder(bench.pair, bench.lot, bench.low, "BUY", immediate=True)
            assert bench.orders_at_venue() == 0
        if "client_id" in client.features:
            id = await client.placeOrder(bench.pair, bench.lot, bench.low, "BUY", client_id="mine")
            assert (await client.getOrder(client_id="mine"))["id"] == id
        if "amend" in client.features:
            id = await self.rest(client)
            assert await client.amendOrder(id, price=bench.low - bench.tick) is True
            assert (await client.getOpenOrders())[id]["price"] == bench.low - bench.tick
        if "cancel_all_after" in client.features:
            await client.cancelAllAfter(60)
            await client.cancelAllAfter(0)
        if "order_lookup" in client.features:
            await self.failure(client.getOrder("999999999"), UnknownOrder)

    @asynchronous
    async def test_every_refusal_is_told_by_its_class(self) -> None:
        client, _ = await self.connected()
        for kind in (NotAuthorised, InsufficientFunds, OrderRejected, Unreachable, OutcomeUnknown):
            self.bench.refuse(kind)
            error = await self.failure(self.rest(client), kind)
            assert error.venue == client.name


class ConnectionContract(ContractCase):
    """What may happen to a line between a client and its venue, and must not hurt."""

    @asynchronous
    async def test_a_lost_line_is_told_and_made_again(self) -> None:
        client, recorder = await self.connected()
        self.bench.drop_line()
        await recorder.until("disconnect")
        await eventually(lambda: recorder.names().count("connect") == 2, "connected again")
        id = await self.rest(client)
        assert await client.cancelOrder(id) is True

    @asynchronous
    async def test_while_the_venue_is_down_calls_are_unreachable_and_it_comes_back(self) -> None:
        client, recorder = await self.connected()
        self.bench.down(True)
        await recorder.until("disconnect")
        await self.failure(client.getPositions(), Unreachable)
        await self.failure(client.getOrderBook(self.bench.pair), Unreachable)
        await deferLater(reactor, 0.1)  # type: ignore[arg-type]
        self.bench.down(False)
        await eventually(lambda: recorder.names().count("connect") == 2, "connected again")

    @asynchronous
    async def test_books_are_complete_again_after_a_gap(self) -> None:
        _, recorder = await self.connected()
        bench = self.bench
        bench.trade(Side.BUY, bench.lot, bench.low)
        await recorder.until("book", lambda book: book["bids"])
        bench.down(True)
        await recorder.until("disconnect")
        recorder.clear()
        bench.trade(Side.BUY, 2 * bench.lot, bench.low + bench.tick)
        bench.down(False)
        book = await recorder.until("book", lambda book: book["contract"] == bench.pair and book["bids"])
        assert [row["price"] for row in book["bids"]] == [bench.low + bench.tick, bench.low]

    @asynchronous
    async def test_what_happened_to_orders_meanwhile_is_told(self) -> None:
        client, recorder = await self.connected()
        bench = self.bench
        filled = await self.rest(client, Side.BUY, lots=2)
        kept = await self.rest(client, Side.SELL, lots=1)
        bench.down(True)
        await recorder.until("disconnect")
        recorder.clear()
        bench.trade(Side.SELL, 2 * bench.lot, bench.low)
        bench.down(False)
        order = await recorder.until("order", lambda order: order["id"] == filled)
        assert (order["final"], order["quantity_filled"], order["average_price"]) == (True, 2 * bench.lot, bench.low)
        fill = await recorder.until("fill")
        assert (fill["order_id"], fill["quantity"]) == (filled, 2 * bench.lot)
        assert list(await client.getOpenOrders()) == [kept]
        assert recorder.names().index("connect") < recorder.names().index("order")

    @asynchronous
    async def test_a_venue_that_falls_silent_is_a_lost_line(self) -> None:
        _, recorder = await self.connected()
        self.bench.freeze(True)
        await recorder.until("disconnect")
        self.bench.freeze(False)
        await eventually(lambda: recorder.names().count("connect") == 2, "connected again")

    @asynchronous
    async def test_an_order_under_way_when_the_line_is_lost_has_an_unknown_outcome(self) -> None:
        client, _ = await self.connected()
        self.bench.lose_answer("place", effect=False)
        placed = self.rest(client)
        await deferLater(reactor, 0.05)  # type: ignore[arg-type]
        self.bench.drop_line()
        await self.failure(placed, OutcomeUnknown)

    @asynchronous
    async def test_a_read_under_way_when_the_line_is_lost_is_unreachable(self) -> None:
        client, _ = await self.connected()
        self.bench.lose_answer("read", effect=True)
        read = client.getOpenOrders()
        await deferLater(reactor, 0.05)  # type: ignore[arg-type]
        self.bench.drop_line()
        await self.failure(read, Unreachable)

    @asynchronous
    async def test_an_order_without_an_answer_has_an_unknown_outcome_and_is_not_repeated(self) -> None:
        client, _ = await self.connected(deadline=0.3)
        self.bench.lose_answer("place", effect=False)
        await self.failure(self.rest(client), OutcomeUnknown)
        assert self.bench.orders_at_venue() == 0
        assert await client.getOpenOrders() == {}

    @asynchronous
    async def test_an_order_whose_answer_is_lost_is_found(self) -> None:
        client, _ = await self.connected(deadline=0.5)
        self.bench.lose_answer("place", effect=True)
        try:
            id = await self.rest(client)
        except OutcomeUnknown:
            id = None
        (found,) = await client.getOpenOrders()
        assert id in (None, found)
        assert self.bench.orders_at_venue() == 1

    @asynchronous
    async def test_a_withdrawal_without_an_answer_has_an_unknown_outcome_and_is_not_repeated(self) -> None:
        client, _ = await self.connected(deadline=0.3)
        bench = self.bench
        bench.lose_answer("withdraw", effect=True)
        await self.failure(client.requestWithdrawal(bench.base, Decimal("0.25"), "far away"), OutcomeUnknown)
        transfers = await client.getTransfers(bench.now() - DAY, bench.now() + DAY)
        assert len([one for one in transfers if one["address"] == "far away"]) == 1

    @asynchronous
    async def test_a_cancel_without_an_answer_has_an_unknown_outcome(self) -> None:
        client, _ = await self.connected(deadline=0.3)
        id = await self.rest(client)
        self.bench.lose_answer("cancel", effect=False)
        await self.failure(client.cancelOrder(id), OutcomeUnknown)
        assert await client.cancelOrder(id) is True

    @asynchronous
    async def test_a_read_without_an_answer_is_unreachable(self) -> None:
        client, _ = await self.connected(deadline=0.3)
        self.bench.lose_answer("read", effect=True)
        await self.failure(client.getOpenOrders(), Unreachable)
        assert await client.getOpenOrders() == {}

    @asynchronous
    async def test_late_answers_do_no_harm(self) -> None:
        client, _ = await self.connected(deadline=0.3)
        self.bench.delay_answers(0.4)
        await self.failure(client.getPositions(), Unreachable)
        self.bench.delay_answers(0)
        await deferLater(reactor, 0.2)  # type: ignore[arg-type]
        assert await client.getPositions()

    @asynchronous
    async def test_answers_that_come_twice_do_no_harm(self) -> None:
        client, recorder = await self.connected()
        self.bench.repeat_answers()
        ids = [await self.rest(client, ticks=n) for n in range(3)]
        assert sorted(await client.getOpenOrders()) == sorted(ids)
        assert "disconnect" not in recorder.names()

    @asynchronous
    async def test_an_unreadable_answer_leaves_an_order_unknown_and_a_read_to_be_repeated(self) -> None:
        client, _ = await self.connected()
        self.bench.garble_answer("read")
        await self.failure(client.getOpenOrders(), Unreachable)
        self.bench.garble_answer("place")
        try:
            await self.rest(client)
        except OutcomeUnknown:
            pass  # unless the order's own event has told the id before
        assert len(await client.getOpenOrders()) == 1

    @asynchronous
    async def test_garbage_is_told_and_survived(self) -> None:
        client, recorder = await self.connected()
        self.bench.garbage()
        await recorder.until("error")
        await eventually(lambda: recorder.names().count("connect") == 1 + recorder.names().count("disconnect"), "up")
        id = await self.rest(client)
        assert list(await client.getOpenOrders()) == [id]

    @asynchronous
    async def test_lost_events_are_made_up_for_by_reading(self) -> None:
        client, recorder = await self.connected()
        bench = self.bench
        id = await self.rest(client, Side.BUY, lots=1)
        await recorder.until("order", lambda order: order["id"] == id)
        bench.drop_events(True)
        bench.trade(Side.SELL, bench.lot, bench.low)
        assert await client.getOpenOrders() == {}
        order = await recorder.until("order", lambda order: order["id"] == id and order["final"])
        assert (order["quantity_filled"], order["average_price"]) == (bench.lot, bench.low)
        assert (await client.getOrder(id))["quantity_filled"] == bench.lot

    @asynchronous
    async def test_events_that_come_twice_are_counted_once(self) -> None:
        client, recorder = await self.connected()
        bench = self.bench
        bench.repeat_events()
        id = await self.rest(client, Side.BUY, lots=2)
        bench.trade(Side.SELL, bench.lot, bench.low)
        bench.trade(Side.SELL, bench.lot, bench.low)
        await recorder.until("order", lambda order: order["id"] == id and order["final"] and order["average_price"])
        order = await client.getOrder(id)
        assert (order["quantity_filled"], order["average_price"]) == (2 * bench.lot, bench.low)
        assert sum(order["fees"].values()) >= 0

    @asynchronous
    async def test_events_before_the_answer_give_the_id_just_the_same(self) -> None:
        client, recorder = await self.connected()
        bench = self.bench
        bench.events_first()
        bench.trade(Side.SELL, bench.lot, bench.high)
        placed = client.placeOrder(bench.pair, 2 * bench.lot, bench.high, "BUY")
        placed.addCallback(lambda id: (recorder.events.append(("placed", id)), id)[1])
        id = await placed
        await recorder.until("order", lambda order: order["quantity_filled"] == bench.lot)
        names = recorder.names()
        assert names.index("placed") < names.index("order")
        assert list(await client.getOpenOrders()) == [id]
        assert {order["id"] for order in recorder.of("order")} == {id}

    @asynchronous
    async def test_calls_beyond_the_rate_are_limited_and_nothing_is_sent(self) -> None:
        client, _ = await self.connected(rate=0.5, burst=30, deadline=0.2)
        calls = [self.rest(client, lots=1) for _ in range(40)]
        outcomes: list[Any] = []
        for call in calls:
            call.addBoth(outcomes.append)
        await eventually(lambda: len(outcomes) == len(calls), "every call is answered")
        limited = [o.value for o in outcomes if not isinstance(o, str)]
        assert limited and all(type(error) is RateLimited and error.retry_after > 0 for error in limited)
        assert self.bench.orders_at_venue() == len(calls) - len(limited)

    @asynchronous
    async def test_disconnecting_while_it_tries_to_connect_leaves_nothing(self) -> None:
        self.bench.down(True)
        client = self.made(self.bench.client())
        connecting = client.connect()
        await deferLater(reactor, 0.05)  # type: ignore[arg-type]
        await client.disconnect()
        await self.failure(connecting, Unreachable)
