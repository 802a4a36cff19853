"""Puts the venues of a simulated world on the wire: a Sputnik server and an admin address for each.

The world itself is started and stopped by whoever made it; this only listens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import Any

from attrs import define, field, frozen
from twisted.internet.defer import Deferred

from ilp.simulation.admin import Admin, venue_paths
from ilp.simulation.simulated_world import World
from ilp.simulation.sputnik.server import SputnikVenue

__all__ = ["Servers", "Wire", "announcement", "serve"]

_LETTERS = "abcdefghijkmnopqrstuvwxyz23456789"


def announcement(
    venue: str, admin: str | None, *, ws: str | None = None, rest: str | None = None, accounts: Iterable[Any] = ()
) -> dict[str, Any]:
    """The document that tells how to reach a venue."""
    return {"venue": venue, "endpoints": {"ws": ws, "rest": rest}, "accounts": list(accounts), "admin": admin}


@frozen
class Wire:
    """One venue that listens.

    :ivar accounts: password by username, of the users that the scenario names.
    """

    venue: SputnikVenue
    admin: Admin
    accounts: Mapping[str, str] = field(repr=False)

    def announcement(self) -> dict[str, Any]:
        """How to reach it: `{venue, endpoints, accounts, admin}`."""
        accounts = [{"id": name, "secret": secret} for name, secret in self.accounts.items()]
        name, rest = self.venue.core.venue, self.venue.rest_endpoint
        return announcement(name, self.admin.url, ws=self.venue.endpoint, rest=rest, accounts=accounts)


@define
class Servers:
    """All venues of one world that listen, by name."""

    wires: dict[str, Wire] = field(factory=dict)

    def __getitem__(self, name: str) -> Wire:
        return self.wires[name]

    def stop(self) -> Deferred[None]:
        """Close every port and connection; fires when they are gone."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        for wire in self.wires.values():
            await wire.venue.stop()
            await wire.admin.stop()


def serve(
    world: World, *, ports: Mapping[str, int] | None = None, ended: Callable[[str], object] | None = None
) -> Deferred[Servers]:
    """Let every venue of *world* listen on loopback.

    :param ports: port by venue; any free one where none is given.
    :param ended: called with a venue's name when `POST /shutdown` asks for its end; by default that venue stops listening.
    :return: fires when all accept connections; fails with `CannotListenError`, and then none is left listening.
    """
    return Deferred.fromCoroutine(_serve(world, ports or {}, ended))


async def _serve(world: World, ports: Mapping[str, int], ended: Callable[[str], object] | None) -> Servers:
    servers = Servers()
    try:
        for plan in world.scenario.venues:
            wire = servers.wires[plan.name] = _wire(world, plan.name, ended)
            await wire.venue.listen(ports.get(plan.name, 0))
            await wire.admin.listen()
    except BaseException:  # a cancellation too: nothing may be left half-started
        await servers.stop()
        raise
    return servers


def _wire(world: World, name: str, ended: Callable[[str], object] | None) -> Wire:
    reactor: Any = world.clock.reactor
    venue = SputnikVenue(world.cores[name], world.clock, reactor, seed=world.scenario.seed, bank=world.bank)
    accounts = _accounts(world, name)
    for user, secret in accounts.items():
        venue.add_user(user, secret)

    def end() -> object:
        return venue.stop() if ended is None else ended(name)

    def beyond() -> dict[str, Any]:
        return {"bank": world.ledger()["bank"]}

    return Wire(venue, Admin(venue_paths(venue, beyond), reactor, end), accounts)


def _accounts(world: World, name: str) -> dict[str, str]:
    """Passwords of a venue's users; one that the scenario leaves open is made up of its seed."""
    plan = next(venue for venue in world.scenario.venues if venue.name == name)
    draw = Random(f"{world.scenario.seed}/{name}/passwords")
    made = {user.name: "".join(draw.choices(_LETTERS, k=20)) for user in plan.users}
    return {user.name: user.secret or made[user.name] for user in plan.users}
