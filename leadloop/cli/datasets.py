"""`leadloop datasets`: the datasets that events go to, and finding or making the one of a Page."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import rich_click as click
from rich.console import Console
from rich.text import Text
from sqlalchemy import select

from leadloop.cli.checkups.dataset_plans import (
    MESSAGING,
    DatasetPlan,
    events_graph,
    find_linked,
    read_at_meta,
    read_plans,
)
from leadloop.cli.checkups.findings import ASKED_AT_ONCE
from leadloop.cli.failures import Refused
from leadloop.cli.services import services_for
from leadloop.cli.tables import build_table
from leadloop.cli.times import ago
from leadloop.conversions.datasets import DatasetInfo, DatasetRef
from leadloop.errors import LeadloopError
from leadloop.leads import iso_utc
from leadloop.ports import Services
from store.models import Page
from workers.leads import page_token

NONE_YET = (
    "The configuration names no dataset yet: leadloop datasets create --page ID finds or makes the one of a Page, and Events"
    " Manager > Connect data source > CRM makes one for leads of instant forms."
)


@click.group()
def datasets() -> None:
    """Datasets at Meta, which conversion events go to: list them, find or make the one of a Page."""


@dataclass(frozen=True)
class _Seen:
    """A dataset of the configuration, and what Meta says of it: `info`, or why not."""

    plan: DatasetPlan
    token_from: str
    info: DatasetInfo | None
    caught: LeadloopError | None


@datasets.command("list")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> None:
    """The datasets that the configuration names, who names them, and what Meta says of each.

    leadloop doctor tells what is wrong with them.
    """
    with services_for(ctx.obj.settings) as services:
        with services.read() as session:
            plans = read_plans(session)
        with ThreadPoolExecutor(max_workers=ASKED_AT_ONCE) as pool:
            seen = list(pool.map(partial(_look, services=services), plans))
    if as_json:
        click.echo(json.dumps([_as_json(one) for one in seen], ensure_ascii=False, indent=2))
    elif not seen:
        click.echo(NONE_YET)
    else:
        console = Console()
        rows = [_row(one, services) for one in seen]
        headings = ("dataset", "name", "token", "kind", "last event", "named by")
        console.print(build_table(console, headings, rows, yielding={"name", "named by"}))


@datasets.command()
@click.option("--page", "page_id", metavar="ID", required=True, help="The Page, WhatsApp or Instagram account.")
@click.option("--name", help="What a new dataset is called.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def create(ctx: click.Context, page_id: str, name: str | None, as_json: bool) -> None:
    """Find the dataset that is linked to a Page, or make one, and print what to put into the configuration.

    A Page, a WhatsApp Business Account and an Instagram account have one dataset each. Asking again makes no second one. The
    token needs page_events, whatsapp_business_manage_events or instagram_manage_events.

    The configuration is not changed: that is yours to do.
    """
    with services_for(ctx.obj.settings) as services:
        with services.read() as session:
            page = session.scalar(select(Page).where(Page.page_id == page_id)) or Page(page_id=page_id)
            plans = read_plans(session)
        there = find_linked(page, services)
        dataset_id = _make(page, name, services) if not there else there[0].dataset_id
    made, others = not there, _others(plans, page, dataset_id)
    if as_json:
        told = {"dataset_id": dataset_id, "page_id": page_id, "made": made, "also_named": others}
        click.echo(json.dumps(told | {"toml": _toml(page, dataset_id)}, ensure_ascii=False))
        return
    _tell(page, dataset_id, there, name=name)
    _warn(page, dataset_id, others)


def _look(plan: DatasetPlan, services: Services) -> _Seen:
    token_from = plan.token_from(services.settings.meta_access_token)
    try:
        return _Seen(plan, token_from, read_at_meta(plan, services), None)
    except LeadloopError as caught:
        return _Seen(plan, token_from, None, caught)


def _make(page: Page, name: str | None, services: Services) -> str:
    token = page_token(page, services)
    if token is None:  # find_linked() has refused before
        raise Refused(f"There is no access token for Page {page.page_id}.", code="no_token")
    return events_graph(services).create_dataset(page.page_id, token=token, name=name)


def _others(plans: list[DatasetPlan], page: Page, dataset_id: str) -> list[str]:
    """Datasets to which the configuration sends this Page's messages, or that it names as the Page's own."""
    named = [page.dataset_id] if page.dataset_id else []
    for plan in plans:
        for one in plan.funnels:
            if one.funnel.route == MESSAGING and {"*", page.page_id} & set(one.funnel.when.get("page", ("*",))):
                named.append(plan.dataset_id)
    return [one for one in dict.fromkeys(named) if one != dataset_id]


# --- what is printed --------------------------------------------------------------------------------------------------


def _toml(page: Page, dataset_id: str) -> str:
    return f'[[pages]]\nid = "{page.page_id}"\ndataset_id = "{dataset_id}"\n'


def _tell(page: Page, dataset_id: str, there: list[DatasetRef], *, name: str | None) -> None:
    called = f" ({there[0].name})" if there and there[0].name else ""
    verb = "is linked to" if there else "was made for"
    click.echo(f"Dataset {dataset_id}{called} {verb} {page.page_id}.")
    if there and name:
        click.echo("It was there already, so that it keeps its name.")
    if page.dataset_id == dataset_id:
        click.echo("The configuration names it for this Page already.")
        return
    click.echo("Put this into the configuration file, and apply it (in [[pages]] of this id, if there is one):\n")
    click.echo(_toml(page, dataset_id))
    click.echo(f'and dataset_id = "{dataset_id}" into the [[funnels]] table with route = "business_messaging".')


def _warn(page: Page, dataset_id: str, others: list[str]) -> None:
    if others:
        click.secho(
            f"Warning: the configuration names {', '.join(others)} for {page.page_id}. Signals of a Page go to the dataset"
            f" that it is linked to, which is {dataset_id}; with another dataset training begins anew, and what the old one"
            " has collected stays there.",
            fg="yellow",
            err=True,
        )


def _row(one: _Seen, services: Services) -> list[Text]:
    name = (one.info.name if one.info else None) or one.plan.name or ""
    kind = "CRM" if one.info and one.info.is_crm else ""
    named_by = ", ".join(one.plan.named_by) or "[[datasets]]"
    return [Text(text) for text in (one.plan.dataset_id, name, one.token_from, kind, _last(one, services), named_by)]


def _last(one: _Seen, services: Services) -> str:
    """When Meta received its last event, or the code of why it does not say."""
    if one.info is None:
        return one.caught.code if one.caught else ""
    return ago(one.info.last_fired_at, services.now()) if one.info.last_fired_at else "none yet"


def _as_json(one: _Seen) -> dict[str, object]:
    info = one.info
    return {
        "dataset_id": one.plan.dataset_id,
        "name": (info.name if info else None) or one.plan.name,
        "token_from": one.token_from,
        "funnels": [
            {"connection": each.connection, "route": each.funnel.route, "stages": len(each.funnel.stages)}
            for each in one.plan.funnels
        ],
        "pages": list(one.plan.page_ids),
        "is_crm": info.is_crm if info else None,
        "is_consolidated_container": info.is_consolidated_container if info else None,
        "is_unavailable": info.is_unavailable if info else None,
        "last_fired_at": iso_utc(info.last_fired_at) if info and info.last_fired_at else None,
        "error": {"code": one.caught.code, "message": one.caught.message, "action": one.caught.action}
        if one.caught
        else None,
    }
