"""fbc and fbp: Meta's click id and browser id, read as a website stored them, or built from the fbclid of a link.

Case matters in both. Sources: Meta, "ClickID and the fbp and fbc parameters" and "Parameter Builder Library", read 2026-11.
"""

import re
from datetime import UTC, datetime, timedelta

from leadloop.texts import drop_invisible

_LONGEST = 1000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# fb.{subdomain index}.{creation time, ms}.{payload}, and an appendix that Meta's Parameter Builder adds.
_BROWSER_VALUE = re.compile(r"fb\.[0-9]{1,3}\.([0-9]{1,16})\.[!-\-/-~]+(?:\.(?:AQ|Ag|Aw|BA|BQ|Bg|[A-Za-z0-9_-]{8}))?")
_FBCLID = re.compile(r"[!-\-/-~]+")  # ASCII without blanks and dots
_WITHOUT_COOKIE = 1  # the subdomain index of a value made on a server


def normal_fbc(text: str) -> str | None:
    """A `_fbc` as it stands in the cookie, blanks around it removed; None when it is none. A bare fbclid is none."""
    text = drop_invisible(text).strip()
    return text if len(text) <= _LONGEST and _BROWSER_VALUE.fullmatch(text) else None


def normal_fbp(text: str) -> str | None:
    """A `_fbp` as it stands in the cookie; None when it is none. It has the shape of an fbc."""
    return normal_fbc(text)


def build_fbc(fbclid: str, clicked_at: datetime) -> str | None:
    """The fbc of a link's `fbclid` first seen at `clicked_at` (aware); None when that cannot be an fbclid."""
    fbclid = drop_invisible(fbclid).strip()
    if len(fbclid) > _LONGEST - 40 or not _FBCLID.fullmatch(fbclid) or clicked_at < _EPOCH:
        return None
    return f"fb.{_WITHOUT_COOKIE}.{(clicked_at - _EPOCH) // timedelta(milliseconds=1)}.{fbclid}"


def find_click_ms(fbc: str) -> int | None:
    """When the click id of an fbc was first seen, in milliseconds since 1970; None when it is no fbc."""
    match = _BROWSER_VALUE.fullmatch(fbc)
    return int(match[1]) if match else None
