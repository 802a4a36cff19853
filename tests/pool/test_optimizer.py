"""Laws that every optimum keeps, whatever the pool."""

from __future__ import annotations

from copy import deepcopy
from random import Random
from typing import Any

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.optimizer import market
from ilp.pool import optimizer
from ilp.pool.answer import answer_document
from ilp.pool.curves import lanes
from ilp.pool.document import Fee, Holding, Pool, PoolError, Trade, Valuation, parse_pool
from ilp.pool.optimizer import Solution, solve, solve_with
from ilp.pool.prices import quote_prices
from tests.pool.cases import NumberTestCase
from tests.pool.pools import absurd, odd_pool, random_pool
from tests.pool.test_examples import example

law = settings(max_examples=25, deadline=None)
seeds = st.integers(0, 10**6)


def pool_of(seed: int, venues: int = 2) -> Pool:
    """A random pool without quotes (they would only ask for more accuracy)."""
    return evolve(parse_pool(random_pool(Random(seed), venues)), quotes=())


def near(solution: Solution, share: float = 1e-8) -> float:
    """What counts as the same value."""
    return share * (1 + solution.optimized.magnitude + solution.base.magnitude)


class FeasibilityTests(NumberTestCase):
    """What a plan must satisfy."""

    def check(self, pool: Pool) -> None:
        solution = solve(pool)
        index = {(lane.move, lane.direction): lane for lane in lanes(pool)}
        moves = solution.optimized.moves
        self.assertEqual(len({m.move for m in moves}), len(moves))
        used = [0.0] * len(pool.holdings)
        for planned in moves:
            lane = index[planned.move, planned.direction]
            self.assertGreater(planned.amount, 0)
            self.assertGreaterEqual(planned.amount, lane.low)
            self.assertLessEqual(planned.amount, lane.high)
            used[lane.leaves] += lane.use_of(planned.amount)
        for holding, spent in zip(pool.holdings, used, strict=True):
            room = max(0.0, holding.available)
            self.assertLessEqual(spent, room + 1e-9 * (1 + room))
        self.assertGreaterEqual(solution.optimized.value, solution.base.value)
        self.assertGreaterEqual(solution.bound, solution.optimized.value)

    @law
    @given(seeds, st.integers(2, 4))
    def test_plans_of_random_pools_are_feasible_and_not_worse_than_nothing(self, seed: int, venues: int) -> None:
        self.check(parse_pool(random_pool(Random(seed), venues)))

    @settings(max_examples=80, deadline=None)
    @given(seeds)
    def test_plans_of_odd_pools_are_feasible_and_not_worse_than_nothing(self, seed: int) -> None:
        self.check(parse_pool(odd_pool(Random(seed))))

    def test_absurd_numbers_neither_raise_nor_turn_the_order_of_values_round(self) -> None:
        solved = 0
        for seed in range(150):
            rng = Random(seed)
            document = absurd(random_pool(rng, 2, 3), rng) | {"numeraire": "USD"}
            document["marks"]["USD"] = 1
            try:
                pool = parse_pool(document)
            except PoolError:
                continue
            solution = solve(pool)
            quote_prices(pool, solution)
            self.assertGreaterEqual(solution.optimized.value, solution.base.value)
            self.assertGreaterEqual(solution.bound, solution.optimized.value)
            solved += 1
        self.assertGreater(solved, 50)

    def test_levels_too_small_for_floats_are_no_trouble(self) -> None:
        pool = pool_of(1)
        thin = Trade("v0", "BTC", "USD", Fee(1.0, 0.0), ((5e4, 1e9), (1.0, 1e-30)), ((6e4, 1e9), (7e4, 1e-30)))
        self.assertGreaterEqual(solve(evolve(pool, moves=(thin,))).gain, 0.0)

    def test_a_pool_without_moves_does_nothing(self) -> None:
        pool = evolve(pool_of(1), moves=())
        solution = solve(pool)
        self.assertEqual((solution.optimized, solution.bound), (solution.base, solution.base.value))

    def test_a_pool_without_holdings_is_worth_nothing(self) -> None:
        pool = Pool("USD", {"USD": 1.0}, (), (), Valuation(1.0, 1.0))
        self.assertEqual(solve(pool).bound, 0.0)

    def test_an_overdrawn_holding_is_told_and_spends_nothing(self) -> None:
        pool = pool_of(3)
        holdings = (evolve(pool.holdings[0], available=-10.0), *pool.holdings[1:])
        solution = solve(evolve(pool, holdings=holdings))
        self.assertEqual(solution.overdrawn, (0,))
        index = {(lane.move, lane.direction): lane for lane in lanes(pool)}
        self.assertNotIn(0, [index[m.move, m.direction].leaves for m in solution.optimized.moves])


