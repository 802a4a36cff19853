"""What a start asks for is found without reading everything: the last entry, the last halt, the fills of an order."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add indexes."""
    op.create_index("history_by_time", "history", ["at"])
    op.create_index("states_by_state", "states", ["state", "seq"])
    op.create_index("fills_by_order", "fills", ["order_key"])
