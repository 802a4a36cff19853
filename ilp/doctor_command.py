"""`ilp.py doctor`: examines a configuration and all that it names, changes nothing, and says line by line what to do.

Exit status: 0 when nothing failed, 1 when something did.  Wires, and knows what is examined in which order.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any, TextIO

from attrs import define, evolve, field
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.threads import deferToThreadPool
from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    globalLogBeginner,
    textFileLogObserver,
)

from clients.http import persistent_client
from clients.rates_arithmetic import Rate
from clients.redaction import Redactor
from ilp import doctor_local
from ilp.clock import WorldClock
from ilp.doctor import Chart, Finding, Verdict, secrets_of
from ilp.doctor_rates import FeedsExamination
from ilp.doctor_venues import VenueExamination
from ilp.feeds import FEED, feeds_of, rate_ticker, together
from ilp.making import CannotMake, client, feed_client
from ilp.settings import EMBEDDED, RESERVE, Connection, Settings
from ilp.settings_connections import harmless, section_of
from ilp.settings_file import Loaded
from ilp.simulation.embedded import embed
from ilp.trading.layout import Layout, Pair
from ilp.trading.variances import Variances

__all__ = ["Doctor", "main"]

CONNECTING = 20.0  # reactor seconds that a venue or feed may take to connect
GOODBYE = 3.0
LONGEST = 120.0


@define(eq=False)
class Doctor:
    """One examination.

    :ivar tell: takes each finding as it is made.
    :ivar connecting: reactor seconds that a connection may take; `patience` those of one question.
    """

    loaded: Loaded
    reactor: Any
    tell: Any
    connecting: float = CONNECTING
    patience: float = 15.0
    chart: Chart = field(init=False)
    _leaving: list[Any] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        redactor = Redactor(*secrets_of(self.loaded.settings))
        self.chart = Chart(self.reactor, self.tell, redactor, self.patience)

    def examine(self) -> Deferred[bool]:
        """Fires with whether all is well, when nothing of the examination is left."""
        return Deferred.fromCoroutine(self._examine())

    async def _examine(self) -> bool:
        try:
            await self._everything()
        finally:
            await self._leave()
        return self.chart.well

    async def _everything(self) -> None:
        chart, settings = self.chart, self.loaded.settings
        in_worker = partial(deferToThreadPool, self.reactor, self.reactor.getThreadPool())
        await chart.part("configuration", _soon(partial(doctor_local.files, chart, self.loaded)))
        await chart.part("console", _soon(partial(doctor_local.console, chart, settings)))
        await chart.part("alarms", _soon(partial(doctor_local.alarms, chart, settings)))
        running: list[bool] = []

        async def journal() -> None:
            running.append(await doctor_local.journal(chart, settings, in_worker))

        await chart.part("journal", journal())
        if not any(running):
            await self._outside(settings)

    async def _outside(self, settings: Settings) -> None:
        simulation = settings.simulation
        clock = WorldClock(self.reactor, simulation.start, simulation.speed) if simulation else WorldClock(self.reactor)
        connections = settings.connections
        if any(connection.endpoint == EMBEDDED for connection in connections.values()):
            embedded = await self._embedded(settings, clock)
            if embedded is None:
                return
            connections = embedded.connections(settings)
        settings = evolve(
            settings,
            connections={role: harmless(one, check_rights=role != RESERVE) for role, one in connections.items()},
        )
        http, pool = persistent_client(self.reactor, self.patience)
        self._leaving.append(pool.close)
        venues = self._venues(settings, clock, http)
        feeds = self._feeds(settings, clock)
        found: list[Rate | None] = []

        async def rates(feeds: FeedsExamination) -> None:
            found.append(await feeds.examine(self.connecting))

        parts = [self.chart.part(name, venue.examine(self.connecting)) for name, venue in venues.items()]
        if feeds is not None:
            parts.append(self.chart.part("rates", rates(feeds)))
        await DeferredList([Deferred.fromCoroutine(part) for part in parts], consumeErrors=True)
        await self._together(settings, venues, feeds, next(iter(found), None))
        await self._variances(settings, clock, venues, feeds)

    async def _embedded(self, settings: Settings, clock: WorldClock) -> Any:
        try:
            embedded: Any = await self.chart.within(embed(settings, clock), self.connecting)
        except Exception as error:  # noqa: BLE001  a simulated venue that cannot begin is a finding like any other
            self.chart.fail("simulation", f"{type(error).__name__}: {error}", "see [simulation]")
            return None
        self._leaving.append(embedded.stop)
        self.chart.ok("simulation", "its venues and rates listen on this machine")
        return embedded

    # ------------------------------------------------------------------------------------------------------- clients

    def _venues(self, settings: Settings, clock: WorldClock, http: Any) -> dict[str, VenueExamination]:
        found = {}
        accounts = {**settings.accounts, **({RESERVE: (RESERVE,)} if RESERVE in settings.connections else {})}
        for account, roles in accounts.items():
            made = self._made(account, f"{roles[0]}", settings.connections[roles[0]], settings, clock, roles)
            if made is not None:
                found[account] = VenueExamination(self.chart, account, roles, made, settings, clock, http)
                self._leaving.append(found[account].leave)
        return found

    def _made(
        self, account: str, role: str, connection: Connection, settings: Settings, clock: WorldClock, roles: Any
    ) -> Any:
        try:
            return client(connection, account, clock, settings, roles)
        except (CannotMake, ValueError, TypeError) as error:
            self.chart.fail(account, str(error), f"correct [{section_of(role)}]")
            return None

    def _feeds(self, settings: Settings, clock: WorldClock) -> FeedsExamination | None:
        ticker = rate_ticker(settings.tickers)
        if not ticker:
            self.chart.ok("rates", "none is needed: both venues use one currency")
            return None
        feeds: dict[str, Any] = {}
        for role, connection in settings.connections.items():
            if not role.startswith(FEED):
                continue
            try:
                feeds |= feeds_of({role: connection}, clock, settings, feed_client(clock, settings))
            except (CannotMake, ValueError, TypeError) as error:
                self.chart.fail("rates", str(error), f"correct [{section_of(role)}]")
        examination = FeedsExamination(self.chart, feeds, ticker, settings, clock)
        self._leaving.append(examination.leave)
        return examination if feeds else None

    # ------------------------------------------------------------------------------------------------------ together

    async def _together(
        self,
        settings: Settings,
        venues: Mapping[str, VenueExamination],
        feeds: FeedsExamination | None,
        rate: Rate | None,
    ) -> None:
        books = {role: self._book(settings, venues, role) for role in ("source", "target")}
        source, target = books["source"], books["target"]
        if feeds is not None and rate is not None and source is not None and target is not None:
            feeds.against(rate, source, target)

    @staticmethod
    def _book(settings: Settings, venues: Mapping[str, VenueExamination], role: str) -> Any:
        venue = venues.get(settings.account_of(role))
        return None if venue is None else venue.books.get(settings.tickers[role])

    async def _variances(
        self,
        settings: Settings,
        clock: WorldClock,
        venues: Mapping[str, VenueExamination],
        feeds: FeedsExamination | None,
    ) -> None:
        """Whether histories are long enough: without a variance START is refused."""
        source, target = (Pair(settings.account_of(role), settings.tickers[role]) for role in ("source", "target"))
        venue = venues.get(source.venue)
        if venue is None or not venue.books:
            return
        historian = None if feeds is None else together(feeds.feeds, clock, settings)
        variances = Variances(settings.variance, Layout(source, target), venue.looking, historian, clock)
        await self.chart.part("variances", self._renewed(variances))

    async def _renewed(self, variances: Variances) -> None:
        await self.chart.within(Deferred.fromCoroutine(variances.renew()), self.connecting)
        for asset, problem in variances.problems.items():
            advice = "give it in [variance_overrides], or another variance_window"
            self.chart.fail(f"variance of {asset}", problem, advice)
        for asset, estimate in variances.estimates.items():
            self.chart.ok(f"variance of {asset}", f"{estimate.value:.4g} from {estimate.origin}")

    async def _leave(self) -> None:
        """Close everything, the last first; what hangs or fails is left to the end of the process."""
        for leave in reversed(self._leaving):
            try:
                leaving = leave()
                work = leaving if isinstance(leaving, Deferred) else Deferred.fromCoroutine(leaving)
                await self.chart.within(work, GOODBYE)
            except Exception:  # noqa: BLE001  the examination is over, and its findings do not depend on this
                continue


async def _soon(work: Any) -> None:
    work()


# ------------------------------------------------------------------------------------------------------------ process


def main(loaded: Loaded, out: TextIO = sys.stdout) -> int:
    """Examine, print, and return the exit status."""
    from twisted.internet import reactor

    _quiet()
    status = 1

    def tell(finding: Finding) -> None:
        out.write(f"{finding}\n")
        out.flush()

    doctor = Doctor(loaded, reactor, tell)

    def done(well: Any) -> None:
        nonlocal status
        status = 0 if well is True else 1
        out.write(_summary(doctor.chart.findings) + "\n")
        out.flush()
        if reactor.running:
            reactor.stop()

    def begin() -> None:
        whole = doctor.chart.within(doctor.examine(), LONGEST)
        whole.addErrback(lambda failure: doctor.chart.fail("examination", str(failure.value)))
        whole.addCallback(done)

    reactor.callWhenRunning(begin)
    reactor.run()
    return status


def _quiet() -> None:
    """Nothing of the clients' logs on the screen: what matters of them is a finding."""
    predicate = LogLevelFilterPredicate(defaultLogLevel=LogLevel.critical)
    observer = FilteringLogObserver(textFileLogObserver(sys.stderr), [predicate])
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False, discardBuffer=True)


def _summary(findings: list[Finding]) -> str:
    count = Counter(finding.verdict for finding in findings)
    parts = [f"{count[Verdict.OK]} ok"]
    if count[Verdict.NOTE]:
        parts.append(f"{count[Verdict.NOTE]} to know")
    parts.append(f"{count[Verdict.FAIL]} FAILED" if count[Verdict.FAIL] else "all is well")
    return ", ".join(parts)
