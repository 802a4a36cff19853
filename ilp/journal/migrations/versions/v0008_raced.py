"""A fill also says by which book its quote was last found where it belongs, and by how long it outran what came since."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column

from ilp.journal.columns import Money

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add both; nobody knows them of fills of before."""
    op.add_column("fills", Column("quoted", Money, nullable=True))
    op.add_column("fills", Column("raced", Money, nullable=True))
