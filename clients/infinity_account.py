"""What is held of an Infinity account: own orders as they are, and balances with what is lent and borrowed.

Knows no connection.  The uniform interface's BUY borrows and its SELL lends: a buyer wants a low price, a borrower a low
rate.  So a position in a market is the venue's number with the other sign, and `net_lent` tells the venue's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal

from attrs import define, field

from clients.exchange import Fill, Order, Position, Side
from clients.infinity_client_ids import from_wire
from clients.infinity_events import UserTradeEvent
from clients.infinity_private_records import Account as AccountRow
from clients.infinity_private_records import AccountPosition, MyOrder, OrderFill, OwnTrade
from clients.infinity_records import moment
from clients.infinity_terms import AccountType, Instrument, OrderSide, OrderStatus, Quantity, Rate
from clients.provisional import Provisional
from clients.remembered import REMEMBERED, Remembered

__all__ = ["Account", "Holding", "Tracked", "fill_of_event", "fill_of_trade", "side_of", "way_of"]

ZERO = Decimal(0)
_ASKED_AT_MOST = 3  # for the rates of an order's fills: a venue that has forgotten them will not remember


class Holding(Position, total=False):
    """A holding with what only this venue has.

    Of a token: `locked` by own orders, `accounts` balance by account; `lent` is of all markets together.  Of a market:
    `net_lent` as the venue counts, the `rate` of a fixed one, `accrued` interest, `mtm` and `pv` in tokens, and when it
    matures.
    """

    locked: Decimal
    accounts: dict[str, Decimal]
    net_lent: Decimal
    rate: Decimal | None
    accrued: Decimal
    mtm: Decimal | None
    pv: Decimal | None
    maturity: datetime | None


def side_of(side: Side) -> OrderSide:
    """BUY borrows, SELL lends."""
    return OrderSide.BORROW if side is Side.BUY else OrderSide.LEND


def way_of(borrow: bool) -> Side:
    """The uniform side of an answer's flag."""
    return Side.BUY if OrderSide.of_flag(borrow) is OrderSide.BORROW else Side.SELL


@define(eq=False)
class Tracked:
    """One own order.

    :ivar row: as the venue told it last.
    :ivar client_id: as whoever placed it called it, as far as that is known.
    :ivar seen: whether anybody was told of it; before that nothing is emitted about it.
    :ivar refused: whoever placed it was told that it was refused, and nobody is told of it any more.
    :ivar asked: how often the venue was asked for the rates of its fills.
    :ivar listed: whether the venue's list of open orders had it when it was last read; None before.
    :ivar matches: of the stream, by trade id.
    :ivar listed_matches: of the order's row or of the answer that placed it, which number them otherwise or not at all.
    :ivar told_average: the venue's own mean rate, with how much was filled then.
    """

    row: MyOrder
    client_id: str | None = None
    seen: bool = True
    refused: bool = field(default=False, init=False)
    asked: int = field(default=0, init=False)
    listed: bool | None = None
    matches: dict[int, OrderFill] = field(factory=dict)
    listed_matches: tuple[OrderFill, ...] = ()
    told_average: tuple[Quantity, Rate] | None = None

    def learn(self, row: MyOrder) -> None:
        """Keep what a row tells of the order's matches."""
        if row.trades:
            self.listed_matches = row.trades
        if row.average_trade_rate is not None:
            self.told_average = row.fulfilled, row.average_trade_rate

    @property
    def id(self) -> str:
        """The venue's id."""
        return str(self.row.order_id)

    @property
    def filled(self) -> Quantity:
        """So much was matched, as the venue tells."""
        return self.row.fulfilled

    @property
    def status(self) -> OrderStatus | int:
        """Where it is; a number where nobody knows what it means."""
        return OrderStatus.known(self.row.status)

    @property
    def final(self) -> bool:
        """Whether nothing more can happen to it.  A code that nobody knows is settled by the list of open orders."""
        status = self.status
        if isinstance(status, OrderStatus) and status is not OrderStatus.PARTIALLY_FILLED:
            return not status.live
        if self.filled >= self.row.quantity:
            return True
        return not self.listed if status is OrderStatus.PARTIALLY_FILLED else self.listed is False

    @property
    def average(self) -> Rate | None:
        """The mean rate of what was matched, once everything of it is known."""
        if not self.filled:
            return None
        for found in (tuple(self.matches.values()), self.listed_matches):
            told = sum((match.quantity.value for match in found), ZERO)
            if told == self.filled.value:
                return Rate(sum((match.rate.value * match.quantity.value for match in found), ZERO) / told)
        average = self.told_average
        return average[1] if average is not None and average[0] == self.filled else None

    @property
    def died(self) -> bool:
        """Refused by the venue without a trade: a passive order that would have matched, for instance."""
        return self.status in (OrderStatus.AUTO_CANCELLED, OrderStatus.ERROR) and not self.filled

    def record(self) -> Order:
        """For the uniform interface.  Fees are left out: the venue tells none by order."""
        row, average = self.row, self.average
        order = Order(
            id=self.id,
            contract=row.instrument_id,
            price=(row.rate or average or Rate(0)).value,
            quantity=row.quantity.value,
            quantity_left=max(ZERO, (row.quantity - self.filled).value),
            side=way_of(row.side),
            timestamp=moment(row.order_date or row.update_date or 0),
            is_cancelled=self.final and self.filled < row.quantity,
            quantity_filled=self.filled.value,
            final=self.final,
            client_id=self.client_id,
        )
        if average is not None or not self.filled:  # else it is read soon
            order["average_price"] = None if average is None else average.value
        return order


