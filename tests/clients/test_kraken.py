"""What is Kraken's own: books with checksums, sequences, tokens, rights, the dead man's switch, funding, ledgers."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import SynchronousTestCase, TestCase

from clients.exchange import (
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
from clients.kraken import Kraken
from ilp.simulation.records import Bar
from tests.clients.bench import DAY, Bench, ContractCase, asynchronous, eventually, pause, tells
from tests.clients.test_kraken_contract import KrakenBench
from tests.simulation.kraken.world import BTC_EUR, make_world

EUR = {"tickers": "BTC/USD, BTC/EUR"}


class KrakenCase(ContractCase, TestCase):
    """Alice's client of a simulated Kraken."""

    bench: KrakenBench

    async def start_bench(self) -> Bench:
        return KrakenBench(await make_world(reactor))


class ConstructionTests(SynchronousTestCase):
    def test_a_secret_that_is_no_base64_is_an_error_at_once(self) -> None:
        error = self.assertRaises(ValueError, Kraken, id="key", secret="not base64!", reactor=reactor)
        assert "base64" in str(error) and "not base64!" not in str(error)

    def test_an_unknown_option_is_an_error_that_names_its_relative(self) -> None:
        error = self.assertRaises(ValueError, Kraken, reactor=reactor, dead_mann=3)
        assert "dead_man" in str(error)

    def test_without_a_key_it_says_that_it_is_public(self) -> None:
        assert "public_only" in Kraken(reactor=reactor).features


class BookTests(KrakenCase):
    @asynchronous
    async def test_a_wrong_checksum_empties_the_book_and_it_is_fetched_anew(self) -> None:
        _, recorder = await self.connected()
        bench = self.bench
        bench.trade(Side.BUY, bench.lot, bench.low)
        await recorder.until("book", lambda book: book["bids"])
        recorder.clear()
        bench.fault(wrong_checksum="BTC/USD")
        bench.trade(Side.BUY, bench.lot, bench.low + bench.tick)
        error = await recorder.until("error")
        assert "checksum" in str(error) and isinstance(error, Unreachable)
        await recorder.until("book", lambda book: not book["bids"])
        book = await recorder.until("book", lambda book: len(book["bids"]) == 2)
        assert book["bids"][0]["price"] == bench.low + bench.tick
        assert "disconnect" not in recorder.names()
        assert len(recorder.of("error")) == 1

    @asynchronous
    async def test_a_book_is_only_as_deep_as_asked_and_levels_come_back(self) -> None:
        _, recorder = await self.connected(depth=10)
        bench = self.bench
        ids = [bench.trade(Side.SELL, bench.lot, bench.high + n * bench.tick) for n in range(14)]
        await recorder.until("book", lambda book: len(book["asks"]) == 10)
        for id in ids[:5]:
            bench.withdraw_liquidity(id)
        book = await recorder.until(
            "book", lambda b: b["asks"] and b["asks"][0]["price"] == bench.high + 5 * bench.tick
        )
        assert len(book["asks"]) >= 5
        assert "error" not in recorder.names()

    @asynchronous
    async def test_a_pair_that_is_not_followed_is_asked_for(self) -> None:
        client, _ = await self.connected()
        self.bench.world.place("bob", Side.BUY, "45000", "0.02", BTC_EUR)
        book = await client.getOrderBook("BTC/EUR")
        assert book["bids"] == [{"price": Decimal(45000), "quantity": Decimal("0.02")}]

    @asynchronous
    async def test_several_pairs_are_followed_on_one_connection(self) -> None:
        _, recorder = await self.connected(**EUR)
        self.bench.world.place("bob", Side.BUY, "45000", "0.02", BTC_EUR)
        await recorder.until("book", lambda book: book["contract"] == "BTC/EUR" and book["bids"])
        assert {book["contract"] for book in recorder.of("book")} == {"BTC/USD", "BTC/EUR"}

    @asynchronous
    async def test_a_ticker_that_is_not_listed_is_named(self) -> None:
        client, recorder = self.made(self.bench.client(tickers="BTC/NIL", connect_deadline=0.2)), None
        error = await self.failure(client.connect(), Unreachable)
        assert "BTC/NIL" in str(error) and recorder is None


