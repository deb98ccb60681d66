"""POST /api/v1/outcomes: kept before it is answered, with a verdict on each; and GET, which lists them."""

import dataclasses
import json
import threading
import time
from datetime import timedelta

import pytest
from conftest import NOW
from conversion_rows import make_conversion, make_outcome
from lead_rows import add, make_lead, on_both
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from api import outcomes
from api.bodies import MOST_BYTES
from api.conversion_shapes import OutcomeList, OutcomeVerdict, OutcomeVerdicts
from api.problems import MEDIA_TYPE
from api.shapes import OutcomesProblem
from store.conversion_models import Outcome
from store.models import Connection, Funnel, Lead, Work

LEAD = "222222222222222"
PATH = "/api/v1/outcomes"
STAGES = [{"stage": "new", "event": "Raw Lead"}, {"stage": "won", "event": "Purchase", "value": "optional"}]


@pytest.fixture
def post(client, key):
    """post(body, **headers): the answer to what is sent as JSON (bytes and texts as they are)."""

    def post(body, **headers):
        data = body if isinstance(body, bytes | str) else json.dumps(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        given = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"} | named
        return client.post(PATH, data=data, headers=given)

    return post


@pytest.fixture
def configured(services):
    """A CRM with a funnel, and a lead that it may have."""
    add(
        services,
        Connection(name="crm", adapter="webhook", settings_sealed="-", changed_at=NOW),
        Funnel(position=0, connection="crm", dataset_id="900000000000001", stages=STAGES, options={}),
        make_lead(LEAD, NOW - timedelta(minutes=5)),
    )


def outcome(**changes):
    return {"lead": {"leadgen_id": LEAD}, "stage": "won", "occurred_at": "2026-11-22T08:59:00Z"} | changes


def kept(services):
    with services.read() as session:
        return list(session.scalars(select(Outcome).order_by(Outcome.id)))


def verdict(answer):
    assert answer.status_code == 202, answer.text
    OutcomeVerdict().load(answer.json)
    return answer.json


def verdicts(answer):
    assert answer.status_code == 202, answer.text
    OutcomeVerdicts().load(answer.json)
    assert [one["index"] for one in answer.json["outcomes"]] == list(range(len(answer.json["outcomes"])))
    return answer.json["outcomes"]


def assert_problem(answer, status, slug):
    assert (answer.status_code, answer.content_type) == (status, MEDIA_TYPE), answer.text
    OutcomesProblem().load(answer.json)
    assert answer.json["type"].endswith("#problem-" + slug)
    return answer.json


@on_both
def test_one_outcome_is_kept_and_the_verdict_is_the_answer(services, post, configured):
    answer = verdict(post(outcome(value="12500.00", currency="TRY", order_id="DEAL-42", fields={"pipeline": "b2b"})))
    assert answer == {
        "index": 0,
        "status": "accepted",
        "outcome_id": 1,
        "leadgen_id": LEAD,
        "message": None,
        "warning": None,
        "errors": [],
    }
    (row,) = kept(services)
    assert (row.source, row.value, row.currency, row.order_id, row.fields, row.lead_id) == (
        "api",
        "12500.00",
        "TRY",
        "DEAL-42",
        {"pipeline": "b2b"},
        1,
    )
    with services.read() as session:
        assert [(work.kind, work.subject_id) for work in session.scalars(select(Work))] == [("outcome", 1)]
    assert services.bell.rings == 1


@pytest.mark.parametrize(("seconds", "warned"), [(-3600, True), (0, True), (0.9, True), (1, False)])
def test_what_is_not_later_than_its_lead_is_kept_with_a_warning(services, post, configured, seconds, warned):
    with services.read() as session:
        created_at = session.scalars(select(Lead.created_at)).one().replace(microsecond=0)
    told = verdict(post(outcome(occurred_at=(created_at + timedelta(seconds=seconds)).isoformat())))
    assert told["status"] == "accepted"
    assert ("not later than the lead" in (told["warning"] or "")) is warned


@on_both
def test_each_of_a_list_has_its_verdict_and_a_bad_one_costs_the_others_nothing(services, post, configured):
    add(services, Lead(leadgen_id="333", page_id="111", received_at=NOW))
    found = verdicts(
        post(
            [
                outcome(),
                outcome(value="NaN"),
                outcome(lead={"leadgen_id": "333"}),
                outcome(lead={"leadgen_id": "444"}),
                outcome(),
                outcome(occurred_at="2026-11-22T09:30:00Z", stage=""),
                outcome(stage="wonn"),
                "won",
                outcome(connection="other"),
            ]
        )
    )
    assert [one["status"] for one in found] == [
        "accepted",
        "invalid",
        "waiting",
        "waiting",
        "repeated",
        "invalid",
        "accepted",
        "invalid",
        "invalid",
    ]
    assert [error["field"] for one in found for error in one["errors"]] == [
        "[1].value",
        "[5].stage",
        "[5].occurred_at",
        "[7]",
        "[8].connection",
    ]
    assert found[4]["outcome_id"] == found[0]["outcome_id"]
    assert "read from Meta" in found[2]["message"]
    assert "when that comes" in found[3]["message"]
    assert 'write "won"' in found[6]["warning"]
    assert found[0]["warning"] is None
    assert [one["leadgen_id"] for one in found[:4]] == [LEAD, None, "333", "444"]
    assert len(kept(services)) == 4


@on_both
def test_the_same_outcome_sent_again_is_repeated_and_kept_once(services, post, configured):
    first, again = verdict(post(outcome())), verdict(post(outcome()))
    assert (first["status"], again["status"]) == ("accepted", "repeated")
    assert first["outcome_id"] == again["outcome_id"]
    assert len(kept(services)) == 1


def test_when_none_can_be_kept_the_answer_is_422_with_all_that_is_wrong(services, post, configured):
    bad = outcome(value="-1", currency="ZZZ", colour="red")
    told = assert_problem(post([bad, {}]), 422, "invalid-outcomes")
    assert [one["status"] for one in told["outcomes"]] == ["invalid", "invalid"]
    assert {error["field"] for error in told["outcomes"][0]["errors"]} == {"[0].value", "[0].currency", "[0].colour"}
    assert {error["field"] for error in told["outcomes"][1]["errors"]} == {"[1].lead", "[1].stage", "[1].occurred_at"}
    single = assert_problem(post(bad), 422, "invalid-outcomes")
    assert {error["field"] for error in single["outcomes"][0]["errors"]} == {"value", "currency", "colour"}
    assert kept(services) == []


@on_both
def test_what_only_the_database_can_refuse_is_422_too(services, post, configured):
    add(services, make_lead("333", NOW))  # of the same person
    told = assert_problem(post(outcome(lead={"email": "zoe@example.com"})), 422, "invalid-outcomes")
    (error,) = told["outcomes"][0]["errors"]
    assert error["field"] == "lead.email"
    assert error["message"].startswith("Fits 2 leads")
    assert kept(services) == []


NUL, LONE = "won\u0000", "\ud800won"
HOSTILE = [
    ('"value": 1e400', "value"),
    ('"value": 1e99999999999999999999', "value"),
    ('"value": 1e-99999999999999999999', "value"),
    ('"value": ' + "9" * 100_000, "value"),
    ('"value": 0.' + "1" * 100_000, "value"),
    ('"value": "12.500,00"', "value"),
    ('"stage": 1.5', "stage"),
    ('"stage": ' + "1" * 5_000, "stage"),
    ('"stage": "a", "stage": "b"', ""),
    ('"fields": {"a": 1, "a": 2}', "fields"),
    ('"fields": {"a": 1e400, "b": {"c": 1}}', "fields"),
    ('"fields": {"a": ' + "[" * 50 + "]" * 50 + "}", "fields"),
    ('"lead": {"leadgen_id": 222222222222222.0}', "lead.leadgen_id"),
    ('"lead": {"leadgen_id": 2.2e14}', "lead.leadgen_id"),
    ('"lead": {"leadgen_id": true}', "lead.leadgen_id"),
    ('"lead": {"leadgen_id": "222", "leadgen_id": "333"}', "lead"),
    ('"lead": {"leadgen_id": "2\\u0000"}', "lead.leadgen_id"),
    ('"lead": {"leadgen_id": "\\ud800"}', "lead.leadgen_id"),
    ('"lead": {"email": "\\ud800@example.com"}', "lead.email"),
    ('"occurred_at": 1795336393', "occurred_at"),
    ('"occurred_at": "2026-11-22T08:59:00"', "occurred_at"),
    ('"occurred_at": "2027-11-22T08:59:00Z"', "occurred_at"),
]


@pytest.mark.parametrize(("member", "field"), HOSTILE, ids=[member[:40] for member, _field in HOSTILE])
def test_hostile_values_are_refused_by_field_beside_a_good_neighbour(services, post, configured, member, field):
    name = member.split('"')[1]
    rest = {key: value for key, value in outcome().items() if key != name}
    hostile = "{" + json.dumps(rest)[1:-1] + ", " + member + "}"
    good, bad = verdicts(post(f"[{json.dumps(outcome())}, {hostile}]"))
    assert (good["status"], bad["status"]) == ("accepted", "invalid")
    assert [error["field"] for error in bad["errors"]] == ["[1]" + ("." + field if field else "")]
    assert len(kept(services)) == 1


@on_both
@pytest.mark.parametrize("stage", [NUL, LONE, "\u202ewon\u202c", "x" * 200, "İıß 😀"])
def test_odd_texts_are_kept_as_any_database_can_hold_them(services, post, configured, stage):
    sent = outcome(stage=stage, order_id=stage, fields={stage[:90]: stage}, lead={"crm_id": stage}, connection="crm")
    assert verdict(post(sent))["status"] == "waiting"
    assert verdict(post(sent))["status"] == "repeated"
    assert "\0" not in kept(services)[0].stage


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "empty"),
        (b"{", "line 1, column 2"),
        (b"\xff\xfe[\x00]\x00", "UTF-8 (at byte 0)"),
        (b'{"stage": "\xed\xa0\x80"}', "UTF-8 (at byte 11)"),
        (b'{"stage": "a\x00"}', "line 1, column 13"),
        (b'{"value": NaN}', "NaN"),
        (b'[{"value": -Infinity}]', "NaN"),
        (b"stage=won", "not JSON"),
        (b"[1] [2]", "not JSON"),
        (b"[" * 1_000_000, "nested"),
        (b'{"a":' * 500_000, "nested"),
    ],
    ids=range(11),
)
def test_what_is_not_json_is_400_and_says_where(services, post, configured, body, says):
    assert says in assert_problem(post(body), 400, "malformed-body")["detail"]
    assert kept(services) == []


