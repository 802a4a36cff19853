"""A BitMEX order book kept from its `orderBookL2` stream, fast: messages of one read are decoded together, changes go by id.

Ids are keys and nothing more; the price of a level comes with its row.  A change of a size, a level that goes and one that
comes back cost a look into a dict or two; a price that was not there before is put into its place by a binary search.  The
best price lies at the end of its side, so that reading it takes constant time and what moves behind a new one is few: books
change near the best price.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from typing import Any, Literal, NamedTuple

import msgspec

from clients.bitmex_contracts import Instrument
from clients.exchange import Book, BookRow

__all__ = ["PREFIX", "L2Book", "L2Message", "L2Row", "Taken", "decode_l2"]

PREFIX = b'{"table":"orderBookL2'
"""How the messages begin that the books are made for; a venue that orders its members otherwise has them reordered."""

ACTIONS = ("partial", "insert", "update", "delete")
Side = Literal["Buy", "Sell"]
_SPARE = 64  # empty prices that a side may have whatever its size


class L2Row(msgspec.Struct, gc=False):
    """One level; an update has no price in the old dialect, a delete no size.

    The columns stand in the venue's order, in which they are found at once.
    """

    symbol: str
    id: int
    side: Side
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


@lru_cache(maxsize=256)
def _decoder_of(symbol: str) -> Callable[[bytes], list[Any]]:
    """What decodes several messages of one book, and refuses what is of no other or does nothing known.

    Its messages have the members of `L2Message` that matter; words that are known beforehand are not made anew each time.
    """
    words: Any = Literal
    columns: Any = [
        ("symbol", words[symbol]),
        ("id", int),
        ("side", Side),
        ("size", int | None, None),
        ("price", float | None, None),
    ]
    row: Any = msgspec.defstruct("Row", columns, gc=False)
    message: Any = msgspec.defstruct("Message", [("action", words[ACTIONS]), ("data", list[row])], gc=False)
    return msgspec.json.Decoder(list[message]).decode


@lru_cache(maxsize=65536)
def _exact(price: float) -> Decimal:
    return Decimal(repr(price))


class Taken(NamedTuple):
    """What `L2Book.take` did.

    :ivar done: messages that were taken.
    :ivar partial: the whole book was among them.
    :ivar gap: what in the last of them contradicts the book, which is to be fetched anew then; else empty.
    """

    done: int
    partial: bool
    gap: str


_taken = lru_cache(maxsize=1024)(Taken)  # most are the same few


class _Side:
    """Levels of one side by price, the best at hand.

    A price whose level has gone stays until it would be the best, or until half of them are like that: levels flicker, and
    one that comes back costs no search then.

    :ivar rows: price → level, or None where none is left.
    """

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._keys: list[float] = []  # prices of bids, prices of asks with a minus: ascending, the best last
        self._most = 0  # keys before the empty ones among them are forgotten
        self.rows: dict[float, L2Row | None] = {}

    def clear(self) -> None:
        self.rows.clear()
        self._sort()

    def _sort(self) -> None:
        self._keys = sorted(self._sign * price for price in self.rows)
        self._most = 2 * len(self._keys) + _SPARE

    def fill(self, rows: Iterable[L2Row]) -> list[L2Row]:
        """Take these levels in place of all others; those that found another at their price are returned."""
        self.rows.clear()
        left = [row for row in rows if self.rows.setdefault(_price(row), row) is not row]
        self._sort()
        return left

    def put(self, row: L2Row) -> bool:
        """Add a level, unless another stands at its price."""
        price = _price(row)
        if self.rows.get(price) is not None:
            return False
        if price in self.rows:
            self.rows[price] = row
            return True
        self.rows[price] = row
        insort(self._keys, self._sign * price)
        if len(self._keys) > self._most:
            for empty in [price for price, held in self.rows.items() if held is None]:
                del self.rows[empty]
            self._sort()
        return True

    def best(self) -> L2Row | None:
        """The best level; prices above it at which nothing is left are forgotten."""
        keys, rows, sign = self._keys, self.rows, self._sign
        while keys:
            row = rows[sign * keys[-1]]
            if row is not None:
                return row
            del rows[sign * keys.pop()]
        return None

    def best_first(self) -> Iterator[L2Row]:
        """Level by level."""
        found = (self.rows[self._sign * key] for key in reversed(self._keys))
        return (row for row in found if row is not None)


def _price(row: L2Row) -> float:
    assert row.price is not None  # the book takes no others
    return row.price


class L2Book:
    """Levels of one symbol.

    :ivar ready: the partial has come; until then every change is dropped.
    """

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.ready = False
        self._decode = _decoder_of(symbol)
        self._levels: dict[int, L2Row] = {}
        self._bids, self._asks = _Side(1), _Side(-1)
        self._twins: list[L2Row] = []  # levels that found another at their price: two ids may stand at one for a while

    def __len__(self) -> int:
        return len(self._levels)

    def clear(self) -> None:
        """Nothing is known until the next partial."""
        self.ready = False
        for held in (self._levels, self._bids, self._asks, self._twins):
            held.clear()

    # -- writing

    def take(self, frames: Sequence[bytes]) -> Taken:
        """Take messages of this book in their order, up to the first that contradicts it.

        :param frames: messages that begin with `PREFIX`.
        :raise ValueError: one of them cannot be read or is of another book; none was taken then.
        """
        messages = self._decoded(frames)
        dropped = 0
        if not self.ready:  # what comes before the partial counts for nothing
            dropped = next((at for at, message in enumerate(messages) if message.action == "partial"), len(messages))
            del messages[:dropped]
        levels, twins, partial, gap = self._levels, self._twins, False, ""
        bids: dict[Any, L2Row | None] = self._bids.rows
        asks: dict[Any, L2Row | None] = self._asks.rows
        # What `apply` does, with its usual cases in place: this is the loop that a busy venue keeps busy.
        for message in messages:
            action = message.action
            if action == "update":
                for row in message.data:
                    held = levels.get(row.id)
                    if held is not None and row.size is not None and (row.price is None or row.price == held.price):
                        held.size = row.size
                    else:
                        gap = self._update(row) or gap
                if gap:
                    break
            elif action == "delete":
                for row in message.data:
                    held = levels.pop(row.id, None)
                    if held is None:
                        pass  # gone already, as the venue wants it
                    elif twins:
                        self._part(held)
                    elif held.side == "Buy":
                        bids[held.price] = None
                    else:
                        asks[held.price] = None
            elif action == "insert":
                for row in message.data:
                    at = bids if row.side == "Buy" else asks
                    if row.size is not None and row.id not in levels and at.get(row.price, row) is None:
                        levels[row.id] = at[row.price] = row
                    else:
                        gap = self._insert(row) or gap
                if gap:
                    break
            else:
                self._replace(message.data)
                partial = True
        if gap:
            messages = messages[: 1 + next(at for at, other in enumerate(messages) if other is message)]
        return _taken(dropped + len(messages), partial, gap)

    def _decoded(self, frames: Sequence[bytes]) -> list[Any]:
        try:
            messages = self._decode(b"[%b]" % (frames[0] if len(frames) == 1 else b",".join(frames)))
        except msgspec.MsgspecError as error:
            raise ValueError(f"not a book message: {error}") from None
        if len(messages) != len(frames):
            raise ValueError(f"{len(frames)} messages read as {len(messages)}")
        return messages

    def apply(self, message: L2Message) -> str:
        """Take one message in whole; empty, or what contradicts the book (which is to be fetched anew then)."""
        action, gap = message.action, ""
        if action == "partial":
            self._replace(message.data)
            return ""
        if action not in ACTIONS:
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
        # A level without price or size was seen at the venue in rare cases; it cannot be traded.
        self._levels.update((row.id, row) for row in rows if row.price is not None and row.size is not None)
        for name, side in (("Buy", self._bids), ("Sell", self._asks)):
            self._twins += side.fill(row for row in self._levels.values() if row.side == name)

    def _insert(self, row: L2Row) -> str:
        if row.price is None or row.size is None:
            return f"a level without price or size: {row.id}"
        if row.id in self._levels:
            self._delete(row.id)  # an insert of a known key replaces the row
        self._levels[row.id] = row
        if not (self._bids if row.side == "Buy" else self._asks).put(row):
            self._twins.append(row)
        return ""

    def _update(self, row: L2Row) -> str:
        held = self._levels.get(row.id)
        if held is None:
            return f"an update for a level that is not there: {row.id}"
        size = held.size if row.size is None else row.size
        price = held.price if row.price is None else row.price
        if price == held.price and row.side == held.side:
            held.size = size
            return ""
        return self._insert(L2Row(self.symbol, row.id, row.side, size, price))  # a level that moved is another one

    def _delete(self, id: int) -> None:
        held = self._levels.pop(id, None)
        if held is not None:
            self._part(held)

    def _part(self, row: L2Row) -> None:
        """Take a level from its price; its twin, if there is one, has it then."""
        at = (self._bids if row.side == "Buy" else self._asks).rows
        price = _price(row)
        if at[price] is row:
            heir = next((twin for twin in self._twins if twin.price == price and twin.side == row.side), None)
            at[price] = heir
            row = heir or row
        self._twins[:] = [twin for twin in self._twins if twin is not row]

    # -- reading

    def best_bid(self) -> tuple[float, int] | None:
        """Price and contracts of the best bid."""
        row = self._bids.best()
        return None if row is None else (_price(row), row.size or 0)

    def best_ask(self) -> tuple[float, int] | None:
        """Price and contracts of the best ask."""
        row = self._asks.best()
        return None if row is None else (_price(row), row.size or 0)

    def levels(self, side: Side, depth: int | None = None) -> list[tuple[float, int]]:
        """Price and contracts of the best *depth* levels of `Buy` or `Sell`, best first."""
        rows = (self._bids if side == "Buy" else self._asks).best_first()
        twins = [row for row in self._twins if row.side == side]
        if twins:
            rows = iter(sorted([*rows, *twins], key=_price, reverse=side == "Buy"))
        return [(_price(row), row.size or 0) for row in islice(rows, depth)]

    def record(self, instrument: Instrument, depth: int | None = None) -> Book:
        """The book in the words of the uniform interface, quantities in base."""
        return Book(
            contract=instrument.ticker,
            bids=self._rows(instrument, "Buy", depth),
            asks=self._rows(instrument, "Sell", depth),
        )

    def _rows(self, instrument: Instrument, side: Side, depth: int | None) -> list[BookRow]:
        rows = ((_exact(price), size) for price, size in self.levels(side, depth))
        return [BookRow(price=price, quantity=instrument.quantity(size, price)) for price, size in rows]
