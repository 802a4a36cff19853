"""Which record belongs to which transfer."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal as D
from typing import Any

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Transaction
from ilp.journal.entries import TransferEntry, TransferState
from ilp.trading.arrivals import (
    Ambiguous,
    Cleared,
    Foreign,
    Record,
    identified,
    interest_of,
    match_deposit,
    match_withdrawal,
    near,
    records_from_ledger,
    records_of,
)
from tests.journal.samples import NOON, at, transfer


def sent(id: str = "t1", amount: str = "1", seconds: float = 0, **more: Any) -> TransferEntry:
    """Bitcoin on the way to the target; a charge of 0.0001 is still to come."""
    values: dict[str, Any] = {
        "amount": D(amount),
        "expected": D(amount) - D("0.0001"),
        "address": "ours",
        "departed": at(seconds),
        "manual": False,
    }
    return transfer(id, TransferState.SENT, seconds, **{**values, **more})


def deposit(amount: str = "0.9999", seconds: float = 60, **more: Any) -> Record:
    """A bitcoin deposit at the target."""
    values: dict[str, Any] = {
        "venue": "target",
        "direction": "deposit",
        "id": "d1",
        "asset": "BTC",
        "amount": D(amount),
        "fee": D(0),
        "address": None,
        "reference": None,
        "status": "done",
        "at": at(seconds),
    }
    return Record(**{**values, **more})


def withdrawal(amount: str = "1", seconds: float = 60, **more: Any) -> Record:
    """A bitcoin withdrawal at the source."""
    return evolve(deposit(amount, seconds), venue="source", direction="withdrawal", id="w1", **more)


class DepositTests(SynchronousTestCase):
    """`match_deposit`."""

    def test_asset_amount_and_time_are_enough(self) -> None:
        self.assertEqual(match_deposit(deposit(), [sent()]), Cleared("t1"))

    def test_one_percent_less_or_more_is_the_same_amount(self) -> None:
        self.assertEqual(match_deposit(deposit("0.99"), [sent()]), Cleared("t1"))
        self.assertEqual(match_deposit(deposit("1.0098"), [sent()]), Cleared("t1"))

    def test_more_than_one_percent_is_another_amount(self) -> None:
        self.assertEqual(match_deposit(deposit("0.9899"), [sent()]), Foreign())
        self.assertEqual(match_deposit(deposit("1.01"), [sent()]), Foreign())

    def test_the_receivers_own_charge_is_deducted_first(self) -> None:
        self.assertEqual(match_deposit(deposit("1.02", fee=D("0.0201")), [sent()]), Cleared("t1"))

    def test_another_asset_or_venue_is_another_deposit(self) -> None:
        self.assertEqual(match_deposit(deposit(asset="LTC"), [sent()]), Foreign())
        self.assertEqual(match_deposit(deposit(venue="source"), [sent()]), Foreign())

    def test_a_deposit_older_than_the_transfer_is_not_its_arrival(self) -> None:
        self.assertEqual(match_deposit(deposit(seconds=-301), [sent()]), Foreign())

    def test_clocks_may_differ_by_five_minutes(self) -> None:
        self.assertEqual(match_deposit(deposit(seconds=-300), [sent()]), Cleared("t1"))

    def test_two_equal_amounts_are_matched_by_age(self) -> None:
        self.assertEqual(match_deposit(deposit(), [sent("young", seconds=30), sent("old")]), Cleared("old"))

    def test_two_different_amounts_are_for_the_operator(self) -> None:
        found = match_deposit(deposit("1.0024"), [sent("a", "1"), sent("b", "1.005")])
        self.assertEqual(found, Ambiguous(("a", "b")))

    def test_an_address_narrows_the_choice(self) -> None:
        candidates = [sent("a", "1", address="other"), sent("b", "1.005", address="ours")]
        self.assertEqual(match_deposit(deposit("1.0024", address="ours"), candidates), Cleared("b"))

    def test_an_address_alone_decides_nothing(self) -> None:
        self.assertEqual(match_deposit(deposit("0.5", address="ours"), [sent()]), Foreign())

    def test_an_unknown_address_excludes_nothing(self) -> None:
        self.assertEqual(match_deposit(deposit(address="somewhere"), [sent()]), Cleared("t1"))

    def test_a_transaction_id_decides_before_amount_and_age(self) -> None:
        candidates = [sent("old"), sent("young", "3", seconds=9, reference="AbC")]
        self.assertEqual(match_deposit(deposit(reference="abc"), candidates), Cleared("young"))

    def test_a_transfer_known_under_another_transaction_id_is_not_this_one(self) -> None:
        self.assertEqual(match_deposit(deposit(reference="abc"), [sent(reference="xyz")]), Foreign())

    def test_a_transaction_that_carries_two_transfers_is_told_apart_by_amount(self) -> None:
        candidates = [sent("one", "1", reference="abc"), sent("two", "2", reference="abc")]
        self.assertEqual(match_deposit(deposit("1.9999", reference="abc"), candidates), Cleared("two"))

    def test_a_conversion_may_arrive_at_another_rate(self) -> None:
        converting = sent(to_asset="HUF", asset="USD", amount=D(1000), expected=D(200_000))
        self.assertEqual(match_deposit(deposit("193000", asset="HUF"), [converting]), Cleared("t1"))
        self.assertEqual(match_deposit(deposit("190000", asset="HUF"), [converting]), Foreign())

    def test_only_what_may_be_under_way_can_arrive(self) -> None:
        for state in TransferState:
            found = match_deposit(deposit(), [evolve(sent(arrived=D("0.9999")), state=state)])
            may = state in {
                TransferState.PLANNED,
                TransferState.REQUESTED,
                TransferState.SENT,
                TransferState.UNCERTAIN,
                TransferState.ARRIVED,  # the operator said so before it was found in the records
            }
            self.assertEqual(found, Cleared("t1") if may else Foreign(), state)

    def test_a_planned_one_that_was_never_called_cannot_arrive(self) -> None:
        self.assertEqual(match_deposit(deposit(), [evolve(sent(called=False), state=TransferState.PLANNED)]), Foreign())

    def test_what_the_operator_saw_arrive_comes_first(self) -> None:
        spoken = evolve(sent("a", "1.005"), state=TransferState.ARRIVED, arrived=D("0.9999"))
        self.assertEqual(match_deposit(deposit(), [spoken, sent("b")]), Cleared("a"))

    def test_of_two_that_the_operator_saw_arrive_alike_it_is_the_oldest(self) -> None:
        """Both have arrived, so nobody could be asked any more."""
        amounts = {"young": "1", "old": "1.005"}
        spoken = [
            evolve(
                sent(id, amount, seconds=9 if id == "young" else 0), state=TransferState.ARRIVED, arrived=D("1.0024")
            )
            for id, amount in amounts.items()
        ]
        self.assertEqual(match_deposit(deposit("1.0024"), spoken), Cleared("old"))

    def test_what_the_operator_saw_arrive_is_compared_with_what_he_saw(self) -> None:
        spoken = evolve(sent("a"), state=TransferState.ARRIVED, arrived=D("0.5"))
        self.assertEqual(match_deposit(deposit("0.5"), [spoken]), Cleared("a"))
        self.assertEqual(match_deposit(deposit("0.9999"), [spoken]), Foreign())

    def test_what_the_operator_saw_arrive_of_a_conversion_needs_no_wide_tolerance_any_more(self) -> None:
        converted = evolve(
            sent(to_asset="HUF", asset="USD", amount=D(1000), expected=D(200_000)),
            state=TransferState.ARRIVED,
            arrived=D(200_000),
        )
        self.assertEqual(match_deposit(deposit("193000", asset="HUF"), [converted]), Foreign())
        self.assertEqual(match_deposit(deposit("199000", asset="HUF"), [converted]), Cleared("t1"))

    def test_the_clock_of_a_transfer_by_hand_starts_with_its_proposal(self) -> None:
        """The operator says that it was sent after having sent it."""
        by_hand = sent(seconds=900, manual=True, created=NOON)
        self.assertEqual(match_deposit(deposit(seconds=60), [by_hand]), Cleared("t1"))

    def test_the_clock_of_any_other_transfer_starts_with_its_departure(self) -> None:
        """It may have waited long for its turn."""
        waited = sent(departed=at(900), created=NOON)
        self.assertEqual(match_deposit(deposit(seconds=60), [waited]), Foreign())

    def test_one_whose_departure_nobody_saw_is_as_old_as_its_proposal(self) -> None:
        unseen = sent(departed=None, created=NOON)
        self.assertEqual(match_deposit(deposit(seconds=60), [unseen]), Cleared("t1"))

    def test_a_deposit_that_names_no_transaction_may_be_of_a_transfer_that_does(self) -> None:
        self.assertEqual(match_deposit(deposit(), [sent(reference="xyz")]), Cleared("t1"))

    def test_a_transaction_that_brings_a_little_more_than_expected_is_told_apart_too(self) -> None:
        candidates = [sent("one", "1", reference="abc"), sent("two", "2", reference="abc")]
        self.assertEqual(match_deposit(deposit("2.01", reference="abc"), candidates), Cleared("two"))

    def test_a_record_without_an_address_does_not_prefer_transfers_without_one(self) -> None:
        candidates = [sent("a", "1", address=""), sent("b", "1.005")]
        self.assertEqual(match_deposit(deposit("1.0024", address=""), candidates), Ambiguous(("a", "b")))

    @given(st.permutations(["a", "b", "c"]))
    @settings(deadline=None, max_examples=6)
    def test_the_order_of_the_candidates_does_not_matter(self, names: list[str]) -> None:
        ages = {"a": 0, "b": 10, "c": 20}
        self.assertEqual(match_deposit(deposit(), [sent(name, seconds=ages[name]) for name in names]), Cleared("a"))


class WithdrawalTests(SynchronousTestCase):
    """`match_withdrawal`."""

    def asked(self, id: str = "t1", amount: str = "1", **more: Any) -> TransferEntry:
        """Requested, not yet recognised in the records."""
        return evolve(sent(id, amount), state=TransferState.REQUESTED, **more)

    def test_the_venues_own_id_decides(self) -> None:
        candidates = [self.asked("a"), self.asked("b", "3", withdrawal_id="w1")]
        self.assertEqual(match_withdrawal(withdrawal(), candidates), Cleared("b"))

    def test_one_with_another_id_is_not_this_one(self) -> None:
        self.assertEqual(match_withdrawal(withdrawal(), [self.asked(withdrawal_id="w2")]), Foreign())

    def test_amount_address_and_time_are_enough(self) -> None:
        self.assertEqual(match_withdrawal(withdrawal(address="ours"), [self.asked()]), Cleared("t1"))

    def test_a_withdrawal_to_another_address_is_not_ours(self) -> None:
        self.assertEqual(match_withdrawal(withdrawal(address="somewhere"), [self.asked()]), Foreign())

    def test_one_sent_by_hand_may_go_to_any_address(self) -> None:
        self.assertEqual(match_withdrawal(withdrawal(address="x"), [self.asked(manual=True)]), Cleared("t1"))

    def test_the_exact_amount_comes_before_a_near_one(self) -> None:
        candidates = [self.asked("near", "1.002"), self.asked("exact", "1")]
        self.assertEqual(match_withdrawal(withdrawal(), candidates), Cleared("exact"))

    def test_of_several_that_have_all_left_it_is_the_nearest_in_amount_and_then_the_oldest(self) -> None:
        """The venue takes its fee on top; all of them have left, so nobody could be asked."""
        left = [self.asked("a", "1"), evolve(self.asked("b", "1.005"), state=TransferState.SENT)]
        self.assertEqual(match_withdrawal(withdrawal("1.001"), left), Cleared("a"))
        self.assertEqual(match_withdrawal(withdrawal("1.006"), left), Cleared("b"))
        self.assertEqual(match_withdrawal(withdrawal("1.0025"), left[::-1]), Cleared("a"))

    def test_where_one_may_not_have_left_the_operator_is_asked(self) -> None:
        doubted = evolve(self.asked("a", "1"), state=TransferState.UNCERTAIN)
        found = match_withdrawal(withdrawal("1.001"), [doubted, self.asked("b", "1.005")])
        self.assertEqual(found, Ambiguous(("a", "b")))

    def test_a_withdrawal_before_the_call_is_not_its_own(self) -> None:
        self.assertEqual(match_withdrawal(withdrawal(seconds=-301), [self.asked()]), Foreign())

    def test_one_under_way_comes_before_one_that_failed(self) -> None:
        failed = evolve(self.asked("failed"), state=TransferState.FAILED, created=NOON - timedelta(minutes=1))
        self.assertEqual(match_withdrawal(withdrawal(), [failed, self.asked("live")]), Cleared("live"))

    def test_one_that_failed_may_have_left_all_the_same(self) -> None:
        failed = evolve(self.asked(), state=TransferState.FAILED)
        self.assertEqual(match_withdrawal(withdrawal(), [failed]), Cleared("t1"))

    def test_another_asset_or_venue_is_another_withdrawal(self) -> None:
        self.assertEqual(match_withdrawal(withdrawal(asset="LTC"), [self.asked()]), Foreign())
        self.assertEqual(match_withdrawal(evolve(withdrawal(), venue="target"), [self.asked()]), Foreign())

    def test_clocks_may_differ_by_five_minutes(self) -> None:
        self.assertEqual(match_withdrawal(withdrawal(seconds=-300), [self.asked()]), Cleared("t1"))

    def test_a_transfer_whose_address_is_unknown_may_go_to_any(self) -> None:
        self.assertEqual(match_withdrawal(withdrawal(address="x"), [self.asked(address="")]), Cleared("t1"))

    def test_another_amount_is_another_withdrawal(self) -> None:
        self.assertEqual(match_withdrawal(withdrawal("1.02"), [self.asked()]), Foreign())

    def test_one_that_failed_before_the_venue_was_called_did_not_leave(self) -> None:
        failed = evolve(self.asked(), state=TransferState.FAILED, called=False)
        self.assertEqual(match_withdrawal(withdrawal(), [failed]), Foreign())

    def test_one_that_failed_is_recognised_by_its_exact_amount_only(self) -> None:
        failed = evolve(self.asked(), state=TransferState.FAILED)
        self.assertEqual(match_withdrawal(withdrawal("1.001"), [failed]), Foreign())

    def test_a_line_of_the_ledger_may_be_of_a_transfer_that_the_venue_calls_otherwise(self) -> None:
        """Its id is ours: the venue's answer to the request has another one."""
        asked = self.asked(withdrawal_id="w2")
        self.assertEqual(match_withdrawal(evolve(withdrawal(), derived=True), [asked]), Cleared("t1"))

    def test_a_line_of_the_ledger_is_not_of_a_transfer_that_another_line_has_debited(self) -> None:
        debited = self.asked(withdrawal_id="w2", debited=D(1))
        self.assertEqual(match_withdrawal(evolve(withdrawal(), derived=True), [debited]), Foreign())

    def test_the_record_in_which_a_transfer_was_recognised_is_no_other_one(self) -> None:
        self.assertFalse(identified(self.asked(withdrawal_id="w1", debited=D(1)), withdrawal()))
        self.assertTrue(identified(self.asked(withdrawal_id="w2"), withdrawal()))
        self.assertFalse(identified(self.asked(), withdrawal()))


