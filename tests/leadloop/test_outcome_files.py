"""Files of outcomes, without a database: what is read, and each mistake at its row and column."""

import io
import re
import tracemalloc
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from conftest import NOW
from hypothesis import given
from hypothesis import strategies as st

from leadloop.outcome_files.cells import Choices, RowOutcome, read_row
from leadloop.outcome_files.columns import KNOWN, count_known, is_ours, nearest, read_header
from leadloop.outcome_files.encodings import NoText, is_encoding
from leadloop.outcome_files.mistakes import FileInvalid, Mistake, RowInvalid, column_letter
from leadloop.outcome_files.rows import LONGEST_CELL, LONGEST_ROW, Row, RowFile

ISTANBUL = ZoneInfo("Europe/Istanbul")
BERLIN = ZoneInfo("Europe/Berlin")
HEADER = "leadgen_id,stage,occurred_at"
GOOD = "222,won,2026-11-20T10:15:00Z"


def open_rows(content: str | bytes, *, encoding: str | None = None, delimiter: str | None = None) -> RowFile:
    body = content if isinstance(content, bytes) else content.encode()
    return RowFile(io.BytesIO(body), encoding=encoding, delimiter=delimiter, score=lambda cells: count_known(cells, {}))


def read(
    content: str | bytes, renamed: dict[str, str] | None = None, lead_by: Any = None, **how: Any
) -> list[RowOutcome | list[Mistake]]:
    """What became of each row; the mistakes that end the file stand last."""
    given = {name: how.pop(name) for name in ("encoding", "delimiter") if name in how}
    choices = Choices(lead_by=lead_by, **how)
    columns = None
    found: list[RowOutcome | list[Mistake]] = []
    try:
        for row in open_rows(content, **given).rows():
            if columns is None:
                columns = read_header(row, renamed or {}, delimiter_words="comma", lead_by=lead_by)
                continue
            try:
                found.append(read_row(row, columns, choices, now=NOW))
            except RowInvalid as caught:
                found.append(caught.mistakes)
    except FileInvalid as caught:
        found.append(caught.mistakes)
    return found


def only(content: str | bytes, **how: Any) -> RowOutcome:
    (found,) = read(content, **how)
    assert isinstance(found, RowOutcome), found
    return found


def wrong(content: str | bytes, **how: Any) -> list[tuple[int, str, str]]:
    """Row, column and name of every mistake."""
    mistakes = [one for found in read(content, **how) if isinstance(found, list) for one in found]
    return [(one.row, one.column, one.name) for one in mistakes]


def told(content: str | bytes, **how: Any) -> str:
    return "\n".join(str(one) for found in read(content, **how) if isinstance(found, list) for one in found)


# --- bytes and rows ---------------------------------------------------------------------------------------------------


TURKISH = f"{HEADER},fields.şehir\n222,kazanıldı,2026-11-20T10:15:00Z,İzmir\n"


@pytest.mark.parametrize(
    ("encoded", "encoding"),
    [
        (TURKISH.encode(), None),
        (b"\xef\xbb\xbf" + TURKISH.encode(), None),
        (b"\xef\xbb\xbf" + TURKISH.encode(), "utf-8"),
        (TURKISH.encode("utf-16"), None),
        (b"\xfe\xff" + TURKISH.encode("utf-16-be"), None),
        (TURKISH.encode("utf-16-le"), "utf-16-le"),
        (TURKISH.encode("windows-1254"), "windows-1254"),
        (TURKISH.encode("iso-8859-9"), "iso-8859-9"),
    ],
)
def test_every_spreadsheets_encoding_is_read(encoded: bytes, encoding: str | None) -> None:
    found = only(encoded, encoding=encoding).outcome
    assert (found.stage, dict(found.fields)) == ("kazanıldı", {"şehir": "İzmir"})


def test_another_encoding_is_never_guessed_and_said_at_its_row_and_column() -> None:
    body = f"{HEADER}\n{GOOD}\n".encode() + "223,kazanıldı,2026-11-20T10:15:00Z\n".encode("windows-1254")
    first, mistakes = read(body)
    assert isinstance(first, RowOutcome)
    assert isinstance(mistakes, list)
    assert (mistakes[0].row, mistakes[0].column) == (3, "B")
    assert "--encoding windows-1254" in mistakes[0].message


