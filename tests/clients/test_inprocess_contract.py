"""The exchange in the process, which stands for real ones in many tests, held to the contract of the real ones."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from clients.exchange import ExchangeError, Side
from ilp.clock import WorldClock
from ilp.simulation.core import Core
from ilp.simulation.faults import Fault
from ilp.simulation.inprocess import EVERYTHING, SPUTNIK, SimulatedExchange
from ilp.simulation.session import Conditions
from tests.clients.bench import Bench
from tests.clients.contract import ExchangeContract
from tests.clients.contract_line import ConnectionContract
from tests.simulation.sputnik.world import make_core
from tests.simulation.world import START

METHODS = {
    "place": "placeOrder",
    "cancel": "cancelOrder",
    "withdraw": "requestWithdrawal",
    "read": "getOpenOrders",
}


class InProcessBench(Bench):
    """Alice's client on a core; bob trades with her."""

    def __init__(self, features: frozenset[str]) -> None:
        self.features = features
        self.world = WorldClock(reactor, START)
        self.core: Core = make_core(self.world)
        self.clients: list[SimulatedExchange] = []
        self._down = False

    def client(self, **options: Any) -> SimulatedExchange:
        conditions = Conditions(deadline=options.get("deadline", 5.0), ping=0.05, silence=0.2, retry=0.02)
        client = SimulatedExchange(
            self.core,
            "alice",
            reactor,
            name="target",
            features=self.features,
            conditions=conditions,
        )
        client.down = self._down
        self.clients.append(client)
        return client

    def stranger(self) -> SimulatedExchange:
        client = self.client()
        client.refuses_login = True
        return client

    def lost(self) -> SimulatedExchange:
        client = self.client(deadline=0.1)
        client.down = True
        return client

    def now(self) -> datetime:
        return self.world.now()

    def trade(self, side: Side, quantity: Decimal, price: Decimal) -> str:
        return str(self.core.place("bob", self.pair, side, int(price * 100), int(quantity * 10**8)).id)

    def withdraw_liquidity(self, id: str) -> None:
        self.core.cancel("bob", int(id))

    def deposit(self, ticker: str, amount: Decimal, address: str) -> None:
        self.core.deposit(ticker, int(amount * 10**8), address)

    def orders_at_venue(self) -> int:
        return len(self.core.open_orders("alice"))

    def refuse(self, error: type[ExchangeError]) -> None:
        self._plan(Fault.REFUSE, "placeOrder", error=lambda: error("target", "placing", "as the test wants it"))

    async def stop(self) -> None:
        return

    def drop_line(self) -> None:
        for client in self.clients:
            client.drop()

    def freeze(self, on: bool) -> None:
        for client in self.clients:
            if on:
                client.fall_silent()

    def down(self, on: bool) -> None:
        self._down = on
        for client in self.clients:
            client.down = on
            if on:
                client.drop()

    def lose_answer(self, call: str, effect: bool) -> None:
        self._plan(Fault.LOSE_ANSWER if effect else Fault.LOSE_REQUEST, METHODS[call])

    def repeat_answers(self) -> None:
        self._plan(Fault.DUPLICATE, "*", times=0)

    def delay_answers(self, seconds: float) -> None:
        for client in self.clients:
            client.faults.clear()
        if seconds:
            self._plan(Fault.DELAY, "*", times=0, seconds=seconds)

    def drop_events(self, on: bool) -> None:
        for event in ("order", "fill", "position"):
            self._plan(Fault.LOSE_ANSWER, f"event:{event}", times=0)

    def repeat_events(self) -> None:
        for event in ("order", "fill", "position", "trade", "book"):
            self._plan(Fault.DUPLICATE, f"event:{event}", times=0)

    def _plan(self, fault: Fault, what: str, **more: Any) -> None:
        for client in self.clients:
            client.faults.add(fault, what, **more)


class InProcessContract(ExchangeContract, TestCase):
    """With every feature."""

    pauses = False  # nothing comes over a wire

    async def start_bench(self) -> Bench:
        return InProcessBench(EVERYTHING)


class InProcessLikeSputnikContract(ExchangeContract, TestCase):
    """With what Sputnik has."""

    pauses = False  # nothing comes over a wire

    async def start_bench(self) -> Bench:
        return InProcessBench(SPUTNIK)


class InProcessConnectionContract(ConnectionContract, TestCase):
    """The line."""

    async def start_bench(self) -> Bench:
        return InProcessBench(EVERYTHING)
