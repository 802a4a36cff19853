"""Predictions and futures: conversions, fees, margins and settlement by the worked examples of the description."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet import task
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from ilp.clock import WorldClock
from ilp.simulation.records import Posted
from ilp.simulation.rejections import InsufficientFunds
from ilp.simulation.rules import Account, FeeFactors, Rules
from ilp.simulation.sputnik.contracts import contract_of
from ilp.simulation.sputnik.derivatives import UNKNOWN_MARGIN, prediction
from ilp.simulation.sputnik.exchange import Exchange
from tests.simulation.sputnik.derivatives_world import BTC, CONTRACTS, FAR, make_exchange
from tests.simulation.sputnik.world import START

BY_TICKER: dict[str, Any] = {contract.ticker: contract for contract in CONTRACTS}

# contract, human price and quantity, wire price and quantity, value, price and quantity back (rows 12 to 21)
CONVERSIONS = [
    ("NETS", "0.454", "2", 454, 2, 908000, "0.454"),
    ("NETS", "0.4545", "2", 454, 2, 908000, "0.454"),
    ("NETS", "1", "3", 1000, 3, 3000000, "1"),
    ("PRES", "0.454", "1", 454, 1, 45400, "0.454"),
    ("USDBTC0W", "1.000", "2", 1000, 2, 200000, "1"),
    ("USDBTC0W", "0.955", "3", 955, 3, 286500, "0.955"),
    ("IPO", "0.25", "1", 250, 1, 25000, "0.25"),
    ("IPO", "0.257", "1", 250, 1, 25000, "0.25"),
    ("RAIN", "20.04", "2", 2004, 2, 4008000, "20.04"),
    ("USDBTC4", "0.0025", "1", 25, 1, 250, "0.0025"),
]


class ConversionTests(SynchronousTestCase):
    """Rows 12 to 21 and the values of one tick."""

    def test_human_prices_and_quantities_become_the_integers_of_the_examples_and_come_back(self) -> None:
        for ticker, price, quantity, wire_price, wire_quantity, value, back in CONVERSIONS:
            contract = contract_of(BY_TICKER[ticker])
            got = contract.price_to_wire(Decimal(price)), contract.quantity_to_wire(Decimal(quantity))
            self.assertEqual(got, (wire_price, wire_quantity), (ticker, price))
            self.assertEqual(BY_TICKER[ticker].cash(wire_quantity, wire_price), value)
            self.assertEqual(contract.price_from_wire(wire_price), Decimal(back))
            self.assertEqual(contract.quantity_from_wire(wire_quantity), Decimal(quantity))

    def test_one_tick_is_worth_what_the_examples_say(self) -> None:
        for ticker, worth in (("USDBTC4", 10), ("RAIN", 1000), ("IPO", 1000), ("USDBTC0W", 100)):
            contract = BY_TICKER[ticker]
            self.assertEqual(contract.cash(1, contract.tick), worth, ticker)

    def test_human_prices_off_the_tick_are_refused_where_nothing_is_rounded(self) -> None:
        self.assertEqual(BY_TICKER["IPO"].wire_price("0.25"), 250)
        self.assertRaises(ValueError, BY_TICKER["IPO"].wire_price, "0.257")

    def test_a_contract_whose_ticks_are_fractions_of_a_unit_cannot_be_made(self) -> None:
        with self.assertRaisesRegex(ValueError, "multiple of 1000"):
            prediction("ODD", BTC, denominator=1000, lot=100, expiration=FAR)

    def test_fees_are_those_of_the_examples(self) -> None:
        for ticker, price, quantity, fee in (("NETS", 500, 3, 30000), ("USDBTC0W", 1000, 2, 4000)):
            contract = BY_TICKER[ticker]
            value = contract.fee_value(quantity, price)
            self.assertEqual(Rules().fee(contract, Account("alice"), value, aggressive=True), fee)

    def test_an_account_may_pay_twice_the_fee_of_a_contract(self) -> None:
        half = evolve(BY_TICKER["BTC/MXN"], fee_bps=50)
        alice = Account("alice", factors=FeeFactors(aggressive=200))
        self.assertEqual(Rules().fee(half, alice, 1_000_000_000, aggressive=True), 10_000_000)

    def test_the_list_of_markets_names_expiration_and_margins(self) -> None:
        wire = contract_of(BY_TICKER["USDBTC0W"]).wire()
        self.assertEqual((wire["contract_type"], wire["lot_size"], wire["denominator"]), ("futures", 10**5, 1000))
        self.assertEqual((wire["denominated_contract_ticker"], wire["payout_contract_ticker"]), ("BTC", "USDBTC0W"))
        self.assertEqual((wire["margin_low"], wire["margin_high"]), (25, 50))
        self.assertEqual(wire["expiration"], int(FAR.timestamp()) * 10**6)
        wire = contract_of(BY_TICKER["NETS"]).wire()
        self.assertEqual(wire["contract_type"], "prediction")
        self.assertNotIn("margin_low", wire)


class ExchangeTestCase(SynchronousTestCase):
    """An exchange without a wire; zoe has exactly what a test gives her."""

    def setUp(self) -> None:
        self.exchange: Exchange = make_exchange(WorldClock(task.Clock(), START))
        self.exchange.safe_price = {"USDBTC0W": 1000}.get

    def trade(self, ticker: str, price: int, quantity: int, buyer: str, seller: str) -> None:
        self.exchange.place(seller, ticker, Side.SELL, price, quantity)
        self.exchange.place(buyer, ticker, Side.BUY, price, quantity)

    def needs_exactly(self, currency: str, amount: int, ticker: str, side: Side, price: int, quantity: int) -> None:
        """Zoe's order is refused with one unit less than *amount* and taken with it."""
        self.exchange.endow("zoe", currency, amount - 1)
        self.assertRaises(InsufficientFunds, self.exchange.place, "zoe", ticker, side, price, quantity)
        self.exchange.endow("zoe", currency, 1)
        self.exchange.place("zoe", ticker, side, price, quantity)


