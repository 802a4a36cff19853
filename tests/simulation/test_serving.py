"""A whole world on the wire: each venue with its admin address, money that moves between them."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import treq
from twisted.internet import reactor, task
from twisted.internet.error import CannotListenError
from twisted.trial.unittest import TestCase
from twisted.web.client import Agent, HTTPConnectionPool

from ilp.clock import WorldClock
from ilp.simulation.scenario import Invented, User, demo
from ilp.simulation.serving import Servers, serve
from ilp.simulation.simulated_world import World
from tests.simulation.sputnik.cases import asynchronous
from tests.simulation.sputnik.world import START, Wire, dial, order

ONE = {"BTC": Decimal(2), "USD": Decimal(50_000)}
OTHER = {"BTC": Decimal(2), "HUF": Decimal(10_000_000)}


def make_world(speed: float = 100_000) -> World:
    scenario = demo(
        source_users=(User("trader", ONE, "known"),),
        target_users=(User("trader", OTHER),),
        price=Invented(Decimal(10_000)),
        informed=None,
        uninformed=None,
    )
    return World(scenario, WorldClock(reactor, START, speed))


class ServingTests(TestCase):
    """`serve` on loopback sockets."""

    timeout = 10
    servers: Servers | None = None
    world: World | None = None

    async def serve(self, **options: Any) -> Servers:
        self.world = make_world()
        self.servers = await serve(self.world, **options)
        return self.servers

    @asynchronous
    async def tearDown(self) -> None:
        if self.world is not None:
            self.world.stop()
        if self.servers is not None:
            await self.servers.stop()

    async def login(self, servers: Servers, name: str) -> Wire:
        wire = servers[name]
        connection = await dial(reactor, wire.venue.endpoint)
        welcome = await connection.login("trader", wire.accounts["trader"])
        self.assertEqual(welcome[0], 2)
        return connection

    @asynchronous
    async def test_each_venue_tells_how_to_reach_it_and_can_be_logged_in_to(self) -> None:
        servers = await self.serve()
        self.assertEqual(list(servers.wires), ["source", "target"])
        for name, wire in servers.wires.items():
            document = wire.announcement()
            self.assertEqual(set(document), {"venue", "endpoints", "accounts", "admin"})
            self.assertEqual(document["venue"], name)
            self.assertEqual(document["endpoints"], {"ws": wire.venue.endpoint, "rest": wire.venue.rest_endpoint})
            await self.login(servers, name)
        self.assertEqual(servers["source"].accounts, {"trader": "known"})

    @asynchronous
    async def test_a_password_that_is_left_open_is_the_same_for_the_same_seed_and_long(self) -> None:
        first = dict((await self.serve())["target"].accounts)
        await self.tearDown()
        second = dict((await self.serve())["target"].accounts)
        self.assertEqual(first, second)
        self.assertEqual(len(first["trader"]), 20)

    @asynchronous
    async def test_bitcoin_sent_from_one_venue_arrives_at_the_other(self) -> None:
        servers = await self.serve()
        source, target = await self.login(servers, "source"), await self.login(servers, "target")
        address = await target.result("rpc.trader.get_current_address", "BTC")
        await source.result("rpc.trader.request_withdrawal", "BTC", 10**8, address, "")
        for _ in range(200):
            positions = await target.result("rpc.trader.get_positions")
            if positions["BTC"]["position"] != 2 * 10**8:
                break
            await task.deferLater(reactor, 0.01)
        self.assertEqual(positions["BTC"]["position"], 3 * 10**8 - 50_000)

    @asynchronous
    async def test_the_markets_of_a_world_that_was_started_are_alive_on_the_wire(self) -> None:
        servers = await self.serve()
        assert self.world is not None
        self.world.start()
        target = await self.login(servers, "target")
        book = await target.result("rpc.market.get_order_book", "BTC/HUF")
        best = max(row["price"] for row in book["bids"])
        self.assertLess(best, min(row["price"] for row in book["asks"]))
        # Well below the best bid: the market lives and may have moved since its book was read.
        wanted = order("BTC/HUF", "SELL", best - 10_000_000, 1_000_000)
        await target.result("rpc.trader.place_order", wanted)
        fills = self.world.cores["target"].fills("trader", START, self.world.clock.now())
        self.assertTrue(fills)

    @asynchronous
    async def test_each_admin_address_shows_its_own_venue(self) -> None:
        servers = await self.serve()
        agent = Agent(reactor, pool=HTTPConnectionPool(reactor, persistent=False))
        for name, asset in (("source", "USD"), ("target", "HUF")):
            response = await treq.get(f"{servers[name].admin.url}/ledger", agent=agent)
            ledger = json.loads(await response.content())
            self.assertEqual((ledger["venue"], asset in ledger["accounts"]["trader"]), (name, True))

    @asynchronous
    async def test_a_shutdown_ends_the_venue_or_tells_who_serves_it(self) -> None:
        ended: list[str] = []
        servers = await self.serve(ended=ended.append)
        agent = Agent(reactor, pool=HTTPConnectionPool(reactor, persistent=False))
        await treq.content(await treq.post(f"{servers['source'].admin.url}/shutdown", agent=agent))
        await task.deferLater(reactor, 0.1)
        self.assertEqual(ended, ["source"])

    @asynchronous
    async def test_a_port_in_use_leaves_nothing_listening(self) -> None:
        first = await self.serve()
        used = first["target"].venue.port
        other = make_world()
        self.addCleanup(other.stop)
        with self.assertRaises(CannotListenError):
            await serve(other, ports={"target": used})
