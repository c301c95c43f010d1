"""What is said of an exception: a sentence to the person, and to the log where it came from, without the data."""

from __future__ import annotations

import errno
import logging
import traceback
from pathlib import Path

from synth.errors import InWords
from synth.linear import IGNORECASE, within

DISK_FULL = "The disk is full. Free some space and try again; nothing half-written was kept."

NO_SPACE = within("No space left|disk is full|File too large|quota exceeded", IGNORECASE)
QUOTE_OR_NUMBER = within(r"""['"`]|\d+""")


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an exception came of a disk, or a quota, with no room left."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return True
        # DuckDB and SQLite have no error of their own for it, only the system's words.
        if NO_SPACE.search(str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


def in_words(error: BaseException) -> str:
    """What went wrong, for the person who started the job. Only what was raised as a sentence; other text may be data."""
    if isinstance(error, MemoryError):
        return "Memory ran out. Try again with fewer rows or a smaller model."
    if is_disk_full(error):
        return DISK_FULL
    if isinstance(error, InWords):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    where = Path(frames[-1].filename).stem if frames else "an extension"
    return f"An unexpected problem ({type(error).__name__} in {where}). The job's log shows where."


def for_the_log(error: BaseException | None) -> str:
    """Where an exception came from. What its message quotes is masked: it may be a person's data."""
    parts = []
    while error is not None:
        message = _masked((str(error).splitlines() or [""])[0])
        parts.append("".join(traceback.format_tb(error.__traceback__)) + f"{type(error).__name__}: {message}")
        error = error.__cause__ or error.__context__
    return "\nwhich followed from\n".join(parts)


def _masked(message: str) -> str:
    """A message without what it quotes, and without numbers."""
    parts, place = [], 0
    for mark in QUOTE_OR_NUMBER.finditer(message):
        if mark.start() < place:
            continue
        end = mark.end() if mark[0].isdecimal() else message.find(mark[0], mark.end()) + 1
        if end:  # else nothing is quoted: it is the mark of "can't"
            parts += message[place : mark.start()], "…"
            place = end
    return "".join([*parts, message[place:]])


class WithoutData(logging.Filter):
    """Lets a record with an exception pass with what `for_the_log` says of it in place of its traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info:
            record.msg, record.args = f"{record.getMessage()}\n{for_the_log(record.exc_info[1])}", ()
            record.exc_info = record.exc_text = None
        return True
