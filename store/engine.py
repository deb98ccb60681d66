"""SQLite or PostgreSQL: the engine, its pragmas, and short read-only sessions."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import Session

from leadloop.errors import SettingsError

BUSY_TIMEOUT_MS = 10_000


def parse_url(database_url: str) -> URL:
    """Raises SettingsError for a URL that SQLAlchemy cannot read; it is not quoted, as it may hold a password."""
    try:
        return make_url(database_url)
    except (ArgumentError, ValueError) as caught:  # ValueError: a port that is no number
        raise SettingsError("DATABASE_URL is not a database URL that leadloop understands.") from caught


def sqlite_file(database_url: str) -> Path | None:
    """The file of a SQLite database, None for another one."""
    url = parse_url(database_url)
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def make_engine(database_url: str, *, pool_size: int = 10) -> Engine:
    """An engine for `database_url` (sqlite:///… or postgresql+psycopg://…). It connects at first use.

    SQLite: WAL, synchronous=FULL (a commit is on the disk before we answer), foreign keys, explicit BEGIN.
    Raises SettingsError for a URL that SQLAlchemy cannot read.
    """
    url = parse_url(database_url)
    if url.get_backend_name() == "sqlite":
        engine = create_engine(
            url,
            pool_size=pool_size,
            max_overflow=50,
            hide_parameters=True,  # an error that quotes them would quote what people typed
            connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_MS / 1000},
        )
        _listen_sqlite(engine)
        return engine
    return create_engine(
        url,
        pool_size=pool_size,
        max_overflow=20,
        hide_parameters=True,
        pool_recycle=1800,
        connect_args={
            "connect_timeout": 5,
            "tcp_user_timeout": 15_000,
            "application_name": "leadloop",
            "options": "-c timezone=UTC -c lock_timeout=15s -c idle_in_transaction_session_timeout=60s",
        },
    )


def _listen_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, see below
        cursor = connection.cursor()
        _use_wal(cursor)
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA journal_size_limit=67108864")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        # A transaction that will write takes the lock at once: taking it later can fail where waiting cannot help.
        reading = connection.get_execution_options().get("leadloop_read")
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _use_wal(cursor: Any) -> None:
    """Write-ahead logging. On a new file several processes may ask for it at once, and SQLite does not wait there."""
    for left in range(50, -1, -1):
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if not left:
                raise
            time.sleep(0.05)


def make_reader(engine: Engine) -> Callable[[], AbstractContextManager[Session]]:
    """read(): a short session that never writes and never waits for a writer."""
    reading = engine.execution_options(leadloop_read=True)
    if engine.dialect.name == "postgresql":
        reading = reading.execution_options(isolation_level="AUTOCOMMIT")  # spares two round trips for each read

    @contextmanager
    def read() -> Iterator[Session]:
        with reading.connect() as connection, session_on(connection) as session:
            yield session

    return read


def session_on(connection: Connection) -> Session:
    """A session on an open connection, whose transaction is its owner's to end. Statements of store/sql.py find the
    connection in `session.info` and so go around the session's own bookkeeping, which costs more than they do."""
    return Session(connection, expire_on_commit=False, info={"connection": connection})
