"""What all clients of a venue share: readiness, the end of a connection, and orders without an id."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import NotAuthorised, OrderRejected, OutcomeUnknown, Refused, Side, Unreachable
from clients.provisional import Provisional, placed
from clients.venue import VenueClient, cash_market, decimals_only


@define(eq=False)
class Held:
    steps: list[str] = field(factory=list)

    def stop(self) -> None:
        self.steps.append("stopped")


class Venue(VenueClient[Held]):
    """Opens at once and stays open until told otherwise."""

    def __init__(self, clock: Clock, *, has_account: bool = True) -> None:
        super().__init__("venue", clock, has_account=has_account, random=Random(1))
        self.held, self.over = Held(), Deferred[Exception]()
        self._stay_connected(5.0, 0.5, 30.0)

    async def _open(self) -> Deferred[Exception]:
        self._live, self.over = self.held, Deferred()
        self.announce("connect", self)
        return self.over

    def lose(self) -> None:
        self._lost(self.held, RuntimeError("cut"), self.over, then=lambda: self.held.steps.append("told"))


class ConnectionTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.venue = Venue(self.clock)
        self.events: list[str] = []
        for event in ("connect", "disconnect", "alive"):
            self.venue.on(event, lambda _, *kinds, event=event: self.events.append(event))
        self.venue.on("disconnect", lambda _: self.venue.held.steps.append("announced"))

    def tearDown(self) -> None:
        self.successResultOf(self.venue._lifeline.stop())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_call_before_a_connection_is_unreachable_and_says_that_nothing_was_sent(self) -> None:
        error = self.assertRaises(Unreachable, self.venue._ready, "asking")
        self.assertIn("nothing was sent", str(error))

    def test_a_private_call_without_an_account_is_not_authorised(self) -> None:
        venue = Venue(self.clock, has_account=False)
        self.successResultOf(venue.connect())
        self.assertIs(venue._ready("reading"), venue.held)
        self.assertRaises(NotAuthorised, venue._ready, "trading", private=True)
        self.successResultOf(venue._lifeline.stop())

    def test_a_lost_connection_is_first_forgotten_then_told_then_announced(self) -> None:
        self.successResultOf(self.venue.connect())
        self.venue.lose()
        self.assertIsNone(self.venue._live)
        self.assertEqual(self.venue.held.steps, ["stopped", "told", "announced"])

    def test_the_end_of_a_connection_that_was_never_ready_is_not_announced(self) -> None:
        self.venue._lost(Held(), RuntimeError("cut"), Deferred())
        self.assertEqual(self.events, [])

    def test_a_connection_ends_once(self) -> None:
        self.successResultOf(self.venue.connect())
        self.venue.lose()
        self.venue.lose()
        self.assertEqual(self.events.count("disconnect"), 1)

    def test_the_end_of_a_connection_that_was_never_ready_leaves_another_ones_readiness_alone(self) -> None:
        self.successResultOf(self.venue.connect())
        self.venue._lost(Held(), RuntimeError("cut"), Deferred())
        self.assertIs(self.venue._live, self.venue.held)

    def test_whoever_waits_for_the_end_hears_its_reason_once(self) -> None:
        ended: Deferred[Exception] = Deferred()
        heard: list[Exception] = []
        ended.addCallback(heard.append)
        reason = RuntimeError("cut")
        for _ in range(2):
            self.venue._lost(Held(), reason, ended)
        self.assertEqual(heard, [reason])

    def test_trouble_is_announced(self) -> None:
        troubles: list[Exception] = []
        self.venue.on("error", troubles.append)
        trouble = RuntimeError("odd")
        self.venue._trouble(trouble)
        self.assertEqual(troubles, [trouble])

    def test_being_alive_is_told_at_most_twice_a_second(self) -> None:
        self.successResultOf(self.venue.connect())
        for _ in range(100):
            self.venue._say_alive()
            self.clock.advance(0.02)
        self.assertEqual(self.events.count("alive"), 4)

    def test_what_one_connection_carries_is_told_beside_what_another_does(self) -> None:
        told: list[tuple[str, ...]] = []
        self.venue.on("alive", lambda _, *kinds: told.append(kinds))
        self.successResultOf(self.venue.connect())
        for _ in range(3):
            self.venue._say_alive("book")
            self.venue._say_alive("orders", "balances")
        self.assertEqual(told, [("book",), ("orders", "balances")])

    def test_nothing_is_alive_without_a_connection(self) -> None:
        self.venue._say_alive()
        self.assertEqual(self.events, [])


class ArgumentTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.venue = Venue(Clock())

    def test_a_sides_text_is_as_good_as_the_side(self) -> None:
        self.assertEqual([self.venue._way(Side.BUY, "x"), self.venue._way("BUY", "x")], [Side.BUY, Side.BUY])

    def test_another_side_is_rejected_by_name(self) -> None:
        self.assertIn("HOLD", str(self.assertRaises(OrderRejected, self.venue._way, "HOLD", "placing")))

    def test_an_order_is_looked_up_by_exactly_one_id(self) -> None:
        for ids in ((None, None), ("a", "b")):
            self.assertRaises(Refused, self.venue._either, *ids, "looking")
        self.venue._either("a", None, "looking")

    def test_a_period_that_is_not_allowed_is_refused_with_those_that_are(self) -> None:
        error = self.assertRaises(Refused, self.venue._allowed_period, "week", "reading", ("minute", "day"))
        self.assertIn("minute, day", str(error))
        self.venue._allowed_period("day", "reading", ("minute", "day"))

    def test_a_float_never_becomes_an_order(self) -> None:
        wrong: Any = 1.5
        self.assertIn("quantity 1.5", str(self.assertRaises(TypeError, decimals_only, "placing", wrong, Decimal(1))))
        decimals_only("placing", Decimal(1), Decimal(1))

    def test_fresh_client_ids_differ(self) -> None:
        self.assertEqual(len({self.venue._fresh_client_id() for _ in range(100)}), 100)

    def test_client_ids_follow_from_the_seed_that_was_given(self) -> None:
        self.assertEqual(self.venue._fresh_client_id(), Venue(Clock())._fresh_client_id())
        self.assertEqual(UUID(self.venue._fresh_client_id()).version, 4)

    def test_without_a_seed_no_two_clients_make_the_same(self) -> None:
        clients = [VenueClient[Held]("venue", Clock(), has_account=True) for _ in range(2)]
        self.assertNotEqual(clients[0]._fresh_client_id(), clients[1]._fresh_client_id())

    def test_a_currency_as_a_market_has_the_step_and_the_least_withdrawal(self) -> None:
        record = cash_market("BTC", Decimal("1E-8"), Decimal("0.001"))
        expected = {
            "contract": "BTC", "kind": "cash", "base": None, "quote": None, "tick_size": Decimal("1E-8"),
            "lot_size": Decimal("1E-8"), "min_quantity": Decimal("0.001"), "min_notional": Decimal(0),
        }  # fmt: skip
        self.assertEqual(record, expected)


class PlacingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.order = Provisional("mine", "BTC/USD")
        self.answer: Deferred[str] = Deferred()
        self.troubles: list[Exception] = []
        self.over: list[bool] = []
        self.told = placed(
            self.order,
            self._send(),
            lambda order, id: order.settle(id),
            self.troubles.append,
            lambda: self.over.append(True),
        )

    async def _send(self) -> None:
        self.order.settle(await self.answer)

    def test_the_answer_tells_the_id(self) -> None:
        self.answer.callback("1")
        self.assertEqual(self.successResultOf(self.told), "1")
        self.assertEqual(self.over, [True])

    def test_a_stream_may_tell_it_first_and_a_lost_answer_is_then_no_failure(self) -> None:
        self.order.settle("1")
        self.assertEqual(self.successResultOf(self.told), "1")
        self.answer.errback(OutcomeUnknown("venue", "placing", "no answer"))
        self.assertEqual((self.troubles, self.over), ([], [True]))

    def test_a_lost_answer_without_an_id_is_the_callers_error(self) -> None:
        fate = self.order.fate()
        self.answer.errback(OutcomeUnknown("venue", "placing", "no answer"))
        self.failureResultOf(self.told, OutcomeUnknown)
        self.assertIsNone(self.successResultOf(fate))

    def test_a_refusal_after_the_id_was_told_is_reported(self) -> None:
        self.order.settle("1")
        self.successResultOf(self.told)
        self.answer.errback(OrderRejected("venue", "placing", "too late"))
        self.assertEqual([type(error) for error in self.troubles], [OrderRejected])

    def test_an_id_that_was_told_stays(self) -> None:
        self.order.settle("1")
        self.order.settle("2")
        self.order.settle(None)
        self.assertEqual(self.order.order_id, "1")
        self.assertEqual(self.successResultOf(self.told), "1")
        self.answer.callback("2")

    def test_cancelling_ends_the_waiting_and_not_the_sending(self) -> None:
        self.told.cancel()
        self.failureResultOf(self.told)
        self.answer.callback("1")
        self.assertEqual(self.order.order_id, "1")
