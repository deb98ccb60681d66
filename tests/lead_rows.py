"""Leads of invented people, as rows that have been read, for tests that look at leads; and on which databases they run."""

import dataclasses
from datetime import datetime, timedelta
from typing import Any

import pytest

from leadloop.emails import email_key
from leadloop.lead_reading import card_to_row
from leadloop.leads import Answer, LeadCard
from leadloop.ports import Services
from store.models import Lead

# Where the `database_url` fixture knows one database by itself, run the test on each.
on_both = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
# Where it runs each test on both, run this one on SQLite alone: it is about something else than the database.
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

PAGE, FORM = "111111111111111", "333333333333333"


def make_card(leadgen_id: str, received_at: datetime, **changes: Any) -> LeadCard:
    card = LeadCard(
        leadgen_id=leadgen_id,
        page_id=PAGE,
        form_id=FORM,
        page_name="Acme Istanbul",
        created_at=received_at - timedelta(seconds=3),
        received_at=received_at,
        full_name="Zoë Test",
        email="zoe@example.com",
        phone="+905321234567",
        answers=(Answer("email", "EMAIL", "E-mail", ("zoe@example.com",), ("zoe@example.com",)),),
    )
    return dataclasses.replace(card, **changes)


def make_lead(leadgen_id: str, received_at: datetime, *, routed: bool | None = True, **changes: Any) -> Lead:
    """A lead that has been read; `changes` are of its card."""
    card = make_card(leadgen_id, received_at, **changes)
    return Lead(
        leadgen_id=leadgen_id,
        page_id=card.page_id,
        form_id=card.form_id,
        source="webhook",
        state="read",
        created_at=card.created_at,
        received_at=received_at,
        read_at=received_at + timedelta(milliseconds=200),
        is_test=card.is_test,
        routed=routed,
        email=email_key(card.email) if card.email else None,
        phone=card.phone,
        answer={"id": leadgen_id},
        card=card_to_row(card),
    )


def add(services: Services, *rows: Any) -> None:
    """Keep rows, one after the other (later ones may point at earlier ones)."""

    def write(session: Any) -> None:
        for row in rows:
            session.add(row)
            session.flush()

    services.writer.write(write)
