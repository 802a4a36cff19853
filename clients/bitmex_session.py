"""One WebSocket connection to BitMEX: welcome, login, subscriptions, commands, heartbeat; messages sorted by what they are.

Keeps no table and does not reconnect.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from attrs import define, field
from twisted.internet.defer import Deferred

from clients.bitmex_book import PREFIX, L2Message
from clients.bitmex_signing import socket_command
from clients.bitmex_tables import TableMessage, read_message
from clients.calls import bounded
from clients.exchange import ExchangeError, NotAuthorised, RateLimited, Refused, Unreachable
from clients.redaction import Redactor, Secret
from clients.silence import SilenceWatch
from clients.websocket import Line, LineLost

__all__ = ["Session"]

MOST_TOPICS = 20  # in one message
_TABLE_NAME = re.compile(rb'"table"\s*:\s*"(\w+)"')
_json = msgspec.json.Decoder(dict[str, Any])


@define(eq=False)
class Session:
    """A connection that was just made.

    :ivar on_books: takes the messages of order books that came in one read, undecoded and beginning with
        `clients.bitmex_book.PREFIX`; `on_table` takes each of all other tables; None: books are tables too.
    :ivar on_unreadable: takes the name of the table, as far as it can be made out, and the error; a table that
        cannot be made out is empty.
    :ivar trouble: told of refusals that nobody waits for.
    """

    venue: str
    line: Line
    clock: Any
    redactor: Redactor
    trouble: Callable[[Exception], None]
    on_books: Callable[[Sequence[bytes]], None] | None
    on_table: Callable[[TableMessage], None]
    on_unreadable: Callable[[str, Exception], None]
    _welcome: Deferred[dict[str, Any]] = field(init=False, factory=Deferred)
    _waiting: dict[tuple[str, str], list[Deferred[dict[str, Any]]]] = field(init=False, factory=dict)
    _silence: SilenceWatch | None = field(init=False, default=None)
    _lost: LineLost | None = field(init=False, default=None)
    _books: list[bytes] = field(init=False, factory=list)

    def __attrs_post_init__(self) -> None:
        self.line.on_message = self._message

    # ------------------------------------------------------------------------------------------------ life

    def watch(self, interval: float, patience: float) -> None:
        """Ask for a sign of life, as this venue wants it, when nothing came for *interval* seconds."""
        self._silence = SilenceWatch(
            self.clock,
            interval,
            patience,
            lambda: self.line.say(b"ping"),
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
        for waiter in [self._welcome, *(waiter for waiters in waiting.values() for waiter in waiters)]:
            if not waiter.called:
                waiter.errback(reason)
        # Nobody may have waited for the welcome.
        self._welcome.addErrback(lambda failure: None)

    # ------------------------------------------------------------------------------------------------ calls

    async def welcome(self, limit: float) -> dict[str, Any]:
        """The venue's first word."""
        return await self._bounded(self._welcome, "connecting", limit)

    async def login(self, key: str, secret: Secret, expires: int, limit: float) -> None:
        """Log in.

        :raise NotAuthorised: the venue refuses these credentials.
        """
        waiter = self._expect("authKeyExpires", "")
        self._say(socket_command(key, secret.reveal(), expires))
        await self._bounded(waiter, "logging in", limit)

    async def subscribe(self, topics: Sequence[str], limit: float) -> None:
        """Subscribe; returns when every topic is acknowledged.  Partials follow."""
        await self._topics("subscribe", topics, limit)

    async def renew(self, topic: str, limit: float) -> None:
        """Have the partial of *topic* sent again."""
        await self._topics("unsubscribe", [topic], limit)
        await self._topics("subscribe", [topic], limit)

    async def _topics(self, op: str, topics: Sequence[str], limit: float) -> None:
        acks = [self._expect(op, topic) for topic in topics]
        for start in range(0, len(topics), MOST_TOPICS):
            self._say({"op": op, "args": list(topics[start : start + MOST_TOPICS])})
        error: ExchangeError | None = None
        for topic, ack in zip(topics, acks, strict=True):
            try:
                await self._bounded(ack, f"{op[:-1]}ing to {topic}", limit)
            except ExchangeError as problem:
                error = error or problem  # every waiter is waited for, so that none is left behind
        if error is not None:
            raise error

    async def command(self, op: str, args: Any, limit: float) -> dict[str, Any]:
        """Send a command that is answered with its name in `request`."""
        waiter = self._expect(op, "")
        self._say({"op": op, "args": args})
        return await self._bounded(waiter, op, limit)

    def _expect(self, op: str, topic: str) -> Deferred[dict[str, Any]]:
        if self._lost is not None:
            raise self._error(Unreachable, op, f"connection lost: {self._lost}")
        waiter: Deferred[dict[str, Any]] = Deferred()
        self._waiting.setdefault((op, topic), []).append(waiter)
        return waiter

    def _take(self, op: str, topic: str) -> Deferred[dict[str, Any]] | None:
        """Whoever waits longest for an answer of that kind and waits still."""
        waiters = self._waiting.get((op, topic), [])
        return waiters.pop(0) if waiters else None

    async def _bounded(self, waiter: Deferred[dict[str, Any]], doing: str, limit: float) -> dict[str, Any]:
        late = self._error(Unreachable, doing, f"no answer in {limit:.4g} s")
        try:
            return await bounded(waiter, limit, self.clock, lambda: late)
        except LineLost as lost:
            raise self._error(Unreachable, doing, f"connection lost: {lost}") from None

    def _say(self, command: dict[str, Any]) -> None:
        self.line.say(msgspec.json.encode(command))

    # ------------------------------------------------------------------------------------------------ messages

    def _message(self, payload: bytes) -> None:
        if self.on_books is not None and payload.startswith(PREFIX):
            self._books.append(payload)
        elif _TABLE_NAME.search(payload, 0, 64):
            self._table(payload)
        elif payload != b"pong":
            self._control(payload)

    def read_done(self) -> None:
        """Everything that came in one read has been told; the books among it are worked on now, together."""
        if self._books and self.on_books is not None:
            books, self._books = self._books, []
            self.on_books(books)

    def _table(self, payload: bytes) -> None:
        try:
            message = read_message(payload)
        except ValueError as error:
            self._unreadable(payload, error)
            return
        if self.on_books is not None and message.table.startswith("orderBookL2"):
            # Its members stand in another order than usual, or there is space between them.
            try:
                usual = msgspec.convert(msgspec.to_builtins(message), L2Message, strict=False)
            except msgspec.MsgspecError as error:
                self._unreadable(payload, ValueError(str(error)))
            else:
                self._books.append(msgspec.json.encode(usual))
        else:
            self.on_table(message)

    def _unreadable(self, payload: bytes, error: Exception) -> None:
        found = _TABLE_NAME.search(payload)
        self.on_unreadable(found.group(1).decode() if found else "", error)

    def _control(self, payload: bytes) -> None:
        try:
            message = _json.decode(payload)
        except msgspec.MsgspecError as error:
            self._unreadable(payload, error)
            return
        request = message.get("request") or {}
        op = str(request.get("op") or "") if isinstance(request, dict) else ""
        if "error" in message:
            self._refused(op, request, message)
        elif "info" in message:
            if not self._welcome.called:
                self._welcome.callback(message)
        elif message.get("success") or op == "cancelAllAfter":
            topic = str(message.get("subscribe") or message.get("unsubscribe") or "")
            self._answer(op, topic, message)

    def _answer(self, op: str, topic: str, message: dict[str, Any]) -> None:
        waiter = self._take(op, topic)
        if waiter is not None:
            waiter.callback(message)

    def _refused(self, op: str, request: Any, message: dict[str, Any]) -> None:
        args = request.get("args") if isinstance(request, dict) else None
        topics = [args] if isinstance(args, str) else list(args or ()) if op.endswith("subscribe") else [""]
        words = str(message["error"])
        named = [topic for topic in topics if f": {topic}." in words]  # "You are already subscribed to this topic: X."
        waiters = [w for topic in named or topics if (w := self._take(op, str(topic))) is not None]
        error = self._refusal(op or "the connection", message)
        if not waiters:
            self.trouble(error)
        for waiter in waiters:
            waiter.errback(error)

    def _refusal(self, doing: str, message: dict[str, Any]) -> ExchangeError:
        status, words = message.get("status"), self.redactor.clean(str(message["error"]))
        code = str(status)
        if status in (401, 403):
            return NotAuthorised(self.venue, doing, words, code)
        if status == 429:
            meta = message.get("meta") or {}
            return RateLimited(self.venue, doing, words, code, retry_after=float(meta.get("retryAfter") or 1))
        if status == 400 and "expires" not in words:
            return Refused(self.venue, doing, words, code)
        return Unreachable(self.venue, doing, words, code)

    def _error(self, kind: type[ExchangeError], doing: str, why: str) -> ExchangeError:
        return kind(self.venue, doing, self.redactor.clean(why))
