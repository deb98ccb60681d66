"""The same Flask and gunicorn, answering 200 after only checking the signature: what an acknowledgement costs at least."""

import sys

from flask import Flask, request

from bench.sender import SECRET
from leadloop.serving import WebServer
from leadloop.settings import Settings
from webhooks.signature import verify_signature


def make_app() -> Flask:
    app = Flask("baseline", static_folder=None)

    @app.post("/webhooks/meta")
    def receive() -> tuple[str, int]:
        body = request.get_data(cache=False)
        verify_signature(body, request.headers.get("X-Hub-Signature-256"), (SECRET,))
        return "", 200

    @app.get("/readyz")
    def ready() -> tuple[str, int]:
        return "", 200

    return app


if __name__ == "__main__":
    WebServer(make_app, Settings(), bind=f"127.0.0.1:{sys.argv[1]}", workers=1).run()
