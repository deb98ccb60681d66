from concurrent.futures import ThreadPoolExecutor

import nameparser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadloop.names import join_name, split_name

NAMES = [
    ("Zoë Test", "Zoë", "Test"),
    ("Mary Ann Smith", "Mary Ann", "Smith"),
    ("J. R. R. Tolkien", "J. R. R.", "Tolkien"),
    ("Jean-Luc Picard", "Jean-Luc", "Picard"),
    ("O'Brien, Pat", "Pat", "O'Brien"),
    # particles
    ("Ludwig van der Berg", "Ludwig", "van der Berg"),
    ("Ludwig Van Der Berg", "Ludwig", "Van Der Berg"),
    ("María de la Cruz", "María", "de la Cruz"),
    ("João da Silva", "João", "da Silva"),
    ("Maria dos Santos", "Maria", "dos Santos"),
    ("Ahmed bin Salman", "Ahmed", "bin Salman"),
    ("Mohamed el-Sayed", "Mohamed", "el-Sayed"),
    ("Mohamed El Sayed", "Mohamed", "El Sayed"),
    ("Mohamed Ben Ali", "Mohamed", "Ben Ali"),
    ("Pierre Le Gall", "Pierre", "Le Gall"),
    ("van der Berg", None, "van der Berg"),
    ("von Trapp", None, "von Trapp"),
    ("de la Cruz", None, "de la Cruz"),
    ("Ben Stiller", "Ben", "Stiller"),
    ("Van Nguyen", "Van", "Nguyen"),
    ("Al Pacino", "Al", "Pacino"),
    # Turkish: two given names are commoner than two family names, which are mostly hyphenated
    ("Yılmaz Öztürk", "Yılmaz", "Öztürk"),
    ("Ayşe Nur Yılmaz", "Ayşe Nur", "Yılmaz"),
    ("Ayşe Yılmaz-Öztürk", "Ayşe", "Yılmaz-Öztürk"),
    ("Ayşe Nur Yılmaz Öztürk", "Ayşe Nur Yılmaz", "Öztürk"),
    ("İBRAHİM ŞAHİN", "İBRAHİM", "ŞAHİN"),
    # titles, degrees, nicknames
    ("Dr. Jane Smith", "Jane", "Smith"),
    ("Prof. Dr. Mehmet Öz", "Mehmet", "Öz"),
    ("Uzm. Dr. Ali Veli", "Ali", "Veli"),
    ("Frau Dr. Anna Müller", "Anna", "Müller"),
    ("Sra. Ana López", "Ana", "López"),
    ("Miss Sarah Lee", "Sarah", "Lee"),
    ("Miss. Lee", None, "Lee"),
    ("Dr. med. Anna Schmidt", "Anna", "Schmidt"),
    ("Dr med Anna Schmidt", "Anna", "Schmidt"),
    ("Prof. Dr. phil. nat. Anna Schmidt", "Anna", "Schmidt"),
    ("Mag. Anna Gruber", "Anna", "Gruber"),
    ("Ing Jan Novák", "Jan", "Novák"),
    ("Av. Mehmet Yılmaz", "Mehmet", "Yılmaz"),
    ("Mr and Mrs Smith", None, "Smith"),
    ("Jane Smith PhD", "Jane", "Smith"),
    ("John Smith Jr.", "John", "Smith"),
    ("Mr John SMITH III", "John", "SMITH"),
    ('John "Jack" Kennedy', "John", "Kennedy"),
    ("Jane Smith née Jones", "Jane", "Smith"),
    # what looks like a title or a degree and is a name
    ("Phil Collins", "Phil", "Collins"),
    ("phil collins", "phil", "collins"),
    ("Collins, Phil", "Phil", "Collins"),
    ("Mr Phil Collins", "Phil", "Collins"),
    ("Dr Phil McGraw", "Phil", "McGraw"),
    ("dr phil mcgraw", "phil", "mcgraw"),
    ("Nat Turner", "Nat", "Turner"),
    ("Nat King Cole", "Nat King", "Cole"),
    ("Med Trabelsi", "Med", "Trabelsi"),
    ("Med. Amine Trabelsi", "Med. Amine", "Trabelsi"),
    ("Mag Smith", "Mag", "Smith"),
    ("Miss Jones", "Miss", "Jones"),
    ("Ing Wang", "Ing", "Wang"),
    ("Av Cohen", "Av", "Cohen"),
    ("Op Sharma", "Op", "Sharma"),
    ("Jur Bakker", "Jur", "Bakker"),
    ("Hon Lee", "Hon", "Lee"),
    ("Prince Kumar", "Prince", "Kumar"),
    ("Princess Mae Garcia", "Princess Mae", "Garcia"),
    ("King Lee", "King", "Lee"),
    ("Judge Reinhold", "Judge", "Reinhold"),
    ("Rock Hudson", "Rock", "Hudson"),
    ("Jack MA", "Jack", "MA"),
    ("JOHN DO", "JOHN", "DO"),
    ("Juan Same", "Juan", "Same"),
    ("Ma. Teresa Cruz", "Ma. Teresa", "Cruz"),
    ("Md. Rahim Uddin", "Md. Rahim", "Uddin"),
    ("Ramesh V", "Ramesh", "V"),
    ("Ravi Kumar V", "Ravi", "Kumar V"),
    # one word
    ("Madonna", "Madonna", None),
    ("Dr", "Dr", None),
    ("Kim Jr", "Kim", None),
    # other scripts
    ("Иван Петров", "Иван", "Петров"),
    ("محمد بن سلمان", "محمد", "بن سلمان"),
    ("דוד כהן", "דוד", "כהן"),
    ("राम शर्मा", "राम", "शर्मा"),
    ("สมชาย ใจดี", "สมชาย", "ใจดี"),
    ("王小明", "王小明", None),
    ("山田太郎", "山田太郎", None),
    ("김민준", "김민준", None),
    ("山田 太郎", "太郎", "山田"),
    ("김 민준", "민준", "김"),
    # neither
    ("😀 Zoë", "Zoë", None),
    ("...", "...", None),
    ("- -", "- -", None),
    ("", None, None),
    ("  ", None, None),
    ("x" * 201, None, None),
    ("a " * 30, None, None),
]


