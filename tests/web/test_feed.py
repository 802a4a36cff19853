"""The live feed in virtual time."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.web.fake_console import FakeConsole
from web.changes import apply
from web.feed import BEAT, INTERVAL, Feed
from web.view import page_view


class Page:
    """A listener that applies what it gets; `behind` makes it drop frames."""

    def __init__(self) -> None:
        self.frames: list[dict[str, Any]] = []
        self.document: Any = None
        self.behind = False

    def offer(self, frame: bytes) -> bool:
        if self.behind:
            return False
        message = json.loads(frame)
        self.frames.append({**message, "size": len(frame)})
        whole = message["type"] == "snapshot"
        self.document = message["document"] if whole else apply(self.document, message["changes"])
        return True


class FeedTests(SynchronousTestCase):
    """What pages get, and when."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.console = FakeConsole("trading")
        self.feed = Feed(self.console, self.clock)
        self.feed.start()
        self.page = Page()

    def tearDown(self) -> None:
        self.feed.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def types(self) -> list[str]:
        """Kinds of the frames so far."""
        return [frame["type"] for frame in self.page.frames]

    def test_who_joins_gets_everything_at_once(self) -> None:
        self.feed.join(self.page)
        self.assertEqual(self.types(), ["snapshot"])
        self.assertEqual(self.page.document, page_view(self.console.document))

    def test_a_change_follows_as_a_difference_of_a_few_bytes(self) -> None:
        self.feed.join(self.page)
        self.console.change("trader", "reason", value="a new one")
        self.clock.advance(INTERVAL)
        self.assertEqual(self.page.frames[1]["changes"], [["set", ["trader", "reason"], "a new one"]])
        self.assertLess(self.page.frames[1]["size"], 200)

    def test_many_changes_become_one_frame_an_interval(self) -> None:
        self.feed.join(self.page)
        for n in range(100):
            self.console.change("trader", "reason", value=f"number {n}")
            self.clock.advance(INTERVAL / 20)
        self.assertLessEqual(len(self.page.frames), 7)
        self.clock.advance(INTERVAL)
        self.assertEqual(self.page.document["trader"]["reason"], "number 99")

    def test_a_change_after_a_quiet_second_is_sent_in_the_same_turn(self) -> None:
        self.feed.join(self.page)
        self.clock.advance(INTERVAL * 2)
        self.console.change("trader", "reason", value="now")
        self.clock.advance(0)
        self.assertEqual(self.page.document["trader"]["reason"], "now")

    def test_silence_is_filled_with_a_beat(self) -> None:
        self.feed.join(self.page)
        for _ in range(5):
            self.clock.advance(BEAT)
        self.assertEqual([frame["changes"] for frame in self.page.frames[1:]], [[]] * 5)

    def test_frames_are_numbered_without_a_gap(self) -> None:
        self.feed.join(self.page)
        for _ in range(5):
            self.console.change("trader", "reason", value="x")
            self.clock.advance(BEAT)
        numbers = [frame["number"] for frame in self.page.frames]
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))))

    def test_who_joins_later_and_who_was_there_see_the_same(self) -> None:
        self.feed.join(self.page)
        self.console.document["trader"]["reason"] = "changed without a word"
        other = Page()
        self.feed.join(other)
        self.console.change("trader", "by", value="bela")
        self.clock.advance(BEAT)
        self.assertEqual(self.page.document, other.document)
        self.assertEqual(other.document, page_view(self.console.document))

    def test_who_was_behind_gets_a_snapshot_instead_of_a_gap(self) -> None:
        self.feed.join(self.page)
        self.page.behind = True
        self.console.change("trader", "reason", value="missed")
        self.clock.advance(BEAT)
        self.page.behind = False
        self.console.change("trader", "by", value="bela")
        self.clock.advance(BEAT)
        self.assertEqual(self.types()[:2], ["snapshot", "snapshot"])
        self.assertEqual(self.page.document, page_view(self.console.document))

    def test_without_listeners_the_console_is_not_read_and_nothing_ticks(self) -> None:
        self.feed.join(self.page)
        self.feed.leave(self.page)
        self.patch(self.console, "snapshot", lambda: self.fail("read for nobody"))
        self.console.notify()
        self.clock.advance(10)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_leaving_twice_is_harmless(self) -> None:
        self.feed.join(self.page)
        self.feed.leave(self.page)
        self.feed.leave(self.page)

    def test_a_console_that_fails_is_logged_and_the_feed_goes_on(self) -> None:
        self.feed.join(self.page)
        good = self.console.snapshot
        self.patch(self.console, "snapshot", lambda: 1 / 0)
        self.clock.advance(BEAT)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.patch(self.console, "snapshot", good)
        self.console.change("trader", "by", value="bela")
        self.clock.advance(BEAT)
        self.assertEqual(self.page.document["trader"]["by"], "bela")

    def test_stopping_unsubscribes(self) -> None:
        self.feed.stop()
        self.assertEqual(self.console.subscribers, [])

    def test_a_whole_snapshot_stays_below_the_limit_of_a_frame(self) -> None:
        self.feed.join(self.page)
        self.assertLess(self.page.frames[0]["size"], 64_000)
