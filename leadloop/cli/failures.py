"""What a command that fails says: words for people, with --json an object for programs. Told in one place, LazyGroup.main.

{"error": {"code": "not_found", "message": "There is no lead 999 here.", "action": "leadloop leads backfill fetches …"}}
"""

import json

import rich_click as click

from leadloop.errors import LeadloopError, SettingsError

WRONG_SETTINGS = 2  # exit code


class Refused(click.ClickException):
    """The command cannot do what it was asked for. `code` is short and bounded, `action` says what to do."""

    def __init__(self, message: str, *, code: str = "refused", action: str = "") -> None:
        super().__init__(f"{message} {action}".rstrip())
        self.told = (code, message, action)


def print_as_json(caught: click.ClickException | SettingsError) -> None:
    """On one line, so that it can follow lines of JSON that were printed before."""
    code, message, action = _parts(caught)
    click.echo(json.dumps({"error": {"code": code, "message": message, "action": action or None}}, ensure_ascii=False))


def _parts(caught: click.ClickException | SettingsError) -> tuple[str, str, str]:
    if isinstance(caught, Refused):
        return caught.told
    if isinstance(caught, LeadloopError):
        return caught.code, caught.message, caught.action
    if isinstance(caught, SettingsError):
        return "settings", str(caught), ""
    return "usage" if isinstance(caught, click.UsageError) else "refused", caught.format_message(), ""
