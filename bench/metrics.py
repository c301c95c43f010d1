"""The whole scorecard side by side with SDMetrics and mostlyai-qa: what each costs, and what each says of one table.

    python -m bench.metrics
    python -m bench.metrics --train a.csv --holdout b.csv --synthetic c.csv --target income --mostlyai-qa

Without --train: the shipped sample adult, a fifth of it held out, and a table drawn by `trees`. Each judge works in a
process of its own, on a few rows first: imports and compiled code are told apart. Seconds are CPU seconds of all its
processes, memory is the largest process's peak. SDMetrics' DCR joins every row with every other, so that it gets
--dcr-rows of them; its time grows with their square. mostlyai-qa is installed into an environment of its own, which
takes minutes and 7 GB; `--mostlyai-qa PYTHON` names one that has it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd

from bench.environments import environment
from bench.generators import Set, read, split
from bench.mostlyai_qa import clock, peak_mb
from metrics import METRICS, Score, Tables, evaluate
from metrics.detail import WayScores
from synth import GENERATORS, Synthesizer
from synth.schema import Schema
from synth.schema.casting import conform
from workspace.ingest.ingest import SAMPLES

SIDES = ("train", "holdout", "synthetic")
NUMERIC = ("number", "integer")
FEW = 200
DCR_ROWS = 2000
MOSTLYAI_QA = "mostlyai-qa==1.10.11"


@dataclass
class Cost:
    """What a judge took, and what it said."""

    judge: str
    imports_s: float
    cpu_s: float
    wall_s: float
    peak_mb: float
    figures: dict[str, float] = field(default_factory=dict)
    """What it says, under the names of our metrics where it means the same."""
    parts: dict[str, float] = field(default_factory=dict)
    """CPU seconds of each of its metrics."""


def measured(judge: str, work: Callable[[int | None], tuple[dict, dict]], started: tuple[float, float]) -> Cost:
    """What `work(rows)` costs on all rows (None), after a first time on a few."""
    work(FEW)
    ready = clock()
    figures, parts = work(None)
    done = clock()
    return Cost(judge, ready[1] - started[1], done[1] - ready[1], done[0] - ready[0], peak_mb(), figures, parts)


def ours(tables: Tables) -> Callable[[int | None], tuple[dict, dict]]:
    """Every metric there is, with its reference and its interval."""

    def work(rows: int | None) -> tuple[dict, dict]:
        sides = {side: getattr(tables, side).head(rows or len(getattr(tables, side))) for side in SIDES}
        cut = Tables(**sides, schema=tables.schema, target=tables.target, seed=tables.seed)
        parts, heard = {}, [("", clock()[1])]

        def report(done: float, title: str) -> None:
            before, since = heard[-1]
            heard.append((title, clock()[1]))
            if before:
                parts[before] = round(heard[-1][1] - since, 3)

        scores = evaluate(cut, report=report)
        return figures_of(scores), parts

    return work


def figures_of(scores: dict[str, Score]) -> dict[str, float]:
    found = {name: score.value for name, score in scores.items() if score.value is not None}
    accuracy = scores["marginal_accuracy"].detail_as(WayScores)
    return found | {f"accuracy of {way.way}": way.score for way in (accuracy.ways if accuracy else [])}


def sdmetrics_quality(tables: Tables) -> Callable[[int | None], tuple[dict, dict]]:
    """SDMetrics' quality report."""
    from sdmetrics.reports.single_table import QualityReport

    def work(rows: int | None) -> tuple[dict, dict]:
        report = QualityReport()
        real, synthetic = (
            plain(tables.train.head(rows or len(tables.train)), tables.schema),
            plain(tables.synthetic.head(rows or len(tables.synthetic)), tables.schema),
        )
        report.generate(real, synthetic, metadata(tables.schema), verbose=False)
        said = dict(report.get_properties().itertuples(index=False))
        return {"column_shapes": said["Column Shapes"], "column_pair_trends": said["Column Pair Trends"]}, {}

    return work


