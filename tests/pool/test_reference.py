"""The optimizer against a slow one that shares no code with it."""

from __future__ import annotations

from random import Random

from ilp.pool.document import parse_pool
from ilp.pool.optimizer import solve
from tests.pool.cases import NumberTestCase
from tests.pool.pools import random_pool
from tests.pool.reference import least_loss


class ReferenceTests(NumberTestCase):
    """Three hundred random pools, every pattern of on and off tried."""

    def compare(self, seeds: range, levels: int, stress: float) -> None:
        for seed in seeds:
            document = random_pool(Random(seed), 2, levels, stress)
            found = solve(parse_pool(document)).optimized
            expected = found.cash - least_loss(document)
            self.assert_near(found.value, expected, 1e-8 * (1 + found.magnitude), f"seed {seed}")

    def test_stressed_pools_have_the_value_that_trying_everything_finds(self) -> None:
        self.compare(range(150), levels=4, stress=1.0)

    def test_balanced_pools_have_the_value_that_trying_everything_finds(self) -> None:
        self.compare(range(1000, 1080), levels=3, stress=0.0)

    def test_mixed_pools_with_deeper_books_have_the_value_that_trying_everything_finds(self) -> None:
        self.compare(range(2000, 2070), levels=10, stress=0.5)
