"""Pooling between two Sputnik exchanges, one over REST and one over WAMP, as the example configuration has it."""

from __future__ import annotations

import inspect
from decimal import Decimal
from pathlib import Path
from typing import Any

from clients.exchange import Side
from clients.sputnik import Sputnik
from clients.sputnik_rest import SputnikRest
from ilp.settings_file import load
from tests.test_service import DaemonCase, asynchronous

ROOT = Path(__file__).resolve().parents[1]
CONFIGURATION = ROOT / "ilp_example_config" / "sputnik-sputnik.ini"


class PoolingTests(DaemonCase):
    """The configuration that `make demo-sputnik` runs."""

    def text(self) -> str:
        """With any free port for the console, and without customers that trade when they like."""
        return CONFIGURATION.read_text().replace("port = 8888", "port = 0").replace("customers = 60", "customers = 1 d")

    def test_make_runs_it(self) -> None:
        self.assertIn(f"--config ilp_example_config/{CONFIGURATION.name}", (ROOT / "Makefile").read_text())
        modules = {role: each.module for role, each in load(CONFIGURATION).settings.connections.items()}
        names = {f"{one.__module__}.{one.__name__}" for one in (SputnikRest, Sputnik)}
        self.assertEqual({modules["source"], modules["target"]}, names)

    def test_the_client_over_rest_takes_what_the_daemon_gives(self) -> None:
        wanted = {"id", "secret", "endpoint", "reactor", "name", "now"}
        self.assertLessEqual(wanted, set(inspect.signature(SputnikRest).parameters))
        self.assertLessEqual({"tickers", "poll", "nonce_file"}, set(SputnikRest.option_names))

    @asynchronous
    async def test_what_customers_trade_on_the_target_is_closed_on_the_source(self) -> None:
        daemon = self.daemon(self.text())
        await daemon.begin()
        assert daemon.trader is not None and daemon.embedded is not None
        cores = daemon.embedded.world.cores
        await self.until(lambda: daemon.trader and daemon.trader.life.state == "READY", "READY")
        await self.ask("start", {})
        cores["target"].open_account("customer")
        clock = daemon.embedded.world.clock

        def fills(venue: str) -> list[Any]:
            found: list[Any] = cores[venue].fills("pool", clock.start, clock.now())
            return found

        # A fill that a plan wanted anyway is kept by the plan; one of the next is not.
        for side in (Side.BUY, Side.SELL, Side.BUY, Side.SELL):
            await self.until(lambda: len(cores["target"].open_orders("pool")) == 2, "both quotes rest")
            self.take(cores["target"], side)
            if await self.shortly(lambda: fills("source")):
                break
        self.assertTrue(fills("target"))
        self.assertTrue(fills("source"))
        await daemon.stopService()
        for core in cores.values():
            self.assertEqual(core.open_orders("pool"), [])
        self.assertEqual(daemon.remaining, ())

    async def shortly(self, what: Any) -> bool:
        """Whether *what* comes true within two seconds."""
        try:
            await self.until(what, "", seconds=2)
        except AssertionError:
            return False
        return True

    def take(self, core: Any, side: Side) -> None:
        """A customer trades with the pool's quote on the other side, if it is there."""
        pair = core.pairs["BTC/HUF"]
        core.endow("customer", "HUF", pair.quote.units(Decimal(10**9)))
        core.endow("customer", "BTC", pair.base.units(Decimal(1)))
        for quote in core.open_orders("pool"):
            if quote.side is side.opposite:
                core.place("customer", "BTC/HUF", side, quote.price, 100 * pair.lot)
