"""A plugin in a folder of its own: a generator, a metric and a kind of job."""

from typing import Literal

from metrics import Score, Tables, metric
from synth import generator
from synth.generators.bootstrap import Bootstrap
from workspace.arguments import Arguments
from workspace.jobs.kinds import job
from workspace.tasks.stages import Work


@generator("coin", title="Coin", summary="Draws each column by itself.", quick={"tosses": 1})
class Coin(Bootstrap):
    """Draws each column by itself, whatever the coin says."""

    class Params(Bootstrap.Params):
        tosses: int = 3  # no word about it: its name must do


@metric("Row count", "fidelity", "Are there as many rows as real ones?", 0, 1, "high", why="1 is as many.", source="Counting")
def row_count(tables: Tables) -> Score:
    """Are there as many rows as real ones? The smaller number by the larger, in [0, 1]."""
    return Score(value=min(len(tables.synthetic), len(tables.train)) / max(len(tables.synthetic), len(tables.train)))


class TallyArguments(Arguments):
    kind: Literal["tally"] = "tally"
    column: str


@job("Tally a column", TallyArguments)
def tally(work: Work, asked: TallyArguments) -> None:
    """Count the different values of a column."""
    values = work.workspace.datasets.train_table(work.job.dataset_id)[asked.column]
    work.progress.stage("Counting", 0.0, 1.0)(1.0, f"{values.nunique()} different values")
