"""How much of an exposure is closed, at which limit, and what the plan keeps of it."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Market, Side
from ilp.trading.hedging import Closing, Funds, closing, kept_by_plan, limit_price, open_part, slippage_within
from ilp.trading.sides import Sides

D = Decimal
RULES: Market = {
    "contract": "BTC/USD",
    "kind": "pair",
    "base": "BTC",
    "quote": "USD",
    "tick_size": D("0.01"),
    "lot_size": D("0.01"),
    "min_quantity": D("0.02"),
    "min_notional": D(10),
}
BOOK = Sides(((D("249.9"), D(5)),), ((D("250.1"), D(5)),))
CHEAP = Sides(((D("0.0036"), D(5)),), ((D("0.0038"), D(5)),))
CHEAP_RULES: Market = {**RULES, "tick_size": D("0.0001"), "min_notional": D(0)}
RICH = Funds(D(10), D(10_000), D("0.01"))
amounts = st.decimals("-3", "3", places=4)


def close(exposure: str, book: Sides = BOOK, funds: Funds = RICH, largest: str = "5") -> Closing:
    return closing(D(exposure), book, funds, D("0.005"), D(largest), RULES)


class BandTests(SynchronousTestCase):
    """A hedge beyond the gate's price band would halt the pool with its exposure open."""

    @given(
        st.sampled_from(Side),
        st.decimals("200", "300", places=1),
        st.decimals("0.001", "0.2", places=3),
        st.decimals("0.001", "0.1", places=3),
    )
    @hypothesis_settings(max_examples=200, deadline=None)
    def test_its_limit_is_within_the_band_or_it_is_not_sent(self, side: Side, mid: D, band: D, slippage: D) -> None:
        found = slippage_within(BOOK, side, slippage, mid, band)
        best = BOOK.bids[0][0] if side is Side.SELL else BOOK.asks[0][0]
        if found is None:
            self.assertGreater(abs(best / mid - 1), band - D("1e-20"))
            return
        self.assertLessEqual(found, slippage)
        price = limit_price(BOOK, side, found, RULES)
        assert price is not None
        worse = price / mid - 1 if side is Side.BUY else 1 - price / mid
        self.assertLessEqual(worse, band)

    def test_a_wide_band_leaves_the_slippage_as_it_is(self) -> None:
        self.assertEqual(slippage_within(BOOK, Side.SELL, D("0.005"), D(250), D("0.05")), D("0.005"))


class ClosingTests(SynchronousTestCase):
    def test_what_was_received_is_sold_at_most_the_slippage_below_the_best_bid(self) -> None:
        order = close("0.1")
        self.assertEqual((order.side, order.quantity, order.price), (Side.SELL, D("0.10"), D("248.66")))

    def test_what_was_given_is_bought_at_most_the_slippage_above_the_best_ask(self) -> None:
        order = close("-0.1")
        self.assertEqual((order.side, order.quantity, order.price), (Side.BUY, D("0.10"), D("251.35")))

    def test_the_quantity_is_rounded_down_to_the_lot(self) -> None:
        self.assertEqual(close("0.1299").quantity, D("0.12"))

    def test_below_the_minimum_it_is_carried_with_the_numbers(self) -> None:
        order = close("0.03")
        self.assertEqual(order.quantity, D(0))  # 10 dollars are 0.0402 bitcoin at the limit
        self.assertIn("0.03 is below the source's minimum of 0.0402", order.reason)

    def test_one_order_is_never_larger_than_the_largest(self) -> None:
        self.assertEqual(close("3", largest="1").quantity, D(1))

    def test_a_short_balance_closes_what_it_pays_for(self) -> None:
        self.assertEqual(close("3", funds=Funds(D("1.005"), D(0), D(0))).quantity, D("1.00"))
        bought = close("-3", funds=Funds(D(0), D(100), D("0.01")))
        self.assertEqual(bought.quantity, D("0.39"))
        self.assertLessEqual(bought.quantity * bought.price * D("1.01"), D(100))

    def test_an_empty_balance_closes_nothing_and_says_so(self) -> None:
        order = close("0.1", funds=Funds(D("-1"), D(0), D(0)))
        self.assertEqual(order.quantity, D(0))
        self.assertIn("pays for -1", order.reason)

    def test_an_empty_side_of_the_book_closes_nothing_and_says_so(self) -> None:
        self.assertEqual(close("0.1", Sides((), BOOK.asks)).reason, "no bids on the source")
        self.assertEqual(close("-0.1", Sides(BOOK.bids, ())).reason, "no asks on the source")

    def test_just_the_minimum_is_sent(self) -> None:
        self.assertEqual(closing(D("0.02"), CHEAP, RICH, D(0), D(5), CHEAP_RULES).quantity, D("0.02"))

    def test_a_price_below_one_closes_like_any_other(self) -> None:
        order = closing(D("-0.5"), CHEAP, RICH, D(0), D(5), CHEAP_RULES)
        self.assertEqual((order.side, order.quantity, order.price), (Side.BUY, D("0.50"), D("0.0038")))

    def test_a_limit_of_nothing_sends_nothing(self) -> None:
        self.assertEqual(closing(D("0.1"), BOOK, RICH, D(1), D(5), None).quantity, D(0))

    def test_a_balance_that_pays_for_less_than_the_minimum_closes_nothing_and_says_so(self) -> None:
        order = closing(D("0.5"), CHEAP, Funds(D("0.019"), D(0), D(0)), D(0), D(5), CHEAP_RULES)
        self.assertEqual((order.quantity, "pays for 0.019" in order.reason), (D(0), True))

    def test_a_balance_that_pays_for_just_the_minimum_closes_that(self) -> None:
        order = closing(D("0.5"), CHEAP, Funds(D("0.02"), D(0), D(0)), D(0), D(5), CHEAP_RULES)
        self.assertEqual(order.quantity, D("0.02"))

    def test_a_source_without_rules_closes_everything_to_the_last_digit(self) -> None:
        order = closing(D("0.123456789"), BOOK, RICH, D(0), D(5), None)
        self.assertEqual((order.quantity, order.price), (D("0.123456789"), D("249.9")))

    def test_where_nothing_is_open_nothing_is_sent_and_the_reason_stands_there(self) -> None:
        order = closing(D(0), BOOK, RICH, D(0), D(5), None)
        self.assertEqual((order.quantity, bool(order.reason)), (D(0), True))

    def test_an_empty_balance_closes_nothing_at_a_source_without_rules_either(self) -> None:
        order = closing(D("0.1"), BOOK, Funds(D(0), D(0), D(0)), D(0), D(5), None)
        self.assertEqual((order.quantity, bool(order.reason)), (D(0), True))

    @given(amounts, st.decimals("0", "2", places=3), st.decimals("0", "500", places=2))
    @hypothesis_settings(max_examples=100, deadline=None)
    def test_it_never_closes_more_than_is_open_nor_spends_more_than_there_is(
        self, net: Decimal, base: Decimal, quote: Decimal
    ) -> None:
        order = closing(net, BOOK, Funds(base, quote, D("0.01")), D("0.005"), D(5), RULES)
        self.assertLessEqual(order.quantity, abs(net))
        if order.side is Side.SELL:
            self.assertLessEqual(order.quantity, base)
        else:
            self.assertLessEqual(order.quantity * order.price * D("1.01"), quote)
        self.assertEqual(order.quantity % D("0.01"), D(0))
        self.assertEqual(bool(order.quantity), not order.reason)


