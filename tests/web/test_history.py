"""The samples behind the pictures, in virtual time."""

from __future__ import annotations

import gc
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.web.fake_console import FakeConsole
from tests.web.scenes import SCENES, scene
from web.archive import Archive
from web.history import EVERY, KEPT, History, sample


def decoded(document: dict[str, Any]) -> list[Any]:
    """The samples of an answer as a page reads them."""
    return list(msgspec.json.decode(msgspec.json.encode(document["samples"])))


class SampleTests(SynchronousTestCase):
    """`sample`."""

    def test_a_resting_quote_is_sampled_with_its_price_and_reference(self) -> None:
        quotes = sample(scene("trading"))["quotes"]
        self.assertEqual(quotes["target BTC/HUF bid"], ["24576900", "24605824", "24605824"])

    def test_a_quote_that_does_not_rest_has_no_price(self) -> None:
        self.assertEqual(sample(scene("stale"))["quotes"]["target BTC/HUF ask"], [None, "24773400", "24773400"])

    def test_holdings_are_sampled_with_their_targets(self) -> None:
        self.assertEqual(sample(scene("trading"))["holdings"]["source BTC"], ["1.98210000", "3"])

    def test_the_parts_of_the_profit_are_sampled_and_foreign_money_is_none_of_them(self) -> None:
        profit = sample(scene("trading"))["profit"]
        self.assertEqual((profit["spread"], profit["trading"]), ("1193.10", "540.21"))
        self.assertNotIn("external flows", profit)

    def test_before_the_ledger_is_open_there_is_no_profit(self) -> None:
        self.assertIsNone(sample(scene("ready") | {"pnl": {"opened": None, "reason": "not yet"}})["profit"])

    def test_the_terms_of_the_value_are_sampled(self) -> None:
        self.assertEqual(sample(scene("trading"))["terms"]["deviation"], "709.56")

    def test_every_scene_can_be_sampled(self) -> None:
        for name in SCENES:
            self.assertEqual(sample(scene(name))["at"], scene(name)["time"])


class HistoryTests(SynchronousTestCase):
    """When it is sampled."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.console = FakeConsole("trading")
        self.history = History(self.console, self.clock)
        self.history.start()

    def tearDown(self) -> None:
        self.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_sample_is_taken_every_so_often_oldest_first(self) -> None:
        for n in range(3):
            self.console.document["time"] = f"2026-03-02T12:00:0{n}Z"
            self.clock.advance(EVERY)
        self.assertEqual([s["at"][-2] for s in decoded(self.history.latest())], ["0", "1", "2"])

    def test_no_more_than_half_an_hour_is_kept(self) -> None:
        for _ in range(KEPT + 10):
            self.clock.advance(EVERY)
        self.assertEqual(len(self.history.latest()["samples"]), KEPT)

    def test_what_is_kept_gives_the_garbage_collector_nothing_to_go_through(self) -> None:
        self.clock.advance(EVERY)
        self.assertFalse(any(gc.is_tracked(body) for body in self.history._samples))

    def test_a_snapshot_that_fails_is_logged_and_the_next_is_taken(self) -> None:
        good = self.console.snapshot
        self.patch(self.console, "snapshot", lambda: 1 / 0)
        self.clock.advance(EVERY)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.patch(self.console, "snapshot", good)
        self.clock.advance(EVERY)
        self.assertEqual(len(self.history.latest()["samples"]), 1)

    def stop(self) -> None:
        self.successResultOf(Deferred.fromCoroutine(self.history.stop()))

    def past(self, span: float) -> list[Any]:
        """What is answered of so long ago, decoded."""
        document = self.successResultOf(Deferred.fromCoroutine(self.history.past(span)))
        return decoded(document)

    def test_stopping_twice_is_harmless(self) -> None:
        self.stop()
        self.stop()

    def test_one_sample_of_each_minute_is_kept_for_longer(self) -> None:
        for second in range(0, 180, 2):
            self.console.document["time"] = f"2026-03-02T12:{second // 60:02}:{second % 60:02}Z"
            self.clock.advance(EVERY)
        at = [s["at"][11:19] for s in self.past(3600)]
        self.assertEqual(at, ["12:00:00", "12:01:00", "12:02:00", "12:02:58"])

    def test_pictures_outlive_a_restart(self) -> None:
        path = Path(self.mktemp())
        for minute in range(2):
            self.stop()
            self.history = History(self.console, self.clock, Archive(path))
            self.history.start()
            self.console.document["time"] = f"2026-03-02T12:0{minute}:00Z"
            self.clock.advance(EVERY)
        self.assertEqual([s["at"][11:16] for s in self.past(3600)], ["12:00", "12:01", "12:01"])

    def test_the_past_ends_with_the_present(self) -> None:
        self.clock.advance(EVERY)
        self.assertEqual(self.past(3600)[-1], sample(self.console.document))

    def test_before_the_first_sample_there_is_no_past(self) -> None:
        self.assertEqual(self.past(3600), [])

    def test_while_one_is_being_kept_no_other_is_begun(self) -> None:
        begun: list[Deferred[None]] = []

        def later(*_: Any) -> Deferred[None]:
            begun.append(Deferred())
            return begun[-1]

        self.history.in_worker = later
        for minute in range(3):
            self.console.document["time"] = f"2026-03-02T12:0{minute}:00Z"
            self.clock.advance(EVERY)
        self.assertEqual(len(begun), 1)
        begun[0].callback(None)
        self.clock.advance(EVERY)
        self.assertEqual(len(begun), 2)
        begun[1].callback(None)

    def test_the_end_waits_for_what_is_being_kept(self) -> None:
        writing: Deferred[None] = Deferred()
        self.history.in_worker = lambda *_: writing
        self.clock.advance(EVERY)
        stopped = Deferred.fromCoroutine(self.history.stop())
        self.assertNoResult(stopped)
        writing.callback(None)
        self.successResultOf(stopped)

    def test_a_file_that_cannot_be_written_is_said_once_and_sampling_goes_on(self) -> None:
        self.history.in_worker = lambda *_: fail(sqlite3.OperationalError("disk I/O error"))
        said: list[Any] = []
        globalLogPublisher.addObserver(said.append)
        self.addCleanup(globalLogPublisher.removeObserver, said.append)
        for minute in range(3):
            self.console.document["time"] = f"2026-03-02T12:0{minute}:00Z"
            self.clock.advance(EVERY)
        self.assertEqual(len([e for e in said if "disk I/O error" in str(e.get("error"))]), 1)
        self.assertEqual(len(self.history.latest()["samples"]), 3)
        self.assertEqual(len(self.past(3600)), 1)
