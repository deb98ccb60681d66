"""`leadloop config`: the configuration file checked, applied, written out again."""

import json
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import rich_click as click
from rich.console import Console
from rich.text import Text
from sqlalchemy.orm import Session

from configuration.apply import apply
from configuration.check import Checked, check_file
from configuration.configured import Change
from configuration.dataset_changes import find_dataset_changes
from configuration.entries import Config
from configuration.export import export_data, export_text
from configuration.mistakes import Mistake
from configuration.reading import STDIN
from configuration.reference import sample_text
from leadloop.cli.services import make_database, services_for
from leadloop.errors import SettingsError
from leadloop.ports import Services
from leadloop.settings import Settings

MISTAKES = 1
_STYLES = {"added": "green", "returned": "green", "freed": "green", "removed": "red"}


@click.group()
def config() -> None:
    """The configuration file: check it, apply it, export what is configured.

    Its keys are explained in docs/configuration.md; `leadloop config sample` prints one to begin with.
    """


@config.command()
@click.argument("file", required=False)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def check(ctx: click.Context, file: str | None, as_json: bool) -> None:
    """Tell every mistake in FILE with its line and the mend. Changes nothing, sends nothing.

    FILE is a TOML file, - for standard input; without one it is that of LEADLOOP_CONFIG.

    Where there is a database, it also warns of what a change of dataset would cost.

    Exit code 1 when there are mistakes; warnings alone are fine.
    """
    name = _file(ctx, file)
    checked = check_file(name, ctx.obj.settings.environ)
    if checked.config is not None:
        checked = _warned(checked, _compare(ctx.obj.settings, checked.config))
    if as_json:
        _print_json(_as_json(name, checked))
    else:
        _print_mistakes(name, checked, Console(soft_wrap=True))
        if checked.mistakes:
            click.secho(f"{_plural(len(checked.mistakes), 'mistake')}.", bold=True)
        if checked.config is not None:
            click.echo(f"{_shown(name)} is fine: {_count(checked.config)}.")
    ctx.exit(MISTAKES if checked.mistakes else 0)


