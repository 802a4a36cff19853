"""What the contract suite needs to know of a venue, and what its test cases share."""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import wraps
from typing import Any, ClassVar

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from clients.exchange import (
    ExchangeError,
    InsufficientFunds,
    NotAuthorised,
    OrderRejected,
    OutcomeUnknown,
    Refused,
    Side,
    Unreachable,
)

__all__ = [
    "DAY",
    "Bench",
    "ContractCase",
    "Recorder",
    "SimulatedBench",
    "asynchronous",
    "eventually",
    "nothing_connects",
    "pause",
    "tells",
]

EVENTS = ("connect", "disconnect", "alive", "book", "trade", "order", "fill", "position", "error")
DAY = timedelta(days=1)


def asynchronous(test: Callable[[Any], Awaitable[None]]) -> Callable[[Any], Deferred[None]]:
    """Let trial run a coroutine function."""

    @wraps(test)
    def run(self: Any) -> Deferred[None]:
        return Deferred.fromCoroutine(test(self))

    return run


async def eventually(condition: Callable[[], Any], what: str, limit: float = 4.0) -> Any:
    """Wait until *condition* gives something true, and return that."""
    deadline = reactor.seconds() + limit
    while not (found := condition()):
        if reactor.seconds() > deadline:
            raise AssertionError(f"not within {limit:g} s: {what}")
        await pause(0.005)
    return found


def pause(seconds: float) -> Deferred[None]:
    """Fires after so many real seconds."""
    return deferLater(reactor, seconds)


def nothing_connects(case: Any) -> None:
    """Until the end of a test, whatever connects by the reactor is neither taken nor refused."""
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    case.addCleanup(full.close)
    for _ in range(4):  # more than its queue holds: the system answers nobody else
        other = socket.socket()
        other.setblocking(False)
        other.connect_ex(full.getsockname())
        case.addCleanup(other.close)
    connect = reactor.connectTCP
    case.patch(reactor, "connectTCP", lambda _host, _port, *rest, **more: connect(*full.getsockname(), *rest, **more))


def tells(order: Any, **wanted: Any) -> bool:
    """Whether *order* tells the *wanted* values; what a venue does not tell is left out of its records."""
    return all(order.get(key, value) == value for key, value in wanted.items())


class Recorder:
    """All events of a client, in order."""

    def __init__(self, client: Any) -> None:
        self.events: list[tuple[Any, ...]] = []
        for event in EVENTS:
            client.on(event, lambda *arguments, event=event: self.events.append((event, *arguments)))

    def names(self) -> list[str]:
        """What happened, without what it was about."""
        return [event[0] for event in self.events]

    def of(self, name: str) -> list[Any]:
        """The last argument of each event of that name."""
        return [event[-1] for event in self.events if event[0] == name]

    def clear(self) -> None:
        """Forget."""
        self.events.clear()

    async def until(self, name: str, true_of: Callable[[Any], bool] = lambda _: True) -> Any:
        """The first such event, already there or still to come."""
        return await eventually(
            lambda: next((event for event in self.of(name) if true_of(event)), None), f"a {name} event; {self.names()}"
        )


class Bench(ABC):
    """A venue under test: how to start it, trade against it and make it misbehave.

    :ivar pair: a pair to trade, `base` and `quote` its currencies; the accounts have plenty of both.
    :ivar low: a price on the tick far below, `high` far above, where nothing rests; one tick is `tick`.
    :ivar lot: the smallest quantity; orders of up to 100 of them can be paid for.
    :ivar destination: where withdrawals go; `period`: the shortest bars.
    :ivar tells_time: whether a client of it can ask for the venue's time.
    :ivar refusals: classes of errors that an answer to an order can mean.
    :ivar reads_only: whether a client of it makes its events of what it reads; then it never says `alive`.
    """

    pair = "BTC/HUF"
    base = "BTC"
    quote = "HUF"
    low = Decimal(50000)
    high = Decimal(70000)
    tick = Decimal(1)
    lot = Decimal("0.01")
    destination = "somewhere else"
    period = "minute"
    tells_time = True
    refusals: tuple[type[ExchangeError], ...] = (
        NotAuthorised,
        InsufficientFunds,
        OrderRejected,
        Unreachable,
        OutcomeUnknown,
    )
    reads_only = False

    @abstractmethod
    def client(self, **options: Any) -> Any:
        """A client of the account under test, quick to notice and to reconnect; *options* of its constructor."""

    @abstractmethod
    def stranger(self) -> Any:
        """A client whose credentials are wrong."""

    @abstractmethod
    def lost(self) -> Any:
        """A client of an address where nobody listens, with a short deadline."""

    @abstractmethod
    def now(self) -> datetime:
        """The venue's time."""

    @abstractmethod
    def trade(self, side: Side, quantity: Decimal, price: Decimal) -> str:
        """Somebody else places an order on `pair`; its id."""

    @abstractmethod
    def withdraw_liquidity(self, id: str) -> None:
        """Somebody else cancels that order."""

    @abstractmethod
    def deposit(self, ticker: str, amount: Decimal, address: str) -> None:
        """Money arrives at an address of the account under test."""

    @abstractmethod
    def orders_at_venue(self) -> int:
        """How many orders of the account under test rest, by the venue's own books."""

    @abstractmethod
    def refuse(self, error: type[ExchangeError]) -> None:
        """The next order is refused in a way that means *error*."""

    @abstractmethod
    async def stop(self) -> None:
        """Stop it all."""

    # -- faults of the line

    def drop_line(self) -> None:
        """Every connection is cut, now."""
        raise NotImplementedError

    def freeze(self, on: bool) -> None:
        """Nothing comes and nothing is heard, no pong either."""
        raise NotImplementedError

    def down(self, on: bool) -> None:
        """Connections are cut and refused."""
        raise NotImplementedError

    def lose_answer(self, call: str, effect: bool) -> None:
        """The next *call* (`place`, `cancel`, `withdraw`, `read`) is not answered; *effect*: it is carried out."""
        raise NotImplementedError

    def garble_answer(self, call: str) -> None:
        """The next *call* is carried out and answered with nonsense."""
        raise NotImplementedError

    def repeat_answers(self) -> None:
        """Each answer comes twice."""
        raise NotImplementedError

    def delay_answers(self, seconds: float) -> None:
        """Answers come late."""
        raise NotImplementedError

    def garbage(self) -> None:
        """Something unreadable arrives now."""
        raise NotImplementedError

    def drop_events(self, on: bool) -> None:
        """Own events are lost."""
        raise NotImplementedError

    def repeat_events(self) -> None:
        """Every event comes twice."""
        raise NotImplementedError

    def events_first(self) -> None:
        """Events about an order come before the answer to the call that caused them."""
        raise NotImplementedError


