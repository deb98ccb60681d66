"""Ringing real servers on 127.0.0.1: what arrives, and what every kind of failure becomes."""

import contextlib
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from leadloop.errors import LeadloopError, NeedsHuman, Retryable
from leadloop.http import Unanswered
from leadloop.leads import Answer, LeadCard
from notifiers.check import ring_test
from notifiers.message import build_message
from notifiers.send import MOST_REST_S, RATE_LIMIT_S, MaybeRung, Target, send, send_lead, targets
from notifiers.transport import RequestsForApprise

from .conftest import NOW, Door, HttpServer
from .test_addresses import LABELS, SLACK

Make = Callable[..., LeadCard]

HOSTILE = (
    "<script>alert(1)</script> *bold* _it_ `c` @everyone @here <!channel> <@U123> [x](http://evil.example)"
    " http://evil.example <http://evil.example|Bank>\nPhone: +15550000000 \u202egnp\u202c &lt;b&gt; \x00 \ud800"
)


def one(url: str, **more: Any) -> Target:
    (target,) = targets([url], **more)
    return target


def ring(url: str, card: LeadCard, door: Any = None) -> None:
    target = one(url, notifier="sales")
    send(target, build_message(card, None, now=NOW, body_format=target.body_format), door=door)


def failure(url: str, card: LeadCard, door: Any = None) -> LeadloopError:
    with pytest.raises(LeadloopError) as caught:
        ring(url, card, door)
    return caught.value


# --- what arrives -----------------------------------------------------------------------------------------------------


def test_json_gets_plain_text(http_server: HttpServer, make_card: Make) -> None:
    ring(f"json://127.0.0.1:{http_server.port}/hook", make_card())
    (taken,) = http_server.taken
    assert (taken.method, taken.path) == ("POST", "/hook")
    assert taken.json()["title"] == "New lead: Zoë Example · Autumn offer"
    assert "\nPhone: +905321234567\n" in taken.json()["message"]
    assert taken.json()["attachments"] == []


def test_the_address_may_ask_for_html(http_server: HttpServer, make_card: Make) -> None:
    ring(f"json://127.0.0.1:{http_server.port}/hook?format=html", make_card())
    assert '<a href="tel:+905321234567">' in http_server.taken[0].json()["message"]
    ring(f"json://127.0.0.1:{http_server.port}/hook?format=markdown", make_card())
    assert "[+905321234567](tel:+905321234567)" in http_server.taken[1].json()["message"]


@pytest.mark.parametrize(
    ("url", "path", "holds"),
    [
        ("ntfy://127.0.0.1:{port}/topic", "/", ["topic", "Phone: +905321234567"]),
        ("gotify://127.0.0.1:{port}/tokentokentoken", "/message", ["Phone: +905321234567"]),
        ("form://127.0.0.1:{port}/f", "/f", ["%2B905321234567"]),
        ("xml://127.0.0.1:{port}/x", "/x", ["Phone: +905321234567"]),
        ("mmost://127.0.0.1:{port}/tokentokentoken12", "/hooks/tokentokentoken12", ["](tel:+905321234567)"]),
        ("nctalk://user:pass@127.0.0.1:{port}/room", "/ocs/v2.php/apps/spreed/api/v1/chat/room", ["+905321234567"]),
        ("matrix://user:token@127.0.0.1:{port}?mode=matrix", "/api/v1/matrix/hook/token", ["tel:+905321234567"]),
        ("signal://127.0.0.1:{port}/15551230000/15551234567", "/v2/send", ["+905321234567"]),
    ],
)
def test_services_on_a_host_of_ones_own(
    http_server: HttpServer, make_card: Make, url: str, path: str, holds: list[str]
) -> None:
    http_server.answer("/ocs/v2.php/apps/spreed/api/v1/chat/room", 201)
    ring(url.format(port=http_server.port), make_card())
    (taken,) = http_server.taken
    assert taken.path == path
    for piece in holds:
        assert piece in taken.body.decode()


