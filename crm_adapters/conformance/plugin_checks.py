"""Checks of the plug-in itself: its words, its settings, what it shows before anything is sent, and its own checks."""

import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from marshmallow import Schema, ValidationError

from crm_adapters.base import (
    Check,
    CrmAdapter,
    CrmField,
    CrmNotice,
    NoticeRefused,
    Preview,
    load_settings,
    secret_fields,
)
from crm_adapters.conformance.failures import FAILURES, echo
from crm_adapters.conformance.people import fill, make_lead
from crm_adapters.conformance.server import FakeCrm, Reply
from crm_adapters.conformance.subject import Stage, Subject, demand, demand_private, watching
from leadloop.templates import TemplateError, parse_template

_SECRET_NAME = re.compile(r"secret|token|password|passphrase|api_?key|private_?key|credential", re.IGNORECASE)
_WRONG_TYPES: tuple[Any, ...] = ({"x": {"y": 1}}, [[]])
_WRONG: tuple[Any, ...] = (*_WRONG_TYPES, 12.5, -1, True, None, "", " ", "\x00", "a\r\nX-Injected: yes")


def words(subject: Subject) -> None:
    """The class says what it is: kind, label, one line of documentation, a page to read on, steps that exist."""
    adapter = subject.adapter
    demand(re.fullmatch(r"[a-z][a-z0-9_]{1,40}", getattr(adapter, "kind", "")), "kind must be short lower case")
    demand(getattr(adapter, "label", ""), "label is missing")
    demand((adapter.__doc__ or "").strip(), "the class has no documentation; its first line is shown in lists")
    demand(adapter.docs, "docs is missing: a page in docs/ or a URL")
    demand(issubclass(adapter.settings_schema, Schema), "settings_schema must be a marshmallow Schema class")
    demand(adapter.max_in_flight >= 1, "max_in_flight must be at least 1")
    for step in adapter.steps:
        demand(callable(getattr(adapter, f"step_{step}", None)), f"the step {step!r} has no method step_{step}()")
    for name, template in adapter.default_fields.items():
        demand(name.strip(), "default_fields has an empty name")
        try:
            parse_template(template)
        except TemplateError as caught:
            demand(False, f"default_fields[{name!r}]: {caught}")


def declarations(subject: Subject) -> None:
    """Overrides and skipped checks name something that exists, differ from the rule, and say why."""
    from crm_adapters.conformance.runner import CHECKS  # the list of all checks, this one among them

    for name, override in subject.overrides.items():
        demand(name in FAILURES, f"there is no failure {name!r} to override")
        demand(override.reason.strip(), f"the override of {name!r} gives no reason")
        demand(override.kind != FAILURES[name].kind, f"the override of {name!r} is what the rule says anyway")
    for name, reason in subject.skip.items():
        demand(name in CHECKS, f"there is no check {name!r} to skip")
        demand(reason.strip(), f"skipping {name!r} gives no reason")


def settings_described(subject: Subject) -> None:
    """Every setting has a label and a help text, and what looks like a secret is marked as one."""
    for name, field_ in subject.adapter.settings_schema().fields.items():
        demand(field_.metadata.get("help"), f"the setting {name!r} has no help text (metadata={{'help': …}})")
        if _SECRET_NAME.search(name):
            demand(field_.metadata.get("secret"), f"the setting {name!r} is not marked secret")


def settings_required(subject: Subject) -> None:
    """Leaving out a required setting is reported under its name."""
    with subject.running() as stage:
        for name, field_ in subject.adapter.settings_schema().fields.items():
            if field_.required:
                without = {key: value for key, value in stage.raw.items() if key != name}
                demand(name in _messages(subject.adapter, without), f"leaving out {name!r} is not reported")
        demand(not _messages(subject.adapter, stage.raw), "the settings of the test are refused")


def settings_unknown(subject: Subject) -> None:
    """A setting that does not exist is reported under its name."""
    with subject.running() as stage:
        found = _messages(subject.adapter, stage.raw | {"acess_tokken": "x"})
        demand("acess_tokken" in found, "an unknown setting is taken silently")


def settings_types(subject: Subject) -> None:
    """A value of the wrong type is reported under its name, without repeating it, and never crashes the schema."""
    with subject.running() as stage:
        for name in subject.adapter.settings_schema().fields:
            refused = 0
            for value in _WRONG:
                found = _messages(subject.adapter, stage.raw | {name: value})
                refused += bool(found) and value in _WRONG_TYPES
                demand(not found or set(found) & {name, "_schema"}, f"a wrong {name!r} is reported under another name")
            demand(refused > 0, f"{name!r} takes any value of any type")


def settings_keep_secrets(subject: Subject) -> None:
    """A refused secret is not repeated in the message, and repr() of an instance shows none."""
    with subject.running() as stage:
        for name in secret_fields(subject.adapter):
            found = _messages(subject.adapter, stage.raw | {name: "p4ssw0rd-given-\u0130-wrong \r\n"})
            demand("p4ssw0rd" not in str(found), f"the message about {name!r} repeats the secret")
        demand_private([repr(stage.connect()), str(stage.connect())], make_lead(), stage.secrets(), "repr()")


