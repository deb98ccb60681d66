"""How good what was sent is, measured at home: the arithmetic, without I/O.

It mirrors Meta's definitions and gives no scores of Meta's: those are in quality_meta.py. What is good enough:
quality_rules.py. Source: Meta conversions facts §1.4, §5.2, §8.4, read 2026-11-26.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

SAMPLE = 2_000  # of the newest events the payloads are looked at
MANY_MISS = 20.0  # percent: from so many on, a key that events lack is worth a word
REAL_TIME_S, HOURLY_S, DAILY_S = 600, 7_200, 86_400  # below: how often it is sent, as Meta names it. The first is ours.
CLICK_WINDOW = timedelta(days=7)

# Meta's words for Conversion Leads; it ranks keys for no other route. Facts §5.2.
PRIORITIES: Mapping[str, str] = {"lead_id": "highest", "fbc": "highest", "em": "highest", "ph": "high"}
MEDIUM = ("fn", "ln", "ct", "st", "zp", "country", "ge", "db")
_OF_ROUTE = {"conversion_leads": (*PRIORITIES, *MEDIUM), "business_messaging": ("em", "ph", *MEDIUM)}
_ELSEWHERE = ("fbc", "em", "ph", *MEDIUM)
_NAMES = {
    "lead_id": "Meta's id of the lead",
    "fbc": "the click id",
    "em": "the hashed e-mail address",
    "ph": "the hashed phone number",
    "fn": "first name",
    "ln": "last name",
    "ct": "city",
    "st": "state",
    "zp": "postcode",
    "country": "country",
    "ge": "gender",
    "db": "date of birth",
}
_TOLD_BY_CODE = ("refused", "refused_here", "held")
CHANNEL_KEYS = ("ctwa_clid", "page_scoped_user_id", "ig_sid")


@dataclass(frozen=True)
class StateCount:
    """Events alike. `went_out`: they were in a request to Meta, also when it refused them. `dated`, `ordered`: how many of
    them have an event_id, an order_id."""

    event_name: str | None
    route: str
    state: str
    code: str | None
    went_out: bool
    events: int
    dated: int = 0
    ordered: int = 0


@dataclass(frozen=True)
class Bin:
    """Events whose figure (seconds) is from `least` to `most`; `most` is that of one of them."""

    least: float
    most: float
    events: int


@dataclass(frozen=True)
class Sampled:
    """What a payload of the sample has, by key; nothing of what stands in it. `clicked_at`: the click on the ad, if known."""

    event_name: str | None
    route: str
    keys: frozenset[str]
    event_time: datetime
    clicked_at: datetime | None = None


@dataclass(frozen=True)
class Freshness:
    """From what happened to Meta's answer, in seconds, of accepted events. The shares are percent and add up to 100."""

    events: int
    p50_s: float
    p95_s: float
    max_s: float
    real_time: float
    hourly: float
    daily: float
    weekly: float


@dataclass(frozen=True)
class KeyShare:
    """A key of user_data: in how many percent of the sampled events it is. `priority` is Meta's word for it (Conversion
    Leads), `advice` what adding it brings, "" where few events lack it."""

    key: str
    percent: float
    priority: str | None = None
    advice: str = ""


@dataclass(frozen=True)
class EventQuality:
    """One event name on one route. `sent` went out to Meta; `refused` by Meta, `refused_here` before it went out."""

    event_name: str | None
    route: str
    sent: int = 0
    accepted: int = 0
    refused: int = 0
    refused_here: int = 0
    held: int = 0
    expired: int = 0
    skipped: int = 0
    unknown: int = 0
    queued: int = 0
    already_sent: int = 0  # of the skipped: copies that would have counted twice
    refused_by: Mapping[str, int] = field(default_factory=dict)  # code → events; by Meta
    refused_here_by: Mapping[str, int] = field(default_factory=dict)
    held_by: Mapping[str, int] = field(default_factory=dict)
    with_event_id: float | None = None
    with_order_id: float | None = None
    freshness: Freshness | None = None
    sampled: int = 0
    keys: tuple[KeyShare, ...] = ()

    @property
    def acceptance(self) -> float | None:
        """Percent accepted of those that Meta took or refused."""
        return percent(self.accepted, self.accepted + self.refused)