class BudgetTests(NumberTestCase):
    """A search is bounded by branches."""

    def test_the_same_pool_and_budget_give_the_same_answer(self) -> None:
        for seed in range(10):
            pool = pool_of(seed, 4)
            first, second = (answer_document(pool, solve(pool, 7)) for _ in range(2))
            self.assertEqual(first, second)

    def test_a_budget_that_is_used_up_is_told_and_the_bound_stays_honest(self) -> None:
        told = 0
        for seed in range(30):
            pool = pool_of(seed, 3)
            full = solve(pool)
            for budget in (1, 3):
                cut = solve(pool, budget)
                self.assertLessEqual(cut.branches, budget)
                self.assertGreaterEqual(cut.bound, full.optimized.value - near(full))
                self.assertLessEqual(cut.optimized.value, full.optimized.value + near(full))
                told += cut.exhausted
                if not cut.exhausted:
                    self.assert_near(cut.optimized.value, full.optimized.value, near(full))
        self.assertGreater(told, 5)

    def test_gaps_are_closed_within_the_default_budget(self) -> None:
        for seed in range(40):
            pool = pool_of(seed, 2 + seed % 4)
            solution = solve(pool)
            self.assertFalse(solution.exhausted, f"seed {seed}")
            gap = solution.bound - solution.optimized.value
            self.assertLessEqual(gap, 1e-9 * (1 + solution.optimized.magnitude), f"seed {seed}")

    def test_a_hint_changes_nothing_but_the_work(self) -> None:
        for seed in range(20):
            pool, other = pool_of(seed, 3), pool_of(seed + 1, 3)
            plain = solve(pool)
            known = {(lane.move, lane.direction) for lane in lanes(pool)}
            foreign = tuple(m for m in solve(other).optimized.moves if (m.move, m.direction) in known)
            for hint in (plain.optimized.moves, foreign):
                self.assert_near(solve(pool, hint=hint).optimized.value, plain.optimized.value, near(plain))


