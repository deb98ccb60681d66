"""`leadloop conversions quality`: how good the events are that Meta was sent, by our count and by Meta's."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import rich_click as click
from rich.console import Console
from rich.text import Text

from leadloop.cli.failures import Refused
from leadloop.cli.quality_tables import print_report
from leadloop.cli.times import SINCE
from leadloop.conversions.quality_report import Report
from leadloop.ports import Services


@contextmanager
def _services(ctx: click.Context) -> Iterator[Services]:
    from leadloop.cli.services import services_for

    with services_for(ctx.obj.settings) as services:
        yield services


@click.command()
@click.option("--dataset", "dataset_id", metavar="ID", help="Only this dataset.")
@click.option("--since", type=SINCE, default="28d", show_default=True, help="Of events since: 7d, 36h, 2026-11-22 …")
@click.option("--refresh", is_flag=True, help="Ask Meta first; otherwise what it said last is shown (every 6 hours).")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def quality(ctx: click.Context, dataset_id: str | None, since: datetime, refresh: bool, as_json: bool) -> None:
    """How good the events are that Meta was sent: each rule with its target, the figure and the mend.

    Then, for each event, what became of it, how fresh it was and which keys it has; and Meta's own scores, where Meta gives
    some. What each figure means: docs/quality.md.
    """
    with _services(ctx) as services:
        reports = _read(services, dataset_id, since, refresh=refresh)
    if as_json:
        click.echo(json.dumps([report.to_json() for report in reports], ensure_ascii=False, indent=2))
        return
    if not reports:
        click.echo(
            "There is no dataset yet: add [[funnels]] with a dataset_id, or [[datasets]], to the configuration file."
        )
        return
    console = Console(soft_wrap=True)
    for number, report in enumerate(reports):
        if number:
            console.print()
        print_report(report, console)


def _read(services: Services, dataset_id: str | None, since: datetime, *, refresh: bool) -> list[Report]:
    from store.quality_reports import list_known, read_report

    with services.read() as session:
        known = list_known(session)
    chosen = [one for one in known if dataset_id in (None, one.dataset_id)]
    if dataset_id is not None and not chosen:
        names = ", ".join(one.dataset_id for one in known[:12]) or "none yet"
        raise Refused(
            "There is no such dataset here.",
            code="not_found",
            action=f"Known are: {names}. leadloop config apply adds one.",
        )
    if refresh:
        _refresh(services, [one.dataset_id for one in chosen])
    now = services.now()
    with services.read() as session:
        return [read_report(session, one, since=since, now=now) for one in chosen]


def _refresh(services: Services, dataset_ids: list[str]) -> None:
    from workers.quality import find_to_poll, poll

    for dataset_id in dataset_ids:
        with services.read() as session:
            dataset: Any = find_to_poll(session, dataset_id)
        if dataset is None:
            note = f"dataset {dataset_id}: nothing was sent to it yet, so Meta was not asked."
        else:
            refused = poll(services, dataset)
            note = f"dataset {dataset_id}: {refused.message} {refused.action}" if refused else ""
        if note:
            Console(stderr=True, soft_wrap=True).print(Text(note.rstrip(), style="yellow"))
