"""The Graph client against a Graph that is made up call by call: what is asked, and what becomes of every answer."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from raw_http import Talk, ok, raw_server
from structlog.testing import capture_logs

from leadloop.errors import LeadloopError, NeedsHuman, Retryable
from leadloop.http import HttpAnswer, HttpDoor
from leadloop.ports import Graph
from meta_graph.client import GraphClient
from meta_graph.errors import (
    BadRequest,
    GarbageAnswer,
    GraphUnavailable,
    LeadNotReadable,
    NotReadable,
    PermissionMissing,
    ProofRejected,
    RateLimited,
    TokenExpired,
    TokenRejected,
    TooMuchData,
)
from meta_graph.usage import UsageHint

PAGE, LEAD, FORM = "111111111111111", "222222222222222", "333333333333333"
TOKEN = "EAATESTTOKEN"
SECRET, OLD_SECRET = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
PROOF = "99cbac345910084e738e780a0d5a02f2421ea86e53d6f64eff41e367a76944c6"  # Source: Meta ingestion facts §6.2
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

FACTS_LEAD = {  # Source: Meta ingestion facts §5.1
    "id": LEAD,
    "created_time": "2026-11-22T08:26:30+0000",
    "form_id": FORM,
    "ad_id": "120210000000000001",
    "ad_name": "Ad A",
    "is_organic": False,
    "platform": "ig",
    "field_data": [
        {"name": "full_name", "values": ["Zoë Test"]},
        {"name": "which_services?", "values": ["seo", "ads"]},
    ],
    "custom_disclaimer_responses": [{"checkbox_key": "optional_1", "is_checked": "1"}],
}
CORE_FIELDS = {"id", "created_time", "form_id", "field_data", "custom_disclaimer_responses", "is_organic", "platform"}
AD_FIELDS = {"ad_id", "ad_name", "adset_id", "adset_name", "campaign_id", "campaign_name"}
ALL_FIELDS = CORE_FIELDS | AD_FIELDS | {"partner_name", "retailer_item_id", "post", "vehicle", "home_listing"}


@dataclass
class Asked:
    """One request as the door got it. `params` are those of the URL, or the form's."""

    method: str
    url: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    times: tuple[float, float, float]

    @property
    def path(self) -> str:
        return self.url.removeprefix("https://graph.example/v26.0/")

    @property
    def fields(self) -> set[str]:
        return set(self.params["fields"].split(","))


@dataclass
class FakeDoor:
    """Answers with `graph(asked)`: a dict for a 200, an HttpAnswer, or an error to raise."""

    graph: Callable[[Asked], Any]
    asked: list[Asked] = field(default_factory=list)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        params: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        connect_s: float,
        read_s: float,
        total_s: float,
    ) -> HttpAnswer:
        assert TOKEN not in url
        assert "?" not in url
        self.asked.append(Asked(method, url, params or form or {}, headers, (connect_s, read_s, total_s)))
        found = self.graph(self.asked[-1])
        if isinstance(found, Exception):
            raise found
        return found if isinstance(found, HttpAnswer) else HttpAnswer(200, {}, json.dumps(found).encode())


def failing(
    code: int, subcode: int | None = None, *, status: int = 400, headers: Any = None, **more: Any
) -> HttpAnswer:
    error = {"message": "zoe@example.com " + TOKEN, "type": "OAuthException", "code": code, "fbtrace_id": "AXtrace"}
    error |= ({"error_subcode": subcode} if subcode is not None else {}) | more
    return HttpAnswer(status, headers or {}, json.dumps({"error": error}).encode())


class Bench:
    """A client with everything it hears and says at hand, and a clock that stands still."""

    def __init__(self, graph: Callable[[Asked], Any] | list[Any] | dict[str, Any], **more: Any) -> None:
        if isinstance(graph, list):
            answers = iter(graph)
            answer: Callable[[Asked], Any] = lambda _asked: next(answers)  # noqa: E731
        else:
            answer = graph if callable(graph) else lambda _asked: graph
        self.door = FakeDoor(answer)
        self.usage: list[UsageHint] = []
        self.calls: list[tuple[str, str]] = []
        self.pages: list[str | None] = []
        self.took: list[float] = []
        self.now = NOON
        settings = {"base_url": "https://graph.example", "version": "v26.0", "app_secrets": (SECRET,)} | more
        self.client = GraphClient(
            **settings,
            http=self.door,  # type: ignore[arg-type]
            on_usage=self.usage.append,
            on_call=self._note,
            now=lambda: self.now,
        )

    def _note(self, edge: str, code: str, page_id: str | None, seconds: float) -> None:
        self.calls.append((edge, code))
        self.pages.append(page_id)
        self.took.append(seconds)

    def read(self, leadgen_id: str = LEAD, token: str = TOKEN, page_id: str = PAGE) -> dict[str, Any]:
        return self.client.read_lead(leadgen_id, token=token, page_id=page_id)

    def refused(self, leadgen_id: str = LEAD, **more: Any) -> LeadloopError:
        """What reading a lead raises; never with a word of Meta's or a secret in it."""
        return raised(lambda: self.read(leadgen_id, **more))

    def page(self, since: datetime | None = None, after: str | None = None) -> Any:
        return self.client.read_form_leads(FORM, token=TOKEN, page_id=PAGE, since=since, after=after)


