"""Wire formats of two feeds of market rates, as functions of bytes: Open Exchange Rates and Yahoo's chart.

A value that is not plainly a positive number is never guessed at: `BadRates` says what and where.  Knows no network, no
clock and no plan of a poll.

Formats: https://docs.openexchangerates.org (autumn 2026); Yahoo's chart interface is not documented by Yahoo, what is read
here is what it serves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NoReturn

from attrs import frozen

from clients.rates_formats import BadRates

__all__ = ["OxrError", "Quoted", "Usage", "oxr_error", "parse_oxr", "parse_oxr_usage", "parse_yahoo", "yahoo_error"]

_SMALLEST, _LARGEST = Decimal("1e-12"), Decimal("1e12")  # a bitcoin in rials is 5e9
_LATEST = 4_102_444_800  # the year 2100: what is beyond it is milliseconds, or nonsense


@frozen
class Quoted:
    """Units of each currency for one unit of `base`, as the market had them at one instant (aware UTC)."""

    at: datetime
    base: str
    rates: Mapping[str, Decimal]


@frozen
class Usage:
    """What an app id of Open Exchange Rates may still ask this month.

    :ivar active: false while the access is restricted.
    :ivar remaining: requests; None for an account without a limit.
    """

    active: bool
    plan: str
    every: str
    remaining: int | None
    days_remaining: int


@frozen
class OxrError:
    """How Open Exchange Rates says no: `message` is the key to go by, for one status serves several."""

    message: str
    description: str


def _no_constant(text: str) -> NoReturn:
    raise BadRates(f"{text} is not a number")


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body, parse_float=Decimal, parse_int=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError) as e:
        raise e if isinstance(e, BadRates) else BadRates(f"not JSON: {e}") from e
    if not isinstance(document, dict):
        raise BadRates("JSON, but no object")
    return document


def _positive(value: Any, where: str) -> Decimal:
    if not isinstance(value, Decimal) or not _SMALLEST < value < _LARGEST:
        raise BadRates(f"{where}: {str(value)[:40]!r} is not a positive number that could be a rate")
    return value


def _instant(value: Any, where: str) -> datetime:
    if not isinstance(value, Decimal) or not 0 < value < _LATEST or value != value.to_integral_value():
        raise BadRates(f"{where}: {str(value)[:40]!r} is not a time in seconds since 1970")
    return datetime.fromtimestamp(int(value), UTC)


# -------------------------------------------------------------------------------------------------- Open Exchange Rates


def parse_oxr(body: bytes) -> Quoted:
    """`latest.json`, and a day of `historical/`: numbers, or with bid and ask the object that has them."""
    document = _document(body)
    rates = document.get("rates")
    if not isinstance(rates, dict) or not rates:
        raise BadRates("JSON without rates")
    base = document.get("base")
    if not isinstance(base, str) or not base:
        raise BadRates("JSON without a base")
    # Its list holds tokens besides currencies, and a name that is none of ours is no reason to refuse the others.
    known = {name: _oxr_mid(value, name) for name, value in rates.items() if name.isalnum() and name.isupper()}
    return Quoted(_instant(document.get("timestamp"), "timestamp"), base, known)


def _oxr_mid(value: Any, name: str) -> Decimal:
    if not isinstance(value, dict):
        return _positive(value, name)
    if "mid" in value:
        return _positive(value["mid"], name)
    return (_positive(value.get("bid"), f"{name} bid") + _positive(value.get("ask"), f"{name} ask")) / 2


def parse_oxr_usage(body: bytes) -> Usage:
    """`usage.json`."""
    data = _document(body).get("data")
    if not isinstance(data, dict):
        raise BadRates("JSON without data on the usage")
    plan, usage = _part(data, "plan"), _part(data, "usage")
    remaining, days = _count(usage, "requests_remaining"), _count(usage, "days_remaining")
    return Usage(
        data.get("status") == "active",
        str(plan.get("name", ""))[:60],
        str(plan.get("update_frequency", ""))[:20],
        None if remaining < 0 else remaining,
        max(days, 0),
    )


def _part(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = document.get(name)
    if not isinstance(part, dict):
        raise BadRates(f"JSON without {name!r}")
    return part


def _count(document: Mapping[str, Any], name: str) -> int:
    value = document.get(name)
    if not isinstance(value, Decimal) or value != value.to_integral_value():
        raise BadRates(f"{name}: {str(value)[:40]!r} is not a whole number")
    return int(value)


def oxr_error(body: bytes) -> OxrError | None:
    """The error that a body tells of; None where it is none of theirs."""
    try:
        document = _document(body)
    except BadRates:
        return None
    if document.get("error") is not True:
        return None
    return OxrError(str(document.get("message", ""))[:60], str(document.get("description", ""))[:300])


# ---------------------------------------------------------------------------------------------------------------- Yahoo


def parse_yahoo(body: bytes, base: str, quote: str) -> list[tuple[datetime, Decimal]]:
    """Closes of a chart by the time that their bars begin, oldest first; bars without a price are left out.

    The latest price that the chart's head tells is the last of them where it is newer than the last bar.
    """
    chart = _document(body).get("chart")
    results = chart.get("result") if isinstance(chart, dict) else None
    if not isinstance(results, list) or len(results) != 1 or not isinstance(results[0], dict):
        raise BadRates("JSON without a chart")
    meta = _part(results[0], "meta")
    names = {f"{base}{quote}=X"} | ({f"{quote}=X"} if base == "USD" else set())
    if meta.get("symbol") not in names or meta.get("currency") != quote:
        raise BadRates(f"a chart of {meta.get('symbol')} in {meta.get('currency')} instead of {base}{quote}=X")
    closes = dict(_bars(results[0], f"{base}/{quote}"))
    if "regularMarketPrice" in meta and "regularMarketTime" in meta:
        at = _instant(meta["regularMarketTime"], "regularMarketTime")
        if not closes or at > max(closes):
            closes[at] = _positive(meta["regularMarketPrice"], "regularMarketPrice")
    if not closes:
        raise BadRates("a chart without one price")
    return sorted(closes.items())


def _bars(result: Mapping[str, Any], name: str) -> list[tuple[datetime, Decimal]]:
    stamps = result.get("timestamp", [])  # absent where there are no bars
    try:
        closes = result["indicators"]["quote"][0].get("close", [])
        both = list(zip(stamps, closes, strict=True))
    except (KeyError, IndexError, TypeError, AttributeError, ValueError):
        raise BadRates(f"{name}: times and closes of the chart do not go together") from None
    return [(_instant(at, f"{name} timestamp"), _positive(close, name)) for at, close in both if close is not None]


def _object(part: Any) -> dict[str, Any]:
    return part if isinstance(part, dict) else {}


def yahoo_error(body: bytes) -> str:
    """What the error of a chart says; empty where it says nothing, for instance in HTML."""
    try:
        error = _object(_object(_document(body).get("chart")).get("error"))
    except BadRates:
        return ""
    return f"{error.get('code', '')}: {error.get('description', '')}"[:200] if error else ""
