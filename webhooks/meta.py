"""Meta's webhook: check the signature, commit the raw bytes, answer. Reading them is a job.

Source: Meta ingestion facts §1.1 (handshake), §1.2 (signature), §1.4 (what to answer), §1.7 (size); read 2026-11-22.
"""

import hmac
import logging
import re
import threading
import time

from flask import Blueprint, Response, current_app, request
from flask.typing import ResponseReturnValue

from leadloop.logs import get_logger
from leadloop.meta_events import sniff_object
from leadloop.ports import Services
from leadloop.request_ids import id_of
from leadloop.serving import hold_answer
from store.raw_events import ReceivedEvent, add_raw_events
from webhooks.signature import SignatureInvalid, verify_signature

MOST_BYTES = 4 * 1024 * 1024  # Meta sends up to 3 MB (facts §1.7)
COMMIT_WITHIN_S = 4.0
NOT_STORED = "The notice could not be stored; please send it again."
NOT_STORED_AT = "notice_not_stored_at"  # in Services.caches: when the last notice could not be kept, for /readyz
KEPT_HEADERS = {
    "Content-Type": "CONTENT_TYPE",
    "User-Agent": "HTTP_USER_AGENT",
    "X-Hub-Signature-256": "HTTP_X_HUB_SIGNATURE_256",
}

bp = Blueprint("meta", __name__)
log = get_logger(__name__)
_LEVEL = logging.getLogger(__name__)
_CHALLENGE = re.compile(r"[A-Za-z0-9_.\-]{1,256}\Z")


@bp.get("/webhooks/meta")
def verify() -> ResponseReturnValue:
    """The handshake: hand the challenge back to whoever knows the verify token."""
    services: Services = current_app.extensions["leadloop"]
    challenge = request.args.get("hub.challenge", "")
    token = request.args.get("hub.verify_token", "")
    if request.args.get("hub.mode") != "subscribe" or not _CHALLENGE.match(challenge):
        return _plain("This address is for Meta's webhook handshake (hub.mode, hub.challenge, hub.verify_token).", 400)
    expected = services.settings.meta_verify_token
    if not expected or not hmac.compare_digest(token.encode("utf-8", "replace"), expected.encode()):
        log.warning("handshake_refused", mend="enter META_VERIFY_TOKEN as the verify token in the app's dashboard")
        return _plain("The verify token is not the one of this server (META_VERIFY_TOKEN).", 403)
    log.info("handshake_answered")
    return _plain(challenge, 200)


@bp.post("/webhooks/meta")
def receive() -> ResponseReturnValue:
    """One signed notice: 200 once its bytes are durable, 403 unsigned, 413 too large, 503 when it cannot be kept."""
    services: Services = current_app.extensions["leadloop"]
    request.max_content_length = MOST_BYTES
    body = request.get_data(cache=False)  # the bytes Meta signed; re-encoded JSON would not match
    try:
        verify_signature(body, request.headers.get("X-Hub-Signature-256"), services.settings.meta_app_secrets)
    except SignatureInvalid as caught:
        services.counters.add("leadloop_notices_total", verdict=f"signature_{caught.reason}")
        _REFUSALS.tell(caught.reason)
        return _plain("The signature (X-Hub-Signature-256) does not fit these bytes.", 403)
    environ = request.environ
    event = ReceivedEvent(
        source="meta",
        object=sniff_object(body),
        body=body,
        headers={name: environ[key][:200] for name, key in KEPT_HEADERS.items() if key in environ},
        received_at=services.now(),
    )
    return _answer_once_kept(event, services, request_id=id_of(request.environ))


def _answer_once_kept(event: ReceivedEvent, services: Services, *, request_id: str) -> Response:
    """200 that leaves when the event is durable, with no thread waiting for it; 503 when that fails or takes too long."""

    def note_trouble(trouble: Exception) -> None:
        services.counters.add("leadloop_notices_total", verdict="not_stored")
        services.caches[NOT_STORED_AT] = time.monotonic()
        mend = "see /readyz; Meta will send it again"
        log.error("notice_not_stored", error=type(trouble).__name__, mend=mend, request_id=request_id)

    held = hold_answer(request.environ, within_s=COMMIT_WITHIN_S, text=NOT_STORED, on_trouble=note_trouble)

    def note_kept(event_id: int | None, trouble: Exception | None) -> None:
        held.tell(trouble)
        if trouble is None:
            services.caches.pop(NOT_STORED_AT, None)
            services.bell.ring()
            services.counters.add("leadloop_notices_total", verdict="repeated" if event_id is None else "accepted")
            if _LEVEL.isEnabledFor(logging.INFO):  # a line nobody wants costs a fiftieth this way
                log.info("notice_kept", raw_event_id=event_id, repeated=event_id is None, request_id=request_id)

    services.writer.gather_later(add_raw_events, event, note_kept, timeout_s=COMMIT_WITHIN_S)
    return _plain("", 200) if held.wait() is None else _plain(NOT_STORED, 503)


def _plain(text: str, status: int) -> Response:
    response = Response(text, status, content_type="text/plain; charset=utf-8")
    response.headers["X-Content-Type-Options"] = "nosniff"
    if status == 503:
        response.headers["Retry-After"] = "5"
    return response


class _RareLine:
    """One log line in `every_s` seconds for something a stranger can cause as often as they like."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._lock = threading.Lock()
        self._next = 0.0
        self._unsaid = 0

    def tell(self, reason: str) -> None:
        with self._lock:
            now = time.monotonic()
            if now < self._next:
                self._unsaid += 1
                return
            unsaid, self._unsaid, self._next = self._unsaid, 0, now + self._every_s
        log.warning("notice_refused", reason=f"signature {reason}", others_since_last_line=unsaid)


_REFUSALS = _RareLine(10.0)
