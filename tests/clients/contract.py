"""What every client must do against its venue, first part: methods, events and errors of the uniform interface.

A test case mixes in `ExchangeContract` and says in `start_bench` how to start its venue; `contract_line` has the second
part, what happens to lines.  What a venue lacks is declared in the client's `features` and asserted here: nothing is
skipped.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from twisted.internet.task import deferLater
from zope.interface.verify import verifyObject

from clients import calls
from clients.exchange import (
    IExchange,
    InsufficientFunds,
    NotAuthorised,
    OrderRejected,
    Refused,
    Side,
    UnknownOrder,
    Unreachable,
)
from tests.clients.bench import DAY, ContractCase, Recorder, asynchronous, eventually, pause, tells

__all__ = ["ExchangeContract"]

LENGTHS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1)}
SECOND = timedelta(seconds=1)
ORDER_KEYS = {"id", "contract", "price", "quantity", "quantity_left", "side", "timestamp", "is_cancelled"}


class ExchangeContract(ContractCase):
    """Methods, events and errors of the uniform interface.

    :cvar pauses: whether other things have their turn while a long history of bars is made of what the venue told.
    """

    pauses = True

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
        await pause(0.15)
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
    async def test_it_confirms_the_book_while_nothing_happens(self) -> None:
        _, recorder = await self.connected()
        recorder.clear()
        if not self.bench.reads_only:

            def confirmed() -> bool:
                return any(event[0] == "alive" and (not event[2:] or "book" in event) for event in recorder.events)

            await eventually(confirmed, "a sign of life that confirms the book")
            return
        # An answer confirms only what it tells: the book by a book, and nothing by a sign of life.

        def told() -> list[Any]:
            return [book for book in recorder.of("book") if book["contract"] == self.bench.pair]

        await eventually(lambda: len(told()) > 2, "the book is told again")
        assert all(book == told()[0] for book in told())
        assert "alive" not in recorder.names()

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
        self.flushLoggedErrors(ZeroDivisionError)

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
        recorder.clear()
        bench.withdraw_liquidity(first)
        book = await recorder.until("book", lambda book: not book["asks"])
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
        await self.failure(client.placeOrder(self.bench.pair, 0.25, self.bench.low, "BUY"), TypeError)

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
        assert order["id"] == id and tells(order, final=True, quantity_filled=0)
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
        order = await recorder.until(
            "order", lambda order: order["quantity_left"] == 2 * bench.lot and tells(order, average_price=bench.high)
        )
        assert tells(order, quantity_filled=bench.lot, fees=fill["fees"], final=False)
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
        mean = bench.high + bench.tick / 2
        order = await recorder.until(
            "order", lambda order: not order["quantity_left"] and tells(order, average_price=mean)
        )
        assert order["id"] == id and tells(order, final=True)
        await eventually(lambda: len(recorder.of("fill")) == 2, "two fills")
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
        try:
            order = await client.getOrder(id)
        except NotImplementedError:
            assert "order_lookup" not in client.features
        else:
            assert order["quantity_left"] == bench.lot
            assert tells(order, final=True, quantity_filled=bench.lot, average_price=bench.low)

    async def after_a_trade(self) -> IExchange:
        """A client that was told that others have traded."""
        client, recorder = await self.connected()
        self.bench.trade(Side.SELL, 2 * self.bench.lot, self.bench.high)
        self.bench.trade(Side.BUY, 2 * self.bench.lot, self.bench.high)
        await recorder.until("trade")
        return client

    @asynchronous
    async def test_trades_and_bars_of_the_market_are_told(self) -> None:
        client, bench = await self.after_a_trade(), self.bench
        trades = await client.getTradeHistory(bench.pair, bench.now() - DAY, bench.now() + DAY)
        assert [(trade["price"], trade["quantity"]) for trade in trades] == [(bench.high, 2 * bench.lot)]
        bars = await client.getOHLCVHistory(bench.pair, bench.period, bench.now() - DAY, bench.now() + DAY)
        ((opened, bar),) = bars.items()
        assert opened == bar["open_timestamp"] <= bench.now() <= bar["close_timestamp"]
        assert bar["close_timestamp"] - opened == LENGTHS[bench.period] - timedelta(microseconds=1)
        assert (bar["open"], bar["high"], bar["low"], bar["close"]) == (bench.high,) * 4
        assert (bar["volume"], bar["period"], bar["contract"]) == (2 * bench.lot, bench.period, bench.pair)

    @asynchronous
    async def test_other_things_have_their_turn_while_a_long_history_is_made(self) -> None:
        client, bench = await self.after_a_trade(), self.bench
        paused: list[float] = []

        def later(clock: Any, seconds: float) -> Any:
            paused.append(seconds)
            return deferLater(clock, seconds)

        self.patch(calls, "PART", 1)
        self.patch(calls, "deferLater", later)
        bars = await client.getOHLCVHistory(bench.pair, bench.period, bench.now() - DAY, bench.now() + DAY)
        assert len(bars) == 1
        assert paused == [0.0] * self.pauses

    @asynchronous
    async def test_times_without_a_zone_are_refused(self) -> None:
        client, _ = await self.connected()
        naive = self.bench.now().replace(tzinfo=None)
        await self.failure(client.getTradeHistory(self.bench.pair, naive, naive), ValueError)

    @asynchronous
    async def test_the_venues_own_time_is_told_to_the_second_where_it_can_be_asked_for(self) -> None:
        client, _ = await self.connected()
        if not self.bench.tells_time:
            if hasattr(client, "getServerTime"):
                await self.failure(client.getServerTime(), NotImplementedError)
            return
        before = self.bench.now()
        told = await client.getServerTime()
        assert before - SECOND <= told <= self.bench.now() + SECOND
        assert told.utcoffset() == timedelta(0)

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
        id = await client.requestWithdrawal(bench.base, Decimal("0.25"), bench.destination)
        await recorder.until("position", lambda position: position["contract"] == bench.base)
        after = await client.getPositions()
        assert before[bench.base]["position"] - after[bench.base]["position"] == Decimal("0.25")
        transfers = await client.getTransfers(bench.now() - DAY, bench.now() + DAY)
        (withdrawal,) = [one for one in transfers if one["direction"] == "withdrawal"]
        assert (withdrawal["amount"], withdrawal["address"]) == (Decimal("0.25"), bench.destination)
        assert id in ("", withdrawal["id"])  # a venue without withdrawal ids may not be able to tell
        assert id or "withdrawal_id" not in client.features

    @asynchronous
    async def test_the_ledger_tells_each_change_with_its_sign(self) -> None:
        client, _ = await self.connected()
        bench = self.bench
        await client.requestWithdrawal(bench.base, Decimal("0.25"), bench.destination)
        rows = await client.getTransactionHistory(bench.now() - DAY, bench.now() + DAY)
        debits = [row for row in rows if row["type"] == "Withdrawal" and row["direction"] == "debit"]
        assert sum(row["quantity"] for row in debits) == Decimal("0.25")
        assert rows == sorted(rows, key=lambda row: row["timestamp"])
        assert all(row["quantity"] >= 0 for row in rows)

    @asynchronous
    async def test_withdrawals_that_cannot_be_are_refused(self) -> None:
        client, _ = await self.connected()
        bench = self.bench
        await self.failure(client.requestWithdrawal(bench.base, Decimal("0.000000015"), bench.destination), Refused)
        await self.failure(client.requestWithdrawal(bench.base, Decimal(0), bench.destination), Refused)
        await self.failure(client.requestWithdrawal(bench.base, Decimal("0.25"), ""), Refused)
        await self.failure(client.requestWithdrawal(bench.base, Decimal(10**6), bench.destination), InsufficientFunds)
        transfers = await client.getTransfers(bench.now() - DAY, bench.now() + DAY)
        assert [one for one in transfers if one["address"] == bench.destination] == []

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
        for kind in self.bench.refusals:
            self.bench.refuse(kind)
            error = await self.failure(self.rest(client), kind)
            assert error.venue == client.name
