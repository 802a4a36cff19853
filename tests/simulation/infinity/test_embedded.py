"""The daemon with a simulated Infinity inside itself, as `make demo-infinity` runs it."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred

from ilp.clock import WorldClock
from ilp.settings_file import load
from ilp.simulation.embedded import embed
from ilp.simulation.embedded_infinity import EmbeddedInfinity
from ilp.simulation.embedded_kraken import CannotEmbed
from tests.clients.bench import asynchronous
from tests.configurations import written
from tests.test_service import DaemonCase

ROOT = Path(__file__).resolve().parents[3]
DEMO = ROOT / "ilp_example_config" / "infinity-demo.ini"
SOURCE, TARGET = "ETH-2024-03-29", "ETH-2024-06-28"


def text(*changes: tuple[str, str]) -> str:
    """The demonstration with any free port, and customers who come often."""
    found = DEMO.read_text()
    for old, new in (("port = 8888", "port = 0"), ("customers = 60", "customers = 5"), *changes):
        assert old in found, old
        found = found.replace(old, new)
    return found


class DemonstrationTests(DaemonCase):
    """The configuration that `make demo-infinity` runs."""

    timeout = 150  # a whole daemon, and machines are busy

    async def ready(self, *changes: tuple[str, str]) -> Any:
        daemon = self.daemon(text(*changes))
        await daemon.begin()
        await self.until(lambda: daemon.trader and daemon.trader.life.state == "READY", "READY", seconds=60)
        return daemon

    async def _agreed(self) -> Any:
        shown = await self.ask("update")
        return None if shown["pnl"]["differences"] else shown

    def agreed(self) -> Deferred[Any]:
        """What the console shows once no balance differs from the ledger, for it may be older than a fill."""
        return Deferred.fromCoroutine(self._agreed())

    def test_make_runs_it(self) -> None:
        assert "--config ilp_example_config/infinity-demo.ini" in (ROOT / "Makefile").read_text()

    @asynchronous
    async def test_what_customers_borrow_and_lend_is_closed_in_the_other_market(self) -> None:
        daemon = await self.ready()
        core, account = daemon.embedded.world.core, "account/trading"
        await self.ask("start", {})
        await self.until(self.hedged, "a fill that was closed in the other market", seconds=60)
        await self.ask("stop", {})
        await self.until(lambda: daemon.trader.life.state == "READY", "STOP is confirmed")
        assert core.open_orders(account) == []
        near, far = (core.position(account, name) for name in (SOURCE, TARGET))
        assert near + far == 0
        shown = await self.until(self.agreed, "the ledger has what the venue says")
        (holding,) = shown["state"]["holdings"]
        assert abs(Decimal(holding["total"]) - 200) < Decimal("0.001")  # only the marks of the positions differ
        await daemon.stopService()
        assert daemon.remaining == ()

    @asynchronous
    async def hedged(self) -> bool:
        return bool((await self.ask("update"))["trader"]["hedges"])

    @asynchronous
    async def test_it_tells_where_the_venue_is_and_no_secret(self) -> None:
        daemon = await self.ready()
        (told,) = [json.loads(line) for line in daemon.embedded.lines()]
        world = daemon.embedded.world
        assert told["venue"] == "infinity" and told["accounts"] == [{"id": world.address("account")}]
        assert world.keys["account"] not in self.said.getvalue()
        await daemon.stopService()

    @asynchronous
    async def test_two_accounts_are_two_wallets_of_one_venue(self) -> None:
        settings = load(
            written(
                self.mktemp(),
                text(
                    ("# Both markets on one account.\naccount = source", "endpoint = embedded"),
                    ("source_balances = ETH 200", "source_balances = ETH 200\ntarget_balances = ETH 50"),
                ),
            )
        ).settings
        embedded = await self.begun(settings)
        try:
            found = embedded.connections(settings)
            assert found["source"].id != found["target"].id
            assert found["source"].endpoint == found["target"].endpoint == embedded.world.venue.rest
            balances = [embedded.world.core.balance(f"{role}/trading", "ETH") for role in ("source", "target")]
            assert balances == [200 * 10**18, 50 * 10**18]
        finally:
            await embedded.stop()

    @asynchronous
    async def test_a_market_that_is_not_listed_then_is_named(self) -> None:
        path = written(self.mktemp(), text((f"source = {SOURCE}", "source = ETH-2029-03-30")))
        settings = load(path).settings
        try:
            await self.begun(settings)
        except CannotEmbed as error:
            assert "[tickers] source = ETH-2029-03-30" in str(error) and TARGET in str(error)
            return
        raise AssertionError("a market was traded that there is not")

    def begun(self, settings: Any) -> Deferred[EmbeddedInfinity]:
        return embed(settings, WorldClock(reactor, settings.simulation.start))
