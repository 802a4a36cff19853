"""The polled rate feeds in virtual time, against the rate server in memory."""

from __future__ import annotations

import unittest
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from inspect import signature
from random import Random
from typing import Any

from treq.testing import StubTreq
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from clients.exchange import IRateFeed, RateLimited, Refused, Unreachable
from clients.rates import ECB, Frankfurter, PolledFeed
from ilp.clock import WorldClock
from ilp.simulation.rates import Fault, RateServer
from ilp.simulation.recordings import load_fixings
from tests.shared_data import path

D = Decimal
THURSDAY = datetime(2019, 8, 1, 15, tzinfo=UTC)  # an hour after the fixing of that day was published
FRIDAY_FIXING = timedelta(hours=23)  # from then to the next publication
FIXED_AT = datetime(2019, 8, 1, 12, 15, tzinfo=UTC)


class FeedTestCase(SynchronousTestCase):
    """A clock of the world that runs with the reactor's, a rate server and a feed that reads it."""

    kind: type[PolledFeed] = ECB
    start = THURSDAY
    speed = 1.0

    def setUp(self) -> None:
        self.clock = Clock()
        self.world = WorldClock(self.clock, self.start, self.speed)
        self.server = RateServer(self.world)
        self.stub: Any = StubTreq(self.server.resource)
        self.events: list[tuple[Any, ...]] = []

    def feed(self, **options: Any) -> PolledFeed:
        """A feed whose events are recorded."""
        given: dict[str, Any] = {"endpoint": "http://rates.test", "http": self.stub, "random": Random(1)}
        feed = self.kind(reactor=self.clock, now=self.world.now, **(given | options))
        for event in ("connect", "disconnect", "alive", "book", "error"):
            feed.on(event, lambda *args, event=event: self.events.append((event, *args)))
        self.addCleanup(feed.disconnect)
        return feed

    def connected(self, **options: Any) -> PolledFeed:
        """A feed after its first fetch."""
        feed = self.feed(**options)
        self.successResultOf(feed.connect())
        return feed

    def names(self) -> list[str]:
        """Names of the events so far, and forget them."""
        names = [event[0] for event in self.events]
        self.events.clear()
        return names

    def errors(self) -> list[str]:
        """Texts of the `error` events so far."""
        return [str(event[1]) for event in self.events if event[0] == "error"]

    def advance(self, seconds: float, step: float = 10.0) -> None:
        """Let time pass in steps, as a reactor does."""
        while seconds > 0:
            self.clock.advance(min(step, seconds))
            seconds -= step


class RatesTests(FeedTestCase):
    """What a connected feed answers"""

    def test_a_feed_provides_the_interface(self) -> None:
        verifyObject(IRateFeed, self.feed())

    def test_a_rate_carries_its_source_fixing_and_fetch_time(self) -> None:
        rate = self.connected().rate("USD/HUF")
        self.assertEqual((rate.pair, rate.source, rate.fixing, rate.fetched), ("USD/HUF", "ECB", FIXED_AT, THURSDAY))
        self.assertEqual(round(rate.mid, 6), D("295.868443"))

    def test_without_a_configured_spread_the_half_spread_is_the_standard_error_at_that_age(self) -> None:
        rate = self.connected().rate("USD/HUF")
        self.assertAlmostEqual(rate.bid, rate.mid * (1 - D("0.0055")), places=4)
        self.assertAlmostEqual(rate.ask, rate.mid * (1 + D("0.0055")), places=4)

    def test_the_configured_spread_and_factor_are_used(self) -> None:
        rate = self.connected(rate_spread="0.001", rate_age_factor="2").rate("USD/HUF")
        self.assertAlmostEqual(rate.ask, rate.mid * (1 + D("0.012")), places=4)

    def test_the_rate_widens_as_the_fixing_ages_though_nothing_is_fetched(self) -> None:
        feed = self.connected(poll=86_400)
        young = feed.rate("USD/HUF")
        self.clock.advance(6 * 3600)
        old = feed.rate("USD/HUF")
        self.assertTrue(old.bid < young.bid < young.ask < old.ask)
        self.assertEqual((old.mid, old.fetched), (young.mid, young.fetched))

    def test_any_two_currencies_make_a_rate(self) -> None:
        feed = self.connected()
        self.assertEqual(round(feed.rate("GBP/JPY").mid, 4), D("131.8486"))
        self.assertEqual(feed.rate("EUR/HUF").mid, D("326.55"))
        self.assertEqual(feed.rate("HUF/HUF").ask, 1)

    def test_the_book_has_one_level_on_each_side(self) -> None:
        feed = self.connected(size="5000")
        rate = feed.rate("USD/HUF")
        self.assertEqual(
            self.successResultOf(feed.getOrderBook("USD/HUF")),
            {
                "contract": "USD/HUF",
                "bids": [{"price": rate.bid, "quantity": D(5000)}],
                "asks": [{"price": rate.ask, "quantity": D(5000)}],
            },
        )

    def test_an_unknown_currency_is_refused_by_name(self) -> None:
        error = self.failureResultOf(self.connected().getOrderBook("USD/XAU"), Refused).value
        self.assertIn("XAU is not in the fixing of 2019-08-01", str(error))

    def test_what_is_not_a_pair_is_refused(self) -> None:
        self.failureResultOf(self.connected().getOrderBook("USDHUF"), Refused)

    def test_there_is_no_rate_before_connecting(self) -> None:
        self.failureResultOf(self.feed().getOrderBook("USD/HUF"), Unreachable)


