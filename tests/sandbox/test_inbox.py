import warnings
from typing import Any

import apprise
import pytest
from sandbox_bench import Bench

from sandbox import start_in_thread
from sandbox.forms import ENGLISH, TURKISH


def ring(bench: Bench, message: str, title: str = "New lead") -> str | None:
    answer = bench.http.post("/alerts", json={"version": "1.0", "title": title, "message": message, "type": "info"})
    assert answer.status_code == 200
    leadgen_id: str | None = bench.http.get("/alerts").get_json()["alerts"][-1]["leadgen_id"]
    return leadgen_id


def test_what_apprise_sends_arrives() -> None:
    with start_in_thread() as running:
        with warnings.catch_warnings():  # apprise looks for modules that newer Pythons no longer have
            warnings.simplefilter("ignore")
            sender = apprise.Apprise()
            sender.add(running.url.replace("http://", "json://") + "/alerts")
        assert sender.notify(title="New lead: Zoë", body="Phone: +1 202 555 0123")
        state = running.sandbox.state
        (alert,) = state.alerts
        assert (alert.title, alert.message, alert.type) == ("New lead: Zoë", "Phone: +1 202 555 0123", "info")


@pytest.mark.parametrize(
    "message",
    [
        "Lead {leadgen_id} is here",
        "E-mail: ZOE.TEST@example.com, call now.",
        "mailto:zoe.test@example.com",
        "<a href='tel:+905010001234'>+90 501 000 12 34</a>",
        "call 0501-000-1234",
        "Zoë İpek asked for a bike",
    ],
)
def test_an_alert_finds_its_lead(bench: Bench, message: str) -> None:
    bench.lead(form_id=TURKISH.form_id)
    answers = {
        "adı": "Zoë",
        "soyadı": "İpek",
        "e-posta": "Zoe.Test@example.com",
        "telefon_numarası": "0501 000 1234",
    }
    leadgen_id = bench.lead(form_id=TURKISH.form_id, answers=answers)
    bench.lead(form_id=TURKISH.form_id)
    assert ring(bench, message.format(leadgen_id=leadgen_id)) == leadgen_id
    assert bench.sandbox.state.journeys[leadgen_id].count("alert") == 1


def test_an_alert_about_nobody(bench: Bench) -> None:
    bench.lead()
    assert ring(bench, "The token of a Page has expired (2026-11-22), 12345678901234567") is None


def test_two_leads_of_one_person_are_told_apart_by_order(bench: Bench) -> None:
    same = {"email": "same@example.com"}
    one, two = bench.lead(answers=same), bench.lead(answers=same)
    assert [ring(bench, "same@example.com") for _ in range(3)] == [one, two, two]


def test_a_repeated_alert_counts_twice_for_its_own_lead(bench: Bench) -> None:
    """People of the English form share a hundred phone numbers; the e-mail decides before the phone."""
    one = bench.lead(form_id=ENGLISH.form_id, answers={"phone_number": "+12025550123", "email": "one@example.com"})
    bench.lead(form_id=ENGLISH.form_id, answers={"phone_number": "+12025550123", "email": "two@example.com"})
    message = "+1 202-555-0123\none@example.com"
    assert [ring(bench, message), ring(bench, message)] == [one, one]


@pytest.mark.parametrize("body", [b"", b"x", b"[]", b"null", b"[" * 100_000])
def test_a_body_that_is_no_object_is_refused(bench: Bench, body: bytes) -> None:
    assert bench.http.post("/alerts", data=body, content_type="application/json").status_code == 400


@pytest.mark.parametrize("content", [{}, {"title": None, "message": 5}, {"title": ["x"], "message": {"a": 1}}])
def test_odd_contents_are_kept_as_text(bench: Bench, content: dict[str, Any]) -> None:
    assert bench.http.post("/alerts", json=content).status_code == 200
    alert = bench.http.get("/alerts").get_json()["alerts"][0]
    assert all(isinstance(alert[name], str) for name in ("title", "message", "type"))


def test_hostile_text_neither_stalls_nor_breaks(bench: Bench) -> None:
    for text in ("@" * 20_000, "1 " * 10_000, "a@" * 10_000, "(((" * 5_000, "\ud800\x00", "9" * 20_000, "a" * 10**6):
        assert ring(bench, text) is None


def test_faults(bench: Bench) -> None:
    bench.control("/faults", {"where": "alerts", "kind": "unavailable", "times": 1})
    bench.control("/faults", {"where": "alerts", "kind": "http_500", "times": 1, "after": True})
    send = {"title": "t", "message": "m"}
    answers = [bench.http.post("/alerts", json=send).status_code for _ in range(3)]
    assert answers == [503, 500, 200]
    assert len(bench.http.get("/alerts").get_json()["alerts"]) == 2
