"""Runs schedules of faults: `python -m tests.faults [N] [--seed S] [--only NUMBER]`; N is a number or `all`.

First every single fault at every boundary, then pairs (all of them, or an even sample of what N leaves), then a quarter of N
at random.  Prints violations as they come, each with the number that repeats it, then the matrix and the counts.
"""

# ruff: noqa: T201  what it prints is what it is for

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from multiprocessing import Pool
from random import Random

from tests.faults.boundaries import BOUNDARIES, Kind, Mishap, pairs, random_schedule, singles
from tests.faults.schedule import Outcome, Schedule

Work = tuple[int, int, bool, tuple[Mishap, ...]]


def schedules(count: int | None, seed: int) -> Iterator[Work]:
    """Number, seed, kind of venue and mishaps of each."""
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


def run(work: Work) -> tuple[Work, Outcome]:
    """One schedule; a crash of the test itself is a violation too."""
    _, seed, rich, mishaps = work
    try:
        return work, Schedule(rich, mishaps, seed).run()
    except Exception as error:  # noqa: BLE001  whatever it was, it is told with the number that repeats it
        return work, Outcome([f"the schedule itself failed: {error!r}"])


def matrix(struck: Counter[tuple[str, str]]) -> Iterator[str]:
    """Boundary × kind, how often each fault struck."""
    yield " " * 26 + " ".join(f"{kind:>11}" for kind in Kind)
    for boundary in BOUNDARIES:
        yield f"{boundary!s:26}" + " ".join(f"{struck[str(boundary), str(kind)]:11}" for kind in Kind)


def main() -> int:
    """Exit status 1 when anything was violated or a cell is empty."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", nargs="?", default="10000")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, default=None)
    options = parser.parse_args()
    work = schedules(None if options.count == "all" else int(options.count), options.seed)
    if options.only is not None:
        work = (one for one in work if one[0] == options.only)
    began, total, done, bad = time.monotonic(), Outcome(), 0, 0
    with Pool(int(os.environ.get("ILP_JOBS", os.cpu_count() or 1))) as pool:
        for (number, seed, rich, mishaps), outcome in pool.imap_unordered(run, work, chunksize=8):
            done += 1
            total.struck.update(outcome.struck)
            total.safe += outcome.safe
            total.withdrawals += outcome.withdrawals
            total.fills += outcome.fills
            if outcome.violations:
                bad += 1
                names = ", ".join(map(str, mishaps))
                print(f"{number} (seed {seed}, {'rich' if rich else 'bare'}: {names})", flush=True)
                for violation in outcome.violations[:4]:
                    print(f"    {violation[:400]}", flush=True)
    print("\n".join(matrix(total.struck)))
    empty = [f"{b} {k}" for b in BOUNDARIES for k in Kind if not total.struck[str(b), str(k)]]
    safe = sorted(total.safe) or [0.0]
    print(f"\n{done} schedules in {time.monotonic() - began:.0f} s, {sum(total.struck.values())} faults struck")
    print(f"{len(total.safe)} kills measured: safe after {safe[int(len(safe) * 0.99) - 1]:.2f} s (p99), allowed 3 s")
    print(f"{total.fills} fills and {total.withdrawals} withdrawals at the venues, each in the journal once")
    print(f"empty cells: {', '.join(empty) or 'none'}")
    print(f"{bad} schedules with violations")
    return 1 if bad or (empty and options.only is None) else 0


if __name__ == "__main__":
    sys.exit(main())