class FrankfurterRatesTests(RatesTests):
    """The same by JSON"""

    kind = Frankfurter

    def test_a_rate_carries_its_source_fixing_and_fetch_time(self) -> None:
        rate = self.connected().rate("USD/HUF")
        self.assertEqual((rate.source, rate.fixing, rate.fetched), ("ECB by Frankfurter", FIXED_AT, THURSDAY))
        self.assertEqual(round(rate.mid, 6), D("295.868443"))


class OptionTests(FeedTestCase):
    """Options as a configuration file gives them, and what is wrong with some"""

    def test_numbers_may_be_texts(self) -> None:
        self.connected(poll="60", timeout="5", max_fixing_age="3", rate_spread="0.0002", tickers="USD/HUF, EUR/USD")

    def test_a_value_out_of_range_is_refused_with_its_range(self) -> None:
        for name, value in (
            ("poll", "0"),
            ("timeout", "x"),
            ("rate_spread", "1"),
            ("rate_age_factor", "-1"),
            ("size", "NaN"),
        ):
            error = self.assertRaises(ValueError, self.feed, **{name: value})
            self.assertIn(f"{name}: '{value}' is not allowed; a number from ", str(error))

    def test_every_option_is_in_the_signature_for_the_loader_of_configurations(self) -> None:
        named = set(signature(self.kind).parameters)
        self.assertTrue({"endpoint", "poll", "timeout", "lost_after", "max_fixing_age", "tickers", "second"} <= named)
        self.assertNotIn("shared", named)

    def test_a_ticker_that_is_no_pair_is_refused_at_once(self) -> None:
        self.assertRaises(LookupError, self.feed, tickers="USDHUF")


