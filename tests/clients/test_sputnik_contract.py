"""The Sputnik client against the simulated Sputnik venue, over real loopback sockets, by the contract of all clients."""

from __future__ import annotations

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
from clients.sputnik import Sputnik
from tests.clients.bench import Bench, SimulatedBench
from tests.clients.contract import ExchangeContract
from tests.clients.contract_line import ConnectionContract, WireContract
from tests.simulation.sputnik.world import make_world

QUICK = {
    "ping_interval": 0.1,
    "ping_timeout": 0.3,
    "backoff_first": 0.02,
    "backoff_longest": 0.1,
    "rate": 1000,
    "burst": 1000,
    "event_grace": 0.2,
}
PROCEDURES = {
    "place": "rpc.trader.place_order",
    "cancel": "rpc.trader.cancel_order",
    "withdraw": "rpc.trader.request_withdrawal",
    "read": "rpc.trader.get_open_orders",
}
CODES: dict[type[ExchangeError], str] = {
    NotAuthorised: "exceptions/accountant/trade_not_permitted",
    InsufficientFunds: "exceptions/accountant/insufficient_margin",
    OrderRejected: "exceptions/accountant/contract_not_active",
    Unreachable: "exceptions/accountant/disabled_user",
    OutcomeUnknown: "exceptions/zmq/resource-unavailable",
}


class SputnikBench(SimulatedBench):
    """The venue of `tests.simulation.sputnik.world`."""

    calls = PROCEDURES
    own_events = "feeds.user."
    all_events = "feeds."

    def client(self, **options: Any) -> Sputnik:
        return self._client("secret-alice", self.venue.endpoint, **options)

    def stranger(self) -> Sputnik:
        return self._client("wrong", self.venue.endpoint)

    def lost(self) -> Sputnik:
        return self._client("secret-alice", "ws://127.0.0.1:1/ws", connect_deadline=0.2)

    def _client(self, secret: str, endpoint: str, **options: Any) -> Sputnik:
        return Sputnik(
            id="alice", secret=secret, endpoint=endpoint, reactor=reactor, now=self.now, **{**QUICK, **options}
        )

    def trade(self, side: Side, quantity: Decimal, price: Decimal) -> str:
        return str(self.world.place("bob", self.pair, side, int(price * 100), int(quantity * 10**8)))

    def refuse(self, error: type[ExchangeError]) -> None:
        self.fault(refuse={"call": PROCEDURES["place"], "code": CODES[error]})

    def drop_line(self) -> None:
        self.fault(disconnect=1006)


class SputnikContract(ExchangeContract, TestCase):
    """Methods, events, errors."""

    async def start_bench(self) -> Bench:
        return SputnikBench(await make_world(reactor))


class SputnikConnectionContract(ConnectionContract, WireContract, TestCase):
    """The line."""

    async def start_bench(self) -> Bench:
        return SputnikBench(await make_world(reactor))
