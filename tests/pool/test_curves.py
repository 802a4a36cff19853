"""What each direction of each move costs, uses and allows, by hand."""

from __future__ import annotations

from itertools import pairwise

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from ilp.pool.curves import Curve, Lane, lanes
from ilp.pool.document import Fee, Holding, Move, Payout, Pool, Trade, Transfer, Valuation

HOLDINGS = (
    Holding("s", "USD", 6000.0, 5000.0, 6000.0),
    Holding("s", "BTC", 6.0, 4.0, 6.0),
    Holding("t", "HUF", 1e6, 1e6, 1e6),
    Holding("t", "BTC", 6.0, 6.0, 6.0),
)
POOL = Pool("USD", {"USD": 1.0, "BTC": 250.0, "HUF": 0.004}, HOLDINGS, valuation=Valuation(1.0, 0.0))
TRADE = Trade("s", "BTC", "USD", Fee(10.0, 0.01), ((249.0, 1.0), (248.0, 9.0)), ((251.0, 2.0), (252.0, 30.0)), 0.5)
FIAT = Transfer(("s", "USD"), ("t", "HUF"), Fee(150.0, 0.1), 1500.0, 0.0039, 0.0041)


def lane(move: Move, direction: str, pool: Pool = POOL) -> Lane:
    """One direction of one move in the pool."""
    return next(found for found in lanes(evolve(pool, moves=(move,))) if found.direction == direction)


class CurveTests(SynchronousTestCase):
    """A piecewise-linear function."""

    CURVE = Curve((0.0, 1.0, 3.0), (0.0, 2.0, 8.0))

    def test_it_runs_through_its_breakpoints_and_straight_between(self) -> None:
        self.assertEqual([self.CURVE(u) for u in (0, 0.5, 1, 2, 3)], [0, 1, 2, 5, 8])

    def test_its_inverse_goes_back(self) -> None:
        for u in (0.0, 0.3, 1.0, 2.5, 3.0):
            self.assertAlmostEqual(self.CURVE.inverse(self.CURVE(u)), u)


class TradeTests(SynchronousTestCase):
    """Buying and selling on a book."""

    def test_buying_spends_the_walk_of_the_asks_with_both_charges(self) -> None:
        buy = lane(TRADE, "buy")
        self.assertAlmostEqual(buy.use_of(3.0), (2 * 251 + 252) * 1.01 + 10)
        self.assertAlmostEqual(buy.cost_of(3.0), (2 * 251 + 252) * 1.01 + 10 - 3 * 250)
        self.assertEqual((buy.leaves, buy.arrives), (0, 1))

    def test_selling_costs_marks_less_earnings(self) -> None:
        sell = lane(TRADE, "sell")
        self.assertAlmostEqual(sell.cost_of(2.0), 2 * 250 - ((249 + 248) * 0.99 - 10))
        self.assertEqual(sell.use_of(2.0), 2.0)

    def test_costs_and_uses_along_the_grid_are_those_of_its_amounts(self) -> None:
        for move in (TRADE, evolve(TRADE, min=3.0), evolve(TRADE, min=1.5, fee=Fee(0.0, 0.01)), FIAT):
            for found in lanes(evolve(POOL, moves=(move,))):
                self.assertEqual(found.costs, [found.cost_of(u) for u in found.grid])
                self.assertEqual(found.uses, [found.use_of(u) for u in found.grid])

    def test_levels_beyond_what_is_available_change_nothing(self) -> None:
        enough = evolve(TRADE, bids=((249.0, 1.0), (248.0, 9.0)), asks=((251.0, 2.0), (252.0, 30.0)))
        deep = evolve(enough, bids=(*enough.bids, (247.0, 5.0)), asks=(*enough.asks, (253.0, 5.0)))
        for direction in ("buy", "sell"):
            short, long = lane(enough, direction), lane(deep, direction)
            self.assertEqual((short.grid, short.costs, short.uses), (long.grid, long.costs, long.uses))
            self.assertEqual(long.high, long.grid[-1])

    def test_nothing_costs_nothing(self) -> None:
        self.assertEqual(lane(TRADE, "buy").cost_of(0.0), 0.0)

    def test_buying_goes_as_deep_as_the_money_that_is_available(self) -> None:
        buy = lane(TRADE, "buy")
        self.assertAlmostEqual(buy.use_of(buy.high), 5000.0)

    def test_selling_goes_as_deep_as_the_coins_or_the_book(self) -> None:
        self.assertEqual(lane(TRADE, "sell").high, 4.0)
        self.assertEqual(lane(evolve(TRADE, bids=((249.0, 1.5),)), "sell").high, 1.5)

    def test_an_empty_side_is_no_direction(self) -> None:
        pool = evolve(POOL, moves=(evolve(TRADE, bids=()),))
        self.assertEqual([found.direction for found in lanes(pool)], ["buy"])

    def test_a_sale_earns_its_fixed_charge_at_least(self) -> None:
        sell = lane(evolve(TRADE, fee=Fee(500.0, 0.01), min=0.0), "sell")
        self.assertAlmostEqual(249 * 0.99 + (sell.low - 1) * 248 * 0.99, 500.0)

    def test_a_book_too_thin_for_the_fixed_charge_cannot_be_sold_on(self) -> None:
        sell = lane(evolve(TRADE, fee=Fee(5000.0, 0.0)), "sell")
        self.assertEqual(sell.grid, [])

    def test_no_money_for_the_fixed_charge_means_no_purchase(self) -> None:
        self.assertEqual(lane(evolve(TRADE, fee=Fee(6000.0, 0.0)), "buy").grid, [])

    def test_costs_are_convex(self) -> None:
        for direction in ("buy", "sell"):
            found = lane(TRADE, direction)
            slopes = [found.cost(u + 0.5) - found.cost(u) for u in (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)]
            self.assertTrue(all(left <= right + 1e-12 for left, right in pairwise(slopes)))


