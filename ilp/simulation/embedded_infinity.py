"""A simulated Infinity run by the daemon within itself for a demonstration of rates, on real sockets of loopback.

One venue, whether both markets are traded on one account or each on its own.  The house quotes all of it deep but the
target's market, where its quotes are far apart: there the pool's are the best, and half of the customers come.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal

from attrs import define, evolve
from twisted.internet.defer import Deferred

from ilp.clock import WorldClock
from ilp.settings import EMBEDDED, Connection, Settings
from ilp.simulation.embedded_kraken import CannotEmbed, plan_of
from ilp.simulation.infinity.world import InfinityUser, InfinityWorld
from ilp.simulation.maker import Ladder
from ilp.simulation.takers import Appetite

__all__ = ["EmbeddedInfinity", "speaks_infinity"]

INFINITY = "clients.infinity.Infinity"
FAR_APART = Ladder(levels=5, half_spread=Decimal("0.3"), step=Decimal("0.05"), size=Decimal("0.5"))
LEAST, MOST = Decimal("0.02"), Decimal("0.2")  # of a level's size: what a customer wants
TOLERANCE = Decimal("0.25")  # of the fair rate: they have no other choice


def speaks_infinity(connection: Connection) -> bool:
    """Whether a client of this connection would find a simulated Infinity there."""
    return connection.endpoint == EMBEDDED and connection.module == INFINITY


@define(eq=False)
class EmbeddedInfinity:
    """Everything simulated that runs inside the daemon, where both markets are Infinity's."""

    world: InfinityWorld

    @classmethod
    def begin(cls, settings: Settings, clock: WorldClock) -> Deferred[EmbeddedInfinity]:
        """Start the venue; `CannotEmbed` for a market that it does not list when the world begins."""
        return Deferred.fromCoroutine(cls._begin(settings, clock))

    @classmethod
    async def _begin(cls, settings: Settings, clock: WorldClock) -> EmbeddedInfinity:
        plan = plan_of(settings)
        balances = settings.together(plan.balances)
        target = settings.tickers["target"]
        world = InfinityWorld(
            clock,
            [InfinityUser(account, balances[account]) for account in settings.accounts],
            seed=plan.seed,
            customers=Appetite(every=plan.customers, least=LEAST, most=MOST, tolerance=TOLERANCE),
            ladders={target: FAR_APART},
            favourites=(target,),
        )
        listed = [market.ticker for market in world.core.markets(settings.tickers["btc"])]
        for role in ("source", "target"):
            ticker = settings.tickers[role]
            if ticker not in listed:
                when = clock.now().date().isoformat()
                raise CannotEmbed(f"[tickers] {role} = {ticker} is not listed on {when}; there are {', '.join(listed)}")
        await world.begin()
        return cls(world)

    def stop(self) -> Deferred[None]:
        """Stand still and close every port."""
        return self.world.stop()

    def connections(self, settings: Settings) -> dict[str, Connection]:
        """The connections of *settings* with the address and the wallets filled in."""
        found = dict(settings.connections)
        for account, roles in settings.accounts.items():
            for role in roles:
                id, secret = self.world.address(account), self.world.keys[account]
                found[role] = evolve(found[role], endpoint=self.world.venue.rest, id=id, secret=secret)
        return found

    def lines(self) -> Iterable[str]:
        """One JSON line: how to reach the venue and its admin address, without any secret."""
        document = self.world.announcement()
        yield json.dumps({**document, "accounts": [{"id": account["id"]} for account in document["accounts"]]})
