"""What a piece of work took: seconds and memory of this process."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

STATUS, CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Meter:
    """Runs from when it is made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.monotonic(), cpu_seconds()

    @property
    def seconds(self) -> float:
        """Time passed."""
        return time.monotonic() - self._wall

    @property
    def busy_seconds(self) -> float:
        """Time passed on an idle machine: what other processes took is not in it."""
        return min(self.seconds, cpu_seconds() - self._cpu)


def cpu_seconds() -> float:
    """What this process and the children it waited for have computed."""
    return sum(os.times()[:4])


def peak_mb() -> float:
    """The most memory this process held since it began, or since `reset_peak`."""
    if STATUS.is_file():
        # Not getrusage: its maximum survives exec, and would be that of the server that started this process.
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def reset_peak() -> None:
    """Begin anew with the peak, where the system can."""
    if CLEAR_REFS.exists():
        CLEAR_REFS.write_text("5")