class PollingTests(FeedTestCase):
    """Fetching again and again"""

    def test_the_first_fetch_connects_and_tells_the_wanted_books(self) -> None:
        self.connected(tickers="USD/HUF")
        self.assertEqual(self.names(), ["connect", "alive", "book"])

    def test_each_fetch_confirms_the_rate_though_the_fixing_is_the_same(self) -> None:
        feed = self.connected(poll=60)
        self.names()
        self.clock.advance(60)
        self.assertEqual(self.names(), ["alive"])
        self.assertEqual(feed.rate("USD/HUF").fetched, THURSDAY + timedelta(seconds=60))

    def test_a_pair_that_was_asked_for_is_told_from_then_on(self) -> None:
        feed = self.connected(poll=60)
        self.successResultOf(feed.getOrderBook("EUR/USD"))
        self.names()
        self.clock.advance(60)
        self.assertEqual([(e[0], e[1]) for e in self.events if e[0] == "book"], [("book", "EUR/USD")])

    def test_a_new_fixing_is_taken_at_the_first_fetch_after_its_publication(self) -> None:
        feed = self.connected(poll=600)
        self.clock.advance(FRIDAY_FIXING.total_seconds() - 1)
        self.clock.advance(600)
        self.assertEqual(feed.rate("USD/HUF").fixing, FIXED_AT + timedelta(days=1))

    def test_the_server_is_asked_once_a_poll_and_not_more(self) -> None:
        self.connected(poll=100)
        self.advance(1000)
        self.assertEqual(len(self.server.requests), 11)

    def test_an_unchanged_document_is_not_sent_again(self) -> None:
        self.connected(poll=60)
        self.server.faults.add(Fault.CUT)  # strikes only where a body is sent
        self.names()
        self.clock.advance(60)
        self.assertEqual(self.names(), ["alive"])

    def test_after_a_failure_it_asks_again_soon_and_then_less_and_less_often(self) -> None:
        self.connected(poll=1800)
        self.server.faults.add(Fault.UNAVAILABLE)
        self.clock.advance(1800)
        begun = len(self.server.requests)
        self.advance(60, 0.5)
        self.assertTrue(4 <= len(self.server.requests) - begun <= 7, self.server.requests)
        self.server.faults.clear()
        self.advance(60, 0.5)
        self.assertEqual(self.names()[-1], "alive")

    def test_a_server_that_asks_for_patience_gets_it(self) -> None:
        self.connected(poll=60)
        self.server.faults.add(Fault.THROTTLED)
        self.clock.advance(60)
        begun = len(self.server.requests)
        self.advance(119)
        self.assertEqual(len(self.server.requests), begun)
        self.advance(2)
        self.assertEqual(len(self.server.requests), begun + 1)
        self.assertIsInstance(next(e[1] for e in self.events if e[0] == "error"), RateLimited)

    def test_one_failed_fetch_does_not_lose_the_connection_nor_the_rate(self) -> None:
        feed = self.connected(poll=60, lost_after=180)
        self.server.faults.add(Fault.UNAVAILABLE)
        self.clock.advance(61)
        self.assertNotIn("disconnect", self.names())
        self.assertEqual(feed.rate("USD/HUF").fetched, THURSDAY)

    def test_a_server_that_stays_away_is_a_lost_connection_and_gives_no_rate(self) -> None:
        feed = self.connected(poll=60, lost_after=180)
        self.server.faults.add(Fault.UNAVAILABLE)
        self.advance(300, 1)
        self.assertEqual(self.names().count("disconnect"), 1)
        self.assertRaises(Unreachable, feed.rate, "USD/HUF")

    def test_a_server_that_only_goes_silent_is_a_lost_connection_too(self) -> None:
        self.connected(poll=60, lost_after=180)
        self.server.faults.add(Fault.SILENT)
        self.advance(400, 1)
        self.assertIn("disconnect", [event[0] for event in self.events])
        self.assertIn("no complete answer from http://rates.test/", self.errors()[0])

    def test_when_the_server_is_back_the_feed_connects_again(self) -> None:
        feed = self.connected(poll=60, lost_after=100)
        self.server.faults.add(Fault.UNAVAILABLE)
        self.advance(300, 1)
        self.names()
        self.server.faults.clear()
        self.advance(80, 1)
        self.assertEqual(self.names()[:2], ["connect", "alive"])
        self.assertTrue(feed.rate("USD/HUF").mid)

    def test_a_listener_that_fails_does_not_stop_the_polling(self) -> None:
        feed = self.connected(poll=60, tickers="USD/HUF")
        feed.on("book", lambda *_: 1 / 0)
        self.clock.advance(60)
        self.names()
        self.clock.advance(60)
        self.assertIn("alive", self.names())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_what_nobody_foresaw_is_logged_and_the_polling_goes_on(self) -> None:
        class Broken:
            def request(self, method: str, url: str, **_: Any) -> Any:
                raise KeyError(url)

        feed = self.feed(http=Broken(), poll=5, connect_timeout=8)
        waiting = feed.connect()
        self.advance(9, 1)
        self.failureResultOf(waiting, Unreachable)
        self.assertTrue(len(self.flushLoggedErrors(KeyError)) >= 2)


