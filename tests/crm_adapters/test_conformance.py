"""The conformance kit itself: a good adapter passes every check, and each kind of bad one is caught by the right check."""

import logging
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from marshmallow import Schema, fields

from crm_adapters.base import Check, CrmAdapter, CrmField, Earlier, Preview, RemoteRef, checked, garbage
from crm_adapters.conformance import (
    CHECKS,
    FAILURES,
    Case,
    FakeCrm,
    NotConforming,
    Override,
    Received,
    Reply,
    Subject,
    cases_for,
    run,
    sample_leads,
)
from leadloop.errors import LeadloopError, NeedsHuman, Permanent
from leadloop.http import HttpAnswer, HttpDoor
from leadloop.leads import LeadCard


class FakeAcme(FakeCrm):
    """Keeps one record for each number, and the notes it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, Any] = {}
        self.noted: dict[str, Any] = {}

    def answer(self, request: Received) -> Reply:
        if request.headers.get("authorization") != "Bearer acme-t0ken":
            return Reply(401)
        kind, _, number = request.path.strip("/").partition("/")
        if request.method == "GET":
            return Reply(200, {"id": "me"} if kind == "me" else {"fields": ["name", "email"]})
        kept = self.kept if kind == "leads" else self.noted
        kept[number or str(len(kept))] = request.json()
        return Reply(200, {"id": number or str(len(kept))})

    def records(self) -> list[Any]:
        return list(self.kept.values())

    def notes(self) -> list[Any] | None:
        return list(self.noted.values())


class AcmeSettings(Schema):
    url = fields.URL(required=True, require_tld=False, metadata={"help": "Address."})
    token = fields.String(required=True, metadata={"secret": True, "help": "Token."})


class Acme(CrmAdapter):
    """Acme, as its author should have written it."""

    kind = "acme"
    label = "Acme"
    settings_schema: Any = AcmeSettings
    default_fields: Mapping[str, str] = {"name": "{full_name}", "email": "{email}"}
    steps = ("note",)
    offers_fields = True
    docs: Any = "https://acme.example/docs"

    def path(self, lead: LeadCard) -> str:
        return f"{self.settings['url']}/leads/{lead.leadgen_id}"

    def push_lead(self, lead: LeadCard, earlier: Earlier) -> RemoteRef:
        return self.ref(self.call("PUT", self.path(lead), json_body=dict(lead.mapped)), lead)

    def ref(self, answer: Any, lead: LeadCard) -> RemoteRef:
        found = answer.get("id") if isinstance(answer, dict) else None
        if found != lead.leadgen_id:
            raise garbage(self.path(lead), label=self.label, what="no id")
        return RemoteRef("lead", found)

    def step_note(self, lead: LeadCard, ref: RemoteRef) -> None:
        url = f"{self.settings['url']}/notes/{ref.id}"
        self.ref(self.call("PUT", url, json_body={"text": lead.to_json()}), lead)

    def preview(self, lead: LeadCard) -> list[Preview]:
        return [Preview("PUT", self.path(lead), dict(lead.mapped), {"Authorization": "Bearer •••"})]

    def check(self) -> list[Check]:
        return [checked("token", self.who)]

    def who(self) -> str:
        self.call("GET", f"{self.settings['url']}/me")
        return "it is me"

    def read_fields(self) -> list[CrmField]:
        told = self.call("GET", f"{self.settings['url']}/fields")
        return [CrmField(name, name) for name in told["fields"]]

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.settings['token']}"}


def subject(adapter: type[CrmAdapter] = Acme, **options: Any) -> Subject:
    return Subject(adapter, FakeAcme, lambda fake: {"url": fake.url, "token": "acme-t0ken"}, **options)


@pytest.mark.parametrize("case", cases_for(subject()), ids=lambda case: case.name)
def test_a_good_adapter_passes(case: Case) -> None:
    case()
    assert case.rule


# --- bad adapters -------------------------------------------------------------------------------------------------------


class CreatesEachTime(Acme):
    """Makes a record under a new number for each push."""

    def push_lead(self, lead: LeadCard, earlier: Earlier) -> RemoteRef:
        return RemoteRef("lead", self.call("POST", f"{self.settings['url']}/leads", json_body=dict(lead.mapped))["id"])


class OneForAll(Acme):
    """Puts everybody into one record."""

    def path(self, lead: LeadCard) -> str:
        return f"{self.settings['url']}/leads/1"

    def ref(self, answer: Any, lead: LeadCard) -> RemoteRef:
        return RemoteRef("lead", "1")


class NotesTwice(Acme):
    """Adds a note for each attempt."""

    def step_note(self, lead: LeadCard, ref: RemoteRef) -> None:
        self.call("POST", f"{self.settings['url']}/notes", json_body={"text": "x"})


class MixesThreads(Acme):
    """Keeps the lead on the instance between two statements."""

    def push_lead(self, lead: LeadCard, earlier: Earlier) -> RemoteRef:
        self.lead = lead
        threading.Event().wait(0.002)
        return super().push_lead(self.lead, earlier)


class QuotesTheAnswer(Acme):
    """Repeats the CRM's text in the error."""

    def error_from(self, answer: HttpAnswer, url: str) -> LeadloopError:
        return Permanent(f"Acme says {answer.body[:200]!r}", code="acme", action="Look.")


