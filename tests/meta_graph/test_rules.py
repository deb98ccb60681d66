"""Every code of Meta's that we know, and what it becomes: the kind, whom it concerns, how long it rests."""

import json
from pathlib import Path
from typing import Any

import pytest

from leadloop.errors import LeadloopError, NeedsHuman, Permanent, Retryable
from leadloop.http import HttpAnswer
from meta_graph.errors import (
    BadRequest,
    Blocked,
    GarbageAnswer,
    GraphUnavailable,
    LeadNotReadable,
    NotReadable,
    ObjectGone,
    PermissionMissing,
    ProofRejected,
    RateLimited,
    Refused,
    TokenExpired,
    TokenRejected,
    TooMuchData,
    UnknownGraphError,
    parse_error,
)
from meta_graph.rules import RULES, Rule, parse_answer

PAGE = "111111111111111"
PERSON = "Zoë Test zoe@example.com +34600000001 EAAsecret https://graph.facebook.com/v26.0/2?access_token=EAAsecret"


def answer(body: Any, status: int = 400, **headers: str) -> HttpAnswer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpAnswer(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw)


def raised(body: Any, status: int = 400, edge: str = "lead", page_id: str | None = PAGE, **headers: str) -> Any:
    with pytest.raises(LeadloopError) as caught:
        parse_answer(answer(body, status, **headers), page_id=page_id, edge=edge)
    shown = caught.value.message + caught.value.action + caught.value.code
    for secret in ("Zoë", "zoe@", "+346", "EAAsecret", "access_token="):
        assert secret not in shown
    assert caught.value.action or not isinstance(caught.value, NeedsHuman)
    return caught.value


def envelope(code: Any, subcode: Any = None, **more: Any) -> dict[str, Any]:
    error = {"message": PERSON, "type": "OAuthException", "code": code, "fbtrace_id": "AXsTESTtrace"}
    error |= {"error_user_title": PERSON, "error_user_msg": PERSON}
    return {"error": error | ({"error_subcode": subcode} if subcode is not None else {}) | more}


