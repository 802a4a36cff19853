"""What the venues' records decide: doubts, restarts, arrivals, and money that the pool did not move."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal as D

from attrs import evolve
from twisted.internet.defer import Deferred, fail, succeed

from clients.exchange import OutcomeUnknown, Refused, Transaction, Unreachable
from ilp.journal.entries import TransferEntry, TransferState
from tests.trading.transfers_fakes import FEE, NOON, Pair, Paired, coins, dollars

S = TransferState
MOVED = (D(9), D(11) - FEE)


class WaitingTests(Paired):
    """PLANNED and not called for: a restored copy of the journal may not know that it was."""

    def setUp(self) -> None:
        super().setUp()
        self.pair.source.answer = lambda id: fail(Unreachable("source", "withdrawing", "not connected"))

    def test_a_withdrawal_like_it_is_it(self) -> None:
        entry = self.planned(coins())
        self.assertEqual((entry.state, entry.called), (S.PLANNED, False))
        self.pair.world.pass_(120)
        self.pair.source.debit()
        self.pair.refresh()
        entry = self.journaled()["t1"]
        self.assertEqual((entry.state, entry.called, entry.departed), (S.SENT, True, self.pair.world.now()))
        self.assertEqual(self.totals(), MOVED)

    def test_one_that_failed_is_not_it(self) -> None:
        self.planned(coins())
        self.pair.source.debit(status="failed")
        self.pair.refresh()
        self.assertIs(self.journaled()["t1"].state, S.PLANNED)

    def test_one_of_before_is_not_it(self) -> None:
        self.pair.source.record("withdrawal", "BTC", D(1), "target's BTC address", None)
        self.pair.world.pass_(1)
        self.planned(coins())
        self.pair.refresh()
        self.assertIs(self.journaled()["t1"].state, S.PLANNED)


class ResolvingTests(Paired):
    """UNCERTAIN: the venue's records decide."""

    def setUp(self) -> None:
        super().setUp()
        self.pair.source.answer = lambda id: fail(OutcomeUnknown("source", "withdrawing", "no answer"))
        self.entry = self.planned(coins())

    def test_a_record_of_it_decides(self) -> None:
        self.pair.source.debit()
        self.pair.refresh()
        self.assertIs(self.journaled()["t1"].state, S.SENT)

    def test_its_arrival_decides_as_well(self) -> None:
        self.pair.source.listed = False
        self.pair.source.debit()
        self.pair.target.credit("BTC", D(1) - FEE)
        self.pair.refresh()
        self.assertEqual(self.pair.states(), ["ARRIVED"])

    def test_a_record_that_it_failed_decides(self) -> None:
        self.pair.source.bounce(self.pair.source.debit())
        self.pair.refresh()
        self.assertEqual((self.pair.states(), self.totals()), (["FAILED"], (D(10), D(10))))

    def test_a_record_of_an_earlier_failure_says_nothing_about_it(self) -> None:
        """A venue may list what it refused: that belongs to the request that was made then."""
        pair = Pair()
        pair.refresh()
        pair.source.answer = lambda id: fail(Refused("source", "withdrawing", "closed for today"))
        self.successResultOf(pair.plan(coins()))
        refused = pair.source.debit(status="failed")
        pair.source.balances["BTC"] += 1
        pair.world.pass_(120)
        pair.source.answer = lambda id: fail(OutcomeUnknown("source", "withdrawing", "no answer"))
        self.successResultOf(pair.plan(coins()))
        pair.refresh()
        self.assertEqual(pair.states(), ["FAILED", "UNCERTAIN"])
        self.assertEqual(pair.transfers.entries[0].withdrawal_id, refused["id"])

    def test_the_lack_of_a_record_decides_nothing(self) -> None:
        for _ in range(3):
            self.pair.world.pass_(100_000)
            self.pair.refresh()
        self.assertEqual(self.pair.states(), ["UNCERTAIN"])

    def test_a_withdrawal_of_another_amount_is_not_it(self) -> None:
        self.pair.source.balances["BTC"] -= D(3)
        self.pair.source.record("withdrawal", "BTC", D(3), "target's BTC address", None)
        self.pair.refresh()
        self.assertEqual(self.pair.states(), ["UNCERTAIN"])

    def test_nothing_else_leaves_on_its_lane(self) -> None:
        self.assertEqual(self.successResultOf(self.pair.plan(coins("2"))), ())
        self.assertIn("UNCERTAIN", self.pair.transfers.obstacle(("BTC", "source", "target")))

    def test_other_lanes_go_on(self) -> None:
        self.pair.source.answer = succeed
        self.assertEqual(self.pair.transfers.obstacle(("USD", "source", "target")), "")
        self.assertIs(self.planned(dollars()).state, S.REQUESTED)


