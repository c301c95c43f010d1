"""Who calls, what they may do, how often: keys, tokens, rate limits."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from difflib import get_close_matches
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from fastapi import Depends, Query
from fastapi.routing import APIRoute, APIWebSocketRoute
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.requests import HTTPConnection
from starlette.routing import get_route_path

from api.aliases import current_path
from api.errors import ApiError
from workspace.access.addresses import is_loopback
from workspace.access.attempts import TooManyWrongKeys
from workspace.access.callers import ANYBODY_HERE, Caller, Purpose, Refused, WrongKey
from workspace.access.links import LINK, resource_of
from workspace.catalog.rows import Batch
from workspace.settings import PERMISSIONS, Permission
from workspace.workspace import ConversationSet, Dataset, Job, NotFound, Run, Workspace

R = TypeVar("R", Dataset, Job, Run, ConversationSet, Batch)
"""A row that belongs to somebody."""
_limiter = MovingWindowRateLimiter(MemoryStorage())


# Async where nothing blocks: a trip to a thread and back costs more than these do.
async def get_workspace(connection: HTTPConnection) -> Workspace:
    return connection.app.state.workspace


Here = Annotated[Workspace, Depends(get_workspace)]


def who_calls(connection: HTTPConnection, workspace: Workspace) -> Caller:
    """The bearer of a key, token or link, or, while no key exists, whoever is on this machine.

    Raises Refused, and ApiError when too many wrong keys came from there, or when a page of another site makes the browser on this machine call.
    """
    access, query = workspace.access, connection.query_params
    if "token" in query:
        raise Refused(
            "Keys and tokens are not taken from an address, which logs and histories keep. Send X-API-Key: KEY or "
            "Authorization: Bearer TOKEN, or make a link with POST /api/links."
        )
    shown, link = _shown(connection), query.get(LINK)
    if shown:
        caller = counted(connection, workspace, shown, access.caller)
    elif link is not None:
        resource = resource_of(get_route_path(connection.scope), connection.scope["query_string"].decode("latin-1"))
        caller = counted(connection, workspace, link, lambda text: access.links.bearer(text, resource))
    elif access.guarded:
        raise Refused("Show an API key: X-API-Key: KEY, or Authorization: Bearer KEY-OR-TOKEN.")
    else:
        caller = ANYBODY_HERE
    if not caller.key_id:
        must_be_here(connection, workspace)
    return caller


def counted(connection: HTTPConnection, workspace: Workspace, shown: str, judge: Callable[[str], Caller]) -> Caller:
    """Who shows a key, token or link, as `judge` says. Wrong ones are counted by address.

    Raises Refused, and ApiError before it is judged, when too many came from there.
    """
    address = connection.client.host if connection.client else ""
    attempts = workspace.access.attempts
    try:
        attempts.check(address, shown)
    except TooManyWrongKeys as error:
        raise ApiError(429, str(error), headers={"Retry-After": str(error.wait_s)}) from error
    try:
        caller = judge(shown)
    except WrongKey:
        attempts.wrong(address, shown)
        raise
    attempts.right(address, shown)
    return caller


def _shown(connection: HTTPConnection) -> str:
    """The key or token in the headers. Raises Refused for an authorization of another kind."""
    key = connection.headers.get("x-api-key", "").strip()
    if key:
        return key
    scheme, _, text = connection.headers.get("authorization", "").strip().partition(" ")
    if not text.strip():
        return scheme
    if scheme.lower() != "bearer":
        raise Refused("Of the kinds of Authorization only Bearer is known here: Authorization: Bearer KEY-OR-TOKEN.")
    return text.strip()


def must_be_here(connection: HTTPConnection, workspace: Workspace) -> None:
    """While no key exists, only somebody on this machine may come in. Raises Refused, and ApiError.

    A relay or proxy could bring anybody here. Another site's page in the analyst's browser must not pass for the
    analyst: it could post forms to 127.0.0.1, and by pointing its own name there (DNS rebinding) read the responses.
    """
    if connection.state.relayed:
        raise ApiError(
            403,
            "This came through a relay or proxy, and no key exists: whoever reaches it could read your tables. Make a key "
            "first (UNDERSTUDY_API_KEYS, or POST /api/keys on the machine itself).",
        )
    if not is_loopback(connection.client.host if connection.client else ""):
        raise Refused("No key exists, so that only this machine itself may come in. Make a key first.")
    host = connection.headers.get("host", "")
    if not is_loopback(_hostname(host)):
        raise ApiError(
            403,
            f"Without keys, only calls to this machine's own address are answered, and {host!r} is not one. Make a key first.",
        )
    origin = connection.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != host and origin not in workspace.settings.cors_origins:
        raise ApiError(
            403, "A page of another site may not call. Add its origin to UNDERSTUDY_CORS_ORIGINS to allow it."
        )


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


async def caller_of(connection: HTTPConnection, workspace: Here) -> Caller:
    """Who calls, as `api.middleware.AuthMiddleware` found out."""
    caller = connection.state.caller
    if isinstance(caller, Exception):
        raise caller
    _count(f"call {caller.owner}", workspace.settings.call_limit)
    count_route(caller, workspace, connection.scope.get("method", "GET"), connection.scope["route"].path)
    return caller


def needs(permission: Permission) -> Callable[..., Awaitable[Caller]]:
    """A dependency that lets through who has the permission, and shows no link."""

    async def check(caller: Annotated[Caller, Depends(caller_of)]) -> Caller:
        if caller.purpose is not None:
            raise Refused("A link opens one file or follows one job, and nothing else.")
        return permitted(caller, permission)

    return check


def opens_by_link(purpose: Purpose) -> Callable[..., Awaitable[Caller]]:
    """A dependency that lets through who may read, and bearers of a link that was made for this."""

    async def check(
        caller: Annotated[Caller, Depends(caller_of)],
        link: Annotated[
            str | None,
            Query(description="What `POST /links` gave, in the place of a key; good for minutes.", examples=[None]),
        ] = None,
    ) -> Caller:
        if caller.purpose not in (None, purpose):
            raise Refused("This link was made for something else.")
        return permitted(caller, "read")

    return check


def permitted(caller: Caller, permission: Permission) -> Caller:
    """The caller. Raises ApiError when they lack the permission."""
    if not caller.may(permission):
        raise ApiError(403, f"This key may not do that: it lacks the permission {permission!r}. Use another key.")
    return caller


reads, writes, administers = needs("read"), needs("write"), needs("admin")
downloads, watches = opens_by_link("download"), opens_by_link("watch")
Reader = Annotated[Caller, Depends(reads)]
Writer = Annotated[Caller, Depends(writes)]
Admin = Annotated[Caller, Depends(administers)]
Downloader = Annotated[Caller, Depends(downloads)]
Watcher = Annotated[Caller, Depends(watches)]
NEEDED: dict[Any, Permission] = {
    reads: "read", downloads: "read", watches: "read", writes: "write", administers: "admin"
}  # fmt: skip
"""The permission that each dependency asks for."""
LINKED: dict[Any, Purpose] = {downloads: "download", watches: "watch"}
"""The links that each takes in the place of a key."""


def asks_of(route: APIRoute | APIWebSocketRoute) -> list[Any]:
    """What a route depends on, and what that depends on."""
    waiting, found = [route.dependant], []
    while waiting:
        one = waiting.pop()
        found.append(one.call)
        waiting += one.dependencies
    return found


def permission_for(route: APIRoute | APIWebSocketRoute) -> Permission | None:
    """The permission a route asks for; None: it asks for none."""
    asked = {NEEDED[one] for one in asks_of(route) if one in NEEDED}
    return max(asked, key=PERMISSIONS.index, default=None)


def route_name(method: str, path: str) -> str:
    """A call as `limits` names it, whatever its version and the names of its parameters: `POST /train`."""
    return f"{method} {re.sub(r'{[^}]*}', '{}', path.removeprefix('/api').removeprefix('/v1'))}"


def count_route(caller: Caller, workspace: Workspace, method: str, path: str) -> None:
    """Raise ApiError when somebody made this call too often."""
    name = route_name(method, path)
    for given, limit in workspace.settings.limits.items():
        if route_name(*_parts(given)) == name:
            _count(f"{name} {caller.owner}", limit)


def _parts(given: str) -> tuple[str, str]:
    """The method and the path of a name in `limits`, by today's name of the call."""
    method, _, path = given.strip().partition(" ")
    return method.upper(), current_path(path.strip().removeprefix("/api").removeprefix("/v1"))


def limit_problems(limits: Iterable[str], routes: Iterable[APIRoute | APIWebSocketRoute]) -> list[str]:
    """What is wrong with the names in `limits`, in words: calls that there are not, or that ask for no key."""
    known = {
        route_name(method, route.path): f"{method} {route.path}"
        for route in routes
        if permission_for(route) is not None
        for method in (getattr(route, "methods", None) or {"GET"})
    }
    found = []
    for given in limits:
        name = route_name(*_parts(given))
        if name not in known:
            near = get_close_matches(name, known, 1, 0)
            found.append(
                f"UNDERSTUDY_LIMITS names {given!r}, which is no call that asks for a key; "
                f"the nearest is {known[near[0]]!r}."
            )
    return found


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
