"""GET /api/v1/openapi.json and /api/v1/docs: the API described for programs and for people, from the same document."""

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from flask import Blueprint, Response
from flask.typing import ResponseReturnValue

from api.openapi import build_document, build_example
from api.pages import render_page
from api.problems import KINDS

bp = Blueprint("api_reference", __name__, template_folder="templates")


@dataclass(frozen=True)
class Row:
    """One parameter or field as the page shows it."""

    name: str
    type: str
    words: str
    shape: str = ""


@bp.get("/api/v1/openapi.json")
def openapi() -> ResponseReturnValue:
    """The OpenAPI document; no key needed."""
    return Response(_document_json(), mimetype="application/json")


@bp.get("/api/v1/docs")
def docs() -> ResponseReturnValue:
    """The document as a page to read; no key needed."""
    return render_page("api/reference.html", **_reading())


@cache
def _document_json() -> str:
    return json.dumps(build_document(), ensure_ascii=True, separators=(",", ":"))


@cache
def _reading() -> dict[str, Any]:
    document = build_document()
    schemas = document["components"]["schemas"]
    return {
        "about": document["info"]["description"],
        "operations": [
            _operation(path, method, operation, schemas)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        ],
        "shapes": [
            {"name": name, "words": schema["description"], "rows": _fields(schema)} for name, schema in schemas.items()
        ],
        "problems": KINDS,
        "problem_example": _pretty(build_example({"$ref": "#/components/schemas/ProblemDetails"}, schemas)),
    }


def _operation(path: str, method: str, operation: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    good = min(operation["responses"])
    answer = operation["responses"][good]["content"]["application/json"]["schema"]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return {
        "id": operation["operationId"],
        "verb": method.upper(),
        "path": path,
        "summary": operation["summary"],
        "words": operation["description"],
        "rows": [
            Row(one["name"], _type(one["schema"]) + _where(one), _with_example(one)) for one in operation["parameters"]
        ],
        "body_shape": _shape(body.get("schema", {})),
        "body_list": "anyOf" in body.get("schema", {}),
        "good": good,
        "statuses": [status for status in operation["responses"] if status not in (good, "default")],
        "shape": _shape(answer),
        "list_shape": _shape(answer["anyOf"][1]) if "anyOf" in answer else "",
        "curl": _curl_post(path, body, operation) if body else _curl(path),
        "example": _pretty(build_example(answer, schemas)),
    }


def _where(parameter: dict[str, Any]) -> str:
    """What the type alone does not say."""
    return (", needed" if parameter["required"] else "") + (", a header" if parameter["in"] == "header" else "")


def _curl(path: str) -> str:
    query = "?limit=2&since=2026-11-22T00:00:00Z" if "{" not in path and not path.endswith("/datasets") else ""
    return f"curl -H \"Authorization: Bearer $LEADLOOP_KEY\" \\\n  'https://leads.example.com{_fill(path)}{query}'"


def _fill(path: str) -> str:
    for name, example in (("leadgen", "222222222222222"), ("conversion", "31"), ("dataset", "900000000000001")):
        path = path.replace(f"{{{name}_id}}", example)
    return path


def _curl_post(path: str, body: dict[str, Any], operation: dict[str, Any]) -> str:
    example = json.dumps(body["examples"]["one"]["value"], ensure_ascii=False)
    once = any(one["in"] == "header" for one in operation["parameters"])
    key = '-H "Idempotency-Key: $(uuidgen)" ' if once else ""
    return (
        'curl -H "Authorization: Bearer $LEADLOOP_KEY" -H "Content-Type: application/json" \\\n'
        f"  {key}-d '{example}' \\\n  'https://leads.example.com{_fill(path)}'"
    )


def _fields(schema: dict[str, Any]) -> list[Row]:
    return [
        Row(name, _type(one), one.get("description", ""), _shape(one)) for name, one in schema["properties"].items()
    ]


def _type(schema: dict[str, Any]) -> str:
    """The type in a few words: "text or null", "whole number, 1 to 200, 50 when left out"."""
    if "enum" in schema:
        return " or ".join(schema["enum"])
    if "anyOf" in schema:
        return f"{_type(schema['anyOf'][0])} or null"
    if "$ref" in schema:
        return "object"
    if "type" not in schema:
        return "any JSON"
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    names = {"string": "text", "integer": "whole number", "boolean": "true or false", "array": "list", "null": "null"}
    words = " or ".join(names.get(kind, str(kind)) for kind in kinds)
    if schema.get("format") == "date-time":
        words = words.replace("text", "time")
    if "maximum" in schema:
        words += f", {schema['minimum']} to {schema['maximum']}, {schema['default']} when left out"
    return words


def _shape(schema: dict[str, Any]) -> str:
    """The name of the shape that a field holds, "" when it holds none."""
    for found in (schema, schema.get("items", {}), *schema.get("anyOf", ())):
        if "$ref" in found:
            return str(found["$ref"]).rpartition("/")[2]
    return ""


def _with_example(parameter: dict[str, Any]) -> str:
    example = f" Such as `{parameter['example']}`." if "example" in parameter else ""
    return str(parameter["description"]) + example


def _pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
