"""The BitMEX client over real sockets, beyond the contract: synthetic holdings, recovery, gaps, the dead man's switch."""

from __future__ import annotations

from decimal import Decimal as D
from itertools import pairwise
from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from clients.bitmex import BitMEX
from clients.exchange import (
    NotAuthorised,
    OrderRejected,
    OutcomeUnknown,
    RateLimited,
    Refused,
    UnknownOrder,
    Unreachable,
)
from tests.clients.bench import DAY, Recorder, asynchronous, eventually, pause
from tests.clients.test_bitmex_contract import QUICK
from tests.simulation.bitmex.world import make_world


class ClientCase(TestCase):
    """A venue of three markets and clients of it."""

    timeout = 20
    tickers = "BTC/USD, BTC/USDT"

    @asynchronous
    async def setUp(self) -> None:
        self.world = await make_world(reactor)
        self.venue, self.core = self.world.venue, self.world.core
        self.clients: list[BitMEX] = []

    @asynchronous
    async def tearDown(self) -> None:
        for client in self.clients:
            await client.disconnect()
        await self.world.stop()

    def client(self, **options: Any) -> tuple[BitMEX, Recorder]:
        given: dict[str, Any] = {
            "id": "key-alice", "secret": "secret-alice", "endpoint": self.venue.endpoint, **QUICK,
            "ping_timeout": 5.0, "tickers": self.tickers, **options,
        }  # fmt: skip
        client = BitMEX(reactor=reactor, now=self.world.clock.now, **given)
        client.on("error", lambda error: None)
        self.clients.append(client)
        return client, Recorder(client)

    async def connected(self, **options: Any) -> tuple[BitMEX, Recorder]:
        client, recorder = self.client(**options)
        await client.connect()
        return client, recorder

    def depth(self, symbol: str = "XBTUSD", size: int = 10000) -> None:
        """Carol quotes 59990 to 60010."""
        self.world.place("carol", symbol, "BUY", "59990", size)
        self.world.place("carol", symbol, "SELL", "60010", size)


