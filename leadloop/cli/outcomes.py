"""`leadloop outcomes`: what happened to leads, from a CSV file, and what came in."""

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from shutil import copyfileobj
from typing import Any, BinaryIO

import rich_click as click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.text import Text

from leadloop.cli.failures import Refused
from leadloop.cli.outcome_import import How, Report, import_outcomes
from leadloop.cli.outcome_options import COLUMN, CURRENCY, DELIMITER, ENCODING, TIME_ZONE
from leadloop.cli.outcome_report import print_report, report_json
from leadloop.cli.services import services_for
from leadloop.cli.tables import build_table, one_line
from leadloop.cli.times import ago
from leadloop.leads import iso_utc
from leadloop.outcome_files.cells import Choices
from leadloop.outcome_files.columns import LEAD_COLUMNS, count_known
from leadloop.outcome_files.encodings import NoText
from leadloop.outcome_files.mistakes import FileInvalid
from leadloop.outcome_files.rows import RowFile
from leadloop.ports import Services
from store.outcome_lists import OutcomeFilter, OutcomeLine, connection_names, list_outcomes

STDIN = "-"
LONGEST_SHOWN = 28  # of what names a lead, in the list
REFUSED = 1


@click.group()
def outcomes() -> None:
    """What happened to leads after they came: qualified, won, lost. Import them from a CSV file, and see what came in."""


