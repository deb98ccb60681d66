"""An application on a real database, a key for it, and leads to look at (of invented people)."""

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from conftest import Clock
from fakes import FakeEvents, make_services
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine

import api
from leadloop.ports import Services
from leadloop.request_ids import RequestIds
from store.api_keys import create_key
from store.counters import DatabaseCounters
from store.engine import make_engine
from store.migrate import make_config
from store.models import Base
from store.writer import GroupWriter
from webhooks import health


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with all tables, to copy."""
    path = tmp_path_factory.mktemp("empty") / "leadloop.db"
    _make_tables(f"sqlite:///{path}").dispose()
    return path


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path, empty_database: Path) -> str:
    """A database with all tables: SQLite, and for tests marked with `on_both` (lead_rows.py) once more on PostgreSQL."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return f"sqlite:///{shutil.copy(empty_database, tmp_path)}"
    url = str(request.getfixturevalue("postgres_url"))
    _make_tables(url).dispose()
    return url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = make_engine(database_url)
    yield made
    made.dispose()


def _make_tables(url: str) -> Engine:
    engine = make_engine(url)
    Base.metadata.create_all(engine)
    command.stamp(make_config(engine), "head")
    return engine


@pytest.fixture
def services(engine: Engine, writer: GroupWriter, clock: Clock) -> Services:
    made = make_services(engine, writer=writer, now=clock, meta_access_token="system-token")
    return dataclasses.replace(made, counters=DatabaseCounters(writer), events_graph=FakeEvents())


@pytest.fixture
def app(services: Services) -> Flask:
    made = Flask("leadloop", static_folder=None)
    made.extensions["leadloop"] = services
    made.register_blueprint(health.bp)
    api.register(made)
    made.wsgi_app = RequestIds(made.wsgi_app)  # type: ignore[method-assign]
    return made


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def key(services: Services) -> str:
    return services.writer.write(lambda session: create_key(session, "tests", services.now()))


@pytest.fixture
def get(client: FlaskClient, key: str) -> Callable[..., Any]:
    """get(path, **query): the answer to a request with a good key."""

    def get(path: str, **query: Any) -> Any:
        return client.get(path, query_string=query, headers={"Authorization": f"Bearer {key}"})

    return get
