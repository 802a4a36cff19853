"""What parameters do, what holdings are worth, and why moves are off."""

from __future__ import annotations

import re
from random import Random
from typing import Any

from attrs import evolve

from benchmarks.optimizer import market
from ilp.pool.curves import lanes
from ilp.pool.document import Pool, parse_pool, pool_document
from ilp.pool.optimizer import solve
from ilp.pool.sensitivity import sensitivities, shadow_prices, why_off
from tests.pool.cases import NumberTestCase
from tests.pool.test_examples import example


class SensitivityTests(NumberTestCase):
    """One step of each parameter."""

    def setUp(self) -> None:
        self.pool, _ = example("readme-2")
        self.solution = solve(self.pool)
        self.found = {each.parameter: each for each in sensitivities(self.pool, self.solution)}

    def test_every_parameter_is_there_once(self) -> None:
        expected = 2 + len(self.pool.holdings) + 2 * len(self.pool.moves)
        self.assertEqual(len(self.found), expected)
        self.assertIn("moves[2].fee[1]", self.found)
        self.assertIn("holdings[3].target", self.found)

    def test_more_aversion_costs_about_its_share_of_the_risk(self) -> None:
        found = self.found["valuation.risk_aversion"]
        self.assert_near(found.value, -0.01 * self.solution.optimized.risk, 1e-3 * self.solution.optimized.risk)

    def test_dearer_moves_that_are_off_change_nothing(self) -> None:
        found = self.found["moves[3].fee[0]"]
        self.assert_near(found.value, 0.0, 1e-6)
        self.assertFalse(found.changed)

    def test_a_dearer_trade_costs_its_turnover(self) -> None:
        found = self.found["moves[0].fee[1]"]
        self.assertLess(found.value, 0.0)
        self.assertGreater(found.after, found.before)

    def test_a_parameter_of_nothing_becomes_something(self) -> None:
        found = self.found["moves[0].fee[0]"]
        self.assertEqual((found.before, found.after), (0.0, 0.01))


NAMES = ("readme-2", "odd-1", "modern-3", "stressed-1", "trade-fixed")


def asked_for(pool: Pool, parameter: str, value: float) -> Pool:
    """The pool with one number of its document replaced, by its path."""
    document: Any = pool_document(pool)
    *way, last = [int(part) if part.isdigit() else part for part in re.findall(r"\w+", parameter)]
    place = document
    for step in way:
        place = place[step]
    place[last] = value
    return parse_pool(document)


class AnewTests(NumberTestCase):
    """Each parameter's figure is that of a pool which had the changed number from the beginning."""

    def test_every_value_is_that_of_the_changed_pool_solved_anew(self) -> None:
        for name in NAMES:
            pool, _ = example(name)
            solution = solve(pool)
            within = 1e-8 * (1 + solution.optimized.magnitude)
            for each in sensitivities(pool, solution):
                anew = solve(asked_for(pool, each.parameter, each.after)).optimized.value
                self.assert_near(each.value, anew - solution.optimized.value, within, f"{name} {each.parameter}")

    def test_what_is_told_as_before_is_in_the_document_and_after_is_one_hundredth_more(self) -> None:
        for name in NAMES:
            pool, _ = example(name)
            for each in sensitivities(pool, solve(pool)):
                self.assertEqual(asked_for(pool, each.parameter, each.before), pool)
                if each.before and not each.parameter.endswith("fee[1]"):
                    self.assert_near(each.after / each.before, 1.01, msg=each.parameter)
                else:
                    self.assertGreater(each.after, each.before, each.parameter)

    def test_a_larger_penalty_aversion_or_fee_never_gains_and_a_penalty_costs_at_most_its_share(self) -> None:
        for name in NAMES:
            pool, _ = example(name)
            solution = solve(pool)
            within = 1e-8 * (1 + solution.optimized.magnitude)
            found = {each.parameter: each.value for each in sensitivities(pool, solution)}
            for parameter, value in found.items():
                if not parameter.endswith("target"):
                    self.assertLessEqual(value, within, f"{name} {parameter}")
            share = 0.01 * solution.optimized.deviation
            self.assertGreaterEqual(found["valuation.deviation_penalty"], -share - within, name)

    def test_more_wanted_of_what_is_missing_costs_and_of_what_is_too_much_gains(self) -> None:
        pool, _ = example("readme-2")
        alone = evolve(pool, moves=(), valuation=evolve(pool.valuation, deviation_penalty=2.0))
        factors = (0.5, 1.0, 2.0, 0.1)
        holdings = tuple(evolve(h, target=h.total / factor) for h, factor in zip(pool.holdings, factors, strict=True))
        alone = evolve(alone, holdings=holdings)
        worth = [alone.marks[h.asset] * h.target for h in holdings]
        found = {each.parameter: each.value for each in sensitivities(alone, solve(alone))}
        slopes = (-3 * 0.75, 0.0, 1.25, -(3 * 0.75 + 10 * 0.25))  # of D in the target: 3T/4, 5T/4 and T/4 move with it
        for index, slope in enumerate(slopes):
            expected = 0.01 * 2.0 * worth[index] * slope
            self.assert_near(found[f"holdings[{index}].target"], expected, 1e-6 * worth[index], str(index))


