"""What a piece of work took: seconds and memory of this process."""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil

STATUS, CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")
MB = 2**20


class ResourceMeter:
    """Runs from when it is made, one at a time: a new one begins anew with the memory's peak."""

    highest_mb = 0.0
    """The most memory this process held while any meter ran."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.monotonic(), cpu_seconds()
        self._held_mb = held_mb()
        ResourceMeter.highest_mb = max(ResourceMeter.highest_mb, peak_mb())
        if CLEAR_REFS.exists():
            CLEAR_REFS.write_text("5")

    @property
    def seconds(self) -> float:
        """Time passed."""
        return time.monotonic() - self._wall

    @property
    def busy_seconds(self) -> float:
        """Time passed on an idle machine: what other processes took is not in it."""
        return min(self.seconds, cpu_seconds() - self._cpu)

    @property
    def taken_mb(self) -> float:
        """The most memory held at once, beyond what was held at the beginning."""
        ResourceMeter.highest_mb = max(ResourceMeter.highest_mb, peak_mb())
        return max(peak_mb() - self._held_mb, 0.0)

    @property
    def kept_mb(self) -> float:
        """Memory held now, beyond what was held at the beginning."""
        return max(held_mb() - self._held_mb, 0.0)


def cpu_seconds() -> float:
    """What this process and the children it waited for have computed."""
    return sum(os.times()[:4])


def held_mb() -> float:
    return psutil.Process().memory_info().rss / MB


def peak_mb() -> float:
    """The most memory this process held since it began, or since the last meter did."""
    if STATUS.is_file():
        # Not getrusage: its maximum survives exec, and would be that of the server that started this process.
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return held_mb()


def highest_mb() -> float:
    """The most memory this process ever held."""
    return max(ResourceMeter.highest_mb, peak_mb())
