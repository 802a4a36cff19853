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
from operator import length_hint
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
_PASSED_BY = 3  # empty prices that may lie before the best


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
        raise _unreadable(error) from None


def _unreadable(error: Exception) -> ValueError:
    return ValueError(f"not a book message: {error}")


class _Decoders(NamedTuple):
    """What decodes the messages of one book, and refuses what is of no other or does nothing known.

    :ivar several: messages, a line each.  Nearly all have one row, for which a list would cost more than the row itself: so
        `data` has the first rows as `first` (its `id` is None where there is none) to `fourth`, and `more` where there are
        more, which are to be read by `whole` then.  A row of another symbol is refused; one without any is this book's.
    :ivar whole: one message, `data` a list of its rows.
    """

    several: Callable[[bytes], list[Any]]
    whole: Callable[[bytes], Any]


@lru_cache(maxsize=256)
def _decoders_of(symbol: str) -> _Decoders:
    """The decoders of a book; words that are known beforehand are not made anew each time."""
    words: Any = Literal
    columns: Any = [("id", int), ("side", Side), ("size", int | None, None), ("price", float | None, None)]
    row: Any = msgspec.defstruct("Row", columns, tag_field="symbol", tag=symbol, gc=False)
    nothing = row(None, "Buy")
    places: Any = [
        ("first", row, msgspec.field(default_factory=lambda: nothing)),
        *((place, row | None, None) for place in ("second", "third", "fourth", "more")),
    ]
    few = msgspec.defstruct("Few", places, array_like=True, gc=False)
    action = ("action", words[ACTIONS])
    several = msgspec.json.Decoder(msgspec.defstruct("Message", [action, ("data", few)], gc=False))
    whole = msgspec.json.Decoder(msgspec.defstruct("Whole", [action, ("data", list[row])], gc=False))
    return _Decoders(several.decode_lines, whole.decode)


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


class _Level:
    """One level of a book.

    :ivar size: contracts; None: it has gone, and keeps its place for when it comes back.
    """

    # A plain class, since its size is set for every second message: a msgspec.Struct takes six times as long to set it.
    __slots__ = ("id", "price", "side", "size")

    def __init__(self, id: int, side: Side, size: int | None, price: float) -> None:
        self.id = id
        self.side = side
        self.size = size
        self.price = price


class _Side:
    """Levels of one side by price, the best at hand.

    A level that has gone keeps its place until it would be the best, until another comes to its price, or until half of
    them are like that: levels flicker, and one that comes back costs no search then.

    :ivar rows: price → level.
    """

    def __init__(self, sign: int, levels: dict[int, _Level]) -> None:
        self._sign = sign
        self._levels = levels
        self._keys: list[float] = []  # prices of bids, prices of asks with a minus: ascending, the best last
        self._most = 0  # keys before the empty ones among them are forgotten
        self.rows: dict[float, _Level] = {}

    def clear(self) -> None:
        self.rows.clear()
        self._sort()

    def _sort(self) -> None:
        self._keys = sorted(self._sign * price for price in self.rows)
        self._most = 2 * len(self._keys) + _SPARE

    def fill(self, levels: Iterable[_Level]) -> list[_Level]:
        """Take these in place of all others; those that found another at their price are returned."""
        self.rows.clear()
        left = [level for level in levels if self.rows.setdefault(level.price, level) is not level]
        self._sort()
        return left

    def put(self, level: _Level) -> bool:
        """Add a level, unless another stands at its price."""
        held = self.rows.get(level.price)
        if held is not None:
            if held.size is not None:
                return False
            self._forget(held)
            self.rows[level.price] = level
            return True
        self.rows[level.price] = level
        insort(self._keys, self._sign * level.price)
        if len(self._keys) > self._most:
            for gone in [held for held in self.rows.values() if held.size is None]:
                self._forget(gone)
            self._sort()
        return True

    def _forget(self, gone: _Level) -> None:
        """A level that has gone loses its place: should it come back, it is a new one."""
        del self.rows[gone.price]
        if self._levels.get(gone.id) is gone:
            del self._levels[gone.id]

    def best(self) -> _Level | None:
        """The best level."""
        level = self.rows[self._sign * self._keys[-1]] if self._keys else None
        return level if level is None or level.size is not None else self._best_that_is_left()

    def _best_that_is_left(self) -> _Level | None:
        """The best level where one that was better has gone: a few such are passed by, more are forgotten."""
        keys, rows, sign = self._keys, self.rows, self._sign
        for key in keys[: -_PASSED_BY - 1 : -1]:
            level = rows[sign * key]
            if level.size is not None:
                return level
        while keys and (gone := rows[sign * keys[-1]]).size is None:
            keys.pop()
            self._forget(gone)
        return self.best()

    def best_first(self) -> Iterator[_Level]:
        """Level by level."""
        found = (self.rows[self._sign * key] for key in reversed(self._keys))
        return (level for level in found if level.size is not None)


