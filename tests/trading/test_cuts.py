"""Any input that is lost or falls silent at a random moment: every quote is gone within its age limit and 100 ms."""

from __future__ import annotations

import os
from collections.abc import Callable
from random import Random

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from ilp.simulation.faults import Fault, FaultPlan
from ilp.simulation.inprocess import EVERYTHING, SPUTNIK
from ilp.simulation.session import Conditions
from ilp.trading.machine import State
from tests.trading.test_trader import CALM
from tests.trading.world import AGES, D, World, settings

CUTS = int(os.environ.get("ILP_CUTS", "6"))
SHORT = evolve(AGES, source_book=3.0, target_book=3.0, balances=3.0, orders=3.0, rate=30.0)
GRACE = 0.1
PINGED = Conditions(latency=0.005, deadline=1.0, ping=1.0, silence=6.0)
# A connection that nothing confirms as a whole: each input has to be read again by itself.
UNPINGED = evolve(PINGED, ping=1e6, silence=1e6)
FIXED = 71_100  # age in seconds of the newest fixing of the simulated feed when a world begins


class CutTests(SynchronousTestCase):
    def cut(
        self,
        strike: Callable[[World], None],
        limit: float,
        *,
        back: Callable[[World], None],
        conditions: Conditions = PINGED,
    ) -> None:
        """Strike at random moments; quotes are gone in time, and return by themselves."""
        for seed in range(CUTS):
            random = Random(seed)
            features = EVERYTHING if seed % 2 else SPUTNIK
            world = World(features, conditions, settings(parameters=CALM, ages=SHORT), seed=seed).trading()
            world.advance(random.uniform(0.1, 3), 0.05)
            world.show_source(world.bid - D(random.randint(0, 2)), world.ask)
            world.advance(random.uniform(0.05, 0.4), 0.01)
            self.assertEqual(len(world.open_orders()), 2)
            strike(world)
            self.assertTrue(world.until(lambda w=world: not w.open_orders(), limit + GRACE), f"seed {seed}")
            world.advance(0.5, 0.05)
            self.assertEqual(world.open_orders(), [])
            for status in world.trader.status().quotes:
                self.assertNotEqual(status.reason, "")
            back(world)
            self.assertTrue(world.until(lambda w=world: len(w.open_orders()) == 2, 60, 0.05), world.trader.status())
            self.assertEqual(world.trader.life.state, State.TRADING)
            self.assertEqual(world.end(), ())

    def test_a_source_that_is_cut_off(self) -> None:
        self.cut(lambda world: world.source.drop(), 0.0, back=lambda _: None)

    def test_a_source_that_stays_away(self) -> None:
        def strike(world: World) -> None:
            world.source.down = True
            world.source.drop()

        def back(world: World) -> None:
            world.source.down = False

        self.cut(strike, 0.0, back=back)

    def test_a_source_that_falls_silent(self) -> None:
        self.cut(lambda world: self._silence(world), SHORT.source_book, back=lambda _: None)

    def _silence(self, world: World) -> None:
        world.source.faults.add(Fault.SILENCE, "event:book")
        world.source.faults.add(Fault.SILENCE, "*")
        world.show_source(world.bid, world.ask)

    def test_a_source_whose_book_loses_a_side(self) -> None:
        def back(world: World) -> None:
            world.show_source(D("249.9"), D("250.1"))

        self.cut(lambda world: world.show_source(world.bid, world.ask, depth=0), 0.0, back=back)

    def test_a_rate_that_nobody_confirms(self) -> None:
        def strike(world: World) -> None:
            world.rates.down = True

        def back(world: World) -> None:
            world.rates.down = False

        self.cut(strike, 10.0, back=back)  # the feed finds out at its next poll

    def test_a_fixing_that_grows_too_old(self) -> None:
        """The feed goes on confirming it; nothing but the time tells."""
        for seed in range(CUTS):
            last = Random(seed).uniform(8, 12)
            ages = evolve(SHORT, fixing=FIXED + last)
            world = World(EVERYTHING, PINGED, settings(parameters=CALM, ages=ages), seed=seed).trading()
            world.advance(last - 0.01 - world.reactor.seconds(), 0.005)
            self.assertEqual(len(world.open_orders()), 2, world.trader.status())
            self.assertTrue(world.until(lambda w=world: not w.open_orders(), GRACE), f"seed {seed}")
            self.assertIn("fixed on", world.trader.status().stale)
            self.assertEqual(world.end(), ())

    def test_a_target_book_that_nothing_confirms(self) -> None:
        self._unanswered("target", "getOrderBook", SHORT.target_book)

    def test_orders_that_nothing_confirms(self) -> None:
        for venue in ("source", "target"):
            self._unanswered(venue, "getOpenOrders", SHORT.orders)

    def test_balances_that_nothing_confirms(self) -> None:
        for venue in ("source", "target"):
            self._unanswered(venue, "getPositions", SHORT.balances)

    def _unanswered(self, venue: str, method: str, limit: float) -> None:
        """No event comes any more, and the one reading that would tell the same is not answered."""

        def faults(world: World) -> FaultPlan:
            return {"source": world.source, "target": world.target}[venue].faults

        def strike(world: World) -> None:
            for what in (method, "event:book", "event:order", "event:fill", "event:position"):
                faults(world).add(Fault.LOSE_REQUEST, what, times=0)

        self.cut(strike, limit, back=lambda world: faults(world).clear(), conditions=UNPINGED)

    def test_a_journal_that_cannot_be_written(self) -> None:
        def strike(world: World) -> None:
            world.journal.broken = "no space left"
            world.show_source(world.bid - 3, world.ask - 3)  # something to write

        def back(world: World) -> None:
            world.journal.broken = ""

        self.cut(strike, 0.1, back=back)
