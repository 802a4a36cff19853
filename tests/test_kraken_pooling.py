"""Pooling with Kraken, as the example configurations have it, on simulated venues and real sockets."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import treq
from attrs import evolve
from twisted.internet import reactor
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import Agent, HTTPConnectionPool

from clients.exchange import Side
from ilp.clock import WorldClock
from ilp.dry_run import DryWorld
from ilp.making import client_of
from ilp.parameters import InvalidParameters
from ilp.reactors import needs_asyncio
from ilp.settings import ACCOUNT, Connection, DryRun
from ilp.settings_file import load
from ilp.simulation.kraken.world import KrakenUser, KrakenWorld
from ilp.simulation.misbehaviour import Misbehaviour
from ilp.simulation.rates import RateServer
from ilp.venue_command import to_the_present
from tests.clients import bitso as bitso_account
from tests.clients.bitso import Bitso
from tests.configurations import written
from tests.simulation.kraken.world import BTC_EUR, make_world
from tests.test_service import DaemonCase, asynchronous

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "ilp_example_config"
ENVIRON = {"ILP_KRAKEN_KEY": "key", "ILP_KRAKEN_SECRET": "c2VjcmV0", "ILP_CONSOLE_PASSWORD_HASH": "a-long-password"}
ENVIRON |= {"ILP_BITSO_KEY": "key", "ILP_BITSO_SECRET": "secret", "ILP_BANK_ACCOUNT": "1"}
UNHURRIED = "check_rights = no\nrate = 1000\nburst = 1000\nread_rate = 1000\nread_burst = 1000"
WORLD = """
[fiat_connection]
endpoint = embedded
poll = 5
[database]
url = sqlite://
[simulation]
start = 2019-08-01T17:00:00+00:00
speed = 60
source_balances = USD 20000, BTC 0.25
target_balances = EUR 20000, BTC 0.25
customers = 10
"""
READS = {
    "Assets",
    "AssetPairs",
    "BalanceEx",
    "ClosedOrders",
    "Depth",
    "GetWebSocketsToken",
    "Ledgers",
    "OHLC",
    "OpenOrders",
    "QueryOrders",
    "SystemStatus",
    "Time",
    "Trades",
    "TradesHistory",
    "subscribe",
    "unsubscribe",
}


def changed(text: str, *pairs: tuple[str, str]) -> str:
    """*text* with each pair's first replaced by its second; what is not there is an error."""
    for old, new in pairs:
        if old not in text:
            raise ValueError(f"{old!r} is not in the configuration")
        text = text.replace(old, new)
    return text


def one_account(mode: str = "") -> str:
    """kraken-kraken.ini on a simulated Kraken, quoting near enough for its customers."""
    return (
        changed(
            (EXAMPLES / "kraken-kraken.ini").read_text(),
            ("\nendpoint = mainnet\n", f"\nendpoint = embedded\n{UNHURRIED}\n"),
            ("id = env:ILP_KRAKEN_KEY\nsecret = env:ILP_KRAKEN_SECRET\n", ""),
            ("nonce_file = kraken.nonce\n", ""),
            ("mode = dry-run\n", mode),
            ("port = 8888", "port = 0"),
            ("operator = env:ILP_CONSOLE_PASSWORD_HASH", "operator = random"),
            ("source_fee = [0, 0.004]", "source_fee = [0, 0.001]"),
            ("target_fee = [0, 0.0025]", "target_fee = [0, 0.001]"),
            ("edge_to_enter = 200", "edge_to_enter = 15"),
            ("edge_to_leave = 100", "edge_to_leave = 8"),
        )
        + WORLD
    )


