"""A venue's books as a feed of rates: depth, chains of pairs, stablecoins, age, and when there is no rate."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from clients.events import Emitter
from clients.exchange import Book, IRateFeed, NotAuthorised, Refused, Unreachable
from clients.kraken import Kraken
from clients.option_values import read_options
from clients.rates import ECB
from clients.rates_arithmetic import drift
from clients.rates_several import Several
from clients.rates_venue import VenueOptions, VenueRates, is_venue

D = Decimal
NOON = datetime(2026, 10, 30, 12, tzinfo=UTC)


def book(pair: str, bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> Book:
    """A book of (price, quantity) rows."""

    def rows(side: list[tuple[str, str]]) -> Any:
        return [{"price": D(price), "quantity": D(quantity)} for price, quantity in side]

    return {"contract": pair, "bids": rows(bids), "asks": rows(asks)}


DIRECT = book("USD/MXN", [("18.90", "6000"), ("18.88", "90000")], [("18.91", "20000")])
INVERSE = book("MXN/USD", [("0.0528", "9000000")], [("0.0529", "9000000")])
COIN = book("USDT/MXN", [("18.80", "50000")], [("18.82", "50000")])
PEG = book("USDT/USD", [("0.9990", "50000")], [("0.9992", "50000")])


class Venue(Emitter):
    """The part of a venue that a feed needs."""

    name = "bourse"

    def __init__(self, *books: Book) -> None:
        super().__init__()
        self.books = {one["contract"]: one for one in books}
        self.connecting: Deferred[None] = succeed(None)
        self.bars: dict[str, dict[datetime, Any]] = {}

    def connect(self) -> Deferred[None]:
        return self.connecting

    def disconnect(self) -> Deferred[None]:
        return succeed(None)

    def getOrderBook(self, pair: str) -> Deferred[Book]:
        return succeed(self.books[pair]) if pair in self.books else fail(Refused(self.name, "book", f"no {pair}"))

    def getOHLCVHistory(self, pair: str, *asked: Any) -> Deferred[Any]:
        return succeed(self.bars[pair])


class VenueTestCase(SynchronousTestCase):
    """A clock, a venue and a feed of its books."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.events: list[tuple[Any, ...]] = []

    def feed(self, *books: Book, ticker: str = "USD/MXN", factor: str = "1", **options: str) -> VenueRates:
        self.venue = Venue(*books)
        feed = VenueRates(
            self.venue,
            ticker,
            reactor=self.clock,
            now=lambda: NOON + timedelta(seconds=self.clock.seconds()),
            options=read_options(VenueOptions, options),
            rate_age_factor=factor,
        )
        for event in ("connect", "disconnect", "book"):
            feed.on(event, lambda *args, event=event: self.events.append((event, *args)))
        self.addCleanup(feed.disconnect)
        return feed

    def connected(self, *books: Book, **options: Any) -> VenueRates:
        feed = self.feed(*books, **options)
        self.successResultOf(feed.connect())
        return feed

    def why(self, feed: VenueRates) -> str:
        return str(self.assertRaises(Unreachable, feed.rate, "USD/MXN"))


