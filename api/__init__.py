"""The way in and out for programs and operators over HTTP: /api/v1, its reference, /metrics and the start page."""

from flask import Flask

from api import conversions, datasets, landing, leads, metrics, outcomes, reference, trials
from api.problems import register_problems


def register(app: Flask) -> None:
    """Wire the addresses into the application, after its own error handlers: those stay for what is not under /api/."""
    register_problems(app)
    blueprints = (leads, outcomes, conversions, datasets, trials, reference, metrics, landing)
    for blueprint in [one.bp for one in blueprints]:
        app.register_blueprint(blueprint)
