"""Recorded `orderBookL2` streams as books over time, for a driver that shows them.  Pure; shares no code with any client."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from ilp.simulation.bitmex.listings import Listing
from ilp.simulation.books import RecordedBook, Rows, on_grid
from ilp.simulation.recordings import RecordingError

__all__ = ["load_stream", "recorded_books"]

Row = dict[str, Any]


def load_stream(file: Path) -> Iterator[tuple[datetime | None, Row]]:
    """Messages of a recording with the time of each, where it is told.

    Lines are `SECONDS: JSON` (a capture) or plain JSON; those that are neither are left out.  `RecordingError` when the file
    cannot be read.
    """
    try:
        raw = file.read_bytes()
        text = (gzip.decompress(raw) if file.suffix == ".gz" else raw).decode()
    except (OSError, EOFError, UnicodeDecodeError) as problem:
        raise RecordingError(f"{file} cannot be read: {problem}") from problem
    for line in text.splitlines():
        head, _, tail = line.partition(": {")
        payload = line if line.startswith("{") else "{" + tail
        try:
            message = json.loads(payload, parse_float=Decimal)
            at = None if line.startswith("{") else datetime.fromtimestamp(float(head), UTC)
        except ValueError:
            continue
        yield at, message


def recorded_books(
    stream: Iterable[tuple[datetime | None, Row]], listing: Listing, recorded_as: str, start: datetime, depth: int = 100
) -> Iterator[RecordedBook]:
    """The book after each message, its best *depth* levels on each side, beginning at *start* of the world.

    :param recorded_as: the symbol in the recording; prices are rounded to the tick and sizes to the lot of *listing*.
    """
    levels: dict[int, tuple[str, Decimal, int]] = {}
    first: datetime | None = None
    for at, message in stream:
        rows = [row for row in message.get("data", ()) if row.get("symbol") == recorded_as]
        if message.get("table") != "orderBookL2" or not (rows or message.get("action") == "partial"):
            continue
        _apply(levels, message["action"], rows)
        if levels:
            first = first or at
            passed = timedelta(0) if at is None or first is None else at - first
            bids, asks = (_rows(levels, side, listing) for side in ("Buy", "Sell"))
            yield on_grid(listing.pair, start + passed, bids, asks, depth)


def _apply(levels: dict[int, tuple[str, Decimal, int]], action: str, rows: list[Row]) -> None:
    for row in rows:
        known = levels.get(row["id"])
        if action == "delete":
            levels.pop(row["id"], None)
        elif action == "update":
            if known is not None:
                levels[row["id"]] = (known[0], known[1], row.get("size", known[2]))
        elif row.get("price") is not None:
            levels[row["id"]] = (row["side"], Decimal(str(row["price"])), row["size"])


def _rows(levels: dict[int, tuple[str, Decimal, int]], side: str, listing: Listing) -> Rows:
    return [(price, listing.pair.quantity(size)) for own, price, size in levels.values() if own == side]
