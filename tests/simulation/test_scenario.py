"""A whole world out of a description: it moves, conserves, repeats, and can be traded in."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from attrs import evolve
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from ilp.clock import WorldClock
from ilp.simulation.fx import FixedRates
from ilp.simulation.history import days_of
from ilp.simulation.inprocess import SPUTNIK, SimulatedExchange
from ilp.simulation.monitor import RestingMonitor
from ilp.simulation.paths import Synthetic, to_tick
from ilp.simulation.recordings import HOURS, MINUTES, load_bars
from ilp.simulation.scenario import Following, Invented, Scenario, User, demo
from ilp.simulation.simulated_world import INSIDERS, MAKER, World
from tests.simulation.world import record

D = Decimal
NOON = datetime(2019, 7, 31, 12, tzinfo=UTC)
YEAR = timedelta(days=365)
CALM = Invented(D(10_000), Synthetic(volatility=D("0.01")))


def plan(**more: Any) -> Scenario:
    return demo(
        source_users=(User("pool", {"BTC": D(2), "USD": D(50_000)}, "secret"),),
        target_users=(User("pool", {"BTC": D(1), "HUF": D(9_000_000)}, "secret"),),
        **more,
    )


class Case(SynchronousTestCase):
    """A world at 60 times the real speed."""

    def world(self, scenario: Scenario, start: datetime = NOON) -> World:
        self.reactor = Clock()
        world = World(scenario, WorldClock(self.reactor, start, 60.0))
        world.start()
        self.addCleanup(world.stop)
        return world

    def run_for(self, reactor_seconds: float) -> None:
        for _ in range(int(reactor_seconds * 10)):
            self.reactor.advance(0.1)


class MarketsTests(Case):
    """What moves in the demo's world."""

    def test_the_source_has_a_deep_book_around_the_recorded_price(self) -> None:
        world = self.world(plan())
        book = world.cores["source"].book("BTC/USD")
        bar = next(bar for bar in load_bars(MINUTES) if bar.start == NOON)
        price = world.price("source")
        assert price is not None
        self.assertTrue(bar.low <= price <= bar.high)
        self.assertEqual((len(book.bids), len(book.asks)), (12, 12))
        pair = world.cores["source"].pairs["BTC/USD"]
        self.assertTrue(pair.price(book.bids[0][0]) < price < pair.price(book.asks[0][0]))

    def test_the_target_follows_at_the_last_published_rate_with_a_wide_spread(self) -> None:
        world = self.world(plan())
        source, target = world.price("source"), world.price("target")
        rates = D("327.49") / D("1.1154")  # the fixing of the day before: at noon the day's own is not out yet
        assert source is not None and target is not None
        self.assertEqual(target.quantize(D("0.01")), (source * rates).quantize(D("0.01")))
        best = world.cores["target"].pairs["BTC/HUF"].price(world.cores["target"].book("BTC/HUF").asks[0][0])
        self.assertTrue(target * D("1.015") < best < target * D("1.03"))

    def test_hours_that_are_replayed_whole_come_out_as_recorded(self) -> None:
        world = self.world(evolve(plan(), venues=plan().venues[:1]))
        # In steps of one second of the world, so that each move falls into its own minute.
        self.reactor.pump([1 / 60] * 3_601)
        (bar,) = world.cores["source"].bars("BTC/USD", "hour", NOON, NOON + timedelta(minutes=59))
        recorded = next(hour for hour in load_bars(HOURS) if hour.start == NOON)
        pair = world.cores["source"].pairs["BTC/USD"]
        self.assertEqual(
            tuple(map(pair.price, (bar.open, bar.high, bar.low, bar.close))),
            (recorded.open, recorded.high, recorded.low, recorded.close),
        )
        self.assertLess(abs(pair.quantity(bar.volume) - recorded.volume), D("0.1"))

    def test_both_venues_know_the_weeks_before(self) -> None:
        world = self.world(plan())
        week = NOON - timedelta(days=7)
        self.assertEqual(len(world.cores["source"].bars("BTC/USD", "hour", week, NOON - timedelta(hours=1))), 168)
        self.assertEqual(len(world.cores["source"].bars("BTC/USD", "minute", NOON - timedelta(minutes=10), NOON)), 11)
        days = world.cores["target"].bars("BTC/HUF", "day", week, NOON - timedelta(days=1))
        self.assertEqual([bar.open_timestamp.day for bar in days], [24, 25, 26, 27, 28, 29, 30])
        self.assertTrue(250_000_000 < days[0].close < 350_000_000)

    def test_when_the_recording_ends_the_price_goes_on_from_its_last(self) -> None:
        world = self.world(plan(), datetime(2019, 8, 5, 23, 58, tzinfo=UTC))
        self.run_for(10)
        price = world.price("source")
        assert price is not None
        self.assertLess(abs(price / load_bars(MINUTES)[-1].close - 1), D("0.05"))
        self.assertIsNotNone(world.drivers["source"].upcoming)

    def test_outside_the_recorded_days_the_recording_is_shifted_to_now(self) -> None:
        world = self.world(plan(), datetime(2026, 3, 1, 12, tzinfo=UTC))
        self.assertIsNotNone(world.price("target"))
        hours = world.cores["source"].bars("BTC/USD", "hour", datetime(2026, 2, 28, tzinfo=UTC), world.clock.now())
        self.assertGreater(len(hours), 30)

    def test_customers_of_both_kinds_take_what_the_pool_quotes(self) -> None:
        world = self.world(plan())
        target = world.cores["target"]
        pair = target.pairs["BTC/HUF"]
        for side, part in ((Side.BUY, D("0.996")), (Side.SELL, D("1.004"))):
            price = world.price("target")
            assert price is not None
            target.place("pool", "BTC/HUF", side, to_tick(pair, price * part), pair.wire_quantity("0.5"))
        self.run_for(40)
        self.assertTrue(world.uninformed["target"].taken)
        self.assertTrue(world.informed["target"].taken)
        self.assertTrue(target.fills("pool", NOON - YEAR, NOON + YEAR))

    def test_the_same_seed_gives_the_same_world_and_another_one_another(self) -> None:
        runs = []
        for seed in (7, 7, 8):
            world = self.world(plan(seed=seed, price=CALM))
            events = [record(core) for core in world.cores.values()]
            self.run_for(5)
            runs.append(events)
        self.assertEqual(runs[0], runs[1])
        self.assertNotEqual(runs[0], runs[2])

    def test_stopped_nothing_moves_and_no_timer_is_left(self) -> None:
        world = self.world(plan(price=CALM))
        self.run_for(3)
        world.stop()
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_an_invented_price_has_a_past_of_its_kind_at_both_venues(self) -> None:
        world = self.world(plan(price=CALM))
        source, target = world.cores["source"], world.cores["target"]
        week = NOON - timedelta(days=7)
        hours = source.bars("BTC/USD", "hour", week, NOON - timedelta(hours=1))
        self.assertEqual(len(hours), 168)
        self.assertEqual(hours[-1].close, 100_000_000)
        self.assertTrue(
            all(bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in hours)
        )
        self.assertEqual(len(target.bars("BTC/HUF", "hour", week, NOON - timedelta(hours=1))), 168)
        self.assertGreaterEqual(len(source.bars("BTC/USD", "day", week, NOON)), 6)

    def test_a_past_can_be_left_out(self) -> None:
        world = self.world(plan(price=evolve(CALM, hours=0)))
        self.assertEqual(world.cores["source"].bars("BTC/USD", "hour", NOON - YEAR, NOON - timedelta(hours=1)), [])

    def test_an_invented_price_needs_no_recording(self) -> None:
        world = self.world(plan(price=CALM))
        self.assertEqual(world.price("source"), D(10_000))
        self.run_for(3)
        self.assertNotEqual(world.price("source"), D(10_000))


