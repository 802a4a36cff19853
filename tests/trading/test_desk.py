"""The desk message by message: answers, events and time come one at a time, in whatever order the test gives them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import (
    Fill,
    Order,
    OrderRejected,
    OutcomeUnknown,
    RateLimited,
    Side,
    UnknownOrder,
    Unreachable,
)
from ilp.journal.entries import OrderEntry, OrderState, Purpose
from ilp.trading import orders
from ilp.trading.gate import OrderRequest
from ilp.trading.orders import AGAIN, MARGIN, RETRY, SETTLE, SLOW, Desk
from ilp.trading.own import Growth, OwnOrder
from tests.trading.world import START, D

REQUEST = OrderRequest("ilp-1", "target", "BTC/HUF", Side.BUY, D("0.3"), D(100), Purpose.QUOTE)
STATES = OrderState


class Answers:
    """Gate and venue at once: every call waits until the test answers it."""

    def __init__(self) -> None:
        self.placed: list[Deferred[str]] = []
        self.amended: list[Deferred[bool]] = []
        self.cancelled: list[tuple[str, Deferred[bool]]] = []

    def place(self, request: OrderRequest) -> Deferred[str]:
        self.placed.append(Deferred())
        return self.placed[-1]

    def amend(self, order_id: str, total: Decimal, request: OrderRequest) -> Deferred[bool]:
        self.amended.append(Deferred())
        return self.amended[-1]

    def cancelOrder(self, order_id: str) -> Deferred[bool]:
        self.cancelled.append((order_id, Deferred()))
        return self.cancelled[-1][1]

    @property
    def asked_to_cancel(self) -> list[str]:
        return [id for id, _ in self.cancelled]


class Told:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.fills: list[tuple[str, Decimal, Decimal, str | None]] = []
        self.states: list[OrderState] = []
        self.reports: list[str] = []
        self.absurd: list[tuple[str, str]] = []

    def order_filled(self, order: OwnOrder, growth: Growth, trade_id: str | None) -> None:
        self.fills.append((order.key, growth.quantity, growth.price, trade_id))

    def order_changed(self, order: OwnOrder) -> None:
        self.states.append(order.state)

    def order_strange(self, venue: str, record: Order) -> None: ...

    def order_absurd(self, order: OwnOrder, what: str) -> None:
        self.absurd.append((order.key, what))

    def orders_read(self, venue: str) -> None: ...

    def report(self, message: str, error: BaseException | None = None) -> None:
        self.reports.append(message)


class DeskCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.time = 50.0
        self.venue, self.told = Answers(), Told()
        self.desk = Desk(
            self.venue,
            {"target": self.venue, "source": self.venue},
            self.told,
            lambda: self.time,
            lambda: START + timedelta(seconds=self.time),
        )

    def open(self, key: str = "ilp-1", id: str = "7", **more: object) -> OwnOrder:
        """An order that rests under the venue's *id*."""
        order = self.desk.place(evolve(REQUEST, key=key, **more))
        self.venue.placed[-1].callback(id)
        return order

    def unknown(self, key: str = "ilp-1", **more: object) -> OwnOrder:
        """An order whose answer was lost."""
        order = self.desk.place(evolve(REQUEST, key=key, **more))
        self.venue.placed[-1].errback(OutcomeUnknown("target", "placing", "no answer"))
        return order

    def record(self, id: str = "7", filled: str = "0", **more: object) -> Order:
        """What the venue says of an order like those of `REQUEST`."""
        values: dict[str, object] = {
            "id": id,
            "contract": "BTC/HUF",
            "price": D(100),
            "quantity": D("0.3"),
            "quantity_left": D("0.3") - D(filled),
            "side": Side.BUY,
            "timestamp": START + timedelta(seconds=self.time),
            "is_cancelled": False,
        }
        return {**values, **more}

    def fill(self, id: str | None = "t1", quantity: str = "0.1", order: str = "7") -> Fill:
        at = START + timedelta(seconds=self.time)
        return Fill(
            id=id,
            order_id=order,
            contract="BTC/HUF",
            side=Side.BUY,
            price=D(99),
            quantity=D(quantity),
            fees={"HUF": D(1)},
            timestamp=at,
        )


