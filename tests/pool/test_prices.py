"""Reservation and hedge prices."""

from __future__ import annotations

from copy import deepcopy
from decimal import Decimal
from itertools import accumulate
from random import Random
from typing import Any

from attrs import evolve
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ilp.pool.document import Fee, Pool, Quote, Trade, Transfer, parse_pool
from ilp.pool.optimizer import solve
from ilp.pool.prices import QuotePrices, hedge_prices, hedgeable, quote_price, quote_prices
from ilp.pool.quoting import reference_ask, reference_bid
from tests.pool.cases import NumberTestCase
from tests.pool.pools import correlated, random_pool

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

    @settings(max_examples=60, deadline=None)
    @given(
        st.floats(1e-3, 1e6),
        st.lists(st.tuples(st.floats(1e-5, 1e-2), st.floats(0.1, 20.0)), min_size=1, max_size=5),
        st.floats(0.0, 50.0),
        st.floats(0.1, 45.0),
    )
    def test_in_balance_without_costs_references_lie_symmetrically_around_the_mark(
        self, price: float, steps: list[tuple[float, float]], penalty: float, size: float
    ) -> None:
        document = deepcopy(PLAIN)
        document["marks"]["BTC"] = price
        for holding in document["holdings"]:  # coins and money of one worth at each venue, and of both what is wanted
            amount = 50 * price / document["marks"][holding["asset"]]
            holding.update(total=amount, available=amount, target=amount)
        away = list(accumulate(step for step, _ in steps))
        for side, sign in (("bids", -1), ("asks", 1)):
            rows = [[price * (1 + sign * far), deep] for far, (_, deep) in zip(away, steps, strict=True)]
            document["moves"][0][side] = rows
        document["valuation"]["deviation_penalty"] = penalty
        document["quotes"][0]["size"] = size
        found, mark = priced(parse_pool(document)), price / 0.004
        self.assertEqual(found.hedge_bid is None, size > sum(deep for _, deep in steps) * (1 + 1e-12))
        self.assertEqual(found.hedge_bid is None, found.hedge_ask is None)
        if found.hedge_bid is not None and found.hedge_ask is not None:
            self.assert_near(mark - found.hedge_bid, found.hedge_ask - mark, 1e-9 * mark)
        ask = found.reservation_ask
        assert ask is not None
        self.assertGreaterEqual(ask, mark * (1 - 1e-6))
        if found.reservation_bid is None:  # the distance is more than the mark: it would not be positive
            self.assertGreaterEqual(ask, 2 * mark * (1 - 1e-6))
        else:
            self.assert_near(mark - found.reservation_bid, ask - mark, 1e-6 * mark)

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

    @settings(max_examples=150, deadline=None)
    @given(seeds, st.sampled_from((2, 3)), st.floats(-2.0, 2.0))
    def test_a_taker_who_closes_on_the_source_never_gains(self, seed: int, venues: int, power: float) -> None:
        """Where there are several other books whose prices differ, never more than by trading on them without us."""
        rng = Random(seed)
        document = random_pool(rng, venues, stress=rng.choice([0.0, 0.5]))
        if rng.random() < 0.5:
            document = correlated(rng, document)
        spreads = {asset: rng.choice([0, 1e-3, 2e-2]) for asset in document["marks"]}
        for move in document["moves"]:
            if "bid" in move:
                asset = move["to"][1]
                move["bid"] = document["marks"][asset] * (1 - spreads[asset])
                move["ask"] = document["marks"][asset] * (1 + spreads[asset])
        for quote in document["quotes"]:
            quote["size"] *= 10**power
            quote["fee"][0] = rng.choice([0, 1 / document["marks"][quote["quote"]]])
        pool = parse_pool(document)
        compared = 0
        for found in quote_prices(pool, solve(pool)):
            taker = Taker(document, found)
            bid = reference_bid(exact(found.reservation_bid), exact(found.hedge_bid))
            ask = reference_ask(exact(found.reservation_ask), exact(found.hedge_ask))
            for book in taker.books:
                if bid is not None and (spent := walk(book["asks"], found.size)) is not None:
                    got = float(bid) * found.size * taker.turned(found.quote, book["quote"])
                    self.assertLessEqual(got, max(spent, taker.sold(book["quote"])) * (1 + 1e-9))
                    compared += 1
                if ask is not None and (got := walk(book["bids"], found.size)) is not None:
                    got *= taker.turned(book["quote"], found.quote)
                    least = min(got, taker.bought(found.quote))
                    self.assertGreaterEqual(float(ask) * found.size, least * (1 - 1e-9))
                    compared += 1
        assume(compared)


class Taker:
    """Somebody without fees, who closes what he trades with us on other books and turns money at the feed's prices.

    :ivar books: the trades of a document on which he can close.
    """

    def __init__(self, document: dict[str, Any], found: QuotePrices) -> None:
        self.size, trades = found.size, [move for move in document["moves"] if move["kind"] == "trade"]
        self.books = [t for t in trades if (t["venue"], t["quote"]) != (found.venue, found.quote)]
        self.feed = dict.fromkeys(document["marks"], (1.0, 1.0))
        self.feed |= {move["to"][1]: (move["bid"], move["ask"]) for move in document["moves"] if "bid" in move}

    def turned(self, asset: str, other: str) -> float:
        """What a unit of one currency gives of another one."""
        return 1.0 if asset == other else self.feed[asset][0] / self.feed[other][1]

    def sold(self, currency: str) -> float:
        """The most that the size brings in *currency* on these books."""
        found = ((walk(book["bids"], self.size), book["quote"]) for book in self.books)
        return max((got * self.turned(each, currency) for got, each in found if got is not None), default=0.0)

    def bought(self, currency: str) -> float:
        """The least of *currency* that the size costs on these books."""
        found = ((walk(book["asks"], self.size), book["quote"]) for book in self.books)
        return min((s / self.turned(currency, each) for s, each in found if s is not None), default=float("inf"))


def exact(price: float | None) -> Decimal | None:
    return None if price is None else Decimal(price)


def walk(levels: list[list[float]], size: float) -> float | None:
    """What *size* spends or earns on one side of a book; None where that is not so deep."""
    amount, left = 0.0, size
    for price, quantity in levels:
        taken = min(left, quantity)
        amount, left = amount + taken * price, left - taken
    return amount if left <= 1e-12 * size else None
