"""Feeds of rates within the day in virtual time, against the rate server in memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from treq.testing import StubTreq
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from clients.exchange import IRateFeed, NotAuthorised, Refused, Unreachable
from clients.rates import OpenExchangeRates, Yahoo
from clients.rates_arithmetic import drift
from clients.rates_intraday import IntradayFeed
from ilp.clock import WorldClock
from ilp.simulation.rates import Fault, RateServer
from ilp.simulation.rates_intraday import APP_ID, QUOTA

D = Decimal
THURSDAY = datetime(2019, 8, 1, 15, 20, tzinfo=UTC)


class IntradayTestCase(SynchronousTestCase):
    """A clock of the world that runs with the reactor's, a rate server, and a feed that reads it."""

    kind: type[IntradayFeed] = OpenExchangeRates
    start = THURSDAY

    def setUp(self) -> None:
        self.clock = Clock()
        self.world = WorldClock(self.clock, self.start, 1.0)
        self.server = RateServer(self.world)
        self.stub: Any = StubTreq(self.server.resource)
        self.events: list[tuple[Any, ...]] = []

    def feed(self, **options: Any) -> Any:
        """A feed whose events are recorded."""
        given: dict[str, Any] = {
            "endpoint": "http://rates.test", "http": self.stub, "random": Random(1), "id": APP_ID, "tickers": "USD/HUF",
        }  # fmt: skip
        feed = self.kind(reactor=self.clock, now=self.world.now, **(given | options))
        for event in ("connect", "disconnect", "book", "error"):
            feed.on(event, lambda *args, event=event: self.events.append((event, *args)))
        self.addCleanup(feed.disconnect)
        return feed

    def connected(self, **options: Any) -> Any:
        """A feed after its first fetch."""
        feed = self.feed(**options)
        self.successResultOf(feed.connect())
        return feed

    def errors(self) -> list[str]:
        return [str(event[1]) for event in self.events if event[0] == "error"]

    def advance(self, seconds: float, step: float = 10.0) -> None:
        while seconds > 0:
            self.clock.advance(min(step, seconds))
            seconds -= step

    def asked(self, path: str) -> int:
        return list(self.server.requests).count(path)


