"""What foreign adapters say of settings: by key, in our words where they are marshmallow's, and never with a secret."""

from typing import Any

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
        "ports.1: not a valid integer | correct it: ports",
        "region: must be one of: eu, us | where the account is kept",
        "servers.a.port: is missing | add servers.a.port = … (servers)",
        "servers.a.prot: unknown field | correct it: servers",
        "servers.b: invalid input type | correct it: servers",
        "token: is missing | add token = … (Access token)",
        'tokn: is not a setting of the quoting adapter | write "token", if that was meant',
    ]


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
