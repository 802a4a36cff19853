"""What a replay needs: when an order became as it is, where a parameter's value is from, how a plan was rounded."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Text

from ilp.journal.columns import Instant

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add all three; before, nobody wrote them, and each entry of a parameter was an edit in the console."""
    op.add_column("orders", Column("changed", Instant, nullable=True))
    op.add_column("parameters", Column("origin", Text, nullable=False, server_default="console"))
    op.add_column("plans", Column("rounding", Text, nullable=False, server_default="{}"))
