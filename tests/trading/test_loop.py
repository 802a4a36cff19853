"""What a turn does first, and what it leaves for the next one."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from attrs import evolve, field, frozen
from twisted.trial import unittest

from clients.exchange import Side
from ilp.journal.entries import Purpose
from ilp.trading.gate import OrderRequest
from ilp.trading.layout import Pair
from ilp.trading.pauses import Pause
from ilp.trading.planner import Planner
from ilp.trading.strategy import LiquidityPool, Need, Optimum, Reference, edges
from ilp.trading.view import View
from tests.trading.world import BTC, PARAMETERS, USD, World, settings

D = Decimal
SOURCE = Pair("source", "BTC/USD")


@frozen
class Watched(LiquidityPool):
    """The strategy, with a note of each optimisation, and of each look for what has to be cancelled if that is wished."""

    notes: list[str] = field(factory=list)
    looks: list[str] = field(factory=list)

    def optimise(self, view: View) -> Optimum:
        self.notes.append("optimise")
        return super().optimise(view)

    def references(self, view: View, optimum: Optimum) -> tuple[Reference, Reference]:
        self.notes.extend(self.looks)
        return super().references(view, optimum)


class UnmovedTests(unittest.SynchronousTestCase):
    """Books of the source that change no decision."""

    def setUp(self) -> None:
        unmoved = evolve(PARAMETERS, min_gain=D(10**9))
        self.world = World(config=settings(parameters=unmoved)).trading()
        self.addCleanup(self.world.end)
        self.world.advance(1.0)

    def turns(self, change: Callable[[], object]) -> int:
        """How many turns *change* brings about at once."""
        self.world.advance(0.1)
        turns = self.world.trader.metrics.histograms["ilp_turn_seconds"]
        before = turns.count
        change()
        self.world.reactor.advance(0.006)  # the venue is 5 ms away
        return turns.count - before

    def bid(self, price: str) -> None:
        self.world.source_core.place("others", "BTC/USD", Side.BUY, USD.units(D(price)), BTC.units(D(1)))

    def test_a_change_deep_in_the_book_asks_for_no_turn(self) -> None:
        self.assertEqual(self.turns(lambda: self.bid("240")), 0)
        self.assertIn(D("240"), [row["price"] for row in self.world.trader.market.book(SOURCE)["bids"]])

    def test_a_change_at_the_front_does(self) -> None:
        self.assertGreater(self.turns(lambda: self.bid("250")), 0)

    def test_a_size_at_the_front_that_still_suffices_does_not(self) -> None:
        def more() -> None:
            self.world.source_core.place("others", "BTC/USD", Side.BUY, USD.units(self.world.bid), BTC.units(D(1)))

        self.assertEqual(self.turns(more), 0)

    def test_while_something_is_to_be_hedged_every_book_is_looked_at(self) -> None:
        self.world.trader.pause(Pause.HEDGES, True, "operator")
        self.world.take(Side.SELL)
        self.world.advance(0.5)
        self.assertNotEqual(self.world.trader.loop.hedger.closable(), 0)
        self.assertGreater(self.turns(lambda: self.bid("240")), 0)

    def test_a_change_further_back_does_where_the_front_is_thin(self) -> None:
        self.world.show_source(D("249.9"), D("250.1"), size="0.03")
        self.world.advance(0.5)
        self.assertGreater(self.turns(lambda: self.bid("240")), 0)

    def test_while_a_side_is_without_a_quote_every_book_is_looked_at(self) -> None:
        self.world.trader.stop("operator")
        self.world.advance(1.0)
        self.assertGreater(self.turns(lambda: self.bid("240")), 0)


class PauseTests(unittest.SynchronousTestCase):
    """Between two optimisations that nothing but the mark asks for."""

    def setUp(self) -> None:
        self.strategy = Watched()
        self.world = World(strategy=self.strategy).trading()
        self.addCleanup(self.world.end)
        self.world.advance(3.0)
        self.strategy.notes.clear()
        self.lacks: list[Need] = []

    def lack(self) -> None:
        """Note what the optimum lacks that something is done from."""
        trader = self.world.trader
        view, optimum = trader.floor.view(), trader.loop.optimum
        assert view is not None and optimum is not None
        self.lacks.append(self.strategy.needs(view, optimum))

    def hurry(self) -> None:
        """The source's book jumps further than any price serves, every few milliseconds."""
        for n in range(100):
            price = D(250) + D(n % 5)
            self.world.show_source(price - D("0.1"), price + D("0.1"))
            self.world.advance(0.007)

    def test_no_quote_is_placed_at_a_price_that_no_longer_serves(self) -> None:
        gate = self.world.trader.gate
        sent = gate.sent

        def placed(request: OrderRequest) -> None:
            if request.purpose is Purpose.QUOTE:
                self.lack()
            sent(request)

        gate.sent = placed
        self.hurry()
        self.assertGreater(len(self.lacks), 3)
        self.assertLessEqual(set(self.lacks), {Need.NOTHING, Need.PLAN})

    def test_no_plan_is_executed_that_is_not_of_this_picture(self) -> None:
        act = Planner.act

        def acted(planner: Planner, optimum: Optimum) -> None:
            self.lack()
            act(planner, optimum)

        self.patch(Planner, "act", acted)
        self.hurry()
        self.assertGreater(len(self.lacks), 3)
        self.assertEqual(set(self.lacks), {Need.NOTHING})

    def test_what_changes_prices_besides_the_mark_waits_for_nothing(self) -> None:
        trader = self.world.trader
        for _ in range(2):
            trader.floor.covariance = tuple(tuple(2 * value for value in row) for row in trader.floor.covariance)
            trader.wake()
            self.world.advance(0.002)
            assert trader.loop.optimum is not None
            self.assertEqual(trader.loop.optimum.view.covariance, trader.floor.covariance)


