"""The router's side of one connection: WAMP v2 basic profile as a state machine without sockets.

Octets go in through `Session.received`; what comes out goes to a `Peer`.  HELLO, CHALLENGE, AUTHENTICATE, WELCOME, ABORT
and GOODBYE may follow each other as often as a client likes on the same connection.  What the original does not survive
closes the connection, with the original's codes: 1002 for a message out of order, 1011 for a CANCEL and, when strict,
for a role feature that was invented after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Any, Protocol

from attrs import define, field
from autobahn.wamp import message, role
from autobahn.wamp.exception import Error as WampError
from twisted.logger import Logger

from .auth import Accepted, Asked, Authenticator, Denied
from .codec import BadFrame, Codec
from .router import Incoming, Realm, may_call, may_subscribe, valid

__all__ = ["INTERNAL_ERROR", "PROTOCOL_ERROR", "Peer", "Session", "Switches"]

PROTOCOL_ERROR = 1002
INTERNAL_ERROR = 1011

_PUBSUB = {"publisher_identification", "partitioned_pubsub"}
_RPC = {"caller_identification", "partitioned_rpc", "call_timeout", "call_canceling", "progressive_call_results"}
# What the original knows; a name outside these sets ends the connection there.
_KNOWN_FEATURES = {
    "publisher": _PUBSUB | {"subscriber_blackwhite_listing", "publisher_exclusion"},
    "subscriber": _PUBSUB
    | {
        "publication_trustlevels",
        "pattern_based_subscription",
        "subscriber_metaevents",
        "subscriber_list",
        "event_history",
    },
    "caller": _RPC | {"callee_blackwhite_listing", "caller_exclusion"},
    "callee": _RPC | {"call_trustlevels", "pattern_based_registration"},
}
_ROLES = {
    "broker": role.RoleBrokerFeatures(
        publisher_identification=True, subscriber_blackwhite_listing=True, publisher_exclusion=True
    ),
    "dealer": role.RoleDealerFeatures(caller_identification=True, progressive_call_results=True),
}


class Peer(Protocol):
    """The wire, as the session sees it."""

    def send(self, frame: bytes) -> None:
        """Send one frame."""

    def close(self, code: int, reason: str) -> None:
        """Close with that code; nothing more is sent."""


class _Phase(Enum):
    NEW = auto()  # no session: only HELLO (or a late AUTHENTICATE, which is refused) makes sense
    ASKED = auto()  # a challenge is out
    JOINED = auto()
    CLOSED = auto()


class _Fatal(Exception):
    """The connection must be closed with *code*."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Switches(Protocol):
    """Behaviour of the original that can be had on demand.

    :ivar strict_features: refuse role features that the original does not know.
    """

    strict_features: bool


@define(eq=False)
class _Call:
    """A CALL that waits for its answer."""

    session: Session
    caller: _Who
    request: int
    procedure: str
    args: list[Any]
    kwargs: dict[str, Any]

    def answer(self, envelope: object) -> None:
        self.session.answer(self, envelope)


@define(eq=False)
class _Who:
    authid: str = "anonymous"
    authrole: str = "anonymous"


def _check_features(roles: Mapping[str, Any]) -> None:
    for name, details in roles.items():
        features = details.get("features", {}) if isinstance(details, dict) else {}
        unknown = sorted(set(features) - _KNOWN_FEATURES.get(name, set()))
        if unknown:
            raise _Fatal(INTERNAL_ERROR, f"WAMP Internal Error (unknown feature '{unknown[0]}' of role '{name}')")


