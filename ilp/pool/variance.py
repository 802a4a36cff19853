"""How much prices change: variances and covariances a period from histories of closing prices.

Owns the estimators, the names of windows, and what happens with gaps, outliers and too little data.  Knows nothing of
where histories come from or when they are renewed.

- *Gaps*: a change over k periods without a close counts as a change divided by √k (what a random walk makes of it);
  a gap longer than `LONGEST_GAP` periods is a hole in the data and its change is left out.
- *Outliers* are kept: a jump that happened is the risk that is meant.  Closes that are not positive and finite are bad
  data and left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import chain
from typing import Any

import numpy as np
from attrs import frozen

__all__ = [
    "FEWEST_CLOSES",
    "LONGEST_GAP",
    "PERIODS",
    "SHORTEST_WINDOW",
    "Closes",
    "Estimate",
    "Matrix",
    "TooFewCloses",
    "covariance",
    "override",
    "variance",
    "window_periods",
]

Matrix = tuple[tuple[float, ...], ...]
_Array = np.ndarray[Any, np.dtype[np.float64]]

PERIODS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
_WINDOWS = {
    "week": timedelta(days=7),
    "month": timedelta(days=30),
    "quarter": timedelta(days=91),
    "year": timedelta(days=365),
}
SHORTEST_WINDOW = 12  # periods
FEWEST_CLOSES = 10
LONGEST_GAP = 10  # periods


class TooFewCloses(ValueError):
    """There is no estimate; do not trade until there is an override or more data."""


@frozen
class Estimate:
    """The variance of one period's change of a price.

    :ivar value: numeraire², per `period`.
    :ivar closes: how many closing prices it rests on; 0 for an override.
    :ivar newest: time of the last of them; None for an override.
    :ivar scaled: whether it was measured over longer periods and scaled down by time.
    :ivar origin: `history` or `override`.
    """

    value: float
    period: str
    closes: int
    newest: datetime | None
    scaled: bool
    origin: str

    def age(self, now: datetime) -> timedelta | None:
        """Time since its newest close; None for an override, which has no age."""
        return None if self.newest is None else now - self.newest


def window_periods(window: int | str, period: str) -> int:
    """A window as a number of periods.

    :param window: a number of periods, or `week`, `month` (30 days), `quarter` (91) or `year` (365).
    :raises ValueError: for unknown names and for windows of fewer than 12 periods.
    """
    if period not in PERIODS:
        raise ValueError(f"variance_period: {period!r} is not allowed; minute, hour or day is")
    if isinstance(window, str) and window in _WINDOWS:
        count = _WINDOWS[window] // PERIODS[period]
    else:
        try:
            count = int(window)
        except ValueError:
            allowed = "a number of periods, week, month, quarter or year"
            raise ValueError(f"variance_window: {window!r} is not allowed; {allowed} is") from None
    if count < SHORTEST_WINDOW:
        raise ValueError(f"variance_window: {window} is {count} periods of a {period}; at least {SHORTEST_WINDOW}")
    return count


def override(value: Decimal | float, period: str) -> Estimate:
    """A variance that the operator gave."""
    return Estimate(float(value), period, 0, None, False, "override")


@frozen(eq=False)
class Closes:
    """The good closing prices of a history.

    :ivar times: seconds since the beginning of 1970, UTC, ascending, each once.
    :ivar prices: at these times, in numeraire, positive.
    :ivar period: of its bars: `minute`, `hour` or `day`.
    """

    times: _Array
    prices: _Array
    period: str

    @classmethod
    def of(cls, closes: Iterable[tuple[float, float]], period: str, inverse: bool = False) -> Closes:
        """From (seconds, closing price) in any order, with gaps; of several at one time the last counts.

        :param inverse: the prices are those of A/B where B/A is wanted, from a feed that quotes the other way round.
        """
        table = np.fromiter(chain.from_iterable(closes), np.float64).reshape(-1, 2)[::-1]
        table = table[np.isfinite(table).all(axis=1) & (table[:, 1] > 0)]
        times, where = np.unique(table[:, 0], return_index=True)
        prices = table[where, 1]
        return cls(times, 1 / prices if inverse else prices, period)

    def within(self, window: int) -> Closes:
        """Those that are no older than so many periods before the newest."""
        if not len(self.times):
            return self
        recent = self.times >= self.times[-1] - window * self.step
        return Closes(self.times[recent], self.prices[recent], self.period)

    @property
    def step(self) -> float:
        """Seconds of a period."""
        return PERIODS[self.period].total_seconds()

    def changes(self) -> _Array:
        """Changes a period, in order of time; those over holes are left out."""
        gaps = np.diff(self.times) / self.step
        whole = gaps <= LONGEST_GAP
        return np.asarray(np.diff(self.prices)[whole] / np.sqrt(np.maximum(1.0, gaps[whole])))


def _periods(window: int, period: str, measured: str) -> int:
    """A window in periods of the closes, where those are longer than the *period* that it is given in."""
    return max(window * PERIODS[period] // PERIODS[measured], SHORTEST_WINDOW)


def variance(closes: Closes, period: str, window: int, name: str = "the price") -> Estimate:
    """Sample variance of the period-to-period changes of *closes* over the last *window* periods.

    Where the closes are those of a longer period (a feed that has days only) the result is scaled down by time, and marked.

    :raises TooFewCloses: fewer than 10 closes, or fewer than 2 changes between them.
    """
    usable = closes.within(_periods(window, period, closes.period))
    changes, count = usable.changes(), len(usable.times)
    if count < FEWEST_CLOSES or len(changes) < 2:
        raise TooFewCloses(f"{name}: {count} closes of a {closes.period}; at least {FEWEST_CLOSES} make an estimate")
    value = float(np.var(changes, ddof=1)) * (PERIODS[period].total_seconds() / closes.step)
    newest = datetime.fromtimestamp(float(usable.times[-1]), UTC)
    return Estimate(value, period, count, newest, closes.period != period, "history")


def _shared(histories: Sequence[Closes]) -> list[Closes]:
    """The closes of each at the times that all of them have one for."""
    slowest = max(histories, key=lambda closes: closes.step)
    times, places = slowest.times, []
    there = np.ones(len(times), bool)
    for closes in histories:
        place = np.searchsorted(closes.times, times, side="right") - 1
        there &= (place >= 0) & (times - closes.times[place] < closes.step)
        places.append(place)
    return [
        Closes(times[there], closes.prices[place[there]], slowest.period)
        for closes, place in zip(histories, places, strict=True)
    ]


def covariance(histories: Mapping[str, Closes], variances: Mapping[str, Estimate], period: str, window: int) -> Matrix:
    """The covariance matrix a period, by asset in the order of *variances*, which are its diagonal.

    Correlations come from the changes between closes that all histories have, so the matrix is positive semidefinite: at the
    times of the one with the longest periods, where each other one's last close counts that is younger than its own period.
    With fewer than 10 such times, and for assets without a history, they are 0.
    """
    assets = tuple(variances)
    known = [asset for asset in assets if asset in histories]
    correlation = np.eye(len(assets))
    if len(known) > 1:
        shared = _shared([histories[asset] for asset in known])
        changes = np.array([each.within(_periods(window, period, each.period)).changes() for each in shared])
        moving = changes.std(axis=1) > 0 if changes.shape[1] >= FEWEST_CLOSES - 1 else np.zeros(len(known), bool)
        places = [assets.index(asset) for asset, moves in zip(known, moving, strict=True) if moves]
        if len(places) > 1:
            correlation[np.ix_(places, places)] = np.corrcoef(changes[moving])
            np.fill_diagonal(correlation, 1.0)
    deviations = np.sqrt([variances[asset].value for asset in assets])
    matrix = correlation * np.outer(deviations, deviations)
    for place, asset in enumerate(assets):
        matrix[place, place] = variances[asset].value
    return tuple(tuple(float(cell) for cell in row) for row in (matrix + matrix.T) / 2)
