"""Times as spreadsheets write them, without an offset, become moments by the time zone that somebody named."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ] ?([0-9]{2}:[0-9]{2})(?:(:[0-9]{2})(\.[0-9]{1,30})?)? ?([Zz]|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_NOON = "12:00"
_WRITE = "write it like 2026-11-22T13:15:00+03:00, or 2026-11-22 13:15 with --time-zone"


class TimeInvalid(ValueError):
    """A sentence that says the mend."""


@dataclass(frozen=True)
class CellTime:
    """`when` is what read_outcome() takes: RFC 3339 text, or an aware datetime. `at_noon`: the cell holds a date only."""

    when: str | datetime
    at_noon: bool = False


def read_time(text: str, zone: ZoneInfo | None) -> CellTime:
    """The time in one cell. Without an offset it is one of `zone`; a date without an hour is noon there.

    Raises TimeInvalid, also for what the clocks of `zone` showed twice or never.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        raise TimeInvalid(f"Is not a time that can be read: {_WRITE}.")
    day, minute, second, fraction, offset = found.groups()
    if offset is not None:
        return CellTime(f"{day}T{minute}{second or ':00'}{fraction or ''}{offset}")
    if zone is None:
        what = "Has no offset" if minute else "Is a date without an hour"
        raise TimeInvalid(
            f"{what}, so that it may mean any hour of a day: write the offset (2026-11-22T13:15:00+03:00), or say"
            " whose clock it is, such as --time-zone Europe/Istanbul."
        )
    try:
        local = datetime.fromisoformat(f"{day}T{minute or _NOON}{second or ':00'}{(fraction or '')[:7]}")
        return CellTime(_in_zone(local, zone), at_noon=minute is None)
    except (ValueError, OverflowError) as caught:
        if isinstance(caught, TimeInvalid):
            raise
        raise TimeInvalid(f"Is no time that can be: {_WRITE}.") from None


def _in_zone(local: datetime, zone: ZoneInfo) -> datetime:
    early, late = (local.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if early.utcoffset() == late.utcoffset():
        return early.astimezone(UTC)
    if early.astimezone(UTC).astimezone(zone).replace(tzinfo=None, fold=0) == local:
        raise TimeInvalid(f"Was there twice in {zone.key}, when clocks were set back: write it with its offset.")
    raise TimeInvalid(f"Never was in {zone.key}, where clocks were set forward then: write it with its offset.")
