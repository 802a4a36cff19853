"""The Kraken client against the simulated Kraken, over real loopback sockets, by the contract of all clients."""

from __future__ import annotations

import base64
from decimal import Decimal
from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from clients.exchange import (
    ExchangeError,
    InsufficientFunds,
    NotAuthorised,
    OrderRejected,
    OutcomeUnknown,
    Side,
    Unreachable,
)
from clients.kraken import Kraken
from ilp.simulation.kraken.ids import number_of, order_id
from tests.clients.bench import Bench, SimulatedBench
from tests.clients.contract import ExchangeContract
from tests.clients.contract_line import ConnectionContract, WireContract
from tests.simulation.kraken.world import make_world

QUICK: dict[str, Any] = {
    "ping_interval": 0.1,
    "ping_timeout": 0.3,
    "backoff_first": 0.02,
    "backoff_longest": 0.1,
    "rate": 1000,
    "burst": 1000,
    "read_rate": 1000,
    "read_burst": 1000,
    "check_rights": False,
    "withdraw_keys": True,
}
CALLS = {"place": "AddOrder", "cancel": "CancelOrder", "withdraw": "Withdraw", "read": "OpenOrders"}
TEXTS: dict[type[ExchangeError], str] = {
    NotAuthorised: "EGeneral:Permission denied",
    InsufficientFunds: "EOrder:Insufficient funds",
    OrderRejected: "EOrder:Tick size check failed",
    Unreachable: "EService:Market in cancel_only mode",
    OutcomeUnknown: "EService:Unavailable",
}
WRONG = base64.b64encode(b"w" * 64).decode()


class KrakenBench(SimulatedBench):
    """The venue of `tests.simulation.kraken.world`."""

    pair = "BTC/USD"
    quote = "USD"
    tick = Decimal("0.1")

    calls = CALLS
    own_events = "executions,balances"
    all_events = "executions,balances,trade,book"

    def client(self, **options: Any) -> Kraken:
        return self._client(self.world.keys["alice"].secret, self.venue.rest, **options)

    def stranger(self) -> Kraken:
        return self._client(WRONG, self.venue.rest, check_rights=True)

    def lost(self) -> Kraken:
        return self._client(WRONG, "http://127.0.0.1:1", connect_deadline=0.2)

    def _client(self, secret: str, endpoint: str, **options: Any) -> Kraken:
        key = self.world.keys["alice"].id
        return Kraken(id=key, secret=secret, endpoint=endpoint, reactor=reactor, now=self.now, **{**QUICK, **options})

    def trade(self, side: Side, quantity: Decimal, price: Decimal) -> str:
        return order_id(self.world.place("bob", side, price, quantity))

    def withdraw_liquidity(self, id: str) -> None:
        number = number_of("O", id)
        assert number is not None
        self.world.core.cancel("bob", number)

    def refuse(self, error: type[ExchangeError]) -> None:
        self.fault(refuse={"call": CALLS["place"], "text": TEXTS[error]})


class KrakenContract(ExchangeContract, TestCase):
    """Methods, events, errors."""

    async def start_bench(self) -> Bench:
        return KrakenBench(await make_world(reactor))


class KrakenConnectionContract(ConnectionContract, WireContract, TestCase):
    """The line."""

    async def start_bench(self) -> Bench:
        return KrakenBench(await make_world(reactor))
