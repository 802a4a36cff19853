"""What one transfer does to totals, state by state."""

from __future__ import annotations

from decimal import Decimal as D
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ilp.journal.entries import TransferEntry, TransferState
from ilp.trading.transfers_account import Outstanding, charged, inbound, outstanding, reserved, undebited
from tests.journal.samples import transfer

S = TransferState


def moved(state: TransferState, **more: Any) -> TransferEntry:
    """1.5 bitcoin from the source, of which 1.4999 should arrive at the target."""
    return transfer(state=state, **more)


class StateTests(SynchronousTestCase):
    """By state, before the debit is seen and after."""

    def test_what_is_requested_or_gone_is_still_in_the_senders_balance_until_it_is_debited(self) -> None:
        found = {state for state in S if undebited(moved(state))}
        self.assertEqual(found, {S.REQUESTED, S.SENT, S.ARRIVED})
        self.assertEqual({state for state in S if undebited(moved(state, debited=D("1.5")))}, set())

    def test_what_is_requested_or_sent_is_inbound(self) -> None:
        self.assertEqual({state: inbound(moved(state)) for state in S if inbound(moved(state))}, {
            S.REQUESTED: D("1.4999"),
            S.SENT: D("1.4999"),
        })  # fmt: skip

    def test_a_payout_is_inbound_nowhere(self) -> None:
        self.assertEqual({inbound(moved(state, to_venue="")) for state in S}, {D(0)})

    def test_what_is_planned_or_uncertain_is_reserved(self) -> None:
        self.assertEqual({state for state in S if reserved(moved(state))}, {S.PLANNED, S.UNCERTAIN})

    def test_the_charge_is_expected_first_and_real_in_the_end(self) -> None:
        self.assertEqual(charged(moved(S.SENT)), D("0.0001"))
        self.assertEqual(charged(moved(S.SENT, debited=D("1.51"))), D("0.0101"))
        self.assertEqual(charged(moved(S.ARRIVED, debited=D("1.5"), arrived=D("1.49"))), D("0.01"))

    def test_what_never_left_costs_nothing(self) -> None:
        for state in (S.PROPOSED, S.PLANNED, S.UNCERTAIN, S.CANCELLED, S.FAILED):
            self.assertEqual(charged(moved(state)), D(0), state)

    def test_what_left_and_never_came_back_is_a_cost(self) -> None:
        self.assertEqual(charged(moved(S.FAILED, debited=D("1.5"))), D("1.5"))

    def test_total_and_charge_are_constant_from_state_to_state(self) -> None:
        """What is missing in one place is in another: the balances are those that belong to each step."""
        steps = [
            (moved(S.PLANNED), D(10), D(10)),
            (moved(S.REQUESTED), D(10), D(10)),
            (moved(S.SENT, debited=D("1.5")), D("8.5"), D(10)),
            (moved(S.ARRIVED, debited=D("1.5"), arrived=D("1.49")), D("8.5"), D("11.49")),
            (moved(S.ARRIVED, arrived=D("1.49")), D(10), D("11.49")),  # the receiver was read first
        ]
        for entry, source, target in steps:
            total = outstanding([entry], "source", "BTC").total(source) + outstanding([entry], "target", "BTC").total(
                target
            )
            self.assertEqual(total + charged(entry), D(20), entry)


class HoldingTests(SynchronousTestCase):
    """Several transfers, one holding."""

    def test_only_transfers_of_the_holding_count(self) -> None:
        entries = [
            moved(S.REQUESTED),
            moved(S.UNCERTAIN),
            moved(S.SENT, from_venue="target", to_venue="source", debited=D("1.5")),
            moved(S.SENT, asset="USD"),
            moved(S.SENT, from_venue="other"),
        ]
        self.assertEqual(outstanding(entries, "source", "BTC"), Outstanding(D("1.5"), D("1.4999"), D("1.5")))

    def test_available_may_become_negative(self) -> None:
        self.assertEqual(Outstanding(D(3), D(0), D(2)).available(D(4)), D(-1))
