"""An Apprise URL becomes a plugin that can ring, or a sentence why it cannot.

One for each send: building one takes 0.2 ms, and Apprise's plugins are no place to share between threads (they throttle by
sleeping, and keep what they learnt from earlier answers on themselves). What is closed here: files that a URL may name
(`template=`, keys), redirects, unchecked certificates, storage on disk, and services that show the lead on this machine
or to the public. Sources: Apprise 2.2.0, url.py, plugins/base.py, asset.py.
"""

import contextlib
import contextvars
import difflib
import functools
import logging
import math
import re
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from apprise import Apprise, AppriseAsset, AppriseAttachment
from apprise.common import OverflowMode
from apprise.manager_plugins import NotificationManager

from leadloop.http import CONNECT_S, READ_S
from notifiers.transport import put_in_place

LONGEST_URL = 4_096
LONGEST_WAIT_S = 25.0

_SCHEME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9+.-]{0,29}(?=://)")

# Shown on the machine that leadloop runs on, where no sales rep looks; syslog would also write the lead into a log.
_LOCAL = frozenset(
    ["dbus", "glib", "gio", "gnome", "kde", "qt", "macosx", "windows", "blink1", "syslog", "rsyslog", "growl"]
)
# Read by the public, or by radio amateurs. A lead is a person's name and number.
_PUBLIC = frozenset(["aprs", "dapnet", "bluesky", "bsky", "mastodon", "misskey", "nostr", "reddit", "strmlabs", "toot"])
# What people write, and what Apprise calls it.
_CALLED = {
    "teams": "workflows",
    "msteams": "workflows",
    "telegram": "tgram",
    "smtp": "mailto",
    "smtps": "mailtos",
    "mail": "mailto",
    "email": "mailto",
    "mattermost": "mmost",
    "rocketchat": "rocket",
    "pushover": "pover",
    "pushbullet": "pbul",
    "googlechat": "gchat",
    "webhook": "json",
    "http": "json",
    "https": "jsons",
}


class BadAddress(Exception):
    """The address cannot ring: `reason` and `mend` are sentences without any part of the URL but its scheme."""

    def __init__(self, reason: str, mend: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.mend = mend


def scheme_of(url: object) -> str:
    """The scheme in lower case ("slack"), or "?" where there is none."""
    found = _SCHEME.match(url.strip()) if isinstance(url, str) else None
    return found.group().lower() if found else "?"


@dataclass(frozen=True)
class Plugin:
    """Ready to ring once. `apprise` is Apprise's own object, `scheme` its word for the service as the address has it
    ("jsons"; "slack" also for a pasted https:// address), `family` the same whether with TLS or not ("json")."""

    apprise: Any
    scheme: str
    family: str


def build_plugin(url: object) -> Plugin:
    """Raises BadAddress. Reads no file and sends nothing."""
    text = _text_of(url)
    scheme = scheme_of(text)
    _refuse_scheme(scheme)
    with quiet():
        services = load_services()
        made = Apprise.instantiate(text, asset=_asset())
    if made is None:
        raise _unusable(scheme, services)
    family = _family(made)
    if scheme not in services:
        scheme = family
    _refuse_scheme(family)
    made.retry = 0  # ours are the work rows'; it would also count as more recipients
    _refuse_side_doors(made, scheme)
    _refuse_several(made, scheme)
    _make_ready(made)
    return Plugin(made, scheme, family)


def _family(plugin: Any) -> str:
    known = plugin.protocol or plugin.secure_protocol
    return str(known if isinstance(known, str) else known[0])


def _text_of(url: object) -> str:
    if not isinstance(url, str) or not url.strip():
        raise BadAddress("The address is empty.", "Write an Apprise URL, for example tgram://BOT_TOKEN/CHAT_ID.")
    text = url.strip()
    if len(text) > LONGEST_URL or not text.isprintable():
        raise BadAddress(
            f"The address is longer than {LONGEST_URL} characters, or has line breaks or invisible characters in it.",
            "Copy it again, as one line.",
        )
    if not _SCHEME.match(text):
        raise BadAddress(
            "The address has no scheme.", "Begin it with the service's, for example slack:// or mailtos://."
        )
    return text


def _refuse_scheme(scheme: str) -> None:
    if scheme in _LOCAL:
        raise BadAddress(
            f"{scheme}:// shows the alert on the machine that leadloop runs on, not to the sales team.",
            "Use a service that rings people: see docs/alerts.md.",
        )
    if scheme in _PUBLIC:
        raise BadAddress(
            f"{scheme}:// may show the alert to the public; a lead is a person's name and number.",
            "Use a private channel: see docs/alerts.md.",
        )


def _unusable(scheme: str, services: Any) -> BadAddress:
    if scheme in services:
        return _unusable_known(scheme, services[scheme])
    if scheme in _CALLED:
        called = _CALLED[scheme]
        return BadAddress(
            f"{scheme}:// is not an Apprise scheme.",
            f"Write {called}://… instead; docs/alerts.md shows the whole address.",
        )
    close = difflib.get_close_matches(scheme, services.schemas(), n=1)
    return BadAddress(
        f"{scheme}:// is not an Apprise scheme.",
        f"Did you mean {close[0]}://?" if close else "docs/alerts.md lists the usual ones.",
    )


def _unusable_known(scheme: str, plugin: Any) -> BadAddress:
    name = str(plugin.service_name)
    if not plugin.enabled:
        needed = plugin.requirements.get("packages_required") or []
        packages = ", ".join([needed] if isinstance(needed, str) else [str(one) for one in needed])
        return BadAddress(
            f"{scheme}:// ({name}) cannot be used on this machine.",
            f"Install what it needs: {packages}." if packages else f"See {plugin.setup_url}.",
        )
    shapes = " or ".join(str(shape).replace("{schema}", scheme) for shape in plugin.templates[:2])
    return BadAddress(
        f"{scheme}:// ({name}): a part of the address is missing or not in the form that the service uses.",
        f"It should look like {shapes}; see {plugin.setup_url}.",
    )


_FILES = ("pgp_key", "pgp_privkey", "keyfile", "subfile")


def _refuse_side_doors(plugin: Any, scheme: str) -> None:
    names_files = any(isinstance(value, AppriseAttachment) and len(value) for value in vars(plugin).values())
    names_files = names_files or any(getattr(plugin, name, None) for name in _FILES)
    if names_files or getattr(plugin, "pgp_mode", "no") != "no":
        raise BadAddress(
            f"The {scheme}:// address names a file (template=, keyfile=, PGP keys), and leadloop reads none for it.",
            "Take that parameter out; the text of alerts is set with template = … of the notifier.",
        )
    if not plugin.verify_certificate:
        raise BadAddress(
            f"The {scheme}:// address has verify=no, which would send leads to whoever answers.",
            "Take verify=no out; for a certificate of your own, name its authority's file in SSL_CERT_FILE.",
        )


def _refuse_several(plugin: Any, scheme: str) -> None:
    count = 0 if getattr(plugin, _NOBODY.get(_family(plugin), ""), None) == [] else len(plugin)
    if count == 0:
        raise BadAddress(
            f"The {scheme}:// address names nobody to ring.",
            f"Add the recipient, chat or topic at its end; see {plugin.setup_url}.",
        )
    if count > 1:
        raise BadAddress(
            f"The {scheme}:// address names {count} recipients.",
            "Write one address for each recipient, so that a failure at one does not ring the others again.",
        )


# Where the list of recipients is kept, for services that would go and look for one.
_NOBODY = {"tgram": "targets", "ntfy": "topics"}


def _make_ready(plugin: Any) -> None:
    """Take away what would make a worker thread sleep or a reader see half the markup."""
    plugin.throttle = _do_not_sleep
    plugin.redirects = False
    plugin.overflow_mode = OverflowMode.TRUNCATE
    plugin.socket_connect_timeout = _wait_s(plugin, "socket_connect_timeout", CONNECT_S)
    plugin.socket_read_timeout = _wait_s(plugin, "socket_read_timeout", READ_S)


def _do_not_sleep(*_args: object, **_kwargs: object) -> None:
    """A service that wants fewer calls says 429, and our retry obeys; a sleeping thread would hold up others."""


def _wait_s(plugin: Any, name: str, ours: float) -> float:
    """The URL's own cto= or rto= within bounds, the service's default where that is longer than ours."""
    wait_s = float(getattr(plugin, name))
    if name not in vars(plugin):
        wait_s = max(wait_s, ours)
    return min(wait_s, LONGEST_WAIT_S) if math.isfinite(wait_s) and wait_s > 0 else ours


@functools.cache
def _asset() -> AppriseAsset:
    """No storage on disk, no pictures from the internet, no redirects, no keys made on the fly, nothing loaded."""
    return AppriseAsset(
        app_id="leadloop",
        app_desc="leadloop",
        app_url="",
        image_url_mask="",
        image_url_logo="",
        image_path_mask="",
        storage_mode="memory",
        http_redirects=False,
        pgp_autogen=False,
        pem_autogen=False,
        interpret_emojis=False,
        async_mode=False,
    )


_LOADING = threading.Lock()


def load_services() -> Any:
    """Apprise's services, loaded once (0.2 s), with our door in place of `requests` and our mail client in theirs.

    The first alert calls it; a process that wants its first alert to be as fast as the others calls it at its start.
    """
    with _LOADING:
        return _loaded_services()


@functools.cache
def _loaded_services() -> Any:
    services: Any = NotificationManager()  # type: ignore[no-untyped-call]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of libraries that single plugins would like to have
        services.load_modules()
    put_in_place()
    logging.getLogger("apprise").addFilter(_not_while_quiet)
    return services


# --- what Apprise logs ------------------------------------------------------------------------------------------------
# Its warnings quote tokens, addresses and answers. Within quiet() nothing of this thread reaches a handler; whatever
# else in the process uses Apprise logs as before.

_QUIET: contextvars.ContextVar[bool] = contextvars.ContextVar("leadloop_apprise_quiet", default=False)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    token = _QUIET.set(True)
    try:
        yield
    finally:
        _QUIET.reset(token)


def _not_while_quiet(_record: logging.LogRecord) -> bool:
    return not _QUIET.get()
