"""The guardian: quotes do not outlive the daemon, and an orderly stop is nobody's business."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side, Unreachable
from ilp.guardian import Guardian, needed
from ilp.settings_file import load
from ilp.simulation.faults import Fault
from ilp.simulation.inprocess import EVERYTHING, SPUTNIK
from tests.configurations import MINIMAL, written
from tests.trading.test_trader import CALM
from tests.trading.world import World, settings


class GuardianTests(SynchronousTestCase):
    """Beside a whole pool in virtual time, whose daemon dies."""

    def setUp(self) -> None:
        self.world = World(SPUTNIK, config=settings(parameters=CALM)).trading()
        self.beat = 0
        self.alive = True
        self.there = True
        source, target, _ = self.world.clients()
        self.venues = {"source": source, "target": target}
        self.guardian = Guardian(self.venues, self.pulse, 10.0, self.world.reactor)
        self.guardian.start()
        self.addCleanup(self.guardian.stop)
        self.pass_(3)

    def pulse(self) -> str:
        if not self.there:
            return ""
        self.beat = int(self.world.reactor.seconds()) if self.alive else self.beat
        return str(self.beat)

    def pass_(self, seconds: float) -> None:
        self.world.advance(seconds, 0.1)

    def die(self) -> None:
        """The daemon is gone: its orders are not."""
        self.alive = False
        self.world.journal.kill()
        self.world.trader._close()
        self.world.trader.links.close(self.world.reactor)

    def test_while_the_heart_beats_nothing_is_cancelled(self) -> None:
        self.pass_(30)
        self.assertEqual((len(self.world.open_orders()), self.guardian.guarding), (2, False))

    def test_when_it_stops_everything_is_cancelled_within_the_silence(self) -> None:
        self.die()
        self.pass_(9)
        self.assertEqual(len(self.world.open_orders()), 2)
        self.pass_(3)
        self.assertEqual(self.world.open_orders(), [])
        self.assertEqual(self.guardian.clear, {"source", "target"})
        self.assertEqual(len(self.flushLoggedErrors()), 0)

    def test_a_cancel_that_fails_is_tried_again(self) -> None:
        error = Unreachable("target", "cancel", "busy")
        self.venues["target"].faults.add(Fault.REFUSE, "cancelAllOrders", times=3, error=lambda: error)
        self.die()
        self.pass_(10.2)
        self.assertEqual(len(self.world.open_orders()), 2)
        self.pass_(3)
        self.assertEqual(self.world.open_orders(), [])

    def test_it_is_not_content_before_the_venue_reports_zero(self) -> None:
        self.venues["target"].faults.add(Fault.LOSE_REQUEST, "cancelAllOrders")
        self.die()
        self.pass_(10.5)
        self.assertNotIn("target", self.guardian.clear)
        self.pass_(15)
        self.assertEqual((self.world.open_orders(), "target" in self.guardian.clear), ([], True))

    def test_what_is_placed_after_it_was_clear_is_cancelled_as_well(self) -> None:
        """The disk of a living daemon was stuck: it quotes again after the guardian cancelled, and dies then."""
        self.die()
        self.pass_(12)
        self.assertEqual(self.guardian.clear, {"source", "target"})
        self.world.target_core.place("pool", "BTC/HUF", Side.BUY, 100, 10**7)
        self.pass_(6)
        self.assertEqual((self.world.open_orders(), self.guardian.clear), ([], {"source", "target"}))

    def test_a_refusal_at_the_start_does_not_leave_the_venue_alone_for_good(self) -> None:
        self.guardian.stop()
        source, target, _ = self.world.clients()
        target.refuses_login = True
        self.guardian = Guardian({"source": source, "target": target}, self.pulse, 10.0, self.world.reactor)
        self.guardian.start()
        self.addCleanup(self.guardian.stop)
        self.pass_(1)
        target.refuses_login = False
        self.die()
        self.pass_(16)
        self.assertEqual((self.world.open_orders(), target.connected), ([], True))

    def test_nor_does_a_refusal_when_the_line_was_lost(self) -> None:
        self.refused_anew()
        self.venues["target"].refuses_login = False
        self.pass_(31)
        self.assertTrue(self.venues["target"].connected)
        self.die()
        self.pass_(12)
        self.assertEqual(self.world.open_orders(), [])

    def test_a_venue_that_refuses_us_while_the_daemon_is_dead_is_asked_again_soon(self) -> None:
        self.refused_anew()
        self.die()
        self.pass_(40)
        self.assertEqual((len(self.world.open_orders()), self.guardian.clear), (2, {"source"}))
        self.venues["target"].refuses_login = False
        self.pass_(6)
        self.assertEqual(self.world.open_orders(), [])

    def refused_anew(self) -> None:
        """The line to the target breaks, and the venue does not let us in again."""
        target = self.venues["target"]
        target.refuses_login = True
        target.drop()
        self.pass_(5)
        self.assertFalse(target.connected)

    def test_a_daemon_that_stopped_in_order_is_left_alone(self) -> None:
        self.there = False
        self.pass_(30)
        self.assertEqual((len(self.world.open_orders()), self.guardian.guarding), (2, False))

    def test_when_the_daemon_is_back_it_is_left_alone_again(self) -> None:
        self.die()
        self.pass_(12)
        self.alive = True
        self.pass_(1)
        self.assertFalse(self.guardian.guarding)
        core = self.world.target_core
        core.place("pool", "BTC/HUF", Side.BUY, 100, 10**7)
        self.pass_(5)
        self.assertEqual(len(self.world.open_orders()), 1)

    def test_a_second_death_is_seen_as_well(self) -> None:
        self.test_when_the_daemon_is_back_it_is_left_alone_again()
        self.alive = False
        self.pass_(12)
        self.assertEqual(self.world.open_orders(), [])

    def test_a_venue_with_a_switch_of_its_own_needs_none(self) -> None:
        self.assertTrue(needed(self.venues["target"]))
        self.assertFalse(needed(World(EVERYTHING).target))


class SettingsTests(SynchronousTestCase):
    def test_the_heartbeat_lies_beside_the_configuration(self) -> None:
        file = written(self.mktemp(), MINIMAL)
        rules = load(file).settings.guardian
        self.assertEqual((rules.heartbeat, rules.silence), (file.resolve().with_suffix(".heartbeat"), 10.0))

    def test_it_may_lie_elsewhere(self) -> None:
        file = written(self.mktemp(), MINIMAL + "\n[guardian]\nheartbeat = /run/ilp/heart\nsilence = 4\n")
        rules = load(file).settings.guardian
        self.assertEqual((rules.heartbeat, rules.silence), (Path("/run/ilp/heart"), 4.0))
