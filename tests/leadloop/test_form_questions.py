import time
from typing import Any

import pytest

from leadloop.form_questions import FormQuestions

FORM: dict[str, Any] = {
    "locale": "es_ES",
    "questions": [
        {"key": "full_name", "label": "Nombre completo", "type": "FULL_NAME"},
        {
            "key": "¿qué_servicio_necesitas?",
            "label": "¿Qué servicio necesitas?",
            "type": "CUSTOM",
            "options": [
                {"key": "seo", "value": "SEO"},
                {"key": "1", "value": "Publicidad en línea"},
                {"key": "a+", "value": "Más"},
                {"key": "a-", "value": "Menos"},
                {"value": "Otro"},
            ],
        },
        {
            "key": "marca",
            "label": "Marca",
            "type": "CUSTOM",
            "conditional_questions_choices": [
                {
                    "value": "Toyota",
                    "customized_token": "t1",
                    "next_question_choices": [
                        {"value": "Corolla", "customized_token": "c1", "next_question_choices": [{"value": "Rojo"}]},
                        {"value": "Yaris"},
                    ],
                },
                {"value": "Ford", "next_question_choices": [{"value": "Focus", "next_question_choices": [{"value": "Azul"}]}]},
            ],
            "dependent_conditional_questions": [
                {"field_key": "modelo", "name": "¿Qué modelo?", "input_type": "SELECT"},
                {"field_key": "color", "name": "¿Qué color?", "input_type": "SELECT"},
            ],
        },
    ],
    "tracking_parameters": [{"key": "utm_source", "value": "nov"}, {"key": "full_name", "value": "x"}],
}  # fmt: skip


def labels(key: str, *values: str) -> tuple[str, ...]:
    question = FormQuestions(FORM).find(key)
    assert question is not None
    return question.labels_of(values)


def test_questions_are_found_by_key() -> None:
    questions = FormQuestions(FORM)
    name = questions.find("full_name")
    assert name is not None
    assert (name.type, name.label) == ("FULL_NAME", "Nombre completo")
    assert questions.find("presupuesto") is None
    assert questions.find("?") is None


@pytest.mark.parametrize(
    "key", ["que\u0301_servicio_necesitas", "¿QUE\u0301_SERVICIO_NECESITAS?", "Que servicio necesitas"]
)
def test_a_key_is_found_whatever_its_case_and_composition(key: str) -> None:
    found = FormQuestions(FORM).find(key)
    assert found is not None
    assert found.key == "¿qué_servicio_necesitas?"


def test_hidden_fields_are_known_and_a_question_of_the_same_key_goes_before() -> None:
    questions = FormQuestions(FORM)
    hidden, name = questions.find("utm_source"), questions.find("full_name")
    assert hidden is not None
    assert name is not None
    assert (hidden.type, name.type) == ("HIDDEN", "FULL_NAME")


@pytest.mark.parametrize(
    ("value", "label"),
    [
        ("seo", "SEO"), ("SEO", "SEO"), ("Seo", "SEO"), ("1", "Publicidad en línea"),
        ("publicidad_en_línea", "Publicidad en línea"), ("PUBLICIDAD EN LINEA", "Publicidad en línea"),
        ("a+", "Más"), ("a-", "Menos"), ("A+", "A+"), ("a", "a"), ("otro", "Otro"), ("nunca", "nunca"), ("", ""), ("?", "?"),
    ],
)  # fmt: skip
def test_labels_of_choices(value: str, label: str) -> None:
    assert labels("¿qué_servicio_necesitas?", value) == (label,)


def test_several_choices_keep_their_order() -> None:
    assert labels("¿qué_servicio_necesitas?", "1", "seo", "x") == ("Publicidad en línea", "SEO", "x")
    assert labels("full_name", "seo") == ("seo",)
    assert labels("¿qué_servicio_necesitas?") == ()


def test_conditional_questions_answer_under_their_own_key_with_the_choices_of_their_level() -> None:
    model, colour = FormQuestions(FORM).find("modelo"), FormQuestions(FORM).find("color")
    assert model is not None
    assert colour is not None
    assert (model.type, model.label, colour.label) == ("CUSTOM", "¿Qué modelo?", "¿Qué color?")
    assert labels("marca", "t1", "ford") == ("Toyota", "Ford")
    assert labels("modelo", "c1", "yaris", "focus", "rojo") == ("Corolla", "Yaris", "Focus", "rojo")
    assert labels("color", "rojo", "AZUL") == ("Rojo", "Azul")


@pytest.mark.parametrize(
    "form",
    [
        None, {}, [], "x", 5, {"questions": {}}, {"questions": [None, 5, {}, {"key": None}, {"key": []}]},
        {"questions": [{"key": "a", "options": "x"}, {"key": "b", "options": [1, {"key": {}}, {"value": None}]}]},
        {"questions": [{"key": "a", "dependent_conditional_questions": [{}, 3]}], "tracking_parameters": 7, "locale": [1]},
    ],
)  # fmt: skip
def test_malformed_forms_are_read_as_far_as_they_go(form: Any) -> None:
    questions = FormQuestions(form)
    for key in ("a", "b", "", "\ud800"):
        found = questions.find(key)
        assert found is None or found.labels_of(("x",)) == ("x",)


def test_a_huge_form_is_read_in_bounded_time() -> None:
    nested: list[Any] = [{"value": f"m{n}"} for n in range(300)]
    choices = [{"value": f"brand{n}", "next_question_choices": nested} for n in range(300)]
    question = {
        "key": "a",
        "conditional_questions_choices": choices,
        "dependent_conditional_questions": [{"field_key": "b"}] * 50,
    }
    started = time.process_time()
    found = FormQuestions({"questions": [question]}).find("b")
    assert found is not None
    assert found.labels_of(["M299", "none"] * 500)[:2] == ("m299", "none")
    assert time.process_time() - started < 2