class AbsurdFillTests(DeskCase):
    """More than was ever asked for cannot have been filled, and would be hedged with real money."""

    def test_an_event_that_says_so_is_told_once_and_not_believed(self) -> None:
        order = self.open()
        for _ in range(3):
            self.desk.on_order("target", self.record(filled="30"))
        self.assertEqual((order.filled, self.told.fills), (D(0), []))
        self.assertEqual(self.told.absurd, [("ilp-1", "is filled by 30.0")])

    def test_trades_that_come_to_more_are_not_believed_from_there_on(self) -> None:
        order = self.open()
        for id in ("t1", "t2", "t3"):
            self.desk.on_fill("target", self.fill(id))
        self.assertEqual((order.filled, self.told.absurd), (D("0.3"), []))
        order = self.open("ilp-2", "8")
        self.desk.on_fill("target", self.fill("u1", "0.4", "8"))
        self.assertEqual((order.filled, self.told.absurd), (D(0), [("ilp-2", "is filled by 0.4")]))

    def test_the_records_of_the_venue_are_believed_no_more_than_its_events(self) -> None:
        order = self.open()
        self.desk.looked_up(order, {"7": (D("0.6"), D(99), {})})
        self.assertEqual((order.filled, self.told.absurd), (D(0), [("ilp-1", "is filled by 0.6")]))

    def test_what_it_was_to_be_amended_to_may_be_filled_whether_or_not_that_was_answered(self) -> None:
        order = self.open()
        self.desk.amend(order, evolve(REQUEST, quantity=D("0.5")))
        self.venue.amended[0].errback(OrderRejected("target", "amending", "no"))
        self.desk.on_order("target", self.record(filled="0.5"))
        self.assertEqual((order.filled, self.told.absurd), (D("0.5"), []))

    def test_a_fee_that_takes_more_than_a_tenth_of_what_was_bought_is_not_believed(self) -> None:
        """It would be hedged as if it had been sold."""
        order = self.open()
        self.desk.filled(order, D("0.3"), D(99), {"BTC": D(5)})
        self.assertEqual((order.filled, self.told.absurd), (D(0), [("ilp-1", "was charged 5 BTC for 0.3")]))
        order = self.open("ilp-2", "8")
        self.desk.filled(order, D("0.3"), None, {})
        order.expected = {"HUF": D(1)}
        self.desk.told(order, D("0.3"), D(99), {"BTC": D(5)})
        self.assertEqual((len(self.told.fills), self.told.absurd[1:]), (1, [("ilp-2", "was charged 5 BTC for 0.3")]))
        order = self.open("ilp-3", "9")
        self.desk.filled(order, D("0.3"), D(99), {"BTC": D("0.03")})
        self.assertEqual((order.filled, len(self.told.absurd)), (D("0.3"), 2))

    def test_the_last_digit_of_a_float_is_no_lie(self) -> None:
        order = self.open()
        self.desk.on_order("target", self.record(filled="0.30000000000000004"))
        self.assertEqual((order.state, self.told.absurd), (STATES.FINAL, []))


