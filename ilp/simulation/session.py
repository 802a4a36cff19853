"""A connection to a simulated venue without a socket: latency, order, loss, silence, reconnecting, deadlines.

Knows calls only as names with a function to run, and events as names with arguments; what they mean is the business of
`inprocess`.  Nothing is ever answered or told in the turn in which it was asked or happened.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, TypeVar

from attrs import frozen
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from clients.calls import bounded
from clients.events import Emitter
from clients.exchange import ExchangeError, NotAuthorised, OutcomeUnknown, Unreachable
from ilp.simulation.faults import Fault, FaultPlan
from ilp.simulation.line import Line

__all__ = ["Conditions", "Session"]

T = TypeVar("T")


@frozen
class Conditions:
    """How good the connection is; all in seconds of the reactor.

    :ivar latency: one way.
    :ivar jitter: up to so much more, drawn anew for each message.
    :ivar deadline: how long a call waits for its answer.
    :ivar ping: how often the client asks whether the line lives; each answer is an `alive` event.
    :ivar silence: after how long without anything the client gives the line up.
    :ivar retry: before the first try to reconnect; each further one waits twice as long, up to 30.
    :ivar events_first: events caused by a request overtake its answer.
    """

    latency: float = 0.0
    jitter: float = 0.0
    deadline: float = 10.0
    ping: float = 5.0
    silence: float = 12.0
    retry: float = 0.5
    events_first: bool = False


@frozen
class _Call:
    """A request that waits for its answer."""

    doing: str
    changes_state: bool
    answer: Deferred[Any]


class Session(Emitter):
    """The connection as a client has it; `ilp.simulation.inprocess` puts the methods of a venue or a feed on it.

    :ivar faults: what will go wrong.
    :ivar down: while true the venue takes no connection.
    :ivar refuses_login: while true it refuses the credentials.
    """

    def __init__(self, name: str, reactor: IReactorTime, conditions: Conditions, random: Random) -> None:
        super().__init__()
        self.name = name
        self.faults = FaultPlan()
        self.down = False
        self.refuses_login = False
        self._reactor = reactor
        self._conditions = conditions
        self._random = random
        self._up = Line(reactor, self._latency)
        self._down = Line(reactor, self._latency)
        self._late: set[IDelayedCall] = set()
        self._calls: dict[int, _Call] = {}
        self._calls_made = 0
        self._logins: list[Deferred[None]] = []
        self._wanted = False
        self._connected = False
        self._joined = False  # the venue's view of the same
        self._silent = False
        self._failures = 0
        self._retry: IDelayedCall | None = None
        self._pinging: IDelayedCall | None = None
        self._heard_at = 0.0
        self._collected: list[Callable[[], None]] | None = None

    def _latency(self) -> float:
        jitter = self._conditions.jitter
        return self._conditions.latency + (self._random.uniform(0, jitter) if jitter else 0.0)

    # ------------------------------------------------------------------------------------------- connecting, leaving

    @property
    def connected(self) -> bool:
        """The client's view."""
        return self._connected

    def connect(self) -> Deferred[None]:
        """Fire when ready for calls; see `IExchange`."""
        if self._connected:
            return succeed(None)
        login: Deferred[None] = Deferred()
        self._logins.append(login)
        if not self._wanted:
            self._wanted = True
            self._try()
        limit = self._conditions.deadline
        return bounded(
            login, limit, self._reactor, lambda: Unreachable(self.name, "connect", f"no connection in {limit:g} s")
        )

    def disconnect(self) -> Deferred[None]:
        """Close in order and stay closed; see `IExchange`."""
        self._wanted = False
        done: Deferred[None] = Deferred()
        self._reactor.callLater(0, self._leave, done)
        return done

    def _leave(self, done: Deferred[None]) -> None:
        self._close("disconnected on request")
        self._end_logins(Unreachable(self.name, "connect", "disconnected on request"))
        done.callback(None)

    def _try(self) -> None:
        self._retry = None
        self._up.send(self._knocked)

    def _knocked(self) -> None:
        if self.refuses_login:
            self._down.send(self._refused)
        elif self.down:
            self._down.send(self._not_let_in)
        else:
            self._joined, self._silent = True, False
            self._down.send(self._let_in)

    def _let_in(self) -> None:
        self._connected = True
        self._failures = 0
        self._heard_at = self._reactor.seconds()
        self._pinging = self._reactor.callLater(self._conditions.ping, self._ping)
        self.announce("connect", self)
        self._end_logins(None)
        self._tell_all()

    def _refused(self) -> None:
        self._wanted = False
        self._end_logins(NotAuthorised(self.name, "connect", "the credentials were refused"))

    def _not_let_in(self) -> None:
        self._failures += 1
        if self._wanted:
            wait = min(30.0, self._conditions.retry * 2 ** min(self._failures - 1, 10))
            self._retry = self._reactor.callLater(wait, self._try)

    def _end_logins(self, error: ExchangeError | None) -> None:
        waiting, self._logins = self._logins, []
        for login in waiting:
            if error is None:
                login.callback(None)
            else:
                login.errback(error)

    def _tell_all(self) -> None:
        """Tell the state of everything, right after `connect`; for the classes that know what there is."""

    # ------------------------------------------------------------------------------------------------------ trouble

    def drop(self) -> None:
        """The venue breaks the line; the client notices in the next turn and reconnects by itself."""
        self._joined = False
        self._up.cut()
        self._down.cut()
        self._down.send(self._lost)

    def fall_silent(self) -> None:
        """Nothing comes and nothing arrives any more, until the client reconnects."""
        self._silent = True
        self._down.cut()

    def _lost(self, why: str = "the connection was lost") -> None:
        self._close(why)
        if self._wanted:
            self._not_let_in()

    def _close(self, why: str) -> None:
        was, self._connected, self._joined = self._connected, False, False
        self._up.cut()
        self._down.cut()
        for timer in (self._pinging, self._retry, *self._late):
            if timer is not None and timer.active():
                timer.cancel()
        self._pinging = self._retry = None
        self._late.clear()
        calls, self._calls = self._calls, {}
        if was:
            self.announce("disconnect", self)
        for call in calls.values():
            call.answer.errback(self._unanswered(call, why))

    def _unanswered(self, call: _Call, why: str) -> ExchangeError:
        return (OutcomeUnknown if call.changes_state else Unreachable)(self.name, call.doing, why)

    def _ping(self) -> None:
        if self._reactor.seconds() - self._heard_at >= self._conditions.silence:
            self._lost(f"nothing heard for {self._conditions.silence:g} s")
            return
        self._pinging = self._reactor.callLater(self._conditions.ping, self._ping)
        self._up.send(self._pinged)

    def _pinged(self) -> None:
        if not self._silent:
            self._down.send(self._pong)

    def _pong(self) -> None:
        self._heard_at = self._reactor.seconds()
        self.announce("alive", self)

    # --------------------------------------------------------------------------------------------------------- calls

    def _call(self, method: str, doing: str, run: Callable[[], T], *, changes_state: bool = False) -> Deferred[T]:
        """Ask the venue to *run* something; the answer has a deadline."""
        if not self._connected:
            return fail(Unreachable(self.name, doing, "not connected"))
        self._calls_made += 1
        key = self._calls_made
        call = _Call(doing, changes_state, Deferred())
        self._calls[key] = call
        fault = self.faults.take(method)
        kind = fault.fault if fault is not None else None
        if kind is not Fault.LOSE_REQUEST:
            late = fault.seconds if fault is not None and kind is Fault.DELAY else 0.0
            error = fault.error() if fault is not None and fault.error is not None else None
            self._up.send(lambda: self._serve(key, run, kind, late, error))
        limit = self._conditions.deadline
        return bounded(call.answer, limit, self._reactor, lambda: self._given_up(key, call, limit))

    def _given_up(self, key: int, call: _Call, limit: float) -> ExchangeError:
        self._calls.pop(key, None)
        return self._unanswered(call, f"no answer in {limit:g} s")

    def _serve(
        self, key: int, run: Callable[[], Any], kind: Fault | None, late: float, error: Exception | None
    ) -> None:
        """At the venue: run the request and send its answer, before or after the events that it caused."""
        if not self._joined or self._silent:
            return
        if kind is Fault.REFUSE and error is not None:
            self._down.send(lambda: self._answered(key, Failure(error)))
            return
        result, events = self._run(run)
        if kind is Fault.DISCONNECT:
            self.drop()
            return
        answer = [] if kind is Fault.LOSE_ANSWER else [lambda: self._answered(key, result)]
        if kind is Fault.DUPLICATE:
            answer *= 2
        if kind is Fault.DELAY:
            self._deliver_late(late, answer[0])
            answer = []
        for message in events + answer if self._conditions.events_first else answer + events:
            self._down.send(message)
        if kind is Fault.SILENCE:
            self.fall_silent()

    def _run(self, run: Callable[[], Any]) -> tuple[Any, list[Callable[[], None]]]:
        self._collected = []
        try:
            result = run()
        except (ExchangeError, NotImplementedError) as error:
            result = Failure(error)
        finally:
            events, self._collected = self._collected, None
        return result, events

    def _answered(self, key: int, result: Any) -> None:
        self._heard_at = self._reactor.seconds()
        call = self._calls.pop(key, None)
        if call is not None:
            call.answer.callback(result)

    # -------------------------------------------------------------------------------------------------------- events

    def _tell(self, event: str, *args: Any) -> None:
        """At the venue: tell the client of something that happened, faults permitting."""
        if not self._joined or self._silent:
            return
        fault = self.faults.take(f"event:{event}")
        kind = fault.fault if fault is not None else None
        if kind in (Fault.LOSE_REQUEST, Fault.LOSE_ANSWER, Fault.REFUSE):
            return
        if kind is Fault.DISCONNECT:
            self.drop()
            return
        if kind is Fault.SILENCE:
            self.fall_silent()
            return
        if fault is not None and kind is Fault.DELAY:
            self._deliver_late(fault.seconds, lambda: self._told(event, args))
            return
        for _ in range(2 if kind is Fault.DUPLICATE else 1):
            self._send(lambda: self._told(event, args))

    def _send(self, message: Callable[[], None]) -> None:
        if self._collected is not None:
            self._collected.append(message)
        else:
            self._down.send(message)

    def _told(self, event: str, args: tuple[Any, ...]) -> None:
        self._heard_at = self._reactor.seconds()
        self.announce(event, *args)

    def _deliver_late(self, seconds: float, message: Callable[[], None]) -> None:
        def deliver() -> None:
            self._late.discard(timer)
            message()

        timer = self._reactor.callLater(seconds + self._latency(), deliver)
        self._late.add(timer)
