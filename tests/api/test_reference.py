"""The OpenAPI document and the page made from it: they say what the API does, and the API does what they say."""

import json
import re
import socket
from html.parser import HTMLParser

import pytest
import schemathesis
from conftest import NOW
from hypothesis import HealthCheck, given, settings
from lead_rows import add, make_lead
from marshmallow import fields
from schemathesis import GenerationMode

from api import shapes
from api.leads import LeadQuery
from api.openapi import OPERATIONS, build_document, build_example
from api.problems import KINDS
from leadloop import __version__

LEAD = "222222222222222"
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
    described = {one["name"]: one for one in document["paths"]["/api/v1/leads"]["get"]["parameters"]}
    assert set(described) == set(LeadQuery().fields)
    assert described["limit"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}
    assert described["state"]["schema"]["enum"] == ["waiting", "read", "gone"]


def test_examples_of_parameters_are_accepted(get, document):
    for parameter in document["paths"]["/api/v1/leads"]["get"]["parameters"]:
        if "example" in parameter:
            assert get("/api/v1/leads", **{parameter["name"]: parameter["example"]}).status_code == 200


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
    answer = document["paths"][operation.path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    example = build_example(answer, schemas)
    operation.answer().load(example)
    assert LEAD in json.dumps(example)


def test_every_shape_can_be_described():
    class Odd(shapes.Schema):
        when = fields.TimeDelta()

    from api.openapi import _refer

    with pytest.raises(TypeError, match="no OpenAPI description for TimeDelta"):
        _refer(Odd, {})


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
def test_api_does_what_the_document_says(app, services, key, operation, mode, monkeypatch):
    add(services, make_lead(LEAD, NOW), make_lead("1", NOW, routed=False))
    refuse_network(monkeypatch)
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app)
    described = schema[operation.path]["GET"]
    seen = []

    @given(case=described.as_strategy(mode))
    @settings(max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    def ask(case):
        if mode is GenerationMode.POSITIVE:
            case.query = set_tame(case.query)
        answer = case.call_and_validate(headers={"Authorization": f"Bearer {key}"})
        seen.append(answer.status_code)

    ask()
    expected = {200, 404} if mode is GenerationMode.POSITIVE else {400, 404}
    assert set(seen) & expected
    assert mode is not GenerationMode.POSITIVE or set(seen) <= expected
    assert len(seen) >= 20


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_every_border_of_the_document_holds(app, services, key, operation, monkeypatch):
    """Schemathesis' coverage cases: each limit of each parameter, missing ones, doubled ones, other methods."""
    add(services, make_lead(LEAD, NOW))
    refuse_network(monkeypatch)
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app)
    described = schema[operation.path]["GET"]
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
        seen.add(case.call_and_validate(headers={"Authorization": f"Bearer {key}"}).status_code)
    assert {200, 405} <= seen or {404, 405} <= seen


def test_page_names_everything(client, document):
    page = client.get("/api/v1/docs")
    assert (page.status_code, page.content_type) == (200, "text/html; charset=utf-8")
    for path, methods in document["paths"].items():
        assert path in page.text
        for parameter in methods["get"]["parameters"]:
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
