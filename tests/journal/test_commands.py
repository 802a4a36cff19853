"""`ilp.py journal show|export|verify|backup`."""

from __future__ import annotations

import io
import json
from argparse import Namespace
from decimal import Decimal as D
from pathlib import Path

from attrs import evolve
from sqlalchemy import text
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from ilp.journal.commands import main
from ilp.journal.entries import OrderState, TransferState
from ilp.journal.store import DatabaseJournal, memory_journal
from tests.journal import samples
from tests.journal.databases import Databases


class Commands(Databases):
    """A journal with something in it, still open, and the commands on it."""

    def setUp(self) -> None:
        self.url = self.fresh()
        self.journal: DatabaseJournal = self.opened(self.url)
        self.successResultOf(self.journal.record(*samples.one_of_each()))

    def fresh(self) -> str:
        return super().fresh() if self.postgresql else f"sqlite:///{self.mktemp()}"

    def run_(self, action: str, url: str = "", to: Path | None = None) -> tuple[int, str, str]:
        """Exit status, standard output and standard error of a command."""
        out, err = io.StringIO(), io.StringIO()
        status = main(Namespace(action=action, to=to), url or self.url, out, err)
        return status, out.getvalue(), err.getvalue()


class ShowTests(Commands, SynchronousTestCase):
    """`show`."""

    def test_it_names_what_a_start_would_find(self) -> None:
        self.successResultOf(self.journal.record(samples.state("HALTED", "TRADING")))
        status, out, _ = self.run_("show")
        self.assertEqual(status, 0)
        for words in (
            "1 fill",
            "wanted: to trade",
            "HALTED by gate",
            "last plan: p1",
            "parameter quote_size = 0.2",
            "order target/o1 open: BUY 0.10000000 BTC/HUF",
            "transfer t1 PLANNED: 1.5 BTC from source to target",
        ):
            self.assertIn(words, out)


class ExportTests(Commands, SynchronousTestCase):
    """`export`."""

    def test_every_version_is_a_line_of_json(self) -> None:
        self.successResultOf(self.journal.record(samples.order(state=OrderState.FINAL, seconds=5)))
        status, out, _ = self.run_("export")
        lines = [json.loads(line) for line in out.splitlines()]
        self.assertEqual((status, len(lines)), (0, 13))
        self.assertEqual([line["entry"]["state"] for line in lines if line["kind"] == "order"], ["open", "final"])
        self.assertEqual(lines[0]["entry"]["price"], "67000.10")

    def test_the_same_entries_give_the_same_bytes(self) -> None:
        other = self.fresh()
        again = self.opened(other)
        self.successResultOf(again.record(*samples.one_of_each()))
        self.assertEqual(self.run_("export")[1], self.run_("export", other)[1])


class GoneTests(Commands, SynchronousTestCase):
    """A reader that stops reading, as `head` does."""

    def test_a_closed_pipe_is_not_the_journals_fault(self) -> None:
        class Gone(io.StringIO):
            def write(self, text: str) -> int:
                raise BrokenPipeError(32, "Broken pipe")

        with self.assertRaises(BrokenPipeError):
            main(Namespace(action="export", to=None), self.url, Gone(), io.StringIO())


