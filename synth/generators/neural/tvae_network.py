"""TVAE's networks and its training step: the ctgan package's algorithm with less work per step.

The loss is computed for all columns at once (`synth.generators.neural.softmax_blocks`) with its gradient written out, and batches are slices of
tensors; as shipped, a data loader collates them row by row.

Two things do differ once rows are drawn, both measured to bring drawn tables closer to real ones:

- levels are drawn by the probabilities that the decoder was trained to give them; as shipped the likeliest level
  always wins, so that rare levels and missing values fade (after 20 epochs on adult: column shapes 0.83 as shipped,
  0.93 drawn);
- weights are the mean over the last steps (unless `averaging` is off), as shipped those of the very last one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ctgan
import numpy as np
import torch
from ctgan.synthesizers.tvae import Decoder, Encoder
from torch import Tensor
from torch.nn import ReLU, functional

from synth.generators.neural.mode_encoder import Code
from synth.generators.neural.softmax_blocks import Blocks, gumbel
from synth.generators.neural.weight_averaging import RunningMean


class Network(ctgan.TVAE):
    """TVAE on coded rows: `numbers` values, then one block for each entry of `widths`."""

    def __init__(self, params: Any, numbers: int, widths: list[int], device: torch.device):
        super().__init__(
            embedding_dim=params.embedding_dim,
            compress_dims=(params.compress_width,) * params.compress_layers,
            decompress_dims=(params.decompress_width,) * params.decompress_layers,
            l2scale=params.l2scale,
            batch_size=params.batch_size,
            loss_factor=params.loss_factor,
            enable_gpu=False,
        )
        self._device = device
        self.numbers = numbers
        self.blocks = Blocks(widths, device)
        self.width = numbers + self.blocks.width
        self.decoder = Decoder(self.embedding_dim, self.decompress_dims, self.width).to(device)
        self.drawing = RunningMean(self.decoder, params.averaging)

    # Training --------------------------------------------------------------------------------------------------

    def prepare(self, code: Code) -> None:
        """Take the training rows, and make ready what training needs and drawing does not."""
        self.encoder = Encoder(self.width, self.compress_dims, self.embedding_dim).to(self._device)
        for layer in [*self.encoder.modules(), *self.decoder.modules()]:
            if isinstance(layer, ReLU):
                layer.inplace = True
        parameters = [*self.encoder.parameters(), *self.decoder.parameters()]
        self.optimizer = torch.optim.Adam(parameters, weight_decay=self.l2scale, fused=True)
        self.values = torch.from_numpy(code.values).to(self._device)
        self.places = torch.from_numpy(code.levels).to(self._device) + self.blocks.starts
        self.steps = -(-len(code) // self.batch_size)

    def epoch(self, tick: Callable[[], bool]) -> dict[str, float]:
        """One pass over the table; `tick` after each step says whether to go on."""
        order = torch.randperm(len(self.values), device=self._device)
        batches = zip(self.values[order].split(self.batch_size), self.places[order].split(self.batch_size), strict=True)
        total, rows = 0.0, 0
        for values, places in batches:
            total += self._train(values, places) * len(values)
            rows += len(values)
            if not tick():
                break
        return {"loss": float(total) / rows}

    def _train(self, values: Tensor, places: Tensor) -> Tensor:
        feature = self.encoder.seq(self.blocks.lit(values, places))
        both = functional.linear(
            feature,
            torch.cat([self.encoder.fc1.weight, self.encoder.fc2.weight]),
            torch.cat([self.encoder.fc1.bias, self.encoder.fc2.bias]),
        )
        code, divergence = Reparametrised.apply(*both.chunk(2, 1), torch.randn_like(both[:, : self.embedding_dim]))
        drawn = self.decoder.seq(code)
        reconstruction = Reconstruction.apply(drawn, self.decoder.sigma, values, places, self.blocks)
        loss = (reconstruction * self.loss_factor + divergence) / len(values)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.decoder.sigma.data.clamp_(0.01, 1.0)
        self.drawing.follow()
        return loss.detach()

    # Drawing ---------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def draw(self, rows: int, tick: Callable[[], object] = lambda: True) -> Code:
        """New rows, in code."""
        values, levels = [], []
        for start in range(0, rows, self.batch_size):
            tick()
            noise = torch.randn(min(self.batch_size, rows - start), self.embedding_dim, device=self._device)
            drawn, sigmas = self.drawing.mean(noise)
            middle = drawn[:, : self.numbers].tanh()
            values.append(middle + sigmas[: self.numbers] * torch.randn_like(middle))
            scores = drawn[:, self.numbers :]
            levels.append(self.blocks.brightest(scores + gumbel(*scores.shape, self._device)))
        return Code(torch.cat(values).cpu().numpy(), torch.cat(levels).cpu().numpy().astype(np.int32))

    # Keeping ---------------------------------------------------------------------------------------------------

    @property
    def weights(self) -> dict[str, Tensor]:
        """What drawing needs."""
        return self.drawing.mean.state_dict()

    @weights.setter
    def weights(self, weights: dict[str, Tensor]) -> None:
        self.drawing.mean.load_state_dict(weights)

    @property
    def state(self) -> dict:
        """What training needs to go on."""
        return {
            "encoder": self.encoder.state_dict(),
            "decoder": self.decoder.state_dict(),
            "drawing": self.drawing.state,
            "optimizer": self.optimizer.state_dict(),
        }

    @state.setter
    def state(self, state: dict) -> None:
        self.encoder.load_state_dict(state["encoder"])
        self.decoder.load_state_dict(state["decoder"])
        self.drawing.state = state["drawing"]
        self.optimizer.load_state_dict(state["optimizer"])


class Reparametrised(torch.autograd.Function):
    """A draw from the normal distribution of each code, and the divergence of all from the standard one."""

    @staticmethod
    def forward(ctx: Any, mean: Tensor, log_variance: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        std = (log_variance * 0.5).exp_()
        ctx.save_for_backward(mean, std, noise)
        divergence = (mean.square().sum() + std.square().sum() - log_variance.sum() - mean.numel()) / 2
        return torch.addcmul(mean, noise, std), divergence

    @staticmethod
    def backward(ctx: Any, slope: Tensor, push: Tensor) -> tuple[Tensor, Tensor, None]:
        mean, std, noise = ctx.saved_tensors
        of_mean = torch.addcmul(slope, mean, push)
        of_std = (slope * noise).addcmul_(std, push)
        return of_mean, of_std.mul_(std).sub_(push).mul_(0.5), None


class Reconstruction(torch.autograd.Function):
    """How unlikely the real rows are under the drawn ones: normal around the values, softmax within the blocks."""

    @staticmethod
    def forward(ctx: Any, drawn: Tensor, sigma: Tensor, values: Tensor, places: Tensor, blocks: Blocks) -> Tensor:
        numbers = values.shape[1]
        sigmas = sigma[:numbers]
        middle = drawn[:, :numbers].tanh()
        miss = (middle - values) / sigmas
        surprise, of_scores = blocks.surprise(drawn[:, numbers:], places)
        of_drawn = torch.cat([miss / sigmas * (1 - middle.square()), of_scores], 1)
        squares = miss.square().sum(0)
        of_sigma = functional.pad((len(values) - squares) / sigmas, (0, len(sigma) - numbers))
        ctx.save_for_backward(of_drawn, of_sigma)
        return squares.sum() / 2 + sigmas.log().sum() * len(values) + surprise

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        of_drawn, of_sigma = ctx.saved_tensors
        return of_drawn * slope, of_sigma * slope, None, None, None
