"""Makes the clients that a configuration names, for the daemon and for the commands that talk to venues without one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from twisted.python.reflect import namedAny

from clients.exchange import IExchange
from ilp.clock import WorldClock
from ilp.settings import Connection, Settings
from ilp.settings_connections import section_of

__all__ = ["CannotMake", "client", "client_of", "clients_of", "feed_client"]


class CannotMake(Exception):
    """What the configuration names cannot be made: a client, or a simulated venue; one sentence for the operator."""


def clients_of(connections: Mapping[str, Connection], clock: WorldClock, settings: Settings) -> dict[str, IExchange]:
    """One client an account, by its name."""
    make = partial(client_of, clock, settings)
    return {account: make(connections[roles[0]], account) for account, roles in settings.accounts.items()}


def client_of(clock: WorldClock, settings: Settings, connection: Connection, account: str) -> Any:
    """A client of *connection* that follows what the pool trades on an account."""
    return client(connection, account, clock, settings, settings.accounts[account])


def feed_client(clock: WorldClock, settings: Settings) -> Callable[[Connection, str, str], Any]:
    """What makes a feed's client; see `ilp.feeds`."""
    return lambda connection, role, tickers: client(connection, role, clock, settings, tickers=tickers)


def client(
    connection: Connection,
    name: str,
    clock: WorldClock,
    settings: Settings,
    roles: Sequence[str] = (),
    tickers: str | None = None,
) -> Any:
    """A client of the class that *connection* names, given what its constructor asks for.

    :param name: how errors call it where the class takes a name.
    :param roles: `source` and `target` as far as it serves them: the pairs that it follows.
    :param tickers: those pairs, where they are others.
    """
    followed = ", ".join(settings.tickers[role] for role in roles or [name] if role in settings.tickers)
    made: Any = namedAny(connection.module)
    known = _parameters(made)
    given: dict[str, Any] = {
        "id": connection.id,
        "secret": connection.secret,
        "endpoint": connection.endpoint,
        "reactor": clock.reactor,
        "now": clock.now,
        "name": name,
        "tickers": followed if tickers is None else tickers,
        "rate_spread": settings.rate_spread,
        "rate_age_factor": settings.rate_age_factor,
        "max_fixing_age": max(1, int(settings.ages.fixing // 86400)),
    }
    if not connection.endpoint and _knows_its_address(made):
        del given["endpoint"]
    values = {name: value for name, value in given.items() if name in known} | dict(connection.options)
    try:
        return made(**values)
    except ValueError as error:
        section = f"[{section_of(roles[0])}]" if roles else f"the connection of {connection.module}"
        raise CannotMake(f"{settings.file}: {section}: {error}") from None


def _knows_its_address(made: Any) -> bool:
    """Whether a client without an address goes where its venue is."""
    endpoint = inspect.signature(made).parameters.get("endpoint")
    return endpoint is not None and bool(endpoint.default) and endpoint.default is not inspect.Parameter.empty


def _parameters(made: Any) -> frozenset[str]:
    """Names that a client's constructor takes, its class's own list of options included."""
    return frozenset(inspect.signature(made).parameters) | frozenset(getattr(made, "option_names", ()))
