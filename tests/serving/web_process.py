"""A web process to be tested: WebServer with a small application. Started by conftest.py with JSON as its argument."""

import hashlib
import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flask import Flask, Response, request

from leadloop.logs import configure_logs
from leadloop.serving import Limits, PatientWorker, WebServer, hold_answer
from leadloop.settings import Settings

GIVEN: dict[str, Any] = json.loads(sys.argv[1])


class TestedWorker(PatientWorker):
    limits = Limits(**GIVEN["limits"])


def create_app() -> Any:
    app = Flask("tested")
    app.config["MAX_CONTENT_LENGTH"] = 4 * 1024 * 1024

    @app.get("/pid")
    def pid() -> dict[str, Any]:
        return {"pid": os.getpid()}

    @app.post("/echo")
    def echo() -> dict[str, Any]:
        body = request.get_data()
        return {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}

    @app.post("/ignore")
    def ignore() -> str:
        return "not read"

    @app.get("/big")
    def big() -> bytes:
        return os.urandom(1024) * (int(request.args["kib"]))

    @app.get("/stream")
    def stream() -> Response:
        block = bytes(64 * 1024)
        return Response(block for _ in range(int(request.args["kib"]) // 64))

    @app.get("/gate")
    def gate() -> str:
        """Tells the test that the request is in hand, and waits for its permission to answer."""
        with socket.create_connection(("127.0.0.1", int(request.args["port"])), timeout=20) as door:
            door.settimeout(20)
            door.recv(1)
        return "through"

    @app.get("/held")
    def held() -> tuple[str, int]:
        """Holds its answer until the test says over the door what became of it; no thread of the server waits."""
        query = request.args
        text = "it did not come to pass."
        hold = hold_answer(
            request.environ, within_s=float(query["within_s"]), text=text, on_trouble=lambda e: note(type(e).__name__)
        )
        door = socket.create_connection(("127.0.0.1", int(query["port"])), timeout=20)

        def listen() -> None:
            word = door.recv(1)
            hold.tell(None if word == b"y" else RuntimeError("no"))
            hold.tell(None)  # too late to say anything else
            note("told")

        teller = threading.Thread(target=listen, daemon=True)
        teller.start()
        if query.get("slow"):
            teller.join()  # it is known before the answer is ready
        if query.get("boom"):
            raise RuntimeError("after holding")
        return ("held", 200) if hold.wait() is None else ("refused", 503)

    def wsgi(environ: Any, start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/boom":
            raise RuntimeError("before the answer")
        if environ["PATH_INFO"] == "/boom-later":
            return _half_an_answer(start_response)
        if environ["PATH_INFO"] == "/read-blindly":
            environ["wsgi.input"].read()
        return app(environ, start_response)

    return wsgi


def _half_an_answer(start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Length", "10")])
    yield b"12345"
    raise RuntimeError("in the middle of the answer")


def note(line: str) -> None:
    if GIVEN["diary"]:
        with Path(GIVEN["diary"]).open("a") as diary:
            diary.write(f"{line} {os.getpid()}\n")


def main() -> None:
    settings = Settings(web_threads=GIVEN["threads"], stop_grace_s=20, log_format="json")
    configure_logs(settings)
    worker_class = {"patient": f"{__name__}.TestedWorker", "stock": "gthread"}[GIVEN["worker"]]
    WebServer(
        create_app,
        settings,
        bind=f"fd://{GIVEN['fd']}",
        on_start=lambda _worker: note("start"),
        on_stop=lambda _worker: note("stop"),
        options={"worker_class": worker_class} | GIVEN["options"],
    ).run()


if __name__ == "__main__":
    main()
