"""`ilp.py venue bitmex` as a process: one line when it listens, an end on request."""

from __future__ import annotations

import sys
from pathlib import Path

import treq
from twisted.internet import reactor
from twisted.trial.unittest import TestCase
from twisted.web.client import Agent, HTTPConnectionPool

from tests.clients.bench import asynchronous, eventually
from tests.simulation.bitmex.test_foreign import Program

ROOT = Path(__file__).resolve().parents[3]


class CommandTests(TestCase):
    """The command"""

    timeout = 40

    @asynchronous
    async def test_it_tells_how_to_reach_it_and_ends_when_asked(self) -> None:
        program = Program()
        arguments = [sys.executable, str(ROOT / "ilp.py"), "venue", "bitmex"]
        reactor.spawnProcess(program, sys.executable, arguments, None, self.mkdtemp())
        (told,) = await eventually(lambda: program.lines, f"its line; {program.errors}", 30.0)
        assert told["venue"] == "bitmex"
        assert [account["id"] for account in told["accounts"]] == ["alice", "bob"]
        agent = Agent(reactor, pool=HTTPConnectionPool(reactor, persistent=False))
        response = await treq.get(f"{told['endpoints']['rest']}/api/v1/instrument?symbol=XBTUSD", agent=agent)
        assert [row["symbol"] for row in await treq.json_content(response)] == ["XBTUSD"]
        response = await treq.post(f"{told['admin']}/shutdown", agent=agent)
        assert response.code == 200
        await treq.content(response)
        await program.ended

    def mkdtemp(self) -> str:
        folder = Path(self.mktemp())
        folder.mkdir()
        return str(folder)
