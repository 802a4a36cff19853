"""The audit of the pool's own ledger: each way in which what was booked can be wrong is found and named."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from ilp.accounts.audit import MOST, faults_of_bookings
from ilp.accounts.books import Books
from ilp.accounts.postings import Term
from ilp.accounts.units import FINE
from ilp.journal.entries import BookingEntry, CheckpointEntry, FlowEntry, TransferState
from tests.accounts.test_books import MARKS, NOON, fill, transfer

D = Decimal
FLOW = FlowEntry("k", "source", "USD", D(5), NOON, "r")
OPENING, REVALUATION, TRADE, SENT, ARRIVED, FLOWN = range(6)


class AuditCase(SynchronousTestCase):
    def setUp(self) -> None:
        books = Books("BTC", "USD")
        self.fills = [fill(price="62000.123", fees={"HUF": D("31.007")})]
        self.transfers = [transfer(TransferState.ARRIVED, debited=D(1), arrived=D("0.999"))]
        self.flows = [FLOW]
        made = (
            *books.open(NOON, {("source", "USD"): D(1000), ("target", "HUF"): D(100_000)}, (), MARKS, D(0)),
            books.revalue(NOON, {**MARKS, "BTC": D("251.5")}, D(0)),
            books.fill(self.fills[0], NOON, D("0.1")),
            books.transfer(transfer(TransferState.SENT, debited=D(1)), NOON + timedelta(days=1)),
            books.transfer(self.transfers[0], NOON + timedelta(days=1)),
            books.flow(FLOW, NOON + timedelta(days=1)),
        )
        self.books = books
        self.bookings: list[BookingEntry] = [entry for entry in made if entry is not None]
        self.assertEqual(len(self.bookings), 6)
        self.checkpoint: CheckpointEntry | None = None

    def faults(self) -> list[str]:
        return list(faults_of_bookings(self.bookings, self.fills, self.transfers, self.flows, self.checkpoint))

    def change(self, number: int, **more: object) -> None:
        self.bookings[number] = evolve(self.bookings[number], **more)

    def found(self, words: str) -> None:
        faults = self.faults()
        self.assertTrue(any(words in fault for fault in faults), faults)

    def only(self, words: str) -> None:
        (fault,) = self.faults()
        self.assertIn(words, fault)


class BookingTests(AuditCase):
    def test_what_was_booked_by_the_rules_has_no_fault(self) -> None:
        self.assertEqual(self.faults(), [])

    def test_a_booking_that_is_missing_is_named_once(self) -> None:
        del self.bookings[REVALUATION]
        numbers = [fault for fault in self.faults() if "missing" in fault]
        self.assertEqual(numbers, ["bookings: number 2 is missing, 0000000003 follows"])

    def test_a_line_that_came_from_nowhere_is_named(self) -> None:
        lines = tuple(
            (account, asset, number + (asset == "USD")) for account, asset, number in self.bookings[FLOWN].lines
        )
        self.change(FLOWN, lines=lines)
        self.found("0000000006 (flow flow:k) does not balance: 2 minor units of USD came from nowhere")

    def test_a_rounding_of_more_than_rounding_can_take_is_named(self) -> None:
        for rounding, expected in ((MOST, False), (MOST + 1, True), (-MOST - 1, True)):
            self.change(SENT, rounding=rounding)
            self.assertEqual(any("was rounded by" in fault for fault in self.faults()), expected, rounding)

    def test_a_term_that_equity_did_not_change_by_is_named(self) -> None:
        self.change(ARRIVED, terms={Term.TRANSFERS: -1})
        self.found("bookings: 0000000005 (transfer t1): equity and the sum of the terms differ by")

    def test_marks_change_with_a_revaluation_only(self) -> None:
        self.change(TRADE, marks={**self.bookings[TRADE].marks, "BTC": 1})
        self.found("0000000003 (trade target/1) changes marks without a revaluation")

    def test_an_opening_without_a_reference_is_named_without_one(self) -> None:
        self.change(OPENING, terms={})
        self.found("bookings: 0000000001 (opening): equity")

    def test_a_trade_of_a_fill_that_the_journal_does_not_have_is_named(self) -> None:
        self.fills.clear()
        self.only("0000000003 books fill target/1, which is not in the journal")

    def test_a_fill_that_was_never_booked_is_named_with_its_time(self) -> None:
        at = NOON + timedelta(microseconds=1)
        self.fills.append(evolve(fill("2"), at=at))
        self.only(f"bookings: fill target/2 of {at} is not booked")

    def test_a_fill_that_is_older_than_the_ledger_need_not_be_booked(self) -> None:
        self.fills.append(evolve(fill("2"), at=NOON))
        self.assertEqual(self.faults(), [])

    def test_a_trade_with_other_amounts_than_its_fill_is_named(self) -> None:
        self.fills[0] = evolve(self.fills[0], venue="target", price=D("62000.124"))
        self.found("books fill target/1 with other amounts than it has")

    def test_a_trade_with_another_fee_than_its_fill_is_named_with_both(self) -> None:
        terms = {**self.bookings[TRADE].terms, Term.FEES: -12402803}
        self.change(TRADE, terms=terms)
        self.found("with a trade fees of -12402803 minor units, it is -12402800")

    def test_half_a_minor_unit_is_what_rounding_may_take_of_a_trade(self) -> None:
        """125 minor units of forint at 0.004 dollars are half a minor unit of dollars: nothing or one is booked."""
        books, tiny = Books("BTC", "USD"), fill(fees={"HUF": D("0.00000125")})
        made = (*books.open(NOON, {}, (), MARKS, D(0)), books.fill(tiny, NOON, D(0)))
        assert made[1] is not None
        for fee, expected in ((-2, True), (-1, False), (0, False), (1, True)):
            trade = evolve(made[1], terms={**made[1].terms, Term.FEES: fee})
            faults = list(faults_of_bookings((made[0], trade), [tiny], (), ()))
            self.assertEqual(any("with a trade fees" in fault for fault in faults), expected, fee)


class MovementTests(AuditCase):
    def test_a_transfer_that_went_further_than_it_is_booked_is_named_with_both(self) -> None:
        self.transfers[0] = evolve(self.transfers[0], arrived=D("0.998"))
        self.only("transfer t1 has 99900000 minor units booked, not 99800000 in target BTC")

    def test_a_transfer_whose_departure_is_not_booked_is_named(self) -> None:
        self.transfers[0] = evolve(self.transfers[0], debited=D("1.1"))
        self.only("transfer t1 has -100000000 minor units booked, not -110000000 in source BTC")

    def test_a_flow_that_was_told_otherwise_since_is_named(self) -> None:
        self.flows = [evolve(FLOW, classified="transfer:t1")]
        self.only("flow k has 500000000 minor units booked, not 0 in source USD")

    def test_a_transfer_that_left_after_the_opening_and_was_never_booked_is_named(self) -> None:
        """It may have been proposed before."""
        left = transfer(TransferState.SENT, id="t2", debited=D(2), departed=NOON + timedelta(seconds=1))
        self.transfers.append(left)
        self.found("transfer t2 has 0 minor units booked, not -200000000 in source BTC")
        self.transfers[-1] = evolve(left, departed=None, created=NOON + timedelta(seconds=1))  # by hand
        self.found("transfer t2 has 0 minor units booked, not 200000000 in :transit BTC")

    def test_a_transfer_that_was_only_called_for_has_moved_nothing(self) -> None:
        called = transfer(TransferState.REQUESTED, id="t2", departed=NOON + timedelta(seconds=1))
        self.transfers.append(called)
        self.assertEqual(self.faults(), [])

    def test_a_flow_that_was_never_booked_is_named(self) -> None:
        self.flows.append(evolve(FLOW, key="new", at=NOON + timedelta(seconds=1)))
        self.only("flow new has 0 minor units booked, not 500000000 in source USD")

    def test_what_was_under_way_at_the_opening_and_arrived_since_has_no_fault(self) -> None:
        books, under_way = Books("BTC", "USD"), transfer(TransferState.SENT, debited=D(1))
        made = books.open(NOON, {("source", "BTC"): D(1)}, (under_way,), MARKS, D(0))
        there = evolve(under_way, state=TransferState.ARRIVED, arrived=D("0.999"))
        self.assertEqual(list(faults_of_bookings(made, (), [under_way], ())), [])
        arrival = books.transfer(there, NOON)
        assert arrival is not None
        self.assertEqual(list(faults_of_bookings([*made, arrival], (), [there], ())), [])

    def test_what_was_never_booked_is_older_than_the_ledger(self) -> None:
        self.transfers.append(transfer(TransferState.ARRIVED, id="t0", debited=D(9), arrived=D(9)))
        self.flows.append(evolve(FLOW, key="old"))
        self.assertEqual(self.faults(), [])

    def test_a_journal_without_a_ledger_has_no_fault(self) -> None:
        self.bookings = []
        self.assertEqual(self.faults(), [])


class CheckpointTests(AuditCase):
    def setUp(self) -> None:
        super().setUp()
        sums = json.loads(json.dumps(self.books.sums(())))
        self.checkpoint = CheckpointEntry("books", 6, self.books.last, sums)

    def wrong(self, spoil: Callable[[dict[str, Any]], object]) -> None:
        assert self.checkpoint is not None
        sums = json.loads(json.dumps(self.checkpoint.sums))
        spoil(sums)
        self.checkpoint = evolve(self.checkpoint, sums=sums)

    def test_one_that_says_what_the_bookings_come_to_has_no_fault(self) -> None:
        self.assertEqual(self.faults(), [])

    def test_one_that_was_made_after_more_than_there_is_is_named(self) -> None:
        self.bookings.pop()
        self.flows.clear()
        self.only("it was made after booking 6, the last one is 5")

    def test_a_balance_that_differs_is_named_with_both(self) -> None:
        self.wrong(lambda sums: sums["balances"][-1].__setitem__(2, 7))
        self.found("is 7 minor units, the bookings come to")

    def test_a_balance_that_it_lacks_or_has_besides_is_named(self) -> None:
        self.wrong(lambda sums: sums["balances"].append(["source", "XYZ", 5]))
        self.only("source XYZ is 5 minor units, the bookings come to 0")
        self.setUp()
        self.wrong(lambda sums: sums["balances"].remove(["source", "USD", 100_500_000_000]))
        self.only("source USD is 0 minor units, the bookings come to 100500000000")

    def test_another_opening_time_or_exposure_is_named(self) -> None:
        for spoil in (
            lambda sums: sums.__setitem__("opened", None),
            lambda sums: sums.__setitem__("exposure", "0.3"),
        ):
            self.setUp()
            self.wrong(spoil)
            self.only("opening, time or exposure are not those of the bookings")
        self.setUp()
        assert self.checkpoint is not None
        self.checkpoint = evolve(self.checkpoint, at=NOON)
        self.only("opening, time or exposure are not those of the bookings")

    def test_other_marks_or_results_are_named(self) -> None:
        for what, spoil in (
            ("marks", lambda sums: sums["marks"].__setitem__("BTC", 1)),
            ("since", lambda sums: sums["since"].__setitem__(1, sums["since"][1] + FINE)),
            ("days", lambda sums: sums["days"].clear()),
        ):
            self.setUp()
            self.wrong(spoil)
            self.only(f"its {what} are not what the bookings come to")

    def test_what_it_lacks_or_has_besides_of_a_transfer_is_named(self) -> None:
        self.wrong(lambda sums: sums["booked"].pop("t1"))
        self.only("t1 is not booked as it was")
        self.setUp()
        self.wrong(lambda sums: sums["booked"].__setitem__("t9", [["source", "BTC", 1]]))
        self.only("t9 is not booked as it was")
