"""Makes the extracts in ilp/simulation/data again, from the shared recordings beside the repository.

    python benchmarks/tools/extract_recordings.py ../shared/data

Reads btcusd/bitmex_xbtusd_1m_2019.csv.gz and fx/ecb_eurofxref-hist.csv.gz below the given folder.  The same input gives
the same bytes.  What is done to the data, and under which licences it comes, says ilp/simulation/data/NOTICE.md.
"""

from __future__ import annotations

import csv
import gzip
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

FIRST_MINUTE = datetime(2019, 7, 30, tzinfo=UTC)  # Tuesday
END = datetime(2019, 8, 6, tzinfo=UTC)  # seven days, the last of them a Monday
FIRST_HOUR = datetime(2019, 3, 1, tzinfo=UTC)  # five months before, for variances
FIRST_FIXING, LAST_FIXING = date(2018, 7, 2), date(2019, 8, 16)  # a year before, and days after for a demo that runs on
HEADER = ("ts", "open", "high", "low", "close", "volume")
HERE = Path(__file__).resolve().parents[2] / "ilp" / "simulation" / "data"

Row = tuple[int, Decimal, Decimal, Decimal, Decimal, Decimal]


def minutes(file: Path) -> Iterator[Row]:
    """Bars of one minute: the open moved into [low, high], the turnover in satoshi turned into bitcoin."""
    with gzip.open(file, "rt", newline="") as lines:
        for row in csv.DictReader(lines):
            stamp = int(row["ts"])
            if FIRST_HOUR.timestamp() <= stamp < END.timestamp():
                high, low = Decimal(row["high"]), Decimal(row["low"])
                start = min(max(Decimal(row["open"]), low), high)
                volume = (Decimal(row["turnover_sat"]) / 10**8).quantize(Decimal("0.0001"))
                yield stamp, start, high, low, Decimal(row["close"]), volume


def hours(bars: Iterable[Row]) -> Iterator[Row]:
    """Bars of one hour."""
    hour: Row | None = None
    for stamp, start, high, low, close, volume in bars:
        begin = stamp - stamp % 3600
        if hour is not None and hour[0] == begin:
            hour = (begin, hour[1], max(hour[2], high), min(hour[3], low), close, hour[5] + volume)
        else:
            if hour is not None:
                yield hour
            hour = (begin, start, high, low, close, volume)
    if hour is not None:
        yield hour


def write(file: Path, rows: Iterable[Row]) -> None:
    """A compressed CSV without name and time inside, so that the same rows are the same bytes."""
    text = "".join(",".join(str(cell) for cell in row) + "\n" for row in [HEADER, *rows])
    file.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))
    print(f"{file.name}: {file.stat().st_size} bytes")


def fixings(source: Path, target: Path) -> None:
    """The ECB's rows of the chosen days, and its columns that have a rate on any of them."""
    with gzip.open(source, "rt", newline="") as lines:
        header, *rows = csv.reader(lines)
    chosen = [row for row in rows if FIRST_FIXING <= date.fromisoformat(row[0]) <= LAST_FIXING]
    kept = [i for i, name in enumerate(header) if name and any(row[i] != "N/A" for row in chosen)]
    text = "".join(",".join(row[i] for i in kept) + ",\n" for row in [header, *chosen])
    target.write_text(text, encoding="ascii", newline="")
    print(f"{target.name}: {len(chosen)} days, {target.stat().st_size} bytes")


def main(shared: Path) -> None:
    """Write the three files."""
    bars = list(minutes(shared / "btcusd" / "bitmex_xbtusd_1m_2019.csv.gz"))
    assert len(bars) == (END - FIRST_HOUR) // timedelta(minutes=1)
    write(HERE / "btcusd_1m.csv.gz", (bar for bar in bars if bar[0] >= FIRST_MINUTE.timestamp()))
    write(HERE / "btcusd_1h.csv.gz", hours(bars))
    fixings(shared / "fx" / "ecb_eurofxref-hist.csv.gz", HERE / "ecb_fixings.csv")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
