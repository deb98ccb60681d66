from typing import Any

import pytest
from sandbox_bench import Bench

from sandbox.forms import ATELIER, BIKES, ENGLISH, FRENCH, SPANISH, TURKISH

FORM_FIELDS = "id,name,status,locale,page,created_time,questions,tracking_parameters,legal_content,leads_count"


def test_a_form_and_its_questions(bench: Bench) -> None:
    bench.lead(form_id=SPANISH.form_id)
    form = bench.graph(SPANISH.form_id, fields=FORM_FIELDS).get_json()
    questions = {question["key"]: question for question in form["questions"]}
    assert (form["name"], form["locale"], form["status"]) == (SPANISH.name, "es_ES", "ACTIVE")
    assert form["page"] == {"id": ATELIER.page_id, "name": ATELIER.name}
    assert form["leads_count"] == 1
    assert questions["número_de_teléfono"]["type"] == "PHONE"
    assert questions["¿qué_servicio_necesitas?"]["options"][1] == {"key": "baño", "value": "Baño"}
    assert form["tracking_parameters"] == [{"key": "utm_source", "value": "meta"}]
    assert "multiple" not in questions["¿qué_servicio_necesitas?"]


def test_a_form_without_hidden_parameters_has_none(bench: Bench) -> None:
    assert "tracking_parameters" not in bench.graph(FRENCH.form_id, fields=FORM_FIELDS).get_json()


def test_fields_of_fields(bench: Bench) -> None:
    form = bench.graph(ENGLISH.form_id, fields="questions{key,type},page{id}").get_json()
    assert form["questions"][0] == {"id": ENGLISH.form_id + "01", "key": "full_name", "type": "FULL_NAME"}
    assert form["page"] == {"id": BIKES.page_id}


def test_form_defaults(bench: Bench) -> None:
    assert bench.graph(ENGLISH.form_id).get_json().keys() == {"id", "locale", "name", "status"}


@pytest.mark.parametrize("token_of", ["page", "system"])
def test_the_forms_of_a_page(bench: Bench, token_of: str) -> None:
    token = bench.options.page_token(BIKES.page_id) if token_of == "page" else None
    listed = bench.graph(f"{BIKES.page_id}/leadgen_forms", token=token, fields="id,questions").get_json()
    assert [form["id"] for form in listed["data"]] == [TURKISH.form_id, ENGLISH.form_id]
    assert listed["data"][1]["questions"]
    assert "next" not in listed["paging"]


def test_the_forms_of_a_page_come_in_pages(bench: Bench) -> None:
    path = f"{ATELIER.page_id}/leadgen_forms"
    first = bench.graph(path, limit=1).get_json()
    second = bench.graph(path, limit=1, after=first["paging"]["cursors"]["after"]).get_json()
    assert [form["id"] for form in first["data"] + second["data"]] == [FRENCH.form_id, SPANISH.form_id]
    assert "next" in first["paging"]
    assert "next" not in second["paging"]


def test_a_page(bench: Bench) -> None:
    page = bench.graph(BIKES.page_id, fields="name,access_token,tasks").get_json()
    assert page["access_token"] == bench.options.page_token(BIKES.page_id)
    assert "ADVERTISE" in page["tasks"]
    assert bench.graph(BIKES.page_id).get_json() == {"id": BIKES.page_id, "name": BIKES.name}


@pytest.mark.parametrize("blocked", [False, True])
def test_lead_access(bench: Bench, blocked: bool) -> None:
    if blocked:
        bench.control("/faults", {"where": "graph", "kind": "no_lead_access", "page_id": BIKES.page_id})
    asked = "has_lead_access.user_id(555).app_id(777)"
    access = bench.graph(BIKES.page_id, fields=asked).get_json()["has_lead_access"]
    assert access["can_access_lead"] is not blocked
    assert access["user_id"] == "555"
    assert ("failure_resolution" in access) is blocked
    other = bench.graph(ATELIER.page_id, fields=asked).get_json()["has_lead_access"]
    assert other["can_access_lead"] is True
    assert (bench.graph(bench.lead()).status_code == 200) is not blocked


