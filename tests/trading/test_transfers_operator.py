"""What an operator does with transfers, and what they are told when it is not possible."""

from __future__ import annotations

from decimal import Decimal as D

from attrs import evolve
from twisted.internet.defer import Deferred, fail
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import OutcomeUnknown, Unreachable
from ilp.accounts.postings import flow_position, transfer_position
from ilp.accounts.units import amount_of
from ilp.journal.entries import TransferEntry, TransferState
from ilp.journal.interface import JournalError
from ilp.trading.transfers import TransferError
from tests.trading.transfers_fakes import FEE, NOON, Pair, WantedTransfer, coins, dollars, payout, rules

S = TransferState


class Operating(SynchronousTestCase):
    """Two venues, and rules by which nothing goes without the operator."""

    def setUp(self) -> None:
        self.pair = Pair(rules=rules(automatic=frozenset(), approval_limit=D(0)))
        self.pair.refresh()

    def proposed(self, move: WantedTransfer) -> TransferEntry:
        (entry,) = self.successResultOf(self.pair.plan(move))
        return entry

    def act(self, action: str, amount: str | None = None, note: str | None = None, id: str = "t1") -> TransferEntry:
        """Do it."""
        value = None if amount is None else D(amount)
        return self.successResultOf(self.pair.transfers.act("alice", id, action, value, note))

    def refused(self, action: str, amount: str | None = None, note: str | None = None, id: str = "t1") -> str:
        """Why it is not possible; nothing changes by it."""
        before = self.pair.transfers.entries
        value = None if amount is None else D(amount)
        failure = self.failureResultOf(self.pair.transfers.act("alice", id, action, value, note), TransferError)
        self.assertEqual(self.pair.transfers.entries, before)
        return failure.getErrorMessage()

    def totals(self, asset: str) -> tuple[D, D]:
        """At the source and at the target."""
        return self.pair.total("source", asset), self.pair.total("target", asset)


