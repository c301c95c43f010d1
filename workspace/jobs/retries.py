"""How often, and after which waits, what was broken off from outside is tried again by itself."""

from __future__ import annotations

from workspace.catalog.rows import Job, now

ATTEMPTS = 3
"""Tries in all; after the last one the job is set aside, with the reason."""
GROWTH = 4
"""Each wait is so many times the one before."""


def wait_s(tried: int, first_s: float) -> float | None:
    """Seconds to wait after so many tries; None: it is not tried again."""
    return first_s * GROWTH ** (tried - 1) if tried < ATTEMPTS else None


def when_again(job: Job) -> str:
    """When an interrupted job is tried again, in a sentence; empty: it does not wait for that."""
    if job.state != "queued" or job.not_before is None:
        return ""
    left = max(0, round((job.not_before - now()).total_seconds()))
    return f"Interrupted: tries again in {left} s (attempt {job.attempts + 1} of {ATTEMPTS}). {job.error}"
