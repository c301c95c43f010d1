"""Jobs of a plugin's kind, started over HTTP."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from api import api
from tests.calling import KEYS, as_, changed, here
from tests.conftest import PLUGIN
from workspace.jobs.kinds import KINDS
from workspace.workspace import Workspace

COUNTING = "tests.counting"


@pytest.fixture
def workspace(settings, open_workspace) -> Iterator[Workspace]:
    """A workspace of Anna's and others' with a plugin that adds a kind of job."""
    yield open_workspace(changed(settings, plugins=[PLUGIN, COUNTING], api_keys=KEYS))
    KINDS.remove("count_values")
    # So that the next test's workspace imports it anew.
    del sys.modules[COUNTING]


@pytest.fixture
def client(workspace):
    return here(workspace, raise_server_exceptions=False)


@pytest.fixture
def table(workspace, people) -> str:
    return workspace.datasets.add(people, "people.csv", owner="anna").id


def test_a_plugins_kind_of_job_is_listed_described_started_and_done(client, workspace, table):
    kinds = {kind["name"]: kind for kind in client.get("/jobs/kinds", headers=as_("bob")).json()}
    assert kinds["count_values"]["title"] == "Count values" and kinds["count_values"]["offered"]
    assert list(kinds["count_values"]["arguments"]["properties"]) == ["column"]
    assert not kinds["train"]["offered"]
    schemas = api.openapi()["components"]["schemas"]
    assert schemas["JobRequest"]["properties"]["kind"]["enum"] == ["count_values"]
    assert list(schemas["CountValuesArguments"]["properties"]) == ["column"]
    body = {"kind": "count_values", "dataset_id": table, "arguments": {"column": "city"}}
    answer = client.post("/jobs", json=body, headers=as_("anna"))
    assert answer.status_code == 202, answer.text
    ended = workspace.start().jobs.wait(answer.json()["id"], 60)
    assert ended.state == "done", ended.error
    job = client.get(f"/jobs/{answer.json()['id']}", headers=as_("anna")).json()
    assert (job["kind"], job["note"], job["dataset_id"]) == ("count_values", "2 values", table)


@pytest.mark.parametrize(
    "body, words",
    [
        ({"kind": "count_words"}, "count_values"),
        ({"kind": "train", "arguments": {"model": "trees", "params": {}}}, "There are count_values"),
        ({"kind": "count_values"}, "column"),
        ({"kind": "count_values", "arguments": {"column": "city", "colour": "red"}}, "colour"),
        ({"kind": "count_values", "arguments": {"column": 5}}, "column"),
    ],
)
def test_an_unknown_kind_or_argument_is_refused_in_words(client, table, body, words):
    answer = client.post("/jobs", json={"dataset_id": table, **body}, headers=as_("anna"))
    assert answer.status_code == 422 and words in answer.json()["detail"]
    assert client.get("/jobs", headers=as_("anna")).json() == []


def test_a_job_works_on_what_its_owner_may_see(client, workspace, people, table):
    body = {"kind": "count_values", "arguments": {"column": "city"}}
    for where in ({"dataset_id": table}, {"run_id": "gone"}, {"dataset_id": "gone"}):
        assert client.post("/jobs", json=body | where, headers=as_("carl")).status_code == 404
    run = workspace.runs.add(table, people, "theirs.csv", owner="anna")
    answer = client.post("/jobs", json=body | {"run_id": run.id}, headers=as_("anna"))
    assert (answer.json()["dataset_id"], answer.json()["run_id"]) == (table, run.id)
    other = workspace.datasets.add(people, "people.csv", owner="anna").id
    answer = client.post("/jobs", json=body | {"run_id": run.id, "dataset_id": other}, headers=as_("anna"))
    assert answer.status_code == 422 and answer.json()["field"] == "dataset_id"


def test_a_call_sent_twice_starts_one_job(client, table):
    body = {"kind": "count_values", "dataset_id": table, "arguments": {"column": "city"}}
    sent = [client.post("/jobs", json=body, headers=as_("anna") | {"Idempotency-Key": "once"}) for _ in range(2)]
    assert sent[0].json()["id"] == sent[1].json()["id"]


def test_no_more_jobs_wait_than_the_settings_allow(settings, client, table):
    api.state.workspace.settings = changed(api.state.workspace.settings, max_queued=1)
    body = {"kind": "count_values", "dataset_id": table, "arguments": {"column": "city"}}
    assert [client.post("/jobs", json=body, headers=as_("anna")).status_code for _ in range(2)] == [202, 429]
