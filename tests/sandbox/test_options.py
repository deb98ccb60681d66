from typing import Any

import pytest

from sandbox.options import OptionsError, SandboxOptions, build_proof, read_signing_key


def test_secrets_are_fresh_each_time() -> None:
    one, two = SandboxOptions(), SandboxOptions()
    for name in ("app_secret", "verify_token", "system_token", "crm_secret"):
        assert getattr(one, name)
        assert getattr(one, name) != getattr(two, name)


def test_one_app_secret_gives_the_same_tokens_again() -> None:
    one, two = SandboxOptions(app_secret="s" * 32), SandboxOptions(app_secret="s" * 32)
    assert (one.system_token, one.crm_secret, one.page_token("1")) == (
        two.system_token,
        two.crm_secret,
        two.page_token("1"),
    )
    assert len({one.system_token, one.page_token("1"), one.page_token("2"), one.app_secret}) == 4
    assert len(read_signing_key(one.crm_secret or "")) == 32


def test_nothing_secret_is_in_repr() -> None:
    options = SandboxOptions()
    shown = repr(options)
    for secret in (options.app_secret, options.verify_token, options.system_token, options.crm_secret):
        assert str(secret) not in shown


def test_the_environment_makes_an_equal_sandbox() -> None:
    options = SandboxOptions(app_id="42")
    environ = options.to_environ()
    again = SandboxOptions(
        app_id=environ["META_APP_ID"],
        app_secret=environ["META_APP_SECRET"],
        verify_token=environ["META_VERIFY_TOKEN"],
        system_token=environ["META_ACCESS_TOKEN"],
        crm_secret=environ["LEADLOOP_SANDBOX_CRM_SECRET"],
    )
    assert again == options


def test_the_api_is_where_notices_go() -> None:
    options = SandboxOptions(webhook_url="http://127.0.0.1:8000/webhooks/meta", api_key="ll_secret")
    assert options.api_url == "http://127.0.0.1:8000"
    assert "ll_secret" not in repr(options)
    assert options.to_environ()["LEADLOOP_SANDBOX_API_KEY"] == "ll_secret"
    assert "LEADLOOP_SANDBOX_API_KEY" not in SandboxOptions().to_environ()  # nor takes one away that is set


def test_an_empty_crm_secret_stays_empty() -> None:
    assert SandboxOptions(crm_secret="").crm_secret == ""


@pytest.mark.parametrize(
    "given",
    [
        {"app_id": "my-app"},
        {"app_id": ""},
        {"app_id": "١٢٣"},
        {"app_secret": " "},
        {"app_secret": "a\nb"},
        {"verify_token": ""},
        {"system_token": "a\x00b"},
        {"crm_secret": "whsec_not base64"},
        {"crm_secret": "whsec_c2hvcnQ="},
        {"webhook_url": "https://hooks.example.com/meta"},
        {"api_url": "https://leadloop.example"},
        {"api_key": "ll_\n"},
        {"graph_delay_ms": -1},
        {"crm_delay_ms": float("nan")},
        {"alerts_delay_ms": 10**9},
        {"proof": "never"},
        {"graph_version": "26"},
    ],
)
def test_a_bad_option_is_named(given: dict[str, Any]) -> None:
    with pytest.raises(OptionsError) as caught:
        SandboxOptions(**given)
    assert caught.value.name == next(iter(given))
    assert str(caught.value).startswith(caught.value.name + " must ")


@pytest.mark.parametrize("given", [{"send_threads": 0}, {"send_timeout_s": 0}])
def test_bad_sending_options_are_named(given: dict[str, Any]) -> None:
    with pytest.raises(OptionsError, match=next(iter(given))):
        SandboxOptions(**given)


def test_proof_vector() -> None:
    """Source: Meta ingestion facts §6.2."""
    assert (
        build_proof("0123456789abcdef0123456789abcdef", "EAATESTTOKEN")
        == "99cbac345910084e738e780a0d5a02f2421ea86e53d6f64eff41e367a76944c6"
    )
