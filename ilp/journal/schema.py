"""The tables as they are now.  How older databases come to look like this is in `ilp.journal.migrations`.

One table a kind of entry holds the newest version of each key; `history` holds every version ever written, in order,
and is never changed.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, Table, Text

from ilp.journal.columns import Document, Instant, Money

__all__ = [
    "NEWEST",
    "acts",
    "bookings",
    "checkpoints",
    "fills",
    "flows",
    "hedges",
    "history",
    "intents",
    "metadata",
    "orders",
    "parameters",
    "plans",
    "states",
    "transfers",
]

NEWEST = "0009"  # the last step of `ilp.journal.migrations`

metadata = MetaData()

# SQLite gives out row numbers in order only for the type INTEGER.
_Sequence = BigInteger().with_variant(Integer, "sqlite")


def _text(name: str, *, key: bool = False, null: bool = False) -> Column[str]:
    return Column(name, Text, primary_key=key, nullable=null)


def _money(name: str, *, null: bool = False) -> Column[object]:
    return Column(name, Money, nullable=null)


def _instant(name: str, *, null: bool = False) -> Column[object]:
    return Column(name, Instant, nullable=null)


history = Table(
    "history",
    metadata,
    Column("seq", _Sequence, primary_key=True, autoincrement=True),
    _instant("at"),
    _text("kind"),
    _text("key"),
    Column("body", Document, nullable=False),
    Index("history_by_key", "kind", "key", "seq"),
    Index("history_by_time", "at"),
)

orders = Table(
    "orders",
    metadata,
    _text("venue", key=True),
    _text("key", key=True),
    _text("order_id", null=True),
    _text("purpose"),
    _text("ticker"),
    _text("side"),
    _money("price"),
    _money("quantity"),
    _money("filled"),
    _text("state"),
    _instant("at"),
    _text("note"),
    _instant("changed", null=True),
    Index("orders_by_state", "state"),
)

fills = Table(
    "fills",
    metadata,
    _text("venue", key=True),
    _text("key", key=True),
    _text("order_key"),
    _text("order_id"),
    _text("purpose"),
    _text("ticker"),
    _text("side"),
    _money("price"),
    _money("quantity"),
    _money("cumulative"),
    Column("fees", Document, nullable=False),
    _instant("at"),
    _money("reference_bid", null=True),
    _money("reference_ask", null=True),
    _money("rate", null=True),
    _money("quoted", null=True),
    _money("raced", null=True),
    Index("fills_by_time", "at"),
    Index("fills_by_order", "order_key"),
)

hedges = Table(
    "hedges",
    metadata,
    _text("key", key=True),
    _text("fill_key"),
    _text("closed_by"),
    _money("quantity"),
    _money("edge", null=True),
    _money("slippage", null=True),
    _instant("at"),
    Index("hedges_by_time", "at"),
)

transfers = Table(
    "transfers",
    metadata,
    _text("id", key=True),
    _text("state"),
    _text("asset"),
    _text("from_venue"),
    _text("to_venue"),
    _text("to_asset"),
    _money("amount"),
    _money("expected"),
    _money("fee"),
    _text("address"),
    _text("reference", null=True),
    Column("manual", Boolean, nullable=False),
    _instant("created"),
    _instant("since"),
    _instant("due", null=True),
    _money("debited"),
    _money("arrived"),
    _text("plan"),
    _text("note"),
    _text("by"),
    Column("called", Boolean, nullable=False),
    _text("withdrawal_id", null=True),
    _text("deposit_id", null=True),
    _instant("departed", null=True),
    Index("transfers_by_time", "since"),
)

flows = Table(
    "flows",
    metadata,
    _text("key", key=True),
    _text("venue"),
    _text("asset"),
    _money("quantity"),
    _instant("at"),
    _text("reference"),
    _text("classified"),
    _text("by"),
    Index("flows_by_time", "at"),
)

plans = Table(
    "plans",
    metadata,
    _text("id", key=True),
    _instant("at"),
    Column("pool", Document, nullable=False),
    Column("answer", Document, nullable=False),
    Column("rounded", Document, nullable=False),
    Column("rounding", Document, nullable=False, server_default="{}"),
    Index("plans_by_time", "at"),
)

bookings = Table(
    "bookings",
    metadata,
    _text("key", key=True),
    _instant("at"),
    _text("kind"),
    _text("reference"),
    Column("lines", Document, nullable=False),
    Column("terms", Document, nullable=False),
    Column("rounding", BigInteger, nullable=False),
    Column("marks", Document, nullable=False),
    _money("exposure"),
    Index("bookings_by_time", "at"),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    _text("key", key=True),
    Column("number", Integer, nullable=False),
    _instant("at"),
    Column("sums", Document, nullable=False),
)

# These four are not replaced under a key: each entry is a new row.

parameters = Table(
    "parameters",
    metadata,
    Column("seq", _Sequence, primary_key=True, autoincrement=True),
    _text("name"),
    _text("old"),
    _text("new"),
    _text("file_value"),
    Column("version", Integer, nullable=False),
    _text("by"),
    _instant("at"),
    Column("origin", Text, nullable=False, server_default="console"),
)

states = Table(
    "states",
    metadata,
    Column("seq", _Sequence, primary_key=True, autoincrement=True),
    _text("state"),
    _text("previous"),
    _text("reason"),
    _text("by"),
    _instant("at"),
    Index("states_by_state", "state", "seq"),
)

intents = Table(
    "intents",
    metadata,
    Column("seq", _Sequence, primary_key=True, autoincrement=True),
    Column("wanted", Boolean, nullable=False),
    _text("by"),
    _instant("at"),
    Column("paused", Text, nullable=False, server_default=""),
)

acts = Table(
    "acts",
    metadata,
    Column("seq", _Sequence, primary_key=True, autoincrement=True),
    _text("what"),
    _text("about"),
    _text("before"),
    _text("after"),
    _text("note"),
    _text("by"),
    _instant("at"),
    Index("acts_by_time", "at"),
)
