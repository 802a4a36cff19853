"""In which order and in which thread the journal's work is done."""

from __future__ import annotations

from threading import current_thread

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from ilp.journal.runner import GATHER, OneThread


class LaterTests(TestCase):
    """`OneThread.run_later`"""

    def setUp(self) -> None:
        self.runner = OneThread(reactor)
        self.addCleanup(self.runner.stop)
        self.done: list[str] = []

    def test_it_is_done_by_itself_in_the_journals_thread(self) -> Deferred[None]:
        async def test() -> None:
            self.assertIn("journal", await self.runner.run_later(lambda: current_thread().name))

        return Deferred.fromCoroutine(test())

    def test_nothing_reaches_the_thread_before_the_reactor_has_come_round(self) -> Deferred[None]:
        async def test() -> None:
            waiting = self.runner.run_later(self.done.append, "write")
            await deferLater(reactor, 0)
            self.assertEqual(self.done, [])
            await waiting
            self.assertEqual(self.done, ["write"])

        return Deferred.fromCoroutine(test())

    def test_what_is_urgent_comes_after_everything_that_was_given_before(self) -> Deferred[None]:
        async def test() -> None:
            writes = [self.runner.run_later(self.done.append, str(n)) for n in range(5)]
            await self.runner.run(self.done.append, "read")
            await gatherResults(writes)
            self.assertEqual(self.done, ["0", "1", "2", "3", "4", "read"])

        return Deferred.fromCoroutine(test())

    def test_a_failure_reaches_who_asked(self) -> Deferred[None]:
        async def test() -> None:
            with self.assertRaises(ZeroDivisionError):
                await self.runner.run_later(lambda: 1 / 0)

        return Deferred.fromCoroutine(test())

    def test_it_waits_no_longer_than_an_order_takes_to_be_answered(self) -> None:
        self.assertLessEqual(GATHER, 0.02)
