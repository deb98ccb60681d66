"""A lead is followed through the log: from the request that brought it to the CRM, also when that says no."""

import logging
from typing import Any

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from store.lead_story import collect_story
from store.leads import find_lead

Flow = Any


def story_of(flow: Flow, leadgen_id: str) -> dict[str, Any]:
    with flow.services.read() as session:
        found = find_lead(session, leadgen_id)
        assert found is not None
        return collect_story(session, found).to_json()


def test_from_the_lead_to_its_lines_and_from_the_request_to_the_lead(
    flow: Flow, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    first, second = flow.make_leads(count=2)
    with capture_logs(processors=[merge_contextvars]) as lines:
        assert flow.post(flow.notice(first), **{"X-Request-Id": "request-0001"}) == 200
        flow.work()
        flow.fault(where="crm", kind="unprocessable")
        assert flow.post(flow.notice(second)) == 200
        assert flow.post(flow.notice(second)) == 200
        flow.work()
    story = story_of(flow, first)
    kept = [line for line in lines if line["event"] == "notice_kept"]
    assert [line["repeated"] for line in kept] == [False, False, True]
    assert (kept[0]["request_id"], kept[2]["raw_event_id"]) == ("request-0001", None)
    told_by = {line["kind"]: line["raw_event_id"] for line in story["story"]}
    assert told_by["received"] == kept[0]["raw_event_id"] is not None
    assert told_by["delivered"] is None
    (read,) = [line for line in lines if line.get("raw_event_id") == told_by["received"] and "verdict" in line]
    assert read["leadgen_ids"] == [first]
    for leadgen_id, last in ((first, "lead_delivered"), (second, "attempt_failed")):
        mine = [line for line in lines if line.get("leadgen_id") == leadgen_id]
        assert {"lead_read", "alert_sent", last} <= {line["event"] for line in mine}
        assert {line["lead_id"] for line in mine} == {story_of(flow, leadgen_id)["lead_id"]}
        assert all(line["work_id"] for line in mine)


def test_a_line_that_nobody_wants_is_not_made(flow: Flow, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    with capture_logs() as lines:
        assert flow.post(flow.notice(*flow.make_leads())) == 200
        flow.services.writer.write(lambda session: None)
    assert [line for line in lines if line["event"] == "notice_kept"] == []
