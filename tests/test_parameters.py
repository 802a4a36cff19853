"""Parameters edited while the daemon runs."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from twisted.trial.unittest import SynchronousTestCase

from ilp.journal.entries import ParameterEntry
from ilp.parameters import InvalidParameters, Table, display, restored
from ilp.settings import Cost
from ilp.settings_file import load
from tests.configurations import written

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def edit(name: str, new: str, file_value: str) -> ParameterEntry:
    return ParameterEntry(name, file_value, new, file_value, 1, "anna", NOON)


class _Case(SynchronousTestCase):
    def setUp(self) -> None:
        self.table: Table = load(written(self.mktemp())).table


class EditTests(_Case):
    """Edits obey the rules of the file."""

    def test_an_edit_changes_the_value_and_its_origin(self) -> None:
        table = self.table.edited({"quote_size": "0.2"})
        self.assertEqual((table.parameters().quote_size, table.raws["quote_size"].origin), (Decimal("0.2"), "console"))

    def test_an_edit_leaves_the_table_it_was_made_on_as_it_was(self) -> None:
        self.table.edited({"quote_size": "0.2"})
        self.assertEqual(self.table.parameters().quote_size, Decimal("0.1"))

    def test_a_default_that_follows_another_parameter_follows_its_edit(self) -> None:
        self.assertEqual(self.table.edited({"quote_size": "0.2"}).parameters().min_coin_transfer, Decimal("1.0"))

    def test_a_cost_is_edited_as_a_pair_of_texts(self) -> None:
        parameters = self.table.edited({"source_fee": ["0", "0.002"]}).parameters()
        self.assertEqual(parameters.source_fee, Cost(Decimal(0), Decimal("0.002")))

    def test_a_target_balance_is_edited_by_venue_and_asset(self) -> None:
        parameters = self.table.edited({"target_balance.source.USD": "7000"}).parameters()
        self.assertEqual(parameters.targets["source", "USD"], Decimal(7000))

    def test_a_number_that_is_no_text_is_refused_so_that_no_digit_is_lost(self) -> None:
        error = self.assertRaises(InvalidParameters, self.table.edited, {"quote_size": 0.1})
        self.assertEqual(error.errors[0][0], "quote_size")

    def test_every_wrong_edit_is_named(self) -> None:
        error = self.assertRaises(InvalidParameters, self.table.edited, {"quote_size": "-1", "colour": "red"})
        self.assertEqual([name for name, _ in error.errors], ["quote_size", "colour"])

    def test_edges_edited_apart_must_still_ascend(self) -> None:
        error = self.assertRaises(InvalidParameters, self.table.edited({"edge_to_leave": "5"}).parameters)
        self.assertEqual(error.errors[0][0], "edge_to_leave")

    def test_edges_edited_together_may_move_past_each_other(self) -> None:
        parameters = self.table.edited({"edge_to_leave": "5", "edge_to_enter": "6"}).parameters()
        self.assertEqual((parameters.edge_to_leave, parameters.edge_to_enter), (Decimal(5), Decimal(6)))

    def test_a_size_beyond_the_largest_order_is_refused(self) -> None:
        limits = load(written(self.mktemp())).settings.limits
        self.assertRaises(InvalidParameters, self.table.edited({"quote_size": "2.5"}).parameters, limits)

    def test_values_are_shown_in_plain_notation(self) -> None:
        table = self.table.edited({"quote_size": "1e-3"})
        self.assertEqual(display(table, "quote_size", table.parameters()), "0.001")


class RestoringTests(_Case):
    """What the console changed holds over a restart, unless the file was changed since."""

    def test_an_edit_is_put_back(self) -> None:
        table, notices = restored(self.table, {"quote_size": edit("quote_size", "0.3", "0.1")})
        self.assertEqual((table.parameters().quote_size, notices), (Decimal("0.3"), ()))

    def test_a_file_changed_since_the_edit_wins_and_says_so(self) -> None:
        table, notices = restored(self.table, {"quote_size": edit("quote_size", "0.3", "0.05")})
        self.assertEqual(table.parameters().quote_size, Decimal("0.1"))
        self.assertIn("quote_size", notices[0])

    def test_an_edit_of_a_parameter_that_is_gone_is_dropped_and_said(self) -> None:
        _, notices = restored(self.table, {"colour": edit("colour", "red", "")})
        self.assertIn("colour", notices[0])

    def test_an_edit_that_the_rules_no_longer_allow_is_dropped_and_said(self) -> None:
        _, notices = restored(self.table, {"quote_size": edit("quote_size", "-3", "0.1")})
        self.assertIn("dropped", notices[0])
