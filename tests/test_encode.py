"""Tables as arrays: numbers, codes, edges."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.base import Tables
from metrics.tools.encode import as_codes, as_floats, encoded, equal_edges
from metrics.tools.sampling import randomness, sample_rows
from synth.schema import Column, Schema
from synth.schema.casting import conform
from tests.judging import tables


def test_levels_have_the_same_code_in_every_table_and_missing_the_last():
    judged = tables({"a": ["y", "x", None]}, {"a": ["z", "x"]}, {"a": ["y", None]})
    sides = encoded(judged)
    assert sides.levels["a"] == ["x", "y", "z"]
    assert sides.train.codes["a"].tolist() == [1, 0, 3]
    assert sides.holdout.codes["a"].tolist() == [1, 3]
    assert sides.synthetic.codes["a"].tolist() == [2, 0]


def test_categories_nobody_has_are_no_level():
    unused = pd.Series(["x"], dtype=pd.CategoricalDtype(["w", "x"]))
    labels, codes = as_codes({"train": unused})
    assert labels == ["x"]
    assert codes["train"].tolist() == [0]


def test_booleans_are_levels():
    sides = encoded(tables({"a": [True, False]}, {"a": [True, True]}))
    assert sides.levels["a"] == ["False", "True"]


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_dates_are_microseconds_since_1970(zone):
    column = Column(name="at", kind="datetime", timezone=zone)
    stamps = pd.Series(pd.to_datetime(["1969-12-31 23:59:59", None, "1970-01-01 00:00:01"], utc=True))
    table = conform(pd.DataFrame({"at": stamps if zone else stamps.dt.tz_localize(None)}), Schema(columns=[column]))
    assert as_floats(table["at"])[[0, 2]].tolist() == [-1e6, 1e6]
    assert np.isnan(as_floats(table["at"])[1])


def test_ids_personal_data_and_text_are_not_compared():
    columns = [
        ("id", "id", "integer"),
        ("name", "pii", "text"),
        ("free", "feature", "text"),
        ("x", "feature", "number"),
    ]
    schema = Schema(columns=[Column(name=name, role=role, kind=kind) for name, role, kind in columns])
    table = pd.DataFrame({"id": [1], "name": ["Ann"], "free": ["words"], "x": [1.0]})
    assert encoded(Tables(table, None, table, schema)).names == ["x"]


@given(st.lists(st.one_of(st.none(), st.floats(-1e12, 1e12)), max_size=30))
def test_edges_are_numpys(values):
    numbers = np.array([np.nan if value is None else value for value in values], dtype=float)
    there = numbers[~np.isnan(numbers)]
    edges = equal_edges(numbers)
    assert (np.diff(edges) >= 0).all()
    if len(np.unique(there)) != 1 and (not len(there) or np.ptp(there) > 1e-3):
        assert edges == pytest.approx(np.histogram_bin_edges(there))


def test_different_purposes_draw_independently():
    assert (sample_rows(100, 50, 0, "train") == sample_rows(100, 50, 0, "train")).all()
    assert (sample_rows(100, 50, 0, "train") != sample_rows(100, 50, 0, "holdout")).any()
    assert sample_rows(3, 50, 0, "train").tolist() == [0, 1, 2]
    assert randomness(0, "a").random() != randomness(1, "a").random()
