"""Synthetic tables over HTTP: the right bytes under the right name, and a plain 404 for what is not there."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from api import api
from tests.calling import here
from workspace.catalog.rows import Run
from workspace.settings import Settings
from workspace.workspace import Workspace

PENGUINS = Path(__file__).parent / "data" / "penguins.csv"
READ = {
    "csv": pd.read_csv,
    "parquet": pd.read_parquet,
    "jsonl": lambda file: pd.read_json(file, lines=True),
    "xlsx": lambda file: pd.read_excel(file, engine="calamine"),
}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    workspace = Workspace(Settings(workspace=tmp_path_factory.mktemp("workspace"))).start()
    api.state.workspace = workspace
    yield workspace
    workspace.close()


@pytest.fixture(scope="module")
def run(workspace: Workspace) -> Run:
    dataset = workspace.datasets.add(PENGUINS, "../../pen guins.v2.csv")
    job = workspace.jobs.wait(workspace.training.train(dataset.id, "bootstrap", rows=50, metrics=[]).id)
    return workspace.runs.get(job.run_id)


@pytest.mark.parametrize("format", READ)
def test_every_format_holds_the_whole_table(run, format):
    answer = here().get(f"/runs/{run.id}/synthetic.{format}")
    assert answer.status_code == 200
    table = READ[format](io.BytesIO(answer.content))
    assert list(table.columns) == list(pd.read_csv(PENGUINS).columns)
    assert len(table) == 50


def test_the_file_is_named_after_the_upload_and_the_generator(run):
    answer = here().get(f"/runs/{run.id}/synthetic.csv")
    assert "pen%20guins-synthetic-bootstrap.csv" in answer.headers["content-disposition"]


def test_a_part_of_the_file_can_be_asked_for(run):
    whole = here().get(f"/runs/{run.id}/synthetic.csv").content
    part = here().get(f"/runs/{run.id}/synthetic.csv", headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole[10:20])


@pytest.mark.parametrize("range, status", [("bytes=99999999-", 416), ("bytes=5-1", 400), ("lines=1", 400)])
def test_a_part_that_the_file_does_not_have_is_refused_in_words(run, range, status):
    answer = here().get(f"/runs/{run.id}/synthetic.csv", headers={"Range": range})
    assert answer.status_code == status and "no such part" in answer.json()["detail"]


def test_a_run_that_is_not_there_is_a_404_in_words(workspace):
    answer = here().get("/runs/gone/synthetic.csv")
    assert answer.status_code == 404
    assert "deleted" in answer.json()["detail"]


def test_a_format_that_is_not_offered_is_refused(run):
    assert here().get(f"/runs/{run.id}/synthetic.exe").status_code == 422


def test_the_server_says_that_it_is_well(workspace):
    assert here().get("/health").json()["status"] == "ok"