class RecordTests(SynchronousTestCase):
    """Records out of what clients answer."""

    def line(self, **more: Any) -> Transaction:
        """A line of the ledger."""
        values: dict[str, Any] = {
            "contract": "BTC",
            "timestamp": NOON,
            "quantity": D("1.50"),
            "type": "Deposit",
            "direction": "credit",
            "balance": None,
            "note": "address",
        }
        return Transaction(**{**values, **more})

    def test_a_ledger_gives_deposits_and_withdrawals_only(self) -> None:
        lines = [
            self.line(),
            self.line(type="Withdrawal", direction="debit"),
            self.line(type="Trade"),
            self.line(type="Deposit", direction="debit", note="Fee"),
            self.line(quantity=D(0)),
        ]
        self.assertEqual([r.direction for r in records_from_ledger("v", lines)], ["deposit", "withdrawal"])

    def test_a_record_from_a_ledger_keeps_its_id_however_much_is_read(self) -> None:
        later = self.line(timestamp=at(5))
        whole = records_from_ledger("v", [self.line(), later])
        self.assertEqual(records_from_ledger("v", [later]), whole[1:])

    def test_two_equal_lines_of_one_instant_are_two_records(self) -> None:
        found = records_from_ledger("v", [self.line(), self.line()])
        self.assertEqual(len({r.key for r in found}), 2)

    def test_the_ids_of_a_ledgers_records_are_those_that_journals_have_kept(self) -> None:
        found = records_from_ledger("v", [self.line(), self.line()])
        stem = "20150314T120000.123456:BTC:1.5:address"
        self.assertEqual([r.id for r in found], [f"{stem}:1", f"{stem}:2"])

    def test_a_ledgers_record_has_no_charge_and_an_id_of_ours(self) -> None:
        (found,) = records_from_ledger("v", [self.line()])
        self.assertEqual((found.fee, found.derived, found.address, found.status), (D(0), True, "address", "done"))

    def test_a_ledger_tells_the_interest_that_was_earned_and_paid(self) -> None:
        lines = [
            self.line(type="Interest", timestamp=at(5), quantity=D(3), direction="debit"),
            self.line(type="Interest"),
            self.line(),
            self.line(type="Interest", quantity=D(0)),
        ]
        found = interest_of("v", lines)
        self.assertEqual(
            [(r.direction, r.amount, r.change) for r in found],
            [("interest", D("1.50"), D("1.50")), ("interest", -3, -3)],
        )
        self.assertEqual([r.direction for r in records_from_ledger("v", lines)], ["deposit"])

    def test_money_that_moved_has_no_sign_of_its_own(self) -> None:
        (paid,) = records_from_ledger("v", [self.line(type="Withdrawal", direction="debit")])
        self.assertEqual((paid.amount, paid.change), (D("1.50"), D("-1.50")))

    def test_a_ledgers_line_without_a_note_has_no_address(self) -> None:
        (found,) = records_from_ledger("v", [self.line(note="")])
        self.assertIsNone(found.address)

    def test_the_balance_changes_by_a_deposit_less_its_fee(self) -> None:
        self.assertEqual(deposit("1", fee=D("0.1")).change, D("0.9"))

    def test_the_balance_changes_by_a_withdrawal_with_its_fee(self) -> None:
        self.assertEqual(withdrawal("1", fee=D("0.1")).change, D(-1))

    def test_what_failed_changes_the_balance_by_a_withdrawals_fee_at_most(self) -> None:
        self.assertEqual(withdrawal("1", status="failed").change, D(0))
        self.assertEqual(withdrawal("1", status="failed", fee=D("0.1")).change, D("-0.1"))
        self.assertEqual(deposit("1", status="failed", fee=D("0.1")).change, D(0))

    def test_records_are_oldest_first(self) -> None:
        young, old = ({"id": str(s), "timestamp": at(s)} for s in (9, 1))
        rest = {
            "direction": "deposit",
            "ticker": "BTC",
            "amount": D(1),
            "fee": D(0),
            "address": None,
            "reference": None,
            "status": "done",
        }
        found = records_of("v", [{**rest, **young}, {**rest, **old}])
        self.assertEqual([r.id for r in found], ["1", "9"])

    def test_near_is_a_fraction_of_what_was_wanted(self) -> None:
        self.assertTrue(near(D(99), D(100)))
        self.assertFalse(near(D("98.9"), D(100)))
        self.assertTrue(near(D(-99), D(-100)))
