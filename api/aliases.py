"""Earlier names of calls and fields. They work as before until the version named, and CHANGELOG.md tells of each.

An alias lives for two minor versions. A call by its earlier path is answered with a `Deprecation` header (RFC 9745), and
with a `Link` to its successor; an earlier field is marked in the description of the API.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from starlette.datastructures import MutableHeaders
from starlette.routing import compile_path, get_route_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True)
class PathAlias:
    """An earlier path of a call."""

    old: str
    new: str
    until: str
    """The version without it."""
    since: datetime
    """When it became an alias."""

    def replaced(self, path: str) -> str | None:
        """The path under the new name; None where it is another one."""
        found = self._pattern.match(path)
        return self.new.format_map(found.groupdict()) if found else None

    @cached_property
    def _pattern(self):
        return compile_path(self.old)[0]


@dataclass(frozen=True)
class FieldAlias:
    """An earlier name of a field in an answer, which holds the same value."""

    model: str
    old: str
    new: str
    until: str


RENAMED = datetime(2026, 11, 25, tzinfo=UTC)
PATHS = (
    PathAlias("/talks", "/conversations", "0.4.0", RENAMED),
    PathAlias("/talks/{set_id}", "/conversations/{set_id}", "0.4.0", RENAMED),
    PathAlias("/talks/{set_id}/conversations", "/conversations/{set_id}/file", "0.4.0", RENAMED),
    PathAlias("/jobs/{job_id}/enough", "/jobs/{job_id}/stop-early", "0.4.0", RENAMED),
)
FIELDS = (
    FieldAlias("JobResponse", "talk_id", "set_id", "0.4.0"),
    FieldAlias("CleanupResponse", "talks", "conversations", "0.4.0"),
)


def current_path(path: str) -> str:
    """A path of a call, its parameters as they are declared, by the name that the call has now."""
    plain = re.sub(r"{[^}]*}", "{}", path)
    return next((alias.new for alias in PATHS if re.sub(r"{[^}]*}", "{}", alias.old) == plain), path)


class Aliases:
    """Answers a call by its earlier path as if it had come by the new one, and says so in the headers."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = get_route_path(scope)
        version = "/v1" if path.startswith("/v1/") else ""
        for alias in PATHS:
            new = alias.replaced(path.removeprefix(version))
            if new is not None:
                await self._answer(alias, scope, version + new, receive, send)
                return
        await self.app(scope, receive, send)

    async def _answer(self, alias: PathAlias, scope: Scope, path: str, receive: Receive, send: Send) -> None:
        path = scope.get("root_path", "") + path

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Deprecation"] = f"@{int(alias.since.timestamp())}"
                headers.append("Link", f'<{path}>; rel="successor-version"')
            await send(message)

        # In place: what is outside of this reads from the same scope which route it was.
        scope["path"], scope["raw_path"] = path, path.encode()
        await self.app(scope, receive, send_marked)
