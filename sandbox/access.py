"""Who may call Graph: tokens, appsecret_proof, and whose Page an object belongs to. Source: Meta facts §6.2, §6.3."""

import hmac
from collections.abc import Mapping
from typing import Any

from flask import request

from sandbox import graph_errors as errors
from sandbox.faults import TOKEN_KINDS, FaultBoard
from sandbox.options import build_proof
from sandbox.rows import Token
from sandbox.state import SandboxState


def read_token(params: Mapping[str, Any]) -> str | None:
    """The token of the request: the Authorization header, else the access_token parameter."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() in ("bearer", "oauth") and value.strip():
        return value.strip()
    given = params.get("access_token")
    return str(given) if given else None


def authenticate(state: SandboxState, params: Mapping[str, Any], *, about_me: bool) -> Token:
    """The token behind the call, checked and proved. Raises the GraphError that Meta would answer."""
    value = read_token(params)
    if not value:
        raise errors.no_token(about_me=about_me)
    token = state.find_token(value)
    if token is None:
        raise errors.bad_app_token() if "|" in value else errors.unreadable_token()
    if problem := token_problem(state, token):
        raise problem
    _check_proof(state, token, params.get("appsecret_proof"))
    return token


def token_problem(state: SandboxState, token: Token) -> errors.GraphError | None:
    """Why a known token no longer works, None when it does."""
    if token.state == "expired":
        return errors.expired_token(state.now())
    return None if token.state == "valid" else errors.password_changed()


def faulty_token_problem(state: SandboxState, board: FaultBoard, token: Token) -> errors.GraphError | None:
    """The same, with the faults that make calls of this token fail counted in."""
    if token.kind == "app":
        return None
    fault = board.find("graph", TOKEN_KINDS, token.page_id)
    return errors.error_of(fault, "", state.now()) if fault else token_problem(state, token)


def check_page(token: Token, page_id: str | None, object_id: str, method: str) -> None:
    """A Page's token opens what belongs to that Page, the system user's all Pages; Meta calls the rest not existing."""
    if token.kind == "system" or (token.kind == "page" and token.page_id == page_id):
        return
    raise errors.not_found(object_id, method)


def check_scope(state: SandboxState, *needed: str) -> None:
    for scope in needed:
        if scope in state.knobs.missing_scopes:
            raise errors.permission(200, needed=scope)


def _check_proof(state: SandboxState, token: Token, proof: object) -> None:
    if proof is None:
        # An app token holds the secret already, so that nothing is left to prove.
        if state.options.proof == "require" and token.kind != "app":
            raise errors.missing_proof()
        return
    expected = build_proof(state.options.app_secret, token.value)
    if not hmac.compare_digest(str(proof).encode("utf-8", "replace"), expected.encode()):
        raise errors.bad_proof()
