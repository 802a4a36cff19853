"""Own orders on a simulated venue: what is known of them, what is not, and how the venue's records decide."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal

from attrs import evolve
from twisted.internet.defer import fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Order, OrderRejected, RateLimited, Side, UnknownOrder
from ilp.journal.entries import OrderEntry, OrderState, Purpose
from ilp.simulation.faults import Fault
from ilp.simulation.inprocess import EVERYTHING, SPUTNIK, SimulatedExchange
from ilp.simulation.session import Conditions
from ilp.trading import orders
from ilp.trading.audit import LATER, LOST, Audit
from ilp.trading.gate import Gate, OrderRequest
from ilp.trading.orders import KEPT, SETTLE, Desk
from ilp.trading.own import Growth, OwnOrder
from ilp.trading.reader import VenueReader
from tests.trading.test_gate import World as Facts
from tests.trading.world import BTC, HUF, LIMITS, START, D, World

CONDITIONS = Conditions(latency=0.01, deadline=1.0)
PRICE = D(60_000)


class Told:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.fills: list[tuple[str, Decimal, Decimal, str | None]] = []
        self.states: list[tuple[str, OrderState]] = []
        self.strange: list[str] = []
        self.reports: list[str] = []
        self.readings = 0

    def order_filled(self, order: OwnOrder, growth: Growth, trade_id: str | None) -> None:
        self.fills.append((order.key, growth.quantity, growth.price, trade_id))

    def order_changed(self, order: OwnOrder) -> None:
        self.states.append((order.key, order.state))

    def order_strange(self, venue: str, record: Order) -> None:
        self.strange.append(record["id"])

    def order_absurd(self, order: OwnOrder, what: str) -> None:
        raise AssertionError(f"{order.key} of {order.quantity} {what}")

    def orders_read(self, venue: str) -> None:
        self.readings += 1

    def report(self, message: str, error: BaseException | None = None) -> None:
        self.reports.append(message)


class DeskCase(SynchronousTestCase):
    features = EVERYTHING

    def setUp(self) -> None:
        self.world = World()
        self.client = SimulatedExchange(
            self.world.target_core,
            "pool",
            self.world.reactor,
            name="target",
            features=self.features,
            conditions=CONDITIONS,
        )
        self.told = Told()
        facts = Facts(price=PRICE, size=D(10))
        limits = evolve(LIMITS, open_orders=99)
        seconds, now = self.world.reactor.seconds, self.world.clock.now
        gate = Gate({"target": self.client}, limits, facts, seconds, now, lambda _: None)
        self.desk = Desk(gate, {"target": VenueReader(self.client)}, self.told, seconds, now)
        self.audit = Audit(self.desk)
        self.client.on("order", lambda order: self.desk.on_order("target", order))
        self.client.on("fill", lambda fill: self.desk.on_fill("target", fill))
        self.client.connect()
        self.pass_(0.1)
        self.addCleanup(self.leave)

    def leave(self) -> None:
        self.desk.close()
        self.client.disconnect()
        self.pass_(0.1)
        self.world.bank.stop()
        self.assertEqual(self.world.reactor.getDelayedCalls(), [])

    def pass_(self, seconds: float) -> None:
        """Let time pass and do what is due, as the trader does."""
        for _ in range(max(1, round(seconds / 0.005))):
            self.world.reactor.advance(0.005)
            for venue in self.desk.tick():
                self.audit.read(venue)

    def place(self, key: str = "ilp-1", quantity: str = "0.1", side: Side = Side.BUY, **more: object) -> OwnOrder:
        expires = more.pop("expires_in", None)
        request = OrderRequest(key, "target", "BTC/HUF", side, D(quantity), PRICE, Purpose.QUOTE, **more)
        return self.desk.place(request, expires)

    def sell_to_us(self, quantity: str = "0.04") -> None:
        self.world.target_core.place(
            "others", "BTC/HUF", Side.SELL, HUF.units(PRICE), BTC.units(D(quantity)), immediate=True
        )

    def fault(self, fault: Fault, what: str, **more: object) -> None:
        self.client.faults.add(fault, what, **more)

    def really_open(self) -> list[int]:
        return [order.id for order in self.world.open_orders()]


class LifeTests(DeskCase):
    def test_an_order_counts_as_resting_before_the_answer(self) -> None:
        order = self.place()
        self.assertEqual((order.state, order.left, self.desk.live()), (OrderState.SENDING, D("0.1"), [order]))
        self.pass_(0.05)
        self.assertEqual((order.state, order.order_id), (OrderState.OPEN, "1"))

    def test_a_fill_grows_the_cumulative_quantity_once(self) -> None:
        order = self.place()
        self.pass_(0.05)
        self.sell_to_us()
        self.pass_(0.05)
        self.assertEqual(
            [(key, quantity, price) for key, quantity, price, _ in self.told.fills], [("ilp-1", D("0.04"), PRICE)]
        )
        self.assertEqual((order.filled, order.left), (D("0.04"), D("0.06")))

    def test_an_order_that_is_filled_is_final(self) -> None:
        order = self.place()
        self.pass_(0.05)
        self.sell_to_us("0.1")
        self.pass_(0.05)
        self.assertEqual((order.state, self.desk.live(), order.left), (OrderState.FINAL, [], D(0)))

    def test_a_cancelled_order_ends_with_its_last_quantity(self) -> None:
        order = self.place()
        self.pass_(0.05)
        self.desk.cancel(order, "enough")
        self.sell_to_us()
        self.pass_(0.05)
        self.assertEqual((order.state, order.filled, order.note), (OrderState.FINAL, D("0.04"), "enough"))
        self.assertEqual(self.really_open(), [])

    def test_a_cancel_before_the_answer_follows_it(self) -> None:
        order = self.place()
        self.desk.cancel(order, "changed my mind")
        self.pass_(0.1)
        self.assertEqual((order.state, self.really_open()), (OrderState.FINAL, []))

    def test_several_wishes_to_cancel_are_one(self) -> None:
        order = self.place()
        self.pass_(0.05)
        asked = self.client.faults.add(Fault.DUPLICATE, "cancelOrder", times=0)
        for _ in range(3):
            self.desk.cancel(order, "enough")
        self.pass_(0.1)
        self.assertEqual(asked.struck, 1)

    def test_an_order_expires(self) -> None:
        order = self.place(expires_in=1.0)
        self.pass_(0.9)
        self.assertEqual(order.state, OrderState.OPEN)
        self.pass_(0.3)
        self.assertEqual((order.state, order.note), (OrderState.FINAL, "not filled in time"))

    def test_a_refusal_is_final_and_says_why(self) -> None:
        self.fault(Fault.REFUSE, "placeOrder", error=lambda: OrderRejected("target", "order", "market closed"))
        order = self.place()
        self.pass_(0.05)
        self.assertEqual(order.state, OrderState.REFUSED)
        self.assertIn("market closed", order.note)

    def test_what_the_gate_turns_away_is_refused(self) -> None:
        order = self.place(quantity="100")
        self.assertEqual(order.state, OrderState.REFUSED)
        self.assertIn("largest order", order.note)
        self.assertEqual(self.really_open(), [])

    def test_only_so_many_final_orders_are_remembered(self) -> None:
        for number in range(KEPT + 5):
            self.place(f"ilp-{number}", quantity="100")
        self.assertEqual(len(self.desk.recent()), KEPT)
        self.assertEqual(self.desk.recent()[0].key, "ilp-5")

    def test_live_orders_are_told_apart_by_venue_ticker_and_side(self) -> None:
        buy, sell = self.place("ilp-1"), self.place("ilp-2", side=Side.SELL)
        self.assertEqual(self.desk.live("target", "BTC/HUF", Side.BUY), [buy])
        self.assertEqual(self.desk.live(side=Side.SELL), [sell])
        self.assertEqual(self.desk.live("source"), [])


class FaultTests(DeskCase):
    """The same on a venue that has everything and (below) on one that has neither ids, lookup nor trade ids."""

    def settled(self, condition: Callable[[], object], within: float) -> None:
        for _ in range(round(within / 0.05)):
            if condition():
                return
            self.pass_(0.05)
        self.fail(f"not settled: {self.desk.live()} {self.told.states}")

    def test_a_lost_answer_leaves_it_unknown_and_resting_until_the_records_tell(self) -> None:
        self.fault(Fault.LOSE_ANSWER, "placeOrder")
        self.fault(Fault.LOSE_ANSWER, "event:order")
        order = self.place()
        self.pass_(0.9)
        self.assertEqual(order.left, D("0.1"))
        self.settled(lambda: order.state is OrderState.OPEN, 2)
        self.assertIn(
            ("ilp-1", OrderState.UNKNOWN) if self.features is SPUTNIK else ("ilp-1", OrderState.OPEN), self.told.states
        )
        self.assertEqual(order.order_id, str(self.really_open()[0]))

    def test_a_lost_request_is_given_up_after_two_readings(self) -> None:
        self.fault(Fault.LOSE_REQUEST, "placeOrder")
        order = self.place()
        self.pass_(1.0 + LOST / 2)
        self.assertEqual((order.state, order.left), (OrderState.UNKNOWN, D("0.1")))
        self.settled(lambda: order.state is OrderState.REFUSED, 4)
        self.assertIn("left no trace", order.note)

    def test_an_order_that_was_filled_while_its_answer_was_lost_is_found_in_the_records(self) -> None:
        self.fault(Fault.LOSE_ANSWER, "placeOrder")
        self.fault(Fault.LOSE_REQUEST, "event:order", times=0)
        self.fault(Fault.LOSE_REQUEST, "event:fill", times=0)
        order = self.place()
        self.pass_(0.1)
        self.sell_to_us("0.1")
        self.settled(lambda: order.final, 4)
        self.assertEqual((order.filled, [fill[1] for fill in self.told.fills]), (D("0.1"), [D("0.1")]))

    def test_lost_events_of_a_fill_are_made_up_by_the_sweep(self) -> None:
        order = self.place()
        self.pass_(0.05)
        self.fault(Fault.LOSE_REQUEST, "event:order", times=0)
        self.fault(Fault.LOSE_REQUEST, "event:fill", times=0)
        self.sell_to_us()
        self.pass_(0.1)
        self.assertEqual(order.filled, D(0))
        self.audit.read("target")
        self.pass_(0.1)
        self.assertEqual(order.filled, D("0.04"))

    def test_lost_events_of_the_last_fill_are_made_up_by_the_sweep(self) -> None:
        order = self.place()
        self.pass_(0.05)
        self.fault(Fault.LOSE_REQUEST, "event:order", times=0)
        self.fault(Fault.LOSE_REQUEST, "event:fill", times=0)
        self.sell_to_us("0.1")
        self.audit.read("target")
        self.pass_(0.1)
        self.assertEqual((order.filled, order.state), (D("0.1"), OrderState.FINAL))

    def test_repeated_events_change_nothing(self) -> None:
        self.fault(Fault.DUPLICATE, "event:order", times=0)
        self.fault(Fault.DUPLICATE, "event:fill", times=0)
        self.place()
        self.pass_(0.05)
        self.sell_to_us()
        self.sell_to_us()
        self.pass_(0.1)
        self.assertEqual([fill[1] for fill in self.told.fills], [D("0.04"), D("0.04")])

    def test_events_that_come_late_change_nothing_twice(self) -> None:
        order = self.place()
        self.pass_(0.05)
        self.fault(Fault.DELAY, "event:order", seconds=0.5)
        self.sell_to_us("0.04")
        self.sell_to_us("0.02")
        self.pass_(1.5)
        self.assertEqual((order.filled, sum(fill[1] for fill in self.told.fills)), (D("0.06"), D("0.06")))

    def test_a_cancel_that_was_too_late_finds_the_fill(self) -> None:
        order = self.place()
        self.pass_(0.05)
        self.fault(Fault.LOSE_REQUEST, "event:order", times=0)
        self.fault(Fault.LOSE_REQUEST, "event:fill", times=0)
        self.sell_to_us("0.1")
        self.desk.cancel(order, "too late")
        self.settled(lambda: order.final, 2 * SETTLE + 1)
        self.assertEqual(order.filled, D("0.1"))

    def test_a_lost_answer_to_a_cancel_is_settled_by_the_records(self) -> None:
        order = self.place()
        self.pass_(0.05)
        self.fault(Fault.LOSE_REQUEST, "event:order", times=0)
        self.fault(Fault.LOSE_ANSWER, "cancelOrder")
        self.desk.cancel(order, "enough")
        self.settled(lambda: order.final, 4)
        self.assertEqual((order.filled, self.really_open()), (D(0), []))

    def test_a_cancel_that_never_arrived_is_sent_again(self) -> None:
        order = self.place()
        self.pass_(0.05)
        self.fault(Fault.LOSE_REQUEST, "cancelOrder", times=2)
        self.desk.cancel(order, "enough")
        self.settled(lambda: order.final, 8)
        self.assertEqual(self.really_open(), [])

    def test_a_cancel_that_was_rate_limited_is_sent_again_when_the_venue_listens(self) -> None:
        order = self.place()
        self.pass_(0.05)
        self.fault(
            Fault.REFUSE, "cancelOrder", error=lambda: RateLimited("target", "cancel", "slowly", retry_after=0.4)
        )
        self.desk.cancel(order, "enough")
        self.pass_(0.3)
        self.assertEqual(len(self.really_open()), 1)
        self.settled(lambda: order.final, 2)

    def test_an_error_of_the_client_itself_leaves_it_unknown_and_is_reported(self) -> None:
        self.fault(Fault.REFUSE, "placeOrder", error=lambda: KeyError("a bug"))
        order = self.place()
        self.pass_(0.05)
        self.assertEqual(order.state, OrderState.UNKNOWN)
        self.assertEqual(len(self.told.reports), 1)
        self.settled(lambda: order.final, 4)

    def test_records_that_cannot_be_read_are_asked_again(self) -> None:
        order = self.place()
        self.pass_(0.05)
        self.fault(Fault.LOSE_REQUEST, "event:order", times=0)
        self.fault(Fault.LOSE_REQUEST, "event:fill", times=0)
        self.fault(Fault.REFUSE, "getOpenOrders", error=lambda: RateLimited("target", "orders", "slowly"))
        self.sell_to_us("0.1")
        self.desk.cancel(order, "enough")
        self.settled(lambda: order.final, 5)
        self.assertEqual(order.filled, D("0.1"))

    def test_an_order_lost_and_found_is_cancelled(self) -> None:
        self.fault(Fault.LOSE_REQUEST, "placeOrder")
        order = self.place()
        self.settled(lambda: order.state is OrderState.REFUSED, 6)
        more = {"client_id": order.key} if self.features is EVERYTHING else {}
        self.world.target_core.place("pool", "BTC/HUF", Side.BUY, HUF.units(PRICE), BTC.units(D("0.1")), **more)
        self.settled(lambda: order.state is OrderState.FINAL, 3)
        self.assertEqual(self.really_open(), [])

    def test_a_fill_of_an_order_given_up_as_lost_is_found_when_the_history_shows_it(self) -> None:
        """It was filled at once, answer and events are lost, and the venue's records are behind its book."""
        self.fault(Fault.LOSE_ANSWER, "placeOrder")
        for event in ("event:order", "event:fill"):
            self.fault(Fault.LOSE_REQUEST, event, times=0)
        with self.hidden():
            order = self.place()
            self.pass_(0.05)
            self.sell_to_us("0.1")
            self.settled(lambda: order.state is OrderState.REFUSED, 6)
        self.pass_(LATER[0])
        self.audit.read("target")
        self.pass_(0.1)
        self.assertEqual((order.filled, [fill[1] for fill in self.told.fills]), (D("0.1"), [D("0.1")]))
        self.assertEqual((order.state, self.desk.live()), (OrderState.FINAL, []))

    def test_an_order_given_up_as_lost_that_leaves_no_trace_later_either_stays_refused(self) -> None:
        self.fault(Fault.LOSE_REQUEST, "placeOrder")
        order = self.place()
        self.settled(lambda: order.state is OrderState.REFUSED, 6)
        told = len(self.told.states)
        for later in LATER:
            self.pass_(later)
            self.audit.read("target")
            self.pass_(0.1)
        self.assertEqual((order.state, len(self.told.states), self.told.reports), (OrderState.REFUSED, told, []))

    def test_a_fill_is_rather_of_an_order_in_doubt_than_of_one_given_up_as_lost(self) -> None:
        self.fault(Fault.LOSE_REQUEST, "placeOrder")
        first = self.place("ilp-1")
        self.settled(lambda: first.state is OrderState.REFUSED, 6)
        self.pass_(LATER[0] - 1)
        self.fault(Fault.LOSE_ANSWER, "placeOrder")
        for event in ("event:order", "event:fill"):
            self.fault(Fault.LOSE_REQUEST, event, times=0)
        second = self.place("ilp-2")
        self.pass_(0.05)
        self.sell_to_us("0.1")
        self.settled(lambda: second.final, 6)
        self.pass_(LATER[1])
        self.audit.read("target")
        self.pass_(0.1)
        self.assertEqual((first.filled, second.filled), (D(0), D("0.1")))

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """The venue's records are behind."""
        unknown = UnknownOrder("target", "getOrder", "no such order")
        patches = [
            self.patch(self.client, "getFills", lambda start, end: succeed([])),
            self.patch(self.client, "getOrder", lambda id, client_id=None: fail(unknown)),
        ]
        yield
        for patched in patches:
            patched.restore()

    def forgotten(self) -> None:
        """Every order that is over is remembered by its id only."""
        self.patch(orders, "KEPT", 1)
        self.assertEqual(self.place("ilp-gone", quantity="100").state, OrderState.REFUSED)

    def test_an_order_that_was_over_long_ago_and_rests_is_cancelled_and_no_strangers(self) -> None:
        order = self.place()
        self.pass_(0.05)
        self.desk.finish(order, OrderState.FINAL, "absent from a stale listing")
        self.forgotten()
        self.assertIsNone(self.desk.known("target", "1"))
        self.audit.read("target")
        self.pass_(0.1)
        self.assertEqual((self.really_open(), self.told.strange), ([], []))
        self.assertEqual(self.told.reports, ["target: 1 was over long ago and rests: it is cancelled"])

    def test_a_fill_of_an_order_that_was_over_long_ago_is_of_no_other_whose_answer_was_lost(self) -> None:
        self.place()
        self.pass_(0.05)
        self.sell_to_us("0.1")
        self.pass_(0.05)
        self.forgotten()
        self.fault(Fault.LOSE_REQUEST, "placeOrder")
        lost = self.place("ilp-2")
        self.settled(lambda: lost.state is OrderState.REFUSED, 6)
        self.assertEqual((lost.filled, [key for key, *_ in self.told.fills]), (D(0), ["ilp-1"]))

    def test_an_order_taken_for_final_that_rests_after_all_is_cancelled(self) -> None:
        """A listing that was not up to date made it final: the next one shows it, and it must not rest unminded."""
        order = self.place()
        self.pass_(0.05)
        self.desk.finish(order, OrderState.FINAL, "absent from a stale listing")
        self.audit.read("target")
        self.pass_(0.02)
        self.assertEqual(order.left, D("0.1"))
        self.pass_(1)
        self.assertEqual((self.really_open(), order.state, self.desk.live()), ([], OrderState.FINAL, []))
        self.assertEqual(len(self.told.reports), 1)

    def test_a_listing_begun_before_the_end_proves_nothing_about_it(self) -> None:
        order = self.place()
        self.pass_(0.05)
        self.fault(Fault.DELAY, "getOpenOrders", seconds=0.3)
        self.audit.read("target")
        self.pass_(0.05)
        self.desk.cancel(order, "enough")
        self.pass_(0.5)
        self.assertEqual((order.state, self.told.reports), (OrderState.FINAL, []))

    def test_an_order_that_nobody_here_placed_is_told(self) -> None:
        self.world.target_core.place("pool", "BTC/HUF", Side.BUY, HUF.units(PRICE), BTC.units(D("0.1")))
        self.audit.read("target")
        self.pass_(0.1)
        self.assertEqual(self.told.strange, ["1"])

    def test_an_event_of_an_order_that_nobody_here_placed_asks_for_the_records_at_once(self) -> None:
        self.world.target_core.place("pool", "BTC/HUF", Side.BUY, HUF.units(PRICE), BTC.units(D("0.1")))
        self.settled(lambda: self.told.strange, 0.1)
        self.assertEqual(self.told.strange, ["1"])

    def test_while_an_answer_is_outstanding_nothing_is_strange(self) -> None:
        self.fault(Fault.DELAY, "placeOrder", seconds=0.5)
        self.fault(Fault.LOSE_REQUEST, "event:order", times=0)
        self.place()
        self.pass_(0.05)
        self.audit.read("target")
        self.pass_(0.1)
        self.assertEqual(self.told.strange, [])


