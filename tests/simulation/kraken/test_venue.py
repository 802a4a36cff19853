"""The simulated Kraken asked by a plain HTTP client and its own parts: ids, signatures, rights, limits, ledger, books."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import treq
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet import reactor
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.client import Agent, HTTPConnectionPool

from clients.exchange import Side
from ilp.clock import WorldClock
from ilp.simulation.bodies import BadRequest
from ilp.simulation.kraken.auth import Counter
from ilp.simulation.kraken.ids import is_id, number_of, order_id, printed
from ilp.simulation.kraken.world import KrakenUser, KrakenWorld
from tests.clients.bench import asynchronous
from tests.simulation.kraken.world import START, World, make_world


class IdTests(SynchronousTestCase):
    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 10**9), st.sampled_from("OTLA"))
    def test_ids_can_be_read_back(self, number: int, kind: str) -> None:
        text = printed(kind, number)
        assert is_id(kind, text) and number_of(kind, text) == number

    def test_other_texts_are_no_ids(self) -> None:
        for text in ("", "999", "OAAAAA-AAAAA-AAAAAA", order_id(1)[:-1] + "Z", printed("T", 1)):
            assert number_of("O", text) is None


class CounterTests(SynchronousTestCase):
    def test_a_counter_drains_and_refuses_above_its_maximum(self) -> None:
        counter = Counter(15, 0.33)
        assert all(counter.add(1, 0) for _ in range(15))
        assert not counter.add(1, 0)
        assert not counter.add(1, 3)
        assert counter.add(1, 3.1)


class RestCase(TestCase):
    tier: str | None = None

    @asynchronous
    async def setUp(self) -> None:
        self.world: World = await make_world(reactor, tier=self.tier)
        self.pool = HTTPConnectionPool(reactor, persistent=False)
        self.http = treq.client.HTTPClient(Agent(reactor, pool=self.pool))
        self.nonce = 0

    @asynchronous
    async def tearDown(self) -> None:
        await self.pool.closeCachedConnections()
        await self.world.stop()

    async def public(self, path: str) -> Any:
        response = await self.http.get(f"{self.world.venue.rest}/0/public/{path}")
        return json.loads(await response.content(), parse_float=Decimal)

    async def private(self, method: str, nonce: int | None = None, secret: str = "", **given: Any) -> Any:
        key = self.world.keys["alice"]
        self.nonce = self.nonce + 1 if nonce is None else nonce
        path, body = f"/0/private/{method}", urlencode({"nonce": self.nonce, **given}).encode()
        inner = hashlib.sha256(str(self.nonce).encode() + body).digest()
        mac = hmac.new(base64.b64decode(secret or key.secret), path.encode() + inner, hashlib.sha512)
        headers = {
            "API-Key": key.id,
            "API-Sign": base64.b64encode(mac.digest()).decode(),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        response = await self.http.post(f"{self.world.venue.rest}{path}", data=body, headers=headers)
        return json.loads(await response.content(), parse_float=Decimal)

    def order(self, **changes: Any) -> dict[str, Any]:
        return {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "volume": "0.02", "price": "50000", **changes}


class RestTests(RestCase):
    @asynchronous
    async def test_unknown_methods_and_pairs_are_refused_in_the_venues_words(self) -> None:
        assert (await self.public("Nothing"))["error"] == ["EGeneral:Unknown method"]
        assert (await self.public("Depth?pair=NILUSD"))["error"] == ["EQuery:Unknown asset pair"]
        assert (await self.private("Nothing"))["error"] == ["EGeneral:Unknown method"]

    @asynchronous
    async def test_every_spelling_of_a_pair_is_understood(self) -> None:
        for name in ("XBTUSD", "XXBTZUSD", "BTCUSD", "BTC/USD"):
            assert list((await self.public(f"Depth?pair={name}"))["result"]) == ["XXBTZUSD"]

    @asynchronous
    async def test_signatures_and_nonces_are_checked(self) -> None:
        wrong = base64.b64encode(b"w" * 64).decode()
        assert (await self.private("Balance", secret=wrong))["error"] == ["EAPI:Invalid signature"]
        assert (await self.private("Balance", nonce=100))["error"] == []
        assert (await self.private("Balance", nonce=100))["error"] == ["EAPI:Invalid nonce"]
        assert (await self.private("Balance", nonce=99))["error"] == ["EAPI:Invalid nonce"]

    @asynchronous
    async def test_a_missing_right_is_permission_denied(self) -> None:
        self.world.keys["alice"].rights.discard("query_funds")
        assert (await self.private("BalanceEx"))["error"] == ["EGeneral:Permission denied"]

    @asynchronous
    async def test_orders_are_checked_in_the_venues_words(self) -> None:
        for changes, text in (
            ({"price": "50000.05"}, "EOrder:Tick size check failed"),
            ({"volume": "0.001"}, "EGeneral:Invalid arguments:volume minimum not met"),
            ({"price": "0.1"}, "EOrder:Cost minimum not met"),
            ({"ordertype": "stop-loss"}, "EGeneral:Invalid arguments:ordertype"),
            ({"type": "hold"}, "EGeneral:Invalid arguments:type"),
            ({"oflags": "odd"}, "EGeneral:Invalid arguments:oflags"),
            ({"timeinforce": "GTX"}, "EGeneral:Invalid arguments:timeinforce"),
            ({"volume": "1000", "type": "sell", "price": "70000"}, "EOrder:Insufficient funds"),
            ({"cl_ord_id": "x" * 19}, "EGeneral:Invalid arguments:cl_ord_id"),
            ({"userref": "1", "cl_ord_id": "x"}, "EGeneral:Invalid arguments:userref"),
        ):
            answer = await self.private("AddOrder", **self.order(**changes))
            assert answer["error"] == [text], changes
        assert self.world.core.open_orders("alice") == []

    @asynchronous
    async def test_validate_places_nothing_and_tells_no_id(self) -> None:
        answer = await self.private("AddOrder", **self.order(validate="true"))
        assert answer["result"] == {"descr": {"order": "buy 0.02000000 XBTUSD @ limit 50000"}}
        assert self.world.core.open_orders("alice") == []

    @asynchronous
    async def test_an_order_can_be_placed_seen_amended_and_cancelled(self) -> None:
        (id,) = (await self.private("AddOrder", **self.order(cl_ord_id="mine")))["result"]["txid"]
        row = (await self.private("OpenOrders"))["result"]["open"][id]
        assert (row["cl_ord_id"], row["status"], row["vol"]) == ("mine", "open", "0.02000000")
        assert (await self.private("AmendOrder", cl_ord_id="mine", limit_price="49999.9"))["result"]["amend_id"]
        assert (await self.private("CancelOrder", cl_ord_id="mine"))["result"] == {"count": 1}
        assert (await self.private("CancelOrder", txid=id))["error"] == ["EOrder:Unknown order"]
        assert (await self.private("CancelOrder", txid="nonsense"))["error"] == ["EOrder:Invalid order"]
        row = (await self.private("QueryOrders", txid=id))["result"][id]
        assert (row["status"], row["reason"], row["descr"]["price"]) == ("canceled", "User requested", "49999.9")

    @asynchronous
    async def test_a_market_order_walks_the_book_and_one_that_must_fill_at_once_does_or_is_refused(self) -> None:
        for price in ("60000", "60001"):
            self.world.place("bob", Side.SELL, price, "0.02")
        market = self.order(ordertype="market", volume="0.03")
        (id,) = (await self.private("AddOrder", **market))["result"]["txid"]
        row = (await self.private("QueryOrders", txid=id))["result"][id]
        assert (row["status"], row["vol_exec"], row["descr"]["price"]) == ("closed", "0.03000000", "0")
        too_much = self.order(price="60001", volume="0.05", timeinforce="FOK")
        assert (await self.private("AddOrder", **too_much))["error"]
        assert self.world.core.open_orders("alice") == []

    @asynchronous
    async def test_each_balance_of_the_ledger_is_the_one_before_plus_amount_less_fee(self) -> None:
        for _ in range(3):
            self.world.place("bob", Side.SELL, "60000", "0.02")
            await self.private("AddOrder", **self.order(price="60000"))
        await self.private("Withdraw", asset="XBT", key="saved 1", amount="0.5")
        entries = list((await self.private("Ledgers"))["result"]["ledger"].values())[::-1]
        last: dict[str, Decimal] = {}
        for row in entries:
            amount, fee, after = (Decimal(row[name]) for name in ("amount", "fee", "balance"))
            assert after == last.get(row["asset"], Decimal(0)) + amount - fee
            last[row["asset"]] = after
        held = (await self.private("Balance"))["result"]
        assert {asset: Decimal(text) for asset, text in held.items()} == last
        assert {row["type"] for row in entries} == {"deposit", "trade", "withdrawal"}

    @asynchronous
    async def test_bars_without_trades_are_told_and_the_cursor_is_the_last_finished_one(self) -> None:
        answer = (await self.public("OHLC?pair=XBTUSD"))["result"]
        assert answer == {"XXBTZUSD": [], "last": 0}
        self.world.core.print_trade("BTC/USD", 600_000_000, 10**6)
        rows = (await self.public("OHLC?pair=XBTUSD&interval=60"))["result"]["XXBTZUSD"]
        assert rows[-1][4] == "60000.0" and rows[-1][7] == 1
        assert (await self.public("OHLC?pair=XBTUSD&interval=7"))["error"] == ["EGeneral:Invalid arguments:interval"]

    @asynchronous
    async def test_trades_go_on_from_their_cursor(self) -> None:
        for _ in range(5):
            self.world.core.print_trade("BTC/USD", 600_000_000, 10**6)
        first = (await self.public("Trades?pair=XBTUSD&since=0&count=3"))["result"]
        rest = (await self.public(f"Trades?pair=XBTUSD&since={first['last']}"))["result"]
        ids = [row[6] for row in (*first["XXBTZUSD"], *rest["XXBTZUSD"])]
        assert ids == sorted(set(ids)) and len(ids) == 5

    @asynchronous
    async def test_faults_that_do_not_exist_are_named(self) -> None:
        error = self.assertRaises(BadRequest, self.world.venue.fault, {"explode": True})
        assert "lose_answer" in str(error)
        self.assertRaises(BadRequest, self.world.venue.fault, {"refuse": {"odd": 1}})
        assert self.world.venue.fault({"clear": True})["calls"] == []


class LimitTests(RestCase):
    tier = "starter"

    @asynchronous
    async def test_the_counter_of_the_key_is_enforced(self) -> None:
        errors = [(await self.private("Ledgers"))["error"] for _ in range(9)]
        assert errors[:7] == [[]] * 7
        assert errors[-1] == ["EAPI:Rate limit exceeded"]

    @asynchronous
    async def test_the_counter_of_the_pair_is_enforced(self) -> None:
        texts = []
        for _ in range(9):
            answer = await self.private("AddOrder", **self.order())
            texts += answer["error"]
            if not answer["error"]:
                await self.private("CancelOrder", txid=answer["result"]["txid"][0])
        assert "EOrder:Rate limit exceeded" in texts


class WorldTests(TestCase):
    @asynchronous
    async def test_a_whole_venue_moves_and_tells_how_to_reach_it(self) -> None:
        user = KrakenUser("alice", {"BTC": Decimal(1), "USD": Decimal(1000)})
        world = KrakenWorld(WorldClock(reactor, START), [user])
        await world.begin()
        try:
            told = world.announcement()
            assert told["endpoints"]["rest"].startswith("http://127.0.0.1:")
            assert told["accounts"][0]["id"] and told["accounts"][0]["secret"] and told["admin"]
            dollars, euros = (world.core.book(ticker) for ticker in ("BTC/USD", "BTC/EUR"))
            assert dollars.bids[0][0] < dollars.asks[0][0]
            assert euros.bids[0][0] < euros.asks[0][0] < dollars.asks[0][0]
        finally:
            await world.stop()

    def test_the_same_seed_gives_the_same_keys_and_another_others(self) -> None:
        def keys(seed: int) -> Any:
            return KrakenWorld(WorldClock(reactor, START), [KrakenUser("alice", {})], seed=seed).keys

        assert keys(3) == keys(3) != keys(4)
