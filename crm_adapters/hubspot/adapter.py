"""HubSpot: one contact for each person, and a note with the answers. Paths and rules: CRM facts §1, read 2026-11-22."""

from collections.abc import Mapping
from typing import Any

from crm_adapters.base import (
    MASK,
    Check,
    CrmAdapter,
    CrmField,
    Earlier,
    Preview,
    RemoteRef,
    checked,
    flat,
)
from crm_adapters.hubspot.answers import contact_of, field_of, note_texts, odd, rows_of
from crm_adapters.hubspot.errors import LABEL, Problem, error_of, problem_of, read_problem, refused
from crm_adapters.hubspot.settings import HubSpotSettings
from crm_adapters.notes import build_note_html, has_marker
from leadloop.errors import LeadloopError, NeedsHuman, Retryable
from leadloop.http import HttpAnswer, host_of
from leadloop.leads import LeadCard, iso_utc
from leadloop.texts import clean_text

VERSION = "2026-09"
CONTACTS = f"/crm/objects/{VERSION}/contacts"
NOTES = f"/crm/objects/{VERSION}/notes"
PROPERTIES = f"/crm/properties/{VERSION}/contacts"
OWNERS = f"/crm/owners/{VERSION}"
LONGEST = 65_536
NOTE_TO_CONTACT = 202
SOURCE_PROPERTY = "meta_lead_source"
_NAMING = ("email", "firstname", "lastname")  # a contact needs one of them


