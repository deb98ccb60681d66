import tomllib

from sandbox import SandboxOptions, demo_config, demo_environ
from sandbox.datasets import CRM_DATASET_ID
from sandbox.forms import ATELIER, BIKES


def test_the_configuration_is_toml_of_the_agreed_shape() -> None:
    options = SandboxOptions()
    config = tomllib.loads(demo_config(options, "http://127.0.0.1:8001/"))
    assert [page["id"] for page in config["pages"]] == [BIKES.page_id, ATELIER.page_id]
    assert config["pages"][0] == {
        "id": BIKES.page_id,
        "name": BIKES.name,
        "access_token": options.page_token(BIKES.page_id),
        "default_country": "TR",
        "business_country": "TR",
    }
    assert config["connections"] == [
        {
            "name": "sandbox-crm",
            "adapter": "webhook",
            "settings": {
                "url": "http://127.0.0.1:8001/crm/leads",
                "secret": options.crm_secret,
                "allow_private": True,
            },
        }
    ]
    assert config["notifiers"] == [{"name": "sandbox-sales", "urls": ["json://127.0.0.1:8001/alerts"]}]
    assert config["routes"] == [
        {
            "pages": [BIKES.page_id, ATELIER.page_id],
            "forms": ["*"],
            "connections": ["sandbox-crm"],
            "notifiers": ["sandbox-sales"],
        }
    ]


def test_the_demo_has_a_funnel_for_its_crm_dataset() -> None:
    options = SandboxOptions()
    (funnel,) = tomllib.loads(demo_config(options, "http://127.0.0.1:8001"))["funnels"]
    assert (funnel["connection"], funnel["dataset_id"]) == (options.api_connection, CRM_DATASET_ID)
    assert [stage["stage"] for stage in funnel["stages"]] == ["new", "qualified", "demo", "won", "lost"]


def test_without_a_secret_none_is_written() -> None:
    config = tomllib.loads(demo_config(SandboxOptions(crm_secret=""), "http://127.0.0.1:8001"))
    assert "secret" not in config["connections"][0]["settings"]


def test_the_environment() -> None:
    options = SandboxOptions()
    assert demo_environ(options, "http://127.0.0.1:8001/") == {
        "META_APP_ID": options.app_id,
        "META_APP_SECRET": options.app_secret,
        "META_VERIFY_TOKEN": options.verify_token,
        "META_ACCESS_TOKEN": options.system_token,
        "META_GRAPH_URL": "http://127.0.0.1:8001",
    }
