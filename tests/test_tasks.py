"""What jobs make: runs with models, tables and scores, the same for the same seed, judged by the rows held out."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import pytest
from sqlalchemy import update

from metrics import METRICS
from synth import Schema, Synthesizer
from tests.conftest import ROWS, running_workspace, write_people
from workspace.catalog.rows import Job, Run
from workspace.workspace import Workspace

QUICK = ["column_shapes"]


workspace = pytest.fixture(running_workspace, scope="module")


@pytest.fixture(scope="module")
def judged(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A job that trained, drew and judged."""
    dataset = workspace.datasets.add(write_people(tmp_path_factory.mktemp("judged")), "people.csv")
    return workspace.jobs.wait(workspace.training.train(dataset.id, "bootstrap", seed=3, metrics=QUICK).id)


def test_training_makes_a_run_with_its_model_its_table_and_its_scores(workspace, judged):
    run = workspace.runs.get(judged.run_id)
    assert (judged.state, run.rows, run.model, run.seed, run.note) == ("done", 80, "bootstrap", 3, "")
    assert list(run.scores) == QUICK and run.scores["column_shapes"].value > 0.5
    assert run.fit_seconds >= 0 and run.sample_seconds >= 0 and run.peak_mb > 10 and run.size_bytes > 0
    synthetic = workspace.runs.synthetic_table(run.id)
    real = workspace.runs.train_table(run.id)
    assert len(synthetic) == 80 and synthetic.dtypes.to_dict().keys() == real.dtypes.to_dict().keys()
    assert {name: str(dtype) for name, dtype in synthetic.dtypes.items()} == {
        name: str(dtype) for name, dtype in real.dtypes.items()
    }
    assert workspace.runs.find(judged.dataset_id)[-1].id == run.id


def test_the_model_is_trained_on_no_held_out_row(workspace, judged):
    held = set(workspace.runs.holdout_table(judged.run_id)["income"])
    made = set(workspace.runs.synthetic_table(judged.run_id)["income"])
    # Bootstrap repeats what it saw: an income of the holdout in its output was shown to it. Only the ends of its
    # reach lie between two people, where by chance a third may be.
    assert not held & (made - {min(made), max(made)})


def test_the_same_seed_gives_the_same_table_and_another_seed_another(workspace, judged):
    jobs = [workspace.training.train(judged.dataset_id, "bootstrap", seed=seed, metrics=[]) for seed in (3, 4)]
    same, other = (workspace.runs.synthetic_table(workspace.jobs.wait(job.id).run_id) for job in jobs)
    first = workspace.runs.synthetic_table(judged.run_id)
    pd.testing.assert_frame_equal(first, same)
    assert not first.equals(other)


def test_sampling_again_gives_a_run_of_its_own_that_outlives_the_one_it_came_from(workspace, judged):
    first = workspace.jobs.wait(workspace.training.sample(judged.run_id, rows=9, seed=8, metrics=[]).id)
    second = workspace.jobs.wait(workspace.training.sample(first.run_id, rows=7, seed=9, metrics=[]).id)
    run = workspace.runs.get(second.run_id)
    assert (second.state, run.rows, run.parent_id) == ("done", 7, first.run_id)
    workspace.runs.delete(first.run_id)
    assert len(workspace.runs.synthetic_table(run.id)) == 7
    assert Synthesizer.load(run.folder / "model").preparation.rows_seen == 80


def test_rows_are_drawn_under_conditions_and_keep_rules_and_the_run_tells_of_both(workspace, dataset):
    rule = {"kind": "range", "column": "age", "low": 25}
    workspace.datasets.set_schema(dataset.id, Schema.model_validate({**dataset.schema.model_dump(), "rules": [rule]}))
    job = workspace.jobs.wait(
        workspace.training.train(dataset.id, "bootstrap", rows=30, conditions={"city": "Oslo"}, metrics=[]).id
    )
    run = workspace.runs.get(job.run_id)
    table = workspace.runs.synthetic_table(run.id)
    assert len(table) == 30 and set(table["city"]) == {"Oslo"} and table["age"].min() >= 25
    assert run.conditions["cases"][0]["where"] == {"city": "Oslo"}
    assert run.rules[0].rows > 0


def test_choices_for_metrics_are_kept_with_the_run(workspace, judged):
    job = workspace.jobs.wait(workspace.training.evaluate(judged.run_id, QUICK, options={"sensitive": ["age"]}).id)
    assert job.state == "done" and workspace.runs.get(judged.run_id).options == {"sensitive": ["age"]}
    with pytest.raises(ValueError, match="no option colour"):
        workspace.training.evaluate(judged.run_id, options={"colour": "red"})


def test_judging_again_adds_scores_and_keeps_those_there_are(workspace, judged):
    job = workspace.jobs.wait(workspace.training.evaluate(judged.run_id, ["exact_copies"]).id)
    assert job.state == "done"
    assert list(workspace.runs.get(judged.run_id).scores) == ["column_shapes", "exact_copies"]


