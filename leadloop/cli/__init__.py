"""The `leadloop` command: a file for each group of commands."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any

import rich_click as click
import structlog

from leadloop import __version__
from leadloop.cli.failures import WRONG_SETTINGS, Refused, print_as_json
from leadloop.cli.streams import close_streams, prepare_streams
from leadloop.errors import LeadloopError, SettingsError
from leadloop.logs import configure_logs, configure_sentry
from leadloop.settings import Settings, read_settings, tidy_environ

COMMANDS = {
    "run": "leadloop.cli.run:run",
    "web": "leadloop.cli.processes:web",
    "worker": "leadloop.cli.processes:worker",
    "clock": "leadloop.cli.processes:clock",
    "db": "leadloop.cli.db:db",
    "config": "leadloop.cli.config:config",
    "leads": "leadloop.cli.leads:leads",
    "work": "leadloop.cli.work:work",
    "crm": "leadloop.cli.crm:crm",
    "outcomes": "leadloop.cli.outcomes:outcomes",
    "conversions": "leadloop.cli.conversions:conversions",
    "api-key": "leadloop.cli.api_key:api_key",
    "datasets": "leadloop.cli.datasets:datasets",
    "doctor": "leadloop.cli.doctor:doctor",
    "sandbox": "leadloop.cli.sandbox:sandbox",
}

click.rich_click.COMMAND_GROUPS = {
    "leadloop": [
        {"name": "Run it", "commands": ["run", "web", "worker", "clock", "sandbox"]},
        {"name": "Set it up", "commands": ["config", "crm", "datasets", "api-key", "db"]},
        {"name": "See and mend", "commands": ["doctor", "leads", "work", "outcomes", "conversions"]},
    ]
}
click.rich_click.STYLE_HELPTEXT_FIRST_LINE = "bold"
click.rich_click.MAX_WIDTH = 110
click.rich_click.TEXT_MARKUP = "rich"


@dataclass
class Context:
    """What every command is handed as ctx.obj. Reading the settings may raise SettingsError."""

    @cached_property
    def settings(self) -> Settings:
        return read_settings()


class LazyGroup(click.RichGroup):
    """Imports a command when it is asked for, so that `leadloop --help` answers at once."""

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> Any:
        """Run the command and end the process. Whatever fails is told here: with --json as an object on stdout, else in
        words on stderr, with the same exit code."""
        given = list(sys.argv[1:] if args is None else args)
        as_json = "--json" in given
        try:
            tidy_environ()
            code = super().main(given, *rest, **(extra | {"standalone_mode": not as_json}))
        except (click.ClickException, SettingsError) as caught:
            if as_json:
                print_as_json(caught)
            else:  # click has told its own by itself
                click.echo(f"leadloop: {caught}", err=True)
            sys.exit(caught.exit_code if isinstance(caught, click.ClickException) else WRONG_SETTINGS)
        except click.Abort:
            click.echo("Aborted!", err=True)
            sys.exit(1)
        sys.exit(code if isinstance(code, int) else 0)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except LeadloopError as caught:
            if isinstance(caught, SettingsError):  # a secret that does not open is both
                raise
            raise Refused(caught.message, code=caught.code, action=caught.action) from caught

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        return getattr(import_module(module), name)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="leadloop")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Meta lead ads into any CRM within seconds, and the sales team rung.

    Start with `leadloop run --sandbox`: it needs no Meta account.
    """
    ctx.obj = ctx.obj or Context()


def main() -> None:
    """The entry point."""
    # Until start_logging() says otherwise: stdout is for what was asked for, and may be read by a program.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    prepare_streams(for_programs="--json" in sys.argv[1:])
    try:
        cli.main()
    except OSError as caught:
        close_streams(caught)
    except SystemExit:
        close_streams()
        raise


def start_logging(settings: Settings) -> None:
    """For commands that run long; the short ones print, they do not log."""
    configure_logs(settings)
    configure_sentry(settings)
