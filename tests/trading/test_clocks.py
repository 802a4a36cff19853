"""A venue whose clock is wrong: seen by what it stamps and by the time that it tells, and nothing is quoted on it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from attrs import evolve
from twisted.internet.defer import Deferred, fail
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side, Unreachable
from ilp.settings_keys import find
from ilp.simulation.inprocess import SimulatedExchange
from ilp.trading.caretaker import CLOCK_AGAIN
from ilp.trading.clocks import HOLD, Clocks
from ilp.trading.machine import State
from ilp.trading.trader import Refusal, Trader
from tests.trading.test_trader import CALM
from tests.trading.world import AGES, D, World, settings

NOON = datetime(2024, 3, 4, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


class ClocksTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.seconds, self.now = 0.0, after(10)
        self.clocks = Clocks(5.0, lambda: self.seconds, lambda: self.now)

    def test_a_stamp_between_sending_and_hearing_is_no_skew(self) -> None:
        self.now = after(3)
        for stamp in (0, 1, 3):
            self.clocks.stamped("target", NOON, after(stamp))
            self.assertEqual((self.clocks.skew("target"), self.clocks.trouble()), (0.0, ""))

    def test_a_clock_ahead_is_measured_from_when_we_hear(self) -> None:
        self.clocks.stamped("target", NOON, after(17))
        self.assertEqual(self.clocks.skew("target"), 7.0)
        self.assertEqual(self.clocks.trouble(), "target clock: 7.0 s ahead of ours, allowed 5 s")

    def test_a_clock_behind_is_measured_from_when_it_was_sent(self) -> None:
        self.clocks.stamped("target", NOON, after(-8))
        self.assertEqual(self.clocks.trouble(), "target clock: 8.0 s behind ours, allowed 5 s")

    def test_a_skew_of_just_the_limit_is_allowed(self) -> None:
        self.clocks.stamped("target", NOON, after(15))
        self.assertEqual((self.clocks.trouble(), self.clocks.expires()), ("", None))

    def test_the_stamp_of_an_old_order_proves_no_clock_right(self) -> None:
        self.now = after(1)
        self.clocks.stamped("target", NOON, after(17))
        self.now = after(30)
        self.clocks.stamped("target", NOON, after(17))
        self.assertIn("16.0 s ahead", self.clocks.trouble())

    def test_a_trade_from_the_future_shows_a_clock_that_is_ahead(self) -> None:
        self.clocks.told("source", after(16.5))
        self.assertEqual(self.clocks.trouble(), "source clock: 6.5 s ahead of ours, allowed 5 s")

    def test_a_trade_from_the_past_shows_nothing(self) -> None:
        self.clocks.told("source", after(-600))
        self.assertIsNone(self.clocks.skew("source"))

    def test_an_old_measurement_does_not_count(self) -> None:
        self.clocks.stamped("target", NOON, after(17))
        self.seconds = HOLD + 0.1
        self.assertEqual((self.clocks.trouble(), self.clocks.skew("target")), ("", None))

    def test_a_venue_that_tells_its_time_is_off_until_it_tells_another(self) -> None:
        self.clocks.timed("target", NOON, after(17))
        self.seconds = 10 * HOLD
        self.assertIn("7.0 s ahead", self.clocks.trouble())
        self.assertIsNone(self.clocks.expires())
        self.clocks.timed("target", after(8), after(9))
        self.assertEqual(self.clocks.trouble(), "")

    def test_what_a_venue_that_is_right_has_told_is_forgotten(self) -> None:
        self.clocks.timed("target", after(8), after(9))
        self.assertEqual(self.clocks.skew("target"), 0.0)
        self.seconds = HOLD + 0.1
        self.assertIsNone(self.clocks.skew("target"))

    def test_only_what_is_forgotten_by_itself_is_looked_at_again(self) -> None:
        self.clocks.timed("source", NOON, after(17))
        self.seconds = 1.0
        self.clocks.stamped("target", NOON, after(17))
        self.assertAlmostEqual(self.clocks.expires(), 1.0 + HOLD, 1)
        self.seconds = 2 * HOLD
        self.assertIsNone(self.clocks.expires())

    def test_a_trade_tells_whether_it_changes_what_counts(self) -> None:
        told = [self.clocks.told("source", after(seconds)) for seconds in (9, 12, 17, 18, 12)]
        self.assertEqual(told, [False, False, True, False, True])

    def test_what_was_never_measured_is_no_trouble(self) -> None:
        self.assertEqual((self.clocks.trouble(), self.clocks.skew("source"), self.clocks.expires()), ("", None, None))

    def test_a_clock_that_is_right_passes_the_least_limit_though_it_tells_whole_seconds(self) -> None:
        key = find("ages", "clock_skew")
        assert key is not None
        self.assertRaises(ValueError, key.kind, "0.9")
        clocks = Clocks(key.kind("1"), lambda: 0.0, lambda: self.now)
        for tenths in range(10):
            self.now = after(tenths / 10)
            for told in (NOON, NOON + timedelta(seconds=0.5)):  # the second's beginning, or its middle
                clocks.stamped("target", self.now, told)
                self.assertEqual(clocks.trouble(), "")


class TraderTests(SynchronousTestCase):
    def world(self) -> World:
        ages = evolve(AGES, clock_skew=2.0)
        return World(config=settings(parameters=CALM, ages=ages))

    def test_venues_that_are_on_time_are_quoted_on(self) -> None:
        world = self.world().trading()
        world.advance(0.1)
        self.assertEqual(world.trader.floor.clocks.skew("target"), 0.0)

    def test_quotes_are_pulled_while_a_venue_is_off_and_return_when_it_is_not(self) -> None:
        world = self.world()
        honest = world.target_core.now
        world.trading()
        world.target_core.now = lambda: honest() + timedelta(seconds=30)
        world.take(Side.SELL)
        world.advance(1)
        self.assertEqual((world.open_orders(), world.trader.life.state), ([], State.TRADING))
        self.assertRegex(world.trader.status().stale, r"target clock: (29.9|30.0) s ahead of ours, allowed 2 s")
        for status in world.trader.status().quotes:
            self.assertIn("target clock", status.reason)
        world.target_core.now = honest
        world.advance(40)
        # The core never stamps backwards; by then its own time has caught up with its last stamp.
        self.assertTrue(world.until(lambda: len(world.open_orders()) == 2, 60, 0.05), world.trader.status())
        self.assertIsNotNone(world.quote(Side.BUY))

    def off(self, seconds: float) -> World:
        """A world whose source is off; not one order was sent."""
        world = self.world()
        honest = world.source_core.now
        world.source_core.now = lambda: honest() + timedelta(seconds=seconds)
        return world

    def test_start_is_refused_where_a_venue_tells_another_time_before_any_order_was_sent(self) -> None:
        for seconds, way in ((30, "ahead of"), (-30, "behind")):
            world = self.off(seconds).ready()
            world.advance(0.5)
            with self.assertRaisesRegex(Refusal, f"source clock: (29.9|30.0) s {way} ours, allowed 2 s"):
                world.trader.start("operator")
            world.end()

    def test_a_clock_that_goes_wrong_pulls_the_quotes_though_nothing_is_sent_there(self) -> None:
        world = self.world().trading()
        honest = world.source_core.now
        world.source_core.now = lambda: honest() - timedelta(seconds=9)
        world.advance(CLOCK_AGAIN + 1)
        self.assertEqual(world.open_orders(), [])
        self.assertRegex(world.trader.status().stale, "source clock: (8.9|9.0) s behind ours")
        world.source_core.now = honest
        world.advance(CLOCK_AGAIN + 2)
        self.assertEqual(len(world.open_orders()), 2)

    def test_a_trade_from_the_future_pulls_the_quotes_at_once(self) -> None:
        world = self.world().trading()
        world.advance(0.2, 0.01)
        stamp = world.clock.now() + timedelta(seconds=9)
        trade = {
            "contract": "BTC/USD",
            "price": D(250),
            "quantity": D(1),
            "side": Side.BUY,
            "timestamp": stamp,
            "id": "7",
        }
        world.source.announce("trade", trade)
        self.assertTrue(world.until(lambda: not world.open_orders(), 0.1), world.trader.status())
        world.trader.floor.clocks.told("source", world.clock.now() + timedelta(seconds=1))

    def test_quotes_do_not_return_as_long_as_the_time_that_was_wrong_cannot_be_read(self) -> None:
        world = self.world().trading()
        honest = world.source_core.now
        world.source_core.now = lambda: honest() - timedelta(seconds=9)
        self.assertTrue(world.until(lambda: not world.open_orders(), CLOCK_AGAIN + 1, 0.05))

        def ask(exchange: SimulatedExchange) -> Deferred[datetime]:
            return fail(Unreachable(exchange.name, "asking for the venue's time", "no answer in 10 s"))

        unread = self.patch(SimulatedExchange, "getServerTime", ask)
        world.advance(HOLD + 2 * CLOCK_AGAIN, 0.2)
        self.assertEqual(world.open_orders(), [])
        self.assertRegex(world.trader.status().stale, "source clock: (8.9|9.0) s behind ours")
        world.source_core.now = honest
        unread.restore()
        self.assertTrue(world.until(lambda: len(world.open_orders()) == 2, CLOCK_AGAIN + 2, 0.05))

    def test_a_time_that_cannot_be_read_is_only_reported(self) -> None:
        def ask(exchange: SimulatedExchange) -> Deferred[datetime]:
            return fail(Unreachable(exchange.name, "asking for the venue's time", "no answer in 10 s"))

        self.patch(SimulatedExchange, "getServerTime", ask)
        told: list[str] = []
        self.patch(Trader, "report", lambda _trader, message, _error=None: told.append(message))
        world = self.world().trading()
        told.clear()
        world.advance(CLOCK_AGAIN + 1, 0.5)
        for venue in ("source", "target"):
            self.assertEqual(sum(f"{venue}: its time could not be read" in one for one in told), 1, told)
        self.assertEqual((world.trader.life.state, len(world.open_orders())), (State.TRADING, 2))

    def test_a_venue_without_such_a_call_is_asked_once(self) -> None:
        asked: list[str] = []

        def ask(exchange: SimulatedExchange) -> Deferred[datetime]:
            asked.append(exchange.name)
            return fail(NotImplementedError("no such call"))

        self.patch(SimulatedExchange, "getServerTime", ask)
        world = self.world().trading()
        world.advance(3 * CLOCK_AGAIN, 0.5)
        self.assertEqual(sorted(asked), ["source", "target"])
        self.assertEqual(len(world.open_orders()), 2)
