"""What Apprise's plugins find in place of `requests`: the same answers, and an end to every call."""

import base64
import smtplib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import requests

from leadloop.errors import Retryable
from leadloop.http import HttpDoor
from leadloop.leads import LeadCard
from notifiers import calls
from notifiers.addresses import load_services
from notifiers.calls import call
from notifiers.message import build_message
from notifiers.send import send, targets
from notifiers.transport import put_in_place

from .conftest import NOW, Door, HttpServer

Make = Callable[..., LeadCard]
ORIGINAL_POST = requests.post


def plugins() -> list[ModuleType]:
    load_services()
    return [module for name, module in sys.modules.items() if name.startswith("apprise.plugins.")]


def theirs() -> Any:
    """What a plugin finds under the name `requests`."""
    return next(vars(module)["requests"] for module in plugins() if module.__name__ == "apprise.plugins.custom_json")


def test_no_plugin_has_a_way_around_ours() -> None:
    """When this fails after an update of Apprise, a plugin has found a new way to the network: look at it."""
    functions = {requests.get, requests.post, requests.put, requests.request, requests.Session, smtplib.SMTP}
    with_requests = 0
    for module in plugins():
        for name, value in vars(module).items():
            assert value is not requests, module.__name__
            assert not (callable(value) and value in functions), f"{module.__name__}.{name}"
        with_requests += "requests" in vars(module)
    assert with_requests > 100


def test_requests_itself_is_left_alone() -> None:
    put_in_place()
    assert requests.post is ORIGINAL_POST
    assert requests.post.__module__ == "requests.api"
    assert smtplib.SMTP.__module__ == "smtplib"
    assert theirs().codes is requests.codes
    assert theirs().RequestException is requests.RequestException


@pytest.mark.parametrize("verb", ["get", "post", "put", "patch", "delete", "head", "options"])
def test_each_verb_is_ours(verb: str) -> None:
    door = Door(204, b"")
    with call(door):  # type: ignore[arg-type]
        assert getattr(theirs(), verb)("http://127.0.0.1/x", timeout=3).status_code == 204
    assert door.calls[0][:2] == (verb.upper(), "http://127.0.0.1/x")
    assert (door.calls[0][2]["connect_s"], door.calls[0][2]["read_s"]) == (3.0, 3.0)


def test_what_is_sent_is_what_requests_would_send(http_server: HttpServer) -> None:
    theirs().post(
        f"http://127.0.0.1:{http_server.port}/x",
        data={"a": "ü &", "b": ["1", "2"]},
        params={"q": "ß"},
        auth=("user", "pass"),
        headers={"X-One": "1"},
        timeout=(1, 2),
        verify=True,
        allow_redirects=True,
    )
    (taken,) = http_server.taken
    assert taken.path == "/x?q=%C3%9F"
    assert taken.body == b"a=%C3%BC+%26&b=1&b=2"
    assert taken.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert taken.headers["Authorization"] == "Basic " + base64.b64encode(b"user:pass").decode()
    assert taken.headers["X-One"] == "1"


def test_files_go_as_a_form(http_server: HttpServer) -> None:
    theirs().post(f"http://127.0.0.1:{http_server.port}/x", files={"f": ("name.txt", b"content", "text/plain")})
    (taken,) = http_server.taken
    assert taken.headers["Content-Type"].startswith("multipart/form-data; boundary=")
    assert b'name="f"; filename="name.txt"' in taken.body


def test_the_answer_is_a_response(http_server: HttpServer) -> None:
    http_server.answer("/x", 418, {"X-Rate": "3", "Content-Type": "application/json"}, b'{"a": "\xc3\xbc"}')
    answer = theirs().get(f"http://127.0.0.1:{http_server.port}/x")
    assert isinstance(answer, requests.Response)
    assert (answer.status_code, answer.ok, answer.json()) == (418, False, {"a": "ü"})
    assert (answer.headers["x-RATE"], answer.text, answer.content) == ("3", '{"a": "ü"}', b'{"a": "\xc3\xbc"}')
    assert b"".join(answer.iter_content(3)) == answer.content
    answer.close()


def test_no_answer_is_an_exception_that_plugins_expect(closed_port: int) -> None:
    with call() as made, pytest.raises(requests.RequestException) as caught:
        theirs().post(f"http://127.0.0.1:{closed_port}/secret")
    assert "secret" not in repr(caught.value)
    assert isinstance(made.error, Retryable)
    assert made.error.code == "connection_refused"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1", "//x"])
def test_only_http_is_spoken(url: str) -> None:
    with call() as made, pytest.raises(requests.RequestException):
        theirs().get(url)
    assert made.status is None


def test_a_redirect_is_an_answer(http_server: HttpServer) -> None:
    http_server.answer("/x", 302, {"Location": f"http://127.0.0.1:{http_server.port}/y"})
    assert theirs().get(f"http://127.0.0.1:{http_server.port}/x", allow_redirects=True).status_code == 302
    assert len(http_server.taken) == 1


def test_time_is_shared_by_all_calls_of_one_alert() -> None:
    door = Door()
    with call(door, total_s=0) as made, pytest.raises(requests.Timeout):  # type: ignore[arg-type]
        theirs().post("http://127.0.0.1/x")
    assert door.calls == []
    assert made.error is not None
    assert made.error.code == "timeout"
    with call(door, total_s=10):  # type: ignore[arg-type]
        theirs().post("http://127.0.0.1/x")
    assert 9 < door.calls[0][2]["total_s"] <= 10


def test_the_last_exchange_counts() -> None:
    door = Door(401)
    with call(door) as made:  # type: ignore[arg-type]
        theirs().post("http://127.0.0.1/login")
        door.answer = Door(200).answer
        theirs().post("http://127.0.0.1/x")
    assert (made.status, made.error) == (200, None)


def test_calls_do_not_hear_of_each_other() -> None:
    with call(Door(500)) as outer:  # type: ignore[arg-type]
        with call(Door(404)) as inner:  # type: ignore[arg-type]
            theirs().get("http://127.0.0.1/x")
        theirs().get("http://127.0.0.1/x")
    assert (outer.status, inner.status) == (500, 404)
    assert calls._CALL.get(None) is None


def test_over_tls_with_an_authority_of_ones_own(tls_server: HttpServer, ca_file: Path, make_card: Make) -> None:
    (target,) = targets([f"jsons://127.0.0.1:{tls_server.port}/hook"])
    message = build_message(make_card(), None, now=NOW, body_format=target.body_format)
    send(target, message, door=HttpDoor(ca_file=str(ca_file)))
    with pytest.raises(Retryable) as caught:
        send(target, message)
    assert caught.value.code == "tls_failed"
    assert len(tls_server.taken) == 1
