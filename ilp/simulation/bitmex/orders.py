"""Orders of the simulated BitMEX: what the core's plain limit orders look like with everything this venue adds to them.

Owns ids, texts, types, triggers and the rules of order entry; matching and money are the core's.  An order of the venue
carries its own id into the core as the client id there, so that the core's events find their way back.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from attrs import define, field

from clients.exchange import Side
from ilp.simulation.bitmex.listings import Listing
from ilp.simulation.records import Order

__all__ = ["NOBODY", "Desk", "Guids", "WireOrder", "stamp"]

Row = dict[str, Any]

NOBODY = "00000000-0000-0000-0000-000000000000"
_REMEMBERED = 20_000


def stamp(at: datetime) -> str:
    """A time as the venue writes it."""
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


class Guids:
    """Ids: random ones for orders, counted ones for executions, trades and transactions."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self._count = 0

    def order(self) -> str:
        """An order's id."""
        return str(UUID(int=self._draw.getrandbits(128), version=4))

    def next(self, kind: int) -> str:
        """The next of a kind."""
        self._count += 1
        return f"00000000-{kind:04x}-1000-0000-{self._count:012x}"


@define(eq=False)
class WireOrder:
    """An order as the venue shows it.

    :ivar core_id: its number on the core; None while it waits for its trigger or was never let in.
    :ivar price: wire units; None for market orders.
    :ivar cash: Σ of what its fills moved, in the settlement currency.
    """

    id: str
    account: str
    number: int
    listing: Listing
    side: Side
    quantity: int
    price: int | None
    type: str
    lifetime: str
    instructions: str
    client_id: str
    link_id: str
    words: str
    stop: int | None
    placed: datetime
    changed: datetime
    displayed: int | None = None
    core_id: int | None = None
    status: str = "New"
    working: bool = False
    triggered: str = ""
    left: int = 0
    filled: int = 0
    spent: Decimal = Decimal(0)
    text: str = ""
    ended: datetime | None = None

    @property
    def final(self) -> bool:
        """Nothing can happen to it any more."""
        return self.status in ("Filled", "Canceled", "Rejected")

    @property
    def post_only(self) -> bool:
        """It must not match on arrival."""
        return "ParticipateDoNotInitiate" in self.instructions

    @property
    def reduces(self) -> bool:
        """It must not open anything."""
        return "ReduceOnly" in self.instructions or "Close" in self.instructions

    def fill(self, quantity: int, price: int, left: int) -> None:
        """A fill of it."""
        self.filled += quantity
        self.left = left
        # Inverse contracts average by the bitcoin they moved, the others by price.
        weight = Decimal(quantity) / price if self.listing.is_inverse else Decimal(quantity) * price
        self.spent += weight
        self.status = "Filled" if not left else "PartiallyFilled"
        self.working = bool(left)

    @property
    def average(self) -> float | None:
        """Average price of its fills, to four decimals of it."""
        if not self.filled:
            return None
        wire = self.filled / self.spent if self.listing.is_inverse else self.spent / self.filled
        return float((wire / self.listing.price_scale).quantize(Decimal("1e-8")).normalize())

    def row(self) -> Row:
        """Every column."""
        listing = self.listing
        return {
            "orderID": self.id,
            "clOrdID": self.client_id,
            "clOrdLinkID": self.link_id,
            "account": self.number,
            "symbol": listing.symbol,
            "side": "Buy" if self.side is Side.BUY else "Sell",
            "simpleOrderQty": None,
            "orderQty": self.quantity,
            "price": None if self.price is None else listing.price(self.price),
            "displayQty": self.displayed,
            "stopPx": None if self.stop is None else listing.price(self.stop),
            "pegOffsetValue": None,
            "pegPriceType": "",
            "currency": listing.quote,
            "settlCurrency": listing.columns.get("settlCurrency") or "",
            "ordType": self.type,
            "timeInForce": self.lifetime,
            "execInst": self.instructions,
            "contingencyType": "",
            "exDestination": "XBME",
            "ordStatus": self.status,
            "triggered": self.triggered,
            "workingIndicator": self.working,
            "ordRejReason": "",
            "simpleLeavesQty": None,
            "leavesQty": self.left,
            "simpleCumQty": None,
            "cumQty": self.filled,
            "avgPx": self.average,
            "multiLegReportingType": "SingleSecurity",
            "text": self.text,
            "strategy": "OneWay",
            "transactTime": stamp(self.placed),
            "timestamp": stamp(self.changed),
        }


