"""What an operator puts on pause is not done, and nothing else stops."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from ilp.journal.entries import HedgeEntry, IntentEntry, TransferState
from ilp.trading.machine import State
from ilp.trading.pauses import Pause, paused_by, read, write
from ilp.trading.permissions import Act, Leave
from tests.trading.world import D, World


class WordsTests(SynchronousTestCase):
    """The pauses as data."""

    def test_what_is_written_is_read_again(self) -> None:
        for pauses in (frozenset[Pause](), frozenset({Pause.HEDGES}), frozenset(Pause)):
            self.assertEqual(read(write(pauses)), pauses)

    def test_a_name_that_means_nothing_is_left_out(self) -> None:
        self.assertEqual(read("quotes, siesta"), {Pause.QUOTES})

    def test_cancels_cannot_be_paused(self) -> None:
        self.assertEqual(paused_by(Pause, Act.CANCEL), "")

    def test_winding_down_leaves_hedges_alone(self) -> None:
        forbidden = [act for act in Act if paused_by({Pause.WIND_DOWN}, act)]
        self.assertEqual(forbidden, [Act.QUOTE, Act.PLAN_TRADE, Act.TRANSFER])


class PauseTests(SynchronousTestCase):
    """A pool that trades."""

    def setUp(self) -> None:
        self.world = World()
        self.addCleanup(lambda: self.world.end())
        self.world.trading()

    def pause(self, what: Pause, on: bool = True) -> None:
        self.world.trader.pause(what, on, "anna")

    def test_paused_quotes_leave_the_book_and_say_why(self) -> None:
        self.pause(Pause.QUOTES)
        self.assertTrue(self.world.until(lambda: not self.world.open_orders(), 2))
        self.world.advance(2)
        self.assertEqual(self.world.open_orders(), [])
        self.assertEqual(self.world.trader.life.state, State.TRADING)
        self.assertEqual({q.reason for q in self.world.trader.status().quotes}, {"quotes are paused by the operator"})

    def test_quotes_come_back_when_they_go_on(self) -> None:
        self.pause(Pause.QUOTES)
        self.world.until(lambda: not self.world.open_orders(), 2)
        self.pause(Pause.QUOTES, False)
        self.assertTrue(self.world.until(lambda: self.world.resting(Side.BUY) > 0, 5))

    def test_with_hedging_paused_a_fill_stays_open_until_somebody_hedges_by_hand(self) -> None:
        before = self.world.truth("source", "BTC")
        self.pause(Pause.HEDGES)
        self.world.take(Side.BUY)
        self.world.advance(1)
        self.assertEqual(self.world.truth("source", "BTC"), before)
        self.assertEqual(self.world.trader.loop.hedger.reason, "hedges are paused by the operator")
        self.world.trader.hedge("anna")
        self.assertTrue(self.world.until(lambda: self.world.truth("source", "BTC") - before == D("0.1"), 3))

    def test_what_stayed_open_is_closed_when_hedging_goes_on(self) -> None:
        self.pause(Pause.HEDGES)
        self.world.take(Side.BUY)
        self.world.advance(1)
        self.assertEqual(abs(self.world.trader.floor.exposure.net), D("0.1"))
        self.pause(Pause.HEDGES, False)
        self.assertTrue(self.world.until(lambda: self.world.trader.floor.exposure.net == 0, 5))

    def test_winding_down_pulls_the_quotes_and_still_hedges(self) -> None:
        self.assertEqual(self.world.take(Side.BUY), D("0.1"))
        self.pause(Pause.WIND_DOWN)
        self.assertTrue(self.world.until(lambda: bool(self.world.journal.of(HedgeEntry)), 3))
        self.world.until(lambda: not self.world.open_orders(), 2)
        self.world.advance(65)
        self.assertEqual(self.world.open_orders(), [])
        self.assertEqual(self.world.trader.floor.exposure.net, 0)
        self.assertIn("winding down", self.world.trader.loop.planner.reason)

    def test_with_transfers_paused_no_plan_contains_one_and_an_operator_still_may(self) -> None:
        self.pause(Pause.TRANSFERS)
        self.world.advance(1)
        view = self.world.trader.floor.view()
        assert view is not None
        self.assertEqual(len(view.blocked), 5)
        self.assertFalse(self.world.trader.facts.permitted(Act.TRANSFER, "source", Leave.MACHINE))
        self.assertTrue(self.world.trader.facts.permitted(Act.TRANSFER, "source", Leave.OPERATOR))

    def test_proposals_of_before_wait_while_transfers_are_paused(self) -> None:
        def waiting() -> list[str]:
            found = self.world.trader.transfers.entries
            return [entry.id for entry in found if entry.state is TransferState.PROPOSED]

        before = waiting()
        self.pause(Pause.TRANSFERS)
        self.world.advance(70)
        self.assertEqual(waiting(), before)

    def test_a_pause_is_journaled_with_who_wanted_it(self) -> None:
        self.pause(Pause.HEDGES)
        self.world.advance(0.1)
        entry = self.world.journal.of(IntentEntry)[-1]
        self.assertEqual((entry.wanted, entry.by, entry.paused), (True, "anna", "hedges"))

    def test_pausing_twice_is_written_once(self) -> None:
        self.pause(Pause.HEDGES)
        self.world.advance(0.1)
        count = len(self.world.journal.of(IntentEntry))
        self.pause(Pause.HEDGES)
        self.world.advance(0.1)
        self.assertEqual(len(self.world.journal.of(IntentEntry)), count)

    def test_a_pause_survives_stop_start_and_a_restart(self) -> None:
        self.pause(Pause.QUOTES)
        self.world.advance(0.5)
        self.world.trader.stop("anna")
        self.world.until(lambda: self.world.trader.life.state is State.READY, 5)
        self.world.end()
        self.world.trader = self.world.new_trader()
        self.world.ready()
        self.assertEqual(self.world.trader.facts.pauses, {Pause.QUOTES})
