"""The public tables of the simulated BitMEX as rows: instruments, books, quotes, trades, bins.  Reads the core."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from attrs import define, field

from clients.exchange import Period, Side
from ilp.simulation.bitmex.listings import Listing
from ilp.simulation.bitmex.margin import MarginCore
from ilp.simulation.bitmex.orders import stamp
from ilp.simulation.records import Bar, BookSnapshot, Rows, Trade

__all__ = ["BINS", "Levels", "Market"]

Row = dict[str, Any]

BINS: Mapping[str, tuple[Period, int]] = {"1m": ("minute", 1), "5m": ("minute", 5), "1h": ("hour", 1), "1d": ("day", 1)}
_UNIT: Mapping[Period, timedelta] = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_NEVER = "2000-01-01T00:00:00.000Z"
_FUNDING_EVERY = timedelta(hours=8)
_FUNDING_OFFSET = timedelta(hours=4)


@define
class Levels:
    """Ids of the price levels of one symbol, each stable as long as its level exists.

    :ivar computed: the old formula, from which some old clients compute prices, instead of counted ids.
    """

    index: int
    tick: int
    computed: bool = False
    ids: dict[tuple[Side, int], int] = field(factory=dict)
    _numbers: count[int] = field(factory=lambda: count(1))

    def of(self, side: Side, price: int) -> int:
        """The id of a level, a new one when there is none."""
        if self.computed:
            return 100_000_000 * (self.index + 1) - price // self.tick
        known = self.ids.get((side, price))
        if known is None:
            known = self.ids[side, price] = 1_000_000_000 * (self.index + 1) + next(self._numbers)
        return known

    def gone(self, side: Side, price: int) -> int:
        """The level is gone; its id for the last time."""
        id = self.of(side, price)
        self.ids.pop((side, price), None)
        return id


@define(eq=False)
class Market:
    """What everybody may see.

    :ivar trade_id: match id of a trade of the core.
    :ivar funding_rate: of the next funding, by symbol.
    """

    core: MarginCore
    listings: Mapping[str, Listing]
    trade_id: Callable[[int], str]
    computed_ids: bool = False
    levels: dict[str, Levels] = field(init=False)
    last: dict[str, Trade] = field(init=False, factory=dict)
    ticks: dict[str, str] = field(init=False, factory=dict)
    first: dict[str, int] = field(init=False, factory=dict)
    funding_rate: dict[str, float] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        self.levels = {
            symbol: Levels(index, listing.pair.tick, self.computed_ids)
            for index, (symbol, listing) in enumerate(self.listings.items())
        }

    def mark(self, symbol: str) -> int:
        """The last price, else the middle of the book, else whichever side there is; 0 without any."""
        if symbol in self.last:
            return self.last[symbol].price
        book = self.core.book(symbol)
        best = [rows[0][0] for rows in (book.bids, book.asks) if rows]
        return sum(best) // len(best) if best else 0

    # ------------------------------------------------------------------------------------------------ rows

    def level_row(self, symbol: str, side: Side, price: int, size: int, *, gone: bool = False) -> Row:
        """A row of `orderBookL2`."""
        levels, listing = self.levels[symbol], self.listings[symbol]
        return {
            "symbol": symbol,
            "id": levels.gone(side, price) if gone else levels.of(side, price),
            "side": "Buy" if side is Side.BUY else "Sell",
            "size": size,
            "price": listing.price(price),
            "timestamp": stamp(self.core.now()),
        }

    def book_rows(self, symbol: str, depth: int = 0) -> list[Row]:
        """The book: sells from the highest down, then buys, as the venue lists them; *depth* 0 is all of it."""
        book = self.core.book(symbol)
        asks, bids = (rows[:depth] if depth else rows for rows in (book.asks, book.bids))
        sells = [self.level_row(symbol, Side.SELL, price, size) for price, size in reversed(asks)]
        return sells + [self.level_row(symbol, Side.BUY, price, size) for price, size in bids]

    def book10_row(self, symbol: str) -> Row:
        """A row of `orderBook10`."""
        book, price = self.core.book(symbol), self.listings[symbol].price

        def ten(rows: Rows) -> list[list[float]]:
            return [[price(at), size] for at, size in rows[:10]]

        return {"symbol": symbol, "bids": ten(book.bids), "asks": ten(book.asks), "timestamp": stamp(self.core.now())}

    def quote_row(self, symbol: str, book: BookSnapshot | None = None) -> Row:
        """A row of `quote`; of *book*, or of the book as it is now."""
        book, price = book or self.core.book(symbol), self.listings[symbol].price
        bid, ask = (rows[0] if rows else None for rows in (book.bids, book.asks))
        return {
            "timestamp": stamp(self.core.now()),
            "symbol": symbol,
            "bidSize": bid and bid[1],
            "bidPrice": bid and price(bid[0]),
            "askPrice": ask and price(ask[0]),
            "askSize": ask and ask[1],
        }

    def take_trade(self, trade: Trade) -> None:
        """Remember the last trade and which way it went."""
        before = self.last.get(trade.contract)
        previous = self.ticks.get(trade.contract, "PlusTick")
        if before is None or trade.price > before.price:
            tick = "PlusTick"
        elif trade.price < before.price:
            tick = "MinusTick"
        else:
            tick = "ZeroPlusTick" if "Plus" in previous else "ZeroMinusTick"
        self.last[trade.contract], self.ticks[trade.contract] = trade, tick
        self.first.setdefault(trade.contract, trade.price)

    def trade_row(self, trade: Trade, tick: str = "ZeroPlusTick") -> Row:
        """A row of `trade`."""
        listing = self.listings[trade.contract]
        return {
            "timestamp": stamp(trade.timestamp),
            "symbol": trade.contract,
            "side": "Buy" if trade.side is Side.BUY else "Sell",
            "size": trade.quantity,
            "price": listing.price(trade.price),
            "tickDirection": tick,
            "trdMatchID": self.trade_id(trade.id),
            "grossValue": abs(listing.pair.cash(trade.quantity, trade.price)),
            "homeNotional": float(listing.home(trade.quantity, trade.price)),
            "foreignNotional": float(listing.foreign(trade.quantity, trade.price)),
            "trdType": "Regular",
        }

    def trades(self, symbols: Iterable[str], start: datetime, end: datetime) -> list[Row]:
        """Trades between, oldest first."""
        found = [trade for symbol in symbols for trade in self.core.trades(symbol, start, end)]
        return [self.trade_row(trade) for trade in sorted(found, key=lambda trade: trade.timestamp)]

    # ------------------------------------------------------------------------------------------------ bins

    def bins(self, symbol: str, size: str, start: datetime, end: datetime, *, running: bool) -> list[Row]:
        """Bins whose ends lie between, oldest first; those without trades between two that have some are there too."""
        period, many = BINS[size]
        length = _UNIT[period] * many
        groups: dict[datetime, list[Bar]] = {}
        for bar in self.core.bars(symbol, period, start - length, end):
            opened = bar.open_timestamp - (bar.open_timestamp - _EPOCH) % length
            groups.setdefault(opened, []).append(bar)
        if not groups:
            return []
        now, rows, close = self.core.now(), [], None
        opened, newest = min(groups), max(groups)
        while opened <= newest:
            bars = groups.get(opened, [])
            if running or opened + length <= now:
                rows.append(self._bin(symbol, opened + length, bars, close))
            close = bars[-1].close if bars else close
            opened += length
        return [row for row in rows if stamp(start) <= row["timestamp"] <= stamp(end)]

    def _bin(self, symbol: str, end: datetime, bars: list[Bar], before: int | None) -> Row:
        listing = self.listings[symbol]
        volume = sum(bar.volume for bar in bars)
        row: Row = {"timestamp": stamp(end), "symbol": symbol}
        if not bars:
            flat = None if before is None else listing.price(before)
            prices: Row = {"open": flat, "high": flat, "low": flat, "close": flat}
            return row | prices | {
                "trades": 0, "volume": 0, "vwap": None, "lastSize": None, "turnover": 0,
                "homeNotional": 0, "foreignNotional": 0,
            }  # fmt: skip
        vwap = sum(bar.vwap * bar.volume for bar in bars) // volume
        return row | {
            # The venue's own habit: a bin opens where the one before closed, even outside of its own range.
            "open": listing.price(bars[0].open if before is None else before),
            "high": listing.price(max(bar.high for bar in bars)),
            "low": listing.price(min(bar.low for bar in bars)),
            "close": listing.price(bars[-1].close),
            "trades": len(bars),
            "volume": volume,
            "vwap": listing.price(vwap),
            "lastSize": listing.pair.lot,
            "turnover": abs(listing.pair.cash(volume, vwap)),
            "homeNotional": float(listing.home(volume, vwap)),
            "foreignNotional": float(listing.foreign(volume, vwap)),
        }

    # ------------------------------------------------------------------------------------------------ instruments

    def instrument_row(self, symbol: str) -> Row:
        """A row of `instrument`, every column."""
        listing, pair = self.listings[symbol], self.listings[symbol].pair
        return {
            "symbol": symbol,
            "rootSymbol": listing.underlying,
            "state": "Open" if self.core.pairs[symbol].active else "Closed",
            "typ": listing.typ,
            "listing": _NEVER,
            "front": _NEVER,
            "expiry": None,
            "settle": None,
            "underlying": listing.underlying,
            "quoteCurrency": listing.quote,
            "underlyingSymbol": f"{listing.underlying}=",
            "reference": "BMEX",
            "maxOrderQty": listing.most,
            "maxPrice": 1_000_000,
            "lotSize": pair.lot,
            "tickSize": listing.price(pair.tick),
            "initMargin": float(listing.initial_margin),
            "makerFee": float(listing.maker),
            "takerFee": float(listing.taker),
            "settlementFee": 0,
            "taxed": True,
            "deleverage": not listing.is_spot,
            "hasLiquidity": True,
            "limit": None,
            **listing.columns,
            **self._funding_columns(listing),
            **self.moving_columns(symbol),
        }

    def _funding_columns(self, listing: Listing) -> Row:
        if listing.is_spot:
            return {"fundingTimestamp": None, "fundingInterval": None, "fundingRate": None}
        rate = self.funding_rate.get(listing.symbol, 0.0)
        return {
            "fundingTimestamp": stamp(next_funding(self.core.now())),
            "fundingInterval": "2000-01-01T08:00:00.000Z",
            "fundingRate": rate,
            "indicativeFundingRate": rate,
        }

    def moving_columns(self, symbol: str) -> Row:
        """What changes all the time."""
        listing, book, last = self.listings[symbol], self.core.book(symbol), self.last.get(symbol)
        mark = self.mark(symbol)
        bid, ask = (rows[0][0] if rows else None for rows in (book.bids, book.asks))
        middle = (bid + ask) / 2 if bid and ask else None
        shown = {
            "lastPrice": last.price if last else mark or None,
            "markPrice": mark or None,
            "fairPrice": mark or None,
            "indicativeSettlePrice": mark or None,
            "prevPrice24h": self.first.get(symbol),
            "bidPrice": bid,
            "askPrice": ask,
        }
        day = self._day(symbol)
        return {
            **{name: None if price is None else listing.price(price) for name, price in shown.items()},
            "midPrice": None if middle is None else float(middle / listing.price_scale),
            "lastTickDirection": self.ticks.get(symbol, "ZeroPlusTick"),
            "fairMethod": "" if listing.is_spot else "FundingRate",
            "markMethod": "LastPrice",
            "openInterest": sum(
                max(0, place.quantity) for (_, s), place in self.core.positions.places.items() if s == symbol
            ),
            "openValue": 0,
            **day,
            "timestamp": stamp(self.core.now()),
        }

    def _day(self, symbol: str) -> Row:
        listing, now = self.listings[symbol], self.core.now()
        bars = self.core.bars(symbol, "hour", now - timedelta(days=1), now)
        volume = sum(bar.volume for bar in bars)
        vwap = sum(bar.vwap * bar.volume for bar in bars) // volume if volume else 0
        return {
            "volume24h": volume,
            "volume": volume,
            "totalVolume": volume,
            "turnover24h": abs(listing.pair.cash(volume, vwap)) if volume else 0,
            "homeNotional24h": float(listing.home(volume, vwap)) if volume else 0.0,
            "foreignNotional24h": float(listing.foreign(volume, vwap)) if volume else 0.0,
            "vwap": listing.price(vwap) if volume else None,
            "highPrice": listing.price(max(bar.high for bar in bars)) if bars else None,
            "lowPrice": listing.price(min(bar.low for bar in bars)) if bars else None,
        }


def next_funding(at: datetime) -> datetime:
    """The next of 04:00, 12:00 and 20:00 UTC."""
    return at + _FUNDING_EVERY - (at - _EPOCH - _FUNDING_OFFSET) % _FUNDING_EVERY
