import numpy as np
import pandas as pd
import pytest
import torch
from ctgan.data_transformer import SpanInfo
from ctgan.synthesizers.tvae import _loss_function as shipped_loss

from synth import Column, Schema
from synth.generators.neural.mode_encoder import Modes
from synth.generators.neural.softmax_blocks import Blocks
from synth.generators.neural.tvae import TVAE
from synth.generators.neural.tvae_network import Network, Reconstruction, Reparametrised
from synth.generators.neural.weight_averaging import RunningMean
from tests.trained import Watcher, fitted, small_world

CPU = torch.device("cpu")


def quick(**params) -> TVAE:
    return TVAE(TVAE.Params(**{"epochs": 5, **params}), seed=1)


# The algorithm is the shipped one ------------------------------------------------------------------------------


def batch():
    """Five rows of two numbers and blocks of 3, 1 and 4 levels, and what a network might have drawn for them."""
    torch.manual_seed(0)
    blocks = Blocks([3, 1, 4], CPU)
    blocks.member, blocks.columns = blocks.member.double(), blocks.columns.double()
    levels = torch.stack([torch.randint(width, (5,)) for width in blocks.widths], 1)
    values = torch.rand(5, 2, dtype=torch.float64) * 2 - 1
    drawn = torch.randn(5, 10, dtype=torch.float64, requires_grad=True)
    sigmas = (torch.rand(10, dtype=torch.float64) + 0.1).requires_grad_()
    return blocks, levels + blocks.starts, values, drawn, sigmas


def test_the_loss_is_the_shipped_one():
    blocks, places, values, drawn, sigmas = batch()
    rows = torch.cat([values, torch.zeros(5, 8, dtype=torch.float64).scatter_(1, places, 1.0)], 1)
    number, spans = [SpanInfo(1, "tanh")], [[SpanInfo(width, "softmax")] for width in blocks.widths]
    mean, log_variance = torch.randn(2, 5, 4, dtype=torch.float64)
    reconstruction, divergence = shipped_loss(drawn, rows, sigmas, mean, log_variance, [number, number, *spans], 2)
    ours = Reconstruction.apply(drawn, sigmas, values, places, blocks)
    assert ours.item() * 2 / 5 == pytest.approx(reconstruction.item())
    _, far = Reparametrised.apply(mean, log_variance, torch.randn_like(mean))
    assert far.item() / 5 == pytest.approx(divergence.item())


def test_the_gradients_written_out_are_right():
    blocks, places, values, drawn, sigmas = batch()
    assert torch.autograd.gradcheck(lambda d, s: Reconstruction.apply(d, s, values, places, blocks), (drawn, sigmas))
    mean, log_variance = (torch.randn(3, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    noise = torch.randn(3, 4, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda m, v: Reparametrised.apply(m, v, noise), (mean, log_variance))


def test_an_epoch_sees_every_row():
    table, schema = small_world(1_234)
    modes = Modes().fit(table, schema, seed=0)
    network = Network(TVAE.Params(batch_size=500), modes.numbers, modes.widths, CPU)
    network.prepare(modes.encode(table, np.random.default_rng(0)))
    assert network.steps == 3
    seen = 0

    def tick():
        nonlocal seen
        seen += 1
        return True

    network.epoch(tick)
    assert seen == 3


def test_the_running_mean_follows_a_module():
    module = torch.nn.Linear(1, 1)
    mean = RunningMean(module, averaging=True)
    torch.nn.init.constant_(module.weight, 1.0)
    for _ in range(5_000):
        mean.follow()
    assert mean.mean.weight.item() == pytest.approx(1.0, abs=1e-3)
    torch.nn.init.constant_(module.weight, 2.0)
    mean.follow()
    assert mean.mean.weight.item() == pytest.approx(1.002, abs=1e-3)


def test_without_averaging_the_last_weights_are_drawn_with():
    module = torch.nn.Linear(2, 2)
    mean = RunningMean(module, averaging=False)
    torch.nn.init.constant_(module.weight, 3.0)
    mean.follow()
    assert (mean.mean.weight == 3.0).all()


# What an analyst expects of it ---------------------------------------------------------------------------------


def test_what_depends_on_what_is_learned():
    synthetic = fitted(quick(epochs=60), *small_world()).sample(3_000)
    women, men = synthetic[synthetic["sex"] == "f"], synthetic[synthetic["sex"] == "m"]
    assert len(women) / 3_000 == pytest.approx(0.6, abs=0.1)
    assert women["height"].median() == pytest.approx(160, abs=3) and men["height"].median() == pytest.approx(185, abs=3)
    assert women["height"].isna().mean() < 0.1 < men["height"].isna().mean()


def test_patience_ends_a_training_that_no_longer_gets_better_and_keeps_the_best():
    watcher = Watcher()
    generator = fitted(quick(epochs=2_000, patience=5), *small_world(300), watcher)
    assert len(generator.model.curve) < 2_000
    marks = {point["epoch"]: point["quality"] for point in generator.model.curve if "quality" in point}
    best = max(marks, key=marks.get)
    again = fitted(quick(epochs=best, patience=0), *small_world(300))
    pd.testing.assert_frame_equal(generator.sample(30), again.sample(30))


def test_a_model_is_saved_as_plain_arrays(tmp_path):
    generator = fitted(quick(), *small_world(600))
    generator.save(tmp_path)
    with np.load(tmp_path / "weights.npz", allow_pickle=False) as weights:
        assert all(weights[name].dtype == np.float32 for name in weights)
    assert sorted(file.suffix for file in tmp_path.iterdir()) == [".json", ".json", ".json", ".npz"]


@pytest.mark.slow
def test_300_000_distinct_levels_train():
    table = pd.DataFrame({"key": [f"v{i:06d}" for i in range(300_000)], "x": np.arange(300_000) % 1000})
    schema = Schema(columns=[Column(name="key", kind="category"), Column(name="x", kind="number")])
    synthetic = fitted(quick(epochs=1), table, schema).sample(10_000)
    assert synthetic["key"].nunique() > 9_000
