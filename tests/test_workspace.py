"""The workspace without its processes: datasets, holdouts, schemas, deletion, and what a crash leaves."""

from __future__ import annotations

import os
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROWS
from workspace.catalog.rows import Dataset, NotFound
from workspace.jobs.estimate import Measurement
from workspace.process import Process
from workspace.settings import HOST
from workspace.workspace import Workspace


def everything_in(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


def test_a_fifth_is_held_out_exactly_and_both_parts_make_the_whole(workspace, dataset):
    train, holdout = workspace.datasets.train_table(dataset.id), workspace.datasets.holdout_table(dataset.id)
    assert (len(train), len(holdout), dataset.holdout_rows) == (80, 20, 20)
    names = [*train["who"], *holdout["who"]]
    assert sorted(names) == sorted(f"Name{i} Surname{i}" for i in range(ROWS))


def test_the_split_is_the_same_for_the_same_seed_and_another_for_another(workspace, dataset):
    first = list(workspace.datasets.holdout_table(dataset.id)["who"])
    workspace.datasets.set_holdout(dataset.id, 0.2, seed=1)
    assert list(workspace.datasets.holdout_table(dataset.id)["who"]) != first
    workspace.datasets.set_holdout(dataset.id, 0.2, seed=0)
    assert list(workspace.datasets.holdout_table(dataset.id)["who"]) == first


@pytest.mark.parametrize("share, held", [(0.0, 0), (0.004, 0), (0.25, 25), (0.333, 33), (0.999, 99)])
def test_a_holdout_has_the_share_that_was_asked_for_and_leaves_a_row_to_train_on(workspace, dataset, share, held):
    changed = workspace.datasets.set_holdout(dataset.id, share)
    assert (changed.holdout_rows, changed.train_rows) == (held, ROWS - held)
    assert changed.holdout_kind == ("share" if held else "none")
    holdout = workspace.datasets.holdout_table(dataset.id)
    assert holdout is None if held == 0 else len(holdout) == held


def test_a_share_of_one_or_more_is_refused_in_words(workspace, dataset):
    with pytest.raises(ValueError, match=r"from 0 to below 1, and 1\.5 was given"):
        workspace.datasets.set_holdout(dataset.id, 1.5)


def test_a_second_file_can_be_the_holdout_and_the_whole_upload_is_trained_on(workspace, dataset, tmp_path):
    file = tmp_path / "later.csv"
    file.write_text("who,income,age,city\nA B,1.5,30,Oslo\nC D,2.5,40,Bergen\n")
    changed = workspace.datasets.set_holdout_file(dataset.id, file, "later.csv")
    assert (changed.holdout_kind, changed.holdout_rows, changed.train_rows) == ("file", 2, ROWS)
    assert list(workspace.datasets.holdout_table(dataset.id)["city"]) == ["Oslo", "Bergen"]
    assert len(workspace.datasets.train_table(dataset.id)) == ROWS


def test_a_holdout_that_lacks_a_column_is_refused_in_words(workspace, dataset, tmp_path):
    file = tmp_path / "later.csv"
    file.write_text("who,income\nA B,1.5\nC D,2.0\n")
    with pytest.raises(ValueError, match=r'"later.csv" lacks the column\(s\) city, age'):
        workspace.datasets.set_holdout_file(dataset.id, file, "later.csv")
    assert workspace.datasets.get(dataset.id).holdout_kind == "share"


def test_a_sample_of_the_training_rows_never_reaches_into_the_holdout(workspace, dataset):
    held = set(workspace.datasets.holdout_table(dataset.id)["who"])
    for seed in range(5):
        few = workspace.datasets.train_table(dataset.id, rows=30, seed=seed)
        assert len(few) == 30 and not held & set(few["who"])


def test_a_schema_that_the_values_do_not_fit_is_refused_and_nothing_changes(workspace, dataset):
    columns = [c.model_copy(update={"kind": "number"}) if c.name == "city" else c for c in dataset.schema]
    with pytest.raises(ValueError, match="city"):
        workspace.datasets.set_schema(dataset.id, dataset.schema.model_copy(update={"columns": columns}))
    assert workspace.datasets.get(dataset.id).schema == dataset.schema


def test_an_edited_kind_is_kept_and_described_anew(workspace, dataset):
    columns = [c.model_copy(update={"kind": "category"}) if c.name == "age" else c for c in dataset.schema]
    workspace.datasets.set_schema(dataset.id, dataset.schema.model_copy(update={"columns": columns}))
    assert workspace.datasets.train_table(dataset.id)["age"].dtype == "category"
    assert {profile.name: profile.kind for profile in workspace.datasets.profiles(dataset.id)}["age"] == "category"


def test_an_upload_that_fails_leaves_nothing_behind(workspace, people, tmp_path):
    holdout = tmp_path / "later.csv"
    holdout.write_text("city\nOslo\nBergen\n")
    with pytest.raises(ValueError, match="lacks the column"):
        workspace.datasets.add(people, "people.csv", holdout_path=holdout)
    assert not workspace.datasets.find()
    assert not list((workspace.folder / "tmp").iterdir()) and not list((workspace.folder / "datasets").iterdir())


def test_a_renamed_dataset_keeps_its_rows_and_a_blank_name_is_refused(workspace, dataset):
    assert workspace.datasets.rename(dataset.id, "  <script> 🐧 ").name == "<script> 🐧"
    with pytest.raises(ValueError, match="needs a name"):
        workspace.datasets.rename(dataset.id, " ")
    assert len(workspace.datasets.rows(dataset.id)) == ROWS


def test_a_deleted_dataset_leaves_not_one_byte_of_its_people(workspace: Workspace, dataset: Dataset):
    assert b"Surname42" in everything_in(workspace.folder)
    workspace.datasets.delete(dataset.id)
    left = everything_in(workspace.folder)
    assert b"Surname" not in left and b"people.csv" not in left
    with pytest.raises(NotFound, match="no dataset"):
        workspace.datasets.delete(dataset.id)


def test_an_unknown_sample_is_named_with_those_there_are(workspace):
    with pytest.raises(NotFound, match="adult"):
        workspace.datasets.add_sample("nonsense")


def test_a_sample_comes_with_its_target_and_its_source(workspace):
    dataset = workspace.datasets.add_sample("penguins")
    assert (dataset.rows, dataset.schema.target, dataset.source) == (344, "species", "sample:penguins")
    assert Counter(column.role for column in dataset.schema)["target"] == 1


def test_a_start_clears_away_what_a_crash_left_and_nothing_else(workspace, dataset):
    theirs = workspace.folder / "tmp" / f"{HOST}~999999~1.0~abc"
    mine = workspace.folder / "tmp" / f"{HOST}~{os.getpid()}~{Process.current().born}~abc"
    unlisted = workspace.folder / "runs" / "unlisted"
    for folder in (theirs, mine, unlisted):
        folder.mkdir()
        (folder / "part.duckdb").write_text("half")
    workspace.clean_up(orphan_s=600)
    assert [folder.exists() for folder in (theirs, mine, unlisted)] == [False, True, True]
    time.sleep(0.05)
    workspace.clean_up(orphan_s=0.01)
    assert mine.exists() and not unlisted.exists()
    assert len(workspace.datasets.rows(dataset.id)) == ROWS


def test_jobs_are_listed_newest_first_page_by_page_without_gaps(workspace, dataset):
    made = [workspace.training.train(dataset.id, "slow", metrics=[]).id for _ in range(5)]
    first = workspace.jobs.find(limit=2)
    second = workspace.jobs.find(limit=10, after=first[-1].id)
    assert [job.id for job in (*first, *second)] == made[::-1]
    assert workspace.jobs.find(state="done") == [] and len(workspace.jobs.find(dataset_id=dataset.id)) == 5


@pytest.mark.parametrize(
    "model, params, complaint",
    [
        ("nonsense", {}, "There is no generator 'nonsense'"),
        ("slow", {"epochs": 0}, "epochs"),
        ("slow", {"epoch": 3}, "epoch"),
    ],
)
def test_a_training_that_cannot_work_is_refused_at_once(workspace, dataset, model, params, complaint):
    with pytest.raises(ValueError, match=complaint):
        workspace.training.train(dataset.id, model, params)
    with pytest.raises(ValueError, match="no metric nonsense"):
        workspace.training.train(dataset.id, "slow", metrics=["nonsense"])
    assert not workspace.jobs.find()


def test_a_training_that_memory_would_not_hold_is_refused_with_reasons(workspace, dataset):
    # 80 rows of 3 modelled columns once took a terabyte.
    workspace.measurements.keep(
        [Measurement("fit:slow", {"once": 1, "cells": 240}, seconds=1, taken_mb=1e6, kept_mb=0)]
    )
    with pytest.raises(ValueError, match=r"expected to take 1000\.\d GB of memory, and \S+ GB are free"):
        workspace.training.train(dataset.id, "slow")
    assert not workspace.jobs.find()


def test_the_seed_of_the_split_is_stored_not_drawn_again(workspace, dataset):
    stored = np.load(workspace.files.dataset(dataset.id).held_out(dataset.split.file))
    assert len(stored) == 20 and (np.diff(stored) > 0).all()


def test_what_a_lost_catalog_named_is_set_aside_and_no_clean_up_deletes_it(settings, workspace, dataset, tmp_path):
    table = workspace.files.dataset(dataset.id).table
    kept = table.read_bytes()
    with closing(
        Workspace(settings.model_copy(update={"database_url": f"sqlite:///{tmp_path / 'new.sqlite'}"}))
    ) as again:
        again.clean_up(orphan_s=0)
        assert not again.datasets.find() and not table.exists()
        assert (again.folder / "strays" / "datasets" / dataset.id / table.name).read_bytes() == kept
