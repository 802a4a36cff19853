"""What the console is told of the ledger."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal as D
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ilp.accounts.books import Books
from ilp.accounts.report import pnl_section
from ilp.journal.entries import FlowEntry

NOON = datetime(2023, 12, 20, 12, 0, tzinfo=UTC)
HELD = ("account", "ETH")


class DifferencesTests(SynchronousTestCase):
    """A balance that is another one than the ledger's."""

    def setUp(self) -> None:
        self.books = Books("ETH", "ETH%")
        self.books.open(NOON, {HELD: D(200)}, (), {"ETH": D("0.04"), "ETH%": D(1)}, D(0))

    def flow(self, number: int, amount: str) -> None:
        self.books.flow(FlowEntry(str(number), *HELD, D(amount), NOON, "", "interest", "machine"), NOON)

    def told(self, balance: str) -> Any:
        return pnl_section(self.books, NOON, None, {HELD: D(balance)}, D(0), D(0))["differences"]

    def test_what_a_venue_counts_in_smaller_units_is_none(self) -> None:
        for number in range(10):
            self.flow(number, "0.000000014")  # booked as 0.00000001
        self.assertEqual(self.told("200.00000014"), [])

    def test_more_than_rounding_explains_is_told(self) -> None:
        for number in range(10):
            self.flow(number, "0.000000014")
        (difference,) = self.told("200.00000017")
        self.assertEqual((difference["ledger"], difference["told"]), ("200.0000001", "200.00000017"))

    def test_without_flows_a_minor_unit_is_all_that_is_overlooked(self) -> None:
        self.assertEqual(self.told("200.00000001"), [])
        self.assertEqual(len(self.told("200.00000002")), 1)

    def test_interest_is_a_term_of_its_own_and_comes_from_nowhere_else(self) -> None:
        self.flow(1, "0.001")
        since = pnl_section(self.books, NOON, None, {HELD: D("200.001")}, D(0), D(0))["since"]
        self.assertEqual(
            (D(since["interest and funding"]), D(since["external flows"]), D(since["equity change"])),
            (D("0.00004"), D(8), D("8.00004")),
        )
