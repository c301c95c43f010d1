"""Small worlds for the metrics: tables written as dictionaries, and adult in three parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from metrics.base import Tables
from metrics.checks import MIXED, mixed, mixed_tables
from synth.schema import Column, Schema
from synth.schema.casting import conform

__all__ = ["MIXED", "adult", "mixed", "mixed_tables", "rows", "schema_of", "shuffled", "tables"]

KINDS = {"b": "boolean", "i": "integer", "f": "number", "M": "datetime"}
Columns = dict[str, list[Any]]


def schema_of(table: pd.DataFrame, target: str | None = None, roles: dict[str, str] | None = None) -> Schema:
    """Columns with the kind their values have, text counting as levels."""
    return Schema(
        columns=[
            Column(
                name=name,
                kind=KINDS.get(values.dtype.kind, "category"),
                role="target" if name == target else (roles or {}).get(name, "feature"),
            )
            for name, values in table.items()
        ]
    )


def tables(
    train: Columns | pd.DataFrame,
    synthetic: Columns | pd.DataFrame,
    holdout: Columns | pd.DataFrame | None = None,
    *,
    target: str | None = None,
    roles: dict[str, str] | None = None,
    **more: Any,
) -> Tables:
    """What a metric looks at, from columns of plain values; the kinds are those of train's."""
    schema = schema_of(pd.DataFrame(train), target, roles)
    sides = [None if side is None else conform(pd.DataFrame(side), schema) for side in (train, holdout, synthetic)]
    return Tables(*sides, schema, **more)


def rows(*values: tuple) -> Columns:
    """Rows as columns named a, b, c, ..."""
    return {"abcdefgh"[place]: list(column) for place, column in enumerate(zip(*values, strict=True))}


def adult(train: int = 1000, holdout: int = 400) -> Tables:
    """The first rows of adult, with the training rows as the synthetic ones: replace them."""
    table = pd.read_csv(Path(__file__).parent / "data" / "adult_2000.csv", skipinitialspace=True)
    table = table.sample(frac=1, random_state=0, ignore_index=True)
    target = table.columns[-1]
    schema = schema_of(table, target)
    table = conform(table, schema)
    first = table.iloc[:train].reset_index(drop=True)
    return Tables(first, table.iloc[train : train + holdout].reset_index(drop=True), first, schema)


def shuffled(table: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Every column in an order of its own: single columns stay, all else goes."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame({name: values.iloc[rng.permutation(len(table))].to_numpy() for name, values in table.items()})
