import json
from datetime import timedelta
from typing import Any

import pytest
from sandbox_bench import Bench

from sandbox.forms import ENGLISH, FORMS, SPANISH, TURKISH

FULL = (
    "id,created_time,form_id,ad_id,ad_name,adset_id,adset_name,campaign_id,campaign_name,is_organic,platform,"
    "field_data,custom_disclaimer_responses,partner_name,retailer_item_id,post,vehicle,home_listing"
)


def test_one_lead_with_all_fields(bench: Bench) -> None:
    answers = {"full_name": "Zoë Test", "email": "zoe@example.com", "which_bikes_interest_you?": ["city", "cargo"]}
    leadgen_id = bench.lead(answers=answers, ticked=["optional_2"], platform="ig")
    lead = bench.graph(leadgen_id, fields=FULL).get_json()
    answered = {row["name"]: row["values"] for row in lead["field_data"]}
    assert int(leadgen_id) > 2**53
    assert lead["id"] == leadgen_id
    assert lead["created_time"] == "2026-11-22T09:00:00+0000"
    assert (lead["form_id"], lead["platform"], lead["is_organic"]) == (ENGLISH.form_id, "ig", False)
    assert lead["ad_id"].isdigit()
    assert lead["campaign_name"]
    assert answered["full_name"] == ["Zoë Test"]
    assert answered["which_bikes_interest_you?"] == ["city", "cargo"]
    assert (answered["utm_source"], answered["utm_campaign"]) == (["meta"], ["autumn_2026"])
    assert lead["custom_disclaimer_responses"] == [
        {"checkbox_key": "optional_1", "is_checked": ""},
        {"checkbox_key": "optional_2", "is_checked": "1"},
    ]
    assert not {"vehicle", "home_listing", "post", "partner_name"} & lead.keys()


def test_only_what_is_asked_is_told(bench: Bench) -> None:
    leadgen_id = bench.lead()
    assert bench.graph(leadgen_id).get_json().keys() == {"id", "created_time", "field_data"}
    assert bench.graph(leadgen_id, fields="platform").get_json().keys() == {"id", "platform"}
    assert bench.graph(leadgen_id, fields="field_data{name}").get_json()["field_data"][0] == {"name": "full_name"}


def test_an_unknown_field_is_refused(bench: Bench) -> None:
    error = bench.graph(bench.lead(), fields="id,is_test").get_json()["error"]
    assert (error["code"], error["message"]) == (
        100,
        "(#100) Tried accessing nonexisting field (is_test) on node type (UserLeadGenInfo)",
    )


def test_an_organic_lead_has_no_ad(bench: Bench) -> None:
    lead = bench.graph(bench.lead(organic=True), fields="ad_id,ad_name,is_organic").get_json()
    assert lead == {"id": lead["id"], "is_organic": True}


@pytest.mark.parametrize("code", [200, 100, 10])
def test_ad_fields_need_the_right_to_see_ads(bench: Bench, code: int) -> None:
    bench.control("/settings", {"ads_rights": False, "ads_error": code})
    leadgen_id = bench.lead()
    assert bench.graph(leadgen_id, fields="id,ad_name").get_json()["error"]["code"] == code
    assert bench.graph(f"{ENGLISH.form_id}/leads", fields="id,ad_id").get_json()["error"]["code"] == code
    assert bench.graph(leadgen_id, fields="id,form_id,field_data,platform").status_code == 200


def test_a_missing_permission_is_200(bench: Bench) -> None:
    bench.control("/settings", {"missing_scopes": ["leads_retrieval"]})
    for path in (bench.lead(), f"{ENGLISH.form_id}/leads"):
        error = bench.graph(path).get_json()["error"]
        assert error["code"] == 200
        assert "leads_retrieval" in error["message"]


def test_reading_is_noted_on_the_way_of_the_lead(bench: Bench) -> None:
    leadgen_id = bench.lead()
    bench.clock.forward(seconds=2)
    bench.graph(leadgen_id)
    bench.graph(leadgen_id)
    hop = bench.state()["leads"][0]["journey"]["hops"]["read"]
    assert (hop["ms"], hop["count"]) == (2000.0, 2)


def test_after_90_days_a_lead_is_gone(bench: Bench) -> None:
    leadgen_id = bench.lead()
    bench.clock.forward(days=89)
    assert bench.graph(leadgen_id).status_code == 200
    bench.clock.forward(days=2)
    assert bench.graph(leadgen_id).get_json()["error"]["error_subcode"] == 33
    assert bench.graph(f"{ENGLISH.form_id}/leads").get_json() == {"data": []}
    form = bench.graph(ENGLISH.form_id, fields="leads_count,expired_leads_count").get_json()
    assert (form["leads_count"], form["expired_leads_count"]) == (0, 1)


