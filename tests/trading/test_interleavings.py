"""Random interleavings of fills, price moves and faults; what must hold is asked of the venues' own books and ledgers.

A schedule is a seed: `run(seed, features)` repeats it.
"""

from __future__ import annotations

import os
from decimal import Decimal
from random import Random

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import OrderRejected, RateLimited, Side, Unreachable
from ilp.journal.entries import FillEntry, Purpose
from ilp.simulation.faults import Fault
from ilp.simulation.inprocess import EVERYTHING, SPUTNIK
from ilp.simulation.records import Filled
from ilp.simulation.session import Conditions
from ilp.trading.machine import State
from tests.trading.test_trader import CALM
from tests.trading.world import LIMITS, D, World, settings

SCHEDULES = int(os.environ.get("ILP_SCHEDULES", "12"))
METHODS = (
    "placeOrder",
    "cancelOrder",
    "amendOrder",
    "cancelAllOrders",
    "getOpenOrders",
    "getFills",
    "getOrder",
    "getPositions",
)
EVENTS = ("event:order", "event:fill", "event:position", "event:book")
REFUSALS = (
    lambda: OrderRejected("venue", "order", "not now"),
    lambda: Unreachable("venue", "order", "busy"),
    lambda: RateLimited("venue", "order", "slowly", retry_after=0.3),
)


class Schedule:
    """One run: a direction of flow, so that every hedge must lessen the exposure, and faults at random."""

    def __init__(self, seed: int, features: frozenset[str]) -> None:
        self.random = Random(seed)
        conditions = Conditions(
            latency=0.005, jitter=0.01, deadline=1.0, ping=1.0, silence=4.0, events_first=seed % 2 == 0
        )
        # The exposure limit is no part of this: what is open waits for its hedge, the other side goes on.
        config = settings(parameters=CALM, limits=evolve(LIMITS, exposure=D(5)))
        self.world = World(features, conditions, config, seed=seed)
        self.side = self.random.choice((Side.BUY, Side.SELL))
        self.overshoots: list[str] = []
        self.world.trading()
        self.start = {venue: self.world.truth(venue, "BTC") for venue in ("source", "target")}
        self.unexplained: list[str] = []
        self.world.trader.subscribe(self._explain)
        self.world.source_core.subscribe(lambda event: self._watch(event) if isinstance(event, Filled) else None)

    def exposure(self) -> Decimal:
        """Base received on both venues together: what really is open."""
        return sum((self.world.truth(venue, "BTC") - before for venue, before in self.start.items()), D(0))

    def _explain(self) -> None:
        """A side without a quote says why, in one reason."""
        for status in self.world.trader.status().quotes:
            if not status.resting and not status.reason:
                self.unexplained.append(f"{self.world.reactor.seconds():.3f} {status}")

    def _watch(self, event: Filled) -> None:
        """A taker who sells gives us base: only a sale may follow on the source, and never more than is open."""
        if event.fill.account == "pool" and self.exposure() * (1 if self.side is Side.SELL else -1) < 0:
            self.overshoots.append(f"{event.fill} leaves {self.exposure()}")

    def run(self) -> None:
        for _ in range(25):
            self._disturb()
            if self.random.random() < 0.5:
                self.world.take(self.side, str(self.random.randint(1, 10) / D(100)))
            if self.random.random() < 0.3:
                shift = D(self.random.randint(-4, 4))
                self.world.show_source(D("249.9") + shift, D("250.1") + shift)
            self.world.advance(self.random.choice((0.02, 0.1, 0.5)), 0.005)
        self.world.source.faults.clear()
        self.world.target.faults.clear()

    def _disturb(self) -> None:
        if self.random.random() < 0.4:
            return
        client = self.random.choice((self.world.source, self.world.target))
        fault = self.random.choice(
            [Fault.LOSE_REQUEST, Fault.LOSE_ANSWER, Fault.DELAY, Fault.DUPLICATE, Fault.REFUSE]
            + [Fault.DISCONNECT] * (self.random.random() < 0.2)
        )
        what = self.random.choice(METHODS if fault is Fault.REFUSE else METHODS + EVENTS)
        error = self.random.choice(REFUSALS) if fault is Fault.REFUSE else None
        client.faults.add(fault, what, seconds=self.random.choice((0.1, 0.7)), error=error)


class InterleavingTests(SynchronousTestCase):
    def check(self, features: frozenset[str]) -> None:
        for seed in range(SCHEDULES):
            schedule = Schedule(seed, features)
            world, trader = schedule.world, schedule.world.trader
            schedule.run()
            name = f"seed {seed}: {trader.life.state} {trader.reason}"
            settled = world.until(lambda w=world, s=schedule: self.settled(w, s), 20)
            self.assertTrue(settled, f"{name} {trader.status()} {schedule.exposure()} {trader.desk.live()}")
            self.assertEqual((schedule.overshoots, schedule.unexplained), ([], []), name)
            self.assertLessEqual(world.most_resting, D("0.1"), name)
            self.assertEqual(trader.floor.exposure.net, schedule.exposure(), name)
            self.compare_fills(world, name)
            self.assertEqual(world.end(), (), name)
            self.assertEqual([world.open_orders("source"), world.open_orders()], [[], []], name)

    def settled(self, world: World, schedule: Schedule) -> bool:
        """Hedged, quoting again, and of one opinion with the venues about what rests."""
        trader = world.trader
        ours = {(order.venue, order.order_id) for order in trader.desk.live()}
        theirs = {(venue, str(order.id)) for venue in ("source", "target") for order in world.open_orders(venue)}
        quoting = trader.life.state is State.TRADING and len(world.open_orders()) == 2
        return quoting and abs(schedule.exposure()) < D("0.01") and ours == theirs

    def compare_fills(self, world: World, name: str) -> None:
        """Every unit that the venues traded for us is in the journal once."""
        for venue, purpose in (("source", Purpose.HEDGE), ("target", Purpose.QUOTE)):
            fills = [fill for fill in world.journal.of(FillEntry) if fill.venue == venue]
            self.assertEqual({fill.purpose for fill in fills} - {purpose}, set(), name)
            core = world.core(venue)
            traded = sum(fill.quantity for fill in core.fills("pool", world.clock.start, world.clock.now()))
            self.assertEqual(sum((fill.quantity for fill in fills), D(0)), D(traded) / 10**8, name)
            keys = [fill.key for fill in fills]
            self.assertEqual(len(keys), len(set(keys)), name)

    def test_on_venues_that_have_everything(self) -> None:
        self.check(EVERYTHING)

    def test_on_venues_without_client_ids_lookup_and_trade_ids(self) -> None:
        self.check(SPUTNIK)
