"""Reads the INI file into `Settings`; gathers every fault and reports all of them at once.  Opens no connection."""

from __future__ import annotations

import configparser
import inspect
import ipaddress
import os
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from attrs import evolve, frozen

from ilp import settings_values as kinds
from ilp.parameters import InvalidParameters, Table
from ilp.settings import (
    ACCOUNT,
    RESERVE,
    Ages,
    AlarmRules,
    Connection,
    DryRun,
    GuardianRules,
    Limits,
    Settings,
    Simulation,
    Timing,
    TransferRules,
    VarianceRules,
    Web,
)
from ilp.settings_connections import connections_of, is_one_account, mode_of
from ilp.settings_keys import CONNECTION_SECTIONS, FREE_SECTIONS, KEYS, SECTIONS, find
from ilp.settings_reader import ConfigurationError, Problem, Reader, nearest
from ilp.tickers import held, is_rate, parts

__all__ = ["ConfigurationError", "Loaded", "Problem", "load"]

T = TypeVar("T")


@frozen
class Loaded:
    """A configuration: the settings, the table of live parameters, and the effective text of every key."""

    settings: Settings
    table: Table
    effective: tuple[tuple[str, str, str, str], ...]  # section, key, text (secrets masked), origin


def load(file: Path, environ: Mapping[str, str] = os.environ) -> Loaded:
    """Read *file*; `ConfigurationError` lists everything that is wrong with it.

    :param environ: where `env:NAME` values are looked up.
    """
    reader = Reader(file, _parse(file), environ)
    _refuse_unknown(reader)
    values = {
        key.full: reader.value(key)
        for key in KEYS
        if not key.live and (key.section != "simulation" or reader.parser.has_section("simulation"))
    }
    connections = connections_of(reader, values)
    one_account = is_one_account(reader, connections)
    mode = mode_of(reader, values, connections)
    if mode == "dry-run":  # it never touches the journal of what is real, nor its pictures
        _check_journals(reader, values)
        values |= {"database.url": values["dry_run.database"], "webserver.history": None}
    tickers = {name: values[f"tickers.{name}"] for name in ("source", "target", "btc")}
    reserve = _reserve(reader, values, tickers)
    table = _table(reader, tickers, one_account, reserve)
    web = _web(reader, values)
    if reader.problems or table is None:
        if table is not None:  # what is wrong elsewhere does not hide what is wrong between the parameters
            _check_parameters(reader, table)
        raise ConfigurationError(reader.problems)
    settings = _settings(reader, values, connections, tickers, table, web, one_account)
    _check_strategy(reader, values, tickers, mode)
    if reader.problems or settings is None:
        raise ConfigurationError(reader.problems)
    return Loaded(evolve(settings, mode=mode, reserves=tuple(reserve)), table, tuple(reader.effective))


class _Parser(configparser.RawConfigParser):
    def optionxform(self, optionstr: str) -> str:
        """The key as it is written: upper and lower case of an asset are two keys."""
        return optionstr


def _parse(file: Path) -> configparser.RawConfigParser:
    parser = _Parser(strict=True, interpolation=None, delimiters=("=",), comment_prefixes=("#", ";"))
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


def _refuse_unknown(reader: Reader) -> None:
    if reader.parser.defaults():
        reader.fault("DEFAULT", "", "", "is not a section of this program")
    for section in reader.parser.sections():
        if section not in SECTIONS:
            reader.fault(section, "", "", f"is not a section of this program{nearest(section, SECTIONS)}")
            continue
        if section in FREE_SECTIONS or section in CONNECTION_SECTIONS:
            continue
        known = [key.name for key in KEYS if key.section == section]
        for name in reader.parser.options(section):
            if find(section, name) is None:
                reader.unknown(section, name, known)


# ------------------------------------------------------------------------------------------------------- parameters


def _reserve(reader: Reader, values: Mapping[str, Any], tickers: Mapping[str, str | None]) -> Mapping[str, str | None]:
    """What counts on the account of the reserve, with the text of its target balance; the base where nothing is named."""
    section = "target_balance_reserve"
    if values["modules.reserve"] is None:
        for unwanted in (section, "reserve_connection"):
            if reader.parser.has_section(unwanted):
                reader.fault(unwanted, "", "", "is for a reserve, and [modules] reserve names none")
        return {}
    texts: dict[str, str | None] = {**reader.free(section)}
    known = [asset for role in ("source", "target") for asset in _held(tickers[role])]
    for name, text in texts.items():
        if known and name not in known:
            rule = f"is none of the pool's assets; they are {', '.join(dict.fromkeys(known))}"
            reader.fault(section, name, text or "", rule)
    base = tickers["btc"]
    return texts or ({} if base is None else {base: None})


