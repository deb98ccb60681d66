from collections import Counter

import phonenumbers
import pytest

from sandbox.forms import FORMS, PAGES, Form, build_field_data, dummy_answers, sample_answers

COUNTRY = {page.page_id: page.country for page in PAGES}


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.locale)
def test_invented_people_are_plausible(form: Form) -> None:
    phone = form.find_question("PHONE")
    email = form.find_question("EMAIL")
    assert phone is not None
    assert email is not None
    for number in (1, 99, 100, 9_999, 10_000):
        answers = sample_answers(form, number)
        parsed = phonenumbers.parse(answers[phone.key][0], COUNTRY[form.page_id])
        assert phonenumbers.is_valid_number(parsed), answers[phone.key]
        assert answers[email.key][0].endswith("@example.com")
        assert answers.keys() == {question.key for question in form.questions}


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.locale)
def test_choices_are_answered_by_key(form: Form) -> None:
    for question in form.questions:
        answers = sample_answers(form, 7)[question.key]
        if question.options:
            assert set(answers) <= {option.key for option in question.options}
            assert len(answers) == (2 if question.multiple else 1)


def test_the_demo_covers_what_trips_a_reader() -> None:
    questions = [question for form in FORMS for question in form.questions]
    keys = {form.locale: {question.key for question in form.questions} for form in FORMS}
    assert "full_name" in keys["en_US"]
    for locale in ("tr_TR", "es_ES", "fr_FR"):
        assert not {"full_name", "first_name", "email", "phone_number"} & keys[locale]
    assert any(question.multiple for question in questions)
    assert any(form.tracking for form in FORMS)
    assert any(form.checkboxes for form in FORMS)
    assert max(Counter(form.form_id for form in FORMS).values()) == 1


def test_field_data_keeps_the_form_s_order_and_hidden_values() -> None:
    form = FORMS[0]
    answers = {"budget": ("over_2500",), "email": ("a@b.example",), "utm_source": ("other",)}
    assert build_field_data(form, answers) == (
        ("email", ("a@b.example",)),
        ("budget", ("over_2500",)),
        ("utm_source", ("other",)),
        ("utm_campaign", ("autumn_2026",)),
    )


def test_dummy_data_is_as_meta_s_tool_fills_it_in() -> None:
    answers = dummy_answers(FORMS[0])
    assert answers["full_name"] == ("<test lead: dummy data for full_name>",)
    assert answers["phone_number"] == ("<test lead: dummy data for phone_number>",)
    assert answers["email"] == ("test@meta.com",)
