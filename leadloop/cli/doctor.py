"""`leadloop doctor`: what can silently stop leads or conversions, and which click mends it."""

import json
from collections import Counter
from dataclasses import dataclass
from functools import partial

import rich_click as click
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import select

from leadloop.cli.checkups import datasets, pages, setup, waiting
from leadloop.cli.checkups.dataset_plans import DatasetPlan, Link, read_links, read_plans
from leadloop.cli.checkups.findings import Finding, ask_all
from leadloop.cli.failures import Refused
from leadloop.cli.services import services_for
from leadloop.ports import Services
from store.lanes import graph_lane
from store.models import Connection, Page, Route

FOUND = 1  # exit code
Sections = dict[str, list[Finding]]
_STYLES = {"ok": "green", "warning": "yellow", "error": "bold red"}


@click.command()
@click.option("--page", "page_id", metavar="ID", help="Only what concerns this Page.")
@click.option("--dataset", "dataset_id", metavar="ID", help="Only what concerns this dataset.")
@click.option(
    "--connections", "with_connections", is_flag=True, help="Ask each CRM as well, as leadloop crm check does."
)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def doctor(
    ctx: click.Context, page_id: str | None, dataset_id: str | None, with_connections: bool, as_json: bool
) -> None:
    """Look for whatever can silently stop leads or conversions, and say how to mend it.

    Settings, Pages and their tokens, datasets and the Pages linked to them, what is held or parked. It asks Meta, reads no
    lead, sends nothing and changes nothing.

    Exit code 1 when there is an error; warnings alone are fine.
    """
    with services_for(ctx.obj.settings) as services:
        found = _examine(services, page_id, dataset_id, with_connections=with_connections)
    levels: Counter[str] = Counter(finding.level for findings in found.values() for finding in findings)
    if as_json:
        click.echo(json.dumps(_as_json(found), ensure_ascii=False, indent=2))
    else:
        _print(found, Console())
        click.echo(_sum_up(levels))
    ctx.exit(FOUND if levels["error"] else 0)


def _examine(services: Services, page_id: str | None, dataset_id: str | None, *, with_connections: bool) -> Sections:
    """Read what is configured, then ask; no transaction stays open meanwhile."""
    with services.read() as session:
        known, routes = pages.list_pages(session), list(session.scalars(select(Route)))
        plans, links = read_plans(session), read_links(session)
        connections = pages.list_connections(session)
        admin = setup.check_admin(session)
        chosen = _choose(known, plans, links, page_id, dataset_id)
        held = waiting.check_lanes(session, chosen.lanes)
        parked = waiting.check_parked(session) if chosen.lanes is None else []
    found = {
        "Setup": [*setup.check_settings(services.settings), *setup.check_file_ahead(services), *admin],
        "Pages": _check_pages(services, chosen, routes),
        "Datasets": _check_datasets(services, chosen),
        "Connections": _check_connections(services, connections) if with_connections else [],
        "Work": [*held, *parked],
    }
    return {name: findings for name, findings in found.items() if findings}


@dataclass(frozen=True)
class _Chosen:
    """What is looked at. `lanes` None: all of them, as nothing was left out."""

    pages: list[Page]
    plans: list[DatasetPlan]
    links: list[Link]
    lanes: frozenset[str] | None


def _choose(
    known: list[Page], plans: list[DatasetPlan], links: list[Link], page_id: str | None, dataset_id: str | None
) -> _Chosen:
    if page_id is None and dataset_id is None:
        return _Chosen(known, plans, links, None)
    lanes = frozenset(graph_lane(one) for one in (page_id, dataset_id) if one is not None)
    if page_id is not None:
        known = [page for page in known if page.page_id == page_id]
        if not known:
            raise Refused(f"There is no Page {page_id} here.", code="not_found", action="leadloop doctor shows all.")
        plans = [plan for plan in plans if _concerns(plan, page_id)]
        links = [link for link in links if link.page.page_id == page_id]
    if dataset_id is not None:
        plans = [plan for plan in plans if plan.dataset_id == dataset_id]
        if not plans:
            message = f"The configuration names no dataset {dataset_id}" + (f" for Page {page_id}." if page_id else ".")
            raise Refused(message, code="not_found", action="leadloop datasets list shows those there are.")
        links = [link for link in links if dataset_id in link.wanted]
        known = known if page_id is not None else []
    return _Chosen(known, plans, links, lanes)


def _concerns(plan: DatasetPlan, page_id: str) -> bool:
    """Whether it is the Page's own, or one to which a funnel sends what happens to its leads."""
    named = any({"*", page_id} & set(one.funnel.when.get("page", ("*",))) for one in plan.funnels)
    return named or page_id in plan.page_ids


def _check_pages(services: Services, chosen: _Chosen, routes: list[Route]) -> list[Finding]:
    configured = [page for page in chosen.pages if page.configured]
    there = pages.check_pages_there(chosen.pages) if chosen.lanes is None or chosen.pages else []
    unrouted = [finding for page in configured for finding in pages.check_route(page, routes)]
    return [*ask_all(partial(pages.ask_page, services=services), configured), *there, *unrouted]


def _check_datasets(services: Services, chosen: _Chosen) -> list[Finding]:
    return [
        *ask_all(partial(datasets.ask_dataset, services=services), chosen.plans),
        *ask_all(partial(datasets.ask_link, services=services), chosen.links),
    ]


def _check_connections(services: Services, connections: list[Connection]) -> list[Finding]:
    return ask_all(partial(pages.ask_connection, services=services), connections)


# --- what is printed --------------------------------------------------------------------------------------------------


def _print(found: Sections, console: Console) -> None:
    for name, findings in found.items():
        console.print(Text(name, style="bold"))
        table = Table.grid(padding=(0, 1))
        table.add_column(width=9, no_wrap=True)
        table.add_column()
        for finding in findings:
            table.add_row(Text(f"  {finding.level}", style=_STYLES[finding.level]), _words(finding))
        console.print(table)


def _words(finding: Finding) -> Text:
    words = Text.assemble((finding.what, "bold"), f": {finding.why}")
    return words.append(f"\nMend: {finding.mend}", style="green") if finding.mend else words


def _sum_up(levels: Counter[str]) -> str:
    told = [_plural(levels[level], level) for level in ("error", "warning") if levels[level]]
    return f"{', '.join(told)}." if told else "All is well."


def _plural(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _as_json(found: Sections) -> dict[str, object]:
    rows = [
        {
            "section": name.lower(),
            "level": finding.level,
            "code": finding.code,
            "what": finding.what,
            "why": finding.why,
            "mend": finding.mend or None,
        }
        for name, findings in found.items()
        for finding in findings
    ]
    return {"ok": all(row["level"] != "error" for row in rows), "findings": rows}
