"""Recorded books on the grid of a simulated pair."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from ilp.clock import WorldClock
from ilp.simulation.books import Delta, along_deltas, on_grid
from ilp.simulation.contracts import Currency, Pair
from ilp.simulation.core import Core
from ilp.simulation.drivers import BookDriver
from ilp.simulation.maker import HouseMaker, Ladder
from tests import shared_data
from tests.simulation.world import START

D = Decimal
BTC = Currency("BTC", 10**8, lot=10_000)
USD = Currency("USD", 10**4, lot=100)
PAIR = Pair("BTC/USD", BTC, USD, tick=1_000, lot=100_000)
prices = st.decimals("0.01", "3", places=2)
sizes = st.decimals("0.0001", "9", places=4)


class GridTests(SynchronousTestCase):
    """Rounding that cannot lie."""

    def test_bids_go_down_asks_up_and_what_falls_together_is_added_and_cut_to_the_lot(self) -> None:
        book = on_grid(
            PAIR,
            START,
            [(D("100.19"), D("0.0015")), (D("100.11"), D("0.0017")), (D("99"), D(1))],
            [(D("100.21"), D("0.5")), (D("100.3"), D("0.25"))],
        )
        self.assertEqual(book.bids, {1_001_000: 300_000, 990_000: 10**8})
        self.assertEqual(book.asks, {1_003_000: 75_000_000})

    def test_only_the_best_levels_are_shown_and_each_is_complete(self) -> None:
        rows = [(D(100) - D(n) / 100, D("0.001")) for n in range(50)]
        book = on_grid(PAIR, START, rows, [], depth=2)
        self.assertEqual(book.bids, {1_000_000: 100_000, 999_000: 1_000_000})

    def test_less_than_a_lot_is_no_level(self) -> None:
        self.assertEqual(on_grid(PAIR, START, [(D(100), D("0.0009"))], []).bids, {})

    @settings(max_examples=80, deadline=None)
    @given(st.dictionaries(prices, sizes, max_size=30), st.dictionaries(prices, sizes, max_size=30))
    def test_a_book_that_is_not_crossed_does_not_become_so(
        self, low: dict[Decimal, Decimal], high: dict[Decimal, Decimal]
    ) -> None:
        asks = [(price + 10, size) for price, size in high.items()]
        book = on_grid(PAIR, START, [(price + 6, size) for price, size in low.items()], asks)
        if book.bids and book.asks:
            self.assertLess(max(book.bids), min(book.asks))

    def test_changes_are_applied_one_after_the_other(self) -> None:
        first = Delta(START, ((D(100), D(1)),), ((D(101), D(2)),))
        later = START + timedelta(seconds=1)
        books = list(along_deltas(PAIR, first, [Delta(later, ((D(100), D(0)), (D(99), D(3))), ())]))
        self.assertEqual([book.bids for book in books], [{1_000_000: 10**8}, {990_000: 3 * 10**8}])
        self.assertEqual([book.at for book in books], [START, later])


class RecordingTests(SynchronousTestCase):
    """A minute of a real market, from a recording that does not ship with the product."""

    def test_a_real_market_can_be_replayed_level_by_level(self) -> None:
        file = shared_data.path("l2", "binance_spot_btcusdt_20240808.jsonl.gz")
        if file is None:
            raise SkipTest("needs the recordings that lie beside the repository and do not ship with it")
        first, deltas = _recording(file, 300)
        reactor = Clock()
        clock = WorldClock(reactor, first.at, 10.0)
        core = Core(clock.now, [BTC, USD], [PAIR])
        core.open_account("maker")
        core.endow("maker", "BTC", 10**13)
        core.endow("maker", "USD", 10**14)
        books = list(along_deltas(PAIR, first, deltas, depth=10))
        driver = BookDriver(clock, HouseMaker(core, "maker", "BTC/USD", Ladder(), Random(1)), books)
        driver.start()
        seen = set()
        for _ in range(400):
            reactor.advance(0.01)
            book = core.book("BTC/USD")
            seen.add((book.bids, book.asks))
        self.assertEqual((dict(book.bids), dict(book.asks)), (books[-1].bids, books[-1].asks))
        self.assertGreater(len(seen), 200)


def _recording(file: Path, count: int) -> tuple[Delta, list[Delta]]:
    """The snapshot and the changes after it: diffs up to the snapshot's id are dropped, as the venue prescribes."""
    snapshot: dict[str, Any] | None = None
    diffs: list[tuple[datetime, dict[str, Any]]] = []
    for at, message in _messages(file):
        if "lastUpdateId" in message:
            snapshot = message
        elif message.get("stream", "").endswith("@depth@100ms"):
            diffs.append((at, message["data"]))
        if snapshot and diffs and diffs[-1][1]["u"] > snapshot["lastUpdateId"] and len(diffs) >= count:
            break
    assert snapshot is not None
    wanted = [(at, data) for at, data in diffs if data["u"] > snapshot["lastUpdateId"]]
    first = Delta(wanted[0][0], _rows(snapshot["bids"]), _rows(snapshot["asks"]))
    return first, [Delta(at, _rows(data["b"]), _rows(data["a"])) for at, data in wanted]


def _messages(file: Path) -> Iterator[tuple[datetime, dict[str, Any]]]:
    with gzip.open(file, "rt") as lines:
        for line in lines:
            stamp, _, text = line.partition(" ")
            if '"stream"' not in text or "@depth" in text:
                yield (
                    datetime.fromtimestamp(int(stamp) // 10**9, UTC)
                    + timedelta(microseconds=int(stamp) % 10**9 // 1000),
                    json.loads(text),
                )


def _rows(rows: list[list[str]]) -> tuple[tuple[Decimal, Decimal], ...]:
    return tuple((D(price), D(quantity)) for price, quantity, *_ in rows)
