"""The documentation is true: links, commands, settings, TOML, words; and nothing stands in the tree that may not."""

import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import click
import pytest

from configuration.check import check_text
from leadloop.cli import cli
from leadloop.conversions.names import MESSAGING_NAMES
from leadloop.leads import LeadCard
from leadloop.settings import read_settings

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
MOST_LINES_OF_A_DECISION = 20
LONGER_DECISIONS = {"0003-crm-adapter-contract.md"}  # sets what five CRMs need beside what the contract has for it


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, *languages: str) -> Iterator[str]:
    for _indent, language, body in FENCE.findall(page.read_text(encoding="utf-8")):
        if language in languages:
            yield body


def prose_of(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors_of(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_relative_links_resolve(page: Path) -> None:
    broken = []
    for plain, picture in LINK.findall(prose_of(page)):
        link = plain or picture
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            broken.append(link)
    assert broken == []


# --- commands ---------------------------------------------------------------------------------------------------------


def command_lines() -> list[tuple[str, str]]:
    """(page, line) for every `leadloop …` in the fenced blocks of shells and consoles."""
    found = []
    for page in PAGES:
        for body in blocks(page, "sh", "console", "bash"):
            for line in body.replace("\\\n", " ").splitlines():
                found += [(name_of(page), part) for part in split_line(line)]
    return found


def named_commands() -> list[tuple[str, str]]:
    """(page, line) for every `leadloop …` in running text, where arguments may be left out."""
    return [
        (name_of(page), part)
        for page in PAGES
        for span in re.findall(r"`(leadloop [a-z][^`\n]*)`", prose_of(page))
        for part in split_line(span.partition(" (")[0])
    ]


def split_line(line: str) -> list[str]:
    """The `leadloop` commands of one line of a shell, without prompt, comment, variables in front and redirections."""
    line = re.sub(r"\s#.*$", "", line.strip().removeprefix("$ "))
    parts = re.split(r"\|\||&&|>>|[|;>]", line)
    stripped = [re.sub(r"^(\s*[A-Z_]+=\S*\s+)+", "", part).strip() for part in parts]
    stripped = [part.removeprefix(".venv/bin/") for part in stripped]
    return [part for part in stripped if part.startswith("leadloop ")]


def parse(line: str, *, complete: bool = True) -> str | None:
    """What the command line's own parser says against a line; None when it takes it. Nothing is run.

    `complete` False: arguments and values of options may be missing. A word in capitals (ID) stands for a value.
    """
    words = [word for word in shlex.split(line)[1:] if word != "…"]
    command: click.Command = cli
    context = click.Context(cli, info_name="leadloop")
    while isinstance(command, click.Group):
        if not words or words[0] in ("--help", "-h", "--version"):
            return None
        found = command.get_command(context, words[0])
        if found is None:
            return f"there is no command {words[0]!r}"
        command, words = found, words[1:]
    try:
        command.make_context(command.name, list(words)).close()
    except click.exceptions.Exit:  # --help
        return None
    except click.MissingParameter as caught:
        return caught.format_message() if complete else None
    except click.BadOptionUsage as caught:
        return None if not complete and "requires an argument" in str(caught) else caught.format_message()
    except click.BadParameter as caught:
        return None if any(word.isupper() for word in words) else caught.format_message()
    except click.UsageError as caught:
        return caught.format_message()
    return None


def test_every_command_in_the_pages_is_one() -> None:
    lines, named = set(command_lines()), set(named_commands())
    assert len(lines) > 30  # the search itself works
    assert len(named) > 30
    refused = [(*one, told) for one in sorted(lines) if (told := parse(one[1])) is not None]
    refused += [(*one, told) for one in sorted(named) if (told := parse(one[1], complete=False)) is not None]
    assert refused == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("leadloop lead list", "there is no command 'lead'"),
        ("leadloop leads lst", "there is no command 'lst'"),
        ("leadloop leads list --pages 1", "No such option"),
        ("leadloop leads list --limit many", "not a valid integer"),
        ("leadloop crm check one two", "unexpected extra argument"),
    ],
)
def test_the_parser_refuses_what_is_no_command(line: str, told: str) -> None:
    assert told in (parse(line) or "")


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("$ leadloop leads list", ["leadloop leads list"]),
        ("LEADLOOP_CONFIG=x.toml leadloop run  # everything", ["leadloop run"]),
        ("git pull && .venv/bin/leadloop db upgrade || leadloop web", ["leadloop db upgrade", "leadloop web"]),
        ("sops -d x.toml | leadloop config apply -", ["leadloop config apply -"]),
        ("leadloop config sample > leadloop.toml", ["leadloop config sample"]),
        ("echo leadloop", []),
    ],
)
def test_commands_are_found_in_lines_of_a_shell(line: str, found: list[str]) -> None:
    assert split_line(line) == found


