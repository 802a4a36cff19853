"""MessagePack, which some installations happen to speak: dictionaries are indexed by integers there."""

from __future__ import annotations

from typing import Any

import msgspec

from tests.simulation.sputnik.cases import VenueTestCase, asynchronous
from tests.simulation.sputnik.world import Closed, Wire, order


def packing(wire: Wire, *, batched: bool = False) -> Wire:
    """The raw connection, speaking MessagePack; each frame holds one message."""

    def put(*message: Any) -> None:
        packed = msgspec.msgpack.encode(list(message))
        prefix = len(packed).to_bytes(4, "big") if batched else b""
        wire.sendMessage(prefix + packed, isBinary=True)

    def on_message(payload: bytes, isBinary: bool) -> None:
        assert isBinary
        message = msgspec.msgpack.decode(payload[4:] if batched else payload)
        if wire._waiting:
            wire._waiting.popleft().callback(message)
        else:
            wire.messages.append(message)

    wire.put = put
    wire.onMessage = on_message
    return wire


class MessagePackTests(VenueTestCase):
    """The switch `msgpack`."""

    @asynchronous
    async def test_it_is_not_spoken_by_default(self) -> None:
        with self.assertRaises(Closed):
            await self.world.connect(("wamp.2.msgpack",))

    @asynchronous
    async def test_orders_and_bars_are_keyed_by_integers(self) -> None:
        self.world.venue.fault({"msgpack": True})
        for protocol, batched in (("wamp.2.msgpack", False), ("wamp.2.msgpack.batched", True)):
            wire = packing(await self.world.connect((protocol,)), batched=batched)
            assert (await wire.login("alice", "secret-alice"))[0] == 2
            id = await wire.result("rpc.trader.place_order", order("BTC/HUF", "SELL", 6200000, 1000000))
            orders = await wire.result("rpc.trader.get_open_orders")
            self.assertIn(id, orders)
            self.assertEqual(orders[id]["contract"], "BTC/HUF")
        self.world.place("bob", "BTC/HUF", "BUY", 6200000, 1000000)
        bars = await wire.call("rpc.market.get_ohlcv_history", "BTC/HUF", "minute")
        self.assertTrue(all(type(key) is int for key in bars["result"]))

    @asynchronous
    async def test_events_are_packed_for_those_who_want_it_and_are_json_for_the_others(self) -> None:
        self.world.venue.fault({"msgpack": True})
        packed = packing(await self.world.connect(("wamp.2.msgpack",)))
        await packed.join()
        plain = await self.world.join()
        for wire in (packed, plain):
            await wire.subscribe("feeds.market.book.btc_huf")
        self.world.place("bob", "BTC/HUF", "BUY", 6200000, 1000000)
        self.assertEqual(await packed.event(), await plain.event())