def test_a_run_is_judged_by_the_rows_held_out_from_it_whatever_the_holdout_is_now(workspace, judged):
    held = workspace.runs.holdout_table(judged.run_id)
    workspace.datasets.set_holdout(judged.dataset_id, 0.5, seed=8)
    pd.testing.assert_frame_equal(workspace.runs.holdout_table(judged.run_id), held)
    workspace.datasets.set_holdout(judged.dataset_id, 0.2, seed=0)


def test_a_run_whose_generator_is_gone_is_scored_again_and_draws_no_more(workspace, judged):
    made = workspace.jobs.wait(workspace.training.train(judged.dataset_id, "slow", {"epochs": 1}, metrics=[]).id)
    with workspace.catalog.session() as session:
        # As when the plugin that it came from is no longer installed.
        session.execute(update(Run).where(Run.id == made.run_id).values(model="gone"))
    job = workspace.jobs.wait(workspace.training.evaluate(made.run_id, QUICK).id)
    assert job.state == "done", workspace.jobs.log_tail(job.id)
    assert workspace.runs.get(made.run_id).scores["column_shapes"].value > 0.5
    with pytest.raises(ValueError, match="'gone' is no longer installed"):
        workspace.training.sample(made.run_id, 5)


def test_a_draft_is_checked_and_nothing_is_queued(workspace, judged):
    before = len(workspace.jobs.find())
    draft = workspace.training.draft_train(judged.dataset_id, "bootstrap", metrics=QUICK)
    with pytest.raises(ValueError, match="no generator 'nonsense'"):
        workspace.training.draft_train(judged.dataset_id, "nonsense")
    assert len(workspace.jobs.find()) == before and draft.arguments.metrics == QUICK
    assert workspace.jobs.wait(workspace.queue.submit(draft).id).state == "done"


@pytest.fixture
def failing_metric() -> Iterator[str]:
    """The plugin of a metric that fails, which no other test is to meet."""
    yield "tests.failing_metric"
    METRICS.remove("broken")


def test_a_judging_that_fails_leaves_the_table_the_run_says_so_and_a_retry_trains_nothing_anew(
    failing_metric, settings, open_workspace, people
):
    settings.plugins.append(failing_metric)
    workspace = open_workspace().start()
    dataset = workspace.datasets.add(people, "people.csv")
    job = workspace.jobs.wait(workspace.training.train(dataset.id, "bootstrap", metrics=["broken"]).id)
    run = workspace.runs.get(job.run_id)
    assert job.state == "failed" and not run.scores
    assert run.note.startswith("Evaluating ended: An unexpected problem (ZeroDivisionError")
    assert len(workspace.runs.synthetic_table(run.id)) == 80

    again = workspace.jobs.wait(workspace.jobs.retry(job.id).id)
    assert again.run_id == run.id and len(workspace.runs.find(dataset.id)) == 1

    # Beside a measure that can be made, the one that fails says so in its own score.
    mended = workspace.jobs.wait(workspace.training.evaluate(run.id, ["broken", *QUICK]).id)
    run = workspace.runs.get(run.id)
    assert mended.state == "done" and run.scores["column_shapes"].value > 0.5
    assert run.scores["broken"].value is None
    assert run.scores["broken"].note.startswith("It failed. An unexpected problem (ZeroDivisionError")
    assert run.note.startswith("Not computed, because it failed: Broken.")
    assert "in broken" in workspace.jobs.log_tail(mended.id)


def test_an_export_is_written_once_and_reads_back(workspace, judged):
    file = workspace.runs.export(judged.run_id, "csv")
    before = file.stat().st_mtime_ns
    assert workspace.runs.export(judged.run_id, "csv").stat().st_mtime_ns == before
    table = pd.read_csv(file)
    assert list(table) == ["city", "age", "income", "who"] and len(table) == 80
    assert file.is_relative_to(workspace.runs.get(judged.run_id).folder)


def test_dropped_columns_are_in_no_table_of_the_run(workspace, dataset):
    columns = [c.model_copy(update={"role": "drop"}) if c.name == "who" else c for c in dataset.schema]
    workspace.datasets.set_schema(dataset.id, dataset.schema.model_copy(update={"columns": columns}))
    job = workspace.jobs.wait(workspace.training.train(dataset.id, "bootstrap", metrics=QUICK).id)
    assert list(workspace.runs.synthetic_table(job.run_id)) == ["city", "age", "income"]
    model = b"".join(file.read_bytes() for file in workspace.runs.get(job.run_id).folder.rglob("*") if file.is_file())
    assert b"Surname" not in model


def test_a_whole_upload_is_trained_on_when_nothing_is_held_out(workspace, dataset):
    workspace.datasets.set_holdout(dataset.id, 0)
    job = workspace.jobs.wait(workspace.training.train(dataset.id, "bootstrap", metrics=QUICK).id)
    assert (
        workspace.runs.get(job.run_id).rows == ROWS
        and workspace.runs.get(job.run_id).scores["column_shapes"].reference is None
    )
