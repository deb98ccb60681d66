"""GET /api/v1/datasets and /api/v1/datasets/<dataset_id>/quality."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from conftest import NOW
from lead_rows import PAGE, add, make_lead, on_both

from api.dataset_shapes import DatasetList, DatasetQuality
from leadloop.ports import Services
from store.conversion_models import Conversion, Dataset, QualityPoint
from store.models import Funnel, Page

DATASET, OTHER = "900000000000001", "900000000000002"
Get = Callable[..., Any]


@pytest.fixture
def filled(services: Services) -> None:
    at = NOW - timedelta(hours=1)
    stages = [{"stage": "new", "event": "Raw Lead"}, {"stage": "won", "event": "Purchase", "value": "required"}]
    common = {
        "dataset_id": DATASET,
        "connection": "*",
        "route": "conversion_leads",
        "event_time": at,
        "deadline_at": at,
    }
    lead = make_lead("222222222222222", at)
    add(services, Page(page_id=PAGE, name="Acme"), lead)
    add(
        services,
        Dataset(dataset_id=DATASET, name="Acme CRM", configured=True, created_at=NOW),
        Funnel(position=0, connection="*", dataset_id=DATASET, stages=stages, options={}),
        Funnel(position=1, connection="*", dataset_id=OTHER, stages=stages, options={"route": "business_messaging"}),
        Conversion(
            **common, stage="new", event_name="Raw Lead", event_id="1", state="accepted", lead_id=lead.id, created_at=at,
            sent_at=at, settled_at=at + timedelta(seconds=2), payload={"user_data": {"lead_id": 222222222222222}},
        ),
        Conversion(**common, stage="won", event_name="Purchase", event_id="2", state="held", code="value_unknown", created_at=at),
        QualityPoint(dataset_id=DATASET, at=at, answer={"web": [{"event_name": "Lead", "event_match_quality": {}}]}),
        QualityPoint(dataset_id=DATASET, at=NOW, code="graph_190", message="The token is dead.", action="Enter a new one."),
    )  # fmt: skip


def load(shape: Any, answer: Any) -> Any:
    """The answer is what the reference says: no field more or less."""
    assert answer.status_code == 200, answer.text
    shape().load(answer.json)
    return answer.json


@on_both
def test_datasets_are_listed_as_documented(get: Get, filled: None) -> None:
    told = load(DatasetList, get("/api/v1/datasets"))["datasets"]
    assert [(one["dataset_id"], one["configured"], one["routes"]) for one in told] == [
        (DATASET, True, ["conversion_leads"]),
        (OTHER, False, ["business_messaging"]),
    ]
    assert [one["dataset_id"] for one in get("/api/v1/datasets", configured="false").json["datasets"]] == [OTHER]
    assert get("/api/v1/datasets", configured="perhaps").status_code == 400


def test_no_dataset_is_an_empty_list(get: Get) -> None:
    assert get("/api/v1/datasets").json == {"datasets": []}


@on_both
def test_the_quality_is_told_as_documented(get: Get, filled: None) -> None:
    told = load(DatasetQuality, get(f"/api/v1/datasets/{DATASET}/quality"))
    assert (told["total"]["sent"], told["total"]["held"], told["total"]["freshness"]["p95_s"]) == (1, 1, 2.0)
    assert (told["conversion_leads"]["leads"], told["conversion_leads"]["coverage"]) == (1, 100.0)
    assert told["meta"]["failed"]["code"] == "graph_190"
    assert [one["event_name"] for one in told["meta"]["scores"]] == ["Lead"]
    assert {one["code"]: one["state"] for one in told["verdicts"]}["coverage"] == "good"
    assert told["since"] == "2026-10-25T09:00:00Z"


def test_a_dataset_that_only_a_funnel_names_has_a_quality_too(get: Get, filled: None) -> None:
    told = load(DatasetQuality, get(f"/api/v1/datasets/{OTHER}/quality"))
    assert (told["conversion_leads"], told["business_messaging"]["signals"]) == (None, 0)


def test_since_picks_the_period(get: Get, filled: None) -> None:
    told = load(DatasetQuality, get(f"/api/v1/datasets/{DATASET}/quality", since="2026-11-22T08:30:00Z"))
    assert (told["since"], told["total"]["sent"]) == ("2026-11-22T08:30:00Z", 0)


@pytest.mark.parametrize("query", [{"since": "7d"}, {"since": "2026-11-22"}, {"sinc": "2026-11-22T08:30:00Z"}])
def test_a_wrong_parameter_is_refused_with_the_mend(get: Get, filled: None, query: dict[str, str]) -> None:
    answer = get(f"/api/v1/datasets/{DATASET}/quality", **query)
    assert (answer.status_code, "since" in answer.json["detail"]) == (400, True)


@pytest.mark.parametrize("dataset_id", ["1", "900000000000003", "x", "9" * 50, "%00", "٩٠٠"])
def test_an_unknown_dataset_is_not_found(get: Get, filled: None, dataset_id: str) -> None:
    answer = get(f"/api/v1/datasets/{dataset_id}/quality")
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")


def test_without_a_key_nothing_is_told(client: Any, filled: None) -> None:
    assert client.get("/api/v1/datasets").status_code == 401
    assert client.get(f"/api/v1/datasets/{DATASET}/quality").status_code == 401
