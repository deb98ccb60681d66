"""The commands as a person and a program use them, on a database with leads in it."""

import csv
import io
import json
import re
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from click.testing import CliRunner, Result
from fakes import KEY
from sqlalchemy.orm import Session

from leadloop.cli import Context, cli, lead_export
from leadloop.cli.lead_export import inert
from leadloop.conversions.outcome import read_outcome
from store.models import Route
from store.outcomes import add_outcomes

Run = Callable[..., Result]


class GivenContext(Context):
    """The command line's context with the settings handed in."""

    def __init__(self, settings: Any) -> None:
        self.__dict__["settings"] = settings


@pytest.fixture
def run(flow: Any) -> Run:
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(
            cli,
            list(arguments),
            obj=GivenContext(flow.services.settings),
            env={"COLUMNS": "160"},
            catch_exceptions=False,
        )

    return run


@pytest.fixture
def leadgen_id(flow: Any) -> str:
    (made,) = flow.make_leads()
    flow.post(flow.notice(made))
    flow.work()
    return str(made)


def test_list_and_show_tell_the_story(run: Run, leadgen_id: str, flow: Any) -> None:
    name = flow.crm()[leadgen_id]["data"]["full_name"]
    listed = run("leads", "list")
    assert leadgen_id in listed.output
    assert name.split()[0] in listed.output
    rows = json.loads(run("leads", "list", "--json").output)
    assert [row["leadgen_id"] for row in rows] == [leadgen_id]
    shown = run("leads", "show", leadgen_id)
    assert "sandbox-crm" in shown.output
    assert "rung" in shown.output
    story = json.loads(run("leads", "show", leadgen_id, "--json").output)
    assert [delivery["state"] for delivery in story["deliveries"]] == ["delivered"]


def test_show_tells_what_meta_was_told_of_the_lead(run: Run, flow: Any) -> None:
    now = flow.services.now()
    (leadgen_id,) = flow.make_leads(created_at=(now - timedelta(minutes=1)).isoformat())
    flow.post(flow.notice(leadgen_id))
    flow.work()
    lead = {"lead": {"leadgen_id": leadgen_id}, "connection": "sandbox-crm", "occurred_at": now.isoformat()}
    given = [read_outcome(lead | {"stage": stage}, now=now) for stage in ("qualified", "lost")]
    flow.services.writer.write(lambda session: add_outcomes(session, given, source="api", now=now))
    flow.work()
    shown = run("leads", "show", leadgen_id).output
    lines = {name: next(line for line in shown.splitlines() if name in line) for name in ("Qualified Lead", "(lost)")}
    assert "accepted" in lines["Qualified Lead"]
    assert "skipped" in lines["(lost)"]
    assert "This stage is known and not sent." in " ".join(shown.split())
    assert "A program, for sandbox-crm, reported the stage qualified. Meta is told." in " ".join(shown.split())


def test_list_filters(run: Run, leadgen_id: str) -> None:
    assert json.loads(run("leads", "list", "--json", "--form", "1").output) == []
    assert json.loads(run("leads", "list", "--json", "--unrouted").output) == []
    assert len(json.loads(run("leads", "list", "--json", "--since", "1h").output)) == 1
    refused = run("leads", "list", "--since", "yesterday-ish")
    assert refused.exit_code == 2
    assert "7d" in refused.output


def test_an_unknown_lead_is_said_with_the_mend(run: Run) -> None:
    answer = run("leads", "show", "12345")
    assert answer.exit_code == 1
    assert "backfill" in answer.output
    assert "No leads yet." in run("leads", "list").output


def test_replaying_unrouted_leads_after_a_route_was_added(run: Run, flow: Any) -> None:
    with Session(flow.services.engine) as session, session.begin():
        routes = session.query(Route).all()
        kept = {name: getattr(routes[0], name) for name in ("position", "pages", "forms", "connections", "notifiers")}
        session.query(Route).delete()
    ids = flow.make_leads(count=3)
    flow.post(flow.notice(*ids))
    flow.work()
    assert flow.crm() == {}
    assert len(json.loads(run("leads", "list", "--unrouted", "--json").output)) == 3
    with Session(flow.services.engine) as session, session.begin():
        session.add(Route(**kept))
    assert "3 to be worked on now" in run("leads", "replay", "--unrouted").output
    flow.work()
    assert set(flow.crm()) == set(ids)
    assert len(flow.alerts()) == 3