@outcomes.command("import")
@click.argument("file")
@click.option("--dry-run", is_flag=True, help="Check everything and print the same report, but keep nothing.")
@click.option("--column", "renamed", type=COLUMN, multiple=True, help='"Their name=ours"; "Their name=" leaves it out.')
@click.option(
    "--lead-by", type=click.Choice(LEAD_COLUMNS), help="Name the lead by this column where several are filled."
)
@click.option("--connection", metavar="NAME", help="The connection of rows that name none.")
@click.option("--currency", type=CURRENCY, help="The currency of amounts without one, such as TRY.")
@click.option("--time-zone", "zone", type=TIME_ZONE, help="Of times without an offset, such as Europe/Istanbul.")
@click.option("--decimal-comma", is_flag=True, help="Amounts are written like 12.500,00.")
@click.option("--delimiter", type=DELIMITER, help="comma, semicolon, tab, bar or one character. Default: found out.")
@click.option("--encoding", type=ENCODING, help="Default: UTF-8, or UTF-16 with its mark; windows-1254, say.")
@click.option("--skip-bad-rows", is_flag=True, help="Keep the good rows although others are wrong.")
@click.option("--keep-unknown-stages", is_flag=True, help="Keep rows whose stage no funnel knows, as history.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option_panel("What stands in the file", options=["--column", "--lead-by", "--delimiter", "--encoding"])
@click.option_panel("What its cells mean", options=["--connection", "--currency", "--time-zone", "--decimal-comma"])
@click.option_panel("What is kept", options=["--dry-run", "--skip-bad-rows", "--keep-unknown-stages"])
@click.pass_context
def import_(
    ctx: click.Context,
    /,
    file: str,
    renamed: tuple[tuple[str, str], ...],
    delimiter: str | None,
    encoding: str | None,
    dry_run: bool,
    skip_bad_rows: bool,
    keep_unknown_stages: bool,
    as_json: bool,
    **choices: Any,
) -> None:
    """Keep the outcomes of FILE, a CSV with a header; - for standard input.

    Columns: the lead by [b]leadgen_id[/], [b]crm_id[/], [b]email[/] or [b]phone[/] (one of them in each row), [b]stage[/],
    [b]occurred_at[/], and if you have them [b]value[/], [b]currency[/], [b]order_id[/], [b]connection[/] and
    [b]fields.<name>[/] for anything that conditions of a funnel look at.

    All or nothing: every row is checked first, and when one is wrong nothing is kept. The report names row and column as
    a spreadsheet does. Outcomes of leads that are not here yet are kept and wait for them.

    Safe to run again: the same outcome is kept once. Rows are written 1,000 at a time, so a run that was killed may have
    kept some; run it again and the rest follows.

    Exit code 1 when nothing was kept because of a mistake (in a dry run: would be).
    """
    how = How(Choices(**choices), dict(renamed), dry_run, skip_bad_rows, keep_unknown_stages)
    name = "standard input" if file == STDIN else file
    with open_file(file) as opened:
        try:
            rows = RowFile(
                opened,
                encoding=encoding,
                delimiter=delimiter,
                score=lambda header: count_known(header, how.renamed),
            )
        except NoText as caught:
            raise Refused(f"{name} cannot be imported.", code="no_csv", action=str(caught)) from None
        except FileInvalid as caught:
            raise Refused(f"{name}: {caught}", code="no_csv") from None
        with services_for(ctx.obj.settings) as services:
            _require_connection(services, how.choices.connection)
            report = _import(services, opened, rows, how, quiet=as_json)
    if as_json:
        click.echo(json.dumps(report_json(report, how, file=name), ensure_ascii=False))
    else:
        print_report(report, how, rows, file=name)
    ctx.exit(REFUSED if report.refused(how) else 0)


@outcomes.command("list")
@click.option("--lead", "leadgen_id", metavar="LEADGEN_ID", help="Only of this lead.")
@click.option("--waiting", is_flag=True, help="Only those whose lead is not known yet.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def list_(ctx: click.Context, leadgen_id: str | None, waiting: bool, limit: int, as_json: bool) -> None:
    """Outcomes as they came in, newest first, and what became of each.

    [b]waiting[/]: its lead is not here yet. [b]joined[/]: its lead is known, and what Meta is told is decided next.
    [b]decided[/]: that is settled; beside it stand the events and how far they are.
    """
    with services_for(ctx.obj.settings) as services, services.read() as session:
        chosen = OutcomeFilter(leadgen_id=leadgen_id, state="waiting" if waiting else None)
        lines = list_outcomes(session, chosen, limit=limit)
        now = services.now()
    if as_json:
        click.echo(json.dumps([_line_json(line) for line in lines], ensure_ascii=False, indent=2))
        return
    if not lines:
        click.echo("No outcome is like that." if leadgen_id or waiting else "No outcome has come in yet.")
        return
    console = Console()
    cells = [[Text(one_line(text)) for text in _shown(line, now)] for line in lines]
    headings = ("received", "happened (UTC)", "lead", "stage", "value", "from", "became")
    console.print(build_table(console, headings, cells, yielding={"stage", "from", "became"}))  # ids are to be copied


@contextmanager
def open_file(file: str) -> Iterator[BinaryIO]:
    """The file, to be read twice; what can be read only once (a pipe) is first copied into a file without a name."""
    if file == STDIN:
        with _copied(sys.stdin.buffer) as copy:
            yield copy
        return
    with ExitStack() as stack:
        try:
            opened = stack.enter_context(Path(file).open("rb"))
        except OSError as caught:
            raise Refused(f"{file} cannot be read: {caught.strerror}.", code="file_unreadable") from caught
        yield opened if opened.seekable() else stack.enter_context(_copied(opened))


@contextmanager
def _copied(source: BinaryIO) -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile() as copy:
        copyfileobj(source, copy)
        yield copy


def _require_connection(services: Services, name: str | None) -> None:
    """Said once, and not for every row."""
    if name is None:
        return
    with services.read() as session:
        names = connection_names(session)
    if name not in names:
        known = ", ".join(names[:12]) or "none yet"
        raise Refused(
            f"There is no connection {name} in the configuration.",
            code="connection_unknown",
            action=f"Say --connection with one of them ({known}), or add it to the file.",
        )


def _import(services: Services, opened: BinaryIO, rows: RowFile, how: How, *, quiet: bool) -> Report:
    columns = (SpinnerColumn(), TextColumn("{task.description} {task.completed:,} rows"))
    hidden = quiet or not sys.stderr.isatty()
    with Progress(*columns, console=Console(stderr=True), disable=hidden, transient=True) as bar:
        task = bar.add_task("Read", total=None)
        return import_outcomes(services, opened, rows, how, on_rows=lambda count: bar.advance(task, count))


def _shown(line: OutcomeLine, now: datetime) -> tuple[str, ...]:
    named = line.leadgen_id or f"{line.named_kind} {line.named_value}"
    named = named if len(named) <= LONGEST_SHOWN else f"{named[: LONGEST_SHOWN - 1]}…"
    value = f"{line.value} {line.currency or ''}".strip() if line.value is not None else ""
    source = line.source if line.connection is None else f"{line.source} ({line.connection})"
    happened = line.occurred_at.strftime("%Y-%m-%d %H:%M")
    return ago(line.received_at, now), happened, named, line.stage, value, source, _became(line)


def _became(line: OutcomeLine) -> str:
    if line.decided_at is None:
        return line.state
    return "decided" + "".join(f", {name or 'no event'} {state}" for _id, name, state in line.conversions)


def _line_json(line: OutcomeLine) -> dict[str, Any]:
    return {
        "outcome_id": line.id,
        "received_at": iso_utc(line.received_at),
        "source": line.source,
        "state": line.state,
        "decided_at": iso_utc(line.decided_at),
        "leadgen_id": line.leadgen_id,
        "outcome": {
            "lead": {line.named_kind: line.named_value},
            "stage": line.stage,
            "occurred_at": iso_utc(line.occurred_at),
            "value": line.value,
            "currency": line.currency,
            "order_id": line.order_id,
            "connection": line.connection,
            "fields": line.fields,
        },
        "conversions": [{"id": number, "event_name": name, "state": state} for number, name, state in line.conversions],
    }