def preview_masks(subject: Subject) -> None:
    """preview() shows what would be sent, with secrets masked, and sends nothing."""
    lead = make_lead()
    with subject.running() as stage, watching() as watch:
        adapter = stage.connect()
        shown = adapter.preview(fill(adapter, lead))
        demand(shown and all(isinstance(item, Preview) for item in shown), "preview() must give at least one Preview")
        texts = [f"{item.method} {item.url} {item.body!r} {dict(item.headers)!r}" for item in shown]
        secrets = stage.secrets()
        demand(not any(secret in text for secret in secrets for text in texts), "preview() shows a secret")
        stage.one_record("preview()", expected=0)
        if isinstance(stage.crm, FakeCrm):
            demand(not stage.crm.received, "preview() sent a request")
    demand_private([*watch.lines, *map(repr, shown)], lead, secrets, "a log line or repr() of a Preview")
    adapter.preview(fill(adapter, make_lead(2, email=None, phone=None, full_name=None, answers=())))


def preview_is_true(subject: Subject) -> None:
    """Each request that preview() shows is really made. {names in braces} stand for ids that are not known before."""
    lead = make_lead()
    with subject.running() as stage:
        adapter = stage.connect()
        shown = adapter.preview(fill(adapter, lead))
        stage.steps(lead, stage.push(lead, adapter=adapter), adapter=adapter)
        made = [(request.method, request.path) for request in stage.fake.received]
        for item in shown:
            pattern = re.sub(r"\\{[^/]*?\\}", "[^/]+", re.escape(urlsplit(item.url).path))
            found = any(method == item.method and re.fullmatch(pattern, path) for method, path in made)
            demand(found, f"preview() shows {item.method} {urlsplit(item.url).path}, which was not called")


def check_passes(subject: Subject) -> None:
    """check() is content with a healthy CRM and leaves nothing behind."""
    lead = make_lead()
    with subject.running() as stage, watching() as watch:
        found = stage.connect().check()
        _well_formed(found)
        bad = [item.name for item in found if not item.ok]
        demand(not bad, f"check() complains about a healthy CRM: {', '.join(bad)}")
        stage.one_record("check() of an empty CRM", expected=0)
        demand(not stage.crm.notes(), "check() left a note behind")
        stage.push(lead)
        stage.connect().check()
        stage.one_record("check() after a push")
    demand_private([*watch.lines, *map(repr, found)], lead, stage.secrets(), "a log line or the result of check()")


def check_reports(subject: Subject) -> None:
    """Refused credentials, and a CRM that is down, are in the list of check() with their mend, and nothing is raised."""
    lead = make_lead()
    with subject.running() as stage:
        stage.fake.fail(lambda request: Reply(401, echo(request)), times=100)
        _complains(stage, "refused credentials")
    with subject.running() as stage:
        stage.fake.fail(Reply(503, b"down"), times=100)
        _complains(stage, "a CRM that answers 503")
    with subject.running() as stage:
        stage.fake.fail(Reply(200, b"<!doctype html>"), times=100)
        stage.connect().check()
    with subject.running() as stage:
        adapter = stage.connect()
        stage.fake.stop()
        found = adapter.check()
        demand(any(not item.ok for item in found), "check() is content with a CRM that is down")
        demand_private([repr(item) for item in found], lead, stage.secrets(), "the result of check()")


def fields_told(subject: Subject) -> None:
    """read_fields() tells each field once; after the first lead it knows all that the default mapping names."""
    with subject.running() as stage:
        adapter = stage.connect()
        stage.push(make_lead(), adapter=adapter)
        found = adapter.read_fields()
        if not adapter.offers_fields:
            demand(not found, "read_fields() tells fields, but offers_fields is False")
            return
        demand(all(isinstance(item, CrmField) and item.name for item in found), "read_fields() must give CrmFields")
        names = [item.name for item in found]
        demand(names and len(set(names)) == len(names), "read_fields() gives nothing, or a field twice")
        unknown = sorted(set(adapter.default_fields) - set(names))
        demand(not unknown, f"the default mapping names fields that are not there: {', '.join(unknown)}")


def notices_refused(subject: Subject) -> None:
    """A notice from a stranger is refused by an adapter that checks signatures, and not expected by one without any."""
    with subject.running() as stage:
        adapter = stage.connect()
        if adapter.notices == "secret_in_url":
            return
        for body in (b"", b"{}", b"[]", b"a=b", b"\x00\xff"):
            notice = CrmNotice(
                "POST", "https://hooks.example/crm", {"x": "y"}, body, datetime(2026, 11, 22, tzinfo=UTC)
            )
            try:
                adapter.verify_notice(notice)
            except NoticeRefused:
                continue
            demand(False, "a notice without any signature was let in")


def _complains(stage: Stage, about: str) -> None:
    found = stage.connect().check()
    _well_formed(found)
    demand(any(not item.ok for item in found), f"check() is content with {about}")
    demand_private([repr(item) for item in found], make_lead(), stage.secrets(), "the result of check()")


def _well_formed(found: list[Check]) -> None:
    demand(found and all(isinstance(item, Check) for item in found), "check() must give at least one Check")
    for item in found:
        demand(item.name and item.found, f"the check {item.name!r} does not say what was found")
        demand(item.ok or item.mend, f"the check {item.name!r} failed and gives no mend")


def _messages(adapter: type[CrmAdapter], raw: dict[str, Any]) -> dict[str, Any]:
    try:
        load_settings(adapter, raw)
    except ValidationError as caught:
        demand(isinstance(caught.messages, dict), "messages about settings must be by field")
        return dict(caught.messages) if isinstance(caught.messages, dict) else {}
    return {}
