"""Which table a call works on: one that was uploaded, one in the request, or one the server may read."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fastapi import UploadFile

from api.errors import ApiError
from api.schemas.requests import OnTable
from api.security import seen_by
from workspace.access.callers import Caller
from workspace.catalog.rows import new_id
from workspace.workspace import Dataset, Workspace


@contextmanager
def table_of(body: OnTable, files: Sequence[UploadFile], caller: Caller, workspace: Workspace) -> Iterator[str]:
    """The id of the table that a call works on; one that came with the call is gone again when the block raises."""
    with optional_table_of(body, files, caller, workspace) as dataset_id:
        if dataset_id is None:
            raise _not_one_table(0)
        yield dataset_id


@contextmanager
def optional_table_of(
    body: OnTable, files: Sequence[UploadFile], caller: Caller, workspace: Workspace
) -> Iterator[str | None]:
    """The same for a call that works without a table too: then None."""
    ways = (body.dataset_id is not None) + (body.data_path is not None) + len(files)
    if ways > 1:
        raise _not_one_table(ways)
    if body.dataset_id is not None:
        yield seen_by(caller, workspace.datasets.get(body.dataset_id)).id
        return
    uploaded = _uploaded(body.data_path, caller, workspace) if body.data_path is not None else None
    if uploaded is not None or not ways:
        yield uploaded
        return
    choices = {
        "options": body.read,
        "holdout_share": body.holdout_share,
        "session": body.session or new_id(),
    }
    if body.data_path is None:
        dataset = take(files[0], caller, workspace, **choices)
    else:
        path = _allowed(body.data_path, workspace)
        dataset = workspace.datasets.add(path, path.name, owner=caller.owner, **choices)
    try:
        yield dataset.id
    except BaseException:
        workspace.datasets.delete(dataset.id)
        raise


def _not_one_table(ways: int) -> ApiError:
    return ApiError(
        422,
        f"Say which table, in one way: its dataset_id, a file in the request, or a data_path; {ways or 'none'} came.",
        "dataset_id",
    )


@contextmanager
def kept(file: UploadFile, workspace: Workspace) -> Iterator[Path]:
    """An uploaded file on disk while the block lasts; copied in pieces, and never under the client's name."""
    with workspace.files.incoming() as folder, tempfile.NamedTemporaryFile(dir=folder) as target:
        shutil.copyfileobj(file.file, target, 2**20)
        target.flush()
        yield Path(target.name)


def take(file: UploadFile, caller: Caller, workspace: Workspace, **choices) -> Dataset:
    """Read an uploaded file into the workspace. Raises ReadError."""
    with kept(file, workspace) as path:
        return workspace.datasets.add(path, file_name(file), owner=caller.owner, **choices)


def file_name(file: UploadFile) -> str:
    """What the client calls its file, without folders."""
    return Path((file.filename or "table").replace("\\", "/")).name or "table"


def _uploaded(name: str, caller: Caller, workspace: Workspace) -> str | None:
    """The caller's newest upload of this name, or with this id."""
    mine = workspace.datasets.find(caller.owner)
    return next((dataset.id for dataset in mine if name in (dataset.name, dataset.id)), None)


def _allowed(name: str, workspace: Workspace) -> Path:
    """A file within the folder of the settings, links followed."""
    folder = workspace.settings.data_folder
    refusal = ApiError(422, "There is no upload of this name, and no such file that the server may read.", "data_path")
    if folder is None or "\0" in name:
        raise refusal
    folder = folder.resolve()
    path = (folder / name).resolve()
    try:
        allowed = path.is_relative_to(folder) and path.is_file()
    except OSError:  # a name longer than the file system takes
        allowed = False
    if not allowed:
        raise refusal
    return path
