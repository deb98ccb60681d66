"""`leadloop leads`: see them, replay them, fetch what is missing, export them."""

import json
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import rich_click as click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text

from leadloop.cli.conversion_list import STYLES
from leadloop.cli.failures import Refused
from leadloop.cli.lead_export import EXPORTS, export_leads
from leadloop.cli.lead_facts import lead_facts
from leadloop.cli.services import services_for
from leadloop.cli.tables import build_table, one_line
from leadloop.cli.times import SINCE, ago
from leadloop.leads import iso_utc
from leadloop.ports import Services
from store.conversion_lists import ShownConversion
from store.lead_story import LeadStory, collect_story
from store.leads import LeadFilter, find_lead, list_leads
from store.models import Lead
from store.raw_events import list_events
from store.replay import replay_event, replay_lead
from workers.backfill import backfill as run_backfill


@click.group()
def leads() -> None:
    """See leads, replay them, fetch what is missing from Meta's list, export them."""


@leads.command("list")
@click.option("--page", "page_id", help="Only of this Page.")
@click.option("--form", "form_id", help="Only of this form.")
@click.option("--since", type=SINCE, help="Received since: 7d, 36h, 2026-11-22 or a full time.")
@click.option("--unrouted", is_flag=True, help="Only those that no route matched.")
@click.option("--state", type=click.Choice(["waiting", "read", "gone"]), help="Only in this state.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def list_(ctx: click.Context, /, limit: int, as_json: bool, **chosen: Any) -> None:
    """Leads, newest first."""
    with services_for(ctx.obj.settings) as services, services.read() as session:
        rows = list_leads(session, LeadFilter(**chosen), limit=limit)
        now = services.now()
    if as_json:
        click.echo(json.dumps([_row_json(row) for row in rows], ensure_ascii=False, indent=2))
        return
    if not rows:
        click.echo("No leads yet." if not any(chosen.values()) else "No lead is like that.")
        return
    console = Console()
    lines = [
        [
            Text(ago(row.received_at, now)),
            Text(row.leadgen_id),
            *(Text(one_line(text)) for text in _shown(row)),
            Text.from_markup(_state(row)),
        ]
        for row in rows
    ]
    headings = ("received", "lead", "name", "phone", "form", "state")
    console.print(build_table(console, headings, lines, yielding={"name", "phone", "form"}))


@leads.command()
@click.argument("leadgen_id")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def show(ctx: click.Context, leadgen_id: str, as_json: bool) -> None:
    """The whole story of one lead: what is known of it, and the time of each hop. A value that could not be used is shown
    as it was typed."""
    with services_for(ctx.obj.settings) as services, services.read() as session:
        story = collect_story(session, _get_lead(session, leadgen_id))
    if as_json:
        click.echo(json.dumps(story.to_json(), ensure_ascii=False, indent=2))
    else:
        _print_story(story)


@leads.command()
@click.argument("leadgen_id", required=False)
@click.option("--event", "event_id", type=int, help="Instead: read this stored notice again.")
@click.option("--unrouted", is_flag=True, help="Instead: all leads that no route matched.")
@click.option("--again", is_flag=True, help="Also push to CRMs that have it already (they update their record).")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def replay(
    ctx: click.Context, leadgen_id: str | None, event_id: int | None, unrouted: bool, again: bool, as_json: bool
) -> None:
    """Read a lead from Meta again, follow the routes as they are now, and try what is not delivered.

    Nobody whose alert was sent is rung twice.
    """
    if sum((leadgen_id is not None, event_id is not None, unrouted)) != 1:
        raise click.UsageError("Give one of: a lead's id, --event ID, --unrouted.")
    with services_for(ctx.obj.settings) as services:
        count = services.writer.write(lambda session: _replay(session, services, leadgen_id, event_id, again))
        services.bell.ring()
    if as_json:
        click.echo(json.dumps({"replayed": count}))
        return
    click.echo(f"{count} to be worked on now; see leadloop leads show." if count else "Nothing to replay.")


@leads.command()
@click.option("--form", "form_id", help="Only this form.")
@click.option("--page", "page_id", help="Only the forms of this Page.")
@click.option("--since", type=SINCE, default="90d", show_default=True, help="Sent since: 7d, 36h, 2026-11-22 …")
@click.option("--json", "as_json", is_flag=True, help="For programs: one line for each page of Meta's list.")
@click.pass_context
def backfill(ctx: click.Context, form_id: str | None, page_id: str | None, since: datetime, as_json: bool) -> None:
    """Fetch what Meta has and leadloop has not (Meta keeps leads for 90 days).

    Safe to stop and to start again: it goes on where it stopped. Leads older than a day go to the CRM, but nobody is
    rung for them.
    """
    with services_for(ctx.obj.settings) as services:
        totals = _run_backfill(services, since=since, form_id=form_id, page_id=page_id, as_json=as_json)
        services.bell.ring()
    if not as_json:
        click.echo(f"{totals[0]} leads in Meta's list, {totals[1]} of them were missing here and are added.")


@leads.command()
@click.option("--csv", "csv_path", type=click.Path(path_type=Path), help="Write CSV to this file (- for the screen).")
@click.option("--xlsx", "xlsx_path", type=click.Path(path_type=Path), help="Write an Excel workbook to this file.")
@click.option("--page", "page_id", help="Only of this Page.")
@click.option("--form", "form_id", help="Only of this form.")
@click.option("--since", type=SINCE, help="Received since.")
@click.pass_context
def export(ctx: click.Context, /, csv_path: Path | None, xlsx_path: Path | None, **chosen: Any) -> None:
    """Leads as CSV or Excel, one column for each question.

    What a person typed can never run as a formula; ids and phone numbers stay text in Excel.
    """
    if (csv_path is None) == (xlsx_path is None):
        raise click.UsageError("Give one of --csv FILE and --xlsx FILE.")
    if str(xlsx_path) == "-":
        raise click.UsageError("A workbook needs a file: give --xlsx FILE. Only --csv takes - for the screen.")
    kind, path = ("csv", csv_path) if csv_path is not None else ("xlsx", xlsx_path)
    with services_for(ctx.obj.settings) as services:
        try:
            count = export_leads(services, LeadFilter(**chosen), path, EXPORTS[kind])  # type: ignore[arg-type]
        except OSError as caught:
            if str(path) == "-":  # the screen's: said where every command's is
                raise
            raise Refused(f"{path} cannot be written: {caught.strerror}.") from caught
    click.echo(f"{count} leads written to {path}.", err=True)


@leads.command()
@click.option("--unreadable", is_flag=True, help="Only those that could not be read, wholly or in part.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def notices(ctx: click.Context, unreadable: bool, limit: int, as_json: bool) -> None:
    """Meta's notices as they were kept, newest first: what was read, what is kept for later, what could not be read.

    The id is what `leadloop leads replay --event` takes.
    """
    with services_for(ctx.obj.settings) as services, services.read() as session:
        rows = list_events(session, verdicts=("unreadable", "partly") if unreadable else None, limit=limit)
        now = services.now()
    if as_json:
        click.echo(json.dumps([row._asdict() | {"received_at": iso_utc(row.received_at)} for row in rows], indent=2))
        return
    if not rows:
        click.echo("Every notice could be read." if unreadable else "No notice has come in yet.")
        return
    table = Table("id", "received", "about", "bytes", "verdict", "why", box=None, header_style="bold")
    for row in rows:
        table.add_row(
            str(row.id),
            ago(row.received_at, now),
            row.object or "?",
            str(row.size),
            row.verdict,
            Text(row.reason or ""),
        )
    Console().print(table)


def _get_lead(session: Any, leadgen_id: str) -> Lead:
    lead = find_lead(session, leadgen_id)
    if lead is None:
        raise Refused(
            f"There is no lead {leadgen_id} here.",
            code="not_found",
            action="leadloop leads backfill fetches what Meta has and leadloop has not.",
        )
    return lead


def _replay(session: Any, services: Services, leadgen_id: str | None, event_id: int | None, again: bool) -> int:
    now = services.now()
    if event_id is not None:
        if not replay_event(session, event_id, now=now):
            raise Refused(
                f"There is no stored notice {event_id}.", code="not_found", action="leadloop leads notices lists them."
            )
        return 1
    if leadgen_id is not None:
        chosen = [_get_lead(session, leadgen_id)]
    else:
        chosen = list_leads(session, LeadFilter(unrouted=True), limit=100_000)
    for lead in chosen:
        replay_lead(session, lead, now=now, again=again)
    return len(chosen)


def _run_backfill(
    services: Services, *, since: datetime, form_id: str | None, page_id: str | None, as_json: bool
) -> tuple[int, int]:
    seen: dict[str, int] = {}
    added: dict[str, int] = {}
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), disable=as_json or not sys.stderr.isatty()) as bars:
        tasks: dict[str, Any] = {}
        for step in run_backfill(services, since=since, form_id=form_id, page_id=page_id):
            seen[step.form_id], added[step.form_id] = step.seen, step.added
            if step.form_id not in tasks:
                tasks[step.form_id] = bars.add_task(Text(step.form_name or step.form_id).plain, total=step.expected)
            bars.update(tasks[step.form_id], completed=step.seen, total=step.seen if step.done else step.expected)
            if as_json:
                click.echo(
                    json.dumps({"form_id": step.form_id, "seen": step.seen, "added": step.added, "done": step.done})
                )
    return sum(seen.values()), sum(added.values())


