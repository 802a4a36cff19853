"""When an exposure is closed, what it waits for, and when its alarm goes off; one call at a time."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from ilp.journal.entries import HedgeEntry, OrderState, Purpose
from ilp.trading.exposure import Exposure, Open
from ilp.trading.gate import OrderRequest
from ilp.trading.hedger import HOLD_OFF, PAUSE, Hedger
from ilp.trading.layout import Layout, Pair
from ilp.trading.own import OwnOrder
from ilp.trading.permissions import Act, Leave
from ilp.trading.sides import Sides
from ilp.trading.transfers_account import Outstanding
from tests.trading.test_hedging import BOOK, RULES
from tests.trading.world import LIMITS, PARAMETERS, START, TIMING, D

SOURCE = Pair("source", "BTC/USD")


class Stage:
    """What a hedger sees of the trader; each part is what the test says."""

    def __init__(self) -> None:
        self.time = 100.0
        self.layout = Layout(SOURCE, Pair("target", "BTC/HUF"))
        self.parameters = evolve(PARAMETERS, max_unhedged=D(0), max_slippage=D("0.005"))
        self.limits = LIMITS
        self.settings = SimpleNamespace(timing=TIMING)
        self.exposure = Exposure(iter(map(str, range(99))).__next__)
        self.minimum = D("0.05")
        self.book = BOOK
        self.reference: Decimal | None = D(250)
        self.allowed, self.pause, self.trouble, self.full = True, "", "", ""
        self.balances = {"BTC": D(10), "USD": D(10_000)}
        self.features: frozenset[str] = frozenset()
        self.live: list[OwnOrder] = []
        self.sent: list[tuple[OrderRequest, float]] = []
        self.cancelled: list[str] = []
        self.written: list[HedgeEntry] = []
        self.alarms: list[tuple[str, str]] = []
        self.asked: list[tuple[Act, str, Leave]] = []
        self.desk = SimpleNamespace(
            live=lambda venue, ticker: self.live if (venue, ticker) == ("source", "BTC/USD") else [],
            place=lambda request, expires_in: self.sent.append((request, expires_in)),
            cancel=lambda order, why: self.cancelled.append(order.key),
        )
        self.market = SimpleNamespace(
            closing_trouble=lambda: self.trouble,
            reference=lambda pair: self.reference,
            held=lambda venue, asset: self.balances[asset],
        )
        self.holdings = SimpleNamespace(outstanding=lambda venue, asset: Outstanding(reserved=D(1)))
        self.gate = SimpleNamespace(full=lambda venue: self.full)
        self.recorder = SimpleNamespace(record=lambda *entries: self.written.extend(entries))

    @property
    def venues(self) -> dict[str, Any]:
        return {"source": SimpleNamespace(features=self.features)}

    def seconds(self) -> float:
        return self.time

    def now(self) -> datetime:
        return START

    def ids(self) -> str:
        return "ilp-1"

    def hedge_minimum(self) -> Decimal:
        return self.minimum

    def others(self, pair: Pair) -> Sides:
        return self.book

    def rules(self, pair: Pair) -> Any:
        return RULES

    def permit(self, act: Act, venue: str, by: Leave) -> bool:
        self.asked.append((act, venue, by))
        return self.allowed

    def paused(self, act: Act) -> str:
        return self.pause

    def alarm(self, kind: str, why: str) -> None:
        self.alarms.append((kind, why))


class HedgerCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.stage = Stage()
        self.hedger = Hedger(self.stage)

    def open(self, quantity: str) -> None:
        self.stage.exposure.add(Open("target/1", D(quantity), D(248), D(250), self.stage.time), START)

    def act(self, traded_back: str = "0", by: Leave = Leave.MACHINE) -> None:
        self.hedger.act(D(traded_back), lambda: "plan-1", by)

    @property
    def orders(self) -> list[tuple[Side, Decimal]]:
        return [(request.side, request.quantity) for request, _ in self.stage.sent]


class ClosingTests(HedgerCase):
    def test_what_is_open_is_closed_by_one_order_that_does_not_stay(self) -> None:
        self.open("0.1")
        self.act()
        ((request, expires),) = self.stage.sent
        self.assertEqual((request.venue, request.ticker, request.side), ("source", "BTC/USD", Side.SELL))
        self.assertEqual((request.quantity, request.price, request.purpose), (D("0.10"), D("248.66"), Purpose.HEDGE))
        self.assertEqual((request.key, request.immediate, request.post_only), ("ilp-1", False, False))
        self.assertEqual(expires, TIMING.hedge_timeout)
        self.assertEqual(self.hedger.reason, "")

    def test_where_the_venue_has_it_the_order_is_immediate_or_nothing(self) -> None:
        self.stage.features = frozenset({"immediate_or_cancel"})
        self.open("-0.1")
        self.act()
        self.assertEqual((self.orders, self.stage.sent[0][0].immediate), ([(Side.BUY, D("0.10"))], True))

    def test_it_is_asked_for_and_sent_by_whoever_wishes_it(self) -> None:
        self.open("0.1")
        self.act(by=Leave.OPERATOR)
        self.assertEqual(self.stage.asked, [(Act.HEDGE, "source", Leave.OPERATOR)])
        self.assertIs(self.stage.sent[0][0].by, Leave.OPERATOR)

    def test_nothing_open_asks_for_nothing(self) -> None:
        self.hedger.reason = "of before"
        self.act()
        self.assertEqual((self.stage.asked, self.orders, self.hedger.reason), ([], [], ""))

    def test_less_than_the_sources_minimum_is_carried_and_just_the_minimum_is_not(self) -> None:
        self.open("0.049")
        self.assertEqual(self.hedger.closable(), D(0))
        self.open("0.001")
        self.assertEqual(self.hedger.closable(), D("0.05"))

    def test_the_operators_float_stays_open(self) -> None:
        self.stage.parameters = evolve(self.stage.parameters, max_unhedged=D("0.04"))
        self.open("-0.1")
        self.assertEqual(self.hedger.closable(), D("-0.06"))

    def test_no_order_is_larger_than_the_largest(self) -> None:
        self.stage.limits = evolve(LIMITS, largest_order=D("0.07"))
        self.open("0.1")
        self.act()
        self.assertEqual(self.orders, [(Side.SELL, D("0.07"))])

    def test_what_transfers_need_is_not_spent(self) -> None:
        self.stage.balances["BTC"] = D("1.06")  # of which one is reserved
        self.open("0.1")
        self.act()
        self.assertEqual(self.orders, [(Side.SELL, D("0.06"))])

    def test_why_nothing_can_be_sent_is_said(self) -> None:
        self.stage.book = Sides((), BOOK.asks)
        self.open("0.1")
        self.act()
        self.assertEqual((self.orders, self.hedger.reason), ([], "no bids on the source"))


class BandTests(HedgerCase):
    """A hedge beyond the gate's price band would be a breach, which halts the pool with its exposure open."""

    def prices(self, quantity: str) -> list[Decimal]:
        self.open(quantity)
        self.act()
        return [request.price for request, _ in self.stage.sent]

    def test_its_limit_stays_within_the_band_around_the_reference(self) -> None:
        for quantity, low, high in (("0.1", "249.25", "249.26"), ("-0.1", "250.74", "250.75")):  # to a tick
            self.setUp()
            self.stage.limits = evolve(LIMITS, price_band=D("0.003"))
            (price,) = self.prices(quantity)
            self.assertTrue(D(low) <= price <= D(high), price)

    def test_a_best_price_outside_of_it_sends_nothing_and_says_so(self) -> None:
        for quantity, reference in (("0.1", "260"), ("-0.1", "240")):
            self.setUp()
            self.stage.limits = evolve(LIMITS, price_band=D("0.003"))
            self.stage.reference = D(reference)
            self.assertEqual(self.prices(quantity), [])
            self.assertIn(f"outside the price band of 0.30% around {reference}", self.hedger.reason)

    def test_without_a_reference_the_operators_slippage_alone_limits_it(self) -> None:
        self.stage.reference = None
        self.assertEqual(self.prices("0.1"), [D("248.66")])

    def test_borrowing_on_a_market_of_rates_takes_no_cash(self) -> None:
        self.stage.layout = Layout(Pair("source", "ETH-SPOT"), Pair("target", "ETH-2027-03-26"))
        self.stage.balances = {"ETH": D(10), "ETH%": D(0)}
        self.prices("-0.1")
        self.assertEqual(self.orders, [(Side.BUY, D("0.10"))])


