"""TVAE's networks and its training step: the ctgan package's algorithm with less work per step.

The loss runs over all columns at once (`synth.blocks`) and batches are slices of tensors; as shipped, a data loader
collates them row by row. Draws take the level of highest score itself: as shipped, scores pass through tanh first,
where high ones become equal and the first of them wins.
"""

from __future__ import annotations

import ctgan
import numpy as np
import torch
from ctgan.synthesizers.tvae import Decoder, Encoder
from torch import Tensor

from synth.blocks import Blocks
from synth.modes import Code


class Network(ctgan.TVAE):
    """TVAE on coded rows: `numbers` values, then one block for each entry of `widths`."""

    def __init__(self, params, numbers: int, widths: list[int], device: torch.device):
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

    # Training --------------------------------------------------------------------------------------------------

    def prepare(self, code: Code) -> None:
        """Take the training rows, and make ready what training needs and drawing does not."""
        self.encoder = Encoder(self.width, self.compress_dims, self.embedding_dim).to(self._device)
        parameters = [*self.encoder.parameters(), *self.decoder.parameters()]
        self.optimizer = torch.optim.Adam(parameters, weight_decay=self.l2scale, fused=True)
        self.values = torch.from_numpy(code.values).to(self._device)
        self.levels = torch.from_numpy(code.levels).to(self._device)
        self.steps = -(-len(code) // self.batch_size)

    def epoch(self, tick) -> dict[str, float]:
        """One pass over the table; `tick` after each step says whether to go on."""
        total, rows = 0.0, 0
        for batch in torch.randperm(len(self.values), device=self._device).split(self.batch_size):
            total += self._train(batch) * len(batch)
            rows += len(batch)
            if not tick():
                break
        return {"loss": float(total) / rows}

    def _train(self, batch: Tensor) -> Tensor:
        values, lit = self.values[batch], self.blocks.lit(self.levels[batch].long())
        mean, std, log_variance = self.encoder(torch.cat([values, lit], 1))
        drawn, sigmas = self.decoder(torch.addcmul(mean, torch.randn_like(std), std))
        sigmas = sigmas[: self.numbers]
        miss = (values - drawn[:, : self.numbers].tanh()) / sigmas
        reconstruction = miss.square().sum() / 2 + sigmas.log().sum() * len(batch)
        reconstruction = reconstruction + self.blocks.surprise(drawn[:, self.numbers :], lit)
        divergence = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum()
        loss = (reconstruction * self.loss_factor + divergence) / len(batch)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.decoder.sigma.data.clamp_(0.01, 1.0)
        return loss.detach()

    # Drawing ---------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def draw(self, rows: int, tick=lambda: True) -> Code:
        """New rows, in code."""
        values, levels = [], []
        for start in range(0, rows, self.batch_size):
            tick()
            noise = torch.randn(min(self.batch_size, rows - start), self.embedding_dim, device=self._device)
            drawn, sigmas = self.decoder(noise)
            middle = drawn[:, : self.numbers].tanh()
            values.append(middle + sigmas[: self.numbers] * torch.randn_like(middle))
            levels.append(self.blocks.brightest(drawn[:, self.numbers :]))
        return Code(torch.cat(values).cpu().numpy(), torch.cat(levels).cpu().numpy().astype(np.int32))

    # Keeping ---------------------------------------------------------------------------------------------------

    @property
    def weights(self) -> dict[str, Tensor]:
        """What drawing needs."""
        return self.decoder.state_dict()

    @weights.setter
    def weights(self, weights: dict[str, Tensor]) -> None:
        self.decoder.load_state_dict(weights)

    @property
    def state(self) -> dict:
        """What training needs to go on."""
        return {
            "encoder": self.encoder.state_dict(),
            "decoder": self.decoder.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    @state.setter
    def state(self, state: dict) -> None:
        self.encoder.load_state_dict(state["encoder"])
        self.decoder.load_state_dict(state["decoder"])
        self.optimizer.load_state_dict(state["optimizer"])
