"""What people did, with how things stood before and after."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, Text

from ilp.journal.columns import Instant

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the table; nothing was kept of it so far."""
    op.create_table(
        "acts",
        Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
        Column("what", Text, nullable=False),
        Column("about", Text, nullable=False),
        Column("before", Text, nullable=False),
        Column("after", Text, nullable=False),
        Column("note", Text, nullable=False),
        Column("by", Text, nullable=False),
        Column("at", Instant, nullable=False),
    )
    op.create_index("acts_by_time", "acts", ["at"])
