"""Leads as CSV or Excel, safe to open: nothing a person typed can run as a formula."""

import csv
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import xlsxwriter

from leadloop.lead_reading import card_from_row
from leadloop.leads import LeadCard, iso_utc
from leadloop.ports import Services
from store.leads import LeadFilter, list_leads

Row = list[str]
WriteRow = Callable[[Row], None]
COLUMNS = (
    "leadgen_id",
    "created_at",
    "received_at",
    "full_name",
    "first_name",
    "last_name",
    "email",
    "phone",
    "phone_typed",
    "company",
    "job_title",
    "street_address",
    "postal_code",
    "city",
    "state",
    "country",
    "date_of_birth",
    "gender",
    "page_id",
    "page_name",
    "form_id",
    "form_name",
    "ad_id",
    "ad_name",
    "adset_id",
    "adset_name",
    "campaign_id",
    "campaign_name",
    "platform",
    "is_organic",
    "is_test",
)
PAGE = 500
_FORMULA = re.compile(r"[\s\x00-\x1f]*[=+\-@|%]")
_NUMBER = re.compile(r"[+\-]?\d[\d ().\-]{0,30}\Z")


def inert(text: str) -> str:
    """A cell for CSV that no spreadsheet runs: what begins like a formula gets an apostrophe (OWASP, CSV injection).

    Plain numbers, and so phone numbers like +905321234567, stay as they are. NUL is left out.
    """
    text = text.replace("\x00", "")
    dangerous = _FORMULA.match(text) or text[:1] in ("\t", "\r", "\n")
    return "'" + text if dangerous and not _NUMBER.match(text) else text


def make_private(path: Path) -> None:
    """Make the file, for its owner only: it will hold people's names and numbers. One that is there keeps its mode."""
    path.touch(mode=0o600)


@contextmanager
def write_csv(path: Path) -> Iterator[WriteRow]:
    """UTF-8 with a byte-order mark, so that Excel reads İ and ğ right."""
    if str(path) == "-":
        reconfigure = getattr(sys.stdout, "reconfigure", None)
        if reconfigure is not None:  # whatever the terminal's encoding is: this is for a file or a program
            reconfigure(encoding="utf-8", errors="replace", newline="")
        writer = csv.writer(sys.stdout)
        yield lambda row: writer.writerow([inert(cell) for cell in row])
        return
    make_private(path)
    with path.open("w", encoding="utf-8-sig", newline="", errors="replace") as file:
        writer = csv.writer(file)
        yield lambda row: writer.writerow([inert(cell) for cell in row])


@contextmanager
def write_xlsx(path: Path) -> Iterator[WriteRow]:
    """Every cell is text: long ids keep their digits, and nothing is a formula or a link."""
    make_private(path)
    book = xlsxwriter.Workbook(str(path), {"constant_memory": True, "strings_to_formulas": False})
    sheet = book.add_worksheet("Leads")
    sheet.freeze_panes(1, 0)
    state = {"line": 0}

    def write(row: Row) -> None:
        for column, cell in enumerate(row):
            if cell:
                sheet.write_string(state["line"], column, cell.replace("\x00", "")[:32_767])
        state["line"] += 1

    try:
        yield write
    finally:
        try:
            book.close()
        except xlsxwriter.exceptions.FileCreateError as caught:
            raise OSError(None, str(caught.__cause__ or caught)) from caught


EXPORTS: dict[str, Any] = {"csv": write_csv, "xlsx": write_xlsx}


def export_leads(services: Services, chosen: LeadFilter, path: Path, open_writer: Any) -> int:
    """Write all leads that `chosen` picks, newest first; returns how many. Two passes: the questions, then the rows."""
    questions: dict[str, None] = {}
    boxes: dict[str, None] = {}
    for card in _cards(services, chosen):
        questions.update(dict.fromkeys(answer.key for answer in card.answers))
        boxes.update(dict.fromkeys(consent.key for consent in card.consents))
    count = 0
    with open_writer(path) as write:
        write([*COLUMNS, *(f"answer: {key}" for key in questions), *(f"consent: {key}" for key in boxes)])
        for card in _cards(services, chosen):
            cells = [_text(card, name) for name in COLUMNS]
            cells += [_answer(card, key) for key in questions]
            write(cells + [_consent(card, key) for key in boxes])
            count += 1
    return count


def _cards(services: Services, chosen: LeadFilter) -> Iterator[LeadCard]:
    from dataclasses import replace

    while True:
        with services.read() as session:
            rows = list_leads(session, chosen, limit=PAGE)
        for row in rows:
            yield card_from_row(row.card) if row.card else _bare(row)
        if len(rows) < PAGE:
            return
        chosen = replace(chosen, before=(rows[-1].received_at, rows[-1].id))


def _bare(row: Any) -> LeadCard:
    return LeadCard(
        row.leadgen_id,
        row.page_id,
        form_id=row.form_id,
        ad_id=row.ad_id,
        created_at=row.created_at,
        received_at=row.received_at,
    )


def _text(card: LeadCard, name: str) -> str:
    value = getattr(card, name)
    if name.endswith("_at"):
        return iso_utc(value) or ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _answer(card: LeadCard, key: str) -> str:
    answer = card.find_answer(key)
    return ", ".join(answer.labels or answer.values) if answer else ""


def _consent(card: LeadCard, key: str) -> str:
    """Empty where the form did not have this box."""
    return next((("yes" if one.checked else "no") for one in card.consents if one.key == key), "")
