"""How an alert leaves: Apprise's plugins call `requests`, and find our HTTP door under that name.

Why not theirs: `requests.post()` opens a new connection each time and reads the list of certificate authorities anew,
which measured 23 ms of processor time for each https alert (1 ms through our door); a slow or endless answer has no
end; Retry-After is thrown away; and the status survives only inside a log line, where ntfy even writes a code of its
own. So what a plugin sends goes through leadloop.http, and what came back is noted on the Call. The exchange is made
inside Apprise's plugin modules alone: `requests` and `smtplib` (mail.py) themselves are left as they are.
Source: Apprise 2.2.0, plugins/*.py (every call is `requests.<verb>(...)`), plugins/email/smtp.py, read 2026-11-22.
"""

import io
import smtplib
import ssl
import sys
import threading
from typing import Any

import requests
from requests.utils import get_encoding_from_headers

from leadloop.errors import LeadloopError
from leadloop.http import CONNECT_S, READ_S, HttpAnswer, translate
from notifiers.calls import current_call
from notifiers.mail import SmtplibForApprise, SslForApprise

MAX_BYTES = 1024 * 1024


class RequestsForApprise:
    """What Apprise's plugins find under the name `requests`: the verbs are ours, everything else is the original's."""

    def __getattr__(self, name: str) -> Any:
        return getattr(requests, name)

    def request(self, method: str, url: str, **given: Any) -> requests.Response:
        """As requests.request(): a Response for any status, a requests.RequestException when none came.

        Certificates are always checked, redirects never followed.
        """
        current = current_call()
        if current.status == 429 or current.unanswered:  # some plugins ask again at once
            raise requests.ConnectionError("enough of this alert")
        connect_s, read_s = _timeouts(given.get("timeout"))
        prepared = requests.Request(
            method,
            url,
            **{name: given[name] for name in _PASSED_ON if given.get(name) is not None},
        ).prepare()
        try:
            answer = current.door.request(
                prepared.method or method,
                prepared.url or url,
                headers={_text(name): _text(value) for name, value in prepared.headers.items()},
                body=_whole(prepared.body),
                connect_s=connect_s,
                read_s=read_s,
                total_s=current.left_s(),
                max_bytes=MAX_BYTES,
            )
        except LeadloopError as caught:
            current.note_error(caught)
            raise requests.ConnectionError(caught.code) from None
        except requests.Timeout as caught:
            current.note_error(translate(caught, url))
            raise
        current.note_answer(answer)
        return _response(answer, prepared)

    def get(self, url: str, params: Any = None, **given: Any) -> requests.Response:
        return self.request("GET", url, params=params, **given)

    def post(self, url: str, data: Any = None, json: Any = None, **given: Any) -> requests.Response:
        return self.request("POST", url, data=data, json=json, **given)

    def put(self, url: str, data: Any = None, **given: Any) -> requests.Response:
        return self.request("PUT", url, data=data, **given)

    def patch(self, url: str, data: Any = None, **given: Any) -> requests.Response:
        return self.request("PATCH", url, data=data, **given)

    def delete(self, url: str, **given: Any) -> requests.Response:
        return self.request("DELETE", url, **given)

    def head(self, url: str, **given: Any) -> requests.Response:
        return self.request("HEAD", url, **given)

    def options(self, url: str, **given: Any) -> requests.Response:
        return self.request("OPTIONS", url, **given)


_PASSED_ON = ("headers", "files", "data", "json", "params", "auth", "cookies")


def _timeouts(timeout: Any) -> tuple[float, float]:
    if isinstance(timeout, tuple):
        return float(timeout[0]), float(timeout[1])
    return (CONNECT_S, READ_S) if timeout is None else (float(timeout), float(timeout))


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _whole(body: Any) -> Any:
    return body.read() if hasattr(body, "read") else body


def _response(answer: HttpAnswer, prepared: requests.PreparedRequest) -> requests.Response:
    made = requests.Response()
    made.status_code = answer.status
    made.headers.update(answer.headers)
    made.raw = io.BytesIO(answer.body)
    made.url = prepared.url or ""
    made.request = prepared
    made.encoding = get_encoding_from_headers(made.headers)
    return made


_IN_PLACE = threading.Lock()


def put_in_place() -> None:
    """Exchange the modules inside Apprise's loaded plugins. Repeating it changes nothing."""
    with _IN_PLACE:
        for name, module in list(sys.modules.items()):
            if not name.startswith("apprise.plugins."):
                continue
            if vars(module).get("requests") is requests:
                vars(module)["requests"] = RequestsForApprise()
            if vars(module).get("smtplib") is smtplib:
                vars(module)["smtplib"] = SmtplibForApprise()
                if vars(module).get("ssl") is ssl:
                    vars(module)["ssl"] = SslForApprise()
