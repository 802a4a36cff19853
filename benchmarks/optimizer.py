"""How fast and how good the optimizer is: `python -m benchmarks.optimizer [--seed N]`.

Prints a table over random pools of each shape (venues, balanced or stressed, levels a side): time to the optimum with its
bound, proven gap, branches, time of both prices of a quote, time of the certificate, the slowest pools by seed, and what
other methods reach on some of the same pools: COBYLA with 100 evaluations (the published method), two general solvers that
prove their optimum of the same mixed-integer problem (HiGHS with the risk linearised, SCIP with the risk as a quadratic
constraint), and DAQP's own mixed-integer search, which proves nothing.  `--chart FILE` draws the growth.

A shape takes `--seconds` of solving at most.  Those of 20 levels take longer: `--compare` pools of each are given to the
other methods, of which HiGHS and SCIP may take five seconds a pool each.  `--venues 2 --levels 20` is a first look.  How
long it all took is printed at the end.

`--memory N` instead solves so many pools, those of prices included, and prints what the process holds in memory meanwhile.

SCIP is in `requirements/bench.txt`; the rest comes with the tests.
"""

from __future__ import annotations

import argparse
import gc
import platform
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from benchmarks import general_solvers
from ilp.pool.answer import answer_document
from ilp.pool.certificate import verify
from ilp.pool.document import Pool, parse_pool, pool_document
from ilp.pool.optimizer import Solution, solve
from ilp.pool.prices import quote_prices

BLOCK = 50  # pools that are made before they are solved
CURRENCIES = {"HUF": 0.0035, "MXN": 0.053, "EUR": 1.1, "BRL": 0.19, "JPY": 0.0067, "PLN": 0.25}


def market(rng: Random, venues: int, levels: int, stressed: bool) -> dict[str, Any]:
    """A pool as operators run them: sources with books in USD, targets in currencies of their own.

    Coins go between all venues, fiat between the first source and every other venue; minima are the daemon's defaults.
    """
    btc = rng.uniform(150, 120_000)
    size = rng.choice([0.05, 0.25, 1.0]) * 1000 / btc
    sources = (venues + 1) // 2
    marks = {"USD": 1.0, "BTC": btc}
    holdings, moves, quotes, currencies = [], [], [], []
    for number in range(venues):
        currency = "USD" if number < sources else list(CURRENCIES)[(number - sources) % len(CURRENCIES)]
        marks.setdefault(currency, CURRENCIES.get(currency, 1.0) * rng.uniform(0.9, 1.1))
        currencies.append(currency)
        for asset in (currency, "BTC"):
            target = rng.choice([1, 2, 5]) * 100 * size * btc / marks[asset]
            factor = (
                rng.choice([0.02, 0.3, 0.8, 1.5, 3, 6]) * rng.uniform(0.5, 1.5) if stressed else rng.uniform(0.9, 1.1)
            )
            total = target * factor
            free = total * (rng.choice([0.4, 0.7, 1.0]) if stressed else 1.0)
            holdings.append(
                {"venue": f"v{number}", "asset": asset, "total": total, "available": free, "target": target}
            )
        if currency == "USD":
            moves.append(_book(rng, number, btc, levels, 400 * size / levels))
        else:
            fee = [0, rng.choice([0, 0.002, 0.005])]
            quotes.append({"venue": f"v{number}", "base": "BTC", "quote": currency, "size": size, "fee": fee})
    for later in range(venues):
        for earlier in range(later):
            lane = {"kind": "transfer", "from": [f"v{earlier}", "BTC"], "to": [f"v{later}", "BTC"]}
            moves.append(lane | {"fee": [0.0002 * 60_000 / btc, 0], "min": 5 * size})
    for number in range(1, venues):
        there = currencies[number]
        lane = {"kind": "transfer", "from": ["v0", "USD"], "to": [f"v{number}", there], "fee": [25, 0.004], "min": 250}
        rate = {} if there == "USD" else {"bid": marks[there] * 0.9995, "ask": marks[there] * 1.0005}
        moves.append(lane | rate)
    moves.append({"kind": "payout", "venue": "v0", "asset": "USD", "fee": [25, 0.004], "min": 250})
    variance = {a: (rng.choice([0, 1e-9]) if a != "BTC" else (0.02 * btc) ** 2) for a in marks if a != "USD"}
    aversion = rng.choice([1e-8, 1e-6, 1e-4]) * 1000 / (size * btc)
    valuation = {"deviation_penalty": rng.choice([0.05, 0.5, 5, 50]), "risk_aversion": aversion, "variance": variance}
    return {
        "numeraire": "USD",
        "marks": marks,
        "holdings": holdings,
        "moves": moves,
        "valuation": valuation,
        "quotes": quotes,
    }


