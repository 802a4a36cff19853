"""Parameters edited while the daemon runs."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from ilp.journal.entries import ParameterEntry
from ilp.parameters import InvalidParameters, Table, display, restored, unjournaled
from ilp.settings import Cost
from ilp.settings_file import load
from tests.configurations import MINIMAL, written

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

    def limited(self, edits: dict[str, str], **limits: str) -> tuple[tuple[str, str], ...]:
        """What is wrong with *edits* under limits that are wide but for *limits*."""
        allowed = evolve(
            load(written(self.mktemp())).settings.limits,
            **{
                "largest_order": Decimal(100),
                "exposure": Decimal(100),
                **{k: Decimal(v) for k, v in limits.items()},
            },
        )
        try:
            self.table.edited(edits).parameters(allowed)
        except InvalidParameters as error:
            return error.errors
        return ()

    def test_a_size_beyond_the_largest_order_is_refused(self) -> None:
        ((name, words),) = self.limited({"quote_size": "2.5"}, largest_order="2.4")
        self.assertEqual(name, "quote_size")
        self.assertIn("at most limits.largest_order, 2.4; 2.5 is not", words)

    def test_a_size_of_just_the_largest_order_is_allowed(self) -> None:
        self.assertEqual(self.limited({"quote_size": "2.5"}, largest_order="2.5"), ())

    def test_a_size_that_would_break_the_exposure_limit_when_it_fills_is_refused(self) -> None:
        ((name, words),) = self.limited({"quote_size": "0.3", "max_unhedged": "0.3"}, exposure="0.5")
        self.assertEqual(name, "quote_size")
        self.assertIn("limits.exposure, 0.5; 0.3 + 0.3 is not", words)

    def test_a_size_and_a_float_of_just_the_exposure_limit_are_allowed(self) -> None:
        self.assertEqual(self.limited({"quote_size": "0.3", "max_unhedged": "0.2"}, exposure="0.5"), ())

    def test_equal_edges_are_refused(self) -> None:
        self.assertEqual([name for name, _ in self.limited({"edge_to_leave": "2"})], ["edge_to_leave"])

    def test_an_edge_to_drop_that_is_not_above_the_edge_to_enter_is_refused(self) -> None:
        for drop in ("2", "1.5"):
            self.assertEqual([name for name, _ in self.limited({"edge_to_drop": drop})], ["edge_to_drop"])
        self.assertEqual(self.limited({"edge_to_drop": "2.1"}), ())

    def test_the_edge_to_drop_mirrors_the_edge_to_leave_by_default(self) -> None:
        parameters = self.table.edited({"edge_to_enter": "5", "edge_to_leave": "2"}).parameters()
        self.assertEqual(parameters.edge_to_drop, Decimal(8))

    def test_the_least_transfers_of_fiat_follow_what_a_conversion_costs(self) -> None:
        parameters = self.table.edited({"fiat_exchange_cost": ["200", "0.1"]}).parameters()
        self.assertEqual((parameters.min_fiat_transfer, parameters.min_payout), (Decimal(2000), Decimal(2000)))

    def test_a_whole_number_may_be_no_text_and_a_yes_may_not(self) -> None:
        self.assertEqual(self.table.edited({"quote_size": 2}).parameters().quote_size, Decimal(2))
        error = self.assertRaises(InvalidParameters, self.table.edited, {"quote_size": True})
        self.assertIn("must be a text", error.errors[0][1])

    def test_three_numbers_are_no_cost(self) -> None:
        error = self.assertRaises(InvalidParameters, self.table.edited, {"source_fee": ["0", "1", "2"]})
        self.assertIn("must be a text", error.errors[0][1])

    def test_a_target_that_no_holding_has_is_no_parameter(self) -> None:
        error = self.assertRaises(InvalidParameters, self.table.edited, {"target_balance.source.XYZ": "1"})
        self.assertEqual(error.errors, (("target_balance.source.XYZ", "is not a parameter"),))

    def test_a_target_that_the_file_leaves_out_is_nothing_by_default(self) -> None:
        table = Table.of({}, {("source", "BTC"): None, ("source", "USD"): "5"})
        raws = [table.raws[f"target_balance.source.{asset}"] for asset in ("BTC", "USD")]
        self.assertEqual([(raw.text, raw.origin) for raw in raws], [("0", "default"), ("5", "file")])

    def test_every_parameter_says_its_unit_and_what_it_means(self) -> None:
        for name in self.table.raws:
            self.assertTrue(self.table.meaning(name), name)
        self.assertEqual(self.table.unit("target_balance.source.USD"), "USD")
        self.assertEqual(self.table.meaning("target_balance.source.USD"), "How much USD to hold on the source.")
        self.assertIn("base", self.table.unit("quote_size"))

    def test_costs_and_targets_are_shown_as_they_are_edited(self) -> None:
        values = self.table.parameters()
        self.assertEqual(display(self.table, "source_fee", values), ["0", "0.01"])
        self.assertEqual(display(self.table, "target_balance.source.USD", values), "6000")

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

    def test_an_edit_of_what_the_file_still_leaves_out_is_put_back(self) -> None:
        """The default follows from other parameters: the file says nothing, then and now."""
        table, notices = restored(self.table, {"min_payout": edit("min_payout", "700", "")})
        self.assertEqual((table.parameters().min_payout, notices), (Decimal(700), ()))

    def test_an_edit_of_a_parameter_that_is_gone_is_dropped_and_said(self) -> None:
        _, notices = restored(self.table, {"colour": edit("colour", "red", "")})
        self.assertIn("colour", notices[0])

    def test_an_edit_that_the_rules_no_longer_allow_is_dropped_and_said(self) -> None:
        _, notices = restored(self.table, {"quote_size": edit("quote_size", "-3", "0.1")})
        self.assertIn("dropped", notices[0])


class JournaledTests(_Case):
    """What a start adds to the journal, so that it always has what is in force."""

    def start(
        self, table: Table, edits: tuple[ParameterEntry, ...] = (), known: tuple[ParameterEntry, ...] = ()
    ) -> list[ParameterEntry]:
        """*edits* were made in the console; *known* came after them."""
        last = {entry.name: entry for entry in (*edits, *known)}
        return unjournaled(table, last, {entry.name: entry for entry in edits}, NOON)

    def test_a_first_start_tells_everything_with_its_origin(self) -> None:
        found = {entry.name: entry for entry in self.start(self.table)}
        self.assertEqual(found.keys(), self.table.raws.keys())
        size = found["quote_size"]
        self.assertEqual((size.old, size.new, size.origin, size.by, size.edited), ("", "0.1", "file", "start", False))
        self.assertEqual((found["min_gain"].origin, found["min_payout"].new), ("default", ""))

    def test_a_start_that_finds_everything_as_it_was_tells_nothing(self) -> None:
        self.assertEqual(self.start(self.table, known=tuple(self.start(self.table))), [])

    def test_what_was_changed_in_the_file_is_told_with_what_it_was(self) -> None:
        known = tuple(self.start(self.table))
        changed = load(written(self.mktemp(), MINIMAL.replace("quote_size = 0.1", "quote_size = 0.15"))).table
        (found,) = self.start(changed, known=known)
        self.assertEqual((found.name, found.old, found.new, found.file_value), ("quote_size", "0.1", "0.15", "0.15"))

    def test_an_edit_that_holds_is_known_already(self) -> None:
        first, made = tuple(self.start(self.table)), edit("quote_size", "0.3", "0.1")
        last = {entry.name: entry for entry in (*first, made)}
        table, _ = restored(self.table, {"quote_size": made})
        self.assertEqual(unjournaled(table, last, {"quote_size": made}, NOON), [])

    def test_an_edit_that_holds_again_because_the_file_is_as_it_was_stays_whose_it_was(self) -> None:
        made = edit("quote_size", "0.3", "0.1")
        overruled = evolve(made, new="0.2", file_value="0.2", by="start", origin="file")
        table, _ = restored(self.table, {"quote_size": made})
        (found,) = [e for e in self.start(table, (made,), (overruled,)) if e.name == "quote_size"]
        self.assertEqual((found.old, found.new, found.by, found.origin), ("0.2", "0.3", "anna", "console"))
        self.assertEqual(restored(self.table, {"quote_size": found}), (table, ()))
