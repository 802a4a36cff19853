"""Venues, rates and a journal that misbehave by plan, and a process that can be killed at any of their calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock

from clients.exchange import InsufficientFunds, OrderRejected, RateLimited, Unreachable
from ilp.journal.entries import Entry
from ilp.journal.interface import JournalError, Recovered
from ilp.simulation.faults import Fault, FaultPlan, Planned
from ilp.simulation.inprocess import SimulatedExchange
from ilp.simulation.inprocess_rates import SimulatedRates
from ilp.simulation.rejections import Rejection
from tests.faults.boundaries import Kind, Mishap
from tests.trading.memory_journal import MemoryJournal

__all__ = ["FaultyExchange", "FaultyJournal", "FaultyRates", "Plan"]

LATE = 0.7

_FAULTS = {
    Kind.NO_ANSWER: Fault.LOSE_ANSWER,
    Kind.NOT_HEARD: Fault.LOSE_REQUEST,
    Kind.LATE: Fault.DELAY,
    Kind.DUPLICATE: Fault.DUPLICATE,
    Kind.REFUSAL: Fault.REFUSE,
    Kind.DISCONNECT: Fault.DISCONNECT,
    Kind.KILL: None,
    Kind.KILL_AFTER: Fault.LOSE_ANSWER,
}


def _refusal(what: str) -> Exception:
    if what == "requestWithdrawal":
        return InsufficientFunds("venue", what, "not now")
    if what == "placeOrder":
        return OrderRejected("venue", what, "not now")
    if what in ("cancelOrder", "cancelAllOrders"):
        return RateLimited("venue", what, "slowly", retry_after=0.3)
    return Unreachable("venue", what, "busy")


@define(eq=False)
class Plan(FaultPlan):
    """The mishaps of one place that are still to come; outlives the process.

    :ivar kill: ends the process as soon as this turn of the reactor is over.
    :ivar struck: how often each mishap has struck, for the matrix.
    """

    kill: Callable[[], None] = lambda: None
    struck: Counter[tuple[str, str]] = field(factory=Counter)
    coming: list[tuple[Mishap, list[int]]] = field(factory=list)

    def expect(self, mishap: Mishap) -> None:
        """Plan one."""
        self.coming.append((mishap, [mishap.skip]))

    def strike(self, what: str) -> Kind | None:
        """What goes wrong on this occasion, if anything."""
        for number, (mishap, left) in enumerate(self.coming):
            if mishap.boundary.what != what:
                continue
            if left[0]:
                left[0] -= 1
                continue
            del self.coming[number]
            self.struck[str(mishap.boundary), str(mishap.kind)] += 1
            return mishap.kind
        return None

    def take(self, what: str) -> Planned | None:
        """The same for a simulated venue's session."""
        kind = self.strike(what)
        if kind is None:
            return None
        if kind in (Kind.KILL, Kind.KILL_AFTER):
            if kind is Kind.KILL or what.startswith("event:"):
                self.kill()
            if kind is Kind.KILL:
                return None
        fault = _FAULTS[kind]
        assert fault is not None
        error = (lambda: _refusal(what)) if fault is Fault.REFUSE else None
        return (
            Killing(fault, what, seconds=LATE, error=error)
            if kind is Kind.KILL_AFTER
            else Planned(fault, what, seconds=LATE, error=error)
        )

    def clear(self) -> None:
        """Nothing more goes wrong."""
        self.coming.clear()


class Killing(Planned):
    """A lost answer after which there is nobody left to miss it."""


