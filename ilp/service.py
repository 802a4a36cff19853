"""The only place where things are wired together: configuration, journal, venues, trader, console.  Decides nothing."""

from __future__ import annotations

import gc
import secrets
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TextIO, cast

from attrs import evolve
from twisted.application.service import Service
from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError, Deferred, FirstError
from twisted.internet.error import CannotListenError, ReactorNotRunning
from twisted.internet.threads import deferToThread, deferToThreadPool
from twisted.logger import Logger

from clients.exchange import ExchangeError
from clients.http import Connections, persistent_client
from ilp.accounts.keeper import AccountedJournal
from ilp.alarms.channels import channels
from ilp.alarms.conditions import conditions
from ilp.alarms.events import Events
from ilp.alarms.notices import Severity
from ilp.alarms.outbox import Outbox
from ilp.alarms.watch import Watch
from ilp.bookkeeping import accounted, foreign, keep_books
from ilp.clock import WorldClock
from ilp.feeds import feed_of
from ilp.heartbeat import Heartbeat
from ilp.journal.interface import JournalError, Recovered
from ilp.journal.recent import RecentJournal
from ilp.journal.store import open_journal
from ilp.logs import Form, begin
from ilp.making import CannotMake, client, client_of, clients_of, feed_client
from ilp.metrics import Metrics
from ilp.operator import Operator
from ilp.parameters import InvalidParameters, Table, restored, unjournaled
from ilp.probe import Probe, set_apart
from ilp.settings import EMBEDDED, RESERVE, Connection, Settings
from ilp.settings_connections import harmless
from ilp.settings_file import Loaded
from ilp.trading.strategies import STRATEGIES
from ilp.trading.trader import Trader
from web.service import CannotServe, WebService
from web.sessions import Role

if TYPE_CHECKING:
    from ilp.dry_run import DryWorld  # imported where it is used; see `_embedded`

__all__ = ["Daemon", "run"]

CONNECT_TIMEOUT = 10.0  # reactor seconds, to where alarms go
RANDOM = "random"  # a user's password in the file that means: make one anew at each start and print it
HISTORY = timedelta(days=7)


# What an operator can mend: said in one sentence, without a traceback.
EXPECTED = (
    CannotMake,
    JournalError,
    ExchangeError,
    CannotServe,
    CannotListenError,
    InvalidParameters,
    OSError,
)


