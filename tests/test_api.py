"""The REST API over a real workspace: walks through it, who may do what, and errors in words."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from fastapi.testclient import TestClient
from starlette.testclient import WebSocketDenialResponse

from api import api
from tests.calling import KEYS, SECRET, as_, changed, here
from workspace.catalog.rows import Event


@pytest.fixture
def client(open_workspace):
    """A client of a server whose jobs only wait."""
    return here(open_workspace(), raise_server_exceptions=False)


@pytest.fixture
def guarded(settings, open_workspace):
    """The same of a server with keys."""
    return here(open_workspace(changed(settings, api_keys=KEYS)), raise_server_exceptions=False)


def upload(client, people, **headers) -> dict:
    answer = client.post("/datasets", files=[("files", ("people.csv", people.read_bytes()))], headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()["datasets"][0]


def finished(client, job: dict, **headers) -> dict:
    api.state.workspace.start().jobs.wait(job["id"], 60)
    return client.get(f"/jobs/{job['id']}", headers=headers).json()


def test_several_files_at_once_and_one_that_fails_loses_no_other(client, people):
    files = [("files", ("people.csv", people.read_bytes())), ("files", ("empty.csv", b""))]
    answer = client.post("/upload", files=files).json()
    assert [dataset["name"] for dataset in answer["datasets"]] == ["people.csv"]
    assert "Upload a table" in answer["failed"]["empty.csv"]


def test_columns_are_described_and_corrected(client, people):
    dataset = upload(client, people)
    schema = client.get(f"/datasets/{dataset['id']}/schema").json()
    city = next(column for column in schema["columns"] if column["name"] == "city")
    changed = client.patch(f"/datasets/{dataset['id']}/schema", json={"columns": [{**city, "role": "target"}]})
    assert next(column for column in changed.json()["columns"] if column["name"] == "city")["role"] == "target"
    page = client.get(f"/datasets/{dataset['id']}/rows?offset=98&limit=10").json()
    assert (len(page["rows"]), page["total"]) == (2, 100)
    assert len(client.get(f"/datasets/{dataset['id']}/profile").json()) == 4


@pytest.fixture
def ended_job(guarded, people) -> str:
    """A job of Anna's that reported twice and failed, without a process."""
    dataset = upload(guarded, people, **as_("anna"))
    asked = {"dataset_id": dataset["id"], "model": "bootstrap"}
    job = guarded.post("/train", json=asked, headers=as_("anna")).json()
    workspace = api.state.workspace
    with workspace.catalog.session() as session:
        session.add(Event(job_id=job["id"], progress=0.5, stage="Training", note="Epoch 1", curve={"epoch": 1}))
    workspace.queue.claim()
    workspace.queue.end(job["id"], "failed", "It was too hot.")
    return job["id"]


def test_progress_comes_as_events_until_the_end(guarded, ended_job):
    lines = guarded.get(f"/jobs/{ended_job}/events", headers=as_("anna")).text.splitlines()
    assert [line for line in lines if line.startswith("event:")] == ["event: progress"] * 2 + ["event: end"]
    assert guarded.get(f"/jobs/{ended_job}/events", headers=as_("carl")).status_code == 404


def test_progress_comes_over_a_websocket_too_to_whom_it_belongs(guarded, ended_job):
    path = f"/jobs/{ended_job}/ws"
    for headers, status in (({}, 401), (as_("carl"), 404)):
        with (
            pytest.raises(WebSocketDenialResponse) as denied,
            guarded.websocket_connect(path, headers=headers),
        ):
            pass
        assert denied.value.status_code == status and "detail" in denied.value.json()
    with guarded.websocket_connect(path, headers=as_("anna")) as socket:
        said = [socket.receive_json() for _ in range(3)]
    assert [one["event"] for one in said] == ["progress", "progress", "end"]
    assert said[0]["data"]["curve"] == {"epoch": 1} and said[-1]["data"]["error"] == "It was too hot."
    token = guarded.post("/token", headers=as_("anna")).json()["access_token"]
    after = said[1]["data"]["seq"]
    with guarded.websocket_connect(f"{path}?after={after}", headers={"Authorization": f"Bearer {token}"}) as socket:
        assert socket.receive_json()["event"] == "end"
    # A browser's socket carries no header: it is given a link, for this job alone.
    link = guarded.post("/links", json={"path": path}, headers=as_("anna")).json()["path"]
    with guarded.websocket_connect(f"{link}&after={after}") as socket:
        assert socket.receive_json()["event"] == "end"


