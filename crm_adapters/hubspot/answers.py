"""Reading HubSpot's answers, of whatever shape they turn out to be."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from crm_adapters.base import CrmField, RemoteRef, garbage
from crm_adapters.hubspot.errors import LABEL
from leadloop.errors import Retryable

_RECORD_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_TYPES = {"string": "text", "number": "number", "date": "date", "datetime": "datetime", "enumeration": "choice"}


def odd(url: str) -> Retryable:
    """The error of a success that does not say what HubSpot says."""
    return garbage(url, label=LABEL, what="JSON that is not of its usual shape")


def contact_of(row: Any, url: str) -> RemoteRef:
    """The contact of one row, with its page in HubSpot where the answer tells it."""
    found = row.get("id") if isinstance(row, dict) else None
    if not (isinstance(found, str) and _RECORD_ID.fullmatch(found)):
        raise odd(url)
    link = row.get("url")
    return RemoteRef("contact", found, link if isinstance(link, str) and is_hubspot_page(link) else None)


def rows_of(found: Any, name: str) -> list[dict[str, Any]]:
    listed = found.get(name) if isinstance(found, dict) else None
    return [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []


def note_texts(rows: list[dict[str, Any]]) -> Iterator[str]:
    for row in rows:
        properties = row.get("properties")
        body = properties.get("hs_note_body") if isinstance(properties, dict) else None
        if isinstance(body, str):
            yield body


def field_of(row: dict[str, Any]) -> CrmField:
    metadata = row.get("modificationMetadata")
    read_only = row.get("calculated") is True or (isinstance(metadata, dict) and metadata.get("readOnlyValue") is True)
    shown = [
        one for one in rows_of(row, "options") if one.get("hidden") is not True and isinstance(one.get("value"), str)
    ]
    kind = "boolean" if row.get("type") == "bool" else _TYPES.get(str(row.get("type")), "text")
    return CrmField(
        name=row["name"],
        label=str(row.get("label") or row["name"]),
        type=kind,
        read_only=read_only,
        options=tuple(one["value"] for one in shown),
    )


def is_hubspot_page(link: str) -> bool:
    try:
        parts = urlsplit(link)
    except ValueError:
        return False
    host = parts.hostname or ""
    return len(link) <= 500 and parts.scheme == "https" and (host == "hubspot.com" or host.endswith(".hubspot.com"))
