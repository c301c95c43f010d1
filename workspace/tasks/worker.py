"""The process of one job: `python -m workspace.worker JOB`, started by the dispatcher in a session of its own."""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType

from sqlalchemy.orm import Session

from synth import Stopped
from workspace.access.handover import Handover
from workspace.catalog.outages import CatalogAway
from workspace.catalog.rows import Job, Run, now
from workspace.jobs.kinds import KINDS
from workspace.jobs.meter import cpu_seconds, highest_mb
from workspace.jobs.progress import Progress
from workspace.jobs.queue import changed
from workspace.process import Process
from workspace.startup import settings_at_start
from workspace.storage.files import size_of
from workspace.tasks.stages import Work
from workspace.telemetry.failures import for_the_log, in_words
from workspace.workspace import Workspace

log = logging.getLogger("workspace.tasks.worker")

BEAT_S = 10
PATIENCE_S = 3600.0
"""How long a job waits for a catalog that is away, to begin and to hand in its results."""


class Attempt:
    """One worker's try at a job: whatever ends the block, the job's row says so afterwards."""

    def __init__(self, workspace: Workspace, job: Job, process: Process, told: Handover):
        self.workspace, self.job, self.process, self.told = workspace, job, process, told
        self.progress = Progress(workspace.queue, job, process)
        self.scratch = workspace.files.job(job.id).scratch
        self._publishing = False

    def __enter__(self) -> Work:
        signal.signal(signal.SIGTERM, self._stop)
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()
        self.workspace.queue.clear_scratch(self.job.id)
        self.scratch.mkdir(parents=True)
        _write_temporary_files_in(self.workspace.files.job(self.job.id).temporary)
        resumed = self.workspace.files.job(self.job.id).checkpoint.exists()
        return Work(self.workspace, self.job, self.progress, self.scratch, self._publish, self.told, resumed)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if error is None:
            self._end("done", progress=1.0)
        elif isinstance(error, Stopped):
            self._end("cancelled")
        else:
            log.error("%s", for_the_log(error))
            self._end("failed", in_words(error))
        return True

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.progress.stopping = True
        if not self._publishing:
            raise Stopped

    def _beat(self) -> None:
        """Show servers on other machines, which cannot see this process, that it lives, however long a step takes."""
        while True:
            time.sleep(BEAT_S)
            # A beat that is lost is followed by the next.
            with suppress(CatalogAway), self.workspace.catalog.session(patience_s=0) as session:
                changed(session, self.job.id, Job.pid == self.process.pid, last_heard=now())

    def _end(self, state: str, error: str = "", **values: float) -> None:
        self.workspace.queue.end(
            self.job.id,
            state,
            error,
            Job.pid == self.process.pid,
            cpu_seconds=cpu_seconds(),
            peak_mb=highest_mb(),
            **values,
        )

    def _publish(self, run: Run) -> None:
        run.cpu_seconds, run.peak_mb = cpu_seconds(), highest_mb()
        run.size_bytes = size_of(self.scratch)
        self.progress.flush()
        self._publishing = True
        target = self.workspace.files.run(run.id).folder

        def list_it(session: Session) -> None:
            # The answer to an earlier commit may have been lost on its way.
            if session.get(Run, run.id) is not None:
                return
            session.add(run)
            if not changed(session, self.job.id, Job.state == "running", Job.pid == self.process.pid, run_id=run.id):
                raise Stopped
            session.flush()
            # Last before the commit: a folder without its row is cleared away at the next start.
            if not target.exists():
                self.scratch.replace(target)

        self.workspace.catalog.lasting(list_it)
        self.job.run_id = run.id
        self.scratch.mkdir()
        self._publishing = False


def main(job_id: str) -> None:
    process, told = Process.current(), Handover.taken()
    settings = settings_at_start(serving=False)
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    for package in ("workspace", "synth", "metrics"):
        logging.getLogger(package).setLevel(settings.log_level)
    _give_way()
    workspace = Workspace(settings, patience_s=PATIENCE_S)
    job = workspace.queue.attach(job_id, process)
    if job is None or job.cancel_asked:
        return
    with Attempt(workspace, job, process, told) as work:
        kind = KINDS[job.kind]
        kind.do(work, kind.arguments_of(job))
    logging.shutdown()
    # All is written. What libraries do at exit can take seconds, in which the job holds memory for nothing.
    os._exit(0)


def _write_temporary_files_in(folder: Path) -> None:
    """What libraries write for a moment holds real rows too: it lies in the workspace, and goes with the job."""
    folder.mkdir()
    tempfile.tempdir = os.environ["TMPDIR"] = str(folder)


def _give_way() -> None:
    """Pages come before jobs: for the processor, and for memory when it runs out."""
    os.nice(5)
    _nice_session()
    score = Path("/proc/self/oom_score_adj")
    if score.exists():
        score.write_text("500")


def _nice_session() -> None:
    """Be nice to other sessions too: where the kernel shares among those, `nice` counts within one only."""
    session = Path("/proc/self/autogroup")
    for _ in range(5):
        try:
            session.write_text("5")
        except BlockingIOError:
            # The kernel takes one such wish in a tenth of a second.
            time.sleep(0.1)
        except OSError:
            # Another system, or one that shares among processes.
            return
        else:
            return


if __name__ == "__main__":
    main(sys.argv[1])
