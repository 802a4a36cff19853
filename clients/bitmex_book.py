"""A BitMEX order book kept from its `orderBookL2` stream, fast: decoding into structs, changes by id.

Ids are keys and nothing more; the price of a level comes with its row.  The best price is read in constant time.  A change
of a size costs one look into a dict, a new or vanished level a binary search in a sorted list whose best price lies at the
end: what moves behind it is few, because books change near the best price.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from decimal import Decimal
from functools import lru_cache

import msgspec

from clients.bitmex_contracts import Instrument
from clients.exchange import Book, BookRow

__all__ = ["PREFIX", "L2Book", "L2Message", "L2Row", "decode_l2"]

_CHANGES = frozenset({"insert", "update", "delete"})

PREFIX = b'{"table":"orderBookL2'
"""How the messages begin that `decode_l2` is made for; a venue that orders its members otherwise is read as tables are."""


class L2Row(msgspec.Struct, gc=False):
    """One level; an update has no price in the old dialect, a delete no size."""

    symbol: str
    id: int
    side: str
    size: int | None = None
    price: float | None = None


class _Filter(msgspec.Struct):
    symbol: str = ""


class L2Message(msgspec.Struct, gc=False):
    """One message of `orderBookL2` or `orderBookL2_25`."""

    table: str
    action: str
    data: list[L2Row]
    filter: _Filter | None = None

    @property
    def symbol(self) -> str:
        """Whose book it is; empty for an empty message without a filter."""
        return self.data[0].symbol if self.data else (self.filter.symbol if self.filter else "")


_decoder = msgspec.json.Decoder(L2Message)


def decode_l2(payload: bytes | str) -> L2Message:
    """Decode a book message; `ValueError` says what is wrong with it."""
    try:
        return _decoder.decode(payload)
    except msgspec.MsgspecError as error:
        raise ValueError(f"not a book message: {error}") from None


@lru_cache(maxsize=65536)
def _exact(price: float) -> Decimal:
    return Decimal(repr(price))


class L2Book:
    """Levels of one symbol.

    :ivar ready: the partial has come; until then every change is dropped.
    """

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.ready = False
        self._sizes: dict[int, int] = {}
        self._places: dict[int, tuple[list[tuple[float, int]], tuple[float, int]]] = {}
        # (price, id) of bids and (−price, id) of asks, ascending: the best is the last of each.
        self._bids: list[tuple[float, int]] = []
        self._asks: list[tuple[float, int]] = []

    def __len__(self) -> int:
        return len(self._sizes)

    def clear(self) -> None:
        """Nothing is known until the next partial."""
        self.ready = False
        self._sizes.clear()
        self._places.clear()
        self._bids.clear()
        self._asks.clear()

    def apply(self, message: L2Message) -> str:
        """Take a message in whole; empty, or what contradicts the book (which is to be fetched anew then)."""
        action, gap = message.action, ""
        if action == "partial":
            self._replace(message.data)
            return ""
        if action not in _CHANGES:
            return f"unknown action {action!r}"
        if not self.ready:
            return ""
        for row in message.data:
            if action == "update":
                gap = self._update(row) or gap
            elif action == "delete":
                self._delete(row.id)
            else:
                gap = self._insert(row) or gap
        return gap

    def _replace(self, rows: list[L2Row]) -> None:
        self.clear()
        self.ready = True
        for row in rows:
            if row.price is None or row.size is None:
                continue  # seen at the venue in rare cases; such a level cannot be traded
            side, place = self._place(row.side, row.price, row.id)
            side.append(place)
            self._sizes[row.id] = row.size
            self._places[row.id] = (side, place)
        self._bids.sort()
        self._asks.sort()

    def _place(self, side: str, price: float, id: int) -> tuple[list[tuple[float, int]], tuple[float, int]]:
        return (self._bids, (price, id)) if side == "Buy" else (self._asks, (-price, id))

    def _insert(self, row: L2Row) -> str:
        if row.price is None or row.size is None:
            return f"a level without price or size: {row.id}"
        self._delete(row.id)  # an insert of a known key replaces the row
        side, place = self._place(row.side, row.price, row.id)
        insort(side, place)
        self._sizes[row.id] = row.size
        self._places[row.id] = (side, place)
        return ""

    def _update(self, row: L2Row) -> str:
        if row.id not in self._sizes:
            return f"an update for a level that is not there: {row.id}"
        if row.price is not None and self._places[row.id][1] != self._place(row.side, row.price, row.id)[1]:
            row.size = self._sizes[row.id] if row.size is None else row.size
            return self._insert(row)
        if row.size is not None:
            self._sizes[row.id] = row.size
        return ""

    def _delete(self, id: int) -> None:
        found = self._places.pop(id, None)
        if found is None:
            return
        side, place = found
        del self._sizes[id], side[bisect_left(side, place)]

    # -- reading

    def best_bid(self) -> tuple[float, int] | None:
        """Price and contracts of the best bid."""
        return (self._bids[-1][0], self._sizes[self._bids[-1][1]]) if self._bids else None

    def best_ask(self) -> tuple[float, int] | None:
        """Price and contracts of the best ask."""
        return (-self._asks[-1][0], self._sizes[self._asks[-1][1]]) if self._asks else None

    def levels(self, side: str, depth: int | None = None) -> list[tuple[float, int]]:
        """Price and contracts of the best *depth* levels of `Buy` or `Sell`, best first."""
        source, sign = (self._bids, 1) if side == "Buy" else (self._asks, -1)
        chosen = source if depth is None else source[-depth:]
        return [(sign * price, self._sizes[id]) for price, id in reversed(chosen)]

    def record(self, instrument: Instrument, depth: int | None = None) -> Book:
        """The book in the words of the uniform interface, quantities in base."""
        return Book(
            contract=instrument.ticker,
            bids=self._rows(instrument, "Buy", depth),
            asks=self._rows(instrument, "Sell", depth),
        )

    def _rows(self, instrument: Instrument, side: str, depth: int | None) -> list[BookRow]:
        rows = ((_exact(price), size) for price, size in self.levels(side, depth))
        return [BookRow(price=price, quantity=instrument.quantity(size, price)) for price, size in rows]
