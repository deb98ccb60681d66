"""How good the events are, with the sandbox as Meta: from a lead to the report that a person and a program read."""

import json
from datetime import timedelta
from typing import Any

import pytest
import requests
from click.testing import CliRunner, Result

from leadloop.cli import Context, cli
from leadloop.conversions.outcome import read_outcome
from sandbox.datasets import CRM_DATASET_ID
from store.api_keys import create_key
from store.outcomes import add_outcomes
from workers.quality import want_quality

WEB = {"event_name": "Lead", "event_match_quality": {"composite_score": 5.5}, "event_coverage": {"percentage": 61.0}}


class GivenContext(Context):
    """The command line's context with the settings handed in."""

    def __init__(self, settings: Any) -> None:
        self.__dict__["settings"] = settings


def run(flow: Any, *arguments: str) -> Result:
    given = GivenContext(flow.services.settings)
    return CliRunner().invoke(
        cli, ["conversions", "quality", *arguments], obj=given, catch_exceptions=False, env={"COLUMNS": "200"}
    )


@pytest.fixture
def told(flow: Any) -> Any:
    """Two leads that came, one of which was qualified."""
    created_at = (flow.services.now() - timedelta(minutes=1)).isoformat()
    made = flow.make_leads(count=2, created_at=created_at)
    flow.post(flow.notice(*made))
    flow.work()
    now = flow.services.now()
    given = {"lead": {"leadgen_id": made[0]}, "stage": "qualified", "occurred_at": now.isoformat()}
    outcome = read_outcome(given | {"connection": "sandbox-crm"}, now=now)
    flow.services.writer.write(lambda session: add_outcomes(session, [outcome], source="api", now=now))
    flow.work()
    return flow


def at_meta(flow: Any, **changes: Any) -> None:
    """Change the dataset at "Meta"."""
    body = {"dataset_id": CRM_DATASET_ID} | changes
    answer = requests.post(f"{flow.running.url}/_sandbox/datasets", json=body, timeout=10)
    assert answer.status_code == 200, answer.text


def test_a_person_sees_what_to_mend_first(told: Any) -> None:
    answer = run(told)
    lines = answer.output.splitlines()
    assert (answer.exit_code, lines[0].startswith(f"Dataset {CRM_DATASET_ID}")) == (0, True)
    assert "to mend: " in lines[1]
    assert "Leads in the last 30 days" in lines[1]
    assert "good    Leads with an accepted event: 100 % (2 of 2)." in answer.output
    assert "good    Stages that Meta hears of: 2; 50 % (1 of 2)" in answer.output
    assert "Raw Lead (raw lead)" in answer.output
    assert "Meta publishes no quality score for Conversion Leads" in answer.output
    assert "not asked yet" in answer.output


def test_a_program_gets_the_same_from_the_command_and_the_api(told: Any) -> None:
    (by_command,) = json.loads(run(told, "--json", "--dataset", CRM_DATASET_ID).output)
    key = told.services.writer.write(lambda session: create_key(session, "tests", told.services.now()))
    answer = told.client.get(f"/api/v1/datasets/{CRM_DATASET_ID}/quality", headers={"Authorization": f"Bearer {key}"})
    by_api = answer.json
    for one in (by_command, by_api):
        one.pop("since"), one.pop("until")
    assert by_command == by_api
    assert by_api["total"]["accepted"] == 3
    assert by_api["conversion_leads"]["with_lead_id"] == 3


def test_metas_scores_are_asked_for_kept_and_compared_with_its_goal(told: Any) -> None:
    at_meta(told, quality={"web": [WEB]})
    answer = run(told, "--refresh")
    assert "Meta's own scores: from " in answer.output
    assert "5.5" in answer.output
    (report,) = json.loads(run(told, "--json").output)  # without asking again
    (score,) = report["meta"]["scores"]
    assert (score["event_name"], score["score"], score["coverage"]) == ("Lead", 5.5, 61.0)


def test_the_sandbox_has_nothing_to_see_of_leads_and_so_it_is_told(told: Any) -> None:
    answer = run(told, "--refresh")
    assert "Meta shows nothing" in answer.output
    assert "Meta's own scores: from " in answer.output


def test_a_dead_token_is_told_beside_the_last_scores(told: Any) -> None:
    at_meta(told, quality={"web": [WEB]})
    run(told, "--refresh")
    told.fault(where="graph", kind="token_expired")
    answer = run(told, "--refresh")
    told.no_faults()
    assert answer.exit_code == 0
    assert "and refused: " in answer.output
    assert "5.5" in answer.output
    (report,) = json.loads(run(told, "--json").output)
    assert report["meta"]["failed"]["code"].startswith("graph_190")


def test_the_worker_asks_by_itself(told: Any) -> None:
    at_meta(told, quality={"web": [WEB]})
    want_quality(told.services)
    with told.services.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE work SET due_at = added_at WHERE kind = 'quality'")
    told.work()
    (report,) = json.loads(run(told, "--json").output)
    assert report["meta"]["scores"][0]["score"] == 5.5


def test_an_unknown_dataset_is_refused_by_name(told: Any) -> None:
    answer = run(told, "--dataset", "1")
    assert answer.exit_code == 1
    assert CRM_DATASET_ID in answer.output
    assert run(told, "--since", "yesterday-ish").exit_code == 2


def test_an_empty_installation_is_told_what_to_configure(make_flow: Any) -> None:
    flow = make_flow(configure=False)
    answer = run(flow)
    assert (answer.exit_code, "[[funnels]]" in answer.output) == (0, True)
    assert json.loads(run(flow, "--json").output) == []