class ConnectingTests(FeedTestCase):
    """`connect` and `disconnect`"""

    def test_a_failed_first_fetch_is_repeated_before_connecting_fails(self) -> None:
        self.server.faults.add(Fault.UNAVAILABLE)
        waiting = self.feed().connect()
        self.advance(2, 0.5)
        self.assertNoResult(waiting)
        self.server.faults.clear()
        self.advance(5, 0.5)
        self.successResultOf(waiting)

    def test_after_its_time_limit_connecting_fails_with_the_last_reason_and_tries_go_on(self) -> None:
        self.server.faults.add(Fault.UNAVAILABLE)
        waiting = self.feed(connect_timeout=10).connect()
        self.advance(11, 1)
        self.assertIn("503", str(self.failureResultOf(waiting, Unreachable).value))
        self.server.faults.clear()
        self.advance(60, 1)
        self.assertIn("connect", self.names())

    def test_connecting_twice_is_connecting_once(self) -> None:
        feed = self.connected()
        self.successResultOf(feed.connect())
        self.assertEqual(self.names().count("connect"), 1)

    def test_disconnecting_leaves_no_timer_and_no_rate(self) -> None:
        feed = self.connected()
        self.successResultOf(feed.disconnect())
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.names()[-1], "disconnect")
        self.assertRaises(Unreachable, feed.rate, "USD/HUF")

    def test_disconnecting_in_the_middle_of_a_request_gives_it_up(self) -> None:
        self.server.faults.add(Fault.SILENT)
        feed = self.feed()
        waiting = feed.connect()
        self.successResultOf(feed.disconnect())
        self.failureResultOf(waiting, Unreachable)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.names(), [])

    def test_a_listener_may_disconnect_in_the_middle_of_a_cycle(self) -> None:
        feed = self.connected(poll=60)
        feed.on("alive", lambda _feed: feed.disconnect())
        self.clock.advance(60)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.advance(600)
        self.assertEqual(self.names().count("disconnect"), 1)

    def test_after_disconnecting_one_may_connect_again(self) -> None:
        feed = self.connected()
        self.successResultOf(feed.disconnect())
        self.successResultOf(feed.connect())
        self.assertEqual(self.names(), ["connect", "alive", "disconnect", "connect", "alive"])


