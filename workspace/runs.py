"""Synthetic tables: paging through them, the real rows they are compared with, their scores and their files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from sqlalchemy import delete, update

from metrics import Score
from workspace import reports, tables
from workspace.catalog import Run
from workspace.datasets import Datasets


class Runs(Datasets):
    """What a workspace does with synthetic tables."""

    def runs(self, dataset_id: str | None = None, *, owner: str | None = None) -> Sequence[Run]:
        """All runs, newest first."""
        return self.listed(Run, dataset_id=dataset_id, owner=owner)

    def run(self, run_id: str) -> Run:
        return self.catalog.get(Run, run_id)

    def delete_run(self, run_id: str) -> None:
        """Delete a run: model, synthetic table, scores."""
        run = self.run(run_id)
        with self.catalog.session() as session:
            session.execute(delete(Run).where(Run.id == run.id))
        self.remove(run.folder)

    def synthetic_rows(self, run_id: str, offset: int = 0, limit: int = 100) -> pd.DataFrame:
        """One page of a synthetic table."""
        return tables.rows(self.run(run_id).folder / "synthetic.duckdb", offset, limit)

    def synthetic_table(self, run_id: str, rows: int | None = None, seed: int = 0) -> pd.DataFrame:
        """A synthetic table, or a random `rows` of it."""
        run = self.run(run_id)
        return tables.read(run.folder / "synthetic.duckdb", run.schema, sample=rows, seed=seed)

    def real_table(
        self, run_id: str, part: Literal["train", "holdout"], rows: int | None = None, seed: int = 0
    ) -> pd.DataFrame | None:
        """The real rows a run is compared with: `train`, those it learned from, or `holdout`, those it never saw.

        They have the synthetic table's columns, and the kinds and the split of the time of training.
        """
        run = self.run(run_id)
        return self.real_part(run.dataset_id, run.split, run.schema, part, rows, seed)

    def keep_scores(
        self, run: Run, scores: dict[str, Score], options: dict[str, Any] | None = None, note: str = ""
    ) -> None:
        """Store how a run was judged, beside what was measured of it before, and by which new options."""
        kept = {name: score.model_dump(mode="json") for name, score in {**run.scores, **scores}.items()}
        with self.incoming() as folder:
            file = folder / "scores.json"
            file.write_text(json.dumps(kept, ensure_ascii=False), encoding="utf-8")
            file.replace(run.folder / "scores.json")
        with self.catalog.session() as session:
            chosen = {} if options is None else {"options": options}
            session.execute(update(Run).where(Run.id == run.id).values(note=note, **chosen))

    def export(self, run_id: str, format: str = "csv", *, spreadsheet_safe: bool = False) -> Path:
        """A synthetic table as a file, written once and kept beside the run."""
        run = self.run(run_id)
        target = run.folder / "export" / f"synthetic{'-safe' if spreadsheet_safe else ''}.{format}"
        if not target.is_file():
            target.parent.mkdir(exist_ok=True)
            with self.incoming() as folder:
                file = folder / target.name
                tables.export(
                    run.folder / "synthetic.duckdb", run.schema, format, file, spreadsheet_safe=spreadsheet_safe
                )
                file.replace(target)
        return target

    def report(self, run_id: str, format: str = "html") -> Path:
        """The report on a run in one of `workspace.reports.FORMATS`, kept beside it until it is judged anew.

        Raises NoImages when "zip" is asked for and no browser is installed to draw the charts.
        """
        run = self.run(run_id)
        target, scores = run.folder / "export" / f"report.{format}", run.folder / "scores.json"
        fresh = target.is_file() and (not scores.is_file() or target.stat().st_mtime >= scores.stat().st_mtime)
        if not fresh:
            target.parent.mkdir(exist_ok=True)
            with self.incoming() as folder:
                file = folder / target.name
                reports.FORMATS[format](reports.report_on(self, run), file)
                file.replace(target)
        return target
