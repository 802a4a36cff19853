"""A transfer knows when it departed: the interval between two is measured from there, not from the proposal."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column

from ilp.journal.columns import Instant

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the time; for those that left before, the time of their last change is the best there is."""
    op.add_column("transfers", Column("departed", Instant, nullable=True))
    op.execute("UPDATE transfers SET departed = since WHERE state NOT IN ('PROPOSED', 'CANCELLED')")
