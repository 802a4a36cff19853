"""What Infinity lists: steps, minima, what is wrong with an order, and names of tokens."""

from __future__ import annotations

from decimal import Decimal as D
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clients.infinity_markets import Listed, Markets
from clients.infinity_records import MarketInfo, Token
from clients.infinity_terms import Quantity, Rate, TokenAmount


def info(id: str = "ETH-SPOT", **more: Any) -> MarketInfo:
    values = {
        "quantity_step": Quantity("0.5"), "min_quantity": Quantity(2), "max_quantity": Quantity(10),
        "rate_step": Rate("0.01"),
    }  # fmt: skip
    return MarketInfo(instrument_id=id, market_id=1, **{**values, **more})


def fault(quantity: str = "2", rate: str | None = "0.02", **more: Any) -> str:
    return Listed.of(info(**more)).fault(Quantity(quantity), None if rate is None else Rate(rate))


class ListedTests(SynchronousTestCase):
    def test_a_market_says_its_own_steps(self) -> None:
        listed = Listed.of(info(maturity_date=1_700_000_000_000))
        self.assertEqual((listed.step, listed.least, listed.most), (Quantity("0.5"), Quantity(2), Quantity(10)))
        self.assertEqual((listed.rate_step, listed.maturity), (Rate("0.01"), 1_700_000_000_000))

    def test_what_it_leaves_out_comes_from_the_venues_table_of_tokens(self) -> None:
        listed = Listed.of(MarketInfo(instrument_id="WBTC-SPOT", market_id=8))
        self.assertEqual((listed.step, listed.least), (Quantity("0.000001"), Quantity("0.0001")))
        self.assertEqual((listed.rate_step, listed.most), (Rate("0.0001"), None))

    def test_a_token_that_the_table_does_not_have_needs_steps_of_its_own(self) -> None:
        for missing in ({"quantity_step": None}, {"rate_step": None}, {"rate_step": Rate(0)}):
            with self.assertRaisesRegex(ValueError, "XYZ-SPOT has no steps"):
                Listed.of(info("XYZ-SPOT", **missing))

    def test_its_least_quantity_is_a_step_where_neither_says(self) -> None:
        self.assertEqual(Listed.of(info("XYZ-SPOT", min_quantity=None)).least, Quantity("0.5"))

    def test_negative_steps_are_refused(self) -> None:
        for wrong in ({"quantity_step": Quantity(-1)}, {"rate_step": Rate(-1)}):
            self.assertRaises(ValueError, Listed.of, info(**wrong))

    @given(st.decimals("0.001", "100", places=4))
    @settings(max_examples=60)
    def test_rounding_stays_on_the_step_and_on_its_side(self, value: D) -> None:
        listed = Listed.of(info())
        low, high, less = (
            listed.floor_rate(Rate(value)),
            listed.ceil_rate(Rate(value)),
            listed.floor_quantity(Quantity(value)),
        )
        self.assertTrue(low.value <= value <= high.value and less.value <= value)
        self.assertTrue(
            value - low.value < D("0.01") and high.value - value < D("0.01") and value - less.value < D("0.5")
        )
        self.assertEqual((low.value % D("0.01"), high.value % D("0.01"), less.value % D("0.5")), (0, 0, 0))

    def test_its_record_says_that_its_price_is_a_rate(self) -> None:
        expected = {
            "contract": "ETH-SPOT", "kind": "rate", "base": "ETH", "quote": None, "tick_size": D("0.01"),
            "lot_size": D("0.5"), "min_quantity": D(2), "min_notional": D(0),
        }  # fmt: skip
        self.assertEqual(Listed.of(info()).record(), expected)


class FaultTests(SynchronousTestCase):
    def test_just_the_least_and_just_the_most_are_taken(self) -> None:
        self.assertEqual([fault("2"), fault("10")], ["", ""])

    def test_less_and_more_are_refused_with_what_is_allowed(self) -> None:
        self.assertIn("below the minimum of 2", fault("1.5"))
        self.assertIn("above the maximum of 10", fault("10.5"))

    def test_without_a_maximum_any_is_taken(self) -> None:
        self.assertEqual(fault("1000", max_quantity=None), "")

    def test_a_quantity_must_be_positive_and_on_the_step(self) -> None:
        for quantity in ("0", "-2", "2.2"):
            self.assertIn("no positive multiple of 0.5", fault(quantity))

    def test_a_rate_must_be_positive_and_on_the_step(self) -> None:
        for rate in ("0", "-0.02", "0.025"):
            self.assertIn("no positive multiple of 0.01", fault(rate=rate))

    def test_an_order_without_a_rate_has_none_to_be_wrong(self) -> None:
        self.assertEqual(fault(rate=None), "")

    def test_a_closed_market_takes_nothing(self) -> None:
        self.assertIn("closed", fault(enable=False))


class MarketsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.markets = Markets({"WETH": "ETH"})
        self.markets.fill(
            [info(), info("XYZ-SPOT", rate_step=None)],
            [
                Token(token_id=1, code="WETH", decimals=18, withdraw_fee=TokenAmount("0.005")),
                Token(token_id=2, code="USDT", decimals=6),
            ],
        )

    def test_what_cannot_be_read_is_named(self) -> None:
        self.assertEqual((list(self.markets.listed), list(self.markets.unusable)), (["ETH-SPOT"], ["XYZ-SPOT"]))

    def test_a_new_connection_lists_everything_anew(self) -> None:
        self.markets.fill([info("USDT-SPOT")], [])
        self.assertEqual((list(self.markets.listed), self.markets.unusable), (["USDT-SPOT"], {}))
        self.assertEqual(self.markets.tokens, {})

    def test_an_order_for_what_is_not_listed_is_refused(self) -> None:
        self.assertIn("no market of this venue", self.markets.fault("USDT-SPOT", Quantity(2), None))
        self.assertEqual(self.markets.fault("ETH-SPOT", Quantity(2), Rate("0.02")), "")

    def test_before_anything_was_read_the_table_of_tokens_decides(self) -> None:
        fresh = Markets()
        self.assertEqual(fresh.fault("ETH-SPOT", Quantity("0.001"), Rate("0.02")), "")
        self.assertIn("below the minimum of 0.001", fresh.fault("ETH-SPOT", Quantity("0.00099"), None))
        self.assertIn("has no steps", fresh.fault("XYZ-SPOT", Quantity(1), None))

    def test_a_token_is_known_by_its_id_under_the_name_that_it_has_here(self) -> None:
        self.assertEqual([self.markets.token_code(id) for id in (1, 2)], ["ETH", "USDT"])

    def test_a_token_that_is_not_listed_is_known_by_the_table_or_by_its_number(self) -> None:
        self.assertEqual([self.markets.token_code(id) for id in (5, 99)], ["WBTC", "99"])

    def test_withdrawals_are_counted_no_finer_than_eight_decimals(self) -> None:
        steps = [self.markets.withdrawal_step(self.markets.tokens[code]) for code in ("ETH", "USDT")]
        self.assertEqual(steps, [TokenAmount("1e-8"), TokenAmount("1e-6")])

    def test_the_least_withdrawal_is_more_than_its_fee(self) -> None:
        records = self.markets.records()
        self.assertEqual(sorted(records), ["ETH", "ETH-SPOT", "USDT"])
        self.assertEqual((records["ETH"]["kind"], records["ETH"]["min_quantity"]), ("cash", D("0.00500001")))
        self.assertEqual((records["USDT"]["lot_size"], records["USDT"]["min_quantity"]), (D("1e-6"), D("1e-6")))
