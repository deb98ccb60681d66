"""Indexes by which the few leads that wait, are gone, are tests or unrouted are listed in order"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("lead", schema=None) as batch_op:
        batch_op.drop_index("ix_lead_unread")
        batch_op.create_index(
            "ix_lead_unread",
            ["state", "received_at", "id"],
            unique=False,
            sqlite_where=sa.text("state <> 'read'"),
            postgresql_where=sa.text("state <> 'read'"),
        )
        batch_op.drop_index("ix_lead_unrouted")
        batch_op.create_index(
            "ix_lead_unrouted",
            ["received_at", "id"],
            unique=False,
            sqlite_where=sa.text("routed = 0"),
            postgresql_where=sa.text("NOT routed"),
        )
        batch_op.create_index(
            "ix_lead_test",
            ["received_at", "id"],
            unique=False,
            sqlite_where=sa.text("is_test = 1"),
            postgresql_where=sa.text("is_test"),
        )
