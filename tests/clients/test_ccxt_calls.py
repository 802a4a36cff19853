"""Calls through ccxt that are under way when their client leaves, without ccxt."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clients.budget import Budget
from clients.ccxt_calls import Calls
from clients.ccxt_errors import About
from clients.ccxt_quirks import Quirk
from clients.exchange import OutcomeUnknown, Unreachable
from clients.redaction import Redactor


class Hanging:
    """Runs nothing to its end; tells what was given up."""

    def __init__(self) -> None:
        self.given_up = 0

    def call(self, work: Coroutine[Any, Any, Any]) -> Deferred[Any]:
        work.close()
        return Deferred(self._give_up)

    def _give_up(self, _: Deferred[Any]) -> None:
        self.given_up += 1


async def nothing() -> None:
    """What is asked."""


class StopTests(SynchronousTestCase):
    """Leaving"""

    def setUp(self) -> None:
        self.clock, self.runner = Clock(), Hanging()
        budget = Budget(self.clock, 100.0, 100.0)
        quirk = Quirk("calls go one at a time", serial=True)
        self.calls = Calls("there", self.runner, self.clock, budget, 10.0, Redactor(), quirk)

    def ask(self, about: About = About.READ, private: bool = False) -> Deferred[None]:
        return Deferred.fromCoroutine(self.calls.ask("asking", nothing, about=about, private=private))

    def test_what_is_under_way_is_given_up_and_no_timer_is_left(self) -> None:
        reading, placing = self.ask(), self.ask(About.PLACE)
        self.calls.stop()
        self.failureResultOf(reading, Unreachable)
        self.failureResultOf(placing, OutcomeUnknown)
        self.assertEqual((self.runner.given_up, self.clock.getDelayedCalls()), (2, []))

    def test_what_waits_for_its_turn_is_given_up_too(self) -> None:
        asked = [self.ask(private=True) for _ in range(3)]
        self.calls.stop()
        for one in asked:
            self.failureResultOf(one, Unreachable)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_who_gives_up_another_call_because_of_the_first_keeps_it_from_no_end(self) -> None:
        first, second = self.ask(), self.ask()
        first.addErrback(lambda _failure: second.cancel())
        self.calls.stop()
        self.failureResultOf(second, CancelledError)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_whoever_stops_waiting_is_not_told_of_a_disconnection(self) -> None:
        reading = self.ask()
        reading.cancel()
        self.failureResultOf(reading, CancelledError)
        self.calls.stop()
        self.assertEqual(self.runner.given_up, 0)
