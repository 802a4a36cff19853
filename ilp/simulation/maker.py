"""The house's market maker: turns a price into a live book by cancelling and placing as few orders as it can.

Owns one account's resting orders in one market.  Its levels lie on a fixed grid of prices, so that a small move of the
price adds an order at one end of each side and takes one off at the other, and leaves the rest where they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from random import Random

from attrs import define, field, frozen

from clients.exchange import Side
from ilp.simulation.core import Core
from ilp.simulation.rejections import Rejection, UnknownOrder

__all__ = ["HouseMaker", "Ladder", "Levels"]

Levels = Mapping[int, int]
"""Quantity by price."""


@frozen
class Ladder:
    """The shape of a book around a price, in fractions of it and in human units of base.

    :ivar levels: orders on each side.
    :ivar half_spread: distance of the best levels from the price, as a fraction.
    :ivar step: distance between two levels, as a fraction of the first price that was seen.
    :ivar size: quantity of a level; `spread` of it is random.
    """

    levels: int = 10
    half_spread: Decimal = Decimal("0.0002")
    step: Decimal = Decimal("0.0002")
    size: Decimal = Decimal("0.5")
    spread: Decimal = Decimal("0.5")


@define
class HouseMaker:
    """Quotes for *account* on *contract*.

    :ivar shortages: how often an order was refused, for instance for want of money.
    """

    core: Core
    account: str
    contract: str
    ladder: Ladder
    random: Random
    shortages: int = 0
    _resting: dict[Side, dict[int, int]] = field(init=False, factory=lambda: {Side.BUY: {}, Side.SELL: {}})
    _grid: int = field(init=False, default=0)

    def follow(self, price: int) -> None:
        """Quote around *price* (wire units)."""
        pair = self.core.pairs[self.contract]
        if not self._grid:
            self._grid = max(1, int(price * self.ladder.step) // pair.tick) * pair.tick
        away = max(pair.tick, int(price * self.ladder.half_spread))
        bid = (price - away) // self._grid * self._grid
        ask = -(-(price + away) // self._grid) * self._grid
        self._aim(Side.BUY, [bid - n * self._grid for n in range(self.ladder.levels)])
        self._aim(Side.SELL, [ask + n * self._grid for n in range(self.ladder.levels)])
        self._fill_up(Side.BUY, [bid - n * self._grid for n in range(self.ladder.levels)])
        self._fill_up(Side.SELL, [ask + n * self._grid for n in range(self.ladder.levels)])

    def show(self, bids: Levels, asks: Levels) -> None:
        """Quote exactly these levels."""
        for side, levels in ((Side.BUY, bids), (Side.SELL, asks)):
            self._aim(side, list(levels))
            for price, order_id in list(self._resting[side].items()):
                if self.core.order(order_id).quantity_left != levels[price]:
                    self._cancel(side, price)
        for side, levels in ((Side.BUY, bids), (Side.SELL, asks)):
            for price, quantity in levels.items():
                if price not in self._resting[side]:
                    self._place(side, price, quantity)

    def withdraw(self) -> None:
        """Take every order off."""
        self.show({}, {})

    def _aim(self, side: Side, prices: list[int]) -> None:
        """Take off what has no place any more, or was eaten by more than half: before anything is placed, so that the
        house does not trade with itself when the price jumps."""
        wanted = set(prices)
        for price, order_id in list(self._resting[side].items()):
            if price not in wanted or self._eaten(order_id):
                self._cancel(side, price)

    def _eaten(self, order_id: int) -> bool:
        try:
            order = self.core.order(order_id)
        except UnknownOrder:
            return True  # so old that the venue forgot it: it is final
        return order.final or 2 * order.quantity_left < order.quantity

    def _cancel(self, side: Side, price: int) -> None:
        order_id = self._resting[side].pop(price)
        try:
            self.core.cancel(self.account, order_id)
        except Rejection:
            return  # filled, or cancelled by the venue: gone in any case

    def _fill_up(self, side: Side, prices: list[int]) -> None:
        for price in prices:
            if price > 0 and price not in self._resting[side]:
                self._place(side, price, self._size())

    def _place(self, side: Side, price: int, quantity: int) -> None:
        try:
            order = self.core.place(self.account, self.contract, side, price, quantity)
        except Rejection:
            self.shortages += 1
            return
        if not order.final:
            self._resting[side][price] = order.id

    def _size(self) -> int:
        pair = self.core.pairs[self.contract]
        lots = int(self.ladder.size * pair.base.denominator / pair.lot)
        least = max(1, int(lots * (1 - self.ladder.spread)))
        return self.random.randint(least, max(least, 2 * lots - least)) * pair.lot
