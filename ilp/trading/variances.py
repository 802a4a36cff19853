"""Variances of the pool's assets: overrides of the operator, else estimated from histories, renewed once a period.

Owns where closes come from; the estimator is `ilp.pool.variance`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from attrs import define, field
from twisted.internet.defer import Deferred

from clients.exchange import OHLCV, ExchangeError, Period
from ilp.pool.variance import FEWEST_CLOSES, PERIODS, Close, Estimate, TooFewCloses, inverted, override, variance
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
    """What each asset's price varies by in a period, in numeraire².

    :ivar estimates: by asset, with their origin; an asset is missing while there is no estimate.
    :ivar problems: why one is missing, by asset.
    """

    rules: VarianceRules
    layout: Layout
    source: Historian
    feed: Historian | None
    now: Callable[[], datetime]
    estimates: dict[str, Estimate] = field(factory=dict)
    problems: dict[str, str] = field(factory=dict)

    def values(self) -> Mapping[str, float]:
        """By asset; empty while one is missing."""
        if any(asset not in self.estimates for asset in self.layout.assets[1:]):
            return {}
        return {asset: estimate.value for asset, estimate in self.estimates.items()}

    async def renew(self) -> None:
        """Read histories and estimate anew; an old estimate stays where that fails."""
        for asset in self.layout.assets[1:]:
            given = self._override(asset)
            if given is not None:
                self.estimates[asset] = given
                self.problems.pop(asset, None)
                continue
            try:
                self.estimates[asset] = await self._estimate(asset)
                self.problems.pop(asset, None)
            except (ExchangeError, NotImplementedError, TooFewCloses, ValueError) as error:
                self.problems[asset] = str(error)

    def _override(self, asset: str) -> Estimate | None:
        """An override is in numeraire² whichever way round its pair is written."""
        numeraire = self.layout.numeraire
        for pair in (f"{asset}/{numeraire}", f"{numeraire}/{asset}"):
            if pair in self.rules.overrides:
                return override(self.rules.overrides[pair], self.rules.period)
        return None

    async def _estimate(self, asset: str) -> Estimate:
        rules, layout = self.rules, self.layout
        if asset == layout.base:
            closes, measured = await self._closes(self.source, layout.source.ticker)
        elif self.feed is None:
            raise ValueError(f"{asset}: there is no rate feed to read a history from")
        else:
            closes, measured = await self._closes(self.feed, layout.rate_ticker)
            closes = inverted(closes)
        return variance(closes, rules.period, rules.window, measured, asset)

    async def _closes(self, historian: Historian, ticker: str) -> tuple[list[Close], Period]:
        """Closes by the period wanted, or by the day where there are no shorter bars."""
        periods: tuple[Period, ...] = (self.rules.period, "day") if self.rules.period != "day" else ("day",)
        for period in periods:
            span = max(self.rules.window * PERIODS[self.rules.period], 3 * FEWEST_CLOSES * PERIODS[period])
            try:
                bars = await historian.getOHLCVHistory(ticker, period, self.now() - span, self.now())
            except NotImplementedError:
                if period == periods[-1]:
                    raise
                continue
            return [(bar["close_timestamp"], bar["close"]) for bar in bars.values()], period
        raise ValueError(f"{ticker}: no history")  # not reached: the last period raises or returns