class RestartTests(Paired):
    """What a daemon makes of the transfers of the one before."""

    def test_one_that_was_called_and_not_answered_is_uncertain(self) -> None:
        self.pair.source.answer = lambda id: Deferred()
        self.assertNoResult(self.pair.plan(coins()))
        self.pair.start()
        self.assertEqual(self.pair.states(), ["UNCERTAIN"])
        self.assertIs(self.journaled()["t1"].state, S.UNCERTAIN)

    def test_one_that_waited_still_waits(self) -> None:
        self.pair.source.answer = lambda id: fail(Unreachable("source", "withdrawing", "not connected"))
        self.planned(coins())
        self.pair.start()
        self.assertEqual(self.pair.states(), ["PLANNED"])

    def test_a_deposit_that_cleared_one_does_not_clear_another(self) -> None:
        self.planned(coins())
        self.pair.source.debit()
        self.pair.target.credit("BTC", D(1) - FEE)
        self.pair.refresh()
        self.pair.world.pass_(60)
        self.planned(coins())
        self.pair.start()
        self.pair.refresh()
        self.assertEqual(self.pair.states(), ["ARRIVED", "REQUESTED"])

    def test_an_arrival_during_the_stop_is_found(self) -> None:
        self.planned(coins())
        self.pair.source.debit()
        self.pair.world.pass_(50_000)
        self.pair.target.credit("BTC", D(1) - FEE)
        self.pair.start()
        self.pair.refresh()
        self.assertEqual((self.pair.states(), self.totals()), (["ARRIVED"], MOVED))

    def test_deposits_from_before_the_first_start_are_no_flows(self) -> None:
        pair = Pair()
        pair.world.pass_(-5000)
        pair.source.credit("BTC", D(5))
        pair.world.pass_(5000)
        pair.refresh()
        self.assertEqual(pair.transfers.flows, ())

    def fresh(self) -> Pair:
        """A pair whose journal begins now."""
        pair = Pair()
        pair.transfers._book.load(pair.world.now(), pair.world.now(), (), (), fresh=True)
        return pair

    def test_a_deposit_that_turns_up_after_the_first_reading_with_an_older_stamp_is_a_flow(self) -> None:
        """A venue whose clock is behind, or that stamps a deposit when it was announced, must not hide it."""
        pair = self.fresh()
        pair.refresh()
        pair.world.pass_(-5)
        pair.source.credit("BTC", D(5))
        pair.world.pass_(5)
        pair.refresh()
        self.assertEqual([flow.quantity for flow in pair.transfers.flows], [D(5)])

    def test_what_the_first_reading_of_a_fresh_journal_finds_is_of_before(self) -> None:
        pair = self.fresh()
        pair.world.pass_(-5)
        pair.source.credit("BTC", D(5))
        pair.world.pass_(5)
        pair.refresh()
        pair.refresh()
        self.assertEqual(pair.transfers.flows, ())

    def test_a_deposit_that_was_on_its_way_when_the_journal_began_is_a_flow_once_it_is_credited(self) -> None:
        for pair, earlier in ((self.fresh(), 50_000), (Pair(), 3000)):  # an older journal looks back for an hour
            pair.world.pass_(-earlier)
            record = pair.source.credit("BTC", D(5))
            record["status"] = "pending"
            pair.source.balances["BTC"] -= D(5)
            pair.world.pass_(earlier)
            pair.refresh()
            self.assertEqual(pair.transfers.flows, ())
            record["status"] = "done"
            pair.source.balances["BTC"] += D(5)
            pair.refresh()
            self.assertEqual([flow.quantity for flow in pair.transfers.flows], [D(5)], earlier)
            pair.start()
            pair.refresh()
            self.assertEqual([flow.quantity for flow in pair.transfers.flows], [D(5)], earlier)

    def test_a_long_stop_finds_what_came_and_nothing_twice(self) -> None:
        """The records are read from the last entry on, and what was settled shortly before it is remembered."""
        self.planned(coins())
        self.pair.source.debit()
        self.pair.target.credit("BTC", D(1) - FEE)
        self.pair.refresh()
        self.pair.world.pass_(40 * 86400)
        self.pair.target.credit("BTC", D(3))
        self.pair.world.pass_(20 * 86400)
        self.pair.start()
        self.pair.refresh()
        self.assertEqual(self.pair.states(), ["ARRIVED"])
        self.assertEqual([flow.quantity for flow in self.pair.transfers.flows], [D(3)])

    def test_a_restart_does_not_read_the_whole_history_again(self) -> None:
        self.pair.world.pass_(40 * 86400)
        self.pair.source.credit("BTC", D(3))
        self.pair.refresh()
        self.pair.start()
        starts = []
        self.pair.source.getTransfers = lambda start, end: starts.append(start) or succeed([])
        self.pair.refresh()
        self.assertEqual(set(starts), {self.pair.world.now() - timedelta(days=1, hours=1)})

    def test_external_flows_are_not_found_twice(self) -> None:
        self.pair.source.credit("BTC", D(5))
        self.pair.refresh()
        self.pair.start()
        self.pair.refresh()
        self.assertEqual([flow.quantity for flow in self.pair.transfers.flows], [D(5)])


