"""Kills the daemon at random moments, over and over, while the venues run on: `python -m tests.tools.kill [N] [--seed S]`.

Real processes, real sockets, SIGKILL.  Both venues and the bank live in one process, the daemon in another, on one journal.
In the end nothing of the pool may rest at the venues, the journal must have every fill once and its ledger must add up;
after each kill the next daemon must have been safe (nothing of ours resting that it does not know) within three seconds.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import random
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from attrs import define, field

from tests.tools.accept import fetch

__all__ = ["Report", "run"]

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correct horse battery"  # of a console that listens on loopback for a moment
SAFE = 3.0
EDITS = (
    ("source = sputnik.Sputnik\ntarget = sputnik.Sputnik\nfiat = rates.ECB", "{modules}"),
    ("speed = 60", "speed = 1"),
    ("start = 2019-08-01T17:00:00+00:00", "start = {now}"),
    ("customers = 90", "customers = 0.7"),
    ("port = 8888", "port = {console}"),
    ("url = sqlite://", "url = sqlite:///{journal}"),
    ("operator = random", f"operator = {PASSWORD}"),
    ("approval_limit = 100000", "approval_limit = 0"),
    ("automatic = USD source -> target", "automatic ="),
    ("poll = 5", "rates = USD/HUF 293.5, EUR/USD 1.107"),
    ("period = 2", "period = 2\nautostart = yes"),
    ("variance_window = quarter", "variance_window = 24"),
)


@define
class Report:
    """What came of it; `safe` in seconds from the first line that the new process printed, `whole` from its start."""

    kills: int = 0
    safe: list[float] = field(factory=list)
    whole: list[float] = field(factory=list)
    fills: int = 0
    faults: list[str] = field(factory=list)


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
    """The folder, the addresses and the processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source, self.target, self.console = _ports(3)
        self.journal = folder / "kill.sqlite"
        self.admin: dict[str, str] = {}
        self.venues: subprocess.Popen[str] | None = None
        self.daemon: subprocess.Popen[str] | None = None
        text = (ROOT / "ilp_example_config" / "demo.ini").read_text("utf-8")
        modules = "source = sputnik.Sputnik\ntarget = sputnik.Sputnik\nfiat = rates.Fixed"
        now = datetime.now(UTC).isoformat(timespec="seconds")
        for old, new in EDITS:
            if old not in text:
                raise ValueError(f"demo.ini has no {old!r} any more; see EDITS")
            filled = new.format(modules=modules, now=now, console=self.console, journal=self.journal)
            text = text.replace(old, filled, 1)
        for section, port in (("source_connection", self.source), ("target_connection", self.target)):
            address = f"endpoint = ws://127.0.0.1:{port}/ws\nid = pool\nsecret = {PASSWORD}"
            text = re.sub(rf"(\[{section}\]\n(?:#.*\n)*)endpoint = embedded", lambda m, a=address: m[1] + a, text)
        text = re.sub(r"(\[fiat_connection\]\n)endpoint = embedded\n", r"\1", text)
        text = text.replace(
            "[simulation]", "[variance_overrides]\nBTC/USD = 2500\nHUF/USD = 0.00000001\n\n[simulation]", 1
        )
        (folder / "venues.ini").write_text(text, "utf-8")
        (folder / "pool.ini").write_text(text[: text.index("[simulation]")], "utf-8")

    def _start(self, name: str, *arguments: str) -> subprocess.Popen[str]:
        log = (self.folder / f"{name}.log").open("a")
        command = [sys.executable, "-u", str(ROOT / "ilp.py"), *arguments]
        with log:
            return subprocess.Popen(command, cwd=self.folder, stdout=subprocess.PIPE, stderr=log, text=True)

    def open_venues(self) -> None:
        """Start both venues; they live until the end."""
        self.venues = self._start("venues", "venue", "sputnik", "--port", str(self.source), "--config", "venues.ini")
        assert self.venues.stdout is not None
        while len(self.admin) < 2:
            line = self.venues.stdout.readline()
            if not line:
                raise RuntimeError((self.folder / "venues.log").read_text())
            if line.startswith("{"):
                told = json.loads(line)
                self.admin[told["venue"]] = told["admin"]

    def start_daemon(self) -> float:
        """Start the daemon; returns when it began to listen (monotonic)."""
        self.daemon = self._start("daemon", "--config", "pool.ini", "--log", "json")
        assert self.daemon.stdout is not None
        while line := self.daemon.stdout.readline():
            if line.startswith("Console:"):
                return time.monotonic()
        raise RuntimeError((self.folder / "daemon.log").read_text()[-2000:])

    def ask(self, path: str, document: Any = None) -> Any:
        """The console's answer; None while it cannot be reached."""
        key = base64.b64encode(f"operator:{PASSWORD}".encode()).decode()
        try:
            return fetch(f"http://127.0.0.1:{self.console}/api/{path}", document, {"Authorization": f"Basic {key}"})
        except OSError:
            return None

    def state(self) -> str:
        """The trader's state; empty while nobody answers."""
        answer = self.ask("update")
        return answer["trader"]["state"] if answer and "trader" in answer else ""

    def resting(self) -> list[dict[str, Any]]:
        """What the venues themselves say that the pool has there."""
        found = [order for admin in self.admin.values() for order in fetch(f"{admin}/orders")["orders"]]
        return [order for order in found if order["account"] == "pool"]

    def held(self, venue: str) -> Decimal:
        """Bitcoin of the pool, as the venue's own ledger has it."""
        return Decimal(fetch(f"{self.admin[venue]}/ledger")["accounts"]["pool"]["BTC"]["total"])

    def close(self) -> None:
        """End what still runs."""
        for process in (self.daemon, self.venues):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
            if process is not None and process.stdout is not None:
                process.stdout.close()


