"""What will be done about the rare levels of a dataset, counted in the rows that generators may see."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from synth.columns.numeric import CLASSES
from synth.columns.rare import Protection, level_counts, protections
from synth.schema import Schema
from synth.schema.profile import ColumnProfile
from workspace.tables import duckdb_file


def protections_of(
    file: Path, schema: Schema, profiles: list[ColumnProfile], only: np.ndarray | None = None
) -> list[Protection]:
    """The protection of each column that has levels; `only` are the positions of the rows that count (None: all)."""
    distinct = {profile.name: profile.distinct for profile in profiles}
    few = [
        column
        for column in schema.modelled
        if column.kind in ("category", "boolean")
        or (column.kind in ("integer", "number") and distinct.get(column.name, CLASSES) <= CLASSES)
    ]
    counted = Schema(columns=few)
    counts = level_counts(duckdb_file.read(file, counted, only=only), counted)
    return protections(schema, counts)
