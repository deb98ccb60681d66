"""The OpenAPI document and the page made from it: they say what the API does, and the API does what they say."""

import json
import re
import socket
from html.parser import HTMLParser

import pytest
import schemathesis
from conftest import NOW
from conversion_rows import make_conversion, make_outcome
from hypothesis import HealthCheck, given, settings
from lead_rows import add, make_lead
from marshmallow import fields
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from api import shapes
from api.conversions import ConversionQuery
from api.leads import LeadQuery
from api.openapi import build_document, build_example
from api.operations import OPERATIONS
from api.outcomes import OutcomeQuery
from api.problems import KINDS
from leadloop import __version__
from store.models import Connection

LEAD = "222222222222222"
DATASET = "900000000000001"
UNDOCUMENTED = {"/api/v1/openapi.json", "/api/v1/docs"}  # what describes is not described


@pytest.fixture
def document(client):
    answer = client.get("/api/v1/openapi.json")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.json


def test_every_route_is_described_and_nothing_else(app, document):
    routes = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api") and rule.rule not in UNDOCUMENTED
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    described = {(path, method) for path, methods in document["paths"].items() for method in methods}
    assert described == routes
    assert document["info"]["version"] == __version__


def test_parameters_are_those_that_are_read(document):
    for path, query in (
        ("/api/v1/leads", LeadQuery),
        ("/api/v1/outcomes", OutcomeQuery),
        ("/api/v1/conversions", ConversionQuery),
    ):
        described = {one["name"]: one for one in document["paths"][path]["get"]["parameters"]}
        assert set(described) == set(query().fields)
    described = {one["name"]: one for one in document["paths"]["/api/v1/leads"]["get"]["parameters"]}
    assert described["limit"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}
    assert described["state"]["schema"]["enum"] == ["waiting", "read", "gone"]


@pytest.mark.parametrize("path", ["/api/v1/leads", "/api/v1/outcomes", "/api/v1/conversions"])
def test_examples_of_parameters_are_accepted(get, document, path):
    for parameter in document["paths"][path]["get"]["parameters"]:
        if "example" in parameter:
            assert get(path, **{parameter["name"]: parameter["example"]}).status_code == 200