class Pooling(DaemonCase):
    """A daemon on simulated venues."""

    async def ready(self, text: str) -> Any:
        """A daemon that has looked at its venues."""
        daemon = self.daemon(text)
        await daemon.begin()
        await self.until(lambda: daemon.trader and daemon.trader.life.state == "READY", "READY")
        return daemon

    def calls(self) -> list[str]:
        """What the simulated venues are asked from now on, by the names of REST's methods."""
        asked: list[str] = []
        take = Misbehaviour.take

        def noted(switches: Misbehaviour, call: str) -> Any:
            asked.append(call)
            return take(switches, call)

        self.patch(Misbehaviour, "take", noted)
        return asked

    async def trade(self, daemon: Any) -> None:
        """START, a fill that is hedged, STOP; nothing of ours rests anywhere afterwards."""
        await self.ask("start", {})
        await self.until(self.hedged, "a fill that was hedged", seconds=30)
        await self.ask("stop", {})
        await self.until(lambda: daemon.trader.life.state == "READY", "STOP is confirmed")
        for world in daemon.embedded.worlds.values():
            self.assertEqual(world.core.open_orders("pool"), [])
        await self.until(self.agreed, "a ledger that agrees with the venue", seconds=5)
        await daemon.stopService()
        self.assertEqual(daemon.remaining, ())

    @asynchronous
    async def agreed(self) -> bool:
        """Whether the ledger has what the venue says; its word on a holding may come a moment after that on a fill."""
        return (await self.ask("update"))["pnl"]["differences"] == []

    @asynchronous
    async def hedged(self) -> bool:
        """Whether the console tells of a fill that a trade on the source closed."""
        hedges = (await self.ask("update"))["trader"]["hedges"]
        return any("/" in hedge["closed_by"] for hedge in hedges)


class BridgeTests(Pooling):
    """The configuration that `make demo-kraken` runs."""

    if find_spec("ccxt") is None:
        skip = "needs the ccxt library, an optional extra that is not installed here"

    def text(self) -> str:
        """With any free port, and customers who come often."""
        text = (EXAMPLES / "kraken-bitso-demo.ini").read_text()
        return changed(
            text, ("port = 8888", "port = 0"), ("customers = 90", "customers = 5"), ("period = 2", "period = 600")
        )

    @asynchronous
    async def test_what_customers_trade_through_the_bridge_is_closed_on_kraken(self) -> None:
        await self.trade(await self.ready(self.text()))

    @asynchronous
    async def test_coins_travel_both_ways_and_pesos_do_not(self) -> None:
        daemon = await self.ready(changed(self.text(), ("period = 600", "period = 1")))
        await self.ask("start", {})

        def arrived() -> bool:
            return any((e.asset, e.state) == ("BTC", "ARRIVED") for e in daemon.trader.transfers.entries)

        await self.until(arrived, "bitcoin that arrived", seconds=40)
        fiat = {e.state for e in daemon.trader.transfers.entries if e.asset != "BTC"}
        self.assertLessEqual(fiat, {"PROPOSED"})
        await daemon.stopService()

    @asynchronous
    async def test_it_tells_where_both_simulated_venues_are_and_no_secret(self) -> None:
        daemon = await self.ready(self.text())
        told = [json.loads(line) for line in daemon.embedded.lines()]
        self.assertEqual([line["venue"] for line in told], ["source", "target", "rates"])
        self.assertEqual([line["accounts"] for line in told], [[{"id": "pool"}], [{"id": "pool"}], []])
        for world in daemon.embedded.worlds.values():
            self.assertNotIn(world.keys["pool"][1], self.said.getvalue())
        await daemon.stopService()


