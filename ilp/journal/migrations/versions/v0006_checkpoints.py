"""A fill also says what its currency was worth, and the ledger's sums are kept now and then."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Integer, Text

from ilp.journal.columns import Document, Instant, Money

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add both; nobody knows the rates of fills of before, and a ledger without a checkpoint is read from its beginning."""
    op.add_column("fills", Column("rate", Money, nullable=True))
    op.create_table(
        "checkpoints",
        Column("key", Text, primary_key=True, nullable=False),
        Column("number", Integer, nullable=False),
        Column("at", Instant, nullable=False),
        Column("sums", Document, nullable=False),
    )