# --- settings ---------------------------------------------------------------------------------------------------------

SOURCE = (ROOT / "leadloop" / "settings.py").read_text(encoding="utf-8")
SETTINGS = set(re.findall(r'(?:text\(|_number\(merged, )"([A-Z_]+)"', SOURCE))
COMPOSE_ONLY = {"POSTGRES_PASSWORD"}


def in_env_example() -> dict[str, str]:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    head, _, tail = text.partition("# --- Secrets of your configuration file")
    _, _, docker = tail.partition("# --- Docker only")
    return dict(re.findall(r"^#?([A-Z_]+)=(.*)$", head + docker, re.MULTILINE))


def in_operate() -> dict[str, str]:
    page = (ROOT / "docs" / "operate.md").read_text(encoding="utf-8")
    section = page.partition("## Settings")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([A-Z_]+)` \| ([^|]*) \|", section, re.MULTILINE)
    return {name: default.strip("`") for name, default in rows}


def test_the_search_for_settings_finds_them() -> None:
    assert {"DATABASE_URL", "META_APP_SECRET", "LEADLOOP_RETRY_FIRST_S", "LEADLOOP_WORKER_THREADS"} <= SETTINGS


def test_every_setting_is_in_operate_and_in_env_example_and_the_other_way_round() -> None:
    assert set(in_operate()) == SETTINGS
    assert set(in_env_example()) - COMPOSE_ONLY == SETTINGS


def test_defaults_told_are_the_real_ones() -> None:
    real = read_settings({}, dotenv=ROOT / "no such file")
    numbers = {name: value for name, value in in_operate().items() if re.fullmatch(r"[\d.]+", value)}
    assert len(numbers) >= 7
    for name, value in numbers.items():
        assert getattr(real, name.removeprefix("LEADLOOP_").lower()) == float(value), name
    for name in ("META_GRAPH_URL", "META_GRAPH_VERSION", "DATABASE_URL", "LOG_LEVEL", "LOG_FORMAT"):
        assert getattr(real, name.lower()) == in_operate()[name] == in_env_example()[name], name
    for name, value in in_env_example().items():
        if name in numbers:
            assert value == numbers[name]


def test_env_example_is_a_file_that_leadloop_reads() -> None:
    told = read_settings({}, dotenv=ROOT / ".env.example").with_(environ={})
    assert told == read_settings({}, dotenv=ROOT / "no such file").with_(environ={})
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert all(line.startswith("#") for line in text.splitlines() if line)  # a copy of it changes nothing by itself


# --- TOML -------------------------------------------------------------------------------------------------------------

TOML_BLOCKS = [
    (name_of(page), body)
    for page in PAGES
    for body in blocks(page, "toml")
    if "[project" not in body  # pyproject.toml of an adapter's author, not our configuration
]
DEFAULTS = """
[[pages]]
id = "111111111111111"
[[pages]]
id = "111111111111112"
[[connections]]
name = "crm"
adapter = "webhook"
settings = { url = "https://crm.example/leads", secret = "$CRM_SECRET" }
[[connections]]
name = "archive"
adapter = "webhook"
settings = { url = "https://archive.example/leads", secret = "$CRM_SECRET" }
[[notifiers]]
name = "sales"
urls = ["$SALES_SLACK_URL"]
"""