class BitsoTests(DaemonCase):
    """kraken-bitso.ini as it stands, but for where the venues are: ccxt's own Bitso class on Bitso's own words."""

    if find_spec("ccxt") is None:
        skip = "needs the ccxt library, an optional extra that is not installed here"

    async def text(self, bitso: Bitso) -> str:
        """The example with the addresses and keys of simulated venues."""
        clock = WorldClock(reactor)
        user = KrakenUser("alice", {"BTC": Decimal(2), "USD": Decimal(50_000)})
        kraken, rates = KrakenWorld(clock, [user], tier=None), RateServer(clock, to_the_present(clock))
        await kraken.begin()
        self.addCleanup(kraken.stop)
        await rates.listen()
        self.addCleanup(rates.stop)
        key, secret = kraken.keys["alice"]
        return (
            changed(
                (EXAMPLES / "kraken-bitso.ini").read_text(),
                ("\nendpoint = mainnet\n", f"\nendpoint = {kraken.venue.rest}\n{UNHURRIED}\n"),
                ("env:ILP_KRAKEN_KEY\n", f"{key}\n"),
                ("secret = env:ILP_KRAKEN_SECRET", f"secret = {secret}"),
                ("nonce_file = kraken.nonce\n", ""),
                ("\nexchange = bitso\n", f"\nexchange = bitso\nendpoint = {bitso.listen(reactor)}\n"),
                ("id = env:ILP_BITSO_KEY", f"id = {bitso_account.KEY}"),
                ("secret = env:ILP_BITSO_SECRET", f"secret = {bitso_account.SECRET}"),
                ("poll = 4", "poll = 0.2"),
                ("rate = 4\nburst = 10", "rate = 500\nburst = 500"),
                ("mode = dry-run", "mode = live"),
                # Bitcoin costs a tenth of what the example was written for.
                ("edge_to_enter = 600", "edge_to_enter = 60"),
                ("edge_to_leave = 300", "edge_to_leave = 30"),
                ("env:ILP_BANK_ACCOUNT", "bank"),
                ("port = 8888", "port = 0"),
                ("operator = env:ILP_CONSOLE_PASSWORD_HASH", "operator = random"),
            )
            + f"\n[fiat_connection]\nendpoint = {rates.endpoint}\n[database]\nurl = sqlite://\n"
        )

    @asynchronous
    async def test_pesos_are_made_a_market_of_by_asking(self) -> None:
        bitso = Bitso(lambda: datetime.now(UTC))
        self.addCleanup(bitso.stop)
        daemon = self.daemon(await self.text(bitso))
        await daemon.begin()
        await self.until(lambda: daemon.trader.life.state == "READY", "READY", seconds=40)
        await self.ask("start", {})
        await self.until(lambda: len(bitso.core.open_orders("pool")) == 2, "both quotes rest at Bitso")
        bid = next(order for order in bitso.core.open_orders("pool") if order.side is Side.BUY)
        bitso.core.place("others", "BTC/MXN", Side.SELL, bid.price, bid.quantity_left, immediate=True)

        def told() -> bool:
            return any(order.filled for order in daemon.trader.desk.recent() if order.ticker == "BTC/MXN")

        await self.until(told, "the fill is heard of")
        await self.until(
            lambda: not daemon.trader.loop.hedger.closable(), "it is closed on Kraken, or kept by the plan"
        )
        await self.ask("stop", {})
        await self.until(lambda: daemon.trader.life.state == "READY", "STOP is confirmed")
        self.assertEqual(bitso.core.open_orders("pool"), [])
        await daemon.stopService()


class OneAccountTests(Pooling):
    """kraken-kraken.ini: two pairs on one account, over Kraken's own protocol."""

    @asynchronous
    async def test_what_customers_trade_in_euros_is_closed_in_dollars(self) -> None:
        calls = self.calls()
        daemon = await self.ready(one_account())
        shown = await self.ask("update")
        held = [(row["venue"], row["asset"], row["target"]) for row in shown["state"]["holdings"]]
        self.assertEqual(held, [(ACCOUNT, "USD", "20000"), (ACCOUNT, "BTC", "0.5"), (ACCOUNT, "EUR", "20000")])
        books = {venue: sorted(found) for venue, found in shown["state"]["books"].items()}
        self.assertEqual(books, {ACCOUNT: ["BTC/EUR", "BTC/USD"]})
        pool = await self.ask("pool")
        self.assertEqual(len(pool["holdings"]), 3)
        await self.trade(daemon)
        self.assertIn("AddOrder", calls)  # so a dry run that sent one would be seen

    @asynchronous
    async def test_there_is_one_client_one_connection_and_one_switch(self) -> None:
        calls = self.calls()
        daemon = await self.ready(one_account())
        self.assertEqual(list(daemon.trader.floor.venues), [ACCOUNT])
        self.assertEqual(calls.count("GetWebSocketsToken"), 1)
        await daemon.stopService()

    @asynchronous
    async def test_a_journal_of_two_accounts_is_none_of_one(self) -> None:
        url = f"url = sqlite:///{Path(self.mktemp()).resolve()}"
        demo = (EXAMPLES / "demo.ini").read_text()
        daemon = await self.ready(changed(demo, ("port = 8888", "port = 0"), ("url = sqlite://", url)))
        await self.until(lambda: daemon._books.books.opened, "an opened ledger")
        await daemon.stopService()
        text = one_account().replace("url = sqlite://", url)
        why = str(await self.assertFailure(self.daemon(text).begin(), InvalidParameters))
        self.assertIn("has money, orders or transfers at source and target, and the configuration has account", why)
        await (await self.ready(one_account().replace("url = sqlite://", f"{url}-too"))).stopService()
        await (await self.ready(one_account().replace("url = sqlite://", f"{url}-too"))).stopService()


