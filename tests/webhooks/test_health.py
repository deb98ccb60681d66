"""/readyz tells why not, and never waits for a database that hangs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from fakes import SECRET, make_services
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from store.raw_events import add_raw_events
from store.writer import GroupWriter
from webhooks import health
from webhooks.signature import sign
from wsgi import create_app


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


def test_a_database_that_hangs_after_the_write_is_told_in_time_and_holds_one_thread(
    engine: Engine, writer: GroupWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "READ_WITHIN_S", 0.05)
    release, threads = threading.Event(), []

    def hang(_engine: Engine) -> None:
        threads.append(threading.current_thread())
        release.wait(20)

    monkeypatch.setattr(health, "find_schema_problem", hang)
    services = make_services(engine, writer=writer)
    client = create_app(services=services).test_client()
    for _ in range(5):
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert "does not answer" in answer.json["reasons"][0]
    assert len(threads) == 1
    release.set()
    threads[0].join(10)
    monkeypatch.setattr(health, "READ_WITHIN_S", 30)
    services.caches.clear()
    assert client.get("/readyz").status_code == 200


def test_a_database_without_tables_is_told_to_be_upgraded(engine: Engine) -> None:
    services = make_services(engine)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE metric"))
        connection.execute(text("DELETE FROM alembic_version"))
    (reason,) = health.find_reasons(services)
    assert "leadloop db upgrade" in reason


def test_a_notice_that_could_not_be_stored_is_told_for_a_while(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    services = make_services(engine)
    app = create_app(services=services)
    body, room = b'{"object":"page","entry":[]}', [False]
    original = services.writer.gather_later

    def full(operation: Any, item: Any, then: Any, **more: Any) -> None:
        if operation is add_raw_events and not room[0]:
            then(None, OperationalError("INSERT", {}, Exception("could not extend file: No space left on device")))
        else:
            original(operation, item, then, **more)

    services.writer.gather_later = full  # type: ignore[method-assign]
    headers = {"X-Hub-Signature-256": sign(body, SECRET)}
    assert app.test_client().post("/webhooks/meta", data=body, headers=headers).status_code == 503
    answer = app.test_client().get("/readyz")
    assert answer.status_code == 503
    assert "could not be stored" in answer.json["reasons"][0]
    room[0] = True
    assert app.test_client().post("/webhooks/meta", data=body, headers=headers).status_code == 200
    assert app.test_client().get("/readyz").status_code == 200
    room[0] = False
    assert app.test_client().post("/webhooks/meta", data=body, headers=headers).status_code == 503
    monkeypatch.setattr(health, "LOST_NOTICE_COUNTS_S", 0.0)
    assert app.test_client().get("/readyz").status_code == 200, "on trial again: otherwise nobody would send anything"