def made_up(text: str) -> dict[str, str]:
    """Every variable that a configuration names, set to something of the kind that its name asks for."""
    return {name: made_up_value(name) for name in re.findall(r'"\$([A-Za-z_]\w*)"', text)}


def made_up_value(name: str) -> str:
    if any(word in name for word in ("DATABASE", "WAREHOUSE", "SQL")):
        return "postgresql://user:password@db.example/leads"
    if name.endswith(("_URL", "_HOOK")):
        return f"https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/{sha256(name.encode()).hexdigest()[:24]}"
    if "TOKEN" in name:
        return "pat-eu1-00000000-0000-0000-0000-000000000000"
    return "whsec_bWFkZSB1cCBhbmQgbG9uZyBlbm91Z2gh"


def completed(body: str) -> str:
    """A block that shows a part of a file, with what it refers to and does not show itself."""
    shown = tomllib.loads(body)
    rest = tomllib.loads(DEFAULTS)
    parts = [body]
    for table, key in (("pages", "id"), ("connections", "name"), ("notifiers", "name")):
        there = {row.get(key) for row in shown.get(table, [])}
        parts += [as_table(table, row) for row in rest[table] if row[key] not in there]
    return "\n".join(parts)


def as_table(table: str, row: dict[str, object]) -> str:
    lines = [f"[[{table}]]"]
    for key, value in row.items():
        text = (
            "{ " + ", ".join(f"{name} = {json.dumps(one)}" for name, one in value.items()) + " }"
            if isinstance(value, dict)
            else json.dumps(value)
        )
        lines.append(f"{key} = {text}")
    return "\n".join(lines)


@pytest.mark.parametrize(("page", "body"), TOML_BLOCKS, ids=[f"{page}-{n}" for n, (page, _) in enumerate(TOML_BLOCKS)])
def test_toml_in_the_pages_passes_the_check(page: str, body: str) -> None:
    whole = completed(body)
    checked = check_text(whole, made_up(whole))
    assert [str(mistake) for mistake in checked.mistakes] == []


def test_the_example_configuration_is_the_sample() -> None:
    from configuration.reference import sample_text

    text = (ROOT / "leadloop.example.toml").read_text(encoding="utf-8")
    assert text == sample_text(), "write it anew: leadloop config sample > leadloop.example.toml"
    assert check_text(text, made_up(text)).config is not None


# --- words and shapes -------------------------------------------------------------------------------------------------


def test_the_glossary_is_in_order_and_names_each_word_once() -> None:
    page = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    words = [word.lower() for word in re.findall(r"^\| ([^|]+?) \|", page, re.MULTILINE)][1:]
    assert len(words) > 50
    assert words == sorted(words)
    assert len(set(words)) == len(words)


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "decisions").glob("*.md")), ids=name_of)
def test_decisions_are_short_and_numbered(page: Path) -> None:
    assert re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", page.name)
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert len(text.splitlines()) <= MOST_LINES_OF_A_DECISION or page.name in LONGER_DECISIONS


def test_decisions_have_one_number_each() -> None:
    numbers = [page.name[:4] for page in (ROOT / "docs" / "decisions").glob("*.md")]
    assert len(numbers) == len(set(numbers))


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
    names = {re.split(r"[\[<>=]", one)[0].lower() for one in wanted}
    told = (ROOT / "docs" / "decisions" / "0002-dependencies.md").read_text(encoding="utf-8").lower()
    assert {name for name in names if not re.search(rf"\b{re.escape(name)}\b", told)} == set()


def test_the_lead_page_has_every_key_and_no_other() -> None:
    page = ROOT / "docs" / "lead-json.md"
    shown = json.loads(next(blocks(page, "json")))
    real = LeadCard("222222222222222", "111111111111111").to_json()
    assert set(shown) == set(real)
    table = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert {key for row in table for key in re.findall(r"`(\w+)`", row)} == set(real)


