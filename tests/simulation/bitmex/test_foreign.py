"""Clients of others work unchanged when they are pointed at the simulated venue."""

from __future__ import annotations

import json
import os
import random
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from twisted.trial.unittest import SkipTest, TestCase

from clients.bitmex_feed import BitMEXFeed
from clients.exchange import Side
from tests.clients.bench import asynchronous, eventually
from tests.simulation.bitmex.world import make_world

HERE = Path(__file__).parent / "foreign"
MARKET_MAKER = Path(__file__).parents[3] / ".venv-bitmex" / "bin" / "python"


class Program(ProcessProtocol):
    """A program of others: its JSON lines, and its end."""

    def __init__(self) -> None:
        self.lines: list[Any] = []
        self.errors = ""
        self.ended: Deferred[None] = Deferred()
        self.done = False
        self._rest = b""

    def outReceived(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        self.lines += [json.loads(line) for line in lines if line.startswith(b"{")]

    def errReceived(self, data: bytes) -> None:
        self.errors += data.decode("utf-8", "replace")

    def processEnded(self, reason: Failure) -> None:
        self.done = True
        if reason.check(ProcessDone):
            self.ended.callback(None)
        else:
            self.ended.errback(AssertionError(f"{reason.getErrorMessage()}\n{self.errors[-3000:]}"))


class ForeignCase(TestCase):
    """A venue with a quoted market, and programs."""

    timeout = 60

    @asynchronous
    async def setUp(self) -> None:
        self.programs: list[Program] = []
        self.world = await make_world(reactor, start=None)
        for symbol, size in (("XBTUSD", 10000), ("XBT_USDT", 10**7)):
            self.world.place("carol", symbol, "BUY", "59990", size)
            self.world.place("carol", symbol, "SELL", "60010", size)
            self.world.place("bob", symbol, "BUY", "60010", size // 10)

    @asynchronous
    async def tearDown(self) -> None:
        for program in self.programs:
            if not program.done:
                program.ended.addErrback(lambda _: None)
                program.transport.signalProcess("KILL")
                await eventually(lambda program=program: program.done, "its end")
        await self.world.stop()

    def needs(self, package: str, module: str) -> None:
        if find_spec(module) is None:
            raise SkipTest(f"needs the package {package}")

    def run_program(self, name: str, key: str = "key-alice", secret: str = "secret-alice") -> Program:
        program = Program()
        self.programs.append(program)
        arguments = [sys.executable, str(HERE / name), str(self.world.venue.port), key, secret]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        reactor.spawnProcess(program, sys.executable, arguments, environment)
        return program


class OfficialTests(ForeignCase):
    """bitmex-ws"""

    @asynchronous
    async def test_it_starts_with_and_without_a_key(self) -> None:
        self.needs("bitmex-ws", "bitmex_websocket")
        for key, margin in (("key-alice", 500_000_000), ("", None)):
            program = self.run_program("official.py", key, "secret-alice" if key else "")
            known = await eventually(lambda program=program: program.lines and program.lines[0], "its start", 15.0)
            assert (known["symbol"], known["margin"], known["trades"]) == ("XBTUSD", margin, 1)
            assert known["ticker"]["last"] == 60010.0
            program.transport.closeStdin()
            await program.ended

    @asynchronous
    async def test_it_ends_with_the_same_book_as_ours_after_ten_thousand_changes(self) -> None:
        self.needs("bitmex-ws", "bitmex_websocket")
        program = self.run_program("official.py")
        feed = BitMEXFeed("XBTUSD", endpoint=self.world.venue.endpoint, reactor=reactor, tables="orderBookL2,trade")
        await feed.connect()
        try:
            await eventually(lambda: program.lines, "its start", 15.0)
            await self.shake(10_000)
            self.world.core.print_trade("XBTUSD", 60000 * 10**8, 7700)
            await eventually(lambda: any(r["size"] == 7700 for r in feed.storage.data["trade"].values()), "ours", 30.0)
            ours = sorted(
                [row["side"], float(row["price"]), row["size"], row["id"]]
                for row in feed.storage.data["orderBookL2"].values()
            )
            await eventually(lambda: self.has_ended(program), "its own", 30.0)
            assert program.lines[-1]["book"] == ours
            assert len(ours) > 100
        finally:
            await feed.disconnect()

    def has_ended(self, program: Program) -> bool:
        trades = program.lines[-1]["trades"]
        if isinstance(trades, list) and 7700 in trades:
            return True
        program.transport.write(b"go\n")
        return False

    async def shake(self, changes: int) -> None:
        """Random orders of bob and carol that come and go, and sometimes meet."""
        draw, resting, done = random.Random(5), [], 0
        while done < changes:
            if resting and draw.random() < 0.45:
                account, id = resting.pop(draw.randrange(len(resting)))
                if not self.world.core.order(id).final:
                    self.world.core.cancel(account, id)
                    done += 1
            else:
                account, side = draw.choice(("bob", "carol")), draw.choice((Side.BUY, Side.SELL))
                away = draw.randint(-2, 150) * 50_000_000
                price = 60000 * 10**8 + (away if side is Side.SELL else -away)
                order = self.world.core.place(account, "XBTUSD", side, price, draw.randint(1, 5) * 100)
                if not order.final:
                    resting.append((account, order.id))
                done += 1
            if done % 500 == 0:
                await eventually(lambda: True, "a breath")


class CcxtTests(ForeignCase):
    """ccxt 4.5.83, the last release that knows BitMEX"""

    @asynchronous
    async def test_its_rest_calls_work(self) -> None:
        self.needs("ccxt", "ccxt")
        program = self.run_program("ccxt_rest.py")
        await program.ended
        (told,) = program.lines
        assert told == {
            "markets": ["BTC/USD:BTC", "BTC/USDT", "BTC/USDT:USDT"],
            "balance": {"BTC": 5.0, "USDT": 1000000.0},
            "best": [59990.0, 60010.0],
            "open": [True],
            "amended": 50001.0,
            "cancelled": "canceled",
            "twice": True,
            "taken": ["closed", 0.01],
            "fills": ["BTC/USDT"],
            "trades": 2,
            "bars": 1,
            "ticker": "BTC/USD:BTC",
            "ledger": ["trade", "transaction"],
            "address": True,
            "all": 1,
            "errors": ["InsufficientFunds", "InvalidOrder"],
            "withdrawal": "pending",
            "positions": [["BTC/USD:BTC", 1000.0]],
            "stranger": True,
        }, told

    @asynchronous
    async def test_its_streams_work(self) -> None:
        self.needs("ccxt", "ccxt")
        program = self.run_program("ccxt_stream.py")
        await program.ended
        (told,) = program.lines
        assert told == {
            "best": [59990.0, 60010.0],
            "balance": 5.0,
            "order": True,
            "raised": 59991.0,
            "lowered": 59990.0,
            "trade": 60010.0,
            "ticker": "BTC/USD:BTC",
        }, told


class TrioTests(ForeignCase):
    """bitmex-trio-websocket"""

    @asynchronous
    async def test_its_tables_work(self) -> None:
        self.needs("bitmex-trio-websocket", "bitmex_trio_websocket")
        program = self.run_program("trio_stream.py")
        await program.ended
        (told,) = program.lines
        assert told == {"margin": 500_000_000, "trade": 60010.0, "levels": 2}, told
        assert self.world.venue._switches  # it keeps the dead man's switch


class MarketMakerTests(ForeignCase):
    """bitmex-market-maker 1.6.1, BitMEX's own sample, in the environment that `make conformance-bitmex` makes: it needs
    websocket-client 0.53, which bitmex-ws does not go with"""

    @asynchronous
    async def test_it_quotes_both_sides_and_cancels_at_its_end(self) -> None:
        if not MARKET_MAKER.exists():
            raise SkipTest(
                "needs the package bitmex-market-maker in an environment of its own: make conformance-bitmex"
            )
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "settings.py").write_text(
            f'BASE_URL = "http://127.0.0.1:{self.world.venue.port}/api/v1/"\nAPI_KEY = "key-alice"\n'
            'API_SECRET = "secret-alice"\nSYMBOL = "XBTUSD"\nORDER_START_SIZE = 100\nORDER_STEP_SIZE = 100\n'
            "LOOP_INTERVAL = 1\nWATCHED_FILES = []\n"
        )
        program = Program()
        self.programs.append(program)
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        start = "import sys; sys.argv = ['marketmaker']; from market_maker import run; run()"
        reactor.spawnProcess(program, str(MARKET_MAKER), [str(MARKET_MAKER), "-c", start], environment, str(folder))
        core = self.world.core
        await eventually(lambda: len(core.open_orders("alice")) == 12, "six orders on each side", 20.0)
        assert {order.side for order in core.open_orders("alice")} == set(Side)
        program.ended.addErrback(lambda _: None)  # its way out is an exception
        program.transport.signalProcess("TERM")
        await eventually(lambda: not core.open_orders("alice"), "all cancelled", 20.0)
