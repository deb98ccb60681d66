"""The file becomes rows: declarative, repeatable, on SQLite and PostgreSQL; changes without a secret in them."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from configuration_samples import DATASET_TOKEN, ENVIRON, GOOD, MAIL, SECRET, SECRETS, SLACK, TOKEN
from conftest import NOW, Clock
from cryptography.fernet import Fernet
from sqlalchemy import Engine, event, select
from sqlalchemy.orm import Session

from configuration.apply import apply
from configuration.check import check_text
from configuration.configured import Change
from leadloop.conversions.funnel import parse_funnel
from store.conversion_models import Dataset
from store.engine import make_engine
from store.lanes import Rest, crm_lane, graph_lane, rest_lane
from store.models import Base, Connection, Funnel, Lane, Mapping, Notifier, Page, Route, Work
from store.vault import FernetVault, fingerprint
from store.writer import GroupWriter

OTHER_SECRET = "whsec_" + "QUJD" * 10

Apply = Callable[..., list[str]]


class Applier:
    """Applies texts to one database and remembers what was written."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self.engine = engine
        self.clock = clock
        self.vault = FernetVault((Fernet.generate_key().decode(),))
        self.writes: list[str] = []
        self.changes: list[Change] = []
        event.listen(engine, "before_cursor_execute", self._note)

    def _note(self, _connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.split(None, 1)[0] in ("INSERT", "UPDATE", "DELETE"):
            self.writes.append(statement)

    def __call__(self, text: str, **environ: str) -> list[str]:
        checked = check_text(text, ENVIRON | environ)
        assert checked.config is not None, checked.mistakes
        self.writes.clear()
        with Session(self.engine) as session, session.begin():
            self.changes = apply(
                session, checked.config, self.vault, self.clock(), system_token=environ.get("META_ACCESS_TOKEN", "")
            )
        told = [str(change) for change in self.changes]
        assert not [secret for secret in SECRETS if secret in "".join(told) + repr(self.changes)]
        json.dumps([change.to_json() for change in self.changes])
        return told

    def rows(self, table: Any) -> list[Any]:
        with Session(self.engine) as session:
            return list(session.scalars(select(table).order_by(table.position, table.id)))


@pytest.fixture
def sqlite_engine(tmp_path: Any) -> Iterator[Engine]:
    engine = make_engine(f"sqlite:///{tmp_path}/leadloop.db")
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def applied(sqlite_engine: Engine, clock: Clock) -> Applier:
    return Applier(sqlite_engine, clock)


def test_everything_is_added_once(engine: Engine, clock: Clock) -> None:
    applied = Applier(engine, clock)
    assert applied(GOOD) == [
        "Page 111111111111111: added",
        "Page 112: added",
        "connection crm: added",
        "connection second: added",
        "notifier sales: added",
        "route (pages *; forms *): added",
        "route (pages 112; forms 333333333333333): added",
        "mapping crm (forms *): added",
        "mapping crm (forms 333333333333333): added",
        "dataset 900000000000001: added",
        "dataset 900000000000002: added",
        "funnel crm (dataset 900000000000001): added",
        "funnel * (dataset 900000000000002; business_messaging): added",
    ]
    page = applied.rows(Page)[0]
    assert (page.page_id, page.name, page.configured) == ("111111111111111", "Acme İstanbul 🌷", True)
    assert applied.vault.open(page.token_sealed) == TOKEN
    crm, second = applied.rows(Connection)
    assert json.loads(applied.vault.open(crm.settings_sealed)) == {"url": "https://crm.example/leads", "secret": SECRET}
    assert (crm.changed_at, crm.removed_at, second.position) == (NOW, None, 1)
    (sales,) = applied.rows(Notifier)
    assert json.loads(applied.vault.open(sales.urls_sealed)) == [SLACK, MAIL]
    assert [(route.pages, route.connections) for route in applied.rows(Route)] == [
        (["*"], ["crm"]),
        (["112"], ["second"]),
    ]
    assert applied.rows(Mapping)[0].fields["budget__c"] == "{answers.which_services?}"
    assert applied.rows(Funnel)[0].stages[2:] == [
        {"stage": "won", "event": "Purchase", "value": "required"},
        {"stage": "lost"},
    ]
    assert applied.rows(Funnel)[0].options == {}


def test_a_funnel_is_kept_as_it_stands_in_the_file(engine: Engine, clock: Clock) -> None:
    applied = Applier(engine, clock)
    applied(GOOD)
    row = applied.rows(Funnel)[1]
    assert (row.connection, row.dataset_id) == ("*", "900000000000002")
    assert row.stages == [
        {"stage": "İlk görüşme", "event": "LeadSubmitted", "predicted_value": "1200.10", "currency": "TRY"},
        {
            "stage": "won",
            "event": "Purchase",
            "value": "required",
            "fixed_value": "250.00",
            "currency": "TRY",
            "when": {"owner": "7"},
        },
    ]
    assert row.options == {
        "route": "business_messaging",
        "advance_only": False,
        "fill_skipped": True,
        "when": {"pipeline": "b2b", "page": ["111111111111111", "112"]},
        "consent": ["optional_1"],
        "ldu_states": ["CA"],
    }
    funnel = parse_funnel(row.dataset_id, row.stages, row.options)
    assert (funnel.route, funnel.advance_only, funnel.consent) == ("business_messaging", False, ("optional_1",))
    assert funnel.when == {"pipeline": ("b2b",), "page": ("111111111111111", "112")}
    assert funnel.stages[0].predicted_value == Decimal("1200.10")


def test_changes_of_a_funnel_are_told_by_its_keys(applied: Applier) -> None:
    applied(GOOD)
    ids = [row.id for row in applied.rows(Funnel)]
    assert applied(GOOD.replace("fill_skipped = true", 'raw_event = "LeadSubmitted"').replace('"b2b"', '["b2b"]')) == [
        "funnel * (dataset 900000000000002; business_messaging): fill_skipped removed, raw_event added, when changed"
    ]
    assert applied(GOOD.replace("1200.10", '"1200.1"'))[0].endswith("stage İlk görüşme changed")
    assert applied(GOOD.replace("1200.10", '" 1200.1 "')) == []
    assert applied(GOOD.replace("1200.10", "1200.1")) == []
    assert [row.id for row in applied.rows(Funnel)] == ids
    assert applied(GOOD.replace("business_messaging", "other").replace("1200.10", "1200.1")) == [
        "funnel * (dataset 900000000000002; other): added",
        "funnel * (dataset 900000000000002; business_messaging): removed",
    ]


def test_datasets_keep_their_rows(engine: Engine, clock: Clock) -> None:
    applied = Applier(engine, clock)
    with Session(engine) as session, session.begin():
        session.add(Dataset(dataset_id="900000000000002", configured=False, created_at=NOW, seen={"name": "Old"}))
    applied(GOOD)
    clock.forward(hours=1)
    first, second = applied.rows(Dataset)
    assert (first.dataset_id, first.name, first.configured, first.created_at) == (
        "900000000000001",
        "Acme CRM",
        True,
        NOW,
    )
    assert applied.vault.open(first.token_sealed) == DATASET_TOKEN
    assert first.env_names == {"/access_token": "ACME_DATASET_TOKEN"}
    assert (second.name, second.configured, second.token_sealed, second.seen) == (None, True, None, {"name": "Old"})
    assert applied(GOOD.replace('"Acme CRM"', '"Acme"'), ACME_DATASET_TOKEN="EAAB1new") == [
        "dataset 900000000000001: name changed, access_token changed"
    ]
    assert applied(GOOD.replace("$ACME_DATASET_TOKEN", "$OTHER"), OTHER="EAAB1new") == [
        "dataset 900000000000001: name changed, access_token from $OTHER"
    ]
    table = '[[datasets]]\nid = "900000000000001"\nname = "Acme CRM"\naccess_token = "$ACME_DATASET_TOKEN"\n\n'
    without = GOOD.replace(table, "")
    assert applied(without) == ["dataset 900000000000001: removed"]
    ids = {row.dataset_id: row.id for row in applied.rows(Dataset)}
    assert ids == {first.dataset_id: first.id, second.dataset_id: second.id}
    gone = next(row for row in applied.rows(Dataset) if row.id == first.id)
    assert (gone.configured, gone.token_sealed, gone.env_names) == (False, None, None)
    assert applied(without) == []
    assert applied(GOOD) == ["dataset 900000000000001: added"]
    assert {row.dataset_id: row.id for row in applied.rows(Dataset)} == ids
    moved = '[[datasets]]\nid = "900000000000002"\n'
    assert applied(GOOD.replace(table, "").replace(moved, moved + table)) == ["datasets: in another order"]


def test_a_notifier_of_the_admins(engine: Engine, clock: Clock) -> None:
    applied = Applier(engine, clock)
    applied(GOOD)
    assert [row.admin for row in applied.rows(Notifier)] == [False]
    clock.forward(minutes=1)
    name = 'name = "sales"\n'
    assert applied(GOOD.replace(name, name + "admin = true\n")) == ["notifier sales: admin changed"]
    assert [(row.admin, row.changed_at) for row in applied.rows(Notifier)] == [(True, clock())]
    assert applied(GOOD.replace(name, name + "admin = false\n")) == ["notifier sales: admin changed"]
    assert applied(GOOD) == []
    applied("pages = []")
    told = applied(GOOD.replace(name, name + "admin = true\n"))
    assert "notifier sales: in the file again, admin changed" in told
    assert [row.admin for row in applied.rows(Notifier)] == [True]
    applied("pages = []\n[[notifiers]]\nname = 'new'\nurls = ['$SALES_SLACK_URL']\nadmin = true")
    assert [row.name for row in applied.rows(Notifier) if row.admin and row.removed_at is None] == ["new"]


def test_the_second_time_nothing_is_written(engine: Engine, clock: Clock) -> None:
    applied = Applier(engine, clock)
    applied(GOOD)
    assert applied.writes
    clock.forward(hours=1)
    assert applied(GOOD) == []
    assert applied.writes == []
    applied("pages = []")
    assert applied.writes
    assert applied("pages = []") == []
    assert applied.writes == []


def test_nothing_secret_is_readable_in_the_database(applied: Applier) -> None:
    applied(GOOD)
    with applied.engine.connect() as connection:
        dump = "".join(
            str(tuple(row))
            for table in Base.metadata.sorted_tables
            for row in connection.exec_driver_sql(f"SELECT * FROM {table.name}")
        )
    assert "Acme" in dump
    assert not [secret for secret in SECRETS if secret in dump]
    assert "crm.example" not in dump


def test_changes_are_told_without_values(applied: Applier, clock: Clock) -> None:
    applied(GOOD)
    clock.forward(minutes=1)
    text = (
        GOOD.replace('default_country = "TR"', "").replace("Acme İstanbul", "Acme Ankara")
        .replace("https://crm.example/leads", "https://crm2.example/leads")
        .replace(f', "{MAIL}"', "")
        .replace('template = "New lead', 'template = "Lead')
        .replace('connections = ["crm"]', 'connections = ["crm", "second"]')
        .replace('"{labels.budget}"', '"{answers.budget}"')
        .replace('{ stage = "lost" }', '{ stage = "gone" }')
    )  # fmt: skip
    assert applied(text, CRM_SECRET=OTHER_SECRET) == [
        "Page 111111111111111: name changed, default_country removed",
        "connection crm: secret changed, url changed",
        "connection second: secret changed",
        "notifier sales: urls changed (1 gone), template changed",
        "route (pages *; forms *): connections +second",
        "mapping crm (forms 333333333333333): a.b changed",
        "funnel crm (dataset 900000000000001): stage gone added, stage lost removed",
    ]
    assert [row.changed_at for row in applied.rows(Connection)] == [NOW + timedelta(minutes=1)] * 2
    assert applied(text, CRM_SECRET=OTHER_SECRET) == []


def test_a_new_token_of_the_same_name_is_noticed(applied: Applier) -> None:
    applied(GOOD)
    assert applied(GOOD, ACME_PAGE_TOKEN="EAAB1new") == [
        "Page 111111111111111: access_token changed",
        "Page 112: access_token changed",
    ]
    assert applied.vault.open(applied.rows(Page)[1].token_sealed) == "EAAB1new"
    without = GOOD.replace('access_token = "$ACME_PAGE_TOKEN"', "")
    assert applied(without) == ["Page 111111111111111: access_token removed", "Page 112: access_token removed"]
    assert applied.rows(Page)[0].token_sealed is None


def test_where_a_value_comes_from_is_remembered(applied: Applier, clock: Clock) -> None:
    applied(GOOD)
    assert applied.rows(Connection)[0].env_names == {"/secret": "CRM_SECRET"}
    clock.forward(minutes=1)
    moved = GOOD.replace("$CRM_SECRET", "$CRM_KEY").replace("$SALES_SLACK_URL", SLACK)
    assert applied(moved, CRM_KEY=SECRET) == [
        "connection crm: secret from $CRM_KEY",
        "connection second: secret from $CRM_KEY",
        "notifier sales: urls #1 no longer from $SALES_SLACK_URL",
    ]
    crm = applied.rows(Connection)[0]
    assert crm.env_names == {"/secret": "CRM_KEY"}
    assert crm.changed_at == NOW  # the settings are the same: no process has to open them again
    assert applied.rows(Notifier)[0].env_names is None


def test_what_is_not_named_is_removed_and_comes_back(applied: Applier, clock: Clock) -> None:
    applied(GOOD)
    ids = {row.name: row.id for row in (*applied.rows(Connection), *applied.rows(Notifier))}
    clock.forward(minutes=1)
    assert applied("pages = []") == [
        "Page 111111111111111: removed",
        "Page 112: removed",
        "connection crm: removed",
        "connection second: removed",
        "notifier sales: removed",
        "route (pages *; forms *): removed",
        "route (pages 112; forms 333333333333333): removed",
        "mapping crm (forms *): removed",
        "mapping crm (forms 333333333333333): removed",
        "dataset 900000000000001: removed",
        "dataset 900000000000002: removed",
        "funnel crm (dataset 900000000000001): removed",
        "funnel * (dataset 900000000000002; business_messaging): removed",
    ]
    page = applied.rows(Page)[0]
    assert (page.configured, page.token_sealed, page.env_names) == (False, None, None)
    assert {row.removed_at for row in (*applied.rows(Connection), *applied.rows(Notifier))} == {clock()}
    assert applied.rows(Route) == applied.rows(Mapping) == applied.rows(Funnel) == []
    clock.forward(minutes=1)
    told = applied(GOOD)
    assert told[:5] == [
        "Page 111111111111111: added",
        "Page 112: added",
        "connection crm: in the file again",
        "connection second: in the file again",
        "notifier sales: in the file again",
    ]
    assert {row.name: row.id for row in (*applied.rows(Connection), *applied.rows(Notifier))} == ids
    assert {row.removed_at for row in (*applied.rows(Connection), *applied.rows(Notifier))} == {None}


def test_a_connection_that_comes_back_with_other_settings(applied: Applier, clock: Clock) -> None:
    applied(GOOD)
    applied("pages = []")
    clock.forward(minutes=1)
    told = applied(GOOD, CRM_SECRET=OTHER_SECRET)
    assert "connection crm: in the file again, secret changed" in told
    assert applied.rows(Connection)[0].changed_at == clock()


def test_a_page_that_only_wrote_to_us_is_taken_over(applied: Applier) -> None:
    with Session(applied.engine) as session, session.begin():
        session.add(Page(page_id="112", configured=False))
        session.add(Page(page_id="999", configured=False))
    told = applied(GOOD)
    assert "Page 112: added" in told
    assert not [one for one in told if "999" in one]
    assert {page.page_id: page.configured for page in applied.rows(Page)} == {
        "111111111111111": True,
        "112": True,
        "999": False,
    }


def test_order_is_kept_and_told(applied: Applier) -> None:
    settings = 'settings = { url = "https://a.example/", secret = "$CRM_SECRET" }\n'
    connection = f'[[connections]]\nname = "%s"\nadapter = "webhook"\n{settings}'
    a, b, c = (connection % name for name in "abc")
    applied(a + b)
    assert applied(c + a + b) == ["connection c: added"]
    assert [row.name for row in applied.rows(Connection)] == ["c", "a", "b"]
    assert applied(c + b + a) == ["connections: in another order"]
    assert applied(b) == ["connection c: removed", "connection a: removed"]
    page = '[[pages]]\nid = "%s"\n'
    applied(page % 1 + page % 2)
    assert applied(page % 2 + page % 1) == ["pages: in another order"]


def test_routes_are_matched_by_what_they_take(applied: Applier) -> None:
    head = GOOD.split("[[routes]]")[0]
    one = '[[routes]]\nforms = ["1"]\nconnections = ["crm"]\n'
    two = '[[routes]]\nforms = ["2"]\nconnections = ["crm"]\n'
    applied(head + one + two)
    ids = [row.id for row in applied.rows(Route)]
    assert applied(head + two + one) == []
    assert [row.id for row in applied.rows(Route)] == ids[::-1]
    assert applied(head + two) == ["route (pages *; forms 1): removed"]
    again = two.replace("crm", "second")
    assert applied(head + two + again) == ["route (pages *; forms 2): added"]
    assert applied(head + again + two) == [
        "route (pages *; forms 2): connections +second -crm",
        "route (pages *; forms 2): connections +crm -second",
    ]
    assert applied(head + two.replace('["crm"]', '["second", "crm"]') + two)[0].endswith("connections +crm")


def test_order_within_lists_matters(applied: Applier) -> None:
    applied(GOOD)
    assert applied(GOOD.replace('connections = ["crm"]', 'connections = ["second", "crm"]')) == [
        "route (pages *; forms *): connections +second"
    ]
    stages = '  { stage = "new",       event = "Raw Lead" },\n  { stage = "qualified", event = "Lead" },\n'
    new, qualified = stages.splitlines(keepends=True)
    assert "funnel crm (dataset 900000000000001): stages in another order" in applied(
        GOOD.replace(stages, qualified + new)
    )


def test_the_clock_may_go_back(applied: Applier, clock: Clock) -> None:
    """changed_at is how processes notice that they hold old settings: it never stands still when these change."""
    applied(GOOD)
    clock.forward(hours=-5)
    applied(GOOD, CRM_SECRET=OTHER_SECRET)
    assert applied.rows(Connection)[0].changed_at == NOW + timedelta(microseconds=1)


def test_a_lost_key_is_mended_by_applying_again(applied: Applier) -> None:
    applied(GOOD)
    applied.vault = FernetVault((Fernet.generate_key().decode(),))
    assert applied(GOOD) == [
        "Page 111111111111111: access_token changed",
        "Page 112: access_token changed",
        "connection crm: settings sealed anew",
        "connection second: settings sealed anew",
        "notifier sales: urls sealed anew",
        "dataset 900000000000001: access_token changed",
    ]
    assert applied(GOOD) == []


def test_a_rotated_key_changes_nothing(applied: Applier) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    applied.vault = FernetVault((old,))
    applied(GOOD)
    applied.vault = FernetVault((new, old))
    assert applied(GOOD) == []


# --- what an adapter kept ---------------------------------------------------------------------------------------------


def keep(applied: Applier, state: str) -> None:
    with Session(applied.engine) as session, session.begin():
        for row in session.scalars(select(Connection)):
            row.state_sealed = applied.vault.seal(state)


def test_kept_state_outlives_harmless_changes(applied: Applier) -> None:
    applied(GOOD)
    keep(applied, '{"access_token": "rotated"}')
    applied(GOOD.replace("https://crm.example/leads", "https://crm2.example/leads"))
    applied("pages = []")
    applied(GOOD)
    assert all(row.state_sealed for row in applied.rows(Connection))


def test_kept_state_goes_with_the_account(applied: Applier) -> None:
    applied(GOOD)
    keep(applied, '{"access_token": "rotated"}')
    assert applied(GOOD, CRM_SECRET=OTHER_SECRET)[0] == (
        "connection crm: secret changed, what the adapter kept is forgotten"
    )
    assert applied.rows(Connection)[0].state_sealed is None


# --- held lanes -------------------------------------------------------------------------------------------------------


def hold(applied: Applier, lane: str, fingerprint_: str) -> None:
    now = applied.clock()
    with Session(applied.engine) as session, session.begin():
        session.add(
            Work(
                kind="delivery",
                subject_id=len(lane),
                lane=lane,
                queue=f"1:{lane}",
                due_at=now + timedelta(days=1),
                added_at=now,
            )
        )
        rest_lane(
            session, Rest(lane, now + timedelta(minutes=15), hold=True, code="x", fingerprint=fingerprint_), now=now
        )


def held(applied: Applier) -> set[str]:
    with Session(applied.engine) as session:
        return set(session.scalars(select(Lane.name)))


def sealed_print(applied: Applier, row: Any, key: str) -> str:
    return fingerprint(applied.vault.open(getattr(row, key)))


def test_held_lanes_are_freed_when_what_failed_is_changed(engine: Engine, clock: Clock) -> None:
    applied = Applier(engine, clock)
    applied(GOOD)
    (crm, _), (sales,) = applied.rows(Connection), applied.rows(Notifier)
    graph, crm_, alert = graph_lane("112"), crm_lane(crm.id), f"alert:{sales.id}:abcdef"
    hold(applied, graph, fingerprint(TOKEN))
    hold(applied, crm_, sealed_print(applied, crm, "settings_sealed"))
    hold(applied, alert, sealed_print(applied, sales, "urls_sealed"))
    assert applied(GOOD) == []
    assert held(applied) == {graph, crm_, alert}
    told = applied(GOOD.replace("crm.example", "crm2.example").replace(f', "{MAIL}"', ""), ACME_PAGE_TOKEN="EAAB2")
    assert told[-3:] == [
        "Page 112: held work is tried again",
        "connection crm: held work is tried again",
        "notifier sales: held work is tried again",
    ]
    assert held(applied) == set()
    with Session(applied.engine) as session:
        assert {work.due_at for work in session.scalars(select(Work))} == {clock()}


def test_a_page_without_a_token_waits_for_that_of_the_system_user(applied: Applier) -> None:
    text = '[[pages]]\nid = "112"\n'
    applied(text)
    hold(applied, graph_lane("112"), fingerprint(""))
    assert applied(text) == []
    assert applied(text, META_ACCESS_TOKEN="EAABsystem") == ["Page 112: held work is tried again"]


def test_another_adapter_frees_the_lane_even_with_the_same_settings(applied: Applier) -> None:
    applied(GOOD)
    crm = applied.rows(Connection)[0]
    with Session(applied.engine) as session, session.begin():
        session.get_one(Connection, crm.id).adapter = "no_longer_installed"
    hold(applied, crm_lane(crm.id), sealed_print(applied, crm, "settings_sealed"))
    assert applied(GOOD) == ["connection crm: adapter changed", "connection crm: held work is tried again"]


# --- transactions -----------------------------------------------------------------------------------------------------


def test_an_error_leaves_everything_as_it_was(applied: Applier) -> None:
    applied(GOOD)
    config = check_text("pages = []", ENVIRON).config
    assert config is not None

    def fail(session: Session) -> None:
        apply(session, config, applied.vault, applied.clock())
        raise RuntimeError("after everything was written")

    writer = GroupWriter(applied.engine)
    with pytest.raises(RuntimeError):
        writer.write(fail)
    writer.close()
    assert applied(GOOD) == []


def test_two_at_once_end_as_one(engine: Engine, clock: Clock) -> None:
    """Several processes start with the same LEADLOOP_CONFIG."""
    config = check_text(GOOD, ENVIRON).config
    assert config is not None
    applied = Applier(engine, clock)
    writers = [GroupWriter(engine) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        told = list(pool.map(lambda writer: writer.write(lambda s: apply(s, config, applied.vault, clock())), writers))
    for writer in writers:
        writer.close()
    assert sorted(len(changes) for changes in told) == [0, 0, 13]
    assert len(applied.rows(Page)) == 2
