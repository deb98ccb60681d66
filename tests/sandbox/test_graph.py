"""The door of the Graph API: versions, tokens, proof, faults, headers."""

import json
from typing import Any

import pytest
from sandbox_bench import Bench

from sandbox import SandboxOptions, create_sandbox
from sandbox.forms import ATELIER, BIKES, ENGLISH, SPANISH


def error_of(answer: Any) -> tuple[int, int | None]:
    error = answer.get_json()["error"]
    assert {"message", "type", "code", "fbtrace_id"} <= error.keys()
    return error["code"], error.get("error_subcode")


def test_a_call_without_a_token_is_refused(bench: Bench) -> None:
    answer = bench.http.get(f"/v26.0/{bench.lead()}")
    assert (answer.status_code, *error_of(answer)) == (400, 104, None)
    assert error_of(bench.http.get("/v26.0/me")) == (2500, None)


@pytest.mark.parametrize("token", ["EAANOBODY", "x" * 5_000, "ünïcödé", "\x7f"])
def test_an_unknown_token_is_190(bench: Bench, token: str) -> None:
    answer = bench.http.get(f"/v26.0/{bench.lead()}", query_string={"access_token": token})
    assert (answer.status_code, *error_of(answer)) == (401, 190, None)
    assert token not in answer.get_data(as_text=True)


def test_a_wrong_app_token_is_190(bench: Bench) -> None:
    answer = bench.http.get("/v26.0/me", query_string={"access_token": f"{bench.options.app_id}|wrong"})
    assert error_of(answer) == (190, None)
    assert "signature" in answer.get_json()["error"]["message"]


def test_the_token_may_be_a_parameter_or_a_header(bench: Bench) -> None:
    leadgen_id, token = bench.lead(), bench.options.system_token
    proof = bench.graph(leadgen_id).request.args["appsecret_proof"]
    as_parameter = bench.http.get(
        f"/v26.0/{leadgen_id}", query_string={"access_token": token, "appsecret_proof": proof}
    )
    assert as_parameter.status_code == bench.graph(leadgen_id).status_code == 200


def test_the_proof_is_required_and_must_fit(bench: Bench) -> None:
    leadgen_id = bench.lead()
    missing, wrong = bench.graph(leadgen_id, appsecret_proof=None), bench.graph(leadgen_id, appsecret_proof="0" * 64)
    assert error_of(missing) == (100, None)
    assert missing.get_json()["error"]["message"] == "API calls from the server require an appsecret_proof argument"
    assert error_of(wrong) == (104, None)
    other = bench.options.page_token(BIKES.page_id)
    of_another_token = bench.graph(leadgen_id).request.args["appsecret_proof"]
    assert error_of(bench.graph(leadgen_id, token=other, appsecret_proof=of_another_token)) == (104, None)


def test_proof_check_only_refuses_wrong_ones() -> None:
    options = SandboxOptions(proof="check")
    client = create_sandbox(options).test_client()
    headers = {"Authorization": f"Bearer {options.system_token}"}
    assert client.get("/v26.0/me", headers=headers).status_code == 200
    assert error_of(client.get("/v26.0/me?appsecret_proof=bad", headers=headers)) == (104, None)


def test_a_page_token_opens_only_its_own_page(bench: Bench) -> None:
    mine, other = bench.lead(form_id=ENGLISH.form_id), bench.lead(form_id=SPANISH.form_id)
    token = bench.options.page_token(BIKES.page_id)
    assert bench.graph(mine, token=token).status_code == 200
    for path in (other, SPANISH.form_id, f"{SPANISH.form_id}/leads", ATELIER.page_id):
        answer = bench.graph(path, token=token)
        assert (answer.status_code, *error_of(answer)) == (400, 100, 33), path


def test_the_system_user_opens_every_page(bench: Bench) -> None:
    for form in (ENGLISH, SPANISH):
        assert bench.graph(bench.lead(form_id=form.form_id)).status_code == 200


def test_the_app_token_reads_no_lead(bench: Bench) -> None:
    assert error_of(bench.graph(bench.lead(), token=bench.options.app_token)) == (100, 33)


@pytest.mark.parametrize(
    ("action", "subcode", "words"), [("expire", 463, "Session has expired"), ("change_password", 460, "password")]
)
def test_a_dead_token_and_a_new_one(bench: Bench, action: str, subcode: int, words: str) -> None:
    leadgen_id, token = bench.lead(), bench.options.page_token(BIKES.page_id)
    bench.control("/tokens", {"page_id": BIKES.page_id, "action": action})
    answer = bench.graph(leadgen_id, token=token)
    assert (answer.status_code, *error_of(answer)) == (401, 190, subcode)
    assert words in answer.get_json()["error"]["message"]
    assert bench.graph(leadgen_id).status_code == 200  # the system user's lives on
    fresh = bench.control("/tokens", {"page_id": BIKES.page_id, "action": "replace"})["access_token"]
    assert fresh != token
    assert bench.graph(leadgen_id, token=fresh).status_code == 200
    assert error_of(bench.graph(leadgen_id, token=token)) == (190, 460)
    bench.control("/tokens", {"page_id": BIKES.page_id, "action": "expire"})
    assert error_of(bench.graph(leadgen_id, token=fresh)) == (190, 463)
    bench.control("/tokens", {"page_id": BIKES.page_id, "action": "restore"})
    assert bench.graph(leadgen_id, token=fresh).status_code == 200


