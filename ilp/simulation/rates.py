"""A server of euro reference rates in the ECB's and in Frankfurter's formats, over recorded fixings, at the world's time;
and of what markets say between the fixings, in the formats of Open Exchange Rates and of Yahoo's charts.

Owns addresses, the hour of publication, caching headers and faults that can be switched on; what the documents look like
is `rates_documents` and `rates_intraday`.  A fixing of the recording is served from 16:00 in Frankfurt on its day, the one
before until then.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from hashlib import sha256
from typing import Any

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.web.http import CACHED, Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from ilp.clock import WorldClock
from ilp.simulation.ports import Port
from ilp.simulation.rates_documents import (
    NAMES,
    Rates,
    Style,
    daily_csv,
    history_csv,
    in_json,
    in_xml,
    published_at,
    rebased,
    zipped,
)
from ilp.simulation.rates_intraday import APP_ID, QUOTA, Document, IntradayMarket, oxr, yahoo
from ilp.simulation.recordings import RecordingError, load_fixings

__all__ = ["SERVICES", "Fault", "Faults", "RateServer"]

#: What is served, and where.
SERVICES = {"ecb": "/stats/", "frankfurter": "/v1/", "oxr": "/api/", "yahoo": "/v8/finance/chart/"}
_AT_THE_ROOT = ("/latest.json", "/usage.json", "/historical/")  # of Open Exchange Rates, for clients given no path

_LOOK_BACK = timedelta(days=14)  # how far Frankfurter goes back from a day without a fixing
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_HTML = b"<html><head><title>%s</title></head><body><h1>%s</h1></body></html>"


class Fault(StrEnum):
    """What a server of rates can do wrong; several may be on at once, the first in this order that applies is done."""

    SILENT = "silent"  # takes the request and never answers
    NOT_FOUND = "not_found"  # 404, in HTML
    FORBIDDEN = "forbidden"  # 403, in HTML
    UNAVAILABLE = "unavailable"  # 503, in HTML
    THROTTLED = "throttled"  # 429 with Retry-After: 120
    REDIRECT = "redirect"  # 301 to another host
    WRONG_CONTENT = "wrong_content"  # 200, but a page of maintenance
    STALE = "stale"  # goes on serving what was newest when this was switched on
    FUTURE = "future"  # dates the newest fixing three days later
    MISSING = "missing"  # leaves HUF out of the newest fixing
    JUMP = "jump"  # HUF of the newest fixing a fifth higher
    ZERO = "zero"  # HUF of the newest fixing is 0
    COMMA = "comma"  # decimal commas, as of a file saved again by a spreadsheet
    DOCTYPE = "doctype"  # XML with entities
    RESTRICTED = "restricted"  # Open Exchange Rates: the quota is used up
    OVERSIZED = "oversized"  # 32 MiB of blanks after the document
    CUT = "cut"  # half of the document, then the connection is closed


_ERROR_PAGES = {
    Fault.NOT_FOUND: (404, b"Not Found"),
    Fault.FORBIDDEN: (403, b"Forbidden"),
    Fault.UNAVAILABLE: (503, b"Service Unavailable"),
    Fault.THROTTLED: (429, b"Too Many Requests"),
    Fault.REDIRECT: (301, b"Moved Permanently"),
    Fault.WRONG_CONTENT: (200, b"Will be right back"),
}


@define
class Faults:
    """The faults that are on.

    :ivar only: services that they are of (`SERVICES`); all where it is empty.
    :ivar answering: the service that is being asked just now.
    """

    _now: Callable[[], datetime]
    _since: dict[Fault, datetime] = field(factory=dict)
    only: frozenset[str] = field(default=frozenset(), init=False)
    answering: str = field(default="", init=False)

    def add(self, fault: Fault | str) -> None:
        """Switch a fault on; `ValueError` for a name that is not one."""
        self._since.setdefault(Fault(fault), self._now())

    def discard(self, fault: Fault | str) -> None:
        """Switch a fault off."""
        self._since.pop(Fault(fault), None)

    def clear(self) -> None:
        """Switch all off, for all services."""
        self._since.clear()
        self.only = frozenset()

    def __contains__(self, fault: object) -> bool:
        return fault in self._since and (not self.only or not self.answering or self.answering in self.only)

    def __iter__(self) -> Any:
        return iter([fault for fault in Fault if fault in self._since])

    def since(self, fault: Fault) -> datetime:
        """The world's time when it was switched on."""
        return self._since[fault]


