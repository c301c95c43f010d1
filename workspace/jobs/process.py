"""The worker processes of jobs: how they start, with which share of the machine, and how they end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

from workspace.catalog.rows import Job
from workspace.process import Process
from workspace.settings import HOST, PREFIX, ROOT, SECRET, Settings
from workspace.storage.files import Files

MOST_CODES = 256
THREAD_LIMITS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


PASSED = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|TEMP|TMP|VIRTUAL_ENV|XDG_\w+|"
    # Where libraries lie, how many threads they take, on which device they compute.
    r"(LD|DYLD)_\w+|PYTHON\w*|(OMP|MKL|OPENBLAS|NUMEXPR|NUMBA|VECLIB|KMP|GOMP|LOKY|JOBLIB|MALLOC)_\w+|"
    r"(CUDA|NVIDIA|HIP|ROCR|TORCH|PYTORCH|NCCL)_\w+|(HF|HUGGINGFACE|TRANSFORMERS|TOKENIZERS|MPL)\w*|"
    r"SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|(HTTPS?|ALL|NO)_PROXY|"
    r"SYSTEMROOT|WINDIR|COMSPEC|PATHEXT|USERPROFILE|APPDATA|LOCALAPPDATA|PROGRAMDATA",
    re.IGNORECASE,
)
"""Names of the variables of the server that a worker gets as well."""
SECRETIVE = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY", re.IGNORECASE)
"""Names that are not passed on whatever they begin with: a worker has no use for what unlocks something else."""


def job_environment(settings: Settings) -> dict[str, str]:
    """The variables a job's process starts with: the settings without secrets, and its share of the threads."""
    own = {name: text for name, text in os.environ.items() if name.upper().startswith(PREFIX)}
    return {
        **inherited(settings.worker_environment),
        **{name: text for name, text in own.items() if name[len(PREFIX) :].lower() not in SECRET},
        **settings.environment(secrets=False),
        **dict.fromkeys(THREAD_LIMITS, str(settings.threads_per_job)),
        # Waiting threads sleep: spinning ones slow two trainings on two cores eightfold.
        "OMP_WAIT_POLICY": "PASSIVE",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        "PYTHONUNBUFFERED": "1",
    }


def inherited(further: Sequence[str] = ()) -> dict[str, str]:
    """The variables of this process that one it starts may see: what libraries need, and `further` ones by name."""
    return {name: value for name, value in os.environ.items() if name in further or _is_harmless(name, value)}


def _is_harmless(name: str, value: str) -> bool:
    if not PASSED.fullmatch(name) or SECRETIVE.search(name):
        return False
    # A proxy is passed for downloads of model weights; one that asks for a password is named in the settings.
    return not (name.upper().endswith("_PROXY") and "@" in value)


def process_of(job: Job) -> Process | None:
    """The process that works on a job, if it is one of this machine."""
    return Process(job.pid, job.process_started) if job.pid and job.process_started and job.host == HOST else None


def end_at_once(jobs: Sequence[Job], grace_s: float) -> None:
    """End the processes of jobs, and wait until they are gone: they have `grace_s` seconds to end by themselves."""
    processes = [process for job in jobs if job.state == "running" and (process := process_of(job))]
    for sign, patience_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 5.0)):
        for process in processes:
            process.end_group(sign)
        end = time.monotonic() + patience_s
        while any(process.alive for process in processes) and time.monotonic() < end:
            time.sleep(0.02)


def _tell(worker: subprocess.Popen[bytes], told: bytes) -> None:
    """Write to a process that reads; it is little enough for the pipe to hold."""
    if worker.stdin is not None:
        with worker.stdin as pipe:
            pipe.write(told)


class Processes:
    """Runs jobs as worker processes of this machine."""

    def __init__(self, files: Files, settings: Settings):
        self.files, self.settings = files, settings
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        self._jobs: dict[str, int] = {}
        self._codes: dict[int, int] = {}
        """Exit codes of workers that ended, until somebody asks: the catalog may be away when they do."""

    def start(self, job: Job, told: bytes = b"") -> Process:
        """Start the worker of a claimed job: its own session, its share of the threads, its output in its log.

        `told` is what it reads first, on its standard input.
        A clean interpreter, because multiprocessing's spawn would import `__main__` again, which is the server.
        """
        files = self.files.job(job.id)
        files.folder.mkdir(parents=True, exist_ok=True)
        with files.log.open("ab") as output:
            worker = subprocess.Popen(
                [sys.executable, "-m", "workspace.tasks.worker", job.id],
                cwd=ROOT,
                env=job_environment(self.settings),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        # A worker that is killed as it starts reads nothing; its end is noticed like any other's.
        with suppress(BrokenPipeError):
            _tell(worker, told)
        self._children[worker.pid] = worker
        self._jobs[job.id] = worker.pid
        self._codes.pop(worker.pid, None)
        return Process.of(worker.pid)

    def reap(self) -> None:
        """Collect workers that ended, and end what they started and left."""
        codes = {pid: child.poll() for pid, child in self._children.items()}
        for pid, code in codes.items():
            if code is not None:
                del self._children[pid]
                self._jobs = {job_id: other for job_id, other in self._jobs.items() if other != pid}
                self._codes = dict([*self._codes.items(), (pid, code)][-MOST_CODES:])
                Process(pid, born=0.0).end_group(signal.SIGKILL)

    def child_of(self, job_id: str) -> Process | None:
        """The worker of a job while it lives, if this process started it."""
        pid = self._jobs.get(job_id)
        return Process.of(pid) if pid in self._children else None

    def code_of(self, process: Process) -> int | None:
        """The exit code of a worker that is gone; None when another server started it."""
        child = self._children.get(process.pid)
        if child is None:
            return self._codes.pop(process.pid, None)
        # A killed process shows as gone while threads of it still end; only then does it have a code.
        with suppress(subprocess.TimeoutExpired):
            child.wait(timeout=1)
        return child.returncode
