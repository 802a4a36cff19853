"""Markets that move by themselves: the house's book, drivers in the world's time, takers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from random import Random

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from ilp.clock import WorldClock
from ilp.simulation.books import RecordedBook
from ilp.simulation.contracts import Currency, Pair
from ilp.simulation.core import Core
from ilp.simulation.drivers import BookDriver, MarketDriver
from ilp.simulation.maker import HouseMaker, Ladder
from ilp.simulation.paths import Move, Synthetic, synthetic
from ilp.simulation.records import OrderAccepted, Traded
from ilp.simulation.takers import Appetite, InformedTaker, UninformedTaker
from tests.simulation.world import START, record

D = Decimal
BTC = Currency("BTC", 10**8, lot=10_000)
USD = Currency("USD", 10**4, lot=100)
PAIR = Pair("BTC/USD", BTC, USD, tick=1_000, lot=100_000, fee_bps=10)
LADDER = Ladder(levels=5, half_spread=D("0.0005"), step=D("0.0005"), size=D(1), spread=D(0))


class Case(SynchronousTestCase):
    """One market with a rich house maker and a customer."""

    def setUp(self) -> None:
        self.reactor = Clock()
        self.clock = WorldClock(self.reactor, START, speed=2.0)
        self.core = Core(self.clock.now, [BTC, USD], [PAIR], venue="source")
        for name in ("maker", "customer"):
            self.core.open_account(name)
            self.core.endow(name, "BTC", 10**11)
            self.core.endow(name, "USD", 10**12)
        self.maker = HouseMaker(self.core, "maker", "BTC/USD", LADDER, Random(1))

    def path(self, *prices: int, every: float = 10) -> Iterable[Move]:
        return [Move(START + timedelta(seconds=every * n), price * 10_000, 100_000) for n, price in enumerate(prices)]

    def prices(self, side: Side) -> list[int]:
        book = self.core.book("BTC/USD")
        return [price // 10_000 for price, _ in (book.bids if side is Side.BUY else book.asks)]


class MakerTests(Case):
    """The book around a price."""

    def test_a_book_of_n_levels_lies_around_the_price_with_its_half_spread(self) -> None:
        self.maker.follow(100_020_000)
        self.assertEqual(self.prices(Side.BUY), [9_995, 9_990, 9_985, 9_980, 9_975])
        self.assertEqual(self.prices(Side.SELL), [10_010, 10_015, 10_020, 10_025, 10_030])

    def test_a_move_within_the_grid_changes_nothing(self) -> None:
        self.maker.follow(100_020_000)
        events = record(self.core)
        self.maker.follow(100_021_000)
        self.assertEqual(events, [])

    def test_a_move_by_one_step_costs_one_order_a_side(self) -> None:
        self.maker.follow(100_020_000)
        events = record(self.core)
        self.maker.follow(100_070_000)
        self.assertEqual(len([e for e in events if isinstance(e, OrderAccepted)]), 2)
        self.assertEqual(self.prices(Side.BUY)[0], 10_000)

    def test_the_house_never_trades_with_itself_however_far_the_price_jumps(self) -> None:
        events = record(self.core)
        for price in (10_000, 12_000, 8_000, 10_100):
            self.maker.follow(price * 10_000)
        self.assertEqual([e for e in events if isinstance(e, Traded)], [])
        self.assertEqual(len(self.core.open_orders("maker")), 10)

    def test_a_level_that_was_eaten_is_filled_up_again(self) -> None:
        self.maker.follow(100_020_000)
        self.core.place("customer", "BTC/USD", Side.BUY, 100_150_000, 10**8 * 17 // 10)
        self.maker.follow(100_020_000)
        self.assertEqual([quantity for _, quantity in self.core.book("BTC/USD").asks], [10**8] * 5)

    def test_orders_that_the_venue_cancelled_are_placed_again(self) -> None:
        self.maker.follow(100_020_000)
        self.core.cancel_all("maker")
        self.maker.follow(100_020_000)
        self.assertEqual(len(self.core.open_orders("maker")), 10)

    def test_sizes_are_random_within_their_spread_and_repeatable(self) -> None:
        sizes = []
        for _ in range(2):
            self.setUp()
            ladder = Ladder(levels=5, size=D(1), spread=D("0.5"))
            HouseMaker(self.core, "maker", "BTC/USD", ladder, Random(4)).follow(100_000_000)
            sizes.append([quantity for _, quantity in self.core.book("BTC/USD").asks])
        self.assertEqual(sizes[0], sizes[1])
        self.assertEqual(len(set(sizes[0])), 5)
        self.assertTrue(all(10**8 // 2 <= size <= 10**8 * 3 // 2 for size in sizes[0]))

    def test_want_of_money_is_counted_and_leaves_a_thinner_book(self) -> None:
        self.core.withdraw("maker", "BTC", 10**11 - 3 * 10**8, "away")
        self.maker.follow(100_000_000)
        self.assertEqual((self.maker.shortages, len(self.prices(Side.SELL))), (2, 3))

    def test_an_order_so_old_that_the_venue_forgot_it_is_placed_anew(self) -> None:
        self.core = Core(self.clock.now, [BTC, USD], [PAIR], venue="source", history=0)
        self.core.open_account("maker")
        self.core.endow("maker", "BTC", 10**11)
        self.core.endow("maker", "USD", 10**12)
        self.maker = HouseMaker(self.core, "maker", "BTC/USD", LADDER, Random(1))
        self.maker.follow(100_000_000)
        self.core.cancel_all("maker")
        self.maker.follow(100_000_000)
        self.assertEqual(len(self.core.open_orders("maker")), 10)

    def test_withdrawing_leaves_no_order(self) -> None:
        self.maker.follow(100_000_000)
        self.maker.withdraw()
        self.assertEqual(self.core.open_orders("maker"), [])


class DriverTests(Case):
    """Along a path in the world's time."""

    def driver(self, moves: Iterable[Move]) -> MarketDriver:
        self.ended = 0

        def end() -> None:
            self.ended += 1

        return MarketDriver(self.clock, self.maker, iter(moves), end)

    def test_it_moves_at_the_worlds_times_at_the_worlds_speed(self) -> None:
        driver = self.driver(self.path(10_000, 10_100, 10_200))
        driver.start()
        self.assertEqual(driver.price, 100_000_000)
        self.reactor.advance(4.9)
        self.assertEqual(driver.price, 100_000_000)
        self.reactor.advance(0.2)
        self.assertEqual(driver.price, 101_000_000)

    def test_watchers_see_the_next_move_at_least(self) -> None:
        seen: list[int] = []
        driver = self.driver(self.path(10_000, 10_100, 10_200))
        driver.watch(lambda move: seen.append(move.price))
        driver.start()
        self.assertEqual(seen, [101_000_000])

    def test_watchers_with_foresight_see_as_far_as_they_are_told(self) -> None:
        seen: list[int] = []
        driver = self.driver(self.path(10_000, 10_100, 10_200, 10_300, 10_400))
        driver.watch(lambda move: seen.append(move.price), 20.0)
        driver.start()
        self.assertEqual(seen, [101_000_000, 102_000_000])
        self.reactor.advance(5.1)
        self.assertEqual((driver.price, seen[-1]), (101_000_000, 104_000_000))

    def test_every_move_prints_its_volume(self) -> None:
        driver = self.driver(self.path(10_000, 10_100))
        driver.start()
        self.reactor.advance(5)
        trades = self.core.trades("BTC/USD", START, START + timedelta(days=1))
        self.assertEqual([(t.price, t.quantity) for t in trades], [(100_000_000, 100_000), (101_000_000, 100_000)])

    def test_what_lies_before_now_is_skipped(self) -> None:
        self.reactor.advance(8)
        driver = self.driver(self.path(10_000, 10_100, 10_200))
        driver.start()
        self.assertEqual(driver.price, 101_000_000)
        self.assertEqual(len(self.core.trades("BTC/USD", START, START + timedelta(days=1))), 1)

    def test_at_the_end_of_the_path_it_says_so_once_and_the_book_stays(self) -> None:
        driver = self.driver(self.path(10_000, 10_100))
        driver.start()
        self.reactor.pump([5, 5, 5])
        self.assertEqual(self.ended, 1)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(len(self.core.open_orders("maker")), 10)

    def test_stopping_leaves_no_timer(self) -> None:
        driver = self.driver(self.path(10_000, 10_100))
        driver.start()
        driver.stop()
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_watchers_see_each_move_before_it_is_made(self) -> None:
        seen: list[tuple[int, int | None]] = []
        driver = self.driver(self.path(10_000, 10_100, 10_200))
        driver.watch(lambda move: seen.append((move.price, driver.price)))
        driver.start()
        self.reactor.pump([5, 5])
        self.assertEqual(seen, [(101_000_000, 100_000_000), (102_000_000, 101_000_000)])

    def test_recorded_books_are_shown_exactly_each_at_its_time(self) -> None:
        books = [
            RecordedBook(START, {99_990_000: 3 * 10**8}, {100_010_000: 10**8, 100_020_000: 2 * 10**8}),
            RecordedBook(START + timedelta(seconds=10), {99_990_000: 10**8}, {100_010_000: 10**8}),
        ]
        driver = BookDriver(self.clock, self.maker, books)
        driver.start()
        for _ in range(2):
            self.reactor.advance(0)
        self.assertEqual(dict(self.core.book("BTC/USD").asks), books[0].asks)
        self.reactor.advance(5)
        self.assertEqual(
            (dict(self.core.book("BTC/USD").bids), dict(self.core.book("BTC/USD").asks)), (books[1].bids, books[1].asks)
        )
        driver.stop()

    def test_the_same_seed_gives_the_same_market(self) -> None:
        runs = []
        for _ in range(2):
            self.setUp()
            events = record(self.core)
            path = synthetic(Synthetic(volatility=D("0.5"), volume=D(10_000)), PAIR, D(10_000), START, Random(5))
            driver = MarketDriver(self.clock, HouseMaker(self.core, "maker", "BTC/USD", Ladder(), Random(6)), path)
            driver.start()
            self.reactor.pump([1.0] * 60)
            driver.stop()
            runs.append(events)
        self.assertEqual(runs[0], runs[1])
        self.assertGreater(len(runs[0]), 100)


