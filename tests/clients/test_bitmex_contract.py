"""The BitMEX client against the simulated venue, over real loopback sockets, by the contract of all clients."""

from __future__ import annotations

from datetime import datetime
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
from tests.clients.bench import Bench, asynchronous
from tests.clients.contract import ExchangeContract
from tests.clients.contract_line import ConnectionContract, WireContract
from tests.simulation.bitmex.world import World, make_world

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


class BitmexBench(Bench):
    """The venue of `tests.simulation.bitmex.world`; alice is under test and bob trades with her."""

    pair = "BTC/USDT"
    base = "BTC"
    quote = "USDT"
    tick = Decimal("0.5")
    lot = Decimal("0.0001")
    symbol = "XBT_USDT"

    def __init__(self, world: World) -> None:
        self.world = world
        self.venue = world.venue

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

    def now(self) -> datetime:
        return self.world.clock.now()

    def trade(self, side: Side, quantity: Decimal, price: Decimal) -> str:
        return str(self.world.place("bob", self.symbol, side, str(price), int(quantity * 10**8)))

    def withdraw_liquidity(self, id: str) -> None:
        self.world.core.cancel("bob", int(id))

    def deposit(self, ticker: str, amount: Decimal, address: str) -> None:
        self.world.core.deposit(ticker, int(amount * 10**8), address)

    def orders_at_venue(self) -> int:
        return len(self.world.core.open_orders("alice"))

    def refuse(self, error: type[ExchangeError]) -> None:
        self._fault(**REFUSALS[error])

    async def stop(self) -> None:
        await self.world.stop()

    def drop_line(self) -> None:
        self._fault(disconnect=True)

    def freeze(self, on: bool) -> None:
        self._fault(freeze=on)

    def down(self, on: bool) -> None:
        self._fault(down=on)

    def lose_answer(self, call: str, effect: bool) -> None:
        self._fault(lose_answer={"call": CALLS[call], "effect": effect})

    def garble_answer(self, call: str) -> None:
        self._fault(garble_answer={"call": CALLS[call]})

    def repeat_answers(self) -> None:
        """HTTP gives one answer to a request: there is nothing to repeat."""

    def delay_answers(self, seconds: float) -> None:
        self._fault(delay_answers=seconds)

    def garbage(self) -> None:
        self._fault(garbage=True)

    def drop_events(self, on: bool) -> None:
        self._fault(drop_events="order,execution" if on else None)

    def repeat_events(self) -> None:
        self._fault(repeat_events="")

    def events_first(self) -> None:
        self._fault(delay_answers=0.05)

    def _fault(self, **wanted: Any) -> None:
        self.venue.fault(wanted)


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
