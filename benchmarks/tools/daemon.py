"""Runs the daemon as `ilp.py` does, with a chosen reactor, and writes its figures down at the end: a tool of benchmarks.

    python -m benchmarks.tools.daemon --config FILE --report FILE [--reactor epoll|asyncio|uvloop|select] [--profile FILE]

SIGUSR1 clears the figures: what came before was warming up.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import signal
import sys
from pathlib import Path
from typing import Any

from attrs import asdict

REACTORS = ("default", "epoll", "select", "asyncio", "uvloop")


def install(name: str) -> None:
    """Choose the reactor; must come before anything imports it."""
    if name == "epoll":
        from twisted.internet import epollreactor

        epollreactor.install()
    elif name == "select":
        from twisted.internet import selectreactor

        selectreactor.install()
    elif name in ("asyncio", "uvloop"):
        import asyncio

        from twisted.internet import asyncioreactor

        if name == "uvloop":
            import uvloop  # not among our dependencies: installed by whoever wants to compare

            asyncioreactor.install(uvloop.new_event_loop())
        else:
            asyncioreactor.install(asyncio.new_event_loop())


def main() -> int:
    """Run until a signal; the exit status is the daemon's."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--report", type=Path, required=True)
    parser.add_argument("--reactor", choices=REACTORS, default="default")
    parser.add_argument("--profile", type=Path)
    options = parser.parse_args()
    install(options.reactor)
    from twisted.internet import reactor

    from ilp.logs import begin
    from ilp.service import Daemon, _Process
    from ilp.settings_file import load

    begin("human")
    daemon = Daemon(load(options.config), reactor)
    profile = cProfile.Profile()

    def clear(*_: Any) -> None:
        for histogram in daemon.metrics.histograms.values():
            histogram.clear()
        for name, (help, _) in daemon.metrics.counters.items():
            daemon.metrics.counters[name] = help, 0
        if options.profile:
            profile.enable()

    def report() -> None:
        profile.disable()
        document = {name: asdict(summary) for name, summary in daemon.metrics.summaries().items()}
        counters = {name: value for name, (_, value) in daemon.metrics.counters.items()}
        lag = daemon.probe.lag
        stalls = {"lag": {"bounds": list(lag.bounds), "counts": list(lag.counts)}, "stall": daemon.probe.last}
        options.report.write_text(json.dumps({"histograms": document, "counters": counters, **stalls}))

    signal.signal(signal.SIGUSR1, lambda *_: reactor.callFromThread(clear))
    reactor.addSystemEventTrigger("before", "shutdown", report)
    status = _Process(daemon, reactor).go()
    if options.profile:
        profile.dump_stats(options.profile)
    return status


if __name__ == "__main__":
    sys.exit(main())
