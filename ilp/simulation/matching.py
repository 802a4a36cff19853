"""A price-time order book of one pair: who meets whom, at which price.  Knows neither accounts, money nor time.

Orders of one price keep the order in which they were added, so whoever adds them decides about priority.
"""

from __future__ import annotations

from bisect import bisect_left, insort

from attrs import define, field, frozen

from ilp.simulation.records import Rows, Side

__all__ = ["Hit", "OrderBook"]


@frozen
class Hit:
    """A resting order that was met: it gave *quantity* at its own *price*."""

    order_id: int
    price: int
    quantity: int


@define
class _Half:
    """One side: `keys` are prices, negated for bids, so that the best one is always first."""

    sign: int
    keys: list[int] = field(factory=list)
    levels: dict[int, dict[int, int]] = field(factory=dict)
    totals: dict[int, int] = field(factory=dict)
    rows: Rows | None = None

    def add(self, order_id: int, price: int, quantity: int) -> None:
        key = self.sign * price
        if key not in self.levels:
            insort(self.keys, key)
            self.levels[key] = {}
            self.totals[key] = 0
        self.levels[key][order_id] = quantity
        self._shift(key, quantity)

    def remove(self, order_id: int, price: int) -> int:
        key = self.sign * price
        level = self.levels.get(key)
        if level is None or order_id not in level:
            return 0
        left = level.pop(order_id)
        self._shift(key, -left)
        return left

    def take(self, limit: int, quantity: int) -> Hit | None:
        if not self.keys or self.keys[0] > self.sign * limit:
            return None
        key = self.keys[0]
        level = self.levels[key]
        order_id, resting = next(iter(level.items()))
        met = min(resting, quantity)
        if met == resting:
            del level[order_id]
        else:
            level[order_id] = resting - met
        self._shift(key, -met)
        return Hit(order_id, self.sign * key, met)

    def reduce(self, order_id: int, price: int, quantity: int) -> None:
        key = self.sign * price
        old = self.levels[key][order_id]
        self.levels[key][order_id] = quantity
        self._shift(key, quantity - old)

    def snapshot(self) -> Rows:
        if self.rows is None:
            self.rows = tuple((self.sign * key, self.totals[key]) for key in self.keys)
        return self.rows

    def _shift(self, key: int, by: int) -> None:
        self.rows = None
        self.totals[key] += by
        if not self.levels[key]:
            del self.levels[key], self.totals[key]
            del self.keys[bisect_left(self.keys, key)]


class OrderBook:
    """Both sides of a book."""

    def __init__(self) -> None:
        self._halves = {Side.BUY: _Half(-1), Side.SELL: _Half(1)}

    def add(self, order_id: int, side: Side, price: int, quantity: int) -> None:
        """Let an order rest, behind those already there at its price."""
        self._halves[side].add(order_id, price, quantity)

    def remove(self, order_id: int, side: Side, price: int) -> int:
        """Take an order off; returns what of it was resting, 0 when it was not there."""
        return self._halves[side].remove(order_id, price)

    def reduce(self, order_id: int, side: Side, price: int, quantity: int) -> None:
        """Change what rests of an order without losing its place."""
        self._halves[side].reduce(order_id, price, quantity)

    def take(self, side: Side, limit: int, quantity: int) -> Hit | None:
        """Match an incoming order of *side* once: the best and oldest resting order within *limit*, or None."""
        return self._halves[side.opposite].take(limit, quantity)

    def best(self, side: Side) -> int | None:
        """Best price of a side, None when it is empty."""
        half = self._halves[side]
        return half.sign * half.keys[0] if half.keys else None

    def crosses(self, side: Side, price: int) -> bool:
        """Whether an order of *side* at *price* would match at once."""
        best = self.best(side.opposite)
        return best is not None and (price >= best if side is Side.BUY else price <= best)

    def total(self, side: Side, price: int) -> int:
        """All that rests at *price*, 0 when nothing does."""
        half = self._halves[side]
        return half.totals.get(half.sign * price, 0)

    def rows(self, side: Side) -> Rows:
        """Aggregated rows of a side, best first; the same tuple as long as nothing changed."""
        return self._halves[side].snapshot()
