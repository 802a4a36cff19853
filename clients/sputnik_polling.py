"""Makes events out of repeated reads: what `clients.sputnik_live` does with feeds, for a venue that is only asked.

Books and trades of the market are asked for in one loop, orders and bookings in another; a call that changes something is
followed by a read at once.  Every fill comes from the ledger, whose rows are recognised when they are read again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, Protocol, TypeVar

import msgspec
from attrs import define, field

from clients.budget import Priority
from clients.calls import together
from clients.exchange import ExchangeError, NotAuthorised, RateLimited
from clients.reread import Reread
from clients.sputnik_account import Tracked
from clients.sputnik_history import HistoryFill, fill_record, read_fills
from clients.sputnik_live import CLOCKS_DIFFER, Live
from clients.sputnik_wire import (
    BookMessage,
    FillMessage,
    OhlcvMessage,
    OrderMessage,
    TradeMessage,
    TransactionMessage,
    parse_trade,
    parse_transaction,
    to_wire_time,
)

__all__ = ["Marks", "Newest", "PolledLive"]

T = TypeVar("T")

PERIODS = ("minute", "hour", "day")
OVERLAP = 10_000_000  # microseconds that are read again, because rows may be written a little out of order


class _Stamped(Protocol):
    @property
    def timestamp(self) -> int: ...


Row = TypeVar("Row", bound=_Stamped)


@define
class Newest(Generic[Row]):
    """Tells rows that were seen from new ones; equal rows are told apart by their number.

    :ivar since: wire time to ask from; None before the first read.
    """

    since: int | None = None
    _seen: Counter[Row] = field(factory=Counter)

    def fresh(self, rows: Iterable[Row]) -> list[Row]:
        """The rows that were not there before, oldest first."""
        listed = sorted(rows, key=lambda row: row.timestamp)
        counted: Counter[Row] = Counter()
        new = []
        for row in listed:
            counted[row] += 1
            if counted[row] > self._seen[row]:
                new.append(row)
        if listed:
            self.since = max(self.since or 0, listed[-1].timestamp - OVERLAP)
        # An answer that was on its way for longer may know less than one that came before it.
        merged = self._seen | counted
        self._seen = Counter({row: n for row, n in merged.items() if row.timestamp >= (self.since or 0)})
        return new


@define
class Marks:
    """How far ledger, trades and bars were read; outlives sessions, so that what happened in between is told."""

    ledger: Newest[TransactionMessage] = field(factory=Newest)
    trades: dict[str, Newest[TradeMessage]] = field(factory=dict)
    safe_prices: dict[str, int] = field(factory=dict)
    bars: dict[tuple[str, str], int] = field(factory=dict)


@define(eq=False)
class PolledLive(Live):
    """One session over REST.

    :ivar period: seconds between two reads.
    :ivar lost: ends the session with a reason.
    :ivar heard_at: when the venue last answered, by the clock.
    """

    marks: Marks = field(kw_only=True)
    period: float = field(kw_only=True)
    lost: Callable[[str], None] = field(kw_only=True)
    heard_at: Callable[[], float] = field(kw_only=True)
    _market_loop: Reread = field(init=False)
    _account_loop: Reread = field(init=False)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        pause = self.period
        self._market_loop = Reread(self.clock, self._poll_market, self.trouble, period=pause, retry=pause)
        self._account_loop = Reread(self.clock, self._poll_account, self._failed_poll, period=pause, retry=pause)

    async def ask(
        self,
        doing: str,
        procedure: str,
        *arguments: Any,
        result: type[T],
        priority: Priority = Priority.READ,
        changes_state: bool = False,
    ) -> T:
        """One RPC; what changes something is followed by a read of what it changed."""
        try:
            return await super().ask(
                doing, procedure, *arguments, result=result, priority=priority, changes_state=changes_state
            )
        finally:
            if changes_state:
                self._account_loop.request()

    async def prepare(self) -> None:
        """Read everything; trades from before are known, not told."""
        await super().prepare()
        await together(*[self._read_trades(ticker) for ticker in self.tickers])

    def announce(self) -> None:
        """Tell the state as it was read; go on reading."""
        super().announce()
        self._market_loop.start()
        if self.session.authid:
            self._account_loop.start()

    def stop(self) -> None:
        """The session is over."""
        super().stop()
        self._market_loop.stop()
        self._account_loop.stop()

    async def _subscribe(self, *_: Any) -> None:
        """There is nothing to subscribe to."""

    # ------------------------------------------------------------------------------------------------ the market

    async def _poll_market(self) -> None:
        try:
            await together(*[self._poll_ticker(ticker) for ticker in self.tickers])
            await self._poll_safe_prices()
        except RateLimited:
            return  # nothing was asked; the next turn will do
        except ExchangeError as error:
            silence = self.clock.seconds() - self.heard_at()
            if silence >= self.options.ping_timeout:
                self.lost(f"no answer for {silence:.1f} s")
            self.trouble(error)

    async def _poll_ticker(self, ticker: str) -> None:
        doing = f"reading the book of {ticker}"
        place = self.turn(doing, Priority.READ, self.options.ping_timeout)
        await place
        message = await self.session.call(
            doing, "rpc.market.get_order_book", (ticker,), BookMessage, False, self.options.ping_timeout
        )
        self._book(message)  # an unchanged one too: nothing else confirms it
        await self._read_trades(ticker)

    async def _poll_safe_prices(self) -> None:
        priced = self._priced()
        if not priced:
            return
        doing = "reading safe prices"
        found = await self.ask(doing, "rpc.market.get_safe_prices", priced, result=dict[str, int])
        for ticker in priced:
            if ticker in found and found[ticker] != self.marks.safe_prices.get(ticker):
                self.marks.safe_prices[ticker] = found[ticker]
                self._safe_price_of(ticker)(found[ticker])

    async def _poll_bars(self, ticker: str, since: int) -> None:
        """Bars that have closed; the venue tells the running one too."""
        for period in PERIODS:
            doing = f"reading {period} bars of {ticker}"
            found = await self.ask(
                doing, "rpc.market.get_ohlcv_history", ticker, period, since, None, result=dict[str, OhlcvMessage]
            )
            told = self.marks.bars.setdefault((ticker, period), since)
            for bar in sorted(found.values(), key=lambda bar: bar.open_timestamp):
                if told < bar.close_timestamp < to_wire_time(self.now()):
                    self.marks.bars[ticker, period] = bar.close_timestamp
                    self._bar(bar)

    async def _read_trades(self, ticker: str) -> None:
        known = self.marks.trades.setdefault(ticker, Newest())
        first = known.since is None
        since = known.since if known.since is not None else self._just_now()
        rows = await self.ask(
            f"reading trades of {ticker}",
            "rpc.market.get_trade_history",
            ticker,
            since,
            None,
            result=list[TradeMessage],
        )
        fresh = known.fresh(rows)
        known.since = since if known.since is None else known.since
        if "ohlcv" in self.options.feeds and (first or fresh):
            await self._poll_bars(ticker, since)
        if not first:
            for row in fresh:
                self._tell("trade", parse_trade(self.account.contracts, row))

    def _just_now(self) -> int:
        return to_wire_time(self.now()) - CLOCKS_DIFFER

    # ------------------------------------------------------------------------------------------------ the account

    async def _poll_account(self) -> None:
        await self.read_open_orders()

    def _failed_poll(self, error: Exception) -> None:
        if isinstance(error, NotAuthorised):
            self.lost(str(error))  # a key that expired or was replaced: connecting again tells for good
        elif not isinstance(error, RateLimited):
            self.trouble(error)

    async def read_open_orders(self, priority: Priority = Priority.READ) -> list[Tracked]:
        """Open orders as the venue has them, and every fill since the last read.

        The ledger is read after the orders, so it has every fill of an order that is not among them any more.
        """
        self._orders_read_at = self.clock.seconds()
        asked_about = [order.message.id for order in self.account.open_orders()]
        listed = await self.ask(
            "reading open orders", "rpc.trader.get_open_orders", result=dict[str, OrderMessage], priority=priority
        )
        ours = [message for message in listed.values() if self._is_market(message.contract)]
        if priority is Priority.CANCEL:  # in a hurry: what ended meanwhile is found out by the read that follows
            changed = [order for message in ours if (order := self.account.take_order(message)) is not None]
            self._tell_changed(changed)
            return self.account.open_orders()
        first = self.marks.ledger.since is None
        oldest = min((message.timestamp for message in ours), default=None)
        fresh = await self._new_bookings(oldest if first else None)
        references = await self.references(fresh)
        changed, vanished = self.account.take_open_orders(ours, asked_about)
        filled = self._take_fills(read_fills(self.account.contracts, fresh, references), told_before=first)
        for row in () if first else fresh:
            self._tell("transaction", parse_transaction(self.account.contracts, row))
        for order in vanished:
            self._end(order)
        self._tell_changed([*changed, *filled, *vanished])
        if fresh:
            self._read_positions.request()
        return self.account.open_orders()

    async def _new_bookings(self, oldest: int | None) -> list[TransactionMessage]:
        """Rows of the ledger that nobody has seen; in the first read, those since the oldest open order."""
        ledger = self.marks.ledger
        since = ledger.since
        if since is None:
            just_now = self._just_now()
            since = just_now if oldest is None else min(oldest, just_now)
        fresh = ledger.fresh(await self.history(since, None))
        ledger.since = since if ledger.since is None else ledger.since
        return fresh

    def _take_fills(self, fills: Sequence[HistoryFill], *, told_before: bool) -> list[Tracked]:
        touched: dict[int, Tracked] = {}
        for fill in fills:
            quote = self.account.contracts[fill.contract].denominated_contract_ticker or ""
            price = self.account.contracts.wire_average(fill.contract, fill.cash, fill.quantity)
            order = self.account.take_fill(
                FillMessage(
                    contract=fill.contract, id=fill.order_id, side=fill.side, price=price, quantity=fill.quantity,
                    timestamp=fill.timestamp, fees={quote: fill.fee},
                )
            )  # fmt: skip
            if not told_before:
                self._tell("fill", fill_record(self.account.contracts, fill))
            if order is not None:
                self._lower(order, order.message.quantity - order.told)
                touched[fill.order_id] = order
        return list(touched.values())

    def _lower(self, order: Tracked, left: int) -> None:
        """A fill that came after the list of open orders was made."""
        if left < order.message.quantity_left:
            order.message = msgspec.structs.replace(order.message, quantity_left=left)

    def _end(self, order: Tracked) -> None:
        """It is open no longer, and all its fills are known."""
        left = max(order.message.quantity - order.told, 0)
        order.message = msgspec.structs.replace(order.message, quantity_left=left, is_cancelled=left > 0)

    def _tell_changed(self, orders: Sequence[Tracked]) -> None:
        for order in {order.message.id: order for order in orders}.values():
            order.seen = True
            self._tell("order", self.account.order_record(order))
        self._tell_positions()
