"""The wire formats of rate feeds, clean and dirty."""

from __future__ import annotations

import contextlib
import gzip
import io
import unittest
import zipfile
from datetime import date
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clients.rates_formats import BadRates, parse_csv, parse_frankfurter, parse_pairs, parse_xml, unzip
from tests.shared_data import path

D = Decimal
DAY = date(2026, 10, 30)
DAILY = b"""<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01" xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
\t<gesmes:subject>Reference rates</gesmes:subject>
\t<Cube>
\t\t<Cube time='2026-10-30'>
\t\t\t<Cube currency='USD' rate='1.1172'/>
\t\t\t<Cube currency='HUF' rate='366.33'/>
\t\t</Cube>
\t</Cube>
</gesmes:Envelope>"""
HISTORY = (
    "Date,USD,JPY,BGN,HUF,MXN,\n2026-10-30,1.1172,175.68,N/A,366.33,21.1237,\n"
    "2026-10-29,1.113,175.92,N/A,365.95,20.8661,\n"
)
ONE_ROW = "Date, USD, JPY, CZK, HUF, MXN, \n30 October 2026, 1.1172, 175.68, 24.353, 366.33, 21.1237, \n"


class XMLTests(SynchronousTestCase):
    """`parse_xml`"""

    def refused(self, body: bytes, why: str) -> None:
        self.assertIn(why, str(self.assertRaises(BadRates, parse_xml, body)))

    def test_the_daily_file_is_one_day(self) -> None:
        self.assertEqual(parse_xml(DAILY), {DAY: {"USD": D("1.1172"), "HUF": D("366.33")}})

    def test_double_quotes_on_one_line_read_the_same(self) -> None:
        old = DAILY.replace(b"'", b'"').replace(b"\n", b"").replace(b"\t", b"")
        self.assertEqual(parse_xml(old), parse_xml(DAILY))

    def test_a_history_has_many_days(self) -> None:
        more = DAILY.replace(
            b"\t</Cube>\n</g", b"<Cube time='2026-10-29'><Cube currency='USD' rate='1.113'/></Cube>\t</Cube>\n</g"
        )
        self.assertEqual(list(parse_xml(more)), [DAY, date(2026, 10, 29)])

    def test_a_decimal_comma_is_refused_and_not_mended(self) -> None:
        self.refused(DAILY.replace(b"1.1172", b"1,1172"), "2026-10-30 USD: '1,1172' is not a decimal number; a comma")

    def test_zero_negative_and_strange_numbers_are_refused(self) -> None:
        for text in (
            b"0",
            b"0.000",
            b"-1.1",
            b"NaN",
            b"Infinity",
            b"1e3",
            b"",
            b"+1",
            b" 1.1",
            b"1_0",
            b"1.1.1",
            "١".encode(),
        ):
            self.refused(DAILY.replace(b"1.1172", text), "2026-10-30 USD: ")

    def test_a_document_type_is_refused_before_any_entity_is_expanded(self) -> None:
        bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
        self.refused(DAILY.replace(b"?>", b"?>" + bomb), "XML that is refused")

    def test_html_is_refused(self) -> None:
        self.refused(b"<html><body><h1>Maintenance</h1></body></html>", "not one rate")
        self.refused(b"<html><body><br><h1>Maintenance</body></html>", "not XML")

    def test_a_cut_file_is_refused_wherever_it_is_cut(self) -> None:
        for length in range(0, len(DAILY) - 1, 7):
            self.assertRaises(BadRates, parse_xml, DAILY[:length])

    def test_cubes_of_another_namespace_are_not_rates(self) -> None:
        self.refused(DAILY.replace(b"www.ecb.int", b"www.example.org"), "not one rate")

    def test_a_day_or_a_currency_that_is_there_twice_is_refused(self) -> None:
        self.refused(DAILY.replace(b"'HUF'", b"'USD'"), "USD is there twice")
        twice = DAILY.replace(
            b"\t</Cube>\n</g", b"<Cube time='2026-10-30'><Cube currency='USD' rate='1'/></Cube>\t</Cube>\n</g"
        )
        self.refused(twice, "2026-10-30 is there twice")

    def test_strange_dates_and_currencies_are_refused(self) -> None:
        for text in (b"2026-02-30", b"20261030", b"yesterday", b""):
            self.refused(DAILY.replace(b"2026-10-30", text), "is not a date")
        self.refused(DAILY.replace(b"'USD'", b"'usd'"), "is not a currency code")

    def test_a_real_file_of_90_days_is_read_whole(self) -> None:
        file = path("fx", "ecb_eurofxref-hist-90d_2017-03-03.xml.gz")
        if file is None:
            raise unittest.SkipTest("the shared recordings are not on this machine")
        fixings = parse_xml(gzip.decompress(file.read_bytes()))
        self.assertEqual((len(fixings), max(fixings), min(fixings)), (64, date(2017, 3, 3), date(2016, 12, 5)))
        self.assertEqual({len(rates) for rates in fixings.values()}, {31})
        self.assertEqual(fixings[date(2017, 3, 3)]["HUF"], D("309.68"))


