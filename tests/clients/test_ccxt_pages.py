"""Histories that an exchange tells page after page."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from clients.ccxt_pages import BARS, ROWS, Shape, read_pages

LINES = [{"id": n, "timestamp": 1000 + 10 * (n // 2)} for n in range(25)]  # two rows in each instant


class PageTests(SynchronousTestCase):
    def read(self, read: Any, shape: Shape = ROWS, **more: Any) -> list[Any]:
        """What `read_pages` makes of *read*, from 1000 to 2000."""
        found: list[Any] = self.successResultOf(Deferred.fromCoroutine(read_pages(read, 1000, 2000, shape, **more)))
        return found

    def test_pages_by_time_overlap_and_each_row_counts_once(self) -> None:
        async def read(since: int, params: dict[str, Any]) -> list[Any]:
            return [row for row in LINES if row["timestamp"] >= since][:7]

        assert self.read(read) == LINES

    def test_pages_by_number_go_on_until_one_is_not_full(self) -> None:
        asked = []

        async def read(since: int, params: dict[str, Any]) -> list[Any]:
            asked.append(params)
            start = params.get("ofs", 0)
            return LINES[::-1][start : start + 10]

        assert [row["id"] for row in sorted(self.read(read, offset="ofs", page=10), key=lambda r: r["id"])] == [
            *range(25)
        ]
        assert asked == [{}, {"ofs": 10}, {"ofs": 20}]

    def test_an_exchange_that_answers_the_same_for_ever_is_not_asked_for_ever(self) -> None:
        calls = []

        async def read(since: int, params: dict[str, Any]) -> list[Any]:
            calls.append(since)
            return LINES[:3]

        assert self.read(read) == LINES[:3]
        assert len(calls) == 2

    def test_what_lies_behind_the_end_is_not_asked_for(self) -> None:
        calls = []

        async def read(since: int, params: dict[str, Any]) -> list[Any]:
            calls.append(since)
            return [[since + 1500, 1, 2, 0, 1, 9]]

        assert self.read(read, BARS) == [[2500, 1, 2, 0, 1, 9]]
        assert len(calls) == 1
