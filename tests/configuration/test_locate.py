"""Every key and item of a TOML text is found on its line; tomllib itself and the text are the judges."""

import tomllib
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configuration.locate import MOST_NESTED, TooDeep, locate

TEXT = """\
# [[not_a_table]]
[[pages]]                      # a comment with "quotes' and [brackets]
id = "1" # = "2"
"na.me" = \"\"\"
id = "3"
[[pages]] \\\"\"\"\"\"\"
  tabbed\t=\t'C:\\'
[pages.sub.deep]
a.b.c = [1, [2,
  3], { x = 1, "y" = { z = '}' }, w.v = "#" },
  # ] a comment in a list
]
[[pages]]
when = 1979-05-27 07:32:00
[[pages.inner]]
quotes = ''''two quotes'''''
[[pages.inner]]
[pages.other]
empty = {}
none = []
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("pages",), 2),
        (("pages", 0), 2),
        (("pages", 0, "id"), 3),
        (("pages", 0, "na.me"), 4),
        (("pages", 0, "tabbed"), 7),
        (("pages", 0, "sub"), 8),
        (("pages", 0, "sub", "deep", "a", "b", "c"), 9),
        (("pages", 0, "sub", "deep", "a", "b", "c", 1, 0), 9),
        (("pages", 0, "sub", "deep", "a", "b", "c", 1, 1), 10),
        (("pages", 0, "sub", "deep", "a", "b", "c", 2, "y", "z"), 10),
        (("pages", 0, "sub", "deep", "a", "b", "c", 2, "w", "v"), 10),
        (("pages", 1), 13),
        (("pages", 1, "when"), 14),
        (("pages", 1, "inner", 0, "quotes"), 16),
        (("pages", 1, "inner", 1), 17),
        (("pages", 1, "other", "empty"), 19),
        (("pages", 1, "other", "none"), 20),
    ],
)
def test_lines_of_a_tricky_text(path: tuple[str | int, ...], line: int) -> None:
    tomllib.loads(TEXT)
    assert locate(TEXT).found[path] == line


@pytest.mark.parametrize("text", [TEXT.replace("\n", "\r\n"), TEXT.rstrip("\n")])
def test_line_ends_make_no_difference(text: str) -> None:
    tomllib.loads(text)
    assert locate(text).found == locate(TEXT).found


def test_what_is_missing_stands_where_it_should_have_been() -> None:
    lines = locate("a = 1\n[[pages]]\nid = 1\n")
    assert lines.at(("pages", 0, "access_token")) == 2
    assert lines.at(("nothing", 3)) == 1
    assert lines.at(()) == 1


def test_inline_tables_over_several_lines() -> None:
    """TOML 1.1 allows them; the tomllib of a newer Python reads them."""
    assert locate("a = {\n b = 1, # }\n c = 2,\n}\n").found[("a", "c")] == 3


@pytest.mark.parametrize("text", ["a = " + "[" * 60 + "]" * 60, "a = " + "{ b = " * 60 + "1" + " }" * 60])
def test_too_deep(text: str) -> None:
    tomllib.loads(text)
    with pytest.raises(TooDeep) as caught:
        locate("\n" + text)
    assert caught.value.line == 2


def test_a_path_of_the_greatest_length_is_found() -> None:
    names = [f"k{number}" for number in range(MOST_NESTED)]
    assert tuple(names) in locate(".".join(names) + " = 1").found


# --- random texts that are valid TOML ---------------------------------------------------------------------------------

NOISE = st.text("[]{}#=,. \t'-é\U0001f600", max_size=12)
BLANK = st.sampled_from(["", " ", "\t", "  "])
LINE_END = st.sampled_from(["\n", "\r\n", " # [k] = {\n", "\n\n# '''\n"])


def _strings() -> st.SearchStrategy[str]:
    plain = NOISE.map(lambda text: text.replace("'", ""))
    return st.one_of(
        plain.map(lambda text: f"'{text}'"),
        plain.map(lambda text: f"'''{text}\n[[{text}'''"),
        plain.map(lambda text: f"'''{text}'''''"),
        NOISE.map(lambda text: f'"{text}\\" \\\\"'),
        NOISE.map(lambda text: f'"""\n{text}""\\"\n = [ {text}"""'),
        NOISE.map(lambda text: f'"""{text}"""""'),
    )


SCALARS = st.one_of(
    _strings(), st.sampled_from(["-1", "0x1F", "1.5e3", "inf", "true", "1979-05-27 07:32:00", "07:32:00.5"])
)


class Names:
    """Names that occur once in the text, so that their place can be looked up in it."""

    def __init__(self) -> None:
        self.count = 0

    def draw(self, draw: st.DrawFn) -> str:
        self.count += 1
        name = f"K{self.count}K"
        return draw(st.sampled_from([name, f'"{name}"', f"'{name}'"]))


def _value(draw: st.DrawFn, names: Names, depth: int) -> str:
    kind = draw(st.sampled_from(["scalar", "scalar", "list", "table"])) if depth < 3 else "scalar"
    if kind == "scalar":
        return draw(SCALARS)
    count = draw(st.integers(0, 3))
    if kind == "list":
        items = [_value(draw, names, depth + 1) for _ in range(count)]
        gap = draw(st.sampled_from([" ", "\n", " # ]\n ", "\r\n\t"]))
        comma = draw(st.sampled_from(["", ","])) if items else ""
        return f"[{gap}" + f"{gap},{gap}".join(items) + f"{comma}{gap}]"
    return "{" + ", ".join(_pair(draw, names, depth + 1) for _ in range(count)) + "}"


def _pair(draw: st.DrawFn, names: Names, depth: int) -> str:
    dots = draw(st.integers(1, 3))
    dot = draw(st.sampled_from([".", " . "]))
    key = dot.join(names.draw(draw) for _ in range(dots))
    return f"{key}{draw(BLANK)}={draw(BLANK)}{_value(draw, names, depth)}"


@st.composite
def toml_texts(draw: st.DrawFn) -> str:
    names = Names()
    parts = [draw(LINE_END)]
    for _ in range(draw(st.integers(0, 3))):
        parts += [draw(BLANK), _pair(draw, names, 0), draw(LINE_END)]
    for _ in range(draw(st.integers(0, 3))):
        head = names.draw(draw)
        several = draw(st.integers(1, 2)) if (array := draw(st.booleans())) else 1
        for _ in range(several):
            parts += [f"[[{head}]]" if array else f"[{head} . {names.draw(draw)}]", draw(LINE_END)]
            for _ in range(draw(st.integers(0, 2))):
                parts += [draw(BLANK), _pair(draw, names, 0), draw(LINE_END)]
    return "".join(parts)


def paths_of(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from paths_of(inner, (*path, key))


@settings(deadline=None)
@given(toml_texts())
def test_all_that_tomllib_reads_is_found_where_it_stands(text: str) -> None:
    found = locate(text).found
    assert set(found) == set(paths_of(tomllib.loads(text)))
    rows = text.split("\n")
    for path, line in found.items():
        if isinstance(path[-1], str):
            assert path[-1] in rows[line - 1], (path, line)
            assert text.count(path[-1]) <= 2  # else this test could not fail
    assert all(found[path[:-1]] <= line for path, line in found.items() if len(path) > 1)
