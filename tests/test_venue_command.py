"""`ilp.py venue` as a process: the line it prints, how it ends, what it says when it cannot start."""

from __future__ import annotations

import json
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import treq
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.client import Agent, HTTPConnectionPool

from ilp.clock import WorldClock
from ilp.settings_file import load
from ilp.simulation.bodies import BadRequest
from ilp.simulation.rates import RateServer
from ilp.simulation.recordings import load_fixings
from ilp.venue_command import ports_of, scenario_of, switch_rates, to_the_present
from tests.simulation.sputnik.cases import asynchronous
from tests.simulation.sputnik.world import dial

ROOT = Path(__file__).parent.parent

CONFIGURATION = """
[modules]
source = sputnik.Sputnik
target = sputnik.Sputnik
fiat = rates.ECB
[source_connection]
endpoint = ws://127.0.0.1:{source}/ws
id = pool
secret = one
[target_connection]
endpoint = ws://localhost:{target}/ws
id = pool
secret = other
[tickers]
source = BTC/USD
target = BTC/HUF
btc = BTC
[target_balance_source]
USD = 60000
BTC = 1
[target_balance_target]
HUF = 20000000
BTC = 2
[valuation]
deviation_penalty = 0.05
risk_aversion = 0.000001
[data]
source_fee = [0, 0.002]
target_fee = [0, 0.003]
fiat_exchange_cost = [25, 0.005]
btc_fee = 0.0002
btc_delay = 2 h
fiat_exchange_delay = 4 d
variance_period = hour
variance_window = week
[trader]
quote_size = 0.05
edge_to_enter = 300
edge_to_leave = 150
period = 5
out_address = somewhere
[users]
operator = a long enough password
[simulation]
start = 2019-07-31T12:00:00+00:00
speed = 60
seed = 7
btc_delay = 20 m
source_balances = USD 1000, BTC 3
"""


class _Process(ProcessProtocol):
    """A venue's process: its lines, its complaints, its end."""

    def __init__(self) -> None:
        self.out = b""
        self.err = b""
        self._line: Deferred[Any] | None = None
        self.ended: Deferred[int | None] = Deferred()

    def outReceived(self, data: bytes) -> None:
        self.out += data
        self._tell()

    def errReceived(self, data: bytes) -> None:
        self.err += data

    def line(self) -> Deferred[Any]:
        """The next line it prints, as a document."""
        self._line = Deferred()
        waiting = self._line
        self._tell()
        return waiting

    def _tell(self) -> None:
        if self._line is not None and b"\n" in self.out:
            line, _, self.out = self.out.partition(b"\n")
            waiting, self._line = self._line, None
            waiting.callback(json.loads(line))

    def processEnded(self, reason: Failure) -> None:
        if self._line is not None:
            self._line.errback(AssertionError(self.err.decode()))
        self.ended.callback(reason.value.exitCode)