class PlanTests(HedgerCase):
    def test_what_the_plan_would_trade_back_is_kept_and_written_down(self) -> None:
        self.open("0.1")
        self.act("0.04")
        self.assertEqual(self.orders, [(Side.SELL, D("0.06"))])
        self.assertEqual([(link.closed_by, link.quantity) for link in self.stage.written], [("plan:plan-1", D("0.04"))])
        self.assertEqual(self.stage.exposure.net, D("0.06"))

    def test_where_the_plan_keeps_all_nothing_is_sent(self) -> None:
        self.open("0.1")
        self.act("3")
        self.assertEqual((self.orders, self.stage.exposure.net), ([], D(0)))

    def test_a_plan_that_keeps_nothing_is_not_named(self) -> None:
        self.open("0.1")
        self.hedger.act(D("-3"), lambda: self.fail("named"))
        self.assertEqual((self.orders, self.stage.written), ([(Side.SELL, D("0.10"))], []))


class HindranceTests(HedgerCase):
    """Each is said, and nothing is sent and nothing kept by the plan meanwhile."""

    def hindered(self, words: str, by: Leave = Leave.MACHINE) -> None:
        self.open("0.1")
        self.act("0.04", by)
        self.assertEqual((self.orders, self.stage.written), ([], []))
        self.assertIn(words, self.hedger.reason)

    def test_a_state_without_hedges(self) -> None:
        self.stage.allowed = False
        self.hindered("may not be sent in this state")

    def test_a_pause_is_named_to_the_machine_alone(self) -> None:
        self.stage.allowed, self.stage.pause = False, "hedges are paused by the operator"
        self.hindered("paused by the operator")
        self.act(by=Leave.OPERATOR)
        self.assertEqual(self.hedger.reason, "hedges may not be sent in this state")

    def test_a_book_that_does_not_count(self) -> None:
        self.stage.trouble = "source book: 30 s old"
        self.hindered("source book: 30 s old")

    def own(self, purpose: Purpose, id: str | None = "7") -> OwnOrder:
        order = OwnOrder("k", "source", "BTC/USD", Side.SELL, purpose, D(1), D(250), START, state=OrderState.OPEN)
        order.order_id = id
        return order

    def test_a_hedge_whose_last_word_is_outstanding(self) -> None:
        self.stage.live = [self.own(Purpose.HEDGE)]
        self.hindered("waiting for the last word on 7")
        self.assertEqual(self.stage.cancelled, [])

    def test_a_trade_of_the_plan_which_gives_way(self) -> None:
        self.stage.live = [self.own(Purpose.PLAN, None)]
        self.hindered("waiting for the last word on k")
        self.assertEqual(self.stage.cancelled, ["k"])

    def test_a_minute_that_is_full_of_orders(self) -> None:
        self.stage.full = "5 orders went to source within a minute, the limit"
        self.hindered("within a minute, the limit")
        self.assertEqual(self.hedger.due(), None)
        self.hedger.look()
        self.assertEqual(self.hedger.due(), 100.0 + HOLD_OFF)

    def test_a_refusal_just_before(self) -> None:
        refused = self.own(Purpose.HEDGE)
        refused.note = "too small"
        self.hedger.refused(refused)
        self.stage.time += HOLD_OFF / 2
        self.hindered("too small")
        self.stage.time = 100.0 + HOLD_OFF
        self.act()
        self.assertEqual(self.orders, [(Side.SELL, D("0.10"))])

    def test_a_refusal_without_words_gets_some(self) -> None:
        self.hedger.refused(self.own(Purpose.HEDGE))
        self.hindered("the last hedge was refused")

    def test_a_hedge_that_found_no_taker_just_before(self) -> None:
        order = self.own(Purpose.HEDGE)
        order.grow(D("0.4"), None, None, {})
        self.hedger.unfilled(order)
        self.assertEqual(self.hedger.reason, "0.6 of the last hedge found no taker at 250")
        self.stage.time += PAUSE / 2
        self.hindered("found no taker")
        self.stage.time = 100.0 + PAUSE
        self.act()
        self.assertEqual(len(self.orders), 1)


