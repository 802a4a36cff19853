"""What an exchange of ccxt tells of the past, read to its ends: fills, transfers, ledger, trades, bars.  Changes nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import Any

from attrs import frozen
from twisted.internet.interfaces import IReactorTime

from clients.budget import Priority
from clients.calls import in_parts
from clients.ccxt_calls import Ask
from clients.ccxt_pages import BARS, ROWS, Shape, read_pages
from clients.ccxt_quirks import Quirk
from clients.ccxt_records import TIMEFRAMES, bar_of, fill_of, millis, time_of, trade_of, transaction_of, transfer_of
from clients.exchange import OHLCV, Fill, Period, Trade, Transaction, Transfer

__all__ = ["Histories"]


@frozen
class Histories:
    """The histories of one client; both ends of an interval belong to it, and what is found is told oldest first."""

    ask: Ask
    quirk: Quirk
    clock: IReactorTime

    async def fills(self, start: datetime, end: datetime) -> list[Fill]:
        """Own trades."""
        rows = await self._of_account("reading fills", "fetchMyTrades", start, end)
        return [fill_of(row, self.quirk.fill_price) for row in rows]

    async def transactions(self, start: datetime, end: datetime) -> list[Transaction]:
        """The account's ledger."""
        rows = await self._of_account("reading the transaction history", "fetchLedger", start, end)
        return [line for row in rows for line in transaction_of(row)]

    async def transfers(self, codes: Iterable[str], start: datetime, end: datetime, *, apart: bool) -> list[Transfer]:
        """Deposits and withdrawals of some currencies; of all where none is named.

        :param apart: whether the two are asked for one after the other, or by a call that tells both.
        """
        # A stamp may be cut to the second: what happened just before *start* may bear a time just after it.
        first, late = millis(start) - 1000 * self.quirk.stamp_s, millis(end)
        methods = ("fetchDeposits", "fetchWithdrawals") if apart else ("fetchDepositsWithdrawals",)
        found: list[Transfer] = []
        for code in sorted(codes) or [""]:
            for method in methods:
                read = partial(_call, _snake(method), code, first)
                rows = await self.ask("reading transfers", method, read, priority=Priority.BULK)
                found += [transfer_of(row, net=self.quirk.withdrawal_net) for row in rows]
        inside = [one for one in found if first <= millis(one["timestamp"]) <= late]
        return sorted(inside, key=lambda one: one["timestamp"])

    async def trades(self, ticker: str, start: datetime, end: datetime) -> list[Trade]:
        """Trades of a market."""
        doing = f"reading trades of {ticker}"
        rows = await self._of_market(doing, "fetchTrades", millis(start), millis(end), ROWS, ticker)
        trades = await in_parts((trade_of(row) for row in rows), self.clock)
        return [trade for trade in trades if start <= trade["timestamp"] <= end]

    async def bars(self, ticker: str, period: Period, start: datetime, end: datetime) -> dict[datetime, OHLCV]:
        """Bars that overlap the interval, by the time they open."""
        doing, frame = f"reading {period} bars of {ticker}", TIMEFRAMES[period]
        rows = await self._of_market(doing, "fetchOHLCV", millis(start), millis(end), BARS, ticker, frame)
        bars = await in_parts((bar_of(ticker, period, row) for row in rows), self.clock)
        wanted = [bar for bar in bars if bar["close_timestamp"] >= start and bar["open_timestamp"] <= end]
        return {bar["open_timestamp"]: bar for bar in wanted}

    async def _of_account(self, doing: str, method: str, start: datetime, end: datetime) -> list[Any]:
        """Every row of the account between two times."""
        quirk, name = self.quirk, _snake(method)

        async def read(since: int, params: dict[str, Any]) -> list[Any]:
            call = partial(_call, name, "", since, None, params)
            rows: list[Any] = await self.ask(doing, method, call, priority=Priority.BULK)
            return rows

        first, until = millis(start) - 1000 * quirk.stamp_s, millis(end)
        rows = await read_pages(read, first, until, ROWS, quirk.offset, quirk.page)
        return [row for row in rows if start <= time_of(row["timestamp"]) <= end]

    async def _of_market(
        self, doing: str, method: str, since: int, until: int, shape: Shape, *arguments: Any
    ) -> list[Any]:
        """Every row of a market; the time comes after the first of *arguments*, or after the second for bars."""

        async def read(since: int, params: dict[str, Any]) -> list[Any]:
            call = partial(_call, _snake(method), *arguments, since)
            rows: list[Any] = await self.ask(doing, method, call, priority=Priority.BULK, private=False)
            return rows

        return await read_pages(read, since, until, shape)


def _snake(method: str) -> str:
    """ccxt's Python name of a method that its `has` calls otherwise: `fetchOHLCV` is `fetch_ohlcv`."""
    return re.sub(r"(?<=[a-z])([A-Z])", r"_\1", method).lower()


def _call(method: str, first: str, *arguments: Any) -> Any:
    """Arguments of a ccxt method with the object last, for `functools.partial`; an empty first one is left open."""
    exchange = arguments[-1]
    return getattr(exchange, method)(first or None, *arguments[:-1])