class PlacingTests(DeskCase):
    def test_an_order_is_told_before_it_is_sent(self) -> None:
        self.desk.place(REQUEST)
        self.assertEqual(self.told.states, [STATES.SENDING])

    def test_its_answer_names_it_and_is_told(self) -> None:
        order = self.open()
        self.assertEqual((order.order_id, order.state, self.told.states[-1]), ("7", STATES.OPEN, STATES.OPEN))
        self.assertIs(self.desk.known("target", "7"), order)

    def test_whatever_is_learned_or_done_outdates_readings_begun_before(self) -> None:
        order, seen = self.desk.place(REQUEST), [0]
        for happens in (
            lambda: None,
            lambda: self.venue.placed[0].callback("7"),
            lambda: self.desk.on_order("target", self.record()),
            lambda: self.desk.on_fill("target", self.fill()),
            lambda: self.desk.amend(order, evolve(REQUEST, price=D(101))),
            lambda: self.venue.amended[0].callback(True),
            lambda: self.desk.cancel(order, "why"),
            lambda: self.venue.cancelled[0][1].callback(True),
            lambda: self.desk.on_order("target", self.record(filled="0.1", is_cancelled=True)),
        ):
            happens()
            self.assertGreater(order.touched, seen[-1])
            self.assertEqual(order.touched, self.desk.sequence)
            seen.append(order.touched)

    def test_a_lost_answer_outdates_readings_begun_before(self) -> None:
        order = self.desk.place(REQUEST)
        before = order.touched
        self.venue.placed[0].errback(OutcomeUnknown("target", "placing", "no answer"))
        self.assertGreater(order.touched, before)

    def test_a_lost_answer_leaves_it_unknown_and_asks_the_records_at_once(self) -> None:
        order = self.unknown()
        self.assertEqual((order.state, order.check_at, order.since_unknown), (STATES.UNKNOWN, 50.0, 50.0))
        self.assertEqual(self.desk.tick(), {"target"})
        self.assertEqual(self.told.states[-1], STATES.UNKNOWN)

    def test_a_lost_answer_of_an_order_that_an_event_has_named_is_no_loss(self) -> None:
        order = self.desk.place(REQUEST)
        self.desk.on_order("target", self.record(client_id="ilp-1"))
        self.venue.placed[0].errback(OutcomeUnknown("target", "placing", "no answer"))
        self.assertEqual((order.state, order.order_id), (STATES.OPEN, "7"))

    def test_a_lost_answer_of_an_order_that_was_filled_meanwhile_is_no_loss(self) -> None:
        order = self.desk.place(REQUEST)
        self.desk.on_order("target", self.record(client_id="ilp-1", filled="0.3"))
        self.venue.placed[0].errback(OutcomeUnknown("target", "placing", "no answer"))
        self.assertIs(order.state, STATES.FINAL)

    def test_a_refused_order_that_an_event_has_named_is_reported_and_cancelled(self) -> None:
        order = self.desk.place(REQUEST)
        self.desk.on_order("target", self.record(client_id="ilp-1"))
        self.venue.placed[0].errback(OrderRejected("target", "placing", "no"))
        self.assertEqual((len(self.told.reports), self.venue.asked_to_cancel), (1, ["7"]))
        self.assertFalse(order.final)

    def test_what_is_closed_while_an_answer_is_outstanding_is_no_fault(self) -> None:
        order = self.desk.place(REQUEST)
        self.desk.close()
        self.assertEqual((self.told.reports, order.final), ([], False))
        self.assertTrue(self.venue.placed[0].called)

    def test_an_errand_that_fails_unexpectedly_is_reported(self) -> None:
        async def errand() -> None:
            raise ZeroDivisionError

        self.desk.run(errand())
        self.assertEqual(len(self.told.reports), 1)

    def test_a_refusal_is_told_with_its_reason(self) -> None:
        order = self.desk.place(REQUEST)
        self.venue.placed[0].errback(OrderRejected("target", "placing", "too small"))
        self.assertEqual((self.told.states[-1], self.desk.live()), (STATES.REFUSED, []))
        self.assertIn("too small", order.note)

    def test_a_clients_own_fault_is_reported_and_may_have_sent_it(self) -> None:
        order = self.desk.place(REQUEST)
        self.venue.placed[0].errback(ZeroDivisionError())
        self.assertEqual((order.state, len(self.told.reports)), (STATES.UNKNOWN, 1))


class TimeTests(DeskCase):
    def test_nothing_is_due_where_nothing_waits(self) -> None:
        self.assertIsNone(self.desk.due())
        self.open()
        self.assertIsNone(self.desk.due())

    def test_an_answer_is_due_until_it_is_late(self) -> None:
        self.desk.place(REQUEST)
        self.assertEqual(self.desk.due(), 50.0 + SLOW)

    def test_what_comes_first_is_due(self) -> None:
        self.desk.place(REQUEST, expires_in=0.5)
        self.desk.place(evolve(REQUEST, key="ilp-2"), expires_in=0.2)
        self.assertEqual(self.desk.due(), 50.2)

    def test_what_is_to_be_cancelled_anyway_does_not_expire(self) -> None:
        order = self.desk.place(REQUEST, expires_in=0.5)
        self.desk.cancel(order, "why")
        self.assertEqual(self.desk.due(), 50.0 + SLOW)

    def test_it_expires_when_its_time_has_come(self) -> None:
        self.desk.place(REQUEST, expires_in=5)
        self.venue.placed[0].callback("7")
        self.time = 54.9
        self.desk.tick()
        self.assertEqual(self.venue.asked_to_cancel, [])
        self.time = 55.0
        self.desk.tick()
        self.assertEqual(self.venue.asked_to_cancel, ["7"])

    def test_a_late_answer_is_looked_for_in_the_records_again_and_again(self) -> None:
        order = self.desk.place(REQUEST)
        seen = []
        for self.time in (50.9, 51.0, 51.0 + AGAIN / 2, 51.0 + AGAIN):
            seen.append(self.desk.tick())
        self.assertEqual((seen, order.slow), ([set(), {"target"}, set(), {"target"}], True))

    def test_after_a_lost_connection_every_order_there_is_looked_for_at_once(self) -> None:
        here, there = self.open(), self.open("ilp-2", "8", venue="source")
        self.desk.on_lost("target")
        self.assertEqual((here.check_at, there.check_at), (50.0, None))
        self.assertEqual(self.desk.tick(), {"target"})


