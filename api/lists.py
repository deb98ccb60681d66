"""What the lists of the API have in common: so many at a time from a cursor on, of a span of time."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from marshmallow import ValidationError, validates_schema

from api.parameters import CursorField, Moment, Query, WholeNumber, make_cursor

MOST_IN_PAGE = 200
Row = TypeVar("Row")


class ListQuery(Query):
    """What every list takes."""

    limit = WholeNumber(1, MOST_IN_PAGE, load_default=50, metadata={"description": "How many in one answer."})
    cursor = CursorField(
        load_default=None, metadata={"description": "`next_cursor` of the answer before, for what follows it."}
    )
    since = Moment(
        load_default=None,
        metadata={
            "description": "Only those of this time or later, by the time they are listed by.",
            "example": "2026-11-22T00:00:00Z",
        },
    )
    until = Moment(
        load_default=None, metadata={"description": "Only those before this time.", "example": "2026-11-23T00:00:00Z"}
    )

    @validates_schema(skip_on_field_errors=True)
    def check_span(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if data["since"] is not None and data["until"] is not None and data["since"] >= data["until"]:
            raise ValidationError({"until": ["must be later than since."]})


def cut_page(
    rows: Sequence[Row], limit: int, place_of: Callable[[Row], tuple[datetime, int]]
) -> tuple[Sequence[Row], str | None]:
    """The page, and the cursor of the next one: `rows` are one more than `limit` when there is one."""
    page = rows[:limit]
    return page, make_cursor(*place_of(page[-1])) if len(rows) > limit else None