class PricesTests(VenueTestCase):
    """What the books come to"""

    def test_it_is_a_rate_feed(self) -> None:
        verifyObject(IRateFeed, self.feed(DIRECT))

    def test_bid_and_ask_are_what_the_amount_would_really_get(self) -> None:
        rate = self.connected(DIRECT, amount="10000").rate("USD/MXN")
        # 6000 at 18.90 and 4000 at 18.88
        self.assertEqual((rate.bid, rate.ask), (D("18.892"), D("18.91")))
        self.assertEqual((rate.source, rate.fixing), ("bourse USD/MXN", NOON))

    def test_a_small_amount_gets_the_best_prices(self) -> None:
        rate = self.connected(DIRECT, amount="100").rate("USD/MXN")
        self.assertEqual((rate.bid, rate.ask), (D("18.90"), D("18.91")))

    def test_a_pair_the_other_way_round_is_turned(self) -> None:
        rate = self.connected(INVERSE, pairs="MXN/USD").rate("USD/MXN")
        self.assertAlmostEqual(rate.bid, 1 / D("0.0529"), places=5)
        self.assertAlmostEqual(rate.ask, 1 / D("0.0528"), places=5)

    def test_a_coin_taken_for_a_dollar_widens_by_what_it_may_be_off(self) -> None:
        rate = self.connected(COIN, pairs="USDT/MXN", pegs="USDT USD 0.003").rate("USD/MXN")
        self.assertAlmostEqual(rate.mid, D("18.81"), places=6)
        self.assertAlmostEqual(rate.bid, D("18.80") * (1 - D("0.003")), places=6)

    def test_a_chain_needs_no_peg_where_the_coin_itself_is_traded(self) -> None:
        rate = self.connected(COIN, PEG, pairs="USDT/USD, USDT/MXN").rate("USD/MXN")
        self.assertAlmostEqual(rate.bid, D("18.80") / D("0.9992"), places=5)
        self.assertAlmostEqual(rate.ask, D("18.82") / D("0.9990"), places=5)
        self.assertEqual(rate.source, "bourse USDT/USD × USDT/MXN")

    def test_it_widens_by_the_drift_of_a_book_nobody_confirmed(self) -> None:
        feed = self.connected(DIRECT, amount="100", factor="2", stale_after="3600")
        self.clock.advance(600)
        rate = feed.rate("USD/MXN")
        self.assertEqual(rate.aged, 2 * drift("USD/MXN", timedelta(minutes=10)))
        self.assertAlmostEqual(rate.ask, D("18.91") * (1 + rate.aged), places=6)


class NoRateTests(VenueTestCase):
    """When there is none, and why"""

    def test_too_thin(self) -> None:
        self.assertIn("asks of USD/MXN do not carry 50000", self.why(self.connected(DIRECT, amount="50000")))

    def test_too_wide(self) -> None:
        wide = book("USD/MXN", [("18.00", "90000")], [("19.00", "90000")])
        self.assertIn("5.41% wide for 10000, allowed 0.50%", self.why(self.connected(wide)))

    def test_crossed(self) -> None:
        crossed = book("USD/MXN", [("19.00", "90000")], [("18.00", "90000")])
        self.assertIn("wide", self.why(self.connected(crossed)))

    def test_empty(self) -> None:
        self.assertIn("bids of USD/MXN do not carry", self.why(self.connected(book("USD/MXN", [], [("18.9", "1")]))))

    def test_a_book_that_nothing_confirms_is_too_old(self) -> None:
        feed = self.connected(DIRECT)
        self.clock.advance(31)
        self.assertIn("confirmed 31 s ago; 30 s are allowed", self.why(feed))
        self.venue.announce("alive", self.venue)
        self.assertTrue(feed.rate("USD/MXN"))

    def test_a_sign_of_life_that_does_not_name_the_books_confirms_none(self) -> None:
        feed = self.connected(DIRECT)
        self.clock.advance(31)
        self.venue.announce("alive", self.venue, "orders", "balances")
        self.assertIn("confirmed 31 s ago", self.why(feed))
        self.venue.announce("alive", self.venue, "book")
        self.assertTrue(feed.rate("USD/MXN"))

    def test_not_connected(self) -> None:
        self.assertIn("not connected", self.why(self.feed(DIRECT)))

    def test_after_a_lost_connection_old_books_do_not_count(self) -> None:
        feed = self.connected(DIRECT)
        self.venue.announce("disconnect", self.venue)
        self.assertIn("not connected", self.why(feed))
        self.venue.announce("connect", self.venue)
        self.assertIn("no book of USD/MXN yet", self.why(feed))
        self.venue.announce("book", "USD/MXN", DIRECT)
        self.assertTrue(feed.rate("USD/MXN"))

    def test_another_pair_is_refused(self) -> None:
        self.failureResultOf(self.connected(DIRECT).getOrderBook("USD/HUF"), Refused)

    def test_a_venue_that_refuses_us_fails_the_connection(self) -> None:
        feed = self.feed(DIRECT)
        self.venue.connecting = fail(NotAuthorised("bourse", "connect", "no"))
        self.failureResultOf(feed.connect(), NotAuthorised)


