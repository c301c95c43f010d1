"""GANerAid's networks and its training step: an LSTM that draws blocks of rows, and a discriminator of blocks.

As in the package, the LSTM walks along the columns, and each row of a block is read from its own slice of the
state. The package computes the LSTM's backward direction and drops it; here it is used. The discriminator's layers are as
wide as the package has them (in parts of the block's size), but no wider than `judge_width`.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from synth.generators.neural.mode_encoder import Code
from synth.generators.neural.softmax_blocks import Blocks
from synth.generators.neural.weight_averaging import RunningMean

FEWEST_STEPS = 4
"""Training steps in a pass over a table, at least, however few rows it has."""
LAYERS = (1.2, 1.0, 0.8, 0.5)
"""Widths of the discriminator's layers, in parts of the numbers in a block."""
DROPOUT, LEAK = 0.3, 0.2
DECAY = 1e-5


class Drawer(nn.Module):
    """Noise in, blocks of rows out, each number in [-1, 1]."""

    def __init__(self, noise: int, columns: int, hidden: int, rows: int):
        super().__init__()
        self.noise, self.columns, self.rows = noise, columns, rows
        self.lstm = nn.LSTM(noise, hidden, batch_first=True, bidirectional=True)
        self.row = nn.Linear(2 * hidden // rows * columns, columns)

    def forward(self, blocks: int) -> Tensor:
        """`blocks` x rows x columns."""
        device = self.row.weight.device
        start = torch.randn(2, 2, blocks, self.lstm.hidden_size, device=device)
        state, _ = self.lstm(torch.randn(blocks, self.columns, self.noise, device=device), (start[0], start[1]))
        # Each row has its slice of the state at every column, of both directions.
        slices = state.view(blocks, self.columns, 2, self.rows, -1).permute(0, 3, 1, 2, 4)
        return self.row(slices.reshape(blocks, self.rows, -1)).tanh()


def discriminator_of(block: int, most: int) -> nn.Module:
    """Tells real blocks of `block` numbers from drawn ones; the higher its score, the more real."""
    widths = [block, *(min(max(int(block * part), 1), most) for part in LAYERS)]
    layers: list[nn.Module] = [nn.Flatten()]
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.LeakyReLU(LEAK), nn.Dropout(DROPOUT)]
    return nn.Sequential(*layers, nn.Linear(widths[-1], 1))


class Network:
    """GANerAid on coded rows: `numbers` values, then one block for each entry of `widths`."""

    def __init__(self, params: Any, numbers: int, widths: list[int], device: torch.device):
        self.params, self.numbers, self.device = params, numbers, device
        self.blocks = Blocks(widths, device)
        self.width = numbers + self.blocks.width
        self.drawer = Drawer(params.embedding_dim, self.width, params.hidden, params.rows_per_block).to(device)
        self.drawing = RunningMean(self.drawer, params.averaging)

    def prepare(self, code: Code) -> None:
        """Take the training rows, and make ready what training needs and drawing does not."""
        self.discriminator = discriminator_of(self.params.rows_per_block * self.width, self.params.judge_width).to(
            self.device
        )
        rate = self.params.learning_rate
        self.drawer_steps = torch.optim.Adam(self.drawer.parameters(), rate, weight_decay=DECAY)
        self.discriminator_steps = torch.optim.Adam(self.discriminator.parameters(), rate)
        self.values = torch.from_numpy(code.values).to(self.device)
        self.places = torch.from_numpy(code.levels).to(self.device) + self.blocks.starts
        blocks = -(-len(code) // self.params.rows_per_block)
        self.batch = max(min(self.params.batch_size, blocks // FEWEST_STEPS), 1)
        self.steps = -(-blocks // self.batch)

    def epoch(self, tick: Callable[[], bool]) -> dict[str, float]:
        """One pass over the table; `tick` after each step says whether to go on."""
        size = self.params.rows_per_block
        order = torch.randperm(len(self.values), device=self.device)
        # The last block is filled up with rows from the beginning; a small table fills it several times over.
        filled = -(-len(order) // size) * size
        order = order.repeat(-(-filled // len(order)))[:filled]
        losses = []
        for block in order.view(-1, size).split(self.batch):
            losses.append(self._train(block))
            if not tick():
                break
        discriminator, drawer = torch.stack(losses).mean(0).tolist()
        return {"judge_loss": discriminator, "generator_loss": drawer}

    def _train(self, rows: Tensor) -> Tensor:
        real = self._real(rows.flatten()).view(*rows.shape, -1)
        drawn = self.drawer(len(rows))
        yes, no = torch.ones(len(rows), 1, device=self.device), torch.zeros(len(rows), 1, device=self.device)
        doubt = functional.binary_cross_entropy_with_logits
        judged = doubt(self.discriminator(real), yes) + doubt(self.discriminator(drawn.detach()), no)
        self.discriminator_steps.zero_grad(set_to_none=True)
        judged.backward()
        self.discriminator_steps.step()
        fooled = doubt(self.discriminator(drawn), yes)
        self.drawer_steps.zero_grad(set_to_none=True)
        fooled.backward()
        self.drawer_steps.step()
        self.drawing.follow()
        return torch.stack([judged.detach(), fooled.detach()])

    def _real(self, rows: Tensor) -> Tensor:
        """Real rows in [-1, 1], their one-hot places blurred."""
        lit = self.blocks.lit(self.values[rows], self.places[rows])
        marks = lit[:, self.numbers :] * 2 - 1
        lit[:, self.numbers :] = marks * (1 - self.params.noise * torch.rand_like(marks))
        return lit

    @torch.no_grad()
    def draw(self, rows: int, tick: Callable[[], object] = lambda: True) -> Code:
        """New rows, in code."""
        size, drawn = self.params.rows_per_block, []
        for start in range(0, -(-rows // size), self.params.batch_size):
            tick()
            blocks = min(self.params.batch_size, -(-rows // size) - start)
            drawn.append(self.drawing.mean(blocks).view(blocks * size, -1))
        marks = torch.cat(drawn)[:rows]
        levels = self.blocks.brightest(marks[:, self.numbers :])
        return Code(marks[:, : self.numbers].cpu().numpy(), levels.cpu().numpy().astype(np.int32))

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
        return {"drawing": self.drawing.state} | {name: part.state_dict() for name, part in self._learning.items()}

    @state.setter
    def state(self, state: dict) -> None:
        self.drawing.state = state["drawing"]
        for name, part in self._learning.items():
            part.load_state_dict(state[name])

    @property
    def _learning(self) -> dict:
        parts = {"drawer": self.drawer, "judge": self.discriminator}
        return parts | {"drawer_steps": self.drawer_steps, "judge_steps": self.discriminator_steps}