class MoneyTests(Case):
    """What the users have, and how it travels."""

    def test_users_begin_with_their_balances_and_the_house_with_plenty(self) -> None:
        world = self.world(plan(price=CALM))
        ledger = world.ledger()["venues"]
        self.assertEqual(ledger["target"]["accounts"]["pool"]["HUF"]["total"], "9000000")
        self.assertGreater(D(ledger["source"]["accounts"][MAKER]["USD"]["total"]), D(10) ** 8)

    def test_the_truth_is_plain_json(self) -> None:
        world = self.world(plan(price=CALM))
        self.assertIn("under_way", json.dumps(world.ledger()))
        self.assertIn(MAKER, json.dumps(world.open_orders()))

    def test_coins_arrive_after_their_delay_less_the_chains_charge(self) -> None:
        world = self.world(plan(price=CALM))
        source, target = world.cores["source"], world.cores["target"]
        source.withdraw("pool", "BTC", 10**8, target.current_address("pool", "BTC"))
        self.run_for(9.5)
        self.assertEqual(target.balance("pool", "BTC"), 10**8)
        self.run_for(1)
        self.assertEqual(target.balance("pool", "BTC"), 2 * 10**8 - 50_000)

    def test_dollars_arrive_as_forints_at_the_rate_of_the_arrival(self) -> None:
        world = self.world(plan(price=CALM))
        source, target = world.cores["source"], world.cores["target"]
        source.withdraw("pool", "USD", USD := 10_000 * 10_000, target.current_address("pool", "HUF"))
        self.run_for(31)
        rate = world.rates.rate("USD", "HUF")
        assert rate is not None
        arrived = target.balance("pool", "HUF") - 900_000_000
        self.assertEqual(arrived, int((D(USD) / 10_000 * D("0.999") - 5) * rate * 100))

    def test_all_money_is_where_it_was_or_accounted_for_after_a_busy_hour(self) -> None:
        world = self.world(plan(price=CALM))
        before = {asset: world.bank.total(asset) for asset in ("BTC", "USD", "HUF")}
        source, target = world.cores["source"], world.cores["target"]
        source.withdraw("pool", "USD", 200_000_000, target.current_address("pool", "HUF"))
        target.withdraw("pool", "BTC", 50_000_000, source.current_address("pool", "BTC"))
        self.run_for(60)
        self.assertEqual({asset: world.bank.total(asset) for asset in before}, before)

    def test_rates_change_when_a_fixing_is_published(self) -> None:
        now = [datetime(2019, 7, 31, 11, tzinfo=UTC)]
        fixings = {
            date(2019, 7, 30): {"USD": D("1.1"), "HUF": D(330)},
            date(2019, 7, 31): {"USD": D("1.2"), "HUF": D(324)},
        }
        rates = FixedRates(fixings, lambda: now[0])
        self.assertEqual(rates.rate("USD", "HUF"), D(300))
        now[0] += timedelta(hours=3)
        self.assertEqual(rates.rate("USD", "HUF"), D(270))
        self.assertEqual(rates.rate("EUR", "HUF"), D(324))
        self.assertEqual(rates.rate("USD", "USD"), D(1))
        self.assertIsNone(rates.rate("USD", "XYZ"))
        self.assertIsNone(rates.rate_at("USD", "HUF", datetime(2019, 7, 29, tzinfo=UTC)))


