"""Reads the INI file into `Settings`; gathers every fault and reports all of them at once.  Opens no connection."""

from __future__ import annotations

import configparser
import difflib
import inspect
import ipaddress
import os
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from attrs import define, field, frozen
from twisted.python.reflect import namedAny

from ilp import settings_values as kinds
from ilp.parameters import InvalidParameters, Table
from ilp.settings import (
    Ages,
    AlarmRules,
    Connection,
    GuardianRules,
    Limits,
    Settings,
    Simulation,
    Timing,
    TransferRules,
    VarianceRules,
    Web,
)
from ilp.settings_keys import CONNECTION_KEYS, CONNECTION_SECTIONS, FREE_SECTIONS, KEYS, SECTIONS, Key, find

__all__ = ["ConfigurationError", "Loaded", "Problem", "load"]

T = TypeVar("T")
_SECRET_SECTIONS = ("users",)
_SECRETS = tuple(("alarms", key) for key in ("webhook", "telegram_token", "smtp_password", "heartbeat"))
_SECRET_KEYS = ("id", "secret")


@frozen
class Problem:
    """One fault: where it is, what stands there (a secret is masked), and the rule it breaks."""

    file: Path
    section: str
    key: str
    value: str
    rule: str

    def __str__(self) -> str:
        place = f"[{self.section}] {self.key}".rstrip() if self.section else ""
        value = f" = {self.value}" if self.value else ""
        return f"{self.file}: {place}{value}: {self.rule}" if place else f"{self.file}: {self.rule}"


