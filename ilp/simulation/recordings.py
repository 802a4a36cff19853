"""Recorded prices that ship with the product: loads them as plain values.

Knows the files' layout and nothing of venues, drivers or clocks.  Where the data come from says `data/NOTICE.md`.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

__all__ = ["FIXINGS", "HOURS", "MINUTES", "RecordedBar", "RecordingError", "load_bars", "load_fixings"]

_DATA = Path(__file__).parent / "data"

#: BTC/USD, one bar a minute, 2019-07-30 to 2019-08-05.
MINUTES = _DATA / "btcusd_1m.csv.gz"
#: BTC/USD, one bar an hour, 2019-03-01 to 2019-08-05.
HOURS = _DATA / "btcusd_1h.csv.gz"
#: The ECB's reference rates, 2018-07-02 to 2019-08-16.
FIXINGS = _DATA / "ecb_fixings.csv"

_COLUMNS = ["ts", "open", "high", "low", "close", "volume"]


class RecordingError(Exception):
    """A recording is missing or damaged; one sentence that names the file and says what to do."""


class RecordedBar(NamedTuple):
    """A traded stretch of time; prices in quote currency per unit of base, `volume` in base, low <= open, close <= high.

    :ivar start: its first instant, aware UTC.
    """

    start: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


def load_bars(file: Path = MINUTES) -> tuple[RecordedBar, ...]:
    """All bars of a file (compressed or not), in order of time; `RecordingError` when it cannot be had whole."""
    rows = _rows(file)
    if (header := next(rows, [])) != _COLUMNS:
        raise RecordingError(f"{file}: the first line is {','.join(header)!r}; it has to be {','.join(_COLUMNS)!r}")
    bars = []
    for number, row in enumerate(rows, 2):
        try:
            bars.append(_bar(row))
        except (ValueError, InvalidOperation, OverflowError) as e:
            raise RecordingError(f"{file}, line {number}: {','.join(row)!r} is not a bar: {e}") from e
    if not bars:
        raise RecordingError(f"{file} has no bars")
    for before, after in pairwise(bars):
        if before.start >= after.start:
            raise RecordingError(f"{file}: the bar of {after.start:%Y-%m-%d %H:%M} comes after a later one")
    return tuple(bars)


def _bar(row: list[str]) -> RecordedBar:
    stamp, *values = row
    bar = RecordedBar(datetime.fromtimestamp(int(stamp), UTC), *(Decimal(value) for value in _five(values)))
    if not (0 < bar.low <= min(bar.open, bar.close) and max(bar.open, bar.close) <= bar.high and bar.volume >= 0):
        raise ValueError("its prices are not 0 < low <= open, close <= high, or its volume is negative")
    return bar


def _five(values: list[str]) -> list[str]:
    if len(values) != 5:
        raise ValueError(f"it has {len(values) + 1} columns instead of 6")
    return values


def load_fixings(file: Path = FIXINGS) -> Mapping[date, Mapping[str, Decimal]]:
    """Units of each currency for one euro, by day, oldest first; a currency that was not fixed on a day is absent there."""
    rows = _rows(file)
    header = next(rows, [])
    if header[:1] != ["Date"]:
        raise RecordingError(f"{file}: the first line does not begin with 'Date'; it has to be the ECB's CSV")
    fixings = {}
    for number, row in enumerate(rows, 2):
        try:
            rates = zip(header[1:], row[1:], strict=True)
            fixings[date.fromisoformat(row[0])] = {c: Decimal(v) for c, v in rates if c and v not in ("N/A", "")}
        except (ValueError, InvalidOperation) as e:
            raise RecordingError(f"{file}, line {number}: {','.join(row)[:60]!r} is not a row of fixings: {e}") from e
    if not fixings:
        raise RecordingError(f"{file} has no fixings")
    return dict(sorted(fixings.items()))


def _rows(file: Path) -> Iterator[list[str]]:
    try:
        data = file.read_bytes()
        text = (gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data).decode("ascii")
    except FileNotFoundError as e:
        raise RecordingError(
            f"the recording {file} is missing; it ships with the program, so install it again or name another file"
        ) from e
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as e:
        raise RecordingError(f"the recording {file} cannot be read: {e}") from e
    return _filled(csv.reader(text.splitlines()))


def _filled(rows: Iterable[list[str]]) -> Iterator[list[str]]:
    return (row for row in rows if row)
