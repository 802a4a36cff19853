"""Where daemons are killed: a folder, both venues and the bank in one process, daemons in others, on one journal.

Starts and ends processes and asks them; decides nothing about when, and proves nothing.
"""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from decimal import Decimal
from http.client import HTTPException
from pathlib import Path
from typing import Any

from tests.tools.accept import fetch

__all__ = ["ACCOUNT", "PASSWORD", "ROOT", "Ended", "Stage", "staged", "until"]

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT = "pool"
PASSWORD = "correct horse battery"  # of a console that listens on loopback for a moment
POLL = 0.01
PATIENCE = 120.0  # on a busy machine
EDITS = (
    ("source = sputnik.Sputnik\ntarget = sputnik.Sputnik\nfiat = rates.ECB", "{modules}"),
    ("speed = 60", "speed = 1"),
    ("start = 2019-08-01T17:00:00+00:00", "start = {now}"),
    ("customers = 90", "customers = 0.4"),
    ("port = 8888", "port = {console}"),
    ("url = sqlite://", "url = sqlite:///{journal}"),
    ("operator = random", f"operator = {PASSWORD}"),
    ("automatic = USD source -> target", "automatic = USD source -> target, HUF target -> source"),
    ("coin_interval = 20 m", "coin_interval = 0.2"),
    ("fiat_interval = 1 h", "fiat_interval = 0.2"),
    ("btc_delay = 10 m", "btc_delay = 0.2"),
    ("fiat_delay = 20 m", "fiat_delay = 0.3"),
    ("poll = 5", "rates = USD/HUF 293.5, EUR/USD 1.107"),
    ("period = 2", "period = 2\nsweep = 1\nautostart = yes"),
    ("variance_window = quarter", "variance_window = 24"),
)
# A day of the world has room for all that a thousand lives do.  The venues' clock began with their configuration, so that it
# is behind by as long as they took to start.
MORE = """[ages]
clock_skew = 300

[limits]
transfers_per_day = 1000
turnover_per_day = 100000
loss_per_day = 1000000

[variance_overrides]
BTC/USD = 2500
HUF/USD = 0.00000001

"""


class Ended(Exception):
    """A daemon ended that nobody had killed; says how, with the end of its log."""


