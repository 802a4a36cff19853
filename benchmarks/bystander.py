"""A process that sleeps ten milliseconds at a time and does nothing else: what makes it late is the machine.

    python -m benchmarks.bystander SECONDS

Prints, as JSON, how often it slept, how often more than 20 ms too long, and the longest that it was late, in seconds.
`benchmarks.reaction` and the real hour of `benchmarks.soak` run it beside the daemon, at the same priority.
"""

from __future__ import annotations

import json
import sys
import time

INTERVAL, LATE = 0.01, 0.02  # seconds; as the probe of the daemon counts


def main() -> None:
    """Sleep, and tell how it went."""
    end = time.perf_counter() + float(sys.argv[1])
    slept, late, worst = 0, 0, 0.0
    while (now := time.perf_counter()) < end:
        time.sleep(INTERVAL)
        lag = time.perf_counter() - now - INTERVAL
        slept, late, worst = slept + 1, late + (lag > LATE), max(worst, lag)
    print(json.dumps({"slept": slept, "late": late, "worst": worst}), flush=True)


if __name__ == "__main__":
    main()
