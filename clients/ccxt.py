"""The bridge: any exchange that the ccxt library knows, behind the uniform interface.  An optional extra, `ccxt`.

`exchange = kraken` names ccxt's class.  What its `has` lacks fails with `NotImplementedError`; what may have happened is
*unknown*, never refused.  Steps, minima and fees are those of ccxt's markets; what ccxt does not tell stands in
`clients.ccxt_quirks`.  ccxt runs on the reactor's own loop where the reactor is asyncio's, else in a thread.

A native client is better where there is one: ccxt numbers are floats on their way (exact up to 15 digits), streams have no
sequence numbers that could be checked, and a book is confirmed by reading it again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from importlib import import_module
from random import Random
from typing import Any
from urllib.parse import urlsplit

from attrs import fields
from twisted.internet.defer import Deferred
from zope.interface import implementer

from clients.budget import Budget, Priority
from clients.calls import deferring, reported
from clients.ccxt_account import Account
from clients.ccxt_calls import Calls
from clients.ccxt_errors import About
from clients.ccxt_histories import Histories
from clients.ccxt_live import Live
from clients.ccxt_loop import runner_for
from clients.ccxt_options import Options
from clients.ccxt_quirks import quirk_of
from clients.ccxt_records import TIMEFRAMES, market_of, millis, number, step_of
from clients.ccxt_wallet import Wallet
from clients.exchange import (
    OHLCV,
    Book,
    ExchangeError,
    Fill,
    IExchange,
    Market,
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
from clients.option_values import read_options
from clients.redaction import Redactor, Secret
from clients.venue import VenueClient, cash_market, decimals_only, utc_now

__all__ = ["Exchange"]

_DIGITS = 15


def _class_of(exchange: str) -> Any:
    """ccxt's class of that name: the one with streams where there is one, else the one that can only be asked."""
    try:
        streaming, asking = import_module("ccxt.pro"), import_module("ccxt.async_support")
    except ImportError:
        where = "in the folder of ilp.py"
        raise ValueError(f"the ccxt library is not installed; install it with: pip install '.[ccxt]' {where}") from None
    for library in (streaming, asking):
        if exchange in library.exchanges:
            return getattr(library, exchange)
    near = ", ".join(one for one in asking.exchanges if one[:2] == exchange[:2]) or "…"
    raise ValueError(f"ccxt has no exchange {exchange!r}; it has {near}")


