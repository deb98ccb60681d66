"""Run by Alembic: migrations on the engine it was handed, one runner at a time."""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import context
from sqlalchemy import Connection, Engine, text

import store.conversion_models  # noqa: F401  its tables are part of the metadata
from store.models import Base

LOCK = 7_310_201_126  # one migration at a time on PostgreSQL; SQLite's BEGIN IMMEDIATE does the same


def run() -> None:
    engine: Engine = context.config.attributes["engine"]
    with engine.connect() as connection, _without_foreign_keys(connection), connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            render_as_batch=connection.dialect.name == "sqlite",
            compare_type=True,
        )
        before = _find_orphans(connection)
        context.run_migrations()
        orphans = _find_orphans(connection) - before
        if orphans:
            tables = ", ".join(sorted({table for table, _row, _parent in orphans}))
            raise RuntimeError(f"the migration would leave rows of {tables} that refer to nothing; nothing was changed")


@contextmanager
def _without_foreign_keys(connection: Connection) -> Iterator[None]:
    """SQLite changes most of a table by making it anew and dropping the old one, and the rows that refer to it would forbid
    that, or go with it (ON DELETE CASCADE). To be said outside a transaction, so not through SQLAlchemy."""
    if connection.dialect.name != "sqlite":
        yield
        return
    driver = connection.connection.driver_connection
    assert driver is not None  # noqa: S101  it is connected
    driver.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        driver.execute("PRAGMA foreign_keys=ON")


def _find_orphans(connection: Connection) -> set[tuple[str, int, str]]:
    """(table, row, table it refers to) of rows that refer to nothing. PostgreSQL never lets it come to that."""
    if connection.dialect.name != "sqlite":
        return set()
    return {(table, row, parent) for table, row, parent, _key in connection.exec_driver_sql("PRAGMA foreign_key_check")}


run()
