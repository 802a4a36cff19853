"""Against which book the edge of a fill is measured."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal as D

from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from ilp.journal.entries import FillEntry, Purpose
from ilp.trading.own import OwnOrder
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

    def test_a_quote_that_was_filled_in_its_band_has_raced_nothing(self) -> None:
        world = World().trading()
        self.addCleanup(world.end)
        world.advance(3)
        world.show_source(world.bid, world.ask, depth=2)  # another book, but none at which a fill is closed worse
        self.assertTrue(world.take(Side.SELL, "0.05"))
        world.advance(2)
        (fill,) = self.quoted(world)
        self.assertEqual((fill.quoted, fill.raced), (fill.reference_bid, None))

    def test_a_fill_that_races_our_cancel_says_by_how_long_and_keeps_the_price_that_was_quoted_for(self) -> None:
        world = World().trading()
        self.addCleanup(world.end)
        world.advance(3)
        quoted, moved = world.bid, world.bid - 20
        world.show_source(moved, world.ask - 20)
        self.assertTrue(world.until(lambda: world.trader.market.newest_best()[1] == moved, 1))
        world.reactor.advance(0.003)  # our cancel is on its way
        self.assertTrue(world.take(Side.SELL, "0.05"))
        world.advance(2)
        (fill,) = self.quoted(world)
        self.assertEqual((fill.reference_bid, fill.quoted), (moved, quoted))
        received = next(at for at, bid, _ in world.trader.market._bests if bid == moved)
        # Where the order's event comes before the fill's, when we heard of it is all that is known by then.
        self.assertEqual(float(fill.raced or 0), (fill.at - received).total_seconds())
        self.assertGreater(fill.raced or 0, 0)

    def test_a_book_by_which_the_quote_was_found_in_its_band_after_it_was_filled_does_not_count(self) -> None:
        noon = datetime(2024, 3, 4, 12, tzinfo=UTC)
        order = OwnOrder("k", "target", "BTC/HUF", Side.SELL, Purpose.QUOTE, D(1), D(3), noon)
        before, after = (noon, D(1), D(2)), (noon + timedelta(seconds=9), D(1), D(2))
        for best in (before, before, after):
            order.keep(best)
        self.assertEqual(order.kept, (before, after))
        self.assertEqual(order.kept_by(noon + timedelta(seconds=8)), before)
        self.assertEqual(order.kept_by(noon + timedelta(seconds=9)), after)
        self.assertIsNone(order.kept_by(noon - timedelta(seconds=1)))

    def test_a_hedge_was_quoted_for_nothing(self) -> None:
        world = World().trading()
        self.addCleanup(world.end)
        self.assertTrue(world.take(Side.SELL, "0.05"))
        world.advance(2)
        hedges = [entry for entry in world.journal.of(FillEntry) if entry.purpose is Purpose.HEDGE]
        self.assertEqual({(entry.quoted, entry.raced) for entry in hedges}, {(None, None)})

    def quoted(self, world: World) -> list[FillEntry]:
        """The fills of quotes, each once."""
        found = {entry.key: entry for entry in world.journal.of(FillEntry) if entry.purpose is Purpose.QUOTE}
        return list(found.values())