class SessionTests(KrakenCase):
    @asynchronous
    async def test_a_gap_in_the_executions_makes_the_connection_anew(self) -> None:
        client, recorder = await self.connected()
        bench = self.bench
        id = await self.rest(client, lots=1)
        await recorder.until("order")
        bench.drop_events(True)
        bench.trade(Side.SELL, bench.lot, bench.low)
        await pause(0.05)
        bench.drop_events(False)
        await self.rest(client, Side.SELL)
        await recorder.until("disconnect")
        order = await recorder.until("order", lambda order: order["id"] == id and order.get("final"))
        assert order["quantity_filled"] == bench.lot
        assert any("are lost" in str(error) for error in recorder.of("error"))

    @asynchronous
    async def test_a_fill_of_the_time_between_two_connections_is_told(self) -> None:
        client, recorder = await self.connected()
        bench = self.bench
        id = await self.rest(client, lots=3)
        await recorder.until("order")
        bench.down(True)
        await recorder.until("disconnect")
        bench.trade(Side.SELL, bench.lot, bench.low)
        bench.down(False)
        fill = await recorder.until("fill")
        assert (fill["order_id"], fill["quantity"], fill["price"]) == (id, bench.lot, bench.low)
        order = await recorder.until("order", lambda order: order["quantity_left"] == 2 * bench.lot)
        assert tells(order, fees=fill["fees"], average_price=bench.low)

    @asynchronous
    async def test_fills_of_before_the_first_connection_are_not_told(self) -> None:
        first, _ = await self.connected()
        await self.rest(first, lots=2)
        self.bench.trade(Side.SELL, self.bench.lot, self.bench.low)
        await eventually(lambda: self.bench.world.core.fills, "filled")
        await first.disconnect()
        _, recorder = await self.connected()
        await pause(0.1)
        assert recorder.of("fill") == []

    @asynchronous
    async def test_a_token_that_the_venue_forgot_is_renewed(self) -> None:
        client, _ = await self.connected()
        self.bench.fault(forget_tokens=True)
        id = await self.rest(client)
        assert list(await client.getOpenOrders()) == [id]

    @asynchronous
    async def test_maintenance_is_told_as_an_error(self) -> None:
        _, recorder = await self.connected()
        self.bench.fault(status="maintenance")
        assert "maintenance" in str(await recorder.until("error"))

    @asynchronous
    async def test_a_nonce_that_was_overtaken_is_made_up_for_once(self) -> None:
        client, _ = await self.connected()
        self.bench.fault(refuse={"call": "BalanceEx", "text": "EAPI:Invalid nonce"})
        assert await client.getPositions()
        self.bench.fault(refuse={"call": "BalanceEx", "text": "EAPI:Invalid nonce", "count": 2})
        error = await self.failure(client.getPositions(), NotAuthorised)
        assert "another process" in str(error)

    @asynchronous
    async def test_a_read_waits_while_the_venues_counter_is_full(self) -> None:
        client, _ = await self.connected()
        self.bench.fault(refuse={"call": "BalanceEx", "text": "EAPI:Rate limit exceeded", "count": 3})
        assert await client.getPositions()
        self.bench.fault(refuse={"call": "Withdraw", "text": "EAPI:Rate limit exceeded"})
        await self.failure(client.requestWithdrawal("BTC", Decimal("0.1"), "far away"), RateLimited)

    @asynchronous
    async def test_many_reads_at_once_arrive_in_the_order_of_their_nonces(self) -> None:
        client, _ = await self.connected()
        reads = [client.getPositions() for _ in range(8)] + [client.getOpenOrders() for _ in range(8)]
        for read in reads:
            await read

    @asynchronous
    async def test_a_page_of_the_network_is_no_answer(self) -> None:
        client, _ = await self.connected()
        self.bench.fault(bad_gateway={"call": "OpenOrders"})
        await self.failure(client.getOpenOrders(), Unreachable)
        self.bench.fault(bad_gateway={"call": "Withdraw", "effect": True})
        call = client.requestWithdrawal("BTC", Decimal("0.1"), "far away")
        await self.failure(call, OutcomeUnknown)

    @asynchronous
    async def test_neither_key_nor_token_are_in_errors(self) -> None:
        client, _ = await self.connected()
        token = next(iter(self.bench.venue.keys._tokens))
        self.bench.fault(refuse={"call": "AddOrder", "text": f"EGeneral:Internal error:{token}"})
        error = await self.failure(self.rest(client), OutcomeUnknown)
        assert token not in str(error) and "***" in str(error)