class ShadowPriceTests(NumberTestCase):
    """One more unit, one less."""

    def test_in_a_pool_without_moves_and_risk_money_is_worth_its_mark(self) -> None:
        pool, _ = example("readme-2")
        valuation = evolve(pool.valuation, risk_aversion=0.0)
        holdings = tuple(evolve(h, target=h.total) for h in pool.holdings)
        pool = evolve(pool, moves=(), valuation=valuation, holdings=holdings)
        for price in shadow_prices(pool, solve(pool)):
            self.assert_near(price.more, price.mark, 1e-6 * price.mark)
            self.assert_near(price.less, price.mark, 1e-6 * price.mark)

    def test_more_is_never_worth_more_than_less_costs_where_nothing_is_fixed(self) -> None:
        pool, _ = example("odd-5")
        for price in shadow_prices(pool, solve(pool)):
            self.assertLessEqual(price.more, price.less + 1e-6 * (1 + abs(price.less)))

    def test_what_is_missing_is_worth_more_than_its_mark(self) -> None:
        pool, _ = example("odd-1")
        prices = shadow_prices(pool, solve(pool))
        self.assertGreater(prices[3].more, 10 * prices[3].mark)


class WhyOffTests(NumberTestCase):
    """Moves that are off."""

    def test_every_direction_that_is_off_has_its_reason(self) -> None:
        for name in ("readme-2", "odd-1", "trade-fixed"):
            pool, _ = example(name)
            solution = solve(pool)
            on = {(m.move, m.direction) for m in solution.optimized.moves}
            found = why_off(pool, solution)
            self.assertEqual({(w.move, w.direction) for w in found} | on, {(x.move, x.direction) for x in lanes(pool)})
            self.assertTrue(all(w.reason for w in found))

    def test_what_is_off_never_gains_more_than_it_costs(self) -> None:
        for name in ("readme-2", "stressed-1", "trade-fixed", "modern-3"):
            pool, _ = example(name)
            for why in why_off(pool, solve(pool)):
                if why.gain is not None and why.cost is not None:
                    self.assertLessEqual(why.gain, why.cost + 1e-6 * (1 + abs(why.cost)), name)

    def test_the_last_digits_of_large_values_are_no_gain(self) -> None:
        for seed in range(1, 7):
            pool = parse_pool(market(Random(seed), 2, 5, False))
            solution = solve(pool)
            for why in why_off(pool, solution):
                if why.gain:
                    self.assertGreater(abs(why.gain), 1e-12 * abs(solution.optimized.value), why.reason)

    def test_what_cannot_be_on_says_why(self) -> None:
        pool, _ = example("trade-fixed")
        broke = (evolve(pool.holdings[0], available=0.0), *pool.holdings[1:])
        pool = evolve(pool, holdings=broke)
        reasons = {(w.move, w.direction): w.reason for w in why_off(pool, solve(pool))}
        self.assertIn("nothing of USD on s is available", reasons[0, "buy"])