def until(what: Any, seconds: float = PATIENCE) -> bool:
    """Ask *what* until it says yes; False when it never does."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(POLL)
    return False


def _ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


class Stage:
    """The folder, the addresses and the processes.

    :ivar admin: the venues' own doors, by venue.
    :ivar pid: of the daemon that runs, or ran last.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source, self.target, self.console = _ports(3)
        self.journal = folder / "kill.sqlite"
        self.admin: dict[str, str] = {}
        self.pid = 0
        self._venues: subprocess.Popen[str] | None = None
        self._nursery: subprocess.Popen[str] | None = None
        self._fresh: subprocess.Popen[bytes] | None = None
        self._told: dict[int, int] = {}  # exit status of each fork that has ended
        self._born: list[int] = []
        self._write_configurations()

    def _write_configurations(self) -> None:
        text = (ROOT / "ilp_example_config" / "demo.ini").read_text("utf-8")
        modules = "source = sputnik.Sputnik\ntarget = sputnik.Sputnik\nfiat = rates.Fixed"
        now = datetime.now(UTC).isoformat(timespec="seconds")
        for old, new in EDITS:
            if old not in text:
                raise ValueError(f"demo.ini has no {old!r} any more; see EDITS")
            text = text.replace(
                old, new.format(modules=modules, now=now, console=self.console, journal=self.journal), 1
            )
        for section, port in (("source_connection", self.source), ("target_connection", self.target)):
            address = f"endpoint = ws://127.0.0.1:{port}/ws\nid = {ACCOUNT}\nsecret = {PASSWORD}"
            text = re.sub(rf"(\[{section}\]\n(?:#.*\n)*)endpoint = embedded", lambda m, a=address: m[1] + a, text)
        text = re.sub(r"(\[fiat_connection\]\n)endpoint = embedded\n", r"\1", text)
        text = text.replace("[simulation]", MORE + "[simulation]", 1)
        (self.folder / "venues.ini").write_text(text, "utf-8")
        (self.folder / "pool.ini").write_text(text[: text.index("[simulation]")], "utf-8")

    # ------------------------------------------------------------------------------------------------------ processes

    def open(self) -> None:
        """Start the venues, which live until the end, and what daemons are forked from."""
        command = [sys.executable, "-u", str(ROOT / "ilp.py"), "venue", "sputnik", "--port", str(self.source)]
        with (self.folder / "venues.log").open("a") as log:
            self._venues = subprocess.Popen(
                [*command, "--config", "venues.ini"], cwd=self.folder, stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self._venues.stdout is not None
        while len(self.admin) < 2:
            line = self._venues.stdout.readline()
            if not line:
                raise RuntimeError((self.folder / "venues.log").read_text())
            if line.startswith("{"):
                told = json.loads(line)
                self.admin[told["venue"]] = told["admin"]
        self._nursery = subprocess.Popen(
            [sys.executable, "-u", "-m", "tests.tools.nursery"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._listen, args=(self._nursery.stdout,), daemon=True).start()

    def _listen(self, lines: Any) -> None:
        for line in lines:
            told = json.loads(line)
            if "status" in told:
                self._told[told["pid"]] = told["status"]
            elif "pid" in told:
                self._told.pop(told["pid"], None)  # of an earlier process with that number
                self._born.append(told["pid"])

    def start_daemon(self, fresh: bool = False) -> None:
        """Start a daemon; *fresh* as a new Python, else as a fork of one that has done its imports."""
        arguments = ["--config", "pool.ini", "--log", "json"]
        out, err = self.folder / "daemon.out", self.folder / "daemon.log"
        if fresh:
            with out.open("w") as to, err.open("a") as log:
                command = [sys.executable, "-u", str(ROOT / "ilp.py"), *arguments]
                self._fresh = subprocess.Popen(command, cwd=self.folder, stdout=to, stderr=log)
            self.pid = self._fresh.pid
            return
        self._fresh = None
        out.unlink(missing_ok=True)
        assert self._nursery is not None and self._nursery.stdin is not None
        count = len(self._born)
        wanted = {"arguments": arguments, "folder": str(self.folder), "out": str(out), "err": str(err)}
        self._nursery.stdin.write(json.dumps(wanted) + "\n")
        self._nursery.stdin.flush()
        if not until(lambda: len(self._born) > count):
            raise RuntimeError("no daemon was born")
        self.pid = self._born[-1]

    def listening(self) -> float:
        """Wait until the daemon says that its console listens; when that was (monotonic)."""
        out = self.folder / "daemon.out"
        if not until(lambda: self.status() is not None or (out.exists() and "Console:" in out.read_text())):
            raise Ended(f"no console after {PATIENCE:g} s: {self.log()}")
        if (status := self.status()) is not None:
            raise Ended(f"ended with status {status}: {self.log()}")
        return time.monotonic()

    def status(self) -> int | None:
        """How the daemon has ended; None while it runs."""
        return self._told.get(self.pid) if self._fresh is None else self._fresh.poll()

    def log(self) -> str:
        """The end of what the daemons wrote."""
        return (self.folder / "daemon.log").read_text()[-2000:]

    def signal(self, number: int) -> int:
        """Send the daemon a signal and wait for its end; its status."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)
        if not until(lambda: self.status() is not None):
            raise Ended(f"signal {number} did not end it: {self.log()}")
        return self.status() or 0

    def close(self) -> None:
        """End what still runs."""
        if self.pid and self.status() is None:
            self.signal(signal.SIGKILL)
        for process in (self._nursery, self._venues):
            if process is None:
                continue
            if process.poll() is None:
                process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()

    # ------------------------------------------------------------------------------------------------------- questions

    def ask(self, path: str, document: Any = None) -> Any:
        """The console's answer; None while it cannot be reached, and when the daemon dies of it."""
        key = base64.b64encode(f"operator:{PASSWORD}".encode()).decode()
        try:
            return fetch(f"http://127.0.0.1:{self.console}/api/{path}", document, {"Authorization": f"Basic {key}"})
        except (OSError, HTTPException, ValueError):
            return None

    def state(self) -> str:
        """The trader's state; empty while nobody answers."""
        answer = self.ask("update")
        return str(answer["trader"]["state"]) if answer and "trader" in answer else ""

    def transfers(self) -> list[dict[str, Any]]:
        """What the daemon shows of transfers."""
        answer = self.ask("update")
        return list(answer["state"]["transfers"]) if answer and "state" in answer else []

    def venue(self, venue: str, what: str) -> Any:
        """What a venue itself says: `orders`, `ledger`, `withdrawals`, `deposits`."""
        return fetch(f"{self.admin[venue]}/{what}")

    def of_pool(self, venue: str, what: str) -> list[dict[str, Any]]:
        """The pool's own among orders, withdrawals or deposits."""
        return [one for one in self.venue(venue, what)[what] if one["account"] == ACCOUNT]

    def resting(self) -> list[dict[str, Any]]:
        """What the venues themselves say that the pool has there."""
        return [order for venue in self.admin for order in self.of_pool(venue, "orders")]

    def held(self, venue: str) -> dict[str, Decimal]:
        """What the venue's own ledger has of the pool, by asset."""
        account = self.venue(venue, "ledger")["accounts"][ACCOUNT]
        return {asset: Decimal(held["total"]) for asset, held in account.items()}

    def world(self) -> dict[str, Decimal]:
        """All of each asset that there is: of every account and house, of bank and chain, charges and payouts included."""
        ledger = self.venue("source", "ledger")
        return {asset: Decimal(held["total"]) for asset, held in ledger["bank"].items()}


@contextmanager
def staged() -> Iterator[Stage]:
    """A stage in a folder of its own, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="ilp-kill-") as folder:
        stage = Stage(Path(folder))
        try:
            stage.open()
            yield stage
        finally:
            stage.close()
