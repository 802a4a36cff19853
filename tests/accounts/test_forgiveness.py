"""What a RESET forgives of the day's loss, and what a restart must not forgive besides."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from clients.exchange import Side
from ilp.trading.machine import State
from tests.accounts.test_keeper import CalmCase

D = Decimal


class ForgivenessTests(CalmCase):
    def lose(self) -> None:
        """A fill whose hedge finds another price."""
        self.world.take(Side.SELL)
        self.world.show_source(self.world.bid - 10, self.world.ask - 10)
        self.world.advance(3)

    def restart(self) -> None:
        """Another process on the same journal."""
        self.world.end()
        self.world.source, self.world.target, self.world.rates = self.world.clients()
        self.world.trader = self.world.new_trader()
        self.world.ready()

    def test_what_is_lost_after_a_reset_is_not_forgiven_by_a_restart(self) -> None:
        world = self.world.trading()
        self.lose()
        world.trader.halt("enough", "operator")
        world.advance(1)
        first = self.books.loss()
        world.trader.reset("looked at it", "operator")
        self.assertEqual(self.books.loss(), 0)
        self.assertTrue(world.until(lambda: world.trader.life.state is State.READY))
        world.trader.start("operator")
        world.until(lambda: len(world.open_orders()) == 2)
        self.lose()
        second = self.books.loss()
        self.assertGreater(min(first, second), D("0.1"))
        self.restart()
        self.assertAlmostEqual(self.books.loss(), second, 6)

    def halt_and_reset(self) -> None:
        self.world.trader.halt("enough", "operator")
        self.world.advance(1)
        self.world.trader.reset("looked at it", "operator")
        self.assertTrue(self.world.until(lambda: self.world.trader.life.state is State.READY))

    def test_what_is_forgiven_after_the_clock_was_set_back_over_midnight_stays_so_over_a_restart(self) -> None:
        world = self.world.trading()
        self.lose()
        world.clock.start -= timedelta(days=1)
        self.halt_and_reset()
        self.assertLess(self.books.loss(), D("0.01"))
        self.restart()
        self.assertLess(self.books.loss(), D("0.01"))

    def test_what_is_lost_after_a_reset_and_before_the_clock_is_set_back_is_not_forgiven_by_a_restart(self) -> None:
        world = self.world.trading()
        self.lose()
        self.halt_and_reset()
        world.trader.start("operator")
        world.until(lambda: len(world.open_orders()) == 2)
        world.clock.start -= timedelta(minutes=10)  # what is booked from now on bears times of before the reset
        self.lose()
        lost = self.books.loss()
        self.assertGreater(lost, D("0.1"))
        self.restart()
        self.assertGreaterEqual(self.books.loss(), lost - D("1e-6"))

    def test_what_was_revalued_and_not_booked_before_it_stays_forgiven_over_a_restart(self) -> None:
        world = self.world.trading()
        world.source_core.account("pool").may_trade = False  # no hedge: what is open is revalued, and nothing is booked
        world.take(Side.BUY)
        world.advance(0.5)
        world.show_source(world.bid + 20, world.ask + 20)
        world.advance(0.5)
        self.assertGreater(self.books.loss(), D("0.3"))
        world.trader.halt("enough", "operator")
        world.advance(0.5)
        world.trader.reset("looked at it", "operator")
        self.assertTrue(world.until(lambda: world.trader.life.state is State.READY))
        self.assertLess(self.books.loss(), D("0.01"))
        self.restart()
        self.assertLess(self.books.loss(), D("0.01"))


class OutageTests(CalmCase):
    """The journal takes nothing for a minute: what waits is tried again each second, while prices move."""

    def fall(self, seconds: int) -> None:
        """Each second the source is a little cheaper."""
        for _ in range(seconds):
            self.world.show_source(self.world.bid - D("0.1"), self.world.ask - D("0.1"))
            self.world.advance(1)

    def test_a_fill_that_waits_is_booked_once_and_its_marks_too(self) -> None:
        world = self.world.trading()
        world.source_core.account("pool").may_trade = False  # no hedge
        before = self.books.books.count
        world.journal.broken = "no space left"
        world.take(Side.BUY)
        self.fall(60)
        self.assertEqual(self.books.books.count, before + 2)  # new marks, and the fill
        world.journal.broken = ""
        self.fall(3)
        kinds = [booking.kind for booking in world.bookings()[before:]]
        self.assertEqual(kinds, ["revaluation", "trade"])

    def test_a_reset_that_waits_forgives_nothing_that_was_lost_after_it(self) -> None:
        world = self.world.trading()
        world.source_core.account("pool").may_trade = False  # what is open is revalued
        world.take(Side.SELL)
        world.advance(0.5)
        world.trader.halt("enough", "operator")
        world.advance(1)
        world.journal.broken = "no space left"
        before = self.books.books.count
        world.trader.reset("looked at it", "operator")
        world.advance(1)
        self.assertLess(self.books.loss(), D("0.01"))
        self.fall(60)
        lost = self.books.loss()
        self.assertAlmostEqual(lost, D("0.6"), 1)  # 0.1 BTC, 6 USD cheaper
        self.assertEqual(self.books.books.count, before + 1)
        world.journal.broken = ""
        world.advance(3)
        self.assertEqual(world.trader.recorder.failing, "")
        self.assertAlmostEqual(self.books.loss(), lost, 6)
        self.assertEqual(len(world.bookings()), before + 1)
