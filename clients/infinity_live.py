"""Keeps the picture of an Infinity account and its markets true while one connection lasts: subscriptions, reads, placing.

Belongs to one connection and ends with it.  Knows neither how to connect nor the uniform interface's methods; tells what
happens by events of that interface.  No channel tells of money: it is read again soon after orders and fills, and now and
then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec
from attrs import define, field
from twisted.internet.defer import Deferred

from clients.budget import Priority
from clients.calls import together
from clients.exchange import (
    Book,
    BookRow,
    ExchangeError,
    InsufficientFunds,
    OrderRejected,
    OutcomeUnknown,
    Refused,
    Trade,
    UnknownOrder,
    Unreachable,
)
from clients.infinity_account import Account, Holding, Tracked, fill_of_event
from clients.infinity_errors import GONE
from clients.infinity_events import BookEvent, Frame, TradeEvent, UserOrderEvent, UserTradeEvent
from clients.infinity_markets import Listed, Markets
from clients.infinity_options import Options
from clients.infinity_orders import OrderLists
from clients.infinity_private import Calls
from clients.infinity_private_records import MyOrder, OrderAnswer
from clients.infinity_records import Book as RateBook
from clients.infinity_records import Token, decode, moment
from clients.infinity_session import Session
from clients.infinity_terms import (
    AccountType,
    Channel,
    Instrument,
    OrderSide,
    OrderStatus,
    OrderType,
    Quantity,
    Rate,
    TokenAmount,
)
from clients.provisional import Provisional, placed
from clients.reread import Reread

__all__ = ["Live", "Wish"]

MOST_FOLLOWED = 50
_MONEY_SOON_S = 0.2  # several fills of one order are followed by one read of balances


@define(frozen=True)
class Wish:
    """An order as it is to be sent; `name` is its client id before it was made short enough for the venue."""

    market: Listed
    side: OrderSide
    type: OrderType
    quantity: Quantity
    rate: Rate | None
    passive: bool
    client_id: str
    name: str


@define(eq=False)
class Live:
    """One connection, from the first read to the lost line.

    :ivar tell: emits an event; until `announce` what happens is kept.
    :ivar trouble: told of what failed and nobody waits for.
    :ivar public, private: connections by what is subscribed there; one and the same unless two were asked for.
    :ivar wishes: channels that somebody subscribed (true) or left (false) besides.
    :ivar followed: instruments whose books and trades are told.
    """

    venue: str
    api: Calls
    account: Account
    markets: Markets
    options: Options
    clock: Any
    tell: Callable[..., None]
    trouble: Callable[[Exception], None]
    has_account: bool
    wishes: Mapping[str, bool]
    public: Session = field(init=False)
    private: Session = field(init=False)
    lists: OrderLists = field(init=False)
    followed: tuple[str, ...] = field(init=False, default=())
    books: dict[str, RateBook] = field(init=False, factory=dict)
    _held_back: list[tuple[str, tuple[Any, ...]]] | None = field(init=False, factory=list)
    _told_holdings: dict[str, Holding] = field(init=False, factory=dict)
    _dirty: set[str] = field(init=False, factory=set)
    _early: dict[str, list[tuple[UserTradeEvent, str]]] = field(init=False, factory=dict)
    _stopped: bool = field(init=False, default=False)
    _read_orders: Reread = field(init=False)
    _read_money: Reread = field(init=False)
    _read_books: Reread = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.lists = OrderLists(self.api)
        period = self.options.reread
        self._read_orders = Reread(self.clock, self._check_orders, self.trouble, delay=0.3, period=period)
        self._read_money = Reread(self.clock, self._check_money, self.trouble, delay=_MONEY_SOON_S, period=period)
        self._read_books = Reread(self.clock, self._check_books, self.trouble, delay=0.05, period=10 * period)

    # ------------------------------------------------------------------------------------------------ the beginning

    async def read_markets(self) -> None:
        """What is listed, and the user's accounts.  Fixed markets are told by a call of their own, and perhaps by both."""
        listed, fixed = await together(self.api.get_all_markets(), self.api.get_all_fixed_details())
        self.markets.fill([*fixed, *listed], await self.api.get_tokens())
        for id, fault in self.markets.unusable.items():
            self.trouble(Unreachable(self.venue, "reading the markets", f"{id} is left out: {fault}"))
        if self.has_account:
            accounts = await self.api.get_accounts()
            self.account.note_accounts(accounts)
            self.api.trading_account = self.account.trading
            if self.account.trading is None:
                raise Refused(self.venue, "reading accounts", "this user has no Trading account to trade from")

    def choose(self) -> None:
        """Which instruments are followed; an unknown one is refused by name."""
        listed = self.markets.listed
        chosen = self.options.tickers or tuple(id for id, market in listed.items() if market.instrument.floating)
        for id in chosen:
            if id not in listed:
                known = ", ".join(sorted(listed)) or "none"
                raise Refused(self.venue, "reading the markets", f"{id}: not listed; there are {known}")
        if len(chosen) > MOST_FOLLOWED:
            why = f"{len(chosen)} tickers; at most {MOST_FOLLOWED} are followed"
            raise Refused(self.venue, "subscribing", why)
        self.followed = chosen

    async def prepare(self, public: Session, private: Session) -> None:
        """Subscribe, then read books, orders and money; what happens meanwhile is kept."""
        self.public, self.private = public, private
        limit = self.options.deadline
        if self.has_account:
            await private.subscribe(
                self._wished(_channels(self.markets.listed, Channel.PRIVATE), Channel.PRIVATE), limit
            )
        await public.subscribe(self._wished(_channels(self.followed, Channel.PUBLIC), Channel.PUBLIC), limit)
        await self._check_books()
        if self.has_account:
            await self.read_open_orders()
            await self.read_holdings()

    def _wished(self, channels: list[str], kinds: Sequence[str]) -> list[str]:
        """*channels*, with those that somebody subscribed besides and without those that somebody left."""
        kept = [one for one in channels if self.wishes.get(one, True)]
        more = [one for one, wanted in self.wishes.items() if wanted and one.rpartition("@")[2] in kinds]
        return list(dict.fromkeys([*kept, *more]))

    def announce(self) -> None:
        """Tell the state as it was read, then what happened since; start to watch over it."""
        held_back, self._held_back = self._held_back or [], None
        self._dirty.update(self.books)
        self.flush()
        for event, arguments in held_back:
            self.tell(event, *arguments)
        self._read_books.start()
        if self.has_account:
            self._told_holdings = {}
            self._tell_holdings()
            self._read_orders.start()
            self._read_money.start()

    def stop(self) -> None:
        """The connection is over; no timer is left behind."""
        self._stopped = True
        for read in (self._read_orders, self._read_money, self._read_books):
            read.stop()

    # ------------------------------------------------------------------------------------------------ messages

    def take(self, frame: Frame) -> None:
        """An event."""
        handler = {
            Channel.ORDER_BOOK: self._book,
            Channel.RECENT_TRADES: self._trades,
            Channel.USER_ORDER: self._order,
            Channel.USER_TRADE: self._fill,
        }.get(frame.e)
        if handler is None or self._stopped:
            return
        try:
            handler(frame)
        except ValueError as error:
            self.unreadable(f"{frame.e} of {frame.instrument_id}: {error}", frame.e)

    def unreadable(self, why: str, channel: str = "") -> None:
        """A message that cannot be read: it is told of, and what it may have been about is read anew."""
        self.trouble(Unreachable(self.venue, "reading the WebSocket", f"{why}; what it was about is read anew"))
        if channel in ("", *Channel.PUBLIC):
            self._read_books.request()
        if self.has_account and channel not in Channel.PUBLIC:
            self._read_orders.request()
            self._read_money.request()

    def _book(self, frame: Frame) -> None:
        id = frame.instrument_id
        event = decode(BookEvent, frame.payload)
        self._tell(Channel.ORDER_BOOK, id, event)
        if id in self.followed:
            self.books[id] = event.book()
            self._dirty.add(id)

    def _trades(self, frame: Frame) -> None:
        # An older release sent a single trade.
        single = bytes(frame.payload).lstrip().startswith(b"{")
        rows = [frame.payload] if single else decode(list[msgspec.Raw], frame.payload)
        bad: list[str] = []
        for row in rows:
            try:
                event = decode(TradeEvent, row)
            except ValueError as error:
                bad.append(str(error))  # the others are told all the same
                continue
            id = frame.instrument_id
            self._tell(Channel.RECENT_TRADES, id, event)
            trade = Trade(
                contract=id, price=event.rate.value, quantity=event.quantity.value, timestamp=moment(event.date)
            )
            self._tell("trade", trade)
        if bad:
            raise ValueError(bad[0])

    def _order(self, frame: Frame) -> None:
        event = decode(UserOrderEvent, frame.payload)
        self._tell(Channel.USER_ORDER, event.instrument_id or frame.instrument_id, event)
        row = event.row(frame.instrument_id)
        if row.account_id is not None and row.account_id != self.account.trading:
            return
        if not isinstance(OrderStatus.known(row.status), OrderStatus):
            self.trouble(
                Unreachable(self.venue, "reading orders", f"order {row.order_id}: {OrderStatus.text_of(row.status)}")
            )
            self._read_orders.request()
        self._take_row(row)

    def _fill(self, frame: Frame) -> None:
        event = decode(UserTradeEvent, frame.payload)
        self._tell(Channel.USER_TRADE, event.instrument_id or frame.instrument_id, event)
        if event.account_id is not None and event.account_id != self.account.trading:
            return
        if str(event.order_id) not in self.account.orders and self.account.provisional:
            # Perhaps of an order whose id nobody knows yet: whoever placed it is told the id first.
            self._early.setdefault(str(event.order_id), []).append((event, frame.instrument_id))
        else:
            self._tell_fill(event, frame.instrument_id)

    def _tell_fill(self, event: UserTradeEvent, instrument: str) -> None:
        if self.account.take_fill(event):
            self._tell("fill", fill_of_event(event, instrument))
            self._read_money.request()

    def _release(self, id: str) -> None:
        """The id is known: fills that were told before it are told now."""
        for event, instrument in self._early.pop(id, ()):
            self._tell_fill(event, instrument)

    def _release_all(self) -> None:
        """No order is on its way any more, so the fills that are left are of orders that somebody else placed."""
        if not self.account.provisional:
            for id in tuple(self._early):
                self._release(id)

    def _take_row(self, row: MyOrder, listed: bool | None = None) -> None:
        claimant = self.account.claimant(row)
        order = self.account.take(row, listed=listed)
        if claimant is not None:
            # The event may overtake the answer: then it tells the id, before anything else is told about the order.
            found = self.account.orders[str(row.order_id)]
            if found.died:
                found.seen, found.refused = False, True
                return  # the answer to the call that placed it says why
            self.account.settle(claimant, str(row.order_id))
        self._release(str(row.order_id))
        if order is not None:
            self._tell_order(order)

    def _tell_order(self, order: Tracked) -> None:
        self._tell("order", order.record())
        if self._held_back is None:
            self._read_money.request()
            if order.filled and order.average is None:
                self._read_orders.request()

    def _tell(self, event: str, *arguments: Any) -> None:
        if self._held_back is None:
            self.tell(event, *arguments)
        else:
            self._held_back.append((event, arguments))

    def flush(self) -> None:
        """Tell the books that changed since the last time: once for all messages of one read."""
        if self._held_back is not None:
            return
        dirty, self._dirty = self._dirty, set()
        for id in dirty:
            self.tell("book", id, book_record(id, self.books[id], self.options.depth))

    def _tell_holdings(self) -> None:
        if self._held_back is not None:
            return
        before, self._told_holdings = self._told_holdings, self.account.position_records(self.followed)
        for ticker, position in self._told_holdings.items():
            if position != before.get(ticker):
                self.tell("position", ticker, position)

    # ------------------------------------------------------------------------------------------------ reads

    async def read_book(self, id: str) -> RateBook:
        """A book as the venue has it, best first."""
        floating = Instrument.parse(id).floating
        read = self.api.get_floating_orderbook if floating else self.api.get_fixed_orderbook
        return (await read(id, self.options.depth)).best_first()

    async def _check_books(self) -> None:
        before = {id: self.books.get(id) for id in self.followed}
        found = await together(*(self.read_book(id) for id in self.followed))
        for id, book in zip(self.followed, found, strict=True):
            # A book that came by the stream meanwhile is not older than what was read.
            if self.books.get(id) is before[id] and book != before[id]:
                self.books[id] = book
                self._dirty.add(id)
        self.flush()

    async def read_holdings(self) -> dict[str, Holding]:
        """Money and positions as the venue has them."""
        held = await self.api.get_accounts()
        positions = await self.api.get_positions()
        self.account.note_accounts(held)
        self.account.take_money(held, positions)
        self._tell_holdings()
        return self.account.position_records(self.followed)

    async def read_open_orders(self) -> list[Tracked]:
        """Open orders as the venue has them; those that were open here and are not any more are settled on the way."""
        asked_about = [order.id for order in self.account.open_orders()]
        rows = await self.lists.open()
        listed = {str(row.order_id) for row in rows}
        for row in rows:
            self._take_row(row, listed=True)
        await self._look_up([id for id in asked_about if id not in listed])
        for order in self.account.incomplete():
            await self._complete(order)
        return [order for order in self.account.open_orders() if order.id in listed]

    async def _look_up(self, ids: Sequence[str]) -> None:
        """Read orders that are not open any more."""
        known = [order for id in ids if (order := self.account.orders.get(id)) is not None]
        for floating in (True, False):
            wanted = {o.row.order_id for o in known if Instrument.parse(o.row.instrument_id).floating is floating}
            for row in await self.lists.by_ids(wanted, floating) if wanted else ():
                self._take_row(row, listed=False)

    async def _complete(self, order: Tracked) -> None:
        """Find out at which rates an order was filled, where neither the stream nor its row has told them all."""
        order.asked += 1
        order.listed_matches = await self.lists.matches(order.row) or order.listed_matches
        if order.average is not None and order.seen:
            self._tell("order", order.record())

    async def find_order(self, id: str) -> Tracked | None:
        """One order by its id, freshly read; None when the venue never had it."""
        known = self.account.orders.get(id)
        row = await self.lists.by_id(int(id), None if known is None else known.row.instrument_id)
        return None if row is None else await self._found(row)

    async def find_by_client_id(self, client_id: str) -> Tracked | None:
        """The newest order with that client id; None when there is none among the last ones."""
        known = [o for o in self.account.orders.values() if o.row.client_order_id == client_id]
        if known:
            return await self.find_order(max(known, key=lambda order: order.row.order_id).id)
        row = await self.lists.by_client_id(client_id)
        return None if row is None else await self._found(row)

    async def _found(self, row: MyOrder) -> Tracked:
        self._take_row(row)
        order = self.account.orders[str(row.order_id)]
        if order in self.account.incomplete():
            await self._complete(order)
        return order

    async def _check_orders(self) -> None:
        await self.read_open_orders()

    async def _check_money(self) -> None:
        await self.read_holdings()

    def money_moved(self) -> None:
        """Balances are about to be different: no channel tells of it."""
        self._read_money.request()

    async def provide(self, token: Token, amount: TokenAmount, doing: str) -> None:
        """Have enough in the Current account, where withdrawals leave from."""
        await self.read_holdings()
        accounts = {account.type: account for account in self.account.held}
        has = {
            type: next((one.available for one in account.tokens if one.code == token.code), TokenAmount(0))
            for type, account in accounts.items()
        }
        current, trading = has.get(AccountType.CURRENT, TokenAmount(0)), has.get(AccountType.TRADING, TokenAmount(0))
        short = amount - current
        if short <= TokenAmount(0):
            return
        if short > trading:
            raise InsufficientFunds(self.venue, doing, f"both accounts have {current + trading} together")
        if not self.options.auto_transfer or self.account.current is None or self.account.trading is None:
            why = f"the Current account has {current}; move {short} over from Trading, or set auto_transfer"
            raise InsufficientFunds(self.venue, doing, why)
        await self.api.transfer_token(self.account.trading, self.account.current, token.token_id, short)

    # ------------------------------------------------------------------------------------------------ placing

    async def relist(self, id: str) -> None:
        """A market that was not listed when we connected: read the list again, and hear of its orders."""
        await self.read_markets()
        if id in self.markets.listed:
            await self.private.subscribe(_channels([id], Channel.PRIVATE), self.options.deadline)

    def place(self, wish: Wish, doing: str, priority: Priority) -> Deferred[str]:
        """Send an order once; fires with its id as soon as the answer, the stream or a lookup tells it.

        Cancelling the Deferred ends the waiting only: what was sent stays sent, and the order is told of by events.
        """
        order = self.account.begin(wish.market.id, wish.client_id, wish.name)
        return placed(
            order, self._send(wish, doing, order, priority), self.account.settle, self.trouble, self._release_all
        )

    async def _send(self, wish: Wish, doing: str, order: Provisional, priority: Priority) -> None:
        create = self.api.create_floating_order if wish.market.instrument.floating else self.api.create_fixed_order
        try:
            answer = await create(
                wish.market.id, wish.type, wish.side, wish.quantity, wish.client_id, wish.rate, wish.passive,
                priority=priority,
            )  # fmt: skip
        except OutcomeUnknown as doubt:
            await self._recover(wish, doing, order, doubt)
            return
        self._placed(wish, doing, order, answer)

    def _placed(self, wish: Wish, doing: str, order: Provisional, answer: OrderAnswer) -> None:
        row = answer.order
        self.account.take(row, seen=False)
        tracked = self.account.orders[str(row.order_id)]
        tracked.listed_matches = tracked.listed_matches or answer.trxs
        if tracked.died and wish.type is OrderType.LIMIT:
            tracked.refused = True
            raise OrderRejected(self.venue, doing, _died(tracked), str(row.status))
        self.account.settle(order, str(row.order_id))
        self._release(tracked.id)
        self._tell_soon(tracked)

    def _tell_soon(self, order: Tracked) -> None:
        """Whoever placed it has its id now; what is known of it is told where no event has told it yet."""
        if not order.seen:
            order.seen, order.refused = True, False
            self._tell_order(order)

    async def _recover(self, wish: Wish, doing: str, order: Provisional, doubt: OutcomeUnknown) -> None:
        """No answer: the stream may have told the id by now, else the venue is asked.  Never sent again."""
        if order.order_id is not None:
            return

        def like(row: MyOrder) -> bool:
            return row.quantity == wish.quantity and row.side is wish.side.flag

        found: Tracked | None = None
        with suppress(ExchangeError):
            row = await self.lists.by_client_id(order.client_id, wish.market.id, like)
            found = None if row is None else await self._found(row)
        if found is None and order.order_id is None:
            self._read_orders.request()
            raise doubt
        if found is not None:
            if found.died and wish.type is OrderType.LIMIT:
                raise OrderRejected(self.venue, doing, _died(found), str(found.row.status))
            self.account.settle(order, found.id)

    # ------------------------------------------------------------------------------------------------ cancelling

    async def cancel(self, id: str, doing: str) -> bool:
        """True when the order is off the book, False when it was filled before."""
        if not id.isascii() or not id.isdigit():
            raise UnknownOrder(self.venue, doing, "ids of this venue are whole numbers")
        # The venue wants the order's instrument too, so one that is not known is looked up first.
        order = self.account.orders.get(id) or await self.find_order(id)
        if order is None:
            raise UnknownOrder(self.venue, doing, "the venue knows no such order of this account")
        if not order.final:
            try:
                await self.api.cancel_order(order.row.instrument_id, order.row.order_id)
            except UnknownOrder as error:
                if error.code not in GONE:
                    raise
            else:
                return True
            order = await self.find_order(id) or order
        return order.filled < order.row.quantity

    async def cancel_open(self, ticker: str | None, besides: Sequence[str]) -> list[str]:
        """Cancel what is open (of *ticker*), many at once; the ids that were cancelled, by what the lists say afterwards."""
        open_now = [
            order
            for order in await self.read_open_orders()
            if order.id not in besides and (ticker is None or order.row.instrument_id == ticker)
        ]
        by_instrument: dict[str, list[int]] = {}
        for order in open_now:
            by_instrument.setdefault(order.row.instrument_id, []).append(order.row.order_id)
        problems: list[ExchangeError] = []
        for instrument, ids in by_instrument.items():
            try:
                await self.api.batch_cancel_orders(instrument, ids)
            except UnknownOrder:
                problems += await self._one_by_one(ids)
            except ExchangeError as error:
                problems.append(error)
        if problems:
            raise problems[0]
        if open_now:
            await self.read_open_orders()  # which settles what is not open any more
        return [order.id for order in open_now if order.final and order.filled < order.row.quantity]

    async def _one_by_one(self, ids: Sequence[int]) -> list[ExchangeError]:
        """Where one of many is gone and the venue refuses them all for it."""
        problems: list[ExchangeError] = []
        for id in ids:
            try:
                await self.cancel(str(id), f"cancelling {id}")
            except UnknownOrder:
                continue
            except ExchangeError as error:
                problems.append(error)
        return problems


def _died(order: Tracked) -> str:
    passive = "; it was passive and would have traded at once, or the market took no more" if order.row.passive else ""
    return f"{OrderStatus.text_of(order.row.status)} without a trade{passive}"


def _channels(instruments: Iterable[str], kinds: Sequence[str]) -> list[str]:
    return [f"{id}@{kind}" for id in instruments for kind in kinds]


def book_record(id: str, book: RateBook, depth: int | None = None) -> Book:
    """A book of rates for the uniform interface: bids are borrowers, asks lenders."""
    sides = [
        [BookRow(price=level.rate.value, quantity=level.quantity.value) for level in side[:depth]]
        for side in (book.bids, book.asks)
    ]
    return Book(contract=id, bids=sides[0], asks=sides[1])
