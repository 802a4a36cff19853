"""Feeds of market rates within the day: Open Exchange Rates, and Yahoo's charts.

What they have in common is here: a rate whose instant is known, and what is believed of it.  It ages by the square root of
time (`rates_arithmetic.drift`) and not by the table of fixings.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from clients.exchange import OHLCV, Book, ExchangeError, NotAuthorised, Period, RateLimited, Refused, Unreachable
from clients.http import Answer, Requester
from clients.rates_arithmetic import Fixing, NoRate, age_in_days, drift, inverse, jumps, legs, within
from clients.rates_feed import bar, option, utc_now
from clients.rates_formats import BadRates, Fixings
from clients.rates_intraday_formats import (
    Quoted,
    Usage,
    oxr_error,
    parse_oxr,
    parse_oxr_usage,
    parse_yahoo,
    yahoo_error,
)
from clients.rates_polling import DOING, PollingFeed
from clients.redaction import Redactor

__all__ = ["IntradayFeed", "OpenExchangeRates", "Yahoo"]

_JUMP = Decimal("0.08")  # between two fetches: the largest day of the peso since 1999 was 10.5 %, of the others 5.1 %
_AGREEMENT = Decimal("0.01")
_SERVED = 3  # fetches in a row that have to say so before a larger move is believed
_AHEAD = timedelta(seconds=60)  # what a server's clock may be before ours
_KEPT = 3
_AFTER, _LATER = 60.0, 120.0  # seconds after which what was due should be there, and how much later where it is not


class IntradayFeed(PollingFeed):
    """A feed of rates with their instant, asked for again and again (see `PollingFeed`).

    Takes the keywords of `RateFeed` and of `PollingFeed`; `poll` is the feed's own where it is 0 or not given.

    :param max_bytes: largest body.
    :param http: a treq client, for tests; `random` spreads the retries.
    """

    default_poll = 60.0
    option_names = (
        "max_fixing_age",
        "size",
        "tickers",
        "poll",
        "timeout",
        "connect_timeout",
        "lost_after",
        "max_bytes",
    )

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
        http: Requester | None = None,
        random: Random | None = None,
        **options: Any,
    ) -> None:
        given = {"timeout": 20, "connect_timeout": 30, "lost_after": 0, "poll": 0, "max_bytes": 2**20} | options
        limit = int(option("max_bytes", given.pop("max_bytes"), 1000, 2**30))
        poll = float(option("poll", given.pop("poll"), 0, 86_400)) or self.default_poll
        pace = {name: given.pop(name) for name in ("timeout", "connect_timeout", "lost_after")}
        widening = {"rate_spread": rate_spread, "rate_age_factor": rate_age_factor}
        super().__init__(
            feed={"endpoint": endpoint, "reactor": reactor, "now": now, **widening, **given},
            poll=poll,
            http=http,
            random=random,
            headers=self._credentials(id, secret),
            **pace,
        )
        self._redactor = Redactor(id, secret)
        self._door = self._make_door(self._endpoint or self.default_endpoint, limit)
        self._door.sort = self._sorted
        self._strange: dict[str, tuple[Decimal, int]] = {}
        self._prepare()

    def _prepare(self) -> None:
        """What a subclass holds besides; its own constructor would hide the options from the loader of configurations."""

    def _credentials(self, id: str, secret: str) -> dict[str, str]:
        """Headers that say who asks."""
        return {}

    def _sorted(self, answer: Answer, doing: str) -> Exception | None:
        """The server's own way of saying no."""
        return None

    def _error(self, ticker: str, age: timedelta) -> Decimal:
        return drift(ticker, age)

    def _unreadable(self, problem: BadRates) -> Unreachable:
        return Unreachable(self.name, DOING, self._redactor.clean(str(problem)))

    def _believed(self, held: list[Fixing], quoted: Quoted, pair: str = "") -> list[Fixing]:
        """*held* with what was just served, newest first; `BadRates` where it cannot be.

        A currency that moved by more than 8 % since the last fetch is doubted until three in a row have said so: its older
        rate serves meanwhile, and ages.
        """
        now = self._now()
        if quoted.at > now + _AHEAD:
            raise BadRates(f"rates of {quoted.at:%Y-%m-%d %H:%M:%S} UTC, which is in the future")
        if (days := age_in_days(quoted.at.date(), now)) > self._max_age:
            raise BadRates(
                f"rates of {quoted.at:%Y-%m-%d %H:%M} UTC, {days} days old; at most {self._max_age} are allowed"
            )
        if held and quoted.at < held[0].at:
            raise BadRates(
                f"rates of {quoted.at:%H:%M:%S} UTC, though those of {held[0].at:%H:%M:%S} were served before"
            )
        at = min(quoted.at, now)
        doubted, rates = self._doubted(held, quoted.rates, pair), dict(quoted.rates)
        for known in held:
            if known.at == at:  # a doubtful correction of what was believed does not replace it
                kept = {c: known.rates[c] for c in doubted if c in known.rates and c not in known.doubted}
                rates, doubted = rates | kept, doubted - kept.keys()
        fixing = Fixing(at.date(), at, quoted.base, rates, now, self.name, doubted)
        return [fixing, *(older for older in held if older.at != fixing.at)][:_KEPT]

    def _doubted(self, held: list[Fixing], rates: Any, pair: str) -> frozenset[str]:
        believed = {c: v for older in reversed(held) for c, v in older.rates.items() if c not in older.doubted}
        moved = jumps(believed, rates, _JUMP)
        doubted = set()
        for currency in rates:
            key = f"{pair}{currency}"
            if currency not in moved:
                self._strange.pop(key, None)
                continue
            before, times = self._strange.get(key, (rates[currency], 0))
            times = times + 1 if within(rates[currency], before, _AGREEMENT) else 1
            self._strange[key] = rates[currency], times
            if times < _SERVED:
                doubted.add(currency)
            if times == 1:
                why = (
                    f"{currency} moved by {moved[currency]:.1%} from {believed[currency]:.6g} to {rates[currency]:.6g}"
                )
                again = f"not believed before it was served {_SERVED} times"
                self.announce("error", Unreachable(self.name, DOING, f"{why} within one fetch; {again}"))
        return frozenset(doubted)


