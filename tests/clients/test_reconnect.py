"""The lifeline of a client: tries, waits, refusals, losses, stops; in virtual time."""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import NotAuthorised, Unreachable
from clients.reconnect import Backoff, Lifeline

DOWN = Unreachable("venue", "connecting", "nobody there")
REFUSED = NotAuthorised("venue", "logging in", "wrong password")


class LifelineTests(SynchronousTestCase):
    """Waits of 1, 2, 4, 8, 8 … s without jitter."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.tries: list[float] = []
        self.sessions: list[Deferred[Exception]] = []
        self.outcomes: list[Any] = []
        self.trouble: list[Exception] = []
        self.cleaned = 0
        backoff = Backoff(first=1.0, longest=8.0, jitter=0.0, steady=10.0)
        self.lifeline = Lifeline("venue", self.open, self.clock, Random(1), backoff, self.trouble.append)

    async def open(self) -> Deferred[Exception]:
        self.tries.append(self.clock.seconds())
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if isinstance(outcome, Exception):
            raise outcome
        if isinstance(outcome, Deferred):
            try:
                await outcome
            except CancelledError:
                self.cleaned += 1
                raise
        session: Deferred[Exception] = Deferred()
        self.sessions.append(session)
        return session

    def test_it_is_connected_when_the_session_is_ready(self) -> None:
        self.successResultOf(self.lifeline.start(30))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_waits_grow_and_stay_at_the_longest(self) -> None:
        self.outcomes = [DOWN] * 7
        connected = self.lifeline.start(1000)
        self.clock.pump([0.5] * 100)
        self.successResultOf(connected)
        self.assertEqual(self.tries, [0, 1, 3, 7, 15, 23, 31, 39])

    def test_every_failed_try_is_told(self) -> None:
        self.outcomes = [DOWN, DOWN]
        self.lifeline.start(1000)
        self.clock.pump([0.5] * 10)
        self.assertEqual(self.trouble, [DOWN, DOWN])

    def test_a_refusal_ends_it(self) -> None:
        self.outcomes = [DOWN, REFUSED]
        connected = self.lifeline.start(1000)
        self.clock.pump([0.5] * 100)
        self.assertIs(self.failureResultOf(connected).value, REFUSED)
        self.assertEqual(len(self.tries), 2)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_after_a_refusal_it_can_be_started_again(self) -> None:
        self.outcomes = [REFUSED]
        self.failureResultOf(self.lifeline.start(1000), NotAuthorised)
        self.successResultOf(self.lifeline.start(1000))

    def test_the_limit_fails_the_waiter_and_tries_go_on(self) -> None:
        self.outcomes = [DOWN] * 4
        connected = self.lifeline.start(5)
        self.clock.pump([0.5] * 10)
        error = self.failureResultOf(connected, Unreachable).value
        self.assertIn("nobody there", str(error))
        self.clock.pump([0.5] * 40)
        self.assertEqual(len(self.sessions), 1)

    def test_a_lost_session_is_followed_by_another(self) -> None:
        self.lifeline.start(30)
        self.clock.advance(60)
        self.sessions[0].callback(DOWN)
        self.clock.advance(1)
        self.assertEqual(len(self.sessions), 2)

    def test_a_session_that_breaks_at_once_counts_as_a_failure(self) -> None:
        self.lifeline.start(30)
        for _ in range(4):
            self.sessions[-1].callback(DOWN)
            self.clock.pump([0.5] * 30)
        gaps = [later - earlier for earlier, later in zip(self.tries, self.tries[1:], strict=False)]
        self.assertEqual(gaps[0], 1)

    def test_flapping_waits_longer_each_time(self) -> None:
        self.lifeline.start(30)
        waits = []
        for _ in range(4):
            lost_at, known = self.clock.seconds(), len(self.sessions)
            self.sessions[-1].callback(DOWN)
            while len(self.sessions) == known:
                self.clock.advance(0.5)
            waits.append(self.clock.seconds() - lost_at)
        self.assertEqual(waits, [1, 2, 4, 8])

    def test_stopping_while_it_waits_leaves_no_timer(self) -> None:
        self.outcomes = [DOWN]
        connected = self.lifeline.start(30)
        self.successResultOf(self.lifeline.stop())
        self.failureResultOf(connected, Unreachable)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stopping_during_a_try_waits_until_it_has_cleaned_up(self) -> None:
        self.outcomes = [Deferred()]
        connected = self.lifeline.start(30)
        self.successResultOf(self.lifeline.stop())
        self.failureResultOf(connected, Unreachable)
        self.assertEqual((self.cleaned, self.clock.getDelayedCalls()), (1, []))

    def test_stopping_while_a_session_lasts_leaves_no_timer_and_no_further_try(self) -> None:
        self.lifeline.start(30)
        self.successResultOf(self.lifeline.stop())
        self.clock.pump([1.0] * 30)
        self.assertEqual(len(self.tries), 1)

    def test_whoever_waits_for_it_may_stop_it(self) -> None:
        stopped: list[Any] = []
        connected = self.lifeline.start(30)
        self.successResultOf(self.lifeline.stop())
        connected = self.lifeline.start(30)  # fires inside the loop that is to be stopped
        connected.addCallback(lambda _: self.lifeline.stop().addCallback(stopped.append))
        self.assertEqual(stopped, [None])
        self.clock.pump([1.0] * 30)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_second_start_waits_for_the_same_session(self) -> None:
        pending: Deferred[None] = Deferred()
        self.outcomes = [pending]
        first, second = self.lifeline.start(30), self.lifeline.start(30)
        pending.callback(None)
        self.successResultOf(first)
        self.successResultOf(second)
        self.assertEqual(len(self.tries), 1)

    def test_a_fault_nobody_foresaw_is_logged_and_does_not_end_it(self) -> None:
        self.outcomes = [ZeroDivisionError("a bug")]
        connected = self.lifeline.start(30)
        self.clock.advance(1)
        self.successResultOf(connected)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class BackoffTests(SynchronousTestCase):
    """How long."""

    @given(st.integers(0, 5000), st.integers(0, 100))
    @settings(max_examples=50, deadline=None)
    def test_waits_stay_within_their_bounds(self, failures: int, seed: int) -> None:
        wait = Backoff(first=0.5, longest=30, jitter=0.3).wait(failures, Random(seed))
        self.assertGreaterEqual(wait, 0.35)
        self.assertLessEqual(wait, 39.0)

    def test_many_clients_do_not_come_back_at_once(self) -> None:
        backoff = Backoff()
        self.assertEqual(len({backoff.wait(3, Random(seed)) for seed in range(20)}), 20)
