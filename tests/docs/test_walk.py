"""The recorded walk in the pages: how it is compared, and that it is true."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
MOST_PICTURE_BYTES = 200_000

BLOCK = """```console
$ leadloop leads list
 received  lead               name
 3 s ago   17953907773610000  Noah Sample

$ leadloop leads show 17953907773610000
 2026-11-22 23:39:37.442  0.442 s  sales was rung.
 2026-11-22 23:39:37.448  0.448 s  Put into crm as lead crm-3.
```"""


def load_walk() -> ModuleType:
    spec = importlib.util.spec_from_file_location("walk", ROOT / "docs" / "walk.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["walk"] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


walk = load_walk()


def readme(block: str) -> str:
    return walk.put("# x\n<!-- walk: try -->\n<!-- end of walk -->\nrest\n", "try", block)


def test_another_run_differs_in_ids_times_and_order_alone() -> None:
    another = (
        BLOCK.replace("17953907773610000", "17999999999999999")
        .replace("3 s ago", "12 s ago")
        .replace("0.442", "12.001")
        .replace("2026-11-22 23:39", "2027-01-02 03:04")
        .replace("crm-3", "crm-14")
    )
    rows = another.splitlines()
    rows[-2], rows[-3] = rows[-3], rows[-2]
    assert walk.compare(readme(BLOCK), "try", "\n".join(rows)) == []


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("leads list", "lead list"),
        ("Noah Sample", "Noah Example"),
        (" received ", " arrived "),
        ("sales was rung.", "sales could not be rung."),
        (" 2026-11-22 23:39:37.442  0.442 s  sales was rung.\n", ""),
    ],
)
def test_any_other_difference_is_told(was: str, now: str) -> None:
    assert was in BLOCK
    assert walk.compare(readme(BLOCK), "try", BLOCK.replace(was, now)) != []


def test_a_block_is_put_between_its_markers_and_nothing_else_changes() -> None:
    once = readme(BLOCK)
    assert once.startswith("# x\n<!-- walk: try -->\n")
    assert once.endswith("<!-- end of walk -->\nrest\n")
    assert walk.put(once, "try", BLOCK) == once


def test_missing_markers_are_told() -> None:
    with pytest.raises(SystemExit, match="no markers"):
        walk.put("# x\n", "try", BLOCK)


@pytest.mark.services
def test_the_pages_tell_what_the_commands_really_print() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "walk.py"), "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, f"record it anew with make walk\n{done.stdout}{done.stderr}"


def test_pictures_are_small_and_really_pictures() -> None:
    pictures = list((ROOT / "docs" / "images").iterdir())
    assert pictures
    for picture in pictures:
        content = picture.read_bytes()
        assert content.startswith(b"\x89PNG\r\n")
        assert len(content) < MOST_PICTURE_BYTES, picture.name
