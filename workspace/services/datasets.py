"""Uploaded tables: reading them in, describing them, and holding rows out from every generator."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import delete, select, update

from synth.atomic import write_atomic
from synth.errors import Invalid
from synth.schema import Schema
from synth.schema.profile import ColumnProfile
from workspace.catalog.catalog import Catalog
from workspace.catalog.rows import ConversationSet, Dataset, Job, NotFound, Run, Split, new_id
from workspace.ingest.process import Readers
from workspace.jobs.estimate import Shape
from workspace.jobs.process import end_at_once
from workspace.settings import LOCAL, Settings
from workspace.storage.damage import read_whole
from workspace.storage.files import DatasetFiles, Files, size_of
from workspace.tables.samples import SAMPLES, Sample

# Those who need a dataset's row alone do not wait for pandas and DuckDB: what reads tables is imported by who reads.
if TYPE_CHECKING:
    import pandas as pd

    from synth.columns.rare import Protection
    from workspace.ingest.ingest import Preview
    from workspace.ingest.options import ReadOptions
    from workspace.tables.preflight import Finding

PROTECTIONS_KEPT = 64
"""Datasets whose rare values are not counted anew whenever a page asks."""


class Datasets:
    """The real tables of a workspace: read in, described, split, deleted."""

    def __init__(self, catalog: Catalog, files: Files, settings: Settings, readers: Readers):
        self.catalog, self.files, self.settings, self.readers = catalog, files, settings, readers
        self._protections: dict[tuple[str, str, str], list[Protection]] = {}

    def preview(self, path: Path, name: str, options: ReadOptions | None = None) -> Preview:
        """The first rows of a file and how it would be read. Raises ReadError."""
        return self.readers.preview(path, name, options)

    def add(
        self,
        path: Path,
        name: str,
        options: ReadOptions | None = None,
        *,
        holdout_share: float | None = None,
        holdout_path: Path | None = None,
        seed: int = 0,
        owner: str = LOCAL,
        session: str | None = None,
    ) -> Dataset:
        """Read a file into the workspace and hold some of its rows out. Raises ReadError; then nothing is kept."""
        with self.files.incoming() as folder:
            files = DatasetFiles(folder)
            read = self.readers.ingest(path, name, files.table, options)
            dataset = Dataset(
                id=new_id(),
                name=name,
                owner=owner,
                rows=read.rows,
                columns=len(read.schema),
                schema=read.schema,
                split=Split(kind="none"),
                summary=read.summary,
                lines=read.lines,
                rejected=read.rejected,
                rejected_rows=read.rejected_rows,
                source=name,
                session=session,
            )
            if holdout_path is not None:
                dataset.split = self._split_file(files, dataset, holdout_path, holdout_path.name)
            else:
                share = self.settings.holdout_share if holdout_share is None else holdout_share
                dataset.split = _split_share(files, dataset.rows, share, seed)
            _write_profiles(files, read.profiles)
            dataset.size_bytes = size_of(folder)
            with self.catalog.session() as transaction:
                transaction.add(dataset)
                transaction.flush()
                folder.replace(self.files.dataset(dataset.id).folder)
        return dataset

    def samples(self) -> list[Sample]:
        """The tables shipped with the app."""
        return list(SAMPLES)

    def add_sample(self, name: str, *, owner: str = LOCAL) -> Dataset:
        """Add a shipped table, its target set."""
        sample = next((sample for sample in SAMPLES if sample.name == name), None)
        if sample is None:
            raise NotFound(f"There is no sample {name!r}. There are {', '.join(s.name for s in SAMPLES)}.")
        dataset = self.add(sample.path, sample.path.name, owner=owner)
        schema = _aimed_at(dataset.schema, sample.target) if sample.target else dataset.schema
        return self._change(dataset.id, name=sample.title, source=f"sample:{name}", schema=schema)

    def find(self, owner: str | None = None) -> Sequence[Dataset]:
        """All datasets, newest first."""
        return self.catalog.listed(Dataset, owner=owner)

    def get(self, dataset_id: str) -> Dataset:
        return self.catalog.get(Dataset, dataset_id)

    def rename(self, dataset_id: str, name: str) -> Dataset:
        if not name.strip():
            raise Invalid("A dataset needs a name. Type at least one letter.")
        return self._change(dataset_id, name=name.strip())

    def delete(self, dataset_id: str) -> None:
        """Delete a dataset with its runs and jobs, every byte of them. Jobs that run are ended."""
        with self.catalog.session() as session:
            if session.get(Dataset, dataset_id) is None:
                raise NotFound(f"There is no dataset {dataset_id!r} here. It may have been deleted.")
            jobs = session.scalars(select(Job).where(Job.dataset_id == dataset_id)).all()
            runs = session.scalars(select(Run.id).where(Run.dataset_id == dataset_id)).all()
            sets = session.scalars(select(ConversationSet.id).where(ConversationSet.dataset_id == dataset_id)).all()
            # The rows go first: whatever still works for this dataset finds out, and nobody lists it.
            session.execute(delete(Dataset).where(Dataset.id == dataset_id))
        end_at_once(jobs, self.settings.cancel_grace_s)
        files = self.files
        gone = [files.dataset(dataset_id), *map(files.run, runs), *map(files.conversations, sets)]
        files.remove(*(one.folder for one in (*gone, *(files.job(job.id) for job in jobs))))
        self.catalog.forget_deleted()

    def rows(self, dataset_id: str, offset: int = 0, limit: int = 100) -> pd.DataFrame:
        """One page of the real table."""
        from workspace.tables import duckdb_file

        return duckdb_file.rows(self.files.dataset(self.get(dataset_id).id).table, offset, limit)

    def profiles(self, dataset_id: str) -> list[ColumnProfile]:
        """What each column holds."""
        file = self.files.dataset(self.get(dataset_id).id).profiles
        with read_whole("The profile of this table's columns"):
            return [ColumnProfile.model_validate(profile, extra="ignore") for profile in json.loads(file.read_bytes())]

    def levels(self, dataset_id: str, name: str) -> set[str]:
        """All levels of a category, as text."""
        from workspace.tables import duckdb_file

        profile = next(profile for profile in self.profiles(dataset_id) if profile.name == name)
        if profile.distinct <= len(profile.top):
            return {top.value for top in profile.top}
        column = Schema(columns=[self.get(dataset_id).schema[name]])
        values = duckdb_file.read(self.files.dataset(dataset_id).table, column)[name]
        return set(values.astype("category").cat.categories.astype(str))

    def shape(self, dataset_id: str) -> Shape:
        """The size of a dataset as a generator meets it."""
        dataset = self.get(dataset_id)
        levels = {profile.name: profile.distinct for profile in self.profiles(dataset_id)}
        return Shape.of(dataset.train_rows, dataset.schema, levels)

    def set_schema(self, dataset_id: str, schema: Schema) -> Dataset:
        """Change kinds and roles. Raises Invalid, in words, when a column cannot take its kind."""
        dataset = self.get(dataset_id)
        if schema.names != dataset.schema.names:
            raise Invalid("A schema has the columns of its file, in order. Edit kinds and roles only.")
        edited = Schema(columns=[column for column in schema if column != dataset.schema[column.name]])
        files = self.files.dataset(dataset_id)
        self._check_kinds(files.table, edited)
        if dataset.split.kind == "file":
            self._check_kinds(files.held_out(dataset.split.stored), edited, "The held-out rows do not fit. ")
        anew = {profile.name: profile for profile in self.readers.profile(files.table, edited)}
        _write_profiles(files, [anew.get(profile.name, profile) for profile in self.profiles(dataset_id)])
        return self._change(dataset_id, schema=schema)

    def preflight(self, dataset_id: str) -> list[Finding]:
        """The checks before training: problems found in the columns, each with a fix where there is one."""
        from workspace.tables.preflight import preflight

        return preflight(self.profiles(dataset_id), self.get(dataset_id).schema, self.protections(dataset_id))

    def protections(self, dataset_id: str) -> list[Protection]:
        """What will be done about values that few training rows hold, column by column."""
        dataset = self.get(dataset_id)
        asked = (dataset.id, dataset.split.model_dump_json(), dataset.schema.model_dump_json())
        if asked not in self._protections:
            from workspace.tables.protection import protections_of

            files = self.files.dataset(dataset_id)
            only = training_rows(files, dataset.split)
            while len(self._protections) >= PROTECTIONS_KEPT:
                self._protections.pop(next(iter(self._protections)), None)
            self._protections[asked] = protections_of(files.table, dataset.schema, self.profiles(dataset_id), only)
        return self._protections[asked]

    def apply_fix(self, dataset_id: str, finding: Finding) -> Dataset:
        schema = self.get(dataset_id).schema
        columns = [finding.fix if column.name == finding.column else column for column in schema]
        return self.set_schema(dataset_id, schema.model_copy(update={"columns": columns}))

    def set_holdout(self, dataset_id: str, share: float, seed: int = 0) -> Dataset:
        """Hold out a share of the rows, drawn anew. Runs made before keep the holdout they were trained without."""
        if not 0 <= share < 1:
            raise Invalid(f"The share of held-out rows goes from 0 to below 1, and {share} was given.")
        dataset = self.get(dataset_id)
        split = _split_share(self.files.dataset(dataset_id), dataset.rows, share, seed)
        return self._change(dataset_id, split=split)

    def set_holdout_file(self, dataset_id: str, path: Path, name: str) -> Dataset:
        """Use the rows of a second file as held-out rows; the generator then learns the whole upload."""
        dataset = self.get(dataset_id)
        return self._change(dataset_id, split=self._split_file(self.files.dataset(dataset_id), dataset, path, name))

    def train_table(self, dataset_id: str, rows: int | None = None, seed: int = 0) -> pd.DataFrame:
        """The rows generators may see, or a random `rows` of them."""
        dataset = self.get(dataset_id)
        return self.train_part(dataset.id, dataset.split, dataset.schema, rows, seed)

    def holdout_table(self, dataset_id: str, rows: int | None = None, seed: int = 0) -> pd.DataFrame | None:
        """The rows no generator sees; None when none were held out."""
        dataset = self.get(dataset_id)
        return self.holdout_part(dataset.id, dataset.split, dataset.schema, rows, seed)

    def _change(self, dataset_id: str, **values: Any) -> Dataset:
        with self.catalog.session() as session:
            dataset = session.scalar(
                update(Dataset).where(Dataset.id == dataset_id).values(**values).returning(Dataset)
            )
        return dataset or self.get(dataset_id)

    def train_part(
        self,
        dataset_id: str,
        split: Split,
        schema: Schema,
        rows: int | None = None,
        seed: int = 0,
        *,
        keep_cells: bool = False,
    ) -> pd.DataFrame:
        """The rows that a split leaves to train on, or a random `rows` of them.

        With `keep_cells`, as a synthesizer learns them: columns written in several forms as texts.
        """
        from workspace.tables import duckdb_file

        files = self.files.dataset(dataset_id)
        only = training_rows(files, split)
        return duckdb_file.read(files.table, schema, only=only, sample=rows, seed=seed, keep_cells=keep_cells)

    def holdout_part(
        self, dataset_id: str, split: Split, schema: Schema, rows: int | None = None, seed: int = 0
    ) -> pd.DataFrame | None:
        """The rows that a split holds out, or a random `rows` of them; None when it holds out none."""
        from workspace.tables import duckdb_file

        if split.kind == "none":
            return None
        files = self.files.dataset(dataset_id)
        stored = files.held_out(split.stored)
        if split.kind == "file":
            return duckdb_file.read(stored, schema, sample=rows, seed=seed)
        return duckdb_file.read(files.table, schema, only=_positions(stored), sample=rows, seed=seed)

    def _split_file(self, files: DatasetFiles, dataset: Dataset, path: Path, name: str) -> Split:
        with self.files.incoming() as incoming:
            read = self.readers.ingest(path, name, incoming / "holdout.duckdb")
            self.check_fit(incoming / "holdout.duckdb", read.schema, dataset.schema, name)
            file = f"holdout-{new_id()}.duckdb"
            (incoming / "holdout.duckdb").replace(files.held_out(file))
        return Split(kind="file", rows=read.rows, of=dataset.rows, file=file)

    def check_fit(self, file: Path, read: Schema, schema: Schema, name: str) -> None:
        """Whether a second table has the columns of the training table, of its kinds. Raises Invalid, in words."""
        absent = [column for column in schema.names if column not in read.names]
        if absent:
            raise Invalid(
                f'"{name}" lacks the column(s) {", ".join(absent)} that the training table has. '
                "Upload a file with the same columns."
            )
        self._check_kinds(file, schema, f'"{name}" does not fit the training table. ')

    def _check_kinds(self, file: Path, schema: Schema, opening: str = "") -> None:
        problems = self.readers.retype(file, schema)
        if problems:
            raise Invalid(opening + " ".join(reason for _, reason in problems))


def training_rows(files: DatasetFiles, split: Split) -> np.ndarray | None:
    """The positions of the rows that a split leaves to train on; None: all."""
    if split.kind != "share":
        return None
    return np.setdiff1d(np.arange(split.of), _positions(files.held_out(split.stored)), assume_unique=True)


def _split_share(files: DatasetFiles, rows: int, share: float, seed: int) -> Split:
    """Draw the rows to hold out, exactly `round(share * rows)` of them, and store which they are."""

    held = min(round(share * rows), max(rows - 1, 0))
    if not held:
        return Split(kind="none", of=rows, share=share, seed=seed)
    file = f"holdout-{held}-{seed}.npy"
    drawn = np.random.default_rng(seed).permutation(rows)[:held]
    np.save(files.held_out(file), np.sort(drawn))
    return Split(kind="share", rows=held, of=rows, share=share, seed=seed, file=file)


def _positions(file: Path) -> np.ndarray:
    """Which rows of the table are held out. Raises Damaged."""
    with read_whole("The list of the held-out rows"):
        return np.load(file)


def _aimed_at(schema: Schema, target: str) -> Schema:
    """The schema with `target`, and nothing else, as the column to predict."""

    roles = {schema.target: "feature", target: "target"}
    columns = [column.model_copy(update={"role": roles.get(column.name, column.role)}) for column in schema]
    return schema.model_copy(update={"columns": columns})


def _write_profiles(files: DatasetFiles, profiles: Sequence[ColumnProfile]) -> None:
    written = [profile.model_dump(mode="json") for profile in profiles]
    write_atomic(files.profiles, json.dumps(written, ensure_ascii=False))
