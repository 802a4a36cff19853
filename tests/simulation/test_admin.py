"""The admin address over real HTTP: a venue's own truth, and meddling with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import treq
from twisted.internet import reactor, task
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase
from twisted.web.client import Agent, HTTPConnectionPool

from clients.exchange import Side
from ilp.clock import WorldClock
from ilp.simulation.admin import Admin, venue_paths
from ilp.simulation.bodies import BadRequest
from ilp.simulation.core import Core
from tests.simulation.sputnik.cases import asynchronous
from tests.simulation.sputnik.world import START, make_core


class _Venue:
    """A venue without a wire."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.faults: list[Mapping[str, Any]] = []

    def fault(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        if "impossible" in wanted:
            raise BadRequest("impossible", "no such fault")
        self.faults.append(wanted)
        return {"now": dict(wanted)}


class AdminTestCase(TestCase):
    """With an admin address that listens."""

    timeout = 10

    @asynchronous
    async def setUp(self) -> None:
        self.core = make_core(WorldClock(task.Clock(), START))
        self.venue = _Venue(self.core)
        self.ended: Deferred[None] = Deferred()
        self.admin = Admin(venue_paths(self.venue), reactor, lambda: self.ended.callback(None))
        await self.admin.listen()

    @asynchronous
    async def tearDown(self) -> None:
        await self.admin.stop()

    async def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """One request; the status and the document of the answer."""
        agent = Agent(reactor, pool=HTTPConnectionPool(reactor, persistent=False))
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        response = await treq.request(method, f"{self.admin.url}/{path}", data=data, agent=agent)
        return response.code, json.loads(await response.content())

    async def get(self, path: str) -> Any:
        status, document = await self.ask("GET", path)
        self.assertEqual(status, 200, document)
        return document

    async def post(self, path: str, **body: Any) -> Any:
        status, document = await self.ask("POST", path, body)
        self.assertEqual(status, 200, document)
        return document

    async def refused(self, path: str, **body: Any) -> str:
        """The field that a bad request names."""
        status, document = await self.ask("POST", path, body)
        self.assertEqual(status, 400, document)
        (error,) = document["errors"]
        self.assertTrue(error["message"])
        return str(error["field"])


class ReadingTests(AdminTestCase):
    """What the venue holds."""

    @asynchronous
    async def test_the_ledger_shows_every_holding_and_the_house(self) -> None:
        self.core.place("alice", "BTC/HUF", Side.BUY, 6000000, 1000000)
        ledger = await self.get("ledger")
        self.assertEqual((ledger["venue"], ledger["time"]), ("target", "2026-03-01T12:00:00+00:00"))
        expected = {"total": "10000000", "held": "606", "available": "9999394"}
        self.assertEqual(ledger["accounts"]["alice"]["HUF"], expected)
        self.assertEqual(set(ledger["accounts"]), {"alice", "bob", "carol"})
        self.assertEqual(ledger["house"]["house.cash"], {"BTC": "15", "HUF": "30000000", "USD": "3000000"})

    @asynchronous
    async def test_what_is_had_is_what_is_owed(self) -> None:
        self.core.place("alice", "BTC/HUF", Side.BUY, 6000000, 1000000)
        self.core.place("bob", "BTC/HUF", Side.SELL, 6000000, 1000000)
        self.core.withdraw("alice", "BTC", 20000, "somewhere")
        ledger = await self.get("ledger")
        for asset in ("BTC", "HUF", "USD"):
            users = sum(Decimal(held[asset]["total"]) for held in ledger["accounts"].values())
            house = {name: Decimal(held.get(asset, "0")) for name, held in ledger["house"].items()}
            self.assertEqual(house.pop("house.cash"), users + sum(house.values()))

    @asynchronous
    async def test_open_orders_of_everyone_are_listed_in_human_units(self) -> None:
        self.core.place("alice", "BTC/HUF", Side.BUY, 6000000, 2000000)
        self.core.place("bob", "BTC/HUF", Side.SELL, 6000000, 1000000)
        expected = {
            "id": 1,
            "account": "alice",
            "contract": "BTC/HUF",
            "side": "BUY",
            "price": "60000",
            "quantity": "0.02",
            "quantity_left": "0.01",
            "timestamp": "2026-03-01T12:00:00+00:00",
        }
        self.assertEqual(await self.get("orders"), {"orders": [expected]})

    @asynchronous
    async def test_transfers_and_addresses_are_listed(self) -> None:
        address = self.core.current_address("alice", "BTC")
        self.core.withdraw("alice", "BTC", 20000, "somewhere")
        self.core.deposit("BTC", 50000, address, "chain id")
        self.assertEqual((await self.get("addresses"))["addresses"], {address: {"account": "alice", "asset": "BTC"}})
        (withdrawal,) = (await self.get("withdrawals"))["withdrawals"]
        self.assertEqual((withdrawal["amount"], withdrawal["status"]), ("0.0002", "pending"))
        (deposit,) = (await self.get("deposits"))["deposits"]
        found = (deposit["account"], deposit["amount"], deposit["status"], deposit["reference"])
        self.assertEqual(found, ("alice", "0.0005", "done", "chain id"))


class TradingTests(AdminTestCase):
    """`POST /trade`."""

    @asynchronous
    async def test_a_taker_meets_what_rests_and_leaves_nothing_behind(self) -> None:
        self.core.place("alice", "BTC/HUF", Side.SELL, 6000000, 1000000)
        done = await self.post("trade", ticker="BTC/HUF", side="BUY", quantity="0.03", price="60000")
        self.assertEqual((done["filled"], done["cash"], done["account"]), ("0.01", "600", "taker"))
        self.assertEqual(self.core.open_orders(), [])

    @asynchronous
    async def test_without_a_price_it_takes_all_levels_that_it_needs(self) -> None:
        for price in (6000000, 5000000, 4000000):
            self.core.place("alice", "BTC/HUF", Side.BUY, price, 1000000)
        done = await self.post("trade", ticker="BTC/HUF", side="sell", quantity="0.02")
        self.assertEqual((done["filled"], done["cash"]), ("0.02", "1100"))

    @asynchronous
    async def test_the_taker_is_given_what_it_costs_and_that_is_recorded(self) -> None:
        self.core.place("alice", "BTC/HUF", Side.SELL, 6000000, 1000000)
        before = self.core.had("HUF")
        await self.post("trade", ticker="BTC/HUF", side="BUY", quantity="0.01", price="60000")
        self.assertEqual(self.core.had("HUF") - before, 60600)
        self.assertEqual(self.core.had("HUF"), self.core.owed("HUF"))
        self.assertEqual(self.core.balance("taker", "HUF"), 0)

    @asynchronous
    async def test_a_named_account_trades_with_its_own_money_and_may_rest(self) -> None:
        done = await self.post(
            "trade", ticker="BTC/HUF", side="BUY", quantity="0.01", price=60000, account="bob", rest=True
        )
        self.assertEqual((done["filled"], done["quantity_left"]), ("0", "0.01"))
        (resting,) = self.core.open_orders("bob")
        self.assertEqual(resting.id, done["id"])

    @asynchronous
    async def test_mistakes_are_named(self) -> None:
        good = {"ticker": "BTC/HUF", "side": "BUY", "quantity": "0.01", "price": "60000"}
        for change, field in [
            ({"ticker": "X/Y"}, "ticker"),
            ({"ticker": None}, "ticker"),
            ({"side": "LONG"}, "side"),
            ({"quantity": "0.001"}, "quantity"),
            ({"quantity": "x"}, "quantity"),
            ({"quantity": -1}, "quantity"),
            ({"quantity": True}, "quantity"),
            ({"price": "0.001"}, "price"),
            ({"price": None}, "price"),
            ({"rest": "yes"}, "rest"),
            ({"account": "nobody"}, "order"),
            ({"leverage": 3}, "leverage"),
        ]:
            self.assertEqual(await self.refused("trade", **{**good, **change}), field, change)
        self.assertEqual(self.core.open_orders(), [])


class MoneyTests(AdminTestCase):
    """What an administrator does with transfers."""

    @asynchronous
    async def test_a_pending_withdrawal_is_completed_or_cancelled_once(self) -> None:
        for _ in range(2):
            self.core.withdraw("alice", "BTC", 20000, "somewhere")
        done = await self.post("withdrawal", id=1, action="complete", reference="chain id")
        self.assertEqual((done["status"], done["reference"]), ("done", "chain id"))
        self.assertEqual((await self.post("withdrawal", id=2, action="cancel"))["status"], "cancelled")
        self.assertEqual(await self.refused("withdrawal", id=2, action="cancel"), "id")
        self.assertEqual(await self.refused("withdrawal", id=9, action="cancel"), "id")
        self.assertEqual(await self.refused("withdrawal", id="1", action="cancel"), "id")
        self.assertEqual(await self.refused("withdrawal", id=1, action="explode"), "action")

    @asynchronous
    async def test_money_from_outside_is_credited_to_the_owner_of_the_address(self) -> None:
        address = self.core.current_address("alice", "HUF")
        before = self.core.balance("alice", "HUF")
        await self.post("deposit", asset="HUF", quantity="12.5", address=address)
        self.assertEqual(self.core.balance("alice", "HUF") - before, 1250)
        self.assertIsNone((await self.post("deposit", asset="HUF", quantity="1", address="x"))["account"])
        self.assertEqual(await self.refused("deposit", asset="XYZ", quantity="1", address="x"), "asset")
        self.assertEqual(await self.refused("deposit", asset="HUF", quantity="0.001", address="x"), "quantity")


class ServingTests(AdminTestCase):
    """HTTP itself, faults and the end."""

    @asynchronous
    async def test_faults_are_handed_on_and_mistakes_come_back(self) -> None:
        self.assertEqual(await self.post("fault", freeze=True), {"now": {"freeze": True}})
        self.assertEqual(self.venue.faults, [{"freeze": True}])
        self.assertEqual(await self.refused("fault", impossible=1), "impossible")

    @asynchronous
    async def test_a_body_that_is_no_object_is_refused(self) -> None:
        for body in (b"{", b"[1]", b"\xff"):
            status, document = await self.ask("POST", "trade", body)
            self.assertEqual((status, document["errors"][0]["field"]), (400, "body"))

    @asynchronous
    async def test_a_wrong_method_is_refused(self) -> None:
        for method, path in [("POST", "ledger"), ("GET", "shutdown")]:
            self.assertEqual((await self.ask(method, path))[0], 405)
        self.assertFalse(self.ended.called)

    @asynchronous
    async def test_shutdown_is_answered_before_the_venue_ends(self) -> None:
        self.assertEqual(await self.post("shutdown"), {"ending": True})
        await self.ended

    @asynchronous
    async def test_it_listens_on_loopback_alone(self) -> None:
        self.assertTrue(self.admin.url.startswith("http://127.0.0.1:"))