class MarginTests(ExchangeTestCase):
    """Rows M1 to M11."""

    def test_m1_a_buy_needs_its_cost_and_its_fee(self) -> None:
        self.needs_exactly("MXN", 2525, "BTC/MXN", Side.BUY, 5000, 50_000_000)

    def test_m2_what_costs_more_than_there_is_lacks_margin(self) -> None:
        self.exchange.endow("zoe", "MXN", 10000)
        self.assertRaises(InsufficientFunds, self.exchange.place, "zoe", "BTC/MXN", Side.BUY, 30000, 50_000_000)

    def test_m3_a_sell_needs_what_it_delivers(self) -> None:
        self.needs_exactly("BTC", 50_000_000, "BTC/MXN", Side.SELL, 500, 50_000_000)

    def test_m4_a_prediction_bought_needs_its_price(self) -> None:
        self.needs_exactly("BTC", 510_000, "NETS", Side.BUY, 500, 1)

    def test_m5_a_prediction_sold_needs_its_payoff_less_its_price(self) -> None:
        self.needs_exactly("BTC", 510_000, "NETS", Side.SELL, 500, 1)

    def test_m6_three_sold_cheaply_need_almost_the_whole_payoff(self) -> None:
        self.needs_exactly("BTC", 2_706_000, "NETS", Side.SELL, 100, 3)

    def test_m7_a_short_prediction_holds_its_payoff_and_a_long_one_nothing(self) -> None:
        self.trade("NETS", 500, 4, "carol", "dave")
        self.assertEqual(self.exchange.margin("dave"), 4_000_000)
        self.assertEqual(self.exchange.margin("carol"), 0)

    def test_m8_a_future_at_the_safe_price_needs_the_high_margin_and_its_fee(self) -> None:
        self.needs_exactly("BTC", 52_000, "USDBTC0W", Side.BUY, 1000, 1)
        self.assertEqual(self.exchange.margin("zoe", low=True), 25_000)

    def test_m9_a_higher_price_costs_only_a_higher_fee(self) -> None:
        self.needs_exactly("BTC", 53_000, "USDBTC0W", Side.BUY, 1500, 1)

    def test_m10_and_m11_a_gain_lowers_the_margin_and_a_loss_raises_it(self) -> None:
        self.trade("USDBTC0W", 1000, 1, "carol", "dave")
        self.exchange.safe_price = {"USDBTC0W": 1500}.get
        self.assertEqual(self.exchange.margin("carol", low=True), -12_500)
        self.assertEqual(self.exchange.margin("carol"), 25_000)
        self.assertEqual(self.exchange.margin("dave", low=True), 87_500)
        self.assertEqual(self.exchange.margin("dave"), 125_000)

    def test_without_a_safe_price_a_future_cannot_be_paid_for(self) -> None:
        self.exchange.safe_price = lambda _: None
        self.assertEqual(self.exchange.margin("alice"), 0)
        self.assertRaises(InsufficientFunds, self.exchange.place, "alice", "USDBTC0W", Side.BUY, 1000, 1)
        self.assertGreater(UNKNOWN_MARGIN, 10**10)

    def test_an_order_that_closes_a_short_position_frees_its_margin(self) -> None:
        self.trade("NETS", 500, 4, "carol", "dave")
        order = self.exchange.place("dave", "NETS", Side.BUY, 100, 4)
        self.assertEqual(self.exchange.margin("dave"), 4_000_000)  # it has not traded yet
        self.exchange.cancel("dave", order.id)
        self.trade("NETS", 100, 4, "dave", "carol")
        self.assertEqual(self.exchange.margin("dave"), 0)

    def test_margins_cannot_be_withdrawn_or_spent_otherwise(self) -> None:
        self.exchange.endow("zoe", "BTC", 510_000)
        self.exchange.place("zoe", "NETS", Side.SELL, 500, 1)
        self.assertEqual(self.exchange.available("zoe", "BTC"), 0)
        self.assertRaises(InsufficientFunds, self.exchange.withdraw, "zoe", "BTC", 10_000, "away")