def _row_json(row: Lead) -> dict[str, Any]:
    card = row.card or {}
    return {
        "leadgen_id": row.leadgen_id,
        "page_id": row.page_id,
        "form_id": row.form_id,
        "form_name": card.get("form_name"),
        "full_name": card.get("full_name"),
        "email": card.get("email"),
        "phone": row.phone,
        "state": row.state,
        "routed": row.routed,
        "is_test": row.is_test,
        "created_at": iso_utc(row.created_at),
        "received_at": iso_utc(row.received_at),
    }


def _shown(row: Lead) -> tuple[str, str, str]:
    """Name, phone and form, as far as they are known."""
    card = row.card or {}
    phone = card.get("phone") or card.get("phone_typed")
    return str(card.get("full_name") or ""), str(phone or ""), str(card.get("form_name") or row.form_id or "")


def _state(row: Lead) -> str:
    if row.state == "read" and row.routed is False:
        return "[yellow]unrouted[/]"
    words = {"waiting": "[yellow]being read[/]", "read": "[green]read[/]", "gone": "[red]not readable[/]"}
    return words.get(row.state, row.state) + (" (test)" if row.is_test else "")


def _conversions(rows: Sequence[ShownConversion]) -> Table:
    """What Meta is told of the lead; a skipped one has no event, and is named by its stage."""
    table = Table("id", "happened (UTC)", "for Meta", "dataset", "state", "why", box=None, header_style="bold")
    for row in rows:
        table.add_row(
            str(row.id),
            row.event_time.strftime("%Y-%m-%d %H:%M"),
            Text(one_line(row.event_name or f"({row.stage})") + (" (test)" if row.is_test else "")),
            row.dataset_id,
            Text(row.state, style=STYLES[row.state]),
            Text(one_line(row.message or row.code or "")),
        )
    return table


