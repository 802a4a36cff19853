"""The way of a transfer from a plan to its arrival."""

from __future__ import annotations

from decimal import Decimal as D

from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import LogLevel, capturedLogs

from clients.exchange import InsufficientFunds, OutcomeUnknown, Unreachable
from ilp.journal.entries import Entry, TransferEntry, TransferState
from ilp.journal.interface import JournalError
from ilp.trading.gate import Breach, Forbidden
from tests.trading.transfers_fakes import FEE, NOON, Paired, coins, dollars, payout, rules

S = TransferState


class SendingTests(Paired):
    """From the plan to the venue's answer."""

    def sent(self, error: Exception | None = None) -> TransferState:
        if error is not None:
            self.pair.source.answer = lambda id: fail(error)
        return self.planned(coins()).state

    def test_an_accepted_transfer_is_requested(self) -> None:
        self.assertIs(self.sent(), S.REQUESTED)
        self.assertEqual(self.pair.source.calls, [("BTC", D(1), "target's BTC address")])

    def test_the_answer_is_journaled(self) -> None:
        self.sent()
        self.assertEqual(self.journaled()["t1"], self.pair.transfers.entries[0])
        self.assertIs(self.journaled()["t1"].state, S.REQUESTED)

    def test_the_intention_is_durable_before_the_venue_is_called(self) -> None:
        seen: list[object] = []

        def look(id: str) -> Deferred[str]:
            seen.extend((t.state, t.called, t.address) for t in self.journaled().values())
            return Deferred()

        self.pair.source.answer = look
        self.assertNoResult(self.pair.plan(coins()))
        self.assertEqual(seen, [(S.PLANNED, True, "target's BTC address")])

    def test_an_intention_that_cannot_be_journaled_is_not_acted_on(self) -> None:
        self.pair.journal.full = True
        self.failureResultOf(self.pair.plan(coins()), JournalError)
        self.assertEqual(self.pair.source.calls, [])
        self.assertEqual(self.pair.transfers.entries, ())
        self.assertEqual(len(self.pair.broken), 1)

    def test_a_change_that_cannot_be_journaled_is_reported(self) -> None:
        self.planned(coins())
        self.pair.source.debit()
        self.pair.journal.full = True
        self.pair.refresh()
        self.assertEqual((self.pair.states(), len(self.pair.broken)), (["SENT"], 1))

    def test_what_could_not_be_journaled_is_when_the_journal_takes_entries_again(self) -> None:
        self.pair.source.answer = self.accepted_on_a_full_disk
        self.failureResultOf(self.pair.plan(coins()), JournalError)
        self.pair.target.credit("BTC", D("0.3"))
        self.pair.refresh()
        self.assertEqual((self.pair.states(), self.journaled()["t1"].state), (["REQUESTED"], S.PLANNED))
        self.pair.journal.full = False
        self.pair.transfers.write_again()
        self.assertEqual(self.journaled()["t1"], self.pair.transfers.entries[0])
        self.assertEqual(tuple(self.successResultOf(self.pair.journal.flows(NOON))), self.pair.transfers.flows)
        self.assertEqual((self.pair.transfers.unwritten, len(self.pair.transfers.flows)), (0, 1))

    def test_what_could_not_be_journaled_goes_with_the_next_change_as_it_is_then(self) -> None:
        self.planned(coins())
        self.pair.source.debit()
        self.pair.journal.full = True
        self.pair.refresh()
        self.pair.journal.full = False
        self.pair.target.credit("BTC", D("0.9999"))
        self.pair.refresh()
        self.assertEqual((self.journaled()["t1"].state, self.pair.transfers.unwritten), (S.ARRIVED, 0))

    def test_an_intention_that_was_journaled_although_the_answer_was_lost_is_taken_back(self) -> None:
        """Else the next start would take for UNCERTAIN what never left, and its lane would be blocked."""
        self.pair.journal.mute = True
        self.failureResultOf(self.pair.plan(coins()), JournalError)
        self.assertIs(self.journaled()["t1"].state, S.PLANNED)
        self.pair.journal.mute = False
        self.pair.transfers.write_again()
        self.pair.start()
        self.assertEqual((self.pair.states(), self.pair.source.calls), (["CANCELLED"], []))

    def test_an_approval_that_was_journaled_although_the_answer_was_lost_is_taken_back(self) -> None:
        self.pair.use(approval_limit=D(1))
        self.planned(coins())
        self.pair.journal.mute = True
        self.failureResultOf(self.pair.transfers.act("alice", "t1", "approve", None, None), JournalError)
        self.pair.journal.mute = False
        self.pair.transfers.write_again()
        self.pair.start()
        self.assertEqual((self.pair.states(), self.pair.source.calls), (["PROPOSED"], []))

    def accepted_on_a_full_disk(self, id: str) -> Deferred[str]:
        self.pair.journal.full = True
        return succeed(id)

    def test_a_lost_answer_leaves_it_uncertain_and_calls_for_a_person(self) -> None:
        with capturedLogs() as events:
            self.assertIs(self.sent(OutcomeUnknown("source", "withdrawing", "no answer in 10 s")), S.UNCERTAIN)
        self.assertEqual([event["id"] for event in events if event["log_level"] is LogLevel.error], ["t1"])
        self.assertEqual(self.pair.transfers.uncertain, self.pair.transfers.entries)

    def test_an_error_that_nobody_foresaw_leaves_it_uncertain(self) -> None:
        self.assertIs(self.sent(ZeroDivisionError("a bug")), S.UNCERTAIN)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_a_call_that_was_broken_off_leaves_it_uncertain(self) -> None:
        waiting: Deferred[str] = Deferred()
        self.pair.source.answer = lambda id: waiting
        planning = self.pair.plan(coins())
        waiting.cancel()
        self.failureResultOf(planning)
        self.assertIs(self.journaled()["t1"].state, S.UNCERTAIN)

    def test_a_refusal_is_the_end_of_it(self) -> None:
        self.assertIs(self.sent(InsufficientFunds("source", "withdrawing", "not enough")), S.FAILED)
        self.assertEqual(self.totals(), (D(10), D(10)))

    def test_an_unreachable_venue_leaves_it_planned_and_uncalled(self) -> None:
        self.assertIs(self.sent(Unreachable("source", "withdrawing", "not connected")), S.PLANNED)
        self.assertIs(self.journaled()["t1"].called, False)

    def test_the_next_plan_tries_again_with_its_own_amount(self) -> None:
        self.sent(Unreachable("source", "withdrawing", "not connected"))
        self.pair.source.answer = succeed
        entry = self.planned(coins("1.5"))
        self.assertEqual((entry.id, entry.state, entry.amount), ("t1", S.REQUESTED, D("1.5")))
        self.assertEqual([amount for _, amount, _ in self.pair.source.calls], [D(1), D("1.5")])

    def test_a_client_that_cannot_withdraw_hands_it_to_the_operator(self) -> None:
        self.assertIs(self.sent(NotImplementedError("no withdrawals here")), S.PROPOSED)
        self.assertIs(self.pair.transfers.entries[0].manual, True)
        self.assertEqual(self.successResultOf(self.pair.plan(coins())), ())  # and is not asked again

    def test_two_plans_at_once_make_one_transfer(self) -> None:
        addresses: list[Deferred[str]] = []

        def slow(asset: str) -> Deferred[str]:
            addresses.append(Deferred())
            return addresses[-1]

        self.pair.target.address = slow
        first, second = self.pair.plan(coins()), self.pair.plan(coins())
        addresses[0].callback("there")
        self.assertEqual(len(self.successResultOf(first)), 1)
        self.assertEqual(self.successResultOf(second), ())
        self.assertEqual(len(self.pair.source.calls), 1)

    def test_a_record_that_is_faster_than_the_journal_keeps_it_from_being_sent(self) -> None:
        """Somebody has sent exactly this by hand while the intention was being written down."""
        real, held = self.pair.journal.real, Deferred[None]()

        class Slow:
            def record(self, *entries: object) -> Deferred[None]:
                return real.record(*entries).addCallback(lambda _: held)

        self.pair.journal.real = Slow()
        planning = self.pair.plan(coins())
        self.pair.journal.real = real
        self.pair.source.balances["BTC"] -= 1
        self.pair.source.record("withdrawal", "BTC", D(1), "target's BTC address", None)
        self.pair.refresh()
        held.callback(None)
        self.successResultOf(planning)
        self.assertEqual((self.pair.states(), self.pair.source.calls), (["SENT"], []))

    def test_a_refusal_of_what_the_records_show_is_reported_and_changes_nothing(self) -> None:
        answer: Deferred[str] = Deferred()
        self.pair.source.answer = lambda id: answer
        planning = self.pair.plan(coins())
        self.pair.source.debit()
        self.pair.refresh()
        with capturedLogs() as events:
            answer.errback(InsufficientFunds("source", "withdrawing", "not enough"))
        (entry,) = self.successResultOf(planning)
        self.assertIs(entry.state, S.SENT)
        self.assertIn("means nothing there", str([event.get("why") for event in events]))


