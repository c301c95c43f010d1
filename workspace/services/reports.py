"""The report on a run, as a file to hand to somebody who has no account here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZIP_STORED, ZipFile

from metrics import Tables
from metrics.report import Report, as_csv, as_html, as_json, figures, gather
from synth import GENERATORS
from workspace.services.images import pngs
from workspace.version import VERSION

if TYPE_CHECKING:
    from workspace.catalog.rows import Run
    from workspace.workspace import Workspace

ROWS = 100_000
"""Rows of each table that the pictures are drawn from; the scores are those of the whole tables."""


def changed_params(run: Run) -> dict[str, Any]:
    """The parameters of a run that differ from its generator's defaults."""
    if run.model not in GENERATORS:
        return run.params
    defaults = GENERATORS[run.model].Params().model_dump(mode="json")
    return {name: value for name, value in run.params.items() if defaults.get(name) != value}


def report_on(workspace: Workspace, run: Run) -> Report:
    """What is to be said of a run."""
    dataset = workspace.dataset(run.dataset_id)
    tables = Tables(
        train=workspace.real_table(run.id, "train", ROWS),
        holdout=workspace.real_table(run.id, "holdout", ROWS),
        synthetic=workspace.synthetic_table(run.id, ROWS),
        schema=run.schema,
        target=run.schema.target,
        seed=run.seed,
    )
    title = GENERATORS[run.model].title if run.model in GENERATORS else run.model
    params = ", ".join(f"{name} {value}" for name, value in changed_params(run).items())
    facts = {
        "Table": dataset.name,
        "Generator": f"{title} ({params})" if params else title,
        "Rows written": f"{run.rows:,}",
        "Seed": str(run.seed),
        "Made": f"{run.created:%Y-%m-%d %H:%M} UTC",
        "Understudy": VERSION,
    }
    if run.fit_seconds is not None:
        facts["Training took"] = f"{run.fit_seconds:,.1f} s"
    if max(run.rows, run.split.of) > ROWS:
        facts["Charts"] = f"drawn from at most {ROWS:,} random rows of each table"
    return gather(
        f"{dataset.name}, synthesised by {title}", facts, tables, run.scores, workspace.thresholds(dataset.id)
    )


def _text(form: Callable[[Report], str]) -> Callable[[Report, Path], None]:
    return lambda report, file: file.write_text(form(report), encoding="utf-8") and None


def _images(report: Report, file: Path) -> None:
    """A PNG of each chart. Raises NoImages where there is no browser to draw them."""
    drawn = figures(report)
    with ZipFile(file, "w", ZIP_STORED) as archive:
        for name, png in zip(drawn, pngs(list(drawn.values())), strict=True):
            archive.writestr(f"{name}.png", png)


FORMATS: dict[str, Callable[[Report, Path], None]] = {
    "html": _text(as_html),
    "json": _text(as_json),
    "csv": _text(as_csv),
    "zip": _images,
}
"""What a report can be written as: a page, its values, its scores as a table, its charts as PNG files."""