class RecognitionTests(DeskCase):
    def test_what_was_told_before_the_answer_counts_when_the_answer_names_it(self) -> None:
        order = self.desk.place(REQUEST)
        self.desk.on_order("target", self.record(filled="0.1"))
        self.assertEqual(order.filled, D(0))
        self.venue.placed[0].callback("7")
        self.assertEqual((order.filled, [fill[1] for fill in self.told.fills]), (D("0.1"), [D("0.1")]))

    def test_what_was_told_early_of_an_order_placed_elsewhere_waits(self) -> None:
        self.desk.place(REQUEST)
        there = self.desk.place(evolve(REQUEST, key="ilp-2", venue="source"))
        self.desk.on_order("source", self.record(filled="0.1"))
        self.venue.placed[0].callback("7")
        self.assertEqual(self.told.fills, [])
        self.venue.placed[1].callback("7")
        self.assertEqual(there.filled, D("0.1"))

    def test_a_client_id_names_it_before_the_answer(self) -> None:
        order = self.desk.place(REQUEST)
        self.desk.on_order("target", self.record(client_id="ilp-1", filled="0.1"))
        self.assertEqual((order.order_id, order.state, order.filled), ("7", STATES.OPEN, D("0.1")))
        self.venue.placed[0].callback("7")
        self.assertEqual((self.told.reports, len(self.told.fills)), ([], 1))

    def test_a_record_with_another_orders_client_id_is_never_taken_for_one_that_looks_alike(self) -> None:
        order = self.unknown()
        self.desk.on_order("target", self.record(client_id="ilp-2"))
        self.assertIsNone(order.order_id)

    def test_a_client_id_of_an_order_that_has_an_id_names_no_second_one(self) -> None:
        order = self.open()
        self.desk.on_order("target", self.record("8", client_id="ilp-1", filled="0.1"))
        self.assertEqual((order.order_id, order.filled), ("7", D(0)))

    def test_an_answer_that_names_another_order_than_the_event_makes_two_and_the_second_is_cancelled(self) -> None:
        self.desk.place(REQUEST)
        self.desk.on_order("target", self.record(client_id="ilp-1"))
        self.venue.placed[0].callback("8")
        self.assertEqual((len(self.told.reports), self.venue.asked_to_cancel), (1, ["8"]))
        self.assertEqual([order.order_id for order in self.desk.live()], ["7", "8"])

    def test_an_order_whose_answer_was_lost_is_recognised_by_its_looks(self) -> None:
        order = self.unknown()
        self.desk.on_order("target", self.record(filled="0.1"))
        self.assertEqual((order.order_id, order.filled), ("7", D("0.1")))

    def test_what_was_told_while_the_answer_was_outstanding_is_recognised_when_it_is_lost(self) -> None:
        order = self.desk.place(REQUEST)
        self.desk.on_order("target", self.record())
        self.assertIsNone(order.order_id)
        self.venue.placed[0].errback(OutcomeUnknown("target", "placing", "no answer"))
        self.assertEqual((order.order_id, order.state), ("7", STATES.OPEN))

    def test_what_was_told_while_the_answer_was_outstanding_is_recognised_when_it_is_late(self) -> None:
        order = self.desk.place(REQUEST)
        self.desk.on_order("target", self.record())
        self.time += SLOW
        self.desk.tick()
        self.assertEqual(order.order_id, "7")

    def test_while_an_answer_is_outstanding_that_may_name_it_nothing_is_recognised_by_its_looks(self) -> None:
        lost = self.unknown()
        self.desk.place(evolve(REQUEST, key="ilp-2"))
        self.desk.on_order("target", self.record())
        self.assertIsNone(lost.order_id)

    def test_an_order_at_another_price_is_not_recognised_by_its_looks(self) -> None:
        order = self.unknown()
        self.desk.on_order("target", self.record(price=D(101)))
        self.assertIsNone(order.order_id)

    def test_what_was_told_while_an_answer_was_outstanding_is_strange_when_it_was_not_about_it(self) -> None:
        self.desk.place(REQUEST)
        self.desk.on_order("target", self.record("9"))
        self.assertEqual(self.desk.tick(), set())
        self.venue.placed[0].errback(OrderRejected("target", "placing", "no"))
        self.assertEqual(self.desk.tick(), {"target"})

    def test_an_order_elsewhere_is_not_recognised_by_its_looks(self) -> None:
        order = self.unknown(venue="source")
        self.desk.on_order("target", self.record())
        self.assertIsNone(order.order_id)

    def test_a_record_may_seem_older_than_its_order_by_as_much_as_clocks_differ(self) -> None:
        order = self.unknown()
        self.desk.on_order("target", self.record("6", timestamp=order.at - MARGIN - timedelta(seconds=1)))
        self.assertIsNone(order.order_id)
        self.desk.on_order("target", self.record("7", timestamp=order.at - MARGIN))
        self.assertEqual(order.order_id, "7")

    def test_an_order_that_was_refused_is_nobody_else(self) -> None:
        order = self.desk.place(REQUEST)
        self.venue.placed[0].errback(OrderRejected("target", "placing", "no"))
        self.desk.on_order("target", self.record())
        self.assertIsNone(order.order_id)

    def test_an_order_given_up_as_lost_is_ours_when_it_turns_up_and_is_cancelled(self) -> None:
        order = self.unknown()
        order.lost = True
        self.desk.finish(order, STATES.FINAL, "no trace")
        self.desk.on_order("target", self.record())
        self.assertEqual((self.desk.live(), self.venue.asked_to_cancel), ([order], ["7"]))
        self.assertEqual((order.lost, order.left), (False, D("0.3")))

    def test_one_that_was_filled_before_its_late_answer_is_not_cancelled(self) -> None:
        order = self.desk.place(REQUEST)
        self.desk.on_order("target", self.record(filled="0.3", is_cancelled=False))
        self.desk.cancel(order, "why")
        self.venue.placed[0].callback("7")
        self.assertEqual((order.state, self.venue.asked_to_cancel), (STATES.FINAL, []))

    def test_an_order_that_nobody_here_knows_asks_for_the_records(self) -> None:
        for record, expected in (
            (self.record(), {"target"}),
            (self.record(client_id="ilp-9"), {"target"}),
            (self.record(client_id="someone"), set()),
            (self.record(filled="0.3"), set()),
        ):
            self.desk.on_order("target", record)
            self.assertEqual(self.desk.tick(), expected)


