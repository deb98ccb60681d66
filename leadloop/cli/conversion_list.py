"""`leadloop conversions list` and `show`: what Meta was told, what it answered, and what to do."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import rich_click as click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from leadloop.cli.failures import Refused
from leadloop.cli.services import services_for
from leadloop.cli.tables import build_table, one_line
from leadloop.cli.times import SINCE
from leadloop.conversions.states import STATES
from store.conversion_lists import ConversionFilter, ShownConversion, find_conversion, list_conversions
from store.outcome_lists import OutcomeLine, find_outcome

STYLES = {
    "accepted": "green",
    "refused": "red",
    "unknown": "bold red",
    "held": "yellow",
    "expired": "red",
    "queued": "cyan",
    "sending": "cyan",
    "skipped": "dim",
}
_LONGEST_REASON = 60


@click.command("list")
@click.option("--lead", "leadgen_id", metavar="LEADGEN_ID", help="Only of this lead.")
@click.option("--dataset", "dataset_id", metavar="ID", help="Only for this dataset.")
@click.option("--state", type=click.Choice(list(STATES)), help="Only in this state; held: also with its dataset.")
@click.option("--event", "event_name", metavar="NAME", help="Only of this name, such as Purchase.")
@click.option("--since", type=SINCE, help="Decided since: 7d, 36h, 2026-11-22 or a full time.")
@click.option("--test", is_flag=True, help="Test events instead, which are not shown else.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def list_(ctx: click.Context, /, limit: int, as_json: bool, **chosen: Any) -> None:
    """Events for Meta and what became of them, newest first.

    [b]leadloop conversions show ID[/] tells all of one.
    """
    with services_for(ctx.obj.settings) as services, services.read() as session:
        rows = list_conversions(session, ConversionFilter(**chosen), limit=limit)
    if as_json:
        click.echo(json.dumps([row.to_json() for row in rows], ensure_ascii=False, indent=2))
        return
    if not rows:
        click.echo("No conversion is like that." if any(chosen.values()) else "No conversion yet.")
        return
    console = Console()
    headings = ("id", "happened (UTC)", "who", "event", "dataset", "state", "why")
    lines = [_cells(row) for row in rows]
    console.print(build_table(console, headings, lines, yielding={"event", "why"}))


@click.command()
@click.argument("conversion_id", type=click.IntRange(1, 2**63 - 1))
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def show(ctx: click.Context, conversion_id: int, as_json: bool) -> None:
    """All of one event for Meta: the outcome it came from, the event as it is sent, Meta's answer, and what to do now.

    Of the person there are hashes and Meta's ids. Address and browser, which Meta wants unhashed, are masked, and ids of
    clicks cut short.
    """
    with services_for(ctx.obj.settings) as services, services.read() as session:
        row = find_conversion(session, conversion_id, payload=True)
        outcome = find_outcome(session, row.outcome_id) if row is not None and row.outcome_id is not None else None
    if row is None:
        raise Refused(
            f"There is no conversion {conversion_id} here.",
            code="not_found",
            action="leadloop conversions list shows those there are.",
        )
    if as_json:
        told = row.to_json(payload=True) | {"outcome": None if outcome is None else outcome.to_json()}
        told |= {"means": STATES[row.state].means, "what_to_do": what_to_do(row)}
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
    else:
        _print(row, outcome)


def what_to_do(row: ShownConversion) -> str:
    """The mend that came with the reason, else what is done about such a state."""
    return (row.action or STATES[row.state].yours).replace("retry ID", f"retry {row.id}")


def who(row: ShownConversion) -> str:
    if row.leadgen_id is not None:
        return row.leadgen_id
    return f"contact {row.contact_id}" if row.contact_id is not None else ""


def _cells(row: ShownConversion) -> list[Text]:
    reason = one_line(row.message or row.code or "")
    short = reason if len(reason) <= _LONGEST_REASON else f"{reason[: _LONGEST_REASON - 1]}…"
    return [
        Text(str(row.id)),
        Text(row.event_time.strftime("%Y-%m-%d %H:%M")),
        Text(who(row)),
        Text(one_line(row.event_name or f"({row.stage})")),
        Text(row.dataset_id),
        Text(row.state, style=STYLES[row.state]),
        Text(short),
    ]


def _print(row: ShownConversion, outcome: OutcomeLine | None) -> None:
    console = Console(soft_wrap=True)
    title = Text(f"Conversion {row.id}  {one_line(row.event_name or '(no event)')}  ", style="bold")
    title.append(row.state, style=STYLES[row.state])
    console.print(title)
    if row.is_test:
        console.print(Text("A test event: it is in no figure of leadloop, and still counts at Meta.", style="yellow"))
    facts = Table.grid(padding=(0, 2))
    for name, text in _facts(row, outcome):
        facts.add_row(Text(name, style="dim"), Text(text))
    console.print(facts)
    for warning in row.warnings:
        console.print(Text(f"Worth a look: {_warning(warning)}", style="yellow"))
    for heading, told in (("The event as it is sent:", row.payload), ("Meta's answer:", row.answer)):
        if told is not None:
            console.print(Text(heading, style="bold"))
            console.print(Text(json.dumps(told, ensure_ascii=False, indent=2)))
    if row.state not in ("accepted", "sending"):
        console.print(Text(f"What to do: {what_to_do(row)}", style="bold"))


def _facts(row: ShownConversion, outcome: OutcomeLine | None) -> Iterator[tuple[str, str]]:
    yield "means", STATES[row.state].means
    if row.message or row.code:
        yield "reason", f"{row.message or ''} ({row.code})" if row.code else row.message or ""
    yield "who", f"lead {row.leadgen_id}" if row.leadgen_id is not None else who(row) or "nobody that is known"
    if outcome is not None:
        yield "outcome", _outcome(outcome)
    yield "decided as", _decision(row)
    yield "dataset", row.dataset_id
    if row.event_id is not None:
        yield "event id", row.event_id
    times: Sequence[tuple[str, datetime | None]] = (
        ("happened", row.event_time),
        ("decided", row.created_at),
        ("last sent", row.sent_at),
        ("settled", row.settled_at),
        ("Meta takes it until", row.deadline_at),
    )
    for name, at in times:
        if at is not None:
            yield name, at.strftime("%Y-%m-%d %H:%M:%S UTC")
    yield "tries", str(row.tries)
    if row.fbtrace_id is not None:
        yield "fbtrace_id", row.fbtrace_id


def _outcome(outcome: OutcomeLine) -> str:
    value = "" if outcome.value is None else f", {outcome.value} {outcome.currency or 'without a currency'}"
    at = f"{outcome.received_at:%Y-%m-%d %H:%M:%S UTC}"
    deal = "" if outcome.order_id is None else f", deal {one_line(outcome.order_id)}"
    source = outcome.source if outcome.connection is None else f"{outcome.source} ({one_line(outcome.connection)})"
    return f"{outcome.id}: stage {one_line(outcome.stage)}{value}{deal}, from {source} at {at}"


def _decision(row: ShownConversion) -> str:
    name = "no event" if row.event_name is None else f"the event {one_line(row.event_name)}"
    filled = ", a stage that was jumped over" if row.filled else ""
    return f"stage {one_line(row.stage)}{filled} is {name} on the route {row.route}, by the funnel of {row.connection}"


def _warning(warning: Any) -> str:
    if not isinstance(warning, dict):
        return one_line(str(warning))
    parts = (warning.get("field"), warning.get("message"), f"({warning['mend']})" if warning.get("mend") else None)
    return one_line(" ".join(str(part) for part in parts if part))