class ArrivalTests(Paired):
    """Matching, one to one."""

    def under_way(self, *amounts: str) -> None:
        """Transfers of these amounts on one lane, a minute apart: the lane's limit does not hold for what follows."""
        for amount in amounts:
            entry = self.planned(coins(amount))
            self.pair.source.debit()
            self.pair.refresh()
            # Hide it from the lane while the next one begins, as the tests need several under way.
            self.pair.transfers._book.put(evolve(entry, state=S.ARRIVED))
            self.hidden.append(evolve(entry, state=S.SENT, debited=entry.amount))
            self.pair.world.pass_(60)
        for entry in self.hidden:
            self.pair.transfers._book.put(entry)

    def setUp(self) -> None:
        super().setUp()
        self.hidden: list[TransferEntry] = []

    def arrives(self, amount: str) -> list[str]:
        self.pair.target.credit("BTC", D(amount))
        self.pair.refresh()
        return self.pair.states()

    def test_two_deposits_of_equal_size_settle_two_transfers(self) -> None:
        self.under_way("1", "1")
        self.assertEqual(self.arrives("0.9999"), ["ARRIVED", "SENT"])
        self.assertEqual(self.arrives("0.9999"), ["ARRIVED", "ARRIVED"])

    def test_two_of_different_amounts_in_the_wrong_order_are_told_apart(self) -> None:
        self.under_way("1", "2")
        self.assertEqual(self.arrives("1.9999"), ["SENT", "ARRIVED"])

    def test_two_candidates_of_different_amounts_ask_the_operator(self) -> None:
        self.under_way("1", "1.005")
        before = self.pair.total("target", "BTC")
        self.assertEqual(self.arrives("1.0024"), ["SENT", "SENT"])
        self.assertIn("may be this one or t2", self.pair.transfers.questions(self.pair.transfers.entries[0])[0])
        ((record, ids),) = self.pair.transfers.ambiguous
        self.assertEqual((record.amount, sorted(ids)), (D("1.0024"), ["t1", "t2"]))
        self.assertEqual(self.pair.total("target", "BTC"), before)  # it is one of them, so it counts once
        self.assertEqual(self.pair.transfers.flows, ())

    def test_the_operators_answer_is_taken(self) -> None:
        self.under_way("1", "1.005")
        self.arrives("1.0024")
        entry = self.successResultOf(self.pair.transfers.act("alice", "t2", "arrived", D("1.0024"), None))
        self.assertEqual((entry.state, entry.arrived, entry.by), (S.ARRIVED, D("1.0024"), "alice"))
        self.pair.refresh()
        self.assertEqual(self.pair.states(), ["SENT", "ARRIVED"])
        self.assertEqual(self.pair.transfers.questions(self.pair.transfers.entries[0]), ())
        self.assertEqual(self.pair.transfers.ambiguous, ())

    def test_two_that_the_operator_saw_arrive_alike_count_once_each(self) -> None:
        self.under_way("1", "1.005")
        for id in ("t1", "t2"):
            self.successResultOf(self.pair.transfers.act("alice", id, "arrived", D("1.0024"), None))
        for _ in range(2):
            self.arrives("1.0024")
        self.assertEqual(self.pair.transfers.ambiguous, ())
        self.assertEqual(self.pair.total("target", "BTC"), self.pair.target.balances["BTC"])
        self.assertEqual({entry.deposit_id is None for entry in self.pair.transfers.entries}, {False})

    def test_a_pending_deposit_has_not_arrived(self) -> None:
        self.under_way("1")
        self.pair.target.credit("BTC", D(1) - FEE)["status"] = "pending"
        self.pair.target.balances["BTC"] -= D(1) - FEE
        self.pair.refresh()
        self.assertEqual((self.pair.states(), self.pair.transfers.flows), (["SENT"], ()))


