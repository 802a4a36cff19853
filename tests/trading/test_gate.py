"""The last door: what it lets pass, what it turns away, and that nothing goes round it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from attrs import define, evolve, field
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import IExchange, OutcomeUnknown, Side, Unreachable
from ilp.journal.entries import Purpose
from ilp.trading.gate import (
    Breach,
    Forbidden,
    Gate,
    OrderRequest,
    TurnedAway,
    WithdrawalRequest,
    over_fall,
    over_loss,
)
from ilp.trading.permissions import Act, Leave
from ilp.trading.reader import VenueReader
from tests.trading.world import LIMITS

D = Decimal
NOON = datetime(2024, 3, 4, 12, tzinfo=UTC)
LANE = ("BTC", "source", "target")


@define
class Venue:
    """Takes everything and remembers it."""

    features: frozenset[str] = frozenset({"client_id"})
    sent: list[tuple[object, ...]] = field(factory=list)
    answer: Callable[[], Deferred[str]] = lambda: succeed("w")

    def placeOrder(self, *args: object, **more: object) -> Deferred[str]:
        self.sent.append((*args, more))
        return succeed(str(len(self.sent)))

    def amendOrder(self, *args: object) -> Deferred[bool]:
        self.sent.append(args)
        return succeed(True)

    def requestWithdrawal(self, *args: object) -> Deferred[str]:
        self.sent.append(args)
        return self.answer()


@define
class World:
    """What the gate asks."""

    allowed: bool = True
    price: Decimal | None = Decimal(250)
    count: int = 0
    quoted: Decimal = Decimal(0)
    open: Decimal = Decimal(0)
    size: Decimal = Decimal("0.1")
    balance: Decimal = Decimal(2)
    but: str = "?"
    asked: list[tuple[Act, str, Leave]] = field(factory=list)

    def permitted(self, act: Act, venue: str, by: Leave) -> bool:
        self.asked.append((act, venue, by))
        return self.allowed

    def reference(self, venue: str, ticker: str) -> Decimal | None:
        return self.price

    def resting(self, venue: str, ticker: str, side: Side, but: str) -> tuple[int, Decimal]:
        return self.count, self.quoted

    def exposure(self) -> Decimal:
        return self.open

    def quote_size(self) -> Decimal:
        return self.size

    def left(self, venue: str, asset: str, but: str) -> Decimal:
        self.but = but
        return self.balance

    def addresses(self, lane: tuple[str, str, str]) -> frozenset[str]:
        return frozenset({"good"})


ORDER = OrderRequest("k-1", "source", "BTC/USD", Side.BUY, D("0.1"), D(250), Purpose.HEDGE)
WITHDRAWAL = WithdrawalRequest("t-1", "source", "BTC", D(1), "good", LANE, D(250), True)


class GateCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.seconds, self.now = 0.0, NOON
        self.venue, self.world = Venue(), World()
        self.breaches: list[Breach] = []
        self.limits = evolve(LIMITS, orders_per_minute=3, open_orders=2, turnover_per_day=D(1), transfers_per_day=2)
        self.gate = Gate(
            {"source": self.venue},
            self.limits,
            self.world,
            lambda: self.seconds,
            lambda: self.now,
            self.breaches.append,
        )

    def passes(self, request: OrderRequest) -> None:
        self.successResultOf(self.gate.place(request))

    def breach(self, request: OrderRequest, limit: str) -> Breach:
        before = len(self.venue.sent)
        failure = self.failureResultOf(self.gate.place(request), Breach)
        self.assertEqual(len(self.venue.sent), before)
        self.assertEqual(failure.value.limit, limit)
        self.assertIs(self.breaches[-1], failure.value)
        return failure.value


class OrderTests(GateCase):
    def test_what_is_within_all_limits_is_sent_as_it_is(self) -> None:
        self.passes(ORDER)
        ticker, quantity, price, side, more = self.venue.sent[0]
        self.assertEqual((ticker, quantity, price, side), ("BTC/USD", D("0.1"), D(250), Side.BUY))
        self.assertEqual(more, {"post_only": False, "immediate": False, "client_id": "k-1", "urgent": True})

    def test_only_hedges_are_urgent(self) -> None:
        self.passes(evolve(ORDER, purpose=Purpose.QUOTE))
        self.assertEqual(self.venue.sent[0][-1]["urgent"], False)

    def test_a_venue_without_client_ids_gets_none(self) -> None:
        self.venue.features = frozenset()
        self.passes(ORDER)
        self.assertIsNone(self.venue.sent[0][-1]["client_id"])

    def test_what_the_state_forbids_is_turned_away_and_does_not_halt(self) -> None:
        self.world.allowed = False
        self.failureResultOf(self.gate.place(ORDER), Forbidden)
        self.assertEqual((self.venue.sent, self.breaches), ([], []))

    def test_permission_is_asked_for_the_purpose_and_the_wish(self) -> None:
        for purpose, act in ((Purpose.QUOTE, Act.QUOTE), (Purpose.HEDGE, Act.HEDGE), (Purpose.PLAN, Act.PLAN_TRADE)):
            self.gate.place(evolve(ORDER, purpose=purpose, by=Leave.OPERATOR)).addErrback(lambda _: None)
            self.assertEqual(self.world.asked[-1], (act, "source", Leave.OPERATOR))

    def test_without_a_reference_nothing_is_sent(self) -> None:
        self.world.price = None
        self.failureResultOf(self.gate.place(ORDER), Forbidden)
        self.assertEqual(self.venue.sent, [])

    def test_the_price_band_is_closed_at_both_ends(self) -> None:
        self.passes(evolve(ORDER, price=D(300)))
        self.passes(evolve(ORDER, price=D(200)))
        breach = self.breach(evolve(ORDER, price=D("300.01")), "price band")
        self.assertIn("20.00% from 250", str(breach))
        self.breach(evolve(ORDER, price=D("199.99")), "price band")

    def test_the_largest_order_may_be_sent_and_no_larger_one(self) -> None:
        self.gate.limits = evolve(self.limits, turnover_per_day=D(100))
        self.passes(evolve(ORDER, quantity=D(5)))
        self.breach(evolve(ORDER, quantity=D("5.01")), "largest order")

    def test_a_quantity_or_price_that_is_not_positive_is_a_breach(self) -> None:
        for request in (evolve(ORDER, quantity=D(0)), evolve(ORDER, quantity=D(-1)), evolve(ORDER, price=D(0))):
            self.breach(request, "order")

    def test_open_orders_of_a_side_are_limited(self) -> None:
        self.world.count = 1
        self.passes(ORDER)
        self.world.count = 2
        self.breach(ORDER, "open orders")

    def test_quotes_of_a_side_never_exceed_the_quote_size(self) -> None:
        quote = evolve(ORDER, purpose=Purpose.QUOTE, quantity=D("0.04"))
        self.world.quoted = D("0.06")
        self.passes(quote)
        self.world.quoted = D("0.07")
        self.breach(quote, "size per side")

    def test_a_quote_that_adds_to_an_exposure_beyond_its_limit_is_a_breach(self) -> None:
        self.world.open = D("0.6")
        self.breach(evolve(ORDER, purpose=Purpose.QUOTE, side=Side.BUY), "exposure")
        self.passes(evolve(ORDER, purpose=Purpose.QUOTE, side=Side.SELL))
        self.passes(evolve(ORDER, purpose=Purpose.HEDGE, side=Side.SELL))

    def test_orders_a_minute_are_counted_by_venue_and_forgotten_after_it(self) -> None:
        for _ in range(3):
            self.passes(ORDER)
        self.assertEqual(self.gate.room("source"), 0)
        self.assertEqual(self.gate.room("target"), 3)
        self.breach(ORDER, "orders a minute")
        self.seconds = 60.0
        self.passes(ORDER)

    def test_a_minute_is_full_when_no_more_is_left_than_what_is_to_be_spared(self) -> None:
        self.passes(ORDER)
        self.assertEqual([self.gate.full("source", spare) for spare in (0, 1)], ["", ""])
        self.assertEqual(self.gate.full("source", 2), "3 orders went to source within a minute, the limit")
        self.passes(ORDER)
        self.passes(ORDER)
        self.assertNotEqual(self.gate.full("source"), "")
        self.assertEqual(self.gate.full("target", 2), "")

    def test_only_what_is_a_minute_old_leaves_the_count_of_a_minute(self) -> None:
        self.passes(ORDER)
        self.seconds = 30.0
        self.passes(ORDER)
        self.seconds = 60.0
        self.assertEqual(self.gate.room("source"), 2)
        self.seconds = 89.0
        self.assertEqual(self.gate.room("source"), 2)
        self.seconds = 90.0
        self.assertEqual(self.gate.room("source"), 3)

    def test_a_price_and_a_quantity_below_one_are_as_good_as_any(self) -> None:
        self.world.price = D("0.0037")
        self.passes(evolve(ORDER, price=D("0.0037"), quantity=D("0.001")))

    def test_an_exposure_of_just_the_limit_still_lets_a_quote_pass_and_one_beyond_it_none_that_adds(self) -> None:
        limit = self.limits.exposure
        for side, sign in ((Side.BUY, 1), (Side.SELL, -1)):
            quote = evolve(ORDER, purpose=Purpose.QUOTE, side=side)
            self.setUp()
            self.world.open = sign * limit
            self.passes(quote)
            self.world.open = sign * (limit + D("0.01"))
            self.assertEqual(self.breach(quote, "exposure").value, limit + D("0.01"))

    def test_whoever_counts_is_told_of_what_was_sent_and_of_nothing_else(self) -> None:
        told: list[OrderRequest] = []
        self.gate.sent = told.append
        self.passes(ORDER)
        self.world.allowed = False
        self.failureResultOf(self.gate.place(ORDER), Forbidden)
        self.assertEqual(told, [ORDER])

    def test_a_loss_beyond_the_limit_stops_quotes_and_plans_but_no_hedge(self) -> None:
        self.gate.loss = lambda: self.limits.loss_per_day + 1
        self.passes(ORDER)
        for purpose in (Purpose.QUOTE, Purpose.PLAN):
            self.breach(evolve(ORDER, purpose=purpose), "loss a day")

    def test_a_loss_of_just_the_limit_is_allowed(self) -> None:
        self.gate.loss = lambda: self.limits.loss_per_day
        self.passes(evolve(ORDER, purpose=Purpose.QUOTE))

    def test_a_fall_of_equity_beyond_the_limit_stops_quotes_and_plans_but_no_hedge(self) -> None:
        self.gate.limits = evolve(self.limits, equity_fall_per_day=D(50))
        self.gate.fall = lambda: D("50.01")
        self.passes(ORDER)
        for purpose in (Purpose.QUOTE, Purpose.PLAN):
            self.breach(evolve(ORDER, purpose=purpose), "fall of equity a day")
        self.gate.fall = lambda: D(50)
        self.passes(evolve(ORDER, purpose=Purpose.QUOTE))

    def test_without_such_a_limit_equity_may_fall(self) -> None:
        self.gate.fall = lambda: D(10**9)
        self.passes(evolve(ORDER, purpose=Purpose.QUOTE))

    def kept(self, **amounts: str) -> None:
        self.gate.limits = evolve(self.limits, keep_source={asset: D(text) for asset, text in amounts.items()})

    def test_a_sale_leaves_the_smallest_balance_where_it_is(self) -> None:
        self.kept(BTC="1.9")
        selling = evolve(ORDER, purpose=Purpose.QUOTE, side=Side.SELL)
        self.passes(selling)
        self.assertEqual(self.world.but, "k-1")
        self.kept(BTC="1.91")
        self.breach(selling, "smallest balance")
        self.passes(evolve(selling, side=Side.BUY))

    def test_a_purchase_leaves_the_smallest_balance_of_what_it_pays_with(self) -> None:
        buying = evolve(ORDER, purpose=Purpose.PLAN)
        self.world.balance = D(100)
        self.kept(USD="75")
        self.passes(buying)
        self.kept(USD="75.01")
        self.breach(buying, "smallest balance")

    def test_a_hedge_may_use_what_is_kept(self) -> None:
        self.kept(BTC="100", USD="100")
        self.passes(ORDER)

    def test_turnover_counts_fills_of_the_last_day(self) -> None:
        self.gate.filled(D("0.95"), NOON)
        self.breach(ORDER, "turnover a day")
        self.gate.filled(D("0.3"), NOON + timedelta(hours=1))
        self.assertEqual(self.gate.turnover(), D("1.25"))
        self.now += timedelta(days=1)
        self.assertEqual(self.gate.turnover(), D("0.3"))
        self.now += timedelta(hours=1)
        self.assertEqual(self.gate.turnover(), D(0))
        self.passes(ORDER)

    def test_a_fill_counts_for_a_whole_day_and_a_minute_more_at_most(self) -> None:
        times = [NOON + timedelta(seconds=7 * n) for n in range(40)]
        for at in times:
            self.gate.filled(D(1), at)
        for second in range(0, 400, 5):
            self.now = NOON + timedelta(days=1, seconds=second)
            within = sum(at > self.now - timedelta(days=1) for at in times)
            a_minute_more = sum(at > self.now - timedelta(days=1, minutes=1) for at in times)
            self.assertTrue(within <= self.gate.turnover() <= a_minute_more, second)
        self.assertEqual(self.gate.turnover(), D(0))

    def test_a_quote_that_is_filled_in_thousands_of_parts_is_remembered_by_the_minute(self) -> None:
        for part in range(6000):
            self.gate.filled(D("0.0001"), NOON + timedelta(milliseconds=20 * part))
        self.assertEqual((len(self.gate._turnover), self.gate.turnover()), (2, D("0.6")))


class AmendTests(GateCase):
    """An amended order is held to what a new one would be."""

    def amended(self, request: OrderRequest = ORDER) -> Deferred[bool]:
        return self.gate.amend("7", D("0.15"), request)

    def test_the_venue_gets_the_whole_quantity_and_the_new_price(self) -> None:
        self.assertIs(self.successResultOf(self.amended()), True)
        self.assertEqual(self.venue.sent, [("7", D("0.15"), D(250))])

    def test_what_the_state_forbids_is_not_amended(self) -> None:
        self.world.allowed = False
        self.failureResultOf(self.amended(), Forbidden)
        self.assertEqual(self.venue.sent, [])

    def test_permission_is_asked_for_the_purpose_and_the_wish(self) -> None:
        self.successResultOf(self.amended(evolve(ORDER, purpose=Purpose.QUOTE, by=Leave.OPERATOR)))
        self.assertEqual(self.world.asked, [(Act.QUOTE, "source", Leave.OPERATOR)])

    def test_what_is_beyond_a_limit_is_not_amended_and_told_as_a_breach(self) -> None:
        failure = self.failureResultOf(self.amended(evolve(ORDER, price=D(301))), Breach)
        self.assertEqual((failure.value.limit, self.breaches), ("price band", [failure.value]))
        self.assertEqual(self.venue.sent, [])

    def test_an_amendment_is_one_of_the_orders_of_a_minute(self) -> None:
        self.successResultOf(self.amended())
        self.assertEqual(self.gate.room("source"), 2)

    def test_whoever_counts_is_told_of_an_amendment(self) -> None:
        told: list[OrderRequest] = []
        self.gate.amended = told.append
        self.successResultOf(self.amended())
        self.assertEqual(told, [ORDER])


class OverTests(SynchronousTestCase):
    """Limits that are broken without anything being sent."""

    def test_a_loss_of_just_the_limit_is_no_breach_and_a_cent_more_is(self) -> None:
        self.assertIsNone(over_loss(D(100), D(100)))
        breach = over_loss(D("100.01"), D(100))
        assert breach is not None
        self.assertEqual((breach.limit, breach.value, breach.allowed), ("loss a day", "100.01", D(100)))

    def test_a_gain_is_never_a_breach(self) -> None:
        self.assertIsNone(over_loss(D(-5), D(0)))

    def test_a_fall_of_just_the_limit_is_no_breach_and_a_cent_more_is(self) -> None:
        self.assertIsNone(over_fall(D(100), D(100)))
        breach = over_fall(D("100.01"), D(100))
        assert breach is not None
        self.assertEqual((breach.limit, breach.value, breach.allowed), ("fall of equity a day", "100.01", D(100)))

    def test_where_no_fall_is_limited_none_is_a_breach(self) -> None:
        self.assertIsNone(over_fall(D(10**9), D(0)))


class WithdrawalTests(GateCase):
    def leaves(self, request: WithdrawalRequest) -> None:
        self.successResultOf(self.gate.withdraw(request))

    def stays(self, request: WithdrawalRequest, limit: str) -> None:
        before = len(self.venue.sent)
        self.assertEqual(self.failureResultOf(self.gate.withdraw(request), Breach).value.limit, limit)
        self.assertEqual(len(self.venue.sent), before)

    def test_a_withdrawal_within_the_limits_leaves(self) -> None:
        self.leaves(WITHDRAWAL)
        self.assertEqual(self.venue.sent, [("BTC", D(1), "good")])

    def test_it_goes_to_listed_addresses_only_and_the_refusal_does_not_repeat_the_address(self) -> None:
        self.stays(evolve(WITHDRAWAL, address="evil"), "address")
        self.assertNotIn("evil", str(self.breaches[0]))

    def test_coins_are_limited_by_amount_and_other_money_by_value(self) -> None:
        self.stays(evolve(WITHDRAWAL, amount=D("10.1")), "largest coin transfer")
        fiat = evolve(WITHDRAWAL, asset="USD", amount=D(30_000), value=D(30_000), coin=False)
        self.stays(fiat, "largest fiat transfer")
        self.leaves(evolve(fiat, value=D(20_000)))

    def test_transfers_a_day_are_counted_by_lane_and_earlier_runs_count(self) -> None:
        self.gate.departed(LANE, NOON)
        self.leaves(WITHDRAWAL)
        self.stays(WITHDRAWAL, "transfers a day")
        self.leaves(evolve(WITHDRAWAL, lane=("BTC", "target", "source")))
        self.now += timedelta(days=1)
        self.leaves(WITHDRAWAL)

    def test_what_would_be_beyond_a_limit_can_be_asked_and_is_no_breach_before_it_is_sent(self) -> None:
        self.gate.departed(LANE, NOON)
        self.assertIsNone(self.gate.beyond(WITHDRAWAL))
        self.gate.departed(LANE, NOON)
        self.assertEqual(str(self.gate.beyond(WITHDRAWAL)), f"transfers a day: 3, allowed 2 ({WITHDRAWAL})")
        self.assertEqual((self.breaches, self.venue.sent), ([], []))
        self.stays(WITHDRAWAL, "transfers a day")

    def test_what_a_venue_could_not_be_asked_for_is_not_counted(self) -> None:
        """A venue that is out of reach is asked again and again: nothing has left, and nothing must halt the pool."""
        for refusal in (Unreachable("source", "withdrawing", "no connection"), NotImplementedError("by hand")):
            self.venue.answer = lambda refusal=refusal: fail(refusal)
            for _ in range(5):
                self.failureResultOf(self.gate.withdraw(WITHDRAWAL), type(refusal))
        self.assertEqual(self.breaches, [])

    def test_what_may_have_left_is_counted(self) -> None:
        self.venue.answer = lambda: fail(OutcomeUnknown("source", "withdrawing", "no answer in 10 s"))
        for _ in range(2):
            self.failureResultOf(self.gate.withdraw(WITHDRAWAL), OutcomeUnknown)
        self.assertEqual(self.failureResultOf(self.gate.withdraw(WITHDRAWAL), Breach).value.limit, "transfers a day")

    def test_only_what_is_a_day_old_leaves_the_count_of_a_day(self) -> None:
        self.leaves(WITHDRAWAL)
        self.now += timedelta(hours=12)
        self.leaves(WITHDRAWAL)
        self.now += timedelta(hours=12)
        self.leaves(WITHDRAWAL)
        self.now += timedelta(hours=11)
        self.stays(WITHDRAWAL, "transfers a day")

    def test_a_withdrawal_leaves_the_smallest_balance_where_it_is(self) -> None:
        self.gate.limits = evolve(self.limits, keep_source={"BTC": D(1)})
        self.successResultOf(self.gate.withdraw(WITHDRAWAL))
        self.assertEqual(self.world.but, "t-1")
        self.gate.limits = evolve(self.limits, keep_source={"BTC": D("1.01")})
        failure = self.failureResultOf(self.gate.withdraw(WITHDRAWAL), Breach)
        self.assertEqual(failure.value.limit, "smallest balance")

    def test_an_amount_that_is_not_positive_is_a_breach(self) -> None:
        self.stays(evolve(WITHDRAWAL, amount=D(0)), "transfer")

    def test_what_the_state_forbids_stays(self) -> None:
        self.world.allowed = False
        self.failureResultOf(self.gate.withdraw(WITHDRAWAL), Forbidden)
        self.assertEqual((self.venue.sent, self.breaches), ([], []))


class BypassTests(GateCase):
    """Nothing goes round the gate, whatever is asked of it in whatever order."""

    def test_a_reader_offers_nothing_that_places_amends_or_withdraws(self) -> None:
        reader = VenueReader(self.venue)
        offered = {name for name in dir(reader) if not name.startswith("_")}
        self.assertEqual(offered & {"placeOrder", "amendOrder", "requestWithdrawal", "getNewAddress"}, set())

    def test_a_reader_offers_nothing_that_the_interface_does_not_have(self) -> None:
        ours = {"given", "markets", "cancelled"}
        offered = {name for name in dir(VenueReader) if not name.startswith("_")} - ours
        self.assertEqual(offered - set(IExchange.names(all=True)), {"getServerTime"})  # which only asks for the time

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(list(Purpose)),
                st.sampled_from(list(Side)),
                st.decimals("-1", "7", places=2),
                st.decimals("0", "400", places=0),
                st.integers(0, 3),
                st.decimals("0", "0.2", places=2),
                st.decimals("-1", "1", places=1),
                st.floats(0, 40),
            ),
            max_size=12,
        )
    )
    @hypothesis_settings(max_examples=80, deadline=None)
    def test_whatever_reaches_the_venue_was_within_every_limit(self, requests: list[tuple[object, ...]]) -> None:
        self.setUp()
        times: list[float] = []
        for number, (purpose, side, quantity, price, count, quoted, exposure, wait) in enumerate(requests):
            self.seconds += wait
            self.world.count, self.world.quoted, self.world.open = count, quoted, exposure
            request = OrderRequest(str(number), "source", "BTC/USD", side, quantity, price, purpose)
            before = len(self.venue.sent)
            self.gate.place(request).addErrback(lambda failure: failure.trap(TurnedAway))
            if len(self.venue.sent) == before:
                continue
            times.append(self.seconds)
            self.assertTrue(0 < request.quantity <= self.limits.turnover_per_day)
            self.assertLessEqual(abs(request.price / 250 - 1), self.limits.price_band)
            self.assertLess(self.world.count, self.limits.open_orders)
            self.assertLessEqual(len([time for time in times if time > self.seconds - 60]), 3)
            if purpose is Purpose.QUOTE:
                self.assertLessEqual(self.world.quoted + request.quantity, self.world.size)
                self.assertLessEqual(self.world.open * (1 if side is Side.BUY else -1), self.limits.exposure)

    @hypothesis_settings(deadline=None, max_examples=60)
    @given(
        st.lists(
            st.tuples(
                st.sampled_from([*Purpose, None]),  # None: a withdrawal
                st.sampled_from(list(Side)),
                st.decimals("0.1", "0.5", places=1),
                st.decimals("0", "3", places=1),  # what the holding would be
                st.decimals("0", "2", places=1),  # what is kept of it
                st.decimals("0", "200000", places=0),  # what the day has lost
                st.decimals("0", "0.4", places=1),  # what trades afterwards
                st.sampled_from(["good", "bad", ""]),
                st.sampled_from([0, 1, 13]),  # hours
            ),
            max_size=12,
        )
    )
    def test_no_order_and_no_withdrawal_leaves_beyond_loss_balance_turnover_or_address(
        self, requests: list[tuple[object, ...]]
    ) -> None:
        self.setUp()
        traded: list[tuple[datetime, Decimal]] = []
        left: list[datetime] = []
        for number, (purpose, side, quantity, holding, kept, loss, fills, address, hours) in enumerate(requests):
            self.now += timedelta(hours=hours)
            self.seconds += 3600
            self.world.balance = holding
            self.gate.limits = evolve(self.limits, keep_source={"BTC": kept})
            self.gate.loss = lambda loss=loss: loss
            before = len(self.venue.sent)
            if purpose is None:
                wanted = evolve(WITHDRAWAL, amount=quantity, address=address)
                self.gate.withdraw(wanted).addErrback(lambda failure: failure.trap(TurnedAway))
            else:
                order = evolve(ORDER, key=str(number), purpose=purpose, side=side, quantity=quantity)
                self.world.size = D(1)
                self.gate.place(order).addErrback(lambda failure: failure.trap(TurnedAway))
            if len(self.venue.sent) == before:
                continue
            if purpose is None:
                left.append(self.now)
                self.assertEqual(address, "good")
                self.assertLessEqual(len([at for at in left if at > self.now - timedelta(days=1)]), 2)
            else:
                day = sum((q for at, q in traded if at > self.now - timedelta(days=1)), D(0))
                self.assertLessEqual(day + quantity, self.limits.turnover_per_day)
                self.gate.filled(fills, self.now)
                traded.append((self.now, fills))
            if purpose in (Purpose.QUOTE, Purpose.PLAN):
                self.assertLessEqual(loss, self.limits.loss_per_day)
            if kept and (purpose is None or (purpose is not Purpose.HEDGE and side is Side.SELL)):
                self.assertGreaterEqual(holding - quantity, kept)
