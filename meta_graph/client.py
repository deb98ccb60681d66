"""Meta's Graph API through one door: version, token, proof, time-outs, errors, usage.

Implements leadloop.ports.Graph and EventsGraph. Safe to share between threads; one for each process. Every method raises
leadloop.errors (see meta_graph/errors.py) and returns parsed JSON or a small value.

No token goes into a URL (see door.py), with one exception that the API leaves no way around: debug_token takes the token
it is to look at as a parameter. Source: Meta ingestion facts §5, §6, read 2026-11-22.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from leadloop.conversions.datasets import DatasetInfo, DatasetRef
from leadloop.errors import LeadloopError
from leadloop.graph_values import id_text
from leadloop.http import HttpDoor
from leadloop.logs import get_logger
from leadloop.ports import LeadPage
from meta_graph import datasets, fields
from meta_graph.conversions import Received, send_events
from meta_graph.door import Ask, GraphDoor
from meta_graph.errors import (
    GIVE_UP_UNREADABLE_S,
    BadRequest,
    GarbageAnswer,
    LeadNotReadable,
    NotReadable,
    PermissionMissing,
    ProofRejected,
    RateLimited,
    TokenRejected,
    TooMuchData,
    bad_id,
)
from meta_graph.leads import (
    PAGE_SIZE,
    build_since,
    parse_lead,
    parse_lead_page,
    parse_next,
    parse_rows,
)
from meta_graph.memory import Memory
from meta_graph.rules import CHECK_APP, LEADS_ACCESS
from meta_graph.tokens import (
    Account,
    LeadAccess,
    SubscribedApp,
    TokenInfo,
    parse_account,
    parse_lead_access,
    parse_subscribed_app,
    parse_token_info,
)
from meta_graph.usage import UsageHint

MOST_LIST_PAGES = 200  # of 100 rows: beyond that a list is not believed

log = get_logger(__name__)
Json = dict[str, Any]


class GraphClient:
    """`version` as in "v26.0"; `app_secrets` newest first, several while one is being replaced; `app_id` lets
    debug_token use the app's own token. `on_usage` hears of limits near or hit; `on_call(edge, code, object_id, seconds)`
    of every HTTP exchange (the object is a Page, a dataset or nothing in particular), with code "ok" or that of the error:
    both from any thread, and neither may raise."""

    def __init__(
        self,
        *,
        base_url: str,
        version: str,
        app_secrets: tuple[str, ...],
        http: HttpDoor,
        on_usage: Callable[[UsageHint], None],
        on_call: Callable[[str, str, str | None, float], None],
        now: Callable[[], datetime],
        app_id: str = "",
    ) -> None:
        self._door = GraphDoor(
            base_url=base_url, version=version, app_secrets=app_secrets, http=http, on_usage=on_usage, on_call=on_call
        )
        self._app_secrets = app_secrets
        self._app_id = app_id
        self._now = now
        self._memory = Memory()

    # --- leads -------------------------------------------------------------------------------------------------------

    def read_lead(self, leadgen_id: str, *, token: str, page_id: str) -> Json:
        """One lead with all fields of facts §5.1, its ids as text. Without rights on the ads, or while the ad account has
        used up its calls, it comes without their names and ids rather than not at all; that is remembered for an hour, or
        for as long as the limit lasts.

        Raises LeadNotReadable while Graph does not show it, and when it is refused although other leads of the Page
        are not; PermissionMissing (the Page's whole lane) when they are refused as well.
        """
        lead_id = _checked_id(leadgen_id, "leadgen_id")
        try:
            answer = self._get_with_ads(lead_id, {}, token, page_id, "lead")
        except PermissionMissing as caught:
            if self._memory.note_refused(page_id, lead_id, self._now()):
                raise _lead_not_readable(caught.message, caught.code) from caught
            raise
        lead = parse_lead(answer)
        if lead is None or lead["id"] != lead_id:
            raise GarbageAnswer(
                f"Graph's answer about lead {lead_id} is not about that lead (Page {page_id}).", code="graph_garbage"
            )
        if "field_data" not in lead:
            raise _lead_not_readable(f"Graph shows lead {lead_id} without its answers (Page {page_id}).", "graph_bare")
        self._memory.note_read(page_id, self._now())
        return lead

    def read_form_leads(
        self, form_id: str, *, token: str, page_id: str, since: datetime | None, after: str | None
    ) -> LeadPage:
        """One page of the leads of a form sent at or after `since` (aware), in Graph's order; `after` from the page
        before. A lead whose answers Graph does not show has no `field_data`: read it by itself.

        Raises GarbageAnswer when Graph hands out the cursor it was given, so that a loop over it is not endless.
        """
        path = f"{_checked_id(form_id, 'form_id')}/leads"
        params = build_since(since) | ({"after": after} if after else {})
        answer = self._get_list(
            path, params, lambda sized: self._get_with_ads(path, sized, token, page_id, "form_leads")
        )
        page = parse_lead_page(answer)
        if page is None or (page.after is not None and page.after == after):
            raise _bad_list(page_id)
        return page

    # --- forms -------------------------------------------------------------------------------------------------------

    def read_form(self, form_id: str, *, token: str, page_id: str) -> Json:
        """A form with its questions; its `id` is text."""
        path = _checked_id(form_id, "form_id")
        wide, narrow = fields.FORM_FIELDS, fields.FORM_FIELDS_MINIMAL
        answer = self._get_narrowing(path, {}, (wide, narrow), token, page_id, "form")
        if id_text(answer.get("id")) != path:
            raise GarbageAnswer(
                f"Graph's answer about form {path} is about something else (Page {page_id}).", code="graph_garbage"
            )
        return answer | {"id": path}

    def read_page_forms(self, page_id: str, *, token: str) -> list[Json]:
        """All forms of a Page, archived ones too, at most MOST_LIST_PAGES pages of them; ids as text."""
        path = f"{_checked_id(page_id, 'page_id')}/leadgen_forms"
        wide, narrow = fields.PAGE_FORM_FIELDS, fields.PAGE_FORM_FIELDS_MINIMAL

        def read(params: dict[str, str]) -> Json:
            return self._get_narrowing(path, params, (wide, narrow), token, page_id, "page_forms")

        rows = self._read_all(path, page_id, read)
        return [row | {"id": form_id} for row in rows if (form_id := id_text(row.get("id"))) is not None]

    # --- tokens, rights, subscriptions -------------------------------------------------------------------------------

    def debug_token(self, token: str) -> TokenInfo:
        """What Graph knows of a token, also of a dead one. Asked with the app's own token where app_id is known."""
        asking = [f"{self._app_id}|{secret}" for secret in self._app_secrets] if self._app_id else []
        for position, by in enumerate(asking or [token]):
            try:
                answer = self._get("debug_token", {"input_token": token}, by, None, "debug_token")
            except TokenRejected as caught:
                if position + 1 < len(asking):
                    continue  # while the app secret is being replaced, only one of them makes a valid app token
                raise (_bad_app_token(caught) if asking else caught) from None
            info = parse_token_info(answer)
            if info is not None:
                return info
        raise GarbageAnswer("Graph's answer about a token has no data.", code="graph_garbage")

    def read_lead_access(self, page_id: str, *, token: str, app_id: str, user_id: str | None = None) -> LeadAccess:
        """What Leads Access Manager lets the app, and the user where one is named, see of this Page's leads."""
        asked = "has_lead_access" + (f".user_id({_checked_id(user_id, 'user_id')})" if user_id else "")
        params = {"fields": f"{asked}.app_id({_checked_id(app_id, 'app_id')})"}
        answer = self._get(_checked_id(page_id, "page_id"), params, token, page_id, "lead_access")
        return parse_lead_access(answer) or LeadAccess(None)

    def read_accounts(self, token: str) -> list[Account]:
        """The Pages that a user's or system user's token can reach, with the Pages' own tokens."""

        def read(params: dict[str, str]) -> Json:
            return self._get("me/accounts", params | {"fields": fields.ACCOUNT_FIELDS}, token, None, "accounts")

        rows = self._read_all("me/accounts", None, read)
        return [account for row in rows if (account := parse_account(row)) is not None]

    def read_subscribed_apps(self, page_id: str, *, token: str) -> list[SubscribedApp]:
        """The apps that this Page sends notices to, ours among them if the Page is connected."""
        path = f"{_checked_id(page_id, 'page_id')}/subscribed_apps"
        rows = parse_rows(self._get(path, {}, token, page_id, "subscribed_apps"))
        if rows is None:
            raise _bad_list(page_id)
        return [app for row in rows if (app := parse_subscribed_app(row)) is not None]

    def subscribe_page(self, page_id: str, *, token: str, subscribed_fields: Iterable[str] = ("leadgen",)) -> None:
        """Let the Page send us notices of these fields. They replace those of an earlier call; safe to repeat."""
        path = f"{_checked_id(page_id, 'page_id')}/subscribed_apps"
        params = {"subscribed_fields": ",".join(subscribed_fields)}
        answer = self._door.call(Ask("POST", path, params, "subscribe_page", page_id), token)
        if answer.get("success") is not True:
            raise GarbageAnswer(f"Graph did not confirm the subscription of Page {page_id}.", code="graph_garbage")

    # --- conversions -------------------------------------------------------------------------------------------------

    def send_events(
        self,
        dataset_id: str,
        events: Sequence[Mapping[str, Any]],
        *,
        token: str,
        test_event_code: str | None = None,
    ) -> Received:
        """Send 1 to 1,000 events to a dataset, all or none of which Meta takes. Not safe to repeat: see decision 0052.

        `events` as build_event() makes them. With `test_event_code` they show under Test Events, and count all the same.
        Raises EventRefused when one of them is at fault; EventsUnanswered, whose `maybe_stored` says whether Meta may have
        them; RateLimited, and NeedsHuman with scope "lane", when none is stored and the dataset has to wait. Each has
        Meta's words in `details`. Fewer `events` in the answer than were sent is no error here, and no success.
        """
        dataset_id = _checked_id(dataset_id, "dataset_id")
        return send_events(self._door, dataset_id, events, token=token, test_event_code=test_event_code)

    # --- datasets ----------------------------------------------------------------------------------------------------

    def read_dataset(self, dataset_id: str, *, token: str) -> DatasetInfo:
        """What Meta shows of a dataset, as far as the token may see it. A token that may only send raises
        PermissionMissing (100, "Missing Permission"): that says nothing against sending. Raises DatasetNotShown."""
        return datasets.read_dataset(self._door, _checked_id(dataset_id, "dataset_id"), token)

    def find_datasets(self, asset_id: str, *, token: str) -> list[DatasetRef]:
        """The dataset of a Page, a WhatsApp Business Account or an Instagram account; none when none was made yet."""
        return datasets.find_datasets(self._door, _checked_id(asset_id, "asset_id"), token)

    def create_dataset(self, asset_id: str, *, token: str, name: str | None = None) -> str:
        """The id of its dataset, which is made if there is none. Safe to repeat; `name` is for a new one only."""
        return datasets.create_dataset(self._door, _checked_id(asset_id, "asset_id"), token, name)

    def read_dataset_quality(self, dataset_id: str, *, token: str, agent_name: str | None = None) -> Json:
        """Meta's Dataset Quality: lists `web` and `offline` of objects with an event_name, as in facts §8.1 and §8.2. {} is
        nothing to see: no such events (it tells none of CRM and messaging events), or no rights. `agent_name`: only what
        was sent by that partner_agent ("leadloop")."""
        return datasets.read_dataset_quality(self._door, _checked_id(dataset_id, "dataset_id"), token, agent_name)

    # --- lists and field lists ---------------------------------------------------------------------------------------

    def _get_with_ads(self, path: str, params: dict[str, str], token: str, page_id: str, edge: str) -> Json:
        """A lead or leads with the ad fields, or without them where the token has no rights on the ads (facts §5.1) or the
        ad account has used up its calls: neither may keep a lead back."""
        key = f"{page_id}:{hashlib.blake2b(token.encode(errors='replace'), digest_size=8).hexdigest()}"
        narrow = params | {"fields": fields.LEAD_FIELDS_MINIMAL}
        if self._memory.lacks_ad_fields(key, self._now()):
            return self._get(path, narrow, token, page_id, edge)
        try:
            return self._get(path, params | {"fields": fields.LEAD_FIELDS}, token, page_id, edge)
        except (PermissionMissing, BadRequest, NotReadable, RateLimited) as caught:
            if isinstance(caught, RateLimited) and not caught.of_ads:
                raise
            answer = self._get(path, narrow, token, page_id, edge)
            self._note_no_ad_fields(key, caught)
            log.info("leads_read_without_ad_fields", page_id=page_id, code=caught.code)
            return answer

    def _note_no_ad_fields(self, key: str, caught: LeadloopError) -> None:
        if isinstance(caught, RateLimited):
            self._memory.note_no_ad_fields(key, self._now(), lasts=timedelta(seconds=caught.retry_after_s or 0.0))
        elif not isinstance(caught, NotReadable):  # a lead just sent may have become readable between the two calls
            self._memory.note_no_ad_fields(key, self._now())

    def _get_narrowing(
        self, path: str, params: dict[str, str], lists: tuple[str, str], token: str, page_id: str, edge: str
    ) -> Json:
        wide, narrow = lists
        try:
            return self._get(path, params | {"fields": wide}, token, page_id, edge)
        except (PermissionMissing, BadRequest):
            return self._get(path, params | {"fields": narrow}, token, page_id, edge)

    def _get_list(self, path: str, params: dict[str, str], read: Callable[[dict[str, str]], Json]) -> Json:
        """One page of a list, with fewer rows for as long as Graph finds them too much; down to a single one."""
        rows = self._memory.page_size(path, PAGE_SIZE)
        while True:
            try:
                return read(params | {"limit": str(rows)})
            except TooMuchData:
                if rows <= 1:
                    raise
                rows //= 2
                self._memory.note_page_size(path, rows)

    def _read_all(self, path: str, page_id: str | None, read: Callable[[dict[str, str]], Json]) -> list[Json]:
        """Every row of a list. Raises GarbageAnswer for one that goes round in circles or has no end."""
        found: list[Json] = []
        after, seen = "", set[str]()
        for _ in range(MOST_LIST_PAGES):
            answer = self._get_list(path, {"after": after} if after else {}, read)
            rows = parse_rows(answer)
            if rows is None:
                raise _bad_list(page_id)
            found += rows
            after = parse_next(answer) or ""
            if not after:
                return found
            if after in seen:
                raise _bad_list(page_id)
            seen.add(after)
        raise _bad_list(page_id)

    # --- the door ----------------------------------------------------------------------------------------------------

    def _get(self, path: str, params: dict[str, str], token: str, page_id: str | None, edge: str) -> Json:
        return self._door.call(Ask("GET", path, params, edge, page_id), token)


def _checked_id(value: str | None, name: str) -> str:
    found = id_text(value)
    if found is None:
        raise bad_id(name)
    return found


def _lead_not_readable(message: str, code: str) -> LeadNotReadable:
    return LeadNotReadable(message, code=code, action=LEADS_ACCESS, give_up_after_s=GIVE_UP_UNREADABLE_S)


def _bad_app_token(rejected: TokenRejected) -> ProofRejected:
    return ProofRejected(
        "Graph does not accept the app's own token, made of META_APP_ID and META_APP_SECRET.",
        code=rejected.code,
        action=CHECK_APP,
        scope="lane",
    )


def _bad_list(page_id: str | None) -> GarbageAnswer:
    about = f" (Page {page_id})" if page_id else ""
    return GarbageAnswer(
        f"Graph's list goes round in circles, has no end, or is none{about}.",
        code="graph_garbage",
        action="Nothing: leadloop tries again. If it stays so, report it.",
    )