def _book(rng: Random, number: int, btc: float, levels: int, each: float) -> dict[str, Any]:
    mid = btc * rng.uniform(0.999, 1.001)
    bid, ask, bids, asks = mid * 0.9998, mid * 1.0002, [], []
    for _ in range(levels):
        bids.append([bid, rng.expovariate(1 / each) + each / 100])
        asks.append([ask, rng.expovariate(1 / each) + each / 100])
        bid, ask = bid * (1 - rng.expovariate(2000)), ask * (1 + rng.expovariate(2000))
    fee = [0, rng.choice([0, 0.0005, 0.001, 0.01])]
    return {
        "kind": "trade",
        "venue": f"v{number}",
        "base": "BTC",
        "quote": "USD",
        "fee": fee,
        "bids": bids,
        "asks": asks,
    }


def pools(seed: int, count: int, shape: tuple[int, bool, int]) -> Iterator[tuple[int, Pool]]:
    """(seed, pool) of so many pools of one shape."""
    venues, stressed, levels = shape
    for number in range(count):
        each = seed * 1_000_003 + number
        yield each, parse_pool(market(Random(each), venues, levels, stressed))


def timed(act: Callable[[], Any]) -> tuple[float, Any]:
    """(milliseconds of processor time, result): what others do on the machine meanwhile is not counted."""
    begun = time.process_time()
    result = act()
    return (time.process_time() - begun) * 1000, result