def _held(ticker: str | None) -> tuple[str, ...]:
    """What is held where a pair is traded; nothing where it is not known which."""
    return () if ticker is None else held(ticker)


def _check_strategy(reader: Reader, values: Mapping[str, Any], tickers: Mapping[str, str], mode: str) -> None:
    """A price is no rate of interest: each strategy has its own markets."""
    strategy = values["trader.strategy"]
    rates = [is_rate(tickers[role]) for role in ("source", "target")]
    if strategy == "rates" and not all(rates):
        rule = "quotes markets of interest rates, such as ETH-2023-12-29; [tickers] has others"
        reader.fault("trader", "strategy", strategy, rule)
    elif strategy == "pool" and any(rates):
        rule = "trades prices, and [tickers] has markets of interest rates; it must be rates for those"
        reader.fault("trader", "strategy", strategy, rule)
    if strategy == "rates" and mode == "dry-run":
        reader.fault(
            "trader", "mode", mode, "knows no lending and borrowing: a rates strategy needs a venue, simulated or real"
        )


def _table(
    reader: Reader, tickers: Mapping[str, str | None], one_account: bool, reserve: Mapping[str, str | None]
) -> Table | None:
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
        assets = held(pair)
        for name in texts:
            if name not in assets:
                reader.fault(section, name, texts[name], f"is not held there; the {role} holds {' and '.join(assets)}")
        for asset in assets:
            held_at = (ACCOUNT if one_account else role, asset)
            targets[held_at] = _sum(targets.get(held_at), texts.get(asset))
    targets |= {(RESERVE, asset): text for asset, text in reserve.items()}
    whole = len(reader.problems) == before and None not in tickers.values()
    return Table.of(given, targets) if whole else None


def _sum(one: str | None, other: str | None) -> str | None:
    """Two amounts as texts: the halves of a holding that both pairs of one account share."""
    return f"{Decimal(one) + Decimal(other):f}" if one is not None and other is not None else one or other


# -------------------------------------------------------------------------------------------------------------- web


def _web(reader: Reader, values: Mapping[str, Any]) -> Web:
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
            reader.fault("roles", name, role, f"is nobody of [users]{nearest(name, users)}")
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
    return Web(
        host=host or "",
        port=values["webserver.port"] or 0,
        ssl=bool(ssl),
        users=users,
        roles=roles,
        history=_history(reader, values),
        **paths,
    )


def _history(reader: Reader, values: Mapping[str, Any]) -> Path | None:
    """Where the pictures' figures are kept: with the journal, in memory when it is."""
    given: Path | None = values["webserver.history"]
    if given is not None:
        return reader.file.parent / given
    url: str = values["database.url"] or ""
    if not url.startswith("sqlite:"):
        return reader.file.resolve().with_suffix(".history")
    file = _sqlite_file(url)
    return None if file is None else file.with_suffix(".history")


def _check_journals(reader: Reader, values: Mapping[str, Any]) -> None:
    """What a dry run writes must never be taken for real by a later run that is live."""
    dry: str = values["dry_run.database"] or ""
    real: str = values["database.url"] or _beside(reader.file)
    if dry.startswith("sqlite:"):
        one, other = _sqlite_file(dry), _sqlite_file(real)
        same = one is not None and other is not None and one.resolve() == other.resolve()
    else:
        same = dry == real
    if same:
        reader.fault("dry_run", "database", dry, "is the journal of what is real; a dry run keeps its own")


def _beside(file: Path) -> str:
    """The journal where none is named."""
    return f"sqlite:///{file.resolve().with_suffix('.sqlite')}"


def _sqlite_file(url: str) -> Path | None:
    """The file of a journal; None where it is in memory or on a server."""
    scheme, _, where = url.partition("://")
    name = where.removeprefix("/").partition("?")[0]
    return None if scheme != "sqlite" or name in ("", ":memory:") else Path(name)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


# ---------------------------------------------------------------------------------------------------------- settings


def _settings(
    reader: Reader,
    values: Mapping[str, Any],
    connections: Mapping[str, Connection],
    tickers: Mapping[str, str],
    table: Table,
    web: Web,
    one_account: bool,
) -> Settings | None:
    _check_tickers(reader, tickers, one_account)
    overrides = _overrides(reader, tickers)
    try:
        size = table.parameters().quote_size
        limits = _limits(values, size)
        _check_fee_values(reader, tickers, limits)
        _check_kept(reader, tickers, limits, table.parameters().targets, one_account)
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
        transfers=_transfers(reader, values, one_account),
        variance=VarianceRules(period, window, overrides),
        rate_spread=values["data.rate_spread"],
        rate_age_factor=values["data.rate_age_factor"],
        resume=values["trader.resume"],
        autostart=values["trader.autostart"],
        database_url=values["database.url"] or _beside(reader.file),
        web=web,
        simulation=_simulation(reader, values),
        origins=dict(reader.origins),
        alarms=_alarms(reader, values),
        guardian=GuardianRules(_heartbeat(reader, values), values["guardian.silence"]),
        dry_run=DryRun(_dry_balances(reader, values, tickers), values["dry_run.latency"]),
        one_account=one_account,
        rate_stale=values["data.rate_stale"],
        rate_band=values["data.rate_band"],
        strategy=values["trader.strategy"],
    )