def test_replaying_a_delivered_lead_pushes_only_when_asked_and_never_rings_twice(
    run: Run, leadgen_id: str, flow: Any
) -> None:
    run("leads", "replay", leadgen_id)
    flow.work()
    assert flow.crm()[leadgen_id]["requests"] == 1
    run("leads", "replay", leadgen_id, "--again")
    flow.work()
    assert flow.crm()[leadgen_id]["requests"] == 2
    assert len(flow.alerts()) == 1


def test_replaying_a_stored_notice(run: Run, leadgen_id: str, flow: Any) -> None:
    assert run("leads", "replay", "--event", "1").exit_code == 0
    flow.work()
    assert flow.crm()[leadgen_id]["requests"] == 1
    assert run("leads", "replay", "--event", "999").exit_code == 1
    assert run("leads", "replay").exit_code == 2
    assert run("leads", "replay", leadgen_id, "--unrouted").exit_code == 2


def test_backfill_fetches_what_is_missing_and_rings_nobody_for_old_leads(run: Run, flow: Any) -> None:
    new = flow.make_leads(count=3)
    old = flow.make_leads(count=2, created_at="2026-10-01T10:00:00Z")
    first = run("leads", "backfill", "--json")
    assert first.exit_code == 0, first.output
    steps = [json.loads(line) for line in first.output.splitlines() if line.startswith("{")]
    assert sum(step["added"] for step in steps if step["done"]) == 5
    flow.work()
    assert set(flow.crm()) == {*new, *old}
    assert len(flow.alerts()) == len(new)
    again = run("leads", "backfill")
    assert "0 of them were missing" in again.output
    flow.work()
    assert {row["requests"] for row in flow.crm().values()} == {1}


def test_backfill_honours_since_and_names_what_is_wrong(run: Run, flow: Any) -> None:
    flow.make_leads(count=1, created_at="2026-10-01T10:00:00Z")
    assert "0 leads" in run("leads", "backfill", "--since", "7d").output
    wrong = run("leads", "backfill", "--page", "5")
    assert wrong.exit_code == 1
    assert "[[pages]]" in wrong.output


def test_export_is_safe_to_open(run: Run, flow: Any, tmp_path: Path) -> None:
    (made,) = flow.make_leads(answers={"full_name": ['=HYPERLINK("http://x","y")']})
    flow.post(flow.notice(made))
    flow.work()
    path = tmp_path / "leads.csv"
    assert run("leads", "export", "--csv", str(path)).exit_code == 0
    (row,) = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    assert row["full_name"].startswith("'=")
    assert row["leadgen_id"] == made
    assert row["phone"].startswith("+")
    workbook = tmp_path / "leads.xlsx"
    assert run("leads", "export", "--xlsx", str(workbook)).exit_code == 0
    sheet = openpyxl.load_workbook(workbook).active
    cells = {cell.value: cell.data_type for line in sheet.iter_rows() for cell in line if cell.value}
    assert cells[made] == "s"
    assert all(kind == "s" for kind in cells.values())
    assert run("leads", "export").exit_code == 2
    assert run("leads", "export", "--csv", str(tmp_path / "no" / "such" / "folder")).exit_code == 1


def test_a_workbook_never_leaves_leads_out_without_a_word(
    run: Run, flow: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for made in flow.make_leads(count=2, answers={"full_name": ["x" * 40_000]}):
        flow.post(flow.notice(made))
    flow.work()
    path = tmp_path / "leads.xlsx"
    monkeypatch.setattr(lead_export, "MOST_ROWS", 3)  # the names of the columns, and two leads
    assert run("leads", "export", "--xlsx", str(path)).exit_code == 0
    shown = [cell.value for line in openpyxl.load_workbook(path).active.iter_rows() for cell in line if cell.value]
    assert {text[-2:] for text in shown if text.startswith("xxx")} == {"x…"}
    monkeypatch.setattr(lead_export, "MOST_ROWS", 2)
    refused = run("leads", "export", "--xlsx", str(path))
    assert refused.exit_code == 1
    assert "--csv" in refused.output
    monkeypatch.setattr(lead_export, "MOST_ROWS", 3)
    monkeypatch.setattr(lead_export, "MOST_COLUMNS", 5)
    assert run("leads", "export", "--xlsx", str(path)).exit_code == 1


@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1", "\r=1", "  =1", "|x", "%0A", "＝1+1"]
)
def test_formulas_are_made_inert(text: str) -> None:
    assert inert(text).startswith("'")


