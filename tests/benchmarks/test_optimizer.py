"""The benchmark of the optimizer: its pools, its table, and that other methods are given the same problem."""

from __future__ import annotations

from pathlib import Path
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from benchmarks import general_solvers
from benchmarks.optimizer import HEAD, Row, chart, market, measure, pools, resident_mb
from ilp.pool.document import parse_pool
from ilp.pool.optimizer import solve


class PoolTests(SynchronousTestCase):
    """The random pools."""

    def test_a_seed_gives_the_same_pools_again(self) -> None:
        first, again = ([pool for _, pool in pools(3, 2, (3, True, 20))] for _ in range(2))
        self.assertEqual(first, again)

    def test_a_shape_has_its_venues_and_levels(self) -> None:
        pool = parse_pool(market(Random(1), 6, 20, False))
        self.assertEqual(len({holding.venue for holding in pool.holdings}), 6)
        self.assertEqual(len(pool.moves[0].asks), 20)


class TableTests(SynchronousTestCase):
    """What is printed."""

    def test_every_pool_is_measured_and_a_line_is_as_wide_as_the_head(self) -> None:
        row = Row((2, True, 20))
        measure(row, 1, 5, 0, 60.0)
        self.assertEqual((len(row.times), len(row.prices), len(row.checks)), (5, 5, 5))
        self.assertEqual(len(row.line()), len(HEAD))
        self.assertLess(max(row.gaps), 1e-9)

    def test_the_picture_has_a_line_for_the_median_and_for_the_slowest(self) -> None:
        rows = []
        for stressed in (False, True):
            rows.append(Row((2, stressed, 20)))
            measure(rows[-1], 1, 3, 0, 60.0)
        path = Path(self.mktemp())
        chart(rows, path)
        self.assertEqual(path.read_text().count("<polyline"), 4)

    def test_memory_is_that_of_this_process(self) -> None:
        self.assertGreater(resident_mb(), 10.0)


class OthersTests(SynchronousTestCase):
    """Other methods on the same pools."""

    def test_none_reaches_more_and_those_that_prove_their_optimum_reach_as_much(self) -> None:
        for _, pool in pools(5, 3, (2, True, 20)):
            best = solve(pool).optimized
            near = 1e-6 * (1 + best.magnitude)
            for name, method in general_solvers.METHODS.items():
                value = method(pool)
                self.assertLessEqual(value, best.value + near, name)
                if name in ("HiGHS, risk linearised", "SCIP"):
                    self.assertGreaterEqual(value, best.value - near, name)
