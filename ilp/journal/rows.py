"""Entries as rows and back.  Knows which table keeps which kind of entry and what makes a key; runs no statement."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import Enum
from typing import Any

import attrs
from sqlalchemy import Row, Table

from clients.exchange import Side
from ilp.journal import schema
from ilp.journal.entries import (
    ActEntry,
    BookingEntry,
    CheckpointEntry,
    Entry,
    FillEntry,
    FlowEntry,
    HedgeEntry,
    IntentEntry,
    OrderEntry,
    OrderState,
    ParameterEntry,
    PlanEntry,
    Purpose,
    StateEntry,
    TransferEntry,
    TransferState,
)

__all__ = ["KINDS", "Kind", "entry_of", "kind_of", "row_of"]

_ENUMS: Mapping[type, Mapping[str, type[Enum]]] = {
    OrderEntry: {"purpose": Purpose, "side": Side, "state": OrderState},
    FillEntry: {"purpose": Purpose, "side": Side},
    TransferEntry: {"state": TransferState},
}


@attrs.frozen
class Kind:
    """How one kind of entry is kept.

    :ivar name: what the history and the export call it.
    :ivar key: columns that identify an entry; empty when every entry is a row of its own.
    :ivar label: what the history files an entry under that has no key.
    :ivar time: the field that says when this version was made.
    """

    name: str
    entry: type[Any]
    table: Table
    key: tuple[str, ...]
    time: str = "at"
    label: tuple[str, ...] = ()

    def key_of(self, entry: Entry) -> str:
        """The key as one text, for the history."""
        return "/".join(str(getattr(entry, column)) for column in self.key or self.label)


KINDS: tuple[Kind, ...] = (
    Kind("order", OrderEntry, schema.orders, ("venue", "key")),
    Kind("fill", FillEntry, schema.fills, ("venue", "key")),
    Kind("hedge", HedgeEntry, schema.hedges, ("key",)),
    Kind("transfer", TransferEntry, schema.transfers, ("id",), "since"),
    Kind("flow", FlowEntry, schema.flows, ("key",)),
    Kind("plan", PlanEntry, schema.plans, ("id",)),
    Kind("booking", BookingEntry, schema.bookings, ("key",)),
    Kind("checkpoint", CheckpointEntry, schema.checkpoints, ("key",)),
    Kind("parameter", ParameterEntry, schema.parameters, (), label=("name",)),
    Kind("state", StateEntry, schema.states, (), label=("state",)),
    Kind("intent", IntentEntry, schema.intents, (), label=("wanted",)),
    Kind("act", ActEntry, schema.acts, (), label=("what",)),
)

_BY_TYPE: Mapping[type, Kind] = {kind.entry: kind for kind in KINDS}


def kind_of(entry: Entry) -> Kind:
    """How *entry* is kept; refuses what is no entry."""
    try:
        return _BY_TYPE[type(entry)]
    except KeyError:
        names = ", ".join(kind.entry.__name__ for kind in KINDS)
        raise TypeError(f"{type(entry).__name__} is not a journal entry; known are {names}") from None


def row_of(entry: Entry) -> dict[str, Any]:
    """The column values of *entry*, for its own table."""
    return {f.name: _plain(getattr(entry, f.name)) for f in attrs.fields(type(entry))}


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value


def entry_of(kind: Kind, row: Row[Any]) -> Any:
    """The entry that *row* of the kind's table holds."""
    enums: Mapping[str, Callable[[Any], Any]] = _ENUMS.get(kind.entry, {})
    values = {f.name: getattr(row, f.name) for f in attrs.fields(kind.entry)}
    if kind.entry is PlanEntry:
        values["rounded"] = tuple(values["rounded"])
    if kind.entry is FillEntry:
        values["fees"] = {asset: Decimal(text) for asset, text in values["fees"].items()}
    if kind.entry is BookingEntry:
        values["lines"] = tuple((account, asset, number) for account, asset, number in values["lines"])
    return kind.entry(**{name: enums[name](v) if name in enums else v for name, v in values.items()})
