"""GET /metrics: Prometheus text. Right under several processes, since the sums live in the database."""

from flask import Blueprint, Response, current_app, request
from flask.typing import ResponseReturnValue
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from api.access import AWAY, may_see_figures, reading_limit
from api.exposition import Families, Sum
from api.remembered import Remembered
from leadloop.logs import get_logger
from leadloop.ports import Services
from store.counters import read_metrics
from store.figures import Figures, read_figures

bp = Blueprint("metrics", __name__)
log = get_logger(__name__)
NOT_NEAR = "Scrape from this machine or a private network, or with an API key as bearer token (docs/metrics.md)."
OPENMETRICS = "application/openmetrics-text"
OPENMETRICS_TYPE = f"{OPENMETRICS}; version=1.0.0; charset=utf-8"


@bp.get("/metrics")
def metrics() -> ResponseReturnValue:
    """All metrics; 403 from elsewhere without a key, 503 when the database does not answer."""
    services: Services = current_app.extensions["leadloop"]
    try:
        if not may_see_figures():
            return _plain(NOT_NEAR, 403)
        families = Families(reading_limit(services).run(lambda: _read_sums(services)), find_figures(services))
    except AWAY as caught:
        log.error("metrics_database_away", error=type(caught).__name__)
        return _plain("The database does not answer; see /readyz.", 503)
    if OPENMETRICS in request.headers.get("Accept", ""):
        text = openmetrics.generate_latest(families, version="1.0.0")  # type: ignore[no-untyped-call]
        response = Response(text, content_type=OPENMETRICS_TYPE)
    else:
        response = Response(generate_latest(families), content_type=CONTENT_TYPE_PLAIN_0_0_4)
    response.headers["Cache-Control"] = "no-store"
    return response


def find_figures(services: Services) -> Figures:
    """The figures of the moment; on a big database those of some seconds ago. Raises one of AWAY."""
    remembered: Remembered[Figures] = services.cached("figures", Remembered)

    def read() -> Figures:
        with services.read() as session:
            return read_figures(session, now=services.now())

    return remembered.get(lambda: reading_limit(services).run(read))


def _read_sums(services: Services) -> list[Sum]:
    with services.read() as session:
        return list(read_metrics(session))


def _plain(text: str, status: int) -> Response:
    response = Response(text + "\n", status, mimetype="text/plain")
    response.headers["Cache-Control"] = "no-store"
    return response
