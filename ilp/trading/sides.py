"""A book as plain rows, with our own orders taken out of it.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from attrs import frozen

from clients.exchange import Book, BookRow, Side

__all__ = ["Sides", "book_without", "same_front"]

ZERO = Decimal(0)


@frozen
class Sides:
    """A book as (price, quantity) rows, best first, our own orders taken out."""

    bids: tuple[tuple[Decimal, Decimal], ...] = ()
    asks: tuple[tuple[Decimal, Decimal], ...] = ()


def same_front(one: Book, other: Book, quantity: Decimal) -> bool:
    """Whether two books are the same as far as *quantity* reaches, on both sides; no where either does not reach so far."""
    return _same(one["bids"], other["bids"], quantity) and _same(one["asks"], other["asks"], quantity)


def _same(one: Iterable[BookRow], other: Iterable[BookRow], quantity: Decimal) -> bool:
    if one is other:
        return False  # a client that changes its rows in place: nobody can tell what they were
    for a, b in zip(one, other, strict=False):
        if a["price"] != b["price"]:
            return False
        first, second = a["quantity"], b["quantity"]
        if first >= quantity and second >= quantity:
            return True  # what a level has beyond it is as far away as the level behind
        if first != second:
            return False
        quantity -= first
    return False


def book_without(book: Book, own: Iterable[tuple[Side, Decimal, Decimal]]) -> Sides:
    """The book with our own orders, (side, price, quantity left), taken out."""
    mine: dict[Side, dict[Decimal, Decimal]] = {Side.BUY: {}, Side.SELL: {}}
    for side, price, left in own:
        mine[side][price] = mine[side].get(price, ZERO) + left
    return Sides(_others(book["bids"], mine[Side.BUY]), _others(book["asks"], mine[Side.SELL]))


def _others(rows: Iterable[BookRow], mine: Mapping[Decimal, Decimal]) -> tuple[tuple[Decimal, Decimal], ...]:
    found = [(row["price"], row["quantity"]) for row in rows]
    if not mine:
        return tuple(found)
    # Own prices are few: to look for each is cheaper than to look every row up.
    for own, left in mine.items():
        found = [(price, quantity - left) if price == own else (price, quantity) for price, quantity in found]
    return tuple((price, quantity) for price, quantity in found if quantity > 0)
