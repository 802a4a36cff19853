"""Keeps the picture of a BitMEX account and its markets true while one connection lasts: subscriptions, reads, placing.

Belongs to one connection and ends with it.  Knows neither how to connect nor the uniform interface's methods; tells what
happens by events of that interface.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from clients.bitmex_account import Account, Tracked
from clients.bitmex_book import L2Book, L2Message, L2Row, decode_l2
from clients.bitmex_contracts import Contracts, Instrument, read_time
from clients.bitmex_errors import About
from clients.bitmex_options import Options
from clients.bitmex_rest import Rest
from clients.bitmex_session import Session
from clients.bitmex_tables import Change, Storage, TableMessage
from clients.budget import Priority
from clients.calls import bounded, reported, together
from clients.deadman import DeadMan
from clients.exchange import Book, ExchangeError, OrderRejected, OutcomeUnknown, Position, Refused, Trade, Unreachable
from clients.provisional import Provisional, placed
from clients.reread import Reread

__all__ = ["Live"]

Row = dict[str, Any]
Events = list[tuple[str, tuple[Any, ...]]]

MOST_FOLLOWED = 20
PRIVATE = ("order", "execution", "position", "margin", "wallet", "transact")
WAITED_FOR = (
    "order",
    "position",
    "margin",
    "wallet",
)  # the venue has been seen to leave out the partials of the others
PAGE = 500
_AT_ONCE = 50  # ids in one address, whose length servers limit
_MONEY = ("wallet", "margin", "position")


@define(eq=False)
class Live:
    """One connection, from the first read to the lost line.

    :ivar tell: emits an event of the uniform interface; until `announce` what happens is kept.
    :ivar trouble: told of what failed and nobody waits for.
    :ivar followed: instruments by symbol.
    :ivar storage: the tables as the venue has them; books are in `books`.
    """

    venue: str
    rest: Rest
    account: Account
    options: Options
    clock: Any
    tell: Callable[..., None]
    trouble: Callable[[Exception], None]
    private: bool
    session: Session = field(init=False)
    followed: dict[str, Instrument] = field(init=False, factory=dict)
    books: dict[str, L2Book] = field(init=False, factory=dict)
    storage: Storage = field(init=False, factory=Storage)
    dead_man: DeadMan = field(init=False)
    _held_back: Events | None = field(init=False, factory=list)
    _dirty: set[str] = field(init=False, factory=set)
    _money_changed: bool = field(init=False, default=False)
    _positions: dict[str, Position] = field(init=False, factory=dict)
    _awaited: set[str] = field(init=False, factory=set)
    _complete: Deferred[None] = field(init=False, factory=Deferred)
    _renewing: set[str] = field(init=False, factory=set)
    _stopped: bool = field(init=False, default=False)
    _read_orders: Reread = field(init=False)
    _read_money: Reread = field(init=False)

    def __attrs_post_init__(self) -> None:
        period = self.options.reread
        self._read_orders = Reread(self.clock, self._check_orders, self.trouble, delay=1.0, period=period)
        self._read_money = Reread(self.clock, self._check_money, self.trouble, delay=0.2, period=period)
        self.dead_man = DeadMan(self.clock, self.options.dead_man, self._arm, self.trouble)

    # ------------------------------------------------------------------------------------------------ the beginning

    async def prepare(self, session: Session) -> None:
        """Read what is listed, subscribe, wait for the tables; then find out what happened to orders meanwhile."""
        self.session = session
        instruments, assets = await together(
            self.rest.get("reading the instruments", "/instrument/active"),
            self.rest.get("reading the assets", "/wallet/assets"),
        )
        self.account.contracts = self._choose(Contracts(instruments, assets))
        topics = self._topics()
        self._awaited = {topic for topic in topics if topic in WAITED_FOR or topic.startswith(self.options.book)}
        await session.subscribe(topics, self.options.deadline)
        await self._partials()
        if self.private:
            await self._reconcile()

    async def _partials(self) -> None:
        if not self._awaited:
            return
        limit = self.options.deadline

        def late() -> Unreachable:
            missing = ", ".join(sorted(self._awaited))
            return Unreachable(self.venue, "connecting", f"no partial of {missing} in {limit:g} s")

        await bounded(self._complete, limit, self.clock, late)

    def _choose(self, contracts: Contracts) -> Contracts:
        for symbol, fault in contracts.unusable.items():
            self.trouble(Unreachable(self.venue, "reading the instruments", f"{symbol} is left out: {fault}"))
        chosen = self.options.chosen() or {t: "" for t in ("BTC/USD", "BTC/USDT") if contracts.find(t)}
        self.followed, self.books = {}, {}
        for ticker, symbol in chosen.items():
            found = contracts.of_symbol(symbol) if symbol else contracts.find(ticker)
            if found is None:
                known = ", ".join(sorted(contracts.tickers())) or "none"
                raise Refused(
                    self.venue, "reading the instruments", f"{symbol or ticker}: not listed; there are {known}"
                )
            if symbol or ticker != found.ticker:
                contracts.choose(ticker, found.symbol)
                found = contracts.of_symbol(found.symbol) or found
            self.followed[found.symbol] = found
            self.books[found.symbol] = L2Book(found.symbol)
        self.account.followed = tuple(self.followed.values())
        if len(self.followed) > MOST_FOLLOWED:
            raise Refused(
                self.venue, "subscribing", f"{len(self.followed)} tickers; at most {MOST_FOLLOWED} are followed"
            )
        return contracts

    def _topics(self) -> list[str]:
        market = [
            f"{table}:{s}" for s in self.followed for table in ("instrument", "trade", "quote", self.options.book)
        ]
        return [*(PRIVATE if self.private else ()), *market]

    def announce(self) -> None:
        """Tell the state as it was read, then what happened since; start to watch over it."""
        held_back, self._held_back = self._held_back or [], None
        self._dirty.update(self.followed)
        for event, arguments in held_back:
            self.tell(event, *arguments)
        self.flush()
        if self.private:
            self._positions = {}
            self._tell_positions()
            self._read_orders.start()
            self._read_money.start()
            self.dead_man.watch(bool(self.account.open_orders()))

    def stop(self) -> None:
        """The connection is over; no timer is left behind."""
        self._stopped = True
        self._read_orders.stop()
        self._read_money.stop()
        self.dead_man.stop()
        if not self._complete.called:
            self._complete.errback(Unreachable(self.venue, "connecting", "connection lost"))
        self._complete.addErrback(lambda failure: None)

    # ------------------------------------------------------------------------------------------------ messages

    def take_books(self, frames: Sequence[bytes]) -> None:
        """Messages of order books in their order; the books differ, what came for one of them is decoded together."""
        if len(self.books) == 1:
            (book,) = self.books.values()
            self._take(book, frames)
            return
        by_symbol: dict[bytes, list[bytes]] = {}
        for frame in frames:
            # Where none is found the frame is of nobody's book, and is read by itself.
            symbol = frame.partition(b'"symbol":"')[2].partition(b'"')[0]
            by_symbol.setdefault(symbol, []).append(frame)
        for symbol, its in by_symbol.items():
            found = self.books.get(symbol.decode(errors="replace"))
            if found is None:
                self._take_singly(its)
            else:
                self._take(found, its)

    def _take(self, book: L2Book, frames: Sequence[bytes]) -> None:
        topic = f"{self.options.book}:{book.symbol}"
        while frames:
            try:
                taken = book.take(frames)
            except ValueError:
                self._take_singly(frames)  # finds out which
                return
            frames = frames[taken.done :]
            self._book_changed(book, topic, taken.partial, taken.gap)

    def _take_singly(self, frames: Sequence[bytes]) -> None:
        for frame in frames:
            try:
                message = decode_l2(frame)
            except ValueError as error:
                self.unreadable(self.options.book, error)
                continue
            book = self.books.get(message.symbol)
            if book is not None:
                gap = book.apply(message)
                self._book_changed(book, f"{self.options.book}:{book.symbol}", message.action == "partial", gap)

    def _book_changed(self, book: L2Book, topic: str, partial: bool, gap: str) -> None:
        if partial:
            self._arrived(topic)
        if gap:
            self._fetch_again(topic, gap)
        elif book.ready:
            self._dirty.add(book.symbol)

    def take_table(self, message: TableMessage) -> None:
        """A message of any other table."""
        applied = self.storage.apply(message, self.clock.seconds())
        if message.action == "partial":
            symbol = str((message.filter or {}).get("symbol") or "")
            self._arrived(f"{message.table}:{symbol}" if symbol else message.table)
            if message.table in _MONEY:
                self.account.forget_money(message.table)
        for gap in applied.gaps:
            self._fetch_again(gap.topic, gap.why)
        handler = {"order": self._order, "execution": self._execution, "trade": self._trade}.get(message.table)
        for change in applied.changes:
            if handler is not None:
                handler(change)
            elif message.table in _MONEY and change.action != "delete":
                self.account.take_money(message.table, change.item)
                self._money_changed = True
        if message.table == "transact":
            self._read_money.request()

    def unreadable(self, table: str, error: Exception) -> None:
        """A message that cannot be read: its table is fetched anew, or everything when not even that is known."""
        topics = [topic for topic in self._topics() if topic.partition(":")[0] == table]
        if not topics:
            self.trouble(Unreachable(self.venue, "reading", str(error)))
            self.session.line.drop("a message that nobody can read")
        for topic in topics:
            self._fetch_again(topic, str(error))

    def flush(self) -> None:
        """Tell the books and holdings that changed since the last time: once for all messages of one read."""
        if self._held_back is not None:
            return
        dirty, self._dirty = self._dirty, set()
        for symbol in dirty:
            instrument, book = self.followed[symbol], self.books[symbol]
            self.tell("book", instrument.ticker, book.record(instrument, self.options.depth))
        if self._money_changed:
            self._money_changed = False
            self._tell_positions()

    def _arrived(self, topic: str) -> None:
        self._renewing.discard(topic)
        self._awaited.discard(topic)
        if not self._awaited and not self._complete.called:
            self._complete.callback(None)

    def _fetch_again(self, topic: str, why: str) -> None:
        """One clear error, nothing known until the new partial, and that is asked for once."""
        if topic in self._renewing or self._stopped:
            return
        self._renewing.add(topic)
        table, _, symbol = topic.partition(":")
        self.trouble(Unreachable(self.venue, f"reading {topic}", f"{why}; it is fetched anew"))
        if symbol in self.books and table == self.options.book:
            self.books[symbol].clear()
            self._dirty.add(symbol)  # told as empty: whoever relies on it has to stop
        else:
            self.storage.forget(table, symbol)
        renewing = Deferred.fromCoroutine(self.session.renew(topic, self.options.deadline))
        renewing.addErrback(self._not_renewed, topic)
        reported(renewing, self.trouble)
        if table in PRIVATE:
            self._read_orders.request()
            self._read_money.request()

    def _not_renewed(self, failure: Failure, topic: str) -> None:
        # Without the topic nothing about it is known: the connection is made anew.
        self._renewing.discard(topic)
        if not self._stopped:
            self.session.line.drop(f"{topic} could not be fetched anew: {failure.getErrorMessage()}")

    def _order(self, change: Change) -> None:
        row = change.item
        claimant = self.account.claimant(row)
        if claimant is not None and not _refused(row):
            # The stream may overtake the answer: then it tells the id, before anything else is told about the order.
            self.account.settle(claimant, str(row["orderID"]))
        if change.action == "delete":
            return
        order = self.account.take_order(row)
        if order is not None:
            self._tell_order(order)

    def _execution(self, change: Change) -> None:
        if change.action == "insert":  # a partial tells what happened long ago
            self._take_execution(change.item)

    def _take_execution(self, row: Mapping[str, Any]) -> None:
        # A post-only order that would match has an execution `New` too: only a fill proves that an order was taken.
        claimant = self.account.claimant(row) if row.get("execType") == "Trade" else None
        if claimant is not None:
            self.account.settle(claimant, str(row["orderID"]))
        taken = self.account.take_execution(row)
        if taken is not None:
            fill, order = taken
            self._tell("fill", fill)
            if order is not None and order.seen:
                self._tell_order(order)

    def _trade(self, change: Change) -> None:
        trade = self.trade_record(change.item) if change.action == "insert" else None
        if trade is not None:
            self._tell("trade", trade)

    def trade_record(self, row: Mapping[str, Any]) -> Trade | None:
        """A market trade; None for index prints and the like."""
        instrument = self.account.contracts.of_symbol(str(row.get("symbol")))
        if instrument is None or not row.get("size") or row.get("trdType", "Regular") != "Regular":
            return None
        price = Decimal(str(row["price"]))
        quantity = instrument.quantity(int(row["size"]), price)
        return Trade(contract=instrument.ticker, price=price, quantity=quantity, timestamp=read_time(row["timestamp"]))

    def _tell_order(self, order: Tracked) -> None:
        self._money_changed = True  # what orders hold
        self._tell("order", order.record())
        if self._held_back is None:
            self.dead_man.watch(bool(self.account.open_orders()))

    def _tell(self, event: str, *arguments: Any) -> None:
        if self._held_back is None:
            self.tell(event, *arguments)
        else:
            self._held_back.append((event, arguments))

    def _tell_positions(self) -> None:
        before, self._positions = self._positions, self.account.position_records()
        for ticker, position in self._positions.items():
            if position != before.get(ticker):
                self.tell("position", ticker, position)

    # ------------------------------------------------------------------------------------------------ reads

    async def read_book(self, instrument: Instrument) -> Book:
        """The book as the venue has it, or as the stream keeps it."""
        rows = await self.rest.get(
            f"reading the book of {instrument.ticker}", "/orderBook/L2", {"symbol": instrument.symbol, "depth": 0}
        )
        book = L2Book(instrument.symbol)
        book.apply(L2Message("orderBookL2", "partial", msgspec.convert(rows, list[L2Row], strict=False)))
        return book.record(instrument)

    async def read_positions(self) -> dict[str, Position]:
        """Holdings as the venue has them."""
        everything = {"currency": "all"}
        wallet, margin, positions = await together(
            self.rest.get("reading the wallet", "/user/wallet", everything),
            self.rest.get("reading the margin", "/user/margin", everything),
            self.rest.get("reading positions", "/position", {"count": PAGE}),
        )
        self.account.replace_money(wallet, margin, positions)
        if self._held_back is None:
            self._tell_positions()
        return self.account.position_records()

    async def read_open_orders(self) -> list[Tracked]:
        """Open orders as the venue has them; those that were open here and are not any more are settled on the way."""
        asked_about = [order.id for order in self.account.open_orders()]
        rows = await self.pages("reading open orders", "/order", {"filter": {"open": True}, "reverse": True})
        self._take_orders(rows)
        listed = {str(row["orderID"]) for row in rows}
        await self._look_up([id for id in asked_about if id not in listed])
        return [order for order in self.account.open_orders() if order.id in listed]

    async def pages(
        self, doing: str, path: str, query: Mapping[str, Any], priority: Priority = Priority.READ, size: int = PAGE
    ) -> list[Row]:
        """All rows of a table read, page after page."""
        rows: list[Row] = []
        while True:
            page = await self.rest.get(doing, path, {**query, "count": size, "start": len(rows)}, priority)
            rows += page
            if len(page) < size:
                return rows

    async def find_order(self, doing: str, match: Mapping[str, Any]) -> Tracked | None:
        """One order by `orderID` or `clOrdID`, with every fill of it; None when the venue never had it."""
        rows = await self.rest.get(doing, "/order", {"filter": match, "count": 1, "reverse": True})
        if not rows:
            return None
        self._take_orders(rows)
        await self._catch_up([str(rows[0]["orderID"])])
        return self.account.orders.get(str(rows[0]["orderID"]))

    async def _reconcile(self) -> None:
        """After the partials: orders that ended while nobody listened, and fills of those that are still open."""
        open_now = {str(row["orderID"]) for row in self.storage.data.get("order", {}).values()}
        await self._look_up([order.id for order in self.account.open_orders() if order.id not in open_now])
        await self._catch_up([])

    def _take_orders(self, rows: Iterable[Mapping[str, Any]]) -> None:
        for row in rows:
            claimant = self.account.claimant(row)
            if claimant is not None and not _refused(row):
                self.account.settle(claimant, str(row["orderID"]))
            order = self.account.take_order(row)
            if order is not None and order.told >= order.filled:
                self._tell_order(order)  # an order with fills untold is told of when they have been read

    async def _look_up(self, ids: Sequence[str]) -> None:
        for start in range(0, len(ids), _AT_ONCE):
            query = {"filter": {"orderID": list(ids[start : start + _AT_ONCE])}, "count": PAGE, "reverse": True}
            self._take_orders(await self.rest.get("looking up orders", "/order", query))
        await self._catch_up(ids)

    async def _catch_up(self, ids: Sequence[str]) -> None:
        """Read the executions of orders of which more was filled than told."""
        missing = [id for id in self.account.incomplete() if not ids or id in ids]
        for start in range(0, len(missing), _AT_ONCE):
            query = {"filter": {"orderID": missing[start : start + _AT_ONCE]}, "reverse": False}
            for row in await self.pages("reading fills", "/execution/tradeHistory", query):
                self._take_execution(row)
        for id in ids:
            order = self.account.orders.get(id)
            if order is not None and order.seen and id in missing:
                self._tell_order(order)

    async def _check_orders(self) -> None:
        await self.read_open_orders()

    async def _check_money(self) -> None:
        await self.read_positions()

    async def _arm(self, seconds: float) -> None:
        await self.session.command("cancelAllAfter", int(seconds * 1000), self.options.deadline)

    # ------------------------------------------------------------------------------------------------ placing

    def place(self, instrument: Instrument, body: Mapping[str, Any], doing: str, priority: Priority) -> Deferred[str]:
        """Send an order once; fires with its id as soon as the answer, the stream or a lookup tells it.

        Cancelling the Deferred ends the waiting only: what was sent stays sent, and the order is told of by events.
        """
        order = self.account.begin(instrument.ticker, str(body["clOrdID"]))
        self.dead_man.watch(True)
        return placed(order, self._send(doing, body, order, priority), self.account.settle, self.trouble)

    async def _send(self, doing: str, body: Mapping[str, Any], order: Provisional, priority: Priority) -> None:
        try:
            row = await self.rest.ask(doing, "POST", "/order", body=body, about=About.PLACE, priority=priority)
        except OutcomeUnknown as doubt:
            await self._recover(doing, body, order, doubt)
            return
        if _never_rested(row, body):
            raise OrderRejected(self.venue, doing, str(row.get("text") or row.get("ordRejReason") or "refused"))
        self.account.take_order(row, seen=False)
        self.account.settle(order, str(row["orderID"]))

    async def _recover(self, doing: str, body: Mapping[str, Any], order: Provisional, doubt: OutcomeUnknown) -> None:
        """No answer: the stream may have told the id by now, else the venue is asked.  Never sent again."""
        if order.order_id is not None:
            return
        try:
            found = await self.find_order(f"{doing}: looking for it", {"clOrdID": order.client_id})
        except ExchangeError:
            found = None
        if found is None and order.order_id is None:
            self._read_orders.request()
            raise doubt
        if found is not None:
            if _never_rested(found.row, body):
                raise OrderRejected(self.venue, doing, str(found.row.get("text") or "refused"))
            self.account.settle(order, found.id)


def _refused(row: Mapping[str, Any]) -> bool:
    """An order that ended without a fill: the answer to the call that placed it says whether that was a refusal."""
    return row.get("ordStatus") in ("Canceled", "Rejected") and not row.get("cumQty")


def _never_rested(row: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    """A refusal in the form of an order; one that should trade at once or not at all may well end like that."""
    return _refused(row) and body.get("timeInForce") != "ImmediateOrCancel"
