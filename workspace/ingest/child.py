"""The process that reads uploaded files: `python -m workspace.ingest.child PARENT`, started by `workspace.ingest.process`.

A request a line comes in, an answer a line goes out, both JSON. It holds no key, starts nothing, ends with the process
that started it, and is killed when a request takes too long or too much memory.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import duckdb
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, TypeAdapter, validate_call

from synth.errors import Invalid
from synth.schema import Schema
from synth.schema.profile import ColumnProfile
from workspace.ingest import ingest
from workspace.ingest.limits import Limits
from workspace.ingest.options import ReadOptions
from workspace.telemetry.failures import for_the_log, is_disk_full

Problem = Literal["refused", "memory", "disk", "unexpected"]
MOST_NAMED = 1000
"""Lines left out that an answer names: a file may have millions."""
OVERHEAD_MB = 512
"""Address space that the libraries take without using it."""


class Request(BaseModel):
    """What to do with which file, and what it may take."""

    model_config = ConfigDict(extra="forbid")

    verb: str
    arguments: dict[str, Any]
    folder: Path
    """Where everything temporary lies."""
    limits: Limits
    seconds: int
    """Of processor time."""
    memory_mb: int
    threads: int


@dataclass(frozen=True)
class Verb:
    """Something that is done here, and the type of its answer."""

    do: Callable[..., Any]
    answer: TypeAdapter[Any]


def _preview(path: Path, name: str, options: ReadOptions | None, limits: Limits) -> ingest.Preview:
    found = ingest.preview(path, name, options, limits)
    return found.model_copy(update={"rejected": found.rejected[:MOST_NAMED]})


def _ingest(path: Path, name: str, target: Path, options: ReadOptions | None, limits: Limits) -> ingest.Ingested:
    found = ingest.ingest(path, name, target, options, limits)
    return replace(found, rejected=found.rejected[:MOST_NAMED], mended=found.mended[:MOST_NAMED])


def _retype(file: Path, schema: Schema, limits: Limits) -> list[tuple[str, str]]:
    return ingest.retype(file, schema)


def _profile(file: Path, schema: Schema, limits: Limits) -> list[ColumnProfile]:
    return ingest.profile(file, schema)


VERBS = {
    "preview": Verb(validate_call(_preview), TypeAdapter(ingest.Preview)),
    "ingest": Verb(validate_call(_ingest), TypeAdapter(ingest.Ingested)),
    "retype": Verb(validate_call(_retype), TypeAdapter(list[tuple[str, str]])),
    "profile": Verb(validate_call(_profile), TypeAdapter(list[ColumnProfile])),
}


def main() -> None:
    _give_way()
    _end_with_parent(int(sys.argv[1]))
    # What a library prints must not pass for an answer.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    taken_mb = _data_mb()
    for line in sys.stdin.buffer:
        request = Request.model_validate_json(line)
        _limit(request, taken_mb)
        answers.write(json.dumps(_answer(request)).encode() + b"\n")
        answers.flush()


def _answer(request: Request) -> dict[str, Any]:
    verb = VERBS[request.verb]
    tempfile.tempdir = str(request.folder)
    os.chdir(request.folder)
    try:
        found = verb.do(**request.arguments, limits=request.limits)
        return {"found": verb.answer.dump_python(found, mode="json")}
    except Invalid as error:
        return _problem("refused", str(error))
    except (MemoryError, duckdb.OutOfMemoryException):
        return _problem("memory")
    except Exception as error:
        # Whatever a stranger's file brings about is told, without its data, to the process that asked.
        return _problem("disk") if is_disk_full(error) else _problem("unexpected", for_the_log(error))
    finally:
        os.chdir(Path(__file__).parent)


def _problem(kind: Problem, said: str = "") -> dict[str, Any]:
    return {"problem": kind, "said": said}


# What it may take --------------------------------------------------------------------------------------------------


def _give_way() -> None:
    """Whoever looks at a page comes first: for the processor, and for memory when it runs out."""
    if hasattr(os, "nice"):
        os.nice(5)
    score = Path("/proc/self/oom_score_adj")
    if score.exists():
        score.write_text("1000")


def _limit(request: Request, taken_mb: float) -> None:
    """Let the system end this process when the request takes too much. Windows has no such limits."""
    pa.set_cpu_count(request.threads)
    if sys.platform == "win32":
        return
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(used.ru_utime + used.ru_stime) + 1
    # An image of the memory of a process that crashed would hold rows.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _set_soft(resource.RLIMIT_CPU, spent + request.seconds)
    if sys.platform == "linux":
        _set_soft(resource.RLIMIT_DATA, int((taken_mb + OVERHEAD_MB + request.memory_mb) * 2**20))


def _set_soft(kind: int, most: int) -> None:
    import resource

    _, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _data_mb() -> float:
    """What counts against the limit on memory before any file is read."""
    status = Path("/proc/self/status")
    lines: Iterable[str] = status.read_text().splitlines() if status.exists() else ()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmData:")), 0.0)


def _end_with_parent(parent: int) -> None:
    """Never outlive the process that asked: its end closes our input, and where that is not looked at, kills us."""
    if sys.platform == "linux":
        if ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        if os.getppid() != parent:
            sys.exit(errno.ESRCH)
    elif sys.platform != "win32":
        threading.Thread(target=_watch_parent, args=(parent,), daemon=True).start()


def _watch_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(errno.ESRCH)


if __name__ == "__main__":
    main()
