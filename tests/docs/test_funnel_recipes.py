"""docs/funnel-recipes.md: every recipe passes the check without a remark, and does what is said beside it."""

import re
import tomllib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from configuration.check import check_text
from leadloop.conversions.event import Thread
from leadloop.conversions.funnel import Decision, Funnel, Happened, Past, decide, decide_raw, parse_funnel
from leadloop.conversions.people import MatchKeys
from leadloop.conversions.telling import Person, Told, tell

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "funnel-recipes.md").read_text(encoding="utf-8")
SECTION = re.compile(r"^## (.+?)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)
RECIPES = {heading: block for heading, body in SECTION.findall(PAGE) for block in BLOCK.findall(body)}
ROUTES = {
    f"{page} {number}": block
    for page in ("conversion-leads.md", "click-to-message.md", "other-routes.md")
    for number, block in enumerate(BLOCK.findall((DOCS / page).read_text(encoding="utf-8")))
}
LEADGEN_ID = "222222222222222"
CAME = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
REST = """
[[connections]]
name = "crm"
adapter = "webhook"
settings = { url = "https://crm.example/leads", secret = "$CRM_SECRET" }
[[routes]]
connections = ["crm"]
"""
PAGES = """
[[pages]]
id = "111111111111111"
"""
ENVIRON = {"CRM_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "META_ACCESS_TOKEN": "t", "ACME_DATASET_TOKEN": "d"}


def whole(block: str) -> str:
    """A recipe within the rest of a file."""
    return block + REST + ("" if "[[pages]]" in block else PAGES)


def funnels_of(heading: str) -> list[Funnel]:
    found = []
    for row in tomllib.loads(RECIPES[heading])["funnels"]:
        options = {name: value for name, value in row.items() if name not in ("connection", "dataset_id", "stages")}
        found.append(parse_funnel(row["dataset_id"], row["stages"], options))
    return found


def funnel_of(heading: str) -> Funnel:
    (funnel,) = funnels_of(heading)
    return funnel


def happened(hours: float = 1, **given: Any) -> Happened:
    return Happened(subject=f"lead:{LEADGEN_ID}", occurred_at=CAME + timedelta(hours=hours), **given)


def names(decisions: list[Decision]) -> list[str | None]:
    return [one.event_name for one in decisions if one.action == "send"]


def past(decision: Decision, order_id: str | None = None) -> Past:
    return Past(decision.stage, decision.event_name, "accepted", decision.occurred_at, order_id)


def told(funnel: Funnel, decision: Decision, **person: Any) -> Told:
    keys = MatchKeys(em=("a" * 64,))
    who = Person(subject=f"lead:{LEADGEN_ID}", match_keys=keys, lead_id=LEADGEN_ID, lead_created_at=CAME, **person)
    return tell(funnel, decision, who, order_id=None, source_name="crm", now=CAME + timedelta(hours=2))


@pytest.mark.parametrize("block", [*RECIPES.values(), *ROUTES.values()], ids=[*RECIPES, *ROUTES])
def test_every_recipe_passes_the_check_without_a_remark(block: str) -> None:
    checked = check_text(whole(block), ENVIRON)
    assert (checked.mistakes, checked.warnings) == ((), ())


def test_there_are_as_many_recipes_as_headings() -> None:
    assert len(RECIPES) == len(re.findall(r"^## ", PAGE, re.MULTILINE)) == PAGE.count("```toml")


def test_a_pipeline_has_its_own_stages_and_the_raw_lead_needs_none() -> None:
    funnel = funnel_of("Two pipelines")
    assert names(decide_raw(funnel, [], happened(0, facts={"page": "1", "form": "2"}))) == ["Raw Lead"]
    won = {"value": Decimal(10), "currency": "TRY"}
    assert names(decide(funnel, "b2b won", [], happened(facts={"pipeline": "b2b"}, **won))) == ["Purchase"]
    assert names(decide(funnel, "shop won", [], happened(facts={"pipeline": "b2b"}, **won))) == []
    assert names(decide(funnel, "shop won", [], happened(facts={"pipeline": "b2c"}, **won))) == ["Shop Purchase"]


def test_a_funnel_of_one_pipeline_never_tells_a_raw_lead() -> None:
    (stages,) = tomllib.loads(RECIPES["Two pipelines"])["funnels"]
    funnel = parse_funnel("900000000000001", stages["stages"], {"raw_event": "Raw Lead", "when": {"pipeline": "b2b"}})
    (decision,) = decide_raw(funnel, [], happened(0, facts={"page": "1", "form": "2"}))
    assert (decision.action, decision.code) == ("skip", "condition")


def test_each_page_has_its_dataset() -> None:
    funnels = funnels_of("Several Pages, each with a dataset of its own")
    here = happened(facts={"page": "111111111111112"})
    decided = {one.dataset_id: decide(one, "qualified", [], here) for one in funnels}
    assert names(decided["900000000000002"]) == ["Qualified Lead"]
    ((skipped,),) = [each for dataset, each in decided.items() if dataset != "900000000000002"]
    assert (skipped.action, skipped.code) == ("skip", "condition")


def test_going_back_is_told_once_where_it_is_wanted() -> None:
    funnel = funnel_of("Deals that go back and forth")
    (first,) = decide(funnel, "nurture", [], happened(1))
    (second,) = decide(funnel, "qualified", [past(first)], happened(2))
    (third,) = decide(funnel, "nurture", [past(first), past(second)], happened(3))
    assert names([first, second, third]) == ["Nurture", "Qualified Lead"]
    assert third.code == "already_sent"
    forward = parse_funnel(funnel.dataset_id, [{"stage": "a", "event": "A"}, {"stage": "b", "event": "B"}], {})
    (later,) = decide(forward, "b", [], happened(1))
    (back,) = decide(forward, "a", [past(later)], happened(2))
    assert (back.action, back.message) == ("skip", "The deal had reached a later stage already.")


def test_what_was_jumped_over_is_filled_in_without_the_amount() -> None:
    funnel = funnel_of("Stages that are jumped over")
    (raw,) = decide_raw(funnel, [], happened(0))
    decided = decide(funnel, "won", [past(raw)], happened(2, value=Decimal("12500.00"), currency="TRY"))
    assert names(decided) == ["Qualified Lead", "Demo Scheduled", "Purchase"]
    assert {one.occurred_at for one in decided} == {CAME + timedelta(hours=2)}
    assert [one.value for one in decided] == [None, None, Decimal("12500.00")]


def test_amounts_are_told_as_the_table_says() -> None:
    funnel = funnel_of("What an event is worth")

    def amount(stage: str, **given: Any) -> tuple[str, str | None]:
        (decision,) = decide(funnel, stage, [], happened(**given))
        return decision.action, None if decision.value is None else f"{decision.value} {decision.currency}"

    deal: dict[str, Any] = {"value": Decimal("900.00"), "currency": "EUR"}
    assert amount("qualified", **deal) == ("send", "250.00 TRY")
    assert amount("proposal") == ("send", "1200.00 TRY")
    assert amount("proposal", **deal) == ("send", "900.00 EUR")
    assert amount("signed") == ("send", None)
    assert amount("signed", **deal) == ("send", "900.00 EUR")
    assert amount("won") == ("hold", None)
    assert amount("won", value=Decimal("900.00")) == ("send", "900.00 TRY")


def test_without_consent_nothing_is_sent() -> None:
    funnel = funnel_of("Only with consent")
    assert funnel.consent == ("optional_1",)
    (decision,) = decide(funnel, "qualified", [], happened())
    assert told(funnel, decision, consent=None).state == "queued"
    refused = told(funnel, decision, consent=False)
    assert refused.state == "refused"
    assert refused.reason is not None
    assert refused.reason[0] == "no_consent"


def test_limited_data_use_is_for_its_states() -> None:
    funnel = funnel_of("Limited Data Use")
    (decision,) = decide(funnel, "qualified", [], happened())

    def options(country: str | None, state: str | None) -> Any:
        payload = told(funnel, decision, country=country, state=state).payload
        assert payload is not None
        return payload.get("data_processing_options"), payload.get("data_processing_options_state")

    assert options("US", "California") == (["LDU"], 1000)
    assert options("US", "TX") == (None, None)
    assert options("US", None) == (["LDU"], 0)
    assert options("DE", "CA") == (None, None)


def test_forms_and_chats_go_their_own_ways() -> None:
    forms, chats = funnels_of("Forms and chats in one CRM")
    of_form, of_chat = happened(facts={"form": "333"}), happened(facts={"channel": "whatsapp"})
    assert (names(decide(forms, "qualified", [], of_form)), names(decide(chats, "qualified", [], of_form))) == (
        ["Qualified Lead"],
        [],
    )
    assert names(decide(forms, "qualified", [], of_chat)) == []
    (decision,) = decide(chats, "qualified", [], of_chat)
    nobody = told(chats, decision)
    assert nobody.reason is not None
    assert (nobody.state, nobody.reason[0]) == ("skipped", "no_conversation")
    thread = Thread("whatsapp", "100000000000001", "ARAsyntheticClickIdFromReferral")
    assert told(chats, decision, thread=thread).state == "queued"


def test_conditions_compare_texts() -> None:
    funnel = funnel_of("A stage of one salesperson, or of big deals")
    assert names(decide(funnel, "qualified", [], happened(facts={"owner": "Ayse"}))) == ["Qualified Lead"]
    assert names(decide(funnel, "qualified", [], happened(facts={"owner": "Zoë"}))) == []
    deal: dict[str, Any] = {"value": Decimal(10), "currency": "TRY"}
    assert names(decide(funnel, "won", [], happened(facts={"size": "big"}, **deal))) == ["Purchase"]
    assert names(decide(funnel, "won", [], happened(**deal))) == []
