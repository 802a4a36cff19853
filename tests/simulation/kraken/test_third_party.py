"""Clients that others wrote work against the simulated Kraken unchanged: python-kraken-sdk and ccxt's Kraken class."""

from __future__ import annotations

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest import SkipTest

from twisted.internet import reactor
from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import TestCase

from clients.exchange import Side
from tests.clients.bench import asynchronous
from tests.simulation.kraken.world import World, make_world

HERE = Path(__file__).parent


async def run(script: str, package: str, world: World) -> dict[str, Any]:
    """Run a script against *world*; what it printed, or the test is skipped for want of its library."""
    if find_spec(package) is None:
        raise SkipTest(f"needs the third-party client {package}, a test dependency that is not installed here")
    key, venue = world.keys["alice"], world.venue
    arguments = [str(HERE / script), venue.rest, venue.endpoint, key.id, key.secret]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    out, err, status = await getProcessOutputAndValue(sys.executable, arguments, environment, reactor=reactor)
    assert status == 0, err.decode()[-3000:]
    return json.loads(out.decode().splitlines()[-1])


class ThirdPartyTests(TestCase):
    """A book with bids below 60000 and asks above, and alice's key."""

    timeout = 60

    @asynchronous
    async def setUp(self) -> None:
        self.world = await make_world(reactor, tier="pro")
        for number in range(12):
            self.world.place("bob", Side.BUY, f"{59_990 - number}.5", "0.05")
            self.world.place("bob", Side.SELL, f"{60_010 + number}.5", "0.05")

    @asynchronous
    async def tearDown(self) -> None:
        await self.world.stop()

    @asynchronous
    async def test_python_kraken_sdk_works_unchanged(self) -> None:
        told = await run("sdk_script.py", "kraken", self.world)
        assert told["pairs"] == ["XXBTZEUR", "XXBTZUSD"]
        assert told["status"] == "online"
        assert told["ask"] == ["60010.5", "0.04000000"]
        assert told["open"] == ["50000.0"] and told["price"] == "49999.9"
        assert told["amended"] and told["cancelled"] == 1 and told["market"]
        assert told["refusals"] == ["KrakenUnknownOrderError", "KrakenInsufficientFundsError"]
        assert told["trades"] == ["0.01000000"]
        assert told["ledger"] == ["deposit", "trade"]
        assert told["methods"] == ["Bitcoin"] and told["fees"] == ["XXBTZUSD"]
        assert told["answers"] == [True, True] and told["ticker"]
        assert [kind for kind in told["executions"] if kind != "filled"][-3:] == ["pending_new", "new", "canceled"]

    @asynchronous
    async def test_the_kraken_class_of_ccxt_works_unchanged(self) -> None:
        told = await run("ccxt_script.py", "ccxt", self.world)
        assert told["precision"]["price"] == 0.1 and told["precision"]["amount"] == 0.01
        assert told["limits"] == 0.01
        assert told["ask"] == told["streamed"] == [60010.5, 0.05]
        assert told["open"] == [["mine", 50000.0, "open"]]
        assert told["second"] and told["looked_up"] == "canceled" and told["filled"] == "closed"
        assert told["trades"] == [[0.01, "USD"]]
        assert told["balance"]["total"] == 5.01
        assert told["bars"] >= 1 and told["public_trades"] == 1
        assert told["address"] and told["refused"] == "InsufficientFunds"
        assert "trade" in told["ledger"]
