"""Awkward tables, each with its schema, that every generator and every metric must get through."""

import numpy as np
import pandas as pd

from synth.schema import Column, Schema

ROWS = 60


def _mixed() -> dict:
    rng = np.random.default_rng(0)
    sex = rng.choice(["f", "m"], ROWS)
    return {
        ("customer", "text", "id"): [f"CUST-{i:05d}" for i in range(ROWS)],
        ("name", "text", "pii"): [f"Given{i} Family{i}" for i in range(ROWS)],
        ("email", "text", "pii"): [f"given{i}@family{i}.com" for i in range(ROWS)],
        ("sex", "category"): [None if i % 13 == 0 else value for i, value in enumerate(sex)],
        ("age", "integer"): [None if i % 7 == 0 else int(18 + 40 * rng.random()) for i in range(ROWS)],
        ("price", "number"): np.round(np.where(sex == "f", 10, 50) + rng.random(ROWS) * 5, 2),
        ("member", "boolean"): [None if i % 11 == 0 else bool(i % 3) for i in range(ROWS)],
        ("joined", "datetime"): pd.date_range("1955-03-01", periods=ROWS, freq="97D").to_series().mask(sex == "m"),
        ("remark", "text"): [f"note {i} is about nothing at all" for i in range(ROWS)],
        ("secret", "category", "drop"): ["x", "y"] * (ROWS // 2),
        ("bought", "boolean", "target"): sex == "f",
    }


def _cyclic(values: list, rows: int = ROWS) -> list:
    return [values[i % len(values)] for i in range(rows)]


def _awkward() -> dict[str, dict]:
    numbers = np.random.default_rng(1).normal(size=(ROWS, 3))
    zoned = pd.date_range("2024-10-26 20:00", periods=ROWS, freq="37min", tz="Europe/Berlin")
    return {
        "mixed": _mixed(),
        "one row": {key: values[:1] for key, values in _mixed().items()},
        "two rows": {key: values[1:3] for key, values in _mixed().items()},
        "one column": {("x", "number"): numbers[:, 0]},
        "one category column": {("x", "category"): _cyclic(list("aab"))},
        "only ids": {("key", "integer", "id"): list(range(ROWS))},
        "all missing": {("a", "number"): [None] * ROWS, ("b", "category"): [None] * ROWS, ("c", "datetime"): [None] * ROWS},
        "one column all missing": {("a", "integer"): [None] * ROWS, ("b", "integer"): _cyclic([1, 2, 3])},
        "nearly all missing": {("a", "number"): [1.5, 2.5] + [None] * (ROWS - 2), ("b", "category"): _cyclic(list("xy"))},
        "one category": {("a", "category"): ["only"] * ROWS, ("b", "category"): _cyclic(["one", None]), ("c", "number"): numbers[:, 1]},
        "constant": {("a", "number"): [2.5] * ROWS, ("b", "datetime"): [pd.Timestamp("1969-07-20")] * ROWS, ("c", "boolean"): [True] * ROWS},
        "dates before 1970": {("born", "datetime"): pd.date_range("1893-01-01", periods=ROWS, freq="11D"), ("x", "number"): numbers[:, 0]},
        "dates with a time zone": {("at", "datetime", "feature", "Europe/Berlin"): zoned, ("x", "number"): numbers[:, 0]},
        "emoji": {("😀 mood", "category"): _cyclic(["😀", "😭", "👩‍👩‍👧", "naïve, \"quoted\" is here; yes"]), ("größe", "number"): numbers[:, 0]},
        "a column called select": {("select", "category"): _cyclic(["from", "where", "drop table"]), ("from; --", "integer"): _cyclic([1, 2, 3])},
        "names that clash with libraries": {("index", "integer"): _cyclic([3, 4]), ("0", "number"): numbers[:, 0], ("", "category"): _cyclic(["a", "b"])},
        "booleans": {(name, "boolean"): _cyclic(values) for name, values in {"a": [True, False], "b": [True, None, False]}.items()},
        "high cardinality": {("city", "category"): [f"city {i // 2}" for i in range(ROWS)], ("x", "number"): numbers[:, 2]},
        "big and small numbers": {("big", "integer"): [2**53 + i for i in range(ROWS)], ("tiny", "number"): numbers[:, 0] * 1e-9, ("huge", "number"): numbers[:, 1] * 1e15},
        "numbers like categories": {("stars", "integer"): _cyclic([1, 2, 5]), ("zero", "number"): _cyclic([0.0, 0.0, 0.0, 7.25])},
    }  # fmt: skip


def _wide() -> dict:
    rng = np.random.default_rng(2)
    columns = {(f"n{i}", "number"): rng.normal(size=30).round(3) for i in range(200)}
    return columns | {(f"c{i}", "category"): rng.choice(list("abc"), 30) for i in range(100)}


def _table(columns: dict) -> tuple[pd.DataFrame, Schema]:
    described = [dict(zip(("name", "kind", "role", "timezone"), key, strict=False)) for key in columns]
    schema = Schema(columns=[Column.model_validate(column) for column in described])
    return pd.DataFrame({key[0]: pd.Series(list(values)) for key, values in columns.items()}), schema


AWKWARD: dict[str, tuple[pd.DataFrame, Schema]] = {name: _table(columns) for name, columns in _awkward().items()}
WIDE: tuple[pd.DataFrame, Schema] = _table(_wide())