def test_a_rocket_chat_that_signs_in_first(http_server: HttpServer, make_card: Make) -> None:
    session = {"status": "success", "data": {"authToken": "t", "userId": "u"}}
    http_server.answer("/api/v1/login", 200, body=json.dumps(session).encode())
    http_server.answer("/api/v1/chat.postMessage", 200, body=b'{"success": true}')
    ring(f"rocket://user:pass@127.0.0.1:{http_server.port}/#sales", make_card())
    posted = next(taken for taken in http_server.taken if taken.path == "/api/v1/chat.postMessage")
    assert "[+905321234567](tel:+905321234567)" in posted.json()["text"]


def test_connections_are_kept(http_server: HttpServer, make_card: Make) -> None:
    for _ in range(3):
        ring(f"json://127.0.0.1:{http_server.port}/hook", make_card())
    assert len({taken.client_port for taken in http_server.taken}) == 1


# Mail has a server of its own in test_mail.py.
OVER_HTTP = {url: label for url, label in LABELS.items() if not url.startswith("mailto")}


@pytest.mark.parametrize("url", OVER_HTTP)
def test_every_service_takes_a_hostile_lead_and_shows_it_inert(url: str, make_card: Make) -> None:
    door = Door(body=b'{"success": true, "data": {"authToken": "t", "userId": "u"}, "ok": true}')
    card = make_card(
        full_name=HOSTILE, form_name=HOSTILE, answers=(Answer("q", "CUSTOM", HOSTILE, (HOSTILE,), (HOSTILE,)),)
    )
    with contextlib.suppress(Retryable):  # where the answer above is not the one that this service gives
        ring(url, card, door)
    assert door.calls
    tags = () if url.startswith("brevo") else ("<!channel", "<@U123", "<script")  # its mail has a plain text part too
    for bad in ("@everyone", "@here", "http://evil", "evil.example", "\u202e", "\n+1555", *tags):
        assert bad not in door.sent.replace("\\n", "\n")


def test_a_huge_lead_fits_every_service(make_card: Make) -> None:
    huge = "é😀<&*_[]()`~ " * 5_000
    card = make_card(full_name=huge, answers=(Answer("q", "CUSTOM", "Q", (huge,), (huge,)),))
    for url, most in {
        "tgram://123456789:abcdefghijklmnop/12315544": 4_096,
        f"slack://{SLACK}?blocks=yes": 3_000,
        "discord://1234567890/token": 2_000,
        "workflows://prod-01.westeurope.logic.azure.com:443/workflow/signature": 1_000,
        "gchat://workspace/key/token": 4_000,
        "whatsapp://tokensecret1@12345678901234/15551234567": 1_024,
    }.items():
        door = Door()
        ring(url, card, door)
        assert max(len(text) for text in _texts(json.loads(door.calls[0][2]["body"]))) <= most
    door = Door()
    ring("ntfy://topic", card, door)
    assert len(door.calls[0][2]["body"]) <= 4_096  # bytes: more would arrive as an attached file


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    found = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for inner in found for text in _texts(inner)]


def test_a_whatsapp_template_takes_one_line(make_card: Make) -> None:
    door = Door()
    ring("whatsapp://template:tokensecret1@12345678901234/15551234567?:body=1", make_card(), door)
    body = json.loads(door.calls[0][2]["body"])
    (parameter,) = body["template"]["components"][0]["parameters"]
    assert "\n" not in parameter["text"]
    assert parameter["text"].startswith("New lead: Zoë Example · Phone: +905321234567 · ")


# --- what goes wrong --------------------------------------------------------------------------------------------------

LANE = [401, 402, 403, 404, 410, 301, 302, 307]
ITEM = [400, 405, 409, 413, 422]
OUTAGE = [408, 500, 502, 503, 599]


