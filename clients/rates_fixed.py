"""Rates that an operator gives by hand or as a file.  Knows how they are dated; asks no server."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall

from clients.calls import deferring
from clients.exchange import Unreachable
from clients.rates_arithmetic import Fixing, age_in_days, anchored, fixing_time, legs
from clients.rates_feed import HISTORY_BYTES, RateFeed, between, option, utc_now
from clients.rates_formats import BadRates, Fixings, parse_csv, parse_pairs, unzip

__all__ = ["Fixed"]


class Fixed(RateFeed):
    """Rates that an operator gives: in the options, or as a file in the ECB's CSV format.

    They age like any other: give a date, and let `max_fixing_age` say for how long they may be used.  Of a file the newest
    day is used that was published (16:00 in Frankfurt) by the world's time, so that it serves a simulation as well.

    Takes the keywords of `RateFeed`, and:

    :param rates: for instance `EUR/USD 1.1172, USD/HUF 327.9`; any pairs that hang together.
    :param date: day of these rates, ISO; the day on which the feed is connected when not given.
    :param endpoint: path of the file instead of `rates`, plain, gzip or zip.
    :param poll: reactor seconds between two looks at the file and the clock.
    """

    name = "Fixed"
    path_options = ("endpoint",)

    def __init__(
        self,
        *,
        id: str = "",
        secret: str = "",
        endpoint: str = "",
        reactor: Any,
        now: Callable[[], datetime] = utc_now,
        rate_spread: Decimal | str = "0",
        rate_age_factor: Decimal | str = "1",
        max_fixing_age: int | str = 5,
        size: Decimal | str = "1000000",
        tickers: str | Collection[str] = (),
        rates: str = "",
        date: str = "",
        poll: float | str = 60,
    ) -> None:
        super().__init__(
            id=id,
            secret=secret,
            endpoint=endpoint,
            reactor=reactor,
            now=now,
            rate_spread=rate_spread,
            rate_age_factor=rate_age_factor,
            max_fixing_age=max_fixing_age,
            size=size,
            tickers=tickers,
        )
        self._poll = float(option("poll", poll, "0.1", 86_400))
        self._next: IDelayedCall | None = None
        self._text = ""
        self._stamp: tuple[int, int] | None = None
        self._anchor = "EUR"
        self._by_hand: dict[str, Decimal] = {}
        if bool(rates) == bool(self._endpoint):
            raise ValueError(f"{self.name}: give either `rates` or, as `endpoint`, the path of a file")
        if rates:
            self._anchor, self._by_hand = anchored(parse_pairs(rates))
        self._day = _given_day(date) if date else None

    @property
    def _base(self) -> str:
        return self._anchor

    def connect(self) -> Deferred[None]:
        """Read the rates and fire; fail with `Unreachable` when there are none for today, and look again later."""
        return self._connect()

    @deferring
    async def _connect(self) -> None:
        if self._next is None:
            self._next = self._reactor.callLater(self._poll, self._again)
        try:
            self._look()
        except BadRates as e:
            raise Unreachable(self.name, "connect", str(e)) from e

    def disconnect(self) -> Deferred[None]:
        """Stop looking at the clock; the rates held give none any more."""
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._next = None
        self._lose()
        return succeed(None)

    def _again(self) -> None:
        self._next = self._reactor.callLater(self._poll, self._again)
        try:
            self._look()
        except BadRates as e:
            self._lose()
            self.announce("error", Unreachable(self.name, "today's rates", str(e)))

    def _look(self) -> None:
        now = self._now()
        day, rates = self._published(now)
        if age_in_days(day, now) > self._max_age:
            raise BadRates(f"the rates are of {day}; more than {self._max_age} days old, they are not used")
        source = self.name if self._by_hand else f"{self.name}, {self._endpoint}"
        self._hold(Fixing(day, fixing_time(day), self._anchor, rates, now, source))
        self._gain()
        self._confirmed()

    def _published(self, now: datetime) -> tuple[date, Mapping[str, Decimal]]:
        if self._by_hand:
            if self._day is None:
                self._day = now.date() - timedelta(days=fixing_time(now.date()) > now)
            if age_in_days(self._day, now) < 0:
                raise BadRates(f"the rates are of {self._day}, which is in the future")
            return self._day, self._by_hand
        self._read()
        since = now.date() - timedelta(days=self._max_age + 1)
        recent = {day: rates for day, rates in parse_csv(self._text, since, now.date()).items() if _is_out(day, now)}
        if not recent:
            raise BadRates(f"{self._endpoint} has no rates published from {since} to {now:%Y-%m-%d %H:%M} UTC")
        return max(recent), recent[max(recent)]

    def _read(self) -> None:
        """Read the file again when it changed.  Small and local: not worth a worker."""
        path = Path(self._endpoint)
        try:
            stamp = (path.stat().st_mtime_ns, path.stat().st_size)
            if stamp == self._stamp:
                return
            if stamp[1] > HISTORY_BYTES:
                raise BadRates(f"{path} is larger than {HISTORY_BYTES} bytes")
            self._text = _plain(path.read_bytes())
        except (OSError, EOFError, zlib.error, UnicodeDecodeError) as e:
            raise BadRates(f"the file of rates {path} cannot be read: {e}") from e
        self._stamp = stamp

    async def _history(self, ticker: str, first: date, last: date) -> Fixings:
        if self._by_hand:
            held = {fixing.day: dict(fixing.rates) for fixing in self._fixings}
            return between(held, first, last)
        self._read()
        now = self._now()
        fixings = parse_csv(self._text, first, min(last, now.date()), frozenset(legs(ticker)))
        return {day: rates for day, rates in fixings.items() if _is_out(day, now)}


def _is_out(day: date, now: datetime) -> bool:
    """Whether the ECB had published the fixing of *day*: at about 16:00, an hour and three quarters after it was made."""
    return fixing_time(day) + timedelta(hours=1, minutes=45) <= now


def _plain(data: bytes) -> str:
    if data.startswith(b"PK"):
        return unzip(data, HISTORY_BYTES)
    return (gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data).decode()


def _given_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"date: {text!r} is not a day; write it like 2026-10-30") from None
