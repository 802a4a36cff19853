"""The Kraken client against the simulated Kraken, over real loopback sockets, by the contract of all clients."""

from __future__ import annotations

import base64
from datetime import datetime
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
from tests.clients.bench import Bench
from tests.clients.contract import ExchangeContract
from tests.clients.contract_line import ConnectionContract, WireContract
from tests.simulation.kraken.world import World, make_world

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


class KrakenBench(Bench):
    """The venue of `tests.simulation.kraken.world`; alice is under test and bob trades with her."""

    pair = "BTC/USD"
    quote = "USD"
    tick = Decimal("0.1")

    def __init__(self, world: World) -> None:
        self.world = world
        self.venue = world.venue

    def client(self, **options: Any) -> Kraken:
        return self._client(self.world.keys["alice"].secret, self.venue.rest, **options)

    def stranger(self) -> Kraken:
        return self._client(WRONG, self.venue.rest, check_rights=True)

    def lost(self) -> Kraken:
        return self._client(WRONG, "http://127.0.0.1:1", connect_deadline=0.2)

    def _client(self, secret: str, endpoint: str, **options: Any) -> Kraken:
        key = self.world.keys["alice"].id
        return Kraken(id=key, secret=secret, endpoint=endpoint, reactor=reactor, now=self.now, **{**QUICK, **options})

    def now(self) -> datetime:
        return self.world.clock.now()

    def trade(self, side: Side, quantity: Decimal, price: Decimal) -> str:
        return order_id(self.world.place("bob", side, price, quantity))

    def withdraw_liquidity(self, id: str) -> None:
        number = number_of("O", id)
        assert number is not None
        self.world.core.cancel("bob", number)

    def deposit(self, ticker: str, amount: Decimal, address: str) -> None:
        self.world.core.deposit(ticker, self.world.core.currency(ticker).units(amount), address)

    def orders_at_venue(self) -> int:
        return len(self.world.core.open_orders("alice"))

    def refuse(self, error: type[ExchangeError]) -> None:
        self.fault(refuse={"call": CALLS["place"], "text": TEXTS[error]})

    async def stop(self) -> None:
        await self.world.stop()

    def drop_line(self) -> None:
        self.fault(disconnect=True)

    def freeze(self, on: bool) -> None:
        self.fault(freeze=on)

    def down(self, on: bool) -> None:
        self.fault(down=on)

    def lose_answer(self, call: str, effect: bool) -> None:
        self.fault(lose_answer={"call": CALLS[call], "effect": effect})

    def garble_answer(self, call: str) -> None:
        self.fault(garble_answer={"call": CALLS[call]})

    def repeat_answers(self) -> None:
        self.fault(repeat_answer={"count": 0})

    def delay_answers(self, seconds: float) -> None:
        self.fault(delay_answers=seconds)

    def garbage(self) -> None:
        self.fault(garbage=True)

    def drop_events(self, on: bool) -> None:
        self.fault(drop_events="executions,balances" if on else None)

    def repeat_events(self) -> None:
        self.fault(repeat_events="executions,balances,trade,book")

    def events_first(self) -> None:
        self.fault(events_first=True)

    def fault(self, **wanted: Any) -> None:
        """Switch misbehaviour."""
        self.venue.faults.apply(wanted)


class KrakenContract(ExchangeContract, TestCase):
    """Methods, events, errors."""

    async def start_bench(self) -> Bench:
        return KrakenBench(await make_world(reactor))


class KrakenConnectionContract(ConnectionContract, WireContract, TestCase):
    """The line."""

    async def start_bench(self) -> Bench:
        return KrakenBench(await make_world(reactor))