@pytest.mark.parametrize("status", LANE)
def test_a_wrong_address_waits_for_a_person(http_server: HttpServer, make_card: Make, status: int) -> None:
    http_server.answer("/hook", status, {"Location": "file:///etc/passwd"})
    error = failure(f"json://127.0.0.1:{http_server.port}/hook", make_card())
    assert isinstance(error, NeedsHuman)
    assert (error.code, error.scope) == (f"http_{status}", "lane")
    where = f'address 1 (JSON, json://127.0.0.1:{http_server.port}/…) of the notifier "sales"'
    assert where in error.message.replace("Address", "address")
    assert where in error.action
    assert len(http_server.taken) == 1


@pytest.mark.parametrize("status", ITEM)
def test_a_refused_alert_waits_alone(http_server: HttpServer, make_card: Make, status: int) -> None:
    http_server.answer("/hook", status)
    error = failure(f"json://127.0.0.1:{http_server.port}/hook", make_card())
    assert isinstance(error, NeedsHuman)
    assert (error.code, error.scope) == (f"http_{status}", "item")
    assert error.action


@pytest.mark.parametrize("status", OUTAGE)
def test_an_ill_service_is_tried_again(http_server: HttpServer, make_card: Make, status: int) -> None:
    http_server.answer("/hook", status, {"Retry-After": "9"})
    error = failure(f"json://127.0.0.1:{http_server.port}/hook", make_card())
    assert isinstance(error, Retryable)
    assert (error.code, error.outage, error.retry_after_s) == (f"http_{status}", True, 9.0)


@pytest.mark.parametrize(
    ("headers", "body", "rest_s"),
    [
        ({"Retry-After": "7"}, b"", 7.0),
        ({"Retry-After": "0"}, b"", 1.0),
        ({"Retry-After": "999999"}, b"", MOST_REST_S),
        ({"Retry-After": "soon"}, b"", RATE_LIMIT_S),
        ({}, b"", RATE_LIMIT_S),
        ({}, b'{"ok": false, "error_code": 429, "parameters": {"retry_after": 35}}', 35.0),
        ({}, b'{"message": "You are being rate limited.", "retry_after": 1.25}', 1.25),
        ({}, b'{"retry_after": "never"}', RATE_LIMIT_S),
        ({}, b'{"parameters": null}', RATE_LIMIT_S),
        ({}, b"[1, 2]", RATE_LIMIT_S),
        ({}, b'{"retry_after": -4}', RATE_LIMIT_S),
        ({}, b'{"retry_after": NaN}', RATE_LIMIT_S),
        ({}, b"[" * 100_000, RATE_LIMIT_S),
    ],
)
def test_a_limit_is_obeyed(
    http_server: HttpServer, make_card: Make, headers: dict[str, str], body: bytes, rest_s: float
) -> None:
    http_server.answer("/hook", 429, headers, body)
    error = failure(f"json://127.0.0.1:{http_server.port}/hook", make_card())
    assert isinstance(error, Retryable)
    assert (error.code, error.retry_after_s, error.outage) == ("http_429", rest_s, False)


@pytest.mark.parametrize("url", ["discord://1234567890/token", "matrix://user:token@127.0.0.1?mode=matrix"])
def test_a_plugin_that_would_ask_again_at_once_is_stopped(url: str, make_card: Make) -> None:
    door = Door(429, headers={"retry-after": "5"})
    started = time.monotonic()
    error = failure(url, make_card(), door)
    assert isinstance(error, Retryable)
    assert (error.code, error.retry_after_s) == ("http_429", 5.0)
    assert len(door.calls) == 1
    assert time.monotonic() - started < 2  # and it did not sleep


def test_a_service_with_codes_of_its_own_is_read_off_the_wire(http_server: HttpServer, make_card: Make) -> None:
    http_server.answer("/", 401, body=b'{"code": 40101, "http": 401, "error": "unauthorized"}')
    error = failure(f"ntfy://127.0.0.1:{http_server.port}/topic", make_card())
    assert error.code == "http_401"


