"""All generators side by side: what they cost, and how their tables compare with real rows they never saw.

    python -m bench.generators
    python -m bench.generators --train a.csv --holdout b.csv --target income --generators trees,ctgan --rows 10000
    python -m bench.generators --generators trees,trees+polish

Without --train: three of the shipped samples, a fifth of each held out. Every generator runs in a process of its own;
seconds are CPU seconds of fitting and of drawing, without imports; memory is the process's peak. Neural generators
stop after --limit seconds of training, since the defaults take hours on a CPU. Scores are those of `metrics`.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shlex
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from metrics import Score, Tables, evaluate
from synth import GENERATORS, Schema, Synthesizer
from synth.schema import Column
from workspace.ingest import ingest as tables
from workspace.jobs.meter import cpu_seconds, peak_mb

SAMPLES = ("adult", "california_housing", "bank_marketing")
POLISHED = "+polish"
RESULTS = Path(__file__).parent / "results.md"
SCORES = {
    "column_shapes": "Shapes",
    "column_pair_trends": "Trends",
    "detector": "Detector",
    "train_on_synthetic": "TSTR",
    "distance_to_closest_record": "DCR share",
    "exact_copies": "Copies",
}


@dataclass
class Set:
    """One data set: its tables, and what they are called."""

    name: str
    train: pd.DataFrame
    holdout: pd.DataFrame
    schema: Schema


@dataclass
class Line:
    """One generator on one data set."""

    generator: str
    fit_s: float
    sample_s: float
    peak_mb: float
    scores: dict[str, dict]
    error: str = ""


def read(path: Path, folder: Path, target: str | None, like: Schema | None = None) -> tuple[pd.DataFrame, Schema]:
    """A file as the app reads it; ids, personal data and free text are left to the app."""
    ingested = tables.ingest(path, path.name, folder / f"{path.name}.duckdb")
    schema = like or with_target(ingested.schema, target)
    return tables.read(folder / f"{path.name}.duckdb", schema), schema


def with_target(schema: Schema, target: str | None) -> Schema:
    if target is not None and target not in schema.names:
        raise SystemExit(f"There is no column {target!r}. There are {', '.join(schema.names)}.")

    def role(column: Column) -> Column:
        return column.model_copy(update={"role": "target"}) if column.name == target else column

    return Schema(columns=[role(column) for column in schema])


def split(name: str, table: pd.DataFrame, schema: Schema, seed: int) -> Set:
    """The table with a fifth held out."""
    order = np.random.default_rng(seed).permutation(len(table))
    held = len(table) // 5
    return Set(
        name,
        table.iloc[np.sort(order[held:])].reset_index(drop=True),
        table.iloc[np.sort(order[:held])].reset_index(drop=True),
        schema,
    )


def draw(name: str, one: Set, rows: int, seed: int, limit: float, answers) -> None:
    """Fit and draw in this process, and send back the table and its cost."""
    kind = GENERATORS[name.removesuffix(POLISHED)]
    limited = {"time_limit_s": limit} if "time_limit_s" in kind.Params.model_fields else {}
    limited["polish"] = name.endswith(POLISHED)
    synthesizer = Synthesizer(kind(kind.Params(**limited), seed), one.schema)
    # A first fit on a few rows pays for imports and compiled code, which a server pays once.
    once = {"epochs": 1} if "epochs" in kind.Params.model_fields else {}
    Synthesizer(kind(kind.Params(**{**limited, **once}), seed), one.schema).fit(one.train.head(200))
    begun = cpu_seconds()
    synthesizer.fit(one.train)
    fitted = cpu_seconds()
    table = synthesizer.sample(rows)
    answers.put((table, fitted - begun, cpu_seconds() - fitted, peak_mb()))


def measure(name: str, one: Set, rows: int, seed: int, limit: float, keep: Path | None) -> Line:
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=draw, args=(name, one, rows, seed, limit, answers))
    process.start()
    while answers.empty():
        if not process.is_alive() and answers.empty():
            return Line(name, 0, 0, 0, {}, f"its process ended with code {process.exitcode}")
        time.sleep(0.05)
    synthetic, fit_s, sample_s, peak = answers.get()
    process.join()
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        synthetic.to_csv(keep / f"{name}.csv", index=False)
    judged = Tables(one.train, one.holdout, synthetic, one.schema, one.schema.target, seed)
    scores = {
        metric: score.model_dump(include={"value", "reference", "note"}) for metric, score in scored(judged).items()
    }
    return Line(name, fit_s, sample_s, peak, scores)


def scored(judged: Tables) -> dict[str, Score]:
    names = [name for name in SCORES if name != "train_on_synthetic" or judged.target]
    return evaluate(judged, names)


def as_markdown(one: Set, lines: list[Line]) -> str:
    title = f"{one.name}: {len(one.train):,} training rows, {len(one.holdout):,} held out, {len(one.schema)} columns"
    heads = ["Generator", "Fit, CPU s", "Draw, CPU s", "Peak MB", *SCORES.values()]
    rows = [heads, ["---"] * len(heads)]
    reference = next((line.scores for line in lines if line.scores), {})
    rows.append(["*holdout itself*", "", "", "", *(figure(reference.get(name), "reference") for name in SCORES)])
    for line in lines:
        cost = [f"{line.fit_s:.1f}", f"{line.sample_s:.1f}", f"{line.peak_mb:,.0f}"]
        shown = [figure(line.scores.get(name), "value") for name in SCORES] if line.scores else [line.error, *[""] * 5]
        rows.append([f"`{line.generator}`", *cost, *shown])
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    return f"## {title}\n\n{table}\n"


def figure(score: dict | None, side: str) -> str:
    if score is None or score[side] is None:
        return "–"
    return f"{score[side]:.4f}" if abs(score[side]) < 0.01 else f"{score[side]:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", type=Path, help="a file of real rows; default: three shipped samples")
    parser.add_argument("--holdout", type=Path, help="real rows no generator sees; default: a fifth of --train")
    parser.add_argument("--target", help="the column to predict")
    parser.add_argument(
        "--generators",
        help="names, with commas, and +polish behind one to polish its rows; default: all that are available",
    )
    parser.add_argument("--rows", type=int, help="rows to draw; default: as many as are trained on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=float, default=120, help="seconds of training for neural generators")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--keep", type=Path, help="write each synthetic table there as GENERATOR.csv")
    options = parser.parse_args()
    names = options.generators.split(",") if options.generators else [n for n, g in GENERATORS.items() if g.available()]
    unknown = sorted({name.removesuffix(POLISHED) for name in names} - set(GENERATORS))
    if unknown:
        raise SystemExit(f"There is no generator {', '.join(unknown)}. There are {', '.join(GENERATORS)}.")
    found: dict[str, list[Line]] = {}
    written = []
    with tempfile.TemporaryDirectory() as folder:
        for one in sets(options, Path(folder)):
            keep = options.keep / one.name if options.keep and not options.train else options.keep
            lines = []
            for name in names:
                lines.append(measure(name, one, options.rows or len(one.train), options.seed, options.limit, keep))
                print(json.dumps(asdict(lines[-1]) | {"set": one.name}), file=sys.stderr, flush=True)
            found[one.name] = lines
            written.append(as_markdown(one, lines))
            print(written[-1], flush=True)
    if options.json:
        options.json.write_text(
            json.dumps({name: [asdict(line) for line in lines] for name, lines in found.items()}, indent=1)
        )
    threads = os.environ.get("OMP_NUM_THREADS", "as many as there are cores")
    command = shlex.join(["python", "-m", "bench.generators", *sys.argv[1:]])
    about = f"# Generators side by side\n\n{date.today()}: `{command}` ({os.cpu_count()} cores, threads: {threads})\n\n{LEGEND}\n"
    if not options.train:
        RESULTS.write_text(about + "\n" + "\n".join(written), encoding="utf-8")


LEGEND = """Shapes, trends: SDMetrics' column shapes and column pair trends against the training rows. Detector:
1 - (2 AUC - 1) of LightGBM between holdout and synthetic rows, 1 when it cannot tell. TSTR: a model trained on
synthetic, tested on holdout; beside the holdout stands the same trained on real rows. DCR share: synthetic rows nearer
to training than to holdout rows, 0.5 for fresh rows. Copies: share of rows that are training rows, value for value.
Neural generators stopped after --limit seconds (120 unless it is named) by the clock, mostly far from the end of their
training; +polish keeps the best of four times as many rows."""


def sets(options: argparse.Namespace, folder: Path):
    if options.train is None:
        for name in SAMPLES:
            sample = next(sample for sample in tables.SAMPLES if sample.name == name)
            yield split(name, *read(sample.path, folder, sample.target), options.seed)
        return
    table, schema = read(options.train, folder, options.target)
    if options.holdout is None:
        yield split(options.train.stem, table, schema, options.seed)
        return
    holdout, _ = read(options.holdout, folder, None, schema)
    yield Set(options.train.stem, table, holdout, schema)


if __name__ == "__main__":
    main()
