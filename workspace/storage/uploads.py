"""Files that visitors of the pages chose and that wait to be added: on disk, so many and so large for each session."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import BinaryIO


class TooMuch(ValueError):
    """A session has too many files waiting, or a file is too large."""


class Upload:
    """A file that arrives, or has arrived and waits; it is gone after `close`."""

    def __init__(self, folder: AbstractContextManager[Path]):
        self.size = 0
        """Its bytes so far."""
        self.complete = False
        self._kept = ExitStack()
        self.path = self._kept.enter_context(folder) / "upload"
        self._file: BinaryIO = self._kept.enter_context(self.path.open("wb"))

    def write(self, data: bytes) -> None:
        self._file.write(data)

    def finish(self) -> None:
        """All has arrived."""
        self._file.close()
        self.complete = True

    def close(self) -> None:
        self._kept.close()


class Uploads:
    """The waiting files of all sessions. Any number of threads may use it.

    Sessions and files are named by others, so that no name of theirs becomes one on disk.
    """

    def __init__(self, incoming: Callable[[], AbstractContextManager[Path]]):
        """`incoming` makes a folder for what is not complete yet, which a crash does not leave behind for ever."""
        self._incoming = incoming
        self._waiting: dict[str, dict[str, Upload]] = {}
        self._lock = threading.Lock()

    def begin(self, session: str, name: str, most_files: int) -> Upload:
        """A file to write what arrives to, in the place of one of that name. Raises TooMuch."""
        self.discard(session, name)
        with self._lock:
            files = self._waiting.setdefault(session, {})
            if len(files) >= most_files:
                raise TooMuch(f"{most_files} files wait to be added already. Add or remove some, then try again.")
            files[name] = upload = Upload(self._incoming())
        return upload

    def write(self, session: str, upload: Upload, data: bytes, most_mb: int) -> None:
        """Write what arrived. Raises TooMuch, and writes nothing, where it is more than there is room for.

        A file may have `most_mb`, and all files of a session twice as much.
        """
        with self._lock:
            together = sum(one.size for one in self._waiting.get(session, {}).values()) + len(data)
            upload.size += len(data)
        if upload.size > most_mb * 2**20:
            raise TooMuch(f"The file is larger than {most_mb:,} MB. Split it, or raise UNDERSTUDY_MAX_UPLOAD_MB.")
        if together > 2 * most_mb * 2**20:
            raise TooMuch(f"{2 * most_mb:,} MB wait to be added already. Add or remove some files, then try again.")
        upload.write(data)

    def find(self, session: str, name: str) -> Path | None:
        """The file, once it is complete."""
        with self._lock:
            upload = self._waiting.get(session, {}).get(name)
        return upload.path if upload is not None and upload.complete else None

    def discard(self, session: str, name: str) -> None:
        """Delete a file, if it is there."""
        with self._lock:
            files = self._waiting.get(session, {})
            upload = files.pop(name, None)
            if not files:
                self._waiting.pop(session, None)
        if upload is not None:
            upload.close()

    def keep_only(self, wanted: Callable[[str, str], bool]) -> None:
        """Delete the files that have arrived and are no longer wanted, told by their session and name."""
        with self._lock:
            waiting = [(session, *item) for session, files in self._waiting.items() for item in files.items()]
        for session, name, upload in waiting:
            if upload.complete and not wanted(session, name):
                self.discard(session, name)