class Daemon(Service):
    """The running pool.

    :param loaded: the configuration.
    :param out: takes the lines that a person who started it has to see: address, password, embedded venues.
    :ivar remaining: after `stopService`, what could not be cancelled at the venues.
    :ivar alarms: who is told while nobody looks.
    :ivar metrics: how fast it reacts and how late its reactor comes round.
    """

    log = Logger()

    def __init__(self, loaded: Loaded, reactor: Any, out: TextIO = sys.stdout) -> None:
        self.loaded = loaded
        self.remaining: tuple[str, ...] = ()
        self.operator: Operator | None = None
        self.trader: Trader | None = None
        self.web: WebService | None = None
        self.embedded: Any = None  # an `Embedded` or an `EmbeddedKraken`
        self.heartbeat: Heartbeat | None = None
        self._dry: DryWorld | None = None
        self._journal: RecentJournal | None = None
        self._books: AccountedJournal | None = None
        self._stopping: Deferred[None] | None = None
        self.alarms: Watch | None = None
        self._http: Connections | None = None
        self.metrics = Metrics()
        self.probe = Probe(reactor, self.metrics)
        self._reactor = reactor
        self._out = out

    # --------------------------------------------------------------------------------------------- coming and going

    def begin(self) -> Deferred[None]:
        """Start everything; fires when the venues were tried once.  A failure leaves nothing behind that was started."""
        return Deferred.fromCoroutine(self._begin())

    async def _begin(self) -> None:
        try:
            await self._start()
        except BaseException:
            await self._stopped()
            raise

    async def _start(self) -> None:
        settings, reactor = self.loaded.settings, self._reactor
        simulation = settings.simulation
        clock = WorldClock(reactor, simulation.start, simulation.speed) if simulation else WorldClock(reactor)
        books = accounted(await open_journal(settings.database_url, reactor), settings)
        self._journal, self._books = RecentJournal(books), books
        recovered = await self._journal.recovered()
        if settings.mode == "dry-run" and recovered.began is not None:
            raise InvalidParameters([("[dry_run] database", "is not empty, and a dry run begins afresh: name another")])
        await books.load()
        if others := foreign(books, recovered, settings):
            ours = f"the configuration has {' and '.join(settings.accounts)}: name another, or set [target_connection] back"
            why = f"has money, orders or transfers at {' and '.join(sorted(others))}, and {ours}"
            raise InvalidParameters([("[database] url", why)])
        await self._journal.load(clock.now(), HISTORY)
        edits = recovered.parameters
        table, notices = restored(self.loaded.table, edits)
        version = max((edit.version for edit in edits.values()), default=0)
        settings = evolve(settings, parameters=table.parameters(settings.limits))
        connections: Mapping[str, Connection] = settings.connections
        if any(connection.endpoint == EMBEDDED for connection in connections.values()):
            self.embedded = await _embedded(settings, clock)
            connections = self.embedded.connections(settings)
            for line in self.embedded.lines():
                print(line, file=self._out, flush=True)
        await self._start_trading(settings, connections, clock, table, version, notices, recovered)

    async def _start_trading(
        self,
        settings: Settings,
        connections: Mapping[str, Connection],
        clock: WorldClock,
        table: Table,
        version: int,
        notices: tuple[str, ...],
        recovered: Recovered,
    ) -> None:
        journal = self._journal
        assert journal is not None  # `_start` opened it
        if settings.mode == "dry-run":
            from ilp.dry_run import DryWorld

            self._dry = DryWorld(settings, connections, clock, partial(client_of, clock, settings))
            settings, venues, connections = self._dry.settings, self._dry.venues, self._dry.connections
        else:
            venues = clients_of(connections, clock, settings)
        if RESERVE in connections:  # nothing is traded there, so it is the real one also in a dry run
            venues[RESERVE] = client(harmless(settings.connections[RESERVE]), RESERVE, clock, settings)
        feed = feed_of(connections, clock, settings, feed_client(clock, settings))
        strategy = STRATEGIES[settings.strategy]()
        self.trader = trader = Trader(settings, venues, feed, journal, clock, strategy=strategy, metrics=self.metrics)
        if self._dry is not None:
            self._dry.rate = lambda: trader.market.good_rate
        waiting = self.trader.recorder
        self.metrics.gauges["ilp_journal_waiting"] = "Records that are not written yet.", lambda: float(waiting.waiting)
        self.metrics.gauges["ilp_journal_queue"] = "Writes on their way to the disk.", lambda: float(journal.queued)
        assert self._books is not None  # opened with the journal
        keep_books(self.trader, self._books)
        mode = settings.mode
        self.operator = Operator(
            self.trader,
            settings,
            table,
            journal,
            version=version,
            notices=notices,
            mode=mode,
            books=self._books,
            in_worker=partial(deferToThreadPool, self._reactor, self._reactor.getThreadPool()),
        )
        alarms = self.operator.alarms = self._alarms(settings, mode)
        users = _with_random_passwords(settings.web.users)
        roles = {name: Role(role) for name, role in settings.web.roles.items()}
        self.web = WebService(
            self.operator, users, self._reactor, roles, metrics=self.metrics, archive=settings.web.history
        )
        port = await self.web.listen(settings.web)
        self._greet(settings, cast(IPv4Address, port.getHost()).port, users)
        self.probe.start()
        alarms.start()
        found = unjournaled(table, recovered.in_force, recovered.parameters, clock.now())
        await self.trader.begin()
        # Not before the trader has read the journal: one with nothing in it is a new one to him.  What was edited meanwhile
        # is journaled already.
        edited = self.operator.table.raws
        self.trader.recorder.record(*(entry for entry in found if edited[entry.name] is table.raws[entry.name]))
        self.operator.ledgers.start()
        # What is simulated dies with the daemon and needs no guardian; systemd waits for a word in every mode.
        file = settings.guardian.heartbeat if mode == "live" else None
        self.heartbeat = Heartbeat(file, self._reactor, deferToThread)
        self.trader.subscribe(self.heartbeat.turned)
        self.heartbeat.start()

    def _alarms(self, settings: Settings, mode: str) -> Watch:
        """Whoever is told while nobody looks."""
        trader, journal, books, reactor = self.trader, self._journal, self._books, self._reactor
        assert trader is not None and journal is not None  # both were made before the operator
        http, self._http = persistent_client(reactor, CONNECT_TIMEOUT)
        rules = settings.alarms
        self.alarms = Watch(
            rules,
            [Outbox(way, Severity.of(level), reactor) for way, level in channels(rules, http, reactor)],
            lambda: conditions(trader, books, rules.loss_step),
            Events(trader, journal),
            reactor,
            lambda: datetime.now(UTC),
            mode,
            http,
        )
        return self.alarms

    def stopService(self) -> Deferred[None]:
        """Cancel everything at the venues, then close; `remaining` tells what could not be cancelled in time."""
        super().stopService()
        return self._stopped()

    def _stopped(self) -> Deferred[None]:
        """Stop once, whoever asks first; everybody waits for the same end."""
        if self._stopping is None:
            self._stopping = Deferred.fromCoroutine(self._stop())
        waiting: Deferred[None] = Deferred()

        def ended(result: Any) -> Any:
            waiting.callback(result)
            return None  # every waiter has been given the result: nothing is left unhandled here

        self._stopping.addBoth(ended)
        return waiting

    async def _stop(self) -> None:
        try:
            if self.trader is not None:
                self.remaining = await self.trader.shutdown()
            if self.heartbeat is not None and not self.remaining:
                self.heartbeat.stop()
        finally:
            await self._put_away()

    async def _put_away(self) -> None:
        """Close what was opened, the last first; one that fails to close does not keep the others open."""
        if self.heartbeat is not None:
            self.heartbeat.abandon()  # unless it has stopped in order: then the guardian has nothing to do
        self.probe.stop()
        if self.alarms is not None:
            self.alarms.stop()
        parts: list[tuple[str, Callable[[], Awaitable[None]]]] = []
        if self.operator is not None:
            self.operator.close()
        if self.web is not None:
            parts.append(("console", self.web.stop))
        if self._journal is not None:
            parts.append(("journal", self._journal.close))
        if self._http is not None:
            parts.append(("connections for alarms", self._http.close))
        if self._dry is not None:
            self._dry.stop()
        if self.embedded is not None:
            parts.append(("embedded venues", self.embedded.stop))
        for name, close in parts:
            try:
                await close()
            except Exception:  # noqa: BLE001 - the process ends: say it, and close the rest
                self.log.failure("closing the {name} failed", name=name)

    def _greet(self, settings: Settings, port: int, users: Mapping[str, str]) -> None:
        scheme = "https" if settings.web.ssl else "http"
        print(f"Console: {scheme}://{settings.web.host}:{port}/", file=self._out, flush=True)
        for name, password in users.items():
            if settings.web.users[name] == RANDOM:
                print(f"Log in as {name} with the password {password}", file=self._out, flush=True)
        if settings.mode == "dry-run":
            print(
                "A dry run: orders and balances exist here only, and no venue hears of them.",
                file=self._out,
                flush=True,
            )
        print("Nothing trades before START is pressed there. Ctrl-C stops in order.", file=self._out, flush=True)