def test_a_refused_connection(closed_port: int, make_card: Make) -> None:
    error = failure(f"json://127.0.0.1:{closed_port}/hook", make_card())
    assert isinstance(error, Retryable)
    assert (error.code, error.outage) == ("connection_refused", True)


def test_an_answer_that_never_comes(http_server: HttpServer, make_card: Make) -> None:
    http_server.hang.add("/hook")
    error = failure(f"json://127.0.0.1:{http_server.port}/hook?rto=0.2", make_card())
    assert isinstance(error, MaybeRung)
    assert (error.code, error.outage) == ("alert_unanswered", True)
    assert "may have rung" in error.message


def test_no_time_to_connect_is_no_ring(make_card: Make) -> None:
    class Slow(Door):
        def request(self, method: str, url: str, **given: Any) -> Any:
            raise Retryable("x did not answer in time.", code="timeout", outage=True)  # as when connecting

    error = failure("json://127.0.0.1:9/hook", make_card(), Slow())
    assert isinstance(error, Retryable)
    assert (error.code, error.outage, isinstance(error, MaybeRung)) == ("timeout", True, False)


def test_garbage_for_an_answer(http_server: HttpServer, make_card: Make) -> None:
    http_server.garbage.add("/hook")
    error = failure(f"json://127.0.0.1:{http_server.port}/hook", make_card())
    assert isinstance(error, MaybeRung)


@pytest.mark.parametrize("status", [504, 524])
def test_a_gateway_that_waited_in_vain(http_server: HttpServer, make_card: Make, status: int) -> None:
    http_server.answer("/hook", status)
    assert isinstance(failure(f"json://127.0.0.1:{http_server.port}/hook", make_card()), MaybeRung)


def test_a_plugin_that_goes_on_after_a_call_without_an_answer_is_stopped(make_card: Make) -> None:
    class Silent(Door):
        def request(self, method: str, url: str, **given: Any) -> Any:
            super().request(method, url, **given)
            raise Unanswered("x did not answer in time.", code="timeout", outage=True)

    door = Silent()
    error = failure("matrix://user:token@127.0.0.1/#room?mode=off", make_card(), door)
    assert isinstance(error, MaybeRung)
    assert len(door.calls) == 1


