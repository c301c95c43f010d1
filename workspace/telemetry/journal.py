"""What the API was asked: a line of JSON a call, in a file that rotates. No bodies, no values, no keys."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from workspace.settings import Settings

LINE_BYTES = 2000
"""More than a line takes."""


class Journal:
    """The API's log, `logs/api.jsonl` in the workspace."""

    def __init__(self, settings: Settings):
        self.file = settings.workspace / "logs" / "api.jsonl"
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self._least = logging.getLevelNamesMapping()[settings.log_level]
        self._handler = RotatingFileHandler(
            self.file, maxBytes=settings.log_mb * 2**20, backupCount=settings.log_files, encoding="utf-8", delay=True
        )

    def write(self, level: int, **said: Any) -> None:
        """Add a line, unless it matters less than the settings ask for."""
        if level >= self._least:
            line = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": logging.getLevelName(level)}
            self._handler.handle(logging.makeLogRecord({"msg": json.dumps(line | said, ensure_ascii=False)}))

    def last(self, lines: int, **having: str) -> list[dict[str, Any]]:
        """The last lines in which each field of `having` has that value."""
        found = []
        for line in reversed(_tail(self.file, 50 * lines)):
            said = _said(line)
            if said is not None and all(said.get(name) == value for name, value in having.items()):
                found.append(said)
                if len(found) == lines:
                    break
        return found[::-1]

    def close(self) -> None:
        self._handler.close()


def _said(line: str) -> dict[str, Any] | None:
    """What a line says; None for one that was cut as the server ended, or is none of ours."""
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _tail(file: Path, lines: int) -> list[str]:
    if not file.is_file():
        return []
    with file.open("rb") as log:
        size = file.stat().st_size
        log.seek(max(0, size - lines * LINE_BYTES))
        found = log.read().decode("utf-8", "replace").splitlines()
    # The first may be cut.
    return found if size <= lines * LINE_BYTES else found[1:]
