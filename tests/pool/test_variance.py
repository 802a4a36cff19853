"""Variances and covariances from closing prices."""

from __future__ import annotations

import itertools
import statistics
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

import numpy as np

from ilp.pool.variance import (
    Close,
    TooFewCloses,
    covariance,
    inverted,
    override,
    variance,
    window_periods,
)
from tests.pool.cases import NumberTestCase

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def hourly(prices: list[float], start: datetime = NOON) -> list[Close]:
    """One close an hour."""
    return [(start + n * HOUR, price) for n, price in enumerate(prices)]


def walk(seed: int, count: int, step: float = 1.0) -> list[float]:
    """A random walk around 1000."""
    rng, prices = Random(seed), [1000.0]
    for _ in range(count - 1):
        prices.append(prices[-1] + rng.gauss(0, step))
    return prices


class VarianceTests(NumberTestCase):
    """One price."""

    def test_it_is_the_sample_variance_of_the_changes(self) -> None:
        prices = walk(1, 50)
        changes = [b - a for a, b in itertools.pairwise(prices)]
        found = variance(hourly(prices), "hour", 168)
        self.assert_near(found.value, statistics.variance(changes))
        self.assertEqual((found.closes, found.origin, found.scaled), (50, "history", False))

    def test_a_drift_is_no_risk(self) -> None:
        self.assert_near(variance(hourly([100.0 + 2 * n for n in range(30)]), "hour", 168).value, 0.0)

    def test_order_and_type_of_the_closes_do_not_matter(self) -> None:
        closes = hourly(walk(2, 30))
        shuffled = [(when, Decimal(str(price))) for when, price in closes]
        Random(0).shuffle(shuffled)
        self.assert_near(variance(shuffled, "hour", 168).value, variance(closes, "hour", 168).value)

    def test_only_the_window_counts(self) -> None:
        old, new = walk(3, 100, 50.0), walk(4, 21, 1.0)
        closes = hourly(old) + hourly(new, NOON + 100 * HOUR)
        self.assert_near(variance(closes, "hour", 20).value, variance(hourly(new), "hour", 20).value)

    def test_fewer_than_ten_closes_make_no_estimate(self) -> None:
        with self.assertRaises(TooFewCloses) as caught:
            variance(hourly(walk(5, 9)), "hour", 168, name="BTC/USD")
        self.assertIn("BTC/USD: 9 closes", str(caught.exception))
        self.assertEqual(variance(hourly(walk(5, 10)), "hour", 168).closes, 10)

    def test_no_closes_make_no_estimate(self) -> None:
        with self.assertRaises(TooFewCloses):
            variance([], "day", 30)

    def test_a_change_over_a_gap_counts_as_a_random_walk_would(self) -> None:
        prices = walk(6, 4001)
        kept = [close for n, close in enumerate(hourly(prices)) if n % 4 in (0, 1)]
        found = variance(kept, "hour", 5000).value
        self.assert_near(found, variance(hourly(prices), "hour", 5000).value, 0.1)

    def test_a_hole_in_the_data_is_left_out(self) -> None:
        closes = hourly(walk(7, 20)) + hourly([5000.0 + x for x in walk(8, 20)], NOON + 100 * HOUR)
        self.assertLess(variance(closes, "hour", 1000).value, 5.0)

    def test_an_outlier_is_risk_and_stays(self) -> None:
        prices = walk(9, 30)
        jump = [*prices[:15], *(price + 100 for price in prices[15:])]
        self.assertGreater(variance(hourly(jump), "hour", 168).value, 100 * variance(hourly(prices), "hour", 168).value)

    def test_bad_closes_are_left_out(self) -> None:
        closes = hourly(walk(10, 30))
        bad: list[Close] = [(NOON + 40 * HOUR, 0.0), (NOON + 41 * HOUR, -1.0), (NOON + 42 * HOUR, float("nan"))]
        self.assertEqual(variance(closes + bad, "hour", 168), variance(closes, "hour", 168))

    def test_days_are_scaled_to_hours_by_time_and_marked(self) -> None:
        closes: list[Close] = [(NOON + timedelta(days=n), price) for n, price in enumerate(walk(11, 40))]
        daily, scaled = variance(closes, "day", 365), variance(closes, "hour", 24 * 365, measured="day")
        self.assert_near(scaled.value, daily.value / 24)
        self.assertTrue(scaled.scaled)
        self.assertEqual(scaled.period, "hour")

    def test_its_age_is_that_of_its_newest_close(self) -> None:
        found = variance(hourly(walk(12, 12)), "hour", 168)
        self.assertEqual(found.age(NOON + 13 * HOUR), 2 * HOUR)

    def test_an_override_has_a_value_and_no_age(self) -> None:
        found = override(Decimal(250), "hour")
        self.assertEqual((found.value, found.origin, found.age(NOON)), (250.0, "override", None))

    def test_closes_can_be_turned_round(self) -> None:
        self.assertEqual(inverted([(NOON, 4.0), (NOON, 0.0)]), [(NOON, 0.25)])