class CSVTests(SynchronousTestCase):
    """`parse_csv`"""

    def refused(self, text: str, why: str) -> None:
        self.assertIn(why, str(self.assertRaises(BadRates, parse_csv, text)))

    def test_the_one_row_file_has_spaces_and_an_english_date(self) -> None:
        rates = {"USD": D("1.1172"), "JPY": D("175.68"), "CZK": D("24.353"), "HUF": D("366.33"), "MXN": D("21.1237")}
        self.assertEqual(parse_csv(ONE_ROW), {DAY: rates})

    def test_a_currency_that_was_not_fixed_is_absent(self) -> None:
        self.assertNotIn("BGN", parse_csv(HISTORY)[DAY])
        self.assertEqual(parse_csv(HISTORY)[DAY]["MXN"], D("21.1237"))

    def test_only_the_days_and_currencies_asked_for_are_given(self) -> None:
        day = date(2026, 10, 29)
        self.assertEqual(parse_csv(HISTORY, day, day, frozenset({"HUF", "XXX"})), {day: {"HUF": D("365.95")}})

    def test_trailing_zeros_do_not_make_another_value(self) -> None:
        self.assertEqual(parse_csv("Date,GBP,\n2026-10-30,0.83380,\n"), parse_csv("Date,GBP\n2026-10-30,0.8338\n"))

    def test_windows_line_ends_and_a_byte_order_mark_are_borne(self) -> None:
        self.assertEqual(parse_csv("\ufeff" + HISTORY.replace("\n", "\r\n")), parse_csv(HISTORY))

    def test_decimal_commas_never_shift_a_value_into_another_column(self) -> None:
        self.refused(HISTORY.replace("1.1172", "1,1172"), "line 2 has 7 columns instead of 6")

    def test_a_file_of_a_european_spreadsheet_is_refused(self) -> None:
        self.refused(HISTORY.replace(",", ";").replace(".", ","), "is not a header")

    def test_a_cut_row_is_refused(self) -> None:
        self.refused(HISTORY[:-10], "line 3 has")

    def test_zero_and_garbage_are_refused(self) -> None:
        self.refused(HISTORY.replace("366.33", "0"), "line 2 HUF: 0 is not positive")
        self.refused(HISTORY.replace("366.33", "n/a"), "line 2 HUF: 'n/a' is not a decimal number")
        self.refused(HISTORY.replace("2026-10-29", "2026-10-30"), "is there twice")
        self.refused(HISTORY.replace("2026-10-29", "29.10.2026"), "is not a date")
        self.refused("<html>", "is not a header")
        self.refused("", "is not a header")

    @given(st.text(max_size=60))
    @settings(max_examples=100, deadline=None)
    def test_any_text_is_read_or_refused_but_nothing_else(self, text: str) -> None:
        with contextlib.suppress(BadRates):
            parse_csv("Date,USD,\n" + text)

    def test_the_whole_real_history_is_read(self) -> None:
        file = path("fx", "ecb_eurofxref-hist.csv.gz")
        if file is None:
            raise unittest.SkipTest("the shared recordings are not on this machine")
        fixings = parse_csv(gzip.decompress(file.read_bytes()).decode())
        self.assertEqual((len(fixings), max(fixings), min(fixings)), (7126, DAY, date(1999, 1, 4)))
        self.assertTrue(all({"USD", "HUF", "GBP"} <= set(rates) for rates in fixings.values()))
        self.assertEqual(min(day for day, rates in fixings.items() if "MXN" in rates), date(2008, 1, 2))
        self.assertEqual(sum("MXN" in rates for rates in fixings.values()), 4822)


