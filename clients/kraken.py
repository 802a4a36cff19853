"""Client of Kraken's spot exchange: the uniform interface over REST and WebSocket v2.

Orders go over the private WebSocket, reads over signed REST calls, one at a time.  Every order bears a client id, by which
one whose answer was lost is looked up; nothing is ever sent twice.  Fees are asked for in the quote currency.

Assumptions that an operator should know: the dead man's switch works on all orders of the account, so the account (not
only the key) should be used by nobody else; a key must not be able to withdraw unless withdrawals are wanted, and then they
go only to addresses that the account has saved on the web site (`withdraw_keys`); a post-only order may be taken and
cancelled at once instead of refused: then its own record says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from attrs import fields
from twisted.internet.defer import Deferred
from zope.interface import implementer

from clients.budget import Budget, Priority
from clients.calls import deferring, in_parts
from clients.exchange import (
    OHLCV,
    Book,
    ExchangeError,
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
    Unreachable,
)
from clients.http import persistent_client
from clients.kraken_account import Account, Tracked
from clients.kraken_client_ids import to_wire
from clients.kraken_counters import Counter
from clients.kraken_errors import About
from clients.kraken_funding import Funding
from clients.kraken_history import (
    INTERVALS,
    LENGTHS,
    Fees,
    bar_of,
    fees_of,
    fill_of_trade,
    trade_of,
    transactions,
    unix,
    unix_ns,
)
from clients.kraken_live import Live
from clients.kraken_markets import Pair
from clients.kraken_nonce import Nonces
from clients.kraken_options import Hosts, Options
from clients.kraken_rest import Rest
from clients.kraken_rights import missing_rights
from clients.kraken_session import Session
from clients.kraken_signing import decode_secret
from clients.option_values import path_names, read_options
from clients.redaction import Redactor, Secret
from clients.venue import CLOSING_S, VenueClient, decimals_only, utc_now
from clients.websocket import Address, Line, LineLost, TlsRules, dial

__all__ = ["Kraken"]

MOST_BARS = 720  # that the venue tells, however far back one asks
_LARGEST_MESSAGE = 64 * 2**20
_SKEW_S = 5.0
_PUBLIC_RATE, _PUBLIC_BURST = 1.0, 15.0  # the venue tells no number; about one a second is borne
_ORDER_ID = re.compile(r"O[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{6}")
_PUBLIC, _PRIVATE = ("book",), ("orders", "balances")  # what each of the two connections carries
_PAGE = 50
_MOST_TRADES = 1000
_MICROSECOND = timedelta(microseconds=1)


@implementer(IExchange)
class Kraken(VenueClient[Live]):
    """Kraken, or whatever speaks its protocol.

    :param id: API key; empty for public use: books, trades, histories of the market.
    :param secret: the key's secret, base64; `ValueError` when it is none.
    :param endpoint: `mainnet`, or `http(s)://host:port` of a venue that serves REST and both WebSockets there.
    :param now: the world's time, aware UTC.
    :param random: jitter of reconnections and client ids.
    :param options: see `clients.kraken_options.Options`; text as it comes from a file will do.

    Ready means: rights checked, subscribed, every book and balance there, orders reconciled.  A key that lacks a right which
    trading needs is `NotAuthorised`, and the error names the right.
    """

    features: frozenset[str]

    option_names = tuple(one.name for one in fields(Options))
    path_options = path_names(Options)
    """Keywords that the constructor takes besides those it names."""

    asking_makes_addresses = True
    """Where there is no deposit address yet, asking for the current one makes one."""

    def __init__(
        self,
        *,
        id: str = "",
        secret: str = "",
        endpoint: str = "mainnet",
        reactor: Any,
        name: str = "kraken",
        now: Callable[[], datetime] = utc_now,
        random: Random | None = None,
        **options: Any,
    ) -> None:
        super().__init__(name, reactor, has_account=bool(id), now=now, random=random)
        has = {"post_only", "client_id", "amend", "cancel_all_after", "trade_id", "order_lookup", "withdrawal_id"}
        self.features = frozenset({*has, "immediate_or_cancel", *(() if id else ("public_only",))})
        self._hosts = Hosts.parse(endpoint)
        self._options = choices = read_options(Options, options)
        self._key, self._secret = id, Secret(secret)
        if id:
            decode_secret(secret)
        self._redactor = Redactor(secret, choices.otp)
        http, self._pool = persistent_client(reactor, choices.deadline)
        limits = choices.limits
        self._budget = Budget(reactor, limits.call_drain, limits.calls, min(3.0, limits.calls - 1))
        public_rate = max(_PUBLIC_RATE, choices.read_rate)
        self._open_budget = Budget(reactor, public_rate, max(_PUBLIC_BURST, choices.read_burst))
        self._rest = Rest(
            name, self._hosts.rest, id, self._secret, choices.otp, http, reactor, lambda: now().timestamp(),
            Nonces(choices.nonce_file), self._budget, self._open_budget, choices.deadline, self._redactor,
        )  # fmt: skip
        self._account = Account()
        self._counters: dict[str, Counter] = {}
        self._last_trades: dict[str, int] = {}
        self._funding = Funding(name, self._rest, self._account, choices)
        self._checked = not choices.check_rights
        self._lines: list[Line] = []
        self._stay_connected(choices.connect_deadline, choices.backoff_first, choices.backoff_longest)

    # ------------------------------------------------------------------------------------------------ connection

    @deferring
    async def disconnect(self) -> None:
        """See `IExchange`.  Switches the dead man's switch off: who leaves in order knows what still rests."""
        live, lines = self._live, self._lines
        if live is not None and live.dead_man.armed:
            live.disarm()
        await self._lifeline.stop()
        gone = Unreachable(self.name, "calling", "disconnected; nothing was sent")
        for part in (self._budget, self._open_budget):
            part.stop(gone)
        for line in list(lines):
            await line.hang_up(self._reactor, CLOSING_S)
        await self._pool.close()
        for part in (self._budget, self._open_budget):
            part.stop(gone)  # whoever asked while it was being closed

    async def _open(self) -> Deferred[Exception]:
        live = Live(
            self.name, self._rest, self._account, self._options, self._reactor, self._redactor, self._counters,
            self._last_trades, self.announce, self._trouble,
        )  # fmt: skip
        ended: Deferred[Exception] = Deferred()
        lines: list[Line] = []
        try:
            await self._check_clock()
            await live.read_markets()
            if self._has_account:
                await self._check_rights(live)
            public = await self._dial(self._hosts.public, live, lines, ended, _PUBLIC)
            private = await self._dial(self._hosts.private, live, lines, ended, _PRIVATE) if self._has_account else None
            await live.prepare(public, private)
        except BaseException:  # a cancellation too: nothing may be left open
            live.stop()
            for line in lines:
                line.drop("given up")
                await line.when_gone()
            raise
        self._lines, self._live = lines, live
        self.announce("connect", self)
        live.announce()
        return ended

    async def _dial(
        self, address: Address, live: Live, lines: list[Line], ended: Deferred[Exception], kinds: tuple[str, ...]
    ) -> Session:
        limit = self._options.deadline
        try:
            line = await dial(self._reactor, address, limit=limit, tls=TlsRules(), largest_message=_LARGEST_MESSAGE)
        except LineLost as error:
            raise Unreachable(self.name, "connecting", str(error)) from None
        lines.append(line)
        session = Session(
            self.name, line, self._reactor, self._rest.wall, self._redactor, live.take, live.unreadable, self._trouble
        )
        line.when_gone().addCallback(self._gone, session, live, lines, ended)
        line.on_heard = lambda: self._heard(session, kinds)
        line.on_read_done = live.flush
        session.watch(self._options.ping_interval, self._options.ping_timeout)
        return session

    def _gone(
        self, reason: LineLost, session: Session, live: Live, lines: list[Line], ended: Deferred[Exception]
    ) -> None:
        """A line is lost: the other goes too."""
        if self._live is live:
            self._lines = []

        def tell() -> None:
            session.lost(reason)
            for line in lines:
                line.drop("the other connection is lost")

        self._lost(live, reason, ended, then=tell)

    @deferring
    async def getServerTime(self) -> datetime:
        """The venue's clock, to the second."""
        return await self._server_time("asking for the venue's time")

    async def _server_time(self, doing: str) -> datetime:
        told = await self._rest.public(doing, "Time")
        return datetime.fromtimestamp(float(told["unixtime"]), UTC)

    async def _check_clock(self) -> None:
        doing = "comparing clocks"
        skew = (await self._server_time(doing) - self._now()).total_seconds()
        if abs(skew) > _SKEW_S:
            why = f"this machine's clock differs from the venue's by {abs(skew):.0f} s; set it right"
            self._trouble(Unreachable(self.name, doing, why))

    async def _check_rights(self, live: Live) -> None:
        """The first time only: each probe costs."""
        if self._checked:
            return
        for right, method in (("Funds: Query", "BalanceEx"), ("WebSocket interface", "GetWebSocketsToken")):
            doing = f"checking the key's right to {right}"
            try:
                await self._rest.private(doing, method)
            except NotAuthorised as error:
                if "Permission denied" not in error.why:
                    raise
                raise NotAuthorised(self.name, "connecting", f"the key lacks the right “{right}”") from None
        missing = await missing_rights(self._rest, next(iter(live.followed.values()), None))
        needed = [str(one) for one in missing if one.needed]
        if needed:
            raise NotAuthorised(self.name, "connecting", "; ".join(needed))
        for one in missing:
            self._trouble(NotAuthorised(self.name, "connecting", str(one)))
        self._checked = True

    def _heard(self, session: Session, kinds: tuple[str, ...]) -> None:
        session.heard()
        self._say_alive(*kinds)

    def _pair(self, ticker: str, doing: str, error: type[ExchangeError] = Refused) -> Pair:
        found = self._account.markets.pairs.get(ticker)
        if found is None:
            known = ", ".join(sorted(self._account.markets.pairs)[:20]) or "none"
            raise error(self.name, doing, f"{ticker!r} is no market of this venue; it has {known} …")
        return found

    # ------------------------------------------------------------------------------------------------ holdings

    @deferring
    async def getPositions(self) -> dict[str, Position]:
        """See `IExchange`.  What earns and can be traded all the same is counted; other wallets have their own names."""
        return await self._ready("reading positions", private=True).read_positions()

    @deferring
    async def getCurrentAddress(self, ticker: str) -> str:
        """See `IExchange`."""
        self._ready(f"asking for a deposit address of {ticker}", private=True)
        return await self._funding.current_address(ticker)

    @deferring
    async def getNewAddress(self, ticker: str) -> str:
        """See `IExchange`.  Old addresses go on working."""
        self._ready(f"asking for a new deposit address of {ticker}", private=True)
        return await self._funding.new_address(ticker)

    @deferring
    async def requestWithdrawal(self, ticker: str, amount: Decimal, address: str) -> str:
        """See `IExchange`.  Only to an address that the account has saved; its key's name will do as well."""
        self._ready(f"withdrawing {amount} {ticker}", private=True)
        return await self._funding.withdraw(ticker, amount, address)

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
        """See `IExchange`."""
        doing = f"placing {side} {quantity} {ticker} at {price}"
        live = self._ready(doing, private=True)
        pair = self._pair(ticker, doing, OrderRejected)
        self._check(pair, quantity, price, doing)
        params: dict[str, Any] = {
            "order_type": "limit",
            "side": self._way(side, doing).value.lower(),
            "symbol": pair.ticker,
            "order_qty": quantity,
            "limit_price": price,
            "time_in_force": "ioc" if immediate else "gtc",
            "fee_preference": "quote",
            "cl_ord_id": self._client_id(client_id, doing),
        }
        if post_only:
            params["post_only"] = True
        live.spend(pair.ticker, "add", doing, Priority.HEDGE if urgent else Priority.QUOTE)
        return await live.place(pair, params, doing)

    def _check(self, pair: Pair, quantity: Decimal, price: Decimal, doing: str) -> None:
        decimals_only(doing, quantity, price)
        why = pair.fault(quantity, price)
        if why:
            raise OrderRejected(self.name, doing, why)

    def _client_id(self, given: str | None, doing: str) -> str:
        if given is None:
            return self._fresh_client_id()
        try:
            return to_wire(given)
        except ValueError as error:
            raise OrderRejected(self.name, doing, str(error)) from None

    @deferring
    async def cancelOrder(self, id: str) -> bool:
        """See `IExchange`."""
        return await self._cancel(id)

    async def _cancel(self, id: str) -> bool:
        doing = f"cancelling {id}"
        live = self._ready(doing, private=True)
        self._check_id(id, doing)
        known = self._account.orders.get(id)
        if known is not None:
            live.spend(known.ticker, "cancel", doing, Priority.CANCEL, id)
        try:
            await live.command(doing, "cancel_order", {"order_id": [id]}, About.ORDER)
        except UnknownOrder:
            found = await self._ended(live, id, doing)
            return found.filled < found.quantity
        return True

    async def _ended(self, live: Live, id: str, doing: str) -> Tracked:
        """An order that cannot be acted on any more; the venue tells the same of one that it never had."""
        found = await live.find_order(doing, id)
        if found is None:
            raise UnknownOrder(self.name, doing, "the venue knows no such order of this account")
        return found

    def _check_id(self, id: str, doing: str) -> None:
        if not _ORDER_ID.fullmatch(id):
            raise UnknownOrder(self.name, doing, "ids of this venue look like OXXXXX-XXXXX-XXXXXX")

    @deferring
    async def cancelAllOrders(self, ticker: str | None = None) -> Sequence[str]:
        """See `IExchange`.

        First what is known to be open, then what the venue tells besides, then what was on its way.  Of a ticker, orders
        of other pairs stay.
        """
        doing = f"cancelling all orders{'' if ticker is None else ' of ' + ticker}"
        live = self._ready(doing, private=True)
        if ticker is not None:
            self._pair(ticker, doing)
        ours = (ticker,) if ticker is not None else None
        on_their_way = [
            order.fate() for order in self._account.provisional.values() if ours is None or order.ticker in ours
        ]
        cancelled: list[str] = []
        problems: list[ExchangeError] = []
        known = [o.id for o in self._account.open_orders() if ours is None or o.ticker in ours]
        await self._cancel_each(known, cancelled, problems)
        listed = [o.id for o in await live.read_open_orders() if ours is None or o.ticker in ours]
        await self._cancel_each([id for id in listed if id not in known], cancelled, problems)
        late = [id for waiting in on_their_way if (id := await waiting) is not None]
        await self._cancel_each([id for id in late if id not in (*known, *listed)], cancelled, problems)
        if problems:
            raise problems[0]
        return cancelled

    async def _cancel_each(self, ids: Sequence[str], cancelled: list[str], problems: list[ExchangeError]) -> None:
        async def one(id: str) -> None:
            try:
                if await self._cancel(id):
                    cancelled.append(id)
            except UnknownOrder:
                return
            except ExchangeError as error:
                problems.append(error)

        for sent in [Deferred.fromCoroutine(one(id)) for id in ids]:
            await sent

    @deferring
    async def amendOrder(self, id: str, quantity: Decimal | None = None, price: Decimal | None = None) -> bool:
        """See `IExchange`.  The place in the queue is kept where only the quantity falls."""
        doing = f"amending {id}"
        live = self._ready(doing, private=True)
        self._check_id(id, doing)
        order = self._account.orders.get(id) or await live.find_order(doing, id)
        if order is None:
            raise UnknownOrder(self.name, doing, "the venue knows no such order of this account")
        new_price = order.price if price is None else price
        self._check(self._pair(order.ticker, doing), order.quantity if quantity is None else quantity, new_price, doing)
        params: dict[str, Any] = {"order_id": id}
        if quantity is not None:
            params["order_qty"] = quantity
        if price is not None:
            params["limit_price"] = price
        if order.post_only:
            params["post_only"] = True
        live.spend(order.ticker, "amend", doing, Priority.QUOTE, id)
        try:
            await live.command(doing, "amend_order", params, About.ORDER)
        except UnknownOrder:
            await self._ended(live, id, doing)
            return False
        return True

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
            found = await live.find_order(doing, id)
        else:
            try:
                found = await live.find_by_client_id(doing, to_wire(client_id or ""))
            except ValueError as error:
                raise UnknownOrder(self.name, doing, str(error)) from None
        if found is None:
            raise UnknownOrder(self.name, doing, "the venue knows no such order of this account")
        return found.record()

    @deferring
    async def cancelAllAfter(self, seconds: float) -> None:
        """See `IExchange`.  While orders rest the client renews its own switch anyhow (option `dead_man`)."""
        doing = f"cancel all after {seconds:g} s"
        if not 0 <= seconds < 86400:
            raise Refused(self.name, doing, "0 to 86399 seconds are allowed")
        await self._ready(doing, private=True).arm(seconds)

    # ------------------------------------------------------------------------------------------------ histories

    @deferring
    async def getFills(self, start: datetime, end: datetime) -> list[Fill]:
        """See `IExchange`.  Fifty a call."""
        rows = await self._paged("reading fills", "TradesHistory", "trades", start, end)
        fills = [fill_of_trade(self._account.markets, id, row) for id, row in rows.items()]
        return sorted(fills, key=lambda fill: fill["timestamp"])

    @deferring
    async def getTransactionHistory(self, start: datetime, end: datetime) -> list[Transaction]:
        """See `IExchange`.  Fifty a call; each call costs two points of the key's counter."""
        rows = await self._paged("reading the transaction history", "Ledgers", "ledger", start, end)
        return transactions(self._account.markets, rows)

    async def _paged(self, doing: str, method: str, level: str, start: datetime, end: datetime) -> dict[str, Any]:
        """Every page between two times; the venue leaves *start* out, so that is set a microsecond earlier."""
        first, until = unix(start - _MICROSECOND), unix(end)
        self._ready(doing, private=True)
        found: dict[str, Any] = {}
        offset = 0
        while True:
            result = await self._rest.private(
                doing, method, {"start": first, "end": until, "ofs": offset}, cost=2, priority=Priority.BULK
            )
            page: dict[str, Any] = result[level]
            found.update(page)
            offset += len(page)
            if not page or len(page) < _PAGE or offset >= int(result.get("count") or 0):
                return found

    @deferring
    async def getTransfers(self, start: datetime, end: datetime) -> list[Transfer]:
        """See `IExchange`."""
        self._ready("reading transfers", private=True)
        return await self._funding.transfers(start, end)

    @deferring
    async def getOrderBook(self, ticker: str) -> Book:
        """See `IExchange`.  As deep as the option `depth` says; a pair that is not followed is asked for."""
        doing = f"reading the book of {ticker}"
        live = self._ready(doing)
        return await live.read_book(self._pair(ticker, doing))

    @deferring
    async def getTradeHistory(self, ticker: str, start: datetime, end: datetime) -> list[Trade]:
        """See `IExchange`.  A thousand trades a call."""
        doing = f"reading trades of {ticker}"
        since, until = unix_ns(start), int(unix_ns(end))
        self._ready(doing)
        pair = self._pair(ticker, doing)
        cursor = str(int(since) - 1)
        found: list[Trade] = []
        while True:
            query = {"pair": pair.altname, "since": cursor, "count": _MOST_TRADES}
            result = await self._rest.public(doing, "Trades", query, Priority.BULK)
            rows: list[Any] = next((value for key, value in result.items() if key != "last"), [])
            found += [trade for row in rows if start <= (trade := trade_of(pair, row))["timestamp"] <= end]
            last = str(result.get("last") or cursor)
            if len(rows) < _MOST_TRADES or last == cursor or int(last) > until:
                return found
            cursor = last

    @deferring
    async def getOHLCVHistory(
        self, ticker: str, period: Period, start: datetime, end: datetime
    ) -> dict[datetime, OHLCV]:
        """See `IExchange`.  The running bar is there too, as far as it has come.

        :raise Refused: *start* is before the last 720 bars, which are all that the venue tells.
        """
        doing = f"reading {period} bars of {ticker}"
        live = self._ready(doing)
        pair = self._pair(ticker, doing)
        self._allowed_period(period, doing, tuple(INTERVALS))
        unix(start)
        query = {"pair": pair.altname, "interval": INTERVALS[period]}
        result = await live.rest.public(doing, "OHLC", query, Priority.BULK)
        rows: list[Any] = next((value for key, value in result.items() if key != "last"), [])
        bars = await in_parts((bar_of(pair, period, row) for row in rows), self._reactor)
        # One bar more or less: it depends on whether the venue counts the running one.
        if len(bars) >= MOST_BARS and bars[0]["open_timestamp"] > start + 2 * LENGTHS[period]:
            oldest = bars[0]["open_timestamp"].isoformat()
            raise Refused(self.name, doing, f"the venue tells the last {MOST_BARS} bars only, from {oldest} on")
        wanted = [bar for bar in bars if bar["close_timestamp"] >= start and bar["open_timestamp"] <= end]
        return {bar["open_timestamp"]: bar for bar in wanted}

    # ------------------------------------------------------------------------------------------------ markets

    @deferring
    async def getMarkets(self) -> Mapping[str, Market]:
        """See `IExchange`.  Read anew with each connection."""
        self._ready("reading the markets")
        return {market["contract"]: market for market in self._account.markets.records()}

    @deferring
    async def getFees(self, *tickers: str) -> dict[str, Fees]:
        """What the account pays now on *tickers*, or on the pairs that are followed; not in the uniform interface.

        Since September 2026 the venue tells fees nowhere else.
        """
        doing = "reading the fees"
        live = self._ready(doing, private=True)
        names = tickers or tuple(live.followed)
        pairs = ",".join(self._pair(ticker, doing).altname for ticker in names)
        result = await self._rest.private(doing, "TradeVolume", {"pair": pairs}, priority=Priority.BULK)
        return fees_of(self._account.markets, result)

    def round_bid(self, ticker: str, price: Decimal) -> Decimal:
        """See `IExchange`."""
        return self._pair(ticker, "rounding").floor_price(price)

    def round_ask(self, ticker: str, price: Decimal) -> Decimal:
        """See `IExchange`."""
        return self._pair(ticker, "rounding").ceil_price(price)

    def round_quantity(self, ticker: str, quantity: Decimal) -> Decimal:
        """See `IExchange`."""
        asset = self._account.markets.assets.get(ticker)
        if asset is not None:
            return (quantity // asset.step) * asset.step
        return self._pair(ticker, "rounding").floor_quantity(quantity)