class ConfigurationError(Exception):
    """The file cannot be used; `problems` has every fault in it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


@frozen
class Loaded:
    """A configuration: the settings, the table of live parameters, and the effective text of every key."""

    settings: Settings
    table: Table
    effective: tuple[tuple[str, str, str, str], ...]  # section, key, text (secrets masked), origin


@define
class _Reader:
    """Takes texts out of the parsed file, remembering faults and origins."""

    file: Path
    parser: configparser.RawConfigParser
    environ: Mapping[str, str]
    problems: list[Problem] = field(factory=list)
    effective: list[tuple[str, str, str, str]] = field(factory=list)
    origins: dict[str, str] = field(factory=dict)

    def fault(self, section: str, key: str, value: str, rule: str) -> None:
        """Remember a fault, without any secret."""
        self.problems.append(Problem(self.file, section, key, _masked(section, key, value), rule))

    def raw(self, section: str, key: str) -> str | None:
        """The text of a key after `env:` and `file:`, or None."""
        if not self.parser.has_option(section, key):
            return None
        text: str = self.parser.get(section, key).strip()
        try:
            return self._resolved(text)
        except (OSError, KeyError, UnicodeDecodeError) as error:
            where = f"the environment variable {text[4:]}" if isinstance(error, KeyError) else f"the file {text[5:]}"
            why = "is not set" if isinstance(error, KeyError) else f"cannot be read: {error}"
            self.fault(section, key, text, f"{where} {why}")
            return None

    def _resolved(self, text: str) -> str:
        if text.startswith("env:"):
            return self.environ[text[4:]].strip()
        if text.startswith("file:"):
            return (self.file.parent / text[5:]).read_text().strip()
        return text

    def value(self, key: Key) -> Any:
        """The value of *key*, or None after remembering why there is none."""
        text = self.raw(key.section, key.name)
        origin = "default" if text is None else "file"
        if text is None:
            if self.parser.has_option(key.section, key.name):
                return None
            text = key.default
        self.origins[key.full] = origin
        if text is None:
            self.fault(key.section, key.name, "", f"is missing; it must be {key.kind.allowed}")
            return None
        self.effective.append((key.section, key.name, _masked(key.section, key.name, text), origin))
        if text.startswith("<"):
            return None
        try:
            return key.kind(text)
        except ValueError as error:
            self.fault(key.section, key.name, text, str(error))
            return None

    def free(self, section: str) -> dict[str, str]:
        """All texts of a section with free names."""
        if not self.parser.has_section(section):
            return {}
        found = {}
        for name in self.parser.options(section):
            text = self.raw(section, name)
            if text is None:
                continue
            self.effective.append((section, name, _masked(section, name, text), "file"))
            try:
                FREE_SECTIONS[section](text)
            except ValueError as error:
                self.fault(section, name, text, str(error))
            else:
                found[name] = text
        return found


def _masked(section: str, key: str, value: str) -> str:
    secret = (
        section in _SECRET_SECTIONS
        or (section, key) in _SECRETS
        or (section in CONNECTION_SECTIONS and key in _SECRET_KEYS)
    )
    return "********" if secret and value and not value.startswith(("env:", "file:")) else value


def load(file: Path, environ: Mapping[str, str] = os.environ) -> Loaded:
    """Read *file*; `ConfigurationError` lists everything that is wrong with it.

    :param environ: where `env:NAME` values are looked up.
    """
    reader = _Reader(file, _parse(file), environ)
    _refuse_unknown(reader)
    values = {
        key.full: reader.value(key)
        for key in KEYS
        if not key.live and (key.section != "simulation" or reader.parser.has_section("simulation"))
    }
    connections = _connections(reader, values)
    tickers = {name: values[f"tickers.{name}"] for name in ("source", "target", "btc")}
    table = _table(reader, tickers)
    web = _web(reader, values)
    if reader.problems or table is None:
        if table is not None:  # what is wrong elsewhere does not hide what is wrong between the parameters
            _check_parameters(reader, table)
        raise ConfigurationError(reader.problems)
    settings = _settings(reader, values, connections, tickers, table, web)
    if reader.problems or settings is None:
        raise ConfigurationError(reader.problems)
    return Loaded(settings, table, tuple(reader.effective))


def _parse(file: Path) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(
        strict=True, interpolation=None, delimiters=("=",), comment_prefixes=("#", ";")
    )
    parser.optionxform = lambda optionstr: optionstr  # type: ignore[method-assign]
    try:
        parser.read_string(file.read_text(encoding="utf-8"), source=str(file))
    except OSError as error:
        raise ConfigurationError([Problem(file, "", "", "", f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError:
        raise ConfigurationError([Problem(file, "", "", "", "is not UTF-8 text")]) from None
    except configparser.DuplicateOptionError as error:
        line = f"is given twice, the second time in line {error.lineno}"
        raise ConfigurationError([Problem(file, error.section, error.option, "", line)]) from None
    except configparser.DuplicateSectionError as error:
        line = f"stands twice, the second time in line {error.lineno}"
        raise ConfigurationError([Problem(file, error.section, "", "", line)]) from None
    except configparser.MissingSectionHeaderError as error:
        rule = f"line {error.lineno} stands before the first [section]"
        raise ConfigurationError([Problem(file, "", "", "", rule)]) from None
    except configparser.ParsingError as error:
        lines = ", ".join(str(line) for line, _ in error.errors)
        raise ConfigurationError([Problem(file, "", "", "", f"not `key = value` in line {lines}")]) from None
    return parser


def _nearest(word: str, known: Iterable[str]) -> str:
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean {found[0]}?" if found else ""


def _refuse_unknown(reader: _Reader) -> None:
    if reader.parser.defaults():
        reader.fault("DEFAULT", "", "", "is not a section of this program")
    for section in reader.parser.sections():
        if section not in SECTIONS:
            reader.fault(section, "", "", f"is not a section of this program{_nearest(section, SECTIONS)}")
            continue
        if section in FREE_SECTIONS or section in CONNECTION_SECTIONS:
            continue
        known = [key.name for key in KEYS if key.section == section]
        for name in reader.parser.options(section):
            if find(section, name) is None:
                reader.fault(section, name, reader.parser.get(section, name), f"is not a key{_nearest(name, known)}")


# ------------------------------------------------------------------------------------------------------ connections


def _connections(reader: _Reader, values: Mapping[str, Any]) -> dict[str, Connection]:
    return {
        role: _connection(reader, role, module)
        for role in ("source", "target", "fiat")
        if (module := values[f"modules.{role}"]) is not None
    }


def _connection(reader: _Reader, role: str, module: str) -> Connection:
    section = f"{role}_connection"
    dotted, known = _client(reader, role, module)
    texts: dict[str, str] = {}
    names = reader.parser.options(section) if reader.parser.has_section(section) else []
    for name in names:
        text = reader.raw(section, name)
        if known is not None and name not in known:
            reader.fault(section, name, text or "", f"is not a key of {module}{_nearest(name, known)}")
        elif text is not None:
            texts[name] = text
            reader.effective.append((section, name, _masked(section, name, text), "file"))
    credentials = {name: texts.pop(name, "") for name in CONNECTION_KEYS}
    return Connection(module=dotted, options=texts, **credentials)


def _client(reader: _Reader, role: str, module: str) -> tuple[str, tuple[str, ...] | None]:
    """The full dotted name of a client's class and the keys its connection section may have; faults are remembered."""
    for dotted in (f"clients.{module}", module):
        try:
            client = namedAny(dotted)
        except Exception as error:  # noqa: BLE001 - an import can fail in any way, and the operator must hear which
            if isinstance(error, (ImportError, AttributeError)) or type(error).__name__ == "ModuleNotFound":
                continue
            reader.fault("modules", role, module, f"cannot be imported: {type(error).__name__}: {error}")
            return dotted, None
        if inspect.isclass(client):
            # What the wiring gives, and what only tests do; the rates' spread and its growth are keys of [data].
            wired = ("self", "reactor", "now", "name", "options", "random", "http", "rate_spread", "rate_age_factor")
            options = [name for name in inspect.signature(client).parameters if name not in wired]
            named = getattr(client, "option_names", ())
            return dotted, tuple(dict.fromkeys([*CONNECTION_KEYS, *options, *named]))
    reader.fault(
        "modules", role, module, "is not a class that can be imported, neither as it stands nor below `clients`"
    )
    return module, None


