"""Batches: side by side or in order, with dependencies; what fails does not take the others along."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from api import api
from tests.calling import KEYS, as_, changed, here
from workspace.catalog.rows import Dependency

METRICS = ["column_shapes"]


@pytest.fixture
def client(open_workspace, people):
    """A client whose table is uploaded, and whose jobs wait until `workspace.start`."""
    client = here(open_workspace(), raise_server_exceptions=False)
    client.post("/upload", files={"files": ("people.csv", people.read_bytes())})
    return client


def train(name: str, **asked) -> dict:
    request = {"data_path": "people.csv", "model": "bootstrap", "metrics": [], "rows": 20} | asked
    return {"name": name, "call": "train", "request": request}


def states(batch: dict) -> dict[str, str]:
    return {one["name"]: one["state"] for one in batch["operations"]}


def run_all(client, batch: dict) -> dict:
    workspace = api.state.workspace.start()
    for one in batch["operations"]:
        workspace.jobs.wait(one["job"]["id"], 120)
    return client.get(f"/batch/{batch['id']}").json()


def test_operations_depend_on_others_and_one_that_fails_does_not_lose_the_rest(client, open_workspace):
    operations = [
        {"name": "judged", "call": "evaluate", "of": "more", "request": {"metrics": METRICS}},
        {"name": "more", "call": "generate", "of": "first", "request": {"rows": 7, "metrics": []}},
        train("first"),
        train("unknown", model="nonsense"),
        train("broken", model="slow", params={"manner": "failing", "nap_s": 0}),
        {"name": "never", "call": "generate", "of": "broken", "request": {}},
        train("after_all") | {"after": ["unknown"]},
    ]
    answer = client.post("/batch", json={"operations": operations})
    assert answer.status_code == 202, answer.text
    batch = answer.json()
    assert states(batch) == {one["name"]: "queued" for one in operations} | {"unknown": "failed"}
    # What waits is in the catalog: the server may come and go.
    api.state.workspace.close()
    api.state.workspace = open_workspace()
    batch = run_all(client, batch)
    wanted = {"first": "done", "more": "done", "judged": "done", "unknown": "failed", "broken": "failed"}
    assert states(batch) == wanted | {"never": "cancelled", "after_all": "cancelled"}
    assert batch["ended"] and batch["states"] == {"done": 3, "failed": 2, "cancelled": 2}
    jobs = {one["name"]: one["job"] for one in batch["operations"]}
    assert "no generator" in jobs["unknown"]["error"] and "depends on" in jobs["never"]["error"]
    assert jobs["judged"]["run_id"] == jobs["more"]["run_id"] != jobs["first"]["run_id"]
    assert client.get(f"/runs/{jobs['more']['run_id']}").json()["rows"] == 7
    assert set(client.get(f"/runs/{jobs['judged']['run_id']}").json()["scores"]) == set(METRICS)
    assert client.get("/batch").json() == [batch]


def test_in_order_each_starts_when_the_one_before_has_ended_well_or_not(client):
    asked = {"operations": [train("one"), train("two"), train("three")], "parallel": False}
    order = [one["job"]["id"] for one in client.post("/batch", json=asked).json()["operations"]]
    queue = api.state.workspace.queue
    for job_id, end in zip(order, ("failed", "done", "done"), strict=True):
        queue.give_up()
        assert queue.claim().id == job_id and queue.claim() is None
        queue.end(job_id, end)


def test_a_batch_is_cancelled_and_nothing_of_it_starts_any_more(client):
    batch = client.post("/batch", json={"operations": [train("a"), train("b"), train("c")], "parallel": False}).json()
    cancelled = client.delete(f"/batch/{batch['id']}").json()
    assert states(cancelled) == dict.fromkeys("abc", "cancelled") and cancelled["ended"]
    dataset = client.get("/datasets").json()[0]
    client.delete(f"/datasets/{dataset['id']}")
    assert states(client.get(f"/batch/{batch['id']}").json()) == dict.fromkeys("abc", "deleted")
    with api.state.workspace.catalog.session() as session:
        assert session.query(Dependency).count() == 0


@pytest.mark.parametrize(
    "operations, words",
    [
        ([], "at least 1"),
        ([train("a"), train("a")], "Two operations are called a"),
        ([train("a") | {"after": ["b"]}], "waits for b"),
        ([train("a") | {"after": ["b"]}, train("b") | {"after": ["a"]}], "in a circle: a, b"),
        ([train("a") | {"after": ["a"]}], "in a circle"),
        ([train("a") | {"call": "sing"}], "operations.0"),
        ([train("a", rows=0)], "operations.0.train.request.rows"),
        ([{"name": "a", "call": "generate", "of": "a", "request": {"run_id": "x"}}], "cannot have run_id"),
    ],
)
def test_a_batch_that_makes_no_sense_starts_nothing(client, operations, words):
    answer = client.post("/batch", json={"operations": operations})
    assert answer.status_code == 422 and words in answer.json()["detail"], answer.text
    assert client.get("/jobs").json() == client.get("/batch").json() == []


def test_a_batch_counts_as_many_jobs_as_it_has(settings, open_workspace, people):
    client = here(open_workspace(changed(settings, max_queued=2)))
    client.post("/upload", files={"files": ("people.csv", people.read_bytes())})
    answer = client.post("/batch", json={"operations": [train("a"), train("b"), train("c")]})
    assert answer.status_code == 429 and client.get("/jobs").json() == []


def test_nobody_sees_anothers_batch_or_works_on_anothers_table(settings, open_workspace, people):
    client = here(open_workspace(changed(settings, api_keys=KEYS)))
    sent = client.post("/upload", files={"files": ("people.csv", people.read_bytes())}, headers=as_("anna"))
    dataset = sent.json()["datasets"][0]["id"]
    mine = client.post("/batch", json={"operations": [train("a")]}, headers=as_("anna")).json()
    for method in ("GET", "DELETE"):
        assert client.request(method, f"/batch/{mine['id']}", headers=as_("carl")).status_code == 404
    theirs = train("a", dataset_id=dataset)
    del theirs["request"]["data_path"]
    other = client.post("/batch", json={"operations": [theirs]}, headers=as_("carl")).json()
    assert states(other) == {"a": "failed"} and "no dataset" in other["operations"][0]["job"]["error"]
    assert client.get("/batch", headers=as_("carl")).json() == [other]


def test_the_batch_of_the_documentation_is_one(client):
    text = (Path(__file__).parent.parent / "docs" / "api.md").read_text(encoding="utf-8")
    shown = re.search(r'```json\n(\{"operations".*?)```', text, re.S)[1]
    asked = shown.replace('"ID"', f'"{client.get("/datasets").json()[0]["id"]}"')
    batch = client.post("/batch", content=asked, headers={"Content-Type": "application/json"}).json()
    assert states(batch) == dict.fromkeys(("first", "more", "judged", "other"), "queued")
