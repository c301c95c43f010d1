"""Time and memory to preview and profile a file, ours beside pandas, each in processes of its own.

    python -m bench.ingest [FILE ...]      without files: the shipped samples adult and diamonds

pandas:  read_csv(FILE), then describe(include="all").
ours:    preview(FILE), the first 50 rows and how the file is read; then examine(FILE): every byte checked, dialect
         and encoding detected, all cells read, each column's kind, role and format found, missing and distinct
         values, range, mean, deviation, ten top values and a histogram. `ingest` does the same and keeps the table
         in a DuckDB file, each value proved to give back its text.
Imports are done before the clock starts, and told apart. Medians over several runs; CPU is user and system time.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 5
SIDES = ("pandas", "preview", "profile", "ingest")


def measure(side: str, file: Path) -> dict[str, float]:
    """Do one side's work in this process; seconds and peak MB."""
    started = _clock()
    work = _work(side, file)
    ready, base = _clock(), _peak_mb()
    work()
    done = _clock()
    return {
        "import_s": ready[0] - started[0],
        "wall_s": done[0] - ready[0],
        "cpu_s": done[1] - ready[1],
        "peak_mb": _peak_mb(),
        "added_mb": _peak_mb() - base,
    }


def _work(side: str, file: Path):
    if side == "pandas":
        import pandas as pd

        separator = ";" if b";" in file.open("rb").readline() else ","
        return lambda: pd.read_csv(file, sep=separator).describe(include="all")
    from workspace.ingest import ingest as tables

    if side == "preview":
        return lambda: tables.preview(file, file.name)
    if side == "profile":
        return lambda: (tables.preview(file, file.name), tables.examine(file, file.name))
    return lambda: tables.ingest(file, file.name, Path(tempfile.mkdtemp()) / "table.duckdb")


def _clock() -> tuple[float, float]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return time.perf_counter(), used.ru_utime + used.ru_stime


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def compared(file: Path, runs: int) -> dict[str, dict[str, float]]:
    """Medians of each side over `runs` fresh processes, the sides taking turns so that both meet the same noise."""
    found: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    for _ in range(runs):
        for side in SIDES:
            done = subprocess.run(
                [sys.executable, "-m", "bench.ingest", "--measure", side, str(file)],
                capture_output=True,
                check=True,
                text=True,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )
            found[side].append(json.loads(done.stdout))
    return {side: {key: statistics.median(one[key] for one in many) for key in many[0]} for side, many in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--runs", type=int, default=RUNS, help="processes per side")
    parser.add_argument("--measure", choices=SIDES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments.files[0])))
        return
    samples = Path(__file__).parents[1] / "workspace" / "tables" / "samples"
    for file in arguments.files or [samples / "adult.csv.gz", samples / "diamonds.csv.gz"]:
        sides = compared(file, arguments.runs)
        theirs = sides["pandas"]
        print(f"\n{file.name}, {file.stat().st_size / 1e6:.1f} MB, medians of {arguments.runs}")
        print(f"{'':20}{'CPU s':>8}{'wall s':>8}{'peak MB':>9}{'CPU':>8}{'wall':>8}{'peak':>8}{'imports s':>11}")
        for side, label in zip(SIDES, ("pandas", "preview", "preview + profile", "ingest"), strict=True):
            one = sides[side]
            ratios = "".join(f"{one[key] / theirs[key]:8.2f}" for key in ("cpu_s", "wall_s", "peak_mb"))
            print(
                f"{label:20}{one['cpu_s']:8.3f}{one['wall_s']:8.3f}{one['peak_mb']:9.0f}{ratios}{one['import_s']:11.2f}"
            )
    print("\nRatios are to pandas; below 1 is less. `ingest` also keeps the table on disk, which pandas does not.")


if __name__ == "__main__":
    main()
