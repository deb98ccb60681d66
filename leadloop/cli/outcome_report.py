"""What an import of outcomes says at its end, in words and as JSON."""

from collections.abc import Iterator
from typing import Any

import rich_click as click

from leadloop.cli.outcome_import import MOST_EARLY, How, Report
from leadloop.outcome_files.encodings import shown_encoding
from leadloop.outcome_files.mistakes import Mistake
from leadloop.outcome_files.rows import DELIMITER_WORDS, RowFile

_AGAIN = "Running it again keeps nothing twice."


def report_json(report: Report, how: How, *, file: str) -> dict[str, Any]:
    return {
        "file": file,
        "dry_run": how.dry_run,
        "kept": report.kept,
        "rows": report.rows,
        "bad_rows": report.bad_rows,
        "imported": report.imported,
        "already_there": report.already_there,
        "waiting": report.waiting,
        "joined": report.joined,
        "too_old": report.too_old,
        "before_lead": report.before_lead,
        "unknown_stages": report.unknown_stages,
        "at_noon": report.at_noon,
        "mistakes": [
            {"row": one.row, "column": one.column or None, "name": one.name or None, "message": one.message}
            for one in _sorted(report)
        ],
        "mistakes_in_all": report.mistakes_in_all,
    }


def print_report(report: Report, how: How, rows: RowFile, *, file: str) -> None:
    """Mistakes first, then what was kept, or would be."""
    for line in (*_mistakes(report, how, file), *_kept(report, how, rows, file)):
        click.echo(line)


def _mistakes(report: Report, how: How, file: str) -> Iterator[str]:
    if not report.mistakes_in_all:
        return
    where = "" if report.unread else f" in {_count(report.bad_rows, 'row')} of {report.rows:,}"
    yield f"{file}: {_count(report.mistakes_in_all, 'mistake')}{where}."
    yield from (f"  {mistake}" for mistake in _sorted(report))
    others = report.mistakes_in_all - len(report.mistakes)
    if others:
        yield f"  … and {others:,} more."
    if report.refused(how):
        skips = "" if report.unread or report.bad_rows == report.rows else ", or keep the others with --skip-bad-rows"
        yield f"Nothing was kept. Mend the file and run it again{skips}."


def _kept(report: Report, how: How, rows: RowFile, file: str) -> Iterator[str]:
    if report.refused(how):
        return
    delimiter = DELIMITER_WORDS.get(rows.delimiter, rows.delimiter)
    yield f"{file}: {_count(report.rows, 'row')} read ({shown_encoding(rows.codec)}, separated by {delimiter})."
    if how.dry_run:
        yield f"Would import {report.imported:,}; already there {report.already_there:,}. Nothing was kept."
    else:
        yield f"Imported {report.imported:,}; already there {report.already_there:,}. {_AGAIN}"
    yield from _remarks(report, how)


def _remarks(report: Report, how: How) -> Iterator[str]:
    if report.bad_rows:
        yield f"Left out: {_count(report.bad_rows, 'row')} with mistakes."
    if report.waiting:
        yield f"Waiting for their lead: {report.waiting:,}. They are joined when it comes."
    if report.too_old:
        yield f"Too old for Meta to be told: {report.too_old:,}. They are history only."
    if report.before_lead:
        rows = ", ".join(map(str, report.early_rows)) + ("" if report.before_lead <= MOST_EARLY else ", …")
        yield f"Not later than their lead: {report.before_lead:,} (in rows {rows}). They are history only: see occurred_at."
    if report.unknown_stages:
        yield f"Of a stage that no funnel knows: {report.unknown_stages:,}. They are history only."
    if report.at_noon and how.choices.zone is not None:
        yield f"With a date and no hour: {report.at_noon:,}. They count as 12:00 in {how.choices.zone.key}."


def _sorted(report: Report) -> list[Mistake]:
    return sorted(report.mistakes, key=lambda one: (one.row, len(one.column), one.column))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
