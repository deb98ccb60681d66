"""Work that is wanted again while in hand, work ids that never come again, which rows a lane has failed with"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    again: sa.Column[bool] = sa.Column("again", sa.Boolean(), server_default=sa.false(), nullable=False)
    if op.get_bind().dialect.name == "sqlite":
        _make_work_anew(again)
    else:
        op.add_column("work", again)
    op.add_column("lane", sa.Column("failed", sa.Text(), server_default="[]", nullable=False))


def _make_work_anew(again: sa.Column[bool]) -> None:
    """AUTOINCREMENT can only be said where a table is created. The indexes are made by hand: a copied one may lose the
    condition that makes it serve a part of the table."""
    op.drop_index("ix_work_open", "work")
    op.drop_index("ix_work_lane", "work")
    with op.batch_alter_table("work", recreate="always", table_kwargs={"sqlite_autoincrement": True}) as batch_op:
        batch_op.add_column(again)
    op.create_index("ix_work_lane", "work", ["lane", "state", "kind"], unique=False)
    op.create_index("ix_work_open", "work", ["queue", "due_at"], unique=False, sqlite_where=sa.text("state = 'open'"))
