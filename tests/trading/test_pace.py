"""What the trader tells of its own speed."""

from __future__ import annotations

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from clients import reading
from clients.exchange import Side
from ilp.journal.entries import Purpose
from ilp.metrics import Metrics
from ilp.simulation.inprocess import SPUTNIK
from ilp.trading import pace
from ilp.trading.gate import OrderRequest
from ilp.trading.own import OwnOrder
from tests.trading.world import PARAMETERS, START, D, World, settings

CALM = evolve(PARAMETERS, min_gain=D(10**9))


QUOTE = OrderRequest("k", "target", "BTC/HUF", Side.BUY, D("0.1"), D(67_000), Purpose.QUOTE)
HEDGE = evolve(QUOTE, venue="source", ticker="BTC/USD", purpose=Purpose.HEDGE)
RESTING = OwnOrder("q", "target", "BTC/HUF", Side.BUY, Purpose.QUOTE, D("0.1"), D(67_000), START)


class StageTests(SynchronousTestCase):
    """Each stage is what lies between two of its moments."""

    def setUp(self) -> None:
        self.time = 100.0
        self.patch(pace, "perf_counter", lambda: self.time)
        self.patch(reading, "began", lambda: self.read)
        self.read = 100.0
        self.orders = {"7": RESTING, "8": evolve(RESTING, purpose=Purpose.HEDGE)}
        self.metrics = Metrics()
        self.pace = pace.Pace(self.metrics, lambda venue, id: self.orders.get(id))

    def seen(self, name: str) -> list[int]:
        """How often a stage was observed, and its longest in whole seconds."""
        histogram = self.metrics.histograms[f"ilp_{name}_seconds"]
        return [histogram.count, round(histogram.worst)]

    def book(self, moved: bool = True) -> None:
        """A book that was read at the time that it is, and took a second to decode."""
        self.read = self.time
        self.time += 1
        self.pace.book_told(moved)

    def test_a_reaction_is_measured_stage_by_stage(self) -> None:
        self.book()
        self.time += 2
        self.pace.turn_begins()
        self.time += 4
        self.pace.cancel_sent("target", "7")
        self.time += 8
        self.pace.order_sent(QUOTE)
        self.time += 16
        self.pace.turn_ends(False)
        stages = ("decode", "wait", "decide", "replace")
        self.assertEqual([self.seen(f"stage_{name}") for name in stages], [[1, 1], [1, 2], [1, 4], [1, 8]])
        wholes = ("update_to_cancel", "update_to_quote", "turn")
        self.assertEqual([self.seen(name) for name in wholes], [[1, 7], [1, 15], [1, 28]])

    def test_a_hedge_is_measured_stage_by_stage(self) -> None:
        self.read = self.time
        self.time += 1
        self.pace.fill_told(True)
        self.time += 2
        self.pace.turn_begins()
        self.time += 4
        self.pace.order_sent(HEDGE)
        self.pace.turn_ends(False)
        stages = ("stage_book_fill", "stage_fill_wait", "stage_hedge", "fill_to_hedge")
        self.assertEqual([self.seen(name) for name in stages], [[1, 1], [1, 2], [1, 4], [1, 7]])

    def test_a_fill_waits_for_one_turn_only(self) -> None:
        self.read = self.time
        self.pace.fill_told(True)
        for _ in range(2):
            self.time += 1
            self.pace.turn_begins()
            self.pace.turn_ends(True)
        self.assertEqual(self.seen("stage_fill_wait"), [1, 1])

    def test_a_hedge_outside_a_turn_is_one_that_an_operator_sends(self) -> None:
        self.read = self.time
        self.pace.fill_told(True)
        self.time += 3
        self.pace.order_sent(HEDGE)
        self.assertEqual((self.seen("stage_hedge")[0], self.seen("fill_to_hedge")), (0, [1, 3]))

    def test_it_counts_from_the_oldest_book_that_no_turn_has_seen(self) -> None:
        self.book()
        self.book()
        self.pace.turn_begins()
        self.pace.cancel_sent("target", "7")
        self.assertEqual(self.seen("update_to_cancel"), [1, 2])

    def test_the_next_turn_counts_from_books_of_its_own(self) -> None:
        self.book()
        self.pace.turn_begins()
        self.pace.turn_ends(False)
        self.time += 50
        self.book()
        self.pace.turn_begins()
        self.pace.cancel_sent("target", "7")
        self.assertEqual(self.seen("update_to_cancel"), [1, 1])

    def test_a_book_that_no_turn_will_look_at_begins_no_reaction(self) -> None:
        self.book(moved=False)
        self.pace.turn_begins()
        self.pace.cancel_sent("target", "7")
        self.assertEqual([self.seen(name)[0] for name in ("stage_decode", "update_to_cancel")], [1, 0])

    def test_cancels_of_hedges_of_strangers_and_outside_a_turn_are_no_reactions(self) -> None:
        self.book()
        self.pace.cancel_sent("target", "7")
        self.pace.turn_begins()
        self.pace.cancel_sent("target", "8")
        self.pace.cancel_sent("target", "unknown")
        self.assertEqual(self.seen("update_to_cancel")[0], 0)

    def test_an_amended_quote_is_a_reaction_to_the_book_of_its_turn(self) -> None:
        self.book()
        self.time += 2
        self.pace.turn_begins()
        self.time += 4
        self.pace.amend_sent(QUOTE)
        self.assertEqual((self.seen("update_to_quote"), self.metrics.counters["ilp_orders_sent_total"][1]), ([1, 7], 1))

    def test_a_quote_that_comes_long_after_its_cancel_is_another_one(self) -> None:
        for replacing, times in (([Side.SELL], 0), ([Side.BUY], 1)):
            self.book()
            self.pace.turn_begins()
            self.pace.cancel_sent("target", "7")
            self.pace.turn_ends(False, replacing)
            self.time += 600
            self.pace.order_sent(QUOTE)
            self.assertEqual(self.seen("update_to_quote")[0], times)

    def test_a_quote_that_replaces_nothing_is_no_reaction(self) -> None:
        self.pace.order_sent(QUOTE)
        self.assertEqual(self.seen("update_to_quote")[0], 0)

    def test_a_hedge_counts_from_the_oldest_fill_and_once(self) -> None:
        self.read = self.time
        self.pace.fill_told(True)
        self.time = self.read = 103.0
        self.pace.fill_told(True)
        self.time = 105.0
        self.pace.order_sent(QUOTE)
        self.pace.order_sent(HEDGE)
        self.pace.order_sent(HEDGE)
        self.assertEqual(self.seen("fill_to_hedge"), [1, 5])

    def test_a_fill_whose_exposure_is_gone_waits_for_no_hedge(self) -> None:
        for settled in (lambda: self.pace.fill_told(False), lambda: self.pace.turn_ends(False)):
            self.pace.fill_told(True)
            settled()
            self.pace.order_sent(HEDGE)
        self.assertEqual(self.seen("fill_to_hedge")[0], 0)

    def test_a_turn_that_leaves_exposure_keeps_the_fills_time(self) -> None:
        self.read = self.time
        self.pace.fill_told(True)
        self.pace.turn_ends(True)
        self.time += 3
        self.pace.order_sent(HEDGE)
        self.assertEqual(self.seen("fill_to_hedge"), [1, 3])

    def test_optimisations_and_orders_sent_are_counted(self) -> None:
        self.pace.solved(2.0)
        self.pace.order_sent(HEDGE)
        self.pace.order_sent(QUOTE)
        self.assertEqual(self.seen("optimizer"), [1, 2])
        self.assertEqual(self.metrics.counters["ilp_orders_sent_total"][1], 2)


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
