"""The daemon as a whole, on real sockets: it starts, it trades, it stops, and where it cannot start nothing is left."""

from __future__ import annotations

import io
import os
import re
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import treq
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import TestCase
from twisted.web.client import Agent, HTTPConnectionPool

from clients.exchange import NotAuthorised
from ilp.journal.interface import JournalError
from ilp.making import CannotMake, client
from ilp.service import Daemon
from ilp.settings_file import load
from tests.configurations import bent, written
from web.service import CannotServe

ROOT = Path(__file__).resolve().parents[1]
DEMO = (ROOT / "ilp_example_config" / "demo.ini").read_text().replace("port = 8888", "port = 0")


class DaemonCase(TestCase):
    """Runs daemons and stops them."""

    timeout = 60

    def daemon(self, text: str = DEMO) -> Daemon:
        """A daemon for a configuration; it is stopped at the end of the test."""
        self.said = io.StringIO()
        daemon = Daemon(load(written(self.mktemp(), text)), reactor, self.said)
        self.addCleanup(daemon.stopService)
        return daemon

    async def until(self, what: Callable[[], Any], promise: str, seconds: float = 20) -> Any:
        """The first true answer of *what*, a value or a Deferred of one."""
        for _ in range(int(seconds * 20)):
            found = what()
            if isinstance(found, Deferred):
                found = await found
            if found:
                return found
            await deferLater(reactor, 0.05)
        raise AssertionError(f"not within {seconds} s: {promise}")

    def ask(self, path: str, document: Any = None) -> Deferred[Any]:
        """The console's answer to a script that gives name and password."""
        address = re.search(r"Console: (\S+?)/\n", self.said.getvalue())
        password = re.search(r"password (\S+)", self.said.getvalue())
        assert address and password
        agent = Agent(reactor, pool=HTTPConnectionPool(reactor, persistent=False))

        async def answer() -> Any:
            response = await treq.request(
                "GET" if document is None else "POST",
                f"{address[1]}/api/{path}",
                json=document,
                auth=("operator", password[1]),
                agent=agent,
            )
            return await response.json()

        return Deferred.fromCoroutine(answer())


def asynchronous(test: Callable[..., Any]) -> Callable[..., Deferred[Any]]:
    """A coroutine test as trial takes it."""

    def run(self: Any) -> Deferred[Any]:
        return Deferred.fromCoroutine(test(self))

    run.__name__ = test.__name__
    run.__doc__ = test.__doc__
    return run


class RunningTests(DaemonCase):
    """The demo's way through its states."""

    @asynchronous
    async def test_it_trades_after_start_and_leaves_no_order_when_it_stops(self) -> None:
        daemon = self.daemon()
        await daemon.begin()
        assert daemon.trader is not None and daemon.embedded is not None
        core = daemon.embedded.world.cores["target"]
        await self.until(lambda: daemon.trader and daemon.trader.life.state == "READY", "READY")
        self.assertEqual(core.open_orders("pool"), [])
        self.assertEqual((await self.ask("start", {}))["state"], "TRADING")
        await self.until(lambda: len(core.open_orders("pool")) == 2, "both quotes rest")
        await daemon.stopService()
        self.assertEqual((core.open_orders("pool"), daemon.remaining), ([], ()))

    @asynchronous
    async def test_systemd_hears_of_a_simulated_pool_what_it_waits_for(self) -> None:
        """Its unit would end a dry run that says nothing as one that did not start."""
        address = f"/tmp/ilp-test-{id(self)}.sock"  # a socket's path must be short
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
            listening.bind(address)
            self.addCleanup(Path(address).unlink)
            listening.setblocking(False)
            os.environ["NOTIFY_SOCKET"] = address
            self.addCleanup(os.environ.pop, "NOTIFY_SOCKET")
            daemon = self.daemon()
            await daemon.begin()
            self.assertEqual([listening.recv(100), listening.recv(100)], [b"READY=1", b"WATCHDOG=1"])
            await daemon.stopService()
            said = [listening.recv(100)]
            while said[-1] != b"STOPPING=1":
                said.append(listening.recv(100))
            assert daemon.heartbeat is not None
            self.assertIsNone(daemon.heartbeat.path)

    @asynchronous
    async def test_a_password_called_random_is_made_anew_and_told(self) -> None:
        await self.daemon().begin()
        first = self.said.getvalue()
        self.assertEqual((await self.ask("update"))["mode"], "paper")
        self.assertNotIn("password random", first)

    @asynchronous
    async def test_it_tells_where_the_embedded_venues_are_without_their_passwords(self) -> None:
        daemon = self.daemon()
        await daemon.begin()
        assert daemon.embedded is not None
        self.assertIn('"venue": "source"', self.said.getvalue())
        for wire in daemon.embedded.servers.wires.values():
            for secret in wire.accounts.values():
                self.assertNotIn(secret, self.said.getvalue())

    @asynchronous
    async def test_an_edit_outlives_a_restart(self) -> None:
        database = Path(self.mktemp()).resolve()
        text = DEMO.replace("url = sqlite://", f"url = sqlite:///{database}")
        daemon = self.daemon(text)
        await daemon.begin()
        version = (await self.ask("update"))["version"]
        await self.ask("update", {"version": version, "parameters": {"quote_size": "0.05"}})
        await daemon.stopService()
        await self.daemon(text).begin()
        parameter = (await self.ask("update"))["trader"]["parameters"]["quote_size"]
        self.assertEqual((parameter["value"], parameter["origin"]), ("0.05", "console"))

    @asynchronous
    async def test_what_is_in_force_is_journaled_at_a_start_and_is_no_edit(self) -> None:
        database = Path(self.mktemp()).resolve()
        text = DEMO.replace("url = sqlite://", f"url = sqlite:///{database}")
        for expected in ("0.1", "0.08", "0.08"):  # the last start finds nothing new
            daemon = self.daemon(re.sub(r"(?m)^quote_size = .*", f"quote_size = {expected}", text))
            await daemon.begin()
            parameter = (await self.ask("update"))["trader"]["parameters"]["quote_size"]
            self.assertEqual((parameter["value"], parameter["origin"]), (expected, "file"))
            await daemon.stopService()
        with closing(sqlite3.connect(database)) as journal:
            entries = journal.execute("SELECT old, new, origin FROM parameters WHERE name = 'quote_size' ORDER BY seq")
            self.assertEqual(list(entries), [("", "0.1", "file"), ("0.1", "0.08", "file")])
            told = journal.execute("SELECT count(*), count(DISTINCT name) FROM parameters").fetchone()
            self.assertEqual(told[0], told[1] + 1)


