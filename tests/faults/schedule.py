"""One schedule of faults against a whole pool in virtual time, and what must hold however it goes.

Truth is asked of the venues' own cores.  `Schedule(rich, mishaps, seed).run()` gives the violations, none if all is well.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from decimal import Decimal
from random import Random

from attrs import define, evolve, field

from clients.exchange import Side
from ilp.accounts.audit import faults_of_bookings
from ilp.accounts.units import amount_of
from ilp.bookkeeping import accounted, keep_books
from ilp.journal.entries import (
    BookingEntry,
    CheckpointEntry,
    FillEntry,
    FlowEntry,
    Purpose,
    TransferEntry,
    TransferState,
)
from ilp.simulation.inprocess import EVERYTHING, SPUTNIK
from ilp.simulation.records import Filled
from ilp.simulation.session import Conditions
from ilp.trading.machine import State
from ilp.trading.trader import Refusal, Trader
from tests.faults.boundaries import Mishap
from tests.faults.faulty import FaultyExchange, FaultyJournal, FaultyRates, Plan
from tests.faults.watching import InputWatch
from tests.trading.test_trader import CALM
from tests.trading.world import LIMITS, PARAMETERS, World, settings

__all__ = ["Outcome", "Schedule"]

D = Decimal
ZERO = D(0)
ASSETS = ("BTC", "USD", "HUF")
PLACES = ("source", "target", "rates", "journal")
SAFE = 3.0  # seconds until nothing of ours rests unknown after a kill
LEAST = D("0.01")  # what the source can close
SETTLE = 45.0


@define
class Outcome:
    """What a schedule found.

    :ivar violations: each in a sentence; `struck`: mishaps that really happened; `safe`: seconds to safety after each kill.
    :ivar pulled: seconds that quotes stood on after an input was lost, for each time that one was; `bookings` of the ledger
        that were recomputed; `resting` the most that rested on a side.
    """

    violations: list[str] = field(factory=list)
    struck: Counter[tuple[str, str]] = field(factory=Counter)
    safe: list[float] = field(factory=list)
    withdrawals: int = 0
    fills: int = 0
    bookings: int = 0
    resting: Decimal = ZERO
    pulled: list[float] = field(factory=list)


class FaultyWorld(World):
    """A world whose clients share plans of faults over all lives of the process."""

    def __init__(self, rich: bool, moving: bool, seed: int, jitter: float) -> None:
        self.plans = {place: Plan() for place in PLACES}
        config = settings(parameters=PARAMETERS if moving else CALM, limits=evolve(LIMITS, exposure=D(5)))
        conditions = Conditions(
            latency=0.005, jitter=jitter, deadline=1.0, ping=1.0, silence=4.0, events_first=seed % 2 == 0
        )
        super().__init__(EVERYTHING if rich else SPUTNIK, conditions, config, speed=60.0 if moving else 1.0, seed=seed)

    def clients(self) -> tuple[FaultyExchange, FaultyExchange, FaultyRates]:
        if not isinstance(self.journal, FaultyJournal):
            self.journal = FaultyJournal(self.reactor, self.plans["journal"])
        made = []
        for core in (self.source_core, self.target_core):
            client = FaultyExchange(
                core,
                "pool",
                self.reactor,
                name=core.venue,
                features=self.features,
                conditions=self.conditions,
                random=self.random,
            )
            client.faults = self.plans[core.venue]
            made.append(client)
        rates = FaultyRates(self.clock, self.fixings(), rate_spread="0.0027", rate_age_factor="0", poll=3.0)
        rates.faults = self.plans["rates"]
        return made[0], made[1], rates

    def new_trader(self) -> Trader:
        self.books = accounted(self.journal, self.settings)
        self.books.apart = 4  # so that starts begin with checkpoints
        self.books.load()
        venues = {"source": self.source, "target": self.target}
        trader = Trader(self.settings, venues, self.rates, self.books, self.clock)
        keep_books(trader, self.books)
        return trader


class Schedule:
    """A pool under faults.

    :param rich: venues have client ids, lookups, trade ids; else they look like Sputnik.
    :param jitter: seconds that a message may take longer than another.
    """

    def __init__(self, rich: bool, mishaps: tuple[Mishap, ...], seed: int = 0, jitter: float = 0.01) -> None:
        self.random = Random(seed)
        self.mishaps = mishaps
        self.moving = any(mishap.boundary.moving for mishap in mishaps)
        self.thin = any(mishap.boundary.thin for mishap in mishaps)
        self.rich = rich
        self.world = FaultyWorld(rich, self.moving, seed, jitter)
        self.outcome = Outcome()
        self.side = self.random.choice((Side.BUY, Side.SELL))
        self.killed = False
        self.plan(mishaps)
        self.inputs = InputWatch(self.outcome.pulled, self.bad)
        self.whole = {asset: self.world.bank.total(asset) for asset in ASSETS}
        self.start = {venue: self.world.truth(venue, "BTC") for venue in ("source", "target")}
        self.world.source_core.subscribe(lambda event: self._watch(event) if isinstance(event, Filled) else None)

    def plan(self, mishaps: tuple[Mishap, ...]) -> None:
        """Put every mishap where it will strike, what leads to it included."""
        for plan in self.world.plans.values():
            plan.kill = self._kill_soon
        for mishap in mishaps:
            for lead in mishap.led_by:
                self.world.plans[lead.boundary.where].expect(lead)
            self.world.plans[mishap.boundary.where].expect(mishap)

    # ----------------------------------------------------------------------------------------------------------- running

    def run(self) -> Outcome:
        """Trade through all of it, make peace, and look at what is left."""
        world = self.world
        self.begin()
        self.pass_(1.5)
        self.go()
        if any(mishap.boundary.lead for mishap in self.mishaps):
            self.pass_(0.03)
            world.take(self.side)  # before anybody has looked up what was lost
        # What has to be led to each time needs more of a day.
        for _ in range(7 + 3 * sum(mishap.skip for mishap in self.mishaps if mishap.boundary.each)):
            if self.thin or self.random.random() < 0.8:
                world.take(self.side, str(self.random.randint(2, 10) / D(100)))
                if self.thin:
                    world.show_source(world.bid, world.ask, "0.01", 1)
                    self.pass_(1.4)
            if (
                self.random.random() < 0.5 or self.thin
            ):  # deep again, or no quote would be larger than what is left there
                shift = D(self.random.randint(-3, 3))
                world.show_source(D("249.9") + shift, D("250.1") + shift)
            self.pass_(self.random.choice((0.05, 0.3, 0.8, 1.6)))
            self.go()
        for plan in world.plans.values():
            self.outcome.struck.update(plan.struck)
            plan.clear()
        world.show_source(world.bid, world.ask)
        self.settle()
        self.check()
        return self.outcome

    def begin(self) -> None:
        """A process that cannot read its journal ends, and is started again by whoever minds it."""
        trader = self.world.trader
        trader.begin().addErrback(lambda _: self._kill_soon() if trader is self.world.trader else None)

    def pass_(self, seconds: float) -> None:
        """Let time pass; a killed process is started again."""
        left = seconds
        while left > 0:
            self.world.reactor.advance(0.01)
            left -= 0.01
            if self.killed:
                self.restart()
            self.inputs.look(self.world)
        self.check_whole()

    def go(self) -> None:
        """The operator wants it to trade, where that is possible."""
        if self.world.trader.life.state is State.READY:
            with suppress(Refusal):
                self.world.trader.start("operator")

    def _kill_soon(self) -> None:
        if not self.killed:
            self.killed = True
            self.world.reactor.callLater(0, self._kill)

    def _kill(self) -> None:
        """Nothing more is written and nothing more is sent; what was on its way to a venue may arrive."""
        world = self.world
        world.journal.kill()
        world.trader._close()
        world.journal.kill()  # letting go of calls may have written something: a dead process does not
        world.trader.links.close(world.reactor)

    def restart(self) -> None:
        """Another process on the same journal; how long until it is safe."""
        world = self.world
        world.advance(0.3, 0.01)
        self.killed = False
        world.source, world.target, world.rates = world.clients()
        world.trader = world.new_trader()
        began = world.reactor.seconds()
        self.begin()
        quiet = not any(plan.coming for plan in world.plans.values())
        world.until(lambda: self.killed or not (world.open_orders("source") or world.open_orders()), 20)
        took = world.reactor.seconds() - began
        if quiet and not self.killed:
            self.outcome.safe.append(took)
            if took > SAFE:
                self.bad(f"{took:.2f} s after a kill orders still rest")

    def settle(self) -> None:
        """Peace: everything is resolved, by the venues' records or by an operator who looks at them."""
        world = self.world
        for _ in range(int(SETTLE / 0.5)):
            if self.killed:
                self.restart()
            self.resolve()
            self.go()
            if self.settled():
                break
            self.pass_(0.5)
        else:
            trader = world.trader
            self.bad(f"not settled: {trader.life.state} {trader.reason}, {self.exposure()} open, {trader.status()}")

    def resolve(self) -> None:
        """An operator says that what is UNCERTAIN for long, and that the venue does not know, has not left."""
        trader = self.world.trader
        for entry in trader.transfers.uncertain:
            if (self.world.clock.now() - entry.since).total_seconds() > 10 * self.world.clock.speed:
                trader.transfers.act("operator", entry.id, "resolve", D(0), "not there").addErrback(lambda _: None)

    def settled(self) -> bool:
        """Hedged, quoting or kept from it by a transfer, and of one opinion with the venues about what rests."""
        world, trader = self.world, self.world.trader
        if trader.life.state is not State.TRADING or trader.transfers.uncertain:
            return False
        ours = {(order.venue, order.order_id) for order in trader.desk.live()}
        theirs = {(venue, str(order.id)) for venue in ("source", "target") for order in world.open_orders(venue)}
        if ours != theirs or trader.recorder.failing:
            return False
        if self.moving:
            return abs(trader.floor.exposure.net) < LEAST
        return len(theirs) == 2 and abs(self.exposure()) < LEAST

    # ---------------------------------------------------------------------------------------------------------- invariants

    def bad(self, what: str) -> None:
        """Keep a violation."""
        self.outcome.violations.append(what)

    def exposure(self) -> Decimal:
        """Base received on both venues together, where no money moves between them: what really is open."""
        return sum((self.world.truth(venue, "BTC") - before for venue, before in self.start.items()), D(0))

    def _watch(self, event: Filled) -> None:
        """A taker who sells gives us base: only a sale may follow on the source, and never more than is open."""
        if self.moving or event.fill.account != "pool":
            return
        if self.exposure() * (1 if self.side is Side.SELL else -1) < 0:
            self.bad(f"over-hedged: {event.fill} leaves {self.exposure()}")

    def check(self) -> None:
        """Everything that must hold in the end."""
        world = self.world
        self.outcome.resting = world.most_resting
        if world.most_resting > D("0.1"):
            self.bad(f"{world.most_resting} rested on a side, allowed 0.1")
        if not self.moving and world.trader.floor.exposure.net != self.exposure():
            self.bad(f"exposure is {self.exposure()}, the trader believes {world.trader.floor.exposure.net}")
        self.check_fills()
        self.check_withdrawals()
        world.trader.stop("operator")
        self.pass_(3)
        # What has arrived at a venue is known here when its records are next read: at each sweep.
        world.until(lambda: not self.differences(), world.settings.timing.sweep + 5, 0.05)
        self.check_books()
        self.check_whole()
        remaining = world.end()
        for venue in ("source", "target"):
            if world.open_orders(venue):
                self.bad(f"orphan orders at {venue}: {world.open_orders(venue)}; the trader says {remaining}")

    def check_whole(self) -> None:
        """Of each asset there is as much as in the beginning: at the venues, under way, charged, paid out or converted."""
        for asset, before in self.whole.items():
            if (now := self.world.bank.total(asset)) != before:
                self.bad(f"there are {now} {asset} in the world, there were {before}")

    def check_fills(self) -> None:
        """Every unit that the venues traded for us is in the journal once."""
        world = self.world
        for venue in ("source", "target"):
            fills = [fill for fill in self.fills() if fill.venue == venue]
            core = world.core(venue)
            traded = D(sum(f.quantity for f in core.fills("pool", world.clock.start, world.clock.now()))) / 10**8
            told = sum((fill.quantity for fill in fills), D(0))
            self.outcome.fills += len(fills)
            if told != traded:
                self.bad(f"{venue} traded {traded}, the journal has {told}")
            if not self.moving and {fill.purpose for fill in fills} - {Purpose.HEDGE, Purpose.QUOTE}:
                self.bad(f"{venue}: fills of a plan where there was none")

    def untold(self, venue: str, asset: str) -> Decimal:
        """How far the books may be off: a venue that tells neither fees nor average prices leaves both to be assumed."""
        if self.rich or asset == "BTC":
            return D(0)
        traded = sum(fill.quantity * fill.price for fill in self.fills() if fill.venue == venue)
        return D("0.04") * traded  # a price move and a slippage away from the limit

    def fills(self) -> list[FillEntry]:
        """Those of the journal; one that was written twice counts once."""
        return list({(fill.venue, fill.key): fill for fill in self.world.journal.of(FillEntry)}.values())

    def check_withdrawals(self) -> None:
        """No transfer left twice: each withdrawal at a venue is one transfer's, and each transfer has one at most."""
        called = [entry for entry in self.world.journal.newest(TransferEntry, "id") if entry.called]
        for venue in ("source", "target"):
            core = self.world.core(venue)
            made = sorted(core.currency(w.currency).amount(w.amount) for w in core.withdrawals("pool"))
            ours = sorted(e.amount for e in called if e.from_venue == venue)
            self.outcome.withdrawals += len(made)
            for amount in made:
                if amount not in ours:
                    self.bad(f"{venue}: a withdrawal of {amount} that no transfer explains; transfers have {ours}")
                    return
                ours.remove(amount)
        ids = [
            (e.from_venue, e.withdrawal_id) for e in called if e.withdrawal_id and e.state is not TransferState.FAILED
        ]
        if len(ids) != len(set(ids)):
            self.bad(f"one withdrawal cleared two transfers: {ids}")

    def check_books(self) -> None:
        """The pool's own ledger holds what the venues hold, and its terms add up."""
        world, books = self.world, self.world.books.books
        if books.opened is None:
            self.bad("the ledger never opened")
            return
        if fault := books.fault():
            self.bad(fault)
        journal = world.journal
        entries: dict[str, BookingEntry] = {booking.key: booking for booking in journal.of(BookingEntry)}
        self.outcome.bookings = len(entries)
        things = (
            self.fills(),
            journal.newest(TransferEntry, "id"),
            journal.newest(FlowEntry, "key"),
        )
        newest = next(reversed(journal.of(CheckpointEntry)), None)
        for fault in faults_of_bookings([entries[key] for key in sorted(entries)], *things, newest):
            self.bad(fault)
        for difference in self.differences():
            self.bad(difference)

    def differences(self) -> list[str]:
        """Where a venue holds something else than the books say."""
        found = []
        for venue, asset in self.world.trader.layout.holdings:
            held = amount_of(self.world.books.books.balances.get((venue, asset), 0))
            truth = self.world.truth(venue, asset)
            if abs(held - truth) > self.untold(venue, asset):
                found.append(f"{venue} holds {truth} {asset}, the books have {held}")
        return found
