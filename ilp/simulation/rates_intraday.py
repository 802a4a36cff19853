"""What a simulated world's markets say of rates within the day, as Open Exchange Rates and Yahoo's charts would put it.

The price between two recorded fixings lies between them and wobbles a little; markets rest from Friday 22:00 to Sunday 22:00
UTC.  Written from descriptions of what is served, sharing nothing with the clients that read it.  Knows no socket.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Context, Decimal
from zlib import crc32
from zoneinfo import ZoneInfo

from attrs import frozen

from clients.rates_arithmetic import fixing_time
from ilp.simulation.rates_documents import Rates

__all__ = ["APP_ID", "Document", "IntradayMarket", "oxr", "yahoo"]

APP_ID = "5eed5eed5eed5eed5eed5eed5eed5eed"  # what the simulated Open Exchange Rates takes for an account
QUOTA = 1000  # requests a month of a free account

_SIX = Context(prec=6)
_LONDON = ZoneInfo("Europe/London")
_ONE = Decimal(1)
_MONDAY = datetime(2001, 1, 7, 22, tzinfo=UTC)  # a Sunday evening, when a week of trading begins
_WEEK, _OPEN = timedelta(days=7), timedelta(days=5)
_HOUR = timedelta(hours=1)
_WOBBLES = ((timedelta(minutes=47), Decimal("0.0004")), (timedelta(hours=5), Decimal("0.0008")))
_LENGTHS = {"1m": 60, "2m": 120, "5m": 300, "15m": 900, "30m": 1800, "60m": 3600, "90m": 5400, "1d": 86_400}
_RANGES = {"1d": 1, "5d": 5, "1mo": 30, "3mo": 91, "6mo": 182, "1y": 365}
_MOST_BARS = 12_000


@frozen
class Document:
    """A body and the status that it comes with."""

    body: bytes
    code: int = 200
    type: str = "application/json"


class IntradayMarket:
    """Prices of currencies in euros at any time from the first fixing on.

    :param fixings: units of each currency for one euro, by day; at the time of a fixing the price is the fixing.
    """

    def __init__(self, fixings: Mapping[date, Rates]) -> None:
        self._days = sorted(fixings)
        self._fixings = fixings
        self._times = [fixing_time(day) for day in self._days]

    @staticmethod
    def awake(at: datetime) -> datetime:
        """*at*, or where markets rest then the moment at which they closed."""
        week, within = divmod(at - _MONDAY, _WEEK)
        return _MONDAY + week * _WEEK + min(within, _OPEN)

    def rates(self, at: datetime, only: Collection[str] = ()) -> dict[str, Decimal]:
        """Units of each currency, or of *only* these, for one euro."""
        at = self.awake(at)
        place = max(bisect_right(self._times, at) - 1, 0)
        before, since = self._fixings[self._days[place]], self._times[place]
        if place + 1 == len(self._days):
            share, after = Decimal(0), before
            strength = min(_ONE, Decimal(max((at - since) / _HOUR, 0.0)) / 8)
        else:
            after = self._fixings[self._days[place + 1]]
            share = Decimal(_traded(since, at)) / Decimal(_traded(since, self._times[place + 1]))
            share = min(max(share, Decimal(0)), _ONE)
            strength = 4 * share * (1 - share)
        return {
            currency: _SIX.plus((rate + (after[currency] - rate) * share) * (1 + strength * _wobble(currency, at)))
            for currency, rate in before.items()
            if currency in after and (not only or currency in only)
        }


def _traded(start: datetime, end: datetime) -> float:
    """Seconds between two times in which markets were open."""

    def clock(at: datetime) -> float:
        week, within = divmod(at - _MONDAY, _WEEK)
        return week * _OPEN.total_seconds() + min(within, _OPEN).total_seconds()

    return clock(end) - clock(start)


def _wobble(currency: str, at: datetime) -> Decimal:
    """A fraction that goes up and down with the time, differently for each currency."""
    total = Decimal(0)
    for number, (period, height) in enumerate(_WOBBLES):
        phase = crc32(f"{currency}{number}".encode()) % 1000 / 1000
        place = Decimal(str(((at - _MONDAY) / period + phase) % 1))
        total += height * (abs(4 * place - 2) - 1)
    return total


# -------------------------------------------------------------------------------------------------- Open Exchange Rates

_NO = {
    "missing_app_id": (401, "No App ID provided. Please sign up for one, or contact support."),
    "invalid_app_id": (401, "Invalid App ID provided. Please sign up for one, or contact support."),
    "not_allowed": (429, "Changing the API `base` currency is available for other plans. Please upgrade."),
    "access_restricted": (429, "Access restricted for repeated over-use. Please upgrade, or wait for the next month."),
    "invalid_base": (400, "The base currency you have requested is not valid."),
    "not_found": (404, "You requested a route that does not exist."),
    "not_available": (400, "Historical rates for the requested date are not available."),
}


def _refused(message: str) -> Document:
    code, description = _NO[message]
    return Document(_json({"error": True, "status": code, "message": message, "description": description}), code)


def oxr(
    path: str, arguments: Mapping[str, str], token: str, used: int, quota: int | None, now: datetime, rates: Rates,
    stamp: datetime, past: IntradayMarket,
) -> Document:  # fmt: skip
    """The answer to a request below `/api/`.

    :param token: the app id of the request; *used*: requests of this month, of *quota*, None for no limit.
    :param rates: units of each currency for one euro at *stamp*; *past* serves days that are over.
    """
    if token != APP_ID:
        return _refused("invalid_app_id" if token else "missing_app_id")
    if path == "usage.json":
        return Document(_json(_usage(used, quota, now)))
    if quota is not None and used > quota:
        return _refused("access_restricted")
    base = arguments.get("base", "USD")
    if base != "USD":
        return _refused("not_allowed" if base in {*rates, "EUR"} else "invalid_base")
    if path == "latest.json":
        return Document(_json(_latest(rates, stamp)))
    folder, _, name = path.partition("/")
    if folder != "historical" or not name.endswith(".json"):
        return _refused("not_found")
    try:
        end = datetime.combine(date.fromisoformat(name.removesuffix(".json")), time(23, 59, 59), UTC)
    except ValueError:
        return _refused("not_available")
    if end.date() > now.date():
        return _refused("not_available")
    at = min(end, now)
    return Document(_json(_latest(past.rates(at), at)))


def _latest(rates: Rates, stamp: datetime) -> dict[str, object]:
    usd = rates["USD"]
    values = {"EUR": _ONE, **rates}
    return {
        "disclaimer": "Rates of a simulated world.",
        "license": "None.",
        "timestamp": int(stamp.timestamp()),
        "base": "USD",
        "rates": {name: _SIX.divide(values[name], usd) for name in sorted(values)},
    }


def _usage(used: int, quota: int | None, now: datetime) -> dict[str, object]:
    following = (now.replace(day=1) + timedelta(days=32)).replace(day=1)
    left = (following.date() - now.date()).days
    features = {"base": False, "symbols": False, "experimental": True, "time-series": False, "convert": False}
    plan = {
        "name": "Free",
        "quota": "Unlimited" if quota is None else f"{quota} requests / month",
        "update_frequency": "3600s",
        "features": features,
    }
    usage = {
        "requests": used,
        "requests_quota": -1 if quota is None else quota,
        "requests_remaining": -1 if quota is None else max(quota - used, 0),
        "days_elapsed": now.day - 1,
        "days_remaining": left,
        "daily_average": used // max(now.day, 1),
    }
    status = "active" if quota is None or used <= quota else "access_restricted"
    return {"status": 200, "data": {"app_id": APP_ID, "status": status, "plan": plan, "usage": usage}}


# ---------------------------------------------------------------------------------------------------------------- Yahoo


def yahoo(path: str, arguments: Mapping[str, str], agent: str, now: datetime, market: IntradayMarket) -> Document:
    """The answer to a request below `/v8/finance/chart/`."""
    if not agent or agent.lower().startswith(("python", "twisted", "treq", "curl")):
        return Document(b"Too Many Requests\r\n", 429, "text/plain")
    symbol = path.removesuffix("=X")
    pair = ("USD" + symbol if len(symbol) == 3 else symbol) if path.endswith("=X") else ""
    base, quote = pair[:3], pair[3:]
    known = {"EUR": _ONE, **market.rates(now)}
    if len(pair) != 6 or base not in known or quote not in known:
        return _yahoo_error(404, "Not Found", "No data found, symbol may be delisted")
    length = _LENGTHS.get(arguments.get("interval", "1m"))
    spell = _spell(arguments, now)
    if length is None or spell is None or (spell[1] - spell[0]).total_seconds() / length > _MOST_BARS:
        return _yahoo_error(422, "Unprocessable Entity", "The requested range is not available at this interval")
    bars = list(_bars(market, base, quote, spell, length, now))
    granularity = arguments.get("interval", "1m")
    return Document(_json(_chart(path, quote, bars, market, base, now, granularity)))


def _spell(arguments: Mapping[str, str], now: datetime) -> tuple[datetime, datetime] | None:
    """From when to when; a range of days counts back from the last moment of trading."""
    try:
        if "period1" in arguments:
            first, last = (datetime.fromtimestamp(int(arguments[name]), UTC) for name in ("period1", "period2"))
            return first, min(last, now)
    except (KeyError, ValueError, OverflowError, OSError):
        return None
    days = _RANGES.get(arguments.get("range", "1d"))
    last = IntradayMarket.awake(now)
    return None if days is None else (last - timedelta(days=days), last)


def _bars(
    market: IntradayMarket, base: str, quote: str, spell: tuple[datetime, datetime], length: int, now: datetime
) -> Iterator[tuple[int, Decimal | None]]:
    """Begin and close of each bar; every seventh has no price, and the one under way is stamped with this second."""
    start = int(spell[0].timestamp()) // length * length
    for begin in range(start, int(spell[1].timestamp()) + 1, length):
        opened = datetime.fromtimestamp(begin, UTC)
        if length == _LENGTHS["1d"]:
            opened = datetime.combine(opened.date(), time(), _LONDON)  # an hour before UTC's midnight in summer
            begin = int(opened.timestamp())
            if opened.weekday() >= 5:
                continue
        elif market.awake(opened) != opened:
            continue  # at rest
        end = opened + timedelta(seconds=length)
        unfinished = end > now
        empty = (begin // length) % 7 == 3 and not unfinished
        yield (
            int(now.timestamp()) if unfinished else begin,
            None if empty else _cross(market, base, quote, min(end, now)),
        )


def _cross(market: IntradayMarket, base: str, quote: str, at: datetime) -> Decimal:
    rates = {"EUR": _ONE, **market.rates(at, (base, quote))}
    return _SIX.divide(rates[quote], rates[base])


def _chart(
    symbol: str, quote: str, bars: list[tuple[int, Decimal | None]], market: IntradayMarket, base: str, now: datetime,
    granularity: str,
) -> dict[str, object]:  # fmt: skip
    last = market.awake(now)
    closes = [close for _, close in bars]
    meta = {
        "currency": quote,
        "symbol": symbol,
        "exchangeName": "CCY",
        "instrumentType": "CURRENCY",
        "regularMarketTime": int(last.timestamp()),
        "regularMarketPrice": _cross(market, base, quote, last),
        "priceHint": 4,
        "gmtoffset": 0,
        "timezone": "GMT",
        "dataGranularity": granularity,
    }
    prices = dict.fromkeys(("open", "high", "low", "close"), closes)
    volumes = [None if close is None else 0 for close in closes]
    result: dict[str, object] = {"meta": meta, "indicators": {"quote": [{**prices, "volume": volumes}]}}
    if bars:
        result["timestamp"] = [at for at, _ in bars]
    return {"chart": {"result": [result], "error": None}}


def _yahoo_error(code: int, title: str, description: str) -> Document:
    error = {"code": title, "description": description}
    return Document(_json({"chart": {"result": None, "error": error}}), code)


def _json(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, separators=(",", ":"), default=float).encode()
