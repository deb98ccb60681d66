"""Graph's datasets: found or made for a Page or an account, read, assigned. Source: Meta conversions facts §6.2, §8.3."""

from sandbox import graph_errors as errors
from sandbox.access import check_page, check_scope
from sandbox.bodies import read_any
from sandbox.calls import Call, Json, asked_fields
from sandbox.event_rows import TASKS, Dataset
from sandbox.fields import select
from sandbox.nodes import graph_time
from sandbox.options import SYSTEM_USER_ID

DATASET_TYPE = "AdsPixel"
BUSINESS = {"id": "150000000000001", "name": "leadloop sandbox business"}
OWNER_SCOPES = {
    "page": "page_events",
    "whatsapp": "whatsapp_business_manage_events",
    "instagram": "instagram_manage_events",
}


def get_dataset(call: Call, task: str | None = None) -> Dataset:
    """The dataset of the call. Raises 100/33 when there is none, or the token may not use it: Meta does not tell which.

    The system user needs `task` on it, or any; a Page's token opens the dataset that is linked to that Page.
    """
    dataset, token = call.target.dataset, call.token
    if dataset is None:
        raise errors.not_found(call.target.object_id, call.method)
    if token.kind == "system" and (task in dataset.tasks if task else dataset.tasks):
        return dataset
    if token.kind == "page" and token.page_id == dataset.page_id:
        return dataset
    raise errors.not_found(dataset.dataset_id, call.method)


def list_linked(call: Call) -> Json:
    """Empty when none was made yet."""
    owner_id, _page_id, _name = _owner_of(call)
    dataset = call.datasets.find_linked(owner_id)
    return {"data": [{"id": dataset.dataset_id, "name": dataset.name}] if dataset else []}


def make_linked(call: Call) -> Json:
    """The one that there is, or a new one: asking again changes nothing."""
    owner_id, page_id, name = _owner_of(call)
    name = call.text("dataset_name")[:200] or name
    return {"id": call.datasets.make_linked(owner_id, page_id, name, call.state.now()).dataset_id}


def read_dataset(call: Call) -> Json:
    dataset = get_dataset(call)
    if "ads_read" in call.state.knobs.missing_scopes:
        raise errors.bad_parameter("Missing Permission")
    return select(_dataset_node(call, dataset), asked_fields(call, "id,name"), DATASET_TYPE)


def assign_user(call: Call) -> Json:
    """Give the system user tasks on a dataset."""
    dataset = call.target.dataset
    if dataset is None or call.token.kind != "system":
        raise errors.not_found(call.target.object_id, call.method)
    check_scope(call.state, "business_management")
    if call.text("user") != SYSTEM_USER_ID:
        raise errors.bad_parameter("Param user must be the id of a system user of the business")
    given = call.params.get("tasks", "")
    if isinstance(given, str):
        given = read_any(given) or [name.strip() for name in given.split(",") if name.strip()]
    if not isinstance(given, list) or not given or not all(task in TASKS for task in given):
        raise errors.bad_parameter(f"Param tasks must be an array of {{{', '.join(TASKS)}}}")
    call.datasets.change_dataset(dataset.dataset_id, {"tasks": tuple(dict.fromkeys(given))}, call.state.now())
    return {"success": True}


def _owner_of(call: Call) -> tuple[str, str, str]:
    """Whose dataset it is: the id of a Page or account, the Page behind it, and what a new one is called."""
    page, account = call.target.page, call.target.account
    if page is None or call.target.dataset:
        raise errors.not_found(call.target.object_id, call.method)
    check_page(call.token, page.page_id, call.target.object_id, call.method)
    check_scope(call.state, OWNER_SCOPES[account.kind if account else "page"])
    return call.target.object_id, page.page_id, f"{account.name if account else page.name}: events"


def _dataset_node(call: Call, dataset: Dataset) -> Json:
    events = call.datasets.list_events(dataset.dataset_id)
    times = [event.event_time for event in events]
    return {
        "id": dataset.dataset_id,
        "name": dataset.name,
        "is_crm": dataset.is_crm,
        "is_consolidated_container": True,
        "is_unavailable": False,
        "creation_time": graph_time(dataset.created_at),
        "last_fired_time": graph_time(events[-1].at) if events else None,
        "valid_entries": len(events),
        "matched_entries": sum(event.leadgen_id is not None for event in events),
        "duplicate_entries": sum(event.times > 1 for event in events),
        "event_time_min": min(times, default=None),
        "event_time_max": max(times, default=None),
        "match_rate_approx": None,
        "owner_business": dict(BUSINESS),
    }
