"""The first schema: one table a kind of entry, and the history of all of them."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Integer, Text

from ilp.journal.columns import Document, Instant, Money

revision = "0001"
down_revision = None

_SEQUENCE = BigInteger().with_variant(Integer, "sqlite")


def upgrade() -> None:
    """Make every table."""
    _fills()
    _flows()
    _hedges()
    _history()
    _intents()
    _orders()
    _parameters()
    _plans()
    _states()
    _transfers()


def _fills() -> None:
    op.create_table(
        "fills",
        Column("venue", Text, primary_key=True, nullable=False),
        Column("key", Text, primary_key=True, nullable=False),
        Column("order_key", Text, nullable=False),
        Column("order_id", Text, nullable=False),
        Column("purpose", Text, nullable=False),
        Column("ticker", Text, nullable=False),
        Column("side", Text, nullable=False),
        Column("price", Money, nullable=False),
        Column("quantity", Money, nullable=False),
        Column("cumulative", Money, nullable=False),
        Column("fees", Document, nullable=False),
        Column("at", Instant, nullable=False),
        Column("reference_bid", Money),
        Column("reference_ask", Money),
    )
    op.create_index("fills_by_time", "fills", ["at"])


def _flows() -> None:
    op.create_table(
        "flows",
        Column("key", Text, primary_key=True, nullable=False),
        Column("venue", Text, nullable=False),
        Column("asset", Text, nullable=False),
        Column("quantity", Money, nullable=False),
        Column("at", Instant, nullable=False),
        Column("reference", Text, nullable=False),
        Column("classified", Text, nullable=False),
        Column("by", Text, nullable=False),
    )
    op.create_index("flows_by_time", "flows", ["at"])


def _hedges() -> None:
    op.create_table(
        "hedges",
        Column("key", Text, primary_key=True, nullable=False),
        Column("fill_key", Text, nullable=False),
        Column("closed_by", Text, nullable=False),
        Column("quantity", Money, nullable=False),
        Column("edge", Money),
        Column("slippage", Money),
        Column("at", Instant, nullable=False),
    )
    op.create_index("hedges_by_time", "hedges", ["at"])


def _history() -> None:
    op.create_table(
        "history",
        Column("seq", _SEQUENCE, primary_key=True, autoincrement=True),
        Column("at", Instant, nullable=False),
        Column("kind", Text, nullable=False),
        Column("key", Text, nullable=False),
        Column("body", Document, nullable=False),
    )
    op.create_index("history_by_key", "history", ["kind", "key", "seq"])


def _intents() -> None:
    op.create_table(
        "intents",
        Column("seq", _SEQUENCE, primary_key=True, autoincrement=True),
        Column("wanted", Boolean, nullable=False),
        Column("by", Text, nullable=False),
        Column("at", Instant, nullable=False),
    )


def _orders() -> None:
    op.create_table(
        "orders",
        Column("venue", Text, primary_key=True, nullable=False),
        Column("key", Text, primary_key=True, nullable=False),
        Column("order_id", Text),
        Column("purpose", Text, nullable=False),
        Column("ticker", Text, nullable=False),
        Column("side", Text, nullable=False),
        Column("price", Money, nullable=False),
        Column("quantity", Money, nullable=False),
        Column("filled", Money, nullable=False),
        Column("state", Text, nullable=False),
        Column("at", Instant, nullable=False),
        Column("note", Text, nullable=False),
    )
    op.create_index("orders_by_state", "orders", ["state"])


def _parameters() -> None:
    op.create_table(
        "parameters",
        Column("seq", _SEQUENCE, primary_key=True, autoincrement=True),
        Column("name", Text, nullable=False),
        Column("old", Text, nullable=False),
        Column("new", Text, nullable=False),
        Column("file_value", Text, nullable=False),
        Column("version", Integer, nullable=False),
        Column("by", Text, nullable=False),
        Column("at", Instant, nullable=False),
    )


def _plans() -> None:
    op.create_table(
        "plans",
        Column("id", Text, primary_key=True, nullable=False),
        Column("at", Instant, nullable=False),
        Column("pool", Document, nullable=False),
        Column("answer", Document, nullable=False),
        Column("rounded", Document, nullable=False),
    )
    op.create_index("plans_by_time", "plans", ["at"])


def _states() -> None:
    op.create_table(
        "states",
        Column("seq", _SEQUENCE, primary_key=True, autoincrement=True),
        Column("state", Text, nullable=False),
        Column("previous", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("by", Text, nullable=False),
        Column("at", Instant, nullable=False),
    )


def _transfers() -> None:
    op.create_table(
        "transfers",
        Column("id", Text, primary_key=True, nullable=False),
        Column("state", Text, nullable=False),
        Column("asset", Text, nullable=False),
        Column("from_venue", Text, nullable=False),
        Column("to_venue", Text, nullable=False),
        Column("to_asset", Text, nullable=False),
        Column("amount", Money, nullable=False),
        Column("expected", Money, nullable=False),
        Column("fee", Money, nullable=False),
        Column("address", Text, nullable=False),
        Column("reference", Text),
        Column("manual", Boolean, nullable=False),
        Column("created", Instant, nullable=False),
        Column("since", Instant, nullable=False),
        Column("due", Instant),
        Column("debited", Money, nullable=False),
        Column("arrived", Money, nullable=False),
        Column("plan", Text, nullable=False),
        Column("note", Text, nullable=False),
        Column("by", Text, nullable=False),
        Column("called", Boolean, nullable=False),
        Column("withdrawal_id", Text),
        Column("deposit_id", Text),
    )
    op.create_index("transfers_by_time", "transfers", ["since"])
