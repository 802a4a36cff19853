"""What the trader tells of its own speed."""

from __future__ import annotations

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from clients import reading
from clients.exchange import Side
from ilp.simulation.inprocess import SPUTNIK
from ilp.trading import pace
from tests.trading.world import PARAMETERS, D, World, settings

CALM = evolve(PARAMETERS, min_gain=D(10**9))


class PaceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World(SPUTNIK, config=settings(parameters=CALM)).trading()
        self.addCleanup(self.world.end)
        self.world.advance(1.0)
        for histogram in self.world.trader.metrics.histograms.values():
            histogram.clear()

    def count(self, name: str) -> int:
        return self.world.trader.metrics.histograms[name].count

    def test_a_jump_of_the_source_is_one_cancel_and_one_quote_a_side(self) -> None:
        self.world.show_source(D("256"), D("256.2"))
        self.world.advance(0.5)
        self.assertEqual(self.count("ilp_update_to_cancel_seconds"), 2)
        self.assertEqual(self.count("ilp_update_to_quote_seconds"), 2)

    def test_every_optimisation_is_measured(self) -> None:
        for _ in range(3):
            self.world.trader.loop.forget()
            self.world.trader.wake()
            self.world.advance(0.1)
        self.assertGreaterEqual(self.count("ilp_optimizer_seconds"), 3)

    def test_a_book_that_moves_no_quote_is_no_reaction(self) -> None:
        self.world.show_source(self.world.bid, self.world.ask, size="40")
        self.world.advance(0.5)
        self.assertGreater(self.count("ilp_stage_decode_seconds"), 0)
        self.assertEqual(self.count("ilp_update_to_cancel_seconds"), 0)

    def test_a_fill_is_measured_to_its_hedge(self) -> None:
        self.world.take(Side.SELL)
        self.world.advance(0.5)
        self.assertEqual(self.count("ilp_fill_to_hedge_seconds"), 1)

    def test_a_fill_that_is_carried_does_not_make_the_next_one_look_late(self) -> None:
        world = World(SPUTNIK, config=settings(parameters=evolve(CALM, max_unhedged=D("0.02")))).trading()
        self.addCleanup(world.end)
        self.patch(pace, "perf_counter", world.reactor.seconds)
        self.patch(reading, "perf_counter", world.reactor.seconds)
        measured = world.trader.metrics.histograms["ilp_fill_to_hedge_seconds"]
        self.assertEqual(world.take(Side.SELL, "0.01"), D("0.01"))
        world.advance(5.0)
        self.assertEqual(measured.count, 0)
        world.take(Side.SELL, "0.05")
        world.advance(0.5)
        self.assertEqual(measured.count, 1)
        self.assertLess(measured.worst, 1.0)

    def test_a_fill_that_a_plan_keeps_does_not_make_the_next_one_look_late(self) -> None:
        self.patch(pace, "perf_counter", self.world.reactor.seconds)
        self.patch(reading, "perf_counter", self.world.reactor.seconds)
        trader, measured = self.world.trader, self.world.trader.metrics.histograms["ilp_fill_to_hedge_seconds"]
        trader.pace.fill_told(True)
        trader.wake()
        self.world.advance(5.0)
        self.assertEqual(measured.count, 0)
        self.world.take(Side.SELL)
        self.world.advance(0.5)
        self.assertEqual(measured.count, 1)
        self.assertLess(measured.worst, 1.0)

    def test_books_that_come_together_wait_for_one_turn(self) -> None:
        before = self.count("ilp_turn_seconds")
        for _ in range(20):
            self.world.trader.wake()
        self.world.reactor.advance(0.001)
        self.assertEqual(self.count("ilp_turn_seconds"), before + 1)
