"""WebSocket v2 connections of the simulated Kraken: requests, their answers, pushes, heartbeats."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, Protocol

import msgspec
from autobahn.twisted.websocket import WebSocketServerProtocol
from twisted.internet.interfaces import IDelayedCall

from ilp.simulation.sockets import Sockets

from .auth import Key, Keys
from .errors import INVALID_SESSION, KrakenError, invalid
from .faults import CallRule, Faults, Kind
from .feeds import PRIVATE, Feeds, Subscription
from .orders import OrderCalls
from .reports import iso
from .trading import Trading, decimal_of

__all__ = ["Connection", "Connections", "Venue"]

_HEARTBEAT_S = 1.0
_decoder = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")
_NAMES = {
    "add_order": "AddOrder",
    "amend_order": "AmendOrder",
    "cancel_order": "CancelOrder",
    "cancel_all": "CancelAll",
    "cancel_all_orders_after": "CancelAllOrdersAfter",
    "batch_add": "AddOrderBatch",
    "batch_cancel": "CancelOrderBatch",
}
_RIGHTS = {
    "cancel_order": ("cancel_orders",),
    "cancel_all": ("cancel_orders",),
    "batch_cancel": ("cancel_orders",),
    "amend_order": ("modify_orders", "cancel_orders"),
}


class Venue(Protocol):
    """What a connection needs of its venue."""

    reactor: Any
    keys: Keys
    feeds: Feeds
    faults: Faults
    trading: Trading
    orders: OrderCalls
    state: str

    def now(self) -> datetime: ...
    def later(self, seconds: float, call: Callable[[], object]) -> None: ...


Answers = list[dict[str, Any] | KrakenError]


class Connection(WebSocketServerProtocol):
    """One connection; public and private requests are both answered, private ones to who has a token."""

    def __init__(self) -> None:
        super().__init__()
        self._held: list[tuple[str, dict[str, Any]]] | None = None
        self._beat: IDelayedCall | None = None
        self._sent_at = 0.0

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
        self.say(self._all.status_message(id(self)))
        self._schedule_beat()

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        received = self._venue.now()
        try:
            request = _decoder.decode(payload)
        except (msgspec.MsgspecError, ArithmeticError):
            self.say({"error": "Malformed request", "success": False})
            return
        self._request(request, received)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        self._all.open.pop(self, None)
        self._venue.feeds.forget(self)
        if self._beat is not None and self._beat.active():
            self._beat.cancel()

    def _schedule_beat(self) -> None:
        self._beat = self._venue.reactor.callLater(_HEARTBEAT_S, self._heartbeat)

    def _heartbeat(self) -> None:
        self._schedule_beat()
        quiet = self._venue.reactor.seconds() - self._sent_at >= _HEARTBEAT_S
        if quiet and self._venue.feeds.listens(self):
            self.say({"channel": "heartbeat"})

    # ------------------------------------------------------------------------------------------------ sending

    def say(self, message: dict[str, Any]) -> None:
        """Send one message."""
        self.send_frame(_encoder.encode(message))

    def send_frame(self, frame: bytes) -> None:
        """Send a frame, unless the venue is frozen or the connection is closing."""
        if self._all.hold_back(self, frame) or self.state != self.STATE_OPEN:
            return
        self._sent_at = self._venue.reactor.seconds()
        self.sendMessage(frame)

    def push(self, channel: str, message: dict[str, Any]) -> None:
        """Send a message of a channel, after the answer to a request that is being answered."""
        if self._held is not None:
            self._held.append((channel, message))
            return
        for _ in range(self._venue.faults.copies(channel)):
            self.say(message)

    def drop(self) -> None:
        """End the connection without a word."""
        transport: Any = self.transport
        transport.abortConnection()

    @contextmanager
    def _answer_first(self) -> Any:
        """Hold pushes back while a request is carried out; they follow its answer."""
        if not self._venue.faults.events_first:
            self._held = []
        try:
            yield
        finally:
            held, self._held = self._held or [], None
            for channel, message in held:
                self.push(channel, message)

    # ------------------------------------------------------------------------------------------------ requests

    def _request(self, request: dict[str, Any], received: datetime) -> None:
        method, params = str(request.get("method") or ""), request.get("params")
        params = params if isinstance(params, dict) else {}
        frame: dict[str, Any] = {"method": method, "time_in": iso(received)}
        if "req_id" in request:
            frame["req_id"] = request["req_id"]
        if method == "ping":
            self.say({**frame, "method": "pong", "time_out": iso(self._venue.now())})
            return
        rule = self._venue.faults.take(_NAMES.get(method, method))
        if rule is not None and rule.kind is Kind.REFUSE:
            self._answer(frame, [KrakenError(rule.text)], None)
            return
        if rule is not None and not rule.effect:
            return
        with self._answer_first():
            started: list[tuple[Subscription, dict[str, Any]]] = []
            try:
                answers = self._serve(method, params, started)
            except KrakenError as error:
                answers = [error]
            self._answer(frame, answers, rule)
            for subscription, wanted in started:
                self._venue.feeds.start(subscription, wanted)

    def _answer(self, frame: dict[str, Any], answers: Answers, rule: CallRule | None) -> None:
        if rule is not None and rule.kind is Kind.LOSE:
            return
        delay = self._venue.faults.delay_answers
        for answer in answers:
            told = {**frame, "time_out": iso(self._venue.now())}
            if isinstance(answer, KrakenError):
                told |= {"success": False, "error": answer.text, **answer.about}
            elif rule is not None and rule.kind is Kind.GARBLE:
                told |= {"success": True, "result": None}
            else:
                told |= {"success": True, "result": answer}
            for _ in range(2 if rule is not None and rule.kind is Kind.REPEAT else 1):
                if delay:
                    self._venue.later(delay, partial(self.say, told))
                else:
                    self.say(told)

    def _serve(self, method: str, params: dict[str, Any], started: list[Any]) -> Answers:
        if method in ("subscribe", "unsubscribe"):
            return self._channel(method, params, started)
        if method not in _NAMES:
            raise KrakenError("Event(s) not found")
        key = self._key(params)
        key.need(*_RIGHTS.get(method, ("modify_orders",)))
        venue, account = self._venue, key.account
        match method:
            case "add_order":
                return [venue.orders.socket_add(key, params)]
            case "batch_add":
                result: Any = venue.orders.socket_batch(key, params)
                return [result]
            case "amend_order":
                return [{**venue.orders.amend(key, params), **_pick(params, "order_id", "cl_ord_id")}]
            case "cancel_order":
                return list(venue.orders.socket_cancel(key, params))
            case "batch_cancel":
                found = venue.orders.socket_cancel(key, {"order_id": params.get("orders"), **params})
                return [{"count": sum(not isinstance(one, KrakenError) for one in found)}]
            case "cancel_all":
                return [{"count": venue.trading.cancel_all(account)}]
            case _:
                seconds = int(decimal_of(params.get("timeout"), "timeout"))
                return [dict(venue.trading.cancel_all_after(account, seconds))]

    def _key(self, params: dict[str, Any]) -> Key:
        if not isinstance(params.get("token"), str):
            raise KrakenError(INVALID_SESSION)
        return self._venue.keys.session(params["token"], standing=self._venue.feeds.stands(self))

    def _channel(self, method: str, params: dict[str, Any], started: list[Any]) -> Answers:
        channel, symbols = str(params.get("channel") or ""), params.get("symbol")
        key = self._key(params) if channel in PRIVATE else None
        if channel in ("ticker", "book", "trade", "ohlc"):
            if not isinstance(symbols, list) or not symbols:
                raise invalid("symbol")
            names = [str(symbol) for symbol in symbols]
        else:
            names = [""]
        answers: Answers = []
        for name in names:
            try:
                answers.append(self._one(method, channel, name, params, key, started))
            except KrakenError as error:
                if name:
                    error.about = {"symbol": name}
                answers.append(error)
        return answers

    def _one(
        self, method: str, channel: str, name: str, params: dict[str, Any], key: Key | None, started: list[Any]
    ) -> dict[str, Any]:
        if method == "unsubscribe":
            self._venue.feeds.unsubscribe(self, channel, name)
            return {"channel": channel, **({"symbol": name} if name else {})}
        fresh, result = self._venue.feeds.subscribe(self, channel, name, params, key)
        started.append((fresh, params))
        return result


def _pick(params: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: params[name] for name in names if name in params}


class Connections(Sockets):
    """All WebSockets of one venue."""

    protocol = Connection

    def __init__(self, reactor: Any, venue: Venue) -> None:
        super().__init__(reactor)
        self.venue = venue

    def status_message(self, number: int) -> dict[str, Any]:
        """What every connection is told first."""
        data = {
            "version": "2.0.10",
            "system": self.venue.state,
            "api_version": "v2",
            "connection_id": 2**63 + number % 2**62,
        }
        return {"channel": "status", "type": "update", "data": [data]}

    def tell_status(self) -> None:
        """The engine's state has changed."""
        for connection in tuple(self.open):
            connection.say(self.status_message(id(connection)))

    def drop(self) -> None:
        """Drop every WebSocket."""
        for connection in tuple(self.open):
            connection.drop()
