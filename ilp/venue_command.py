"""`ilp.py venue`: a simulated venue in a process of its own, until a signal or `POST /shutdown`.

Prints one JSON line for each venue as soon as it accepts connections: `{"venue", "endpoints": {"ws", "rest"},
"accounts": [{"id", "secret"}], "admin"}`. `sputnik` without a configuration is one exchange for BTC/USD, a prediction
and a future, that replays recorded prices, moved to the present; with one it is the whole world of that configuration,
with its clock, seed and accounts and the bank between its venues: the venue whose endpoint names the port listens there
(the source if none does), the others on the ports of their endpoints where these are on this machine. `rates` serves
recorded fixings. `bitmex` is one exchange for XBTUSD, XBTUSDT and XBT_USDT on the same recorded prices, with two
accounts whose keys it prints; `kraken`
likewise is one for BTC/USD and BTC/EUR, and `infinity` one for rates of five tokens, whose accounts are wallets and whose
secrets are their private keys.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol, TextIO
from urllib.parse import urlsplit

import msgspec
from attrs import define, evolve
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from ilp.clock import WorldClock
from ilp.settings import Connection, Settings, Simulation
from ilp.settings_file import load
from ilp.simulation.admin import Admin, fault_path
from ilp.simulation.bitmex.world import BitmexWorld, KeyedUser
from ilp.simulation.bodies import BadRequest
from ilp.simulation.embedded import ACCOUNT
from ilp.simulation.embedded import scenario_of as embedded_scenario
from ilp.simulation.infinity.world import InfinityUser, InfinityWorld
from ilp.simulation.kraken.world import KrakenUser, KrakenWorld
from ilp.simulation.rates import SERVICES, Fault, RateServer
from ilp.simulation.recordings import RecordingError, load_fixings
from ilp.simulation.scenario import Recorded, Scenario, User, Venue, demo
from ilp.simulation.serving import Servers, announcement, serve
from ilp.simulation.simulated_world import World
from ilp.simulation.sputnik.derivatives import future, prediction
from ilp.simulation.takers import Appetite

__all__ = ["main", "ports_of", "scenario_of", "switch_rates", "to_the_present"]

_LOOPBACK = ("127.0.0.1", "localhost")
_PLENTY = {"BTC": Decimal(20), "USD": Decimal(500_000), "HUF": Decimal(150_000_000)}
_WEEK = timedelta(days=7)


class _Running(Protocol):
    """Something that listens."""

    def announcements(self) -> list[dict[str, Any]]:
        """One document a venue."""

    def stop(self) -> Deferred[None]:
        """End; fires when nothing is left."""


def main(name: str, port: int, config: Path | None, out: TextIO = sys.stdout, err: TextIO = sys.stderr) -> int:
    """Run the venue; the exit status: 0 ended as asked, 1 could not start, with one sentence on *err*.

    :raises ConfigurationError: see `ilp.settings_file`.
    """
    from twisted.internet import reactor

    settings = None if config is None else load(config).settings
    start = {"sputnik": _sputnik, "rates": _rates, "bitmex": _bitmex, "kraken": _kraken, "infinity": _infinity}[name]
    return _run(reactor, lambda end: start(reactor, settings, port, end), out, err)


# ------------------------------------------------------------------------------------------------------------ running


def _run(reactor: Any, start: Callable[[Callable[[], None]], Deferred[_Running]], out: TextIO, err: TextIO) -> int:
    """Run the reactor until somebody ends it; *start* is given what ends it."""
    status = 0

    def started(running: _Running) -> None:
        reactor.addSystemEventTrigger("before", "shutdown", running.stop)
        for document in running.announcements():
            out.write(msgspec.json.encode(document).decode() + "\n")
        out.flush()

    def failed(failure: Any) -> None:
        nonlocal status
        status = 1
        err.write(_sentence(failure.value) + "\n")
        if not failure.check(CannotListenError, RecordingError, ValueError):
            Logger().failure("the venue could not start", failure)
        end()

    def end() -> None:
        if reactor.running:
            reactor.stop()

    reactor.callWhenRunning(lambda: start(end).addCallbacks(started, failed).addErrback(failed))
    reactor.run()
    return status


def _sentence(problem: Exception) -> str:
    if isinstance(problem, CannotListenError):
        return f"port {problem.port} cannot be listened on: {problem.socketError}"
    return f"the venue could not start: {problem}"


# ------------------------------------------------------------------------------------------------------------ sputnik


@define
class _SputnikWorld:
    world: World
    servers: Servers

    def announcements(self) -> list[dict[str, Any]]:
        return [wire.announcement() for wire in self.servers.wires.values()]

    def stop(self) -> Deferred[None]:
        self.world.stop()
        return self.servers.stop()


def _sputnik(reactor: Any, settings: Settings | None, port: int, end: Callable[[], None]) -> Deferred[_Running]:
    async def start() -> _Running:
        world = World(_alone() if settings is None else scenario_of(settings), _clock(reactor, settings))
        ports = {world.scenario.venues[0].name: port} if settings is None else ports_of(settings, port)
        servers = await serve(world, ports=ports, ended=lambda _: end())
        world.start()
        return _SputnikWorld(world, servers)

    return Deferred.fromCoroutine(start())


def _clock(reactor: IReactorTime, settings: Settings | None) -> WorldClock:
    if settings is None or settings.simulation is None:
        return WorldClock(reactor)
    return WorldClock(reactor, settings.simulation.start, settings.simulation.speed)


def _alone() -> Scenario:
    source = demo().venues[0]
    users = tuple(User(name, {ticker: _PLENTY[ticker] for ticker in ("BTC", "USD")}) for name in ("alice", "bob"))
    # Contracts of the original's development setup: an event that comes true or not, and the price of a bitcoin in a month.
    end = datetime.now(UTC) + timedelta(days=30)
    nets = prediction("NETS", source.pair.base, denominator=1000, lot=10**6, fee_bps=200, expiration=end)
    month = future("USDBTC0M", source.pair.base, denominator=1000, lot=10_000, fee_bps=100, expiration=end)
    venue = Venue("sputnik", source.pair, Recorded(), users, source.ladder, derivatives=(nets, month))
    return Scenario((venue,))


def scenario_of(settings: Settings) -> Scenario:
    """The world that the daemon would embed for *settings*, with the accounts that its connections log in to.

    An account for which `[simulation]` names no balances begins with its target balances, or with plenty.
    """
    plan = settings.simulation or _plan(settings)
    scenario = embedded_scenario(settings, plan)
    venues = [evolve(venue, users=(_user(settings, venue, plan),)) for venue in scenario.venues]
    return evolve(scenario, venues=tuple(venues))


def _plan(settings: Settings) -> Simulation:
    """What a configuration without a section [simulation] comes to; its clock is the real one."""
    delays = settings.transfers
    nothing: Mapping[str, Mapping[str, Decimal]] = {"source": {}, "target": {}}
    return Simulation(
        start=datetime.now(UTC),
        speed=1.0,
        seed=1,
        balances=nothing,
        lot=Decimal("0.001"),
        btc_delay=delays.btc_delay,
        fiat_delay=delays.fiat_exchange_delay,
        customers=Appetite().every,
    )


def _user(settings: Settings, venue: Venue, plan: Simulation) -> User:
    connection = settings.connections[venue.name]
    targets = settings.parameters.targets
    balances = plan.balances[venue.name] or {
        currency.ticker: targets.get((venue.name, currency.ticker)) or _PLENTY.get(currency.ticker, Decimal(0))
        for currency in (venue.pair.base, venue.pair.quote)
    }
    return User(connection.id or ACCOUNT, balances, connection.secret)


def ports_of(settings: Settings, port: int) -> dict[str, int]:
    """Which venue listens where; see the module."""
    named = {venue: _local_port(settings.connections[venue]) for venue in ("source", "target")}
    ports = {venue: number for venue, number in named.items() if number}
    if port and port not in ports.values():
        ports["source"] = port
    return ports


def _local_port(connection: Connection) -> int:
    address = urlsplit(connection.endpoint)
    return address.port or 0 if address.hostname in _LOOPBACK else 0


# ------------------------------------------------------------------------------------------------------------- bitmex


@define
class _BitmexWorld:
    world: BitmexWorld

    def announcements(self) -> list[dict[str, Any]]:
        return [self.world.announcement()]

    def stop(self) -> Deferred[None]:
        return self.world.stop()


def _bitmex(reactor: Any, settings: Settings | None, port: int, end: Callable[[], None]) -> Deferred[_Running]:
    async def start() -> _Running:
        balances = {"BTC": Decimal(20), "USDT": Decimal(500_000)}
        world = BitmexWorld(_clock(reactor, settings), [KeyedUser(name, balances) for name in ("alice", "bob")])
        await world.begin(port, end)
        return _BitmexWorld(world)

    return Deferred.fromCoroutine(start())


# ------------------------------------------------------------------------------------------------------------- kraken


@define
class _KrakenWorld:
    world: KrakenWorld

    def announcements(self) -> list[dict[str, Any]]:
        return [self.world.announcement()]

    def stop(self) -> Deferred[None]:
        return self.world.stop()


def _kraken(reactor: Any, settings: Settings | None, port: int, end: Callable[[], None]) -> Deferred[_Running]:
    async def start() -> _Running:
        balances = {"BTC": Decimal(20), "USD": Decimal(500_000), "EUR": Decimal(500_000)}
        users = [KrakenUser(name, balances) for name in ("alice", "bob")]
        world = KrakenWorld(_clock(reactor, settings), users, customers=Appetite(every=20.0))
        await world.begin(port, end)
        return _KrakenWorld(world)

    return Deferred.fromCoroutine(start())


# ----------------------------------------------------------------------------------------------------------- infinity


@define
class _InfinityWorld:
    world: InfinityWorld

    def announcements(self) -> list[dict[str, Any]]:
        return [self.world.announcement()]

    def stop(self) -> Deferred[None]:
        return self.world.stop()


def _infinity(reactor: Any, settings: Settings | None, port: int, end: Callable[[], None]) -> Deferred[_Running]:
    async def start() -> _Running:
        trading = {"ETH": Decimal(100), "WBTC": Decimal(5), "USDT": Decimal(200_000), "USDC": Decimal(200_000)}
        users = [InfinityUser(name, trading, {"ETH": Decimal(10)}) for name in ("alice", "bob")]
        wishes = Appetite(every=15.0, least=Decimal("0.05"), most=Decimal(1), tolerance=Decimal("0.1"))
        world = InfinityWorld(_clock(reactor, settings), users, customers=wishes)
        await world.begin(port, end)
        return _InfinityWorld(world)

    return Deferred.fromCoroutine(start())


# -------------------------------------------------------------------------------------------------------------- rates


@define
class _Rates:
    server: RateServer
    admin: Admin

    def announcements(self) -> list[dict[str, Any]]:
        accounts = [{"id": self.server.app_id}]  # of Open Exchange Rates; the others ask for none
        return [announcement("rates", self.admin.url, rest=self.server.endpoint, accounts=accounts)]

    def stop(self) -> Deferred[None]:
        async def stop() -> None:
            await self.server.stop()
            await self.admin.stop()

        return Deferred.fromCoroutine(stop())


def _rates(reactor: Any, settings: Settings | None, port: int, end: Callable[[], None]) -> Deferred[_Running]:
    async def start() -> _Running:
        clock = _clock(reactor, settings)
        server = RateServer(clock, load_fixings() if clock.start is not None else to_the_present(clock))
        admin = Admin([fault_path(lambda wanted: switch_rates(server, wanted))], reactor, end)
        running = _Rates(server, admin)
        try:
            await server.listen(port)
            await admin.listen()
        except BaseException:  # a cancellation too: nothing may be left half-started
            await running.stop()
            raise
        return running

    return Deferred.fromCoroutine(start())


def to_the_present(clock: WorldClock) -> dict[date, Mapping[str, Decimal]]:
    """The recorded fixings moved by whole weeks, so that the newest is of these days and weekends stay weekends."""
    fixings = load_fixings()
    weeks = (clock.now().date() - max(fixings)) // _WEEK
    return {day + weeks * _WEEK: rates for day, rates in fixings.items()}


def switch_rates(server: RateServer, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """`{"stale": true, …}` switches faults on and off, `{"clear": true}` all off; answers those that are on.

    `{"only": ["oxr"]}` confines them to services.
    """
    known = {fault.value for fault in Fault}
    only = wanted.get("only")
    if only is not None and not (isinstance(only, list) and set(only) <= SERVICES.keys()):
        raise BadRequest("only", f"{only!r} is not a list of {', '.join(SERVICES)}")
    wanted = {name: on for name, on in wanted.items() if name != "only"}
    for name, on in wanted.items():
        if name not in known | {"clear"}:
            raise BadRequest(name, f"no such fault; there are {', '.join(sorted(known))}, only and clear")
        if not isinstance(on, bool):
            raise BadRequest(name, f"{on!r} is not true or false")
    for name, on in wanted.items():
        if name == "clear":
            server.faults.clear()
        elif on:
            server.faults.add(name)
        else:
            server.faults.discard(name)
    if only is not None:
        server.faults.only = frozenset(only)
    confined = {"only": sorted(server.faults.only)} if server.faults.only else {}
    return {"faults": [fault.value for fault in server.faults], **confined}
