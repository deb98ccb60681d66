"""For operators: /healthz (alive) and /readyz (able to keep a notice safe; 503 with the reasons otherwise)."""

from flask import Blueprint, current_app, jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from leadloop import __version__
from leadloop.ports import Services
from store.counters import add_metrics

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
    from store.migrate import find_schema_problem

    reasons = []
    if not services.settings.meta_app_secrets:
        reasons.append("META_APP_SECRET is not set: no notice can be verified.")
    try:
        with services.read() as session:
            session.execute(text("SELECT 1"))
        problem = find_schema_problem(services.engine)
        if problem:
            reasons.append(problem)
        else:
            services.writer.gather(_probe, 1.0, timeout_s=5.0)
    except (SQLAlchemyError, TimeoutError) as caught:
        reasons.append(f"The database does not take a write ({type(caught).__name__}): see its log and free space.")
    return reasons


def _probe(session: object, items: list[float]) -> list[None]:
    add_metrics(session, {("leadloop_ready_probes_total", "{}"): sum(items)})  # type: ignore[arg-type]
    return [None] * len(items)
