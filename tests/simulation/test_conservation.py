"""The law of money: over all venues, houses, bank and chain nothing appears and nothing vanishes, whatever happens."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from ilp.clock import WorldClock
from ilp.simulation.bank import Bank, Route
from ilp.simulation.contracts import Currency, FeeIn, Pair, TransferFee
from ilp.simulation.core import Core
from ilp.simulation.ledger import CASH, credit
from ilp.simulation.records import PostingType, TransferStatus
from ilp.simulation.rejections import Rejection
from ilp.simulation.rules import FeeFactors, Rules
from tests.simulation.world import START

BTC = Currency("BTC", 10**8, lot=10_000, withdrawal_fee=TransferFee(1_000, 0), deposit_fee=TransferFee(7, 3))
USD = Currency("USD", 10**4, lot=100, withdrawal_fee=TransferFee(5_000, 20))
HUF = Currency("HUF", 100, lot=100)
SOURCE_PAIR = Pair("BTC/USD", BTC, USD, tick=100, lot=1_000_000, fee_bps=25)
TARGET_PAIR = Pair("BTC/HUF", BTC, HUF, tick=100, lot=1_000_000, fee_bps=100, fee_in=FeeIn.BASE)
ROUTES = (
    Route("BTC", "BTC", 5, 600, fixed=Decimal("0.0005")),
    Route("USD", "HUF", 60, 86_400, fixed=Decimal(20), fixed_in="USD", proportional=Decimal("0.001")),
    Route("HUF", "USD", 60, 86_400, fixed=Decimal(20), fixed_in="USD", proportional=Decimal("0.001")),
)
ASSETS = ("BTC", "USD", "HUF")
NAMES = ("alice", "bob", "house-maker")
who = st.sampled_from(NAMES)
market = st.sampled_from((("source", "BTC/USD", 1_000_000), ("target", "BTC/HUF", 300_000)))


class World(RuleBasedStateMachine):
    """Two venues, three users on each, and everything they may do in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.reactor = Clock()
        self.clock = WorldClock(self.reactor, START)
        self.bank = Bank(self.clock, ROUTES, lambda a, b: Decimal("300.07") if a == "USD" else Decimal("0.00332"))
        self.venues = {
            "source": self.open("source", [BTC, USD], [SOURCE_PAIR], Rules()),
            "target": self.open(
                "target", [BTC, HUF], [TARGET_PAIR], Rules(hold_original=True, credit_old_addresses=False)
            ),
        }
        self.from_outside: dict[str, Decimal] = defaultdict(Decimal)
        for venue in self.venues.values():
            for name in NAMES:
                for currency in venue.currencies.values():
                    self.endow(venue, name, currency, 200_000_000 if name == "alice" else 20_000_000_000)

    def open(self, name: str, currencies: list[Currency], pairs: list[Pair], rules: Rules) -> Core:
        core = Core(self.clock.now, currencies, pairs, rules=rules, venue=name)
        for number, user in enumerate(NAMES):
            core.open_account(user, factors=FeeFactors(100, (100, 0, -50)[number], 100, 50))
        self.bank.connect(core)
        return core

    def endow(self, venue: Core, name: str, currency: Currency, units: int) -> None:
        venue.endow(name, currency.ticker, units)
        self.from_outside[currency.ticker] += currency.amount(units)

    def attempt(self, act: Callable[..., object], *args: object, **keywords: object) -> None:
        with contextlib.suppress(Rejection):  # a refusal is an outcome like any other; the law holds after it, too
            act(*args, **keywords)

    @rule(where=market, name=who, side=st.sampled_from(list(Side)), step=st.integers(-2, 2),
          lots=st.sampled_from([1, 50, 150, 199]), flag=st.sampled_from(["", "post_only", "immediate"]))  # fmt: skip
    def place(self, where: tuple[str, str, int], name: str, side: Side, step: int, lots: int, flag: str) -> None:
        venue, ticker, middle = where
        flags = {flag: True} if flag else {}
        self.attempt(self.venues[venue].place, name, ticker, side, (middle + step) * 100, lots * 1_000_000, **flags)

    @rule(
        venue=st.sampled_from(("source", "target")),
        pick=st.integers(0, 50),
        lots=st.sampled_from([1, 50, 150, 199]),
        step=st.integers(-3, 3),
    )
    def amend(self, venue: str, pick: int, lots: int, step: int) -> None:
        orders = self.venues[venue].open_orders()
        if orders:
            order = orders[pick % len(orders)]
            self.attempt(
                self.venues[venue].amend,
                order.account,
                order.id,
                quantity=lots * 1_000_000,
                price=order.price + step * 100,
            )

    @rule(venue=st.sampled_from(("source", "target")), pick=st.integers(0, 50))
    def cancel(self, venue: str, pick: int) -> None:
        orders = self.venues[venue].open_orders()
        if orders:
            self.venues[venue].cancel(orders[pick % len(orders)].account, orders[pick % len(orders)].id)

    @rule(venue=st.sampled_from(("source", "target")), name=who)
    def cancel_all(self, venue: str, name: str) -> None:
        self.venues[venue].cancel_all(name)

    @rule(venue=st.sampled_from(("source", "target")), name=who, to=who, asset=st.integers(0, 1), arrives=st.integers(0, 1),
          lots=st.sampled_from([0, 1, 30, 9_000, 90_000]), outside=st.sampled_from([False, False, False, True]),
          seconds=st.sampled_from([0, 700, 100_000]))  # fmt: skip
    def withdraw(
        self, venue: str, name: str, to: str, asset: int, arrives: int, lots: int, outside: bool, seconds: int
    ) -> None:
        sender, receiver = self.venues[venue], self.venues["target" if venue == "source" else "source"]
        currency = list(sender.currencies.values())[asset]
        wanted = list(receiver.currencies)[arrives]
        address = "operator's bank" if outside else receiver.current_address(to, wanted)
        self.attempt(sender.withdraw, name, currency.ticker, lots * currency.lot, address)
        self.reactor.advance(seconds)

    @rule(venue=st.sampled_from(("source", "target")), name=who, automatic=st.booleans(), welcome=st.booleans())
    def permit(self, venue: str, name: str, automatic: bool, welcome: bool) -> None:
        account = self.venues[venue].account(name)
        account.automatic_withdrawals, account.may_deposit = automatic, welcome

    @rule(venue=st.sampled_from(("source", "target")), name=who)
    def new_address(self, venue: str, name: str) -> None:
        self.venues[venue].new_address(name, "BTC")

    @rule(venue=st.sampled_from(("source", "target")), done=st.booleans())
    def administer(self, venue: str, done: bool) -> None:
        for withdrawal in self.venues[venue].withdrawals():
            if withdrawal.status is TransferStatus.PENDING:
                act = self.venues[venue].complete_withdrawal if done else self.venues[venue].cancel_withdrawal
                act(withdrawal.id)

    @rule(venue=st.sampled_from(("source", "target")), name=who)
    def claim(self, venue: str, name: str) -> None:
        for deposit in self.venues[venue].deposits():
            if deposit.status is TransferStatus.PENDING:
                self.venues[venue].claim_deposit(deposit.id, name)

    @rule(venue=st.sampled_from(("source", "target")), name=who, units=st.integers(1, 10**9))
    def bring(self, venue: str, name: str, units: int) -> None:
        self.endow(self.venues[venue], name, BTC, units)

    @rule(seconds=st.sampled_from([30, 3_600, 90_000]))
    def wait(self, seconds: int) -> None:
        self.reactor.advance(seconds)

    @invariant()
    def nothing_appears_or_vanishes(self) -> None:
        for asset in ASSETS:
            assert self.bank.total(asset) == self.from_outside[asset], asset

    @invariant()
    def every_venue_has_what_it_owes(self) -> None:
        for venue in self.venues.values():
            for ticker in venue.currencies:
                assert venue.had(ticker) == venue.owed(ticker), (venue.venue, ticker)

    @invariant()
    def no_user_owes_anything(self) -> None:
        for venue in self.venues.values():
            for name in NAMES:
                for ticker, holding in venue.holdings(name).items():
                    assert holding.total >= 0, (venue.venue, name, ticker, holding)

    @invariant()
    def no_book_is_crossed(self) -> None:
        for venue, ticker in (("source", "BTC/USD"), ("target", "BTC/HUF")):
            book = self.venues[venue].book(ticker)
            assert not (book.bids and book.asks and book.bids[0][0] >= book.asks[0][0]), book

    @invariant()
    def the_book_is_what_the_open_orders_leave(self) -> None:
        for venue in self.venues.values():
            for ticker in venue.pairs:
                for side, rows in ((Side.BUY, venue.book(ticker).bids), (Side.SELL, venue.book(ticker).asks)):
                    levels: dict[int, int] = defaultdict(int)
                    for order in venue.open_orders():
                        if order.side is side:
                            levels[order.price] += order.quantity_left
                    assert dict(rows) == levels

    def teardown(self) -> None:
        self.bank.stop()


class ConservationTests(SynchronousTestCase):
    """Hypothesis looks for a sequence of operations that breaks a law."""

    def test_no_sequence_of_operations_makes_or_loses_money(self) -> None:
        run_state_machine_as_test(World, settings=settings(max_examples=60, stateful_step_count=60, deadline=None))

    def test_a_booking_out_of_balance_is_refused_and_leaves_no_trace(self) -> None:
        world = World()
        ledger = world.venues["source"]._ledger
        before = ledger.balance("alice", "BTC")
        self.assertRaises(ValueError, ledger.book, PostingType.TRADE, [credit("alice", "BTC", 1)])
        self.assertEqual(ledger.balance("alice", "BTC"), before)
        self.assertGreater(ledger.balance(CASH, "BTC"), 0)
