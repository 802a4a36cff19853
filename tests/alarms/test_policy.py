"""De-duplication and quiet hours."""

from __future__ import annotations

from datetime import time

from twisted.trial.unittest import SynchronousTestCase

from ilp.alarms.notices import Severity
from ilp.alarms.policy import Deduplicator, quiet_until
from tests.alarms.fakes import NOON, notice

NIGHT = (time(22), time(7))


class DeduplicationTests(SynchronousTestCase):
    """What is told again, and when."""

    def setUp(self) -> None:
        self.deduplicator = Deduplicator(60.0)

    def test_the_same_thing_is_told_once_in_a_while(self) -> None:
        told = [self.deduplicator.admits(notice(), seconds) for seconds in (0, 1, 59, 60, 61)]
        self.assertEqual(told, [True, False, False, True, False])

    def test_another_thing_is_told_at_once(self) -> None:
        self.assertTrue(self.deduplicator.admits(notice("halt"), 0))
        self.assertTrue(self.deduplicator.admits(notice("exposure"), 0))

    def test_what_has_become_worse_is_told_at_once(self) -> None:
        self.deduplicator.admits(notice(severity=Severity.WARNING), 0)
        self.assertTrue(self.deduplicator.admits(notice(severity=Severity.CRITICAL), 1))
        self.assertFalse(self.deduplicator.admits(notice(severity=Severity.WARNING), 2))

    def test_the_end_is_told_once_and_only_of_what_was_told(self) -> None:
        self.assertFalse(self.deduplicator.admits(notice(ended=True), 0))
        self.deduplicator.admits(notice(), 0)
        told = [self.deduplicator.admits(notice(ended=True), seconds) for seconds in (1, 2)]
        self.assertEqual(told, [True, False])

    def test_memory_does_not_grow_without_end(self) -> None:
        for n in range(5000):
            self.deduplicator.admits(notice(f"key {n}"), float(n))
        self.assertLess(len(self.deduplicator._told), 1100)


class QuietHoursTests(SynchronousTestCase):
    """When people sleep."""

    def until(self, hour: int, severity: Severity = Severity.WARNING) -> str:
        found = quiet_until(NOON.replace(hour=hour), NIGHT, severity)
        return "" if found is None else f"{found:%d %H}"

    def test_before_midnight_it_waits_until_the_next_morning(self) -> None:
        self.assertEqual(self.until(23), "03 07")

    def test_after_midnight_it_waits_until_the_morning(self) -> None:
        self.assertEqual(self.until(3), "02 07")

    def test_by_day_it_does_not_wait(self) -> None:
        self.assertEqual([self.until(hour) for hour in (7, 12, 21)], ["", "", ""])

    def test_what_is_critical_does_not_wait(self) -> None:
        self.assertEqual(self.until(3, Severity.CRITICAL), "")

    def test_without_quiet_hours_nothing_waits(self) -> None:
        self.assertIsNone(quiet_until(NOON, None, Severity.INFO))
