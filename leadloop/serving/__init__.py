"""The web process: gunicorn, with a worker that a slow or hostile client cannot hold."""

from leadloop.serving.holding import HeldAnswer, hold_answer
from leadloop.serving.receiving import Limits
from leadloop.serving.server import WebLogger, WebServer, gunicorn_options
from leadloop.serving.worker import PatientWorker

__all__ = ["HeldAnswer", "Limits", "PatientWorker", "WebLogger", "WebServer", "gunicorn_options", "hold_answer"]
