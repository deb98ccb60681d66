"""Notices that name no lead, come from the dashboard's Test button, or are about leads of long ago; on both databases."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from sandbox.forms import FORMS
from store.lanes import list_lanes
from store.leads import find_lead, list_story
from store.models import Lead, RawEvent, Work

Flow = Any


def rows(flow: Flow, model: Any) -> list[Any]:
    with Session(flow.services.engine) as session:
        return list(session.scalars(select(model).order_by(model.id)))


def blank(page_id: str, **entry: Any) -> dict[str, Any]:
    time = int(datetime.now(UTC).timestamp())
    return {"object": "page", "entry": [{"id": page_id, "time": time, "changed_fields": ["leadgen"]} | entry]}


def test_a_notice_without_values_has_the_list_read_and_is_told(flow: Flow) -> None:
    ids = flow.make_leads(count=3)
    page_id = FORMS[0].page_id
    with capture_logs() as logs:
        assert flow.post(blank(page_id)) == 200
        flow.work()
    assert set(flow.crm()) == set(ids)
    assert len(flow.alerts()) == 3
    assert rows(flow, Work) == []
    (told,) = [line for line in logs if line["event"] == "notice_without_values"]
    assert (told["log_level"], told["page_id"]) == ("error", page_id)
    assert "Include Values" in told["mend"]
    (event,) = rows(flow, RawEvent)
    assert event.verdict == "partly"
    assert "Include Values" in event.reason
    assert {lead.source for lead in rows(flow, Lead)} == {"changed_fields"}


def test_the_next_one_finds_what_is_new_and_doubles_nothing(flow: Flow) -> None:
    page_id = FORMS[0].page_id
    first = flow.make_leads(count=2)
    flow.post(blank(page_id))
    flow.work()
    second = flow.make_leads(count=2)
    flow.post(blank(page_id, uid="another"))
    flow.post(blank(page_id, uid="and another"))
    flow.work()
    assert {leadgen_id: row["requests"] for leadgen_id, row in flow.crm().items()} == dict.fromkeys(first + second, 1)
    assert len(flow.alerts()) == 4


def test_it_waits_for_graph_like_any_work(flow: Flow) -> None:
    page_id = FORMS[0].page_id
    (leadgen_id,) = flow.make_leads()
    flow.fault(where="graph", kind="permission", operation="page_forms", times=2)  # both lists of fields
    flow.post(blank(page_id))
    flow.work()
    assert flow.crm() == {}
    (work,) = rows(flow, Work)
    assert (work.kind, work.state, work.lane) == ("fetch", "parked", f"graph:{page_id}")
    flow.post(blank(page_id, uid="the next notice wakes it"))
    flow.work()
    assert set(flow.crm()) == {leadgen_id}


def test_the_dashboards_test_button_leaves_nothing_behind(flow: Flow) -> None:
    value = {"leadgen_id": "444444444444", "page_id": "444444444444", "form_id": "444444444444", "created_time": 1}
    change = {"field": "leadgen", "value": value}
    update = {"field": "leadgen_update", "value": value | {"leadgen_id": "987654321", "event": "x"}}
    flow.post({"object": "page", "entry": [{"id": "0", "time": 1, "changes": [change]}]})
    flow.post({"object": "page", "entry": [{"id": 0, "time": 1, "changes": [update]}]})
    flow.work()
    states = {lead.leadgen_id: lead.state for lead in rows(flow, Lead)}
    assert states == {"444444444444": "gone", "987654321": "gone"}
    with Session(flow.services.engine) as session:
        assert list_lanes(session) == []
        lead = find_lead(session, "444444444444")
        assert lead is not None
        assert [line.kind for line in list_story(session, lead.id)] == ["received", "sample"]
    assert rows(flow, Work) == []


def test_a_zero_entry_of_a_configured_page_is_read(flow: Flow) -> None:
    (leadgen_id,) = flow.make_leads()
    body = flow.notice(leadgen_id)
    body["entry"][0]["id"] = 0
    flow.post(body)
    flow.work()
    assert set(flow.crm()) == {leadgen_id}


@pytest.mark.parametrize(("age", "rung"), [(timedelta(days=57), 0), (timedelta(minutes=2), 1)])
def test_an_update_of_an_unknown_lead_rings_only_if_it_is_new(flow: Flow, age: timedelta, rung: int) -> None:
    (leadgen_id,) = flow.make_leads(created_at=(datetime.now(UTC) - age).isoformat())
    body = flow.notice(leadgen_id)
    body["entry"][0]["changes"][0]["field"] = "leadgen_update"
    flow.post(body)
    with flow.services.read() as session:
        before = list(session.scalars(select(Work.queue)))
    assert before == ["0:events"]
    flow.work()
    assert set(flow.crm()) == {leadgen_id}
    assert len(flow.alerts()) == rung


def test_a_flat_change_is_a_lead_too(flow: Flow) -> None:
    (leadgen_id,) = flow.make_leads()
    body = flow.notice(leadgen_id)
    entry = body["entry"][0]
    flat = {"id": entry["id"], "time": entry["time"], **entry["changes"][0]}
    flow.post({"object": "page", "entry": [flat]})
    flow.work()
    assert set(flow.crm()) == {leadgen_id}


def test_a_key_that_stands_twice_hides_no_lead(flow: Flow) -> None:
    first, second = flow.make_leads(count=2)
    entries = [json.dumps(flow.notice(one)["entry"]) for one in (first, second)]
    flow.post(f'{{"object":"page","entry":{entries[0]},"entry":{entries[1]}}}'.encode())
    flow.work()
    assert set(flow.crm()) == {first, second}
    (event,) = rows(flow, RawEvent)
    assert (event.verdict, event.reason) == ("partly", "the key entry stands twice in one object")


def test_an_ad_accounts_limit_keeps_no_lead_back(flow: Flow) -> None:
    ids = flow.make_leads(count=3)
    flow.fault(where="graph", kind="rate_limited", operation="lead", code=80004, regain_minutes=55)
    flow.post(flow.notice(*ids))
    flow.work()
    assert set(flow.crm()) == set(ids)
    with Session(flow.services.engine) as session:
        assert list_lanes(session) == []


def test_a_limit_on_the_form_keeps_no_lead_back(flow: Flow) -> None:
    (leadgen_id,) = flow.make_leads()
    flow.fault(where="graph", kind="rate_limited", operation="form", code=80005, regain_minutes=60)
    flow.post(flow.notice(leadgen_id))
    flow.work()
    assert set(flow.crm()) == {leadgen_id}
    assert [lead.state for lead in rows(flow, Lead)] == ["read"]
    with Session(flow.services.engine) as session:  # the limit rests the Page all the same
        assert [lane.name for lane, _waiting in list_lanes(session)] == [f"graph:{FORMS[0].page_id}"]
