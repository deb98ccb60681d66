"""Every mistake with its line and the mend; nothing secret in it; nothing makes the check crash."""

import logging
import re
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from configuration_samples import DATASET_TOKEN, ENVIRON, GOOD, MAIL, SECRET, SECRETS, SLACK, TOKEN
from hypothesis import example, given, settings
from hypothesis import strategies as st

from configuration.check import check_file, check_text
from configuration.entries import StageEntry
from configuration.environ import resolve
from configuration.reference import sample_text
from leadloop.conversions.funnel import parse_funnel
from sandbox import SandboxOptions, demo_config, demo_environ

PAGE = '[[pages]]\nid = "1"\naccess_token = "t"\n'
CONNECTION = """\
[[connections]]
name = "crm"
adapter = "webhook"
settings = { url = "https://a.example/x", secret = "$CRM_SECRET" }
"""
ROUTE = '[[routes]]\nconnections = ["crm"]\n'


def mistakes_of(text: str, environ: dict[str, str] | None = None) -> list[str]:
    checked = check_text(text, ENVIRON if environ is None else environ)
    assert (checked.config is None) == bool(checked.mistakes)
    assert all(mistake.message and mistake.mend and mistake.where for mistake in checked.mistakes)
    return [str(mistake) for mistake in checked.mistakes]


def warnings_of(text: str, environ: dict[str, str] | None = None) -> list[str]:
    checked = check_text(text, ENVIRON if environ is None else environ)
    assert checked.mistakes == ()
    return [str(warning) for warning in checked.warnings]


def test_a_good_file_becomes_a_configuration() -> None:
    checked = check_text(GOOD, ENVIRON)
    assert checked.mistakes == ()
    assert checked.warnings == ()
    config = checked.config
    assert config is not None
    first, second = config.pages
    assert (first.page_id, first.name, first.access_token) == ("111111111111111", "Acme İstanbul 🌷", TOKEN)
    assert (first.default_country, first.business_country, first.dataset_id) == ("TR", "XK", "900000000000001")
    assert first.env_names == {"/access_token": "ACME_PAGE_TOKEN"}
    assert (second.name, second.default_country) == (None, None)
    crm, other = config.connections
    assert crm.settings == {"url": "https://crm.example/leads", "secret": SECRET}
    assert crm.env_names == {"/secret": "CRM_SECRET"}
    assert other.settings["headers"] == {"X-Team": "$literal"}
    (sales,) = config.notifiers
    assert sales.urls == (SLACK, MAIL)
    assert sales.env_names == {"/0": "SALES_SLACK_URL"}
    assert [(route.pages, route.forms) for route in config.routes] == [
        (("*",), ("*",)),
        (("112",), ("333333333333333",)),
    ]
    assert config.mappings[1].fields == {"first_name": "{first_name}", "a.b": "{labels.budget}"}
    crm_dataset, messages = config.datasets
    assert (crm_dataset.dataset_id, crm_dataset.name, crm_dataset.access_token) == (
        "900000000000001",
        "Acme CRM",
        DATASET_TOKEN,
    )
    assert crm_dataset.env_names == {"/access_token": "ACME_DATASET_TOKEN"}
    assert (messages.name, messages.access_token) == (None, None)
    assert config.funnels[0].stages[2:] == (StageEntry("won", "Purchase", "required"), StageEntry("lost"))


@pytest.mark.parametrize(
    "text", ["\N{BYTE ORDER MARK}" + GOOD, GOOD.replace("\n", "\r\n"), GOOD.replace(" = ", "\t=\t")]
)
def test_bom_crlf_and_tabs_make_no_difference(text: str) -> None:
    assert check_text(text, ENVIRON) == check_text(GOOD, ENVIRON)


def test_the_sample_is_good_as_it_is() -> None:
    assert check_text(sample_text(), ENVIRON).mistakes == ()
    assert check_text(sample_text(), ENVIRON).warnings == ()


