"""What people see of a lead and of lists of leads: nothing hidden, and nothing wider than the terminal."""

from typing import Any

import pytest
from conftest import NOW
from lead_rows import make_card
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from leadloop.cli.lead_facts import lead_facts
from leadloop.cli.tables import build_table, one_line
from leadloop.leads import Answer, Consent


def facts(*answers: Answer, **changes: Any) -> dict[str, str]:
    return dict(lead_facts(make_card("1", NOW, answers=answers, **changes).to_json()))


def answer(key: str, type_: str, text: str, label: str | None = None) -> Answer:
    return Answer(key, type_, label, (text,), (text,))


def test_what_could_not_be_used_is_shown_as_typed() -> None:
    shown = facts(
        answer("phone_number", "PHONE", "call me"),
        answer("email", "EMAIL", "zoe(at)example"),
        answer("date_of_birth", "DOB", "soon"),
        answer("country", "COUNTRY", "Atlantis"),
        phone=None,
        phone_typed="call me",
        email=None,
    )
    assert shown["phone (as typed)"] == "call me"
    assert shown["email (as typed)"] == "zoe(at)example"
    assert shown["date of birth (as typed)"] == "soon"
    assert shown["country (as typed)"] == "Atlantis"


def test_what_was_understood_is_shown_once() -> None:
    shown = facts(
        answer("phone_number", "PHONE", "0532 123 45 67"),
        answer("email", "EMAIL", "ZOE@example.com"),
        answer("name", "FULL_NAME", "zoë test"),
        city="İzmir",
        country="TR",
        company="Acme",
    )
    assert [name for name in shown if "typed" in name] == []
    assert (shown["phone"], shown["email"]) == ("+905321234567", "zoe@example.com")
    assert (shown["city"], shown["country"], shown["company"]) == ("İzmir", "TR", "Acme")


def test_a_standard_question_that_no_field_stands_for_is_shown_under_its_label() -> None:
    shown = facts(
        answer("work_email", "WORK_EMAIL", "zoe@work.example", "Work e-mail"), answer("cpf", "ID_CPF", "123", "CPF")
    )
    assert (shown["Work e-mail"], shown["CPF"]) == ("zoe@work.example", "123")


def test_answers_of_an_unknown_form_are_told_by_their_names() -> None:
    shown = facts(answer("telefon_numarası", "", "yok"), answer("renk", "", "mavi"), phone=None, phone_typed="yok")
    assert (shown["phone (as typed)"], shown["renk"]) == ("yok", "mavi")


def test_consents_are_shown() -> None:
    shown = facts(consents=(Consent("newsletter", True), Consent("calls", False)))
    assert (shown["consent newsletter"], shown["consent calls"]) == ("ticked", "not ticked")


# --- tables -----------------------------------------------------------------------------------------------------------


DUMMY = "<test lead: dummy data for {}>"


def printed(width: int, *rows: tuple[str, ...]) -> list[str]:
    console = Console(width=width, record=True, file=None, force_terminal=False)
    headings = ("received", "lead", "name", "phone", "form", "state")
    texts = [[Text(cell) for cell in row] for row in rows]
    with console.capture() as capture:
        console.print(build_table(console, headings, texts, yielding={"name", "phone", "form"}))
    return capture.get().splitlines()


@pytest.mark.parametrize("width", [80, 100, 200])
def test_metas_own_test_leads_fit(width: int) -> None:
    name, phone = DUMMY.format("full_name"), DUMMY.format("phone_number")
    lines = printed(
        width,
        ("2026-11-22 09:00", "17953945601380000", name, phone, "Autumn offer (English)", "read (test)"),
        ("3 s ago", "17953945601380001", "宮本 さくら", "+819012345678", "Herbst", "read"),
    )
    assert len(lines) == 3
    assert all(cell_len(line.rstrip()) <= width for line in lines)
    for line, leadgen_id, state in zip(
        lines[1:], ("17953945601380000", "17953945601380001"), ("read (test)", "read"), strict=True
    ):
        assert leadgen_id in line
        assert line.rstrip().endswith(state)
    assert "+819012345678" in lines[2] or width == 80
    assert ("…" in lines[1]) is (width < 200)


def test_what_fits_is_not_cut() -> None:
    (_, line) = printed(80, ("3 s ago", "17953945601380001", "Noah Sample", "+12025550101", "Autumn", "read"))
    assert line.split() == ["3", "s", "ago", "17953945601380001", "Noah", "Sample", "+12025550101", "Autumn", "read"]


def test_a_cell_is_one_line_without_control_characters() -> None:
    assert one_line("Zoë\n\x1b[31m  Test\t!") == "Zoë [31m Test !"
