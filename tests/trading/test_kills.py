"""The process ends at any moment; the next one finds everything out from the venues and from what was durable."""

from __future__ import annotations

import os
from datetime import timedelta
from random import Random

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from ilp.journal.entries import FillEntry, HedgeEntry
from ilp.settings import Cost
from ilp.simulation.inprocess import EVERYTHING, SPUTNIK
from ilp.simulation.session import Conditions
from ilp.trading.machine import State
from ilp.trading.pauses import Pause
from tests.trading.memory_journal import MemoryJournal
from tests.trading.test_trader import CALM
from tests.trading.world import LIMITS, PARAMETERS, D, World, settings

KILLS = int(os.environ.get("ILP_KILLS", "10"))


class KillTests(SynchronousTestCase):
    def kill(self, world: World) -> None:
        """Nothing more is sent and nothing more is written; what was on its way is at the venues."""
        assert isinstance(world.journal, MemoryJournal)
        world.journal.kill()
        world.trader._close()
        world.journal.kill()  # letting go of calls may have written something: a dead process does not
        world.trader.links.close(world.reactor)
        world.advance(0.3, 0.01)

    def restart(self, world: World) -> None:
        world.source, world.target, world.rates = world.clients()
        world.trader = world.new_trader()
        world.ready()

    def run_once(self, seed: int, features: frozenset[str], lag: float) -> None:
        random = Random(seed)
        config = settings(parameters=CALM, limits=evolve(LIMITS, exposure=D(5)))
        world = World(features, Conditions(latency=0.005, jitter=0.01), config, seed=seed)
        world.journal.lag = lag
        world.trader = world.new_trader()
        start = {venue: world.truth(venue, "BTC") for venue in ("source", "target")}
        world.trading()
        for life in range(2):
            for _ in range(random.randint(1, 6)):
                world.take(random.choice(list(Side)), str(random.randint(1, 10) / D(100)))
                world.show_source(D("249.9") + random.randint(-3, 3), D("250.1") + 3)
                world.advance(random.choice((0.0, 0.01, 0.02, 0.5)), 0.005)
            self.kill(world)
            if random.random() < 0.5:
                world.take(random.choice(list(Side)), "0.07")
            self.restart(world)
            self.assertEqual([world.open_orders("source"), world.open_orders()], [[], []], f"seed {seed} life {life}")
            truth = sum((world.truth(venue, "BTC") - before for venue, before in start.items()), D(0))
            self.assertEqual(world.trader.floor.exposure.net, truth, f"seed {seed} life {life}")
            world.trader.start("operator")
            world.advance(3)
        truth = sum((world.truth(venue, "BTC") - before for venue, before in start.items()), D(0))
        self.assertLess(abs(truth), D("0.01"), f"seed {seed}")
        self.compare(world, f"seed {seed}")
        self.assertEqual(world.end(), ())

    def compare(self, world: World, name: str) -> None:
        world.advance(1)
        for venue in ("source", "target"):
            fills = [fill for fill in world.journal.of(FillEntry) if fill.venue == venue]
            core = world.core(venue)
            traded = sum(fill.quantity for fill in core.fills("pool", world.clock.start, world.clock.now()))
            self.assertEqual(sum((fill.quantity for fill in fills), D(0)), D(traded) / 10**8, f"{name} {venue}")

    def test_nothing_is_lost_or_doubled_when_every_entry_was_durable(self) -> None:
        for features in (EVERYTHING, SPUTNIK):
            for seed in range(KILLS):
                self.run_once(seed, features, 0.0)

    def test_nothing_is_lost_or_doubled_when_the_last_entries_were_not_durable(self) -> None:
        for features in (EVERYTHING, SPUTNIK):
            for seed in range(KILLS):
                self.run_once(seed, features, 0.02)

    def test_a_trade_of_a_plan_that_died_on_its_way_is_not_taken_for_a_hedge(self) -> None:
        for moment in range(0, 120, 7):
            world = World(SPUTNIK, config=settings(parameters=PARAMETERS))
            world.journal.lag = 0.02
            world.ready().trader.start("operator")
            world.advance(moment / 1000 + 0.001, 0.001)
            self.kill(world)
            self.restart(world)
            self.assertEqual(world.trader.life.state, State.READY)
            # Nobody took from the target, so nothing may be open, whatever the plan traded on the source.
            self.assertEqual(world.trader.floor.exposure.net, D(0), f"{moment} ms")
            world.end()

    def test_what_was_filled_meanwhile_is_booked_with_the_fee_of_the_records_not_with_the_expected_one(self) -> None:
        """An order that rests on, partly filled, is told by an event first, which has no fee where ids are lacking."""
        expected = evolve(CALM, target_fee=Cost(D(0), D("0.02")))
        world = World(SPUTNIK, config=settings(parameters=expected)).trading()
        for _ in range(2):
            self.kill(world)
            world.take(Side.SELL, "0.03")
            self.restart(world)
            world.trader.start("operator")
            world.advance(2)
        fills = [fill for fill in world.journal.of(FillEntry) if fill.venue == "target"]
        core = world.core("target")
        charged = sum(fill.fee for fill in core.fills("pool", world.clock.start, world.clock.now()))
        self.assertEqual(sum(fill.fees["HUF"] for fill in fills), D(charged) / 100)
        self.assertEqual(sum(fill.quantity for fill in fills), D("0.06"))

    def test_fills_are_found_whose_venue_stamps_them_before_the_journal_began(self) -> None:
        for features in (EVERYTHING, SPUTNIK):
            self.lose_all_but_the_start(World(features, config=settings(parameters=CALM)))

    def lose_all_but_the_start(self, world: World) -> None:
        """On venues whose clocks are three seconds behind ours, as far as is allowed."""
        for core in (world.source_core, world.target_core):
            core.now = lambda: world.clock.now() - timedelta(seconds=3)
        world.ready().trader.start("operator")
        world.journal.lag = 10.0  # not one order will have become durable
        world.until(lambda: len(world.open_orders()) == 2)
        world.take(Side.SELL, "0.07")
        world.advance(0.3)
        self.kill(world)
        world.journal.lag = 0.0
        self.restart(world)
        world.advance(1)
        for venue in ("source", "target"):
            told = [fill.quantity for fill in world.journal.of(FillEntry) if fill.venue == venue]
            self.assertEqual(told, [D("0.07")], venue)
        world.end()

    def test_the_edge_of_a_fill_that_a_kill_left_open_is_known_when_it_is_closed(self) -> None:
        """As the fill is hedged after the restart: against the book and at the rate of when it happened."""
        for features in (EVERYTHING, SPUTNIK):
            world = World(features, config=settings(parameters=CALM)).trading()
            world.trader.pause(Pause("hedges"), True, "operator")
            world.take(Side.SELL, "0.07")
            world.advance(0.2)
            (fill,) = [entry for entry in world.journal.of(FillEntry) if entry.venue == "target"]
            self.assertEqual(fill.rate, world.trader.market.good_rate)
            self.assertEqual(world.journal.of(HedgeEntry), [])
            self.kill(world)
            world.show_source(D("251.9"), D("252.1"))
            self.restart(world)
            world.trader.pause(Pause("hedges"), False, "operator")
            world.trader.start("operator")
            world.advance(2)
            links = world.journal.of(HedgeEntry)
            paid = (fill.quantity * fill.price + fill.fees["HUF"]) / fill.quantity * fill.rate
            assert fill.reference_bid is not None  # the source's book was there
            for link in links:
                self.assertEqual(link.edge, fill.reference_bid * (1 - CALM.source_fee.proportional) - paid)
            self.assertEqual(sum(link.quantity for link in links), D("0.07"))
            world.end()
