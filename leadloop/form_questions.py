"""A form as Meta describes it becomes questions that answers can be looked up in. Its parts are of unknown trust.

Source: Meta ingestion facts §5.3 (questions, options, conditional questions, tracking parameters), read 2026-11-22.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leadloop.graph_values import objects_in, text_of
from leadloop.texts import fold, tidy

HIDDEN = "HIDDEN"
CUSTOM = "CUSTOM"
_MOST_CHOICES = 20_000
_MOST_LEVELS = 10


@dataclass(frozen=True)
class Question:
    """One question of a form. `choices` are the JSON objects of its options, read only when an answer needs them."""

    key: str
    type: str
    label: str | None
    choices: tuple[Mapping[str, Any], ...] = ()

    def labels_of(self, values: Sequence[str]) -> tuple[str, ...]:
        """The texts of the chosen options, in order; a value that is no option stands for itself.

        An option is found by its key, by its text, then by either without regard to case, accents and signs, unless
        that fits two of them.
        """
        if not self.choices or not values:
            return tuple(values)
        options = list(_options(self.choices))
        by_key = dict(reversed(options))
        labels = {label for _, label in options}
        alike: dict[str, set[str]] = {}
        if any(value not in by_key and value not in labels for value in values):
            for key, label in options:
                for folded in {fold(key), fold(label)} - {""}:
                    alike.setdefault(folded, set()).add(label)
        return tuple(
            by_key.get(value) or (value if value in labels else _only(alike.get(fold(value)), value))
            for value in values
        )


def _only(labels: set[str] | None, value: str) -> str:
    return next(iter(labels)) if labels is not None and len(labels) == 1 else value


class FormQuestions:
    """The questions of one form by key, and the keys of its hidden fields. Built from None, it knows nothing."""

    def __init__(self, form: Any) -> None:
        form = form if isinstance(form, Mapping) else {}
        self.locale = tidy(text_of(form.get("locale")))
        self._by_key: dict[str, Question] = {}
        for question in _questions(form.get("questions")):
            self._by_key.setdefault(question.key, question)
        for hidden in objects_in(form.get("tracking_parameters")):
            key = text_of(hidden.get("key"))
            if key:
                self._by_key.setdefault(key, Question(key, HIDDEN, None))
        self._by_fold: dict[str, Question] | None = None

    def find(self, key: str) -> Question | None:
        """The question that answers under `key` belong to: the same text, else the same but for case and accents."""
        found = self._by_key.get(key)
        if found is not None or not self._by_key:
            return found
        if self._by_fold is None:
            self._by_fold = {}
            for question in self._by_key.values():
                self._by_fold.setdefault(fold(question.key), question)
        folded = fold(key)
        return self._by_fold.get(folded) if folded else None


def _questions(questions: Any) -> Iterator[Question]:
    for question in objects_in(questions):
        label = tidy(text_of(question.get("label")))
        key = text_of(question.get("key")) or label
        type_ = (tidy(text_of(question.get("type"))) or CUSTOM).upper()
        if key:
            choices = [*objects_in(question.get("options"))] or _level(question.get("conditional_questions_choices"))
            yield Question(key, type_, label, tuple(choices))
        yield from _dependent_questions(question)


def _dependent_questions(question: Mapping[str, Any]) -> Iterator[Question]:
    """The questions that follow from a choice; each answers under its own `field_key`, and has the next level's choices."""
    choices = _level(question.get("conditional_questions_choices"))
    for level, dependent in enumerate(objects_in(question.get("dependent_conditional_questions"))):
        if level < _MOST_LEVELS:
            choices = _next_level(choices)
        key = text_of(dependent.get("field_key")) or text_of(dependent.get("key"))
        label = tidy(text_of(dependent.get("name"))) or tidy(text_of(dependent.get("label")))
        if key or label:
            type_ = (tidy(text_of(dependent.get("type"))) or CUSTOM).upper()
            yield Question(key or label or "", type_, label, tuple(choices))


def _level(choices: Any) -> list[Mapping[str, Any]]:
    return list(objects_in(choices))[:_MOST_CHOICES]


def _next_level(choices: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for choice in choices:
        found += objects_in(choice.get("next_question_choices"))
        if len(found) > _MOST_CHOICES:
            break
    return found[:_MOST_CHOICES]


def _options(choices: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """(key, label) of each option; a conditional choice has a `customized_token` for a key, and often none."""
    for choice in choices:
        label = text_of(choice.get("value"))
        key = text_of(choice.get("key")) or text_of(choice.get("customized_token")) or label
        label = label or key
        if key and label:
            yield key, label
