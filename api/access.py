"""Who may read what: API keys for programs, and the figures of an installation for those who are near."""

import structlog
from flask import current_app, g, request
from sqlalchemy.exc import SQLAlchemyError

from api.nearby import is_near
from api.problems import UNAUTHORIZED, Problem
from leadloop.logs import get_logger
from leadloop.ports import Services
from leadloop.time_limits import TimeLimit
from store.api_keys import find_key, has_key_shape, mark_used, use_is_stale
from store.models import ApiKey

log = get_logger(__name__)
READ_WITHIN_S = 5.0
AWAY = (SQLAlchemyError, TimeoutError)  # what reading raises while the database does not answer


def require_key() -> None:
    """Let the request pass when it carries a key in force (its id is then g.api_key_id); raises Problem (401) otherwise.

    Before each API request.
    """
    services: Services = current_app.extensions["leadloop"]
    plain = _bearer()
    if plain is None:
        raise _refusal("Send a key as Authorization: Bearer ll_…; leadloop api-key create NAME makes one.")
    if not has_key_shape(plain):
        raise _refusal("This is not an API key of leadloop: they are ll_ and 43 more characters.", wrong=True)
    key = _find(services, plain)
    if key is None:
        raise _refusal("This key is unknown or revoked; leadloop api-key list shows those in force.", wrong=True)
    structlog.contextvars.bind_contextvars(api_key=key.name)
    g.api_key_id = key.id
    _note_use(services, key)


def may_see_figures() -> bool:
    """Whether this caller may see how the installation is doing.

    Yes for those who reach the server from this machine or a private network (api/nearby.py), and for anybody with a
    key: what the whole internet can ask for must not tell a business's figures. Raises one of AWAY while the database
    cannot be asked about a key.
    """
    if is_near(request.environ):
        return True
    plain = _bearer()
    services: Services = current_app.extensions["leadloop"]
    if plain is None or not has_key_shape(plain):
        return False
    return reading_limit(services).run(lambda: _find(services, plain)) is not None


def reading_limit(services: Services) -> TimeLimit:
    """The one place, with its time limit, for reads that /metrics and the start page ask for."""
    limit: TimeLimit = services.cached("figures_limit", lambda: TimeLimit(READ_WITHIN_S))
    return limit


def _bearer() -> str | None:
    given = request.authorization
    return given.token if given is not None and given.type == "bearer" else None


def _find(services: Services, plain: str) -> ApiKey | None:
    with services.read() as session:
        return find_key(session, plain)


def _note_use(services: Services, key: ApiKey) -> None:
    """At most once a minute, without waiting for the disk, and whatever becomes of it."""
    now = services.now()
    if use_is_stale(key, now):
        services.writer.gather_later(mark_used, (key.id, now), _tell_trouble)


def _tell_trouble(_noted: object, trouble: Exception | None) -> None:
    if trouble is not None:
        log.warning("api_key_use_not_noted", error=type(trouble).__name__)


def _refusal(detail: str, *, wrong: bool = False) -> Problem:
    challenge = 'Bearer realm="leadloop"' + (', error="invalid_token"' if wrong else "")
    return Problem(UNAUTHORIZED, detail, headers={"WWW-Authenticate": challenge})
