"""Meta's notices, read: the body of a webhook POST becomes lead notices, updates, Pages whose notice names no lead, and a
count of what is not used yet.

Pure, and it never raises: what cannot be read is named and its neighbours are not touched.
Source: Meta ingestion facts §1.5, §1.8, §2.1, §2.2, §3.1 (read 2026-11-22).
"""

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, pre_load

MOST_UPDATES = 20_000  # Meta sends at most 1,000 a POST; a signed body with more is still read up to here
LONGEST_ID = 40
MOST_DOUBLED = 20
INCLUDE_VALUES = "switch Include Values on in App dashboard > Webhooks > Page"


@dataclass(frozen=True)
class LeadgenNotice:
    """A form was sent: ids as text, `created_at` aware UTC. `entry_is_zero`: as in the samples of Meta's dashboard."""

    leadgen_id: str
    page_id: str
    form_id: str | None
    ad_id: str | None
    created_at: datetime | None
    entry_is_zero: bool = False


@dataclass(frozen=True)
class LeadgenUpdate:
    """Meta changed an existing lead (`area`, `event` are open vocabularies)."""

    leadgen_id: str
    page_id: str
    form_id: str | None
    ad_id: str | None
    updated_at: datetime | None
    area: str | None
    event: str | None
    updated_fields: tuple[str, ...]
    entry_is_zero: bool = False


@dataclass(frozen=True)
class BlankNotice:
    """Forms of this Page were sent, and the notice does not say which: Include Values is off."""

    page_id: str
    sent_at: datetime | None


@dataclass(frozen=True)
class EventContent:
    """What one POST holds. `unused` counts fields kept for a later reader, `problems` says what could not be read."""

    leads: list[LeadgenNotice] = field(default_factory=list)
    updates: list[LeadgenUpdate] = field(default_factory=list)
    blanks: list[BlankNotice] = field(default_factory=list)
    unused: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """read, kept (nothing used yet), partly (some of it unreadable) or unreadable."""
        used = bool(self.leads or self.updates or self.blanks)
        if self.problems:
            return "partly" if used or self.unused else "unreadable"
        return "read" if used else "kept"

    @property
    def reason(self) -> str | None:
        """Why, in plain words; None when everything was read."""
        parts = list(self.problems[:5])
        if len(self.problems) > 5:
            parts.append(f"and {len(self.problems) - 5} more")
        if self.unused:
            listed = ", ".join(f"{name} ({count})" for name, count in sorted(self.unused.items())[:10])
            parts.append(f"kept for a later reader: {listed}")
        return "; ".join(parts)[:1000] or None


class IdText(fields.Field[str]):
    """An id as text, whether it came as a JSON string or as a number of any size."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not (isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= LONGEST_ID):
            raise ValidationError("not an id (digits)")
        return value


class UnixTime(fields.Field[datetime]):
    """Unix seconds or milliseconds, as number or text; above 10^11 it is milliseconds."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        try:
            number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else -1.0
            number = number / 1000 if number > 1e11 else number
            if not 0 < number < 1e11:
                raise ValueError
            return datetime.fromtimestamp(number, UTC)
        except (ValueError, OverflowError, OSError) as caught:
            raise ValidationError("not a Unix time") from caught


class LeadgenValue(Schema):
    """`value` of a leadgen change. Only the lead's id is indispensable: what else is wrong is left out."""

    class Meta:
        unknown = EXCLUDE

    leadgen_id = IdText(required=True)
    page_id = IdText(load_default=None)
    form_id = IdText(load_default=None)
    ad_id = IdText(load_default=None)
    created_time = UnixTime(load_default=None)
    updated_time = UnixTime(load_default=None)
    area = fields.String(load_default=None)
    event = fields.String(load_default=None)
    updated_fields = fields.List(fields.String(), load_default=list)

    @pre_load
    def drop_unusable(self, data: Any, **_kwargs: Any) -> Any:
        """An unusable optional part must not cost the lead: it is dropped, and Graph tells it later anyway."""
        if not isinstance(data, dict):
            return data
        kept: dict[str, Any] = {}
        for name, value in data.items():
            declared = self.fields.get(name)
            if declared is None:
                continue
            if name != "leadgen_id":
                try:
                    declared.deserialize(value)
                except ValidationError:
                    continue
            kept[name] = value
        return kept


_LEADGEN = LeadgenValue()


_BEGINS_WITH_OBJECT = re.compile(rb'\{"object": ?"([a-z_]{1,64})",')


def sniff_object(body: bytes) -> str | None:
    """Meta's `object` of a body, or None when it is not JSON of that shape. Never raises.

    Read before the answer, so a body that begins with it, as Meta's do, is not parsed for it.
    """
    begins = _BEGINS_WITH_OBJECT.match(body)
    if begins is not None:
        return begins.group(1).decode("ascii")
    try:
        parsed = _parse(body)
    except ValueError:
        return None
    found = parsed.get("object") if isinstance(parsed, dict) else None
    return found if isinstance(found, str) and len(found) <= 64 and found.isprintable() else None