class AddressTests(Paired):
    """A transfer leaves only to an address that the receiving client gave or that the configuration lists."""

    def no_address(self, asset: str) -> Deferred[str]:
        """What a client says that has no addresses."""
        return fail(NotImplementedError("getCurrentAddress"))

    def test_the_receiving_clients_address_is_recorded(self) -> None:
        self.assertEqual(self.planned(coins()).address, "target's BTC address")

    def test_the_configured_address_serves_where_the_client_has_none(self) -> None:
        self.pair.use(addresses={("target", "BTC"): ("listed", "another")})
        self.pair.target.address = self.no_address
        self.planned(coins())
        self.assertEqual(self.pair.source.calls, [("BTC", D(1), "listed")])

    def test_without_any_address_the_operator_has_to(self) -> None:
        self.pair.target.address = self.no_address
        entry = self.planned(coins())
        self.assertEqual((entry.state, entry.manual), (S.PROPOSED, True))

    def test_an_unreachable_receiver_puts_it_off(self) -> None:
        self.pair.target.address = lambda asset: fail(Unreachable("target", "reading an address", "not connected"))
        self.assertEqual(self.successResultOf(self.pair.plan(coins())), ())
        self.pair.target.address = lambda asset: succeed("back again")
        self.assertEqual(self.planned(coins()).address, "back again")

    def test_a_payout_goes_to_the_configured_address_only(self) -> None:
        entry = self.planned(payout())
        self.successResultOf(self.pair.transfers.act("alice", entry.id, "approve", None, None))
        self.assertEqual(self.pair.source.calls, [("USD", D(1000), "the operator's bank")])

    def test_an_approval_asks_for_a_fresh_address(self) -> None:
        self.pair.use(approval_limit=D(0))
        entry = self.planned(coins())
        self.pair.target.address = lambda asset: succeed("fresh")
        self.successResultOf(self.pair.transfers.act("alice", entry.id, "approve", None, None))
        self.assertEqual(self.pair.source.calls, [("BTC", D(1), "fresh")])


