"""Client of Infinity Exchange: the uniform interface over markets of interest rates.

**A price here is an annual rate of interest**, as a fraction: 0.0184 is 1.84 % a year.  **BUY borrows, SELL lends**: a buyer
wants the lowest price and a borrower the lowest rate.  Bids are borrowers, asks are lenders.  A position in a market is
positive for borrowed, the other sign than the venue's own number, which is told too (`net_lent`).  Tickers are instruments
(`ETH-SPOT` at a floating rate, `ETH-2023-12-29` at a fixed one until that day) and tokens (`ETH`) for balances and
withdrawals.  A trade has no cash leg in another currency: what changes hands is the token itself.

The venue lacks, and these fail with `NotImplementedError`:

- `getCurrentAddress`, `getNewAddress`: deposits are calls of a contract from the login wallet, there are no addresses;
- `amendOrder`: an order is cancelled and placed again by whoever wants that, which is not one step;
- `cancelAllAfter`: there is no dead man's switch;
- `getOHLCVHistory` by the minute: the shortest bars are of a quarter of an hour (`quarter-hour`, `hour`, `day`, `week`).

Withdrawals go to the login wallet and nowhere else; another address is refused and nothing is sent.  Every order bears a
client id of at most 8 letters and digits, by which one whose answer was lost is looked up; nothing is ever sent twice.
`api` has every call of the venue by itself, with the venue's own words; `received` keeps the last messages of each channel.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import Any

from attrs import fields
from twisted.internet.defer import Deferred
from zope.interface import implementer

from clients.budget import Budget, Priority
from clients.calls import deferring, reported
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
from clients.http import persistent_client
from clients.infinity_account import Account, side_of
from clients.infinity_client_ids import to_wire
from clients.infinity_errors import WrongDestination
from clients.infinity_history import LENGTHS, bars_of, trade_of
from clients.infinity_http import Http
from clients.infinity_lists import Lists
from clients.infinity_live import Live, Wish, book_record
from clients.infinity_login import Login
from clients.infinity_markets import Listed, Markets
from clients.infinity_options import Hosts, Options
from clients.infinity_private import Calls
from clients.infinity_received import Received
from clients.infinity_records import Token, millis
from clients.infinity_session import Session
from clients.infinity_signing import address_of, checksum_address, decode_key
from clients.infinity_terms import (
    Channel,
    Instrument,
    OrderType,
    Quantity,
    Rate,
    TokenAmount,
)
from clients.option_values import read_options
from clients.redaction import Redactor
from clients.venue import CLOSING_S, VenueClient, decimals_only, server_time, utc_now
from clients.websocket import LineLost, TlsRules, dial

__all__ = ["Infinity"]

_LARGEST_MESSAGE = 4 * 2**20
_LETTERS = string.digits + string.ascii_letters
_MOST_TRADES = 100  # of a market, that the venue tells


@implementer(IExchange)
class Infinity(VenueClient[Live]):
    """Infinity, or whatever speaks its protocol.

    :param id: the login wallet's address; empty: the one that belongs to the key.  Both empty is for public use.
    :param secret: the wallet's private key, 64 hexadecimal digits; `ValueError` when it is none, or not the wallet's.
    :param endpoint: `testnet`, or `http(s)://host:port`; the WebSocket is at `/ws` there.
    :param now: the world's time, aware UTC.
    :param random: jitter of reconnections and client ids.
    :param options: see `clients.infinity_options.Options`; text as it comes from a file will do.
    :ivar api: every REST call of the venue, typed.
    :ivar received: the last messages of each channel, for whoever asks instead of listening.

    Ready means: logged in, subscribed, every book, order and balance read.  Besides the events of the interface, the
    venue's own are told by the names of its channels, with the instrument and the message: `orderBook`, `recentTrades`,
    `userOrder`, `userTrade`.
    """

    features: frozenset[str] = frozenset(
        {"post_only", "client_id", "order_lookup", "withdrawal_id", "immediate_or_cancel", "interest", "public_only"}
    )

    periods = tuple(LENGTHS)
    """Of bars."""

    option_names = tuple(one.name for one in fields(Options))
    """Keywords that the constructor takes besides those it names."""

    def __init__(
        self,
        *,
        id: str = "",
        secret: str = "",
        endpoint: str = "testnet",
        reactor: Any,
        name: str = "infinity",
        now: Callable[[], datetime] = utc_now,
        random: Random | None = None,
        **options: Any,
    ) -> None:
        super().__init__(name, reactor, has_account=bool(secret), now=now, random=random)
        self._hosts = Hosts.parse(endpoint, private=bool(secret))
        self._options = choices = read_options(Options, options)
        self.wallet = checksum_address(id) if id else ""
        self._redactor = Redactor(secret, secret.strip().removeprefix("0x"))
        http, self._pool = persistent_client(reactor, choices.deadline)
        self._budget = Budget(reactor, choices.rate, choices.burst, choices.kept)
        self._http = Http(name, self._hosts.rest, http, reactor, self._budget, choices.deadline, self._redactor)
        self._markets = Markets(choices.names)
        self.api = Calls(self._http, self._markets, now)
        self._lists = Lists(self.api, self._markets)
        self._account = Account(self._markets.name)
        self._login = self._make_login(secret) if secret else None
        self.received = Received(int(choices.queue), self._overflowed)
        for channel in Channel.ALL:
            self.on(channel, lambda id, message, channel=channel: self.received.put(channel, (id, message)))
        self._wishes: dict[str, bool] = {}
        self._sessions: list[Session] = []
        self._stay_connected(choices.connect_deadline, choices.backoff_first, choices.backoff_longest)

    def _make_login(self, secret: str) -> Login:
        key, choices = decode_key(secret), self._options
        if self.wallet and self.wallet != address_of(key):
            raise ValueError(f"the private key is not that of wallet {self.wallet}")
        self.wallet = address_of(key)
        login = self._http.tokens = Login(
            self.name, self._http, self.wallet, key, choices.chain, self._reactor, self._redactor, self._trouble,
            choices.refresh, choices.relogin,
        )  # fmt: skip
        login.renewed = self._renewed
        return login

    def _overflowed(self, channel: str) -> None:
        why = f"nobody reads the queue of {channel}: its oldest messages are dropped"
        self._trouble(Unreachable(self.name, "keeping messages", why))

    # ------------------------------------------------------------------------------------------------ connection

    @deferring
    async def disconnect(self) -> None:
        """See `IExchange`.  Orders stay at the venue."""
        if self._login is not None:
            self._login.stop()
        await self._lifeline.stop()
        if self._login is not None:
            self._login.stop()  # what was begun meanwhile
        if self._live is not None:
            self._live.stop()  # so that nothing is read any more while the line is being closed
        gone = Unreachable(self.name, "calling", "disconnected; nothing was sent")
        self._budget.stop(gone)
        for session in list(self._sessions):
            await session.line.hang_up(self._reactor, CLOSING_S)
        await self._pool.close()
        self._budget.stop(gone)  # whoever asked while it was being closed

    async def _open(self) -> Deferred[Exception]:
        live = Live(
            self.name, self.api, self._account, self._markets, self._options, self._reactor, self.announce,
            self._trouble, self._has_account, self._wishes,
        )  # fmt: skip
        ended: Deferred[Exception] = Deferred()
        sessions: list[Session] = []
        try:
            if self._login is not None:
                await self._login.begin()
            await live.read_markets()
            live.choose()
            for _ in range(self._options.sockets):
                sessions.append(await self._dial(live, sessions, ended))
            if self._login is not None:
                await sessions[-1].login(self._login.token, self.wallet, self._options.deadline)
            await live.prepare(sessions[0], sessions[-1])
        except BaseException:  # a cancellation too: nothing may be left open
            live.stop()
            for session in sessions:
                session.line.drop("given up")
                await session.line.when_gone()
            if self._login is not None:
                self._login.stop()
            raise
        self._sessions, self._live = sessions, live
        self.announce("connect", self)
        live.announce()
        return ended

    async def _dial(self, live: Live, sessions: list[Session], ended: Deferred[Exception]) -> Session:
        limit, choices = self._options.deadline, self._options
        try:
            line = await dial(
                self._reactor, self._hosts.socket, limit=limit, tls=TlsRules(), largest_message=_LARGEST_MESSAGE
            )
        except LineLost as error:
            raise Unreachable(self.name, "connecting", str(error)) from None
        session = Session(self.name, line, self._reactor, self._redactor, self._trouble, live.take, live.unreadable)
        line.when_gone().addCallback(self._gone, session, live, sessions, ended)
        line.on_read_done = live.flush
        # Of money no channel tells: it is read.  With two connections the first is the public one.
        kinds = ("book", "orders") if choices.sockets == 1 else ("orders",) if sessions else ("book",)
        line.on_heard = lambda: self._say_alive(*kinds)
        line.watch(self._reactor, choices.ping_interval, choices.ping_timeout)
        return session

    def _gone(
        self, reason: LineLost, session: Session, live: Live, sessions: list[Session], ended: Deferred[Exception]
    ) -> None:
        if self._live is live:
            self._sessions = []
            if self._login is not None:
                self._login.stop()  # the next connection begins with a login of its own
        for other in sessions:
            if other is not session:
                other.line.drop("the other connection is lost")
        self._lost(live, reason, ended, then=lambda: session.lost(reason))

    def _renewed(self) -> None:
        """A login in the middle of a connection: the WebSocket is told the new token."""
        if self._login is None or not self._sessions:
            return
        session = self._sessions[-1]

        async def tell() -> None:
            assert self._login is not None
            try:
                await session.login(self._login.token, self.wallet, self._options.deadline)
            except ExchangeError as error:
                self._trouble(error)
                session.line.drop("the venue did not take the new token")

        reported(Deferred.fromCoroutine(tell()), self._trouble)

    def _market(self, ticker: str, doing: str, error: type[ExchangeError] = Refused) -> Listed:
        found = self._markets.listed.get(ticker)
        if found is None:
            known = ", ".join(sorted(self._markets.listed)[:20]) or "none"
            raise error(self.name, doing, f"{ticker!r} is no market of this venue; it has {known} …")
        return found

    def _token(self, ticker: str, doing: str) -> Token:
        found = self._markets.tokens.get(ticker)
        if found is None:
            known = ", ".join(sorted(self._markets.tokens)) or "none"
            raise Refused(self.name, doing, f"{ticker!r} is no token of this venue; it has {known}")
        return found

    # ------------------------------------------------------------------------------------------------ channels

    @deferring
    async def subscribe(self, instrument: str, channel: str) -> None:
        """Hear a channel of an instrument, over reconnections too, until `unsubscribe`; followed ones are heard anyhow."""
        session, name = self._session_for(channel, "subscribing"), f"{instrument}@{channel}"
        self._wishes[name] = True  # an answer that is lost does not lose the wish
        try:
            await session.subscribe([name], self._options.deadline)
        except Refused:
            del self._wishes[name]
            raise

    @deferring
    async def unsubscribe(self, instrument: str, channel: str) -> None:
        """Hear it no more, after reconnections neither."""
        session, name = self._session_for(channel, "unsubscribing"), f"{instrument}@{channel}"
        self._wishes[name] = False
        await session.unsubscribe([name], self._options.deadline)

    @deferring
    async def list_subscriptions(self) -> frozenset[str]:
        """Channels that the venue believes we hear, `<instrument>@<channel>`."""
        live = self._ready("listing subscriptions")
        found = [await one.list_subscriptions(self._options.deadline) for one in {live.public, live.private}]
        return frozenset().union(*found)

    def _session_for(self, channel: str, doing: str) -> Session:
        if channel not in Channel.ALL:
            raise Refused(self.name, doing, f"there is no channel {channel!r}; {', '.join(Channel.ALL)}")
        private = channel in Channel.PRIVATE
        live = self._ready(doing, private=private)
        return live.private if private else live.public

    @deferring
    async def getServerTime(self) -> datetime:
        """The venue's clock by the `Date` of a fresh answer, the middle of the second that it names: off by 0.5 s at most.

        No call tells it, and events bear it only when they come.
        """
        doing = "asking for the venue's time"
        self._ready(doing)
        query = (("blockChainId", 1),)  # the shortest public answer
        return server_time(self.name, doing, await self._http.answer(doing, "/public/get_blockchain_info", query))

    # ------------------------------------------------------------------------------------------------ holdings

    @deferring
    async def getPositions(self) -> dict[str, Position]:
        """See `IExchange`.  Tokens, and positions by market; `clients.infinity_account.Holding` is what is told besides.

        A token's `position` is the cash of both accounts; `lent` is what is lent of it besides (negative: borrowed).
        """
        found: Mapping[str, Position] = await self._ready("reading positions", private=True).read_holdings()
        return dict(found)

    @deferring
    async def getCurrentAddress(self, ticker: str) -> str:
        """Not at this venue: deposits are calls of a contract from the login wallet."""
        raise self._no_address(ticker)

    @deferring
    async def getNewAddress(self, ticker: str) -> str:
        """Not at this venue: deposits are calls of a contract from the login wallet."""
        raise self._no_address(ticker)

    def _no_address(self, ticker: str) -> NotImplementedError:
        doing = f"asking for a deposit address of {ticker}"
        self._ready(doing, private=True)
        self._token(ticker, doing)
        # A token's contract address must never be taken for one: what is sent there is lost.
        return NotImplementedError(
            f"{self.name}: {doing}: deposit from the wallet {self.wallet}, there are no addresses"
        )

    @deferring
    async def requestWithdrawal(self, ticker: str, amount: Decimal, address: str) -> str:
        """See `IExchange`.  The venue takes its fee out of what is asked for; the money leaves from the Current account.

        :raise WrongDestination: *address* is not the login wallet (also a `ValueError`); nothing was sent.
        """
        doing = f"withdrawing {amount} {ticker}"
        live = self._ready(doing, private=True)
        token = self._token(ticker, doing)
        decimals_only(doing, amount, amount)
        if address.strip().lower() != self.wallet.lower():
            why = f"to {address!r}: this venue pays out to the login wallet only, which is {self.wallet}"
            raise WrongDestination(self.name, doing, why)
        step = self._markets.withdrawal_step(token).value
        if amount <= 0 or amount % step:
            raise Refused(self.name, doing, f"the amount is no positive multiple of {step:f}")
        await live.provide(token, TokenAmount(amount), doing)
        try:
            return await self.api.withdraw(token.token_id, TokenAmount(amount), self._options.withdrawal_chain)
        finally:
            live.money_moved()

    # ------------------------------------------------------------------------------------------------ orders

    @deferring
    async def placeOrder(
        self,
        ticker: str,
        quantity: Decimal,
        price: Decimal | None,
        side: Side | str,
        *,
        post_only: bool = False,
        immediate: bool = False,
        client_id: str | None = None,
        urgent: bool = False,
    ) -> str:
        """See `IExchange`.  BUY borrows, SELL lends; *price* is a rate.

        *price* None is a market order at any rate.  An *immediate* one is a market order with a worst rate, which is what
        this venue has.  A *client_id* has 1 to 8 letters and digits, or is `<three letters>-<hex>-<number>`.
        """
        doing = f"placing {side} {quantity} {ticker} at {'any rate' if price is None else price}"
        live = self._ready(doing, private=True)
        decimals_only(doing, quantity, Decimal(1) if price is None else price)
        way = self._way(side, doing)
        if ticker not in self._markets.listed and _is_instrument(ticker):
            await live.relist(ticker)
        market = self._market(ticker, doing, OrderRejected)
        rate = None if price is None else Rate(price)
        why = market.fault(Quantity(quantity), rate) or self._expired(market)
        if not why and post_only and (immediate or price is None):
            why = "an order that trades at once cannot be passive"
        if why:
            raise OrderRejected(self.name, doing, why)
        kind = OrderType.MARKET if immediate or price is None else OrderType.LIMIT
        wire = self._client_id(client_id, doing)
        wish = Wish(market, side_of(way), kind, Quantity(quantity), rate, post_only, wire, client_id or wire)
        return await live.place(wish, doing, Priority.HEDGE if urgent else Priority.QUOTE)

    def _expired(self, market: Listed) -> str:
        passed = market.maturity is not None and market.maturity <= millis(self._now())
        return "the market has matured" if passed else ""

    def _client_id(self, given: str | None, doing: str) -> str:
        if given is not None:
            try:
                wire = to_wire(given)
            except ValueError as error:
                raise OrderRejected(self.name, doing, str(error)) from None
            if self._account.in_use(wire):
                raise OrderRejected(self.name, doing, f"client id {given!r}: an order with it is open")
            return wire
        while True:
            made = "".join(self._random.choices(_LETTERS, k=8))
            if not self._account.in_use(made):
                return made

    @deferring
    async def cancelOrder(self, id: str) -> bool:
        """See `IExchange`."""
        doing = f"cancelling {id}"
        return await self._ready(doing, private=True).cancel(id, doing)

    @deferring
    async def cancelAllOrders(self, ticker: str | None = None) -> Sequence[str]:
        """See `IExchange`.  Orders still on their way are waited for and cancelled too.

        Orders are cancelled by instrument, many at once; the venue does not say which, so their state is read afterwards.
        """
        doing = f"cancelling all orders{'' if ticker is None else ' of ' + ticker}"
        live = self._ready(doing, private=True)
        if ticker is not None:
            self._market(ticker, doing)
        ours = self._account.provisional.values()
        on_their_way = [order.fate() for order in ours if ticker is None or order.ticker == ticker]
        cancelled = await live.cancel_open(ticker, ())
        late = [id for waiting in on_their_way if (id := await waiting) is not None]
        if set(late) - set(cancelled):
            cancelled += await live.cancel_open(ticker, cancelled)
        return cancelled

    @deferring
    async def amendOrder(self, id: str, quantity: Decimal | None = None, price: Decimal | None = None) -> bool:
        """Not at this venue: cancel and place again."""
        raise NotImplementedError(f"{self.name}: amending {id}: this venue changes no order in place")

    @deferring
    async def getOpenOrders(self) -> dict[str, Order]:
        """See `IExchange`.  Orders that have ended unseen are settled on the way, and told of by `order` events."""
        orders = await self._ready("reading open orders", private=True).read_open_orders()
        return {order.id: order.record() for order in orders}

    @deferring
    async def getOrder(self, id: str | None = None, client_id: str | None = None) -> Order:
        """See `IExchange`.  The venue has no lookup of one order: its lists are read."""
        doing = f"looking up {id if client_id is None else client_id}"
        live = self._ready(doing, private=True)
        self._either(id, client_id, doing)
        if client_id is not None:
            try:
                found = await live.find_by_client_id(to_wire(client_id))
            except ValueError as error:
                raise UnknownOrder(self.name, doing, str(error)) from None
        elif id is not None and id.isascii() and id.isdigit():
            found = await live.find_order(id)
        else:
            found = None
        if found is None:
            raise UnknownOrder(self.name, doing, "the venue knows no such order of this account")
        return found.record()

    @deferring
    async def cancelAllAfter(self, seconds: float) -> None:
        """Not at this venue: it has no dead man's switch."""
        raise NotImplementedError(f"{self.name}: cancel all after {seconds:g} s: this venue has no such switch")

    # ------------------------------------------------------------------------------------------------ histories

    @deferring
    async def getFills(self, start: datetime, end: datetime) -> list[Fill]:
        """See `IExchange`.  Without ids: the stream and the lists number the same trade differently.  Without fees."""
        since, until = millis(start), millis(end)
        self._ready("reading fills", private=True)
        return await self._lists.fills(since, until)

    @deferring
    async def getTransfers(self, start: datetime, end: datetime) -> list[Transfer]:
        """See `IExchange`."""
        since, until = millis(start), millis(end)
        self._ready("reading transfers", private=True)
        return await self._lists.transfers(since, until)

    @deferring
    async def getTransactionHistory(self, start: datetime, end: datetime) -> list[Transaction]:
        """See `IExchange`.  Of both accounts; a move between them is two lines.  `type` may also be Interest and Other."""
        since, until = millis(start), millis(end)
        self._ready("reading the transaction history", private=True)
        return await self._lists.transactions(since, until)

    @deferring
    async def getOrderBook(self, ticker: str) -> Book:
        """See `IExchange`.  As deep as the option `depth` says."""
        doing = f"reading the book of {ticker}"
        live = self._ready(doing)
        self._market(ticker, doing)
        return book_record(ticker, await live.read_book(ticker))

    @deferring
    async def getTradeHistory(self, ticker: str, start: datetime, end: datetime) -> list[Trade]:
        """See `IExchange`.

        :raise Refused: *start* is before the last hundred trades, which are all that the venue tells.
        """
        doing, since, until = f"reading trades of {ticker}", millis(start), millis(end)
        self._ready(doing)
        floating = self._market(ticker, doing).instrument.floating
        rows = await (self.api.get_floating_trades if floating else self.api.get_fixed_trades)(ticker, _MOST_TRADES)
        if len(rows) >= _MOST_TRADES and min(row.date for row in rows) > since:
            raise Refused(self.name, doing, f"the venue tells the last {_MOST_TRADES} trades only")
        trades = [trade_of(ticker, row) for row in rows if since <= row.date <= until]
        return sorted(trades, key=lambda trade: trade["timestamp"])

    @deferring
    async def getOHLCVHistory(
        self, ticker: str, period: Period | str, start: datetime, end: datetime
    ) -> dict[datetime, OHLCV]:
        """See `IExchange`.  Of rates.  Besides `hour` and `day` there are `quarter-hour` and `week`.

        :raise NotImplementedError: bars of a minute, which the venue has not.
        """
        doing = f"reading {period} bars of {ticker}"
        millis(start), millis(end)
        self._ready(doing)
        floating = self._market(ticker, doing).instrument.floating
        if period == "minute":  # one of the interface's that is not among `periods`
            raise NotImplementedError(f"{self.name}: {doing}: the shortest bars are of a quarter of an hour")
        self._allowed_period(period, doing, self.periods)
        read = self.api.get_floating_history if floating else self.api.get_fixed_history
        length = LENGTHS[period]
        rows = await read(ticker, start - length, end + length, length)
        return bars_of(ticker, period, rows, start, end)

    # ------------------------------------------------------------------------------------------------ markets

    @deferring
    async def getMarkets(self) -> Mapping[str, Market]:
        """See `IExchange`.  Markets are of `kind` rate: their price is a rate, and they have no cash leg.

        Read anew with each connection.
        """
        self._ready("reading the markets")
        return self._markets.records()

    def round_bid(self, ticker: str, price: Decimal) -> Decimal:
        """See `IExchange`.  Down: a lower rate is the passive one of a borrower."""
        return self._market(ticker, "rounding").floor_rate(Rate(price)).value

    def round_ask(self, ticker: str, price: Decimal) -> Decimal:
        """See `IExchange`.  Up: a higher rate is the passive one of a lender."""
        return self._market(ticker, "rounding").ceil_rate(Rate(price)).value

    def round_quantity(self, ticker: str, quantity: Decimal) -> Decimal:
        """See `IExchange`."""
        token = self._markets.tokens.get(ticker)
        if token is not None:
            step = self._markets.withdrawal_step(token).value
            return (quantity // step) * step
        return self._market(ticker, "rounding").floor_quantity(Quantity(quantity)).value


def _is_instrument(ticker: str) -> bool:
    try:
        Instrument.parse(ticker)
    except ValueError:
        return False
    return True
