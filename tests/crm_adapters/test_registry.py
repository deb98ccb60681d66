"""Finding adapters: our own, and those of packages that are installed beside leadloop."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from crm_adapters import ADAPTERS, BrokenAdapter, UnknownAdapter, adapter_kinds, get_adapter
from crm_adapters.base import CrmAdapter
from crm_adapters.catalogue import describe

ACME = """
from marshmallow import Schema, fields
from crm_adapters.base import CrmAdapter

class AcmeSettings(Schema):
    token = fields.String(required=True, metadata={"secret": True, "help": "Token."})
    days = fields.Integer(load_default=3, metadata={"label": "Days", "choices": [3, 7]})
    extra = fields.Dict(load_default=dict)

class Acme(CrmAdapter):
    '''Acme CRM, from another package.

    More words.
    '''
    kind = "acme"
    label = "Acme"
    settings_schema = AcmeSettings
    docs = "https://acme.example/docs"

class Other(Acme):
    kind = "another"

nothing = 5
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the import path, as site-packages is."""
    monkeypatch.syspath_prepend(str(tmp_path))
    _forget()
    yield tmp_path
    _forget()


def _forget() -> None:
    adapter_kinds.cache_clear()
    get_adapter.cache_clear()
    for name in ("acme_leadloop", "acme_broken"):
        sys.modules.pop(name, None)


def install(site: Path, points: str, *, name: str = "acme-leadloop", code: str = ACME) -> None:
    """What pip leaves behind: a module, and metadata with the entry points."""
    (site / "acme_leadloop.py").write_text(code)
    info = site / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[leadloop.crm_adapters]\n{points}\n")


@pytest.mark.parametrize("kind", sorted(ADAPTERS))
def test_our_adapters_are_there_and_describe_themselves(kind: str) -> None:
    found = describe(kind)
    assert issubclass(get_adapter(kind), CrmAdapter)
    assert (Path(__file__).parents[2] / found.docs).is_file()
    assert found.label
    assert found.summary
    assert all(setting.help for setting in found.settings)


def test_settings_are_described_for_lists_and_forms() -> None:
    settings = {setting.name: setting for setting in describe("webhook").settings}
    assert (settings["url"].required, settings["url"].secret, settings["url"].type) == (True, False, "text")
    assert (settings["secret"].required, settings["secret"].secret) == (True, True)
    assert (settings["allow_private"].type, settings["allow_private"].default) == ("boolean", False)
    assert (settings["headers"].type, settings["headers"].default) == ("table", {})
    assert describe("hubspot").default_fields["firstname"] == "{first_name}"
    assert describe("hubspot").steps == ("note",)


def test_a_package_adds_an_adapter(site: Path) -> None:
    install(site, "acme = acme_leadloop:Acme")
    found = describe("acme")
    assert adapter_kinds() == ("acme", "hubspot", "sql", "webhook")
    assert (found.label, found.summary) == ("Acme", "Acme CRM, from another package.")
    days = {setting.name: setting for setting in found.settings}["days"]
    assert (days.label, days.default, days.type, days.choices) == ("Days", 3, "number", ("3", "7"))


def test_an_unknown_kind_names_those_there_are(site: Path) -> None:
    with pytest.raises(UnknownAdapter, match="hubspot, sql, webhook"):
        get_adapter("hupspot")


def test_ours_cannot_be_replaced(site: Path) -> None:
    install(site, "hubspot = acme_leadloop:Acme")
    assert get_adapter("hubspot").__module__.startswith("crm_adapters.")


@pytest.mark.parametrize(
    ("points", "code", "why"),
    [
        ("acme = acme_missing:Acme", ACME, "ModuleNotFoundError"),
        ("acme = acme_leadloop:Nobody", ACME, "AttributeError"),
        ("acme = acme_leadloop:Acme", "raise SystemError('boom')", "SystemError"),
        ("acme = acme_leadloop:Acme", "def broken(:", "SyntaxError"),
        ("acme = acme_leadloop:nothing", ACME, "subclass of crm_adapters.base.CrmAdapter"),
        ("acme = acme_leadloop:Other", ACME, "kind = 'another'"),
    ],
)
def test_a_package_that_is_broken_is_named_with_the_reason(points: str, code: str, why: str, site: Path) -> None:
    install(site, points, code=code)
    with pytest.raises(BrokenAdapter) as caught:
        get_adapter("acme")
    assert "'acme'" in str(caught.value)
    assert why in str(caught.value)
    assert isinstance(caught.value, UnknownAdapter)


def test_two_packages_with_the_same_kind_are_not_guessed_between(site: Path) -> None:
    install(site, "acme = acme_leadloop:Acme")
    install(site, "acme = acme_leadloop:Other", name="acme-two")
    with pytest.raises(BrokenAdapter, match="keep one of them"):
        get_adapter("acme")