def test_a_byte_order_mark_does_no_harm(post, configured):
    assert verdict(post(b"\xef\xbb\xbf" + json.dumps(outcome()).encode()))["status"] == "accepted"


@pytest.mark.parametrize("body", ["null", "true", "5", '"won"', "[]"])
def test_what_is_neither_an_outcome_nor_a_list_of_them_is_422(post, configured, body):
    assert "1,000" in assert_problem(post(body), 422, "invalid-outcomes")["detail"]


def test_a_list_of_lists_is_422_with_a_verdict_on_each(post, configured):
    told = assert_problem(post([[outcome()], None]), 422, "invalid-outcomes")
    assert [one["errors"][0]["field"] for one in told["outcomes"]] == ["[0]", "[1]"]


def many(count):
    start = NOW - timedelta(hours=2)
    return [outcome(occurred_at=(start + timedelta(seconds=n)).isoformat()) for n in range(count)]


@on_both
def test_a_thousand_are_kept_at_once_and_one_more_is_too_many(services, post, configured):
    assert "rest" in assert_problem(post(many(1_001)), 413, "content-too-large")["detail"]
    assert kept(services) == []
    assert {one["status"] for one in verdicts(post(many(1_000)))} == {"accepted"}
    assert len(kept(services)) == 1_000


