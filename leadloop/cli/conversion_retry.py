"""`leadloop conversions retry`: a person's decision to send events again."""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

import rich_click as click
from rich.console import Console
from rich.text import Text
from sqlalchemy import select

from leadloop.cli.failures import Refused
from leadloop.cli.services import services_for
from leadloop.conversions.routes import ROUTES, Route
from leadloop.ports import Services
from store.conversion_models import Conversion
from store.conversion_retries import RETRYABLE, Retried, find_retryable
from workers.retries import retry_conversion

NOTHING_DONE = 1


@click.command()
@click.argument("conversion_ids", metavar="[ID]…", nargs=-1, type=click.IntRange(1, 2**63 - 1))
@click.option(
    "--dataset", "dataset_id", metavar="ID", help="Instead of ids: all of this dataset in the state of --state."
)
@click.option("--state", type=click.Choice(RETRYABLE), help="With --dataset: which of its events.")
@click.option("--yes", is_flag=True, help="Do not ask before sending what Meta may have already.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def retry(
    ctx: click.Context,
    conversion_ids: tuple[int, ...],
    dataset_id: str | None,
    state: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Send events to Meta again, under the same event ids and with the times at which it happened.

    [b]refused[/], [b]held[/] and [b]skipped[/]: Meta was not told. They are decided anew, so that a mended funnel or consent
    applies, and checked anew. [b]unknown[/]: they go once more exactly as they went, and Meta may count them twice: look in
    Events Manager first. What Meta has accepted is never sent again, and what is too old for it cannot be.

    Exit code 1 when there were some and none is sent.
    """
    if bool(conversion_ids) == (dataset_id is not None) or (dataset_id is None) != (state is None):
        raise click.UsageError("Give ids (leadloop conversions list shows them), or --dataset ID with --state.")
    with services_for(ctx.obj.settings) as services:
        chosen = _choose(services, conversion_ids, dataset_id, state)
        if not yes:
            _warn(services, chosen)
        told = [_retry(services, one) for one in chosen]
        services.bell.ring()
    if as_json:
        click.echo(json.dumps({"conversions": [_as_json(one) for one in told]}, ensure_ascii=False))
    else:
        _print(told)
    ctx.exit(0 if any(_goes(one) for one in told) or not told else NOTHING_DONE)


def _choose(services: Services, ids: Sequence[int], dataset_id: str | None, state: str | None) -> list[int]:
    with services.read() as session:
        if dataset_id is not None and state is not None:
            return find_retryable(session, dataset_id, state, now=services.now())
        known = set(session.scalars(select(Conversion.id).where(Conversion.id.in_(ids))))
    for one in ids:
        if one not in known:
            raise Refused(
                f"There is no conversion {one}, so nothing was sent.",
                code="not_found",
                action="leadloop conversions list shows those there are.",
            )
    return list(dict.fromkeys(ids))


def _warn(services: Services, ids: Sequence[int]) -> None:
    """Ask before anything goes out of which nobody knows whether Meta has it."""
    routes: Counter[Route] = Counter()
    with services.read() as session:
        for start in range(0, len(ids), 500):
            query = select(Conversion.route).where(
                Conversion.id.in_(ids[start : start + 500]), Conversion.state == "unknown"
            )
            routes.update(session.scalars(query))
    if not routes:
        return
    count = routes.total()
    events = "1 event may" if count == 1 else f"{count} events may"
    click.echo(f"{events} have reached Meta already, and may count twice. What Meta removes by itself:", err=True)
    for route in sorted(routes):
        click.echo(f"  {route}: {ROUTES[route].dedup}", err=True)
    if not can_ask():
        raise click.UsageError("Nobody can be asked here: say --yes to send them all the same.")
    click.confirm("Send again?", abort=True, err=True)


def can_ask() -> bool:
    return sys.stdin.isatty()


def _retry(services: Services, conversion_id: int) -> Retried:
    """One in a transaction, so that one in trouble costs no other."""
    now = services.now()
    found = services.writer.write(partial(retry_conversion, conversion_id=conversion_id, now=now))
    if found is None:
        return Retried(conversion_id, "gone", reason=("not_found", "It is gone, with its lead.", ""))
    if found.done:
        services.counters.add("leadloop_conversions_decided_total", state=found.state)
    return found


def _goes(one: Retried) -> bool:
    return one.done and one.state == "queued"


def _print(told: Sequence[Retried]) -> None:
    console = Console(soft_wrap=True)
    if not told:
        console.print(
            "No event is like that: nothing was sent. What waits for its whole dataset goes by itself when that works."
        )
    for one in told:
        if _goes(one):
            continue
        _code, message, action = one.reason or ("", "", "")
        label = "Conversion" if one.event_name is None else f"{one.event_name}, conversion"
        console.print(Text(" ".join(filter(None, (f"{label} {one.id} is {one.state}:", message, action)))))
    queued = sum(map(_goes, told))
    if queued:
        console.print(f"{queued} event{'s' if queued != 1 else ''} will be sent now; see leadloop conversions list.")


def _as_json(one: Retried) -> dict[str, Any]:
    code, message, action = one.reason or (None, None, None)
    return {
        "id": one.id,
        "state": one.state,
        "sent_again": _goes(one),
        "dataset_id": one.dataset_id,
        "event_name": one.event_name,
        "code": code,
        "message": message,
        "action": action or None,
    }