class EventTests(VenueTestCase):
    """When it is told"""

    def told(self) -> int:
        count = sum(event[0] == "book" for event in self.events)
        self.events.clear()
        return count

    def test_a_move_of_more_than_a_basis_point_is_told_at_once_and_less_at_the_next_look(self) -> None:
        self.connected(DIRECT, amount="100", look="1")
        self.told()
        self.venue.announce("book", "USD/MXN", book("USD/MXN", [("18.9001", "6000")], [("18.91", "20000")]))
        self.assertEqual(self.told(), 0)
        self.venue.announce("book", "USD/MXN", book("USD/MXN", [("18.95", "6000")], [("18.96", "20000")]))
        self.assertEqual(self.told(), 1)
        self.clock.advance(1)
        self.assertEqual(self.told(), 1)

    def test_disconnecting_while_the_first_book_is_being_read_leaves_nothing_behind(self) -> None:
        feed, reading = self.feed(DIRECT), Deferred[Book]()
        self.patch(self.venue, "getOrderBook", lambda pair: reading)
        connecting = feed.connect()
        self.successResultOf(feed.disconnect())
        reading.callback(DIRECT)
        self.failureResultOf(connecting, Unreachable)
        self.assertEqual((self.clock.getDelayedCalls(), self.events), ([], []))

    def test_disconnecting_leaves_no_timer(self) -> None:
        feed = self.connected(DIRECT)
        self.successResultOf(feed.disconnect())
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.events[-1][0], "disconnect")


class SilenceTests(VenueTestCase):
    """Behind one face with other feeds"""

    def test_a_book_that_nothing_confirms_is_doubted_within_a_tenth_of_a_second_of_its_limit(self) -> None:
        feed = self.feed(DIRECT, stale_after="12")
        several = Several([feed], "USD/MXN", reactor=self.clock, now=lambda: NOON)
        doubts: list[tuple[float, str]] = []
        several.on("book", lambda *_: doubts.append((self.clock.seconds(), several.rate("USD/MXN").doubt)))
        self.successResultOf(several.connect())
        for _ in range(200):
            self.clock.advance(0.1)
            if self.clock.seconds() < 3.35:
                self.venue.announce("alive", self.venue)
        first = next(at for at, doubt in doubts if doubt)
        self.assertTrue(15.3 <= first <= 15.5, first)
        self.assertEqual([doubt for at, doubt in doubts if at < 15.3 and doubt], [])
        self.successResultOf(several.disconnect())
        self.assertEqual(self.clock.getDelayedCalls(), [])


class HistoryTests(VenueTestCase):
    """Bars"""

    def asked(self, feed: VenueRates) -> Any:
        return self.successResultOf(feed.getOHLCVHistory("USD/MXN", "hour", NOON - timedelta(days=1), NOON))

    def test_one_pair_gives_the_venue_s_own_bars(self) -> None:
        feed = self.connected(DIRECT)
        self.venue.bars["USD/MXN"] = {NOON: {"close": D("18.9"), "high": D(19)}}
        self.assertEqual(self.asked(feed)[NOON]["high"], D(19))

    def test_a_chain_has_closes_where_each_pair_has_one(self) -> None:
        feed = self.connected(COIN, PEG, pairs="USDT/USD USDT/MXN")
        later = NOON + timedelta(hours=1)
        self.venue.bars["USDT/USD"] = {NOON: {"close": D("0.5")}}
        self.venue.bars["USDT/MXN"] = {NOON: {"close": D(18)}, later: {"close": D(19)}}
        self.assertEqual({at: one["close"] for at, one in self.asked(feed).items()}, {NOON: D(36)})


class OptionsTests(VenueTestCase):
    """What the options may be"""

    def test_pairs_that_lead_elsewhere_are_an_error(self) -> None:
        for options, text in (
            ({"pairs": "EUR/USD"}, "lead from USD to EUR and not to MXN"),
            ({"pairs": "USDT/MXN"}, "does not go on from USD"),
            ({"pairs": "USDMXN"}, "not a pair"),
            ({"pegs": "USDT USD"}, "write coin, currency and fraction"),
            ({"pegs": "USDT USD 2"}, "from 0 to 0.1"),
            ({"amount": "0"}, "amount"),
        ):
            with self.subTest(options):
                self.assertIn(text, str(self.assertRaises(ValueError, self.feed, DIRECT, **options)))

    def test_a_venue_is_told_from_a_feed_by_its_interface(self) -> None:
        self.assertTrue(is_venue(Kraken))
        self.assertFalse(is_venue(ECB))
