"""Synthetic tables as files, streamed from disk: a download never passes through a page's session."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse

from api.access import Here
from api.errors import Stop
from api.jobs import SeenRun
from workspace.images import NoImages

router = APIRouter(tags=["Jobs and runs"])

Format = Literal["csv", "parquet", "jsonl", "xlsx"]
MEDIA_TYPES: dict[Format, str] = {
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "jsonl": "application/jsonl",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
SAFE = "Put an apostrophe before cells that a spreadsheet would run as formulas."


@router.get("/runs/{run_id}/synthetic.{format}", response_class=FileResponse)
def file_of_run(
    run: SeenRun, workspace: Here, format: Format, spreadsheet_safe: Annotated[bool, Query(description=SAFE)] = False
) -> FileResponse:
    """One run's synthetic rows, with the columns, dtypes and date formats of the upload. Ranges and ETags work."""
    stem = _stem(workspace.dataset(run.dataset_id).name)
    return FileResponse(
        workspace.export(run.id, format, spreadsheet_safe=spreadsheet_safe),
        media_type=MEDIA_TYPES[format],
        filename=f"{stem}-synthetic-{run.model}.{format}",
    )


@router.get("/download/{run_id}", response_class=FileResponse)
def download(
    run: SeenRun,
    workspace: Here,
    format: Annotated[Format, Query()] = "csv",
    spreadsheet_safe: Annotated[bool, Query(description=SAFE)] = False,
) -> FileResponse:
    """The same, with the format as a parameter."""
    return file_of_run(run, workspace, format, spreadsheet_safe)


ReportFormat = Literal["html", "json", "csv", "zip"]
REPORT_TYPES: dict[ReportFormat, str] = {
    "html": "text/html; charset=utf-8",
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "zip": "application/zip",
}


@router.get("/runs/{run_id}/report.{format}", response_class=FileResponse)
def report_of_run(run: SeenRun, workspace: Here, format: ReportFormat) -> FileResponse:
    """How a run was judged: a page that needs no network, its values, its scores, or a PNG of each chart (zip)."""
    try:
        file = workspace.report(run.id, format)
    except NoImages as error:
        raise Stop(503, str(error)) from error
    stem = _stem(workspace.dataset(run.dataset_id).name)
    return FileResponse(file, media_type=REPORT_TYPES[format], filename=f"{stem}-report-{run.model}.{format}")


def _stem(name: str) -> str:
    """An upload's name without folders and endings, for naming what comes of it."""
    return name.rsplit("/", 1)[-1].split(".")[0] or "table"
