"""Client of BitMEX: the uniform interface for spot pairs with real balances and for perpetuals as synthetic holdings.

The exchange closed on 2026-09-23; any host that speaks its protocol can be the endpoint, the simulated venue first of all.
A position in an inverse contract (XBTUSD) is shown as bitcoin and synthetic dollars, one in a linear contract (XBTUSDT) as
synthetic bitcoin and tether (see `clients.bitmex_contracts.exposure`); synthetic money has no addresses and no withdrawals.
Every order bears a client id, by which one whose answer was lost is looked up; nothing is ever sent twice.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import Any

from attrs import fields
from twisted.internet.defer import Deferred
from zope.interface import implementer

from clients.bitmex_account import Account, fill_of
from clients.bitmex_book import L2Book
from clients.bitmex_contracts import Asset, Instrument, wire_time
from clients.bitmex_errors import TOO_LATE, About
from clients.bitmex_history import BINS, LENGTHS, bar_of, first_bin_end, transaction_rows, transfer_rows
from clients.bitmex_live import Live
from clients.bitmex_options import Hosts, Options
from clients.bitmex_rest import Rest
from clients.bitmex_session import Session
from clients.bitmex_tables import Storage
from clients.budget import Budget, Priority
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
    Unreachable,
)
from clients.http import persistent_client
from clients.option_values import read_options
from clients.redaction import Redactor, Secret
from clients.venue import CLOSING_S, VenueClient, cash_market, decimals_only, server_time, utc_now
from clients.websocket import Line, LineLost, TlsRules, dial

__all__ = ["BitMEX"]

_LOGIN_VALID_S = 3600
_LARGEST_MESSAGE = 64 * 2**20  # a full book is about 1 MB
_MOST_BARS = 1000
_CLIENT_ID = 36
_ORDER_BURST = 10
_LEAST = {"count": 1, "columns": "symbol"}  # the least that can be asked of a table
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@implementer(IExchange)
class BitMEX(VenueClient[Live]):
    """BitMEX, or whatever speaks its protocol.

    :param id: API key; empty for public use: books, trades, histories of the market.
    :param secret: the key's secret.
    :param endpoint: `mainnet`, `testnet`, or `http(s)://host:port` (or the WebSocket's address).
    :param now: the world's time, aware UTC.
    :param random: jitter of reconnections and client ids.
    :param options: see `clients.bitmex_options.Options`; text as it comes from a file will do.

    Ready means: logged in, subscribed, every table and book there, orders reconciled.
    """

    features: frozenset[str] = frozenset(
        {
            "post_only",
            "client_id",
            "amend",
            "cancel_all_after",
            "trade_id",
            "order_lookup",
            "withdrawal_id",
            "immediate_or_cancel",
            "public_only",
        }
    )

    option_names = tuple(one.name for one in fields(Options))
    """Keywords that the constructor takes besides those it names."""

    def __init__(
        self,
        *,
        id: str = "",
        secret: str = "",
        endpoint: str = "mainnet",
        reactor: Any,
        name: str = "bitmex",
        now: Callable[[], datetime] = utc_now,
        random: Random | None = None,
        **options: Any,
    ) -> None:
        super().__init__(name, reactor, has_account=bool(id), now=now, random=random)
        self._hosts = Hosts.parse(endpoint)
        self._options = choices = read_options(Options, options)
        self._key, self._secret = id, Secret(secret)
        self._redactor = Redactor(secret)
        http, self._pool = persistent_client(reactor, choices.deadline)
        self._budget = Budget(reactor, choices.rate, choices.burst, choices.kept)
        self._entry = Budget(reactor, choices.order_rate, max(_ORDER_BURST, choices.order_rate))
        self._rest = Rest(
            name, self._hosts.rest, id, self._secret, http, reactor, now,
            self._budget, self._entry, choices.deadline, self._redactor,
        )  # fmt: skip
        self._account = Account()
        self._line: Line | None = None
        self._stay_connected(choices.connect_deadline, choices.backoff_first, choices.backoff_longest)

    # ------------------------------------------------------------------------------------------------ connection

    @deferring
    async def disconnect(self) -> None:
        """See `IExchange`.  Switches the dead man's switch off: who leaves in order knows what still rests."""
        live, line = self._live, self._line
        if live is not None and line is not None and live.dead_man.armed:
            line.say(b'{"op":"cancelAllAfter","args":0}')
        await self._lifeline.stop()
        gone = Unreachable(self.name, "calling", "disconnected; nothing was sent")
        for part in (self._budget, self._entry, self._rest):
            part.stop(gone)
        if line is not None:
            await line.hang_up(self._reactor, CLOSING_S)
        await self._pool.close()
        for part in (self._budget, self._entry, self._rest):
            part.stop(gone)  # whoever asked while it was being closed

    async def _open(self) -> Deferred[Exception]:
        limit = self._options.deadline
        try:
            line = await dial(
                self._reactor, self._hosts.socket, limit=limit, tls=TlsRules(), largest_message=_LARGEST_MESSAGE
            )
        except LineLost as error:
            raise Unreachable(self.name, "connecting", str(error)) from None
        live = Live(
            self.name, self._rest, self._account, self._options, self._reactor, self.announce, self._trouble,
            self._has_account,
        )  # fmt: skip
        session = Session(
            self.name, line, self._reactor, self._redactor, self._trouble,
            live.take_books, live.take_table, live.unreadable,
        )  # fmt: skip
        ended: Deferred[Exception] = Deferred()
        line.when_gone().addCallback(self._gone, session, live, ended)
        line.on_heard = session.heard
        line.on_read_done = lambda: self._read_done(session, live)
        session.watch(self._options.ping_interval, self._options.ping_timeout)
        try:
            await session.welcome(limit)
            if self._key:
                expires = int(max(self._now().timestamp(), time.time())) + _LOGIN_VALID_S
                await session.login(self._key, self._secret, expires, limit)
            await live.prepare(session)
        except BaseException:  # a cancellation too: nothing may be left open
            line.drop("given up")
            await line.when_gone()
            raise
        self._line, self._live = line, live
        line.on_heard = lambda: self._heard(session)
        self.announce("connect", self)
        live.announce()
        return ended

    def _gone(self, reason: LineLost, session: Session, live: Live, ended: Deferred[Exception]) -> None:
        if self._live is live:
            self._line = None
        self._lost(live, reason, ended, then=lambda: session.lost(reason))

    @staticmethod
    def _read_done(session: Session, live: Live) -> None:
        session.read_done()
        live.flush()

    def _heard(self, session: Session) -> None:
        session.heard()
        self._say_alive()

    def _market(self, ticker: str, doing: str, error: type[ExchangeError] = Refused) -> Instrument:
        found = self._account.contracts.find(ticker)
        if found is None:
            known = ", ".join(sorted(self._account.contracts.tickers())) or "none"
            raise error(self.name, doing, f"{ticker!r} is no market of this venue; it has {known}")
        return found

    def _asset(self, ticker: str, doing: str) -> Asset:
        asset = self._account.contracts.by_code.get(ticker)
        if asset is None:
            if any(ticker in (i.base, i.quote) for i in self._account.contracts.tickers().values()):
                raise NotImplementedError(f"{self.name}: {doing}: {ticker} is synthetic here, no money moves")
            known = ", ".join(self._account.contracts.by_code) or "none"
            raise Refused(self.name, doing, f"{ticker!r} is no currency of this venue; it has {known}")
        return asset

    @property
    def synthetic(self) -> frozenset[str]:
        """Currencies that are positions here and no money: nothing of them can be sent or received."""
        pairs = [(i.base, i.quote) for i in self._account.followed]
        return frozenset(code for pair in pairs for code in pair if code not in self._account.contracts.by_code)

    @property
    def storage(self) -> Storage | None:
        """The tables of the connection, or None while there is none."""
        return None if self._live is None else self._live.storage

    @deferring
    async def getServerTime(self) -> datetime:
        """The venue's clock by the `Date` of a fresh answer, the middle of the second that it names: off by 0.5 s at most.

        No call tells it: what rows bear is when they changed.
        """
        doing = "asking for the venue's time"
        live = self._ready(doing)
        return server_time(self.name, doing, await live.rest.answer(doing, "/instrument", _LEAST))

    # ------------------------------------------------------------------------------------------------ holdings

    @deferring
    async def getPositions(self) -> dict[str, Position]:
        """See `IExchange`.  Synthetic holdings included; see `clients.bitmex_account.Account.position_records`."""
        return await self._ready("reading positions", private=True).read_positions()

    @deferring
    async def getCurrentAddress(self, ticker: str) -> str:
        """See `IExchange`."""
        return await self._address(ticker)

    @deferring
    async def getNewAddress(self, ticker: str) -> str:
        """The current address: this venue has one for each currency and network and makes no other."""
        return await self._address(ticker)

    async def _address(self, ticker: str) -> str:
        doing = f"asking for a deposit address of {ticker}"
        live = self._ready(doing, private=True)
        asset = self._asset(ticker, doing)
        network, _ = self._network(asset, doing)
        query = {"currency": asset.currency, "network": network}
        answer = await live.rest.get(doing, "/user/depositAddress", query)
        if not isinstance(answer, str):
            raise Unreachable(self.name, doing, f"the venue answered {answer!r}, which is no address")
        return answer

    def _network(self, asset: Asset, doing: str) -> tuple[str, int]:
        """The network's name and its withdrawal fee in smallest units."""
        for name, fee in asset.networks:
            if self._options.network in ("", name):
                return name, fee
        if asset.networks:
            return asset.networks[0]
        raise Refused(self.name, doing, f"no network of {asset.code} is open")

    @deferring
    async def requestWithdrawal(self, ticker: str, amount: Decimal, address: str) -> str:
        """See `IExchange`.  The venue adds its fee to what is asked for, so that much less is asked for."""
        doing = f"withdrawing {amount} {ticker}"
        live = self._ready(doing, private=True)
        asset = self._asset(ticker, doing)
        if not address.strip():
            raise Refused(self.name, doing, "no address is given")
        network, fee = self._network(asset, doing)
        try:
            net = asset.units(amount) - fee
        except ValueError as error:
            raise Refused(self.name, doing, str(error)) from None
        if net <= 0:
            raise Refused(self.name, doing, f"nothing is left of it after the fee of {asset.amount(fee)}")
        body = {"currency": asset.currency, "network": network, "amount": net, "address": address, "fee": fee}
        if self._options.otp:
            body["otpToken"] = self._options.otp
        row = await live.rest.ask(doing, "POST", "/user/requestWithdrawal", body=body, about=About.OTHER)
        if not isinstance(row, dict) or not row.get("transactID"):
            raise OutcomeUnknown(self.name, doing, "an answer without an id; look at the transfers before asking again")
        return str(row["transactID"])

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
        """See `IExchange`.

        The quantity of an inverse contract is rounded down to whole lots of contracts at this price: the order's own
        record tells what that is.
        """
        doing = f"placing {side} {quantity} {ticker} at {price}"
        live = self._ready(doing, private=True)
        instrument = self._market(ticker, doing, OrderRejected)
        contracts = self._contracts(instrument, quantity, price, doing)
        body = {
            "symbol": instrument.symbol,
            "side": "Buy" if self._way(side, doing) is Side.BUY else "Sell",
            "orderQty": contracts,
            "price": price,
            "ordType": "Limit",
            "timeInForce": "ImmediateOrCancel" if immediate else "GoodTillCancel",
            "execInst": "ParticipateDoNotInitiate" if post_only else None,
            "clOrdID": self._client_id(client_id, doing),
        }
        return await live.place(instrument, body, doing, Priority.HEDGE if urgent else Priority.QUOTE)

    def _contracts(self, instrument: Instrument, quantity: Decimal, price: Decimal, doing: str) -> int:
        """The venue's order quantity; refuses what is off the steps or beyond the limits before anything is sent."""
        decimals_only(doing, quantity, price)
        why = ""
        if price <= 0 or price % instrument.tick:
            why = f"the price is no positive multiple of {instrument.tick}"
        elif not instrument.is_whole(quantity):
            lot = instrument.quantity(instrument.lot, price)
            why = f"the quantity is no positive multiple of {lot}"
        elif instrument.highest is not None and price > instrument.highest:
            why = f"the price is above the highest allowed, {instrument.highest}"
        if why:
            raise OrderRejected(self.name, doing, why)
        contracts = instrument.contracts(quantity, price)
        if not contracts:
            raise OrderRejected(self.name, doing, f"less than one lot of {instrument.lot} contracts")
        return contracts

    def _client_id(self, given: str | None, doing: str) -> str:
        if given is None:
            return self._fresh_client_id()
        if not 0 < len(given) <= _CLIENT_ID:
            raise OrderRejected(self.name, doing, f"client id {given!r}: 1 to {_CLIENT_ID} characters are allowed")
        return given

    @deferring
    async def cancelOrder(self, id: str) -> bool:
        """See `IExchange`."""
        return await self._cancel(id)

    async def _cancel(self, id: str) -> bool:
        doing = f"cancelling {id}"
        live = self._ready(doing, private=True)
        self._check_id(id, doing)
        rows = await live.rest.ask(
            doing, "DELETE", "/order", body={"orderID": id},
            about=About.ORDER, priority=Priority.CANCEL, repeat=True,
        )  # fmt: skip
        row = rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], dict) else {}
        error = str(row.get("error") or "")
        if "Filled" in error:
            return False
        if error and "Cancel" not in error.partition(":")[2]:
            # Newer answers do not say why; the order's own state does.
            found = await live.find_order(doing, {"orderID": id})
            if found is None:
                raise UnknownOrder(self.name, doing, error)
            return found.row.get("ordStatus") != "Filled"
        return True

    def _check_id(self, id: str, doing: str) -> None:
        if not _GUID.fullmatch(id):
            raise UnknownOrder(self.name, doing, "ids of this venue look like 00000000-0000-0000-0000-000000000000")

    @deferring
    async def cancelAllOrders(self, ticker: str | None = None) -> Sequence[str]:
        """See `IExchange`.  Orders still on their way are waited for and cancelled too."""
        doing = f"cancelling all orders{'' if ticker is None else ' of ' + ticker}"
        live = self._ready(doing, private=True)
        instrument = None if ticker is None else self._market(ticker, doing)
        on_their_way = [
            order.fate()
            for order in self._account.provisional.values()
            if instrument is None or order.ticker == instrument.ticker
        ]
        body = {} if instrument is None else {"symbol": instrument.symbol}
        rows = await live.rest.ask(
            doing, "DELETE", "/order/all", body=body, about=About.OTHER, priority=Priority.CANCEL, repeat=True
        )
        cancelled = [str(row["orderID"]) for row in rows if not row.get("error")]
        for waiting in on_their_way:
            late = await waiting
            if late is not None and late not in cancelled and await self._cancel(late):
                cancelled.append(late)
        return cancelled

    @deferring
    async def amendOrder(self, id: str, quantity: Decimal | None = None, price: Decimal | None = None) -> bool:
        """See `IExchange`."""
        doing = f"amending {id}"
        live = self._ready(doing, private=True)
        self._check_id(id, doing)
        order = self._account.orders.get(id) or await live.find_order(doing, {"orderID": id})
        if order is None:
            raise UnknownOrder(self.name, doing, "the venue never had it")
        at = price if price is not None else Decimal(str(order.row.get("price") or 0))
        body: dict[str, Any] = {"orderID": id}
        if price is not None:
            self._contracts(order.instrument, order.record()["quantity"], price, doing)
            body["price"] = price
        if quantity is not None:
            body["orderQty"] = self._contracts(order.instrument, quantity, at, doing)
        try:
            row = await live.rest.ask(doing, "PUT", "/order", body=body, about=About.ORDER, priority=Priority.QUOTE)
        except OrderRejected as error:
            if TOO_LATE.lower() not in error.why.lower():
                raise
            return False
        return row.get("ordStatus") not in ("Canceled", "Rejected")

    @deferring
    async def getOpenOrders(self) -> dict[str, Order]:
        """See `IExchange`.  Orders that have ended unseen are settled on the way, and told of by `order` events."""
        orders = await self._ready("reading open orders", private=True).read_open_orders()
        return {order.id: order.record() for order in orders}

    @deferring
    async def getOrder(self, id: str | None = None, client_id: str | None = None) -> Order:
        """See `IExchange`."""
        doing = f"looking up {id if client_id is None else client_id}"
        live = self._ready(doing, private=True)
        self._either(id, client_id, doing)
        if id is not None:
            self._check_id(id, doing)
        found = await live.find_order(doing, {"orderID": id} if id is not None else {"clOrdID": client_id})
        if found is None:
            raise UnknownOrder(self.name, doing, "the venue never had it")
        return found.record()

    @deferring
    async def cancelAllAfter(self, seconds: float) -> None:
        """See `IExchange`.  While orders rest the client renews its own switch anyhow (see `dead_man`)."""
        doing = f"cancel all after {seconds:g} s"
        live = self._ready(doing, private=True)
        body = {"timeout": int(seconds * 1000)}
        await live.rest.ask(
            doing, "POST", "/order/cancelAllAfter", body=body, about=About.OTHER, priority=Priority.CANCEL, repeat=True
        )

    # ------------------------------------------------------------------------------------------------ histories

    @deferring
    async def getFills(self, start: datetime, end: datetime) -> list[Fill]:
        """See `IExchange`."""
        live = self._ready("reading fills", private=True)
        query = {"startTime": wire_time(start), "endTime": wire_time(end), "reverse": False}
        rows = await live.pages("reading fills", "/execution/tradeHistory", query)
        fills = {fill["id"]: fill for row in rows if (fill := fill_of(self._account.contracts, row)) is not None}
        return sorted(fills.values(), key=lambda fill: fill["timestamp"])

    @deferring
    async def getTransfers(self, start: datetime, end: datetime) -> list[Transfer]:
        """See `IExchange`."""
        return transfer_rows(self._account.contracts, await self._wallet_history(start, end), start, end)

    @deferring
    async def getTransactionHistory(self, start: datetime, end: datetime) -> list[Transaction]:
        """See `IExchange`.  The profit and funding of perpetuals are booked by the venue once a day."""
        return transaction_rows(self._account.contracts, await self._wallet_history(start, end), start, end)

    async def _wallet_history(self, *times: datetime) -> list[dict[str, Any]]:
        doing = "reading the wallet history"
        for at in times:
            wire_time(at)  # a time without a zone is refused before anything is asked
        live = self._ready(doing, private=True)
        return await live.pages(doing, "/user/walletHistory", {"currency": "all", "reverse": True})

    @deferring
    async def getOrderBook(self, ticker: str) -> Book:
        """See `IExchange`.  Every level, whatever `depth` says about events."""
        doing = f"reading the book of {ticker}"
        live = self._ready(doing)
        return await live.read_book(self._market(ticker, doing))

    @deferring
    async def getTradeHistory(self, ticker: str, start: datetime, end: datetime) -> list[Trade]:
        """See `IExchange`."""
        doing = f"reading trades of {ticker}"
        live = self._ready(doing)
        query = {
            "symbol": self._market(ticker, doing).symbol, "startTime": wire_time(start), "endTime": wire_time(end),
        }  # fmt: skip
        rows = await live.pages(doing, "/trade", query, Priority.BULK, _MOST_BARS)
        made = await in_parts((live.trade_record(row) for row in rows), self._reactor)
        return [trade for trade in made if trade is not None]

    @deferring
    async def getOHLCVHistory(
        self, ticker: str, period: Period, start: datetime, end: datetime
    ) -> dict[datetime, OHLCV]:
        """See `IExchange`.  The running bar is there too, as far as it has come."""
        doing = f"reading {period} bars of {ticker}"
        live = self._ready(doing)
        instrument = self._market(ticker, doing)
        self._allowed_period(period, doing, tuple(BINS))
        for at in (start, end):
            wire_time(at)
        query = {
            "binSize": BINS[period],
            "partial": True,
            "symbol": instrument.symbol,
            "startTime": wire_time(first_bin_end(period, start)),
            "endTime": wire_time(min(first_bin_end(period, end), first_bin_end(period, self._now()) + LENGTHS[period])),
        }
        rows = await live.pages(doing, "/trade/bucketed", query, Priority.BULK, _MOST_BARS)
        made = await in_parts((bar_of(instrument, period, row) for row in rows), self._reactor)
        bars = [bar for bar in made if bar is not None]
        return {bar["open_timestamp"]: bar for bar in sorted(bars, key=lambda bar: bar["open_timestamp"])}

    # ------------------------------------------------------------------------------------------------ markets

    @deferring
    async def getMarkets(self) -> Mapping[str, Market]:
        """See `IExchange`.  Read anew with each connection; what an inverse contract's least lot is follows the price."""
        self._ready("reading the markets")
        contracts = self._account.contracts
        markets = {ticker: i.market(self._price(i)) for ticker, i in contracts.tickers().items()}
        return markets | {
            code: cash_market(code, Decimal(1).scaleb(-asset.scale), asset.amount(asset.least_withdrawal))
            for code, asset in contracts.by_code.items()
        }

    def _price(self, instrument: Instrument) -> Decimal | None:
        """About what it costs now, where it is followed."""
        live = self._live
        if live is None or instrument.symbol not in live.followed:
            return None
        row = live.storage.find("instrument", symbol=instrument.symbol) or {}
        bid = live.books.get(instrument.symbol, L2Book("")).best_bid()
        price = row.get("markPrice") or row.get("lastPrice") or (bid[0] if bid else None)
        return None if price is None else Decimal(str(price))

    def round_bid(self, ticker: str, price: Decimal) -> Decimal:
        """See `IExchange`."""
        return self._market(ticker, "rounding").floor_price(price)

    def round_ask(self, ticker: str, price: Decimal) -> Decimal:
        """See `IExchange`."""
        return self._market(ticker, "rounding").ceil_price(price)

    def round_quantity(self, ticker: str, quantity: Decimal) -> Decimal:
        """See `IExchange`.  An inverse contract's lots are reckoned at its present price."""
        asset = self._account.contracts.by_code.get(ticker)
        if asset is not None:
            return asset.amount(int(quantity.scaleb(asset.scale)))
        instrument = self._market(ticker, "rounding")
        return instrument.floor_quantity(quantity, self._price(instrument))
