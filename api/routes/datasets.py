"""Tables over HTTP: uploaded, described, corrected, paged through, deleted."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Annotated

from fastapi import APIRouter, Depends, File, Form, Path, Query, UploadFile
from pydantic import BaseModel, Field

from api.errors import ApiError
from api.routes.parameters import DatasetId
from api.schemas.openapi import COMPONENTS, in_form
from api.schemas.openapi import Schema as JsonSchema
from api.schemas.requests import HOLDOUT, SESSION, SessionId
from api.schemas.responses import DatasetResponse, Limit, Offset, Page
from api.security import Here, Reader, Writer, seen_by
from api.table_source import take
from synth import Schema
from synth.columns.rare import Protection
from synth.errors import given_by_the_asker
from synth.schema.profile import ColumnProfile
from workspace.catalog.rows import new_id
from workspace.ingest.ingest import ReadError, ReadOptions
from workspace.tables.preflight import Finding
from workspace.tables.samples import Sample
from workspace.workspace import Dataset

router = APIRouter(tags=["Tables"])


def dataset_of(dataset_id: DatasetId, caller: Reader, workspace: Here) -> Dataset:
    return seen_by(caller, workspace.datasets.get(dataset_id))


def own_dataset(dataset_id: DatasetId, caller: Writer, workspace: Here) -> Dataset:
    return seen_by(caller, workspace.datasets.get(dataset_id))


Seen = Annotated[Dataset, Depends(dataset_of)]
Owned = Annotated[Dataset, Depends(own_dataset)]


class UploadResponse(BaseModel):
    """The tables of one upload, and the files that are none."""

    session: str = Field(description="Deletes all of it: `DELETE /cleanup/{session}`.", examples=["9d1f0c2b8a3e4f57"])
    datasets: list[DatasetResponse] = Field(description="The tables that could be read.", examples=[[]])
    failed: dict[str, str] = Field(
        description="Files that could not be read, and why.", examples=[{"empty.csv": "The file is empty."}]
    )


def some_file(schema: JsonSchema) -> None:
    """At least one file, and none that is empty."""
    schema["minItems"] = 1
    schema["items"]["minLength"] = 1


def as_json(schema: JsonSchema) -> None:
    """A field of a form that holds JSON: options of how to read a file."""
    in_form(schema)
    schema |= {"contentMediaType": "application/json", "contentSchema": {"$ref": f"{COMPONENTS}ReadOptions"}}


@router.post("/datasets", status_code=201)
def upload(
    caller: Writer,
    workspace: Here,
    files: Annotated[
        list[UploadFile],
        File(
            description="CSV, TSV, JSON, Parquet or Excel, gzipped or not, with a header and at least one row; several "
            "at once.",
            examples=[["(the bytes of a file)"]],
            json_schema_extra=some_file,
        ),
    ],
    options: Annotated[
        str | None,
        Form(
            description="Import options, as the JSON of an object with fields of `ReadOptions`; unset: detected.",
            examples=['{"delimiter": ";"}'],
            json_schema_extra=as_json,
        ),
    ] = None,
    holdout_share: Annotated[
        float | None, Form(ge=0, lt=1, description=HOLDOUT, examples=[0.2], json_schema_extra=in_form)
    ] = None,
    session: Annotated[
        SessionId | None, Form(description=SESSION, examples=["monday-trial"], json_schema_extra=in_form)
    ] = None,
) -> UploadResponse:
    """Upload tables. One that cannot be read does not lose the others; 422 when none could be."""
    with given_by_the_asker():
        read = ReadOptions.model_validate(_json(options, "options")) if options else None
    uploaded = UploadResponse(session=session or new_id(), datasets=[], failed={})
    with ExitStack() as undo:
        for file in files:
            try:
                choices = {"options": read, "holdout_share": holdout_share, "session": uploaded.session}
                dataset = take(file, caller, workspace, **choices)
                undo.callback(workspace.datasets.delete, dataset.id)
                uploaded.datasets.append(DatasetResponse.of(dataset))
            except ReadError as error:
                uploaded.failed[file.filename or "table"] = str(error)
        undo.pop_all()
    if not uploaded.datasets:
        raise ApiError(422, " ".join(uploaded.failed.values()), "files")
    return uploaded


router.post("/upload", status_code=201, name="upload_files", summary="Upload tables (the same as POST /datasets)")(
    upload
)


@router.get("/samples")
def list_samples(caller: Reader, workspace: Here) -> list[Sample]:
    """The tables that come with the app, to try it out."""
    return workspace.datasets.samples()


@router.post("/samples/{name}", status_code=201)
def add_sample(
    name: Annotated[str, Path(description="Name of a table that comes with the app.", examples=["adult"])],
    caller: Writer,
    workspace: Here,
) -> DatasetResponse:
    """Add a table that comes with the app, as if it were uploaded."""
    return DatasetResponse.of(workspace.datasets.add_sample(name, owner=caller.owner))


@router.get("/datasets")
def list_datasets(
    caller: Reader,
    workspace: Here,
    limit: Limit = 100,
    offset: Offset = 0,
) -> list[DatasetResponse]:
    """The caller's tables, newest first."""
    return [DatasetResponse.of(dataset) for dataset in workspace.datasets.find(caller.owner)[offset : offset + limit]]


