"""Who is let in: keys, refusals, and that noting a key's use never stands in the way."""

import dataclasses
import threading
from datetime import timedelta

import pytest
from conftest import NOW
from lead_rows import on_both
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from api.access import may_see_figures
from store.api_keys import create_key, list_keys, revoke_key


def ask(client, header, path="/api/v1/leads"):
    return client.get(path, headers={} if header is None else {"Authorization": header})


@pytest.mark.parametrize(
    ("header", "challenge", "says"),
    [
        (None, 'Bearer realm="leadloop"', "Send a key"),
        ("", 'Bearer realm="leadloop"', "Send a key"),
        ("Basic bGw6bGw=", 'Bearer realm="leadloop"', "Send a key"),
        ("Bearer", 'Bearer realm="leadloop", error="invalid_token"', "not an API key"),
        ("Bearer x", 'Bearer realm="leadloop", error="invalid_token"', "not an API key"),
        ("Bearer a=b", 'Bearer realm="leadloop"', "Send a key"),
        ("Bearer ll_" + "A" * 43, 'Bearer realm="leadloop", error="invalid_token"', "unknown or revoked"),
        ("Bearer ll_" + "A" * 43 + ", Bearer x", 'Bearer realm="leadloop", error="invalid_token"', "not an API key"),
        ("Bearer ll_" + "A" * 100_000, 'Bearer realm="leadloop", error="invalid_token"', "not an API key"),
        ("Bearer \u00fc\u00ff", 'Bearer realm="leadloop", error="invalid_token"', "not an API key"),
    ],
)
def test_no_good_key_no_answer(client, key, header, challenge, says):
    for path in ("/api/v1/leads", "/api/v1/leads/1", "/api/v1/leads?limit=0"):
        answer = ask(client, header, path)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == challenge
        assert answer.json["type"].endswith("#problem-unauthorized")
        assert says in answer.json["detail"]


def test_key_opens_in_any_case_of_the_scheme(client, key):
    for scheme in ("Bearer", "bearer", "BEARER", "Bearer  "):
        assert ask(client, f"{scheme} {key}").status_code == 200


def test_key_elsewhere_than_in_the_header_does_not_open(client, key):
    assert client.get("/api/v1/leads?api_key=" + key).status_code == 401
    client.set_cookie("Authorization", f"Bearer {key}")
    assert client.get("/api/v1/leads").status_code == 401


def test_wrong_case_in_the_key_does_not_open(client, key):
    assert ask(client, "Bearer ll_" + key[3:].swapcase()).status_code == 401


@on_both
def test_revoked_key_is_refused_at_once(client, services, key):
    assert ask(client, f"Bearer {key}").status_code == 200
    services.writer.write(lambda session: revoke_key(session, "tests", NOW))
    answer = ask(client, f"Bearer {key}")
    assert answer.status_code == 401
    assert key not in answer.text


def last_used(services):
    services.writer.write(lambda session: None)  # whatever was on its way is written by now
    with services.read() as session:
        return list_keys(session)[0].last_used_at


@on_both
def test_last_use_is_noted_once_a_minute(client, services, key, clock):
    ask(client, f"Bearer {key}")
    assert last_used(services) == NOW
    clock.forward(seconds=59)
    ask(client, f"Bearer {key}")
    assert last_used(services) == NOW
    clock.forward(seconds=1)
    ask(client, f"Bearer {key}")
    assert last_used(services) == NOW + timedelta(seconds=60)


def test_refused_request_notes_no_use(client, services, key):
    ask(client, "Bearer ll_" + "A" * 43)
    assert last_used(services) is None


@on_both
def test_noting_the_use_waits_for_nobody(client, services, key):
    """While somebody else holds the database's only pen, a request is answered all the same."""
    holding, release = threading.Event(), threading.Event()

    def hold(_session):
        holding.set()
        release.wait(10)

    thread = threading.Thread(target=services.writer.write, args=(hold,))
    thread.start()
    try:
        assert holding.wait(10)
        assert ask(client, f"Bearer {key}").status_code == 200
    finally:
        release.set()
        thread.join()
    assert last_used(services) == NOW


class FullDisk:
    def gather_later(self, _operation, _item, then, **_kwargs):
        then(None, OperationalError("UPDATE", {}, Exception("database or disk is full")))


def test_use_that_cannot_be_noted_costs_nothing(app, services, key):
    app.extensions["leadloop"] = dataclasses.replace(services, writer=FullDisk())
    with capture_logs() as lines:
        assert ask(app.test_client(), f"Bearer {key}").status_code == 200
    assert [line["event"] for line in lines] == ["api_key_use_not_noted"]


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_key_or_not_other_methods_are_refused(client, key, method):
    for headers in ({}, {"Authorization": f"Bearer {key}"}):
        answer = getattr(client, method)("/api/v1/leads", headers=headers)
        assert answer.status_code == 405
        assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For", "Forwarded", "Via", "CF-Connecting-IP", "X-Real-IP", "X-Forwarded-Proto"]
)
def test_figures_are_for_those_who_come_directly_or_with_a_key(app, services, key, header):
    def seen(**headers):
        with app.test_request_context(
            "/metrics",
            headers={name.replace("_", "-"): one for name, one in headers.items()},
            environ_base={"REMOTE_ADDR": "127.0.0.1"},
        ):
            return may_see_figures()

    proxied = {header: "203.0.113.9"}
    assert seen()
    assert not seen(**proxied)
    assert not seen(**{header: ""})
    assert not seen(**proxied, Authorization="Bearer ll_" + "A" * 43)
    assert seen(**proxied, Authorization=f"Bearer {key}")
    services.writer.write(lambda session: revoke_key(session, "tests", NOW))
    assert not seen(**proxied, Authorization=f"Bearer {key}")


def test_each_program_has_a_key_of_its_own(client, services, key):
    other = services.writer.write(lambda session: create_key(session, "other", NOW))
    services.writer.write(lambda session: revoke_key(session, "tests", NOW))
    assert ask(client, f"Bearer {other}").status_code == 200
