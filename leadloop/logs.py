"""Structured log lines with bound ids, and Sentry scrubbed of everything personal.

log.info("lead_delivered", lead_id=7, took_ms=12): the event is constant, the values are fields. Ids yes; names, e-mails,
phones, answers, tokens and bodies never.
"""

import logging
import sys
from typing import Any

import sentry_sdk
import structlog

from leadloop import __version__
from leadloop.settings import Settings

FORBIDDEN_KEYS = frozenset(
    [
        "email",
        "phone",
        "full_name",
        "first_name",
        "last_name",
        "name",
        "body",
        "answers",
        "field_data",
        "token",
        "access_token",
        "secret",
        "authorization",
        "password",
        "url",
        "urls",
        "settings",
    ]
)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger; calling it before configure_logs() is fine."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def configure_logs(settings: Settings) -> None:
    """JSON lines on stderr, or aligned text on a terminal (LOG_FORMAT=json|console decides otherwise)."""
    console = settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        drop_personal,
        structlog.processors.format_exc_info,
    ]
    renderer = structlog.dev.ConsoleRenderer(colors=console) if console else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level)
    for noisy in ("urllib3", "requests", "apprise", "rq", "alembic", "sqlalchemy", "asyncio"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(settings.log_level)))
    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its warnings quote addresses and answers


def drop_personal(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """A last net under the rule that no line carries personal data or secrets."""
    for key in FORBIDDEN_KEYS & event.keys():
        event[key] = "[removed]"
    return event


def configure_sentry(settings: Settings) -> None:
    """Errors to Sentry when SENTRY_DSN is set: no personal data, no local variables, no bodies, no breadcrumbs."""
    if not settings.sentry_dsn:
        return
    sentry_sdk.init(
        dsn=settings.sentry_dsn,
        release=f"leadloop@{__version__}",
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        before_send=scrub_event,
    )


def scrub_event(event: Any, _hint: Any) -> Any:
    """Take out what could hold personal data: messages of exceptions that are not ours, queries, headers, extras."""
    request = event.get("request")
    if isinstance(request, dict):
        for key in ("query_string", "data", "cookies", "headers", "env"):
            request.pop(key, None)
    for key in ("extra", "user", "breadcrumbs", "logentry"):
        event.pop(key, None)
    for value in (event.get("exception") or {}).get("values") or ():
        if not str(value.get("module", "")).startswith("leadloop"):
            value["value"] = "[removed]"
    return event
