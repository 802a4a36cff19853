"""The ccxt bridge with ccxt's Kraken class against the simulated Kraken, by the contract of all clients."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any
from unittest import SkipTest

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from clients.ccxt import Exchange
from tests.clients.bench import Bench
from tests.clients.contract import ExchangeContract
from tests.clients.contract_line import ConnectionContract
from tests.clients.test_kraken_contract import WRONG, KrakenBench
from tests.simulation.kraken.world import make_world

QUICK: dict[str, Any] = {
    "tickers": "BTC/USD",
    "ping_interval": 0.1,
    "ping_timeout": 1.0,
    "backoff_first": 0.02,
    "backoff_longest": 0.1,
    "rate": 1000,
    "burst": 1000,
    "throttle": False,
    "withdraw": True,
    "dead_man": 0,
}


class CcxtBench(KrakenBench):
    """The same venue, another client."""

    reads_only = True

    def _client(self, secret: str, endpoint: str, **options: Any) -> Any:
        options.pop("check_rights", None)
        return Exchange(
            exchange="kraken",
            id=self.world.keys["alice"].id,
            secret=secret,
            endpoint=endpoint,
            reactor=reactor,
            now=self.now,
            **{**QUICK, **options},
        )

    def lost(self) -> Any:
        return self._client(WRONG, "http://127.0.0.1:1", connect_deadline=0.3)


async def bench() -> Bench:
    """The venue, or the test is skipped for want of the library."""
    if find_spec("ccxt") is None:
        raise SkipTest("needs the ccxt library, an optional extra that is not installed here")
    return CcxtBench(await make_world(reactor))


class CcxtContract(ExchangeContract, TestCase):
    """Methods, events, errors."""

    async def start_bench(self) -> Bench:
        return await bench()


class CcxtConnectionContract(ConnectionContract, TestCase):
    """The line."""

    async def start_bench(self) -> Bench:
        return await bench()
