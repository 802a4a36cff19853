"""What is listed when: tenors, market numbers, days that remain; and how numbers are written."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ilp.simulation.infinity.listings import (
    ALL_TOKENS,
    TENORS,
    dated,
    days_to,
    floating,
    listed_dates,
    maturity_of,
    plain,
    traded_tokens,
)

NOON = datetime(2023, 12, 20, 12, tzinfo=UTC)
TOKENS = {token.code: token for token in ALL_TOKENS}


class DateTests(SynchronousTestCase):
    def test_the_tenors_of_the_venues_example_day(self) -> None:
        found = {tenor: day.isoformat() for tenor, day in listed_dates(NOON).items()}
        assert found == {
            "1D": "2023-12-21", "2D": "2023-12-22", "1W": "2023-12-22", "2W": "2023-12-29", "3W": "2024-01-05",
            "1M": "2023-12-29", "2M": "2024-01-26", "3M": "2024-02-23",
            "1Q": "2023-12-29", "2Q": "2024-03-29", "3Q": "2024-06-28", "4Q": "2024-09-27",
        }  # fmt: skip

    @settings(deadline=None)
    @given(st.integers(0, 24 * 365 * 20))
    def test_every_tenor_is_listed_lies_ahead_and_grows(self, hours: int) -> None:
        now = datetime(2018, 1, 1, tzinfo=UTC) + timedelta(hours=hours)
        found = listed_dates(now)
        assert tuple(found) == TENORS
        assert all(day > now.date() for day in found.values())
        for names in (("1D", "2D"), ("1W", "2W", "3W"), ("1M", "2M", "3M"), ("1Q", "2Q", "3Q", "4Q")):
            days = [found[name] for name in names]
            assert days == sorted(set(days))
        assert all(day.weekday() == 4 for tenor, day in found.items() if tenor[1] != "D")
        for tenor, day in found.items():
            if tenor[1] in "MQ":  # the last Friday of its month
                assert (day + timedelta(days=7)).month != day.month
            if tenor[1] == "Q":
                assert day.month % 3 == 0

    def test_days_that_have_begun_count_whole(self) -> None:
        maturity = maturity_of(date(2023, 12, 29))
        assert days_to(maturity, NOON) == 9
        assert days_to(maturity, maturity - timedelta(days=1)) == 1
        assert days_to(maturity, maturity - timedelta(seconds=1)) == 1
        assert days_to(maturity, maturity) == days_to(maturity, maturity + timedelta(days=3)) == 0


class MarketTests(SynchronousTestCase):
    def test_market_numbers_are_those_of_the_venues_examples(self) -> None:
        for token, day, id in (
            ("ETH", date(2023, 11, 28), 11991),
            ("ETH", date(2023, 12, 8), 12041),
            ("ETH", date(2023, 12, 29), 12146),
            ("ETH", date(2024, 1, 26), 12286),
            ("WBTC", date(2023, 12, 29), 12149),
        ):
            assert dated(TOKENS[token], maturity_of(day), "x").market_id == id
        ids = {token.code: floating(token).market_id for token in traded_tokens()}
        assert ids == {"ETH": 1, "USDT": 5, "USDC": 2, "DAI": 7, "WBTC": 8}

    def test_steps_are_those_of_the_table(self) -> None:
        market = floating(TOKENS["WBTC"])
        assert market.quantity(market.lot) == Decimal("0.000001")
        assert market.quantity(market.min_quantity) == Decimal("0.0001")
        assert market.price(market.tick) == Decimal("0.0001")

    def test_what_moves_does_not_depend_on_the_rate(self) -> None:
        market = floating(TOKENS["ETH"])
        assert market.cash(5, 100) == market.cash(5, 10**9) == 5

    def test_a_rate_off_the_step_is_refused(self) -> None:
        self.assertRaises(ValueError, floating(TOKENS["ETH"]).wire_price, "0.01005")

    @given(st.decimals(allow_nan=False, allow_infinity=False, places=18, min_value=-(10**6), max_value=10**6))
    def test_numbers_have_no_exponent_and_no_zeros_at_the_end(self, number: Decimal) -> None:
        text = plain(number)
        assert Decimal(text) == number
        assert "E" not in text.upper() and text != "-0"
        assert "." not in text or text[-1] not in "0."
