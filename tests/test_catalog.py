"""The catalog: rows that come back as they were put in, many writers at once, and bytes that are gone when deleted."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import delete, text

from synth import Column, Schema
from workspace.catalog.catalog import Catalog
from workspace.catalog.rows import Dataset, Event, Job, NotFound, Run, Split, now
from workspace.ingest.rejected import Rejected

ROOT = Path(__file__).parent.parent


@pytest.fixture
def catalog(tmp_path) -> Catalog:
    return Catalog(f"sqlite:///{tmp_path}/catalog.sqlite", tmp_path)


def a_dataset(**other) -> Dataset:
    about = {
        "name": "people",
        "owner": "ann",
        "rows": 2,
        "columns": 1,
        "schema": Schema(columns=[Column(name="select 🐧", kind="category", role="target")]),
        "split": Split(kind="share", rows=1, of=2, share=0.5),
        "summary": "UTF-8, comma",
        "lines": 4,
        "rejected": [Rejected(line=3, reason="2 cells where 1 was expected")],
        "rejected_rows": 1,
        "source": "people.csv",
        "size_bytes": 10,
    }
    return Dataset(**{**about, **other})


def a_run(dataset: Dataset, **other) -> Run:
    run = Run(dataset_id=dataset.id, owner="ann", model="x", params={}, seed=0, rows=1, **other)
    run.schema, run.split = dataset.schema, dataset.split
    return run


def put(catalog: Catalog, *rows) -> None:
    with catalog.session() as session:
        session.add_all(rows)


def test_the_catalog_is_imported_without_the_libraries_that_compute():
    heavy = {"pandas", "numpy", "scipy", "torch", "duckdb", "openai", "alembic", "metrics"}
    program = f"import sys, workspace.catalog.catalog; print(*{heavy} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert told.stdout.strip() == ""


def test_a_dataset_comes_back_with_schema_split_and_rejected_lines(catalog):
    dataset = a_dataset()
    put(catalog, dataset)
    found = catalog.get(Dataset, dataset.id)
    assert found.schema["select 🐧"].role == "target"
    assert (found.split.rows, found.train_rows, found.holdout_kind) == (1, 1, "share")
    assert found.rejected == [Rejected(line=3, reason="2 cells where 1 was expected")]


def test_moments_keep_their_time_zone(catalog):
    moment = datetime(2024, 3, 31, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    job = Job(kind="train", owner="ann", created=moment)
    put(catalog, job)
    found = catalog.get(Job, job.id).created
    assert found == moment and found.tzinfo == UTC


def test_what_is_not_there_is_said_in_words(catalog):
    with pytest.raises(NotFound, match="There is no dataset 'nonsense' here"):
        catalog.get(Dataset, "nonsense")


def test_deleting_a_dataset_deletes_its_jobs_their_events_and_its_runs(catalog):
    dataset = a_dataset()
    put(catalog, dataset)
    job = Job(kind="train", owner="ann", dataset_id=dataset.id)
    put(catalog, job)
    put(catalog, a_run(dataset), Event(job_id=job.id, progress=0.5, stage="Training"))
    with catalog.session() as session:
        session.execute(delete(Dataset))
        left = [session.execute(text(f"SELECT count(*) FROM {name}")).scalar() for name in ("jobs", "runs", "events")]
    assert left == [0, 0, 0]


def test_a_deleted_row_leaves_no_bytes_in_the_file(catalog, tmp_path):
    put(catalog, a_dataset(name="Rumpelstilzchen"))
    catalog.forget_deleted()
    assert b"Rumpelstilzchen" in (tmp_path / "catalog.sqlite").read_bytes()
    with catalog.session() as session:
        session.execute(delete(Dataset))
    catalog.forget_deleted()
    assert b"Rumpelstilzchen" not in b"".join(file.read_bytes() for file in tmp_path.glob("catalog.sqlite*"))


def test_many_threads_and_two_servers_write_at_once_without_an_error(catalog, tmp_path):
    other = Catalog(f"sqlite:///{tmp_path}/catalog.sqlite", tmp_path)
    job = Job(kind="train", owner="ann")
    put(catalog, job)

    def report(number: int) -> None:
        put((catalog, other)[number % 2], Event(job_id=job.id, progress=number / 400, stage="Training"))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(report, range(400)))
    with catalog.session() as session:
        assert session.execute(text("SELECT count(*) FROM events")).scalar() == 400


def test_several_servers_may_make_the_catalog_at_the_same_moment(tmp_path):
    url = f"sqlite:///{tmp_path}/new.sqlite"
    with ThreadPoolExecutor(4) as threads:
        catalogs = list(threads.map(lambda _: Catalog(url, tmp_path), range(4)))
    put(catalogs[0], a_dataset())


def test_time_left_counts_down_from_what_the_worker_said():
    job = Job(state="running", ends=now() + timedelta(seconds=60))
    assert 59 < job.seconds_left <= 60
    job.ends = now() - timedelta(seconds=5)
    assert job.seconds_left == 0.0
    job.state = "done"
    assert job.seconds_left is None
