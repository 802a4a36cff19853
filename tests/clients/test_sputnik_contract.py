"""The Sputnik client against the simulated Sputnik venue, over real loopback sockets, by the contract of all clients."""

from __future__ import annotations

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
from clients.sputnik import Sputnik
from tests.clients.bench import Bench
from tests.clients.contract import ExchangeContract
from tests.clients.contract_line import ConnectionContract, WireContract
from tests.simulation.sputnik.world import World, make_world

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


class SputnikBench(Bench):
    """The venue of `tests.simulation.sputnik.world`; alice is under test and bob trades with her."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.venue = world.venue

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

    def now(self) -> datetime:
        return self.world.clock.now()

    def trade(self, side: Side, quantity: Decimal, price: Decimal) -> str:
        return str(self.world.place("bob", self.pair, side, int(price * 100), int(quantity * 10**8)))

    def withdraw_liquidity(self, id: str) -> None:
        self.world.core.cancel("bob", int(id))

    def deposit(self, ticker: str, amount: Decimal, address: str) -> None:
        self.world.core.deposit(ticker, int(amount * 10**8), address)

    def orders_at_venue(self) -> int:
        return len(self.world.core.open_orders("alice"))

    def refuse(self, error: type[ExchangeError]) -> None:
        self._fault(refuse={"call": PROCEDURES["place"], "code": CODES[error]})

    async def stop(self) -> None:
        await self.world.stop()

    def drop_line(self) -> None:
        self._fault(disconnect=1006)

    def freeze(self, on: bool) -> None:
        self._fault(freeze=on)

    def down(self, on: bool) -> None:
        self._fault(down=on)

    def lose_answer(self, call: str, effect: bool) -> None:
        self._fault(lose_answer={"call": PROCEDURES[call], "effect": effect})

    def garble_answer(self, call: str) -> None:
        self._fault(garble_answer={"call": PROCEDURES[call]})

    def repeat_answers(self) -> None:
        self._fault(repeat_answer={"count": 0})

    def delay_answers(self, seconds: float) -> None:
        self._fault(delay_answers=seconds)

    def garbage(self) -> None:
        self._fault(garbage=True)

    def drop_events(self, on: bool) -> None:
        self._fault(drop_events="feeds.user." if on else None)

    def repeat_events(self) -> None:
        self._fault(duplicate_events="feeds.")

    def events_first(self) -> None:
        self._fault(events_before_answer=True)

    def _fault(self, **wanted: Any) -> None:
        self.venue.faults.apply(wanted)


class SputnikContract(ExchangeContract, TestCase):
    """Methods, events, errors."""

    async def start_bench(self) -> Bench:
        return SputnikBench(await make_world(reactor))


class SputnikConnectionContract(ConnectionContract, WireContract, TestCase):
    """The line."""

    async def start_bench(self) -> Bench:
        return SputnikBench(await make_world(reactor))
