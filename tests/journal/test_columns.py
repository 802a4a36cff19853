"""Money, moments and documents in one spelling each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal as D
from decimal import localcontext

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Numeric, Text
from sqlalchemy.dialects import postgresql, sqlite
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from ilp.journal.columns import Document, Instant, Money, canonical, instant_text, money_text

amounts = st.decimals(allow_nan=False, allow_infinity=False, min_value=D("-1e20"), max_value=D("1e20"), places=18)
moments = st.datetimes(timezones=st.just(UTC), min_value=datetime.fromisoformat("1000-01-01"))


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
            money_text(0.1)

    def test_what_is_not_finite_is_refused(self) -> None:
        for text in ("NaN", "Infinity", "-Infinity"):
            with self.assertRaisesRegex(ValueError, "a finite Decimal is wanted"):
                money_text(D(text))

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

    def test_a_time_without_a_zone_is_refused(self) -> None:
        with self.assertRaisesRegex(ValueError, "2015-03-14T12:00:00 has no time zone"):
            instant_text(datetime.fromisoformat("2015-03-14T12:00:00"))


class TypeTests(SynchronousTestCase):
    """What databases get, and what comes back."""

    SQLITE, POSTGRESQL = sqlite.dialect(), postgresql.dialect()

    def test_an_amount_is_text_where_numbers_are_binary_and_a_number_where_they_are_exact(self) -> None:
        self.assertEqual(Money().process_bind_param(D("1E-8"), self.SQLITE), "0.00000001")
        bound = Money().process_bind_param(D("1E-8"), self.POSTGRESQL)
        self.assertEqual((type(bound), bound), (D, D("0.00000001")))
        found = [type(Money().load_dialect_impl(dialect)) for dialect in (self.SQLITE, self.POSTGRESQL)]
        self.assertTrue(issubclass(found[0], Text) and issubclass(found[1], Numeric), found)

    def test_what_is_unknown_stays_unknown(self) -> None:
        for kind in (Money(), Instant()):
            self.assertIsNone(kind.process_bind_param(None, self.SQLITE))
            self.assertIsNone(kind.process_result_value(None, self.SQLITE))

    def test_no_database_gets_what_is_no_amount_or_has_no_zone(self) -> None:
        for dialect in (self.SQLITE, self.POSTGRESQL):
            self.assertRaises(ValueError, Money().process_bind_param, D("NaN"), dialect)
            naive = datetime.fromisoformat("2015-03-14")
            self.assertRaises(ValueError, Instant().process_bind_param, naive, dialect)

    @given(amounts, moments)
    @settings(deadline=None, max_examples=50)
    def test_amounts_and_moments_come_back_as_they_were(self, amount: D, moment: datetime) -> None:
        for kind, value in ((Money(), amount), (Instant(), moment)):
            stored = kind.process_bind_param(value, self.SQLITE)
            self.assertEqual(kind.process_result_value(stored, self.SQLITE), value)

    def test_a_document_comes_back_with_its_amounts_and_moments_as_text(self) -> None:
        moment = datetime(2015, 3, 14, 12, tzinfo=UTC)
        stored = Document().process_bind_param({"at": moment, "list": [D("1.50")], "name": "Á"}, self.SQLITE)
        self.assertEqual(stored, '{"at":"2015-03-14T12:00:00.000000Z","list":["1.50"],"name":"Á"}')
        expected = {"at": "2015-03-14T12:00:00.000000Z", "list": ["1.50"], "name": "Á"}
        self.assertEqual(Document().process_result_value(stored, self.SQLITE), expected)


class CanonicalTests(SynchronousTestCase):
    """`canonical`."""

    def test_keys_are_sorted_and_amounts_are_text(self) -> None:
        self.assertEqual(canonical({"b": D("1.50"), "a": (1, None, True)}), '{"a":[1,null,true],"b":"1.50"}')

    def test_enums_become_their_text(self) -> None:
        self.assertEqual(canonical(Side.BUY), '"BUY"')

    def test_a_number_that_is_none_is_refused(self) -> None:
        with self.assertRaises(ValueError):
            canonical({"value": float("nan")})
