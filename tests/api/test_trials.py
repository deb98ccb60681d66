"""POST /api/v1/datasets/<id>/test-events: Meta's whole answer, or what is missing; never two at a time."""

import threading
from datetime import timedelta

import pytest
from conftest import NOW
from fakes import FakeBell
from lead_rows import add, make_lead, on_both
from sqlalchemy import select

from api.conversion_shapes import SentTestEvent
from api.shapes import ProblemDetails
from leadloop.conversions.answers import EventRefused, EventsUnanswered, Received
from store.conversion_models import Conversion

LEAD = "222222222222222"
PATH = "/api/v1/datasets/900000000000001/test-events"
CODE = {"test_event_code": "TEST12345"}


@pytest.fixture
def post(client, services, key, clock):
    add(services, make_lead(LEAD, NOW))
    clock.forward(minutes=1)

    def post(body, path=PATH, **more):
        return client.post(path, json=body, headers={"Authorization": f"Bearer {key}"}, **more)

    return post


def rows(services):
    with services.read() as session:
        return session.scalars(select(Conversion)).all()


def refused(answer, status=422):
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json"), answer.text
    ProblemDetails().load(answer.json)
    return answer.json


@on_both
def test_one_event_is_sent_and_metas_answer_given_whole(post, services):
    answer = post(CODE)
    assert answer.status_code == 200, answer.text
    SentTestEvent().load(answer.json)
    assert (answer.json["state"], answer.json["events_received"], answer.json["fbtrace_id"]) == ("accepted", 1, "AbC")
    assert answer.json["answer"] == {"events_received": 1}
    assert "targeting" in answer.json["note"]
    ((dataset_id, event, token, code),) = services.events_graph.sent
    assert (dataset_id, token, code) == ("900000000000001", "system-token", "TEST12345")
    assert event["user_data"]["lead_id"] == int(LEAD)
    assert event == answer.json["event"]
    (row,) = rows(services)
    assert (row.id, row.is_test, row.state) == (answer.json["conversion_id"], True, "accepted")
    assert isinstance(services.bell, FakeBell)
    assert services.bell.rings == 0


@on_both
def test_what_meta_says_against_it_is_an_answer_too(post, services):
    error = EventRefused("An event is at fault.", code="graph_100_2804050", action="Mend it.", meta_code="100/2804050")
    error.details = {"http_status": 400, "fbtrace_id": "XyZ", "title": "Olay reddedildi"}
    silent = EventsUnanswered("No answer.", code="timeout", maybe_stored=True, action="Wait.")
    services.events_graph.says = [error, silent, Received(0, "T", (), {"events_received": 0})]
    first, second, third = (post({**CODE, "event_name": "Lead"}).json for _ in range(3))
    for told in (first, second, third):
        SentTestEvent().load(told)
    assert (first["state"], first["events_received"], first["action"]) == ("refused", None, "Mend it.")
    assert first["answer"] == {"meta_code": "100/2804050"} | error.details
    assert first["fbtrace_id"] == "XyZ"
    assert (second["state"], second["code"], second["answer"]) == ("unknown", "timeout", None)
    assert (third["state"], third["code"], third["events_received"]) == ("refused", "not_received", 0)
    assert [row.state for row in rows(services)] == ["refused", "unknown", "refused"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "test_event_code"),
        ({"test_event_code": None}, "test_event_code"),
        ({"test_event_code": ""}, "test_event_code"),
        ({"test_event_code": 12345}, "test_event_code"),
        ({"test_event_code": "zoe@example.com x"}, "test_event_code"),
        (CODE | {"leadgen_id": 222222222222222}, "leadgen_id"),
        (CODE | {"leadgen_id": "999"}, "leadgen_id"),
        (CODE | {"channel": "zoe@example.com"}, "channel"),
        (CODE | {"channel": "whatsapp"}, "channel"),
        (CODE | {"channel": "messenger", "leadgen_id": LEAD}, "channel"),
        (CODE | {"event_name": ["Lead"]}, "event_name"),
        (CODE | {"event_name": "Lead\n"}, "event_name"),
        (CODE | {"zoe@example.com": 1}, "(unknown)"),
    ],
)
def test_what_is_asked_wrongly_is_named_and_nothing_sent(post, services, body, field):
    told = refused(post(body))
    assert [one["parameter"] for one in told["errors"]] == [field]
    assert "zoe" not in str(told)
    assert (services.events_graph.sent, rows(services)) == ([], [])


@pytest.mark.parametrize("body", [[CODE], "x", 1, {"a": [CODE]}])
def test_only_one_object_is_a_test_event(post, services, body):
    refused(post(body))
    assert services.events_graph.sent == []


def test_our_own_check_comes_before_meta(post, services, clock):
    clock.forward(minutes=-1)
    clock.forward(seconds=-30)  # an event that is not later than its lead
    assert "later than the lead" in refused(post(CODE))["detail"]
    assert services.events_graph.sent == []


@pytest.mark.parametrize("dataset_id", ["x", "9%2F..%2Fme", "1" * 41, "%D9%A9"])
def test_an_id_that_is_none_is_nowhere(post, services, dataset_id):
    refused(post(CODE, PATH.replace("900000000000001", dataset_id)), 404)
    assert services.events_graph.sent == []


def test_a_second_one_waits_its_turn(post, services):
    lock = services.cached("test_event", threading.Lock)
    with lock:
        answer = post(CODE)
    refused(answer, 429)
    assert answer.headers["Retry-After"] == "5"
    assert post(CODE).status_code == 200


def test_one_that_fails_leaves_the_turn_free(post, services):
    services.events_graph.says = [RuntimeError("a bug")]
    assert post(CODE).status_code == 500
    assert post(CODE).status_code == 200
    assert [row.state for row in rows(services)] == ["unknown", "accepted"]


def test_without_a_key_nothing_is_sent(client, services, clock):
    add(services, make_lead(LEAD, NOW - timedelta(hours=1)))
    assert client.post(PATH, json=CODE).status_code == 401
    assert services.events_graph.sent == []
