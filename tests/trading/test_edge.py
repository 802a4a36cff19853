"""Against which book the edge of a fill is measured."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from ilp.journal.entries import FillEntry, Purpose
from tests.trading.world import World


class EdgeTests(SynchronousTestCase):
    """A quote is judged by what was known when it was filled."""

    def test_a_book_that_arrives_between_the_fill_and_its_news_does_not_count(self) -> None:
        world = World().trading()
        self.addCleanup(world.end)
        world.advance(3)
        known = world.bid
        self.assertTrue(world.take(Side.SELL, "0.05"))
        world.show_source(world.bid - 20, world.ask - 20)
        world.advance(2)
        fills = [entry for entry in world.journal.of(FillEntry) if entry.purpose is Purpose.QUOTE]
        self.assertEqual(fills[0].reference_bid, known)
