"""The channels of the simulated Infinity: who listens to what, and what the events of one act make them tell.

What one act causes is told at its end, in the venue's order: `userTrade` for each fill, `userOrder`, `recentTrades`,
`marketInfo`, `orderBook`, so that no book is told that is older than a trade.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from attrs import define, field

from clients.infinity_terms import Category, Channel, OrderType
from ilp.simulation.infinity.listings import RateMarket, plain
from ilp.simulation.infinity.market import Market
from ilp.simulation.infinity.members import Members
from ilp.simulation.infinity.tickets import Ticket, Tickets, order_number, trade_number
from ilp.simulation.infinity.times import millis
from ilp.simulation.records import BookChanged, Event, Fill, Filled, Rows, Side, Trade, Traded

__all__ = ["CHANNELS", "DEPTH", "Feeds", "Listener"]

MARKET_INFO = "marketInfo"
CHANNELS = (*Channel.ALL, MARKET_INFO)
DEPTH = 10
Row = dict[str, Any]


class Listener(Protocol):
    """A connection."""

    @property
    def user_id(self) -> int | None:
        """Whose it is; None before LOGIN."""

    def push(self, channel: str, message: Row) -> None:
        """Send a message of a channel."""


@define(eq=False)
class Feeds:
    """All subscriptions of one venue: channel strings by connection, in the order in which they were asked for."""

    market: Market
    members: Members
    tickets: Tickets
    subscriptions: dict[Any, dict[str, None]] = field(factory=dict)
    _fills: list[Fill] = field(factory=list)
    _orders: dict[int, Ticket] = field(factory=dict)
    _trades: dict[str, list[Trade]] = field(factory=dict)
    _books: dict[str, None] = field(factory=dict)

    # ------------------------------------------------------------------------------------------------ subscribing

    def known(self, channel: str) -> bool:
        """Whether there is such a channel, of a market that trades."""
        instrument, _, name = channel.partition("@")
        market = self.market.core.market(instrument)
        return market is not None and market.active and name in CHANNELS

    def subscribe(self, listener: Listener, channel: str) -> None:
        """Tell a connection of this channel from now on."""
        self.subscriptions.setdefault(listener, {})[channel] = None

    def unsubscribe(self, listener: Listener, channel: str) -> None:
        """Tell it no more."""
        self.subscriptions.get(listener, {}).pop(channel, None)

    def listed(self, listener: Listener) -> list[str]:
        """Everything that a connection is told of."""
        return list(self.subscriptions.get(listener, {}))

    def forget(self, listener: Listener) -> None:
        """The connection is gone."""
        self.subscriptions.pop(listener, None)

    def snapshot(self, listener: Listener, channel: str) -> None:
        """What a connection is told at once when it subscribes: the book."""
        instrument, _, name = channel.partition("@")
        market = self.market.core.market(instrument)
        if name == Channel.ORDER_BOOK and market is not None:
            listener.push(name, self._book(market))

    # ------------------------------------------------------------------------------------------------ events

    def take(self, event: Event, changed: Ticket | None) -> None:
        """Keep what is to be told at the end of the act; *changed* is the order of a user that the event concerns."""
        if changed is not None:
            self._orders[changed.id] = changed
        match event:
            case Filled(fill) if fill.account in self.members.by_key:
                self._fills.append(fill)
            case Traded(trade):
                self._trades.setdefault(trade.contract, []).append(trade)
            case BookChanged(contract=contract):
                self._books[contract] = None
            case _:
                pass

    def flush(self) -> None:
        """The act is over: tell."""
        fills, self._fills = self._fills, []
        orders, self._orders = self._orders, {}
        trades, self._trades = self._trades, {}
        books, self._books = self._books, {}
        if not self.subscriptions:
            return
        for fill in fills:
            self._tell(fill.contract, Channel.USER_TRADE, partial(self._user_trade, fill), fill.account)
        for ticket in orders.values():
            message = partial(self._user_order, ticket)
            self._tell(ticket.market.ticker, Channel.USER_ORDER, message, ticket.account)
        for contract, some in trades.items():
            self._tell(contract, Channel.RECENT_TRADES, partial(self._recent, some))
            self._tell(contract, MARKET_INFO, partial(self._info, contract))
        for contract in books:
            self._tell(contract, Channel.ORDER_BOOK, partial(self._book, self._market(contract)))

    def _tell(self, contract: str, channel: str, message: Callable[[], Row], account: str = "") -> None:
        owner = self.members.by_key[account][0].id if account else None
        told: Row | None = None
        for listener, channels in list(self.subscriptions.items()):
            if f"{contract}@{channel}" in channels and (owner is None or listener.user_id == owner):
                told = message() if told is None else told
                listener.push(channel, told)

    # ------------------------------------------------------------------------------------------------ messages

    def _market(self, contract: str) -> RateMarket:
        market = self.market.core.market(contract)
        assert market is not None  # something happened there
        return market

    def _event(self, market: RateMarket, channel: str, payload: Any) -> Row:
        now = millis(self.market.core.now())
        return {"e": channel, "E": now, "s": market.ticker, "m": market.market_id, "P": payload}

    def _book(self, market: RateMarket) -> Row:
        book = self.market.core.book(market.ticker)

        def levels(rows: Rows) -> list[Row]:
            return [{"p": plain(market.price(rate)), "q": plain(market.quantity(size))} for rate, size in rows[:DEPTH]]

        return self._event(market, Channel.ORDER_BOOK, {"a": levels(book.asks), "b": levels(book.bids)})

    def _recent(self, trades: list[Trade]) -> Row:
        market = self._market(trades[0].contract)
        rows = [
            {
                "p": plain(market.price(trade.price)),
                "q": plain(market.quantity(trade.quantity)),
                "d": millis(trade.timestamp),
                "s": trade.side is Side.BUY,
            }
            for trade in trades
        ]
        return self._event(market, Channel.RECENT_TRADES, rows)

    def _user_trade(self, fill: Fill) -> Row:
        market = self._market(fill.contract)
        payload = {
            "I": market.ticker,
            "p": plain(market.price(fill.price)),
            "q": plain(market.quantity(fill.quantity)),
            "d": millis(fill.timestamp),
            "t": trade_number(fill.trade_id),
            "w": self.members.by_key[fill.account][1].id,
            "s": fill.side is Side.BUY,
            "o": order_number(fill.order_id),
        }
        return self._event(market, Channel.USER_TRADE, payload)

    def _user_order(self, ticket: Ticket) -> Row:
        market, rate = ticket.market, ticket.asked.rate
        if rate is None and ticket.asked.type is OrderType.MARKET:
            rate = ticket.mean_rate
        payload = {
            "I": market.ticker,
            "m": market.market_id,
            "p": "0" if rate is None else plain(round(rate, 12)),
            "q": plain(market.quantity(ticket.quantity)),
            "a": plain(market.quantity(ticket.filled)),
            "d": millis(ticket.placed),
            "u": millis(ticket.updated),
            "w": ticket.account_id,
            "s": ticket.side.flag,
            "i": ticket.asked.client_id,
            "o": ticket.id,
            "O": int(ticket.asked.type),
            "M": int(market.category),
            "S": int(ticket.status),
        }
        return self._event(market, Channel.USER_ORDER, payload)

    def _info(self, contract: str) -> Row:
        market = self._market(contract)
        row = self.market.rate_row(market)
        payload = {"p": row["rate"], "m": market.market_id, "d": row["direction"], "u": row["updateDate"]}
        if market.category is Category.FIXED:
            payload |= {"M": row["midRate"]}
        else:
            payload |= {"pd": row["priceIndexDate"], "b": row["borrowPriceIndex"], "l": row["lendPriceIndex"]}
        return self._event(market, MARKET_INFO, payload)
