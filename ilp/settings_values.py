"""Kinds of configuration values: how a text becomes a value and what is allowed.  Knows no key and no file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from datetime import time as TimeOfDay
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from attrs import frozen

from ilp.settings import Cost
from ilp.tickers import parts

__all__ = [
    "Kind",
    "address",
    "addresses",
    "amounts",
    "asset",
    "boolean",
    "choice",
    "coin_cost",
    "cost",
    "dotted",
    "hours",
    "integer",
    "lanes",
    "number",
    "path",
    "periods_of",
    "seconds",
    "text",
    "ticker",
    "time",
    "url",
    "window",
    "words",
]

_UNITS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


@frozen
class Kind:
    """A kind of value.

    :ivar allowed: completes the sentence "… must be".
    :ivar parse: returns the value or raises ValueError.
    """

    allowed: str
    parse: Callable[[str], Any]

    def __call__(self, raw: str) -> Any:
        """The value of *raw*, or ValueError saying what is allowed."""
        try:
            return self.parse(raw.strip())
        except (ValueError, InvalidOperation, OverflowError):
            raise ValueError(f"must be {self.allowed}") from None


def _decimal(raw: str) -> Decimal:
    # No exponent games such as 1e999999999 and no "NaN": only what a person writes for an amount of money.
    if not re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?", raw):
        raise ValueError(raw)
    return Decimal(raw)


def _bounds(low: Decimal | None, high: Decimal | None, above: bool) -> str:
    lower = "" if low is None else f"above {low}" if above else f"at least {low}"
    upper = "" if high is None else f"at most {high}"
    return " and ".join(part for part in (lower, upper) if part)


def number(low: str | None = "0", high: str | None = "1e15", *, above: bool = False) -> Kind:
    """A decimal number from *low* (itself excluded when *above*) to *high*."""
    least = None if low is None else Decimal(low)
    most = None if high is None else Decimal(high)

    def parse(raw: str) -> Decimal:
        value = _decimal(raw)
        if least is not None and (value <= least if above else value < least):
            raise ValueError(raw)
        if most is not None and value > most:
            raise ValueError(raw)
        return value

    shown = most if high != "1e15" else None
    return Kind(f"a decimal number, {_bounds(least, shown, above)}".rstrip(", "), parse)


def integer(low: int, high: int) -> Kind:
    """A whole number from *low* to *high*."""

    def parse(raw: str) -> int:
        if not re.fullmatch(r"[+-]?\d+", raw) or not low <= int(raw) <= high:
            raise ValueError(raw)
        return int(raw)

    return Kind(f"a whole number from {low} to {high}", parse)


def seconds(low: float, high: float) -> Kind:
    """A span of time in seconds, or with one of the units s, m, h, d."""

    def parse(raw: str) -> float:
        found = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)\s*([a-z]*)", raw)
        if not found or found[2] not in _UNITS:
            raise ValueError(raw)
        value = float(found[1]) * _UNITS[found[2]]
        if not low <= value <= high:
            raise ValueError(raw)
        return value

    return Kind(f"seconds from {low:g} to {high:g} (or with a unit: 90 s, 5 m, 2 h, 1 d)", parse)


def _cost(raw: str) -> Cost:
    found = re.fullmatch(r"\[([^,\]]+),([^,\]]+)\]", raw)
    if not found:
        raise ValueError(raw)
    fixed, proportional = _decimal(found[1].strip()), _decimal(found[2].strip())
    if not (0 <= fixed <= Decimal("1e12") and 0 <= proportional < 1):
        raise ValueError(raw)
    return Cost(fixed, proportional)


cost = Kind("[fixed, proportional], fixed at least 0, proportional at least 0 and below 1", _cost)


def _coin_cost(raw: str) -> Cost:
    return _cost(raw if raw.startswith("[") else f"[{raw}, 0]")


coin_cost = Kind("an amount at least 0, or [fixed, proportional]", _coin_cost)


def _boolean(raw: str) -> bool:
    return {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "off": False, "0": False}[
        raw.lower()
    ]


def _parse_boolean(raw: str) -> bool:
    try:
        return _boolean(raw)
    except KeyError:
        raise ValueError(raw) from None


boolean = Kind("yes or no", _parse_boolean)


def choice(options: Iterable[str]) -> Kind:
    """One of a few words."""
    words = tuple(options)

    def parse(raw: str) -> str:
        if raw not in words:
            raise ValueError(raw)
        return raw

    return Kind("one of " + ", ".join(words), parse)


words = Kind("text, or empty", str)


def _url(raw: str) -> str:
    parts = urlsplit(raw)
    if raw and (parts.scheme not in ("http", "https") or not parts.hostname):
        raise ValueError(raw)
    return raw


url = Kind("an address that begins with http:// or https://, or empty", _url)


def _hours(raw: str) -> tuple[TimeOfDay, TimeOfDay] | None:
    if not raw:
        return None
    begin, dash, end = raw.partition("-")
    if not dash:
        raise ValueError(raw)
    found = TimeOfDay.fromisoformat(begin.strip()), TimeOfDay.fromisoformat(end.strip())
    if found[0] == found[1] or found[0].tzinfo or found[1].tzinfo:
        raise ValueError(raw)
    return found


hours = Kind("hours of the day such as 22:00-07:00, or empty", _hours)


def _ticker(raw: str) -> str:
    parts(raw)
    return raw


def _asset(raw: str) -> str:
    if not re.fullmatch(r"[A-Z0-9]{2,10}", raw):
        raise ValueError(raw)
    return raw


ticker = Kind("a pair BASE/QUOTE in capital letters, such as BTC/USD, or a market of rates such as ETH-SPOT", _ticker)
asset = Kind("a currency in capital letters, such as BTC", _asset)


def _non_empty(raw: str) -> str:
    if not raw:
        raise ValueError(raw)
    return raw


text = Kind("a text that is not empty", _non_empty)
address = Kind("an address, or empty", lambda raw: raw)


def _dotted(raw: str) -> str:
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", raw):
        raise ValueError(raw)
    return raw


dotted = Kind("a dotted class name, such as clients.sputnik.Sputnik", _dotted)


def _dotted_several(raw: str) -> tuple[str, ...]:
    names = tuple(_dotted(name.strip()) for name in raw.replace("\n", ",").split(",") if name.strip())
    if not 0 < len(names) <= 5:
        raise ValueError(raw)
    return names


dotted_several = Kind("one to five dotted class names such as rates.ECB, separated by commas", _dotted_several)

path = Kind("the path of a file, or empty", lambda raw: Path(raw) if raw else None)


def _time(raw: str) -> datetime:
    value = datetime.fromisoformat(raw.replace("Z", "+00:00"))
    if value.tzinfo is None:
        raise ValueError(raw)
    return value.astimezone(UTC)


time = Kind("a time with its zone, such as 2019-06-24T08:00:00+00:00", _time)

_WINDOWS = {
    "minute": {"week": 10080, "month": 43200, "quarter": 131400, "year": 525600},
    "hour": {"week": 168, "month": 720, "quarter": 2190, "year": 8760},
    "day": {"week": 7, "month": 30, "quarter": 91, "year": 365},
}


def _window(raw: str) -> str:
    if raw in ("week", "month", "quarter", "year"):
        return raw
    if not re.fullmatch(r"\d+", raw) or not 12 <= int(raw) <= 1_000_000:
        raise ValueError(raw)
    return raw


window = Kind("a number of periods, at least 12, or one of week, month, quarter, year", _window)


def periods_of(raw: str, period: str) -> int:
    """How many *period*s (minute, hour, day) the window *raw* has."""
    return _WINDOWS[period][raw] if raw in _WINDOWS[period] else int(raw)


def _lanes(raw: str) -> frozenset[tuple[str, str, str]]:
    found = set()
    for part in filter(None, (piece.strip() for piece in raw.replace("\n", ",").split(","))):
        match = re.fullmatch(r"([A-Z0-9]{2,10})\s+(\w+)\s*->\s*(\w*)", part)
        if not match:
            raise ValueError(raw)
        found.add((match[1], match[2], match[3]))
    return frozenset(found)


lanes = Kind("lanes such as `USD source -> target`, separated by commas, or empty", _lanes)


def _amounts(raw: str) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for part in filter(None, (piece.strip() for piece in raw.replace("\n", ",").split(","))):
        name, _, number = part.partition(" ")
        value = _decimal(number.strip())
        if value < 0 or _asset(name) in found:
            raise ValueError(raw)
        found[name] = value
    return found


amounts = Kind("amounts such as `USD 60000, BTC 6`, separated by commas", _amounts)


def _addresses(raw: str) -> dict[tuple[str, str], tuple[str, ...]]:
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for part in filter(None, (piece.strip() for piece in raw.replace("\n", ",").split(","))):
        match = re.fullmatch(r"(\w+)\s+([A-Z0-9]{2,10})\s+(\S+)", part)
        if not match:
            raise ValueError(raw)
        key = (match[1], match[2])
        found[key] = (*found.get(key, ()), match[3])
    return found


addresses = Kind("addresses such as `target BTC 1Boat…`, separated by commas, or empty", _addresses)
