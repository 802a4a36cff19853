"""Whether anything grows: `python -m benchmarks.soak`, in virtual time, or by option for real.

A whole pool (trader, ledger, journal on disk, the console's document) on simulated venues in one process and on one clock
that is moved by hand.  The source's book changes at the wished rate, jumps now and then, and customers take quotes.  What
changes deep in the book asks for no decision; a share of the updates can move a best price by a tick instead, which does.
Printed are the slope of memory, the time that turns took, open descriptors, what the journal grows by a day, the size of
what a console is sent, and what rested at most.

    --phases 7x2,0.0833x100x0.1   days × updates a second × the share of them that moves a best price (none, if not said),
                                  one after the other; that is the default
    --jumps-every, --fills-every   seconds between two jumps of the source, and between two fills
    --trace                     which lines of the program hold more at the end of a phase than after its first quarter
    --real [3600]               seconds with real sockets in processes of their own instead, at --rate books a second
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import tempfile
import time
import tracemalloc
from argparse import Namespace
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from attrs import define, evolve, field

from benchmarks.reaction import Bench, Console, show
from clients.exchange import Side
from ilp.bookkeeping import accounted, keep_books
from ilp.journal.recent import RecentJournal
from ilp.journal.store import memory_journal
from ilp.operator import Operator
from ilp.parameters import Table
from ilp.simulation.inprocess import SPUTNIK
from tests.operator_case import GIVEN
from tests.trading.world import BTC, HUF, LIMITS, PARAMETERS, USD, World, settings
from web.feed import Feed

D = Decimal
DAY = 86_400.0
SAMPLE_EVERY = 900.0  # seconds of the clock
GROWN = 12  # lines of the program that are named
TICK = D("0.01")  # USD, the source's
TIMES = 4  # the pool of the model's sample, so many times as large
REMEMBERED = 300  # of orders, fills, postings, trades, bars: a simulated venue is not what is being measured


class Flat(World):
    """A world of which only the daemon may grow: its venues forget."""

    history = REMEMBERED

    def _endow(self) -> None:
        for core in (self.source_core, self.target_core):
            for bars in core._tape._bars.values():  # a venue keeps weeks of them
                bars._limit = REMEMBERED
        for core, money, amount in ((self.source_core, USD, 6000), (self.target_core, HUF, 1_626_000)):
            for name, times in (("pool", TIMES), ("others", 10**6)):
                core.open_account(name, history=REMEMBERED)
                core.endow(name, money.ticker, money.units(amount * times))
                core.endow(name, "BTC", BTC.units(6 * times))


@define
class Sample:
    """What a process had at one moment."""

    at: float
    memory: float  # MB, resident
    descriptors: int
    journal: int
    frame: int


def slope(samples: Sequence[Sample]) -> float:
    """MB a day by least squares, the first quarter left out: that is filling of what is kept on purpose."""
    rest = samples[len(samples) // 4 :]
    if len(rest) < 3:
        return float("nan")
    at, memory = [one.at / DAY for one in rest], [one.memory for one in rest]
    mean_at, mean = sum(at) / len(at), sum(memory) / len(memory)
    spread = sum((t - mean_at) ** 2 for t in at)
    return sum((t - mean_at) * (m - mean) for t, m in zip(at, memory, strict=True)) / spread


def eighths(samples: Sequence[Sample]) -> str:
    """Memory at the beginning of each eighth of a run, MB."""
    return ", ".join(f"{samples[len(samples) * n // 8].memory:.1f}" for n in range(8))


def resident(pid: int | str = "self") -> float:
    """MB of memory that a process has in use."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def descriptors(pid: int | str = "self") -> int:
    """Files and sockets that a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@define(eq=False)
class Soak:
    """A pool in virtual time."""

    folder: Path
    jumps_every: float
    fills_every: float
    trace: bool = False
    random: Random = field(factory=lambda: Random(1))
    world: Flat = field(init=False)
    operator: Operator = field(init=False)
    samples: list[Sample] = field(factory=list)
    updates: int = 0
    moved: int = 0  # updates that moved a best price
    frame: int = 0
    _file: Path = field(init=False)
    _noise: int = 0  # the order that comes and goes
    _in_front: bool = False
    _quarter: tracemalloc.Snapshot | None = None

    def __attrs_post_init__(self) -> None:
        self._file = self.folder / "soak.sqlite"
        targets = {key: value * TIMES for key, value in PARAMETERS.targets.items()}
        parameters = evolve(PARAMETERS, targets=targets, risk_aversion=D("0.0001"))
        limits = evolve(LIMITS, turnover_per_day=D(10**6), loss_per_day=D(10**9), orders_per_minute=100_000)
        config = settings(parameters=parameters, limits=limits)
        books = accounted(memory_journal(f"sqlite:///{self._file}"), config)
        journal: Any = RecentJournal(books)
        self.world = Flat(SPUTNIK, config=config, journal=journal)
        keep_books(self.world.trader, books)
        self.world.trading()
        shown = {key: str(value) for key, value in targets.items()}
        table = Table.of(GIVEN, shown)
        self.operator = Operator(self.world.trader, config, table, journal, mode="paper", books=books)

    def offer(self, frame: bytes) -> bool:
        """A page of the console: only the size of what it is sent counts."""
        self.frame = max(self.frame, len(frame))
        return True

    def run(self, days: float, rate: float, share: float = 0.0) -> None:
        """Let *days* pass at *rate* updates a second, of which *share* moves a best price by a tick."""
        self.samples.clear()
        if self.trace:
            tracemalloc.start()
        self.updates, self.moved, at, end = 0, 0, 0.0, days * DAY
        quarter = end / 4 if self.trace else float("inf")
        due = {"jump": self.jumps_every, "fill": self.fills_every, "sample": 0.0, "trace": quarter}
        while at < end:
            self._noise_order(share)
            at += 1 / rate
            self.world.reactor.advance(1 / rate)
            if at >= due["jump"]:
                due["jump"] += self.jumps_every
                self._jump()
            if at >= due["fill"]:
                due["fill"] += self.fills_every
                few = self.world.truth("target", "BTC") < 6 * TIMES
                self.world.take(Side.SELL if few else Side.BUY)
            if at >= due["trace"]:
                due["trace"] = float("inf")
                self._quarter = _held()
            if at >= due["sample"]:
                due["sample"] += min(SAMPLE_EVERY, end / 40)
                self._sample(at)

    def _noise_order(self, share: float) -> None:
        """One more book of the source: somebody's order deep in it comes or goes, or one that is the best by a tick."""
        self.updates += 1
        core, random = self.world.source_core, self.random
        if self._noise:
            self.moved += self._in_front
            self._clear_noise()
            return
        side, price = Side.BUY, self.world.bid - D("0.1") * random.randrange(3, 20)
        self._in_front = random.random() < share
        if self._in_front:
            self.moved += 1
            side = random.choice((Side.BUY, Side.SELL))
            price = self.world.bid + TICK if side is Side.BUY else self.world.ask - TICK
        self._noise = core.place("others", "BTC/USD", side, USD.units(price), BTC.units(random.randrange(1, 50))).id

    def _clear_noise(self) -> None:
        if self._noise:
            self.world.source_core.cancel("others", self._noise)
            self._noise = 0

    def _jump(self) -> None:
        world = self.world
        self._clear_noise()  # the prices around it leave
        up = world.bid < D(250) if abs(world.bid - D(250)) > 4 else self.random.random() < 0.5
        step = D(2) if up else D(-2)
        world.show_source(world.bid + step, world.ask + step)

    def _sample(self, at: float) -> None:
        feed = Feed(self.operator, self.world.reactor)
        feed.start()
        feed.join(self)
        feed.stop()
        gc.collect()
        journal = sum(file.stat().st_size for file in self.folder.glob("soak.sqlite*"))
        self.samples.append(Sample(at, resident(), descriptors(), journal, self.frame))

    def show(self, days: float, rate: float, took: float) -> None:
        """The figures of one phase."""
        first, last = self.samples[0], self.samples[-1]
        trader = self.world.trader
        print(f"\n{days:g} days at {rate:g} updates a second: {self.updates} updates in {took:.0f} s of real time")
        print(f"  {self.moved} of them moved a best price by a tick")
        rests = len(self.world.open_orders())
        print(f"  state {trader.life.state}, {rests} quotes rest, {len(trader.alarms)} alarms")
        print(f"  memory {first.memory:.1f} → {last.memory:.1f} MB, slope {slope(self.samples):+.3f} MB a day")
        print(f"  memory at each eighth: {eighths(self.samples)}")
        print(f"  descriptors {first.descriptors} → {last.descriptors}")
        print(f"  journal {(last.journal - first.journal) / days / 1e6:.2f} MB a day")
        print(f"  largest frame that a console is sent {last.frame / 1e3:.1f} kB")
        print(f"  most that ever rested on a side {self.world.most_resting}, configured {PARAMETERS.quote_size}")
        turns = trader.metrics.histograms["ilp_turn_seconds"]
        found = turns.summary()
        if found is not None:
            print(f"  turns of the trader, ms: {_buckets(turns.bounds, turns.counts)}; worst {found.worst * 1e3:.1f}")
        if self._quarter is not None:
            self._show_growth(self._quarter)

    def _show_growth(self, before: tracemalloc.Snapshot) -> None:
        grown = _held().compare_to(before, "lineno")
        tracemalloc.stop()
        total = sum(line.size_diff for line in grown)
        print(f"  Python holds {total / 1e3:+.0f} kB more than after the first quarter; most of it:")
        for line in grown[:GROWN]:
            place = line.traceback[0]
            print(f"    {line.size_diff / 1e3:+9.1f} kB, {line.count_diff:+6} pieces, {place.filename}:{place.lineno}")

    def close(self) -> None:
        """Put everything away."""
        self.operator.close()
        self.world.end()


