"""`ilp.py guardian`: runs the guardian of a configuration until a signal.  Wires, decides nothing."""

from __future__ import annotations

import sys
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from clients.exchange import IExchange
from ilp.clock import WorldClock
from ilp.guardian import Guardian, needed
from ilp.heartbeat import pulse
from ilp.logs import Form, begin
from ilp.making import clients_of
from ilp.settings_file import Loaded

__all__ = ["run"]


@define(eq=False)
class _Watch:
    """One run."""

    loaded: Loaded
    reactor: Any
    status: int = 0
    guardian: Guardian | None = None
    venues: dict[str, IExchange] | None = None
    log: Logger = field(factory=Logger)

    async def begin(self) -> None:
        settings, clock = self.loaded.settings, WorldClock(self.reactor)
        found = clients_of(settings.connections, clock, settings)
        self.venues = {role: venue for role, venue in found.items() if needed(venue)}
        if not self.venues:
            sys.stdout.write("Every venue has a dead man's switch of its own: no guardian is needed.\n")
            self.reactor.stop()
            return
        path = settings.guardian.heartbeat
        self.guardian = Guardian(self.venues, lambda: pulse(path), settings.guardian.silence, self.reactor)
        self.guardian.start()
        sys.stdout.write(f"Guarding {' and '.join(sorted(self.venues))}; the heartbeat is {path}\n")
        sys.stdout.flush()

    async def end(self) -> None:
        if self.guardian is not None:
            self.guardian.stop()
        for venue in (self.venues or {}).values():
            await venue.disconnect()


def run(loaded: Loaded, log: Form = "human") -> int:
    """Watch until SIGINT or SIGTERM; the exit status."""
    from twisted.internet import reactor

    if loaded.settings.mode != "live":
        sys.stdout.write(f"The mode is {loaded.settings.mode}: nothing rests at a real venue, no guardian is needed.\n")
        return 0
    begin(log)
    watch = _Watch(loaded, reactor)

    def failed(failure: Any) -> None:
        watch.status = 1
        watch.log.failure("the guardian could not start", failure)
        watch.reactor.stop()

    watch.reactor.callWhenRunning(lambda: Deferred.fromCoroutine(watch.begin()).addErrback(failed))
    watch.reactor.addSystemEventTrigger(
        "before", "shutdown", lambda: Deferred.fromCoroutine(watch.end()).addErrback(lambda _: None)
    )
    watch.reactor.run()
    return watch.status
