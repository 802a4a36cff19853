"""A Kraken order book kept from its WebSocket v2 channel and checked by its checksum.  Pure.

Levels that fall out of the subscribed depth are not announced: they are cut here after each message, as the venue does.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any
from zlib import crc32

from clients.exchange import Book, BookRow

__all__ = ["CHECKED", "KrakenBook", "checksum", "digits"]

CHECKED = 10
"""Levels of each side that go into a checksum, whatever the depth."""

Levels = Iterable[tuple[Decimal, Decimal]]


def digits(number: Decimal, decimals: int) -> str:
    """*number* with exactly so many decimals, without the point and leading zeros."""
    return f"{number:.{decimals}f}".replace(".", "").lstrip("0")


def checksum(asks: Levels, bids: Levels, price_decimals: int, lot_decimals: int) -> int:
    """CRC-32 over the best levels, asks first, each side best first (the venue's documentation, "Book checksum")."""
    text = "".join(
        digits(price, price_decimals) + digits(quantity, lot_decimals)
        for side in (asks, bids)
        for price, quantity in side
    )
    return crc32(text.encode("ascii"))


class KrakenBook:
    """Levels of one pair.

    :param depth: levels of each side, as subscribed.
    :param price_decimals, lot_decimals: decimals of the pair.
    :ivar ready: a snapshot has come; changes before it are dropped.
    """

    def __init__(self, ticker: str, depth: int, price_decimals: int, lot_decimals: int) -> None:
        self.ticker = ticker
        self.depth = depth
        self.price_decimals, self.lot_decimals = price_decimals, lot_decimals
        self.ready = False
        self._bids: dict[Decimal, Decimal] = {}
        self._asks: dict[Decimal, Decimal] = {}
        # Prices ascending: the best bid is the last of the one, the best ask the first of the other.
        self._bid_prices: list[Decimal] = []
        self._ask_prices: list[Decimal] = []

    def clear(self) -> None:
        """Nothing is known until the next snapshot."""
        self.ready = False
        for held in (self._bids, self._asks, self._bid_prices, self._ask_prices):
            held.clear()

    def snapshot(self, data: Mapping[str, Any]) -> str:
        """Take a snapshot; empty, or what is wrong with it."""
        self.clear()
        self.ready = True
        return self.update(data)

    def update(self, data: Mapping[str, Any]) -> str:
        """Take the one element of a message; empty, or what contradicts the book, which must be fetched anew then."""
        if not self.ready:
            return ""
        self._set(self._bids, self._bid_prices, data.get("bids") or ())
        self._set(self._asks, self._ask_prices, data.get("asks") or ())
        self._cut()
        told = data.get("checksum")
        if told is not None and int(told) != self.checksum():
            return f"checksum {told} instead of {self.checksum()}"
        return ""

    @staticmethod
    def _set(levels: dict[Decimal, Decimal], prices: list[Decimal], rows: Iterable[Mapping[str, Any]]) -> None:
        for row in rows:
            price, quantity = Decimal(row["price"]), Decimal(row["qty"])
            if quantity:
                if price not in levels:
                    insort(prices, price)
                levels[price] = quantity
            elif levels.pop(price, None) is not None:
                del prices[bisect_left(prices, price)]

    def _cut(self) -> None:
        while len(self._bid_prices) > self.depth:
            del self._bids[self._bid_prices.pop(0)]
        while len(self._ask_prices) > self.depth:
            del self._asks[self._ask_prices.pop()]

    def checksum(self) -> int:
        """Of the book as it is."""
        return checksum(self.asks(CHECKED), self.bids(CHECKED), self.price_decimals, self.lot_decimals)

    def bids(self, count: int | None = None) -> list[tuple[Decimal, Decimal]]:
        """The best bids, best first."""
        prices = self._bid_prices[::-1] if count is None else self._bid_prices[: -count - 1 : -1]
        return [(price, self._bids[price]) for price in prices]

    def asks(self, count: int | None = None) -> list[tuple[Decimal, Decimal]]:
        """The best asks, best first."""
        return [(price, self._asks[price]) for price in self._ask_prices[:count]]

    def record(self) -> Book:
        """In the words of the uniform interface."""
        return Book(
            contract=self.ticker,
            bids=[BookRow(price=price, quantity=quantity) for price, quantity in self.bids()],
            asks=[BookRow(price=price, quantity=quantity) for price, quantity in self.asks()],
        )
