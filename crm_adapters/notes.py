"""The note that stands beside a new record: where the lead came from, and every question with its answer."""

import html
from collections.abc import Iterator
from datetime import UTC

from leadloop.leads import Answer, LeadCard
from leadloop.texts import clean_text

CUT = "… (cut here; the whole answer is in leadloop)"
_PLATFORMS = {"ig": "Instagram", "fb": "Facebook"}


def note_marker(lead: LeadCard) -> str:
    """The words by which a note of this lead is found again. They are on its first line, so that no cut loses them."""
    return f"Meta lead {lead.leadgen_id}"


def has_marker(text: str, lead: LeadCard) -> bool:
    """Whether a note's text is the one of this lead (and not of one whose id only begins alike)."""
    _, found, rest = text.partition(note_marker(lead))
    return bool(found) and not rest[:1].isalnum()


def build_note_html(lead: LeadCard, *, limit: int) -> str:
    """The note as HTML with only <b> and <br>, at most `limit` UTF-16 units long. What people typed is escaped."""
    lines: list[str] = []
    room = limit
    for label, text in _lines(lead):
        start = f"<b>{html.escape(clean_text(label[:500]))}</b>" + (": " if text else "")
        line = start + _escape_within(text, room - _units(start) - len("<br>"))
        if _units(line) + len("<br>") > room:
            break
        lines.append(line)
        room -= _units(line) + len("<br>")
    return "<br>".join(lines)


def _lines(lead: LeadCard) -> Iterator[tuple[str, str]]:
    yield note_marker(lead) + (" (test lead)" if lead.is_test else ""), ""
    platform = _PLATFORMS.get(lead.platform or "", lead.platform)
    sent = f"{lead.created_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if lead.created_at else None
    for label, value in (
        ("Form", lead.form_name or lead.form_id),
        ("Page", lead.page_name or lead.page_id),
        ("Campaign", lead.campaign_name),
        ("Ad set", lead.adset_name),
        ("Ad", lead.ad_name),
        ("Platform", platform),
        ("Sent", sent),
    ):
        if value:
            yield label, value
    for answer in lead.answers:
        yield answer.label or answer.key or "?", answer_text(answer)
    for consent in lead.consents:
        yield f"Consent {consent.key}", "yes" if consent.checked else "no"


def answer_text(answer: Answer) -> str:
    """What was answered, as people read it: the texts of chosen options, else what was typed; several with commas."""
    return ", ".join(answer.labels or answer.values) or "—"


def _escape_within(text: str, room: int) -> str:
    """`text` escaped; cut to `room` UTF-16 units with a word that it was, "" when there is no room for that."""
    escaped = html.escape(clean_text(text))
    if _units(escaped) <= room:
        return escaped.replace("\n", "<br>") if _units(escaped) + 3 * escaped.count("\n") <= room else escaped
    keep = max(0, room - _units(CUT))
    while keep and _units(html.escape(text[:keep])) > room - _units(CUT):
        keep = keep * 9 // 10
    return html.escape(clean_text(text[:keep])) + CUT if keep else ""


def _units(text: str) -> int:
    """The length as Java and JavaScript count it: an emoji is two."""
    return len(text) + sum(character > "\uffff" for character in text)
