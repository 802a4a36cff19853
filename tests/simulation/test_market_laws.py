"""Laws of one market, whatever its customers do: nobody spends what he has not, and holds are what open orders need."""

from __future__ import annotations

import contextlib
from collections import defaultdict

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from ilp.simulation.contracts import Currency, FeeIn, Pair
from ilp.simulation.core import Core
from ilp.simulation.records import Event, Filled, OrderChanged, Traded
from ilp.simulation.rejections import Rejection
from ilp.simulation.rules import FeeFactors, Rules
from tests.simulation.world import Time

BTC, HUF = Currency("BTC", 10**8), Currency("HUF", 100)
LOT, TICK, MIDDLE = 1_000_000, 100, 61_000
NAMES = ("alice", "bob", "carol")
lots = st.sampled_from([1, 2, 5, 10])
steps = st.integers(-1, 1)
who = st.sampled_from(NAMES)


class Market(RuleBasedStateMachine):
    """Three poor customers: each can pay for about ten lots, so that funds run out all the time."""

    rules_of_the_venue = Rules()
    fee_in = FeeIn.QUOTE

    def __init__(self) -> None:
        super().__init__()
        pair = Pair("BTC/HUF", BTC, HUF, tick=TICK, lot=LOT, fee_bps=333, fee_in=self.fee_in)
        self.core = Core(Time(), [BTC, HUF], [pair], rules=self.rules_of_the_venue)
        self.filled: dict[int, int] = defaultdict(int)
        self.traded: list[int] = []
        self.left: dict[int, int] = {}
        for number, name in enumerate(NAMES):
            self.core.open_account(name, factors=FeeFactors(100, (100, 0, -50)[number]))
            self.core.endow(name, "BTC", 10 * LOT)
            self.core.endow(name, "HUF", 10 * MIDDLE * TICK // 100)
        self.core.subscribe(self.heard)

    def heard(self, event: Event) -> None:
        match event:
            case Filled(fill=fill):
                self.filled[fill.order_id] += fill.quantity
            case Traded(trade=trade):
                self.traded.append(trade.quantity)
            case OrderChanged(order=order):
                known = self.left.get(order.id)
                if known is not None and order.quantity_left > known:
                    self.raised = order.id
                self.left[order.id] = order.quantity_left

    raised = 0

    @rule(name=who, side=st.sampled_from(list(Side)), step=steps, size=lots, immediate=st.booleans())
    def place(self, name: str, side: Side, step: int, size: int, immediate: bool) -> None:
        with contextlib.suppress(Rejection):
            self.core.place(name, "BTC/HUF", side, (MIDDLE + step) * TICK, size * LOT, immediate=immediate)

    @rule(pick=st.integers(0, 9))
    def cancel(self, pick: int) -> None:
        if orders := self.core.open_orders():
            self.core.cancel(orders[pick % len(orders)].account, orders[pick % len(orders)].id)

    @rule(pick=st.integers(0, 9), step=steps, size=lots)
    def amend(self, pick: int, step: int, size: int) -> None:
        if orders := self.core.open_orders():
            order = orders[pick % len(orders)]
            self.left.pop(order.id, None)  # an amendment may raise what is left
            with contextlib.suppress(Rejection):
                self.core.amend(order.account, order.id, quantity=size * LOT, price=(MIDDLE + step) * TICK)

    @rule(name=who, size=lots, ticker=st.sampled_from(["BTC", "HUF"]))
    def withdraw(self, name: str, size: int, ticker: str) -> None:
        with contextlib.suppress(Rejection):
            self.core.withdraw(name, ticker, size * (LOT if ticker == "BTC" else MIDDLE), "away")

    @invariant()
    def nobody_spends_what_he_has_not(self) -> None:
        for name in NAMES:
            for ticker, holding in self.core.holdings(name).items():
                assert holding.total >= 0, (name, ticker, holding)

    @invariant()
    def holds_are_what_the_open_orders_need(self) -> None:
        for name in NAMES:
            needed: dict[str, int] = defaultdict(int)
            for order in self.core.open_orders(name):
                for ticker, amount in self.core.rules.hold(self.core.pairs["BTC/HUF"], self.core.account(name), order):
                    needed[ticker] += amount
            for ticker, holding in self.core.holdings(name).items():
                assert holding.hold == needed[ticker], (name, ticker, holding, needed)

    @invariant()
    def the_venue_has_what_it_owes(self) -> None:
        for ticker in ("BTC", "HUF"):
            assert self.core.had(ticker) == self.core.owed(ticker)

    @invariant()
    def fills_are_trades_twice_and_orders_know_theirs(self) -> None:
        assert sum(self.filled.values()) == 2 * sum(self.traded)
        for order_id, quantity in self.filled.items():
            assert self.core.order(order_id).quantity_filled == quantity

    @invariant()
    def what_is_left_of_an_order_never_grows_by_itself(self) -> None:
        assert not self.raised

    @invariant()
    def no_two_resting_orders_could_trade(self) -> None:
        book = self.core.book("BTC/HUF")
        assert not (book.bids and book.asks and book.bids[0][0] >= book.asks[0][0])


class MarketInBase(Market):
    """The same where fees are taken in base."""

    fee_in = FeeIn.BASE


class MarketHoldingAll(Market):
    """The same where an order goes on holding its original quantity."""

    rules_of_the_venue = Rules(hold_original=True)


class MarketLawTests(SynchronousTestCase):
    """Hypothesis looks for a sequence that breaks a law."""

    def run_machine(self, machine: type[Market]) -> None:
        run_state_machine_as_test(machine, settings=settings(max_examples=60, stateful_step_count=40, deadline=None))

    def test_no_sequence_breaks_a_law_where_fees_are_taken_in_quote(self) -> None:
        self.run_machine(Market)

    def test_no_sequence_breaks_a_law_where_fees_are_taken_in_base(self) -> None:
        self.run_machine(MarketInBase)

    def test_no_sequence_breaks_a_law_where_orders_hold_their_original_quantity(self) -> None:
        self.run_machine(MarketHoldingAll)
