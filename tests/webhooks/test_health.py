"""/readyz tells why not, and never waits for a database that hangs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from fakes import make_services
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from store.writer import GroupWriter
from webhooks import health


@pytest.fixture
def writer(engine: Engine) -> Iterator[GroupWriter]:
    made = GroupWriter(engine)
    yield made
    made.close()


def test_a_database_that_hangs_is_told_in_time(
    engine: Engine, writer: GroupWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "PROBE_WITHIN_S", 0.1)
    held, release = threading.Event(), threading.Event()

    def wait(_session: Session) -> None:
        held.set()
        release.wait(20)

    @contextmanager
    def hang() -> Iterator[Session]:
        raise AssertionError("a read has no time limit: it must not be tried while the writer gets no answer")
        yield

    services = replace(make_services(engine, writer=writer), read=hang)
    stuck = threading.Thread(target=writer.write, args=(wait,))
    stuck.start()
    assert held.wait(10)
    reasons = health.find_reasons(services)
    release.set()
    stuck.join()
    assert len(reasons) == 1
    assert "does not answer" in reasons[0]
    assert health.find_reasons(services) == []


def test_a_database_without_tables_is_told_to_be_upgraded(engine: Engine) -> None:
    services = make_services(engine)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE metric"))
        connection.execute(text("DELETE FROM alembic_version"))
    (reason,) = health.find_reasons(services)
    assert "leadloop db upgrade" in reason
