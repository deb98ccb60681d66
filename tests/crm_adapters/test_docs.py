"""The pages for authors and CRM admins, kept true: their code runs, their tables name what there is."""

import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from crm_adapters import ADAPTERS
from crm_adapters.catalogue import describe
from crm_adapters.conformance import CHECKS, cases_for

DOCS = Path(__file__).parents[2] / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The modules of docs/write-an-adapter.md, as they stand there."""
    for code in re.findall(r"```python\n(.*?)```", page("write-an-adapter.md"), re.DOTALL):
        if match := re.match(r"# (\w+\.py)\n", code):
            (tmp_path / match.group(1)).write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield import_module("test_acme")
    for name in ("test_acme", "acme_leadloop"):
        sys.modules.pop(name, None)


def test_the_adapter_of_the_page_passes_the_kit(acme: Any) -> None:
    cases = cases_for(acme.TestAcme.subject)
    for case in cases:
        case()
    assert {case.name for case in cases} == set(CHECKS)


def test_the_page_names_every_group_of_checks() -> None:
    table = page("write-an-adapter.md").partition("## What the kit checks")[2]
    named = set(re.findall(r"`([a-z_]+…?)`", table.partition("Errors, logs")[0]))
    starts = tuple(name.removesuffix("…") for name in named if name.endswith("…"))
    unnamed = [name for name in CHECKS if name not in named and not name.startswith(starts)]
    assert unnamed == ["words", "declarations", "outage_over"]


@pytest.mark.parametrize("kind", sorted(ADAPTERS))
def test_each_page_has_every_setting_and_what_is_secret(kind: str) -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]*)\|", page(f"crm/{kind}.md"), re.MULTILINE))
    settings = {setting.name: setting for setting in describe(kind).settings}
    assert settings.keys() <= rows.keys()
    for name, setting in settings.items():
        assert ("required" in rows[name]) == setting.required
        assert ("secret" in rows[name]) == setting.secret
        if setting.default not in (None, {}):
            shown = str(setting.default).lower() if isinstance(setting.default, bool) else setting.default
            assert f"default `{shown}`" in rows[name]


@pytest.mark.parametrize("kind", ["hubspot", "sql"])
def test_each_code_on_the_page_is_one_that_the_adapter_raises(kind: str) -> None:
    root = DOCS.parent / "crm_adapters"
    code = "\n".join(file.read_text() for file in [root / "base.py", *(root / kind).glob("*.py")])
    codes = re.findall(rf"`((?:{kind}|http)_\w+)`", page(f"crm/{kind}.md").partition("## What can go wrong")[2])
    assert codes
    for name in codes:
        start, _, rest = name.partition("_")
        assert f'"{name}"' in code or f"{start}_{{" in code or rest.isdigit(), name