def raised(call: Callable[[], object]) -> Any:
    with pytest.raises(LeadloopError) as caught:
        call()
    shown = caught.value.message + caught.value.action
    assert "zoe@" not in shown
    assert TOKEN not in shown
    assert SECRET not in shown
    return caught.value


# --- one lead --------------------------------------------------------------------------------------------------------


def test_a_lead_is_asked_for_as_the_facts_say() -> None:
    bench = Bench(FACTS_LEAD)
    assert bench.read() == FACTS_LEAD
    (asked,) = bench.door.asked
    assert (asked.method, asked.url) == ("GET", f"https://graph.example/v26.0/{LEAD}")
    assert asked.headers == {"Authorization": f"Bearer {TOKEN}"}
    assert asked.fields == ALL_FIELDS
    assert asked.params["appsecret_proof"] == PROOF
    assert set(asked.params) == {"fields", "appsecret_proof"}
    assert all(0 < seconds <= 30 for seconds in asked.times)
    assert (bench.calls, bench.pages, bench.usage) == ([("lead", "ok")], [PAGE], [])
    assert bench.took[0] >= 0


def test_it_is_a_graph() -> None:
    graph: Graph = Bench(FACTS_LEAD).client
    assert graph.read_lead(LEAD, token=TOKEN, page_id=PAGE)["id"] == LEAD


def test_a_slash_after_the_base_url_is_one_too_many() -> None:
    bench = Bench(FACTS_LEAD, base_url="http://127.0.0.1:8001/", version="v27.0")
    bench.read()
    assert bench.door.asked[0].url == f"http://127.0.0.1:8001/v27.0/{LEAD}"


def test_space_around_a_token_is_not_part_of_it() -> None:
    bench = Bench(FACTS_LEAD)
    bench.read(token=f" {TOKEN}\n")
    assert bench.door.asked[0].headers == {"Authorization": f"Bearer {TOKEN}"}
    assert bench.door.asked[0].params["appsecret_proof"] == PROOF


def test_without_an_app_secret_there_is_no_proof() -> None:
    bench = Bench(FACTS_LEAD, app_secrets=())
    bench.read()
    assert "appsecret_proof" not in bench.door.asked[0].params


def test_ids_become_text() -> None:
    numbers = FACTS_LEAD | {"id": int(LEAD), "form_id": int(FORM), "ad_id": 120210000000000001, "campaign_id": None}
    lead = Bench(numbers).read()
    assert (lead["id"], lead["form_id"], lead["ad_id"], lead["campaign_id"]) == (LEAD, FORM, "120210000000000001", None)


@pytest.mark.parametrize("name", ["", "me", "../me", "222/leads", "222?x", "2 2", "٢٢٢", "9" * 41, "-1", "1e5", "2\n"])
def test_what_is_no_id_is_never_asked_for(name: str) -> None:
    bench = Bench(FACTS_LEAD)
    for call in (
        lambda: bench.read(name),
        lambda: bench.client.read_form(name, token=TOKEN, page_id=PAGE),
        lambda: bench.client.read_page_forms(name, token=TOKEN),
        lambda: bench.client.read_form_leads(name, token=TOKEN, page_id=PAGE, since=None, after=None),
        lambda: bench.client.read_subscribed_apps(name, token=TOKEN),
        lambda: bench.client.subscribe_page(name, token=TOKEN),
        lambda: bench.client.read_lead_access(PAGE, token=TOKEN, app_id=name),
        lambda: bench.client.read_lead_access(PAGE, token=TOKEN, app_id="1", user_id=name or "x"),
    ):
        if name == "2\n":
            continue  # an id with space around it is that id
        error = raised(call)
        assert (type(error), error.code) == (BadRequest, "bad_id")
    assert bench.door.asked == []


@pytest.mark.parametrize("token", ["", " ", "\n"])
def test_without_a_token_nothing_is_asked(token: str) -> None:
    bench = Bench(FACTS_LEAD)
    error = bench.refused(token=token)
    assert (type(error), error.code, error.scope, bench.door.asked) == (TokenRejected, "no_token", "lane", [])
    assert "META_ACCESS_TOKEN" in error.action


@pytest.mark.parametrize(
    "body", [{}, {"id": "999", "field_data": []}, {"field_data": []}, {"id": None, "field_data": []}]
)
def test_an_answer_about_something_else_is_garbage(body: dict[str, Any]) -> None:
    error = Bench(body).refused()
    assert (type(error), error.code) == (GarbageAnswer, "graph_garbage")


@pytest.mark.parametrize("shown", [{}, {"field_data": None}, {"field_data": "x"}, {"field_data": {}}])
def test_a_lead_without_answers_is_not_taken_for_read(shown: dict[str, Any]) -> None:
    error = Bench({"id": LEAD} | shown).refused()
    assert (type(error), error.code, error.give_up_after_s) == (LeadNotReadable, "graph_bare", 21_600)
    assert "Leads access" in error.action


