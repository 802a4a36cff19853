"""A venue as a client object, directly on a core: the whole `IExchange`, in virtual time, with faults.

For tests of what trades, for fault schedules and for backtests.  What the venue "has" is chosen by its features, so that
the same core can look like Sputnik (`SPUTNIK`: no client ids, no order lookup, no trade ids) or like a venue that has
everything (`EVERYTHING`).  How the connection behaves is `session`; how records look is `uniform`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from random import Random
from typing import TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer

from clients.exchange import (
    OHLCV,
    Book,
    Fill,
    IExchange,
    Market,
    NotAuthorised,
    Order,
    OrderRejected,
    Period,
    Position,
    Refused,
    Side,
    Trade,
    Transaction,
    Transfer,
    UnknownOrder,
)
from ilp.simulation import uniform
from ilp.simulation.contracts import Pair
from ilp.simulation.core import Core
from ilp.simulation.records import BookChanged, Event, Filled, OrderChanged, Posted, Traded
from ilp.simulation.rejections import OrderCancelled, Rejection
from ilp.simulation.session import Conditions, Session

__all__ = ["EVERYTHING", "SPUTNIK", "SimulatedExchange"]

T = TypeVar("T")

SPUTNIK: frozenset[str] = frozenset()
EVERYTHING = frozenset(
    {
        "amend",
        "cancel_all_after",
        "client_id",
        "immediate_or_cancel",
        "order_lookup",
        "post_only",
        "trade_id",
        "withdrawal_id",
    }
)


@implementer(IExchange)
class SimulatedExchange(Session):
    """An account at a simulated venue.

    :param account: empty for public use; the features then say `public_only`.
    :param lacks: methods that fail with `NotImplementedError`, besides those that the features leave out.
    """

    def __init__(
        self,
        core: Core,
        account: str,
        reactor: IReactorTime,
        *,
        name: str = "",
        features: frozenset[str] = EVERYTHING,
        lacks: frozenset[str] = frozenset(),
        conditions: Conditions | None = None,
        random: Random | None = None,
    ) -> None:
        super().__init__(name or core.venue, reactor, conditions or Conditions(), random or Random(0))
        self.core = core
        self.features = features if account else features | {"public_only"}
        self._account = account
        self._lacks = lacks
        self._dirty: set[str] = set()
        self._telling_positions: IDelayedCall | None = None
        self._dead_man: IDelayedCall | None = None
        core.subscribe(self._heard)

    # ----------------------------------------------------------------------------------------------------- holdings

    def getPositions(self) -> Deferred[dict[str, Position]]:
        """See `IExchange`."""
        return self._private("getPositions", "read holdings", self._positions)

    def _positions(self) -> dict[str, Position]:
        held = self.core.holdings(self._account)
        return {ticker: uniform.position(self.core.currency(ticker), holding) for ticker, holding in held.items()}

    def getCurrentAddress(self, ticker: str) -> Deferred[str]:
        """See `IExchange`."""
        return self._private(
            "getCurrentAddress", f"address of {ticker}", lambda: self.core.current_address(self._account, ticker)
        )

    def getNewAddress(self, ticker: str) -> Deferred[str]:
        """See `IExchange`."""
        return self._private("getNewAddress", f"new address of {ticker}", lambda: self._new_address(ticker), True)

    def _new_address(self, ticker: str) -> str:
        return self.core.new_address(self._account, ticker)

    def requestWithdrawal(self, ticker: str, amount: Decimal, address: str) -> Deferred[str]:
        """See `IExchange`; the id is empty where the venue lacks `withdrawal_id`."""
        doing = f"withdraw {amount} {ticker}"

        def run() -> str:
            if not address.strip():
                raise Refused(self.name, doing, "no address is given")
            try:
                units = self.core.currency(ticker).units(amount)
            except ValueError as e:
                raise Refused(self.name, doing, str(e)) from e
            found = self.core.withdraw(self._account, ticker, units, address)
            return str(found.id) if "withdrawal_id" in self.features else ""

        return self._private("requestWithdrawal", doing, run, True)

    def getTransfers(self, start: datetime, end: datetime) -> Deferred[list[Transfer]]:
        """See `IExchange`."""
        return self._private("getTransfers", "read transfers", lambda: self._transfers(start, end))

    def _transfers(self, start: datetime, end: datetime) -> list[Transfer]:
        known = "withdrawal_id" in self.features
        out = [
            uniform.withdrawal(self.core.currency(w.currency), w, reference=known)
            for w in self.core.withdrawals(self._account)
        ]
        into = [
            uniform.deposit(self.core.currency(d.currency), d, reference=known)
            for d in self.core.deposits(self._account)
        ]
        found = [transfer for transfer in (*out, *into) if start <= transfer["timestamp"] <= end]
        return sorted(found, key=lambda transfer: transfer["timestamp"])

    def getTransactionHistory(self, start: datetime, end: datetime) -> Deferred[list[Transaction]]:
        """See `IExchange`."""
        return self._private(
            "getTransactionHistory",
            "read transactions",
            lambda: [uniform.transaction(self.core, p) for p in self.core.postings(self._account, start, end)],
        )

    # ------------------------------------------------------------------------------------------------------- orders

    def placeOrder(
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
    ) -> Deferred[str]:
        """See `IExchange`; *urgent* makes no difference where calls are not scarce."""
        doing = f"{side} {quantity} {ticker} at {price}"
        if not (isinstance(quantity, Decimal) and isinstance(price, Decimal)):
            return fail(TypeError(f"{self.name}: {doing}: quantity and price must be Decimal"))
        for wanted, feature in (
            (post_only, "post_only"),
            (immediate, "immediate_or_cancel"),
            (client_id is not None, "client_id"),
        ):
            if wanted and feature not in self.features:
                return fail(NotImplementedError(f"{self.name}: {doing}: no {feature} here"))

        def run() -> str:
            try:
                pair = self._pair(ticker, doing)
                wire = pair.wire_price(price), pair.wire_quantity(quantity)
                way = Side(side)
            except ValueError as e:
                raise OrderRejected(self.name, doing, str(e)) from e
            placed = self.core.place(
                self._account, ticker, way, *wire, post_only=post_only, immediate=immediate, client_id=client_id
            )
            return str(placed.id)

        return self._private("placeOrder", doing, run, True)

    def cancelOrder(self, id: str) -> Deferred[bool]:
        """See `IExchange`."""
        doing = f"cancel order {id}"

        def run() -> bool:
            try:
                return self.core.cancel(self._account, self._order_id(id, doing))
            except OrderCancelled:
                # It is off the book, which is all that was asked for; a filled one counts as cancelled once that was tried.
                return self.core.order(int(id)).quantity_left > 0

        return self._private("cancelOrder", doing, run, True)

    def cancelAllOrders(self, ticker: str | None = None) -> Deferred[Sequence[str]]:
        """See `IExchange`."""

        def run() -> Sequence[str]:
            return [str(id) for id in self.core.cancel_all(self._account, ticker)]

        return self._private("cancelAllOrders", "cancel all orders", run, True)

    def amendOrder(self, id: str, quantity: Decimal | None = None, price: Decimal | None = None) -> Deferred[bool]:
        """See `IExchange`."""
        doing = f"amend order {id}"

        def run() -> bool:
            number = self._order_id(id, doing)
            pair = self.core.pairs[self.core.order(number).contract]
            try:
                size = None if quantity is None else pair.wire_quantity(quantity)
                wire = None if price is None else pair.wire_price(price)
            except ValueError as e:
                raise OrderRejected(self.name, doing, str(e)) from e
            return self.core.amend(self._account, number, quantity=size, price=wire)

        return self._private("amendOrder", doing, run, True, needs="amend")

    def getOpenOrders(self) -> Deferred[dict[str, Order]]:
        """See `IExchange`."""

        def run() -> dict[str, Order]:
            return {str(order.id): self._order(order.id) for order in self.core.open_orders(self._account)}

        return self._private("getOpenOrders", "read open orders", run)

    def getOrder(self, id: str | None = None, client_id: str | None = None) -> Deferred[Order]:
        """See `IExchange`."""
        doing = f"read order {id or client_id}"

        def run() -> Order:
            if id is not None:
                number = self._order_id(id, doing)
                if self.core.order(number).account != self._account:
                    raise UnknownOrder(self.name, doing, "it belongs to another account")
                return self._order(number)
            if client_id is not None and "client_id" in self.features:
                return self._order(self.core.order_by_client_id(self._account, client_id).id)
            raise UnknownOrder(self.name, doing, "neither an id nor a client id that this venue has")

        return self._private("getOrder", doing, run, needs="order_lookup")

    def getFills(self, start: datetime, end: datetime) -> Deferred[list[Fill]]:
        """See `IExchange`."""
        named = "trade_id" in self.features
        return self._private(
            "getFills",
            "read fills",
            lambda: [
                uniform.fill(self.core.pairs[f.contract], f, trade_id=named)
                for f in self.core.fills(self._account, start, end)
            ],
        )

    def cancelAllAfter(self, seconds: float) -> Deferred[None]:
        """See `IExchange`."""

        def run() -> None:
            if self._dead_man is not None and self._dead_man.active():
                self._dead_man.cancel()
            self._dead_man = self._reactor.callLater(seconds, self._dead_mans_switch) if seconds > 0 else None

        return self._private("cancelAllAfter", f"cancel all after {seconds:g} s", run, True, needs="cancel_all_after")

    def _dead_mans_switch(self) -> None:
        self._dead_man = None
        self.core.cancel_all(self._account)

    # ------------------------------------------------------------------------------------------------------ markets

    def getServerTime(self) -> Deferred[datetime]:
        """The venue's clock; no part of `IExchange`."""
        return self._public("getServerTime", "asking for the venue's time", lambda: self.core.now())

    def getOrderBook(self, ticker: str) -> Deferred[Book]:
        """See `IExchange`."""
        doing = f"book of {ticker}"
        return self._public(
            "getOrderBook", doing, lambda: uniform.book(self._pair(ticker, doing), self.core.book(ticker))
        )

    def getTradeHistory(self, ticker: str, start: datetime, end: datetime) -> Deferred[list[Trade]]:
        """See `IExchange`."""
        doing = f"trades of {ticker}"
        if (wrong := self._without_zone(start, end)) is not None:
            return fail(wrong)

        def run() -> list[Trade]:
            pair = self._pair(ticker, doing)
            return [uniform.trade(pair, trade) for trade in self.core.trades(ticker, start, end)]

        return self._public("getTradeHistory", doing, run)

    def getOHLCVHistory(
        self, ticker: str, period: Period, start: datetime, end: datetime
    ) -> Deferred[dict[datetime, OHLCV]]:
        """See `IExchange`."""
        doing = f"bars of {ticker}"
        if (wrong := self._without_zone(start, end)) is not None:
            return fail(wrong)

        def run() -> dict[datetime, OHLCV]:
            pair = self._pair(ticker, doing)
            return {bar.open_timestamp: uniform.bar(pair, bar) for bar in self.core.bars(ticker, period, start, end)}

        return self._public("getOHLCVHistory", doing, run)

    def getMarkets(self) -> Deferred[Mapping[str, Market]]:
        """See `IExchange`."""

        def run() -> Mapping[str, Market]:
            cash = {ticker: uniform.market_of_currency(c) for ticker, c in self.core.currencies.items()}
            return cash | {ticker: uniform.market_of_pair(pair) for ticker, pair in self.core.pairs.items()}

        return self._public("getMarkets", "read markets", run)

    def round_bid(self, ticker: str, price: Decimal) -> Decimal:
        """See `IExchange`."""
        tick = self.core.pairs[ticker].price(self.core.pairs[ticker].tick)
        return (price / tick).to_integral_value(ROUND_FLOOR) * tick

    def round_ask(self, ticker: str, price: Decimal) -> Decimal:
        """See `IExchange`."""
        tick = self.core.pairs[ticker].price(self.core.pairs[ticker].tick)
        return (price / tick).to_integral_value(ROUND_CEILING) * tick

    def round_quantity(self, ticker: str, quantity: Decimal) -> Decimal:
        """See `IExchange`."""
        pair = self.core.pairs.get(ticker)
        currency = self.core.currencies.get(ticker)
        if pair is not None:
            lot = pair.quantity(pair.lot)
        elif currency is not None:
            lot = currency.amount(currency.lot)
        else:
            raise KeyError(f"{self.name}: no market {ticker!r}")
        return (quantity / lot).to_integral_value(ROUND_FLOOR) * lot

    # ------------------------------------------------------------------------------------------------------- events

    def _tell_all(self) -> None:
        for ticker, pair in self.core.pairs.items():
            self._tell("book", ticker, uniform.book(pair, self.core.book(ticker)))
        if self._account:
            self._dirty.update(self.core.currencies)
            self._tell_positions()

    def _heard(self, event: Event) -> None:
        """At the venue: what of an event concerns this client."""
        if not self._joined:
            return
        match event:
            case BookChanged(contract=ticker, book=book):
                self._tell("book", ticker, uniform.book(self.core.pairs[ticker], book))
            case Traded(trade=trade):
                self._tell("trade", uniform.trade(self.core.pairs[trade.contract], trade))
            case OrderChanged(order=order) if order.account == self._account:
                pair = self.core.pairs[order.contract]
                self._tell("order", uniform.order(pair, order, told="order_lookup" in self.features))
                self._touch(pair.base.ticker, pair.quote.ticker)
            case Filled(fill=fill) if fill.account == self._account:
                pair = self.core.pairs[fill.contract]
                self._tell("fill", uniform.fill(pair, fill, trade_id="trade_id" in self.features))
            case Posted(posting=posting) if posting.account == self._account:
                self._touch(posting.contract)

    def _touch(self, *tickers: str) -> None:
        """Holdings are told once a turn, however many lines of the ledger touched them."""
        self._dirty.update(tickers)
        if self._telling_positions is None:
            self._telling_positions = self._reactor.callLater(0, self._tell_positions)

    def _tell_positions(self) -> None:
        if self._telling_positions is not None and self._telling_positions.active():
            self._telling_positions.cancel()
        self._telling_positions = None
        tickers, self._dirty = sorted(self._dirty), set()
        held = self.core.holdings(self._account)
        for ticker in tickers:
            self._tell("position", ticker, uniform.position(self.core.currency(ticker), held[ticker]))

    def _close(self, why: str) -> None:
        if self._telling_positions is not None:
            self._telling_positions.cancel()
            self._telling_positions = None
        super()._close(why)

    # ------------------------------------------------------------------------------------------------------ helpers

    def _public(self, method: str, doing: str, run: Callable[[], T], changes_state: bool = False) -> Deferred[T]:
        if method in self._lacks:
            return fail(NotImplementedError(f"{self.name}: {doing}: this venue has no {method}"))

        def guarded() -> T:
            try:
                return run()
            except Rejection as e:
                raise uniform.refusal(self.name, doing, e) from e

        return self._call(method, doing, guarded, changes_state=changes_state)

    def _private(
        self, method: str, doing: str, run: Callable[[], T], changes_state: bool = False, *, needs: str = ""
    ) -> Deferred[T]:
        if needs and needs not in self.features:
            return fail(NotImplementedError(f"{self.name}: {doing}: this venue has no {needs}"))
        if not self._account:
            return fail(NotAuthorised(self.name, doing, "no account: this client is for public use"))
        return self._public(method, doing, run, changes_state)

    def _pair(self, ticker: str, doing: str) -> Pair:
        pair = self.core.pairs.get(ticker)
        if pair is None:
            raise OrderRejected(self.name, doing, f"no market {ticker!r}; there are {', '.join(self.core.pairs)}")
        return pair

    @staticmethod
    def _without_zone(*times: datetime) -> ValueError | None:
        naive = [time.isoformat() for time in times if time.tzinfo is None]
        return ValueError(f"time {naive[0]} has no time zone; aware times only") if naive else None

    def _order_id(self, id: str, doing: str) -> int:
        if not id.isdecimal():
            raise UnknownOrder(self.name, doing, f"{id!r} is not an order id")
        return int(id)

    def _order(self, number: int) -> Order:
        order = self.core.order(number)
        told = "order_lookup" in self.features
        return uniform.order(self.core.pairs[order.contract], order, told=told)
