"""The function: events of a Lambda function URL (payload format 2.0) in, answers out, a real model server between."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.chat_server import ChatServer

EVENT = json.loads((Path(__file__).parent / "data" / "function_url_event.json").read_text())
SECRET = "Kp4vT7qLx2mBz9wd"
PAIRS = "question,answer,intent\n" + "".join(
    f"where is my parcel number {n} please,it will arrive on day {n} of the month,delivery\n" for n in range(20)
)


class Context:
    """What Lambda tells a function of its time."""

    def __init__(self, left_s: float = 60):
        self.left_s = left_s

    def get_remaining_time_in_millis(self) -> int:
        return int(1000 * self.left_s)


@pytest.fixture
def function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable]:
    """The handler of a function that has just been started, with a key in its settings."""
    from api import lambda_handler

    monkeypatch.setenv("UNDERSTUDY_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.setenv("UNDERSTUDY_API_KEYS", f"{SECRET}:anna:write")
    # The model of these tests is on this machine, which callers of a guarded server do not reach otherwise.
    monkeypatch.setenv("UNDERSTUDY_ALLOWED_HOSTS", "127.0.0.1")
    lambda_handler._workspace.cache_clear()
    yield lambda_handler.handler
    lambda_handler._workspace().close()
    lambda_handler._workspace.cache_clear()


def event(method: str, path: str, key: str | None = SECRET, request: httpx.Request | None = None) -> dict:
    """The recorded event with another call in it; a body travels in base 64."""
    made = copy.deepcopy(EVENT)
    made["rawPath"] = made["requestContext"]["http"]["path"] = path
    made["requestContext"]["http"]["method"] = method
    if key is not None:
        made["headers"]["x-api-key"] = key
    if request is not None:
        body = request.read()
        made["headers"] |= {"content-type": request.headers["content-type"], "content-length": str(len(body))}
        made |= {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
    return made


def posted(url: str, dialogues: int = 3, **files: str) -> dict:
    """An event that posts files, and the order to write like them by the model at `url`."""
    order = {"brief": {"dialogues": dialogues, "turns": {"4": 1}}, "server": {"base_url": url, "model": "scripted"}}
    order["server"]["retries"] = 0
    form = {"order": json.dumps(order), "api_key": "sk-outside"}
    uploads = [("files", (f"{name}.csv", text.encode())) for name, text in files.items()]
    return event("POST", "/process", request=httpx.Request("POST", "https://x/", data=form, files=uploads))


def test_the_recorded_event_is_answered(function):
    answer = function(EVENT, Context())
    assert (answer["statusCode"], json.loads(answer["body"])["status"]) == (200, "ok")
    assert answer["isBase64Encoded"] is False


def test_models_and_measures_are_told_to_who_shows_a_key(function):
    names = [model["name"] for model in json.loads(function(event("GET", "/api/v1/models"), Context())["body"])]
    assert "trees" in names
    assert function(event("GET", "/metrics"), Context())["statusCode"] == 200
    for key in (None, "wrong"):
        assert function(event("GET", "/models", key), Context())["statusCode"] == 401


def test_several_files_become_conversations_in_one_answer(function):
    model = ChatServer()
    with model.running() as url:
        answer = function(posted(url, first=PAIRS, second=PAIRS, empty=""), Context())
    assert answer["statusCode"] == 200, answer["body"]
    done = json.loads(answer["body"])
    assert [one["file"] for one in done["conversations"]] == ["first.csv", "second.csv"]
    assert [len(dialogue["turns"]) for one in done["conversations"] for dialogue in one["dialogues"]] == [4] * 6
    assert done["conversations"][0]["output_tokens"] == 150
    assert list(done["failed"]) == ["empty.csv"]
    assert {request["authorization"] for request in model.requests} == {"Bearer sk-outside"}


def test_what_was_written_before_an_error_or_the_end_of_time_is_kept(function):
    with ChatServer(["good", "wrong_key"]).running() as url:
        (one,) = json.loads(function(posted(url, 8, first=PAIRS), Context())["body"])["conversations"]
    assert one["dialogues"] and "refused the API key" in one["stopped"]
    with ChatServer().running() as url:
        (one,) = json.loads(function(posted(url, 40, first=PAIRS), Context(left_s=10.01))["body"])["conversations"]
    assert 1 <= len(one["dialogues"]) < 40 and "kept" in one["stopped"]


def test_what_does_not_fit_a_function_is_refused_in_words(function):
    with ChatServer(["wrong_key"]).running() as url:
        for asked, words in (
            (posted(url, 201, first=PAIRS), "At most 200"),
            (posted(url), "Send files"),
            (posted(url, first=PAIRS), "refused the API key"),
        ):
            answer = function(asked, Context())
            assert answer["statusCode"] == 422 and words in json.loads(answer["body"])["detail"]
    assert function(event("POST", "/train"), Context())["statusCode"] == 404
