"""Files that are missing, too large, of the wrong kind or encoding: one mistake each, and nothing of their content."""

import io
from pathlib import Path

import pytest

from configuration.mistakes import Mistake
from configuration.reading import MOST_BYTES, read_file


def mistake_of(path: object) -> str:
    found = read_file(str(path))
    assert isinstance(found, Mistake)
    assert found.mend
    return f"{found.line}: {found.message}"


def test_a_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "größe.toml"
    file.write_bytes("# ğ🌷\r\n".encode())
    assert read_file(str(file)) == "# ğ🌷\r\n"


def test_files_that_are_none(tmp_path: Path) -> None:
    assert mistake_of(tmp_path / "nothing.toml") == "0: there is no such file"
    assert mistake_of(tmp_path) == "0: this is a folder"
    assert mistake_of(tmp_path / ("x" * 300)) == "0: this file cannot be read (OSError)"
    assert mistake_of("a\0b") == "0: this file cannot be read (ValueError)"
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert mistake_of(tmp_path / "loop") == "0: this file cannot be read (OSError)"


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "open", refuse)  # root, who runs the tests in a container, may read everything
    assert mistake_of(tmp_path / "a.toml") == "0: leadloop may not read this file"


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (b"\xff\xfea\0=\0", 1),
        ("a = 'ü'".encode("latin-1"), 1),
        (b"a = 1\nb = 2\n# \xe2\x82\n", 3),
        (b"\xed\xa0\x80", 1),
    ],
)
def test_what_is_not_utf_8(tmp_path: Path, raw: bytes, line: int) -> None:
    file = tmp_path / "a.toml"
    file.write_bytes(raw)
    assert mistake_of(file) == f"{line}: not UTF-8 text from here on"


def test_size(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_bytes(b"#" * MOST_BYTES)
    assert read_file(str(file)) == "#" * MOST_BYTES
    file.write_bytes(b"#" * (MOST_BYTES + 1))
    assert mistake_of(file) == "0: this file is larger than 1 MiB"
    assert mistake_of("/dev/zero") == "0: this file is larger than 1 MiB"


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("a = 'ğ'".encode()), encoding="ascii"))
    assert read_file("-") == "a = 'ğ'"