# ------------------------------------------------------------------------------------------------------- parameters


def _table(reader: _Reader, tickers: Mapping[str, str | None]) -> Table | None:
    before = len(reader.problems)
    given: dict[str, str] = {}
    for key in (key for key in KEYS if key.live):
        if reader.value(key) is not None and reader.origins.get(key.full) == "file":
            given[key.name] = reader.raw(key.section, key.name) or ""
    targets: dict[tuple[str, str], str | None] = {}
    for role in ("source", "target"):
        section = f"target_balance_{role}"
        texts = reader.free(section)
        pair = tickers[role]
        if pair is None:
            continue
        held = tuple(pair.split("/"))
        for name in texts:
            if name not in held:
                reader.fault(section, name, texts[name], f"is not held there; the {role} holds {' and '.join(held)}")
        targets |= {(role, asset): texts.get(asset) for asset in held}
    whole = len(reader.problems) == before and None not in tickers.values()
    return Table.of(given, targets) if whole else None


# -------------------------------------------------------------------------------------------------------------- web


def _web(reader: _Reader, values: Mapping[str, Any]) -> Web:
    problems = len(reader.problems)
    users = reader.free("users")
    if not users and len(reader.problems) == problems:  # who has a faulty password is not nobody
        reader.fault("users", "", "", "names nobody; add `name = ` and the output of `python ilp.py passwd`")
    for name, password in users.items():
        if name == "admin" and password == "admin":
            reader.fault("users", "admin", password, "admin/admin is refused always; choose another password")
    roles = reader.free("roles")
    for name, role in roles.items():
        if name not in users:
            reader.fault("roles", name, role, f"is nobody of [users]{_nearest(name, users)}")
    ssl = values["webserver.ssl"]
    for name in ("ssl_key", "ssl_cert", "ssl_cert_chain"):
        path = values[f"webserver.{name}"]
        if ssl and path is None and name != "ssl_cert_chain":
            reader.fault("webserver", name, "", "is missing; it must be the path of a PEM file when ssl is on")
        elif ssl and path is not None and not (reader.file.parent / path).is_file():
            reader.fault("webserver", name, str(path), "is not a file")
    host = values["webserver.host"]
    if host and not _is_loopback(host) and not ssl and not values["webserver.allow_plain_http"]:
        rule = "is not loopback: switch ssl on, or set allow_plain_http = yes to let the network read passwords"
        reader.fault("webserver", "host", host, rule)
    paths = {
        name: reader.file.parent / path if (path := values[f"webserver.{name}"]) is not None else None
        for name in ("ssl_key", "ssl_cert", "ssl_cert_chain")
    }
    return Web(host=host or "", port=values["webserver.port"] or 0, ssl=bool(ssl), users=users, roles=roles, **paths)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