class ProcessTests(TestCase):
    """The command from outside."""

    timeout = 30

    def start(self, *arguments: str) -> _Process:
        process = _Process()
        command = [sys.executable, str(ROOT / "ilp.py"), "venue", *arguments]
        spawned = reactor.spawnProcess(process, sys.executable, command, env=None, path=self.mktemp_folder())

        def end() -> Deferred[Any] | None:
            if spawned.pid is not None:
                spawned.signalProcess("KILL")
            return process.ended if not process.ended.called else None

        self.addCleanup(end)
        return process

    def mktemp_folder(self) -> str:
        folder = Path(self.mktemp())
        folder.mkdir(parents=True)
        return str(folder)

    @asynchronous
    async def test_it_prints_one_line_trades_and_ends_well_on_a_signal(self) -> None:
        process = self.start("sputnik", "--port", "0")
        document = await process.line()
        self.assertEqual(set(document), {"venue", "endpoints", "accounts", "admin"})
        wire = await dial(reactor, document["endpoints"]["ws"])
        account = document["accounts"][0]
        self.assertEqual((await wire.login(account["id"], account["secret"]))[0], 2)
        book = await wire.result("rpc.market.get_order_book", "BTC/USD")
        self.assertTrue(book["bids"] and book["asks"])
        bars = await wire.result("rpc.market.get_ohlcv_history", "BTC/USD", "hour")
        self.assertGreater(len(bars), 24)
        process.transport.signalProcess(signal.SIGTERM)
        self.assertEqual(await process.ended, 0)
        self.assertEqual((await wire.closed)[0], 1006)
        self.assertEqual((process.out, process.err), (b"", b""))

    @asynchronous
    async def test_a_shutdown_by_the_admin_address_ends_it(self) -> None:
        process = self.start("rates", "--port", "0")
        document = await process.line()
        agent = Agent(reactor, pool=HTTPConnectionPool(reactor, persistent=False))
        daily = await treq.get(document["endpoints"]["rest"] + "/stats/eurofxref/eurofxref-daily.xml", agent=agent)
        self.assertIn(b"HUF", await daily.content())
        await treq.content(await treq.post(document["admin"] + "/shutdown", agent=agent))
        self.assertEqual(await process.ended, 0)

    @asynchronous
    async def test_a_port_in_use_is_said_in_one_sentence(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            process = self.start("sputnik", "--port", str(port))
            self.assertEqual(await process.ended, 1)
        self.assertIn(f"port {port}".encode(), process.err)
        self.assertEqual((process.out, process.err.count(b"\n")), (b"", 1))


class ConfigurationTests(SynchronousTestCase):
    """What a configuration makes of the world."""

    def settings(self, source: int = 8880, target: int = 8881) -> Any:
        file = Path(self.mktemp())
        file.write_text(CONFIGURATION.format(source=source, target=target))
        return load(file).settings

    def test_accounts_fees_charges_and_seed_are_the_configurations(self) -> None:
        scenario = scenario_of(self.settings())
        source, target = scenario.venues
        users = [(user.name, user.secret) for user in source.users + target.users]
        self.assertEqual(users, [("pool", "one"), ("pool", "other")])
        self.assertEqual((source.pair.fee_bps, target.pair.fee_bps, scenario.seed), (20, 30, 7))
        coins, out, _ = scenario.routes
        self.assertEqual((str(coins.fixed), coins.processing_s + coins.delay_s), ("0.0002", 1200.0))
        self.assertEqual((str(out.fixed), str(out.proportional)), ("25", "0.005"))

    def test_balances_are_those_of_the_simulation_else_the_targets(self) -> None:
        held = [dict(venue.users[0].balances) for venue in scenario_of(self.settings()).venues]
        self.assertEqual(held, [{"BTC": 3, "USD": 1000}, {"BTC": 2, "HUF": 20000000}])

    def test_a_configuration_for_real_endpoints_can_be_rehearsed(self) -> None:
        file = Path(self.mktemp())
        text = CONFIGURATION.format(source=1, target=2)
        file.write_text(text[: text.index("[simulation]")].replace("id = pool", "").replace("secret = other", ""))
        scenario = scenario_of(load(file).settings)
        held = [dict(venue.users[0].balances) for venue in scenario.venues]
        self.assertEqual(held, [{"BTC": 1, "USD": 60000}, {"BTC": 2, "HUF": 20000000}])
        coins, *_ = scenario.routes
        self.assertEqual(coins.processing_s + coins.delay_s, 7200.0)

    def test_venues_listen_where_their_endpoints_are(self) -> None:
        settings = self.settings()
        self.assertEqual(ports_of(settings, 8880), {"source": 8880, "target": 8881})
        self.assertEqual(ports_of(settings, 8881), {"source": 8880, "target": 8881})

    def test_a_port_that_no_endpoint_names_is_the_sources(self) -> None:
        self.assertEqual(ports_of(self.settings(), 9999), {"source": 9999, "target": 8881})


class RatesTests(SynchronousTestCase):
    """The rate server of the command."""

    def test_without_a_configuration_the_newest_fixing_is_of_these_days(self) -> None:
        clock = WorldClock(reactor)
        newest = max(to_the_present(clock))
        age = (clock.now().date() - newest).days
        self.assertTrue(0 <= age < 7, age)
        self.assertEqual(newest.weekday(), max(load_fixings()).weekday())

    def test_faults_are_switched_by_name_all_or_none(self) -> None:
        server = RateServer(WorldClock(reactor))
        self.assertEqual(switch_rates(server, {"stale": True, "jump": True}), {"faults": ["stale", "jump"]})
        for bad in ({"stale": False, "nothing": True}, {"stale": 1}):
            self.assertRaises(BadRequest, switch_rates, server, bad)
        self.assertEqual(switch_rates(server, {"stale": False}), {"faults": ["jump"]})
        self.assertEqual(switch_rates(server, {"clear": True}), {"faults": []})
