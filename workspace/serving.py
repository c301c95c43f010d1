"""A process that serves: everything temporary lies in its workspace, and it ends soon after it is told to."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from workspace.ingest.process import Readers
from workspace.storage.files import ABANDONED_S, Files

FRESH_S = ABANDONED_S / 24


@contextmanager
def temporary_files_in(files: Files) -> Iterator[None]:
    """What any library of this process writes for a moment holds real rows too: it lies where it is cleared away.

    The web server, for one, keeps the uploads that it receives in the system's folder for temporary files.
    """
    before, ended = tempfile.tempdir, threading.Event()
    with files.incoming() as folder:
        tempfile.tempdir = str(folder)
        threading.Thread(target=_keep, args=(folder, ended), name="temporary-files", daemon=True).start()
        try:
            yield
        finally:
            ended.set()
            tempfile.tempdir = before


def _keep(folder: Path, ended: threading.Event) -> None:
    """Show servers on other machines that share the workspace that the folder is in use, however quiet it is here."""
    while not ended.wait(FRESH_S):
        folder.mkdir(exist_ok=True)
        os.utime(folder)


@contextmanager
def reading_ends_when_told(readers: Readers) -> Iterator[None]:
    """SIGTERM and Ctrl-C end what is being read first: the web server waits for every call that is being answered."""
    before = {}

    def told(number: int, frame: FrameType | None) -> None:
        readers.close()
        before[number](number, frame)

    # Only the main thread gets signals; elsewhere whoever started the server ends it in another way.
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            handler = signal.getsignal(number)
            if callable(handler):
                before[number] = handler
                signal.signal(number, told)
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is told:
                signal.signal(number, handler)