class QuotesInTheChain(Acme):
    """Keeps the CRM's text in the error that it raises from."""

    def push_lead(self, lead: LeadCard, earlier: Earlier) -> RemoteRef:
        try:
            return super().push_lead(lead, earlier)
        except LeadloopError as caught:
            raise caught from ValueError(lead.email)


class LogsTheLead(Acme):
    """Writes the e-mail address into the log, at the lowest level."""

    def push_lead(self, lead: LeadCard, earlier: Earlier) -> RemoteRef:
        logging.getLogger("acme").debug("pushing %s", lead.email)
        return super().push_lead(lead, earlier)


class PrintsTheLead(Acme):
    """Prints the name."""

    def push_lead(self, lead: LeadCard, earlier: Earlier) -> RemoteRef:
        print(lead.full_name)
        return super().push_lead(lead, earlier)


class EmailInTheAddress(Acme):
    """Looks the person up by a URL with the e-mail address in it."""

    def push_lead(self, lead: LeadCard, earlier: Earlier) -> RemoteRef:
        self.call("GET", f"{self.settings['url']}/me", params={"email": lead.email or ""})
        return super().push_lead(lead, earlier)


class NamesTheToken(Acme):
    """Shows the token in the error."""

    def error_from(self, answer: HttpAnswer, url: str) -> LeadloopError:
        return NeedsHuman(f"no good: {self.settings['token']}", code="acme", action="Look.", scope="lane")


class TakesAnythingForGood(Acme):
    """Logs a failure and returns as if it had worked."""

    def push_lead(self, lead: LeadCard, earlier: Earlier) -> RemoteRef:
        try:
            return super().push_lead(lead, earlier)
        except LeadloopError:
            return RemoteRef("lead", lead.leadgen_id)


class TrustsTheShape(Acme):
    """Indexes into whatever came."""

    def ref(self, answer: Any, lead: LeadCard) -> RemoteRef:
        return RemoteRef("lead", answer["id"])


class FollowsRedirects(Acme):
    """Goes wherever it is sent."""

    def push_lead(self, lead: LeadCard, earlier: Earlier) -> RemoteRef:
        answer = self.call("PUT", self.path(lead), json_body=dict(lead.mapped), accept=(302,))
        if isinstance(answer, HttpAnswer):
            answer = self.call("GET", self.settings["url"] + answer.headers["location"])
        return self.ref(answer, lead)


class NeverGivesUp(Acme):
    """Everything may pass."""

    def error_from(self, answer: HttpAnswer, url: str) -> LeadloopError:
        return garbage(url, label="Acme")


class ShoutsItsCodes(Acme):
    """Uses the CRM's codes as they are."""

    def error_from(self, answer: HttpAnswer, url: str) -> LeadloopError:
        error = super().error_from(answer, url)
        error.code = "Acme Error #17!"
        return error


class SaysNothingToDo(Acme):
    """Gives no action."""

    def error_from(self, answer: HttpAnswer, url: str) -> LeadloopError:
        error = super().error_from(answer, url)
        error.action = " "
        return error


class NamelessBreaks(Acme):
    """Needs a name."""

    def push_lead(self, lead: LeadCard, earlier: Earlier) -> RemoteRef:
        str(lead.full_name).upper().index(lead.full_name[0] if lead.full_name else "?!")
        return super().push_lead(lead, earlier)


class ShowsItsToken(Acme):
    """Does not mask the preview."""

    def preview(self, lead: LeadCard) -> list[Preview]:
        return [Preview("PUT", self.path(lead), {}, self.headers())]


class SendsItsPreview(Acme):
    """Sends what it should only show."""

    def preview(self, lead: LeadCard) -> list[Preview]:
        self.push_lead(lead, Earlier())
        return super().preview(lead)


class PreviewsSomethingElse(Acme):
    """Shows a request it does not make."""

    def preview(self, lead: LeadCard) -> list[Preview]:
        return [Preview("POST", f"{self.settings['url']}/leads", {})]


