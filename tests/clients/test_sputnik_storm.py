"""Whatever happens to the line, in the end the client's picture is the venue's: random work under random faults."""

from __future__ import annotations

import contextlib
import random
from decimal import Decimal
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from clients.exchange import ExchangeError, Side
from tests.clients.bench import DAY, Bench, ContractCase, Recorder, asynchronous, eventually, pause
from tests.clients.test_sputnik_contract import PROCEDURES, SputnikBench
from tests.simulation.sputnik.world import make_world

STEPS = 60
FAULTS: list[dict[str, Any]] = [
    {"disconnect": 1006},
    {"disconnect": 1011},
    {"restart": True},
    {"down": True},
    {"down": False},
    {"freeze": True},
    {"freeze": False},
    {"hold_withdrawals": True},
    {"cancel_withdrawals": True},
    {"garbage": True},
    {"drop_events": "feeds.user.orders"},
    {"drop_events": "feeds.user.fills"},
    {"drop_events": "feeds."},
    {"repeat_events": "feeds."},
    {"drop_events": None, "repeat_events": None},
    {"delay_answers": 0.02},
    {"delay_answers": 0},
    {"events_first": True},
    *[{"lose_answer": {"call": uri, "effect": effect}} for uri in PROCEDURES.values() for effect in (True, False)],
    *[{"garble_answer": {"call": uri}} for uri in PROCEDURES.values()],
    {"repeat_answer": {"count": 5}},
    {"cancel_all": "BTC/HUF"},
]


class StormTests(ContractCase, TestCase):
    """One test a seed."""

    bench: SputnikBench

    async def start_bench(self) -> Bench:
        return SputnikBench(await make_world(_reactor))

    async def work(self, client: Any, draw: random.Random) -> None:
        """One thing that a trader does; what fails, fails in a way that the interface names."""
        ticks = Decimal(draw.randrange(20))
        side = draw.choice([Side.BUY, Side.SELL])
        price = Decimal(60000) + (ticks if side is Side.SELL else -ticks)
        with contextlib.suppress(ExchangeError):
            match draw.randrange(6):
                case 0 | 1 | 2:
                    await client.placeOrder("BTC/HUF", Decimal(draw.randrange(1, 4)) / 100, price, side)
                case 3:
                    orders = list(await client.getOpenOrders())
                    if orders:
                        await client.cancelOrder(draw.choice(orders))
                case 4:
                    await client.cancelAllOrders()
                case 5:
                    await client.requestWithdrawal("BTC", Decimal("0.01"), "somewhere")

    async def storm(self, seed: int) -> None:
        draw = random.Random(seed)
        client, recorder = await self.connected(deadline=0.15)
        under_way: list[Deferred[None]] = []
        for _ in range(STEPS):
            under_way.append(Deferred.fromCoroutine(self.work(client, draw)))
            if draw.random() < 0.4:
                side = draw.choice([Side.BUY, Side.SELL])
                self.bench.trade(side, Decimal("0.02"), Decimal(60000) + draw.randrange(-20, 20))
            if draw.random() < 0.3:
                self.bench.venue.faults.apply(draw.choice(FAULTS))
            await pause(draw.choice([0, 0, 0.005, 0.02]))
        self.bench.venue.faults.apply({"clear": True})
        for one in under_way:
            await one
        await self.same_as_venue(client, recorder)

    async def same_as_venue(self, client: Any, recorder: Recorder) -> None:
        names = recorder.names()
        await eventually(
            lambda: names.count("connect") <= recorder.names().count("connect") and client._live, "connected"
        )
        core = self.bench.world.core
        await pause(0.05)
        orders = await client.getOpenOrders()
        await pause(0.1)  # an order's event may wait for its fill
        theirs = {str(order.id): order for order in core.open_orders("alice")}
        assert set(orders) == set(theirs)
        for id, order in orders.items():
            assert order["quantity_filled"] == Decimal(theirs[id].quantity_filled) / 10**8
        told: dict[str, Any] = {}
        for order in recorder.of("order"):
            assert order["quantity_filled"] >= told.get(order["id"], order)["quantity_filled"], "it fell"
            told[order["id"]] = order
        for id, order in told.items():
            assert order["quantity_filled"] == Decimal(core.order(int(id)).quantity_filled) / 10**8, id
            assert order["final"] == core.order(int(id)).final, (order, core.order(int(id)))
        positions = await client.getPositions()
        for ticker, units in (("BTC", 10**8), ("HUF", 100)):
            assert positions[ticker]["position"] == Decimal(core.balance("alice", ticker)) / units
        now = self.bench.now()
        filled: dict[str, Decimal] = {}
        for fill in await client.getFills(now - DAY, now + DAY):
            filled[fill["order_id"]] = filled.get(fill["order_id"], Decimal(0)) + fill["quantity"]
        for id, quantity in filled.items():
            assert quantity == Decimal(core.order(int(id)).quantity_filled) / 10**8


def _seed(seed: int) -> None:
    @asynchronous
    async def test(self: StormTests) -> None:
        await self.storm(seed)

    setattr(StormTests, f"test_the_picture_is_the_venues_after_storm_{seed}", test)


for _number in range(4):
    _seed(_number)
