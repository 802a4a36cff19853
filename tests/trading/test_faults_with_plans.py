"""Random faults while plans trade and transfers travel: nothing is sent twice, every unit and every fill counts once."""

from __future__ import annotations

import os
from decimal import Decimal
from random import Random

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import OrderRejected, RateLimited, Side
from ilp.journal.entries import FillEntry, TransferState
from ilp.simulation.faults import Fault
from ilp.simulation.inprocess import EVERYTHING, SPUTNIK
from ilp.simulation.session import Conditions
from ilp.trading.machine import State
from tests.trading.world import AGES, LIMITS, PARAMETERS, RULES, TIMING, D, World, settings

SCHEDULES = int(os.environ.get("ILP_SCHEDULES", "4"))
METHODS = (
    "placeOrder",
    "cancelOrder",
    "requestWithdrawal",
    "getTransfers",
    "getPositions",
    "getFills",
    "getOpenOrders",
)
EVENTS = ("event:order", "event:fill", "event:position")
FAULTS = (Fault.LOSE_REQUEST, Fault.LOSE_ANSWER, Fault.DELAY, Fault.DUPLICATE, Fault.REFUSE, Fault.DISCONNECT)
SPEED = 60.0


class PlanFaultTests(SynchronousTestCase):
    def world(self, seed: int, features: frozenset[str]) -> World:
        config = settings(
            parameters=evolve(PARAMETERS, min_coin_transfer=D("0.3")),
            limits=evolve(LIMITS, exposure=D(5), price_band=D("0.9"), transfers_per_day=1000),
            ages=evolve(AGES, rate=600 * SPEED),
            timing=evolve(TIMING, period=2.0, sweep=10.0),
            transfers=evolve(RULES, coin_interval=60),
        )
        return World(features, Conditions(latency=0.005, jitter=0.01, deadline=1.0), config, seed=seed, speed=SPEED)

    def disturb(self, world: World, random: Random) -> None:
        for _ in range(random.randint(0, 2)):
            fault = random.choice(FAULTS)
            what = random.choice(METHODS if fault is Fault.REFUSE else METHODS + EVENTS)
            refusals = (
                lambda: OrderRejected("venue", "call", "not now"),
                lambda: RateLimited("venue", "call", "slowly", retry_after=0.2),
            )
            error = random.choice(refusals) if fault is Fault.REFUSE else None
            client = random.choice((world.source, world.target))
            client.faults.add(fault, what, seconds=random.choice((0.1, 0.6)), error=error)

    def run_schedule(self, seed: int, features: frozenset[str]) -> None:
        random, world = Random(seed), self.world(seed, features)
        world.trading()
        for _ in range(20):
            self.disturb(world, random)
            if random.random() < 0.6:
                world.take(random.choice(list(Side)), str(random.randint(2, 10) / D(100)))
            world.advance(random.choice((0.1, 0.5, 2.0)), 0.01)
        world.source.faults.clear()
        world.target.faults.clear()
        name = f"seed {seed} {sorted(features)[:1]}"
        # Time for the records to tell what became of everything, and for coins to arrive.
        world.advance(15, 0.05)
        self.resolve(world)
        world.advance(15, 0.05)
        world.trader.stop("operator")
        self.assertTrue(
            world.until(lambda: world.trader.life.state is State.READY, 20), f"{name} {world.trader.status()}"
        )
        world.advance(20, 0.1)
        self.check_fills(world, name)
        self.check_transfers(world, name)
        self.check_totals(world, name)
        self.assertEqual(world.end(), ())

    def resolve(self, world: World) -> None:
        """A person looks after what no record tells; until then nothing is resumed."""
        for entry in world.trader.transfers.uncertain:
            world.trader.transfers.act("operator", entry.id, "resolve", D(0), "the venue has no such withdrawal")

    def check_fills(self, world: World, name: str) -> None:
        """The journal has every fill once, and what is open is what quotes received less what hedges and plans closed."""
        fills = world.journal.of(FillEntry)
        for venue in ("source", "target"):
            core = world.core(venue)
            traded = sum(fill.quantity for fill in core.fills("pool", world.clock.start, world.clock.now()))
            told = sum((fill.quantity for fill in fills if fill.venue == venue), D(0))
            self.assertEqual(told, D(traded) / 10**8, f"{name} {venue}")
        self.assertEqual(len({(fill.venue, fill.key) for fill in fills}), len(fills), name)
        self.assertLess(abs(world.trader.floor.exposure.net), D("0.01"), f"{name} {world.trader.floor.exposure}")

    def check_transfers(self, world: World, name: str) -> None:
        """Each withdrawal that a venue knows of is one of ours, and none was asked for twice.

        One whose request never arrived leaves no trace: a person has said so.
        """
        entries = [entry for entry in world.trader.transfers.entries if entry.departed is not None]
        ended = (TransferState.FAILED, TransferState.CANCELLED)
        left = [entry for entry in entries if entry.state not in ended]
        asked = sum(len(world.core(venue).withdrawals("pool")) for venue in ("source", "target"))
        self.assertEqual(len(left), asked, f"{name} {[(entry.id, entry.state, entry.note) for entry in entries]}")

    def check_totals(self, world: World, name: str) -> None:
        """What the trader counts is what the venues owe and what is under way."""
        view = world.trader.floor.view()
        assert view is not None
        counted = sum((stock.total for stock in view.stocks if stock.asset == "BTC"), D(0))
        owed = world.truth("source", "BTC") + world.truth("target", "BTC")
        going = [entry for entry in world.trader.transfers.open if entry.asset == "BTC"]
        inbound = sum(
            (entry.expected for entry in going if entry.state in (TransferState.REQUESTED, TransferState.SENT)), D(0)
        )
        undebited: Decimal = sum(
            (world.trader.transfers.outstanding(venue, "BTC").requested_undebited for venue in ("source", "target")),
            D(0),
        )
        self.assertEqual(counted, owed + inbound - undebited, name)

    def test_on_venues_that_have_everything(self) -> None:
        for seed in range(SCHEDULES):
            self.run_schedule(seed, EVERYTHING)

    def test_on_venues_without_client_ids_lookup_and_trade_ids(self) -> None:
        for seed in range(SCHEDULES):
            self.run_schedule(seed, SPUTNIK)
