"""A report on the quality of a dataset, for a terminal: what to mend first, then the tables."""

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console
from rich.text import Text

from leadloop.cli.tables import build_table, one_line
from leadloop.conversions.quality import EventQuality
from leadloop.conversions.quality_meta import MetaQuality, MetaScore
from leadloop.conversions.quality_report import Report
from leadloop.conversions.quality_rules import LEAD_ROUTE, Verdict, seconds

_STYLES = {"good": "green", "short": "red", "unclear": "yellow", "unknown": "dim"}


def print_report(report: Report, console: Console) -> None:
    """Everything of one dataset."""
    name = f" ({one_line(report.name)})" if report.name else ""
    console.print(Text(f"Dataset {report.dataset_id}{name}", style="bold"))
    console.print(
        Text(f"Events from {_minute(report.since)} to {_minute(report.until)} UTC. {_headline(report.verdicts)}")
    )
    console.print()
    for verdict in report.verdicts:
        _print_verdict(verdict, console)
    _print_events(report.measured.events, console)
    _print_stages(report, console)
    _print_keys(report.measured.events, console)
    _print_meta(report.measured.meta, console)
    if report.notes:
        console.print()
    for note in report.notes:
        console.print(Text(f"Note: {note}", style="dim"))


def _headline(verdicts: Iterable[Verdict]) -> str:
    short = [verdict.label for verdict in verdicts if verdict.state == "short"]
    if short:
        return f"{len(short)} to mend: {'; '.join(short)}."
    if all(verdict.state == "unknown" for verdict in verdicts):
        return "Nothing to judge by yet."
    return "Nothing to mend."


def _print_verdict(verdict: Verdict, console: Console) -> None:
    line = Text(f"{verdict.state:<8}", style=_STYLES[verdict.state])
    line.append(f"{verdict.label}: {one_line(verdict.figure)}.", style="default")
    line.append(f" Target: {verdict.target} ({verdict.source}).", style="dim")
    console.print(line)
    if verdict.mend:
        console.print(Text(f"        Mend: {one_line(verdict.mend)}"))


def _print_events(events: Sequence[EventQuality], console: Console) -> None:
    if not events:
        return
    headings = ("event", "route", "sent", "accepted", "refused", "not sent", "p50", "p95", "max")
    console.print()
    table = build_table(console, headings, [_event_row(one) for one in events], yielding={"event", "route"})
    console.print(table, soft_wrap=False)
    for one in events:
        if told := _rest_of(one):
            console.print(Text(f"{_name(one)} ({one.route}): {told}"))


def _event_row(one: EventQuality) -> list[Text]:
    not_sent = one.refused_here + one.held + one.expired + one.queued + one.skipped
    fresh = one.freshness
    times = ("", "", "") if fresh is None else (seconds(fresh.p50_s), seconds(fresh.p95_s), seconds(fresh.max_s))
    return [
        Text(_name(one)),
        Text(one.route),
        *(Text(f"{number:,}", justify="right") for number in (one.sent, one.accepted, one.refused, not_sent)),
        *(Text(time, justify="right") for time in times),
    ]


def _rest_of(one: EventQuality) -> str:
    """What the table has no column for: only what there is."""
    told = [
        ("refused by Meta", one.refused, _codes(one.refused_by)),
        ("refused before they went out", one.refused_here, _codes(one.refused_here_by)),
        ("sent without an answer", one.unknown, ""),
        ("held", one.held, _codes(one.held_by)),
        ("expired", one.expired, ""),
        ("queued", one.queued, ""),
        ("skipped", one.skipped, f"{one.already_sent:,} that Meta has already" if one.already_sent else ""),
    ]
    return ", ".join(f"{count:,} {words}{f' ({more})' if more else ''}" for words, count, more in told if count)


def _codes(codes: Mapping[str, int]) -> str:
    return ", ".join(f"{one_line(code)} {count:,}" for code, count in codes.items())


