"""`leadloop crm`: the adapters there are, a connection's fields and credentials, and what would be sent."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import rich_click as click
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_adapters import BrokenAdapter, adapter_kinds
from crm_adapters.base import CrmAdapter, Earlier
from crm_adapters.catalogue import describe
from leadloop.cli.failures import Refused
from leadloop.cli.services import NoDatabaseYet, services_for
from leadloop.lead_reading import card_to_row
from leadloop.leads import Answer, LeadCard
from leadloop.ports import Services
from leadloop.settings import Settings
from store.leads import LeadFilter, list_leads
from store.models import Connection, Lead
from store.routing import find_mapping
from workers.deliveries import make_adapter, make_card


@click.group()
def crm() -> None:
    """CRM adapters and connections: which there are, whether they work, what they would be sent."""


@crm.command("list")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> None:
    """The adapters there are, with their settings, and the connections that use them."""
    adapters = [_describe(kind) for kind in adapter_kinds()]
    if as_json:
        told = {"adapters": adapters, "connections": _list_connections(ctx.obj.settings)}
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
        return
    table = Table("adapter", "CRM", "settings", box=None, header_style="bold")
    for adapter in adapters:
        settings = ", ".join(_setting_words(setting) for setting in adapter["settings"])
        table.add_row(adapter["kind"], adapter["label"], Text(settings))
    Console().print(table)  # before the database is asked: adapters are there without one
    connections = _list_connections(ctx.obj.settings)
    for connection in connections:
        click.echo(f"connection {connection['name']}: {connection['adapter']}")
    if not connections:
        click.echo("No connection yet: add [[connections]] to the configuration file.")


def _list_connections(settings: Settings) -> list[dict[str, str]]:
    """Those of the configuration; none where there is no database yet."""
    query = select(Connection).where(Connection.removed_at.is_(None)).order_by(Connection.position)
    try:
        with services_for(settings) as services, services.read() as session:
            return [{"name": row.name, "adapter": row.adapter} for row in session.scalars(query)]
    except NoDatabaseYet:
        return []


@crm.command()
@click.argument("connection")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def fields(ctx: click.Context, connection: str, as_json: bool) -> None:
    """The fields of the CRM behind CONNECTION that a mapping may name."""
    with services_for(ctx.obj.settings) as services:
        adapter = make_adapter(_get_connection(services, connection), services)
        if not adapter.offers_fields:
            click.echo(f"{adapter.label} takes any field name: map what the receiver expects.", err=True)
            if as_json:
                click.echo("[]")
            return
        found = adapter.read_fields()
    if as_json:
        listed = [
            {
                "name": one.name,
                "label": one.label,
                "type": one.type,
                "required": one.required,
                "read_only": one.read_only,
                "options": list(one.options),
            }
            for one in found
        ]
        click.echo(json.dumps(listed, ensure_ascii=False, indent=2))
        return
    table = Table("name", "label", "type", "", "options", box=None, header_style="bold")
    for one in found:
        marks = " ".join(word for word, is_so in (("required", one.required), ("read-only", one.read_only)) if is_so)
        table.add_row(Text(one.name), Text(one.label), one.type, marks, Text(", ".join(one.options[:8])))
    Console().print(table)


@crm.command()
@click.argument("connection")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def check(ctx: click.Context, connection: str, as_json: bool) -> None:
    """Prove the credentials and rights of CONNECTION. Leaves nothing behind in the CRM; exit code 1 when it fails."""
    with services_for(ctx.obj.settings) as services:
        adapter = make_adapter(_get_connection(services, connection), services)
        results = adapter.check()
    if as_json:
        listed = [{"name": one.name, "ok": one.ok, "found": one.found, "mend": one.mend} for one in results]
        click.echo(json.dumps(listed, ensure_ascii=False, indent=2))
    else:
        console = Console()
        for one in results:
            console.print("[green]ok[/]  " if one.ok else "[red]no[/]  ", Text(f"{one.name}: {one.found}"), sep="")
            if one.mend and not one.ok:
                console.print("    [green]mend:[/]", Text(one.mend))
    ctx.exit(0 if all(one.ok for one in results) else 1)


@crm.command("try")
@click.argument("connection")
@click.option("--dry-run", is_flag=True, help="Print what would be sent, and send nothing.")
@click.option("--lead", "leadgen_id", help="This lead; without it the last one, or a made-up one.")
@click.option("--made-up", is_flag=True, help="A made-up lead, although there are real ones.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def try_(
    ctx: click.Context, connection: str, dry_run: bool, leadgen_id: str | None, made_up: bool, as_json: bool
) -> None:
    """Send one lead to CONNECTION, or with --dry-run show exactly what would be sent.

    Without --dry-run the lead really goes to the CRM (a made-up one too: delete it there afterwards).
    """
    if made_up and leadgen_id is not None:
        raise click.UsageError("Give --lead ID or --made-up, not both.")
    with services_for(ctx.obj.settings) as services:
        row = _get_connection(services, connection)
        adapter = make_adapter(row, services)
        with services.read() as session:
            lead = _find_lead(session, leadgen_id, made_up=made_up)
            mapping = find_mapping(session, connection=connection, form_id=lead.form_id)
        card = make_card(adapter, lead.card or {}, mapping)
        if dry_run:
            _print_preview(adapter, card, as_json=as_json)
            return
        ref = adapter.push_lead(card, Earlier(maybe_pushed=True))
        for step in adapter.steps:
            getattr(adapter, f"step_{step}")(card, ref)
    if as_json:
        click.echo(json.dumps({"kind": ref.kind, "id": ref.id, "url": ref.url}))
    else:
        click.echo(f"{adapter.label} has it: {ref.kind} {ref.id} {ref.url or ''}".rstrip())


def _print_preview(adapter: CrmAdapter, card: LeadCard, *, as_json: bool) -> None:
    previews = adapter.preview(card)
    if as_json:
        listed = [
            {"method": one.method, "url": one.url, "headers": dict(one.headers), "body": one.body} for one in previews
        ]
        click.echo(json.dumps(listed, ensure_ascii=False, indent=2, default=str))
        return
    for one in previews:
        click.secho(f"{one.method} {one.url}", bold=True)
        for name, value in one.headers.items():
            click.echo(f"{name}: {value}")
        click.echo(json.dumps(one.body, ensure_ascii=False, indent=2, default=str))
    click.echo("Nothing was sent.", err=True)


def _describe(kind: str) -> dict[str, Any]:
    try:
        return asdict(describe(kind))
    except BrokenAdapter as caught:  # one broken package must not hide the others
        return {"kind": kind, "label": f"cannot be loaded: {caught.why}", "settings": [], "default_fields": {}}


def _setting_words(setting: dict[str, Any]) -> str:
    return (
        str(setting["name"])
        + ("" if setting["required"] else " (optional)")
        + (" (secret)" if setting["secret"] else "")
    )


def _get_connection(services: Services, name: str) -> Connection:
    with services.read() as session:
        rows = list(session.scalars(select(Connection).where(Connection.removed_at.is_(None))))
    for row in rows:
        if row.name == name:
            return row
    known = ", ".join(sorted(row.name for row in rows)) or "none yet"
    raise Refused(f"There is no connection {name!r} in the configuration; there are: {known}.", code="not_found")


def _find_lead(session: Session, leadgen_id: str | None, *, made_up: bool) -> Lead:
    if leadgen_id is not None:
        lead = session.scalar(select(Lead).where(Lead.leadgen_id == leadgen_id))
        if lead is None or lead.card is None:
            raise Refused(f"Lead {leadgen_id} is not here, or has not been read from Meta yet.", code="not_found")
        return lead
    last = [] if made_up else list_leads(session, LeadFilter(state="read"), limit=1)
    if last:
        return last[0]
    card = made_up_lead()
    return Lead(leadgen_id=card.leadgen_id, page_id=card.page_id, form_id=card.form_id, card=card_to_row(card))


def made_up_lead() -> LeadCard:
    """A lead of nobody, with one of everything."""
    now = datetime.now(UTC).replace(microsecond=0)
    return LeadCard(
        leadgen_id="100000000000001",
        page_id="100000000000002",
        page_name="Example Page",
        form_id="100000000000003",
        form_name="Example form",
        platform="fb",
        is_organic=True,
        is_test=True,
        created_at=now,
        received_at=now,
        full_name="Zoë Example",
        first_name="Zoë",
        last_name="Example",
        email="zoe@example.com",
        phone="+12025550123",
        phone_typed="+1 202 555 0123",
        answers=(
            Answer("full_name", "FULL_NAME", "Full name", ("Zoë Example",), ("Zoë Example",)),
            Answer("email", "EMAIL", "Email", ("zoe@example.com",), ("zoe@example.com",)),
            Answer("budget", "CUSTOM", "Budget?", ("1000_2000",), ("1,000 to 2,000",)),
        ),
    )
