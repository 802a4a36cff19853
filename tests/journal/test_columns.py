"""Money, moments and documents in one spelling each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal as D
from decimal import localcontext

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from ilp.journal.columns import canonical, instant_text, money_text

amounts = st.decimals(allow_nan=False, allow_infinity=False, min_value=D("-1e20"), max_value=D("1e20"), places=18)
moments = st.datetimes(timezones=st.just(UTC), min_value=datetime(1000, 1, 1))  # noqa: DTZ001  the zone is added


class MoneyTests(SynchronousTestCase):
    """`money_text`."""

    @given(amounts)
    @settings(deadline=None, max_examples=50)
    def test_nothing_is_lost(self, amount: D) -> None:
        self.assertEqual(D(money_text(amount)), amount)

    def test_there_is_no_exponent(self) -> None:
        self.assertEqual(money_text(D("1E-8")), "0.00000001")
        self.assertEqual(money_text(D("1E+3")), "1000")

    def test_a_float_is_refused(self) -> None:
        with self.assertRaisesRegex(ValueError, r"0\.1 is not an amount"):
            money_text(0.1)  # type: ignore[arg-type]

    def test_a_small_context_changes_nothing(self) -> None:
        with localcontext(prec=3):
            self.assertEqual(money_text(D("1234.56789")), "1234.56789")


class InstantTests(SynchronousTestCase):
    """`instant_text`."""

    @given(moments, moments)
    @settings(deadline=None, max_examples=50)
    def test_texts_sort_like_moments(self, a: datetime, b: datetime) -> None:
        self.assertEqual(instant_text(a) < instant_text(b), a < b)

    @given(moments)
    @settings(deadline=None, max_examples=50)
    def test_nothing_is_lost(self, moment: datetime) -> None:
        self.assertEqual(datetime.fromisoformat(instant_text(moment)), moment)

    def test_other_zones_become_utc(self) -> None:
        budapest = timezone(timedelta(hours=1))
        self.assertEqual(instant_text(datetime(2015, 3, 14, 13, tzinfo=budapest)), "2015-03-14T12:00:00.000000Z")


class CanonicalTests(SynchronousTestCase):
    """`canonical`."""

    def test_keys_are_sorted_and_amounts_are_text(self) -> None:
        self.assertEqual(canonical({"b": D("1.50"), "a": (1, None, True)}), '{"a":[1,null,true],"b":"1.50"}')

    def test_enums_become_their_text(self) -> None:
        self.assertEqual(canonical(Side.BUY), '"BUY"')

    def test_a_number_that_is_none_is_refused(self) -> None:
        with self.assertRaises(ValueError):
            canonical({"value": float("nan")})