class WindowTests(NumberTestCase):
    """Windows by name and number."""

    def test_names_are_turned_into_periods(self) -> None:
        self.assertEqual(window_periods("week", "hour"), 168)
        self.assertEqual(window_periods("month", "day"), 30)
        self.assertEqual(window_periods("quarter", "day"), 91)
        self.assertEqual(window_periods("year", "day"), 365)
        self.assertEqual(window_periods("48", "minute"), 48)

    def test_windows_of_fewer_than_twelve_periods_are_refused(self) -> None:
        for window, period in ((11, "hour"), ("week", "day"), (0, "minute")):
            with self.assertRaises(ValueError):
                window_periods(window, period)

    def test_unknown_names_are_refused(self) -> None:
        for window, period in (("decade", "day"), (30, "second")):
            with self.assertRaises(ValueError):
                window_periods(window, period)


class CovarianceTests(NumberTestCase):
    """Several prices."""

    def test_it_is_the_sample_covariance_where_histories_run_together(self) -> None:
        a, b = walk(20, 60), walk(21, 60)
        b = [x + 0.5 * y for x, y in zip(b, a, strict=True)]
        histories = {"BTC": hourly(a), "HUF": hourly(b)}
        variances = {name: variance(closes, "hour", 168) for name, closes in histories.items()}
        assets, matrix = covariance(histories, variances, "hour", 168)
        self.assertEqual(assets, ("BTC", "HUF"))
        expected = np.cov(np.diff(a), np.diff(b))
        for i in range(2):
            for j in range(2):
                self.assert_near(matrix[i][j], expected[i, j], 1e-9)

    def test_it_is_symmetric_and_positive_semidefinite(self) -> None:
        histories = {name: hourly(walk(seed, 30)) for seed, name in enumerate(("A", "B", "C", "D"))}
        variances = {name: variance(closes, "hour", 168) for name, closes in histories.items()}
        matrix = np.array(covariance(histories, variances, "hour", 168)[1])
        self.assertTrue((matrix == matrix.T).all())
        self.assertGreater(np.linalg.eigvalsh(matrix).min(), -1e-9)

    def test_an_override_keeps_its_variance_and_correlates_with_nothing(self) -> None:
        histories = {"BTC": hourly(walk(1, 30))}
        variances = {"BTC": variance(histories["BTC"], "hour", 168), "HUF": override(4, "hour")}
        _, matrix = covariance(histories, variances, "hour", 168)
        self.assertEqual(matrix, ((variances["BTC"].value, 0.0), (0.0, 4.0)))

    def test_without_enough_common_changes_prices_are_taken_as_independent(self) -> None:
        histories = {"BTC": hourly(walk(1, 30)), "HUF": hourly(walk(2, 30), NOON + 25 * HOUR)}
        variances = {name: variance(closes, "hour", 168) for name, closes in histories.items()}
        self.assertEqual(covariance(histories, variances, "hour", 168)[1][0][1], 0.0)

    def test_a_price_that_stands_still_is_no_trouble(self) -> None:
        histories = {"BTC": hourly(walk(1, 30)), "EUR": hourly([1.1] * 30)}
        variances = {name: variance(closes, "hour", 168) for name, closes in histories.items()}
        self.assertEqual(covariance(histories, variances, "hour", 168)[1][1], (0.0, 0.0))
