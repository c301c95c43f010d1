"""The report on a run, as a file to hand to somebody who has no account here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal
from zipfile import ZIP_STORED, ZipFile

from metrics import Tables
from metrics.report import Report, as_csv, as_html, as_json, figures, gather
from synth import GENERATORS
from workspace.catalog.rows import Run
from workspace.services.datasets import Datasets
from workspace.services.images import pngs
from workspace.services.runs import STOPPED, Runs
from workspace.services.thresholds import Thresholds
from workspace.storage.files import Files
from workspace.version import VERSION

ReportFormat = Literal["html", "json", "csv", "zip"]
ROWS = 100_000
"""Rows of each table that the pictures are drawn from; the scores are those of the whole tables."""


class Reports:
    """Writes reports, and keeps them beside their runs."""

    def __init__(self, files: Files, datasets: Datasets, runs: Runs, thresholds: Thresholds):
        self.files, self.datasets, self.runs, self.thresholds = files, datasets, runs, thresholds

    def write(self, run_id: str, format: ReportFormat = "html") -> Path:
        """The report on a run in one of `FORMATS`, kept until its scores or thresholds change.

        Raises NoImages when "zip" is asked for and no browser is installed to draw the charts.
        """
        run = self.runs.get(run_id)
        files = self.files.run(run.id)
        target = files.exports / f"report.{format}"
        sources = [files.scores, self.files.dataset(run.dataset_id).thresholds]
        changed = max((file.stat().st_mtime for file in sources if file.is_file()), default=0)
        if not target.is_file() or target.stat().st_mtime < changed:
            target.parent.mkdir(exist_ok=True)
            with self.files.incoming() as folder:
                file = folder / target.name
                FORMATS[format](self.gathered(run), file)
                file.replace(target)
        return target

    def gathered(self, run: Run) -> Report:
        """What is to be said of a run."""
        dataset = self.datasets.get(run.dataset_id)
        tables = Tables(
            train=self.runs.train_table(run.id, ROWS),
            holdout=self.runs.holdout_table(run.id, ROWS),
            synthetic=self.runs.synthetic_table(run.id, ROWS),
            schema=run.schema,
            target=run.schema.target,
            seed=run.seed,
        )
        title = GENERATORS[run.model].title if run.model in GENERATORS else run.model
        params = ", ".join(f"{name} {value}" for name, value in changed_params(run).items())
        facts = {
            "Table": dataset.name,
            "Generator": f"{title} ({params})" if params else title,
            "Rows generated": f"{run.rows:,}",
            "Seed": str(run.seed),
            "Made": f"{run.created:%Y-%m-%d %H:%M} UTC",
            "Understudy": VERSION,
        }
        if run.stopped:
            facts["Stopped by hand"] = ", ".join(STOPPED[stage] for stage in run.stopped)
        if stale := self.runs.stale(run):
            facts["Stale scores"] = " ".join(one.text for one in stale)
        if run.fit_seconds is not None:
            facts["Training time"] = f"{run.fit_seconds:,.1f} s"
        if max(run.rows, run.split.of) > ROWS:
            facts["Charts"] = f"drawn from at most {ROWS:,} random rows of each table"
        return gather(
            f"{dataset.name}, synthesised by {title}", facts, tables, run.scores, self.thresholds.of(dataset.id)
        )


def changed_params(run: Run) -> dict[str, Any]:
    """The parameters of a run that differ from its generator's defaults."""
    if run.model not in GENERATORS:
        return run.params
    defaults = GENERATORS[run.model].Params().model_dump(mode="json")
    return {name: value for name, value in run.params.items() if defaults.get(name) != value}


def _text(form: Callable[[Report], str]) -> Callable[[Report, Path], None]:
    def write(report: Report, file: Path) -> None:
        file.write_text(form(report), encoding="utf-8")

    return write


def _images(report: Report, file: Path) -> None:
    """A PNG of each chart. Raises NoImages where there is no browser to draw them."""
    drawn = figures(report)
    with ZipFile(file, "w", ZIP_STORED) as archive:
        for name, png in zip(drawn, pngs(list(drawn.values()), scratch=file.parent), strict=True):
            archive.writestr(f"{name}.png", png)


FORMATS: dict[ReportFormat, Callable[[Report, Path], None]] = {
    "html": _text(as_html),
    "json": _text(as_json),
    "csv": _text(as_csv),
    "zip": _images,
}
"""What a report can be written as: a page, its values, its scores as a table, its charts as PNG files."""