@pytest.mark.parametrize(
    ("path", "served"), [("v26.0/me", "v26.0"), ("v24.0/me", "v24.0"), ("v19.0/me", "v21.0"), ("v2.5/me", "v21.0")]
)
def test_versions(bench: Bench, path: str, served: str) -> None:
    answer = bench.http.get("/" + path)
    assert answer.headers["facebook-api-version"] == served


def test_a_version_yet_to_come_and_none_at_all(bench: Bench) -> None:
    assert error_of(bench.http.get("/v27.0/me")) == (2500, None)
    unversioned = bench.http.get("/me")
    assert unversioned.status_code == 404
    assert "/v26.0/" in unversioned.get_json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "code", "subcode"),
    [
        ("GET", "999999999999999", 100, 33),
        ("POST", "999999999999999", 100, 33),
        ("GET", "nobody", 803, None),
        ("GET", "999999999999999/leads", 100, None),
        ("GET", f"{BIKES.page_id}/feed", 100, None),
        ("POST", f"{BIKES.page_id}/leadgen_forms", 100, None),
        ("GET", f"{BIKES.page_id}/leadgen_forms/x/y", 100, None),
        ("GET", "", 100, None),
        ("DELETE", BIKES.page_id, 100, None),
        ("POST", f"{ENGLISH.form_id}/leads", 100, None),
    ],
)
def test_what_is_not_played_is_an_error_in_meta_s_envelope(
    bench: Bench, method: str, path: str, code: int, subcode: int | None
) -> None:
    answer = bench.graph(path, method=method)
    assert answer.status_code in (400, 404)
    assert error_of(answer) == (code, subcode)


def test_json_is_written_as_meta_writes_it(bench: Bench) -> None:
    leadgen_id = bench.lead(answers={"full_name": "Zoë / 😀 \ud800", "email": "İ@ı.example"})
    raw = bench.graph(leadgen_id, fields="field_data").get_data()
    assert b"Zo\\u00eb \\/ \\ud83d\\ude00 \\ud800" in raw
    assert raw.isascii()
    assert json.loads(raw)["field_data"][0]["values"] == ["Zoë / 😀 \ud800"]


def test_usage_headers(bench: Bench) -> None:
    usage = {"call_count": 97, "total_time": 25, "total_cputime": 23, "estimated_time_to_regain_access": 19}
    bench.control("/settings", {"page_usage": usage, "app_usage": {"call_count": 28}})
    answer = bench.graph(bench.lead())
    assert json.loads(answer.headers["X-App-Usage"]) == {"call_count": 28, "total_cputime": 1, "total_time": 1}
    rows = json.loads(answer.headers["X-Business-Use-Case-Usage"])
    assert rows == {BIKES.page_id: [{"type": "leadgen"} | usage]}
    assert "X-Business-Use-Case-Usage" not in bench.graph("me").headers


@pytest.mark.parametrize("code", [4, 17, 32, 341, 613, 80001, 80002, 80005, 80014])
def test_limits_say_how_long_to_rest(bench: Bench, code: int) -> None:
    bench.control("/faults", {"where": "graph", "kind": "rate_limited", "code": code, "regain_minutes": 7, "times": 1})
    leadgen_id = bench.lead()
    answer = bench.graph(leadgen_id)
    assert error_of(answer) == (code, None)
    page = json.loads(answer.headers["X-Business-Use-Case-Usage"])[BIKES.page_id][0]
    app = json.loads(answer.headers["X-App-Usage"])
    if code in (4, 17, 341):
        assert app["call_count"] == 100
    else:
        assert (page["call_count"], page["estimated_time_to_regain_access"]) == (100, 7)
    assert bench.graph(leadgen_id).status_code == 200


@pytest.mark.parametrize("code", [80000, 80003, 80004])
def test_an_ad_accounts_limit_refuses_the_ad_fields_alone(bench: Bench, code: int) -> None:
    bench.control("/faults", {"where": "graph", "kind": "rate_limited", "code": code, "regain_minutes": 55})
    leadgen_id = bench.lead()
    refused = bench.graph(leadgen_id, fields="id,ad_name,field_data")
    assert error_of(refused) == (code, 2446079)
    rows = json.loads(refused.headers["X-Business-Use-Case-Usage"])
    assert rows[BIKES.page_id][0]["estimated_time_to_regain_access"] == 0
    (ads,) = [row for rows_of in rows.values() for row in rows_of if row["type"] == "ads_management"]
    assert (ads["call_count"], ads["estimated_time_to_regain_access"]) == (100, 55)
    assert bench.graph(leadgen_id, fields="id,field_data").status_code == 200


