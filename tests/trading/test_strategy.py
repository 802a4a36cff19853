"""What the liquidity pool wants of a view."""

from __future__ import annotations

from decimal import Decimal

from attrs import evolve
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Market, Side
from ilp.settings import Cost
from ilp.trading import strategy
from ilp.trading.sides import Sides
from ilp.trading.strategy import LiquidityPool, Need, Optimum, edges, planned_trade, traded_back, transfers
from ilp.trading.view import View
from tests.trading.test_view import RULES, sample, stock
from tests.trading.world import PARAMETERS

D = Decimal
POOL = LiquidityPool()
HUF_RULES: Market = {**RULES, "contract": "BTC/HUF", "quote": "HUF", "min_quantity": D("0.01"), "min_notional": D(0)}
CASH: Market = {**RULES, "kind": "cash", "base": None, "quote": None, "lot_size": D("0.01"), "min_quantity": D(0)}
WITH_RULES = {
    ("source", "BTC/USD"): RULES,
    ("target", "BTC/HUF"): HUF_RULES,
    ("target", "BTC"): CASH,
    ("target", "HUF"): CASH,
}


def moved(view: View, mid: str) -> View:
    """The same view with the source's book elsewhere."""
    price = D(mid)
    book = Sides(((price - D("0.1"), D("1.5")),), ((price + D("0.1"), D("2.0")),))
    return evolve(view, marks={**view.marks, "BTC": price}, books={**view.books, "source": book})


class OptimumTests(SynchronousTestCase):
    def test_the_sample_sells_three_bitcoin_at_once(self) -> None:
        optimum = POOL.optimise(
            sample(books={"source": Sides(((D("249.9"), D(50)),), ((D("250.1"), D(50)),))}, rules=WITH_RULES)
        )
        trade = planned_trade(optimum)
        assert trade is not None
        self.assertEqual((trade.side, trade.quantity, trade.price), (Side.SELL, D("3.00"), D("249.9")))
        self.assertEqual(traded_back(optimum), D("-3.00000000"))

    def test_the_limit_is_the_deepest_level_that_the_plan_counts_on(self) -> None:
        book = Sides(((D("249.9"), D(1)), (D("249.5"), D(1)), (D("249.1"), D(50))), ((D("250.1"), D(50)),))
        trade = planned_trade(POOL.optimise(sample(books={"source": book}, rules=WITH_RULES)))
        assert trade is not None
        self.assertTrue(D(2) < trade.quantity <= D(3))
        self.assertEqual(trade.price, D("249.1"))

    def test_a_plan_that_gains_too_little_is_empty(self) -> None:
        view = sample(parameters=evolve(PARAMETERS, min_gain=D(10**6)), rules=WITH_RULES)
        optimum = POOL.optimise(view)
        self.assertEqual((planned_trade(optimum), transfers(optimum), traded_back(optimum)), (None, (), D(0)))
        self.assertIn("less than min_gain", optimum.rounded.withheld)

    def test_what_a_hedge_has_to_know_is_known_without_what_only_quotes_and_plans_need(self) -> None:
        made: list[str] = []
        content = evolve(PARAMETERS, risk_aversion=D(0), deviation_penalty=D(0))
        for view in (sample(rules=WITH_RULES), sample(parameters=content, rules=WITH_RULES)):
            whole = POOL.optimise(view)
            rounding, pricing = (
                (lambda whole=whole: made.append("rounded") or whole.rounded),
                lambda: made.append("pricing"),
            )
            lazy = Optimum(view, whole.pool, whole.solution, rounding, pricing, 1.0, 0.001, 1.0)
            self.assertEqual(traded_back(lazy), traded_back(whole))
        self.assertEqual(made, ["rounded"])  # the plan of the first trades, and what it trades has to be worth it

    def test_a_coin_transfer_arrives_less_its_charge(self) -> None:
        stocks = (*sample().stocks[:3], stock("target", "BTC", "1"))
        (transfer,) = transfers(POOL.optimise(sample(stocks=stocks, rules=WITH_RULES)))
        self.assertEqual(
            (transfer.asset, transfer.from_venue, transfer.to_venue, transfer.to_asset),
            ("BTC", "source", "target", "BTC"),
        )
        self.assertEqual(transfer.expected, transfer.amount - D("0.0001"))
        self.assertEqual(transfer.fee, D("0.0001"))

    def test_a_conversion_is_expected_at_the_side_of_the_rate_that_it_pays(self) -> None:
        poor = (*sample().stocks[:2], stock("target", "HUF", "0"), stock("target", "BTC", "6"))
        out = [move for move in transfers(POOL.optimise(sample(stocks=poor, rules=WITH_RULES))) if move.asset == "USD"]
        (move,) = out
        self.assertEqual(move.lane, ("USD", "source", "target"))
        self.assertEqual(move.fee, move.amount * D("0.1") + 150)
        self.assertAlmostEqual(move.expected, (move.amount - move.fee) / D("0.00371"), 4)
        rich = (
            stock("source", "USD", "0"),
            *sample().stocks[1:2],
            stock("target", "HUF", "4000000"),
            stock("target", "BTC", "6"),
        )
        (back,) = [
            move for move in transfers(POOL.optimise(sample(stocks=rich, rules=WITH_RULES))) if move.asset == "HUF"
        ]
        self.assertEqual(back.lane, ("HUF", "target", "source"))
        self.assertAlmostEqual(back.expected, (back.amount * D("0.9")) * D("0.00369") - 150, 4)

    def test_a_payout_leaves_with_its_charge_on_top(self) -> None:
        stocks = (stock("source", "USD", "90000"), *sample().stocks[1:])
        (payout,) = [
            move
            for move in transfers(POOL.optimise(sample(stocks=stocks, rules=WITH_RULES, payouts=True)))
            if not move.to_venue
        ]
        self.assertEqual(payout.expected + payout.fee, payout.amount)
        self.assertAlmostEqual(payout.fee, payout.expected * D("0.1") + 150, 6)

    def test_a_payout_is_a_whole_number_of_the_venues_withdrawal_steps(self) -> None:
        stocks = (stock("source", "USD", "90000.123"), *sample().stocks[1:])
        rules = {**WITH_RULES, ("source", "USD"): CASH}
        (payout,) = [
            move
            for move in transfers(POOL.optimise(sample(stocks=stocks, rules=rules, payouts=True)))
            if not move.to_venue
        ]
        self.assertEqual(payout.amount % CASH["lot_size"], 0)
        self.assertAlmostEqual(payout.fee, payout.expected * D("0.1") + 150, 6)


class ReferenceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.view = sample(rules=WITH_RULES)
        self.optimum = POOL.optimise(self.view)

    def test_a_reference_is_never_better_than_the_hedge(self) -> None:
        bid, ask = POOL.references(self.view, self.optimum)
        assert bid.price is not None and bid.hedge is not None and ask.price is not None and ask.hedge is not None
        self.assertLessEqual(bid.price, bid.hedge)
        self.assertGreaterEqual(ask.price, ask.hedge)
        self.assertEqual(bid.price, min(bid.reservation or D(0), bid.hedge))

    def test_the_hedge_follows_the_book_without_an_optimisation(self) -> None:
        before = POOL.references(self.view, self.optimum)[0].hedge
        after = POOL.references(moved(self.view, "249"), self.optimum)[0].hedge
        assert before is not None and after is not None
        self.assertAlmostEqual(after / before, D("248.9") / D("249.9"), 9)

    @given(
        st.decimals("-0.25", "0.25", places=3),
        st.tuples(
            st.integers(500, 12_000), st.integers(50, 1200), st.integers(10**5, 33 * 10**5), st.integers(50, 1200)
        ),
        st.sampled_from(("0.5", "5", "50")),
        st.sampled_from(("0", "0.0001", "0.01", "0.1")),
    )
    @example(D("-0.188"), (2290, 306, 1_935_560, 438), "5", "0.1")  # the mark moves 0.08 %, the reservation ask 13 %
    @example(D("0.147"), (7974, 790, 1_432_515, 511), "5", "0.01")
    @hypothesis_settings(max_examples=60, deadline=None)
    def test_a_price_that_serves_is_off_by_a_quarter_of_the_slack_at_most(
        self, shift: Decimal, held: tuple[int, int, int, int], penalty: str, aversion: str
    ) -> None:
        """Whatever the inventory: the cached reservation against the one that the optimizer finds for the same view."""
        view = self._holding(held, penalty, aversion)
        optimum = POOL.optimise(view)
        POOL.references(view, optimum)
        after = moved(view, str(D(250) + shift))
        if POOL.needs(after, optimum) is not Need.NOTHING:
            return  # nothing is placed at such a price
        cached = POOL.references(after, optimum)
        slack = (PARAMETERS.edge_to_enter - PARAMETERS.edge_to_leave) / after.marks["HUF"]
        for near, exact in zip(cached, POOL.references(after, POOL.optimise(after)), strict=True):
            if near.reservation is not None and exact.reservation is not None:
                self.assertLessEqual(abs(near.reservation - exact.reservation), slack / 4 + D("0.01"))

    def _holding(self, held: tuple[int, int, int, int], penalty: str, aversion: str) -> View:
        stocks = (
            stock("source", "USD", str(held[0])),
            stock("source", "BTC", str(D(held[1]) / 100)),
            stock("target", "HUF", str(held[2])),
            stock("target", "BTC", str(D(held[3]) / 100)),
        )
        changed = evolve(PARAMETERS, deviation_penalty=D(penalty), risk_aversion=D(aversion))
        return sample(stocks=stocks, rules=WITH_RULES, parameters=changed)

    def test_where_a_reservation_moves_faster_than_the_mark_a_new_optimum_is_needed_sooner(self) -> None:
        view = self._holding((2290, 306, 1_935_560, 438), "5", "0.1")
        optimum = POOL.optimise(view)
        after = moved(view, "249.9")
        self.assertIs(POOL.needs(after, optimum), Need.NOTHING)  # nobody has asked for a price yet
        POOL.references(view, optimum)
        self.assertIs(POOL.needs(after, optimum), Need.MARK)

    def test_a_reference_waits_for_no_solver(self) -> None:
        POOL.references(self.view, self.optimum)
        known = self.optimum.answers
        POOL.references(moved(self.view, "250.19"), self.optimum)
        self.assertEqual(self.optimum.answers, known)
        self.assertIs(POOL.needs(moved(self.view, "250.19"), self.optimum), Need.NOTHING)
        self.assertGreater(self.optimum.answers, known)

    def test_beyond_reach_a_new_optimum_is_needed(self) -> None:
        self.assertIs(POOL.needs(moved(self.view, "250.3"), self.optimum), Need.MARK)
        self.assertIs(POOL.needs(self.view, self.optimum), Need.NOTHING)

    def test_what_prices_come_from_is_needed_at_once(self) -> None:
        others = (
            evolve(self.view, stocks=(*self.view.stocks[:3], stock("target", "BTC", "5"))),
            evolve(self.view, parameters=evolve(PARAMETERS, risk_aversion=D(1))),
            evolve(self.view, exposure=D("0.1")),
            evolve(self.view, covariance=((250.0, 1e-4), (1e-4, 1e-9))),
            evolve(self.view, rate=None),
        )
        self.assertEqual([POOL.needs(other, self.optimum) for other in others], [Need.PRICES] * len(others))

    def test_what_an_own_order_holds_or_a_lane_that_is_blocked_changes_plans_and_no_price(self) -> None:
        held = (*self.view.stocks[:3], evolve(self.view.stocks[3], free=D(1)))
        lane = frozenset({("BTC", "source", "target")})
        for other in (evolve(self.view, stocks=held), evolve(self.view, blocked=lane)):
            self.assertIs(POOL.needs(other, self.optimum), Need.PLAN)
            cached, anew = POOL.references(other, self.optimum), POOL.references(other, POOL.optimise(other))
            self.assertEqual([one.price for one in cached], [one.price for one in anew])

    def test_reach_shrinks_with_the_slack_between_the_edges(self) -> None:
        tight = sample(parameters=evolve(PARAMETERS, edge_to_enter=D("1.1")), rules=WITH_RULES)
        self.assertIs(POOL.needs(moved(tight, "250.1"), POOL.optimise(tight)), Need.MARK)

    def test_a_price_that_the_budget_does_not_prove_is_none(self) -> None:
        self.patch(strategy, "BUDGET", 1)
        view = self._holding((2290, 306, 1_935_560, 438), "50", "0.1")
        optimum = POOL.optimise(view)
        unproven = [one for one in POOL.references(view, optimum) if optimum.unproven(float(one.size))]
        self.assertTrue(unproven)
        for one in unproven:
            self.assertEqual((one.price, one.reservation), (None, None))
            self.assertIn("budget of 1 branches proves no price", one.reason)

    def test_the_fixed_part_of_the_targets_fee_has_to_be_paid_too(self) -> None:
        few = (*self.view.stocks[:2], stock("target", "HUF", "7000"), self.view.stocks[3])
        view = evolve(self.view, stocks=few, parameters=evolve(PARAMETERS, target_fee=Cost(D(7000), D(0))))
        bid, _ = POOL.references(view, POOL.optimise(view))
        self.assertEqual((bid.price, bid.size), (None, D(0)))
        self.assertIn("can pay for 0 BTC", bid.reason)

    def test_levels_are_read_as_deep_as_a_quote_needs(self) -> None:
        thin = tuple((D("249.9") - D(n) / 100, D("0.001")) for n in range(200))
        view = evolve(self.view, books={"source": Sides(thin, self.view.books["source"].asks)})
        bid, _ = POOL.references(view, POOL.optimise(view))
        self.assertEqual(bid.size, PARAMETERS.quote_size)

    def test_a_size_that_cannot_be_hedged_is_cut_in_tenths(self) -> None:
        thin = Sides(((D("249.9"), D("0.037")),), ((D("250.1"), D("0.064")),))
        view = evolve(self.view, books={"source": thin})
        bid, ask = POOL.references(view, POOL.optimise(view))
        self.assertEqual((bid.size, ask.size), (D("0.03"), D("0.06")))

    def test_a_size_below_the_minimum_is_no_size_and_says_what_is_missing(self) -> None:
        thin = Sides(((D("249.9"), D("0.004")),), ((D("250.1"), D(5)),))
        view = evolve(self.view, books={"source": thin})
        bid, ask = POOL.references(view, POOL.optimise(view))
        self.assertEqual((bid.price, bid.size), (None, D(0)))
        self.assertEqual(bid.reason, "depth and base on source hedge 0.004 BTC, needed 0.01")
        self.assertIsNotNone(ask.price)

    def test_an_empty_holding_on_the_target_leaves_its_side_without_a_quote(self) -> None:
        view = evolve(self.view, stocks=(*self.view.stocks[:3], stock("target", "BTC", "0")))
        bid, ask = POOL.references(view, POOL.optimise(view))
        self.assertEqual((ask.price, ask.reason), (None, "target can pay for 0 BTC, needed 0.01"))
        self.assertIsNotNone(bid.price)

    def test_skew_lets_the_inventory_pull_beyond_the_hedge(self) -> None:
        few = (*self.view.stocks[:3], stock("target", "BTC", "2"))
        plain = evolve(self.view, stocks=few)
        skewed = evolve(plain, parameters=evolve(PARAMETERS, max_skew=D(2)))
        bids = [POOL.references(view, POOL.optimise(view))[0] for view in (plain, skewed)]
        assert bids[0].price is not None and bids[1].price is not None
        self.assertAlmostEqual(bids[1].price - bids[0].price, D(2) / D("0.0037"), 3)

    def test_edges_are_turned_into_the_targets_currency(self) -> None:
        found = edges(self.view)
        self.assertEqual((found.enter, found.leave, found.drop), tuple(D(n) / D("0.0037") for n in (2, 1, 3)))

    def test_everything_wanted_comes_from_one_view(self) -> None:
        wanted = POOL.wanted(self.view)
        self.assertEqual(wanted.references, POOL.references(self.view, wanted.optimum))
        self.assertEqual(wanted.trade, planned_trade(wanted.optimum))
        self.assertEqual(wanted.transfers, transfers(wanted.optimum))
