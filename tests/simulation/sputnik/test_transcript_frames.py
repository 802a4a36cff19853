"""The annotated transcript of the exchange's description, frame by frame: what the client sends there is sent, what the
server sends there has to come, in that order, with those numbers; only ids, times and the challenge are its own."""

from __future__ import annotations

from typing import Any
from unittest.mock import ANY

from twisted.internet import reactor, task

from ilp.clock import WorldClock
from ilp.simulation.contracts import Currency, Pair
from ilp.simulation.core import Core
from ilp.simulation.rules import Rules
from tests.simulation.sputnik.cases import VenueTestCase, asynchronous
from tests.simulation.sputnik.world import make_world, signature

BTC, HUF = Currency("BTC", 10**8, 10_000), Currency("HUF", 100, 100)
OWNER = "2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90"
BOOK = "feeds.market.book.btc_huf"
ORDERS, FILLS, MONEY = (f"feeds.user.{kind}.{OWNER}" for kind in ("orders", "fills", "transactions"))
SELL = {"contract": "BTC/HUF", "price": 6150000, "quantity": 5000000, "side": "SELL"}
ORDER = {"id": 42, **SELL, "timestamp": ANY}
SIGNATURE = object()  # stands for what answers the challenge

CLIENT, SERVER = "client", "server"
Frame = tuple[str, Any]


def good(result: Any) -> list[Any]:
    return [{"success": True, "result": result}]


def book(bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> dict[str, Any]:
    sides = ([{"price": price, "quantity": quantity} for price, quantity in side] for side in (bids, asks))
    return {"contract": "BTC/HUF", **dict(zip(("bids", "asks"), sides, strict=True))}


def event(topic: str, payload: Any) -> Frame:
    return SERVER, [36, topic, ANY, {}, [payload]]


def call(request: int, uri: str, *arguments: Any) -> Frame:
    return CLIENT, [48, request, {}, uri, list(arguments)]


def result(request: int, envelope: list[Any]) -> Frame:
    return SERVER, [50, request, {}, envelope]


def subscribed(request: int, topic: str) -> list[Frame]:
    return [(CLIENT, [32, request, {}, topic]), (SERVER, [33, request, topic])]


def booked(contract: str, direction: str, quantity: int, note: str) -> Frame:
    row = {"contract": contract, "type": "Trade", "direction": direction, "quantity": quantity, "note": note}
    return event(MONEY, {**row, "timestamp": ANY})


TRANSCRIPT: list[Frame] = [
    (
        CLIENT,
        [1, "sputnik", {"roles": {"caller": {}, "subscriber": {}}, "authmethods": ["wampcra"], "authid": "alice"}],
    ),
    (SERVER, [4, "wampcra", {"challenge": ANY, "salt": ANY, "iterations": 1000, "keylen": 32}]),
    (CLIENT, [5, SIGNATURE, {}]),
    (
        SERVER,
        [
            2,
            ANY,
            {
                "authid": "alice",
                "authrole": "user",
                "authmethod": "wampcra",
                "authprovider": "database",
                "roles": {"broker": ANY, "dealer": ANY},
            },
        ],
    ),
    call(1, "rpc.market.get_markets"),
    result(1, good({"BTC": ANY, "HUF": ANY, "BTC/HUF": ANY})),
    *subscribed(2, BOOK),
    *subscribed(3, ORDERS),
    *subscribed(4, FILLS),
    *subscribed(5, MONEY),
    call(6, "rpc.market.get_order_book", "BTC/HUF"),
    result(6, good(book([(6200000, 4000000)], []))),
    call(7, "rpc.trader.get_open_orders"),
    result(7, good({})),
    call(8, "rpc.trader.get_positions"),
    # Currencies of which there is nothing may be listed or not.
    result(8, good({"BTC": {"contract": "BTC", "position": 500000000, "reference_price": None}, "HUF": ANY})),
    call(9, "rpc.trader.place_order", SELL),
    result(9, good(42)),
    event(BOOK, book([], [])),
    event(BOOK, book([], [(6150000, 1000000)])),
    event(ORDERS, {**ORDER, "quantity_left": 5000000, "is_cancelled": False}),
    booked("HUF", "credit", 248000, "Aggressive order: 42"),
    booked("BTC", "debit", 4000000, "Aggressive order: 42"),
    booked("HUF", "debit", 2480, "Fee"),
    event(ORDERS, {**ORDER, "quantity_left": 1000000, "is_cancelled": False}),
    event(
        FILLS,
        {
            "contract": "BTC/HUF",
            "id": 42,
            "side": "SELL",
            "price": 6200000,
            "quantity": 4000000,
            "timestamp": ANY,
            "fees": {"HUF": 2480},
        },
    ),
    call(10, "rpc.trader.cancel_order", 42),
    event(BOOK, book([], [])),
    event(ORDERS, {**ORDER, "quantity_left": 1000000, "is_cancelled": True}),
    result(10, good(True)),
    call(11, "rpc.trader.cancel_order", 42),
    result(11, [{"success": False, "error": ["exceptions/accountant/order_cancelled"]}]),
    (CLIENT, [6, {}, "wamp.close.normal"]),
    (SERVER, [6, {}, "wamp.goodbye.normal"]),
]


def make_core(clock: WorldClock) -> Core:
    """Alice has 5 BTC, bob forints."""
    pair = Pair("BTC/HUF", BTC, HUF, tick=100, lot=10**6, fee_bps=100)
    rules = Rules(hold_original=True, cancel_marks_filled=True)
    core = Core(clock.now, [BTC, HUF], [pair], rules=rules, venue="target")
    for name, ticker, units in (("alice", "BTC", 500000000), ("bob", "HUF", 10**9)):
        core.open_account(name)
        core.endow(name, ticker, units)
    return core


class TranscriptTests(VenueTestCase):
    """Alice's session."""

    @asynchronous
    async def setUp(self) -> None:
        self.clock = task.Clock()
        self.world = await make_world(reactor, clock=self.clock, exchange=make_core)
        for _ in range(40):  # so that alice's order is the 42nd
            self.world.core.cancel("bob", self.world.place("bob", "BTC/HUF", "BUY", 100, 1000000))
        self.world.place("bob", "BTC/HUF", "BUY", 6200000, 4000000)

    @asynchronous
    async def test_every_frame_comes_as_written(self) -> None:
        wire = await self.world.connect()
        topics: dict[int, str] = {}
        received: Any = None
        for number, (who, frame) in enumerate(TRANSCRIPT):
            if who is CLIENT:
                wire.put(*[signature("secret-alice", received[2]) if part is SIGNATURE else part for part in frame])
                continue
            received = await wire.next()
            if frame[0] == 33:
                topics[received[2]] = frame[2]
            named = [
                topics.get(part, part) if i in (1, 2) and type(part) is int else part for i, part in enumerate(received)
            ]
            self.assertEqual(frame, named if frame[0] in (33, 36) else received, f"frame {number}")
        self.assertEqual(list(wire.messages), [])
