import pytest
from sandbox_bench import Bench, Received, Receiver

from sandbox.forms import BIKES


def page_token(bench: Bench) -> str:
    return bench.options.page_token(BIKES.page_id)


def test_subscribed_apps_need_the_page_s_own_token(bench: Bench) -> None:
    path = f"{BIKES.page_id}/subscribed_apps"
    for method in ("GET", "POST", "DELETE"):
        assert bench.graph(path, method=method).get_json()["error"]["code"] == 210
    assert bench.graph(path, token=page_token(bench)).status_code == 200


def test_a_page_is_subscribed_unsubscribed_and_subscribed_again(bench: Bench) -> None:
    path, token = f"{BIKES.page_id}/subscribed_apps", page_token(bench)
    app = bench.graph(path, token=token).get_json()["data"][0]
    assert app["id"] == bench.options.app_id
    assert "leadgen" in app["subscribed_fields"]
    assert bench.graph(path, token=token, method="DELETE").get_json() == {"success": True}
    assert bench.graph(path, token=token).get_json() == {"data": []}
    silent = bench.control("/leads", {})
    assert silent["send_ids"] == []
    assert "not subscribed" in silent["not_sent"]
    answer = bench.graph(path, token=token, method="POST", subscribed_fields="messages, feed")
    assert answer.get_json() == {"success": True}
    assert bench.graph(path, token=token).get_json()["data"][0]["subscribed_fields"] == ["messages", "feed"]
    assert bench.control("/leads", {})["send_ids"] == []
    bench.graph(path, token=token, method="POST", subscribed_fields="leadgen")
    assert len(bench.control("/leads", {})["send_ids"]) == 1


@pytest.mark.parametrize("fields", ["", ",", "leads", "leadgen,nonsense"])
def test_bad_page_fields_are_refused(bench: Bench, fields: str) -> None:
    path = f"{BIKES.page_id}/subscribed_apps"
    answer = bench.graph(path, token=page_token(bench), method="POST", subscribed_fields=fields)
    assert answer.get_json()["error"]["code"] == 100


def test_app_subscriptions_need_the_app_s_token(bench: Bench) -> None:
    for method in ("GET", "POST", "DELETE"):
        answer = bench.graph(f"{bench.options.app_id}/subscriptions", method=method)
        assert answer.get_json()["error"]["code"] == 15


def test_app_subscriptions_are_listed(bench: Bench) -> None:
    rows = bench.graph(f"{bench.options.app_id}/subscriptions", token=bench.options.app_token).get_json()["data"]
    page = next(row for row in rows if row["object"] == "page")
    assert (page["callback_url"], page["active"]) == (bench.options.webhook_url, True)
    assert {"name": "leadgen", "version": "v26.0"} in page["fields"]


def challenge_of(received: Received) -> bytes:
    query = received.path.partition("?")[2]
    return dict(pair.split("=") for pair in query.split("&"))["hub.challenge"].encode()


def subscribe(bench: Bench, **params: str) -> dict[str, object]:
    given = {"object": "page", "fields": "leadgen", "verify_token": "s3cret-verify"} | params
    path = f"{bench.options.app_id}/subscriptions"
    found = bench.graph(path, token=bench.options.app_token, method="POST", **given).get_json()
    assert isinstance(found, dict)
    return found


def test_subscribing_shakes_hands_with_the_callback(bench: Bench, receiver: Receiver) -> None:
    receiver.answer = challenge_of
    assert subscribe(bench, callback_url=receiver.url, include_values="true") == {"success": True}
    (asked,) = receiver.received
    assert asked.method == "GET"
    assert "hub.mode=subscribe&hub.challenge=" in asked.path
    assert asked.path.endswith("&hub.verify_token=s3cret-verify")
    page = next(row for row in bench.state()["subscriptions"] if row["object"] == "page")
    assert (page["callback_url"], page["fields"], page["include_values"]) == (receiver.url, ["leadgen"], True)


def test_without_include_values_leads_come_as_changed_fields(bench: Bench, receiver: Receiver) -> None:
    receiver.answer = challenge_of
    subscribe(bench, callback_url=receiver.url)
    receiver.answer = lambda received: b""
    bench.control("/leads", {})
    notice = receiver.wait_for(2)[1].json()
    assert notice["entry"][0]["changed_fields"] == ["leadgen"]
    assert "changes" not in notice["entry"][0]


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [(403, b"", "HTTP Status Code = 403"), (200, b"wrong", "hub.challenge"), (204, b"", "204")],
)
def test_a_failed_handshake_changes_nothing(
    bench: Bench, receiver: Receiver, status: int, body: bytes, words: str
) -> None:
    receiver.statuses, receiver.answer = [status], lambda received: body
    error = subscribe(bench, callback_url=receiver.url)["error"]
    assert isinstance(error, dict)
    assert error["code"] == 2200
    assert words in error["message"]
    assert all(row["callback_url"] == bench.options.webhook_url for row in bench.state()["subscriptions"])


def test_a_challenge_in_quotes_is_refused(bench: Bench, receiver: Receiver) -> None:
    receiver.answer = lambda received: b'"' + challenge_of(received) + b'"'
    assert "error" in subscribe(bench, callback_url=receiver.url)


def test_a_callback_outside_this_machine_is_never_called(bench: Bench) -> None:
    error = subscribe(bench, callback_url="http://203.0.113.5/hook")["error"]
    assert isinstance(error, dict)
    assert error["code"] == 100
    assert "on this machine" in error["message"]


def test_nobody_at_the_callback(bench: Bench, receiver: Receiver) -> None:
    error = subscribe(bench, callback_url="http://127.0.0.1:1/hook")["error"]
    assert isinstance(error, dict)
    assert error["code"] == 2200


def test_a_removed_subscription_is_silence(bench: Bench) -> None:
    path = f"{bench.options.app_id}/subscriptions"
    bench.graph(path, token=bench.options.app_token, method="DELETE", object="page")
    assert bench.control("/leads", {})["send_ids"] == []
    assert bench.control("/send", {"shape": "messenger_text"})["send_ids"] == []
    assert len(bench.control("/send", {"shape": "instagram_text"})["send_ids"]) == 1
    bench.graph(path, token=bench.options.app_token, method="DELETE")
    assert bench.control("/send", {"shape": "instagram_text"})["send_ids"] == []


@pytest.mark.parametrize("params", [{"object": "user"}, {"fields": ""}, {"object": ""}])
def test_bad_subscriptions_are_refused(bench: Bench, params: dict[str, str]) -> None:
    error = subscribe(bench, **params)["error"]
    assert isinstance(error, dict)
    assert error["code"] == 100
