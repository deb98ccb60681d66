"""`leadloop api-key`: keys for programs that read the API."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import rich_click as click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from leadloop.cli.failures import Refused
from leadloop.leads import iso_utc
from leadloop.ports import Services
from store.api_keys import ApiKeyError, create_key, list_keys, revoke_key, tidy_name
from store.models import ApiKey


@contextmanager
def _services(ctx: click.Context) -> Iterator[Services]:
    from leadloop.cli.services import services_for

    with services_for(ctx.obj.settings) as services:
        yield services


@click.group("api-key")
def api_key() -> None:
    """Keys for programs that read the API under /api/v1.

    A program sends its key as Authorization: Bearer ll_…. Only a key's SHA-256 is kept.
    """


@api_key.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def create(ctx: click.Context, name: str, as_json: bool) -> None:
    """Make a key named NAME and print it, once.

    Give each program a key of its own, so that one can be revoked without the others.
    """
    try:
        with _services(ctx) as services:
            plain = services.writer.write(lambda session: create_key(session, name, services.now()))
    except ApiKeyError as caught:
        raise Refused(str(caught)) from caught
    if as_json:
        click.echo(json.dumps({"name": tidy_name(name), "key": plain}, ensure_ascii=False))
        return
    click.echo("Keep this key now: it is not kept here and cannot be shown again.", err=True)
    click.echo(plain)
    click.echo("Try it: curl -H 'Authorization: Bearer ll_…' http://YOUR-LEADLOOP/api/v1/leads", err=True)
    click.echo("YOUR-LEADLOOP is where leadloop run or web listens, by default 127.0.0.1:8000.", err=True)


@api_key.command("list")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> None:
    """The keys there are, when each was last used (to the minute), and the revoked ones."""
    with _services(ctx) as services, services.read() as session:
        keys = list_keys(session)
    if as_json:
        click.echo(json.dumps([_as_json(key) for key in keys], ensure_ascii=False, indent=2))
        return
    if not keys:
        click.echo("There is no key yet: leadloop api-key create NAME makes one.")
        return
    table = Table("name", "made", "last used", "state", box=None, header_style="bold")
    for key in keys:
        state = f"[red]revoked[/] {_minute(key.revoked_at)}" if key.revoked_at else "[green]in force[/]"
        table.add_row(Text(key.name), _minute(key.created_at), _minute(key.last_used_at) or "never", state)
    Console().print(table)


@api_key.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def revoke(ctx: click.Context, name: str, as_json: bool) -> None:
    """Revoke the key named NAME: requests with it are refused from now on.

    Exit code 1 when no key of that name is in force.
    """
    try:
        with _services(ctx) as services:
            revoked = services.writer.write(lambda session: revoke_key(session, name, services.now()))
    except ApiKeyError as caught:
        raise Refused(str(caught)) from caught
    if not revoked:
        action = "leadloop api-key list shows those there are."
        raise Refused(f"No key named {name!r} is in force.", code="not_found", action=action)
    click.echo(json.dumps({"name": tidy_name(name), "revoked": True}) if as_json else f"The key {name!r} is revoked.")


def _as_json(key: ApiKey) -> dict[str, str | None]:
    return {
        "name": key.name,
        "created_at": iso_utc(key.created_at),
        "last_used_at": iso_utc(key.last_used_at),
        "revoked_at": iso_utc(key.revoked_at),
    }


def _minute(when: datetime | None) -> str:
    return when.strftime("%Y-%m-%d %H:%M UTC") if when else ""
