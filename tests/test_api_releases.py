"""Before a table leaves the house, over HTTP; and the tables that come with the app."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from tests.calling import here
from tests.conftest import running_workspace, write_people
from workspace.catalog.rows import Run
from workspace.workspace import Workspace

workspace = pytest.fixture(running_workspace, scope="module")


@pytest.fixture(scope="module")
def client(workspace: Workspace) -> Iterator[TestClient]:
    with here(workspace) as client:
        yield client


@pytest.fixture(scope="module")
def run(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Run:
    dataset = workspace.datasets.add(write_people(tmp_path_factory.mktemp("people")), "people.csv")
    workspace.datasets.set_holdout(dataset.id, 0.6, seed=0)
    return workspace.runs.get(
        workspace.jobs.wait(workspace.training.train(dataset.id, "bootstrap", metrics=[]).id).run_id
    )


def test_a_table_that_comes_with_the_app_is_brought_in(client):
    assert "penguins" in [sample["name"] for sample in client.get("/samples").json()]
    added = client.post("/samples/penguins")
    assert added.status_code == 201 and added.json()["rows"] == 344
    refused = client.post("/samples/unicorns")
    assert refused.status_code == 404 and "penguins" in refused.json()["detail"]


def test_thresholds_are_kept_with_their_table_and_given_up_again(client, run):
    address = f"/datasets/{run.dataset_id}/thresholds"
    careful = client.get(address).json()
    assert client.put(address, json=[{"metric": "exact_copies", "at_most": 0.01}]).status_code == 200
    kept = client.get(address).json()
    assert [(one["metric"], one["at_most"]) for one in kept] == [("exact_copies", 0.01)]
    assert client.put(address, json=[{"metric": "no_such"}]).status_code == 422
    assert client.get(address).json() == kept
    assert client.delete(address).status_code == 204
    assert client.get(address).json() == careful


def test_risky_rows_are_left_out_in_a_run_of_its_own(client, workspace, run):
    risky = client.get(f"/runs/{run.id}/riskiest", params={"limit": 3}).json()
    assert len(risky) == 3 and risky[0]["ratio"] <= risky[1]["ratio"]
    assert risky[0]["synthetic"].keys() == risky[0]["real"].keys() >= {"city", "age", "income"}
    asked = {"rows": [one["row"] for one in risky], "metrics": []}
    job = workspace.jobs.wait(client.post(f"/runs/{run.id}/replace", json=asked).json()["id"])
    assert job.state == "done" and workspace.runs.get(job.run_id).rows == run.rows - 3
    refused = client.post(f"/runs/{run.id}/replace", json={"rows": [10**6]})
    assert refused.status_code == 422 and "Choose rows from 0" in refused.json()["detail"]


def test_the_judge_is_tested_on_the_runs_real_rows(client, workspace, run):
    address = f"/runs/{run.id}/self-test"
    assert client.get(address).json() == []
    job = workspace.jobs.wait(client.post(address).json()["id"])
    assert job.state == "done", job.error
    assert {"case", "expected", "passed", "wrong"} == client.get(address).json()[0].keys()