class FillTests(DeskCase):
    def test_a_trade_grows_it_once_with_its_own_price_and_fee(self) -> None:
        order = self.open()
        for _ in range(2):
            self.desk.on_fill("target", self.fill())
        self.assertEqual(self.told.fills, [("ilp-1", D("0.1"), D(99), "t1")])
        self.assertEqual((order.fees, order.happened), ({"HUF": D(1)}, START + timedelta(seconds=50)))

    def test_a_trade_that_the_orders_own_event_has_told_grows_nothing(self) -> None:
        order = self.open()
        self.desk.on_order("target", self.record(filled="0.1"))
        self.desk.on_fill("target", self.fill())
        self.assertEqual((order.filled, len(self.told.fills)), (D("0.1"), 1))

    def test_a_trade_of_an_order_that_nobody_knows_is_ignored(self) -> None:
        self.open()
        self.desk.on_fill("target", self.fill(order="9"))
        self.assertEqual(self.told.fills, [])

    def test_a_trade_without_an_id_is_a_hint_to_look_after_the_orders_own_event_had_its_time(self) -> None:
        order = self.open()
        self.desk.on_fill("target", self.fill(None))
        self.assertEqual((self.told.fills, order.check_at), ([], 50.0 + SETTLE))

    def test_a_hint_does_not_put_off_an_earlier_look_and_a_final_order_needs_none(self) -> None:
        order = self.open()
        order.check_at = 50.1
        self.desk.on_fill("target", self.fill(None))
        self.assertEqual(order.check_at, 50.1)
        self.desk.on_order("target", self.record(filled="0.3"))
        self.desk.on_fill("target", self.fill(None))
        self.assertIsNone(order.check_at)

    def test_filled_to_the_last_it_is_final(self) -> None:
        order = self.open()
        self.desk.on_fill("target", self.fill(quantity="0.3"))
        self.assertEqual((order.state, self.desk.live()), (STATES.FINAL, []))

    def test_while_it_is_amended_to_more_it_is_not_final_before_that(self) -> None:
        order = self.open()
        self.desk.amend(order, evolve(REQUEST, quantity=D("0.5")))
        self.desk.on_fill("target", self.fill(quantity="0.3"))
        self.assertFalse(order.final)
        self.desk.on_fill("target", self.fill("t2", "0.2"))
        self.assertTrue(order.final)

    def test_a_fill_of_a_final_order_counts_and_is_reported(self) -> None:
        self.open()
        self.desk.on_order("target", self.record(is_cancelled=True))
        self.desk.on_fill("target", self.fill())
        self.assertEqual(([fill[1] for fill in self.told.fills], len(self.told.reports)), ([D("0.1")], 1))

    def test_what_is_said_of_a_final_order_changes_it_no_more(self) -> None:
        order = self.open()
        self.desk.on_order("target", self.record(is_cancelled=True))
        before = (order.touched, len(self.told.states))
        self.desk.on_order("target", self.record(is_cancelled=True))
        self.assertEqual((order.touched, len(self.told.states)), before)

    def test_price_and_quantity_are_believed_from_records_that_were_asked_for_only(self) -> None:
        order = self.open()
        changed = self.record(price=D(101), quantity=D("0.2"), quantity_left=D("0.2"))
        self.desk.take(order, changed)
        self.assertEqual((order.price, order.quantity), (D(100), D("0.3")))
        told = len(self.told.states)
        self.desk.take(order, changed, read=True)
        self.assertEqual((order.price, order.quantity, len(self.told.states)), (D(101), D("0.2"), told + 1))

    def test_a_reading_that_says_nothing_new_is_not_told(self) -> None:
        order = self.open()
        told = len(self.told.states)
        self.desk.take(order, self.record(), read=True)
        self.assertEqual(len(self.told.states), told)


