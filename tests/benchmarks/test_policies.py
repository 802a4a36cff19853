"""The polling policies and the account of stale quotes."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.policies import Bounds, Exposed, Polling, References

BOUNDS = Bounds(15.0, 8.0, 22.0)
CALM = References(1000.0, 1001.0)


class PollingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.poller = Polling(1.0, BOUNDS, 0.1)
        self.poller.look(0.0, CALM)

    def test_it_quotes_at_the_edge_to_enter(self) -> None:
        self.assertEqual(self.poller.quotes, {"bid": 985.0, "ask": 1016.0})

    def test_it_does_not_see_a_move_before_its_clock_comes_round(self) -> None:
        self.poller.look(0.99, References(970.0, 971.0))
        self.assertEqual(self.poller.quotes["bid"], 985.0)
        self.poller.look(1.0, References(970.0, 971.0))
        self.assertEqual(self.poller.quotes["bid"], 955.0)

    def test_within_the_band_a_quote_stays(self) -> None:
        self.poller.look(1.0, References(1006.0, 1007.0))
        self.assertEqual(self.poller.quotes, {"bid": 985.0, "ask": 1016.0})


class ExposedTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.exposed = Exposed(BOUNDS)
        self.quotes = {"bid": (985.0, 0.1), "ask": (1016.0, 0.1)}

    def test_quotes_in_their_band_expose_nothing(self) -> None:
        self.exposed.see(0.0, self.quotes, CALM)
        self.exposed.see(10.0, self.quotes, CALM)
        self.assertEqual((self.exposed.area, self.exposed.quoted), (0.0, 20.0))

    def test_a_stale_side_counts_with_its_size_until_it_is_gone(self) -> None:
        self.exposed.see(0.0, self.quotes, CALM)
        self.exposed.see(10.0, self.quotes, References(985.0, 986.0))  # the bid gives everything away
        self.exposed.see(10.5, {"ask": self.quotes["ask"]}, References(985.0, 986.0))
        self.exposed.see(20.0, {"ask": self.quotes["ask"]}, References(985.0, 986.0))
        self.assertAlmostEqual(self.exposed.area, 0.05)
        self.assertAlmostEqual(self.exposed.worst, 0.5)

    def test_what_is_too_far_away_exposes_nothing(self) -> None:
        self.exposed.see(0.0, self.quotes, References(1100.0, 1101.0))
        self.exposed.see(1.0, {"bid": self.quotes["bid"]}, References(1100.0, 1101.0))
        self.assertAlmostEqual(self.exposed.area, 0.1)  # the ask alone
