"""Which class reaches each venue and with what, whether both pairs are on one account, and whether that is real.

Imports client classes to know their options; makes none and opens no connection.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from attrs import evolve
from twisted.python.reflect import namedAny

from clients.option_values import read_options
from clients.rates_venue import VenueOptions, chain, is_venue
from ilp import settings_values as kinds
from ilp.feeds import rate_ticker
from ilp.settings import EMBEDDED, RESERVE, Connection, Mode
from ilp.settings_keys import CONNECTION_KEYS, FEED_SECTIONS
from ilp.settings_reader import Reader, masked

__all__ = ["connections_of", "harmless", "is_one_account", "mode_of", "section_of"]

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def connections_of(reader: Reader, values: Mapping[str, Any]) -> dict[str, Connection]:
    """How to reach each role; a target on the source's account has the source's connection."""
    found: dict[str, Connection] = {}
    for role in ("source", "target"):
        if (module := values[f"modules.{role}"]) is not None:
            shared = role == "target" and _names_the_source(reader, module, values["modules.source"])
            found[role] = found["source"] if shared and "source" in found else _connection(reader, role, module)
    if (module := values["modules.reserve"]) is not None:
        found[RESERVE] = _connection(reader, RESERVE, module)
        if found[RESERVE].endpoint == EMBEDDED:
            reader.fault("reserve_connection", "endpoint", EMBEDDED, "must be an address: no reserve is simulated here")
        for role in ("source", "target"):
            if role in found and _same_account(found[role], found[RESERVE]):
                key = "id" if found[RESERVE].id else "secret"
                rule = f"is of the {role}'s account, and what is held there counts already"
                reader.fault("reserve_connection", key, getattr(found[RESERVE], key), rule)
                break
    _check_feeds_needed(reader, values)
    return found | _feeds(reader, values["modules.fiat"] or (), values)


def _check_feeds_needed(reader: Reader, values: Mapping[str, Any]) -> None:
    """Without a feed both pairs must be priced in the same currency."""
    tickers = {role: values[f"tickers.{role}"] for role in ("source", "target")}
    if reader.parser.has_option("modules", "fiat") or None in tickers.values() or not rate_ticker(tickers):
        return
    reader.fault("modules", "fiat", "", f"is missing; it must be {kinds.dotted_several.allowed}")


def _feeds(reader: Reader, modules: Sequence[str], values: Mapping[str, Any]) -> dict[str, Connection]:
    """How to reach each feed of rates: `fiat`, `fiat_2`, … in order of trust."""
    found: dict[str, Connection] = {}
    for module, section in zip(modules, FEED_SECTIONS, strict=False):
        role = section.replace("_connection", "")
        found[role] = _connection(reader, role, module)
        _check_feed(reader, section, module, found[role], values, alone=len(modules) == 1)
    for section in FEED_SECTIONS[max(len(modules), 1) :]:
        if modules and reader.parser.has_section(section):
            reader.fault(section, "", "", f"is for a feed that [modules] fiat does not name; it names {len(modules)}")
    return found


def _check_feed(
    reader: Reader, section: str, module: str, connection: Connection, values: Mapping[str, Any], *, alone: bool
) -> None:
    kind: Any = _class(connection.module)
    if kind is None:
        return
    if not is_venue(kind):
        if not alone and not hasattr(kind, "rate"):
            reader.fault(
                "modules", "fiat", module, "tells of no age of its rates; it can be the only feed, not one of several"
            )
        return
    if connection.endpoint == EMBEDDED:
        reader.fault(section, "endpoint", EMBEDDED, "is for feeds; a venue as a feed has an address of its own")
    for key in ("id", "secret"):  # with the key of an account that trades it would share its nonce and its switch
        if text := getattr(connection, key):
            reader.fault(section, key, text, "must not be there: a venue as a feed is asked for its market alone")
    tickers = {role: values[f"tickers.{role}"] for role in ("source", "target")}
    try:
        choices = read_options(
            VenueOptions, {name: text for name, text in connection.options.items() if name in VenueOptions.names()}
        )
        if None not in tickers.values() and (ticker := rate_ticker(tickers)):
            chain(ticker, choices)
    except ValueError as error:
        name, _, rule = str(error).partition(": ")
        reader.fault(section, name, connection.options.get(name, ""), rule)


def _class(dotted: str) -> Any:
    """The class of that name; None where there is none, which is a fault that was told already."""
    try:
        return namedAny(dotted)
    except Exception:  # noqa: BLE001  an import can fail in any way
        return None


def _names_the_source(reader: Reader, module: str, source: str | None) -> bool:
    """Whether the target's section says that it has no account of its own."""
    section = "target_connection"
    if not reader.parser.has_option(section, "account"):
        return False
    if (text := reader.raw(section, "account") or "") != "source":
        reader.fault(section, "account", text, "must be source, or not be there: the target then has its own account")
    if source is not None and module.removeprefix("clients.") != source.removeprefix("clients."):
        reader.fault("modules", "target", module, f"must be {source}, as [target_connection] account = source says")
    for name in reader.parser.options(section):
        if name != "account":
            reader.fault(section, name, reader.raw(section, name) or "", "must not stand beside account = source")
    reader.effective.append((section, "account", text, "file"))
    return True


