"""`leadloop conversions test`: one event about a real person to Meta at once, and its whole answer."""

import json
from typing import cast

import rich_click as click
from rich.console import Console
from rich.text import Text

from leadloop.cli.conversion_list import STYLES
from leadloop.cli.failures import Refused
from leadloop.cli.services import services_for
from leadloop.conversions.routes import CHANNELS, Channel
from leadloop.conversions.trial import STILL_COUNTS
from leadloop.errors import LeadloopError
from store.conversion_tests import AskedTest, SentTest, send_one

NOT_RECEIVED = 1


@click.command()
@click.option("--dataset", "dataset_id", metavar="ID", required=True, help="The dataset at Meta.")
@click.option("--code", required=True, metavar="TEST123", help="From Events Manager > the dataset > Test Events.")
@click.option("--lead", "leadgen_id", metavar="LEADGEN_ID", help="About this lead. Default: the newest real one.")
@click.option("--channel", type=click.Choice(CHANNELS), help="Instead: about the newest contact of this channel.")
@click.option("--event", "event_name", metavar="NAME", help="Default: the first event of the dataset's funnel.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def test(
    ctx: click.Context,
    dataset_id: str,
    code: str,
    leadgen_id: str | None,
    channel: str | None,
    event_name: str | None,
    as_json: bool,
) -> None:
    """Send one event under a test code, and print it with Meta's whole answer.

    It is built, checked and sent like every other, about a real person, as Meta drops test events that it cannot match. Meta
    keeps it: it counts for targeting and measurement. leadloop counts it nowhere, and never sends it again.

    On WhatsApp it needs somebody who came by an ad: Meta refuses a made-up ctwa_clid (100/2804087).

    Exit code 0 only when Meta says that it has received the event.
    """
    chosen = cast("Channel | None", channel)  # one of CHANNELS, as the option takes no other
    asked = AskedTest(dataset_id, code.strip(), leadgen_id, chosen, event_name)
    with services_for(ctx.obj.settings) as services:
        try:
            sent = send_one(services, asked)
        except LeadloopError as caught:
            raise Refused(caught.message, code=caught.code, action=caught.action) from None
    if as_json:
        click.echo(json.dumps(sent.to_json(), ensure_ascii=False, indent=2))
    else:
        _print(sent)
    ctx.exit(0 if sent.events_received == 1 else NOT_RECEIVED)


def _print(sent: SentTest) -> None:
    console = Console(soft_wrap=True)
    request = {"data": [dict(sent.event)], "test_event_code": sent.asked.test_event_code}
    answer = None if sent.answer is None else dict(sent.answer)
    for heading, told in ((f"Sent to /{sent.asked.dataset_id}/events:", request), ("Meta's answer:", answer)):
        console.print(Text(heading, style="bold"))
        console.print(Text("none" if told is None else json.dumps(told, ensure_ascii=False, indent=2)))
    for warning in sent.warnings:
        console.print(Text(f"Worth a look: {warning.get('field', '')} {warning.get('message', '')}", style="yellow"))
    line = Text(f"Test event {sent.conversion_id} is ")
    line.append(sent.state, style=STYLES[sent.state])
    if sent.reason is not None:
        _code, message, action = sent.reason
        line.append(f": {message} {action}")
    else:
        line.append(": Meta says that it has received 1 event.")
    console.print(line)
    console.print(Text(STILL_COUNTS, style="dim"))