def sdmetrics_dcr(tables: Tables, most: int) -> Callable[[int | None], tuple[dict, dict]]:
    """SDMetrics' distances to the closest record, of at most so many rows of each table."""
    from sdmetrics.single_table import DCROverfittingProtection

    def work(rows: int | None) -> tuple[dict, dict]:
        cut = [plain(getattr(tables, side).head(rows or most), tables.schema) for side in SIDES]
        train, holdout, synthetic = cut
        about = {"tables": {"table": metadata(tables.schema)}}
        said = DCROverfittingProtection.compute_breakdown(train, synthetic, holdout, about, "table")
        return {"distance_to_closest_record": said["synthetic_data_percentages"]["closer_to_training"]}, {}

    return work


def plain(table: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """The modelled columns as the libraries take them: floats, datetimes, and texts."""
    columns = {}
    for column in schema.modelled:
        values = table[column.name]
        if column.kind in NUMERIC:
            columns[column.name] = values.astype("float64")
        elif column.kind == "datetime":
            columns[column.name] = values.astype("datetime64[ns]")
        else:
            columns[column.name] = values.astype("string").astype(object)
    return pd.DataFrame(columns).reset_index(drop=True)


def metadata(schema: Schema) -> dict:
    kinds = {"number": "numerical", "integer": "numerical", "datetime": "datetime"}
    return {"columns": {column.name: {"sdtype": kinds.get(column.kind, "categorical")} for column in schema.modelled}}


JUDGES = ("ours", "sdmetrics quality report", "sdmetrics DCR")


def judge(name: str, folder: Path, dcr_rows: int) -> Cost:
    """Let one judge of ours or of SDMetrics work in this process."""
    started = clock()
    warnings.simplefilter("ignore")
    about = json.loads((folder / "about.json").read_text())
    schema = Schema.model_validate(about["schema"])
    sides = [conform(pd.read_parquet(folder / f"{side}.parquet"), schema) for side in SIDES]
    tables = Tables(*sides, schema, about["target"])
    make = {
        "ours": lambda: ours(tables),
        "sdmetrics quality report": lambda: sdmetrics_quality(tables),
        "sdmetrics DCR": lambda: sdmetrics_dcr(tables, dcr_rows),
    }[name]
    return measured(name, make(), started)


def in_process(name: str, folder: Path, dcr_rows: int) -> Cost:
    """The same in a process of its own."""
    command = [sys.executable, "-m", "bench.metrics", "--judge", name, "--dcr-rows", str(dcr_rows), str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def mostlyai_qa(python: Path, folder: Path) -> Cost:
    """mostlyai-qa's report, by the interpreter that has it."""
    script = Path(__file__).with_name("mostlyai_qa.py")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([python, script, folder], stdout=subprocess.PIPE, check=True, text=True, env=environment)
    said = json.loads(done.stdout.splitlines()[-1])
    accuracy, similarity, distances = (said["figures"][part] for part in ("accuracy", "similarity", "distances"))
    figures = {
        "marginal_accuracy": accuracy["overall"],
        "accuracy of one column": accuracy["univariate"],
        "accuracy of two columns": accuracy["bivariate"],
        "accuracy of three columns": accuracy["trivariate"],
        "distance_to_closest_record": distances["dcr_share"],
        "exact_copies": distances["ims_training"],
        "detector": 1 - (2 * max(similarity["discriminator_auc_training_synthetic"], 0.5) - 1),
    }
    return Cost(
        "mostlyai-qa", figures=figures, **{name: said[name] for name in ("imports_s", "cpu_s", "wall_s", "peak_mb")}
    )


def as_markdown(costs: list[Cost]) -> str:
    """What each judge took, what they say side by side, and which of our metrics take longest."""
    heads = ["Judge", "CPU s", "Wall s", "Imports, CPU s", "Peak MB", "Figures"]
    rows = [heads, ["---"] * len(heads)]
    for cost in costs:
        amounts = [f"{cost.cpu_s:.1f}", f"{cost.wall_s:.1f}", f"{cost.imports_s:.1f}", f"{cost.peak_mb:,.0f}"]
        rows.append([cost.judge, *amounts, str(len(cost.figures))])
    lines = [table(rows)]
    names = dict.fromkeys(name for cost in costs[1:] for name in cost.figures)
    rows = [["Figure", *(cost.judge for cost in costs)], ["---"] * (len(costs) + 1)]
    for name in names:
        title = METRICS[name].card.title if name in METRICS else name
        said = [cost.figures.get(name) for cost in costs]
        rows.append([title, *("" if value is None else f"{value:.6f}" for value in said)])
    lines.append(table(rows))
    dearest = sorted(costs[0].parts.items(), key=lambda part: -part[1])[:10]
    lines.append("Ours, CPU s: " + ", ".join(f"{title} {seconds:.2f}" for title, seconds in dearest))
    return "\n\n".join(lines)


def table(rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def given(options: argparse.Namespace, folder: Path) -> tuple[Set, pd.DataFrame]:
    """The real tables and the synthetic one."""
    sample = next(sample for sample in SAMPLES if sample.name == "adult")
    path, target = (options.train, options.target) if options.train else (sample.path, sample.target)
    real, schema = read(path, folder, target)
    one = split(path.stem, real, schema, options.seed)
    if options.holdout:
        one = Set(path.stem, real, read(options.holdout, folder, None, schema)[0], schema)
    if options.synthetic:
        return one, read(options.synthetic, folder, None, schema)[0]
    kind = GENERATORS["trees"]
    return one, Synthesizer(kind(kind.Params(), options.seed), schema).fit(one.train).sample(len(one.train))


def keep(one: Set, synthetic: pd.DataFrame, folder: Path) -> None:
    """The tables as files that every judge can read."""
    for side, real in zip(SIDES, (one.train, one.holdout, synthetic), strict=True):
        plain(real, one.schema).to_parquet(folder / f"{side}.parquet")
    about = {"schema": one.schema.modelled.model_dump(mode="json"), "target": one.schema.target}
    (folder / "about.json").write_text(json.dumps(about))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", type=Path, help="a file of real rows; default: the shipped sample adult")
    parser.add_argument("--holdout", type=Path, help="real rows no generator saw; default: a fifth of --train")
    parser.add_argument("--synthetic", type=Path, help="the rows to judge; default: drawn by trees")
    parser.add_argument("--target", help="the column to predict")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dcr-rows", type=int, default=DCR_ROWS, help="rows of each table that SDMetrics' DCR gets")
    parser.add_argument(
        "--mostlyai-qa", nargs="?", const="", metavar="PYTHON", help="judge with mostlyai-qa too, newly installed"
    )
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--judge", choices=JUDGES, help=argparse.SUPPRESS)
    parser.add_argument("folder", nargs="?", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.judge:
        print(json.dumps(asdict(judge(options.judge, options.folder, options.dcr_rows))))
        return
    if os.environ.get("OMP_NUM_THREADS") != "1":
        print("OMP_NUM_THREADS is not 1: seconds spent waiting for other threads are counted as work.")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        one, synthetic = given(options, folder)
        keep(one, synthetic, folder)
        print(
            f"{one.name}: {len(one.train):,} training, {len(synthetic):,} synthetic and {len(one.holdout):,} held-out "
            f"rows, {len(one.schema.modelled)} columns. DCR of SDMetrics: {options.dcr_rows:,} rows of each.\n",
            flush=True,
        )
        costs = [in_process(name, folder, options.dcr_rows) for name in JUDGES]
        if options.mostlyai_qa is not None:
            python = Path(options.mostlyai_qa) if options.mostlyai_qa else environment(folder / "qa", MOSTLYAI_QA)
            costs.append(mostlyai_qa(python, folder))
    print(as_markdown(costs))
    if options.json:
        options.json.write_text(json.dumps([asdict(cost) for cost in costs], indent=1))


if __name__ == "__main__":
    main()