class FlowTests(Paired):
    """Deposits and withdrawals that the pool did not make."""

    def test_a_deposit_of_somebody_is_an_external_flow(self) -> None:
        self.pair.target.credit("HUF", D(50_000), reference="wire")
        self.pair.refresh()
        (flow,) = self.pair.transfers.flows
        self.assertEqual((flow.venue, flow.asset, flow.quantity, flow.classified), ("target", "HUF", D(50_000), ""))
        self.assertEqual(flow.reference, "wire")
        self.assertEqual(list(self.successResultOf(self.pair.journal.flows(NOON))), [flow])

    def test_a_withdrawal_of_somebody_is_one_too(self) -> None:
        self.pair.source.balances["USD"] -= 300
        self.pair.source.record("withdrawal", "USD", D(300), "elsewhere", None)
        self.pair.refresh()
        self.assertEqual([flow.quantity for flow in self.pair.transfers.flows], [D(-300)])

    def test_the_operator_says_what_it_was(self) -> None:
        self.pair.target.credit("HUF", D(50_000))
        self.pair.refresh()
        (flow,) = self.pair.transfers.flows
        found = self.successResultOf(self.pair.transfers.classify("alice", flow.key, "capital"))
        self.assertEqual((found.classified, found.by), ("capital", "alice"))
        self.pair.start()
        self.assertEqual(self.pair.transfers.flows, (found,))

    def test_one_that_came_back_is_nothing(self) -> None:
        self.pair.source.balances["USD"] -= 300
        record = self.pair.source.record("withdrawal", "USD", D(300), "elsewhere", None)
        self.pair.refresh()
        self.pair.source.bounce(record)
        self.pair.refresh()
        self.assertEqual([flow.quantity for flow in self.pair.transfers.flows], [D(0)])

    def test_a_deposit_that_was_taken_for_an_arrival_wrongly_becomes_a_flow(self) -> None:
        self.planned(coins())
        record = self.pair.source.debit()
        self.pair.target.credit("BTC", D(1) - FEE)
        self.pair.refresh()
        self.assertEqual(self.pair.states(), ["ARRIVED"])
        self.pair.source.bounce(record)
        self.pair.refresh()
        self.assertEqual(self.pair.states(), ["FAILED"])
        self.assertEqual([flow.quantity for flow in self.pair.transfers.flows], [D(1) - FEE])