def test_date_format_is_an_error_since_v26(bench: Bench) -> None:
    leadgen_id = bench.lead()
    assert error_of(bench.graph(leadgen_id, date_format="U")) == (100, None)
    assert bench.graph(leadgen_id, date_format="U", version="v25.0").status_code == 200


@pytest.mark.parametrize(
    ("fault", "status", "code", "subcode"),
    [
        *(({"kind": "token_rejected", "code": dead}, 401, 190, dead) for dead in (458, 459, 460, 463, 464, 467, 492)),
        ({"kind": "token_rejected"}, 401, 190, 467),
        ({"kind": "permission", "code": 3}, 400, 3, None),
        ({"kind": "blocked"}, 400, 368, None),
        ({"kind": "no_such_object"}, 404, 803, None),
        ({"kind": "token_expired"}, 401, 190, 463),
        ({"kind": "password_changed"}, 401, 190, 460),
        ({"kind": "no_lead_access"}, 400, 100, 33),
        ({"kind": "permission"}, 403, 200, None),
        ({"kind": "permission", "code": 10}, 403, 10, None),
        ({"kind": "bad_proof"}, 400, 104, None),
        ({"kind": "unknown_error"}, 500, 1, None),
        ({"kind": "temporary"}, 500, 2, None),
        ({"kind": "too_much_data"}, 500, 1, None),
    ],
)
def test_faults_in_meta_s_envelope(
    bench: Bench, fault: dict[str, Any], status: int, code: int, subcode: int | None
) -> None:
    leadgen_id = bench.lead()
    bench.control("/faults", {"where": "graph", "times": 1} | fault)
    answer = bench.graph(leadgen_id)
    assert (answer.status_code, *error_of(answer)) == (status, code, subcode)
    assert bench.graph(leadgen_id).status_code == 200


@pytest.mark.parametrize(("kind", "status"), [("http_500", 500), ("html", 200), ("empty", 200), ("garbage", 200)])
def test_answers_that_are_no_json(bench: Bench, kind: str, status: int) -> None:
    leadgen_id = bench.lead()
    bench.control("/faults", {"where": "graph", "kind": kind})
    answer = bench.graph(leadgen_id)
    assert answer.status_code == status
    with pytest.raises(ValueError):
        json.loads(answer.get_data())
    assert bench.state()["leads"][0]["journey"]["hops"]["read"]["count"] == 0


def test_a_fault_may_be_narrowed(bench: Bench) -> None:
    one, two = bench.lead(), bench.lead()
    spanish = bench.lead(form_id=SPANISH.form_id)
    bench.control("/faults", {"where": "graph", "kind": "no_lead_access", "leadgen_id": one})
    bench.control("/faults", {"where": "graph", "kind": "temporary", "page_id": ATELIER.page_id, "operation": "lead"})
    assert error_of(bench.graph(one)) == (100, 33)
    assert bench.graph(two).status_code == 200
    assert error_of(bench.graph(spanish)) == (2, None)
    assert bench.graph(SPANISH.form_id).status_code == 200
    bench.control("/faults", method="DELETE")
    assert bench.graph(one).status_code == bench.graph(spanish).status_code == 200


def test_a_fault_after_the_work_loses_only_the_answer(bench: Bench) -> None:
    bench.control(
        "/faults", {"where": "graph", "kind": "http_500", "operation": "test_leads", "after": True, "times": 1}
    )
    assert bench.graph(f"{ENGLISH.form_id}/test_leads", method="POST").status_code == 500
    assert len(bench.graph(f"{ENGLISH.form_id}/test_leads").get_json()["data"]) == 1


def test_calls_are_noted_without_tokens(bench: Bench) -> None:
    leadgen_id = bench.lead()
    bench.graph(leadgen_id, fields="id")
    bench.http.get(f"/v26.0/{leadgen_id}", query_string={"access_token": "EAASECRET"})
    seen = bench.http.get("/_sandbox/state")
    calls = seen.get_json()["graph_calls"]
    assert [(call["path"], call["status"], call["code"]) for call in calls] == [
        ("/" + leadgen_id, 401, 190),
        ("/" + leadgen_id, 200, None),
    ]
    for secret in ("EAASECRET", bench.options.system_token, bench.options.app_secret):
        assert secret not in seen.get_data(as_text=True)


def test_a_json_body_counts_as_parameters(bench: Bench) -> None:
    token = bench.options.system_token
    proof = bench.graph("me").request.args["appsecret_proof"]
    body = {"access_token": token, "appsecret_proof": proof, "field_data": [{"name": "full_name", "values": ["A B"]}]}
    answer = bench.http.post(f"/v26.0/{ENGLISH.form_id}/test_leads", json=body)
    assert answer.status_code == 200
    assert bench.graph(answer.get_json()["id"]).get_json()["field_data"] == body["field_data"]
    for bad in ("[1]", '"x"', "{", "null"):
        refused = bench.http.post("/v26.0/me", data=bad, content_type="application/json")
        assert error_of(refused) == (100, None)
