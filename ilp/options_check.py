"""Whether each client takes the options that a configuration gives it, found out by making it.  Opens no connection.

What a key of a connection may say is known to its client alone, so the client is asked, as a start would ask it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import evolve

from ilp.clock import WorldClock
from ilp.feeds import FEED, feeds_of
from ilp.making import CannotMake, client, feed_client
from ilp.settings import EMBEDDED, RESERVE, Connection, Settings
from ilp.settings_connections import section_of
from ilp.settings_keys import CONNECTION_KEYS
from ilp.settings_reader import SECRET_KEYS, Problem, masked

__all__ = ["faults_of_options"]

# Where an embedded venue might be: its client is told only when it runs, and each protocol has its own kind of address.
_PLACES = ("http://127.0.0.1:1", "ws://127.0.0.1:1")


def faults_of_options(settings: Settings, clock: WorldClock) -> Iterator[Problem]:
    """Each option that its client refuses, with the rule that it breaks."""
    accounts = {**settings.accounts, **({RESERVE: (RESERVE,)} if RESERVE in settings.connections else {})}
    roles = {names[0]: (account, names) for account, names in accounts.items()}
    roles |= {role: (role, ()) for role in settings.connections if role.startswith(FEED)}
    for role, (account, names) in roles.items():
        connection, places = settings.connections[role], iter(_PLACES)
        if connection.endpoint == EMBEDDED:  # its key is the simulation's, too
            connection = evolve(connection, id="", secret="", endpoint=next(places))
        while (refused := _refused(connection, role, account, names, settings, clock)) is not None:
            key, rule = refused
            embedded = settings.connections[role].endpoint == EMBEDDED
            if key == "endpoint" and embedded and (place := next(places, "")):
                connection = evolve(connection, endpoint=place)
                continue
            given = _given(settings.connections[role], key)
            yield Problem(settings.file, section_of(role), key, masked(section_of(role), key, given), rule)
            if key not in connection.options:
                break  # without it there is no client to ask for the others
            connection = evolve(connection, options={n: text for n, text in connection.options.items() if n != key})


def _refused(
    connection: Connection, role: str, account: str, names: tuple[str, ...], settings: Settings, clock: WorldClock
) -> tuple[str, str] | None:
    """Which key the client refuses, empty where it does not say, and why; None when it takes all."""
    try:
        if role.startswith(FEED):
            feeds_of({role: connection}, clock, settings, feed_client(clock, settings))
        else:
            client(connection, account, clock, settings, names)
    except (CannotMake, ValueError, TypeError) as error:
        words = _hushed(str(error.__context__ if isinstance(error, CannotMake) else error), connection)
        name, _, rule = words.partition(" ")
        if (key := name.rstrip(":")) not in {*connection.options, *CONNECTION_KEYS}:
            return "", words
        return key, _without(rule, _given(connection, key))
    return None


def _given(connection: Connection, key: str) -> str:
    return connection.options.get(key) or (str(getattr(connection, key)) if key in CONNECTION_KEYS else "")


def _hushed(words: str, connection: Connection) -> str:
    """*words* without any secret of the connection."""
    for secret in filter(None, (_given(connection, name) for name in SECRET_KEYS)):
        words = words.replace(secret, "********")
    return words


def _without(rule: str, given: Any) -> str:
    """The rule without the value, which stands before it already and may be a secret."""
    for written in (repr(given), str(given)):
        if written and rule.startswith(f"{written} "):
            return rule.removeprefix(f"{written} ")
    return rule
