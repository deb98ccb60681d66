"""What the blueprints share: the state, the faults and the sender of one sandbox."""

import secrets
from dataclasses import dataclass
from typing import cast

from flask import current_app, g

from sandbox.faults import FaultBoard
from sandbox.sender import Sender
from sandbox.state import SandboxState


@dataclass(frozen=True)
class Sandbox:
    """Kept as app.extensions["sandbox"]."""

    state: SandboxState
    board: FaultBoard
    sender: Sender


def current_sandbox() -> Sandbox:
    return cast(Sandbox, current_app.extensions["sandbox"])


def current_fbtrace_id() -> str:
    """Meta's name for the request in hand: the same in its headers, its body and what is kept of it."""
    if "fbtrace_id" not in g:
        g.fbtrace_id = "A" + secrets.token_urlsafe(16)
    return cast(str, g.fbtrace_id)
