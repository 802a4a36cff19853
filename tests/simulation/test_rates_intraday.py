"""The simulated market within the day, and its two formats asked by a plain web client that shares nothing with ours."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from treq.testing import StubTreq
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ilp.clock import WorldClock
from ilp.simulation.bodies import BadRequest
from ilp.simulation.rates import Fault, RateServer
from ilp.simulation.rates_intraday import APP_ID, QUOTA, IntradayMarket
from ilp.simulation.recordings import load_fixings
from ilp.venue_command import switch_rates

D = Decimal
THURSDAY = datetime(2019, 8, 1, 15, 20, tzinfo=UTC)
SATURDAY = datetime(2019, 8, 3, 15, tzinfo=UTC)


class MarketTests(SynchronousTestCase):
    """Prices between the fixings"""

    def setUp(self) -> None:
        self.market = IntradayMarket(load_fixings())

    def test_at_the_time_of_a_fixing_the_price_is_the_fixing(self) -> None:
        fixed = self.market.rates(datetime(2019, 8, 1, 12, 15, tzinfo=UTC))
        self.assertEqual((fixed["HUF"], fixed["USD"]), (D("326.550"), D("1.10370")))

    def test_between_two_fixings_it_moves_and_stays_near_them(self) -> None:
        one, other = D("326.55"), load_fixings()[date(2019, 8, 2)]["HUF"]
        seen = [self.market.rates(THURSDAY + timedelta(minutes=7 * n))["HUF"] for n in range(100)]
        self.assertGreater(len(set(seen)), 50)
        self.assertTrue(all(min(one, other) * D("0.998") < rate < max(one, other) * D("1.002") for rate in seen))

    def test_markets_rest_over_the_weekend(self) -> None:
        self.assertEqual(self.market.awake(SATURDAY), datetime(2019, 8, 2, 22, tzinfo=UTC))
        self.assertEqual(self.market.rates(SATURDAY), self.market.rates(SATURDAY + timedelta(hours=20)))
        self.assertEqual(self.market.awake(THURSDAY), THURSDAY)


class FormatTestCase(SynchronousTestCase):
    """A rate server in memory."""

    start = THURSDAY

    def setUp(self) -> None:
        self.clock = Clock()
        self.server = RateServer(WorldClock(self.clock, self.start))
        self.web: Any = StubTreq(self.server.resource)

    def get(self, path: str, code: int = 200, **headers: str) -> bytes:
        response = self.successResultOf(
            self.web.get(f"http://rates.test{path}", headers={"User-Agent": "a browser", **headers})
        )
        self.assertEqual(response.code, code)
        return bytes(self.successResultOf(self.web.content(response)))

    def json(self, path: str, code: int = 200, **headers: str) -> Any:
        return json.loads(self.get(path, code, **headers))


class OxrTests(FormatTestCase):
    """Open Exchange Rates"""

    def test_the_app_id_is_taken_as_a_parameter_and_as_a_header(self) -> None:
        one = self.json(f"/api/latest.json?app_id={APP_ID}")
        other = self.json("/latest.json", Authorization=f"Token {APP_ID}")
        self.assertEqual(one, other)
        self.assertEqual((one["base"], one["rates"]["USD"], one["timestamp"]), ("USD", 1, 1564671600))

    def test_without_it_and_with_another_the_error_has_a_name(self) -> None:
        self.assertEqual(self.json("/api/latest.json", 401)["message"], "missing_app_id")
        self.assertEqual(self.json("/api/latest.json?app_id=x", 401)["message"], "invalid_app_id")

    def test_another_base_is_for_other_plans_though_the_status_is_that_of_throttling(self) -> None:
        answer = self.json(f"/api/latest.json?app_id={APP_ID}&base=EUR", 429)
        self.assertEqual((answer["message"], answer["error"]), ("not_allowed", True))
        self.assertEqual(self.json(f"/api/latest.json?app_id={APP_ID}&base=XXX", 400)["message"], "invalid_base")

    def test_usage_counts_requests_and_is_free_itself(self) -> None:
        self.get(f"/api/latest.json?app_id={APP_ID}")
        for _ in range(3):
            usage = self.json(f"/api/usage.json?app_id={APP_ID}")["data"]["usage"]
        self.assertEqual((usage["requests"], usage["requests_remaining"], usage["days_remaining"]), (1, QUOTA - 1, 31))

    def test_beyond_the_quota_it_is_restricted_until_the_next_month(self) -> None:
        for _ in range(QUOTA):
            self.server.intraday("latest.json", {}, APP_ID)
        self.assertEqual(self.json(f"/api/latest.json?app_id={APP_ID}", 429)["message"], "access_restricted")
        self.clock.advance(31 * 86_400)
        self.get(f"/api/latest.json?app_id={APP_ID}")

    def test_a_day_of_the_past_is_its_last_second(self) -> None:
        answer = self.json(f"/api/historical/2019-07-30.json?app_id={APP_ID}")
        self.assertEqual(
            datetime.fromtimestamp(answer["timestamp"], UTC), datetime(2019, 7, 30, 23, 59, 59, tzinfo=UTC)
        )
        self.assertEqual(self.json(f"/api/historical/2019-08-02.json?app_id={APP_ID}", 400)["message"], "not_available")

    def test_an_address_that_is_none_is_not_found(self) -> None:
        self.assertEqual(self.json(f"/api/tomorrow.json?app_id={APP_ID}", 404)["message"], "not_found")


class YahooTests(FormatTestCase):
    """Charts"""

    def chart(self, path: str) -> Any:
        return self.json(f"/v8/finance/chart/{path}")["chart"]["result"][0]

    def test_a_day_of_minutes_has_gaps_and_an_unfinished_last_bar(self) -> None:
        chart = self.chart("HUF=X?range=1d&interval=1m")
        closes = chart["indicators"]["quote"][0]["close"]
        self.assertEqual(len(closes), len(chart["timestamp"]))
        self.assertTrue(150 < closes.count(None) < 250)
        self.assertEqual(chart["timestamp"][-1], chart["meta"]["regularMarketTime"])

    def test_the_long_and_the_short_symbol_are_one(self) -> None:
        self.assertEqual(self.chart("HUF=X")["indicators"], self.chart("USDHUF=X")["indicators"])

    def test_what_it_does_not_know_is_not_found(self) -> None:
        answer = self.json("/v8/finance/chart/XAUXAG=X", 404)["chart"]
        self.assertEqual((answer["result"], answer["error"]["code"]), (None, "Not Found"))

    def test_a_range_that_it_does_not_have_is_unprocessable(self) -> None:
        self.json("/v8/finance/chart/HUF=X?range=3w&interval=1m", 422)
        self.json("/v8/finance/chart/HUF=X?period1=0&period2=1564671600&interval=1m", 422)

    def test_a_library_that_says_so_is_refused_without_json(self) -> None:
        self.assertEqual(
            self.get("/v8/finance/chart/HUF=X", 429, **{"User-Agent": "python-requests/2"}), b"Too Many Requests\r\n"
        )

    def test_days_are_stamped_with_london_s_midnight(self) -> None:
        stamps = self.chart("HUF=X?range=5d&interval=1d")["timestamp"]
        self.assertEqual(datetime.fromtimestamp(stamps[1], UTC).hour, 23)


class FaultTests(FormatTestCase):
    """Misbehaviour of one service"""

    def test_a_fault_can_be_confined_to_one_service(self) -> None:
        on = switch_rates(self.server, {"unavailable": True, "only": ["oxr"]})
        self.assertEqual(on, {"faults": ["unavailable"], "only": ["oxr"]})
        self.get(f"/api/latest.json?app_id={APP_ID}", 503)
        self.get("/v8/finance/chart/HUF=X")
        self.get("/stats/eurofxref/eurofxref-daily.xml")

    def test_all_off_is_all_off_for_all(self) -> None:
        switch_rates(self.server, {"unavailable": True, "only": ["oxr"]})
        self.assertEqual(switch_rates(self.server, {"clear": True}), {"faults": []})

    def test_a_service_that_is_none_is_named(self) -> None:
        self.assertIn("ecb, frankfurter, oxr, yahoo", str(self.assertRaises(
            BadRequest, switch_rates, self.server, {"only": ["bundesbank"]}
        )))  # fmt: skip

    def test_a_market_that_stands_still_keeps_its_stamp(self) -> None:
        self.server.faults.add(Fault.STALE)
        before = self.json(f"/api/latest.json?app_id={APP_ID}")["timestamp"]
        self.clock.advance(7200)
        self.assertEqual(self.json(f"/api/latest.json?app_id={APP_ID}")["timestamp"], before)
