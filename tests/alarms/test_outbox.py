"""The queue of one channel, in virtual time."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ilp.alarms.channels import Undelivered
from ilp.alarms.notices import Severity
from ilp.alarms.outbox import MOST, TIMEOUT, Outbox
from tests.alarms.fakes import FakeChannel, notice


class OutboxTests(SynchronousTestCase):
    """What is sent, when, and what is not."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.channel = FakeChannel()
        self.outbox = Outbox(self.channel, Severity.WARNING, self.clock)

    def tearDown(self) -> None:
        self.outbox.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def keys(self) -> list[str]:
        return [one.key for one in self.channel.taken]

    def test_a_notice_is_sent_at_once(self) -> None:
        self.outbox.put(notice())
        self.assertEqual(self.keys(), ["exposure"])
        assert self.outbox.last is not None
        self.assertEqual(self.outbox.last.error, "")

    def test_what_is_below_the_level_is_not_sent(self) -> None:
        self.outbox.put(notice(severity=Severity.INFO))
        self.assertEqual((self.keys(), self.outbox.waiting), ([], 0))

    def test_what_was_not_taken_is_tried_again_with_growing_pauses(self) -> None:
        self.channel.fails = [Undelivered("busy") for _ in range(4)]
        self.outbox.put(notice())
        tries = []
        for _ in range(31):
            tries.append(self.channel.tries)
            self.clock.advance(1)
        self.assertEqual(sorted(set(tries)), [1, 2, 3, 4, 5])
        self.assertEqual([tries.index(n) for n in (2, 3, 4, 5)], [2, 6, 14, 30])
        self.assertEqual((self.keys(), self.outbox.waiting), (["exposure"], 0))

    def test_who_asks_for_a_pause_gets_it(self) -> None:
        self.channel.fails = [Undelivered("slow down", wait=40)]
        self.outbox.put(notice())
        self.clock.advance(39)
        self.assertEqual(self.channel.tries, 1)
        self.clock.advance(1)
        self.assertEqual(self.keys(), ["exposure"])

    def test_what_is_refused_for_good_is_given_up_and_counted(self) -> None:
        self.channel.fails = [Undelivered("no such chat", final=True)]
        self.outbox.put(notice())
        self.assertEqual((self.outbox.waiting, self.outbox.lost), (0, 1))
        assert self.outbox.last is not None
        self.assertEqual(self.outbox.last.error, "no such chat")

    def test_after_a_day_it_is_given_up(self) -> None:
        self.channel.fails = [Undelivered("busy") for _ in range(1000)]
        self.outbox.put(notice())
        self.clock.pump([60.0] * (25 * 60))
        self.assertEqual((self.outbox.waiting, self.outbox.lost), (0, 1))

    def test_a_channel_that_never_answers_is_given_up_on_and_tried_again(self) -> None:
        self.channel.silent = True
        self.outbox.put(notice())
        self.clock.advance(TIMEOUT)
        self.channel.silent = False
        self.clock.advance(2)
        self.assertEqual(self.keys(), ["exposure"])

    def test_one_that_is_put_off_does_not_hold_up_the_next(self) -> None:
        self.outbox.put(notice("later"), wait=100)
        self.outbox.put(notice("now"))
        self.assertEqual(self.keys(), ["now"])
        self.clock.advance(100)
        self.assertEqual(self.keys(), ["now", "later"])

    def test_the_most_urgent_goes_first(self) -> None:
        self.channel.fails = [Undelivered("busy")]
        for key, severity in (("first", Severity.WARNING), ("second", Severity.WARNING), ("worst", Severity.CRITICAL)):
            self.outbox.put(notice(key, severity), wait=1)
        self.clock.advance(1)
        self.assertEqual(self.keys()[:2], ["first", "second"])
        self.clock.advance(2)
        self.assertEqual(self.keys()[-1], "worst")

    def test_the_queue_has_an_end_and_the_least_severe_gives_way(self) -> None:
        self.channel.silent = True
        self.outbox.put(notice("worst", Severity.CRITICAL), wait=5)
        for n in range(MOST + 5):
            self.outbox.put(notice(f"{n}"), wait=5)
        self.assertEqual((self.outbox.waiting, self.outbox.lost), (MOST, 6))
        self.channel.silent = False
        self.clock.advance(5)
        self.assertEqual(self.keys()[0], "worst")

    def test_a_test_goes_past_queue_and_level(self) -> None:
        self.outbox.put(notice("later"), wait=100)
        self.successResultOf(self.outbox.test(notice("test", Severity.INFO)))
        self.assertEqual(self.keys(), ["test"])

    def test_stopping_leaves_nothing_behind(self) -> None:
        self.channel.silent = True
        self.outbox.put(notice())
        self.outbox.put(notice("next"), wait=9)
        self.outbox.stop()
        self.outbox.put(notice("too late"))
        self.assertEqual((self.outbox.waiting, self.clock.getDelayedCalls()), (0, []))
