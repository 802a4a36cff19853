"""The parts of an in-process connection by themselves: the line, the plan of faults, the shape of records."""

from __future__ import annotations

from decimal import Decimal
from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clients import exchange as uniform_interface
from clients.exchange import Side
from ilp.simulation import rejections, uniform
from ilp.simulation.faults import Fault, FaultPlan
from ilp.simulation.line import Line
from ilp.simulation.rules import FeeFactors
from tests.simulation.world import START, venue

D = Decimal


class LineTests(SynchronousTestCase):
    """Later, in order, never at once."""

    def setUp(self) -> None:
        self.reactor = Clock()
        self.arrived: list[object] = []

    def line(self, latency: float) -> Line:
        return Line(self.reactor, lambda: latency)

    def test_nothing_arrives_in_the_turn_in_which_it_was_sent(self) -> None:
        line = self.line(0)
        line.send(lambda: self.arrived.append(1))
        self.assertEqual(self.arrived, [])
        self.reactor.advance(0)
        self.assertEqual(self.arrived, [1])

    def test_what_is_sent_by_what_arrives_waits_for_another_turn(self) -> None:
        line = self.line(0)
        order: list[str] = []

        def first() -> None:
            order.append("first")
            line.send(lambda: order.append("third"))

        line.send(first)
        line.send(lambda: order.append("second"))
        self.reactor.advance(0)
        self.assertEqual(order, ["first", "second", "third"])

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.floats(0, 5), min_size=1, max_size=20))
    def test_whatever_the_latencies_messages_arrive_in_the_order_in_which_they_were_sent(
        self, each: list[float]
    ) -> None:
        reactor, arrived = Clock(), list[int]()
        latencies = iter(each)
        line = Line(reactor, lambda: next(latencies))
        for number in range(len(each)):
            line.send(partial(arrived.append, number))
        reactor.pump([0.5] * 12)
        self.assertEqual(arrived, list(range(len(each))))

    def test_a_message_that_fails_does_not_take_the_others_with_it(self) -> None:
        line = self.line(0)

        def fail() -> None:
            raise RuntimeError("as planned")

        line.send(fail)
        line.send(lambda: self.arrived.append(2))
        self.assertRaises(RuntimeError, self.reactor.advance, 0)
        self.reactor.advance(0)
        self.assertEqual(self.arrived, [2])

    def test_what_is_on_its_way_is_lost_with_the_line(self) -> None:
        line = self.line(1)
        line.send(lambda: self.arrived.append(1))
        line.cut()
        self.reactor.advance(2)
        self.assertEqual((self.arrived, self.reactor.getDelayedCalls()), ([], []))


class FaultPlanTests(SynchronousTestCase):
    """Which fault strikes when."""

    def setUp(self) -> None:
        self.plan = FaultPlan()

    def kinds(self, what: str, count: int) -> list[Fault | None]:
        return [found.fault if (found := self.plan.take(what)) else None for _ in range(count)]

    def test_a_fault_strikes_once_unless_told_otherwise(self) -> None:
        self.plan.add(Fault.LOSE_ANSWER, "placeOrder")
        self.assertEqual(self.kinds("placeOrder", 2), [Fault.LOSE_ANSWER, None])

    def test_zero_times_means_always(self) -> None:
        self.plan.add(Fault.DELAY, "placeOrder", times=0, seconds=1)
        self.assertEqual(self.kinds("placeOrder", 5), [Fault.DELAY] * 5)

    def test_faults_strike_in_the_order_in_which_they_were_planned(self) -> None:
        self.plan.add(Fault.DELAY, "placeOrder", seconds=1)
        self.plan.add(Fault.LOSE_ANSWER, "placeOrder")
        self.assertEqual(self.kinds("placeOrder", 3), [Fault.DELAY, Fault.LOSE_ANSWER, None])

    def test_other_things_are_left_alone(self) -> None:
        self.plan.add(Fault.DELAY, "placeOrder", seconds=1)
        self.assertEqual(self.kinds("cancelOrder", 1), [None])

    def test_a_star_means_every_method_and_no_event(self) -> None:
        self.plan.add(Fault.DELAY, "*", times=0, seconds=1)
        self.assertEqual(self.kinds("event:book", 1) + self.kinds("getOrder", 1), [None, Fault.DELAY])

    def test_occasions_can_be_let_pass_first(self) -> None:
        self.plan.add(Fault.DELAY, "placeOrder", skip=2, seconds=1)
        self.assertEqual(self.kinds("placeOrder", 4), [None, None, Fault.DELAY, None])

    def test_a_cleared_plan_strikes_nothing(self) -> None:
        self.plan.add(Fault.DELAY, "*", times=0, seconds=1)
        self.plan.clear()
        self.assertEqual(self.kinds("placeOrder", 1), [None])

    def test_a_refusal_without_an_error_is_refused_itself(self) -> None:
        self.assertRaisesRegex(ValueError, "placeOrder", self.plan.add, Fault.REFUSE, "placeOrder")