class HubSpot(CrmAdapter):
    """HubSpot contacts, one for each person, with a note that holds the questions and answers."""

    kind = "hubspot"
    label = LABEL
    settings_schema = HubSpotSettings
    default_fields = {
        "firstname": "{first_name}",
        "lastname": "{last_name}",
        "email": "{email}",
        "phone": "{phone}",
        "company": "{company}",
        "jobtitle": "{job_title}",
        "address": "{street_address}",
        "city": "{city}",
        "state": "{state}",
        "zip": "{postal_code}",
        "country": "{country}",
        SOURCE_PROPERTY: "Meta lead ads",
    }
    max_in_flight = 10  # the smallest plan allows 100 calls in 10 s
    steps: tuple[str, ...] = ("note",)
    offers_fields = True
    docs = "docs/crm/hubspot.md"

    def __init__(self, settings: Mapping[str, Any], **given: Any) -> None:
        super().__init__(settings, **given)
        self._api = settings["api_url"].rstrip("/")
        self._key = settings["lead_id_property"]
        self._unseen: set[str] = set()  # leads whose contact this instance has just created: it cannot have a note yet
        if not settings["note"]:
            self.steps = ()

    # --- the contact ------------------------------------------------------------------------------------------------

    def push_lead(self, lead: LeadCard, earlier: Earlier) -> RemoteRef:
        """Create the contact, or update the one that has this lead's id or e-mail address. Safe to repeat."""
        sent = self._properties(lead, new=earlier.ref is None)
        problem = self._upsert(lead, sent)
        if isinstance(problem, Problem) and self._make_missing(problem, sent):
            problem = self._upsert(lead, sent)
            if isinstance(problem, Problem) and self._about_own(problem, sent):
                raise Retryable(f"{LABEL} does not know its new property yet.", code="hubspot_property_pending")
        if not isinstance(problem, Problem):
            return problem
        if problem.conflict:
            return self._join(lead, sent, problem)
        raise refused(problem, {*sent, self._key}, self._api)

    def _upsert(self, lead: LeadCard, sent: Mapping[str, str]) -> RemoteRef | Problem:
        """One contact by our own unique property. With that, unlike with the e-mail address, HubSpot takes part of the
        properties (facts §1)."""
        url = f"{self._api}{CONTACTS}/batch/upsert"
        found = self.call("POST", url, json_body=self._upsert_body(lead, sent), accept=(400, 404, 409))
        if isinstance(found, HttpAnswer):
            if found.status == 404:
                raise _no_api(url)
            return read_problem(found)
        rows, errors = rows_of(found, "results"), rows_of(found, "errors")
        if not rows and errors:  # 207: the batch as a whole went well, our row did not
            return problem_of(errors[0], status=207)
        ref = contact_of(rows[0] if rows else None, url)
        if rows[0].get("new") is True and self.steps:
            self._remember(lead)
        return ref

    def _join(self, lead: LeadCard, sent: Mapping[str, str], problem: Problem) -> RemoteRef:
        """The e-mail address is another contact's: that contact is the person, so it gets this lead. Its owner stays."""
        contact_id = problem.existing_id or self._find_by_email(sent.get("email"))
        if contact_id is None:
            raise refused(problem, {*sent, self._key}, self._api)
        changed = {name: value for name, value in sent.items() if name != "hubspot_owner_id"}
        url = f"{self._api}{CONTACTS}/{contact_id}"
        body = {"properties": changed | {self._key: lead.leadgen_id}}
        found = self.call("PATCH", url, json_body=body, accept=(400, 409))
        if not isinstance(found, HttpAnswer):
            return contact_of(found, url)
        again = read_problem(found)
        if again.conflict or self._key in again.message:  # a third contact holds this lead's id: it stays the record
            ref = self._upsert(lead, {name: value for name, value in changed.items() if name != "email"})
            if isinstance(ref, RemoteRef):
                return ref
        raise refused(again, {*sent, self._key}, url)

    def _find_by_email(self, email: str | None) -> str | None:
        """By POST, since an address in a URL would end up in logs."""
        if not email:
            return None
        body = {"idProperty": "email", "properties": ["email"], "inputs": [{"id": email}]}
        url = f"{self._api}{CONTACTS}/batch/read"
        found = self.call("POST", url, json_body=body, accept=(404,))
        rows = [] if isinstance(found, HttpAnswer) else rows_of(found, "results")
        return contact_of(rows[0], url).id if rows else None

    def _properties(self, lead: LeadCard, *, new: bool) -> dict[str, str]:
        """What is sent: nothing is ever cleared, so empty values are left out."""
        made = {name: _text(flat(value, join=";")) for name, value in lead.mapped.items()}
        sent = {name: text for name, text in made.items() if text and name != self._key}
        if not any(sent.get(name) for name in _NAMING):
            sent["lastname"] = _text(lead.full_name) or f"Meta lead {lead.leadgen_id}"
        if new and self.settings["owner_id"]:
            sent.setdefault("hubspot_owner_id", self.settings["owner_id"])
        return sent

    def _upsert_body(self, lead: LeadCard, sent: Mapping[str, str]) -> dict[str, Any]:
        return {"inputs": [{"idProperty": self._key, "id": lead.leadgen_id, "properties": dict(sent)}]}

    # --- the properties that we need --------------------------------------------------------------------------------

    def prepare(self) -> list[str]:
        """Make the property for the lead's id, and the one for the source, where they are missing."""
        return [f"contact property {name}" for name in (self._key, SOURCE_PROPERTY) if self._make(name)]

    def _own(self, sent: Mapping[str, str]) -> list[str]:
        return [self._key, *([SOURCE_PROPERTY] if SOURCE_PROPERTY in sent else [])]

    def _about_own(self, problem: Problem, sent: Mapping[str, str]) -> bool:
        """Whether a property of ours may be what is missing: it is named, or nothing else is."""
        own = self._own(sent)
        if problem.conflict:
            return False
        named = any(problem.lacks(name) or name in problem.message for name in own)
        return named or not problem.codes({*sent} - {*own})

    def _make_missing(self, problem: Problem, sent: Mapping[str, str]) -> bool:
        """Whether the problem was a property of ours that was missing and has been made, by us or by another thread."""
        if not self._about_own(problem, sent):
            return False
        made = [name for name in self._own(sent) if self._make(name)]
        return bool(made) or any(map(problem.lacks, self._own(sent)))

    def _make(self, name: str) -> bool:
        """Make one property unless it is there. True also when somebody else makes it at this moment."""
        if self._read_property(name):
            return False
        url = f"{self._api}{PROPERTIES}"
        found = self.call("POST", url, json_body=self._definition(name), accept=(400, 403, 409))
        if isinstance(found, HttpAnswer) and found.status != 409:
            raise NeedsHuman(
                f"{LABEL} ({host_of(url)}) does not let leadloop make the contact property {name} ({found.status}).",
                code="hubspot_property_not_made",
                action=f"Give the token the scope crm.schemas.contacts.write, or make the property yourself: internal name"
                f" {name}, single-line text{', with unique values' if name == self._key else ''}.",
                scope="lane",
            )
        return True

    def _read_property(self, name: str) -> bool:
        """Whether it exists. Raises NeedsHuman when it is ours to upsert by and does not have unique values."""
        url = f"{self._api}{PROPERTIES}/{name}"
        found = self.call("GET", url, accept=(404,))
        if isinstance(found, HttpAnswer):
            return False
        if not (isinstance(found, dict) and found.get("name") == name):
            raise odd(url)
        if name == self._key and found.get("hasUniqueValue") is not True:
            raise NeedsHuman(
                f"The {LABEL} contact property {name} does not have unique values, so leads cannot be told apart by it.",
                code="hubspot_property_not_unique",
                action="That cannot be changed in HubSpot afterwards: name another property in lead_id_property, which"
                " leadloop then makes.",
                scope="lane",
            )
        return True

    def _definition(self, name: str) -> dict[str, Any]:
        unique = name == self._key
        return {
            "name": name,
            "label": "Meta lead id" if unique else "Meta lead source",
            "description": "Set by leadloop." + (" Do not change: leads are found again by it." if unique else ""),
            "groupName": "contactinformation",
            "type": "string",
            "fieldType": "text",
            "hasUniqueValue": unique,
        }

    # --- the note ---------------------------------------------------------------------------------------------------

    def step_note(self, lead: LeadCard, ref: RemoteRef) -> None:
        """Add the note, unless the contact has one of this lead. Read by association, not by search, whose index lags."""
        if not self._is_unseen(lead) and self._has_note(lead, ref):
            return
        url = f"{self._api}{NOTES}"
        made = self.call("POST", url, json_body=self._note_body(lead, ref.id))
        if not (isinstance(made, dict) and isinstance(made.get("id"), str)):
            raise odd(url)

    def _has_note(self, lead: LeadCard, ref: RemoteRef) -> bool:
        url = f"{self._api}{CONTACTS}/{ref.id}"
        contact = self.call("GET", url, params={"associations": "notes", "properties": self._key})
        contact_of(contact, url)
        associated = contact.get("associations")
        listed = rows_of(associated.get("notes"), "results") if isinstance(associated, dict) else []
        ids = list(dict.fromkeys(row["id"] for row in listed if isinstance(row.get("id"), str)))
        return any(self._any_of_lead(lead, ids[start : start + 100]) for start in range(0, len(ids), 100))

    def _any_of_lead(self, lead: LeadCard, ids: list[str]) -> bool:
        body = {"properties": ["hs_note_body"], "inputs": [{"id": one} for one in ids]}
        found = self.call("POST", f"{self._api}{NOTES}/batch/read", json_body=body)
        rows = rows_of(found, "results")
        if not (isinstance(found, dict) and isinstance(found.get("results"), list)):
            raise odd(self._api)
        return any(has_marker(text, lead) for text in note_texts(rows))

    def _note_body(self, lead: LeadCard, contact_id: str) -> dict[str, Any]:
        properties = {
            "hs_timestamp": iso_utc(lead.created_at or lead.received_at or self.now()),
            "hs_note_body": build_note_html(lead, limit=LONGEST),
        }
        if self.settings["owner_id"]:
            properties["hubspot_owner_id"] = self.settings["owner_id"]
        kind = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": NOTE_TO_CONTACT}
        return {"properties": properties, "associations": [{"to": {"id": contact_id}, "types": [kind]}]}

    def _remember(self, lead: LeadCard) -> None:
        if len(self._unseen) > 5000:  # notes that never came: those leads are looked up, no more
            self._unseen.clear()
        self._unseen.add(lead.leadgen_id)

    def _is_unseen(self, lead: LeadCard) -> bool:
        try:
            self._unseen.remove(lead.leadgen_id)
        except KeyError:
            return False
        return True

    # --- what it can tell -------------------------------------------------------------------------------------------

    def preview(self, lead: LeadCard) -> list[Preview]:
        headers = {"Authorization": f"Bearer {MASK}", "Content-Type": "application/json"}
        body = self._upsert_body(lead, self._properties(lead, new=True))
        shown = [Preview("POST", f"{self._api}{CONTACTS}/batch/upsert", body, headers)]
        if "note" in self.steps:
            shown.append(Preview("POST", f"{self._api}{NOTES}", self._note_body(lead, "{id of the contact}"), headers))
        return shown

    def check(self) -> list[Check]:
        """The token and its scopes by calls that name no record, the property for the lead's id, the owner."""
        found = [
            checked("access token", self._check_read),
            checked("writing contacts and notes", self._check_write),
            checked("lead id property", self._check_property),
        ]
        if self.settings["owner_id"]:
            found.append(checked("owner", self._check_owner))
        return found

    def _check_read(self) -> str:
        self.call(
            "POST", f"{self._api}{CONTACTS}/batch/read", json_body={"properties": [], "inputs": []}, accept=(400,)
        )
        return "The token is accepted and may read contacts."

    def _check_write(self) -> str:
        self.call("POST", f"{self._api}{CONTACTS}/batch/upsert", json_body={"inputs": []}, accept=(400,))
        return "The token may write contacts and their notes."

    def _check_property(self) -> str:
        if self._read_property(self._key):
            return f"{self._key} is there and has unique values."
        self.call("POST", f"{self._api}{PROPERTIES}", json_body={}, accept=(400,))  # refused, but only after the scope
        return f"{self._key} is not there yet; it is made with the first lead."

    def _check_owner(self) -> str:
        owner_id = self.settings["owner_id"]
        found = self.call("GET", f"{self._api}{OWNERS}/{owner_id}", accept=(403, 404))
        if not isinstance(found, HttpAnswer):
            return f"{owner_id} is an owner."
        if found.status == 403:
            return f"{owner_id} cannot be looked up without the scope crm.objects.owners.read; it is sent as it is."
        raise NeedsHuman(
            f"There is no owner {owner_id}.",
            code="hubspot_owner",
            action="Put an owner's id into owner_id (Settings > Users & Teams shows users; GET /crm/owners has the ids).",
        )

    def read_fields(self) -> list[CrmField]:
        url = f"{self._api}{PROPERTIES}"
        rows = rows_of(self.call("GET", url), "results")
        if not rows:
            raise odd(url)
        return [field_of(row) for row in rows if isinstance(row.get("name"), str) and row.get("hidden") is not True]

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.settings['access_token']}"}

    def error_from(self, answer: HttpAnswer, url: str) -> LeadloopError:
        return error_of(answer, url)


def _text(text: str | None) -> str:
    """A value as HubSpot takes it: no NUL, no blanks around, at most 65,536 characters."""
    return clean_text(text or "").strip()[:LONGEST]


def _no_api(url: str) -> NeedsHuman:
    return NeedsHuman(
        f"{LABEL} ({host_of(url)}) does not have its API at this address (404).",
        code="http_404",
        action="Correct api_url in the connection's settings, or leave it out.",
        scope="lane",
    )