@define(eq=False)
class Session:
    """One connection's state.

    :ivar realm_of: the realm of that name, made when it does not exist: the original refuses none.
    """

    peer: Peer
    codec: Codec
    authenticator: Authenticator
    realm_of: Callable[[str], Realm]
    switches: Switches
    _phase: _Phase = _Phase.NEW
    _who: _Who = field(factory=_Who)
    _realm: Realm | None = None
    _asked: Asked | None = None
    _pending_id: int = 0
    _log = Logger()

    @property
    def username(self) -> str | None:
        """Who is logged in, None before that and for anonymous sessions."""
        return self._who.authid if self._phase is _Phase.JOINED and self._who.authrole == "user" else None

    def received(self, frame: bytes) -> None:
        """Handle one frame from the client."""
        try:
            for raw, kind in self.codec.decode(frame):
                if self._phase is not _Phase.CLOSED:
                    self._handle(raw, kind)
        except _Fatal as fatal:
            self._close(fatal.code, str(fatal))
        except (BadFrame, WampError) as problem:
            self._close(PROTOCOL_ERROR, f"WAMP Protocol Error ({problem})")
        except Exception as problem:  # noqa: BLE001 - the boundary: the original closes with 1011, and so do we
            self._log.failure("session of {who} failed", who=self._who.authid)
            self._close(INTERNAL_ERROR, f"WAMP Internal Error ({problem})")

    def lost(self) -> None:
        """The connection is gone."""
        self._phase = _Phase.CLOSED
        self._leave()

    def send_frame(self, frame: bytes) -> None:
        """Send an event that was encoded for all subscribers."""
        self.peer.send(frame)

    def answer(self, call: _Call, envelope: object) -> None:
        """Send a RESULT, unless the session that asked has ended."""
        if call.caller is self._who and self._phase is _Phase.JOINED:
            self._send(message.Result(call.request, args=[envelope]))

    # ------------------------------------------------------------------------------------------------ in order

    def _handle(self, raw: list[Any], kind: type[Any]) -> None:
        if kind is message.Hello:
            if self._phase is _Phase.JOINED:
                raise _Fatal(PROTOCOL_ERROR, "HELLO while a session is established")
            if self.switches.strict_features and len(raw) > 2 and isinstance(raw[2], dict):
                _check_features(raw[2].get("roles") or {})
            self._hello(message.Hello.parse(raw))
        elif kind is message.Authenticate and self._phase is not _Phase.JOINED:
            self._authenticate(message.Authenticate.parse(raw))
        elif self._phase is _Phase.JOINED and kind in _HANDLERS:
            _HANDLERS[kind](self, kind.parse(raw))
        elif self._phase is _Phase.JOINED and kind is message.Cancel:
            raise _Fatal(INTERNAL_ERROR, "WAMP Internal Error (CANCEL is not implemented)")
        else:
            raise _Fatal(PROTOCOL_ERROR, f"WAMP Protocol Error (unexpected {kind.__name__})")

    def _hello(self, hello: message.Hello) -> None:
        self._realm = self.realm_of(hello.realm)
        self._pending_id = self._realm.draw_id()
        outcome = self.authenticator.begin(hello.authmethods or [], hello.authid, self._pending_id)
        if isinstance(outcome, Asked):
            self._phase, self._asked = _Phase.ASKED, outcome
            self._send(message.Challenge(outcome.method, outcome.extra))
        else:
            self._conclude(outcome)

    def _authenticate(self, answer: message.Authenticate) -> None:
        asked, self._asked = self._asked, None
        if asked is None:
            self._conclude(Denied("No suitable authentication methods found."))
        else:
            self._conclude(self.authenticator.finish(asked, answer.signature, (answer.extra or {}).get("otp")))

    def _conclude(self, outcome: Accepted | Denied) -> None:
        if isinstance(outcome, Denied):
            self._phase = _Phase.NEW
            self._send(message.Abort("wamp.error.not_authorized", outcome.message))
            return
        self._phase = _Phase.JOINED
        self._who = _Who(outcome.authid, outcome.authrole)
        self._send(
            message.Welcome(
                self._pending_id,
                _ROLES,
                authid=outcome.authid,
                authrole=outcome.authrole,
                authmethod=outcome.authmethod,
                authprovider=outcome.authprovider,
            )
        )

    def _goodbye(self, _msg: message.Goodbye) -> None:
        self._leave()
        self._phase = _Phase.NEW
        self._send(message.Goodbye("wamp.goodbye.normal"))

    # ---------------------------------------------------------------------------------------------- when joined

    def _subscribe(self, msg: message.Subscribe) -> None:
        if not valid(msg.topic):
            self._refuse(msg, "wamp.error.invalid_uri", f"subscribe for invalid topic URI '{msg.topic}'")
        elif not may_subscribe(self._who, msg.topic):
            why = f"session is not authorized to subscribe to topic '{msg.topic}'"
            self._refuse(msg, "wamp.error.not_authorized", why)
        else:
            self._send(message.Subscribed(msg.request, self._here.subscribe(self, msg.topic)))

    def _unsubscribe(self, msg: message.Unsubscribe) -> None:
        if self._here.unsubscribe(self, msg.subscription):
            self._send(message.Unsubscribed(msg.request))
        else:
            self._refuse(msg, "wamp.error.no_such_subscription")

    def _call(self, msg: message.Call) -> None:
        procedure = self._here.procedures.get(msg.procedure)
        if not valid(msg.procedure):
            self._refuse(msg, "wamp.error.invalid_uri", f"call with invalid procedure URI '{msg.procedure}'")
        elif procedure is None:
            self._refuse(msg, "wamp.error.no_such_procedure", f"no procedure '{msg.procedure}' registered")
        elif not may_call(self._who, msg.procedure):
            why = f"session is not authorized to call procedure '{msg.procedure}'"
            self._refuse(msg, "wamp.error.not_authorized", why)
        else:
            call: Incoming = _Call(
                self, self._who, msg.request, msg.procedure, list(msg.args or []), dict(msg.kwargs or {})
            )
            procedure(call)

    def _publish(self, msg: message.Publish) -> None:
        if msg.acknowledge:
            why = f"session not authorized to publish to topic '{msg.topic}'"
            self._refuse(msg, "wamp.error.not_authorized", why)

    def _register(self, msg: message.Register) -> None:
        why = f"session is not authorized to register procedure '{msg.procedure}'"
        self._refuse(msg, "wamp.error.not_authorized", why)

    def _unregister(self, msg: message.Unregister) -> None:
        self._refuse(msg, "wamp.error.no_such_registration")

    # ------------------------------------------------------------------------------------------------- out

    @property
    def _here(self) -> Realm:
        assert self._realm is not None, "joined without a realm"
        return self._realm

    def _refuse(self, msg: Any, uri: str, *args: str) -> None:
        self._send(message.Error(type(msg).MESSAGE_TYPE, msg.request, uri, args=list(args) or None))

    def _send(self, msg: message.Message) -> None:
        self.peer.send(self.codec.encode(msg))

    def _leave(self) -> None:
        if self._realm is not None:
            self._realm.forget(self)
        self._who = _Who()

    def _close(self, code: int, reason: str) -> None:
        if self._phase is not _Phase.CLOSED:
            self.lost()
            self.peer.close(code, reason)


_HANDLERS: Mapping[type[Any], Callable[[Session, Any], None]] = {
    message.Goodbye: Session._goodbye,
    message.Subscribe: Session._subscribe,
    message.Unsubscribe: Session._unsubscribe,
    message.Call: Session._call,
    message.Publish: Session._publish,
    message.Register: Session._register,
    message.Unregister: Session._unregister,
}
