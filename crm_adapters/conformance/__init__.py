"""The conformance kit: what every CRM adapter must pass, ours and those of others. How to use it: docs/write-an-adapter.md.

    class FakeAcme(FakeCrm): ...            # a pretend CRM: answer() and records()

    class TestAcme(ConformanceTests):       # each check is a pytest test
        subject = Subject(Acme, FakeAcme, lambda fake: {"url": fake.url, "token": "t-1"})

Without pytest: `run(subject)`, or `python -m crm_adapters.conformance my_package.my_tests:subject`.
"""

from crm_adapters.conformance.failures import FAILURES, Failure
from crm_adapters.conformance.people import NOW, fill, make_lead, sample_leads
from crm_adapters.conformance.runner import CHECKS, Case, ConformanceTests, Finding, cases_for, run
from crm_adapters.conformance.server import Crm, FakeCrm, Received, Reply
from crm_adapters.conformance.subject import HastyDoor, NotConforming, Override, Subject

__all__ = [
    "CHECKS",
    "FAILURES",
    "NOW",
    "Case",
    "ConformanceTests",
    "Crm",
    "Failure",
    "FakeCrm",
    "Finding",
    "HastyDoor",
    "NotConforming",
    "Override",
    "Received",
    "Reply",
    "Subject",
    "cases_for",
    "fill",
    "make_lead",
    "run",
    "sample_leads",
]
