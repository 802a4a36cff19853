"""Runs schedules of faults: `python -m tests.faults [N] [--seed S] [--only WHICH] [--part I/N]`; N is a number or `all`.

First every single fault at every boundary, then pairs (all of them but for those that are alike, or an even sample of what N
leaves), then a quarter of N at random, and some where two daemons share an account.  `--part 2/8` runs every eighth of them
from the second on, `--only 17` the one of that number, `--only cancelAllOrders` those in which a fault strikes there
(`--only "target cancelAllOrders"`: at the target).  Prints violations as they come, each with the number that repeats it,
then the matrix and the counts, of what was done by then where Ctrl-C ends it.
"""

# ruff: noqa: T201  what it prints is what it is for

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from multiprocessing import Pool
from random import Random

from tests.faults.boundaries import BOUNDARIES, Boundary, Kind, Mishap, pairs, random_schedule, singles
from tests.faults.remembering import remember_prices
from tests.faults.schedule import Outcome, Schedule
from tests.faults.twins import Twins

TWINS = 100  # one in so many schedules is of two daemons
Work = tuple[int, int, bool, tuple[Mishap, ...] | None]


def schedules(count: int | None, seed: int) -> Iterator[Work]:
    """Number, seed, kind of venue and mishaps of each; None for two daemons."""
    alone, both = list(singles()), list(pairs())
    number = 0
    left = None if count is None else max(0, count - len(alone))
    if left is None:
        chosen, at_random = both, 2000
    else:
        at_random = left // 2 if left < len(both) else left - len(both)
        wanted = min(len(both), left - at_random)
        step = len(both) / max(1, wanted)
        chosen = [both[int(index * step + seed % max(1, int(step)))] for index in range(wanted)]
    for rich, mishaps in islice([*alone, *chosen], count):
        yield number, seed + number, rich, mishaps
        number += 1
    for _ in range(at_random):
        yield number, seed + number, *random_schedule(Random(f"{seed} {number}"))
        number += 1
    for turn in range((number if count is None else count) // TWINS):
        yield number, seed + number, turn % 2 == 0, None
        number += 1


def run(work: Work) -> tuple[Work, Outcome]:
    """One schedule; a crash of the test itself is a violation too."""
    _, seed, rich, mishaps = work
    try:
        return work, Twins(rich, seed).run() if mishaps is None else Schedule(rich, mishaps, seed).run()
    except Exception as error:  # noqa: BLE001  whatever it was, it is told with the number that repeats it
        return work, Outcome([f"the schedule itself failed: {error!r}"])


def matrix(struck: Counter[tuple[str, str]]) -> Iterator[str]:
    """Boundary × kind, how often each fault struck."""
    yield " " * 26 + " ".join(f"{kind:>11}" for kind in Kind)
    for boundary in BOUNDARIES:
        yield f"{boundary!s:26}" + " ".join(f"{struck[str(boundary), str(kind)]:11}" for kind in Kind)


def named(name: str) -> list[Boundary]:
    """Every boundary, or those of a name, with or without the place; none where there is no such name."""
    return [boundary for boundary in BOUNDARIES if name in ("", boundary.what, str(boundary))]


def main() -> int:
    """Exit status 1 when anything was violated or a cell is empty."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", nargs="?", default="10000")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", metavar="WHICH", help="a schedule's number, or the name of a boundary")
    parser.add_argument("--part", default="1/1")
    options = parser.parse_args()
    part, parts = map(int, options.part.split("/"))
    work, single = (
        schedules(None if options.count == "all" else int(options.count), options.seed),
        options.only.isdigit(),
    )
    rows = BOUNDARIES if single else named(options.only)
    if not rows:
        known = sorted({boundary.what for boundary in BOUNDARIES})
        parser.error(f"--only {options.only}: there is no such boundary; there are {', '.join(known)}")
    if single:
        work = (one for one in work if one[0] == int(options.only))
    elif options.only:
        work = (one for one in work if any(mishap.boundary in rows for mishap in one[3] or ()))
    work = islice(work, part - 1, None, parts)
    began, total, done, bad, twins = time.monotonic(), Outcome(), 0, 0, 0
    with (
        suppress(KeyboardInterrupt),
        Pool(int(os.environ.get("ILP_JOBS", os.cpu_count() or 1)), remember_prices) as pool,
    ):
        for (number, seed, rich, mishaps), outcome in pool.imap_unordered(run, work, chunksize=8):
            done += 1
            twins += mishaps is None
            total.struck.update(outcome.struck)
            total.safe += outcome.safe
            total.withdrawals += outcome.withdrawals
            total.fills += outcome.fills
            total.bookings += outcome.bookings
            total.resting = max(total.resting, outcome.resting)
            total.pulled += outcome.pulled
            if outcome.violations:
                bad += 1
                names = "two daemons" if mishaps is None else ", ".join(map(str, mishaps))
                print(f"{number} (seed {seed}, {'rich' if rich else 'bare'}: {names})", flush=True)
                for violation in outcome.violations[:4]:
                    print(f"    {violation[:400]}", flush=True)
    print("\n".join(matrix(total.struck)))
    empty = [f"{b} {k}" for b in rows for k in Kind if not total.struck[str(b), str(k)]]
    print(f"\n{done} schedules in {time.monotonic() - began:.0f} s, {sum(total.struck.values())} faults struck")
    print("\n".join(counts(total, twins)))
    print(f"empty cells: {', '.join(empty) or 'none'}")
    print(f"{bad} schedules with violations")
    return 1 if bad or (empty and not single and parts == 1) else 0


def counts(total: Outcome, twins: int) -> Iterator[str]:
    """What was looked at for each number to reach; each violation of one is told besides."""
    safe, pulled = sorted(total.safe) or [0.0], max(total.pulled, default=0.0)
    yield f"N5  {len(total.pulled)} times an input was lost under a quote; gone after {pulled:.2f} s at most, allowed 0.1 s"
    yield f"N6  {total.withdrawals} withdrawals at the venues, each in a journal once; {twins} times two daemons began"
    yield f"N7  {len(total.safe)} kills measured: safe after {safe[int(len(safe) * 0.99) - 1]:.2f} s (p99), allowed 3 s"
    yield f"N8  {total.fills} fills, each in the journal once and closed in the end; none was hedged by more than it was"
    yield f"N9  {total.bookings} bookings recomputed; all assets of the world counted again after each step of a schedule"
    yield f"N10 {total.resting:f} BTC rested on a side at most, allowed 0.1"


if __name__ == "__main__":
    sys.exit(main())
