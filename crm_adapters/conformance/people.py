"""The invented leads that every adapter must take, and the personal texts that must never show up outside the CRM."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from crm_adapters.base import CrmAdapter
from leadloop.leads import Answer, Consent, LeadCard
from leadloop.templates import parse_template

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def make_lead(number: int = 1, **changes: Any) -> LeadCard:
    """A lead with everything filled in; another `number` is another person."""
    email, phone = f"quillon{number}@personal.example", f"+9053200{number:05d}"
    card = LeadCard(
        leadgen_id=f"9007199254{740_000 + number}",
        page_id="111111111111111",
        form_id="333333333333333",
        page_name="Acme Page",
        form_name="Autumn offer",
        ad_id="444444444444444",
        ad_name="Blue ad",
        adset_id="555555555555555",
        adset_name="Everyone",
        campaign_id="666666666666666",
        campaign_name="November",
        platform="ig",
        is_organic=False,
        created_at=datetime(2026, 11, 22, 8, 26, 30, tzinfo=UTC),
        received_at=datetime(2026, 11, 22, 8, 26, 33, 120_000, tzinfo=UTC),
        full_name=f"Quillonia Zembrowska{number}",
        first_name="Quillonia",
        last_name=f"Zembrowska{number}",
        email=email,
        phone=phone,
        phone_typed=f"0532 00{number:05d}",
        city="Testopolis",
        state="Testshire",
        country="TR",
        postal_code="34999",
        street_address="Invented Alley 7",
        company="Quillon Imports",
        job_title="Chief Inventor",
        answers=(
            Answer("full_name", "FULL_NAME", "Full name", (f"Quillonia Zembrowska{number}",)),
            Answer("email", "EMAIL", "E-mail", (email,), (email,)),
            Answer("phone_number", "PHONE", "Phone", (f"0532 00{number:05d}",), (f"0532 00{number:05d}",)),
            Answer(
                "budget", "CUSTOM", "What is your budget?", ("Secretly nine thousand",), ("Secretly nine thousand",)
            ),
        ),
        consents=(Consent("newsletter", True),),
    )
    return replace(card, **changes)


def _unicode() -> LeadCard:
    name, answer = "İpek Işıltı 👩🏽‍🚀", "مرحبا \u202e שלום & <b>naïve</b> 'q' \"d\""
    return make_lead(
        101,
        full_name=name,
        first_name="İpek",
        last_name="Işıltı 👩🏽‍🚀",
        company="ŞĞÜ Öz & Søn",
        city="Iğdır",
        email="ipek.isilti@personal.example",
        answers=(Answer("şehir?", "CUSTOM", "Şehir?", (answer,), (answer,)),),
    )


def sample_leads() -> dict[str, LeadCard]:
    """By name: the leads that come in real life and that break careless adapters."""
    anonymous = {"full_name": None, "first_name": None, "last_name": None}
    bare = dict.fromkeys(_OPTIONAL) | {"answers": (), "consents": ()}
    long = "Long answer. " * 4000
    several = Answer("services", "CUSTOM", "Which services?", ("seo", "ads", "x"), ("SEO", "Ads", "X; Y, Z"))
    dirty = "half \ud83d an emoji and a NUL \x00 here"
    return {
        "full": make_lead(100),
        "unicode": _unicode(),
        "no_phone": make_lead(102, phone=None, phone_typed=None),
        "no_email": make_lead(103, email=None),
        "no_name": make_lead(104, **anonymous),
        "only_phone": make_lead(105, **anonymous, email=None, company=None),
        "nothing_but_ids": make_lead(106, **bare),
        "test": make_lead(107, is_test=True),
        "long_answer": make_lead(
            108, answers=(Answer("story", "CUSTOM", "Story?", (long[:50_000],), (long[:50_000],)),)
        ),
        "many_answers": make_lead(109, answers=(several,)),
        "no_answer": make_lead(110, answers=(Answer("empty", "CUSTOM", None, (), ()),)),
        "unpresentable": make_lead(111, company=dirty, answers=(Answer("d", "CUSTOM", dirty, (dirty,), (dirty,)),)),
        "long_ids": make_lead(112, leadgen_id="18446744073709551615", ad_name="x" * 2000),
    }


_OPTIONAL = (
    *("form_id", "page_name", "form_name", "ad_id", "ad_name", "adset_id", "adset_name", "campaign_id", "platform"),
    *("campaign_name", "is_organic", "created_at", "received_at", "full_name", "first_name", "last_name", "email"),
    *("phone", "phone_typed", "city", "state", "country", "postal_code", "street_address", "company", "job_title"),
)


def fill(adapter: CrmAdapter | type[CrmAdapter], lead: LeadCard) -> LeadCard:
    """The lead with the adapter's default mapping filled in, as a connection without a mapping sends it."""
    mapped = {name: parse_template(template).render(lead) for name, template in adapter.default_fields.items()}
    return lead.with_mapped(mapped)


_PERSONAL = (
    "full_name",
    "first_name",
    "last_name",
    "email",
    "phone",
    "phone_typed",
    "city",
    "street_address",
    "company",
)


def personal_texts(lead: LeadCard) -> Iterator[str]:
    """The texts of a lead that may be nowhere but in the CRM."""
    for name in _PERSONAL:
        if value := getattr(lead, name):
            yield value
    if lead.phone:
        yield lead.phone.removeprefix("+")
    for answer in lead.answers:
        yield from (value for value in answer.values if len(value) >= 4)
