"""The heartbeat where the disk or systemd does not behave, and where it never began."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from ilp.heartbeat import Heartbeat, notify


class DiskTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.path = Path(self.mktemp())
        self.heart = Heartbeat(self.path, self.clock, self.in_thread, lambda text: True)
        self.stuck: Deferred[None] | None = None
        self.begun = 0

    def in_thread(self, f: Callable[..., None], *args: object) -> Deferred[None]:
        self.begun += 1
        if self.stuck is not None:
            return self.stuck
        try:
            return succeed(f(*args))
        except OSError as error:
            return fail(error)

    def beats(self, seconds: int) -> None:
        for _ in range(seconds):
            self.heart.turned()
            self.clock.advance(1)

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
