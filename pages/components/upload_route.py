"""Where browsers send the files chosen on a page: straight to disk, past Streamlit, which would keep them in memory.

Streamlit's own route stays in charge: it looks for the page's token and session before anything is read, and keeps a
record of the file without its bytes. So a file ends where Streamlit's record of it does.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import streamlit as st
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.runtime import get_instance
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.typing import UploadedFile

from synth.linear import within
from workspace.ingest.ingest import ReadError
from workspace.storage.uploads import TooMuch, Upload
from workspace.telemetry.failures import DISK_FULL, is_disk_full
from workspace.workspace import Workspace

log = logging.getLogger("understudy.pages")

ROUTE = within(r"/_stcore/upload_file/([^/]{1,200})/([^/]{1,200})$")
PIECE = 2**20
"""Bytes that are written at once."""
ONE_FILE = "Expected a form with one file."
SWEEP_S = 2.0
"""Seconds between two looks for files whose session or record is gone."""


class UploadsToDisk:
    """Takes the bytes out of the uploads to Streamlit's route, and keeps them on disk."""

    def __init__(self, app: ASGIApp, workspace: Callable[[], Workspace]):
        self.app, self._workspace = app, workspace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = ROUTE.search(scope["path"]) if scope["type"] == "http" else None
        if found is None or scope["method"] not in ("PUT", "DELETE"):
            await self.app(scope, receive, send)
        elif scope["method"] == "PUT":
            await _Arrival(self._workspace(), found[1], found[2], scope, receive, send).run(self.app)
        else:
            await self._delete(found[1], found[2], scope, receive, send)

    async def _delete(self, session: str, name: str, scope: Scope, receive: Receive, send: Send) -> None:
        async def watched(message: Message) -> None:
            if message.get("status") == 204:
                await run_in_threadpool(self._workspace().files.uploads.discard, session, name)
            await send(message)

        await self.app(scope, receive, watched)


class _Form:
    """A multipart form read as it arrives: what is around its one file, and the bytes of the file, apart."""

    def __init__(self, boundary: bytes):
        self._boundary, self._parts = boundary, 0
        self._name = self._value = b""
        self.around, self.content = bytearray(), bytearray()
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin_part,
                "on_header_field": self._add_to_name,
                "on_header_value": self._add_to_value,
                "on_header_end": self._end_header,
                "on_headers_finished": self._end_line,
                "on_part_data": self._add_content,
                "on_part_end": self._end_line,
                "on_end": self._end,
            },
        )

    def read(self, data: bytes, *, last: bool) -> None:
        """Raises FormParserError or HTTPException where this is no such form."""
        self._parser.write(data)
        if last:
            self._parser.finalize()

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > 1:
            raise HTTPException(400, ONE_FILE)
        self.around += b"--" + self._boundary + b"\r\n"

    def _add_to_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _add_to_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self.around += self._name + b": " + self._value + b"\r\n"
        self._name = self._value = b""

    def _add_content(self, data: bytes, start: int, end: int) -> None:
        self.content += data[start:end]

    def _end_line(self) -> None:
        self.around += b"\r\n"

    def _end(self) -> None:
        self.around += b"--" + self._boundary + b"--\r\n"


