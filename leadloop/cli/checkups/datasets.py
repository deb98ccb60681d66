"""Datasets: whether Meta shows them, takes what the funnels send, and has linked the right one to each Page.

Sources: Meta conversions facts §5.1, §5.3, §6.2, §6.6, §8.3, §12, read 2026-11-26. There is no call that tells whether a token
may send (task UPLOAD): only sending does.
"""

from collections.abc import Sequence
from datetime import datetime

from leadloop.cli.checkups.dataset_plans import DatasetPlan, Link, find_linked, read_at_meta
from leadloop.cli.checkups.findings import Finding, from_error
from leadloop.cli.checkups.pages import called
from leadloop.cli.times import ago
from leadloop.conversions.datasets import DatasetInfo, DatasetRef
from leadloop.conversions.funnel import ladder, raw_stage
from leadloop.conversions.routes import RESTRICTED_COUNTRIES
from leadloop.errors import LeadloopError
from leadloop.ports import Services
from meta_graph.errors import PermissionMissing

LEAST_STAGES = 2


def ask_dataset(plan: DatasetPlan, services: Services) -> list[Finding]:
    """Everything about one dataset. One call to Meta, and it sends nothing."""
    try:
        info = read_at_meta(plan, services)
    except PermissionMissing as caught:
        return [_not_looked_into(plan, caught), *check_stages(plan)]
    except LeadloopError as caught:
        return [from_error(plan.called, caught), *check_stages(plan)]
    return [*check_info(plan, info, services.now()), *check_stages(plan)]


def check_info(plan: DatasetPlan, info: DatasetInfo, now: datetime) -> list[Finding]:
    """Whether Meta's node says that it takes what the funnels send; what Meta leaves out is not held against it."""
    routes = {one.funnel.route for one in plan.funnels}
    found = []
    if info.is_unavailable:
        why = "Meta calls the dataset unavailable."
        mend = f"Open Events Manager > dataset {plan.dataset_id}: it says what Meta wants."
        found.append(Finding("error", "dataset_unavailable", plan.called, why, mend))
    if "conversion_leads" in routes and info.is_crm is False:
        why = "Meta does not count it as a CRM dataset, which Conversion Leads needs."
        mend = (
            "Events Manager > Connect data source > CRM: make one, or convert this one. One of its own is better; in one that"
            " is converted the CRM's events need names of their own. With another dataset training begins anew."
        )
        found.append(Finding("warning", "dataset_not_crm", plan.called, why, mend))
    if "physical_store" in routes and info.is_consolidated_container is False:
        why = "Meta does not call it consolidated, which events of a shop (physical_store) need."
        mend = "Use another dataset for that funnel, or ask in Events Manager how to convert this one."
        found.append(Finding("warning", "dataset_not_consolidated", plan.called, why, mend))
    return found or [Finding("ok", "dataset", plan.called, _fine(plan, info, now))]


def check_stages(plan: DatasetPlan) -> list[Finding]:
    """Conversion Leads learns from at least two stages, the raw lead being one. Facts §5.3."""
    funnels = [one.funnel for one in plan.funnels if one.funnel.route == "conversion_leads"]
    if not funnels:
        return []
    events = {rule.event for funnel in funnels for rule in ladder(funnel) if rule.event}
    if len(events) < LEAST_STAGES:
        why = f"Its funnels tell Meta of {'one stage' if events else 'no stage'}; Conversion Leads needs two or more."
        mend = 'Add the raw lead (raw_event = "Raw Lead") and further stages to the [[funnels]] table.'
        return [Finding("warning", "few_stages", plan.called, why, mend)]
    if all(raw_stage(funnel) is None for funnel in funnels):
        why = "None of its funnels tells Meta of the raw lead, which Meta wants of every lead received."
        mend = 'Add raw_event = "Raw Lead" to the [[funnels]] table.'
        return [Finding("warning", "no_raw_stage", plan.called, why, mend)]
    return []


def ask_link(link: Link, services: Services) -> list[Finding]:
    """Whether the Page may send messaging events at all, and which dataset Meta has linked it to."""
    if _is_restricted(link):
        return check_region(link)
    try:
        found = check_link(link, find_linked(link.page, services))
    except LeadloopError as caught:
        found = [from_error(_its_dataset(link), caught, level="warning")]
    return [*found, *check_region(link)]


def check_link(link: Link, linked: Sequence[DatasetRef]) -> list[Finding]:
    """Facts §6.2: a Page has one dataset, and the signals collected from it go there."""
    ids = [one.dataset_id for one in linked]
    strange = [wanted for wanted in link.wanted if wanted not in ids]
    if not strange:
        return [Finding("ok", "link", _its_dataset(link), f"Meta has linked {', '.join(ids)}, as the funnel says.")]
    why = (
        f"The messaging funnel sends to {', '.join(strange)}, and Meta has linked {', '.join(ids) or 'none'}: what is collected"
        " from a Page that is not linked is lost."
    )
    if not ids:
        mend = f"leadloop datasets create --page {link.page.page_id} makes one, and says what to put into the configuration."
        return [Finding("warning", "no_link", _its_dataset(link), why, mend)]
    mend = (
        f'Put dataset_id = "{ids[0]}" into that funnel. Then keep it: with another dataset training begins anew, and what the'
        " old one has collected stays there."
    )
    return [Finding("warning", "other_link", _its_dataset(link), why, mend)]


def check_region(link: Link) -> list[Finding]:
    """Facts §6.6: Pages and Instagram accounts of 32 countries may not send messaging events."""
    country = link.page.business_country
    if not country:
        why = "Its business_country is not set, so that leadloop cannot tell whether Meta takes its messaging events."
        mend = f'Add business_country = "…" (two letters) to [[pages]] {link.page.page_id} and apply it.'
        return [Finding("warning", "no_country", called(link.page), why, mend)]
    if not _is_restricted(link):
        return []
    why = (
        f"It is registered in {country.upper()}, where Meta takes no messaging events of Pages and Instagram accounts."
    )
    mend = (
        'Tell Meta of its instant-form leads by their lead id (a funnel with route = "conversion_leads"), and name other'
        " Pages in the messaging funnel: when = { page = [ … ] }."
    )
    return [Finding("warning", "region_restricted", called(link.page), why, mend)]


def _is_restricted(link: Link) -> bool:
    return (link.page.business_country or "").upper() in RESTRICTED_COUNTRIES


def _its_dataset(link: Link) -> str:
    return f"{called(link.page)}, its dataset"


def _not_looked_into(plan: DatasetPlan, caught: PermissionMissing) -> Finding:
    why = f"{caught.message} That says nothing against sending: a token made for sending alone may not look."
    mend = f"Send a test event ({_test_command(plan)}). If that is refused: {caught.action}"
    return Finding("warning", caught.code, plan.called, why, mend)


def _fine(plan: DatasetPlan, info: DatasetInfo, now: datetime) -> str:
    last = f"its last event came {ago(info.last_fired_at, now)}" if info.last_fired_at else "no event yet"
    named = f" It is named by {', '.join(plan.named_by)}." if plan.named_by else ""
    return f"Meta shows it; {last}.{named} Whether the token may send, only a test event tells: {_test_command(plan)}"


def _test_command(plan: DatasetPlan) -> str:
    return f"leadloop conversions test --dataset {plan.dataset_id} --code CODE"
