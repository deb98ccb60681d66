"""`leadloop work`: what waits, what is parked and why, and waking it."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import rich_click as click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from leadloop.cli.services import services_for
from leadloop.leads import iso_utc
from leadloop.ports import Services
from store.lanes import free_lane, list_lanes
from store.models import Lane, Work
from store.work import list_work, wake
from store.work_subjects import describe_subjects

MOST_ROWS = 200


@click.group()
def work() -> None:
    """What is still to be done, what is parked for a person, and waking it."""


@work.command("list")
@click.option("--parked", is_flag=True, help="Only what waits for a person, with the reason and the mend.")
@click.option("--limit", default=MOST_ROWS, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def list_(ctx: click.Context, parked: bool, limit: int, as_json: bool) -> None:
    """Rows that wait, oldest first, and the lanes that rest.

    A [b]lane[/] is one Page at Meta, one CRM connection or one alert address. When its token or credentials are dead, the
    lane is held as a whole, once, and everything in it follows by itself after the mend.

    Exit code 1 when something waits for a person.
    """
    with services_for(ctx.obj.settings) as services:
        rows, lanes, subjects = _read(services, parked=parked, limit=limit)
    held = [(lane, waiting) for lane, waiting in lanes if lane.hold]
    if as_json:
        click.echo(json.dumps(_as_json(rows, lanes, subjects, parked=parked), ensure_ascii=False, indent=2))
    else:
        _print(rows, held if parked else lanes, subjects, now=services.now(), parked=parked)
    ctx.exit(1 if held or any(row.state in ("parked", "failed") for row in rows) else 0)


@work.command()
@click.argument("work_id", type=int, required=False)
@click.option("--all", "everything", is_flag=True, help="All that is parked, and every held lane.")
@click.pass_context
def retry(ctx: click.Context, work_id: int | None, everything: bool) -> None:
    """Wake one parked row, or all of them, with their tries counted afresh."""
    if (work_id is None) == (not everything):
        raise click.UsageError("Give the id of a row (leadloop work list --parked shows them), or --all.")
    with services_for(ctx.obj.settings) as services:
        woken = services.writer.write(lambda session: _wake(session, services, work_id))
        services.bell.ring()
    if work_id is not None and not woken:
        raise click.ClickException(f"There is no row {work_id} to wake: it is done, or a worker has it in hand.")
    click.echo(f"{woken} row{'s' if woken != 1 else ''} will be tried now.")


def _wake(session: Any, services: Services, work_id: int | None) -> int:
    now = services.now()
    if work_id is not None:
        row = session.get(Work, work_id)
        if row is None:
            return 0
        free_lane(session, row.lane, now=now)
        return wake(session, now=now, work_ids=[work_id])
    lanes = list_lanes(session)
    held = sum(waiting for lane, waiting in lanes if lane.hold)  # they are due already, and only wait for their lane
    for lane, _waiting in lanes:
        free_lane(session, lane.name, now=now)
    return held + wake(session, now=now)


def _read(services: Services, *, parked: bool, limit: int) -> tuple[list[Work], list[tuple[Lane, int]], dict[int, str]]:
    with services.read() as session:
        rows = list_work(session, parked=parked, limit=limit)
        return rows, list_lanes(session), describe_subjects(session, rows)


def _as_json(
    rows: Sequence[Work], lanes: Sequence[tuple[Lane, int]], subjects: dict[int, str], *, parked: bool
) -> dict[str, Any]:
    return {
        "work": [
            {
                "id": row.id,
                "kind": row.kind,
                "subject": subjects.get(row.id),
                "state": row.state,
                "lane": row.lane,
                "attempts": row.attempts,
                "due_at": iso_utc(row.due_at),
                "added_at": iso_utc(row.added_at),
                "code": row.code,
                "message": row.message,
                "action": row.action,
            }
            for row in rows
        ],
        "lanes": [
            {
                "name": lane.name,
                "held": lane.hold,
                "waiting": waiting,
                "rest_until": iso_utc(lane.rest_until),
                "since": iso_utc(lane.since),
                "code": lane.code,
                "message": lane.message,
                "action": lane.action,
            }
            for lane, waiting in lanes
            if lane.hold or not parked
        ],
    }


def _why(row: Work) -> str:
    mend = f"[green]Mend:[/] {escape(row.action)}" if row.action else None
    return " ".join(part for part in (escape(row.message or ""), mend) if part) or (row.code or "")


def _print(
    rows: Sequence[Work],
    lanes: Sequence[tuple[Lane, int]],
    subjects: dict[int, str],
    *,
    now: datetime,
    parked: bool,
) -> None:
    console = Console()
    for lane, waiting in lanes:
        state = "[bold red]held[/]" if lane.hold else f"resting for {max(0, (lane.rest_until - now).seconds)} s"
        if not lane.hold and lane.rest_until <= now:
            continue
        console.print(f"{state} [b]{lane.name}[/]: {escape(lane.message or lane.code or '')} ({waiting} waiting)")
        if lane.action:
            console.print(f"  [green]mend:[/] {escape(lane.action)} To try it at once: leadloop work retry --all")
    if not rows:
        if not any(lane.hold for lane, _waiting in lanes):
            console.print("Nothing is parked." if parked else "Nothing waits: all is done.")
        return
    held = {lane.name for lane, _waiting in lanes if lane.hold}
    table = Table("id", "what", "state", "tries", "next try", "why", box=None, header_style="bold")
    for row in rows:
        due = "now" if row.due_at <= now else row.due_at.strftime("%d %b %H:%M:%S UTC")
        in_hand = row.holder is not None and row.state == "open"
        waits_for_lane = row.lane in held and row.state == "open"
        table.add_row(
            str(row.id),
            escape(subjects.get(row.id, row.kind)),
            "held" if waits_for_lane else "in hand" if in_hand else row.state,
            str(row.attempts),
            "" if row.state != "open" or in_hand or waits_for_lane else due,
            f"see {row.lane} above" if waits_for_lane else _why(row),
        )
    console.print(table)
