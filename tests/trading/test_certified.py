"""No money moves on an answer of the optimizer whose certificate does not hold."""

from __future__ import annotations

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from ilp.journal.entries import Purpose
from ilp.trading.planner import Planner
from ilp.trading.strategy import LiquidityPool, Optimum
from ilp.trading.view import View
from tests.trading.world import World


class Boastful(LiquidityPool):
    """A strategy whose plan claims to be worth more than it is."""

    def optimise(self, view: View) -> Optimum:
        """The true optimum, its value raised."""
        optimum = super().optimise(view)
        solution = optimum.solution
        better = evolve(solution.optimized, value=solution.optimized.value + 0.01)
        return evolve(optimum, solution=evolve(solution, optimized=better))


class CertifiedTests(SynchronousTestCase):
    """The sample pool sells 3 of 12 BTC as soon as it trades."""

    def world(self, strategy: LiquidityPool) -> World:
        world = World(strategy=strategy).trading()
        self.addCleanup(world.end)
        world.advance(3)
        return world

    def plan_trades(self, world: World) -> int:
        return sum(order.purpose is Purpose.PLAN for order in world.trader.desk.recent())

    def test_a_plan_that_can_be_proved_is_executed(self) -> None:
        self.assertTrue(self.plan_trades(self.world(LiquidityPool())))

    def test_a_plan_that_claims_too_much_is_not_executed_and_said(self) -> None:
        world = self.world(Boastful())
        self.assertEqual(self.plan_trades(world), 0)
        self.assertIn("certificate does not hold", world.trader.alarms[-1].message)

    def test_quotes_and_hedges_go_on_meanwhile(self) -> None:
        world = self.world(Boastful())
        self.assertTrue(world.take(Side.SELL))
        world.advance(2)
        self.assertEqual(world.trader.floor.exposure.net, 0)

    def hedges(self, strategy: LiquidityPool) -> int:
        """How many follow an ask that is taken while the plan wants to sell, and is not executed."""
        self.patch(Planner, "act", lambda planner, optimum: None)
        world = self.world(strategy)
        self.assertTrue(world.take(Side.BUY))
        world.advance(2)
        self.assertEqual(world.trader.floor.exposure.net, 0)
        return sum(order.purpose is Purpose.HEDGE for order in world.trader.desk.recent())

    def test_a_fill_that_a_plan_would_trade_back_is_kept_where_it_can_be_proved(self) -> None:
        self.assertEqual(self.hedges(LiquidityPool()), 0)

    def test_a_fill_that_a_plan_claims_to_keep_and_cannot_prove_is_hedged(self) -> None:
        self.assertEqual(self.hedges(Boastful()), 1)