class BeliefTests(FeedTestCase):
    """What is not believed"""

    def refused(self, fault: Fault, why: str, **options: Any) -> None:
        self.server.faults.add(fault)
        waiting = self.feed(connect_timeout=5, **options).connect()
        self.advance(6, 1)
        self.assertIn(why, str(self.failureResultOf(waiting, Unreachable).value))

    def test_every_kind_of_bad_answer_is_named(self) -> None:
        for fault, why in (
            (Fault.NOT_FOUND, "(404)"),
            (Fault.FORBIDDEN, "(403)"),
            (Fault.UNAVAILABLE, "(503)"),
            (Fault.THROTTLED, "(429)"),
            (Fault.REDIRECT, "redirects to https://elsewhere.invalid/"),
            (Fault.WRONG_CONTENT, "not one rate"),
            (Fault.FUTURE, "which is in the future"),
            (Fault.ZERO, "is not positive"),
            (Fault.COMMA, "a comma is not a decimal point"),
            (Fault.DOCTYPE, "XML that is refused"),
            (Fault.OVERSIZED, "larger than 1048576 bytes"),
            (Fault.CUT, "broke off"),
            (Fault.SILENT, "no answer yet"),
        ):
            with self.subTest(fault=fault):
                self.refused(fault, why)
                self.server.faults.clear()

    def test_a_fixing_that_is_too_old_does_not_connect(self) -> None:
        self.server.faults.add(Fault.STALE)
        self.clock.advance(6 * 86_400)
        self.refused(Fault.STALE, "6 days old; at most 5 are allowed")

    def test_the_last_fixing_gives_no_rate_once_it_is_older_than_five_days(self) -> None:
        feed = self.connected(poll=3600, lost_after=10**6)
        self.server.faults.add(Fault.STALE)
        self.advance(5 * 86_400, 3600)
        self.assertTrue(feed.rate("USD/HUF"))
        self.advance(86_400, 3600)
        self.assertIn("6 days old", str(self.assertRaises(Unreachable, feed.rate, "USD/HUF")))

    def test_an_older_fixing_than_before_is_not_taken(self) -> None:
        feed = self.connected(poll=600)
        self.server.faults.add(Fault.STALE)
        served = self.server.faults.since(Fault.STALE)
        self.server.faults._since[Fault.STALE] = served - timedelta(days=2)
        self.clock.advance(600)
        self.assertIn("that of 2019-08-01 was served before", self.errors()[0])
        self.assertEqual(feed.rate("USD/HUF").fixing, FIXED_AT)

    def test_a_currency_that_the_newest_fixing_lacks_has_no_rate(self) -> None:
        feed = self.connected(poll=3600)
        self.server.faults.add(Fault.MISSING)
        self.advance(86_400, 3600)
        self.assertIn("HUF is not in the fixing of 2019-08-02", str(self.assertRaises(Refused, feed.rate, "USD/HUF")))
        self.assertTrue(feed.rate("EUR/USD"))

    def test_a_jump_is_not_believed_and_the_older_fixing_serves_and_widens(self) -> None:
        feed = self.connected(poll=3600)
        before = feed.rate("USD/HUF")
        self.server.faults.add(Fault.JUMP)
        self.advance(86_400, 3600)
        after = feed.rate("USD/HUF")
        self.assertEqual((after.mid, after.fixing), (before.mid, before.fixing))
        self.assertTrue(after.bid < before.bid and before.ask < after.ask)
        self.assertEqual(feed.rate("EUR/USD").fixing, FIXED_AT + timedelta(days=1))

    def test_a_jump_is_reported_once_a_day(self) -> None:
        self.connected(poll=3600)
        self.advance(86_400, 3600)
        self.server.faults.add(Fault.JUMP)
        self.advance(6 * 3600, 3600)
        self.assertEqual(len(self.errors()), 1)
        self.assertIn("EUR/HUF moved by 20.0% from 326.96 to 392.352; not believed", self.errors()[0])

    def test_a_jump_that_a_second_source_shows_too_is_believed(self) -> None:
        feed = self.connected(poll=3600, second="http://second.test")
        self.server.faults.add(Fault.JUMP)  # the same server speaks both formats, so both show it
        self.clock.advance(3600)
        self.assertEqual(feed.rate("EUR/HUF").mid, D("326.55") * D("1.2"))
        self.assertEqual(self.errors(), [])

    def test_a_jump_that_goes_away_leaves_nothing_behind(self) -> None:
        feed = self.connected(poll=3600)
        self.advance(22 * 3600, 3600)
        self.server.faults.add(Fault.JUMP)
        self.advance(3600)
        self.assertEqual(feed.rate("EUR/HUF").fixing, FIXED_AT)
        self.server.faults.clear()
        self.clock.advance(3600)
        self.assertEqual(feed.rate("EUR/HUF").mid, D("326.96"))

    def test_a_doubtful_correction_of_a_fixing_does_not_replace_it(self) -> None:
        feed = self.connected(poll=3600)
        self.server.faults.add(Fault.JUMP)
        self.clock.advance(3600)
        self.assertEqual(feed.rate("EUR/HUF").mid, D("326.55"))
        self.assertEqual(len(self.errors()), 1)

    def test_a_jump_that_stays_ends_in_no_rate(self) -> None:
        feed = self.connected(poll=3600)
        self.server.faults.add(Fault.JUMP)
        self.advance(6 * 86_400, 3600)
        self.assertRaises(Unreachable, feed.rate, "EUR/HUF")
        self.assertTrue(feed.rate("EUR/USD"))


class TwoServers:
    """Requests by host: those to `down` fail, the others are answered."""

    def __init__(self, stub: Any, down: str) -> None:
        self.stub, self.down = stub, down

    def request(self, method: str, url: str, **kwargs: Any) -> Any:
        if self.down in url:
            url = url.replace("/stats/", "/nothing/").replace("/v1/", "/nothing/")
        return self.stub.request(method, url, **kwargs)