class OpenExchangeRates(IntradayFeed):
    """Open Exchange Rates: hourly with a free app id, and up to every 5 minutes with a paid one.

    :param id: the app id, sent as a header so that it stands in no address; `env:` or `file:` keeps it out of the file.

    The account's quota is read every six hours (which costs none of it): where it would not last for the month at the pace
    of `poll`, requests are spread over what is left of it, and an `error` event says so.  Histories cost a request a day
    that was not read before.
    """

    name = "Open Exchange Rates"
    default_endpoint = "https://openexchangerates.org/api"
    default_poll = 3600.0
    history_costs = True
    """A day of history is a request of the quota: another feed's history is rather taken."""

    _usage_every = 6 * 3600.0
    _longest_history = 45  # days, each of them a request

    def _prepare(self) -> None:
        self.usage: Usage | None = None
        self._after = _AFTER
        self._asked_usage = float("-inf")
        self._past: Fixings = {}
        self._told_pace = 0.0

    @property
    def _base(self) -> str:
        return "USD"

    def _credentials(self, id: str, secret: str) -> dict[str, str]:
        return {"Authorization": f"Token {id or secret}"} if id or secret else {}

    def _sorted(self, answer: Answer, doing: str) -> Exception | None:
        error = oxr_error(answer.body)
        if error is None:
            return None
        what, code = self._redactor.clean(error.description) or error.message, error.message
        if code in ("missing_app_id", "invalid_app_id"):
            return NotAuthorised(self.name, doing, f"{what}; give the app id as `id` of the feed's connection", code)
        if code == "access_restricted":
            return RateLimited(self.name, doing, what, code, retry_after=3600.0)
        return Refused(self.name, doing, what, code)  # not_allowed (though a 429), not_found, invalid_base

    async def _refresh(self) -> None:
        await self._look_at_usage()
        reply = await self._door.get("/latest.json", DOING)
        try:
            quoted = parse_oxr(reply.body)
            self._learn_when(quoted.at)
            self._fixings = self._believed(self._fixings, quoted)
        except BadRates as e:
            raise self._unreadable(e) from e

    def _learn_when(self, at: datetime) -> None:
        """Where what was due is not there yet it is asked for a little later from now on, else we are always one behind."""
        overdue = (self._now() - at).total_seconds() - self._poll
        if self._fixings and at == self._fixings[0].at and 0 < overdue < self._poll:
            self._after = min(self._after + _LATER, self._poll / 2)

    async def _look_at_usage(self) -> None:
        """Read the quota now and then; that it cannot be read stops nothing."""
        if self._reactor.seconds() - self._asked_usage < self._usage_every:
            return
        try:
            reply = await self._door.get("/usage.json", "reading the quota")
            self.usage = parse_oxr_usage(reply.body)
            self._asked_usage = self._reactor.seconds()
        except NotAuthorised:
            raise
        except (ExchangeError, BadRates) as e:
            self.announce("error", e if isinstance(e, ExchangeError) else self._unreadable(e))

    def _pause(self) -> float:
        """As often as configured, just after new rates are due, and no more often than the quota allows this month."""
        due = (self._fixings[0].at - self._now()).total_seconds() + self._poll + self._after
        soonest = due if 0 < due < self._poll else self._poll
        usage = self.usage
        if usage is None or usage.remaining is None:
            return soonest
        pace = min(max(usage.days_remaining, 1) * 86_400.0 / max(usage.remaining, 1), 86_400.0)
        if pace > self._poll and abs(pace - self._told_pace) > 0.1 * pace:
            self._told_pace = pace
            left = f"{usage.remaining} requests are left for {usage.days_remaining} days"
            self.announce("error", RateLimited(self.name, DOING, f"{left}: asked every {pace / 3600:.1f} h only"))
        return soonest if pace <= self._poll else pace

    async def _history(self, ticker: str, first: date, last: date) -> Fixings:
        last = min(last, self._now().date() - timedelta(days=1))  # today's file changes until the day is over
        first = max(first, last - timedelta(days=self._longest_history))
        day = first
        while day <= last:
            if day not in self._past:
                reply = await self._door.get(f"/historical/{day}.json", f"history of {ticker}")
                quoted = parse_oxr(reply.body)
                self._past[day] = {**quoted.rates, quoted.base: Decimal(1)}
            day += timedelta(days=1)
        return {day: dict(rates) for day, rates in self._past.items() if first <= day <= last}


