"""Numbers and times in JSON documents."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ilp.figures import amount, figure, when


class AmountTests(SynchronousTestCase):
    """Exact amounts."""

    @settings(deadline=None, max_examples=100)
    @given(st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=-(10**12), max_value=10**12))
    def test_nothing_is_lost_and_nothing_invented(self, value: Decimal) -> None:
        text = amount(value)
        assert text is not None
        self.assertEqual(Decimal(text), value)
        self.assertNotIn("E", text)

    def test_zeros_behind_the_point_are_left_out(self) -> None:
        self.assertEqual([amount(Decimal(text)) for text in ("1.500", "100", "0.00", "-0.0")], ["1.5", "100", "0", "0"])

    def test_none_stays_none(self) -> None:
        self.assertEqual((amount(None), figure(None), when(None)), (None, None, None))


class FigureTests(SynchronousTestCase):
    """Computed numbers."""

    def test_ten_significant_digits_are_kept(self) -> None:
        self.assertEqual(figure(Decimal("12345.678901234")), "12345.6789")

    def test_noise_of_a_float_is_not_shown(self) -> None:
        self.assertEqual(figure(0.1 + 0.2), "0.3")

    def test_decimals_can_be_fixed(self) -> None:
        self.assertEqual(figure(2.5, places=2), "2.50")

    def test_what_is_no_number_is_none(self) -> None:
        self.assertIsNone(figure(float("nan")))


class WhenTests(SynchronousTestCase):
    """Times."""

    def test_a_time_is_told_in_utc(self) -> None:
        noon = datetime(2026, 1, 2, 13, tzinfo=timezone(timedelta(hours=1)))
        self.assertEqual(when(noon), "2026-01-02T12:00:00.000Z")

    def test_utc_stays_as_it_is(self) -> None:
        self.assertEqual(when(datetime(2026, 1, 2, tzinfo=UTC)), "2026-01-02T00:00:00.000Z")