class ChecksByWriting(Acme):
    """Leaves a record behind."""

    def check(self) -> list[Check]:
        self.call("PUT", f"{self.settings['url']}/leads/test", json_body={})
        return [Check("token", True, "fine")]


class ChecksNothing(Acme):
    """Is content with everything."""

    def check(self) -> list[Check]:
        return [Check("token", True, "fine")]


class ChecksByRaising(Acme):
    """Raises instead of reporting."""

    def check(self) -> list[Check]:
        return [Check("token", True, self.who())]


class TellsNoFields(Acme):
    """Does not know its own default fields."""

    def read_fields(self) -> list[CrmField]:
        return [CrmField("name", "Name")]


class UnknownTemplate(Acme):
    """Maps a field that no lead has."""

    default_fields: Mapping[str, str] = {"name": "{fullname}"}


class NoDocs(Acme):
    """Says nowhere how it is used."""

    docs = ""


class _NoHelp(AcmeSettings):
    url = fields.URL(required=True, require_tld=False)


class _BareToken(AcmeSettings):
    token = fields.String(required=True, metadata={"help": "Token."})


class _AnyToken(AcmeSettings):
    token = fields.Raw(required=True, metadata={"secret": True, "help": "Token."})


class _Lenient(AcmeSettings):
    class Meta:
        unknown = "exclude"


class NoHelp(Acme):
    """Has a setting without a help text."""

    settings_schema = _NoHelp


class BareToken(Acme):
    """Does not mark its token as secret."""

    settings_schema = _BareToken


class AnyToken(Acme):
    """Takes a token of any type."""

    settings_schema = _AnyToken


class Lenient(Acme):
    """Takes settings that do not exist."""

    settings_schema = _Lenient


class ShowsSettings(Acme):
    """Shows its settings in repr()."""

    def __repr__(self) -> str:
        return f"Acme({self.settings})"


class LetsAnybodyIn(Acme):
    """Says that it checks signatures, and does not."""

    notices = "signed"

    def verify_notice(self, notice: Any) -> None:
        return


BAD: list[tuple[type[Acme], str]] = [
    (CreatesEachTime, "pushed_twice"),
    (CreatesEachTime, "crash_between_push_and_note"),
    (CreatesEachTime, "answer_lost"),
    (OneForAll, "two_leads_two_records"),
    (OneForAll, "threads"),
    (NotesTwice, "crash_after_a_step"),
    (NotesTwice, "answer_lost"),
    (MixesThreads, "threads"),
    (QuotesTheAnswer, "becomes_422"),
    (QuotesInTheChain, "becomes_500"),
    (LogsTheLead, "takes_full"),
    (LogsTheLead, "becomes_500"),
    (PrintsTheLead, "takes_full"),
    (EmailInTheAddress, "takes_full"),
    (NamesTheToken, "becomes_403"),
    (TakesAnythingForGood, "becomes_500"),
    (TakesAnythingForGood, "becomes_timeout"),
    (TakesAnythingForGood, "becomes_garbage"),
    (TrustsTheShape, "survives_null"),
    (TrustsTheShape, "survives_object"),
    (TrustsTheShape, "survives_list"),
    (TrustsTheShape, "becomes_empty"),
    (FollowsRedirects, "becomes_redirect"),
    (NeverGivesUp, "becomes_401"),
    (NeverGivesUp, "becomes_422"),
    (NeverGivesUp, "becomes_429_seconds"),
    (NeverGivesUp, "becomes_503_seconds"),
    (ShoutsItsCodes, "becomes_500"),
    (SaysNothingToDo, "becomes_401"),
    (NamelessBreaks, "takes_no_name"),
    (ShowsItsToken, "preview_masks"),
    (SendsItsPreview, "preview_masks"),
    (PreviewsSomethingElse, "preview_is_true"),
    (ChecksByWriting, "check_passes"),
    (ChecksNothing, "check_reports"),
    (ChecksByRaising, "check_reports"),
    (TellsNoFields, "fields_told"),
    (UnknownTemplate, "words"),
    (NoDocs, "words"),
    (NoHelp, "settings_described"),
    (BareToken, "settings_described"),
    (AnyToken, "settings_types"),
    (Lenient, "settings_unknown"),
    (ShowsSettings, "settings_keep_secrets"),
    (LetsAnybodyIn, "notices_refused"),
]


@pytest.mark.parametrize(("adapter", "check"), BAD, ids=[f"{adapter.__name__}-{check}" for adapter, check in BAD])
def test_a_bad_adapter_is_caught(adapter: type[Acme], check: str) -> None:
    """By the check that is there for it; what it finds names nothing personal and no secret."""
    findings = {finding.name: finding for finding in [_finding(adapter, check)]}
    problem = findings[check].problem
    assert problem
    assert not any(text in problem for text in ("Quillonia", "quillon1", "acme-t0ken", "5320"))


