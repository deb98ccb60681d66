"""What all tests share: real databases (SQLite files, a PostgreSQL of our own), a clock to set by hand."""

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from servers import PostgresServer, start_postgres
from sqlalchemy import Engine, text

import store.conversion_models  # noqa: F401  its tables are part of the metadata
from store.engine import make_engine, make_reader
from store.migrate import head_revision
from store.models import Base
from store.writer import GroupWriter

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@pytest.fixture(autouse=True, scope="session")
def uncached_loggers() -> Iterator[None]:
    """capture_logs() sees every line, also after another test of this process has configured the logs."""
    original = structlog.configure

    def configure(**how: Any) -> None:
        original(**(how | {"cache_logger_on_first_use": False}))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structlog, "configure", configure)
        yield


class Clock:
    """A time that only moves when told to."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **delta: float) -> datetime:
        self.now += timedelta(**delta)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One PostgreSQL for the whole run of this process, on a free port, with its data in a temporary folder."""
    server = start_postgres()
    yield server
    server.stop()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A new, empty database."""
    name = "t" + uuid.uuid4().hex[:12]
    postgres_server.run_sql(f"CREATE DATABASE {name}")
    yield postgres_server.url(name)
    postgres_server.run_sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, once on each."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/leadloop.db"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on a database with all tables, once on SQLite and once on PostgreSQL."""
    made = make_engine(database_url)
    Base.metadata.create_all(made)
    with made.begin() as connection:  # what `leadloop db upgrade` would have left behind, without its second of work
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": head_revision()})
    yield made
    made.dispose()


@pytest.fixture
def writer(engine: Engine) -> Iterator[GroupWriter]:
    made = GroupWriter(engine)
    yield made
    made.close()


@pytest.fixture
def read(engine: Engine) -> Callable[[], object]:
    return make_reader(engine)
