"""Test events over real HTTP: about a real person, kept apart from what counts, with Meta's whole answer."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner, Result
from sandbox_bench import post_control
from sqlalchemy import select, update
from sqlalchemy.orm import Session

import leadloop.cli
from leadloop.cli import cli
from leadloop.conversions.outcome import read_outcome
from sandbox.datasets import CRM_DATASET_ID
from store.contacts import IdentityInput, keep_contact
from store.conversion_models import Conversion
from store.conversion_tests import AskedTest, NoTestEvent, send_one
from store.models import Funnel, Lead
from store.outcomes import add_outcomes

Flow = Any
Run = Callable[..., Result]
CODE = "TEST12345"


@pytest.fixture
def run(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(leadloop.cli.sys, "argv", ["leadloop"])

    def test(*arguments: str) -> Result:
        context = leadloop.cli.Context()
        context.__dict__["settings"] = flow.services.settings
        words = ["conversions", "test", "--dataset", CRM_DATASET_ID, "--code", CODE, *arguments]
        return CliRunner().invoke(cli, words, obj=context, catch_exceptions=False)

    return test


@pytest.fixture
def lead(flow: Flow) -> str:
    created_at = (flow.services.now() - timedelta(minutes=1)).isoformat()
    (made,) = flow.make_leads(created_at=created_at)
    flow.post(flow.notice(made))
    flow.work()
    return str(made)


def at_meta(flow: Flow) -> list[dict[str, Any]]:
    state = requests.get(f"{flow.running.url}/_sandbox/state", timeout=10).json()
    return [event for event in state["events"] if event["test_event_code"] is not None]


def rows(flow: Flow) -> list[Conversion]:
    with Session(flow.services.engine) as session:
        return list(session.scalars(select(Conversion).where(Conversion.is_test).order_by(Conversion.id)))


def test_the_newest_lead_is_told_of_and_metas_whole_answer_printed(run: Run, lead: str, flow: Flow) -> None:
    done = run()
    assert done.exit_code == 0, done.output
    for text in ('"events_received": 1', "fbtrace_id", f'"test_event_code": "{CODE}"', "they count for targeting"):
        assert text in done.output
    (event,) = at_meta(flow)
    assert (event["test_event_code"], event["leadgen_id"], event["event_name"]) == (CODE, lead, "Raw Lead")
    (row,) = rows(flow)
    assert (row.state, row.answer and row.answer["events_received"], row.tries) == ("accepted", 1, 1)
    assert row.fbtrace_id is not None
    assert row.settled_at is not None


def test_programs_get_all_of_it_and_nothing_of_the_person_in_the_open(run: Run, lead: str, flow: Flow) -> None:
    done = run("--json", "--lead", lead, "--event", "Purchase")
    told = json.loads(done.output)
    assert (done.exit_code, told["state"], told["events_received"]) == (0, "accepted", 1)
    assert told["event"]["custom_data"]["value"] > 0
    assert told["event"]["user_data"]["em"]
    with Session(flow.services.engine) as session:
        card = session.scalars(select(Lead)).one().card or {}
    for private in (card["email"], card["phone"], card["full_name"]):
        assert private not in done.output


def test_what_meta_refuses_is_told_with_the_mend_and_ends_badly(run: Run, lead: str, flow: Flow) -> None:
    strange = "111122223333444"  # no lead that Meta knows
    with Session(flow.services.engine) as session, session.begin():
        row = session.scalars(select(Lead)).one()
        row.leadgen_id = strange
        row.match_keys = dict(row.match_keys or {}) | {"lead_id": strange}
    done = run("--json")
    told = json.loads(done.output)
    assert (done.exit_code, told["state"], told["events_received"]) == (1, "refused", None)
    assert told["code"].startswith("graph_100_")
    assert told["action"]
    assert told["answer"]["http_status"] == 400
    assert told["fbtrace_id"] == told["answer"]["fbtrace_id"] == rows(flow)[0].fbtrace_id
    assert rows(flow)[0].state == "refused"


def test_nothing_received_and_no_answer_are_no_success(run: Run, lead: str, flow: Flow) -> None:
    flow.fault(where="graph", kind="fewer_events", operation="events", times=1, events_received=0)
    assert run().exit_code == 1
    flow.fault(where="graph", kind="half_body", operation="events", times=1, after=True)
    assert run().exit_code == 1
    assert [(row.state, row.code) for row in rows(flow)] == [
        ("refused", "not_received"),
        ("unknown", "connection_broken"),
    ]
    flow.work()
    assert [row.tries for row in rows(flow)] == [1, 1]
    assert len(at_meta(flow)) == 2  # one of them "lost" by Meta, one stored without an answer


def test_a_dataset_without_rights_is_said_with_the_click_that_mends_it(run: Run, lead: str, flow: Flow) -> None:
    post_control(flow.running.url, "/datasets", {"dataset_id": CRM_DATASET_ID, "tasks": []})
    done = run()
    assert done.exit_code == 1
    assert "Assign" in done.output
    assert rows(flow)[0].code == "graph_100_33"


def test_a_test_is_no_step_of_the_funnel(run: Run, lead: str, flow: Flow) -> None:
    assert run("--event", "Qualified Lead").exit_code == 0
    now = flow.services.now()
    given = {"lead": {"leadgen_id": lead}, "connection": "sandbox-crm", "stage": "qualified"}
    inputs = [read_outcome(given | {"occurred_at": now.isoformat()}, now=now)]
    flow.services.writer.write(lambda session: add_outcomes(session, inputs, source="api", now=now))
    flow.work()
    with Session(flow.services.engine) as session:
        real = select(Conversion.event_name, Conversion.state).where(Conversion.is_test.is_(False))
        assert ("Qualified Lead", "accepted") in [tuple(row) for row in session.execute(real)]


def test_each_test_has_an_id_of_its_own(run: Run, lead: str, flow: Flow) -> None:
    assert [run().exit_code, run().exit_code] == [0, 0]
    assert len({row.event_id for row in rows(flow)}) == 2


def messaging(flow: Flow) -> None:
    with Session(flow.services.engine) as session, session.begin():
        session.execute(update(Funnel).values(position=9))
        session.add(
            Funnel(
                position=0,
                connection="*",
                dataset_id=CRM_DATASET_ID,
                stages=[{"stage": "won", "event": "Purchase"}, {"stage": "qualified", "event": "QualifiedLead"}],
                options={"route": "business_messaging"},
            )
        )


def keep(flow: Flow, *given: IdentityInput) -> None:
    flow.services.writer.write(lambda session: keep_contact(session, given, now=flow.services.now()))


def test_a_whatsapp_contact_is_told_of_by_a_real_click_alone(run: Run, flow: Flow) -> None:
    from sandbox.whatsapp_shapes import WABA_ID

    messaging(flow)
    click = post_control(flow.running.url, "/clicks", {})["ctwa_clid"]
    keep(flow, IdentityInput("wa_id", "905551112233", WABA_ID, {"ctwa_clid": click}))
    keep(flow, IdentityInput("wa_id", "905551112244", WABA_ID))  # newer, and came by no ad
    done = run("--channel", "whatsapp")
    assert done.exit_code == 0, done.output
    assert click not in done.output
    (event,) = at_meta(flow)
    assert (event["event_name"], event["channel"]) == ("QualifiedLead", "whatsapp")
    keep(flow, IdentityInput("wa_id", "905551112255", WABA_ID, {"ctwa_clid": "made-up-click-of-nobody"}))
    refused = json.loads(run("--channel", "whatsapp", "--json").output)
    assert (refused["state"], refused["answer"]["meta_code"]) == ("refused", "100/2804087")


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ([], "no_lead", "Fill in one of your forms"),
        (["--lead", "9"], "lead_unknown", "leads list"),
        (["--channel", "whatsapp"], "no_contact", "made-up"),
        (["--channel", "instagram"], "no_contact", "Write to your account"),
        (["--channel", "messenger", "--lead", "9"], "two_persons", "one of the two"),
    ],
)
def test_without_a_person_nothing_is_sent_and_it_says_what_is_missing(
    run: Run, flow: Flow, options: list[str], code: str, words: str
) -> None:
    done = run("--json", *options)
    error = json.loads(done.output)["error"]
    assert (done.exit_code, error["code"]) == (1, code)
    assert words in error["action"]
    assert (at_meta(flow), rows(flow)) == ([], [])


def test_what_the_linter_refuses_is_not_sent(run: Run, lead: str, flow: Flow) -> None:
    messaging(flow)
    keep(flow, IdentityInput("psid", "7000000000000001", "101000000000001"))
    done = run("--channel", "messenger", "--event", "Lead", "--json")
    assert (done.exit_code, json.loads(done.output)["error"]["code"]) == (1, "event_name_forbidden")
    assert at_meta(flow) == []


def test_nobody_who_has_taken_back_the_consent_is_told_of(run: Run, lead: str, flow: Flow) -> None:
    now = flow.services.now()
    said = {"lead": {"leadgen_id": lead}, "stage": "lost", "occurred_at": now.isoformat(), "fields": {"consent": False}}
    flow.services.writer.write(lambda s: add_outcomes(s, [read_outcome(said, now=now)], source="api", now=now) and None)
    done = run("--lead", lead)
    assert (done.exit_code, "has not consented" in " ".join(done.output.split())) == (1, True)
    assert at_meta(flow) == []


def test_metas_test_lead_is_nobody(flow: Flow, run: Run, lead: str) -> None:
    with Session(flow.services.engine) as session, session.begin():
        session.execute(update(Lead).values(is_test=True))
    assert json.loads(run("--json").output)["error"]["code"] == "no_lead"
    assert json.loads(run("--json", "--lead", lead).output)["error"]["code"] == "test_lead"


@pytest.mark.parametrize("dataset_id", ["", "9/../me", "900 ", "x", "٩", "1" * 41])
def test_an_id_that_is_none_gets_into_no_address(flow: Flow, dataset_id: str) -> None:
    with pytest.raises(NoTestEvent) as caught:
        send_one(flow.services, AskedTest(dataset_id, CODE))
    assert caught.value.code == "dataset_id_wrong"


@pytest.mark.parametrize("code", ["", "T 1", "T\n1", "T" * 101, "ŞT"])
def test_a_code_that_is_none_is_refused(flow: Flow, code: str) -> None:
    with pytest.raises(NoTestEvent) as caught:
        send_one(flow.services, AskedTest(CRM_DATASET_ID, code))
    assert (caught.value.code, caught.value.field) == ("test_code_wrong", "test_event_code")


def test_without_a_token_it_says_where_to_put_one(run: Run, lead: str, flow: Flow) -> None:
    with pytest.raises(Exception, match="no access token for this dataset"):
        send_one(flow.services, AskedTest("42", CODE))


def test_the_commands_of_the_page_run(run: Run, lead: str, flow: Flow) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "conversions.md").read_text(encoding="utf-8")
    part = page.partition("\n## Sending a test event\n")[2]
    lines = part.partition("```sh\n")[2].partition("```")[0].replace("222222222222222", lead).splitlines()
    common = f"leadloop conversions test --dataset {CRM_DATASET_ID} --code {CODE}"
    keep(flow, IdentityInput("psid", "7000000000000001", "101000000000001"))
    assert len(lines) == 3
    for line in lines:
        assert line.startswith(common)
        done = run(*line.removeprefix(common).split())
        assert done.exit_code == 0, done.output
    assert [event["channel"] for event in at_meta(flow)] == ["messenger", None, None]
