"""Every code that Meta gives about events and datasets: what it becomes, whether the events may be stored, what is kept."""

import json
from pathlib import Path
from typing import Any

import pytest

from leadloop.conversions.answers import EventRefused, EventsUnanswered
from leadloop.errors import LeadloopError, NeedsHuman, Permanent, Retryable
from leadloop.http import HttpAnswer
from meta_graph import event_rules
from meta_graph.errors import (
    BadRequest,
    Blocked,
    DatasetNotShown,
    GarbageAnswer,
    GraphUnavailable,
    PermissionMissing,
    ProofRejected,
    RateLimited,
    TokenExpired,
    TokenRejected,
    UnknownGraphError,
)
from meta_graph.event_answers import parse_answer
from meta_graph.event_rules import DATASET_RULES, EVENT_RULES, LINKED_RULES
from meta_graph.rules import CHECK_APP, RETRIES, WAITS, Rule

DATASET = "dataset 900000000000001"
PERSON = "Zoë Test zoe@example.com +34600000001 EAAsecretsecret1 " + "a" * 64
DOC = Path(__file__).parents[2] / "docs" / "conversion-errors.md"


def answer(body: Any, status: int = 400, **headers: str) -> HttpAnswer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpAnswer(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw)


def envelope(code: Any, subcode: Any = None, **more: Any) -> dict[str, Any]:
    """As of Meta, with a person in every text that it may have."""
    error = {"message": PERSON, "type": "OAuthException", "code": code, "fbtrace_id": "AXsTESTtrace"}
    error |= {"error_user_title": "Titre " + PERSON, "error_user_msg": "Açıklama " + PERSON}
    return {"error": error | ({"error_subcode": subcode} if subcode is not None else {}) | more}


def raised(body: Any, status: int = 400, edge: str = "events", **headers: str) -> Any:
    with pytest.raises(LeadloopError) as caught:
        parse_answer(answer(body, status, **headers), about=DATASET, edge=edge)
    error = caught.value
    shown = error.message + error.action + error.code + str(error) + repr(error)
    for secret in ("Zoë", "zoe@", "34600000001", "EAAsecret", "a" * 32):
        assert secret not in shown
        assert secret == "Zoë" or secret not in json.dumps(error.details, ensure_ascii=False)
    assert error.action or not isinstance(error, NeedsHuman | Permanent)
    return error


