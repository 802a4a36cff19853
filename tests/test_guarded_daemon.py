"""The guardian as a process of its own, beside a daemon that is killed, on a venue without a dead man's switch."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tests.tools.kill_stage import ROOT, Stage, staged, until

SILENCE = 2  # seconds; the shortest that may be configured


class GuardedTests(TestCase):
    """Sputnik has no switch: what a dead daemon leaves there rests until somebody cancels it."""

    timeout = 600

    def test_when_the_daemon_is_killed_the_guardian_cancels_what_it_left(self) -> Deferred[None]:
        return deferToThread(self.kill)

    def test_when_the_daemon_stops_in_order_the_guardian_does_nothing(self) -> Deferred[None]:
        return deferToThread(self.stop)

    def kill(self) -> None:
        with staged() as stage:
            log = self.guarded(stage)
            self.assertEqual(self.said(log, "cancelling everything"), 0, "it cancelled beside a living daemon")
            stage.signal(signal.SIGKILL)
            self.assertTrue(stage.resting(), "the daemon's orders outlive it")
            self.assertTrue(until(lambda: not stage.resting(), 60), log.read_text())
            self.assertTrue(
                until(lambda: self.said(log, "target confirms that nothing rests there"), 30), log.read_text()
            )
            self.assertEqual(self.said(log, "no heartbeat for"), 1)

            stage.start_daemon()
            stage.listening()
            self.assertTrue(until(lambda: stage.state() == "TRADING" and stage.resting(), 60), stage.log())
            self.assertTrue(until(lambda: self.said(log, "the daemon is back"), 30), log.read_text())
            self.assertTrue(stage.resting(), "the guardian lets a living daemon quote")

    def stop(self) -> None:
        with staged() as stage:
            log = self.guarded(stage)
            self.assertEqual(stage.signal(signal.SIGTERM), 0)
            heartbeat = stage.folder / "pool.heartbeat"
            self.assertFalse(heartbeat.exists())
            until(lambda: False, 2 * SILENCE)  # it has all the time that it would need to act
            self.assertEqual(self.guardian.poll(), None, log.read_text())
            self.assertEqual(self.said(log, "cancelling everything"), 0, log.read_text())

    def guarded(self, stage: Stage) -> Path:
        """A daemon that quotes, and a guardian beside it; where the guardian writes what it does."""
        config = stage.folder / "pool.ini"
        config.write_text(config.read_text() + f"\n[guardian]\nsilence = {SILENCE}\n")
        stage.start_daemon()
        stage.listening()
        self.assertTrue(until(lambda: stage.state() == "READY", 60), stage.log())
        stage.ask("start", {})
        self.assertTrue(until(stage.resting, 60), stage.log())
        log = stage.folder / "guardian.log"
        command = [sys.executable, "-u", str(ROOT / "ilp.py"), "guardian", "--config", "pool.ini"]
        with log.open("w") as to:
            self.guardian = subprocess.Popen(command, cwd=stage.folder, stdout=to, stderr=to)
        self.addCleanup(self.guardian.wait)
        self.addCleanup(self.guardian.kill)
        self.assertTrue(until(lambda: self.said(log, "Guarding source and target"), 60), log.read_text())
        return log

    @staticmethod
    def said(log: Path, what: str) -> int:
        """How often it said that."""
        return log.read_text().count(what)
