"""What calls to Meta and to CRMs leave in /metrics, and which lanes they let rest."""

from collections.abc import Callable
from typing import Any

from sandbox_bench import post_control
from sqlalchemy import select

from sandbox.datasets import CRM_DATASET_ID
from sandbox.forms import FORMS
from store.models import Lane

Flow = Any


def test_calls_are_counted_and_timed_by_page_and_connection(make_flow: Callable[..., Flow]) -> None:
    flow = make_flow(retry_first_s=600.0)
    flow.fault(where="crm", kind="http_500", times=1)
    flow.fault(where="graph", kind="permission", operation="form", times=1)
    flow.post(flow.notice(*flow.make_leads()))
    flow.work()
    flow.fault(where="crm", kind="unprocessable", times=1)
    flow.post(flow.notice(*flow.make_leads()))
    flow.work()
    flow.services.counters.flush()
    lines = flow.client.get("/metrics").text.splitlines()
    page = FORMS[0].page_id
    assert f'leadloop_graph_calls_total{{code="ok",edge="lead",page="{page}"}} 2.0' in lines
    assert f'leadloop_graph_calls_total{{code="graph_200",edge="form",page="{page}"}} 1.0' in lines
    assert 'leadloop_graph_seconds_count{edge="lead"} 2.0' in lines
    assert 'leadloop_crm_pushes_total{connection="sandbox-crm",result="retryable"} 1.0' in lines
    assert 'leadloop_crm_pushes_total{connection="sandbox-crm",result="permanent"} 1.0' in lines
    assert 'leadloop_crm_push_seconds_count{connection="sandbox-crm"} 2.0' in lines


def test_events_are_counted_and_a_full_ad_account_rests_the_dataset_and_no_page(flow: Flow) -> None:
    usage = {"call_count": 100, "total_time": 1, "total_cputime": 1, "estimated_time_to_regain_access": 7}
    post_control(flow.running.url, "/settings", {"page_usage": usage})
    event = {
        "event_name": "Lead",
        "event_time": int(flow.services.now().timestamp()),
        "action_source": "email",
        "user_data": {"external_id": "crm-1"},
    }
    token = flow.running.options.system_token
    assert flow.services.events_graph.send_events(CRM_DATASET_ID, [event], token=token).events == 1
    flow.services.counters.flush()
    lines = flow.client.get("/metrics").text.splitlines()
    assert f'leadloop_graph_calls_total{{code="ok",edge="events",page="{CRM_DATASET_ID}"}} 1.0' in lines
    with flow.services.read() as session:
        (lane,) = session.scalars(select(Lane))
    assert (lane.name, lane.hold) == (f"graph:{CRM_DATASET_ID}", False)
    assert 400 < (lane.rest_until - flow.services.now()).total_seconds() <= 420
