"""`leadloop db`: the database's tables."""

import rich_click as click

from leadloop.cli.sandbox_database import tell_which, with_sandbox
from leadloop.cli.services import read_database_revision, upgrade_database
from store.migrate import head_revision


@click.group()
def db() -> None:
    """The database's tables."""


@db.command()
@click.pass_context
def upgrade(ctx: click.Context) -> None:
    """Bring the database to the tables of this version.

    Safe to repeat, and safe to start from several machines at once: one does it, the others wait.
    """
    settings = with_sandbox(ctx.obj.settings)
    tell_which(ctx.obj.settings, settings)
    before, after = upgrade_database(settings)
    if before == after:
        click.echo(f"The database is of this version already (revision {after}).")
    else:
        click.echo(f"The database is now of revision {after} (it was {before or 'empty'}).")


@db.command()
@click.pass_context
def current(ctx: click.Context) -> None:
    """Print the database's revision; exit code 1 when it is not this version's."""
    settings = with_sandbox(ctx.obj.settings)
    tell_which(ctx.obj.settings, settings)
    found = read_database_revision(settings)
    click.echo(found or "empty")
    ctx.exit(0 if found == head_revision() else 1)
