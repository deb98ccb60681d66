"""GET /api/v1/leads and /api/v1/leads/<leadgen_id>."""

import base64
import json
from datetime import timedelta

import pytest
from conftest import NOW
from conversion_rows import make_conversion, make_outcome
from lead_rows import FORM, PAGE, add, make_lead, on_both
from sqlalchemy import event

from api.parameters import make_cursor
from api.shapes import LeadList, LeadStory
from store.models import Connection, Delivery, Lane, Lead, LeadEvent, Notice, Notifier, Work

LEAD = "222222222222222"


def leads_in(answer):
    assert answer.status_code == 200, answer.text
    LeadList().load(answer.json)  # raises for a field that is not described, of another type, or missing
    return [item["lead"]["leadgen_id"] for item in answer.json["leads"]]


def add_many(services, count, **changes):
    add(services, *(make_lead(str(1000 + n), NOW + timedelta(seconds=n), **changes) for n in range(count)))


@on_both
def test_lead_is_told_as_its_card(services, get):
    lead = make_lead(LEAD, NOW)
    add(services, lead)
    answer = get("/api/v1/leads")
    assert leads_in(answer) == [LEAD]
    item = answer.json["leads"][0]
    assert item["lead"]["full_name"] == "Zoë Test"
    assert item["lead"]["answers"] == {"email": ["zoe@example.com"]}
    assert item["lead"]["created_at"] == "2026-11-22T08:59:57Z"
    assert (item["state"], item["source"], item["routed"]) == ("read", "webhook", True)
    assert item["read_at"] == "2026-11-22T09:00:00.200Z"
    assert answer.json["next_cursor"] is None


def test_lead_not_read_yet_has_its_ids_and_null(services, get):
    add(services, Lead(leadgen_id=LEAD, page_id=PAGE, form_id=FORM, received_at=NOW, state="waiting", source="webhook"))
    item = get("/api/v1/leads").json["leads"][0]
    assert item["state"] == "waiting"
    assert (item["lead"]["leadgen_id"], item["lead"]["page_id"], item["lead"]["form_id"]) == (LEAD, PAGE, FORM)
    assert (item["lead"]["email"], item["lead"]["full_name"], item["lead"]["answers"], item["routed"]) == (
        None,
        None,
        {},
        None,
    )
    LeadStory().load(get(f"/api/v1/leads/{LEAD}").json)


