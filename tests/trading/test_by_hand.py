"""Transfers that an operator wants: what they cost, and how they get on with those of plans."""

from __future__ import annotations

from datetime import UTC, datetime

from twisted.trial.unittest import SynchronousTestCase

from ilp.journal.entries import TransferState
from ilp.trading.by_hand import Unlikely, wanted
from ilp.trading.layout import Layout, Pair
from ilp.trading.market import Rate
from ilp.trading.transfers import TransferError
from tests.trading.transfers_fakes import Pair as Venues
from tests.trading.transfers_fakes import coins, dollars, rules
from tests.trading.world import PARAMETERS, D

LAYOUT = Layout(Pair("source", "BTC/USD"), Pair("target", "BTC/HUF"))
NOON = datetime(2015, 3, 14, 12, 0, tzinfo=UTC)


class TermsTests(SynchronousTestCase):
    """What it costs and brings."""

    def setUp(self) -> None:
        self.rate = Rate(D("0.004"), D("0.005"), NOON, "a test")

    def terms(self, asset: str, start: str, to: str, amount: str) -> tuple[str, D, D]:
        move = wanted(LAYOUT, PARAMETERS, self.rate, asset, (start, to), D(amount))
        return move.to_asset, move.fee.normalize(), move.expected.normalize()

    def wrong(self, asset: str, start: str, to: str, amount: str) -> str:
        return self.assertRaises(Unlikely, self.terms, asset, start, to, amount).field

    def test_a_coin_arrives_less_the_networks_charge(self) -> None:
        self.assertEqual(self.terms("BTC", "source", "target", "1"), ("BTC", D("0.0001"), D("0.9999")))

    def test_money_is_converted_at_the_ask_on_its_way_to_the_target(self) -> None:
        self.assertEqual(self.terms("USD", "source", "target", "2000"), ("HUF", D(350), D(330_000)))

    def test_money_is_converted_at_the_bid_on_its_way_back_and_the_fixed_charge_with_it(self) -> None:
        self.assertEqual(self.terms("HUF", "target", "source", "400000"), ("USD", D(77_500), D(1290)))

    def test_of_a_payout_the_bank_receives_what_the_charges_leave(self) -> None:
        to, fee, expected = self.terms("USD", "source", "", "1250")
        self.assertEqual((to, fee, expected), ("USD", D(250), D(1000)))

    def test_what_the_pool_does_not_have_is_refused_by_name(self) -> None:
        self.assertEqual(self.wrong("EUR", "source", "target", "1"), "asset")
        self.assertEqual(self.wrong("HUF", "source", "target", "1"), "asset")
        self.assertEqual(self.wrong("BTC", "mars", "target", "1"), "from")
        self.assertEqual(self.wrong("BTC", "source", "mars", "1"), "to")
        self.assertEqual(self.wrong("BTC", "source", "source", "1"), "to")
        self.assertEqual(self.wrong("BTC", "source", "", "1"), "to")

    def test_an_amount_that_the_charges_eat_is_refused(self) -> None:
        self.assertEqual(self.wrong("USD", "source", "target", "100"), "amount")


class ProposalTests(SynchronousTestCase):
    """Proposals by hand beside those of plans."""

    def setUp(self) -> None:
        self.venues = Venues(rules=rules(approval_limit=D(0)))
        self.venues.refresh()

    def propose(self, amount: str = "1") -> str:
        entry = self.successResultOf(self.venues.transfers.propose("anna", coins(amount), "for the weekend"))
        self.assertEqual((entry.state, entry.by), (TransferState.PROPOSED, "anna"))
        return entry.id

    def test_it_waits_and_says_by_whom_and_why(self) -> None:
        self.propose()
        (entry,) = self.venues.transfers.entries
        self.assertIn("proposed by anna; for the weekend", entry.note)
        self.assertEqual(self.venues.source.calls, [])

    def test_a_plan_without_it_leaves_it_alone(self) -> None:
        id = self.propose()
        self.successResultOf(self.venues.plan())
        self.assertEqual([(e.id, e.state) for e in self.venues.transfers.entries], [(id, TransferState.PROPOSED)])

    def test_a_plan_with_the_same_lane_waits_for_it(self) -> None:
        self.propose("1")
        self.successResultOf(self.venues.plan(coins("2")))
        self.assertEqual([e.amount for e in self.venues.transfers.entries], [D(1)])

    def test_other_lanes_stay_free(self) -> None:
        self.propose()
        self.successResultOf(self.venues.plan(dollars()))
        self.assertEqual(len(self.venues.transfers.entries), 2)

    def test_once_approved_it_is_sent_like_every_other(self) -> None:
        id = self.propose()
        entry = self.successResultOf(self.venues.transfers.act("bela", id, "approve", None, None))
        self.assertEqual((entry.state, len(self.venues.source.calls)), (TransferState.REQUESTED, 1))

    def test_a_lane_with_a_proposal_of_the_plan_takes_none_by_hand(self) -> None:
        self.successResultOf(self.venues.plan(coins()))
        failure = self.failureResultOf(self.venues.transfers.propose("anna", coins("2"), ""), TransferError)
        self.assertIn("proposed on that lane already", failure.getErrorMessage())