def test_a_lead_with_no_answers_at_all_is_a_lead() -> None:
    assert Bench({"id": LEAD, "field_data": []}).read()["field_data"] == []


# --- without rights on the ads ---------------------------------------------------------------------------------------


def lacking_ads(code: int, subcode: int | None = None) -> Callable[[Asked], Any]:
    def graph(asked: Asked) -> Any:
        if "ad_name" in asked.fields:
            return failing(code, subcode)
        return {"id": asked.path.split("/")[0], "field_data": []} if "/" not in asked.path else {"data": []}

    return graph


@pytest.mark.parametrize("code", [100, 200, 210, 299, 10, 3])
def test_a_lead_is_read_without_its_ad_rather_than_not_at_all(code: int) -> None:
    bench = Bench(lacking_ads(code))
    assert bench.read()["id"] == LEAD
    assert [asked.fields for asked in bench.door.asked] == [ALL_FIELDS, CORE_FIELDS]
    assert bench.calls == [("lead", f"graph_{code}"), ("lead", "ok")]


def test_that_is_remembered_for_an_hour() -> None:
    bench = Bench(lacking_ads(200))
    for number in range(5):
        bench.read(str(10 + number))
    assert len(bench.door.asked) == 6
    bench.now += timedelta(minutes=59)
    bench.read()
    assert len(bench.door.asked) == 7
    bench.now += timedelta(minutes=2)
    bench.read()
    assert [asked.fields == ALL_FIELDS for asked in bench.door.asked[7:]] == [True, False]


def test_but_neither_for_another_page_nor_for_another_token() -> None:
    bench = Bench(lacking_ads(200))
    bench.read()
    bench.read(page_id="999")
    bench.read(token=TOKEN + "2")
    assert len(bench.door.asked) == 6
    bench.page()  # the same Page and token: lists know it too
    assert bench.door.asked[-1].fields == CORE_FIELDS


def test_a_clock_that_was_set_back_asks_again() -> None:
    bench = Bench(lacking_ads(200))
    bench.read()
    bench.now -= timedelta(days=1)
    bench.read()
    assert len(bench.door.asked) == 4


def test_a_failure_without_the_ad_fields_is_not_remembered() -> None:
    bench = Bench([failing(200), failing(1), FACTS_LEAD])
    assert type(bench.refused()) is GraphUnavailable
    bench.read()
    assert [asked.fields == ALL_FIELDS for asked in bench.door.asked] == [True, False, True]


@pytest.mark.parametrize(
    ("code", "subcode", "kind"),
    [(80005, None, RateLimited), (190, 463, TokenExpired), (1, None, GraphUnavailable)],
)
def test_other_errors_are_not_asked_twice(code: int, subcode: int | None, kind: type) -> None:
    bench = Bench(lambda asked: failing(code, subcode))
    assert type(bench.refused()) is kind
    assert len(bench.door.asked) == 1


@pytest.mark.parametrize(("code", "subcode"), [(100, 33), (803, None)])
def test_a_lead_not_shown_may_be_shown_without_its_ad(code: int, subcode: int | None) -> None:
    bench = Bench([failing(code, subcode), FACTS_LEAD, FACTS_LEAD, failing(code, subcode), failing(code, subcode)])
    assert bench.read() == FACTS_LEAD
    assert bench.read() == FACTS_LEAD
    assert type(bench.refused()) is LeadNotReadable
    asked_all = [asked.fields == ALL_FIELDS for asked in bench.door.asked]
    assert asked_all == [True, False, True, True, False], "what a lead just sent is refused says nothing of the others"


ADS_LIMIT = {
    "x-business-use-case-usage": json.dumps(
        {"120000000000001": [{"type": "ads_management", "call_count": 100, "estimated_time_to_regain_access": 55}]}
    )
}


@pytest.mark.parametrize(("code", "subcode"), [(80000, 2446079), (80003, 2446079), (80004, 2446079), (17, 2446079)])
def test_an_ad_accounts_limit_costs_the_names_of_ads_and_no_lead(code: int, subcode: int) -> None:
    bench = Bench(
        lambda asked: failing(code, subcode, headers=ADS_LIMIT) if asked.fields & AD_FIELDS else FACTS_LEAD,
    )
    assert bench.read() == FACTS_LEAD
    assert bench.usage == [], "the Page does not rest"
    bench.now += timedelta(minutes=54)
    bench.read()
    assert [asked.fields == ALL_FIELDS for asked in bench.door.asked] == [True, False, False]
    bench.now += timedelta(minutes=1)
    bench.read()
    assert [asked.fields == ALL_FIELDS for asked in bench.door.asked[3:]] == [True, False]


def test_a_good_answer_of_an_ad_account_near_its_limit_rests_nothing() -> None:
    header = json.dumps({"acc_id_util_pct": 96.5, "reset_time_duration": 3_600})
    bench = Bench([HttpAnswer(200, {"x-ad-account-usage": header}, json.dumps(FACTS_LEAD).encode())])
    bench.read()
    assert bench.usage == []