class RateServer:
    """Serves recorded fixings over HTTP.

    :param clock: the world's time and the reactor.
    :param fixings: units of each currency for one euro, by day; the extract that ships with the program when not given.
    :param style: how XML is written.
    :ivar faults: what is to go wrong.
    :ivar requests: the last 1000 paths asked for, newest last.
    :ivar app_id: what it takes for an account with Open Exchange Rates; `quota` is how often that may ask a month, None
        for no limit.
    :ivar resource: the whole server as a resource, for in-memory tests.
    """

    name = "rates"

    def __init__(
        self, clock: WorldClock, fixings: Mapping[date, Rates] | None = None, style: Style = Style.TABS
    ) -> None:
        self._clock = clock
        self._fixings = dict(sorted((load_fixings() if fixings is None else fixings).items()))
        if not self._fixings:
            raise RecordingError("the rate server was given no fixings to serve")
        self._days = list(self._fixings)
        self._published = [published_at(day) for day in self._days]
        self._market = IntradayMarket(self._fixings)
        self._used: dict[tuple[int, int], int] = {}
        self.app_id = APP_ID
        self.quota: int | None = QUOTA if clock.speed == 1 else None  # a month passes too fast elsewhere
        self.style = style
        self.faults = Faults(clock.now)
        self.requests: deque[str] = deque(maxlen=1000)
        self.resource = _Root(self)
        self._port = Port(self.resource, clock.reactor)
        self._host = ""

    # ------------------------------------------------------------------------------------------------------ lifetime

    def listen(self, port: int = 0, interface: str = "127.0.0.1") -> Deferred[None]:
        """Accept connections; fails with `CannotListenError` when the port is in use.  Port 0 takes any that is free."""
        self._host = interface
        return self._port.listen(port, interface)

    @property
    def endpoint(self) -> str:
        """What a client takes as `endpoint`, for the ECB's documents and for Frankfurter's."""
        if not self._host or not self._port.number:
            raise RuntimeError("the rate server does not listen")
        return f"http://{self._host}:{self._port.number}"

    def stop(self) -> Deferred[None]:
        """Close the port and every connection; fires when they are gone."""
        self._host = ""
        return self._port.stop()

    # ------------------------------------------------------------------------------------------------- what is known

    def newest(self) -> tuple[date, Rates]:
        """The fixing that is served as today's, faults included; the recording's first before its first publication."""
        return self.history(1)[0]

    def history(self, count: int | None = None) -> list[tuple[date, Rates]]:
        """What is published by now, newest first."""
        now = self.faults.since(Fault.STALE) if Fault.STALE in self.faults else self._clock.now()
        out = max(bisect_right(self._published, now), 1)
        days = self._days[:out] if count is None else self._days[out - count : out]
        fixings = [(day, self._fixings[day]) for day in reversed(days)]
        return [self._spoilt(*fixings[0]), *fixings[1:]]

    def now(self) -> datetime:
        """The time that markets have got to, faults included."""
        return self.faults.since(Fault.STALE) if Fault.STALE in self.faults else self._clock.now()

    def intraday(self, path: str, arguments: Mapping[str, str], token: str) -> Document:
        """What Open Exchange Rates would answer; every request but those for the usage counts."""
        now = self.now()
        if path != "usage.json":
            self._used[now.year, now.month] = self._used.get((now.year, now.month), 0) + 1
        used, quota = self._used.get((now.year, now.month), 0), self.quota
        if Fault.RESTRICTED in self.faults:
            used, quota = QUOTA + 1, QUOTA
        awake = self._market.awake(now)
        stamp = awake.replace(minute=0, second=0, microsecond=0)
        day, rates = self._spoilt(stamp.date(), self._market.rates(stamp))
        stamp += day - stamp.date()
        return oxr(path, arguments, token, used, quota, now, rates, stamp, self._market)

    def chart(self, path: str, arguments: Mapping[str, str], agent: str) -> Document:
        """What Yahoo would answer."""
        return yahoo(path, arguments, agent, self.now(), _Spoilt(self._market, self._spoilt))

    def _spoilt(self, day: date, rates: Rates) -> tuple[date, Rates]:
        if Fault.FUTURE in self.faults:
            day += timedelta(days=3)
        if "HUF" in rates:
            if Fault.MISSING in self.faults:
                rates = {currency: rate for currency, rate in rates.items() if currency != "HUF"}
            elif Fault.JUMP in self.faults:
                rates = {**rates, "HUF": rates["HUF"] * Decimal("1.2")}
            elif Fault.ZERO in self.faults:
                rates = {**rates, "HUF": Decimal(0)}
        return day, rates


