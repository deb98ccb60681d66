"""docs/sandbox.md names what there is, and nothing else."""

import re
from pathlib import Path

from sandbox import create_sandbox
from sandbox.control_inputs import FaultInput, LeadInput, SampleInput, SettingsInput, TokenInput
from sandbox.conversion_inputs import ClickInput, DatasetInput, OutcomeInput
from sandbox.datasets import CRM_DATASET_ID, STRANGE_DATASET_ID
from sandbox.event_errors import SUBCODES
from sandbox.faults import CODES, KINDS
from sandbox.sender import SIGNINGS
from sandbox.shapes import LEAD_STYLES, SAMPLES

TEXT = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")
CODE = set(re.findall(r"`([^`\n]+)`", TEXT))


def row_of(request: str) -> str:
    return next(line for line in TEXT.splitlines() if line.startswith(f"| `{request}`"))


def test_every_fault_shape_and_signing_is_named() -> None:
    kinds = {kind for kinds in KINDS.values() for kind in kinds}
    assert kinds | set(LEAD_STYLES) | set(SIGNINGS) <= CODE
    assert {shape for shape in SAMPLES if not re.match("messenger_|instagram_|whatsapp_", shape)} <= CODE
    for codes in CODES.values():
        # A row of codes is named by its first and its last.
        ends = [code for code in codes if not (code - 1 in codes and code + 1 in codes)]
        assert all(re.search(rf"\b{code}\b", TEXT) for code in ends)


def test_every_field_of_the_controls_is_named_in_its_row() -> None:
    rows = {
        "POST /_sandbox/leads": LeadInput,
        "POST /_sandbox/send": SampleInput,
        "POST /_sandbox/faults": FaultInput,
        "POST /_sandbox/tokens": TokenInput,
        "POST /_sandbox/settings": SettingsInput,
        "POST /_sandbox/datasets": DatasetInput,
        "POST /_sandbox/clicks": ClickInput,
        "POST /_sandbox/outcomes": OutcomeInput,
    }
    for request, schema in rows.items():
        named = set(re.findall(r"`(\w+)`", row_of(request)))
        missing = {field.data_key or name for name, field in schema().fields.items()} - named
        assert not missing, (request, missing)


def test_every_url_of_the_controls_is_there() -> None:
    app = create_sandbox()
    rules = {(method, rule.rule) for rule in app.url_map.iter_rules() for method in rule.methods or ()}
    for method, path in re.findall(r"^\| `(GET|POST|DELETE) (/_sandbox/\w+)`", TEXT, re.MULTILINE):
        assert (method, path) in rules
    named = set(re.findall(r"/_sandbox/(\w+)", TEXT))
    assert {rule.rsplit("/", 1)[1] for _method, rule in rules if rule.startswith("/_sandbox/")} <= named


def test_every_subcode_has_its_row_and_the_made_up_ones_are_marked() -> None:
    rows = {int(number): mark for number, mark in re.findall(r"^\| (28\d+)( ¹)? \|", TEXT, re.MULTILINE)}
    assert set(rows) == set(SUBCODES.values())
    assert all((mark != "") == (number > 2804900) for number, mark in rows.items())
    assert {CRM_DATASET_ID, STRANGE_DATASET_ID} <= CODE
