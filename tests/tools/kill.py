"""Kills the daemon at random moments, over and over, while the venues run on: `python -m tests.tools.kill [N] [--seed S]`.

Real processes, real sockets, SIGKILL.  Both venues, bank and chain live in one process, the daemon in another, on one
journal.  It quotes, is traded with, hedges, follows its plans and moves money meanwhile: in each life the operator asks for
a transfer besides, so that many a kill falls between the intention, the call and the answer.  After each kill the next
daemon must be safe within three seconds: nothing of ours rests that it does not know.  In the end `tests.tools.kill_proof`
asks the venues and the journal whether anything was lost or doubled.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from attrs import define, field

from tests.tools.kill_proof import faults, remembered
from tests.tools.kill_stage import PATIENCE, Ended, Stage, staged, until

__all__ = ["Report", "run"]

SAFE = 3.0
CLOCKS = timedelta(seconds=5)  # that the simulation's and the daemon's may be apart
FRESH = 0.1  # share of lives that begin as a new Python, with all its imports
AT_BIRTH = 0.15  # share of lives that are ended while they begin
LANES = (
    ("BTC", "source", "target", "0.05", "0.0001"),
    ("BTC", "target", "source", "0.05", "0.0001"),
    ("USD", "source", "target", "300", "0.01"),
    ("HUF", "target", "source", "90000", "1"),
)
UNANSWERED = 0.4  # seconds after which a venue that lists no such withdrawal will not have one


@define
class Report:
    """What came of it; times in seconds.

    :ivar safe: from the start of each process; `whole`: of those that were new Pythons and did all their imports.
    :ivar doubted: transfers of which nobody knew at some time whether they had left.
    """

    kills: int = 0
    safe: list[float] = field(factory=list)
    whole: list[float] = field(factory=list)
    fills: int = 0
    transfers: int = 0
    doubted: int = 0
    faults: list[str] = field(factory=list)


def run(kills: int, seed: int, told: Callable[[str], None] = lambda line: None) -> Report:
    """Kill *kills* times; what was found."""
    chance, report = random.Random(seed), Report()
    with staged() as stage:
        before = {venue: stage.held(venue) for venue in stage.admin}
        stage.start_daemon(fresh=True)
        stage.listening()
        if not until(lambda: stage.state() == "READY", 60):
            raise RuntimeError(f"not READY but {stage.state()!r}")
        answer = stage.ask("start", {})
        if not answer or answer.get("state") != "TRADING":
            raise RuntimeError(f"START was refused: {answer}")
        operator = Operator(stage, chance)
        try:
            for _ in range(kills):
                _once(stage, operator, chance, report)
                told(f"{report.kills}: " + (f"safe after {report.safe[-1]:.2f} s" if report.safe else "at birth"))
            _end(stage, operator, before, report)
        except Ended as ended:
            report.faults.append(f"kill {report.kills}: {ended}")
    return report


class Operator:
    """Asks for a transfer now and then, and settles what the venues say never left."""

    def __init__(self, stage: Stage, chance: random.Random) -> None:
        self.stage = stage
        self.chance = chance
        self.approving = threading.Event()
        self._count = 0
        self._doubts: dict[str, float] = {}

    def move(self) -> threading.Thread:
        """Ask for a transfer and approve it, in a thread of its own: the daemon may die of any of it.

        `approving` is set when it is about to be approved, which begins with the intention in the journal.
        """
        self.approving.clear()
        lanes = self.chance.sample(LANES, len(LANES))
        self._count += 1  # no two transfers are of one amount, so that nobody can take one for another
        sizes = [Decimal(least) + Decimal(step) * self._count for *_, least, step in lanes]
        thread = threading.Thread(target=self._move, args=(lanes, sizes), daemon=True)
        thread.start()
        return thread

    def _move(self, lanes: Sequence[tuple[str, ...]], sizes: Sequence[Decimal]) -> None:
        for waiting in self.stage.transfers():  # of a life that ended before it was approved
            if waiting["state"] == "PROPOSED" and waiting["by"] == "operator":
                return self._approve(waiting["id"])
        for (asset, sender, receiver, _, _), size in zip(lanes, sizes, strict=True):
            wanted = {"asset": asset, "from": sender, "to": receiver, "amount": f"{size:f}", "note": "a test"}
            answer = self.stage.ask("propose", wanted)
            if answer is None:
                return None  # killed
            if "id" in answer:
                return self._approve(answer["id"])
        return None

    def _approve(self, id: str) -> None:
        self.approving.set()
        self.stage.ask("transfer", {"id": id, "action": "approve"})

    def settle(self) -> list[dict[str, Any]]:
        """Resolve what is UNCERTAIN and what its venue does not know; the transfers as they were shown."""
        shown, now = self.stage.transfers(), time.monotonic()
        for transfer in shown:
            if transfer["state"] != "UNCERTAIN":
                continue
            since = self._doubts.setdefault(transfer["id"], now)
            if now - since > UNANSWERED and not self._left(transfer):
                act = {
                    "id": transfer["id"],
                    "action": "resolve",
                    "amount": "0",
                    "note": "the venue has no such withdrawal",
                }
                self.stage.ask("transfer", act)
            elif now - since < UNANSWERED:
                time.sleep(0.05)
        return shown

    def _left(self, transfer: dict[str, Any]) -> bool:
        """Whether the venue has a withdrawal like it since it was made: plans make several of one amount."""
        wanted, made = (transfer["asset"], Decimal(transfer["amount"])), datetime.fromisoformat(transfer["created"])
        found = self.stage.of_pool(transfer["from"], "withdrawals")
        later = [one for one in found if datetime.fromisoformat(one["timestamp"]) >= made - CLOCKS]
        return any((one["asset"], Decimal(one["amount"])) == wanted for one in later)


def _once(stage: Stage, operator: Operator, chance: random.Random, report: Report) -> None:
    """One life and its end, at any moment of it, and the next one until it is safe."""
    if chance.random() < 0.9:
        until(lambda: stage.state() in ("TRADING", "HALTED") or (operator.settle() and False))
    if stage.state() == "HALTED":
        raise Ended(f"HALTED: {stage.ask('update')['trader']['reason']}")
    thread = operator.move() if chance.random() < 0.9 else None
    if thread is not None and chance.random() < 0.8:
        operator.approving.wait(1.0)
    time.sleep(chance.uniform(0, chance.choice((0.03, 0.03, 0.3, 1.0))))
    _kill(stage, report)
    if thread is not None:
        thread.join(PATIENCE)
    time.sleep(chance.choice((0.0, 0.0, 0.0, 0.3)))
    if chance.random() < AT_BIRTH:
        stage.start_daemon()
        time.sleep(chance.uniform(0, 0.5))
        _kill(stage, report)
    fresh, began = chance.random() < FRESH, time.monotonic()
    stage.start_daemon(fresh)
    stage.listening()  # until then nobody has looked at the venues
    if not until(lambda: not stage.resting() or stage.state() in ("READY", "TRADING")):
        report.faults.append(
            f"kill {report.kills}: {stage.state()!r} with {len(stage.resting())} orders after {PATIENCE:g} s: {stage.log()}"
        )
    report.safe.append(time.monotonic() - began)
    if fresh:
        report.whole.append(report.safe[-1])


def _kill(stage: Stage, report: Report) -> None:
    status = stage.signal(signal.SIGKILL)
    report.kills += 1
    if status != -signal.SIGKILL:
        report.faults.append(f"kill {report.kills}: the daemon had ended with status {status}: {stage.log()}")


def _end(stage: Stage, operator: Operator, before: dict[str, dict[str, Decimal]], report: Report) -> None:
    """Stop in order, let what is under way arrive, and compare what everybody says."""
    until(lambda: stage.state() in ("READY", "TRADING"))
    stage.ask("stop", {})
    if not until(lambda: stage.state() == "READY"):
        report.faults.append(f"after STOP: {stage.state()!r}")
    waiting = ("PLANNED", "REQUESTED", "SENT", "UNCERTAIN")
    until(lambda: not any(transfer["state"] in waiting for transfer in operator.settle()), 120)
    if (status := stage.signal(signal.SIGTERM)) != 0:
        report.faults.append(f"exit status {status} after SIGTERM: {stage.log()}")
    memory = remembered(stage)
    report.fills = len(memory.fills)
    report.transfers = sum(1 for entry in memory.transfers if entry.debited)
    report.doubted = memory.doubted
    report.faults += faults(stage, memory, before)


def _half(times: list[float]) -> float:
    ordered = sorted(times) or [0.0]
    return ordered[len(ordered) // 2]


def _late(times: list[float]) -> float:
    ordered = sorted(times) or [0.0]
    return ordered[max(0, -(-len(ordered) * 99 // 100) - 1)]


def main() -> int:
    """Status 1 when anything was lost, doubled or left, or when it was not safe in time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", nargs="?", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    began = time.monotonic()
    report = run(options.count, options.seed, lambda line: print(line, flush=True))
    late = _late(report.safe)
    print(
        f"{report.kills} kills in {time.monotonic() - began:.0f} s; {report.fills} fills, {report.transfers} transfers, "
        f"{report.doubted} of them in doubt for a while"
    )
    print(
        f"safe {_half(report.safe):.2f} s (p50) and {late:.2f} s (p99) after the start of the process, allowed {SAFE:g} s; "
        f"{len(report.whole)} that were a new Python: {_half(report.whole):.2f} s and {_late(report.whole):.2f} s"
    )
    for fault in report.faults:
        print(f"WRONG {fault}")
    print("nothing lost, doubled or left" if not report.faults else f"{len(report.faults)} faults")
    return 1 if report.faults or late > SAFE else 0


if __name__ == "__main__":
    sys.exit(main())
