"""One WebSocket v2 connection to Kraken: requests with their answers, pushes by channel, sign of life.

Keeps no book and no order, and does not reconnect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from itertools import count
from typing import Any

import msgspec
from attrs import define, field
from twisted.internet.defer import Deferred

from clients.calls import bounded
from clients.exchange import ExchangeError, OutcomeUnknown, Unreachable
from clients.kraken_errors import About, error_for
from clients.redaction import Redactor
from clients.silence import SilenceWatch
from clients.websocket import Line, LineLost

__all__ = ["Session"]

Message = dict[str, Any]

_decoder = msgspec.json.Decoder(Message, float_hook=Decimal)
_encoder = msgspec.json.Encoder()


@define
class _Waiting:
    """A request whose answers have not all come: a list of symbols or orders is answered one by one."""

    answers: Deferred[list[Message]]
    missing: int
    got: list[Message] = field(factory=list)


@define(eq=False)
class Session:
    """A connection that was just made.

    :ivar on_push: takes the messages of channels.
    :ivar on_unreadable: takes what cannot be read.
    :ivar trouble: told of what the venue complains of and nobody asked.
    """

    venue: str
    line: Line
    clock: Any
    wall: Callable[[], float]
    redactor: Redactor
    on_push: Callable[[Message], None]
    on_unreadable: Callable[[Exception], None]
    trouble: Callable[[Exception], None]
    _requests: count[int] = field(init=False, factory=lambda: count(1))
    _waiting: dict[int, _Waiting] = field(init=False, factory=dict)
    _silence: SilenceWatch | None = field(init=False, default=None)
    _lost: LineLost | None = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self.line.on_message = self._message

    def watch(self, interval: float, patience: float) -> None:
        """Ask for a sign of life when nothing came for *interval* seconds."""
        self._silence = SilenceWatch(
            self.clock,
            interval,
            patience,
            lambda: self._say({"method": "ping", "req_id": next(self._requests)}),
            lambda quiet: self.line.drop(f"nothing heard for {quiet:.1f} s"),
        )
        self._silence.start()

    def heard(self) -> None:
        """Something arrived."""
        if self._silence is not None:
            self._silence.heard()

    def lost(self, reason: LineLost) -> None:
        """The line is gone: whoever waits is told, no timer is left."""
        self._lost = reason
        if self._silence is not None:
            self._silence.stop()
        waiting, self._waiting = self._waiting, {}
        for one in waiting.values():
            one.answers.errback(reason)

    # ------------------------------------------------------------------------------------------------ requests

    async def ask(
        self, doing: str, method: str, params: Mapping[str, Any], about: About, limit: float, expected: int = 1
    ) -> Message:
        """Send a request and return its first answer, which is a success.

        :raise ExchangeError: refused, or no answer in time.
        """
        answers = await self.ask_all(doing, method, params, about, limit, expected)
        for answer in answers:
            if not answer.get("success"):
                raise self.refusal(doing, answer, about)
        return answers[0]

    async def ask_all(
        self, doing: str, method: str, params: Mapping[str, Any], about: About, limit: float, expected: int
    ) -> list[Message]:
        """Send a request and return all *expected* answers, refusals among them.

        A request that is refused as a whole is answered once.
        """
        if self._lost is not None:
            raise self._error(Unreachable, doing, f"connection lost: {self._lost}")
        number = next(self._requests)
        waiting = self._waiting[number] = _Waiting(Deferred(), expected)
        self._say({"method": method, "params": _plain(params), "req_id": number})
        doubt = Unreachable if about is About.READ else OutcomeUnknown
        late = self._error(doubt, doing, f"no answer in {limit:.4g} s")
        try:
            return await bounded(waiting.answers, limit, self.clock, lambda: late)
        except LineLost as lost:
            raise self._error(doubt, doing, f"connection lost: {lost}") from None
        finally:
            self._waiting.pop(number, None)

    async def ping(self, doing: str, limit: float) -> None:
        """Return when the venue has answered a ping: everything that it sent before has been taken in."""
        number = next(self._requests)
        waiting = self._waiting[number] = _Waiting(Deferred(), 1)
        self._say({"method": "ping", "req_id": number})
        late = self._error(Unreachable, doing, f"no answer in {limit:.4g} s")
        try:
            await bounded(waiting.answers, limit, self.clock, lambda: late)
        except LineLost as lost:
            raise self._error(Unreachable, doing, f"connection lost: {lost}") from None
        finally:
            self._waiting.pop(number, None)

    def tell(self, method: str, params: Mapping[str, Any]) -> None:
        """Send a request whose answer nobody waits for."""
        self._say({"method": method, "params": params, "req_id": next(self._requests)})

    def refusal(self, doing: str, answer: Message, about: About) -> ExchangeError:
        """The error that a refusing answer means."""
        text = self.redactor.clean(str(answer.get("error") or "refused without a word"))
        return error_for(self.venue, doing, [text], about, self.wall())

    def _say(self, message: Message) -> None:
        self.line.say(_encoder.encode(message))

    # ------------------------------------------------------------------------------------------------ messages

    def _message(self, payload: bytes) -> None:
        try:
            message = _decoder.decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, ArithmeticError) as error:
            self.on_unreadable(ValueError(f"a message that nobody can read: {error}"))
            return
        if "channel" in message:
            self._push(message)
        elif "method" in message or "req_id" in message:
            self._answered(message)
        elif "error" in message:
            self.trouble(self.refusal("talking", message, About.READ))

    def _push(self, message: Message) -> None:
        try:
            self.on_push(message)
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            what = f"a message of channel {message['channel']} that nobody can read"
            self.on_unreadable(ValueError(f"{what}: {type(error).__name__}: {error}"))

    def _answered(self, message: Message) -> None:
        waiting = self._waiting.get(message.get("req_id") or 0)
        if waiting is None:
            if message.get("success") is False:
                self.trouble(self.refusal(str(message.get("method") or "talking"), message, About.READ))
            return
        waiting.got.append(message)
        whole = message.get("success") is False and not _part(message)
        if len(waiting.got) >= waiting.missing or whole:
            del self._waiting[message["req_id"]]
            waiting.answers.callback(waiting.got)

    def _error(self, kind: type[ExchangeError], doing: str, why: str) -> ExchangeError:
        return kind(self.venue, doing, self.redactor.clean(why))


def _plain(params: Mapping[str, Any]) -> dict[str, Any]:
    """Decimals as JSON numbers with exactly their digits, without an exponent."""
    return {
        name: msgspec.Raw(f"{value:f}".encode()) if isinstance(value, Decimal) else value
        for name, value in params.items()
    }


def _part(message: Message) -> bool:
    """Whether an answer is about one symbol or order of several."""
    told = {**message, **(message.get("result") or {})}
    return any(name in told for name in ("symbol", "order_id", "cl_ord_id"))
