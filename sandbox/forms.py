"""The demo's Pages, ads and instant forms, and the invented people who fill them in.

Four forms, chosen for what they do to a reader: English with standard keys, Spanish, French and Turkish with localised
keys, so that only the question *type* tells a phone from a name; choices with keys and labels, one with several
answers; hidden tracking parameters; a disclaimer with optional boxes. Source: Meta ingestion facts §5.1, §5.3.
"""

from dataclasses import dataclass

TEST_EMAIL = "test@meta.com"


@dataclass(frozen=True)
class Page:
    """A Facebook Page. `country` (ISO 3166-1 alpha-2) is for phone numbers typed without a country code."""

    page_id: str
    name: str
    country: str
    category: str


@dataclass(frozen=True)
class Ad:
    """One ad with the set and the campaign it belongs to."""

    ad_id: str
    ad_name: str
    adset_id: str
    adset_name: str
    campaign_id: str
    campaign_name: str


@dataclass(frozen=True)
class Option:
    key: str
    value: str


@dataclass(frozen=True)
class Question:
    """One question as Graph shows it. `multiple` is ours: Graph does not tell that several answers are allowed."""

    key: str
    label: str
    type: str
    options: tuple[Option, ...] = ()
    multiple: bool = False


@dataclass(frozen=True)
class Checkbox:
    """One optional box of the form's custom disclaimer."""

    key: str
    text: str


@dataclass(frozen=True)
class Form:
    form_id: str
    page_id: str
    name: str
    locale: str
    headline: str
    questions: tuple[Question, ...]
    tracking: tuple[tuple[str, str], ...] = ()
    checkboxes: tuple[Checkbox, ...] = ()
    created_time: str = "2026-09-01T08:00:00+0000"

    def find_question(self, *types: str) -> Question | None:
        return next((question for question in self.questions if question.type in types), None)


BIKES = Page("101000000000001", "Bosphorus Bikes (sandbox)", "TR", "Bicycle Shop")
ATELIER = Page("101000000000002", "Atelier Sol (sandbox)", "ES", "Interior Design Studio")
PAGES = (BIKES, ATELIER)

ADS = {
    BIKES.page_id: (
        Ad(
            "120210000000000001",
            "Autumn bikes – carousel",
            "120210000000000011",
            "Istanbul 25–45",
            "120210000000000021",
            "Autumn 2026",
        ),
        Ad(
            "120210000000000002",
            "Test ride – reel",
            "120210000000000012",
            "Lookalike buyers 1 %",
            "120210000000000021",
            "Autumn 2026",
        ),
    ),
    ATELIER.page_id: (
        Ad(
            "120210000000000003",
            "Cocina nueva – vídeo",
            "120210000000000013",
            "Madrid + 30 km",
            "120210000000000023",
            "Reformas otoño",
        ),
    ),
}

ENGLISH = Form(
    form_id="301000000000001",
    page_id=BIKES.page_id,
    name="Autumn offer (English)",
    locale="en_US",
    headline="Find the bike that fits your city",
    questions=(
        Question("full_name", "Full name", "FULL_NAME"),
        Question("email", "Email", "EMAIL"),
        Question("phone_number", "Phone number", "PHONE"),
        Question(
            "which_bikes_interest_you?",
            "Which bikes interest you?",
            "CUSTOM",
            (Option("city", "City bikes"), Option("e_bike", "E-bikes"), Option("cargo", "Cargo bikes")),
            multiple=True,
        ),
        Question(
            "budget",
            "What is your budget?",
            "CUSTOM",
            (
                Option("under_1000", "Under €1,000"),
                Option("1000_2500", "€1,000 – €2,500"),
                Option("over_2500", "Over €2,500"),
            ),
        ),
    ),
    tracking=(("utm_source", "meta"), ("utm_campaign", "autumn_2026")),
    checkboxes=(Checkbox("optional_1", "Send me the newsletter"), Checkbox("optional_2", "You may call me")),
)

TURKISH = Form(
    form_id="301000000000002",
    page_id=BIKES.page_id,
    name="Deneme sürüşü (Türkçe)",
    locale="tr_TR",
    headline="Ücretsiz deneme sürüşü",
    questions=(
        Question("adı", "Adı", "FIRST_NAME"),
        Question("soyadı", "Soyadı", "LAST_NAME"),
        Question("telefon_numarası", "Telefon numarası", "PHONE"),
        Question("e-posta", "E-posta", "EMAIL"),
        Question("şehir", "Şehir", "CITY"),
        Question(
            "hangi_modeli_denemek_istersiniz?",
            "Hangi modeli denemek istersiniz?",
            "CUSTOM",
            (
                Option("şehir_bisikleti", "Şehir bisikleti"),
                Option("elektrikli", "Elektrikli"),
                Option("kargo", "Kargo"),
            ),
        ),
    ),
    tracking=(("kaynak", "instagram"),),
    checkboxes=(Checkbox("optional_1", "Kampanyalardan haberdar olmak istiyorum"),),
)

