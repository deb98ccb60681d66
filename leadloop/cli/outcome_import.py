"""A file of outcomes is checked row by row, and then kept: all of it or nothing. Never more than a chunk is in memory."""

import hashlib
import pickle
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, BinaryIO

from sqlalchemy.orm import Session

from leadloop.cli.failures import Refused
from leadloop.conversions.findings import Fault
from leadloop.conversions.outcome import OutcomeInput
from leadloop.conversions.routes import Route, deadline_of
from leadloop.outcome_files.cells import Choices, RowOutcome, locate, read_row
from leadloop.outcome_files.columns import Columns, read_header
from leadloop.outcome_files.mistakes import FileInvalid, Mistake, RowInvalid
from leadloop.outcome_files.rows import DELIMITER_WORDS, RowFile
from leadloop.ports import Services
from store.funnels import funnels_for, read_funnels
from store.outcome_lists import find_known_keys
from store.outcomes import MOST_TOGETHER, KeptOutcome, add_outcomes, check_outcomes, dedup_key

MOST_SHOWN = 50  # mistakes
MOST_EARLY = 10  # rows that are named although they are kept
SOURCE = "import"
_STAGE_UNKNOWN = "or keep it as history with --keep-unknown-stages"


@dataclass(frozen=True)
class How:
    """What somebody chose for one import."""

    choices: Choices
    renamed: Mapping[str, str]
    dry_run: bool = False
    skip_bad_rows: bool = False
    keep_unknown_stages: bool = False


@dataclass
class Report:
    """What was found in a file and what became of it. `rows` counts those that are not blank, without the header.

    `imported`, `already_there`, `waiting` (for their lead), `joined`, `too_old` (for Meta to be told), `before_lead` (likewise;
    `early_rows` are the first of them), `unknown_stages` and `at_noon` (dates without an hour) are of the rows that are kept;
    in a dry run, of those that would be. `unread`: the file could not be read to its end.
    """

    rows: int = 0
    bad_rows: int = 0
    imported: int = 0
    already_there: int = 0
    waiting: int = 0
    joined: int = 0
    too_old: int = 0
    before_lead: int = 0
    early_rows: list[int] = field(default_factory=list)
    unknown_stages: int = 0
    at_noon: int = 0
    kept: bool = False
    unread: bool = False
    mistakes: list[Mistake] = field(default_factory=list)
    mistakes_in_all: int = 0

    def refused(self, how: How) -> bool:
        """Whether nothing of the file is kept, because of its mistakes."""
        return self.unread or (self.bad_rows > 0 and (not how.skip_bad_rows or self.bad_rows == self.rows))

    def add_mistakes(self, mistakes: list[Mistake]) -> None:
        """All mistakes of one row."""
        self.bad_rows += 1
        self.mistakes_in_all += len(mistakes)
        self.mistakes += mistakes[: MOST_SHOWN - len(self.mistakes)]


class _Meanwhile(Exception):
    """A row that was right is not any more: the chunk that it is in is not kept."""

    def __init__(self, mistake: Mistake) -> None:
        super().__init__()
        self.mistake = mistake


Step = Callable[[int], None]


def import_outcomes(services: Services, file: BinaryIO, rows: RowFile, how: How, *, on_rows: Step) -> Report:
    """Check every row, then keep all. Safe to repeat: what is there is not kept twice, so that a run which was broken off
    goes on where it stopped. Raises Refused when the file changes meanwhile; `on_rows` is told how many rows are through.

    What was checked stands in a file without a name until it is kept: the same rows, and not parsed twice.
    """
    now = services.now()
    before = hash_file(file)
    with tempfile.TemporaryFile() as checked:
        report = _check(services, rows, how, now, checked, on_rows)
        if hash_file(file) != before:
            raise Refused(
                "The file changed while it was read, so nothing is kept.",
                code="file_changed",
                action="Run it again, once nobody writes to the file.",
            )
        if not how.dry_run and not report.refused(how):
            _keep(services, checked, how, now, report, on_rows)
    return report


def hash_file(file: BinaryIO) -> bytes:
    file.seek(0)
    return hashlib.file_digest(file, "sha256").digest()  # type: ignore[arg-type]  # any binary file will do


def _check(services: Services, rows: RowFile, how: How, now: datetime, checked: IO[bytes], on_rows: Step) -> Report:
    """Put the rows that are right into `checked`, and say what is wrong with the others."""
    report = Report()
    known = _Known()
    for columns, chunk in _chunks(rows, how, now, report):
        with services.read() as session:
            good, verdicts, bad = _judge(session, columns, chunk, how)
            if how.dry_run:
                new = known.count_new(session, [dedup_key(one.outcome) for one in good])
                report.imported += new
                report.already_there += len(good) - new
                _count(session, report, good, verdicts, now)
        for mistakes in bad:
            report.add_mistakes(mistakes)
        if not how.dry_run and good:
            pickle.dump((columns, good), checked)
        on_rows(len(chunk))
    return report


