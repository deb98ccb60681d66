"""The web process: settings → Services → blueprints. Run as gunicorn 'wsgi:create_app()' or by `leadloop web`."""

from flask import Flask, Response
from werkzeug.exceptions import HTTPException

import api
from leadloop.cli.services import open_services, require_schema
from leadloop.logs import configure_logs, configure_sentry, get_logger
from leadloop.ports import Services
from leadloop.request_ids import RequestIds
from leadloop.settings import Settings, read_settings
from webhooks import health, meta

log = get_logger(__name__)


def create_app(settings: Settings | None = None, services: Services | None = None) -> Flask:
    """The application. Raises SettingsError when something indispensable is not set or the database is not ready."""
    if services is None:
        settings = settings or read_settings()
        settings.require_meta()
        configure_logs(settings)
        configure_sentry(settings)
        services = open_services(settings)
        require_schema(services)
    app = Flask("leadloop", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = meta.MOST_BYTES
    app.config["MAX_FORM_MEMORY_SIZE"] = meta.MOST_BYTES
    app.extensions["leadloop"] = services
    app.register_error_handler(HTTPException, _plain_error)
    app.register_blueprint(meta.bp)
    app.register_blueprint(health.bp)
    api.register(app)
    app.wsgi_app = RequestIds(app.wsgi_app)  # type: ignore[method-assign]
    return app


def _plain_error(caught: HTTPException) -> Response:
    response = Response(f"{caught.code} {caught.name}\n", caught.code or 500, mimetype="text/plain")
    for name, value in caught.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response