def test_a_plugin_that_crashes_on_the_answer_may_have_rung(make_card: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(self: object, **_given: object) -> bool:
        RequestsForApprise().post("http://127.0.0.1/hook")
        raise ZeroDivisionError

    monkeypatch.setattr("apprise.plugins.custom_json.NotifyJSON.send", crash)
    assert isinstance(failure("json://127.0.0.1:9/hook", make_card(), Door(200)), MaybeRung)


def test_an_endless_answer(http_server: HttpServer, make_card: Make) -> None:
    http_server.answer("/hook", 200, body=b"x" * 3_000_000)
    error = failure(f"json://127.0.0.1:{http_server.port}/hook", make_card())
    assert isinstance(error, MaybeRung)


def test_tls_where_there_is_none(http_server: HttpServer, make_card: Make) -> None:
    error = failure(f"jsons://127.0.0.1:{http_server.port}/hook", make_card())
    assert isinstance(error, Retryable)
    assert error.code in ("tls_failed", "connection_broken")


def test_an_answer_of_200_that_means_no(make_card: Make) -> None:
    door = Door(200, b'{"ok": false, "error": "not_in_channel"}')
    error = failure("slack://xoxb-1234-1234-4ddbc191d40ee098cbaae6f3523ada2d/#sales", make_card(), door)
    assert isinstance(error, Retryable)
    assert error.code == "alert_not_taken"
    assert error.give_up_after_s is not None
    assert "not_in_channel" not in error.message + error.action


@pytest.mark.parametrize("url", ["slak://secret", "", "tgram://secret", "syslog://"])
def test_an_address_that_cannot_be_used(url: str, make_card: Make) -> None:
    error = failure(url, make_card())
    assert isinstance(error, NeedsHuman)
    assert (error.code, error.scope) == ("alert_address", "lane")
    assert error.action
    assert "secret" not in error.message + error.action


class _Broken(Door):
    def request(self, method: str, url: str, **given: Any) -> Any:
        raise ZeroDivisionError("Zoë Example did it")


def test_a_plugin_that_crashes_is_named_and_no_more(make_card: Make) -> None:
    error = failure("json://127.0.0.1:9/secret", make_card(), _Broken())
    assert isinstance(error, Retryable)
    assert error.code == "alert_crashed"
    assert error.message.endswith(": ZeroDivisionError.")
    assert error.__cause__ is None
    assert error.__context__ is None


# --- nothing personal, no secret --------------------------------------------------------------------------------------

PERSONAL = ("Zoë", "Example", "zoe@example.com", "905321234567", "Advertising")


@pytest.mark.parametrize("status", [200, 302, 400, 401, 429, 500])
def test_no_error_and_no_log_line_says_who(status: int, make_card: Make, all_logs: list[str]) -> None:
    card = make_card()
    for url, label in OVER_HTTP.items():
        echo = f"Zoë Example zoe@example.com +905321234567 Advertising {url}".encode()
        error: LeadloopError | None = None
        try:
            ring(url, card, Door(status, echo))
        except LeadloopError as caught:
            error = caught
        said = [*all_logs, *([error.message, error.action, repr(error)] if error else [])]
        for line in said:
            assert not any(piece in line for piece in (*PERSONAL, "secret", SLACK[-24:], "15551234567"))
        assert error is None or label in error.message


def test_an_error_of_the_wire_has_no_secret(http_server: HttpServer, make_card: Make, all_logs: list[str]) -> None:
    http_server.hang.add("/secret")
    url = f"json://user:secretpass@127.0.0.1:{http_server.port}/secret?+X-Key=secretkey&rto=0.2"
    error = failure(url, make_card())
    assert "secret" not in f"{error.message} {error.action} {error!r} {error.__cause__!r} {error.__context__!r}"
    assert not [line for line in all_logs if "secret" in line or any(piece in line for piece in PERSONAL)]


# --- several at once --------------------------------------------------------------------------------------------------


def test_eight_threads_each_hear_of_their_own(http_server: HttpServer, make_card: Make) -> None:
    statuses = [200, 401, 404, 429, 500, 503, 400, 201]
    for status in statuses:
        http_server.answer(f"/{status}", status)
    wrong: list[str] = []

    def ring_often(status: int) -> None:
        target = one(f"json://127.0.0.1:{http_server.port}/{status}")
        for round_ in range(20):
            card = make_card(full_name=f"Person {status} {round_}")
            try:
                send_lead(target, card, None, now=NOW)
                code = "none"
            except LeadloopError as caught:
                code = caught.code
            if code != ("none" if status < 300 else f"http_{status}"):
                wrong.append(f"{status}: {code}")

    threads = [threading.Thread(target=ring_often, args=(status,)) for status in statuses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    for taken in http_server.taken:
        assert f"Person {taken.path[1:]} " in taken.json()["message"]
    assert len(http_server.taken) == 160


def test_one_target_may_be_used_by_all(http_server: HttpServer, make_card: Make) -> None:
    target = one(f"json://127.0.0.1:{http_server.port}/hook")
    threads = [
        threading.Thread(target=send_lead, args=(target, make_card(), None), kwargs={"now": NOW}) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(http_server.taken) == 8


def test_the_test_ring_says_that_it_is_one(http_server: HttpServer) -> None:
    ring_test(one(f"json://127.0.0.1:{http_server.port}/hook"), now=NOW)
    sent = http_server.taken[0].json()
    assert sent["title"].startswith("TEST lead: ")
    assert "TEST" in sent["message"]
