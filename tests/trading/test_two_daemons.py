"""Two daemons on one account, with a journal each: the second one does not start, and the first one goes on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from ilp.alarms.conditions import conditions
from ilp.journal.entries import ActEntry, StateEntry
from ilp.simulation.inprocess import EVERYTHING, SPUTNIK
from ilp.simulation.records import Order
from ilp.snapshot import needs
from ilp.trading.machine import State
from ilp.trading.runs import REFUSED, Run, placed_until
from ilp.trading.trader import Refusal, Trader
from tests.trading.memory_journal import MemoryJournal
from tests.trading.test_trader import CALM
from tests.trading.world import World, settings

D = Decimal
NEVER = datetime.min.replace(tzinfo=UTC)
NOON = datetime(2024, 3, 4, 12, tzinfo=UTC)


class SecondTests(SynchronousTestCase):
    features = EVERYTHING - {"cancel_all_after"}  # what a daemon leaves stays there

    def setUp(self) -> None:
        self.world = World(self.features, config=settings(parameters=CALM))
        self.addCleanup(self.world.end)
        self.world.trading().advance(30)
        self.seconds: list[Trader] = []

    def second(self, journal: MemoryJournal | None = None) -> Trader:
        """A daemon with clients and a journal of its own, half a minute after its start."""
        source, target, rates = self.world.clients()
        kept = journal or MemoryJournal(self.world.reactor)
        venues = {"source": source, "target": target}
        trader = Trader(self.world.settings, venues, rates, kept, self.world.clock)
        self.addCleanup(self.ended, trader)
        trader.begin().addErrback(lambda failure: failure.raiseException())
        self.world.advance(10)
        return trader

    def ended(self, trader: Trader) -> None:
        if not trader._closed:
            trader.shutdown()
            self.world.advance(12)

    def quotes(self) -> list[tuple[int, Side]]:
        return [(order.id, order.side) for order in self.world.open_orders()]

    def refused(self, trader: Trader, orders: list[Order]) -> None:
        self.assertIsNot(trader.life.state, State.READY)
        with self.assertRaises(Refusal) as refusal:
            trader.start("operator")
        for order in orders:
            self.assertIn(
                f"account: target: order {order.id} (", str(refusal.exception).replace("; target", "; account: target")
            )
        self.assertIn("is of no run that this journal knows", str(refusal.exception))
        self.assertEqual((needs(trader)[0]["level"], needs(trader)[0]["tab"]), ("bad", "orders"))
        self.assertIn("foreign orders", [one.kind for one in conditions(trader, None, D(0))])

    def test_it_is_refused_with_the_orders_and_the_first_one_notices_nothing(self) -> None:
        before = self.quotes()
        second = self.second()
        self.refused(second, self.world.open_orders())
        self.assertEqual((self.quotes(), self.world.trader.life.state), (before, State.TRADING))
        self.world.take(Side.SELL, "0.04")
        self.world.advance(20)
        self.assertIs(self.world.trader.life.state, State.TRADING)
        self.assertEqual(len(self.world.open_orders()), 2)
        self.assertEqual(self.world.most_resting, D("0.1"))

    def test_it_says_so_once_however_often_the_first_one_quotes_anew(self) -> None:
        journal = MemoryJournal(self.world.reactor)
        self.second(journal)
        for step in range(4):
            self.world.show_source(D(250) + 3 * step, D("250.2") + 3 * step)
            self.world.advance(1.2)
        (act,) = journal.of(ActEntry)
        self.assertEqual((act.what, act.by), (REFUSED, "machine"))
        self.assertIn("is of no run that this journal knows", act.note)

    def test_a_shutdown_of_the_second_leaves_the_orders_of_the_first(self) -> None:
        before = self.quotes()
        second = self.second()
        second.shutdown()
        self.world.advance(12)
        self.assertEqual(self.quotes(), before)

    def test_started_again_it_is_refused_again(self) -> None:
        before, journal = self.quotes(), MemoryJournal(self.world.reactor)
        for _ in range(3):
            self.ended(self.second(journal))
            self.world.advance(90)
        second = self.second(journal)
        self.refused(second, self.world.open_orders())
        self.assertEqual(self.quotes(), before)

    def test_it_gets_ready_by_itself_when_the_first_one_has_gone(self) -> None:
        second = self.second()
        self.world.end()
        self.assertTrue(self.world.until(lambda: second.life.state is State.READY, 10))

    def test_an_operator_may_take_the_orders_off(self) -> None:
        """When nobody minds them: the first daemon is dead and its journal is lost."""
        self.kill()
        second = self.second()
        (one, other) = self.world.open_orders()
        self.assertEqual(second.cancel("target", "operator", str(one.id)), 1)
        self.world.advance(3)
        self.assertEqual([order.id for order in self.world.open_orders()], [other.id])
        self.assertEqual(second.cancel("target", "operator"), 1)
        self.assertTrue(self.world.until(lambda: second.life.state is State.READY, 10))
        self.assertEqual(self.world.open_orders(), [])

    def kill(self) -> None:
        self.world.journal.kill()
        self.world.trader._close()
        self.world.trader.links.close(self.world.reactor)
        self.world.advance(1)

    def test_what_the_same_journal_left_goes_off_at_once_however_long_ago(self) -> None:
        self.world.advance(3600, 1)
        self.kill()
        self.world.advance(7200, 10)
        again = self.second(self.world.journal)
        self.assertIs(again.life.state, State.READY)
        self.assertEqual(self.world.open_orders(), [])

    def test_of_mixed_orders_only_our_own_go_off(self) -> None:
        """The journal ends before the other daemon began: what it left is ours, what came long after it is not."""
        self.kill()
        self.world.advance(600, 1)
        (left, _) = self.world.open_orders()
        theirs = self.world.target_core.place("pool", "BTC/HUF", Side.BUY, 5_000_000, 1_000_000, client_id="ilp-77-1")
        again = self.second(self.world.journal)
        self.assertEqual([order.id for order in self.world.open_orders()], [theirs.id])
        self.refused(again, [theirs])
        self.assertNotEqual(left.id, theirs.id)

    def test_a_second_one_that_was_ready_first_does_not_start_beside_it(self) -> None:
        """It came while the first one quoted nothing; then that one begins."""
        self.world.trader.stop("operator")
        self.world.until(lambda: self.world.trader.life.state is State.READY)
        second = self.second()
        self.assertIs(second.life.state, State.READY)
        self.world.trader.start("operator")
        self.world.advance(2)
        with self.assertRaises(Refusal):
            second.start("operator")
        self.assertEqual(len(self.world.open_orders()), 2)


class PlainSecondTests(SecondTests):
    """The same where orders have no names."""

    features = SPUTNIK


class HandTests(SynchronousTestCase):
    def test_an_operator_cancels_an_order_that_was_placed_by_hand_and_nobody_else_does(self) -> None:
        world = World(config=settings(parameters=CALM))
        self.addCleanup(world.end)
        world.trading()
        by_hand = world.target_core.place("pool", "BTC/HUF", Side.BUY, 5_000_000, 1_000_000)
        world.advance(70)
        self.assertEqual(world.trader.cancel("target", "operator"), 2)
        world.advance(2)
        self.assertFalse(world.target_core.order(by_hand.id).is_cancelled)
        self.assertEqual(world.trader.cancel("target", "operator", str(by_hand.id)), 1)
        world.advance(2)
        self.assertTrue(world.target_core.order(by_hand.id).is_cancelled)
        with self.assertRaises(Refusal):
            world.trader.cancel("target", "operator", str(by_hand.id))


class PlacedUntilTests(SynchronousTestCase):
    def until(self, text: str, *refusals: int, seen: int = 100) -> int | None:
        """Minutes of the last moment, from changes of state a minute apart; a bar is where the process ended."""
        states, before = [], "DISCONNECTED"
        for minute, state in enumerate(text.split()):
            if state == "|":
                before = "DISCONNECTED"
                continue
            states.append(StateEntry(state, before, "", "", NOON + timedelta(minutes=minute)))
            before = state
        acts = [ActEntry(REFUSED, "", "", "", "", "machine", NOON + timedelta(minutes=at)) for at in refusals]
        found = placed_until(states, acts, NOON + timedelta(minutes=seen))
        return None if found == NEVER else round((found - NOON).total_seconds() / 60)

    def test_nobody_places_before_he_was_there(self) -> None:
        self.assertIsNone(self.until(""))
        self.assertIsNone(self.until("DISCONNECTED SHUTDOWN HALTED"))

    def test_a_run_that_ended_in_order_places_nothing_afterwards(self) -> None:
        self.assertEqual(self.until("INITIALIZING READY TRADING STOPPING READY SHUTDOWN"), 4)
        self.assertEqual(self.until("INITIALIZING READY TRADING DISCONNECTED SHUTDOWN"), 4)
        self.assertEqual(self.until("INITIALIZING READY TRADING HALTED"), 3)
        self.assertEqual(self.until("INITIALIZING READY TRADING HALTED | HALTED SHUTDOWN | HALTED"), 3)

    def test_a_run_that_never_traded_and_ended_in_order_placed_nothing(self) -> None:
        self.assertIsNone(self.until("INITIALIZING READY SHUTDOWN"))
        self.assertIsNone(
            self.until("INITIALIZING READY DISCONNECTED INITIALIZING READY SHUTDOWN | INITIALIZING SHUTDOWN")
        )

    def test_a_run_that_crashed_has_ended_when_the_next_one_began(self) -> None:
        self.assertEqual(self.until("INITIALIZING READY | INITIALIZING READY SHUTDOWN"), 3)
        self.assertEqual(self.until("INITIALIZING READY TRADING | INITIALIZING SHUTDOWN"), 4)

    def test_a_run_that_crashed_may_have_gone_on(self) -> None:
        for text in (
            "INITIALIZING READY TRADING",
            "INITIALIZING READY",
            "INITIALIZING",
            "INITIALIZING READY DISCONNECTED",
        ):
            self.assertEqual(self.until(text), 100, text)

    def test_a_run_that_was_refused_placed_nothing(self) -> None:
        self.assertIsNone(self.until("INITIALIZING", 1))
        self.assertIsNone(self.until("INITIALIZING DISCONNECTED INITIALIZING", 1, 3))
        self.assertEqual(self.until("INITIALIZING READY TRADING HALTED DISCONNECTED INITIALIZING", 6), 3)
        self.assertEqual(self.until("INITIALIZING READY TRADING STOPPING READY SHUTDOWN | INITIALIZING", 8), 4)

    def test_a_run_that_was_refused_at_first_may_have_begun_later(self) -> None:
        self.assertEqual(self.until("INITIALIZING X X READY", 1), 100)


class NameTests(SynchronousTestCase):
    def test_a_name_of_a_run_that_the_journal_knows_is_ours_whenever_it_was_placed(self) -> None:
        run = Run(NOON, timedelta(seconds=20))
        run.follows(["ilp-aa-1", "ilp-aa-7"], NEVER)
        told = {name: run.is_foreign({"client_id": name, "timestamp": NOON}) for name in ("ilp-aa-9", "ilp-bb-1", None)}
        self.assertEqual(told, {"ilp-aa-9": False, "ilp-bb-1": True, None: True})

    def test_once_it_has_started_only_a_later_name_of_another_run_is_foreign(self) -> None:
        run = Run(NOON, timedelta(seconds=20), starting=False)
        run.follows([], NEVER)
        later = NOON + timedelta(seconds=21)
        for name, at, foreign in (
            ("ilp-bb-1", later, True),
            ("ilp-bb-1", NOON, False),  # an earlier run may have asked for it
            (run.next_name(), later, False),
            (None, later, False),
        ):
            self.assertEqual(run.is_foreign({"client_id": name, "timestamp": at}), foreign, (name, at))