def _until(what: Callable[[], Any], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.02)
    return False


def run(kills: int, seed: int, told: Callable[[str], None] = lambda line: None) -> Report:
    """Kill *kills* times; what was found."""
    chance, report = random.Random(seed), Report()
    with _stage() as stage:
        stage.open_venues()
        before = {venue: stage.held(venue) for venue in stage.admin}
        stage.start_daemon()
        if not _until(lambda: stage.state() == "READY", 60):
            raise RuntimeError(f"not READY but {stage.state()!r}")
        answer = stage.ask("start", {})
        if not answer or answer.get("state") != "TRADING":
            raise RuntimeError(f"START was refused: {answer}")
        for number in range(kills):
            _once(stage, chance, report)
            told(f"{number + 1}: safe after {report.safe[-1]:.2f} s, {report.whole[-1]:.2f} s with starting Python")
        _end(stage, before, report)
    return report


@contextmanager
def _stage() -> Iterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="ilp-kill-") as folder:
        stage = Stage(Path(folder))
        try:
            yield stage
        finally:
            stage.close()


def _once(stage: Stage, chance: random.Random, report: Report) -> None:
    """One life and its end, at any moment of it, the start included."""
    assert stage.daemon is not None
    if chance.random() < 0.8:
        _until(lambda: stage.state() == "TRADING", 30)
    time.sleep(chance.uniform(0, 2.5))
    os.kill(stage.daemon.pid, signal.SIGKILL)
    stage.daemon.wait()
    assert stage.daemon.stdout is not None
    stage.daemon.stdout.close()
    report.kills += 1
    time.sleep(chance.choice((0.0, 0.0, 0.5)))
    began = time.monotonic()
    listening = stage.start_daemon()
    if not _until(lambda: stage.state() in ("READY", "TRADING") or not stage.resting(), 30):
        ended = stage.daemon.poll()
        what = "runs" if ended is None else f"ended with status {ended}"
        report.faults.append(
            f"kill {report.kills}: {stage.state()!r} with {len(stage.resting())} orders after 30 s; the daemon {what}: "
            f"{(stage.folder / 'daemon.log').read_text()[-1500:]}"
        )
    now = time.monotonic()
    report.safe.append(now - listening)
    report.whole.append(now - began)


def _end(stage: Stage, before: dict[str, Decimal], report: Report) -> None:
    """Stop in order, and compare what everybody says."""
    assert stage.daemon is not None
    _until(lambda: stage.state() in ("READY", "TRADING"), 30)
    stage.ask("stop", {})
    if not _until(lambda: stage.state() == "READY", 30):
        report.faults.append(f"after STOP: {stage.state()!r}")
    stage.daemon.send_signal(signal.SIGTERM)
    if (status := stage.daemon.wait(30)) != 0:
        report.faults.append(f"exit status {status} after SIGTERM")
    if orphans := stage.resting():
        report.faults.append(f"orphan orders: {orphans}")
    with closing(sqlite3.connect(stage.journal)) as journal:
        fills = journal.execute("SELECT venue, side, quantity FROM fills WHERE ticker LIKE 'BTC/%'").fetchall()
    report.fills = len(fills)
    for venue, held in before.items():
        told = sum((Decimal(q) if side == "BUY" else -Decimal(q) for v, side, q in fills if v == venue), Decimal(0))
        if stage.held(venue) - held != told:
            report.faults.append(f"{venue}: {stage.held(venue) - held} BTC moved, the journal has {told}")
    verify = [sys.executable, str(ROOT / "ilp.py"), "journal", "verify", "--config", "pool.ini"]
    verdict = subprocess.run(verify, cwd=stage.folder, capture_output=True, text=True, check=False)
    if verdict.returncode:
        report.faults.append(f"journal verify: {verdict.stdout or verdict.stderr}")


def main() -> int:
    """Status 1 when anything was lost, doubled or left, or when it was not safe in time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", nargs="?", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    report = run(options.count, options.seed, lambda line: print(line, flush=True))
    ordered = sorted(report.safe)
    late = ordered[max(0, int(len(ordered) * 0.99) - 1)]
    print(f"{report.kills} kills, {report.fills} fills, safe after {late:.2f} s (p99), allowed {SAFE:g} s")
    for fault in report.faults:
        print(f"WRONG {fault}")
    print("nothing lost, doubled or left" if not report.faults else f"{len(report.faults)} faults")
    return 1 if report.faults or late > SAFE else 0


if __name__ == "__main__":
    sys.exit(main())
