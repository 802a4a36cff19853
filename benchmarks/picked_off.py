"""How often a taker could have picked off quotes made with a rate of a given age, over recorded USD/MXN.

usage: python -m benchmarks.picked_off [--data FOLDER] [--edge BP]

A quote on the target is the source's price times the rate, plus the edge.  While the rate is *age* old, the market's own
rate has moved; where its bid is above the ask that we reckon with, or its ask below our bid, by more than the edge, whoever
takes our quote and converts at the market earns the difference, and we lose it.  The tables say in what share of all moments
that was so, and how much was lost on average then, for rates that widen with `rate_age_factor` 0, 1, 2 and 3.3.

The first table is from bid and ask every five seconds of one session (2023-10-06, from just after the payrolls to the
close).  The second is from the ECB's fixings against six-hour averages of 2010 to 2023, of which the market's half spread is
taken to be 1.4 bp.  The third is what `clients.rates_arithmetic.drift` rests on.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import math
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import fmean
from zoneinfo import ZoneInfo

from attrs import frozen

from clients.rates_arithmetic import drift, fixing_time, standard_error
from ilp.settings_keys import find

__all__ = ["FACTORS", "Exposure", "Tick", "exposures", "fixings", "moves", "pairs_at", "six_hours", "ticks"]

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "fx"
TICKS, SIX_HOURS = "usdmxn_5s_bidask_2023-10-06.csv.gz", "usdmxn_6h_2010-2023.csv.gz"
FIXINGS = "ecb_eurofxref-hist.csv.gz"
PAIR = "USD/MXN"
FACTORS = (0.0, 1.0, 2.0, 3.3)
AGES = (5, 60, 300, 900, 1800, 3600, 7200, 14_400)  # seconds; all on the five-second grid of the recording
COLUMNS = ((0, 8), (8, 14), (14, 20), (20, 26), (26, 80), (80, 150))  # hours, as the table of standard errors has them
HALF_MARKET = 1.4e-4
_NEW_YORK = ZoneInfo("America/New_York")


@frozen
class Tick:
    """The market at one instant, in pesos for a dollar."""

    bid: float
    ask: float

    @property
    def mid(self) -> float:
        """Between the two."""
        return (self.bid + self.ask) / 2


@frozen
class Exposure:
    """Of so many moments, the share in which a quote could be picked off, and the mean loss then, as a fraction."""

    moments: int
    share: float
    loss: float


def exposures(pairs: Iterable[tuple[float, Tick]], half: float, edge: float = 0.0) -> Exposure:
    """What quotes with the older mid and a *half* spread lose to the market of now.

    :param pairs: the mid that is reckoned with, and the market when it is.
    :param edge: fraction by which a quote is better for us than its reference.
    """
    losses, moments = [], 0
    for mid, now in pairs:
        moments += 1
        loss = max(now.bid / (mid * (1 + half)) - 1, mid * (1 - half) / now.ask - 1) - edge
        if loss > 0:
            losses.append(loss)
    return Exposure(moments, len(losses) / moments if moments else 0.0, fmean(losses) if losses else 0.0)


def pairs_at(market: Mapping[int, Tick], age: int) -> Iterator[tuple[float, Tick]]:
    """Each moment with the mid of *age* seconds before; moments before which nothing was recorded then are left out."""
    for at, now in market.items():
        if (before := market.get(at - age)) is not None:
            yield before.mid, now


def moves(closes: Sequence[tuple[datetime, float]], apart: timedelta) -> float:
    """Root mean square of the change over *apart*, as a fraction."""
    times = [at for at, _ in closes]
    squares = []
    for at, value in closes:
        place = bisect_left(times, at + apart)
        if place < len(times) and times[place] - at < apart + timedelta(minutes=65):  # daylight saving moves an hour
            squares.append(math.log(closes[place][1] / value) ** 2)
    return math.sqrt(fmean(squares)) if squares else 0.0


# ------------------------------------------------------------------------------------------------------- recordings


def _rows(file: Path) -> Iterator[dict[str, str]]:
    with gzip.open(file, "rt", encoding="ascii", newline="") as text:
        yield from csv.DictReader(text)


def ticks(file: Path) -> dict[int, Tick]:
    """Closing bid and ask of every five seconds, by their time in seconds."""
    return {int(row["ts"]): Tick(float(row["bid_c"]), float(row["ask_c"])) for row in _rows(file)}


def six_hours(file: Path) -> list[tuple[datetime, float]]:
    """The average of each six-hour window, by the middle of the window."""
    found = []
    for row in _rows(file):
        start = datetime.fromisoformat(row["local_time"]).replace(tzinfo=_NEW_YORK)
        found.append((start + timedelta(hours=3), float(row["vwap"])))
    return sorted(found)


def fixings(file: Path) -> list[tuple[datetime, float]]:
    """The ECB's USD/MXN by the time of the fixing, oldest first."""
    rows = [row for row in _rows(file) if row["MXN"] not in ("", "N/A")]
    return sorted((fixing_time(date.fromisoformat(row["Date"])), float(row["MXN"]) / float(row["USD"])) for row in rows)


