"""Calls that start work: a form is read as the JSON it stands for, and a call sent twice does its work once."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from contextlib import suppress
from hashlib import file_digest, sha256
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, SecretStr
from python_multipart.exceptions import FormParserError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect

from api.characters import unfit_field, unfit_in_words
from api.errors import ApiError
from api.security import permission_for, permitted
from synth.errors import Invalid
from workspace.access.callers import Caller
from workspace.access.idempotency import Unanswered
from workspace.workspace import Workspace

FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
FILES = ("file", "files")
MOST_FILES = 100
KEY = "Idempotency-Key"
REPEATED = "Idempotent-Replayed"

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Posting(APIRoute):
    """A route whose body is JSON or a form, the files of which are in `request.state.files`."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()
        annotation = self.body_field.field_info.annotation if self.body_field else None
        model = annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None

        async def posted(request: Request) -> Response:
            request.state.files = []
            try:
                if model is not None and request.headers.get("content-type", "").startswith(FORMS):
                    request = await _as_json(request, model)
                if KEY in request.headers:
                    return await _once(request, handle)
                return await handle(request)
            except ClientDisconnect as error:
                raise ApiError(400, "The connection was cut before all had arrived; nothing was kept.") from error
            finally:
                for file in request.state.files:
                    await file.close()

        return posted


async def _as_json(request: Request, model: type[BaseModel]) -> Request:
    """The request as it were with a body of JSON; its files go to its state."""
    try:
        form = await request.form(max_files=MOST_FILES, max_fields=1000)
    except FormParserError as error:
        raise ApiError(400, f"The form cannot be read: {error}.") from error
    texts: dict[str, list[str]] = {}
    for name, value in form.multi_items():
        if not isinstance(value, UploadFile):
            texts.setdefault(name, []).append(value)
        elif name in FILES:
            request.state.files.append(value)
        else:
            raise ApiError(422, f"A file came as {name!r}; expected {' or '.join(FILES)}.", name)
    values = {name: _value(name, given, model) for name, given in texts.items()}
    if (unfit := unfit_field(values)) is not None:
        raise ApiError(422, unfit_in_words(unfit), unfit)
    body = json.dumps(values).encode()
    raw = [
        (name, value) for name, value in request.scope["headers"] if name not in (b"content-type", b"content-length")
    ]
    raw += [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request({**request.scope, "headers": raw}, receive)


def _value(name: str, given: list[str], model: type[BaseModel]) -> Any:
    """What a form's texts for a field stand for: themselves where the field is a text, else JSON, or a list of texts."""
    field = model.model_fields.get(name)
    types = _types(field.annotation) if field else {str}
    if list[str] in types and not given[0].lstrip().startswith("["):
        return [part for text in given for part in text.split(",")]
    if len(given) > 1:
        raise ApiError(422, f"{name} came {len(given)} times; once was expected.", name)
    if types & {str, SecretStr} or not _looks_like_json(given[0]):
        return given[0]
    try:
        return json.loads(given[0])
    except json.JSONDecodeError as error:
        raise ApiError(422, f"{name} is not JSON: {error.msg} at character {error.pos}.", name) from error
    except ValueError as error:
        raise ApiError(422, f"{name} holds a number of too many digits.", name) from error


def _types(annotation: Any) -> set[Any]:
    """The types a field may have: those of its union, without what is noted about them."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return {type for part in parts for type in _types(part)}
    if origin is Annotated:
        return _types(parts[0])
    if origin is list:
        return {list[type] for type in _types(parts[0])}
    return {annotation}


def _looks_like_json(text: str) -> bool:
    text = text.strip()
    return text in ("true", "false", "null") or text[:1] in tuple('[{"-') or text[:1].isdecimal()


async def _once(request: Request, handle: Handler) -> Response:
    """Answer the first call with an `Idempotency-Key`, and the same to every later one."""
    key = request.headers[KEY]
    if not 1 <= len(key) <= 200:
        raise ApiError(422, f"An {KEY} has 1 to 200 characters; this one has {len(key)}.", KEY)
    workspace: Workspace = request.app.state.workspace
    caller: Caller = request.state.caller
    permission = permission_for(request.scope["route"])
    if permission is not None:
        # The answer to somebody who may call is nothing for another key of theirs that may not.
        permitted(caller, permission)
    owner = caller.owner
    digest = await _digest(request)
    try:
        known = await run_in_threadpool(workspace.idempotency.begin, owner, key, digest)
    except Unanswered as error:
        raise ApiError(409, str(error), KEY, headers={"Retry-After": "1"}) from error
    except Invalid as error:
        raise ApiError(422, str(error), KEY) from error
    if known is not None:
        return Response(known.body, known.status, {REPEATED: "true"}, "application/json")
    answered = False
    try:
        response = await handle(request)
        answered = response.status_code < 400
        if answered:
            await run_in_threadpool(
                workspace.idempotency.keep, owner, key, response.status_code, bytes(response.body).decode()
            )
    finally:
        if not answered:
            await run_in_threadpool(workspace.idempotency.forget, owner, key)
    return response


async def _digest(request: Request) -> str:
    """What tells this call from another: its path, its values however they are written, and the bytes of its files."""
    body = await request.body()
    # What is no JSON will be refused; until then its bytes are as good.
    with suppress(ValueError):
        body = json.dumps(json.loads(body), sort_keys=True).encode()
    digest = sha256(f"{request.method} {request.scope['route'].path}\n".encode() + sha256(body).digest())
    for file in request.state.files:
        found = await run_in_threadpool(file_digest, file.file, "sha256")
        digest.update((file.filename or "").encode() + found.digest())
        await file.seek(0)
    return digest.hexdigest()
