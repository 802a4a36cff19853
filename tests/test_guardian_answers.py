"""The guardian while a venue's answers are outstanding: it asks once at a time, and a daemon that is back is left alone."""

from __future__ import annotations

from collections.abc import Callable
from unittest.mock import patch

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import NotAuthorised
from ilp.guardian import Guardian


class Answering:
    """A venue whose answers come when the test gives them, in the order of the calls."""

    def __init__(self, at_once: bool = True) -> None:
        self.at_once = at_once
        self.resting = ["1", "2"]
        self.calls: list[str] = []
        self.waiting: list[tuple[Deferred[object], object]] = []
        self.logins = 0
        self.login: Callable[[], Deferred[None]] = lambda: succeed(None)

    def _answer(self, call: str, result: object) -> Deferred[object]:
        self.calls.append(call)
        deferred: Deferred[object] = Deferred()
        self.waiting.append((deferred, result))
        return deferred

    def go(self) -> None:
        """Give the oldest answer that is outstanding."""
        deferred, result = self.waiting.pop(0)
        deferred.callback(result)

    def connect(self) -> Deferred[None]:
        self.logins += 1
        return self.login()

    def cancelAllOrders(self) -> Deferred[object]:
        if not self.at_once:
            self.calls.append("cancel all")
            return fail(NotImplementedError("no such call here"))
        return self._answer("cancel all", None)

    def cancelOrder(self, id: str) -> Deferred[object]:
        self.resting.remove(id)
        return self._answer(f"cancel {id}", True)

    def getOpenOrders(self) -> Deferred[object]:
        return self._answer("look", dict.fromkeys(self.resting))


class AnswerTests(SynchronousTestCase):
    """What the guardian does while answers are outstanding."""

    def guard(self, at_once: bool = True) -> Answering:
        self.clock, self.beat, venue = Clock(), "1", Answering(at_once)
        self.guardian = Guardian({"target": venue}, lambda: self.beat, 10.0, self.clock)
        self.guardian.start()
        self.pass_(9.5)
        self.assertEqual(venue.calls, [])
        self.pass_(0.5)
        self.assertEqual(venue.calls, ["cancel all"] if at_once else ["cancel all", "look"])
        return venue

    def pass_(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.5)):
            self.clock.advance(0.5)

    def test_while_an_answer_is_outstanding_nothing_is_asked_again(self) -> None:
        venue = self.guard()
        self.pass_(20)
        self.assertEqual(venue.calls, ["cancel all"])

    def test_it_looks_after_it_cancelled_and_is_content_with_nothing_only(self) -> None:
        venue = self.guard()
        for resting, clear in ((["2"], set()), ([], {"target"})):
            venue.resting = resting
            venue.go()
            venue.go()
            self.assertEqual((venue.calls[-1], self.guardian.clear), ("look", clear))
            self.pass_(0.5)

    def test_orders_are_cancelled_one_by_one_where_the_venue_has_no_call_for_all(self) -> None:
        venue = self.guard(at_once=False)
        for _ in range(4):
            venue.go()
        self.assertEqual(venue.calls, ["cancel all", "look", "cancel 1", "cancel 2", "look"])
        self.assertEqual(self.guardian.clear, {"target"})

    def test_when_the_daemon_is_back_in_between_its_other_orders_are_left_alone(self) -> None:
        venue = self.guard(at_once=False)
        venue.go()
        self.beat = "2"
        self.pass_(0.5)
        venue.go()
        self.assertEqual((venue.calls[2:], venue.resting), (["cancel 1"], ["2"]))

    def test_a_venue_that_was_empty_when_the_daemon_came_back_does_not_count_as_clear(self) -> None:
        venue = self.guard()
        venue.resting = []
        venue.go()
        self.beat = "2"
        self.pass_(0.5)
        venue.go()
        self.assertEqual(self.guardian.clear, set())

    def test_told_to_end_it_lets_go_of_what_is_outstanding_and_leaves_no_timer(self) -> None:
        venue = self.guard()
        (answer, _), *_ = venue.waiting
        self.assertFalse(answer.called)
        self.guardian.stop()
        self.assertEqual((answer.called, self.clock.getDelayedCalls()), (True, []))

    def test_one_that_never_watched_ends_as_well(self) -> None:
        Guardian({}, lambda: "", 10.0, Clock()).stop()

    def test_a_clients_own_fault_does_not_end_the_watch(self) -> None:
        venue = self.guard()
        venue.waiting.pop(0)[0].errback(ZeroDivisionError("the client's own"))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.pass_(5.5)
        self.assertEqual(venue.calls, ["cancel all", "cancel all"])


class ConnectingTests(SynchronousTestCase):
    """How the guardian keeps its clients connected."""

    def setUp(self) -> None:
        self.clock, self.venue, self.other = Clock(), Answering(), Answering()
        self.alive = True
        self.guardian = Guardian({"source": self.other, "target": self.venue}, self.pulse, 10.0, self.clock)

    def pulse(self) -> str:
        return str(self.clock.seconds()) if self.alive else "dead"

    def start(self, seconds: float = 0) -> None:
        self.guardian.start()
        self.clock.pump([0.5] * round(seconds / 0.5))

    def test_while_it_waits_to_be_let_in_it_asks_no_second_time_and_the_others_do_not_wait(self) -> None:
        self.venue.login = Deferred
        self.start(29)
        self.assertEqual((self.venue.logins, self.other.logins), (1, 1))
        self.clock.pump([0.5] * 3)
        self.assertEqual((self.venue.logins, self.other.logins), (1, 2))

    def test_a_refusal_is_said_and_asked_about_again(self) -> None:
        self.venue.login = lambda: fail(NotAuthorised("target", "connecting", "no such user"))
        with patch.object(self.guardian, "_log") as log:
            self.start(31)
        self.assertEqual((self.venue.logins, log.error.call_count), (2, 2))
        self.assertIn("nobody guards it", log.error.call_args.args[0])

    def test_a_clients_own_fault_in_connecting_does_not_end_the_watch(self) -> None:
        self.venue.login = lambda: fail(ZeroDivisionError("the client's own"))
        self.alive = False
        self.start(10)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual((self.venue.calls, self.other.calls), (["cancel all"], ["cancel all"]))

    def test_told_to_end_it_connects_no_more(self) -> None:
        login: Deferred[None] = Deferred()
        self.venue.login = lambda: login
        self.start()
        self.guardian.stop()
        self.assertEqual((login.called, self.clock.getDelayedCalls()), (True, []))
        self.clock.pump([0.5] * 100)
        self.assertEqual(self.venue.logins, 1)
