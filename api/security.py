"""Who calls, what they may do, how often: keys, tokens, rate limits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

from fastapi import Depends
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.requests import HTTPConnection

from api.errors import ApiError
from workspace.access.keys import ANYBODY_HERE, Caller, Refused, is_loopback
from workspace.catalog.rows import Batch
from workspace.settings import Permission
from workspace.workspace import ConversationSet, Dataset, Job, NotFound, Run, Workspace

R = TypeVar("R", Dataset, Job, Run, ConversationSet, Batch)
"""A row that belongs to somebody."""
_limiter = MovingWindowRateLimiter(MemoryStorage())


# Async where nothing blocks: a trip to a thread and back costs more than these do.
async def get_workspace(connection: HTTPConnection) -> Workspace:
    return connection.app.state.workspace


Here = Annotated[Workspace, Depends(get_workspace)]


def who_calls(connection: HTTPConnection, workspace: Workspace) -> Caller:
    """The bearer of a key or token, or, while no key exists, whoever is on this machine.

    Raises Refused, and ApiError when a page of another site makes the browser on this machine call.
    """
    shown = connection.headers.get("x-api-key") or connection.headers.get("authorization", "").removeprefix("Bearer ")
    # A link in a page cannot set a header; its token is good for minutes.
    shown = shown.strip() or connection.query_params.get("token", "")
    if shown:
        return workspace.access.caller(shown)
    if workspace.access.guarded or not is_loopback(connection.client.host if connection.client else ""):
        raise Refused("Show an API key: X-API-Key: KEY, or Authorization: Bearer KEY-OR-TOKEN.")
    _check_site(connection, workspace)
    return ANYBODY_HERE


def _check_site(connection: HTTPConnection, workspace: Workspace) -> None:
    """Where no key is needed, another site's page in the analyst's browser must not pass for the analyst.

    It could post forms to 127.0.0.1, and by pointing its own name there (DNS rebinding) read the responses.
    """
    host = connection.headers.get("host", "")
    if not is_loopback(urlsplit(f"//{host}").hostname or ""):
        raise ApiError(
            403,
            f"Without keys, only calls to this machine's own address are answered, and {host!r} is not one. Make a key first.",
        )
    origin = connection.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != host and origin not in workspace.settings.cors_origins:
        raise ApiError(
            403, "A page of another site may not call. Add its origin to UNDERSTUDY_CORS_ORIGINS to allow it."
        )


async def caller_of(connection: HTTPConnection, workspace: Here) -> Caller:
    """Who calls, as `api.middleware.AuthMiddleware` found out."""
    caller = connection.state.caller
    if isinstance(caller, Exception):
        raise caller
    _count(f"call {caller.owner}", workspace.settings.call_limit)
    return caller


def needs(permission: Permission) -> Callable[..., Awaitable[Caller]]:
    """A dependency that lets through who has the permission."""

    async def check(caller: Annotated[Caller, Depends(caller_of)]) -> Caller:
        if not caller.may(permission):
            raise ApiError(403, f"This key may not do that: it lacks the permission {permission!r}. Use another key.")
        return caller

    return check


Reader = Annotated[Caller, Depends(needs("read"))]
Writer = Annotated[Caller, Depends(needs("write"))]
Admin = Annotated[Caller, Depends(needs("admin"))]


def make_room(caller: Caller, workspace: Workspace, jobs: int = 1) -> None:
    """Raise ApiError when somebody starts too many jobs an hour, or has too many that wait or run."""
    _count(f"start {caller.owner}", workspace.settings.start_limit, jobs)
    most = workspace.settings.max_queued
    waiting = workspace.jobs.unfinished(caller.owner)
    if waiting + jobs > most:
        raise ApiError(
            429,
            f"{waiting} of your jobs wait or run; {jobs} more would exceed the limit of {most}. Wait for some to end.",
            headers={"Retry-After": "10"},
        )


def _count(name: str, limit: str, cost: int = 1) -> None:
    item = parse(limit)
    if not _limiter.hit(item, name, cost=cost):
        reset = _limiter.get_window_stats(item, name).reset_time
        wait_s = max(1, round(reset - datetime.now().timestamp()))
        raise ApiError(
            429, f"That was more than {limit}. Try again in {wait_s} s.", headers={"Retry-After": str(wait_s)}
        )


def seen_by(caller: Caller, row: R) -> R:
    """A row if the caller may see it. Raises NotFound, as if it were not there, so that ids cannot be guessed."""
    if row.owner != caller.owner and not caller.may("admin"):
        raise NotFound(f"There is no {row.word} {row.id!r} here. It may have been deleted.")
    return row


def must_be_guarded(address: str, workspace: Workspace) -> None:
    """Refuse to serve an address beyond this machine without authentication. Raises SystemExit, which says how."""
    if not is_loopback(address) and not workspace.access.guarded:
        raise SystemExit(
            f"Understudy will not listen on {address or 'every address'} without authentication: anybody there could read your tables.\n"
            "Set UNDERSTUDY_API_KEYS=key:name:admin with a key of your own (python -c 'import secrets; "
            "print(secrets.token_urlsafe(32))'), or listen on 127.0.0.1."
        )