def _by_age(
    fixed: Sequence[tuple[datetime, float]], market: Sequence[tuple[datetime, float]], low: int, high: int
) -> Iterator[tuple[float, Tick]]:
    times = [at + timedelta(minutes=105) for at, _ in fixed]  # published at four
    for at, value in market:
        place = bisect_right(times, at) - 1
        if place >= 0 and timedelta(hours=low) <= at - fixed[place][0] < timedelta(hours=high):
            yield fixed[place][1], Tick(value * (1 - HALF_MARKET), value * (1 + HALF_MARKET))


# ------------------------------------------------------------------------------------------------------------ tables


def _row(name: str, pairs: Callable[[], Iterable[tuple[float, Tick]]], error: float, spread: float, edge: float) -> str:
    cells, moments = [], 0
    for factor in FACTORS:
        found = exposures(pairs(), spread + factor * error, edge)
        moments = found.moments
        cells.append(f"{found.share:6.1%} {found.loss * 1e4:5.1f}")
    return f"| {name:>9} | {moments:6} | {error * 1e4:5.1f} | " + " | ".join(cells) + " |"


def _head(title: str) -> str:
    factors = " | ".join(f"factor {factor:g}" for factor in FACTORS)
    return f"\n{title}\n\n| age | moments | s(age), bp | {factors} |\n|---|---|---|---|---|---|---|"


def _report(folder: Path, edge: float) -> None:
    key = find("data", "rate_spread")
    assert key is not None and key.default is not None
    spread = float(key.default)
    print(f"rate_spread {spread * 1e4:g} bp, edge {edge * 1e4:g} bp; each cell: share of moments, mean loss then in bp")
    market = ticks(folder / TICKS)
    print(_head("A feed within the day, 2023-10-06, every 5 s"))
    for age in AGES:
        error = float(drift(PAIR, timedelta(seconds=age)))
        print(_row(_age(age), partial(pairs_at, market, age), error, spread, edge))
    fixed, windows = fixings(folder / FIXINGS), six_hours(folder / SIX_HOURS)
    print(_head("The ECB's fixing, 2010-2023, six-hour windows"))
    for low, high in COLUMNS:
        error = float(standard_error(PAIR, timedelta(hours=low)))
        print(_row(f"{low}-{high} h", partial(_by_age, fixed, windows, low, high), error, spread, edge))
    print("\nStandard deviation of six-hour averages' changes, bp, and what it comes to in a day\n")
    print("| pair | 6 h | 12 h | 24 h | 48 h | twice that of 6 h |\n|---|---|---|---|---|---|")
    for name in ("usdmxn", "usdhuf", "eurusd", "eurhuf"):
        closes = six_hours(folder / f"{name}_6h_2010-2023.csv.gz")
        over = [moves(closes, timedelta(hours=hours)) * 1e4 for hours in (6, 12, 24, 48)]
        print(f"| {name} | " + " | ".join(f"{move:.1f}" for move in over) + f" | {2 * over[0]:.1f} |")


def _age(seconds: int) -> str:
    if seconds < 60:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 3600 else f"{seconds // 3600} h"


def main() -> int:
    """Print the tables; 1 where the recordings are not there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the recordings")
    parser.add_argument("--edge", type=float, default=0.0, help="edge of the quotes in basis points (default: 0)")
    options = parser.parse_args()
    if not (options.data / TICKS).exists():
        print(f"{options.data / TICKS} is not there; the recordings do not ship with the program", file=sys.stderr)
        return 1
    _report(options.data, options.edge / 1e4)
    return 0


if __name__ == "__main__":
    sys.exit(main())
