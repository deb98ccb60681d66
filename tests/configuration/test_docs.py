"""docs/configuration.md says what is true: its tables, its examples, its list of fields, its samples of mistakes."""

import re
from pathlib import Path

import pytest
from configuration_samples import ENVIRON

from configuration.check import check_text
from configuration.reference import key_tables, sample_text
from configuration.schema import TABLES, StageSchema, keys_of
from leadloop.conversions.names import MESSAGING_NAMES, STANDARD_NAMES
from leadloop.conversions.routes import DAY_S, ROUTES
from leadloop.leads import TEMPLATE_FIELDS

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
SET = ENVIRON | {"ARCHIVE_TOKEN": "Bearer invented"}
EXAMPLES = re.findall(r"^```toml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
WHOLE = re.findall(r"^```toml whole\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("heading", list(key_tables()))
def test_every_key_is_explained(heading: str) -> None:
    """Made by configuration/reference.py: print(key_tables()[heading])."""
    assert key_tables()[heading] in PAGE


def test_the_examples_together_are_one_good_file() -> None:
    assert len(EXAMPLES) == len(TABLES)
    text = "\n".join(EXAMPLES)
    checked = check_text(text, SET)
    assert (checked.mistakes, checked.warnings) == ((), ())
    assert all(f"[[{table}]]" in text for table in TABLES)


def test_the_smallest_file_is_good() -> None:
    (text,) = WHOLE
    checked = check_text(text, SET)
    assert (checked.mistakes, checked.warnings) == ((), ())


def test_all_fields_of_templates_are_listed() -> None:
    listed = PAGE.split("## Templates")[1].split("##")[0]
    assert set(re.findall(r"`\{(\w+)\}`", listed)) == set(TEMPLATE_FIELDS)


def test_the_samples_of_mistakes_are_what_check_says() -> None:
    text = """[[pages]]
id = 111111111111111
access_token = "$ACME_PAGE_TOKEN"

[[connections]]
name = "crm"
adapter = "webhok"
settings = { url = "https://crm.example/leads", secret = "$CRM_SECRET" }

[[routes]]
connections = ["cmr"]
"""
    told = [f"leadloop.toml:{mistake}" for mistake in check_text(text, {"ACME_PAGE_TOKEN": "t"}).mistakes]
    assert PAGE.split("```text\n")[1].split("```")[0].splitlines() == told


def test_the_sample_has_every_key() -> None:
    for schema in TABLES.values():
        assert all(re.search(rf"^(# )?{key} = ", sample_text(), re.MULTILINE) for key in keys_of(schema))


def test_every_key_that_is_a_comment_in_the_sample_is_as_good() -> None:
    text = re.sub(r"^# (\w+ = )", r"\1", sample_text(), flags=re.MULTILINE)
    assert text != sample_text()
    checked = check_text(text, SET)
    assert (checked.mistakes, checked.warnings) == ((), ())


def test_the_examples_have_every_key() -> None:
    text = "\n".join(EXAMPLES)
    for schema in (*TABLES.values(), StageSchema):
        for key in keys_of(schema):
            assert re.search(rf"(^|[{{,] ){key} = |\.{key}\]$", text, re.MULTILINE), key


def test_routes_and_names_of_events_are_listed() -> None:
    section = PAGE.split("## `[[funnels]]`")[1].split("\n## ")[0]
    routes = [
        name
        for row in re.findall(r"^\| (`.*?) \| .*days old", section, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    ]
    assert routes == list(ROUTES)
    assert set(re.findall(r"`(\w+)`", section.split("custom events: ")[1].split(".")[0])) == STANDARD_NAMES
    assert set(re.findall(r"`(\w+)`", section.split("no others: ")[1].split(".")[0])) == MESSAGING_NAMES
    limits = {route: rules.age_limit_s // DAY_S for route, rules in ROUTES.items()}
    assert {route for route in limits if limits[route] != 7} == {"physical_store"}
    assert "`physical_store` | sales in a shop | 62 days old" in section
    assert limits["physical_store"] == 62
