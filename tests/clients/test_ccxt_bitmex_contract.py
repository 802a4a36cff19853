"""The ccxt bridge with ccxt's BitMEX class against the simulated BitMEX, by the contract of all clients."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any
from unittest import SkipTest

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from clients.ccxt import Exchange
from clients.exchange import Unreachable
from tests.clients.bench import Bench, asynchronous, pause
from tests.clients.contract import ExchangeContract
from tests.clients.contract_line import ConnectionContract
from tests.clients.test_bitmex_contract import BitmexBench
from tests.clients.test_ccxt_contract import QUICK
from tests.simulation.bitmex.world import make_world


class CcxtBitmexBench(BitmexBench):
    """The same venue, another client."""

    tells_time = False
    reads_only = True

    def _client(self, secret: str, endpoint: str, **options: Any) -> Any:
        return Exchange(
            exchange="bitmex",
            id="key-alice",
            secret=secret,
            endpoint=endpoint,
            reactor=reactor,
            now=self.now,
            **{**QUICK, "tickers": "BTC/USDT", **options},
        )

    def lost(self) -> Any:
        return self._client("secret-alice", "http://127.0.0.1:1", connect_deadline=0.3)


async def bench() -> Bench:
    """The venue, or the test is skipped for want of the library."""
    if find_spec("ccxt") is None:
        raise SkipTest("needs the ccxt library (4.5.83, the last with BitMEX), an optional extra that is not installed")
    return CcxtBitmexBench(await make_world(reactor))


class CcxtBitmexContract(ExchangeContract, TestCase):
    """Methods, events, errors."""

    async def start_bench(self) -> Bench:
        return await bench()

    @asynchronous
    async def test_the_deposit_address_stays_until_a_new_one_is_asked_for(self) -> None:
        # This venue has one address for each currency and network, and no call that makes another.
        client, _ = await self.connected()
        first = await client.getCurrentAddress("BTC")
        assert first and await client.getCurrentAddress("BTC") == first
        await self.failure(client.getNewAddress("BTC"), NotImplementedError)


class CcxtBitmexConnectionContract(ConnectionContract, TestCase):
    """The line."""

    async def start_bench(self) -> Bench:
        return await bench()

    @asynchronous
    async def test_a_read_under_way_when_the_line_is_lost_is_unreachable(self) -> None:
        # ccxt's HTTP library itself repeats a GET on a connection that turns out dead: then the read is answered.
        client, _ = await self.connected()
        self.bench.lose_answer("read", effect=True)
        read = client.getOpenOrders()
        await pause(0.05)
        self.bench.drop_line()
        try:
            assert await read == {}
        except Unreachable:
            return
