"""BitMEX's realtime tables kept by keys: partial, insert, update, delete.  Pure; knows no socket and no meaning of a row.

Rules: what comes before the partial of its table and symbol is dropped; a partial replaces what was held under the same
filter and nothing else; an update merges into the row with the same key; a table without keys only grows and is cut to its
latest rows.  An update for a row that is not there is a gap: it is reported, the other rows of the message count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from itertools import count
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec
from attrs import define, field

__all__ = ["TERMINAL", "Applied", "Change", "Gap", "Key", "Storage", "TableMessage", "read_message"]

Key = tuple[Any, ...]
Row = dict[str, Any]

ACTIONS = ("partial", "insert", "update", "delete")
TERMINAL = frozenset({"Filled", "Canceled", "Rejected", "Expired"})
_REVIVAL_S = 60.0  # a filled order may be amended back to life for so long, so its row is kept
_MOST_ROWS = 1000  # of a table without keys


class TableMessage(msgspec.Struct):
    """One message of a table; `keys` and `filter` belong to a partial."""

    table: str
    action: str
    data: list[Row]
    keys: list[str] | None = None
    filter: Row | None = None


_decoder = msgspec.json.Decoder(TableMessage, float_hook=Decimal)


def read_message(payload: bytes | str) -> TableMessage:
    """Decode a message, its floats as exact Decimals; `ValueError` names what is wrong with it."""
    try:
        message = _decoder.decode(payload)
    except msgspec.MsgspecError as error:
        raise ValueError(f"not a table message: {error}") from None
    if message.action not in ACTIONS:
        raise ValueError(f"unknown action {message.action!r} of table {message.table}; known are {', '.join(ACTIONS)}")
    return message


class Change(NamedTuple):
    """A row as it is after a change; `symbol` is empty for tables of the account."""

    item: Row
    symbol: str
    table: str
    action: str


class Gap(NamedTuple):
    """A row that contradicts what is held: the topic must be fetched anew."""

    table: str
    symbol: str
    why: str

    @property
    def topic(self) -> str:
        """What to subscribe to again."""
        return f"{self.table}:{self.symbol}" if self.symbol else self.table


class Applied(NamedTuple):
    """What a message did."""

    changes: list[Change]
    gaps: list[Gap]


# What the constructor of a named tuple does, without its detour: it runs for every row that changes.
_tuple = tuple.__new__


def _key_reader(names: tuple[str, ...]) -> Callable[[Mapping[str, Any]], Key]:
    """What takes a key out of a row with all key columns, as fast as can be."""
    if len(names) == 1:
        (name,) = names
        return lambda row: (row[name],)
    return itemgetter(*names) if names else lambda row: ()


@define
class _Table:
    """Rows of one table.

    :ivar ready: symbols whose partial has come; the empty one stands for all.
    """

    keys: tuple[str, ...] = ()
    read_key: Callable[[Mapping[str, Any]], Key] = field(factory=lambda: _key_reader(()))
    rows: dict[Key, Row] = field(factory=dict)
    by_symbol: dict[str, set[Key]] = field(factory=dict)
    ready: set[str] = field(factory=set)
    numbers: count[int] = field(factory=count)

    def rekey(self, keys: tuple[str, ...]) -> None:
        self.keys, self.read_key = keys, _key_reader(keys)

    def key_of(self, row: Mapping[str, Any]) -> Key:
        if not self.keys:
            return (next(self.numbers),)
        try:
            return self.read_key(row)
        except KeyError:
            return tuple(row.get(name) for name in self.keys)

    def put(self, key: Key, row: Row) -> None:
        self.rows[key] = row
        symbol = row.get("symbol") or ""
        held = self.by_symbol.get(symbol)
        if held is None:
            held = self.by_symbol[symbol] = set()
        held.add(key)

    def drop(self, key: Key) -> Row | None:
        row = self.rows.pop(key, None)
        if row is not None:
            self.by_symbol[row.get("symbol") or ""].discard(key)
        return row

    def clear(self, symbol: str) -> None:
        for key in list(self.by_symbol.get(symbol, ())) if symbol else list(self.rows):
            self.drop(key)

    def trim(self) -> None:
        while len(self.rows) > _MOST_ROWS:
            self.drop(next(iter(self.rows)))


class Storage:
    """All tables of one connection.

    :ivar data: table → key → row; a key is the tuple of the row's key columns (see `make_key`), a running number in
        tables that have none.
    :ivar keys: table → names of its key columns.
    """

    def __init__(self) -> None:
        self._tables: dict[str, _Table] = {}
        self._ended: dict[Key, float] = {}
        self._steps = {"insert": self._insert, "update": self._update, "delete": self._delete}
        self.data: dict[str, dict[Key, Row]] = {}
        self.keys: dict[str, tuple[str, ...]] = {}

    def is_ready(self, table: str, symbol: str = "") -> bool:
        """Whether the partial has come."""
        found = self._tables.get(table)
        return found is not None and bool({"", symbol} & found.ready)

    def make_key(self, table: str, match: Mapping[str, Any]) -> Key:
        """The key of the row whose key columns are as in *match*; `KeyError` for a table without keys or partial."""
        names = self.keys[table]
        if not names:
            raise KeyError(f"table {table} has no key columns")
        return tuple(match[name] for name in names)

    def find(self, table: str, **match: Any) -> Row | None:
        """The row with these key columns, in constant time."""
        return self.data.get(table, {}).get(self.make_key(table, match)) if table in self.keys else None

    def forget(self, table: str, symbol: str = "") -> None:
        """The rows of a topic do not count any more; its changes are dropped until the next partial."""
        found = self._tables.get(table)
        if found is not None:
            found.clear(symbol)
            found.ready -= {symbol} if symbol else set(found.ready)

    def apply(self, message: TableMessage, now: float = 0.0) -> Applied:
        """Take a message in whole and tell what it did.

        :param now: seconds of any clock: rows of orders that ended are dropped 60 s later.
        """
        table = self._tables.get(message.table)
        if message.action == "partial":
            done = self._partial(message)
        elif table is None:
            return Applied([], [])
        else:
            done = self._changes(table, message)
        if message.table == "order":
            self._forget_ended(message, now)
        return done

    def _partial(self, message: TableMessage) -> Applied:
        table = self._tables.setdefault(message.table, _Table())
        symbol = str((message.filter or {}).get("symbol") or "")
        table.clear(symbol)
        table.rekey(tuple(message.keys or ()))
        table.ready.add(symbol)
        self.data[message.table], self.keys[message.table] = table.rows, table.keys
        for row in message.data:
            table.put(table.key_of(row), row)
        if not table.keys:
            table.trim()
        return Applied([self._change(message, row) for row in message.data], [])

    def _changes(self, table: _Table, message: TableMessage) -> Applied:
        name, action, ready = message.table, message.action, table.ready
        step = self._steps[action]
        everything = "" in ready
        changes: list[Change] = []
        gaps: list[Gap] = []
        for row in message.data:
            symbol = row.get("symbol") or ""
            if not everything and symbol not in ready:
                continue
            try:
                after = step(table, row)
            except KeyError:
                why = f"an {action} for a row that is not there: {[row.get(name) for name in table.keys]}"
                gaps.append(Gap(name, symbol if symbol in ready else "", why))
            else:
                if after is not None:  # a row that is gone already is told to nobody
                    changes.append(_tuple(Change, (after, after.get("symbol") or "", name, action)))
        return _tuple(Applied, (changes, gaps))

    @staticmethod
    def _change(message: TableMessage, row: Row) -> Change:
        return Change(row, row.get("symbol") or "", message.table, message.action)

    @staticmethod
    def _insert(table: _Table, row: Row) -> Row:
        table.put(table.key_of(row), row)
        if not table.keys:
            table.trim()
        return row

    @staticmethod
    def _update(table: _Table, row: Row) -> Row:
        if not table.keys:
            return dict(row)
        try:
            held = table.rows[table.read_key(row)]
        except KeyError:
            held = table.rows[table.key_of(row)]
        held.update(row)
        return held

    @staticmethod
    def _delete(table: _Table, row: Row) -> Row | None:
        # A row that is gone already is as the venue wants it: nothing is missing.
        return table.drop(table.key_of(row)) if table.keys else None

    def _forget_ended(self, message: TableMessage, now: float) -> None:
        table = self._tables["order"]
        for row in message.data:
            key = table.key_of(row)
            held = table.rows.get(key, {})
            if held.get("ordStatus") in TERMINAL:
                self._ended.setdefault(key, now)
            else:
                self._ended.pop(key, None)
        for key, since in list(self._ended.items()):
            if now - since > _REVIVAL_S:
                del self._ended[key]
                table.drop(key)
