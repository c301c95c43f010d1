"""CTGAN and TVAE side by side with the ctgan package as shipped: speed, and the quality of what they draw.

    python -m bench.train
    python -m bench.train --train a.csv --models tvae --epochs 30 --seeds 0,1,2
    python -m bench.train --shipped-epochs 60

Both learn the same rows with the same defaults, one after the other in one process; ours may stop early, theirs cannot.
With --shipped-epochs theirs is cut short: its whole time is extrapolated from the epochs it had, and its table is worse
than it might have become.
Seconds are CPU seconds, so run it with OMP_NUM_THREADS=1: on a busy machine more threads spin while they wait.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import mean, median

import numpy as np
import pandas as pd

from bench.generators import Set, read, split
from metrics import Tables, evaluate
from synth import GENERATORS, Report, Synthesizer, conform
from synth.columns.numeric import as_floats, as_kind
from synth.columns.precision import Precision
from synth.generators.neural.mode_encoder import Modes
from workspace.ingest.ingest import SAMPLES
from workspace.jobs.meter import cpu_seconds

MISSING = "(missing)"
NUMERIC = ("number", "integer", "datetime")


@dataclass
class Run:
    """One training: CPU seconds, and how close the drawn table is to the rows learned."""

    model: str
    side: str
    seed: int
    before_s: float = 0.0
    """Fitting the modes and coding the table."""
    epoch_s: float = 0.0
    """An epoch, in the median."""
    epochs: int = 0
    whole_s: float = 0.0
    """From the table to the trained model; extrapolated where it was cut short."""
    shapes: float = 0.0
    trends: float = 0.0
    marks: list[float] = field(default_factory=list, repr=False)

    def mark(self) -> None:
        """The end of an epoch, or the beginning of the first."""
        self.marks.append(cpu_seconds())

    def trained(self, begun: float, epochs: int) -> None:
        self.whole_s = cpu_seconds() - begun
        self.epochs, self.epoch_s = epochs, float(median(np.diff(self.marks)))

    def judge(self, one: Set, synthetic: pd.DataFrame) -> None:
        judged = Tables(one.train, one.holdout, synthetic, one.schema, one.schema.target, self.seed)
        scores = evaluate(judged, ["column_shapes", "column_pair_trends"])
        self.shapes, self.trends = scores["column_shapes"].value, scores["column_pair_trends"].value


def as_shipped(one: Set) -> tuple[pd.DataFrame, list[str]]:
    """The table as the ctgan package takes it: numbers without gaps, and a level that says missing."""
    modelled = one.schema.modelled
    columns = {}
    for column in modelled:
        values = one.train[column.name]
        if column.kind in NUMERIC:
            amounts = as_floats(values)
            columns[column.name] = np.where(np.isnan(amounts), np.nanmean(amounts), amounts)
        else:
            columns[column.name] = values.astype(object).where(values.notna(), MISSING).astype(str)
    return pd.DataFrame(columns), [name for name in modelled.names if modelled[name].kind not in NUMERIC]


def from_shipped(drawn: pd.DataFrame, one: Set) -> pd.DataFrame:
    """What it drew, as our own generators hand out their tables: of the right kinds, rounded and within reach."""
    modelled = one.schema.modelled
    columns = {}
    for column in modelled:
        values = drawn[column.name]
        if column.kind in NUMERIC:
            columns[column.name] = as_kind(values.to_numpy(float), column)
        elif column.kind == "boolean":
            columns[column.name] = values.map({"True": True, "False": False}).astype("boolean")
        else:
            columns[column.name] = values.where(values != MISSING)
    table = conform(pd.DataFrame(columns), modelled)
    for name in modelled.having(kinds=NUMERIC):
        table[name] = Precision.learn(one.train[name], modelled[name]).apply(table[name], modelled[name])
    return table


def train_shipped(model: str, one: Set, epochs: int, seed: int, most: int) -> Run:
    """Trained for `most` of its `epochs`; what the others would take is added."""
    import ctgan
    import torch
    from ctgan.synthesizers import ctgan as ctgan_module
    from ctgan.synthesizers import tvae as tvae_module
    from joblib import parallel_config

    run = Run(model, "shipped", seed)

    def watched(epochs: range, disable: bool):
        run.mark()
        for epoch in epochs:
            yield epoch
            run.mark()

    ctgan_module.tqdm = tvae_module.tqdm = watched
    table, discrete = as_shipped(one)
    torch.manual_seed(seed)
    np.random.seed(seed)
    # In threads of this process: others' seconds would not be counted.
    with parallel_config("threading"):
        network = {"ctgan": ctgan.CTGAN, "tvae": ctgan.TVAE}[model](epochs=min(epochs, most))
        begun = cpu_seconds()
        network.fit(table, discrete)
        run.before_s = run.marks[0] - begun
        run.trained(begun, min(epochs, most))
    run.whole_s += (epochs - run.epochs) * run.epoch_s
    run.judge(one, from_shipped(network.sample(len(table)), one))
    return run


class Marking(Report):
    def __init__(self, run: Run):
        self.run = run

    def __call__(self, done: float, note: str = "", **curve: float) -> None:
        if curve:
            self.run.mark()


def train_ours(model: str, one: Set, epochs: int, seed: int) -> Run:
    run = Run(model, "ours", seed)
    kind = GENERATORS[model]
    Synthesizer(kind(kind.Params.model_validate({"epochs": 1}), seed), one.schema).fit(
        one.train.head(200)
    )  # pays for the imports
    params = kind.Params.model_validate({"epochs": epochs})
    begun = cpu_seconds()
    table = conform(one.train, one.schema.modelled)
    Modes(params.max_modes, params.max_levels).fit(table, one.schema.modelled, seed).encode(
        table, np.random.default_rng(seed)
    )
    run.before_s = cpu_seconds() - begun
    begun = cpu_seconds()
    synthesizer = Synthesizer(kind(params, seed), one.schema).fit(one.train, Marking(run))
    run.trained(begun, len(synthesizer.model.curve))
    run.judge(one, synthesizer.sample(len(one.train)))
    return run


def compared(runs: list[Run]) -> str:
    """A table of the means over the seeds, with what ours gains."""
    heads = ["Model", "", "Before the first epoch, s", "Epoch, s", "Epochs", "Whole, s", "Shapes", "Trends"]
    rows = [heads, ["---"] * len(heads)]
    for model in dict.fromkeys(run.model for run in runs):
        sides = {}
        for side in ("shipped", "ours"):
            group = [asdict(run) for run in runs if (run.model, run.side) == (model, side)]
            sides[side] = {name: mean(run[name] for run in group) for name in asdict(runs[0]) if name.endswith("_s")}
            sides[side] |= {name: mean(run[name] for run in group) for name in ("epochs", "shapes", "trends")}
            one = sides[side]
            cost = [f"{one['before_s']:.2f}", f"{one['epoch_s']:.2f}", f"{one['epochs']:.0f}", f"{one['whole_s']:.0f}"]
            rows.append([model, side, *cost, f"{one['shapes']:.3f}", f"{one['trends']:.3f}"])
        theirs, ours = sides["shipped"], sides["ours"]
        faster = [f"{theirs[name] / ours[name]:.1f}x" for name in ("before_s", "epoch_s", "whole_s")]
        closer = [f"{ours[name] - theirs[name]:+.3f}" for name in ("shapes", "trends")]
        rows.append([model, "**gain**", faster[0], faster[1], "", faster[2], *closer])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", type=Path, help="a file of real rows; default: the shipped sample adult")
    parser.add_argument("--models", default="ctgan,tvae", help="names, with commas")
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--shipped-epochs", type=int, help="epochs the shipped package is given; default: all of them")
    parser.add_argument("--seeds", default="0,1,2", help="numbers, with commas")
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    if os.environ.get("OMP_NUM_THREADS") != "1":
        print("OMP_NUM_THREADS is not 1: seconds spent waiting for other threads are counted as work.")
    path = options.train or next(sample.path for sample in SAMPLES if sample.name == "adult")
    with tempfile.TemporaryDirectory() as folder:
        table, schema = read(path, Path(folder), None)
    one = split(path.stem, table, schema, seed=0)
    print(f"{one.name}: {len(one.train):,} rows, {len(one.schema.modelled)} columns, {options.epochs} epochs at most")
    runs = []
    for model in options.models.split(","):
        for seed in map(int, options.seeds.split(",")):
            runs.append(train_shipped(model, one, options.epochs, seed, options.shipped_epochs or options.epochs))
            print(runs[-1], flush=True)
            runs.append(train_ours(model, one, options.epochs, seed))
            print(runs[-1], flush=True)
    print(compared(runs))
    if options.json:
        options.json.write_text(json.dumps([asdict(run) for run in runs], indent=1))


if __name__ == "__main__":
    main()
