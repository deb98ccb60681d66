"""What the contract gives every adapter: calls, errors by status, credentials renewed once, state changed alone."""

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from marshmallow import Schema, ValidationError

from crm_adapters.base import (
    CrmAdapter,
    Earlier,
    RemoteRef,
    StateSchema,
    checked,
    error_from_status,
    flat,
    load_settings,
    secret_fields,
)
from crm_adapters.conformance import FakeCrm, Received, Reply
from crm_adapters.setting_fields import HttpsUrl, TextId, Token
from leadloop.errors import LeadloopError, NeedsHuman, Permanent, Retryable
from leadloop.http import HttpAnswer, HttpDoor

URL = "https://crm.example/path?token=t"


class Settings(Schema):
    url = HttpsUrl(required=True)
    token = Token(required=True, metadata={"secret": True})
    owner = TextId(load_default=None)


class Oauth(CrmAdapter):
    """A CRM whose access token runs out, and whose refresh token works once (Kommo, GoHighLevel: facts §5, §16)."""

    kind = "oauth"
    label = "Oauth"
    settings_schema = Settings

    def headers(self) -> dict[str, str]:
        return {"Authorization": str(self.state.get("access"))}

    def renew(self, used: Mapping[str, str]) -> bool:
        def change(kept: dict[str, Any]) -> dict[str, Any]:
            if kept.get("access") != used["Authorization"]:
                return kept  # another thread or process was faster
            answer = self.http.request("POST", f"{self.settings['url']}/token", form={"refresh": kept["refresh"]})
            if answer.status != 200:
                raise error_from_status(answer, self.settings["url"], label=self.label)
            return dict(answer.json())

        return self.change_state(change) != {}

    def error_in(self, parsed: Any, url: str) -> LeadloopError | None:
        wrong = isinstance(parsed, dict) and "errors" in parsed
        return Permanent("Oauth said no.", code="oauth_no") if wrong else None


class TokenServer(FakeCrm):
    """Access tokens a1, a2 …; refresh tokens r1, r2 …, each of which works once."""

    def __init__(self) -> None:
        super().__init__()
        self.serial = 1

    def answer(self, request: Received) -> Reply:
        if request.path == "/token":
            if request.body != f"refresh=r{self.serial}".encode():
                return Reply(401)
            self.serial += 1
            return Reply(200, {"access": f"a{self.serial}", "refresh": f"r{self.serial}"})
        if request.headers.get("authorization") != f"a{self.serial}":
            return Reply(401)
        return Reply(
            200, {"errors": ["x"]} if request.path == "/failing" else {"path": request.path, "q": request.query}
        )


@pytest.fixture
def server() -> Iterator[TokenServer]:
    made = TokenServer()
    made.start()
    yield made
    made.stop()


class Shared:
    """The state of one connection as leadloop keeps it for several processes."""

    def __init__(self, **state: Any) -> None:
        self.state: Mapping[str, Any] = state
        self.lock = threading.Lock()
        self.adapters: list[Oauth] = []

    @contextmanager
    def exclusive(self) -> Iterator[Mapping[str, Any]]:
        with self.lock:
            yield self.state

    def keep(self, state: Mapping[str, Any]) -> None:
        self.state = dict(state)

    def connect(self, server: TokenServer) -> Oauth:
        settings = load_settings(Oauth, {"url": server.url, "token": "t"})
        made = Oauth(settings, state=self.state, keep_state=self.keep, exclusive=self.exclusive)
        self.adapters.append(made)
        return made


@pytest.fixture
def shared() -> Iterator[Shared]:
    made = Shared(access="a0", refresh="r1")
    yield made
    for adapter in made.adapters:
        adapter.close()


def test_credentials_are_renewed_once_for_all_threads_and_processes(server: TokenServer, shared: Shared) -> None:
    adapters = [shared.connect(server), shared.connect(server)]
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda number: adapters[number % 2].call("GET", f"{server.url}/{number}"), range(16)))
    assert [answer["path"] for answer in told] == [f"/{number}" for number in range(16)]
    assert server.serial == 2
    assert shared.state == {"access": "a2", "refresh": "r2"}


def test_threads_of_one_instance_need_nobody_else_s_lock(server: TokenServer) -> None:
    settings = load_settings(Oauth, {"url": server.url, "token": "t"})
    adapter = Oauth(settings, state={"access": "a0", "refresh": "r1"})
    together = threading.Barrier(8)
    real = adapter.renew

    def renew(used: Mapping[str, str]) -> bool:
        together.wait(10)
        return real(used)

    adapter.renew = renew  # type: ignore[method-assign]
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda number: adapter.call("GET", f"{server.url}/{number}"), range(8)))
    adapter.close()
    assert len(told) == 8
    assert server.serial == 2


def test_a_refresh_token_that_is_dead_too_needs_a_person(server: TokenServer) -> None:
    dead = Shared(access="a0", refresh="r0")
    adapter = dead.connect(server)
    with pytest.raises(NeedsHuman):
        adapter.call("GET", f"{server.url}/x")
    adapter.close()
    assert dead.state == {"access": "a0", "refresh": "r0"}


