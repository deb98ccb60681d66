"""GET /: how the installation is doing, for people."""

import dataclasses
import re
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from conftest import NOW
from lead_rows import PAGE, add, make_lead, on_both
from sqlalchemy.exc import OperationalError

from api import landing
from api.landing import ago
from leadloop import __version__
from store.models import Connection, Lane, Notifier, Page, RawEvent, Work

EVIL = "<script>alert(1)</script>\"'&\u202e"


def text_of(answer):
    """What a reader sees, with blanks made one."""
    assert answer.status_code == 200
    assert answer.content_type == "text/html; charset=utf-8"

    class Reader(HTMLParser):
        seen = ""
        hidden = False

        def handle_starttag(self, tag, attrs):
            self.hidden = tag in ("style", "title")

        def handle_endtag(self, tag):
            self.hidden = False

        def handle_data(self, data):
            if not self.hidden:
                self.seen += " " + data

    reader = Reader()
    reader.feed(answer.text)
    return " ".join(reader.seen.split())


def work(lane, subject_id, state="open", **changes):
    return Work(
        kind="delivery",
        subject_id=subject_id,
        lane=lane,
        queue="0:" + lane,
        state=state,
        due_at=NOW,
        added_at=NOW,
        **changes,
    )


def add_trouble(services):
    add(
        services,
        Page(page_id=PAGE, name="Acme Istanbul", configured=True),
        Connection(name="crm", adapter="hubspot", settings_sealed="x", changed_at=NOW),
        Notifier(name="sales", urls_sealed="x", changed_at=NOW),
        make_lead("1", NOW),
        make_lead("2", NOW, routed=False),
        work("crm:1", 1),
        work("crm:1", 2),
        work("crm:1", 3, "parked"),
        work(f"graph:{PAGE}", 4),
        Lane(
            name="crm:1",
            rest_until=NOW,
            since=NOW - timedelta(hours=2),
            hold=True,
            message=f"Refused {EVIL}.",
            action="Enter a new token.",
        ),
        Lane(name="alert:1:aa", rest_until=NOW, since=NOW, hold=True, message="Gone.", action="Add it again."),
        Lane(name="alert:1:bb", rest_until=NOW, since=NOW, hold=True, message="Gone.", action="Add it again."),
        Lane(name="graph", rest_until=NOW + timedelta(minutes=1), since=NOW, code="usage"),
        Lane(name="crm:9", rest_until=NOW - timedelta(minutes=1), since=NOW, message="Over."),
        RawEvent(
            source="meta",
            body=b"",
            body_sha256="a",
            size=0,
            headers={},
            received_at=NOW - timedelta(minutes=3),
            verdict="new",
            repeats=0,
        ),
    )


def test_first_start(client):
    seen = text_of(client.get("/"))
    assert f"version {__version__}" in seen
    assert "Ready. Notices from Meta are kept safe. None has come in yet." in seen
    assert "leads today (UTC) 0" in seen
    assert "Connect a Page" in seen
    assert "Say where leads go" in seen
    assert "leadloop leads list" in seen
    assert "Held or resting" not in seen


@on_both
def test_trouble_is_told_with_the_mend(client, services):
    add_trouble(services)
    seen = text_of(client.get("/"))
    assert "The last one came in 3 min ago." in seen
    assert "CRM connection crm held 2 waiting; began 2 h ago" in seen
    assert "Mend: Enter a new token." in seen
    assert seen.count("Notifier sales held") == 1
    assert "Meta's Graph API rests 1 waiting; began just now usage" in seen
    assert "Over." not in seen
    assert seen.index("CRM connection crm") < seen.index("Meta's Graph API")
    assert "parked or failed 1" in seen
    assert "without a route 1" in seen
    assert "leadloop work list --parked" in seen
    assert "leadloop leads replay --unrouted" in seen
    assert "Connect a Page" not in seen


def test_the_sandbox_is_linked_while_it_plays_meta(app, services):
    seen = text_of(app.test_client().get("/"))
    assert "Lead Ads Testing Tool" in seen
    assert "sandbox" not in seen.lower()
    settings = services.settings.with_(meta_graph_url="http://127.0.0.1:8001")
    app.extensions["leadloop"] = dataclasses.replace(services, settings=settings, caches={})
    answer = app.test_client().get("/")
    assert answer.text.count('<a href="http://127.0.0.1:8001">') == 2
    assert "Press Submit a lead in the sandbox" in text_of(answer)
    hidden = app.test_client().get("/", headers={"Via": "1.1 proxy"})
    assert "8001" not in hidden.text


