"""GET /api/v1/datasets and /api/v1/datasets/<dataset_id>/quality: the datasets, and how good the events of one are."""

import re
from typing import Any

from flask import Blueprint, current_app, request
from flask.typing import ResponseReturnValue

from api.access import require_key
from api.answers import json_answer
from api.parameters import Moment, Query, YesNo, read_query
from api.problems import NOT_FOUND, Problem, answer_database_errors
from leadloop.leads import iso_utc
from leadloop.ports import Services
from store.quality_reports import PERIOD, KnownDataset, find_known, list_known, read_report

_DATASET_ID = re.compile(r"[0-9]{1,40}\Z")

bp = Blueprint("api_datasets", __name__)
bp.before_request(require_key)
answer_database_errors(bp.register_error_handler)


class DatasetQuery(Query):
    """What GET /api/v1/datasets takes."""

    configured = YesNo(
        load_default=None,
        metadata={"description": "`true`: only those that have a table of their own in the configuration file."},
    )


class QualityQuery(Query):
    """What GET /api/v1/datasets/<dataset_id>/quality takes."""

    since = Moment(
        load_default=None,
        metadata={
            "description": "Of events made at this time or later; the last 28 days when left out.",
            "example": "2026-11-01T00:00:00Z",
        },
    )


@bp.get("/api/v1/datasets")
def list_() -> ResponseReturnValue:
    """All datasets, in the order of the configuration."""
    services: Services = current_app.extensions["leadloop"]
    wanted = read_query(DatasetQuery(), request.args)["configured"]
    with services.read() as session:
        known = list_known(session)
    return json_answer({"datasets": [_json(one) for one in known if wanted in (None, one.configured)]})


@bp.get("/api/v1/datasets/<dataset_id>/quality")
def quality(dataset_id: str) -> ResponseReturnValue:
    """How good the events of one dataset are."""
    services: Services = current_app.extensions["leadloop"]
    since = read_query(QualityQuery(), request.args)["since"]
    now = services.now()
    with services.read() as session:
        dataset = find_known(session, dataset_id) if _DATASET_ID.match(dataset_id) else None
        if dataset is None:
            raise Problem(
                NOT_FOUND, "There is no dataset with this id here; GET /api/v1/datasets lists those there are."
            )
        report = read_report(session, dataset, since=since or now - PERIOD, now=now)
    return json_answer(report.to_json())


def _json(dataset: KnownDataset) -> dict[str, Any]:
    return {
        "dataset_id": dataset.dataset_id,
        "name": dataset.name,
        "configured": dataset.configured,
        "routes": list(dataset.routes),
        "created_at": iso_utc(dataset.created_at) if dataset.created_at else None,
    }
