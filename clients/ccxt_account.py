"""What an account of ccxt remembers from one session to the next: orders, those on their way, fills told.  Asks nobody."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from attrs import define, field

from clients.exchange import Fill, Order
from clients.provisional import Provisional
from clients.remembered import REMEMBERED, Remembered

__all__ = ["Account"]

_ENOUGH_FILLS = 5000


@define(eq=False)
class Account:
    """What outlives a session: orders, orders on their way, fills told."""

    orders: Remembered[str, Order] = field(factory=lambda: Remembered(lambda order: bool(order["final"]), REMEMBERED))
    provisional: list[Provisional] = field(factory=list)
    fills: dict[str, None] = field(factory=dict)
    early: list[Order] = field(factory=list)

    def begin(self, ticker: str, client_id: str) -> Provisional:
        """An order is about to be sent."""
        order = Provisional(client_id, ticker)
        self.provisional.append(order)
        return order

    def settle(self, order: Provisional, order_id: str | None) -> None:
        """The id of *order* is told, or it will not be told."""
        if order in self.provisional:
            self.provisional.remove(order)
        order.settle(order_id)

    def merge(self, order: Order) -> Order | None:
        """Take what is newer of *order*; the whole if anything changed, else None."""
        before: Any = self.orders.get(order["id"])
        if before is None:
            if not order["contract"] or not order["quantity"]:
                return None
            self.orders[order["id"]] = order
            return order
        if order["quantity_filled"] < before["quantity_filled"] or (before["final"] and not order["final"]):
            return None
        merged: Any = {**before, **order}
        for name in ("contract", "price", "quantity", "client_id"):
            if not order.get(name):
                merged[name] = before.get(name)
        merged["timestamp"], merged["side"] = before["timestamp"], before["side"]
        merged["is_cancelled"] = order["is_cancelled"] and merged["quantity_filled"] < merged["quantity"]
        merged["quantity_left"] = max(Decimal(0), merged["quantity"] - merged["quantity_filled"])
        grown = order["quantity_filled"] > before["quantity_filled"]
        for name in ("average_price", "fees"):
            if not order.get(name) and not grown and name in before:
                merged[name] = before[name]
            elif name not in order and grown:
                merged.pop(name, None)  # what was known is not true any more
        whole: Order = merged
        self.orders[order["id"]] = whole
        return whole if whole != before else None

    def is_new(self, fill: Fill) -> bool:
        """Whether a fill was not told before; counts it."""
        key = f"{fill['contract']} {fill['id']} {fill['order_id']}"
        if key in self.fills:
            return False
        self.fills[key] = None
        if len(self.fills) > _ENOUGH_FILLS:
            del self.fills[next(iter(self.fills))]
        return True

    def open_orders(self) -> list[Order]:
        """Orders that may still trade, as far as is known."""
        return self.orders.open()
