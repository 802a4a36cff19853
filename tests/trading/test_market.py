"""The picture: ages, sanity, marks and references."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Book, Side
from ilp.trading.layout import Layout, Pair
from ilp.trading.market import BALANCES, BOOK, ORDERS, RATE, Market, Rate, mid
from tests.trading.world import AGES

D = Decimal
NOON = datetime(2024, 3, 4, 12, tzinfo=UTC)
LAYOUT = Layout(Pair("source", "BTC/USD"), Pair("target", "BTC/HUF"))
SOURCE, TARGET = LAYOUT.pairs
CONFIRMED = evolve(AGES, mark_jump=D("0.05"), implied_cross=D("0.1"))


def book(*rows: tuple[str | None, str | None]) -> Book:
    bids = [{"price": D(bid), "quantity": D(1)} for bid, _ in rows if bid is not None]
    asks = [{"price": D(ask), "quantity": D(1)} for _, ask in rows if ask is not None]
    return {"contract": "", "bids": bids, "asks": asks}


class MarketCase(SynchronousTestCase):
    layout = LAYOUT

    def setUp(self) -> None:
        self.seconds, self.now = 0.0, NOON
        self.market = Market(self.layout, CONFIRMED, lambda: self.seconds, lambda: self.now)
        for pair in self.layout.pairs:
            self.market.on_connected(pair.venue)

    def pass_(self, seconds: float) -> None:
        self.seconds += seconds
        self.now += timedelta(seconds=seconds)

    def rate(self, bid: str = "0.00369", ask: str = "0.00371", fixing: datetime | None = NOON) -> None:
        self.market.on_rate(Rate(D(bid), D(ask), fixing, self.now, "test"))

    def everything(self) -> None:
        self.market.on_book(SOURCE, book(("249.9", "250.1")))
        self.market.on_book(TARGET, book())
        for pair in self.layout.pairs:
            self.market.on_positions(pair.venue, {})
            self.market.on_orders(pair.venue)
        self.rate()


class SanityTests(MarketCase):
    def test_everything_counts_once_everything_was_told(self) -> None:
        self.assertNotEqual(self.market.troubles(), ())
        self.everything()
        self.assertEqual(self.market.troubles(), ())

    def test_a_crossed_book_does_not_count_on_either_venue(self) -> None:
        self.everything()
        for pair, bid, ask in ((SOURCE, "250.1", "250.1"), (TARGET, "70000", "60000")):
            self.market.on_book(pair, book((bid, ask)))
            self.assertIn(f"crossed: bid {bid}, ask {ask}", self.market.trouble(BOOK, pair.venue))

    def test_an_empty_side_does_not_count_on_the_source(self) -> None:
        self.everything()
        self.market.on_book(SOURCE, book(("249.9", None)))
        self.assertEqual(self.market.trouble(BOOK, "source"), "source book: empty: no asks")

    def test_an_empty_book_counts_on_the_target(self) -> None:
        self.everything()
        self.market.on_book(TARGET, book())
        self.assertEqual(self.market.trouble(BOOK, "target"), "")

    def test_a_mark_that_jumps_is_doubted_until_it_is_confirmed(self) -> None:
        self.everything()
        self.market.on_book(SOURCE, book(("269.9", "270.1")))
        self.assertIn("its mid jumped from 250.0 to 270.0, allowed 5", self.market.trouble(BOOK, "source"))
        for _ in range(3):
            self.market.on_book(SOURCE, book(("269.9", "270.1")))
        self.assertEqual(self.market.trouble(BOOK, "source"), "")

    def test_a_rate_that_is_none_does_not_count(self) -> None:
        self.everything()
        for bid, ask in (("0", "1"), ("2", "1")):
            self.rate(bid, ask)
            self.assertIn("not a rate", self.market.trouble(RATE))

    def test_a_rate_that_jumps_is_doubted(self) -> None:
        self.everything()
        self.rate("0.0041", "0.0042")
        self.assertIn("jumped", self.market.trouble(RATE))

    def test_a_rate_far_from_what_others_quotes_imply_does_not_count(self) -> None:
        self.everything()
        self.market.on_book(TARGET, book(("79999", "80001")))
        self.assertIn("0.00370 is far from 0.003125 that the books imply, allowed 10", self.market.trouble(RATE))

    def test_our_own_quotes_imply_nothing(self) -> None:
        self.market.own = lambda pair: (
            [(Side.BUY, D(79999), D(1)), (Side.SELL, D(80001), D(1))] if pair == TARGET else []
        )
        self.everything()
        self.market.on_book(TARGET, book(("79999", "80001")))
        self.assertEqual(self.market.trouble(RATE), "")

    def test_a_rate_that_its_own_feeds_doubt_does_not_count_and_returns_after_good_ones(self) -> None:
        self.everything()
        doubt = "A says 300 (2 min old), B 330 (3.1 h old): 10.00% apart, allowed 2.10%"
        known = self.market.rate
        assert known is not None
        self.market.on_rate(evolve(known, doubt=doubt))
        self.assertEqual(self.market.trouble(RATE), f"rate: {doubt}")
        self.market.on_rate(known)
        self.assertIn("1 of 3 good updates", self.market.trouble(RATE))
        self.market.on_rate(known)
        self.market.on_rate(known)
        self.assertEqual(self.market.trouble(RATE), "")

    def test_a_cross_that_fits_again_has_to_do_so_for_a_while(self) -> None:
        self.everything()
        self.market.on_book(TARGET, book(("79999", "80001")))
        troubles = []
        for _ in range(3):
            self.market.on_book(TARGET, book(("67566", "67568")))
            troubles.append(bool(self.market.trouble(RATE)))
        self.assertEqual(troubles, [True, True, False])


class AgeTests(MarketCase):
    def test_each_input_has_its_own_limit(self) -> None:
        self.everything()
        self.pass_(10.1)
        self.assertEqual(self.market.troubles(), ("source book: 10.1 s old, allowed 10 s",))
        self.pass_(10)
        self.assertEqual(len(self.market.troubles()), 6)

    def test_an_answered_ping_confirms_everything_of_its_venue_and_nothing_else(self) -> None:
        self.everything()
        self.pass_(9)
        self.market.on_alive("source")
        self.pass_(9)
        self.assertEqual(self.market.trouble(BOOK, "source"), "")
        self.pass_(3)
        self.assertEqual(self.market.trouble(ORDERS, "source"), "")
        self.assertNotEqual(self.market.trouble(ORDERS, "target"), "")

    def test_a_holding_confirms_the_balances(self) -> None:
        self.everything()
        self.pass_(15)
        self.market.on_position("target", {"contract": "BTC", "position": D(6), "available": D(6)})
        self.pass_(10)
        self.assertEqual(self.market.trouble(BALANCES, "target"), "")

    def test_a_rate_is_confirmed_by_a_fetch_in_world_time(self) -> None:
        self.everything()
        self.now += timedelta(seconds=601)
        self.assertIn("601.0 s old", self.market.trouble(RATE))

    def test_a_fixing_has_a_limit_of_its_own(self) -> None:
        self.everything()
        self.rate(fixing=NOON - timedelta(days=5, hours=1))
        self.assertEqual(self.market.trouble(RATE), "rate: fixed on 2024-02-28, allowed 5 days")

    def test_the_next_expiry_is_told(self) -> None:
        self.everything()
        self.assertEqual((self.market.expires(), self.market.rate_expires()), (10.0, 600.0))
        self.pass_(4)
        self.assertEqual((self.market.expires(), self.market.rate_expires()), (6.0, 596.0))

    def test_what_is_half_its_limit_old_is_to_be_read_again(self) -> None:
        self.everything()
        self.assertEqual((self.market.ageing(), self.market.ages_at()), ((), 5.0))
        self.pass_(5)
        self.assertEqual(self.market.ageing(), ((BOOK, "source"),))

    def test_a_lost_venue_holds_nothing_any_more(self) -> None:
        self.everything()
        self.market.on_lost("source")
        self.assertEqual(self.market.troubles(), ("source: not connected",))
        self.assertEqual(self.market.book(SOURCE)["bids"], [])
        self.market.on_connected("source")
        self.assertIn("nothing received yet", self.market.trouble(BOOK, "source"))

    def test_statuses_name_every_input_with_age_and_trouble(self) -> None:
        self.everything()
        self.pass_(10.5)
        statuses = {status.name: status for status in self.market.statuses()}
        self.assertEqual(len(statuses), 7)
        self.assertEqual((statuses["source book"].ok, statuses["rate"].age), (False, 10.5))


class PastTests(MarketCase):
    """What the source's best prices were when something happened that is told later."""

    def setUp(self) -> None:
        super().setUp()
        for bid in ("249", "250", "251"):
            self.market.on_book(SOURCE, book((bid, "252")))
            self.pass_(10)

    def test_the_book_received_last_before_that_moment_counts(self) -> None:
        self.assertEqual(self.market.source_best(NOON + timedelta(seconds=15)), (D("250"), D("252")))

    def test_a_book_received_in_that_very_moment_counts(self) -> None:
        self.assertEqual(self.market.source_best(NOON + timedelta(seconds=20)), (D("251"), D("252")))

    def test_before_the_first_book_the_oldest_one_counts(self) -> None:
        self.assertEqual(self.market.source_best(NOON - timedelta(seconds=1)), (D("249"), D("252")))

    def test_without_any_book_there_are_no_prices(self) -> None:
        other = Market(self.layout, CONFIRMED, lambda: self.seconds, lambda: self.now)
        self.assertEqual(other.source_best(NOON), (None, None))