def test_a_deleted_lead_is_gone(bench: Bench) -> None:
    leadgen_id = bench.lead()
    assert bench.graph(leadgen_id, method="DELETE").get_json() == {"success": True}
    assert bench.graph(leadgen_id).get_json()["error"]["error_subcode"] == 33


# --- lists ------------------------------------------------------------------------------------------------------------


def read_all(bench: Bench, path: str, **params: Any) -> list[str]:
    """Follow the cursors to the end; each page but the last is full."""
    found: list[str] = []
    after = None
    while True:
        page = bench.graph(path, after=after, **params).get_json()
        found += [row["id"] for row in page["data"]]
        if "next" not in page.get("paging", {}):
            return found
        assert len(page["data"]) == int(params.get("limit", 25))
        after = page["paging"]["cursors"]["after"]


@pytest.mark.parametrize("limit", [1, 3, 7, 8, 100])
def test_paging_tells_every_lead_once_newest_first(bench: Bench, limit: int) -> None:
    made = [bench.lead() for _ in range(7)]
    bench.lead(form_id=SPANISH.form_id)
    assert read_all(bench, f"{ENGLISH.form_id}/leads", limit=limit) == made[::-1]


def test_a_cursor_stays_good_while_leads_come(bench: Bench) -> None:
    made = [bench.lead() for _ in range(4)]
    first = bench.graph(f"{ENGLISH.form_id}/leads", limit=2).get_json()
    bench.clock.forward(minutes=1)
    bench.lead()
    after = first["paging"]["cursors"]["after"]
    second = bench.graph(f"{ENGLISH.form_id}/leads", limit=2, after=after).get_json()
    assert [row["id"] for row in second["data"]] == made[1::-1]
    assert "next" not in second["paging"]
    before = second["paging"]["cursors"]["before"]
    back = bench.graph(f"{ENGLISH.form_id}/leads", limit=2, before=before).get_json()
    assert [row["id"] for row in back["data"]] == [row["id"] for row in first["data"]]


def test_the_next_link_can_be_followed(bench: Bench) -> None:
    made = [bench.lead() for _ in range(3)]
    first = bench.graph(f"{ENGLISH.form_id}/leads", limit=2, fields="id,platform").get_json()
    headers = {"Authorization": f"Bearer {bench.options.system_token}"}
    second = bench.http.get(first["paging"]["next"], headers=headers).get_json()
    assert [row["id"] for row in second["data"]] == [made[0]]
    assert "platform" in second["data"][0]


def test_no_lead_is_an_empty_list(bench: Bench) -> None:
    assert bench.graph(f"{ENGLISH.form_id}/leads").get_json() == {"data": []}


@pytest.mark.parametrize("after", ["x", "QQ==", "!!!", "é", "bmFuOng", "AAAA" * 500])
def test_a_bad_cursor_is_refused(bench: Bench, after: str) -> None:
    bench.lead()
    answer = bench.graph(f"{ENGLISH.form_id}/leads", after=after)
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (400, 100)


@pytest.mark.parametrize("limit", ["-1", "many", "1e3", "٣"])
def test_a_bad_limit_is_refused(bench: Bench, limit: str) -> None:
    assert bench.graph(f"{ENGLISH.form_id}/leads", limit=limit).get_json()["error"]["code"] == 100


def test_too_large_a_page_is_too_much_data(bench: Bench) -> None:
    error = bench.graph(f"{ENGLISH.form_id}/leads", limit=501).get_json()["error"]
    assert error["code"] == 1
    assert "reduce the amount of data" in error["message"]


def filtered(bench: Bench, *rows: Any) -> list[str]:
    page = bench.graph(f"{ENGLISH.form_id}/leads", filtering=json.dumps(rows)).get_json()
    return [row["id"] for row in page["data"]]


def test_filtering_by_time_created(bench: Bench) -> None:
    made, seconds = [], []
    for _ in range(3):
        made.append(bench.lead())
        seconds.append(int(bench.clock().timestamp()))
        bench.clock.forward(minutes=1)
    name = "time_created"
    assert filtered(bench, {"field": name, "operator": "GREATER_THAN", "value": seconds[1]}) == [made[2]]
    assert filtered(bench, {"field": name, "operator": "GREATER_THAN_OR_EQUAL", "value": str(seconds[1])}) == [
        made[2],
        made[1],
    ]
    assert filtered(bench, {"field": name, "operator": "LESS_THAN", "value": seconds[1]}) == [made[0]]
    between = [
        {"field": name, "operator": "GREATER_THAN", "value": seconds[0]},
        {"field": name, "operator": "LESS_THAN", "value": seconds[2]},
    ]
    assert filtered(bench, *between) == [made[1]]