class FaultyExchange(SimulatedExchange):
    """A simulated venue whose connecting may fail as well, and that kills its client when it has done what it was asked."""

    faults: Plan

    def _knocked(self) -> None:
        kind = self.faults.strike("connect")
        if kind in (Kind.KILL, Kind.KILL_AFTER):
            self.faults.kill()
        if kind in (Kind.NO_ANSWER, Kind.NOT_HEARD, Kind.REFUSAL, Kind.DISCONNECT):
            self._down.send(self._not_let_in)
        elif kind is Kind.LATE:
            self._reactor.callLater(LATE, super()._knocked)
        else:
            super()._knocked()

    def _call(self, method: str, doing: str, run: Callable[[], Any], *, changes_state: bool = False) -> Deferred[Any]:
        before = self.faults.struck[self._cell(method)]

        def served() -> Any:
            result = run()
            if self.faults.struck[self._cell(method)] > before:
                self.faults.kill()
            return result

        return super()._call(method, doing, served, changes_state=changes_state)

    def cancelAllOrders(self, ticker: str | None = None) -> Deferred[Sequence[str]]:
        cell = self._cell("cancelAllOrders", Kind.REFUSAL)
        before = self.faults.struck[cell]
        done = super().cancelAllOrders(ticker)
        resting = self.core.open_orders(self._account)
        if self.faults.struck[cell] > before and len(resting) > 1:
            self._up.send(lambda: self._cancel_one(resting[0].id))
        return done

    def _cancel_one(self, number: int) -> None:
        with suppress(Rejection):  # it may be gone by itself
            self.core.cancel(self._account, number)

    def _cell(self, method: str, kind: Kind = Kind.KILL_AFTER) -> tuple[str, str]:
        return f"{self.name} {method}", str(kind)


class FaultyRates(SimulatedRates):
    """A feed whose fetching fails."""

    faults: Plan

    def _fetch(self) -> None:
        kind = self.faults.strike("fetch")
        if kind in (Kind.KILL, Kind.KILL_AFTER):
            self.faults.kill()
        if kind is Kind.LATE:
            self._timer = self._reactor.callLater(LATE, self._fetch)
            return
        was, self.down = (
            self.down,
            self.down
            or kind
            in (
                Kind.NO_ANSWER,
                Kind.NOT_HEARD,
                Kind.REFUSAL,
                Kind.DISCONNECT,
            ),
        )
        super()._fetch()
        self.down = was
        if kind is Kind.DUPLICATE:
            self._confirmed()


class FaultyJournal(MemoryJournal):
    """A journal that fails, is late, keeps and denies it, or keeps twice; and that a start may not be able to read."""

    def __init__(self, reactor: Clock, plan: Plan) -> None:
        super().__init__(reactor)
        self.clock = reactor
        self.plan = plan

    def record(self, *entries: Entry) -> Deferred[None]:
        kind = self.plan.strike("record")
        if kind in (Kind.KILL, Kind.KILL_AFTER):
            self.plan.kill()
        if kind in (Kind.NOT_HEARD, Kind.REFUSAL, Kind.KILL):
            return self._late(JournalError("the disk is full"))
        written = super().record(*entries)
        if kind is Kind.LATE:
            return written.addCallback(lambda _: self._late(None))
        if kind in (Kind.NO_ANSWER, Kind.DISCONNECT):
            return written.addCallback(lambda _: self._late(JournalError("the database is gone")))
        return written

    def recovered(self) -> Deferred[Recovered]:
        kind = self.plan.strike("recovered")
        if kind in (Kind.KILL, Kind.KILL_AFTER):
            self.plan.kill()
        if kind in (Kind.NO_ANSWER, Kind.NOT_HEARD, Kind.REFUSAL, Kind.DISCONNECT):
            return fail(JournalError("the database is gone"))
        if kind is Kind.LATE:
            return self._late(None).addCallback(lambda _: super(FaultyJournal, self).recovered())
        return super().recovered()

    def _late(self, error: Exception | None) -> Deferred[None]:
        """Answered in a moment, unless the process ends before."""
        done: Deferred[None] = Deferred()
        answer = done.callback if error is None else done.errback
        call = self.clock.callLater(LATE if error is None else 0.01, lambda: done.called or answer(error))
        self._pending.append(call)
        return done
