"""What a turn does first, and what it leaves for the next one."""

from __future__ import annotations

from decimal import Decimal

from attrs import evolve, field, frozen
from twisted.trial import unittest

from clients.exchange import Side
from ilp.trading.gate import OrderRequest
from ilp.trading.strategy import LiquidityPool, Optimum
from ilp.trading.view import View
from tests.trading.world import PARAMETERS, World, settings

D = Decimal


@frozen
class Watched(LiquidityPool):
    """The strategy, with a note of each optimisation."""

    notes: list[str] = field(factory=list)

    def optimise(self, view: View) -> Optimum:
        self.notes.append("optimise")
        return super().optimise(view)


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
        trader.subscribe(lambda: notes.append("over"))
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