class Yahoo(IntradayFeed):
    """Yahoo's charts: prices of the last minutes, by an interface that is not documented and that its terms forbid machines.

    Meant as a cross-check beside a feed that one has a contract with.  One request a pair and `poll`, never more than one a
    minute; after a refusal (429) a quarter of an hour of silence.

    :param tickers: the pairs that are read.
    """

    name = "Yahoo"
    default_endpoint = "https://query1.finance.yahoo.com"
    default_poll = 120.0
    _silence = 900.0
    _intervals = {"minute": "1m", "hour": "60m", "day": "1d"}
    _reach = {"minute": timedelta(days=7), "hour": timedelta(days=729), "day": timedelta(days=20_000)}

    def _prepare(self) -> None:
        if not self._endpoint and self._poll < 60:
            raise ValueError(f"poll: {self._poll:g} s is not allowed; at least 60, more often Yahoo refuses")
        self._by_pair: dict[str, list[Fixing]] = {}

    def _sorted(self, answer: Answer, doing: str) -> Exception | None:
        if answer.status == 200 and not yahoo_error(answer.body):
            return None
        if answer.status == 429:
            return RateLimited(self.name, doing, "too many requests", "429", retry_after=self._silence)
        what = yahoo_error(answer.body)
        return Refused(self.name, doing, what, str(answer.status)) if what else None

    def _fixing_for(self, ticker: str) -> Fixing:
        legs(ticker)
        held = self._by_pair.get(ticker) or self._by_pair.get(inverse(ticker)) or []
        for fixing in held:
            if not fixing.doubted:
                return fixing
        raise NoRate(f"no price of {ticker} was read; it reads {', '.join(self._told) or 'none'}")

    async def _refresh(self) -> None:
        for ticker in tuple(self._told):
            await self._take(ticker)

    async def _take(self, ticker: str) -> None:
        base, quote = legs(ticker)
        reply = await self._door.get(f"/v8/finance/chart/{base}{quote}=X", DOING, {"range": "1d", "interval": "1m"})
        try:
            at, price = parse_yahoo(reply.body, base, quote)[-1]
            quoted = Quoted(at, base, {quote: price})
            self._by_pair[ticker] = self._believed(self._by_pair.get(ticker, []), quoted, ticker)
        except BadRates as e:
            raise self._unreadable(e) from e

    async def _book_now(self, ticker: str) -> Book:
        if self._connected and not {ticker, inverse(ticker)} & self._by_pair.keys():
            await self._take(ticker)
        return await super()._book_now(ticker)

    async def _bars_now(self, ticker: str, period: Period, start: datetime, end: datetime) -> dict[datetime, OHLCV]:
        """Bars of their closes: opens, highs and lows of its FX charts contradict these too often."""
        doing, now = f"history of {ticker}", self._now()
        if start.tzinfo is None or end.tzinfo is None:
            raise ValueError(f"{self.name}: {doing}: start and end need a time zone")
        base, quote = legs(ticker)
        first = max(start, now - self._reach[period])
        span = {"period1": str(int(first.timestamp())), "period2": str(int(min(end, now).timestamp()))}
        path = f"/v8/finance/chart/{base}{quote}=X"
        reply = await self._door.get(path, doing, {**span, "interval": self._intervals[period]})
        try:
            closes = parse_yahoo(reply.body, base, quote)
        except BadRates as e:
            raise self._unreadable(e) from e
        bars = [bar(ticker, period, _opened(at, period), close) for at, close in closes]
        # What has not ended yet has no close; of two prices in one period the later one is it.
        return {one["open_timestamp"]: one for one in bars if one["close_timestamp"] < now}


_LONDON = ZoneInfo("Europe/London")


def _opened(at: datetime, period: Period) -> datetime:
    """When the bar opened: a day's is stamped with London's midnight, which is an hour early in summer."""
    if period == "day":
        return datetime.combine(at.astimezone(_LONDON).date(), time(), UTC)
    return at.replace(minute=0 if period == "hour" else at.minute, second=0, microsecond=0)