class StandInTests(FeedTestCase):
    """The second source"""

    def test_when_the_first_fails_the_second_stands_in_and_says_so(self) -> None:
        feed = self.connected(http=TwoServers(self.stub, "rates.test"), second="http://second.test")
        self.assertEqual(feed.rate("USD/HUF").source, "ECB by Frankfurter")
        self.assertIn("(404)", self.errors()[0])

    def test_a_second_source_that_fails_confirms_no_jump(self) -> None:
        feed = self.connected(http=TwoServers(self.stub, "second.test"), second="http://second.test", poll=3600)
        self.server.faults.add(Fault.JUMP)
        self.clock.advance(3600)
        self.assertEqual(feed.rate("EUR/HUF").mid, D("326.55"))
        self.assertEqual(len(self.errors()), 2)

    def test_when_both_fail_the_feed_does_not_connect(self) -> None:
        waiting = self.feed(
            http=TwoServers(self.stub, "test"), second="http://second.test", connect_timeout=5
        ).connect()
        self.advance(6, 1)
        self.failureResultOf(waiting, Unreachable)


class HistoryTests(FeedTestCase):
    """Daily closes"""

    def closes(self, start: datetime, end: datetime, ticker: str = "USD/HUF", **options: Any) -> dict[date, Decimal]:
        bars = self.successResultOf(self.feed(**options).getOHLCVHistory(ticker, "day", start, end))
        return {opened.date(): round(bar["close"], 4) for opened, bar in bars.items()}

    def test_each_day_with_a_fixing_is_a_bar_that_has_just_one_price(self) -> None:
        start = datetime(2019, 7, 31, tzinfo=UTC)
        bars = self.successResultOf(self.feed().getOHLCVHistory("EUR/HUF", "day", start, THURSDAY))
        self.assertEqual(list(bars), [start, start + timedelta(days=1)])
        price = D("326.55")
        self.assertEqual(
            bars[start + timedelta(days=1)],
            {
                "contract": "EUR/HUF",
                "period": "day",
                "open": price,
                "high": price,
                "low": price,
                "close": price,
                "volume": D(0),
                "vwap": price,
                "open_timestamp": datetime(2019, 8, 1, tzinfo=UTC),
                "close_timestamp": datetime(2019, 8, 1, 23, 59, 59, 999999, tzinfo=UTC),
            },
        )

    def test_weekends_have_no_bars_and_the_oldest_comes_first(self) -> None:
        closes = self.closes(datetime(2019, 7, 26, tzinfo=UTC), datetime(2019, 7, 29, 12, tzinfo=UTC))
        self.assertEqual(closes, {date(2019, 7, 26): D("293.0957"), date(2019, 7, 29): D("294.2980")})

    def test_a_long_history_and_a_short_one_agree_where_they_overlap(self) -> None:
        short = self.closes(datetime(2019, 6, 1, tzinfo=UTC), THURSDAY)
        long = self.closes(datetime(2018, 9, 1, tzinfo=UTC), THURSDAY)
        self.assertEqual(len(short), 44)
        self.assertTrue(len(long) > 220)
        self.assertEqual({day: long[day] for day in short}, short)

    def test_the_history_ends_with_what_is_published_by_now(self) -> None:
        closes = self.closes(datetime(2019, 7, 30, tzinfo=UTC), THURSDAY + timedelta(days=10))
        self.assertEqual(max(closes), date(2019, 8, 1))

    def test_other_periods_are_not_there(self) -> None:
        self.failureResultOf(self.feed().getOHLCVHistory("USD/HUF", "hour", THURSDAY, THURSDAY), NotImplementedError)

    def test_times_without_a_zone_are_refused(self) -> None:
        naive = THURSDAY.replace(tzinfo=None)
        self.failureResultOf(self.feed().getOHLCVHistory("USD/HUF", "day", naive, THURSDAY), ValueError)

    def test_a_currency_that_nobody_fixes_is_refused(self) -> None:
        self.failureResultOf(self.feed().getOHLCVHistory("USD/XAU", "day", THURSDAY - timedelta(9), THURSDAY), Refused)
        self.failureResultOf(
            self.feed().getOHLCVHistory("USD/XAU", "day", THURSDAY - timedelta(200), THURSDAY), Refused
        )

    def test_a_silent_server_is_given_up_in_time(self) -> None:
        self.server.faults.add(Fault.SILENT)
        d = self.feed(timeout=7).getOHLCVHistory("USD/HUF", "day", THURSDAY - timedelta(9), THURSDAY)
        self.advance(8, 1)
        self.assertIn("in 7 s", str(self.failureResultOf(d, Unreachable).value))

    def test_disconnecting_gives_up_a_history_under_way(self) -> None:
        self.server.faults.add(Fault.SILENT)
        feed = self.feed()
        d = feed.getOHLCVHistory("USD/HUF", "day", THURSDAY - timedelta(9), THURSDAY)
        self.successResultOf(feed.disconnect())
        self.assertIn("given up", str(self.failureResultOf(d, Unreachable).value))
        self.assertEqual(self.clock.getDelayedCalls(), [])


