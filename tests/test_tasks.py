"""What jobs make: runs with models, tables and scores, the same for the same seed, judged by the rows held out."""

from __future__ import annotations

import pandas as pd
import pytest

from synth import GENERATORS, Schema
from tests.conftest import ROWS
from workspace.catalog import Dataset, Job
from workspace.workspace import Workspace

QUICK = ["column_shapes"]


@pytest.fixture
def trained(workspace: Workspace, dataset: Dataset) -> Job:
    """A job that trained, drew and judged."""
    workspace.start()
    return workspace.wait(workspace.train(dataset.id, "bootstrap", seed=3, metrics=QUICK).id)


def test_training_makes_a_run_with_its_model_its_table_and_its_scores(workspace, dataset, trained):
    run = workspace.run(trained.run_id)
    assert (trained.state, run.rows, run.model, run.seed, run.note) == ("done", 80, "bootstrap", 3, "")
    assert list(run.scores) == QUICK and run.scores["column_shapes"].value > 0.5
    assert run.fit_seconds >= 0 and run.sample_seconds >= 0 and run.peak_mb > 10 and run.size_bytes > 0
    synthetic = workspace.synthetic_table(run.id)
    real = workspace.real_table(run.id, "train")
    assert len(synthetic) == 80 and synthetic.dtypes.to_dict().keys() == real.dtypes.to_dict().keys()
    assert {name: str(dtype) for name, dtype in synthetic.dtypes.items()} == {
        name: str(dtype) for name, dtype in real.dtypes.items()
    }
    assert [job.run_id for job in workspace.jobs()] == [run.id] and workspace.runs(dataset.id)[0].id == run.id


def test_the_model_is_trained_on_no_held_out_row(workspace, dataset, trained):
    held = set(workspace.holdout_table(dataset.id)["income"])
    # Bootstrap repeats what it saw: an income of the holdout in its output was shown to it.
    assert not held & set(workspace.synthetic_table(trained.run_id)["income"])


def test_the_same_seed_gives_the_same_table_and_another_seed_another(workspace, dataset, trained):
    jobs = [workspace.train(dataset.id, "bootstrap", seed=seed, metrics=[]) for seed in (3, 4)]
    same, other = (workspace.synthetic_table(workspace.wait(job.id).run_id) for job in jobs)
    first = workspace.synthetic_table(trained.run_id)
    pd.testing.assert_frame_equal(first, same)
    assert not first.equals(other)


def test_sampling_again_gives_a_run_of_its_own_that_outlives_the_first(workspace, trained):
    again = workspace.wait(workspace.sample(trained.run_id, rows=7, seed=9, metrics=[]).id)
    run = workspace.run(again.run_id)
    assert (again.state, run.rows, run.parent_id) == ("done", 7, trained.run_id)
    workspace.delete_run(trained.run_id)
    assert len(workspace.synthetic_table(run.id)) == 7
    assert GENERATORS["bootstrap"].load(run.folder / "model").rows_seen == 80


def test_rows_are_drawn_under_conditions_and_keep_rules_and_the_run_tells_of_both(workspace, dataset):
    rule = {"kind": "range", "column": "age", "low": 25}
    workspace.set_schema(dataset.id, Schema.model_validate({**dataset.schema.model_dump(), "rules": [rule]}))
    workspace.start()
    job = workspace.wait(workspace.train(dataset.id, "bootstrap", rows=30, conditions={"city": "Oslo"}, metrics=[]).id)
    run = workspace.run(job.run_id)
    table = workspace.synthetic_table(run.id)
    assert len(table) == 30 and set(table["city"]) == {"Oslo"} and table["age"].min() >= 25
    assert run.conditions["cases"][0]["where"] == {"city": "Oslo"}
    assert run.rules[0].rows > 0


def test_choices_for_metrics_are_kept_with_the_run(workspace, trained):
    job = workspace.wait(workspace.evaluate(trained.run_id, QUICK, options={"sensitive": ["age"]}).id)
    assert job.state == "done" and workspace.run(trained.run_id).options == {"sensitive": ["age"]}
    with pytest.raises(ValueError, match="no option colour"):
        workspace.evaluate(trained.run_id, options={"colour": "red"})


def test_judging_again_adds_scores_and_keeps_those_there_are(workspace, trained):
    job = workspace.wait(workspace.evaluate(trained.run_id, ["exact_copies"]).id)
    assert job.state == "done"
    assert list(workspace.run(trained.run_id).scores) == ["column_shapes", "exact_copies"]


def test_a_run_is_judged_by_the_rows_held_out_from_it_whatever_the_holdout_is_now(workspace, dataset, trained):
    held = list(workspace.holdout_table(dataset.id)["who"])
    workspace.set_holdout(dataset.id, 0.5, seed=8)
    assert list(workspace.real_table(trained.run_id, "holdout")["who"]) == held


def test_a_judging_that_fails_leaves_the_table_and_the_run_says_so(workspace, dataset):
    workspace.start()
    job = workspace.wait(workspace.train(dataset.id, "bootstrap", metrics=["broken"]).id)
    run = workspace.run(job.run_id)
    assert job.state == "failed" and not run.scores
    assert run.note.startswith("Judging ended: An unexpected problem (ZeroDivisionError")
    assert len(workspace.synthetic_table(run.id)) == 80

    mended = workspace.wait(workspace.evaluate(run.id, QUICK).id)
    assert mended.state == "done" and workspace.run(run.id).note == ""


def test_a_retry_after_failed_judging_trains_nothing_anew(workspace, dataset):
    workspace.start()
    job = workspace.wait(workspace.train(dataset.id, "bootstrap", metrics=["broken"]).id)
    again = workspace.wait(workspace.retry(job.id).id)
    assert again.run_id == job.run_id and len(workspace.runs()) == 1


def test_an_export_is_written_once_and_reads_back(workspace, trained):
    file = workspace.export(trained.run_id, "csv")
    before = file.stat().st_mtime_ns
    assert workspace.export(trained.run_id, "csv").stat().st_mtime_ns == before
    table = pd.read_csv(file)
    assert list(table) == ["city", "age", "income", "who"] and len(table) == 80
    assert file.is_relative_to(workspace.run(trained.run_id).folder)


def test_dropped_columns_are_in_no_table_of_the_run(workspace, dataset):
    columns = [c.model_copy(update={"role": "drop"}) if c.name == "who" else c for c in dataset.schema]
    workspace.set_schema(dataset.id, dataset.schema.model_copy(update={"columns": columns}))
    workspace.start()
    job = workspace.wait(workspace.train(dataset.id, "bootstrap", metrics=QUICK).id)
    assert list(workspace.synthetic_table(job.run_id)) == ["city", "age", "income"]
    model = b"".join(file.read_bytes() for file in workspace.run(job.run_id).folder.rglob("*") if file.is_file())
    assert b"Surname" not in model


def test_a_whole_upload_is_trained_on_when_nothing_is_held_out(workspace, dataset):
    workspace.set_holdout(dataset.id, 0)
    workspace.start()
    job = workspace.wait(workspace.train(dataset.id, "bootstrap", metrics=QUICK).id)
    assert (
        workspace.run(job.run_id).rows == ROWS and workspace.run(job.run_id).scores["column_shapes"].reference is None
    )
