"""Pooling with BitMEX as the source, as the example configurations have it: the perpetual and the spot pair."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ilp.pool.document import Payout, Transfer
from ilp.settings_file import load
from ilp.simulation.embedded import scenario_of
from ilp.trading.view import pool_of
from tests.test_service import DaemonCase, asynchronous

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "ilp_example_config"


class Pooling(DaemonCase):
    """A daemon with one of the example configurations."""

    file = ""

    def text(self) -> str:
        """With any free port for the console, and customers who come often."""
        text = (EXAMPLES / self.file).read_text()
        return (
            text.replace("port = 8888", "port = 0")
            .replace("customers = 90", "customers = 5")
            .replace("period = 2", "period = 600")
        )

    def source_core(self, daemon: Any) -> Any:
        """The simulated BitMEX's own books."""
        assert daemon.embedded is not None and daemon.embedded.bitmex is not None
        return daemon.embedded.bitmex.core

    async def ready(self) -> Any:
        """A daemon that has looked at both venues."""
        daemon = self.daemon(self.text())
        await daemon.begin()
        await self.until(lambda: daemon.trader and daemon.trader.life.state == "READY", "READY")
        return daemon

    async def trade(self) -> None:
        """START, a fill on the target hedged at BitMEX, STOP; nothing of ours rests anywhere afterwards."""
        daemon = await self.ready()
        source, target = self.source_core(daemon), daemon.embedded.world.cores["target"]
        clock = daemon.embedded.world.clock
        await self.ask("start", {})

        await self.until(self.hedged, "a fill that was hedged at BitMEX", seconds=30)
        self.assertTrue(target.fills("pool", clock.start, clock.now()))
        self.assertTrue(source.fills("pool", clock.start, clock.now()))
        await self.ask("stop", {})
        await self.until(lambda: daemon.trader.life.state == "READY", "STOP is confirmed")
        for core in (source, target):
            self.assertEqual(core.open_orders("pool"), [])
        await daemon.stopService()
        self.assertEqual(daemon.remaining, ())

    @asynchronous
    async def hedged(self) -> bool:
        """Whether the console tells of a fill that a trade on the source closed."""
        hedges = (await self.ask("update"))["trader"]["hedges"]
        return any(hedge["closed_by"].startswith("source/") for hedge in hedges)


class PerpetualTests(Pooling):
    """The configuration that `make demo-bitmex` runs."""

    file = "bitmex-demo.ini"

    def test_make_runs_both(self) -> None:
        makefile = (ROOT / "Makefile").read_text()
        for name in ("bitmex-demo", "bitmex-spot-demo"):
            self.assertIn(f"--config ilp_example_config/{name}.ini", makefile)
            self.assertEqual(
                load(EXAMPLES / f"{name}.ini").settings.connections["source"].module, "clients.bitmex.BitMEX"
            )

    @asynchronous
    async def test_what_customers_trade_on_the_target_is_closed_on_the_perpetual(self) -> None:
        await self.trade()

    @asynchronous
    async def test_dollars_that_are_a_position_never_travel(self) -> None:
        daemon = await self.ready()
        view = daemon.trader.floor.view()
        for quoting in (False, True):
            moves = pool_of(view, quoting=quoting).moves
            self.assertEqual([move.source[1] for move in moves if isinstance(move, Transfer)], ["BTC"])
            self.assertFalse(any(isinstance(move, Payout) for move in moves))
        await daemon.stopService()

    @asynchronous
    async def test_it_tells_where_the_simulated_bitmex_is_and_no_secret(self) -> None:
        daemon = await self.ready()
        lines = [json.loads(line) for line in daemon.embedded.lines()]
        (told,) = [line for line in lines if line["venue"] == "bitmex"]
        self.assertEqual(told["endpoints"]["rest"], daemon.embedded.bitmex.venue.endpoint)
        self.assertTrue(told["admin"])
        self.assertEqual(told["accounts"], [{"id": "pool"}])
        await daemon.stopService()


class SpotTests(Pooling):
    """The configuration that `make demo-bitmex-spot` runs."""

    file = "bitmex-spot-demo.ini"

    @asynchronous
    async def test_what_customers_trade_on_the_target_is_closed_on_the_spot_pair(self) -> None:
        await self.trade()

    def test_both_markets_and_the_way_between_them_have_one_currency(self) -> None:
        settings = load(EXAMPLES / self.file).settings
        assert settings.simulation is not None
        scenario = scenario_of(settings, settings.simulation)
        self.assertEqual([venue.pair.ticker for venue in scenario.venues], ["BTC/USDT", "BTC/USDT"])
        self.assertEqual([(r.currency, r.arrives_as) for r in scenario.routes], [("BTC", "BTC"), ("USDT", "USDT")])
