"""Rates written by hand or kept in a file."""

from __future__ import annotations

import gzip
import os
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from clients.exchange import IRateFeed, Refused, Unreachable
from clients.rates import Fixed
from ilp.clock import WorldClock
from ilp.simulation.rates_documents import zipped
from ilp.simulation.recordings import FIXINGS

D = Decimal
NOON = datetime(2026, 10, 30, 16, tzinfo=UTC)
RATES = "EUR/USD 1.1172, EUR/HUF 366.33"
HISTORY = "Date,USD,HUF,\n2026-10-30,1.1172,366.33,\n2026-10-29,1.113,365.95,\n"


class FixedTestCase(SynchronousTestCase):
    """A clock of the world, and feeds on it."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.events: list[str] = []

    def feed(self, start: datetime = NOON, **options: Any) -> Fixed:
        feed = Fixed(reactor=self.clock, now=WorldClock(self.clock, start).now, **options)
        for event in ("connect", "disconnect", "alive", "book", "error"):
            feed.on(event, lambda *_, event=event: self.events.append(event))
        self.addCleanup(feed.disconnect)
        return feed

    def connected(self, **options: Any) -> Fixed:
        feed = self.feed(**options)
        self.successResultOf(feed.connect())
        return feed

    def file(self, content: str | bytes) -> str:
        path = Path(self.mktemp())
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)


class ByHandTests(FixedTestCase):
    """Rates in the options"""

    def test_the_feed_provides_the_interface(self) -> None:
        verifyObject(IRateFeed, self.feed(rates=RATES))

    def test_the_rates_given_are_crossed_and_dated(self) -> None:
        rate = self.connected(rates=RATES, date="2026-10-29").rate("USD/HUF")
        self.assertEqual(round(rate.mid, 6), D("327.900107"))
        self.assertEqual((rate.source, rate.fixing), ("Fixed", datetime(2026, 10, 29, 13, 15, tzinfo=UTC)))

    def test_a_pair_without_the_euro_needs_no_euro(self) -> None:
        self.assertEqual(self.connected(rates="USD/HUF 300").rate("USD/HUF").mid, 300)

    def test_without_a_date_they_are_of_the_last_fixing_before_connecting(self) -> None:
        self.assertEqual(self.connected(rates=RATES).rate("EUR/USD").fixing.date(), date(2026, 10, 30))
        early = datetime(2026, 10, 30, 9, tzinfo=UTC)
        self.assertEqual(self.connected(start=early, rates=RATES).rate("EUR/USD").fixing.date(), date(2026, 10, 29))

    def test_they_age_and_end_like_any_other(self) -> None:
        feed = self.connected(rates=RATES, poll=3600)
        young = feed.rate("USD/HUF")
        self.clock.advance(3600 * 20)
        self.assertLess(feed.rate("USD/HUF").bid, young.bid)
        for _ in range(6 * 24):
            self.clock.advance(3600)
        self.assertRaises(Unreachable, feed.rate, "USD/HUF")
        self.assertEqual(self.events.count("disconnect"), 1)

    def test_a_longer_life_can_be_allowed(self) -> None:
        self.connected(rates=RATES, date="2026-01-01", max_fixing_age="400").rate("USD/HUF")

    def test_rates_that_are_too_old_or_from_the_future_do_not_connect(self) -> None:
        for day, why in (("2026-10-20", "more than 5 days old"), ("2026-10-31", "in the future")):
            error = self.failureResultOf(self.feed(rates=RATES, date=day).connect(), Unreachable).value
            self.assertIn(why, str(error))

    def test_a_currency_that_is_not_given_has_no_rate(self) -> None:
        self.failureResultOf(self.connected(rates=RATES).getOrderBook("USD/MXN"), Refused)

    def test_each_look_confirms_and_tells_the_books(self) -> None:
        self.connected(rates=RATES, tickers="USD/HUF", poll=60)
        self.clock.advance(60)
        self.assertEqual(self.events, ["connect", "alive", "book", "alive", "book"])

    def test_the_history_is_the_one_day(self) -> None:
        feed = self.connected(rates=RATES, date="2026-10-29")
        bars = self.successResultOf(feed.getOHLCVHistory("USD/HUF", "day", NOON - timedelta(days=9), NOON))
        self.assertEqual([opened.date() for opened in bars], [date(2026, 10, 29)])

    def test_disconnecting_leaves_nothing_behind(self) -> None:
        feed = self.connected(rates=RATES)
        self.successResultOf(feed.disconnect())
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertRaises(Unreachable, feed.rate, "USD/HUF")

    def test_options_that_make_no_sense_are_refused_at_once(self) -> None:
        for options in (
            {},
            {"rates": RATES, "endpoint": "file.csv"},
            {"rates": "EUR/USD"},
            {"rates": "EUR/USD 1,1"},
            {"rates": "EUR/USD 1, GBP/JPY 150"},
            {"rates": RATES, "date": "30.10.2026"},
        ):
            self.assertRaises(ValueError, self.feed, **options)


class FileTests(FixedTestCase):
    """Rates in a file in the ECB's format"""

    def test_the_newest_published_day_is_used(self) -> None:
        file = self.file(HISTORY)
        self.assertEqual(self.connected(endpoint=file).rate("EUR/USD").mid, D("1.1172"))
        before = NOON.replace(hour=14, minute=59)  # 15:59 in Frankfurt
        self.assertEqual(self.connected(start=before, endpoint=file).rate("EUR/USD").mid, D("1.113"))

    def test_a_day_appears_at_its_hour_while_the_feed_runs(self) -> None:
        feed = self.connected(start=NOON.replace(hour=14), endpoint=self.file(HISTORY), poll=600)
        for _ in range(7):
            self.clock.advance(600)
        self.assertEqual(feed.rate("EUR/USD").mid, D("1.1172"))

    def test_plain_gzip_and_zip_files_are_read(self) -> None:
        for content in (HISTORY.encode(), gzip.compress(HISTORY.encode()), zipped("a.csv", HISTORY)):
            self.assertEqual(self.connected(endpoint=self.file(content)).rate("EUR/HUF").mid, D("366.33"))

    def test_a_file_that_changes_is_read_again(self) -> None:
        file = self.file(HISTORY)
        feed = self.connected(endpoint=file, poll=60)
        Path(file).write_text(HISTORY.replace("366.33", "370"))
        os.utime(file, (1, 1))
        self.clock.advance(60)
        self.assertEqual(feed.rate("EUR/HUF").mid, 370)

    def test_a_file_that_turns_bad_is_a_lost_connection(self) -> None:
        file = self.file(HISTORY)
        feed = self.connected(endpoint=file, poll=60)
        Path(file).unlink()
        self.clock.advance(60)
        self.assertEqual(self.events[-2:], ["disconnect", "error"])
        self.assertRaises(Unreachable, feed.rate, "EUR/HUF")

    def test_a_missing_file_or_one_without_recent_rates_is_told_by_name(self) -> None:
        error = self.failureResultOf(self.feed(endpoint="no/such/file.csv").connect(), Unreachable).value
        self.assertIn("the file of rates no/such/file.csv cannot be read", str(error))
        old = self.feed(endpoint=self.file("Date,USD,\n2020-01-02,1.1,\n"))
        self.assertIn("has no rates published from", str(self.failureResultOf(old.connect(), Unreachable).value))

    def test_decimal_commas_are_refused(self) -> None:
        feed = self.feed(endpoint=self.file(HISTORY.replace("366.33", "366,33")))
        self.failureResultOf(feed.connect(), Unreachable)

    def test_the_history_reaches_back_as_far_as_the_file_and_not_beyond_now(self) -> None:
        now = datetime(2019, 8, 1, 15, tzinfo=UTC)
        feed = self.connected(start=now, endpoint=str(FIXINGS))
        bars = self.successResultOf(
            feed.getOHLCVHistory("USD/HUF", "day", now - timedelta(days=180), now + timedelta(9))
        )
        self.assertEqual(max(bars), datetime(2019, 8, 1, tzinfo=UTC))
        self.assertEqual(len(bars), 126)