class InverseTests(ClientCase):
    """XBTUSD as bitcoin and synthetic dollars"""

    @asynchronous
    async def test_synthetic_money_is_told_even_while_there_is_none(self) -> None:
        client, recorder = await self.connected()
        assert (await client.getPositions())["USD"] == {"contract": "USD", "position": 0, "available": 0}
        told = await recorder.until("position", lambda position: position["contract"] == "USD")
        assert told["position"] == 0

    @asynchronous
    async def test_selling_contracts_turns_bitcoin_into_synthetic_dollars(self) -> None:
        self.depth()
        client, recorder = await self.connected()
        before = await client.getPositions()
        assert before["BTC"]["position"] == 5
        id = await client.placeOrder("BTC/USD", D("0.1"), D(59990), "SELL", immediate=True)
        fill = await recorder.until("fill")
        assert (fill["order_id"], fill["contract"], fill["side"]) == (id, "BTC/USD", "SELL")
        after = await client.getPositions()
        assert after["USD"]["position"] == 5900
        assert abs(before["BTC"]["position"] - after["BTC"]["position"] - D(5900) / 59990) < D("0.0001")

    @asynchronous
    async def test_what_the_client_holds_is_what_the_venues_ledger_says(self) -> None:
        self.depth()
        client, recorder = await self.connected()
        for side, price in (("SELL", 59990), ("BUY", 60010), ("BUY", 60010), ("SELL", 59990)):
            await client.placeOrder("BTC/USD", D("0.02"), D(price), side, immediate=True)
        await eventually(lambda: len(recorder.of("fill")) == 4, "four fills")
        self.world.place("bob", "XBTUSD", "BUY", "60010", 700)  # the mark moves, holdings do not
        held = await client.getPositions()
        assert held["BTC"]["position"] == D(self.core.balance("alice", "BTC")) / 10**8
        assert held["USD"]["position"] == -self.core.balance("alice", "XBTUSD")

    @asynchronous
    async def test_an_orders_record_tells_the_quantity_that_whole_lots_make(self) -> None:
        client, recorder = await self.connected()
        id = await client.placeOrder("BTC/USD", D("0.05"), D(65000), "SELL")
        order = await recorder.until("order", lambda order: order["id"] == id)
        assert order["quantity"] == D("0.04923077")
        assert (await client.getOpenOrders())[id]["quantity_left"] == D("0.04923077")

    @asynchronous
    async def test_less_than_a_lot_is_rejected_before_anything_is_sent(self) -> None:
        client, _ = await self.connected()
        error = await self.assertFailure(client.placeOrder("BTC/USD", D("0.001"), D(65000), "BUY"), OrderRejected)
        assert "100" in str(error)

    @asynchronous
    async def test_quantities_round_to_lots_of_the_present_price(self) -> None:
        self.depth()
        self.world.place("bob", "XBTUSD", "BUY", "60010", 100)
        client, _ = await self.connected()
        assert client.round_quantity("BTC/USD", D("0.05")) == D("0.04999166")
        market = (await client.getMarkets())["BTC/USD"]
        assert (market["min_notional"], market["min_quantity"]) == (100, D("0.00166639"))

    @asynchronous
    async def test_synthetic_money_has_no_address_and_no_withdrawals(self) -> None:
        client, _ = await self.connected()
        assert client.synthetic == {"USD"}
        assert "USD" not in await client.getMarkets()
        await self.assertFailure(client.getCurrentAddress("USD"), NotImplementedError)
        await self.assertFailure(client.requestWithdrawal("USD", D(5), "somewhere"), NotImplementedError)

    @asynchronous
    async def test_a_fill_is_priced_in_bitcoin_fees(self) -> None:
        self.depth()
        client, recorder = await self.connected()
        await client.placeOrder("BTC/USD", D("0.1"), D(59990), "SELL", immediate=True)
        fill = await recorder.until("fill")
        # 5900 contracts of round(1e8/59990) = 1667 satoshi, 0.05 % of it
        assert fill["fees"] == {"BTC": D(5900 * 1667 * 5 // 10000) / 10**8}

    @asynchronous
    async def test_a_ticker_can_mean_the_linear_perpetual(self) -> None:
        self.depth("XBTUSDT", 100000)
        client, recorder = await self.connected(tickers="BTC/USDT=XBTUSDT")
        await client.placeOrder("BTC/USDT", D("0.05"), D(60010), "BUY", immediate=True)
        await recorder.until("fill")
        held = await client.getPositions()
        assert held["BTC"]["position"] == D("5.05")
        assert held["USDT"]["position"] == D(self.core.balance("alice", "USDT")) / 10**6


class OrderTests(ClientCase):
    """Orders, their ids and their recovery"""

    tickers = "BTC/USDT"

    @asynchronous
    async def test_every_order_bears_a_client_id(self) -> None:
        client, _ = await self.connected()
        id = await client.placeOrder("BTC/USDT", D("0.01"), D(50000), "BUY")
        own = (await client.getOrder(id))["client_id"]
        assert own and len(own) <= 36
        assert (await client.getOrder(client_id=own))["id"] == id

    @asynchronous
    async def test_an_order_whose_answer_is_lost_is_looked_up_and_never_sent_again(self) -> None:
        client, _ = await self.connected(deadline=0.4)
        self.venue.fault({"lose_answer": {"call": "POST /order"}, "drop_events": "order,execution"})
        id = await client.placeOrder("BTC/USDT", D("0.01"), D(50000), "BUY", client_id="mine")
        (order,) = self.core.open_orders("alice")
        assert self.venue.entry.desk.orders[id].core_id == order.id

    @asynchronous
    async def test_a_bad_gateway_after_the_order_was_taken_gives_its_id(self) -> None:
        client, _ = await self.connected()
        self.venue.fault({"bad_gateway": {"call": "POST /order", "effect": True}, "drop_events": "order,execution"})
        id = await client.placeOrder("BTC/USDT", D("0.01"), D(50000), "BUY")
        assert list(await client.getOpenOrders()) == [id]

    @asynchronous
    async def test_a_lookup_that_finds_nothing_leaves_the_outcome_unknown(self) -> None:
        client, _ = await self.connected()
        self.venue.fault({"bad_gateway": {"call": "POST /order"}})
        await self.assertFailure(client.placeOrder("BTC/USDT", D("0.01"), D(50000), "BUY"), OutcomeUnknown)

    @asynchronous
    async def test_a_repeated_client_id_is_rejected(self) -> None:
        client, _ = await self.connected()
        await client.placeOrder("BTC/USDT", D("0.01"), D(50000), "BUY", client_id="mine")
        again = client.placeOrder("BTC/USDT", D("0.01"), D(50000), "BUY", client_id="mine")
        error = await self.assertFailure(again, OrderRejected)
        assert "Duplicate clOrdID" in str(error)

    @asynchronous
    async def test_a_client_id_that_is_too_long_is_rejected_here(self) -> None:
        client, _ = await self.connected()
        placed = client.placeOrder("BTC/USDT", D("0.01"), D(50000), "BUY", client_id="x" * 37)
        await self.assertFailure(placed, OrderRejected)

    @asynchronous
    async def test_a_post_only_order_that_would_match_is_rejected_with_the_venues_words(self) -> None:
        self.depth("XBT_USDT", 10**7)
        client, _ = await self.connected()
        placed = client.placeOrder("BTC/USDT", D("0.01"), D(60010), "BUY", post_only=True)
        error = await self.assertFailure(placed, OrderRejected)
        assert "ParticipateDoNotInitiate" in str(error)

    @asynchronous
    async def test_amending_a_filled_order_is_too_late(self) -> None:
        client, recorder = await self.connected()
        id = await client.placeOrder("BTC/USDT", D("0.01"), D(50000), "BUY")
        self.world.place("bob", "XBT_USDT", "SELL", "50000", 10**6)
        await recorder.until("order", lambda order: order["final"])
        assert await client.amendOrder(id, price=D(50001)) is False

    @asynchronous
    async def test_amending_the_quantity_counts_what_is_filled(self) -> None:
        client, recorder = await self.connected()
        id = await client.placeOrder("BTC/USDT", D("0.03"), D(50000), "BUY")
        self.world.place("bob", "XBT_USDT", "SELL", "50000", 10**6)
        await recorder.until("fill")
        assert await client.amendOrder(id, quantity=D("0.02")) is True
        order = await client.getOrder(id)
        assert (order["quantity"], order["quantity_left"], order["quantity_filled"]) == (
            D("0.02"), D("0.01"), D("0.01"),
        )  # fmt: skip

    @asynchronous
    async def test_amending_what_never_was_is_unknown(self) -> None:
        client, _ = await self.connected()
        nobody = "00000000-0000-0000-0000-000000000000"
        await self.assertFailure(client.amendOrder(nobody, price=D(5)), UnknownOrder)
        await self.assertFailure(client.cancelOrder(nobody), UnknownOrder)

    @asynchronous
    async def test_a_cancel_goes_through_although_the_venue_is_overloaded_once(self) -> None:
        client, _ = await self.connected()
        id = await client.placeOrder("BTC/USDT", D("0.01"), D(50000), "BUY")
        self.venue.fault({"overload": {"call": "DELETE /order"}})
        assert await client.cancelOrder(id) is True

    @asynchronous
    async def test_reads_are_repeated_after_a_limit_and_orders_are_not(self) -> None:
        client, _ = await self.connected()
        self.venue.fault({"rate_limit": {"call": "GET /order"}})
        assert await client.getOpenOrders() == {}
        self.venue.fault({"rate_limit": {"call": "POST /order"}})
        error = await self.assertFailure(client.placeOrder("BTC/USDT", D("0.01"), D(50000), "BUY"), RateLimited)
        assert error.retry_after == 1

    @asynchronous
    async def test_an_html_ban_is_no_json_and_waits_an_hour(self) -> None:
        client, _ = await self.connected()
        self.venue.fault({"ban": {"call": "GET /user/wallet"}})
        error = await self.assertFailure(client.getPositions(), RateLimited)
        assert error.retry_after == 3600
        again = await self.assertFailure(client.getOpenOrders(), RateLimited)
        assert 3590 < again.retry_after <= 3600  # every further request would make the ban longer

    @asynchronous
    async def test_after_a_limit_only_cancels_are_sent_until_the_venue_listens_again(self) -> None:
        client, _ = await self.connected()
        id = await client.placeOrder("BTC/USDT", D("0.01"), D(50000), "BUY")
        self.venue.fault({"rate_limit": {"call": "POST /order"}})
        for _ in range(2):
            await self.assertFailure(client.placeOrder("BTC/USDT", D("0.01"), D(50000), "BUY"), RateLimited)
        assert await client.cancelOrder(id) is True
        assert len(self.core.open_orders("alice")) == 0

    @asynchronous
    async def test_orders_that_the_venue_cancels_uninvited_are_told(self) -> None:
        client, recorder = await self.connected()
        id = await client.placeOrder("BTC/USDT", D("0.01"), D(50000), "BUY")
        self.venue.fault({"cancel_all": True})
        order = await recorder.until("order", lambda order: order["is_cancelled"])
        assert order["id"] == id


class StreamTests(ClientCase):
    """Books and tables"""

    tickers = "BTC/USDT"

    @asynchronous
    async def test_an_update_for_an_unknown_level_is_told_once_and_the_book_fetched_anew(self) -> None:
        self.depth("XBT_USDT", 10**7)
        _, recorder = await self.connected()
        await recorder.until("book", lambda book: book["asks"])
        recorder.clear()
        self.venue.fault({"unknown_update": "XBT_USDT"})
        # Whoever quotes from it has to stop: the book is told as empty until it is known again.
        await recorder.until("book", lambda book: not book["bids"] and not book["asks"])
        await eventually(lambda: recorder.of("book")[-1]["asks"], "the book is back")
        (error,) = recorder.of("error")
        assert "orderBookL2:XBT_USDT" in str(error)
        assert "disconnect" not in recorder.names()

    @asynchronous
    async def test_of_many_messages_in_a_read_the_one_that_is_malformed_is_told_once(self) -> None:
        self.depth("XBT_USDT", 10**7)
        client, recorder = await self.connected()
        await recorder.until("book", lambda book: book["asks"])
        recorder.clear()
        good = b'{"table":"orderBookL2","action":"delete","data":[{"symbol":"XBT_USDT","id":1,"side":"Buy"}]}'
        for payload in (good, good[:-9], good, good[:-3], good):
            client._line.on_message(payload)
        client._line.on_read_done()
        (error,) = recorder.of("error")
        assert "orderBookL2:XBT_USDT" in str(error) and "not a book message" in str(error)
        (book,) = recorder.of("book")
        assert not book["bids"] and not book["asks"]
        await eventually(lambda: recorder.of("book")[-1]["asks"], "the book is back")
        assert "disconnect" not in recorder.names() and len(recorder.of("error")) == 1

    @asynchronous
    async def test_books_can_be_followed_by_their_best_levels_only(self) -> None:
        for step in range(30):
            self.world.place("carol", "XBT_USDT", "BUY", str(59990 - step), 10**6)
        client, recorder = await self.connected(book="orderBookL2_25", depth=100)
        book = await recorder.until("book", lambda book: book["bids"])
        assert len(book["bids"]) == 25
        self.world.place("carol", "XBT_USDT", "BUY", "59995", 10**6)
        book = await recorder.until("book", lambda book: book["bids"] and book["bids"][0]["price"] == 59995)
        assert (len(book["bids"]), book["bids"][-1]["price"]) == (25, 59967)
        assert len((await client.getOrderBook("BTC/USDT"))["bids"]) == 31

    @asynchronous
    async def test_events_tell_as_many_levels_as_was_asked_for(self) -> None:
        for step in range(5):
            self.world.place("carol", "XBT_USDT", "BUY", str(59990 - step), 10**6)
        _, recorder = await self.connected(depth=2)
        book = await recorder.until("book", lambda book: book["bids"])
        assert [row["price"] for row in book["bids"]] == [59990, 59989]

    @asynchronous
    async def test_updates_before_the_partial_do_no_harm(self) -> None:
        self.depth("XBT_USDT", 10**7)
        self.venue.fault({"hold_partials": True})
        client, recorder = self.client()
        connecting = client.connect()
        await eventually(lambda: any(s.topics for s in self.venue.feeds.subscribers), "subscribed")
        self.world.place("carol", "XBT_USDT", "BUY", "59991", 10**6)
        await pause(0.05)
        self.venue.fault({"hold_partials": False})
        await connecting
        book = await recorder.until("book", lambda book: book["bids"])
        assert book["bids"][0]["price"] in (59990, 59991)

    @asynchronous
    async def test_the_partial_of_executions_is_not_waited_for_and_that_of_orders_is(self) -> None:
        self.venue.fault({"drop_partials": "execution,transact"})
        client, _ = await self.connected()
        await client.placeOrder("BTC/USDT", D("0.01"), D(50000), "BUY")
        self.venue.fault({"drop_partials": "order"})
        other, recorder = self.client(deadline=0.5)
        connecting = other.connect()
        await recorder.until("error", lambda error: "no partial of order" in str(error))
        self.venue.fault({"drop_partials": None})
        await connecting

    @asynchronous
    async def test_without_a_key_the_market_is_open_and_the_account_is_not(self) -> None:
        self.depth("XBT_USDT", 10**7)
        client, recorder = await self.connected(id="", secret="")
        await recorder.until("book", lambda book: book["bids"])
        assert (await client.getOrderBook("BTC/USDT"))["asks"]
        await self.assertFailure(client.getPositions(), NotAuthorised)
        await self.assertFailure(client.placeOrder("BTC/USDT", D("0.01"), D(5), "BUY"), NotAuthorised)

    @asynchronous
    async def test_a_ticker_that_is_not_listed_is_named_with_those_that_are(self) -> None:
        client, recorder = self.client(tickers="BTC/GBP", connect_deadline=0.5)
        await self.assertFailure(client.connect(), Unreachable, Refused)
        assert any("BTC/GBP" in str(error) and "BTC/USD" in str(error) for error in recorder.of("error"))

    @asynchronous
    async def test_the_storage_holds_the_tables_by_key(self) -> None:
        client, _ = await self.connected()
        assert client.storage is not None
        row = client.storage.find("instrument", symbol="XBT_USDT")
        assert row is not None and row["lotSize"] == 10000
        assert client.storage.keys["margin"] == ("account", "currency")


class HistoryTests(ClientCase):
    """Money's history"""

    @asynchronous
    async def test_a_withdrawal_costs_what_was_asked_for_its_fee_included(self) -> None:
        self.core.currencies["BTC"] = type(self.core.currencies["BTC"])(
            "BTC", 10**8, withdrawal_fee=type(self.core.currencies["BTC"].withdrawal_fee)(20000)
        )
        client, _ = await self.connected()
        before = (await client.getPositions())["BTC"]["position"]
        id = await client.requestWithdrawal("BTC", D("0.25"), "bc1q")
        after = (await client.getPositions())["BTC"]["position"]
        assert before - after == D("0.25")
        (transfer,) = [t for t in await client.getTransfers(*self.today()) if t["direction"] == "withdrawal"]
        assert (transfer["id"], transfer["amount"], transfer["fee"]) == (id, D("0.25"), D("0.0002"))
        lines = await client.getTransactionHistory(*self.today())
        taken = [(line["type"], line["quantity"]) for line in lines if line["direction"] == "debit"]
        assert taken == [("Withdrawal", D("0.2498")), ("Fee", D("0.0002"))]

    def today(self) -> Any:
        now = self.world.clock.now()
        return now - DAY, now + DAY

    @asynchronous
    async def test_the_balances_of_the_ledger_follow_from_each_other(self) -> None:
        self.depth("XBT_USDT", 10**7)
        client, recorder = await self.connected()
        await client.placeOrder("BTC/USDT", D("0.01"), D(60010), "BUY", immediate=True)
        await client.placeOrder("BTC/USDT", D("0.02"), D(59990), "SELL", immediate=True)
        await eventually(lambda: len(recorder.of("fill")) == 2, "two fills")
        lines = await client.getTransactionHistory(*self.today())
        for code in ("BTC", "USDT"):
            own = [line for line in lines if line["contract"] == code]
            for before, line in pairwise(own):
                assert before["balance"] is not None and line["balance"] is not None
                change = line["quantity"] if line["direction"] == "credit" else -line["quantity"]
                assert line["balance"] - before["balance"] == change
        assert lines[-1]["balance"] == (await client.getPositions())[lines[-1]["contract"]]["position"]

    @asynchronous
    async def test_times_without_a_zone_are_refused_at_either_end(self) -> None:
        client, _ = await self.connected()
        now = self.world.clock.now()
        naive = now.replace(tzinfo=None)
        for span in ((naive, now), (now, naive)):
            for call in (client.getFills, client.getTransfers, client.getTransactionHistory):
                await self.assertFailure(call(*span), ValueError)
            await self.assertFailure(client.getOHLCVHistory("BTC/USDT", "day", *span), ValueError)

    @asynchronous
    async def test_bars_are_paged_and_begin_at_their_opening(self) -> None:
        client, _ = await self.connected()
        self.depth("XBT_USDT", 10**7)
        self.world.place("bob", "XBT_USDT", "BUY", "60010", 10**6)
        for period in ("minute", "hour", "day"):
            ((opened, bar),) = (await client.getOHLCVHistory("BTC/USDT", period, *self.today())).items()
            assert (bar["open"], bar["volume"], bar["period"]) == (60010, D("0.01"), period)
            assert opened <= self.world.clock.now() <= bar["close_timestamp"]
        await self.assertFailure(client.getOHLCVHistory("BTC/USDT", "week", *self.today()), Refused)


class DeadManTests(ClientCase):
    """The dead man's switch"""

    tickers = "BTC/USDT"

    @asynchronous
    async def test_orders_of_a_client_that_falls_silent_are_cancelled(self) -> None:
        client, _ = await self.connected(dead_man=0.4)
        await client.placeOrder("BTC/USDT", D("0.01"), D(50000), "BUY")
        await pause(0.6)
        assert len(self.core.open_orders("alice")) == 1  # renewed meanwhile
        assert client._line is not None
        client._line.transport.abortConnection()
        self.venue.fault({"down": True})
        await eventually(lambda: not self.core.open_orders("alice"), "cancelled by the venue", 2.0)

    @asynchronous
    async def test_who_disconnects_in_order_leaves_the_orders(self) -> None:
        client, _ = await self.connected(dead_man=0.3)
        await client.placeOrder("BTC/USDT", D("0.01"), D(50000), "BUY")
        await client.disconnect()
        await pause(0.5)
        assert len(self.core.open_orders("alice")) == 1

    @asynchronous
    async def test_nothing_is_armed_while_nothing_rests(self) -> None:
        client, _ = await self.connected(dead_man=0.3)
        assert self.venue._switches == {}
        await client.cancelAllAfter(60)
        assert len(self.venue._switches) == 1
        await client.cancelAllAfter(0)
        assert self.venue._switches == {}


class OptionTests(ClientCase):
    """What the constructor accepts"""

    def test_numbers_may_be_texts_and_bad_ones_are_named(self) -> None:
        client, _ = self.client(deadline="2.5", depth="7")
        assert client._options.deadline == 2.5
        for name, value in (
            ("deadline", "soon"), ("rate", 0), ("depth", 0), ("book", "orderBookL10"), ("dead_man", -1),
            ("endpoint", "gopher://host"),
        ):  # fmt: skip
            error = self.assertRaises(ValueError, BitMEX, reactor=reactor, **{name: value})
            assert str(value) in str(error), str(error)

    def test_the_networks_have_names(self) -> None:
        for endpoint, host in (("mainnet", "ws.bitmex.com"), ("testnet", "ws.testnet.bitmex.com")):
            client, _ = self.client(endpoint=endpoint)
            assert client._hosts.socket.host == host
            assert client._hosts.socket.path == "/realtime"

    def test_secrets_do_not_show(self) -> None:
        client, _ = self.client()
        assert "secret-alice" not in repr(vars(client))
