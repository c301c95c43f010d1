import time

import numpy as np
import pandas as pd
import pytest
import torch
from ctgan.synthesizers import ctgan as shipped
from torch.nn import Dropout

from synth import Column, Schema, Stopped, quiet
from synth.generators.neural.ctgan import CTGAN
from synth.generators.neural.ctgan_network import Discriminator, Network
from synth.generators.neural.mode_encoder import Modes
from synth.generators.neural.softmax_blocks import Blocks, gumbel
from synth.generators.neural.trainer import Trainer
from tests.trained import CancelAfter, Watcher, fitted, small_world

CPU = torch.device("cpu")


def quick(**params) -> CTGAN:
    return CTGAN(CTGAN.Params(**{"epochs": 3, "generator_width": 32, "discriminator_width": 32, **params}), seed=1)


# The algorithm is the shipped one ------------------------------------------------------------------------------


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_the_gradient_penalty_and_its_gradients_are_the_shipped_ones(dropout):
    torch.manual_seed(0)
    discriminator = Discriminator(7, (16, 8, 8), pac=5).double()
    for layer in discriminator.seq:
        if isinstance(layer, Dropout):
            layer.p = dropout
    real, fake = torch.randn(50, 7).double(), torch.randn(50, 7).double().requires_grad_()
    found = []
    for kind in (Discriminator, shipped.Discriminator):
        torch.manual_seed(1)  # both draw the same points between real and fake, and drop the same neurons
        torch.set_default_dtype(torch.float64)
        discriminator.zero_grad()
        penalty = kind.calc_gradient_penalty(discriminator, real, fake, "cpu", 5)
        torch.set_default_dtype(torch.float32)
        penalty.backward()
        weights = [layer.weight.grad.clone() for layer in discriminator.seq if hasattr(layer, "weight")]
        found.append([penalty.detach(), *weights])
    for ours, theirs in zip(*found, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-12)


def test_softmax_in_blocks_is_the_softmax_of_each_block():
    blocks = Blocks([3, 1, 4], CPU)
    scores = torch.randn(6, 8, dtype=torch.float32) * 30
    expected = torch.cat([block.softmax(1) for block in scores.split([3, 1, 4], 1)], 1)
    assert torch.allclose(blocks.softmax(scores), expected, atol=1e-6)


