"""Silence noticed, reads repeated: the two small machines that keep a session honest, in virtual time."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clients.reread import Reread
from clients.silence import SilenceWatch


class SilenceTests(SynchronousTestCase):
    """A ping after 2 s of silence, the end 5 s later."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.pings: list[float] = []
        self.ends: list[float] = []
        self.watch = SilenceWatch(
            self.clock, 2.0, 5.0, lambda: self.pings.append(self.clock.seconds()), self.ends.append
        )
        self.watch.start()

    def pass_(self, seconds: int) -> None:
        self.clock.pump([0.5] * (2 * seconds))

    def test_a_line_that_talks_is_left_alone(self) -> None:
        for _ in range(20):
            self.clock.advance(1.0)
            self.watch.heard()
        self.assertEqual((self.pings, self.ends), ([], []))

    def test_a_quiet_line_is_pinged_and_lives_on_when_it_answers(self) -> None:
        self.pass_(2)
        self.assertEqual(self.pings, [2.0])
        self.watch.heard()
        self.pass_(2)
        self.assertEqual((self.pings, self.ends), ([2.0, 4.0], []))

    def test_a_line_that_answers_no_ping_is_given_up_once(self) -> None:
        self.pass_(30)
        self.assertEqual(self.ends, [7.0])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_it_goes_on_pinging_until_then(self) -> None:
        self.pass_(6)
        self.assertEqual(self.pings, [2.0, 4.0, 6.0])

    def test_stopping_leaves_no_timer(self) -> None:
        self.watch.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.watch.stop()


class RereadTests(SynchronousTestCase):
    """A read every 60 s, and 20 ms after a request."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.reads: list[Deferred[None]] = []
        self.errors: list[Exception] = []
        self.at: list[float] = []
        self.reread = Reread(self.clock, self.read, self.errors.append, delay=0.02, period=60.0, retry=1.0)
        self.reread.start()

    async def read(self) -> None:
        self.at.append(self.clock.seconds())
        pending: Deferred[None] = Deferred()
        self.reads.append(pending)
        await pending

    def test_many_requests_are_one_read(self) -> None:
        for _ in range(5):
            self.reread.request()
        self.clock.advance(0.02)
        self.assertEqual(len(self.reads), 1)

    def test_requests_do_not_push_the_read_away(self) -> None:
        self.reread.request()
        self.clock.advance(0.015)
        self.reread.request()
        self.clock.advance(0.005)
        self.assertEqual(len(self.reads), 1)

    def test_a_request_during_a_read_causes_another(self) -> None:
        self.reread.request()
        self.clock.advance(0.02)
        self.reread.request()
        self.clock.advance(10)
        self.assertEqual(len(self.reads), 1)  # never two at a time
        self.reads[0].callback(None)
        self.clock.advance(0.02)
        self.assertEqual(len(self.reads), 2)

    def test_it_reads_every_period_without_being_asked(self) -> None:
        for _ in range(3):
            self.clock.advance(60)
            self.reads[-1].callback(None)
        self.assertEqual(self.at, [60.0, 120.0, 180.0])

    def test_a_failure_is_reported_and_the_read_repeated_soon(self) -> None:
        self.reread.request()
        self.clock.advance(0.02)
        self.reads[0].errback(ValueError("x"))
        self.assertEqual([type(error) for error in self.errors], [ValueError])
        self.clock.advance(1)
        self.assertEqual(len(self.reads), 2)

    def test_stopping_gives_a_read_up_and_leaves_no_timer(self) -> None:
        self.reread.request()
        self.clock.advance(0.02)
        self.reread.stop()
        self.assertTrue(self.reads[0].called)
        self.assertEqual((self.errors, self.clock.getDelayedCalls()), ([], []))

    def test_requests_after_stopping_do_nothing(self) -> None:
        self.reread.stop()
        self.reread.request()
        self.assertEqual(self.clock.getDelayedCalls(), [])
