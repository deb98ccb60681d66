"""The operations of the API as they are documented: a row for each address and method."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from marshmallow import Schema

from api import conversion_shapes, dataset_shapes, problems, shapes
from api.conversions import ConversionQuery, PayloadQuery
from api.datasets import DatasetQuery, QualityQuery
from api.idempotency import HEADER, REPLAYED, IdempotencyKeyField
from api.leads import LeadQuery
from api.outcomes import OutcomeQuery
from api.parameters import MetaId, Query, QueryField, RowId
from api.problems import ProblemKind
from api.trials import AskedTestEvent
from leadloop.conversions.outcome import OutcomeSchema
from store.outcomes import MOST_TOGETHER


@dataclass(frozen=True)
class Body:
    """What a request carries: one, or a list of up to `most` (None: one alone). `examples`: name → value."""

    schema: type[Schema]
    most: int | None
    examples: Mapping[str, Any]


@dataclass(frozen=True)
class Operation:
    """One address of the API with its method. `path_parameters`: name → (field, what it is).

    `answer_to_list`: the answer to a body that is a list, where that is another than to a single one.
    """

    path: str
    name: str
    summary: str
    description: str
    query: type[Query]
    answer: type[Schema]
    path_parameters: Mapping[str, QueryField]
    problems: tuple[ProblemKind, ...]
    method: str = "get"
    status: int = 200
    headers: Mapping[str, QueryField] = field(default_factory=dict)
    body: Body | None = None
    answer_to_list: type[Schema] | None = None
    answer_headers: Mapping[str, str] = field(default_factory=dict)


_USUAL = (problems.INVALID_PARAMETER, problems.UNAUTHORIZED)
_PAGED = (
    " Take `next_cursor` from the answer and send it as `cursor` for the next page: what comes in meanwhile neither repeats"
    " nor hides one."
)
_WON = {
    "lead": {"leadgen_id": "222222222222222"},
    "stage": "won",
    "occurred_at": "2026-11-22T10:15:00Z",
    "value": "12500.00",
    "currency": "TRY",
    "order_id": "DEAL-42",
    "connection": "crm",
    "fields": {"pipeline": "b2b"},
}
_QUALIFIED = {"lead": {"email": "zoe@example.com"}, "stage": "qualified", "occurred_at": "2026-11-22T09:40:00+03:00"}

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
    Operation(
        path="/api/v1/outcomes",
        name="addOutcomes",
        summary="Tell what happened to leads",
        description=(
            "One outcome (an object) or up to 1,000 (a list). What can be kept is durable before the answer, which holds a"
            " verdict on each: an invalid one does not cost its neighbours. 422 when none could be kept. The same outcome"
            " twice is kept once. With an `Idempotency-Key` the same request gets the same answer again for seven days"
            " (`Idempotency-Replayed: true`); a request that failed leaves its key free."
        ),
        query=Query,
        answer=conversion_shapes.OutcomeVerdict,
        path_parameters={},
        problems=(
            *_USUAL,
            problems.MALFORMED_BODY,
            problems.INVALID_IDEMPOTENCY_KEY,
            problems.CONTENT_TOO_LARGE,
            problems.UNSUPPORTED_MEDIA_TYPE,
            problems.INVALID_OUTCOMES,
            problems.IDEMPOTENCY_KEY_REUSED,
            problems.UNAVAILABLE,
        ),
        method="post",
        status=202,
        headers={
            HEADER: IdempotencyKeyField(
                metadata={
                    "description": "A text of your own for this request, to send with it again when no answer came.",
                    "example": "8e03978e-40d5-43dd-bc93-6894a57f9324",
                }
            )
        },
        body=Body(OutcomeSchema, MOST_TOGETHER, {"one": _WON, "many": [_QUALIFIED, _WON]}),
        answer_to_list=conversion_shapes.OutcomeVerdicts,
        answer_headers={REPLAYED: "`true`: this was answered before, under the same key; nothing was done again."},
    ),
    Operation(
        path="/api/v1/outcomes",
        name="listOutcomes",
        summary="List outcomes",
        description="Outcomes, newest first by the time leadloop was told." + _PAGED,
        query=OutcomeQuery,
        answer=conversion_shapes.OutcomeList,
        path_parameters={},
        problems=_USUAL,
    ),
    Operation(
        path="/api/v1/conversions",
        name="listConversions",
        summary="List conversions",
        description=(
            "The events that follow from outcomes, what became of each and why; newest first by the time they were decided."
            + _PAGED
        ),
        query=ConversionQuery,
        answer=conversion_shapes.ConversionList,
        path_parameters={},
        problems=_USUAL,
    ),
    Operation(
        path="/api/v1/conversions/{conversion_id}",
        name="getConversion",
        summary="One conversion",
        description="What was told to Meta of one outcome, to one dataset, and what it answered.",
        query=PayloadQuery,
        answer=conversion_shapes.Conversion,
        path_parameters={
            "conversion_id": RowId(metadata={"description": "The `id` of the conversion.", "example": "31"})
        },
        problems=(*_USUAL, problems.NOT_FOUND),
    ),
    Operation(
        path="/api/v1/datasets",
        name="listDatasets",
        summary="List datasets",
        description="The datasets at Meta that events go to.",
        query=DatasetQuery,
        answer=dataset_shapes.DatasetList,
        path_parameters={},
        problems=_USUAL,
    ),
    Operation(
        path="/api/v1/datasets/{dataset_id}/quality",
        name="getDatasetQuality",
        summary="How good the events of a dataset are",
        description=(
            "Each rule with its target, figure and mend; what became of the events, how fresh they were and which keys they"
            " have; and Meta's own scores, where it gives some. docs/quality.md says what each figure means."
        ),
        query=QualityQuery,
        answer=dataset_shapes.DatasetQuality,
        path_parameters={
            "dataset_id": MetaId(metadata={"description": "Meta's id of the dataset.", "example": "900000000000001"})
        },
        problems=(*_USUAL, problems.NOT_FOUND),
    ),
    Operation(
        path="/api/v1/datasets/{dataset_id}/test-events",
        name="sendTestEvent",
        summary="Send a test event",
        description=(
            "One event about a real person, under the code of Events Manager > Test Events, at once. Answers with the event and"
            " Meta's whole answer, also when Meta refuses it: `events_received` 1 is success. Meta keeps test events, and they"
            " count for targeting and measurement; leadloop counts them nowhere. It may take as long as Meta does, up to 20"
            " seconds; one at a time."
        ),
        query=Query,
        answer=conversion_shapes.SentTestEvent,
        path_parameters={
            "dataset_id": MetaId(metadata={"description": "Meta's id of the dataset.", "example": "900000000000001"})
        },
        problems=(
            *_USUAL,
            problems.MALFORMED_BODY,
            problems.NOT_FOUND,
            problems.CONTENT_TOO_LARGE,
            problems.UNSUPPORTED_MEDIA_TYPE,
            problems.INVALID_TEST_EVENT,
            problems.TOO_MANY_REQUESTS,
            problems.UNAVAILABLE,
        ),
        method="post",
        body=Body(AskedTestEvent, None, {"one": {"test_event_code": "TEST12345", "leadgen_id": "222222222222222"}}),
    ),
)
