"""The data feed over real sockets: iterator, events, storage, reconnection."""

from __future__ import annotations

from contextlib import aclosing
from decimal import Decimal
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from clients.bitmex_feed import BitMEXFeed
from clients.exchange import NotAuthorised, Unreachable
from tests.clients.bench import asynchronous, eventually
from tests.simulation.bitmex.world import make_world

QUICK: dict[str, Any] = {"ping_interval": 0.1, "ping_timeout": 5.0, "backoff_first": 0.02, "connect_deadline": 10.0}
KEY = {"id": "key-alice", "secret": "secret-alice"}


class FeedTests(TestCase):
    """One venue, one feed"""

    timeout = 15

    @asynchronous
    async def setUp(self) -> None:
        self.world = await make_world(reactor)
        self.feeds: list[BitMEXFeed] = []
        self.world.place("bob", "XBTUSD", "BUY", "50000", 100)
        self.world.place("bob", "XBTUSD", "SELL", "51000", 300)

    @asynchronous
    async def tearDown(self) -> None:
        for feed in self.feeds:
            await feed.disconnect()
        await self.world.stop()

    def feed(self, symbols: Any = "XBTUSD", **options: Any) -> tuple[BitMEXFeed, list[Any], list[Exception]]:
        given = {"endpoint": self.world.venue.endpoint, **QUICK, **options}
        feed = BitMEXFeed(symbols, reactor=reactor, **given)
        self.feeds.append(feed)
        changes: list[Any] = []
        errors: list[Exception] = []
        feed.on("change", lambda *change: changes.append(change))
        feed.on("error", errors.append)
        return feed, changes, errors

    @asynchronous
    async def test_the_public_tables_of_a_symbol_need_no_key(self) -> None:
        feed, changes, _ = self.feed()
        await feed.connect()
        await eventually(lambda: {"instrument", "quote"} <= {change[2] for change in changes}, "two partials")
        assert {change[1] for change in changes} == {"XBTUSD"}
        assert {change[3] for change in changes} == {"partial"}

    @asynchronous
    async def test_an_iterator_yields_rows_with_symbol_table_and_action(self) -> None:
        feed, _, _ = self.feed(tables="trade")
        self.later_trade(feed)
        async with aclosing(feed.start()) as changes:
            async for item, symbol, table, action in changes:
                assert (symbol, table, action) == ("XBTUSD", "trade", "insert")
                assert (item["price"], item["size"]) == (51000, 100)
                break
        assert feed._readers == []

    def later_trade(self, feed: BitMEXFeed) -> None:
        feed.on("connect", lambda _: self.world.place("carol", "XBTUSD", "BUY", "51000", 100))

    @asynchronous
    async def test_an_iteration_ends_when_the_feed_is_closed(self) -> None:
        feed, _, _ = self.feed(tables="quote")
        seen: list[Any] = []

        async def read() -> None:
            async for change in feed.start():
                seen.append(change)

        reading = Deferred.fromCoroutine(read())
        await eventually(lambda: seen, "the partial")
        await feed.disconnect()
        await reading
        assert seen[0][2:] == ("quote", "partial")

    @asynchronous
    async def test_deletes_are_applied_and_not_told(self) -> None:
        feed, changes, _ = self.feed(tables="orderBookL2")
        await feed.connect()
        await eventually(lambda: len(feed.storage.data.get("orderBookL2", ())) == 2, "two levels")
        changes.clear()
        self.world.core.cancel_all("bob")
        await eventually(lambda: not feed.storage.data["orderBookL2"], "no level")
        assert changes == []

    @asynchronous
    async def test_an_update_tells_the_whole_row(self) -> None:
        feed, changes, _ = self.feed(tables="orderBookL2")
        await feed.connect()
        await eventually(lambda: changes, "the partial")
        changes.clear()
        self.world.place("carol", "XBTUSD", "BUY", "50000", 200)
        item, symbol, table, action = await eventually(lambda: changes[0] if changes else None, "an update")
        assert (symbol, table, action) == ("XBTUSD", "orderBookL2", "update")
        assert (item["size"], item["price"], item["side"]) == (300, Decimal(50000), "Buy")
        assert feed.storage.find("orderBookL2", symbol="XBTUSD", id=item["id"], side="Buy") is item

    @asynchronous
    async def test_several_symbols_are_followed_at_once(self) -> None:
        for symbols in ("XBTUSD,xbt_usdt", ["XBTUSD", "XBT_USDT"]):
            feed, changes, _ = self.feed(symbols, tables="instrument")
            await feed.connect()
            seen: list[Any] = changes
            await eventually(lambda seen=seen: {c[1] for c in seen} == {"XBTUSD", "XBT_USDT"}, "both")

    @asynchronous
    async def test_without_a_symbol_there_are_the_accounts_tables(self) -> None:
        feed, changes, _ = self.feed("", **KEY)
        await feed.connect()
        await eventually(lambda: {"margin"} <= {change[2] for change in changes}, "the margin")
        body = {"symbol": "XBTUSD", "orderQty": 100, "price": 5}
        _, _, row = await self.world.ask("POST", "/order", body, key="alice")
        await eventually(lambda: [c for c in changes if c[2] == "order"], "the order")
        found = feed.storage.find("order", orderID=row["orderID"])
        assert found is not None and found["price"] == 5
        assert {change[2] for change in changes} >= {"margin", "order", "execution"}

    def test_nothing_to_follow_is_an_error(self) -> None:
        error = self.assertRaises(ValueError, BitMEXFeed, reactor=reactor)
        assert "symbol" in str(error)

    @asynchronous
    async def test_a_wrong_key_is_not_authorised(self) -> None:
        feed, _, _ = self.feed("", id="key-alice", secret="wrong")
        await self.assertFailure(feed.connect(), NotAuthorised)

    @asynchronous
    async def test_after_a_loss_the_tables_are_built_anew(self) -> None:
        feed, changes, _ = self.feed(tables="orderBookL2")
        lost: list[Any] = []
        feed.on("disconnect", lost.append)
        await feed.connect()
        await eventually(lambda: len(changes) == 2, "the partial")
        ws = feed.ws
        self.world.core.cancel_all("bob")
        self.world.venue.fault({"disconnect": True})
        await eventually(lambda: lost and feed.ws is not None and feed.ws is not ws, "connected again")
        self.world.place("carol", "XBTUSD", "BUY", "49000", 100)
        await eventually(lambda: len(feed.storage.data["orderBookL2"]) == 1, "the new book")

    @asynchronous
    async def test_a_gap_is_told_once_and_the_table_fetched_anew(self) -> None:
        feed, changes, errors = self.feed(tables="orderBookL2")
        await feed.connect()
        await eventually(lambda: len(changes) == 2, "the partial")
        self.world.venue.fault({"unknown_update": "XBTUSD"})
        await eventually(lambda: len(changes) == 4, "another partial")
        assert len(errors) == 1
        assert "orderBookL2:XBTUSD" in str(errors[0])

    @asynchronous
    async def test_an_unreadable_frame_costs_the_connection_and_no_more(self) -> None:
        feed, _, errors = self.feed(tables="quote")
        await feed.connect()
        ws = feed.ws
        self.world.venue.fault({"garbage": True})
        await eventually(lambda: feed.ws is not None and feed.ws is not ws, "connected again")
        assert len(errors) == 1

    @asynchronous
    async def test_a_reader_that_is_too_slow_fails_clearly(self) -> None:
        feed, _, _ = self.feed(tables="orderBookL2", most_waiting=3)
        changes = feed.start()
        await anext(changes)
        for step in range(10):
            self.world.place("carol", "XBTUSD", "BUY", str(40000 + step), 100)
        reader = feed._readers[0]
        await eventually(lambda: reader.ended, "too much")

        async def read_on() -> None:
            async for _ in changes:
                pass

        await self.assertFailure(Deferred.fromCoroutine(read_on()), Unreachable)

    @asynchronous
    async def test_the_dead_mans_switch_runs_while_connected(self) -> None:
        feed, _, _ = self.feed("", **KEY, dead_man=30)
        await feed.connect()
        await eventually(lambda: self.world.venue._switches, "armed")
