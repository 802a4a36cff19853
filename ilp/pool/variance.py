"""How much prices change: variances and covariances a period from histories of closing prices.

Owns the estimator, the names of windows, and what happens with gaps, outliers and too little data.  Knows nothing of
where histories come from or when they are renewed.

- *Gaps*: a change over k periods without a close counts as a change divided by √k (what a random walk makes of it);
  a gap longer than `LONGEST_GAP` periods is a hole in the data and its change is left out.
- *Outliers* are kept: a jump that happened is the risk that is meant.  Closes that are not positive and finite are bad
  data and left out.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
from attrs import frozen

__all__ = [
    "FEWEST_CLOSES",
    "LONGEST_GAP",
    "PERIODS",
    "SHORTEST_WINDOW",
    "Close",
    "Estimate",
    "TooFewCloses",
    "covariance",
    "inverted",
    "override",
    "variance",
    "window_periods",
]

Close = tuple[datetime, Decimal | float]

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


def inverted(closes: Iterable[Close]) -> list[Close]:
    """Closes of B/A out of those of A/B, for feeds that quote the other way round."""
    return [(when, 1 / float(price)) for when, price in closes if float(price) > 0]


def _usable(closes: Iterable[Close], window: int, step: timedelta) -> list[tuple[datetime, float]]:
    """Good closes in order of time, one a period, no older than the window before the newest."""
    good = {when: float(price) for when, price in closes if math.isfinite(float(price)) and float(price) > 0}
    ordered = sorted(good.items())
    return [item for item in ordered if ordered[-1][0] - item[0] <= window * step]


def _changes(closes: Sequence[tuple[datetime, float]], step: timedelta) -> dict[datetime, float]:
    """Change a period, by the time of the later close."""
    found = {}
    for (before, old), (after, new) in itertools.pairwise(closes):
        periods = (after - before) / step
        if 0 < periods <= LONGEST_GAP:
            found[after] = (new - old) / math.sqrt(max(1.0, periods))
    return found


def variance(
    closes: Iterable[Close], period: str, window: int, measured: str | None = None, name: str = "the price"
) -> Estimate:
    """Sample variance of the period-to-period changes of *closes* over the last *window* periods.

    :param closes: (time, closing price in numeraire), in any order, with gaps.
    :param measured: the period of the closes where it is longer than *period*: a feed that has days only.  The result
        is scaled down by time and marked so.
    :raises TooFewCloses: fewer than 10 closes, or fewer than 2 changes between them.
    """
    measured = measured or period
    step, wanted = PERIODS[measured], PERIODS[period]
    usable = _usable(closes, max(window * wanted // step, SHORTEST_WINDOW), step)
    changes = _changes(usable, step)
    if len(usable) < FEWEST_CLOSES or len(changes) < 2:
        raise TooFewCloses(f"{name}: {len(usable)} closes of a {measured}; at least {FEWEST_CLOSES} make an estimate")
    value = float(np.var(list(changes.values()), ddof=1)) * (wanted / step)
    return Estimate(value, period, len(usable), usable[-1][0], step != wanted, "history")


def covariance(
    histories: Mapping[str, Iterable[Close]], variances: Mapping[str, Estimate], measured: str, window: int
) -> tuple[tuple[str, ...], tuple[tuple[float, ...], ...]]:
    """(assets, covariance matrix a period) with the given *variances* on the diagonal.

    Correlations come from the changes that all histories have in common, so the matrix is positive semidefinite; with
    fewer than 10 of them, and for assets without a history, they are 0.
    """
    assets = tuple(variances)
    step = PERIODS[measured]
    changes = {asset: _changes(_usable(histories[asset], window, step), step) for asset in assets if asset in histories}
    changes = {asset: found for asset, found in changes.items() if len(found) >= FEWEST_CLOSES - 1}
    common = sorted(set.intersection(*map(set, changes.values()))) if changes else []
    correlation = np.eye(len(assets))
    if len(common) >= FEWEST_CLOSES - 1 and len(changes) > 1:
        moving = [asset for asset, found in changes.items() if len({found[when] for when in common}) > 1]
        places = [assets.index(asset) for asset in moving]
        table = np.array([[changes[asset][when] for when in common] for asset in moving])
        if len(moving) > 1:
            correlation[np.ix_(places, places)] = np.corrcoef(table)
            np.fill_diagonal(correlation, 1.0)
    deviations = np.sqrt([variances[asset].value for asset in assets])
    matrix = correlation * np.outer(deviations, deviations)
    for place, asset in enumerate(assets):
        matrix[place, place] = variances[asset].value
    return assets, tuple(tuple(float(cell) for cell in row) for row in (matrix + matrix.T) / 2)
