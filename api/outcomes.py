"""/api/v1/outcomes: what happened to leads, as programs say; each is durable before it is answered."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Blueprint, Response, current_app, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from api.access import require_key
from api.answers import json_answer
from api.bodies import parse_body, read_body
from api.idempotency import REPLAYED, check_same, read_key
from api.lists import ListQuery, cut_page
from api.outcome_verdicts import Asked, Verdict, give_verdicts, is_all_invalid, read_request, refuse_all
from api.parameters import MetaId, OneOf, Query, Words, read_query
from api.problems import answer_database_errors, unavailable
from leadloop.logs import get_logger
from leadloop.ports import Services
from store.idempotency import KeptAnswer, RequestKey, claim_key, find_answer, give_up_key, keep_answer
from store.outcome_lists import STATES, OutcomeFilter, list_outcomes
from store.outcomes import add_outcomes

WITHIN_S = 10.0  # a database that has not answered by then counts as away
MANY = 50  # so many in a request take a noticeable part of a second of the one writer

log = get_logger(__name__)
bp = Blueprint("api_outcomes", __name__)
bp.before_request(require_key)
answer_database_errors(bp.register_error_handler)


class OutcomeQuery(ListQuery):
    """What GET /api/v1/outcomes takes."""

    leadgen_id = MetaId(load_default=None, metadata={"description": "Only of this lead.", "example": "222222222222222"})
    state = OneOf(
        *STATES,
        load_default=None,
        metadata={"description": "`waiting` for their lead, or `joined` to it."},
    )
    stage = Words(load_default=None, metadata={"description": "Only of this stage.", "example": "won"})


@bp.post("/api/v1/outcomes")
def add() -> ResponseReturnValue:
    """Keep one outcome or up to a thousand; 202 with a verdict on each, 422 when none of them can be kept."""
    services: Services = current_app.extensions["leadloop"]
    read_query(Query(), request.args)
    body = read_body()
    key = read_key(body)
    if key is not None and (earlier := _find_earlier(services, key)) is not None:
        return _replay(key, earlier)
    asked = read_request(parse_body(body), now=services.now(), key=key)
    done = _keep_durably(services, asked)
    if isinstance(done, KeptAnswer):
        assert key is not None  # noqa: S101  only a key finds an answer
        return _replay(key, done)
    services.bell.ring()
    log.info("outcomes_told", **Counter(verdict["status"] for verdict in done))
    if is_all_invalid(done):
        raise refuse_all(done)
    return json_answer(_body(asked, done), 202)


@bp.get("/api/v1/outcomes")
def list_() -> ResponseReturnValue:
    """Outcomes, newest first."""
    services: Services = current_app.extensions["leadloop"]
    chosen = read_query(OutcomeQuery(), request.args)
    limit, before = chosen.pop("limit"), chosen.pop("cursor")
    with services.read() as session:
        rows = list_outcomes(session, OutcomeFilter(before=before, **chosen), limit=limit + 1)
    page, cursor = cut_page(rows, limit, lambda row: (row.received_at, row.id))
    return json_answer({"outcomes": [row.to_json() for row in page], "next_cursor": cursor})


def _find_earlier(services: Services, key: RequestKey) -> KeptAnswer | None:
    with services.read() as session:
        return find_answer(session, key)


def _replay(key: RequestKey, earlier: KeptAnswer) -> Response:
    kept = check_same(key, earlier)
    answer = json_answer(kept.answer, kept.status)
    answer.headers[REPLAYED] = "true"
    return answer


def _keep_durably(services: Services, asked: Asked) -> list[Verdict] | KeptAnswer:
    """The verdicts, or what was answered to the same request at the same moment."""
    if not asked.inputs:
        return list(asked.refused)
    try:
        with _turn(services, len(asked.inputs)):
            return services.writer.gather(_keep_all, asked, timeout_s=WITHIN_S)
    except TimeoutError:
        raise unavailable() from None


@contextmanager
def _turn(services: Services, count: int) -> Iterator[None]:
    """Large requests go one after the other, or Meta's notices would wait in one transaction with all of them."""
    if count <= MANY:
        yield
        return
    lock = services.cached("many_outcomes", threading.Lock)
    if not lock.acquire(timeout=WITHIN_S):
        raise TimeoutError("other large requests took too long")
    try:
        yield
    finally:
        lock.release()


def _keep_all(session: Session, requests: list[Asked]) -> list[list[Verdict] | KeptAnswer]:
    """In one transaction, those that arrived together."""
    return [_keep(session, asked) for asked in requests]


def _keep(session: Session, asked: Asked) -> list[Verdict] | KeptAnswer:
    """The outcomes and what is answered stand in one transaction: neither is ever there without the other."""
    claim = claim_key(session, asked.key, now=asked.now) if asked.key is not None else None
    if isinstance(claim, KeptAnswer):
        return claim
    kept = add_outcomes(session, [given for _index, given in asked.inputs], source="api", now=asked.now)
    verdicts = give_verdicts(asked, kept)
    if claim is not None and is_all_invalid(verdicts):
        give_up_key(session, claim)
    elif claim is not None:
        keep_answer(session, claim, 202, _body(asked, verdicts))
    return verdicts


def _body(asked: Asked, verdicts: list[Verdict]) -> dict[str, Any]:
    return {"outcomes": verdicts} if asked.is_list else verdicts[0]