class SettlementTests(ExchangeTestCase):
    """Rows S1 to S5, and that nothing comes from nowhere."""

    def bookings(self, account: str, action: Any) -> list[tuple[str, str, str, int]]:
        found: list[tuple[str, str, str, int]] = []

        def heard(event: object) -> None:
            if isinstance(event, Posted) and event.posting.account == account:
                line = event.posting
                found.append((line.type.value, line.direction.value, line.contract, line.quantity))

        stop = self.exchange.subscribe(heard)
        action()
        stop()
        return found

    def test_s1_a_later_trade_is_paid_against_the_first_price(self) -> None:
        self.trade("USDBTC0W", 1000, 1, "carol", "dave")
        before = self.exchange.balance("carol", "BTC")
        lines = self.bookings("carol", lambda: self.trade("USDBTC0W", 900, 1, "carol", "alice"))
        self.assertEqual(lines[0], ("Trade", "debit", "BTC", -10000))
        self.assertEqual(self.exchange.balance("carol", "BTC"), before + 10000)
        self.assertEqual(self.exchange.reference_price("carol", "USDBTC0W"), 1000)
        self.assertEqual(self.exchange.reference_price("alice", "USDBTC0W"), 900)

    def test_the_first_trade_moves_no_cash(self) -> None:
        lines = self.bookings("carol", lambda: self.trade("USDBTC0W", 1000, 3, "carol", "dave"))
        expected = [("debit", "BTC", 0), ("credit", "USDBTC0W", 3), ("debit", "BTC", 0)]
        self.assertEqual(lines, [("Trade", *line) for line in expected])

    def test_s2_marking_to_the_market_pays_what_the_price_moved_and_moves_the_reference(self) -> None:
        self.trade("USDBTC0W", 1000, 3, "carol", "dave")
        lines = self.bookings("carol", lambda: self.exchange.mark_to_market("USDBTC0W", 955))
        self.assertEqual(lines, [("Clearing", "credit", "BTC", -13500), ("Clearing", "credit", "USDBTC0W", 0)])
        self.assertEqual(self.exchange.balance("dave", "BTC"), 10**10 + 13500)
        self.assertEqual(self.exchange.reference_price("carol", "USDBTC0W"), 955)
        self.assertEqual(self.exchange.balance("carol", "USDBTC0W"), 3)

    def test_s3_a_future_ends_with_its_last_move_and_without_a_position(self) -> None:
        self.trade("USDBTC0W", 1000, 3, "carol", "dave")
        self.exchange.mark_to_market("USDBTC0W", 955)
        lines = self.bookings("carol", lambda: self.exchange.settle("USDBTC0W", 1100))
        self.assertEqual(lines, [("Clearing", "credit", "BTC", 43500), ("Clearing", "debit", "USDBTC0W", 3)])
        self.assertIsNone(self.exchange.reference_price("carol", "USDBTC0W"))

    def test_s4_and_s5_a_prediction_pays_its_payoff_to_the_long_side_out_of_the_short_one(self) -> None:
        self.trade("NETS", 500, 3, "carol", "dave")
        lines: list[Any] = []
        winner = self.bookings("carol", lambda: lines.extend(self.bookings("dave", self.settle_nets)))
        self.assertEqual(winner, [("Clearing", "credit", "BTC", 3_000_000), ("Clearing", "debit", "NETS", 3)])
        self.assertEqual(lines, [("Clearing", "credit", "BTC", -3_000_000), ("Clearing", "debit", "NETS", -3)])

    def settle_nets(self) -> None:
        self.exchange.settle("NETS", 1000)

    def test_notes_name_the_price_and_the_reference_in_human_units(self) -> None:
        self.trade("USDBTC0W", 1000, 1, "carol", "dave")
        self.exchange.mark_to_market("USDBTC0W", 955)
        note = self.exchange.postings("carol", START, FAR)[-1].note
        self.assertEqual(note, "Clearing transaction for USDBTC0W at price: 0.955 / reference_price: 1")

    def test_open_orders_are_cancelled_before_the_end(self) -> None:
        order = self.exchange.place("alice", "NETS", Side.BUY, 400, 2)
        self.settle_nets()
        self.assertTrue(self.exchange.order(order.id).is_cancelled)
        self.assertEqual(self.exchange.available("alice", "BTC"), 10**10)

    @given(
        st.lists(
            st.tuples(st.sampled_from(["NETS", "USDBTC0W"]), st.integers(1, 1000), st.integers(1, 9), st.booleans()),
            max_size=12,
        ),
        st.integers(1, 1000),
    )
    @settings(max_examples=40, deadline=None)
    def test_whatever_is_traded_and_settled_positions_and_cash_add_up(self, trades: list[Any], end: int) -> None:
        self.setUp()
        for ticker, price, quantity, forth in trades:
            self.trade(ticker, price, quantity, *(("carol", "dave") if forth else ("alice", "carol")))
        for ticker in ("NETS", "USDBTC0W"):
            users = [self.exchange.balance(name, ticker) for name in self.exchange.accounts]
            self.assertEqual(sum(users), 0)
        self.exchange.mark_to_market("USDBTC0W", end)
        for ticker in ("NETS", "USDBTC0W"):
            self.exchange.settle(ticker, end)
            self.assertEqual([self.exchange.balance(name, ticker) for name in self.exchange.accounts], [0] * 5)
            self.assertEqual(self.exchange.owed(ticker), 0)
        self.assertEqual(self.exchange.owed("BTC"), self.exchange.had("BTC"))
        self.assertEqual(self.exchange.house().get("house.clearing", {}).get("BTC", 0), 0)