class PoorVenueTests(FaultTests):
    features = SPUTNIK

    def test_a_fill_is_heard_of_although_the_answer_is_late(self) -> None:
        self.client._conditions = evolve(CONDITIONS, deadline=10.0)
        self.fault(Fault.DELAY, "placeOrder", seconds=4.0)
        slow = self.place()
        self.pass_(0.1)
        self.sell_to_us("0.1")
        self.pass_(0.2)
        self.assertEqual(slow.filled, D(0))  # a punctual answer would name it
        self.settled(lambda: slow.final, 1.5)
        self.assertEqual(slow.filled, D("0.1"))
        self.pass_(4)
        self.assertEqual((len(self.desk.recent()), self.told.reports), (1, []))

    def test_a_venue_that_counts_its_orders_anew_makes_no_fill_of_one_another_ones(self) -> None:
        old = self.place("ilp-1")
        self.pass_(0.05)
        self.desk.finish(old, OrderState.FINAL)
        self.world.target_core.cancel("pool", 1)
        self.pass_(0.1)
        old.at -= timedelta(minutes=10)
        new = self.place("ilp-2")
        record: Order = {
            "id": "1",
            "contract": "BTC/HUF",
            "price": PRICE,
            "quantity": D("0.1"),
            "quantity_left": D("0.04"),
            "side": Side.BUY,
            "timestamp": self.world.clock.now(),
            "is_cancelled": False,
        }
        self.desk.on_order("target", record)
        self.assertEqual((old.filled, self.told.fills), (D(0), []))
        self.desk._named(new, "1")
        self.assertEqual((new.filled, new.again, old.again), (D("0.06"), True, False))
        self.assertEqual([(key, quantity) for key, quantity, *_ in self.told.fills], [("ilp-2", D("0.06"))])
        self.desk.finish(new, OrderState.FINAL)

    def test_a_fill_that_the_history_shows_later_than_the_book_is_found(self) -> None:
        """Its events are lost and the history lags: the order is over without a fill, until the next sweeps."""
        order = self.place()
        self.pass_(0.05)
        for event in ("event:order", "event:fill"):
            self.fault(Fault.LOSE_REQUEST, event, times=0)
        with self.hidden():
            self.sell_to_us("0.04")
            self.desk.cancel(order, "enough")
            self.settled(lambda: order.final, 3)
            self.assertEqual(order.filled, D(0))
        self.pass_(LATER[0])
        self.audit.read("target")
        self.pass_(0.1)
        self.assertEqual((order.filled, [fill[1] for fill in self.told.fills]), (D("0.04"), [D("0.04")]))
        self.assertEqual((order.state, self.desk.live()), (OrderState.FINAL, []))

    def test_an_answer_that_names_another_order_than_was_taken_for_it_makes_two_of_ours(self) -> None:
        order = self.place()
        self.desk._named(order, "77")
        self.pass_(0.1)
        self.assertEqual(len(self.told.reports), 1)
        self.assertEqual([o.order_id for o in self.desk.recent()], ["77", "1"])

    def test_of_two_orders_that_look_alike_each_keeps_its_own_fills(self) -> None:
        """The first was lost and given up; the second looks the same and is filled before its answer comes."""
        self.fault(Fault.LOSE_REQUEST, "placeOrder")
        first = self.place("ilp-1")
        self.settled(lambda: first.state is OrderState.REFUSED, 6)
        self.fault(Fault.DELAY, "placeOrder", seconds=0.3)
        second = self.place("ilp-2")
        self.pass_(0.05)
        self.sell_to_us("0.1")
        self.settled(lambda: second.final, 3)
        self.assertEqual((first.filled, second.filled), (D(0), D("0.1")))
        self.assertEqual(first.state, OrderState.REFUSED)


