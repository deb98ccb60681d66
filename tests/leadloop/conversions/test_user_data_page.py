"""The examples of docs/user-data.md, run."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from leadloop.conversions import hashing
from leadloop.conversions.people import HASHED, PLAIN, parse_match_keys

PAGE = (Path(__file__).parents[3] / "docs" / "user-data.md").read_text(encoding="utf-8")
HEADER = "| key | typed | country | we send | why |"


def rows() -> Iterator[tuple[str, str, str | None, tuple[str, ...]]]:
    """(key, what was typed, country, texts that are hashed) of both tables."""
    for table in PAGE.split(HEADER)[1:]:
        for line in table.strip().splitlines()[1:]:
            if not line.startswith("|"):
                break
            key, typed, country, sent, _why = (cell.strip() for cell in line.strip("|").split("|"))
            yield key, typed[1:-1], country or None, tuple(re.findall("`([^`]+)`", sent))


ROWS = list(rows())


def normalise(key: str, typed: str, country: str | None) -> tuple[str, ...]:
    match key:
        case "em":
            return hashing.normalise_email(typed)
        case "ph":
            return hashing.normalise_phone(typed, [country])
        case "fn":
            return hashing.normalise_first_name(typed)
        case "ln":
            return hashing.normalise_last_name(typed)
        case "ge":
            return hashing.normalise_gender(typed)
        case "db":
            return hashing.normalise_birth_date(typed)
        case "ct":
            return hashing.normalise_city(typed)
        case "st":
            return hashing.normalise_state(typed, country=country)
        case "zp":
            return hashing.normalise_postal_code(typed, country=country)
        case "country":
            return hashing.normalise_country(typed)
        case "external_id":
            return hashing.normalise_external_id(typed)
    raise AssertionError(f"{key} is no hashed key")


@pytest.mark.parametrize(("key", "typed", "country", "sent"), ROWS, ids=lambda value: str(value))
def test_what_the_page_says_is_sent_is_sent(key: str, typed: str, country: str | None, sent: tuple[str, ...]) -> None:
    assert normalise(key, typed, country) == sent
    told = {key: typed} if key == "country" or country is None else {key: typed, "country": country}
    keys = parse_match_keys(told, default_country=country)
    assert getattr(keys, key) == tuple(map(hashing.hash_text, sent))


def test_the_page_has_a_row_for_every_hashed_key() -> None:
    assert {row[0] for row in ROWS} == set(HASHED)
    assert len(ROWS) > 60


def test_the_page_names_every_plain_key() -> None:
    table = PAGE.split("| key | what we take |")[1].split("\n\n")[0]
    named = {name for line in table.splitlines()[2:] for name in re.findall("`([^`]+)`", line.split("|")[1])}
    assert named == set(PLAIN)