def test_a_lead_not_shown_is_tried_for_six_hours_then_explained() -> None:
    error = Bench(lambda asked: failing(100, 33)).refused()
    assert isinstance(error, Retryable)
    assert (error.give_up_after_s, error.scope, error.outage, error.retry_after_s) == (21_600, "item", False, None)
    assert "Leads access" in error.action


def test_a_parameter_nobody_knows_parks_the_lead_alone() -> None:
    error = Bench(lambda asked: failing(100)).refused()
    assert (type(error), error.scope) == (BadRequest, "item")


# --- one lead, or the whole Page? ------------------------------------------------------------------------------------


def refusing(*leads: str, code: int = 200) -> Callable[[Asked], Any]:
    return lambda asked: failing(code) if asked.path in leads else {"id": asked.path, "field_data": []}


@pytest.mark.parametrize("code", [200, 10, 3])
def test_without_proof_that_the_page_works_it_is_held(code: int) -> None:
    error = Bench(refusing("1", code=code)).refused("1")
    assert (type(error), error.scope) == (PermissionMissing, "lane")


def test_one_lead_refused_among_others_does_not_hold_the_page() -> None:
    bench = Bench(refusing("1", "2"))
    bench.read("7")
    for leadgen_id in ("1", "2", "1", "2"):
        error = bench.refused(leadgen_id)
        assert (type(error), error.scope, error.give_up_after_s) == (LeadNotReadable, "item", 21_600)
        assert "Leads access" in error.action


def test_three_in_a_row_hold_it_and_a_success_begins_anew() -> None:
    bench = Bench(refusing("1", "2", "3"))
    bench.read("7")
    kinds = [type(bench.refused(leadgen_id)) for leadgen_id in ("1", "2", "3", "1")]
    assert kinds == [LeadNotReadable, LeadNotReadable, PermissionMissing, PermissionMissing]
    bench.read("8")
    assert type(bench.refused("1")) is LeadNotReadable


def test_a_proof_grows_old_and_holds_for_its_own_page_only() -> None:
    bench = Bench(refusing("1"))
    bench.read("7")
    assert type(bench.refused("1", page_id="999")) is PermissionMissing
    bench.now += timedelta(minutes=16)
    assert type(bench.refused("1")) is PermissionMissing


# --- tokens and proofs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("subcode", [458, 459, 460, 463, 464, 467, 492])
def test_a_dead_token_is_asked_once_and_holds_the_page(subcode: int) -> None:
    bench = Bench(lambda asked: failing(190, subcode, status=401))
    error = bench.refused()
    assert (isinstance(error, TokenRejected), error.scope, len(bench.door.asked)) == (True, "lane", 1)
    assert isinstance(error, NeedsHuman)
    assert error.action


@pytest.mark.parametrize("code", [190, 102])
def test_a_token_rejected_without_a_reason_is_tried_once_more(code: int) -> None:
    bench = Bench([failing(code), FACTS_LEAD])
    assert bench.read()["id"] == LEAD
    bench = Bench(lambda asked: failing(code))
    assert type(bench.refused()) is TokenRejected
    assert len(bench.door.asked) == 2


def proof_of(asked: Asked) -> str:
    return asked.params["appsecret_proof"]


@pytest.mark.parametrize(
    "rejection",
    [
        failing(104, message="Invalid appsecret_proof provided in the API argument"),
        failing(100, message="Invalid appsecret_proof provided in the API argument"),
        failing(104),
    ],
)
def test_while_the_secret_is_replaced_the_older_one_is_tried_and_kept(rejection: HttpAnswer) -> None:
    bench = Bench(lambda asked: rejection if proof_of(asked) == PROOF else FACTS_LEAD, app_secrets=(SECRET, OLD_SECRET))
    for _ in range(3):
        bench.read()
    proofs = [proof_of(asked) == PROOF for asked in bench.door.asked]
    assert proofs == [True, False, False, False]  # once tried, then the one that works goes first


def test_the_newest_secret_is_found_again_when_meta_changes_over() -> None:
    accepted = {"new": False}
    bench = Bench(
        lambda asked: FACTS_LEAD if (proof_of(asked) == PROOF) is accepted["new"] else failing(104),
        app_secrets=(SECRET, OLD_SECRET),
    )
    bench.read()
    accepted["new"] = True
    bench.read()
    bench.read()
    assert [proof_of(asked) == PROOF for asked in bench.door.asked] == [True, False, False, True, True]


def test_no_secret_that_fits_holds_the_page() -> None:
    bench = Bench(lambda asked: failing(104), app_secrets=(SECRET, OLD_SECRET))
    error = bench.refused()
    assert (type(error), error.scope, len(bench.door.asked)) == (ProofRejected, "lane", 2)
    assert "META_APP_SECRET" in error.action


def test_a_missing_proof_is_a_matter_of_the_secret_and_not_of_the_fields() -> None:
    text = "API calls from the server require an appsecret_proof argument"
    bench = Bench(lambda asked: failing(100, message=text), app_secrets=())
    assert type(bench.refused()) is ProofRejected
    assert len(bench.door.asked) == 1


# --- limits, usage, versions -----------------------------------------------------------------------------------------


