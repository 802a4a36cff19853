"""How often a taker could have picked off quotes: the reckoning on made-up markets, and what recorded USD/MXN says."""

from __future__ import annotations

import unittest
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from benchmarks.picked_off import AGES, FACTORS, PAIR, TICKS, Tick, exposures, pairs_at, ticks
from clients.rates_arithmetic import drift
from tests.shared_data import path

FILE = path("fx", TICKS)
SPREAD = 4e-4  # the default of `rate_spread`


class ReckoningTests(SynchronousTestCase):
    """`exposures`"""

    def test_a_market_that_stands_still_takes_nothing(self) -> None:
        self.assertEqual(exposures([(18.0, Tick(17.999, 18.001))] * 3, 0.0).share, 0.0)

    def test_a_bid_above_our_ask_loses_the_difference(self) -> None:
        found = exposures([(100.0, Tick(101.0, 101.2)), (100.0, Tick(99.9, 100.1))], 0.005)
        self.assertEqual((found.moments, found.share), (2, 0.5))
        self.assertAlmostEqual(found.loss, 101.0 / 100.5 - 1)

    def test_an_ask_below_our_bid_loses_the_difference(self) -> None:
        self.assertAlmostEqual(exposures([(100.0, Tick(98.8, 99.0))], 0.005).loss, 99.5 / 99.0 - 1)

    def test_the_edge_is_ours_first(self) -> None:
        self.assertEqual(exposures([(100.0, Tick(101.0, 101.2))], 0.005, 0.006).share, 0.0)

    def test_only_moments_whose_past_was_recorded_count(self) -> None:
        market = {0: Tick(1.0, 1.0), 5: Tick(2.0, 2.0), 15: Tick(3.0, 3.0)}
        self.assertEqual([(mid, now.bid) for mid, now in pairs_at(market, 5)], [(1.0, 2.0)])
        self.assertEqual([(mid, now.bid) for mid, now in pairs_at(market, 10)], [(2.0, 3.0)])

    @given(
        st.lists(st.tuples(st.floats(15, 25), st.floats(15, 25)), min_size=1, max_size=30),
        st.floats(0, 0.1),
        st.floats(0, 0.1),
    )
    @settings(max_examples=100, deadline=None)
    def test_a_wider_spread_is_never_picked_off_more_often(
        self, mids: list[tuple[float, float]], one: float, other: float
    ) -> None:
        pairs = [(old, Tick(new * 0.9999, new * 1.0001)) for old, new in mids]
        narrow, wide = exposures(pairs, min(one, other)), exposures(pairs, max(one, other))
        self.assertGreaterEqual(narrow.share, wide.share)


@unittest.skipIf(FILE is None, "needs the recordings that lie beside the repository and do not ship with it")
class RecordedTests(SynchronousTestCase):
    """USD/MXN every five seconds, from just after the payrolls of 2023-10-06 to the close"""

    def setUp(self) -> None:
        assert FILE is not None
        self.market = ticks(FILE)

    def share(self, age: int, factor: float) -> float:
        error = float(drift(PAIR, timedelta(seconds=age)))
        found = exposures(pairs_at(self.market, age), SPREAD + factor * error)
        self.assertGreater(found.moments, 2000)
        return found.share

    def test_without_widening_the_share_grows_with_the_age_until_nearly_every_moment_loses(self) -> None:
        shares = [self.share(age, 0.0) for age in AGES if age <= 3600]
        self.assertEqual(shares, sorted(shares))
        self.assertLess(shares[0], 0.01)
        self.assertGreater(shares[-1], 0.8)

    def test_at_every_age_each_step_of_widening_loses_less_often(self) -> None:
        for age in AGES:
            with self.subTest(age):
                shares = [self.share(age, factor) for factor in FACTORS]
                self.assertEqual(shares, sorted(shares, reverse=True))

    def test_a_minute_s_age_widened_once_loses_in_a_tenth_of_the_moments_even_after_payrolls(self) -> None:
        self.assertLess(self.share(60, 1.0), 0.11)

    def test_an_hour_s_age_widened_once_still_loses_in_half_of_them(self) -> None:
        self.assertTrue(0.45 < self.share(3600, 1.0) < 0.6)
