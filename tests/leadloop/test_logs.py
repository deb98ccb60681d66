"""Log lines and reports to Sentry: what an exception of a stranger says is in none of them."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
import sentry_sdk
from raw_http import answering, ok, raw_server
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from crm_adapters import UnknownAdapter
from leadloop.errors import LeadloopError, NeedsHuman, Retryable
from leadloop.http import HttpDoor
from leadloop.logs import configure_logs, configure_sentry, get_logger, scrub_event
from leadloop.settings import Settings

EMAIL = "zoe@example.com"


@pytest.fixture(params=["json", "console"])
def log_lines(request: pytest.FixtureRequest) -> Iterator[Callable[[], str]]:
    """What was written since the logs were set up, in each format."""
    root, written = logging.getLogger(), io.StringIO()
    handlers, level = list(root.handlers), root.level
    configure_logs(Settings(meta_app_secrets=("x",), log_format=request.param))
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(written)
    yield written.getvalue
    root.handlers = handlers
    root.setLevel(level)


def stumble() -> None:
    int(EMAIL)


def stumble_in_a_chain() -> None:
    try:
        stumble()
    except ValueError as caught:
        raise KeyError(EMAIL) from caught


def stumble_while_handling() -> None:
    try:
        stumble()
    except ValueError:
        raise Retryable("The CRM answered 503.", code="http_503")  # noqa: B904 - the implicit context is what is tested


def stumble_together() -> None:
    with_note = ValueError(EMAIL)
    with_note.add_note(EMAIL)
    raise ExceptionGroup(EMAIL, [with_note, ExceptionGroup("inner", [KeyError(EMAIL)])])


def stumble_in_a_circle() -> None:
    first, second = ValueError(EMAIL), KeyError(EMAIL)
    first.__context__, second.__context__ = second, first
    raise first


STUMBLES = [stumble, stumble_in_a_chain, stumble_while_handling, stumble_together, stumble_in_a_circle]


@pytest.mark.parametrize("job", STUMBLES)
@pytest.mark.parametrize("through", ["structlog", "stdlib", "exc_info"])
def test_a_traceback_says_where_and_what_but_not_whose(
    log_lines: Callable[[], str], job: Callable[[], None], through: str
) -> None:
    try:
        job()
    except Exception as caught:
        if through == "structlog":
            get_logger("workers.drain").exception("job_raised")
        elif through == "stdlib":
            logging.getLogger("flask.app").exception("job_raised")
        else:
            get_logger("workers.drain").error("job_raised", exc_info=caught)
    written = log_lines()
    assert "job_raised" in written
    assert f"in {job.__name__}" in written
    assert "Error" in written
    assert EMAIL not in written


def test_an_error_of_ours_keeps_its_message_and_its_cause(log_lines: Callable[[], str]) -> None:
    try:
        stumble_while_handling()
    except LeadloopError:
        get_logger("workers.drain").exception("job_raised")
    written = log_lines()
    assert "leadloop.errors.Retryable: The CRM answered 503." in written
    assert "During handling of the above exception" in written
    assert "ValueError" in written


def test_members_of_a_group_are_named(log_lines: Callable[[], str]) -> None:
    try:
        stumble_together()
    except ExceptionGroup:
        get_logger("workers.drain").exception("job_raised")
    written = log_lines()
    for part in ("1 of 2", "ValueError", "2 of 2", "ExceptionGroup", "1 of 1", "KeyError"):
        assert part in written


def test_without_an_exception_nothing_is_added(log_lines: Callable[[], str]) -> None:
    get_logger("x").error("nothing_raised", exc_info=True)
    assert "exception" not in log_lines()


# --- Sentry -----------------------------------------------------------------------------------------------------------


def event_of(*values: tuple[str, str]) -> dict[str, Any]:
    return {"exception": {"values": [{"module": module, "type": kind, "value": EMAIL} for module, kind in values]}}


def kept(event: dict[str, Any]) -> list[bool]:
    return [value["value"] == EMAIL for value in event["exception"]["values"]]


def test_only_our_own_errors_keep_their_message() -> None:
    event = event_of(
        ("leadloop.errors", "Retryable"),
        ("leadloop", "Odd"),
        ("leadloop_acme.adapter", "Oops"),
        ("leadloopy", "Oops"),
        ("crm_adapters", "UnknownAdapter"),
        ("builtins", "ValueError"),
        ("", "NoModule"),
    )
    assert kept(scrub_event(event, None)) == [True, True, False, False, False, False, False]


def test_errors_of_our_other_packages_keep_it_when_they_are_of_our_kinds() -> None:
    class TokenExpired(NeedsHuman):
        pass

    TokenExpired.__module__ = "meta_graph.client"
    error = TokenExpired("The token is dead.", code="graph_190", action="Make a new one.")
    error.__context__ = UnknownAdapter("x", ())
    event = event_of(("meta_graph.client", "TokenExpired"), ("crm_adapters", "UnknownAdapter"))
    assert kept(scrub_event(event, {"exc_info": (TokenExpired, error, None)})) == [True, False]
    TokenExpired.__module__ = "leadloop_acme"
    event = event_of(("leadloop_acme", "TokenExpired"))
    assert kept(scrub_event(event, {"exc_info": (TokenExpired, error, None)})) == [False]


@pytest.fixture
def sentry() -> Iterator[None]:
    """Sentry switched on as in production, with a transport that goes nowhere."""

    class Nowhere(Transport):
        def capture_envelope(self, envelope: Envelope) -> None:
            return None

    configure_sentry(Settings(meta_app_secrets=("x",), sentry_dsn="https://publickey@sentry.example/1"))
    client = sentry_sdk.get_client()
    client.transport = Nowhere()
    yield
    sentry_sdk.init()


@pytest.mark.usefixtures("sentry")
def test_calls_to_others_carry_nothing_of_sentry() -> None:
    with raw_server(answering(ok())) as server:
        HttpDoor().request("POST", server.url(), json_body={})
        requests.get(server.url(), timeout=5)
    sent = b"".join(server.requests).lower()
    assert sent.count(b"http/1.1") == 2
    for name in (b"sentry-trace", b"baggage", b"publickey"):
        assert name not in sent


def test_a_report_is_json_after_scrubbing() -> None:
    assert json.loads(json.dumps(scrub_event({"message": "x"}, {})))