@dataclass(frozen=True)
class Stage:
    """Leads of the period that reached a stage, as Meta heard of it. `p90_days` from the lead to the stage, of all events
    of the period."""

    event_name: str
    leads: int
    percent: float | None
    p90_days: float | None
    is_raw: bool = False


@dataclass(frozen=True)
class LeadQuality:
    """Leads of the Pages that go to the dataset, without tests. `covered`: at least one event of theirs was accepted;
    `deep`: events of two stages or more. `month`: leads of the last 30 days."""

    leads: int
    covered: int
    deep: int
    month: int
    pages: int
    stages: tuple[Stage, ...] = ()
    sampled: int = 0
    with_lead_id: int = 0

    @property
    def coverage(self) -> float | None:
        return percent(self.covered, self.leads)


@dataclass(frozen=True)
class MessagingQuality:
    """The click-to-message route. `in_window` of `clicks` events came within 7 days of a click whose time is known."""

    signals: int
    purchases: int
    sampled: int
    with_channel_id: int
    clicks: int
    in_window: int


def percent(part: int, whole: int) -> float | None:
    """One decimal; None of nothing. Never rounded up to 100 nor down to 0."""
    if whole <= 0:
        return None
    rounded = round(100 * part / whole, 1)
    return rounded if part >= whole else min(99.9, max(rounded, 0.1 if part else 0.0))


def percentile(bins: Iterable[Bin], share: float) -> float | None:
    """The nearest rank: as exact as the bins are narrow, and never more than the most there is. None of nothing."""
    ordered = sorted(bins, key=lambda one: one.least)
    rank = math.ceil(round(share * sum(one.events for one in ordered), 6))
    for one in ordered:
        rank -= one.events
        if rank <= 0:
            return one.most
    return None


def freshness(bins: Sequence[Bin]) -> Freshness | None:
    """None where nothing was accepted."""
    total = sum(one.events for one in bins)
    p50, p95 = percentile(bins, 0.5), percentile(bins, 0.95)
    if p50 is None or p95 is None or not total:
        return None
    counted: Counter[str] = Counter()
    for one in bins:
        counted[frequency(one.least)] += one.events
    shares = {name: percent(counted[name], total) or 0.0 for name in ("real_time", "hourly", "daily", "weekly")}
    return Freshness(total, p50, p95, max(one.most for one in bins), **shares)


def frequency(delay_s: float) -> str:
    """How often somebody sends whose events arrive so late. Two hours and a day are where Meta says that it begins to hurt,
    and hurts badly: facts §1.4."""
    for below_s, name in ((REAL_TIME_S, "real_time"), (HOURLY_S, "hourly"), (DAILY_S, "daily")):
        if delay_s < below_s:
            return name
    return "weekly"


def measure_events(
    counts: Iterable[StateCount], delays: Mapping[tuple[str | None, str], Sequence[Bin]], sample: Sequence[Sampled]
) -> list[EventQuality]:
    """Each event name on each route, the most sent first."""
    by_name: dict[tuple[str | None, str], list[StateCount]] = {}
    for one in counts:
        by_name.setdefault((one.event_name, one.route), []).append(one)
    found = [
        _measure(name, route, rows, delays.get((name, route), ()), sample) for (name, route), rows in by_name.items()
    ]
    return sorted(found, key=lambda one: (-one.sent, one.event_name is None, one.event_name or "", one.route))


