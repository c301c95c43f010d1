"""Tuning: it finds what is better, never touches the holdout, heeds its limits, and goes on after an interruption."""

from __future__ import annotations

import json
import os
import signal

import numpy as np
import pytest

from metrics import Score
from tests.fakes import Slow
from tests.test_jobs import until
from workspace.tuning_space import Knob, knobs, merit, metrics_of, objectives

SHAPES = {"objective": "column_shapes", "metrics": ["column_shapes"]}


def test_the_search_space_is_what_parameters_declare():
    found = knobs(Slow)
    assert found == {
        "epochs": Knob(name="epochs", choices=[1, 20], integer=True, log=False),
        "noise": Knob(name="noise", choices=[0.0, 1.0], integer=False, log=False),
    }
    assert found["epochs"].is_range
    assert not Knob(name="x", choices=[128, 256, 512], integer=True, log=False).is_range
    assert not Knob(name="x", choices=[True, False], integer=False, log=False).is_range


@pytest.mark.parametrize(
    "objective, score, expected",
    [
        ("column_shapes", Score(value=0.9, reference=0.99), 0.9),  # high is good
        ("exact_copies", Score(value=0.2, reference=0.01), -0.2),  # low is good
        ("column_shapes", Score(value=None, note="no rows"), None),
    ],
)
def test_merit_is_higher_for_better_tables(objective, score, expected):
    assert merit(objective, {objective: score}) == expected


def test_a_figure_is_measured_by_the_metrics_it_is_made_of():
    assert "fidelity" in objectives() and "column_shapes" in metrics_of("fidelity")
    assert metrics_of("exact_copies") == ["exact_copies"]


def test_tuning_keeps_the_best_and_judges_it_by_rows_no_trial_saw(workspace, dataset):
    workspace.start()
    base = {"epochs": 1, "nap_s": 0, "noise": 1.0}
    job = workspace.jobs.wait(
        workspace.training.tune(dataset.id, "slow", base, search=["noise"], trials=8, **SHAPES).id
    )
    assert job.state == "done", job.error
    run, trials = workspace.runs.get(job.run_id), workspace.runs.trials(job.run_id)
    assert [trial.number for trial in trials] == list(range(1, 9)) and trials[0].params == {"noise": 1.0}
    best = max((trial for trial in trials if trial.score is not None), key=lambda trial: trial.score)
    # Noise ruins the shapes of columns: less of it scores higher.
    assert run.params["noise"] == best.params["noise"] < 0.7
    assert run.rows == 80 and run.scores["column_shapes"].value > trials[0].score
    told = [event.curve for event in workspace.jobs.events(job.id) if "best" in event.curve]
    assert told[-1]["trial"] == 8 and np.all(np.diff([point["best"] for point in told]) >= 0)
    # 80 training rows: 64 to learn, 16 to score. The holdout's 20 are in neither.
    assert json.loads((run.folder / "model" / "generator.json").read_text())["rows_seen"] == 80


def test_tuning_stops_within_its_budget(workspace, dataset):
    workspace.start()
    base = {"epochs": 4, "nap_s": 0.1}
    job = workspace.jobs.wait(
        workspace.training.tune(dataset.id, "slow", base, search=["noise"], trials=1000, budget_s=8, **SHAPES).id
    )
    assert job.state == "done" and job.seconds < 30
    assert 2 <= len(workspace.runs.trials(job.run_id)) < 20


def test_enough_ends_the_search_with_the_best_so_far(workspace, dataset):
    workspace.start()
    job = workspace.training.tune(
        dataset.id, "slow", {"nap_s": 0.02, "epochs": 5}, search=["noise"], trials=1000, **SHAPES
    )
    until(lambda: sum("score" in event.curve for event in workspace.jobs.events(job.id)) >= 2)
    workspace.jobs.stop_early(job.id)
    assert workspace.jobs.wait(job.id, timeout_s=20).state == "done"


def test_a_search_that_was_interrupted_goes_on_where_it_was(workspace, dataset):
    workspace.start()
    job = workspace.training.tune(
        dataset.id, "slow", {"nap_s": 0.05, "epochs": 5}, search=["noise"], trials=6, **SHAPES
    )
    # A trial's score is told before it is kept; with the fourth, three are.
    until(lambda: sum("score" in event.curve for event in workspace.jobs.events(job.id)) >= 4)
    os.kill(workspace.jobs.get(job.id).pid, signal.SIGKILL)
    until(lambda: workspace.jobs.get(job.id).state == "queued")
    done = workspace.jobs.wait(workspace.jobs.retry(job.id).id)
    trials = workspace.runs.trials(done.run_id)
    assert len(trials) == 6 and [trial.state for trial in trials[:3]] == ["done"] * 3
    assert done.attempts == 1
    until(lambda: not workspace.files.job(job.id).checkpoint.exists())


def test_trials_that_fail_are_told_and_the_search_goes_on(workspace, dataset):
    workspace.start()
    job = workspace.jobs.wait(
        workspace.training.tune(dataset.id, "slow", {"nap_s": 0, "most_noise": 0.5}, trials=6, **SHAPES).id
    )
    states = {trial.state for trial in workspace.runs.trials(job.run_id)}
    assert job.state == "done" and "done" in states

    hopeless = workspace.jobs.wait(
        workspace.training.tune(dataset.id, "slow", {"nap_s": 0, "most_noise": -1}, trials=2, **SHAPES).id
    )
    assert hopeless.state == "failed"
    assert hopeless.error == "No trial could be scored. Too much noise: -1.0 or less was asked for."


@pytest.mark.parametrize(
    "asked, complaint",
    [
        ({"search": ["nap_s"]}, "cannot be tuned by nap_s; it can by epochs, noise"),
        ({"objective": "beauty"}, "nothing to tune for called 'beauty'"),
        ({"trials": 0}, "at least one trial"),
    ],
)
def test_a_search_that_cannot_work_is_refused_at_once(workspace, dataset, asked, complaint):
    with pytest.raises(ValueError, match=complaint):
        workspace.training.tune(dataset.id, "slow", **asked)
    with pytest.raises(ValueError, match="has no parameter to search"):
        workspace.training.tune(dataset.id, "bootstrap")
