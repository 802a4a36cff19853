"""Reservation and hedge prices."""

from __future__ import annotations

from copy import deepcopy
from random import Random
from typing import Any

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from ilp.pool.document import Fee, Pool, Quote, Trade, Transfer, parse_pool
from ilp.pool.optimizer import solve
from ilp.pool.prices import QuotePrices, hedge_prices, hedgeable, quote_price, quote_prices
from tests.pool.cases import NumberTestCase
from tests.pool.pools import book, random_pool

law = settings(max_examples=25, deadline=None)
seeds = st.integers(0, 10**6)

PLAIN: dict[str, Any] = {
    "numeraire": "USD",
    "marks": {"USD": 1, "BTC": 1000, "HUF": 0.004},
    "holdings": [
        {"venue": "s", "asset": "USD", "total": 50000, "available": 50000, "target": 50000},
        {"venue": "s", "asset": "BTC", "total": 50, "available": 50, "target": 50},
        {"venue": "t", "asset": "HUF", "total": 1e7, "available": 1e7, "target": 1e7},
        {"venue": "t", "asset": "BTC", "total": 50, "available": 50, "target": 50},
    ],
    "moves": [
        {"kind": "trade", "venue": "s", "base": "BTC", "quote": "USD"}
        | {"bids": [[999, 3], [998, 40]], "asks": [[1001, 3], [1002, 40]]},
        {"kind": "transfer", "from": ["s", "USD"], "to": ["t", "HUF"], "bid": 0.004, "ask": 0.004},
        {"kind": "transfer", "from": ["s", "BTC"], "to": ["t", "BTC"]},
    ],
    "valuation": {"deviation_penalty": 1, "risk_aversion": 0, "variance": {"BTC": 0, "HUF": 0}},
    "quotes": [{"venue": "t", "base": "BTC", "quote": "HUF", "size": 1}],
}


def plain(**changes: Any) -> Pool:
    """The small pool, top-level entries replaced."""
    return parse_pool({**deepcopy(PLAIN), **changes})


def priced(pool: Pool, **changes: Any) -> QuotePrices:
    """The prices of its one quote."""
    return quote_price(pool, solve(pool), evolve(pool.quotes[0], **changes))


class HedgeTests(NumberTestCase):
    """What closing a fill elsewhere earns or costs."""

    def test_it_is_the_walk_of_the_book_turned_by_the_feed(self) -> None:
        pool = plain()
        bid, ask = hedge_prices(pool, evolve(pool.quotes[0], size=5.0))
        assert bid is not None and ask is not None
        self.assert_near(bid, (3 * 999 + 2 * 998) / 5 / 0.004, 1e-6)
        self.assert_near(ask, (3 * 1001 + 2 * 1002) / 5 / 0.004, 1e-6)

    def test_both_fees_and_the_spread_of_the_feed_count(self) -> None:
        pool = plain()
        trade, fiat = pool.moves[0], pool.moves[1]
        moves = (evolve(trade, fee=Fee(2.0, 0.01)), evolve(fiat, bid=0.0039, ask=0.0041), pool.moves[2])
        bid, ask = hedge_prices(evolve(pool, moves=moves), evolve(pool.quotes[0], fee=Fee(500.0, 0.002)))
        assert bid is not None and ask is not None
        self.assert_near(bid, ((999 * 0.99 - 2) / 0.0041 - 500) / 1.002, 1e-6)
        self.assert_near(ask, ((1001 * 1.01 + 2) / 0.0039 + 500) / 0.998, 1e-6)

    def test_a_feed_quoted_the_other_way_round_is_turned(self) -> None:
        pool = plain()
        fiat = Transfer(("t", "HUF"), ("s", "USD"), bid=1 / 0.0041, ask=1 / 0.0039)
        moves = (pool.moves[0], fiat, pool.moves[2])
        bid, ask = hedge_prices(evolve(pool, moves=moves), pool.quotes[0])
        assert bid is not None and ask is not None
        self.assert_near(bid, 999 / 0.0041, 1e-6)
        self.assert_near(ask, 1001 / 0.0039, 1e-6)

    def test_without_depth_there_is_none(self) -> None:
        pool = plain()
        self.assertEqual(hedge_prices(pool, evolve(pool.quotes[0], size=44.0)), (None, None))

    def test_without_coins_or_money_there_is_none_on_that_side(self) -> None:
        pool = plain()
        poor = (evolve(pool.holdings[0], available=500.0), evolve(pool.holdings[1], available=0.5), *pool.holdings[2:])
        self.assertEqual(hedge_prices(evolve(pool, holdings=poor), pool.quotes[0]), (None, None))

    def test_the_own_venue_is_no_hedge(self) -> None:
        pool = plain()
        trade = Trade("t", "BTC", "HUF", bids=((260000.0, 9.0),))
        alone = evolve(pool, moves=(trade,))
        self.assertEqual(hedge_prices(alone, pool.quotes[0]), (None, None))

    def test_the_best_venue_counts(self) -> None:
        pool = plain()
        other = [evolve(h, venue="u") for h in pool.holdings[:2]]
        trade = Trade("u", "BTC", "USD", bids=((999.5, 9.0),), asks=((1003.0, 9.0),))
        both = evolve(pool, holdings=(*pool.holdings, *other), moves=(*pool.moves, trade))
        bid, ask = hedge_prices(both, pool.quotes[0])
        assert bid is not None and ask is not None
        self.assert_near(bid, 999.5 / 0.004, 1e-6)
        self.assert_near(ask, 1001 / 0.004, 1e-6)

    def test_a_size_can_be_cut_to_what_is_hedgeable_and_priced_again(self) -> None:
        pool = plain()
        poor = (evolve(pool.holdings[0], available=2002.0), evolve(pool.holdings[1], available=0.7), *pool.holdings[2:])
        pool = evolve(pool, holdings=poor)
        for_bid, for_ask = hedgeable(pool, pool.quotes[0])
        self.assert_near(for_bid, 0.7)
        self.assert_near(for_ask, 2.0)
        self.assertIsNotNone(priced(pool, size=for_bid).hedge_bid)
        self.assertIsNotNone(priced(pool, size=for_ask).hedge_ask)
        self.assertIsNone(priced(pool, size=for_ask * 1.01).hedge_ask)


