"""A pretend HubSpot, written from the CRM facts §1: it refuses what the real one refuses, in the real one's words."""

import json
import re
from collections.abc import Callable
from typing import Any

from crm_adapters.conformance import FakeCrm, Received, Reply

TOKEN = "pat-eu1-00000000-aaaa-bbbb-cccc-000000000000"
READ, WRITE = "crm.objects.contacts.read", "crm.objects.contacts.write"
SCHEMA_READ, SCHEMA_WRITE = "crm.schemas.contacts.read", "crm.schemas.contacts.write"
OWNERS_READ = "crm.objects.owners.read"
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
BUILT_IN = (
    *("firstname", "lastname", "email", "phone", "company", "jobtitle", "address", "city", "state", "zip", "country"),
    *("hubspot_owner_id", "lifecyclestage"),
)


class Refusal(Exception):
    """A request that HubSpot does not do."""

    def __init__(self, status: int, category: str, message: str, **more: Any) -> None:
        super().__init__(message)
        said = {"status": "error", "message": message, "correlationId": "c-1", "category": category}
        self.reply = Reply(status, said | more)


class FakeHubSpot(FakeCrm):
    """One portal. `key` is the unique property; with fresh=True it has to be made first, as in a real new portal."""

    fresh = False
    key = "meta_lead_id"

    def __init__(self) -> None:
        super().__init__()
        self.scopes = {READ, WRITE, SCHEMA_READ, SCHEMA_WRITE, OWNERS_READ}
        self.owners = {"9001"}
        self.contacts: dict[str, dict[str, str]] = {}
        self.kept_notes: dict[str, dict[str, Any]] = {}
        self.answers_207 = False
        self.properties: dict[str, dict[str, Any]] = {}
        for name in BUILT_IN:
            self.add_property(name)
        self.add_property("language", type="enumeration", options=[{"label": "Türkçe", "value": "tr", "hidden": False}])
        self.add_property("hs_object_id", modificationMetadata={"readOnlyValue": True})
        if not self.fresh:
            self.add_property(self.key, hasUniqueValue=True)
            self.add_property("meta_lead_source")
        self.next_id = 500

    def add_property(self, name: str, **more: Any) -> None:
        self.properties[name] = {
            "name": name,
            "label": name.title(),
            "type": "string",
            "fieldType": "text",
            "groupName": "contactinformation",
            "hasUniqueValue": False,
            "hidden": False,
            "options": [],
        } | more

    def records(self) -> list[Any]:
        return list(self.contacts.values())

    def notes(self) -> list[Any]:
        return list(self.kept_notes.values())

    # --- requests -----------------------------------------------------------------------------------------------------

    def answer(self, request: Received) -> Reply:
        try:
            return self.route(request)
        except Refusal as refusal:
            return refusal.reply

    def route(self, request: Received) -> Reply:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            raise Refusal(401, "INVALID_AUTHENTICATION", "Authentication credentials not found.")
        for method, pattern, scope, handler in self.routes():
            match = re.fullmatch(pattern, request.path)
            if match and method == request.method:
                if scope not in self.scopes:
                    context = {"missingScopes": [scope]}
                    message = "This app hasn't been granted all required scopes to make this call."
                    raise Refusal(403, "MISSING_SCOPES", message, context=context)
                return handler(request, *match.groups())
        return Reply(404, b"<html>no such page</html>", {"Content-Type": "text/html"})

    def routes(self) -> list[tuple[str, str, str, Callable[..., Reply]]]:
        contacts, notes = "/crm/objects/2026-09/contacts", "/crm/objects/2026-09/notes"
        properties = "/crm/properties/2026-09/contacts"
        return [
            ("POST", f"{contacts}/batch/upsert", WRITE, self.upsert),
            ("POST", f"{contacts}/batch/read", READ, self.read_contacts),
            ("GET", f"{contacts}/(\\d+)", READ, self.read_contact),
            ("PATCH", f"{contacts}/(\\d+)", WRITE, self.patch_contact),
            ("POST", notes, WRITE, self.add_note),
            ("POST", f"{notes}/batch/read", READ, self.read_notes),
            ("GET", properties, SCHEMA_READ, self.list_properties),
            ("POST", properties, SCHEMA_WRITE, self.make_property),
            ("GET", f"{properties}/(\\w+)", SCHEMA_READ, self.read_property),
            ("GET", "/crm/owners/2026-09/(\\d+)", OWNERS_READ, self.read_owner),
        ]

    def upsert(self, request: Received) -> Reply:
        inputs = self.inputs(request)
        if len({one.get("id") for one in inputs}) < len(inputs):
            raise Refusal(400, "VALIDATION_ERROR", "Duplicate IDs found in batch input")
        rows, errors = [], []
        for one in inputs:
            try:
                rows.append(self.upsert_one(one))
            except Refusal as refusal:
                if not self.answers_207:
                    raise
                errors.append(refusal.reply.body)
        said = {"status": "COMPLETE", "results": rows, "errors": errors, "numErrors": len(errors)}
        return Reply(207 if errors else 200, said)

    def upsert_one(self, one: dict[str, Any]) -> dict[str, Any]:
        by, value, given = one.get("idProperty"), one.get("id"), one.get("properties")
        if not by or not isinstance(value, str) or not isinstance(given, dict):
            raise Refusal(400, "VALIDATION_ERROR", "Each input needs id, idProperty and properties")
        if not self.properties.get(by, {}).get("hasUniqueValue"):
            raise Refusal(400, "VALIDATION_ERROR", f"Unable to perform update/upsert by non-unique 0-1 property {by}")
        self.validate(given)
        found = next((key for key, kept in self.contacts.items() if kept.get(by) == value), None)
        if found is None and not any(given.get(name) for name in ("email", "firstname", "lastname")):
            raise Refusal(400, "VALIDATION_ERROR", "One of email, firstname or lastname is required")
        self.check_unique(given, other_than=found)
        new = found is None
        if found is None:
            self.next_id += 1
            found = str(self.next_id)
        self.contacts.setdefault(found, {}).update({**given, by: value})
        return self.row(found) | {"new": new}

    def read_contacts(self, request: Received) -> Reply:
        body = self.body(request)
        by = body.get("idProperty", "hs_object_id")
        wanted = [one["id"].lower() for one in self.inputs(request)]
        rows = [self.row(key) for key, kept in self.contacts.items() if str(kept.get(by, key)).lower() in wanted]
        return Reply(200, {"status": "COMPLETE", "results": rows})

    def read_contact(self, request: Received, key: str) -> Reply:
        if key not in self.contacts:
            raise Refusal(404, "OBJECT_NOT_FOUND", "resource not found")
        row = self.row(key)
        listed = [
            {"id": note, "type": "contact_to_note"} for note, kept in self.kept_notes.items() if kept["to"] == key
        ]
        if "notes" in request.query.get("associations", "").split(",") and listed:
            row["associations"] = {"notes": {"results": listed}}
        return Reply(200, row)

    def patch_contact(self, request: Received, key: str) -> Reply:
        given = self.body(request)["properties"]
        if key not in self.contacts:
            raise Refusal(404, "OBJECT_NOT_FOUND", "resource not found")
        self.validate(given)
        self.check_unique(given, other_than=key)
        self.contacts[key].update(given)
        return Reply(200, self.row(key))

    def add_note(self, request: Received) -> Reply:
        body = self.body(request)
        given, to = body.get("properties"), body.get("associations")
        if not isinstance(given, dict) or not given.get("hs_timestamp"):
            raise Refusal(400, "VALIDATION_ERROR", "hs_timestamp is required")
        if len(given.get("hs_note_body", "").encode("utf-16-le")) // 2 > 65_536:
            raise Refusal(400, "VALIDATION_ERROR", "hs_note_body is too long")
        if not to or to[0]["types"] != [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 202}]:
            raise Refusal(400, "VALIDATION_ERROR", "associations are not valid")
        if to[0]["to"]["id"] not in self.contacts:
            raise Refusal(404, "OBJECT_NOT_FOUND", "the contact does not exist")
        self.next_id += 1
        self.kept_notes[str(self.next_id)] = {"to": to[0]["to"]["id"], **given}
        return Reply(201, {"id": str(self.next_id), "properties": given})

    def read_notes(self, request: Received) -> Reply:
        wanted = [one["id"] for one in self.inputs(request)]
        rows = [{"id": key, "properties": kept} for key, kept in self.kept_notes.items() if key in wanted]
        return Reply(200, {"status": "COMPLETE", "results": rows})

    def list_properties(self, request: Received) -> Reply:
        return Reply(200, {"results": list(self.properties.values())})

    def read_property(self, request: Received, name: str) -> Reply:
        if name not in self.properties:
            raise Refusal(404, "OBJECT_NOT_FOUND", f"The property named {name} does not exist")
        return Reply(200, self.properties[name])

    def make_property(self, request: Received) -> Reply:
        given = self.body(request)
        if not all(given.get(name) for name in ("name", "label", "type", "fieldType", "groupName")):
            raise Refusal(400, "VALIDATION_ERROR", "name, label, type, fieldType and groupName are required")
        if given["name"] in self.properties:
            raise Refusal(409, "CONFLICT", "A property with this name exists already")
        self.add_property(**given)
        return Reply(201, given)

    def read_owner(self, request: Received, owner_id: str) -> Reply:
        if owner_id not in self.owners:
            raise Refusal(404, "OBJECT_NOT_FOUND", "resource not found")
        return Reply(200, {"id": owner_id, "email": "rep@example.test", "type": "PERSON"})

    # --- rules --------------------------------------------------------------------------------------------------------

    def body(self, request: Received) -> dict[str, Any]:
        found = request.json()
        if not isinstance(found, dict):
            raise Refusal(400, "VALIDATION_ERROR", "Invalid input JSON")
        return found

    def inputs(self, request: Received) -> list[dict[str, Any]]:
        found = self.body(request).get("inputs")
        if not isinstance(found, list) or not found:
            raise Refusal(400, "VALIDATION_ERROR", "inputs must not be empty")
        if len(found) > 100:
            raise Refusal(400, "VALIDATION_ERROR", "The maximum number of inputs is 100")
        return found

    def validate(self, given: dict[str, str]) -> None:
        problems = [problem for name, value in given.items() if (problem := self.problem(name, value))]
        if problems:
            entries = [
                {"isValid": False, "message": text, "error": code, "name": name} for code, name, text in problems
            ]
            errors = [
                {"message": text, "code": code, "context": {"propertyName": [name]}} for code, name, text in problems
            ]
            message = f"Property values were not valid: {json.dumps(entries)}"
            raise Refusal(400, "VALIDATION_ERROR", message, errors=errors)

    def problem(self, name: str, value: Any) -> tuple[str, str, str] | None:
        known = self.properties.get(name)
        if known is None:
            return "PROPERTY_DOESNT_EXIST", name, f'Property "{name}" does not exist'
        if known.get("modificationMetadata", {}).get("readOnlyValue"):
            return "READ_ONLY_VALUE", name, f'"{name}" is a read only property'
        if not isinstance(value, str):
            return "INVALID_STRING", name, f"{value!r} is not a string"
        if name == "email" and value and not EMAIL.fullmatch(value):
            return "INVALID_EMAIL", name, f"Email address {value} is invalid"
        options = [one["value"] for one in known["options"]]
        if options and value and value not in options:
            return "INVALID_OPTION", name, f"{value} was not one of the allowed options: {options}"
        if "\x00" in value or len(value) > 65_536:
            return "VALUE_TOO_LONG", name, f"{value[:20]} cannot be stored"
        return None

    def check_unique(self, given: dict[str, str], *, other_than: str | None) -> None:
        for key, kept in self.contacts.items():
            if key == other_than:
                continue
            if given.get("email") and given["email"].lower() == kept.get("email", "").lower():
                raise Refusal(409, "CONFLICT", f"Contact already exists. Existing ID: {key}")
            if given.get(self.key) and given[self.key] == kept.get(self.key):
                raise Refusal(400, "VALIDATION_ERROR", f"{key} already has that value for property {self.key}")

    def row(self, key: str) -> dict[str, Any]:
        return {
            "id": key,
            "properties": dict(self.contacts[key]),
            "createdAt": "2026-11-22T09:00:00Z",
            "updatedAt": "2026-11-22T09:00:00Z",
            "archived": False,
            "url": f"https://app-eu1.hubspot.com/contacts/700001/record/0-1/{key}",
        }


class FreshHubSpot(FakeHubSpot):
    """A portal that never heard of leadloop."""

    fresh = True
