"""`leadloop conversions`: what Meta is told through its Conversions API."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import rich_click as click
from rich.console import Console
from rich.text import Text

from leadloop.cli.conversion_list import list_, show
from leadloop.cli.conversion_quality import quality
from leadloop.cli.conversion_retry import retry
from leadloop.cli.conversion_testing import test
from leadloop.cli.failures import Refused
from leadloop.conversions.findings import Finding
from leadloop.conversions.lint import LARGEST_BYTES, Found, lint_bytes
from leadloop.countries import find_country

REFUSED = 1
STDIN = "-"
_STYLES = {"refused": "red", "held": "yellow", "warning": "dim"}


@click.group()
def conversions() -> None:
    """What Meta is told through its Conversions API."""


for command in (list_, show, retry, test, quality):
    conversions.add_command(command)


@conversions.command()
@click.argument("file")
@click.option(
    "--page-country", help="Where the Page is registered, such as TR: messaging events are not for all countries."
)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def check(ctx: click.Context, file: str, page_country: str | None, as_json: bool) -> None:
    """Tell what Meta would refuse in FILE, event by event, with the mend. Sends nothing.

    FILE is the JSON body of a request to /DATASET_ID/events ({"data": [...]}), from any program; - for standard input.
    One bad event has Meta refuse all that come with it, and its answer does not say which.

    Exit code 1 when an event would be refused or held back; warnings alone are fine.
    """
    country = _country(page_country)
    found = lint_bytes(_read(file), now=datetime.now(UTC), page_country=country)
    sendable = all(finding.level == "warning" for _index, finding in found)
    if as_json:
        rows = [_as_json(index, finding) for index, finding in found]
        click.echo(json.dumps({"file": file, "sendable": sendable, "findings": rows}, ensure_ascii=False))
    else:
        _print(found, Console(soft_wrap=True))
        click.echo(_sum_up(file, found))
    ctx.exit(0 if sendable else REFUSED)


def _country(given: str | None) -> str | None:
    if given is None:
        return None
    country = find_country(given)
    if country is None:
        raise click.BadParameter(
            "Give the country's two letters (ISO 3166-1), such as TR.", param_hint="--page-country"
        )
    return country


def _read(file: str) -> bytes:
    """At most one byte more than is looked at: a larger file is refused for its size."""
    if file == STDIN:
        return sys.stdin.buffer.read(LARGEST_BYTES + 1)
    try:
        with Path(file).open("rb") as opened:
            return opened.read(LARGEST_BYTES + 1)
    except OSError as caught:
        raise Refused(f"{file} cannot be read: {caught.strerror}.", code="file_unreadable") from caught


def _as_json(index: int | None, finding: Finding) -> dict[str, object]:
    return {
        "event": index,
        "level": finding.level,
        "code": finding.code,
        "field": finding.field,
        "message": finding.message,
        "mend": finding.mend,
        "meta_code": finding.meta_code or None,
    }


def _print(found: Found, console: Console) -> None:
    for index, finding in found:
        where = "the request" if index is None else f"data[{index}]"
        line = Text(f"{finding.level:<8} ", style=_STYLES[finding.level])
        path = ".".join(part for part in (where, finding.field) if part)
        line.append(f"{path} {finding.message}.", style="default")
        if finding.meta_code:
            line.append(f" Meta's code: {finding.meta_code}.", style="default")
        console.print(line)
        if finding.mend:
            console.print(Text(f"         Mend: {finding.mend}."))


def _sum_up(file: str, found: Found) -> str:
    name = "standard input" if file == STDIN else file
    if not found:
        return f"{name}: nothing that Meta would refuse."
    refused, held, warned = ({i for i, finding in found if finding.level == level} for level in _STYLES)
    told = [
        f"{_events(refused)} would be refused" if refused else "",
        f"{_events(held - refused)} would be held back" if held - refused else "",
        "and with them all others of the request" if refused else "all would be taken, with remarks" if warned else "",
    ]
    return f"{name}: " + ", ".join(filter(None, told)) + "."


def _events(indices: set[int | None]) -> str:
    if None in indices:
        return "the request"
    return f"{len(indices)} event{'s' if len(indices) != 1 else ''}"