@define(eq=False)
class Account:
    """Orders by id, orders on their way by client id, money.

    :ivar name_of: what a token is called here, by the venue's code.
    :ivar names: what whoever placed an order called it, by the client id that the venue has; until the order is known.
    :ivar trading, current: ids of the two accounts, as far as the user has them.
    """

    name_of: Callable[[str], str] = str
    orders: Remembered[str, Tracked] = field(factory=lambda: Remembered(lambda order: order.final, REMEMBERED))
    provisional: dict[str, Provisional] = field(factory=dict)
    names: dict[str, str] = field(factory=dict)
    trading: int | None = None
    current: int | None = None
    held: tuple[AccountRow, ...] = ()
    positions: tuple[AccountPosition, ...] = ()

    # ------------------------------------------------------------------------------------------------ orders

    def begin(self, ticker: str, client_id: str, name: str) -> Provisional:
        """An order is about to be sent; *name* is its client id as whoever places it knows it."""
        while len(self.names) >= REMEMBERED:  # of orders that never came to be
            del self.names[next(iter(self.names))]
        self.names[client_id] = name
        order = self.provisional[client_id] = Provisional(client_id, ticker)
        return order

    def settle(self, order: Provisional, order_id: str | None) -> None:
        """The id of *order* is told, by the answer or by an event, or it will not be told."""
        if self.provisional.get(order.client_id) is order:
            del self.provisional[order.client_id]
        order.settle(order_id)

    def _name(self, row: MyOrder) -> str | None:
        wire = row.client_order_id
        return self.names.pop(wire, None) or from_wire(wire) if wire is not None else None

    def claimant(self, row: MyOrder) -> Provisional | None:
        """The order on its way that *row* is about; one that is known already is none, whatever its client id."""
        known = str(row.order_id) in self.orders
        return None if known or row.client_order_id is None else self.provisional.get(row.client_order_id)

    def in_use(self, client_id: str) -> bool:
        """Whether an order of ours that may still trade has that client id."""
        return client_id in self.provisional or any(o.row.client_order_id == client_id for o in self.open_orders())

    def take(self, row: MyOrder, *, seen: bool = True, listed: bool | None = None) -> Tracked | None:
        """Merge a row; the order if anything about it is new to whoever is told, else None.

        Rows of different ways may overtake each other: what is older than the row held, or would take back a fill or a
        final state, is dropped.
        """
        order = self.orders.get(str(row.order_id))
        if order is None:
            order = self.orders[str(row.order_id)] = Tracked(row, self._name(row), seen, listed)
            order.learn(row)
            return order if seen else None
        before = order.record() if order.seen else None
        if not _is_older(row, order):
            order.row = _merged(order.row, row)
            order.listed = listed if listed is not None else order.listed
            order.learn(row)
            self.orders[order.id] = order
        order.seen = (order.seen or seen) and not order.refused
        return order if order.seen and order.record() != before else None

    def take_fill(self, event: UserTradeEvent) -> bool:
        """A match that the stream tells; False where it was told before.  What was filled in all, the order's row tells."""
        order = self.orders.get(str(event.order_id))
        if order is None:
            return True
        new = event.trade_id not in order.matches
        order.matches[event.trade_id] = OrderFill(rate=event.rate, quantity=event.quantity)
        return new

    def incomplete(self) -> list[Tracked]:
        """Orders of which something was filled at a rate that nobody has told yet."""
        return [
            order
            for order in self.orders.values()
            if order.filled and order.average is None and order.seen and order.asked < _ASKED_AT_MOST
        ]

    def open_orders(self) -> list[Tracked]:
        """Orders that may still trade, as far as is known."""
        return self.orders.open()

    # ------------------------------------------------------------------------------------------------ money

    def take_money(self, held: Iterable[AccountRow], positions: Iterable[AccountPosition]) -> None:
        """All of it, freshly read."""
        self.held, self.positions = tuple(held), tuple(positions)

    def note_accounts(self, accounts: Iterable[AccountRow]) -> None:
        """Which accounts there are."""
        by_type = {account.type: account.account_id for account in accounts}
        self.trading, self.current = by_type.get(AccountType.TRADING), by_type.get(AccountType.CURRENT)

    def token_records(self) -> dict[str, Holding]:
        """Tokens: what all accounts hold of them, and what is lent or borrowed besides."""
        found: dict[str, Holding] = {}
        for account in self.held:
            known = AccountType.known(account.type)
            name = known.text if isinstance(known, AccountType) else account.name or str(account.account_id)
            for token in account.tokens:
                one = found.setdefault(code := self.name_of(token.code), _token_holding(code))
                one["position"] += token.quantity.value
                one["available"] += token.available.value
                one["locked"] += token.locked_quantity.value
                one["accounts"][name] = one["accounts"].get(name, ZERO) + token.quantity.value
        for position in self.positions:
            code = self.name_of(Instrument.parse(position.instrument_id).token)
            holding = found.setdefault(code, _token_holding(code))
            owed = position.net_positions
            holding["lent"] += position.quantity.value + position.accrued_interest.value if owed is None else owed.value
        return found

    def position_records(self, markets: Iterable[str]) -> dict[str, Holding]:
        """Holdings by token and by market; *markets* are told also where nothing is held."""
        found = self.token_records()
        for id in markets:
            found[id] = _market_holding(id)
        for position in self.positions:
            id = position.instrument_id
            one = _market_holding(id, -position.quantity.value)
            one["net_lent"] = position.quantity.value
            one["rate"] = None if position.rate is None else position.rate.value
            one["accrued"] = position.accrued_interest.value
            one["mtm"] = None if position.mtm is None else position.mtm.value
            one["pv"] = None if position.pv is None else position.pv.value
            one["maturity"] = None if position.maturity_date is None else moment(position.maturity_date)
            found[id] = one
        return found