def _held() -> tracemalloc.Snapshot:
    """What Python holds and who asked for it since the phase began."""
    gc.collect()
    return tracemalloc.take_snapshot()


def _buckets(bounds: Sequence[float], counts: Sequence[int]) -> str:
    """A histogram of seconds, in milliseconds."""
    told = [f"≤{bound * 1e3:g}: {count}" for bound, count in zip(bounds, counts, strict=False) if count]
    return ", ".join([*told, *[f"more: {counts[-1]}"] * (len(counts) > len(bounds) and counts[-1] > 0)])


# --------------------------------------------------------------------------------------------------------- for real


@define(eq=False)
class RealSoak(Bench):
    """The two processes of the reaction benchmark, for as long as wished, with samples of the daemon."""

    samples: list[Sample] = field(factory=list)

    def _watch(self, console: Console, daemon: int) -> None:
        began = time.monotonic()
        while (passed := time.monotonic() - began) < self.options.seconds - 1:
            journal = sum(file.stat().st_size for file in self.folder.glob("*.sqlite*"))
            console.get("/api/update")
            self.samples.append(Sample(passed, resident(daemon), descriptors(daemon), journal, console.size))
            time.sleep(min(max(1.0, self.options.seconds / 200), self.options.seconds - passed))


def real(options: argparse.Namespace) -> None:
    """Run for real and print."""
    wanted = Namespace(
        seconds=options.real, warm=5.0, seed=1, reactor="default", profile=None, no_page=False, log=False,
        jumps_every=2.0, fills_every=5.0, touch=False, tick=False, busy=0,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        bench = RealSoak(wanted, Path(folder))
        run = bench.run(options.rate, 1)
    show([run])
    first, last = bench.samples[0], bench.samples[-1]
    print(f"  memory {first.memory:.1f} → {last.memory:.1f} MB, slope {slope(bench.samples) / 24:+.3f} MB an hour")
    print(f"  memory at each eighth: {eighths(bench.samples)}")
    print(f"  descriptors {first.descriptors} → {last.descriptors}")
    print(f"  the reactor came late by, ms: {_buckets(run.daemon['lag']['bounds'], run.daemon['lag']['counts'])}")
    print(f"  journal {(last.journal - first.journal) / (last.at - first.at) * DAY / 1e6:.1f} MB a day")
    print(f"  document of the console {max(one.frame for one in bench.samples) / 1e3:.1f} kB")


def main() -> None:
    """Soak and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--phases",
        default="7x2,0.0833x100x0.1",
        help="days × updates a second × share that moves a best price, with commas",
    )
    parser.add_argument("--jumps-every", type=float, default=120.0, help="seconds between two jumps of the source")
    parser.add_argument("--fills-every", type=float, default=300.0, help="seconds between two fills")
    parser.add_argument("--trace", action="store_true", help="name what grows; takes several times as long")
    parser.add_argument(
        "--real", type=float, nargs="?", const=3600.0, help="seconds with real sockets instead: an hour"
    )
    parser.add_argument("--rate", type=float, default=100.0, help="books a second of --real")
    options = parser.parse_args()
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} processors, Python {platform.python_version()}")
    if options.real:
        real(options)
        return
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(Path(folder), options.jumps_every, options.fills_every, options.trace)
        for phase in options.phases.split(","):
            days, rate, share = (*map(float, phase.split("x")), 0.0)[:3]
            began = time.monotonic()
            soak.run(days, rate, share)
            soak.show(days, rate, time.monotonic() - began)
        soak.close()


if __name__ == "__main__":
    main()
