"""Links over HTTP: what opens one file, or follows one job, where no key can be shown, as in a browser's address."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from urllib.parse import unquote, urlsplit

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field

from api.errors import ApiError
from api.schemas.requests import RequestBody
from api.schemas.responses import MOMENT
from api.security import LINKED, Here, Reader, asks_of
from workspace.access.callers import Purpose
from workspace.access.links import LONGEST_MINUTES

router = APIRouter(tags=["Access"])
LinkId = Annotated[str, Path(pattern="^[0-9a-f]{16}$", description="Names a link.", examples=["5b1e7c9a3d2f4860"])]


LINKABLE = (
    r"^/(jobs/[^/?#]+/(events|ws)|runs/[^/?#]+/(synthetic|report)\.[^/?#]+|download/[^/?#]+|conversations/[^/?#]+/file)"
    r"(\?.*)?$"
)
"""The paths that a link may open, as the description of the API has them; the routes themselves say which they are."""


class LinkRequest(RequestBody):
    """What to make a link to."""

    path: str = Field(
        max_length=2000,
        pattern="^/",
        description="A download, or the events or the WebSocket of a job, with its parameters; below /api.",
        json_schema_extra={"pattern": LINKABLE},
        examples=["/runs/8a1f0c2b9d3e4f56/synthetic.csv"],
    )
    minutes: float = Field(10, gt=0, le=LONGEST_MINUTES, description="How long it is good for.", examples=[10])


class LinkResponse(BaseModel):
    """A link."""

    id: str = Field(description="Names it, to revoke it.", examples=["5b1e7c9a3d2f4860"])
    path: str = Field(description="Where to send a GET, in the place of the path asked for.", examples=["/runs/..."])
    purpose: Purpose = Field(description="What it is good for.", examples=["download"])
    expires: datetime = Field(description="When it is no longer good.", examples=[MOMENT])


@router.post("/links", status_code=201)
def make_link(body: LinkRequest, caller: Reader, workspace: Here, request: Request) -> LinkResponse:
    """Make a link: an address that opens one file, or follows one job, without a key, until it expires.

    It shows what you may see, ends with your key, and is good for GET alone. For what a browser cannot send headers with: a
    plain link, an `EventSource`, a WebSocket.
    """
    purpose = _purpose(request, unquote(urlsplit(body.path).path))
    if purpose is None:
        raise ApiError(422, "A link opens a download, or follows a job. Name the path of one, below /api.", "path")
    link = workspace.access.links.make(caller, purpose, body.path, body.minutes)
    return LinkResponse(id=link.id, path=link.address, purpose=purpose, expires=link.expires)


@router.delete("/links/{link_id}", status_code=204)
def revoke_link(link_id: LinkId, caller: Reader, workspace: Here) -> None:
    """Revoke a link before it expires."""
    workspace.access.links.revoke(link_id)


def _purpose(request: Request, path: str) -> Purpose | None:
    """What a link to this path is good for; None: nothing opens by a link there."""
    for route in request.app.state.routes:
        if route.path_regex.match(path):
            found = next((LINKED[one] for one in asks_of(route) if one in LINKED), None)
            if found:
                return found
    return None
