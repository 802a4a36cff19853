"""Kinds of configuration values, each at the edges of what is allowed."""

from __future__ import annotations

from datetime import UTC, datetime
from datetime import time as TimeOfDay
from decimal import Decimal as D
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ilp import settings_values as kinds
from ilp.settings import Cost
from ilp.settings_values import Kind


class KindCase(SynchronousTestCase):
    def takes(self, kind: Kind, *pairs: tuple[str, Any]) -> None:
        for raw, value in pairs:
            self.assertEqual(kind(raw), value, raw)

    def refuses(self, kind: Kind, *raws: str, words: str = "") -> None:
        for raw in raws:
            with self.assertRaisesRegex(ValueError, "^must be ") as caught:
                kind(raw)
            self.assertIn(words or kind.allowed, str(caught.exception), raw)


class NumberTests(KindCase):
    def test_a_number_is_what_a_person_writes_for_an_amount(self) -> None:
        self.takes(
            kinds.number(None),
            ("1", D(1)),
            ("+1.50", D("1.50")),
            (" .5 ", D("0.5")),
            ("-2.", D(-2)),
            ("1e-8", D("1e-8")),
        )
        self.refuses(
            kinds.number(None), "", ".", "e5", "NaN", "Infinity", "1e999", "1,5", "0x10", "1 2", "--1", "1_000"
        )

    def test_its_bounds_belong_to_it(self) -> None:
        kind = kinds.number("1", "2")
        self.takes(kind, ("1", D(1)), ("2", D(2)))
        self.refuses(kind, "0.99", "2.01", words="at least 1 and at most 2")

    def test_a_lower_bound_may_be_left_out(self) -> None:
        kind = kinds.number("0", above=True)
        self.takes(kind, ("1e-9", D("1e-9")))
        self.refuses(kind, "0", "-1", words="above 0")

    def test_no_amount_is_absurd(self) -> None:
        self.takes(kinds.number(), ("1e15", D("1e15")), ("0", D(0)))
        self.refuses(kinds.number(), "1.1e15", "-0.1")

    def test_where_no_bound_is_set_none_is_named(self) -> None:
        self.assertEqual(kinds.number(None).allowed, "a decimal number")
        self.assertEqual(kinds.number("0").allowed, "a decimal number, at least 0")

    @given(st.decimals(-1000, 1000, places=8))
    @settings(max_examples=50)
    def test_no_digit_is_lost(self, value: D) -> None:
        self.assertEqual(kinds.number(None)(f"{value:f}"), value)

    def test_a_whole_number_has_bounds_that_belong_to_it(self) -> None:
        kind = kinds.integer(1, 5)
        self.takes(kind, ("1", 1), ("+5", 5))
        self.refuses(kind, "0", "6", "2.0", "", "two", words="a whole number from 1 to 5")


