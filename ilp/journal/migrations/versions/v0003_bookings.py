"""The pool's own double-entry ledger."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Text

from ilp.journal.columns import Document, Instant, Money

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """One more table; a journal of before has no bookings, and its ledger opens at the next start."""
    op.create_table(
        "bookings",
        Column("key", Text, primary_key=True, nullable=False),
        Column("at", Instant, nullable=False),
        Column("kind", Text, nullable=False),
        Column("reference", Text, nullable=False),
        Column("lines", Document, nullable=False),
        Column("terms", Document, nullable=False),
        Column("rounding", BigInteger, nullable=False),
        Column("marks", Document, nullable=False),
        Column("exposure", Money, nullable=False),
    )
    op.create_index("bookings_by_time", "bookings", ["at"])