class AmendTests(DeskCase):
    def amend(self, order: OwnOrder, quantity: str = "0.1", price: Decimal = PRICE + 100) -> None:
        request = OrderRequest(order.key, "target", "BTC/HUF", Side.BUY, D(quantity), price, Purpose.QUOTE)
        self.desk.amend(order, request)

    def placed(self) -> OwnOrder:
        order = self.place()
        self.pass_(0.05)
        return order

    def really(self) -> list[tuple[int, Decimal, Decimal]]:
        return [(o.id, HUF.amount(o.price), BTC.amount(o.quantity_left)) for o in self.world.open_orders()]

    def test_price_and_quantity_change_in_place(self) -> None:
        order = self.placed()
        self.sell_to_us("0.04")
        self.pass_(0.05)
        self.amend(order)
        self.pass_(0.05)
        self.assertEqual(self.really(), [(1, PRICE + 100, D("0.1"))])
        self.assertEqual(
            (order.price, order.quantity, order.left, order.amending), (PRICE + 100, D("0.14"), D("0.1"), None)
        )

    def test_until_the_answer_the_larger_quantity_counts(self) -> None:
        order = self.placed()
        self.amend(order, "0.3")
        self.assertEqual(order.left, D("0.3"))
        self.pass_(0.05)
        self.amend(order, "0.1")
        self.assertEqual(order.left, D("0.3"))
        self.pass_(0.05)
        self.assertEqual(order.left, D("0.1"))

    def test_a_fill_on_the_way_leaves_less_and_never_more(self) -> None:
        order = self.placed()
        self.amend(order)
        self.sell_to_us("0.04")
        self.pass_(0.1)
        self.assertEqual(self.really(), [(1, PRICE + 100, D("0.06"))])
        self.assertEqual(order.left, D("0.06"))

    def test_an_event_older_than_the_change_does_not_undo_it(self) -> None:
        order = self.placed()
        self.fault(Fault.DELAY, "event:order", seconds=0.5)
        self.sell_to_us("0.04")
        self.amend(order)
        self.pass_(1)
        self.assertEqual((order.price, order.quantity, order.left), (PRICE + 100, D("0.1"), D("0.06")))

    def test_one_that_comes_too_late_finds_the_fill(self) -> None:
        order = self.placed()
        self.sell_to_us("0.1")
        self.amend(order)
        self.pass_(1)
        self.assertEqual((order.state, order.filled), (OrderState.FINAL, D("0.1")))

    def test_one_that_is_refused_takes_the_order_off_the_book(self) -> None:
        order = self.placed()
        self.fault(Fault.REFUSE, "amendOrder", error=lambda: OrderRejected("target", "amend", "would cross"))
        self.amend(order)
        self.pass_(0.1)
        self.assertEqual((order.state, self.really()), (OrderState.FINAL, []))
        self.assertIn("would cross", order.note)

    def test_one_that_the_gate_turns_away_takes_the_order_off_the_book(self) -> None:
        order = self.placed()
        self.amend(order, price=PRICE * 2)
        self.pass_(0.1)
        self.assertEqual((order.state, self.really()), (OrderState.FINAL, []))
        self.assertIn("price band", order.note)

    def test_one_whose_answer_was_lost_is_settled_by_the_records(self) -> None:
        for fault, price in ((Fault.LOSE_ANSWER, PRICE + 100), (Fault.LOSE_REQUEST, PRICE)):
            order = self.place(f"ilp-{fault.name}")
            self.pass_(0.05)
            self.fault(fault, "amendOrder")
            self.fault(Fault.LOSE_REQUEST, "event:order")
            self.amend(order)
            self.pass_(1.5)
            self.assertEqual((order.price, order.amending, order.state), (price, None, OrderState.OPEN), fault)