def test_utf_16_that_was_said_without_its_order() -> None:
    with pytest.raises(FileInvalid, match="not UTF-16"):
        open_rows(f"{HEADER}\n{GOOD}\n".encode("utf-16-le"), encoding="utf-16")


@given(
    body=st.binary(max_size=400) | st.text('",;\t\n\r =éı\0\ufeffaz09', max_size=200).map(str.encode),
    encoding=st.sampled_from([None, None, "utf-8", "utf-16-le", "utf-16", "windows-1254", "gb18030"]),
)
def test_whatever_a_file_holds_it_is_read_or_refused(body: bytes, encoding: str | None) -> None:
    try:
        numbers = [row.number for row in open_rows(body, encoding=encoding).rows()]
    except (NoText, FileInvalid):
        return
    assert numbers == sorted(set(numbers))


def test_half_a_letter_of_utf_16_is_told_too() -> None:
    assert "not UTF-16" in told((f"{HEADER}\n{GOOD}\n".encode("utf-16"))[:-3] + b"\xd8\n\x00")


@pytest.mark.parametrize(
    ("body", "encoding", "said"),
    [
        (b"PK\x03\x04rest of a workbook", None, "CSV UTF-8"),
        (b"\xd0\xcf\x11\xe0rest of an old one", None, "CSV UTF-8"),
        (f"{HEADER}\n".encode("utf-16-le"), None, "--encoding utf-16-le"),
        (f"{HEADER}\n".encode("utf-16-be"), None, "--encoding utf-16-be"),
        (b"\xef\xbb\xbfstage\n", "windows-1254", "leave --encoding out"),
    ],
)
def test_what_is_no_text_is_refused_with_the_mend(body: bytes, encoding: str | None, said: str) -> None:
    with pytest.raises(NoText, match=re.escape(said)):
        open_rows(body, encoding=encoding)


@pytest.mark.parametrize(
    ("name", "known"), [("windows-1254", True), ("utf-16-le", True), ("rot13", False), ("idna", False), ("x", False)]
)
def test_encodings_are_of_text(name: str, known: bool) -> None:
    assert is_encoding(name) is known


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_by_the_names_of_the_header(delimiter: str) -> None:
    others = [sign for sign in ",;\t|" if sign != delimiter]
    header = delimiter.join(["leadgen_id", "stage", "occurred_at", f'"fields.{"".join(others * 3)}"'])
    row = delimiter.join(["222", "won", "2026-11-20T10:15:00Z", "x"])
    assert only(f"{header}\n{row}\n").outcome.stage == "won"


def test_a_delimiter_of_nobodys_else_can_be_said() -> None:
    assert only(f"{HEADER}\n{GOOD}\n".replace(",", "^"), delimiter="^").outcome.lead_value == "222"


def test_excels_line_about_the_delimiter_is_no_row() -> None:
    (mistakes,) = read("sep=;\r\nleadgen_id;stage;occurred_at\r\n222;;2026-11-20T10:15:00Z\r\n")
    assert isinstance(mistakes, list)
    assert (mistakes[0].row, mistakes[0].column) == (2, "B")


def test_one_column_is_the_wrong_delimiter() -> None:
    assert "--delimiter" in told("leadgen_id^stage^occurred_at\n222^won^x\n")
    assert "separated by comma" in told(f"{HEADER.replace(',', ';')}\n", delimiter=",")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_rows_are_counted_as_a_spreadsheet_shows_them(end: str) -> None:
    lines = [HEADER + ",fields.note", f'{GOOD},"one{end}two{end}three"', "", "223,won,soon,x", ",,,", "224,won,soon,x"]
    first, *others = read(end.join(lines))
    assert isinstance(first, RowOutcome)
    assert first.row == 2
    assert [one.row for mistakes in others if isinstance(mistakes, list) for one in mistakes] == [4, 6]