class UniformTests(SynchronousTestCase):
    """What the core says, in the words of the interface."""

    def test_every_rejection_becomes_the_error_that_tells_what_to_do(self) -> None:
        for rejection, error in (
            (rejections.InsufficientFunds, uniform_interface.InsufficientFunds),
            (rejections.UnknownOrder, uniform_interface.UnknownOrder),
            (rejections.NotYourOrder, uniform_interface.UnknownOrder),
            (rejections.OrderCancelled, uniform_interface.UnknownOrder),
            (rejections.NotPermitted, uniform_interface.NotAuthorised),
            (rejections.WouldCross, uniform_interface.OrderRejected),
            (rejections.BelowMinimum, uniform_interface.OrderRejected),
            (rejections.DuplicateClientId, uniform_interface.OrderRejected),
            (rejections.UnknownContract, uniform_interface.OrderRejected),
            (rejections.AccountDisabled, uniform_interface.Unreachable),
            (rejections.OffStep, uniform_interface.Refused),
            (rejections.UnknownAccount, uniform_interface.Refused),
        ):
            made = uniform.refusal("target", "sell", rejection("because"))
            self.assertIs(type(made), error)
            self.assertEqual(
                (made.venue, made.doing, made.why, made.code), ("target", "sell", "because", rejection.__name__)
            )

    def test_transfers_are_pending_done_or_failed(self) -> None:
        core = venue()
        for _ in range(3):
            core.withdraw("alice", "HUF", 1_000, "bank")
        core.complete_withdrawal(2, "tx")
        core.cancel_withdrawal(3)
        shown = [uniform.withdrawal(core.currency("HUF"), w, reference=True) for w in core.withdrawals()]
        self.assertEqual([t["status"] for t in shown], ["pending", "done", "failed"])
        self.assertEqual([t["reference"] for t in shown], [None, "tx", None])
        self.assertEqual(shown[0]["amount"], D(10))

    def test_a_deposit_shows_what_came_and_what_was_taken_of_it(self) -> None:
        core = venue()
        found = core.deposit("BTC", 1_000_000, core.current_address("alice", "BTC"), "tx")
        shown = uniform.deposit(core.currency("BTC"), found, reference=False)
        self.assertEqual((shown["amount"], shown["fee"], shown["reference"]), (D("0.01"), D("0.0002005"), None))
        self.assertEqual((shown["status"], shown["direction"]), ("done", "deposit"))

    def test_a_rebate_is_a_credit_of_what_it_is_worth(self) -> None:
        core = venue()
        core.account("alice").factors = FeeFactors(100, -50)
        core.place("alice", "BTC/HUF", Side.SELL, 6_100_000, 1_000_000)
        core.place("bob", "BTC/HUF", Side.BUY, 6_100_000, 1_000_000)
        (line,) = [p for p in core.postings("alice", START, START) if p.is_fee]
        shown = uniform.transaction(core, line)
        self.assertEqual((shown["type"], shown["direction"], shown["quantity"]), ("Fee", "credit", D("3.05")))
