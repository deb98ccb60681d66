"""`leadloop datasets` against the sandbox over real HTTP: listed as Meta shows them, found or made once."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from command_bench import ATELIER, BIKES, Bench, messaging
from sqlalchemy import select
from sqlalchemy.orm import Session

from sandbox.datasets import CRM_DATASET_ID, STRANGE_DATASET_ID
from sandbox.whatsapp_shapes import WABA_ID
from store.models import Page


@pytest.fixture
def bench(make_flow: Callable[..., Any], running: Any) -> Bench:
    return Bench(make_flow(meta_access_token=running.options.system_token))


def test_datasets_are_listed_with_who_names_them_and_what_meta_says(bench: Bench) -> None:
    bench.apply(messaging(STRANGE_DATASET_ID), f'[[datasets]]\nid = "{CRM_DATASET_ID}"\naccess_token = "EAAdead"\n')
    rows = {one["dataset_id"]: one for one in json.loads(bench.run("datasets", "list", "--json").stdout)}
    assert list(rows) == [CRM_DATASET_ID, STRANGE_DATASET_ID]
    crm, strange = rows.values()
    assert (crm["token_from"], crm["error"]["code"].startswith("graph_190")) == ("its own", True)
    assert (strange["token_from"], strange["error"]["code"]) == ("system user", "graph_100_33")
    assert strange["funnels"] == [{"connection": "sandbox-crm", "route": "business_messaging", "stages": 1}]
    bench.apply()
    (row,) = json.loads(bench.run("datasets", "list", "--json").stdout)
    assert (row["name"], row["is_crm"], row["error"]) == ("Bosphorus Bikes CRM (sandbox)", True, None)
    assert "none yet" in bench.run("datasets", "list").output


def test_a_dataset_that_only_a_page_names_is_served_with_its_token(make_flow: Callable[..., Any], running: Any) -> None:
    bench = Bench(make_flow(configure=False))
    made = running.sandbox.state.datasets.make_linked(BIKES, BIKES, "Bikes", bench.flow.services.now()).dataset_id
    token = running.options.page_token(BIKES)
    bench.flow.apply(f'[[pages]]\nid = "{BIKES}"\naccess_token = "{token}"\ndataset_id = "{made}"\n')
    (row,) = json.loads(bench.run("datasets", "list", "--json").stdout)
    assert (row["token_from"], row["pages"], row["error"]) == ("Page", [BIKES], None)


def test_no_dataset_is_told_how_to_get_one(make_flow: Callable[..., Any]) -> None:
    done = Bench(make_flow(configure=False)).run("datasets", "list")
    assert "leadloop datasets create --page ID" in done.output


def test_making_a_dataset_twice_makes_one_and_changes_no_configuration(bench: Bench) -> None:
    first = bench.run("datasets", "create", "--page", BIKES, "--name", "Bikes")
    assert first.exit_code == 0
    dataset_id = f"9{BIKES}"
    assert f'[[pages]]\nid = "{BIKES}"\ndataset_id = "{dataset_id}"\n' in first.output
    assert "was made" in first.output
    second = bench.run("datasets", "create", "--page", BIKES, "--name", "Other")
    assert f"Dataset {dataset_id} (Bikes) is linked to {BIKES}" in second.output
    assert "keeps its name" in second.output
    with Session(bench.flow.services.engine) as session:
        assert set(session.scalars(select(Page.dataset_id))) == {None}


def test_making_a_dataset_warns_when_the_configuration_names_another(bench: Bench) -> None:
    quiet = bench.run("datasets", "create", "--page", ATELIER)
    assert "Warning" not in quiet.output
    named = f'business_country = "TR"\ndataset_id = "{CRM_DATASET_ID}"'
    bench.apply(config=bench.config.replace('business_country = "TR"', named, 1))
    loud = bench.run("datasets", "create", "--page", BIKES)
    assert f"names {CRM_DATASET_ID} for {BIKES}" in loud.stderr
    assert "training begins anew" in loud.stderr


def test_what_the_configuration_names_already_is_said(bench: Bench) -> None:
    named = f'business_country = "TR"\ndataset_id = "9{BIKES}"'
    bench.apply(config=bench.config.replace('business_country = "TR"', named, 1))
    done = bench.run("datasets", "create", "--page", BIKES)
    assert "names it for this Page already" in done.output
    assert "Warning" not in done.output


@pytest.mark.parametrize("page_id", ["999000000000001", "not-an-id"])
def test_an_account_that_meta_does_not_show_is_refused_with_a_reason(bench: Bench, page_id: str) -> None:
    done = bench.run("datasets", "create", "--page", page_id)
    assert done.exit_code == 1
    assert "Traceback" not in done.output
    told = json.loads(bench.run("datasets", "create", "--page", page_id, "--json").stdout)
    assert told["error"]["code"]


def test_without_a_token_nothing_is_made(make_flow: Callable[..., Any]) -> None:
    bench = Bench(make_flow(configure=False))
    done = bench.run("datasets", "create", "--page", BIKES, "--json")
    assert (done.exit_code, json.loads(done.stdout)["error"]["code"]) == (1, "no_token")


def test_an_account_in_no_configuration_is_served_with_the_system_users_token(bench: Bench) -> None:
    made = json.loads(bench.run("datasets", "create", "--page", WABA_ID, "--json").stdout)
    assert (made["made"], made["dataset_id"]) == (True, f"9{WABA_ID}")
