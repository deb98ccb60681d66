"""The vectors of the facts, and every way to be wrong."""

import json

import pytest

from webhooks.signature import SignatureInvalid, sign, verify_signature

SECRET = "0123456789abcdef0123456789abcdef"
LEADGEN = (
    b'{"object":"page","entry":[{"id":"111111111111111","time":1763800000,"changes":[{"field":"leadgen","value":'
    b'{"leadgen_id":"222222222222222","page_id":"111111111111111","form_id":"333333333333333",'
    b'"created_time":1763799990}}]}]}'
)
LEADGEN_SIGNED = "sha256=f8360002d127af6b3c007c73b1730a27bebd0ee4da236f1ab0b128becd42ee9c"
ESCAPED = (
    rb'{"object":"page","entry":[{"id":"111111111111111","time":1763800000123,"messaging":[{"sender":'
    rb'{"id":"444444444444444"},"recipient":{"id":"111111111111111"},"timestamp":1763799999876,"message":'
    rb'{"mid":"m_TESTMID1","text":"\u00e4\u00f6\u00e5 \ud83d\ude00 https:\/\/example.com\/a"}}]}]}'
)
ESCAPED_SIGNED = "sha256=27e452abf5edd74fe2f55261869122a26ee6af3d15344c2d7d931f0b6184c7ac"


@pytest.mark.parametrize(("body", "header"), [(LEADGEN, LEADGEN_SIGNED), (ESCAPED, ESCAPED_SIGNED)])
def test_the_vectors(body: bytes, header: str) -> None:
    assert sign(body, SECRET) == header
    verify_signature(body, header, (SECRET,))
    verify_signature(body, header, ("another", SECRET))


@pytest.mark.parametrize(
    "header",
    [
        "sha256=54b18e0ecb6bd01e724a034d0cd7d268898b1db390890157f8da652b6577391e",
        "sha256=3a5daa621adf9732e9084595856a725f508f42d221544c457454f25f1dfff169",
    ],
)
def test_the_digest_of_re_encoded_json_is_wrong(header: str) -> None:
    with pytest.raises(SignatureInvalid) as caught:
        verify_signature(ESCAPED, header, (SECRET,))
    assert caught.value.reason == "wrong"
    reencoded = json.dumps(json.loads(ESCAPED), separators=(",", ":")).encode()
    assert sign(reencoded, SECRET) != ESCAPED_SIGNED


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (None, "missing"),
        ("", "missing"),
        ("sha1=b666869eca413264f7ea896048b79bef8c424fc7", "malformed"),
        (LEADGEN_SIGNED.removeprefix("sha256="), "malformed"),
        (LEADGEN_SIGNED.upper(), "malformed"),
        (LEADGEN_SIGNED + "0", "malformed"),
        (LEADGEN_SIGNED[:-1], "malformed"),
        (LEADGEN_SIGNED + "\n", "malformed"),
        ("sha256=" + "é" * 64, "malformed"),
        ("sha256=" + "0" * 64, "wrong"),
    ],
)
def test_every_other_header_is_refused(header: str | None, reason: str) -> None:
    with pytest.raises(SignatureInvalid) as caught:
        verify_signature(LEADGEN, header, (SECRET,))
    assert caught.value.reason == reason


@pytest.mark.parametrize("secrets", [(), ("",), ("wrong",), (SECRET.upper(),)])
def test_without_the_right_secret_nothing_is_valid(secrets: tuple[str, ...]) -> None:
    with pytest.raises(SignatureInvalid):
        verify_signature(LEADGEN, LEADGEN_SIGNED, secrets)


def test_one_changed_byte_is_noticed() -> None:
    with pytest.raises(SignatureInvalid):
        verify_signature(LEADGEN[:-1] + b" ", LEADGEN_SIGNED, (SECRET,))
