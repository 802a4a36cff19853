"""From a CALL to its envelope: parameters are bound, refusals become errors, and faults interfere on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import define, field, frozen
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from ilp.simulation.rejections import Rejection

from .errors import Code, Refusal, code_of
from .faults import CallRule, Faults, Kind
from .router import Incoming, Realm
from .schema import Parameter, bind

__all__ = ["Calls", "Request"]


@define(eq=False)
class Request:
    """A call being carried out; whoever does so may answer it before it is finished."""

    username: str
    _send: Callable[[object], None]
    answered: bool = False

    def succeed(self, result: object) -> None:
        """Answer now."""
        self._answer({"success": True, "result": result})

    def fail(self, error: Sequence[object]) -> None:
        """Answer with an error now."""
        self._answer({"success": False, "error": list(error)})

    def _answer(self, envelope: object) -> None:
        if not self.answered:
            self.answered = True
            self._send(envelope)


@frozen
class _Entry:
    parameters: tuple[Parameter, ...]
    function: Callable[..., object]


@define(eq=False)
class Calls:
    """All procedures of a venue.

    :ivar reactor: for answers that come late on demand.
    """

    realm: Realm
    faults: Faults
    reactor: IReactorTime
    _entries: dict[str, _Entry] = field(factory=dict)
    _late: set[IDelayedCall] = field(factory=set)
    _log = Logger()

    def register(self, uri: str, function: Callable[..., object], *parameters: Parameter) -> None:
        """Offer *function*: called with the `Request` and the values of *parameters*; what it returns is the result."""
        self._entries[uri] = _Entry(parameters, function)
        self.realm.procedures[uri] = self._incoming

    def stop(self) -> None:
        """Forget the answers that are still held back."""
        for call in self._late:
            call.cancel()
        self._late.clear()

    def _incoming(self, incoming: Incoming) -> None:
        rule = self.faults.take(incoming.procedure)
        request = Request(incoming.caller.authid, lambda envelope: self._answer(incoming, rule, envelope))
        if rule is not None and not rule.effect:
            request.fail([rule.code])  # only a refusal shows it
        else:
            self._carry_out(incoming, request)

    def _carry_out(self, incoming: Incoming, request: Request) -> None:
        entry = self._entries[incoming.procedure]
        try:
            result = entry.function(request, *bind(entry.parameters, incoming.args, incoming.kwargs))
        except Refusal as refusal:
            if refusal.error[0] != Code.SCHEMA or not self.faults.silent_schema_errors:
                request.fail(refusal.error)
        except Rejection as rejection:
            request.fail([code_of(rejection).value])
        except Exception:  # noqa: BLE001 - the boundary: as in the original, whatever goes wrong inside is an envelope
            self._log.failure("{procedure} failed", procedure=incoming.procedure)
            request.fail([Code.GENERIC.value])
        else:
            request.succeed(result)

    def _answer(self, incoming: Incoming, rule: CallRule | None, envelope: object) -> None:
        kind = None if rule is None else rule.kind
        if kind is Kind.LOSE:
            return
        if kind is Kind.TIME_OUT:
            envelope = {"success": False, "error": [Code.CALL_TIMED_OUT.value]}
        elif kind is Kind.GARBLE:
            envelope = "garbled"
        for _ in range(2 if kind is Kind.REPEAT else 1):
            self._send(incoming, envelope)

    def _send(self, incoming: Incoming, envelope: object) -> None:
        if not self.faults.delay_answers:
            incoming.answer(envelope)
            return

        def late() -> None:
            self._late.discard(call)
            incoming.answer(envelope)

        call = self.reactor.callLater(self.faults.delay_answers, late)
        self._late.add(call)
