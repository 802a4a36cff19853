"""The examples, run as a newcomer would: as programs of their own, against a venue that listens."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone
from twisted.internet.protocol import ProcessProtocol
from twisted.trial.unittest import SynchronousTestCase, TestCase

from tests.clients.bench import asynchronous, eventually
from tests.simulation.sputnik.world import make_world

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
NAMES = ("ticker.py", "balance.py", "recorder.py")


class Program(ProcessProtocol):
    """A running example; `ended` fires with its exit status."""

    def __init__(self, name: str, *arguments: str, **environment: str) -> None:
        self.said = ""
        self.complained = ""
        self.ended: Deferred[int] = Deferred()
        command = [sys.executable, str(EXAMPLES / name), *arguments]
        spawn: Any = reactor
        self.process = spawn.spawnProcess(self, sys.executable, command, env={**os.environ, **environment})

    def outReceived(self, data: bytes) -> None:
        self.said += data.decode()

    def errReceived(self, data: bytes) -> None:
        self.complained += data.decode()

    def processEnded(self, reason: Any) -> None:
        self.ended.callback(0 if reason.check(ProcessDone) else reason.value.exitCode)

    async def interrupted(self) -> None:
        """Ctrl-C, and the end."""
        self.process.signalProcess("INT")
        await self.ended


class SizeTests(SynchronousTestCase):
    """What examples promise."""

    def test_each_has_fewer_than_forty_lines(self) -> None:
        for name in NAMES:
            self.assertLess(len((EXAMPLES / name).read_text().splitlines()), 40, name)


class ExampleTests(TestCase):
    """Each against the venue of two pairs."""

    timeout = 20

    @asynchronous
    async def setUp(self) -> None:
        self.world = await make_world(reactor)

    @asynchronous
    async def tearDown(self) -> None:
        await self.world.stop()

    @asynchronous
    async def test_the_ticker_prints_the_best_prices_as_they_change(self) -> None:
        program = Program("ticker.py", self.world.venue.endpoint, "BTC/HUF")
        await eventually(lambda: "BTC/HUF - -" in program.said, program.complained, limit=10)
        self.world.place("bob", "BTC/HUF", "BUY", 6200000, 4000000)
        await eventually(lambda: "BTC/HUF 62000 -" in program.said, "the new bid")
        await program.interrupted()
        self.assertNotIn("Traceback", program.complained)

    @asynchronous
    async def test_the_balance_prints_each_holding_and_ends(self) -> None:
        self.world.place("alice", "BTC/HUF", "SELL", 6200000, 100_000_000)
        program = Program("balance.py", self.world.venue.endpoint, "alice", SPUTNIK_PASSWORD="secret-alice")
        self.assertEqual(await program.ended, 0, program.complained)
        rows = {line.split()[0]: line.split()[1:] for line in program.said.splitlines()}
        self.assertEqual([float(amount) for amount in rows["BTC"]], [5.0, 4.0])

    @asynchronous
    async def test_a_wrong_password_is_one_sentence_and_a_failure(self) -> None:
        program = Program("balance.py", self.world.venue.endpoint, "alice", SPUTNIK_PASSWORD="wrong")
        self.assertEqual(await program.ended, 1)
        self.assertIn("password is wrong", program.complained)
        self.assertNotIn("Traceback", program.complained)

    @asynchronous
    async def test_the_recorder_keeps_books_trades_and_gaps(self) -> None:
        file = Path(self.mktemp())
        program = Program("recorder.py", self.world.venue.endpoint, "BTC/HUF", str(file))

        def rows(kind: str) -> list[Any]:
            lines = file.read_text().splitlines() if file.exists() else []
            return [row for row in map(json.loads, lines) if row["kind"] == kind]

        await eventually(lambda: rows("book"), program.complained, limit=10)
        self.world.place("bob", "BTC/HUF", "BUY", 6200000, 4000000)
        self.world.place("alice", "BTC/HUF", "SELL", 6200000, 4000000)
        (trade,) = await eventually(lambda: rows("trade"), "a trade")
        self.assertEqual((trade["price"], trade["quantity"]), ("62000", "0.04"))
        self.world.venue.fault({"disconnect": 1006})
        await eventually(lambda: rows("gap"), "a gap")
        await program.interrupted()
        self.assertNotIn("Traceback", program.complained)