# ---------------------------------------------------------------------------------------------------------- settings


def _settings(
    reader: _Reader,
    values: Mapping[str, Any],
    connections: Mapping[str, Connection],
    tickers: Mapping[str, str],
    table: Table,
    web: Web,
) -> Settings | None:
    _check_tickers(reader, tickers)
    overrides = _overrides(reader, tickers)
    try:
        size = table.parameters().quote_size
        limits = _limits(values, size)
        _check_kept(reader, tickers, limits, table.parameters().targets)
        parameters = table.parameters(limits)
    except InvalidParameters as error:
        for name, message in error.errors:
            _fault_of_parameter(reader, name, message)
        return None
    period = values["data.variance_period"]
    window = kinds.periods_of(values["data.variance_window"], period)
    return Settings(
        file=reader.file,
        connections=connections,
        tickers=tickers,
        parameters=parameters,
        limits=limits,
        ages=_section(Ages, "ages", values),
        timing=_section(Timing, "trader", values),
        transfers=_transfers(reader, values),
        variance=VarianceRules(period, window, overrides),
        rate_spread=values["data.rate_spread"],
        rate_age_factor=values["data.rate_age_factor"],
        resume=values["trader.resume"],
        autostart=values["trader.autostart"],
        database_url=values["database.url"] or f"sqlite:///{reader.file.resolve().with_suffix('.sqlite')}",
        web=web,
        simulation=_simulation(reader, values),
        origins=dict(reader.origins),
        alarms=_alarms(reader, values),
        guardian=GuardianRules(_heartbeat(reader, values), values["guardian.silence"]),
    )


def _heartbeat(reader: _Reader, values: Mapping[str, Any]) -> Path:
    given: Path | None = values["guardian.heartbeat"]
    return reader.file.resolve().with_suffix(".heartbeat") if given is None else reader.file.parent / given


def _check_parameters(reader: _Reader, table: Table) -> None:
    try:
        table.parameters()
    except InvalidParameters as error:
        for name, message in error.errors:
            _fault_of_parameter(reader, name, message)


def _fault_of_parameter(reader: _Reader, name: str, message: str) -> None:
    key = next((key for key in KEYS if key.name == name), None)
    section = key.section if key else f"target_balance_{name.split('.')[1]}"
    shown = key.name if key else name.split(".")[2]
    reader.fault(section, shown, reader.raw(section, shown) or "", message)


def _check_tickers(reader: _Reader, tickers: Mapping[str, str]) -> None:
    for role in ("source", "target"):
        if tickers[role].split("/")[0] != tickers["btc"]:
            reader.fault("tickers", role, tickers[role], f"must trade {tickers['btc']}, as tickers.btc says")


