"""Coroutines handed out as Deferreds, and deadlines that end the waiting and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clients.calls import PART, bounded, deferring, in_parts, reported, together


class Late(Exception):
    """The deadline's own error."""


class DeferringTests(SynchronousTestCase):
    """`deferring`."""

    def test_the_result_comes_through_a_deferred(self) -> None:
        @deferring
        async def double(number: int, *, more: int = 0) -> int:
            """Twice."""
            return 2 * number + more

        self.assertEqual(self.successResultOf(double(4, more=1)), 9)
        self.assertEqual((double.__name__, double.__doc__), ("double", "Twice."))

    def test_an_exception_comes_through_the_deferred(self) -> None:
        @deferring
        async def broken() -> None:
            raise Late

        self.failureResultOf(broken(), Late)

    def test_cancelling_cancels_what_is_awaited(self) -> None:
        inner: Deferred[None] = Deferred()

        @deferring
        async def waits() -> None:
            await inner

        outer = waits()
        outer.cancel()
        self.failureResultOf(outer, CancelledError)
        self.assertTrue(inner.called)


class BoundedTests(SynchronousTestCase):
    """`bounded`."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.original: Deferred[Any] = Deferred()
        self.waiter = bounded(self.original, 5.0, self.clock, Late)

    def test_a_result_in_time_comes_and_leaves_no_timer(self) -> None:
        self.original.callback(7)
        self.assertEqual(self.successResultOf(self.waiter), 7)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_failure_in_time_comes_and_leaves_no_timer(self) -> None:
        self.original.errback(ValueError("x"))
        self.failureResultOf(self.waiter, ValueError)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_the_deadline_brings_its_own_error_and_does_not_cancel(self) -> None:
        self.clock.advance(4.9)
        self.assertNoResult(self.waiter)
        self.clock.advance(0.1)
        self.failureResultOf(self.waiter, Late)
        self.assertFalse(self.original.called)

    def test_a_late_result_is_dropped(self) -> None:
        self.clock.advance(5)
        self.failureResultOf(self.waiter, Late)
        self.original.callback(7)

    def test_a_late_failure_is_dropped_and_not_unhandled(self) -> None:
        self.clock.advance(5)
        self.failureResultOf(self.waiter, Late)
        self.original.errback(ValueError("x"))
        del self.original  # trial would complain of an unhandled error now

    def test_cancelling_the_waiter_leaves_the_original_alone(self) -> None:
        self.waiter.cancel()
        self.failureResultOf(self.waiter, CancelledError)
        self.assertFalse(self.original.called)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.original.callback(7)

    def test_what_is_there_already_comes_at_once(self) -> None:
        self.assertEqual(self.successResultOf(bounded(succeed(1), 5.0, self.clock, Late)), 1)

    def test_no_time_left_is_late_at_once(self) -> None:
        waiter = bounded(Deferred(), -1.0, self.clock, Late)
        self.clock.advance(0)
        self.failureResultOf(waiter, Late)


class TogetherTests(SynchronousTestCase):
    """`together`."""

    def test_results_come_in_the_order_of_the_calls(self) -> None:
        first: Deferred[int] = Deferred()
        both = Deferred.fromCoroutine(together(first, succeed(2)))
        first.callback(1)
        self.assertEqual(self.successResultOf(both), [1, 2])

    def test_the_first_failure_is_raised_as_it_is_and_cancels_the_rest(self) -> None:
        rest: Deferred[int] = Deferred()
        both = Deferred.fromCoroutine(together(rest, fail(ValueError("x"))))
        self.failureResultOf(both, ValueError)
        self.assertTrue(rest.called)

    def test_nothing_gives_nothing(self) -> None:
        self.assertEqual(self.successResultOf(Deferred.fromCoroutine(together())), [])


class InPartsTests(SynchronousTestCase):
    """`in_parts`"""

    def setUp(self) -> None:
        self.clock, self.made = Clock(), list[int]()

    def make(self, count: int) -> Iterator[int]:
        for number in range(count):
            self.made.append(number)
            yield number

    def test_a_few_are_made_at_once(self) -> None:
        making = Deferred.fromCoroutine(in_parts(self.make(PART - 1), self.clock))
        self.assertEqual(self.successResultOf(making), list(range(PART - 1)))

    def test_after_each_part_whatever_else_is_due_has_its_turn(self) -> None:
        seen: list[int] = []
        making = Deferred.fromCoroutine(in_parts(self.make(2 * PART + 1), self.clock))
        seen.append(len(self.made))
        self.clock.callLater(0, lambda: seen.append(len(self.made)))
        self.clock.advance(0)
        self.assertEqual(seen, [PART, 2 * PART])
        self.assertEqual(self.successResultOf(making), list(range(2 * PART + 1)))

    def test_given_up_it_makes_no_more_and_leaves_no_timer(self) -> None:
        making = Deferred.fromCoroutine(in_parts(self.make(2 * PART), self.clock))
        making.cancel()
        self.failureResultOf(making, CancelledError)
        self.assertEqual((len(self.made), self.clock.getDelayedCalls()), (PART, []))


class ReportedTests(SynchronousTestCase):
    """`reported`."""

    def test_a_failure_is_reported(self) -> None:
        errors: list[Exception] = []
        reported(fail(ValueError("x")), errors.append)
        self.assertEqual([type(error) for error in errors], [ValueError])

    def test_a_cancellation_is_not(self) -> None:
        errors: list[Exception] = []
        work: Deferred[None] = Deferred()
        reported(work, errors.append)
        work.cancel()
        self.assertEqual(errors, [])
