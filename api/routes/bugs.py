"""Bug reports over HTTP."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import Field

from api.schemas.requests import RequestBody
from api.schemas.responses import Limit, Offset, ResponseBody
from api.security import Here, Reader, seen_by

router = APIRouter(tags=["Server"])


class BugRequest(RequestBody):
    """What went wrong."""

    text: str = Field(
        min_length=1,
        max_length=20_000,
        description="What you did, what you expected, what came. Names, addresses and numbers of people are taken out.",
        examples=["I asked for 10 rows and got 9."],
    )
    job_id: str | None = Field(
        None, description="The job it is about: the last lines of its log come along.", examples=["0f1e2d3c4b5a6978"]
    )


class BugResponse(ResponseBody):
    """A report, as it is kept."""

    id: str = Field(description="Names the report.", examples=["7c9a3d2f48605b1e"])
    created: datetime = Field(description="When it was reported.", examples=["2026-01-01T08:00:00Z"])
    text: str = Field(description="The report, personal data taken out.", examples=["I asked for 10 rows and got 9."])
    versions: dict[str, str] = Field(description="What the server runs on.", examples=[{"python": "3.11.7"}])
    log: list[str] = Field(
        description="The reporter's last calls and the job's last lines.",
        examples=[['{"method": "POST", "route": "/train", "status": 202}']],
    )


@router.post("/bugs", status_code=201)
def report_bug(body: BugRequest, caller: Reader, workspace: Here) -> BugResponse:
    """Report a bug. Kept on this server, with its versions and the last lines of its log; nothing is sent anywhere."""
    log = ""
    if body.job_id is not None:
        log = workspace.jobs.log_tail(seen_by(caller, workspace.jobs.get(body.job_id)).id)
    return BugResponse.model_validate(workspace.bugs.report(body.text, caller.owner, log))


@router.get("/bugs")
def list_bugs(
    caller: Reader,
    workspace: Here,
    limit: Limit = 20,
    offset: Offset = 0,
) -> list[BugResponse]:
    """The caller's reports, newest first; with the permission admin everybody's."""
    reports = workspace.bugs.find(None if caller.may("admin") else caller.owner)
    return [BugResponse.model_validate(bug) for bug in reports[offset : offset + limit]]
