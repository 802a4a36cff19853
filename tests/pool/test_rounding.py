"""The third column: what a venue can execute."""

from __future__ import annotations

from decimal import Decimal as D
from random import Random

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from ilp.pool.curves import lanes
from ilp.pool.document import Pool, parse_pool
from ilp.pool.optimizer import Solution, solve
from ilp.pool.rounding import Step, rounded, to_step
from ilp.pool.valuation import PlannedMove
from tests.pool.pools import random_pool
from tests.pool.test_examples import example

Steps = dict[tuple[int, str], Step]


def steps_of(pool: Pool, lot: str, minimum: str = "0") -> Steps:
    """The same step for every direction of every move."""
    return {(lane.move, lane.direction): Step(D(lot), D(minimum)) for lane in lanes(pool)}


def solved(name: str) -> tuple[Pool, Solution]:
    """An example and its optimum."""
    pool, _ = example(name)
    return pool, solve(pool)


class StepTests(SynchronousTestCase):
    """One amount."""

    def test_amounts_are_rounded_toward_zero(self) -> None:
        self.assertEqual(to_step(1.2399, Step(D("0.01"))), D("1.23"))

    def test_float_noise_is_not_mistaken_for_less(self) -> None:
        self.assertEqual(to_step(4.9999999999999, Step(D("0.01"))), D("5.00"))
        self.assertEqual(to_step(0.1 + 0.2, Step(D("0.1"))), D("0.3"))

    def test_below_the_minimum_an_amount_is_nothing(self) -> None:
        self.assertEqual(to_step(0.049, Step(D("0.001"), D("0.05"))), D(0))

    def test_just_the_minimum_is_something(self) -> None:
        self.assertEqual(to_step(0.05, Step(D("0.001"), D("0.05"))), D("0.05"))

    def test_a_venue_without_lots_takes_any_amount(self) -> None:
        self.assertEqual(to_step(1.25, Step(D(0))), D("1.25"))

    def test_lots_need_not_be_powers_of_ten(self) -> None:
        self.assertEqual(to_step(17.0, Step(D("2.5"))), D("15.0"))


