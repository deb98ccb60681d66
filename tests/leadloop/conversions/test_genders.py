import pytest

from leadloop.conversions import genders
from leadloop.conversions.genders import normalise_gender
from leadloop.texts import fold


@pytest.mark.parametrize(
    "word",
    ["f", "F", "Female", "KADIN", "kadin", "Frau", "weiblich", "Femme", "Mujer", "женский", "أنثى", "女", "여성", "nő"],
)
def test_female(word: str) -> None:
    assert normalise_gender(f" {word} ") == ("f",)


@pytest.mark.parametrize(
    "word", ["m", "M", "Male", "ERKEK", "Herr", "männlich", "Homme", "Hombre", "мужской", "ذكر", "男", "남성", "férfi"]
)
def test_male(word: str) -> None:
    assert normalise_gender(word) == ("m",)


@pytest.mark.parametrize(
    "word", ["", "no", "non-binary", "divers", "d", "x", "other", "belirtmek istemiyorum", "fm", "0"]
)
def test_anything_else_is_not_sent(word: str) -> None:
    assert normalise_gender(word) == ()


def test_no_word_means_both() -> None:
    female, male = ({fold(word) for word in words.split()} for words in (genders._FEMALE, genders._MALE))
    assert female & male == set()
    assert "" not in female | male
