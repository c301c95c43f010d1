"""Characters that no text may hold: NUL, which PostgreSQL cannot store, and halves of a character, which nothing can.

Refused wherever they come, in the path, the query, a header or the body, and whichever the catalog is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import answer
from synth.linear import within

UNFIT = within("[\0\ud800-\udfff]")
ESCAPED = within(rb"\\u(?:0000|[dD][89a-fA-F])")
"""How they come in JSON; UTF-8 cannot hold them otherwise, and a whole character may be written as two halves."""
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")


class Characters:
    """Refuses a call that holds such a character. Forms are read, and checked, by their routes."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        unfit = _in_head(scope)
        form = Headers(scope=scope).get("content-type", "").startswith(FORMS)
        if unfit is None and not form and scope.get("method", "GET") not in ("GET", "HEAD", "OPTIONS"):
            receive, unfit = await _read(receive)
        if unfit is not None:
            await answer(422, unfit_in_words(unfit), unfit or None)(scope, receive, send)
            return
        await self.app(scope, receive, send)


def unfit_in_words(field: str) -> str:
    return f"{field or 'The body'} holds a NUL character (\\u0000) or half of one (\\ud800 to \\udfff). Leave it out."


def unfit_field(value: Any) -> str | None:
    """The first part of a JSON value that holds such a character, as `order.brief.business`; None: none does."""
    return next(_unfit(value, ""), None)


def _unfit(value: Any, place: str) -> Iterator[str]:
    # Without recursion: a body may be nested more deeply than Python's stack allows.
    waiting = [(place, value)]
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, str) and UNFIT.search(value):
            yield place
        elif isinstance(value, dict):
            for name, part in value.items():
                if UNFIT.search(name):
                    yield place
                waiting.append((f"{place}.{name}" if place else name, part))
        elif isinstance(value, list):
            waiting += [(f"{place}.{number}" if place else str(number), part) for number, part in enumerate(value)]


def _in_head(scope: Scope) -> str | None:
    if UNFIT.search(scope["path"]):
        return "path"
    # Decoded strictly as UTF-8 can be: what is not UTF-8 at all becomes a replacement character, which is one.
    for pair in unquote(scope["query_string"].decode("latin-1").replace("+", " ")).split("&"):
        if UNFIT.search(pair):
            return UNFIT.split(pair.partition("=")[0])[0] or "query"
    return next((name.decode("latin-1") for name, value in scope["headers"] if b"\0" in value), None)


async def _read(receive: Receive) -> tuple[Receive, str | None]:
    """A body that was read whole, to be received again, and the field of it that is unfit."""
    messages: list[Message] = []
    while True:
        message = await receive()
        messages.append(message)
        if message["type"] != "http.request" or not message.get("more_body", False):
            break
    body = b"".join(message.get("body", b"") for message in messages)
    read = iter(messages)

    async def again() -> Message:
        return next(read, None) or await receive()

    return again, _unfit_json(body)


def _unfit_json(body: bytes) -> str | None:
    if not ESCAPED.search(body):
        return None
    try:
        return unfit_field(json.loads(body))
    except (ValueError, RecursionError):
        # The route says what is wrong with it.
        return None