@pytest.mark.parametrize(("full", "first", "last"), NAMES)
def test_split_name(full: str, first: str | None, last: str | None) -> None:
    assert split_name(full) == (first, last)


@pytest.mark.parametrize(
    ("full", "locale", "first", "last"),
    [
        ("Gabriel García Márquez", "es_LA", "Gabriel García", "Márquez"),
        ("José Luis Rodríguez Zapatero", "es_ES", "José Luis", "Rodríguez Zapatero"),
        ("José Luis Rodríguez Zapatero", None, "José Luis Rodríguez", "Zapatero"),
        ("Ana María de la Cruz López", "es-MX", "Ana María", "de la Cruz López"),
        ("Nagy Péter", "hu_HU", "Péter", "Nagy"),
        ("Nguyễn Văn An", "vi_VN", "Văn An", "Nguyễn"),
        ("Trần Thị Thu Hà", "vi_VN", "Thị Thu Hà", "Trần"),
        ("Сидоров Иван Петрович", "ru_RU", "Иван Петрович", "Сидоров"),
        ("Иван Петрович Сидоров", "ru_RU", "Иван Петрович", "Сидоров"),
        ("Zoë Test", "xx", "Zoë", "Test"),
        ("Zoë Test", "", "Zoë", "Test"),
    ],
)
def test_the_forms_language_decides_about_the_order(full: str, locale: str | None, first: str, last: str) -> None:
    assert split_name(full, locale=locale) == (first, last)


@given(
    st.text(st.characters(), max_size=40) | st.text("aB. ,'\"()-éİ王김بن", max_size=60),
    st.sampled_from(["", "es", "vi"]),
)
def test_a_name_of_any_text_has_parts_that_are_not_empty(full: str, locale: str) -> None:
    first, last = split_name(full, locale=locale)
    assert first != ""
    assert last != ""
    assert (first or last) or not full.split()


@pytest.mark.parametrize(
    ("first", "last", "full"),
    [
        ("Zoë", "Test", "Zoë Test"),
        ("Zoë", None, "Zoë"),
        (None, "Test", "Test"),
        (None, None, None),
        ("太郎", "山田", "山田太郎"),
        ("민준", "김", "김민준"),
        ("John", "王", "John 王"),
    ],
)
def test_join_name(first: str | None, last: str | None, full: str | None) -> None:
    assert join_name(first, last) == full


def test_threads_agree_and_nameparsers_own_settings_stay_as_they_were() -> None:
    before = nameparser.parse("Prince Kumar").title, nameparser.Lexicon.default()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda row: split_name(row[0]), NAMES * 5))
    assert found == [(first, last) for _, first, last in NAMES * 5]
    assert (nameparser.parse("Prince Kumar").title, nameparser.Lexicon.default()) == before
