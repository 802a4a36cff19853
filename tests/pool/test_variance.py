"""Variances and covariances from closing prices."""

from __future__ import annotations

import itertools
import statistics
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

import numpy as np

from ilp.pool.variance import Closes, TooFewCloses, covariance, override, variance, window_periods
from tests.pool.cases import NumberTestCase

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)

Pairs = list[tuple[float, float]]


def every(step: timedelta, prices: list[float], start: datetime = NOON) -> Pairs:
    """One close each *step*."""
    return [((start + n * step).timestamp(), price) for n, price in enumerate(prices)]


def hourly(prices: list[float], start: datetime = NOON) -> Closes:
    """One close an hour."""
    return Closes.of(every(HOUR, prices, start), "hour")


def days(prices: list[float], start: datetime = NOON) -> Closes:
    """One close a day."""
    return Closes.of(every(24 * HOUR, prices, start), "day")


def correlation(matrix: tuple[tuple[float, ...], ...]) -> float:
    """Of the first two assets."""
    return matrix[0][1] / (matrix[0][0] * matrix[1][1]) ** 0.5


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

    def test_the_order_of_the_closes_does_not_matter(self) -> None:
        closes = every(HOUR, walk(2, 30))
        shuffled = closes.copy()
        Random(0).shuffle(shuffled)
        expected = variance(Closes.of(closes, "hour"), "hour", 168)
        self.assertEqual(variance(Closes.of(shuffled, "hour"), "hour", 168), expected)

    def test_of_two_closes_at_one_time_the_last_one_counts(self) -> None:
        closes = every(HOUR, walk(2, 30))
        corrected = [(closes[5][0], 5000.0), *closes]
        expected = variance(Closes.of(closes, "hour"), "hour", 168)
        self.assertEqual(variance(Closes.of(corrected, "hour"), "hour", 168), expected)

    def test_only_the_window_counts(self) -> None:
        old, new = walk(3, 100, 50.0), walk(4, 21, 1.0)
        closes = Closes.of(every(HOUR, old) + every(HOUR, new, NOON + 100 * HOUR), "hour")
        self.assert_near(variance(closes, "hour", 20).value, variance(hourly(new), "hour", 20).value)

    def test_fewer_than_ten_closes_make_no_estimate(self) -> None:
        with self.assertRaises(TooFewCloses) as caught:
            variance(hourly(walk(5, 9)), "hour", 168, name="BTC/USD")
        self.assertIn("BTC/USD: 9 closes", str(caught.exception))
        self.assertEqual(variance(hourly(walk(5, 10)), "hour", 168).closes, 10)

    def test_no_closes_make_no_estimate(self) -> None:
        with self.assertRaises(TooFewCloses):
            variance(Closes.of([], "day"), "day", 30)

    def test_a_change_over_a_gap_counts_as_a_random_walk_would(self) -> None:
        prices = walk(6, 4001)
        kept = [close for n, close in enumerate(every(HOUR, prices)) if n % 4 in (0, 1)]
        found = variance(Closes.of(kept, "hour"), "hour", 5000).value
        self.assert_near(found, variance(hourly(prices), "hour", 5000).value, 0.1)

    def test_a_hole_in_the_data_is_left_out(self) -> None:
        closes = every(HOUR, walk(7, 20)) + every(HOUR, [5000.0 + x for x in walk(8, 20)], NOON + 100 * HOUR)
        self.assertLess(variance(Closes.of(closes, "hour"), "hour", 1000).value, 5.0)

    def test_an_outlier_is_risk_and_stays(self) -> None:
        prices = walk(9, 30)
        jump = [*prices[:15], *(price + 100 for price in prices[15:])]
        self.assertGreater(variance(hourly(jump), "hour", 168).value, 100 * variance(hourly(prices), "hour", 168).value)

    def test_bad_closes_are_left_out(self) -> None:
        closes = every(HOUR, walk(10, 30))
        bad = every(HOUR, [0.0, -1.0, float("nan"), float("inf")], NOON + 40 * HOUR)
        found = variance(Closes.of(closes + bad, "hour"), "hour", 168)
        self.assertEqual(found, variance(Closes.of(closes, "hour"), "hour", 168))

    def test_days_are_scaled_to_hours_by_time_and_marked(self) -> None:
        closes = days(walk(11, 40))
        daily, scaled = variance(closes, "day", 365), variance(closes, "hour", 24 * 365)
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
        found = Closes.of([(0.0, 4.0), (1.0, 0.0)], "hour", inverse=True)
        self.assertEqual((found.times.tolist(), found.prices.tolist()), ([0.0], [0.25]))


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

    def found(self, histories: dict[str, Closes]) -> tuple[tuple[float, ...], ...]:
        """The matrix of a week by the hour."""
        variances = {name: variance(closes, "hour", 168) for name, closes in histories.items()}
        return covariance(histories, variances, "hour", 168)

    def test_it_is_the_sample_covariance_where_histories_run_together(self) -> None:
        a, b = walk(20, 60), walk(21, 60)
        b = [x + 0.5 * y for x, y in zip(b, a, strict=True)]
        matrix = self.found({"BTC": hourly(a), "HUF": hourly(b)})
        expected = np.cov(np.diff(a), np.diff(b))
        for i in range(2):
            for j in range(2):
                self.assert_near(matrix[i][j], expected[i, j], 1e-9)

    def test_it_is_symmetric_and_positive_semidefinite(self) -> None:
        matrix = np.array(self.found({name: hourly(walk(seed, 30)) for seed, name in enumerate("ABCD")}))
        self.assertTrue((matrix == matrix.T).all())
        self.assertGreater(np.linalg.eigvalsh(matrix).min(), -1e-9)

    def test_an_override_keeps_its_variance_and_correlates_with_nothing(self) -> None:
        histories = {"BTC": hourly(walk(1, 30))}
        variances = {"BTC": variance(histories["BTC"], "hour", 168), "HUF": override(4, "hour")}
        matrix = covariance(histories, variances, "hour", 168)
        self.assertEqual(matrix, ((variances["BTC"].value, 0.0), (0.0, 4.0)))

    def test_hours_correlate_with_days_as_their_closes_by_the_day_do(self) -> None:
        prices = walk(22, 24 * 30 + 1)
        daily = days([5000 - 2 * price for price in prices[::24]])
        histories = {"BTC": hourly(prices), "HUF": daily}
        variances = {name: variance(closes, "hour", 24 * 30) for name, closes in histories.items()}
        self.assert_near(correlation(covariance(histories, variances, "hour", 24 * 30)), -1.0)

    def test_a_fixing_within_the_hour_is_compared_with_the_close_before_it(self) -> None:
        prices = walk(23, 24 * 30 + 1)
        daily = days([2 * price for price in prices[::24]], NOON + timedelta(minutes=15))
        histories = {"BTC": hourly(prices), "HUF": daily}
        variances = {name: variance(closes, "hour", 24 * 30) for name, closes in histories.items()}
        self.assert_near(correlation(covariance(histories, variances, "hour", 24 * 30)), 1.0)

    def test_a_close_that_is_missing_is_not_made_up(self) -> None:
        a, b = walk(24, 60), walk(25, 60)
        kept = [close for n, close in enumerate(every(HOUR, b)) if n % 5]
        both = [n for n in range(60) if n % 5]
        changes = [[(prices[y] - prices[x]) / (y - x) ** 0.5 for x, y in itertools.pairwise(both)] for prices in (a, b)]
        matrix = self.found({"BTC": hourly(a), "HUF": Closes.of(kept, "hour")})
        self.assert_near(correlation(matrix), np.corrcoef(changes)[0, 1])

    def test_only_the_window_counts_for_correlations_too(self) -> None:
        a, b = walk(26, 200), walk(27, 200)
        turned = [*b[:100], *(b[99] - (x - a[99]) for x in a[100:])]
        histories = {"BTC": hourly(a), "HUF": hourly(turned)}
        variances = {name: variance(closes, "hour", 90) for name, closes in histories.items()}
        self.assert_near(correlation(covariance(histories, variances, "hour", 90)), -1.0)

    def test_without_enough_common_changes_prices_are_taken_as_independent(self) -> None:
        matrix = self.found({"BTC": hourly(walk(1, 30)), "HUF": hourly(walk(2, 30), NOON + 25 * HOUR)})
        self.assertEqual(matrix[0][1], 0.0)

    def test_a_price_that_stands_still_is_no_trouble(self) -> None:
        matrix = self.found({"BTC": hourly(walk(1, 30)), "EUR": hourly([1.1] * 30)})
        self.assertEqual(matrix[1], (0.0, 0.0))
