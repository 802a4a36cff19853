"""Every pair of state and event: listed, or changes nothing and is reported."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal as D

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from ilp.journal.entries import FINAL_TRANSFER_STATES, TransferEntry, TransferState
from ilp.trading.transfers_machine import ACTIONS, TABLE, Action, Event, Unlisted, actions, step
from tests.journal.samples import NOON, transfer

S, E = TransferState, Event
LATER = NOON + timedelta(minutes=5)
BEFORE_THE_CALL = {E.RETRACTED, E.WITHDRAWN, E.DROPPED, E.LAPSED, E.CALLING}

# The states as the description has them, written down again from its sentences.
LISTED = {
    S.PROPOSED: {
        E.REVISED: S.PROPOSED,
        E.WITHDRAWN: S.CANCELLED,
        E.RELEASED: S.PLANNED,
        E.APPROVED: S.PLANNED,
        E.SAID_SENT: S.SENT,
        E.DROPPED: S.CANCELLED,
    },
    S.PLANNED: {
        E.RETRACTED: S.PROPOSED,
        E.WITHDRAWN: S.CANCELLED,
        E.DROPPED: S.CANCELLED,
        E.LAPSED: S.PROPOSED,
        E.CALLING: S.PLANNED,
        E.ACCEPTED: S.REQUESTED,
        E.REFUSED: S.FAILED,
        E.UNSENT: S.PLANNED,
        E.TURNED_AWAY: S.CANCELLED,
        E.UNSUPPORTED: S.PROPOSED,
        E.LOST: S.UNCERTAIN,
        E.DEBITED: S.SENT,
        E.PAID: S.ARRIVED,
        E.CREDITED: S.ARRIVED,
        E.BOUNCED: S.FAILED,
    },
    S.REQUESTED: {
        E.DEBITED: S.SENT,
        E.PAID: S.ARRIVED,
        E.CREDITED: S.ARRIVED,
        E.BOUNCED: S.FAILED,
        E.SAID_ARRIVED: S.ARRIVED,
        E.RESOLVED_NOT: S.FAILED,
    },
    S.SENT: {
        E.ACCEPTED: S.SENT,
        E.LOST: S.SENT,
        E.DEBITED: S.SENT,
        E.PAID: S.ARRIVED,
        E.CREDITED: S.ARRIVED,
        E.BOUNCED: S.FAILED,
        E.SAID_ARRIVED: S.ARRIVED,
        E.RESOLVED_NOT: S.FAILED,
    },
    S.UNCERTAIN: {
        E.DEBITED: S.SENT,
        E.PAID: S.ARRIVED,
        E.CREDITED: S.ARRIVED,
        E.BOUNCED: S.FAILED,
        E.RESOLVED_LEFT: S.SENT,
        E.RESOLVED_NOT: S.FAILED,
    },
    S.ARRIVED: {
        E.ACCEPTED: S.ARRIVED,
        E.LOST: S.ARRIVED,
        E.DEBITED: S.ARRIVED,
        E.CREDITED: S.ARRIVED,
        E.BOUNCED: S.FAILED,
    },
    S.FAILED: {E.DEBITED: S.SENT, E.PAID: S.ARRIVED},
    S.CANCELLED: {},
}


def entry(state: TransferState, *, called: bool = True) -> TransferEntry:
    """A transfer in *state*."""
    return transfer(state=state, called=called)


class TableTests(SynchronousTestCase):
    """The table and nothing but the table."""

    def test_the_table_is_what_is_listed_here(self) -> None:
        found = {(state, event): after for state, row in LISTED.items() for event, after in row.items()}
        self.assertEqual(dict(TABLE), found)

    def test_every_listed_pair_leads_where_it_says(self) -> None:
        for (state, event), after in TABLE.items():
            before = entry(state, called=event not in BEFORE_THE_CALL)
            found = step(before, event, LATER, "why")
            self.assertEqual((found.state, found.note), (after, "why"), (state, event))

    def test_every_other_pair_changes_nothing_and_is_reported(self) -> None:
        others = [(state, event) for state in S for event in E if (state, event) not in TABLE]
        self.assertEqual(len(others), len(S) * len(E) - len(TABLE))
        for state, event in others:
            before = entry(state)
            with self.assertRaisesRegex(Unlisted, f"t1 is {state}"):
                step(before, event, LATER, "why")
            self.assertEqual(before, entry(state))

    def test_a_called_transfer_cannot_be_called_or_taken_back_any_more(self) -> None:
        for event in sorted(BEFORE_THE_CALL):
            with self.assertRaisesRegex(Unlisted, "PLANNED, called"):
                step(entry(S.PLANNED), event, LATER, "why")

    def test_a_proposal_that_the_client_could_not_make_may_still_be_given_up_or_go_by_hand(self) -> None:
        """The venue was called, and its client knew no such call."""
        before = evolve(entry(S.PROPOSED), manual=True)
        for event in (E.DROPPED, E.WITHDRAWN):
            self.assertIs(step(before, event, LATER, "why").state, S.CANCELLED)
        self.assertIs(step(before, E.SAID_SENT, LATER, "why").state, S.SENT)

    def test_the_report_says_of_a_planned_one_alone_whether_it_was_called(self) -> None:
        for before, words in (
            (entry(S.PLANNED), "transfer t1 is PLANNED, called: "),
            (entry(S.PLANNED, called=False), "transfer t1 is PLANNED: "),
            (entry(S.SENT), "transfer t1 is SENT: "),
        ):
            self.assertTrue(str(Unlisted(before, E.REVISED)).startswith(words), words)

    def test_only_the_venues_records_reopen_a_final_state(self) -> None:
        reopened = {
            event for (state, event), after in TABLE.items() if state in FINAL_TRANSFER_STATES and after != state
        }
        self.assertEqual(reopened, {E.BOUNCED, E.DEBITED, E.PAID})

    def test_nothing_but_a_call_or_an_operator_begins_a_departure(self) -> None:
        """PROPOSED reaches a state in which money may be gone only through these."""
        leaving = {
            event for (state, event), after in TABLE.items() if state is S.PROPOSED and after in (S.PLANNED, S.SENT)
        }
        self.assertEqual(leaving, {E.RELEASED, E.APPROVED, E.SAID_SENT})


class StepTests(SynchronousTestCase):
    """What goes along with a change."""

    def test_the_time_of_a_change_of_state_is_kept_with_its_author(self) -> None:
        found = step(entry(S.PROPOSED, called=False), E.APPROVED, LATER, "yes", "alice")
        self.assertEqual((found.since, found.by, found.created), (LATER, "alice", NOON))

    def test_staying_in_a_state_keeps_time_and_author(self) -> None:
        before = evolve(entry(S.SENT), by="alice")
        found = step(before, E.DEBITED, LATER, "found in the records")
        self.assertEqual((found.since, found.by), (NOON, "alice"))

    def test_further_changes_come_along(self) -> None:
        self.assertEqual(step(entry(S.SENT), E.CREDITED, LATER, "", arrived=D(1)).arrived, D(1))


class ActionTests(SynchronousTestCase):
    """What the operator may do."""

    def test_every_action_of_the_interface_is_possible_in_some_state(self) -> None:
        self.assertEqual({action for row in ACTIONS.values() for action in row}, set(Action))

    def test_a_proposal_may_be_approved_sent_or_cancelled(self) -> None:
        self.assertEqual(actions(entry(S.PROPOSED)), (Action.APPROVE, Action.SENT, Action.CANCEL))

    def test_a_manual_proposal_cannot_be_approved(self) -> None:
        self.assertEqual(actions(evolve(entry(S.PROPOSED), manual=True)), (Action.SENT, Action.CANCEL))

    def test_a_planned_transfer_may_be_cancelled_until_it_is_called(self) -> None:
        self.assertEqual(actions(entry(S.PLANNED, called=False)), (Action.CANCEL,))
        self.assertEqual(actions(entry(S.PLANNED)), ())

    def test_an_uncertain_one_may_only_be_resolved(self) -> None:
        self.assertEqual(actions(entry(S.UNCERTAIN)), (Action.RESOLVE,))

    def test_what_is_under_way_may_be_said_to_have_arrived_or_not_to_have_left(self) -> None:
        for state in (S.REQUESTED, S.SENT):
            self.assertEqual(actions(entry(state)), (Action.ARRIVED, Action.RESOLVE))

    def test_a_payout_by_hand_does_not_arrive_anywhere_either(self) -> None:
        self.assertEqual(actions(evolve(entry(S.SENT), to_venue="", manual=True)), (Action.RESOLVE,))

    def test_a_payout_does_not_arrive_anywhere(self) -> None:
        self.assertEqual(actions(evolve(entry(S.SENT), to_venue="")), (Action.RESOLVE,))

    def test_nothing_is_to_be_done_about_a_final_one(self) -> None:
        for state in FINAL_TRANSFER_STATES:
            self.assertEqual(actions(entry(state)), ())