NO = None  # no EventsUnanswered: nothing is stored
TABLE = [
    # code, subcode → kind, scope, code of ours, may be stored, seconds of rest. The order of the facts' table (§1.7).
    (100, 2804003, EventRefused, "item", "graph_100_2804003", NO, None),
    (100, 2804009, EventRefused, "item", "graph_100_2804009", NO, None),
    (100, 2804050, EventRefused, "item", "graph_100_2804050", NO, None),
    (100, 2804066, EventRefused, "item", "graph_100_2804066", NO, None),
    (100, 2804087, EventRefused, "item", "graph_100_2804087", NO, None),
    (
        100,
        2804999,
        EventRefused,
        "item",
        "graph_100_2804999",
        NO,
        None,
    ),  # such as the restricted region: no number known
    (100, 1815750, EventRefused, "item", "graph_100_1815750", NO, None),
    (100, 2804001, EventRefused, "item", "graph_100_2804001", NO, None),
    (100, 2804007, EventRefused, "item", "graph_100_2804007", NO, None),
    (100, 2804016, EventRefused, "item", "graph_100_2804016", NO, None),
    (100, 2804017, EventRefused, "item", "graph_100_2804017", NO, None),
    (100, 2804019, EventRefused, "item", "graph_100_2804019", NO, None),
    (100, 2804048, EventRefused, "item", "graph_100_2804048", NO, None),
    (100, 2804030, EventRefused, "item", "graph_100_2804030", NO, None),
    (100, 33, DatasetNotShown, "lane", "graph_100_33", NO, None),
    (100, None, EventRefused, "item", "graph_100", NO, None),  # "Missing Permission" below
    (190, None, TokenRejected, "lane", "graph_190", NO, None),
    (190, 9999, TokenRejected, "lane", "graph_190", NO, None),
    (190, 460, TokenRejected, "lane", "graph_190_460", NO, None),
    (190, 463, TokenExpired, "lane", "graph_190_463", NO, None),
    (190, 458, TokenRejected, "lane", "graph_190_458", NO, None),
    (190, 459, TokenRejected, "lane", "graph_190_459", NO, None),
    (190, 464, TokenRejected, "lane", "graph_190_464", NO, None),
    (190, 467, TokenRejected, "lane", "graph_190_467", NO, None),
    (190, 492, TokenRejected, "lane", "graph_190_492", NO, None),
    (102, None, TokenRejected, "lane", "graph_102", NO, None),
    (104, None, ProofRejected, "lane", "graph_104", NO, None),
    (200, None, PermissionMissing, "lane", "graph_200", NO, None),
    (10, None, PermissionMissing, "lane", "graph_10", NO, None),
    (3, None, PermissionMissing, "lane", "graph_3", NO, None),
    (294, None, PermissionMissing, "lane", "graph_294", NO, None),
    (275, 1, PermissionMissing, "lane", "graph_275", NO, None),
    (368, None, Blocked, "lane", "graph_368", NO, None),
    (4, None, RateLimited, "lane", "graph_4", NO, 300),
    (341, None, RateLimited, "lane", "graph_341", NO, 300),
    (17, 2446079, RateLimited, "lane", "graph_17_2446079", NO, 300),
    (17, None, RateLimited, "lane", "graph_17", NO, 300),
    (32, None, RateLimited, "lane", "graph_32", NO, 300),
    (613, 1487742, RateLimited, "lane", "graph_613_1487742", NO, 300),
    (613, None, RateLimited, "lane", "graph_613", NO, 3_600),
    (80000, None, RateLimited, "lane", "graph_80000", NO, 300),
    (80003, 2446079, RateLimited, "lane", "graph_80003", NO, 300),
    (80004, 2446079, RateLimited, "lane", "graph_80004", NO, 300),
    (80014, None, RateLimited, "lane", "graph_80014", NO, 300),
    (1, None, GraphUnavailable, "item", "graph_1", NO, None),
    (2, None, GraphUnavailable, "item", "graph_2", NO, None),
    (2, 1487390, GraphUnavailable, "item", "graph_2", NO, None),
    (21009, None, GraphUnavailable, "item", "graph_21009", NO, None),
    (2500, None, BadRequest, "lane", "graph_2500", NO, None),
    (2635, None, BadRequest, "lane", "graph_2635", NO, None),
    (803, None, DatasetNotShown, "lane", "graph_803", NO, None),
]


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 500, 503])
@pytest.mark.parametrize(("code", "subcode", "kind", "scope", "ours", "stored", "rest_s"), TABLE)
def test_code_and_subcode_decide_and_the_status_does_not(
    code: int,
    subcode: int | None,
    kind: type,
    scope: str,
    ours: str,
    stored: bool | None,
    rest_s: float | None,
    status: int,
) -> None:
    error = raised(envelope(code, subcode), status)
    assert (type(error), error.scope, error.code) == (kind, scope, ours)
    assert getattr(error, "maybe_stored", NO) is stored
    assert getattr(error, "retry_after_s", None) == rest_s
    assert f"({DATASET}, Graph error {code}" in error.message
    assert "AXsTESTtrace" in error.message
    if kind is EventRefused:
        assert error.meta_code == (f"100/{subcode}" if subcode else "100")