def test_quotes_inside_quotes_and_blanks_before_them() -> None:
    found = only(f'{HEADER},fields.note\n222, "won" ,2026-11-20T10:15:00Z,"say ""yes"", then"\n'.replace('" ,', '",'))
    assert (found.outcome.stage, found.outcome.fields["note"]) == ("won", 'say "yes", then')


@pytest.mark.parametrize(
    "rows", ['222,"won,2026-11-20T10:15:00Z\n223,won,2026-11-20T10:15:00Z\n', '222,"won"x,2026-11-20T10:15:00Z\n']
)
def test_quotes_that_do_not_fit_end_the_file_at_their_cell(rows: str) -> None:
    body = f"{HEADER}\n{GOOD}\n{rows}"
    assert wrong(body) == [(3, "B", "")]
    assert "quotation marks" in told(body)


def test_a_quote_that_swallows_the_rest_does_not_swallow_the_memory() -> None:
    body = f'{HEADER}\n222,"won,' + "x,y,z\n" * 50_000
    assert wrong(body) == [(2, "B", "")]
    assert f"{LONGEST_CELL:,}" in told(body)


def test_cells_and_lines_without_end_are_told_at_their_row() -> None:
    assert wrong(f"{HEADER}\n222,{'x' * (LONGEST_CELL + 1)},y\n") == [(2, "B", "")]
    assert wrong(f"{HEADER}\n222,{'x,' * LONGEST_ROW}\n")[0][0] == 2


def test_a_long_file_takes_no_more_memory_than_a_row() -> None:
    body = f"{HEADER}\n{GOOD}\n".encode() + f"{GOOD}\n".encode() * 50_000
    rows = open_rows(body)
    tracemalloc.start()
    try:
        assert sum(1 for _row in rows.rows()) == 50_002
        assert tracemalloc.get_traced_memory()[1] < 200_000
    finally:
        tracemalloc.stop()


def test_a_file_without_rows_gives_none() -> None:
    assert [list(open_rows(body).rows()) for body in ("", "\n\n", "\ufeff")] == [[], [], []]


def test_letters_are_those_of_spreadsheets() -> None:
    assert [column_letter(index) for index in (0, 25, 26, 51, 52, 701, 702)] == [
        "A",
        "Z",
        "AA",
        "AZ",
        "BA",
        "ZZ",
        "AAA",
    ]


# --- the header -------------------------------------------------------------------------------------------------------


def header(*cells: str, renamed: dict[str, str] | None = None, **how: Any) -> str:
    """What is said against a header."""
    try:
        read_header(Row(1, list(cells)), renamed or {}, delimiter_words="comma", **how)
    except FileInvalid as caught:
        return "\n".join(map(str, caught.mistakes))
    return ""


def test_a_header_of_all_columns_is_taken_in_any_order_and_in_capitals() -> None:
    assert header(*reversed(KNOWN), "fields.Pipeline") == ""
    assert header("LeadGen_ID", " Stage ", "OCCURRED_AT") == ""
    assert dict(only("LeadGen_ID,Stage,Occurred_at,FIELDS.Pipeline\n" + GOOD + ",b2b").outcome.fields) == {
        "Pipeline": "b2b"
    }


def test_wrong_columns_are_told_with_the_nearest_name() -> None:
    said = header("leadgen_id", "Deal Stage", "occured_at", "Betrag")
    assert 'column B: "Deal Stage" is no column of an outcome: say --column "Deal Stage=stage"' in said
    assert '--column "occured_at=occurred_at"' in said
    assert 'column D: "Betrag" is no column of an outcome: keep it with --column "Betrag=fields.NAME"' in said
    assert "Has no column stage" in said


def test_names_of_theirs_are_mapped_kept_and_left_out() -> None:
    renamed = {"lead": "leadgen_id", "deal  STAGE": "stage", "Pipe": "fields.pipeline", "Note": ""}
    found = only("Lead,Deal stage,occurred_at,Pipe,Note\n222,won,2026-11-20T10:15:00Z,b2b,=x\n", renamed=renamed)
    assert (found.outcome.lead_value, found.outcome.stage, dict(found.outcome.fields)) == (
        "222",
        "won",
        {"pipeline": "b2b"},
    )


