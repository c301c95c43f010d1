"""GANerAid: blocks of rows from one draw of noise."""

import numpy as np
import pandas as pd
import pytest

from synth.ganeraid import GANerAid
from synth.schema import Column, Schema


def table() -> tuple[pd.DataFrame, Schema]:
    rng = np.random.default_rng(0)
    ill = rng.random(400) < 0.5
    columns = {"ill": ill, "pressure": np.round(np.where(ill, 150, 110) + rng.normal(size=400) * 5)}
    kinds = {"ill": "boolean", "pressure": "integer"}
    return pd.DataFrame(columns), Schema(columns=[Column(name=name, kind=kind) for name, kind in kinds.items()])


@pytest.mark.parametrize("rows", [1, 24, 25, 26, 103])
def test_any_number_of_rows_is_cut_from_whole_blocks(rows):
    model = GANerAid(GANerAid.Params(epochs=1)).fit(*table())
    assert len(model.sample(rows)) == rows


@pytest.mark.parametrize("rows", [2, 25, 60])
def test_a_small_table_fills_its_blocks_more_than_once(rows):
    patients, schema = table()
    assert len(GANerAid(GANerAid.Params(epochs=2)).fit(patients.head(rows), schema).sample(30)) == 30


def test_the_lstm_must_divide_among_the_rows():
    with pytest.raises(ValueError, match="multiple of rows_per_block"):
        GANerAid.Params(hidden=200, rows_per_block=30)


def test_rows_of_a_block_differ():
    model = GANerAid(GANerAid.Params(epochs=20), seed=1).fit(*table())
    assert model.sample(25)["pressure"].nunique() > 5
