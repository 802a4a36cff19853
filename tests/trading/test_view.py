"""From a view to the pool document, and the few steps of arithmetic on the way."""

from __future__ import annotations

from decimal import Decimal

from attrs import evolve
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Book, Market, Side
from ilp.pool.curves import lanes
from ilp.pool.document import Payout, Trade, Transfer, parse_pool, pool_document
from ilp.pool.optimizer import solve
from ilp.trading.layout import Layout, Pair
from ilp.trading.market import Rate
from ilp.trading.sides import Sides, book_without, same_front
from ilp.trading.steps import down, plain, protective, up
from ilp.trading.view import LEVELS, Stock, View, hedged, pool_of, trade_minimum
from tests.trading.world import PARAMETERS, START

D = Decimal
LAYOUT = Layout(Pair("source", "BTC/USD"), Pair("target", "BTC/HUF"))
RULES: Market = {
    "contract": "BTC/USD",
    "kind": "pair",
    "base": "BTC",
    "quote": "USD",
    "tick_size": D("0.01"),
    "lot_size": D("0.01"),
    "min_quantity": D("0.02"),
    "min_notional": D(10),
}


def stock(venue: str, asset: str, amount: str, free: str | None = None, quotable: str | None = None) -> Stock:
    total = D(amount)
    target = PARAMETERS.targets[venue, asset]
    return Stock(venue, asset, total, D(free or amount), D(quotable or amount), total, D(0), target)


def sample(**changes: object) -> View:
    """The sample of the pool model."""
    view = View(
        LAYOUT,
        PARAMETERS,
        {"USD": D(1), "BTC": D(250), "HUF": D("0.0037")},
        (
            stock("source", "USD", "6000"),
            stock("source", "BTC", "6"),
            stock("target", "HUF", "1626000"),
            stock("target", "BTC", "6"),
        ),
        {"source": Sides(((D("249.9"), D("1.5")),), ((D("250.1"), D("2.0")),)), "target": Sides()},
        Rate(D("0.00369"), D("0.00371"), None, START),
        ((250.0, 0.0), (0.0, 1e-9)),
        hedge_prices=(D("248.65"), D("251.35")),
        payouts=False,
    )
    return evolve(view, **changes)


