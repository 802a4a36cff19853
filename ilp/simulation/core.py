"""A whole simulated venue without a wire: accounts, orders, matching, fees, money in and out, history.  Pure: no Twisted.

Overview for whoever builds on it
---------------------------------
Modules under this one: `contracts` (currencies, pairs, steps, conversions), `rules` (fees and holds; a venue overrides
them; `Account`), `records` (frozen records and every event), `rejections` (every way to say no), `treasury` (this class
without its markets), `matching` (the book), `ledger` (double entry), `settlement` (what a match moves), `orders`, `tape`
and `bars` (what is remembered), `cashier` (addresses, deposits, withdrawals).  Everything is in integer wire units; times
are aware UTC datetimes (`micros` makes whole microseconds of them); sides are `clients.exchange.Side`.

::

    core = Core(now, currencies=[BTC, HUF], pairs=[BTC_HUF], rules=Rules(), venue="target")
    core.open_account("alice", factors=FeeFactors(100, 0))
    core.endow("alice", "HUF", 10_000_000)               # money from outside, recorded as a deposit
    stop = core.subscribe(print)                         # a callback for every event
    order = core.place("alice", "BTC/HUF", Side.BUY, 6_100_000, 4_000_000)     # returns it as it is after matching
    core.cancel("alice", order.id)                       # True taken off, False too late; raises UnknownOrder, …

Reading: `book`, `order`, `open_orders`, `balance`, `hold`, `available`, `holdings`, `postings`, `fills`, `trades`, `bars`,
`withdrawals`, `deposits`, `house`, `owed`, `had`.  Money: `current_address`, `new_address`, `deposit`, `withdraw`,
`complete_withdrawal`, `cancel_withdrawal`, `claim_deposit`, `endow`.

Events
------
Every public call that changes something first changes everything, then delivers its events, in this order, to all
listeners (records carry the values *of their moment*).  A listener may call the core again: the events of that call come
after those of the first.  A listener must not raise.

Placing an order: `OrderAccepted` (its id is known: answer the RPC here); the engine's part: for each match `Matched`,
`BookChanged`; `BookChanged` if the rest comes to rest; then the accountant's part: `OrderChanged(PLACED)` with the full
quantity left; for each match, first for the aggressive order: `Posted` quote, `Posted` base, `Posted` fee (also when it is
0), `OrderChanged(FILLED)`, `Filled`, then `BarClosed`…, `Traded`, then the same five for the passive order; at the
end `OrderChanged(CANCELLED)` if the order was immediate and something is left.

Cancelling: `BookChanged`, `OrderChanged(CANCELLED)`.  Amending: `BookChanged` of what was taken off or made smaller,
`OrderChanged(AMENDED)`, then, when it lost its place, the matches as above without `PLACED`.
Withdrawing: `Posted` fee, `Posted` net, `WithdrawalChanged`.  Deposits: `Posted` amount, `Posted` fee, `DepositChanged`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from attrs import evolve

from clients.exchange import Period, Side
from ilp.simulation.contracts import Currency, Pair
from ilp.simulation.matching import OrderBook
from ilp.simulation.orders import OrderTable
from ilp.simulation.records import (
    Bar,
    BarClosed,
    BookChanged,
    BookSnapshot,
    Change,
    Fill,
    Filled,
    Match,
    Matched,
    Order,
    OrderAccepted,
    OrderChanged,
    Posted,
    Posting,
    PostingType,
    Trade,
    Traded,
)
from ilp.simulation.rejections import (
    AccountDisabled,
    BelowMinimum,
    ContractNotActive,
    DuplicateClientId,
    InsufficientFunds,
    InvalidPriceQuantity,
    NotPermitted,
    NotTradable,
    NotYourOrder,
    OrderCancelled,
    UnknownContract,
    WouldCross,
)
from ilp.simulation.rules import Account, Rules
from ilp.simulation.settlement import Half, cleared, half
from ilp.simulation.tape import Tape
from ilp.simulation.treasury import Holding, Treasury

__all__ = ["Core", "Holding", "from_micros", "micros"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(at: datetime) -> int:
    """Whole microseconds since 1970, exactly."""
    return (at - _EPOCH) // _MICROSECOND


def from_micros(stamp: int) -> datetime:
    """The aware UTC time of whole microseconds since 1970."""
    return _EPOCH + stamp * _MICROSECOND


class Core(Treasury):
    """One venue.

    :param now: the world's time, aware UTC.
    :param history: how many final orders, fills and postings an account remembers, and trades a pair.
    :param address: makes a deposit address out of a currency's ticker and a running number.
    """

    def __init__(
        self,
        now: Callable[[], datetime],
        currencies: Iterable[Currency],
        pairs: Iterable[Pair],
        *,
        rules: Rules | None = None,
        venue: str = "venue",
        history: int = 50_000,
        address: Callable[[str, int], str] | None = None,
    ) -> None:
        super().__init__(now, currencies, rules if rules is not None else Rules(), venue, history, address)
        self.pairs = {pair.ticker: pair for pair in pairs}
        self._books = {ticker: OrderBook() for ticker in self.pairs}
        self._orders = OrderTable(history)
        self._tape = Tape(self.pairs, history)
        self._last_id = 0
        self._last_stamp = _EPOCH

    def hold(self, account: str, currency: str) -> int:
        """What the open orders of an account keep from being spent otherwise."""
        return self._orders.hold(account, currency)

    def _limit(self, account: str, history: int) -> None:
        super()._limit(account, history)
        self._orders.limit(account, history)
        self._tape.limit(account, history)

    # -------------------------------------------------------------------------------------------------------- placing

    def place(
        self,
        account: str,
        contract: str,
        side: Side,
        price: int,
        quantity: int,
        *,
        post_only: bool = False,
        immediate: bool = False,
        client_id: str | None = None,
    ) -> Order:
        """Place a limit order and match it; returns it as it is after that.

        :param post_only: refused with `WouldCross` if it would match at once.
        :param immediate: what does not match at once is cancelled.
        :raises Rejection: see `rejections`; checked in the order contract, price and quantity, account, funds.
        """
        pair = self._tradable(contract)
        _check_steps(pair, price, quantity)
        owner = self._trader(account)
        if client_id is not None and self._orders.knows_client_id(account, client_id):
            raise DuplicateClientId(f"client order id {client_id!r} was used before")
        # Permission and funds are looked at with the id already drawn: what they refuse burns it, as Sputnik does.
        self._last_id += 1
        order = Order(
            self._last_id, account, contract, side, price, quantity, quantity, self._stamp(),
            client_id=client_id, post_only=post_only, immediate=immediate,
        )  # fmt: skip
        if not owner.may_trade:
            raise NotPermitted(f"{account} may not trade")
        self._check_crossing(order)
        self._check_funds(pair, owner, order)
        self._keep(order)
        self._emit(OrderAccepted(order))
        self._run(pair, order, Change.PLACED)
        self._deliver()
        return self._orders.get(order.id)

    def _tradable(self, contract: str) -> Pair:
        pair = self.pairs.get(contract)
        if pair is None:
            if contract in self.currencies:
                raise NotTradable(f"{contract} is a currency, not a market")
            raise UnknownContract(f"{self.venue} has no contract {contract!r}")
        if not pair.active:
            raise ContractNotActive(f"{contract} is switched off")
        return pair

    def _trader(self, account: str) -> Account:
        owner = self.account(account)
        if not owner.enabled:
            raise AccountDisabled(f"{account} is disabled")
        return owner

    def _check_crossing(self, order: Order) -> None:
        if order.post_only and self._books[order.contract].crosses(order.side, order.price):
            raise WouldCross(f"{order.contract}: a post-only {order.side} at {order.price} would match at once")

    def _check_funds(self, pair: Pair, owner: Account, order: Order) -> None:
        kept = self._orders.held_by(order.id)
        for currency, amount in self.rules.hold(pair, owner, order):
            free = self.available(owner.name, currency) + kept.get(currency, 0)
            if amount > 0 and amount > free:
                raise InsufficientFunds(f"{owner.name} needs {amount} units of {currency} and has {free} available")

    def _stamp(self) -> datetime:
        """The time, at least a microsecond after the last one: price-time priority has no ties."""
        self._last_stamp = max(self.now(), self._last_stamp + _MICROSECOND)
        return self._last_stamp

    # ------------------------------------------------------------------------------------------------------- matching

    def _run(self, pair: Pair, order: Order, change: Change) -> None:
        """Engine first, accountant after it: the book's events come before all bookings of the order."""
        matches, left = self._match(order)
        if left and not order.immediate:
            self._books[order.contract].add(order.id, order.side, order.price, left)
            self._tell_book(order.contract, order.side, order.price)
        self._emit(OrderChanged(order, change))
        for match in matches:
            self._settle(pair, match)
        if left and order.immediate:
            self._finish(self._orders.get(order.id))

    def _match(self, order: Order) -> tuple[list[Match], int]:
        book, matches, left = self._books[order.contract], [], order.quantity_left
        while left and (hit := book.take(order.side, order.price, left)) is not None:
            match = Match(
                self._tape.next_trade_id(), order.contract, hit.price, hit.quantity, order.timestamp,
                order.id, hit.order_id, order.side,
            )  # fmt: skip
            matches.append(match)
            left -= hit.quantity
            self._emit(Matched(match))
            self._tell_book(order.contract, order.side.opposite, hit.price)
        return matches, left

    def _tell_book(self, contract: str, side: Side, price: int) -> None:
        if self._listeners:
            total = self._books[contract].total(side, price)
            self._queue.append(BookChanged(contract, side, price, total, self.book(contract)))

    def _settle(self, pair: Pair, match: Match) -> None:
        """Book a match and tell it: the aggressive half, the public trade, the passive half."""
        aggressive = self._half(pair, match, match.aggressive_id)
        passive = self._half(pair, match, match.passive_id)
        legs = [*aggressive.legs, *passive.legs, *aggressive.shares, *passive.shares]
        lines = self._ledger.book(PostingType.TRADE, [*legs, *cleared(legs)])
        self._tell_half(aggressive, lines[:3])
        self._record(Trade(match.trade_id, match.contract, match.price, match.quantity, match.timestamp, match.side))
        self._tell_half(passive, lines[3:6])

    def _half(self, pair: Pair, match: Match, order_id: int) -> Half:
        order = self._orders.get(order_id)
        owner = self.accounts[order.account]
        return half(pair, self.rules, owner, order, match, aggressive=order_id == match.aggressive_id)

    def _tell_half(self, part: Half, lines: Iterable[Posting]) -> None:
        for line in lines:
            self._emit(Posted(line))
        self._keep(part.order)
        self._emit(OrderChanged(part.order, Change.FILLED))
        self._tape.add_fill(part.fill)
        self._emit(Filled(part.fill))

    def _record(self, trade: Trade) -> None:
        for bar in self._tape.add_trade(trade):
            self._emit(BarClosed(bar))
        self._emit(Traded(trade))

    # --------------------------------------------------------------------------------------------- cancel and amend

    def cancel(self, account: str, order_id: int) -> bool:
        """Take an order off the book: True done, False too late (it is filled).

        :raises UnknownOrder, NotYourOrder, OrderCancelled: see there.
        """
        order = self._own(account, order_id)
        if order.quantity_left == 0:
            if self.rules.cancel_marks_filled:
                self._finish(order)
                self._deliver()
            return False
        self._take_off(order)
        self._finish(order)
        self._deliver()
        return True

    def cancel_all(self, account: str | None = None, contract: str | None = None) -> list[int]:
        """Cancel every open order (of an account, of a contract); returns their ids.  Venues do that uninvited, too."""
        wanted = [order for order in self.open_orders(account) if contract in (None, order.contract)]
        for order in wanted:
            self._take_off(order)
            self._finish(order)
        self._deliver()
        return [order.id for order in wanted]

    def amend(self, account: str, order_id: int, *, quantity: int | None = None, price: int | None = None) -> bool:
        """Change an open order; *quantity* counts what is filled already.  False when it was too late.

        Only a smaller quantity keeps its place in the queue; anything else is stamped anew and may match at once.
        """
        order = self._own(account, order_id)
        if order.quantity_left == 0:
            return False
        pair = self._tradable(order.contract)
        total = order.quantity if quantity is None else quantity
        changed = evolve(
            order,
            price=order.price if price is None else price,
            quantity=total,
            quantity_left=total - order.quantity_filled,
        )
        _check_steps(pair, changed.price, changed.quantity)
        if changed.quantity_left <= 0:
            raise InvalidPriceQuantity(f"order {order_id}: {order.quantity_filled} of it is filled already")
        self._check_crossing(changed)
        self._check_funds(pair, self._trader(account), changed)
        self._amend(pair, order, changed)
        self._deliver()
        return True

    def _amend(self, pair: Pair, order: Order, changed: Order) -> None:
        if changed.price == order.price and changed.quantity_left <= order.quantity_left:
            self._books[order.contract].reduce(order.id, order.side, order.price, changed.quantity_left)
            self._tell_book(order.contract, order.side, order.price)
            self._keep(changed)
            self._emit(OrderChanged(changed, Change.AMENDED))
            return
        self._take_off(order)
        changed = evolve(changed, timestamp=self._stamp())
        self._keep(changed)
        self._run(pair, changed, Change.AMENDED)

    def _own(self, account: str, order_id: int) -> Order:
        order = self.order(order_id)
        if order.account != account:
            raise NotYourOrder(f"order {order_id} is not {account}'s")
        if order.is_cancelled:
            raise OrderCancelled(f"order {order_id} was cancelled before")
        return order

    def _take_off(self, order: Order) -> None:
        self._books[order.contract].remove(order.id, order.side, order.price)
        self._tell_book(order.contract, order.side, order.price)

    def _finish(self, order: Order) -> None:
        cancelled = evolve(order, is_cancelled=True)
        self._keep(cancelled)
        self._emit(OrderChanged(cancelled, Change.CANCELLED))

    def _keep(self, order: Order) -> None:
        needs = () if order.final else self.rules.hold(self.pairs[order.contract], self.accounts[order.account], order)
        self._orders.keep(order, needs)

    def order(self, order_id: int) -> Order:
        """An order by its id, final or not; `UnknownOrder` when there is none, or it was forgotten."""
        return self._orders.get(order_id)

    def order_by_client_id(self, account: str, client_id: str) -> Order:
        """An own order by the id its owner gave it."""
        return self._orders.by_client_id(account, client_id)

    def open_orders(self, account: str | None = None) -> list[Order]:
        """Orders that may still trade, oldest first."""
        if account is not None:
            self.account(account)
        return self._orders.open(account)

    # ------------------------------------------------------------------------------------------------------- markets

    def book(self, contract: str) -> BookSnapshot:
        """The whole aggregated book, best first."""
        if contract not in self._books:
            raise UnknownContract(f"{self.venue} has no market {contract!r}")
        book = self._books[contract]
        return BookSnapshot(contract, book.rows(Side.BUY), book.rows(Side.SELL))

    def trades(self, contract: str, start: datetime, end: datetime) -> list[Trade]:
        """Trades of a market, both ends included, oldest first."""
        return self._tape.trades(contract, start, end)

    def fills(self, account: str, start: datetime, end: datetime) -> list[Fill]:
        """Fills of an account, both ends included, oldest first."""
        self.account(account)
        return self._tape.fills(account, start, end)

    def bars(self, contract: str, period: Period, start: datetime, end: datetime) -> list[Bar]:
        """Bars that overlap the interval, oldest first, the running one included."""
        return self._tape.bars(contract, period, start, end)

    def load_bar(self, bar: Bar) -> None:
        """Add a bar of a history from before the first trade here."""
        self._tape.load_bar(bar)

    def print_trade(self, contract: str, price: int, quantity: int, side: Side = Side.BUY) -> Trade:
        """Record a trade between parties that have no account in this simulation; no order and no balance changes."""
        _check_steps(self._tradable(contract), price, quantity)
        trade = Trade(self._tape.next_trade_id(), contract, price, quantity, self._stamp(), side)
        self._record(trade)
        self._deliver()
        return trade

    def open_market(self, pair: Pair) -> None:
        """Trade *pair* from now on; ValueError when there is one of its ticker."""
        if pair.ticker in self.pairs:
            raise ValueError(f"{pair.ticker} is traded already")
        self.pairs[pair.ticker] = pair
        self._books[pair.ticker] = OrderBook()
        self._tape.open(pair.ticker)

    def switch(self, contract: str, *, active: bool) -> None:
        """Switch a market on or off; off refuses new orders and leaves the resting ones."""
        self.pairs[contract] = evolve(self.pairs[contract], active=active)


def _check_steps(pair: Pair, price: int, quantity: int) -> None:
    if price <= 0 or price % pair.tick:
        raise InvalidPriceQuantity(f"{pair.ticker}: price {price} is not a positive multiple of {pair.tick}")
    if pair.highest_price is not None and price > pair.highest_price:
        raise InvalidPriceQuantity(f"{pair.ticker}: price {price} is above {pair.highest_price}")
    if quantity <= 0 or quantity % pair.lot:
        raise InvalidPriceQuantity(f"{pair.ticker}: quantity {quantity} is not a positive multiple of {pair.lot}")
    if quantity < pair.min_quantity:
        raise BelowMinimum(f"{pair.ticker}: quantity {quantity} is below the minimum of {pair.min_quantity}")
    value = abs(pair.cash(quantity, price))
    if value < pair.min_value:
        raise BelowMinimum(f"{pair.ticker}: a value of {value} is below the minimum of {pair.min_value}")