def leadgen_usage(percent: int, minutes: int, page_id: str = PAGE) -> dict[str, str]:
    row = {"type": "leadgen", "call_count": percent, "estimated_time_to_regain_access": minutes}
    return {"x-business-use-case-usage": json.dumps({page_id: [row]})}


def test_usage_of_a_good_answer_is_passed_on() -> None:
    bench = Bench(lambda asked: HttpAnswer(200, leadgen_usage(96, 0), json.dumps(FACTS_LEAD).encode()))
    bench.read()
    assert bench.usage == [UsageHint(PAGE, 96.0, 60.0)]


def test_a_limit_of_the_page_rests_the_page() -> None:
    bench = Bench(lambda asked: failing(80005, headers=leadgen_usage(100, 19)))
    error = bench.refused()
    assert (type(error), error.scope, error.retry_after_s) == (RateLimited, "lane", 1_140)
    assert set(bench.usage) == {UsageHint(PAGE, 100.0, 1_140.0)}
    assert len(bench.door.asked) == 1  # calling while throttled extends the wait


@pytest.mark.parametrize("code", [4, 341])
def test_a_limit_of_the_app_rests_everything(code: int) -> None:
    bench = Bench(lambda asked: failing(code, status=403))
    bench.refused()
    assert bench.usage == [UsageHint(None, 100.0, 300.0)]


@pytest.mark.parametrize("code", [17, 32, 613, 80001])
def test_other_limits_rest_the_page_alone(code: int) -> None:
    bench = Bench(lambda asked: failing(code))
    bench.refused()
    assert [hint.page_id for hint in bench.usage] == [PAGE]


def test_a_limit_without_a_page_tells_nobody_to_rest() -> None:
    bench = Bench(lambda asked: failing(17))
    raised(lambda: bench.client.read_accounts(TOKEN))
    assert bench.usage == []


def test_another_version_is_told_once() -> None:
    headers = {"facebook-api-version": "v25.0"}
    bench = Bench(lambda asked: HttpAnswer(200, headers, json.dumps(FACTS_LEAD).encode()))
    with capture_logs() as lines:
        bench.read()
        bench.read()
    assert [line["event"] for line in lines] == ["graph_version_differs"]
    assert (lines[0]["asked"], lines[0]["served"], lines[0]["log_level"]) == ("v26.0", "v25.0", "warning")


def test_the_right_version_is_not_told() -> None:
    headers = {"facebook-api-version": "v26.0"}
    bench = Bench(lambda asked: HttpAnswer(200, headers, json.dumps(FACTS_LEAD).encode()))
    with capture_logs() as lines:
        bench.read()
    assert lines == []


def test_what_the_door_raises_is_counted_and_passed_on() -> None:
    failure = Retryable("graph.example did not answer in time.", code="timeout", outage=True)
    bench = Bench(lambda asked: failure)
    assert bench.refused() is failure
    assert (bench.calls, len(bench.door.asked)) == ([("lead", "timeout")], 1)


def test_a_bug_is_not_counted_as_good() -> None:
    bench = Bench(lambda asked: KeyError("x"))
    with pytest.raises(KeyError):
        bench.read()
    assert bench.calls == [("lead", "bug")]


# --- forms -----------------------------------------------------------------------------------------------------------


def test_a_form_is_asked_for_with_its_questions() -> None:
    form = {"id": int(FORM), "name": "Quote", "questions": [{"key": "email", "type": "EMAIL"}]}
    bench = Bench(form)
    assert bench.client.read_form(FORM, token=TOKEN, page_id=PAGE) == form | {"id": FORM}
    asked = bench.door.asked[0]
    assert asked.path == FORM
    wanted = {"id", "name", "status", "locale", "page", "questions", "tracking_parameters", "legal_content"}
    assert wanted <= set(asked.fields)
    assert bench.calls == [("form", "ok")]


@pytest.mark.parametrize("code", [100, 200, 10])
def test_a_form_is_read_in_part_rather_than_not_at_all(code: int) -> None:
    bench = Bench(lambda asked: failing(code) if "legal_content" in asked.fields else {"id": FORM, "questions": []})
    assert bench.client.read_form(FORM, token=TOKEN, page_id=PAGE)["questions"] == []
    assert bench.door.asked[1].fields == {"id", "name", "status", "locale", "questions"}


@pytest.mark.parametrize(("code", "subcode", "kind"), [(200, None, PermissionMissing), (100, 33, NotReadable)])
def test_a_form_that_is_refused_never_holds_the_page(code: int, subcode: int | None, kind: type) -> None:
    bench = Bench(lambda asked: failing(code, subcode))
    for call in (
        lambda: bench.client.read_form(FORM, token=TOKEN, page_id=PAGE),
        lambda: bench.client.read_page_forms(PAGE, token=TOKEN),
        lambda: bench.page(),
    ):
        error = raised(call)
        assert (type(error), error.scope) == (kind, "item")


def test_a_form_of_another_id_is_garbage() -> None:
    bench = Bench({"id": "999"})
    assert type(raised(lambda: bench.client.read_form(FORM, token=TOKEN, page_id=PAGE))) is GarbageAnswer


