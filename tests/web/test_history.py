"""The samples behind the pictures, in virtual time."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.web.fake_console import FakeConsole
from tests.web.scenes import SCENES, scene
from web.history import EVERY, KEPT, History, sample


class SampleTests(SynchronousTestCase):
    """`sample`."""

    def test_a_resting_quote_is_sampled_with_its_price_and_reference(self) -> None:
        quotes = sample(scene("trading"))["quotes"]
        self.assertEqual(quotes["target BTC/HUF bid"], ["24576900", "24605824"])

    def test_a_quote_that_does_not_rest_has_no_price(self) -> None:
        self.assertEqual(sample(scene("stale"))["quotes"]["target BTC/HUF ask"], [None, "24773400"])

    def test_holdings_are_sampled_with_their_targets(self) -> None:
        self.assertEqual(sample(scene("trading"))["holdings"]["source BTC"], ["1.98210000", "3"])

    def test_the_parts_of_todays_profit_are_sampled_and_foreign_money_is_none_of_them(self) -> None:
        profit = sample(scene("trading"))["profit"]
        self.assertEqual((profit["spread"], profit["trading"]), ("482.10", "228.98"))
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
        self.history.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_sample_is_taken_every_so_often_oldest_first(self) -> None:
        for n in range(3):
            self.console.document["time"] = f"2026-03-02T12:00:0{n}Z"
            self.clock.advance(EVERY)
        self.assertEqual([s["at"][-2] for s in self.history.document()["samples"]], ["0", "1", "2"])

    def test_no_more_than_half_an_hour_is_kept(self) -> None:
        for _ in range(KEPT + 10):
            self.clock.advance(EVERY)
        self.assertEqual(len(self.history.document()["samples"]), KEPT)

    def test_a_snapshot_that_fails_is_logged_and_the_next_is_taken(self) -> None:
        good = self.console.snapshot
        self.patch(self.console, "snapshot", lambda: 1 / 0)
        self.clock.advance(EVERY)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.patch(self.console, "snapshot", good)
        self.clock.advance(EVERY)
        self.assertEqual(len(self.history.document()["samples"]), 1)

    def test_stopping_twice_is_harmless(self) -> None:
        self.history.stop()
        self.history.stop()
