"""What a change of dataset costs is told before and while it is applied."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from configuration_samples import ENVIRON
from conftest import NOW
from cryptography.fernet import Fernet
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from configuration.apply import apply
from configuration.check import check_text
from configuration.dataset_changes import find_dataset_changes
from store.engine import make_engine
from store.models import Base
from store.vault import FernetVault

VAULT = FernetVault((Fernet.generate_key().decode(),))
CRM = "[[connections]]\nname = 'crm'\nadapter = 'webhook'\nsettings = { url = 'https://a.example/', secret = '$CRM_SECRET' }\n"


def page(dataset_id: str | None, page_id: str = "1") -> str:
    return f"[[pages]]\nid = '{page_id}'\n" + (f"dataset_id = '{dataset_id}'\n" if dataset_id else "")


def funnel(dataset_id: str, more: str = "", connection: str = "crm") -> str:
    stages = "stages = [{ stage = 'won', event = 'Purchase' }]\n"
    return f"[[funnels]]\nconnection = '{connection}'\ndataset_id = '{dataset_id}'\n{stages}{more}\n"


@pytest.fixture
def sqlite_engine(tmp_path: Path) -> Iterator[Engine]:
    engine = make_engine(f"sqlite:///{tmp_path}/leadloop.db")
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


def warnings(engine: Engine, before: str, after: str) -> list[str]:
    with Session(engine) as session, session.begin():
        for text in (before, after):
            config = check_text(text, ENVIRON).config
            assert config is not None
            told = [str(warning) for warning in find_dataset_changes(session, config)]
            apply(session, config, VAULT, NOW)
        assert find_dataset_changes(session, config) == []
    return told


def test_a_page_that_changes_its_dataset(sqlite_engine: Engine) -> None:
    assert warnings(sqlite_engine, page("8"), page("9")) == [
        "Page 1, dataset_id: is 9, and was 8: once Meta unlinks the Page from a dataset, the signals collected from it are"
        ' lost there. Mend: keep dataset_id = "8", unless you mean to begin anew.'
    ]


def test_a_page_that_loses_its_dataset(sqlite_engine: Engine) -> None:
    (told,) = warnings(sqlite_engine, page("8"), page(None))
    assert told.startswith("Page 1, dataset_id: is taken out, and was 8:")


def test_a_page_that_comes_back_to_another_dataset(sqlite_engine: Engine) -> None:
    warnings(sqlite_engine, page("8"), "pages = []")
    (told,) = warnings(sqlite_engine, page("7", "2"), page("9"))
    assert told.startswith("Page 1, dataset_id: is 9, and was 8:")


def test_a_funnel_that_changes_its_dataset(engine: Engine) -> None:
    assert warnings(engine, CRM + funnel("8"), CRM + funnel("9", "route = 'conversion_leads'")) == [
        "funnel crm, dataset_id: events of the route conversion_leads go to 9 and to 8 no more: what Meta has learned from"
        ' these does not go along, and training starts again. Mend: keep dataset_id = "8", unless you mean to begin anew.'
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("pages = []", page("8") + CRM + funnel("9")),
        (page("8") + CRM + funnel("9"), "pages = []"),
        (page(None), page("8")),
        (page("8"), page("8") + page("9", "2")),
        (CRM + funnel("8"), CRM),
        (CRM + funnel("8"), CRM + funnel("8") + funnel("9")),
        (CRM + funnel("8") + funnel("9"), CRM + funnel("9")),
        (CRM + funnel("8") + funnel("9"), CRM + funnel("9") + funnel("8")),
        (CRM + funnel("8"), CRM + funnel("8", "route = 'other'")),
        (CRM + funnel("8"), CRM + funnel("9", "route = 'other'")),
        (CRM + funnel("8"), CRM + funnel("9", connection="*")),
        (CRM + funnel("8"), CRM + funnel("8", "advance_only = false")),
    ],
)
def test_what_is_no_change_of_dataset(sqlite_engine: Engine, before: str, after: str) -> None:
    assert warnings(sqlite_engine, before, after) == []
