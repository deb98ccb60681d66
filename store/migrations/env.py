"""Run by Alembic: migrations on the engine it was handed, one runner at a time."""

from alembic import context
from sqlalchemy import Engine, text

import store.conversion_models  # noqa: F401  its tables are part of the metadata
from store.models import Base

LOCK = 7_310_201_126  # one migration at a time on PostgreSQL; SQLite's BEGIN IMMEDIATE does the same


def run() -> None:
    engine: Engine = context.config.attributes["engine"]
    with engine.connect() as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            render_as_batch=connection.dialect.name == "sqlite",
            compare_type=True,
        )
        context.run_migrations()


run()