def _print_story(story: LeadStory) -> None:
    console = Console()
    for line in _story_lines(story):
        console.print(line)


def _story_lines(story: LeadStory) -> Iterator[Any]:
    data = story.to_json()
    lead = data["lead"]
    title = Text(f"Lead {lead['leadgen_id']}", style="bold")
    if lead.get("is_test"):
        title.append("  TEST LEAD", style="bold yellow")
    yield title
    facts = Table.grid(padding=(0, 2))
    for name, text in lead_facts(lead):
        facts.add_row(Text(name, style="dim"), Text(text))
    yield facts
    table = Table("when (UTC)", "after", "what happened", box=None, header_style="bold")
    started: datetime | None = None
    for line in data["story"]:
        at = datetime.fromisoformat(line["at"])
        started = started or at
        table.add_row(
            at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3],
            f"{(at - started).total_seconds():.3f} s",
            Text(line["words"]),
        )
    yield table
    if story.conversions:
        yield _conversions(story.conversions)
    for waiting in data["waiting"]:
        lane = waiting["lane"] or {}
        why = lane if lane.get("message") else waiting
        reason = why.get("message")
        parts = [
            waiting["words"] + (":" if reason else "."),
            reason,
            f"Mend: {why['action']}" if why.get("action") else None,
        ]
        yield Text("Waits: " + " ".join(part for part in parts if part), style="yellow")
