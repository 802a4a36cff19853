"""`rpc.market`: contracts, books, trades, bars and safe prices, for everyone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, cast

from attrs import define

from clients.exchange import Period
from ilp.simulation.contracts import Currency, Pair
from ilp.simulation.core import Core, from_micros
from ilp.simulation.records import BookSnapshot

from .calls import Calls, Request
from .contracts import Contract, Description, contract_of
from .errors import Code, Refusal
from .feeds import Feeds
from .schema import Parameter, array, choice, integer, optional, string
from .wire import bar_document, book_document, trade_document

__all__ = ["Market", "instant"]

_CONTRACT = Parameter("contract", string)
_START = Parameter("start_timestamp", optional(integer), required=False)
_END = Parameter("end_timestamp", optional(integer), required=False)
_AHEAD = timedelta(milliseconds=1)  # stamps run a little ahead of a clock that stands still
_LATEST = 253_402_300_799_999_999  # the last microsecond of the year 9999


def instant(stamp: int | None, otherwise: datetime) -> datetime:
    """The time of a wire timestamp, or *otherwise* when there is none; held within the years 1970 to 9999."""
    return otherwise if stamp is None else from_micros(min(max(stamp, 0), _LATEST))


@define(eq=False)
class Market:
    """The family over one core and what its feeds published."""

    core: Core
    feeds: Feeds
    descriptions: Mapping[str, Description]

    def register(self, calls: Calls) -> None:
        """Offer the procedures."""
        calls.register("rpc.market.get_markets", self.get_markets)
        calls.register("rpc.market.get_order_book", self.get_order_book, _CONTRACT)
        calls.register("rpc.market.get_trade_history", self.get_trade_history, _CONTRACT, _START, _END)
        period = Parameter("period", choice("minute", "hour", "day"))
        calls.register("rpc.market.get_ohlcv_history", self.get_ohlcv_history, _CONTRACT, period, _START, _END)
        tickers = Parameter("array_of_contracts", optional(array(string)), required=False)
        calls.register("rpc.market.get_safe_prices", self.get_safe_prices, tickers)

    def contracts(self) -> list[Contract]:
        """Everything that is listed: currencies, then the active pairs."""
        listed: list[Currency | Pair] = [
            *self.core.currencies.values(),
            *(pair for pair in self.core.pairs.values() if pair.active),
        ]
        return [contract_of(record, self.descriptions) for record in listed]

    def _known(self, ticker: str) -> None:
        if ticker not in self.core.currencies and ticker not in self.core.pairs:
            raise Refusal(Code.NO_SUCH_TICKER, ticker)

    def get_markets(self, _request: Request) -> dict[str, Any]:
        """Every contract by ticker."""
        return {contract.ticker: contract.wire() for contract in self.contracts()}

    def get_order_book(self, _request: Request, ticker: str) -> dict[str, Any]:
        """The book of one contract, aggregated."""
        self._known(ticker)
        book = self.feeds.published.get(ticker, BookSnapshot(ticker, (), ()))
        return book_document(book, self.feeds.shuffler)

    def get_trade_history(self, _request: Request, ticker: str, start: int | None, end: int | None) -> list[Any]:
        """Trades between two times; without them those of the last hour."""
        self._known(ticker)
        now = self.core.now()
        first, last = instant(start or None, now - timedelta(hours=1)), instant(end or None, now + _AHEAD)
        return [trade_document(trade) for trade in self.core.trades(ticker, first, last)]

    def get_ohlcv_history(
        self, _request: Request, ticker: str, period: str, start: int | None, end: int | None
    ) -> dict[str, Any]:
        """Bars between two times, by their opening."""
        self._known(ticker)
        now = self.core.now()
        first, last = instant(start or None, now - timedelta(days=60)), instant(end or None, now + _AHEAD)
        bars = [bar_document(bar) for bar in self.core.bars(ticker, cast("Period", period), first, last)]
        return {str(bar["open_timestamp"]): bar for bar in bars}

    def get_safe_prices(self, _request: Request, tickers: list[str] | None) -> dict[str, int]:
        """The prices that margins are reckoned with."""
        safe = self.feeds.safe_prices
        wanted = list(safe) if tickers is None else tickers
        if any(ticker not in safe for ticker in wanted):
            raise Refusal(Code.GENERIC)
        return {ticker: safe[ticker].price for ticker in wanted}