@define(eq=False)
class Desk:
    """All orders of all members.

    :ivar member: number of an account that has a key; None for the house's own, which are shown to nobody.
    """

    guids: Guids
    member: Callable[[str], int | None]
    listing: Callable[[str], Listing]
    orders: dict[str, WireOrder] = field(factory=dict)
    _by_client_id: dict[tuple[str, str], WireOrder] = field(factory=dict)
    _by_core_id: dict[int, WireOrder] = field(factory=dict)
    _open: dict[str, dict[str, WireOrder]] = field(factory=dict)

    def add(self, order: WireOrder) -> WireOrder:
        """Remember a new order; the oldest that ended are forgotten."""
        self.orders[order.id] = order
        self._open.setdefault(order.account, {})[order.id] = order
        if order.client_id:
            self._by_client_id[order.account, order.client_id] = order
        if len(self.orders) > _REMEMBERED:
            oldest = next((o for o in self.orders.values() if o.final), None)
            if oldest is not None:
                self.forget(oldest)
        return order

    def forget(self, order: WireOrder) -> None:
        """Nobody will ask for it: it was refused, or ended long ago."""
        self.orders.pop(order.id, None)
        self._open.get(order.account, {}).pop(order.id, None)
        self._by_core_id.pop(order.core_id or 0, None)
        if self._by_client_id.get((order.account, order.client_id)) is order:
            del self._by_client_id[order.account, order.client_id]

    def live(self, account: str) -> list[WireOrder]:
        """An account's orders that have not ended, oldest first."""
        orders = self._open.get(account, {})
        for id in [id for id, order in orders.items() if order.final]:
            del orders[id]
        return list(orders.values())

    def of_core_id(self, number: int) -> WireOrder | None:
        """The venue's view of an order of the core that was seen before."""
        return self._by_core_id.get(number)

    def of(self, account: str) -> Iterator[WireOrder]:
        """An account's orders, oldest first."""
        return (order for order in self.orders.values() if order.account == account)

    def find(self, account: str, order_id: str = "", client_id: str = "") -> WireOrder | None:
        """An own order by either id."""
        order = self.orders.get(order_id) if order_id else self._by_client_id.get((account, client_id))
        return order if order is not None and order.account == account else None

    def rename(self, order: WireOrder, client_id: str) -> None:
        """Give an order another client id."""
        self._by_client_id.pop((order.account, order.client_id), None)
        order.client_id = client_id
        self._by_client_id[order.account, client_id] = order

    def of_core(self, order: Order) -> WireOrder | None:
        """The venue's view of an order of the core; one that somebody placed there directly gets one now."""
        known = self.orders.get(order.client_id or "")
        if known is not None:
            known.core_id = order.id
            self._by_core_id[order.id] = known
            return known
        number = self.member(order.account)
        if number is None:
            return None
        known = self._by_core_id.get(order.id)
        if known is None:
            known = self._by_core_id[order.id] = self.add(self._foreign(order, number))
        return known

    def _foreign(self, order: Order, number: int) -> WireOrder:
        at = order.timestamp
        return WireOrder(
            self.guids.order(), order.account, number, self.listing(order.contract), order.side, order.quantity,
            order.price, "Limit", "ImmediateOrCancel" if order.immediate else "GoodTillCancel",
            "ParticipateDoNotInitiate" if order.post_only else "", "", "", "Submission from www.bitmex.com", None, at, at,
            core_id=order.id, left=order.quantity, text="Submission from www.bitmex.com",
        )  # fmt: skip