def test_examples_of_bodies_are_accepted(app, services, key, document, clock):
    add(services, make_lead(LEAD, NOW), Connection(name="crm", adapter="webhook", settings_sealed="-", changed_at=NOW))
    clock.forward(days=1)
    examples = document["paths"]["/api/v1/outcomes"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    for name, expected in (("one", {"accepted"}), ("many", {"waiting", "accepted", "repeated"})):
        answer = app.test_client().post(
            "/api/v1/outcomes", json=examples[name]["value"], headers={"Authorization": f"Bearer {key}"}
        )
        assert answer.status_code == 202, answer.text
        told = answer.json.get("outcomes", [answer.json])
        assert {one["status"] for one in told} <= expected


def test_the_body_of_outcomes_is_described_with_every_field(document):
    schema = document["components"]["schemas"]["OutcomeSchema"]
    assert set(schema["properties"]) == {
        "lead",
        "stage",
        "occurred_at",
        "value",
        "currency",
        "order_id",
        "connection",
        "fields",
    }
    assert schema["required"] == ["lead", "stage", "occurred_at"]
    assert schema["properties"]["order_id"]["type"] == ["string", "integer", "null"]
    operation = document["paths"]["/api/v1/outcomes"]["post"]
    assert set(operation["responses"]) == {"202", "400", "401", "413", "415", "422", "503", "default"}
    one, many = operation["requestBody"]["content"]["application/json"]["schema"]["anyOf"]
    assert (many["items"], many["maxItems"]) == (one, 1_000)
    assert [parameter["name"] for parameter in operation["parameters"]] == ["Idempotency-Key"]


def test_lead_has_the_fields_of_the_card(document):
    card = make_lead(LEAD, NOW).card
    assert card["leadgen_id"] == LEAD
    from store.lead_story import find_card

    assert set(document["components"]["schemas"]["Lead"]["properties"]) == set(
        find_card(make_lead(LEAD, NOW)).to_json()
    )


def test_every_field_says_what_it_is(document):
    for name, schema in document["components"]["schemas"].items():
        assert schema["description"], name
        for field, described in schema["properties"].items():
            assert described.get("description") or "$ref" in described or "items" in described, f"{name}.{field}"


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_example_answers_fit_their_own_shapes(operation):
    document = build_document()
    schemas = document["components"]["schemas"]
    described = document["paths"][operation.path][operation.method]["responses"][str(operation.status)]
    answer = described["content"]["application/json"]["schema"]
    example = build_example(answer, schemas)
    operation.answer().load(example)
    assert LEAD in json.dumps(example) or DATASET in json.dumps(example)
    if operation.answer_to_list is not None:
        operation.answer_to_list().load(build_example(answer["anyOf"][1], schemas))


def test_every_shape_can_be_described():
    class Odd(shapes.Schema):
        when = fields.TimeDelta()

    from api.openapi import _refer

    with pytest.raises(TypeError, match="no OpenAPI description for TimeDelta"):
        _refer(Odd, {})


# A body that the document does not describe may hold good outcomes beside bad ones (202), and one that it describes may
# tell of next year (422).
LENIENT = {"get": [], "post": [negative_data_rejection, positive_data_acceptance]}


def add_some(services):
    add(
        services,
        make_lead(LEAD, NOW),
        make_lead("1", NOW, routed=False),
        Connection(name="crm", adapter="webhook", settings_sealed="-", changed_at=NOW),
        make_outcome(NOW, key="a", lead_id=1),
        make_conversion(NOW, event_id="a", lead_id=1, outcome_id=1),
    )


def refuse_network(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("a test reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def set_tame(query):
    """Values that the document cannot describe exactly (an address, a number, a cursor) are replaced by good ones."""
    good = {"email": "zoe@example.com", "phone": "+905321234567"}
    tamed = {name: good.get(name, value) for name, value in (query or {}).items() if name != "cursor"}
    if "since" in tamed:
        tamed.pop("until", None)
    return tamed


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_api_does_what_the_document_says(app, services, key, operation, mode, monkeypatch, clock):
    add_some(services)
    clock.forward(days=1)  # the examples of bodies are of that day
    refuse_network(monkeypatch)
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app)
    described = schema[operation.path][operation.method.upper()]
    seen = []

    @given(case=described.as_strategy(mode))
    @settings(max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    def ask(case):
        if mode is GenerationMode.POSITIVE:
            case.query = set_tame(case.query)
        answer = case.call_and_validate(
            headers={"Authorization": f"Bearer {key}"}, excluded_checks=LENIENT[operation.method]
        )
        seen.append(answer.status_code)

    ask()
    if operation.method == "post":
        expected = {operation.status, 422} if mode is GenerationMode.POSITIVE else {400, 415, 422}
    else:
        expected = {200, 404} if mode is GenerationMode.POSITIVE else {400, 404}
    assert set(seen) & expected
    assert mode is not GenerationMode.POSITIVE or set(seen) <= expected
    assert len(seen) >= 20


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_every_border_of_the_document_holds(app, services, key, operation, monkeypatch, clock):
    """Schemathesis' coverage cases: each limit of each parameter, missing ones, doubled ones, other methods."""
    add_some(services)
    clock.forward(days=1)
    refuse_network(monkeypatch)
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app)
    described = schema[operation.path][operation.method.upper()]
    cases = list(
        schema.iter_coverage_cases(
            described, generation_modes=list(GenerationMode), generation_config=schema.config.generation
        )
    )
    assert len(cases) >= 5
    seen = set()
    for case in cases:
        if case.meta.generation.mode is GenerationMode.POSITIVE:
            case.query = set_tame(case.query)
        headers = {"Authorization": f"Bearer {key}"}
        seen.add(case.call_and_validate(headers=headers, excluded_checks=LENIENT[operation.method]).status_code)
    assert {405, operation.status} <= seen or {404, 405} <= seen


def test_page_names_everything(client, document):
    page = client.get("/api/v1/docs")
    assert (page.status_code, page.content_type) == (200, "text/html; charset=utf-8")
    for path, methods in document["paths"].items():
        assert path in page.text
        for method, operation in methods.items():
            assert f'<span class="verb">{method.upper()}</span> {path}' in page.text
            for parameter in operation["parameters"]:
                assert f"<code>{parameter['name']}</code>" in page.text
    for name in document["components"]["schemas"]:
        assert f'id="shape-{name}"' in page.text
    for kind in KINDS:
        assert f'id="{kind.type.partition("#")[2]}"' in page.text


def test_links_of_the_page_lead_somewhere(client):
    class Links(HTMLParser):
        ids, links = set(), set()

        def handle_starttag(self, _tag, attrs):
            found = dict(attrs)
            self.ids.add(found.get("id"))
            self.links.add(found.get("href"))

    reader = Links()
    reader.feed(client.get("/api/v1/docs").text)
    for link in reader.links - {None}:
        if link.startswith("#"):
            assert link[1:] in reader.ids, link
        elif link.startswith("/"):
            assert client.get(link).status_code == 200, link
