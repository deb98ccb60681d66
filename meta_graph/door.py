"""One call of the Graph API: token and proof on it, usage and errors read off its answer. Sent again only where that is safe.

The token goes into the Authorization header, never into a URL. Source: Meta ingestion facts §5, §6, read 2026-11-22.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from leadloop.conversions.answers import EventRefused
from leadloop.errors import LeadloopError
from leadloop.http import HttpAnswer, HttpDoor
from leadloop.logs import get_logger
from meta_graph import event_answers, rules
from meta_graph.errors import ProofRejected, RateLimited, TokenRejected, no_token
from meta_graph.leads import build_proof
from meta_graph.usage import FULL_PERCENT, UsageHint, parse_dataset_usage, parse_usage

TIMES = (5.0, 15.0, 25.0)

log = get_logger(__name__)
Json = dict[str, Any]


@dataclass(frozen=True)
class Ask:
    """What is asked of Graph. `params` go into the URL of a GET, and into the form of a POST.

    `edge` names it in metrics and in the tables of errors. `object_id` is what it is asked for, None for nothing in
    particular: a Page, a dataset, or an account that may have one; `of` says which, and which table of errors counts.
    `times` are the seconds to connect, to wait for more bytes, and for everything together.
    """

    method: str
    path: str
    params: Mapping[str, str] = field(repr=False)
    edge: str
    object_id: str | None = None
    of: Literal["Page", "dataset", "account"] = "Page"
    times: tuple[float, float, float] = TIMES

    @property
    def about(self) -> str:
        return f"{self.of} {self.object_id}" if self.object_id else ""

    @property
    def rests(self) -> str | None:
        """What a limit of its own lets rest: not a Page that was only asked for its dataset, whose leads are read on."""
        return None if self.of == "account" else self.object_id

    def with_params(self, **more: str) -> "Ask":
        return replace(self, params={**self.params, **more})


class GraphDoor:
    """Safe to share between threads. What it is made with: see GraphClient."""

    def __init__(
        self,
        *,
        base_url: str,
        version: str,
        app_secrets: tuple[str, ...],
        http: HttpDoor,
        on_usage: Callable[[UsageHint], None],
        on_call: Callable[[str, str, str | None, float], None],
    ) -> None:
        self._root = f"{base_url.rstrip('/')}/{version}/"
        self._version = version
        self._app_secrets = app_secrets
        self._http = http
        self._on_usage = on_usage
        self._on_call = on_call
        self._secret_in_use = 0
        self._version_warned = threading.Event()

    def call(self, ask: Ask, token: str) -> Json:
        """One call; sent again at most once for each older app secret while one is being replaced, and once for a
        token that Graph rejects without a reason."""
        token = token.strip()
        if not token:
            raise no_token(ask.about)
        count, first, once_more = max(1, len(self._app_secrets)), self._secret_in_use, True
        turn = 0
        while True:
            number = (first + turn) % count
            proof = {"appsecret_proof": build_proof(self._app_secrets[number], token)} if self._app_secrets else {}
            try:
                answer = self._exchange(ask, proof, token)
            except ProofRejected:
                turn += 1
                if turn >= count:
                    raise
            except TokenRejected as caught:
                if not (caught.once_more and once_more):
                    raise
                once_more = False
            else:
                self._secret_in_use = number
                return answer

    def _exchange(self, ask: Ask, proof: Mapping[str, str], token: str) -> Json:
        started, code = time.perf_counter(), "bug"
        params = {**ask.params, **proof}
        connect_s, read_s, total_s = ask.times
        try:
            answer = self._http.request(
                ask.method,
                self._root + ask.path,
                headers={"Authorization": f"Bearer {token}"},
                params=params if ask.method == "GET" else None,
                form=None if ask.method == "GET" else params,
                connect_s=connect_s,
                read_s=read_s,
                total_s=total_s,
            )
            self._note_headers(answer, ask)
            parsed = _parse(answer, ask)
            code = "ok"
            return parsed
        except LeadloopError as caught:
            code = _counted_as(caught)
            if isinstance(caught, RateLimited):
                self._note_limit(caught, ask)
            raise
        finally:
            self._on_call(ask.edge, code, ask.object_id, time.perf_counter() - started)

    def _note_headers(self, answer: HttpAnswer, ask: Ask) -> None:
        for hint in _usage(answer, ask):
            self._on_usage(hint)
        served = answer.headers.get("facebook-api-version", self._version)
        if served != self._version and not self._version_warned.is_set():
            self._version_warned.set()
            log.warning("graph_version_differs", asked=self._version, served=served[:20])

    def _note_limit(self, limit: RateLimited, ask: Ask) -> None:
        if not limit.of_ads and (limit.app_wide or ask.rests is not None):
            about = None if limit.app_wide else ask.rests
            self._on_usage(UsageHint(about, FULL_PERCENT, limit.retry_after_s))


def _parse(answer: HttpAnswer, ask: Ask) -> Json:
    if ask.of == "Page":
        return rules.parse_answer(answer, page_id=ask.object_id, edge=ask.edge)
    return event_answers.parse_answer(answer, about=ask.about, edge=ask.edge)


def _usage(answer: HttpAnswer, ask: Ask) -> list[UsageHint]:
    if ask.of == "Page":
        return parse_usage(answer.headers, ask.object_id)
    return parse_dataset_usage(answer.headers, ask.rests)


def _counted_as(caught: LeadloopError) -> str:
    """Labels are bounded: a number of Meta's that nobody has seen yet is told in the error, and counted with its like."""
    return "graph_100_other" if isinstance(caught, EventRefused) and not caught.known else caught.code