TABLE = [
    # code, subcode, edge → kind, scope, label
    (1, None, "lead", GraphUnavailable, "item", "graph_1"),
    (2, None, "lead", GraphUnavailable, "item", "graph_2"),
    (3, None, "lead", PermissionMissing, "lane", "graph_3"),
    (3, None, "form", PermissionMissing, "item", "graph_3"),
    (4, None, "lead", RateLimited, "lane", "graph_4"),
    (4, 2018022, "lead", RateLimited, "lane", "graph_4"),
    (10, None, "lead", PermissionMissing, "lane", "graph_10"),
    (10, None, "page_forms", PermissionMissing, "item", "graph_10"),
    (10, 2018278, "messages", Refused, "item", "graph_10_2018278"),
    (10, 2534022, "messages", Refused, "item", "graph_10_2534022"),
    (10, 2018065, "messages", Refused, "item", "graph_10_2018065"),
    (10, 2018108, "messages", Refused, "item", "graph_10_2018108"),
    (10, 1893063, "messages", Blocked, "item", "graph_10_1893063"),
    (17, None, "lead", RateLimited, "lane", "graph_17"),
    (17, 2446079, "lead", RateLimited, "lane", "graph_17_2446079"),
    (32, None, "lead", RateLimited, "lane", "graph_32"),
    (100, None, "lead", BadRequest, "item", "graph_100"),
    (100, 33, "lead", LeadNotReadable, "item", "graph_100_33"),
    (100, 33, "form", NotReadable, "item", "graph_100_33"),
    (100, 2018001, "messages", Refused, "item", "graph_100_2018001"),
    (100, 2018109, "messages", Refused, "item", "graph_100_2018109"),
    (100, 2018320, "lead", BadRequest, "item", "graph_100"),
    (102, None, "lead", TokenRejected, "lane", "graph_102"),
    (104, None, "lead", ProofRejected, "lane", "graph_104"),
    (190, None, "lead", TokenRejected, "lane", "graph_190"),
    (190, 458, "lead", TokenRejected, "lane", "graph_190_458"),
    (190, 459, "lead", TokenRejected, "lane", "graph_190_459"),
    (190, 460, "form", TokenRejected, "lane", "graph_190_460"),
    (190, 463, "lead", TokenExpired, "lane", "graph_190_463"),
    (190, 464, "lead", TokenRejected, "lane", "graph_190_464"),
    (190, 467, "lead", TokenRejected, "lane", "graph_190_467"),
    (190, 492, "lead", TokenRejected, "lane", "graph_190_492"),
    (190, 999, "lead", TokenRejected, "lane", "graph_190"),
    (200, None, "lead", PermissionMissing, "lane", "graph_200"),
    (200, None, "form_leads", PermissionMissing, "item", "graph_200"),
    (210, None, "lead", PermissionMissing, "lane", "graph_210"),
    (230, None, "lead", PermissionMissing, "lane", "graph_230"),
    (230, None, "profile", PermissionMissing, "item", "graph_230"),
    (299, None, "lead", PermissionMissing, "lane", "graph_299"),
    (300, None, "lead", UnknownGraphError, "item", "graph_other"),
    (341, None, "lead", RateLimited, "lane", "graph_341"),
    (368, None, "lead", Blocked, "lane", "graph_368"),
    (506, None, "messages", Refused, "item", "graph_506"),
    (551, 1545041, "messages", Refused, "item", "graph_551"),
    (613, None, "lead", RateLimited, "lane", "graph_613"),
    (613, 1996, "lead", RateLimited, "lane", "graph_613"),
    (803, None, "lead", LeadNotReadable, "item", "graph_803"),
    (803, None, "form", ObjectGone, "item", "graph_803"),
    (1200, None, "lead", GraphUnavailable, "item", "graph_1200"),
    (2500, None, "lead", BadRequest, "item", "graph_2500"),
    (2635, None, "lead", BadRequest, "lane", "graph_2635"),
    (80000, None, "lead", RateLimited, "lane", "graph_80000"),
    (80001, None, "lead", RateLimited, "lane", "graph_80001"),
    (80002, None, "lead", RateLimited, "lane", "graph_80002"),
    (80003, 2446079, "lead", RateLimited, "lane", "graph_80003"),
    (80004, 2446079, "lead", RateLimited, "lane", "graph_80004"),
    (80005, None, "lead", RateLimited, "lane", "graph_80005"),
    (80006, None, "lead", RateLimited, "lane", "graph_80006"),
    (80007, None, "lead", RateLimited, "lane", "graph_80007"),
    (80008, None, "lead", RateLimited, "lane", "graph_80008"),
    (80009, None, "lead", RateLimited, "lane", "graph_80009"),
    (80014, None, "lead", RateLimited, "lane", "graph_80014"),
    (80015, None, "lead", UnknownGraphError, "item", "graph_other"),
    (130429, None, "lead", RateLimited, "lane", "graph_130429"),
    (131000, None, "lead", GraphUnavailable, "item", "graph_131000"),
    (131016, None, "lead", GraphUnavailable, "item", "graph_131016"),
    (131026, None, "messages", Refused, "item", "graph_131026"),
    (131047, None, "messages", Refused, "item", "graph_131047"),
    (131051, None, "messages", Refused, "item", "graph_131051"),
    (131056, None, "lead", RateLimited, "item", "graph_131056"),
    (132001, None, "messages", Refused, "item", "graph_132001"),
    (1609005, None, "messages", Refused, "item", "graph_1609005"),
    (987654, 7, "lead", UnknownGraphError, "item", "graph_other"),
]


@pytest.mark.parametrize("status", [200, 400, 403, 404, 500])
@pytest.mark.parametrize(("code", "subcode", "edge", "kind", "scope", "label"), TABLE)
def test_code_and_subcode_decide_and_the_status_does_not(
    code: int, subcode: int | None, edge: str, kind: type, scope: str, label: str, status: int
) -> None:
    error = raised(envelope(code, subcode), status, edge)
    if kind is UnknownGraphError and status == 500:
        kind = GraphUnavailable
    assert (type(error), error.scope, error.code) == (kind, scope, label)
    assert f"Graph error {code}" in error.message
    assert "AXsTESTtrace" in error.message
    assert PAGE in error.message


def test_every_rule_has_its_line_in_the_table_above() -> None:
    fitting = {
        rule
        for code, subcode, edge, _, _, _ in TABLE
        if (rule := next((one for one in RULES if one.fits(code, subcode or 0, edge)), None)) is not None
    }
    assert set(RULES) == fitting


@pytest.mark.parametrize("subcode", [None, 33, 463, 2018278, 2534022, 2018001, 1545041])
def test_no_lead_is_given_up_for_any_code(subcode: int | None) -> None:
    codes = {code for code, *_ in TABLE} | set(range(1000))
    assert {code for code in codes if isinstance(raised(envelope(code, subcode)), Permanent)} == set()


