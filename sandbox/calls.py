"""One call of the Graph API, taken apart: which operation it is, and on whose object."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from sandbox.context import Sandbox, current_fbtrace_id
from sandbox.datasets import ACCOUNTS, Datasets
from sandbox.event_rows import Account, Dataset
from sandbox.faults import Fault, FaultBoard
from sandbox.fields import Asked, parse_fields
from sandbox.forms import Form, Page
from sandbox.graph_errors import bad_parameter, not_found
from sandbox.rows import Lead, Token
from sandbox.state import SandboxState

Json = dict[str, Any]
Thing = TypeVar("Thing")

EDGES = {
    ("page", "leadgen_forms"): "page_forms",
    ("page", "subscribed_apps"): "subscribed_apps",
    ("form", "leads"): "form_leads",
    ("form", "test_leads"): "test_leads",
    ("app", "subscriptions"): "subscriptions",
    ("me", "accounts"): "accounts",
}
NUMBERED_EDGES = {  # of whatever has a number: what is no dataset of ours is answered as missing
    "events": "events",
    "dataset": "linked_dataset",
    "assigned_users": "assigned_users",
    "dataset_quality": "quality_path",
}
DATASET_OPERATIONS = ("dataset", "dataset_quality", *NUMBERED_EDGES.values())
OPERATIONS = (
    *("lead", "form", "page", "app", "me", "debug_token", "account"),
    *EDGES.values(),
    *DATASET_OPERATIONS,
    "other",
)


@dataclass(frozen=True)
class Target:
    """What a path names. `operation` is one of OPERATIONS; "other" is what the sandbox does not know."""

    operation: str
    object_id: str
    page: Page | None = None
    form: Form | None = None
    lead: Lead | None = None
    dataset: Dataset | None = None
    account: Account | None = None

    @property
    def page_id(self) -> str | None:
        return self.page.page_id if self.page else None

    @property
    def leadgen_id(self) -> str | None:
        return self.lead.leadgen_id if self.lead else None


@dataclass(frozen=True)
class Call:
    """A call that is allowed to speak: its token is good. `url` is its own, without the query, for paging links.
    `fault` is one that the handler itself plays."""

    sandbox: Sandbox
    method: str
    target: Target
    params: Mapping[str, Any] = field(repr=False)
    token: Token
    url: str
    fault: Fault | None = None

    @property
    def datasets(self) -> Datasets:
        return self.sandbox.state.datasets

    @property
    def fbtrace_id(self) -> str:
        return current_fbtrace_id()

    @property
    def state(self) -> SandboxState:
        return self.sandbox.state

    @property
    def board(self) -> FaultBoard:
        return self.sandbox.board

    @property
    def page(self) -> Page:
        return _have(self.target.page, self)

    @property
    def form(self) -> Form:
        return _have(self.target.form, self)

    @property
    def lead(self) -> Lead:
        return _have(self.target.lead, self)

    def text(self, name: str, default: str = "") -> str:
        value = self.params.get(name, default)
        return value if isinstance(value, str) else str(value)

    def number(self, name: str, default: int) -> int:
        text = self.text(name, str(default))
        if not (text.isascii() and text.isdigit() and len(text) < 12):
            raise bad_parameter(f"Param {name} must be a non-negative integer")
        return int(text)


def _have(thing: Thing | None, call: Call) -> Thing:
    if thing is None:
        raise not_found(call.target.object_id, call.method)
    return thing


def asked_fields(call: Call, default: str) -> tuple[Asked, ...]:
    """The fields the call asks for, or what Meta answers when none are named."""
    return parse_fields(call.text("fields")) or parse_fields(default)


def identify(state: SandboxState, path: str) -> Target:
    """The target of a path below the version, such as "301…/leads"."""
    parts = [part for part in path.split("/") if part]
    object_id, edge, *_ = [*parts, "", ""]
    kind, target = _kind_of(state, object_id)
    if len(parts) > 2 or not parts:
        operation = "other"
    elif edge:
        numbered = NUMBERED_EDGES.get(edge, "other") if object_id.isdigit() else "other"
        operation = EDGES.get((kind, edge), numbered)
    else:
        operation = kind
    return replace(target, operation=operation)


def _kind_of(state: SandboxState, object_id: str) -> tuple[str, Target]:
    blank = Target("other", object_id)
    if object_id in ("me", "debug_token", "dataset_quality"):
        return object_id, blank
    if object_id == state.options.app_id:
        return "app", blank
    if page := state.pages.get(object_id):
        return "page", Target("page", object_id, page)
    if form := state.forms.get(object_id):
        return "form", Target("form", object_id, state.pages[form.page_id], form)
    if lead := state.find_lead(object_id):
        form, page = state.forms[lead.form_id], state.pages[lead.page_id]
        return "lead", Target("lead", object_id, page, form, lead)
    if dataset := state.datasets.find_dataset(object_id):
        return "dataset", Target("dataset", object_id, state.pages.get(dataset.page_id or ""), dataset=dataset)
    if account := ACCOUNTS.get(object_id):
        return "account", Target("account", object_id, state.pages[account.page_id], account=account)
    return "other", blank
