"""Entries of a fill follow its hedge: what is held, when it goes to the journal, and who may not go by less."""

from __future__ import annotations

from decimal import Decimal
from unittest.mock import patch

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from ilp.journal.entries import Entry, FillEntry, IntentEntry, OrderEntry, Purpose, StateEntry
from ilp.trading.gate import OrderRequest
from ilp.trading.machine import State
from ilp.trading.recorder import RETRY, Recorder
from tests.accounts.test_keeper import KeptWorld
from tests.trading.memory_journal import MemoryJournal
from tests.trading.world import PARAMETERS, START, World, settings

D = Decimal


def intent(number: int) -> IntentEntry:
    return IntentEntry(True, f"user-{number}", START)


class Picky(MemoryJournal):
    """Breaks with entries of *user*."""

    user = ""

    def record(self, *entries: Entry) -> Deferred[None]:
        if any(isinstance(entry, IntentEntry) and entry.by == self.user for entry in entries):
            raise ValueError(f"of {self.user}")
        return super().record(*entries)


class HoldTests(SynchronousTestCase):
    """`Recorder.hold` and `Recorder.flush`"""

    def setUp(self) -> None:
        self.journal, self.seconds = Picky(), 0.0
        self.recorder = Recorder(self.journal, lambda: self.seconds, lambda: None)

    def users(self) -> list[str]:
        return [entry.by for entry in self.journal.of(IntentEntry)]

    def test_what_is_held_is_written_with_the_flush(self) -> None:
        self.recorder.hold(intent(1))
        self.assertEqual(self.users(), [])
        self.recorder.flush()
        self.assertEqual(self.users(), ["user-1"])

    def test_what_is_recorded_meanwhile_stays_behind_it(self) -> None:
        self.recorder.hold(intent(1))
        self.recorder.record(intent(2))
        self.assertEqual(self.users(), [])
        self.recorder.flush()
        self.recorder.record(intent(3))
        self.assertEqual(self.users(), ["user-1", "user-2", "user-3"])

    def test_what_has_to_be_durable_at_once_goes_behind_what_is_held(self) -> None:
        self.recorder.hold(intent(1))
        self.successResultOf(self.recorder.durable(intent(2)))
        self.assertEqual(self.users(), ["user-1", "user-2"])

    def test_when_it_closes_nothing_is_held_any_more(self) -> None:
        self.recorder.hold(intent(1))
        self.recorder.close()
        self.recorder.hold(intent(2))
        self.assertEqual(self.users(), ["user-1", "user-2"])

    def test_of_what_breaks_the_rest_is_not_lost(self) -> None:
        self.journal.user = "user-1"
        for number in (1, 2):
            self.recorder.hold(intent(number))
        self.assertRaises(ValueError, self.recorder.flush)
        self.recorder.flush()
        self.assertEqual(self.users(), ["user-2"])

    def test_while_the_journal_fails_it_waits_like_everything_else(self) -> None:
        self.recorder.hold(intent(1))
        self.journal.broken = "disk full"
        self.recorder.flush()
        self.assertEqual((self.recorder.failing, self.recorder.waiting), ("disk full", 1))
        self.journal.broken, self.seconds = "", RETRY
        self.recorder.retry()
        self.assertEqual(self.users(), ["user-1"])


