"""Histories over ccxt, page after page: by a number of rows where the exchange pages so, else by time.  Knows no method."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from attrs import frozen

__all__ = ["BARS", "ROWS", "Shape", "read_pages"]

_MOST = 200  # pages, whatever an exchange answers

Read = Callable[[int, dict[str, Any]], Awaitable[list[Any]]]
"""Reads a page from a time in milliseconds on, with further parameters."""


@frozen
class Shape:
    """How rows are told apart and when they are.

    :ivar step: milliseconds after the last row at which the next page begins.
    """

    key: Callable[[Any], Any]
    stamp: Callable[[Any], int]
    step: int = 0


ROWS = Shape(lambda row: str(row.get("id")), lambda row: int(row.get("timestamp") or 0))
BARS = Shape(lambda row: int(row[0]), lambda row: int(row[0]), step=1)


async def read_pages(read: Read, since: int, until: int, shape: Shape, offset: str = "", page: int = 0) -> list[Any]:
    """Every row from *since* to at least *until*, oldest first; a row that comes twice counts once.

    :param offset: the parameter that pages by a number of rows; empty where time does.
    :param page: rows of a full page, 0 where that is not known: then the first page without anything new is the last.
    """
    found: dict[Any, Any] = {}
    skipped = 0
    for _ in range(_MOST):
        rows = await read(since, {offset: skipped} if offset and skipped else {})
        fresh = {shape.key(row): row for row in rows if shape.key(row) not in found}
        found |= fresh
        if not fresh or (page and len(rows) < page):
            break
        if offset:
            skipped += len(rows)
            continue
        since = max(shape.stamp(row) for row in rows) + shape.step
        if since > until:
            break
    return sorted(found.values(), key=shape.stamp)