def listing(pages: Mapping[str | None, tuple[list[Any], str | None]]) -> Callable[[Asked], Any]:
    """A list of several pages: cursor → (rows, next cursor)."""

    def graph(asked: Asked) -> Any:
        rows, after = pages[asked.params.get("after")]
        paging: dict[str, Any] = {"cursors": {"before": "QQ==", "after": after or "LAST"}}
        if after:
            paging["next"] = f"https://graph.facebook.com/v26.0/x/leads?access_token={TOKEN}&after={after}"
        return {"data": rows, "paging": paging}

    return graph


def test_all_forms_of_a_page() -> None:
    bench = Bench(
        listing({None: ([{"id": 1}, {"id": "2"}], "B"), "B": ([], "C"), "C": ([{"id": "3"}, {"x": 1}, 5], None)})
    )
    forms = bench.client.read_page_forms(PAGE, token=TOKEN)
    assert [form["id"] for form in forms] == ["1", "2", "3"]
    assert [asked.params.get("after") for asked in bench.door.asked] == [None, "B", "C"]
    assert {asked.path for asked in bench.door.asked} == {f"{PAGE}/leadgen_forms"}
    assert {asked.params["limit"] for asked in bench.door.asked} == {"100"}


@pytest.mark.parametrize(
    "circle", [{None: ([], "A"), "A": ([], "A")}, {None: ([], "A"), "A": ([], "B"), "B": ([], "A")}]
)
def test_a_list_that_goes_round_in_circles_ends(circle: dict[str | None, tuple[list[Any], str | None]]) -> None:
    bench = Bench(listing(circle))
    assert type(raised(lambda: bench.client.read_page_forms(PAGE, token=TOKEN))) is GarbageAnswer
    assert len(bench.door.asked) <= 4


def test_a_list_without_an_end_ends() -> None:
    def graph(asked: Asked) -> Any:
        number = int(asked.params.get("after", "0")) + 1
        return {"data": [], "paging": {"cursors": {"after": str(number)}, "next": "https://graph.facebook.com/x"}}

    bench = Bench(graph)
    assert type(raised(lambda: bench.client.read_page_forms(PAGE, token=TOKEN))) is GarbageAnswer
    assert len(bench.door.asked) == 200


# --- lists of leads --------------------------------------------------------------------------------------------------


def test_the_leads_of_a_form_since_a_time() -> None:
    bench = Bench(listing({None: ([FACTS_LEAD], "Rg=="), "Rg==": ([{"id": 5, "field_data": []}], None)}))
    since = datetime(2026, 11, 21, 8, 13, 20, 900_000, tzinfo=UTC)
    first = bench.page(since)
    assert (first.leads, first.after) == ([FACTS_LEAD], "Rg==")
    last = bench.page(since, first.after)
    assert ([lead["id"] for lead in last.leads], last.after) == (["5"], None)
    asked = bench.door.asked[0]
    assert asked.path == f"{FORM}/leads"
    assert json.loads(asked.params["filtering"]) == [
        {"field": "time_created", "operator": "GREATER_THAN_OR_EQUAL", "value": 1_795_248_800}
    ]
    assert (asked.params["limit"], asked.fields) == ("100", ALL_FIELDS)
    assert "after" not in asked.params
    assert bench.door.asked[1].params["after"] == "Rg=="
    assert bench.calls == [("form_leads", "ok")] * 2


def test_without_a_time_there_is_no_filter() -> None:
    bench = Bench({"data": []})
    assert bench.page().leads == []
    assert "filtering" not in bench.door.asked[0].params


def test_a_naive_time_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="aware"):
        Bench({"data": []}).page(datetime(2026, 11, 21))  # noqa: DTZ001


@pytest.mark.parametrize(
    "paging",
    [
        None,
        [],
        {},
        {"cursors": {"after": "X"}},
        {"next": None, "cursors": {"after": "X"}},
        {"next": 5, "cursors": {"after": "X"}},
        {"next": "http://[", "cursors": {"after": 5}},
        {"next": "https://graph.facebook.com/x", "cursors": None},
    ],
)
def test_the_last_page_is_the_one_without_a_next(paging: object) -> None:
    assert Bench({"data": [], "paging": paging}).page().after is None


def test_a_cursor_is_found_in_next_too_but_next_is_never_called() -> None:
    bench = Bench({"data": [], "paging": {"next": f"https://evil.example/x?access_token={TOKEN}&after=R%2Bg%3D"}})
    assert bench.page().after == "R+g="
    assert len(bench.door.asked) == 1


def test_the_same_cursor_again_is_an_error() -> None:
    bench = Bench({"data": [FACTS_LEAD], "paging": {"cursors": {"after": "A"}, "next": "x"}})
    assert bench.page().after == "A"
    assert type(raised(lambda: bench.page(after="A"))) is GarbageAnswer


@pytest.mark.parametrize("body", [{}, {"data": None}, {"data": {}}, {"data": "x"}, {"id": FORM}])
def test_a_list_that_is_none(body: dict[str, Any]) -> None:
    assert type(raised(Bench(body).page)) is GarbageAnswer


