"""Where quotes belong: references, bands, prices, sizes and what to do about a resting quote."""

from __future__ import annotations

from decimal import Decimal as D

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ilp.pool.quoting import (
    Band,
    Cancel,
    Edges,
    Keep,
    Market,
    Nothing,
    Place,
    Replace,
    Resting,
    Side,
    Want,
    band,
    decide_quote,
    placement,
    quotable_size,
    reference_ask,
    reference_bid,
    to_tick,
)

EDGES = Edges(D(5), D(3), D(7))
MARKET = Market(D("0.5"))


def want(reference: str, size: str = "0.1") -> Want:
    """A quote that should rest."""
    return Want(D(reference), D(size), EDGES)


def prices() -> st.SearchStrategy[D]:
    return st.decimals(min_value=D(100), max_value=D(100000), places=4)


class EdgesTests(SynchronousTestCase):
    """Distances from the reference."""

    def test_the_edge_to_drop_mirrors_the_edge_to_leave_by_default(self) -> None:
        self.assertEqual(Edges.of(D(5), D(3)), Edges(D(5), D(3), D(7)))

    def test_they_are_turned_into_the_quote_currency(self) -> None:
        self.assertEqual(Edges.of(D(5), D(3), D(8), D("0.5")), Edges(D(10), D(6), D(16)))

    def test_their_order_is_enforced(self) -> None:
        for enter, leave, drop in (("3", "3", "7"), ("5", "3", "5"), ("2", "3", "7")):
            with self.assertRaises(ValueError):
                Edges(D(enter), D(leave), D(drop))


class ReferenceTests(SynchronousTestCase):
    """Reservation and hedge price together."""

    def test_the_bid_is_the_lower_of_reservation_and_hedge(self) -> None:
        self.assertEqual(reference_bid(D(100), D(99)), D(99))
        self.assertEqual(reference_bid(D(98), D(99)), D(98))

    def test_the_ask_is_the_higher_of_reservation_and_hedge(self) -> None:
        self.assertEqual(reference_ask(D(100), D(101)), D(101))
        self.assertEqual(reference_ask(D(102), D(101)), D(102))

    def test_skew_lets_the_reservation_price_pass_the_hedge_price_that_far(self) -> None:
        self.assertEqual(reference_bid(D(105), D(99), D(2)), D(101))
        self.assertEqual(reference_ask(D(95), D(101), D(2)), D(99))

    def test_without_either_price_there_is_no_reference(self) -> None:
        self.assertIsNone(reference_bid(None, D(1)))
        self.assertIsNone(reference_bid(D(1), None))
        self.assertIsNone(reference_ask(None, D(1)))
        self.assertIsNone(reference_ask(D(1), None))


class SizeTests(SynchronousTestCase):
    """What may rest."""

    def test_a_quote_is_cut_to_what_can_be_hedged_on_the_lot(self) -> None:
        self.assertEqual(quotable_size(D(1), D("0.678"), D("0.01")), D("0.67"))
        self.assertEqual(quotable_size(D("0.5"), D(9), D("0.01")), D("0.5"))

    def test_below_the_minimum_nothing_is_quoted(self) -> None:
        self.assertEqual(quotable_size(D(1), D("0.04"), D("0.01"), D("0.05")), D(0))
        self.assertEqual(quotable_size(D(1), D(0), D("0.01")), D(0))

    def test_just_the_minimum_is_quoted(self) -> None:
        self.assertEqual(quotable_size(D(1), D("0.05"), D("0.01"), D("0.05")), D("0.05"))


class PlacementTests(SynchronousTestCase):
    """Prices of new quotes."""

    def test_a_bid_is_rounded_down_and_an_ask_up(self) -> None:
        self.assertEqual(placement(Side.BID, D("100.3"), EDGES, MARKET), D("95.0"))
        self.assertEqual(placement(Side.ASK, D("100.3"), EDGES, MARKET), D("105.5"))

    def test_a_price_on_the_tick_stays(self) -> None:
        self.assertEqual(to_tick(D("95.5"), D("0.5"), Side.BID), D("95.5"))
        self.assertEqual(to_tick(D("95.5"), D("0.5"), Side.ASK), D("95.5"))

    def test_a_quote_stays_a_tick_behind_the_others_on_the_far_side(self) -> None:
        self.assertEqual(placement(Side.BID, D(100), EDGES, Market(D("0.5"), D(94))), D("93.5"))
        self.assertEqual(placement(Side.ASK, D(100), EDGES, Market(D("0.5"), D(106))), D("106.5"))

    def test_a_quote_stays_a_tick_off_the_own_quote_on_the_far_side(self) -> None:
        self.assertEqual(placement(Side.BID, D(100), EDGES, Market(D("0.5"), None, D(92))), D("91.5"))
        self.assertEqual(placement(Side.ASK, D(100), EDGES, Market(D("0.5"), None, D(108))), D("108.5"))