@pytest.mark.parametrize("language", ["en", "tr", "fr"])
def test_no_title_in_any_language_decides(language: str) -> None:
    """What Meta writes in the language of the token's owner is shown, and told apart by the number alone."""
    old, region = (
        {"en": "Event Timestamp Too Old", "tr": "Olay Zaman Damgası Çok Eski", "fr": "Horodatage trop ancien"}[
            language
        ],
        "Messaging Event Within Messaging Restrictive Region",
    )
    for title, subcode in ((old, 2804066), (region, 2804003), ("Missing Permission", 2804009)):
        error = raised(envelope(100, subcode, error_user_title=title))
        assert (type(error), error.code) == (EventRefused, f"graph_100_{subcode}")
        assert error.details["title"] == title


def test_every_rule_has_its_line_in_the_table_above() -> None:
    fitting = {
        next(rule for rule in EVENT_RULES if rule.fits(code, subcode or 0, "events"))
        for code, subcode, *_ in TABLE
        if code != 100 or subcode in {2804003, 2804009, 2804050, 2804066, 2804087, 2804030, 2804001, 33}
    }
    assert set(EVENT_RULES) == fitting


# --- 100 without a subcode that is known -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["(#100) Missing Permission", "(#100) Missing Permissions", "(#100) missing permission."]
)
def test_a_missing_permission_without_a_subcode_holds_the_dataset(text: str) -> None:
    error = raised(envelope(100, message=text))
    assert (type(error), error.scope, error.code) == (PermissionMissing, "lane", "graph_100")
    assert "ads_management" in error.action
    assert type(raised(envelope(100, 0, message=text))) is PermissionMissing


@pytest.mark.parametrize(
    "more",
    [
        {"subcode": 2804999},
        {"error_data": {"blame_field_specs": [["data"]]}},
        {"error_data": json.dumps({"blame_field_specs": [["data", 0, "user_data"]]})},
    ],
)
def test_where_a_number_or_a_field_is_told_the_text_is_not_asked(more: dict[str, Any]) -> None:
    more = {"message": "(#100) Missing Permission"} | more
    error = raised(envelope(100, more.pop("subcode", None), **more))
    assert type(error) is EventRefused


@pytest.mark.parametrize(
    "more",
    [
        {"message": "(#100) Param partner_agent must have fewer than 23 characters"},
        {"message": "(#100) Param test_event_code must be a string"},
        {"error_data": {"blame_field_specs": [["test_event_code"]]}},
    ],
)
def test_no_event_is_blamed_for_what_is_told_beside_them(more: dict[str, Any]) -> None:
    """Splitting such a request would refuse each of its events for good, one after the other."""
    error = raised(envelope(100, **more))
    assert (type(error), error.scope) == (BadRequest, "lane")
    assert type(raised(envelope(100, 2804009, **more))) is EventRefused


def test_numbers_that_nobody_has_seen_are_no_labels() -> None:
    assert [raised(envelope(100, subcode)).known for subcode in (2804003, 2804001, None, 2804998)] == [
        *(True, True, True),
        False,
    ]


def test_the_restricted_region_is_explained_whatever_its_number_is() -> None:
    error = raised(envelope(100, 2804901, error_user_title="Messaging Event Within Messaging Restrictive Region"))
    assert "Pages and Instagram accounts of the EU, the United Kingdom" in error.action
    assert error.details["subcode"] == 2804901


# --- what is no answer, or none that tells ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "stored"), [(200, True), (201, True), (302, False), (403, False), (404, False), (500, True), (502, True)]
)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><h1>Sorry, something went wrong.</h1>",
        b'{"events_received": 1, "mess',
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 60_000,
        b'{"error": {}}',
        b'{"error": "no"}',
        b'{"error": {"code": true}}',
    ],
)
def test_what_is_no_answer_of_graphs(body: bytes, status: int, stored: bool) -> None:
    error = raised(body, status)
    assert (type(error), error.code, error.maybe_stored) == (EventsUnanswered, "graph_garbage", stored)
    assert (error.outage, isinstance(error, Retryable)) == (True, True)
    assert error.details["http_status"] == status


def test_a_bad_status_without_an_error_tells_nothing() -> None:
    assert raised({"events_received": 1}, 500).maybe_stored is True
    assert raised({"events_received": 1}, 404).maybe_stored is False


