"""What calls to Meta and to CRMs leave in /metrics."""

from collections.abc import Callable
from typing import Any

from sandbox.forms import FORMS

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
