"""Venues that speak Kraken's protocol, run by the daemon within itself for a demonstration, on real sockets of loopback.

Either one venue with both pairs on one account, or two: the target's market follows the source's price, and bank and chain
connect them.  A target that the configuration reaches through the ccxt bridge is such a venue as well: there the bridge
uses ccxt's own Kraken class, which cannot tell it from Kraken.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal

from attrs import define, evolve
from twisted.internet.defer import Deferred

from ilp.clock import WorldClock
from ilp.settings import EMBEDDED, Connection, Settings
from ilp.settings import Simulation as Plan
from ilp.simulation.bank import Bank, Route
from ilp.simulation.kraken.world import KrakenUser, KrakenWorld, pair_in
from ilp.simulation.maker import Ladder
from ilp.simulation.rates import RateServer
from ilp.simulation.recordings import load_fixings
from ilp.simulation.rules import FeeFactors
from ilp.simulation.scenario import INSIDERS, THIN
from ilp.simulation.serving import announcement
from ilp.simulation.takers import Appetite

__all__ = ["CannotEmbed", "EmbeddedKraken", "plan_of", "speaks_kraken"]

ACCOUNT = "pool"
KRAKEN, BRIDGE = "clients.kraken.Kraken", "clients.ccxt.Exchange"
DEEP = Ladder(levels=15, half_spread=Decimal("0.0001"), step=Decimal("0.0002"), size=Decimal("0.8"))


class CannotEmbed(ValueError):
    """What the configuration calls embedded cannot be simulated; one sentence that names the key."""


def plan_of(settings: Settings) -> Plan:
    """What is to be simulated; `CannotEmbed` where the configuration does not say."""
    if settings.simulation is None:
        raise CannotEmbed(f"{settings.file}: `endpoint = {EMBEDDED}` needs a section [simulation]")
    return settings.simulation


def speaks_kraken(connection: Connection) -> bool:
    """Whether a client of this connection would find a simulated Kraken there."""
    bridged = connection.module == BRIDGE and connection.options.get("exchange") == "kraken"
    return connection.endpoint == EMBEDDED and (connection.module == KRAKEN or bridged)


@define(eq=False)
class EmbeddedKraken:
    """Everything simulated that runs inside the daemon, where both venues speak Kraken's protocol.

    :ivar worlds: by account, the source's first.
    """

    worlds: dict[str, KrakenWorld]
    bank: Bank
    rates: RateServer

    @classmethod
    def begin(cls, settings: Settings, clock: WorldClock) -> Deferred[EmbeddedKraken]:
        """Start the venues; `RecordingError` when recorded prices are missing, `ValueError` for a pair that has none."""
        return Deferred.fromCoroutine(cls._begin(settings, clock))

    @classmethod
    async def _begin(cls, settings: Settings, clock: WorldClock) -> EmbeddedKraken:
        found = cls._made(settings, plan_of(settings), clock)
        try:
            for world in found.worlds.values():
                await world.begin()
            await found.rates.listen()
        except BaseException:  # a cancellation too: nothing may be left half-started
            await found.stop()
            raise
        return found

    @classmethod
    def _made(cls, settings: Settings, plan: Plan, clock: WorldClock) -> EmbeddedKraken:
        quotes = {role: _quote(settings, role) for role in ("source", "target")}
        fees = {
            "source": settings.parameters.source_fee.proportional,
            "target": settings.parameters.target_fee.proportional,
        }
        pairs = {role: pair_in(quotes[role], _bps(role, fees[role])) for role in quotes}
        balances = settings.together(plan.balances)
        worlds: dict[str, KrakenWorld] = {}
        banks: list[Bank] = []
        for account, roles in settings.accounts.items():
            worlds[account] = world = KrakenWorld(
                clock,
                [KrakenUser(ACCOUNT, balances[account], factors=FeeFactors())],
                name=account,
                seed=plan.seed,
                bank=banks[0] if banks else None,
                tier=None,  # the limits are for a world that runs no faster than ours
                customers=Appetite(every=plan.customers, tolerance=Decimal("0.012")) if "target" in roles else None,
                informed=INSIDERS if "target" in roles else None,
                pairs=tuple(pairs[role] for role in roles),
                leader=None if "source" in roles else worlds[settings.account_of("source")],
                ladders={pairs["source"].ticker: DEEP, pairs["target"].ticker: THIN},
            )
            if not banks:
                banks.append(Bank(clock, _routes(settings, plan, quotes), world.rates.rate, str(plan.seed)))
                banks[0].connect(world.core)
        found = cls(worlds, banks[0], RateServer(clock))
        found._save_addresses()
        return found

    def _save_addresses(self) -> None:
        """What one does on Kraken's web site before anything can be withdrawn: each account knows the others' address."""
        for name, world in self.worlds.items():
            for other, receiver in self.worlds.items():
                if other != name:
                    address = receiver.venue.deposit_address(ACCOUNT, "BTC")
                    world.venue.save_address(ACCOUNT, "BTC", other, address)

    def stop(self) -> Deferred[None]:
        """Stand still and close every port."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self.bank.stop()
        for world in self.worlds.values():
            await world.stop()
        await self.rates.stop()

    def connections(self, settings: Settings) -> dict[str, Connection]:
        """The connections of *settings* with addresses and credentials of what is embedded filled in."""
        found = dict(settings.connections)
        for account, roles in settings.accounts.items():
            world = self.worlds[account]
            key, secret = world.keys[ACCOUNT]
            for role in roles:
                found[role] = evolve(found[role], endpoint=world.venue.rest, id=key, secret=secret)
        for role, connection in found.items():
            if role.startswith("fiat") and connection.endpoint == EMBEDDED:
                found[role] = evolve(connection, endpoint=self.rates.endpoint, id=connection.id or self.rates.app_id)
        return found

    def lines(self) -> Iterable[str]:
        """One JSON line a venue: how to reach it and its admin address, without any secret."""
        for world in self.worlds.values():
            document = world.announcement()
            yield json.dumps({**document, "accounts": [{"id": account["name"]} for account in document["accounts"]]})
        yield json.dumps(announcement("rates", None, rest=self.rates.endpoint))


