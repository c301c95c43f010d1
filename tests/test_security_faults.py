"""What goes wrong around the program is told in words, loses nothing, and leaves the rest served."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.conftest import running_workspace, write_people
from tests.live import serving
from workspace.catalog.rows import Dataset, Run
from workspace.workspace import Workspace


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    yield from running_workspace(tmp_path_factory)


@pytest.fixture(scope="module")
def people_here(shared: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return shared.datasets.add(write_people(tmp_path_factory.mktemp("files")), "people.csv")


@pytest.fixture(scope="module")
def api(shared: Workspace) -> Iterator[httpx.Client]:
    with serving(shared) as address, httpx.Client(base_url=f"{address}/api", timeout=90) as client:
        yield client


UNFIT = [
    ("POST", "/bugs", {"json": {"text": "a\0b"}}, "text"),
    ("POST", "/bugs", {"json": {"text": "a", "job_id": "\0"}}, "job_id"),
    ("POST", "/bugs", {"content": b'{"text": "\\ud800"}', "headers": {"content-type": "application/json"}}, "text"),
    ("POST", "/train", {"json": {"dataset_id": "x\0", "model": "trees"}}, "dataset_id"),
    ("POST", "/train", {"json": {"dataset_id": "x", "params": {"a": [{"b\0": 1}]}}}, "params.a.0"),
    ("POST", "/train", {"data": {"dataset_id": "x\0"}}, "dataset_id"),
    ("POST", "/train", {"data": {"dataset_id": "x", "conditions": '{"city": "\\u0000"}'}}, "conditions.city"),
    ("GET", "/jobs?after=%00", {}, "after"),
    ("GET", "/runs?dataset_id=x%00y", {}, "dataset_id"),
]


@pytest.mark.parametrize("method, path, sent, field", UNFIT)
def test_a16_no_text_may_hold_nul_or_half_a_character(api: httpx.Client, method, path, sent, field):
    found = api.request(method, path, **sent)
    assert found.status_code == 422, found.text
    assert found.json()["field"] == field and "Leave it out" in found.json()["detail"]


def test_a16_a_character_in_two_halves_and_a_backslash_are_texts_like_others(api: httpx.Client):
    written = b'{"text": "\\ud83d\\ude00 and \\\\u0000"}'
    found = api.post("/bugs", content=written, headers={"content-type": "application/json"})
    assert found.status_code == 201 and found.json()["text"] == "😀 and \\u0000"


@contextmanager
def locked(workspace: Workspace) -> Iterator[None]:
    """The catalog, held by somebody else."""
    connection = sqlite3.connect(workspace.folder / "catalog.sqlite", isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        connection.rollback()
        connection.close()


def test_a12_while_the_catalog_is_held_calls_that_write_are_503_soon_and_reading_goes_on(api, shared, people_here):
    asked = {"dataset_id": people_here.id, "model": "slow", "params": {"epochs": 1, "nap_s": 0}, "metrics": []}
    before = len(shared.jobs.find())
    with locked(shared):
        began = time.monotonic()
        found = api.post("/train", json=asked, headers={"Idempotency-Key": "held"})
        assert time.monotonic() - began < 4
        assert (found.status_code, found.headers["Retry-After"]) == (503, "2")
        assert "The catalog is away" in found.json()["detail"]
        assert api.get("/health").status_code == 200 and api.get("/datasets").status_code == 200
    assert len(shared.jobs.find()) == before
    assert api.post("/train", json=asked, headers={"Idempotency-Key": "held"}).status_code == 202


def test_a12_health_says_what_is_away_and_a_wrong_key_is_told_so_too(settings, people):
    """A database that refuses connections, as a server that was stopped does."""
    workspace = Workspace(settings)
    workspace.catalog.engine.dispose()
    (settings.workspace / "catalog.sqlite").rename(settings.workspace / "elsewhere.sqlite")
    (settings.workspace / "catalog.sqlite").mkdir()
    with serving(workspace) as address, httpx.Client(base_url=f"{address}/api") as client:
        found = client.get("/health")
        assert found.status_code == 200 and found.json()["catalog"] == "away" and found.json()["queued"] is None
        assert "cannot be opened" in found.json()["reason"]
        for answer in (client.get("/jobs", headers={"X-API-Key": "wrong"}), client.get("/jobs"), client.post("/bugs")):
            assert answer.status_code == 503 and "The catalog" in answer.json()["detail"], answer.text
        (settings.workspace / "catalog.sqlite").rmdir()
        (settings.workspace / "elsewhere.sqlite").rename(settings.workspace / "catalog.sqlite")
        assert client.get("/health").json()["catalog"] == "ok" and client.get("/jobs").status_code == 200
    workspace.close()


def test_a12_a_training_is_done_although_the_catalog_was_held_meanwhile(shared, people_here):
    job = shared.training.train(people_here.id, "slow", {"epochs": 10, "nap_s": 0.15}, metrics=[])
    while shared.jobs.get(job.id).stage != "Training":
        time.sleep(0.05)
    with locked(shared):
        time.sleep(3)
    done = shared.jobs.wait(job.id, timeout_s=60)
    assert (done.state, done.attempts, done.error) == ("done", 1, "")


TORN = {"random bytes": bytes(range(256)), "empty": b"", "cut": b'{"at": "2026', "of another kind": b'{"a": [1, "x"]}'}


@pytest.fixture(scope="module")
def run_here(shared: Workspace, people_here: Dataset) -> Run:
    job = shared.training.train(people_here.id, "bootstrap", rows=20, metrics=[])
    return shared.runs.get(shared.jobs.wait(job.id, timeout_s=120).run_id or "")


@pytest.mark.parametrize("kind", TORN)
def test_a15_one_torn_file_is_marked_and_the_rest_is_served(api, shared, people_here, run_here, kind):
    of_run, of_table = shared.files.run(run_here.id), shared.files.dataset(people_here.id)
    held = of_table.held_out(people_here.split.stored)
    asked = {
        of_run.scores: ("GET", "/runs", 200, "Its scores cannot be read"),
        of_table.profiles: ("GET", f"/datasets/{people_here.id}/profile", 410, "profile of this table's columns"),
        of_table.thresholds: ("GET", f"/datasets/{people_here.id}/thresholds", 410, "thresholds of this table"),
        of_run.self_test: ("GET", f"/runs/{run_here.id}/self-test", 410, "self-test"),
        of_table.table: ("GET", f"/datasets/{people_here.id}/rows", 410, "file of this table"),
        held: ("GET", f"/runs/{run_here.id}/riskiest", 410, "held-out rows"),
    }
    for file, (method, path, status, words) in asked.items():
        before = file.read_bytes() if file.is_file() else None
        file.write_bytes(TORN[kind])
        answer = api.request(method, path)
        assert (answer.status_code, words in answer.text) == (status, True), (file.name, answer.text)
        assert "codec" not in answer.text and "Expecting" not in answer.text and "2026" not in answer.json()
        for whole in ("/runs", "/datasets", "/jobs", "/health", "/talks"):
            assert api.get(whole).status_code == 200, (file.name, whole)
        if before is None:
            file.unlink()
        else:
            file.write_bytes(before)


def test_a15_a_log_whose_last_line_was_cut_takes_no_report_away(api, shared):
    with shared.journal.file.open("a") as log:
        log.write('{"at": "2026')
    assert api.post("/bugs", json={"text": "It ended."}).status_code == 201


def test_what_the_program_did_wrong_is_a_500_with_an_id_and_quotes_nothing(api, shared, people_here, monkeypatch):
    def fail(*given: object) -> None:
        float("Ada's secret")

    monkeypatch.setattr(type(shared.datasets), "rows", fail)
    answer = api.get(f"/datasets/{people_here.id}/rows")
    assert answer.status_code == 500 and answer.headers["X-Request-ID"] in answer.json()["detail"]
    assert "secret" not in answer.text
