"""What is good enough, rule by rule: the figure, its target, whose target that is, and the mend. Pure.

Where Meta publishes no target the verdict says so; no score is made up. docs/quality.md is these rules for people.
Source: Meta conversions facts §1.4, §5.3, §5.4, §6.5, §8.2, §8.4, read 2026-11-26.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from leadloop.conversions.quality import DAILY_S, HOURLY_S, EventQuality, LeadQuality, MessagingQuality, Stage, percent
from leadloop.conversions.quality_meta import MetaQuality, MetaScore

State = Literal["good", "short", "unclear", "unknown"]
LEAD_ROUTE = "conversion_leads"
COVERAGE = 60
STAGES = 2
RATE = (1, 40)
DAYS = 28
MONTH = (200, 250)
PURCHASES, SIGNALS = 10, 50
FRESH_S = 3_600
MATCH_QUALITY, OFFLINE_SCORE, WEB_COVERAGE = 6.0, 8.5, 75.0


@dataclass(frozen=True)
class Verdict:
    """One rule. `state` "good", "short" of the target, "unclear" where Meta contradicts itself, "unknown" while there is
    nothing to judge by. `route` None: of all routes. `value` is the figure as a number, in the unit that `figure` shows."""

    code: str
    label: str
    route: str | None
    state: State
    figure: str
    value: float | None
    target: str
    source: str
    mend: str = ""


@dataclass(frozen=True)
class Measured:
    """All that was measured of one dataset in a period. `routes`: those of its funnels and of its events."""

    routes: tuple[str, ...]
    total: EventQuality
    events: Sequence[EventQuality] = ()
    leads: LeadQuality | None = None
    messaging: MessagingQuality | None = None
    meta: MetaQuality = field(default_factory=MetaQuality)


def judge(measured: Measured) -> list[Verdict]:
    """Every rule that concerns the dataset, the general ones first."""
    found = [_acceptance(measured.total), _arrival(measured.total), _freshness(measured.total)]
    if measured.leads is not None:
        found += [rule(measured.leads) for rule in _LEAD_RULES]
    if measured.messaging is not None:
        found += _messaging(measured.messaging)
    if "website" in measured.routes:
        found += _website(measured.meta)
    if "physical_store" in measured.routes:
        found.append(_offline(measured.meta))
    return found


def share(part: int, whole: int) -> str:
    """ "59 % (59 of 100)"."""
    got = percent(part, whole)
    return "nothing yet" if got is None else f"{got:g} % ({part:,} of {whole:,})"


def seconds(value: float) -> str:
    """ "0.4 s", "12 min", "5 h", "3 d": the unit that fits."""
    for below, unit_s, unit in ((120, 1, "s"), (7_200, 60, "min"), (172_800, 3_600, "h")):
        if value < below:
            return f"{round(value / unit_s, 1 if unit_s == 1 and value < 10 else 0):g} {unit}"
    return f"{round(value / 86_400, 1):g} d"


# --- all routes --------------------------------------------------------------------------------------------------------


def _acceptance(total: EventQuality) -> Verdict:
    answered = total.accepted + total.refused
    return Verdict(
        "acceptance",
        "Events accepted by Meta",
        None,
        "unknown" if not answered else "short" if total.refused else "good",
        share(total.accepted, answered),
        total.acceptance,
        "100 %",
        "leadloop: Meta publishes none",
        f"Most refused: {_most(total.refused_by)}. leadloop conversions list names each with its mend."
        if total.refused
        else "",
    )


def _arrival(total: EventQuality) -> Verdict:
    lost = {
        "refused before they went out": total.refused_here,
        "held": total.held,
        "expired": total.expired,
        "unknown": total.unknown,
    }
    count = sum(lost.values())
    words = ", ".join(f"{number:,} {word}" for word, number in lost.items() if number)
    some = any((count, total.sent, total.queued, total.skipped))
    told = {"refused": total.refused_here_by, "held": total.held_by}
    most = "".join(f" Most {word} are {_most(codes)}." for word, codes in told.items() if codes)
    return Verdict(
        "arrival",
        "Events that have not reached Meta",
        None,
        "short" if count else "good" if some else "unknown",
        words or ("none" if some else "nothing yet"),
        count,
        "none",
        "leadloop: what is held or lost teaches Meta nothing",
        f"leadloop conversions list tells of each why, and what to do.{most}" if count else "",
    )


def _freshness(total: EventQuality) -> Verdict:
    fresh = total.freshness
    p95_s = fresh.p95_s if fresh else None
    figure = f"p50 {seconds(fresh.p50_s)}, p95 {seconds(fresh.p95_s)}, max {seconds(fresh.max_s)}" if fresh else ""
    mend = ""
    if p95_s is not None and p95_s > FRESH_S:
        harm = (
            "which causes significant attribution and delivery problems"
            if p95_s >= DAILY_S
            else "which may lower the performance of campaigns"
            if p95_s >= HOURLY_S
            else "later than Meta asks for"
        )
        mend = (
            f"One event in twenty came {seconds(p95_s)} or more after it happened, {harm}. Have the CRM tell leadloop at once,"
            " and see whether the dataset was held."
        )
    return Verdict(
        "freshness",
        "Time from the event to Meta's answer (p95)",
        None,
        "unknown" if p95_s is None else "good" if p95_s <= FRESH_S else "short",
        figure or "nothing yet",
        p95_s,
        "at most 1 h",
        "Meta: real time or within an hour; from 2 h it may cost performance, from 24 h it causes problems",
        mend,
    )


# --- Conversion Leads --------------------------------------------------------------------------------------------------


def _lead_rule(code: str, label: str, target: str, source: str) -> Callable[..., Verdict]:
    def make(state: State, figure: str, value: float | None, mend: str = "") -> Verdict:
        wanted = mend if state in ("short", "unclear") else ""
        return Verdict(code, label, LEAD_ROUTE, state, figure, value, target, source, wanted)

    return make


def _coverage(leads: LeadQuality) -> Verdict:
    make = _lead_rule("coverage", "Leads with an accepted event", f"at least {COVERAGE} %", "Meta, Conversion Leads")
    enough = 100 * leads.covered >= COVERAGE * leads.leads
    mend = (
        "Tell Meta of every lead as it comes: give the funnel a raw_event, or a stage named new. Then see which Pages' leads"
        " go to a connection without a funnel."
    )
    if not leads.pages:
        mend = "No Page's leads go to this dataset by the configuration: give it a funnel, or the Page its dataset_id."
        return make("short", "no Page", None, mend)
    return make(
        "unknown" if not leads.leads else "good" if enough else "short",
        share(leads.covered, leads.leads),
        leads.coverage,
        mend,
    )


def _stages(leads: LeadQuality) -> Verdict:
    make = _lead_rule("stages", "Stages that Meta hears of", f"at least {STAGES}, better 3", "Meta, Conversion Leads")
    count = len(leads.stages)
    figure = (
        f"{count}; {share(leads.deep, leads.covered)} of the leads with events have two or more"
        if count
        else "none yet"
    )
    state: State = "good" if count >= STAGES else "short" if leads.leads else "unknown"
    return make(
        state, figure, count, "Send the raw lead and at least one later stage: a won deal alone is not enough for Meta."
    )


def _later(leads: LeadQuality) -> list[Stage]:
    return [stage for stage in leads.stages if not stage.is_raw]


def _in_range(stage: Stage, leads: LeadQuality) -> bool:
    return leads.leads > 0 and RATE[0] * leads.leads <= 100 * stage.leads <= RATE[1] * leads.leads


def _rate(leads: LeadQuality) -> Verdict:
    make = _lead_rule(
        "conversion_rate",
        "Conversion rate of a later stage",
        "one from 1 % to 40 % of the leads",
        "Meta, Conversion Leads",
    )
    later = _later(leads)
    fit = [stage for stage in later if _in_range(stage, leads)]
    figure = ", ".join(f"{stage.event_name} {stage.percent:g} %" for stage in later if stage.percent is not None)
    mend = (
        "No stage is fit to optimise for. Choose one that more leads reach, or tell of more leads, where all are below 1 %;"
        " one that says more, where all are above 40 %."
    )
    if not figure:
        return make("unknown", "no later stage yet", None)
    best = max(fit or later, key=lambda stage: stage.percent or 0.0)
    return make("good" if fit else "short", figure, best.percent, mend)


def _days(leads: LeadQuality) -> Verdict:
    make = _lead_rule(
        "days_to_stage", "Days from the lead to a later stage (p90)", f"at most {DAYS}", "Meta, Conversion Leads"
    )
    later = [stage for stage in _later(leads) if stage.p90_days is not None]
    fit = [stage for stage in later if _in_range(stage, leads)] or later
    if not fit:
        return make("unknown", "no later stage yet", None)
    best = min(stage.p90_days or 0.0 for stage in fit)
    figure = ", ".join(f"{stage.event_name} {stage.p90_days:g}" for stage in later)
    mend = "Let Meta optimise for an earlier stage: what comes more than 28 days after the lead is not counted."
    return make("good" if best <= DAYS else "short", figure, best, mend)


def _month(leads: LeadQuality) -> Verdict:
    low, high = MONTH
    make = _lead_rule(
        "leads_a_month",
        "Leads in the last 30 days",
        f"{low} or {high}",
        f"Meta contradicts itself: {low} in its platform guide, {high} in its FAQ of December 2025",
    )
    state: State = "good" if leads.month >= high else "unclear" if leads.month >= low else "short"
    mend = "More leads are needed before Meta optimises for conversion leads: raise the budget or join Pages in one dataset."
    if state == "unclear":
        mend = f"Enough by one of Meta's pages and not by the other; {high} are safe."
    return make(state, f"{leads.month:,}", leads.month, mend)


def _lead_ids(leads: LeadQuality) -> Verdict:
    make = _lead_rule("lead_id", "Events with Meta's id of the lead", "all", "Meta recommends it and names no share")
    enough = leads.with_lead_id == leads.sampled
    return make(
        "unknown" if not leads.sampled else "good" if enough else "short",
        share(leads.with_lead_id, leads.sampled),
        percent(leads.with_lead_id, leads.sampled),
        "Name the lead by its leadgen_id where outcomes come in: Meta matches by it best (priority highest).",
    )


_LEAD_RULES = (_coverage, _stages, _rate, _days, _month, _lead_ids)

# --- other routes ------------------------------------------------------------------------------------------------------


def _messaging(seen: MessagingQuality) -> Iterator[Verdict]:
    route = "business_messaging"
    yield Verdict(
        "channel_ids",
        "Messaging events with their channel's ids",
        route,
        "unknown" if not seen.sampled else "good" if seen.with_channel_id == seen.sampled else "short",
        share(seen.with_channel_id, seen.sampled),
        percent(seen.with_channel_id, seen.sampled),
        "all",
        "Meta demands them; it names no share",
        ""
        if seen.with_channel_id == seen.sampled
        else "Events without ctwa_clid, page_scoped_user_id or ig_sid are tied to no conversation.",
    )
    yield Verdict(
        "click_window",
        "Messaging events within 7 days of the click",
        route,
        "unknown" if not seen.clicks else "good" if seen.in_window == seen.clicks else "unclear",
        share(seen.in_window, seen.clicks),
        percent(seen.in_window, seen.clicks),
        "none published",
        "leadloop: where the time of the click is known",
        "" if seen.in_window == seen.clicks else "Later events are less likely to be credited to the ad.",
    )
    for code, label, count, target, vendor in (
        ("purchases", "Purchases accepted", seen.purchases, PURCHASES, "quoted by Kommo, to optimise for purchases"),
        (
            "signals",
            "Messaging events accepted",
            seen.signals,
            SIGNALS,
            "quoted by respond.io, before optimising works well",
        ),
    ):
        enough = count >= target
        mend = "" if enough else f"{target - count} more are needed. Send every stage that Meta's 14 names can tell."
        source = f"{vendor}; Meta publishes none"
        state: State = "good" if enough else "short"
        yield Verdict(code, label, route, state, f"{count:,}", count, f"at least {target}", source, mend)


def _website(meta: MetaQuality) -> list[Verdict]:
    web = [score for score in meta.scores if score.kind == "web"]
    return [
        _of_meta(
            "match_quality",
            "Event Match Quality",
            "website",
            {one.event_name: one.score for one in web},
            MATCH_QUALITY,
            "at least 6 of 10",
            "Add the keys that Meta names below: leadloop takes fbc, fbp, the address and the browser with an outcome.",
        ),
        _of_meta(
            "event_coverage",
            "Pixel events covered, as Meta counts",
            "website",
            {one.event_name: one.coverage for one in web},
            WEB_COVERAGE,
            "at least 75 %",
            "Send to leadloop what the Pixel sees, with the same event_id. leadloop has no Pixel data and cannot count this.",
        ),
    ]


def _offline(meta: MetaQuality) -> Verdict:
    scores: dict[str, float | None] = {one.event_name: one.score for one in meta.scores if one.kind == "offline"}
    return _of_meta(
        "offline_score",
        "Offline event quality",
        "physical_store",
        scores,
        OFFLINE_SCORE,
        "at least 8.5 of 10",
        _recommendation(meta.scores) or "Send more keys of the person with each event, and send daily.",
    )


def _of_meta(
    code: str, label: str, route: str, figures: Mapping[str, float | None], least: float, target: str, mend: str
) -> Verdict:
    known = {name: value for name, value in figures.items() if value is not None}
    worst = min(known.values(), default=None)
    return Verdict(
        code,
        label,
        route,
        "unknown" if worst is None else "good" if worst >= least else "short",
        ", ".join(f"{name} {value:g}" for name, value in known.items()) or "Meta has told nothing",
        worst,
        target,
        "Meta, its own figure",
        mend if worst is not None and worst < least else "",
    )


def _recommendation(scores: Sequence[MetaScore]) -> str:
    return next((f"Meta recommends: {one.recommendation}" for one in scores if one.recommendation), "")


def _most(codes: Mapping[str, int]) -> str:
    code, count = next(iter(codes.items()), ("", 0))
    return f"{code} ({count:,})" if code else "no code"
