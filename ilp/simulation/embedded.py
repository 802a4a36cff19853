"""The venues and the rate server that the daemon runs within itself for a demonstration, on real sockets of loopback.

Makes the scenario out of the daemon's own settings: the fees that it expects are the fees that it is charged.  Where the
source is BitMEX one is begun beside the world, on its clock and its bank, at the price of the world's source.  Where both
venues speak Kraken's protocol there is no such world: see `ilp.simulation.embedded_kraken`; nor where both are Infinity's
(`ilp.simulation.embedded_infinity`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import timedelta

from attrs import define, evolve
from twisted.internet.defer import Deferred
from twisted.python.reflect import namedAny

from ilp.clock import WorldClock
from ilp.settings import EMBEDDED, Connection, Settings
from ilp.settings import Simulation as Plan
from ilp.simulation.bank import Route
from ilp.simulation.bitmex.world import BitmexWorld, KeyedUser
from ilp.simulation.contracts import Currency
from ilp.simulation.embedded_infinity import EmbeddedInfinity, speaks_infinity
from ilp.simulation.embedded_kraken import CannotEmbed, EmbeddedKraken, plan_of, speaks_kraken
from ilp.simulation.rates import RateServer
from ilp.simulation.scenario import INSIDERS, USD, Scenario, User, demo
from ilp.simulation.serving import Servers, announcement, serve
from ilp.simulation.simulated_world import World
from ilp.simulation.takers import Appetite

__all__ = ["EMBEDDED", "Embedded", "embed", "scenario_of"]

ACCOUNT = "pool"
BITMEX = "clients.bitmex.BitMEX"
# Calls a minute and orders a second of the reactor: the venue's own limits are for a world that runs no faster than ours.
UNHURRIED = (10**6, 10**6, 10**6)
KEYS_LAST = timedelta(days=3650)  # of the world's time: longer than any demonstration


def scenario_of(settings: Settings, plan: Plan) -> Scenario:
    """The world of *plan*, with the fees of *settings*."""
    parameters = settings.parameters

    def user(role: str) -> User:
        return User(ACCOUNT, plan.balances[role])

    is_bitmex = _is_bitmex(settings.connections["source"])
    scenario = demo(
        seed=plan.seed,
        source_users=() if is_bitmex else (user("source"),),
        target_users=(user("target"),),
        source_fee=parameters.source_fee.proportional,
        target_fee=parameters.target_fee.proportional,
        lot=plan.lot,
        btc_fee=parameters.btc_fee.fixed,
        btc_delay_s=plan.btc_delay,
        fiat_fixed=parameters.fiat_exchange_cost.fixed,
        fiat_proportional=parameters.fiat_exchange_cost.proportional,
        fiat_delay_s=plan.fiat_delay,
        uninformed=Appetite(every=plan.customers),
        informed=INSIDERS,
    )
    source, target = (settings.tickers.get(role, "").partition("/")[2] for role in ("source", "target"))
    return _in_one_currency(scenario, source, plan.fiat_delay) if source and source == target else scenario


def _in_one_currency(scenario: Scenario, quote: str, delay: float) -> Scenario:
    """*scenario* with both markets priced in *quote*, a dollar by whatever name, that travels without being converted."""
    currency = Currency(quote, USD.denominator, USD.lot)
    tick = scenario.venues[0].pair.tick
    venues = tuple(
        evolve(v, pair=evolve(v.pair, ticker=f"{v.pair.base.ticker}/{quote}", quote=currency, tick=tick))
        for v in scenario.venues
    )
    coins, out, _ = scenario.routes
    travel = Route(quote, quote, delay / 10, delay * 0.9, out.fixed, quote, out.proportional)
    return evolve(scenario, venues=venues, routes=(coins, travel))


def embed(
    settings: Settings, clock: WorldClock
) -> Deferred[Embedded] | Deferred[EmbeddedKraken] | Deferred[EmbeddedInfinity]:
    """Start whatever *settings* call embedded."""
    if all(speaks_infinity(settings.connections[role]) for role in ("source", "target")):
        return EmbeddedInfinity.begin(settings, clock)
    if all(speaks_kraken(settings.connections[role]) for role in ("source", "target")):
        return EmbeddedKraken.begin(settings, clock)
    return Embedded.begin(settings, clock)


def _is_bitmex(connection: Connection) -> bool:
    return connection.module == BITMEX and connection.endpoint == EMBEDDED


@define(eq=False)
class Embedded:
    """Everything simulated that runs inside the daemon."""

    world: World
    servers: Servers
    rates: RateServer
    bitmex: BitmexWorld | None = None

    @classmethod
    def begin(cls, settings: Settings, clock: WorldClock) -> Deferred[Embedded]:
        """Start the world and its servers; `RecordingError` when recorded prices are missing."""
        return Deferred.fromCoroutine(cls._begin(settings, clock))

    @classmethod
    async def _begin(cls, settings: Settings, clock: WorldClock) -> Embedded:
        plan = plan_of(settings)
        for role, connection in settings.connections.items():
            for name, speaks in (("Kraken", speaks_kraken), ("Infinity", speaks_infinity)):
                if speaks(connection):
                    raise CannotEmbed(
                        f"{settings.file}: a simulated {name} as {role} needs the other venue to be one, too"
                    )
        world = World(scenario_of(settings, plan), clock)
        found = cls(world, await serve(world), RateServer(clock))
        try:
            if _is_bitmex(settings.connections["source"]):
                pool = KeyedUser(ACCOUNT, plan.balances["source"])
                found.bitmex = BitmexWorld.beside(world, [pool], limits=UNHURRIED)
                await found.bitmex.begin()
            await found.rates.listen()
        except BaseException:  # a cancellation too: nothing may be left half-started
            await found.stop()
            raise
        world.start()
        return found

    def stop(self) -> Deferred[None]:
        """Stand still and close every port."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self.world.stop()
        if self.bitmex is not None:
            await self.bitmex.stop()
        await self.servers.stop()
        await self.rates.stop()

    def connections(self, settings: Settings) -> dict[str, Connection]:
        """The connections of *settings* with the addresses and credentials of what is embedded filled in."""
        return {
            role: self._filled(role, connection) if connection.endpoint == EMBEDDED else connection
            for role, connection in settings.connections.items()
        }

    def _filled(self, role: str, connection: Connection) -> Connection:
        if role.startswith("fiat"):
            return evolve(connection, endpoint=self.rates.endpoint, id=connection.id or self.rates.app_id)
        if self.bitmex is not None and role == "source":
            key, venue = ACCOUNT, self.bitmex.venue
            return evolve(connection, endpoint=venue.endpoint, id=key, secret=self.bitmex.accounts[key])
        wire = self.servers[role]
        if getattr(namedAny(connection.module), "endpoint_kind", "ws") == "rest":
            members = wire.venue.members
            keys = members.issue_key(ACCOUNT, members.now() + KEYS_LAST)
            return evolve(connection, endpoint=wire.venue.rest_endpoint, id=keys.key, secret=keys.secret)
        return evolve(connection, endpoint=wire.venue.endpoint, id=ACCOUNT, secret=wire.accounts[ACCOUNT])

    def lines(self) -> Iterable[str]:
        """One JSON line a venue: how to reach it and its admin address, without any secret."""
        venues = [wire.announcement() for wire in self.servers.wires.values()]
        if self.bitmex is not None:
            venues.append(self.bitmex.announcement())
        for document in venues:
            yield json.dumps({**document, "accounts": [{"id": account["id"]} for account in document["accounts"]]})
        yield json.dumps(announcement("rates", None, rest=self.rates.endpoint))
