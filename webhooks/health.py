"""For operators: /healthz (alive) and /readyz (able to keep a notice safe; 503 with the reasons otherwise)."""

import time

from flask import Blueprint, current_app, jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from leadloop import __version__
from leadloop.ports import Services
from leadloop.time_limits import TimeLimit
from store.counters import add_metrics
from store.migrate import find_schema_problem
from webhooks.meta import NOT_STORED_AT

PROBE_WITHIN_S = 5.0
READ_WITHIN_S = 3.0
AWAY = "The database does not answer: see its log, and whether its disk stands still."
LOST_NOTICE_COUNTS_S = 15.0  # then it is ready again on trial: with nothing sent here, nothing could show that it is

bp = Blueprint("health", __name__)


@bp.get("/healthz")
def healthz() -> ResponseReturnValue:
    """The process answers."""
    return jsonify(status="ok", version=__version__)


@bp.get("/readyz")
def readyz() -> ResponseReturnValue:
    """The database takes a durable write, and its tables are of this version."""
    services: Services = current_app.extensions["leadloop"]
    reasons = find_reasons(services)
    if reasons:
        return jsonify(status="not ready", reasons=reasons), 503
    return jsonify(status="ready", reasons=[])


def find_reasons(services: Services) -> list[str]:
    """Why a notice could not be kept safe now; empty when it could."""
    reasons = []
    if not services.settings.meta_app_secrets:
        reasons.append("META_APP_SECRET is not set: no notice can be verified.")
    problem = _find_database_problem(services) or _find_lost_notice(services)
    return [*reasons, problem] if problem else reasons


def _find_database_problem(services: Services) -> str | None:
    """Writes first, then reads; each with a time limit, as a database that hangs would be waited for for ever."""
    found = None
    try:
        services.writer.gather(_probe, 1.0, timeout_s=PROBE_WITHIN_S)
    except TimeoutError:
        return AWAY
    except SQLAlchemyError as caught:
        found = f"The database does not take a write ({type(caught).__name__}): see its log and free space."
    limit = services.cached("schema_limit", lambda: TimeLimit(READ_WITHIN_S))
    try:
        return limit.run(lambda: find_schema_problem(services.engine)) or found
    except TimeoutError:
        return AWAY
    except SQLAlchemyError as caught:
        return found or f"The database does not give a read ({type(caught).__name__}): see its log."


def _find_lost_notice(services: Services) -> str | None:
    """The probe changes a row that is there; on a full disk that may still work while a new row does not fit."""
    at = services.caches.get(NOT_STORED_AT)
    if at is None or time.monotonic() - at > LOST_NOTICE_COUNTS_S:
        return None
    return "The last notice could not be stored: see the log of the database and its free space."


def _probe(session: object, items: list[float]) -> list[None]:
    add_metrics(session, {("leadloop_ready_probes_total", "{}"): sum(items)})  # type: ignore[arg-type]
    return [None] * len(items)
