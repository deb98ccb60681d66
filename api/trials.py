"""POST /api/v1/datasets/<dataset_id>/test-events: one event under a test code, and Meta's whole answer."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from flask import Blueprint, current_app, request
from flask.typing import ResponseReturnValue
from marshmallow import RAISE, Schema, ValidationError

from api.access import require_key
from api.answers import json_answer
from api.bodies import parse_body, read_body
from api.parameters import MOST_ERRORS, MetaId, OneOf, Query, QueryField, Words, read_query
from api.problems import INVALID_TEST_EVENT, NOT_FOUND, TOO_MANY_REQUESTS, Problem, answer_database_errors
from leadloop.conversions.routes import CHANNELS
from leadloop.conversions.trial import LONGEST_CODE
from leadloop.errors import LeadloopError, SettingsError
from leadloop.ports import Services
from store.conversion_tests import DATASET_ID, AskedTest, NoTestEvent, send_one

bp = Blueprint("api_trials", __name__)
bp.before_request(require_key)
answer_database_errors(bp.register_error_handler)


class _OnlyText(QueryField):
    """In JSON a value is text or it is not: nothing is made text here."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, str):
            raise ValidationError(self.mend)
        return super()._deserialize(value, attr, data, **kwargs)


class _Code(_OnlyText):
    openapi = {"type": "string", "pattern": f"^[!-~]{{1,{LONGEST_CODE}}}$"}
    mend = "must be the code that Events Manager shows under Test Events, such as TEST12345."


class _LeadgenId(_OnlyText, MetaId):
    pass


class _Channel(_OnlyText, OneOf):
    pass


class _EventName(_OnlyText, Words):
    pass


class AskedTestEvent(Schema):
    """What a test event is to be about: a lead, or the newest contact of a channel; by itself the newest real lead."""

    class Meta:
        unknown = RAISE

    error_messages = {"unknown": "is not a field of a test event."}

    test_event_code = _Code(
        required=True,
        error_messages={"required": f"is missing: it {_Code.mend}", "null": _Code.mend},
        metadata={"description": "From Events Manager > the dataset > Test Events.", "example": "TEST12345"},
    )
    leadgen_id = _LeadgenId(
        load_default=None,
        allow_none=True,
        metadata={"description": "About this lead.", "example": "222222222222222"},
    )
    channel = _Channel(
        *CHANNELS,
        load_default=None,
        allow_none=True,
        metadata={"description": "Instead: about the newest contact of this channel that Meta can be told of."},
    )
    event_name = _EventName(
        load_default=None,
        allow_none=True,
        metadata={"description": "Another event than the first of the dataset's funnel.", "example": "Lead"},
    )


@bp.post("/api/v1/datasets/<dataset_id>/test-events")
def send(dataset_id: str) -> ResponseReturnValue:
    """Send one test event; 200 with what Meta answered, whatever that is; 422 when nothing went out."""
    services: Services = current_app.extensions["leadloop"]
    read_query(Query(), request.args)
    if not DATASET_ID.fullmatch(dataset_id):
        raise Problem(NOT_FOUND, "There is no such dataset: its id has only digits. Copy it from Events Manager.")
    asked = AskedTest(dataset_id, **_read(parse_body(read_body())))
    with _turn(services):
        try:
            sent = send_one(services, asked)
        except NoTestEvent as none:
            raise _problem(none.message, none.action, none.field) from None
        except LeadloopError as caught:
            raise _problem(caught.message, caught.action) from None
        except SettingsError as caught:
            raise _problem(str(caught), "") from None
    return json_answer(sent.to_json())


def _read(body: Any) -> Mapping[str, Any]:
    if not isinstance(body, dict):
        raise Problem(INVALID_TEST_EVENT, 'Send one JSON object, with its keys once: {"test_event_code": "TEST12345"}.')
    try:
        found: Mapping[str, Any] = AskedTestEvent().load(body)
    except ValidationError as wrong:
        raise _refuse(wrong.messages) from None
    return found


def _refuse(messages: Any) -> Problem:
    """`messages` are marshmallow's. A key that is not ours is not quoted: it may be anything."""
    known = AskedTestEvent().fields
    errors = []
    for name, texts in list(messages.items())[:MOST_ERRORS]:
        field = name if name in known else ""
        errors.append({"parameter": field or "(unknown)", "detail": f"{field or 'A key'} {texts[0]}"})
    return Problem(INVALID_TEST_EVENT, f"Nothing was sent. {errors[0]['detail']}", errors=errors)


def _problem(message: str, action: str, field: str = "") -> Problem:
    detail = " ".join(filter(None, (message, action)))
    errors = [{"parameter": field, "detail": detail}] if field else []
    return Problem(INVALID_TEST_EVENT, detail, errors=errors)


@contextmanager
def _turn(services: Services) -> Iterator[None]:
    """One at a time in a process: each may keep a thread for as long as Meta is silent, and Meta's notices need those."""
    lock = services.cached("test_event", threading.Lock)
    if not lock.acquire(blocking=False):
        raise Problem(
            TOO_MANY_REQUESTS, "Another test event is under way: send this one again.", headers={"Retry-After": "5"}
        )
    try:
        yield
    finally:
        lock.release()
