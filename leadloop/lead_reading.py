"""Graph's answer about one lead becomes a LeadCard; a LeadCard becomes a row's JSON and comes back.

Pure, and safe with whatever Meta or a middleman sends: a part of the wrong type is ignored or kept as text, never an
error. How each answer is understood: docs/how-answers-are-read.md. Source: Meta ingestion facts §5, read 2026-11-22.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from leadloop.errors import Permanent
from leadloop.form_questions import FormQuestions
from leadloop.graph_values import id_text, objects_in, parse_graph_time, text_of, yes_no
from leadloop.leads import Answer, Consent, LeadCard
from leadloop.person import is_test_lead, read_person
from leadloop.texts import clean_text, tidy

__all__ = [
    "build_card",
    "card_from_row",
    "card_to_row",
    "clean_text",
    "id_text",
    "needs_fresh_form",
    "parse_graph_time",
]

_AD_IDS = ("ad_id", "adset_id", "campaign_id")
_AD_NAMES = ("ad_name", "adset_name", "campaign_name", "platform")
_TIMES = ("created_at", "received_at")


def build_card(
    answer: Any,
    *,
    form: Mapping[str, Any] | None,
    page_name: str | None,
    default_country: str | None,
    received_at: datetime,
    fallback: Mapping[str, str | None],
) -> LeadCard:
    """The card of one lead, with `mapped` empty.

    `answer` is Graph's lead object as parsed JSON, `form` the snapshot of its form or None, `default_country` (ISO
    3166-1 alpha-2) the Page's, for phone numbers typed without a country code, `fallback` what the webhook said
    (leadgen_id, page_id, form_id, ad_id; created_time too, if at hand), used where `answer` says nothing.
    Raises Permanent when `answer` is no JSON object or is about another lead than `fallback`.
    """
    if not isinstance(answer, Mapping):
        raise Permanent(
            "Meta's answer about this lead is not a JSON object.",
            code="lead_not_an_object",
            action="Look at the lead in Meta's Leads Center; report it to Meta if it is there.",
        )
    leadgen_id = _checked_id(answer.get("id"), fallback.get("leadgen_id"))
    questions = FormQuestions(form)
    form = form if isinstance(form, Mapping) else {}
    answers = tuple(_read_answers(answer, questions))
    texts: dict[str, Any] = {name: _name_of(answer.get(name)) for name in _AD_NAMES}
    texts |= {name: id_text(answer.get(name)) or fallback.get(name) or None for name in _AD_IDS}
    texts |= read_person(answers, locale=questions.locale, default_country=default_country)
    return LeadCard(
        leadgen_id=leadgen_id,
        page_id=fallback.get("page_id") or _page_of(form) or "",
        page_name=tidy(page_name),
        form_id=id_text(answer.get("form_id")) or fallback.get("form_id") or id_text(form.get("id")),
        form_name=_name_of(form.get("name")),
        is_organic=yes_no(answer.get("is_organic")),
        is_test=is_test_lead(answers),
        created_at=parse_graph_time(answer.get("created_time")) or parse_graph_time(fallback.get("created_time")),
        received_at=received_at.astimezone(UTC),
        answers=answers,
        consents=tuple(_read_consents(answer)),
        **texts,
    )


def needs_fresh_form(answer: Any, form: Mapping[str, Any] | None) -> bool:
    """Whether `answer` has a key that the snapshot of its form does not know, neither as question nor hidden field."""
    questions = FormQuestions(form)
    return any(questions.find(key) is None for key in _values_by_key(answer))


def card_to_row(card: LeadCard) -> dict[str, Any]:
    """The card as JSON for the lead.card column: None and empty parts are left out, times are ISO 8601 with offset."""
    row: dict[str, Any] = {}
    for name in _FIELD_NAMES:
        value = getattr(card, name)
        if value is not None:
            row[name] = value.isoformat() if isinstance(value, datetime) else value
    row["answers"] = [_slim({name: _plain(getattr(one, name)) for name in _ANSWER_NAMES}) for one in card.answers]
    row["consents"] = [{"key": consent.key, "checked": consent.checked} for consent in card.consents]
    row["mapped"] = {name: _plain(value) for name, value in card.mapped.items()}
    return _slim(row)


def card_from_row(row: Mapping[str, Any]) -> LeadCard:
    """The card that card_to_row() stored. Keys this version does not know are passed over."""
    known = {name: row[name] for name in _FIELD_NAMES if name in row}
    for name in _TIMES:
        if name in known:
            known[name] = datetime.fromisoformat(known[name])
    known["answers"] = tuple(
        Answer(
            key=one["key"],
            type=one.get("type", ""),
            label=one.get("label"),
            values=tuple(one.get("values", ())),
            labels=tuple(one.get("labels", ())),
        )
        for one in row.get("answers", ())
    )
    known["consents"] = tuple(Consent(one["key"], one["checked"]) for one in row.get("consents", ()))
    known["mapped"] = dict(row.get("mapped", {}))
    return LeadCard(**known)


_FIELD_NAMES = tuple(field.name for field in fields(LeadCard))
_ANSWER_NAMES = tuple(field.name for field in fields(Answer))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _slim(row: dict[str, Any]) -> dict[str, Any]:
    """Without what card_from_row() fills in by itself."""
    return {name: value for name, value in row.items() if value is not None and value != [] and value != {}}


def _checked_id(own: Any, expected: str | None) -> str:
    found = id_text(own) or (tidy(own) if isinstance(own, str) else None)
    if expected and found and found != expected:
        raise Permanent(
            f"Meta answered about another lead than {expected}.",
            code="lead_id_differs",
            action="Run leadloop leads replay for this lead; report it to Meta if it happens again.",
        )
    if not (expected or found):
        raise Permanent("Meta's answer and the notice name no lead.", code="lead_without_id")
    return expected or found or ""


def _name_of(value: Any) -> str | None:
    return tidy(text_of(value)) if isinstance(value, str | int | float) and not isinstance(value, bool) else None


def _page_of(form: Mapping[str, Any]) -> str | None:
    page = form.get("page")
    return id_text(page.get("id")) if isinstance(page, Mapping) else id_text(form.get("page_id"))


def _read_answers(answer: Mapping[str, Any], questions: FormQuestions) -> Iterator[Answer]:
    for key, values in _values_by_key(answer).items():
        question = questions.find(key)
        if question is None:
            yield Answer(key, values=tuple(values), labels=tuple(values))
        else:
            yield Answer(key, question.type, question.label, tuple(values), question.labels_of(values))


def _values_by_key(answer: Any) -> dict[str, list[str]]:
    """field_data as {name: values}; a name that stands there twice gets the values of both, in order."""
    found: dict[str, list[str]] = {}
    for item in objects_in(answer.get("field_data") if isinstance(answer, Mapping) else None):
        name, values = text_of(item.get("name")) or "", item.get("values")
        listed = values if isinstance(values, list | tuple) else [values]
        texts = [text for text in map(text_of, listed) if text is not None]
        if name or texts:
            found.setdefault(name, []).extend(texts)
    return found


def _read_consents(answer: Mapping[str, Any]) -> Iterator[Consent]:
    """The optional checkboxes. Only a plain yes is a consent. Source: facts §5.1 (is_checked is "1" or "")."""
    for box in objects_in(answer.get("custom_disclaimer_responses")):
        key = text_of(box.get("checkbox_key"))
        if key:
            yield Consent(key, yes_no(box.get("is_checked")) is True)