def _token_holding(code: str) -> Holding:
    return Holding(contract=code, position=ZERO, available=ZERO, locked=ZERO, accounts={}, lent=ZERO)


def _market_holding(id: str, position: Decimal = ZERO) -> Holding:
    # A position is no money: nothing of it can be spent, it is closed by the opposite order.
    return Holding(
        contract=id, position=position, available=ZERO, net_lent=ZERO, rate=None, accrued=ZERO, mtm=None, pv=None,
        maturity=None,
    )  # fmt: skip


def _is_older(row: MyOrder, order: Tracked) -> bool:
    if row.fulfilled < order.filled:
        return True
    if order.final and row.status != order.row.status:
        known = OrderStatus.known(row.status)
        return not isinstance(known, OrderStatus) or known.live
    return row.update_date is not None and order.row.update_date is not None and row.update_date < order.row.update_date


def _merged(old: MyOrder, new: MyOrder) -> MyOrder:
    """*new*, with what only *old* told."""
    known = {name: getattr(new, name) for name in MyOrder.__struct_fields__}
    for name in MyOrder.__struct_fields__:
        if known[name] is None:
            known[name] = getattr(old, name)
    return MyOrder(**known)


def fill_of_event(event: UserTradeEvent, instrument: str) -> Fill:
    """A match that the stream tells.  Without an id: lists name the same match by another one."""
    return Fill(
        id=None,
        order_id=str(event.order_id),
        contract=event.instrument_id or instrument,
        side=way_of(event.side),
        price=event.rate.value,
        quantity=event.quantity.value,
        fees={},
        timestamp=moment(event.date),
    )


def fill_of_trade(trade: OwnTrade) -> Fill:
    """A match of the list of own trades."""
    return Fill(
        id=None,
        order_id=str(trade.order_id),
        contract=trade.instrument_id,
        side=way_of(trade.order_side),
        price=trade.trade_rate.value,
        quantity=trade.trade_quantity.value,
        fees={},
        timestamp=moment(trade.date),
    )