def _print_stages(report: Report, console: Console) -> None:
    leads = report.measured.leads
    if leads is None or not leads.stages:
        return
    rows = [
        [
            Text(one_line(stage.event_name) + (" (raw lead)" if stage.is_raw else "")),
            Text(f"{stage.leads:,}", justify="right"),
            Text("" if stage.percent is None else f"{stage.percent:g} %", justify="right"),
            Text("" if stage.p90_days is None else f"{stage.p90_days:g}", justify="right"),
        ]
        for stage in leads.stages
    ]
    console.print()
    console.print(Text(f"Stages of the {leads.leads:,} leads of the period ({LEAD_ROUTE})"))
    table = build_table(console, ("stage", "leads", "of all leads", "days (p90)"), rows, yielding={"stage"})
    console.print(table, soft_wrap=False)


def _print_keys(events: Sequence[EventQuality], console: Console) -> None:
    sampled = [one for one in events if one.sampled]
    if not sampled:
        return
    console.print()
    console.print(Text("Keys of the person, in percent of the newest events"))
    for one in sampled:
        shares = ", ".join(f"{key.key} {key.percent:g}" for key in one.keys if key.percent)
        ids = f"; event_id {one.with_event_id or 0:g}, order_id {one.with_order_id or 0:g} (against copies)"
        console.print(Text(f"{_name(one)} ({one.route}, {one.sampled:,} looked at): {shares or 'none'}{ids}"))
        for key in one.keys:
            if key.advice and key.priority != "medium":
                console.print(Text(f"        {key.advice}"))
        medium = [key.key for key in one.keys if key.advice and key.priority == "medium"]
        if medium:
            console.print(Text(f"        Missing in many, of medium priority: {', '.join(medium)}."))


def _print_meta(meta: MetaQuality, console: Console) -> None:
    console.print()
    if meta.polled_at is None:
        console.print(Text("Meta's own scores: not asked yet."))
        return
    when = f"from {_minute(meta.answered_at)} UTC" if meta.answered_at else "none so far"
    compared = f"; was: a week before ({_minute(meta.before_at)})" if meta.before_at else ""
    console.print(Text(f"Meta's own scores: {when}{compared if meta.scores else ''}"))
    if meta.failed is not None:
        told = f"{meta.failed.message or meta.failed.code} {meta.failed.action or ''}".rstrip()
        console.print(Text(f"Asked last {_minute(meta.failed.at)} UTC, and refused: {told}", style="yellow"))
    if not meta.scores:
        return
    headings = (
        "event",
        "of",
        "score",
        "a week before",
        "coverage %",
        "a week before ",
        "sent as",
        "more conversions %",
    )
    rows = [_score_row(one) for one in meta.scores]
    console.print(build_table(console, headings, rows, yielding={"event"}), soft_wrap=False)
    console.print(
        Text("coverage: percent of the Pixel's events; gained: percent more conversions reported.", style="dim")
    )
    for one in meta.scores:
        gains = [key for key in one.keys if key.gain_percent]
        for key in sorted(gains, key=lambda key: -(key.gain_percent or 0.0))[:3]:
            have = "" if key.percent is None else f" (now in {key.percent:g} %)"
            console.print(
                Text(
                    f"{one_line(one.event_name)}: Meta says that more {key.identifier}{have} may bring {key.gain_percent:g} %"
                )
            )


def _score_row(one: MetaScore) -> list[Text]:
    figures = (one.score, one.before, one.coverage, one.coverage_before)
    return [
        Text(one_line(one.event_name)),
        Text(one.kind),
        *(Text("" if figure is None else f"{figure:g}", justify="right") for figure in figures),
        Text(one_line(one.upload_frequency or "")),
        Text("" if one.additional_conversions is None else f"{one.additional_conversions:g}", justify="right"),
    ]


def _name(one: EventQuality) -> str:
    return one_line(one.event_name) if one.event_name else "(no event)"


def _minute(when: object) -> str:
    return f"{when:%Y-%m-%d %H:%M}"
