"""Keeps the picture of a Sputnik account and its books true while one session lasts: feeds, reads, placing.

Belongs to one session and ends with it.  Knows neither how to connect nor the uniform interface's methods; tells what
happens by events of that interface.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

import msgspec
from attrs import define, field
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from clients.budget import Budget, Priority
from clients.calls import reported, together
from clients.exchange import Book, ExchangeError, OutcomeUnknown, Position, RateLimited, Refused, Side, Unreachable
from clients.reread import Reread
from clients.sputnik_account import Account, Provisional, Tracked
from clients.sputnik_history import fill_record, filled_by_order
from clients.sputnik_options import Options
from clients.sputnik_references import References
from clients.sputnik_talk import Talk
from clients.sputnik_wire import (
    BookMessage,
    Contract,
    Contracts,
    FillMessage,
    OhlcvMessage,
    OrderMessage,
    PositionMessage,
    TradeMessage,
    TransactionMessage,
    market_topic,
    parse_book,
    parse_ohlcv,
    parse_trade,
    parse_transaction,
    to_wire_time,
    user_topic,
)

__all__ = ["Live"]

T = TypeVar("T")

HOLDINGS_FOLLOW = 0.01  # seconds from an order's event to the holdings that it changed: what it brings about goes first
FILL_FOLLOWS = 0.05  # seconds that an order's event waits for the fill that says at which price
CLOCKS_DIFFER = 600_000_000  # microseconds by which our clock and the venue's may differ


@define(eq=False)
class Live:
    """One session, from the first read to the lost line.

    :ivar tell: emits an event of the uniform interface; used from `announce` on, what happens before is kept.
    :ivar trouble: told of what failed and nobody waits for.
    :ivar tickers: the pairs that are followed.
    """

    session: Talk
    account: Account
    budget: Budget
    options: Options
    clock: IReactorTime
    now: Callable[[], datetime]
    tell: Callable[..., None]
    trouble: Callable[[Exception], None]
    tickers: tuple[str, ...] = field(init=False, default=())
    books: dict[str, Book] = field(init=False, factory=dict)
    _telling: bool = field(init=False, default=False)
    _positions: dict[str, Position] = field(init=False, factory=dict)
    _doubtful: set[int] = field(init=False, factory=set)
    _orders_unsure: bool = field(init=False, default=False)
    _orders_read_at: float = field(init=False, default=0.0)
    _unsupported: set[str] = field(init=False, factory=set)
    _incomplete: dict[int, IDelayedCall] = field(init=False, factory=dict)
    _holdings: IDelayedCall | None = field(init=False, default=None)
    _read_orders: Reread = field(init=False)
    _read_positions: Reread = field(init=False)

    def __attrs_post_init__(self) -> None:
        period = self.options.reread
        grace = self.options.event_grace
        self._read_orders = Reread(self.clock, self._check_orders, self.trouble, delay=grace, period=period)
        self._read_positions = Reread(self.clock, self._check_positions, self.trouble, period=period)

    # ------------------------------------------------------------------------------------------------ calls

    async def ask(
        self,
        doing: str,
        procedure: str,
        *arguments: Any,
        result: type[T],
        priority: Priority = Priority.READ,
        changes_state: bool = False,
    ) -> T:
        """One RPC within the deadline, after its turn in the rate budget."""
        limit = self.options.deadline
        started = self.clock.seconds()
        patience = min(limit, self.options.quote_patience) if priority is Priority.QUOTE else limit
        await self.turn(doing, priority, patience)
        left = limit - (self.clock.seconds() - started)
        return await self.session.call(doing, procedure, arguments, result, changes_state, left, priority)

    async def turn(self, doing: str, priority: Priority, limit: float) -> None:
        """Wait at most *limit* seconds for a place in the rate budget.

        :raise RateLimited: there was none; nothing was sent.
        """
        place = self.budget.take(priority)
        try:
            await place.addTimeout(limit, self.clock)
        except TimeoutError:
            wait = self.budget.wait(priority)
            why = f"{self.options.rate:g} calls a second are used up; nothing was sent"
            raise RateLimited(self.session.venue, doing, why, retry_after=wait) from None

    # ------------------------------------------------------------------------------------------------ the beginning

    async def prepare(self) -> None:
        """Read the markets, subscribe, then read everything: nothing that happens meanwhile is lost."""
        contracts = await self._read_contracts()
        for id in self.account.use(contracts):
            why = f"order {id} is let go: its contract is no longer listed"
            self.trouble(Unreachable(self.session.venue, "reading the markets", why))
        self.tickers = self._followed(contracts)
        await together(*[self._subscribe(*feed) for feed in self._feeds()])
        await together(*[self.read_book(ticker) for ticker in self.tickers])
        if self.session.authid:
            await self._read_safe_prices()
            await self.read_open_orders()
            await self.read_positions()

    def announce(self) -> None:
        """Tell the state as it was read, then what happened since; start to watch over it."""
        self._telling = True
        untold, self.account.untold = self.account.untold, []
        for ticker, book in self.books.items():
            self.tell("book", ticker, book)
        for ticker, position in self._positions.items():
            self.tell("position", ticker, position)
        for event, arguments in untold:
            self.tell(event, *arguments)
        if self.session.authid:
            self._read_orders.start()
            self._read_positions.start()

    def stop(self) -> None:
        """The session is over: what was to be told is kept for the next one, and no timer is left behind."""
        self._telling = False
        self._read_orders.stop()
        self._read_positions.stop()
        if self._holdings is not None:
            self._holdings.cancel()
            self._holdings = None
        for id, waiting in list(self._incomplete.items()):
            if id in self.account.orders:
                self._tell_order(self.account.orders[id])
            elif waiting.active():
                waiting.cancel()

    async def _read_contracts(self) -> Contracts:
        raw = await self.ask("reading the markets", "rpc.market.get_markets", result=dict[str, msgspec.Raw])
        contracts = {}
        for ticker, row in raw.items():
            try:
                contracts[ticker] = msgspec.json.decode(row, type=Contract)
            except msgspec.MsgspecError as error:  # a kind of contract that came after this client
                self.trouble(Unreachable(self.session.venue, "reading the markets", f"{ticker} is left out: {error}"))
        found = Contracts(contracts)
        for ticker, fault in found.unusable.items():
            self.trouble(Unreachable(self.session.venue, "reading the markets", f"{ticker} is left out: {fault}"))
        return found

    def _followed(self, contracts: Contracts) -> tuple[str, ...]:
        pairs = tuple(ticker for ticker, contract in contracts.items() if contract.contract_type != "cash")
        unknown = [ticker for ticker in self.options.tickers if ticker not in pairs]
        if unknown:
            why = f"{', '.join(unknown)}: no such market; there are {', '.join(pairs) or 'none'}"
            raise Refused(self.session.venue, "reading the markets", why)
        return self.options.tickers or pairs

    @property
    def _futures(self) -> list[str]:
        return [ticker for ticker, c in self.account.contracts.items() if c.contract_type == "futures"]

    async def _read_safe_prices(self) -> None:
        """What margins of futures are reckoned with; a venue without futures is not asked."""
        if self._futures:
            found = await self.ask(
                "reading safe prices", "rpc.market.get_safe_prices", self._futures, result=dict[str, int]
            )
            self.account.safe_prices.update(found)

    def _feeds(self) -> list[tuple[str, type[Any], Callable[[Any], None], Callable[[], None]]]:
        """(topic, kind of message, handler, what to do about a message that cannot be read) of every feed."""
        feeds: list[tuple[str, type[Any], Callable[[Any], None], Callable[[], None]]] = []
        for ticker in self.tickers:
            feeds.append((market_topic("book", ticker), BookMessage, self._book, partial(self._again, ticker)))
            feeds.append((market_topic("trades", ticker), TradeMessage, self._trade, lambda: None))
            if "ohlcv" in self.options.feeds:
                feeds.append((market_topic("ohlcv", ticker), OhlcvMessage, self._bar, lambda: None))
        for ticker in self._priced():
            feeds.append((market_topic("safe_prices", ticker), int, self._safe_price_of(ticker), lambda: None))
        if self.session.authid:
            who = self.session.authid
            feeds.append((user_topic("orders", who), OrderMessage, self._order, self._doubt_orders))
            feeds.append((user_topic("fills", who), FillMessage, self._fill, self._doubt_orders))
            feeds.append(
                (user_topic("transactions", who), TransactionMessage, self._transaction, self._read_positions.request)
            )
        return feeds

    def _priced(self) -> list[str]:
        """Whose safe prices are followed: all that were asked for, and every future while there is an account."""
        wanted = list(self.tickers) if "safe_prices" in self.options.feeds else []
        margined = self._futures if self.session.authid else []
        return [*wanted, *(ticker for ticker in margined if ticker not in wanted)]

    async def _subscribe(
        self, topic: str, kind: type[Any], handler: Callable[[Any], None], unreadable: Callable[[], None]
    ) -> None:
        # Each book is complete, so one that a newer one follows in the same read need not be decoded.
        latest_only = kind is BookMessage
        await self.session.subscribe(
            topic, kind, handler, unreadable, latest_only=latest_only, limit=self.options.deadline
        )

    # ------------------------------------------------------------------------------------------------ reads

    async def read_book(self, ticker: str) -> Book:
        """The book as the venue has it."""
        doing = f"reading the book of {ticker}"
        told_before = self.books.get(ticker)
        message = await self.ask(doing, "rpc.market.get_order_book", ticker, result=BookMessage)
        told = self.books.get(ticker)
        if told is not told_before and told is not None:
            return told  # an event came while the answer was on its way: it is complete, and it is not older
        book = parse_book(self.account.contracts, message)
        if ticker in self.tickers:
            self.books[ticker] = book
        return book

    async def read_positions(self) -> dict[str, Position]:
        """Holdings as the venue has them, and what orders leave available of them."""
        messages = await self.ask("reading positions", "rpc.trader.get_positions", result=dict[str, PositionMessage])
        self.account.take_positions(messages.values())
        self._tell_positions()
        return dict(self._positions)

    async def read_open_orders(self, priority: Priority = Priority.READ) -> list[Tracked]:
        """Open orders as the venue has them; those that were open here and are no longer are settled from the history."""
        self._orders_read_at = self.clock.seconds()
        asked_about = [order.message.id for order in self.account.open_orders()]
        messages = await self.ask(
            "reading open orders", "rpc.trader.get_open_orders", result=dict[str, OrderMessage], priority=priority
        )
        ours = [message for message in messages.values() if self._is_market(message.contract)]
        changed, vanished = self.account.take_open_orders(ours, asked_about)
        for order in changed:
            self._tell("order", self.account.order_record(order))
        if vanished:
            await self._settle(vanished)
        self._tell_positions()
        return self.account.open_orders()

    async def history(self, start: int, end: int | None) -> list[TransactionMessage]:
        """The account's ledger between two wire times, oldest first."""
        rows = await self.ask(
            "reading the transaction history",
            "rpc.trader.get_transaction_history",
            start,
            end,
            result=list[TransactionMessage],
            priority=Priority.BULK if end is not None else Priority.READ,
        )
        return sorted((row for row in rows if row.contract in self.account.contracts), key=lambda row: row.timestamp)

    async def references(self, rows: Sequence[TransactionMessage]) -> References:
        """The reference prices behind *rows*, which must reach up to now; read anew where *rows* have futures."""
        contracts = self.account.contracts
        if any(contracts[row.contract].contract_type == "futures" for row in rows):
            await self.read_positions()
        return References(contracts, self.account.references).learn(rows)

    async def _settle(self, vanished: Sequence[Tracked]) -> None:
        """Orders that ended without an event, for instance while we were away: the notes of the history tell how."""
        # The time of an order that the venue has not shown is by our clock, which may be ahead of the venue's.
        since = min(order.message.timestamp - (0 if order.seen else CLOCKS_DIFFER) for order in vanished)
        rows = await self.history(since, None)
        fills = filled_by_order(self.account.contracts, rows, await self.references(rows))
        for order in vanished:
            if order.message.final:  # its event has come while the history was read
                continue
            for fill in self.account.settle(order, fills.get(order.message.id, [])):
                self._tell("fill", fill_record(self.account.contracts, fill))
            self._tell("order", self.account.order_record(order))

    async def _check_orders(self) -> None:
        doubtful, self._doubtful = self._doubtful, set()
        open_still = {order.message.id for order in self.account.open_orders()}
        overdue = self.clock.seconds() - self._orders_read_at >= self.options.reread
        if not (overdue or self._orders_unsure or doubtful & open_still):
            return
        self._orders_unsure = False
        try:
            await self.read_open_orders()
        except ExchangeError:
            self._orders_unsure = True  # so that the repetition really reads
            raise

    async def _check_positions(self) -> None:
        await self.read_positions()

    def doubt_order(self, order_id: int) -> None:
        """An event about this order is due; if it does not come in a while, the venue is asked."""
        self._doubtful.add(order_id)
        self._read_orders.request()

    def refresh_positions(self) -> None:
        """Something has moved money."""
        self._read_positions.request()

    def _doubt_orders(self) -> None:
        self._orders_unsure = True
        self._read_orders.request()

    def _again(self, ticker: str) -> None:
        async def read() -> None:
            self._tell("book", ticker, await self.read_book(ticker))

        reported(Deferred.fromCoroutine(read()), self.trouble)

    # ------------------------------------------------------------------------------------------------ feeds

    def _book(self, message: BookMessage) -> None:
        if self._is_market(message.contract):
            book = parse_book(self.account.contracts, message)
            self.books[message.contract] = book
            if self._telling:
                self.tell("book", message.contract, book)

    def _trade(self, message: TradeMessage) -> None:
        if self._is_market(message.contract):
            self._tell("trade", parse_trade(self.account.contracts, message))

    def _bar(self, message: OhlcvMessage) -> None:
        if self._is_market(message.contract):
            self._tell("ohlcv", parse_ohlcv(self.account.contracts, message))

    def _safe_price_of(self, ticker: str) -> Callable[[int], None]:
        """The handler of one feed: its events name no contract (3.1)."""

        def handle(price: int) -> None:
            self.account.safe_prices[ticker] = price
            self._tell("safe_price", ticker, self.account.contracts.price(ticker, price))
            if self.session.authid and self.account.contracts[ticker].contract_type == "futures":
                self._tell_positions()

        return handle

    def _order(self, message: OrderMessage) -> None:
        if not self._is_market(message.contract):
            return
        is_new = message.id not in self.account.orders
        order = self.account.take_order(message)
        if is_new:
            # The event may overtake the answer: then it tells the id, before anything else is told about the order.
            claimant = self.account.claimant(message)
            if claimant is not None:
                self.account.resolve(claimant, message.id)
        if order is not None:
            if self._holdings is None:
                self._holdings = self.clock.callLater(HOLDINGS_FOLLOW, self._tell_holdings)
            if order.told < order.filled:
                self._await_fill(order)
            else:
                self._tell_order(order)

    def _fill(self, message: FillMessage) -> None:
        if not self._is_market(message.contract):
            return
        order = self.account.take_fill(message)
        self._tell("fill", self.account.fill_record(message))
        if order is not None:
            self._tell_order(order)

    def _await_fill(self, order: Tracked) -> None:
        """Price and fee come with the fill right behind the order's event: the order is told with them, in one event.

        Where the fill is lost or late the order is told without them, so that nothing waits for long to be hedged.
        """
        id = order.message.id
        if id not in self._incomplete:
            self._incomplete[id] = self.clock.callLater(FILL_FOLLOWS, self._tell_order, order)

    def _tell_order(self, order: Tracked) -> None:
        waiting = self._incomplete.pop(order.message.id, None)
        if waiting is not None and waiting.active():
            waiting.cancel()
        self._tell("order", self.account.order_record(order))

    def _transaction(self, message: TransactionMessage) -> None:
        self.account.take_transaction(message)
        if message.contract in self.account.contracts:
            self._tell("transaction", parse_transaction(self.account.contracts, message))
        self._read_positions.request()

    def _is_market(self, ticker: str) -> bool:
        """Whether this can be traded; anything else is told of once and left alone."""
        contract = self.account.contracts.get(ticker)
        if contract is not None and contract.contract_type != "cash":
            return True
        if ticker not in self._unsupported:
            self._unsupported.add(ticker)
            self.trouble(Unreachable(self.session.venue, "reading events", f"{ticker} is no market known here"))
        return False

    def _tell(self, event: str, *arguments: Any) -> None:
        if self._telling:
            self.tell(event, *arguments)
        else:
            self.account.untold.append((event, arguments))

    def _tell_holdings(self) -> None:
        self._holdings = None
        self._tell_positions()

    def _tell_positions(self) -> None:
        """Tell the holdings that changed, or of which orders hold more or less than before."""
        before, self._positions = self._positions, self.account.position_records()
        if self._telling:
            for ticker, position in self._positions.items():
                if position != before.get(ticker):
                    self.tell("position", ticker, position)

    # ------------------------------------------------------------------------------------------------ placing

    def place(self, ticker: str, side: Side, price: int, quantity: int, priority: Priority) -> Deferred[int]:
        """Send an order once; fires with its id as soon as the answer or the feed tells it.

        Cancelling the Deferred ends the waiting only: what was sent stays sent, and the order is told of by events.
        """
        order = self.account.begin(ticker, side, price, quantity)
        told: Deferred[int] = Deferred()
        order.settled.append(lambda id: told.callback(id) if id is not None and not told.called else None)
        body = {"contract": ticker, "price": price, "quantity": quantity, "side": side.value}
        sending = Deferred.fromCoroutine(
            self.ask(
                f"placing {side.value} {ticker}",
                "rpc.trader.place_order",
                body,
                result=int,
                priority=priority,
                changes_state=True,
            )
        )
        sending.addCallbacks(self._answered, self._failed, callbackArgs=(order,), errbackArgs=(order, told))
        reported(sending, self.trouble)
        return told

    def _answered(self, order_id: int, order: Provisional) -> None:
        self.account.accepted(order, order_id, to_wire_time(self.now()))
        if not self.account.resolve(order, order_id):
            why = f"the feed gave it id {order.order_id}, the answer {order_id}; both are followed"
            self.trouble(OutcomeUnknown(self.session.venue, f"placing {order.side.value} {order.contract}", why))

    def _failed(self, failure: Failure, order: Provisional, told: Deferred[int]) -> Failure | None:
        error = failure.value
        if order.order_id is not None and isinstance(error, OutcomeUnknown):
            return None  # no answer, and none needed: the feed has told the id
        if isinstance(error, OutcomeUnknown):
            self.account.doubted(order)
            self._doubt_orders()
        else:
            self.account.refused(order)
        if told.called:
            return failure
        told.errback(failure)
        return None
