"""Answers that are files, whole or in parts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastapi.responses import FileResponse
from starlette.types import Message, Receive, Scope, Send

from api.errors import Problem, answer

BINARY = {"schema": {"type": "string", "format": "binary"}}
OBJECT = {"schema": {"type": "object"}}


class File(FileResponse):
    """A file, streamed, with ETag and ranges; a range it does not have is refused with the usual error."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
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


def file_answers(types: Iterable[str]) -> dict[int | str, dict[str, Any]]:
    """How a call that answers with a file describes its answers."""
    plain = [kind.partition(";")[0] for kind in types]
    content = {kind: OBJECT if kind == "application/json" else BINARY for kind in plain}
    return {
        200: {"description": "The file.", "content": content},
        206: {"description": "The part that was requested.", "content": content},
        416: {"description": "It has no such part.", "model": Problem},
    }