@pytest.mark.parametrize(
    "call, status, words, field",
    [
        (("GET", "/datasets/gone"), 404, "There is no dataset", None),
        (("GET", "/nothing"), 404, "Not Found", None),
        (("PUT", "/datasets"), 405, "Method Not Allowed", None),
        (("POST", "/train", {"model": "trees"}), 422, "Say which table", "dataset_id"),
        (("POST", "/converse", {}), 422, "Field required", "order"),
        (("POST", "/train", {"dataset_id": "x", "nonsense": 1}), 422, "Extra inputs", "nonsense"),
        (("POST", "/generate", {"rows": 5}), 422, "", None),
        (("GET", "/jobs?limit=0"), 422, "greater than or equal to 1", "limit"),
    ],
)
def test_every_error_has_one_shape_and_speaks_in_words(client, call, status, words, field):
    method, path, *body = call
    answer = client.request(method, path, json=body[0] if body else None)
    problem = answer.json()
    assert answer.status_code == status, problem
    assert set(problem) == {"error", "detail", "field", "timestamp"}
    assert words in problem["detail"]
    assert field is None or problem["field"] == field
    assert datetime.fromisoformat(problem["timestamp"]).tzinfo


def test_what_does_not_fit_is_said_and_never_a_500(client, people):
    dataset = upload(client, people)
    for asked, words in (
        ({"model": "nonsense"}, "no generator"),
        ({"model": "trees", "params": {"nonsense": 1}}, "nonsense"),
        ({"model": "trees", "rows": 10**12}, "At most"),
        ({"model": "trees", "metrics": ["nonsense"]}, "no metric"),
    ):
        answer = client.post("/train", json={"dataset_id": dataset["id"], **asked})
        assert answer.status_code == 422 and words in answer.json()["detail"]


def test_without_a_key_nobody_is_let_in_once_there_is_one(guarded):
    assert guarded.get("/health").status_code == 200
    for headers in ({}, {"X-API-Key": "wrong"}, {"Authorization": "Bearer a.b.c"}):
        answer = guarded.get("/datasets", headers=headers)
        assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"


def test_a_reader_may_not_write_and_a_writer_may_not_make_keys(guarded, people):
    files = [("files", ("people.csv", people.read_bytes()))]
    assert guarded.post("/datasets", files=files, headers=as_("bob")).status_code == 403
    assert guarded.get("/keys", headers=as_("anna")).status_code == 403
    assert guarded.get("/datasets", headers=as_("bob")).status_code == 200


def test_owners_are_kept_apart_as_if_the_other_were_not_there(guarded, people):
    dataset = upload(guarded, people, **as_("anna"))
    job = guarded.post(
        "/train", json={"dataset_id": dataset["id"], "model": "bootstrap", "metrics": []}, headers=as_("anna")
    ).json()
    done = finished(guarded, job, **as_("anna"))
    assert guarded.get("/datasets", headers=as_("bob")).json() == []
    for path in (
        f"/datasets/{dataset['id']}",
        f"/jobs/{job['id']}",
        f"/runs/{done['run_id']}",
        f"/download/{done['run_id']}",
    ):
        assert guarded.get(path, headers=as_("bob")).status_code == 404
        assert guarded.get(path, headers=as_("anna")).status_code == 200


def test_a_key_is_made_shown_once_exchanged_for_a_token_and_revoked(guarded):
    made = guarded.post("/keys", json={"name": "carol", "permissions": ["read"], "days": 1}, headers=as_("root"))
    assert made.status_code == 201
    key = made.json()
    assert key["key"] not in json.dumps(guarded.get("/keys", headers=as_("root")).json())
    token = guarded.post("/token", headers={"X-API-Key": key["key"]}).json()["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    assert guarded.get("/jobs", headers=bearer).status_code == 200
    assert guarded.delete(f"/keys/{key['id']}", headers=as_("root")).status_code == 204
    assert guarded.get("/jobs", headers=bearer).status_code == 401


def test_too_many_calls_are_told_when_to_come_back(settings, open_workspace):
    limited = changed(settings, api_keys=f"{SECRET}-limited:dora:read", call_limit="3/minute")
    client = here(open_workspace(limited))
    answers = [client.get("/jobs", headers=as_("limited")) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60


def test_a_stranger_on_the_network_is_not_taken_for_the_analyst_at_the_machine(client):
    stranger = TestClient(api, client=("192.0.2.7", 50000))
    assert stranger.get("/datasets").status_code == 401
    assert client.get("/datasets").status_code == 200


def test_the_documentation_asks_no_other_server(client):
    for page in ("/docs", "/redoc"):
        text = client.get(page).text
        assert "static-offline-docs" in text and "cdn" not in text
    described = client.get("/openapi.json").json()
    assert all(call.get("description") for calls in described["paths"].values() for call in calls.values())


def test_every_call_is_there_under_its_version_too(client):
    assert client.get("/v1/models").json() == client.get("/models").json()
