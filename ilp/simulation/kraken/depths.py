"""Order books of the simulated Kraken as the `book` channel tells them: best levels, changes, checksum.

The checksum is worked out here on its own, by the venue's documentation; no code is shared with any client.
"""

from __future__ import annotations

import binascii
from typing import Any

from attrs import define, field

from ilp.simulation.records import BookSnapshot, Rows

from .listings import ListedPair, number

__all__ = ["DEPTHS", "Depth"]

DEPTHS = (10, 25, 100, 500, 1000)
_CHECKED = 10


@define
class Depth:
    """What was told of one book at one depth.

    :ivar spoiled: the next checksum is to be wrong.
    """

    symbol: str
    depth: int
    bids: Rows = ()
    asks: Rows = ()
    spoiled: bool = field(default=False)

    def snapshot(self, pair: ListedPair, book: BookSnapshot) -> dict[str, Any]:
        """Everything; what follows are changes to this."""
        self.bids, self.asks = book.bids[: self.depth], book.asks[: self.depth]
        return {
            "symbol": self.symbol,
            "bids": [_row(pair, *row) for row in self.bids],
            "asks": [_row(pair, *row) for row in self.asks],
            "checksum": self.checksum(pair),
        }

    def update(self, pair: ListedPair, book: BookSnapshot) -> dict[str, Any] | None:
        """What changed since; None when nothing within the depth did."""
        bids = _changes(self.bids, book.bids, self.depth)
        asks = _changes(self.asks, book.asks, self.depth)
        self.bids, self.asks = book.bids[: self.depth], book.asks[: self.depth]
        if not bids and not asks:
            return None
        return {
            "symbol": self.symbol,
            "bids": [_row(pair, *row) for row in bids],
            "asks": [_row(pair, *row) for row in asks],
            "checksum": self._told(pair),
        }

    def _told(self, pair: ListedPair) -> int:
        spoiled, self.spoiled = self.spoiled, False
        return self.checksum(pair) ^ 1 if spoiled else self.checksum(pair)

    def checksum(self, pair: ListedPair) -> int:
        """CRC-32 over the ten best levels of each side, asks first."""
        text = ""
        for price, quantity in (*self.asks[:_CHECKED], *self.bids[:_CHECKED]):
            for value, decimals in (
                (pair.pair.price(price), pair.price_decimals),
                (pair.pair.quantity(quantity), pair.lot_decimals),
            ):
                text += str(int(value.scaleb(decimals)))
        return binascii.crc32(text.encode()) & 0xFFFFFFFF


def _row(pair: ListedPair, price: int, quantity: int) -> dict[str, Any]:
    return {"price": number(pair.pair.price(price)), "qty": number(pair.pair.quantity(quantity))}


def _changes(before: Rows, whole: Rows, depth: int) -> list[tuple[int, int]]:
    """Levels that are new, changed or gone; those that merely fell out of the depth are not told."""
    known, exist = dict(before), {price for price, _ in whole}
    gone = [(price, 0) for price, _ in before if price not in exist]
    return gone + [(price, quantity) for price, quantity in whole[:depth] if known.get(price) != quantity]