class ApprovalTests(Operating):
    """*approve*."""

    def left_by_hand(self) -> None:
        """Somebody withdraws what is proposed, past the pool."""
        self.pair.world.pass_(60)
        self.pair.source.balances["BTC"] -= 1
        self.pair.source.record("withdrawal", "BTC", D(1), "target's BTC address", None)
        self.pair.refresh()

    def test_what_seems_to_have_left_is_not_sent_before_somebody_has_explained_that(self) -> None:
        self.proposed(coins())
        self.left_by_hand()
        self.assertIn(
            "t1 may have left already: nobody has explained the 1 BTC that left source at 2015-03-14 12:01:00 UTC",
            self.refused("approve"),
        )
        (flow,) = self.pair.transfers.flows
        self.successResultOf(self.pair.transfers.classify("alice", flow.key, "the owner's own"))
        self.assertIs(self.act("approve").state, S.REQUESTED)

    def test_what_seems_to_have_left_is_said_to_have_been_sent(self) -> None:
        self.proposed(coins())
        self.left_by_hand()
        self.assertIs(self.act("sent", "1").state, S.SENT)
        self.assertEqual(self.pair.source.calls, [])
        self.assertEqual([flow.classified for flow in self.pair.transfers.flows], ["transfer:t1"])

    def test_what_left_before_it_was_proposed_or_in_another_amount_does_not_hinder(self) -> None:
        self.left_by_hand()
        self.pair.world.pass_(1)
        self.proposed(coins())
        self.pair.source.balances["BTC"] -= 2
        self.pair.source.record("withdrawal", "BTC", D(2), "somebody's", None)
        self.pair.refresh()
        self.assertIs(self.act("approve").state, S.REQUESTED)

    def test_an_approved_transfer_is_sent_in_the_users_name(self) -> None:
        self.proposed(coins())
        entry = self.act("approve")
        self.assertEqual((entry.state, len(self.pair.source.calls)), (S.REQUESTED, 1))
        history = self.successResultOf(self.pair.journal.transfers(self.pair.world.now()))
        self.assertEqual(history, (entry,))

    def test_the_one_who_approved_is_kept_while_it_waits(self) -> None:
        self.proposed(coins())
        self.pair.source.answer = lambda id: fail(Unreachable("source", "withdrawing", "not connected"))
        self.assertEqual(self.act("approve").by, "alice")

    def test_approving_twice_sends_once(self) -> None:
        self.proposed(coins())
        self.act("approve")
        self.assertIn("t1 is REQUESTED: 'approve' is not possible, but arrived, resolve is", self.refused("approve"))
        self.assertEqual(len(self.pair.source.calls), 1)

    def test_a_manual_transfer_cannot_be_approved(self) -> None:
        self.proposed(dollars())
        self.assertIn("but sent, cancel is", self.refused("approve"))

    def test_a_payout_is_final_once_it_is_debited(self) -> None:
        self.proposed(payout())
        self.assertIs(self.act("approve").state, S.REQUESTED)
        self.assertEqual(self.pair.total("source", "USD"), D(9_000))
        self.pair.source.debit()
        self.pair.refresh()
        (entry,) = self.pair.transfers.entries
        self.assertEqual((entry.state, entry.arrived), (S.ARRIVED, D(950)))
        self.assertEqual(self.pair.total("source", "USD"), D(9_000))

    def test_a_payout_that_the_bank_sends_back_has_failed(self) -> None:
        self.proposed(payout())
        self.act("approve")
        record = self.pair.source.debit()
        self.pair.refresh()
        self.pair.source.bounce(record)
        self.pair.refresh()
        self.assertEqual((self.pair.states(), self.pair.total("source", "USD")), (["FAILED"], D(10_000)))

    def test_a_receiver_without_an_address_now_is_said_so(self) -> None:
        self.proposed(coins())
        self.pair.target.address = lambda asset: fail(Unreachable("target", "reading an address", "not connected"))
        self.assertIn("target gives no address now", self.refused("approve"))

    def test_nothing_is_approved_beside_an_uncertain_one(self) -> None:
        """Two on one lane are the work of earlier versions or of a late discovery; even then nothing more leaves."""
        self.proposed(coins())
        self.pair.transfers._book.put(evolve(self.pair.transfers.entries[0], id="t0", state=S.UNCERTAIN, called=True))
        self.assertIn("transfer t0 on the same lane is UNCERTAIN", self.refused("approve"))

    def test_one_that_a_plan_changed_meanwhile_is_to_be_looked_at_again(self) -> None:
        self.proposed(coins())
        answer: Deferred[str] = Deferred()
        self.pair.target.address = lambda asset: answer
        approving = self.pair.transfers.act("alice", "t1", "approve", None, None)
        self.pair.transfers._book.put(evolve(self.pair.transfers.entries[0], amount=D(3)))
        answer.callback("there")
        self.assertIn("has just changed", self.failureResultOf(approving, TransferError).getErrorMessage())
        self.assertEqual(self.pair.source.calls, [])

    def test_an_approval_that_cannot_be_journaled_sends_nothing(self) -> None:
        self.proposed(coins())
        self.pair.journal.full = True
        self.failureResultOf(self.pair.transfers.act("alice", "t1", "approve", None, None), JournalError)
        self.assertEqual((self.pair.states(), self.pair.source.calls), (["PROPOSED"], []))

    def test_a_word_that_cannot_be_journaled_changes_nothing(self) -> None:
        self.proposed(dollars())
        self.pair.journal.full = True
        self.failureResultOf(self.pair.transfers.act("alice", "t1", "sent", D(1000), None), JournalError)
        self.assertEqual((self.pair.states(), self.totals("USD")[0]), (["PROPOSED"], D(10_000)))


