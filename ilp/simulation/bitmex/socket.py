"""One WebSocket of the simulated BitMEX: welcome, login in three ways, commands, errors, heartbeat."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import parse_qsl

import msgspec
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.websocket.types import ConnectionDeny, ConnectionRequest

from ilp.simulation.bitmex.auth import Key
from ilp.simulation.bitmex.errors import ApiError
from ilp.simulation.bitmex.feeds import Feeds
from ilp.simulation.bitmex.orders import stamp
from ilp.simulation.bitmex.schema import LOCKED, PUBLIC, TABLES

__all__ = ["Connection", "Connections", "Sockets", "help_document"]

_MOST_ARGS = 20
_MOST_ERRORS, _WITHIN_S = 10, 60.0
_LOCKED_WORDS = "User requested an account-locked subscription but no authorization was provided."


class Sockets(Protocol):
    """What a connection needs of its venue."""

    feeds: Feeds
    reactor: Any

    def login(self, headers: Mapping[str, str], peer: str) -> Key | None: ...
    def cancel_all_after(self, account: str, milliseconds: int) -> dict[str, Any]: ...
    def opened(self, connection: Connection) -> None: ...
    def closed(self, connection: Connection) -> None: ...
    def hold_back(self, connection: Connection, frame: bytes) -> bool: ...
    def now(self) -> Any: ...


def help_document() -> dict[str, Any]:
    """What `help` and `/schema/websocketHelp` answer."""
    return {
        "info": "See the documentation of the realtime API.",
        "usage": 'Send subscription messages in the form {"op":"subscribe","args":["subscriptionTopic"]}.',
        "ops": ["authKey", "authKeyExpires", "cancelAllAfter", "subscribe", "unsubscribe"],
        "subscribe": 'To subscribe, send: {"op": "subscribe", "args": [topics]}.',
        "subscriptionSubjects": {"authenticationRequired": list(LOCKED), "public": list(PUBLIC)},
    }


class Connection(WebSocketServerProtocol):
    """One connection."""

    def __init__(self) -> None:
        super().__init__()
        self.account = ""
        self.topics: set[tuple[str, str]] = set()
        self._asked: dict[str, list[tuple[str, str]]] = {}
        self._first: list[str] = []
        self._errors: deque[float] = deque(maxlen=_MOST_ERRORS)

    @property
    def venue(self) -> Sockets:
        """Whose connection it is."""
        factory: Connections = self.factory
        venue: Sockets = factory.venue
        return venue

    # ------------------------------------------------------------------------------------------------ autobahn

    def onConnect(self, request: ConnectionRequest) -> None:
        query = dict(parse_qsl(self.http_request_uri.partition("?")[2], keep_blank_values=True))
        headers = {name: str(value) for name, value in request.headers.items() if name.startswith("api-")}
        given = headers if headers.get("api-key", "").strip() else query
        try:
            key = self.venue.login(given, "")
        except ApiError as refusal:
            raise ConnectionDeny(refusal.status, json.dumps(refusal.document())) from None
        self.account = "" if key is None else key.account
        self._first = [topic for topic in query.get("subscribe", "").split(",") if topic]

    def onOpen(self) -> None:
        self.venue.opened(self)
        self._say(
            {
                "info": "Welcome to the BitMEX Realtime API.",
                "version": "2.0.0",
                "timestamp": stamp(self.venue.now()),
                "docs": "https://www.bitmex.com/app/wsAPI",
                "heartbeatEnabled": False,
                "limit": {"remaining": 719},
            }
        )
        if self._first:
            self._subscribe(self._first, {"op": "subscribe", "args": self._first}, limit=False)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        if isBinary:
            return
        if payload == b"ping":
            self.send(b"pong")
        elif payload == b"help":
            self._say(help_document())
        else:
            self._command(payload)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        self.venue.closed(self)

    def send(self, frame: bytes) -> None:
        """Send one text message."""
        if not self.venue.hold_back(self, frame) and self.state == self.STATE_OPEN:
            self.sendMessage(frame)

    def drop(self) -> None:
        """End the connection without a word."""
        transport: Any = self.transport
        transport.abortConnection()

    # ------------------------------------------------------------------------------------------------ commands

    def _command(self, payload: bytes) -> None:
        try:
            request = json.loads(payload)
        except ValueError:
            request = None
        if not isinstance(request, dict) or "op" not in request:
            self._error(400, "Unrecognized request.", {})
            return
        match request["op"]:
            case "subscribe":
                self._subscribe(_topics(request), request)
            case "unsubscribe":
                self._unsubscribe(_topics(request), request)
            case "authKeyExpires" | "authKey":
                self._login(request)
            case "cancelAllAfter":
                self._cancel_all_after(request)
            case _:
                self._error(400, "Unrecognized request.", request)

    def _subscribe(self, topics: list[str], request: dict[str, Any], limit: bool = True) -> None:
        if limit and len(topics) > _MOST_ARGS:
            self._error(400, f"Too many args sent. Max length is {_MOST_ARGS}.", request)
            return
        locked = [topic for topic in topics if not self.account and topic.partition(":")[0] in LOCKED]
        if locked:
            notes = f"These subscriptions are account-locked: {', '.join(topic.partition(':')[0] for topic in locked)}"
            self._error(401, _LOCKED_WORDS, request, {"notes": notes})
        partials: list[tuple[str, str]] = []
        for topic in topics:
            if topic not in locked and self._take(topic, request):
                self._say({"success": True, "subscribe": topic, "request": request})
                partials += self._asked[topic]
        for table, symbol in partials:
            self.venue.feeds.send_partial(self, table, symbol)

    def _take(self, topic: str, request: dict[str, Any]) -> bool:
        table, _, asked = topic.partition(":")
        if table not in TABLES:
            self._error(400, f"Unknown table: {table}", request)
            return False
        if topic in self._asked:
            self._error(400, f"You are already subscribed to this topic: {topic}.", request)
            return False
        symbols = self.venue.feeds.symbols(table, asked)
        if symbols is None:
            self._error(400, "Unknown or expired symbol.", request)
            return False
        self._asked[topic] = [(table, symbol) for symbol in symbols]
        self.topics.update(self._asked[topic])
        return True

    def _unsubscribe(self, topics: list[str], request: dict[str, Any]) -> None:
        for topic in topics:
            for pair in self._asked.pop(topic, []):
                self.topics.discard(pair)
            self._say({"success": True, "unsubscribe": topic, "request": request})

    def _login(self, request: dict[str, Any]) -> None:
        args = request.get("args")
        if self.account:
            self._error(400, "This socket is already authenticated.", request)
            return
        if not isinstance(args, list) or len(args) != 3:
            self._error(401, "Signature not valid.", request)
            return
        names = ("api-key", "api-expires", "api-signature")
        try:
            key = self.venue.login({name: str(value) for name, value in zip(names, args, strict=True)}, "")
        except ApiError as refusal:
            self._error(refusal.status, refusal.message, request)
            self.sendClose(1000)
            return
        if key is None:
            self._error(401, "Invalid API Key.", request)
            return
        self.account = key.account
        self._say({"success": True, "request": request})

    def _cancel_all_after(self, request: dict[str, Any]) -> None:
        args = request.get("args")
        value = args[0] if isinstance(args, list) and args else args
        if not self.account:
            self._error(401, _LOCKED_WORDS, request)
        elif isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            self._error(400, "timeout is invalid", request)
        else:
            self._say(self.venue.cancel_all_after(self.account, int(value)) | {"request": request})

    def _error(self, status: int, words: str, request: Any, meta: dict[str, Any] | None = None) -> None:
        self._say({"status": status, "error": words, "meta": meta or {}, "request": request})
        now = self.venue.reactor.seconds()
        self._errors.append(now)
        if len(self._errors) == _MOST_ERRORS and now - self._errors[0] < _WITHIN_S:
            self.sendCloseFrame(code=1008, reasonUtf8=b"too many errors", isReply=False)

    def _say(self, document: dict[str, Any]) -> None:
        self.send(msgspec.json.encode(document))


def _topics(request: dict[str, Any]) -> list[str]:
    args = request.get("args")
    return [args] if isinstance(args, str) else [str(one) for one in args or ()]


class Connections(WebSocketServerFactory):
    """Makes connections of one venue."""

    protocol = Connection
    noisy = False

    def __init__(self, venue: Any) -> None:
        super().__init__(reactor=venue.reactor)
        self.venue = venue
        # No time-outs of its own: they would outlive the venue.
        options = {"webStatus": False, "openHandshakeTimeout": 0, "closeHandshakeTimeout": 0}
        self.setProtocolOptions(failByDrop=False, **options)