class DescriptionTests(SynchronousTestCase):
    """Descriptions that make no sense, and steps that the units do not allow."""

    def test_a_venue_can_follow_only_one_that_comes_before_it(self) -> None:
        venues = plan().venues
        self.assertRaisesRegex(ValueError, "has to come before", Scenario, (venues[1], venues[0]))

    def test_two_venues_cannot_have_one_name(self) -> None:
        venues = plan().venues
        self.assertRaisesRegex(ValueError, "two venues", Scenario, (venues[0], evolve(venues[1], name="source")))

    def test_ticks_are_the_finest_that_the_lot_allows(self) -> None:
        for lot, usd, huf in (("0.01", "0.01", "1"), ("0.001", "0.1", "10"), ("0.0001", "1", "100")):
            source, target = demo(lot=D(lot)).venues
            self.assertEqual(source.pair.price(source.pair.tick), D(usd))
            self.assertEqual(target.pair.price(target.pair.tick), D(huf))
            self.assertEqual(source.pair.quantity(source.pair.lot), D(lot))

    def test_a_fee_finer_than_a_hundredth_of_a_per_cent_is_refused(self) -> None:
        self.assertRaisesRegex(ValueError, "fee of 0.00005", demo, source_fee=D("0.00005"))

    def test_a_secret_is_not_shown(self) -> None:
        self.assertNotIn("secret", repr(User("pool", {}, "my-secret")).replace("secret=", ""))

    def test_following_says_whom(self) -> None:
        self.assertEqual(demo().venues[1].price, Following("source"))

    def test_days_are_made_of_hours(self) -> None:
        hours = load_bars(HOURS)[:48]
        first, second = days_of(hours)
        self.assertEqual((first.open, first.close), (hours[0].open, hours[23].close))
        self.assertEqual(second.high, max(hour.high for hour in hours[24:]))
        self.assertEqual(second.volume, sum(hour.volume for hour in hours[24:]))