def read_event(body: bytes) -> EventContent:
    """All that one POST says."""
    content = EventContent()
    doubled: set[str] = set()
    try:
        parsed = _parse(body, doubled)
    except ValueError as caught:
        content.problems.append(f"the body is not JSON ({type(caught).__name__})")
        return content
    entries = parsed.get("entry") if isinstance(parsed, dict) else None
    if not isinstance(entries, list):
        content.problems.append("the body has no list `entry`")
        return content
    content.problems.extend(f"the key {_word(name)} stands twice in one object" for name in sorted(doubled))
    about = _word(parsed.get("object")) if isinstance(parsed.get("object"), str) else "?"
    for position, entry in enumerate(entries):
        found = len(content.leads) + len(content.updates) + len(content.blanks) + content.unused.total()
        if found >= MOST_UPDATES:
            content.problems.append(f"more than {MOST_UPDATES} updates in one body; the rest is kept unread")
            break
        if isinstance(entry, dict):
            _read_entry(content, entry, f"entry[{position}]", about)
        else:
            content.problems.append(f"entry[{position}] is not an object")
    return content


def _parse(body: bytes, doubled: set[str] | None = None) -> Any:
    """The JSON of a body; into `doubled` go names that stand twice in one object."""

    def join(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        return found if len(found) == len(pairs) else _join(pairs, doubled)

    try:
        # A number of thousands of digits would fail the whole body; as text it costs only its own change.
        return json.loads(
            body,
            parse_int=lambda text: int(text) if len(text) <= LONGEST_ID else text,
            object_pairs_hook=None if doubled is None else join,
        )
    except RecursionError as caught:
        raise ValueError("nested too deeply") from caught


def _join(pairs: list[tuple[str, Any]], doubled: set[str] | None) -> dict[str, Any]:
    """An object with a name in it twice. JSON leaves open which counts; of two lists neither may hide the other."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        earlier = found.get(name)
        if name in found and doubled is not None and len(doubled) < MOST_DOUBLED:
            doubled.add(name)
        if isinstance(earlier, list) and isinstance(value, list):
            earlier.extend(value)
        else:
            found[name] = value
    return found


def _read_entry(content: EventContent, entry: dict[str, Any], where: str, about: str) -> None:
    for name in ("messaging", "standby"):
        elements = entry.get(name)
        if isinstance(elements, list):
            content.unused[f"{about}.{name}"] += len(elements)
        elif elements is not None:
            content.problems.append(f"{where}.{name} is not a list")
    named = entry.get("changed_fields")
    if isinstance(named, list) and not entry.get("changes"):
        _read_blank(content, entry, named, where, about)
    if isinstance(entry.get("field"), str):  # Instagram Login sends the change flat in the entry
        _read_change(content, entry, where, entry.get("id"), about)
    changes = entry.get("changes")
    if changes is None:
        return
    if not isinstance(changes, list):
        content.problems.append(f"{where}.changes is not a list")
        return
    for position, change in enumerate(changes):
        _read_change(content, change, f"{where}.changes[{position}]", entry.get("id"), about)


def _read_blank(content: EventContent, entry: dict[str, Any], named: list[Any], where: str, about: str) -> None:
    """Include Values is off: the notice names fields, and nothing that changed in them."""
    page_id = _entry_page(entry.get("id"))
    for name in named:
        if name != "leadgen":
            content.unused[f"{about}.{_word(name)} without values ({INCLUDE_VALUES})"] += 1
    if "leadgen" not in named:
        return
    if page_id is None:
        content.problems.append(f"{where} names no Page")
        return
    try:
        sent_at = UnixTime().deserialize(entry.get("time"))
    except ValidationError:
        sent_at = None
    content.blanks.append(BlankNotice(page_id, sent_at))
    content.problems.append(f"{where} says that a form was sent and not which: {INCLUDE_VALUES}")


def _read_change(content: EventContent, change: Any, where: str, entry_id: Any, about: str) -> None:
    if not isinstance(change, dict) or not isinstance(change.get("field"), str):
        content.problems.append(f"{where} has no text `field`")
        return
    name = change["field"]
    if name not in ("leadgen", "leadgen_update"):
        content.unused[f"{about}.{_word(name)}"] += 1
        return
    try:
        value = _LEADGEN.load(change.get("value") or {})
    except (ValidationError, TypeError, AttributeError, RecursionError):
        content.problems.append(f"{where}.value.leadgen_id is not an id (digits)")
        return
    page_id = value["page_id"] or _entry_page(entry_id)
    if page_id is None:
        content.problems.append(f"{where} names no Page")
    elif name == "leadgen":
        content.leads.append(
            LeadgenNotice(
                value["leadgen_id"],
                page_id,
                value["form_id"],
                value["ad_id"],
                value["created_time"],
                entry_is_zero=_is_zero(entry_id),
            )
        )
    else:
        content.updates.append(
            LeadgenUpdate(
                value["leadgen_id"],
                page_id,
                value["form_id"],
                value["ad_id"],
                value["updated_time"],
                _word(value["area"]) if value["area"] else None,
                _word(value["event"]) if value["event"] else None,
                tuple(_word(name) for name in value["updated_fields"][:50]),
                entry_is_zero=_is_zero(entry_id),
            )
        )


def _is_zero(entry_id: Any) -> bool:
    return not isinstance(entry_id, bool) and entry_id in (0, "0")


def _entry_page(entry_id: Any) -> str | None:
    try:
        found = IdText().deserialize(entry_id)
    except ValidationError:
        return None
    return found if found.strip("0") else None


def _word(name: Any) -> str:
    text = name if isinstance(name, str) else type(name).__name__
    return "".join(character if character.isalnum() or character in "_-." else "?" for character in text[:48])
