"""What is known of one lead, as names and texts for people: the clean values, and what was typed where there is none."""

from collections.abc import Iterator, Mapping
from typing import Any

from leadloop.field_names import find_type_by_name

_PERSON = (
    "full_name",
    "phone",
    "email",
    "company",
    "job_title",
    "street_address",
    "postal_code",
    "city",
    "state",
    "country",
    "date_of_birth",
    "gender",
)
_ORIGIN = ("form_name", "page_name", "ad_name", "campaign_name", "platform")
# What a standard question fills. One that is not here has no clean value that could stand for it, and is shown itself.
_FIELDS = {
    "FULL_NAME": "full_name",
    "FIRST_NAME": "first_name",
    "LAST_NAME": "last_name",
    "NAME": "full_name",
    "EMAIL": "email",
    "PHONE": "phone",
    "PHONE_OTP": "phone",
    "USER_PROVIDED_PHONE_NUMBER": "phone",
    "COMPANY_NAME": "company",
    "JOB_TITLE": "job_title",
    "STREET_ADDRESS": "street_address",
    "POST_CODE": "postal_code",
    "ZIP": "postal_code",
    "ZIP_CODE": "postal_code",
    "CITY": "city",
    "STATE": "state",
    "PROVINCE": "state",
    "COUNTRY": "country",
    "DOB": "date_of_birth",
    "DATE_OF_BIRTH": "date_of_birth",
    "GENDER": "gender",
}


def lead_facts(lead: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Names and texts, in the order in which they are shown. `lead` is LeadCard.to_json()."""
    answers = list(_answers(lead))
    yield from _known(lead, _PERSON)
    yield from ((name, text) for name, text, standard in answers if standard)
    yield from _known(lead, _ORIGIN)
    yield from ((name, text) for name, text, standard in answers if not standard)
    for consent in lead["consents"]:
        yield f"consent {consent['key']}", "ticked" if consent["checked"] else "not ticked"


def _known(lead: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    yield from ((_words(name), str(lead[name])) for name in names if lead[name])


def _answers(lead: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """(name, text, whether it is about the person) of the answers that no clean value stands for."""
    shown = {str(lead[name]) for name in _PERSON if lead[name]}
    for question in lead["questions"]:
        label, text = question["label"] or question["key"], ", ".join(question["labels"])
        own = question["type"] in ("CUSTOM", "HIDDEN")
        type_ = find_type_by_name(question["key"]) if own or not question["type"] else question["type"]
        field = _FIELDS.get(type_ or "")
        if own or type_ is None:
            yield label, text, False
        elif text and text not in shown and not (field and lead[field]):
            yield f"{_words(field)} (as typed)" if field else label, text, True


def _words(name: str) -> str:
    return name.replace("_", " ")
