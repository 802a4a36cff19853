"""The whole simulated exchange: markets on recorded prices, its administrator, recorded streams as its book."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import treq
from twisted.internet import reactor
from twisted.internet.error import CannotListenError
from twisted.internet.task import Clock
from twisted.trial.unittest import SkipTest, SynchronousTestCase, TestCase
from twisted.web.client import Agent, HTTPConnectionPool

from clients.bitmex import BitMEX
from ilp.clock import WorldClock
from ilp.simulation.bank import Bank
from ilp.simulation.bitmex.faults import Faults
from ilp.simulation.bitmex.listings import inverse_xbtusd
from ilp.simulation.bitmex.replay import load_stream, recorded_books
from ilp.simulation.bitmex.server import BitmexVenue, make_core
from ilp.simulation.bitmex.world import BitmexWorld, KeyedUser
from ilp.simulation.bodies import BadRequest
from ilp.simulation.recordings import RecordingError
from ilp.simulation.scenario import demo
from ilp.simulation.simulated_world import World
from tests import shared_data
from tests.clients.bench import asynchronous, eventually
from tests.simulation.bitmex.world import build_core

START = datetime(2019, 7, 31, 12, tzinfo=UTC)
USERS = (KeyedUser("alice", {"BTC": D(5), "USDT": D(10000)}, "secret"),)
MISSING = "needs the recordings that lie beside the repository and do not ship with it"


class WorldTests(TestCase):
    """On real sockets, at the prices of the end of July 2019"""

    timeout = 20

    @asynchronous
    async def setUp(self) -> None:
        self.world = BitmexWorld(WorldClock(reactor, START, 60.0), USERS)
        await self.world.begin()

    @asynchronous
    async def tearDown(self) -> None:
        await self.world.stop()

    @asynchronous
    async def test_its_markets_move_together_on_the_recorded_price(self) -> None:
        def prices() -> list[Any]:
            return [self.world.price(symbol) for symbol in ("XBTUSD", "XBTUSDT", "XBT_USDT")]

        assert all(price is not None and 9000 < price < 11000 for price in prices()), prices()
        await eventually(lambda: len(set(prices())) == 1, "one price")  # each has a timer of its own
        first = self.world.price()
        await eventually(lambda: self.world.price() != first, "another price")

    @asynchronous
    async def test_our_client_trades_there_and_reads_the_past(self) -> None:
        client = BitMEX(
            id="alice", secret="secret", endpoint=self.world.venue.endpoint, reactor=reactor, now=self.world.clock.now,
            tickers="BTC/USD",
        )  # fmt: skip
        try:
            await client.connect()
            book = await client.getOrderBook("BTC/USD")
            assert len(book["bids"]) == len(book["asks"]) == 15
            past = await client.getOHLCVHistory("BTC/USD", "day", START - timedelta(days=30), START)
            assert len(past) >= 29
            bid = book["bids"][0]["price"]
            id = await client.placeOrder("BTC/USD", D("0.05"), bid - 100, "SELL", immediate=True)
            assert (await client.getOrder(id))["final"]
            assert (await client.getPositions())["USD"]["position"] > 0
        finally:
            await client.disconnect()

    @asynchronous
    async def test_the_administrator_sees_positions_and_switches_faults(self) -> None:
        admin = self.world.announcement()["admin"]
        ledger = await self.ask("GET", f"{admin}/ledger")
        assert ledger["accounts"]["alice"]["BTC"]["total"] == "5"
        assert (await self.ask("POST", f"{admin}/fault", {"delay_answers": 0.5}))["delay_answers"] == 0.5
        wrong = await self.ask("POST", f"{admin}/fault", {"nothing": 1})
        assert "overload" in wrong["errors"][0]["message"]
        await self.ask("POST", f"{admin}/fault", {"clear": True})
        traded = await self.ask("POST", f"{admin}/trade", {"ticker": "XBTUSD", "side": "BUY", "quantity": "100"})
        assert traded["filled"] == "100"

    async def ask(self, verb: str, url: str, body: Any = None) -> Any:
        pool = HTTPConnectionPool(reactor, persistent=False)
        sent = None if body is None else json.dumps(body).encode()
        response = await treq.request(verb, url, data=sent, agent=Agent(reactor, pool=pool))
        return json.loads(await treq.content(response))

    @asynchronous
    async def test_two_of_a_name_and_a_taken_port_are_refused(self) -> None:
        other = BitmexWorld(WorldClock(reactor, START, 60.0), USERS)
        failure = await self.assertFailure(other.begin(self.world.venue.port), CannotListenError)
        assert str(self.world.venue.port) in str(failure)


class ConstructionTests(SynchronousTestCase):
    """What is checked before anything listens"""

    def test_an_unknown_dialect_is_named(self) -> None:
        clock = WorldClock(Clock(), START)
        error = self.assertRaises(ValueError, BitmexVenue, make_core(clock.now, []), clock, clock.reactor, dialect="x")
        self.assertIn("superset", str(error))

    def test_the_secret_comes_out_of_the_seed(self) -> None:
        def secret(seed: int) -> str:
            users = [KeyedUser("alice", {})]
            return BitmexWorld(WorldClock(Clock(), START), users, seed=seed).accounts["alice"]

        self.assertEqual(secret(1), secret(1))
        self.assertNotEqual(secret(1), secret(2))
        self.assertEqual(len(secret(1)), 48)


class FollowingTests(SynchronousTestCase):
    """As one venue of a larger world"""

    def test_its_markets_go_where_they_are_told(self) -> None:
        world = BitmexWorld(WorldClock(Clock(), START), USERS, moves=False)
        self.addCleanup(world.venue.feeds.stop)
        self.assertEqual(world.drivers, {})
        for price in (D(9600), D("9731.3")):
            world.follow(price)
            self.assertEqual({world.price(symbol) for symbol in world.makers}, {(price * 2).to_integral_value() / 2})
            for symbol in world.makers:
                book = world.core.book(symbol)
                self.assertEqual((len(book.bids), len(book.asks)), (15, 15))
                self.assertLess(book.bids[0][0], book.asks[0][0])

    def test_beside_a_world_it_has_the_price_and_the_bank_of_that_world(self) -> None:
        clock = Clock()
        larger = World(demo(seed=3), WorldClock(clock, START, 60.0))
        self.addCleanup(larger.stop)
        found = BitmexWorld.beside(larger, USERS)
        self.addCleanup(found.venue.feeds.stop)
        larger.start()
        for _ in range(5):
            clock.advance(1.0)
            ours, theirs = found.price(), larger.price("source")
            assert ours is not None and theirs is not None
            self.assertLessEqual(abs(ours - theirs), D("0.5"))
        there = larger.cores["target"].current_address(larger.makers["target"].account, "BTC")
        before = larger.bank.total("BTC")
        found.core.withdraw("alice", "BTC", 10**8, there)
        clock.pump([60.0] * 3)
        self.assertEqual([w.status.value for w in found.core.withdrawals()], ["done"])
        self.assertEqual(larger.bank.total("BTC"), before)

    def test_money_comes_and_goes_over_the_bank_of_that_world(self) -> None:
        clock = Clock()
        time = WorldClock(clock, START)
        bank = Bank(time, (), lambda *_: None)
        world = BitmexWorld(time, USERS, name="source", moves=False, bank=bank)
        other = build_core(time)
        bank.connect(other)
        self.addCleanup(world.venue.feeds.stop)
        before = bank.total("BTC")
        world.core.withdraw("alice", "BTC", 10**8, other.current_address("bob", "BTC"))
        clock.pump([3600.0] * 5)
        self.assertEqual(other.balance("bob", "BTC"), 6 * 10**8)
        self.assertEqual(bank.total("BTC"), before)
        (row,) = [row for row in world.venue.money.history["alice"] if row["transactType"] == "Withdrawal"]
        self.assertEqual(row["transactStatus"], "Completed")


class FaultTests(SynchronousTestCase):
    """Switches, without a venue"""

    def test_a_rule_counts_the_calls_it_concerns(self) -> None:
        faults = Faults()
        faults.apply({"overload": {"call": "POST /order", "count": 2}})
        self.assertIsNone(faults.take("GET /order"))
        for _ in range(2):
            self.assertIsNotNone(faults.take("POST /order"))
        self.assertIsNone(faults.take("POST /order"))

    def test_a_rule_without_a_count_stays_until_it_is_cleared(self) -> None:
        faults = Faults()
        faults.apply({"ban": {"count": 0}})
        for _ in range(5):
            self.assertIsNotNone(faults.take("GET /order"))

    def test_bad_switches_change_nothing_and_are_named(self) -> None:
        faults = Faults()
        for wanted in (
            {"nothing": True}, {"overload": 5}, {"overload": {"procedure": "x"}}, {"delay_answers": -1},
            {"drop_events": 5}, {"down": "yes"}, {"unknown_update": 7},
        ):  # fmt: skip
            error = self.assertRaises(BadRequest, faults.apply, {"drop_events": "order", **wanted})
            self.assertEqual(error.field, next(iter(wanted)))
        self.assertEqual(faults.drop_events, ())

    def test_several_tables_may_be_named(self) -> None:
        faults = Faults()
        faults.apply({"drop_events": "order,execution", "repeat_events": "quote"})
        self.assertEqual([faults.copies(t) for t in ("order", "execution", "quote", "trade")], [0, 0, 2, 1])


class ReplayTests(SynchronousTestCase):
    """Recorded streams"""

    def books(self, *messages: Any) -> list[Any]:
        stream = [(START + timedelta(seconds=n), message) for n, message in enumerate(messages)]
        return list(recorded_books(stream, inverse_xbtusd(), "XBTUSD", START, depth=2))

    def message(self, action: str, *rows: Any) -> Any:
        names = ("symbol", "id", "side", "size", "price")
        data = [dict(zip(names, ("XBTUSD", *row), strict=False)) for row in rows]
        return {"table": "orderBookL2", "action": action, "data": data}

    def test_each_message_makes_a_book_at_its_time(self) -> None:
        first, second, third = self.books(
            self.message("partial", (1, "Buy", 500, D(100)), (2, "Buy", 300, D(99)), (3, "Sell", 200, D(101))),
            self.message("update", (1, "Buy", 700)),
            self.message("delete", (1, "Buy")),
        )
        tick = 10**8
        self.assertEqual((dict(first.bids), dict(first.asks)), ({100 * tick: 500, 99 * tick: 300}, {101 * tick: 200}))
        self.assertEqual((second.at - first.at, dict(second.bids)[100 * tick]), (timedelta(seconds=1), 700))
        self.assertEqual(dict(third.bids), {99 * tick: 300})

    def test_other_symbols_and_tables_are_left_out(self) -> None:
        other = {"table": "trade", "action": "insert", "data": [{"symbol": "XBTUSD"}]}
        self.assertEqual(self.books(other), [])

    def test_a_file_that_is_not_there_is_named(self) -> None:
        file = Path(self.mktemp())
        error = self.assertRaises(RecordingError, lambda: list(load_stream(file)))
        self.assertIn(str(file), str(error))

    def test_the_real_recording_becomes_books_that_are_never_crossed(self) -> None:
        file = shared_data.path("bitmex", "cryptofeed", "BITMEX.ws.1.0.gz")
        if file is None:
            raise SkipTest(MISSING)
        books = list(recorded_books(load_stream(file), inverse_xbtusd(), "XBTUSD", START, depth=5))
        self.assertGreater(len(books), 500)
        self.assertEqual((max(books[-1].bids), min(books[-1].asks)), (int(32186.5 * 10**8), 32187 * 10**8))
        self.assertTrue(all(max(book.bids) < min(book.asks) for book in books))
        self.assertGreater(books[-1].at - books[0].at, timedelta(seconds=20))

    def test_the_venue_shows_a_recorded_stream_as_its_book(self) -> None:
        file = Path(self.mktemp())
        partial = self.message("partial", (1, "Buy", 500, 100.0), (3, "Sell", 200, 101.0))
        update = self.message("update", (1, "Buy", 700))
        file.write_text(f"5.0: {json.dumps(partial)}\n6.0: {json.dumps(update)}\nno message\n")
        clock = Clock()
        world = BitmexWorld(WorldClock(clock, START), USERS, replay=file)
        driver = world.drivers["XBTUSD"]
        driver.start()
        self.addCleanup(driver.stop)
        self.addCleanup(world.venue.feeds.stop)
        clock.advance(0.1)
        self.assertEqual(world.core.book("XBTUSD").bids, ((100 * 10**8, 500),))
        clock.advance(1.0)
        self.assertEqual(world.core.book("XBTUSD").bids, ((100 * 10**8, 700),))
