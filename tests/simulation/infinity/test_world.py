"""A whole simulated Infinity in virtual time, and `ilp.py venue infinity` as a process."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from clients.infinity import Infinity
from ilp.clock import WorldClock
from ilp.simulation.bank import Bank
from ilp.simulation.infinity.drivers import CUSTOMERS, MAKER, RATES
from ilp.simulation.infinity.listings import RateMarket
from ilp.simulation.infinity.world import InfinityUser, InfinityWorld
from ilp.simulation.takers import Appetite
from tests.clients.bench import asynchronous, eventually
from tests.clients.test_infinity_contract import QUICK
from tests.simulation.bitmex.test_foreign import Program
from tests.simulation.infinity.talk import Http
from tests.simulation.infinity.world import START

ROOT = Path(__file__).resolve().parents[3]
WISHES = Appetite(every=15.0, least=Decimal("0.05"), most=Decimal(1), tolerance=Decimal("0.1"))
DAY = timedelta(days=1)


def make(seed: int = 1, start: datetime = START, **options: Any) -> tuple[Clock, InfinityWorld]:
    clock = Clock()
    user = InfinityUser("alice", {"ETH": Decimal(100)}, {"ETH": Decimal(10)})
    return clock, InfinityWorld(WorldClock(clock, start), [user], seed=seed, customers=WISHES, **options)


def run(clock: Clock, world: InfinityWorld, seconds: float, step: float = 10.0) -> None:
    world.driver.start()
    for _ in range(int(seconds / step)):
        clock.advance(step)
        world.core.catch_up()
    world.driver.stop()


def market(world: InfinityWorld, name: str) -> RateMarket:
    found = world.core.market(name)
    assert found is not None
    return found


class LiveTests(SynchronousTestCase):
    def test_every_market_is_quoted_around_its_curve_and_never_crossed(self) -> None:
        clock, world = make()
        run(clock, world, 600)
        for one in world.core.markets():
            book = world.core.book(one.ticker)
            assert len(book.bids) >= 5 and len(book.asks) >= 5, one.ticker
            assert book.bids[0][0] < book.asks[0][0], one.ticker
        rates = [world.venue.valuation.mid(one) or Decimal(0) for one in world.core.markets("ETH")]
        assert rates[0] < rates[-1]  # a far date pays more

    def test_rates_move_and_customers_trade_both_ways(self) -> None:
        clock, world = make()
        before = dict(world.driver.rates)
        run(clock, world, 3600)
        assert all(world.driver.rates[code] != rate for code, rate in before.items())
        trades = [t for one in world.core.markets() for t in world.core.trades(one.ticker, START - DAY, START + DAY)]
        assert len(trades) > 100 and len({trade.side for trade in trades}) == 2
        fills = world.core.fills(CUSTOMERS, START - DAY, START + DAY)
        assert len(fills) >= len(trades) * 0.9

    def test_a_roll_over_brings_new_markets_that_are_quoted_and_ends_old_ones(self) -> None:
        clock, world = make(start=datetime(2023, 12, 21, 7, 45, tzinfo=UTC))
        assert market(world, "ETH-2023-12-21").active
        run(clock, world, 1800)
        names = [one.ticker for one in world.core.markets("ETH")]
        assert "ETH-2023-12-21" not in names and "ETH-2023-12-23" in names
        assert world.core.book("ETH-2023-12-23").bids
        assert world.core.open_orders(MAKER)
        assert not [order for order in world.core.open_orders(MAKER) if order.contract == "ETH-2023-12-21"]
        assert "ETH-2023-12-21" not in world.driver.makers

    def test_of_a_market_that_is_over_its_days_alone_are_kept(self) -> None:
        clock, world = make(start=datetime(2023, 12, 21, 7, 0, tzinfo=UTC))
        over, long_ago, far = "ETH-2023-12-21", START - 60 * DAY, START + DAY
        run(clock, world, 1800)
        world.core.print_trade(over, 190_000, 10**18)
        assert world.core.trades(over, long_ago, far) and world.core.bars(over, "minute", long_ago, far)
        days = world.core.bars(over, "day", long_ago, far)
        run(clock, world, 3600)
        assert not market(world, over).active
        assert world.core.trades(over, long_ago, far) == world.core.bars(over, "minute", long_ago, far) == []
        assert world.core.bars(over, "hour", long_ago, far) == []
        assert world.core.bars(over, "day", long_ago, far) == days != []

    def test_money_is_conserved_while_it_lives(self) -> None:
        clock, world = make(start=datetime(2023, 12, 22, 6, 30, tzinfo=UTC))  # two markets mature on the way
        run(clock, world, 3 * 3600, 30.0)
        for name in (*world.core.tokens, *world.core.pairs):
            assert world.core.owed(name) == world.core.had(name), name

    def test_the_same_seed_gives_the_same_world_and_another_seed_another(self) -> None:
        def told(seed: int) -> Any:
            clock, world = make(seed)
            run(clock, world, 900)
            books = [world.core.book(one.ticker) for one in world.core.markets()]
            return world.keys, books, world.core.bars("ETH-SPOT", "day", START - 60 * DAY, START)

        first, second, other = told(3), told(3), told(4)
        assert first == second
        assert all(mine != theirs for mine, theirs in zip(first, other, strict=True))

    def test_there_is_a_past_that_ends_near_the_rate_of_now(self) -> None:
        _, world = make()
        hours = world.core.bars("USDC-SPOT", "hour", START - 60 * DAY, START)
        assert len(hours) == 60 * 24
        assert all(bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in hours)
        one = market(world, "USDC-SPOT")
        assert one.price(hours[-1].close) == Decimal(str(RATES["USDC"].mean))
        days = world.core.bars("USDC-SPOT", "day", START - 60 * DAY, START)
        assert len(days) == 61 and sum(bar.volume for bar in days) == sum(bar.volume for bar in hours)

    def test_a_bank_carries_a_withdrawal_out_of_the_world(self) -> None:
        clock = Clock()
        world_clock = WorldClock(clock, START)
        bank = Bank(world_clock, [], lambda *_: None)
        user = InfinityUser("alice", {}, {"ETH": Decimal(10)})
        world = InfinityWorld(world_clock, [user], bank=bank)
        world.core.withdraw("alice/current", "ETH", 10**18, world.address("alice"))
        clock.advance(3600)
        assert world.core.balance("alice/current", "ETH") == 9 * 10**18

    def test_a_key_is_kept_and_others_are_made_up(self) -> None:
        key = "0x" + "11" * 32
        users = [InfinityUser("one", {}, key=key), InfinityUser("two", {})]
        world = InfinityWorld(WorldClock(Clock(), START), users)
        assert world.keys["one"] == key
        assert world.address("one") == "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
        assert world.keys["two"] not in repr(users) and key not in repr(users)


class ListeningTests(TestCase):
    timeout = 90

    @asynchronous
    async def test_our_client_trades_and_is_told_of_a_live_market(self) -> None:
        user = InfinityUser("alice", {"ETH": Decimal(100)})
        world = InfinityWorld(WorldClock(reactor, START, 60.0), [user], customers=WISHES)
        await world.begin()
        client = Infinity(
            secret=world.keys["alice"], endpoint=world.venue.rest, reactor=reactor, now=world.clock.now, **QUICK
        )
        client.on("error", lambda error: None)
        books: list[Any] = []
        client.on("book", lambda *told: books.append(told))
        try:
            await client.connect()
            await client.placeOrder("ETH-SPOT", Decimal(2), None, "SELL")
            assert (await client.getPositions())["ETH-SPOT"]["net_lent"] == 2
            seen = len(books)
            await eventually(lambda: len(books) > seen + 3, "books that change", 40.0)
        finally:
            await client.disconnect()
            await world.stop()

    @asynchronous
    async def test_roll_overs_come_by_themselves(self) -> None:
        # A minute before the hour, at sixty times the speed.
        start = datetime(2023, 12, 21, 7, 59, tzinfo=UTC)
        world = InfinityWorld(WorldClock(reactor, start, 60.0), [])
        assert market(world, "ETH-2023-12-21").active
        await world.begin()
        try:
            await eventually(lambda: not market(world, "ETH-2023-12-21").active, "its maturity", 40.0)
            await eventually(lambda: len(world.venue.past.totals) == 1, "the total of that roll-over", 20.0)
        finally:
            await world.stop()


class CommandTests(TestCase):
    """`ilp.py venue infinity`"""

    timeout = 60

    @asynchronous
    async def test_it_tells_how_to_reach_it_lets_a_wallet_in_and_ends_when_asked(self) -> None:
        folder = Path(self.mktemp())
        folder.mkdir()
        program = Program()
        arguments = [sys.executable, str(ROOT / "ilp.py"), "venue", "infinity", "--port", "0"]
        reactor.spawnProcess(program, sys.executable, arguments, None, str(folder))
        (told,) = await eventually(lambda: program.lines, f"its line; {program.errors}", 40.0)
        assert told["venue"] == "infinity" and told["endpoints"]["ws"].endswith("/ws")
        http = Http(reactor, told["endpoints"]["rest"])
        admin = Http(reactor, told["admin"])
        alice = told["accounts"][0]
        await http.login(alice["id"], alice["secret"])
        _, answer = await http.ask("GET", "/private/get_user_info")
        assert answer["data"]["user"]["address"] == alice["id"].lower()
        body = b'{"ticker": "ETH-SPOT", "side": "BUY", "quantity": "1"}'
        assert (await admin.ask("POST", "/trade", body))[1]["filled"] == "1"
        assert (await admin.ask("POST", "/shutdown"))[0] == 200
        await program.ended
        await http.stop()
        await admin.stop()
