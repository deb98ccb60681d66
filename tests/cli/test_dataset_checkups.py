"""What the doctor makes of a dataset as Meta shows it: what the funnels need, and nothing held against what Meta leaves out."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from conftest import NOW

from leadloop.cli.checkups.dataset_plans import DatasetPlan, Link
from leadloop.cli.checkups.datasets import check_info, check_link, check_region, check_stages
from leadloop.cli.checkups.findings import Finding, ask_all
from leadloop.conversions.datasets import DatasetInfo, DatasetRef
from leadloop.conversions.funnel import parse_funnel
from store.datasets import DatasetToServe
from store.funnels import ConfiguredFunnel
from store.models import Page

ID = "900000000000001"
INFO = DatasetInfo(ID, name="Acme", is_crm=True, is_consolidated_container=True, is_unavailable=False)
STAGES = [{"stage": "qualified", "event": "Lead"}, {"stage": "won", "event": "Won"}]


def funnel(route: str | None = None, stages: list[dict[str, Any]] | None = None, **options: Any) -> ConfiguredFunnel:
    return ConfiguredFunnel("crm", parse_funnel(ID, STAGES if stages is None else stages, {"route": route} | options))


def plan(*funnels: ConfiguredFunnel) -> DatasetPlan:
    return DatasetPlan(ID, None, False, funnels, (), DatasetToServe(1, ID, None))


def codes(findings: list[Finding]) -> list[str]:
    return [one.code for one in findings]


@pytest.mark.parametrize(
    ("route", "changes", "expected"),
    [
        ("conversion_leads", {"is_crm": False}, ["dataset_not_crm"]),
        ("conversion_leads", {"is_crm": None}, ["dataset"]),
        ("conversion_leads", {"is_consolidated_container": False}, ["dataset"]),
        ("business_messaging", {"is_crm": False}, ["dataset"]),
        ("physical_store", {"is_consolidated_container": False, "is_crm": False}, ["dataset_not_consolidated"]),
        ("physical_store", {"is_consolidated_container": None}, ["dataset"]),
        ("website", {"is_unavailable": True}, ["dataset_unavailable"]),
        ("conversion_leads", {"is_unavailable": True, "is_crm": False}, ["dataset_unavailable", "dataset_not_crm"]),
    ],
)
def test_only_what_a_funnel_needs_and_meta_denies_is_told(
    route: str, changes: dict[str, Any], expected: list[str]
) -> None:
    found = check_info(plan(funnel(route, [{"stage": "won", "event": "Purchase"}])), replace(INFO, **changes), NOW)
    assert codes(found) == expected
    assert all(one.mend for one in found if one.level != "ok")


def test_both_needs_are_told_of_a_dataset_of_both_routes() -> None:
    info = replace(INFO, is_crm=False, is_consolidated_container=False)
    found = check_info(plan(funnel("physical_store"), funnel()), info, NOW)
    assert codes(found) == ["dataset_not_crm", "dataset_not_consolidated"]


def test_the_last_event_and_who_names_it_are_told() -> None:
    (finding,) = check_info(plan(funnel()), replace(INFO, last_fired_at=NOW - timedelta(minutes=3)), NOW)
    assert "its last event came 3 min ago" in finding.why
    assert "funnel crm (conversion_leads)" in finding.why
    assert "no event yet" in check_info(plan(funnel()), INFO, NOW)[0].why


@pytest.mark.parametrize(
    ("funnels", "expected"),
    [
        ([], []),
        ([funnel("website", [{"stage": "won", "event": "Purchase"}])], []),
        ([funnel(stages=[])], ["few_stages"]),
        ([funnel(stages=[{"stage": "lost"}])], ["few_stages"]),
        ([funnel(stages=[{"stage": "won", "event": "Won"}])], ["few_stages"]),
        ([funnel(stages=[{"stage": "a", "event": "Won"}, {"stage": "b", "event": "Won"}])], ["few_stages"]),
        ([funnel(stages=[{"stage": "won", "event": "Won"}], raw_event="Raw Lead")], []),
        ([funnel()], ["no_raw_stage"]),
        ([funnel(stages=[{"stage": "New", "event": "Raw Lead"}, *STAGES])], []),
        ([funnel(stages=STAGES[:1]), funnel(stages=STAGES[1:], raw_event="Raw Lead")], []),
    ],
)
def test_conversion_leads_wants_two_stages_and_the_raw_lead(
    funnels: list[ConfiguredFunnel], expected: list[str]
) -> None:
    assert codes(check_stages(plan(*funnels))) == expected


def link(*wanted: str, country: str | None = "TR") -> Link:
    return Link(Page(page_id="111", name="Acme\nIstanbul", business_country=country), wanted)


def test_a_page_is_well_only_with_the_dataset_its_events_go_to() -> None:
    assert codes(check_link(link(ID), [DatasetRef(ID, None)])) == ["link"]
    assert codes(check_link(link(ID), [])) == ["no_link"]
    assert codes(check_link(link(ID), [DatasetRef("9", None)])) == ["other_link"]
    (finding,) = check_link(link(ID, "7"), [DatasetRef(ID, None)])
    assert (finding.code, "sends to 7, and" in finding.why) == ("other_link", True)
    assert finding.what == "Page 111 (Acme Istanbul), its dataset"


@pytest.mark.parametrize(
    ("country", "expected"),
    [("TR", []), ("US", []), (None, ["no_country"]), ("DE", ["region_restricted"]), ("jp", ["region_restricted"])],
)
def test_countries_are_told_where_meta_takes_no_messaging_events(country: str | None, expected: list[str]) -> None:
    assert codes(check_region(link(ID, country=country))) == expected


def test_findings_come_in_the_order_of_what_was_asked() -> None:
    found = ask_all(lambda number: [Finding("ok", "n", str(number), ".")] * (number % 3), range(20))
    assert [int(one.what) for one in found] == sorted(n for n in range(20) for _ in range(n % 3))
    assert ask_all(lambda _thing: [], []) == []
