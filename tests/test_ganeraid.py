"""GANerAid: blocks of rows from one draw of noise."""

import numpy as np
import pandas as pd
import pytest
import torch

from synth.generators.neural.ganeraid import GANerAid
from synth.generators.neural.mode_encoder import Modes
from synth.schema import Column, Schema
from tests.trained import fitted


def table() -> tuple[pd.DataFrame, Schema]:
    rng = np.random.default_rng(0)
    ill = rng.random(400) < 0.5
    columns = {"ill": ill, "pressure": np.round(np.where(ill, 150, 110) + rng.normal(size=400) * 5)}
    kinds = {"ill": "boolean", "pressure": "integer"}
    return pd.DataFrame(columns), Schema(columns=[Column(name=name, kind=kind) for name, kind in kinds.items()])


@pytest.mark.parametrize("rows", [1, 24, 25, 26, 103])
def test_any_number_of_rows_is_cut_from_whole_blocks(rows):
    model = fitted(GANerAid(GANerAid.Params(epochs=1)), *table())
    assert len(model.sample(rows)) == rows


@pytest.mark.parametrize("rows", [2, 25, 60])
def test_a_small_table_fills_its_blocks_more_than_once(rows):
    patients, schema = table()
    assert len(fitted(GANerAid(GANerAid.Params(epochs=2)), patients.head(rows), schema).sample(30)) == 30


def test_the_lstm_must_divide_among_the_rows():
    with pytest.raises(ValueError, match="multiple of rows_per_block"):
        GANerAid.Params(hidden=200, rows_per_block=30)


def test_rows_of_a_block_differ():
    model = fitted(GANerAid(GANerAid.Params(epochs=20), seed=1), *table())
    assert model.sample(25)["pressure"].nunique() > 5


def test_a_small_table_takes_several_steps_in_a_pass():
    # 400 rows are 16 blocks of 25, and a step takes 100 blocks: they would be learned from once in each pass.
    model = GANerAid(GANerAid.Params(epochs=1))
    patients, schema = table()
    modes = Modes().fit(patients, schema, seed=0)
    network = model.network(modes.numbers, modes.widths, torch.device("cpu"))
    network.prepare(modes.encode(patients, np.random.default_rng(0)))
    assert (network.batch, network.steps) == (4, 4)


@pytest.mark.slow
def test_what_depends_on_what_is_learned():
    drawn = fitted(GANerAid(seed=1), *table()).sample(2_000)
    # Half by chance; 0.84 to 0.97 over three seeds.
    assert ((drawn["pressure"] > 130) == drawn["ill"]).mean() > 0.8