class _Known:
    """What a dry run has to remember of the file, to tell its second rows of one outcome from new ones."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()

    def count_new(self, session: Session, keys: list[str]) -> int:
        there = find_known_keys(session, set(keys))
        before = len(self._seen)
        self._seen.update(bytes.fromhex(key[:32]) for key in keys if key not in there)
        return len(self._seen) - before


def _keep(services: Services, checked: IO[bytes], how: How, now: datetime, report: Report, on_rows: Step) -> None:
    end = checked.tell()
    checked.seek(0)
    while checked.tell() < end:
        columns, chunk = pickle.load(checked)  # noqa: S301  we wrote it, and nobody else can
        report.kept = True
        _keep_chunk(services, columns, chunk, how, now, report)
        services.bell.ring()
        on_rows(len(chunk))


def _keep_chunk(
    services: Services, columns: Columns, chunk: list[RowOutcome], how: How, now: datetime, report: Report
) -> None:
    """In one transaction. What became wrong since it was checked is left out, or stops the import here."""

    def write(session: Session) -> tuple[list[RowOutcome], list[KeptOutcome], list[list[Mistake]]]:
        good, _verdicts, bad = _judge(session, columns, chunk, how)
        added = add_outcomes(session, [one.outcome for one in good], source=SOURCE, now=now, fresh=False)
        pairs = list(zip(good, added, strict=True))
        bad += [[locate(one.row, *wrong, columns)] for one, verdict in pairs if (wrong := _refusal(verdict))]
        if bad and not how.skip_bad_rows:
            raise _Meanwhile(bad[0][0])
        kept = [(one, verdict) for one, verdict in pairs if verdict.state != "refused"]
        return [one for one, _ in kept], [verdict for _, verdict in kept], bad

    try:
        good, verdicts, bad = services.writer.write(write)
    except _Meanwhile as caught:
        raise _broken_off(report, caught.mistake) from None
    with services.read() as session:
        _count(session, report, good, verdicts, now)
    new = sum(verdict.new for verdict in verdicts)
    report.imported += new
    report.already_there += len(good) - new
    for mistakes in bad:
        report.add_mistakes(mistakes)


def _broken_off(report: Report, mistake: Mistake) -> Refused:
    there = report.imported + report.already_there
    return Refused(
        f"Something changed here since the file was checked: {mistake} {there} outcomes before it are kept.",
        code="changed_meanwhile",
        action="Run it again: what is kept stays, and is not kept twice.",
    )


def _chunks(rows: RowFile, how: How, now: datetime, report: Report) -> Iterator[tuple[Columns, list[RowOutcome]]]:
    """The rows that are right by themselves, MOST_TOGETHER at a time; the mistakes of the others go into the report."""
    columns: Columns | None = None
    chunk: list[RowOutcome] = []
    with closing(rows.rows()) as reading:
        try:
            for row in reading:
                if columns is None:
                    words = DELIMITER_WORDS.get(rows.delimiter, "what was given")
                    lead_by = how.choices.lead_by
                    columns = read_header(row, how.renamed, delimiter_words=words, lead_by=lead_by)
                    continue
                report.rows += 1
                try:
                    chunk.append(read_row(row, columns, how.choices, now=now))
                except RowInvalid as caught:
                    report.add_mistakes(caught.mistakes)
                if len(chunk) == MOST_TOGETHER:
                    yield columns, chunk
                    chunk = []
        except FileInvalid as caught:
            report.add_mistakes(caught.mistakes)
            report.unread = True
    if columns is not None and chunk:
        yield columns, chunk
    _require_rows(columns, report)


def _require_rows(columns: Columns | None, report: Report) -> None:
    if report.unread:
        return
    if columns is None:
        raise Refused("The file is empty.", code="file_empty", action="Begin it with a header.")
    if not report.rows:
        raise Refused("The file has a header and no rows.", code="file_empty", action="Nothing was kept.")


def _judge(
    session: Session, columns: Columns, chunk: list[RowOutcome], how: How
) -> tuple[list[RowOutcome], list[KeptOutcome], list[list[Mistake]]]:
    """Which rows of a chunk the store would keep, its verdicts on them, and the mistakes of each other row."""
    good, verdicts, bad = [], [], []
    for one, verdict in zip(chunk, check_outcomes(session, [one.outcome for one in chunk]), strict=True):
        wrong = _wrong(verdict, how)
        if wrong is None:
            good.append(one)
            verdicts.append(verdict)
        else:
            bad.append([locate(one.row, *wrong, columns)])
    return good, verdicts, bad


def _refusal(verdict: KeptOutcome) -> tuple[str, str] | None:
    return (verdict.field, _sentence(verdict.fault)) if verdict.state == "refused" and verdict.fault else None


def _wrong(verdict: KeptOutcome, how: How) -> tuple[str, str] | None:
    """The field and a sentence; None for what is kept."""
    if verdict.state == "refused":
        return _refusal(verdict)
    if verdict.doubt is not None and not how.keep_unknown_stages:
        return "stage", f"{_sentence(verdict.doubt)[:-1]}, {_STAGE_UNKNOWN}."
    return None


def _sentence(fault: Fault) -> str:
    text = str(fault)
    return text[:1].upper() + text[1:]


def _count(
    session: Session, report: Report, good: list[RowOutcome], verdicts: list[KeptOutcome], now: datetime
) -> None:
    routes: dict[str | None, set[Route]] = {}
    for one, verdict in zip(good, verdicts, strict=True):
        report.waiting += verdict.state == "waiting"
        report.joined += verdict.state == "joined"
        report.unknown_stages += verdict.doubt is not None
        report.at_noon += one.at_noon
        too_old = _is_too_old(session, one.outcome, routes, now)
        report.too_old += too_old
        if verdict.before_lead and not too_old:
            report.before_lead += 1
            report.early_rows += [one.row][: MOST_EARLY - len(report.early_rows)]


def _is_too_old(session: Session, outcome: OutcomeInput, routes: dict[str | None, set[Route]], now: datetime) -> bool:
    """For every funnel that the outcome could go through."""
    if outcome.connection not in routes:
        chosen = funnels_for(read_funnels(session), outcome.connection)
        routes[outcome.connection] = {one.funnel.route for one in chosen} or {"conversion_leads"}
    return all(deadline_of(route, outcome.occurred_at) <= now for route in routes[outcome.connection])
