"""The web process as a whole: what it refuses to start without, ids of requests, errors, health."""

from typing import Any

import pytest
from fakes import KEY, SECRET, make_services
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from leadloop.errors import SettingsError
from leadloop.settings import Settings
from webhooks.signature import sign
from wsgi import create_app


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({}, "META_APP_SECRET"),
        ({"meta_app_secrets": ("x",)}, "META_VERIFY_TOKEN"),
        ({"meta_app_secrets": ("x",), "meta_verify_token": "y"}, "LEADLOOP_SECRET_KEY"),
    ],
)
def test_it_refuses_to_start_without(changes: dict[str, Any], named: str, tmp_path: Any) -> None:
    settings = Settings(database_url=f"sqlite:///{tmp_path}/x.db").with_(**changes)
    with pytest.raises(SettingsError, match=named):
        create_app(settings)


def test_it_refuses_a_database_that_was_not_upgraded(tmp_path: Any) -> None:
    settings = Settings(
        database_url=f"sqlite:///{tmp_path}/x.db",
        meta_app_secrets=(SECRET,),
        meta_verify_token="y",
        leadloop_secret_keys=(KEY,),
    )
    with pytest.raises(SettingsError, match="leadloop db upgrade"):
        create_app(settings)


def test_every_answer_names_its_request(engine: Engine) -> None:
    client = create_app(services=make_services(engine)).test_client()
    first = client.get("/healthz")
    assert first.json["status"] == "ok"
    assert len(first.headers["X-Request-Id"]) == 32
    given = client.get("/healthz", headers={"X-Request-Id": "abc-12345.6"})
    assert given.headers["X-Request-Id"] == "abc-12345.6"
    hostile = client.get("/healthz", headers={"X-Request-Id": "<script>" * 20})
    assert "<" not in hostile.headers["X-Request-Id"]


def test_wrong_paths_and_methods_are_plain_answers(engine: Engine) -> None:
    client = create_app(services=make_services(engine)).test_client()
    assert client.get("/no/such/page").status_code == 404
    answer = client.put("/webhooks/meta")
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]


def test_ready_says_why_not(engine: Engine) -> None:
    services = make_services(engine)
    client = create_app(services=services).test_client()
    assert client.get("/readyz").json == {"status": "ready", "reasons": []}

    def broken(*_: Any, **__: Any) -> None:
        raise OperationalError("INSERT", {}, Exception("disk full"))

    services.writer.gather = broken  # type: ignore[method-assign, assignment]
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "does not take a write" in answer.json["reasons"][0]


def test_ready_notices_tables_of_another_version(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM alembic_version"))
    answer = create_app(services=make_services(engine)).test_client().get("/readyz")
    assert answer.status_code == 503
    assert "leadloop db upgrade" in answer.json["reasons"][0]


def test_when_it_cannot_be_stored_meta_is_asked_to_send_again(engine: Engine) -> None:
    services = make_services(engine)
    client = create_app(services=services).test_client()
    body = b'{"object":"page","entry":[]}'
    headers = {"X-Hub-Signature-256": sign(body, SECRET)}

    def broken(_operation: Any, _item: Any, then: Any, **_more: Any) -> None:
        then(None, OperationalError("INSERT", {}, Exception("disk full")))

    working, services.writer.gather_later = services.writer.gather_later, broken  # type: ignore[method-assign, assignment]
    answer = client.post("/webhooks/meta", data=body, headers=headers)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    services.writer.gather_later = working  # type: ignore[method-assign]
    assert client.post("/webhooks/meta", data=body, headers=headers).status_code == 200


def test_only_one_line_in_ten_seconds_for_what_a_stranger_sends(
    engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    services = make_services(engine)
    client = create_app(services=services).test_client()
    for _ in range(50):
        assert client.post("/webhooks/meta", data=b"{}").status_code == 403
    captured = capsys.readouterr()
    assert (captured.out + captured.err).count("notice_refused") <= 1
    assert services.counters.get("leadloop_notices_total", verdict="signature_missing") == 50  # type: ignore[attr-defined]