def quantile(values: Sequence[float], share: float) -> float:
    """The value that so large a share of *values* does not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


class Row:
    """What was measured on one shape."""

    def __init__(self, shape: tuple[int, bool, int]) -> None:
        self.shape = shape
        self.times: list[tuple[float, int]] = []
        self.prices: list[float] = []
        self.checks: list[float] = []
        # Answers whose check, which reads the pool's document, took longer than to solve it: with reading it, and without.
        self.slower_checks = [0, 0]
        self.branches: list[int] = []
        self.gaps: list[float] = []
        self.exhausted = 0
        self.others: dict[str, list[tuple[float, float]]] = {}  # name: (time ratio, share of the gain)

    def add(self, seed: int, ms: float, solution: Solution) -> None:
        """One pool."""
        self.times.append((ms, seed))
        self.branches.append(solution.branches)
        self.gaps.append((solution.bound - solution.optimized.value) / (1 + solution.optimized.magnitude))
        self.exhausted += solution.exhausted

    def line(self) -> str:
        """One line of the table."""
        venues, stressed, levels = self.shape
        times = [ms for ms, _ in self.times]
        return (
            f"{venues:>6} {'stressed' if stressed else 'balanced':>9} {levels:>6} {len(times):>6}"
            f" {quantile(times, 0.5):>9.3f} {quantile(times, 0.99):>9.3f} {max(times):>9.2f}"
            f" {quantile(self.prices or [float('nan')], 0.5):>9.3f} {quantile(self.checks or [float('nan')], 0.5):>9.3f}"
            f" {quantile(self.branches, 0.5):>8.0f} {max(self.branches):>6} {max(self.gaps):>9.1e} {self.exhausted:>5}"
        )


HEAD = (
    f"{'venues':>6} {'holdings':>9} {'levels':>6} {'pools':>6} {'median':>9} {'p99':>9} {'max':>9}"
    f" {'prices':>9} {'check':>9} {'branches':>8} {'most':>6} {'gap':>9} {'open':>5}"
)


def measure(row: Row, seed: int, count: int, compare: int, budget: float) -> None:
    """Fill *row*: at most *budget* seconds of solving.

    Each thing has a pass of its own over some pools: what runs just before leaves its own data in the processor's caches.
    """
    spent, every = 0.0, pools(seed, count, row.shape)
    compared: list[tuple[Pool, float, Solution]] = []
    while spent <= budget and (block := list(islice(every, BLOCK))):
        begun, solved, readings = len(row.times), [], []
        for each, pool in block:
            ms, solution = timed(partial(solve, pool))
            row.add(each, ms, solution)
            solved.append((pool, ms, solution))
            spent += ms / 1000
            if spent > budget:
                break
        for pool, _, solution in solved[: max(0, max(compare, 20) - begun)]:
            if pool.quotes and not solution.exhausted:
                ms_prices, _ = timed(partial(quote_prices, pool, solution))
                row.prices.append(ms_prices / len(pool.quotes))
                spent += ms_prices / 1000
        for pool, ms, solution in solved[: max(0, max(compare, 50) - begun)]:
            document, answer = pool_document(pool), answer_document(pool, solution)
            ms_check, _ = timed(partial(verify, document, answer))
            row.checks.append(ms_check)
            readings.append((document, ms_check, ms))
        for document, ms_check, ms in readings:
            ms_read, _ = timed(partial(parse_pool, document))
            for place, theirs in enumerate((ms_read + ms, ms)):
                row.slower_checks[place] += ms_check > theirs
        compared += solved[: max(0, compare - begun)]
    for name, method in general_solvers.METHODS.items():
        for pool, ms, solution in compared:
            _compare(row, name, method, pool, ms, solution)


def _compare(row: Row, name: str, method: Callable[[Pool], float], pool: Pool, ms: float, solution: Solution) -> None:
    """What another method reaches on the same pool."""
    theirs, value = timed(partial(method, pool))
    within = 1e-7 * (1 + solution.optimized.magnitude)
    if value > solution.optimized.value + within:
        print(f"!! {name} is better by {value - solution.optimized.value:g}")
    gain = solution.gain
    share = max(0.0, value - solution.base.value) / gain if gain > within else 1.0
    row.others.setdefault(name, []).append((theirs / ms, share))


def report(row: Row) -> None:
    """Print what goes below the line of the table."""
    for name, found in row.others.items():
        ratios, shares = [r for r, _ in found], [s for _, s in found]
        print(
            f"       {name:<28} {len(found):>4} pools: {np.median(ratios):>8.0f} x our time,"
            f" {100 * float(np.median(shares)):>5.1f} % of the gain (median), {100 * min(shares):.1f} % (worst)"
        )
    with_reading, without = row.slower_checks
    if without:
        which = f"{with_reading} of {len(row.checks)} answers took longer to check than to find"
        print(f"       {which} from the same document, {without} than where reading it is not counted")
    worst = sorted(row.times, reverse=True)[:10]
    print("       slowest: " + ", ".join(f"{seed} {ms:.1f}" for ms, seed in worst))


def chart(rows: list[Row], path: Path) -> None:
    """How the time grows with the number of venues, as an SVG."""
    width, height, left, top = 640, 360, 60, 20
    series = {kind: [row for row in rows if row.shape[1] == kind and row.shape[2] == 20] for kind in (False, True)}
    most = max(len(s) for s in series.values())

    def point(index: int, ms: float) -> str:
        x = left + index * (width - left - 40) / max(1, most - 1)
        y = top + (3 - np.log10(max(ms, 0.1))) / 4 * (height - top - 40)
        return f"{x:.1f},{y:.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">'
    ]
    for power in range(-1, 4):
        y = top + (3 - power) / 4 * (height - top - 40)
        parts.append(f'<line x1="{left}" x2="{width - 40}" y1="{y}" y2="{y}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 8}" y="{y + 4}" text-anchor="end">{10.0**power:g} ms</text>')
    for kind, colour, name in ((False, "#2a6f97", "balanced"), (True, "#c1440e", "stressed")):
        for share, dash in ((0.5, ""), (0.99, "4 3")):
            times = [quantile([ms for ms, _ in row.times], share) for row in series[kind]]
            line = " ".join(point(i, ms) for i, ms in enumerate(times))
            parts.append(
                f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>'
            )
        label = f"{name}: median, dashed p99"
        parts.append(f'<text x="{left + 20}" y="{top + (15 if kind else 32)}" fill="{colour}">{label}</text>')
    for index, row in enumerate(series[True] or series[False]):
        x = point(index, 1).split(",")[0]
        parts.append(f'<text x="{x}" y="{height - 18}" text-anchor="middle">{row.shape[0]} venues</text>')
    path.write_text("\n".join([*parts, "</svg>"]) + "\n")


def memory(seed: int, count: int) -> None:
    """Solve *count* pools and print the resident memory ten times: pools of two to four venues, and for both prices of each
    of their quotes the pools that its fills would leave; with proof."""
    documents = [market(Random(seed + number), 2 + number % 3, 20, number % 2 == 0) for number in range(300)]
    solved, told, every = 0, 0, max(1, count // 10)
    print(f"{'solves':>9} {'MB':>8}")
    for document in cycle(documents):
        if solved >= told:
            gc.collect()
            print(f"{solved:>9} {resident_mb():>8.1f}", flush=True)
            told += every
        if solved >= count:
            break
        pool = parse_pool(document)
        solution = solve(pool)
        quote_prices(pool, solution)
        answer_document(pool, solution)
        solved += 1 + 2 * len(pool.quotes)


def resident_mb() -> float:
    """What the process holds in memory now, in MB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pools", type=int, default=1000, help="pools of each shape (1000)")
    parser.add_argument("--venues", default="2,3,4,6,8")
    parser.add_argument("--levels", default="20,200")
    parser.add_argument("--compare", type=int, default=50, help="pools of each shape that other methods solve too (50)")
    parser.add_argument("--compare-venues", type=int, default=8, help="shapes up to so many venues are compared (8)")
    parser.add_argument("--memory", type=int, default=0, help="solve so many pools and print the memory held meanwhile")
    parser.add_argument("--seconds", type=float, default=120.0, help="at most so long a shape")
    parser.add_argument("--chart", type=Path)
    asked = parser.parse_args()
    print(f"seed {asked.seed}, Python {platform.python_version()}, numpy {np.__version__}; ms of processor time")
    if asked.memory:
        memory(asked.seed, asked.memory)
        return
    print(HEAD)
    began, rows = time.monotonic(), []
    for levels in map(int, asked.levels.split(",")):
        for venues in map(int, asked.venues.split(",")):
            for stressed in (False, True):
                row = Row((venues, stressed, levels))
                gc.collect()
                compare = asked.compare if venues <= asked.compare_venues and levels == 20 else 0
                measure(row, asked.seed, asked.pools, compare, asked.seconds)
                print(row.line(), flush=True)
                report(row)
                rows.append(row)
    print(f"{len(rows)} shapes in {time.monotonic() - began:.0f} s")
    if asked.chart is not None:
        chart(rows, asked.chart)


if __name__ == "__main__":
    main()
