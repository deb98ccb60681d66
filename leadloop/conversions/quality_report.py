"""The quality of one dataset in one period, for people and programs: what was measured, judged and said by Meta. Pure."""

from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from leadloop.conversions.quality import SAMPLE, EventQuality, LeadQuality, MessagingQuality
from leadloop.conversions.quality_meta import NOT_OURS, NOTHING, UNPUBLISHED, MetaQuality, Point
from leadloop.conversions.quality_rules import Measured, Verdict, judge
from leadloop.leads import iso_utc

SAMPLE_NOTE = f"Keys are counted in the newest events that went out, {SAMPLE:,} at most."


@dataclass(frozen=True)
class Report:
    """Times are aware UTC; `since` to `until` is the period in which the events were made."""

    dataset_id: str
    name: str | None
    since: datetime
    until: datetime
    measured: Measured

    @cached_property
    def verdicts(self) -> list[Verdict]:
        return judge(self.measured)

    @cached_property
    def notes(self) -> list[str]:
        """What cannot be told of the dataset's routes, in words."""
        measured = self.measured
        found = [SAMPLE_NOTE] if any(one.sampled for one in measured.events) else []
        found += [UNPUBLISHED[route] for route in measured.routes if route in UNPUBLISHED]
        if "website" in measured.routes:
            found.append(NOT_OURS)
        meta = measured.meta
        if meta.polled_at is None:
            found.append(
                "Meta has not been asked yet: that is done every 6 hours once events were sent, and by --refresh."
            )
        elif meta.answered_at is not None and not meta.scores:
            found.append(NOTHING)
        return found

    def to_json(self) -> dict[str, Any]:
        """As docs/quality.md describes it; times in RFC 3339, shares in percent."""
        measured = self.measured
        return {
            "dataset_id": self.dataset_id,
            "name": self.name,
            "since": iso_utc(self.since),
            "until": iso_utc(self.until),
            "verdicts": [asdict(one) for one in self.verdicts],
            "total": _event_json(measured.total),
            "events": [_event_json(one) for one in measured.events],
            "conversion_leads": _leads_json(measured.leads),
            "business_messaging": _messaging_json(measured.messaging),
            "meta": _meta_json(measured.meta),
            "notes": self.notes,
        }


def _event_json(one: EventQuality) -> dict[str, Any]:
    return asdict(one) | {"acceptance": one.acceptance, "keys": [asdict(key) for key in one.keys]}


def _leads_json(leads: LeadQuality | None) -> dict[str, Any] | None:
    if leads is None:
        return None
    return asdict(leads) | {"coverage": leads.coverage, "stages": [asdict(stage) for stage in leads.stages]}


def _messaging_json(messaging: MessagingQuality | None) -> dict[str, Any] | None:
    return None if messaging is None else asdict(messaging)


def _meta_json(meta: MetaQuality) -> dict[str, Any]:
    return {
        "polled_at": iso_utc(meta.polled_at) if meta.polled_at else None,
        "answered_at": iso_utc(meta.answered_at) if meta.answered_at else None,
        "before_at": iso_utc(meta.before_at) if meta.before_at else None,
        "failed": _failure_json(meta.failed),
        "scores": [asdict(one) | {"keys": [asdict(key) for key in one.keys]} for one in meta.scores],
    }


def _failure_json(failed: Point | None) -> dict[str, Any] | None:
    if failed is None:
        return None
    return {"at": iso_utc(failed.at), "code": failed.code, "message": failed.message, "action": failed.action}
