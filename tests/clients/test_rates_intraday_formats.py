"""The wire formats of Open Exchange Rates and of Yahoo's charts: what is read, and what is refused with a reason.

Payloads are written after the published documentation and after what a chart really looks like, gaps and all.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clients.rates_formats import BadRates
from clients.rates_intraday_formats import oxr_error, parse_oxr, parse_oxr_usage, parse_yahoo, yahoo_error

D = Decimal

LATEST = b"""{"disclaimer":"Usage subject to terms: https://openexchangerates.org/terms",
 "license":"https://openexchangerates.org/license",
 "timestamp":1793358000,"base":"USD","rates":{"EUR":0.895095,"HUF":327.9125,"MXN":18.9064}}"""

CHART: dict[str, Any] = {
    "chart": {
        "result": [
            {
                "meta": {
                    "currency": "HUF", "symbol": "HUF=X", "instrumentType": "CURRENCY",
                    "regularMarketTime": 1793372340, "regularMarketPrice": 327.93,
                },
                "timestamp": [1793372220, 1793372280, 1793372340],
                "indicators": {"quote": [{"close": [327.92, None, 327.93], "volume": [0, None, 0]}]},
            }
        ],
        "error": None,
    }
}  # fmt: skip


def chart(**changes: Any) -> bytes:
    """The chart with parts of its result replaced; `meta` is merged."""
    document = json.loads(json.dumps(CHART))
    result = document["chart"]["result"][0]
    result["meta"].update(changes.pop("meta", {}))
    result.update(changes)
    return json.dumps(document).encode()


class OxrTests(SynchronousTestCase):
    """`latest.json`"""

    def test_rates_and_their_instant_are_read(self) -> None:
        quoted = parse_oxr(LATEST)
        self.assertEqual((quoted.at, quoted.base), (datetime(2026, 10, 30, 11, tzinfo=UTC), "USD"))
        self.assertEqual(quoted.rates["MXN"], D("18.9064"))

    def test_a_value_with_bid_and_ask_counts_by_its_mid(self) -> None:
        body = (
            b'{"timestamp":1,"base":"USD","rates":{"HUF":{"bid":327.8,"ask":328.0},"MXN":{"bid":1,"ask":3,"mid":2.5}}}'
        )
        self.assertEqual(parse_oxr(body).rates, {"HUF": D("327.9"), "MXN": D("2.5")})

    def test_a_name_that_is_no_code_is_left_out_and_the_others_stay(self) -> None:
        body = b'{"timestamp":1,"base":"USD","rates":{"HUF":327.8,"VEF_DIPRO":1.0}}'
        self.assertEqual(parse_oxr(body).rates, {"HUF": D("327.8")})

    def test_what_is_no_positive_number_is_refused_by_name(self) -> None:
        for value in (b"0", b"-1", b'"18.9"', b"null", b"1e999", b"true"):
            with self.subTest(value):
                body = b'{"timestamp":1,"base":"USD","rates":{"HUF":%s}}' % value
                self.assertIn("HUF", str(self.assertRaises(BadRates, parse_oxr, body)))

    def test_not_a_number_is_refused(self) -> None:
        for word in (b"NaN", b"Infinity"):
            body = b'{"timestamp":1,"base":"USD","rates":{"HUF":%s}}' % word
            self.assertIn(word.decode(), str(self.assertRaises(BadRates, parse_oxr, body)))

    def test_milliseconds_are_no_time_in_seconds(self) -> None:
        body = LATEST.replace(b"1793358000", b"1793358000000")
        self.assertIn("seconds since 1970", str(self.assertRaises(BadRates, parse_oxr, body)))

    def test_html_is_refused(self) -> None:
        self.assertIn("not JSON", str(self.assertRaises(BadRates, parse_oxr, b"<html>Will be right back")))

    @given(st.binary(max_size=80))
    @settings(max_examples=200, deadline=None)
    def test_whatever_is_served_is_read_or_refused(self, body: bytes) -> None:
        for read in (parse_oxr, parse_oxr_usage, lambda text: parse_yahoo(text, "USD", "HUF")):
            try:
                read(body)
            except BadRates:
                continue

    def test_the_usage_is_read(self) -> None:
        body = (
            b'{"status":200,"data":{"app_id":"x","status":"active","plan":{"name":"Free","quota":"1,000",'
            b'"update_frequency":"3600s"},"usage":{"requests":980,"requests_remaining":20,"days_remaining":9}}}'
        )
        usage = parse_oxr_usage(body)
        self.assertEqual((usage.active, usage.plan, usage.remaining, usage.days_remaining), (True, "Free", 20, 9))

    def test_a_negative_remainder_means_no_limit(self) -> None:
        body = b'{"data":{"status":"active","plan":{},"usage":{"requests_remaining":-1,"days_remaining":3}}}'
        self.assertIsNone(parse_oxr_usage(body).remaining)

    def test_an_error_is_told_by_its_message_and_not_by_its_status(self) -> None:
        error = oxr_error(b'{"error":true,"status":429,"message":"not_allowed","description":"Changing the base..."}')
        assert error is not None
        self.assertEqual((error.message, error.description), ("not_allowed", "Changing the base..."))

    def test_rates_are_no_error(self) -> None:
        self.assertIsNone(oxr_error(LATEST))
        self.assertIsNone(oxr_error(b"<html>"))


class YahooTests(SynchronousTestCase):
    """Charts"""

    def test_bars_without_a_price_are_left_out(self) -> None:
        closes = parse_yahoo(chart(), "USD", "HUF")
        self.assertEqual([price for _, price in closes], [D("327.92"), D("327.93")])
        self.assertEqual(closes[-1][0], datetime(2026, 10, 30, 14, 59, tzinfo=UTC))

    def test_the_price_of_the_head_counts_where_it_is_newer_than_the_last_bar(self) -> None:
        body = chart(meta={"regularMarketTime": 1793372399, "regularMarketPrice": 328.5})
        self.assertEqual(parse_yahoo(body, "USD", "HUF")[-1][1], D("328.5"))

    def test_without_bars_the_price_of_the_head_is_all_there_is(self) -> None:
        document = json.loads(chart())
        del document["chart"]["result"][0]["timestamp"]
        document["chart"]["result"][0]["indicators"] = {"quote": [{}]}
        closes = parse_yahoo(json.dumps(document).encode(), "USD", "HUF")
        self.assertEqual(closes, [(datetime(2026, 10, 30, 14, 59, tzinfo=UTC), D("327.93"))])

    def test_nothing_but_gaps_is_no_price(self) -> None:
        document = json.loads(chart(indicators={"quote": [{"close": [None, None, None]}]}))
        del document["chart"]["result"][0]["meta"]["regularMarketPrice"]
        self.assertIn("without one price", str(self.refused(json.dumps(document).encode())))

    def test_the_short_and_the_long_symbol_are_the_same_pair(self) -> None:
        self.assertTrue(parse_yahoo(chart(meta={"symbol": "USDHUF=X"}), "USD", "HUF"))

    def test_another_pair_is_refused(self) -> None:
        self.assertIn("EURHUF=X", str(self.refused(chart(meta={"symbol": "EURHUF=X"}))))
        self.assertIn("in MXN", str(self.refused(chart(meta={"currency": "MXN"}))))

    def test_times_and_closes_that_do_not_go_together_are_refused(self) -> None:
        self.assertIn("do not go together", str(self.refused(chart(timestamp=[1793372220]))))
        self.assertIn("do not go together", str(self.refused(chart(indicators={"quote": []}))))

    def test_a_close_of_nothing_is_refused(self) -> None:
        self.refused(chart(indicators={"quote": [{"close": [327.92, None, 0]}]}))

    def test_an_error_is_told_in_its_own_words(self) -> None:
        error = b'{"code":"Not Found","description":"No data found, symbol may be delisted"}'
        body = b'{"chart":{"result":null,"error":%s}}' % error
        self.assertEqual(yahoo_error(body), "Not Found: No data found, symbol may be delisted")
        self.assertIn("without a chart", str(self.refused(body)))

    def test_a_chart_and_a_page_of_html_tell_no_error(self) -> None:
        self.assertEqual((yahoo_error(chart()), yahoo_error(b"<html>Too Many Requests")), ("", ""))

    def refused(self, body: bytes) -> BadRates:
        return self.assertRaises(BadRates, parse_yahoo, body, "USD", "HUF")