def test_a_mapping_of_a_column_that_is_not_there() -> None:
    said = header("leadgen_id", "Stagge", "occurred_at", renamed={"Stage name": "stage"})
    assert 'no column "Stage name"' in said


@pytest.mark.parametrize("second", ["stage", "STAGE", "Phase"])
def test_a_name_that_is_there_twice(second: str) -> None:
    renamed = {"Phase": "stage"} if second == "Phase" else {}
    said = header("leadgen_id", "stage", "occurred_at", second, renamed=renamed)
    assert "column D (stage): Is there twice, in column B too" in said


def test_a_first_row_that_is_data_is_not_repeated() -> None:
    said = header("222", "zoe.person@example.com", "won", "Zoe Person", "email@example.com")
    assert "Names no column that is known" in said
    assert "oe" not in said.replace("does", "")
    mixed = header("stage", "zoe.person@example.com", "leadgen_id", "occurred_at", "+90 532 123 45 67")
    assert "zoe" not in mixed
    assert "532" not in mixed


def test_what_every_file_needs() -> None:
    assert "names the lead" in header("stage", "occurred_at")
    assert "names the lead: add email" in header("stage", "occurred_at", "leadgen_id", lead_by="email")
    assert "more than 50" in header("stage", "occurred_at", "email", *(f"fields.f{n}" for n in range(51)))
    assert "more than 100 characters" in header("stage", "occurred_at", "email", "fields." + "x" * 101)


@pytest.mark.parametrize(
    ("name", "fits"), [("stage", True), ("fields.x", True), ("", True), ("fields.", False), ("stagee", False)]
)
def test_what_a_column_may_be_called(name: str, fits: bool) -> None:
    assert is_ours(name) is fits


def test_the_nearest_name_may_be_none() -> None:
    assert (nearest("Lead ID"), nearest("E-mail"), nearest("order number"), nearest("xyz")) == (
        "leadgen_id",
        "email",
        "order_id",
        None,
    )


# --- cells ------------------------------------------------------------------------------------------------------------


WIDE = "leadgen_id,crm_id,email,phone,stage,occurred_at,value,currency,order_id,connection,fields.pipeline"


def row(**cells: str) -> str:
    """A file of one row that is right but for `cells`."""
    names = WIDE.split(",")
    given = {"leadgen_id": "222", "stage": "won", "occurred_at": "2026-11-20T10:15:00Z"} | cells
    quoted = ",".join('"' + given.get(name.replace("fields.", ""), "").replace('"', '""') + '"' for name in names)
    return f"{WIDE}\n{quoted}\n"


def test_a_whole_row() -> None:
    found = only(row(value="12500.00", currency="try", order_id="D-1", connection="crm", pipeline="b2b")).outcome
    assert (found.lead_key, found.lead_value, found.stage) == ("leadgen_id", "222", "won")
    assert found.occurred_at == datetime(2026, 11, 20, 10, 15, tzinfo=UTC)
    assert (found.value, found.currency, found.order_id, found.connection) == (
        Decimal("12500.00"),
        "TRY",
        "D-1",
        "crm",
    )
    assert dict(found.fields) == {"pipeline": "b2b"}
    bare = only(row()).outcome
    assert (bare.value, bare.currency, bare.order_id, bare.connection, dict(bare.fields)) == (None,) * 4 + ({},)