class DocumentTests(SynchronousTestCase):
    def test_the_sample_becomes_the_models_document(self) -> None:
        pool = pool_of(sample(payouts=True), sizes=(D("0.1"),))
        document = pool_document(pool)
        self.assertEqual(parse_pool(document), pool)
        self.assertEqual(document["marks"], {"USD": 1, "BTC": 250.0, "HUF": 0.0037})
        self.assertEqual([move["kind"] for move in document["moves"]], ["trade", "transfer", "transfer", "payout"])
        trade, coin, fiat, payout = document["moves"]
        self.assertEqual((trade["bids"], trade["asks"], trade["fee"]), ([[249.9, 1.5]], [[250.1, 2.0]], [0, 0.01]))
        self.assertEqual((coin["fee"], coin["min"], coin["both_ways"]), ([0.0001, 0], 0.5, True))
        self.assertEqual((fiat["fee"], fiat["min"], fiat["bid"], fiat["ask"]), ([150, 0.1], 1500, 0.00369, 0.00371))
        self.assertEqual((payout["venue"], payout["asset"], payout["min"]), ("source", "USD", 1500))
        self.assertEqual(
            document["quotes"], [{"venue": "target", "base": "BTC", "quote": "HUF", "size": 0.1, "fee": [0, 0.005]}]
        )

    def test_the_plan_sees_what_is_free_and_quotes_see_what_own_quotes_hold(self) -> None:
        stocks = (*sample().stocks[:3], stock("target", "BTC", "6", "5.9", "6"))
        self.assertEqual(pool_of(sample(stocks=stocks)).holdings[3].available, 5.9)
        self.assertEqual(pool_of(sample(stocks=stocks), quoting=True).holdings[3].available, 6.0)

    def test_a_blocked_lane_is_left_out_one_way_only(self) -> None:
        pool = pool_of(sample(blocked=frozenset({("BTC", "target", "source")})))
        coin = pool.moves[1]
        assert isinstance(coin, Transfer)
        self.assertEqual((coin.source, coin.target, coin.both_ways), (("source", "BTC"), ("target", "BTC"), False))

    def test_a_lane_blocked_both_ways_is_no_move(self) -> None:
        blocked = frozenset({("BTC", "target", "source"), ("BTC", "source", "target")})
        self.assertEqual([type(move) for move in pool_of(sample(blocked=blocked)).moves], [Trade, Transfer])

    def test_blocked_lanes_are_there_where_a_fill_is_priced(self) -> None:
        blocked = frozenset({("BTC", "target", "source"), ("BTC", "source", "target"), ("USD", "source", "target")})
        self.assertEqual(pool_of(sample(blocked=blocked), quoting=True), pool_of(sample(), quoting=True))

    def test_the_way_back_of_a_conversion_costs_the_same_whichever_way_it_is_written(self) -> None:
        both = pool_of(sample())
        back = pool_of(sample(blocked=frozenset({("USD", "source", "target")})))
        one, other = (
            next(lane for lane in lanes(pool) if pool.holdings[lane.leaves].asset == "HUF") for pool in (both, back)
        )
        for amount in (500_000.0, 1_000_000.0):
            self.assertAlmostEqual(one.cost_of(amount), other.cost_of(amount), places=6)
        self.assertAlmostEqual(one.low, other.low, places=6)

    def test_payouts_appear_only_where_they_may(self) -> None:
        for changes, expected in (
            ({"payouts": True}, 1),
            ({}, 0),
            ({"payouts": True, "blocked": frozenset({("USD", "source", "")})}, 0),
        ):
            moves = pool_of(sample(**changes)).moves
            self.assertEqual(sum(isinstance(move, Payout) for move in moves), expected)

    def test_what_a_venue_holds_as_a_position_is_neither_sent_nor_paid_out(self) -> None:
        cash: Market = {**RULES, "kind": "cash"}
        dollars_are_a_position = {("source", "BTC/USD"): RULES, ("source", "BTC"): cash}
        for quoting in (False, True):
            moves = pool_of(sample(payouts=True, rules=dollars_are_a_position), quoting=quoting).moves
            self.assertEqual([type(move) for move in moves], [Trade, Transfer])
            coin = moves[1]
            assert isinstance(coin, Transfer)
            self.assertEqual((coin.source, coin.target), (("source", "BTC"), ("target", "BTC")))

    def test_coins_that_are_a_position_stay_where_they_are(self) -> None:
        cash: Market = {**RULES, "kind": "cash"}
        moves = pool_of(sample(rules={("source", "USD"): cash})).moves
        self.assertEqual([getattr(move, "source", None) for move in moves[1:]], [("source", "USD")])

    def test_a_venue_that_tells_no_withdrawal_rules_at_all_sends_everything(self) -> None:
        moves = pool_of(sample(payouts=True, rules={("source", "BTC/USD"): RULES})).moves
        self.assertEqual([type(move) for move in moves], [Trade, Transfer, Transfer, Payout])

    def test_minima_are_the_larger_of_ours_and_the_venues(self) -> None:
        cash: Market = {**RULES, "kind": "cash", "min_quantity": D("0.7")}
        rules = {("source", "BTC/USD"): RULES, ("target", "BTC"): cash}
        trade, coin = pool_of(sample(rules=rules)).moves[:2]
        self.assertEqual((trade.min, coin.min), (0.04, 0.7))

    def test_a_deep_book_is_read_to_a_limit(self) -> None:
        deep = Sides(tuple((D(249) - n, D(1)) for n in range(100)), ((D("250.1"), D(2)),))
        trade = pool_of(sample(books={"source": deep})).moves[0]
        assert isinstance(trade, Trade)
        self.assertEqual(len(trade.bids), LEVELS)

    def test_one_currency_needs_no_rate(self) -> None:
        layout = Layout(Pair("source", "BTC/USD"), Pair("target", "BTC/USD"))
        targets = {**PARAMETERS.targets, ("target", "USD"): D(6000)}
        stocks = tuple(evolve(one, asset="USD") if one.asset == "HUF" else one for one in sample().stocks)
        view = sample(
            layout=layout,
            rate=None,
            stocks=stocks,
            marks={"USD": D(1), "BTC": D(250)},
            covariance=((250.0,),),
            parameters=evolve(PARAMETERS, targets=targets),
        )
        fiat = pool_of(view).moves[2]
        assert isinstance(fiat, Transfer)
        self.assertEqual((fiat.source, fiat.target, fiat.bid), (("source", "USD"), ("target", "USD"), None))
        solve(pool_of(view))

    def test_what_prices_have_in_common_is_in_it(self) -> None:
        covariance = ((250.0, -1e-4), (-1e-4, 1e-9))
        document = pool_document(pool_of(sample(covariance=covariance)))
        self.assertEqual(parse_pool(document).valuation.covariance, covariance)