@pytest.mark.parametrize("body", [b"", b"<html>slow down</html>", {"error": {"message": "x"}}, envelope(987654), {}])
def test_429_without_a_code_that_is_known_is_a_limit(body: Any) -> None:
    error = raised(body, 429, retry_after="33")
    assert (type(error), error.scope, error.retry_after_s) == (RateLimited, "lane", 33)


@pytest.mark.parametrize(
    ("status", "transient", "kind", "stored"),
    [
        (400, False, UnknownGraphError, NO),
        (400, True, GraphUnavailable, NO),
        (200, False, EventsUnanswered, True),
        (500, False, EventsUnanswered, True),
        (500, True, EventsUnanswered, True),
    ],
)
def test_a_code_that_nobody_knows(status: int, transient: bool, kind: type, stored: bool | None) -> None:
    error = raised(envelope(987654, 7, is_transient=transient), status)
    assert (type(error), error.code, getattr(error, "maybe_stored", NO)) == (kind, "graph_other", stored)
    assert isinstance(error, Retryable)
    assert "987654" in error.message


@pytest.mark.parametrize(("code", "subcode"), [(100, 33), (190, 463), (200, None), (100, 2804003), (4, None)])
def test_what_meta_calls_passing_does_not_undo_its_code(code: int, subcode: int | None) -> None:
    calm, passing = raised(envelope(code, subcode)), raised(envelope(code, subcode, is_transient=True))
    assert (type(passing), passing.code) == (type(calm), calm.code)


@pytest.mark.parametrize("code", [100, 104, 190])
def test_a_wrong_proof_is_known_by_its_wording(code: int) -> None:
    assert type(raised(envelope(code, message="Invalid appsecret_proof provided in the API argument"))) is ProofRejected


# --- limits ----------------------------------------------------------------------------------------------------------


def business(minutes: Any) -> str:
    return json.dumps({"120000000000001": [{"type": "ads_management", "estimated_time_to_regain_access": minutes}]})


@pytest.mark.parametrize(
    ("code", "business_usage", "account_usage", "seconds"),
    [
        (80004, business(19), "", 1_140),
        (80004, "", json.dumps({"acc_id_util_pct": 100, "reset_time_duration": 420}), 420),
        (80004, business(1), json.dumps({"acc_id_util_pct": 100, "reset_time_duration": 420}), 420),
        (80004, "", json.dumps({"acc_id_util_pct": 9, "reset_time_duration": 420}), 300),
        (80004, business(10**9), "", 86_400),
        (80004, business(-1), "not json", 300),
        (80004, "", json.dumps({"acc_id_util_pct": "100", "reset_time_duration": 10**9}), 86_400),
        (613, business(2), "", 120),
        (4, business(19), "", 300),
    ],
)
def test_how_long_a_limit_lasts(code: int, business_usage: str, account_usage: str, seconds: float) -> None:
    headers = {"x_business_use_case_usage": business_usage, "x_ad_account_usage": account_usage}
    assert raised(envelope(code), **headers).retry_after_s == seconds


def test_only_the_apps_limits_concern_the_whole_app() -> None:
    wide = {code for code, _, kind, *_ in TABLE if kind is RateLimited and raised(envelope(code)).app_wide}
    assert wide == {4, 341}


# --- datasets --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "subcode", "kind", "ours"),
    [
        (100, 33, DatasetNotShown, "graph_100_33"),
        (100, None, BadRequest, "graph_100"),
        (100, 5, BadRequest, "graph_100"),
        (100, 2044055, DatasetNotShown, "graph_100_2044055"),
        (2044055, None, DatasetNotShown, "graph_2044055"),
        (803, None, DatasetNotShown, "graph_803"),
        (10, None, PermissionMissing, "graph_10"),
        (200, None, PermissionMissing, "graph_200"),
        (2500, None, BadRequest, "graph_2500"),
        (1, None, GraphUnavailable, "graph_1"),
        (2, None, GraphUnavailable, "graph_2"),
        (987654, None, UnknownGraphError, "graph_other"),
    ],
)
def test_what_a_dataset_refuses_to_show_holds_up_no_event(
    code: int, subcode: int | None, kind: type, ours: str
) -> None:
    error = raised(envelope(code, subcode), edge="dataset")
    assert (type(error), error.scope, error.code) == (kind, "item", ours)