SHORT = {
    "@page": "pages = [{ id = '1', access_token = 't' }]",
    "@crm": "connections = [{ name = 'crm', adapter = 'webhook', settings = { url = 'https://a.example/x',"
    " secret = '$CRM_SECRET' } }]",
}


def read_table() -> Iterator[Any]:
    """mistakes.txt: what, the file, and the sentences to be told."""
    for block in (Path(__file__).parent / "mistakes.txt").read_text(encoding="utf-8").split("\n## ")[1:]:
        what, *rows = block.rstrip("\n").split("\n")
        text = "\n".join(SHORT.get(row, row) for row in rows if not row.startswith("-> "))
        yield pytest.param(text, [row.removeprefix("-> ") for row in rows if row.startswith("-> ")], id=what)


@pytest.mark.parametrize(("text", "sentences"), list(read_table()))
def test_mistakes(text: str, sentences: list[str]) -> None:
    told = mistakes_of(text, ENVIRON | {"NOTHING": "", "WITH_LINE_END": "EAAB\n"})
    assert len(told) == len(sentences), told
    for sentence in sentences:
        pattern = ".*".join(re.escape(part) for part in sentence.split(" … "))
        assert any(re.match(pattern, one) for one in told), (sentence, told)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "file: names nothing"),
        ("\n\nx = '\ud800'", "3: TOML: half a character"),
        ("a = 1 # \x07", "1: TOML, column 9: a control character"),
        ("a = 1\rb = 2", "1: TOML, column 6: more than one thing on a line"),
        ("a = " + "[" * 5000, "TOML: nested more than 40 deep"),
        ("\na = " + "[" * 50 + "]" * 50, "2: TOML: nested more than 40 deep"),
        ("\n" + "a." * 20_000 + "b = 1", "2: TOML: nested more than 40 deep"),
        ("a = " + "9" * 5000, "TOML: a number has more digits than can be read"),
        ("[[pages]]\nid = 0x" + "f" * 6000, "2: Page #1, id: must be text, not a number"),
    ],
    ids=range(9),
)
def test_mistakes_that_no_editor_writes(text: str, words: str) -> None:
    (told,) = mistakes_of(text)
    assert told.startswith(words)


def test_all_mistakes_are_told_in_the_order_of_lines() -> None:
    text = "[[routes]]\nforms = ['x']\nconnections = ['b']\n[[pages]]\nid = 1\nid2 = 2\n[[pages]]\n[[notifiers]]\nname = ''\n"
    checked = check_text(text, {})
    assert [mistake.line for mistake in checked.mistakes] == [2, 3, 5, 6, 7, 8, 9]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{CONNECTION}", "1: connection crm: no route names it"),
        (f"{PAGE}", "1: Page 1: no route takes its leads"),
        (f"[[pages]]\nid = '1'\n{CONNECTION}{ROUTE}", "1: Page 1: there is no access token"),
        (f"{PAGE}{CONNECTION}{ROUTE}pages = ['*', '1']", '10: route #1, pages: "*" matches all'),
        (f"{CONNECTION}{ROUTE}{ROUTE}forms = ['3']", "7: route #2: adds nothing: route #1 leads the same leads there"),
        (
            f"{CONNECTION.replace('a.example', '$CRM_SECRET')}{ROUTE}",
            "4: connection crm, settings.url: $CRM_SECRET inside a longer text is not replaced",
        ),
    ],
)
def test_warnings(text: str, words: str) -> None:
    (told,) = warnings_of(text)
    assert told.startswith(words)


def test_only_a_notifier_of_the_admins_needs_no_route() -> None:
    notifier = "[[notifiers]]\nname = 'ops'\nurls = ['$SALES_SLACK_URL']\n"
    text = PAGE + CONNECTION + ROUTE + notifier
    assert warnings_of(text + "admin = true") == []
    for other in (text, text + "admin = false"):
        (told,) = warnings_of(other)
        assert told.startswith("10: notifier ops: no route names it")