class SentTests(Operating):
    """*sent*, with the amount really sent."""

    def setUp(self) -> None:
        super().setUp()
        self.proposed(dollars())

    def test_it_is_in_transit_from_then_on(self) -> None:
        entry = self.act("sent", "1000")
        self.assertEqual((entry.state, entry.manual, entry.by), (S.SENT, True, "alice"))
        self.assertEqual((self.pair.total("source", "USD"), self.pair.total("target", "HUF")), (D(9_000), D(1_200_000)))

    def test_the_amount_really_sent_counts(self) -> None:
        self.act("sent", "500")
        self.assertEqual((self.pair.total("source", "USD"), self.pair.total("target", "HUF")), (D(9_500), D(1_100_000)))

    def test_the_venues_record_of_it_is_recognised_later(self) -> None:
        self.act("sent", "1000")
        self.pair.source.requests.append(("w1", "USD", D(1000), "my own bank"))
        self.pair.source.debit()
        self.pair.refresh()
        self.assertEqual((self.pair.total("source", "USD"), self.pair.transfers.flows), (D(9_000), ()))

    def test_the_venues_record_of_it_may_have_come_first(self) -> None:
        self.pair.source.requests.append(("w1", "USD", D(1000), "my own bank"))
        self.pair.source.debit()
        self.pair.refresh()
        self.assertEqual(len(self.pair.transfers.flows), 1)
        entry = self.act("sent", "1000")
        self.assertEqual((entry.withdrawal_id, entry.debited), ("w1", D(1000)))
        self.assertEqual(self.pair.transfers.flows[0].classified, "transfer:t1")
        self.assertEqual(self.pair.total("source", "USD"), D(9_000))

    def test_one_that_came_back_costs_what_the_venue_keeps_and_no_more(self) -> None:
        self.pair.source.requests.append(("w1", "USD", D(1000), "my own bank"))
        record = self.pair.source.debit()
        self.pair.refresh()
        self.act("sent", "1000")
        self.pair.source.bounce(record, D(15))
        self.pair.refresh()
        self.assertEqual((self.pair.states(), self.pair.total("source", "USD")), (["FAILED"], D(9_985)))
        self.assertEqual(self.pair.explained("USD"), D(-15))

    def test_an_amount_is_needed(self) -> None:
        for amount in (None, "0", "-5", "NaN"):
            self.assertIn("is no amount", self.refused("sent", amount))

    def test_coins_sent_by_hand_cost_what_coins_cost(self) -> None:
        self.pair.plan(coins(), dollars())
        entry = self.act("sent", "0.5", id="t2")
        self.assertEqual(entry.expected, D("0.5") - FEE)

    def test_a_payout_sent_by_hand_is_final_once_it_is_debited(self) -> None:
        self.pair.plan(payout(), dollars())
        self.act("sent", "1000", id="t2")
        self.pair.source.requests.append(("w1", "USD", D(1000), "my own bank"))
        self.pair.source.debit()
        self.pair.refresh()
        self.assertEqual(self.pair.states(), ["PROPOSED", "ARRIVED"])


class ArrivedTests(Operating):
    """*arrived*, with the amount really received."""

    def setUp(self) -> None:
        super().setUp()
        self.proposed(dollars())
        self.act("sent", "1000")

    def test_an_arrival_before_our_next_reading_counts_once(self) -> None:
        before = self.pair.total("target", "HUF")
        self.pair.target.credit("HUF", D(199_000))
        self.assertIs(self.act("arrived", "199000").state, S.ARRIVED)
        self.assertEqual(self.pair.total("target", "HUF"), before - 1_000)
        self.pair.refresh()
        self.assertEqual(self.pair.total("target", "HUF"), before - 1_000)
        self.assertEqual(self.pair.transfers.flows, ())

    def test_a_deposit_too_different_to_match_is_claimed_by_the_operators_word(self) -> None:
        self.pair.target.credit("HUF", D(150_000))
        self.pair.refresh()
        self.assertEqual(len(self.pair.transfers.flows), 1)
        entry = self.act("arrived", "150000")
        self.assertEqual((entry.arrived, self.pair.total("target", "HUF")), (D(150_000), D(1_150_000)))
        self.assertEqual(self.pair.transfers.flows[0].classified, "transfer:t1")

    def test_a_claim_that_cannot_be_journaled_leaves_the_deposit_unclaimed(self) -> None:
        self.pair.target.credit("HUF", D(150_000))
        self.pair.refresh()
        self.pair.journal.full = True
        self.failureResultOf(self.pair.transfers.act("alice", "t1", "arrived", D(150_000), None), JournalError)
        self.assertEqual((self.pair.states(), self.pair.transfers.flows[0].classified), (["SENT"], ""))

    def test_an_amount_is_needed(self) -> None:
        self.assertIn("arrived: None is no amount", self.refused("arrived"))

    def test_what_has_not_left_cannot_arrive(self) -> None:
        self.pair.plan(coins())
        self.assertIn("t2 is PROPOSED", self.refused("arrived", "1", id="t2"))

    def test_what_has_arrived_cannot_arrive_again(self) -> None:
        self.act("arrived", "200000")
        self.assertIn("t1 is ARRIVED: 'arrived' is not possible, but nothing is", self.refused("arrived", "200000"))