@pytest.mark.parametrize(
    "row",
    [
        {"field": "created_time", "operator": "GREATER_THAN", "value": 9_999_999_999},
        {"field": "time_created", "operator": "GREATER_THAN", "value": "2999-01-01"},
        {"field": "time_created", "operator": "IN", "value": 9_999_999_999},
        {"field": "time_created", "operator": "LESS_THAN", "value": True},
        {},
    ],
)
def test_a_wrong_filter_is_ignored_without_a_word(bench: Bench, row: dict[str, Any]) -> None:
    leadgen_id = bench.lead()
    assert filtered(bench, row) == [leadgen_id]


@pytest.mark.parametrize(("text", "code"), [("x", 100), ("{}", 100), ("[1]", 100), ("[" * 5_000, 100)])
def test_filtering_that_is_no_list_is_refused(bench: Bench, text: str, code: int) -> None:
    assert bench.graph(f"{ENGLISH.form_id}/leads", filtering=text).get_json()["error"]["code"] == code


def test_filtering_by_id_is_an_unknown_error(bench: Bench) -> None:
    rows = json.dumps([{"field": "id", "operator": "EQUAL", "value": "1"}])
    assert bench.graph(f"{ENGLISH.form_id}/leads", filtering=rows).get_json()["error"]["code"] == 1


def test_a_lead_made_in_the_past(bench: Bench) -> None:
    at = (bench.clock() - timedelta(days=3)).isoformat()
    lead = bench.graph(bench.lead(created_at=at)).get_json()
    assert lead["created_time"] == "2026-11-19T09:00:00+0000"


# --- test leads -------------------------------------------------------------------------------------------------------


def test_a_test_lead_holds_dummy_data(bench: Bench) -> None:
    made = bench.graph(f"{TURKISH.form_id}/test_leads", method="POST").get_json()
    lead = bench.graph(made["id"], fields=FULL).get_json()
    answered = {row["name"]: row["values"] for row in lead["field_data"]}
    assert answered["e-posta"] == ["test@meta.com"]
    assert answered["adı"] == ["<test lead: dummy data for adı>"]
    assert lead["is_organic"] is True
    assert "ad_id" not in lead
    assert [row["id"] for row in bench.graph(f"{TURKISH.form_id}/test_leads").get_json()["data"]] == [made["id"]]
    assert [send["leadgen_ids"] for send in bench.state()["sends"]] == [[made["id"]]]


def test_there_is_one_test_lead_for_each_form(bench: Bench) -> None:
    path = f"{ENGLISH.form_id}/test_leads"
    first = bench.graph(path, method="POST").get_json()["id"]
    assert bench.graph(path, method="POST").get_json()["error"]["code"] == 100
    assert bench.graph(f"{SPANISH.form_id}/test_leads", method="POST").status_code == 200
    bench.graph(first, method="DELETE")
    assert bench.graph(path, method="POST").status_code == 200


def test_a_test_lead_with_answers_of_ones_own(bench: Bench) -> None:
    field_data = [{"name": "full_name", "values": ["Zoë"]}, {"name": "extra", "values": "x"}]
    boxes = [{"checkbox_key": "optional_1", "is_checked": "1"}, {"checkbox_key": "optional_2", "is_checked": ""}]
    made = bench.graph(
        f"{ENGLISH.form_id}/test_leads",
        method="POST",
        field_data=json.dumps(field_data),
        custom_disclaimer_responses=json.dumps(boxes),
    ).get_json()
    lead = bench.graph(made["id"], fields="field_data,custom_disclaimer_responses").get_json()
    assert lead["field_data"] == [{"name": "full_name", "values": ["Zoë"]}, {"name": "extra", "values": ["x"]}]
    assert lead["custom_disclaimer_responses"] == boxes


@pytest.mark.parametrize("text", ["x", "{}", "[1]", '[{"name":"a"}]', "[" * 5_000])
def test_bad_field_data_is_refused(bench: Bench, text: str) -> None:
    answer = bench.graph(f"{ENGLISH.form_id}/test_leads", method="POST", field_data=text)
    assert answer.get_json()["error"]["code"] == 100


def test_every_form_makes_leads(bench: Bench) -> None:
    for form in FORMS:
        lead = bench.graph(bench.lead(form_id=form.form_id)).get_json()
        names = [row["name"] for row in lead["field_data"]]
        assert names == [question.key for question in form.questions] + [key for key, _value in form.tracking]
        assert all(row["values"] and all(row["values"]) for row in lead["field_data"])