@pytest.mark.parametrize("on_path", [True, False])
def test_commands_are_as_a_shell_here_finds_them(client, monkeypatch, tmp_path, on_path):
    program = tmp_path / ".venv" / "bin" / "leadloop"
    program.parent.mkdir(parents=True)
    program.touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(landing.sys, "executable", str(program.with_name("python")))
    monkeypatch.setattr(landing.shutil, "which", lambda name: f"/usr/bin/{name}" if on_path else None)
    landing.find_program.cache_clear()
    try:
        assert f"<pre>{'leadloop' if on_path else '.venv/bin/leadloop'} crm list</pre>" in client.get("/").text
    finally:
        landing.find_program.cache_clear()


def test_everything_is_escaped(client, services):
    add_trouble(services)
    answer = client.get("/")
    assert "<script" not in answer.text
    assert "&lt;script&gt;" in answer.text


def test_nothing_of_a_person(client, services):
    add_trouble(services)
    assert "zoe" not in client.get("/").text.lower()


def test_nothing_is_loaded_or_run(client, services):
    add_trouble(services)
    for path in ("/", "/api/v1/docs"):
        answer = client.get(path)
        assert not re.search(
            r"""(src|action|formaction)\s*=|url\(|@import|<script|<link(?![^>]*href="data:)|<iframe""", answer.text
        )
        assert not re.search(r'(?:href)="(?!/|#|data:)', answer.text)
        assert not re.search(r"\son[a-z]+\s*=", answer.text)
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"


def test_through_a_proxy_it_says_only_whether_it_is_ready(client, services, key):
    add_trouble(services)
    proxied = {"X-Forwarded-For": "203.0.113.9"}
    seen = text_of(client.get("/", headers=proxied))
    assert "Ready." in seen
    for secret in ("crm", "Acme", "leads today", "3 min ago", "leadloop work", "Metrics"):
        assert secret not in seen
    assert "CRM connection crm" in text_of(client.get("/", headers=proxied | {"Authorization": f"Bearer {key}"}))


def test_not_ready_says_why(app, services):
    settings = services.settings.with_(meta_app_secrets=())
    app.extensions["leadloop"] = dataclasses.replace(services, settings=settings, caches={})
    seen = text_of(app.test_client().get("/"))
    assert "Not ready." in seen
    assert "META_APP_SECRET is not set" in seen
    hidden = text_of(app.test_client().get("/", headers={"Via": "1.1 proxy"}))
    assert "Not ready." in hidden
    assert "META_APP_SECRET" not in hidden


def test_database_away(app, services):
    def read():
        raise OperationalError("SELECT", {}, Exception("gone"))

    class Broken:
        def gather(self, *_args, **_kwargs):
            raise OperationalError("INSERT", {}, Exception("gone"))

    app.extensions["leadloop"] = dataclasses.replace(services, read=read, writer=Broken(), caches={})
    seen = text_of(app.test_client().get("/"))
    assert "Not ready." in seen
    assert "The database does not take a write" in seen
    assert "there are no figures" in seen


def test_health_is_looked_at_once_in_a_while(app, services):
    """Each look costs a durable write, so a crowd of visitors must not cause one each."""
    probes = []

    class CountingWriter:
        def gather(self, operation, item, **kwargs):
            probes.append(item)
            return services.writer.gather(operation, item, **kwargs)

    app.extensions["leadloop"] = dataclasses.replace(services, writer=CountingWriter(), caches={})
    for _visit in range(20):
        app.test_client().get("/")
    assert len(probes) < 20


def test_late_work_asks_for_a_worker(client, services, clock):
    add(services, work("crm:1", 1))
    assert "is a worker running" not in text_of(client.get("/"))
    clock.forward(minutes=5)
    services.caches.clear()  # on a busy machine the figures are kept for a while
    assert "has been due for 5 min: is a worker running" in text_of(client.get("/"))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "just now"),
        (59, "just now"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (7200, "2 h ago"),
        (86_400, "1 day ago"),
        (400_000, "4 days ago"),
    ],
)
def test_ago(seconds, words):
    assert ago(NOW - timedelta(seconds=seconds), NOW) == words


def test_ago_of_never():
    assert ago(None, NOW) == ""
