"""Errors under /api/: problem details, whatever goes wrong; elsewhere the application's own."""

import dataclasses
import logging

import pytest
from flask import Flask, Response, request
from sqlalchemy.exc import OperationalError, ProgrammingError
from werkzeug.exceptions import HTTPException

import api
from api.problems import MEDIA_TYPE
from api.shapes import ProblemDetails
from leadloop.request_ids import RequestIds
from wsgi import create_app


def assert_problem(answer, status, slug=None):
    assert answer.status_code == status
    assert answer.content_type == MEDIA_TYPE
    ProblemDetails().load(answer.json)
    assert answer.json["status"] == status
    assert answer.json["type"] == (f"/api/v1/docs#problem-{slug}" if slug else "about:blank")
    assert answer.json["request_id"] == answer.headers["X-Request-Id"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    "path",
    ["/api", "/api/", "/api/v1", "/api/v1/", "/api/v2/leads", "/api/v1/leads/", "/api/v1/leads/1/x", "/api/\x00"],
)
def test_unknown_address(client, key, path):
    assert_problem(client.get(path, headers={"Authorization": f"Bearer {key}"}), 404, "not-found")


def test_wrong_method(client):
    answer = client.post("/api/v1/docs")
    assert_problem(answer, 405, "method-not-allowed")
    assert answer.json["detail"] == "This address takes GET, HEAD, OPTIONS."
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


def test_no_key(client):
    assert_problem(client.get("/api/v1/leads"), 401, "unauthorized")


def test_wrong_parameter(get):
    assert_problem(get("/api/v1/leads", limit="x"), 400, "invalid-parameter")


@pytest.fixture
def odd(app):
    """The application with addresses that go wrong in many ways."""

    def read_json():
        return {"got": request.get_json()}

    def fall_over():
        raise RuntimeError("zoe@example.com is in this message")

    def lose_database():
        raise OperationalError("SELECT :email", {"email": "zoe@example.com"}, Exception("gone"))

    def misuse_database():
        raise ProgrammingError("SELECT :email", {"email": "zoe@example.com"}, Exception("no such column"))

    app.add_url_rule("/api/v1/try/json", view_func=read_json, methods=["POST"])
    app.add_url_rule("/api/v1/try/fall", view_func=fall_over)
    app.add_url_rule("/elsewhere/fall", endpoint="fall2", view_func=fall_over)
    leads = app.view_functions["api_leads.list_"]
    yield app, {"lose": lose_database, "misuse": misuse_database}
    app.view_functions["api_leads.list_"] = leads


def test_wrong_type_of_body(odd):
    app, _views = odd
    client = app.test_client()
    assert_problem(client.post("/api/v1/try/json", data="<x/>", content_type="text/xml"), 415, "unsupported-media-type")
    assert_problem(client.post("/api/v1/try/json", data="{", content_type="application/json"), 400)
    app.config["MAX_CONTENT_LENGTH"] = 10
    large = client.post("/api/v1/try/json", data="[1,2,3,4,5,6,7,8,9]", content_type="application/json")
    assert_problem(large, 413, "content-too-large")


def test_error_of_ours_shows_nothing_of_itself(odd):
    app, _views = odd
    answer = app.test_client().get("/api/v1/try/fall")
    assert_problem(answer, 500, "internal")
    assert "example.com" not in answer.text
    assert "Traceback" not in answer.text


def test_database_away(odd, key, caplog):
    app, views = odd
    app.view_functions["api_leads.list_"] = views["lose"]
    with caplog.at_level(logging.INFO):
        answer = app.test_client().get("/api/v1/leads", headers={"Authorization": f"Bearer {key}"})
    assert_problem(answer, 503, "unavailable")
    assert answer.headers["Retry-After"] == "5"
    assert "zoe@example.com" not in caplog.text


def test_wrong_query_of_ours_is_an_error_of_ours(odd, key):
    app, views = odd
    app.view_functions["api_leads.list_"] = views["misuse"]
    assert_problem(app.test_client().get("/api/v1/leads", headers={"Authorization": f"Bearer {key}"}), 500, "internal")


def test_database_away_before_the_key_is_known(app, services, key):
    def read():
        raise OperationalError("SELECT", {}, Exception("gone"))

    app.extensions["leadloop"] = dataclasses.replace(services, read=read)
    assert_problem(
        app.test_client().get("/api/v1/leads", headers={"Authorization": f"Bearer {key}"}), 503, "unavailable"
    )


def test_request_id_of_the_application_is_used(services):
    client = create_app(services=services).test_client()
    answer = client.get("/api/v1/leads", headers={"X-Request-Id": "given-by-the-proxy"})
    assert answer.json["request_id"] == answer.headers["X-Request-Id"] == "given-by-the-proxy"


def test_errors_elsewhere_stay_with_the_application(services):
    app = Flask("leadloop", static_folder=None)
    app.extensions["leadloop"] = services
    app.register_error_handler(HTTPException, lambda caught: Response(f"own {caught.code}", caught.code))
    api.register(app)
    app.wsgi_app = RequestIds(app.wsgi_app)
    client = app.test_client()
    assert client.get("/nowhere").text == "own 404"
    assert client.get("/apiary").text == "own 404"
    assert client.post("/metrics").text == "own 405"
    assert_problem(client.get("/api/nowhere"), 404, "not-found")
    assert "Cache-Control" not in client.get("/nowhere").headers


def test_errors_elsewhere_without_a_handler_are_flasks(odd):
    app, _views = odd
    client = app.test_client()
    assert client.get("/nowhere").content_type.startswith("text/html")
    app.config["PROPAGATE_EXCEPTIONS"] = False
    assert client.get("/elsewhere/fall").status_code == 500


def test_cross_origin_requests_get_no_permission(client, key):
    origin = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    for answer in (
        client.options("/api/v1/leads", headers=origin),
        client.get("/api/v1/leads", headers=origin | {"Authorization": f"Bearer {key}"}),
        client.get("/api/v1/openapi.json", headers=origin),
    ):
        assert not [name for name, _value in answer.headers if name.lower().startswith("access-control")]


def test_head_has_the_headers_and_no_body(client, key):
    answer = client.head("/api/v1/leads", headers={"Authorization": f"Bearer {key}"})
    assert (answer.status_code, answer.data) == (200, b"")
    assert client.head("/api/v1/leads").status_code == 401


def test_detail_spells_parameters_as_they_are(get):
    answer = get("/api/v1/leads", foo="1", limit="0").json
    assert answer["detail"].startswith("foo is not a parameter of this address")
    assert answer["detail"] == " ".join(error["detail"] for error in answer["errors"])
