"""WAMP v2 basic profile as caller and subscriber, without I/O: messages in, messages out, Deferreds between.

autobahn's own session class is not used, on purpose: it announces features that strict servers throw out at HELLO, it
sends CANCEL for a cancelled call (which kills the connection on some servers), it can answer a challenge with nothing but
a signature, and it drops the connection when an answer comes twice.  The WebSocket below is autobahn's.

Knows no venue.  Payloads of results and events are left undecoded (`msgspec.Raw`) for those who know their type.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from twisted.logger import Logger

__all__ = ["Aborted", "Answer", "CallFailed", "Challenge", "ProtocolError", "WampSession", "Welcome"]

HELLO, WELCOME, ABORT, CHALLENGE, AUTHENTICATE, GOODBYE, ERROR = 1, 2, 3, 4, 5, 6, 8
SUBSCRIBE, SUBSCRIBED, EVENT, CALL, RESULT = 32, 33, 36, 48, 50

NOTHING = msgspec.Raw(b"[]")

_frame = msgspec.json.Decoder(list[msgspec.Raw])
_integer = msgspec.json.Decoder(int)
_text = msgspec.json.Decoder(str)
_details = msgspec.json.Decoder(dict[str, Any])
_list = msgspec.json.Decoder(list[Any])
_encode = msgspec.json.Encoder().encode


class ProtocolError(Exception):
    """The peer sent what no WAMP router sends; nothing further on this connection can be relied on."""


class Aborted(Exception):
    """The router refused the session.

    :ivar reason: its URI; :ivar message: its words.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}" if message else reason)
        self.reason = reason
        self.message = message


class CallFailed(Exception):
    """A WAMP ERROR: `uri` says what, `args` are its words."""

    def __init__(self, uri: str, arguments: list[Any]) -> None:
        super().__init__(uri, *arguments)
        self.uri = uri
        self.arguments = arguments


class Challenge(msgspec.Struct, frozen=True):
    """What the router wants signed: `method` and `extra` (challenge, salt, iterations, keylen …)."""

    method: str
    extra: dict[str, Any]


class Welcome(msgspec.Struct, frozen=True):
    """The session is open: its id and the router's details (authid, authrole …)."""

    session: int
    details: dict[str, Any]


class Answer(msgspec.Struct, frozen=True):
    """The reply to a challenge."""

    signature: str
    extra: dict[str, Any] = {}


