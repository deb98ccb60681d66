"""Somebody fills in a form: answers become a lead, and leads become webhooks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sandbox.context import Sandbox
from sandbox.forms import Form, build_field_data, dummy_answers, sample_answers
from sandbox.rows import Lead
from sandbox.sender import Signing
from sandbox.shapes import LeadStyle, build_leadgen
from sandbox.state import SandboxState, page_ads

FieldData = tuple[tuple[str, tuple[str, ...]], ...]


class TestLeadExists(Exception):
    """Meta keeps one test lead for each form at a time."""


@dataclass(frozen=True)
class Telling:
    """How leads are told: one notice each or all in one, in which style, signed how, repeated, in reverse order."""

    style: LeadStyle = "strings"
    batch: bool = False
    repeat: int = 0
    reorder: bool = False
    signing: Signing = "good"


def submit_lead(
    state: SandboxState,
    form: Form,
    *,
    answers: Mapping[str, tuple[str, ...]] | None = None,
    field_data: FieldData | None = None,
    ticked: Sequence[str] | None = None,
    created_at: datetime | None = None,
    organic: bool = False,
    platform: str | None = None,
) -> Lead:
    """Keep one lead. What is not given comes from an invented person; `field_data` is taken exactly as it is."""
    number = state.new_person()
    ads = page_ads(form.page_id)
    if field_data is None:
        field_data = build_field_data(form, sample_answers(form, number) | dict(answers or {}))
    boxes = [box.key for box in form.checkboxes]
    lead = Lead(
        leadgen_id=state.new_leadgen_id(),
        page_id=form.page_id,
        form_id=form.form_id,
        created_at=(created_at or state.now()).replace(microsecond=0),
        ad=None if organic or not ads else ads[number % len(ads)],
        platform=platform or ("ig" if number % 2 else "fb"),
        is_test=False,
        field_data=field_data,
        disclaimers=tuple((key, key in (boxes[:1] if ticked is None else ticked)) for key in boxes),
    )
    state.add_lead(lead)
    return lead


def submit_test_lead(
    state: SandboxState,
    form: Form,
    field_data: FieldData | None = None,
    disclaimers: tuple[tuple[str, bool], ...] = (),
) -> Lead:
    """What Meta's testing tool does: dummy values unless given, tied to no ad, one for each form at a time.

    Raises TestLeadExists. Source: Meta ingestion facts §5.4.
    """
    if field_data is None:
        field_data = build_field_data(form, dummy_answers(form))
    with state.locked():
        if state.list_leads(form.form_id, test=True):
            raise TestLeadExists
        lead = Lead(
            leadgen_id=state.new_leadgen_id(),
            page_id=form.page_id,
            form_id=form.form_id,
            created_at=state.now().replace(microsecond=0),
            ad=None,
            platform="fb",
            is_test=True,
            field_data=field_data,
            disclaimers=disclaimers,
        )
        state.add_lead(lead)
    return lead


def as_values(given: object) -> tuple[str, ...]:
    """Answers as Meta keeps them: always a list of texts."""
    return tuple(str(value) for value in given) if isinstance(given, list | tuple) else (str(given),)


def send_leads(sandbox: Sandbox, leads: Sequence[Lead], how: Telling) -> list[int]:
    """Queue the webhooks of these leads; the send ids. Pages that are not subscribed are passed over in silence."""
    told = [lead for lead in leads if "leadgen" in sandbox.state.subscribed.get(lead.page_id, ())]
    subscription = sandbox.state.subscriptions.get("page")
    if not told or subscription is None or "leadgen" not in subscription.fields:
        return []
    style: LeadStyle = how.style if subscription.include_values else "changed_fields"
    if how.reorder:
        told.reverse()
    send_ids: list[int] = []
    for group in [told] if how.batch else [[lead] for lead in told]:
        payload = build_leadgen(group, style=style, now=sandbox.state.now())
        shape = f"leadgen, {style}" + (f", {len(group)} in one" if len(group) > 1 else "")
        for _ in range(1 + how.repeat):  # the same payload makes the same bytes
            ids = [lead.leadgen_id for lead in group]
            send_id = sandbox.sender.send(shape, payload, leadgen_ids=ids, signing=how.signing)
            send_ids += [send_id] if send_id else []
    return send_ids