@pytest.mark.parametrize("edge", ["linked_dataset", "create_dataset"])
def test_a_page_that_is_not_shown_is_not_called_a_dataset(edge: str) -> None:
    for code, subcode in ((100, 33), (803, None)):
        error = raised(envelope(code, subcode), edge=edge)
        assert (type(error), error.scope) == (DatasetNotShown, "item")
        assert "Page or account" in error.message
        assert "WhatsApp Business Account" in error.action


def test_a_dead_token_and_a_limit_are_the_same_everywhere() -> None:
    assert raised(envelope(190, 463), edge="dataset").scope == "lane"
    assert raised(envelope(80004), edge="dataset").scope == "lane"
    assert type(raised(envelope(100, message="(#100) Missing Permission"), edge="dataset")) is PermissionMissing
    assert type(raised(b"<html>", 200, edge="dataset")) is GarbageAnswer


# --- what Meta says in its own words -----------------------------------------------------------------------------------


def test_metas_words_are_kept_beside_ours() -> None:
    error = raised(
        envelope(
            100,
            2804003,
            message="Invalid parameter",
            error_user_title="Olay Zaman Damgası Çok Eski",
            error_user_msg="Bu olayın zaman damgası\nçok geçmişte kalıyor.\u202e",
            error_data={"blame_field_specs": [["data", 0, "event_time"], ["data"]]},
        )
    )
    assert error.details == {
        "http_status": 400,
        "code": 100,
        "subcode": 2804003,
        "fbtrace_id": "AXsTESTtrace",
        "message": "Invalid parameter",
        "title": "Olay Zaman Damgası Çok Eski",
        "msg": "Bu olayın zaman damgası çok geçmişte kalıyor.",
        "blame": ["data.0.event_time", "data"],
    }
    json.dumps(error.details)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("mail zoe@example.com here", "mail [e-mail] here"),
        ("mail zoe%40example.com here", "mail [e-mail] here"),
        ("<zoë.test+1@exämple.de>", "<[e-mail]>"),
        ("call +90 532 123 45 67 now", "call [number] now"),
        ("call (0532) 123-45-67 now", "call [number] now"),
        ("ph:905321234567", "ph:[number]"),
        ("x905321234567", "x[number]"),
        ("٠٥٣٢١٢٣٤٥٦٧", "[number]"),
        ("token EAABsbCS1iHgBAxyz", "token [token]"),
        ("hash " + "0aF" * 21 + "0", "hash [hash]"),
        ("md5 " + "ab" * 16, "md5 [hash]"),
        ("Object with ID '900000000000001' does not exist", "Object with ID '900000000000001' does not exist"),
        ("(#100) error 2804 of v26.0", "(#100) error 2804 of v26.0"),
        (" \x00\u200b\n ", None),
        ("x" * 100_000, "x" * 500),
        (5, None),
        (None, None),
        (["a"], None),
        ({"a": 1}, None),
        ("\ud800", "\ufffd"),
    ],
)
def test_what_may_be_of_a_person_is_taken_out(text: Any, kept: str | None) -> None:
    for name, key in (("error_user_title", "title"), ("error_user_msg", "msg"), ("message", "message")):
        assert raised_raw(envelope(100, 2804050, **{name: text})).details.get(key) == kept


def raised_raw(body: Any) -> LeadloopError:
    with pytest.raises(LeadloopError) as caught:
        parse_answer(answer(body), about=DATASET, edge="events")
    return caught.value