@pytest.mark.parametrize(
    ("cells", "place"),
    [
        ({"leadgen_id": ""}, "column A (leadgen_id): Names no lead"),
        ({"email": "zoe@example.com"}, "Names the lead 2 times (leadgen_id in column A, email in column C)"),
        ({"leadgen_id": "1.79571E+16"}, "column A (leadgen_id): Was rounded by a spreadsheet"),
        ({"leadgen_id": "1,79571E+16"}, "column A (leadgen_id): Was rounded by a spreadsheet"),
        ({"leadgen_id": "12a"}, "column A (leadgen_id): Is not one of Meta's ids"),
        ({"leadgen_id": "", "email": "nobody"}, "column C (email): Is not a whole e-mail"),
        ({"leadgen_id": "", "phone": "12"}, "column D (phone): Is not a phone number"),
        ({"leadgen_id": "", "phone": "9.05321E+11"}, "column D (phone): Was rounded"),
        ({"leadgen_id": "", "crm_id": "501"}, "column J (connection): Is missing"),
        ({"stage": ""}, "column E (stage): Is missing"),
        ({"stage": "x" * 201}, "column E (stage): Is longer than 200"),
        ({"stage": "wo\0n"}, "column E (stage): Holds NUL"),
        ({"occurred_at": ""}, "column F (occurred_at): Is missing"),
        ({"occurred_at": "22.11.2026 10:15"}, "column F (occurred_at): Is not a time that can be read"),
        ({"occurred_at": "46348.42"}, "column F (occurred_at): Is not a time that can be read"),
        ({"occurred_at": "2026-02-30T10:15:00Z"}, "column F (occurred_at): Is no time that can be"),
        ({"occurred_at": "2026-11-20 10:15"}, "column F (occurred_at): Has no offset"),
        ({"occurred_at": "2026-11-20"}, "column F (occurred_at): Is a date without an hour"),
        ({"occurred_at": "2027-11-20T10:15:00Z"}, "column F (occurred_at): Is in the future"),
        ({"occurred_at": "1997-11-20T10:15:00Z"}, "column F (occurred_at): Is before the year 2000"),
        ({"value": "-4"}, "column G (value): Is negative"),
        ({"value": "NaN"}, "column G (value): Is not a number"),
        ({"value": "9" * 20}, "column G (value): Has more than 13 digits"),
        ({"value": "12.500,00"}, "or say --decimal-comma"),
        ({"value": "12500,5"}, "or say --decimal-comma"),
        ({"value": "12.500", "currency": "TRY"}, "or say --decimal-comma"),
        ({"value": "=A1*2"}, "column G (value): Begins with ="),
        ({"value": "#DIV/0!"}, "column G (value): Holds a spreadsheet's error"),
        ({"currency": "XYZ"}, "column H (currency): Is not a currency"),
        ({"currency": "DEM"}, "column H (currency): Is not in use any more"),
        ({"order_id": "1E+10"}, "column I (order_id): Was rounded"),
        ({"connection": "my crm"}, "column J (connection): Must be the name of a connection"),
        ({"pipeline": "x" * 1_001}, "column K (fields.pipeline): Is longer than 1,000"),
        ({"pipeline": '=HYPERLINK("x")'}, "column K (fields.pipeline): Begins with ="),
    ],
)
def test_each_mistake_at_its_cell(cells: dict[str, str], place: str) -> None:
    said = told(row(**cells))
    assert said.startswith("row 2, column ")
    assert place in said
    assert len(said.splitlines()) == 1


def test_mistakes_are_told_all_at_once_and_repeat_nothing() -> None:
    said = told(row(leadgen_id="", email="zoe.person@", stage="=zoe", occurred_at="zoe", value="zoe", currency="zoe"))
    assert [line.partition(" (")[0] for line in sorted(said.splitlines())] == [
        f"row 2, column {letter}" for letter in "CEFGH"
    ]
    assert "zoe." not in said.replace("zoe@example.com", "")


@pytest.mark.parametrize(("cells", "column"), [(2, "C"), (4, "D"), (1, "B")])
def test_ragged_rows(cells: int, column: str) -> None:
    body = f"{HEADER}\n{GOOD}\n" + ",".join("x" * cells) + f"\n{GOOD}\n"
    assert [(at, letter) for at, letter, _name in wrong(body)] == [(3, column)]
    assert [type(found) for found in read(body)] == [RowOutcome, list, RowOutcome]


def test_a_column_without_a_name_must_be_empty() -> None:
    assert only(f"{HEADER},,\n{GOOD},, \n").outcome.stage == "won"
    assert wrong(f"{HEADER},,\n{GOOD},,x\n") == [(2, "E", "")]


