"""The guardian and the heartbeat: quotes do not outlive the daemon, and an orderly stop is nobody's business."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side, Unreachable
from ilp.guardian import Guardian, needed
from ilp.heartbeat import Heartbeat, notify, pulse
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
        for venue in self.venues.values():
            venue.connect()
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
        self.world.trader.links.close()

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


class HeartbeatTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.told = Clock(), []
        self.path = Path(self.mktemp())
        self.heart = Heartbeat(self.path, self.clock, self.at_once, self.tell)
        self.stuck: Deferred[None] | None = None

    def tell(self, text: str) -> bool:
        self.told.append(text)
        return True

    def at_once(self, f, *args: object) -> Deferred[None]:  # type: ignore[no-untyped-def]
        if self.stuck is not None:
            return self.stuck
        try:
            return succeed(f(*args))
        except OSError as error:
            return fail(error)

    def beats(self, seconds: int, turning: bool = True) -> set[str]:
        seen = set()
        for _ in range(seconds):
            if turning:
                self.heart.turned()
            self.clock.advance(1)
            seen.add(pulse(self.path))
        return seen

    def test_it_changes_each_second_while_the_trader_turns(self) -> None:
        self.heart.start()
        self.assertEqual(len(self.beats(5)), 5)
        self.assertEqual(self.told[0], "READY=1")
        self.assertIn("WATCHDOG=1", self.told)

    def test_a_trader_that_hangs_does_not_beat(self) -> None:
        self.heart.start()
        self.beats(2)
        self.told.clear()
        self.assertEqual(len(self.beats(5, turning=False)), 1)
        self.assertEqual(self.told, [])

    def test_an_orderly_stop_leaves_no_file(self) -> None:
        self.heart.start()
        self.beats(2)
        self.heart.stop()
        self.heart.abandon()
        self.assertEqual((self.path.exists(), pulse(self.path), self.told[-1]), (False, "", "STOPPING=1"))

    def test_a_beat_that_is_being_written_does_not_outlive_an_orderly_stop(self) -> None:
        """Else the guardian would take a daemon that stopped in order for a dead one."""
        on_the_way: list[Callable[[], None]] = []

        def in_thread(f: Callable[..., None], *args: object) -> Deferred[None]:
            on_the_way.append(lambda: f(*args))
            return Deferred()

        self.heart.in_thread = in_thread
        self.heart.start()
        self.heart.stop()
        for write in on_the_way:
            write()
        self.assertEqual((len(on_the_way), pulse(self.path)), (1, ""))

    def test_a_stop_with_something_left_leaves_the_file_for_the_guardian(self) -> None:
        self.heart.start()
        self.beats(2)
        self.heart.abandon()
        self.assertNotEqual(pulse(self.path), "")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_stuck_disk_stops_the_heart_and_nothing_else(self) -> None:
        self.heart.start()
        self.beats(1)
        self.stuck = Deferred()
        self.assertEqual(len(self.beats(5)), 1)
        self.stuck.callback(None)
        self.stuck = None
        self.assertEqual(len(self.beats(3)), 3)

    def test_a_file_that_cannot_be_read_is_no_orderly_stop(self) -> None:
        self.assertEqual(pulse(self.path), "")
        self.path.mkdir()
        self.assertEqual((pulse(self.path) != "", pulse(self.path)), (True, pulse(self.path)))

    def test_a_file_that_cannot_be_written_is_said_once(self) -> None:
        self.heart.path = Path("no/such/folder/heart")
        self.heart.start()
        self.beats(3)
        self.assertTrue(self.heart._failed)

    def test_systemd_is_told_where_it_listens(self) -> None:
        address = f"/tmp/ilp-test-{id(self)}.sock"  # a socket's path must be short
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
            listening.bind(address)
            self.addCleanup(Path(address).unlink)
            self.assertTrue(notify("WATCHDOG=1", {"NOTIFY_SOCKET": address}))
            self.assertEqual(listening.recv(100), b"WATCHDOG=1")

    def test_without_systemd_nothing_is_told(self) -> None:
        self.assertFalse(notify("WATCHDOG=1", {}))
        self.assertFalse(notify("WATCHDOG=1", {"NOTIFY_SOCKET": "/nowhere/at/all"}))


class SettingsTests(SynchronousTestCase):
    def test_the_heartbeat_lies_beside_the_configuration(self) -> None:
        file = written(self.mktemp(), MINIMAL)
        rules = load(file).settings.guardian
        self.assertEqual((rules.heartbeat, rules.silence), (file.resolve().with_suffix(".heartbeat"), 10.0))

    def test_it_may_lie_elsewhere(self) -> None:
        file = written(self.mktemp(), MINIMAL + "\n[guardian]\nheartbeat = /run/ilp/heart\nsilence = 4\n")
        rules = load(file).settings.guardian
        self.assertEqual((rules.heartbeat, rules.silence), (Path("/run/ilp/heart"), 4.0))
