"""Keeps the picture of a Kraken account and its markets true while one connection lasts: subscriptions, reads, placing.

Belongs to one pair of lines (public and private) and ends with them.  Knows neither how to connect nor the uniform
interface's methods; tells what happens by events of that interface.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from attrs import define, evolve, field
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from clients.budget import Priority
from clients.calls import bounded, reported, together
from clients.deadman import DeadMan
from clients.exchange import (
    Book,
    ExchangeError,
    NotAuthorised,
    OutcomeUnknown,
    Position,
    RateLimited,
    Refused,
    Trade,
    Unreachable,
)
from clients.kraken_account import (
    Account,
    Provisional,
    Tracked,
    fill_of_execution,
    of_execution,
    of_order,
    read_time,
)
from clients.kraken_book import KrakenBook
from clients.kraken_counters import Counter, Limits, cost_of
from clients.kraken_errors import INVALID_SESSION, About
from clients.kraken_markets import Markets, Pair
from clients.kraken_options import Options
from clients.kraken_rest import Rest
from clients.kraken_session import Session
from clients.provisional import placed
from clients.redaction import Redactor, Secret
from clients.reread import Reread

__all__ = ["Live"]

Message = dict[str, Any]
Events = list[tuple[str, tuple[Any, ...]]]

LOOKED_UP = 50  # orders in one call
_BOOKS_READ = 500  # levels that a read may tell


@define(eq=False)
class Live:
    """One connection, from the first read to a lost line.

    :ivar tell: emits an event of the uniform interface; until `announce` what happens is kept.
    :ivar trouble: told of what failed and nobody waits for.
    :ivar counters: of orders, by pair; they outlive the connection, as the venue's do.
    :ivar last_trades: highest trade id told, by pair; so that none is told twice over a reconnection.
    """

    venue: str
    rest: Rest
    account: Account
    options: Options
    clock: Any
    redactor: Redactor
    counters: dict[str, Counter]
    last_trades: dict[str, int]
    tell: Callable[..., None]
    trouble: Callable[[Exception], None]
    public: Session = field(init=False)
    private: Session | None = field(init=False, default=None)
    followed: dict[str, Pair] = field(init=False, factory=dict)
    books: dict[str, KrakenBook] = field(init=False, factory=dict)
    dead_man: DeadMan = field(init=False)
    _token: Secret = field(init=False, factory=lambda: Secret(""))
    _limits: Limits = field(init=False)
    _held_back: Events | None = field(init=False, factory=list)
    _dirty: set[str] = field(init=False, factory=set)
    _money_changed: bool = field(init=False, default=False)
    _positions: dict[str, Position] = field(init=False, factory=dict)
    _awaited: set[str] = field(init=False, factory=set)
    _complete: Deferred[None] = field(init=False, factory=Deferred)
    _renewing: set[str] = field(init=False, factory=set)
    _sequences: dict[str, int] = field(init=False, factory=dict)
    _rows: dict[str, Message] = field(init=False, factory=dict)
    _stopped: bool = field(init=False, default=False)
    _read_orders: Reread = field(init=False)
    _read_money: Reread = field(init=False)

    def __attrs_post_init__(self) -> None:
        period = self.options.reread
        self._limits = self.options.limits
        self._read_orders = Reread(self.clock, self._check_orders, self.trouble, delay=1.0, period=period)
        self._read_money = Reread(self.clock, self._check_money, self.trouble, delay=0.5, period=period)
        self.dead_man = DeadMan(self.clock, self.options.dead_man, self.arm, self.trouble)

    # ------------------------------------------------------------------------------------------------ the beginning

    async def read_markets(self) -> None:
        """What is listed, and which of it is followed."""
        assets, pairs = await together(
            self.rest.public("reading the assets", "Assets"), self.rest.public("reading the pairs", "AssetPairs")
        )
        markets = self.account.markets = Markets.parse(assets, pairs)
        for id, fault in markets.unusable.items():
            self.trouble(Unreachable(self.venue, "reading the pairs", f"{id} is left out: {fault}"))
        wanted = self.options.tickers or (("BTC/USD",) if "BTC/USD" in markets.pairs else ())
        for ticker in wanted:
            pair = markets.pairs.get(ticker.upper())
            if pair is None:
                known = ", ".join(sorted(markets.pairs)[:20]) or "none"
                raise Refused(self.venue, "reading the pairs", f"{ticker}: not listed; there are {known} …")
            self.followed[pair.ticker] = pair
            self.books[pair.ticker] = self._book(pair)

    def _book(self, pair: Pair) -> KrakenBook:
        return KrakenBook(pair.ticker, self.options.depth, pair.price_decimals, pair.lot_decimals)

    async def prepare(self, public: Session, private: Session | None) -> None:
        """Subscribe, wait for the snapshots; then find out what happened to orders meanwhile."""
        self.public, self.private = public, private
        symbols = list(self.followed)
        self._awaited = {f"book {symbol}" for symbol in symbols}
        if private is not None:
            self._awaited |= {"executions", "balances"}
            await self.new_token()
            await self._subscribe_private(private)
        if symbols:
            await self._subscribe("book", symbols, depth=self.options.depth, snapshot=True)
            await self._subscribe("trade", symbols, snapshot=False)
        await self._snapshots()
        if private is not None:
            await self._reconcile()

    async def _subscribe_private(self, session: Session) -> None:
        limit = self.options.deadline
        token = self._token.reveal()
        executions = {
            "channel": "executions", "snap_orders": True, "snap_trades": True, "order_status": True,
            "ratecounter": True, "token": token,
        }  # fmt: skip
        balances = {"channel": "balances", "snapshot": True, "token": token}
        answer = await session.ask("subscribing to executions", "subscribe", executions, About.READ, limit)
        self._note_limit(answer.get("result") or {})
        await session.ask("subscribing to balances", "subscribe", balances, About.READ, limit)

    def _note_limit(self, result: Mapping[str, Any]) -> None:
        told = result.get("maxratecount")
        if told is not None and not self.options.burst:
            self._limits = evolve(self._limits, orders=float(told))

    async def _subscribe(self, channel: str, symbols: Sequence[str], **more: Any) -> None:
        params = {"channel": channel, "symbol": list(symbols), **more}
        doing = f"subscribing to {channel} of {', '.join(symbols)}"
        answers = await self.public.ask_all(doing, "subscribe", params, About.READ, self.options.deadline, len(symbols))
        for answer in answers:
            if not answer.get("success"):
                raise self.public.refusal(doing, answer, About.READ)

    async def _snapshots(self) -> None:
        if not self._awaited:
            return
        missing = f"no snapshot of {', '.join(sorted(self._awaited))}"
        late = Unreachable(self.venue, "connecting", f"{missing} in {self.options.deadline:g} s")
        await bounded(self._complete, self.options.deadline, self.clock, lambda: late)

    def announce(self) -> None:
        """Tell the state as it was read, then what happened since; start to watch over it."""
        held_back, self._held_back = self._held_back or [], None
        self._dirty.update(self.followed)
        for event, arguments in held_back:
            self.tell(event, *arguments)
        self.flush()
        if self.private is not None:
            self._positions = {}
            self._tell_positions()
            self._read_orders.start()
            self._read_money.start()
            self.dead_man.watch(bool(self.account.open_orders()))

    def stop(self) -> None:
        """The connection is over; no timer is left behind."""
        self._stopped = True
        self._read_orders.stop()
        self._read_money.stop()
        self.dead_man.stop()
        if not self._complete.called:
            self._complete.errback(Unreachable(self.venue, "connecting", "connection lost"))
        self._complete.addErrback(lambda failure: None)

    # ------------------------------------------------------------------------------------------------ session token

    async def new_token(self) -> None:
        """A token for private requests; it lives as long as the connection that uses it."""
        result = await self.rest.private("asking for a session", "GetWebSocketsToken", priority=Priority.CANCEL)
        self._token = Secret(str(result["token"]))
        self.redactor.add(self._token)

    async def command(self, doing: str, method: str, params: Mapping[str, Any], about: About) -> Message:
        """A private request; asked again once with a new token when the venue does not know ours any more."""
        session, limit = self._session(doing), self.options.deadline
        told = {**params, "token": self._token.reveal()}
        try:
            return await session.ask(doing, method, told, about, limit)
        except NotAuthorised as error:
            if INVALID_SESSION not in error.why:
                raise
        await self.new_token()
        return await session.ask(doing, method, {**params, "token": self._token.reveal()}, about, limit)

    def _session(self, doing: str) -> Session:
        if self.private is None:
            raise NotAuthorised(self.venue, doing, "this client has no key; give it id and secret")
        return self.private

    async def arm(self, seconds: float) -> None:
        """The dead man's switch: whole seconds, 0 for off."""
        params = {"timeout": max(1, int(seconds)) if seconds else 0}
        await self.command("renewing the dead man's switch", "cancel_all_orders_after", params, About.OTHER)

    def disarm(self) -> None:
        """Switch the dead man's switch off without waiting for an answer."""
        if self.private is not None:
            params = {"timeout": 0, "token": self._token.reveal()}
            self.private.tell("cancel_all_orders_after", params)

    # ------------------------------------------------------------------------------------------------ messages

    def take(self, message: Message) -> None:
        """A push of any channel."""
        handler = {
            "book": self._take_book,
            "trade": self._take_trades,
            "executions": self._take_executions,
            "balances": self._take_balances,
            "status": self._take_status,
        }.get(str(message["channel"]))
        if handler is not None and self._in_sequence(message):
            handler(message)

    def _in_sequence(self, message: Message) -> bool:
        """Whether a message of the account is the next one; one seen before is dropped, a gap ends the connection."""
        channel, number = str(message["channel"]), message.get("sequence")
        if channel not in ("executions", "balances") or number is None:
            return True
        last = self._sequences.get(channel)
        if last is not None and number <= last and message.get("type") != "snapshot":
            return False
        self._sequences[channel] = number
        if last is not None and number > last + 1:
            self.trouble(Unreachable(self.venue, f"reading {channel}", f"messages {last + 1} to {number - 1} are lost"))
            self._session("reading").line.drop(f"a gap in {channel}")
            return False
        return True

    def unreadable(self, error: Exception) -> None:
        """Something that nobody can read: nothing held is certain any more, so the connection is made anew."""
        # Told after the loss, so that who hears of it does not find a connection that is about to go.
        trouble = Unreachable(self.venue, "reading", str(error))
        self.public.line.when_gone().addCallback(lambda _: self.trouble(trouble))
        for session in (self.public, self.private):
            if session is not None:
                session.line.drop("a message that nobody can read")

    def _take_status(self, message: Message) -> None:
        system = str(message["data"][0].get("system"))
        if system != "online":
            self.trouble(Unreachable(self.venue, "trading", f"the venue is in the state {system}"))

    def _take_book(self, message: Message) -> None:
        data = message["data"][0]
        ticker = str(data["symbol"])
        book = self.books.get(ticker)
        if book is None:
            return
        whole = message.get("type") == "snapshot"
        gap = book.snapshot(data) if whole else book.update(data)
        if whole:
            self._renewing.discard(ticker)
            self._arrived(f"book {ticker}")
        if gap and whole:
            self.unreadable(ValueError(f"book of {ticker}: {gap}, in a snapshot"))
        elif gap:
            self._fetch_again(ticker, gap)
        elif book.ready:
            self._dirty.add(ticker)

    def _fetch_again(self, ticker: str, why: str) -> None:
        """The book counts no more: told as empty, so that who relies on it stops; subscribed to again, once."""
        self.books[ticker].clear()
        self._dirty.add(ticker)
        if ticker in self._renewing or self._stopped:
            return
        self._renewing.add(ticker)
        self.trouble(Unreachable(self.venue, f"reading the book of {ticker}", f"{why}; it is fetched anew"))
        renewing = Deferred.fromCoroutine(self._renew(ticker))
        renewing.addErrback(self._not_renewed, ticker)
        reported(renewing, self.trouble)

    async def _renew(self, ticker: str) -> None:
        params = {"channel": "book", "symbol": [ticker], "depth": self.options.depth}
        doing = f"leaving the book of {ticker}"
        await self.public.ask(doing, "unsubscribe", params, About.READ, self.options.deadline)
        await self._subscribe("book", [ticker], depth=self.options.depth, snapshot=True)

    def _not_renewed(self, failure: Failure, ticker: str) -> None:
        self._renewing.discard(ticker)
        if not self._stopped:
            self.public.line.drop(f"the book of {ticker} could not be fetched anew: {failure.getErrorMessage()}")

    def _arrived(self, what: str) -> None:
        self._awaited.discard(what)
        if not self._awaited and not self._complete.called:
            self._complete.callback(None)

    def _take_trades(self, message: Message) -> None:
        if message.get("type") == "snapshot":
            return
        for row in message["data"]:
            ticker, number = str(row["symbol"]), int(row["trade_id"])
            if number <= self.last_trades.get(ticker, 0):
                continue
            self.last_trades[ticker] = number
            trade = Trade(
                contract=ticker,
                price=Decimal(row["price"]),
                quantity=Decimal(row["qty"]),
                timestamp=read_time(row["timestamp"]),
            )
            self._tell("trade", trade)

    def _take_balances(self, message: Message) -> None:
        whole = message.get("type") == "snapshot"
        self.account.take_balances(message["data"], whole)
        self._money_changed = True
        if whole:
            self._arrived("balances")

    def _take_executions(self, message: Message) -> None:
        whole = message.get("type") == "snapshot"
        for row in message["data"]:
            self._take_execution(row, whole)
        if whole:
            self._arrived("executions")

    def _take_execution(self, row: Message, whole: bool) -> None:
        update = of_execution(row)
        claimant = self.account.claimant(update)
        if claimant is not None and row.get("exec_type") != "canceled":
            # The stream may overtake the answer: then it tells the id, before anything else is told about the order.
            self.account.settle(claimant, update.id)
        is_trade = row.get("exec_type") == "trade"
        if whole and is_trade:
            self._take_old_trade(row)
            return
        merged = self._rows[update.id] = {**self._rows.get(update.id, {}), **row}
        order = self._take_trade(merged) if is_trade else self.account.take(update, self.clock.seconds())
        if order is None and update.id not in self.account.orders:
            self._read_orders.request()  # a partial message about an order never heard of
        if order is not None:
            self._tell_order(order)
        known = self.account.orders.get(update.id)
        if known is not None and known.final:
            self._rows.pop(update.id, None)

    def _take_trade(self, merged: Message) -> Tracked | None:
        update = of_execution(merged)
        if update.id not in self.account.orders:
            self.account.take(evolve(update, filled=None, cost=None, status="new"), self.clock.seconds())
        fill = fill_of_execution(self.account.markets, merged)
        fresh, order = self.account.take_fill(fill, update.filled, update.cost)
        if fresh:
            self._tell("fill", fill)
        if order is not None and update.status is not None:
            self.account.take(evolve(update, filled=None, cost=None), self.clock.seconds())
        return order if fresh else None

    def _take_old_trade(self, row: Message) -> None:
        """A fill of before the connection: told if its order was open then and nobody has told of it."""
        order = self.account.orders.get(str(row["order_id"]))
        if order is None or order.final:
            return
        fill = fill_of_execution(self.account.markets, row)
        fresh, _ = self.account.take_fill(fill, None, None)
        if fresh:
            self._tell("fill", fill)
            self._tell_order(order)

    def flush(self) -> None:
        """Tell the books and holdings that changed since the last time: once for all messages of one read."""
        if self._held_back is not None:
            return
        dirty, self._dirty = self._dirty, set()
        for ticker in dirty:
            self.tell("book", ticker, self.books[ticker].record())
        if self._money_changed:
            self._money_changed = False
            self._tell_positions()

    def _tell_order(self, order: Tracked) -> None:
        self._money_changed = True  # what orders hold
        self._tell("order", order.record())
        if self._held_back is None:
            self.dead_man.watch(bool(self.account.open_orders()))

    def _tell(self, event: str, *arguments: Any) -> None:
        if self._held_back is None:
            self.tell(event, *arguments)
        else:
            self._held_back.append((event, arguments))

    def _tell_positions(self) -> None:
        before, self._positions = self._positions, self.account.position_records()
        for ticker, position in self._positions.items():
            if position != before.get(ticker):
                self.tell("position", ticker, position)

    # ------------------------------------------------------------------------------------------------ reads

    async def read_book(self, pair: Pair) -> Book:
        """The book as it is kept, brought up to date, or as the venue tells it where it is not followed.

        What the venue sent before it answers a ping has been read when the answer comes: the line keeps the order.
        """
        doing = f"reading the book of {pair.ticker}"
        kept = self.books.get(pair.ticker)
        if kept is not None:
            await self.public.ping(doing, self.options.deadline)
            if kept.ready:
                return kept.record()
        result = await self.rest.public(doing, "Depth", {"pair": pair.altname, "count": _BOOKS_READ})
        rows = next(iter(result.values()))
        book = KrakenBook(pair.ticker, _BOOKS_READ, pair.price_decimals, pair.lot_decimals)
        book.snapshot(
            {side: [{"price": row[0], "qty": row[1]} for row in rows.get(side, ())] for side in ("bids", "asks")}
        )
        return book.record()

    async def read_positions(self) -> dict[str, Position]:
        """Holdings as the venue has them."""
        self.account.replace_balances(await self.rest.private("reading positions", "BalanceEx"))
        if self._held_back is None:
            self._tell_positions()
        return self.account.position_records()

    async def read_open_orders(self) -> list[Tracked]:
        """Open orders as the venue has them; those that were open here and are not any more are settled on the way."""
        asked_about = [order.id for order in self.account.open_orders()]
        result = await self.rest.private("reading open orders", "OpenOrders")
        rows: dict[str, Message] = result["open"]
        self._take_rows(rows)
        await self._look_up([id for id in asked_about if id not in rows])
        return [order for order in self.account.open_orders() if order.id in rows]

    async def find_order(self, doing: str, id: str) -> Tracked | None:
        """One order by its id; None when the venue never had it."""
        rows = await self.rest.private(doing, "QueryOrders", {"txid": id})
        self._take_rows(rows or {})
        return self.account.orders.get(id) if rows else None

    async def find_by_client_id(self, doing: str, client_id: str) -> Tracked | None:
        """The newest order that bears a client id, open or not; None when there is none."""
        for method, level in (("OpenOrders", "open"), ("ClosedOrders", "closed")):
            rows = (await self.rest.private(doing, method, {"cl_ord_id": client_id}))[level]
            mine = {id: row for id, row in rows.items() if row.get("cl_ord_id") == client_id}
            self._take_rows(mine)
            if mine:
                return self.account.orders.get(max(mine, key=lambda id: Decimal(str(mine[id]["opentm"]))))
        return None

    async def _reconcile(self) -> None:
        """After the snapshots: what the venue holds, and orders that ended while nobody listened."""
        await self.read_open_orders()
        await self.read_positions()

    def _take_rows(self, rows: Mapping[str, Message]) -> None:
        for id, row in rows.items():
            update = of_order(self.account.markets, id, row)
            claimant = self.account.claimant(update)
            if claimant is not None:
                self.account.settle(claimant, id)
            order = self.account.take(update, self.clock.seconds())
            if order is not None:
                self._tell_order(order)

    async def _look_up(self, ids: Sequence[str]) -> None:
        for start in range(0, len(ids), LOOKED_UP):
            asked = ",".join(ids[start : start + LOOKED_UP])
            self._take_rows(await self.rest.private("looking up orders", "QueryOrders", {"txid": asked}) or {})

    async def _check_orders(self) -> None:
        await self.read_open_orders()

    async def _check_money(self) -> None:
        await self.read_positions()

    # ------------------------------------------------------------------------------------------------ placing

    def spend(self, ticker: str, action: str, doing: str, priority: Priority, order_id: str | None = None) -> None:
        """Count an action on the pair's counter.

        :raise RateLimited: the venue would refuse it; cancels are always sent.
        """
        now = self.clock.seconds()
        counter = self.counters.setdefault(ticker, Counter(self._limits.orders, self._limits.order_drain))
        counter.maximum = self._limits.orders
        order = None if order_id is None else self.account.orders.get(order_id)
        cost = cost_of(action, 0.0 if order is None else now - order.seen_at)
        if priority is Priority.CANCEL:
            counter.add(cost, now)
            return
        reserve = 0.0 if priority is Priority.HEDGE else min(self.options.reserve, counter.maximum / 2)
        if not counter.fits(cost, now, reserve):
            why = f"the order counter of {ticker} is full; nothing was sent"
            raise RateLimited(self.venue, doing, why, retry_after=max(0.1, counter.wait(cost, now, reserve)))

    def place(self, pair: Pair, params: Mapping[str, Any], doing: str) -> Deferred[str]:
        """Send an order once; fires with its id as soon as the answer, the stream or a lookup tells it.

        Cancelling the Deferred ends the waiting only: what was sent stays sent, and the order is told of by events.
        """
        order = self.account.begin(pair.ticker, str(params["cl_ord_id"]))
        self.dead_man.watch(True)
        return placed(order, self._send(doing, params, order), self.account.settle, self.trouble)

    async def _send(self, doing: str, params: Mapping[str, Any], order: Provisional) -> None:
        try:
            answer = await self.command(doing, "add_order", params, About.PLACE)
            order_id = str((answer.get("result") or {}).get("order_id") or "")
            if not order_id:
                raise OutcomeUnknown(self.venue, doing, "an answer without an id")
        except OutcomeUnknown as doubt:
            await self._recover(doing, order, doubt)
            return
        except RateLimited:
            counter = self.counters.get(order.ticker)
            if counter is not None:
                now = self.clock.seconds()
                counter.add(max(0.0, counter.maximum - counter.level(now)), now)
            raise
        self.account.settle(order, order_id)

    async def _recover(self, doing: str, order: Provisional, doubt: OutcomeUnknown) -> None:
        """No answer: the stream may have told the id by now, else the venue is asked.  Never sent again."""
        if order.order_id is not None:
            return
        try:
            found = await self.find_by_client_id(f"{doing}: looking for it", order.client_id)
        except ExchangeError:
            found = None
        if found is None and order.order_id is None:
            self._read_orders.request()
            raise doubt