def test_no_warning_where_all_is_as_it_should_be() -> None:
    assert warnings_of(f"[[pages]]\nid = '1'\n{CONNECTION}{ROUTE}", ENVIRON | {"META_ACCESS_TOKEN": "t"}) == []
    wide_after_narrow = f"{PAGE}{CONNECTION}{ROUTE}pages = ['1']\n{ROUTE}"
    assert warnings_of(wide_after_narrow) == []
    assert warnings_of("pages = []") == []
    dollar_inside_a_password = CONNECTION.replace("https://a.example/x", "https://a.example/?p=a$UNKNOWN")
    assert warnings_of(dollar_inside_a_password + ROUTE) == []


STAGES = "stages = [{ stage = 'new', event = 'Raw Lead' }, { stage = 'won', event = 'Purchase' }]\n"
FUNNEL = f"[[funnels]]\nconnection = 'crm'\ndataset_id = '9'\n{STAGES}"
BERLIN = PAGE + "business_country = 'DE'\n"
WROTE = f"{FUNNEL}route = 'business_messaging'\n".replace("Raw Lead", "LeadSubmitted")


@pytest.mark.parametrize(
    ("funnels", "words"),
    [
        (FUNNEL.replace("'Purchase'", "'purchase'"), "13: funnel #1, stages #2.event: is nearly a standard name"),
        (FUNNEL.replace(", event = 'Raw Lead'", ""), "13: funnel #1, stages: sends one event only"),
        ("[[datasets]]\nid = '8'\n", "10: dataset 8: no funnel and no Page names it, so nothing goes there"),
        (
            FUNNEL + "route = 'other'\nraw_event = 'Raw Lead'",
            "15: funnel #1, raw_event: is for the moment an instant form arrives, and such leads do not go by the route other",
        ),
        (
            WROTE + "lead_event_source = 'Acme CRM'",
            "15: funnel #1, lead_event_source: is told on the route conversion_leads only",
        ),
        (
            FUNNEL + "when = { Pipelines = 'b2b' }",
            "14: funnel #1, when.Pipelines: is looked for among the outcome's fields",
        ),
        (FUNNEL + "when = { page = '2' }", '14: funnel #1, when.page: there is no Page "2" in this file'),
        (FUNNEL + "when = { form = ['1', 'Autumn'] }", '14: funnel #1, when.form: "Autumn" is not the id of a form'),
        (
            FUNNEL.replace("event = 'Purchase'", "event = 'Purchase', when = { page = 'Acme' }"),
            '13: funnel #1, stages #2.when.page: there is no Page "Acme"',
        ),
        (
            FUNNEL + "raw_event = 'Came in'\nwhen = { page = '1', form = '3', pipeline = 'b2b' }",
            "15: funnel #1, when.pipeline: is not known yet when a lead comes",
        ),
        (FUNNEL + FUNNEL.replace("'crm'", "'*'"), "14: funnel #2: an outcome may be for this funnel and for number 1"),
        (
            FUNNEL + "when = { owner = '7' }\n" + FUNNEL,
            "15: funnel #2: an outcome may be for this funnel and for number 1",
        ),
        (
            FUNNEL + "when = { owner = ['7', '*'] }\n" + FUNNEL + "when = { owner = '8' }\n",
            "15: funnel #2: an outcome may be for this funnel and for number 1",
        ),
    ],
)
def test_doubts_about_funnels(funnels: str, words: str) -> None:
    (told,) = warnings_of(PAGE + CONNECTION + ROUTE + funnels)
    assert told.startswith(words)