class DecisionTests(SynchronousTestCase):
    """What to do about one side."""

    def decide(self, price: str | None, reference: str | None, size: str = "0.1", rests: str = "0.1") -> object:
        resting = None if price is None else Resting(D(price), D(rests))
        wanted = Want(None if reference is None else D(reference), D(size), EDGES, "" if reference else "no hedge")
        return decide_quote(Side.BID, resting, wanted, MARKET)

    def test_a_quote_is_placed_where_none_rests(self) -> None:
        decision = self.decide(None, "100")
        assert isinstance(decision, Place)
        self.assertEqual((decision.price, decision.size), (D(95), D("0.1")))

    def test_nothing_is_done_without_a_reference_and_the_reason_is_told(self) -> None:
        self.assertEqual(self.decide(None, None), Nothing("no hedge"))

    def test_a_quote_without_a_reference_is_cancelled(self) -> None:
        self.assertEqual(self.decide("95", None), Cancel("no hedge"))

    def test_a_quote_for_which_there_is_no_size_is_cancelled(self) -> None:
        self.assertEqual(self.decide("95", "100", size="0"), Cancel("no size"))

    def test_a_quote_at_either_end_of_its_band_stays(self) -> None:
        self.assertEqual(band(Side.BID, D(100), EDGES, D("0.5")), Band(D("92.5"), D(97)))
        self.assertEqual(self.decide("97", "100"), Keep())
        self.assertEqual(self.decide("92.5", "100"), Keep())

    def test_a_bid_above_its_band_is_cancelled_at_once_with_its_numbers(self) -> None:
        decision = self.decide("97.5", "100")
        assert isinstance(decision, Cancel)
        self.assertIn("97.5", decision.reason)
        self.assertIn("97", decision.reason)

    def test_a_bid_below_its_band_is_replaced_by_a_better_one(self) -> None:
        decision = self.decide("92", "100")
        assert isinstance(decision, Replace)
        self.assertEqual(decision.price, D(95))

    def test_a_bid_below_its_band_that_cannot_be_better_stays(self) -> None:
        market = Market(D("0.5"), D("92.5"))
        self.assertEqual(decide_quote(Side.BID, Resting(D(92), D("0.1")), want("100"), market), Keep())

    def test_a_partly_filled_quote_is_topped_up_at_its_price(self) -> None:
        decision = self.decide("94", "100", rests="0.04")
        assert isinstance(decision, Replace)
        self.assertEqual((decision.price, decision.size), (D(94), D("0.1")))

    def test_a_quote_larger_than_wanted_is_cut(self) -> None:
        decision = self.decide("94", "100", size="0.05")
        assert isinstance(decision, Replace)
        self.assertEqual(decision.size, D("0.05"))

    def test_a_bid_below_its_band_is_replaced_by_one_that_is_a_tick_better(self) -> None:
        market = Market(D("0.5"), D(93))
        decision = decide_quote(Side.BID, Resting(D(92), D("0.1")), want("100"), market)
        assert isinstance(decision, Replace)
        self.assertEqual(decision.price, D("92.5"))

    def test_a_price_below_one_is_quoted_like_any_other(self) -> None:
        edges = Edges(D("0.0002"), D("0.0001"), D("0.0003"))
        decision = decide_quote(Side.BID, None, Want(D("0.0037"), D(1), edges), Market(D("0.0001")))
        assert isinstance(decision, Place)
        self.assertEqual(decision.price, D("0.0035"))

    def test_a_bid_of_nothing_is_not_placed(self) -> None:
        self.assertIsInstance(self.decide(None, "5"), Nothing)

    def test_a_missing_reference_is_a_reason_of_its_own(self) -> None:
        wanted = Want(None, D(1), EDGES)
        self.assertEqual(decide_quote(Side.BID, None, wanted, MARKET), Nothing("no reference price"))

    def test_a_bid_that_would_not_be_positive_is_not_placed(self) -> None:
        self.assertIsInstance(self.decide(None, "4"), Nothing)

    def test_asks_mirror_bids(self) -> None:
        for price, expected in (("103", Keep), ("107.5", Keep), ("102.5", Cancel), ("108", Replace)):
            decision = decide_quote(Side.ASK, Resting(D(price), D("0.1")), want("100"), MARKET)
            self.assertIsInstance(decision, expected, price)

    @settings(max_examples=60, deadline=None)
    @given(prices(), st.sampled_from(list(Side)), st.sampled_from([D("0.01"), D("0.5"), D(3)]))
    def test_a_quote_just_placed_is_inside_its_band(self, reference: D, side: Side, tick: D) -> None:
        price = placement(side, reference, EDGES, Market(tick))
        allowed = band(side, reference, EDGES, tick)
        self.assertTrue(allowed.low <= price <= allowed.high)

    @settings(max_examples=60, deadline=None)
    @given(
        prices(),
        st.sampled_from(list(Side)),
        st.sampled_from([D("0.01"), D("0.5"), D(3)]),
        st.decimals(min_value=D("-1.9999"), max_value=D("1.9999"), places=4),
    )
    def test_a_small_move_of_the_reference_never_replaces_a_quote(
        self, reference: D, side: Side, tick: D, move: D
    ) -> None:
        wanted = Want(reference, D(1), EDGES)
        placed = decide_quote(side, None, wanted, Market(tick))
        assert isinstance(placed, Place)
        moved = Want(reference + move, D(1), EDGES)
        self.assertEqual(decide_quote(side, Resting(placed.price, D(1)), moved, Market(tick)), Keep())

    @settings(max_examples=60, deadline=None)
    @given(prices(), prices(), prices(), prices(), st.sampled_from([D("0.01"), D("0.5")]))
    def test_own_quotes_never_touch_and_never_cross_the_book(
        self, bid: D, ask: D, best_bid: D, best_ask: D, tick: D
    ) -> None:
        own_bid = placement(Side.BID, bid, EDGES, Market(tick, best_ask))
        own_ask = placement(Side.ASK, ask, EDGES, Market(tick, best_bid, own_bid))
        self.assertLess(own_bid, best_ask)
        self.assertGreater(own_ask, best_bid)
        self.assertGreaterEqual(own_ask - own_bid, tick)