class _Spoilt(IntradayMarket):
    """The market as faults let it look."""

    def __init__(self, market: IntradayMarket, spoil: Callable[[date, Rates], tuple[date, Rates]]) -> None:
        self._market, self._spoil = market, spoil

    def rates(self, at: datetime, only: Collection[str] = ()) -> dict[str, Decimal]:
        return dict(self._spoil(at.date(), self._market.rates(at, only))[1])


# ---------------------------------------------------------------------------------------------------------- documents


@frozen
class _Answer:
    """A body and how it is labelled."""

    body: bytes = field(repr=False)
    type: str
    code: int = 200
    max_age: int = 0


class _NoAnswer(Exception):
    """Frankfurter's errors."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.answer = _Answer(in_json({"message": message}), "application/json", code)


def _ecb_document(server: RateServer, name: str) -> _Answer | None:
    """One of the files below /stats/eurofxref/."""
    if name == "eurofxref-daily.xml":
        return _Answer(in_xml([server.newest()], server.style), "text/xml")
    if name == "eurofxref-hist-90d.xml":
        recent = server.history()
        since = recent[0][0] - timedelta(days=90)
        return _Answer(in_xml([fixing for fixing in recent if fixing[0] > since], server.style), "text/xml")
    if name == "eurofxref-hist.xml":
        return _Answer(in_xml(server.history(), server.style), "text/xml")
    if name == "eurofxref.zip":
        return _Answer(zipped("eurofxref.csv", _comma(server, daily_csv(*server.newest()))), "application/zip")
    if name == "eurofxref-hist.zip":
        return _Answer(zipped("eurofxref-hist.csv", _comma(server, history_csv(server.history()))), "application/zip")
    return None


def _comma(server: RateServer, text: str) -> str:
    return re.sub(r"(\d)\.(\d)", r"\1,\2", text) if Fault.COMMA in server.faults else text


def _frankfurter_document(server: RateServer, what: str, arguments: Mapping[str, str]) -> _Answer:
    """What is below /v1/; `_NoAnswer` where that service answers an error."""
    known = server.history()
    if what == "currencies":
        return _Answer(
            in_json({c: NAMES.get(c, c) for c in sorted({"EUR", *known[0][1]})}), "application/json", max_age=86400
        )
    base = arguments.get("base", arguments.get("from", "EUR")).upper()
    symbols = [s for s in arguments.get("symbols", arguments.get("to", "")).upper().split(",") if s]
    if symbols == [base]:
        raise _NoAnswer(422, "bad currency pair")
    amount = _amount(arguments.get("amount", "1"))
    first, dots, last = what.partition("..")
    if dots:
        start, end = _asked_day(first), _asked_day(last) if last else known[0][0]
        rows = {day: _row(rates, base, symbols, amount) for day, rates in reversed(known) if start <= day <= end}
        rows = {day: row for day, row in rows.items() if row}
        if not rows:
            raise _NoAnswer(404, "not found")
        head = {"amount": float(amount), "base": base, "start_date": f"{min(rows)}", "end_date": f"{max(rows)}"}
        return _Answer(in_json({**head, "rates": {f"{d}": r for d, r in rows.items()}}), "application/json", 200, 86400)
    wanted = known[0][0] if what == "latest" else _asked_day(what)
    day, rates = next(((d, r) for d, r in known if wanted - _LOOK_BACK <= d <= wanted), (wanted, {}))
    row = _row(rates, base, symbols, amount)
    if not row:
        raise _NoAnswer(404, "not found")
    head = {"amount": float(amount), "base": base, "date": f"{day}"}
    return _Answer(in_json({**head, "rates": row}), "application/json", 200, 86400)


def _row(rates: Rates, base: str, symbols: list[str], amount: Decimal) -> dict[str, Decimal]:
    return rebased(rates, base, symbols, amount) if base == "EUR" or base in rates else {}


def _asked_day(text: str) -> date:
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise _NoAnswer(422, "invalid date")


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(0)
    if not (amount.is_finite() and amount > 0):
        raise _NoAnswer(422, "invalid amount")
    return amount


# --------------------------------------------------------------------------------------------------------------- HTTP


class _Root(Resource):
    """Every address of the server."""

    isLeaf = True

    def __init__(self, server: RateServer) -> None:
        super().__init__()
        self._server = server

    def render_GET(self, request: Request) -> bytes | int:
        path = request.path.decode("ascii", "replace")
        self._server.requests.append(path)
        faults = self._server.faults
        faults.answering = _service(path)
        if Fault.SILENT in faults:
            return NOT_DONE_YET
        for fault, (code, title) in _ERROR_PAGES.items():
            if fault in faults:
                return _page(request, code, title)
        answer = self._answer(path, request)
        return _page(request, 404, b"Not Found") if answer is None else self._send(request, answer)

    def _answer(self, path: str, request: Request) -> _Answer | None:
        if path.startswith("/stats/eurofxref/"):
            return _ecb_document(self._server, path.removeprefix("/stats/eurofxref/"))
        if path.startswith("/v1/"):
            try:
                return _frankfurter_document(self._server, path.removeprefix("/v1/"), _arguments(request))
            except _NoAnswer as e:
                return e.answer
        service, arguments = _service(path), _arguments(request)
        if service == "oxr":
            authorization = request.getHeader("Authorization") or ""
            token = arguments.get("app_id") or authorization.removeprefix("Token ")
            return _as_answer(self._server.intraday(path.removeprefix("/api").removeprefix("/"), arguments, token))
        if service == "yahoo":
            chart = path.removeprefix(SERVICES["yahoo"])
            return _as_answer(self._server.chart(chart, arguments, request.getHeader("User-Agent") or ""))
        return None

    def _send(self, request: Request, answer: _Answer) -> bytes | int:
        faults = self._server.faults
        body = answer.body
        if answer.type == "text/xml":
            body = _spoilt_xml(body, faults)
        request.setResponseCode(answer.code)
        request.setHeader("Content-Type", answer.type)
        if answer.code != 200:
            request.setHeader("Cache-Control", "no-store")
            return body
        request.setHeader("Cache-Control", f"public, max-age={answer.max_age}" if answer.max_age else "no-cache")
        if request.setETag(b'"' + sha256(body).hexdigest()[:16].encode() + b'"') is CACHED:
            return b""
        if Fault.OVERSIZED in faults:
            return body + b" " * 2**25
        if Fault.CUT in faults:
            request.setHeader("Content-Length", str(len(body)))
            request.write(body[: len(body) // 2])
            request.channel.loseConnection()
            return NOT_DONE_YET
        return body


def _service(path: str) -> str:
    if path.startswith(_AT_THE_ROOT):
        return "oxr"
    return next((name for name, prefix in SERVICES.items() if path.startswith(prefix)), "")


def _arguments(request: Request) -> dict[str, str]:
    return {k.decode("ascii", "replace"): v[-1].decode("ascii", "replace") for k, v in request.args.items()}


def _as_answer(document: Document) -> _Answer:
    return _Answer(document.body, document.type, document.code)


def _page(request: Request, code: int, title: bytes) -> bytes:
    request.setResponseCode(code, title if code != 200 else b"OK")
    request.setHeader("Content-Type", "text/html; charset=utf-8")
    if code == 429:
        request.setHeader("Retry-After", "120")
    if code == 301:
        request.setHeader("Location", "https://elsewhere.invalid/")
    return _HTML % (title, title)


def _spoilt_xml(body: bytes, faults: Faults) -> bytes:
    if Fault.COMMA in faults:
        body = re.sub(rb"(rate=.\d+)\.(\d)", rb"\1,\2", body)
    if Fault.DOCTYPE in faults:
        body = body.replace(b"?>", b'?><!DOCTYPE x [<!ENTITY a "1"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>', 1)
    return body
