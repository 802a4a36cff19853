"""The way of a transfer from a plan to its arrival."""

from __future__ import annotations

from decimal import Decimal as D

from twisted.internet.defer import Deferred, fail
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import InsufficientFunds, OutcomeUnknown, Unreachable
from ilp.journal.entries import TransferState
from tests.trading.transfers_fakes import FEE, NOON, Pair, coins


class SendingTests(SynchronousTestCase):
    """From the plan to the venue's answer."""

    def setUp(self) -> None:
        self.pair = Pair()
        self.pair.refresh()

    def sent(self) -> TransferState:
        (entry,) = self.successResultOf(self.pair.plan(coins()))
        return entry.state

    def test_an_accepted_transfer_is_requested(self) -> None:
        self.assertIs(self.sent(), TransferState.REQUESTED)
        self.assertEqual(self.pair.source.calls, [("BTC", D(1), "target's BTC address")])

    def test_the_intention_is_durable_before_the_venue_is_called(self) -> None:
        seen: list[object] = []

        def look(id: str) -> Deferred[str]:
            found = self.successResultOf(self.pair.journal.transfers(NOON))
            seen.extend((t.state, t.called, t.address) for t in found)
            return Deferred()

        self.pair.source.answer = look
        self.assertNoResult(self.pair.plan(coins()))
        self.assertEqual(seen, [(TransferState.PLANNED, True, "target's BTC address")])

    def test_a_lost_answer_leaves_it_uncertain(self) -> None:
        self.pair.source.answer = lambda id: fail(OutcomeUnknown("source", "withdrawing", "no answer in 10 s"))
        self.assertIs(self.sent(), TransferState.UNCERTAIN)

    def test_a_refusal_is_the_end_of_it(self) -> None:
        self.pair.source.answer = lambda id: fail(InsufficientFunds("source", "withdrawing", "not enough"))
        self.assertIs(self.sent(), TransferState.FAILED)

    def test_an_unreachable_venue_leaves_it_planned_and_uncalled(self) -> None:
        self.pair.source.answer = lambda id: fail(Unreachable("source", "withdrawing", "not connected"))
        self.assertIs(self.sent(), TransferState.PLANNED)
        self.assertIs(self.pair.transfers.entries[0].called, False)

    def test_totals_move_once_on_the_way(self) -> None:
        self.successResultOf(self.pair.plan(coins()))

        def totals() -> tuple[D, D]:
            return self.pair.total("source", "BTC"), self.pair.total("target", "BTC")

        moved = (D(9), D(11) - FEE)
        self.assertEqual(totals(), moved)
        self.pair.refresh()
        self.assertEqual(totals(), moved)
        self.pair.source.debit(reference="tx")
        self.assertEqual(totals(), moved)
        self.pair.refresh()
        self.assertEqual(self.pair.states(), ["SENT"])
        self.assertEqual(totals(), moved)
        self.pair.target.credit("BTC", D(1) - FEE, reference="tx")
        self.pair.refresh()
        self.assertEqual(self.pair.states(), ["ARRIVED"])
        self.assertEqual(totals(), moved)
