"""The channels of the simulated Kraken: who listens to what, snapshots, and what each event of the core makes them tell."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any, Protocol

from attrs import define, field

from ilp.simulation.core import Core
from ilp.simulation.records import (
    BookChanged,
    Change,
    Event,
    Filled,
    Order,
    OrderAccepted,
    OrderChanged,
    Trade,
    Traded,
)

from .auth import Key
from .depths import DEPTHS, Depth
from .entries import Entries, Entry
from .errors import KrakenError
from .listings import Listings, number
from .market import INTERVALS, Market
from .reports import Reports, iso

__all__ = ["PRIVATE", "PUBLIC", "Feeds", "Listener", "Subscription"]

PUBLIC = ("ticker", "book", "trade", "ohlc", "instrument")
PRIVATE = ("executions", "balances")
_SNAPSHOT_TRADES = 50
_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)


class Listener(Protocol):
    """A connection."""

    def push(self, channel: str, message: dict[str, Any]) -> None:
        """Send a message of a channel."""


@define(eq=False)
class Subscription:
    """One connection's wish for one channel and, where it has symbols, one symbol.

    :ivar option: depth of a book, interval of bars in minutes.
    :ivar account: whose events, for private channels.
    """

    listener: Listener
    channel: str
    symbol: str = ""
    option: int = 0
    account: str = ""
    numbers: count[int] = field(factory=lambda: count(1))

    def tell(self, kind: str, data: list[dict[str, Any]], **more: Any) -> None:
        """Send data as `snapshot` or `update`; private channels are numbered."""
        message: dict[str, Any] = {"channel": self.channel, "type": kind, "data": data, **more}
        if self.channel in PRIVATE:
            message["sequence"] = next(self.numbers)
        self.listener.push(self.channel, message)


@define(eq=False)
class Feeds:
    """All subscriptions of one venue."""

    core: Core
    listings: Listings
    market: Market
    reports: Reports
    entries: Entries
    rate_limit: Callable[[], float]
    _subscriptions: list[Subscription] = field(factory=list)
    _depths: dict[tuple[str, int], Depth] = field(factory=dict)
    _latest: dict[int, Order] = field(factory=dict)

    # ------------------------------------------------------------------------------------------------ subscribing

    def subscribe(
        self, listener: Listener, channel: str, symbol: str, params: dict[str, Any], key: Key | None
    ) -> tuple[Subscription, dict[str, Any]]:
        """Add a subscription; it and the result of the acknowledgement.  `start` sends its snapshot."""
        if channel not in (*PUBLIC, *PRIVATE):
            raise KrakenError("Event(s) not found")
        if symbol and symbol not in self.listings.pairs:
            raise KrakenError(f"Currency pair not supported {symbol}")
        option = _option(channel, params)
        for one in self._subscriptions:
            if (one.listener, one.channel, one.symbol) == (listener, channel, symbol):
                raise KrakenError(
                    "Already subscribed"
                    if channel != "ohlc"
                    else "Already subscribed to one ohlc interval on this symbol"
                )
        account = "" if key is None else key.account
        fresh = Subscription(listener, channel, symbol, option, account)
        self._subscriptions.append(fresh)
        result: dict[str, Any] = {"channel": channel, "snapshot": params.get("snapshot", channel != "trade")}
        if symbol:
            result["symbol"] = symbol
        if channel == "book":
            result["depth"] = option
        if channel == "ohlc":
            result["interval"] = option
        if channel == "executions":
            result |= {"maxratecount": int(self.rate_limit()), "snap_orders": params.get("snap_orders", True)}
        return fresh, result

    def start(self, subscription: Subscription, params: dict[str, Any]) -> None:
        """Send the snapshot of a subscription that was acknowledged."""
        one = subscription
        if not params.get("snapshot", one.channel != "trade") and one.channel != "executions":
            return
        match one.channel:
            case "book":
                depth = self._depth(one.symbol, one.option)
                one.tell("snapshot", [depth.snapshot(self.listings.pair(one.symbol), self.core.book(one.symbol))])
            case "ticker":
                one.tell("snapshot", [self._ticker(one.symbol)])
            case "trade":
                trades = self.core.trades(one.symbol, _BEGIN, self.core.now())[-_SNAPSHOT_TRADES:]
                one.tell("snapshot", [self._trade(trade) for trade in trades])
            case "ohlc":
                rows = self.market.bars(self.listings.pair(one.symbol), one.option)
                one.tell("snapshot", [self._bar(one, row) for row in rows], timestamp=iso(self.core.now()))
            case "instrument":
                assets = [asset.instrument() for asset in self.listings.assets.values()]
                pairs = [pair.instrument() for pair in self.listings.pairs.values()]
                data: Any = {"assets": assets, "pairs": pairs}
                one.tell("snapshot", data)
            case "executions":
                self._executions_snapshot(one, params)
            case "balances":
                one.tell("snapshot", self._balances(one.account))

    def _executions_snapshot(self, one: Subscription, params: dict[str, Any]) -> None:
        data = []
        if params.get("snap_trades", False):
            fills = self.core.fills(one.account, _BEGIN, self.core.now())[-_SNAPSHOT_TRADES:]
            data += [self.reports.trade(fill, self._order(fill.order_id), whole=True) for fill in fills]
        if params.get("snap_orders", True):
            data += [self.reports.whole(order, "new") for order in self.core.open_orders(one.account)]
        one.tell("snapshot", data)

    def _order(self, number: int) -> Order:
        return self._latest.get(number) or self.core.order(number)

    def unsubscribe(self, listener: Listener, channel: str, symbol: str) -> None:
        """Remove a subscription."""
        for one in self._subscriptions:
            if (one.listener, one.channel, one.symbol) == (listener, channel, symbol):
                self._subscriptions.remove(one)
                return
        raise KrakenError("Subscription Not Found")

    def stands(self, listener: Listener) -> bool:
        """Whether a connection has a subscription that needs a token."""
        return any(one.listener is listener and one.channel in PRIVATE for one in self._subscriptions)

    def listens(self, listener: Listener) -> bool:
        """Whether a connection has any subscription: only then are there heartbeats."""
        return any(one.listener is listener for one in self._subscriptions)

    def forget(self, listener: Listener) -> None:
        """A connection is gone."""
        self._subscriptions = [one for one in self._subscriptions if one.listener is not listener]

    def spoil(self, symbol: str) -> None:
        """The next update of a book bears a wrong checksum."""
        for depth in self._depths.values():
            if depth.symbol == symbol:
                depth.spoiled = True

    def _depth(self, symbol: str, depth: int) -> Depth:
        return self._depths.setdefault((symbol, depth), Depth(symbol, depth))

    # ------------------------------------------------------------------------------------------------ events

    def take(self, event: Event) -> None:
        """Tell what the core did."""
        match event:
            case BookChanged(contract=symbol):
                self._book_changed(symbol, event)
            case Traded(trade):
                self._traded(trade)
            case OrderAccepted(order):
                self._executed(order.account, self.reports.whole(order, "pending_new"))
            case OrderChanged(order, change):
                self._changed(order, change)
            case Filled(fill):
                order = self._order(fill.order_id)
                self._executed(fill.account, self.reports.trade(fill, order))
                if not order.quantity_left:
                    self._executed(fill.account, self.reports.filled(order))
                    self._latest.pop(fill.order_id, None)
            case _:
                pass

    def _changed(self, order: Order, change: Change) -> None:
        if not self._private(order.account, "executions"):
            return
        if change is Change.FILLED:
            self._latest[order.id] = order  # the fill itself is told of by the event that follows
            return
        told = self.reports.change(order, change)
        if told is not None:
            self._executed(order.account, told)

    def posted(self, account: str, entries: list[Entry]) -> None:
        """Tell the ledger lines of an account."""
        for one in self._private(account, "balances"):
            one.tell("update", [self._balance_update(entry) for entry in entries])

    def _private(self, account: str, channel: str) -> list[Subscription]:
        return [one for one in self._subscriptions if one.account == account and one.channel == channel]

    def _executed(self, account: str, told: dict[str, Any]) -> None:
        for one in self._private(account, "executions"):
            one.tell("update", [told])

    def _book_changed(self, symbol: str, event: BookChanged) -> None:
        listening: dict[int, list[Subscription]] = {}
        for one in self._subscriptions:
            if one.channel == "book" and one.symbol == symbol:
                listening.setdefault(one.option, []).append(one)
            elif one.channel == "ticker" and one.symbol == symbol and one.option:
                one.tell("update", [self._ticker(symbol)])
        pair = self.listings.pair(symbol)
        for depth, subscriptions in listening.items():
            data = self._depth(symbol, depth).update(pair, event.book)
            if data is not None:
                for one in subscriptions:
                    one.tell("update", [{**data, "timestamp": iso(self.core.now())}])

    def _traded(self, trade: Trade) -> None:
        for one in self._subscriptions:
            if one.symbol != trade.contract:
                continue
            if one.channel == "trade":
                one.tell("update", [self._trade(trade)])
            elif one.channel == "ticker":
                one.tell("update", [self._ticker(trade.contract)])
            elif one.channel == "ohlc":
                rows = self.market.bars(self.listings.pair(one.symbol), one.option)
                one.tell("update", [self._bar(one, rows[-1])], timestamp=iso(self.core.now()))

    # ------------------------------------------------------------------------------------------------ documents

    def _trade(self, trade: Trade) -> dict[str, Any]:
        pair = self.listings.pair(trade.contract).pair
        return {
            "symbol": trade.contract,
            "side": trade.side.value.lower(),
            "price": number(pair.price(trade.price)),
            "qty": number(pair.quantity(trade.quantity)),
            "ord_type": "limit",
            "trade_id": trade.id,
            "timestamp": iso(trade.timestamp),
        }

    def _ticker(self, symbol: str) -> dict[str, Any]:
        pair = self.listings.pair(symbol)
        row = self.market.ticker(pair)
        last, first = Decimal(row["c"][0]), Decimal(row["o"])
        book = self.core.book(symbol)

        def best(rows: Any) -> tuple[Decimal, Decimal]:
            price, quantity = rows[0] if rows else (0, 0)
            return number(pair.pair.price(price)), number(pair.pair.quantity(quantity))

        bid, ask = best(book.bids), best(book.asks)
        change = last - first if first else Decimal(0)
        return {
            "symbol": symbol,
            "bid": bid[0],
            "bid_qty": bid[1],
            "ask": ask[0],
            "ask_qty": ask[1],
            "last": number(last),
            "volume": number(Decimal(row["v"][1])),
            "vwap": number(Decimal(row["p"][1])),
            "low": number(Decimal(row["l"][1])),
            "high": number(Decimal(row["h"][1])),
            "change": number(change),
            "change_pct": number(round(change / first * 100, 2)) if first else Decimal(0),
            "timestamp": iso(self.core.now()),
        }

    def _bar(self, one: Subscription, row: list[Any]) -> dict[str, Any]:
        at, opened, high, low, close, mean, volume, trades = row
        begin = datetime.fromtimestamp(at, UTC)
        numbers = {"open": opened, "high": high, "low": low, "close": close, "vwap": mean, "volume": volume}
        return {
            "symbol": one.symbol,
            **{name: number(Decimal(value)) for name, value in numbers.items()},
            "trades": trades,
            "interval_begin": begin.strftime("%Y-%m-%dT%H:%M:%S.000000000Z"),
            "interval": one.option,
            "timestamp": begin.strftime("%Y-%m-%dT%H:%M:%S.000000Z"),
        }

    def _balances(self, account: str) -> list[dict[str, Any]]:
        found = []
        for code, held in self.core.holdings(account).items():
            amount = number(self.listings.assets[code].currency.amount(held.total))
            wallets = [{"type": "spot", "id": "main", "balance": amount}]
            found.append({"asset": code, "asset_class": "currency", "balance": amount, "wallets": wallets})
        return found

    def _balance_update(self, entry: Entry) -> dict[str, Any]:
        currency = self.listings.assets[entry.asset].currency
        return {
            "ledger_id": entry.id,
            "ref_id": entry.reference,
            "timestamp": iso(entry.time),
            "type": entry.type,
            "subtype": "",
            "category": entry.type,
            "asset": entry.asset,
            "asset_class": "currency",
            "amount": number(currency.amount(entry.amount)),
            "balance": number(currency.amount(entry.balance)),
            "fee": number(currency.amount(entry.fee)),
            "wallet_type": "spot",
            "wallet_id": "main",
        }


def _option(channel: str, params: dict[str, Any]) -> int:
    if channel == "book":
        depth = params.get("depth", 10)
        if depth not in DEPTHS:
            raise KrakenError("Subscription depth not supported")
        return int(depth)
    if channel == "ohlc":
        interval = params.get("interval", 1)
        if interval not in INTERVALS:
            raise KrakenError("Subscription ohlc interval not supported")
        return int(interval)
    return int(params.get("event_trigger") == "bbo")
