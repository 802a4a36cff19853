"""Rounding to a venue's steps: never past the value, never better for the taker of our quote."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from ilp.trading.steps import FINEST, down, plain, protective, up

D = Decimal
values = st.decimals("-1000", "1000", places=6)
steps = st.sampled_from([D("0.01"), D("0.5"), D("1"), D("2.5"), D("1e-6"), D("3")])


class StepTests(SynchronousTestCase):
    @given(values, steps)
    @hypothesis_settings(max_examples=100)
    def test_down_and_up_are_the_nearest_multiples_on_either_side(self, value: Decimal, step: Decimal) -> None:
        below, above = down(value, step), up(value, step)
        self.assertEqual((below % step, above % step), (0, 0))
        self.assertTrue(below <= value <= above)
        self.assertTrue(value - below < step and above - value < step)

    @given(values, steps)
    @hypothesis_settings(max_examples=60)
    def test_what_lies_on_a_step_stays_there(self, value: Decimal, step: Decimal) -> None:
        on_it = down(value, step)
        self.assertEqual((down(on_it, step), up(on_it, step)), (on_it, on_it))

    def test_a_step_that_is_not_positive_stands_for_none(self) -> None:
        for step in (D(0), D(-1)):
            self.assertEqual((down(D("1.23"), step), up(D("1.23"), step)), (D("1.23"), D("1.23")))

    def test_a_buyers_price_rounds_down_and_a_sellers_up(self) -> None:
        self.assertEqual(protective(D("1.005"), Side.BUY, D("0.01")), D("1.00"))
        self.assertEqual(protective(D("1.005"), Side.SELL, D("0.01")), D("1.01"))


class PlainTests(SynchronousTestCase):
    def test_the_zeros_that_a_division_leaves_go(self) -> None:
        self.assertEqual(str(plain(D("0.25000000"))), "0.25")

    def test_a_large_round_number_gets_no_exponent(self) -> None:
        self.assertEqual([str(plain(D(text))) for text in ("100", "1E+3", "0")], ["100", "1000", "0"])

    def test_nothing_is_counted_finer_than_eight_decimals(self) -> None:
        self.assertEqual(plain(D(1) / 3), D("0.33333333"))
        self.assertEqual(plain(FINEST), FINEST)
