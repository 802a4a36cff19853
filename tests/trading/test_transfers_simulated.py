"""Transfers over the simulated venues, with the bank and the chain between them, in virtual time."""

from __future__ import annotations

from decimal import Decimal as D
from itertools import count, product
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import InsufficientFunds, RateLimited
from ilp.clock import WorldClock
from ilp.journal.entries import StateEntry, TransferEntry, TransferState
from ilp.simulation.bank import Bank, Route
from ilp.simulation.contracts import Currency
from ilp.simulation.core import Core
from ilp.simulation.faults import Fault
from ilp.simulation.inprocess import EVERYTHING, SPUTNIK, SimulatedExchange
from ilp.simulation.session import Conditions
from ilp.trading.transfers import Transfers
from tests.trading.transfers_fakes import MARKS, NOON, MortalJournal, coins, dollars, rules, wiped_journal

BTC = Currency("BTC", 10**8, lot=10_000)
USD = Currency("USD", 10_000, lot=100)
HUF = Currency("HUF", 100, lot=100)
CHAIN = Route("BTC", "BTC", 60, 540, fixed=D("0.0001"))
WIRE = Route("USD", "HUF", 600, 3000, fixed=D(25), fixed_in="USD", proportional=D("0.01"))
METHODS = ("requestWithdrawal", "getCurrentAddress", "getTransfers", "getPositions")


class Simulated(SynchronousTestCase):
    """A source and a target at ten times the world's speed; the pool reads both every five seconds."""

    features = EVERYTHING

    def setUp(self) -> None:
        self.reactor = Clock()
        self.clock = WorldClock(self.reactor, NOON, speed=10.0)
        self.bank = Bank(self.clock, (CHAIN, WIRE), lambda one, other: D(250), seed="1")
        self.addCleanup(self.bank.stop)
        self.source, self.target = self.venue("source", BTC, USD), self.venue("target", BTC, HUF)
        self.whole = {asset: self.bank.total(asset) for asset in ("BTC", "USD", "HUF")}
        self.journal = MortalJournal(wiped_journal())
        self.successResultOf(self.journal.record(StateEntry("DISCONNECTED", "", "started", "machine", NOON)))
        self.ids = count(1)
        self.begin()

    def venue(self, name: str, *currencies: Currency) -> SimulatedExchange:
        """A venue with ten bitcoin and ten thousand of its money for the pool."""
        core = Core(self.clock.now, currencies, [], venue=name)
        core.open_account("pool")
        for currency in currencies:
            core.endow("pool", currency.ticker, currency.units(10 if currency is BTC else 10_000))
        self.bank.connect(core)
        conditions = Conditions(latency=0.01, jitter=0.05, deadline=2.0)
        client = SimulatedExchange(
            core, "pool", self.reactor, features=self.features, conditions=conditions, random=Random(name)
        )
        client.connect()
        self.reactor.pump([0.05] * 10)
        self.addCleanup(self.leave, client)
        return client

    def leave(self, client: SimulatedExchange) -> None:
        client.disconnect()
        self.reactor.pump([0.1] * 10)

    def begin(self) -> None:
        """A daemon starts; the one before was killed: neither its journal nor a venue hears of it again."""
        self.journal.dead = True
        journal = self.journal = MortalJournal(self.journal.real)
        venues = {"source": self.source, "target": self.target}

        def withdraw(entry: TransferEntry) -> Deferred[str]:
            if journal.dead:
                return Deferred()
            return venues[entry.from_venue].requestWithdrawal(entry.asset, entry.amount, entry.address)

        self.transfers = Transfers(
            venues=venues,
            journal=journal,
            rules=rules(coin_interval=3600.0, fiat_interval=86400.0),
            coins={"BTC"},
            per_day=10,
            now=self.clock.now,
            ids=lambda: f"t{next(self.ids)}",
            withdraw=withdraw,
        )
        self.successResultOf(self.journal.recovered().addCallback(self.transfers.recover))
        self.read()

    def read(self) -> None:
        """Read both venues; a reading that fails is made again next time."""
        for venue in ("source", "target"):
            self.transfers.refresh(venue).addErrback(lambda failure: None)
        self.reactor.pump([0.1] * 30)

    def plan(self, *moves: Any) -> None:
        self.transfers.wanted("p", moves, MARKS).addErrback(lambda failure: failure.trap(Exception))

    def run_(self, seconds: float) -> None:
        """Let the world go on, reading all the while."""
        end = self.reactor.seconds() + seconds
        while self.reactor.seconds() < end:
            self.read()
            self.reactor.advance(2.0)
            self.law()

    def total(self, venue: str, asset: str) -> D:
        positions = self.transfers.positions(venue)
        balance = positions[asset]["position"] if asset in positions else D(0)
        return self.transfers.outstanding(venue, asset).total(balance)

    def law(self) -> None:
        """The pool's totals and its expected charges never change, and the world's money never does."""
        for asset, whole in self.whole.items():
            self.assertEqual(self.bank.total(asset), whole)
        if self.transfers.positions("source") and self.transfers.positions("target"):
            charged = sum((e.amount - (e.arrived or e.expected) for e in self.gone()), D(0))
            total = self.total("source", "BTC") + self.total("target", "BTC")
            self.assertEqual(total + charged, D(20), self.transfers.entries)

    def gone(self) -> list[TransferEntry]:
        """Bitcoin that the pool believes to have left."""
        left = (TransferState.REQUESTED, TransferState.SENT, TransferState.ARRIVED)
        return [e for e in self.transfers.entries if e.asset == "BTC" and e.state in left]

    def states(self) -> list[str]:
        return [e.state.value for e in self.transfers.entries]


