"""What the gate is told: own orders, what is left of a holding, where money may go, and what the state permits."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from ilp.journal.entries import OrderState, Purpose
from ilp.trading.exposure import Exposure, Open
from ilp.trading.facts import GateFacts
from ilp.trading.layout import Layout, Pair
from ilp.trading.machine import State
from ilp.trading.own import OwnOrder
from ilp.trading.pauses import Pause
from ilp.trading.permissions import Act, Leave
from tests.trading.world import PARAMETERS, RULES, START, D


def order(key: str, side: Side = Side.BUY, purpose: Purpose = Purpose.QUOTE, **more: Any) -> OwnOrder:
    """An order of 0.3 for 100 that rests on the target."""
    values = {"venue": "target", "ticker": "BTC/HUF", "quantity": D("0.3"), "price": D(100), "at": START}
    return OwnOrder(key, side=side, purpose=purpose, state=OrderState.OPEN, **{**values, **more})


class FactsCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.live: list[OwnOrder] = []
        self.state, self.trouble, self.closing_trouble = State.TRADING, "", ""
        self.connected = {"source": True, "target": True}
        self.balances = {("target", "BTC"): D(2), ("target", "HUF"): D(1000)}
        self.given = {"source": {}, "target": {"BTC": {"given"}}}
        market = SimpleNamespace(
            connected=self.connected,
            closing_trouble=lambda: self.closing_trouble,
            reference=lambda pair: D(250) if pair.venue == "source" else None,
            balances=SimpleNamespace(balance=lambda venue, asset: self.balances.get((venue, asset), D(0))),
        )
        readers = {venue: SimpleNamespace(given=given) for venue, given in self.given.items()}
        self.rules = evolve(
            RULES,
            out_address="the bank",
            addresses={("target", "BTC"): ("listed",), ("target", "HUF"): ("account",), ("source", "BTC"): ("other",)},
        )
        self.facts = GateFacts(
            Layout(Pair("source", "BTC/USD"), Pair("target", "BTC/HUF")),
            market,
            Exposure(lambda: "link"),
            readers,
            self.rules,
            lambda: self.state,
            lambda: PARAMETERS,
            lambda venue, side: [one for one in self.live if (one.venue, one.side) == (venue, side)],
            lambda: self.trouble,
        )


class OrderTests(FactsCase):
    def resting(self, but: str = "") -> tuple[int, Decimal]:
        return self.facts.resting("target", "BTC/HUF", Side.BUY, but)

    def test_all_orders_count_and_quotes_add_up(self) -> None:
        self.live = [order("a"), order("b"), order("c", purpose=Purpose.PLAN)]
        self.assertEqual(self.resting(), (3, D("0.6")))

    def test_the_order_that_is_being_changed_does_not_count(self) -> None:
        self.live = [order("a"), order("b")]
        self.assertEqual(self.resting("a"), (1, D("0.3")))

    def test_only_what_may_still_trade_counts(self) -> None:
        partly, gone = order("a"), order("b")
        partly.grow(D("0.1"), None, None, {})
        gone.off_book = True
        self.live = [partly, gone]
        self.assertEqual(self.resting(), (1, D("0.2")))

    def test_another_pair_side_or_venue_is_another_book(self) -> None:
        self.live = [order("a", ticker="BTC/USD"), order("b", Side.SELL), order("c", venue="source")]
        self.assertEqual(self.resting(), (0, D(0)))

    def test_what_is_left_of_a_holding_is_what_no_order_holds(self) -> None:
        self.live = [order("a"), order("b", Side.SELL), order("c", Side.SELL, purpose=Purpose.PLAN)]
        self.assertEqual(self.facts.left("target", "BTC", ""), D(2) - D("0.6"))
        self.assertEqual(self.facts.left("target", "HUF", ""), D(1000) - D(30))

    def test_what_the_order_that_is_being_changed_holds_is_left(self) -> None:
        self.live = [order("a"), order("b", Side.SELL)]
        self.assertEqual(self.facts.left("target", "BTC", "b"), D(2))
        self.assertEqual(self.facts.left("target", "HUF", "a"), D(1000))

    def test_what_was_asked_of_the_venue_to_send_away_is_not_left(self) -> None:
        self.facts.leaving = lambda venue, asset, but: D("0.5") if (venue, asset) == ("target", "BTC") else D(0)
        self.assertEqual(self.facts.left("target", "BTC", ""), D("1.5"))

    def test_exposure_and_size_are_those_of_now(self) -> None:
        self.facts.open_fills.add(Open("f", D("-0.2"), None, None, 0.0), START)
        self.assertEqual((self.facts.exposure(), self.facts.quote_size()), (D("-0.2"), PARAMETERS.quote_size))

    def test_a_book_has_a_reference_and_a_stranger_has_none(self) -> None:
        self.assertEqual(self.facts.reference("source", "BTC/USD"), D(250))
        self.assertIsNone(self.facts.reference("target", "BTC/HUF"))
        self.assertIsNone(self.facts.reference("source", "BTC/HUF"))


class AddressTests(FactsCase):
    def test_coins_go_where_the_receiving_client_or_the_configuration_says(self) -> None:
        self.assertEqual(self.facts.addresses(("BTC", "source", "target")), {"given", "listed"})

    def test_the_way_back_has_addresses_of_its_own(self) -> None:
        self.assertEqual(self.facts.addresses(("BTC", "target", "source")), {"other"})

    def test_money_that_is_converted_goes_where_its_new_currency_may(self) -> None:
        self.assertEqual(self.facts.addresses(("USD", "source", "target")), {"account"})
        self.assertEqual(self.facts.addresses(("HUF", "target", "source")), frozenset())

    def test_a_payout_goes_to_the_operators_bank_alone_and_nowhere_without_one(self) -> None:
        self.assertEqual(self.facts.addresses(("USD", "source", "")), {"the bank"})
        self.facts.rules = evolve(self.rules, out_address="")
        self.assertEqual(self.facts.addresses(("USD", "source", "")), frozenset())


class PermissionTests(FactsCase):
    def may(self, act: Act, by: Leave = Leave.MACHINE, venue: str = "source") -> bool:
        return self.facts.permitted(act, venue, by)

    def test_while_trading_everything_may_be_sent(self) -> None:
        self.assertTrue(all(self.may(act) for act in Act))

    def test_a_pause_binds_the_machine_and_not_the_operator(self) -> None:
        self.facts.pauses = frozenset({Pause.HEDGES})
        self.assertEqual([self.may(Act.HEDGE), self.may(Act.HEDGE, Leave.OPERATOR)], [False, True])
        self.assertTrue(self.may(Act.QUOTE))

    def test_nothing_but_a_cancel_goes_to_a_venue_that_is_not_connected_or_unknown(self) -> None:
        self.connected["source"] = False
        for venue in ("source", "elsewhere"):
            self.assertEqual([act for act in Act if self.may(act, venue=venue)], [Act.CANCEL])
        self.assertTrue(self.may(Act.QUOTE, venue="target"))

    def test_an_input_that_does_not_count_leaves_hedges_and_cancels(self) -> None:
        self.trouble = "rate: 2000 s old"
        self.assertEqual([act for act in Act if self.may(act)], [Act.CANCEL, Act.HEDGE])

    def test_a_hedge_depends_on_what_it_closes_against_alone(self) -> None:
        self.closing_trouble = "source book: crossed"
        self.assertEqual([self.may(Act.HEDGE), self.may(Act.QUOTE)], [False, True])

    def test_exposure_found_at_start_is_hedged_after_start_only(self) -> None:
        self.state = State.DISCONNECTED
        self.assertFalse(self.may(Act.HEDGE))
        self.facts.armed = True
        self.assertTrue(self.may(Act.HEDGE))

    def test_what_an_operator_approved_leaves_though_an_input_does_not_count(self) -> None:
        self.state, self.trouble = State.READY, "rate: 2000 s old"
        self.assertEqual([self.may(Act.TRANSFER, Leave.OPERATOR), self.may(Act.TRANSFER)], [True, False])
