"""One alert to one address, through Apprise; what went wrong, as one of our three kinds.

Apprise answers True or False and logs the rest, with tokens and texts in it. What happened is read off the wire instead
(calls.py), and those log lines reach no handler. Where a plugin brings a wire of its own (IRC, AMQP), a failure is
all that is known. Source: Apprise 2.2.0, plugins/base.py `notify()`, logger.py, read 2026-11-22.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from leadloop.errors import LeadloopError, NeedsHuman, Retryable
from leadloop.http import HttpDoor
from leadloop.leads import LeadCard
from notifiers.addresses import BadAddress, Plugin, build_plugin, quiet, scheme_of
from notifiers.calls import Call, call
from notifiers.formats import BodyFormat, format_of, named_format
from notifiers.labels import label_of
from notifiers.message import Message, build_message

RATE_LIMIT_S = 30.0  # rest after a 429 that does not say how long
MOST_REST_S = 3_600.0
# An address that cannot say why it refused is tried for this long: it may be a bad hour of the service.
UNEXPLAINED_GIVE_UP_S = 6 * 3_600.0


MAYBE_RUNG = "alert_unanswered"


class MaybeRung(Retryable):
    """The alert went out and no answer came: whoever rings again may ring twice, so once more is enough."""


@dataclass(frozen=True)
class Target:
    """One address of a notifier. Safe to keep and to share between threads; `url` is a secret.

    `fingerprint` names it in the database; `position` counts from 1 in the notifier's list.
    """

    url: str = field(repr=False)
    fingerprint: str
    position: int = 1
    notifier: str = ""

    @cached_property
    def label(self) -> str:
        """What may be shown and logged: service, scheme, and the host or channel where neither is a secret."""
        try:
            return label_of(build_plugin(self.url))
        except BadAddress:
            return f"{scheme_of(self.url)}://"

    @cached_property
    def body_format(self) -> BodyFormat:
        """For build_message(). Plain text for an address that cannot ring: send() says why."""
        try:
            return format_of(build_plugin(self.url))
        except BadAddress:
            return named_format("text")

    @property
    def where(self) -> str:
        """The address in a sentence: 'address 2 (Slack, slack://…) of the notifier "sales"'."""
        whose = f' of the notifier "{self.notifier}"' if self.notifier else ""
        return f"address {self.position} ({self.label}){whose}"


def targets(urls: Iterable[str], *, notifier: str = "") -> list[Target]:
    """The addresses as Targets, the same one twice only once. Never raises: a bad address is send()'s to tell.

    Cheap: nothing is loaded before a label or a format is asked for. The fingerprint is of the address itself, so it
    stays when the order or the other addresses change.
    """
    made: dict[str, Target] = {}
    for position, url in enumerate(urls, 1):
        print_ = hashlib.sha256(str(url).strip().encode("utf-8", "surrogatepass")).hexdigest()[:16]
        made.setdefault(print_, Target(str(url).strip(), print_, position, notifier))
    return list(made.values())


def send(target: Target, message: Message, *, door: HttpDoor | None = None) -> None:
    """Ring this address once. Returns when the service took the message. `door`: instead of the process's own.

    Not safe to repeat: the service has no key of ours to know it by. Raises MaybeRung when it is not known whether it
    rang, Retryable where it did not (not reached, 5xx, 429 with its rest), NeedsHuman for the lane (401, 403, 404, 410, an
    address that cannot be used) or for this alert alone (400 and the like). No text of an error has a part of the URL, the
    message or an answer in it.
    """
    try:
        plugin = build_plugin(target.url)
    except BadAddress as caught:
        raise NeedsHuman(
            f"Cannot ring {target.where}: {caught.reason}", code="alert_address", action=caught.mend, scope="lane"
        ) from None
    with quiet(), call(door) as made:
        crashed = _notify(plugin, message)
    if crashed is not None:
        raise _failure(target, made, crashed)


def send_lead(target: Target, card: LeadCard, template: str | None, *, now: datetime) -> None:
    """Write the alert as this address wants it, and ring. Raises as send()."""
    send(target, build_message(card, template, now=now, body_format=target.body_format))


def _notify(plugin: Plugin, message: Message) -> str | None:
    """None when it went out, else the kind of exception, or "". Plugins are strangers' code: any may come out."""
    told = message.body_format.told
    try:
        took = plugin.apprise.notify(body=message.body, title=message.title, body_format=told)
    except Exception as caught:
        return type(caught).__name__
    return None if took else ""


# --- what went wrong --------------------------------------------------------------------------------------------------


