"""Crossing, ageing and widening of reference rates."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clients.rates_arithmetic import (
    LARGEST_ERROR,
    Fixing,
    NoRate,
    age_in_days,
    anchored,
    cross,
    drift,
    fixing_time,
    half_spread,
    inverse,
    jumps,
    legs,
    standard_error,
    two_sided,
    within,
)

D = Decimal
DAY = date(2026, 10, 30)
RATES = {"USD": D("1.1172"), "HUF": D("366.33"), "MXN": D("21.1237"), "JPY": D("175.68")}


def fixing(**rates: str) -> Fixing:
    """A fixing of the given rates, else of RATES."""
    values = {currency: D(rate) for currency, rate in rates.items()} or RATES
    return Fixing(DAY, fixing_time(DAY), "EUR", values, fixing_time(DAY), "test")


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


positive = st.decimals(min_value=D("0.00001"), max_value=D("100000"), places=5)
halves = st.decimals(min_value=0, max_value=D("0.4"), places=6)
currencies = st.sampled_from(["EUR", "USD", "HUF"])


class CrossTests(SynchronousTestCase):
    """`cross`"""

    def test_a_pair_without_the_euro_is_the_quotient_of_its_two_legs(self) -> None:
        self.assertEqual(round(cross(fixing(), "USD/HUF"), 10), D("327.9001074114"))

    def test_a_pair_with_the_euro_is_the_fixing_itself(self) -> None:
        self.assertEqual(cross(fixing(), "EUR/HUF"), D("366.33"))

    def test_a_currency_against_itself_is_one(self) -> None:
        self.assertEqual(cross(fixing(), "HUF/HUF"), 1)

    def test_nothing_is_rounded_to_fewer_than_34_digits(self) -> None:
        self.assertEqual(len(cross(fixing(), "USD/HUF").as_tuple().digits), 34)

    def test_a_currency_that_was_not_fixed_has_no_rate_rather_than_zero(self) -> None:
        error = self.assertRaises(NoRate, cross, fixing(), "USD/BGN")
        self.assertIn("BGN is not in the fixing of 2026-10-30", str(error))

    def test_what_is_not_a_pair_is_refused(self) -> None:
        for text in ("USD", "USD/", "/HUF", "usd/huf", "USD-HUF", "", "USD/HUF/MXN"):
            self.assertRaises(NoRate, legs, text)

    @given(positive, positive)
    @settings(max_examples=50, deadline=None)
    def test_a_pair_and_its_inverse_multiply_to_one(self, usd: Decimal, huf: Decimal) -> None:
        known = fixing(USD=str(usd), HUF=str(huf))
        self.assertTrue(within(cross(known, "USD/HUF") * cross(known, "HUF/USD"), D(1), D("1e-26")))


class TwoSidedTests(SynchronousTestCase):
    """`two_sided`"""

    def test_bid_and_ask_lie_the_half_spread_off_the_mid(self) -> None:
        self.assertEqual(two_sided(fixing(), "EUR/HUF", D("0.01")), (D("366.33"), D("362.6667"), D("369.9933")))

    def test_the_conventional_direction_is_spread_and_the_other_one_divided(self) -> None:
        _mid, bid, ask = two_sided(fixing(USD="2"), "EUR/USD", D("0.2"))
        self.assertEqual((bid, ask), (D("1.6"), D("2.4")))
        _mid, bid, ask = two_sided(fixing(USD="2"), "USD/EUR", D("0.2"))
        self.assertEqual((bid, ask), (D("0.41666666"), D("0.625")))

    @given(positive, positive, halves, currencies, currencies)
    @settings(max_examples=100, deadline=None)
    def test_the_mid_is_never_outside_bid_and_ask(
        self, usd: Decimal, huf: Decimal, half: Decimal, base: str, quote: str
    ) -> None:
        mid, bid, ask = two_sided(fixing(USD=str(usd), HUF=str(huf)), f"{base}/{quote}", half)
        self.assertTrue(0 < bid <= mid <= ask, (bid, mid, ask))

    @given(positive, positive, halves, currencies, currencies)
    @settings(max_examples=100, deadline=None)
    def test_the_bid_of_a_pair_is_the_reciprocal_of_the_ask_of_its_inverse(
        self, usd: Decimal, huf: Decimal, half: Decimal, base: str, quote: str
    ) -> None:
        assume(base != quote)
        known = fixing(USD=str(usd), HUF=str(huf))
        _mid, bid, ask = two_sided(known, f"{base}/{quote}", half)
        _mid, other_bid, other_ask = two_sided(known, f"{quote}/{base}", half)
        # Each of the two is rounded once, at the eighth digit.
        self.assertTrue(within(bid * other_ask, D(1), D("3e-7")))
        self.assertTrue(within(ask * other_bid, D(1), D("3e-7")))

    @given(positive, halves, halves)
    @settings(max_examples=50, deadline=None)
    def test_a_larger_half_spread_never_narrows(self, huf: Decimal, one: Decimal, other: Decimal) -> None:
        for pair in ("EUR/HUF", "HUF/EUR"):
            _mid, bid, ask = two_sided(fixing(HUF=str(huf)), pair, min(one, other))
            _mid, wide_bid, wide_ask = two_sided(fixing(HUF=str(huf)), pair, max(one, other))
            self.assertTrue(wide_bid <= bid and ask <= wide_ask)


class StandardErrorTests(SynchronousTestCase):
    """`standard_error`: the table, column by column"""

    ages = (hours(0), hours(8), hours(14), hours(20), hours(26), hours(80))

    def test_the_measured_pairs_follow_the_table(self) -> None:
        table = {
            "USD/HUF": (55, 58, 70, 92, 79, 58),
            "USD/MXN": (59, 64, 70, 84, 80, 107),
            "EUR/USD": (39, 41, 47, 61, 51, 45),
            "EUR/HUF": (32, 33, 41, 54, 45, 33),
        }
        for pair, row in table.items():
            got = tuple(standard_error(pair, age) * 10_000 for age in self.ages)
            self.assertEqual(got, row, pair)

    def test_a_column_reaches_up_to_but_not_including_its_upper_limit(self) -> None:
        self.assertEqual(standard_error("USD/HUF", hours(8) - timedelta(seconds=1)), D("0.0055"))
        self.assertEqual(standard_error("USD/HUF", hours(8)), D("0.0058"))

    def test_a_pair_that_was_not_measured_gets_the_worst_of_each_column(self) -> None:
        got = tuple(standard_error("GBP/JPY", age) * 10_000 for age in self.ages)
        self.assertEqual(got, (59, 64, 70, 92, 80, 107))

    def test_a_pair_is_as_uncertain_as_its_inverse(self) -> None:
        for pair in ("USD/HUF", "EUR/USD", "GBP/JPY"):
            for age in self.ages:
                self.assertEqual(standard_error(pair, age), standard_error(inverse(pair), age))

    def test_a_currency_against_itself_is_certain(self) -> None:
        self.assertEqual(standard_error("HUF/HUF", hours(100)), 0)

    def test_no_error_is_larger_than_the_largest(self) -> None:
        pairs = ("USD/HUF", "USD/MXN", "EUR/USD", "EUR/HUF", "GBP/JPY")
        self.assertEqual(max(standard_error(pair, age) for pair in pairs for age in self.ages), LARGEST_ERROR)

    @given(st.floats(0, 25.99), st.floats(0, 25.99), st.sampled_from(["USD/HUF", "MXN/USD", "EUR/USD", "GBP/JPY"]))
    @settings(max_examples=50, deadline=None)
    def test_on_working_days_an_older_fixing_is_never_more_certain(self, one: float, other: float, pair: str) -> None:
        younger, older = hours(min(one, other)), hours(max(one, other))
        self.assertLessEqual(standard_error(pair, younger), standard_error(pair, older))

    @given(st.floats(0, 500), st.sampled_from(["USD/HUF", "USD/MXN", "EUR/USD", "EUR/HUF"]))
    @settings(max_examples=50, deadline=None)
    def test_an_unmeasured_pair_is_at_no_age_more_certain_than_a_measured_one(self, age: float, pair: str) -> None:
        self.assertGreaterEqual(standard_error("GBP/JPY", hours(age)), standard_error(pair, hours(age)))


class DriftTests(SynchronousTestCase):
    """`drift`"""

    def test_in_a_day_it_is_the_measured_daily_move(self) -> None:
        self.assertEqual(drift("USD/MXN", hours(24)), D("0.0078"))

    def test_it_grows_with_the_square_root_of_time(self) -> None:
        self.assertEqual(drift("USD/HUF", hours(6)) * 2, drift("USD/HUF", hours(24)))

    def test_a_pair_and_its_inverse_drift_alike_and_one_that_was_not_measured_like_the_wildest(self) -> None:
        self.assertEqual(drift("USD/EUR", hours(5)), drift("EUR/USD", hours(5)))
        self.assertEqual(drift("GBP/JPY", hours(5)), drift("USD/HUF", hours(5)))

    def test_what_has_no_age_and_what_is_itself_has_no_error(self) -> None:
        self.assertEqual((drift("USD/HUF", hours(0)), drift("USD/USD", hours(9))), (0, 0))


class HalfSpreadTests(SynchronousTestCase):
    """`half_spread`"""

    def test_the_configured_spread_and_the_ageing_error_add_up(self) -> None:
        self.assertEqual(half_spread("USD/HUF", D("0.0055"), D("0.0003"), D(2)), D("0.0113"))

    def test_a_currency_costs_nothing_against_itself(self) -> None:
        self.assertEqual(half_spread("USD/USD", D("0.0055"), D("0.0003"), D(2)), 0)


class TimeTests(SynchronousTestCase):
    """When a fixing was made, and how old it is"""

    def test_a_fixing_is_made_at_a_quarter_past_two_in_frankfurt(self) -> None:
        self.assertEqual(fixing_time(date(2026, 7, 1)), datetime(2026, 7, 1, 12, 15, tzinfo=UTC))
        self.assertEqual(fixing_time(date(2026, 12, 1)), datetime(2026, 12, 1, 13, 15, tzinfo=UTC))

    def test_days_are_counted_by_the_calendar_of_frankfurt(self) -> None:
        self.assertEqual(age_in_days(date(2026, 7, 1), datetime(2026, 7, 1, 21, 59, tzinfo=UTC)), 0)
        self.assertEqual(age_in_days(date(2026, 7, 1), datetime(2026, 7, 1, 22, 1, tzinfo=UTC)), 1)
        self.assertEqual(age_in_days(date(2026, 7, 2), datetime(2026, 7, 1, 12, 0, tzinfo=UTC)), -1)


class JumpsTests(SynchronousTestCase):
    """`jumps` and `within`"""

    def test_only_moves_beyond_the_limit_are_told(self) -> None:
        moved = jumps(
            {"USD": D(1), "HUF": D(100), "MXN": D(20)}, {"USD": D("1.08"), "HUF": D(109), "JPY": D(5)}, D("0.08")
        )
        self.assertEqual(moved, {"HUF": D("0.09")})

    def test_a_fall_counts_as_the_rise_that_would_undo_it(self) -> None:
        self.assertEqual(jumps({"HUF": D(110)}, {"HUF": D(100)}, D("0.08")), {"HUF": D("0.1")})

    def test_agreement_is_measured_against_the_smaller_value(self) -> None:
        self.assertTrue(within(D(100), D(101), D("0.01")))
        self.assertFalse(within(D(100), D("101.1"), D("0.01")))


class AnchoredTests(SynchronousTestCase):
    """`anchored`: rates written by hand"""

    def test_pairs_written_either_way_round_are_brought_to_the_euro(self) -> None:
        anchor, rates = anchored([("USD/HUF", D(300)), ("EUR/USD", D(2)), ("MXN/USD", D("0.05"))])
        self.assertEqual((anchor, rates), ("EUR", {"USD": D(2), "HUF": D(600), "MXN": D(40)}))

    def test_without_the_euro_the_first_base_is_the_anchor(self) -> None:
        self.assertEqual(anchored([("USD/HUF", D(300))]), ("USD", {"HUF": D(300)}))

    def test_pairs_that_do_not_hang_together_are_refused(self) -> None:
        error = self.assertRaises(ValueError, anchored, [("EUR/USD", D(1)), ("GBP/JPY", D(150))])
        self.assertIn("GBP/JPY is connected to EUR by no other pair", str(error))

    def test_a_pair_that_follows_from_the_others_is_refused(self) -> None:
        pairs = [("EUR/USD", D(1)), ("EUR/HUF", D(300)), ("USD/HUF", D(301))]
        self.assertIn("give it once", str(self.assertRaises(ValueError, anchored, pairs)))

    def test_no_rates_at_all_are_refused(self) -> None:
        self.assertRaises(ValueError, anchored, [])
