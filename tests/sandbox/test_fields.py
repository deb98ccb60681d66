import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.fields import Asked, parse_fields, select
from sandbox.graph_errors import GraphError


def test_plain_nested_and_with_arguments() -> None:
    assert parse_fields("id, name") == (Asked("id"), Asked("name"))
    assert parse_fields("") == ()
    assert parse_fields("questions{key,options{value}},id") == (
        Asked("questions", {}, (Asked("key"), Asked("options", {}, (Asked("value"),)))),
        Asked("id"),
    )
    assert parse_fields("a.limit(5).after(x)") == (Asked("a", {"limit": "5", "after": "x"}),)


@pytest.mark.parametrize(
    "text", [",", "id,", "id,,name", "id name{", "a{b", "a{}", "a}", "a{b}}", "a.b", "1a", "a{" * 20 + "b" + "}" * 20]
)
def test_bad_syntax_is_2500(text: str) -> None:
    with pytest.raises(GraphError) as caught:
        parse_fields(text)
    assert caught.value.code == 2500


@given(st.text(alphabet="ab_,.{}()1 é\x00", max_size=60))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    with contextlib.suppress(GraphError):
        assert all(one.name.isascii() for one in parse_fields(text))


def test_select() -> None:
    node = {"id": "7", "name": "N", "none": None, "rows": [{"key": "a", "label": "A"}], "page": {"id": "1", "x": 2}}
    assert select(node, parse_fields("name,none"), "T") == {"id": "7", "name": "N"}
    assert select(node, parse_fields("rows{key},page{x}"), "T") == {
        "id": "7",
        "rows": [{"key": "a"}],
        "page": {"id": "1", "x": 2},
    }
    with pytest.raises(GraphError, match=r"\(#100\) Tried accessing nonexisting field \(nope\) on node type \(T\)"):
        select(node, parse_fields("nope"), "T")
    with pytest.raises(GraphError, match="nope"):
        select(node, parse_fields("page{nope}"), "T")
