"""The guardian while a venue's answers are outstanding: it asks once at a time, and a daemon that is back is left alone."""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ilp.guardian import Guardian


class Answering:
    """A venue whose answers come when the test gives them, in the order of the calls."""

    def __init__(self, at_once: bool = True) -> None:
        self.at_once = at_once
        self.resting = ["1", "2"]
        self.calls: list[str] = []
        self.waiting: list[tuple[Deferred[object], object]] = []

    def _answer(self, call: str, result: object) -> Deferred[object]:
        self.calls.append(call)
        deferred: Deferred[object] = Deferred()
        self.waiting.append((deferred, result))
        return deferred

    def go(self) -> None:
        """Give the oldest answer that is outstanding."""
        deferred, result = self.waiting.pop(0)
        deferred.callback(result)

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
