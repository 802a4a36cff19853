"""Orders of the simulated venue: what is accepted, refused, changed and cancelled, in the venue's own words."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from tests.clients.bench import asynchronous, pause
from tests.simulation.bitmex.world import World, make_world

LIMIT: dict[str, Any] = {"symbol": "XBTUSD", "side": "Buy", "orderQty": 100, "price": 50000}


class OrderCase(TestCase):
    """Calls of alice."""

    timeout = 15
    world: World

    @asynchronous
    async def setUp(self) -> None:
        self.world = await make_world(reactor)

    @asynchronous
    async def tearDown(self) -> None:
        await self.world.stop()

    async def call(self, verb: str, path: str, body: Any = None) -> tuple[int, Any]:
        status, _, document = await self.world.ask(verb, path, body, key="alice")
        return status, document

    async def place(self, **changes: Any) -> Any:
        status, row = await self.call("POST", "/order", {**LIMIT, **changes})
        assert status == 200, row
        return row

    async def refused(self, verb: str, path: str, body: Any) -> tuple[int, str]:
        status, document = await self.call(verb, path, body)
        return status, document["error"]["message"]

    def quotes(self, symbol: str = "XBTUSD", size: int = 1000) -> None:
        self.world.place("carol", symbol, "BUY", "59990", size)
        self.world.place("carol", symbol, "SELL", "60010", size)


class PlacingTests(OrderCase):
    """`POST /order`"""

    @asynchronous
    async def test_a_limit_order_rests_with_every_column(self) -> None:
        row = await self.place(clOrdID="a/b+c=", text="mine")
        wanted = {
            "symbol": "XBTUSD", "side": "Buy", "orderQty": 100, "price": 50000.0, "ordType": "Limit", "ordStatus": "New",
            "timeInForce": "GoodTillCancel", "leavesQty": 100, "cumQty": 0, "workingIndicator": True, "clOrdID": "a/b+c=",
            "text": "mine", "currency": "USD", "settlCurrency": "XBt", "avgPx": None,
        }  # fmt: skip
        assert {name: row[name] for name in wanted} == wanted

    @asynchronous
    async def test_what_is_not_acceptable_is_refused_in_the_venues_words(self) -> None:
        cases: tuple[tuple[dict[str, Any], str], ...] = (
            ({"symbol": None}, "'symbol' is a required arg."),
            ({"symbol": "XBTGBP"}, "Invalid symbol"),
            ({"orderQty": None}, "orderQty is required"),
            ({"orderQty": 150}, "orderQty is invalid"),
            ({"orderQty": 10**9}, "orderQty is invalid"),
            ({"price": 50000.3}, "Invalid price tickSize"),
            ({"price": -5}, "Invalid price"),
            ({"side": "Up"}, "Invalid side"),
            ({"ordType": "Limit", "price": None}, "Invalid price"),
            ({"stopPx": 5, "ordType": "Limit"}, "Invalid stopPx for ordType"),
            ({"ordType": "Peg"}, "Invalid ordType"),
            ({"timeInForce": "Never"}, "Invalid timeInForce"),
            ({"clOrdID": "x" * 37}, "clOrdID is too long"),
        )
        for changes, message in cases:
            body = {name: value for name, value in {**LIMIT, **changes}.items() if value is not None}
            assert await self.refused("POST", "/order", body) == (400, message), changes
        assert self.world.core.open_orders("alice") == []

    @asynchronous
    async def test_what_cannot_be_paid_names_what_is_needed(self) -> None:
        body = {"symbol": "XBT_USDT", "side": "Buy", "orderQty": 10**10, "price": 50000}
        status, document = await self.call("POST", "/order", body)
        assert status == 400
        assert document["error"] == {
            "message": "Account has insufficient Available Balance, 5005000000000 USDt required",
            "name": "CodedHTTPError",
            "details": "19000",
        }

    @asynchronous
    async def test_a_negative_quantity_sells(self) -> None:
        assert (await self.place(side=None, orderQty=-100))["side"] == "Sell"

    @asynchronous
    async def test_a_price_with_binary_noise_lies_on_the_tick(self) -> None:
        assert (await self.place(price=50000.500000000001))["price"] == 50000.5

    @asynchronous
    async def test_a_repeated_client_id_is_refused_also_after_the_order_ended(self) -> None:
        row = await self.place(clOrdID="mine")
        assert await self.refused("POST", "/order", {**LIMIT, "clOrdID": "mine"}) == (400, "Duplicate clOrdID")
        await self.call("DELETE", "/order", {"orderID": row["orderID"]})
        assert await self.refused("POST", "/order", {**LIMIT, "clOrdID": "mine"}) == (400, "Duplicate clOrdID")

    @asynchronous
    async def test_a_refused_order_leaves_its_client_id_free(self) -> None:
        body = {"symbol": "XBT_USDT", "side": "Buy", "orderQty": 10**10, "price": 50000, "clOrdID": "mine"}
        await self.refused("POST", "/order", body)
        assert (await self.place(clOrdID="mine"))["ordStatus"] == "New"

    @asynchronous
    async def test_a_market_order_takes_the_best_and_is_immediate(self) -> None:
        self.quotes()
        row = await self.place(price=None, orderQty=300)
        assert (row["ordType"], row["timeInForce"], row["ordStatus"]) == ("Market", "ImmediateOrCancel", "Filled")
        assert (row["avgPx"], row["cumQty"], row["leavesQty"], row["price"]) == (60010.0, 300, 0, None)

    @asynchronous
    async def test_a_market_order_without_a_book_is_cancelled(self) -> None:
        row = await self.place(price=None)
        assert (row["ordStatus"], row["cumQty"]) == ("Canceled", 0)

    @asynchronous
    async def test_the_rest_of_an_immediate_order_is_cancelled_with_its_reason(self) -> None:
        self.quotes(size=200)
        row = await self.place(price=60010, orderQty=500, timeInForce="ImmediateOrCancel")
        assert (row["ordStatus"], row["cumQty"], row["leavesQty"]) == ("Canceled", 200, 0)
        assert row["text"] == "Canceled: Order had timeInForce of ImmediateOrCancel\nSubmitted via API."

    @asynchronous
    async def test_fill_or_kill_fills_whole_or_not_at_all(self) -> None:
        self.quotes(size=200)
        row = await self.place(price=60010, orderQty=500, timeInForce="FillOrKill")
        assert (row["ordStatus"], row["cumQty"]) == ("Canceled", 0)
        row = await self.place(price=60010, orderQty=200, timeInForce="FillOrKill")
        assert (row["ordStatus"], row["cumQty"]) == ("Filled", 200)

    @asynchronous
    async def test_a_post_only_order_that_would_match_is_a_cancelled_order_and_no_error(self) -> None:
        self.quotes()
        row = await self.place(price=60010, execInst="ParticipateDoNotInitiate")
        assert (row["ordStatus"], row["leavesQty"], row["cumQty"], row["workingIndicator"]) == ("Canceled", 0, 0, False)
        assert row["text"] == "Canceled: Order had execInst of ParticipateDoNotInitiate\nSubmitted via API."

    @asynchronous
    async def test_a_reduce_only_order_is_cut_to_the_position(self) -> None:
        self.quotes()
        row = await self.place(price=70000, side="Sell", execInst="ReduceOnly")
        assert row["ordStatus"] == "Canceled"
        assert "current position is 0" in row["text"]
        await self.place(price=60010, orderQty=300)
        row = await self.place(price=70000, side="Sell", orderQty=500, execInst="ReduceOnly")
        assert (row["ordStatus"], row["orderQty"]) == ("New", 300)

    @asynchronous
    async def test_a_position_is_closed_without_a_quantity(self) -> None:
        self.quotes()
        await self.place(price=60010, orderQty=300)
        row = await self.place(price=59990, orderQty=None, execInst="Close")
        assert (row["side"], row["orderQty"], row["ordStatus"]) == ("Sell", 300, "Filled")

    @asynchronous
    async def test_a_stop_waits_for_its_price(self) -> None:
        self.quotes()
        row = await self.place(price=None, stopPx=60010, ordType="Stop")
        assert (row["ordStatus"], row["workingIndicator"], row["triggered"]) == ("New", False, "")
        self.world.place("bob", "XBTUSD", "BUY", "60010", 100)
        _, (row,) = await self.call("GET", f"/order?filter=%7B%22orderID%22%3A%22{row['orderID']}%22%7D")
        assert (row["triggered"], row["ordStatus"]) == ("StopOrderTriggered", "Filled")

    @asynchronous
    async def test_only_so_many_orders_may_rest(self) -> None:
        for number in range(200):
            self.world.place("alice", "XBTUSD", "BUY", str(40000 + number), 100)
        assert await self.refused("POST", "/order", LIMIT) == (400, "Too many open orders")

    @asynchronous
    async def test_a_bulk_is_placed_whole_or_not_at_all(self) -> None:
        orders = [LIMIT, {**LIMIT, "orderQty": 150}]
        assert await self.refused("POST", "/order/bulk", {"orders": orders}) == (400, "orderQty is invalid")
        assert self.world.core.open_orders("alice") == []
        status, rows = await self.call("POST", "/order/bulk", {"orders": [LIMIT, {**LIMIT, "price": 49999}]})
        assert (status, [row["price"] for row in rows]) == (200, [50000.0, 49999.0])
        amends = [{"orderID": row["orderID"], "orderQty": 200} for row in rows]
        _, rows = await self.call("PUT", "/order/bulk", {"orders": amends})
        assert [row["orderQty"] for row in rows] == [200, 200]
        wrong = {"orders": [amends[0], {"orderID": "nobody"}]}
        assert await self.refused("PUT", "/order/bulk", wrong) == (400, "Invalid orderID")


class CancellingTests(OrderCase):
    """`DELETE /order`"""

    @asynchronous
    async def test_a_cancelled_order_tells_why(self) -> None:
        row = await self.place()
        _, (gone,) = await self.call("DELETE", "/order", {"orderID": row["orderID"]})
        assert (gone["ordStatus"], gone["leavesQty"]) == ("Canceled", 0)
        assert gone["text"] == "Canceled: Canceled via API.\nSubmitted via API."

    @asynchronous
    async def test_the_newer_dialect_says_it_shorter(self) -> None:
        self.world.venue.entry.old_words = False
        row = await self.place()
        _, (gone,) = await self.call("DELETE", "/order", {"orderID": row["orderID"]})
        assert gone["text"] == "Canceled\nCanceled via API."

    @asynchronous
    async def test_one_that_ended_is_a_row_with_an_error(self) -> None:
        row = await self.place()
        self.world.place("bob", "XBTUSD", "SELL", "50000", 100)
        status, (gone,) = await self.call("DELETE", "/order", {"orderID": row["orderID"]})
        assert (status, gone["error"]) == (200, "Unable to cancel order due to existing state: Filled")

    @asynchronous
    async def test_several_may_be_named_as_list_text_or_client_id(self) -> None:
        ids = [(await self.place(clOrdID=name))["orderID"] for name in "abcd"]
        _, rows = await self.call("DELETE", "/order", {"orderID": ids[:2]})
        assert [row["ordStatus"] for row in rows] == ["Canceled", "Canceled"]
        _, rows = await self.call("DELETE", f"/order?orderID=%5B%22{ids[2]}%22%5D")
        assert [row["orderID"] for row in rows] == [ids[2]]
        _, rows = await self.call("DELETE", "/order", {"clOrdID": "d"})
        assert [row["orderID"] for row in rows] == [ids[3]]

    @asynchronous
    async def test_an_unknown_one_is_not_found(self) -> None:
        assert await self.refused("DELETE", "/order", {"orderID": "nobody"}) == (404, "Not Found")

    @asynchronous
    async def test_all_are_cancelled_or_those_of_a_symbol_or_side(self) -> None:
        for changes in ({}, {"side": "Sell", "price": 70000}, {"symbol": "XBT_USDT", "orderQty": 10**6}):
            await self.place(**changes)
        _, rows = await self.call("DELETE", "/order/all", {"symbol": "XBT_USDT"})
        assert [row["symbol"] for row in rows] == ["XBT_USDT"]
        _, rows = await self.call("DELETE", "/order/all", {"filter": {"side": "Sell"}})
        assert [row["side"] for row in rows] == ["Sell"]
        _, rows = await self.call("DELETE", "/order/all", {})
        assert len(rows) == 1
        assert await self.call("DELETE", "/order/all", {}) == (200, [])

    @asynchronous
    async def test_the_dead_mans_switch_cancels_in_milliseconds(self) -> None:
        await self.place()
        _, answer = await self.call("POST", "/order/cancelAllAfter", {"timeout": 60000})
        assert answer["now"] < answer["cancelTime"]
        _, answer = await self.call("POST", "/order/cancelAllAfter", {"timeout": 0})
        assert answer["cancelTime"] == 0
        await self.call("POST", "/order/cancelAllAfter", {"timeout": 20})
        await pause(0.1)
        assert self.world.core.open_orders("alice") == []


class AmendingTests(OrderCase):
    """`PUT /order`"""

    @asynchronous
    async def test_price_and_quantity_change_and_the_text_names_them(self) -> None:
        row = await self.place()
        _, row = await self.call("PUT", "/order", {"orderID": row["orderID"], "orderQty": 300, "price": 50001})
        assert (row["orderQty"], row["price"], row["leavesQty"]) == (300, 50001.0, 300)
        assert row["text"] == "Amended orderQty price: Amended via API.\nSubmitted via API."

    @asynchronous
    async def test_the_rest_may_be_named_in_place_of_the_whole(self) -> None:
        row = await self.place(orderQty=300)
        self.world.place("bob", "XBTUSD", "SELL", "50000", 100)
        _, row = await self.call("PUT", "/order", {"orderID": row["orderID"], "leavesQty": 100})
        assert (row["orderQty"], row["cumQty"], row["leavesQty"]) == (200, 100, 100)

    @asynchronous
    async def test_an_order_may_get_another_client_id(self) -> None:
        await self.place(clOrdID="old")
        _, row = await self.call("PUT", "/order", {"origClOrdID": "old", "clOrdID": "new", "price": 50001})
        assert row["clOrdID"] == "new"

    @asynchronous
    async def test_what_ended_or_never_was_cannot_be_amended(self) -> None:
        row = await self.place()
        await self.call("DELETE", "/order", {"orderID": row["orderID"]})
        cases = (
            ({"orderID": row["orderID"], "price": 50001}, "Invalid ordStatus"),
            ({"orderID": "nobody", "price": 50001}, "Invalid orderID"),
            ({"origClOrdID": "nobody", "price": 50001}, "Invalid origClOrdID"),
        )
        for body, message in cases:
            assert await self.refused("PUT", "/order", body) == (400, message)

    @asynchronous
    async def test_an_amended_post_only_order_that_would_match_is_cancelled(self) -> None:
        self.quotes()
        row = await self.place(execInst="ParticipateDoNotInitiate")
        status, row = await self.call("PUT", "/order", {"orderID": row["orderID"], "price": 60010})
        assert (status, row["ordStatus"]) == (200, "Canceled")
        assert "ParticipateDoNotInitiate" in row["text"]


class TableTests(OrderCase):
    """What every table read takes"""

    @asynchronous
    async def test_orders_are_filtered_counted_and_reversed(self) -> None:
        for price in (50000, 50001, 50002):
            await self.place(price=price)
        await self.call("DELETE", "/order/all", {"filter": {"side": "Sell"}})
        opened = "filter=%7B%22open%22%3Atrue%7D"
        _, rows = await self.call("GET", f"/order?{opened}&reverse=true&count=2")
        assert [row["price"] for row in rows] == [50002.0, 50001.0]
        _, rows = await self.call("GET", f"/order?{opened}&start=1&count=1")
        assert [row["price"] for row in rows] == [50001.0]
        _, rows = await self.call("GET", "/order?filter=%7B%22price%22%3A%5B50000%2C50002%5D%7D&columns=price")
        assert [row["price"] for row in rows] == [50000.0, 50002.0]
        assert "text" not in rows[0]
        _, rows = await self.call("GET", "/order?filter=%7B%22ordStatus.isTerminated%22%3Atrue%7D")
        assert rows == []

    @asynchronous
    async def test_bad_table_parameters_are_named(self) -> None:
        for query, message in (
            ("filter=%5B1%5D", "filter not valid"),
            ("startTime=soon", "startTime not valid"),
            ("count=-1", "count not valid"),
        ):
            await self.place()
            assert await self.refused("GET", f"/order?{query}", None) == (400, message)

    @asynchronous
    async def test_a_root_means_its_symbols(self) -> None:
        _, rows = await self.call("GET", "/instrument?symbol=XBT")
        assert len(rows) == 3
        _, rows = await self.call("GET", "/orderBook/L2?symbol=xbtusd")
        assert rows == []
