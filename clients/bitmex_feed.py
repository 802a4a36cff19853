"""BitMEX's realtime tables for people who only want the data: an async iterator, events, and the tables as they are now.

Public tables need no key.  Nothing is placed, cancelled or withdrawn here; the account's tables are read with a key.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from random import Random
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred

from clients.bitmex_options import Hosts
from clients.bitmex_session import Session
from clients.bitmex_tables import Change, Storage, TableMessage
from clients.calls import deferring, reported
from clients.deadman import DeadMan
from clients.events import Emitter
from clients.exchange import Unreachable
from clients.option_values import words
from clients.reconnect import Backoff, Lifeline
from clients.redaction import Redactor, Secret
from clients.websocket import Line, LineLost, TlsRules, dial

__all__ = ["BitMEXFeed"]

PUBLIC = ("instrument", "quote", "trade", "tradeBin1m")
PRIVATE = ("margin", "position", "order", "execution")
WITHOUT_SYMBOL = frozenset({"margin", "wallet", "transact", "affiliate"})
_CLOSING_S = 2.0
_LOGIN_VALID_S = 3600
_LARGEST_MESSAGE = 64 * 2**20


@define(eq=False)
class _Reader:
    """One iteration: what it has not taken yet, and whether it waits."""

    most: int
    changes: deque[Change] = field(factory=deque)
    waiting: Deferred[None] | None = None
    ended: Exception | bool = False

    def wake(self) -> None:
        waiting, self.waiting = self.waiting, None
        if waiting is not None:
            waiting.callback(None)

    def put(self, change: Change) -> None:
        if len(self.changes) >= self.most:
            self.ended = Unreachable(
                "bitmex", "reading", f"{self.most} changes wait to be read: the reader is too slow"
            )
        else:
            self.changes.append(change)
        self.wake()


class BitMEXFeed(Emitter):
    """Realtime tables of one or more symbols.

    Events: `change(item, symbol, table, action)` for every row of a partial, insert or update (`item` is the whole row as it
    is then; deletes are applied to `storage` and not told), `connect(feed)`, `disconnect(feed)`, `error(exception)`.

    :param symbols: `XBTUSD`, or several with commas or as a sequence; empty: the account's tables only.
    :param tables: what to follow of each symbol, and of the account; empty: instrument, quote, trade and tradeBin1m, and
        with a key margin, position, order and execution.
    :param endpoint: `mainnet`, `testnet` or an address.
    :param id: API key; empty for public tables.
    :param dead_man: seconds after which the venue cancels all orders of the account if nothing more is heard; 0 for off.
    :param most_waiting: changes that an iteration may leave unread before it fails.
    :ivar storage: the tables (`data`, `keys`, `find`); rows are found by key in constant time.
    :ivar ws: the WebSocket while there is one.
    """

    def __init__(
        self,
        symbols: str | Sequence[str] = "",
        *,
        endpoint: str = "mainnet",
        id: str = "",
        secret: str = "",
        reactor: Any,
        tables: str | Sequence[str] = "",
        dead_man: float = 0.0,
        deadline: float = 10.0,
        connect_deadline: float = 30.0,
        ping_interval: float = 5.0,
        ping_timeout: float = 5.0,
        backoff_first: float = 0.5,
        backoff_longest: float = 30.0,
        most_waiting: int = 100_000,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        random: Random | None = None,
    ) -> None:
        super().__init__()
        self.name = "bitmex"
        self.storage = Storage()
        self.ws: Line | None = None
        self._hosts = Hosts.parse(endpoint)
        self._key, self._secret = id, Secret(secret)
        self._redactor = Redactor(secret)
        self._reactor, self._now = reactor, now
        self._deadline, self._connect_deadline = deadline, connect_deadline
        self._ping = (ping_interval, ping_timeout)
        self._topics = _topics(words(symbols), words(tables), bool(id))
        if not self._topics:
            raise ValueError("no symbol and no key: there is nothing to follow; give it a symbol, or id and secret")
        self._most = most_waiting
        self._readers: list[_Reader] = []
        self._session: Session | None = None
        self._renewing: set[str] = set()
        self._new_dead_man = partial(DeadMan, reactor, dead_man, self._arm, self._trouble)
        self._dead_man: DeadMan = self._new_dead_man()
        backoff = Backoff(backoff_first, backoff_longest)
        self._lifeline = Lifeline(self.name, self._open, reactor, random or Random(), backoff, self._trouble)

    # ------------------------------------------------------------------------------------------------ connection

    def connect(self) -> Deferred[None]:
        """Fire when subscribed; reconnects by itself afterwards.

        Fails with `NotAuthorised` when the key is refused and `Unreachable` when there is no connection in time.
        """
        return self._lifeline.start(self._connect_deadline)

    @deferring
    async def disconnect(self) -> None:
        """Close in order; iterations end."""
        await self._lifeline.stop()
        if self.ws is not None:
            await self.ws.hang_up(self._reactor, _CLOSING_S)
        for reader in tuple(self._readers):
            reader.ended = reader.ended or True
            reader.wake()

    async def start(self) -> AsyncIterator[tuple[dict[str, Any], str, str, str]]:
        """Connect if need be and yield `(item, symbol, table, action)` until `disconnect`.

        Goes on over reconnections: each brings new partials.  Close the iterator (or leave it to `contextlib.aclosing`) when
        it is not read to its end.
        """
        reader = _Reader(self._most)
        self._readers.append(reader)
        try:
            await self.connect()
            while True:
                while reader.changes:
                    item, symbol, table, action = reader.changes.popleft()
                    yield item, symbol, table, action
                if isinstance(reader.ended, Exception):
                    raise reader.ended
                if reader.ended:
                    return
                reader.waiting = Deferred()
                await reader.waiting
        finally:
            self._readers.remove(reader)

    async def _open(self) -> Deferred[Exception]:
        limit = self._deadline
        try:
            line = await dial(
                self._reactor, self._hosts.socket, limit=limit, tls=TlsRules(), largest_message=_LARGEST_MESSAGE
            )
        except LineLost as error:
            raise Unreachable(self.name, "connecting", str(error)) from None
        session = Session(
            self.name, line, self._reactor, self._redactor, self._trouble, None, self._table, self._unreadable
        )
        ended: Deferred[Exception] = Deferred()
        line.when_gone().addCallback(self._gone, session, ended)
        line.on_heard = session.heard
        session.watch(*self._ping)
        self._session = session
        try:
            await session.welcome(limit)
            if self._key:
                expires = int(max(self._now().timestamp(), time.time())) + _LOGIN_VALID_S
                await session.login(self._key, self._secret, expires, limit)
            await session.subscribe(self._topics, limit)
        except BaseException:  # a cancellation too: nothing may be left open
            line.drop("given up")
            await line.when_gone()
            raise
        self.ws, self._dead_man = line, self._new_dead_man()
        self._dead_man.watch(bool(self._key))
        self.announce("connect", self)
        return ended

    def _gone(self, reason: LineLost, session: Session, ended: Deferred[Exception]) -> None:
        was_ready, self.ws, self._session = self.ws is session.line, None, None
        self._dead_man.stop()
        self._renewing.clear()
        for topic in self._topics:
            table, _, symbol = topic.partition(":")
            self.storage.forget(table, symbol)
        session.lost(reason)
        if was_ready:
            self.announce("disconnect", self)
        if not ended.called:
            ended.callback(reason)

    async def _arm(self, seconds: float) -> None:
        if self._session is not None:
            await self._session.command("cancelAllAfter", int(seconds * 1000), self._deadline)

    def _trouble(self, error: Exception) -> None:
        self.announce("error", error)

    # ------------------------------------------------------------------------------------------------ messages

    def _table(self, message: TableMessage) -> None:
        applied = self.storage.apply(message, self._reactor.seconds())
        if message.action == "partial":
            symbol = str((message.filter or {}).get("symbol") or "")
            self._renewing.discard(f"{message.table}:{symbol}" if symbol else message.table)
        for gap in applied.gaps:
            self._fetch_again(gap.topic, gap.why)
        if message.action != "delete":
            for change in applied.changes:
                self.announce("change", *change)
                for reader in self._readers:
                    reader.put(change)

    def _unreadable(self, table: str, error: Exception) -> None:
        topics = [topic for topic in self._topics if topic.partition(":")[0] == table]
        for topic in topics:
            self._fetch_again(topic, str(error))
        if not topics and self._session is not None:
            self._trouble(Unreachable(self.name, "reading", str(error)))
            self._session.line.drop("a message that nobody can read")

    def _fetch_again(self, topic: str, why: str) -> None:
        if topic in self._renewing or self._session is None:
            return
        self._renewing.add(topic)
        self._trouble(Unreachable(self.name, f"reading {topic}", f"{why}; it is fetched anew"))
        table, _, symbol = topic.partition(":")
        self.storage.forget(table, symbol)
        session = self._session
        renewing = Deferred.fromCoroutine(session.renew(topic, self._deadline))
        renewing.addErrback(lambda failure: session.line.drop(f"{topic}: {failure.getErrorMessage()}"))
        reported(renewing, self._trouble)


def _topics(symbols: Sequence[str], tables: Sequence[str], keyed: bool) -> list[str]:
    """Subscriptions: public tables for each symbol, the account's without one."""
    private = [t for t in tables if t in PRIVATE or t in WITHOUT_SYMBOL] if tables else list(PRIVATE)
    public = [t for t in tables if t not in private] if tables else list(PUBLIC)
    market = [f"{table}:{symbol.upper()}" for symbol in symbols for table in public]
    return [*(private if keyed else ()), *market]