def test_rows_that_are_no_leads_are_left_out_and_bare_ones_kept() -> None:
    page = Bench({"data": [5, None, [], {}, {"id": "x"}, {"id": "7"}, {"id": 8, "field_data": []}]}).page()
    assert page.leads == [{"id": "7"}, {"id": "8", "field_data": []}]


def too_much_above(rows: int) -> Callable[[Asked], Any]:
    text = "Please reduce the amount of data you're asking for, then retry your request"

    def graph(asked: Asked) -> Any:
        if int(asked.params["limit"]) > rows:
            return failing(1, status=500, message=text)
        return {"data": [], "paging": {}}

    return graph


def test_a_page_too_large_is_halved_until_it_fits_and_that_is_remembered() -> None:
    bench = Bench(too_much_above(7))
    bench.page()
    bench.page()
    assert [asked.params["limit"] for asked in bench.door.asked] == ["100", "50", "25", "12", "6", "6"]


def test_down_to_a_single_row_and_then_it_is_an_error() -> None:
    bench = Bench(too_much_above(0))
    error = raised(bench.page)
    assert (type(error), bench.door.asked[-1].params["limit"]) == (TooMuchData, "1")
    assert len(bench.door.asked) == 7
    assert not error.outage


def test_halving_goes_on_without_the_ad_fields() -> None:
    def graph(asked: Asked) -> Any:
        return failing(200) if "ad_name" in asked.fields else too_much_above(50)(asked)

    bench = Bench(graph)
    assert bench.page().leads == []
    assert [(asked.params["limit"], "ad_name" in asked.fields) for asked in bench.door.asked] == [
        ("100", True),
        ("100", False),
        ("50", True),
        ("50", False),
    ]


# --- tokens, rights, subscriptions -----------------------------------------------------------------------------------

FACTS_TOKEN = {  # Source: Meta ingestion facts §6.2
    "data": {
        "app_id": "777",
        "type": "PAGE",
        "application": "My App",
        "data_access_expires_at": 1_771_576_000,
        "expires_at": 0,
        "is_valid": True,
        "issued_at": 1_763_800_000,
        "scopes": ["leads_retrieval", "pages_show_list"],
        "granular_scopes": [{"scope": "leads_retrieval", "target_ids": [PAGE]}, {"scope": "pages_show_list"}],
        "user_id": "555",
        "profile_id": PAGE,
    }
}


def test_a_token_is_looked_at_with_the_apps_own() -> None:
    bench = Bench(FACTS_TOKEN, app_id="777")
    info = bench.client.debug_token(TOKEN)
    assert (info.is_valid, info.type, info.app_id, info.expires_at) == (True, "PAGE", "777", None)
    assert info.allows("leads_retrieval", PAGE)
    assert not info.allows("leads_retrieval", "999")
    assert info.allows("pages_show_list", "999")
    assert not info.allows("ads_management")
    (asked,) = bench.door.asked
    assert (asked.path, asked.params["input_token"]) == ("debug_token", TOKEN)
    assert asked.headers == {"Authorization": f"Bearer 777|{SECRET}"}


def test_without_an_app_id_it_is_asked_by_itself() -> None:
    bench = Bench(FACTS_TOKEN)
    bench.client.debug_token(TOKEN)
    assert bench.door.asked[0].headers == {"Authorization": f"Bearer {TOKEN}"}


def test_a_token_is_looked_at_with_the_secret_that_works() -> None:
    bench = Bench(
        lambda asked: FACTS_TOKEN if OLD_SECRET in asked.headers["Authorization"] else failing(190, 467),
        app_id="777",
        app_secrets=(SECRET, OLD_SECRET),
    )
    assert bench.client.debug_token(TOKEN).is_valid
    bench = Bench(lambda asked: failing(190, 467), app_id="777", app_secrets=(SECRET, OLD_SECRET))
    error = raised(lambda: bench.client.debug_token(TOKEN))
    assert (type(error), len(bench.door.asked)) == (ProofRejected, 2)
    assert "META_APP_SECRET" in error.action
    assert type(raised(lambda: Bench(lambda asked: failing(190, 467)).client.debug_token(TOKEN))) is TokenRejected


def test_a_dead_token_is_described_and_not_an_error() -> None:
    bench = Bench(
        {"data": {"is_valid": False, "error": {"code": 190, "subcode": 463, "message": "zoe@"}, "scopes": []}}
    )
    info = bench.client.debug_token(TOKEN)
    assert (info.is_valid, info.error_code, info.error_subcode) == (False, 190, 463)
    assert "zoe@" not in repr(info)


def test_no_description_is_garbage() -> None:
    assert type(raised(lambda: Bench({"data": []}).client.debug_token(TOKEN))) is GarbageAnswer