def cells_by_semicolon(text: str) -> list[str]:
    """The cells that an Excel with the semicolon as its list separator makes of this answer in our file: the line does not
    begin with a quote, so that quotes further on are plain characters to it."""
    out = io.StringIO()
    csv.writer(out).writerow(["1795", inert(text), "x"])
    return [cell for line in re.split(r"[\r\n]", out.getvalue()) for cell in re.split(r"[;\t]", line)]


@pytest.mark.parametrize("between", [";", "; ", ';"', "\n", "\r\n", "\t", ";\n\t'", ";;"])
@pytest.mark.parametrize("formula", ['=HYPERLINK("http://x","y")', "+cmd|' /C calc'!A0", "@SUM(1)", "-2+3", "＝1"])
def test_no_formula_begins_after_a_separator_inside_an_answer(between: str, formula: str) -> None:
    cells = cells_by_semicolon(f"Zoë{between}{formula}")
    assert any(cell.lstrip(" \"'").startswith(formula[0]) for cell in cells)  # the separator does separate
    assert not [cell for cell in cells if cell.lstrip(' "').startswith(formula[0])]


@pytest.mark.parametrize("text", ["\t", ";", "\n ", '"', "+1 ", "=", ";="])
def test_a_long_answer_is_made_inert_in_no_time(text: str) -> None:
    began = time.process_time()
    inert(text * 50_000)
    assert time.process_time() - began < 5


@pytest.mark.parametrize("text", ["+905321234567; +905321234568", "a; b", "x;-5", "Straße 1\n34000 İstanbul", "1;2;3"])
def test_text_and_numbers_after_a_separator_stay_as_they_are(text: str) -> None:
    assert inert(text) == text


@pytest.mark.parametrize("text", ["+905321234567", "-5", "Zoë", "", "a=b", "İstanbul"])
def test_plain_text_and_numbers_stay_as_they_are(text: str) -> None:
    assert inert(text) == text


def test_work_list_shows_what_waits_and_retry_wakes_it(run: Run, flow: Any) -> None:
    (made,) = flow.make_leads()
    flow.fault(where="crm", kind="unprocessable")
    flow.post(flow.notice(made))
    flow.work()
    listed = run("work", "list", "--parked", "--json")
    assert listed.exit_code == 1
    (row,) = json.loads(listed.output)["work"]
    assert (row["kind"], row["state"], row["code"]) == ("delivery", "failed", "http_422")
    assert made in row["subject"]
    assert row["action"]
    assert "Mend:" in run("work", "list", "--parked").output
    flow.no_faults()
    assert "1 row will be tried" in run("work", "retry", str(row["id"])).output
    flow.work()
    assert made in flow.crm()
    assert "Nothing is parked." in run("work", "list", "--parked").output
    assert run("work", "list").exit_code == 0
    assert run("work", "retry", "999999").exit_code == 1
    assert run("work", "retry").exit_code == 2


def test_a_held_lane_is_shown_once_with_the_mend(run: Run, flow: Any) -> None:
    ids = flow.make_leads(count=4)
    flow.fault(where="crm", kind="unauthorized")
    flow.post(flow.notice(*ids))
    flow.work()
    listed = run("work", "list", "--parked", "--json")
    assert listed.exit_code == 1
    (lane,) = json.loads(listed.output)["lanes"]
    assert (lane["held"], lane["waiting"], lane["code"]) == (True, 4, "http_401")
    assert "mend" in run("work", "list", "--parked").output
    flow.no_faults()
    assert "4 rows will be tried now." in run("work", "retry", "--all").output
    flow.work()
    assert set(flow.crm()) == set(ids)


