"""Makes the markets of a simulated Infinity move: a rate for each token, a curve over its dates, quotes, customers.

The floating rate of a token goes back to its mean and is pushed by chance: `db = pull · (mean − b) · dt + noise · √dt · N`,
in steps of `STEP_S` world seconds.  The rate until a date T years away is fair at `b + premium · T / (T + ¼)`.  Customers
borrow or lend at random times, at the best rate if it is not too far from fair.  Every part draws from its own stream.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from math import exp, sqrt
from random import Random

from attrs import define, evolve, field, frozen
from twisted.internet.interfaces import IDelayedCall

from clients.exchange import Period, Side
from ilp.clock import WorldClock
from ilp.simulation.bars import PERIODS, open_of
from ilp.simulation.infinity.listings import RATE_SCALE, RateMarket, traded_tokens, year_fraction
from ilp.simulation.infinity.rates_core import RateCore
from ilp.simulation.maker import HouseMaker, Ladder
from ilp.simulation.records import Bar
from ilp.simulation.rejections import Rejection
from ilp.simulation.takers import Appetite

__all__ = ["CUSTOMERS", "MAKER", "RATES", "STEP_S", "RateDriver", "RateShape", "invent_history"]

MAKER, CUSTOMERS = "house-maker", "customers"
STEP_S = 20.0
_YEAR_S = 365 * 86_400.0
_MICROSECOND = timedelta(microseconds=1)
_FAVOUR = 0.5  # the share of wishes that are for a favourite market, or for a floating one where there is none
_BOOK = Ladder(8, Decimal("0.015"), Decimal("0.01"), Decimal(1), Decimal("0.5"))


@frozen
class RateShape:
    """How a token's rates behave; rates are fractions a year.

    :ivar pull: how fast the rate goes back to its mean, per year.
    :ivar noise: standard deviation after a year without pull.
    :ivar premium: what a far date pays more than the floating rate.
    :ivar size: quantity of a level of the book, in tokens.
    """

    mean: float
    pull: float = 40.0
    noise: float = 0.05
    premium: float = 0.012
    size: Decimal = Decimal(20)


RATES: Mapping[str, RateShape] = {
    "ETH": RateShape(0.019),
    "WBTC": RateShape(0.012, size=Decimal(2)),
    "USDT": RateShape(0.055, noise=0.12, size=Decimal(40_000)),
    "USDC": RateShape(0.048, noise=0.1, size=Decimal(40_000)),
    "DAI": RateShape(0.05, noise=0.1, size=Decimal(40_000)),
}
_LEAST_RATE = 0.002


def _step(shape: RateShape, rate: float, seconds: float, random: Random) -> float:
    """The rate some time later, exactly by the process."""
    keep = exp(-shape.pull * seconds / _YEAR_S)
    spread = shape.noise * sqrt((1 - keep * keep) / (2 * shape.pull))
    return max(_LEAST_RATE, shape.mean + (rate - shape.mean) * keep + random.gauss(0, spread))


def _fair(shape: RateShape, rate: float, years: float) -> float:
    return rate + shape.premium * years / (years + 0.25)


def _years(market: RateMarket, at: datetime) -> float:
    return 0.0 if market.maturity is None else float(year_fraction(market.maturity, at))


def _wire(market: RateMarket, rate: float) -> int:
    """A rate on the step; the only place where one leaves the floats."""
    return max(1, round(rate * RATE_SCALE / market.tick)) * market.tick


@define(eq=False)
class RateDriver:
    """All markets of one venue.

    :param customers: who trade at random; None for nobody.  `least` and `most` are shares of a level's size.
    :param ladders: the shape of the house's books by instrument, sizes as shares of the token's usual one.
    :param favourites: instruments that half of the customers want; floating ones where none is named.
    :ivar rates: the floating rate of each token now.
    """

    core: RateCore
    clock: WorldClock
    seed: str
    customers: Appetite | None = None
    ladders: Mapping[str, Ladder] = field(factory=dict)
    favourites: tuple[str, ...] = ()
    rates: dict[str, float] = field(init=False, factory=dict)
    makers: dict[str, HouseMaker] = field(init=False, factory=dict)
    _calls: dict[str, IDelayedCall] = field(init=False, factory=dict)
    _random: Random = field(init=False)
    _wishes: Random = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._random, self._wishes = Random(f"{self.seed}/rates"), Random(f"{self.seed}/customers")
        for token in traded_tokens(self.core.tokens.values()):
            self.rates[token.code] = float(self.core.indices[f"{token.code}-SPOT"].rate)

    def start(self) -> None:
        """Quote every market, and go on."""
        for code in self.rates:
            self.quote(code)
        self._await(self._step, STEP_S)
        self._await_wish()

    def stop(self) -> None:
        """Move no more; orders stay."""
        for call in self._calls.values():
            if call.active():
                call.cancel()
        self._calls.clear()

    def _await(self, what: Callable[[], None], seconds: float) -> None:
        self._calls[what.__name__] = self.clock.call_later(seconds, what)

    # ------------------------------------------------------------------------------------------------- quotes

    def _step(self) -> None:
        self._await(self._step, STEP_S)
        for code, rate in self.rates.items():
            self.rates[code] = _step(RATES[code], rate, STEP_S, self._random)
            self.quote(code)

    def quote(self, code: str) -> None:
        """Quote all markets of a token around its rate as it is now; what has matured is forgotten."""
        self.core.catch_up()
        shape, now = RATES[code], self.core.now()
        markets = {market.ticker: market for market in self.core.markets(code)}
        for name in [name for name in self.makers if name.startswith(f"{code}-") and name not in markets]:
            del self.makers[name]
        for name, market in markets.items():
            maker = self.makers.get(name)
            if maker is None:
                ladder = self.ladders.get(name, _BOOK)
                ladder = evolve(ladder, size=ladder.size * shape.size)
                draw = Random(f"{self.seed}/{name}/maker")
                maker = self.makers[name] = HouseMaker(self.core, MAKER, name, ladder, draw)
            maker.follow(_wire(market, _fair(shape, self.rates[code], _years(market, now))))

    # ------------------------------------------------------------------------------------------------- customers

    def _await_wish(self) -> None:
        if self.customers is not None:
            self._await(self._wish, self._wishes.expovariate(1 / self.customers.every))

    def _wish(self) -> None:
        """A customer comes, and trades if the best rate is not too far from fair."""
        self._await_wish()
        draw, appetite = self._wishes, self.customers
        assert appetite is not None  # nobody else has wishes
        market = self._wished(draw)
        side = Side.BUY if draw.random() < appetite.buys else Side.SELL
        quantity = self._quantity(market, draw.uniform(float(appetite.least), float(appetite.most)))
        book = self.core.book(market.ticker)
        rows = book.asks if side is Side.BUY else book.bids
        fair = _fair(RATES[market.token.code], self.rates[market.token.code], _years(market, self.core.now()))
        sign = 1 if side is Side.BUY else -1
        worst = _wire(market, fair * (1 + sign * float(appetite.tolerance)))
        if rows and quantity >= market.min_quantity and sign * (rows[0][0] - worst) <= 0:
            try:
                self.core.place(CUSTOMERS, market.ticker, side, rows[0][0], quantity, immediate=True)
            except Rejection:
                return  # the market closed in this moment, or the account is short of the token

    def _quantity(self, market: RateMarket, share: float) -> int:
        """A share of a level's size, in smallest units."""
        units = int(RATES[market.token.code].size * Decimal(repr(share)) * market.base.denominator)
        return units - units % market.lot

    def _wished(self, draw: Random) -> RateMarket:
        """What the next customer wants to trade."""
        favourites = [market for market in self.core.markets() if market.ticker in self.favourites]
        if favourites and draw.random() < _FAVOUR:
            return draw.choice(favourites)
        markets = self.core.markets(draw.choice(list(self.rates)))
        return markets[0] if draw.random() < _FAVOUR else draw.choice(markets)


