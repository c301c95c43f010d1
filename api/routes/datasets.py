"""Tables over HTTP: uploaded, described, corrected, paged through, deleted."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Depends, File, Form, Path, Query, UploadFile
from pydantic import BaseModel, Field

from api.errors import Stop
from api.schemas.requests import SESSION, SessionId
from api.schemas.responses import DatasetOut, Limit, Offset, Page
from api.security import Here, Reader, Writer, seen_by
from api.table_source import take
from synth import Schema
from synth.schema.profile import ColumnProfile
from workspace.catalog.rows import new_id
from workspace.ingest.ingest import ReadError, ReadOptions
from workspace.tables.preflight import Finding
from workspace.tables.samples import Sample
from workspace.workspace import Dataset

router = APIRouter(tags=["Tables"])
HOLDOUT = "Share of the rows to lock away from generators; unset: as the settings have it."


def dataset_of(dataset_id: str, caller: Reader, workspace: Here) -> Dataset:
    return seen_by(caller, workspace.datasets.get(dataset_id), "dataset")


def own_dataset(dataset_id: str, caller: Writer, workspace: Here) -> Dataset:
    return seen_by(caller, workspace.datasets.get(dataset_id), "dataset")


Seen = Annotated[Dataset, Depends(dataset_of)]
Owned = Annotated[Dataset, Depends(own_dataset)]


class Uploaded(BaseModel):
    """What became of the files of one upload."""

    session: str = Field(description="Deletes all of it: `DELETE /cleanup/{session}`.", examples=["9d1f0c2b8a3e4f57"])
    datasets: list[DatasetOut] = Field(description="The tables that could be read.")
    failed: dict[str, str] = Field(
        description="Files that could not be read, and why.", examples=[{"empty.csv": "The file is empty."}]
    )


@router.post("/datasets", status_code=201)
def upload(
    caller: Writer,
    workspace: Here,
    files: Annotated[
        list[UploadFile], File(description="CSV, TSV, JSON, Parquet or Excel, gzipped or not; several at once.")
    ],
    options: Annotated[str | None, Form(description="How to read them, as JSON; unset: detected.")] = None,
    holdout_share: Annotated[float | None, Form(ge=0, lt=1, description=HOLDOUT, examples=[0.2])] = None,
    session: Annotated[SessionId | None, Form(description=SESSION, examples=["monday-trial"])] = None,
) -> Uploaded:
    """Upload tables. One that cannot be read does not lose the others; 422 when none could be."""
    read = ReadOptions.model_validate(_json(options, "options")) if options else None
    uploaded = Uploaded(session=session or new_id(), datasets=[], failed={})
    for file in files:
        try:
            choices = {"options": read, "holdout_share": holdout_share, "session": uploaded.session}
            dataset = take(file, caller, workspace, **choices)
            uploaded.datasets.append(DatasetOut.of(dataset))
        except ReadError as error:
            uploaded.failed[file.filename or "table"] = str(error)
    if not uploaded.datasets:
        raise Stop(422, " ".join(uploaded.failed.values()), "files")
    return uploaded


router.post("/upload", status_code=201, summary="Upload tables (the same as POST /datasets)")(upload)


@router.get("/samples")
def samples(caller: Reader, workspace: Here) -> list[Sample]:
    """The tables that come with the app, to try it with."""
    return workspace.datasets.samples()


@router.post("/samples/{name}", status_code=201)
def add_sample(
    name: Annotated[str, Path(description="Name of a table that comes with the app.", examples=["adult"])],
    caller: Writer,
    workspace: Here,
) -> DatasetOut:
    """Bring in a table that comes with the app, as if it were uploaded."""
    return DatasetOut.of(workspace.datasets.add_sample(name, owner=caller.owner))


@router.get("/datasets")
def list_datasets(
    caller: Reader,
    workspace: Here,
    limit: Limit = 100,
    offset: Offset = 0,
) -> list[DatasetOut]:
    """The caller's tables, newest first."""
    return [DatasetOut.of(dataset) for dataset in workspace.datasets.find(caller.owner)[offset : offset + limit]]


@router.get("/datasets/{dataset_id}")
def one_dataset(dataset: Seen) -> DatasetOut:
    """One table."""
    return DatasetOut.of(dataset)


@router.delete("/datasets/{dataset_id}", status_code=204)
def delete_dataset(dataset: Owned, workspace: Here) -> None:
    """Delete a table with its models, results and jobs, every byte of them."""
    workspace.datasets.delete(dataset.id)


@router.get("/datasets/{dataset_id}/schema")
def schema(dataset: Seen) -> Schema:
    """Kinds, roles and formats of the columns."""
    return dataset.schema


@router.patch("/datasets/{dataset_id}/schema")
def change_schema(schema: Schema, dataset: Owned, workspace: Here) -> Schema:
    """Change columns: name those that change; the others stay as they are."""
    changed = {column.name: column for column in schema}
    unknown = sorted(set(changed) - set(dataset.schema.names))
    if unknown:
        raise Stop(422, f"There is no column {', '.join(map(repr, unknown))} in this table.", "columns")
    columns = [changed.get(column.name, column) for column in dataset.schema]
    return workspace.datasets.set_schema(dataset.id, dataset.schema.model_copy(update={"columns": columns})).schema


@router.get("/datasets/{dataset_id}/rows")
def rows(
    dataset: Seen,
    workspace: Here,
    offset: Annotated[int, Query(ge=0, le=2**53)] = 0,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
) -> Page:
    """A page of the real table."""
    table = workspace.datasets.rows(dataset.id, offset, limit)
    values = json.loads(table.to_json(orient="values", date_format="iso"))
    return Page(columns=list(table.columns), rows=values, offset=offset, total=dataset.rows)


@router.get("/datasets/{dataset_id}/profile")
def profile(dataset: Seen, workspace: Here) -> list[ColumnProfile]:
    """What each column holds: missing, distinct, range, top values, histogram."""
    return workspace.datasets.profiles(dataset.id)


@router.get("/datasets/{dataset_id}/preflight")
def preflight(dataset: Seen, workspace: Here) -> list[Finding]:
    """What in this table will hurt, and the column that would mend it."""
    return workspace.datasets.preflight(dataset.id)


def _json(text: str, field: str):
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise Stop(422, f"{field} is not JSON: {error.msg} at character {error.pos}.", field) from error


class Cleaned(BaseModel):
    """What was deleted."""

    datasets: int = Field(description="Tables, with their holdouts.", examples=[1])
    runs: int = Field(description="Synthetic tables, with their models and scores.", examples=[2])
    talks: int = Field(description="Sets of conversations.", examples=[0])
    jobs: int = Field(description="Jobs, with their logs; those that ran were ended.", examples=[3])


@router.delete("/cleanup/{session}")
def clean_up(session: SessionId, caller: Writer, workspace: Here) -> Cleaned:
    """Delete every byte of a session: uploads, holdouts, models, outputs, scores. A dataset's id is one of its own."""
    return Cleaned(**workspace.sessions.delete(session, caller.owner))