class WampSession:
    """One session on one connection.

    :param send: writes one message to the wire.
    """

    _log = Logger()

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send_bytes = send
        self._requests = count(1)
        self._joining: Deferred[Welcome] | None = None
        self._answer: Callable[[Challenge], Answer] | None = None
        self._calls: dict[int, Deferred[msgspec.Raw]] = {}
        self._subscribing: dict[int, tuple[Deferred[int], Callable[[msgspec.Raw], None]]] = {}
        self._handlers: dict[int, list[Callable[[msgspec.Raw], None]]] = {}
        self._left: Deferred[None] | None = None
        self._lost: Exception | None = None

    @property
    def is_lost(self) -> bool:
        """Nothing can be sent any more."""
        return self._lost is not None

    # -- what we say

    def join(
        self, realm: str, authmethod: str, authid: str | None, answer: Callable[[Challenge], Answer] | None
    ) -> Deferred[Welcome]:
        """HELLO with bare roles and one login method.

        Fails with `Aborted` when the router refuses, with what *answer* raises when the challenge cannot be met, and
        with the reason given to `lost` when the connection goes.
        """
        self._answer = answer
        joining: Deferred[Welcome] = Deferred()
        self._joining = joining
        # Roles carry no features: one that a server does not know closes the connection there.
        details: dict[str, Any] = {"roles": {"caller": {}, "subscriber": {}}, "authmethods": [authmethod]}
        if authid is not None:
            details["authid"] = authid
        self._send([HELLO, realm, details])
        return joining

    def call(self, procedure: str, *arguments: Any) -> Deferred[msgspec.Raw]:
        """CALL; fires with the result's list of positional values, undecoded.  Do not cancel it: bound the waiting."""
        request = next(self._requests)
        answered: Deferred[msgspec.Raw] = Deferred()
        if self._lost is not None:
            answered.errback(self._lost)
            return answered
        self._calls[request] = answered
        self._send([CALL, request, {}, procedure, list(arguments)])
        return answered

    def subscribe(self, topic: str, handler: Callable[[msgspec.Raw], None]) -> Deferred[int]:
        """SUBSCRIBE; fires with the subscription id.  *handler* gets each event's list of values, undecoded."""
        request = next(self._requests)
        subscribed: Deferred[int] = Deferred()
        if self._lost is not None:
            subscribed.errback(self._lost)
            return subscribed
        self._subscribing[request] = (subscribed, handler)
        self._send([SUBSCRIBE, request, {}, topic])
        return subscribed

    def leave(self) -> Deferred[None]:
        """GOODBYE; fires when the router has said it too, or the connection is lost."""
        if self._left is None:
            self._left = Deferred()
            if self._lost is None:
                self._send([GOODBYE, {}, "wamp.close.normal"])
            else:
                self._left.callback(None)
        return self._left

    # -- what we hear

    def received(self, payload: bytes) -> None:
        """Take one message.  Raises `ProtocolError` for what cannot be a message of a router."""
        try:
            frame = _frame.decode(payload)
            code = _integer.decode(frame[0])
            self._dispatch(code, frame)
        except (msgspec.MsgspecError, IndexError, KeyError) as error:
            raise ProtocolError(f"unreadable message of {len(payload)} bytes: {error}") from error

    def lost(self, reason: Exception) -> None:
        """The connection is gone: everything that waits fails with *reason*."""
        self._lost = reason
        joining, self._joining = self._joining, None
        calls, self._calls = self._calls, {}
        subscribing, self._subscribing = self._subscribing, {}
        self._handlers.clear()
        if joining is not None:
            joining.errback(reason)
        for answered in calls.values():
            answered.errback(reason)
        for subscribed, _ in subscribing.values():
            subscribed.errback(reason)
        if self._left is not None and not self._left.called:
            self._left.callback(None)

    def _dispatch(self, code: int, frame: list[msgspec.Raw]) -> None:
        if code == EVENT:
            self._event(frame)
        elif code == RESULT:
            self._result(frame)
        elif code == ERROR:
            self._error(frame)
        elif code == SUBSCRIBED:
            self._subscribed(frame)
        elif code == WELCOME:
            self._join_ended(Welcome(_integer.decode(frame[1]), _details.decode(frame[2])))
        elif code == ABORT:
            details = _details.decode(frame[1])
            self._join_ended(Aborted(_text.decode(frame[2]), str(details.get("message", ""))))
        elif code == CHALLENGE:
            self._challenged(Challenge(_text.decode(frame[1]), _details.decode(frame[2])))
        elif code == GOODBYE:
            self._goodbye()
        else:
            raise ProtocolError(f"message code {code} is not for a client")

    def _event(self, frame: list[msgspec.Raw]) -> None:
        values = frame[4] if len(frame) > 4 else NOTHING
        for handler in self._handlers.get(_integer.decode(frame[1]), ()):
            handler(values)

    def _result(self, frame: list[msgspec.Raw]) -> None:
        answered = self._calls.pop(_integer.decode(frame[1]), None)
        if answered is None:  # answered before: a router that repeats itself is no reason to drop the line
            self._log.debug("a second answer to request {request} is ignored", request=bytes(frame[1]))
            return
        answered.callback(frame[3] if len(frame) > 3 else NOTHING)

    def _error(self, frame: list[msgspec.Raw]) -> None:
        kind, request = _integer.decode(frame[1]), _integer.decode(frame[2])
        failed = CallFailed(_text.decode(frame[4]), _list.decode(frame[5]) if len(frame) > 5 else [])
        if kind == CALL and request in self._calls:
            self._calls.pop(request).errback(failed)
        elif kind == SUBSCRIBE and request in self._subscribing:
            self._subscribing.pop(request)[0].errback(failed)

    def _subscribed(self, frame: list[msgspec.Raw]) -> None:
        waiting = self._subscribing.pop(_integer.decode(frame[1]), None)
        if waiting is not None:
            subscription = _integer.decode(frame[2])
            # Routers give all who ask for one topic the same id: handlers add up.
            self._handlers.setdefault(subscription, []).append(waiting[1])
            waiting[0].callback(subscription)

    def _challenged(self, challenge: Challenge) -> None:
        if self._joining is None or self._answer is None:
            raise ProtocolError("a challenge that nobody asked for")
        try:
            answer = self._answer(challenge)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a challenge ends this login, and is told
            self._join_ended(error)
            return
        self._send([AUTHENTICATE, answer.signature, answer.extra])

    def _join_ended(self, outcome: Welcome | Exception) -> None:
        joining, self._joining = self._joining, None
        if joining is None:
            raise ProtocolError(f"unexpected {type(outcome).__name__}")
        if isinstance(outcome, Welcome):
            joining.callback(outcome)
        else:
            joining.errback(outcome)

    def _goodbye(self) -> None:
        if self._left is None:
            raise ProtocolError("the router said goodbye by itself")
        if not self._left.called:
            self._left.callback(None)

    def _send(self, message: list[Any]) -> None:
        self._send_bytes(_encode(message))
