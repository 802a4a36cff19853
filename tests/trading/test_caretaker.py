"""What the caretaker does now and then, in a whole pool: estimates of how prices vary renew themselves."""

from __future__ import annotations

from attrs import evolve

from clients.exchange import Unreachable
from ilp.trading.view import pool_of
from tests.trading.test_parts import Bars
from tests.trading.test_trader import CALM, TraderCase
from tests.trading.world import VARIANCE, World, settings

PERIOD = 60.0  # reactor seconds of an hour, where the world runs sixty times as fast


class RenewalTests(TraderCase):
    """Covariances are estimated anew once a period, sooner while one is missing."""

    def pool(self, speed: float) -> World:
        """A pool whose covariance comes from histories."""
        config = settings(parameters=CALM, variance=evolve(VARIANCE, overrides={}))
        world = self.keep(World(self.features, config=config, speed=speed))
        self.source, self.feed = Bars(["250", "252"] * 10), Bars(["270", "271"] * 10)
        world.trader.variances.source, world.trader.variances.feed = self.source, self.feed
        return world

    def test_a_period_later_another_history_reaches_what_is_decided_from(self) -> None:
        world = self.pool(speed=3600 / PERIOD).ready()
        before = world.trader.floor.view()
        assert before is not None
        self.source.closes = ["250", "260"] * 10
        world.advance(PERIOD - world.reactor.seconds() - 1)
        early = world.trader.floor.view()
        assert early is not None
        self.assertEqual(early.covariance, before.covariance)
        world.advance(2)
        later = world.trader.floor.view()
        assert later is not None
        (old, _), _ = pool_of(before).valuation.covariance
        (new, _), _ = pool_of(later).valuation.covariance
        self.assertAlmostEqual(new / old, 25.0)  # its changes are five times as large

    def test_it_is_asked_for_once_a_period(self) -> None:
        world = self.pool(speed=3600 / PERIOD).ready()
        world.advance(3.5 * PERIOD - world.reactor.seconds())
        self.assertEqual(len(self.source.asked), 1 + 3)

    def test_a_missing_estimate_is_asked_for_within_seconds(self) -> None:
        world = self.pool(speed=1.0)
        self.feed.error = Unreachable("feed", "history", "gone")
        world.ready()
        self.assertIsNone(world.trader.floor.view())
        asked = len(self.feed.asked)
        world.advance(11)
        self.assertEqual(len(self.feed.asked), asked + 1)
        self.assertIsNone(world.trader.floor.view())
        self.feed.error = None
        world.advance(10)
        view = world.trader.floor.view()
        assert view is not None
        self.assertEqual(len(view.covariance), 2)
