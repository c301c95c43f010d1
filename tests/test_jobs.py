"""Jobs with real processes and a real database: what ends them, what survives, and who runs them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from workspace.catalog.rows import Dataset, Dependency, Job, NotFound
from workspace.jobs.process import THREAD_LIMITS
from workspace.jobs.retries import when_again
from workspace.process import Process
from workspace.settings import Settings
from workspace.workspace import Workspace

ROOT = Path(__file__).parent.parent
LONG = {"epochs": 1000, "nap_s": 0.05}
SHORT = {"epochs": 10, "nap_s": 0.05}


def until(happened: Callable[[], object], within_s: float = 90) -> float:
    """Wait until something has happened; how long that took."""
    begun = time.monotonic()
    while not happened():
        assert time.monotonic() - begun < within_s, "It did not happen in time."
        time.sleep(0.01)
    return time.monotonic() - begun


def train(workspace: Workspace, dataset: Dataset, params: dict, **more) -> Job:
    return workspace.training.train(dataset.id, "slow", params, metrics=[], **more)


def in_fit(workspace: Workspace, job: Job) -> Job:
    """The job, once its generator is learning."""
    until(lambda: workspace.jobs.get(job.id).stage == "Training")
    return workspace.jobs.get(job.id)


@pytest.fixture
def serve(settings: Settings) -> Iterator[Callable[[], subprocess.Popen]]:
    """Starts servers: processes of their own that run the workspace's jobs."""
    servers: list[subprocess.Popen] = []
    code = "import time; from workspace.workspace import Workspace; Workspace().start(); time.sleep(600)"

    def start() -> subprocess.Popen:
        environment = {**os.environ, **settings.environment(), "PYTHONPATH": str(ROOT)}
        servers.append(subprocess.Popen([sys.executable, "-c", code], env=environment, cwd=settings.workspace))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()
        server.wait()


def test_a_job_reports_progress_curve_and_time_left_while_it_runs(workspace, dataset):
    workspace.start()
    job = train(workspace, dataset, {"epochs": 40, "nap_s": 0.05})
    until(lambda: workspace.jobs.get(job.id).seconds_left is not None)
    running = workspace.jobs.get(job.id)
    assert running.state == "running" and 0 < running.progress < 1 and running.seconds_left < 30

    done = workspace.jobs.wait(job.id)
    assert (done.state, done.progress, done.seconds_left) == ("done", 1.0, None)
    assert done.peak_mb > 10 and done.cpu_seconds > 0
    events = workspace.jobs.events(job.id)
    assert [event.progress for event in events] == sorted(event.progress for event in events)
    assert [e.curve["epoch"] for e in events if e.curve][-1] == 40
    assert (
        workspace.jobs.events(job.id, after=events[-2].seq) == events[-1:]
        or len(workspace.jobs.events(job.id, events[-2].seq)) == 1
    )


def test_cancel_stops_a_running_fit_within_two_seconds_and_leaves_nothing(workspace, dataset):
    workspace.start()
    job = in_fit(workspace, train(workspace, dataset, LONG))
    process = psutil.Process(job.pid)
    workspace.jobs.cancel(job.id)
    assert until(lambda: workspace.jobs.get(job.id).state == "cancelled") < 2
    until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, within_s=2)
    assert not workspace.runs.find() and not workspace.files.job(job.id).scratch.exists()


def test_cancel_ends_a_library_that_swallows_the_stop_within_two_seconds(workspace, dataset):
    workspace.start()
    job = in_fit(workspace, train(workspace, dataset, {"epochs": 1, "nap_s": 600, "manner": "deaf"}))
    time.sleep(0.3)
    workspace.jobs.cancel(job.id)
    assert until(lambda: workspace.jobs.get(job.id).state == "cancelled") < 2
    assert not Process(job.pid, job.process_started).alive


def test_a_queued_job_that_is_cancelled_never_starts(workspace, dataset):
    job = train(workspace, dataset, SHORT)
    assert workspace.jobs.cancel(job.id).state == "cancelled"
    workspace.start()
    time.sleep(0.5)
    assert workspace.jobs.get(job.id).attempts == 0