class CancelTests(Operating):
    """*cancel*."""

    def test_a_proposal_is_cancelled_in_the_users_name(self) -> None:
        self.proposed(coins())
        entry = self.act("cancel", note="not today")
        self.assertEqual((entry.state, entry.by, entry.note), (S.CANCELLED, "alice", "cancel by alice: not today"))

    def test_it_is_not_proposed_again_within_the_interval(self) -> None:
        self.pair.use(coin_interval=3600.0)
        self.proposed(coins())
        self.act("cancel")
        self.assertEqual(self.successResultOf(self.pair.plan(coins())), ())
        self.pair.world.pass_(3600)
        self.assertEqual(self.proposed(coins()).id, "t2")

    def test_what_has_left_cannot_be_cancelled(self) -> None:
        self.proposed(coins())
        self.act("approve")
        self.assertIn("'cancel' is not possible", self.refused("cancel"))

    def test_an_approved_one_that_waits_can(self) -> None:
        self.proposed(coins())
        self.pair.source.answer = lambda id: fail(Unreachable("source", "withdrawing", "not connected"))
        self.act("approve")
        self.assertIs(self.act("cancel").state, S.CANCELLED)


class ResolveTests(Operating):
    """*resolve*, with a note and the amount that left."""

    def setUp(self) -> None:
        super().setUp()
        self.pair.source.answer = lambda id: fail(OutcomeUnknown("source", "withdrawing", "no answer"))
        self.proposed(coins())
        self.act("approve")

    def test_nothing_left(self) -> None:
        entry = self.act("resolve", "0", "asked their support")
        self.assertEqual(
            (entry.state, entry.by, entry.note), (S.FAILED, "alice", "resolve by alice: asked their support")
        )
        self.assertEqual(self.totals("BTC"), (D(10), D(10)))

    def test_it_left(self) -> None:
        self.pair.source.listed = False
        self.pair.source.debit()
        self.pair.refresh()
        self.assertIs(self.act("resolve", "1", "the chain shows it").state, S.SENT)
        self.assertEqual(self.totals("BTC"), (D(9), D(11) - FEE))

    def test_it_left_and_the_record_turns_up_later(self) -> None:
        self.pair.source.balances["BTC"] -= 1
        self.pair.refresh()
        self.act("resolve", "1", "the chain shows it")
        self.pair.source.record("withdrawal", "BTC", D(1), "target's BTC address", None)
        self.pair.refresh()
        self.assertEqual((self.totals("BTC"), self.pair.transfers.flows), ((D(9), D(11) - FEE), ()))

    def test_nothing_left_they_said_but_the_record_turns_up(self) -> None:
        """The records have the last word, and the lane was free meanwhile: the log says so."""
        self.act("resolve", "0", "asked their support")
        self.pair.source.debit()
        self.pair.refresh()
        self.assertEqual((self.pair.states(), self.totals("BTC")), (["SENT"], (D(9), D(11) - FEE)))

    def test_a_note_is_needed(self) -> None:
        self.assertIn("a note is needed", self.refused("resolve", "0"))
        self.assertIn("a note is needed", self.refused("resolve", "0", "  "))

    def test_an_amount_is_needed(self) -> None:
        self.assertIn("say what left, 0 when nothing did", self.refused("resolve", None, "hm"))
        self.assertIn("-1 is no amount", self.refused("resolve", "-1", "hm"))

    def test_the_lane_is_free_again_afterwards(self) -> None:
        self.act("resolve", "0", "asked their support")
        self.assertEqual(self.proposed(coins()).state, S.PROPOSED)

    def test_one_in_transit_that_came_back_can_be_resolved(self) -> None:
        self.pair.source.debit()
        self.pair.refresh()
        self.assertIn("it has left already; say 0", self.refused("resolve", "1", "hm"))
        self.assertIs(self.act("resolve", "0", "their support sent it back").state, S.FAILED)


