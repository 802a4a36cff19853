"""Tables of the simulated BitMEX as a partial describes them: keys, types, and the older foreign keys and attributes.

Types follow from the values' names by the venue's own habit; a client that needs `attributes` finds them (`sorted`,
`grouped`), one that knows the newer dialect ignores them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import field, frozen

__all__ = ["LOCKED", "PUBLIC", "TABLES", "Table", "partial"]

Row = Mapping[str, Any]


@frozen
class Table:
    """One table.

    :ivar private: only for who is logged in.
    """

    name: str
    keys: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(factory=dict)
    foreign: Mapping[str, str] = field(factory=dict)
    private: bool = False


_SYMBOL = {"symbol": "instrument"}
_SIDED = {"symbol": "instrument", "side": "side"}
_ORDERED = {**_SIDED, "ordStatus": "ordStatus"}
_GROWING = {"timestamp": "sorted", "symbol": "grouped"}
_BINS = tuple(f"{kind}Bin{size}" for kind in ("trade", "quote") for size in ("1m", "5m", "1h", "1d"))

TABLES: Mapping[str, Table] = {
    table.name: table
    for table in (
        Table("orderBookL2", ("symbol", "id", "side"), {"symbol": "parted", "id": "sorted"}, _SIDED),
        Table("orderBookL2_25", ("symbol", "id", "side"), {"symbol": "parted", "id": "sorted"}, _SIDED),
        Table("orderBook10", ("symbol",), {"symbol": "sorted"}, _SYMBOL),
        Table("quote", (), _GROWING, _SYMBOL),
        Table("trade", (), _GROWING, _SIDED),
        *(Table(name, (), _GROWING, _SYMBOL) for name in _BINS),
        Table("instrument", ("symbol",), {"symbol": "unique"}, {}),
        Table("funding", ("timestamp", "symbol"), _GROWING, _SYMBOL),
        Table("settlement", ("timestamp", "symbol"), _GROWING, _SYMBOL),
        Table("liquidation", ("orderID",), {"symbol": "grouped"}, _SIDED),
        Table("insurance", ("currency", "timestamp"), {"timestamp": "sorted"}, {}),
        Table("announcement", ("id",), {"id": "sorted"}, {}),
        Table("chat", ("id",), {"id": "sorted"}, {}),
        Table("connected", (), {"id": "sorted"}, {}),
        Table("publicNotifications", ("id",), {"id": "sorted"}, {}),
        Table(
            "order",
            ("orderID",),
            {"orderID": "grouped", "account": "grouped", "ordStatus": "grouped", "workingIndicator": "grouped"},
            _ORDERED,
            private=True,
        ),
        Table(
            "execution",
            (),
            {"execID": "grouped", "account": "grouped", "execType": "grouped", "transactTime": "sorted"},
            _ORDERED,
            private=True,
        ),
        Table(
            "position",
            ("account", "symbol"),
            {"account": "sorted", "symbol": "grouped", "currency": "grouped"},
            _SYMBOL,
            private=True,
        ),
        Table("margin", ("account", "currency"), {"account": "sorted", "currency": "grouped"}, private=True),
        Table("wallet", ("account", "currency"), {"account": "sorted", "currency": "grouped"}, private=True),
        Table("transact", ("transactID",), {}, private=True),
        Table("affiliate", ("account", "currency"), {"account": "sorted", "currency": "grouped"}, private=True),
        Table("account", ("id",), {"id": "sorted"}, private=True),
        Table("privateNotifications", ("id",), {"id": "sorted"}, private=True),
    )
}

PUBLIC = tuple(name for name, table in TABLES.items() if not table.private)
LOCKED = tuple(name for name, table in TABLES.items() if table.private)

_SYMBOLS = frozenset({"symbol", "side", "currency", "settlCurrency", "clOrdID", "ordType", "ordStatus", "timeInForce"})


def _type_of(name: str, value: Any) -> str:
    if name.endswith(("timestamp", "Time", "Timestamp")) or name in ("listing", "front", "expiry", "settle"):
        return "timestamp"
    if name.endswith("Interval"):
        return "timespan"
    if name in ("orderID", "execID", "trdMatchID", "transactID"):
        return "guid"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "long"
    if isinstance(value, float):
        return "float"
    return "symbol" if name in _SYMBOLS else "string"


def partial(
    name: str, rows: Iterable[Row], template: Row, filter_: Row, *, current: bool, keys: tuple[str, ...] | None = None
) -> dict[str, Any]:
    """The first message of a subscription.

    :param template: a row with every column, for the types.
    :param current: without what newer dialects leave out.
    """
    table = TABLES[name]
    message: dict[str, Any] = {
        "table": name,
        "action": "partial",
        "keys": list(table.keys if keys is None else keys),
        "types": {column: _type_of(column, value) for column, value in template.items()},
    }
    if not current:
        message |= {"foreignKeys": dict(table.foreign), "attributes": dict(table.attributes)}
    return message | {"filter": dict(filter_), "data": list(rows)}
