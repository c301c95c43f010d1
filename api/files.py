"""Answers that are files, whole or in parts."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from fastapi.responses import FileResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from api.errors import Problem, answer
from synth.linear import within

BINARY = {"schema": {"type": "string", "format": "binary"}}
OBJECT = {"schema": {"type": "object"}}
TAGS = within(r'(?:W/)?("[^"]{0,200}")')
SAID_AGAIN = ("etag", "last-modified", "accept-ranges")
"""What 304 says of the file that a client has."""


class File(FileResponse):
    """A file, streamed, with ETag and ranges; a range it does not have is refused with the usual error.

    Who has it already, as `If-None-Match` says, gets 304 and no byte.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("state", {}).get("head"):
            scope = {**scope, "method": "HEAD"}
        if self.stat_result is None:
            self.stat_result = await run_in_threadpool(os.stat, self.path)
            self.set_stat_headers(self.stat_result)
        known = Headers(scope=scope).getlist("if-none-match")
        # It comes before a range: who has the whole file needs no part of it.
        if known and self.status_code == 200 and names_etag(", ".join(known), self.headers["etag"]):
            await Response(None, 304, {name: self.headers[name] for name in SAID_AGAIN})(scope, receive, send)
            return
        refused: Message | None = None

        async def watched(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start" and message["status"] >= 400:
                refused = message
            elif refused is None:
                await send(message)

        await super().__call__(scope, receive, watched)
        if refused is not None:
            ranges = {name.decode(): value.decode() for name, value in refused["headers"] if name == b"content-range"}
            words = "The file has no such part. Leave the Range header out to get it whole."
            await answer(refused["status"], words, "Range", ranges)(scope, receive, send)


def names_etag(known: str, etag: str) -> bool:
    """Whether a list of ETags, as `If-None-Match` has it, names this one, weakly or not; `*` names every one."""
    return known.strip() == "*" or etag in TAGS.findall(known)


def file_answers(types: Iterable[str]) -> dict[int | str, dict[str, Any]]:
    """How a call that answers with a file describes its answers."""
    plain = [kind.partition(";")[0] for kind in types]
    content = {kind: OBJECT if kind == "application/json" else BINARY for kind in plain}
    return {
        200: {"description": "The file.", "content": content},
        206: {"description": "The part that was requested.", "content": content},
        304: {"description": "The client has it, as its `If-None-Match` says."},
        416: {"description": "It has no such part.", "model": Problem},
    }
