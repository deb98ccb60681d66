"""Leads as CSV or Excel, safe to open: nothing a person typed can run as a formula."""

import csv
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import xlsxwriter

from leadloop.cli.failures import Refused
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
MOST_ROWS, MOST_COLUMNS, LONGEST_CELL = 1_048_576, 16_384, 32_767  # of an Excel sheet
_RUNS = re.compile(r"[=+\-@|%＝＋－＠]")  # the wide ones too: a Japanese Excel takes them for the others
_BLANK = re.compile(r"[\s\x00-\x1f]*")
_NUMBER = re.compile(r"[+\-]?\d[\d ().\-]{0,30}(?:[;\t\r\n]|\Z)")
_GAP = re.compile(r"[\s\x00-\x1f\"';]+")
_SEPARATOR = re.compile(r"[;\t\r\n]")


def inert(text: str) -> str:
    """A cell for CSV that no spreadsheet runs: what begins like a formula gets an apostrophe (OWASP, CSV injection).

    So does what follows a semicolon, a tab or a line's end inside the text: where Excel's list separator is the semicolon
    (much of Europe), a cell begins there, whatever the quotes. Plain numbers, and so phone numbers like +905321234567,
    stay as they are. NUL is left out.
    """
    text = text.replace("\x00", "")
    blank = _BLANK.match(text)
    begins = blank.end() if blank else 0
    dangerous = (_RUNS.match(text, begins) and not _NUMBER.match(text)) or text[:1] in ("\t", "\r", "\n")
    return ("'" if dangerous else "") + _GAP.sub(_guard, text)


def _guard(gap: re.Match[str]) -> str:
    """What lies between two pieces of text, with an apostrophe where the second would run as a cell."""
    text, end = gap.string, gap.end()
    runs = _SEPARATOR.search(gap[0]) and _RUNS.match(text, end) and not _NUMBER.match(text, end)
    return f"{gap[0]}'" if runs else gap[0]


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


def fit_cell(text: str) -> str:
    """What an Excel cell can hold, ending in … where something is cut off; CSV has all of it."""
    return text if len(text) <= LONGEST_CELL else text[: LONGEST_CELL - 1] + "…"


@contextmanager
def write_xlsx(path: Path) -> Iterator[WriteRow]:
    """Every cell is text: long ids keep their digits, and nothing is a formula or a link. Refused when a sheet cannot hold
    it all."""
    make_private(path)
    book = xlsxwriter.Workbook(str(path), {"constant_memory": True, "strings_to_formulas": False})
    sheet = book.add_worksheet("Leads")
    sheet.freeze_panes(1, 0)
    state = {"line": 0}

    def write(row: Row) -> None:
        if state["line"] >= MOST_ROWS or len(row) > MOST_COLUMNS:  # xlsxwriter leaves out what is beyond without a word
            raise Refused(
                f"That is more than an Excel sheet holds ({MOST_ROWS - 1:,} leads, {MOST_COLUMNS:,} columns).",
                code="too_many_for_excel",
                action="Pick fewer with --since, --page or --form, or write --csv.",
            )
        for column, cell in enumerate(row):
            if cell:
                sheet.write_string(state["line"], column, fit_cell(cell.replace("\x00", "")))
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