def test_benchmarks_have_the_markers_that_make_bench_writes_between() -> None:
    text = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert text.count("<!-- figures -->") == text.count("<!-- end of figures -->") == 1
    assert text.index("<!-- figures -->") < text.index("<!-- end of figures -->")


# --- what may not stand anywhere --------------------------------------------------------------------------------------

# Written in pieces, so that this file does not find itself.
FORBIDDEN = {
    "a folder of somebody's machine": r"(^|[^\w.])/(wor" + r"k|far" + r"m|roo" + r"t|home/[a-z]+)/",
    "a package registry": r"pypi\.or" + r"g|files\.pythonhoste" + r"d|registry\.npmj" + r"s|deb\.debia" + r"n\.org",
    "unfinished work": r"\b(TOD" + r"O|FIXM" + r"E|XX" + r"X)\b",
}


@pytest.mark.parametrize("what", list(FORBIDDEN))
def test_nothing_in_the_tree_names(what: str) -> None:
    found = subprocess.run(
        ["git", "grep", "--untracked", "-nIP", "-e", FORBIDDEN[what], "--", "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode in (0, 1), found.stderr  # 1: nothing found
    assert found.stdout == ""


# --- what the program says --------------------------------------------------------------------------------------------


def source_text() -> str:
    """All code, with the pieces of a sentence that stands over several lines put together."""
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = [ROOT / name for name in listed.splitlines() if not name.startswith("tests/")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files if path.is_file())
    return re.sub(r'"\s*\n\s*f?"', "", text)


def told_in(name: str, heading: str, pattern: str) -> list[str]:
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    section = page.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(pattern, section, re.MULTILINE)


def test_codes_quoted_in_troubleshoot_are_given() -> None:
    cells = told_in("troubleshoot.md", "Nothing arrives at Meta", r"^\| (.+?) \| .+? \| .*\|$")
    meanings = told_in("troubleshoot.md", "Nothing arrives at Meta", r"^\| .+? \| (.+?) \| .*\|$")
    named = {code for cell in cells + meanings for code in re.findall(r"`([a-z]+_[a-z_]+)`", cell)} - {"raw_event"}
    assert len(named) > 12
    text = source_text()
    named -= {"order_id", "crm_id", "occurred_at"}  # of an outcome
    assert {code for code in named if f'"{code}"' not in text} == set()


def test_the_names_of_business_messaging_are_the_fourteen() -> None:
    page = (ROOT / "docs" / "click-to-message.md").read_text(encoding="utf-8")
    listed = page.partition("Only these names are taken")[2].partition("```")[0]
    assert set(re.findall(r"`([A-Z]\w+)`", listed)) == MESSAGING_NAMES


def test_log_lines_named_in_the_pages_are_written() -> None:
    named = told_in("operate.md", "Logs and Sentry", r"`([a-z]+_[a-z_]+)`")
    named += told_in("troubleshoot.md", "What a notice got for an answer", r"`(notice_\w+)`")
    rows = told_in("troubleshoot.md", "Follow a lead through the log", r"^\| (`[^|]+`) \|")
    named += [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    named = [name for name in named if not name.endswith("_id")]
    assert len(named) > 8
    text = source_text()
    assert [name for name in named if not re.search(rf'log\.\w+\(\s*"{name}"', text)] == []


def test_sentences_quoted_in_troubleshoot_are_said() -> None:
    quoted = told_in("troubleshoot.md", "It does not start", r"^\| `([^`]+)` \|")
    assert len(quoted) > 6
    text = source_text()

    def is_said(sentence: str) -> bool:
        pattern = re.escape(sentence).replace("8000", r"\{port\}").replace(r"127\.0\.0\.1", r"\{host\}")
        return re.search(pattern, text) is not None

    assert [sentence for sentence in quoted if not is_said(sentence)] == []
