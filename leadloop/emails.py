"""An e-mail address as typed becomes one that can be written to, or None. No DNS: a lead never waits for a name server."""

import re

from email_validator import EmailNotValidError, validate_email

from leadloop.texts import clean_text, drop_invisible

_LONGEST = 254  # RFC 5321 §4.5.3.1.3: a path of 256 octets, less its angle brackets
_WITH_NAME = re.compile(r"[^<>@]*<([^<>]+)>")  # "Zoe Test <zoe@example.com>"
_AROUND = " \t\r\n\v\f\u00a0\u3000<>,;:\"'()[]"


def normal_email(text: str) -> str | None:
    """The address in one spelling: local part as typed (NFC), domain in lower case and in its ASCII form.

    "Zoë@EXÄMPLE.com" becomes "Zoë@xn--exmple-cua.com": many CRMs refuse a domain in other letters, mail systems take
    the ASCII form everywhere, and it is the same address. Reserved domains that cannot receive mail (.local, .invalid)
    and domains without a dot give None; example.com and .test are let through, for trying things out.
    """
    address = drop_invisible(clean_text(text)).strip()
    if len(address) > 2 * _LONGEST:
        return None
    with_name = _WITH_NAME.fullmatch(address)
    address = (with_name[1] if with_name else address).strip(_AROUND)
    if address[:7].lower() == "mailto:":
        address = address[7:]
    address = address.replace("＠", "@").rstrip(".").strip(_AROUND)
    if "\ufffd" in address:  # something could not be read: whatever this is, it is not what was typed
        return None
    try:
        found = validate_email(address, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return None
    return f"{found.local_part}@{found.ascii_domain}"


def email_key(address: str) -> str:
    """What an address is found by: CRMs write it in lower case, people as they like."""
    return address.lower()
