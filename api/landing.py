"""GET /: the start page. How the installation is doing and what to do next; nothing of a person stands on it."""

import shutil
import sys
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, current_app
from flask.typing import ResponseReturnValue

from api.access import AWAY, may_see_figures
from api.metrics import find_figures
from api.pages import render_page
from api.remembered import Remembered
from leadloop.ports import Services
from store.figures import Figures
from store.models import Lane
from webhooks.health import find_reasons

bp = Blueprint("landing", __name__, template_folder="templates")
HEALTH_KEPT_S = 2.0  # looking whether the database takes a write costs one, so that not every visitor causes it


@dataclass(frozen=True)
class Rest:
    """A lane that rests, in words for the page."""

    name: str
    held: bool
    when: str
    reason: str
    mend: str
    waiting: int


@dataclass(frozen=True)
class Step:
    """Something to do next: a sentence, and a command to type or a page to open."""

    words: str
    command: str = ""
    link: str = ""


@dataclass(frozen=True)
class Status:
    """What the page shows. `figures` None: this caller may not see them, or the database does not answer. `sandbox` is
    the address of its page, where one plays Meta."""

    reasons: list[str]
    open: bool
    figures: Figures | None = None
    rests: list[Rest] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    last_notice: str = ""
    sandbox: str = ""


@bp.get("/")
def start() -> ResponseReturnValue:
    """The page; always 200, as /readyz is for machines."""
    services: Services = current_app.extensions["leadloop"]
    try:
        open_ = may_see_figures()
    except AWAY:
        open_ = False
    return render_page("api/landing.html", status=find_status(services, open_=open_))


def find_status(services: Services, *, open_: bool) -> Status:
    """`open_`: this caller may see reasons and figures, not only whether it is ready."""
    health: Remembered[list[str]] = services.cached(
        "health", lambda: Remembered(least_s=HEALTH_KEPT_S, longest_s=HEALTH_KEPT_S)
    )
    reasons = health.get(lambda: find_reasons(services))
    if not open_:
        return Status(reasons=reasons, open=False)
    try:
        figures = find_figures(services)
    except AWAY:
        return Status(reasons=reasons, open=True)
    sandbox = find_sandbox(services)
    return Status(
        reasons=reasons,
        open=True,
        figures=figures,
        rests=find_rests(figures),
        steps=[as_typed_here(step) for step in next_steps(figures, sandbox=sandbox)],
        last_notice=ago(figures.last_notice_at, figures.now),
        sandbox=sandbox,
    )


def find_sandbox(services: Services) -> str:
    """The address of the sandbox's page; "" when this server talks to the real Meta."""
    address = services.settings.meta_graph_url
    return address if urlsplit(address).hostname in ("127.0.0.1", "localhost", "::1") else ""


def as_typed_here(step: Step) -> Step:
    """The step with its command as a shell beside this server finds it: `make run` puts nothing on PATH."""
    return replace(step, command=find_program() + step.command.removeprefix("leadloop")) if step.command else step


@cache
def find_program() -> str:
    """`leadloop` where PATH has it, else the path of this installation's own, from the working folder."""
    own = Path(sys.executable).parent / "leadloop"
    if shutil.which("leadloop") or not own.is_file():
        return "leadloop"
    return str(own.relative_to(Path.cwd()) if own.is_relative_to(Path.cwd()) else own)


def find_rests(figures: Figures) -> list[Rest]:
    """The lanes that are held, then those that rest, addresses of one notifier for the same reason told once."""
    waiting = {lane: rows for kind in ("graph", "crm", "alert") for lane, rows in figures.open_in(kind).items()}
    found: dict[tuple[Any, ...], Rest] = {}
    for lane in figures.lanes:
        if not (lane.hold or lane.rest_until > figures.now):
            continue
        rest = _rest(lane, figures, waiting)
        key = (rest.name, rest.held, rest.reason, rest.mend)
        earlier = found.get(key)
        rows = rest.waiting + (earlier.waiting if earlier is not None else 0)
        found[key] = Rest(rest.name, rest.held, (earlier or rest).when, rest.reason, rest.mend, rows)
    return sorted(found.values(), key=lambda rest: not rest.held)


def _rest(lane: Lane, figures: Figures, waiting: dict[str, int]) -> Rest:
    if lane.name == "graph":
        rows = sum(one for name, one in waiting.items() if name.startswith("graph:"))
    else:
        rows = waiting.get(lane.name, 0)
    return Rest(
        name=lane_words(lane.name, figures),
        held=lane.hold,
        when=ago(lane.since, figures.now),
        reason=lane.message or lane.code or "No reason was given.",
        mend=lane.action or "",
        waiting=rows,
    )


def lane_words(lane: str, figures: Figures) -> str:
    """A lane as people call it: "Page Acme Istanbul", "CRM connection crm", "Notifier sales"."""
    kind, _, rest = lane.partition(":")
    names = figures.names
    if kind == "graph":
        return f"Page {names.pages.get(rest) or rest}" if rest else "Meta's Graph API"
    if kind == "crm":
        return f"CRM connection {names.connection(rest)}"
    if kind == "alert":
        return f"Notifier {names.notifier(rest.partition(':')[0])}"
    return lane


def next_steps(figures: Figures, *, sandbox: str = "") -> list[Step]:
    """What to do next: first what stops leads, then what is missing, then how to look."""
    steps = []
    if figures.rows("parked", "failed"):
        steps.append(Step("See what is parked for a person or has failed, and why.", "leadloop work list --parked"))
    if any(lane.hold for lane in figures.lanes):
        steps.append(Step("After the mend everything goes on by itself; to try at once:", "leadloop work retry --all"))
    if not figures.names.pages:
        steps.append(
            Step(
                "Connect a Page: name it under [[pages]] in the configuration file, with its token.",
                "leadloop config apply leadloop.toml",
            )
        )
    if not figures.names.connections and not figures.names.notifiers:
        steps.append(
            Step(
                "Say where leads go: [[connections]], [[notifiers]] and [[routes]] in the same file.",
                "leadloop crm list",
            )
        )
    if figures.unrouted:
        steps.append(
            Step("Leads that no route matched: add one, then send them on.", "leadloop leads replay --unrouted")
        )
    if sum(figures.leads.values()):
        steps.append(Step("Look at the leads.", "leadloop leads list"))
    elif sandbox:
        steps.append(Step("Press Submit a lead in the sandbox, and watch it arrive.", "leadloop leads list", sandbox))
    else:
        words = "Send a first lead with Meta's Lead Ads Testing Tool, and watch it arrive."
        steps.append(Step(words, "leadloop leads list"))
    steps.append(Step("Let a program read them: make an API key.", "leadloop api-key create NAME"))
    return steps


def ago(when: datetime | None, now: datetime) -> str:
    """ "just now", "5 min ago", "3 h ago", "4 days ago"; "" for never."""
    if when is None:
        return ""
    seconds = (now - when).total_seconds()
    for size, word in ((86_400, "day"), (3600, "h"), (60, "min")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {word}{'s' if word == 'day' and count > 1 else ''} ago"
    return "just now"