def _failure(target: Target, made: Call, crashed: str) -> LeadloopError:
    status = made.status
    answered = status is not None and 200 <= status < 300
    if made.taken:
        return _taken_by_some(target)
    if made.unanswered or status in _GATEWAY_TIMEOUTS or (answered and crashed):
        return _maybe_rung(target)
    if made.error is not None and made.smtp is None:
        return _unreached(target, made.error)
    if made.smtp is not None:
        return _refused_mail(target, made.smtp)
    if status is not None and not 200 <= status < 300:
        return _refused(target, status, made.retry_after_s)
    if status is None and crashed:
        return Retryable(
            f"Apprise failed at {target.where}: {crashed}.",
            code="alert_crashed",
            action="Check that address; if it is right, please report this with the version of Apprise.",
            give_up_after_s=UNEXPLAINED_GIVE_UP_S,
        )
    said = f" although it answered {status}" if answered else ""
    return Retryable(
        f"Apprise says that {target.where} did not take the alert{said}.",
        code="alert_not_taken",
        action="Check the channel or recipient in that address, and whether the account may write to it (a Slack bot"
        " must be a member of its channel; an SMS account needs credit).",
        give_up_after_s=UNEXPLAINED_GIVE_UP_S,
    )


# The gateway passed it on and waited in vain (RFC 9110 §15.6.5; 524 is Cloudflare's).
_GATEWAY_TIMEOUTS = (504, 524)


def _maybe_rung(target: Target) -> MaybeRung:
    return MaybeRung(
        f"{_begin(target)} was sent the alert and did not answer, so it may have rung.",
        code=MAYBE_RUNG,
        action="Nothing: it is rung once more. If that service is often slow, put rto=25 (seconds to wait) into the"
        " address.",
        outage=True,
    )


def _taken_by_some(target: Target) -> NeedsHuman:
    return NeedsHuman(
        f"The mail server of {target.where} took the alert, but not for all of its recipients.",
        code="alert_taken_by_some",
        action="Correct to=, cc= and bcc= in that address. The others have this alert: it is not sent again by itself.",
    )


def _unreached(target: Target, error: LeadloopError) -> LeadloopError:
    message = f"Cannot reach {target.where}: {error.message}"
    if isinstance(error, Retryable):
        return Retryable(message, code=error.code, action=error.action, outage=True)
    return NeedsHuman(message, code=error.code, action=f"Correct {target.where}. {error.action}", scope="lane")


# 401 and the like say that the address is wrong, not this alert: the lane waits for a person.
_MEANINGS = {
    401: ("does not accept its token or password", "Put a valid one into"),
    402: ("is out of credit", "Top up the account behind"),
    403: ("refuses access", "Give the account or bot the right to write there, or correct"),
    404: ("is not known there: the webhook, channel or topic is gone", "Make a new one and put it into"),
    410: ("is gone: the webhook was removed", "Make a new one and put it into"),
}


def _refused(target: Target, status: int, retry_after_s: float | None) -> LeadloopError:
    code = f"http_{status}"
    if status == 429:
        rest_s = RATE_LIMIT_S if retry_after_s is None else min(max(retry_after_s, 1.0), MOST_REST_S)
        return Retryable(f"{_begin(target)} asks for fewer alerts (429).", code=code, retry_after_s=rest_s)
    if status in (408, 425) or status >= 500:
        rest = None if retry_after_s is None else min(retry_after_s, MOST_REST_S)
        return Retryable(
            f"{_begin(target)} answered {status}.",
            code=code,
            retry_after_s=rest,
            outage=True,
            answered=status == 500,
        )
    if status in _MEANINGS:
        meaning, mend = _MEANINGS[status]
        return NeedsHuman(
            f"{_begin(target)} {meaning} ({status}).",
            code=code,
            action=f"{mend} {target.where}, and apply the configuration again; the waiting alerts then follow.",
            scope="lane",
        )
    if 300 <= status < 400:
        return NeedsHuman(
            f"{_begin(target)} answers with a redirect ({status}), which is not followed.",
            code=code,
            action=f"Put the address it leads to (https:// instead of http://, say) into {target.where}.",
            scope="lane",
        )
    return NeedsHuman(
        f"{_begin(target)} did not take this alert ({status}).",
        code=code,
        action="Check the channel or recipient in that address; then retry the alert: leadloop work retry.",
    )


def _refused_mail(target: Target, code: int) -> LeadloopError:
    """RFC 5321 §4.2: 4xx may pass. RFC 4954 §6: 530, 534, 535, 538 are about signing in."""
    if code < 500:
        return Retryable(f"The mail server of {target.where} answered {code}.", code=f"smtp_{code}", outage=True)
    if code in (530, 534, 535, 538):
        return NeedsHuman(
            f"The mail server of {target.where} does not accept the user or password ({code}).",
            code=f"smtp_{code}",
            action="Put valid ones into that address (Google and Microsoft want an app password), and apply the"
            " configuration again.",
            scope="lane",
        )
    if code in (550, 551, 553):
        return NeedsHuman(
            f"The mail server of {target.where} refuses the sender or recipient ({code}).",
            code=f"smtp_{code}",
            action="Correct the recipient (to=) or sender (from=) in that address, and apply the configuration again.",
            scope="lane",
        )
    return NeedsHuman(
        f"The mail server of {target.where} did not take this alert ({code}).",
        code=f"smtp_{code}",
        action="Look at that server's log for the reason; then retry the alert: leadloop work retry.",
    )


def _begin(target: Target) -> str:
    return target.where[0].upper() + target.where[1:]