def _quote(settings: Settings, role: str) -> str:
    """The currency of a pair that can be simulated: bitcoin, in one of which there are recorded rates."""
    base, _, quote = settings.tickers[role].partition("/")
    if base != "BTC" or (role == "source" and quote != "USD"):
        allowed = "BTC/USD" if role == "source" else "a pair of BTC"
        raise CannotEmbed(
            f"[tickers] {role} = {settings.tickers[role]}: recorded prices are of BTC/USD, so it must be {allowed}"
        )
    known = {"EUR", *max(load_fixings().items())[1]}
    if quote not in known:
        raise CannotEmbed(f"[tickers] {role} = {settings.tickers[role]}: no rate of {quote} is recorded")
    return quote


def _bps(role: str, fee: Decimal) -> int:
    bps = fee * 10_000
    if bps != int(bps):
        raise CannotEmbed(f"[data] {role}_fee: {fee} cannot be simulated; whole multiples of 0.0001")
    return int(bps)


def _routes(settings: Settings, plan: Plan, quotes: Mapping[str, str]) -> list[Route]:
    """Coins and money, at the costs that the daemon expects."""
    coin, fiat = settings.parameters.btc_fee, settings.parameters.fiat_exchange_cost
    one, other = quotes["source"], quotes["target"]
    delays = plan.fiat_delay / 10, plan.fiat_delay * 0.9
    ways = [(one, other), (other, one)] if one != other else [(one, one)]
    return [
        Route("BTC", "BTC", plan.btc_delay / 10, plan.btc_delay * 0.9, coin.fixed, "BTC", coin.proportional),
        *(Route(a, b, *delays, fiat.fixed, one, fiat.proportional) for a, b in ways),
    ]