class ProFormaTests(SynchronousTestCase):
    def test_open_exposure_counts_as_closed_at_its_limit(self) -> None:
        view = hedged(sample(exposure=D("0.1")))
        self.assertEqual(view.stock("source", "BTC").total, D("5.9"))
        self.assertEqual(view.stock("source", "USD").total, D(6000) + D("24.865") * D("0.99"))
        self.assertEqual(view.exposure, D(0))

    def test_what_a_hedge_brings_cannot_be_spent_yet_and_what_it_needs_cannot_either(self) -> None:
        sold, bought = hedged(sample(exposure=D("0.1"))), hedged(sample(exposure=D("-0.1")))
        self.assertEqual((sold.stock("source", "USD").free, sold.stock("source", "BTC").free), (D(6000), D("5.9")))
        self.assertEqual(bought.stock("source", "BTC").free, D(6))
        self.assertEqual(bought.stock("source", "USD").free, D(6000) - D("25.135") * D("1.01"))

    def test_without_a_book_there_is_nothing_to_assume(self) -> None:
        view = sample(exposure=D("0.1"), hedge_prices=None)
        self.assertEqual(hedged(view), view)


class BookTests(SynchronousTestCase):
    BOOK: Book = {
        "contract": "BTC/HUF",
        "bids": [{"price": D(67), "quantity": D("0.3")}, {"price": D(66), "quantity": D("0.1")}],
        "asks": [{"price": D(70), "quantity": D("0.1")}],
    }

    def test_own_orders_are_taken_out_of_their_level(self) -> None:
        left = book_without(self.BOOK, [(Side.BUY, D(67), D("0.1")), (Side.SELL, D(70), D("0.1"))])
        self.assertEqual(left, Sides(((D(67), D("0.2")), (D(66), D("0.1"))), ()))

    def test_two_orders_at_one_price_are_both_taken_out(self) -> None:
        left = book_without(self.BOOK, [(Side.BUY, D(67), D("0.1")), (Side.BUY, D(67), D("0.2"))])
        self.assertEqual(left.bids, ((D(66), D("0.1")),))

    def test_an_order_that_the_book_does_not_show_yet_changes_nothing(self) -> None:
        self.assertEqual(book_without(self.BOOK, [(Side.BUY, D(50), D(1))]), book_without(self.BOOK, []))

    def test_a_book_that_is_changed_in_place_is_never_the_same(self) -> None:
        self.assertFalse(same_front(self.BOOK, self.BOOK, D("0.01")))

    def test_books_are_the_same_as_far_as_the_quantity_reaches(self) -> None:
        bids, asks = [*self.BOOK["bids"]], [*self.BOOK["asks"]]
        other: Book = {"contract": "BTC/HUF", "bids": bids, "asks": asks}
        self.assertTrue(same_front(self.BOOK, other, D("0.1")))
        self.assertFalse(same_front(self.BOOK, other, D("0.2")))  # the asks do not reach so far
        bids[1] = {"price": D(65), "quantity": D(1)}
        self.assertTrue(same_front(self.BOOK, other, D("0.1")))
        bids[0] = {"price": D(67), "quantity": D("0.2")}
        self.assertTrue(same_front(self.BOOK, other, D("0.1")))  # there is enough at that price still
        bids[0] = {"price": D(67), "quantity": D("0.09")}
        self.assertFalse(same_front(self.BOOK, other, D("0.1")))
        bids[0] = {"price": D("67.5"), "quantity": D("0.3")}
        self.assertFalse(same_front(self.BOOK, other, D("0.1")))


class StepTests(SynchronousTestCase):
    def test_the_minimum_is_the_largest_of_lot_quantity_and_notional(self) -> None:
        self.assertEqual(trade_minimum(RULES, D(250)), D("0.04"))
        self.assertEqual(trade_minimum(RULES, D(5000)), D("0.02"))
        self.assertEqual(trade_minimum({**RULES, "min_quantity": D(0), "min_notional": D(0)}, D(250)), D("0.01"))
        self.assertEqual(trade_minimum(None, D(250)), D(0))

    def test_a_plain_number_has_neither_idle_zeros_nor_an_exponent(self) -> None:
        for value, expected in (("66343.000000000000", "66343"), ("6.934E+4", "69340"), ("0.10", "0.1"), ("0", "0")):
            self.assertEqual(str(plain(D(value))), expected)
        self.assertEqual(plain(D(1) / 3), D("0.33333333"))

    def test_no_step_rounds_nothing(self) -> None:
        self.assertEqual((down(D("1.234"), D(0)), up(D("1.234"), D(0))), (D("1.234"), D("1.234")))

    @given(st.decimals("0.01", "1000", places=6), st.sampled_from([D("0.01"), D("0.5"), D("0.0025")]))
    @hypothesis_settings(max_examples=60, deadline=None)
    def test_rounding_stays_within_a_step_and_never_gets_worse_for_us(self, price: Decimal, tick: Decimal) -> None:
        self.assertTrue(price - tick < down(price, tick) <= price <= up(price, tick) < price + tick)
        self.assertLessEqual(protective(price, Side.BUY, tick), price)
        self.assertGreaterEqual(protective(price, Side.SELL, tick), price)
        self.assertEqual(down(price, tick) % tick, 0)
