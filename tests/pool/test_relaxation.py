"""The convex problems of single branches."""

from __future__ import annotations

from random import Random

from attrs import evolve

from ilp.pool.bound import Bounds, Branch, Status
from ilp.pool.cells import Cells, Demand
from ilp.pool.curves import lanes
from ilp.pool.document import Pool, parse_pool
from ilp.pool.relaxation import Precision, Relaxation
from ilp.pool.valuation import column
from tests.pool.cases import NumberTestCase
from tests.pool.pools import random_pool
from tests.pool.test_examples import example


class Setting:
    """A pool with everything that a branch needs."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.lanes = list(lanes(pool))
        self.bounds = Bounds(pool, self.lanes)
        self.relaxation = Relaxation(pool, self.lanes, self.bounds)
        self.cells = Cells(pool, self.lanes, self.bounds, self.relaxation)
        self.free = Branch(Status.FREE if lane.grid else Status.OFF for lane in self.lanes)

    def pattern(self, on: set[tuple[int, str]]) -> Branch:
        """A branch with exactly these lanes on."""
        return Branch(Status.ON if (lane.move, lane.direction) in on else Status.OFF for lane in self.lanes)


def setting(seed: int, venues: int = 2) -> Setting:
    """A random one."""
    return Setting(evolve(parse_pool(random_pool(Random(seed), venues)), quotes=()))


class RelaxationTests(NumberTestCase):
    """One program with changing bounds."""

    def test_with_the_optimal_pattern_it_finds_the_optimal_value(self) -> None:
        for name in ("readme-2", "stressed-1", "modern-2", "arbitrage", "trade-fixed", "covariance"):
            pool, expected = example(name)
            here = Setting(pool)
            status = here.pattern({(m["move"], m["direction"]) for m in expected["moves"]})
            flows = here.relaxation.solve(status, Precision.EXACT).flows
            amounts = {
                n: w / lane.worth for n, (w, lane) in enumerate(zip(flows.tolist(), here.lanes, strict=True)) if w
            }
            found = column(pool, here.lanes, amounts)
            self.assert_near(found.value, expected["value"], 1e-9 * (1 + found.magnitude), name)

    def test_the_bound_of_a_pattern_is_its_value(self) -> None:
        for name in ("readme-2", "stressed-1", "modern-3", "odd-3"):
            pool, expected = example(name)
            here = Setting(pool)
            status = here.pattern({(m["move"], m["direction"]) for m in expected["moves"]})
            loss = here.relaxation.solve(status, Precision.EXACT).priced.loss(status)
            cash = sum(pool.marks[h.asset] * h.total for h in pool.holdings)
            self.assert_near(cash - loss, expected["value"], 1e-9 * (1 + abs(cash) + abs(loss)), name)

    def test_branches_are_bounded_at_least_as_high_as_what_they_are_part_of(self) -> None:
        for seed in range(20):
            here = setting(seed)
            whole = here.relaxation.solve(here.free, Precision.EXACT).priced.loss(here.free)
            for number, lane in enumerate(here.lanes):
                if not lane.grid:
                    continue
                off = here.free.changed({})
                off[number] = Status.OFF
                least = here.relaxation.solve(off, Precision.EXACT).priced.loss(off)
                self.assertGreaterEqual(least, whole - 1e-8 * (1 + abs(whole)), f"seed {seed}")

    def test_what_cannot_be_paid_for_together_is_proven_impossible(self) -> None:
        pool, _ = example("readme-2")
        holdings = (evolve(pool.holdings[0], available=2000.0), *pool.holdings[1:])
        here = Setting(evolve(pool, holdings=holdings, quotes=()))  # fiat out and payout need 1500 and more each
        status = here.pattern({(2, "out"), (3, "out")})
        base = column(here.pool, here.lanes, {})
        loss = base.costs + base.risk + base.deviation
        self.assertGreater(here.relaxation.solve(status).priced.loss(status), loss)

    def test_a_pool_without_usable_lanes_is_solved_by_its_base(self) -> None:
        pool, _ = example("readme-2")
        here = Setting(evolve(pool, holdings=tuple(evolve(h, available=0.0) for h in pool.holdings)))
        base = column(here.pool, here.lanes, {})
        found = here.relaxation.solve(here.free)
        self.assertEqual(found.flows.sum(), 0.0)
        self.assert_near(
            found.priced.loss(here.free), base.costs + base.risk + base.deviation, 1e-9 * (1 + base.magnitude)
        )

    def test_long_books_end_up_with_the_levels_that_matter(self) -> None:
        for seed in range(6):
            document = random_pool(Random(seed), 2, levels=150, stress=1.0)
            here = Setting(evolve(parse_pool(document), quotes=()))
            found = here.relaxation.solve(here.free, Precision.EXACT)
            again = here.relaxation.solve(here.free, Precision.EXACT)
            near = 1e-9 * (1 + abs(found.priced.loss(here.free)))
            self.assert_near(found.priced.loss(here.free), again.priced.loss(here.free), near)


class CellsTests(NumberTestCase):
    """The walk gives the same bounds."""

    def test_it_bounds_every_branch_as_the_one_program_does(self) -> None:
        for seed in range(25):
            here = setting(seed, 2 + seed % 3)
            branches = [here.free]
            for number, lane in enumerate(here.lanes):
                if lane.grid:
                    for state in (Status.ON, Status.OFF):
                        branch = here.free.changed({})
                        for other in here.bounds.groups[lane.move] if state is Status.ON else ():
                            branch[other] = Status.OFF
                        branch[number] = state
                        branches.append(branch)
            for branch in branches[:12]:
                one = here.relaxation.solve(branch, Precision.EXACT).priced.loss(branch)
                walked = here.cells.solve(branch, None, float("inf")).priced.loss(branch)
                self.assertLessEqual(walked, one + 1e-8 * (1 + abs(one)), f"seed {seed}")
                self.assertGreaterEqual(walked, one - 1e-5 * (1 + abs(one)), f"seed {seed}")

    def test_it_may_start_anywhere(self) -> None:
        for seed in range(10):
            here = setting(seed, 3)
            first = here.cells.solve(here.free, None, float("inf"))
            again = here.cells.solve(here.free, first.flows, float("inf"))
            full = here.cells.solve(here.free, here.relaxation.flows.sum(axis=0) * 0 + 1e9, float("inf"))
            for other in (again, full):
                loss = first.priced.loss(here.free)
                self.assert_near(other.priced.loss(here.free), loss, 1e-5 * (1 + abs(loss)), f"seed {seed}")

    def test_it_stops_when_the_bound_is_enough(self) -> None:
        here = setting(3, 3)
        stopped = here.cells.solve(here.free, None, float("-inf"))
        self.assertTrue(stopped.solved)

    def test_a_demand_raises_the_bound_by_what_being_on_costs_and_no_more_than_its_need(self) -> None:
        raised = 0
        for seed in range(25):
            here = setting(seed, 4)
            before = here.cells.solve(here.free, None, float("inf"))
            loss = before.priced.loss(here.free)
            charged = tuple(n for n, lane in enumerate(here.lanes) if lane.grid and lane.fixed > 0)[:6]
            if len(charged) < 2:
                continue
            branch = Branch(here.free, (charged,))
            for need in (0.5, 50.0):
                asked = here.cells.solve(branch, before.flows, float("inf"), [Demand(0, charged, need, charged)])
                more = asked.priced.loss(branch) - loss
                near = 1e-6 * (1 + abs(loss))
                self.assertGreaterEqual(more, -near, f"seed {seed}")
                self.assertLessEqual(more, need + near, f"seed {seed}")
                raised += more > near
        self.assertGreater(raised, 5)
