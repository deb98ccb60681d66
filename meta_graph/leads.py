"""Leads and lists of leads: what is asked, and what an answer must have to be taken for one. Pure.

Source: Meta ingestion facts §5.1, §5.2, read 2026-11-22.
"""

import hashlib
import hmac
import json
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from leadloop.graph_values import id_text
from leadloop.ports import LeadPage

PAGE_SIZE = 100  # rows of a list asked for at once; halved when Graph finds that too much
_IDS = ("id", "form_id", "ad_id", "adset_id", "campaign_id")


def build_proof(app_secret: str, token: str) -> str:
    """appsecret_proof: hex HMAC-SHA256 of the token, keyed with the app secret. Source: facts §6.2."""
    return hmac.new(app_secret.encode(), token.encode(errors="surrogatepass"), hashlib.sha256).hexdigest()


def build_since(since: datetime | None) -> dict[str, str]:
    """The filter "sent at or after": the name is time_created and the value Unix seconds; anything else is silently
    ignored by Graph, which then returns everything. ValueError for a naive time."""
    if since is None:
        return {}
    if since.tzinfo is None:
        raise ValueError("since must be an aware datetime")
    rule = {"field": "time_created", "operator": "GREATER_THAN_OR_EQUAL", "value": int(since.timestamp())}
    return {"filtering": json.dumps([rule], separators=(",", ":"))}


def parse_lead(answer: Any) -> dict[str, Any] | None:
    """A lead as Graph tells it, its ids as text; None when it has no id. `field_data` is a list, or not there."""
    if not isinstance(answer, dict) or id_text(answer.get("id")) is None:
        return None
    lead = answer | {name: text for name in _IDS if (text := id_text(answer.get(name))) is not None}
    if not isinstance(lead.get("field_data"), list):
        lead.pop("field_data", None)
    return lead


def parse_next(answer: dict[str, Any]) -> str | None:
    """The cursor of the next page of a list, None on the last: Graph names a cursor there too, but no `next`.

    `next` itself is never called: it is a URL out of an answer, and may carry a token.
    """
    paging = answer.get("paging")
    if not isinstance(paging, dict) or not isinstance(paging.get("next"), str):
        return None
    cursors = paging.get("cursors")
    after = cursors.get("after") if isinstance(cursors, dict) else None
    if isinstance(after, str) and after:
        return after
    try:
        found = parse_qs(urlsplit(paging["next"]).query).get("after")
    except ValueError:
        return None
    return found[0] if found else None


def parse_rows(answer: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The objects of a list; None when there is no list."""
    rows = answer.get("data")
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else None


def parse_lead_page(answer: dict[str, Any]) -> LeadPage | None:
    """One page of leads; rows without an id are left out. None when there is no list."""
    rows = parse_rows(answer)
    if rows is None:
        return None
    return LeadPage([lead for row in rows if (lead := parse_lead(row)) is not None], parse_next(answer))