def test_one_column_may_be_chosen_to_name_the_lead() -> None:
    both = row(email="zoe@example.com", phone="=1")
    assert only(both, lead_by="email").outcome.lead_value == "zoe@example.com"
    assert wrong(row(), lead_by="email") == [(2, "C", "email")]


def test_what_is_said_for_all_rows_fills_what_a_row_leaves_open() -> None:
    body = row(leadgen_id="", crm_id="501", value="5")
    found = only(body, connection="crm", currency="TRY").outcome
    assert (found.connection, found.currency) == ("crm", "TRY")
    own = only(row(value="5", currency="EUR", connection="shop"), connection="crm", currency="TRY").outcome
    assert (own.connection, own.currency) == ("shop", "EUR")
    assert only(row(), currency="TRY").outcome.currency is None
    assert "--connection NAME" in told(body)


@pytest.mark.parametrize(
    ("typed", "amount"),
    [
        ("12.500,00", "12500.00"),
        ("12500,5", "12500.5"),
        ("12.500", "12500"),
        ("1.234.567,89", "1234567.89"),
        ("12 500,00", "12500.00"),
        ("12\u00a0500", "12500"),
        ("7", "7"),
    ],
)
def test_a_comma_before_the_decimals(typed: str, amount: str) -> None:
    assert str(only(row(value=typed, currency="TRY"), decimal_comma=True).outcome.value) == amount


@pytest.mark.parametrize("typed", ["12500.00", "12,500.00", "1.2.3", "12.50", "1.234 567", "-4,5", "12,5,0", "4 TL"])
def test_with_a_decimal_comma_other_amounts_are_mistakes(typed: str) -> None:
    assert wrong(row(value=typed, currency="TRY"), decimal_comma=True) == [(2, "G", "value")]


# --- times ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "hour"),
    [
        ("2026-11-20 13:15", 10),
        ("2026-11-20T13:15:00", 10),
        ("2026-11-20 13:15:00.123456789", 10),
        ("2026-11-20T13:15:00Z", 13),
        ("2026-11-20 13:15+03:00", 10),
        ("2026-11-20 13:15:00 +0100", 12),
    ],
)
def test_times_without_an_offset_are_of_the_zone_that_was_said(typed: str, hour: int) -> None:
    found = only(row(occurred_at=typed), zone=ISTANBUL)
    assert found.outcome.occurred_at.replace(microsecond=0) == datetime(2026, 11, 20, hour, 15, tzinfo=UTC)
    assert found.at_noon is False


def test_a_date_is_noon_of_the_zone_and_said_so() -> None:
    found = only(row(occurred_at="2026-11-20"), zone=ISTANBUL)
    assert (found.at_noon, found.outcome.occurred_at) == (True, datetime(2026, 11, 20, 9, 0, tzinfo=UTC))


def test_a_date_whose_noon_has_not_come_asks_for_the_hour() -> None:
    assert "noon, and that has not come yet" in told(row(occurred_at="2026-11-22"), zone=BERLIN)  # it is 10:00 there
    assert "Is in the future" in told(row(occurred_at="2026-11-23"), zone=BERLIN)
    assert only(row(occurred_at="2026-11-22"), zone=ISTANBUL).at_noon  # noon this very second


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("2026-10-25 02:30", "Was there twice in Europe/Berlin"),
        ("2026-03-29 02:30", "Never was in Europe/Berlin"),
    ],
)
def test_times_around_a_change_of_the_clock(typed: str, said: str) -> None:
    assert said in told(row(occurred_at=typed), zone=BERLIN)
    assert wrong(row(occurred_at=typed), zone=ISTANBUL) == []  # no change of the clock there
    assert only(row(occurred_at="2026-10-25 03:00"), zone=BERLIN).outcome.occurred_at.hour == 2


@pytest.mark.parametrize("typed", ["2026-13-01 10:00", "0001-01-01 00:30", "9999-12-31 23:59", "2026-11-20 25:00"])
def test_times_that_cannot_be(typed: str) -> None:
    assert wrong(row(occurred_at=typed), zone=ISTANBUL) == [(2, "F", "occurred_at")]
