"""The page in a real browser: it shows what happened as text, and its buttons do what they say."""

import re
import subprocess
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask import Response
from sandbox_bench import Bench, Receiver, wait_for
from servers import find_program

from sandbox import RunningSandbox, SandboxOptions, create_sandbox, start_in_thread
from sandbox.datasets import CRM_DATASET_ID
from sandbox.forms import ENGLISH, FORMS, TURKISH
from sandbox.options import build_proof

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run", "--enable-logging=stderr", "--v=0", "--window-size=1280,1200"),
)


def open_page(url: str, profile: Path) -> str:
    """The DOM of the page after it has had time to draw itself. No script may have failed or been refused."""
    browser = find_program("chromium", "chromium")
    command = [browser, *FLAGS, f"--user-data-dir={profile}", "--virtual-time-budget=4000", "--dump-dom", url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert not re.search(r"Uncaught|SyntaxError|Refused to|Content Security Policy", done.stderr), done.stderr
    return done.stdout


def start(script: str = "", **given: Any) -> RunningSandbox:
    """A sandbox that sends nowhere. `script` is run in the page once its form is drawn."""
    options = SandboxOptions(webhook_url="http://127.0.0.1:1/", retry_delays_s=(), crm_secret="", **given)
    app = create_sandbox(options)

    @app.after_request
    def add_script(response: Response) -> Response:
        if script and response.mimetype == "text/html":
            nonce = re.search(r"script-src 'nonce-([^']+)'", response.headers["Content-Security-Policy"])
            assert nonce
            wait = "const wait = setInterval(() => { if (!$('q0')) return; clearInterval(wait); SCRIPT }, 20);"
            more = f'<script nonce="{nonce[1]}">{wait.replace("SCRIPT", script)}</script></body>'
            response.set_data(response.get_data(as_text=True).replace("</body>", more))
        return response

    return start_in_thread(options, app=app)


def post(running: RunningSandbox, path: str, body: Any) -> Any:
    answer = running.app.test_client().post(path, json=body)
    assert answer.status_code in (200, 201), answer.get_data(as_text=True)
    return answer.get_json()


def test_a_submitted_lead_is_shown_and_nothing_in_it_acts(tmp_path: Path) -> None:
    evil = "<img src=x onerror=\"document.title='pwned'\"></script><script>document.title='pwned'</script> مريم"
    with start() as running:
        (leadgen_id,) = post(running, "/_sandbox/leads", {"answers": {"full_name": evil}})["leadgen_ids"]
        state = running.sandbox.state
        wait_for(lambda: all(send.state != "waiting" for send in state.sends.values()))
        post(running, "/crm/leads", {"type": "lead.created", "data": {"leadgen_id": leadgen_id, "full_name": evil}})
        post(running, "/alerts", {"title": f"New lead {evil}", "message": f"{leadgen_id} {evil}"})
        shown = open_page(running.url + "/#alerts", tmp_path)
    assert re.search(r'<button[^>]*id="submit"[^>]*>Submit a lead</button>', shown)
    assert f'data-leadgen-id="{leadgen_id}"' in shown
    assert evil[:100] in unescape(shown)
    assert "<img" not in shown
    assert "<title>leadloop sandbox</title>" in shown
    assert shown.count("<script") == 1
    assert "nobody listens, given up" in shown
    assert re.search(r"Sales rung</b><span[^>]*>\+\d", shown)
    for form in FORMS:
        assert form.name in shown


def test_a_lead_that_was_there_before_its_notice_is_shown_so(tmp_path: Path) -> None:
    """As when leadloop reads Meta's list of leads while the notice waits to be handed over."""
    with start() as running:
        (leadgen_id,) = post(running, "/_sandbox/leads", {"send": False})["leadgen_ids"]
        state = running.sandbox.state
        filled_in_at = state.journeys[leadgen_id].submitted_at
        for hop, after_ms in (("crm", 100), ("alert", 250), ("sent", 2600), ("acked", 2604)):
            state.note(hop, [leadgen_id], filled_in_at + timedelta(milliseconds=after_ms))
        shown = open_page(running.url, tmp_path)
    drawn = dict(re.findall(r"<b>([^<]+)</b><span[^>]*>([^<]*)</span>", shown))
    assert drawn["In the CRM"] == "2500 ms before the notice"
    assert drawn["Sales rung"] == "2350 ms before the notice"
    assert drawn["Answered 200"] == "+4.0 ms"


def test_the_buttons_work(tmp_path: Path) -> None:
    """Choose the Turkish form, type a name, pick a choice, submit; then flip a switch and send a sample."""
    script = f"""
      $('form-id').value = '{TURKISH.form_id}'; $('form-id').dispatchEvent(new Event('change'));
      $('q0').value = 'İpek'; document.querySelector('[value=elektrikli]').click();
      $('organic').checked = true; $('submit').click();
      const switches = [...document.querySelectorAll('[role=switch]')];
      const flip = (name) => switches.find((one) => one.textContent.startsWith(name)).click();
      setTimeout(() => {{ flip('Rate limited'); flip('No right to see ads'); flip('Answer lost'); }}, 300);
      setTimeout(() => {{ $('sample').value = 'whatsapp_text'; $('send').click(); }}, 900);
    """
    with start(script) as running:
        shown = open_page(running.url, tmp_path)
        state = running.sandbox.state
        (lead,) = state.leads.values()
        answers = dict(lead.field_data)
        faults = {(fault.where, fault.kind, fault.after) for fault in running.sandbox.board.list()}
        shapes = [send.shape for send in state.sends.values()]
    assert (lead.form_id, lead.is_organic, lead.disclaimers) == (TURKISH.form_id, True, (("optional_1", True),))
    assert answers["adı"] == ("İpek",)
    assert answers["hangi_modeli_denemek_istersiniz?"] == ("elektrikli",)
    assert answers["soyadı"]
    assert f"Lead {lead.leadgen_id} on the way." in shown
    assert faults == {("graph", "rate_limited", False), ("crm", "refuse", True)}
    assert state.knobs.ads_rights is False
    assert shown.count('aria-checked="true"') == 3
    assert shapes == ["leadgen, strings", "whatsapp_text"]


def test_a_switch_is_taken_back_and_a_refusal_is_shown(tmp_path: Path) -> None:
    script = """
      $('calm').click(); $('count').value = '5000'; $('submit').click();
    """
    with start(script, ads_rights=False) as running:
        post(running, "/_sandbox/faults", {"where": "crm", "kind": "slow"})
        shown = open_page(running.url, tmp_path)
        assert running.sandbox.board.list() == []
        assert running.sandbox.state.knobs.ads_rights is True
        assert not running.sandbox.state.leads
    assert "count: [" in shown
    assert 'aria-checked="true"' not in shown


EVIL = "<img src=x onerror=\"document.title='pwned'\"> مريم"


def add_event(running: RunningSandbox, leadgen_id: str, event_name: str, **more: Any) -> Any:
    event = {
        "event_name": event_name,
        "event_time": int(running.sandbox.state.now().timestamp()),
        "action_source": "system_generated",
        "user_data": {"lead_id": int(leadgen_id)},
        "custom_data": {"event_source": "crm", "lead_event_source": "crm", "lead_stage": EVIL},
    }
    token = running.options.system_token
    body = {"data": [event | more], "access_token": token, "test_event_code": "TEST123"}
    body["appsecret_proof"] = build_proof(running.options.app_secret, token)
    return running.app.test_client().post(f"/v26.0/{CRM_DATASET_ID}/events", json=body)


def test_events_are_shown_and_nothing_in_them_acts(tmp_path: Path) -> None:
    with start() as running:
        given = {"send": False, "created_at": "2026-11-01T08:00:00Z", "answers": {"full_name": EVIL}}
        (leadgen_id,) = post(running, "/_sandbox/leads", given)["leadgen_ids"]
        assert add_event(running, leadgen_id, EVIL[:50]).status_code == 200
        assert add_event(running, leadgen_id, "Too Old", event_time=1).status_code == 400
        shown = open_page(running.url, tmp_path)
    assert f'"lead_id":{leadgen_id}' in unescape(shown)  # all 17 digits
    assert "<img" not in shown
    assert "<title>leadloop sandbox</title>" in shown
    for text in ("test TEST123", "Conversion Leads", "1 event refused", "100/2804003", CRM_DATASET_ID, "مريم"):
        assert text in shown


def add_record(running: RunningSandbox) -> str:
    (leadgen_id,) = post(running, "/_sandbox/leads", {"send": False})["leadgen_ids"]
    post(running, "/crm/leads", {"type": "lead.created", "data": {"leadgen_id": leadgen_id, "full_name": "Zoë Test"}})
    return str(leadgen_id)


PRESS_WON = """
  const press = setInterval(() => {
    const won = [...document.querySelectorAll('.stages button')].find((one) => one.textContent === 'Won');
    if (!won) return;
    clearInterval(press);
    SCRIPT
  }, 20);
"""


def test_a_deal_is_won_on_the_page(tmp_path: Path, receiver: Receiver) -> None:
    receiver.statuses = [202, 202]
    fill_in = "$('deal-value').value = '980.50'; $('deal-currency').value = 'EUR'; won.click();"
    with start(PRESS_WON.replace("SCRIPT", fill_in)) as running:
        api = {"api_key": "ll_key", "api_url": receiver.url.removesuffix("/webhooks/meta")}
        post(running, "/_sandbox/settings", api)
        leadgen_id = add_record(running)
        shown = open_page(running.url + "/#crm", tmp_path)
        (request,) = receiver.wait_for(1)
    sent = request.json()
    assert request.headers["authorization"] == "Bearer ll_key"
    assert (sent["lead"], sent["stage"]) == ({"leadgen_id": leadgen_id}, "won")
    assert (sent["value"], sent["currency"]) == ("980.50", "EUR")
    assert "Told leadloop: won." in shown
    assert ">won 202<" in shown


def test_without_a_key_no_button_promises_anything(tmp_path: Path) -> None:
    with start() as running:
        add_record(running)
        shown = open_page(running.url + "/#crm", tmp_path)
    assert 'class="stages"' not in shown
    assert 'id="deal" hidden' in shown


def test_every_control_has_a_name(bench: Bench) -> None:
    html = bench.http.get("/").get_data(as_text=True)
    labelled = set(re.findall(r'<label[^>]* for="([^"]+)"', html))
    for tag in re.findall(r"<(?:input|select)\b[^>]*>", html.split("<script")[0]):
        found = re.search(r'id="([^"]+)"', tag)
        assert found
        wrapped = re.search(rf'<label[^>]*>\s*<input[^>]*id="{found[1]}"', html)
        assert found[1] in labelled or wrapped, tag


def test_the_page_asks_nobody_else_for_anything(bench: Bench) -> None:
    answer = bench.http.get("/")
    html = answer.get_data(as_text=True)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r'(?:src|href)="(?!data:)', html)
    assert not re.search(r"@import|url\(", html)
    assert bench.options.app_secret not in html
    other = bench.http.get("/").headers["Content-Security-Policy"]
    assert other != policy


@pytest.mark.parametrize("url", ['http://127.0.0.1:1/"><script>alert(1)</script>', "http://127.0.0.1:1/'&<b>"])
def test_the_webhook_url_is_escaped(url: str) -> None:
    html = create_sandbox(SandboxOptions(webhook_url=url)).test_client().get("/").get_data(as_text=True)
    assert url not in html
    assert html.count("<script") == 1


def test_the_form_of_the_page_is_the_first(bench: Bench) -> None:
    assert bench.state()["forms"][0]["form_id"] == ENGLISH.form_id
    assert bench.state()["forms"][0]["sample"].keys() == {question.key for question in ENGLISH.questions}