class OwnPricesTests(unittest.SynchronousTestCase):
    """Both sides of the quote, decided in one turn."""

    def test_a_bid_and_an_ask_that_are_decided_together_do_not_cross(self) -> None:
        world = World().ready()
        self.addCleanup(world.end)
        view, quoter = world.trader.floor.view(), world.trader.loop.quoter
        assert view is not None
        mid = view.marks["BTC"] / view.marks["HUF"]
        size = PARAMETERS.quote_size
        high = Reference(Side.BUY, mid + 1500, mid, mid, size)
        low = Reference(Side.SELL, mid - 1500, mid, mid, size)
        quoter.decide({Side.BUY: high, Side.SELL: low}, edges(view))
        self.assertEqual(set(quoter.waiting()), set(Side))
        bid, ask = (quoter._wanted[side][0] for side in Side)
        self.assertLess(bid, ask)


class OrderOfUrgencyTests(unittest.SynchronousTestCase):
    """`Loop.turn`"""

    def setUp(self) -> None:
        self.strategy = Watched()
        unmoved = evolve(PARAMETERS, min_gain=D(10**9))  # no plan stands between a fill and its hedge
        self.world = World(strategy=self.strategy, config=settings(parameters=unmoved)).trading()
        self.world.advance(1.0)
        self.addCleanup(self.world.end)
        trader, notes = self.world.trader, self.strategy.notes
        notes.clear()
        turn = trader._turn

        def whole_turn() -> None:
            turn()
            notes.append("over")

        trader._turn = whole_turn
        told = trader.pace.cancel_sent

        def cancelled(venue: str, id: str) -> None:
            notes.append("cancel")
            told(venue, id)

        for reader in trader.floor.venues.values():
            reader.cancelled = cancelled
        sent = trader.gate.sent

        def placed(request: OrderRequest) -> None:
            notes.append(request.purpose.name.lower())
            sent(request)

        trader.gate.sent = placed

    def test_a_turn_that_cancels_is_over_before_an_optimisation_begins(self) -> None:
        self.world.show_source(D("256"), D("256.2"))
        self.world.advance(0.5)
        notes = self.strategy.notes
        first = next(n for n, note in enumerate(notes) if note in ("cancel", "quote"))
        self.assertNotIn("optimise", notes[: notes.index("over", first)])
        self.assertIn("optimise", notes)

    def test_a_hedge_is_not_held_back_by_the_pricing_of_new_quotes(self) -> None:
        self.world.take(Side.SELL)
        self.world.advance(0.5)
        notes = self.strategy.notes
        hedge = notes.index("hedge")
        self.assertEqual("over", notes[hedge + 1])

    def test_what_was_left_over_is_done_right_after(self) -> None:
        before = self.world.quote(Side.BUY)
        self.world.show_source(D("256"), D("256.2"))
        self.world.advance(0.3)
        after = self.world.quote(Side.BUY)
        assert before is not None
        assert after is not None
        self.assertGreater(after.price, before.price)
        self.assertIn("optimise", self.strategy.notes)

    def test_a_fill_alone_is_hedged_before_prices_that_have_not_changed_are_looked_at_again(self) -> None:
        self.strategy.looks.append("look")
        self.world.take(Side.SELL)
        self.world.advance(0.5)
        notes = self.strategy.notes
        hedge = notes.index("hedge")
        self.assertNotIn("look", notes[:hedge])
        self.assertIn("look", notes[hedge:])

    def test_what_a_move_that_came_with_a_fill_makes_wrong_is_cancelled_before_the_hedge(self) -> None:
        self.strategy.looks.append("look")
        self.world.trader.loop._seen = None  # as after a book that may change a decision
        self.world.take(Side.SELL)
        self.world.advance(0.5)
        notes = self.strategy.notes
        self.assertIn("look", notes[: notes.index("hedge")])

    def test_a_book_of_the_source_that_counts_is_no_longer_the_one_of_the_last_decision(self) -> None:
        loop, source = self.world.trader.loop, self.world.trader.layout.source
        self.assertIs(loop._seen, loop.floor.book(source))
        before = loop.floor.book(source)
        best, *others = before["bids"]
        loop.floor.market.on_book(source, {**before, "bids": [{**best, "price": best["price"] - D("0.01")}, *others]})
        self.assertFalse(loop.unmoved(before))
        self.assertIsNot(loop._seen, loop.floor.book(source))
        before = loop.floor.book(source)
        loop.floor.market.on_book(source, {**before, "bids": list(before["bids"]), "asks": list(before["asks"])})
        self.assertTrue(loop.unmoved(before))  # the same again, but the one before it was never decided on
        self.assertIsNot(loop._seen, loop.floor.book(source))
