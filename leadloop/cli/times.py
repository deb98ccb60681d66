"""Times on the command line: "7d", "36h", dates and full times in, "3 min ago" out."""

from datetime import UTC, datetime
from typing import Any

import rich_click as click

from workers.backfill import parse_since


class Since(click.ParamType[datetime]):
    """An aware UTC datetime from 7d, 36h, 2026-11-22 or 2026-11-22T10:00:00Z."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return parse_since(str(value), now=datetime.now(UTC))
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is not a time: write 7d, 36h, 2026-11-22 or 2026-11-22T10:00:00Z.", param, ctx)


SINCE = Since()


def ago(when: datetime, now: datetime) -> str:
    """ "12 s ago", "3 min ago", "5 h ago", then the date."""
    seconds = int((now - when).total_seconds())
    if seconds < 60:
        return f"{max(0, seconds)} s ago"
    if seconds < 3600:
        return f"{seconds // 60} min ago"
    if seconds < 86_400:
        return f"{seconds // 3600} h ago"
    return when.strftime("%Y-%m-%d %H:%M")
