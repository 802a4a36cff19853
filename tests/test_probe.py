"""The probe of the reactor: what it measures, what it names, and that it leaves nothing behind."""

from __future__ import annotations

import gc
import threading
import time

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase

from ilp.metrics import Metrics
from ilp.probe import GARBAGE, INTERVAL, STALL, Probe, set_apart


class LagTests(SynchronousTestCase):
    """With clocks of the test's own: the reactor's, the wall's and the processor's."""

    def setUp(self) -> None:
        self.clock, self.metrics = Clock(), Metrics()
        self.wall = self.cpu = 0.0
        self.probe = Probe(self.clock, self.metrics, watch=False, wall=lambda: self.wall, cpu=lambda: self.cpu)
        self.probe.start()
        self.addCleanup(self.probe.stop)

    def beat(self, late: float, computing: float) -> None:
        self.wall += INTERVAL + late
        self.cpu += computing
        self.clock.advance(INTERVAL)

    def stalls(self) -> int:
        return self.metrics.counters["reactor_stalls_total"][1]

    def test_a_beat_in_time_has_no_lag(self) -> None:
        self.beat(0.0, 0.001)
        self.assertEqual((self.probe.lag.count, self.stalls(), self.probe.last), (1, 0, ""))
        self.assertAlmostEqual(self.probe.lag.worst, 0.0)

    def test_a_late_beat_is_measured_and_counted(self) -> None:
        self.beat(0.05, 0.05)
        self.assertAlmostEqual(self.probe.lag.worst, 0.05)
        self.assertEqual(self.stalls(), 1)
        self.assertIn("50 ms late, 50 ms of it computing", self.probe.last)

    def test_stalls_of_its_own_computing_are_counted_apart(self) -> None:
        for computing in (0.05, 0.002, 0.03):
            self.beat(0.05, computing)
        self.assertEqual((self.stalls(), self.metrics.counters["reactor_stalls_computing_total"][1]), (3, 2))

    def test_a_little_late_is_no_stall(self) -> None:
        self.beat(STALL * 0.9, STALL)
        self.assertEqual(self.stalls(), 0)

    def test_a_thread_that_was_not_let_run_is_told_from_one_that_computed(self) -> None:
        self.beat(0.05, 0.002)
        self.assertIn("not computing: the machine was busy, or it waited", self.probe.last)

    def told(self) -> list[str]:
        """From now on: the levels of what the log was told."""
        told: list[str] = []
        self.patch(self.probe.log, "emit", lambda level, text, stall: told.append(level.name))
        return told

    def test_every_stall_is_counted_but_the_log_is_not_flooded(self) -> None:
        told = self.told()
        for _ in range(5):
            self.beat(0.05, 0.05)
        self.assertEqual((self.stalls(), told), (5, ["info"]))

    def test_what_blocked_is_named_to_everybody_and_what_did_not_compute_to_who_looks_for_it(self) -> None:
        told = self.told()
        for computing in (0.0, STALL, 0.3):
            self.beat(0.3, computing)
        self.assertEqual(told, ["debug", "info", "warn"])

    def test_a_long_stall_is_named_again_sooner_than_a_short_one(self) -> None:
        for stall, named in ((0.05, 1), (0.15, 3)):
            told = self.told()
            for _ in range(3):
                self.beat(stall, stall)
                for _ in range(1001):  # somewhat more than ten seconds
                    self.beat(0.0, 0.0)
            self.assertEqual(told, ["info"] * named)
            for _ in range(6001):
                self.beat(0.0, 0.0)

    def test_the_worst_is_exported(self) -> None:
        self.beat(0.03, 0.03)
        self.assertIn("reactor_lag_worst_seconds 0.03", self.metrics.text())

    def test_stopped_it_leaves_no_timer_and_no_hook(self) -> None:
        hooks = len(gc.callbacks)
        self.probe.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(len(gc.callbacks), hooks - 1)

    def test_a_garbage_collection_is_timed(self) -> None:
        gc.collect()
        self.assertGreaterEqual(self.metrics.histograms[GARBAGE].count, 1)


def _block(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


class RealReactorTests(TestCase):
    def test_what_blocks_is_named(self) -> Deferred[None]:
        probe = Probe(reactor, Metrics())
        told: list[str] = []
        self.patch(probe.log, "emit", lambda level, text, stall: told.append(f"{level.name}: {stall}"))

        async def test() -> None:
            probe.start()
            try:
                await deferLater(reactor, 0.05)
                _block(0.25)
                await deferLater(reactor, 0.05)
            finally:
                probe.stop()
            self.assertGreater(probe.lag.worst, 0.2)
            named = [line for line in told if "_block (tests/test_probe.py:" in line]
            self.assertTrue(named and not named[0].startswith("debug"), told)

        return Deferred.fromCoroutine(test())

    def test_what_is_set_apart_is_not_gone_through_again(self) -> None:
        self.addCleanup(gc.unfreeze)
        many = [[number] for number in range(1000)]
        before = gc.get_freeze_count()
        set_apart()
        self.assertGreater(gc.get_freeze_count(), before + len(many))
        self.assertFalse(any(found is many for found in gc.get_objects()))

    def test_its_thread_ends_with_it(self) -> None:
        probe = Probe(reactor, Metrics())
        probe.start()
        probe.stop()
        self.assertNotIn("ilp-probe", [thread.name for thread in threading.enumerate()])