class L2Book:
    """Levels of one symbol.

    :ivar ready: the partial has come; until then every change is dropped.
    """

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.ready = False
        self._decoders = _decoders_of(symbol)
        self._levels: dict[int, _Level] = {}  # one that has gone stands here only as long as its price is kept for it
        self._bids, self._asks = _Side(1, self._levels), _Side(-1, self._levels)
        self._twins: list[_Level] = []  # levels that found another at their price: two ids may stand at one for a while

    def __len__(self) -> int:
        return sum(level.size is not None for level in self._levels.values())

    def clear(self) -> None:
        """Nothing is known until the next partial."""
        self.ready = False
        for held in (self._levels, self._bids, self._asks, self._twins):
            held.clear()

    # -- writing

    def take(self, frames: Sequence[bytes]) -> Taken:
        """Take messages of this book in their order, up to the first that contradicts it.

        :param frames: messages that begin with `PREFIX`.
        :raise ValueError: one of them cannot be read or is of another book; none was taken then.  (Where something is
            wrong beyond the fourth row of a message, those before that message are taken, and told of, first.)
        """
        messages = self._decoded(frames)
        dropped = 0
        if not self.ready:  # what comes before the partial counts for nothing
            dropped = next((at for at, message in enumerate(messages) if message.action == "partial"), len(messages))
            del messages[:dropped]
        level_of, twins, partial, gap = self._levels.get, self._twins, False, ""
        rest = iter(messages)
        # What `apply` does, with its usual cases in place: this is the loop that a busy venue keeps busy.
        for message in rest:
            data, action = message.data, message.action
            row = data.first
            if data.second is None:
                held, size = level_of(row.id), row.size
                if held is None:
                    if action == "insert" and not self._insert(row):
                        continue
                elif action == "update":
                    if (
                        (row.price == held.price or row.price is None)
                        and size is not None
                        and held.size is not None
                        and row.side is held.side
                    ):
                        held.size = size
                        continue
                elif action == "delete":
                    if not twins:
                        held.size = None
                        continue
                elif action == "insert" and row.price == held.price and size is not None and row.side is held.side:
                    held.size = size
                    continue
            if data.more is None and action != "partial" and row.id is not None:
                gap = self._apply(action, _rows(data))
            else:
                at = dropped + _place(messages, rest)
                try:
                    gap = self._apply(action, self._whole(frames[at]))
                except ValueError:
                    if at == 0:
                        raise
                    return Taken(at, partial, "")
                partial = partial or action == "partial"
            if gap:
                return Taken(dropped + _place(messages, rest) + 1, partial, gap)
        return _taken(len(frames), partial, "")

    def _decoded(self, frames: Sequence[bytes]) -> list[Any]:
        try:
            messages = self._decoders.several(frames[0] if len(frames) == 1 else b"\n".join(frames))
        except msgspec.MsgspecError as error:
            raise _unreadable(error) from None
        if len(messages) != len(frames):
            raise ValueError(f"{len(frames)} messages read as {len(messages)}")
        return messages

    def _whole(self, frame: bytes) -> list[Any]:
        """All rows of a message of which not all have been read."""
        try:
            rows: list[Any] = self._decoders.whole(frame).data
        except msgspec.MsgspecError as error:
            raise _unreadable(error) from None
        return rows

    def apply(self, message: L2Message) -> str:
        """Take one message in whole; empty, or what contradicts the book (which is to be fetched anew then)."""
        if message.action not in ACTIONS:
            return f"unknown action {message.action!r}"
        if not self.ready and message.action != "partial":
            return ""
        return self._apply(message.action, message.data)

    def _apply(self, action: str, rows: Sequence[Any]) -> str:
        if action == "partial":
            self._replace(rows)
            return ""
        if action == "delete":
            for row in rows:
                self._delete(row.id)
            return ""
        gap = ""
        if action == "insert":
            for row in rows:
                gap = self._insert(row) or gap
            return gap
        level_of = self._levels.get
        for row in rows:
            held, size = level_of(row.id), row.size
            if (
                held is not None
                and (row.price == held.price or row.price is None)
                and size is not None
                and held.size is not None
                and row.side == held.side
            ):
                held.size = size
            else:
                gap = self._update(row) or gap
        return gap

    def _replace(self, rows: Sequence[Any]) -> None:
        self.clear()
        self.ready = True
        # A level without price or size was seen at the venue in rare cases; it cannot be traded.
        found = (row for row in rows if row.price is not None and row.size is not None)
        self._levels.update((row.id, _Level(row.id, row.side, row.size, row.price)) for row in found)
        for name, side in (("Buy", self._bids), ("Sell", self._asks)):
            self._twins += side.fill(level for level in self._levels.values() if level.side == name)

    def _insert(self, row: Any) -> str:
        held, size, price = self._levels.get(row.id), row.size, row.price
        if price is None or size is None:
            return f"a level without price or size: {row.id}"
        if held is not None and held.price == price and held.side == row.side:
            held.size = size  # it comes back, or is there already: an insert of a known key replaces the row
        else:
            self._move(row.id, row.side, size, price)
        return ""

    def _update(self, row: Any) -> str:
        held, size, price = self._levels.get(row.id), row.size, row.price
        if held is None or held.size is None:
            return f"an update for a level that is not there: {row.id}"
        if (price == held.price or price is None) and row.side == held.side:
            held.size = held.size if size is None else size
        else:  # a level that moved is another one
            self._move(row.id, row.side, held.size if size is None else size, held.price if price is None else price)
        return ""

    def _move(self, id: int, side: Side, size: int, price: float) -> None:
        """There is a level where it was not before; where it was it is no more."""
        if id in self._levels:
            self._delete(id)
        level = self._levels[id] = _Level(id, side, size, price)
        if not (self._bids if side == "Buy" else self._asks).put(level):
            self._twins.append(level)

    def _delete(self, id: int) -> None:
        held = self._levels.get(id)
        if held is None or held.size is None:
            return  # gone already, as the venue wants it
        held.size = None
        if self._twins:
            self._part(held)

    def _part(self, gone: _Level) -> None:
        """Two levels may stand at the price of one that has gone: the other has it then, and no place is kept."""
        rows = (self._bids if gone.side == "Buy" else self._asks).rows
        left = gone
        if rows[gone.price] is gone:
            heir = next((twin for twin in self._twins if twin.price == gone.price and twin.side == gone.side), None)
            if heir is None:
                return
            rows[gone.price] = left = heir
        self._twins[:] = [twin for twin in self._twins if twin is not left]
        del self._levels[gone.id]

    # -- reading

    def best_bid(self) -> tuple[float, int] | None:
        """Price and contracts of the best bid."""
        level = self._bids.best()
        return None if level is None else (level.price, level.size or 0)

    def best_ask(self) -> tuple[float, int] | None:
        """Price and contracts of the best ask."""
        level = self._asks.best()
        return None if level is None else (level.price, level.size or 0)

    def levels(self, side: Side, depth: int | None = None) -> list[tuple[float, int]]:
        """Price and contracts of the best *depth* levels of `Buy` or `Sell`, best first."""
        levels = (self._bids if side == "Buy" else self._asks).best_first()
        twins = [twin for twin in self._twins if twin.side == side]
        if twins:
            levels = iter(sorted([*levels, *twins], key=lambda level: level.price, reverse=side == "Buy"))
        return [(level.price, level.size or 0) for level in islice(levels, depth)]

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


def _rows(few: Any) -> tuple[Any, ...]:
    """What stands in the places of a message's data."""
    if few.third is None:
        return (few.first,) if few.second is None else (few.first, few.second)
    return (few.first, few.second, few.third) if few.fourth is None else (few.first, few.second, few.third, few.fourth)


def _place(messages: list[Any], rest: Iterator[Any]) -> int:
    """Which of *messages* their iterator gave last."""
    return len(messages) - length_hint(rest) - 1
