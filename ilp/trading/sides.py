"""A book as plain rows, with our own orders taken out of it.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from attrs import frozen

from clients.exchange import Book, BookRow, Side

__all__ = ["Sides", "book_without"]

ZERO = Decimal(0)


@frozen
class Sides:
    """A book as (price, quantity) rows, best first, our own orders taken out."""

    bids: tuple[tuple[Decimal, Decimal], ...] = ()
    asks: tuple[tuple[Decimal, Decimal], ...] = ()


def book_without(book: Book, own: Iterable[tuple[Side, Decimal, Decimal]]) -> Sides:
    """The book with our own orders, (side, price, quantity left), taken out."""
    mine: dict[tuple[Side, Decimal], Decimal] = {}
    for side, price, left in own:
        mine[side, price] = mine.get((side, price), ZERO) + left
    return Sides(_others(book["bids"], Side.BUY, mine), _others(book["asks"], Side.SELL, mine))


def _others(
    rows: Iterable[BookRow], side: Side, mine: Mapping[tuple[Side, Decimal], Decimal]
) -> tuple[tuple[Decimal, Decimal], ...]:
    if not mine:
        return tuple((row["price"], row["quantity"]) for row in rows)
    left = ((row["price"], row["quantity"] - mine.get((side, row["price"]), ZERO)) for row in rows)
    return tuple((price, quantity) for price, quantity in left if quantity > 0)