def test_an_id_that_does_not_exist_may_be_a_lead_just_sent() -> None:
    error = raised(envelope(803))
    assert (error.give_up_after_s, error.outage) == (21_600, False)
    assert error.action.endswith("Then: leadloop work retry --all.")


def test_a_code_we_do_not_know_is_tried_for_a_day() -> None:
    unknown = raised(envelope(424242))
    assert isinstance(unknown, Retryable)
    assert (unknown.give_up_after_s, unknown.outage) == (86_400, False)
    assert unknown.action


def test_outages_are_marked_as_such() -> None:
    for code in (1, 2, 1200, 131000, 131016):
        assert raised(envelope(code)).outage
    for code in (4, 17, 32, 613, 80005, 424242):
        assert not raised(envelope(code)).outage
    assert not raised(envelope(100, 33)).outage


# --- limits ----------------------------------------------------------------------------------------------------------


def business(**minutes: Any) -> str:
    rows = {
        name.lstrip("p"): [{"type": "leadgen", "call_count": 100, "estimated_time_to_regain_access": value}]
        for name, value in minutes.items()
    }
    return json.dumps(rows)


@pytest.mark.parametrize(
    ("code", "header", "seconds"),
    [
        (80005, business(p111111111111111=19), 1_140),
        (80005, business(p111111111111111=19, p999=300), 1_140),
        (80005, business(p999=5, p998=7), 420),
        (80005, business(p111111111111111=0), 300),
        (80005, business(p111111111111111=10**9), 86_400),
        (80005, business(p111111111111111=-4), 300),
        (80005, business(p111111111111111="12"), 720),
        (80005, business(p111111111111111=[1]), 300),
        (80005, "not json", 300),
        (80005, "[" * 50_000, 300),
        (80005, "", 300),
        (32, business(p111111111111111=2), 120),
        (17, "", 300),
        (613, "", 60),
        (4, business(p111111111111111=19), 300),
        (341, "", 300),
        (130429, "", 10),
    ],
)
def test_how_long_a_limit_lasts(code: int, header: str, seconds: float) -> None:
    error = raised(envelope(code), x_business_use_case_usage=header)
    assert error.retry_after_s == seconds


def test_retry_after_is_believed_where_meta_gives_no_minutes() -> None:
    assert raised(envelope(32), retry_after="77").retry_after_s == 77


@pytest.mark.parametrize(("code", "app_wide"), [(4, True), (341, True), (17, False), (32, False), (80005, False)])
def test_which_limits_concern_the_whole_app(code: int, app_wide: bool) -> None:
    assert raised(envelope(code)).app_wide is app_wide


@pytest.mark.parametrize(
    ("code", "subcode", "of_ads"),
    [
        *((80000, None, True), (80003, 2446079, True), (80004, 2446079, True), (17, 2446079, True)),
        *((17, None, False), (32, None, False), (80001, None, False), (80005, None, False), (80014, None, False)),
    ],
)
def test_which_limits_keep_only_the_ad_fields_back(code: int, subcode: int | None, of_ads: bool) -> None:
    assert raised(envelope(code, subcode)).of_ads is of_ads


def test_a_limit_stays_a_limit_when_meta_calls_it_transient() -> None:
    assert type(raised(envelope(4, is_transient=True), 403)) is RateLimited


@pytest.mark.parametrize("body", [b"", b"<html>slow down</html>", {"error": {"message": "x"}}, envelope(424242), {}])
def test_429_without_a_known_code_is_a_limit(body: Any) -> None:
    error = raised(body, 429, retry_after="33")
    assert (type(error), error.scope, error.retry_after_s, error.app_wide) == (RateLimited, "lane", 33, False)
    assert raised(body, 429).retry_after_s == 60


# --- wording that decides --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [100, 104, 1, 190])
@pytest.mark.parametrize(
    "text",
    [
        "Invalid appsecret_proof provided in the API argument",
        "API calls from the server require an appsecret_proof argument",
    ],
)
def test_a_wrong_proof_is_known_by_its_wording(code: int, text: str) -> None:
    assert type(raised(envelope(code, message=text))) is ProofRejected


def test_too_much_data_is_known_by_its_wording() -> None:
    text = "Please reduce the amount of data you're asking for, then retry your request"
    assert type(raised(envelope(1, message=text), 500)) is TooMuchData
    assert type(raised(envelope(100, message=text), 400)) is BadRequest


