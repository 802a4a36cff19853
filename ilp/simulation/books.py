"""Recorded order books on the grid of a simulated pair: whole ones, or a first one and what changed.  Pure.

A recording has steps of its own; here bids are rounded down and asks up to the pair's tick, so that a book never becomes
crossed by it, and quantities that fall on one price are added and cut to the lot.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from attrs import frozen

from ilp.simulation.contracts import Pair
from ilp.simulation.maker import Levels

__all__ = ["Delta", "RecordedBook", "Rows", "along_deltas", "on_grid"]

Rows = Iterable[tuple[Decimal, Decimal]]
"""(price, quantity) in human units."""


@frozen
class RecordedBook:
    """A book as it was at an instant, in wire units."""

    at: datetime
    bids: Levels
    asks: Levels


@frozen
class Delta:
    """What changed at an instant: the new quantity at each price, 0 where nothing rests any more."""

    at: datetime
    bids: tuple[tuple[Decimal, Decimal], ...]
    asks: tuple[tuple[Decimal, Decimal], ...]


def on_grid(pair: Pair, at: datetime, bids: Rows, asks: Rows, depth: int = 20) -> RecordedBook:
    """A recorded book as *pair* can show it: the *depth* best levels of each side, in any order given."""
    return RecordedBook(at, _levels(pair, bids, depth, bid=True), _levels(pair, asks, depth, bid=False))


def along_deltas(pair: Pair, first: Delta, deltas: Iterable[Delta], depth: int = 20) -> Iterator[RecordedBook]:
    """The book after *first*, which is complete, and after each of the *deltas*."""
    bids, asks = dict(first.bids), dict(first.asks)
    yield on_grid(pair, first.at, bids.items(), asks.items(), depth)
    for delta in deltas:
        _apply(bids, delta.bids)
        _apply(asks, delta.asks)
        yield on_grid(pair, delta.at, bids.items(), asks.items(), depth)


def _apply(side: dict[Decimal, Decimal], rows: Rows) -> None:
    for price, quantity in rows:
        if quantity:
            side[price] = quantity
        else:
            side.pop(price, None)


def _levels(pair: Pair, rows: Rows, depth: int, *, bid: bool) -> Mapping[int, int]:
    tick = pair.price(pair.tick)
    sums: dict[int, Decimal] = {}
    for price, quantity in sorted(rows, reverse=bid):
        ticks = int((price / tick).to_integral_value(ROUND_FLOOR if bid else ROUND_CEILING))
        # One level more than is shown: a level is complete only when a further one has begun.
        if ticks * pair.tick not in sums and len(sums) > depth:
            break
        if ticks > 0:
            sums[ticks * pair.tick] = sums.get(ticks * pair.tick, Decimal(0)) + quantity
    lots = {price: int(total / pair.quantity(pair.lot)) * pair.lot for price, total in sums.items()}
    return {price: quantity for price, quantity in list(lots.items())[:depth] if quantity}