class LawTests(NumberTestCase):
    """How the optimal value changes with the pool."""

    @law
    @given(seeds, st.integers(2, 3))
    def test_a_dearer_move_never_raises_the_value(self, seed: int, venues: int) -> None:
        pool = pool_of(seed, venues)
        before = solve(pool)
        for index, move in enumerate(pool.moves):
            fee = Fee(move.fee.fixed * 1.5 + 1e-6, move.fee.proportional * 0.9 + 0.1)
            dearer = evolve(pool, moves=(*pool.moves[:index], evolve(move, fee=fee), *pool.moves[index + 1 :]))
            self.assertLessEqual(solve(dearer).optimized.value, before.optimized.value + near(before))

    @law
    @given(seeds, st.integers(2, 3))
    def test_more_moves_never_lower_the_value(self, seed: int, venues: int) -> None:
        pool = pool_of(seed, venues)
        whole = solve(pool)
        for index in range(len(pool.moves)):
            fewer = evolve(pool, moves=(*pool.moves[:index], *pool.moves[index + 1 :]))
            self.assertLessEqual(solve(fewer).optimized.value, whole.optimized.value + near(whole))

    @law
    @given(seeds)
    def test_minima_never_raise_the_value(self, seed: int) -> None:
        pool = pool_of(seed, 3)
        free = solve(evolve(pool, moves=tuple(evolve(move, min=0.0) for move in pool.moves)))
        self.assertLessEqual(solve(pool).optimized.value, free.optimized.value + near(free))

    @law
    @given(seeds, st.sampled_from([1e-3, 0.5, 7.0, 1e4]))
    def test_another_unit_of_the_numeraire_scales_the_value(self, seed: int, factor: float) -> None:
        document = random_pool(Random(seed), 2)
        before = solve(evolve(parse_pool(document), quotes=()))
        after = solve(evolve(parse_pool(in_units(document, factor)), quotes=()))
        self.assert_near(after.optimized.value / factor, before.optimized.value, near(before))

    @law
    @given(seeds, st.randoms(use_true_random=False))
    def test_the_order_of_venues_and_moves_does_not_matter(self, seed: int, rng: Random) -> None:
        document = random_pool(Random(seed), 3)
        before = solve(evolve(parse_pool(document), quotes=()))
        shuffled = deepcopy(document)
        rng.shuffle(shuffled["holdings"])
        rng.shuffle(shuffled["moves"])
        after = solve(evolve(parse_pool(shuffled), quotes=()))
        self.assert_near(after.optimized.value, before.optimized.value, near(before))

    @law
    @given(seeds, st.floats(0, 1e6), st.floats(0, 1e6))
    def test_a_venue_without_moves_adds_its_cash_and_deviation(self, seed: int, total: float, target: float) -> None:
        pool = pool_of(seed)
        still = tuple(tuple(0.0 for _ in row) for row in pool.valuation.covariance)
        pool = evolve(pool, valuation=evolve(pool.valuation, covariance=still))
        before = solve(pool)
        lonely = Holding("island", "USD", total, total, target)
        after = solve(evolve(pool, holdings=(*pool.holdings, lonely)))
        alone = solve(Pool("USD", {"USD": 1.0}, (lonely,), (), evolve(pool.valuation, assets=(), covariance=())))
        self.assert_near(after.optimized.value, before.optimized.value + alone.optimized.value, near(after))

    def test_zero_balances_and_zero_targets_are_no_trouble(self) -> None:
        for seed in range(10):
            pool = pool_of(seed, 3)
            nothing = tuple(evolve(h, total=0.0, available=0.0) for h in pool.holdings)
            untargeted = tuple(evolve(h, target=0.0) for h in pool.holdings)
            self.assertEqual(solve(evolve(pool, holdings=nothing)).optimized.moves, ())
            solution = solve(evolve(pool, holdings=untargeted))
            self.assertFalse(solution.exhausted)


def in_units(document: dict[str, Any], factor: float) -> dict[str, Any]:
    """The same pool with the numeraire counted in units of 1/factor."""
    result = deepcopy(document)
    for asset in result["marks"]:
        if asset != "USD":
            result["marks"][asset] *= factor
    for holding in result["holdings"]:
        if holding["asset"] == "USD":
            for key in ("total", "available", "target"):
                holding[key] *= factor
    for move in result["moves"]:
        in_usd = "USD" in (move.get("quote"), move.get("asset"), move.get("from", [0, 0])[1])
        if in_usd and "fee" in move:
            move["fee"] = [move["fee"][0] * factor, move["fee"][1]]
        if move["kind"] != "trade" and in_usd and "min" in move:
            move["min"] *= factor
        if move["kind"] == "trade" and move["quote"] == "USD":
            for side in ("bids", "asks"):
                move[side] = [[price * factor, size] for price, size in move[side]]
        for key in ("bid", "ask"):
            if key in move:
                move[key] *= factor
    valuation = result["valuation"]
    valuation["risk_aversion"] /= factor
    valuation["variance"] = {asset: value * factor**2 for asset, value in valuation["variance"].items()}
    return result


class RequiredTests(NumberTestCase):
    """The best plan with a given direction on."""

    def test_it_is_on_and_never_better_than_the_optimum(self) -> None:
        for seed in range(15):
            pool = pool_of(seed)
            best = solve(pool)
            for lane in lanes(pool):
                found = solve_with(pool, lane.move, lane.direction)
                if found is not None:
                    moves = [(m.move, m.direction) for m in found.optimized.moves]
                    self.assertIn((lane.move, lane.direction), moves)
                    self.assertLessEqual(found.optimized.value, best.optimized.value + near(best))

    def test_what_is_on_in_the_optimum_is_worth_the_optimum(self) -> None:
        pool, _ = example("readme-2")
        best = solve(pool)
        for move in best.optimized.moves:
            found = solve_with(pool, move.move, move.direction)
            assert found is not None
            self.assert_near(found.optimized.value, best.optimized.value, 1e-6)

    def test_what_cannot_be_on_has_no_plan(self) -> None:
        pool = pool_of(1)
        self.assertIsNone(solve_with(evolve(pool, moves=()), 0, "buy"))


