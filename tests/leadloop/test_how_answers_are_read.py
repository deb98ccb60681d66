"""The examples of docs/how-answers-are-read.md, run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from leadloop.birth_dates import iso_birth_date
from leadloop.countries import find_country
from leadloop.emails import normal_email
from leadloop.leads import TEMPLATE_FIELDS, Answer, LeadCard
from leadloop.names import split_name
from leadloop.phones import normal_phone
from leadloop.templates import parse_template, render_text

PAGE = Path(__file__).parents[2] / "docs" / "how-answers-are-read.md"
CARD = LeadCard(
    leadgen_id="1",
    page_id="2",
    full_name="Zoë Test",
    first_name="Zoë",
    last_name="Test",
    city="İzmir",
    country="TR",
    answers=(Answer("which_services?", "CUSTOM", None, ("seo", "ads"), ("SEO", "Ads")),),
)


def rows(*header: str) -> Iterator[list[str | None]]:
    """The rows of the table with this header; null and empty cells as None, without backticks."""
    lines = iter(PAGE.read_text(encoding="utf-8").splitlines())
    for line in lines:
        if line == f"| {' | '.join(header)} |":
            next(lines)
            break
    for line in lines:
        if not line.startswith("|"):
            return
        cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        yield [None if cell in ("", "null") else cell for cell in cells]


def test_names() -> None:
    table = list(rows("full name", "form", "first name", "last name"))
    assert len(table) > 10
    assert [list(split_name(full or "", locale=form)) for full, form, _, _ in table] == [row[2:] for row in table]


def test_phones() -> None:
    table = list(rows("typed", "country", "phone"))
    assert len(table) > 8
    assert [normal_phone(typed or "", [country]) for typed, country, _ in table] == [row[2] for row in table]


@pytest.mark.parametrize(
    ("field", "function"), [("email", normal_email), ("country", find_country), ("date_of_birth", iso_birth_date)]
)
def test_single_fields(field: str, function: object) -> None:
    table = list(rows("typed", field))
    assert len(table) > 3
    assert callable(function)
    assert [function(typed) for typed, _ in table] == [row[1] for row in table]


def test_templates() -> None:
    table = list(rows("template", "mapping", "alert"))
    assert len(table) > 5
    templates = [parse_template(template or "") for template, _, _ in table]
    assert [template.render(CARD) for template in templates] == [row[1] for row in table]
    assert [render_text(template, CARD) for template in templates] == [row[2] for row in table]


def test_every_field_named_in_the_table_of_types_exists() -> None:
    table = list(rows("question type", "field of the card"))
    named = {part for _, cell in table[:-1] for part in (cell or "").replace("·", ",").replace("`", "").split(",")}
    assert {name.strip() for name in named} <= set(TEMPLATE_FIELDS)
