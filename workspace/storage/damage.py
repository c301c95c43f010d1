"""What becomes of files of the workspace that were cut, overwritten or taken away: told in words, and of nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from synth.errors import Damaged, InWords
from workspace.telemetry.failures import is_disk_full

UNREADABLE = (OSError, EOFError, ValueError, LookupError, TypeError, AttributeError)
"""What readers of files raise on bytes that they did not write."""


@contextmanager
def read_whole(what: str) -> Iterator[None]:
    """Read a file of ours in this block. Raises Damaged, which quotes nothing of it, when it cannot be read."""
    try:
        yield
    except InWords:
        raise
    except UNREADABLE as error:
        if is_disk_full(error):
            raise
        raise damaged(what) from error


def damaged(what: str) -> Damaged:
    """The error that says so, of `what` as the beginning of a sentence."""
    return Damaged(f"{what} cannot be read: the file is damaged or gone. Put it back from a backup, or delete this.")
