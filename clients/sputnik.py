"""Client of Sputnik exchanges over WAMP: the uniform interface for pairs, predictions and futures.

What this venue does not have, and what is done about it: no client order ids, post-only, immediate-or-cancel, amend and
dead man's switch (`NotImplementedError`); no order lookup (`getOrder` answers for the orders that this object has seen,
see there); no trade ids (fills bear the order's id); no withdrawal ids or states (made of the booking's time and address,
see `clients.sputnik_history`); no procedure that tells its time (the challenge of a login bears it; over REST answers do).
The account must be used by nobody else: everything that rests there is taken for ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from zope.interface import implementer

from clients.budget import Priority
from clients.calls import deferring, in_parts
from clients.exchange import (
    OHLCV,
    Book,
    ExchangeError,
    Fill,
    IExchange,
    Market,
    Order,
    OrderRejected,
    OutcomeUnknown,
    Period,
    Position,
    Refused,
    Side,
    Trade,
    Transaction,
    Transfer,
    UnknownOrder,
)
from clients.sputnik_calls import SputnikCalls
from clients.sputnik_errors import ALREADY_CANCELLED
from clients.sputnik_history import fill_record, find_withdrawal, read_fills, read_transfers
from clients.sputnik_live import Live
from clients.sputnik_wire import (
    OhlcvMessage,
    TradeMessage,
    parse_ohlcv,
    parse_trade,
    parse_transaction,
    to_wire_time,
)

__all__ = ["Sputnik"]

T = TypeVar("T")

CLOCKS_DIFFER = timedelta(minutes=10)  # a withdrawal just made is looked for so far back in the history
WITHDRAWALS_SEEN = "its fate shows in the transaction history: look there before asking again"


@implementer(IExchange)
class Sputnik(SputnikCalls):
    """A Sputnik exchange.  For the constructor's keywords see `clients.sputnik_connection.SputnikConnection`."""

    @deferring
    async def getServerTime(self) -> datetime:
        """The venue's clock as the challenge of the login compared it with ours, but for the latency.

        Where it was found wrong the venue is asked for another challenge on a line of its own.  An anonymous session gets
        none (`NotImplementedError`).
        """
        doing = "asking for the venue's time"
        self._ready(doing)
        skew = await self._skew()
        if skew is None:
            raise NotImplementedError(f"{self.name}: the login did not say what time it is there")
        return self._now() + skew

    # ------------------------------------------------------------------------------------------------ holdings

    @deferring
    async def getPositions(self) -> dict[str, Position]:
        """See `IExchange`.  `available` is computed: see `clients.sputnik_account.Account.position_records`."""
        return await self._ready("reading positions", private=True).read_positions()

    @deferring
    async def getCurrentAddress(self, ticker: str) -> str:
        """See `IExchange`."""
        return await self._get_address(ticker, "get_current_address", changes_state=False)

    @deferring
    async def getNewAddress(self, ticker: str) -> str:
        """See `IExchange`.  Deposits to the previous address are not credited by themselves any more."""
        return await self._get_address(ticker, "get_new_address", changes_state=True)

    async def _get_address(self, ticker: str, procedure: str, changes_state: bool) -> str:
        doing = f"asking for a deposit address of {ticker}"
        live = self._ready(doing, private=True)
        self._market(ticker, doing, "cash")
        return await live.ask(doing, f"rpc.trader.{procedure}", ticker, result=str, changes_state=changes_state)

    @deferring
    async def requestWithdrawal(self, ticker: str, amount: Decimal, address: str) -> str:
        """See `IExchange`.

        The venue answers without an id.  The booking is looked up in the history, and the id is the one that
        `getTransfers` gives it; when that fails, the withdrawal has happened all the same and the id is empty.
        """
        doing = f"withdrawing {amount} {ticker}"
        live = self._ready(doing, private=True)
        self._market(ticker, doing, "cash")
        if not address.strip():
            raise Refused(self.name, doing, "no address is given")
        try:
            wire = self._account.contracts.wire_quantity(ticker, amount)
        except ValueError as error:
            raise Refused(self.name, doing, str(error)) from None
        answer = await live.ask(
            doing,
            "rpc.trader.request_withdrawal",
            ticker,
            wire,
            address,
            self._one_time_code(doing),
            result=bool,
            changes_state=True,
        )
        live.refresh_positions()
        if not answer:
            raise OutcomeUnknown(self.name, doing, f"the venue answered {answer}; {WITHDRAWALS_SEEN}")
        return await self._withdrawal_id(live, ticker, amount, address)

    async def _withdrawal_id(self, live: Live, ticker: str, amount: Decimal, address: str) -> str:
        try:
            rows = await live.history(to_wire_time(self._now() - CLOCKS_DIFFER), None)
        except ExchangeError as error:
            self._trouble(error)
            return ""
        found = find_withdrawal(self._account.contracts, rows, ticker, amount, address, self._account.withdrawals)
        if found is None:
            return ""
        self._account.withdrawals.add(found["id"])
        return found["id"]

    # ------------------------------------------------------------------------------------------------ orders

    @deferring
    async def placeOrder(
        self,
        ticker: str,
        quantity: Decimal,
        price: Decimal,
        side: Side | str,
        *,
        post_only: bool = False,
        immediate: bool = False,
        client_id: str | None = None,
        urgent: bool = False,
    ) -> str:
        """See `IExchange`.  Fires as soon as the answer or the order's own event tells the id, whichever comes first."""
        doing = f"placing {side} {quantity} {ticker} at {price}"
        for name, given in (("post_only", post_only), ("immediate", immediate), ("client_id", client_id is not None)):
            if given:
                raise NotImplementedError(f"{self.name}: {doing}: this venue has no {name}")
        live = self._ready(doing, private=True)
        self._market(ticker, doing, "market", OrderRejected)
        try:
            wire_price = self._account.contracts.wire_price(ticker, price)
            wire_quantity = self._account.contracts.wire_quantity(ticker, quantity)
            way = Side(side)
        except ValueError as error:
            raise OrderRejected(self.name, doing, str(error)) from None
        priority = Priority.HEDGE if urgent else Priority.QUOTE
        return str(await live.place(ticker, way, wire_price, wire_quantity, priority))

    @deferring
    async def cancelOrder(self, id: str) -> bool:
        """See `IExchange`."""
        return await self._cancel(id)

    async def _cancel(self, id: str) -> bool:
        doing = f"cancelling {id}"
        live = self._ready(doing, private=True)
        if not (id.isascii() and id.isdigit()):
            raise UnknownOrder(self.name, doing, "ids of this venue are whole numbers")
        try:
            cancelled = await live.ask(
                doing, "rpc.trader.cancel_order", int(id), result=bool, priority=Priority.CANCEL, changes_state=True
            )
        except UnknownOrder as error:
            if error.code != ALREADY_CANCELLED:
                raise
            # The venue marks a filled order as cancelled too, once somebody tried to cancel it.
            order = self._account.orders.get(int(id))
            return order is None or order.message.quantity_left > 0
        # Either way an event about it is due, and only that event says how much of it was filled.
        live.doubt_order(int(id))
        return cancelled

    @deferring
    async def cancelAllOrders(self, ticker: str | None = None) -> Sequence[str]:
        """See `IExchange`.  Orders still on their way are waited for and cancelled too.

        Fails with the first problem, after everything that could be cancelled was.
        """
        doing = f"cancelling all orders{'' if ticker is None else ' of ' + ticker}"
        live = self._ready(doing, private=True)
        on_their_way = [
            self._id_of(order)
            for order in self._account.provisional
            if ticker in (None, order.contract) and not order.unknown  # what is unknown is on the list, or nowhere
        ]
        cancelled: list[str] = []
        problems: list[ExchangeError] = []
        try:
            await live.read_open_orders(Priority.CANCEL)
        except ExchangeError as error:
            problems.append(error)  # told in the end; what is known to be open is cancelled all the same
        ids = [o.message.id for o in self._account.open_orders() if ticker in (None, o.message.contract)]
        await self._cancel_each(ids, cancelled, problems)
        late = {id for waiting in on_their_way if (id := await waiting) is not None}
        await self._cancel_each(sorted(late - set(ids)), cancelled, problems)
        if problems:
            raise problems[0]
        return cancelled

    async def _cancel_each(self, ids: Sequence[int], cancelled: list[str], problems: list[ExchangeError]) -> None:
        """Cancel all of *ids* at once; one that is gone is no problem."""

        async def one(id: int) -> None:
            try:
                if await self._cancel(str(id)):
                    cancelled.append(str(id))
            except UnknownOrder:
                return
            except ExchangeError as error:
                problems.append(error)

        for sent in [Deferred.fromCoroutine(one(id)) for id in ids]:
            await sent

    @staticmethod
    def _id_of(order: Any) -> Deferred[int | None]:
        """Fires when the fate of a provisional order is known."""
        told: Deferred[int | None] = Deferred()
        order.settled.append(lambda id: told.callback(id) if not told.called else None)
        return told

    @deferring
    async def amendOrder(self, id: str, quantity: Decimal | None = None, price: Decimal | None = None) -> bool:
        """This venue cannot change an order: cancel it and place another."""
        raise NotImplementedError(f"{self.name}: amending {id}: this venue has no amend")

    @deferring
    async def getOpenOrders(self) -> dict[str, Order]:
        """See `IExchange`.  Orders that have ended unseen are settled on the way, and told of by `order` events."""
        orders = await self._ready("reading open orders", private=True).read_open_orders()
        return {str(order.message.id): self._account.order_record(order) for order in orders}

    @deferring
    async def getOrder(self, id: str | None = None, client_id: str | None = None) -> Order:
        """One of the orders that this object has seen, brought up to date by a read of what is open.

        The venue has no lookup (`order_lookup` is not among `features`).  For an order that was open before this object
        was made and is not any more, ask `getFills` and `getTransactionHistory`.
        """
        doing = f"looking up {id if client_id is None else client_id}"
        live = self._ready(doing, private=True)
        if id is None or client_id is not None:
            raise NotImplementedError(f"{self.name}: {doing}: this venue has no client ids")
        known = self._account.orders.get(int(id)) if id.isascii() and id.isdigit() else None
        if known is None or not known.message.final:
            await live.read_open_orders()
            known = self._account.orders.get(int(id)) if id.isascii() and id.isdigit() else None
        if known is None:
            raise NotImplementedError(f"{self.name}: {doing}: this venue has no order lookup, and it is not open")
        return self._account.order_record(known)

    @deferring
    async def cancelAllAfter(self, seconds: float) -> None:
        """This venue has no dead man's switch."""
        raise NotImplementedError(f"{self.name}: cancel all after {seconds:g} s: this venue has no dead man's switch")

    # ------------------------------------------------------------------------------------------------ histories

    @deferring
    async def getFills(self, start: datetime, end: datetime) -> list[Fill]:
        """See `IExchange`.  Read from the notes of the transaction history; times are those of the bookings."""
        live = self._ready("reading fills", private=True)
        contracts, last = self._account.contracts, to_wire_time(end)
        has_futures = any(contract.contract_type == "futures" for contract in contracts.values())
        # What a future traded at follows from the settlements after it.
        rows = await live.history(to_wire_time(start), None if has_futures else last)
        fills = read_fills(contracts, rows, await live.references(rows))
        return [fill_record(contracts, fill) for fill in fills if fill.timestamp <= last]

    @deferring
    async def getTransfers(self, start: datetime, end: datetime) -> list[Transfer]:
        """See `IExchange`.  Read from the transaction history: see `clients.sputnik_history.read_transfers`."""
        live = self._ready("reading transfers", private=True)
        rows = await live.history(to_wire_time(start), to_wire_time(end))
        return read_transfers(self._account.contracts, rows)

    @deferring
    async def getTransactionHistory(self, start: datetime, end: datetime) -> list[Transaction]:
        """See `IExchange`."""
        live = self._ready("reading the transaction history", private=True)
        rows = await live.history(to_wire_time(start), to_wire_time(end))
        contracts = self._account.contracts
        return await in_parts((parse_transaction(contracts, row) for row in rows), self._reactor)

    @deferring
    async def getOrderBook(self, ticker: str) -> Book:
        """See `IExchange`.  Empty for up to ten minutes after the venue was restarted: it does not know better then."""
        live = self._ready(f"reading the book of {ticker}")
        self._market(ticker, f"reading the book of {ticker}", "market")
        return await live.read_book(ticker)

    @deferring
    async def getTradeHistory(self, ticker: str, start: datetime, end: datetime) -> list[Trade]:
        """See `IExchange`."""
        doing = f"reading trades of {ticker}"
        rows = await self._market_history(doing, "get_trade_history", ticker, start, end, result=list[TradeMessage])
        contracts, rows = self._account.contracts, sorted(rows, key=lambda row: row.timestamp)
        return await in_parts((parse_trade(contracts, row) for row in rows), self._reactor)

    @deferring
    async def getOHLCVHistory(
        self, ticker: str, period: Period, start: datetime, end: datetime
    ) -> dict[datetime, OHLCV]:
        """See `IExchange`."""
        doing = f"reading {period} bars of {ticker}"
        if period not in ("minute", "hour", "day"):
            raise Refused(self.name, doing, f"period {period!r} is not allowed; minute, hour or day")
        rows = await self._market_history(
            doing, "get_ohlcv_history", ticker, start, end, period, result=dict[str, OhlcvMessage]
        )
        contracts, ordered = self._account.contracts, sorted(rows.values(), key=lambda bar: bar.open_timestamp)
        bars = await in_parts((parse_ohlcv(contracts, bar) for bar in ordered), self._reactor)
        return {bar["open_timestamp"]: bar for bar in bars}

    async def _market_history(
        self, doing: str, procedure: str, ticker: str, start: datetime, end: datetime, *more: str, result: type[T]
    ) -> T:
        live = self._ready(doing)
        self._market(ticker, doing, "market")
        # 0 would mean "an hour ago" and "now" here, so the epoch itself is asked for one microsecond later.
        times = (max(1, to_wire_time(start)), max(1, to_wire_time(end)))
        return await live.ask(
            doing, f"rpc.market.{procedure}", ticker, *more, *times, result=result, priority=Priority.BULK
        )

    # ------------------------------------------------------------------------------------------------ markets

    @deferring
    async def getMarkets(self) -> Mapping[str, Market]:
        """See `IExchange`.  Read anew with each connection; steps never change while one lasts."""
        self._ready("reading the markets")
        return self._account.contracts.markets()

    def round_bid(self, ticker: str, price: Decimal) -> Decimal:
        """See `IExchange`."""
        self._market(ticker, "rounding", "market")
        return self._account.contracts.floor_price(ticker, price)

    def round_ask(self, ticker: str, price: Decimal) -> Decimal:
        """See `IExchange`."""
        self._market(ticker, "rounding", "market")
        return self._account.contracts.ceil_price(ticker, price)

    def round_quantity(self, ticker: str, quantity: Decimal) -> Decimal:
        """See `IExchange`."""
        if ticker not in self._account.contracts:
            self._market(ticker, "rounding", "market")
        return self._account.contracts.floor_quantity(ticker, quantity)
