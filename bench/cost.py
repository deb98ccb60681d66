"""Where the processor time of one acknowledgement goes, in one process and without a network: what bounds the ratio."""

import dataclasses
import io
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy.orm import Session

from bench.baseline import make_app
from bench.sender import PAGE, SECRET, notice
from bench.system import start_postgres
from leadloop.ports import Services
from leadloop.settings import Settings
from store.engine import make_engine
from store.migrate import upgrade
from store.raw_events import ReceivedEvent, add_raw_events
from store.writer import GroupWriter
from webhooks.signature import sign

NOTICES, GROUP = 3000, 16
_ids = iter(range(10**14, 10**15))


class ToldAtOnce:
    """A writer that keeps nothing and says that it has."""

    def gather_later(self, _operation: Any, item: ReceivedEvent, then: Callable[..., None], **_more: Any) -> None:
        then(1, None)

    def write(self, operation: Any) -> None:
        return None


def cost(mode: str) -> dict[str, float]:
    """Microseconds of processor time for each notice: the baseline's Flask, ours, and writing it down in groups."""
    with tempfile.TemporaryDirectory(prefix="leadloop-bench-") as folder:
        if mode == "embedded":
            return _measure(f"sqlite:///{Path(folder)}/leadloop.db")
        postgres = start_postgres()
        try:
            postgres.run_sql("CREATE DATABASE bench")
            return _measure(postgres.url("bench"))
        finally:
            postgres.stop()


def _measure(url: str) -> dict[str, float]:
    from fakes import make_services

    from wsgi import create_app

    engine = make_engine(url)
    upgrade(engine)
    settings = Settings(meta_app_secrets=(SECRET,), meta_verify_token="bench", log_level="WARNING")
    services: Services = dataclasses.replace(
        make_services(engine, settings=settings),
        writer=ToldAtOnce(),
    )
    baseline, ours = make_app(), create_app(services=services)
    _answer(baseline, 200), _answer(ours, 200)
    writer = GroupWriter(engine)
    found = {
        "flask_us": _answer(baseline, NOTICES),
        "flask_ours_us": _answer(ours, NOTICES),
        "write_us": _write(writer, NOTICES),
    }
    writer.close()
    engine.dispose()
    return found


def _answer(app: Flask, count: int) -> float:
    environs = [_environ(notice(str(next(_ids)))) for _ in range(count)]
    began = time.thread_time()
    for environ in environs:
        answer = app(environ, lambda *_: None)
        b"".join(answer)
    return (time.thread_time() - began) / count * 1e6


def _environ(body: bytes) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/webhooks/meta",
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "127.0.0.1",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_X_HUB_SIGNATURE_256": sign(body, SECRET),
        "wsgi.input": io.BytesIO(body),
        "wsgi.url_scheme": "http",
        "wsgi.version": (1, 0),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "REMOTE_ADDR": "127.0.0.1",
    }


def _write(writer: GroupWriter, count: int) -> float:
    """Processor time of the writer's thread in the database's own part, without waiting for the disk."""
    spent = [0.0]

    def timed(session: Session, events: list[ReceivedEvent]) -> None:
        began = time.thread_time()
        add_raw_events(session, events)
        spent[0] += time.thread_time() - began

    for _ in range(count // GROUP):
        bodies = [notice(str(next(_ids))) for _ in range(GROUP)]
        events = [ReceivedEvent("meta", "page", body, {"Content-Type": PAGE}, datetime.now(UTC)) for body in bodies]
        writer.write(lambda session, events=events: timed(session, events))
    return spent[0] / count * 1e6
