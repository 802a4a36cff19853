"""What the acceptance says of closes with too small an edge: a fill that outran a cancel is told, anything else a fault."""

from __future__ import annotations

from decimal import Decimal as D
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.tools.accept import Failed, outran

LEAVE, FEE = D(8), D("0.0005")


def closed(edge: str, **fill: Any) -> tuple[list[Any], dict[str, Any]]:
    """One close of a sale, whose source stood at 10,116 when the customer came and at 10,107 when it was quoted for."""
    told = {"side": "SELL", "price": "2997120", "reference_ask": "10116", "quoted": "10107", "raced": None, **fill}
    return [{"fill_key": "target/1", "edge": edge}], {"target/1": told}


class OutranTests(SynchronousTestCase):
    """A percentage would forgive what is wrong."""

    def test_a_close_with_its_edge_needs_no_excuse(self) -> None:
        self.assertEqual(outran(*closed("8"), LEAVE, FEE), [])

    def test_one_that_outran_the_cancel_is_told_with_both_edges_and_the_time(self) -> None:
        (line,) = outran(*closed("0.78", raced="6.884"), LEAVE, FEE)
        self.assertEqual(line, "target/1 SELL at 2997120: edge 0.78, 9.78 by the book 115 ms before")

    def test_one_that_nothing_had_outdated_is_a_fault(self) -> None:
        self.assertIn("no worse book", str(self.assertRaises(Failed, outran, *closed("7.99"), LEAVE, FEE)))

    def test_one_that_was_badly_quoted_before_is_a_fault(self) -> None:
        error = self.assertRaises(Failed, outran, *closed("-4", raced="1"), LEAVE, FEE)
        self.assertIn("5.00 by the book before, allowed 8", str(error))

    def test_one_that_we_were_slow_to_cancel_is_a_fault(self) -> None:
        error = self.assertRaises(Failed, outran, *closed("0.78", raced="61"), LEAVE, FEE)
        self.assertIn("worse for 1.017 s, allowed 1 s", str(error))

    def test_a_purchase_is_closed_at_the_bid(self) -> None:
        hedges, fills = closed("0.9", side="BUY", raced="3", reference_bid="10293", quoted="10305")
        (line,) = outran(hedges, fills, LEAVE, FEE)
        self.assertIn("edge 0.9, 12.89 by the book 50 ms before", line)
