"""Credentials in a cookie: only we can read it, only its owner can use it, and they lie nowhere else."""

from __future__ import annotations

import pytest

from api import api
from api.routes.login import COOKIE
from tests.calling import KEYS, as_, changed, here
from workspace.access.secrets import Secrets

FIRST, SECOND = "hN3vB8xQ1zL6kT0wJ5rY9mC2dF7gS4pA", "Wq7eR2tY9uI4oP1aS6dF3gH8jK5lZ0xC"
OPENAI = "https://api.openai.com/v1"
ALL = {
    "openai": {"api_key": "sk-mine"},
    "mongodb": {"uri": "mongodb://user:word@host/db"},
    "s3": {"access_key_id": "AKIA1", "secret_access_key": "s3-secret"},
}


@pytest.fixture
def serve(settings, open_workspace):
    """Serves a workspace whose jobs only wait, with some settings of its own; gives a client."""
    return lambda **own: here(open_workspace(changed(settings, **own)), raise_server_exceptions=False)


def cookie_of(client, who: str | None = None, **credentials) -> dict[str, str]:
    answer = client.post("/login", json=credentials or ALL, headers=as_(who) if who else {})
    assert answer.status_code == 200, answer.text
    client.cookies.clear()
    return {"Cookie": answer.headers["set-cookie"].split(";")[0]}


def key_used(client, headers: dict[str, str], base_url: str = OPENAI, **asked) -> str:
    """The language model's key that a job of conversations would show."""
    order = {"brief": {"dialogues": 1}, "server": {"base_url": base_url}}
    answer = client.post("/converse", json={"order": order} | asked, headers=headers)
    assert answer.status_code == 202, answer.text
    workspace = api.state.workspace
    return Secrets(workspace.settings).show(workspace.jobs.get(answer.json()["id"]).arguments["key"])


def test_the_key_of_the_request_wins_over_the_cookies_and_that_over_the_settings(serve):
    client = serve(llm_api_key="sk-ours")
    cookie = cookie_of(client)
    assert key_used(client, cookie, api_key="sk-now") == "sk-now"
    assert key_used(client, cookie) == "sk-mine"
    assert key_used(client, {}) == "sk-ours"


def test_the_servers_own_key_goes_to_no_address_that_a_caller_names(serve):
    client = serve(llm_api_key="sk-ours")
    assert key_used(client, {}, base_url="https://elsewhere.example/v1") == ""
    assert key_used(client, cookie_of(client), base_url="https://elsewhere.example/v1") == "sk-mine"


def test_nothing_of_the_credentials_lies_on_the_server(serve):
    client = serve()
    cookie = cookie_of(client)
    key_used(client, cookie)
    workspace = api.state.workspace
    held = (
        b"".join(file.read_bytes() for file in workspace.folder.rglob("*") if file.is_file())
        + cookie["Cookie"].encode()
    )
    assert not [secret for secret in (b"sk-mine", b"mongodb://", b"s3-secret") if secret in held]


def test_another_owners_cookie_is_worth_nothing(serve):
    client = serve(api_keys=KEYS, llm_api_key="sk-ours")
    cookie = cookie_of(client, "anna")
    assert key_used(client, cookie | as_("anna")) == "sk-mine"
    assert key_used(client, cookie | as_("carl")) == "sk-ours"


def test_the_secret_key_rotates_and_a_cookie_ends_with_the_last_key_that_reads_it(serve):
    cookie = cookie_of(serve(secret_keys=[FIRST]))
    assert key_used(serve(secret_keys=[SECOND, FIRST]), cookie) == "sk-mine"
    order = {"brief": {"dialogues": 1}, "server": {}}
    for sent in (cookie, {"Cookie": f"{COOKIE}=nonsense"}):
        answer = serve(secret_keys=[SECOND]).post("/converse", json={"order": order}, headers=sent)
        assert answer.status_code == 401 and "Enter them again" in answer.json()["detail"]


def test_who_may_not_call_may_not_log_in_and_a_cookie_has_room_for_so_much(serve):
    client = serve(api_keys=KEYS)
    assert client.post("/login", json=ALL).status_code == 401
    long = {
        "mongodb": {"uri": "m" * 1000},
        "openai": {"api_key": "k" * 1000},
        "s3": ALL["s3"] | {"secret_access_key": "s" * 1000},
    }
    answer = client.post("/login", json=long, headers=as_("bob"))
    assert answer.status_code == 422 and "a cookie holds" in answer.json()["detail"]
    assert "kkk" not in answer.text
