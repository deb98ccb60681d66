"""How an installation is doing, in numbers."""

from datetime import timedelta

import pytest
from conftest import NOW
from lead_rows import PAGE, make_lead
from sqlalchemy.orm import Session

from store.figures import Names, read_figures
from store.models import Connection, Lane, Lead, Notifier, Page, RawEvent, Work

NAMES = Names(pages={"111": "Acme"}, connections={1: "crm"}, notifiers={2: "sales"})


def put(engine, *rows):
    with Session(engine) as session, session.begin():
        for row in rows:
            session.add(row)
            session.flush()


def figures_of(read):
    with read() as session:
        return read_figures(session, now=NOW)


def work(lane, subject_id, *, kind="delivery", state="open", due_s=0, **changes):
    due_at = NOW + timedelta(seconds=due_s)
    return Work(
        kind=kind,
        subject_id=subject_id,
        lane=lane,
        queue=f"0:{lane}",
        state=state,
        due_at=due_at,
        added_at=NOW,
        **changes,
    )


def test_empty_database(engine, read):
    figures = figures_of(read)
    assert figures.leads == {"waiting": 0, "read": 0, "gone": 0}
    assert (figures.leads_today, figures.unrouted, figures.oldest_due_s, figures.last_notice_at) == (0, 0, 0.0, None)
    assert (figures.work, figures.lanes, figures.rows("open")) == ((), (), 0)


def test_leads(engine, read):
    put(
        engine,
        make_lead("1", NOW - timedelta(hours=9)),  # midnight UTC
        make_lead("2", NOW - timedelta(hours=9, microseconds=1)),
        make_lead("3", NOW, routed=False),
        Lead(leadgen_id="4", page_id=PAGE, received_at=NOW, state="waiting", source="webhook"),
        Lead(leadgen_id="5", page_id=PAGE, received_at=NOW, state="gone", source="webhook"),
    )
    figures = figures_of(read)
    assert figures.leads == {"waiting": 1, "read": 3, "gone": 1}
    assert (figures.leads_today, figures.unrouted) == (4, 1)


def test_work_by_lane_state_and_kind(engine, read):
    put(
        engine,
        work("crm:1", 1),
        work("crm:1", 2, due_s=500),
        work("crm:2", 3),
        work("crm:1", 4, state="parked"),
        work("crm:1", 5, state="failed"),
        work("graph:111", 1, kind="lead"),
        work("graph:111", 2, kind="conversion"),
    )
    figures = figures_of(read)
    assert figures.open_in("crm") == {"crm:1": 2, "crm:2": 1}
    assert figures.open_in("graph") == {"graph:111": 2}
    assert (figures.rows("open"), figures.rows("parked"), figures.rows("parked", "failed")) == (5, 1, 2)
    assert {(one.lane, one.state, one.kind): one.rows for one in figures.work} == {
        ("crm:1", "open", "delivery"): 2,
        ("crm:2", "open", "delivery"): 1,
        ("crm:1", "parked", "delivery"): 1,
        ("crm:1", "failed", "delivery"): 1,
        ("graph:111", "open", "lead"): 1,
        ("graph:111", "open", "conversion"): 1,
    }


def lane(name, *, rest_s=-1, hold=False, failures=1):
    return Lane(name=name, rest_until=NOW + timedelta(seconds=rest_s), since=NOW, hold=hold, failures=failures)


@pytest.mark.parametrize(
    ("rest", "seconds"),
    [
        (None, 90.0),
        ({"name": "crm:1", "rest_s": 60}, 7.0),
        ({"name": "crm:1", "hold": True}, 7.0),
        ({"name": "crm:1", "failures": 5}, 7.0),
        ({"name": "crm:1", "failures": 1}, 90.0),
        ({"name": "crm:2", "rest_s": 60}, 90.0),
    ],
)
def test_oldest_due_is_of_what_a_worker_could_take(engine, read, rest, seconds):
    rows = [work("crm:1", 1, due_s=-90), work("graph:111", 2, due_s=-7, kind="lead"), work("graph:111", 3, due_s=60)]
    rows.append(work("crm:3", 4, due_s=-500, state="parked"))
    put(engine, *rows, *([lane(**rest)] if rest is not None else []))
    assert figures_of(read).oldest_due_s == seconds


def test_graph_as_a_whole_resting_leaves_out_every_page(engine, read):
    put(engine, work("graph:111", 1, due_s=-90), lane("graph", rest_s=60))
    assert figures_of(read).oldest_due_s == 0.0


def test_nothing_due_yet(engine, read):
    put(engine, work("crm:1", 1, due_s=30))
    assert figures_of(read).oldest_due_s == 0.0


def test_last_notice(engine, read):
    row = {"source": "meta", "body": b"{}", "size": 2, "headers": {}, "verdict": "read"}
    put(
        engine,
        RawEvent(body_sha256="a", received_at=NOW, **row),
        RawEvent(body_sha256="b", received_at=NOW - timedelta(hours=1), **row),
    )
    assert figures_of(read).last_notice_at == NOW


def test_names_are_of_what_is_configured(engine, read):
    put(
        engine,
        Page(page_id="222", name=None, configured=True, position=2),
        Page(page_id="111", name="Acme", configured=True, position=1),
        Page(page_id="999", name="Stranger", configured=False),
        Connection(name="crm", adapter="webhook", settings_sealed="x", changed_at=NOW),
        Connection(name="old", adapter="webhook", settings_sealed="x", changed_at=NOW, removed_at=NOW),
        Notifier(name="sales", urls_sealed="x", changed_at=NOW),
    )
    names = figures_of(read).names
    assert list(names.pages.items()) == [("111", "Acme"), ("222", None)]
    assert (names.connections, names.notifiers) == ({1: "crm"}, {1: "sales"})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("events", "events"),
        ("graph", "graph"),
        ("graph:111", "graph:111"),
        ("graph:999", "graph:other"),
        ("crm:1", "crm:crm"),
        ("crm:7", "crm:other"),
        ("crm:١", "crm:other"),
        ("alert:2:abcdef", "alert:sales"),
        ("alert:3:abcdef", "alert:other"),
        ("backfill:12345", "backfill:other"),
    ],
)
def test_lane_names_are_few(name, expected):
    assert NAMES.lane(name) == expected
