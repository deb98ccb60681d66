"""The list of all checks, and three ways to run them: one by one, all at once, or as the tests of a pytest class."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from crm_adapters.conformance import plugin_checks, record_checks, wire_checks
from crm_adapters.conformance.failures import FAILURES, ODD_BODIES
from crm_adapters.conformance.people import sample_leads
from crm_adapters.conformance.server import FakeCrm
from crm_adapters.conformance.subject import NotConforming, Subject

Run = Callable[[Subject], None]

_ANY_CRM: dict[str, Run] = {
    "words": plugin_checks.words,
    "declarations": plugin_checks.declarations,
    "settings_described": plugin_checks.settings_described,
    "settings_required": plugin_checks.settings_required,
    "settings_unknown": plugin_checks.settings_unknown,
    "settings_types": plugin_checks.settings_types,
    "settings_keep_secrets": plugin_checks.settings_keep_secrets,
    "preview_masks": plugin_checks.preview_masks,
    "check_passes": plugin_checks.check_passes,
    "fields_told": plugin_checks.fields_told,
    "notices_refused": plugin_checks.notices_refused,
    "pushed_twice": record_checks.pushed_twice,
    "two_leads_two_records": record_checks.two_leads_two_records,
    "crash_between_push_and_note": record_checks.crash_between_push_and_note,
    "crash_after_a_step": record_checks.crash_after_a_step,
    "threads": record_checks.threads,
    **{f"takes_{name}": record_checks.takes_lead(name) for name in sample_leads()},
}
_HTTP_ONLY: dict[str, Run] = {
    "preview_is_true": plugin_checks.preview_is_true,
    "check_reports": plugin_checks.check_reports,
    "answer_lost": record_checks.answer_lost,
    "outage_over": wire_checks.outage_over,
    **{f"becomes_{name}": wire_checks.becomes(name) for name in FAILURES},
    **{f"survives_{name}": wire_checks.survives(name) for name in ODD_BODIES},
}
CHECKS: dict[str, Run] = _ANY_CRM | _HTTP_ONLY


@dataclass(frozen=True)
class Case:
    """One check of one subject: call it; it raises NotConforming when a rule is broken."""

    name: str
    subject: Subject = field(repr=False)

    @property
    def rule(self) -> str:
        """What is checked, in one sentence."""
        return (CHECKS[self.name].__doc__ or "").strip().partition("\n")[0]

    def __call__(self) -> None:
        CHECKS[self.name](self.subject)


@dataclass(frozen=True)
class Finding:
    """What came of one check: `problem` is empty when the rule is kept."""

    name: str
    problem: str
    took_s: float


def cases_for(subject: Subject) -> list[Case]:
    """All checks that apply to the subject: those over HTTP only for a FakeCrm."""
    names = [*_ANY_CRM, *(_HTTP_ONLY if isinstance(subject.crm(), FakeCrm) else ())]
    return [Case(name, subject) for name in names if name not in subject.skip]


def run(subject: Subject) -> list[Finding]:
    """Run all checks, whatever they find. A check that cannot be run at all is a finding too."""
    return [_run_one(case) for case in cases_for(subject)]


def _run_one(case: Case) -> Finding:
    started, problem = time.monotonic(), ""
    try:
        case()
    except NotConforming as caught:
        problem = str(caught)
    except Exception as caught:  # the adapter's own error: its text could hold anything
        problem = f"{type(caught).__name__} was raised where none may be"
    return Finding(case.name, problem, time.monotonic() - started)


class ConformanceTests:
    """A pytest class for an adapter: set `subject`, and each check is a test. Needs no fixture.

    class TestAcme(ConformanceTests):
        subject = Subject(Acme, FakeAcme, lambda fake: {"url": fake.url, "token": "t-1"})
    """

    subject: ClassVar[Subject]

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Called by pytest: one test for each check."""
        if "conformance_case" in metafunc.fixturenames:
            cases = cases_for(self.subject)
            metafunc.parametrize("conformance_case", cases, ids=[case.name for case in cases])

    def test_conformance(self, conformance_case: Case) -> None:
        conformance_case()