class ReturnedTests(Operating):
    """A transfer that left, and came back as a deposit at the sender."""

    def setUp(self) -> None:
        super().setUp()
        self.proposed(coins())
        self.act("approve")
        self.pair.source.debit()
        self.pair.refresh()

    def cost(self) -> D:
        """What the ledger says that it cost, in bitcoin."""
        lines = [transfer_position(entry) for entry in self.pair.transfers.entries]
        lines += [flow_position(flow) for flow in self.pair.transfers.flows]
        return amount_of(sum(line.get((":charges", "BTC"), 0) for line in lines))

    def outside(self) -> D:
        """What came from outside by the ledger."""
        return amount_of(-sum(flow_position(f).get((":outside", "BTC"), 0) for f in self.pair.transfers.flows))

    def test_a_deposit_that_is_there_already_makes_it_good(self) -> None:
        self.pair.source.credit("BTC", D(1) - FEE)
        self.pair.refresh()
        self.assertEqual(self.outside(), D(1) - FEE)
        self.act("resolve", "0", "their support sent it back")
        self.assertEqual((self.cost(), self.outside()), (FEE, D(0)))
        self.assertEqual(self.journaled_flows(), self.pair.transfers.flows)

    def test_a_deposit_that_comes_later_makes_it_good(self) -> None:
        self.act("resolve", "0", "their support sends it back")
        self.assertEqual(self.cost(), D(1))
        self.pair.world.pass_(86_400)
        self.pair.source.credit("BTC", D(1))
        self.pair.refresh()
        self.pair.refresh()
        self.assertEqual((self.cost(), self.outside(), self.totals("BTC")), (D(0), D(0), (D(10), D(10))))
        self.assertEqual([flow.classified for flow in self.pair.transfers.flows], ["returned:t1"])

    def test_one_deposit_makes_good_one_transfer(self) -> None:
        self.act("resolve", "0", "their support sends it back")
        for _ in range(2):
            self.pair.world.pass_(10)
            self.pair.source.credit("BTC", D(1))
            self.pair.refresh()
        self.assertEqual((self.cost(), self.outside()), (D(0), D(1)))

    def test_a_record_that_turns_failed_after_the_word_makes_it_good(self) -> None:
        self.act("resolve", "0", "their support sends it back")
        self.pair.world.pass_(3 * 86_400)
        self.pair.refresh()
        self.pair.world.pass_(86_400)
        self.pair.source.bounce(self.pair.source.records[0], FEE)
        self.pair.refresh()
        self.assertEqual((self.cost(), self.pair.transfers.flows), (FEE, ()))

    def test_where_nothing_is_listed_the_word_stands_for_it(self) -> None:
        self.pair.source.listed = False
        self.pair.source.balances["BTC"] += 1
        self.pair.refresh()
        self.act("resolve", "0", "their support sent it back")
        self.assertEqual((self.cost(), self.totals("BTC")), (D(0), (D(10), D(10))))

    def test_what_the_machine_writes_is_no_operators_word(self) -> None:
        self.pair.source.credit("BTC", D("0.3"))
        self.pair.refresh()
        for text in ("transfer: mine", "returned:t1"):
            classifying = self.pair.transfers.classify("alice", self.pair.transfers.flows[0].key, text)
            self.assertIn("is the machine's", self.failureResultOf(classifying, TransferError).getErrorMessage())

    def journaled_flows(self) -> tuple[object, ...]:
        return tuple(self.successResultOf(self.pair.journal.flows(NOON)))


class UnknownTests(Operating):
    """What does not exist."""

    def test_an_unknown_transfer_is_said_so(self) -> None:
        self.assertIn("there is no transfer 'x'", self.refused("cancel", id="x"))

    def test_an_unknown_act_is_said_so(self) -> None:
        self.proposed(coins())
        self.assertIn("'dance' is not possible, but approve, sent, cancel is", self.refused("dance"))

    def test_a_flow_needs_a_word(self) -> None:
        self.pair.target.credit("HUF", D(50_000))
        self.pair.refresh()
        key = self.pair.transfers.flows[0].key
        failure = self.failureResultOf(self.pair.transfers.classify("alice", key, " "), TransferError)
        self.assertIn("say what the flow was", failure.getErrorMessage())

    def test_an_unknown_flow_is_said_so(self) -> None:
        failure = self.failureResultOf(self.pair.transfers.classify("alice", "x", "capital"), TransferError)
        self.assertIn("no external flow 'x'", failure.getErrorMessage())