class ECBHistoryTests(HistoryTests):
    """Which of the ECB's files is taken"""

    def test_the_90_day_file_serves_as_far_as_it_reaches(self) -> None:
        self.closes(THURSDAY - timedelta(days=83), THURSDAY)
        self.assertEqual(list(self.server.requests), ["/stats/eurofxref/eurofxref-hist-90d.xml"])

    def test_further_back_the_zipped_history_is_read(self) -> None:
        self.closes(THURSDAY - timedelta(days=84), THURSDAY)
        self.assertEqual(list(self.server.requests), ["/stats/eurofxref/eurofxref-hist.zip"])

    def test_a_history_with_decimal_commas_is_refused(self) -> None:
        self.server.faults.add(Fault.COMMA)
        for days in (10, 200):
            d = self.feed().getOHLCVHistory("USD/HUF", "day", THURSDAY - timedelta(days=days), THURSDAY)
            self.failureResultOf(d, Unreachable)

    def test_a_fixing_from_the_future_is_refused(self) -> None:
        self.server.faults.add(Fault.FUTURE)
        d = self.feed().getOHLCVHistory("USD/HUF", "day", THURSDAY - timedelta(9), THURSDAY + timedelta(9))
        self.assertIn("in the future", str(self.failureResultOf(d, Unreachable).value))

    def test_the_whole_real_history_passes_through_server_and_feed(self) -> None:
        file = path("fx", "ecb_eurofxref-hist.csv.gz")
        if file is None:
            raise unittest.SkipTest("the shared recordings are not on this machine")
        self.world.start = datetime(2026, 10, 30, 16, tzinfo=UTC)
        self.server = RateServer(self.world, load_fixings(file))
        self.stub = StubTreq(self.server.resource)
        since = datetime(1999, 1, 1, tzinfo=UTC)
        closes = self.closes(since, self.world.now())
        self.assertEqual((len(closes), closes[date(2026, 10, 30)]), (7126, D("327.9001")))
        self.assertEqual(len(self.closes(since, self.world.now(), "USD/MXN")), 4822)

    def test_without_the_zip_the_xml_history_is_read(self) -> None:
        class NoZip(TwoServers):
            def request(self, method: str, url: str, **kwargs: Any) -> Any:
                return self.stub.request(method, url.replace(".zip", ".gone"), **kwargs)

        start = THURSDAY - timedelta(days=200)
        expected = self.closes(start, THURSDAY)
        self.assertEqual(self.closes(start, THURSDAY, http=NoZip(self.stub, "")), expected)
        self.assertEqual(self.server.requests[-1], "/stats/eurofxref/eurofxref-hist.xml")
        self.assertEqual(len(self.errors()), 1)


class FrankfurterHistoryTests(HistoryTests):
    """Ranges in JSON"""

    kind = Frankfurter

    def test_a_long_range_is_asked_for_in_pieces(self) -> None:
        self.closes(THURSDAY - timedelta(days=365), THURSDAY)
        self.assertEqual(list(self.server.requests), ["/v1/2018-08-01..2019-07-27", "/v1/2019-07-28..2019-08-01"])

    def test_a_piece_that_is_only_a_weekend_does_not_spoil_the_rest(self) -> None:
        sunday = datetime(2019, 7, 28, tzinfo=UTC)
        closes = self.closes(sunday - timedelta(days=361), sunday)
        self.assertEqual(max(closes), date(2019, 7, 26))
        self.assertEqual(self.server.requests[-1], "/v1/2019-07-28..2019-07-28")

    def test_a_stretch_without_any_fixing_is_refused_as_the_server_says(self) -> None:
        saturday = datetime(2019, 7, 27, tzinfo=UTC)
        d = self.feed().getOHLCVHistory("USD/HUF", "day", saturday, saturday)
        self.assertIn("not found (404)", str(self.failureResultOf(d, Refused).value))
