"""The trader: owns the parts, the state machine and the one place where a turn begins.  Decides nothing about prices.

Everything that happens asks for a turn; however much happens, there is one turn of it per turn of the reactor, and it sees
the newest picture only.  What waits for time is one delayed call, set to the earliest of all the times that the parts name.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from attrs import evolve
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from clients.exchange import Book, IExchange, IRateFeed, Order, Side
from ilp.clock import WorldClock
from ilp.journal.entries import IntentEntry, OrderState, Purpose, StateEntry
from ilp.journal.interface import Journal, Recovered
from ilp.metrics import Metrics
from ilp.settings import RESERVE, Parameters, Settings
from ilp.trading import pauses
from ilp.trading.audit import Audit
from ilp.trading.caretaker import Caretaker
from ilp.trading.checks import checks
from ilp.trading.duties import Duties
from ilp.trading.exposure import Exposure
from ilp.trading.facts import GateFacts
from ilp.trading.fills import Fills, remembered
from ilp.trading.floor import Floor
from ilp.trading.gate import Gate
from ilp.trading.hedger import Hedger
from ilp.trading.layout import Layout, Pair
from ilp.trading.links import Links
from ilp.trading.loop import Loop
from ilp.trading.machine import Event, Lifecycle, State
from ilp.trading.market import Market
from ilp.trading.money import Money, beyond, withdraw
from ilp.trading.orders import Desk
from ilp.trading.own import Growth, OwnOrder
from ilp.trading.pace import Pace
from ilp.trading.pauses import Pause
from ilp.trading.permissions import Act, Leave
from ilp.trading.planner import Planner
from ilp.trading.quotes import Quoter
from ilp.trading.reader import VenueReader
from ilp.trading.recorder import Recorder
from ilp.trading.runs import Run
from ilp.trading.statement import found, status_of
from ilp.trading.status import Alarm, Check, Confirmation, Recovery, TraderStatus
from ilp.trading.strategy import LiquidityPool, Strategy
from ilp.trading.transfers import Transfers
from ilp.trading.variances import Variances

__all__ = ["Refusal", "Trader"]

UNHEARD = timedelta(seconds=15)  # of the reactor: how long after the end of a run its last request may still arrive
TICK = 0.001  # an input is too old only *after* its limit
SOON = 0.01  # the least wait for something that is due already


class Refusal(Exception):
    """An operator's act was refused and nothing has changed.

    :ivar reasons: why, each with its numbers.
    """

    def __init__(self, *reasons: str) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


class Trader:
    """One pool on two venues, or on two pairs of one.

    :param venues: clients by the names of the layout; the gate alone keeps their placing methods.
    :param feed: rates; None where both venues use one currency.
    :param clock: the world's clock and with it the reactor.
    :param strategy: what the pool wants.
    :ivar metrics: figures of this trader; `pace` fills in how fast it reacts.
    """

    log = Logger()

    def __init__(
        self,
        settings: Settings,
        venues: Mapping[str, IExchange],
        feed: IRateFeed | None,
        journal: Journal,
        clock: WorldClock,
        *,
        strategy: Strategy | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock
        source, target = (Pair(settings.account_of(role), settings.tickers[role]) for role in ("source", "target"))
        self.layout = Layout(source, target, tuple((RESERVE, asset) for asset in settings.reserves))
        self._journal = journal
        self._seconds = clock.reactor.seconds
        late = timedelta(seconds=settings.ages.clock_skew) + UNHEARD * clock.speed
        self._run = Run(clock.now(), late)
        self._ids = self._run.next_name
        self.metrics = metrics or Metrics()
        self.pace = Pace(self.metrics, lambda venue, id: self.desk.known(venue, id))
        self._readers = {name: VenueReader(venue, cancelled=self.pace.cancel_sent) for name, venue in venues.items()}
        self.life = Lifecycle(self._changed, self._undefined)
        self.since, self.by, self.reason = clock.now(), "machine", "started"
        self.wanted = False
        self.halted: StateEntry | None = None
        self.confirmation, self.recovery = Confirmation(), Recovery()
        self.alarms: deque[Alarm] = deque(maxlen=50)
        self._may_resume = settings.autostart
        self._starting = True  # until it is READY for the first time
        self._next_call: IDelayedCall | None = None
        self._errand: Deferred[None] | None = None
        self._running: set[Deferred[Any]] = set()
        self._subscribers: list[Callable[[], None]] = []
        self._closed = False
        self._zero: list[Deferred[None]] = []
        self._cleared = False  # every venue that answers has confirmed zero, and nothing of ours is in doubt elsewhere
        exposure = Exposure(self._ids)
        self._build_doors(venues, journal, exposure)
        self._build_floor(exposure)
        self._build_parts(feed, strategy or LiquidityPool())

    def _build_doors(self, venues: Mapping[str, IExchange], journal: Journal, exposure: Exposure) -> None:
        """The picture, the gate, and what sends through it."""
        settings, clock = self.settings, self.clock
        self.market = Market(self.layout, settings.ages, self._seconds, clock.now)
        self.recorder = Recorder(journal, self._seconds, self.wake)
        self.facts = GateFacts(
            self.layout,
            self.market,
            exposure,
            self._readers,
            settings.transfers,
            lambda: self.life.state,
            lambda: self.floor.parameters,
            lambda venue, side: self.desk.live(venue, side=side),
            lambda: self.floor.inputs_trouble(),
        )
        self.facts.leaving = lambda venue, asset, but: self.transfers.leaving(venue, asset, but)
        traded = {name: venues[name] for name in self.layout.traded}
        limits, seconds, halt = settings.limits, self._seconds, self.halt
        self.gate = Gate(traded, limits, self.facts, seconds, clock.now, lambda breach: halt(str(breach), "gate"))
        self.gate.sent, self.gate.amended = self.pace.order_sent, self.pace.amend_sent
        self.desk = Desk(self.gate, self._readers, self, self._seconds, clock.now)
        self.market.own = self._own_orders
        self.audit = Audit(self.desk, foreign=self._run.is_foreign, nobodys=self._run.is_nobodys)
        self.transfers = Transfers(
            venues={name: self._readers[name] for name in traded},
            journal=journal,
            rules=settings.transfers,
            coins={self.layout.base},
            per_day=settings.limits.transfers_per_day,
            now=clock.now,
            ids=self._ids,
            withdraw=lambda entry: withdraw(self.gate, self.layout, self.market, entry),
            beyond=lambda entry: beyond(self.gate, self.layout, self.market, entry),
            changed=self.wake,
            broken=self.recorder.suspect,
        )

    def _build_floor(self, exposure: Exposure) -> None:
        """What the parts share."""
        self.floor = Floor(
            self.settings,
            self.layout,
            self.settings.parameters,
            self.clock,
            self._readers,
            self.market,
            self.recorder,
            exposure,
            self.gate,
            self.desk,
            self.audit,
            Money(self.layout, self.transfers, lambda: bool(self.floor.paused(Act.TRANSFER))),
            self._ids,
            self.facts.permitted,
            self.alarm,
            paused=lambda act: pauses.paused_by(self.facts.pauses, act),
        )
        self.fills = Fills(
            self.layout,
            self.market,
            self.gate,
            self.floor.exposure,
            self.recorder,
            lambda: self.floor.parameters,
            self._seconds,
            self.clock.now,
        )

    def _build_parts(self, feed: IRateFeed | None, strategy: Strategy) -> None:
        """The parts that listen, decide and act."""
        clock = self.clock
        self.links = Links(
            self.layout, self._readers, feed, self.market, self.desk, self.audit, self.transfers, self, clock.now
        )
        clocks = self.floor.clocks
        self.links.stamped, self.links.timed, self.links.told = clocks.stamped, clocks.timed, clocks.told
        source = self.layout.source.venue
        self.variances = Variances(self.settings.variance, self.layout, self._readers[source], feed, clock)
        planner = Planner(self.floor, self.transfers, self.links.read_everything, self.wake)
        self.loop = Loop(self.floor, strategy, Quoter(self.floor), Hedger(self.floor), planner)
        self.loop.solved, self.loop.priced = self.pace.solved, self.pace.priced
        self.duties = Duties(self.floor, self.links, self.variances, self.report)
        self.caretaker = Caretaker(self.floor, self.links, self.variances, self.transfers, self._own)

    # --------------------------------------------------------------------------------------------- coming and going

    def begin(self) -> Deferred[None]:
        """Take up what the journal remembers and connect; fires when the first tries have ended.

        Fails when the journal cannot be read and when a venue refuses the credentials.
        """
        return Deferred.fromCoroutine(self._begin())

    async def _begin(self) -> None:
        recovered = await self._journal.recovered()
        if recovered.seen is not None:
            # A clock that was ahead for a moment leaves entries of times that are still to come.
            recovered = evolve(recovered, seen=min(recovered.seen, self.clock.now()))
        await self.transfers.recover(recovered)
        await self._recover(recovered)
        self.recovery = Recovery(len(recovered.orders), len(self.transfers.open))
        if recovered.halted is not None:
            self.life.fire(Event.HALT, recovered.halted.reason, recovered.halted.by)
        self.wake()
        await self.links.open()

    async def _recover(self, recovered: Recovered) -> None:
        self.wanted, self.facts.pauses = recovered.wanted, pauses.read(recovered.paused)
        self.desk.recover(recovered.orders, recovered.fills)
        fills, links = await remembered(self._journal, self.clock.now(), recovered.began)
        self.fills.recover(fills, links)
        for fill in fills:
            self.desk.settled.add((fill.venue, fill.order_id))
        await self.duties.recover(self._journal, recovered, self._run, fills)
        for entry in self.transfers.entries:
            if entry.departed is not None:
                self.gate.departed((entry.asset, entry.from_venue, entry.to_venue), entry.departed)

    def shutdown(self, by: str = "signal") -> Deferred[tuple[str, ...]]:
        """Stop as STOPPING does, for at most `shutdown_timeout`; fires with what remains at the venues."""
        self.life.fire(Event.SHUTDOWN, "asked to stop", by)
        return Deferred.fromCoroutine(self._shut_down())

    async def _shut_down(self) -> tuple[str, ...]:
        if self.confirmation.at is None and any(self.market.connected.values()):
            zero: Deferred[None] = Deferred(lambda d: d.callback(None))
            self._zero.append(zero)
            zero.addTimeout(self.settings.timing.shutdown_timeout, self.clock.reactor, lambda result, _: result)
            await zero
        remaining = self._remaining()
        if not remaining:
            await self.caretaker.release()
        self._close()
        await self.links.close(self.clock.reactor)
        return remaining

    def _remaining(self) -> tuple[str, ...]:
        """What may still rest: what the venues report, what we do not know to be final, and who did not answer."""
        # Where this run never looked, the one before may have left what its journal lost with it.
        if self.confirmation.at is not None or (self._cleared and self.duties.lost_since is None):
            return ()
        live = (f"{order.venue}/{order.order_id or order.key}" for order in self.desk.live())
        found = tuple(dict.fromkeys([*self.confirmation.remaining, *live]))
        asked = {venue for venue in self.layout.traded if self._cleared and self.market.connected.get(venue, False)}
        return found or tuple(f"{venue}: not confirmed" for venue in self.layout.traded if venue not in asked)

    def _close(self) -> None:
        self._closed = True
        if self._next_call is not None and self._next_call.active():
            self._next_call.cancel()
        self.duties.abandon()
        if self._errand is not None:
            self._errand.cancel()
        for running in tuple(self._running):
            running.cancel()
        self.loop.planner.close()
        self.desk.close()
        self.recorder.close()

    # ---------------------------------------------------------------------------------------------- the operator's acts

    def checks(self) -> tuple[Check, ...]:
        """What has to hold before START, each with its numbers."""
        return checks(self.floor, self.life.state, self.variances, self.transfers.uncertain)

    def start(self, by: str) -> None:
        """Wish to trade; `Refusal` with every check that fails."""
        self._notify()  # while it is READY: a ledger that is not open yet opens now, or a day's limits would see nothing
        if failing := [f"{check.name}: {check.message}" for check in self.checks() if not check.ok]:
            raise Refusal(*failing)
        self._intend(True, by)
        self._may_resume = self.settings.resume
        self.life.fire(Event.START, "started", by)

    def stop(self, by: str) -> None:
        """Stop trading, in every state."""
        self._intend(False, by)
        self.life.fire(Event.STOP, "stopped", by)

    def halt(self, reason: str, by: str) -> None:
        """Cancel everything at once and stay halted until `reset`."""
        self.life.fire(Event.HALT, reason or "halted", by)

    def reset(self, note: str, by: str) -> None:
        """Acknowledge a halt; needs a written note."""
        if self.life.state is not State.HALTED:
            raise Refusal(f"{self.life.state}: there is no halt to acknowledge")
        if not note.strip():
            raise Refusal("a note is needed that says what was found")
        self.life.fire(Event.RESET, note.strip(), by)

    def pause(self, what: Pause, on: bool, by: str) -> None:
        """Put something on pause or take it off; it stays so over a restart.  Quotes on pause leave with the next turn."""
        before, self.facts.pauses = self.facts.pauses, self.facts.pauses | {what} if on else self.facts.pauses - {what}
        if self.facts.pauses != before:
            self.log.info("{by}: {what} {how}", by=by, what=what, how="paused" if on else "not paused any more")
            self.recorder.record(IntentEntry(self.wanted, by, self.clock.now(), pauses.write(self.facts.pauses)))
            self.loop.forget()
            self.wake()

    def apply(self, parameters: Parameters) -> None:
        """Trade with other parameters from now on."""
        self.floor.parameters = parameters
        self.loop.forget()
        self.wake()

    def hedge(self, by: str) -> None:
        """Close the open exposure now; `Refusal` with the reason where that is not possible."""
        self.log.info("{by} asks for a hedge now", by=by)
        if reason := self.loop.hedge_now(Leave.OPERATOR):
            raise Refusal(reason)

    def cancel(
        self, venue: str, by: str, id: str | None = None, side: Side | None = None, ticker: str | None = None
    ) -> int:
        """Cancel one order, one side, or every own order at a venue, of one pair or of all; returns how many."""
        found = [order for order in self.desk.live(venue, ticker, side) if id in (None, order.order_id, order.key)]
        others = self.audit.take_off(venue, id) if side is None and ticker is None and not (id and found) else 0
        if id is not None and not found and not others:
            raise Refusal(f"{venue} has no live order {id} of ours")
        for order in found:
            self.desk.cancel(order, f"cancelled by {by}")
        return len(found) + others

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call *changed* after each turn; returns how to stop that."""
        self._subscribers.append(changed)
        return lambda: self._subscribers.remove(changed)

    def status(self) -> TraderStatus:
        """How the trader stands."""
        return status_of(self)

    # ------------------------------------------------------------------------------------------------- the state machine

    def _changed(self, previous: State, new: State, reason: str, by: str) -> None:
        self.since, self.by, self.reason = self.clock.now(), by, reason
        entry = StateEntry(new, previous, reason, by, self.since)
        self.recorder.record(entry)
        self.log.info("{previous} → {new}: {reason} ({by})", previous=previous, new=new, reason=reason, by=by)
        self.duties.abandon()
        if self._errand is not None:
            self._errand.cancel()
            self._errand = None
        if new is State.DISCONNECTED and not self._starting:  # a start counts what the journal remembers
            self.recovery, self.audit.strays = Recovery(len(self.desk.live()), len(self.transfers.open)), set()
        if new is State.INITIALIZING:
            self._run_errand(self._initialize())
        elif new is State.TRADING:
            self.facts.armed, self.confirmation = True, Confirmation()
            self.loop.planner.reset()
        elif new is not State.READY:
            self._withdraw_from_market(new, reason)
        if new in (State.READY, State.HALTED):
            self.facts.armed = False
        if new is State.HALTED:
            self.halted, self._may_resume = entry, False
            self.alarm("halt", reason)
        elif previous is State.HALTED and new is State.DISCONNECTED:
            self.halted = None
        if new is State.READY:
            self._starting = self._run.starting = False
            self._notify()  # a trader that resumes is READY for this one instant, in which the ledger opens
        self.wake()

    def _withdraw_from_market(self, state: State, reason: str) -> None:
        """Cancel own orders on every venue still reachable, and ask until the venues confirm it."""
        self.confirmation, self._cleared = Confirmation(), False
        self.desk.cancel_all(f"{state}: {reason}")
        self._run_errand(self._clear())

    async def _initialize(self) -> None:
        await self.duties.prepare()
        self._errand = None  # the change of state must not cancel the errand that makes it
        self.life.fire(Event.INITIALIZED, f"ready, found {found(self)}")

    async def _clear(self) -> None:
        while True:
            await self.duties.clear(self._confirmed)
            self._cleared = True
            if self.life.state is not State.STOPPING:
                break
            settled = not self.loop.hedger.closable() or bool(self.loop.hedger.overdue())
            if settled and abs(self.floor.exposure.net) <= self.settings.limits.exposure:
                self._errand = None  # the change of state must not cancel the errand that makes it
                self.life.fire(Event.STOPPED, f"0 live orders, confirmed {self.clock.now():%H:%M:%S} UTC")
                return
            await self.duties.pause()
        for zero in self._zero:
            if not zero.called:
                zero.callback(None)

    def _confirmed(self, confirmation: Confirmation) -> None:
        self.confirmation = confirmation
        self._notify()

    def _undefined(self, state: State, event: Event, reason: str) -> None:
        self.log.warn("{event} means nothing in {state}: {reason}", event=event, state=state, reason=reason)

    def _intend(self, wanted: bool, by: str) -> None:
        if wanted != self.wanted:
            self.wanted = wanted
            self.recorder.record(IntentEntry(wanted, by, self.clock.now(), pauses.write(self.facts.pauses)))

    def _step(self) -> None:
        """What the machine does of its own accord."""
        places = [*self.layout.venues, *([] if self.links.feed is None else [""])]
        connected = [self.market.connected.get(place, False) for place in places]
        if self.life.state is State.DISCONNECTED and all(connected):
            self.life.fire(Event.CONNECTED, "every venue is connected")
        if self.life.state is State.READY and self.wanted and self._may_resume and all(c.ok for c in self.checks()):
            self._may_resume = self.settings.resume
            self.life.fire(Event.START, "resumed", "machine")

    # ------------------------------------------------------------------------------------------------------- the turn

    def wake(self) -> None:
        """Ask for a turn; any number of wishes make one."""
        self._call_in(0.0)

    def _call_in(self, seconds: float) -> None:
        if self._closed:
            return
        if self._next_call is not None and self._next_call.active():
            if self._next_call.getTime() <= self._seconds() + seconds:
                return
            self._next_call.cancel()
        self._next_call = self.clock.reactor.callLater(seconds, self._turn)

    def _turn(self) -> None:
        self.pace.turn_begins()
        left = self._guarded("a turn of the trader failed", self._work)
        self.pace.turn_ends(bool(self.loop.hedger.closable()), self.loop.quoter.waiting())
        if left:
            # What was sent leaves once this is over: everything else has a turn of its own, right after it.
            self.wake()
            return
        self._guarded("an entry could not be made", self.recorder.flush)
        self._notify()
        self._arm()

    def _work(self) -> bool:
        """What a turn does; whether something is left for another one."""
        self.recorder.retry()
        self._step()
        for venue in self.desk.tick():
            if self.market.connected.get(venue, False):
                self.audit.read(venue)
        if self.loop.turn(self.life.state):
            return True
        self.caretaker.tend(self.life.state)
        return False

    def _guarded(self, what: str, work: Callable[[], bool | None]) -> bool:
        """What *work* says; where it breaks the pool halts."""
        try:
            return bool(work())
        except Exception as error:  # noqa: BLE001  quotes must not rest while nobody minds them
            self.log.failure(what)
            self.halt(f"{what}: {error!r}", "machine")
            return False

    def _arm(self) -> None:
        """Set the one delayed call to the earliest time that anything waits for."""
        now = self._seconds()
        skewed = self.floor.clocks.expires()
        times = [time for time in (self.desk.due(), self.recorder.retry_at, skewed) if time is not None]
        times += [*self.loop.due(), *self.caretaker.due()]
        times += [now + wait + TICK for wait in (self.market.expires(), self.market.ages_at()) if wait is not None]
        if (rate := self.market.rate_expires()) is not None:
            times.append(now + rate / self.clock.speed + TICK)
        self._call_in(max(SOON, min(times, default=now + 1.0) - now))

    def _notify(self) -> None:
        for changed in tuple(self._subscribers):
            changed()

    # ------------------------------------------------------------------------------------- what connections and desk tell

    def connected(self, venue: str) -> None:
        """A venue, or the feed (empty), is ready for calls."""
        if self.life.state in (State.DISCONNECTED, State.HALTED) and self._errand is None:
            self._run_errand(self._clear())  # what an earlier run left there must not rest until the others are there
        self.wake()

    def lost(self, venue: str) -> None:
        """A connection is lost: own orders are cancelled on every venue still reachable, at once."""
        self.market.connected[venue] = False
        self.life.fire(Event.LOST, f"the connection to {venue or 'the rate feed'} is lost")
        self.wake()

    def report(self, message: str, error: BaseException | None = None) -> None:
        """Something went wrong that no caller waits for."""
        self.log.warn("{message}{error}", message=message, error=f": {error!r}" if error is not None else "")

    def alarm(self, kind: str, message: str) -> None:
        """Something needs an operator's eyes."""
        self.alarms.append(Alarm(kind, message, self.clock.now()))
        self.log.error("{kind}: {message}", kind=kind, message=message)

    def orders_read(self, venue: str) -> None:
        """The open orders of a venue were read again."""
        self.market.on_orders(venue)

    def order_changed(self, order: OwnOrder) -> None:
        """Keep it, and let the part that sent it know when it was refused."""
        self.recorder.record(order.entry_of(self.clock.now()))
        if order.state is OrderState.REFUSED:
            if order.purpose is Purpose.QUOTE:
                self.loop.quoter.refused(order)
            elif order.purpose is Purpose.HEDGE:
                self.loop.hedger.refused(order)
        elif order.final and order.purpose is Purpose.HEDGE and order.filled < order.quantity:
            self.loop.hedger.unfilled(order)
            self.links.read_book(self.layout.place(self.layout.source))
        self.wake()

    def order_strange(self, venue: str, record: Order) -> None:
        """An order that we did not place: where the account is exclusive, somebody else uses it, else another daemon may."""
        exclusive = "client_id" not in self._readers[venue].features
        if why := self._run.intrusion(record, self.life.state, exclusive=exclusive):
            what = f"{record['side']} {record['quantity']} {record['contract']} at {record['price']}"
            self.halt(f"{venue}: order {record['id']} ({what}) {why}", "machine")

    def order_absurd(self, order: OwnOrder, what: str) -> None:
        """The venue says of an own order what cannot be: nothing is hedged by that."""
        self.halt(f"{order.venue} says: order {order.order_id} of {order.quantity} {what}", "machine")

    def order_filled(self, order: OwnOrder, growth: Growth, trade_id: str | None) -> None:
        """Apply a fill, or a correction of what it cost (quantity 0), to the picture, to exposure and to the journal."""
        if self._starting or self.life.state is State.INITIALIZING:
            self.recovery = evolve(self.recovery, fills=self.recovery.fills + bool(growth.quantity))
        self.metrics.count("ilp_fills_total", "Fills of own orders.", bool(growth.quantity))
        self.fills.take(order, growth, trade_id)
        if order.purpose is Purpose.QUOTE:
            self.pace.fill_told(bool(self.loop.hedger.closable()))
        self.wake()

    def book_told(self, pair: Pair, before: Book) -> None:
        """A book is in the picture; one of the source that changes no decision asks for no turn."""
        moved = pair != self.layout.source or not self.loop.unmoved(before)
        if pair == self.layout.source:
            self.pace.book_told(moved)
        if moved:
            self.wake()

    # ------------------------------------------------------------------------------------------------------- details

    def _own_orders(self, pair: Pair) -> list[tuple[Side, Decimal, Decimal]]:
        return [(order.side, order.price, order.left) for order in self.desk.live(pair.venue, pair.ticker)]

    def _run_errand(self, work: Coroutine[Any, Any, None]) -> None:
        """The state's own errand; the next change of state cancels it."""
        errand = self._own(work)
        if not errand.called:
            self._errand = errand

    def _own(self, work: Coroutine[Any, Any, None]) -> Deferred[None]:
        """Own a piece of work until it ends; what it did not expect is reported."""
        running = Deferred.fromCoroutine(work)
        self._running.add(running)
        return running.addBoth(self._ended, running)

    def _ended(self, result: Any, running: Deferred[None]) -> None:
        self._running.discard(running)
        if running is self._errand:
            self._errand = None
        error = getattr(result, "value", None)
        if isinstance(error, BaseException) and not isinstance(error, CancelledError):
            self.report("an errand failed", error)
