"""docs/quality.md says what the rules are, each with its own target."""

import re
from pathlib import Path

from leadloop.conversions.quality import MEDIUM, PRIORITIES, EventQuality, LeadQuality, MessagingQuality
from leadloop.conversions.quality_meta import UNPUBLISHED
from leadloop.conversions.quality_rules import Measured, judge
from leadloop.conversions.routes import ROUTES

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "quality.md").read_text(encoding="utf-8")
EVERYTHING = Measured(
    routes=tuple(ROUTES),
    total=EventQuality(None, "all"),
    leads=LeadQuality(0, 0, 0, 0, pages=1),
    messaging=MessagingQuality(0, 0, 0, 0, 0, 0),
)


def rows(heading: str) -> list[list[str]]:
    """The cells of the table whose first heading it is."""
    table = PAGE[PAGE.index(f"| {heading} |") :].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table.splitlines()[2:]]


def test_every_rule_is_on_the_page_with_its_route_and_target() -> None:
    told = {row[0].strip("`"): (row[1].strip("`"), row[3]) for row in rows("rule")}
    assert told == {one.code: (one.route or "all", one.target) for one in judge(EVERYTHING)}


def test_every_priority_is_on_the_page() -> None:
    told = {key: row[1] for row in rows("key") for key in re.findall(r"`(\w+)`", row[0])}
    assert told == {**PRIORITIES, **dict.fromkeys(MEDIUM, "medium")}


def test_every_route_is_on_the_page_with_what_meta_publishes() -> None:
    told = {route: row[0] for row in rows("Meta publishes") for route in re.findall(r"`(\w+)`", row[1])}
    assert set(told) == set(ROUTES)
    assert {route for route, words in told.items() if words == "nothing"} == set(UNPUBLISHED)
