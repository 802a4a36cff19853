"""Variances and covariances of the pool's assets: overrides of the operator, else from histories, renewed once a period.

Owns where closes come from; the estimators are `ilp.pool.variance`'s.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

from attrs import define, field
from twisted.internet.defer import Deferred

from clients.calls import in_parts
from clients.exchange import OHLCV, ExchangeError, Period
from ilp.clock import WorldClock
from ilp.pool.variance import (
    FEWEST_CLOSES,
    PERIODS,
    Closes,
    Estimate,
    Matrix,
    TooFewCloses,
    covariance,
    override,
    variance,
)
from ilp.settings import VarianceRules
from ilp.trading.layout import Layout

__all__ = ["Historian", "Variances"]


class Historian(Protocol):
    """Whoever has bars: a venue or a feed."""

    def getOHLCVHistory(
        self, ticker: str, period: Any, start: datetime, end: datetime
    ) -> Deferred[dict[datetime, OHLCV]]: ...


@define(eq=False)
class Variances:
    """What the prices of the assets vary by in a period, each and together, in numeraire².

    :ivar estimates: by asset, with their origin; an asset is missing while there is no estimate.
    :ivar problems: why one is missing, by asset.
    :ivar covariance: by asset, the numeraire left out; empty while an estimate is missing.
    """

    rules: VarianceRules
    layout: Layout
    source: Historian
    feed: Historian | None
    clock: WorldClock
    estimates: dict[str, Estimate] = field(factory=dict)
    problems: dict[str, str] = field(factory=dict)
    covariance: Matrix = ()
    _histories: dict[str, Closes] = field(init=False, factory=dict)

    def correlation(self, asset: str, other: str) -> float | None:
        """Of two assets' changes: −1 to 1; None while it is not known, and where one of them does not move."""
        if not self.covariance:
            return None
        i, j = (self.layout.assets.index(each) - 1 for each in (asset, other))
        both: float = (self.covariance[i][i] * self.covariance[j][j]) ** 0.5
        return self.covariance[i][j] / both if both > 0 else None

    async def renew(self) -> None:
        """Read histories and estimate anew; an old estimate stays where that fails."""
        for asset in self.layout.assets[1:]:
            given = self._override(asset)
            if given is not None:
                self.estimates[asset] = given
                self._histories.pop(asset, None)
                self.problems.pop(asset, None)
                continue
            try:
                closes = await self._closes(asset)
                self.estimates[asset] = variance(closes, self.rules.period, self.rules.window, asset)
                self._histories[asset] = closes
                self.problems.pop(asset, None)
            except (ExchangeError, NotImplementedError, TooFewCloses, ValueError) as error:
                self.problems[asset] = str(error)
        if all(asset in self.estimates for asset in self.layout.assets[1:]):
            ordered = {asset: self.estimates[asset] for asset in self.layout.assets[1:]}
            self.covariance = covariance(self._histories, ordered, self.rules.period, self.rules.window)

    def _override(self, asset: str) -> Estimate | None:
        """An override is in numeraire² whichever way round its pair is written."""
        numeraire = self.layout.numeraire
        for pair in (f"{asset}/{numeraire}", f"{numeraire}/{asset}"):
            if pair in self.rules.overrides:
                return override(self.rules.overrides[pair], self.rules.period)
        return None

    async def _closes(self, asset: str) -> Closes:
        if asset == self.layout.base:
            return await self._read(self.source, self.layout.source.ticker)
        if self.feed is None:
            raise ValueError(f"{asset}: there is no rate feed to read a history from")
        return await self._read(self.feed, self.layout.rate_ticker, inverse=True)

    async def _read(self, historian: Historian, ticker: str, *, inverse: bool = False) -> Closes:
        """Closes by the period wanted, or by the day where there are no shorter bars."""
        periods: tuple[Period, ...] = (self.rules.period, "day") if self.rules.period != "day" else ("day",)
        for period in periods:
            span = max(self.rules.window * PERIODS[self.rules.period], 3 * FEWEST_CLOSES * PERIODS[period])
            now = self.clock.now()
            try:
                bars = await historian.getOHLCVHistory(ticker, period, now - span, now)
            except NotImplementedError:
                if period == periods[-1]:
                    raise
                continue
            over = (bar for bar in bars.values() if bar["close_timestamp"] <= now)  # the newest may still be growing
            read = ((bar["close_timestamp"].timestamp(), float(bar["close"])) for bar in over)
            return Closes.of(await in_parts(read, self.clock.reactor), period, inverse)
        raise ValueError(f"{ticker}: no history")  # not reached: the last period raises or returns