def test_cancelling_a_job_that_has_ended_leaves_it_as_it_is(workspace, dataset):
    workspace.start()
    job = workspace.jobs.wait(train(workspace, dataset, {"epochs": 1, "nap_s": 0}).id)
    assert workspace.jobs.cancel(job.id).state == "done"


def test_a_killed_worker_leaves_its_job_waiting_for_its_next_try_and_it_may_be_tried_at_once(workspace, dataset):
    workspace.start()
    job = in_fit(workspace, train(workspace, dataset, SHORT | {"nap_s": 0.3}))
    os.kill(job.pid, signal.SIGKILL)
    until(lambda: workspace.jobs.get(job.id).state == "queued", within_s=30)
    assert "killed" in workspace.jobs.get(job.id).error
    assert re.match(r"Interrupted: tries again in \d+ s \(attempt 2 of 3\)", when_again(workspace.jobs.get(job.id)))
    assert not workspace.runs.find() and len(workspace.datasets.rows(dataset.id)) == 100

    assert workspace.jobs.retry(job.id).state == "queued"
    done = workspace.jobs.wait(job.id)
    assert (done.state, done.attempts, done.error) == ("done", 1, "")
    with pytest.raises(ValueError, match="is done"):
        workspace.jobs.retry(job.id)


def test_an_interrupted_job_goes_on_by_itself_and_is_set_aside_after_three_tries(open_workspace, settings, people):
    workspace = open_workspace(settings.model_copy(update={"retry_s": 0.0}))
    dataset = workspace.datasets.add(people, "people.csv")
    job, killed = train(workspace, dataset, LONG), set()
    workspace.start()
    while not (now := workspace.jobs.get(job.id)).ended:
        if now.pid and now.pid not in killed and now.stage == "Training":
            killed.add(now.pid)
            os.kill(now.pid, signal.SIGKILL)
        time.sleep(0.02)
    assert (now.state, now.attempts, len(killed)) == ("interrupted", 3, 3)
    assert "killed" in now.error and "It was tried 3 times" in now.error


def test_enough_keeps_what_is_trained(workspace, dataset):
    workspace.start()
    job = in_fit(workspace, train(workspace, dataset, LONG))
    workspace.jobs.stop_early(job.id)
    done = workspace.jobs.wait(job.id, timeout_s=10)
    assert done.state == "done" and len(workspace.runs.synthetic_table(done.run_id)) == 80
    assert workspace.runs.get(done.run_id).stopped == ["training"]
    # What is drawn from the model later says so too.
    more = workspace.jobs.wait(workspace.training.sample(done.run_id, 10, metrics=[]).id)
    assert workspace.runs.get(more.run_id).stopped == ["training"], more.error


def test_a_failure_speaks_to_the_person_and_its_log_names_the_place_but_no_data(workspace, dataset):
    workspace.start()
    job = workspace.jobs.wait(train(workspace, dataset, SHORT | {"manner": "failing"}).id)
    assert job.state == "failed" and "unexpected" in job.error and "Oslo" not in job.error
    log = workspace.jobs.log_tail(job.id)
    assert "in fit" in log and "ValueError: could not convert string to float: …" in log
    assert "Oslo" not in log and "Bergen" not in log


def test_no_more_jobs_run_at_once_than_there_are_slots(workspace, dataset):
    workspace.start()
    jobs = [train(workspace, dataset, SHORT) for _ in range(4)]
    most = 0
    while not all(workspace.jobs.get(job.id).ended for job in jobs):
        most = max(most, len(workspace.jobs.find(state="running")))
        time.sleep(0.02)
    assert most == 2
    assert {workspace.jobs.get(job.id).state for job in jobs} == {"done"}


