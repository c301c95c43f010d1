"""Replacing single rows of a synthetic table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synth.schema import Schema
from workspace.arguments import ReplaceRowsArguments
from workspace.jobs.kinds import job
from workspace.services.runs import EXTERNAL
from workspace.storage.damage import read_whole
from workspace.tasks.stages import Stages, Work
from workspace.tasks.train import child_of, score, score_again, take_model

if TYPE_CHECKING:
    import pandas as pd

    from synth import Synthesizer


@job("Replace risky rows", ReplaceRowsArguments, stages=("draw", "judge"), offered=False, place=60)
def replace_rows(work: Work, asked: ReplaceRowsArguments) -> None:
    """Publish a run's table without some of its rows, or with others in their place, and score it."""

    from synth import Synthesizer
    from workspace.tables import duckdb_file

    if work.job.run_id is not None:
        score_again(work, asked)
        return
    runs = work.workspace.runs
    parent = runs.get(asked.parent)
    run = child_of(
        parent,
        work,
        seed=asked.seed,
        rows=parent.rows - (len(asked.rows) if asked.how == "drop" else 0),
        conditions=parent.conditions,
        rules=parent.rules,
    )
    stages = Stages(work, run, asked.expected)
    if parent.model != EXTERNAL:
        take_model(work, parent)
    with stages.stage("draw", typical=False):
        table = runs.synthetic_table(parent.id, keep_cells=True)
        parts = [table.drop(index=asked.rows)]
        if asked.how == "draw":
            with read_whole("The model of this run"):
                synthesizer = Synthesizer.load(work.files.model)
            parts.append(others(synthesizer, table.iloc[asked.rows], run.schema, run.conditions, asked.seed))
        duckdb_file.write(work.files.synthetic, parts, run.schema)
    work.files.replaced.write_text(asked.model_dump_json(exclude={"kind"}), encoding="utf-8")
    work.publish(run)
    score(work, asked, stages)


def others(
    synthesizer: Synthesizer, rows: pd.DataFrame, schema: Schema, conditions: dict | None, seed: int
) -> pd.DataFrame:
    """As many other rows of the same model. They take over the ids, which are unique in the table."""
    import pandas as pd

    drawn = pd.concat(synthesizer.chunks(len(rows), conditions=conditions, seed=seed), ignore_index=True)
    for name in schema.having(roles=("id",)):
        drawn[name] = rows[name].to_numpy()
    return drawn
