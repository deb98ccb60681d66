"""Indexes by which conversions are listed in order: all of them, and the few that did not reach Meta"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("conversion", schema=None) as batch_op:
        batch_op.create_index("ix_conversion_newest", ["created_at", "id"], unique=False)
        batch_op.create_index(
            "ix_conversion_not_told",
            ["created_at", "id"],
            unique=False,
            sqlite_where=sa.text("state NOT IN ('accepted', 'skipped')"),
            postgresql_where=sa.text("state NOT IN ('accepted', 'skipped')"),
        )
