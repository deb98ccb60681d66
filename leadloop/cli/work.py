"""`leadloop work`: what waits, what is parked and why, waking it, and giving it up."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import rich_click as click
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding

from leadloop.cli.failures import Refused
from leadloop.cli.services import services_for
from leadloop.leads import iso_utc
from leadloop.ports import Services
from store.dropping import drop_work
from store.figures import OTHER, Names, read_names
from store.lanes import free_lane, list_lanes
from store.models import Lane, Work
from store.work import list_work, wake
from store.work_subjects import describe_subjects

MOST_ROWS = 200


@click.group()
def work() -> None:
    """What is still to be done, what is parked for a person, waking it, and giving it up."""


@work.command("list")
@click.option("--parked", is_flag=True, help="Only what is parked or has failed, with the reason and the mend.")
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
        found = _read(services, parked=parked, limit=limit)
    lanes = found.lanes
    held = [(lane, waiting) for lane, waiting in lanes if lane.hold]
    if as_json:
        click.echo(json.dumps(_as_json(found, parked=parked), ensure_ascii=False, indent=2))
    else:
        _print(found, held if parked else lanes, now=services.now(), parked=parked)
    ctx.exit(1 if held or any(row.state in ("parked", "failed") for row in found.rows) else 0)


@work.command()
@click.argument("work_id", type=int, required=False)
@click.option("--all", "everything", is_flag=True, help="All that is parked or has failed, and every held lane.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def retry(ctx: click.Context, work_id: int | None, everything: bool, as_json: bool) -> None:
    """Wake one row that is parked or has failed, or all of them, with their tries counted afresh."""
    if (work_id is None) == (not everything):
        raise click.UsageError("Give the id of a row (leadloop work list --parked shows them), or --all.")
    with services_for(ctx.obj.settings) as services:
        woken = services.writer.write(lambda session: _wake(session, services, work_id))
        services.bell.ring()
    if work_id is not None and not woken:
        raise Refused(f"There is no row {work_id} to wake: it is done, or a worker has it in hand.", code="not_found")
    click.echo(
        json.dumps({"woken": woken}) if as_json else f"{woken} row{'s' if woken != 1 else ''} will be tried now."
    )


@work.command()
@click.argument("work_id", type=int)
@click.option("--yes", is_flag=True, help="Do not ask. Needed where nobody can be asked.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def drop(ctx: click.Context, work_id: int, yes: bool, as_json: bool) -> None:
    """Give up a row that is parked or has failed, for good: it is not tried any more, and the lead's story says so.

    The lead itself stays. leadloop leads replay takes it up again.
    """
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("Nobody can be asked here: say --yes to drop the row.")
    with services_for(ctx.obj.settings) as services:
        with services.read() as session:
            row = session.get(Work, work_id)
            what = describe_subjects(session, [row])[row.id] if row is not None else ""
        if row is not None and not yes:
            click.confirm(f"Drop row {work_id} ({what}) for good?", abort=True)
        dropped = services.writer.write(lambda session: drop_work(session, work_id, now=services.now()))
    if not dropped:
        raise Refused(
            f"There is no row {work_id} that waits for a person.",
            code="not_found",
            action="leadloop work list --parked shows those that do.",
        )
    click.echo(json.dumps({"dropped": work_id}) if as_json else f"Row {work_id} ({what}) is dropped.")


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


@dataclass(frozen=True)
class _Found:
    """Rows, lanes with how many rows wait in each, what rows are about by their id, and what ids in lanes are called."""

    rows: list[Work]
    lanes: list[tuple[Lane, int]]
    subjects: dict[int, str]
    names: Names

    def lane(self, name: str) -> str:
        """What a person calls the lane; one of nothing that is configured keeps its ids."""
        called = self.names.lane(name)
        return name if called.endswith(f":{OTHER}") else called


def _read(services: Services, *, parked: bool, limit: int) -> _Found:
    with services.read() as session:
        rows = list_work(session, parked=parked, limit=limit)
        return _Found(rows, list_lanes(session), describe_subjects(session, rows), read_names(session))


def _as_json(found: _Found, *, parked: bool) -> dict[str, Any]:
    return {
        "work": [
            {
                "id": row.id,
                "kind": row.kind,
                "subject": found.subjects.get(row.id),
                "state": row.state,
                "lane": row.lane,
                "attempts": row.attempts,
                "due_at": iso_utc(row.due_at),
                "added_at": iso_utc(row.added_at),
                "code": row.code,
                "message": row.message,
                "action": row.action,
            }
            for row in found.rows
        ],
        "lanes": [
            {
                "name": lane.name,
                "label": found.lane(lane.name),
                "held": lane.hold,
                "waiting": waiting,
                "rest_until": iso_utc(lane.rest_until),
                "since": iso_utc(lane.since),
                "code": lane.code,
                "message": lane.message,
                "action": lane.action,
            }
            for lane, waiting in found.lanes
            if lane.hold or not parked
        ],
    }


def _print(found: _Found, lanes: Sequence[tuple[Lane, int]], *, now: datetime, parked: bool) -> None:
    console = Console()
    for lane, waiting in lanes:
        state = "[bold red]held[/]" if lane.hold else f"resting for {max(0, (lane.rest_until - now).seconds)} s"
        if not lane.hold and lane.rest_until <= now:
            continue
        name = escape(found.lane(lane.name))
        console.print(f"{state} [b]{name}[/]: {escape(lane.message or lane.code or '')} ({waiting} waiting)")
        if lane.action:
            console.print(f"  [green]mend:[/] {escape(lane.action)} To try it at once: leadloop work retry --all")
    if not found.rows:
        if not any(lane.hold for lane, _waiting in lanes):
            console.print("Nothing is parked." if parked else "Nothing waits: all is done.")
        return
    held = {lane.name for lane, _waiting in lanes if lane.hold}
    for row in found.rows:
        state = _state(row, held)
        what = escape(found.subjects.get(row.id, row.kind))
        tries = f", tries {row.attempts}" if row.attempts else ""
        waits = f"; see {escape(found.lane(row.lane))} above" if state == "held" else ""
        console.print(f"[b]{row.id}[/]  {what}: {state}{tries}{_next_try(row, state, now)}{waits}", highlight=False)
        if state != "held":
            for line in _why(row):
                console.print(Padding(line, (0, 0, 0, 4)))


def _state(row: Work, held: set[str]) -> str:
    if row.state != "open":
        return row.state
    return "held" if row.lane in held else "in hand" if row.holder is not None else "open"


def _next_try(row: Work, state: str, now: datetime) -> str:
    if state != "open":
        return ""
    return ", next try " + ("now" if row.due_at <= now else row.due_at.strftime("%d %b %H:%M:%S UTC"))


def _why(row: Work) -> Iterator[str]:
    """The reason and the mend, a line each."""
    if row.message or row.code:
        yield escape(row.message or row.code or "")
    if row.action:
        yield f"[green]Mend:[/] {escape(row.action)}"