class DryRunTests(Pooling):
    """The same in a dry run: the venue hears questions only."""

    @asynchronous
    async def test_the_account_of_a_key_is_read_and_what_it_holds_begins_the_dry_run(self) -> None:
        calls = self.calls()
        given = "source_balances = USD 20000, BTC 0.25\ntarget_balances = EUR 20000, BTC 0.25\n"
        careful = (
            "check_rights = no",
            "check_rights = yes",
        )  # which asks by orders that are never placed, when it is live
        text = changed(one_account("mode = dry-run\n"), (f"{given}\n[limits]", "\n[limits]"), careful)
        daemon = await self.ready(text)
        self.assertIn("BalanceEx", calls)
        self.assertLessEqual(set(calls), READS)
        core = daemon._dry.venues[ACCOUNT].core
        self.assertEqual(core.balance("pool", "BTC"), core.currency("BTC").units("0.5"))
        await daemon.stopService()

    @asynchronous
    async def test_fills_and_hedges_happen_here_and_the_venue_hears_questions_only(self) -> None:
        calls = self.calls()
        daemon = await self.ready(one_account("mode = dry-run\n"))
        self.assertEqual((await self.ask("update"))["mode"], "dry-run")
        self.assertIn("A dry run: orders and balances exist here only", self.said.getvalue())
        address = re.search(r"Console: (\S+?)/\n", self.said.getvalue())
        assert address is not None
        agent = Agent(reactor, pool=HTTPConnectionPool(reactor, persistent=False))
        page = await treq.text_content(await treq.get(f"{address[1]}/login", agent=agent))
        self.assertIn('<p class="mode dry-run">DRY-RUN</p>', page)
        await self.ask("start", {})
        dry, venue = daemon._dry.venues[ACCOUNT].core, daemon.embedded.worlds[ACCOUNT].core
        await self.until(lambda: len(dry.open_orders("pool")) == 2, "both quotes rest here")

        def print_at_ours() -> bool:
            """Somebody sells to somebody at the price of our bid, as the venue's own people do not know of it."""
            for order in dry.open_orders("pool"):
                pair = venue.pairs["BTC/EUR"]
                price = pair.wire_price(dry.pairs["BTC/EUR"].price(order.price))
                venue.print_trade("BTC/EUR", price, pair.wire_quantity("0.02"))
            return any(order.filled for order in daemon.trader.desk.recent() if order.ticker == "BTC/USD")

        await self.until(print_at_ours, "a fill that is hedged against the real book")
        await self.ask("stop", {})
        await self.until(lambda: daemon.trader.life.state == "READY", "STOP is confirmed")
        self.assertEqual((venue.open_orders("pool"), dry.open_orders("pool")), ([], []))
        await self.until(self.agreed, "a ledger that agrees with the account", seconds=5)
        self.assertEqual(venue.fills("pool", daemon.trader.clock.start, daemon.trader.clock.now()), [])
        await daemon.stopService()
        self.assertLessEqual(set(calls), READS)

    @asynchronous
    async def test_what_rests_on_the_real_account_is_let_be_while_its_holdings_are_read(self) -> None:
        calls, world = self.calls(), await make_world(reactor)
        self.addCleanup(world.stop)
        theirs = world.place("alice", Side.BUY, "50000", "0.01", BTC_EUR)
        key = world.keys["alice"]
        options = {"nonce_file": "", "dead_man": "5"}
        connection = Connection("clients.kraken.Kraken", world.venue.rest, key.id, key.secret, options)
        loaded = load(EXAMPLES / "kraken-kraken.ini", ENVIRON).settings
        settings = evolve(loaded, connections={"source": connection, "target": connection}, dry_run=DryRun())
        dry = DryWorld(settings, settings.connections, world.clock, partial(client_of, world.clock, settings))
        venue: Any = dry.venues[ACCOUNT]
        await venue.connect()
        self.assertEqual((await venue.getPositions())["BTC"]["position"], 5)
        self.assertEqual(await venue.getOpenOrders(), {})
        await venue.disconnect()
        dry.stop()
        self.assertEqual([order.id for order in world.core.open_orders("alice")], [theirs])
        self.assertLessEqual(set(calls), READS)

    @asynchronous
    async def test_a_database_that_is_not_empty_is_left_alone(self) -> None:
        database = Path(self.mktemp()).resolve()
        text = changed(
            one_account("mode = dry-run\n"), ("[dry_run]\n", f"[dry_run]\ndatabase = sqlite:///{database}\n")
        )
        await (await self.ready(text)).stopService()
        why = await self.assertFailure(self.daemon(text).begin(), InvalidParameters)
        self.assertIn("is not empty, and a dry run begins afresh", str(why))


