"""Bars of minutes, hours and days out of trades.  Owns how a bar grows and when it closes; keeps no accounts.

A bar without trades does not exist.  When the first trade of a period comes, the bar of the period right before it is
closed and told; after a gap nothing is, as Sputnik does it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from attrs import evolve

from clients.exchange import Period
from ilp.simulation.records import Bar, Trade

__all__ = ["PERIODS", "Bars", "open_of"]

PERIODS: Mapping[Period, timedelta] = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def open_of(period: Period, at: datetime) -> datetime:
    """When the bar that *at* belongs to opened."""
    return at - (at - _EPOCH) % PERIODS[period]


class Bars:
    """All bars of one contract, by the time they open.

    :param limit: how many bars of each period are kept.
    """

    def __init__(self, contract: str, limit: int = 20_000) -> None:
        self._contract = contract
        self._limit = limit
        self._bars: dict[Period, dict[datetime, Bar]] = {period: {} for period in PERIODS}

    def add(self, trade: Trade) -> list[Bar]:
        """Count a trade in; returns the bars that are complete because of it."""
        closed = []
        for period in PERIODS:
            opened = open_of(period, trade.timestamp)
            bars = self._bars[period]
            if opened in bars:
                bars[opened] = _grown(bars[opened], trade)
                continue
            previous = bars.get(opened - PERIODS[period])
            if previous is not None:
                closed.append(previous)
            self.put(_fresh(self._contract, period, opened, trade))
        return closed

    def put(self, bar: Bar) -> None:
        """Set a whole bar, for instance one of a history from before this venue's first trade."""
        bars = self._bars[bar.period]
        bars[bar.open_timestamp] = bar
        if len(bars) > self._limit:
            del bars[next(iter(bars))]

    def keep(self, *periods: Period) -> None:
        """Forget the bars of all other periods."""
        for period in PERIODS.keys() - set(periods):
            self._bars[period].clear()

    def between(self, period: Period, start: datetime, end: datetime) -> list[Bar]:
        """Bars that overlap the interval, both ends included, oldest first; the running one too."""
        bars = self._bars[period].values()
        found = [bar for bar in bars if bar.open_timestamp <= end and bar.close_timestamp >= start]
        return sorted(found, key=lambda bar: bar.open_timestamp)


def _fresh(contract: str, period: Period, opened: datetime, trade: Trade) -> Bar:
    price = trade.price
    closes = opened + PERIODS[period] - _MICROSECOND
    return Bar(contract, period, price, price, price, price, trade.quantity, price, opened, closes)


def _grown(bar: Bar, trade: Trade) -> Bar:
    volume = bar.volume + trade.quantity
    return evolve(
        bar,
        high=max(bar.high, trade.price),
        low=min(bar.low, trade.price),
        close=trade.price,
        volume=volume,
        vwap=(bar.vwap * bar.volume + trade.quantity * trade.price) // volume,
    )