class MonitorTests(Case):
    """How much ever rested on a side."""

    def test_more_than_the_limit_on_a_side_is_a_breach_that_is_named(self) -> None:
        world = self.world(plan(price=CALM, uninformed=None, informed=None))
        target = world.cores["target"]
        monitor = RestingMonitor(target, "pool", "BTC/HUF", 10**7)
        order = target.place("pool", "BTC/HUF", Side.BUY, 100_000_000, 10**7)
        target.place("pool", "BTC/HUF", Side.SELL, 400_000_000, 10**7)
        monitor.check()
        second = target.place("pool", "BTC/HUF", Side.BUY, 100_010_000, 10**5)
        self.assertRaisesRegex(AssertionError, "10100000 of BTC/HUF resting to BUY", monitor.check)
        target.cancel("pool", second.id)
        target.cancel("pool", order.id)
        self.assertEqual(monitor.worst, {Side.BUY: 10_100_000, Side.SELL: 10**7})
        self.assertEqual(monitor.resting(Side.BUY), 0)

    def test_an_order_that_matches_at_once_never_rested(self) -> None:
        world = self.world(plan(price=CALM, uninformed=None, informed=None))
        source = world.cores["source"]
        monitor = RestingMonitor(source, "pool", "BTC/USD", 0)
        source.place("pool", "BTC/USD", Side.SELL, 90_000_000, 10**7)
        monitor.check()


class ClientTests(Case):
    """The world in process, through the uniform interface."""

    def test_a_client_sees_the_market_move_and_its_money_travel(self) -> None:
        world = self.world(plan(price=CALM))
        client = SimulatedExchange(world.cores["target"], "pool", self.reactor, features=SPUTNIK)
        books: list[Any] = []
        holdings: list[Any] = []
        client.on("book", lambda ticker, book: books.append(book))
        client.on("position", lambda ticker, position: holdings.append(position))
        client.connect()
        self.run_for(1)
        address: list[str] = []
        client.getCurrentAddress("BTC").addCallback(address.append)
        self.run_for(1)
        world.cores["source"].withdraw("pool", "BTC", 10**8, address[0])
        self.run_for(12)
        self.assertGreater(len(books), 1)
        self.assertEqual(holdings[-1]["position"], D("1.9995"))
        client.disconnect()
        self.reactor.advance(0)

    def test_insiders_are_customers_of_the_target_only(self) -> None:
        world = self.world(plan(price=CALM))
        self.run_for(20)
        self.assertEqual(world.cores["source"].fills(INSIDERS, NOON - YEAR, NOON + YEAR), [])
