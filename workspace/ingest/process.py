"""Reading in processes of its own: a stranger's file is never parsed by the process that serves everybody.

A file that hangs its reader, fills its memory or crashes it costs that reader; it is killed, and the person who sent
the file is told in a sentence. Readers are clean interpreters that know no key. One that did its work well is asked
again, since starting one takes a second; a server keeps one waiting.
"""

from __future__ import annotations

import atexit
import errno
import json
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from synth.errors import InWords
from workspace.ingest.limits import Limits, ReadError
from workspace.settings import ROOT, Settings
from workspace.storage.files import Files

# They bring pandas, DuckDB and Arrow, which opening a workspace does not wait for.
if TYPE_CHECKING:
    from synth.schema import Schema
    from synth.schema.profile import ColumnProfile
    from workspace.ingest.ingest import Ingested, Preview
    from workspace.ingest.options import ReadOptions

log = logging.getLogger("workspace.ingest.process")

POLL_S = 0.1
LARGE_MB = 400
"""A reader that holds more than this after its work is not asked again."""
SURPLUS_S = 10
"""For so long more than one reader waits for work."""
INHERITED = (
    *("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),
    *("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "COVERAGE_PROCESS_START"),
)
"""The variables a reader gets; all others may hold a secret."""

has_gone: ContextVar[Callable[[], bool]] = ContextVar("has_gone", default=lambda: False)
"""Whether whoever asked for what is read here has gone: a client that hung up, a page that was closed."""


class ReadingEnded(InWords):
    """A file was not read to its end, for no fault of the file: who asked has gone, or the server is told to end."""

    def __init__(self, message: str, *, unheard: bool = False):
        super().__init__(message)
        self.unheard = unheard
        """Nobody waits for the answer any more."""


class ReaderFailed(RuntimeError):
    """Reading a file failed as it should not; the log says where."""


class Readers:
    """Reads the files of one workspace, so many at once, each in a process of its own."""

    def __init__(self, files: Files, settings: Settings):
        self.files, self.settings = files, settings
        self.closed = False
        """Set to end whatever is being read; nothing is read afterwards."""
        self._free = threading.Semaphore(settings.readers)

    def preview(self, path: Path, name: str, options: ReadOptions | None = None) -> Preview:
        """The first rows of a file and how it would be read. Raises ReadError."""
        from workspace.ingest.ingest import Preview

        return Preview.model_validate(self._asked("preview", path=path, name=name, options=_plain(options)))

    def ingest(self, path: Path, name: str, target: Path, options: ReadOptions | None = None) -> Ingested:
        """Read a file whole into one new DuckDB file at `target`. Raises ReadError when it cannot be read.

        Of the lines left out the first thousand are named.
        """
        from pydantic import TypeAdapter

        from workspace.ingest.ingest import Ingested

        found = self._asked("ingest", path=path, name=name, target=target, options=_plain(options))
        return TypeAdapter(Ingested).validate_python(found)

    def retype(self, file: Path, schema: Schema) -> list[tuple[str, str]]:
        """The columns of a kept table that cannot be read as `schema` says, each with the reason in words."""
        return [(name, reason) for name, reason in self._asked("retype", file=file, schema=_plain(schema))]

    def profile(self, file: Path, schema: Schema) -> list[ColumnProfile]:
        """What each column of a kept table holds."""
        from synth.schema.profile import ColumnProfile

        return [ColumnProfile.model_validate(one) for one in self._asked("profile", file=file, schema=_plain(schema))]

    def warm(self) -> None:
        """Keep a reader waiting from now on, so that the next file is read at once."""
        self.closed = False
        _pool.keep_warm()

    def close(self) -> None:
        """End whatever is being read."""
        self.closed = True

    def _asked(self, verb: str, **arguments: Any) -> Any:
        with self._turn(), self.files.incoming() as folder:
            reader = _pool.take()
            healthy = False
            try:
                said = reader.ask(self._request(verb, folder, arguments), self._watch(reader))
                healthy = said.get("problem") in (None, "refused")
            finally:
                if healthy:
                    _pool.give_back(reader)
                else:
                    reader.kill()
            return self._found(said)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait until fewer than the most are being read."""
        while not self._free.acquire(timeout=POLL_S):
            self._go_on()
        try:
            self._go_on()
            yield
        finally:
            self._free.release()

    def _go_on(self) -> None:
        if self.closed:
            raise ReadingEnded("The server is ending; nothing was kept of this file. Send it again in a minute.")
        if has_gone.get()():
            raise ReadingEnded("Whoever asked for this file has gone; nothing was kept of it.", unheard=True)

    def _request(self, verb: str, folder: Path, arguments: dict[str, Any]) -> bytes:
        limits = Limits.of(self.settings)
        request = {
            "verb": verb,
            "arguments": {
                name: str(value.absolute()) if isinstance(value, Path) else value for name, value in arguments.items()
            },
            "folder": str(folder.absolute()),
            "limits": {"columns": limits.columns, "rows": limits.rows, "cells": limits.cells},
            "seconds": self.settings.read_seconds,
            "memory_mb": self.settings.read_memory_mb,
            "threads": self.settings.threads_per_job,
        }
        return json.dumps(request).encode() + b"\n"

    def _watch(self, reader: Reader) -> Callable[[], None]:
        """Raises when the reader is not to go on; asked again and again while it works."""
        end = time.monotonic() + self.settings.read_seconds

        def look() -> None:
            self._go_on()
            if time.monotonic() > end:
                raise self._too_slow()
            if reader.memory_mb() > self.settings.read_memory_mb + BASE_MB:
                raise self._too_large()

        return look

    def _found(self, said: dict[str, Any]) -> Any:
        match said.get("problem"):
            case None:
                return said["found"]
            case "refused":
                raise ReadError(said["said"])
            case "memory":
                raise self._too_large()
            case "disk":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            case "ended":
                raise self._ended(said["code"])
            case _:
                log.error("A file could not be read.\n%s", said["said"])
                raise ReaderFailed("Reading this file failed unexpectedly. The server's log says where.")

    def _ended(self, code: int) -> Exception:
        """Why a reader is gone that nobody killed here."""
        if code == -getattr(signal, "SIGXCPU", 0):
            return self._too_slow()
        log.error("A reader ended with code %d while it read a file.", code)
        return ReadError(
            f"This file made its reader crash: it is damaged, or takes more than "
            f"{self.settings.read_memory_mb:,} MB of memory to read. Save it again, as CSV, or split it."
        )

    def _too_slow(self) -> ReadError:
        seconds = self.settings.read_seconds
        time_said = f"{seconds / 60:g} minutes" if seconds >= 120 else f"{seconds} seconds"
        return ReadError(
            f"This file takes longer than {time_said} to read. Split it, or raise UNDERSTUDY_READ_SECONDS."
        )

    def _too_large(self) -> ReadError:
        return ReadError(
            f"This file takes more than {self.settings.read_memory_mb:,} MB of memory to read. Split it, or raise "
            f"UNDERSTUDY_READ_MEMORY_MB."
        )


BASE_MB = 200
"""What a reader holds before it reads anything."""


def _plain(model: Any) -> Any:
    return None if model is None else model.model_dump(mode="json")


# The processes -----------------------------------------------------------------------------------------------------


class Reader:
    """One process that reads files."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "workspace.ingest.child", str(os.getpid())],
            cwd=ROOT,
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self._answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.waits_since = time.monotonic()
        threading.Thread(target=self._listen, name="reader", daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as answers:
            for answer in answers:
                self._answers.put(answer)
        self._answers.put(b"")

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, request: bytes, look: Callable[[], None]) -> dict[str, Any]:
        """Its answer; `look` is called again and again meanwhile, and may raise."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(request)
            self._process.stdin.flush()
        except BrokenPipeError:
            return {"problem": "ended", "code": self._process.wait()}
        while True:
            try:
                answer = self._answers.get(timeout=POLL_S)
            except queue.Empty:
                look()
                continue
            return json.loads(answer) if answer else {"problem": "ended", "code": self._process.wait()}

    def memory_mb(self) -> float:
        try:
            return psutil.Process(self._process.pid).memory_info().rss / 2**20
        except psutil.Error:
            return 0.0

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        # What it did not read is lost with it.
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            return


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "OMP_WAIT_POLICY": "PASSIVE"}


class _Pool:
    """The readers of this process, whichever workspace they read for."""

    def __init__(self) -> None:
        self._idle: list[Reader] = []
        self._lock = threading.Lock()
        self._warm = False
        # One thread starts them all, and stays: on Linux they end with the thread that started them.
        self._starter = ThreadPoolExecutor(1, "reader-starter")

    def take(self) -> Reader:
        """A reader that waits, else a new one."""
        with self._lock:
            while self._idle:
                reader = self._idle.pop()
                if reader.alive:
                    return reader
        return self._starter.submit(Reader).result()

    def give_back(self, reader: Reader) -> None:
        """A reader that did its work waits for more, unless that left it large."""
        if not reader.alive or reader.memory_mb() > LARGE_MB:
            reader.kill()
            self._fill()
            return
        reader.waits_since = time.monotonic()
        with self._lock:
            self._idle.append(reader)
            surplus = len(self._idle) > 1
        if surplus:
            timer = threading.Timer(SURPLUS_S, self._trim)
            timer.daemon = True
            timer.start()

    def keep_warm(self) -> None:
        self._warm = True
        self._fill()

    def _fill(self) -> None:
        with self._lock:
            wanted = self._warm and not self._idle
        if wanted:
            self._starter.submit(self._add)

    def _add(self) -> None:
        reader = Reader()
        with self._lock:
            self._idle.append(reader)

    def _trim(self) -> None:
        """End the readers that have waited long, but for one."""
        with self._lock:
            long = [one for one in self._idle[:-1] if time.monotonic() - one.waits_since > SURPLUS_S / 2]
            self._idle = [one for one in self._idle if one not in long]
        for reader in long:
            reader.kill()

    def end(self) -> None:
        with self._lock:
            gone, self._idle, self._warm = self._idle, [], False
        for reader in gone:
            reader.kill()


_pool = _Pool()
atexit.register(_pool.end)