def is_one_account(reader: Reader, connections: Mapping[str, Connection]) -> bool:
    """Whether source and target are one account: said so, or the same key at the same venue.

    Two clients of one account would draw from one nonce and one budget without knowing of each other.
    """
    if not {"source", "target"} <= connections.keys():
        return False
    source, target = connections["source"], connections["target"]
    if source is target:
        return True
    if not _same_account(source, target):
        return False
    if source != target:
        names = {"secret"} if source.secret != target.secret else set()
        names |= {name for name in {*source.options, *target.options} if _differ(name, source, target)}
        for name in sorted(names):
            given = target.secret if name == "secret" else target.options.get(name, "")
            rule = "is another one than the source's, though the account is the same; write account = source alone"
            reader.fault("target_connection", name, given, rule)
    return True


def _same_account(one: Connection, other: Connection) -> bool:
    """Whether two connections log in to one account: by the id, or by the secret where that alone says who it is."""
    if _address(one) != _address(other):
        return False
    if one.id and other.id:
        return one.id == other.id
    return bool(one.secret) and one.secret == other.secret


def _address(connection: Connection) -> tuple[str, ...]:
    endpoint = connection.endpoint or str(_default_endpoint(connection) or "")
    return connection.module, endpoint.rstrip("/"), connection.options.get("exchange", "")


def _differ(name: str, one: Connection, other: Connection) -> bool:
    return one.options.get(name) != other.options.get(name)


def mode_of(reader: Reader, values: Mapping[str, Any], connections: Mapping[str, Connection]) -> Mode:
    """What is real: it must be said where a venue is."""
    said: Mode | None = values["trader.mode"]
    simulated = reader.parser.has_section("simulation")
    for role in () if simulated else [role for role, one in connections.items() if one.endpoint == EMBEDDED]:
        reader.fault(
            section_of(role), "endpoint", EMBEDDED, "needs a section [simulation], which says what is simulated"
        )
    if said == "live" and simulated:
        reader.fault("trader", "mode", said, "is for real venues, and [simulation] is none; leave one of them out")
    real = [role for role in ("source", "target") if role in connections and _is_real(connections[role])]
    if simulated and said is None:
        for role in real:
            rule = "may be a real venue, and orders would be sent; with [simulation] it must be embedded or on this machine"
            reader.fault(section_of(role), "endpoint", connections[role].endpoint, rule)
    if said is not None or simulated:
        return said or "paper"
    if real and not reader.parser.has_option("trader", "mode"):
        rule = (
            f"is missing, and the {' and the '.join(real)} may be real: it must be live (orders are sent) or dry-run "
            "(real data; orders and balances exist here only)"
        )
        reader.fault("trader", "mode", "", rule)
    return "live"


