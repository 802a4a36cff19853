"""The audit log: every act of a person with its user, time, and how things stood before and after; it outlives a restart."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from attrs import evolve
from twisted.internet.defer import fail

from clients.exchange import Side
from ilp.journal.entries import IntentEntry, ParameterEntry
from ilp.journal.interface import JournalError
from ilp.journal.recent import RecentJournal
from ilp.operator import Declined
from tests.operator_case import OperatorCase
from tests.trading.world import BTC


class ActTests(OperatorCase):
    """What stands in the audit after each act."""

    def lines(self, what: str) -> list[dict[str, Any]]:
        """The lines of one act, newest first."""
        return [line for line in self.operator.snapshot()["audit"] if line["what"] == what]

    def line(self, what: str) -> dict[str, Any]:
        """The only line of an act."""
        (found,) = self.lines(what)
        return found

    def quoting(self) -> None:
        """Trade until both quotes rest."""
        self.done(self.operator.start("anna"))
        self.world.until(lambda: len(self.world.open_orders()) == 2)
        self.world.advance(1)

    def test_start_and_stop_say_how_it_stood_before_and_after(self) -> None:
        self.done(self.operator.start("anna"))
        line = self.line("START")
        self.assertEqual(line["by"], "anna")
        self.assertEqual(line["before"], "READY, not to trade, on pause: nothing")
        self.assertIn("to trade", line["after"])
        self.done(self.operator.stop("bela"))
        self.assertEqual(self.line("STOP")["by"], "bela")

    def test_a_stop_is_answered_when_it_is_on_the_disk_and_obeyed_at_once(self) -> None:
        self.quoting()
        memory = self.world.journal._journal
        memory.lag = 0.5
        answers: list[Any] = []
        self.operator.stop("bela").addCallback(answers.append)
        self.assertEqual(str(self.world.trader.life.state), "STOPPING")
        self.world.advance(0.4)
        self.assertEqual((answers, [intent.wanted for intent in memory.of(IntentEntry)]), ([], [True]))
        self.world.advance(0.2)
        self.assertEqual((len(answers), [intent.wanted for intent in memory.of(IntentEntry)]), (1, [True, False]))

    def test_a_stop_right_after_a_fill_is_answered_when_it_is_on_the_disk_too(self) -> None:
        self.quoting()
        memory, heard = self.world.journal._journal, self.world.trader.order_filled

        def stopped(*told: Any) -> None:
            heard(*told)
            if not answers:
                memory.lag = 0.5
                answers.append(self.operator.stop("bela"))
                answers[0].addCallback(lambda _: kept.append([intent.wanted for intent in memory.of(IntentEntry)]))

        answers: list[Any] = []
        kept: list[list[bool]] = []
        self.world.trader.order_filled = stopped
        self.world.take(Side.SELL)
        self.world.advance(1)
        self.assertEqual(kept, [[True, False]])

    def test_a_journal_that_fails_or_is_stuck_keeps_no_answer_back(self) -> None:
        self.quoting()
        memory = self.world.journal._journal
        memory.lag = 3600.0
        self.assertEqual(self.done(self.operator.stop("bela"))["wanted"], False)
        memory.broken = "no disk"
        self.assertEqual(self.done(self.operator.halt("bela", "smoke"))["state"], "HALTED")

    def test_what_is_declined_leaves_no_line(self) -> None:
        self.done(self.operator.start("anna"))
        self.declined(self.operator.start("bela"))
        self.assertEqual([line["by"] for line in self.lines("START")], ["anna"])

    def test_a_halt_and_its_end_keep_the_reason_and_the_note(self) -> None:
        self.done(self.operator.halt("anna", "smoke"))
        self.done(self.operator.reset("bela", "it was the toaster"))
        self.assertEqual((self.line("HALT")["why"], self.line("HALT")["after"][:6]), ("smoke", "HALTED"))
        self.assertEqual((self.line("RESET")["by"], self.line("RESET")["why"]), ("bela", "it was the toaster"))

    def test_a_cancel_names_what_was_cancelled(self) -> None:
        self.quoting()
        bid = next(order for order in self.world.trader.desk.live("target", side=Side.BUY))
        self.done(self.operator.cancel("bela", "target", None, "BUY"))
        line = self.line("cancel")
        self.assertEqual((line["by"], line["about"]), ("bela", "bids on target"))
        self.assertIn(str(bid.order_id), line["before"])
        self.assertEqual(line["after"], "a cancel of 1 was asked for")

    def test_a_hedge_by_hand_says_what_was_open(self) -> None:
        self.done(self.operator.pause("anna", "hedges", True))
        self.quoting()
        self.world.take(Side.SELL)
        self.world.advance(2)
        open_now = self.operator.snapshot()["trader"]["exposure"]["BTC"]["quantity"]
        self.assertNotEqual(Decimal(open_now), 0)
        self.done(self.operator.hedge("bela"))
        line = self.line("hedge now")
        self.assertEqual((line["by"], line["before"]), ("bela", f"{open_now} BTC open"))

    def test_a_pause_and_its_end_say_what_was_and_is_on_pause(self) -> None:
        self.done(self.operator.pause("anna", "hedges", True))
        self.done(self.operator.pause("bela", "wind down", True))
        self.done(self.operator.pause("bela", "hedges", False))
        down, hedges = self.lines("pause")
        self.assertEqual((hedges["about"], down["about"]), ("hedges", "wind down"))
        self.assertTrue(hedges["before"].endswith("on pause: nothing"))
        self.assertTrue(down["after"].endswith("on pause: hedges, wind down"))
        self.assertTrue(self.line("go on")["after"].endswith("on pause: wind down"))

    def test_a_proposal_and_its_approval_name_the_transfer(self) -> None:
        told = self.done(self.operator.propose("bela", "BTC", ("target", "source"), "2", "for the weekend"))
        line = self.line("propose")
        self.assertEqual((line["by"], line["why"], line["after"]), ("bela", "for the weekend", "PROPOSED"))
        self.done(self.operator.transfer("anna", told["id"], "approve", None, None))
        line = self.line("approve")
        self.assertEqual((line["by"], line["before"]), ("anna", "PROPOSED"))
        self.assertIn(f"{told['id']}: 2 BTC, target to source", line["about"])
        self.assertNotEqual(line["after"], "PROPOSED")

    def test_a_word_on_foreign_money_has_what_was_said_before(self) -> None:
        core = self.world.source_core
        core.deposit("BTC", BTC.units(Decimal("0.25")), core.current_address("pool", "BTC"), "a-chain-id")
        self.world.until(lambda: self.operator.snapshot()["state"]["flows"], 120, 0.1)
        (flow,) = self.operator.snapshot()["state"]["flows"]
        self.done(self.operator.flow("anna", flow["key"], "a gift"))
        self.done(self.operator.flow("bela", flow["key"], "our own deposit"))
        second, first = self.lines("say what it was")
        self.assertEqual((first["by"], first["before"], first["after"]), ("anna", "", "a gift"))
        self.assertEqual((second["by"], second["before"], second["after"]), ("bela", "a gift", "our own deposit"))
        self.assertIn("+0.25 BTC at source", second["about"])

    def test_an_edit_has_its_old_and_its_new_value(self) -> None:
        self.done(self.operator.update("anna", 0, {"quote_size": "0.2"}))
        line = self.line("quote_size")
        self.assertEqual((line["by"], line["before"], line["after"]), ("anna", "0.1", "0.2"))

    def test_a_value_that_was_changed_in_the_file_is_told_and_one_that_is_heard_of_first_is_not(self) -> None:
        first = ParameterEntry("quote_size", "", "0.1", "0.1", 0, "start", self.world.clock.now(), "file")
        self.world.trader.recorder.record(first, evolve(first, old="0.1", new="0.15", file_value="0.15"))
        line = self.line("quote_size")
        self.assertEqual(
            (line["by"], line["before"], line["after"], line["why"]), ("start", "0.1", "0.15", "of the file")
        )

    def test_all_of_it_can_be_read_page_by_page(self) -> None:
        self.done(self.operator.start("anna"))
        for number in range(60):
            self.done(self.operator.pause("anna", "hedges", number % 2 == 0))
            self.done(self.operator.update("bela", number, {"quote_size": f"0.{number + 100}"}))
        pages, until = [], self.world.clock.now()
        while not pages or pages[-1]["more"]:
            pages.append(self.done(self.operator.audit(until)))
            until = datetime.fromisoformat(pages[-1]["lines"][-1]["at"])
        found = [line for page in pages for line in page["lines"]]
        self.assertEqual(len(pages), 2)
        times = list(dict.fromkeys(line["at"] for line in found))
        self.assertEqual(times, sorted(times, reverse=True))
        self.assertEqual(len([line for line in found if line["what"] == "START"]), 1)
        sizes = {line["after"] for line in found if line["what"] == "quote_size"}
        self.assertEqual(sizes, {f"0.{number + 100}" for number in range(60)})
        self.assertEqual(pages[0]["lines"][:30], self.operator.snapshot()["audit"][:30])

    def test_a_log_that_cannot_be_read_is_a_reason(self) -> None:
        self.patch(self.world.journal, "latest", lambda *_: fail(JournalError("journal: is closed")))
        declined = self.assertRaises(Declined, self.done, self.operator.audit(self.world.clock.now()))
        self.assertEqual((declined.status, declined.document["reasons"]), (503, ["journal: is closed"]))

    def test_it_outlives_a_restart(self) -> None:
        self.done(self.operator.pause("anna", "hedges", True))
        again = RecentJournal(self.world.journal)
        loading = again.load(self.world.clock.now(), timedelta(days=7))
        self.done(loading)
        self.assertEqual([(act.what, act.by) for act in again.acts_kept()], [("pause", "anna")])
