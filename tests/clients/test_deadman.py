"""The dead man's switch of a session: armed while orders rest, and left alone once the session is over."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clients.deadman import DeadMan


class DeadManTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.armed: list[float] = []
        self.troubles: list[Exception] = []
        self.dead_man = self.made(60.0)

    def made(self, seconds: float) -> DeadMan:
        return DeadMan(self.clock, seconds, self.arm, self.troubles.append)

    async def arm(self, seconds: float) -> None:
        self.armed.append(seconds)

    def test_it_is_armed_at_once_and_renewed_four_times_within_its_time(self) -> None:
        self.dead_man.watch(True)
        self.dead_man.watch(True)
        self.assertEqual(self.armed, [60.0])
        self.clock.pump([15.0] * 3)
        self.assertEqual(self.armed, [60.0] * 4)
        self.assertTrue(self.dead_man.armed)

    def test_when_nothing_rests_any_more_it_is_switched_off_with_the_next_renewal(self) -> None:
        self.dead_man.watch(True)
        self.dead_man.watch(False)
        self.assertTrue(self.dead_man.armed)
        self.clock.advance(15.0)
        self.assertEqual((self.armed, self.dead_man.armed), ([60.0, 0.0], False))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_seconds_of_nothing_switch_it_off_altogether(self) -> None:
        self.made(0.0).watch(True)
        self.assertEqual((self.armed, self.clock.getDelayedCalls()), ([], []))

    def test_an_order_that_is_told_of_after_the_end_arms_nothing_and_leaves_no_timer(self) -> None:
        self.dead_man.watch(True)
        self.dead_man.stop()
        self.dead_man.watch(True)
        self.assertEqual((self.armed, self.clock.getDelayedCalls(), self.dead_man.armed), ([60.0], [], False))

    def test_what_goes_wrong_is_reported_and_tried_again(self) -> None:
        error = ValueError("no right to")

        async def refused(seconds: float) -> None:
            raise error

        dead_man = DeadMan(self.clock, 8.0, refused, self.troubles.append)
        dead_man.watch(True)
        self.clock.advance(2.0)
        self.assertEqual(self.troubles, [error, error])
