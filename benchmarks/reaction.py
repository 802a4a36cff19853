"""How fast the daemon reacts, measured from outside: `python -m benchmarks.reaction`.

The whole daemon (console and journal included) runs in one process, its venues (`benchmarks.reaction_venues`) in another,
with real sockets on loopback between them.  For each load it prints p50, p90, p99 and the worst of

  - update → cancel:  the first book after an adverse jump is handed to the source's socket → the cancel of the quote that
                      gives money away has come to the target;
  - update → quote:   the same book → the quote that replaces it has come there (a cancel, its confirmation, a new order);
  - fill → hedge:     the fill is handed to the target's socket → the hedge has come to the source;

then where the time goes inside the daemon, what it costs, how late its reactor came round, and how long quotes were stale
(edge below `edge_to_leave`), compared with two polling policies on the same books in the same seconds.

    --seconds 60     per load, which is the default; for a first look 10 will do
    --loads 10,100,1000,5000
    --repeat 3       runs of each load; figures are of all of them together
    --busy 15        processes beside it that compute all the time: what is left of it on a machine that is too small
    --reactor NAME   epoll, select, asyncio, uvloop
    --json FILE      all figures
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attrs import define, field

ROOT = Path(__file__).resolve().parents[1]
USER, PASSWORD = "operator", "reaction-benchmark"
KINDS = {"cancel": "update → cancel", "quote": "update → quote", "hedge": "fill → hedge"}
CONFIG = """
[modules]
source = sputnik.Sputnik
target = sputnik.Sputnik
fiat = rates.Fixed
[source_connection]
endpoint = {source}
id = pool
secret = reaction-benchmark
[target_connection]
endpoint = {target}
id = pool
secret = reaction-benchmark
[fiat_connection]
rates = USD/HUF 300
[tickers]
source = BTC/USD
target = BTC/HUF
[target_balance_source]
USD = 500000
BTC = 50
[target_balance_target]
HUF = 150000000
BTC = 50
[valuation]
deviation_penalty = 0.01
risk_aversion = 0.00000001
[data]
source_fee = [0, 0.0005]
target_fee = [0, 0.0005]
fiat_exchange_cost = [5, 0.0005]
btc_fee = 0.0005
rate_spread = 0
rate_age_factor = 0
[variance_overrides]
BTC/USD = 2500
HUF/USD = 0.0000000001
[trader]
quote_size = 0.1
edge_to_enter = 15
edge_to_leave = 8
min_gain = 1000
out_address = NOWHERE
[limits]
orders_per_minute = 100000
turnover_per_day = 100000
[database]
url = sqlite:///{journal}
[webserver]
port = 0
[users]
{user} = {password}
"""


@define
class Run:
    """One run of one load."""

    rate: float
    seconds: float
    venues: dict[str, Any]
    daemon: dict[str, Any]
    cpu: float
    venues_cpu: float
    busy: float
    bystander: dict[str, Any]


@define
class Console:
    """The daemon's own JSON interface; `size`: octets of the newest answer."""

    address: str
    size: int = 0

    def get(self, path: str) -> dict[str, Any]:
        """One document."""
        return self._call(urllib.request.Request(self.address + path))

    def post(self, path: str) -> None:
        """One act."""
        self._call(urllib.request.Request(self.address + path, b"{}", {"Content-Type": "application/json"}))

    def _call(self, request: urllib.request.Request) -> dict[str, Any]:
        token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        request.add_header("Authorization", f"Basic {token}")
        with urllib.request.urlopen(request, timeout=10) as answer:
            content = answer.read()
        self.size = len(content)
        found: dict[str, Any] = json.loads(content)
        return found