class ZipTests(SynchronousTestCase):
    """`unzip`"""

    def archive(self, **files: str) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in files.items():
                archive.writestr(name.replace("_", "."), text)
        return buffer.getvalue()

    def test_the_one_csv_file_is_given(self) -> None:
        self.assertEqual(unzip(self.archive(hist_csv=HISTORY), 10_000), HISTORY)

    def test_a_bomb_is_not_unpacked(self) -> None:
        error = self.assertRaises(BadRates, unzip, self.archive(hist_csv="0" * 1_000_000), 10_000)
        self.assertIn("larger than 10000 bytes", str(error))

    def test_what_is_no_archive_or_has_no_csv_is_refused(self) -> None:
        for body in (b"", b"<html>", b"PK\x03\x04", self.archive(a_txt="x"), self.archive(a_csv="x", b_csv="y")):
            self.assertRaises(BadRates, unzip, body, 10_000)

    def test_a_cut_or_flipped_archive_is_refused(self) -> None:
        whole = self.archive(hist_csv=HISTORY)
        self.assertRaises(BadRates, unzip, whole[: len(whole) // 2], 10_000)
        flipped = bytearray(whole)
        flipped[60] ^= 0xFF
        self.assertRaises(BadRates, unzip, bytes(flipped), 10_000)

    def test_text_that_is_not_utf8_is_refused(self) -> None:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("a.csv", b"\xff\xfe")
        self.assertRaises(BadRates, unzip, buffer.getvalue(), 10_000)


class FrankfurterTests(SynchronousTestCase):
    """`parse_frankfurter`"""

    def refused(self, body: bytes, why: str) -> None:
        self.assertIn(why, str(self.assertRaises(BadRates, parse_frankfurter, body)))

    def test_one_day_is_read_without_a_float_in_between(self) -> None:
        body = b'{"amount":1.0,"base":"EUR","date":"2026-10-30","rates":{"HUF":366.33,"ISK":136,"GBP":0.8338}}'
        self.assertEqual(parse_frankfurter(body), {DAY: {"HUF": D("366.33"), "ISK": D(136), "GBP": D("0.8338")}})

    def test_a_range_is_read(self) -> None:
        body = (
            b'{"amount":1.0,"base":"EUR","start_date":"2026-10-29","end_date":"2026-10-30",'
            b'"rates":{"2026-10-29":{"USD":1.113},"2026-10-30":{"USD":1.1172}}}'
        )
        self.assertEqual(parse_frankfurter(body), {date(2026, 10, 29): {"USD": D("1.113")}, DAY: {"USD": D("1.1172")}})

    def test_another_base_or_amount_is_refused_because_it_is_rounded(self) -> None:
        self.refused(b'{"amount":1.0,"base":"USD","date":"2026-10-30","rates":{"HUF":327.9}}', "rates for 1.0 USD")
        self.refused(b'{"amount":100,"base":"EUR","date":"2026-10-30","rates":{"HUF":36633}}', "rates for 100 EUR")

    def test_what_is_not_a_positive_number_is_refused(self) -> None:
        for value in (b'"366.33"', b"0", b"-1", b"null", b"true", b"NaN", b"Infinity", b"[1]", b"{}"):
            body = b'{"amount":1.0,"base":"EUR","date":"2026-10-30","rates":{"HUF":' + value + b"}}"
            self.assertRaises(BadRates, parse_frankfurter, body)

    def test_other_shapes_are_refused(self) -> None:
        self.refused(b'{"message":"not found"}', "JSON without rates")
        self.refused(b"[]", "JSON without rates")
        self.refused(b"<html>", "not JSON")
        self.refused(b"\xff", "not JSON")
        self.refused(b"[" * 100_000, "not JSON")
        self.refused(b'{"amount":1,"base":"EUR","rates":{"HUF":1}}', "is not a date")
        self.refused(b'{"amount":1,"base":"EUR","date":"2026-10-30","rates":{}}', "not one rate")
        self.refused(b'{"amount":1,"base":"EUR","start_date":"x","rates":{"2026-10-30":5}}', "instead of rates")
        self.refused(b'{"amount":1,"base":"EUR","date":"2026-10-30","rates":{"huf":1}}', "is not a currency code")


class PairsTests(SynchronousTestCase):
    """`parse_pairs`"""

    def test_pairs_are_separated_by_commas_or_lines(self) -> None:
        expected = [("EUR/USD", D("1.1172")), ("USD/HUF", D("327.9"))]
        self.assertEqual(parse_pairs("EUR/USD 1.1172, USD/HUF = 327.9,"), expected)
        self.assertEqual(parse_pairs("EUR/USD 1.1172\nUSD/HUF=327.9\n"), expected)

    def test_what_is_not_a_pair_and_a_number_is_refused(self) -> None:
        for text in ("USD 1", "USD/HUF", "USD/HUF x", "USD/HUF 0", "usd/huf 1", "USD/HUF 1 2"):
            self.assertRaises(BadRates, parse_pairs, text)
