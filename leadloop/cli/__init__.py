"""The `leadloop` command: a file for each group of commands."""

import sys
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any

import rich_click as click
import structlog

from leadloop import __version__
from leadloop.errors import SettingsError
from leadloop.logs import configure_logs, configure_sentry
from leadloop.settings import Settings, read_settings

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
    "api-key": "leadloop.cli.api_key:api_key",
    "sandbox": "leadloop.cli.sandbox:sandbox",
}

click.rich_click.COMMAND_GROUPS = {
    "leadloop": [
        {"name": "Run it", "commands": ["run", "web", "worker", "clock", "sandbox"]},
        {"name": "Set it up", "commands": ["config", "crm", "api-key", "db"]},
        {"name": "See and mend", "commands": ["leads", "work"]},
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
    """The entry point: settings that are missing or malformed end with one sentence and exit code 2."""
    # Until start_logging() says otherwise: stdout is for what was asked for, and may be read by a program.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        cli.main(standalone_mode=True)
    except SettingsError as caught:
        click.echo(f"leadloop: {caught}", err=True)
        sys.exit(2)


def start_logging(settings: Settings) -> None:
    """For commands that run long; the short ones print, they do not log."""
    configure_logs(settings)
    configure_sentry(settings)