def _dry_balances(
    reader: Reader, values: Mapping[str, Any], tickers: Mapping[str, str]
) -> dict[str, dict[str, Decimal]]:
    found: dict[str, dict[str, Decimal]] = {}
    for role in ("source", "target"):
        found[role] = values[f"dry_run.{role}_balances"]
        for asset in found[role]:
            if asset not in held(tickers[role]):
                text, there = reader.raw("dry_run", f"{role}_balances") or "", " and ".join(held(tickers[role]))
                reader.fault(
                    "dry_run", f"{role}_balances", text, f"{asset} is not held there; the {role} holds {there}"
                )
    return found


def _heartbeat(reader: Reader, values: Mapping[str, Any]) -> Path:
    given: Path | None = values["guardian.heartbeat"]
    return reader.file.resolve().with_suffix(".heartbeat") if given is None else reader.file.parent / given


def _check_parameters(reader: Reader, table: Table) -> None:
    try:
        table.parameters()
    except InvalidParameters as error:
        for name, message in error.errors:
            _fault_of_parameter(reader, name, message)


def _fault_of_parameter(reader: Reader, name: str, message: str) -> None:
    key = next((key for key in KEYS if key.name == name), None)
    section = key.section if key else f"target_balance_{name.split('.')[1].replace(ACCOUNT, 'source')}"
    shown = key.name if key else name.split(".")[2]
    reader.fault(section, shown, reader.raw(section, shown) or "", message)


def _check_tickers(reader: Reader, tickers: Mapping[str, str], one_account: bool) -> None:
    if one_account and tickers["source"] == tickers["target"]:
        rule = "is the source's pair on the source's account; one account needs two pairs, such as BTC/USD and BTC/EUR"
        reader.fault("tickers", "target", tickers["target"], rule)
    for role in ("source", "target"):
        if parts(tickers[role])[0] != tickers["btc"]:
            reader.fault("tickers", role, tickers[role], f"must trade {tickers['btc']}, as tickers.btc says")


def _overrides(reader: Reader, tickers: Mapping[str, str]) -> dict[str, Decimal]:
    base, numeraire = parts(tickers["source"])
    currency = parts(tickers["target"])[1]
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


def _alarms(reader: Reader, values: Mapping[str, Any]) -> AlarmRules:
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


def _check_fee_values(reader: Reader, tickers: Mapping[str, str], limits: Limits) -> None:
    """What is traded has a mark of the market's, beside which a number of the file would count nothing."""
    for asset in limits.fee_values:
        if asset in {*parts(tickers["source"]), *parts(tickers["target"])}:
            text = reader.raw("limits", "fee_values") or ""
            reader.fault("limits", "fee_values", text, f"{asset} is traded here: its value is the market's")


def _check_kept(
    reader: Reader,
    tickers: Mapping[str, str],
    limits: Limits,
    targets: Mapping[tuple[str, str], Decimal],
    one_account: bool,
) -> None:
    """What is to be kept is held there, and is no more than the target balance."""
    for role, kept in (("source", limits.keep_source), ("target", limits.keep_target)):
        for asset in kept:
            text = reader.raw("limits", f"keep_{role}") or ""
            if asset not in held(tickers[role]):
                there = " and ".join(held(tickers[role]))
                reader.fault("limits", f"keep_{role}", text, f"{asset} is not held there; the {role} holds {there}")
            elif limits.kept(account := ACCOUNT if one_account else role, asset) > targets[account, asset]:
                most = targets[account, asset]
                reader.fault("limits", f"keep_{role}", text, f"{asset} must be at most its target balance of {most}")


def _transfers(reader: Reader, values: Mapping[str, Any], one_account: bool) -> TransferRules:
    for asset, sender, receiver in values["transfers.automatic"]:
        lanes = {(ACCOUNT, ACCOUNT)} if one_account else {("source", "target"), ("target", "source")}
        if (sender, receiver) not in lanes:
            rule = f"must name lanes {'of the account, account -> account' if one_account else 'between source and target'}"
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


def _simulation(reader: Reader, values: Mapping[str, Any]) -> Simulation | None:
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
