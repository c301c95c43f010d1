"""A small calibration: what a generator costs on this machine, from fits of small made-up tables.

`python -m workspace.calibrate ctgan tvae` measures generators and stores what they took in the workspace's catalog;
without names it measures all. `--ship` writes what is stored to the file that comes with the app.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
import pandas as pd

from synth import GENERATORS, Generator, Schema
from synth.schema import Column
from workspace.estimate import REFERENCE, Measured, Shape, passes, quantities, speed, stage_name
from workspace.meter import Meter, peak_mb, reset_peak
from workspace.settings import Settings
from workspace.store import Store

FIRST_ROWS, MOST_ROWS = 250, 8_000
LONG_S = 1.5
"""Tables grow until a fit takes this long."""


def calibrate(kind: type[Generator]) -> list[Measured]:
    """Fit and draw on a few tables, varying one quantity at a time: seconds of work for a quick generator."""
    # A job pays for its imports, so their time belongs to every measurement: it is what the first fit takes longer.
    imports = _fit_seconds(kind, FIRST_ROWS) - _fit_seconds(kind, FIRST_ROWS)
    rows, measured = FIRST_ROWS, []
    while True:
        measured += _measure(kind, rows, columns=6, levels=8, epochs=1, imports=max(imports, 0.0))
        seconds = measured[-2].seconds - imports
        if seconds > LONG_S or rows >= MOST_ROWS:
            break
        rows *= 2 if seconds > LONG_S / 4 else 4
    for columns, levels, epochs in ((12, 8, 1), (6, 200, 1), (6, 8, 4)):
        measured += _measure(kind, rows, columns, levels, epochs, max(imports, 0.0))
    return measured


def _fit_seconds(kind: type[Generator], rows: int) -> float:
    meter = Meter()
    kind(_params(kind, 1), seed=0).fit(*made_up(rows, 6, 8))
    return meter.busy_seconds


def _measure(
    kind: type[Generator], rows: int, columns: int, levels: int, epochs: int, imports: float
) -> Iterator[Measured]:
    table, schema = made_up(rows, columns, levels)
    params = _params(kind, epochs)
    shape = Shape.of(rows, schema, levels={name: table[name].nunique() for name in schema.names})
    reset_peak()
    meter = Meter()
    generator = kind(params, seed=0).fit(table, schema)
    fitted = meter.busy_seconds
    yield _measured("fit", kind, shape, params, fitted + imports)
    for _ in generator.chunks(rows):
        pass
    yield _measured("draw", kind, shape, params, meter.busy_seconds - fitted)


def _measured(stage: str, kind: type[Generator], shape: Shape, params, seconds: float) -> Measured:
    amounts = quantities(stage, shape, passes(params), shape.rows)
    return Measured(stage_name(stage, kind.name), amounts, round(seconds, 4), round(peak_mb(), 1))


def _params(kind: type[Generator], epochs: int):
    return kind.Params.model_validate({"epochs": epochs} if "epochs" in kind.Params.model_fields else {})


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
    parser.add_argument("models", nargs="*", choices=[*GENERATORS, []], metavar="MODEL", help=", ".join(GENERATORS))
    parser.add_argument(
        "--ship",
        action="store_true",
        help="write all that was measured on this machine to the file shipped with the app",
    )
    asked = parser.parse_args()
    store = Store(Settings())
    for name in asked.models or ([] if asked.ship else GENERATORS):
        store.keep_measured(calibrate(GENERATORS[name]))
    if asked.ship:
        _ship(store.measured())


def _ship(measured: list[Measured]) -> None:
    rows = [{name: value for name, value in asdict(row).items() if name != "here"} for row in measured]
    text = ",\n ".join(json.dumps(row) for row in rows)
    REFERENCE.write_text(f'{{"speed": {speed():.5f}, "measured": [\n {text}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