class GateTests(Paired):
    """What is asked just before the call."""

    def closed(self, refusal: Exception) -> TransferEntry:
        def gate(entry: TransferEntry) -> None:
            raise refusal

        self.pair.gate = gate
        return self.planned(coins())

    def test_beyond_a_limit_nothing_is_sent_and_the_transfer_ends(self) -> None:
        entry = self.closed(Breach("largest coin transfer", 1, D("0.5"), "withdrawal"))
        self.assertIs(entry.state, S.CANCELLED)
        self.assertIn("largest coin transfer: 1, allowed 0.5", entry.note)
        self.assertEqual(self.pair.source.calls, [])

    def test_what_may_not_be_sent_now_waits(self) -> None:
        entry = self.closed(Forbidden("transfers may not be sent now"))
        self.assertEqual((entry.state, entry.called), (S.PLANNED, False))

    def test_what_waits_is_not_counted_as_gone(self) -> None:
        self.closed(Forbidden("transfers may not be sent now"))
        self.assertEqual(self.totals(), (D(10), D(10)))
        self.assertEqual(self.pair.transfers.outstanding("source", "BTC").reserved, D(1))

    def test_an_approved_one_that_waited_is_sent_when_it_may(self) -> None:
        self.pair.use(approval_limit=D(0))
        entry = self.closed(Forbidden("not now"))
        self.successResultOf(self.pair.transfers.act("alice", entry.id, "approve", None, None))
        self.pair.gate = None
        (after,) = self.successResultOf(self.pair.transfers.send_waiting())
        self.assertEqual((after.state, len(self.pair.source.calls)), (S.REQUESTED, 1))

    def test_an_approved_one_that_waited_over_a_restart_asks_for_the_address_again(self) -> None:
        """The gate lets money go only to what the receiver told this very run."""
        self.pair.use(approval_limit=D(0))
        entry = self.closed(Forbidden("not now"))
        self.successResultOf(self.pair.transfers.act("alice", entry.id, "approve", None, None))
        self.pair.start()
        self.pair.refresh()
        asked: list[str] = []
        told = self.pair.target.getCurrentAddress

        def ask(ticker: str) -> Deferred[str]:
            asked.append(ticker)
            return told(ticker)

        def gate(waiting: TransferEntry) -> None:
            if not asked:
                raise Breach(
                    "address", "an address not on the list", "the receiving client's or a listed one", "withdrawal"
                )

        self.patch(self.pair.target, "getCurrentAddress", ask)
        self.pair.gate = gate
        (after,) = self.successResultOf(self.pair.transfers.send_waiting())
        self.assertEqual((after.state, asked), (S.REQUESTED, ["BTC"]))

    def test_an_approved_one_goes_on_waiting_while_the_receiver_gives_no_address(self) -> None:
        self.pair.use(approval_limit=D(0))
        entry = self.closed(Forbidden("not now"))
        self.successResultOf(self.pair.transfers.act("alice", entry.id, "approve", None, None))
        self.pair.gate = None
        silent = Unreachable("target", "address of BTC", "not connected")
        self.patch(self.pair.target, "getCurrentAddress", lambda ticker: fail(silent))
        (after,) = self.successResultOf(self.pair.transfers.send_waiting())
        self.assertEqual((after.state, after.called, self.pair.source.calls), (S.PLANNED, False, []))

    def approved_and_kept_waiting(self) -> None:
        """An approval that the gate does not act on."""
        self.pair.use(approval_limit=D(0))
        entry = self.closed(Forbidden("not now"))
        self.successResultOf(self.pair.transfers.act("alice", entry.id, "approve", None, None))
        self.pair.gate = None

    def test_an_approval_that_waited_too_long_must_be_given_again(self) -> None:
        self.approved_and_kept_waiting()
        self.pair.world.pass_(3601)
        self.assertEqual(self.successResultOf(self.pair.transfers.send_waiting()), ())
        (after,) = self.pair.transfers.entries
        self.assertEqual((after.state, after.called, self.pair.source.calls), (S.PROPOSED, False, []))
        self.assertIn("waits for approval again: that of alice", after.note)
        self.assertIn("not now", after.note)
        self.assertEqual(self.journaled()["t1"], after)

    def test_an_approval_holds_for_its_time(self) -> None:
        self.approved_and_kept_waiting()
        self.pair.world.pass_(3599)
        self.pair.transfers.lapse()
        (after,) = self.successResultOf(self.pair.transfers.send_waiting())
        self.assertIs(after.state, S.REQUESTED)

    def test_an_approval_that_the_clock_says_is_still_to_come_must_be_given_again(self) -> None:
        self.approved_and_kept_waiting()
        self.pair.world.pass_(-3601)
        self.pair.transfers.lapse()
        self.assertEqual(self.pair.states(), ["PROPOSED"])

    def test_an_approval_that_lapsed_over_a_restart_must_be_given_again(self) -> None:
        self.approved_and_kept_waiting()
        self.pair.world.pass_(3601)
        self.pair.start()
        self.pair.refresh()
        self.successResultOf(self.pair.transfers.send_waiting())
        self.assertEqual((self.pair.states(), self.pair.source.calls), (["PROPOSED"], []))

    def test_one_whose_approval_lapsed_is_sent_when_it_is_approved_again(self) -> None:
        self.approved_and_kept_waiting()
        self.pair.world.pass_(3601)
        self.pair.transfers.lapse()
        self.successResultOf(self.pair.transfers.act("bela", "t1", "approve", None, None))
        self.assertEqual((self.pair.states(), len(self.pair.source.calls)), (["REQUESTED"], 1))

    def test_an_approval_that_the_journal_kept_waiting_too_long_sends_nothing(self) -> None:
        self.pair.use(approval_limit=D(0))
        entry = self.planned(coins())
        stuck: Deferred[None] = Deferred()
        record, written = self.pair.journal.record, []

        def slow(*entries: Entry) -> Deferred[None]:
            written.append(entries)
            return stuck if len(written) == 1 else record(*entries)

        self.patch(self.pair.journal, "record", slow)
        acting = self.pair.transfers.act("alice", entry.id, "approve", None, None)
        self.pair.world.pass_(3601)
        stuck.callback(None)
        self.assertIs(self.successResultOf(acting).state, S.PROPOSED)
        self.assertEqual(self.pair.source.calls, [])

    def test_one_that_only_a_plan_wanted_waits_for_the_next_plan(self) -> None:
        self.closed(Forbidden("not now"))
        self.pair.gate = None
        self.assertEqual(self.successResultOf(self.pair.transfers.send_waiting()), ())
        self.assertIs(self.planned(coins()).state, S.REQUESTED)

    def test_one_that_needs_approval_by_now_goes_back_to_the_operator(self) -> None:
        self.closed(Forbidden("not now"))
        self.pair.use(approval_limit=D(300))
        entry = self.planned(coins("2"))
        self.assertEqual((entry.state, entry.amount), (S.PROPOSED, D(2)))
        self.assertEqual(self.successResultOf(self.pair.transfers.send_waiting()), ())