class FillTests(SynchronousTestCase):
    """A fill of a quote in a pool whose plan keeps nothing."""

    def setUp(self) -> None:
        unmoved = evolve(PARAMETERS, min_gain=D(10**9))
        self.world = KeptWorld(config=settings(parameters=unmoved)).trading()
        self.addCleanup(self.world.end)
        self.world.advance(1.0)
        self.written_with_the_hedge: list[int] = []
        sent = self.world.trader.gate.sent

        def placed(request: OrderRequest) -> None:
            if request.purpose is Purpose.HEDGE:
                self.written_with_the_hedge.append(len(self.world.journal.of(FillEntry)))
            sent(request)

        self.world.trader.gate.sent = placed

    def test_its_entry_is_made_once_the_hedge_was_handed_over(self) -> None:
        self.world.take(Side.SELL)
        self.world.advance(0.5)
        self.assertEqual(self.written_with_the_hedge, [0])
        self.assertEqual(len(self.world.journal.of(FillEntry)), 2)

    def test_in_the_journal_it_comes_before_the_hedge_all_the_same(self) -> None:
        self.world.take(Side.SELL)
        self.world.advance(0.5)
        found = [entry for entry in self.world.journal.written if isinstance(entry, FillEntry | OrderEntry)]
        fill = next(place for place, entry in enumerate(found) if isinstance(entry, FillEntry))
        hedge = next(place for place, entry in enumerate(found) if entry.purpose is Purpose.HEDGE)
        self.assertLess(fill, hedge)

    def test_it_is_written_in_the_same_instant_where_nothing_can_be_hedged(self) -> None:
        self.world.trader.loop.hedger._hold_until = float("inf")
        self.world.take(Side.SELL)
        self.world.advance(0.02, step=0.001)
        self.assertEqual((self.written_with_the_hedge, len(self.world.journal.of(FillEntry))), ([], 1))

    def test_the_limits_of_the_day_know_of_it_at_once(self) -> None:
        trader, books = self.world.trader, self.world.books
        before, loss = len(self.world.journal.of(FillEntry)), trader.gate.loss
        with patch.object(type(trader), "_turn"):  # nothing comes in between
            trader.wake()
            self.world.take(Side.SELL)
            self.world.reactor.advance(0.02)
            self.assertEqual(len(self.world.journal.of(FillEntry)), before)
            loss()
            self.assertEqual(len(self.world.journal.of(FillEntry)), before + 1)
        self.assertEqual(books.books.fault(), "")

    def test_a_balance_that_a_venue_tells_is_compared_with_all_that_was_filled(self) -> None:
        trader = self.world.trader
        with patch.object(type(trader), "_turn"):
            trader.wake()
            self.world.take(Side.SELL)
            self.world.reactor.advance(0.02)
            expected = trader.market.plausible.expected("target", "BTC")
        assert expected is not None
        self.assertAlmostEqual(expected, trader.market.balances.balance("target", "BTC"), 6)


class BreakingTests(SynchronousTestCase):
    """A turn that ends in an error."""

    def setUp(self) -> None:
        self.world = World().trading()
        self.addCleanup(self.world.end)
        self.world.advance(1.0)

    def halted(self) -> None:
        self.assertEqual(self.world.trader.life.state, State.HALTED)
        self.assertGreater(len(self.flushLoggedErrors(ZeroDivisionError)), 0)

    def test_a_fill_is_written_although_every_turn_breaks(self) -> None:
        with patch.object(type(self.world.trader.loop), "turn", side_effect=ZeroDivisionError):
            self.world.take(Side.SELL)
            self.world.advance(0.5)
        self.assertIn(Purpose.QUOTE, [fill.purpose for fill in self.world.journal.of(FillEntry)])
        self.halted()

    def test_what_breaks_while_a_fill_is_entered_halts_the_pool(self) -> None:
        record = self.world.journal.record

        def breaking(*entries: Entry) -> Deferred[None]:
            if any(isinstance(entry, FillEntry) for entry in entries):
                raise ZeroDivisionError
            return record(*entries)

        with patch.object(self.world.journal, "record", breaking):
            self.world.take(Side.SELL)
            self.world.advance(0.5)
        self.halted()


class ShutdownTests(SynchronousTestCase):
    def test_a_fill_of_the_last_moment_is_written(self) -> None:
        world = World().trading()
        with patch.object(type(world.trader), "_turn"):
            world.trader.wake()
            world.take(Side.SELL)
            world.reactor.advance(0.02)
            world.trader._close()
        self.assertEqual(len(world.journal.of(FillEntry)), 1)
        self.assertNotEqual(world.journal.of(StateEntry), [])
        world.end()
