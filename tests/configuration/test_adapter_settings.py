"""What foreign adapters say of settings: by key, in our words where they are marshmallow's, and never with a secret."""

from typing import Any

import pytest
from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from configuration.adapter_settings import find_faults, find_setting_faults
from crm_adapters.base import CrmAdapter


class Inner(Schema):
    port = fields.Integer(required=True)


class Settings(Schema):
    token = fields.String(required=True, metadata={"secret": True, "label": "Access token"})
    region = fields.String(validate=validate.OneOf(["eu", "us"]), metadata={"help": "Where the account is kept."})
    owner = fields.String(validate=validate.Length(max=20, error="{input} is longer than {max}."))
    servers = fields.Dict(keys=fields.String(), values=fields.Nested(Inner))
    ports = fields.List(fields.Integer())

    @validates_schema
    def quote_everything(self, data: dict[str, Any], **_: Any) -> None:
        if data["token"] == "s3":
            raise RuntimeError(data["token"])
        if data["token"].startswith("bad"):
            raise ValidationError(f"Refused: {data!r}")


class Quoting(CrmAdapter):
    kind = "quoting"
    label = "Quoting"
    settings_schema = Settings


def told(settings: dict[str, Any], env_names: dict[str, str] | None = None) -> list[str]:
    faults = find_faults(Quoting, settings, env_names or {})
    assert all(fault.mend for _, fault in faults)
    return sorted(f"{'.'.join(map(str, path))}: {fault} | {fault.mend}" for path, fault in faults)


def test_good_settings() -> None:
    assert told({"token": "t", "region": "eu", "servers": {"a": {"port": 1}}, "ports": [1]}) == []


def test_messages_by_key() -> None:
    assert told({"region": "moon", "ports": [1, "x"], "servers": {"a": {"prot": 1}, "b": 3}, "tokn": "x"}) == [
        "ports.1: must be a whole number, not text | write its digits, without quotes",
        "region: must be one of: eu, us | correct it. It is: where the account is kept",
        "servers.a.port: is missing | add servers.a.port = … (servers)",
        "servers.a.prot: is not a key of this setting | take it out, or correct its name",
        'servers.b: must be a table, not a number | write { key = "value" }',
        "token: is missing | add token = … (Access token)",
        'tokn: is not a setting of the quoting adapter | write "token", if that was meant',
    ]


@pytest.mark.parametrize(
    ("kind", "setting", "value", "says"),
    [
        ("hubspot", "note", "yes", "must be true or false, not text | write true or false, without quotes"),
        ("hubspot", "api_url", 5, 'must be text, not a number | put it in quotes: "…"'),
        (
            "hubspot",
            "api_url",
            "ftp://x",
            "is not a URL; it should look like https://crm.example.com/leads | correct it",
        ),
        ("sql", "answers", 5, 'must be text, not a number | put it in quotes: "…"'),
        ("sql", "create", 1.5, "must be true or false, not a number | write true or false, without quotes"),
        ("webhook", "headers", "x", 'must be a table, not text | write { key = "value" }'),
        ("webhook", "allow_private", "true", "must be true or false, not text | write true or false, without quotes"),
    ],
)
def test_wrong_types_and_what_to_write_instead(kind: str, setting: str, value: object, says: str) -> None:
    found = [
        (fault, fault.mend) for path, fault in find_setting_faults(kind, {setting: value}, {}) if path == (setting,)
    ]
    ((fault, mend),) = found
    assert f"{fault} | {mend}".startswith(says)


def test_settings_taken_together_are_looked_at_although_one_of_them_is_wrong() -> None:
    told_of = {path[0] for path, _ in find_setting_faults("webhook", {"url": "http://a.example/x"}, {})}
    assert told_of == {"url", "secret"}  # not https, and missing

    class Together(Schema):
        token = fields.String(required=True)
        user = fields.String()
        port = fields.Integer()

        @validates_schema
        def one_of_two(self, data: dict[str, Any], **_: Any) -> None:
            if not data.get("user") and not data.get("port"):
                raise ValidationError("Give user or port.", "user")
            if data["user"] == "root":
                raise ValidationError("Is refused.", "user")

    class Adapter(Quoting):
        settings_schema = Together

    def paths(settings: dict[str, Any]) -> list[Any]:
        return sorted(path[0] for path, _ in find_faults(Adapter, settings, {}))

    assert paths({"user": "root"}) == ["token", "user"]
    assert paths({"token": "t", "port": "x"}) == ["port"]  # a port was given, so nothing is said of the user


def test_secrets_in_messages_are_masked() -> None:
    (said,) = told({"token": "bad token é'\"", "owner": "an owner"})
    assert "bad token" not in said
    assert "an owner" not in said  # long enough to be one
    assert "••••" in said
    (said,) = told({"token": "t", "owner": "x" * 21})
    assert "xxx" not in said
    (said,) = told({"token": "bad", "region": "eu"}, {"/region": "REGION"})
    assert said == ": refused: {'token': '••••', 'region': 'eu'} | correct it: the settings of Quoting"


def test_an_adapter_that_fails_is_told_and_stops_nothing() -> None:
    (said,) = told({"token": "s3"})
    assert said.startswith(": cannot be checked: the adapter quoting failed (RuntimeError) | repair or update")
    ((path, fault),) = find_setting_faults("no_such_kind", {}, {})
    assert (path, str(fault)) == ((), "cannot be checked: the adapter no_such_kind does not load (UnknownAdapter)")
