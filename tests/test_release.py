"""What the owner does before a table leaves the house: thresholds, riskiest rows, the test of the judge."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from metrics import THRESHOLDS, Threshold, gate
from metrics.selftest import CASES
from tests.conftest import running_workspace
from workspace.catalog.rows import Run
from workspace.workspace import Workspace

QUICK = ["column_shapes", "exact_copies"]


workspace = pytest.fixture(running_workspace, scope="module")


@pytest.fixture(scope="module")
def run(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A table that resembles 320 people with a number of their own, each column drawn by itself."""
    file: Path = tmp_path_factory.mktemp("people") / "people.csv"
    lines = [f"P{n:04},{('Oslo', 'Bergen')[n % 2]},{20 + n * 7 % 50},{1000 + 10 * n}.50" for n in range(320)]
    file.write_text("id,city,age,income\n" + "\n".join(lines) + "\n", encoding="utf-8")
    dataset = workspace.datasets.add(file, "people.csv")
    job = workspace.jobs.wait(workspace.training.train(dataset.id, "bootstrap", metrics=QUICK).id)
    assert job.state == "done", job.error
    return workspace.runs.get(job.run_id)


def test_the_owners_thresholds_are_kept_with_the_table_and_decide_in_gate_and_report(workspace, run):
    assert workspace.thresholds.of(run.dataset_id) == THRESHOLDS
    strict = Threshold(metric="column_shapes", at_least=0.999)
    workspace.thresholds.set(run.dataset_id, [strict])
    assert workspace.thresholds.of(run.dataset_id) == [strict]
    assert not gate(run.scores, workspace.thresholds.of(run.dataset_id)).passed
    reasons = json.loads(workspace.reports.write(run.id, "json").read_text(encoding="utf-8"))["gate"]["reasons"]
    assert [reason["metric"] for reason in reasons] == ["column_shapes"]
    # The report kept from before does not outlive the thresholds it was written by.
    workspace.thresholds.set(run.dataset_id, None)
    assert workspace.thresholds.of(run.dataset_id) == THRESHOLDS
    reasons = json.loads(workspace.reports.write(run.id, "json").read_text(encoding="utf-8"))["gate"]["reasons"]
    assert len(reasons) == len(THRESHOLDS)
    with pytest.raises(ValueError, match="no metric beauty"):
        workspace.thresholds.set(run.dataset_id, [Threshold(metric="beauty")])


def test_the_riskiest_rows_stand_beside_the_real_row_they_are_nearest_to(workspace, run):
    risky = workspace.releases.riskiest_rows(run.id, count=5)
    assert len(risky.found) == len(risky.synthetic) == len(risky.real) == 5 and risky.looked_at == run.rows
    assert risky.found["ratio"].is_monotonic_increasing
    real = workspace.runs.train_table(run.id)
    pd.testing.assert_frame_equal(risky.real, real.iloc[risky.found["train_row"]].reset_index(drop=True))


def test_risky_rows_are_dropped_or_drawn_again_in_a_run_of_its_own(workspace, run):
    before = workspace.runs.synthetic_table(run.id)
    rows = workspace.releases.riskiest_rows(run.id, count=3).found["synthetic_row"].tolist()
    jobs = [workspace.releases.replace_rows(run.id, rows, how, metrics=QUICK) for how in ("drop", "draw")]
    dropped, drawn = (workspace.runs.get(workspace.jobs.wait(job.id).run_id) for job in jobs)
    assert list(dropped.scores) == list(drawn.scores) == QUICK
    assert (dropped.rows, drawn.rows, dropped.parent_id) == (run.rows - 3, run.rows, run.id)
    kept = before.drop(index=rows).reset_index(drop=True)
    pd.testing.assert_frame_equal(workspace.runs.synthetic_table(dropped.id), kept)
    again = workspace.runs.synthetic_table(drawn.id)
    pd.testing.assert_frame_equal(again.head(len(kept)), kept)
    # Others took their places, and their ids, so that every id still occurs once.
    assert again["id"].is_unique and set(again["id"]) == set(before["id"])
    assert not again.tail(3).reset_index(drop=True).equals(before.iloc[sorted(rows)].reset_index(drop=True))
    assert workspace.releases.replaced(drawn.id).rows == sorted(rows) and workspace.releases.replaced(run.id) is None
    # Nothing is lost: the table they came from is as it was.
    pd.testing.assert_frame_equal(workspace.runs.synthetic_table(run.id), before)


def test_rows_that_are_not_there_cannot_be_replaced(workspace, run):
    for rows in ([], [-1], [run.rows]):
        with pytest.raises(ValueError, match=f"rows from 0 to {run.rows - 1}"):
            workspace.releases.replace_rows(run.id, rows)
    with pytest.raises(ValueError, match="No row would be left"):
        workspace.releases.replace_rows(run.id, range(run.rows))


def test_the_judge_is_tested_on_the_runs_real_rows(workspace, run):
    assert workspace.releases.checks(run.id) == []
    job = workspace.jobs.wait(workspace.releases.self_test(run.id).id)
    assert job.state == "done", job.error
    assert [check.case for check in workspace.releases.checks(run.id)] == [case.title for case in CASES]
    assert workspace.runs.get(run.id).scores == run.scores