def test_a_body_that_is_too_large_is_413(services, post, configured):
    room = MOST_BYTES - len(json.dumps(outcome()))
    assert verdict(post(json.dumps(outcome()) + " " * room))["status"] == "accepted"
    assert_problem(post(json.dumps(outcome(stage="new")) + " " * (room + 2)), 413, "content-too-large")
    assert len(kept(services)) == 1


@pytest.mark.parametrize("given", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonx"])
def test_another_content_type_is_415(services, post, configured, given):
    assert (
        "Content-Type" in assert_problem(post(outcome(), Content_Type=given), 415, "unsupported-media-type")["detail"]
    )
    assert kept(services) == []


def test_a_content_type_may_name_its_charset_and_a_compressed_body_is_415(post, configured):
    assert verdict(post(outcome(), Content_Type="Application/JSON; charset=utf-8"))["status"] == "accepted"
    assert_problem(post(b"\x1f\x8b", Content_Encoding="gzip"), 415, "unsupported-media-type")


def test_without_a_key_nothing_is_read(client, services, configured):
    answer = client.post(PATH, data=json.dumps(outcome()), content_type="application/json")
    assert_problem(answer, 401, "unauthorized")
    assert kept(services) == []


def test_a_parameter_is_refused(client, key, configured):
    answer = client.post(PATH + "?dry=1", json=outcome(), headers={"Authorization": f"Bearer {key}"})
    assert "takes none" in assert_problem(answer, 400, "invalid-parameter")["detail"]


def test_what_was_sent_is_never_repeated(post, configured, caplog):
    secret = "zoe.secret@example.com"
    bad = outcome(value=secret, currency=secret, connection=secret, lead={secret: secret}, fields=secret)
    answer = post([bad | {secret: secret}, secret])
    assert answer.status_code == 422
    assert "secret" not in answer.text + caplog.text


def test_an_outcome_of_a_thousand_wrong_fields_is_answered_quickly_and_shortly(post, configured):
    began = time.monotonic()
    answer = post([outcome() | {f"vaule{n}": 1 for n in range(12)}, {f"vaule{n}": 1 for n in range(30_000)}] * 4)
    assert answer.status_code == 422
    assert len(answer.data) < 30_000
    assert time.monotonic() - began < 10


@on_both
def test_an_answer_is_given_only_once_it_is_durable(app, services, key, configured):
    """While somebody else holds the pen, nobody is told that anything was kept."""
    holding, release, answers = threading.Event(), threading.Event(), []

    def hold(_session):
        holding.set()
        release.wait(10)

    def ask():
        headers = {"Authorization": f"Bearer {key}"}
        answers.append(app.test_client().post(PATH, json=outcome(), headers=headers).status_code)

    threads = [threading.Thread(target=services.writer.write, args=(hold,)), threading.Thread(target=ask)]
    threads[0].start()
    assert holding.wait(10)
    threads[1].start()
    threads[1].join(0.3)
    assert answers == []
    release.set()
    for thread in threads:
        thread.join(10)
    assert answers == [202]


def test_large_requests_go_one_after_the_other_and_small_ones_pass_them(services, post, configured, monkeypatch):
    monkeypatch.setattr(outcomes, "WITHIN_S", 0.2)
    turn = services.cached("many_outcomes", threading.Lock)
    with turn:
        assert post(many(outcomes.MANY)).status_code == 202
        assert_problem(post(many(outcomes.MANY + 1)), 503, "unavailable")
    assert post(many(outcomes.MANY + 1)).status_code == 202
    assert not turn.locked()
    assert len(kept(services)) == outcomes.MANY + 1


class Broken:
    """A writer whose database is away, or hangs."""

    def __init__(self, trouble):
        self.trouble = trouble

    def gather(self, *_args, **_kwargs):
        raise self.trouble

    def gather_later(self, *_args, **_kwargs):
        return None


@pytest.mark.parametrize(
    "trouble", [OperationalError("INSERT", {"email": "zoe@example.com"}, Exception("full")), TimeoutError("hangs")]
)
def test_without_a_database_it_is_503_and_the_bell_is_silent(app, services, key, configured, trouble):
    app.extensions["leadloop"] = dataclasses.replace(services, writer=Broken(trouble))
    answer = app.test_client().post(PATH, json=outcome(), headers={"Authorization": f"Bearer {key}"})
    assert_problem(answer, 503, "unavailable")
    assert answer.headers["Retry-After"] == "5"
    assert "example.com" not in answer.text
    assert services.bell.rings == 0


@on_both
def test_outcomes_are_listed_page_by_page(services, get, configured):
    add(
        services,
        *(make_outcome(NOW + timedelta(seconds=n // 2), key=str(n), lead_id=1, value="12.50") for n in range(5)),
        make_outcome(NOW, key="w", named_value="444", stage="new"),
        make_conversion(NOW, event_id="a", lead_id=1, outcome_id=5),
    )
    seen, cursor = [], None
    while True:
        answer = get(PATH, limit=2, **({"cursor": cursor} if cursor else {}))
        OutcomeList().load(answer.json)
        seen += [one["id"] for one in answer.json["outcomes"]]
        cursor = answer.json["next_cursor"]
        if cursor is None:
            break
    assert seen == [5, 4, 3, 6, 2, 1]
    assert get(PATH, leadgen_id="444").json["outcomes"][0]["state"] == "waiting"
    assert get(PATH, leadgen_id=LEAD, limit=1).json["outcomes"][0]["conversions"] == [1]
    assert [one["id"] for one in get(PATH, stage="new").json["outcomes"]] == [6]
    assert [one["id"] for one in get(PATH, since="2026-11-22T09:00:02Z").json["outcomes"]] == [5]
    assert [one["id"] for one in get(PATH, state="joined", until="2026-11-22T09:00:01Z").json["outcomes"]] == [2, 1]


@pytest.mark.parametrize("query", ["stage=%00", "stage=", "stage=a%0Ab", "state=done", "leadgen_id=x", "colour=red"])
def test_wrong_filters_are_refused(client, key, query):
    answer = client.get(f"{PATH}?{query}", headers={"Authorization": f"Bearer {key}"})
    assert_problem(answer, 400, "invalid-parameter")
