"""All orders of a venue in their latest state, and what the open ones hold.  Decides nothing: it remembers.

An open order holds what its venue's rules say; a final one holds nothing.  Final orders are forgotten, oldest first, when
an account has too many of them, so that a market maker that replaces its quotes for days does not fill the memory.
"""

from __future__ import annotations

from collections import defaultdict, deque

from ilp.simulation.records import Order
from ilp.simulation.rejections import UnknownOrder
from ilp.simulation.rules import Need

__all__ = ["OrderTable"]


class OrderTable:
    """Orders by id, by account and by client id.

    :param history: how many final orders of an account are remembered.
    """

    def __init__(self, history: int) -> None:
        self._history = history
        self._limits: dict[str, int] = {}
        self._orders: dict[int, Order] = {}
        self._open: dict[str, dict[int, Order]] = defaultdict(dict)
        self._final: dict[str, deque[int]] = defaultdict(deque)
        self._client_ids: dict[tuple[str, str], int] = {}
        self._needs: dict[int, Need] = {}
        self._holds: dict[tuple[str, str], int] = defaultdict(int)

    def limit(self, account: str, history: int) -> None:
        """Remember so many final orders of one account."""
        self._limits[account] = history

    def keep(self, order: Order, needs: Need) -> None:
        """Store an order's new state; *needs* is what it holds from now on, nothing when it is final."""
        for currency, amount in self._needs.pop(order.id, ()):
            self._holds[order.account, currency] -= amount
        before = self._orders.get(order.id)
        self._orders[order.id] = order
        if order.client_id is not None:
            self._client_ids[order.account, order.client_id] = order.id
        if order.final:
            self._open[order.account].pop(order.id, None)
            if before is None or not before.final:
                self._forget_oldest(order)
            return
        self._open[order.account][order.id] = order
        self._needs[order.id] = needs
        for currency, amount in needs:
            self._holds[order.account, currency] += amount

    def _forget_oldest(self, order: Order) -> None:
        finals = self._final[order.account]
        finals.append(order.id)
        if len(finals) > self._limits.get(order.account, self._history):
            gone = self._orders.pop(finals.popleft())
            if gone.client_id is not None:
                self._client_ids.pop((gone.account, gone.client_id), None)

    def get(self, order_id: int) -> Order:
        """The order of that id, final or not."""
        if order_id not in self._orders:
            raise UnknownOrder(f"no order {order_id}")
        return self._orders[order_id]

    def by_client_id(self, account: str, client_id: str) -> Order:
        """The order to which its owner gave that id."""
        if (account, client_id) not in self._client_ids:
            raise UnknownOrder(f"{account} has no order with client id {client_id!r}")
        return self._orders[self._client_ids[account, client_id]]

    def knows_client_id(self, account: str, client_id: str) -> bool:
        """Whether the account used that id before."""
        return (account, client_id) in self._client_ids

    def open(self, account: str | None = None) -> list[Order]:
        """Open orders, of one account or of all, by id."""
        if account is not None:
            return list(self._open[account].values()) if account in self._open else []
        return sorted((o for orders in self._open.values() for o in orders.values()), key=lambda o: o.id)

    def hold(self, account: str, currency: str) -> int:
        """What an account's open orders hold of a currency."""
        return self._holds.get((account, currency), 0)

    def held_by(self, order_id: int) -> dict[str, int]:
        """What one order holds."""
        held: dict[str, int] = {}
        for currency, amount in self._needs.get(order_id, ()):
            held[currency] = held.get(currency, 0) + amount
        return held