def test_a_job_is_not_claimed_whose_dependency_ended_badly_a_moment_ago(workspace, dataset):
    first = workspace.training.draft_train(dataset.id, "slow", SHORT)
    second = workspace.training.draft_train(dataset.id, "slow", SHORT)
    waits = Dependency(job_id=second.id, needs=first.id, must_succeed=True)
    workspace.queue.add([first.job(), second.job(), waits])
    assert workspace.queue.claim().id == first.id and workspace.queue.claim() is None
    workspace.queue.end(first.id, "failed", "It was too hot.")
    # The dispatcher gives such jobs up once in a round; until then nobody may start them.
    assert workspace.queue.claim() is None
    workspace.queue.give_up()
    assert workspace.jobs.get(second.id).state == "cancelled"


def test_a_job_is_claimed_once_however_many_ask(open_workspace, dataset):
    first, second = open_workspace(), open_workspace()
    jobs = {train(first, dataset, SHORT).id for _ in range(6)}
    with ThreadPoolExecutor(8) as threads:
        claims = list(threads.map(lambda i: (first, second)[i % 2].queue.claim(), range(40)))
    claimed = [job.id for job in claims if job]
    assert len(claimed) == 2 and set(claimed) <= jobs  # as many as there are slots, each once


def test_two_servers_on_one_workspace_run_each_job_once(workspace, dataset, serve):
    jobs = [train(workspace, dataset, {"epochs": 1, "nap_s": 0}) for _ in range(4)]
    serve(), serve()
    ended = [workspace.jobs.wait(job.id, timeout_s=60) for job in jobs]
    assert [(job.state, job.attempts) for job in ended] == [("done", 1)] * 4
    assert len(workspace.runs.find()) == 4


def test_a_worker_outlives_its_killed_server_and_is_adopted_by_the_next(workspace, dataset, serve):
    job = train(workspace, dataset, {"epochs": 40, "nap_s": 0.05})
    server = serve()
    worker = in_fit(workspace, job).pid
    server.kill()
    workspace.start()
    done = workspace.jobs.wait(job.id)
    assert (done.state, done.pid, done.attempts) == ("done", worker, 1)


def test_a_job_whose_server_and_worker_were_killed_is_interrupted_at_the_next_start(workspace, dataset, serve):
    job = train(workspace, dataset, LONG)
    server = serve()
    worker = in_fit(workspace, job).pid
    server.kill()
    os.killpg(worker, signal.SIGKILL)
    workspace.start()
    until(lambda: workspace.jobs.get(job.id).state == "queued", within_s=30)


def test_a_worker_started_for_a_job_that_is_taken_away_does_nothing(workspace, dataset, settings):
    job = train(workspace, dataset, SHORT)
    environment = {**os.environ, **settings.environment()}
    subprocess.run([sys.executable, "-m", "workspace.tasks.worker", job.id], cwd=ROOT, env=environment, check=True)
    assert workspace.jobs.get(job.id).state == "queued"


def test_a_worker_has_its_share_of_threads_and_a_session_of_its_own_and_lets_pages_go_first(workspace, dataset):
    workspace.start()
    job = in_fit(workspace, train(workspace, dataset, LONG))
    environment = psutil.Process(job.pid).environ()
    assert {environment[name] for name in THREAD_LIMITS} == {"1"}
    assert environment["OMP_WAIT_POLICY"] == "PASSIVE"
    assert os.getsid(job.pid) == job.pid
    assert psutil.Process(job.pid).nice() == 5
    session = Path(f"/proc/{job.pid}/autogroup")
    assert not session.exists() or session.read_text().endswith("nice 5\n")


def test_a_process_id_that_is_used_again_is_not_the_same_process():
    current = Process.current()
    assert current.alive
    assert not Process(current.pid, current.born - 3600).alive


def test_a_deleted_job_ends_and_takes_its_log_along(workspace, dataset):
    workspace.start()
    job = in_fit(workspace, train(workspace, dataset, LONG))
    folder = workspace.files.job(job.id).folder
    assert folder.exists()
    workspace.jobs.delete(job.id)
    assert not Process(job.pid, job.process_started).alive and not folder.exists()
    with pytest.raises(NotFound, match="no job"):
        workspace.jobs.get(job.id)
