"""Orders of users as the venue tells them: what was asked for, how far it has come, and every fill.

The core knows an order's rate and quantity; its type, its status and why it ended are known here.  Follows the core.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from decimal import Decimal

from attrs import define, field, frozen

from clients.infinity_terms import OrderSide, OrderStatus, OrderType
from ilp.simulation.infinity.listings import RateMarket
from ilp.simulation.infinity.members import Members
from ilp.simulation.records import Change, Event, Fill, Filled, Order, OrderAccepted, OrderChanged, Side

__all__ = ["SIDES", "Asked", "OwnFill", "Ticket", "Tickets", "order_number", "side_of", "trade_number"]

SIDES = {OrderSide.BORROW: Side.BUY, OrderSide.LEND: Side.SELL}
"""Borrowers bid, lenders ask."""

_FIRST_ORDER, _FIRST_TRADE, _FIRST_FILL = 700_000, 880_000, 990_000
_KEPT = 20_000


def side_of(side: Side) -> OrderSide:
    """Borrow or lend."""
    return OrderSide.BORROW if side is Side.BUY else OrderSide.LEND


def order_number(id: int) -> int:
    """The venue's id of an order of the core."""
    return _FIRST_ORDER + id


def trade_number(id: int) -> int:
    """The venue's id of a trade of the core."""
    return _FIRST_TRADE + id


@frozen
class Asked:
    """What the core is not told of an order.

    :ivar rate: the limit; None for a market order without one.
    """

    type: OrderType = OrderType.LIMIT
    rate: Decimal | None = None
    client_id: str = ""


@frozen
class OwnFill:
    """One fill of a user's order; *id* grows over the venue."""

    id: int
    fill: Fill


@define(eq=False)
class Ticket:
    """One order of a user.

    :ivar id: the venue's; `core_id` is the core's.
    :ivar account: its name in the core; `account_id` is the number of it.
    :ivar left: what is not filled, in smallest units.
    """

    id: int
    core_id: int
    account: str
    account_id: int
    market: RateMarket
    side: OrderSide
    asked: Asked
    passive: bool
    immediate: bool
    quantity: int
    placed: datetime
    updated: datetime
    status: OrderStatus = OrderStatus.ONBOOK
    left: int = 0
    fills: list[OwnFill] = field(factory=list)

    @property
    def filled(self) -> int:
        """What has traded."""
        return self.quantity - self.left

    @property
    def mean_rate(self) -> Decimal | None:
        """Mean rate of its fills, weighted by quantity."""
        if not self.filled:
            return None
        wire = sum(own.fill.price * own.fill.quantity for own in self.fills)
        return self.market.price(1) * wire / self.filled


@define(eq=False)
class Tickets:
    """All orders of all users, and their fills.

    :ivar compatible: an order that ends with its market is told as cancelled by the venue, because old clients stumble
        over the status that says more.
    """

    members: Members
    compatible: bool = True
    by_account: dict[str, dict[int, Ticket]] = field(factory=lambda: defaultdict(dict))
    fills: dict[str, list[OwnFill]] = field(factory=lambda: defaultdict(list))
    _asked: Asked = Asked()
    _by_client_id: dict[tuple[str, str], Ticket] = field(factory=dict)
    _cancelling: int | None = None
    _last_fill: int = _FIRST_FILL

    def expect(self, asked: Asked) -> None:
        """The next order that is accepted was asked for so."""
        self._asked = asked

    def by_owner(self, id: int | None) -> None:
        """Its owner cancels this order, until called with None."""
        self._cancelling = id

    def by_client_id(self, account: str, client_id: str) -> Ticket | None:
        """The newest order of that client id."""
        return self._by_client_id.get((account, client_id))

    def get(self, account: str, id: int) -> Ticket | None:
        """An order of an account by the venue's id."""
        return self.by_account[account].get(id) if account in self.by_account else None

    # ------------------------------------------------------------------------------------------------- events

    def take(self, event: Event) -> Ticket | None:
        """Follow the core; the order of a user that an event changed."""
        match event:
            case OrderAccepted(order) if order.account in self.members.by_key:
                self._open(order)
            case OrderChanged(order, change):
                ticket = self.get(order.account, order_number(order.id))
                if ticket is not None:
                    self._change(ticket, order, change)
                return ticket
            case Filled(fill):
                ticket = self.get(fill.account, order_number(fill.order_id))
                if ticket is not None:
                    self._fill(ticket, fill)
            case _:
                pass
        return None

    def _open(self, order: Order) -> None:
        asked, self._asked = self._asked, Asked()
        market = self.members.core.market(order.contract)
        assert market is not None  # orders are for markets
        if asked.type is OrderType.LIMIT and asked.rate is None:
            asked = Asked(OrderType.LIMIT, market.price(order.price))  # placed behind the desk's back
        ticket = Ticket(
            order_number(order.id), order.id, order.account, self.members.by_key[order.account][1].id, market,
            side_of(order.side), asked, order.post_only, order.immediate,
            order.quantity, order.timestamp, order.timestamp, left=order.quantity,
        )  # fmt: skip
        own = self.by_account[order.account]
        own[ticket.id] = ticket
        self._by_client_id[order.account, asked.client_id] = ticket
        if len(own) > _KEPT:
            self._forget(own)

    def _forget(self, own: dict[int, Ticket]) -> None:
        oldest = next((ticket for ticket in own.values() if not ticket.status.live), None)
        if oldest is not None:
            del own[oldest.id]
            key = oldest.account, oldest.asked.client_id
            if self._by_client_id.get(key) is oldest:
                del self._by_client_id[key]

    def _change(self, ticket: Ticket, order: Order, change: Change) -> None:
        ticket.left, ticket.updated = order.quantity_left, self.members.core.now()
        if change is Change.CANCELLED:
            ticket.status = self._ended(ticket)
        elif not ticket.left:
            ticket.status = OrderStatus.DONE

    def _ended(self, ticket: Ticket) -> OrderStatus:
        """Why an order was cancelled."""
        if ticket.id == self._cancelling:
            return OrderStatus.MANUALLY_CANCELLED
        if ticket.immediate and ticket.filled:
            return OrderStatus.PARTIALLY_FILLED
        if not self.compatible and not self.members.core.pairs[ticket.market.ticker].active:
            return OrderStatus.EXPIRED
        return OrderStatus.AUTO_CANCELLED

    def _fill(self, ticket: Ticket, fill: Fill) -> None:
        self._last_fill += 1
        own = OwnFill(self._last_fill, fill)
        ticket.fills.append(own)
        fills = self.fills[fill.account]
        fills.append(own)
        del fills[:-_KEPT]
