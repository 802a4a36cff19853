"""Units and fees against the worked examples of the Sputnik page, sections 5.4 and 5.5."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ilp.simulation.contracts import Currency, FeeIn, Pair, TransferFee
from ilp.simulation.rules import Account, FeeFactors, Rules
from tests.simulation.world import BTC, BTC_HUF, BTC_MXN, HUF

D = Decimal
EUR, USD = Currency("EUR", 100), Currency("USD", 100)
EUR_USD = Pair("EUR/USD", EUR, USD, tick=1, lot=100)
EUR_USD_10 = Pair("EUR/USD", EUR, USD, denominator=10, tick=1, lot=1000)


class ConversionTests(SynchronousTestCase):
    """Rows of the table of conversions; prices and quantities that are off their step are errors here, not cut."""

    # pair, human price, human quantity, wire price, wire quantity, cash moved
    ROWS = (
        (BTC_MXN, "6000", "0.03", 60_000_000, 3_000_000, 1_800_000),
        (BTC_MXN, "10350.21", "0.97", 103_502_100, 97_000_000, 100_397_037),
        (BTC_MXN, "6000.01", "0.03", 60_000_100, 3_000_000, 1_800_003),
        (BTC_MXN, "0.01", "0.01", 100, 1_000_000, 1),
        (BTC_HUF, "61000", "0.04", 6_100_000, 4_000_000, 244_000),
        (BTC_HUF, "61234", "1.5", 6_123_400, 150_000_000, 9_185_100),
        (EUR_USD, "1.01", "1", 101, 100, 101),
        (EUR_USD_10, "1.001", "10", 1001, 1000, 1001),
    )

    def test_prices_quantities_and_cash_agree_with_the_worked_examples(self) -> None:
        for pair, price, quantity, wire_price, wire_quantity, cash in self.ROWS:
            self.assertEqual(pair.wire_price(price), wire_price)
            self.assertEqual(pair.wire_quantity(quantity), wire_quantity)
            self.assertEqual(pair.cash(wire_quantity, wire_price), cash)

    def test_wire_units_come_back_as_the_human_ones(self) -> None:
        for pair, price, quantity, wire_price, wire_quantity, _ in self.ROWS:
            self.assertEqual((pair.price(wire_price), pair.quantity(wire_quantity)), (D(price), D(quantity)))

    def test_what_is_off_its_step_is_an_error_that_names_the_step(self) -> None:
        self.assertRaisesRegex(
            ValueError, "price 6000.019 of BTC/MXN is not a multiple of 0.01", BTC_MXN.wire_price, "6000.019"
        )
        self.assertRaisesRegex(ValueError, "not a multiple of 0.01", BTC_MXN.wire_quantity, "0.0399999")
        self.assertRaisesRegex(ValueError, "1/100", HUF.units, "0.001")

    def test_a_pair_whose_trades_cost_fractions_is_refused(self) -> None:
        self.assertRaisesRegex(ValueError, "lot times tick must be a multiple", Pair, "BTC/USD", BTC, USD, lot=10_000)

    def test_units_below_one_are_refused(self) -> None:
        self.assertRaisesRegex(ValueError, "denominator: 0", Currency, "X", 0)
        self.assertRaisesRegex(ValueError, "tick: -1", Pair, "BTC/HUF", BTC, HUF, tick=-1)

    @settings(max_examples=100, deadline=None)
    @given(st.integers(1, 10**6), st.integers(1, 10**6))
    def test_cash_of_whole_lots_at_whole_ticks_loses_nothing(self, ticks: int, lots: int) -> None:
        for pair in (BTC_MXN, BTC_HUF, EUR_USD, EUR_USD_10):
            cash = pair.cash(lots * pair.lot, ticks * pair.tick)
            self.assertEqual(cash * pair.denominator * pair.base.denominator, lots * pair.lot * ticks * pair.tick)


class FeeTests(SynchronousTestCase):
    """F1 to F9 and W1 to W5."""

    def fee(self, bps: int, value: int, factor: int) -> int:
        pair = Pair("BTC/MXN", BTC, BTC_MXN.quote, tick=100, lot=1_000_000, fee_bps=bps)
        return Rules().fee(pair, Account("a", factors=FeeFactors(aggressive=factor)), value, aggressive=True)

    def test_trade_fees_agree_with_the_worked_examples(self) -> None:
        for bps, value, factor, fee in (
            (100, 1_800_000, 100, 18_000),
            (100, 1_800_000, 0, 0),
            (100, 1_800_000, -50, -9_000),
            (100, 150, 100, 1),
            (100, 150, -50, -1),
            (100, 1, 100, 0),
            (200, 1_500_000, 100, 30_000),
            (200, 200_000, 100, 4_000),
            (50, 1_000_000_000, 200, 10_000_000),
        ):
            self.assertEqual(self.fee(bps, value, factor), fee)

    def test_aggressive_and_passive_orders_pay_by_their_own_factor(self) -> None:
        account = Account("maker", factors=FeeFactors(100, -50))
        pair = BTC_MXN
        self.assertEqual(Rules().fee(pair, account, 1_800_000, aggressive=False), -9_000)
        self.assertEqual(Rules().worst_fee(pair, account, 1_800_000), 18_000)

    def test_transfer_fees_agree_with_the_worked_examples(self) -> None:
        for fee, amount, percent, expected in (
            (TransferFee(100, 100), 1_000_000, 100, 10_100),
            (TransferFee(100, 100), 1_000_000, 200, 20_200),
            (TransferFee(50, 200), 1_000_000, 50, 10_025),
            (TransferFee(50, 200), 25, 100, 51),
            (TransferFee(50, 200), 125, 100, 53),
        ):
            self.assertEqual(fee.of(amount, percent), expected)

    def test_half_a_unit_of_a_rebate_is_rounded_away_from_zero_too(self) -> None:
        self.assertEqual(TransferFee(50, 200).of(25, -100), -51)

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.integers(1, 10**9), min_size=1, max_size=6), st.integers(-100, 200))
    def test_fees_of_parts_never_sum_to_more_than_the_fee_of_the_whole(self, parts: list[int], factor: int) -> None:
        self.assertLessEqual(sum(self.fee(100, part, factor) for part in parts), self.fee(100, sum(parts), factor))

    def test_a_fee_in_base_is_a_share_of_the_quantity(self) -> None:
        pair = Pair("BTC/HUF", BTC, HUF, tick=100, lot=1_000_000, fee_bps=100, fee_in=FeeIn.BASE)
        self.assertEqual((pair.fee_currency, pair.fee_value(4_000_000, 6_100_000)), ("BTC", 4_000_000))