class AlarmTests(HedgerCase):
    def test_what_is_open_too_long_is_told_once(self) -> None:
        self.open("0.1")
        seen = []
        for self.stage.time in (100.0, 109.9, 110.0, 120.0):
            self.hedger.look()
            seen.append(len(self.stage.alarms))
        self.assertEqual(seen, [0, 0, 1, 1])
        self.assertEqual(self.stage.alarms[0], ("exposure", "0.1 BTC unhedged for 10.0 s, allowed 10 s"))

    def test_the_alarm_names_what_hinders(self) -> None:
        self.open("0.1")
        self.hedger.look()
        self.hedger.reason, self.stage.time = "no bids on the source", 110.0
        self.assertTrue(self.hedger.overdue().endswith("allowed 10 s: no bids on the source"))

    def test_too_much_is_told_at_once_and_just_the_limit_is_not_too_much(self) -> None:
        self.open("-0.5")
        self.hedger.look()
        self.assertEqual(self.stage.alarms, [])
        self.open("-0.1")
        self.hedger.look()
        self.assertEqual(self.stage.alarms, [("exposure", "-0.6 BTC unhedged, limit 0.5")])

    def test_the_side_that_would_add_to_it_stops(self) -> None:
        self.assertIsNone(self.hedger.stopped_side())
        for quantity, side in (("0.6", Side.BUY), ("-1.2", Side.SELL)):
            self.open(quantity)
            stopped = self.hedger.stopped_side()
            assert stopped is not None
            self.assertIs(stopped[0], side)

    def test_once_it_is_closed_the_next_one_has_its_own_time_and_alarm(self) -> None:
        self.open("0.1")
        self.hedger.look()
        self.stage.time = 110.0
        self.hedger.look()
        self.open("-0.1")
        self.hedger.look()
        self.assertEqual((self.hedger.open_since, self.hedger.alarmed), (None, False))
        self.open("0.1")
        self.hedger.look()
        self.stage.time = 119.9
        self.hedger.look()
        self.assertEqual((self.hedger.open_since, len(self.stage.alarms)), (110.0, 1))
        self.stage.time = 120.0
        self.hedger.look()
        self.assertEqual(len(self.stage.alarms), 2)

    def test_what_is_below_the_minimum_is_never_overdue(self) -> None:
        self.open("0.04")
        self.hedger.look()
        self.stage.time = 1000.0
        self.hedger.look()
        self.assertEqual((self.stage.alarms, self.hedger.due()), ([], None))

    def test_the_alarm_is_due_when_it_would_go_off_and_a_try_before_it(self) -> None:
        self.open("0.1")
        self.hedger.look()
        self.assertEqual(self.hedger.due(), 110.0)
        self.hedger.unfilled(HindranceTests.own(self, Purpose.HEDGE))
        self.assertEqual(self.hedger.due(), 100.0 + PAUSE)
        self.stage.time = 110.0
        self.assertIsNone(self.hedger.due())