class ReservationTests(NumberTestCase):
    """What a fill is worth to the whole pool."""

    def test_in_balance_without_costs_references_lie_symmetrically_around_the_mark(self) -> None:
        for size in (0.5, 3.0, 10.0):
            found = priced(plain(), size=size)
            mark = 1000 / 0.004
            for bid, ask in (
                (found.reservation_bid, found.reservation_ask),
                (found.hedge_bid, found.hedge_ask),
            ):
                assert bid is not None and ask is not None
                self.assert_near(mark - bid, ask - mark, 1e-6 * mark)
            assert found.reservation_bid is not None
            self.assertLessEqual(found.reservation_bid, mark * (1 + 1e-9))

    def test_a_pool_that_misses_coins_pays_more_for_them(self) -> None:
        document = deepcopy(PLAIN)
        document["moves"] = []
        full = priced(parse_pool(document))
        document["holdings"][3].update(total=20, available=20)
        short = priced(parse_pool(document))
        assert full.reservation_bid is not None and short.reservation_bid is not None
        self.assertGreater(short.reservation_bid, full.reservation_bid + 1e5)

    def test_there_is_none_where_a_fill_could_not_be_paid(self) -> None:
        pool = plain()
        self.assertIsNone(priced(pool, size=41.0).reservation_bid)
        self.assertIsNone(priced(pool, size=51.0).reservation_ask)
        self.assertIsNotNone(priced(pool, size=39.0).reservation_bid)

    def test_the_quotes_own_fee_is_paid_by_the_pool(self) -> None:
        free, charged = priced(plain()), priced(plain(), fee=Fee(1000.0, 0.01))
        assert free.reservation_bid is not None and charged.reservation_bid is not None
        self.assert_near(charged.reservation_bid, (free.reservation_bid - 1000) / 1.01, 1e-3)

    def test_prices_come_in_the_order_of_the_quotes(self) -> None:
        pool = plain()
        quotes = (pool.quotes[0], Quote("s", "BTC", "USD", 2.0))
        found = quote_prices(evolve(pool, quotes=quotes), solve(pool))
        self.assertEqual([(p.venue, p.size, p.exact) for p in found], [("t", 1.0, True), ("s", 2.0, True)])

    @law
    @given(seeds)
    def test_without_fixed_charges_and_minima_a_larger_size_never_improves_a_price(self, seed: int) -> None:
        document = random_pool(Random(seed), 2)
        for move in document["moves"]:
            move["fee"] = [0, move["fee"][1]]
            move["min"] = 0
        pool = parse_pool(document)
        quote = pool.quotes[0]
        solution = solve(pool)
        mark = pool.marks[quote.base] / pool.marks[quote.quote]
        small = quote_price(pool, solution, quote)
        large = quote_price(pool, solution, evolve(quote, size=3 * quote.size))
        noise = 1e-5 * mark
        pairs = ((small.reservation_bid, large.reservation_bid), (small.hedge_bid, large.hedge_bid))
        for less, more in pairs:
            if less is not None and more is not None:
                self.assertLessEqual(more, less + noise + 1e-6 * abs(less))
        for less, more in ((small.reservation_ask, large.reservation_ask), (small.hedge_ask, large.hedge_ask)):
            if less is not None and more is not None:
                self.assertGreaterEqual(more, less - noise - 1e-6 * abs(less))

    @settings(max_examples=40, deadline=None)
    @given(seeds, st.floats(0.01, 3.0))
    def test_a_taker_who_closes_on_the_source_never_gains(self, seed: int, size: float) -> None:
        rng = Random(seed)
        document = deepcopy(PLAIN)
        bids, asks = book(rng, 1000.0, 50.0, 8)
        fee = [0, rng.choice([0, 0.002])]
        document["moves"][0].update(bids=bids, asks=asks, fee=fee)
        document["quotes"][0]["fee"] = [0, rng.choice([0, 0.002])]
        for holding in document["holdings"]:
            holding["target"] *= rng.uniform(0.3, 2)
        pool = parse_pool(document)
        found = priced(pool, size=size)
        reference_bid = lowest(found.reservation_bid, found.hedge_bid)
        reference_ask = highest(found.reservation_ask, found.hedge_ask)
        rate = 0.004  # the feed's, without a spread
        if reference_bid is not None:  # sells to us, buys the same back on the source
            self.assertLessEqual(reference_bid * rate * size, walk(asks, size) * (1 + 1e-12))
        if reference_ask is not None:  # buys from us, sells on the source
            self.assertGreaterEqual(reference_ask * rate * size, walk(bids, size) * (1 - 1e-12))


def lowest(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else min(a, b)


def highest(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else max(a, b)


def walk(levels: list[list[float]], size: float) -> float:
    """What *size* spends or earns on one side of a book."""
    amount = 0.0
    for price, quantity in levels:
        taken = min(size, quantity)
        amount, size = amount + taken * price, size - taken
    return amount