SPANISH = Form(
    form_id="301000000000003",
    page_id=ATELIER.page_id,
    name="Presupuesto (Español)",
    locale="es_ES",
    headline="Tu presupuesto en 24 horas",
    questions=(
        Question("nombre_completo", "Nombre completo", "FULL_NAME"),
        Question("correo_electrónico", "Correo electrónico", "EMAIL"),
        Question("número_de_teléfono", "Número de teléfono", "PHONE"),
        Question("nombre_de_la_empresa", "Nombre de la empresa", "COMPANY_NAME"),
        Question(
            "¿qué_servicio_necesitas?",
            "¿Qué servicio necesitas?",
            "CUSTOM",
            (Option("cocina", "Cocina"), Option("baño", "Baño"), Option("salón", "Salón")),
            multiple=True,
        ),
    ),
    tracking=(("utm_source", "meta"),),
)

FRENCH = Form(
    form_id="301000000000004",
    page_id=ATELIER.page_id,
    name="Demande de devis (Français)",
    locale="fr_FR",
    headline="Votre devis gratuit",
    questions=(
        Question("nom_complet", "Nom complet", "FULL_NAME"),
        Question("e-mail", "E-mail", "EMAIL"),
        Question("numéro_de_téléphone", "Numéro de téléphone", "PHONE"),
        Question("pays", "Pays", "COUNTRY"),
        Question("quel_est_votre_besoin_?", "Quel est votre besoin ?", "CUSTOM"),
    ),
    checkboxes=(Checkbox("optional_1", "J'accepte d'être contacté(e) par téléphone"),),
)

FORMS = (ENGLISH, TURKISH, SPANISH, FRENCH)

# First and last names, and how a phone number is typed there: in ranges that belong to nobody as far as we know.
_PEOPLE = {
    "en_US": (("Zoë", "Test"), ("Noah", "Sample"), ("Ada", "Example"), ("Liam", "O'Invented"), ("Maya", "Pretend")),
    "tr_TR": (("İpek", "Deneme"), ("Işık", "Örnek"), ("Çağrı", "Numune"), ("Gülşen", "Sözde")),
    "es_ES": (("Lucía", "Prueba Ejemplo"), ("Íñigo", "Muestra"), ("Begoña", "de la Ficción")),
    "fr_FR": (("Chloé", "Exemple"), ("Loïc", "D'Essai"), ("Éloïse", "Échantillon")),
}
_PHONES = {
    "en_US": "+1202555{:04d}",
    "tr_TR": "0501 000 {:04d}",
    "es_ES": "+34 60000{:04d}",
    "fr_FR": "+33 60000{:04d}",
}
_CITIES = ("İstanbul", "İzmir", "Diyarbakır")
_WISHES = ("Rénover ma cuisine avant l'été", "Un salon plus clair 😊", "Aménager 25 m² – conseils & plans")


def sample_answers(form: Form, number: int) -> dict[str, tuple[str, ...]]:
    """What invented person number `number` answers: other people for other numbers, and an e-mail of its own each."""
    people = _PEOPLE[form.locale]
    first, last = people[number % len(people)]
    typed = {
        "FULL_NAME": f"{first} {last}",
        "FIRST_NAME": first,
        "LAST_NAME": last,
        "EMAIL": f"person.{number:04d}@example.com",
        "PHONE": _phone(form.locale, number),
        "CITY": _CITIES[number % len(_CITIES)],
        "COMPANY_NAME": f"Ejemplo {number % 90 + 10} S.L.",
        "COUNTRY": ("France", "Belgique", "Suisse")[number % 3],
    }
    return {question.key: _sample(question, typed, number) for question in form.questions}


def dummy_answers(form: Form) -> dict[str, tuple[str, ...]]:
    """What Meta's lead ads testing tool fills in. Source: Meta ingestion facts §5.4."""
    return {
        question.key: ((TEST_EMAIL,) if question.type == "EMAIL" else (f"<test lead: dummy data for {question.key}>",))
        for question in form.questions
    }


def build_field_data(form: Form, answers: dict[str, tuple[str, ...]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Answers in the form's order, then its hidden tracking parameters, as (name, values)."""
    known = tuple((question.key, answers[question.key]) for question in form.questions if question.key in answers)
    hidden = tuple((key, answers.get(key, (value,))) for key, value in form.tracking)
    return known + hidden


def _phone(locale: str, number: int) -> str:
    if locale == "en_US":  # 555-0100 to 555-0199 are kept for stories
        return _PHONES[locale].format(100 + number % 100)
    return _PHONES[locale].format(number % 10_000)


def _sample(question: Question, typed: dict[str, str], number: int) -> tuple[str, ...]:
    if question.options:
        first = question.options[number % len(question.options)].key
        second = question.options[(number + 1) % len(question.options)].key
        return (first, second) if question.multiple else (first,)
    return (typed.get(question.type, _WISHES[number % len(_WISHES)]),)