class LedgerTests(Paired):
    """A client that lists no transfers, but has a ledger."""

    def test_its_lines_serve_as_records(self) -> None:
        venue = self.pair.source
        venue.listed = False
        lines: list[Transaction] = []
        self.patch(venue, "getTransactionHistory", lambda start, end: succeed(lines))
        self.pair.refresh()
        self.planned(coins())
        venue.debit()
        lines.append(
            Transaction(
                contract="BTC",
                timestamp=self.pair.world.now(),
                quantity=D(1),
                type="Withdrawal",
                direction="debit",
                balance=D(9),
                note="target's BTC address",
            )
        )
        self.pair.refresh()
        self.assertEqual(self.pair.states(), ["SENT"])
        self.assertIn(
            "20150314T120000.000000:BTC:1:target's BTC address", str(self.pair.transfers.entries[0].withdrawal_id)
        )


class InterestTests(Paired):
    """A venue whose positions earn and pay."""

    def setUp(self) -> None:
        super().setUp()
        self.pair = Pair(features=frozenset({"withdrawal_id", "interest"}))
        self.lines: list[Transaction] = []
        for venue in (self.pair.source, self.pair.target):
            self.patch(venue, "getTransactionHistory", lambda start, end: succeed([]))
        self.asked: list[datetime] = []

        def history(start: datetime, end: datetime) -> Deferred[list[Transaction]]:
            self.asked.append(start)
            return succeed([line for line in self.lines if start <= line["timestamp"] <= end])

        self.patch(self.pair.source, "getTransactionHistory", history)
        self.pair.refresh()

    def book(self, amount: str, kind: str = "Interest", asset: str = "BTC") -> None:
        """A line of the source's ledger, and what it does to the balance."""
        change = D(amount)
        self.pair.source.balances[asset] += change
        self.lines.append(
            Transaction(
                contract=asset,
                timestamp=self.pair.world.now(),
                quantity=abs(change),
                type=kind,
                direction="credit" if change > 0 else "debit",
                balance=None,
                note="INTEREST, account 2",
            )
        )

    def told(self) -> list[tuple[str, D, str, str]]:
        return [(flow.asset, flow.quantity, flow.classified, flow.by) for flow in self.pair.transfers.flows]

    def test_what_it_books_is_interest_without_anyone_saying_so_and_counts_once(self) -> None:
        self.book("0.001")
        self.book("-0.0004")
        self.pair.refresh()
        self.pair.refresh()
        self.pair.start()
        self.pair.refresh()
        self.assertEqual(
            sorted(self.told()),
            [("BTC", D("-0.0004"), "interest", "machine"), ("BTC", D("0.001"), "interest", "machine")],
        )

    def test_two_equal_payments_of_one_instant_are_two(self) -> None:
        self.book("0.001")
        self.book("0.001")
        self.pair.refresh()
        self.assertEqual([amount for _, amount, *_ in self.told()], [D("0.001"), D("0.001")])

    def test_other_lines_are_none(self) -> None:
        for kind in ("Trade", "Fee", "Other"):
            self.book("-0.001", kind)
        self.pair.refresh()
        self.assertEqual(self.told(), [])

    def test_what_was_paid_before_the_journal_began_is_none_of_its_business(self) -> None:
        self.pair.world.time = NOON - timedelta(minutes=10)
        self.book("0.001")
        self.pair.world.time = NOON
        self.pair.refresh()
        self.assertEqual(self.told(), [])

    def test_it_is_taken_for_nobodys_transfer(self) -> None:
        self.successResultOf(self.pair.plan(coins("0.001", to="source", start="target", fee=D(0))))
        self.book("0.001")
        self.pair.refresh()
        self.assertNotIn("ARRIVED", self.pair.states())

    def test_what_was_paid_does_not_make_old_records_be_read_again(self) -> None:
        self.book("-0.001")
        self.pair.refresh()
        self.pair.world.pass_(86_400)
        self.pair.refresh()
        self.pair.refresh()
        self.assertGreater(self.asked[-1], NOON + timedelta(hours=22))
