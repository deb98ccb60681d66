"""From Meta's POST to the CRM and the alert, on both databases, over real HTTP."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from store.lanes import list_lanes
from store.lead_story import collect_story
from store.leads import find_lead
from store.models import Lead, Notice, RawEvent, Work
from store.work import list_work
from workers.holds import free_changed_lanes

Flow = Any


def count(flow: Flow, model: Any, *where: Any) -> int:
    with Session(flow.services.engine) as session:
        return int(session.scalar(select(func.count()).select_from(model).where(*where)) or 0)


def lead_of(flow: Flow, leadgen_id: str) -> Lead:
    with flow.services.read() as session:
        found = find_lead(session, leadgen_id)
    assert found is not None
    return found


def story_of(flow: Flow, leadgen_id: str) -> dict[str, Any]:
    with flow.services.read() as session:
        found = find_lead(session, leadgen_id)
        assert found is not None
        return collect_story(session, found).to_json()


def test_one_lead_reaches_the_crm_and_the_sales_team(flow: Flow) -> None:
    (leadgen_id,) = flow.make_leads()
    assert flow.post(flow.notice(leadgen_id)) == 200
    flow.work()
    record = flow.crm()[leadgen_id]
    assert record["requests"] == 1
    assert record["data"]["full_name"]
    (alert,) = flow.alerts()
    assert record["data"]["full_name"] in alert["message"]
    assert count(flow, Work) == 0
    story = story_of(flow, leadgen_id)
    assert [line["kind"] for line in story["story"]][:3] == ["form_sent", "received", "read"]
    assert {line["kind"] for line in story["story"]} == {"form_sent", "received", "read", "delivered", "alerted"}


def test_the_same_bytes_ten_times_are_one_lead_one_record_one_alert(flow: Flow) -> None:
    (leadgen_id,) = flow.make_leads()
    body = flow.notice(leadgen_id)
    assert [flow.post(body) for _ in range(10)] == [200] * 10
    flow.work()
    assert [flow.post(body) for _ in range(3)] == [200] * 3
    flow.work()
    assert flow.crm()[leadgen_id]["requests"] == 1
    assert len(flow.alerts()) == 1
    assert count(flow, RawEvent) == 1


def test_a_batch_with_doubles_and_rubbish_gives_each_lead_once(flow: Flow) -> None:
    ids = flow.make_leads(count=30)
    body = flow.notice(*ids, *ids[:10])
    body["entry"].insert(5, {"id": "1", "changes": [{"field": "leadgen", "value": {"leadgen_id": "not an id"}}, None]})
    body["entry"].insert(9, "rubbish")
    assert flow.post(body) == 200
    flow.work()
    assert Counter(row["requests"] for row in flow.crm().values()) == {1: 30}
    assert len(flow.alerts()) == 30
    with Session(flow.services.engine) as session:
        assert session.scalars(select(RawEvent.verdict)).all() == ["partly"]


def test_announced_again_in_another_notice_is_a_line_of_its_story(flow: Flow) -> None:
    (leadgen_id,) = flow.make_leads()
    flow.post(flow.notice(leadgen_id))
    flow.work()
    again = flow.notice(leadgen_id)
    again["entry"][0]["time"] += 60
    flow.post(again)
    flow.work()
    kinds = [line["kind"] for line in story_of(flow, leadgen_id)["story"]]
    assert kinds.count("announced_again") == 1
    assert kinds.count("delivered") == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"\xff",
        b"[" * 50_000,
        b'{"object":"page","entry":7}',
        b'{"object":"page","entry":[{"changes":[{}]}]}',
    ],
)
def test_what_cannot_be_read_is_kept_and_answered_200(flow: Flow, body: bytes) -> None:
    assert flow.post(body) == 200
    flow.work()
    with Session(flow.services.engine) as session:
        (event,) = session.scalars(select(RawEvent)).all()
        assert (event.body, event.verdict) == (body, "unreadable")
        assert event.reason
    assert count(flow, Work) == 0


def test_what_is_not_used_yet_is_kept_for_the_later_reader(flow: Flow) -> None:
    message = {"object": "page", "entry": [{"id": "1", "messaging": [{"message": {"text": "hi \u0000 \ud800"}}]}]}
    assert flow.post(message) == 200
    flow.work()
    with Session(flow.services.engine) as session:
        (event,) = session.scalars(select(RawEvent)).all()
        assert (event.verdict, event.object) == ("kept", "page")


@pytest.mark.parametrize("headers", [{}, {"X-Hub-Signature": "sha1=b666869eca413264f7ea896048b79bef8c424fc7"}])
def test_unsigned_is_403_and_nothing_is_kept(flow: Flow, headers: dict[str, str]) -> None:
    assert flow.client.post("/webhooks/meta", data=b"{}", headers=headers).status_code == 403
    assert flow.post(b"{}", secret="another") == 403
    assert count(flow, RawEvent) == 0


def test_several_secrets_while_rotating(make_flow: Callable[..., Flow]) -> None:
    flow = make_flow()
    current = flow.services.settings.meta_app_secrets[0]
    rotating = make_flow(meta_app_secrets=("the-new-one", current))
    assert rotating.post(b"{}", secret="the-new-one") == 200
    assert rotating.post(b"[]", secret=current) == 200
    assert rotating.post(b"[1]", secret="neither") == 403


def test_too_large_is_413_and_not_kept(flow: Flow) -> None:
    assert flow.post(b"x" * (4 * 1024 * 1024 + 1)) == 413
    assert flow.post(b"x" * (4 * 1024 * 1024)) == 200
    assert count(flow, RawEvent) == 1


def test_the_handshake(flow: Flow) -> None:
    token = flow.services.settings.meta_verify_token
    query = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": token}
    answer = flow.client.get("/webhooks/meta", query_string=query)
    assert (answer.status_code, answer.data, answer.mimetype) == (200, b"1158201444", "text/plain")
    assert flow.client.get("/webhooks/meta", query_string=query | {"hub.verify_token": "x"}).status_code == 403
    assert flow.client.get("/webhooks/meta", query_string=query | {"hub.challenge": "<script>"}).status_code == 400
    assert flow.client.get("/webhooks/meta", query_string=query | {"hub.mode": "un"}).status_code == 400
    assert flow.client.get("/webhooks/meta").status_code == 400


def test_a_lead_for_an_unknown_page_waits_with_one_clear_reason(flow: Flow) -> None:
    (leadgen_id,) = flow.make_leads()
    flow.post(flow.notice(leadgen_id, page_id="999000000000999"))
    flow.work()
    with Session(flow.services.engine) as session:
        ((lane, waiting),) = list_lanes(session)
    assert (lane.name, lane.hold, lane.code, waiting) == ("graph:999000000000999", True, "no_token", 1)
    assert "999000000000999" in (lane.action or "")


def test_without_a_route_the_lead_is_kept_and_shown(flow: Flow) -> None:
    (leadgen_id,) = flow.make_leads()
    with Session(flow.services.engine) as session, session.begin():
        from store.models import Route

        session.query(Route).delete()
    flow.post(flow.notice(leadgen_id))
    flow.work()
    lead = lead_of(flow, leadgen_id)
    assert (lead.state, lead.routed) == ("read", False)
    assert flow.crm() == {}
    assert count(flow, Work) == 0


def test_a_dead_crm_does_not_hold_up_the_alert_and_everything_follows(flow: Flow) -> None:
    ids = flow.make_leads(count=5)
    flow.fault(where="crm", kind="http_500")
    flow.post(flow.notice(*ids))
    flow.work()
    assert flow.crm() == {}
    assert len(flow.alerts()) == 5
    flow.no_faults()
    deadline = time.monotonic() + 30
    while count(flow, Work) and time.monotonic() < deadline:
        flow.work()
        time.sleep(0.05)
    assert set(flow.crm()) == set(ids)
    assert len(flow.alerts()) == 5


def test_dead_alerts_do_not_hold_up_the_crm(flow: Flow) -> None:
    ids = flow.make_leads(count=3)
    flow.fault(where="alerts", kind="http_500")
    flow.post(flow.notice(*ids))
    flow.work()
    assert set(flow.crm()) == set(ids)
    assert flow.alerts() == []


def test_a_dead_token_holds_one_page_and_a_new_one_frees_it(flow: Flow) -> None:
    from sandbox.demo import demo_config

    ids = flow.make_leads(count=6)
    found = flow.running.sandbox.state.find_lead(ids[0])
    assert found is not None
    page_id = found.page_id
    flow.fault(where="graph", kind="token_expired", page_id=page_id)
    flow.post(flow.notice(*ids))
    flow.work()
    with Session(flow.services.engine) as session:
        ((lane, waiting),) = list_lanes(session)
        assert (lane.name, lane.hold, waiting) == (f"graph:{page_id}", True, 6)
        assert "graph_190" in (lane.code or "")
        assert list_work(session, parked=True) == []
    flow.no_faults()
    free_changed_lanes(flow.services)
    flow.work()
    assert flow.crm() == {}, "the same dead token is not tried again by itself right away"
    text = demo_config(flow.running.options, flow.running.url)
    old = flow.running.options.page_token(page_id)
    import requests

    answer = requests.post(
        f"{flow.running.url}/_sandbox/tokens", json={"page_id": page_id, "action": "replace"}, timeout=5
    )
    new = answer.json().get("access_token")
    assert new, answer.text
    flow.apply(text.replace(old, new))
    flow.work()
    assert set(flow.crm()) == set(ids)


def test_a_crash_between_sending_and_noting_rings_at_most_once_more_and_is_counted(flow: Flow) -> None:
    (leadgen_id,) = flow.make_leads()
    flow.post(flow.notice(leadgen_id))
    flow.work()
    from store.models import Delivery
    from store.work import add_work

    with Session(flow.services.engine) as session, session.begin():
        notice = session.scalars(select(Notice)).one()
        notice.state = "waiting"
        session.flush()
        add_work(session, "notice", [notice.id], "alert:x", now=flow.services.now())
        work = session.scalars(select(Work)).one()
        work.holder, work.attempts = "a worker that died", 1
    flow.work()
    assert len(flow.alerts()) == 2
    with Session(flow.services.engine) as session:
        notice = session.scalars(select(Notice)).one()
        assert (notice.state, notice.maybe_repeated) == ("sent", True)
        assert session.scalars(select(Delivery.state)).all() == ["delivered"]


def test_a_test_lead_says_so(flow: Flow) -> None:
    from sandbox.forms import FORMS
    from sandbox.submissions import submit_test_lead

    lead = submit_test_lead(flow.running.sandbox.state, FORMS[0])
    flow.post(flow.notice(lead.leadgen_id))
    flow.work()
    assert lead_of(flow, lead.leadgen_id).is_test
    assert "TEST" in flow.alerts()[0]["title"]


def test_nothing_personal_is_logged(
    flow: Flow, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    (leadgen_id,) = flow.make_leads()
    flow.fault(where="crm", kind="http_500", times=1)
    flow.post(flow.notice(leadgen_id))
    flow.work()
    time.sleep(0.2)
    flow.work()
    data = flow.crm()[leadgen_id]["data"]
    out = "".join(capfd.readouterr()) + caplog.text
    assert "lead_delivered" in out
    for secret in (data["full_name"], data["email"], data["phone"], flow.services.settings.meta_app_secrets[0]):
        assert secret not in out