class UninformedTests(Case):
    """Customers with reasons of their own."""

    def taker(self, **wants: object) -> UninformedTaker:
        appetite = Appetite(every=5, **wants)
        return UninformedTaker(
            self.core, "customer", "BTC/USD", appetite, self.clock, Random(2), fair=lambda: self.fair
        )

    def run_taker(self, taker: UninformedTaker, fair: Decimal | None) -> None:
        self.fair = fair
        self.maker.follow(100_000_000)
        taker.start()
        self.reactor.pump([1.0] * 100)
        taker.stop()

    def test_want_of_money_is_counted(self) -> None:
        self.core.withdraw("customer", "USD", 10**12, "away")
        self.core.withdraw("customer", "BTC", 10**11, "away")
        taker = self.taker()
        self.run_taker(taker, D(10_000))
        self.assertEqual(taker.taken, [])
        self.assertGreater(taker.refused, 10)

    def test_both_sides_are_taken_at_good_prices_at_random_times(self) -> None:
        taker = self.taker()
        self.run_taker(taker, D(10_000))
        self.assertEqual({order.side for order in taker.taken}, {Side.BUY, Side.SELL})
        self.assertTrue(20 < len(taker.taken) < 60, len(taker.taken))
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_sizes_lie_within_the_appetite(self) -> None:
        taker = self.taker(least=D("0.02"), most=D("0.03"))
        self.run_taker(taker, D(10_000))
        self.assertTrue(all(2_000_000 <= order.quantity <= 3_000_000 for order in taker.taken))

    def test_a_price_worse_than_the_tolerance_is_left_alone(self) -> None:
        taker = self.taker(tolerance=D("0.001"))
        self.run_taker(taker, D(9_900))
        self.assertEqual({order.side for order in taker.taken}, {Side.SELL})

    def test_nothing_is_taken_while_the_fair_price_is_not_known(self) -> None:
        taker = self.taker()
        self.run_taker(taker, None)
        self.assertEqual(taker.taken, [])

    def test_the_flow_can_be_one_sided(self) -> None:
        taker = self.taker(buys=D(1))
        self.run_taker(taker, D(10_000))
        self.assertEqual({order.side for order in taker.taken}, {Side.BUY})


