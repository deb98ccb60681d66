"""`leadloop doctor` against the sandbox over real HTTP: each trouble is named with its mend."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from command_bench import ATELIER, BIKES, Bench, GivenContext, messaging
from lead_rows import add

from leadloop.cli import cli
from sandbox.datasets import CRM_DATASET_ID, STRANGE_DATASET_ID
from store.lanes import graph_lane
from store.models import Lane, Page, Work


@pytest.fixture
def bench(make_flow: Callable[..., Any], running: Any) -> Bench:
    return Bench(make_flow(meta_access_token=running.options.system_token))


def test_an_installation_that_works_is_well(bench: Bench) -> None:
    code, found = bench.find("--connections")
    assert code == 0
    assert [one for code, each in found.items() for one in each if one["level"] != "ok"] == found["no_admin"]
    assert "admin = true" in found["no_admin"][0]["mend"]
    assert {one["what"].split(" (")[0] for one in found["page"]} == {f"Page {BIKES}", f"Page {ATELIER}"}
    assert found["connection"]
    bench.apply(config=bench.config.replace('name = "sandbox-sales"', 'name = "sandbox-sales"\nadmin = true'))
    done = bench.run("doctor")
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, "All is well.")
    assert "sandbox-sales will be rung" in done.output


def test_it_changes_nothing_and_sends_nothing(bench: Bench) -> None:
    bench.apply(messaging(CRM_DATASET_ID))
    before = len(bench.flow.running.sandbox.state.datasets.datasets)
    bench.run("doctor")
    assert len(bench.flow.running.sandbox.state.datasets.datasets) == before
    assert not bench.flow.running.sandbox.state.datasets.events


def test_a_dataset_that_is_not_assigned_is_an_error_with_the_click(bench: Bench) -> None:
    bench.apply(f'[[datasets]]\nid = "{STRANGE_DATASET_ID}"\n')
    code, found = bench.find()
    (finding,) = found["graph_100_33"]
    assert (code, finding["level"], finding["section"]) == (1, "error", "datasets")
    assert f"dataset {STRANGE_DATASET_ID}" in finding["what"]
    assert "Assign people" in finding["mend"]
    assert "UPLOAD" in finding["mend"]
    assert found["dataset"], "the other one is looked at all the same"


def test_whether_a_token_may_send_is_not_claimed(bench: Bench) -> None:
    _code, found = bench.find()
    (finding,) = found["dataset"]
    assert f"leadloop conversions test --dataset {CRM_DATASET_ID}" in finding["why"]


def test_a_token_that_may_only_send_is_no_error(bench: Bench) -> None:
    bench.knob(missing_scopes=["ads_read"])
    code, found = bench.find("--dataset", CRM_DATASET_ID)
    assert code == 0
    (finding,) = [one for each in found.values() for one in each if one["section"] == "datasets"]
    assert finding["level"] == "warning"
    assert "says nothing against sending" in finding["why"]
    assert "leadloop conversions test" in finding["mend"]


def test_a_dataset_without_a_token_is_an_error(make_flow: Callable[..., Any], running: Any) -> None:
    bench = Bench(make_flow())
    bench.apply(f'[[datasets]]\nid = "{STRANGE_DATASET_ID}"\n')
    code, found = bench.find("--dataset", STRANGE_DATASET_ID)
    assert (code, found["no_token"][0]["level"]) == (1, "error")
    assert "[[datasets]]" in found["no_token"][0]["mend"]


def test_a_page_linked_to_no_dataset_is_told_how_to_get_one_and_then_is_well(bench: Bench) -> None:
    bench.apply(messaging(CRM_DATASET_ID))
    code, found = bench.find()
    (finding,) = found["no_link"]
    assert (code, finding["level"]) == (0, "warning")
    assert BIKES in finding["what"]
    assert f"leadloop datasets create --page {BIKES}" in finding["mend"]
    made = json.loads(bench.run("datasets", "create", "--page", BIKES, "--json").stdout)
    assert (made["made"], made["also_named"]) == (True, [CRM_DATASET_ID])
    (finding,) = bench.find()[1]["other_link"]
    assert f'dataset_id = "{made["dataset_id"]}"' in finding["mend"]
    assert "training begins anew" in finding["mend"]
    bench.apply(messaging(made["dataset_id"]))
    _code, found = bench.find("--page", BIKES)
    assert "other_link" not in found
    assert [one["level"] for one in found["link"]] == ["ok"]


def test_the_link_of_pages_without_messaging_events_is_no_matter(bench: Bench) -> None:
    bench.apply(messaging(CRM_DATASET_ID))
    _code, found = bench.find("--page", ATELIER)
    assert {"no_link", "link", "other_link", "no_country"}.isdisjoint(found)
    assert "page" in found


def test_a_right_that_is_missing_for_the_link_is_a_warning(bench: Bench) -> None:
    bench.apply(messaging(CRM_DATASET_ID))
    bench.knob(missing_scopes=["page_events"])
    _code, found = bench.find("--page", BIKES)
    (finding,) = [one for each in found.values() for one in each if one["what"].endswith("its dataset")]
    assert finding["level"] == "warning"
    assert "page_events" in finding["mend"]


def test_a_page_of_a_restricted_country_is_told_and_not_asked_about(bench: Bench) -> None:
    bench.apply(messaging(CRM_DATASET_ID, ATELIER))
    _code, found = bench.find()
    (finding,) = found["region_restricted"]
    assert ATELIER in finding["what"]
    assert "conversion_leads" in finding["mend"]
    assert "no_link" not in found


def test_a_page_without_a_country_is_told(bench: Bench) -> None:
    lines = bench.config.splitlines()
    bench.apply(
        messaging(CRM_DATASET_ID), config="\n".join(one for one in lines if not one.startswith("business_country"))
    )
    assert [BIKES in one["what"] for one in bench.find()[1]["no_country"]] == [True]


def test_a_dead_token_is_an_error_for_each_page(bench: Bench) -> None:
    bench.apply(config=bench.config.replace(bench.flow.running.options.page_token(BIKES), "EAAdeadtoken"))
    code, found = bench.find()
    assert code == 1
    (finding,) = [one for each in found.values() for one in each if one["level"] == "error"]
    assert BIKES in finding["what"]
    assert finding["code"].startswith("graph_190")
    assert [ATELIER in one["what"] for one in found["page"]] == [True]


def test_meta_out_of_reach_is_an_error_and_no_crash(bench: Bench) -> None:
    done = bench.run("doctor", meta_graph_url="http://127.0.0.1:9")
    assert done.exit_code == 1
    assert done.output.count("error") >= 3


def test_a_secret_that_does_not_open_is_an_error_for_its_owner(bench: Bench) -> None:
    other = "b3RoZXJrZXlvdGhlcmtleW90aGVya2V5b3RoZXJrZXk="
    code, found = bench.find(leadloop_secret_keys=(other,))
    assert (code, len(found["secret_unopened"])) == (1, 3)


def test_what_is_held_and_parked_is_an_error_with_its_mend(bench: Bench) -> None:
    now = bench.flow.services.now()
    add(
        bench.flow.services,
        Lane(
            name=graph_lane(BIKES),
            rest_until=now + timedelta(hours=1),
            since=now,
            hold=True,
            code="graph_190",
            message="The token is dead.",
            action="Make a new one.",
        ),
        Work(
            kind="lead",
            subject_id=1,
            lane="x",
            queue="0:x",
            state="parked",
            due_at=now,
            added_at=now,
        ),
        Work(kind="lead", subject_id=2, lane=graph_lane(BIKES), queue="0:y", due_at=now, added_at=now),
    )
    code, found = bench.find()
    (held,), (parked,) = found["graph_190"], found["parked"]
    assert (code, held["what"], held["mend"]) == (1, f"graph:{BIKES}", "Make a new one.")
    assert held["why"].endswith("1 row waits: The token is dead.")
    assert "1 row waits for a person." in parked["why"]
    assert bench.find("--page", ATELIER)[0] == 0, "that is another Page's"
    assert bench.find("--page", BIKES)[0] == 1


def test_few_stages_are_told(bench: Bench) -> None:
    start, _, rest = bench.config.partition("stages = [")
    tail = rest.partition("]\n")[2]
    bench.apply(config=f'{start}stages = [\n  {{ stage = "won", event = "Won" }},\n]\n{tail}')
    assert "one stage" in bench.find()[1]["few_stages"][0]["why"]
    two = '{ stage = "won", event = "Won" }, { stage = "demo", event = "Demo" }'
    bench.apply(config=f"{start}stages = [{two}]\n{tail}")
    assert "raw_event" in bench.find()[1]["no_raw_stage"][0]["mend"]
    bench.apply(config=f'{start}raw_event = "Raw Lead"\nstages = [{two}]\n{tail}')
    found = bench.find()[1]
    assert not {"few_stages", "no_raw_stage"} & set(found)


def test_a_page_that_no_route_takes_and_one_that_nobody_configured_are_told(bench: Bench) -> None:
    bench.apply(config=bench.config.replace(f'pages = ["{BIKES}", "{ATELIER}"]', f'pages = ["{BIKES}"]'))
    add(bench.flow.services, Page(page_id="101000000000009", configured=False))
    _code, found = bench.find()
    assert [ATELIER in one["what"] for one in found["no_route"]] == [True]
    assert ["101000000000009" in one["mend"] for one in found["page_unknown"]] == [True]


def test_an_installation_without_pages_is_told_to_connect_one(make_flow: Callable[..., Any]) -> None:
    code, found = Bench(make_flow(configure=False)).find()
    assert (code, "no_page" in found) == (1, True)


def test_the_next_start_is_looked_at_before_it_comes(bench: Bench, tmp_path: Path) -> None:
    file = tmp_path / "next.toml"
    file.write_text(bench.config.replace(CRM_DATASET_ID, "900000000000007"))
    code, found = bench.find(leadloop_config=str(file))
    assert (code, len(found["dataset_change"])) == (0, 1)
    assert "training starts again" in found["dataset_change"][0]["why"]
    file.write_text("[[pages]]\n")
    code, found = bench.find(leadloop_config=str(file))
    assert (code, found["configuration"][0]["level"]) == (1, "error")
    assert "leadloop config check" in found["configuration"][0]["mend"]
    assert bench.find(leadloop_config=str(tmp_path / "none.toml"))[0] == 1


def test_missing_settings_are_errors(bench: Bench) -> None:
    code, found = bench.find(meta_verify_token="")
    assert (code, found["settings"][0]["level"]) == (1, "error")
    assert "META_VERIFY_TOKEN" in found["settings"][0]["why"]
    assert found["settings"][0]["mend"]


def test_what_is_not_there_is_refused(bench: Bench) -> None:
    for arguments in (["--page", "1"], ["--dataset", "1"], ["--page", BIKES, "--dataset", "1"]):
        done = bench.run("doctor", *arguments)
        assert (done.exit_code, "Traceback" in done.output) == (1, False)
        assert "no " in done.output


def test_one_dataset_alone_is_looked_at(bench: Bench) -> None:
    bench.apply(f'[[datasets]]\nid = "{STRANGE_DATASET_ID}"\n')
    code, found = bench.find("--dataset", CRM_DATASET_ID)
    assert (code, "page" in found, "graph_100_33" in found) == (0, False, False)


@pytest.mark.parametrize("columns", ["80", "120"])
def test_it_fits_the_terminal(bench: Bench, columns: str) -> None:
    bench.apply(messaging(STRANGE_DATASET_ID))
    settings = bench.flow.services.settings
    for command in (["doctor"], ["datasets", "list"]):
        done = CliRunner().invoke(cli, command, obj=GivenContext(settings), env={"COLUMNS": columns})
        assert max(map(len, done.output.splitlines())) <= int(columns)
