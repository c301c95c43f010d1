"""A plugin with a kind of job of its own, which counts the different values of a column."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from workspace.arguments import Arguments
from workspace.jobs.kinds import job
from workspace.tasks.stages import Work


class CountArguments(Arguments):
    kind: Literal["count_values"] = "count_values"
    column: str = Field(description="The column whose values are counted.")


@job("Count values", CountArguments)
def count_values(work: Work, asked: CountArguments) -> None:
    table = work.workspace.datasets.rows(work.job.dataset_id, 0, 1000)
    work.progress.stage("Counting", 0.0, 1.0)(1.0, f"{table[asked.column].nunique()} values")
    work.progress.flush()