def _finding(adapter: type[CrmAdapter], check: str) -> Any:
    from crm_adapters.conformance.runner import _run_one

    return _run_one(Case(check, subject(adapter)))


# --- the kit's own words ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"overrides": {"404": Override("held", " ")}},
        {"overrides": {"404": Override("permanent", "the rule itself")}},
        {"overrides": {"418": Override("held", "a teapot")}},
        {"skip": {"threads": ""}},
        {"skip": {"thread": "because"}},
    ],
)
def test_declarations_have_to_say_something(options: dict[str, Any]) -> None:
    with pytest.raises(NotConforming):
        CHECKS["declarations"](subject(**options))


def test_an_override_changes_what_is_wanted() -> None:
    changed = subject(overrides={"404": Override("held", "for the test")})
    with pytest.raises(NotConforming, match="404 became permanent"):
        CHECKS["becomes_404"](changed)


def test_skipped_checks_are_left_out() -> None:
    names = {case.name for case in cases_for(subject(skip={"threads": "one at a time"}))}
    assert names == set(CHECKS) - {"threads"}


def test_run_goes_on_after_a_finding() -> None:
    only = {name: "not now" for name in CHECKS if name not in ("words", "declarations", "pushed_twice")}
    findings = run(subject(CreatesEachTime, skip=only))
    assert [(finding.name, bool(finding.problem)) for finding in findings] == [
        ("words", False),
        ("declarations", False),
        ("pushed_twice", True),
    ]


@pytest.mark.parametrize("name", [*FAILURES, "after", "many"])
def test_the_pretend_crm_fails_as_it_is_told_and_then_no_more(name: str) -> None:
    crm = FakeAcme()
    crm.start()
    door = HttpDoor()

    def put() -> Any:
        headers = {"Authorization": "Bearer acme-t0ken"}
        return door.request("PUT", f"{crm.url}/leads/1", headers=headers, json_body={"x": 1}, read_s=0.15)

    try:
        if name == "after":
            crm.fail(Reply(manner="drop"), after=True)
        elif name == "many":
            crm.fail(Reply(500), times=2, skip=0)
            assert [put().status, put().status] == [500, 500]
        elif (reply := FAILURES[name].reply) is not None:
            crm.fail(reply)
        else:
            crm.stop()
        if name != "many":
            _fails(put, name)
        assert bool(crm.records()) == (name == "after")
        if name != "refused":
            assert door.request("PUT", f"{crm.url}/x/1", headers={"Authorization": "Bearer acme-t0ken"}).status == 200
    finally:
        door.close()
        crm.stop()


def _fails(put: Any, name: str) -> None:
    if name in ("timeout", "refused", "dropped", "half", "huge", "after"):
        with pytest.raises(LeadloopError):
            put()
    else:
        answer = put()
        assert answer.status == (int(name[:3]) if name[:3].isdigit() else 302 if name == "redirect" else 200)


def test_sample_leads_have_what_their_names_say() -> None:
    leads = sample_leads()
    assert len({lead.leadgen_id for lead in leads.values()}) == len(leads)
    assert len(leads["long_answer"].answers[0].values[0]) == 50_000
    assert leads["no_email"].email is None
    assert leads["nothing_but_ids"].form_id is None


def test_without_pytest_from_the_command_line(tmp_path: Path) -> None:
    module = tmp_path / "acme_subject.py"
    module.write_text(
        "from crm_adapters.conformance import CHECKS, Crm, Subject\n"
        "from crm_adapters.webhook import Webhook\n"
        "class Nothing(Crm):\n    def records(self): return []\n"
        "only = {name: 'not now' for name in CHECKS if name != 'words'}\n"
        "subject = Subject(Webhook, Nothing, lambda crm: {}, skip=only)\n"
        "class Bad(Webhook):\n    'Bad.'\n    docs = ''\n"
        "class Tests:\n    bad = Subject(Bad, Nothing, lambda crm: {}, skip=only)\n"
    )
    root = Path(__file__).parents[2]

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "crm_adapters.conformance", *arguments]
        return subprocess.run(
            line, capture_output=True, text=True, cwd=tmp_path, env={"PYTHONPATH": str(root)}, check=False
        )

    good, bad, wrong = (
        command("acme_subject:subject"),
        command("acme_subject:Tests.bad"),
        command("acme_subject:nothing"),
    )
    assert (good.returncode, bad.returncode, wrong.returncode) == (0, 1, 2)
    assert "ok   words" in good.stdout
    assert "docs is missing" in bad.stdout
    assert "no Subject called nothing" in wrong.stderr
