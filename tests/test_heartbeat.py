"""The heartbeat: what guardian and systemd are told, also where disk or systemd do not behave, and where it never began."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from ilp.heartbeat import Heartbeat, notify, pulse


class HeartCase(SynchronousTestCase):
    """A heart whose disk may be stuck.

    :ivar told: what systemd was told; `begun`: how many writes were begun.
    """

    def setUp(self) -> None:
        self.clock, self.told, self.begun = Clock(), list[str](), 0
        self.path = Path(self.mktemp())
        self.heart = Heartbeat(self.path, self.clock, self.in_thread, self.tell)
        self.stuck: Deferred[None] | None = None

    def tell(self, text: str) -> bool:
        self.told.append(text)
        return True

    def in_thread(self, f: Callable[..., None], *args: object) -> Deferred[None]:
        self.begun += 1
        if self.stuck is not None:
            return self.stuck
        try:
            return succeed(f(*args))
        except OSError as error:
            return fail(error)

    def beats(self, seconds: int, turning: bool = True) -> set[str]:
        """What the file said, each second."""
        seen = set()
        for _ in range(seconds):
            if turning:
                self.heart.turned()
            self.clock.advance(1)
            seen.add(pulse(self.path))
        return seen


class HeartbeatTests(HeartCase):
    def test_it_changes_each_second_while_the_trader_turns(self) -> None:
        self.heart.start()
        self.assertEqual(len(self.beats(5)), 5)
        self.assertEqual(self.told[0], "READY=1")
        self.assertIn("WATCHDOG=1", self.told)

    def test_without_a_file_only_systemd_hears_of_it(self) -> None:
        self.heart.path = None
        self.heart.start()
        self.beats(3)
        self.heart.stop()
        self.assertEqual(self.told, ["READY=1", *4 * ["WATCHDOG=1"], "STOPPING=1"])
        self.assertEqual((self.begun, self.path.exists()), (0, False))

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


class DiskTests(HeartCase):
    def test_while_the_disk_is_stuck_no_second_write_waits_behind_the_first(self) -> None:
        self.heart.start()
        self.stuck = Deferred()
        self.beats(5)
        self.assertEqual(self.begun, 2)  # the one at the start, and the one that is stuck

    def test_an_orderly_stop_ends_the_timer(self) -> None:
        self.heart.start()
        self.heart.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_heart_that_never_beat_leaves_the_file_of_another_alone(self) -> None:
        self.path.write_text("1 1")
        self.heart.stop()
        self.heart.abandon()
        self.assertTrue(self.path.exists())

    def test_a_failing_disk_is_said_once_and_again_after_it_was_well(self) -> None:
        said: list[object] = []
        self.heart._log = Logger(observer=said.append)
        well, ill = self.heart.path, Path("no/such/folder/heart")
        self.heart.start()
        for self.heart.path, expected in ((ill, 1), (well, 1), (ill, 2)):
            self.beats(3)
            self.assertEqual(len(said), expected)


class SystemdTests(SynchronousTestCase):
    def test_systemd_may_listen_at_an_abstract_address(self) -> None:
        name = f"ilp-test-{id(self)}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
            listening.bind("\0" + name)
            self.assertTrue(notify("READY=1", {"NOTIFY_SOCKET": "@" + name}))
            self.assertEqual(listening.recv(100), b"READY=1")

    def test_a_listener_that_does_not_read_is_not_waited_for(self) -> None:
        name = f"ilp-test-full-{id(self)}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
            deaf.bind("\0" + name)
            heard = [notify("WATCHDOG=1", {"NOTIFY_SOCKET": "@" + name}) for _ in range(2000)]
        self.assertEqual((heard[0], heard[-1]), (True, False))