class EarlierTests(DeskCase):
    """Orders of an earlier run."""

    ENTRY = OrderEntry(
        "target", "ilp-1", "7", Purpose.QUOTE, "BTC/HUF", Side.BUY, D(100), D("0.3"), D("0.1"), STATES.OPEN, START
    )

    def recovered(self) -> OwnOrder:
        self.desk.recover([self.ENTRY])
        (order,) = self.desk.live()
        return order

    def test_their_events_are_recognised(self) -> None:
        order = self.recovered()
        self.assertIs(self.desk.known("target", "7"), order)

    def test_one_that_is_remembered_already_is_not_replaced(self) -> None:
        order = self.open()
        self.desk.recover([self.ENTRY])
        self.assertEqual(self.desk.recent(), (order,))

    def test_a_fill_without_its_price_waits_for_the_records(self) -> None:
        order = self.recovered()
        self.time = 60.0
        before = order.touched
        self.desk.on_order("target", self.record(filled="0.2"))
        self.assertEqual((self.told.fills, order.filled, order.check_at), ([], D("0.1"), 60.0))
        self.assertGreater(order.touched, before)
        self.desk.looked_up(order, {"7": (D("0.2"), D(95), {"HUF": D(3)})})
        self.assertEqual(self.told.fills, [("ilp-1", D("0.1"), D(90), None)])

    def test_a_fill_that_tells_its_price_counts_at_once(self) -> None:
        self.recovered()
        self.desk.on_order("target", self.record(filled="0.2", average_price=D(95)))
        self.assertEqual(self.told.fills, [("ilp-1", D("0.1"), D(90), None)])

    def test_what_the_records_leave_out_is_assumed_at_the_orders_price(self) -> None:
        order = self.recovered()
        self.desk.on_order("target", self.record(filled="0.2"))
        self.desk.on_order("target", self.record(filled="0.15"))
        self.desk.looked_up(order, {})
        self.assertEqual((self.told.fills, order.earlier), ([("ilp-1", D("0.1"), D(100), None)], False))

    def test_its_end_is_heard_though_nothing_traded_since(self) -> None:
        order = self.recovered()
        self.desk.on_order("target", self.record(filled="0.1", is_cancelled=True))
        self.assertTrue(order.final)

    def test_one_that_left_no_entry_is_adopted_with_what_it_traded(self) -> None:
        self.desk.adopt("target", self.fill(order="9"), D("0.2"), D(98), {"HUF": D(2)}, Purpose.HEDGE)
        (order,) = self.desk.recent()
        self.assertEqual((order.order_id, order.purpose, order.final), ("9", Purpose.HEDGE, True))
        self.assertEqual(order.note, "found in the venue's records")
        self.assertEqual([fill[1:3] for fill in self.told.fills], [(D("0.2"), D(98))])
        self.assertIs(self.desk.known("target", "9"), order)


