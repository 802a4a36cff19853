"""The Lagrangian bound: whatever the duals, no plan is better."""

from __future__ import annotations

from math import inf
from random import Random

import numpy as np
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from ilp.pool.bound import Bounds, Duals, Priced, Status
from ilp.pool.curves import Lane, lanes
from ilp.pool.document import Pool, parse_pool
from ilp.pool.feasible import feasible
from ilp.pool.optimizer import solve
from ilp.pool.valuation import column
from tests.pool.cases import NumberTestCase
from tests.pool.pools import random_pool

seeds = st.integers(0, 10**6)


def some_duals(rng: Random, pool: Pool) -> Duals:
    """Duals out of the air, some of them out of bounds."""
    penalty = pool.valuation.deviation_penalty
    slopes = [rng.uniform(-16, 6) * penalty for _ in pool.holdings]
    rents = [rng.choice([0.0, rng.random() * penalty * pool.marks[h.asset]]) for h in pool.holdings]
    totals = [rng.uniform(-1, 3) * sum(h.total for h in pool.holdings if h.asset == a) for a in pool.valuation.assets]
    return Duals(np.array(slopes), np.array(rents), np.array(totals))


def some_plan(rng: Random, pool: Pool, all_lanes: list[Lane]) -> dict[int, float]:
    """A feasible plan out of the air."""
    amounts = {n: lane.high * rng.random() for n, lane in enumerate(all_lanes) if lane.grid and rng.random() < 0.4}
    return feasible(pool, all_lanes, amounts)


class AnyDualsTests(NumberTestCase):
    """Bounds from duals that nothing is known about."""

    @settings(max_examples=60, deadline=None)
    @given(seeds, st.integers(2, 3))
    def test_no_plan_loses_less_than_any_duals_say(self, seed: int, venues: int) -> None:
        rng = Random(seed)
        pool = evolve(parse_pool(random_pool(rng, venues)), quotes=())
        all_lanes = list(lanes(pool))
        bounds = Bounds(pool, all_lanes)
        plans = [column(pool, all_lanes, some_plan(rng, pool, all_lanes)) for _ in range(8)]
        plans.append(solve(pool).optimized)
        for _ in range(5):
            everything = [Status.FREE if lane.grid else Status.OFF for lane in all_lanes]
            least = bounds.price(some_duals(rng, pool)).loss(everything)
            for plan in plans:
                loss = plan.costs + plan.risk + plan.deviation
                self.assertLessEqual(least, loss + 1e-9 * (1 + plan.magnitude + abs(least)))

    @settings(max_examples=40, deadline=None)
    @given(seeds)
    def test_a_branch_bounds_its_own_plans(self, seed: int) -> None:
        rng = Random(seed)
        pool = evolve(parse_pool(random_pool(rng)), quotes=())
        all_lanes = list(lanes(pool))
        bounds = Bounds(pool, all_lanes)
        plan = some_plan(rng, pool, all_lanes)
        status = [Status.ON if n in plan else Status.OFF for n in range(len(all_lanes))]
        found = column(pool, all_lanes, plan)
        least = bounds.price(some_duals(rng, pool)).loss(status)
        self.assertLessEqual(
            least, found.costs + found.risk + found.deviation + 1e-9 * (1 + found.magnitude + abs(least))
        )

    @settings(max_examples=40, deadline=None)
    @given(seeds)
    def test_the_first_duals_are_priced_like_later_ones(self, seed: int) -> None:
        rng = Random(seed)
        pool = evolve(parse_pool(random_pool(rng)), quotes=())
        first, later = Bounds(pool, lanes(pool)), Bounds(pool, lanes(pool))
        self.assertEqual(len(later.tabulate()), sum(len(lane.grid) for lane in lanes(pool)) + 1)
        for _ in range(2):
            duals = some_duals(rng, pool)
            one, other = first.price(duals), later.price(duals)
            self.assertEqual(
                (len(one.reduced), len(other.reduced)), (0, len(later.tabulate()) + 4 * len(pool.holdings))
            )
            self.assert_the_same(one, other)

    @settings(max_examples=40, deadline=None)
    @given(seeds)
    def test_duals_with_one_slope_changed_are_priced_like_any_others(self, seed: int) -> None:
        rng = Random(seed)
        pool = evolve(parse_pool(random_pool(rng)), quotes=())
        bounds, duals = Bounds(pool, lanes(pool)), some_duals(rng, pool)
        place, change = rng.randrange(len(pool.holdings)), rng.uniform(-8, 8) * pool.valuation.deviation_penalty
        changed, priced = bounds.moved(bounds.price(duals), duals, place, change)
        self.assertEqual(changed.slopes[place], duals.slopes[place] + change)
        self.assert_the_same(priced, bounds.price(changed))

    def assert_the_same(self, one: Priced, other: Priced) -> None:
        """But for what rounding does to the terms."""
        usable = [least for least in one.best if least < inf]
        near = 1e-12 * (1 + abs(one.constant) + sum(map(abs, usable)))
        self.assertEqual([least == inf for least in one.best], [least == inf for least in other.best])
        for here, there in zip([one.constant, *one.best], [other.constant, *other.best], strict=True):
            self.assertTrue(here == there or abs(here - there) <= near, (here, there))

    @settings(max_examples=40, deadline=None)
    @given(seeds)
    def test_a_branch_is_never_bounded_less_than_the_whole(self, seed: int) -> None:
        rng = Random(seed)
        pool = evolve(parse_pool(random_pool(rng)), quotes=())
        all_lanes = list(lanes(pool))
        bounds = Bounds(pool, all_lanes)
        priced = bounds.price(some_duals(rng, pool))
        whole = [Status.FREE if lane.grid else Status.OFF for lane in all_lanes]
        for number, lane in enumerate(all_lanes):
            if lane.grid:
                on, off = list(whole), list(whole)
                for other in bounds.groups[lane.move]:
                    on[other] = Status.OFF
                on[number], off[number] = Status.ON, Status.OFF
                noise = 1e-9 * (1 + abs(priced.loss(whole)))
                self.assertGreaterEqual(min(priced.loss(on), priced.loss(off)), priced.loss(whole) - noise)

    @settings(max_examples=60, deadline=None)
    @given(seeds)
    def test_credits_of_sets_bound_the_plans_that_have_some_of_each_on(self, seed: int) -> None:
        rng = Random(seed)
        pool = evolve(parse_pool(random_pool(rng, 3)), quotes=())
        all_lanes = list(lanes(pool))
        bounds = Bounds(pool, all_lanes)
        plan = some_plan(rng, pool, all_lanes)
        if not plan:
            return
        others = range(len(all_lanes))
        sets = tuple(tuple({rng.choice(list(plan)), *rng.sample(others, 3)}) for _ in range(3))
        found = column(pool, all_lanes, plan)
        usual = 1 + found.costs + found.risk + found.deviation
        duals = evolve(some_duals(rng, pool), credits=tuple(rng.choice([0.0, rng.random() * usual]) for _ in sets))
        everything = [Status.FREE if lane.grid else Status.OFF for lane in all_lanes]
        least = bounds.price(duals, sets).loss(everything)
        self.assertLessEqual(
            least, found.costs + found.risk + found.deviation + 1e-9 * (1 + found.magnitude + abs(least) + 3 * usual)
        )