class CountingTests(Paired):
    """Every unit counts once on the way."""

    MOVED = (D(9), D(11) - FEE)

    def test_totals_move_when_the_venue_accepts_and_never_again(self) -> None:
        self.planned(coins())
        self.assertEqual(self.totals(), self.MOVED)
        self.pair.refresh()
        self.assertEqual(self.totals(), self.MOVED)
        self.pair.source.debit(reference="tx")
        self.pair.refresh()
        self.assertEqual((self.pair.states(), self.totals()), (["SENT"], self.MOVED))
        self.pair.target.credit("BTC", D(1) - FEE, reference="tx")
        self.pair.refresh()
        self.assertEqual((self.pair.states(), self.totals()), (["ARRIVED"], self.MOVED))

    def test_the_order_in_which_venues_are_read_does_not_matter(self) -> None:
        self.planned(coins())
        self.pair.source.debit(reference="tx")
        self.pair.target.credit("BTC", D(1) - FEE, reference="tx")
        self.successResultOf(self.pair.transfers.refresh("target"))
        self.assertEqual((self.pair.states(), self.totals()), (["ARRIVED"], self.MOVED))
        self.assertEqual(self.pair.transfers.outstanding("source", "BTC").requested_undebited, D(1))
        self.successResultOf(self.pair.transfers.refresh("source"))
        self.assertEqual(self.totals(), self.MOVED)
        self.assertEqual(self.pair.transfers.outstanding("source", "BTC").requested_undebited, D(0))

    def test_a_debit_between_two_answers_of_the_venue_is_read_again(self) -> None:
        self.planned(coins())

        def debit() -> None:
            self.pair.source.between = lambda: None
            self.pair.source.debit()

        self.pair.source.between = debit
        self.pair.refresh()
        self.assertEqual((self.pair.states(), self.totals()), (["SENT"], self.MOVED))

    def test_a_venue_that_never_holds_still_is_an_error_and_changes_nothing(self) -> None:
        self.pair.source.between = lambda: self.pair.source.credit("BTC", D("0.1")) and None
        failure = self.failureResultOf(self.pair.transfers.refresh("source"), Unreachable)
        self.assertIn("changed during each of 5 readings", failure.getErrorMessage())
        self.assertEqual((self.totals(), self.pair.transfers.flows), ((D(10), D(10)), ()))

    def test_an_uncertain_transfer_counts_at_the_sender_and_is_reserved(self) -> None:
        self.pair.source.answer = lambda id: fail(OutcomeUnknown("source", "withdrawing", "no answer"))
        self.planned(coins())
        owed = self.pair.transfers.outstanding("source", "BTC")
        self.assertEqual((self.totals(), owed.reserved), ((D(10), D(10)), D(1)))
        self.assertEqual((owed.total(D(10)), owed.available(D(10))), (D(10), D(9)))

    def test_a_proposal_reserves_nothing(self) -> None:
        self.pair.use(approval_limit=D(0))
        self.planned(coins())
        owed = self.pair.transfers.outstanding("source", "BTC")
        self.assertEqual((self.totals(), owed.available(D(10))), ((D(10), D(10)), D(10)))

    def test_a_failed_withdrawal_brings_everything_back(self) -> None:
        self.planned(coins())
        record = self.pair.source.debit()
        self.pair.refresh()
        self.pair.source.bounce(record)
        self.pair.refresh()
        self.assertEqual((self.pair.states(), self.totals()), (["FAILED"], (D(10), D(10))))

    def test_a_failed_withdrawal_costs_the_fee_that_the_venue_keeps(self) -> None:
        self.planned(coins())
        record = self.pair.source.debit()
        self.pair.refresh()
        self.pair.source.bounce(record, D("0.01"))
        self.pair.refresh()
        (entry,) = self.pair.transfers.entries
        self.assertEqual((entry.state, entry.debited, self.totals()), (S.FAILED, D("0.01"), (D("9.99"), D(10))))

    def test_assets_that_may_change_at_any_moment_are_named(self) -> None:
        self.assertEqual(self.pair.transfers.moving("source"), frozenset())
        self.planned(coins())
        self.assertEqual(self.pair.transfers.moving("source"), {"BTC"})
        self.assertEqual(self.pair.transfers.moving("target"), {"BTC"})
        self.pair.source.debit()
        self.pair.refresh()
        self.assertEqual(self.pair.transfers.moving("source"), frozenset())

    def test_a_venue_without_records_is_believed_by_its_balance(self) -> None:
        self.pair.source.listed = False
        self.pair.refresh()
        self.planned(coins())
        self.pair.source.debit()
        self.pair.refresh()
        self.assertEqual((self.pair.states(), self.totals()), (["SENT"], self.MOVED))

    def test_a_conversion_leaves_as_one_asset_and_comes_as_another(self) -> None:
        self.planned(dollars())
        self.assertEqual(self.pair.total("source", "USD"), D(9_000))
        self.assertEqual(self.pair.total("target", "HUF"), D(1_200_000))


