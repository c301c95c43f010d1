"""How a long computation says how far it is, and learns that it should stop."""

from __future__ import annotations

from pathlib import Path


class Stopped(Exception):
    """Raised out of a fit or a draw that was cancelled."""


class Report:
    """How a long computation says how far it is, and learns that it should stop. This one is silent."""

    def __call__(self, done: float, note: str = "", **curve: float) -> None:
        """Report that `done` (0 to 1) of the work is done; `curve` holds points such as `epoch=3, loss=0.2`.

        Raises Stopped when the work was cancelled.
        """

    @property
    def stop_early(self) -> bool:
        """True once an early stop is asked for: end the training and keep what is trained."""
        return False

    @property
    def checkpoint(self) -> Path | None:
        """A folder that outlives an interrupted job: a long fit keeps its state there, and goes on from it."""
        return None

    def part(self, start: float, end: float) -> Report:
        """A report whose 0 to 1 is this one's `start` to `end`."""
        return _Part(self, start, end)


class _Part(Report):
    def __init__(self, whole: Report, start: float, end: float):
        self.whole, self.start, self.end = whole, start, end

    def __call__(self, done: float, note: str = "", **curve: float) -> None:
        self.whole(self.start + (self.end - self.start) * done, note, **curve)

    @property
    def stop_early(self) -> bool:
        return self.whole.stop_early

    @property
    def checkpoint(self) -> Path | None:
        return self.whole.checkpoint


quiet = Report()
