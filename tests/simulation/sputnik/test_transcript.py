"""The annotated transcript of the exchange's description, message by message, as far as ids and times allow."""

from __future__ import annotations

from typing import Any

from tests.simulation.sputnik.cases import VenueTestCase, asynchronous
from tests.simulation.sputnik.world import START, order, signature, user_topic

NOW = int(START.timestamp()) * 10**6
BOOK = "feeds.market.book.btc_huf"
ORDERS, FILLS, TRANSACTIONS = (user_topic(kind, "alice") for kind in ("orders", "fills", "transactions"))


def book(*asks: tuple[int, int]) -> tuple[str, Any]:
    rows = [{"price": price, "quantity": quantity} for price, quantity in asks]
    return BOOK, {"contract": "BTC/HUF", "bids": [], "asks": rows}


def posted(id: int, contract: str, direction: str, quantity: int, note: str = "") -> tuple[str, Any]:
    row = {"contract": contract, "type": "Trade", "direction": direction, "quantity": quantity}
    return TRANSACTIONS, row | {"note": note or f"Aggressive order: {id}"}


def state(id: int, left: int, *, cancelled: bool = False) -> tuple[str, Any]:
    whole = order("BTC/HUF", "SELL", 6150000, 5000000)
    return ORDERS, {"id": id, **whole, "quantity_left": left, "is_cancelled": cancelled}


class TranscriptTests(VenueTestCase):
    """Alice sells 0.05 BTC at 61500; 0.04 meet bob's bid at 62000, 0.01 rests and is cancelled."""

    @asynchronous
    async def test_the_whole_session_goes_as_written(self) -> None:
        self.world.place("bob", "BTC/HUF", "BUY", 6200000, 4000000)
        wire = await self.world.connect()
        challenge = await wire.hello(authmethods=["wampcra"], authid="alice")
        self.assertEqual(challenge[:2], [4, "wampcra"])
        wire.put(5, signature("secret-alice", challenge[2]), {})
        self.assertEqual((await wire.next())[2]["authprovider"], "database")

        markets = await wire.result("rpc.market.get_markets")
        self.assertLessEqual({"BTC", "HUF", "BTC/HUF"}, set(markets))
        await wire.subscribe(BOOK, ORDERS, FILLS, TRANSACTIONS)
        bid = [{"price": 6200000, "quantity": 4000000}]
        expected = {"contract": "BTC/HUF", "bids": bid, "asks": []}
        self.assertEqual(await wire.result("rpc.market.get_order_book", "BTC/HUF"), expected)
        self.assertEqual(await wire.result("rpc.trader.get_open_orders"), {})
        holding = {"contract": "BTC", "position": 500000000, "reference_price": None}
        self.assertEqual((await wire.result("rpc.trader.get_positions"))["BTC"], holding)

        sell = order("BTC/HUF", "SELL", 6150000, 5000000)
        wire.put(48, 900, {}, "rpc.trader.place_order", [sell])
        answer = await wire.next()
        id = answer[3][0]["result"]
        self.assertEqual(answer, [50, 900, {}, [{"success": True, "result": id}]])
        fill = {"contract": "BTC/HUF", "id": id, "side": "SELL", "price": 6200000, "quantity": 4000000}
        expected_events = [
            book(),
            book((6150000, 1000000)),
            state(id, 5000000),
            posted(id, "HUF", "credit", 248000),
            posted(id, "BTC", "debit", 4000000),
            posted(id, "HUF", "debit", 2480, "Fee"),
            state(id, 1000000),
            (FILLS, fill | {"fees": {"HUF": 2480}}),
        ]
        self.assertEqual(await self.timeless(wire, 8), expected_events)

        wire.put(48, 901, {}, "rpc.trader.cancel_order", [id])
        self.assertEqual(await self.timeless(wire, 2), [book(), state(id, 1000000, cancelled=True)])
        self.assertEqual(await wire.next(), [50, 901, {}, [{"success": True, "result": True}]])
        error = await wire.error("rpc.trader.cancel_order", id)
        self.assertEqual(error, ["exceptions/accountant/order_cancelled"])
        wire.put(6, {}, "wamp.close.normal")
        self.assertEqual(await wire.next(), [6, {}, "wamp.goodbye.normal"])

    async def timeless(self, wire: Any, count: int) -> list[tuple[str, Any]]:
        """The next events without their times, which are those of the world within a millisecond."""
        found = await wire.events(count)
        for _, payload in found:
            stamp = payload.pop("timestamp", NOW)
            self.assertTrue(NOW <= stamp < NOW + 1000, payload)
        return [tuple(event) for event in found]
