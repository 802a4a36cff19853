"""A journal that remembers the newest entries: each once, in the order of the first time, and not more than it is to."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from ilp.journal.entries import FillEntry
from ilp.journal.interface import JournalError
from ilp.journal.recent import RecentJournal
from tests.journal import samples
from tests.trading.memory_journal import MemoryJournal


class RecentTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.memory = MemoryJournal()
        self.recent = RecentJournal(self.memory)

    def keys(self) -> list[str]:
        return [fill.key for fill in self.recent.fills_kept()]

    def test_what_is_handed_in_is_shown_at_once_and_passed_on(self) -> None:
        fill, hedge = samples.fill("f1"), samples.hedge()
        self.successResultOf(self.recent.record(fill, hedge))
        self.assertEqual((self.recent.fills_kept(), self.recent.hedges_kept()), ((fill,), (hedge,)))
        self.assertEqual(self.memory.of(FillEntry), [fill])

    def test_what_could_not_be_written_and_is_handed_in_again_is_shown_once_where_it_was(self) -> None:
        answers: list[Deferred[None]] = [fail(JournalError("the disk is full")), succeed(None), succeed(None)]
        self.patch(self.memory, "record", lambda *entries: answers.pop(0))
        first, second = samples.fill("f1"), samples.fill("f2")
        self.failureResultOf(self.recent.record(first), JournalError)
        self.successResultOf(self.recent.record(second))
        self.successResultOf(self.recent.record(first))
        self.assertEqual(self.keys(), ["f1", "f2"])

    def test_two_that_say_the_same_are_two(self) -> None:
        self.recent.record(samples.state("READY", "INITIALIZING"), samples.state("READY", "INITIALIZING"))
        self.assertEqual(len(self.recent.states_kept()), 2)

    def test_the_oldest_is_forgotten_where_there_are_too_many(self) -> None:
        fills: list[Any] = [samples.fill(f"f{number}") for number in range(502)]
        self.recent.record(*fills)
        self.assertEqual((len(self.keys()), self.keys()[0], self.keys()[-1]), (500, "f2", "f501"))

    def test_what_an_earlier_run_recorded_is_taken_up(self) -> None:
        self.memory.record(samples.fill("old", seconds=-10), samples.fill("f1"))
        self.successResultOf(self.recent.load(samples.at(1), timedelta(seconds=5)))
        self.assertEqual(self.keys(), ["f1"])