def _measure(
    name: str | None, route: str, rows: list[StateCount], bins: Sequence[Bin], sample: Sequence[Sampled]
) -> EventQuality:
    states: Counter[str] = Counter()
    codes: dict[str, Counter[str]] = {}
    for row in rows:
        state = "refused_here" if row.state == "refused" and not row.went_out else row.state
        states[state] += row.events
        codes.setdefault(state, Counter())[row.code or "no_code"] += row.events
    out = [row for row in rows if row.went_out]
    sent = sum(row.events for row in out)
    mine = [one for one in sample if (one.event_name, one.route) == (name, route)]
    return EventQuality(
        name,
        route,
        sent=sent,
        accepted=states["accepted"],
        refused=states["refused"],
        refused_here=states["refused_here"],
        held=states["held"],
        expired=states["expired"],
        skipped=states["skipped"],
        unknown=states["unknown"],
        queued=states["queued"] + states["sending"],
        already_sent=codes.get("skipped", Counter())["already_sent"],
        **{f"{state}_by": dict(codes.get(state, Counter()).most_common()) for state in _TOLD_BY_CODE},
        with_event_id=percent(sum(row.dated for row in out), sent),
        with_order_id=percent(sum(row.ordered for row in out), sent),
        freshness=freshness(bins),
        sampled=len(mine),
        keys=measure_keys(route, [one.keys for one in mine]),
    )


def measure_keys(route: str, events: Sequence[frozenset[str]]) -> tuple[KeyShare, ...]:
    """Each key that any of the events has, and those that are worth having; [] of no event. By Meta's priority."""
    if not events:
        return ()
    counted = Counter(key for keys in events for key in keys)
    wanted = _OF_ROUTE.get(route, _ELSEWHERE)
    others = sorted(set(counted) - set(wanted))
    return tuple(_key_share(route, key, counted[key], len(events), worth=key in wanted) for key in (*wanted, *others))


def _key_share(route: str, key: str, have: int, events: int, *, worth: bool) -> KeyShare:
    share = percent(have, events) or 0.0
    priority = PRIORITIES.get(key) or ("medium" if key in MEDIUM else None)
    advice = ""
    if worth and share <= 100 - MANY_MISS:
        where = "" if route == "conversion_leads" else " for Conversion Leads, and publishes no order for this route"
        missing = events - have
        advice = f"{missing} of {events} events lack {_NAMES[key]}. Meta calls its priority {priority}{where}."
    return KeyShare(key, share, priority, advice)


def add_up(events: Iterable[EventQuality], delays: Iterable[Bin]) -> EventQuality:
    """All event names together, without keys: those of different routes cannot be compared."""
    every = list(events)
    numbers = ("sent", "accepted", "refused", "refused_here", "held", "expired", "skipped", "unknown", "queued")
    sums: dict[str, Any] = {name: sum(getattr(one, name) for one in every) for name in (*numbers, "already_sent")}
    for name in (f"{state}_by" for state in _TOLD_BY_CODE):
        codes: Counter[str] = Counter()
        for one in every:
            codes.update(getattr(one, name))
        sums[name] = dict(codes.most_common())
    return EventQuality(None, "all", freshness=freshness(list(delays)), **sums)


def measure_messaging(events: Iterable[EventQuality], sample: Iterable[Sampled]) -> MessagingQuality:
    """Of the events of the route business_messaging."""
    mine = [one for one in events if one.route == "business_messaging"]
    seen = [one for one in sample if one.route == "business_messaging"]
    ages = [one.event_time - one.clicked_at for one in seen if one.clicked_at is not None]
    return MessagingQuality(
        signals=sum(one.accepted for one in mine),
        purchases=sum(one.accepted for one in mine if one.event_name == "Purchase"),
        sampled=len(seen),
        with_channel_id=sum(any(key in one.keys for key in CHANNEL_KEYS) for one in seen),
        clicks=len(ages),
        in_window=sum(age <= CLICK_WINDOW for age in ages),
    )


def payload_keys(payload: Any) -> frozenset[str]:
    """The keys of an event's user_data that hold something."""
    user_data = payload.get("user_data") if isinstance(payload, dict) else None
    if not isinstance(user_data, dict):
        return frozenset()
    return frozenset(key for key, value in user_data.items() if value not in (None, "", [], {}))
