"""What the blueprints share: the state, the faults and the sender of one sandbox."""

from dataclasses import dataclass
from typing import cast

from flask import current_app

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