@pytest.mark.parametrize(("code", "subcode"), [(100, None), (100, 33), (190, 463), (200, None), (803, None), (5, None)])
def test_what_meta_calls_transient_is_tried_again(code: int, subcode: int | None) -> None:
    error = raised(envelope(code, subcode, is_transient=True))
    assert (type(error), error.outage) == (GraphUnavailable, True)


@pytest.mark.parametrize("value", ["true", 1, [], None, "yes"])
def test_only_a_real_true_is_transient(value: object) -> None:
    assert type(raised(envelope(803, is_transient=value), edge="form")) is ObjectGone


# --- what is no answer of Graph --------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 301, 400, 401, 403, 404, 500, 502, 503])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"<!DOCTYPE html><title>Sorry</title> zoe@example.com",
        b'{"id": "222", "field_da',
        b"[]",
        b"null",
        b'"text"',
        b"123",
        b"\xff\xfe\x00",
        b"[" * 60_000,
        b'{"error": {}}',
        b'{"error": "invalid_request"}',
        b'{"error": ["a"]}',
        b'{"error": {"code": null, "message": 5}}',
        b'{"error": {"code": -1}}',
        b'{"error": {"code": true}}',
        b'{"error": {"code": 1e400}}',
        b'{"error": {"code": {"a": 1}}}',
    ],
)
def test_garbage_of_any_status_may_pass(body: bytes, status: int) -> None:
    error = raised(body, status)
    assert (type(error), error.code, error.outage) == (GarbageAnswer, "graph_garbage", True)
    assert str(status) in error.message
    assert "META_GRAPH_URL" in error.action


def test_a_bad_status_without_an_error_is_garbage() -> None:
    assert type(raised({"id": "1"}, 404)) is GarbageAnswer
    assert type(raised({"error": None}, 400)) is GarbageAnswer


def test_a_good_answer_is_handed_back() -> None:
    body = {"id": "1", "field_data": []}
    assert parse_answer(answer(body, 200), page_id=PAGE, edge="lead") == body


# --- the envelope ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "found"),
    [(190, 190), ("190", 190), ("0190", 190), (10**30, 0), ("9" * 5_000, 999_999_999_999), (3.7, 0), ("٣", 0), ("", 0)],
)
def test_codes_of_any_type(code: object, found: int) -> None:
    error = parse_error({"error": {"code": code, "error_subcode": code}})
    assert error is not None
    assert (error.code, error.subcode) == (found if code != "9" * 5_000 else 999_999_999_999, found)


@pytest.mark.parametrize("trace", ["A" * 65, "zoe@example.com", "a b", "", 5, None, {"a": 1}, "a\nb", "İ"])
def test_a_trace_that_is_none_is_left_out(trace: object) -> None:
    error = raised(envelope(1, fbtrace_id=trace))
    assert "fbtrace_id" not in error.message


def test_labels_are_bounded() -> None:
    labels = {raised(envelope(code, subcode)).code for code in range(3_000, 3_300) for subcode in (None, 5)}
    assert labels == {"graph_other"}
    assert {raised(envelope(190, subcode)).code for subcode in range(1_000, 1_300)} == {"graph_190"}


def test_without_a_page_the_message_names_none() -> None:
    assert "Page" not in raised(envelope(190, 460), page_id=None).message.replace("this Page", "")


# --- the docs --------------------------------------------------------------------------------------------------------


def code_text(rule: Rule) -> str:
    codes = rule.codes
    text = str(codes) if isinstance(codes, int) else "–".join(str(one) for one in dict.fromkeys(codes))
    return text + ("/" + ", ".join(str(one) for one in sorted(rule.subcodes)) if rule.subcodes else "")


def test_the_docs_have_a_line_for_every_rule() -> None:
    text = (Path(__file__).parents[2] / "docs" / "graph-errors.md").read_text()
    for rule in RULES:
        line = f"| {code_text(rule)} | {rule.says}."
        assert line in text, line
        for sentence in rule.action.removesuffix(".").split(". "):
            assert sentence in text, sentence


def test_the_docs_name_no_code_that_is_gone() -> None:
    text = (Path(__file__).parents[2] / "docs" / "graph-errors.md").read_text()
    named = {line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ") and line[2].isdigit()}
    assert named == {code_text(rule) for rule in RULES}