@define(eq=False)
class Bench:
    """The processes and what connects them."""

    options: argparse.Namespace
    folder: Path
    children: list[subprocess.Popen[str]] = field(factory=list)

    def run(self, rate: float, seed: int) -> Run:
        """Start everything, measure one load, and stop everything."""
        try:
            return self._run(rate, seed)
        finally:
            for child in self.children:
                if child.poll() is None:
                    child.kill()
                child.wait()
            self.children.clear()
            if self.options.log:
                print(*(path.read_text() for path in self.folder.glob("*.log")), sep="\n", file=sys.stderr)

    def _run(self, rate: float, seed: int) -> Run:
        options = self.options
        for _ in range(options.busy):
            busy = [sys.executable, "-c", "while True: pass"]
            self.children.append(subprocess.Popen(busy, preexec_fn=_ordinary, text=True))
        market = (f"--jumps-every={options.jumps_every}", f"--fills-every={options.fills_every}")
        books = (*["--touch"] * options.touch, *["--tick"] * options.tick)
        load = (f"--rate={rate}", f"--seconds={options.seconds}", f"--seed={seed}", *books)
        venues = self._start("reaction_venues", *load, *market)
        endpoints = _answer(venues)
        config, report = self.folder / f"{rate:g}-{seed}.ini", self.folder / f"{rate:g}-{seed}.json"
        journal = self.folder / f"{rate:g}-{seed}.sqlite"
        config.write_text(CONFIG.format(**endpoints, journal=journal, user=USER, password=PASSWORD))
        extra = [f"--profile={options.profile}"] if options.profile else []
        wanted = (f"--config={config}", f"--report={report}", f"--reactor={options.reactor}", *extra)
        daemon = self._start("tools.daemon", *wanted)
        console = Console(_console(daemon))
        _until(lambda: console.get("/api/update")["trader"]["state"] == "READY", "READY")
        console.post("/api/start")
        _until(lambda: _ask(venues, "quotes")["quotes"] == 2, "two quotes")
        _tell(venues, "warm")
        time.sleep(options.warm)
        daemon.send_signal(signal.SIGUSR1)
        before = _cpu(daemon.pid), _cpu(venues.pid), _machine()
        bystander = self._start("bystander", str(options.seconds))
        _tell(venues, "go")
        if not options.no_page:
            self._watch(console, daemon.pid)
        results, beside = _answer(venues), _answer(bystander)
        after = _cpu(daemon.pid), _cpu(venues.pid), _machine()
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(30)
        _tell(venues, "end")
        used = [(b - a) / options.seconds for a, b in zip(before, after, strict=True)]
        return Run(rate, options.seconds, results, json.loads(report.read_text()), used[0], used[1], used[2], beside)

    def _watch(self, console: Console, daemon: int) -> None:
        """Somebody looks at the console meanwhile; *daemon* is its process."""
        end = time.monotonic() + self.options.seconds - 0.5
        while time.monotonic() < end:
            console.get("/api/update")
            time.sleep(min(1.0, max(0.0, end - time.monotonic())))

    def _start(self, module: str, *arguments: str) -> subprocess.Popen[str]:
        log = (self.folder / f"{module}.log").open("a")
        child = subprocess.Popen(
            [sys.executable, "-m", f"benchmarks.{module}", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=ROOT,
        )
        self.children.append(child)
        return child


def _ordinary() -> None:
    """Run as others do, whatever priority the benchmark itself was given."""
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    os.setpriority(os.PRIO_PROCESS, 0, 0)


def _answer(child: subprocess.Popen[str]) -> Any:
    assert child.stdout is not None
    line = child.stdout.readline()
    if not line:
        raise SystemExit(f"a process of the benchmark ended with status {child.wait()}; its log tells why")
    return json.loads(line)


def _tell(child: subprocess.Popen[str], word: str) -> None:
    assert child.stdin is not None
    child.stdin.write(word + "\n")
    child.stdin.flush()


def _ask(child: subprocess.Popen[str], word: str) -> Any:
    _tell(child, word)
    return _answer(child)


def _console(daemon: subprocess.Popen[str]) -> str:
    assert daemon.stdout is not None
    for line in daemon.stdout:
        if line.startswith("Console: "):
            return line.split()[1].rstrip("/")
    raise SystemExit(f"the daemon ended with status {daemon.wait()}")


def _until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 60
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"no {what} within 60 s")
        time.sleep(0.1)


