"""`leadloop conversions list` and `show`: what became of each, why, and what to do, with nothing of a person in the open."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result
from conversion_rows import DATASET, make_conversion, make_held_lane, make_outcome
from lead_rows import make_lead
from sqlalchemy import Engine
from sqlalchemy.orm import Session

import leadloop.cli
from leadloop.cli import cli
from leadloop.cli.conversion_list import STYLES
from leadloop.conversions.states import STATES
from leadloop.settings import Settings
from store.conversion_models import Contact

NOW = datetime.now(UTC).replace(microsecond=0)
LEAD = "222222222222222"
CLICK = "AfeGclickOfZoeWhichIsLong"
Run = Callable[..., Result]


@pytest.fixture
def run(engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(leadloop.cli.sys, "argv", ["leadloop"])
    for name in [name for name in os.environ if name.startswith(("LEADLOOP_", "META_", "REDIS_URL"))]:
        monkeypatch.delenv(name)

    def conversions(*arguments: str) -> Result:
        context = leadloop.cli.Context()
        context.__dict__["settings"] = Settings(database_url=database_url)
        return CliRunner().invoke(
            cli, ["conversions", *arguments], obj=context, env={"COLUMNS": "160"}, catch_exceptions=False
        )

    return conversions


def keep(engine: Engine, *rows: Any) -> None:
    with Session(engine) as session, session.begin():
        for row in rows:
            session.add(row)
            session.flush()


@pytest.fixture
def some(engine: Engine) -> None:
    """1 accepted, 2 refused, 3 of a contact, 4 a test event, 5 queued for a dataset that is held."""
    browser = {"client_ip_address": "203.0.113.9", "client_user_agent": "Browser of Zoe"}
    sent = {"event_name": "Purchase", "user_data": {"em": ["0" * 64], "ctwa_clid": CLICK} | browser}
    keep(
        engine,
        make_lead(LEAD, NOW - timedelta(days=3)),
        Contact(created_at=NOW),
        make_outcome(NOW - timedelta(minutes=9), key="a", lead_id=1, value="12500.00", currency="TRY"),
        make_conversion(
            NOW - timedelta(days=2), event_id="a", lead_id=1, outcome_id=1, state="accepted", payload=sent,
            fbtrace_id="AbCdEf", answer={"events_received": 1}, tries=1, sent_at=NOW, settled_at=NOW,
        ),
        make_conversion(
            NOW - timedelta(hours=3), event_id="b", lead_id=1, state="refused", event_name="Lead", code="graph_100_2804050",
            message="Meta could not tell anybody from it.", action="Add an e-mail address.",
            warnings=[{"code": "odd", "field": "custom_data.value", "message": "is odd", "mend": "leave it"}],
        ),
        make_conversion(NOW - timedelta(hours=2), event_id="c", contact_id=1, dataset_id="7", state="unknown"),
        make_conversion(NOW - timedelta(hours=1), event_id="d", lead_id=1, state="accepted", is_test=True),
        make_conversion(NOW, event_id="e", lead_id=1, state="queued"),
        make_held_lane(NOW),
    )  # fmt: skip


def ids(done: Result) -> list[int]:
    assert done.exit_code == 0, done.output
    return [one["id"] for one in json.loads(done.output)]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], [5, 3, 2, 1]),
        (["--test"], [4]),
        (["--lead", LEAD], [5, 2, 1]),
        (["--lead", "9"], []),
        (["--dataset", "7"], [3]),
        (["--state", "held"], [5]),
        (["--state", "queued"], []),
        (["--event", "Lead"], [2]),
        (["--since", "1d"], [5, 3, 2]),
        (["--limit", "1"], [5]),
        (["--test", "--dataset", "7"], []),
    ],
)
def test_the_newest_come_first_and_each_option_picks(
    run: Run, some: None, options: list[str], expected: list[int]
) -> None:
    assert ids(run("list", "--json", *options)) == expected


def test_a_line_says_when_who_what_where_and_why(run: Run, some: None) -> None:
    lines = run("list").output.splitlines()
    assert [line.split()[0] for line in lines] == ["id", "5", "3", "2", "1"]
    held, unknown, refused, accepted = lines[1:]
    assert "The token is not valid any more." in held
    assert "held" in held
    assert "contact 1" in unknown
    assert f"{NOW - timedelta(hours=3, minutes=1):%Y-%m-%d %H:%M}" in refused
    assert all(text in refused for text in (LEAD, "Lead", DATASET, "refused", "Meta could not tell anybody from it."))
    assert accepted.rstrip().endswith("accepted")


def test_it_is_said_when_there_is_none(run: Run, engine: Engine) -> None:
    assert run("list").output == "No conversion yet.\n"
    assert run("list", "--state", "held").output == "No conversion is like that.\n"
    assert ids(run("list", "--json")) == []
    assert run("list", "--state", "sent").exit_code == 2


def test_one_is_told_whole_with_the_outcome_and_metas_answer(run: Run, some: None) -> None:
    told = run("show", "1").output
    for text in ("12500.00 TRY", "AbCdEf", '"events_received": 1', STATES["accepted"].means, "0" * 64, f"lead {LEAD}"):
        assert text in told
    assert "What to do" not in told
    whole = json.loads(run("show", "1", "--json").output)
    assert (whole["outcome"]["stage"], whole["means"]) == ("won", STATES["accepted"].means)
    assert whole["answer"] == {"events_received": 1}


def test_nothing_of_the_person_stands_there_in_the_open(run: Run, some: None) -> None:
    for told in (run("show", "1").output, run("show", "1", "--json").output):
        for private in ("203.0.113.9", "Browser of Zoe", CLICK):
            assert private not in told
        assert "(masked)" in told
        assert CLICK[:12] in told


def test_what_went_wrong_comes_with_the_mend(run: Run, some: None) -> None:
    told = run("show", "2").output
    assert "Meta could not tell anybody from it. (graph_100_2804050)" in told
    assert "What to do: Add an e-mail address." in told
    assert "custom_data.value is odd (leave it)" in told
    assert "leadloop conversions retry 3" in run("show", "3").output


def test_a_queued_one_of_a_held_dataset_is_held_for_its_reason(run: Run, some: None) -> None:
    whole = json.loads(run("show", "5", "--json").output)
    assert (whole["state"], whole["code"], whole["what_to_do"]) == ("held", "token_dead", "Enter a new one.")


def test_a_test_event_is_marked_as_one(run: Run, some: None) -> None:
    assert "A test event" in run("show", "4").output
    assert "A test event" not in run("show", "1").output


@pytest.mark.parametrize("number", ["6", "999999999999"])
def test_one_that_is_not_here_is_said(run: Run, some: None, number: str) -> None:
    done = run("show", number)
    assert (done.exit_code, "conversions list" in done.output) == (1, True)


def test_every_state_has_a_colour_and_words() -> None:
    assert set(STYLES) == set(STATES)
