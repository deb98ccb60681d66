"""Answers become what is known of the person: names, addresses, numbers, each from the answer that is best for it.

An answer is understood by the type of its question. Where the form is unknown, and for questions of the advertiser's own
that are called exactly like a standard one, its name is understood instead (field_names.py), after all typed answers.
"""

from collections.abc import Iterable, Iterator, Sequence

from leadloop.birth_dates import iso_birth_date
from leadloop.countries import find_country
from leadloop.emails import normal_email
from leadloop.field_names import find_type_by_name
from leadloop.form_questions import CUSTOM
from leadloop.leads import Answer
from leadloop.names import join_name, split_name
from leadloop.phones import normal_phone
from leadloop.texts import tidy

TEST_PREFIX = "<test lead: dummy data for"  # Source: Meta ingestion facts §5.4, read 2026-11-22
TEST_EMAILS = frozenset({"test@meta.com", "test@fb.com"})

# The types that fill a field, best first: what is the person's own before what belongs to the job.
EMAILS = ("EMAIL", "WORK_EMAIL")
PHONES = ("PHONE", "PHONE_OTP", "USER_PROVIDED_PHONE_NUMBER", "WHATSAPP_NUMBER", "WORK_PHONE_NUMBER")
_PLAIN = {
    "city": ("CITY",),
    "state": ("STATE", "PROVINCE"),
    "postal_code": ("POST_CODE", "ZIP", "ZIP_CODE"),
    "street_address": ("STREET_ADDRESS",),
    "company": ("COMPANY_NAME",),
    "job_title": ("JOB_TITLE",),
    "gender": ("GENDER",),
}

Values = dict[str, list[str]]


def read_person(answers: Sequence[Answer], *, locale: str | None, default_country: str | None) -> dict[str, str | None]:
    """The person's fields of a LeadCard, by name. What is missing or unreadable is None."""
    values = values_by_type(answers)
    country = next(filter(None, (find_country(text, locale=locale) for text in _of(values, "COUNTRY"))), None)
    birth_date = _first(values, "DOB", "DATE_OF_BIRTH")
    return {
        **_read_names(values, locale),
        **_read_phone(values, (default_country, country)),
        **{name: _first(values, *types) for name, types in _PLAIN.items()},
        "email": next(filter(None, map(normal_email, _of(values, *EMAILS))), None),
        "country": country,
        "date_of_birth": iso_birth_date(birth_date) if birth_date else None,
    }


def is_test_lead(answers: Iterable[Answer]) -> bool:
    """Whether Meta's testing tool made this lead: nothing else in it says so. Source: facts §5.4."""
    return any(is_dummy(value) or value.strip().lower() in TEST_EMAILS for one in answers for value in one.values)


def is_dummy(value: str) -> bool:
    """Whether an answer is what Meta's testing tool puts into a field."""
    return value.lstrip()[: len(TEST_PREFIX)].lower() == TEST_PREFIX


def values_by_type(answers: Iterable[Answer]) -> Values:
    """Non-empty values by question type, those known by type before those guessed by name."""
    known: Values = {}
    guessed: list[tuple[str, Answer]] = []
    for answer in answers:
        if answer.type and answer.type != CUSTOM:
            known.setdefault(answer.type, []).extend(_texts(answer))
        elif type_ := find_type_by_name(answer.key):
            guessed.append((type_, answer))
    for type_, answer in guessed:
        known.setdefault(type_, []).extend(_texts(answer))
    return known


def _texts(answer: Answer) -> Iterator[str]:
    """The values without the empty ones. Of a choice the label counts: its key may be a number."""
    for value in answer.labels if answer.type == CUSTOM else answer.values:
        text = tidy(value)
        if text:
            yield text


def _of(values: Values, *types: str) -> Iterator[str]:
    for type_ in types:
        yield from values.get(type_, ())


def _first(values: Values, *types: str) -> str | None:
    return next(_of(values, *types), None)


def _read_names(values: Values, locale: str | None) -> dict[str, str | None]:
    full, first, last = (_first(values, type_) for type_ in ("FULL_NAME", "FIRST_NAME", "LAST_NAME"))
    name = _first(values, "NAME")  # "nom" is the last name beside "prénom", "nombre" the first beside "apellidos"
    if name and not full:
        if last and not first:
            first = name
        elif first and not last:
            last = name
        elif not first:
            full = name
    if full and not (first and last):
        split = (full, None) if is_dummy(full) else split_name(full, locale=locale)
        if not first and not last:
            first, last = split
        elif first:
            last = split[1]
        else:
            first = split[0]
    return {"full_name": full or join_name(first, last), "first_name": first, "last_name": last}


def _read_phone(values: Values, countries: tuple[str | None, ...]) -> dict[str, str | None]:
    typed = list(_of(values, *PHONES))
    for text in typed:
        phone = normal_phone(text, countries)
        if phone:
            return {"phone": phone, "phone_typed": text}
    return {"phone": None, "phone_typed": typed[0] if typed else None}
