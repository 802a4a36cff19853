"""What is found out before a quote is filled, and where it serves."""

from __future__ import annotations

from decimal import Decimal

from attrs import evolve
from twisted.trial import unittest

from clients.exchange import Side
from ilp.journal.entries import Purpose
from ilp.trading.gate import OrderRequest
from ilp.trading.own import OwnOrder
from ilp.trading.rehearsal import filled
from ilp.trading.strategy import traded_back
from ilp.trading.view import View
from tests.trading.test_loop import Watched
from tests.trading.world import PARAMETERS, World, settings

D = Decimal


class RehearsalTests(unittest.SynchronousTestCase):
    """A pool whose plan trades nothing."""

    def setUp(self) -> None:
        self.strategy, self.hedging = Watched(), list[View]()
        self.world = World(strategy=self.strategy, config=settings(parameters=evolve(PARAMETERS, min_gain=D(10**9))))
        self.addCleanup(self.world.end)
        self.world.trading()
        self.world.advance(0.5)
        self.trader, self.loop = self.world.trader, self.world.trader.loop
        sent = self.trader.gate.sent

        def placed(request: OrderRequest) -> None:
            self.strategy.notes.append(request.purpose.name.lower())
            if request.purpose is Purpose.HEDGE:
                self.hedging.append(self.view())
            sent(request)

        self.trader.gate.sent = placed
        self.strategy.notes.clear()

    def view(self) -> View:
        view = self.trader.floor.view()
        assert view is not None
        return view

    def quote(self, side: Side) -> OwnOrder:
        return next(order for order in self.loop.quoter.resting() if order.side is side)

    def optimised_before_the_hedge(self) -> bool:
        notes = self.strategy.notes
        return "optimise" in notes[: notes.index("hedge")]

    def test_the_pool_after_a_fill_is_what_was_expected_but_for_the_rounding_of_the_fee(self) -> None:
        for side, taker in ((Side.BUY, Side.SELL), (Side.SELL, Side.BUY)):
            expected = filled(self.view(), self.quote(side))
            self.world.take(taker)
            self.world.advance(1.0)
            found = self.hedging.pop()
            self.assertEqual(found.exposure, expected.exposure)
            for now, then in zip(found.stocks, expected.stocks, strict=True):
                for name in ("balance", "free", "quotable", "total", "inbound", "target"):
                    self.assertApproximates(getattr(now, name), getattr(then, name), D("0.01"), f"{name} of {now}")
            self.world.advance(1.0)

    def test_the_fill_of_a_whole_quote_is_hedged_without_an_optimisation(self) -> None:
        for taker in (Side.SELL, Side.BUY):
            self.world.take(taker)
            self.world.advance(0.5)
            self.assertFalse(self.optimised_before_the_hedge())
            self.assertIn("optimise", self.strategy.notes)  # of the pool as it is now, for the quotes
            self.strategy.notes.clear()
        self.assertEqual(self.loop.floor.exposure.net, 0)

    def test_the_fill_of_a_part_is_not(self) -> None:
        self.world.take(Side.SELL, "0.05")
        self.world.advance(0.5)
        self.assertTrue(self.optimised_before_the_hedge())

    def test_a_fill_right_after_the_quote_came_is_not(self) -> None:
        self.loop.rehearsal.forget()
        self.world.take(Side.SELL)
        self.world.advance(0.5)
        self.assertTrue(self.optimised_before_the_hedge())

    def test_what_was_found_with_other_parameters_does_not_count(self) -> None:
        view = filled(self.view(), self.quote(Side.BUY))
        self.assertTrue(self.loop.rehearsal.keeps_nothing(view, 0.0))
        other = evolve(view, parameters=evolve(view.parameters, risk_aversion=D("0.5")))
        self.assertFalse(self.loop.rehearsal.keeps_nothing(other, 0.0))
        self.trader.apply(evolve(self.trader.floor.parameters, max_skew=D(1)))
        self.assertFalse(self.loop.rehearsal.keeps_nothing(view, 0.0))

    def test_what_was_found_long_ago_does_not_count(self) -> None:
        view, now = filled(self.view(), self.quote(Side.BUY)), self.trader.floor.seconds()
        self.assertTrue(self.loop.rehearsal.keeps_nothing(view, now - 10))
        self.assertFalse(self.loop.rehearsal.keeps_nothing(view, now))

    def test_what_was_found_at_another_price_does_not_count(self) -> None:
        view = filled(self.view(), self.quote(Side.BUY))
        moved = evolve(view, marks={**view.marks, "BTC": view.marks["BTC"] * D("1.01")})
        self.assertFalse(self.loop.rehearsal.keeps_nothing(moved, 0.0))

    def test_a_holding_that_changed_besides_is_not_what_was_expected(self) -> None:
        view = filled(self.view(), self.quote(Side.BUY))
        for name in ("balance", "free", "quotable", "total", "inbound", "target"):
            for place, stock in enumerate(view.stocks):
                other = evolve(stock, **{name: getattr(stock, name) + D("0.1")})
                if stock.asset != "BTC":
                    other = evolve(stock, **{name: getattr(stock, name) + D(10_000)})
                stocks = (*view.stocks[:place], other, *view.stocks[place + 1 :])
                self.assertFalse(self.loop.rehearsal.keeps_nothing(evolve(view, stocks=stocks), 0.0), (name, stock))

    def test_each_side_is_found_once_a_while_after_its_quote_came(self) -> None:
        self.trader.cancel("target", "operator")  # both come anew
        self.assertTrue(self.world.until(lambda: len(self.loop.quoter.resting()) == 2))
        self.loop.rehearsal.forget()
        self.strategy.notes.clear()
        self.world.advance(0.02, step=0.005)
        self.assertNotIn("optimise", self.strategy.notes)
        self.world.advance(0.3, step=0.005)
        self.assertEqual(self.strategy.notes, ["optimise", "optimise"])
        for side in Side:
            self.assertTrue(self.loop.rehearsal.keeps_nothing(filled(self.view(), self.quote(side)), 0.0))
        turns = self.trader.metrics.histograms["ilp_turn_seconds"]
        before = turns.count
        self.world.advance(1.0)
        self.assertEqual(self.strategy.notes, ["optimise", "optimise"])
        self.assertLess(turns.count - before, 5)  # nothing keeps asking for turns


class KeptTests(unittest.SynchronousTestCase):
    """A pool whose plan keeps what a fill brings."""

    def test_how_much_is_kept_is_for_an_optimisation_of_that_instant_to_say(self) -> None:
        world = World()
        self.addCleanup(world.end)
        world.trading()
        world.advance(0.5)
        rehearsal = world.trader.loop.rehearsal
        kept = [expected for expected in rehearsal._expected.values() if traded_back(expected.optimum)]
        self.assertTrue(kept)
        for expected in kept:
            self.assertFalse(rehearsal.keeps_nothing(expected.view, 0.0))
