"""The error in Meta's envelope that a fault stands for; kind "error" takes any code. Source: Meta conversions facts §1.7."""

from sandbox import graph_errors as errors
from sandbox.event_errors import EventRefused, find_reason
from sandbox.faults import CODES, Fault
from sandbox.graph_errors import GraphError
from sandbox.graph_events import next_language
from sandbox.state import SandboxState

LIMIT_SUBCODES = {17: 2446079, 613: 1487742}  # without its subcode 613 is a guard against abuse


def find_fault_error(fault: Fault, object_id: str, state: SandboxState) -> GraphError | None:
    """None for faults of the transport."""
    if fault.kind != "error" or fault.code is None:
        return errors.error_of(fault, object_id, state.now())
    if fault.code == 100 and fault.subcode == 33:
        return errors.not_found(object_id, "POST")
    if reason := find_reason(fault.code, fault.subcode):
        return EventRefused(reason, next_language(state))
    error = _error_of_code(fault.code, fault.regain_minutes)
    if fault.subcode is not None:
        error.subcode = fault.subcode or None
    return error


def _error_of_code(code: int, regain_minutes: int) -> GraphError:
    if code in CODES["rate_limited"]:
        error = errors.rate_limited(code, regain_minutes)
        error.subcode = LIMIT_SUBCODES.get(code, error.subcode)
        return error
    if code in CODES["permission"]:
        return errors.permission(code, needed="ads_management")
    texts = {
        100: "Invalid parameter",
        294: "(#294) Managing advertisements requires an access token with the extended permission ads_management",
        21009: "(#21009) The data set upload is temporarily not ready",
    }
    made = {1: errors.unknown_error, 2: errors.temporary, 190: errors.unreadable_token, 368: errors.blocked}.get(code)
    if made:
        return made()
    text = texts.get(code, f"(#{code}) An error of the sandbox's fault board")
    return GraphError(403 if code == 294 else 400, code, text, is_transient=code == 21009)
