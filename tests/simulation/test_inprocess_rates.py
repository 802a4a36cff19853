"""The in-process rate feed: fixings become known when they are published, and the connection can fail."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from clients.exchange import IRateFeed, Unreachable
from ilp.clock import WorldClock
from ilp.simulation.inprocess_rates import SimulatedRates

D = Decimal
FIXINGS = {
    date(2019, 7, 29): {"USD": D("1.1119"), "HUF": D("327.79")},
    date(2019, 7, 30): {"USD": D("1.1154"), "HUF": D("327.65")},
    date(2019, 7, 31): {"USD": D("1.1151"), "HUF": D("327.05")},
}
NOON = datetime(2019, 7, 31, 8, tzinfo=UTC)


class FeedTests(SynchronousTestCase):
    """Before and after the fixing of a day."""

    def setUp(self) -> None:
        self.reactor = Clock()
        self.feed = SimulatedRates(WorldClock(self.reactor, NOON), FIXINGS, latency=0.1, poll=10, tickers=["USD/HUF"])
        self.events: list[tuple[Any, ...]] = []
        for name in ("connect", "disconnect", "alive", "book"):
            self.feed.on(name, lambda *args, name=name: self.events.append((name, *args)))

    def connect(self) -> None:
        d = self.feed.connect()
        self.assertNoResult(d)
        self.reactor.advance(0.1)
        self.successResultOf(d)

    def mid(self) -> Decimal:
        return self.feed.rate("USD/HUF").mid

    def test_it_is_a_rate_feed(self) -> None:
        self.assertTrue(verifyObject(IRateFeed, self.feed))

    def test_before_the_fixing_of_the_day_the_day_before_is_the_last_one_known(self) -> None:
        self.connect()
        self.assertEqual(self.mid().quantize(D("0.0001")), (D("327.65") / D("1.1154")).quantize(D("0.0001")))

    def test_after_the_fixing_of_the_day_it_is_known_at_the_next_poll(self) -> None:
        self.connect()
        self.reactor.advance(12 * 3600)
        self.assertEqual(self.mid().quantize(D("0.0001")), (D("327.05") / D("1.1151")).quantize(D("0.0001")))

    def test_every_poll_confirms_and_tells_the_book(self) -> None:
        self.connect()
        self.reactor.advance(10)
        self.assertEqual([e[0] for e in self.events], ["connect", "alive", "book", "alive", "book"])

    def test_a_feed_that_is_down_is_lost_and_comes_back(self) -> None:
        self.connect()
        self.feed.down = True
        self.reactor.advance(10)
        self.assertEqual(self.events[-1][0], "disconnect")
        self.assertRaises(Unreachable, self.feed.rate, "USD/HUF")
        self.feed.down = False
        self.reactor.advance(10)
        self.mid()

    def test_a_first_connection_without_rates_is_unreachable(self) -> None:
        self.feed.down = True
        d = self.feed.connect()
        self.reactor.advance(0.1)
        self.failureResultOf(d, Unreachable)

    def test_histories_end_with_what_is_known(self) -> None:
        self.connect()
        d = self.feed.getOHLCVHistory(
            "USD/HUF", "day", datetime(2019, 7, 1, tzinfo=UTC), datetime(2019, 8, 1, tzinfo=UTC)
        )
        self.assertEqual([opened.day for opened in self.successResultOf(d)], [29, 30])

    def test_disconnecting_leaves_no_timer(self) -> None:
        self.connect()
        d = self.feed.disconnect()
        self.reactor.advance(0)
        self.successResultOf(d)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
