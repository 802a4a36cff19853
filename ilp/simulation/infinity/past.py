"""The public calls about the past and about curves: bars, day-old rates, total value, yield curves.  Reads the core."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from attrs import define, field

from clients.exchange import Period
from clients.infinity_terms import Category, Instrument
from ilp.simulation.infinity.errors import invalid
from ilp.simulation.infinity.listings import (
    RateMarket,
    Token,
    dated_market_id,
    days_to,
    listed_dates,
    maturity_of,
    plain,
    traded_tokens,
    year_fraction,
)
from ilp.simulation.infinity.market import Market
from ilp.simulation.infinity.parameters import Parameters
from ilp.simulation.infinity.times import millis
from ilp.simulation.records import Bar

__all__ = ["Past"]

Row = dict[str, Any]
_QUARTER, _HOUR, _DAY = timedelta(minutes=15), timedelta(hours=1), timedelta(days=1)
_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)  # spans are counted from one, so that weeks begin on Mondays
_MOST_BUCKETS = 5_000
_CURVE_DAYS = 365
_AAVE = (Decimal("0.5"), Decimal("1.6"))  # what a lending protocol pays and takes, as shares of the floating rate


@define(eq=False)
class Past:
    """What everybody may see of the past.

    :ivar totals: dollars held by the venue at each roll-over.
    """

    market: Market
    totals: list[tuple[datetime, Decimal]] = field(factory=list)

    def calls(self) -> dict[tuple[str, str], Callable[[Parameters], Row]]:
        """By HTTP method and path."""
        return {
            ("GET", "/public/get_fixed_history"): lambda p: self.history(p, Category.FIXED),
            ("GET", "/public/get_floating_history"): lambda p: self.history(p, Category.FLOATING),
            ("GET", "/public/get_24h_snapshot"): self.snapshot,
            ("GET", "/public/get_historical_rates"): self.rates,
            ("GET", "/public/get_historical_total_value"): self.total_value,
            ("GET", "/public/get_historical_yield_curve"): self.past_curves,
            ("GET", "/public/get_yield_curve"): self.curve,
        }

    # ------------------------------------------------------------------------------------------------- bars

    def history(self, given: Parameters, category: Category) -> Row:
        """Bars of whole multiples of a quarter of an hour, or of a day, from one date through another."""
        market = self.market.market(given, category)
        try:
            start, end = _midnight(given.day("start")), _midnight(given.day("end")) + _DAY
            length = timedelta(milliseconds=given.whole("interval", 86_400_000))
        except OverflowError:
            raise invalid("start, end, interval: beyond all dates") from None
        if length <= timedelta(0) or length % (_DAY if length >= _DAY else _QUARTER):
            raise invalid("interval: a multiple of 15 minutes below a day, of a day above")
        if end <= start or (min(end, self._now()) - start) // length > _MOST_BUCKETS:
            raise invalid("start, end: out of order, or too many rows")
        period: Period = "day" if length >= _DAY else "hour" if not length % _HOUR else "minute"
        bars = [bar for bar in self._bars(market, period, start, end) if start <= bar.open_timestamp < end]
        return {"data": [self._bucket(market, at, group, length) for at, group in _grouped(bars, length)]}

    def _now(self) -> datetime:
        return self.market.core.now()

    def _bars(self, market: RateMarket, period: Period, start: datetime, end: datetime) -> list[Bar]:
        return self.market.core.bars(market.ticker, period, start, end)

    def _bucket(self, market: RateMarket, at: datetime, bars: list[Bar], length: timedelta) -> Row:
        moment = int(f"{at:%Y%m%d}") if length >= _DAY else millis(at)
        row = {"date": moment, **self._ohlc(market, bars)}
        return row if market.maturity is None else row | {"lendDepth": 0, "borrowDepth": 0}

    def _ohlc(self, market: RateMarket, bars: list[Bar]) -> Row:
        """Zeros where nothing traded."""
        prices = (0, 0, 0, 0)
        if bars:
            prices = (bars[0].open, bars[-1].close, max(bar.high for bar in bars), min(bar.low for bar in bars))
        row = {
            name: plain(market.price(wire)) for name, wire in zip(("open", "close", "high", "low"), prices, strict=True)
        }
        return row | {"volume": plain(market.quantity(sum(bar.volume for bar in bars))), "totalValue": "0"}

    def rates(self, given: Parameters) -> Row:
        """Daily bars of a token's markets, the dated ones by the days that they have left."""
        token, days = self.market.token(given), given.whole("daysToInclude", 365)
        if not 0 < days <= _MOST_BUCKETS:
            raise invalid(f"daysToInclude: {days}")
        spot = self.market.spot(token)
        fixed = {}
        for market in self.market.fixed_of(token, given):
            assert market.maturity is not None
            left = days_to(market.maturity, self._now())
            fixed[str(left)] = [row | {"daysToMaturity": left} for row in self._daily(market, days)]
        return {"floating": [row | {"tokenId": token.id} for row in self._daily(spot, days)], "fixed": fixed}

    def _daily(self, market: RateMarket, days: int) -> list[Row]:
        today = _midnight(self._now().date())
        price = self.market.core.prices[market.token.code]
        rows = []
        for at, bars in _grouped(self._bars(market, "day", today - days * _DAY, self._now()), _DAY):
            row = {"date": millis(at), **self._ohlc(market, bars)}
            row |= {"usdValue": plain(price), "lendDepth": 0, "borrowDepth": 0}
            rows.append(row | {"numDaysAgo": (today - at) // _DAY, "instrumentId": market.ticker})
        return rows

    # ------------------------------------------------------------------------------------------------- a day ago

    def snapshot(self, given: Parameters) -> Row:
        """Rates now and a day ago, by token."""
        if given.has("tokenId"):
            tokens: Iterable[Token] = [self.market.token(given)]
        else:
            tokens = traded_tokens(self.market.core.tokens.values())
        return {
            str(token.id): [self._day_old(m) for m in (self.market.spot(token), *self.market.fixed_of(token, given))]
            for token in tokens
        }

    def _day_old(self, market: RateMarket) -> Row:
        values, day = self.market.valuation, self.market.day(market)
        rate, mid = values.last_rate(market) or Decimal(0), values.mid(market) or Decimal(0)
        before = Decimal(day["rate24"])
        row: Row = {
            "marketId": market.market_id,
            "instrumentId": market.ticker,
            "tokenId": market.token.id,
            "rate": plain(rate),
            "midRate": plain(mid),
            "volume24": day["volume24"],
            "rate24": plain(before),
            "midRate24": plain(before),
            "rateDelta24": plain(rate - before),
            "midRateDelta24": plain(mid - before),
        }
        if market.maturity is None:
            lent, borrowed = (plain(round(rate * share, 6)) for share in _AAVE)
            return row | {"aaveLendRate": lent, "aaveBorrowRate": borrowed}
        left = days_to(market.maturity, self._now())
        return row | {"daysToMaturity": left, "maturityDate": millis(market.maturity)}

    # ------------------------------------------------------------------------------------------------- total value

    def note_total(self) -> None:
        """Remember what the venue holds now."""
        self.totals.append((self._now(), self._total()))

    def _total(self) -> Decimal:
        core = self.market.core
        amounts = (token.currency.amount(core.had(code)) * core.prices[code] for code, token in core.tokens.items())
        return sum(amounts, Decimal(0))

    def total_value(self, given: Parameters) -> Row:
        """What the venue held at each roll-over, and holds now."""
        limit = given.limit(365, 365)
        rows = [*self.totals, (self._now(), self._total())][-limit:]
        return {"data": [{"date": millis(at), "totalValue": plain(round(total, 2))} for at, total in rows]}

    # ------------------------------------------------------------------------------------------------- curves

    def curve(self, given: Parameters) -> Row:
        """Interpolated rates: of the listed markets, or of every day of a year."""
        token = self.market.token(given)
        markets = {market.ticker: market for market in self.market.core.markets(token.code)}
        if not given.flag("fullYieldCurve"):
            return {"interpolatedRates": [self._point(token, market.maturity, True) for market in markets.values()]}
        today = self._now().date()
        rows = [self._point(token, None, True)]
        for number in range(1, _CURVE_DAYS):
            maturity = maturity_of(today + number * _DAY)
            rows.append(self._point(token, maturity, Instrument(token.code, maturity.date()).id in markets))
        return {"interpolatedRates": rows}

    def _point(self, token: Token, maturity: datetime | None, enable: bool) -> Row:
        years = Decimal(0) if maturity is None else year_fraction(maturity, self._now())
        rate = self.market.valuation.interpolated(token.code, years)
        day = None if maturity is None else maturity.date()
        row: Row = {
            "marketId": self.market.spot(token).market_id if day is None else dated_market_id(token, day),
            "instrumentId": Instrument(token.code, day).id,
            "tokenId": token.id,
            "interpolatedPx": plain(round(rate, 12)),
            "daysToMaturity": 0 if day is None else (day - self._now().date()).days,
            "enable": enable,
        }
        return row if maturity is None else row | {"maturityDate": millis(maturity)}

    def past_curves(self, given: Parameters) -> Row:
        """What the listed markets closed at on past days, by tenor; today it is their rate now."""
        token, days = self.market.token(given), given.whole("daysToInclude", 30)
        if not 0 < days <= _MOST_BUCKETS:
            raise invalid(f"daysToInclude: {days}")
        today = self._now().date()
        curves = {}
        for number in range(days, -1, -1):
            day = today - number * _DAY
            points = self._past_curve(token, day)
            if points:
                curves[day.isoformat()] = points
        return {"historicalCurve": curves}

    def _past_curve(self, token: Token, day: date) -> list[Row]:
        named: list[tuple[str, date | None]] = [("Float", None), *listed_dates(_midnight(day)).items()]
        rows = []
        for place, (label, until) in enumerate(named):
            market = self.market.core.market(Instrument(token.code, until).id)
            rate = None if market is None else self._closed_at(market, day)
            if market is not None and rate is not None:
                head = {"marketId": market.market_id, "instrumentId": market.ticker}
                rows.append(head | {"rate": plain(round(rate, 12)), "label": label, "xpos": place})
        return rows

    def _closed_at(self, market: RateMarket, day: date) -> Decimal | None:
        if day == self._now().date():
            return self.market.valuation.mid(market)
        begin = _midnight(day)
        bars = [bar for bar in self._bars(market, "day", begin, begin) if bar.open_timestamp == begin]
        return market.price(bars[0].close) if bars else None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(tzinfo=UTC))


def _grouped(bars: list[Bar], length: timedelta) -> list[tuple[datetime, list[Bar]]]:
    """Bars by the span they are in, and the empty spans between, oldest first."""
    groups: dict[datetime, list[Bar]] = {}
    for bar in bars:
        groups.setdefault(bar.open_timestamp - (bar.open_timestamp - _MONDAY) % length, []).append(bar)
    if not groups:
        return []
    first, last = min(groups), max(groups)
    return [(at, groups.get(at, [])) for n in range((last - first) // length + 1) for at in (first + n * length,)]