def test_crm_commands(run: Run, flow: Any, leadgen_id: str) -> None:
    listed = json.loads(run("crm", "list", "--json").output)
    assert {"webhook", "hubspot", "sql"} <= {adapter["kind"] for adapter in listed["adapters"]}
    assert listed["connections"] == [{"name": "sandbox-crm", "adapter": "webhook"}]
    assert run("crm", "check", "sandbox-crm").exit_code == 0
    before = flow.crm()[leadgen_id]["requests"]
    preview = run("crm", "try", "sandbox-crm", "--dry-run", "--json")
    assert preview.exit_code == 0
    assert leadgen_id in preview.output
    assert flow.crm()[leadgen_id]["requests"] == before
    assert run("crm", "try", "sandbox-crm", "--lead", leadgen_id).exit_code == 0
    assert flow.crm()[leadgen_id]["requests"] == before + 1
    made_up = run("crm", "try", "sandbox-crm", "--dry-run", "--made-up")
    assert "100000000000001" in made_up.output
    unknown = run("crm", "check", "nobody")
    assert unknown.exit_code == 1
    assert "sandbox-crm" in unknown.output
    any_name = run("crm", "fields", "sandbox-crm")
    assert (any_name.exit_code, "any field name" in any_name.output) == (0, True)


def test_secrets_never_appear(run: Run, flow: Any, leadgen_id: str) -> None:
    secrets = [*flow.services.settings.meta_app_secrets, flow.running.options.crm_secret, KEY]
    secrets += [flow.running.options.page_token("101000000000001")]
    for command in (
        ("config", "export"),
        ("crm", "list"),
        ("crm", "try", "sandbox-crm", "--dry-run"),
        ("leads", "show", leadgen_id, "--json"),
        ("work", "list", "--json"),
    ):
        output = run(*command).output
        assert output
        assert not any(secret in output for secret in secrets), command


def test_help_is_there_for_every_command() -> None:
    runner = CliRunner()
    from leadloop.cli import COMMANDS

    for name in COMMANDS:
        answer = runner.invoke(cli, [name, "--help"])
        assert answer.exit_code == 0, name
        assert len(answer.output) > 150, name


def test_what_could_not_be_read_is_shown(run: Run, flow: Any) -> None:
    assert "No notice" in run("leads", "notices").output
    flow.post(b"not json")
    flow.post({"object": "page", "entry": [{"id": "1", "messaging": [{}]}]})
    flow.work()
    every = json.loads(run("leads", "notices", "--json").output)
    assert [row["verdict"] for row in every] == ["kept", "unreadable"]
    shown = run("leads", "notices", "--unreadable")
    assert "not JSON" in shown.output
    assert "kept" not in shown.output


def test_a_mend_with_brackets_is_printed_whole(run: Run, flow: Any) -> None:
    (made,) = flow.make_leads()
    flow.post(flow.notice(made, page_id="999000000000999"))
    flow.work()
    assert "[[pages]]" in run("work", "list").output
    assert "[[pages]]" in run("leads", "show", made).output


def test_one_dead_page_does_not_stop_the_backfill_of_another(run: Run, flow: Any) -> None:
    from sandbox.forms import FORMS, PAGES

    other = next(form for form in FORMS if form.page_id == PAGES[1].page_id)
    ids = flow.make_leads(count=2, form_id=other.form_id)
    flow.fault(where="graph", kind="token_expired", page_id=PAGES[0].page_id)
    answer = run("leads", "backfill")
    assert answer.exit_code == 1
    flow.work()
    assert set(flow.crm()) == set(ids)


def test_a_value_that_could_not_be_used_is_shown_as_typed(run: Run, flow: Any) -> None:
    (made,) = flow.make_leads(answers={"phone_number": ["no phone"], "email": ["nowhere"]})
    flow.post(flow.notice(made))
    flow.work()
    shown = run("leads", "show", made).output
    assert "phone (as typed)" in shown
    assert "no phone" in shown
    assert "email (as typed)" in shown


def test_what_a_lead_waits_for_has_its_reason_after_a_colon(run: Run, flow: Any) -> None:
    (made,) = flow.make_leads()
    flow.fault(where="graph", kind="token_expired")
    flow.post(flow.notice(made))
    flow.work()
    words = " ".join(run("leads", "show", made).output.split())
    assert "Waits: Reading it from Meta: The access token has expired" in words