class TransferTests(SynchronousTestCase):
    """Moving and converting."""

    COINS = Transfer(("s", "BTC"), ("t", "BTC"), Fee(0.01, 0.1), 0.5)

    def test_the_receiver_bears_the_charge_of_a_transfer(self) -> None:
        out = lane(self.COINS, "out")
        self.assertAlmostEqual(out.cost_of(2.0), (2 - (2 * 0.9 - 0.01)) * 250)
        self.assertEqual(out.use_of(2.0), 2.0)

    def test_out_converts_at_the_ask(self) -> None:
        out = lane(FIAT, "out")
        self.assertAlmostEqual(out.cost_of(2000.0), 2000 - (2000 * 0.9 - 150) / 0.0041 * 0.004)

    def test_back_converts_at_the_bid(self) -> None:
        back = lane(FIAT, "back")
        self.assertAlmostEqual(back.cost_of(500000.0), 500000 * 0.004 - (500000 * 0.0039 * 0.9 - 150))
        self.assertEqual((back.leaves, back.arrives), (2, 0))

    def test_the_minimum_is_turned_at_marks_for_the_way_back(self) -> None:
        self.assertAlmostEqual(lane(FIAT, "back").low, 1500 / 0.004)

    def test_at_least_the_charge_is_sent(self) -> None:
        self.assertAlmostEqual(lane(evolve(FIAT, min=0.0), "out").low, 150 / 0.9)
        self.assertAlmostEqual(lane(evolve(FIAT, min=0.0), "back").low, 150 / (0.0039 * 0.9))

    def test_a_one_way_transfer_has_no_way_back(self) -> None:
        pool = evolve(POOL, moves=(evolve(self.COINS, both_ways=False),))
        self.assertEqual([found.direction for found in lanes(pool)], ["out"])

    def test_what_is_below_the_minimum_cannot_be_sent(self) -> None:
        self.assertEqual(lane(evolve(self.COINS, min=4.5), "out").grid, [])

    def test_nothing_leaves_an_overdrawn_holding(self) -> None:
        holdings = (HOLDINGS[0], evolve(HOLDINGS[1], available=-1.0), *HOLDINGS[2:])
        self.assertEqual(lane(self.COINS, "out", evolve(POOL, holdings=holdings)).high, 0.0)


class PayoutTests(SynchronousTestCase):
    """Money for the operator's bank."""

    PAYOUT = Payout("s", "USD", Fee(150.0, 0.1), 1500.0)

    def test_the_charge_comes_on_top(self) -> None:
        out = lane(self.PAYOUT, "out")
        self.assertAlmostEqual(out.use_of(2000.0), 2000 * 1.1 + 150)
        self.assertAlmostEqual(out.cost_of(2000.0), 2000 * 0.1 + 150)
        self.assertEqual(out.arrives, -1)

    def test_it_takes_what_is_available_at_most(self) -> None:
        out = lane(self.PAYOUT, "out")
        self.assertAlmostEqual(out.use_of(out.high), 5000.0)