def test_a_call_takes_headers_query_form_and_says_what_is_wrong_in_a_200(server: TokenServer, shared: Shared) -> None:
    adapter = shared.connect(server)
    answer = adapter.call("POST", f"{server.url}/x", form={"a": "ü"}, params={"q": "1"}, headers={"X-Trigger": "off"})
    assert answer == {"path": "/x", "q": {"q": "1"}}
    assert (server.received[-1].body, server.received[-1].headers["x-trigger"]) == (b"a=%C3%BC", "off")
    with pytest.raises(Permanent) as caught:
        adapter.call("GET", f"{server.url}/failing")
    assert caught.value.code == "oauth_no"


def test_statuses_that_are_accepted_are_handed_back(server: TokenServer, shared: Shared) -> None:
    server.fail(Reply(404, b"none"))
    answer = shared.connect(server).call("GET", f"{server.url}/x", accept=(404,))
    assert isinstance(answer, HttpAnswer)
    assert answer.body == b"none"


def test_no_content_is_nothing(server: TokenServer, shared: Shared) -> None:
    server.fail(Reply(204))
    assert shared.connect(server).call("GET", f"{server.url}/x") is None


@pytest.mark.parametrize(
    ("status", "headers", "kind", "scope", "rest_s"),
    [
        (301, {}, NeedsHuman, "lane", None),
        (400, {}, Permanent, "item", None),
        (401, {}, NeedsHuman, "lane", None),
        (402, {}, NeedsHuman, "lane", None),
        (403, {}, NeedsHuman, "lane", None),
        (404, {}, Permanent, "item", None),
        (408, {}, Retryable, "item", None),
        (409, {}, Permanent, "item", None),
        (410, {}, Permanent, "item", None),
        (422, {}, Permanent, "item", None),
        (425, {}, Retryable, "item", None),
        (429, {}, Retryable, "item", 10.0),
        (429, {"retry-after": "0"}, Retryable, "item", 0.0),
        (429, {"retry-after": "3"}, Retryable, "item", 3.0),
        (500, {}, Retryable, "item", None),
        (503, {"retry-after": "120"}, Retryable, "item", 120.0),
        (599, {}, Retryable, "item", None),
    ],
)
def test_each_status_has_its_kind(
    status: int, headers: dict[str, str], kind: type[LeadloopError], scope: str, rest_s: float | None
) -> None:
    error = error_from_status(HttpAnswer(status, headers, b"zoe@example.com"), URL, label="Acme")
    assert type(error) is kind
    assert (error.scope, error.code) == (scope, f"http_{status}")
    assert getattr(error, "retry_after_s", None) == rest_s
    assert "crm.example" in error.message
    assert not any(text in f"{error.message}{error.action}" for text in ("zoe", "token=", "/path"))
    assert error.action or isinstance(error, Retryable)


def test_checked_reports_instead_of_raising() -> None:
    def probe() -> str:
        raise NeedsHuman("No.", code="x", action="Do this.")

    assert checked("a", lambda: "fine").ok
    found = checked("a", probe)
    assert (found.ok, found.found, found.mend) == (False, "No.", "Do this.")

    def silent() -> str:
        raise Retryable("Later.", code="x")

    assert checked("a", silent, mend="Wait.").mend == "Wait."
    assert checked("a", silent).mend


def test_settings_messages_are_by_field_and_hold_no_values() -> None:
    raw = {"url": "https://crm.example", "token": "sw0rd fish", "tokn": "sw0rdfish"}
    with pytest.raises(ValidationError) as caught:
        load_settings(Oauth, raw)
    assert set(caught.value.messages) == {"token", "tokn"}
    assert caught.value.messages["tokn"] == ["There is no such setting; there are: owner, token, url."]
    assert "sw0rd" not in repr(caught.value)
    assert caught.value.data is None
    assert secret_fields(Oauth) == {"token"}


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(None, None), ("x", "x"), (True, "true"), (False, "false"), (["a", "b"], "a, b"), ([], "")],
)
def test_flat_makes_one_text(value: Any, wanted: str | None) -> None:
    assert flat(value) == wanted


def test_a_lead_may_become_several_records() -> None:
    """Pipedrive: a person, then a lead that names the person; a crash in between does not make a second person."""
    kept: dict[str, RemoteRef] = {}
    made: list[str] = []

    def push(earlier: Earlier, *, crash: bool) -> RemoteRef:
        person = earlier.made.get("person")
        if person is None:
            made.append("person")
            person = RemoteRef("person", "5001")
            earlier.keep_made(person)
        if crash:
            raise Retryable("Down.", code="down")
        return RemoteRef("lead", f"lead of {person.id}")

    def note(ref: RemoteRef) -> None:
        kept[ref.kind] = ref

    with pytest.raises(Retryable):
        push(Earlier(keep_made=note), crash=True)
    assert push(Earlier(made=kept, maybe_pushed=True, keep_made=note), crash=False).id == "lead of 5001"
    assert made == ["person"]


def test_the_defaults_of_what_an_adapter_need_not_write() -> None:
    adapter = CrmAdapter({}, http=HttpDoor())
    assert (adapter.read_fields(), adapter.read_stages(), adapter.prepare()) == ([], [], [])
    assert adapter.poll_outcomes("c").cursor == "c"
    assert adapter.connect_notices("https://hooks.example") is None
    assert adapter.now().tzinfo is not None
    assert StateSchema().load({"unknown": 1}) == {}
    for unwritten in (adapter.check, lambda: adapter.preview(None), lambda: adapter.push_lead(None, Earlier())):  # type: ignore[arg-type]
        with pytest.raises(NotImplementedError):
            unwritten()
    adapter.close()
