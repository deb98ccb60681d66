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
from leadloop.errors import LeadloopError
from leadloop.settings import Settings
from leadloop.tracebacks import describe_error

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
        show_error,
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


def show_error(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """An exception handed to a log call (exc_info), ours or a library's, becomes its frames and types."""
    given = event.pop("exc_info", None)
    if given is True:
        given = sys.exc_info()
    error = given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        event["exception"] = describe_error(error)
    return event


def configure_sentry(settings: Settings) -> None:
    """Errors to Sentry when SENTRY_DSN is set: no personal data, no local variables, no bodies, no breadcrumbs.

    Its send_default_pii stays unset: that means False, and setting it is deprecated.
    """
    if not settings.sentry_dsn:
        return
    sentry_sdk.init(
        dsn=settings.sentry_dsn,
        release=f"leadloop@{__version__}",
        include_local_variables=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        trace_propagation_targets=[],  # or every call to Meta, a CRM or a chat tells our release and DSN in its headers
        before_send=scrub_event,
    )


def scrub_event(event: Any, hint: Any) -> Any:
    """Take out what could hold personal data: messages of exceptions that are not ours, queries, headers, extras."""
    request = event.get("request")
    if isinstance(request, dict):
        for key in ("query_string", "data", "cookies", "headers", "env"):
            request.pop(key, None)
    for key in ("extra", "user", "breadcrumbs", "logentry"):
        event.pop(key, None)
    ours = _our_errors((hint or {}).get("exc_info"))
    for value in (event.get("exception") or {}).get("values") or ():
        module = str(value.get("module", ""))
        if not (module.partition(".")[0] == "leadloop" or (module, value.get("type")) in ours):
            value["value"] = "[removed]"
    return event


# Our packages beside `leadloop`: what they define may be a ValueError with a text of whoever wrote to us.
_PACKAGES = frozenset(
    "api configuration console crm_adapters meta_graph notifiers store webhooks workers".split()  # noqa: SIM905
)


def _our_errors(exc_info: Any) -> set[tuple[str, str]]:
    """Module and name of the LeadloopErrors of our packages in what was raised, with its causes and groups."""
    found: set[tuple[str, str]] = set()
    todo: list[Any] = [exc_info[1] if isinstance(exc_info, tuple) else None]
    seen: set[int] = set()
    while todo and len(seen) < 100:
        error = todo.pop()
        if not isinstance(error, BaseException) or id(error) in seen:
            continue
        seen.add(id(error))
        kind = type(error)
        if isinstance(error, LeadloopError) and kind.__module__.partition(".")[0] in _PACKAGES:
            found.add((kind.__module__, kind.__name__))
        todo += [error.__cause__, error.__context__, *getattr(error, "exceptions", ())]
    return found