class MethodTests(NumberTestCase):
    """The two ways to solve a convex problem, and long books."""

    def test_the_walk_over_cells_and_the_one_program_agree(self) -> None:
        for seed in range(25):
            pool = pool_of(seed, 2 + seed % 3)
            self.patch(optimizer, "_FEW_LANES", 0)
            walked = solve(pool)
            self.patch(optimizer, "_FEW_LANES", 10**6)
            whole = solve(pool)
            self.assert_near(walked.optimized.value, whole.optimized.value, near(whole), f"seed {seed}")

    def test_looking_for_what_has_to_be_on_changes_nothing_but_the_work(self) -> None:
        for seed in range(8):
            pool = evolve(parse_pool(random_pool(Random(seed), 5, 5, 1.0)), quotes=())
            self.patch(optimizer, "_MANY_LANES", 10**6)
            plain = solve(pool)
            self.patch(optimizer, "_MANY_LANES", 0)
            thorough = solve(pool)
            self.assertFalse(thorough.exhausted, f"seed {seed}")
            self.assert_near(thorough.optimized.value, plain.optimized.value, near(plain), f"seed {seed}")

    def test_venues_that_could_all_supply_each_other_are_proven_within_few_branches(self) -> None:
        for seed in (1000003, 1000008, 1000018):
            pool = parse_pool(market(Random(seed), 8, 20, True))
            self.patch(optimizer, "_MANY_LANES", 40)
            self.assertFalse(solve(pool, 60).exhausted, f"seed {seed}")
        self.patch(optimizer, "_MANY_LANES", 10**6)
        self.assertTrue(solve(pool, 60).exhausted)

    def test_what_has_to_be_on_may_be_asked_of_pools_of_any_size(self) -> None:
        self.patch(optimizer, "_MANY_LANES", 0)
        for seed in range(12):
            pool = pool_of(seed, 2 + seed % 2)
            solution = solve(pool)
            self.assertFalse(solution.exhausted, f"seed {seed}")

    def test_splitting_levels_changes_nothing(self) -> None:
        for seed in range(8):
            pool = pool_of(seed)
            moves = tuple(
                evolve(move, bids=cut(move.bids), asks=cut(move.asks)) if isinstance(move, Trade) else move
                for move in pool.moves
            )
            before = solve(pool)
            self.assert_near(solve(evolve(pool, moves=moves)).optimized.value, before.optimized.value, near(before))

    def test_books_of_two_hundred_levels_are_solved_to_the_end(self) -> None:
        for seed in range(6):
            pool = evolve(parse_pool(random_pool(Random(seed), 2, levels=200, stress=1.0)), quotes=())
            self.assertFalse(solve(pool).exhausted)


def cut(levels: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    """Every level in twenty of the same price."""
    return tuple((price, size / 20) for price, size in levels for _ in range(20))


class ShapeTests(NumberTestCase):
    """The answer's document."""

    def test_it_lists_every_holding_and_leaves_out_what_is_off(self) -> None:
        pool, _ = example("readme-2")
        answer = answer_document(pool, solve(pool))
        self.assertEqual([h["venue"] for h in answer["optimized"]["holdings"]], [h.venue for h in pool.holdings])
        self.assertEqual([m["move"] for m in answer["optimized"]["moves"]], [0, 1])
        for key in ("base", "optimized", "quotes", "solve_ms"):
            self.assertIn(key, answer)

    def test_value_is_cash_less_its_terms_and_cash_is_the_same_in_all_columns(self) -> None:
        for seed in range(10):
            pool = pool_of(seed, 3)
            answer = answer_document(pool, solve(pool))
            for name in ("base", "optimized"):
                terms = answer[name]
                self.assert_near(
                    terms["value"], terms["cash"] - terms["costs"] - terms["risk"] - terms["deviation"], 1e-6
                )
            self.assertEqual(answer["base"]["cash"], answer["optimized"]["cash"])
            self.assertEqual(answer["base"]["costs"], 0.0)
