"""Who hears what on the WebSockets of the simulated BitMEX: topics, partials, and the changes of every table.

Turns the core's events and the private rows into messages; knows subscribers only as something to send bytes to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import msgspec
from attrs import define, field
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from clients.exchange import Side
from ilp.simulation.bitmex.entry import Entry
from ilp.simulation.bitmex.faults import Faults
from ilp.simulation.bitmex.listings import ASSETS
from ilp.simulation.bitmex.market import Market
from ilp.simulation.bitmex.money import Money
from ilp.simulation.bitmex.schema import TABLES, partial
from ilp.simulation.records import BookChanged, BookSnapshot, Event, Rows, Traded

__all__ = ["Feeds", "Subscriber"]

Row = dict[str, Any]
Level = tuple[Side, int]

THROTTLE_S = 0.1  # of the tables that the venue does not send at every change
_WINDOW = 25
_WITHOUT_NULLS = ("order", "execution", "position", "instrument", "margin", "wallet")


class Subscriber(Protocol):
    """A connection: the account it is logged in as, or an empty text, and its (table, symbol) pairs; no symbol is all."""

    account: str
    topics: set[tuple[str, str]]

    def send(self, frame: bytes) -> None:
        """Send one message."""


@define(eq=False)
class Feeds:
    """Topics of one venue.

    :ivar current: the newest dialect: no nulls, no `foreignKeys` and `attributes`.
    """

    market: Market
    entry: Entry
    money: Money
    faults: Faults
    clock: IReactorTime
    number: Callable[[str], int | None]
    current: bool = False
    subscribers: dict[Subscriber, None] = field(factory=dict)
    shown: dict[str, dict[Level, int]] = field(factory=dict)
    _windows: dict[str, dict[Level, int]] = field(factory=dict)
    _moving: dict[str, Row] = field(factory=dict)
    _quotes: dict[str, tuple[Rows, Rows]] = field(factory=dict)
    _told: dict[tuple[str, str, str], Row] = field(factory=dict)
    _poor: set[str] = field(factory=set)
    _dirty: set[str] = field(factory=set)
    _timers: dict[str, IDelayedCall] = field(factory=dict)
    _held: list[tuple[Subscriber, bytes]] | None = None

    def start(self) -> None:
        """Take the books as they are."""
        for symbol in self.market.listings:
            book = self.market.core.book(symbol)
            bids = {(Side.BUY, price): size for price, size in book.bids}
            self.shown[symbol] = bids | {(Side.SELL, price): size for price, size in book.asks}
            self._windows[symbol] = _window(self.shown[symbol])

    def stop(self) -> None:
        """No timer is left."""
        for timer in self._timers.values():
            if timer.active():
                timer.cancel()
        self._timers.clear()

    def hold_partials(self, held: bool) -> None:
        """Keep partials back while *held*."""
        waiting, self._held = self._held or [], [] if held else None
        for subscriber, frame in waiting:
            subscriber.send(frame)

    # ------------------------------------------------------------------------------------------------ topics

    def symbols(self, table: str, asked: str) -> list[str] | None:
        """The symbols that a topic's second half means; [""] for all; None when there is no such symbol."""
        if asked in ("", "*") or "symbol" not in self._columns(table):
            return [""]
        listings = self.market.listings
        if asked in listings:
            return [asked]
        root = [symbol for symbol, listing in listings.items() if listing.underlying == asked.partition(":")[0]]
        return root or None

    @staticmethod
    def _columns(table: str) -> tuple[str, ...]:
        private = ("margin", "wallet", "transact", "affiliate", "account", "privateNotifications")
        other = ("announcement", "chat", "connected", "insurance", "publicNotifications")
        return () if table in private + other else ("symbol",)

    def send_partial(self, to: Subscriber, table: str, symbol: str) -> None:
        """The first message of a topic; books have one for each symbol."""
        if self.faults.lacks_partial(table):
            return
        books = table.startswith("orderBook") and table != "orderBook10"
        for one in [symbol] if symbol or not books else self.market.listings:
            if table == "orderBookL2_25":
                self._flush_window(one)  # so that the partial and the changes after it join
            frame = self._encode(self._partial(to, table, one))
            if self._held is not None:
                self._held.append((to, frame))
            else:
                to.send(frame)

    def _partial(self, to: Subscriber, table: str, symbol: str) -> Row:
        rows = [row for row in self.rows(to.account, table) if symbol in ("", row.get("symbol"))]
        filter_: Row = {"account": self.number(to.account)} if TABLES[table].private else {}
        if symbol:
            filter_["symbol"] = symbol
            if table.startswith("orderBookL2"):
                rows = self._levels(table, symbol)
        template = rows[0] if rows else self._template(to.account, table)
        return partial(table, self._plain(table, rows), template, filter_, current=self.current)

    def _levels(self, table: str, symbol: str) -> list[Row]:
        levels = self.shown[symbol] if table == "orderBookL2" else self._windows[symbol]
        ordered = sorted(levels.items(), key=lambda level: (level[0][0] is Side.BUY, -level[0][1]))
        return [self.market.level_row(symbol, side, price, size) for (side, price), size in ordered]

    def rows(self, account: str, table: str) -> Iterable[Row]:
        """What a table holds now, as *account* sees it."""
        market, listings = self.market, self.market.listings
        match table:
            case "instrument":
                return [market.instrument_row(symbol) for symbol in listings]
            case "quote":
                return [market.quote_row(symbol) for symbol in listings]
            case "trade":
                return [market.trade_row(trade, market.ticks[symbol]) for symbol, trade in market.last.items()]
            case "orderBook10":
                return [market.book10_row(symbol) for symbol in listings]
            case "order":
                return [order.row() for order in self.entry.desk.live(account)]
            case "position" | "margin" | "wallet":
                return [row for _, row in self._money_rows(account, table)]
            case "transact":
                return list(self.money.history[account])
            case _ if table.startswith("tradeBin"):
                return self._last_bins(table.removeprefix("tradeBin"))
            case _:
                return []

    def _template(self, account: str, table: str) -> Row:
        """A row with every column, for the types in a partial without rows."""
        symbol = next(iter(self.market.listings))
        if table.startswith("orderBookL2"):
            return {"symbol": symbol, "id": 1, "side": "Buy", "size": 1, "price": 1.0, "timestamp": ""}
        if table == "trade":
            columns = ("timestamp", "symbol", "side", "size", "price", "tickDirection", "trdMatchID", "grossValue")
            return dict.fromkeys(columns)
        history = self.entry.executions.get(account)
        if table in ("execution", "order") and history:
            return history[-1]
        return {"timestamp": "", **dict.fromkeys(TABLES[table].keys)}

    def _last_bins(self, size: str) -> list[Row]:
        now, rows = self.market.core.now(), []
        for symbol in self.market.listings:
            rows += self.market.bins(symbol, size, now.replace(minute=0, hour=0), now, running=False)[-1:]
        return rows

    # ------------------------------------------------------------------------------------------------ sending

    def publish(self, table: str, action: str, rows: list[Row], account: str = "") -> None:
        """Send *rows*, all of one symbol, to whoever subscribed."""
        symbol = str(rows[0].get("symbol") or "")
        wanted = {(table, ""), (table, symbol)}
        hearers = [s for s in self.subscribers if not wanted.isdisjoint(s.topics)]
        if TABLES[table].private:
            hearers = [s for s in hearers if s.account == account]
        if not hearers:
            return
        plain = self._plain(table, rows) if action == "insert" else rows
        frame = self._encode({"table": table, "action": action, "data": plain})
        for hearer in hearers:
            for _ in range(self.faults.copies(table)):
                hearer.send(frame)

    def _heard(self, table: str, symbol: str) -> bool:
        """Whether anybody wants it: rows that nobody hears are not made."""
        return any((table, symbol) in s.topics or (table, "") in s.topics for s in self.subscribers)

    def tell(self, table: str, action: str, row: Row, account: str) -> None:
        """A row of an account's `order` or `execution`."""
        self.publish(table, action, [row], account)
        self.money_changed(account)

    def transacted(self, account: str, action: str, row: Row) -> None:
        """A row of an account's wallet history."""
        self.publish("transact", action, [row], account)

    def _plain(self, table: str, rows: Iterable[Row]) -> list[Row]:
        if not self.current or table not in _WITHOUT_NULLS:
            return list(rows)
        return [{name: value for name, value in row.items() if value not in (None, "")} for row in rows]

    @staticmethod
    def _encode(document: Mapping[str, Any]) -> bytes:
        return msgspec.json.encode(document)

    # ------------------------------------------------------------------------------------------------ the market

    def handle(self, event: Event) -> None:
        """What the core did to the market."""
        match event:
            case BookChanged(contract, side, price, quantity, book):
                self._level(contract, side, price, quantity)
                self._quote(book)
            case Traded(trade):
                self.market.take_trade(trade)
                row = self.market.trade_row(trade, self.market.ticks[trade.contract])
                self.publish("trade", "insert", [row])
                self._later(trade.contract)

    def _level(self, symbol: str, side: Side, price: int, size: int) -> None:
        levels = self.shown[symbol]
        known = (side, price) in levels
        row = self.market.level_row(symbol, side, price, size, gone=not size)
        if not size:
            if not known:
                return
            del levels[side, price]
            del row["size"]
            self.publish("orderBookL2", "delete", [row])
        else:
            levels[side, price] = size
            self.publish("orderBookL2", "update" if known else "insert", [row])
        self._later(symbol)

    def _quote(self, book: BookSnapshot) -> None:
        """Every change of the best bid or ask, price or size."""
        best = (book.bids[:1], book.asks[:1])
        if self._quotes.get(book.contract) != best:
            self._quotes[book.contract] = best
            if self._heard("quote", book.contract):
                self.publish("quote", "insert", [self.market.quote_row(book.contract, book)])

    def _later(self, symbol: str) -> None:
        self._dirty.add(symbol)
        self._after(THROTTLE_S, "market", self._flush_market)

    def _after(self, seconds: float, name: str, do: Callable[[], None]) -> None:
        timer = self._timers.get(name)
        if timer is None or not timer.active():
            self._timers[name] = self.clock.callLater(seconds, do)

    def _flush_market(self) -> None:
        dirty, self._dirty = self._dirty, set()
        for symbol in dirty:
            if self._heard("orderBookL2_25", symbol):
                self._flush_window(symbol)
            if self._heard("orderBook10", symbol):
                self.publish("orderBook10", "update", [self.market.book10_row(symbol)])
            if self._heard("instrument", symbol):
                self._flush_instrument(symbol)
        self._poor |= {account for account, symbol in self.market.core.positions.places if symbol in dirty}
        self._flush_money()

    def _flush_window(self, symbol: str) -> None:
        before, now = self._windows[symbol], _window(self.shown[symbol])
        self._windows[symbol] = now
        row = self.market.level_row
        gone = [row(symbol, side, price, 0) for side, price in before.keys() - now.keys()]
        for one in gone:
            del one["size"]
        new = [row(symbol, side, price, now[side, price]) for side, price in now.keys() - before.keys()]
        both = now.keys() & before.keys()
        changed = [row(symbol, s, p, now[s, p]) for s, p in both if now[s, p] != before[s, p]]
        for action, rows in (("delete", gone), ("update", changed), ("insert", new)):
            if rows:
                self.publish("orderBookL2_25", action, rows)

    def _flush_instrument(self, symbol: str) -> None:
        now, before = self.market.moving_columns(symbol), self._moving.get(symbol, {})
        self._moving[symbol] = now
        changed = {name: value for name, value in now.items() if name not in before or value != before[name]}
        self.publish("instrument", "update", [{"symbol": symbol, **changed, "timestamp": now["timestamp"]}])

    def unknown_update(self, symbol: str) -> None:
        """An update for a level that never was."""
        row = {"symbol": symbol, "id": 1, "side": "Buy", "size": 1, "price": 1.0}
        self.publish("orderBookL2", "update", [row])
        self.publish("orderBookL2_25", "update", [row])

    # ------------------------------------------------------------------------------------------------ money

    def money_changed(self, account: str) -> None:
        """An account's wallet, margin or positions may have changed: told once in the next turn."""
        if self.number(account) is not None:
            self._poor.add(account)
            self._after(0.0, "money", self._flush_money)

    def _flush_money(self) -> None:
        poor, self._poor = self._poor, set()
        for account in poor:
            if self.number(account) is None:
                continue
            for table in ("position", "margin", "wallet"):
                for key, row in self._money_rows(account, table):
                    self._tell_money(account, table, key, row)

    def _money_rows(self, account: str, table: str) -> Iterable[tuple[str, Row]]:
        if self.number(account) is None:
            return
        core = self.market.core
        if table == "position":
            for symbol, listing in self.market.listings.items():
                row = self.money.position_row(account, listing)
                if row["isOpen"] or (account, "position", symbol) in self._told:
                    yield symbol, row
            return
        for ticker in ASSETS:
            if ticker in core.currencies:
                yield ticker, (self.money.margin_row if table == "margin" else self.money.wallet_row)(account, ticker)

    def _tell_money(self, account: str, table: str, key: str, row: Row) -> None:
        before = self._told.get((account, table, key))
        self._told[account, table, key] = row
        if before is None:
            self.publish(table, "insert", [row], account)
            return
        always = (*TABLES[table].keys, "currency", "timestamp", "currentQty", "markPrice", "liquidationPrice")
        changed = {name for name, value in row.items() if name != "timestamp" and value != before.get(name)}
        if changed:
            update = {name: value for name, value in row.items() if name in changed or name in always}
            self.publish(table, "update", [update], account)


def _window(levels: Mapping[Level, int]) -> dict[Level, int]:
    """The best levels of each side."""
    bids = sorted((level for level in levels if level[0] is Side.BUY), key=lambda level: -level[1])[:_WINDOW]
    asks = sorted((level for level in levels if level[0] is Side.SELL), key=lambda level: level[1])[:_WINDOW]
    return {level: levels[level] for level in [*bids, *asks]}
