"""docs/api.md and docs/metrics.md say what there is."""

import json
import re
from pathlib import Path

import pytest
from conftest import NOW
from lead_rows import add, make_lead
from prometheus_client.parser import text_string_to_metric_families

from api.conversion_shapes import OutcomeVerdict
from api.conversions import ConversionQuery
from api.leads import LeadQuery
from api.outcomes import OutcomeQuery
from api.problems import KINDS
from api.shapes import LeadStory, ProblemDetails
from leadloop.conversions.outcome import OutcomeSchema
from store.models import Connection, Lane, Work

DOCS = Path(__file__).resolve().parents[2] / "docs"
ROW = {"kind": "delivery", "subject_id": 1, "lane": "crm:1", "queue": "0:crm:1", "due_at": NOW, "added_at": NOW}


@pytest.fixture(scope="module")
def api_page():
    return (DOCS / "api.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def metrics_page():
    return (DOCS / "metrics.md").read_text(encoding="utf-8")


def test_every_metric_is_described_and_no_other(client, metrics_page):
    there = {
        name
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for name in (family.name + "_total" if family.type == "counter" else family.name,)
    }
    described = set(re.findall(r"^\|? ?`(leadloop_\w+)`|, `(leadloop_\w+)`", metrics_page, re.MULTILINE))
    assert {one or other for one, other in described} == there


def test_alarms_ask_for_metrics_there_are(client, metrics_page):
    text = client.get("/metrics").text
    asked = set(re.findall(r"leadloop_\w+", "".join(re.findall(r"expr: (.*)", metrics_page))))
    assert len(asked) >= 6
    for name in asked:
        assert f"# TYPE {name.removesuffix('_bucket')} " in text


@pytest.mark.parametrize(
    "trouble",
    [
        Work(**ROW, state="parked"),
        Work(**ROW, state="failed"),  # a CRM that answered 422
        Lane(name="crm:1", rest_until=NOW, since=NOW, hold=True),
    ],
    ids=["parked", "failed", "held"],
)
def test_the_alarm_goes_off_for_whatever_needs_somebody(client, services, metrics_page, trouble):
    (condition,) = re.findall(r"SomebodyIsNeeded.*\n +expr: (.*)", metrics_page)
    parts = re.fullmatch(r"(sum\(\w+\) > 0(?: or )?)+", condition)
    assert parts is not None, condition
    asked = re.findall(r"sum\((\w+)\)", condition)

    def goes_off():
        services.caches.clear()  # on a busy machine the figures are kept for a while
        families = text_string_to_metric_families(client.get("/metrics").text)
        found = {family.name: sum(sample.value for sample in family.samples) for family in families}
        return any(found[name] > 0 for name in asked)

    assert not goes_off()
    add(services, trouble)
    assert goes_off()


def test_every_parameter_and_part_of_the_story_is_described(api_page):
    for query in (LeadQuery, OutcomeQuery, ConversionQuery):
        for name in query().fields:
            assert re.search(rf"`{name}\b", api_page), name
    for name in (*OutcomeSchema().declared_fields, *OutcomeVerdict().fields):
        assert re.search(rf"[`\"]{name.rstrip('_')}[`\"]", api_page), name
    for name in set(LeadStory().fields) - {"routed", "source", "read_at", "lead"}:
        assert f"`{name}`" in api_page


def test_examples_are_json_of_that_shape(api_page):
    lists, verdict, problem = [json.loads(body) for body in re.findall(r"```json\n(.*?)```", api_page, re.DOTALL)]
    OutcomeVerdict().load(verdict)
    assert set(lists) == {"leads", "next_cursor"}
    assert set(lists["leads"][0]) == {"lead", "state", "source", "routed", "read_at", "lead_id"}
    ProblemDetails().load(problem)
    assert problem["type"] in {kind.type for kind in KINDS}


def test_the_outcome_of_the_page_is_kept_and_answered_as_it_says(app, services, key, clock, api_page):
    clock.forward(days=1)
    row = Connection(name="crm", adapter="webhook", settings_sealed="-", changed_at=NOW)
    add(services, row, make_lead("222222222222222", NOW))
    (command,) = [body for body in re.findall(r"```sh\n(.*?)```", api_page, re.DOTALL) if "-d '" in body]
    path = re.search(r"'https://leads\.example\.com(/[^']+)'", command)[1]
    headers = dict(re.findall(r"-H ['\"]([\w-]+): ([^'\"]+)['\"]", command))
    assert set(headers) == {"Authorization", "Content-Type", "Idempotency-Key"}
    headers["Authorization"] = headers["Authorization"].replace("$LEADLOOP_KEY", key)
    answer = app.test_client().post(path, data=re.search(r"-d '(.*?)' ", command, re.DOTALL)[1], headers=headers)
    assert answer.status_code == 202, answer.text
    verdict = json.loads(re.findall(r"```json\n(.*?)```", api_page, re.DOTALL)[1])
    no_funnel = {"warning": answer.json["warning"]}  # there is none in this test
    assert answer.json == verdict | {"outcome_id": 1} | no_funnel


def test_the_links_of_a_list_of_conversions_are_answered(get, api_page):
    commands = re.findall(r"'https://leads\.example\.com(/api/v1/[^'?]+)\?([^']+)'", api_page)
    assert {path for path, _query in commands} == {"/api/v1/leads", "/api/v1/conversions"}
    for path, query in commands:
        assert get(path, **dict(part.split("=") for part in query.split("&"))).status_code == 200
