"""Before a table leaves the house: the rows that cling to single real rows, and the test of the judge itself."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pandas as pd
from pydantic import TypeAdapter

import metrics
from metrics.privacy.distances import rows_looked_at
from metrics.selftest import Check
from metrics.selftest import self_test as tested
from synth import Schema, Synthesizer
from workspace.catalog.rows import Job
from workspace.ingest import ingest as tables
from workspace.services.runs import EXTERNAL, Runs
from workspace.storage.files import LOCAL
from workspace.tasks.stages import Stages
from workspace.tasks.train import JudgingArguments, child_of, judge, judge_again, link_or_copy

if TYPE_CHECKING:
    from workspace.tasks.stages import Work

CHECKS = TypeAdapter(list[Check])


class ReplaceRowsArguments(JudgingArguments):
    parent: str
    rows: list[int]
    """Positions of the synthetic rows to take out."""
    how: Literal["drop", "draw"]
    """Leave them out, or draw as many others from the model."""
    seed: int


@dataclass(frozen=True)
class Risky:
    """Synthetic rows that cling most to one training row, riskiest first, each table in the same order."""

    found: pd.DataFrame
    """As `metrics.riskiest_rows` has it."""
    synthetic: pd.DataFrame
    real: pd.DataFrame
    """The training row each of them is nearest to: for the data owner's eyes only."""
    looked_at: int
    """How many synthetic rows were looked at, drawn at random where there are more."""


class Releases(Runs):
    """What a workspace does for the owner who decides whether a table may leave the house."""

    def riskiest_rows(self, run_id: str, count: int = 20) -> Risky:
        """The synthetic rows that cling most to one real row. Raises ValueError where there is no holdout."""
        judged = self.judged_tables(self.run(run_id))
        found = metrics.riskiest_rows(judged, count)
        return Risky(
            found,
            judged.synthetic.iloc[found["synthetic_row"]].reset_index(drop=True),
            judged.train.iloc[found["train_row"]].reset_index(drop=True),
            rows_looked_at(judged),
        )

    def replace_rows(
        self,
        run_id: str,
        rows: Sequence[int],
        how: Literal["drop", "draw"] = "drop",
        seed: int | None = None,
        *,
        metrics: list[str] | None = None,
        owner: str = LOCAL,
    ) -> Job:
        """Make a run without these synthetic rows, or with others in their place, and judge it. The old run stays.

        Raises ValueError when there are no such rows, or none would be left.
        """
        run = self.run(run_id)
        chosen = sorted(set(rows))
        if not chosen or chosen[0] < 0 or chosen[-1] >= run.rows:
            raise ValueError(f"Choose rows from 0 to {run.rows - 1:,}.")
        if how == "drop" and len(chosen) == run.rows:
            raise ValueError("No row would be left. Draw others instead.")
        if how == "draw" and run.model == EXTERNAL:
            raise ValueError("This table was made elsewhere: there is no model to draw from. Drop the rows instead.")
        seed = run.seed + 1 if seed is None else seed
        asked = ReplaceRowsArguments(parent=run.id, rows=chosen, how=how, seed=seed, metrics=metrics)
        return self.queue.submit("replace_rows", asked.model_dump(), dataset_id=run.dataset_id, owner=owner)

    def replaced(self, run_id: str) -> ReplaceRowsArguments | None:
        """Which rows of which run were replaced in this one; None: it was drawn whole."""
        file = self.run(run_id).folder / "replaced.json"
        return ReplaceRowsArguments.model_validate_json(file.read_bytes()) if file.is_file() else None

    def self_test(self, run_id: str, *, owner: str = LOCAL) -> Job:
        """Show the judge tables whose verdict is known, made of a run's real rows; `checks` has what it says."""
        run = self.run(run_id)
        return self.queue.submit("self_test", {}, dataset_id=run.dataset_id, run_id=run.id, owner=owner)

    def checks(self, run_id: str) -> list[Check]:
        """How the judge did in its own test on a run's real rows; empty before it was tested."""
        file = self.run(run_id).folder / "selftest.json"
        return CHECKS.validate_json(file.read_bytes()) if file.is_file() else []


def replace_rows(work: Work) -> None:
    """Publish a run's table without some of its rows, or with others in their place, and judge it."""
    asked = ReplaceRowsArguments.model_validate(work.job.arguments)
    if work.job.run_id is not None:
        judge_again(work, asked)
        return
    workspace = work.workspace
    parent = workspace.run(asked.parent)
    run = child_of(
        parent,
        work,
        seed=asked.seed,
        rows=parent.rows - (len(asked.rows) if asked.how == "drop" else 0),
        conditions=parent.conditions,
        rules=parent.rules,
    )
    stages = Stages(work, run, ("draw", "judge"))
    if parent.model != EXTERNAL:
        shutil.copytree(parent.folder / "model", work.folder / "model", copy_function=link_or_copy)
    with stages.stage("draw", typical=False):
        table = workspace.synthetic_table(parent.id)
        parts = [table.drop(index=asked.rows)]
        if asked.how == "draw":
            synthesizer = Synthesizer.load(work.folder / "model")
            parts.append(others(synthesizer, table.iloc[asked.rows], run.schema, run.conditions, asked.seed))
        tables.write(work.folder / "synthetic.duckdb", parts, run.schema)
    (work.folder / "replaced.json").write_text(asked.model_dump_json(), encoding="utf-8")
    work.publish(run)
    judge(work, asked, stages)


def others(
    synthesizer: Synthesizer, rows: pd.DataFrame, schema: Schema, conditions: dict | None, seed: int
) -> pd.DataFrame:
    """As many other rows of the same model. They take over the ids, which are unique in the table."""
    drawn = pd.concat(synthesizer.chunks(len(rows), conditions=conditions, seed=seed), ignore_index=True)
    for name in schema.having(roles=("id",)):
        drawn[name] = rows[name].to_numpy()
    return drawn


def self_test(work: Work) -> None:
    """Let the judge show on a run's real rows whether it can be trusted, and keep what it said beside the run."""
    workspace = work.workspace
    run = workspace.run(work.job.run_id)
    checks = tested(workspace.judged_tables(run), work.progress.stage("Testing the judge", 0.0, 1.0))
    with workspace.incoming() as folder:
        file = folder / "selftest.json"
        file.write_bytes(CHECKS.dump_json(checks))
        file.replace(run.folder / file.name)