class OverdueTests(Paired):
    """What should have arrived by now."""

    def overdue(self, seconds: float) -> bool:
        self.pair.world.pass_(seconds)
        return self.pair.transfers.overdue(self.pair.transfers.entries[0])

    def test_coins_are_overdue_after_their_delay(self) -> None:
        self.planned(coins())
        self.assertFalse(self.overdue(3600))
        self.assertTrue(self.overdue(1))

    def test_fiat_is_overdue_after_its_own(self) -> None:
        self.planned(dollars())
        self.assertFalse(self.overdue(86400))
        self.assertTrue(self.overdue(1))

    def test_what_was_under_way_at_a_crash_is_overdue_after_the_same_delay(self) -> None:
        self.pair.source.answer = lambda id: Deferred()
        self.pair.plan(coins())
        self.pair.start()
        self.pair.source.debit()
        self.pair.world.pass_(600)
        self.pair.refresh()
        self.assertIs(self.pair.transfers.entries[0].state, S.SENT)
        self.assertFalse(self.overdue(3000))
        self.assertTrue(self.overdue(1))

    def test_what_was_refused_and_left_all_the_same_is_overdue_after_the_same_delay(self) -> None:
        self.pair.source.answer = lambda id: fail(InsufficientFunds("source", "withdrawal", "no"))
        self.planned(coins())
        self.pair.source.debit()
        self.pair.refresh()
        self.assertIs(self.pair.transfers.entries[0].state, S.SENT)
        self.assertFalse(self.overdue(3600))
        self.assertTrue(self.overdue(1))

    def test_a_proposal_is_never_overdue(self) -> None:
        self.pair.use(approval_limit=D(0))
        self.planned(coins())
        self.assertFalse(self.overdue(10**6))

    def test_what_has_arrived_is_not_overdue_any_more(self) -> None:
        self.planned(coins())
        self.pair.source.debit()
        self.pair.target.credit("BTC", D(1) - FEE)
        self.pair.refresh()
        self.assertFalse(self.overdue(10**6))