# ------------------------------------------------------------------------------------------------------------- history


def invent_history(core: RateCore, seed: str, days: int = 60) -> None:
    """Give the markets a past of hours and days that ends at the rates of now; dated ones since a month at most."""
    now = core.now()
    hour = timedelta(hours=1)
    end = open_of("hour", now)
    for token in traded_tokens(core.tokens.values()):
        shape, draw = RATES[token.code], Random(f"{seed}/{token.code}/history")
        rate = float(core.indices[f"{token.code}-SPOT"].rate)
        path = [rate]
        for _ in range(days * 24):
            path.append(_step(shape, path[-1], 3600.0, draw))
        path.reverse()  # the process looks the same backwards, and so it ends at the rate of now
        for market in core.markets(token.code):
            hours = days * 24 if market.maturity is None else min(days, 30) * 24
            bars = []
            for number in range(hours):
                at = end - (hours - number) * hour
                here = path[len(path) - 1 - hours + number : len(path) + 1 - hours + number]
                years = _years(market, at)
                bars.append(_bar(market, at, [_wire(market, _fair(shape, one, years)) for one in here], draw))
            for bar in (*bars, *_days(bars, now)):
                core.load_bar(bar)


def _bar(market: RateMarket, at: datetime, ends: list[int], draw: Random) -> Bar:
    size = int(RATES[market.token.code].size * market.base.denominator) // market.lot
    volume = draw.randint(size // 4, size * 2) * market.lot
    high, low = max(ends) + draw.randint(0, 3) * market.tick, max(market.tick, min(ends) - market.tick)
    closes = at + PERIODS["hour"] - _MICROSECOND
    return Bar(market.ticker, "hour", ends[0], high, low, ends[-1], volume, (high + low) // 2, at, closes)


def _days(hours: list[Bar], now: datetime) -> list[Bar]:
    """Whole days out of hours, and the one that is under way."""
    period: Period = "day"
    groups: dict[datetime, list[Bar]] = {}
    for bar in hours:
        groups.setdefault(open_of(period, bar.open_timestamp), []).append(bar)
    return [
        Bar(
            bars[0].contract,
            period,
            bars[0].open,
            max(bar.high for bar in bars),
            min(bar.low for bar in bars),
            bars[-1].close,
            sum(bar.volume for bar in bars),
            sum(bar.vwap * bar.volume for bar in bars) // sum(bar.volume for bar in bars),
            opened,
            opened + PERIODS[period] - _MICROSECOND,
        )
        for opened, bars in groups.items()
        if opened <= now
    ]
