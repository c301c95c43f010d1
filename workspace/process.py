"""Processes of this machine, told from later ones that the system gives the same id."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

import psutil


@dataclass(frozen=True)
class Process:
    """A process of this machine: its id, and when it was born, since ids are used again."""

    pid: int
    born: float

    @classmethod
    def current(cls) -> Self:
        return cls.of(os.getpid())

    @classmethod
    def of(cls, pid: int) -> Self:
        return cls(pid, psutil.Process(pid).create_time())

    @property
    def alive(self) -> bool:
        with suppress(psutil.NoSuchProcess):
            process = self._found()
            return process is not None and process.status() != psutil.STATUS_ZOMBIE
        return False

    def end_group(self, sign: signal.Signals) -> None:
        """Signal this process and all it started, or what is left of them when it is gone itself."""
        if psutil.pid_exists(self.pid) and self._found() is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self.pid, sign)

    def _found(self) -> psutil.Process | None:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.pid)
            # Two seconds of tolerance: Linux derives the time of birth from a clock that may be set meanwhile.
            if abs(process.create_time() - self.born) < 2:
                return process
        return None