def test_lead_access_as_in_the_facts() -> None:
    node = {"can_access_lead": False, "app_has_leads_permission": True, "failure_resolution": "Assign the app."}
    bench = Bench({"id": PAGE, "has_lead_access": node})
    access = bench.client.read_lead_access(PAGE, token=TOKEN, app_id="777", user_id="555")
    assert (access.can_access_lead, access.failure_resolution) == (False, "Assign the app.")
    assert bench.door.asked[0].params["fields"] == "has_lead_access.user_id(555).app_id(777)"
    bench.client.read_lead_access(PAGE, token=TOKEN, app_id="777")
    assert bench.door.asked[1].params["fields"] == "has_lead_access.app_id(777)"
    assert Bench({"id": PAGE}).client.read_lead_access(PAGE, token=TOKEN, app_id="777").can_access_lead is None


def test_the_pages_of_a_token() -> None:
    rows = [
        {"id": 5, "name": "Acme", "access_token": "EAApage", "tasks": ["MANAGE", 3]},
        {"name": "no id"},
        {"id": "6"},
    ]
    bench = Bench({"data": rows})
    first, second = bench.client.read_accounts(TOKEN)
    assert (first.page_id, first.name, first.access_token, first.tasks) == ("5", "Acme", "EAApage", {"MANAGE"})
    assert (second.page_id, second.name, second.access_token) == ("6", None, None)
    assert "EAApage" not in repr(first)
    assert bench.door.asked[0].path == "me/accounts"


def test_the_apps_of_a_page() -> None:
    rows = [{"id": "777", "name": "My App", "subscribed_fields": ["leadgen", {"name": "feed"}, 5]}, {"id": 8}]
    ours, other = Bench({"data": rows}).client.read_subscribed_apps(PAGE, token=TOKEN)
    assert (ours.app_id, ours.subscribed_fields) == ("777", {"leadgen", "feed"})
    assert (other.app_id, other.subscribed_fields) == ("8", frozenset())
    assert type(raised(lambda: Bench({}).client.read_subscribed_apps(PAGE, token=TOKEN))) is GarbageAnswer


def test_a_page_is_subscribed_with_nothing_secret_in_the_url() -> None:
    bench = Bench({"success": True})
    bench.client.subscribe_page(PAGE, token=TOKEN, subscribed_fields=("leadgen", "messages"))
    (asked,) = bench.door.asked
    assert (asked.method, asked.path) == ("POST", f"{PAGE}/subscribed_apps")
    assert asked.params == {"subscribed_fields": "leadgen,messages", "appsecret_proof": PROOF}
    for body in ({}, {"success": False}, {"success": "true"}):
        assert type(raised(lambda: Bench(body).client.subscribe_page(PAGE, token=TOKEN))) is GarbageAnswer  # noqa: B023


# --- through the real door -------------------------------------------------------------------------------------------


def real(base_url: str, calls: list[tuple[str, str]]) -> GraphClient:
    return GraphClient(
        base_url=base_url,
        version="v26.0",
        app_secrets=(SECRET,),
        http=HttpDoor(),
        on_usage=lambda hint: None,
        on_call=lambda edge, code, page_id, seconds: calls.append((edge, code)),
        now=lambda: NOON,
    )


def test_over_the_wire() -> None:
    calls: list[tuple[str, str]] = []

    def handle(talk: Talk) -> None:
        while talk.read() is not None:
            talk.send(ok(json.dumps(FACTS_LEAD).encode(), "facebook-api-version: v26.0"))

    with raw_server(handle) as server:
        client = real(server.url(""), calls)
        for _ in range(3):
            assert client.read_lead(LEAD, token=TOKEN, page_id=PAGE) == FACTS_LEAD
        head = server.requests[0].decode()
        assert server.accepted == 1
    first_line = head.splitlines()[0]
    assert first_line.startswith(f"GET /v26.0/{LEAD}?fields=id%2Ccreated_time")
    assert f"appsecret_proof={PROOF}" in first_line
    assert TOKEN not in first_line
    assert f"Authorization: Bearer {TOKEN}\r\n" in head
    assert calls == [("lead", "ok")] * 3


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "connection_broken"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + b'{"id": "2222', "connection_broken"),
        (ok(b'{"id": "222222222222222", "field_d'), "graph_garbage"),
        (ok(b"<html>Sorry, something went wrong.</html>", status="502 Bad Gateway"), "graph_garbage"),
        (ok(b"", "Location: https://login.example/", status="302 Found"), "graph_garbage"),
    ],
    ids=["closed", "half", "half JSON", "HTML", "redirect"],
)
def test_a_broken_graph_is_an_outage(data: bytes, code: str) -> None:
    calls: list[tuple[str, str]] = []

    def handle(talk: Talk) -> None:
        talk.read()
        talk.send(data)

    with raw_server(handle) as server:
        error = raised(lambda: real(server.url(""), calls).read_lead(LEAD, token=TOKEN, page_id=PAGE))
        assert len(server.requests) == 1
    assert (error.code, isinstance(error, Retryable) and error.outage) == (code, True)
    assert calls == [("lead", code)]


@pytest.mark.parametrize("token", ["EAA\r\nX: 1", "EAA\ud800", "EAAİ", "EAA\x00"])
def test_a_token_that_no_header_can_hold(token: str) -> None:
    error = raised(lambda: real("http://127.0.0.1:9", []).read_lead(LEAD, token=token, page_id=PAGE))
    assert (error.code, error.scope) == ("bad_header", "lane")