class CancelTests(DeskCase):
    def setUp(self) -> None:
        super().setUp()
        self.order = self.open()

    def answer(self, result: bool | Exception) -> None:
        self.desk.cancel(self.order, "why")
        (_, deferred) = self.venue.cancelled[-1]
        if isinstance(result, Exception):
            deferred.errback(result)
        else:
            deferred.callback(result)

    def test_it_is_told_and_the_venue_asked_once(self) -> None:
        self.desk.cancel(self.order, "why")
        self.desk.cancel(self.order, "why not")
        self.assertEqual((self.told.states[-1], self.venue.asked_to_cancel), (STATES.CANCELLING, ["7"]))
        self.assertEqual(self.order.note, "why")

    def test_an_order_without_an_id_is_cancelled_when_it_has_one(self) -> None:
        order = self.desk.place(evolve(REQUEST, key="ilp-2"))
        self.desk.cancel(order, "why")
        self.assertEqual(self.venue.asked_to_cancel, [])
        self.venue.placed[-1].callback("8")
        self.assertEqual(self.venue.asked_to_cancel, ["8"])

    def test_a_final_order_is_not_cancelled(self) -> None:
        self.desk.on_order("target", self.record(filled="0.3"))
        self.desk.cancel(self.order, "why")
        self.assertEqual(self.venue.asked_to_cancel, [])

    def test_its_end_is_told_with_why_it_was_cancelled(self) -> None:
        self.desk.cancel(self.order, "why")
        before = self.order.touched
        self.desk.on_order("target", self.record(is_cancelled=True))
        self.assertEqual((self.told.states[-1], self.order.note, self.desk.live()), (STATES.FINAL, "why", []))
        self.assertGreater(self.order.touched, before)

    def test_an_order_that_is_off_the_book_is_not_cancelled(self) -> None:
        self.order.off_book = True
        self.desk.cancel(self.order, "why")
        self.assertEqual(self.venue.asked_to_cancel, [])

    def test_all_of_one_venue_or_of_one_pair_can_be_meant(self) -> None:
        other = self.open("ilp-2", "8", venue="source", ticker="BTC/USD")
        self.assertEqual(self.desk.live(ticker="BTC/USD"), [other])
        self.assertEqual((self.desk.live(side=Side.BUY), self.desk.live(side=Side.SELL)), ([self.order, other], []))
        self.desk.cancel_all("why", "target")
        self.assertEqual(self.venue.asked_to_cancel, ["7"])
        self.desk.cancel_all("why")
        self.assertEqual(self.venue.asked_to_cancel, ["7", "8"])

    def test_once_the_venue_took_it_off_nothing_of_it_may_trade_and_its_last_event_gets_its_time(self) -> None:
        self.answer(True)
        self.assertEqual((self.order.left, self.order.final), (D(0), False))
        self.assertEqual((self.order.check_at, self.order.note), (50.0 + SETTLE, "why"))

    def test_one_that_came_too_late_leaves_it_on_the_book_until_the_records_tell(self) -> None:
        self.answer(False)
        self.assertEqual((self.order.left, self.order.note), (D("0.3"), "too late to cancel"))
        self.assertEqual(self.order.check_at, 50.0 + SETTLE)

    def test_what_the_venue_does_not_know_is_looked_for_at_once(self) -> None:
        self.answer(UnknownOrder("target", "cancelling", "none"))
        self.assertEqual((self.order.check_at, self.order.final), (50.0, False))

    def test_a_venue_that_is_busy_is_asked_when_it_listens(self) -> None:
        self.answer(RateLimited("target", "cancelling", "slowly", retry_after=7.0))
        self.assertEqual((self.order.check_at, self.told.reports), (57.0, []))

    def test_one_that_failed_is_looked_for_soon(self) -> None:
        self.answer(OutcomeUnknown("target", "cancelling", "no answer"))
        self.assertEqual((self.order.check_at, self.told.reports), (50.0 + RETRY, []))

    def test_a_clients_own_fault_is_reported_and_looked_for_soon(self) -> None:
        self.answer(ZeroDivisionError())
        self.assertEqual((self.order.check_at, len(self.told.reports)), (50.0 + RETRY, 1))

    def test_an_answer_about_a_final_order_changes_nothing(self) -> None:
        self.desk.cancel(self.order, "why")
        self.desk.on_order("target", self.record(is_cancelled=True))
        before = (self.order.touched, len(self.told.states))
        self.venue.cancelled[0][1].callback(True)
        self.assertEqual((self.order.touched, len(self.told.states), self.order.check_at), (*before, None))