class ProposalTests(Paired):
    """Plans go on while a proposal waits."""

    def setUp(self) -> None:
        super().setUp()
        self.pair.use(automatic=frozenset(), approval_limit=D(300))
        self.entry = self.planned(dollars())

    def test_a_new_plan_revises_it(self) -> None:
        entry = self.planned(dollars("1200", "240000"))
        self.assertEqual((entry.id, entry.state, entry.amount), (self.entry.id, S.PROPOSED, D(1200)))

    def test_a_new_plan_withdraws_it(self) -> None:
        (entry,) = self.successResultOf(self.pair.plan(id="p2"))
        self.assertEqual((entry.state, entry.by, entry.plan), (S.CANCELLED, "machine", "p2"))

    def test_the_same_plan_writes_nothing(self) -> None:
        self.assertEqual(self.successResultOf(self.pair.plan(dollars(), id="p2")), ())

    def test_one_that_needs_no_click_any_more_goes(self) -> None:
        self.pair.rules = rules()
        self.assertIs(self.planned(coins("1"), dollars()).state, S.REQUESTED)
        waiting = self.successResultOf(self.pair.plan(coins("2", "source", "target"), dollars()))
        self.assertEqual([(e.state, e.amount) for e in waiting], [(S.PROPOSED, D(2))])
        (gone,) = self.successResultOf(self.pair.plan(coins("1.1", "source", "target"), dollars()))
        self.assertEqual((gone.state, gone.amount), (S.REQUESTED, D("1.1")))