def _cpu(pid: int) -> float:
    """Seconds of processor time that a process has used, its threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _machine() -> float:
    """Seconds of processor time that the whole machine has used."""
    fields = [int(word) for word in Path("/proc/stat").read_text().split("\n")[0].split()[1:]]
    return (sum(fields[:8]) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


# ------------------------------------------------------------------------------------------------------------ results


def quantiles(values: Sequence[float]) -> tuple[float, float, float, float] | None:
    """p50, p90, p99 by the nearest rank, and the worst; None of nothing."""
    ordered = sorted(values)
    if not ordered:
        return None
    p50, p90, p99 = (ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (0.5, 0.9, 0.99))
    return p50, p90, p99, ordered[-1]


def show(runs: Sequence[Run]) -> None:
    """The figures of all runs of one load."""
    seconds = sum(run.seconds for run in runs)
    updates = sum(run.venues["updates"] for run in runs) / seconds
    print(f"\n{runs[0].rate:g} books a second wanted, {updates:.0f} sent; {seconds:g} s in {len(runs)} runs")
    print(f"  {'ms':38}{'n':>6}{'p50':>8}{'p90':>8}{'p99':>8}{'max':>8}{'lost':>6}")
    for kind, name in KINDS.items():
        values = [value for run in runs for value in run.venues["reactions"][kind]]
        lost = sum(run.venues["missing"][kind] for run in runs)
        _row(name, len(values), quantiles(values), f"{lost:6}")
    print("  inside the daemon")
    for name in sorted({name for run in runs for name in run.daemon["histograms"]}):
        found = [run.daemon["histograms"][name] for run in runs if name in run.daemon["histograms"]]
        worst = [max(one[key] for one in found) for key in ("p50", "p90", "p99", "worst")]
        _row(name, sum(one["count"] for one in found), (worst[0], worst[1], worst[2], worst[3]))
    cpu, others = sum(run.cpu for run in runs) / len(runs), sum(run.busy for run in runs) / len(runs)
    stalls, ours = (
        sum(run.daemon["counters"].get(name, 0) for run in runs)
        for name in ("reactor_stalls_total", "reactor_stalls_computing_total")
    )
    late, worst = sum(run.bystander["late"] for run in runs), max(run.bystander["worst"] for run in runs)
    print(f"  cores used: daemon {cpu:.2f}, venues {sum(run.venues_cpu for run in runs) / len(runs):.2f}, "
          f"whole machine {others:.2f} of {os.cpu_count()}")  # fmt: skip
    print(f"  stalls beyond 20 ms: {stalls}, {ours} of them computing; of a process beside it that does nothing: {late}, "
          f"the longest {worst * 1e3:.0f} ms")  # fmt: skip
    for run in runs:
        if run.daemon["stall"]:
            print(f"    last: {run.daemon['stall']}")
    _exposure(runs)
    most = max(run.venues["most_resting"] for run in runs)
    breaches = sum(run.venues["breaches"] for run in runs)
    print(f"  most that ever rested on a side: {most:g}, above the quote's size {breaches} times")


def _row(name: str, count: int, values: tuple[float, float, float, float] | None, rest: str = "") -> None:
    cells = "".join(f"{value * 1e3:8.2f}" for value in values) if values else "       –" * 4
    print(f"  {name:38}{count:6}{cells}{rest}")


def _exposure(runs: Sequence[Run]) -> None:
    areas = {name: sum(run.venues["exposed"][name]["area"] for run in runs) for name in runs[0].venues["exposed"]}
    ours = areas["event-driven"]
    print("  stale quotes              BTC × s   × ours   longest s   sides quoted")
    for name, area in areas.items():
        found = [run.venues["exposed"][name] for run in runs]
        ratio = f"{area / ours:8.1f}" if ours else "       –"
        worst, quoted = max(one["worst"] for one in found), sum(one["quoted"] for one in found) / len(found)
        print(f"    {name:20}{area:11.4f}{ratio}{worst:12.4f}{quoted:14.1%}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--warm", type=float, default=2.0, help="seconds under load before measuring")
    parser.add_argument("--loads", default="10,100,1000,5000")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jumps-every", type=float, default=0.5, help="mean seconds between two adverse jumps")
    parser.add_argument("--fills-every", type=float, default=0.8, help="mean seconds between two fills")
    parser.add_argument("--touch", action="store_true", help="every book changes the size at the best price")
    parser.add_argument(
        "--tick", action="store_true", help="every book moves a best price by a tick: each needs a decision"
    )
    parser.add_argument("--busy", type=int, default=0, help="processes that compute all the time beside it")
    parser.add_argument("--reactor", default="default")
    parser.add_argument("--profile", type=Path, help="cProfile of the daemon under load")
    parser.add_argument("--no-page", action="store_true", help="nobody looks at the console meanwhile")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--log", action="store_true", help="print what the two processes logged")
    options = parser.parse_args()
    print(
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} × {_processor()}, Python {platform.python_version()}"
    )
    kept = []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, Path(folder))
        for rate in (float(word) for word in options.loads.split(",")):
            runs = [bench.run(rate, options.seed + number) for number in range(options.repeat)]
            show(runs)
            kept += [{"rate": run.rate, "venues": run.venues, "daemon": run.daemon, "cpu": run.cpu} for run in runs]
    if options.json:
        options.json.write_text(json.dumps(kept))


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().split("\n")
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    main()