class VerifyTests(Commands, SynchronousTestCase):
    """`verify`."""

    def spoil(self, statement: str) -> tuple[int, str, str]:
        """Change the database behind the journal's back, then verify."""
        connection = self.journal._database.usable()
        with connection.begin():
            connection.execute(text(statement))
        return self.run_("verify")

    def test_a_sound_journal_is_called_so(self) -> None:
        self.assertEqual(self.run_("verify"), (0, "sound\n", ""))

    def test_a_changed_row_is_found(self) -> None:
        status, out, _ = self.spoil("UPDATE orders SET order_id = '18'")
        self.assertEqual(status, 1)
        self.assertIn("orders: target/o1 differs from its newest version", out)

    def test_a_zero_has_no_sign(self) -> None:
        """A hedge that found the price it was decided at may have slipped by minus nothing."""
        self.successResultOf(self.journal.record(evolve(samples.hedge(), slippage=D("-0.00"), edge=D("-0"))))
        self.assertEqual(self.run_("verify")[1], "sound\n")

    def test_a_missing_row_is_found(self) -> None:
        self.assertIn("hedges: h1 is missing", self.spoil("DELETE FROM hedges")[1])

    def test_a_row_without_a_history_is_found(self) -> None:
        self.assertIn("flows: target/deposit/9 is not in", self.spoil("DELETE FROM history WHERE kind = 'flow'")[1])

    def test_a_missing_edit_is_found(self) -> None:
        self.assertIn("parameters: 0 rows", self.spoil("DELETE FROM parameters")[1])

    def test_an_order_filled_beyond_its_quantity_is_found(self) -> None:
        self.successResultOf(self.journal.record(samples.fill("f2")))
        self.assertIn("order target/o1 filled 0.2 of 0.10000000", self.run_("verify")[1])

    def test_a_fill_without_its_order_is_found(self) -> None:
        self.successResultOf(self.journal.record(samples.fill("f2", "o9")))
        self.assertIn("order target/o9 has fills but is not", self.run_("verify")[1])

    def test_a_deposit_that_cleared_two_transfers_is_found(self) -> None:
        for name in ("t2", "t3"):
            arrived = samples.transfer(
                name, TransferState.ARRIVED, debited=D("1.5"), arrived=D("1.4999"), deposit_id="77"
            )
            self.successResultOf(self.journal.record(arrived))
        self.assertIn("t2 and t3 are both matched to target/deposit/77", self.run_("verify")[1])

    def test_an_arrival_of_more_than_left_is_found(self) -> None:
        much = samples.transfer("t2", TransferState.ARRIVED, debited=D("1.5"), arrived=D("1.6"))
        self.successResultOf(self.journal.record(much))
        self.assertIn("t2 arrived with 1.6, more than the 1.5 BTC that left", self.run_("verify")[1])

    def test_a_fill_that_was_closed_twice_is_found(self) -> None:
        self.successResultOf(self.journal.record(samples.hedge("h2")))
        self.assertIn("fill target/f1 of 0.1 has links over 0.2", self.run_("verify")[1])

    def linked(self, closed_by: str, quantity: str, fees: dict[str, D]) -> str:
        """What `verify` says of hedges where a sale of 0.1 that was charged *fees* is closed by a fill of 0.15."""
        fill = evolve(samples.fill("f3"), fees=fees)
        by = evolve(samples.fill("f4"), side=Side.BUY, quantity=D("0.15"), fees={})
        link = evolve(samples.hedge("h2"), fill_key="target/f3", closed_by=closed_by, quantity=D(quantity))
        self.successResultOf(self.journal.record(fill, by, link))
        return "".join(line for line in self.run_("verify")[1].splitlines() if line.startswith("hedges: "))

    def test_what_a_fee_in_base_left_to_close_on_top_may_be_closed(self) -> None:
        self.assertEqual(self.linked("target/f4", "0.1002", {"BTC": D("0.0002")}), "")

    def test_a_part_that_a_fee_in_base_took_cannot_be_closed(self) -> None:
        self.assertIn("f3 of 0.1 has links over 0.1002", self.linked("target/f4", "0.1002", {"HUF": D(3)}))

    def test_a_fill_that_closed_more_than_it_brought_is_found(self) -> None:
        netted = evolve(samples.hedge("h3"), fill_key="target/f1", closed_by="netted:target/f4", quantity=D("0.06"))
        self.successResultOf(self.journal.record(netted))
        self.assertIn("f4 of 0.15 has links over 0.16", self.linked("target/f4", "0.1", {}))

    def test_what_a_plan_kept_is_spent_by_no_fill(self) -> None:
        self.assertEqual(self.linked("plan:p1", "0.1", {}), "")

    def test_a_booking_that_does_not_balance_is_found(self) -> None:
        wrong = samples.booking("0000000002")
        self.successResultOf(self.journal.record(evolve(wrong, kind="flow", lines=(("target", "BTC", 1),), terms={})))
        self.assertIn("1 minor units of BTC came from nowhere", self.run_("verify")[1])

    def test_a_booking_that_is_missing_is_found(self) -> None:
        self.successResultOf(self.journal.record(evolve(samples.booking("0000000003"), lines=(), terms={}, rounding=0)))
        self.assertIn("number 2 is missing", self.run_("verify")[1])


class TableTests(Commands, SynchronousTestCase):
    """`pnl` and `pairs`: what a spreadsheet reads."""

    def test_profit_and_loss_is_a_line_a_booking(self) -> None:
        status, text, _ = self.run_("pnl")
        head, line = text.splitlines()
        self.assertEqual((status, head.split(",")[:4]), (0, ["time", "number", "kind", "reference"]))
        self.assertEqual(line.split(",")[2], "opening")

    def test_fills_and_hedges_are_a_line_a_pair(self) -> None:
        status, text, _ = self.run_("pairs")
        self.assertEqual((status, len(text.splitlines())), (0, 2))
        self.assertIn("target/f1", text.splitlines()[1])


class BackupTests(Commands, SynchronousTestCase):
    """`backup`."""

    def test_a_copy_of_a_journal_in_use_says_the_same(self) -> None:
        target = Path(self.mktemp())
        status, out, _ = self.run_("backup", to=target)
        self.assertEqual((status, out), (0, f"{target}\n"))
        self.assertEqual(self.run_("export", f"sqlite:///{target}"), self.run_("export"))

    def test_a_daemon_can_go_on_with_the_copy(self) -> None:
        target = Path(self.mktemp())
        self.run_("backup", to=target)
        copy = memory_journal(f"sqlite:///{target}")
        self.addCleanup(copy.close)
        self.successResultOf(copy.record(samples.intent(False, 9)))
        self.assertIs(self.successResultOf(copy.recovered()).wanted, False)

    def test_nothing_is_overwritten(self) -> None:
        target = Path(self.mktemp())
        target.write_text("precious")
        status, _, err = self.run_("backup", to=target)
        self.assertEqual(status, 2)
        self.assertIn("exists already", err)
        self.assertEqual(target.read_text(), "precious")

    def test_a_target_is_needed(self) -> None:
        self.assertIn("--to FILE", self.run_("backup")[2])

    def test_a_target_that_cannot_be_written_is_named(self) -> None:
        status, _, err = self.run_("backup", to=Path("/no/such/folder/copy"))
        self.assertEqual(status, 2)
        self.assertRegex(err, r"^journal .*/no/such/folder/copy.*(No such file or directory|does not exist)\n$")


class ErrorTests(Commands, SynchronousTestCase):
    """When there is nothing to read."""

    def test_a_missing_journal_is_one_sentence_and_status_2(self) -> None:
        status, out, err = self.run_("show", "sqlite:////no/such.sqlite")
        self.assertEqual((status, out, err), (2, "", "journal /no/such.sqlite: there is no such file\n"))

    def test_a_journal_in_memory_is_said_to_be_the_daemons_alone(self) -> None:
        status, out, err = self.run_("show", "sqlite://")
        self.assertEqual((status, out), (2, ""))
        self.assertIn("is kept in the daemon's memory", err)
        self.assertIn("[database] url = sqlite:///FILE", err)
