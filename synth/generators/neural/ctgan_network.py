"""CTGAN's networks and its training step: the ctgan package's algorithm with less work per step.

What a step computes is what `ctgan.CTGAN.fit` computes, but for these, none of which changes a gradient:

- the discriminator's step does not send gradients back into the generator (as shipped they are computed twice over
  and thrown away), nor the generator's step into the discriminator's weights;
- the gradient penalty is written out (all layers are piecewise linear), so one backward pass serves a step;
- conditions are looked up in the generator's weights instead of being multiplied with, mostly zero by zero;
- activations and the conditional loss run over all columns at once (`synth.generators.neural.softmax_blocks`);
- conditions and the rows that satisfy them are drawn as arrays, not row by row;
- Adam is torch's fused one.

Three things do differ once rows are drawn, each of them measured to bring drawn tables closer to real ones:

- batch normalisation uses its running statistics, as shipped those of the batch being drawn;
- weights are the mean over the last steps (unless `averaging` is off), as shipped those of the very last one;
- conditions have their real frequency, as shipped (0.12.1) the logarithm of it, which is meant for training.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import ctgan
import numpy as np
import torch
from ctgan.synthesizers import ctgan as shipped
from torch import Tensor
from torch.nn import Dropout, LeakyReLU, Linear, functional

from synth.generators.neural.mode_encoder import Code
from synth.generators.neural.softmax_blocks import Blocks, gumbel
from synth.generators.neural.weight_averaging import RunningMean

TEMPERATURE = 0.2
PENALTY = 10.0


class Discriminator(shipped.Discriminator):
    """The shipped discriminator; its gradient penalty needs no second backward pass."""

    def calc_gradient_penalty(
        self, real_data: Tensor, fake_data: Tensor, device: str = "cpu", pac: int = 10, lambda_: float = PENALTY
    ):
        """(|slope of the score along the input| - 1)^2 between real and fake, averaged and weighted.

        Every layer is linear, or multiplies by a mask that does not move with the weights (LeakyReLU's slope,
        Dropout), so the slope is the product of the weight matrices and masks, and differentiates as such.
        """
        packs = len(real_data) // pac
        alpha = torch.rand(packs, 1, device=device)
        real, fake = real_data.view(packs, -1), fake_data.view(packs, -1)
        masks = []
        with torch.no_grad():
            between = torch.lerp(fake, real, alpha)
            for layer, leaky, dropout in self.hidden:
                between = layer(between)
                mask = dropout(torch.where(between > 0, 1.0, leaky.negative_slope))
                between.mul_(mask)
                masks.append(mask)
        slope = self.seq[-1].weight
        for (layer, *_), mask in zip(reversed(self.hidden), reversed(masks), strict=True):
            slope = (slope * mask) @ layer.weight
        return ((slope.norm(2, dim=1) - 1) ** 2).mean() * lambda_

    @property
    def hidden(self) -> list[tuple[Linear, LeakyReLU, Dropout]]:
        return list(zip(self.seq[:-1:3], self.seq[1:-1:3], self.seq[2:-1:3], strict=True))


class Conditions(NamedTuple):
    """One level of one category for each row: its place among all levels, its column, and its place there."""

    place: Tensor
    column: Tensor
    level: Tensor


class Network(ctgan.CTGAN):
    """CTGAN on coded rows: `numbers` values, then one block for each entry of `widths`."""

    def __init__(self, params: Any, numbers: int, widths: list[int], device: torch.device):
        super().__init__(
            embedding_dim=params.embedding_dim,
            generator_dim=(params.generator_width,) * params.generator_layers,
            discriminator_dim=(params.discriminator_width,) * params.discriminator_layers,
            generator_lr=params.generator_lr,
            generator_decay=params.generator_decay,
            discriminator_lr=params.discriminator_lr,
            discriminator_decay=params.discriminator_decay,
            batch_size=params.batch_size,
            discriminator_steps=params.discriminator_steps,
            log_frequency=params.log_frequency,
            pac=params.pac,
            enable_gpu=False,
        )
        self._device = device
        self.numbers = numbers
        self.blocks = Blocks(widths, device)
        self.conditions = Blocks(widths[numbers:], device)
        self.width = numbers + self.blocks.width
        self._generator = shipped.Generator(
            self._embedding_dim + self.conditions.width, self._generator_dim, self.width
        ).to(device)
        self.drawing = RunningMean(self._generator, params.averaging)

    # Training --------------------------------------------------------------------------------------------------

    def prepare(self, code: Code) -> None:
        """Take the training rows, and make ready what training needs and drawing does not."""
        device = self._device
        self.discriminator = Discriminator(
            self.width + self.conditions.width, self._discriminator_dim, pac=self.pac
        ).to(device)
        self.optimizers = {
            "generator": _adam(self._generator, self._generator_lr, (0.5, 0.9), self._generator_decay),
            "discriminator": _adam(self.discriminator, self._discriminator_lr, (0.5, 0.9), self._discriminator_decay),
        }
        self.values = torch.from_numpy(code.values).to(device)
        self.places = torch.from_numpy(code.levels).to(device) + self.blocks.starts
        self.rows = len(code)
        self.steps = max(self.rows // self._batch_size, 1)
        categories = code.levels[:, self.numbers :]
        widths = self.conditions.widths
        counts = [np.bincount(levels, minlength=width) for levels, width in zip(categories.T, widths, strict=True)]
        self.counts = torch.tensor(np.concatenate([*counts, []]), dtype=torch.int64, device=device)
        self.starts = self.counts.cumsum(0) - self.counts
        weights = [np.log(count + 1) if self._log_frequency else count for count in counts]
        edges = np.ones((len(widths), max(widths, default=0)), dtype=np.float32)
        for column, weight in enumerate(weights):
            edges[column, : len(weight) - 1] = (weight / weight.sum()).cumsum()[:-1]
        self.edges = torch.from_numpy(edges).to(device)
        """For each category, where each level's share of the draws ends; 1 from the last level on."""
        order = [levels.argsort(kind="stable").astype(np.int32) for levels in categories.T]
        self.order = torch.from_numpy(np.concatenate([*order, np.empty(0, np.int32)])).to(device)
        """Row numbers, sorted by level, one category after another."""

    def epoch(self, tick: Callable[[], bool]) -> dict[str, float]:
        """One pass over the table; `tick` after each step says whether to go on."""
        self._generator.train()
        self.discriminator.train()
        for _ in range(self.steps):
            for _ in range(self._discriminator_steps):
                discriminator_loss = self._train_discriminator()
            generator_loss = self._train_generator()
            if not tick():
                break
        return {"generator_loss": generator_loss.item(), "discriminator_loss": discriminator_loss.item()}

    def _train_discriminator(self) -> Tensor:
        wanted = self._draw_conditions(self._batch_size)
        with torch.no_grad():
            fake = self._with_conditions(self._activated(self._raw(self._generator, wanted)), wanted)
        shuffled = torch.randperm(self._batch_size, device=self._device)
        real = self._real(None if wanted is None else Conditions(*(part[shuffled] for part in wanted)))
        scores = self.discriminator(torch.cat([real, fake]))
        packs = len(scores) // 2
        loss = scores[packs:].mean() - scores[:packs].mean()
        penalty = self.discriminator.calc_gradient_penalty(real, fake, self._device, self.pac)
        self.optimizers["discriminator"].zero_grad(set_to_none=True)
        (loss + penalty).backward()
        self.optimizers["discriminator"].step()
        return loss.detach()

    def _train_generator(self) -> Tensor:
        wanted = self._draw_conditions(self._batch_size)
        raw = self._raw(self._generator, wanted)
        self.discriminator.requires_grad_(False)
        loss = -self.discriminator(self._with_conditions(self._activated(raw), wanted)).mean()
        self.discriminator.requires_grad_(True)
        if wanted is not None:
            loss = loss + self._cond_loss(raw, wanted)
        self.optimizers["generator"].zero_grad(set_to_none=True)
        loss.backward()
        self.optimizers["generator"].step()
        self.drawing.follow()
        return loss.detach()

    def _cond_loss(self, data: Tensor, wanted: Conditions) -> Tensor:
        """Cross-entropy of the wanted level in its column, averaged over the rows."""
        blocks = self.conditions
        widths = torch.tensor(blocks.widths, device=self._device)[wanted.column]
        offsets = torch.arange(max(blocks.widths), device=self._device)
        first = self.width - blocks.width + blocks.starts[wanted.column]
        inside = offsets < widths[:, None]
        scores = data.gather(1, torch.where(inside, first[:, None] + offsets, first[:, None]))
        return functional.cross_entropy(scores.masked_fill(~inside, -torch.inf), wanted.level)

    def _draw_conditions(self, rows: int) -> Conditions | None:
        if not self.conditions.widths:
            return None
        column = torch.randint(len(self.conditions.widths), (rows,), device=self._device)
        chance = torch.rand(rows, 1, device=self._device)
        level = torch.searchsorted(self.edges[column], chance, right=True)[:, 0]
        return Conditions(self.conditions.starts[column] + level, column, level)

    def _real(self, wanted: Conditions | None) -> Tensor:
        """Training rows that satisfy the conditions, with the conditions behind them."""
        if wanted is None:
            rows = torch.randint(self.rows, (self._batch_size,), device=self._device)
        else:
            counts = self.counts[wanted.place]
            nth = (torch.rand(len(counts), device=self._device) * counts).long()
            rows = self.order[self.starts[wanted.place] + torch.minimum(nth, counts - 1)].long()
        return self._with_conditions(self.blocks.lit(self.values[rows], self.places[rows]), wanted)

    # Both ------------------------------------------------------------------------------------------------------

    def _raw(self, generator: shipped.Generator, wanted: Conditions | None) -> Tensor:
        """The generator's output before its activations, as `generator` itself computes it from noise and conditions.

        Conditions are one-hot, so a layer's share of them is looked up in its weights, not multiplied out.
        """
        rows = torch.randn(self._batch_size, self._embedding_dim, device=self._device)
        if wanted is None:
            return generator(rows)

        def through(linear: Linear, rows: Tensor) -> Tensor:
            dense, conditional = linear.weight.split([rows.shape[1], self.conditions.width], 1)
            return functional.linear(rows, dense, linear.bias) + functional.embedding(wanted.place, conditional.t())

        *residuals, last = generator.seq
        for residual in residuals:
            rows = torch.cat([residual.relu(residual.bn(through(residual.fc, rows))), rows], 1)
        return through(last, rows)

    def _activated(self, raw: Tensor) -> Tensor:
        values, scores = raw.split([self.numbers, self.blocks.width], 1)
        noisy = (scores + gumbel(*scores.shape, self._device)).div_(TEMPERATURE)
        return torch.cat([values.tanh(), self.blocks.softmax(noisy)], 1)

    def _with_conditions(self, rows: Tensor, wanted: Conditions | None) -> Tensor:
        if wanted is None:
            return rows
        lit = torch.zeros(len(rows), self.conditions.width, device=self._device)
        return torch.cat([rows, lit.scatter_(1, wanted.place[:, None], 1.0)], 1)

    # Drawing ---------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def draw(self, rows: int, tick: Callable[[], object] = lambda: True) -> Code:
        """New rows, in code."""
        values, levels = [], []
        for _ in range(-(-rows // self._batch_size)):
            tick()
            wanted = self._real_conditions(self._batch_size)
            raw = self._raw(self.drawing.mean, wanted)
            scores = raw[:, self.numbers :]
            values.append(raw[:, : self.numbers].tanh())
            levels.append(self.blocks.brightest(scores + gumbel(*scores.shape, self._device)))
        return Code(torch.cat(values)[:rows].cpu().numpy(), torch.cat(levels)[:rows].cpu().numpy().astype(np.int32))

    def _real_conditions(self, rows: int) -> Conditions | None:
        if not self.conditions.widths:
            return None
        places = torch.multinomial(self.counts.float(), rows, replacement=True)
        return Conditions(places, places, places)

    # Keeping ---------------------------------------------------------------------------------------------------

    @property
    def weights(self) -> dict[str, Tensor]:
        """What drawing needs."""
        return {**self.drawing.mean.state_dict(), "counts": self.counts}

    @weights.setter
    def weights(self, weights: dict[str, Tensor]) -> None:
        weights = {name: value.to(self._device) for name, value in weights.items()}
        self.counts = weights.pop("counts")
        self.drawing.mean.load_state_dict(weights)

    @property
    def state(self) -> dict:
        """What training needs to go on."""
        return {
            "generator": self._generator.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "drawing": self.drawing.state,
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
        }

    @state.setter
    def state(self, state: dict) -> None:
        self._generator.load_state_dict(state["generator"])
        self.discriminator.load_state_dict(state["discriminator"])
        self.drawing.state = state["drawing"]
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])


def _adam(module: torch.nn.Module, rate: float, betas: tuple[float, float], decay: float) -> torch.optim.Adam:
    return torch.optim.Adam(module.parameters(), lr=rate, betas=betas, weight_decay=decay, fused=True)