class ReserveTests(Pooling):
    """Bitcoin held on a Kraken account where somebody else trades, beside the demonstration's pool."""

    @asynchronous
    async def test_a_key_that_may_only_look_will_do_and_what_rests_there_is_theirs(self) -> None:
        calls, world = self.calls(), await make_world(reactor)
        self.addCleanup(world.stop)
        theirs, key = world.place("alice", Side.BUY, "50000", "0.01"), world.keys["alice"]
        key.rights -= {"modify_orders", "cancel_orders"}
        demo = (EXAMPLES / "demo.ini").read_text()
        text = changed(demo, ("port = 8888", "port = 0"), ("[modules]\n", "[modules]\nreserve = kraken.Kraken\n"))
        reserve = f"endpoint = {world.venue.rest}\nid = {key.id}\nsecret = {key.secret}\nnonce_file =\n"
        daemon = await self.ready(f"{text}\n[reserve_connection]\n{reserve}\n[target_balance_reserve]\nBTC = 5\n")
        (held,) = [stock for stock in daemon.trader.floor.view().stocks if stock.venue == "reserve"]
        self.assertEqual((held.asset, held.total), ("BTC", 5))
        await daemon.stopService()
        self.assertEqual([order.id for order in world.core.open_orders("alice")], [theirs])
        asked = {call for call in calls if not call.startswith("rpc.")}  # the pool's own venues
        self.assertLessEqual(asked, READS | {"DepositStatus", "WithdrawStatus"})


class ExampleTests(SynchronousTestCase):
    """The files themselves."""

    def test_make_runs_the_demonstration_with_what_it_needs_installed(self) -> None:
        makefile = (ROOT / "Makefile").read_text()
        self.assertIn("demo-kraken: $(VENV)/.ccxt", makefile)
        self.assertIn("--config ilp_example_config/kraken-bitso-demo.ini", makefile)
        self.assertIn("ccxt==", (ROOT / "requirements" / "ccxt.txt").read_text())

    def test_both_begin_as_a_dry_run_until_somebody_says_live(self) -> None:
        for name in ("kraken-bitso.ini", "kraken-kraken.ini"):
            self.assertEqual(load(EXAMPLES / name, ENVIRON).settings.mode, "dry-run")

    def test_the_one_with_two_pairs_has_one_account(self) -> None:
        settings = load(EXAMPLES / "kraken-kraken.ini", ENVIRON).settings
        self.assertEqual(dict(settings.accounts), {ACCOUNT: ("source", "target")})

    def test_only_the_bridge_asks_for_the_reactor_of_asyncio(self) -> None:
        wanting = {file.name for file in EXAMPLES.glob("*.ini") if needs_asyncio(file)}
        self.assertEqual(wanting, {"kraken-bitso.ini", "kraken-bitso-demo.ini"})
        self.assertFalse(needs_asyncio(EXAMPLES / "there is no such file"))

    def test_a_client_that_refuses_its_options_ends_the_start_with_the_status_of_a_bad_configuration(self) -> None:
        text = changed(
            (EXAMPLES / "demo.ini").read_text(),
            ("[source_connection]\n", "[source_connection]\ndeadline = soon\n"),
            ("port = 8888", "port = 0"),
        )
        argv = [sys.executable, "ilp.py", "--config", str(written(self.mktemp(), text).resolve())]
        found = subprocess.run(argv, capture_output=True, text=True, cwd=ROOT, check=False)
        self.assertEqual(found.returncode, 2, found.stderr)
        self.assertIn("[source_connection]: deadline 'soon' is not a number", found.stderr)

    def test_the_reactor_is_installed_before_anything_chooses_another(self) -> None:
        show = (
            "import sys, ilp.cli as cli\n"
            "def show(options):\n"
            "    import ilp.service\n"
            "    from twisted.internet import reactor\n"
            "    print(type(reactor).__name__)\n"
            "    return 0\n"
            "cli._run = show\n"
            "sys.exit(cli.main(['--config', sys.argv[1]]))\n"
        )
        found = {
            name: subprocess.run(
                [sys.executable, "-c", show, str(EXAMPLES / name)], capture_output=True, text=True, cwd=ROOT, check=True
            ).stdout.strip()
            for name in ("kraken-bitso-demo.ini", "demo.ini")
        }
        self.assertEqual(found["kraken-bitso-demo.ini"], "AsyncioSelectorReactor")
        self.assertNotEqual(found["demo.ini"], "AsyncioSelectorReactor")