class AmendTests(DeskCase):
    def setUp(self) -> None:
        super().setUp()
        self.order = self.open()
        self.desk.on_fill("target", self.fill(quantity="0.1"))
        self.desk.amend(self.order, evolve(REQUEST, price=D(102), quantity=D("0.4")))

    @property
    def now(self) -> tuple[Decimal, Decimal, Decimal | None]:
        return self.order.price, self.order.quantity, self.order.amending

    def answer(self, result: bool | Exception) -> None:
        if isinstance(result, Exception):
            self.venue.amended[0].errback(result)
        else:
            self.venue.amended[0].callback(result)

    def test_what_is_asked_for_is_left_on_top_of_what_is_filled(self) -> None:
        self.assertEqual((self.now, self.order.left), ((D(100), D("0.3"), D("0.5")), D("0.4")))

    def test_a_change_that_was_made_is_told(self) -> None:
        told = len(self.told.states)
        self.answer(True)
        self.assertEqual((self.now, len(self.told.states)), ((D(102), D("0.5"), None), told + 1))

    def test_one_that_came_too_late_leaves_it_as_it_was_until_the_records_tell(self) -> None:
        self.answer(False)
        self.assertEqual((self.now[:2], self.order.check_at), ((D(100), D("0.3")), 50.0 + SETTLE))
        self.assertEqual(self.order.note, "too late to amend")

    def test_an_order_that_ended_meanwhile_is_not_changed_any_more(self) -> None:
        self.desk.on_order("target", self.record(filled="0.1", is_cancelled=True))
        self.answer(True)
        self.assertEqual(self.now[:2], (D(100), D("0.3")))

    def test_one_that_was_refused_takes_it_off_the_book(self) -> None:
        self.answer(OrderRejected("target", "amending", "no"))
        self.assertEqual((self.order.amending, self.venue.asked_to_cancel), (None, ["7"]))

    def test_one_that_never_arrived_leaves_it_resting_as_it_was(self) -> None:
        self.answer(Unreachable("target", "amending", "busy"))
        self.assertEqual((self.order.amending, self.venue.asked_to_cancel), (None, []))
        self.assertEqual(self.order.check_at, 50.0 + RETRY)

    def test_one_whose_answer_was_lost_may_rest_either_way(self) -> None:
        self.answer(OutcomeUnknown("target", "amending", "no answer"))
        self.assertEqual((self.order.amending, self.order.check_at), (D("0.5"), 50.0))
        self.assertEqual(self.told.reports, [])

    def test_a_clients_own_fault_may_rest_either_way_and_is_reported(self) -> None:
        self.answer(ZeroDivisionError())
        self.assertEqual((self.order.amending, self.order.check_at), (D("0.5"), 50.0))
        self.assertEqual(len(self.told.reports), 1)


class RememberingTests(DeskCase):
    def test_the_oldest_final_orders_are_forgotten_with_their_ids_and_no_other(self) -> None:
        self.patch(orders, "KEPT", 2)
        resting = self.open("ilp-0", "70")
        for number in (1, 2, 3):
            self.open(f"ilp-{number}", f"7{number}")
            self.desk.on_order("target", self.record(f"7{number}", filled="0.3"))
        self.assertEqual([order.key for order in self.desk.recent()], ["ilp-0", "ilp-3"])
        self.assertIs(self.desk.known("target", "70"), resting)
        self.assertIsNone(self.desk.known("target", "71"))
        self.assertIsNotNone(self.desk.known("target", "73"))

    def filled(self, *numbers: int) -> None:
        """Orders that are opened and filled one after the other."""
        for number in numbers:
            self.open(f"ilp-{number}", f"7{number}")
            self.desk.on_order("target", self.record(f"7{number}", filled="0.3"))

    def test_what_is_told_again_of_a_forgotten_order_is_of_no_other_that_looks_like_it(self) -> None:
        self.patch(orders, "KEPT", 1)
        self.filled(1, 2)
        told, lost = len(self.told.fills), self.unknown("ilp-9")
        self.desk.on_order("target", self.record("71", filled="0.3"))
        self.assertEqual((lost.order_id, len(self.told.fills)), (None, told))

    def test_an_id_that_the_venue_gives_anew_is_that_of_the_new_order(self) -> None:
        self.patch(orders, "KEPT", 1)
        self.filled(1, 2)
        self.time += 3600
        lost = self.unknown("ilp-9")
        self.desk.on_order("target", self.record("71", filled="0.1"))
        self.assertEqual((lost.order_id, lost.again), ("71", True))
        self.filled(3)
        self.assertIs(self.desk.known("target", "71"), lost)

    def test_of_ids_too_only_so_many_are_remembered(self) -> None:
        self.patch(orders, "KEPT", 1)
        self.patch(orders, "PAST", 2)
        self.filled(1, 2, 3, 4)
        self.assertEqual([n for n in range(1, 5) if self.desk.over("target", f"7{n}")], [2, 3])

    def test_as_long_as_there_is_room_nothing_is_forgotten(self) -> None:
        self.patch(orders, "KEPT", 4)
        for number in (1, 2, 3):
            self.open(f"ilp-{number}", f"7{number}")
            self.desk.on_order("target", self.record(f"7{number}", filled="0.3"))
        self.assertEqual([order.key for order in self.desk.recent()], ["ilp-1", "ilp-2", "ilp-3"])
