"""The rate budget: how many go, and who goes first."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clients.budget import Budget, Priority


class BudgetTests(SynchronousTestCase):
    """Two calls a second, three at once."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.budget = Budget(self.clock, rate=2.0, burst=3.0)
        self.order: list[str] = []

    def take(self, name: str, priority: Priority = Priority.READ) -> Deferred[None]:
        place = self.budget.take(priority)
        place.addCallbacks(lambda _: self.order.append(name), lambda _: None)
        return place

    def test_a_burst_goes_at_once_and_the_next_waits(self) -> None:
        for name in "abcd":
            self.take(name)
        self.assertEqual(self.order, ["a", "b", "c"])
        self.clock.advance(0.5)
        self.assertEqual(self.order, ["a", "b", "c", "d"])

    def test_cancels_go_before_hedges_before_reads_before_quotes_before_histories(self) -> None:
        for _ in range(3):
            self.take("first")
        for priority in reversed(Priority):
            self.take(priority.name, priority)
        self.clock.pump([0.5] * 5)
        self.assertEqual(self.order[3:], ["CANCEL", "HEDGE", "READ", "QUOTE", "BULK"])

    def test_within_a_priority_the_older_goes_first(self) -> None:
        for name in "abcdef":
            self.take(name, Priority.QUOTE)
        self.clock.pump([0.5] * 3)
        self.assertEqual(self.order, list("abcdef"))

    def test_a_cancelled_place_costs_nothing(self) -> None:
        for name in "abc":
            self.take(name)
        given_up = self.take("gone")
        self.take("next")
        given_up.cancel()
        self.clock.advance(0.5)
        self.assertEqual(self.order, ["a", "b", "c", "next"])

    def test_after_a_quiet_time_there_is_no_more_than_a_burst(self) -> None:
        self.clock.advance(1000)
        for name in "abcd":
            self.take(name)
        self.assertEqual(self.order, ["a", "b", "c"])

    def test_it_tells_how_long_a_call_would_wait(self) -> None:
        self.assertEqual(self.budget.wait(Priority.QUOTE), 0.0)
        for name in "abcd":
            self.take(name, Priority.QUOTE)
        self.assertEqual(self.budget.wait(Priority.QUOTE), 1.0)
        self.assertEqual(self.budget.wait(Priority.CANCEL), 0.5)

    def test_stopping_fails_who_waits_and_leaves_no_timer(self) -> None:
        places = [self.budget.take(Priority.READ) for _ in range(5)]
        self.budget.stop(ValueError("stopped"))
        for place in places[3:]:
            self.failureResultOf(place, ValueError)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_it_goes_on_after_a_stop(self) -> None:
        for _ in range(3):
            self.budget.take(Priority.READ)
        self.budget.stop(ValueError("stopped"))
        place = self.budget.take(Priority.READ)
        self.clock.advance(0.5)
        self.successResultOf(place)

    def test_a_rate_of_nothing_is_refused(self) -> None:
        self.assertRaises(ValueError, Budget, self.clock, 0.0, 1.0)
        self.assertRaises(ValueError, Budget, self.clock, 1.0, 0.5)

    @given(st.lists(st.tuples(st.sampled_from(Priority), st.floats(0, 0.4)), max_size=30))
    @settings(max_examples=40, deadline=None)
    def test_never_more_calls_than_burst_and_rate_allow(self, calls: list[tuple[Priority, float]]) -> None:
        clock = Clock()
        budget = Budget(clock, rate=2.0, burst=3.0)
        went: list[float] = []
        for priority, pause in calls:
            budget.take(priority).addCallback(lambda _: went.append(clock.seconds()))
            clock.advance(pause)
        clock.pump([0.5] * len(calls))
        self.assertEqual(len(went), len(calls))
        for i, start in enumerate(went):
            for j in range(i, len(went)):
                self.assertLessEqual(j - i + 1, 3 + 2 * (went[j] - start) + 1e-6)


class ReserveTests(SynchronousTestCase):
    """Two of three calls are kept for cancels and hedges."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.budget = Budget(self.clock, rate=1.0, burst=3.0, reserve=2.0)

    def test_quotes_leave_the_reserve_alone_and_cancels_take_it(self) -> None:
        self.assertTrue(self.budget.take(Priority.QUOTE).called)
        quote = self.budget.take(Priority.QUOTE)
        self.assertFalse(quote.called)
        self.assertTrue(self.budget.take(Priority.CANCEL).called)
        self.assertTrue(self.budget.take(Priority.HEDGE).called)
        self.clock.advance(2.5)
        self.assertFalse(quote.called)
        self.clock.advance(0.5)
        self.assertTrue(quote.called)

    def test_who_may_go_sooner_is_not_held_up_by_who_waits_for_more(self) -> None:
        self.budget.left(0)
        quote, cancel = self.budget.take(Priority.QUOTE), self.budget.take(Priority.CANCEL)
        self.clock.advance(1.0)
        self.assertEqual((quote.called, cancel.called), (False, True))
        self.clock.advance(3.0)
        self.assertTrue(quote.called)

    def test_what_the_venue_says_is_left_only_ever_lessens_it(self) -> None:
        self.budget.left(100)
        self.assertEqual(self.budget.wait(Priority.CANCEL), 0.0)
        self.budget.left(0)
        self.assertEqual((self.budget.wait(Priority.CANCEL), self.budget.wait(Priority.QUOTE)), (1.0, 3.0))

    def test_a_reserve_that_leaves_nothing_is_refused(self) -> None:
        self.assertRaises(ValueError, Budget, self.clock, 1.0, 3.0, 3.0)
        self.assertRaises(ValueError, Budget, self.clock, 1.0, 3.0, -1.0)
