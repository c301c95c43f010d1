"""Synthetic tables as files, streamed from disk: a download never passes through a page's session."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import FileResponse

from workspace.workspace import NotFound

router = APIRouter()

Format = Literal["csv", "parquet", "jsonl", "xlsx"]
MEDIA_TYPES: dict[Format, str] = {
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "jsonl": "application/jsonl",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


@router.get("/runs/{run_id}/synthetic.{format}")
def download(request: Request, run_id: str, format: Format) -> FileResponse:
    """One run's synthetic rows, with the columns, dtypes and date formats of the upload."""
    workspace = request.app.state.workspace
    try:
        run = workspace.run(run_id)
        dataset = workspace.dataset(run.dataset_id)
    except NotFound as error:
        raise HTTPException(404, str(error)) from error
    stem = dataset.name.rsplit("/", 1)[-1].split(".")[0] or "table"
    return FileResponse(
        workspace.export(run_id, format),
        media_type=MEDIA_TYPES[format],
        filename=f"{stem}-synthetic-{run.model}.{format}",
    )
