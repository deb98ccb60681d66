"""The OpenAPI 3.1 document, made from the schemas that read the parameters and describe the answers. Pure."""

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, fields

from api import problems, shapes
from api.operations import OPERATIONS, Body, Operation
from api.problems import ProblemKind
from leadloop import __version__

JsonSchema = dict[str, Any]
BEARER = "apiKey"

ABOUT = (
    "The leads that leadloop keeps, what became of each, and what Meta was told of that. Every answer is JSON in UTF-8;"
    " times are RFC 3339 in UTC; ids are text; what is unknown is null. Fields may be added, so read what you know. Nothing"
    " may be cached."
)


def build_document() -> dict[str, Any]:
    """The whole document, ready for JSON."""
    schemas: dict[str, JsonSchema] = {}
    paths: dict[str, JsonSchema] = {}
    for one in OPERATIONS:
        paths.setdefault(one.path, {})[one.method] = _operation(one, schemas)
    _refer(shapes.ProblemDetails, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "leadloop", "version": __version__, "description": ABOUT},
        "servers": [{"url": "/"}],
        "security": [{BEARER: []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                BEARER: {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A key made with `leadloop api-key create NAME`: `ll_` and 43 characters.",
                }
            },
        },
    }


def build_example(schema: JsonSchema, schemas: Mapping[str, JsonSchema]) -> Any:
    """An example answer of invented people, put together from the examples of the fields."""
    if "$ref" in schema:
        return build_example(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if "examples" in schema:
        return schema["examples"][0]
    if "anyOf" in schema:
        return build_example(schema["anyOf"][0], schemas)
    if schema.get("type") == "object":
        return {name: build_example(one, schemas) for name, one in schema["properties"].items()}
    if schema.get("type") == "array":
        return [build_example(schema["items"], schemas)]
    return None


def _operation(one: Operation, schemas: dict[str, JsonSchema]) -> JsonSchema:
    parameters = [_parameter(name, field, "path") for name, field in one.path_parameters.items()]
    parameters += [_parameter(name, field, "header") for name, field in one.headers.items()]
    parameters += [_parameter(name, field, "query") for name, field in one.query().fields.items()]
    answer = _refer(one.answer, schemas)
    if one.answer_to_list is not None:
        answer = {"anyOf": [answer, _refer(one.answer_to_list, schemas)]}
    good = _response("The answer.", "application/json", answer)
    for name, words in one.answer_headers.items():
        good["headers"][name] = {"description": words, "schema": {"type": "string"}}
    body = {"requestBody": _request_body(one.body, schemas)} if one.body is not None else {}
    return {
        "operationId": one.name,
        "summary": one.summary,
        "description": one.description,
        "parameters": parameters,
        **body,
        "responses": {str(one.status): good, **_problems(one.problems, schemas), "default": _problem(None)},
    }


def _request_body(body: Body, schemas: dict[str, JsonSchema]) -> JsonSchema:
    one = _refer(body.schema, schemas)
    if body.most is None:
        content = {"application/json": {"schema": one, "examples": _examples(body)}}
        return {"required": True, "description": "At most 4 MiB.", "content": content}
    many = {"type": "array", "items": one, "minItems": 1, "maxItems": body.most}
    content = {"application/json": {"schema": {"anyOf": [one, many]}, "examples": _examples(body)}}
    return {"required": True, "description": "One, or a list of them. At most 4 MiB.", "content": content}


def _examples(body: Body) -> JsonSchema:
    return {name: {"value": value} for name, value in body.examples.items()}


def _problems(kinds: tuple[ProblemKind, ...], schemas: dict[str, JsonSchema]) -> dict[str, JsonSchema]:
    """A response for each status, which several kinds may share."""
    found: dict[str, JsonSchema] = {}
    for kind in sorted(kinds, key=lambda one: one.status):
        described = _problem(kind)
        if kind is problems.INVALID_OUTCOMES:
            described["content"][problems.MEDIA_TYPE]["schema"] = _refer(shapes.OutcomesProblem, schemas)
        there = found.setdefault(str(kind.status), described)
        if there is not described:
            there["description"] = f"{there['description'][:-1]}, or: {described['description']}"
    return found


def _parameter(name: str, field: Any, where: str) -> JsonSchema:
    found: JsonSchema = {
        "name": name,
        "in": where,
        "required": where == "path",
        "description": field.metadata.get("description", ""),
        "schema": dict(field.openapi),
    }
    if "example" in field.metadata:
        found["example"] = field.metadata["example"]
    return found


def _problem(kind: ProblemKind | None) -> JsonSchema:
    words = kind.title + "." if kind is not None else "Any other error: problem details, too."
    reference = {"$ref": f"#/components/schemas/{shapes.ProblemDetails.__name__}"}
    found = _response(words, problems.MEDIA_TYPE, reference)
    if kind is problems.UNAUTHORIZED:
        found["headers"]["WWW-Authenticate"] = {"required": True, "schema": {"type": "string"}}
    return found


def _response(words: str, media_type: str, schema: JsonSchema) -> JsonSchema:
    return {
        "description": words,
        "headers": {
            "X-Request-Id": {
                "required": True,
                "description": "The id of this request in the log.",
                "schema": {"type": "string"},
            },
        },
        "content": {media_type: {"schema": schema}},
    }


def _refer(schema: type[Schema], schemas: dict[str, JsonSchema]) -> JsonSchema:
    """A reference to the schema, which is described once."""
    name = schema.__name__
    if name not in schemas:
        schemas[name] = {}  # taken, should it refer to itself
        made = {one.data_key or field_name: one for field_name, one in schema().fields.items()}
        schemas[name] = {
            "type": "object",
            "description": (schema.__doc__ or "").strip(),
            "properties": {field_name: _field(one, schemas) for field_name, one in made.items()},
            "required": [field_name for field_name, one in made.items() if one.required],
        }
    return {"$ref": f"#/components/schemas/{name}"}


_TYPES: tuple[tuple[type[fields.Field[Any]], JsonSchema], ...] = (
    (fields.AwareDateTime, {"type": "string", "format": "date-time"}),
    (fields.Integer, {"type": "integer"}),
    (fields.Float, {"type": "number"}),
    (fields.Boolean, {"type": "boolean"}),
    (fields.String, {"type": "string"}),
)


def _field(field: Any, schemas: dict[str, JsonSchema]) -> JsonSchema:
    found = _bare(field, schemas)
    if field.allow_none and "$ref" in found:
        found = {"anyOf": [found, {"type": "null"}]}
    elif field.allow_none and "type" in found:
        kinds = found["type"]
        found["type"] = [*(kinds if isinstance(kinds, list) else [kinds]), "null"]
    if "description" in field.metadata:
        found["description"] = field.metadata["description"]
    if "example" in field.metadata:
        found["examples"] = [field.metadata["example"]]
    return found


def _bare(field: Any, schemas: dict[str, JsonSchema]) -> JsonSchema:
    if hasattr(field, "openapi"):  # a field of what comes in describes itself
        return dict(field.openapi)
    if isinstance(field, fields.Nested):
        return _refer(type(field.schema), schemas)
    if isinstance(field, fields.List):
        return {"type": "array", "items": _field(field.inner, schemas)}
    if isinstance(field, fields.Dict):
        values = field.value_field
        known = values is not None and not isinstance(values, fields.Raw)
        return {"type": "object", "additionalProperties": _field(values, schemas) if known else True}
    if type(field) is fields.Raw:
        return {}
    for kind, described in _TYPES:
        if isinstance(field, kind):
            return dict(described)
    raise TypeError(f"no OpenAPI description for {type(field).__name__}")