class SimulatedBench(Bench):
    """A simulated venue behind its own wire protocol; alice is under test and bob trades with her.

    :ivar calls: how the venue's faults name the calls `place`, `cancel`, `withdraw` and `read`.
    :ivar own_events: how they name what tells of an account, `all_events` what tells of anything.
    """

    calls: ClassVar[Mapping[str, str]]
    own_events: ClassVar[str]
    all_events: ClassVar[str] = ""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.venue = world.venue

    def now(self) -> datetime:
        now: datetime = self.world.clock.now()
        return now

    def deposit(self, ticker: str, amount: Decimal, address: str) -> None:
        self.world.core.deposit(ticker, self.world.core.currency(ticker).units(amount), address)

    def withdraw_liquidity(self, id: str) -> None:
        self.world.core.cancel("bob", int(id))

    def orders_at_venue(self) -> int:
        return len(self.world.core.open_orders("alice"))

    async def stop(self) -> None:
        await self.world.stop()

    def drop_line(self) -> None:
        self.fault(disconnect=True)

    def freeze(self, on: bool) -> None:
        self.fault(freeze=on)

    def down(self, on: bool) -> None:
        self.fault(down=on)

    def lose_answer(self, call: str, effect: bool) -> None:
        self.fault(lose_answer={"call": self.calls[call], "effect": effect})

    def garble_answer(self, call: str) -> None:
        self.fault(garble_answer={"call": self.calls[call]})

    def repeat_answers(self) -> None:
        self.fault(repeat_answer={"count": 0})

    def delay_answers(self, seconds: float) -> None:
        self.fault(delay_answers=seconds)

    def garbage(self) -> None:
        self.fault(garbage=True)

    def drop_events(self, on: bool) -> None:
        self.fault(drop_events=self.own_events if on else None)

    def repeat_events(self) -> None:
        self.fault(repeat_events=self.all_events)

    def events_first(self) -> None:
        self.fault(events_first=True)

    def fault(self, **wanted: Any) -> None:
        """Switch misbehaviour."""
        self.venue.fault(wanted)


class ContractCase:
    """What both halves share; mixed into a `TestCase`."""

    timeout = 20
    bench: Bench

    async def start_bench(self) -> Bench:
        """Start the venue."""
        raise NotImplementedError

    @asynchronous
    async def setUp(self) -> None:
        self.bench = await self.start_bench()
        self.clients: list[Any] = []

    @asynchronous
    async def tearDown(self) -> None:
        for client in self.clients:
            await client.disconnect()
        await self.bench.stop()

    def made(self, client: Any) -> Any:
        """*client*, disconnected after the test; errors that nobody listens to stay out of the log."""
        client.on("error", lambda error: None)
        self.clients.append(client)
        return client

    async def connected(self, **options: Any) -> tuple[Any, Recorder]:
        """A client that is ready, and what it told since."""
        client = self.made(self.bench.client(**options))
        recorder = Recorder(client)
        await client.connect()
        return client, recorder

    async def failure(self, call: Deferred[Any], kind: type[BaseException]) -> Any:
        """The error that *call* fails with: exactly of *kind*, or any refusal when *kind* is the general one."""
        try:
            result = await call
        except kind as error:
            assert type(error) is kind or kind is Refused, f"{type(error).__name__} instead of {kind.__name__}: {error}"
            return error
        raise AssertionError(f"{kind.__name__} was expected; the call gave {result!r}")

    def rest(self, client: Any, side: Side = Side.BUY, lots: int = 2, ticks: int = 0) -> Deferred[str]:
        """Place an order that rests: a bid far below, an ask far above, nearer to the middle by *ticks*."""
        bench = self.bench
        price = bench.low + ticks * bench.tick if side is Side.BUY else bench.high - ticks * bench.tick
        placed: Deferred[str] = client.placeOrder(bench.pair, lots * bench.lot, price, side)
        return placed