def _is_real(connection: Connection) -> bool:
    """Whether it may reach more than this machine."""
    if connection.endpoint:
        return connection.endpoint != EMBEDDED and urlsplit(connection.endpoint).hostname not in LOOPBACK
    return _default_endpoint(connection) is not None


def _default_endpoint(connection: Connection) -> Any:
    """Where a client goes without an address; None where it needs one."""
    kind = _class(connection.module)
    endpoint = None if kind is None else inspect.signature(kind).parameters.get("endpoint")
    return None if endpoint is None or endpoint.default is inspect.Parameter.empty else endpoint.default


def harmless(connection: Connection, *, check_rights: bool = False) -> Connection:
    """*connection* for whoever only looks there: what others have resting is theirs, and a key that may only read will do.

    A dead man's switch would cancel what a person, or a running daemon, has resting on the account.

    :param check_rights: whether the client still finds out what the key may do.
    """
    made: Any = namedAny(connection.module)
    known = {*inspect.signature(made).parameters, *getattr(made, "option_names", ())}
    off = {"dead_man": "0"} if check_rights else {"dead_man": "0", "check_rights": "no"}
    chosen = {name: text for name, text in off.items() if name in known}
    return evolve(connection, options={**connection.options, **chosen})


def section_of(role: str) -> str:
    """The section that says how a role is reached: `fiat_connection_2` for `fiat_2`."""
    name, _, number = role.partition("_")
    return f"{name}_connection" + (f"_{number}" if number else "")


def _connection(reader: Reader, role: str, module: str) -> Connection:
    section = section_of(role)
    dotted, known, paths = _client(reader, role, module)
    texts: dict[str, str] = {}
    names = reader.parser.options(section) if reader.parser.has_section(section) else []
    for name in names:
        text = reader.raw(section, name)
        if known is not None and name not in known:
            reader.unknown(section, name, known, of=f" of {module}")
        elif text is not None:
            texts[name] = str(reader.file.parent / text) if text and name in paths else text
            reader.effective.append((section, name, masked(section, name, text), "file"))
    credentials = {name: texts.pop(name, "") for name in CONNECTION_KEYS}
    return Connection(module=dotted, options=texts, **credentials)


def _client(reader: Reader, role: str, module: str) -> tuple[str, tuple[str, ...] | None, tuple[str, ...]]:
    """The full dotted name of a client's class, the keys its connection section may have, and which of them are paths.

    Faults are remembered.
    """
    for dotted in (f"clients.{module}", module):
        try:
            client = namedAny(dotted)
        except Exception as error:  # noqa: BLE001 - an import can fail in any way, and the operator must hear which
            if isinstance(error, (ImportError, AttributeError)) or type(error).__name__ == "ModuleNotFound":
                continue
            reader.fault(
                "modules", role.partition("_")[0], module, f"cannot be imported: {type(error).__name__}: {error}"
            )
            return dotted, None, ()
        if inspect.isclass(client):
            # What the wiring gives, and what only tests do; the rates' spread and its growth are keys of [data].
            wired = ("self", "reactor", "now", "name", "options", "random", "http", "rate_spread", "rate_age_factor")
            options = [name for name in inspect.signature(client).parameters if name not in wired]
            named = (*getattr(client, "option_names", ()), *_of_feeds(role, client))
            keys = tuple(dict.fromkeys([*CONNECTION_KEYS, *options, *named]))
            return dotted, keys, tuple(getattr(client, "path_options", ()))
    reader.fault(
        "modules",
        role.partition("_")[0],
        module,
        "is not a class that can be imported, neither as it stands nor below `clients`",
    )
    return module, None, ()


def _of_feeds(role: str, client: Any) -> tuple[str, ...]:
    """What a venue is told besides where it serves as a feed of rates."""
    return VenueOptions.names() if role.startswith("fiat") and is_venue(client) else ()