class LimitTests(SynchronousTestCase):
    def test_the_limit_lies_on_the_tick_and_never_beyond_the_slippage(self) -> None:
        for side, best in ((Side.BUY, D("250.1")), (Side.SELL, D("249.9"))):
            limit = limit_price(BOOK, side, D("0.00333"), RULES)
            assert limit is not None
            self.assertEqual(limit % D("0.01"), D(0))
            self.assertLessEqual(abs(limit / best - 1), D("0.00333"))

    def test_without_rules_it_is_exact(self) -> None:
        self.assertEqual(limit_price(BOOK, Side.SELL, D("0.005"), None), D("249.9") * D("0.995"))

    def test_without_a_book_there_is_none(self) -> None:
        self.assertIsNone(limit_price(Sides(), Side.BUY, D("0.005"), RULES))


class FloatTests(SynchronousTestCase):
    def test_only_what_is_beyond_the_operators_float_is_open(self) -> None:
        for net, kept, expected in (
            ("0.3", "0.1", "0.2"),
            ("-0.3", "0.1", "-0.2"),
            ("0.05", "0.1", "0"),
            ("0.3", "0", "0.3"),
        ):
            self.assertEqual(open_part(D(net), D(kept)), D(expected))


class KeptTests(SynchronousTestCase):
    def test_a_plan_that_trades_back_keeps_the_smaller_part(self) -> None:
        self.assertEqual(kept_by_plan(D("0.1"), D("3")), D("0.1"))
        self.assertEqual(kept_by_plan(D("0.1"), D("0.04")), D("0.04"))
        self.assertEqual(kept_by_plan(D("-0.1"), D("-0.04")), D("-0.04"))

    def test_a_plan_that_trades_the_same_way_keeps_nothing(self) -> None:
        self.assertEqual(kept_by_plan(D("0.1"), D("-3")), D(0))
        self.assertEqual(kept_by_plan(D("-0.1"), D("3")), D(0))
        self.assertEqual(kept_by_plan(D("0.1"), D(0)), D(0))

    def test_no_more_is_kept_of_what_was_given_than_is_open(self) -> None:
        self.assertEqual(kept_by_plan(D("-0.1"), D("-3")), D("-0.1"))

    def test_without_a_plans_trade_a_rest_below_the_minimum_stays_open(self) -> None:
        self.assertEqual(kept_by_plan(D("0.005"), D(0), D("0.01")), D(0))

    def test_a_rest_that_the_source_would_not_take_stays_with_what_is_kept(self) -> None:
        self.assertEqual(kept_by_plan(D("0.1"), D("0.095"), D("0.01")), D("0.1"))
        self.assertEqual(kept_by_plan(D("0.1"), D("0.09"), D("0.01")), D("0.09"))

    @given(amounts, amounts)
    @hypothesis_settings(max_examples=100, deadline=None)
    def test_hedge_and_plan_after_netting_trade_the_same_in_sum_and_never_against_each_other(
        self, exposure: Decimal, plan: Decimal
    ) -> None:
        kept = kept_by_plan(exposure, plan)
        hedge, rest = -(exposure - kept), plan - kept
        self.assertEqual(hedge + rest, -exposure + plan)
        self.assertGreaterEqual(hedge * rest, 0)
