"""Cursor paging as Graph does it: `limit`, `after`, `before`, and a link to the next page. Source: Meta facts §5.2."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TypeVar
from urllib.parse import urlencode

from sandbox import graph_errors as errors
from sandbox.calls import Call, Json

Row = TypeVar("Row")
Place = tuple[float, int]
USUAL_PAGE = 25
LARGEST_PAGE = 500  # Meta publishes no limit; asking for more is answered as asking for too much data


def cut_page(call: Call, rows: Sequence[Row], place: Callable[[Row], Place]) -> tuple[list[Row], Json]:
    """One page of `rows`, which fall by `place`, and its `paging`; empty when there is nothing to show.

    A cursor is the place itself, so that it stays good while rows come and go.
    """
    limit = call.number("limit", USUAL_PAGE)
    if limit > LARGEST_PAGE:
        raise errors.too_much_data()
    limit = max(1, limit)
    left = list(rows)
    if after := call.text("after"):
        bound = _read_cursor(after)
        left = [row for row in rows if place(row) < bound]
    elif before := call.text("before"):
        bound = _read_cursor(before)
        left = [row for row in rows if place(row) > bound][-limit:]
    shown = left[:limit]
    if not shown:
        return [], {}
    first, last = _cursor(place(shown[0])), _cursor(place(shown[-1]))
    paging: Json = {"cursors": {"before": first, "after": last}}
    if place(shown[-1]) != place(rows[-1]):
        paging["next"] = _link(call, last)
    return shown, {"paging": paging}


def _cursor(place: Place) -> str:
    return base64.urlsafe_b64encode(f"{place[0]!r}:{place[1]}".encode()).decode().rstrip("=")


def _read_cursor(text: str) -> Place:
    try:
        created, number = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().split(":")
        return float(created), int(number)
    except (binascii.Error, ValueError) as caught:
        raise errors.bad_parameter("Invalid cursors values") from caught


def _link(call: Call, after: str) -> str:
    """The next page's URL: like Meta's it repeats the parameters of the call, a token among them too."""
    kept = {name: str(value) for name, value in call.params.items() if name not in ("after", "before")}
    return f"{call.url}?{urlencode(kept | {'after': after})}"