@config.command("apply")
@click.argument("file", required=False)
@click.option("--dry-run", is_flag=True, help="Tell what would change, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def apply_(ctx: click.Context, file: str | None, dry_run: bool, as_json: bool) -> None:
    """Make leadloop work as FILE says, in one step, and tell what changed.

    What FILE does not name is removed; leads, deliveries and alerts that are there already stay. Applying the same file
    again changes nothing. Leads that had no route stay unrouted until you replay them: leadloop leads replay.

    FILE is a TOML file, - for standard input; without one it is that of LEADLOOP_CONFIG.

    A SQLite database that is not there yet is made, with the key that seals secrets, as leadloop run makes them.

    Exit code 1 when FILE has mistakes; then nothing is changed.
    """
    name = _file(ctx, file)
    checked = check_file(name, ctx.obj.settings.environ)
    if checked.config is None:
        if as_json:
            _print_json(_as_json(name, checked) | {"applied": False, "changes": []})
        else:
            _print_mistakes(name, checked, Console(stderr=True, soft_wrap=True))
            click.secho(f"{_plural(len(checked.mistakes), 'mistake')}; nothing was changed.", bold=True, err=True)
        ctx.exit(MISTAKES)
    if not dry_run:
        for made in make_database(ctx.obj.settings):
            click.echo(f"Made {made}.", err=True)
    with _services(ctx) as services:
        changes, warnings = _apply(services, checked.config, dry_run=dry_run)
    checked = _warned(checked, warnings)
    if as_json:
        told = {"applied": not dry_run, "changes": [change.to_json() for change in changes]}
        _print_json(_as_json(name, checked) | told)
        return
    _print_mistakes(name, checked, Console(stderr=True, soft_wrap=True))
    _print_changes(changes, dry_run=dry_run)


@config.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def export(ctx: click.Context, as_json: bool) -> None:
    """Print what is configured as a configuration file.

    Secrets are written as the "$NAME" they were taken from, or masked where the file had them in the clear.
    """
    with _services(ctx) as services, services.read() as session:
        if as_json:
            _print_json(export_data(session, services.vault))
        else:
            click.echo(export_text(session, services.vault), nl=False)


@config.command()
def sample() -> None:
    """Print a commented configuration file with every key, to begin with."""
    click.echo(sample_text(), nl=False)


def _services(ctx: click.Context) -> AbstractContextManager[Services]:
    """The services a command works with; they are closed when it is done."""
    return services_for(ctx.obj.settings)


def _file(ctx: click.Context, file: str | None) -> str:
    name = file or ctx.obj.settings.leadloop_config
    if not name:
        raise click.UsageError("Name the file, or set LEADLOOP_CONFIG to it.")
    return str(name)


def _compare(settings: Settings, wanted: Config) -> list[Mistake]:
    """What only the database shows; nothing where there is none of this version, since a check needs none."""
    try:
        with services_for(settings.with_(redis_url="")) as services, services.read() as session:
            return find_dataset_changes(session, wanted)
    except SettingsError:
        return []


def _warned(checked: Checked, warnings: Iterable[Mistake]) -> Checked:
    return replace(checked, warnings=tuple(sorted({*checked.warnings, *warnings})))


def _apply(services: Services, wanted: Config, *, dry_run: bool) -> tuple[list[Change], list[Mistake]]:
    token = services.settings.meta_access_token

    def run(session: Session) -> tuple[list[Change], list[Mistake]]:
        warnings = find_dataset_changes(session, wanted)
        return apply(session, wanted, services.vault, services.now(), system_token=token), warnings

    if dry_run:
        with Session(services.engine) as session:
            found = run(session)
            session.rollback()
        return found
    changes, warnings = services.writer.write(run)
    if changes:
        services.bell.ring()
    return changes, warnings


# --- what is printed --------------------------------------------------------------------------------------------------


def _print_mistakes(name: str, checked: Checked, console: Console) -> None:
    """One line each, as compilers write them, so that editors can jump there."""
    for kind, style, found in (("", "bold red", checked.mistakes), ("warning: ", "bold yellow", checked.warnings)):
        for mistake in found:
            console.print(_line(name, mistake, kind, style), highlight=False)


def _shown(name: str) -> str:
    return "<stdin>" if name == STDIN else name


def _line(name: str, mistake: Mistake, kind: str, style: str) -> Text:
    place = f"{_shown(name)}:{mistake.line}: " if mistake.line else f"{_shown(name)}: "
    return Text.assemble(
        (place, "bold"),
        (kind + mistake.where, style),
        f": {mistake.message}. ",
        ("Mend: " + mistake.mend_sentence, "green"),
    )


def _print_changes(changes: Iterable[Change], *, dry_run: bool) -> None:
    console, told = Console(soft_wrap=True), list(changes)
    for change in told:
        console.print(Text(str(change), style=_STYLES.get(change.action, "yellow")), highlight=False)
    if not told:
        click.echo("Nothing to change: leadloop works as the file says.")
    elif dry_run:
        click.echo(f"{_plural(len(told), 'change')} would be made; nothing was changed (--dry-run).")
    else:
        click.echo(f"{_plural(len(told), 'change')} made.")


def _as_json(name: str, checked: Checked) -> dict[str, Any]:
    return {
        "file": name,
        "ok": checked.config is not None,
        "mistakes": [mistake.to_json() for mistake in checked.mistakes],
        "warnings": [warning.to_json() for warning in checked.warnings],
    }


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def _count(found: Config) -> str:
    counts = [
        (len(found.pages), "Page"),
        (len(found.connections), "connection"),
        (len(found.notifiers), "notifier"),
        (len(found.routes), "route"),
        (len(found.mappings), "mapping"),
        (len(found.datasets), "dataset"),
        (len(found.funnels), "funnel"),
    ]
    return ", ".join(_plural(count, what) for count, what in counts if count) or "everything is to be removed"


def _plural(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
