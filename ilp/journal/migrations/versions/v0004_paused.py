"""The operator's intent also says what is on pause."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Text

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add what is paused; nothing was, so far."""
    op.add_column("intents", Column("paused", Text, nullable=False, server_default=""))
