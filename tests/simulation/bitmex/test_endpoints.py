"""The other endpoints of the simulated venue, over HTTP; and what the core's refusals become."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import SynchronousTestCase, TestCase

from ilp.simulation import rejections
from ilp.simulation.bitmex.errors import from_core
from ilp.simulation.bitmex.query import Parameters, read_parameters, select
from tests.clients.bench import asynchronous
from tests.simulation.bitmex.world import World, make_world


class EndpointTests(TestCase):
    """Calls of alice"""

    timeout = 15
    world: World

    @asynchronous
    async def setUp(self) -> None:
        self.world = await make_world(reactor)

    @asynchronous
    async def tearDown(self) -> None:
        await self.world.stop()

    async def get(self, path: str) -> Any:
        status, _, document = await self.world.ask("GET", path, key="alice")
        assert status == 200, document
        return document

    async def refused(self, verb: str, path: str, body: Any = None) -> tuple[int, str]:
        status, _, document = await self.world.ask(verb, path, body, key="alice")
        return status, document["error"]["message"]

    def trade(self, symbol: str = "XBTUSD", quantity: int = 100) -> None:
        self.world.place("bob", symbol, "SELL", "50000", quantity)
        self.world.place("alice", symbol, "BUY", "50000", quantity)

    @asynchronous
    async def test_everything_that_clients_ask_at_their_start_is_there(self) -> None:
        for path in (
            "", "/instrument/active", "/instrument/activeAndIndices", "/instrument/indices", "/schema", "/funding",
            "/schema/websocketHelp", "/wallet/networks", "/user/tradingVolume", "/address", "/user/marginingMode",
            "/stats", "/announcement", "/user/quoteFillRatio", "/execution", "/user/walletSummary?currency=all",
        ):  # fmt: skip
            await self.get(path)

    @asynchronous
    async def test_intervals_are_parallel_lists(self) -> None:
        told = await self.get("/instrument/activeIntervals")
        assert told == {"intervals": ["XBT:perpetual"] * 2, "symbols": ["XBTUSD", "XBTUSDT"]}

    @asynchronous
    async def test_the_book_needs_a_symbol_and_obeys_its_depth(self) -> None:
        for step in range(5):
            self.world.place("bob", "XBTUSD", "BUY", str(50000 - step), 100)
            self.world.place("bob", "XBTUSD", "SELL", str(50001 + step), 100)
        assert await self.refused("GET", "/orderBook/L2") == (400, "'symbol' is a required arg.")
        assert await self.refused("GET", "/orderBook/L2?symbol=XBTUSD&depth=-1") == (400, "depth not valid")
        rows = await self.get("/orderBook/L2?symbol=XBTUSD&depth=2&limit=7")
        assert [(row["side"], row["price"]) for row in rows] == [
            ("Sell", 50002.0), ("Sell", 50001.0), ("Buy", 50000.0), ("Buy", 49999.0),
        ]  # fmt: skip
        assert len(await self.get("/orderBook/L2?symbol=XBTUSD&depth=0")) == 10

    @asynchronous
    async def test_bins_have_sizes_and_ends(self) -> None:
        self.trade()
        for size, end in (("1m", "12:01:00"), ("5m", "12:05:00"), ("1h", "13:00:00"), ("1d", "00:00:00")):
            (row,) = await self.get(f"/trade/bucketed?symbol=XBTUSD&binSize={size}&partial=true")
            assert row["timestamp"][11:19] == end, row
            assert (row["volume"], row["close"], row["homeNotional"]) == (100, 50000.0, 0.002)
        assert await self.get("/trade/bucketed?symbol=XBTUSD&binSize=1d") == []
        assert await self.refused("GET", "/trade/bucketed?binSize=2m") == (400, "binSize not valid")

    @asynchronous
    async def test_trades_are_found_by_time_and_newest_first(self) -> None:
        self.trade(quantity=100)
        self.trade(quantity=200)
        rows = await self.get("/trade?symbol=XBTUSD&reverse=true")
        assert [row["size"] for row in rows] == [200, 100]
        assert await self.get("/trade?symbol=XBTUSD&startTime=2027-01-01") == []
        assert len(await self.get("/trade?symbol=XBTUSD&endTime=2027-01-01T00:00:00.000Z")) == 2

    @asynchronous
    async def test_a_quote_shows_both_sides(self) -> None:
        self.world.place("bob", "XBTUSD", "BUY", "50000", 100)
        (row,) = await self.get("/quote?symbol=XBTUSD")
        assert (row["bidPrice"], row["askPrice"]) == (50000.0, None)

    @asynchronous
    async def test_the_user_and_the_key_describe_themselves(self) -> None:
        user, key = await self.get("/user"), await self.get("/apiKey/self")
        assert user["username"] == key["name"] == "alice"
        assert user["id"] == key["userId"]
        assert key["permissions"] == ["order", "orderCancel", "withdraw"]
        assert [row["id"] for row in await self.get("/apiKey")] == ["key-alice"]

    @asynchronous
    async def test_commissions_are_told_for_each_symbol(self) -> None:
        told = await self.get("/user/commission")
        assert told["XBTUSD"]["takerFee"] == 0.0005
        assert told["XBT_USDT"]["makerFee"] == 0.001

    @asynchronous
    async def test_money_is_told_of_one_currency_or_all(self) -> None:
        assert (await self.get("/user/margin"))["currency"] == "XBt"
        assert (await self.get("/user/wallet?currency=USDt"))["amount"] == 10**12
        assert [row["currency"] for row in await self.get("/user/margin?currency=all")] == ["XBt", "USDt"]
        assert await self.refused("GET", "/user/margin?currency=EUR") == (400, "Invalid currency")

    @asynchronous
    async def test_the_wallet_history_comes_newest_first(self) -> None:
        self.trade("XBT_USDT", 10**6)
        rows = await self.get("/user/walletHistory?currency=XBt")
        assert [row["transactType"] for row in rows] == ["SpotTrade", "Deposit"]
        rows = await self.get("/user/walletHistory?currency=all&count=1&start=1")
        assert len(rows) == 1

    @asynchronous
    async def test_a_deposit_address_is_a_bare_text(self) -> None:
        address = await self.get("/user/depositAddress?currency=XBt&network=btc")
        assert isinstance(address, str)
        told = await self.get("/user/depositAddressInformation?currency=XBt&network=btc")
        assert told == {"address": address, "memo": ""}
        assert await self.refused("GET", "/user/depositAddress?currency=XBt") == (400, "'network' is a required arg.")

    @asynchronous
    async def test_withdrawals_are_checked(self) -> None:
        good = {"currency": "XBt", "network": "btc", "amount": 10**6, "address": "bc1q"}
        for changes, message in (
            ({"address": ""}, "'address' is a required arg."),
            ({"amount": -5}, "Negative withdrawal amount"),
            ({"amount": 0}, "Invalid withdrawal amount"),
            ({"amount": 10**12}, "Account has insufficient Withdrawable Balance"),
            ({"currency": "EUR"}, "Invalid currency"),
            ({"amount": "much"}, "amount is invalid"),
            ({"amount": "1.5"}, "amount is invalid"),
        ):
            assert await self.refused("POST", "/user/requestWithdrawal", {**good, **changes}) == (400, message)
        status, _, row = await self.world.ask("POST", "/user/requestWithdrawal", good, key="alice")
        assert (status, row["transactStatus"], row["amount"]) == (200, "Pending", -(10**6))

    @asynchronous
    async def test_positions_answer_to_leverage_and_close(self) -> None:
        self.trade()
        (row,) = await self.get("/position")
        assert (row["symbol"], row["currentQty"], row["avgEntryPrice"]) == ("XBTUSD", 100, 50000.0)
        status, _, row = await self.world.ask(
            "POST", "/position/leverage", {"symbol": "XBTUSD", "leverage": 0}, key="alice"
        )
        assert (status, row["currentQty"]) == (200, 100)
        assert await self.refused("POST", "/position/leverage", {"symbol": "NONE"}) == (400, "Invalid symbol")
        self.world.place("bob", "XBTUSD", "BUY", "49000", 100)
        body = {"symbol": "XBTUSD", "price": 49000}
        status, _, row = await self.world.ask("POST", "/order/closePosition", body, key="alice")
        assert (status, row["ordStatus"], row["side"]) == (200, "Filled", "Sell")

    @asynchronous
    async def test_a_mistake_of_the_venue_is_told_as_its_failure(self) -> None:
        self.world.venue.money.history["alice"].append({})  # a row that no reader of the history expects
        assert await self.refused("GET", "/user/walletHistory?currency=XBt") == (500, "Server Error")
        assert len(self.flushLoggedErrors(KeyError)) == 1

    @asynchronous
    async def test_a_switch_without_a_time_is_refused(self) -> None:
        assert await self.refused("POST", "/order/cancelAllAfter", {}) == (400, "timeout is invalid")
        assert await self.refused("POST", "/order/bulk", {"orders": "x"}) == (400, "orders not valid")
        assert await self.refused("DELETE", "/order", {}) == (400, "orderID or clOrdID must be sent.")


class RefusalTests(SynchronousTestCase):
    """The core's words in the venue's"""

    def test_each_rejection_has_its_status_and_text(self) -> None:
        for refusal, status, message in (
            (rejections.NotPermitted("x"), 403, "Account is restricted"),
            (rejections.AccountDisabled("x"), 403, "Account is restricted"),
            (rejections.UnknownContract("x"), 400, "Invalid symbol"),
            (rejections.ContractNotActive("x"), 400, "Instrument expired"),
            (rejections.DuplicateClientId("x"), 400, "Duplicate clOrdID"),
            (rejections.BelowMinimum("x"), 400, "orderQty is invalid"),
            (rejections.UnknownOrder("x"), 404, "Not Found"),
            (rejections.OffStep("x"), 400, "Invalid withdrawal amount"),
            (rejections.UnknownAddress("why"), 400, "why"),
        ):
            error = from_core(refusal)
            self.assertEqual((error.status, error.message), (status, message))
            self.assertEqual(error.document(), {"error": {"message": message, "name": "HTTPError"}})


class ParameterTests(SynchronousTestCase):
    """Values of any origin"""

    def test_json_goes_before_the_query_and_forms_are_read(self) -> None:
        merged = read_parameters("symbol=A&count=5", "application/json", b'{"symbol": "B"}')
        self.assertEqual((merged.text("symbol"), merged.whole("count")), ("B", 5))
        form = read_parameters("", "", b"orders=%5B1%2C2%5D&price=1.5")
        self.assertEqual((form.json("orders"), str(form.number("price"))), ([1, 2], "1.5"))

    def test_flags_may_be_written_in_any_usual_way(self) -> None:
        for value in (True, "true", "1", 1):
            self.assertTrue(Parameters({"x": value}).flag("x"))
        self.assertFalse(Parameters({"x": "false"}).flag("x", True))
        self.assertTrue(Parameters({}).flag("x", True))

    def test_names_come_as_text_list_or_json(self) -> None:
        for value in (["a", "b"], '["a","b"]', "a,b"):
            self.assertEqual(Parameters({"x": value}).names("x"), ["a", "b"])
        self.assertEqual(Parameters({}).names("x"), [])

    def test_the_largest_count_is_the_tables_own(self) -> None:
        rows = [{"n": n} for n in range(600)]
        self.assertEqual(len(select(rows, Parameters({"count": 9999}))), 500)
        self.assertEqual(len(select(rows, Parameters({}))), 100)
        self.assertEqual(select(rows, Parameters({"start": 599})), [{"n": 599}])