class WayTests(Simulated):
    """Without faults."""

    def test_coins_travel_from_venue_to_venue(self) -> None:
        self.plan(coins("2"))
        self.run_(20)
        self.assertEqual(self.states(), ["SENT"])
        self.run_(60)
        self.assertEqual(self.states(), ["ARRIVED"])
        self.assertEqual((self.total("source", "BTC"), self.total("target", "BTC")), (D(8), D("11.9999")))

    def test_dollars_arrive_as_forint(self) -> None:
        arriving = (D(1000) * D("0.99") - 25) * 250
        self.plan(dollars("1000", str(arriving)))
        self.run_(400)
        self.assertEqual(self.states(), ["ARRIVED"])
        self.assertEqual((self.total("source", "USD"), self.total("target", "HUF")), (D(9000), D(10_000) + arriving))

    def test_one_that_the_venue_cancels_comes_back(self) -> None:
        self.source.core.account("pool").automatic_withdrawals = False
        self.plan(coins("2"))
        self.run_(10)
        self.assertEqual(self.states(), ["SENT"])
        self.source.core.cancel_withdrawal(1)
        self.run_(10)
        self.assertEqual((self.states(), self.total("source", "BTC")), (["FAILED"], D(10)))

    def test_plan_after_plan_makes_one_transfer_an_hour(self) -> None:
        for _ in range(30):
            self.plan(coins("0.1"))
            self.run_(20)
        # 600 s and more of readings at ten times the speed are a little more than two hours.
        hours = (self.clock.now() - NOON).total_seconds() / 3600
        self.assertEqual(len(self.transfers.entries), int(hours) + 1)


class SputnikWayTests(WayTests):
    """The same at a venue that tells neither withdrawal ids nor transaction ids."""

    features = SPUTNIK


class FaultTests(Simulated):
    """One fault at each method, of each kind, with and without a kill: one withdrawal at most, and every unit counts."""

    def mishap(self, method: str, fault: Fault, kill: int) -> list[str]:
        """Plan a transfer with the fault in its way, kill the daemon *kill* hundredths of a second later, wait."""
        error = (lambda: InsufficientFunds("source", "x", "no")) if method == "requestWithdrawal" else None
        error = error or (lambda: RateLimited("source", "x", "slowly"))
        for client in (self.source, self.target):
            client.faults.add(fault, method, seconds=3.0, error=error if fault is Fault.REFUSE else None)
        self.plan(coins("2"))
        if kill:
            self.reactor.pump([0.01] * kill)
            self.begin()
        self.run_(30)
        self.plan(coins("2"))
        self.run_(120)
        return self.states()

    def check(self, kill: int = 0) -> set[str]:
        found: set[str] = set()
        for method, fault in product(METHODS, Fault):
            self.setUp()
            states = self.mishap(method, fault, kill)
            withdrawals = len(self.source.core.withdrawals())
            self.assertLessEqual(withdrawals, 1, (method, fault, states))
            self.assertLessEqual(states.count("ARRIVED"), withdrawals, (method, fault, states))
            if "UNCERTAIN" not in states and "FAILED" not in states:
                self.assertEqual((states, withdrawals), (["ARRIVED"], 1), (method, fault))
            found.update(states)
        return found

    def test_no_fault_makes_two_withdrawals_of_one(self) -> None:
        self.assertEqual(self.check(), {"ARRIVED", "UNCERTAIN", "FAILED"})

    def test_no_fault_and_kill_make_two_withdrawals_of_one(self) -> None:
        found = [self.check(kill) for kill in (2, 5, 8, 12, 16, 24)]
        self.assertEqual(set().union(*found), {"ARRIVED", "UNCERTAIN", "FAILED"})