async def _embedded(settings: Settings, clock: WorldClock) -> Any:
    """The venues that the daemon runs within itself.

    What simulates is imported where it is used: it is a quarter of all imports, and a daemon with real money that starts
    after a crash has orders to cancel first.
    """
    from ilp.simulation.embedded import embed
    from ilp.simulation.embedded_kraken import CannotEmbed
    from ilp.simulation.recordings import RecordingError

    try:
        return await embed(settings, clock)
    except (CannotEmbed, RecordingError) as error:
        raise CannotMake(str(error)) from error


def _with_random_passwords(users: Mapping[str, str]) -> dict[str, str]:
    return {name: secrets.token_urlsafe(12) if stored == RANDOM else stored for name, stored in users.items()}


# ------------------------------------------------------------------------------------------------------------ process


class _Process:
    """One run of the daemon under a reactor: signals, the exit status, and the last words."""

    def __init__(self, daemon: Daemon, reactor: Any) -> None:
        self.status = 0
        self._daemon = daemon
        self._reactor = reactor
        self._beginning: Deferred[None] | None = None

    def go(self) -> int:
        """Run until a signal or a failure at the start; returns the exit status."""
        self._reactor.callWhenRunning(self._begin)
        self._reactor.addSystemEventTrigger("before", "shutdown", self._end)
        self._reactor.run()
        return self.status

    def _begin(self) -> None:
        set_apart()
        gc.enable()  # which `ilp.cli` had put off until now
        self._beginning = self._daemon.begin()
        self._beginning.addCallbacks(lambda _: set_apart(), self._failed)

    def _failed(self, failure: Any) -> None:
        while failure.check(FirstError):  # several connections were tried together: the first that failed says why
            failure = failure.value.subFailure
        if failure.check(CancelledError):
            return
        # The configuration's fault, or the world's.
        self.status = 2 if failure.check(CannotMake, InvalidParameters) else 1
        if failure.check(*EXPECTED):
            print(f"ilp: {failure.value}", file=sys.stderr)
        else:
            Logger(namespace="ilp.service").failure("the start failed in an unforeseen way", failure)
        with suppress(ReactorNotRunning):
            self._reactor.stop()

    def _end(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._stop()).addErrback(self._stuck)

    def _stuck(self, failure: Any) -> None:
        self.status = 3
        Logger(namespace="ilp.service").failure("stopping failed; look at the venues for what may rest there", failure)

    async def _stop(self) -> None:
        if self._beginning is not None and not self._beginning.called:
            self._beginning.cancel()
        if self.status:
            return  # the start failed and has already put everything away
        await self._daemon.stopService()
        if self._daemon.remaining:
            self.status = 3
            print(f"ilp: stopped, but still at the venues: {', '.join(self._daemon.remaining)}", file=sys.stderr)


def run(loaded: Loaded, log: Form = "human") -> int:
    """Run the daemon until SIGINT or SIGTERM; returns the exit status."""
    from twisted.internet import reactor

    begin(log)
    return _Process(Daemon(loaded, reactor), reactor).go()