@pytest.mark.parametrize(
    "funnels",
    [
        FUNNEL + "[[datasets]]\nid = '9'\n",
        FUNNEL + FUNNEL.replace("'9'", "'8'") + FUNNEL + "route = 'other'",
        FUNNEL + "when = { owner_id = '7', pipeline = 'b2b', page = ['1', '*'], form = '3' }",
        FUNNEL + "when = { owner = ['7', '9'] }\n" + FUNNEL + "when = { owner = '8' }\n",
        FUNNEL + "when = { owner = '7', pipeline = 'a' }\n" + FUNNEL + "when = { owner = '7', pipeline = 'b' }\n",
        FUNNEL + "raw_event = 'Came in'\nwhen = { page = '1', form = '3', ad = '7' }",
        FUNNEL.replace("event = 'Purchase'", "event = 'Purchase', when = { pipeline = 'b2b' }")
        + "raw_event = 'Came in'",
        WROTE,
    ],
)
def test_no_doubt_about_funnels_that_are_apart(funnels: str) -> None:
    assert warnings_of(PAGE + CONNECTION + ROUTE + funnels) == []


OTHER = PAGE.replace('"1"', '"2"')


@pytest.mark.parametrize(
    ("pages", "funnel", "doubts"),
    [
        (BERLIN, WROTE, 1),
        (BERLIN + "dataset_id = '9'\n", WROTE, 1),
        (BERLIN + "dataset_id = '8'\n" + OTHER + "dataset_id = '9'\n", WROTE, 0),
        (BERLIN, FUNNEL + "route = 'website'\n", 0),
        (BERLIN.replace("DE", "TR"), WROTE, 0),
        (BERLIN + OTHER, WROTE + "when = { page = '2' }", 0),
        (BERLIN + OTHER, WROTE + "when = { page = ['2', '1'] }", 1),
    ],
)
def test_messaging_from_a_restricted_country_is_doubted(pages: str, funnel: str, doubts: int) -> None:
    told = warnings_of(pages + CONNECTION + ROUTE + funnel)
    assert len(told) == doubts
    for one in told:
        assert "funnel #1, route: Page 1 is registered in DE, whose Pages may not send messaging events" in one
        assert 'route = "conversion_leads"' in one


def test_numbers_are_read_digit_by_digit() -> None:
    """0.1 + 0.2 and the like: no digit of an amount is a binary number's."""
    written = {"250.10": "250.10", "0.07": "0.07", "1_234.5": "1234.5", "1e5": "100000", "-0.0": "0.0", "7": "7"}
    stages = "".join(
        f"{{ stage = 's{index}', event = 'E{index}', fixed_value = {number}, currency = 'TRY' }}, "
        for index, number in enumerate(written)
    )
    stages += "{ stage = 't', event = 'T', fixed_value = ' 12500.00 ', currency = 'TRY' }"
    config = check_text(
        f"{CONNECTION}{ROUTE}[[funnels]]\nconnection='crm'\ndataset_id='1'\nstages=[{stages}]", ENVIRON
    ).config
    assert config is not None
    (funnel,) = config.funnels
    assert [stage.fixed_value for stage in funnel.stages] == [*written.values(), "12500.00"]
    assert parse_funnel("1", [stage.to_json() for stage in funnel.stages], funnel.options).stages[
        0
    ].fixed_value == Decimal("250.10")


def test_an_adapter_is_given_numbers_as_python_has_them() -> None:
    text = CONNECTION.replace(" }", ", headers = { a = 1.5 } }")
    (told,) = mistakes_of(text + ROUTE)
    assert "headers" in told
    assert repr(resolve({"a": [Decimal("1.5")]}, {}).value) == "{'a': [1.5]}"
    assert [fault for _, fault in resolve([Decimal("1e400"), Decimal("NaN")], {}).faults] == [
        "is not a finite number"
    ] * 2


def test_the_sandbox_gives_no_doubt() -> None:
    options = SandboxOptions()
    config = demo_config(options, "http://127.0.0.1:8001")
    assert warnings_of(config, demo_environ(options, "http://127.0.0.1:8001")) == []


