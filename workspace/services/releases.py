"""Before a table is released: the rows nearest to single real rows, and the self-test of the evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd
from pydantic import TypeAdapter

from metrics import riskiest_rows
from metrics.privacy.distances import rows_looked_at
from metrics.selftest import Check
from synth.errors import Invalid
from workspace.arguments import ReplaceRowsArguments, SelfTestArguments
from workspace.catalog.rows import Job
from workspace.jobs.queue import Draft, Queue
from workspace.services.runs import EXTERNAL, Runs
from workspace.services.training import Submitting, Training
from workspace.settings import LOCAL
from workspace.storage.damage import read_whole
from workspace.storage.files import Files

CHECKS = TypeAdapter(list[Check])


@dataclass(frozen=True)
class Risky:
    """Synthetic rows closest to a single training row, riskiest first, each table in the same order."""

    found: pd.DataFrame
    """As `metrics.riskiest_rows` has it."""
    synthetic: pd.DataFrame
    real: pd.DataFrame
    """The training row each of them is nearest to: for the data owner's eyes only."""
    looked_at: int
    """How many synthetic rows were looked at, drawn at random where there are more."""


class Releases:
    """For the owner who decides whether a table may be released: its riskiest rows, and the test of the evaluation."""

    def __init__(self, files: Files, queue: Queue, runs: Runs, training: Training):
        self.files, self.queue, self.runs, self.training = files, queue, runs, training

    def riskiest_rows(self, run_id: str, count: int = 20) -> Risky:
        """The synthetic rows closest to a single real row. Raises Invalid where there is no holdout."""
        tables = self.runs.scored_tables(self.runs.get(run_id))
        found = riskiest_rows(tables, count)
        return Risky(
            found,
            tables.synthetic.iloc[found["synthetic_row"]].reset_index(drop=True),
            tables.train.iloc[found["train_row"]].reset_index(drop=True),
            rows_looked_at(tables),
        )

    def draft_replace_rows(
        self,
        run_id: str,
        rows: Sequence[int],
        how: Literal["drop", "draw"] = "drop",
        seed: int | None = None,
        *,
        metrics: list[str] | None = None,
        owner: str = LOCAL,
    ) -> Draft:
        """Make a run without these synthetic rows, or with others in their place, and score it. The old run stays.

        Raises Invalid when there are no such rows, or none would be left.
        """
        run = self.runs.get(run_id)
        chosen = sorted(set(rows))
        if not chosen or chosen[0] < 0 or chosen[-1] >= run.rows:
            raise Invalid(f"Choose rows from 0 to {run.rows - 1:,}.")
        if how == "drop" and len(chosen) == run.rows:
            raise Invalid("No row would be left. Draw new rows instead.")
        if how == "draw" and run.model == EXTERNAL:
            raise Invalid(
                "This table was made outside Understudy: there is no model to sample from. Drop the rows instead."
            )
        seed = run.seed + 1 if seed is None else seed
        expected = self.training.expected("replace_rows", run, run.rows)
        asked = ReplaceRowsArguments(parent=run.id, rows=chosen, how=how, seed=seed, metrics=metrics, expected=expected)
        return Draft(asked, owner, run.dataset_id)

    replace_rows = Submitting(draft_replace_rows)

    def replaced(self, run_id: str) -> ReplaceRowsArguments | None:
        """Which rows of which run were replaced in this one; None: it was drawn whole."""
        file = self.files.run(self.runs.get(run_id).id).replaced
        with read_whole("The list of the replaced rows"):
            return ReplaceRowsArguments.model_validate_json(file.read_bytes()) if file.is_file() else None

    def self_test(self, run_id: str, *, owner: str = LOCAL) -> Job:
        """Evaluate tables whose verdict is known, made of a run's real rows; `checks` has what came of it."""
        run = self.runs.get(run_id)
        return self.queue.submit(Draft(SelfTestArguments(), owner, run.dataset_id, run.id))

    def checks(self, run_id: str) -> list[Check]:
        """How the evaluation did in its self-test on a run's real rows; empty before it was run."""
        file = self.files.run(self.runs.get(run_id).id).self_test
        with read_whole("The self-test of this run"):
            return CHECKS.validate_json(file.read_bytes(), extra="ignore") if file.is_file() else []
