"""The report on a run, over HTTP and from the workspace."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from api import api
from metrics import Score
from tests.calling import here
from workspace.catalog.rows import Run
from workspace.services import images
from workspace.settings import Settings
from workspace.version import VERSION
from workspace.workspace import Workspace

PENGUINS = Path(__file__).parent / "data" / "penguins.csv"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    workspace = Workspace(Settings(workspace=tmp_path_factory.mktemp("workspace"))).start()
    api.state.workspace = workspace
    yield workspace
    workspace.close()


@pytest.fixture(scope="module")
def run(workspace: Workspace) -> Run:
    dataset = workspace.datasets.add(PENGUINS, "penguins.csv")
    job = workspace.jobs.wait(workspace.training.train(dataset.id, "bootstrap", rows=50, metrics=["column_shapes"]).id)
    return workspace.runs.get(job.run_id)


@pytest.mark.parametrize("format, holds", [("html", "<h1>penguins.csv"), ("json", "column_shapes"), ("csv", "metric")])
def test_a_report_comes_as_a_file_in_every_format(run, format, holds):
    answer = here().get(f"/runs/{run.id}/report.{format}")
    assert answer.status_code == 200
    assert f"penguins-report-bootstrap.{format}" in answer.headers["content-disposition"]
    assert "attachment" in answer.headers["content-disposition"]
    assert holds in answer.text


def test_a_report_names_the_version_that_wrote_it(run):
    assert here().get(f"/runs/{run.id}/report.json").json()["facts"]["Understudy"] == VERSION


def test_without_a_browser_there_are_no_png_files_and_it_says_why(run, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    answer = here().get(f"/runs/{run.id}/report.zip")
    assert answer.status_code == 503
    assert "Install it" in answer.json()["detail"]
    assert images.browser() is None


def test_a_report_is_written_once_and_again_when_the_run_is_judged_anew(workspace, run):
    first = workspace.reports.write(run.id, "json")
    written = first.stat().st_mtime_ns
    assert workspace.reports.write(run.id, "json").stat().st_mtime_ns == written
    workspace.runs.keep_scores(workspace.runs.get(run.id), {"exact_copies": Score(value=0.25)})
    os.utime(first, ns=(written - 10**10, written - 10**10))
    found = json.loads(workspace.reports.write(run.id, "json").read_text(encoding="utf-8"))
    assert {one["card"]["name"] for one in found["judged"]} >= {"column_shapes", "exact_copies"}
