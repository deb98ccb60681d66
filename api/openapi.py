"""The OpenAPI 3.1 document, made from the schemas that read the parameters and describe the answers. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from marshmallow import Schema, fields

from api import problems, shapes
from api.leads import LeadQuery
from api.parameters import MetaId, Query, QueryField
from api.problems import ProblemKind
from leadloop import __version__

JsonSchema = dict[str, Any]
BEARER = "apiKey"

ABOUT = (
    "The leads that leadloop keeps, and what became of each. Every answer is JSON in UTF-8; times are RFC 3339 in UTC; ids"
    " are text; what is unknown is null. Fields may be added, so read what you know. Nothing may be cached."
)


@dataclass(frozen=True)
class Operation:
    """One address of the API as documented. `path_parameters`: name → (field, what it is)."""

    path: str
    name: str
    summary: str
    description: str
    query: type[Query]
    answer: type[Schema]
    path_parameters: Mapping[str, QueryField]
    problems: tuple[ProblemKind, ...]


_USUAL = (problems.INVALID_PARAMETER, problems.UNAUTHORIZED)

OPERATIONS = (
    Operation(
        path="/api/v1/leads",
        name="listLeads",
        summary="List leads",
        description=(
            "Leads, newest first by the time leadloop heard of them. Take `next_cursor` from the answer and send it as"
            " `cursor` for the next page: what comes in meanwhile neither repeats nor hides a lead."
        ),
        query=LeadQuery,
        answer=shapes.LeadList,
        path_parameters={},
        problems=_USUAL,
    ),
    Operation(
        path="/api/v1/leads/{leadgen_id}",
        name="getLead",
        summary="One lead with its whole story",
        description="What happened when, where it went, what it still waits for, and how long each hop took.",
        query=Query,
        answer=shapes.LeadStory,
        path_parameters={
            "leadgen_id": MetaId(metadata={"description": "Meta's id of the lead.", "example": "222222222222222"})
        },
        problems=(*_USUAL, problems.NOT_FOUND),
    ),
)


def build_document() -> dict[str, Any]:
    """The whole document, ready for JSON."""
    schemas: dict[str, JsonSchema] = {}
    paths = {one.path: {"get": _operation(one, schemas)} for one in OPERATIONS}
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
    parameters += [_parameter(name, field, "query") for name, field in one.query().fields.items()]
    return {
        "operationId": one.name,
        "summary": one.summary,
        "description": one.description,
        "parameters": parameters,
        "responses": {
            "200": _response("The answer.", "application/json", _refer(one.answer, schemas)),
            **{str(kind.status): _problem(kind) for kind in one.problems},
            "default": _problem(None),
        },
    }


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
        described = {field_name: _field(one, schemas) for field_name, one in schema().fields.items()}
        schemas[name] = {
            "type": "object",
            "description": (schema.__doc__ or "").strip(),
            "properties": described,
            "required": [field_name for field_name, one in schema().fields.items() if one.required],
        }
    return {"$ref": f"#/components/schemas/{name}"}


_TYPES: tuple[tuple[type[fields.Field[Any]], JsonSchema], ...] = (
    (fields.AwareDateTime, {"type": "string", "format": "date-time"}),
    (fields.Integer, {"type": "integer"}),
    (fields.Boolean, {"type": "boolean"}),
    (fields.String, {"type": "string"}),
)


def _field(field: Any, schemas: dict[str, JsonSchema]) -> JsonSchema:
    found = _bare(field, schemas)
    if field.allow_none and "$ref" in found:
        found = {"anyOf": [found, {"type": "null"}]}
    elif field.allow_none:
        found["type"] = [found["type"], "null"]
    if "description" in field.metadata:
        found["description"] = field.metadata["description"]
    if "example" in field.metadata:
        found["examples"] = [field.metadata["example"]]
    return found


def _bare(field: Any, schemas: dict[str, JsonSchema]) -> JsonSchema:
    if isinstance(field, fields.Nested):
        return _refer(type(field.schema), schemas)
    if isinstance(field, fields.List):
        return {"type": "array", "items": _field(field.inner, schemas)}
    if isinstance(field, fields.Dict):
        values = field.value_field
        known = values is not None and not isinstance(values, fields.Raw)
        return {"type": "object", "additionalProperties": _field(values, schemas) if known else True}
    for kind, described in _TYPES:
        if isinstance(field, kind):
            return dict(described)
    raise TypeError(f"no OpenAPI description for {type(field).__name__}")