class RoundedTests(SynchronousTestCase):
    """Whole plans."""

    def test_amounts_are_decimals_on_the_lots(self) -> None:
        pool, solution = solved("readme-2")
        column = rounded(pool, solution, steps_of(pool, "0.0001"), D(1))
        amounts = [(m.move, m.direction, m.amount) for m in column.moves]
        self.assertEqual(amounts, [(0, "sell", D("3.4922")), (1, "back", D("1.3874"))])
        self.assertEqual(column.withheld, "")

    def test_it_is_valued_again(self) -> None:
        pool, solution = solved("readme-2")
        column = rounded(pool, solution, steps_of(pool, "0.0001"), D(1)).column
        self.assertLess(column.value, solution.optimized.value)
        self.assertGreater(column.value, solution.base.value + 1)

    def test_rounding_that_costs_more_than_the_plan_gains_leaves_nothing(self) -> None:
        pool, solution = solved("readme-2")  # a hundredth of a coin beyond a bend costs 139
        column = rounded(pool, solution, steps_of(pool, "0.01"), D(1))
        self.assertEqual(column.moves, ())
        self.assertIn("gains", column.withheld)

    def test_a_plan_that_gains_less_than_min_gain_is_empty_and_says_why(self) -> None:
        pool, solution = solved("readme-2")
        column = rounded(pool, solution, steps_of(pool, "0.01"), D(1000))
        self.assertEqual((column.moves, column.column), ((), solution.base))
        self.assertIn("min_gain", column.withheld)

    def test_an_empty_optimum_stays_empty_without_a_reason(self) -> None:
        pool, solution = solved("modern-1")
        column = rounded(pool, solution, {}, D(1))
        self.assertEqual((column.moves, column.withheld), ((), ""))

    def test_a_move_below_its_own_minimum_once_rounded_is_dropped(self) -> None:
        pool, solution = solved("modern-2")  # sends back the minimum of 5 coins
        column = rounded(pool, solution, steps_of(pool, "3"), D(1))
        self.assertNotIn((1, "back"), [(m.move, m.direction) for m in column.moves])
        self.assertIn((1, "back"), [(m.move, m.direction) for m in column.dropped])

    def test_a_minimum_that_is_met_exactly_is_kept(self) -> None:
        pool, solution = solved("modern-2")
        column = rounded(pool, solution, steps_of(pool, "0.01"), D(1))
        self.assertIn((1, "back", D("5.00")), [(m.move, m.direction, m.amount) for m in column.moves])

    def test_when_every_move_falls_below_a_minimum_nothing_is_left_and_it_says_so(self) -> None:
        pool, solution = solved("readme-2")
        column = rounded(pool, solution, steps_of(pool, "0.01", "1000"), D(1))
        self.assertEqual((column.moves, column.column), ((), solution.base))
        self.assertIn("minimum", column.withheld)
        self.assertEqual(len(column.dropped), 2)

    def test_what_is_left_of_a_plan_after_a_move_is_dropped_is_executed(self) -> None:
        pool, solution = solved("readme-2")
        steps = {**steps_of(pool, "0.0001"), (1, "back"): Step(D("0.0001"), D(1000))}
        column = rounded(pool, solution, steps, D(-(10**9)))
        self.assertEqual([(m.move, m.amount) for m in column.moves], [(0, D("3.4922"))])
        self.assertEqual(([m.move for m in column.dropped], column.withheld), ([1], ""))

    def test_a_plan_that_gains_just_min_gain_is_worth_doing(self) -> None:
        pool, solution = solved("readme-2")
        steps = steps_of(pool, "0.0001")
        gain = rounded(pool, solution, steps, D(1)).column.value - solution.base.value
        self.assertEqual(len(rounded(pool, solution, steps, gain).moves), 2)

    def nearly(self, room: float, **more: float) -> tuple[Pool, Solution]:
        """A plan that sells 0.4, where no more than *room*, a trifle less, is available; quotes apart."""
        pool, solution = solved("hedge-available")
        holdings = (pool.holdings[0], evolve(pool.holdings[1], available=room), *pool.holdings[2:])
        moves = (evolve(pool.moves[0], **more), *pool.moves[1:])
        solution = self.planned(solution, PlannedMove(0, "sell", 0.4), PlannedMove(1, "sell", 0.1))
        return evolve(pool, holdings=holdings, moves=moves, quotes=()), solution

    def sold(self, pool: Pool, solution: Solution, lot: str = "0.1", minimum: str = "0") -> list[D]:
        column = rounded(pool, solution, steps_of(pool, lot, minimum), D(-(10**9)))
        return [m.amount for m in column.moves if m.move == 0]

    def test_where_undoing_float_noise_would_overspend_a_holding_a_lot_is_taken_off(self) -> None:
        room = 0.4 - 1e-12
        self.assertEqual(self.sold(*self.nearly(room)), [D("0.3")])

    def test_what_floats_cannot_tell_from_all_there_is_may_be_spent(self) -> None:
        self.assertEqual(self.sold(*self.nearly(0.4 - 1e-16)), [D("0.4")])

    def test_a_trifle_is_taken_off_where_a_venue_has_no_lots(self) -> None:
        (amount,) = self.sold(*self.nearly(0.4 - 1e-11), lot="0")
        self.assertEqual(amount, D("0.4") - D("4e-10"))

    def test_a_move_that_a_lot_less_makes_too_small_for_the_venue_is_dropped(self) -> None:
        self.assertEqual(self.sold(*self.nearly(0.4 - 1e-12), minimum="0.35"), [])
        self.assertEqual(self.sold(*self.nearly(0.4 - 1e-12), minimum="0.3"), [D("0.3")])

    def test_a_move_that_a_lot_less_makes_nothing_is_dropped(self) -> None:
        self.assertEqual(self.sold(*self.nearly(0.4 - 1e-12), lot="0.4"), [])

    def test_a_move_that_a_lot_less_takes_below_its_own_minimum_is_dropped(self) -> None:
        pool, solution = self.nearly(0.4 - 1e-12, min=0.35)
        self.assertEqual(self.sold(pool, solution), [])

    def planned(self, solution: Solution, *moves: PlannedMove) -> Solution:
        return evolve(solution, optimized=evolve(solution.optimized, moves=moves))

    def test_taking_off_changes_no_move_that_leaves_another_holding(self) -> None:
        pool, solution = self.nearly(0.4 - 1e-12)
        solution = self.planned(solution, PlannedMove(1, "sell", 0.1), PlannedMove(0, "sell", 0.4))
        moves = rounded(pool, solution, steps_of(pool, "0.01"), D(-(10**9))).moves
        self.assertEqual([(m.move, m.amount) for m in moves], [(0, D("0.39")), (1, D("0.10"))])

    def test_where_one_move_is_too_small_to_make_up_for_it_the_next_one_gives_too(self) -> None:
        pool, solution = self.nearly(0.4 - 1e-11)
        solution = self.planned(solution, PlannedMove(4, "out", 0.002), PlannedMove(0, "sell", 0.398))
        moves = rounded(pool, solution, steps_of(pool, "0"), D(-(10**9))).moves
        amounts = [(m.move, m.amount) for m in moves]
        self.assertEqual(amounts, [(0, D("0.398") - D("3.98e-10")), (4, D("0.002") - D("2e-12"))])

    def test_no_more_is_taken_off_than_it_needs(self) -> None:
        pool, solution = self.nearly(0.4 - 1e-12)
        solution = self.planned(solution, PlannedMove(0, "sell", 0.2), PlannedMove(4, "out", 0.2))
        moves = rounded(pool, solution, steps_of(pool, "0.01"), D(-(10**9))).moves
        self.assertEqual([(m.move, m.amount) for m in moves], [(0, D("0.19")), (4, D("0.20"))])

    def test_steps_may_be_plain_pairs(self) -> None:
        pool, solution = solved("readme-2")
        pairs = {key: (step.lot, step.minimum) for key, step in steps_of(pool, "0.0001").items()}
        self.assertEqual(rounded(pool, solution, pairs), rounded(pool, solution, steps_of(pool, "0.0001")))

    def test_directions_without_a_step_go_to_eight_decimals(self) -> None:
        pool, solution = solved("readme-2")
        for move in rounded(pool, solution, {}, D(1)).moves:
            self.assertEqual(move.amount, move.amount.quantize(D("0.00000001")))

    def test_random_plans_are_feasible_and_never_more_than_the_optimum(self) -> None:
        for seed in range(60):
            pool = parse_pool(random_pool(Random(seed), 2 + seed % 3, stress=1.0))
            pool = evolve(pool, quotes=())
            solution = solve(pool)
            column = rounded(pool, solution, steps_of(pool, "0.001"), D(1))
            planned = {(m.move, m.direction): m.amount for m in solution.optimized.moves}
            used = [0.0] * len(pool.holdings)
            index = {(lane.move, lane.direction): lane for lane in lanes(pool)}
            for move in column.moves:
                lane, amount = index[move.move, move.direction], float(move.amount)
                self.assertLessEqual(amount, planned[move.move, move.direction] * (1 + 1e-10))
                self.assertGreaterEqual(amount, lane.low * (1 - 1e-9))
                used[lane.leaves] += lane.use_of(amount)
            for holding, spent in zip(pool.holdings, used, strict=True):
                self.assertLessEqual(spent, max(0.0, holding.available) * (1 + 1e-9))
            gain = column.column.value - solution.base.value
            self.assertTrue(gain >= 1 if column.moves else gain == 0, f"seed {seed}")
