"""Public REST calls of the simulated Kraken: time, status, listings, tickers, books, bars, trades."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from clients.exchange import Period
from ilp.simulation.core import Core, from_micros, micros
from ilp.simulation.records import Bar, Trade

from .errors import invalid
from .listings import ListedPair, Listings
from .reports import unix

__all__ = ["INTERVALS", "Market", "bar_row"]

Parameters = Mapping[str, Any]

INTERVALS = (1, 5, 15, 30, 60, 240, 1440, 10080, 21600)
_MOST_BARS = 720
_DAY = timedelta(days=1)


def bar_row(pair: ListedPair, start: int, bars: list[Bar], count: int) -> list[Any]:
    """A row of `OHLC` out of the bars that it is made of."""
    volume = sum(bar.volume for bar in bars)
    mean = sum(bar.vwap * bar.volume for bar in bars) // volume if volume else 0
    high, low = max(bar.high for bar in bars), min(bar.low for bar in bars)
    prices = [pair.price_text(price) for price in (bars[0].open, high, low, bars[-1].close)]
    return [start, *prices, pair.price_text(mean), pair.volume_text(volume), count]


class Market:
    """Answers what everybody may ask."""

    def __init__(self, core: Core, listings: Listings) -> None:
        self._core, self._listings = core, listings

    def calls(self) -> dict[str, Callable[[Parameters], Any]]:
        """Every call by its name."""
        return {
            "Time": self._time,
            "SystemStatus": self._status,
            "Assets": self._assets,
            "AssetPairs": lambda given: self._listings.documents(given.get("pair")),
            "Ticker": self._ticker,
            "Depth": self._depth,
            "OHLC": self._ohlc,
            "Trades": self._trades,
            "Spread": self._spread,
        }

    def _time(self, _: Parameters) -> Any:
        now = self._core.now()
        return {"unixtime": int(now.timestamp()), "rfc1123": now.strftime("%a, %d %b %y %H:%M:%S +0000")}

    def _status(self, _: Parameters) -> Any:
        return {"status": "online", "timestamp": self._core.now().strftime("%Y-%m-%dT%H:%M:%SZ")}

    def _assets(self, given: Parameters) -> Any:
        return {asset.id: asset.document() for asset in self._listings.find_assets(given.get("asset"))}

    # ------------------------------------------------------------------------------------------------ prices

    def _ticker(self, given: Parameters) -> Any:
        return {pair.id: self.ticker(pair) for pair in self._listings.find_pairs(given.get("pair"))}

    def ticker(self, pair: ListedPair) -> dict[str, Any]:
        """A row of `Ticker`."""
        now = self._core.now()
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        lately = self._core.trades(pair.symbol, now - _DAY, now)
        ofday = [trade for trade in lately if trade.timestamp >= today]
        book = self._core.book(pair.symbol)
        last = lately[-1] if lately else None

        def side(rows: Any) -> list[str]:
            price, quantity = rows[0] if rows else (0, 0)
            return [
                pair.price_text(price),
                str(int(pair.pair.quantity(quantity))),
                f"{pair.pair.quantity(quantity):.3f}",
            ]

        def both(of: Callable[[list[Trade]], Any]) -> list[Any]:
            return [of(ofday), of(lately)]

        return {
            "a": side(book.asks),
            "b": side(book.bids),
            "c": [pair.price_text(last.price if last else 0), pair.volume_text(last.quantity if last else 0)],
            "v": both(lambda trades: pair.volume_text(sum(t.quantity for t in trades))),
            "p": both(lambda trades: pair.price_text(_mean(trades))),
            "t": both(len),
            "l": both(lambda trades: pair.price_text(min((t.price for t in trades), default=0))),
            "h": both(lambda trades: pair.price_text(max((t.price for t in trades), default=0))),
            "o": pair.price_text(ofday[0].price if ofday else 0),
        }

    def _depth(self, given: Parameters) -> Any:
        pair = self._listings.find_pair(given.get("pair"))
        count = _whole(given.get("count", 100), "count", 1, 500)
        book, now = self._core.book(pair.symbol), int(self._core.now().timestamp())

        def rows(side: Any) -> list[list[Any]]:
            return [[pair.price_text(p), pair.volume_text(q), now] for p, q in side[:count]]

        return {pair.id: {"asks": rows(book.asks), "bids": rows(book.bids)}}

    def _spread(self, given: Parameters) -> Any:
        pair = self._listings.find_pair(given.get("pair"))
        book, now = self._core.book(pair.symbol), int(self._core.now().timestamp())
        row = [now, *(pair.price_text(rows[0][0] if rows else 0) for rows in (book.bids, book.asks))]
        return {pair.id: [row], "last": now}

    # ------------------------------------------------------------------------------------------------ history

    def _trades(self, given: Parameters) -> Any:
        pair = self._listings.find_pair(given.get("pair"))
        count = _whole(given.get("count", 1000), "count", 1, 1000)
        now = self._core.now()
        since = _nanoseconds(given.get("since"))
        start = now - _DAY if since is None else from_micros(since // 1000 + 1)
        found = self._core.trades(pair.symbol, start, now)
        shown = found[-count:] if since is None else found[:count]
        rows = [_trade_row(pair, trade) for trade in shown]
        last = micros(shown[-1].timestamp) * 1000 if shown else (since or micros(now) * 1000)
        return {pair.id: rows, "last": str(last)}

    def _ohlc(self, given: Parameters) -> Any:
        pair = self._listings.find_pair(given.get("pair"))
        interval = _whole(given.get("interval", 1), "interval", 1, INTERVALS[-1])
        if interval not in INTERVALS:
            raise invalid("interval")
        rows = self.bars(pair, interval)
        since = _whole(given.get("since", 0) or 0, "since", 0, 10**12)
        last = rows[-2][0] if len(rows) > 1 else 0
        return {pair.id: [row for row in rows if row[0] >= since], "last": last}

    def bars(self, pair: ListedPair, interval: int) -> list[list[Any]]:
        """At most 720 finished bars and the running one, those without trades included."""
        seconds, now = interval * 60, self._core.now()
        running = int(now.timestamp()) // seconds * seconds
        begin = running - _MOST_BARS * seconds
        period: Period = "day" if interval % 1440 == 0 else "hour" if interval % 60 == 0 else "minute"
        start = from_micros(begin * 10**6)
        pieces: dict[int, list[Bar]] = {}
        for bar in self._core.bars(pair.symbol, period, start, now):
            opened = int(bar.open_timestamp.timestamp()) // seconds * seconds
            pieces.setdefault(opened, []).append(bar)
        counts = self._counts(pair, seconds, start, now)
        rows: list[list[Any]] = []
        for at in range(max(begin, min(pieces, default=running + 1)), running + 1, seconds):
            if at in pieces:
                rows.append(bar_row(pair, at, pieces[at], counts.get(at, 1)))
            else:
                close = rows[-1][4]
                rows.append([at, close, close, close, close, "0.0", "0.00000000", 0])
        return rows

    def _counts(self, pair: ListedPair, seconds: int, start: datetime, end: datetime) -> Mapping[int, int]:
        trades = self._core.trades(pair.symbol, start, end)
        return Counter(int(trade.timestamp.timestamp()) // seconds * seconds for trade in trades)


def _trade_row(pair: ListedPair, trade: Trade) -> list[Any]:
    side = "b" if trade.side == "BUY" else "s"
    return [
        pair.price_text(trade.price), pair.volume_text(trade.quantity), unix(trade.timestamp), side, "l", "", trade.id,
    ]  # fmt: skip


def _mean(trades: list[Trade]) -> int:
    volume = sum(trade.quantity for trade in trades)
    return sum(trade.price * trade.quantity for trade in trades) // volume if volume else 0


def _whole(value: object, what: str, least: int, most: int) -> int:
    text = str(value)
    if not (text.isascii() and text.isdigit()) or not least <= int(text) <= most:
        raise invalid(what)
    return int(text)


def _nanoseconds(value: object) -> int | None:
    """A cursor: nanoseconds, or seconds where the number is as small as that."""
    if value in (None, ""):
        return None
    try:
        found = Decimal(str(value))
    except ArithmeticError:
        raise invalid("since") from None
    return int(found) if found > 10**14 else int(found * 10**9)