class InformedTests(Case):
    """Customers who know what the source does next."""

    def setUp(self) -> None:
        super().setUp()
        self.core.place("maker", "BTC/USD", Side.SELL, 100_100_000, 10**8)
        self.core.place("maker", "BTC/USD", Side.BUY, 99_900_000, 10**8)
        self.taker = InformedTaker(
            self.core, "customer", "BTC/USD", Appetite(lead=2), self.clock, Random(2), fair_after=PAIR.price
        )

    def foresee(self, price: int) -> None:
        self.taker.foresee(Move(START + timedelta(seconds=10), price * 10_000))

    def test_a_quote_that_the_next_move_makes_stale_is_picked_off_shortly_before(self) -> None:
        self.foresee(10_200)
        self.reactor.advance(3.9)
        self.assertEqual(self.taker.taken, [])
        self.reactor.advance(0.2)
        self.assertEqual([(o.side, o.price) for o in self.taker.taken], [(Side.BUY, 100_100_000)])

    def test_a_fall_is_sold_into(self) -> None:
        self.foresee(9_800)
        self.reactor.advance(4)
        self.assertEqual([o.side for o in self.taker.taken], [Side.SELL])

    def test_a_move_that_pays_for_no_more_than_the_fee_is_left_alone(self) -> None:
        self.foresee(10_024)
        self.reactor.advance(4)
        self.assertEqual(self.taker.taken, [])
        self.foresee(10_026)
        self.reactor.advance(4)
        self.assertEqual(len(self.taker.taken), 1)

    def test_stopped_it_acts_no_more_and_leaves_no_timer(self) -> None:
        self.foresee(10_200)
        self.taker.stop()
        self.foresee(10_200)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