class RightsTests(KrakenCase):
    def without(self, *rights: str) -> None:
        self.bench.world.keys["alice"].rights.difference_update(rights)

    @asynchronous
    async def test_a_key_with_every_right_is_silent(self) -> None:
        _, recorder = await self.connected(check_rights=True)
        assert recorder.of("error") == []
        assert self.bench.orders_at_venue() == 0

    @asynchronous
    async def test_a_right_that_trading_needs_is_named_and_no_further_try_is_made(self) -> None:
        for right, words in (
            ("modify_orders", "Create & modify"),
            ("cancel_orders", "Cancel & close"),
            ("query_open_orders", "Query open"),
            ("query_closed_orders", "Query closed"),
            ("query_funds", "Funds: Query"),
            ("websocket", "WebSocket interface"),
        ):
            self.without(right)
            client = self.made(self.bench.client(check_rights=True))
            error = await self.failure(client.connect(), NotAuthorised)
            assert words in str(error), str(error)
            self.bench.world.keys["alice"].rights.add(right)

    @asynchronous
    async def test_a_right_that_only_histories_need_is_told_as_an_error(self) -> None:
        self.without("query_ledger")
        client, recorder = await self.connected(check_rights=True)
        (error,) = recorder.of("error")
        assert isinstance(error, NotAuthorised) and "Query ledger" in str(error)
        await self.failure(client.getTransactionHistory(self.bench.now() - DAY, self.bench.now()), NotAuthorised)

    @asynchronous
    async def test_rights_are_checked_once_and_not_at_every_connection(self) -> None:
        _, recorder = await self.connected(check_rights=True)
        self.without("query_ledger", "cancel_orders")
        self.bench.drop_line()
        await eventually(lambda: recorder.names().count("connect") == 2, "connected again")


class OrderTests(KrakenCase):
    @asynchronous
    async def test_a_post_only_order_that_would_trade_may_be_taken_and_cancelled(self) -> None:
        client, recorder = await self.connected()
        bench = self.bench
        bench.fault(post_only_cancels=True)
        bench.trade(Side.SELL, bench.lot, bench.high)
        id = await client.placeOrder(bench.pair, bench.lot, bench.high, "BUY", post_only=True)
        order = await recorder.until("order", lambda order: order["id"] == id and order["final"])
        assert order["is_cancelled"] and order["quantity_filled"] == 0

    @asynchronous
    async def test_an_amended_order_keeps_its_id_and_what_was_filled(self) -> None:
        client, recorder = await self.connected()
        bench = self.bench
        id = await self.rest(client, lots=3)
        bench.trade(Side.SELL, bench.lot, bench.low)
        await recorder.until("fill")
        assert await client.amendOrder(id, quantity=5 * bench.lot, price=bench.low + bench.tick) is True
        order = await recorder.until("order", lambda order: order["price"] == bench.low + bench.tick)
        assert (order["id"], order["quantity_left"]) == (id, 4 * bench.lot)
        assert order["quantity_filled"] == bench.lot

    @asynchronous
    async def test_amending_what_is_filled_is_too_late_and_what_never_was_is_unknown(self) -> None:
        client, recorder = await self.connected()
        id = await self.rest(client, lots=1)
        self.bench.trade(Side.SELL, self.bench.lot, self.bench.low)
        await recorder.until("order", lambda order: order["final"])
        assert await client.amendOrder(id, price=self.bench.low - self.bench.tick) is False
        await self.failure(client.amendOrder("OAAAAA-AAAAA-AAAAAA", price=self.bench.low), UnknownOrder)

    @asynchronous
    async def test_cancelling_all_of_a_ticker_leaves_the_other_pair(self) -> None:
        client, _ = await self.connected(**EUR)
        ours = await self.rest(client)
        other = await client.placeOrder("BTC/EUR", self.bench.lot, self.bench.low, "BUY")
        assert await client.cancelAllOrders("BTC/USD") == [ours]
        assert list(await client.getOpenOrders()) == [other]
        assert await client.cancelAllOrders() == [other]

    @asynchronous
    async def test_orders_of_another_session_of_the_account_are_cancelled_too(self) -> None:
        client, _ = await self.connected()
        self.bench.drop_events(True)
        self.bench.world.place("alice", Side.BUY, "50000", "0.01")
        assert len(await client.cancelAllOrders()) == 1
        assert self.bench.orders_at_venue() == 0

    @asynchronous
    async def test_client_ids_that_the_venue_would_refuse_are_refused_here(self) -> None:
        client, _ = await self.connected()
        order = (self.bench.pair, self.bench.lot, self.bench.low, "BUY")
        for odd in ("", "x" * 19, "ümlaut"):
            await self.failure(client.placeOrder(*order, client_id=odd), OrderRejected)
        await client.placeOrder(*order, client_id="x" * 18)
        await self.failure(client.placeOrder(*order, client_id="x" * 18), OrderRejected)

    @asynchronous
    async def test_cancels_go_even_when_the_counter_is_full(self) -> None:
        client, _ = await self.connected(rate=0.01, burst=24, reserve=10)
        ids = [await self.rest(client, lots=1) for _ in range(14)]
        await self.failure(self.rest(client), RateLimited)
        urgent = await client.placeOrder(self.bench.pair, self.bench.lot, self.bench.low, "BUY", urgent=True)
        assert set(await client.cancelAllOrders()) == {*ids, urgent}
        await self.failure(
            client.placeOrder(self.bench.pair, self.bench.lot, self.bench.low, "BUY", urgent=True), RateLimited
        )

    @asynchronous
    async def test_the_venue_saying_that_the_counter_is_full_stops_us(self) -> None:
        client, _ = await self.connected(rate=0.01, burst=100)
        self.bench.fault(refuse={"call": "AddOrder", "text": "EOrder:Rate limit exceeded"})
        await self.failure(self.rest(client), RateLimited)
        error = await self.failure(self.rest(client), RateLimited)
        assert "nothing was sent" in str(error)


