"""Are these addresses good? For `leadloop config check`, before any lead depends on them."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from leadloop.leads import Answer, LeadCard
from notifiers.addresses import BadAddress, build_plugin, scheme_of
from notifiers.send import Target, send_lead


def check_urls(urls: Sequence[object]) -> list[str]:
    """One sentence for each mistake, beginning with the address's place in the list: "address 2 (slack://): …".

    Sends nothing. No sentence has more of an address than its scheme.
    """
    found: list[str] = []
    seen: dict[str, int] = {}
    for position, url in enumerate(urls, 1):
        where = f"address {position} ({scheme_of(url)}://)"
        text = str(url).strip()
        if text in seen:
            found.append(f"{where}: the same as address {seen[text]}. Take one of them out.")
            continue
        seen[text] = position
        try:
            build_plugin(url)
        except BadAddress as bad:
            found.append(f"{where}: {bad.reason} {bad.mend}")
    return found


def ring_test(target: Target, *, now: datetime) -> None:
    """Ring the address about a made-up lead that says TEST in its title and body. Raises as send()."""
    send_lead(target, sample_card(now), None, now=now)


def sample_card(now: datetime) -> LeadCard:
    """A made-up lead, marked as a test; its number is one that Ofcom keeps free for fiction."""
    return LeadCard(
        leadgen_id="0",
        page_id="0",
        page_name="leadloop",
        form_name="Test alert",
        platform="fb",
        is_test=True,
        created_at=now - timedelta(seconds=3),
        received_at=now,
        full_name="Test Person",
        email="test@example.com",
        phone="+447700900123",
        answers=(Answer("question", "CUSTOM", "Did this alert arrive?", ("yes",), ("Yes",)),),
    )