def test_huge_funnels_are_answered_in_time() -> None:
    head = CONNECTION + ROUTE
    stage = "{ stage = 's%d', event = 'E' },"
    (told,) = mistakes_of(
        head
        + "[[funnels]]\nconnection='crm'\ndataset_id='1'\nstages=["
        + "".join(stage % n for n in range(20_000))
        + "]"
    )
    assert "has more than 500 stages" in told
    values = ", ".join(f"'{n}'" for n in range(50_000))
    (told,) = mistakes_of(head + FUNNEL + f"when = {{ owner = [{values}] }}")
    assert "has more than 200 values" in told
    keys = ", ".join(f"k{n} = '{n}'" for n in range(20_000))
    (told,) = mistakes_of(head + FUNNEL + f"when = {{ {keys} }}")
    assert "has more than 20 conditions" in told
    many = "".join(FUNNEL + f"when = {{ owner = '{n}' }}\n" for n in range(3_000))
    started = time.process_time()
    assert warnings_of(head + many) == []
    assert time.process_time() - started < 20


def test_nothing_removes_everything_by_accident() -> None:
    checked = check_text("pages = []", {})
    assert checked.config is not None
    assert checked.config.pages == ()


# --- secrets ----------------------------------------------------------------------------------------------------------


def spoiled() -> Iterator[str]:
    """Good files, each broken in one place, with the secrets written in the clear."""
    clear = GOOD
    for name, value in ENVIRON.items():
        clear = clear.replace(f'"${name}"', f'"{value}"')
    rows = clear.splitlines()
    for number, row in enumerate(rows):
        for broken in (row.rstrip('"'), row + " x", row.replace("=", "= 3 #"), row.replace(" = ", "x = "), "[" + row):
            yield "\n".join([*rows[:number], broken, *rows[number + 1 :]])
        yield clear.replace(row, row + "\n" + row)
    for secret in SECRETS[:4]:
        yield clear.replace(f'"{secret}"', f'["{secret}", "{secret}"]')
        yield clear.replace(f'"{secret}"', f'{{ {secret[:6]} = "{secret}" }}')
        yield clear.replace(secret, secret + " " + secret)
        yield clear.replace(secret, "$" + secret)
        yield clear.replace(f'"{secret}"', secret)