class ClearingTests(DeskCase):
    def test_everything_of_ours_is_cancelled_and_counted(self) -> None:
        for number in range(3):
            self.place(f"ilp-{number}")
        self.pass_(0.05)
        left: list[int] = []
        self.desk.run(self.clear(left))
        self.pass_(0.3)
        self.assertEqual((left, self.really_open(), self.desk.live()), ([0], [], []))

    def test_a_venue_that_cannot_cancel_everything_at_once_cancels_one_by_one(self) -> None:
        self.client.features = SPUTNIK
        self.client._lacks = frozenset({"cancelAllOrders"})
        for number in range(3):
            self.place(f"ilp-{number}")
        self.pass_(0.05)
        left: list[int] = []
        self.desk.run(self.clear(left))
        self.pass_(0.3)
        self.assertEqual((left, self.really_open(), self.desk.live()), ([0], [], []))

    async def clear(self, left: list[int]) -> None:
        left.append(await self.audit.clear("target"))

    def test_an_operators_order_is_left_alone_where_client_ids_tell(self) -> None:
        self.world.target_core.place(
            "pool", "BTC/HUF", Side.BUY, HUF.units(PRICE), BTC.units(D("0.1")), client_id="mine"
        )
        self.world.target_core.place(
            "pool", "BTC/HUF", Side.BUY, HUF.units(PRICE), BTC.units(D("0.1")), client_id="ilp-old-1"
        )
        left: list[int] = []
        self.desk.run(self.clear(left))
        self.pass_(0.3)
        self.assertEqual((left, self.really_open()), ([0], [1]))

    def test_an_order_of_an_earlier_run_is_settled_by_the_records(self) -> None:
        self.world.target_core.place(
            "pool", "BTC/HUF", Side.BUY, HUF.units(PRICE), BTC.units(D("0.1")), client_id="ilp-old-1"
        )
        self.sell_to_us("0.07")
        entry = OrderEntry(
            "target",
            "ilp-old-1",
            "1",
            Purpose.QUOTE,
            "BTC/HUF",
            Side.BUY,
            PRICE,
            D("0.1"),
            D("0.02"),
            OrderState.OPEN,
            START,
        )
        self.desk.recover([entry, entry])
        self.assertEqual(len(self.desk.live()), 1)
        self.desk.run(self.clear([]))
        self.pass_(0.5)
        self.assertEqual([(fill[0], fill[1]) for fill in self.told.fills], [("ilp-old-1", D("0.05"))])
        self.assertEqual((self.really_open(), self.desk.live()), ([], []))
