"""A small calibration: what a generator costs on this machine, from fits of small made-up tables.

`python -m workspace.calibrate ctgan tvae` measures generators and stores what they took in the workspace's catalog;
without names it measures all. `--ship` writes what is stored to the file that comes with the app.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import numpy as np
import pandas as pd

from synth import GENERATORS, Model, Params, Schema, Synthesizer
from synth.schema import Column
from workspace.jobs.estimate import REFERENCE, Measurement, Shape, quantities, speed, stage_name
from workspace.jobs.meter import ResourceMeter
from workspace.jobs.process import job_environment
from workspace.settings import ROOT, Settings
from workspace.workspace import Workspace

FIRST_ROWS, MOST_ROWS = 250, 64_000
LONG_S = 1.5
"""Tables grow until a fit takes this long."""


def calibrate(kind: type[Model]) -> list[Measurement]:
    """Fit and draw on a few tables, varying one quantity at a time: seconds of work for a quick generator."""
    # A job pays for its imports, so they belong to every measurement: they are what the first fit takes more.
    (cold, held), (warm, _) = _small_fit(kind), _small_fit(kind)
    imports = (max(cold - warm, 0.0), held)
    rows, measured = FIRST_ROWS, []
    while True:
        fit, draw = _measure(kind, rows, 6, 8, 1, imports)
        measured += [fit, draw]
        seconds = fit.seconds - imports[0] - warm  # beyond what even the smallest fit takes
        if seconds > LONG_S or rows >= MOST_ROWS:
            break
        rows *= 2 if seconds > LONG_S / 4 else 4
    for columns, levels, passes in ((12, 8, 1), (6, 200, 1), (6, 8, 4)):
        measured += _measure(kind, rows, columns, levels, passes, imports)
    return measured


def _small_fit(kind: type[Model]) -> tuple[float, float]:
    """Seconds, and megabytes kept."""
    meter = ResourceMeter()
    table, schema = made_up(FIRST_ROWS, 6, 8)
    Synthesizer(kind(kind.lasting(1, FIRST_ROWS), seed=0), schema).fit(table)
    return meter.busy_seconds, meter.kept_mb


def _measure(
    kind: type[Model], rows: int, columns: int, levels: int, passes: int, imports: tuple[float, float]
) -> Iterator[Measurement]:
    table, schema = made_up(rows, columns, levels)
    params = kind.lasting(passes, rows)
    shape = Shape.of(rows, schema, levels={name: table[name].nunique() for name in schema.names})
    meter = ResourceMeter()
    synthesizer = Synthesizer(kind(params, seed=0), schema).fit(table)
    yield _measured("fit", kind, shape, params, meter, imports)
    meter = ResourceMeter()
    for _ in synthesizer.chunks(rows):
        pass
    yield _measured("draw", kind, shape, params, meter)


def _measured(
    stage: str,
    kind: type[Model],
    shape: Shape,
    params: Params,
    meter: ResourceMeter,
    imports: tuple[float, float] = (0, 0),
) -> Measurement:
    amounts = quantities(stage, shape, kind.passes(params, shape.rows), shape.rows)
    seconds, memory = imports
    return Measurement(
        stage_name(stage, kind, params),
        amounts,
        meter.busy_seconds + seconds,
        meter.taken_mb + memory,
        meter.kept_mb + memory,
    )


def made_up(rows: int, columns: int, levels: int) -> tuple[pd.DataFrame, Schema]:
    """A table of which every other column is a category of `levels` levels, the rest numbers."""
    rng = np.random.default_rng(0)
    table, described = {}, []
    for place in range(columns):
        name, kind = f"c{place}", "category" if place % 2 else "number"
        if kind == "category":
            table[name] = pd.Series(np.minimum(rng.zipf(1.5, rows), levels).astype(str)).astype("category")
        else:
            table[name] = rng.lognormal(rng.choice([0.0, 2.0], rows), 1.0)
        described.append(Column(name=name, kind=kind))
    return pd.DataFrame(table), Schema(columns=described)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", metavar="MODEL", help=", ".join(GENERATORS))
    parser.add_argument(
        "--ship", action="store_true", help="write all that is stored to the file that comes with the app"
    )
    parser.add_argument("--here", action="store_true", help="measure in this very process")
    asked = parser.parse_args()
    workspace = Workspace(Settings())
    for model in asked.models or ([] if asked.ship else GENERATORS):
        if asked.here:
            _give_way()
            workspace.measurements.keep(calibrate(GENERATORS[model]))
        else:
            run(model, workspace.settings)
    if asked.ship:
        _ship(workspace.measurements.find())


def _give_way() -> None:
    """Come last for the processor, and end with the process that wanted this."""
    os.nice(15)
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def run(model: str, settings: Settings) -> None:
    """Calibrate one generator in a process as jobs have: nothing imported yet, and a job's share of the threads."""
    command = [sys.executable, "-m", "workspace.calibrate", "--here", model]
    subprocess.run(command, env=job_environment(settings), cwd=ROOT, check=True)


def _ship(measured: list[Measurement]) -> None:
    rows = []
    for one in measured:
        amounts = {name: round(amount) for name, amount in one.quantities.items()}
        costs = {"seconds": round(one.seconds, 3), "taken_mb": round(one.taken_mb), "kept_mb": round(one.kept_mb)}
        rows.append(json.dumps({"stage": one.stage, "quantities": amounts, **costs}))
    text = ",\n ".join(sorted(rows))
    REFERENCE.write_text(f'{{"speed": {speed():.5f}, "measured": [\n {text}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
