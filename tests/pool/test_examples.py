"""Every pool with a known answer comes out as that answer says."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from ilp.pool.document import Pool, parse_pool, pool_document
from ilp.pool.optimizer import solve
from ilp.pool.prices import quote_prices
from ilp.solve_command import main
from tests.pool.cases import NumberTestCase

EXAMPLES = Path(__file__).parent / "examples"
NAMES = sorted(p.name.removesuffix(".expected.json") for p in EXAMPLES.glob("*.expected.json"))
SIDES = ("reservation_bid", "reservation_ask", "hedge_bid", "hedge_ask")


def example(name: str) -> tuple[Pool, dict[str, Any]]:
    """A pool and the answer that an independent solver found."""
    pool = parse_pool(json.loads((EXAMPLES / f"{name}.json").read_text()))
    return pool, json.loads((EXAMPLES / f"{name}.expected.json").read_text())


def same_price(pool: Pool, entry: dict[str, Any], price: float | None, expected: float | None) -> bool:
    """Within 1e-5 relative, or 1e-5·mb/mq; none and 0 exactly."""
    if price is None or expected is None or expected == 0:
        return price == expected
    at_mark = pool.marks[entry["base"]] / pool.marks[entry["quote"]]
    return abs(price - expected) <= max(1e-5 * abs(expected), 1e-5 * at_mark)


class ExamplesTests(NumberTestCase):
    """The published pools and answers."""

    def test_there_are_all_of_them(self) -> None:
        self.assertEqual(len(NAMES), 26)

    def test_the_value_before_and_the_optimum_agree(self) -> None:
        for name in NAMES:
            pool, expected = example(name)
            solution = solve(pool)
            near = 1e-8 * (1 + abs(expected["base_value"]))
            self.assert_near(solution.base.value, expected["base_value"], near, name)
            self.assert_near(solution.optimized.value, expected["value"], near, name)

    def test_the_bound_closes_the_gap(self) -> None:
        for name in NAMES:
            pool, _ = example(name)
            solution = solve(pool)
            self.assertFalse(solution.exhausted, name)
            self.assertGreaterEqual(solution.bound, solution.optimized.value, name)
            gap = solution.bound - solution.optimized.value
            self.assertLessEqual(gap, 1e-9 * (1 + solution.optimized.magnitude), name)

    def test_the_four_prices_of_each_quote_agree(self) -> None:
        for name in NAMES:
            pool, expected = example(name)
            prices = quote_prices(pool, solve(pool))
            self.assertEqual(len(prices), len(expected["quotes"]), name)
            for found, entry in zip(prices, expected["quotes"], strict=True):
                for side in SIDES:
                    price = getattr(found, side)
                    self.assertTrue(same_price(pool, entry, price, entry[side]), f"{name} {side} {price} {entry[side]}")

    def test_the_document_of_a_pool_reads_back_as_the_same_pool(self) -> None:
        for name in NAMES:
            pool, _ = example(name)
            self.assertEqual(parse_pool(json.loads(json.dumps(pool_document(pool)))), pool)

    def test_solve_prints_one_document_with_the_answer(self) -> None:
        for name in NAMES:
            _, expected = example(name)
            out, err = io.StringIO(), io.StringIO()
            self.assertEqual(main(EXAMPLES / f"{name}.json", out, err), 0)
            answer = json.loads(out.getvalue())
            self.assertAlmostEqual(
                answer["optimized"]["value"], expected["value"], delta=1e-8 * (1 + abs(expected["base_value"]))
            )
            self.assertEqual(err.getvalue(), "")
