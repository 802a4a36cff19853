"""Money in and out of a venue: the sequences of the Sputnik page, 7.6 and 7.7."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from ilp.simulation import rejections as no
from ilp.simulation.ledger import UNCLAIMED, WITHDRAWALS, Ledger, credit, debit
from ilp.simulation.records import PostingType, TransferStatus
from ilp.simulation.rules import FeeFactors, Rules
from tests.simulation.world import Time, line, record, venue


class WithdrawalTests(SynchronousTestCase):
    """Pending, then completed or cancelled."""

    def setUp(self) -> None:
        self.core = venue()
        self.events = record(self.core)

    def test_it_is_booked_as_fee_and_net_and_leaves_nothing_of_itself_in_the_account(self) -> None:
        found = self.core.withdraw("alice", "BTC", 1_000_000, "1Address")
        self.assertEqual((found.fee, found.net, found.status), (10_100, 989_900, TransferStatus.PENDING))
        self.assertEqual(
            [line(e) for e in self.events],
            ["alice BTC debit 10100 Fee", "alice BTC debit 989900 1Address", "withdrawal 1 pending"],
        )
        self.assertEqual(self.core.balance("alice", "BTC"), 499_000_000)
        self.assertEqual(self.core.balance(WITHDRAWALS, "BTC"), 989_900)

    def test_a_fee_of_nothing_is_booked_too(self) -> None:
        self.core.withdraw("alice", "HUF", 100, "bank")
        self.assertEqual(line(self.events[0]), "alice HUF debit 0 Fee")

    def test_completing_tells_the_user_nothing_new_and_takes_the_cash_out(self) -> None:
        self.core.withdraw("alice", "BTC", 1_000_000, "1Address")
        had = self.core.had("BTC")
        self.events.clear()
        done = self.core.complete_withdrawal(1, "tx")
        self.assertEqual([line(e) for e in self.events], ["withdrawal 1 done"])
        self.assertEqual((done.reference, had - self.core.had("BTC")), ("tx", 989_900))

    def test_cancelling_gives_the_net_amount_back_and_keeps_the_fee(self) -> None:
        self.core.withdraw("alice", "BTC", 1_000_000, "1Address")
        self.events.clear()
        self.core.cancel_withdrawal(1, "ann")
        self.assertEqual(
            [line(e) for e in self.events], ["alice BTC credit 989900 1Address: cancel (ann)", "withdrawal 1 cancelled"]
        )
        self.assertEqual(self.core.balance("alice", "BTC"), 500_000_000 - 10_100)

    def test_the_note_of_a_cancellation_without_a_name_has_no_parenthesis(self) -> None:
        self.core.withdraw("alice", "BTC", 1_000_000, "1Address")
        self.core.cancel_withdrawal(1)
        self.assertIn("alice BTC credit 989900 1Address: cancel", [line(e) for e in self.events])

    def test_a_final_one_stays_final(self) -> None:
        self.core.withdraw("alice", "BTC", 1_000_000, "1Address")
        self.core.complete_withdrawal(1)
        self.assertRaises(no.WithdrawalFinal, self.core.cancel_withdrawal, 1)
        self.assertRaises(no.UnknownWithdrawal, self.core.complete_withdrawal, 2)

    def test_every_reason_to_refuse_one_and_nothing_changes(self) -> None:
        before = self.core.holdings("alice")
        for kind, currency, amount in (
            (no.InvalidAmount, "BTC", 0),
            (no.InvalidAmount, "BTC", -10_000),
            (no.OffStep, "BTC", 10_001),
            (no.InsufficientFunds, "BTC", 500_010_000),
            (no.UnknownContract, "XYZ", 10_000),
        ):
            self.assertRaises(kind, self.core.withdraw, "alice", currency, amount, "x")
        self.core.account("alice").enabled = False
        self.assertRaises(no.AccountDisabled, self.core.withdraw, "alice", "BTC", 10_000, "x")
        self.core.account("alice").may_withdraw = False
        self.assertRaises(no.NotPermitted, self.core.withdraw, "alice", "BTC", 10_000, "x")
        self.assertEqual((self.core.holdings("alice"), self.events), (before, []))

    def test_less_than_its_own_fee_cannot_be_withdrawn(self) -> None:
        self.core.account("alice").factors = FeeFactors(withdraw=10_000)
        self.assertRaises(no.WithdrawalTooSmall, self.core.withdraw, "alice", "BTC", 10_000, "x")

    def test_what_open_orders_hold_cannot_be_withdrawn(self) -> None:
        self.core.place("alice", "BTC/HUF", Side.SELL, 6_100_000, 400_000_000)
        self.assertRaises(no.InsufficientFunds, self.core.withdraw, "alice", "BTC", 100_010_000, "x")
        self.core.withdraw("alice", "BTC", 100_000_000, "x")


class DepositTests(SynchronousTestCase):
    """To good addresses and others."""

    def setUp(self) -> None:
        self.core = venue()
        self.address = self.core.current_address("alice", "BTC")
        self.events = record(self.core)

    def test_it_is_credited_in_full_and_the_fee_debited(self) -> None:
        self.core.deposit("BTC", 1_000_000, self.address, "tx")
        self.assertEqual(
            [line(e) for e in self.events],
            [f"alice BTC credit 1000000 {self.address}", "alice BTC debit 20050 Fee", "deposit 1 done"],
        )
        self.assertEqual(self.core.deposits("alice")[0].reference, "tx")

    def test_an_address_is_one_accounts_and_stays_until_a_new_one_is_made(self) -> None:
        self.assertEqual(self.core.current_address("alice", "BTC"), self.address)
        others = {self.core.current_address("alice", "HUF"), self.core.current_address("bob", "BTC")}
        self.assertNotIn(self.address, others)
        self.assertEqual(self.core.address_owner(self.address), ("alice", "BTC"))
        self.assertRaises(no.UnknownAddress, self.core.address_owner, "nobody's")

    def test_an_address_that_was_replaced_goes_on_working_unless_the_venue_is_strict(self) -> None:
        self.core.new_address("alice", "BTC")
        self.assertEqual(self.core.deposit("BTC", 1_000, self.address).status, TransferStatus.DONE)
        strict = venue(rules=Rules(credit_old_addresses=False))
        old = strict.current_address("alice", "BTC")
        new = strict.new_address("alice", "BTC")
        self.assertEqual(strict.deposit("BTC", 1_000, old).status, TransferStatus.PENDING)
        self.assertEqual(strict.deposit("BTC", 1_000, new).status, TransferStatus.DONE)

    def test_what_nobody_owns_waits_until_an_administrator_says_whose_it_is(self) -> None:
        found = self.core.deposit("BTC", 1_000_000, "nobody's")
        self.assertEqual((found.account, self.core.balance(UNCLAIMED, "BTC")), (None, 1_000_000))
        done = self.core.claim_deposit(found.id, "bob")
        self.assertEqual((done.account, done.status), ("bob", TransferStatus.DONE))
        self.assertEqual(self.core.balance("bob", "BTC"), 500_000_000 + 1_000_000 - 20_050)
        self.assertRaises(no.UnknownDeposit, self.core.claim_deposit, found.id, "bob")

    def test_one_currency_sent_to_the_address_of_another_is_not_credited(self) -> None:
        self.assertIsNone(self.core.deposit("HUF", 1_000, self.address).account)

    def test_an_account_that_may_not_deposit_sees_it_come_and_go_as_an_excess(self) -> None:
        self.core.account("alice").may_deposit = False
        self.assertIsNone(self.core.deposit("BTC", 1_000, self.address).account)
        self.assertEqual(
            [line(e) for e in self.events],
            [
                f"alice BTC credit 1000 {self.address}",
                f"alice BTC debit 1000 Excess Deposit: {self.address}",
                "alice BTC debit 0 Fee",
                "deposit 1 pending",
            ],
        )
        self.assertEqual(self.core.balance(UNCLAIMED, "BTC"), 1_000)

    def test_a_deposit_of_nothing_is_refused(self) -> None:
        self.assertRaises(no.InvalidAmount, self.core.deposit, "BTC", 0, self.address)


class LedgerTests(SynchronousTestCase):
    """Double entry by itself."""

    def test_all_lines_of_a_booking_carry_its_number_and_its_time(self) -> None:
        ledger = Ledger(Time(), 10)
        lines = ledger.book(PostingType.TRANSFER, [debit("a", "BTC", 5), credit("b", "BTC", 5)])
        self.assertEqual({(posting.booking, posting.booked) for posting in lines}, {(1, Time()())})
        self.assertEqual([posting.signed for posting in lines], [-5, 5])

    def test_each_currency_has_to_balance_by_itself(self) -> None:
        ledger = Ledger(Time(), 10)
        legs = [debit("a", "BTC", 5), credit("b", "HUF", 5)]
        self.assertRaisesRegex(ValueError, "5 units of", ledger.book, PostingType.TRANSFER, legs)
        self.assertEqual(list(ledger.accounts()), [])

    def test_an_account_remembers_no_more_lines_than_it_may(self) -> None:
        ledger = Ledger(Time(), 2)
        for amount in (1, 2, 3):
            ledger.book(PostingType.TRANSFER, [debit("a", "BTC", amount), credit("b", "BTC", amount)])
        self.assertEqual([posting.quantity for posting in ledger.history("b")], [2, 3])
        self.assertEqual((ledger.balance("b", "BTC"), ledger.balance("c", "BTC")), (6, 0))
