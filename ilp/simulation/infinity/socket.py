"""WebSockets of the simulated Infinity: LOGIN, SUBSCRIBE, UNSUBSCRIBE, LIST_SUBSCRIPTIONS, events, and the end by age."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec
from autobahn.twisted.websocket import WebSocketServerProtocol
from twisted.internet.interfaces import IDelayedCall

from clients.infinity_terms import Channel, ErrorCode
from ilp.clock import WorldClock
from ilp.simulation.infinity.auth import Access, Session
from ilp.simulation.infinity.errors import ApiError, StatusError, invalid
from ilp.simulation.infinity.faults import Faults, Kind
from ilp.simulation.infinity.feeds import Feeds
from ilp.simulation.infinity.rest import Seen
from ilp.simulation.sockets import Sockets

__all__ = ["EXPIRED", "Connection", "Connections", "Venue"]

EXPIRED = 4000
"""The venue's code for a connection that has come of age."""

Row = dict[str, Any]


class Venue(Protocol):
    """What a connection needs of its venue."""

    reactor: Any
    clock: WorldClock
    access: Access
    feeds: Feeds
    faults: Faults
    seen: Seen

    def now(self) -> datetime: ...
    def later(self, seconds: float, call: Callable[[], object]) -> None: ...


class Connection(WebSocketServerProtocol):
    """One connection; public and user channels alike."""

    def __init__(self) -> None:
        super().__init__()
        self.session: Session | None = None
        self._end: IDelayedCall | None = None

    @property
    def user_id(self) -> int | None:
        """Whose connection it is; None before LOGIN."""
        return None if self.session is None else self.session.user.id

    @property
    def _all(self) -> Connections:
        everyone: Connections = self.factory
        return everyone

    @property
    def _venue(self) -> Venue:
        return self._all.venue

    # ------------------------------------------------------------------------------------------------ autobahn

    def onOpen(self) -> None:
        self._all.open[self] = None
        self._live_for(self._venue.access.life)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        try:
            request = msgspec.json.decode(payload)
        except msgspec.MsgspecError:
            request = None
        if isinstance(request, dict):
            self._request(request)
        else:
            self._say(_failure(None, invalid("not a JSON object")))

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        self._all.open.pop(self, None)
        self._venue.feeds.forget(self)
        self._cancel_end()

    def _live_for(self, span: timedelta) -> None:
        self._cancel_end()
        self._end = self._venue.clock.call_later(max(0.0, span.total_seconds()), self.close, EXPIRED)

    def _cancel_end(self) -> None:
        if self._end is not None and self._end.active():
            self._end.cancel()

    def close(self, code: int) -> None:
        """End the connection with a code."""
        if self.state == self.STATE_OPEN:
            self.sendCloseFrame(code=code, reasonUtf8=b"", isReply=False)

    # ------------------------------------------------------------------------------------------------ sending

    def _say(self, message: Row) -> None:
        frame = msgspec.json.encode(message)
        if self._venue.faults.delay_answers:
            self._venue.later(self._venue.faults.delay_answers, lambda: self.send_frame(frame))
        else:
            self.send_frame(frame)

    def push(self, channel: str, message: Row) -> None:
        """Send a message of a channel."""
        frame = msgspec.json.encode(message)
        for _ in range(self._venue.faults.copies(channel)):
            self.send_frame(frame)

    def send_frame(self, frame: bytes) -> None:
        """Send a frame, unless the venue is frozen or the connection is closing."""
        if not self._all.hold_back(self, frame) and self.state == self.STATE_OPEN:
            self.sendMessage(frame)

    # ------------------------------------------------------------------------------------------------ requests

    def _request(self, request: Row) -> None:
        method, id = request.get("method"), request.get("id")
        self._venue.seen.message(request)
        rule = self._venue.faults.take(str(method))
        if rule is not None and rule.kind is Kind.REFUSE:
            found = ErrorCode.known(rule.code)
            self._say(_failure(id, ApiError(found if isinstance(found, ErrorCode) else ErrorCode.UNEXPECTED)))
            return
        if rule is not None and not rule.effect:
            return
        fresh: list[str] = []
        try:
            data = self._serve(method, request.get("params"), fresh)
        except ApiError as error:
            self._say(_failure(id, error))
            return
        if rule is None or rule.kind is not Kind.LOSE:
            self._say({"id": id, "success": True, "data": data})
        for channel in fresh:
            self._venue.feeds.snapshot(self, channel)

    def _serve(self, method: object, params: object, fresh: list[str]) -> Row:
        match method:
            case "LOGIN":
                return self._login(params)
            case "SUBSCRIBE":
                fresh += self._subscribe(_channels(params))
            case "UNSUBSCRIBE":
                for channel in _channels(params):
                    self._venue.feeds.unsubscribe(self, channel)
            case "LIST_SUBSCRIPTIONS":
                pass
            case _:
                raise invalid(f"method: {method!r}")
        return {"subscriptions": self._venue.feeds.listed(self)}

    def _login(self, params: object) -> Row:
        token = params.get("accessToken") if isinstance(params, dict) else None
        try:
            self.session = self._venue.access.session(str(token))
        except StatusError:
            raise ApiError(ErrorCode.PERMISSION_DENIED, "no good token") from None
        self._live_for(self.session.ends - self._venue.now())
        user = self.session.user
        return {"user": {"userId": user.id, "address": user.address.lower()}}

    def _subscribe(self, channels: list[str]) -> list[str]:
        """Subscribe to what exists: a market may have matured since it was subscribed to first."""
        feeds = self._venue.feeds
        good = [channel for channel in channels if feeds.known(channel)]
        if channels and not good:
            raise invalid(f"params: {channels}")
        private = [channel for channel in good if channel.partition("@")[2] in Channel.PRIVATE]
        if private and self.session is None and self._venue.faults.login_first:
            raise ApiError(ErrorCode.PERMISSION_DENIED_SHORT, "LOGIN comes first")
        for channel in good:
            feeds.subscribe(self, channel)
        return good


def _channels(params: object) -> list[str]:
    if not isinstance(params, list) or not all(isinstance(one, str) for one in params):
        raise invalid("params: a list of channels")
    return params


def _failure(id: object, error: ApiError) -> Row:
    return {"id": id, "success": False, "errorCode": error.code, "errorMsgKey": error.key, "data": {}}


class Connections(Sockets):
    """All WebSockets of one venue."""

    protocol = Connection

    def __init__(self, reactor: Any, venue: Venue) -> None:
        super().__init__(reactor)
        self.venue = venue

    def close(self, code: int) -> None:
        """Close every WebSocket with a code."""
        for connection in tuple(self.open):
            connection.close(code)
