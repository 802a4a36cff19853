"""The WebSocket of the simulated venue: acknowledgements, partials, changes, errors, over real sockets."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from tests.clients.bench import asynchronous
from tests.simulation.bitmex.world import START, World, make_world


class FeedCase(TestCase):
    """A venue and raw sockets."""

    timeout = 15
    world: World

    @asynchronous
    async def setUp(self) -> None:
        self.world = await make_world(reactor)

    @asynchronous
    async def tearDown(self) -> None:
        await self.world.stop()


class CommandTests(FeedCase):
    """Commands and their answers"""

    @asynchronous
    async def test_each_topic_is_acknowledged_with_the_whole_request(self) -> None:
        wire = await self.world.socket()
        request = {"op": "subscribe", "args": ["trade:XBTUSD", "quote:XBTUSD"]}
        wire.say(request)
        for topic in request["args"]:
            assert await wire.next() == {"success": True, "subscribe": topic, "request": request}
        assert [(await wire.next())["table"] for _ in range(2)] == ["trade", "quote"]

    @asynchronous
    async def test_topics_of_the_address_come_before_anything_is_asked(self) -> None:
        wire = await self.world.socket("?subscribe=instrument:XBTUSD,orderBookL2:XBTUSD")
        assert (await wire.next())["request"] == {
            "op": "subscribe", "args": ["instrument:XBTUSD", "orderBookL2:XBTUSD"],
        }  # fmt: skip
        assert (await wire.until(table="instrument"))["data"][0]["tickSize"] == 0.5
        assert (await wire.until(table="orderBookL2"))["data"] == []

    @asynchronous
    async def test_what_is_wrong_with_a_topic_is_said(self) -> None:
        wire = await self.world.socket()
        for topics, status, words in (
            (["foo"], 400, "Unknown table: foo"),
            (["orderBookL10:XBTUSD"], 400, "Unknown table: orderBookL10"),
            (["trade:XBTGBP"], 400, "Unknown or expired symbol."),
            ([f"trade:{n}" for n in range(21)], 400, "Too many args sent. Max length is 20."),
            (["margin"], 401, "User requested an account-locked subscription but no authorization was provided."),
        ):
            wire.say({"op": "subscribe", "args": topics})
            answer = await wire.next()
            assert (answer["status"], answer["error"]) == (status, words)
            assert answer["request"]["args"] == topics
        wire.say({"op": "subscribe", "args": "trade:XBTUSD"})
        await wire.until(table="trade")
        wire.say({"op": "subscribe", "args": "trade:XBTUSD"})
        assert (await wire.next())["error"] == "You are already subscribed to this topic: trade:XBTUSD."

    @asynchronous
    async def test_public_topics_are_served_beside_locked_ones(self) -> None:
        wire = await self.world.socket("?subscribe=margin,trade:XBTUSD")
        assert (await wire.next())["status"] == 401
        assert (await wire.until(table="trade"))["action"] == "partial"

    @asynchronous
    async def test_after_unsubscribing_nothing_comes(self) -> None:
        wire = await self.world.socket()
        await wire.subscribe("orderBookL2:XBTUSD")
        wire.say({"op": "unsubscribe", "args": ["orderBookL2:XBTUSD"]})
        assert (await wire.next())["unsubscribe"] == "orderBookL2:XBTUSD"
        self.world.place("bob", "XBTUSD", "BUY", "50000", 100)
        wire.say("ping")
        assert await wire.next() == "pong"

    @asynchronous
    async def test_a_text_ping_is_answered_and_help_helps(self) -> None:
        wire = await self.world.socket()
        wire.say("ping")
        assert await wire.next() == "pong"
        wire.say("help")
        assert "orderBookL2" in (await wire.next())["subscriptionSubjects"]["public"]

    @asynchronous
    async def test_who_sends_nonsense_too_often_is_closed(self) -> None:
        wire = await self.world.socket()
        for _ in range(10):
            wire.say("{nonsense")
            assert (await wire.next())["error"] == "Unrecognized request."
        assert (await wire.closed).startswith("1008")
        self.world._wires.remove(wire)

    @asynchronous
    async def test_the_dead_mans_switch_is_a_command_too(self) -> None:
        wire = await self.world.socket(key="alice")
        request = {"op": "cancelAllAfter", "args": 60000}
        wire.say(request)
        answer = await wire.next()
        assert answer["request"] == request
        assert answer["cancelTime"] > answer["now"]
        wire.say({"op": "cancelAllAfter", "args": 0})
        assert (await wire.next())["cancelTime"] == 0


class BookTests(FeedCase):
    """Books and quotes"""

    @asynchronous
    async def test_a_level_comes_changes_and_goes_under_one_id(self) -> None:
        wire = await self.world.socket()
        (partial,) = await wire.subscribe("orderBookL2:XBTUSD")
        assert partial["keys"] == ["symbol", "id", "side"]
        assert partial["filter"] == {"symbol": "XBTUSD"}
        assert partial["attributes"] and partial["foreignKeys"]
        self.world.place("bob", "XBTUSD", "BUY", "50000.5", 100)
        id = self.world.place("carol", "XBTUSD", "BUY", "50000.5", 200)
        self.world.core.cancel("carol", id)
        self.world.core.cancel_all("bob")
        seen = [await wire.until(table="orderBookL2") for _ in range(4)]
        assert [message["action"] for message in seen] == ["insert", "update", "update", "delete"]
        (number,) = {message["data"][0]["id"] for message in seen}
        assert [message["data"][0].get("size") for message in seen] == [100, 300, 100, None]
        assert all(message["data"][0]["price"] == 50000.5 for message in seen)
        assert number > 0

    @asynchronous
    async def test_a_later_partial_shows_the_levels_under_the_same_ids(self) -> None:
        first = await self.world.socket()
        await first.subscribe("orderBookL2:XBTUSD")
        self.world.place("bob", "XBTUSD", "BUY", "50000", 100)
        told = (await first.until(action="insert"))["data"][0]
        second = await self.world.socket()
        (partial,) = await second.subscribe("orderBookL2:XBTUSD")
        assert [(row["id"], row["price"], row["size"]) for row in partial["data"]] == [(told["id"], 50000.0, 100)]

    @asynchronous
    async def test_the_window_follows_the_best_levels(self) -> None:
        for step in range(26):
            self.world.place("bob", "XBTUSD", "BUY", str(50000 - step), 100)
        wire = await self.world.socket()
        (partial,) = await wire.subscribe("orderBookL2_25:XBTUSD")
        assert len(partial["data"]) == 25
        self.world.place("bob", "XBTUSD", "BUY", "50001", 100)
        gone, new = await wire.until(action="delete"), await wire.until(action="insert")
        assert [row["price"] for row in gone["data"]] == [49976.0]
        assert [row["price"] for row in new["data"]] == [50001.0]

    @asynchronous
    async def test_quotes_tell_the_best_of_both_sides(self) -> None:
        wire = await self.world.socket()
        await wire.subscribe("quote:XBTUSD")
        self.world.place("bob", "XBTUSD", "BUY", "50000", 100)
        self.world.place("bob", "XBTUSD", "BUY", "49000", 100)
        self.world.place("bob", "XBTUSD", "SELL", "51000", 300)
        await wire.until(action="insert")
        row = (await wire.until(action="insert"))["data"][0]
        assert (row["bidPrice"], row["bidSize"], row["askPrice"], row["askSize"]) == (50000.0, 100, 51000.0, 300)
        self.world.core.cancel("bob", self.world.core.open_orders("bob")[0].id)
        row = (await wire.until(action="insert"))["data"][0]
        assert (row["bidPrice"], row["askPrice"]) == (49000.0, 51000.0)

    @asynchronous
    async def test_ten_levels_come_as_whole_rows(self) -> None:
        wire = await self.world.socket()
        await wire.subscribe("orderBook10:XBTUSD")
        self.world.place("bob", "XBTUSD", "BUY", "50000", 100)
        row = (await wire.until(action="update"))["data"][0]
        assert (row["bids"], row["asks"]) == ([[50000.0, 100]], [])

    @asynchronous
    async def test_a_trade_is_told_with_its_values_and_direction(self) -> None:
        wire = await self.world.socket()
        await wire.subscribe("trade:XBTUSD", "instrument:XBTUSD")
        self.world.place("bob", "XBTUSD", "SELL", "50000", 300)
        self.world.place("carol", "XBTUSD", "BUY", "50000", 100)
        row = (await wire.until(table="trade", action="insert"))["data"][0]
        assert (row["side"], row["size"], row["price"], row["tickDirection"]) == ("Buy", 100, 50000.0, "PlusTick")
        assert (row["grossValue"], row["foreignNotional"], row["homeNotional"]) == (200000, 100.0, 0.002)
        self.world.place("carol", "XBTUSD", "BUY", "50000", 100)
        assert (await wire.until(table="trade"))["data"][0]["tickDirection"] == "ZeroPlusTick"
        update = (await wire.until(table="instrument", action="update"))["data"][0]
        assert update["lastPrice"] == update["markPrice"] == 50000.0


class AccountTests(FeedCase):
    """Private tables"""

    @asynchronous
    async def test_one_market_order_is_told_in_the_recorded_order(self) -> None:
        self.world.place("bob", "XBTUSD", "SELL", "50000", 300)
        wire = await self.world.socket(key="alice")
        await wire.subscribe("order", "execution", "position", "margin")
        body = {"symbol": "XBTUSD", "orderQty": 100}
        status, _, placed = await self.world.ask("POST", "/order", body, key="alice")
        assert status == 200
        seen: list[Any] = [await wire.next() for _ in range(7)]
        kinds = [(m["table"], m["action"], m["data"][0].get("execType") or m["data"][0].get("ordStatus")) for m in seen]
        assert kinds[:5] == [
            ("order", "insert", "New"),
            ("execution", "insert", "New"),
            ("order", "update", None),
            ("execution", "insert", "Trade"),
            ("order", "update", "Filled"),
        ]
        assert [kind[0] for kind in kinds[5:]] == ["position", "margin"]
        assert seen[0]["data"][0]["workingIndicator"] is False
        trade = seen[3]["data"][0]
        assert (trade["orderID"], trade["lastQty"], trade["lastPx"]) == (placed["orderID"], 100, 50000.0)
        assert (trade["execCost"], trade["execComm"], trade["lastLiquidityInd"]) == (-200000, 100, "RemovedLiquidity")
        assert (trade["homeNotional"], trade["foreignNotional"]) == (0.002, -100.0)
        assert seen[5]["data"][0]["currentQty"] == 100

    @asynchronous
    async def test_nobody_hears_of_others(self) -> None:
        wire = await self.world.socket(key="bob")
        await wire.subscribe("order", "execution", "margin")
        await self.world.ask("POST", "/order", {"symbol": "XBTUSD", "orderQty": 100, "price": 5}, key="alice")
        wire.say("ping")
        assert await wire.next() == "pong"

    @asynchronous
    async def test_the_partial_of_orders_has_the_open_ones_only(self) -> None:
        body = {"symbol": "XBTUSD", "orderQty": 100, "price": 5}
        _, _, kept = await self.world.ask("POST", "/order", body, key="alice")
        _, _, gone = await self.world.ask("POST", "/order", body, key="alice")
        await self.world.ask("DELETE", "/order", {"orderID": gone["orderID"]}, key="alice")
        wire = await self.world.socket(key="alice")
        (partial,) = await wire.subscribe("order")
        assert [row["orderID"] for row in partial["data"]] == [kept["orderID"]]
        assert partial["keys"] == ["orderID"]

    @asynchronous
    async def test_a_deposit_is_told_as_transaction_wallet_and_margin(self) -> None:
        wire = await self.world.socket(key="alice")
        await wire.subscribe("transact", "wallet", "margin")
        address = self.world.core.current_address("alice", "BTC")
        self.world.core.deposit("BTC", 10**7, address, "chain-id")
        row = (await wire.until(table="transact"))["data"][0]
        assert (row["transactType"], row["amount"], row["address"]) == ("Deposit", 10**7, address)
        assert (await wire.until(table="margin"))["data"][0]["walletBalance"] == 510_000_000
        assert (await wire.until(table="wallet"))["data"][0]["amount"] == 510_000_000

    @asynchronous
    async def test_the_newest_dialect_leaves_out_what_is_empty(self) -> None:
        world = await make_world(reactor, dialect="current")
        try:
            body = {"symbol": "XBTUSD", "orderQty": 100, "price": 5}
            await world.ask("POST", "/order", body, key="alice")
            wire = await world.socket(key="alice")
            (partial,) = await wire.subscribe("order")
            assert "attributes" not in partial
            assert "avgPx" not in partial["data"][0]
        finally:
            await world.stop()


class CalendarTests(TestCase):
    """What the clock brings, in virtual time"""

    timeout = 15

    @asynchronous
    async def setUp(self) -> None:
        self.clock = Clock()
        self.world = await make_world(reactor, clock=self.clock, start=START.replace(hour=11, minute=58))

    @asynchronous
    async def tearDown(self) -> None:
        await self.world.stop()

    @asynchronous
    async def test_a_bin_is_told_at_the_end_of_its_minute(self) -> None:
        wire = await self.world.socket()
        await wire.subscribe("tradeBin1m:XBTUSD")
        self.world.place("bob", "XBTUSD", "SELL", "50000", 300)
        self.world.place("carol", "XBTUSD", "BUY", "50000", 100)
        self.clock.advance(31)
        row = (await wire.until(table="tradeBin1m", action="insert"))["data"][0]
        assert (row["timestamp"], row["open"], row["volume"]) == ("2026-03-01T11:59:00.000Z", 50000.0, 100)

    @asynchronous
    async def test_profit_is_settled_at_noon_and_nothing_is_paid(self) -> None:
        self.world.place("bob", "XBTUSD", "SELL", "50000", 100)
        self.world.place("alice", "XBTUSD", "BUY", "50000", 100)
        self.world.place("bob", "XBTUSD", "BUY", "60000", 100)
        self.world.place("alice", "XBTUSD", "SELL", "60000", 100)
        money = self.world.venue.money
        wallet, before = money.wallet_balance("alice", "BTC"), money.wallet_row("alice", "BTC")["amount"]
        self.clock.advance(91)
        after = money.wallet_row("alice", "BTC")["amount"]
        assert (before, after - before) == (5 * 10**8, wallet - before)
        (row,) = [row for row in money.history["alice"] if row["transactType"] == "RealisedPNL"]
        assert (row["amount"], row["address"], row["walletBalance"]) == (after - before, "XBTUSD", after)

    @asynchronous
    async def test_funding_goes_from_long_to_short(self) -> None:
        self.world.place("bob", "XBTUSD", "SELL", "50000", 1000)
        self.world.place("alice", "XBTUSD", "BUY", "50000", 1000)
        self.world.venue.market.funding_rate["XBTUSD"] = 0.001
        core = self.world.core
        before = {name: core.balance(name, "BTC") for name in ("alice", "bob")}
        self.clock.advance(91)
        assert core.balance("alice", "BTC") - before["alice"] == -2000
        assert core.balance("bob", "BTC") - before["bob"] == 2000
        row = self.world.venue.entry.executions["alice"][-1]
        assert (row["execType"], row["execComm"], row["lastQty"]) == ("Funding", 2000, 1000)