class DeadManTests(KrakenCase):
    @asynchronous
    async def test_it_is_armed_while_orders_rest_and_switched_off_in_order(self) -> None:
        client, _ = await self.connected(dead_man=8)
        switches = self.bench.venue.trading._switches
        assert not switches
        id = await self.rest(client)
        await eventually(lambda: "alice" in switches, "armed")
        first = switches["alice"]
        await eventually(lambda: switches["alice"] is not first, "renewed", limit=4)
        await client.disconnect()
        await eventually(lambda: not switches, "switched off")
        assert self.bench.orders_at_venue() == 1 and id

    @asynchronous
    async def test_it_fires_when_the_line_is_gone_for_good(self) -> None:
        client, recorder = await self.connected(dead_man=1)
        await self.rest(client)
        await eventually(lambda: "alice" in self.bench.venue.trading._switches, "armed")
        self.bench.down(True)
        await recorder.until("disconnect")
        await eventually(lambda: self.bench.orders_at_venue() == 0, "cancelled by the venue")

    @asynchronous
    async def test_seconds_that_the_venue_would_refuse_are_refused_here(self) -> None:
        client, _ = await self.connected()
        await self.failure(client.cancelAllAfter(100_000), Refused)
        await self.failure(client.cancelAllAfter(-1), Refused)


class FundingTests(KrakenCase):
    @asynchronous
    async def test_withdrawals_are_off_by_default(self) -> None:
        client, _ = await self.connected(withdraw_keys=False)
        await self.failure(client.requestWithdrawal("BTC", Decimal("0.1"), "far away"), NotImplementedError)

    @asynchronous
    async def test_only_saved_addresses_are_paid_and_a_key_will_do_for_its_address(self) -> None:
        client, _ = await self.connected()
        error = await self.failure(client.requestWithdrawal("BTC", Decimal("0.1"), "a stranger's"), Refused)
        assert "saved" in str(error)
        id = await client.requestWithdrawal("BTC", Decimal("0.1"), "saved 1")
        (one,) = await client.getTransfers(self.bench.now() - DAY, self.bench.now() + DAY)
        assert (one["id"], one["address"], one["status"]) == (id, "far away", "pending")

    @asynchronous
    async def test_fiat_has_no_address(self) -> None:
        client, _ = await self.connected()
        await self.failure(client.getCurrentAddress("USD"), NotImplementedError)

    @asynchronous
    async def test_an_address_never_used_is_taken_before_another_is_made(self) -> None:
        first, _ = await self.connected()
        current = await first.getCurrentAddress("BTC")
        spare = await first.getNewAddress("BTC")
        client, _ = await self.connected()
        assert await client.getCurrentAddress("BTC") == current
        assert await client.getNewAddress("BTC") == spare

    @asynchronous
    async def test_too_many_unused_addresses_are_refused(self) -> None:
        client, _ = await self.connected()
        made = self.bench.venue.funding
        for _ in range(5):
            made._addresses(self.bench.world.keys["alice"], {"asset": "XBT", "method": "Bitcoin", "new": "true"})
        known = {await client.getCurrentAddress("BTC")}
        for _ in range(2):
            known.add(await client.getNewAddress("BTC"))
        assert len(known) >= 2
        assert len(made._made["alice", "BTC"]) == 5

    @asynchronous
    async def test_money_that_cannot_be_paid_lacks_funds(self) -> None:
        client, _ = await self.connected()
        await self.failure(client.requestWithdrawal("BTC", Decimal(1000), "far away"), InsufficientFunds)


