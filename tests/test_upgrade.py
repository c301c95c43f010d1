"""Upgrades: a workspace of the first release works as one of today's, and what a later version added is no trouble."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError
from sqlalchemy import JSON, func, select, text, type_coerce, update

from metrics import Score, Threshold
from metrics.selftest import Check
from synth import Schema
from synth.conversations import read_written
from synth.conversations.writer import Written
from synth.schema.profile import ColumnProfile
from workspace.arguments import ReplaceRowsArguments
from workspace.catalog.rows import Batch, Bug, Dataset, Event, Job, MeasurementRow, Row, Run
from workspace.jobs.kinds import KINDS
from workspace.settings import Settings
from workspace.tuning_space import Trial
from workspace.workspace import Workspace

FIRST = Path(__file__).parent / "data" / "workspace_326e6e6.tar.gz"
METRICS = ["column_shapes", "validity", "exact_copies"]


def unpack(folder: Path) -> Path:
    """A workspace as the first release left it."""
    with tarfile.open(FIRST) as archive:
        archive.extractall(folder, filter="data")
    return folder / "workspace"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Iterator[Workspace]:
    """A workspace of the first release, opened and running."""
    home = unpack(tmp_path_factory.mktemp("first"))
    workspace = Workspace(Settings(workspace=home, slots=2, threads_per_job=1, calibrate=False)).start()
    yield workspace
    workspace.close()


@pytest.fixture
def opened(tmp_path) -> Iterator[Workspace]:
    """A workspace of the first release, opened, with nothing running."""
    workspace = Workspace(Settings(workspace=unpack(tmp_path), calibrate=False))
    yield workspace
    workspace.close()


def people(workspace: Workspace) -> Dataset:
    return next(dataset for dataset in workspace.datasets.find() if dataset.name == "people.csv")


def count(workspace: Workspace, kind: type[Row]) -> int:
    with workspace.catalog.session() as session:
        return session.scalar(select(func.count()).select_from(kind)) or 0


def read_everything(workspace: Workspace) -> dict[str, int]:
    """List, read and export all that a workspace holds; how much there was of each."""
    for dataset in workspace.datasets.find():
        assert len(workspace.datasets.train_table(dataset.id)) == dataset.train_rows
        assert len(workspace.datasets.rows(dataset.id)) == min(100, dataset.rows)
        assert [profile.name for profile in workspace.datasets.profiles(dataset.id)] == dataset.schema.names
        assert workspace.thresholds.of(dataset.id)
        assert workspace.datasets.preflight(dataset.id) is not None
    for run in workspace.runs.find():
        assert list(workspace.runs.synthetic_table(run.id).columns) == run.schema.names
        assert workspace.runs.export(run.id, "csv").stat().st_size > 1000
        assert workspace.runs.export(run.id, "parquet").is_file()
        assert workspace.reports.write(run.id, "json").is_file()
    for job in workspace.jobs.find():
        assert workspace.jobs.events(job.id)
        assert job.state == "done"
    for written in workspace.conversations.find():
        assert len(workspace.conversations.written(written.id)) == 4
        assert workspace.conversations.scores(written.id)["plan_coverage"].value == 1.0
        assert workspace.conversations.pictures(written.id)
        assert workspace.conversations.export(written.id, "openai").is_file()
    with workspace.catalog.session() as session:
        events = len(session.scalars(select(Event)).all())
        batches = [batch.operations for batch in session.scalars(select(Batch))]
        measurements = len(session.scalars(select(MeasurementRow)).all())
        bugs = [bug.text for bug in session.scalars(select(Bug))]
    assert [list(operations) for operations in batches] == [["draw", "judge"]]
    assert bugs == ["The chart of ages is empty."]
    assert workspace.idempotency.begin("anna", "once", "a call").body == "{}"
    return {
        "datasets": len(workspace.datasets.find()),
        "runs": len(workspace.runs.find()),
        "scored": sum(set(METRICS) <= set(run.scores) for run in workspace.runs.find()),
        "tuned": sum(len(workspace.runs.trials(run.id)) > 0 for run in workspace.runs.find()),
        "jobs": len(workspace.jobs.find()),
        "events": events,
        "keys": len(workspace.access.keys()),
        "measurements": measurements,
    }


def test_a_workspace_of_the_first_release_is_read_whole(opened):
    expected = {"datasets": 2, "runs": 5, "scored": 4, "tuned": 1, "jobs": 6, "events": 40, "keys": 1}
    assert expected.items() <= read_everything(opened).items()


def test_a_run_of_the_first_release_is_evaluated_again_and_its_model_samples_again(workspace):
    trained = next(run for run in workspace.runs.find() if run.model == "trees" and run.parent_id is None)
    before = trained.scores
    with workspace.catalog.session() as session:
        # As a later version may have left it.
        session.execute(update(Run).where(Run.id == trained.id).values(params={**trained.params, "novelty": 1}))
    evaluate = workspace.training.evaluate(trained.id, METRICS)
    sample = workspace.training.sample(trained.id, 25, seed=5, metrics=["exact_copies"])
    for job in (evaluate, sample):
        ended = workspace.jobs.wait(job.id, 120)
        assert ended.state == "done", workspace.jobs.log_tail(job.id)
    again = workspace.runs.get(trained.id).scores
    assert {name: again[name].value for name in METRICS} == {name: before[name].value for name in METRICS}
    made = workspace.runs.get(workspace.jobs.get(sample.id).run_id)
    table = workspace.runs.synthetic_table(made.id)
    assert list(table.columns) == people(workspace).schema.released.names
    assert (len(table), made.parent_id, made.scores["exact_copies"].value) == (25, trained.id, 0.0)


def test_a_workspace_of_the_first_release_can_be_emptied(opened):
    for written in opened.conversations.find():
        opened.conversations.export(written.id, "openai")
        opened.conversations.delete(written.id)
    for dataset in opened.datasets.find():
        opened.datasets.delete(dataset.id)
    for job in opened.jobs.find():
        opened.jobs.delete(job.id)
    assert [count(opened, kind) for kind in (Dataset, Run, Job, Event)] == [0, 0, 0, 0]
    left = [file for name in ("datasets", "runs", "talks", "jobs", "tmp") for file in (opened.folder / name).iterdir()]
    assert left == []
    stored = b"".join(file.read_bytes() for file in opened.folder.glob("catalog.sqlite*"))
    assert b"people.csv" not in stored


# What a later version adds ---------------------------------------------------------------------------------------------

NEW = {"of": ["a later version"]}


def grown(value: Any, stored: Any) -> Any:
    """`stored`, which is `value` as JSON, with a key more in every object that a model describes."""
    if isinstance(value, BaseModel):
        names = {name: field.alias or name for name, field in type(value).model_fields.items()}
        return {
            **{key: grown(getattr(value, name), stored[key]) for name, key in names.items() if key in stored},
            "novelty": NEW,
        }
    if isinstance(value, dict):
        return {key: grown(one, stored[key]) for key, one in zip(stored, value.values(), strict=True)}
    if isinstance(value, list | tuple):
        return [grown(*pair) for pair in zip(value, stored, strict=True)]
    return stored


def grown_json(kind: Any, value: Any) -> Any:
    return grown(value, TypeAdapter(kind).dump_python(value, mode="json", by_alias=True))


def grow_catalog(workspace: Workspace) -> None:
    """Put a column more into every table, and a key more into every JSON object that a model describes."""
    with workspace.catalog.session() as session:
        for mapper in Row.registry.mappers:
            table = mapper.local_table
            session.execute(text(f"ALTER TABLE {table.name} ADD COLUMN novelty JSON DEFAULT '{{}}' NOT NULL"))
            typed = [column for column in table.columns if hasattr(column.type, "kind")]
            for row in session.scalars(select(mapper.class_)).all():
                values = {column.name: getattr(row, mapper.get_property_by_column(column).key) for column in typed}
                new = {name: grown_json(table.c[name].type.kind, value) for name, value in values.items() if value}
                if isinstance(row, Job):
                    new["arguments"] = {**row.arguments, "novelty": NEW}
                if isinstance(row, Run):
                    new["params"] = {**row.params, "novelty": NEW}
                if new:
                    identity = zip(mapper.primary_key, mapper.primary_key_from_instance(row), strict=True)
                    new = {name: type_coerce(value, JSON) for name, value in new.items()}
                    session.execute(update(table).where(*(key == value for key, value in identity)).values(new))
        session.execute(text("UPDATE alembic_version SET version_num = '9999_of_a_later_version'"))


def grow_file(file: Path, kind: Any) -> None:
    """Put a key more into every object of a JSON file that holds a `kind`."""
    value = TypeAdapter(kind).validate_json(file.read_bytes())
    file.write_text(json.dumps(grown_json(kind, value)), encoding="utf-8")


def grow_table(file: Path) -> None:
    """Put a key more into what a DuckDB file says of its columns."""
    with duckdb.connect(str(file)) as connection:
        said = json.loads(connection.sql("SELECT said FROM about").fetchall()[0][0])
        said["schema"] = grown_json(Schema, Schema.model_validate(said["schema"]))
        connection.execute("UPDATE about SET said = ?", [json.dumps(said | {"novelty": NEW})])


def grow_files(workspace: Workspace) -> None:
    for dataset in workspace.datasets.find():
        files = workspace.files.dataset(dataset.id)
        grow_table(files.table)
        grow_file(files.profiles, list[ColumnProfile])
        if files.thresholds.is_file():
            grow_file(files.thresholds, list[Threshold])
    for run in workspace.runs.find():
        files = workspace.files.run(run.id)
        grow_table(files.synthetic)
        if files.scores.is_file():
            grow_file(files.scores, dict[str, Score])
        if files.trials.is_file():
            grow_file(files.trials, list[Trial])
        replaced = ReplaceRowsArguments(parent=run.id, rows=[0], how="drop", seed=1)
        files.replaced.write_text(json.dumps(grown_json(ReplaceRowsArguments, replaced)), encoding="utf-8")
        checks = [Check(case="a copy", expected="found", passed=True, wrong=[])]
        files.self_test.write_text(json.dumps(grown_json(list[Check], checks)), encoding="utf-8")
    for written in workspace.conversations.find():
        files = workspace.files.conversations(written.id)
        lines = [json.dumps(grown_json(Written, line)) + "\n" for line in read_written(files.dialogues)]
        files.dialogues.write_text("".join(lines), encoding="utf-8")
        evaluated = json.loads(files.scores.read_bytes())
        scores = {name: Score.model_validate(score) for name, score in evaluated["scores"].items()}
        evaluated["scores"] = grown_json(dict[str, Score], scores)
        files.scores.write_text(json.dumps(evaluated | {"novelty": NEW}), encoding="utf-8")


def test_what_a_later_version_added_is_ignored_and_everything_is_read(opened):
    grow_files(opened)
    grow_catalog(opened)
    again = Workspace(opened.settings)
    try:
        found = read_everything(again)
        assert (found["datasets"], found["runs"], found["scored"], found["tuned"]) == (2, 5, 4, 1)
        for run in again.runs.find():
            assert again.releases.replaced(run.id).rows == [0]
            assert again.releases.checks(run.id)[0].passed
        for job in again.jobs.find():
            assert KINDS[job.kind].arguments_of(job).kind == job.kind
        renamed = again.datasets.rename(people(again).id, "persons")
        assert again.datasets.get(renamed.id).name == "persons"
    finally:
        again.close()


def test_a_request_with_an_unknown_key_is_refused(opened):
    schema = people(opened).schema.model_dump()
    with pytest.raises(ValidationError, match="novelty"):
        Schema.model_validate(schema | {"novelty": NEW})