def test_the_gradient_of_softmax_in_blocks_is_right():
    blocks = Blocks([3, 1, 4], CPU)
    blocks.member, blocks.columns = blocks.member.double(), blocks.columns.double()
    scores = torch.randn(6, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(blocks.softmax, scores)


def test_gumbel_noise_has_its_mean_and_variance():
    torch.manual_seed(0)
    noise = gumbel(1000, 200, CPU)
    assert noise.mean().item() == pytest.approx(0.5772, abs=0.01)
    assert noise.var().item() == pytest.approx(np.pi**2 / 6, abs=0.02)


def network(table: pd.DataFrame, schema: Schema, **params) -> tuple[Network, Modes]:
    modes = Modes().fit(table, schema, seed=0)
    net = Network(CTGAN.Params(**params), modes.numbers, modes.widths, CPU)
    net.prepare(modes.encode(table, np.random.default_rng(0)))
    return net, modes


def test_looking_conditions_up_is_multiplying_with_them():
    net, _ = network(*small_world(600))
    wanted = net._draw_conditions(500)
    torch.manual_seed(1)
    looked_up = net._raw(net._generator, wanted)
    torch.manual_seed(1)
    noise = torch.randn(500, 128)
    assert torch.allclose(looked_up, net._generator(net._with_conditions(noise, wanted)), atol=1e-4)


def test_rows_drawn_for_a_condition_satisfy_it():
    table = pd.DataFrame({"a": list("xxxxyyz") * 50, "b": list("pq") * 175}).astype("category")
    net, _ = network(table, Schema(columns=[Column(name=name, kind="category") for name in "ab"]))
    wanted = net._draw_conditions(500)
    rows = net._real(wanted)[:, : net.conditions.width]
    assert (rows.gather(1, wanted.place[:, None]) == 1).all()
    assert set(wanted.column.tolist()) == {0, 1}


def test_training_wants_rare_levels_more_often_and_drawing_as_often_as_they_are():
    # 990 "x" and 10 "y": log(991) : log(11) is 0.742 : 0.258.
    table = pd.DataFrame({"a": ["x"] * 990 + ["y"] * 10}).astype("category")
    net, _ = network(table, Schema(columns=[Column(name="a", kind="category")]))
    torch.manual_seed(0)
    in_training = torch.cat([net._draw_conditions(500).level for _ in range(20)]).float().mean().item()
    in_drawing = torch.cat([net._real_conditions(500).place for _ in range(20)]).float().mean().item()
    assert in_training == pytest.approx(np.log(11) / (np.log(991) + np.log(11)), abs=0.02)
    assert in_drawing == pytest.approx(0.01, abs=0.005)


def test_the_discriminator_step_leaves_no_gradient_in_the_generator():
    net, _ = network(*small_world(600))
    net._train_discriminator()
    assert all(parameter.grad is None for parameter in net._generator.parameters())


# What an analyst expects of it ---------------------------------------------------------------------------------


def test_each_epoch_is_a_point_of_the_curve_with_both_losses():
    watcher = Watcher()
    generator = fitted(quick(), *small_world(), watcher)
    assert [point["epoch"] for point in watcher.curve] == [1, 2, 3]
    assert {"generator_loss", "discriminator_loss"} <= set(watcher.curve[0])
    assert 0 < watcher.curve[-1]["quality"] <= 1
    assert generator.model.curve == watcher.curve


def test_cancel_stops_a_running_fit_within_two_seconds():
    started = time.monotonic()
    with pytest.raises(Stopped):
        fitted(quick(epochs=10_000, patience=0), *small_world(), CancelAfter(1.0))
    assert time.monotonic() - started < 3.0 + 5.0  # the first import of torch and the modes come before


def test_enough_keeps_what_is_trained():
    watcher = Watcher(epochs=2, then="enough")
    generator = fitted(quick(epochs=500), *small_world(), watcher)
    assert len(generator.model.curve) == 2
    assert len(generator.sample(10)) == 10


def test_a_time_limit_ends_the_training():
    generator = fitted(quick(epochs=10_000, patience=0, time_limit_s=1), *small_world())
    assert 1 <= len(generator.model.curve) < 10_000


def test_an_interrupted_training_goes_on_where_it_was(tmp_path):
    table, schema = small_world()
    whole = fitted(quick(epochs=4), table, schema)
    with pytest.raises(Stopped):
        fitted(quick(epochs=4), table, schema, Watcher(epochs=2, checkpoint=tmp_path))
    watcher = Watcher(checkpoint=tmp_path)
    resumed = fitted(quick(epochs=4), table, schema, watcher)
    assert [point["epoch"] for point in watcher.curve] == [2, 3, 4]  # the first was kept
    assert resumed.model.curve == whole.model.curve
    pd.testing.assert_frame_equal(resumed.sample(50), whole.sample(50))


def test_a_checkpoint_of_another_table_is_left_alone(tmp_path):
    fitted(quick(epochs=2), *small_world(seed=1), Watcher(checkpoint=tmp_path))
    watcher = Watcher(checkpoint=tmp_path)
    fitted(quick(epochs=2), *small_world(seed=2), watcher)
    assert [point["epoch"] for point in watcher.curve] == [1, 2]


def test_others_randomness_is_left_alone():
    torch.manual_seed(5)
    np.random.seed(5)
    expected = torch.rand(3), np.random.rand(3)
    torch.manual_seed(5)
    np.random.seed(5)
    fitted(quick(), *small_world()).sample(20)
    assert torch.equal(torch.rand(3), expected[0]) and (np.random.rand(3) == expected[1]).all()


def test_a_batch_that_packs_do_not_fill_is_refused_in_words():
    with pytest.raises(ValueError, match="multiple of pac; 500 is not one of 7"):
        CTGAN.Params(pac=7)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a graphics card")
def test_a_device_that_is_not_there_is_refused_in_words():
    with pytest.raises(ValueError, match="no cuda device"):
        fitted(quick(device="cuda"), *small_world())


class RunningAway:
    """A network whose loss is not a number from the first epoch on."""

    steps = 1

    def prepare(self, code):
        pass

    def epoch(self, tick):
        return {"loss": float("nan")}


def test_a_training_that_runs_away_is_refused_in_words():
    table, schema = small_world(100)
    modes = Modes().fit(table, schema, seed=0)
    code = modes.encode(table, np.random.default_rng(0))
    training = Trainer(CTGAN.Params(), 0, RunningAway(), modes, code, quiet)
    with pytest.raises(ValueError, match="lower learning rates"):
        training.run()


def test_20_000_distinct_levels_train():
    table = pd.DataFrame({"key": [f"v{i:05d}" for i in range(20_000)], "x": np.arange(20_000) % 7 / 2})
    schema = Schema(columns=[Column(name="key", kind="category"), Column(name="x", kind="number")])
    synthetic = fitted(quick(epochs=1, time_limit_s=5), table, schema).sample(1_000)
    assert synthetic["key"].nunique() > 500


@pytest.mark.slow
def test_300_000_distinct_levels_train():
    table = pd.DataFrame({"key": [f"v{i:06d}" for i in range(300_000)], "x": np.arange(300_000) % 1000})
    schema = Schema(columns=[Column(name="key", kind="category"), Column(name="x", kind="number")])
    synthetic = fitted(CTGAN(CTGAN.Params(epochs=1)), table, schema).sample(10_000)
    assert synthetic["key"].nunique() > 9_000


@pytest.mark.slow
def test_what_depends_on_what_is_learned():
    table, schema = small_world(5_000)
    synthetic = fitted(CTGAN(CTGAN.Params(epochs=300, patience=0), seed=0), table, schema).sample(5_000)
    women, men = synthetic[synthetic["sex"] == "f"], synthetic[synthetic["sex"] == "m"]
    assert len(women) / 5_000 == pytest.approx(0.6, abs=0.08)
    assert women["height"].median() == pytest.approx(160, abs=3) and men["height"].median() == pytest.approx(185, abs=3)
    assert women["height"].isna().mean() < 0.1 < men["height"].isna().mean()
    assert synthetic["smokes"].mean() == pytest.approx(0.25, abs=0.08)