class MarkTests(MarketCase):
    def test_marks_are_the_mids_of_the_source_and_of_the_feed(self) -> None:
        self.assertIsNone(self.market.marks())
        self.everything()
        self.assertEqual(self.market.marks(), {"USD": D(1), "BTC": D(250), "HUF": D("0.0037")})

    def test_the_mark_lies_between_the_best_bid_and_ask(self) -> None:
        found = mid(book(("249.9", "250.1"), ("200", "300")))
        assert found is not None
        self.assertTrue(D("249.9") <= found <= D("250.1"))
        self.assertIsNone(mid(book(("249.9", None))))

    def test_references_are_the_last_good_prices(self) -> None:
        self.assertIsNone(self.market.reference(SOURCE))
        self.everything()
        self.assertEqual((self.market.reference(SOURCE), self.market.reference(TARGET)), (D(250), D(250) / D("0.0037")))
        self.market.on_book(SOURCE, book(("249.9", None)))
        self.assertEqual(self.market.reference(SOURCE), D(250))


class OneCurrencyTests(MarketCase):
    layout = Layout(Pair("source", "BTC/USD"), Pair("target", "BTC/USD"))

    def test_no_rate_is_needed(self) -> None:
        self.market.on_book(self.layout.source, book(("249.9", "250.1")))
        self.market.on_book(self.layout.target, book())
        for pair in self.layout.pairs:
            self.market.on_positions(pair.venue, {})
            self.market.on_orders(pair.venue)
        self.assertEqual(self.market.troubles(), ())
        self.assertEqual(self.market.marks(), {"USD": D(1), "BTC": D(250)})
        self.assertEqual(self.market.reference(self.layout.target), D(250))

    def test_no_rate_is_among_the_inputs(self) -> None:
        self.assertNotIn("rate", [status.name for status in self.market.statuses()])


class LayoutTests(SynchronousTestCase):
    def test_names_follow_from_the_tickers(self) -> None:
        self.assertEqual((LAYOUT.numeraire, LAYOUT.base, LAYOUT.rate_ticker), ("USD", "BTC", "USD/HUF"))
        self.assertEqual(LAYOUT.assets, ("USD", "BTC", "HUF"))
        self.assertEqual(LAYOUT.holdings, (("source", "USD"), ("source", "BTC"), ("target", "HUF"), ("target", "BTC")))

    def test_a_ticker_that_is_no_pair_is_refused(self) -> None:
        for ticker in ("BTC", "BTC/", "/USD"):
            with self.assertRaises(ValueError):
                Pair("source", ticker)

    def test_venues_that_trade_different_things_make_no_pool(self) -> None:
        with self.assertRaises(ValueError):
            Layout(Pair("source", "BTC/USD"), Pair("target", "ETH/HUF"))