def _overrides(reader: _Reader, tickers: Mapping[str, str]) -> dict[str, Decimal]:
    base, numeraire = tickers["source"].split("/")
    currency = tickers["target"].split("/")[1]
    allowed = {f"{base}/{numeraire}"}
    if currency != numeraire:
        allowed |= {f"{currency}/{numeraire}", f"{numeraire}/{currency}"}
    found = {}
    for pair, text in reader.free("variance_overrides").items():
        if pair not in allowed:
            reader.fault("variance_overrides", pair, text, f"must be for one of {', '.join(sorted(allowed))}")
        else:
            found[pair] = Decimal(text)
    return found


def _section(record: Callable[..., T], section: str, values: Mapping[str, Any]) -> T:
    names = [name for name in inspect.signature(record).parameters if f"{section}.{name}" in values]
    return record(**{name: values[f"{section}.{name}"] for name in names})


def _alarms(reader: _Reader, values: Mapping[str, Any]) -> AlarmRules:
    rules = _section(AlarmRules, "alarms", values)
    together = (
        (("telegram_token", rules.telegram_token), ("telegram_chat", rules.telegram_chat)),
        (("smtp_host", rules.smtp_host), ("mail_to", rules.mail_to), ("mail_from", rules.mail_from)),
    )
    for keys in together:
        if any(text for _, text in keys):
            for name, text in keys:
                if not text:
                    given = ", ".join(key for key, text in keys if text)
                    reader.fault("alarms", name, "", f"is missing; {given} needs it")
    return rules


def _limits(values: Mapping[str, Any], size: Decimal) -> Limits:
    multiples = {"largest_order": 20, "exposure": 10, "largest_coin_transfer": 100, "turnover_per_day": 1000}
    filled = {
        f"limits.{name}": values[f"limits.{name}"] if values[f"limits.{name}"] is not None else multiple * size
        for name, multiple in multiples.items()
    }
    return _section(Limits, "limits", {**values, **filled})


def _check_kept(
    reader: _Reader, tickers: Mapping[str, str], limits: Limits, targets: Mapping[tuple[str, str], Decimal]
) -> None:
    """What is to be kept is held there, and is no more than the target balance."""
    for role, kept in (("source", limits.keep_source), ("target", limits.keep_target)):
        for asset, amount in kept.items():
            text = reader.raw("limits", f"keep_{role}") or ""
            if asset not in tickers[role].split("/"):
                held = " and ".join(tickers[role].split("/"))
                reader.fault("limits", f"keep_{role}", text, f"{asset} is not held there; the {role} holds {held}")
            elif amount > targets.get((role, asset), amount):
                most = targets[role, asset]
                reader.fault("limits", f"keep_{role}", text, f"{asset} must be at most its target balance of {most}")


def _transfers(reader: _Reader, values: Mapping[str, Any]) -> TransferRules:
    for asset, sender, receiver in values["transfers.automatic"]:
        if not {sender, receiver} <= {"source", "target"} or sender == receiver:
            rule = "must name lanes between source and target"
            reader.fault("transfers", "automatic", f"{asset} {sender} -> {receiver}", rule)
    return _section(
        TransferRules,
        "transfers",
        {
            **values,
            "transfers.btc_delay": values["data.btc_delay"],
            "transfers.fiat_exchange_delay": values["data.fiat_exchange_delay"],
            "transfers.out_address": values["trader.out_address"],
        },
    )


def _simulation(reader: _Reader, values: Mapping[str, Any]) -> Simulation | None:
    if not reader.parser.has_section("simulation"):
        return None
    return Simulation(
        start=values["simulation.start"],
        speed=float(values["simulation.speed"]),
        seed=values["simulation.seed"],
        balances={role: values[f"simulation.{role}_balances"] for role in ("source", "target")},
        lot=values["simulation.lot"],
        btc_delay=values["simulation.btc_delay"],
        fiat_delay=values["simulation.fiat_delay"],
        customers=values["simulation.customers"],
    )