@pytest.mark.parametrize(
    ("error_data", "blame"),
    [
        ({"blame_field_specs": [["data"]]}, ["data"]),
        (json.dumps({"blame_field_specs": ["data"]}), ["data"]),
        (
            {"blame_field_specs": [["zoe@example.com"], ["+905321234567"], ["905321234567"], [5], [None], {}, 7]},
            ["5", "7"],
        ),
        ({"blame_field_specs": [["a"] * 10_000]}, ["a.a.a.a.a.a"]),
        ({"blame_field_specs": [["data"]] * 10_000}, ["data"] * 50),
        ({"blame_field_specs": "data"}, None),
        ("[" * 100_000, None),
        ("nonsense", None),
        (7, None),
    ],
)
def test_blame_of_any_shape(error_data: Any, blame: list[str] | None) -> None:
    assert raised(envelope(100, 2804050, error_data=error_data)).details.get("blame") == blame


# --- the docs --------------------------------------------------------------------------------------------------------

SECTIONS = {
    WAITS: "[wait](#wait)",
    RETRIES: "[wait](#wait)",
    event_rules.RENEW: "[a new token](#a-new-token)",
    event_rules.ASSIGN: "[assign the dataset](#assign-the-dataset)",
    event_rules.GRANT_EVENTS: "[give the right](#give-the-right)",
    event_rules.READ_META: "[Meta's own words](#metas-own-words)",
    event_rules.REGION: "[Meta's own words](#metas-own-words)",
    event_rules.OWNER: "[compare the ids](#compare-the-ids)",
    event_rules.UNSURE: "[unknown](#unknown)",
    event_rules.OURS: "[report it](#report-it)",
    CHECK_APP: "[app secret](#the-app-secret)",
}


def code_text(rule: Rule) -> str:
    codes = rule.codes
    text = str(codes) if isinstance(codes, int) else "–".join(str(one) for one in codes)
    return text + ("/" + ", ".join(str(one) for one in sorted(rule.subcodes)) if rule.subcodes else "")


def does(rule: Rule, edge: str) -> str:
    if issubclass(rule.kind, EventRefused):
        return "this event is refused, the others go on"
    if issubclass(rule.kind, EventsUnanswered):
        return "the events are unknown"
    if issubclass(rule.kind, RateLimited):
        return f"the {'whole app' if rule.app_wide else 'dataset'} rests, {rule.rest_s:.0f} s unless Meta says"
    if issubclass(rule.kind, Retryable):
        return "tried again"
    return "the dataset is held" if edge == "events" else "told to whoever asked"


def line(rule: Rule, code: str = "", edge: str = "events") -> str:
    action = SECTIONS.get(rule.action, rule.action)
    for text, link in SECTIONS.items():
        if rule.action.endswith(" " + text):
            action = rule.action.removesuffix(text) + link
    return f"| {code or code_text(rule)} | {rule.says}. | {does(rule, edge)} | {action} |"


def lines() -> list[str]:
    wordings = [
        line(event_rules.MISSING_PERMISSION_RULE, "100 without a subcode, “Missing Permission”"),
        line(event_rules.OUR_PARAMETER_RULE, "100 about `partner_agent` or `test_event_code`"),
        line(event_rules.REFUSED_RULE, "100 with any other subcode, or none"),
    ]
    told = [rule for rule in DATASET_RULES if rule not in EVENT_RULES]
    told += [rule for rule in LINKED_RULES if rule not in DATASET_RULES]
    return [line(rule) for rule in EVENT_RULES] + wordings + [line(rule, edge="dataset") for rule in told]


def test_the_docs_are_the_tables() -> None:
    text = DOC.read_text(encoding="utf-8")
    assert all(rule.scope != "item" or issubclass(rule.kind, Permanent | Retryable) for rule in EVENT_RULES)
    told = [row for row in text.splitlines() if row.startswith("| ") and row[2].isdigit()]
    assert told == lines()
    for action in SECTIONS:
        assert action in text, action
