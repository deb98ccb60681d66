"""An adapter for a CRM that wants one call at a time; it writes down how it was used."""

import threading
import time
from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, fields

from crm_adapters.base import CrmAdapter, Earlier, RemoteRef
from leadloop.leads import LeadCard


class SingleSettings(Schema):
    token = fields.String(load_default="")


class Single(CrmAdapter):
    kind = "single"
    label = "Single"
    settings_schema = SingleSettings
    max_in_flight = 1

    made: list["Single"] = []
    takes_s = 0.0
    hold: threading.Event | None = None
    entered = threading.Event()

    def __init__(self, settings: Mapping[str, Any], **given: Any) -> None:
        time.sleep(self.takes_s)  # as one that reads certificates does
        super().__init__(settings, **given)
        self.running, self.most_running, self.closed, self.closed_in_use = 0, 0, False, False
        self._counting = threading.Lock()
        type(self).made.append(self)

    def push_lead(self, lead: LeadCard, earlier: Earlier) -> RemoteRef:
        with self._counting:
            self.running += 1
            self.most_running = max(self.most_running, self.running)
        self.entered.set()
        if self.hold is not None:
            self.hold.wait(10)
        time.sleep(0.005)
        with self._counting:
            self.running -= 1
        return RemoteRef("lead", lead.leadgen_id)

    def close(self) -> None:
        self.closed, self.closed_in_use = True, self.running > 0
        super().close()