class HistoryTests(KrakenCase):
    async def traded(self, count: int = 1) -> tuple[Any, Any]:
        client, recorder = await self.connected()
        bench = self.bench
        for number in range(count):
            bench.trade(Side.SELL, bench.lot, bench.high)
            await client.placeOrder(bench.pair, bench.lot, bench.high, "BUY")
            await eventually(lambda n=number: len(recorder.of("fill")) == n + 1, "a fill")
        return client, recorder

    @asynchronous
    async def test_a_trade_is_two_lines_and_its_fee_a_third(self) -> None:
        client, recorder = await self.traded()
        bench = self.bench
        rows = await client.getTransactionHistory(bench.now() - DAY, bench.now() + DAY)
        trade = [row for row in rows if row["type"] in ("Trade", "Fee")]
        value = bench.lot * bench.high
        assert [(row["contract"], row["type"], row["direction"], row["quantity"]) for row in trade] == [
            ("USD", "Trade", "debit", value),
            ("USD", "Fee", "debit", recorder.of("fill")[0]["fees"]["USD"]),
            ("BTC", "Trade", "credit", bench.lot),
        ]

    @asynchronous
    async def test_balances_of_the_ledger_are_those_of_the_account(self) -> None:
        client, _ = await self.traded(2)
        rows = await client.getTransactionHistory(self.bench.now() - DAY, self.bench.now() + DAY)
        last = {row["contract"]: row["balance"] for row in rows}
        held = await client.getPositions()
        assert {code: held[code]["position"] for code in last} == last

    @asynchronous
    async def test_more_than_a_page_of_fills_is_read_whole(self) -> None:
        client, _ = await self.connected()
        bench = self.bench
        for _ in range(60):
            bench.world.place("bob", Side.SELL, bench.high, bench.lot)
        bench.world.place("alice", Side.BUY, bench.high, 60 * bench.lot)
        fills = await client.getFills(bench.now() - DAY, bench.now() + DAY)
        assert len({fill["id"] for fill in fills}) == 60
        times = [fill["timestamp"] for fill in fills]
        assert times == sorted(times)

    @asynchronous
    async def test_bars_from_before_what_the_venue_tells_are_refused(self) -> None:
        client, _ = await self.connected()
        core, now = self.bench.world.core, self.bench.now()
        for hours in range(1, 800):
            opened = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours)
            closes = opened + timedelta(hours=1) - timedelta(microseconds=1)
            core.load_bar(Bar("BTC/USD", "hour", *(6 * 10**8,) * 4, 10**8, 6 * 10**8, opened, closes))
        bars = await client.getOHLCVHistory("BTC/USD", "hour", now - timedelta(hours=700), now)
        assert len(bars) >= 700
        error = await self.failure(client.getOHLCVHistory("BTC/USD", "hour", now - timedelta(hours=760), now), Refused)
        assert "720" in str(error)


class FeeTests(KrakenCase):
    @asynchronous
    async def test_fees_are_told_as_fractions(self) -> None:
        client, _ = await self.connected()
        fees = await client.getFees()
        assert (fees["BTC/USD"].taker, fees["BTC/USD"].maker) == (Decimal("0.0025"), Decimal("0.0025"))


class PublicTests(KrakenCase):
    @asynchronous
    async def test_books_and_histories_need_no_key(self) -> None:
        bench = self.bench
        client = self.made(Kraken(endpoint=bench.venue.rest, reactor=reactor, now=bench.now, read_rate=100))
        await client.connect()
        bench.trade(Side.BUY, bench.lot, bench.low)
        assert (await client.getOrderBook("BTC/USD"))["bids"]
        assert await client.getTradeHistory("BTC/USD", bench.now() - DAY, bench.now()) == []
        await self.failure(client.getPositions(), NotAuthorised)
        await self.failure(self.rest(client), NotAuthorised)