class OxrTests(IntradayTestCase):
    """Open Exchange Rates"""

    def test_a_feed_provides_the_interface(self) -> None:
        verifyObject(IRateFeed, self.feed())

    def test_a_rate_carries_its_source_and_the_hour_it_was_published(self) -> None:
        rate = self.connected().rate("USD/HUF")
        self.assertEqual((rate.source, rate.fetched), ("Open Exchange Rates", THURSDAY))
        self.assertEqual(rate.fixing, THURSDAY.replace(minute=0))
        self.assertTrue(290 < rate.mid < 300, rate.mid)

    def test_the_spread_grows_with_the_square_root_of_the_age(self) -> None:
        feed = self.connected(rate_spread="0.0004", rate_age_factor="2")
        rate = feed.rate("USD/HUF")
        expected = D("0.0004") + 2 * drift("USD/HUF", timedelta(minutes=20))
        self.assertAlmostEqual((rate.ask - rate.bid) / 2 / rate.mid, expected, places=6)
        self.assertEqual(rate.aged, 2 * drift("USD/HUF", timedelta(minutes=20)))

    def test_the_rate_ages_though_nothing_is_fetched(self) -> None:
        feed = self.connected()
        young = feed.rate("USD/HUF")
        self.clock.advance(1800)
        old = feed.rate("USD/HUF")
        self.assertTrue(old.bid < young.bid < young.ask < old.ask)

    def test_any_two_currencies_make_a_rate(self) -> None:
        feed = self.connected()
        cross = feed.rate("EUR/HUF").mid
        self.assertAlmostEqual(cross, feed.rate("EUR/USD").mid * feed.rate("USD/HUF").mid, places=10)

    def test_it_is_asked_once_an_hour(self) -> None:
        self.connected()
        self.advance(3 * 3600 + 1)
        self.assertEqual(self.asked("/latest.json"), 4)

    def test_it_is_asked_just_after_new_rates_are_due(self) -> None:
        feed = self.connected()
        self.advance(40 * 60)  # it is four, the rates are of three
        self.assertEqual(feed.rate("USD/HUF").fixing.hour, 15)
        self.advance(61)
        self.assertEqual(feed.rate("USD/HUF").fixing.hour, 16)
        self.assertEqual(self.asked("/latest.json"), 2)

    def test_where_rates_come_later_than_due_it_learns_to_wait(self) -> None:
        feed = self.connected()
        # Stamped on the hour, and served three minutes later.
        late = self.server.now
        self.patch(self.server, "now", lambda: late() - timedelta(minutes=3))
        self.advance(8 * 3600)
        self.advance(300)
        self.assertEqual(feed.rate("USD/HUF").fixing.hour, 23)

    def test_the_app_id_stands_in_no_address(self) -> None:
        seen: list[str] = []
        stub = self.stub

        class Watching:
            def request(self, method: str, url: str, **kwargs: Any) -> Any:
                seen.append(url)
                return stub.request(method, url, **kwargs)

        self.connected(http=Watching())
        self.assertTrue(seen)
        self.assertNotIn(APP_ID, "".join(seen))

    def test_a_wrong_app_id_fails_for_good_and_is_not_named(self) -> None:
        feed = self.feed(id="0123456789abcdef0123456789abcdef")
        error = self.failureResultOf(feed.connect(), NotAuthorised).value
        self.assertEqual(error.code, "invalid_app_id")
        self.advance(7200)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.asked("/latest.json") + self.asked("/usage.json"), 1)
        self.assertNotIn("0123456789abcdef", str(error) + "".join(self.errors()))

    def test_without_an_app_id_it_says_where_to_give_it(self) -> None:
        error = self.failureResultOf(self.feed(id="").connect(), NotAuthorised).value
        self.assertIn("give the app id as `id`", str(error))

    def test_after_a_refusal_it_can_be_connected_again(self) -> None:
        feed = self.feed(id="wrong-wrong-wrong")
        self.failureResultOf(feed.connect(), NotAuthorised)
        self.failureResultOf(feed.connect(), NotAuthorised)

    def test_over_use_is_waited_out_for_an_hour(self) -> None:
        self.server.faults.add(Fault.RESTRICTED)
        self.feed().connect().addErrback(lambda _: None)
        self.advance(3500)
        self.assertEqual(self.asked("/latest.json"), 1)
        self.assertIn("over-use", "".join(self.errors()))

    def test_where_the_quota_would_not_last_it_is_asked_less_often(self) -> None:
        for _ in range(QUOTA - 30):
            self.server.intraday("latest.json", {}, APP_ID)
        self.connected(lost_after=10**6)
        asked = self.asked("/latest.json")
        self.advance(86_400, 600)
        # 30 requests for 31 days: about one a day, and the first was made a moment ago.
        self.assertLessEqual(self.asked("/latest.json") - asked, 1)
        self.assertIn("are left for 31 days", "".join(self.errors()))

    def test_a_future_stamp_is_refused(self) -> None:
        self.server.faults.add(Fault.FUTURE)
        self.feed().connect().addErrback(lambda _: None)
        self.assertIn("in the future", self.errors()[0])

    def test_a_move_of_a_fifth_is_believed_after_the_third_time(self) -> None:
        feed = self.connected()
        before = feed.rate("USD/HUF").mid
        self.server.faults.add(Fault.JUMP)
        self.advance(3600)
        self.assertLess(abs(feed.rate("USD/HUF").mid / before - 1), D("0.01"))
        self.assertEqual(feed.rate("USD/HUF").fixing, THURSDAY.replace(minute=0))
        self.assertIn("HUF moved by 2", self.errors()[0])
        self.advance(2 * 3600)
        self.assertGreater(feed.rate("USD/HUF").mid / before, D("1.15"))

    def test_a_doubtful_correction_of_the_same_hour_does_not_replace_what_was_believed(self) -> None:
        self.server.quota = None
        feed = self.connected(poll=60)
        before = feed.rate("USD/HUF").mid
        self.server.faults.add(Fault.JUMP)
        self.advance(121)
        self.assertEqual(feed.rate("USD/HUF").mid, before)
        self.advance(60)
        self.assertGreater(feed.rate("USD/HUF").mid / before, D("1.15"))

    def test_a_rate_of_nothing_is_refused_and_the_last_one_stays(self) -> None:
        feed = self.connected()
        self.server.faults.add(Fault.ZERO)
        self.advance(3600)
        self.assertIn("HUF: '0", self.errors()[0])
        self.assertTrue(feed.rate("USD/HUF").mid)

    def test_a_currency_that_is_missing_has_no_rate(self) -> None:
        self.server.faults.add(Fault.MISSING)
        self.failureResultOf(self.connected().getOrderBook("USD/HUF"), Refused)

    def test_over_the_weekend_the_rate_is_as_old_as_the_market(self) -> None:
        feed = self.connected()
        self.advance(3 * 86_400, 600)  # to Sunday afternoon
        rate = feed.rate("USD/HUF")
        self.assertEqual(rate.fixing, datetime(2019, 8, 2, 22, tzinfo=UTC))
        self.assertGreater(rate.aged, D("0.009"))

    def test_days_that_were_read_cost_no_further_request(self) -> None:
        feed = self.connected()
        for _ in range(2):
            bars = self.successResultOf(feed.getOHLCVHistory("USD/HUF", "day", THURSDAY - timedelta(days=10), THURSDAY))
        self.assertEqual(len(bars), 10)
        self.assertEqual(sum(path.startswith("/historical/") for path in self.server.requests), 10)

    def test_hours_are_not_to_be_had(self) -> None:
        feed = self.connected()
        self.failureResultOf(
            feed.getOHLCVHistory("USD/HUF", "hour", THURSDAY - timedelta(days=1), THURSDAY), NotImplementedError
        )

    def test_disconnecting_leaves_nothing(self) -> None:
        feed = self.connected()
        feed.disconnect()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertRaises(Unreachable, feed.rate, "USD/HUF")


