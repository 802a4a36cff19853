"""The BitMEX client against the simulated venue, over real loopback sockets, by the contract of all clients."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from clients.bitmex import BitMEX
from clients.exchange import (
    ExchangeError,
    InsufficientFunds,
    NotAuthorised,
    OrderRejected,
    OutcomeUnknown,
    Side,
    Unreachable,
)
from tests.clients.bench import Bench, SimulatedBench, asynchronous
from tests.clients.contract import ExchangeContract
from tests.clients.contract_line import ConnectionContract, WireContract
from tests.simulation.bitmex.world import make_world

QUICK: dict[str, Any] = {
    "ping_interval": 0.1,
    "ping_timeout": 1.0,
    "backoff_first": 0.02,
    "backoff_longest": 0.1,
    "rate": 1000,
    "burst": 1000,
    "order_rate": 1000,
    "tickers": "BTC/USDT",
}
CALLS = {
    "place": "POST /order",
    "cancel": "DELETE /order",
    "withdraw": "POST /user/requestWithdrawal",
    "read": "GET /order",
}
REFUSALS: dict[type[ExchangeError], dict[str, Any]] = {
    NotAuthorised: {"refuse": {"call": "POST /order", "status": 403, "message": "Access Denied"}},
    InsufficientFunds: {
        "refuse": {"call": "POST /order", "message": "Account has insufficient Available Balance, 5 XBt required"}
    },
    OrderRejected: {"refuse": {"call": "POST /order", "message": "Invalid price"}},
    Unreachable: {"overload": {"call": "POST /order"}},
    OutcomeUnknown: {"bad_gateway": {"call": "POST /order"}},
}


class BitmexBench(SimulatedBench):
    """The venue of `tests.simulation.bitmex.world`."""

    pair = "BTC/USDT"
    base = "BTC"
    quote = "USDT"
    tick = Decimal("0.5")
    lot = Decimal("0.0001")
    symbol = "XBT_USDT"

    calls = CALLS
    own_events = "order,execution"

    def client(self, **options: Any) -> BitMEX:
        return self._client("secret-alice", self.venue.endpoint, **options)

    def stranger(self) -> BitMEX:
        return self._client("wrong", self.venue.endpoint)

    def lost(self) -> BitMEX:
        return self._client("secret-alice", "http://127.0.0.1:1", connect_deadline=0.2)

    def _client(self, secret: str, endpoint: str, **options: Any) -> BitMEX:
        return BitMEX(
            id="key-alice", secret=secret, endpoint=endpoint, reactor=reactor, now=self.now, **{**QUICK, **options}
        )

    def trade(self, side: Side, quantity: Decimal, price: Decimal) -> str:
        return str(self.world.place("bob", self.symbol, side, str(price), int(quantity * 10**8)))

    def refuse(self, error: type[ExchangeError]) -> None:
        self.fault(**REFUSALS[error])

    def repeat_answers(self) -> None:
        """HTTP gives one answer to a request: there is nothing to repeat."""

    def events_first(self) -> None:
        self.fault(delay_answers=0.05)


class BitmexContract(ExchangeContract, TestCase):
    """Methods, events, errors; on the spot pair."""

    async def start_bench(self) -> Bench:
        return BitmexBench(await make_world(reactor))

    @asynchronous
    async def test_the_deposit_address_stays_until_a_new_one_is_asked_for(self) -> None:
        # This venue has one address for each currency and network, and no call that makes another.
        client, _ = await self.connected()
        first = await client.getCurrentAddress("BTC")
        assert first and await client.getCurrentAddress("BTC") == first
        assert await client.getNewAddress("BTC") == first


class BitmexNewestDialectContract(BitmexContract):
    """The same where the venue leaves out what is empty and describes its tables as briefly as it may."""

    async def start_bench(self) -> Bench:
        return BitmexBench(await make_world(reactor, dialect="current"))


class BitmexConnectionContract(ConnectionContract, WireContract, TestCase):
    """The line."""

    async def start_bench(self) -> Bench:
        return BitmexBench(await make_world(reactor))