def test_no_secret_is_ever_told(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    caplog.set_level(logging.DEBUG)
    count = 0
    for text in spoiled():
        checked = check_text(text, {})
        count += bool(checked.mistakes)
        told = repr(checked) + "".join(map(str, (*checked.mistakes, *checked.warnings)))
        assert not [secret for secret in SECRETS if secret in told], told
    assert count > 150
    assert not [secret for secret in SECRETS if secret in caplog.text + "".join(capsys.readouterr())]


def test_the_configuration_hides_its_secrets() -> None:
    told = repr(check_text(GOOD, ENVIRON).config)
    assert not [secret for secret in SECRETS if secret in told]


def test_nothing_of_the_file_can_play_tricks_on_a_terminal() -> None:
    told = "".join(mistakes_of(f'{PAGE}"\\u001b[2J\\u202e" = 1\nname = 3\n[[routes]]\nforms = ["\\u001b"]'))
    assert told.isprintable()


# --- files ------------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.text() | st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape")))
@example("[[pages]]\n[pages.access_token]\n_schema = '$X'\n")
@example('[[connections]]\nname="a"\nadapter="webhook"\nsettings={"_schema"={"_schema"=1},url={key=1},secret=[[[]]]}')
@example('"\\u0000" = [{"\\u0000" = "\\u0000"}]')
def test_any_text_is_answered(text: str) -> None:
    checked = check_text(text, {"X": "\udcff"})
    assert checked.config is not None or checked.mistakes


TOKENS = st.sampled_from(
    [
        "[[pages]]",
        "[[connections]]",
        "[[notifiers]]",
        "[[routes]]",
        "[[mappings]]",
        "[[funnels]]",
        "[[datasets]]",
        "[pages]",
        "[connections.settings]",
        "[mappings.fields]",
        "id",
        "name",
        "access_token",
        "adapter",
        "settings",
        "urls",
        "pages",
        "forms",
        "connections",
        "notifiers",
        "connection",
        "fields",
        "stages",
        "stage",
        "event",
        "value",
        "dataset_id",
        "route",
        "when",
        "consent",
        "fixed_value",
        "currency",
        "_schema",
        "=",
        "=",
        "=",
        "=",
        ",",
        "[",
        "]",
        "{",
        "}",
        ".",
        "1",
        "-1",
        "1.5",
        "nan",
        "true",
        "1979-05-27",
        "'*'",
        "'1'",
        "'crm'",
        "'webhook'",
        "'sql'",
        "'hubspot'",
        "'$A'",
        "'$B'",
        "'$$'",
        "'slack://x'",
        "'{email}'",
        "'{'",
        "'TR'",
        "''",
        "'😀'",
        "'İ'",
    ]
)


@settings(deadline=None)
@given(st.lists(st.one_of(TOKENS, st.just("\n"), st.just("\n"))).map(" ".join))
def test_toml_like_texts_are_answered(text: str) -> None:
    checked = check_text(text, {"A": "a", "B": ""})
    assert checked.config is not None or checked.mistakes


VALUES = st.recursive(
    st.sampled_from(
        ["1", "1.5", "true", "'*'", "'1'", "'crm'", "'$A'", "'$B'", "''", "'{email}'", "'webhook'", "nan", "1e400"]
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[" + ", ".join(items) + "]"),
        st.lists(inner, max_size=2).map(
            lambda items: "{ " + ", ".join(f"k{n} = {i}" for n, i in enumerate(items)) + " }"
        ),
        inner.map(lambda item: f"{{ stage = {item} }}"),
        inner.map(
            lambda item: f"[{{ stage = 'a', event = {item}, value = {item} }}, {{ stage = 'b', when = {item} }}]"
        ),
        inner.map(lambda item: f"[{{ stage = 'a', event = 'A', fixed_value = {item}, currency = {item} }}]"),
        inner.map(lambda item: f"[{{ stage = 'a', event = 'A', predicted_value = {item}, currency = 'TRY' }}]"),
        inner.map(lambda item: f"{{ url = {item}, secret = {item} }}"),
    ),
    max_leaves=6,
)
KEYS = st.sampled_from(
    [
        "id",
        "name",
        "access_token",
        "default_country",
        "dataset_id",
        "adapter",
        "settings",
        "urls",
        "template",
        "pages",
        "forms",
        "connections",
        "notifiers",
        "connection",
        "fields",
        "stages",
        "route",
        "raw_event",
        "advance_only",
        "admin",
        "fill_skipped",
        "lead_event_source",
        "when",
        "consent",
        "ldu_states",
        "_schema",
    ]
)
ROWS = st.tuples(
    st.sampled_from(["pages", "connections", "notifiers", "routes", "mappings", "funnels", "datasets"]),
    st.dictionaries(KEYS, VALUES, max_size=5),
).map(lambda row: f"[[{row[0]}]]\n" + "".join(f"{key} = {value}\n" for key, value in row[1].items()))


@settings(deadline=None)
@given(st.lists(ROWS, max_size=4).map("".join))
def test_any_value_at_any_key_is_answered(text: str) -> None:
    """Valid TOML with the wrong thing in every place: a mistake on a line of the text, or a configuration."""
    checked = check_text(text, {"A": "a", "B": ""})
    assert checked.config is not None or checked.mistakes
    assert all(0 <= mistake.line <= text.count("\n") + 1 for mistake in checked.mistakes)


def test_check_file(tmp_path: Path) -> None:
    file = tmp_path / "leadloop.toml"
    file.write_text(GOOD, encoding="utf-8")
    assert check_file(str(file), ENVIRON).config == check_text(GOOD, ENVIRON).config
    (mistake,) = check_file(str(file) + "x", ENVIRON).mistakes
    assert (mistake.line, mistake.where, mistake.message) == (0, "file", "there is no such file")