class YahooTests(IntradayTestCase):
    """Yahoo's charts"""

    kind = Yahoo

    def test_a_rate_is_the_last_price_of_the_chart(self) -> None:
        rate = self.connected().rate("USD/HUF")
        self.assertEqual((rate.source, rate.fixing), ("Yahoo", THURSDAY))
        self.assertTrue(290 < rate.mid < 300, rate.mid)

    def test_both_ways_round_are_one_chart(self) -> None:
        feed = self.connected()
        self.assertEqual(round(feed.rate("HUF/USD").mid * feed.rate("USD/HUF").mid, 12), 1)

    def test_a_pair_that_was_not_named_is_read_when_it_is_asked_for(self) -> None:
        feed = self.connected()
        book = self.successResultOf(feed.getOrderBook("EUR/USD"))
        self.assertTrue(D(1) < book["bids"][0]["price"] < D("1.2"))
        self.advance(121)
        self.assertEqual(self.asked("/v8/finance/chart/EURUSD=X"), 2)

    def test_what_it_does_not_know_is_refused_in_its_words(self) -> None:
        error = self.failureResultOf(self.connected().getOrderBook("USD/XAU"), Refused).value
        self.assertIn("No data found", str(error))

    def test_after_a_429_it_is_silent_for_a_quarter_of_an_hour(self) -> None:
        self.connected()
        self.server.faults.add(Fault.THROTTLED)
        self.advance(121)
        asked = len(self.server.requests)
        self.server.faults.clear()
        self.advance(870)
        self.assertEqual(len(self.server.requests), asked)
        self.advance(60)
        self.assertEqual(len(self.server.requests), asked + 1)

    def test_a_page_of_maintenance_is_refused_and_the_last_price_stays(self) -> None:
        feed = self.connected()
        self.server.faults.add(Fault.WRONG_CONTENT)
        self.advance(121)
        self.assertIn("not JSON", self.errors()[0])
        self.assertTrue(feed.rate("USD/HUF").mid)

    def test_nobody_polls_yahoo_itself_more_often_than_once_a_minute(self) -> None:
        error = self.assertRaises(ValueError, self.feed, endpoint="", poll=30)
        self.assertIn("at least 60", str(error))

    def test_days_and_hours_are_told_by_their_closes(self) -> None:
        feed = self.connected()
        days = self.successResultOf(feed.getOHLCVHistory("USD/HUF", "day", THURSDAY - timedelta(days=14), THURSDAY))
        opened = list(days)
        self.assertTrue(all(at.hour == 0 and at.weekday() < 5 for at in opened), opened)
        self.assertEqual(opened[-1].date(), (THURSDAY - timedelta(days=1)).date())
        hours = self.successResultOf(feed.getOHLCVHistory("USD/HUF", "hour", THURSDAY - timedelta(days=2), THURSDAY))
        self.assertTrue(all(bar["close_timestamp"] < THURSDAY for bar in hours.values()))
        # Every seventh bar of the chart has no price.
        self.assertTrue(35 < len(hours) < 48, len(hours))

    def test_over_the_weekend_the_last_price_is_friday_s(self) -> None:
        feed = self.connected(poll=6 * 3600)
        self.advance(3 * 86_400, 600)
        self.assertEqual(feed.rate("USD/HUF").fixing, datetime(2019, 8, 2, 22, tzinfo=UTC))