class FailingTests(DaemonCase):
    """One clear sentence, and nothing half-started (trial would find what is left)."""

    @asynchronous
    async def test_a_port_in_use_is_named(self) -> None:
        await self.daemon().begin()
        port = re.search(r"Console: http://127.0.0.1:(\d+)/", self.said.getvalue())
        assert port
        beginning = self.daemon(DEMO.replace("port = 0", f"port = {port[1]}")).begin()
        error = await self.assertFailure(beginning, CannotServe)
        self.assertIn(f"port {port[1]}", str(error))

    @asynchronous
    async def test_a_journal_that_cannot_be_opened_is_named(self) -> None:
        beginning = self.daemon(DEMO.replace("url = sqlite://", "url = sqlite:////nowhere/at/all.sqlite")).begin()
        error = await self.assertFailure(beginning, JournalError)
        self.assertIn("/nowhere/at", str(error))

    @asynchronous
    async def test_a_second_daemon_on_the_same_journal_is_refused(self) -> None:
        text = DEMO.replace("url = sqlite://", f"url = sqlite:///{Path(self.mktemp()).resolve()}")
        await self.daemon(text).begin()
        await self.assertFailure(self.daemon(text).begin(), JournalError)

    @asynchronous
    async def test_wrong_credentials_end_the_start(self) -> None:
        first = self.daemon()
        await first.begin()
        assert first.embedded is not None
        endpoint = first.embedded.servers["source"].venue.endpoint
        connection = f"[source_connection]\nendpoint = {endpoint}\nid = pool\nsecret = wrong\n"
        text = re.sub(r"\[source_connection\][^\[]*", connection + "\n", DEMO)
        error = await self.assertFailure(self.daemon(text).begin(), Exception)
        while hasattr(error, "subFailure"):
            error = error.subFailure.value
        self.assertIsInstance(error, NotAuthorised)
        self.assertNotIn("wrong", str(error).replace("password is wrong", ""))

    @asynchronous
    async def test_an_option_that_a_client_does_not_take_is_named_with_its_section(self) -> None:
        connection = "[source_connection]\nendpoint = embedded\nping_interval = banana\n"
        text = re.sub(r"\[source_connection\][^\[]*", connection + "\n", DEMO)
        error = await self.assertFailure(self.daemon(text).begin(), CannotMake)
        self.assertIn("[source_connection]: ", str(error))
        self.assertIn("banana", str(error))


class ClientTests(TestCase):
    """Clients are made of what the configuration says."""

    def test_a_client_gets_what_its_constructor_asks_for_and_its_options(self) -> None:
        settings = load(
            written(self.mktemp(), bent(("secret = wonderland", "secret = wonderland\ncall_timeout = 3")))
        ).settings
        made = client(settings.connections["source"], "source", _Clock(), settings)
        self.assertEqual(made.call_timeout, "3")


class _Clock:
    reactor = StringTransport()

    def now(self) -> None:
        """Never asked."""