def test_an_export_has_consents_and_is_for_its_owner_only(run: Run, flow: Any, tmp_path: Path) -> None:
    from sandbox.forms import FORMS

    form = next(one for one in FORMS if one.checkboxes)
    (made,) = flow.make_leads(form_id=form.form_id)
    flow.post(flow.notice(made))
    flow.work()
    for kind in ("csv", "xlsx"):
        path = tmp_path / f"leads.{kind}"
        assert run("leads", "export", f"--{kind}", str(path)).exit_code == 0
        assert path.stat().st_mode & 0o777 == 0o600
    (row,) = list(csv.DictReader((tmp_path / "leads.csv").read_text(encoding="utf-8-sig").splitlines()))
    assert {"city", "country", "company", "job_title", "date_of_birth", "campaign_id", "adset_id"} <= set(row)
    story = json.loads(run("leads", "show", made, "--json").output)["lead"]
    told = {f"consent: {one['key']}": "yes" if one["checked"] else "no" for one in story["consents"]}
    assert told
    assert {name: text for name, text in row.items() if name.startswith("consent: ")} == told
    assert run("leads", "export", "--xlsx", "-").exit_code == 2


def test_lists_name_lanes_as_the_configuration_does(run: Run, flow: Any) -> None:
    ids = flow.make_leads(count=2)
    flow.fault(where="crm", kind="unauthorized")
    flow.post(flow.notice(*ids))
    flow.work()
    shown = run("work", "list").output
    assert "held crm:sandbox-crm:" in shown
    assert "see crm:sandbox-crm above" in shown
    (lane,) = json.loads(run("work", "list", "--json").output)["lanes"]
    assert (lane["name"].startswith("crm:"), lane["label"]) == (True, "crm:sandbox-crm")


def test_each_reason_has_a_line_of_its_own(run: Run, flow: Any) -> None:
    (made,) = flow.make_leads()
    flow.fault(where="crm", kind="unprocessable")
    flow.post(flow.notice(made))
    flow.work()
    first, *rest = run("work", "list").output.splitlines()
    assert first.endswith(f"lead {made} to sandbox-crm: failed, tries 1")
    assert any(line.startswith("    Mend: ") for line in rest)


def test_a_parked_row_is_dropped_for_good(run: Run, flow: Any) -> None:
    (made,) = flow.make_leads()
    flow.fault(where="crm", kind="unprocessable")
    flow.post(flow.notice(made))
    flow.work()
    (row,) = json.loads(run("work", "list", "--json").output)["work"]
    asked = run("work", "drop", str(row["id"]))
    assert (asked.exit_code, "--yes" in asked.output) == (2, True)
    assert (
        f"Row {row['id']} (lead {made} to sandbox-crm) is dropped."
        in run("work", "drop", str(row["id"]), "--yes").output
    )
    assert run("work", "list", "--parked").exit_code == 0
    assert "dropped by hand" in " ".join(run("leads", "show", made).output.split())
    gone = run("work", "drop", str(row["id"]), "--yes", "--json")
    assert (gone.exit_code, json.loads(gone.output)["error"]["code"]) == (1, "not_found")
    flow.no_faults()
    assert json.loads(run("leads", "replay", made, "--json").output) == {"replayed": 1}
    flow.work()
    assert made in flow.crm()


def test_failures_of_commands_are_objects_for_programs(run: Run, flow: Any) -> None:
    for arguments, code in (
        (("leads", "show", "999"), "not_found"),
        (("crm", "check", "nope"), "not_found"),
        (("leads", "backfill", "--form", "1234"), None),
        (("work", "retry", "999"), "not_found"),
        (("crm", "try", "sandbox-crm", "--made-up", "--lead", "1"), "usage"),
    ):
        told = run(*arguments, "--json")
        assert told.exit_code == (2 if code == "usage" else 1)
        error = json.loads(told.output.splitlines()[-1])["error"]
        assert error["message"]
        assert code is None or error["code"] == code


def test_the_last_lead_to_try_is_the_first_of_the_list(run: Run, flow: Any) -> None:
    ids = flow.make_leads(count=4)
    flow.post(flow.notice(*ids))
    flow.work()
    top = json.loads(run("leads", "list", "--json").output)[0]["leadgen_id"]
    assert top in run("crm", "try", "sandbox-crm", "--dry-run").output