@implementer(IExchange)
class Exchange(VenueClient[Live]):
    """An exchange of ccxt.

    :param exchange: name of ccxt's class, for instance `bitso`.
    :param id: API key; empty for public use.
    :param endpoint: empty for the exchange itself; `http(s)://host:port` of something that speaks its protocol.
    :param options: see `clients.ccxt_options.Options`; text as it comes from a file will do.

    Ready means: markets, books, orders and balances read, streams begun.
    """

    features: frozenset[str]

    option_names = tuple(one.name for one in fields(Options))
    """Keywords that the constructor takes besides those it names."""

    asking_makes_addresses = True
    """Where there is no deposit address yet, asking for the current one makes one."""

    def __init__(
        self,
        *,
        exchange: str,
        id: str = "",
        secret: str = "",
        endpoint: str = "",
        reactor: Any,
        name: str = "",
        now: Callable[[], datetime] = utc_now,
        random: Random | None = None,
        **options: Any,
    ) -> None:
        super().__init__(name or exchange, reactor, has_account=bool(id), now=now, random=random)
        self._class = _class_of(exchange)
        self._options = choices = read_options(Options, options)
        self._endpoint, self._key, self._secret = endpoint, id, Secret(secret)
        self._quirk = quirk_of(exchange)
        redactor = Redactor(secret, choices.password)
        self._runner = runner_for(reactor)
        self._budget = Budget(
            reactor, choices.rate, max(1.0, choices.burst), max(0.0, min(choices.reserve, choices.burst - 1))
        )
        self._calls = Calls(self.name, self._runner, reactor, self._budget, choices.deadline, redactor, self._quirk)
        self._account = Account()
        self._markets: dict[str, Market] = {}
        self._currencies: dict[str, Decimal] = {}
        self._histories = Histories(self._ask, self._quirk, reactor)
        self._wallet = Wallet(self.name, self._ask, self._quirk, choices.network)
        self._since = now()
        self._last_nonce = 0
        self._spare: Any = self._made()  # tells what it has; used by the first session
        self.features = self._known_features(self._spare.has)
        self._stay_connected(choices.connect_deadline, choices.backoff_first, choices.backoff_longest)

    # ------------------------------------------------------------------------------------------------ ccxt

    def _made(self) -> Any:
        """A ccxt object; it opens no socket before it is used."""
        choices = self._options
        made = self._class(
            {
                "apiKey": self._key,
                "secret": self._secret.reveal(),
                "password": choices.password,
                "uid": choices.uid,
                "enableRateLimit": choices.throttle,
                "timeout": int(choices.deadline * 1000),
                "newUpdates": False,
            }
        )
        if choices.sandbox:
            made.set_sandbox_mode(True)
        if self._endpoint:
            made.urls["api"] = _redirected(made.urls["api"], self._endpoint)
        made.check_address = lambda address=None: address  # the venue knows better what its addresses look like
        nonce = made.nonce
        made.nonce = lambda: self._rising(nonce())
        return made

    def _rising(self, nonce: int) -> int:
        """Two calls in the same millisecond must not have the same number."""
        self._last_nonce = max(self._last_nonce + 1, nonce)
        return self._last_nonce

    def _known_features(self, has: Mapping[str, Any]) -> frozenset[str]:
        found = {"cancel_all_after"} if has.get("cancelAllOrdersAfter") is True else set()
        if has.get("createPostOnlyOrder") is True:
            found.add("post_only")
        if has.get("fetchOrder"):
            found.add("order_lookup")
        if has.get("fetchMyTrades"):
            found.add("trade_id")
        if has.get("withdraw"):
            found.add("withdrawal_id")
        if not self._key:
            found.add("public_only")
        return frozenset((found | self._quirk.features) - self._quirk.without)

    # ------------------------------------------------------------------------------------------------ connection

    @deferring
    async def disconnect(self) -> None:
        """See `IExchange`.  Switches the dead man's switch off: who leaves in order knows what still rests."""
        live = self._live
        if live is not None and live.dead_man.armed:
            try:
                await live.arm(0)
            except ExchangeError as error:
                self._trouble(error)
        await self._lifeline.stop()
        if live is not None:
            live.stop()  # its own reads are broken off, and nobody is told that they failed
        self._calls.stop()
        self._budget.stop(Unreachable(self.name, "calling", "disconnected; nothing was sent"))
        if live is not None:
            live.ended(Unreachable(self.name, "connecting", "closed by us"))
            await self._closed(live.exchange)

    def _closed(self, exchange: Any) -> Deferred[None]:
        async def close() -> None:
            await exchange.close()

        closing: Deferred[None] = self._runner.call(close())
        reported(closing, self._trouble)
        return closing

    async def _open(self) -> Deferred[Exception]:
        ended: Deferred[Exception] = Deferred()
        exchange, self._spare = self._spare or self._made(), None
        live = Live(
            self.name, exchange, self._calls, self._quirk, self._options, self._reactor, self._account,
            self._has_account, self._since, self._tell, self._trouble, lambda reason: self._gone(live, reason, ended),
        )  # fmt: skip
        try:
            await live.prepare()
        except BaseException:  # a cancellation too: nothing may be left open
            live.stop()
            await self._closed(exchange)
            raise
        if ended.called:
            live.stop()
            await self._closed(exchange)
            raise Unreachable(self.name, "connecting", "a stream failed before everything was read")
        mode = exchange.precisionMode
        spot = [row for row in exchange.markets.values() if row.get("spot") and row.get("active") is not False]
        self._currencies = {code: _step(row, mode) for code, row in exchange.currencies.items()}
        units = self._currencies if self._quirk.raw_lots else {}
        self._markets = {
            str(row["symbol"]): market_of(row, mode, units.get(str(row["base"]), Decimal(1))) for row in spot
        }
        self._live = live
        self.announce("connect", self)
        if self._live is live:
            live.begin()
        return ended

    def _gone(self, live: Live, reason: Exception, ended: Deferred[Exception]) -> None:
        was_ready = self._live is live
        self._lost(live, reason, ended)
        if was_ready:
            self._closed(live.exchange)

    def _tell(self, event: str, *arguments: Any) -> None:
        if self._live is not None:
            self.announce(event, *(arguments or (self,)))

    def _market(self, ticker: str, doing: str, error: type[ExchangeError] = Refused) -> Market:
        found = self._markets.get(ticker)
        if found is None:
            raise error(self.name, doing, f"{ticker!r} is no spot market of this venue")
        return found

    async def _ask(
        self,
        doing: str,
        method: str,
        work: Callable[[Any], Awaitable[Any]],
        *,
        about: About = About.READ,
        priority: Priority = Priority.READ,
        private: bool = True,
    ) -> Any:
        """Call *work* with the session's ccxt object, if ccxt has *method* (its name in `has`)."""
        live = self._ready(doing, private)
        if not live.has(method):
            raise NotImplementedError(f"{self.name}: {doing}: ccxt has no {method} for this exchange")
        return await self._calls.ask(
            doing, lambda: work(live.exchange), about=about, priority=priority, private=private
        )

    @deferring
    async def getServerTime(self) -> datetime:
        """The venue's clock; `NotImplementedError` where ccxt has no call for it."""
        told = await self._ask("asking for the venue's time", "fetchTime", lambda x: x.fetch_time(), private=False)
        return datetime.fromtimestamp(float(told) / 1000, UTC)

    # ------------------------------------------------------------------------------------------------ holdings

    @deferring
    async def getPositions(self) -> dict[str, Position]:
        """See `IExchange`."""
        return await self._ready("reading positions", private=True).read_positions()

    @deferring
    async def getCurrentAddress(self, ticker: str) -> str:
        """See `IExchange`."""
        doing = f"asking for a deposit address of {ticker}"
        self._currency(ticker, doing)
        return await self._wallet.address(ticker, doing)

    @deferring
    async def getNewAddress(self, ticker: str) -> str:
        """See `IExchange`."""
        doing = f"asking for a new deposit address of {ticker}"
        self._currency(ticker, doing)
        return await self._wallet.new_address(ticker, doing)

    def _currency(self, ticker: str, doing: str) -> Decimal:
        self._ready(doing, private=True)
        if ticker not in self._currencies:
            raise Refused(self.name, doing, f"{ticker!r} is no currency of this venue")
        return self._currencies[ticker]

    @deferring
    async def requestWithdrawal(self, ticker: str, amount: Decimal, address: str) -> str:
        """See `IExchange`.  Off unless the option `withdraw` is set."""
        doing = f"withdrawing {amount} {ticker}"
        step = self._currency(ticker, doing)
        if not self._options.withdraw:
            raise NotImplementedError(f"{self.name}: {doing}: withdrawals are switched off (option withdraw)")
        if not address.strip():
            raise Refused(self.name, doing, "no address is given")
        if amount <= 0 or amount % step:
            raise Refused(self.name, doing, f"the amount is no positive multiple of {step:f}")
        return await self._wallet.withdraw(ticker, amount, address, doing)

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
        wanted = {"post_only": post_only, "immediate_or_cancel": immediate, "client_id": client_id is not None}
        for feature, given in wanted.items():
            if given and feature not in self.features:
                raise NotImplementedError(f"{self.name}: {doing}: this venue has no {feature}")
        live = self._ready(doing, private=True)
        self._check(self._market(ticker, doing, OrderRejected), quantity, price, doing)
        way = self._way(side, doing).value.lower()
        params: dict[str, Any] = {}
        params.update([self._quirk.post_only] if post_only else [])
        params.update([self._quirk.immediate] if immediate else [])
        own = client_id or ""
        if "client_id" in self.features:
            own = own or self._fresh_client_id()
            try:
                params["clientOrderId"] = self._quirk.to_wire(own)
            except ValueError as error:
                raise OrderRejected(self.name, doing, str(error)) from None
        x = live.exchange

        def send() -> Awaitable[Any]:
            made: Awaitable[Any] = x.create_order(ticker, "limit", way, number(quantity), number(price), params)
            return made

        priority = Priority.HEDGE if urgent else Priority.QUOTE
        return await live.place(ticker, own, send, doing, priority, may_vanish=immediate)

    def _check(self, market: Market, quantity: Decimal, price: Decimal, doing: str) -> None:
        decimals_only(doing, quantity, price)
        why = ""
        if price <= 0 or price % market["tick_size"]:
            why = f"the price is no positive multiple of {market['tick_size']}"
        elif quantity <= 0 or quantity % market["lot_size"]:
            why = f"the quantity is no positive multiple of {market['lot_size']}"
        elif quantity < market["min_quantity"]:
            why = f"the quantity is below the minimum of {market['min_quantity']}"
        elif price * quantity < market["min_notional"]:
            why = f"a value of {price * quantity} is below the minimum of {market['min_notional']}"
        elif max(len(value.normalize().as_tuple().digits) for value in (price, quantity)) > _DIGITS:
            why = f"more than {_DIGITS} digits, which ccxt cannot tell exactly"
        if why:
            raise OrderRejected(self.name, doing, why)

    @deferring
    async def cancelOrder(self, id: str) -> bool:
        """See `IExchange`."""
        return await self._cancel(id)

    async def _cancel(self, id: str) -> bool:
        doing = f"cancelling {id}"
        live = self._ready(doing, private=True)
        known = self._account.orders.get(id)
        symbol = known["contract"] if known is not None else next(iter(self._options.tickers), None)
        try:
            await self._ask(
                doing,
                "cancelOrder",
                lambda x: x.cancel_order(id, symbol),
                about=About.ORDER,
                priority=Priority.CANCEL,
            )
        except (UnknownOrder, OrderRejected):
            found = await self._found(live, id, doing)
            return found["quantity_filled"] < found["quantity"]
        live.look_soon()
        return True

    async def _found(self, live: Live, id: str, doing: str) -> Order:
        """An order that cannot be acted on; venues tell the same of one that they never had."""
        try:
            found = await live.find_order(doing, id)
        except Refused as error:
            raise UnknownOrder(self.name, doing, error.why, error.code) from None
        if found is None:
            raise UnknownOrder(self.name, doing, "the venue knows no such order of this account")
        return found

    @deferring
    async def cancelAllOrders(self, ticker: str | None = None) -> Sequence[str]:
        """See `IExchange`.  One by one; orders still on their way are waited for and cancelled too."""
        doing = f"cancelling all orders{'' if ticker is None else ' of ' + ticker}"
        live = self._ready(doing, private=True)
        on_their_way = [order.fate() for order in self._account.provisional if ticker is None or order.ticker == ticker]
        late = [id for waiting in on_their_way if (id := await waiting) is not None]
        listed = [o["id"] for o in await live.read_open_orders() if ticker is None or o["contract"] == ticker]
        cancelled: list[str] = []
        problems: list[ExchangeError] = []
        for id in dict.fromkeys([*listed, *late]):
            try:
                if await self._cancel(id):
                    cancelled.append(id)
            except UnknownOrder:
                continue
            except ExchangeError as error:
                problems.append(error)
        if problems:
            raise problems[0]
        return cancelled

    @deferring
    async def amendOrder(self, id: str, quantity: Decimal | None = None, price: Decimal | None = None) -> bool:
        """See `IExchange`.  Only where the exchange is known to keep the order's id."""
        doing = f"amending {id}"
        live = self._ready(doing, private=True)
        if "amend" not in self.features:
            raise NotImplementedError(f"{self.name}: {doing}: this venue cannot amend an order and keep its id")
        order = self._account.orders.get(id) or await self._found(live, id, doing)
        new = (order["quantity"] if quantity is None else quantity, order["price"] if price is None else price)
        self._check(self._market(order["contract"], doing), *new, doing)
        way = order["side"].value.lower()
        try:
            await self._ask(
                doing,
                "editOrder",
                lambda x: x.edit_order(id, order["contract"], "limit", way, number(new[0]), number(new[1])),
                about=About.ORDER,
                priority=Priority.QUOTE,
            )
        except UnknownOrder:
            await self._found(live, id, doing)
            return False
        return True

    @deferring
    async def getOpenOrders(self) -> dict[str, Order]:
        """See `IExchange`.  Orders that have ended unseen are settled on the way, and told of by `order` events."""
        orders = await self._ready("reading open orders", private=True).read_open_orders()
        return {order["id"]: order for order in orders}

    @deferring
    async def getOrder(self, id: str | None = None, client_id: str | None = None) -> Order:
        """See `IExchange`."""
        doing = f"looking up {id if client_id is None else client_id}"
        live = self._ready(doing, private=True)
        if "order_lookup" not in self.features:
            raise NotImplementedError(f"{self.name}: {doing}: this venue has no order lookup")
        if id is not None and client_id is None:
            return await self._found(live, id, doing)
        if client_id is None or id is not None:
            raise Refused(self.name, doing, "either id or client_id is wanted")
        found = await live.find_by_client_id(doing, next(iter(self._options.tickers), None), client_id)
        if found is None:
            raise UnknownOrder(self.name, doing, "the venue knows no such order of this account")
        return found

    @deferring
    async def cancelAllAfter(self, seconds: float) -> None:
        """See `IExchange`."""
        doing = f"cancel all after {seconds:g} s"
        live = self._ready(doing, private=True)
        if "cancel_all_after" not in self.features:
            raise NotImplementedError(f"{self.name}: {doing}: this venue has no dead man's switch")
        await live.arm(seconds)

    # ------------------------------------------------------------------------------------------------ histories

    @deferring
    async def getFills(self, start: datetime, end: datetime) -> list[Fill]:
        """See `IExchange`.  The newest only, where the exchange tells no more."""
        if self._quirk.newest:
            live = self._ready("reading fills", private=True)
            newest = [fill for fill in await live.newest_fills() if start <= fill["timestamp"] <= end]
            return sorted(newest, key=lambda fill: fill["timestamp"])
        return await self._histories.fills(start, end)

    @deferring
    async def getTransfers(self, start: datetime, end: datetime) -> list[Transfer]:
        """See `IExchange`.  Of the currencies of the pairs that are followed."""
        live = self._ready("reading transfers", private=True)
        both = live.has("fetchDeposits") and live.has("fetchWithdrawals")
        codes = {code for ticker in self._options.tickers for code in ticker.split("/")}
        return await self._histories.transfers(codes, start, end, apart=both)

    @deferring
    async def getTransactionHistory(self, start: datetime, end: datetime) -> list[Transaction]:
        """See `IExchange`."""
        return await self._histories.transactions(start, end)

    @deferring
    async def getOrderBook(self, ticker: str) -> Book:
        """See `IExchange`.  Freshly read."""
        doing = f"reading the book of {ticker}"
        live = self._ready(doing)
        self._market(ticker, doing)
        return await live.read_book(ticker)

    @deferring
    async def getTradeHistory(self, ticker: str, start: datetime, end: datetime) -> list[Trade]:
        """See `IExchange`."""
        doing = f"reading trades of {ticker}"
        millis(start), millis(end)  # refuses times without a zone
        self._ready(doing)
        self._market(ticker, doing)
        return await self._histories.trades(ticker, start, end)

    @deferring
    async def getOHLCVHistory(
        self, ticker: str, period: Period, start: datetime, end: datetime
    ) -> dict[datetime, OHLCV]:
        """See `IExchange`.  As far back as the exchange tells."""
        doing = f"reading {period} bars of {ticker}"
        millis(start), millis(end)
        self._ready(doing)
        self._market(ticker, doing)
        self._allowed_period(period, doing, tuple(TIMEFRAMES))
        return await self._histories.bars(ticker, period, start, end)

    # ------------------------------------------------------------------------------------------------ markets

    @deferring
    async def getMarkets(self) -> Mapping[str, Market]:
        """See `IExchange`."""
        self._ready("reading the markets")
        return self._markets | {code: cash_market(code, step, step) for code, step in self._currencies.items()}

    def round_bid(self, ticker: str, price: Decimal) -> Decimal:
        """See `IExchange`."""
        tick = self._market(ticker, "rounding")["tick_size"]
        return (price / tick).to_integral_value(ROUND_FLOOR) * tick

    def round_ask(self, ticker: str, price: Decimal) -> Decimal:
        """See `IExchange`."""
        tick = self._market(ticker, "rounding")["tick_size"]
        return (price / tick).to_integral_value(ROUND_CEILING) * tick

    def round_quantity(self, ticker: str, quantity: Decimal) -> Decimal:
        """See `IExchange`."""
        step = self._currencies.get(ticker)
        if step is None:
            step = self._market(ticker, "rounding")["lot_size"]
        return (quantity / step).to_integral_value(ROUND_FLOOR) * step


def _redirected(urls: Any, endpoint: str) -> Any:
    """ccxt's addresses with another host; each keeps its path and whether it is a WebSocket."""
    if isinstance(urls, dict):
        return {name: _redirected(url, endpoint) for name, url in urls.items()}
    if not isinstance(urls, str):
        return urls
    target, parts = urlsplit(endpoint), urlsplit(urls)
    secure = target.scheme == "https"
    kind = ("wss" if secure else "ws") if parts.scheme in ("ws", "wss") else target.scheme
    return f"{kind}://{target.netloc}{parts.path}"


def _step(row: Mapping[str, Any], mode: int) -> Decimal:
    return step_of(row.get("precision"), mode)
