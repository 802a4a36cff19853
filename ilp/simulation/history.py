"""Bars from before a simulated venue opened: recorded ones, or of an invented past.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice
from random import Random

from attrs import evolve

from clients.exchange import Period
from ilp.simulation.bars import PERIODS, open_of
from ilp.simulation.contracts import Pair
from ilp.simulation.core import Core
from ilp.simulation.paths import Synthetic, synthetic, to_tick
from ilp.simulation.recordings import RecordedBar
from ilp.simulation.records import Bar

__all__ = ["days_of", "invented_hours", "preload", "shifted"]

_MICROSECOND = timedelta(microseconds=1)


def shifted(bars: Iterable[RecordedBar], by: timedelta) -> Iterator[RecordedBar]:
    """The same bars at another time."""
    return (bar._replace(start=bar.start + by) for bar in bars)


def days_of(hours: Iterable[RecordedBar]) -> list[RecordedBar]:
    """Days (UTC) out of shorter bars."""
    days: dict[datetime, RecordedBar] = {}
    for bar in hours:
        opened = open_of("day", bar.start)
        day = days.get(opened)
        if day is None:
            days[opened] = bar._replace(start=opened)
        else:
            days[opened] = RecordedBar(
                opened, day.open, max(day.high, bar.high), min(day.low, bar.low), bar.close, day.volume + bar.volume
            )
    return list(days.values())


def invented_hours(
    shape: Synthetic, pair: Pair, last: Decimal, until: datetime, count: int, random: Random
) -> list[RecordedBar]:
    """*count* whole hours of a synthetic past that ends before *until* near the price *last*.

    The process runs forward and is then scaled so that it ends at *last*; each hour is made of four moves.
    """
    if count <= 0:
        return []
    quarters = evolve(shape, every=900.0, volume=Decimal(0))
    begin = open_of("hour", until) - timedelta(hours=count)
    prices = [pair.price(move.price) for move in islice(synthetic(quarters, pair, last, begin, random), 4 * count + 1)]
    scaled = [price * last / prices[-1] for price in prices]
    return [_hour(begin + timedelta(hours=n), scaled[4 * n : 4 * n + 5], shape.volume / 24) for n in range(count)]


def _hour(opened: datetime, prices: list[Decimal], volume: Decimal) -> RecordedBar:
    return RecordedBar(opened, prices[0], max(prices), min(prices), prices[-1], volume)


def preload(
    core: Core,
    contract: str,
    period: Period,
    bars: Iterable[RecordedBar],
    until: datetime,
    rate: Callable[[datetime], Decimal | None] = lambda at: Decimal(1),
) -> None:
    """Give *core* the bars that were complete at *until*, their prices times the *rate* of their time.

    The volume-weighted price, which the recordings lack, is taken as the mean of high, low and close.
    """
    pair = core.pairs[contract]
    for bar in bars:
        factor = rate(bar.start)
        closes = bar.start + PERIODS[period] - _MICROSECOND
        if factor is not None and closes < until:
            core.load_bar(_bar(pair, period, bar, factor, closes))


def _bar(pair: Pair, period: Period, bar: RecordedBar, factor: Decimal, closes: datetime) -> Bar:
    return Bar(
        pair.ticker,
        period,
        to_tick(pair, bar.open * factor),
        to_tick(pair, bar.high * factor),
        to_tick(pair, bar.low * factor),
        to_tick(pair, bar.close * factor),
        int(bar.volume * pair.base.denominator),
        to_tick(pair, (bar.high + bar.low + bar.close) / 3 * factor),
        bar.start,
        closes,
    )
