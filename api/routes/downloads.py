"""Synthetic tables and reports as files, streamed from disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Path, Query

from api.errors import ApiError
from api.files import File, file_answers
from api.routes.conversations import SpreadsheetSafe, download_conversations
from api.routes.parameters import RunId
from api.security import Downloader, Here, seen_by
from workspace.services.images import NoImages
from workspace.services.reports import ReportFormat
from workspace.tables.formats import FORMATS, Format
from workspace.workspace import NotFound, Run

router = APIRouter(tags=["Jobs and runs"])
T = TypeVar("T")
MEDIA_TYPES: dict[Format, str] = {**FORMATS, "csv": "text/csv; charset=utf-8"}
TABLE = file_answers(MEDIA_TYPES.values())


def linked_run(run_id: RunId, caller: Downloader, workspace: Here) -> Run:
    return seen_by(caller, workspace.runs.get(run_id))


LinkedRun = Annotated[Run, Depends(linked_run)]


@router.get("/runs/{run_id}/synthetic.{format}", response_class=File, responses=TABLE)
def download_run(
    run: LinkedRun,
    workspace: Here,
    format: Annotated[Format, Path(description="The format of the file.", examples=["csv"])],
    spreadsheet_safe: SpreadsheetSafe = False,
) -> File:
    """One run's synthetic rows, with the columns, dtypes and date formats of the upload. Ranges and ETags work."""
    stem = _stem(workspace.datasets.get(run.dataset_id).name)
    return File(
        workspace.runs.export(run.id, format, spreadsheet_safe=spreadsheet_safe),
        media_type=MEDIA_TYPES[format],
        filename=f"{stem}-synthetic-{run.model}.{format}",
    )


@router.get("/download/{id}", response_class=File, responses=TABLE)
def download(
    id: Annotated[
        str, Path(description="A run, the job that made one, or a conversation set.", examples=["8a1f0c2b9d3e4f56"])
    ],
    caller: Downloader,
    workspace: Here,
    format: Annotated[
        Format | None, Query(description="Unset: the format that the job was given, or CSV.", examples=["csv"])
    ] = None,
    spreadsheet_safe: SpreadsheetSafe = False,
) -> File:
    """What a job made, as a file. Ranges and ETags work."""
    job = _found(workspace.jobs.get, id)
    if job is not None:
        seen_by(caller, job)
        id = job.run_id or job.arguments.get("talk") or ""
        if not id:
            raise ApiError(409, f"Job {job.id} is {job.state} and has made nothing yet. Wait until it is done.")
    conversations = _found(workspace.conversations.get, id)
    if conversations is not None:
        seen_by(caller, conversations)
        if format not in (None, "csv", "parquet"):
            raise ApiError(
                422,
                f"Conversations are not written as {format}. See GET /conversations/{conversations.id}/file.",
                "format",
            )
        return download_conversations(conversations, workspace, format or "csv", spreadsheet_safe)
    run = seen_by(caller, workspace.runs.get(id))
    job = job or (_found(workspace.jobs.get, run.job_id) if run.job_id else None)
    chosen = job.arguments.get("format") if job is not None else None
    return download_run(run, workspace, format or chosen or "csv", spreadsheet_safe)


def _found(get: Callable[[str], T], id: str) -> T | None:
    try:
        return get(id)
    except NotFound:
        return None


REPORT_TYPES: dict[ReportFormat, str] = {
    "html": "text/html; charset=utf-8",
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "zip": "application/zip",
}


@router.get("/runs/{run_id}/report.{format}", response_class=File, responses=file_answers(REPORT_TYPES.values()))
def download_report(
    run: LinkedRun,
    workspace: Here,
    format: Annotated[ReportFormat, Path(description="The format of the report.", examples=["html"])],
) -> File:
    """The evaluation of a run: a page that needs no network, its values, its scores, or a PNG of each chart (zip)."""
    try:
        file = workspace.reports.write(run.id, format)
    except NoImages as error:
        raise ApiError(503, str(error)) from error
    stem = _stem(workspace.datasets.get(run.dataset_id).name)
    return File(file, media_type=REPORT_TYPES[format], filename=f"{stem}-report-{run.model}.{format}")


def _stem(name: str) -> str:
    """An upload's name without folders and endings, for naming what comes of it."""
    return name.rsplit("/", 1)[-1].split(".")[0] or "table"