@on_both
def test_paging_shows_each_lead_once_while_more_come_in(services, get):
    # Three at the very same moment stand across the border of a page.
    add(services, *(make_lead(str(100 + n), NOW + timedelta(seconds=n // 3)) for n in range(8)))
    seen, cursor = [], None
    while True:
        answer = get("/api/v1/leads", limit=2, **({"cursor": cursor} if cursor else {}))
        seen += leads_in(answer)
        cursor = answer.json["next_cursor"]
        if cursor is None:
            break
        add(services, make_lead(str(900 + len(seen)), NOW + timedelta(hours=1)))
    assert seen == [str(100 + n) for n in range(7, -1, -1)]


def test_last_page_that_is_just_full_has_no_cursor(services, get):
    add_many(services, 4)
    assert get("/api/v1/leads", limit=4).json["next_cursor"] is None


def test_most_in_a_page(services, get):
    add_many(services, 205)
    answer = get("/api/v1/leads", limit=200)
    assert len(leads_in(answer)) == 200
    assert leads_in(get("/api/v1/leads", limit=200, cursor=answer.json["next_cursor"]))[-1] == "1000"


FILTERS = [
    ({"page_id": "777"}, ["7"]),
    ({"form_id": "888"}, ["8"]),
    ({"test": "true"}, ["9"]),
    ({"test": "false"}, ["8", "7", "6", "5", "4"]),
    ({"unrouted": "true"}, ["6"]),
    ({"unrouted": "false", "limit": "1"}, ["9"]),
    ({"state": "waiting"}, ["4"]),
    ({"state": "gone"}, []),
    ({"email": "İpek@EXAMPLE.com"}, ["5"]),
    ({"email": "nobody@example.com"}, []),
    ({"phone": "+44 20 7946 0958"}, ["5"]),
    ({"phone": " 442079460958"}, ["5"]),  # a plus sign that was not escaped
    ({"phone": "442079460958"}, ["5"]),
    ({"since": "2026-11-22T09:00:08Z"}, ["9", "8"]),
    ({"since": "2026-11-22T12:00:08+03:00"}, ["9", "8"]),
    ({"since": "2026-11-22T12:00:08 03:00"}, ["9", "8"]),
    ({"since": "2026-11-22t06:00:08.000000001-03:00"}, ["9", "8"]),
    ({"until": "2026-11-22T09:00:06Z"}, ["5", "4"]),
    ({"since": "2026-11-22T09:00:05Z", "until": "2026-11-22T09:00:06Z"}, ["5"]),
    ({"since": "0001-01-01T00:00:00Z", "until": "9999-12-31T23:59:59Z", "limit": "1"}, ["9"]),
]


@on_both
def test_filters(services, get):
    other = {"email": "İpek@example.com", "phone": "+442079460958"}
    rows = [
        Lead(leadgen_id="4", page_id=PAGE, received_at=NOW + timedelta(seconds=4), state="waiting", source="webhook"),
        make_lead("5", NOW + timedelta(seconds=5), **other),
        make_lead("6", NOW + timedelta(seconds=6), routed=False),
        make_lead("7", NOW + timedelta(seconds=7), page_id="777"),
        make_lead("8", NOW + timedelta(seconds=8), form_id="888"),
        make_lead("9", NOW + timedelta(seconds=9), is_test=True),
    ]
    add(services, *rows)
    found = {json.dumps(query): leads_in(get("/api/v1/leads", **query)) for query, _expected in FILTERS}
    assert found == {json.dumps(query): expected for query, expected in FILTERS}


@pytest.mark.parametrize(
    ("query", "parameter", "says"),
    [
        ("limit=0", "limit", "1 to 200"),
        ("limit=201", "limit", "1 to 200"),
        ("limit=-1", "limit", "1 to 200"),
        ("limit=" + "9" * 400, "limit", "1 to 200"),
        ("limit=" + "9" * 5000, "limit", "500 characters"),
        ("limit=%D9%A1", "limit", "1 to 200"),  # an Arabic digit one
        ("limit=1e1", "limit", "1 to 200"),
        ("limit=", "limit", "1 to 200"),
        ("limit=1&limit=2", "limit", "once"),
        ("limti=1", "limti", "did you mean limit?"),
        ("pageid=1", "pageid", "did you mean page_id?"),
        ("wholly_else=1", "wholly_else", "there are limit, cursor"),
        ("page_id=12x", "page_id", "digits"),
        ("page_id=1%0A", "page_id", "digits"),
        ("form_id=%00", "form_id", "digits"),
        ("form_id=" + "1" * 41, "form_id", "40 digits"),
        ("state=READ", "state", "waiting, read, gone"),
        ("test=1", "test", "true or false"),
        ("unrouted=", "unrouted", "true or false"),
        ("since=2026-11-22", "since", "RFC 3339"),
        ("since=2026-11-22T09:00:00", "since", "offset"),
        ("since=2026-02-30T09:00:00Z", "since", "RFC 3339"),
        ("since=2026-11-22T24:00:00Z", "since", "RFC 3339"),
        ("since=0000-01-01T00:00:00Z", "since", "RFC 3339"),
        ("since=0001-01-01T00:00:00%2B14:00", "since", "RFC 3339"),
        ("until=9999-12-31T23:59:59-14:00", "until", "RFC 3339"),
        ("until=2026-W47-7T09:00:00Z", "until", "RFC 3339"),
        ("since=%D9%A2026-11-22T09:00:00Z", "since", "RFC 3339"),
        ("since=2026-11-22T09:00:00Z&until=2026-11-22T09:00:00Z", "until", "later than since"),
        ("email=zoe", "email", "whole e-mail address"),
        ("email=%F0%9F%98%80", "email", "whole e-mail address"),
        ("email=%FF%FE", "email", "whole e-mail address"),
        ("phone=0532", "phone", "country code"),
        ("phone=call+me", "phone", "country code"),
        ("cursor=x", "cursor", "next_cursor"),
        ("cursor=%C3%BC", "cursor", "next_cursor"),
        ("cursor=" + "A" * 300, "cursor", "next_cursor"),
    ],
)
def test_wrong_parameter_is_named_with_the_mend(get, client, key, query, parameter, says):
    answer = client.get("/api/v1/leads?" + query, headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 400
    assert answer.content_type == "application/problem+json"
    assert answer.json["type"] == "/api/v1/docs#problem-invalid-parameter"
    [error] = answer.json["errors"]
    assert error["parameter"] == parameter
    assert says in error["detail"]
    assert says in answer.json["detail"]


def test_all_wrong_parameters_are_told_at_once(get):
    answer = get("/api/v1/leads", limit="many", state="x", colour="red")
    assert [error["parameter"] for error in answer.json["errors"]] == ["colour", "limit", "state"]


def test_many_wrong_parameters_are_not_all_repeated(get):
    answer = get("/api/v1/leads", **{f"x{n}": "1" for n in range(300)})
    assert answer.status_code == 400
    assert len(answer.json["errors"]) == 20


@pytest.mark.parametrize("query", ["email=zoe.secret@@example.com", "zoe.secret%40example.com=1", "phone=zoe.secret"])
def test_what_was_sent_is_never_repeated(client, key, query):
    answer = client.get("/api/v1/leads?" + query, headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 400
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    "plain", ["1.0", "2.0.1", "1.99999999999999999999.1", "1.1.1 ", "1.1.1\n", "1.999999999999999999.1", ""]
)
def test_cursor_of_another_make_is_refused(get, plain):
    made = base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")
    assert get("/api/v1/leads", cursor=made).status_code == 400


def test_cursor_is_refused_in_another_spelling(get):
    cursor = make_cursor(NOW, 7)
    assert get("/api/v1/leads", cursor=cursor).status_code == 200
    assert get("/api/v1/leads", cursor=cursor + "=").status_code == 400


@on_both
def test_unicode_and_what_no_text_should_hold_comes_through(services, get):
    odd = "İıß 😀 \u202eevil\u0000 \ud800"
    add(services, make_lead(LEAD, NOW, full_name=odd, email=None))
    answer = get(f"/api/v1/leads/{LEAD}")
    assert json.loads(answer.data)["lead"]["full_name"] == odd
    assert answer.data.isascii()


@pytest.mark.parametrize(
    "path", ["999", "0", "abc", "%00", "1%0A", "%ED%A0%80", "1" * 41, "9" * 3000, "..%2Fdocs", "١"]
)
def test_lead_that_is_not_here(services, get, path):
    add(services, make_lead("1", NOW))
    answer = get(f"/api/v1/leads/{path}")
    assert answer.status_code == 404
    assert answer.json["status"] == 404


def test_one_lead_takes_no_parameters(services, get):
    add(services, make_lead(LEAD, NOW))
    answer = get(f"/api/v1/leads/{LEAD}", limit=1)
    assert answer.status_code == 400
    assert "takes none" in answer.json["detail"]


def add_whole_story(services):
    at = lambda ms: NOW + timedelta(milliseconds=ms)  # noqa: E731
    lead = make_lead(LEAD, NOW)
    add(
        services,
        lead,
        make_lead("9", NOW),
        Connection(name="crm", adapter="hubspot", settings_sealed="sealed-secret", changed_at=NOW),
        Connection(name="table", adapter="sql", settings_sealed="sealed-secret", changed_at=NOW),
        Notifier(name="sales", urls_sealed="sealed-secret", changed_at=NOW),
        LeadEvent(lead_id=1, at=at(0), kind="received", detail={"source": "webhook"}, dedup_key="a"),
        LeadEvent(lead_id=1, at=at(150), kind="read", detail={"attempt": 1, "form_known": True}, dedup_key="b"),
        LeadEvent(
            lead_id=1,
            at=at(900),
            kind="delivered",
            detail={"connection": "table", "remote_kind": "row", "remote_id": "7"},
        ),
        LeadEvent(lead_id=1, at=at(5000), kind="replayed", detail={"deliveries_again": True}),
        LeadEvent(lead_id=1, at=at(5100), kind="read", detail={"attempt": 1}),
        Delivery(
            lead_id=1, connection_id=1, state="waiting", attempts=2, code="http_503", created_at=at(150), steps=[]
        ),
        Delivery(
            lead_id=1,
            connection_id=2,
            state="delivered",
            attempts=2,
            remote_kind="row",
            remote_id="7",
            created_at=at(150),
            delivered_at=at(5500),
            steps=[],
        ),
        Delivery(lead_id=2, connection_id=1, state="waiting", created_at=at(150), steps=[]),
        Notice(lead_id=1, notifier_id=1, target="abcd", state="sent", attempts=1, created_at=at(150), sent_at=at(700)),
        Work(
            kind="delivery",
            subject_id=1,
            lane="crm:1",
            queue="1:crm:1",
            due_at=at(60_000),
            added_at=at(150),
            attempts=2,
            code="http_503",
            message="The CRM did not answer.",
        ),
        Work(kind="delivery", subject_id=3, lane="crm:1", queue="1:crm:1", due_at=NOW, added_at=NOW),
        Work(kind="notice", subject_id=2, lane="alert:1:x", queue="1:alert:1:x", due_at=NOW, added_at=NOW),
        Work(kind="lead", subject_id=1, lane="graph:" + PAGE, queue="0:graph:x", due_at=NOW, added_at=NOW, holder="w"),
        Lane(
            name="crm:1",
            rest_until=at(90_000),
            since=at(800),
            hold=True,
            failures=1,
            code="http_401",
            message="Refused.",
        ),
        Lane(
            name="graph", rest_until=at(30_000), since=at(900), hold=False, failures=1, code="usage", message="Resting."
        ),
    )


@on_both
def test_whole_story(services, get):
    add_whole_story(services)
    answer = get(f"/api/v1/leads/{LEAD}")
    assert answer.status_code == 200
    story = answer.json
    LeadStory().load(story)
    assert [line["kind"] for line in story["story"]] == [
        "form_sent",
        "received",
        "read",
        "delivered",
        "replayed",
        "read",
    ]
    assert story["story"][3]["words"] == "Put into table as row 7."
    assert [(one["connection"], one["adapter"], one["state"], one["attempts"]) for one in story["deliveries"]] == [
        ("crm", "hubspot", "waiting", 2),
        ("table", "sql", "delivered", 2),
    ]
    assert [(one["notifier"], one["state"], one["maybe_repeated"]) for one in story["notices"]] == [
        ("sales", "sent", False)
    ]
    assert "sealed" not in answer.text


@on_both
def test_hops_count_the_first_time_even_after_a_replay(services, get):
    add_whole_story(services)
    assert get(f"/api/v1/leads/{LEAD}").json["hops"] == {
        "form_to_webhook_ms": 3000,
        "webhook_to_read_ms": 150,
        "webhook_to_crm": [{"connection": "table", "ms": 900}],
        "webhook_to_alert": [{"notifier": "sales", "ms": 700}],
    }


def test_lead_from_metas_list_has_no_hop_before_us(services, get):
    lead = make_lead(LEAD, NOW)
    lead.source = "backfill"
    add(services, lead)
    assert get(f"/api/v1/leads/{LEAD}").json["hops"]["form_to_webhook_ms"] is None


def test_clocks_that_differ_give_no_negative_hop(services, get):
    lead = make_lead(LEAD, NOW)
    lead.created_at = NOW + timedelta(seconds=2)
    add(services, lead)
    assert get(f"/api/v1/leads/{LEAD}").json["hops"]["form_to_webhook_ms"] == 0


@on_both
def test_what_waits_says_why(services, get):
    add_whole_story(services)
    delivery, reading = get(f"/api/v1/leads/{LEAD}").json["waiting"]
    assert (delivery["kind"], delivery["words"], delivery["state"]) == ("delivery", "Putting it into crm", "open")
    assert (delivery["attempts"], delivery["code"], delivery["message"]) == (2, "http_503", "The CRM did not answer.")
    assert delivery["due_at"] == "2026-11-22T09:01:00Z"
    assert (delivery["lane"]["name"], delivery["lane"]["held"], delivery["lane"]["message"]) == (
        "crm:1",
        True,
        "Refused.",
    )
    assert (reading["kind"], reading["in_hand"], reading["lane"]["name"]) == ("lead", True, "graph")


def count_queries(engine, ask):
    asked = []

    def note(_connection, _cursor, statement, *_rest):
        asked.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        ask()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return len([statement for statement in asked if statement.lstrip().startswith(("SELECT", "WITH"))])


@on_both
def test_list_takes_as_many_queries_for_many_leads_as_for_one(services, engine, get):
    add_many(services, 1)
    get("/api/v1/leads")  # notes the use of the key
    one = count_queries(engine, lambda: get("/api/v1/leads"))
    add(services, *(make_lead(str(5000 + n), NOW) for n in range(50)))
    assert count_queries(engine, lambda: get("/api/v1/leads")) == one == 2


@on_both
def test_story_takes_as_many_queries_for_a_long_one_as_for_a_short_one(services, engine, get):
    add(services, make_lead("8", NOW))
    add(services, make_outcome(NOW, key="8", lead_id=1), make_conversion(NOW, event_id="8", lead_id=1))
    add_many(services, 1)
    get("/api/v1/leads")
    short = count_queries(engine, lambda: get("/api/v1/leads/8"))
    assert short <= 10
    add(services, *(LeadEvent(lead_id=1, at=NOW, kind="announced_again", detail={}) for _n in range(30)))
    for n in range(5):
        add(services, make_outcome(NOW, key=str(n), lead_id=1), make_conversion(NOW, event_id=str(n), lead_id=1))
    assert count_queries(engine, lambda: get("/api/v1/leads/8")) == short