def test_who_am_i(bench: Bench) -> None:
    assert bench.graph("me").get_json()["name"] == "Sandbox system user"
    assert bench.graph("me", token=bench.options.page_token(BIKES.page_id)).get_json()["id"] == BIKES.page_id


def test_accounts_give_each_page_s_token(bench: Bench) -> None:
    rows = bench.graph("me/accounts", fields="id,name,access_token,tasks").get_json()["data"]
    assert {row["id"]: row["access_token"] for row in rows} == {
        page.page_id: bench.options.page_token(page.page_id) for page in (BIKES, ATELIER)
    }
    fresh = bench.control("/tokens", {"page_id": BIKES.page_id, "action": "replace"})["access_token"]
    assert fresh in {row["access_token"] for row in bench.graph("me/accounts").get_json()["data"]}
    of_page = bench.graph("me/accounts", token=fresh)
    assert of_page.get_json()["error"]["code"] == 100


def debug(bench: Bench, token: str) -> dict[str, Any]:
    found = bench.graph("debug_token", token=bench.options.app_token, input_token=token).get_json()["data"]
    assert isinstance(found, dict)
    return found


def test_debug_token_tells_what_a_token_is(bench: Bench) -> None:
    page_token = bench.options.page_token(BIKES.page_id)
    found = debug(bench, page_token)
    assert (found["type"], found["is_valid"], found["profile_id"]) == ("PAGE", True, BIKES.page_id)
    assert {"scope": "leads_retrieval", "target_ids": [BIKES.page_id]} in found["granular_scopes"]
    system = debug(bench, bench.options.system_token)
    assert system["type"] == "SYSTEM_USER"
    assert system["granular_scopes"][0]["target_ids"] == [BIKES.page_id, ATELIER.page_id]
    assert debug(bench, "EAANOBODY")["is_valid"] is False
    assert debug(bench, bench.options.app_token)["type"] == "APP"


def test_debug_token_tells_why_a_token_is_dead(bench: Bench) -> None:
    token = bench.options.page_token(BIKES.page_id)
    bench.control("/tokens", {"page_id": BIKES.page_id, "action": "expire"})
    found = debug(bench, token)
    assert (found["is_valid"], found["error"]["code"], found["error"]["subcode"]) == (False, 190, 463)
    assert 0 < found["expires_at"] < bench.clock().timestamp()
    bench.control("/tokens", {"page_id": BIKES.page_id, "action": "change_password"})
    found = debug(bench, token)
    assert (found["error"]["subcode"], found["expires_at"]) == (460, 0)


def test_debug_token_agrees_with_the_fault(bench: Bench) -> None:
    bench.control("/faults", {"where": "graph", "kind": "token_expired", "page_id": BIKES.page_id})
    assert debug(bench, bench.options.page_token(BIKES.page_id))["is_valid"] is False
    assert debug(bench, bench.options.page_token(ATELIER.page_id))["is_valid"] is True
    bench.control("/faults", {"where": "graph", "kind": "token_rejected", "code": 492, "page_id": ATELIER.page_id})
    assert debug(bench, bench.options.page_token(ATELIER.page_id))["error"]["subcode"] == 492


def test_debug_token_shows_missing_permissions(bench: Bench) -> None:
    bench.control("/settings", {"missing_scopes": ["leads_retrieval"], "ads_rights": False})
    scopes = debug(bench, bench.options.system_token)["scopes"]
    assert "leads_retrieval" not in scopes
    assert "ads_management" not in scopes
    assert "pages_show_list" in scopes


def test_debug_token_needs_an_input(bench: Bench) -> None:
    assert bench.graph("debug_token", token=bench.options.app_token).get_json()["error"]["code"] == 100