class _Arrival:
    """A file on its way: what Streamlit reads is the same form with nothing in the file."""

    def __init__(self, workspace: Workspace, session: str, name: str, scope: Scope, receive: Receive, send: Send):
        self._uploads, self._settings = workspace.files.uploads, workspace.settings
        self._session, self._name = session, name
        self._scope, self._receive, self._send = scope, receive, send
        self._upload: Upload | None = None
        self._form: _Form | None = None

    async def run(self, app: ASGIApp) -> None:
        # Streamlit would hold the length against its own limit; ours is the one that is set.
        headers = [(name, value) for name, value in self._scope["headers"] if name != b"content-length"]
        try:
            await app({**self._scope, "headers": headers}, self._read, self._answer)
        except ClientDisconnect:
            log.info("An upload was cut off; what had arrived is deleted.")
        finally:
            if self._upload is not None and not self._upload.complete:
                await run_in_threadpool(self._uploads.discard, self._session, self._name)

    async def _read(self) -> Message:
        """Read on, write what belongs to the file, and pass on the form around it."""
        with _in_words():
            # Streamlit reads only once it has found the page's token and session to be right.
            if self._upload is None or self._form is None:
                self._form, self._upload = self._expected(), await self._begin()
            form = self._form
            message = await self._receive()
            if message["type"] == "http.disconnect":
                return message
            more = message.get("more_body", False)
            form.read(message.get("body", b""), last=not more)
            if len(form.content) >= PIECE or not more:
                data, form.content = bytes(form.content), bytearray()
                await run_in_threadpool(
                    self._uploads.write, self._session, self._upload, data, self._settings.max_upload_mb
                )
        around, form.around = bytes(form.around), bytearray()
        return {"type": "http.request", "body": around, "more_body": more}

    def _expected(self) -> _Form:
        headers, most_mb = Headers(scope=self._scope), self._settings.max_upload_mb
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > most_mb * 2**20 + PIECE:
            raise TooMuch(f"The file is larger than {most_mb:,} MB. Split it, or raise UNDERSTUDY_MAX_UPLOAD_MB.")
        boundary = parse_options_header(headers.get("content-type"))[1].get(b"boundary")
        if not boundary:
            raise HTTPException(400, ONE_FILE)
        return _Form(boundary)

    async def _begin(self) -> Upload:
        most = self._settings.max_waiting_files
        return await run_in_threadpool(self._uploads.begin, self._session, self._name, most)

    async def _answer(self, message: Message) -> None:
        # Before the browser hears of it, since its next step asks for the file.
        if message.get("status") == 204 and self._upload is not None:
            await run_in_threadpool(self._upload.finish)
        await self._send(message)


@contextmanager
def _in_words() -> Iterator[None]:
    """Answer with a sentence where a file cannot be taken."""
    try:
        yield
    except TooMuch as error:
        raise HTTPException(413, str(error)) from error
    except FormParserError as error:
        raise HTTPException(400, f"The form cannot be read: {error}.") from error
    except OSError as error:
        if is_disk_full(error):
            raise HTTPException(503, DISK_FULL) from error
        raise


def upload_path(workspace: Workspace, file: UploadedFile) -> Path:
    """Where the bytes of a chosen file lie. Raises ReadError when they are gone."""
    uploads = workspace.files.uploads
    context = get_script_run_ctx()
    session = context.session_id if context else ""
    path = uploads.find(session, file.file_id)
    if path is None and file.size:
        # A server without this route in front of it keeps the bytes in memory.
        upload = uploads.begin(session, file.file_id, workspace.settings.max_waiting_files)
        upload.write(file.getvalue())
        upload.finish()
        path = upload.path
    if path is None or not path.exists():
        raise ReadError("The file is no longer here. Remove it and choose it again.")
    return path


def forget_upload(workspace: Workspace, file: UploadedFile) -> None:
    """Delete the bytes of a chosen file, which was added."""
    context = get_script_run_ctx()
    workspace.files.uploads.discard(context.session_id if context else "", file.file_id)


async def sweep_uploads(workspace: Workspace) -> None:
    """Delete the files whose record Streamlit no longer has, and those of sessions that have ended, again and again."""
    runtime = get_instance()
    seen: dict[str, float] = {}

    def wanted(session: str, name: str) -> bool:
        now = time.monotonic()
        if runtime.is_active_session(session):
            seen[session] = now
        # A browser that lost its line may come back to its session for so long.
        lasts_s = st.get_option("server.disconnectedSessionTTL")
        return now - seen.setdefault(session, now) <= lasts_s and bool(
            runtime.uploaded_file_mgr.get_files(session, [name])
        )

    while True:
        await asyncio.sleep(SWEEP_S)
        await run_in_threadpool(workspace.files.uploads.keep_only, wanted)
