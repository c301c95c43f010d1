"""The bin: what is deleted on a page comes back exactly as it was, or goes without a trace; a crash leaves no half."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from synth.conversations.order import ConversationRequest
from workspace.catalog.rows import ConversationSet, Dataset, Dependency, Event, Job, NotFound, Run, new_id, now
from workspace.services import bin as bins
from workspace.settings import Settings
from workspace.storage.files import Files
from workspace.workspace import Workspace

ROOT = Path(__file__).parent.parent


@pytest.fixture
def full(workspace: Workspace, dataset: Dataset, people: Path) -> Dataset:
    """A dataset with a run, a conversation set, and two jobs of which one waits for the other."""
    run = workspace.runs.add(dataset.id, people, "theirs.csv", owner="ann")
    jobs = [
        Job(id=new_id(), kind="train", owner="ann", dataset_id=dataset.id, run_id=run.id, arguments={}, state=state)
        for state in ("done", "failed")
    ]
    made = ConversationSet(
        id=new_id(),
        name="set",
        owner="ann",
        dataset_id=dataset.id,
        order=ConversationRequest(brief={}, server={}),
        prompt_hash="",
    )
    waits = Dependency(job_id=jobs[1].id, needs=jobs[0].id)
    events = [Event(job_id=jobs[0].id, progress=n / 3, stage="Training", curve={"epoch": float(n)}) for n in range(3)]
    workspace.queue.add([*jobs, made, waits, *events])
    for files in (workspace.files.job(jobs[0].id), workspace.files.conversations(made.id)):
        files.folder.mkdir()
        (files.folder / "held.txt").write_text("kept")
    return dataset


def state_of(workspace: Workspace) -> dict[str, list[tuple]]:
    """Every row that a dataset has, and every file."""
    rows = {}
    with workspace.catalog.session() as session:
        for kind in (Dataset, Job, Dependency, Event, Run, ConversationSet):
            found = session.execute(select(*kind.__table__.columns)).all()
            rows[kind.__tablename__] = sorted(tuple(map(repr, row)) for row in found)
    for kind in Files.KINDS:
        folder = workspace.folder / kind
        rows[f"files of {kind}"] = sorted(str(file.relative_to(folder)) for file in folder.rglob("*"))
    return rows


def test_a_dataset_comes_back_with_all_its_rows_and_files(workspace, full):
    before = state_of(workspace)
    contents = workspace.bin.contents(full)
    assert (contents.runs, contents.conversation_sets, contents.jobs, contents.active_jobs) == (1, 1, 2, 0)
    assert contents.size_bytes > 10_000
    binned = workspace.bin.put(full, "people.csv")
    assert (binned.kind, binned.name) == ("dataset", "people.csv")
    assert not any(state_of(workspace).values())
    assert [one.id for one in workspace.bin.find([binned.id, "unknown"])] == [binned.id]
    with pytest.raises(NotFound):
        workspace.datasets.rows(full.id)
    workspace.bin.restore(binned.id)
    assert state_of(workspace) == before
    assert list((workspace.folder / "bin").iterdir()) == []
    assert len(workspace.datasets.rows(full.id)) == 100


@pytest.mark.parametrize("kind", [Run, ConversationSet, Job])
def test_what_hangs_on_a_dataset_comes_back_alone(workspace, full, kind):
    before = state_of(workspace)
    row = workspace.catalog.listed(kind)[-1]
    binned = workspace.bin.put(row, "one")
    assert row.id not in workspace.catalog.ids(kind)
    workspace.bin.restore(binned.id)
    assert state_of(workspace) == before


def test_events_that_were_reported_meanwhile_keep_their_numbers(workspace, full, people):
    other = workspace.datasets.add(people, "other.csv")
    job = next(job for job in workspace.jobs.find() if workspace.jobs.events(job.id))
    told = [event.curve for event in workspace.jobs.events(job.id)]
    binned = workspace.bin.put(full, "people.csv")
    new = Job(id=new_id(), kind="train", owner="bob", dataset_id=other.id, arguments={})
    workspace.queue.add([new, *(Event(job_id=new.id, progress=0.5, stage="Meanwhile") for _ in range(5))])
    workspace.bin.restore(binned.id)
    assert [event.curve for event in workspace.jobs.events(job.id)] == told
    assert [event.stage for event in workspace.jobs.events(new.id)] == ["Meanwhile"] * 5


def test_a_job_that_waits_or_runs_is_cancelled_first(workspace, dataset):
    queued = workspace.training.train(dataset.id, "slow", {"nap_s": 60})
    assert workspace.bin.contents(dataset).active_jobs == 1
    binned = workspace.bin.put(dataset, "people.csv")
    workspace.bin.restore(binned.id)
    assert workspace.jobs.get(queued.id).state == "cancelled"


def test_after_ten_minutes_every_byte_is_gone(workspace, full, monkeypatch):
    binned = workspace.bin.put(full, "people.csv")
    workspace.bin.expire()
    assert workspace.bin.find([binned.id])
    later = now() + timedelta(minutes=bins.KEPT_MINUTES, seconds=1)
    monkeypatch.setattr(bins, "now", lambda: later)
    monkeypatch.setattr(bins, "LOOK_S", 0)
    assert not workspace.bin.find([binned.id])
    workspace.bin.expire()
    assert [file for file in workspace.folder.rglob("*") if file.is_file() and "people" in file.name] == []
    assert list((workspace.folder / "bin").iterdir()) == []
    with pytest.raises(NotFound, match="ten minutes"):
        workspace.bin.restore(binned.id)


def test_a_stop_of_the_server_empties_it_and_another_server_does_not(open_workspace, people):
    workspace, other = open_workspace().start(), open_workspace()
    dataset = workspace.datasets.add(people, "people.csv")
    workspace.bin.put(dataset, "people.csv")
    other.clean_up()
    assert list((workspace.folder / "bin").iterdir())
    workspace.close()
    assert not list((workspace.folder / "bin").iterdir())


def test_erasing_a_session_reaches_into_the_bin(workspace, people):
    first, second = (workspace.datasets.add(people, "p.csv", owner="ann", session="s") for _ in range(2))
    binned = workspace.bin.put(first, "p.csv")
    workspace.sessions.delete("s", "ann")
    assert workspace.bin.find([binned.id]) == []
    assert second.id not in workspace.catalog.ids(Dataset)


def test_calls_cleanup_and_retention_do_not_use_it(workspace, full):
    workspace.runs.delete(workspace.runs.find()[0].id)
    workspace.jobs.delete(workspace.jobs.find()[0].id)
    workspace.conversations.delete(workspace.conversations.find()[0].id)
    workspace.datasets.delete(full.id)
    assert list((workspace.folder / "bin").iterdir()) == []


class Crash(BaseException):
    """The end of a process."""


def crash_at(monkeypatch: pytest.MonkeyPatch, place: int) -> None:
    """End the process, so to say, at the n-th time that a file or folder is moved."""
    moved, move = [], Path.replace

    def replace(self: Path, target: Path) -> Path:
        if len(moved) == place:
            raise Crash
        moved.append(self)
        return move(self, target)

    monkeypatch.setattr(Path, "replace", replace)


def started_again(workspace: Workspace) -> None:
    """What the next process finds, and clears away: entries of a process that is gone."""
    for entry in (workspace.folder / "bin").iterdir():
        host, _, _, token = entry.name.rsplit("~", 3)
        entry.rename(entry.with_name(f"{host}~999999999~1.0~{token}"))
    workspace.clean_up(orphan_s=0)


@pytest.mark.parametrize("place", range(5))
def test_a_crash_while_deleting_leaves_all_or_nothing(workspace, full, monkeypatch, place):
    before = state_of(workspace)
    with monkeypatch.context() as patch:
        crash_at(patch, place)
        with pytest.raises(Crash):
            workspace.bin.put(full, "people.csv")
    listed = workspace.catalog.ids(Dataset)
    assert len(listed) == (1 if place == 0 else 0)
    started_again(workspace)
    after = state_of(workspace)
    assert after == before if listed else not any(after.values())
    assert list((workspace.folder / "bin").iterdir()) == []


@pytest.mark.parametrize("place", range(5))
def test_a_crash_while_restoring_loses_nothing(workspace, full, monkeypatch, place):
    before = state_of(workspace)
    binned = workspace.bin.put(full, "people.csv")
    with monkeypatch.context() as patch:
        crash_at(patch, place)
        with pytest.raises(Crash):
            workspace.bin.restore(binned.id)
    started_again(workspace)
    assert state_of(workspace) == before
    assert list((workspace.folder / "bin").iterdir()) == []


DELETES = """
import sys
from pathlib import Path
from workspace.settings import Settings
from workspace.workspace import Workspace

workspace = Workspace(Settings(workspace=Path(sys.argv[1])))
dataset = workspace.datasets.find()[0]
print("ready", flush=True)
while True:
    workspace.bin.restore(workspace.bin.put(dataset, "people.csv").id)
"""


@pytest.mark.slow
@pytest.mark.parametrize("delay_ms", [3, 11, 29, 47, 83, 131])
def test_a_killed_server_leaves_all_or_nothing(tmp_path, people, delay_ms):
    settings = Settings(workspace=tmp_path / "killed")
    workspace = Workspace(settings)
    dataset = workspace.datasets.add(people, "people.csv")
    workspace.runs.add(dataset.id, people, "theirs.csv")
    before = state_of(workspace)
    workspace.close()
    command = [sys.executable, "-c", DELETES, str(settings.workspace)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout.readline() == "ready\n"
        time.sleep(delay_ms / 1000)
        server.kill()
    again = Workspace(settings)
    again.clean_up(orphan_s=0)
    after = state_of(again)
    assert after == before or not any(after.values())
    assert list((settings.workspace / "bin").iterdir()) == []
    again.close()