class SpanTests(KindCase):
    def test_a_span_is_seconds_or_has_a_unit(self) -> None:
        self.takes(
            kinds.seconds(0, 1e6),
            ("90", 90.0),
            ("90s", 90.0),
            ("1.5 m", 90.0),
            ("5min", 300.0),
            ("2 h", 7200.0),
            ("1d", 86400.0),
        )

    def test_its_bounds_belong_to_it(self) -> None:
        kind = kinds.seconds(60, 3600)
        self.takes(kind, ("60", 60.0), ("1 h", 3600.0))
        self.refuses(kind, "59", "3601", "2 h", words="seconds from 60 to 3600")

    def test_anything_else_is_no_span(self) -> None:
        self.refuses(kinds.seconds(0, 1e9), "", "-1", "5 w", "1 H", "h", "1h30m", "1e3")

    def test_a_window_is_a_number_of_periods_or_a_word(self) -> None:
        self.takes(kinds.window, ("12", "12"), ("1000000", "1000000"), ("week", "week"), ("year", "year"))
        self.refuses(kinds.window, "11", "1000001", "day", "-12", "12.5", "")

    def test_a_window_in_words_has_as_many_periods_as_fit(self) -> None:
        for period, in_a_day in (("minute", 1440), ("hour", 24), ("day", 1)):
            found = [kinds.periods_of(word, period) for word in ("week", "month", "quarter", "year")]
            self.assertEqual([number // in_a_day for number in found], [7, 30, 91, 365])
        self.assertEqual(kinds.periods_of("50", "day"), 50)


class CostTests(KindCase):
    def test_a_cost_is_a_fixed_and_a_proportional_part(self) -> None:
        self.takes(kinds.cost, ("[150, 0.1]", Cost(D(150), D("0.1"))), ("[0,0]", Cost(D(0), D(0))))
        self.takes(kinds.cost, ("[1e12, 0.999]", Cost(D("1e12"), D("0.999"))))

    def test_neither_part_is_negative_and_no_cost_takes_everything(self) -> None:
        self.refuses(kinds.cost, "[-1, 0]", "[0, -0.1]", "[0, 1]", "[1.1e12, 0]")

    def test_anything_else_is_no_cost(self) -> None:
        self.refuses(kinds.cost, "5", "[5]", "[1, 2, 3]", "[1 0]", "1, 0", "[, 0]", "[x, 0]", "")

    def test_what_a_coin_costs_may_be_one_amount(self) -> None:
        self.takes(kinds.coin_cost, ("0.0001", Cost(D("0.0001"), D(0))), ("[0.1, 0.2]", Cost(D("0.1"), D("0.2"))))
        self.refuses(kinds.coin_cost, "-1", "", "1, 2", words="an amount at least 0")


class WordTests(KindCase):
    def test_yes_and_no_have_many_spellings(self) -> None:
        for raw in ("yes", "TRUE", "on", "1"):
            self.assertIs(kinds.boolean(raw), True)
        for raw in ("no", "False", "off", "0"):
            self.assertIs(kinds.boolean(raw), False)
        self.refuses(kinds.boolean, "", "perhaps", "2")

    def test_one_of_a_few_words_names_them(self) -> None:
        kind = kinds.choice(("off", "propose"))
        self.takes(kind, ("off", "off"))
        self.refuses(kind, "Off", "", words="one of off, propose")

    def test_a_text_is_not_empty_and_words_may_be(self) -> None:
        self.takes(kinds.words, ("", ""), (" a b ", "a b"))
        self.refuses(kinds.text, "", "  ")

    def test_an_address_of_the_web_begins_as_such(self) -> None:
        self.takes(
            kinds.url, ("", ""), ("https://host/x", "https://host/x"), ("http://127.0.0.1:1", "http://127.0.0.1:1")
        )
        self.refuses(kinds.url, "host", "ftp://host", "https://", "http:/host", "javascript:alert(1)")

    def test_a_class_has_a_package(self) -> None:
        self.takes(kinds.dotted, ("clients.sputnik.Sputnik", "clients.sputnik.Sputnik"))
        self.refuses(kinds.dotted, "Sputnik", "clients.", ".Sputnik", "a b.c", "a.1b", "")

    def test_one_to_five_classes_are_told_apart_by_commas_or_lines(self) -> None:
        self.takes(kinds.dotted_several, ("a.B", ("a.B",)), ("a.B, c.D\ne.F,", ("a.B", "c.D", "e.F")))
        self.refuses(kinds.dotted_several, "", ",", ",".join(f"a.B{n}" for n in range(6)), "a.B, C")
        self.assertEqual(len(kinds.dotted_several(",".join(f"a.B{n}" for n in range(5)))), 5)

    def test_a_path_may_be_empty(self) -> None:
        self.takes(kinds.path, ("", None), ("x/y", Path("x/y")))

    def test_a_currency_has_capital_letters(self) -> None:
        self.takes(kinds.asset, ("BTC", "BTC"), ("1INCH", "1INCH"))
        self.refuses(kinds.asset, "btc", "B", "BTC/USD", "ABCDEFGHIJK", "")

    def test_a_pair_has_two_currencies(self) -> None:
        self.takes(kinds.ticker, ("BTC/USD", "BTC/USD"), ("ETH-SPOT", "ETH-SPOT"))
        self.refuses(kinds.ticker, "BTCUSD", "BTC/", "")


class TimeTests(KindCase):
    def test_a_time_has_a_zone(self) -> None:
        noon = datetime(2019, 6, 24, 8, tzinfo=UTC)
        self.takes(kinds.time, ("2019-06-24T08:00:00Z", noon), ("2019-06-24T10:00:00+02:00", noon))
        self.assertIs(kinds.time("2019-06-24T10:00:00+02:00").tzinfo, UTC)
        self.refuses(kinds.time, "2019-06-24T08:00:00", "yesterday", "")

    def test_hours_have_a_beginning_and_another_end(self) -> None:
        self.takes(kinds.hours, ("", None), ("22:00 - 07:30", (TimeOfDay(22), TimeOfDay(7, 30))))
        self.refuses(kinds.hours, "22:00", "22:00-22:00", "22-25", "22:00Z-07:00", "22:00-07:00Z", "-")


class ListTests(KindCase):
    def test_a_lane_has_a_currency_a_sender_and_a_receiver_or_the_bank(self) -> None:
        self.takes(
            kinds.lanes,
            ("", frozenset()),
            (
                "USD source -> target,\nHUF target->source",
                frozenset({("USD", "source", "target"), ("HUF", "target", "source")}),
            ),
            ("USD source ->", frozenset({("USD", "source", "")})),
        )
        self.refuses(kinds.lanes, "source -> target", "usd source -> target", "USD source target", "USD -> target")

    def test_amounts_have_a_currency_each(self) -> None:
        self.takes(
            kinds.amounts, ("", {}), ("USD 60000, BTC 6.5\nHUF 0", {"USD": D(60000), "BTC": D("6.5"), "HUF": D(0)})
        )

    def test_amounts_are_neither_negative_nor_told_twice(self) -> None:
        self.refuses(kinds.amounts, "USD -1", "USD 1, USD 2", "60000", "USD", "usd 5", "USD x")

    def test_addresses_of_one_place_are_kept_in_their_order(self) -> None:
        self.takes(
            kinds.addresses,
            ("", {}),
            ("target BTC b, target BTC a\nsource USD c", {("target", "BTC"): ("b", "a"), ("source", "USD"): ("c",)}),
        )
        self.refuses(kinds.addresses, "target BTC", "BTC 1Boat", "target btc x", "target BTC a b")