@router.get("/datasets/{dataset_id}")
def get_dataset(dataset: Seen) -> DatasetResponse:
    """One table."""
    return DatasetResponse.of(dataset)


@router.delete("/datasets/{dataset_id}", status_code=204)
def delete_dataset(dataset: Owned, workspace: Here) -> None:
    """Delete a table with its models, results and jobs, every byte of them."""
    workspace.datasets.delete(dataset.id)


@router.get("/datasets/{dataset_id}/schema")
def get_schema(dataset: Seen) -> Schema:
    """Kinds, roles and formats of the columns."""
    return dataset.schema


@router.patch("/datasets/{dataset_id}/schema")
def change_schema(schema: Schema, dataset: Owned, workspace: Here) -> Schema:
    """Change columns: name those that change; the others stay as they are."""
    changed = {column.name: column for column in schema}
    unknown = sorted(set(changed) - set(dataset.schema.names))
    if unknown:
        raise ApiError(422, f"There is no column {', '.join(map(repr, unknown))} in this table.", "columns")
    columns = [changed.get(column.name, column) for column in dataset.schema]
    return workspace.datasets.set_schema(dataset.id, dataset.schema.model_copy(update={"columns": columns})).schema


@router.get("/datasets/{dataset_id}/rows")
def get_rows(
    dataset: Seen,
    workspace: Here,
    offset: Offset = 0,
    limit: Annotated[int, Query(ge=1, le=10_000, description="The most rows to return.", examples=[100])] = 100,
) -> Page:
    """A page of the real table."""
    table = workspace.datasets.rows(dataset.id, offset, limit)
    values = json.loads(table.to_json(orient="values", date_format="iso"))
    return Page(columns=list(table.columns), rows=values, offset=offset, total=dataset.rows)


@router.get("/datasets/{dataset_id}/profile")
def get_profile(dataset: Seen, workspace: Here) -> list[ColumnProfile]:
    """What each column holds: missing and distinct values, range, top values, histogram."""
    return workspace.datasets.profiles(dataset.id)


@router.get("/datasets/{dataset_id}/preflight")
def get_preflight(dataset: Seen, workspace: Here) -> list[Finding]:
    """Problems in this table, each with the column that would solve it."""
    return workspace.datasets.preflight(dataset.id)


@router.get("/datasets/{dataset_id}/protection")
def get_protection(dataset: Seen, workspace: Here) -> list[Protection]:
    """What will be done about values that few training rows hold, column by column."""
    return workspace.datasets.protections(dataset.id)


def _json(text: str, field: str):
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ApiError(422, f"{field} is not JSON: {error.msg} at character {error.pos}.", field) from error
    except ValueError as error:
        raise ApiError(422, f"{field} holds a number of too many digits.", field) from error


class CleanupResponse(BaseModel):
    """What was deleted."""

    datasets: int = Field(description="Tables, with their held-out rows.", examples=[1])
    runs: int = Field(description="Synthetic tables, with their models and scores.", examples=[2])
    conversations: int = Field(description="Conversation sets.", examples=[0])
    talks: int = Field(description="Deprecated: read `conversations`.", examples=[0], deprecated=True)
    jobs: int = Field(description="Jobs, with their logs; those that ran were ended.", examples=[3])


@router.delete("/cleanup/{session}")
def clean_up(
    session: Annotated[SessionId, Path(description="Names the session, or one table.", examples=["monday-trial"])],
    caller: Writer,
    workspace: Here,
) -> CleanupResponse:
    """Delete every byte of a session: uploads, held-out rows, models, outputs, scores. A table's id names it alone."""
    deleted = workspace.sessions.delete(session, caller.owner)
    return CleanupResponse(**deleted, conversations=deleted["talks"])
